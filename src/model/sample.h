/* sample.h - from logits to a token.
 *
 * Order, as transformers applies it: bias and bans, penalties, (greedy ends here), temperature, top-k,
 * top-p, min-p, choice. The random number is a function of (seed, choice, position) alone, so retries and
 * eviction cannot shift it. Allocates nothing after init. */
#ifndef GLIM_MODEL_SAMPLE_H
#define GLIM_MODEL_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct glim_bias {
    int32_t id;
    float add; /* -INFINITY bans */
} glim_bias;

typedef struct glim_sample_params {
    double temperature;        /* <= 0: greedy */
    int top_k;                 /* 0: off */
    double top_p;              /* >= 1 or <= 0: off */
    double min_p;              /* 0: off; keeps p >= min_p * the largest */
    double repetition_penalty; /* 0 or 1: off; divides positive, multiplies negative logits of seen ids */
    double presence_penalty;   /* subtracted once from ids generated so far */
    double frequency_penalty;  /* subtracted for each time an id was generated */
    uint64_t seed;
    uint64_t choice;           /* which of n answers to one prompt */
    const glim_bias *bias;     /* borrowed while sampling */
    size_t n_bias;
    const uint32_t *allowed;   /* bit id % 32 of word id / 32: ids that may be chosen; NULL: all */
} glim_sample_params;

typedef struct glim_sampler glim_sampler;

/* n_vocab: width of logits; n_real: ids at and above it have no token and are never chosen. */
glim_status glim_sampler_new(glim_sampler **out, size_t n_vocab, size_t n_real, glim_err *err);
void glim_sampler_free(glim_sampler *s); /* takes NULL */
/* An id that has no token (a hole in the vocabulary) is never chosen from now on. */
glim_status glim_sampler_ban(glim_sampler *s, int32_t id, glim_err *err);
/* Forgets what was seen. */
void glim_sampler_reset(glim_sampler *s);
/* Tells the sampler of a token in the prompt (repetition penalty) or generated (all penalties). */
void glim_sampler_saw(glim_sampler *s, int32_t id, bool generated);

/* Chooses from logits [n_vocab], which is left as it is. pos: the position the token will have.
 * Ties go to the lowest id. -1 only if every id is banned or NaN. */
int32_t glim_sample(glim_sampler *s, const glim_sample_params *p, const float *logits, uint64_t pos);

/* What one answer's penalties look at, apart from the sampler: many answers then share a sampler's scratch. */
typedef struct glim_seen {
    struct glim_seen_slot *slots; /* [cap], a power of two, at most half full; NULL: nothing is ever seen */
    size_t cap;
} glim_seen;
/* Room for n_max different ids. Errors: GLIM_E_NOMEM. */
glim_status glim_seen_init(glim_seen *h, size_t n_max, glim_err *err);
void glim_seen_deinit(glim_seen *h); /* also takes {0} */
void glim_seen_add(glim_seen *h, int32_t id, bool generated);
bool glim_sample_penalizes(const glim_sample_params *p); /* whether history matters at all */
/* As glim_sample, with h instead of what the sampler saw. */
int32_t glim_sample_after(glim_sampler *s, const glim_seen *h, const glim_sample_params *p, const float *logits,
                          uint64_t pos);

/* The parts of a log softmax over n logits: log p(id) = (logits[id] - *top) - *log_sum. The k largest (at most
 * 32) with their log-probabilities go to best, best first, ties to the lower id; returns how many. */
typedef struct glim_best {
    int32_t id;
    float logprob;
} glim_best;
size_t glim_log_softmax(const float *logits, size_t n, float *top, double *log_sum, glim_best *best, size_t k);

/* log softmax(logits)[id] over all n entries, summed in double. */
double glim_log_prob(const float *logits, size_t n, int32_t id);

#endif
