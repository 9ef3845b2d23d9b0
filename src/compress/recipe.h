/* recipe.h - which type each tensor of a GGUF gets.
 *
 * A recipe is a base type and a few rules, the ones that llama.cpp's names (q4_k_m, ...) stand for: the
 * head in q6_k, values and down projections with more bits in some layers. Vectors, the router and its
 * correction bias stay f32. A row that the type's blocks do not divide falls back:
 *
 *   width no multiple of 256   q2_k, q3_k, iq4_xs -> iq4_nl   q4_k -> q5_0   q5_k -> q5_1   q6_k -> q8_0
 *   width no multiple of 32    f16, or bf16 if the source is bf16                                        */
#ifndef GLIM_COMPRESS_RECIPE_H
#define GLIM_COMPRESS_RECIPE_H

#include <stddef.h>

#include "base/err.h"
#include "tensor/dtype.h"

typedef struct glim_recipe {
    const char *name;
    glim_dtype base;
    int file_type; /* general.file_type */
    int mix;       /* private to recipe.c */
} glim_recipe;

/* By name, any case; "q4_k" means q4_k_m. Errors: GLIM_E_ARG with the list of names. */
glim_status glim_recipe_find(const glim_recipe **out, const char *name, glim_err *err);
const char *glim_recipe_names(void);

typedef struct glim_recipe_model {
    size_t n_layer, n_head, n_kv_head, n_expert;
    bool tied; /* token_embd is the head too */
} glim_recipe_model;

/* A person's wishes; each may be NULL or empty. */
typedef struct glim_recipe_wish {
    const char *embedding, *output; /* type names */
    const char *const *tensor;      /* "PATTERN=TYPE", shell patterns over GGUF names; the last that fits wins */
    size_t n_tensor;
} glim_recipe_wish;
/* Errors: GLIM_E_ARG naming the wish. */
glim_status glim_recipe_check(const glim_recipe_wish *w, glim_err *err);

/* Whether the pattern of w->tensor[i] names this tensor. w has passed glim_recipe_check. */
bool glim_recipe_wish_fits(const glim_recipe_wish *w, size_t i, const char *name);

/* The type of tensor `name` (GGUF's) with rows of n_in values, stored as `source` now. *fell_back says
 * that the rows did not fit the type wanted. w has passed glim_recipe_check. */
glim_dtype glim_recipe_type(const glim_recipe *r, const glim_recipe_model *m, const glim_recipe_wish *w,
                            const char *name, int n_dims, size_t n_in, glim_dtype source, bool *fell_back);

#endif
