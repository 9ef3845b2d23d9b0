/* export.h - what training made, as files that others read. */
#ifndef GLIM_TRAIN_EXPORT_H
#define GLIM_TRAIN_EXPORT_H

#include "train/net.h"

/* The pairs as a PEFT folder (format/peft_write.h); base: base_model_name_or_path. Errors: as glim_peft_write. */
glim_status glim_net_export_adapter(const glim_net *n, const char *folder, const char *base, glim_err *err);
/* Reads pairs from a safetensors file by their names (net->params) into the values: to go on from an adapter. Its order of
 * rows is the file's own. Errors: GLIM_E_NOT_FOUND (a pair that is not there, unless `some`), GLIM_E_SHAPE, and as glim_st_open. */
glim_status glim_net_import_adapter(glim_net *n, const char *path, bool some, glim_err *err);
/* All tensors as a Hugging Face folder: trained ones in their file's type, others as they were, and the small files
 * beside them (config, tokenizer, template, code). The model is a Hugging Face folder. */
glim_status glim_net_export_model(const glim_net *n, const char *folder, glim_err *err);
/* Those small files alone, as many as there are, and the Python code that transformers runs for models of its own (*.py). */
glim_status glim_copy_beside(const char *from, const char *to, glim_err *err);

#endif
