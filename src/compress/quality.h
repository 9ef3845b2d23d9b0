/* quality.h - how far a model's predictions moved from another's, on a text.
 *
 * Windows, BOS and the scored half are those of `glim perplexity`. For each scored position: the divergence
 * KL(source || result) = sum_t p(t) ln(p(t) / q(t)) over the whole vocabulary, in nats, and whether the
 * likeliest token is the same. Keys and values are kept in f32 on both sides, so that only weights differ. */
#ifndef GLIM_COMPRESS_QUALITY_H
#define GLIM_COMPRESS_QUALITY_H

#include "engine/engine.h"

typedef struct glim_quality_params {
    size_t n_ctx;      /* 0: see glim_window_tokens in importance.h */
    size_t max_tokens; /* 0: all of the text */
    int n_threads;
    bool (*progress)(void *ctx, size_t done, size_t total); /* tokens; false stops. May be NULL */
    void *progress_ctx;
} glim_quality_params;

typedef struct glim_quality {
    size_t n_scored, n_windows, n_ctx;
    double ppl_source, ppl_result;
    double kl_mean, kl_error /* standard error of the mean */, kl_median, kl_99, kl_max;
    double top1; /* share of positions with the same likeliest token */
    bool same_tokens; /* the result's tokenizer cuts the text as the source's does */
    bool source_int8, result_int8; /* its own weights did not fit in memory: it ran in q8_0, and that was compared */
} glim_quality;

/* Both models are open at once; the source's tokenizer cuts the text. Errors: as glim_engine_open;
 * GLIM_E_SHAPE for vocabularies of different size; GLIM_E_ARG for a text shorter than one window. */
glim_status glim_quality_compare(glim_quality *out, const char *source, const char *result, const char *text,
                                 const glim_quality_params *p, glim_err *err);

#endif
