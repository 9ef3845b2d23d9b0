/* export.h - what training made, as files that others read. */
#ifndef GLIM_TRAIN_EXPORT_H
#define GLIM_TRAIN_EXPORT_H

#include "train/net.h"

/* The pairs as a PEFT folder (format/peft_write.h); base: base_model_name_or_path. Errors: as glim_peft_write. */
glim_status glim_net_export_adapter(const glim_net *n, const char *folder, const char *base, glim_err *err);
/* Reads pairs from a safetensors file by their names (net->params) into the values: to go on from an adapter. Its order of
 * rows is the file's own. Errors: GLIM_E_NOT_FOUND (a pair that is not there, unless `some`), GLIM_E_SHAPE, and as glim_st_open. */
glim_status glim_net_import_adapter(glim_net *n, const char *path, bool some, glim_err *err);
/* Whether a model whose weights are all trained can be written to folder (NULL: not said yet); asked before a run, not behind it.
 * Errors: GLIM_E_UNSUPPORTED (it is no Hugging Face folder), GLIM_E_ARG (folder is the model's own). */
glim_status glim_check_export_model(const glim_model *m, const char *folder, glim_err *err);
/* Whether folder is that of the model itself, which no run may write into: an adapter there would be taken for the model's own by whoever
 * loads it. Errors: GLIM_E_ARG. */
glim_status glim_check_own_folder(const glim_model *m, const char *folder, glim_err *err);
/* All tensors as a Hugging Face folder: trained ones in their file's type, others as they were, and the small files
 * beside them (config, tokenizer, template, code). Errors: as glim_check_export_model, GLIM_E_IO, GLIM_E_NOMEM. */
glim_status glim_net_export_model(const glim_net *n, const char *folder, glim_err *err);
/* Those small files alone, as many as there are, and the Python code that transformers runs for models of its own (*.py). */
glim_status glim_copy_beside(const char *from, const char *to, glim_err *err);

#endif
