/* quantize.h - one checkpoint into one GGUF of other types.
 *
 * Tensors go by one at a time, rows in parallel; memory is one slab of output and one row for each
 * thread, whatever the model's size. With error feedback also the moments of one group of inputs
 * (importance.h), gathered when the first tensor of the group is made. The file grows as "<out>.tmp.<pid>" under a second name,
 * "<out>.part", which survives a kill; "<out>.part.journal" has a line with a hash for each tensor that
 * is done. The next run with the same input and settings copies what the journal vouches for and goes
 * on; the result has the same bytes as an undisturbed run. Another input or setting starts anew. */
#ifndef GLIM_COMPRESS_QUANTIZE_H
#define GLIM_COMPRESS_QUANTIZE_H

#include "compress/importance.h"
#include "compress/recipe.h"

/* What changes rows on their way: an adapter that is merged. */
typedef struct glim_quantize_edit {
    const void *(*find)(void *ctx, const glim_tensor *t); /* what there is to do to a tensor of the input; NULL: nothing */
    /* Row `row` of that tensor: v [n], scratch [n]. Called by several threads. What is no number afterwards is refused by its row. */
    void (*row)(void *ctx, const void *found, size_t row, float *v, double *scratch, size_t n);
    void *ctx;
    size_t n;          /* tensors of the input that it changes: all of them must have a place in the result */
    uint64_t key;      /* of all that it does: an interrupted run goes on only with the same */
    bool rest_as_it_is; /* tensors without a change keep their type: recipe is for the others. recipe NULL: they keep theirs too if it has
                         * 8 bits or more, and are q8_0 otherwise: in fewer, most of a small change would be lost in the rounding */
} glim_quantize_edit;

typedef struct glim_quantize_params {
    const glim_recipe *recipe;
    const glim_quantize_edit *edit; /* or NULL */
    glim_recipe_wish wish;
    glim_importance *importance; /* or NULL; gathered whole: with error feedback */
    bool keep_mtp;
    bool overwrite; /* `out` may exist (never the input) */
    int n_threads;  /* 0: all this process may use */
    /* Once, before the first byte, if there is error feedback: passes over the calibration text in all, the one that has
     * been made included, and the bytes of moments that are held at once. A run that goes on may make fewer. May be NULL. */
    void (*planned)(void *ctx, size_t n_passes, uint64_t bytes);
    /* Bytes of the result written so far, and the tensor at work; false stops. May be NULL. */
    bool (*progress)(void *ctx, uint64_t done, uint64_t total, const char *tensor);
    void *progress_ctx;
    /* Before the first byte: what the result takes on its disk, and what is free there. May be NULL. */
    void (*on_disk)(void *ctx, uint64_t bytes, uint64_t free);
} glim_quantize_params;

typedef struct glim_quantize_result {
    size_t n_tensors, n_fell_back; /* tensors whose rows the wanted type does not divide */
    size_t n_resumed;              /* tensors taken over from an interrupted run */
    size_t n_weighted;             /* tensors quantized with importances */
    size_t n_feedback;             /* those of them with error feedback */
    size_t n_edited;               /* tensors of the input that were changed on their way */
    size_t n_passes;               /* over the calibration text, for them: 1 and one for each group of inputs more */
    uint64_t n_values, bytes_in, bytes_out; /* of tensor data */
    double bits_per_value;
    struct {
        size_t n;
        uint64_t bytes;
    } types[GLIM_N_DTYPE];
} glim_quantize_result;

/* Errors: those of opening and of model/'s binding; GLIM_E_ARG (out is the input, or exists);
 * GLIM_E_UNSUPPORTED (an edit of a tensor that is not written: a head that is the embedding, a layer that stays behind);
 * GLIM_E_IO (no room: got and wanted); GLIM_E_FORMAT (a value is not finite, or too large for f16, by tensor and row);
 * GLIM_E_CANCELLED; GLIM_E_STATE (another run is writing the same file). */
glim_status glim_quantize(const char *in, const char *out, const glim_quantize_params *p,
                          glim_quantize_result *result, glim_err *err);

#endif
