/* start.h - a model that has learnt nothing yet: a folder with random weights, from a configuration and a tokenizer. */
#ifndef GLIM_TRAIN_START_H
#define GLIM_TRAIN_START_H

#include "base/err.h"
#include <stdint.h>

/* Writes folder/config.json, model.safetensors (f32) and the tokenizer's files. config is a config.json of class Glm or
 * Glm4 (dense); what it leaves out of vocab_size, eos_token_id and pad_token_id comes from the tokenizer, and a
 * vocabulary is rounded up to a multiple of 64. tokenizer is a folder.
 *
 * Matrices and the embedding are normal with initializer_range (0.02 if absent); norms are 1, but those behind attention
 * and MLP (Glm4) are initializer_range: so what a block adds begins as small as the embedding that it adds to, and the
 * residual is not drowned before the first step. With "glim_start": "lookup" in the configuration the first two layers
 * begin as start_lookup.c says: the model finds and repeats what stood before from its first step on. A value depends on (seed, tensor's name, place) alone.
 * Errors: GLIM_E_UNSUPPORTED (another family, experts), GLIM_E_ARG (a vocabulary smaller than the tokenizer's), and
 * those of reading and writing. */
glim_status glim_start_model(const char *folder, const char *config, const char *tokenizer, uint64_t seed, glim_err *err);

#endif
