/* layout.h - the tensors of the GGUF to be written, and where each one's rows come from.
 *
 * From a Hugging Face folder: names, stacked experts and row order as llama.cpp's converters have them;
 * from a GGUF: as they are. Nothing is read but names and shapes. */
#ifndef GLIM_COMPRESS_LAYOUT_H
#define GLIM_COMPRESS_LAYOUT_H

#include "base/alloc.h"
#include "format/sink.h"
#include "model/model.h"

typedef struct glim_qtensor {
    glim_tensor_out out; /* name, dims; type is chosen later */
    const glim_tensor *const *src; /* [n_src] rows of these follow each other: one, or one for each expert */
    size_t n_src;
    size_t n_in, n_rows;      /* of all sources together */
    size_t rows_each;         /* rows that share importances: of one expert, or all */
    size_t head_dim;          /* not 0: rows of a head go from halves to pairs (architecture llama) */
    const float *made;        /* not NULL: values of our own, f32 [n_in] */
    bool fell_back;           /* the type that was wanted does not divide its rows */
    size_t index;
    void *run;
} glim_qtensor;

typedef struct glim_layout {
    glim_qtensor *t;
    size_t n;
    const char *arch; /* general.architecture */
    bool mtp;         /* MTP layers are among the tensors */
    bool tied;
    glim_arena arena;
} glim_layout;

/* m: an inspected model (every tensor known and of the right shape); it must outlive the layout. */
glim_status glim_layout_make(glim_layout *l, const glim_model *m, bool keep_mtp, glim_err *err);
void glim_layout_free(glim_layout *l);

/* "glm4moe" */
const char *glim_gguf_arch_name(glim_arch a);

#endif
