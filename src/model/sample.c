/* sample.c - see sample.h.
 *
 * Sorting 151k candidates for every token would cost more than the token on a small model, so candidates
 * are binned by their distance from the best, and only the bins that top-k and top-p can reach are
 * sorted. */
#include "model/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"

enum { N_BINS = 1024 };
static const float BIN_WIDTH = 1.0f / 32; /* nats: 1024 bins reach 32 nats below the best */

typedef struct cand {
    float z; /* logit / temperature */
    int32_t id;
} cand;

struct glim_sampler {
    size_t n_vocab, n_real;
    float *z;          /* [n_vocab] working copy */
    cand *c;           /* [n_real] */
    uint32_t *n_gen;   /* [n_real] times generated */
    uint8_t *in_text;  /* [n_real] in prompt or answer */
    int32_t *touched;  /* ids with a count or mark, for reset and penalties */
    size_t n_touched;
    int32_t *banned;   /* [n_banned] ids without a token */
    size_t n_banned;
    uint32_t bins[N_BINS + 1];
    double mass[N_BINS + 1]; /* sum of exp(z - top) in each */
};

glim_status glim_sampler_new(glim_sampler **out, size_t n_vocab, size_t n_real, glim_err *err) {
    *out = NULL;
    if (n_real > n_vocab) n_real = n_vocab;
    glim_sampler *s = glim_xcalloc(1, sizeof *s);
    s->n_vocab = n_vocab;
    s->n_real = n_real;
    void *p = NULL;
    glim_status rc = glim_try_calloc(&p, n_vocab, sizeof *s->z, "the sampler", err);
    s->z = p;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, n_real, sizeof *s->c, "the sampler", err), s->c = p;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, n_real, sizeof *s->n_gen, "the sampler", err), s->n_gen = p;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, n_real, sizeof *s->in_text, "the sampler", err), s->in_text = p;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, n_real, sizeof *s->touched, "the sampler", err), s->touched = p;
    if (rc != GLIM_OK) {
        glim_sampler_free(s);
        return rc;
    }
    *out = s;
    return GLIM_OK;
}

void glim_sampler_free(glim_sampler *s) {
    if (!s) return;
    free(s->z);
    free(s->c);
    free(s->n_gen);
    free(s->in_text);
    free(s->touched);
    free(s->banned);
    free(s);
}

glim_status glim_sampler_ban(glim_sampler *s, int32_t id, glim_err *err) {
    void *p = s->banned;
    glim_status rc = glim_try_realloc(&p, s->n_banned + 1, sizeof *s->banned, "banned ids", err);
    if (rc != GLIM_OK) return rc;
    s->banned = p;
    if (id >= 0 && (size_t)id < s->n_real) s->banned[s->n_banned++] = id;
    return GLIM_OK;
}

void glim_sampler_reset(glim_sampler *s) {
    for (size_t i = 0; i < s->n_touched; i++) s->n_gen[s->touched[i]] = 0, s->in_text[s->touched[i]] = 0;
    s->n_touched = 0;
}

void glim_sampler_saw(glim_sampler *s, int32_t id, bool generated) {
    if (id < 0 || (size_t)id >= s->n_real) return;
    if (!s->in_text[id]) s->touched[s->n_touched++] = id;
    s->in_text[id] = 1;
    if (generated) s->n_gen[id]++;
}

bool glim_sample_penalizes(const glim_sample_params *p) {
    bool rep = p->repetition_penalty > 0 && p->repetition_penalty != 1;
    return rep || p->presence_penalty != 0 || p->frequency_penalty != 0;
}

static void penalize_id(float *z, const glim_sample_params *p, uint32_t n_gen) {
    float r = (float)p->repetition_penalty;
    if (r > 0 && r != 1) *z = *z > 0 ? *z / r : *z * r;
    if (n_gen) *z -= (float)(p->presence_penalty + p->frequency_penalty * (double)n_gen);
}

static void penalize(glim_sampler *s, const glim_sample_params *p) {
    for (size_t i = 0; i < s->n_touched; i++) penalize_id(&s->z[s->touched[i]], p, s->n_gen[s->touched[i]]);
}

struct glim_seen_slot {
    int32_t id; /* -1: free */
    uint32_t n_gen;
};

glim_status glim_seen_init(glim_seen *h, size_t n_max, glim_err *err) {
    *h = (glim_seen){0};
    size_t cap = 16;
    while (cap / 2 < n_max && cap < SIZE_MAX / 4) cap *= 2;
    void *p;
    glim_status rc = glim_try_calloc(&p, cap, sizeof *h->slots, "a history of tokens", err);
    if (rc != GLIM_OK) return rc;
    *h = (glim_seen){p, cap};
    for (size_t i = 0; i < cap; i++) h->slots[i].id = -1;
    return GLIM_OK;
}

void glim_seen_deinit(glim_seen *h) {
    free(h->slots);
    *h = (glim_seen){0};
}

void glim_seen_add(glim_seen *h, int32_t id, bool generated) {
    if (id < 0 || h->cap == 0) return;
    size_t i = ((uint32_t)id * 2654435761u) & (h->cap - 1);
    while (h->slots[i].id != -1 && h->slots[i].id != id) i = (i + 1) & (h->cap - 1);
    h->slots[i].id = id;
    h->slots[i].n_gen += generated;
}

static void penalize_seen(glim_sampler *s, const glim_seen *h, const glim_sample_params *p) {
    for (size_t i = 0; i < h->cap; i++)
        if (h->slots[i].id >= 0 && (size_t)h->slots[i].id < s->n_real)
            penalize_id(&s->z[h->slots[i].id], p, h->slots[i].n_gen);
}

/* Most masks of constrained decoding have whole words of forbidden ids: those go at once. */
static void forbid(glim_sampler *s, const uint32_t *allowed) {
    for (size_t w = 0; w * 32 < s->n_real; w++) {
        size_t i = w * 32, end = i + 32 < s->n_real ? i + 32 : s->n_real;
        if (allowed[w] == UINT32_MAX) continue;
        for (uint32_t bits = allowed[w]; i < end; i++, bits >>= 1)
            if (!(bits & 1)) s->z[i] = -INFINITY;
    }
}

static inline bool ahead(cand x, cand y) { return x.z != y.z ? x.z > y.z : x.id < y.id; }

/* Below v[i] of a heap whose root is the last in rank. */
static void sink(cand *v, size_t i, size_t n) {
    const cand moving = v[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && ahead(v[child], v[child + 1])) child++;
        if (!ahead(moving, v[child])) break;
        v[i] = v[child];
    }
    v[i] = moving;
}

/* Best first, in place: the C library's qsort takes memory for more than 128 of them. No two are equal,
 * so any way of sorting gives the same order. */
static void rank(cand *v, size_t n) {
    for (size_t i = n / 2; i-- > 0;) sink(v, i, n);
    for (size_t end = n; end > 1; end--) {
        const cand last = v[0];
        v[0] = v[end - 1];
        v[end - 1] = last;
        sink(v, 0, end - 1);
    }
}

static size_t bin_of(float z, float top) {
    float d = (top - z) / BIN_WIDTH;
    return d < N_BINS ? (size_t)d : N_BINS;
}

/* Counts and mass of every bin; the mass of all. */
static double fill_bins(glim_sampler *s, float top) {
    double total = 0;
    memset(s->bins, 0, sizeof s->bins);
    memset(s->mass, 0, sizeof s->mass);
    for (size_t i = 0; i < s->n_real; i++) {
        if (!(s->z[i] > -INFINITY)) continue;
        const size_t b = bin_of(s->z[i], top);
        const double e = exp((double)(s->z[i] - top));
        s->bins[b]++;
        s->mass[b] += e;
        total += e;
    }
    return total;
}

/* s->c[0..n) becomes the candidates of all bins up to the first at which at least `want` of them and a
 * mass of `mass` are gathered, sorted best first. The mass is the bins' own: counted at their far edges, 3 % of it
 * would be missing, and a top-p of 0.97 or more would sort the whole vocabulary for every token. */
static size_t gather(glim_sampler *s, float top, size_t want, double mass) {
    size_t last = 0, have = 0;
    double got = 0;
    for (; last < N_BINS; last++) {
        have += s->bins[last];
        got += s->mass[last];
        if (have >= want && got >= mass) break;
    }
    size_t n = 0;
    for (size_t i = 0; i < s->n_real; i++)
        if (s->z[i] > -INFINITY && bin_of(s->z[i], top) <= last) s->c[n++] = (cand){s->z[i], (int32_t)i};
    rank(s->c, n);
    return n;
}

static int32_t sample(glim_sampler *s, const glim_seen *h, const glim_sample_params *p, const float *logits,
                      uint64_t pos) {
    memcpy(s->z, logits, s->n_real * sizeof *s->z);
    for (size_t i = 0; i < p->n_bias; i++)
        if (p->bias[i].id >= 0 && (size_t)p->bias[i].id < s->n_real) s->z[p->bias[i].id] += p->bias[i].add;
    if (glim_sample_penalizes(p)) {
        if (h) penalize_seen(s, h, p);
        else penalize(s, p);
    }
    for (size_t i = 0; i < s->n_banned; i++) s->z[s->banned[i]] = -INFINITY;
    if (p->allowed) forbid(s, p->allowed);

    int32_t best = -1;
    float top = -INFINITY;
    for (size_t i = 0; i < s->n_real; i++) {
        if (isnan(s->z[i])) s->z[i] = -INFINITY;
        if (s->z[i] > top) top = s->z[i], best = (int32_t)i;
    }
    if (best < 0 || p->temperature <= 0) return best;

    float inv_t = (float)(1 / p->temperature);
    double total = 0;
    for (size_t i = 0; i < s->n_real; i++) {
        s->z[i] *= inv_t;
    }
    top *= inv_t;
    if (!isfinite(top)) return best; /* a temperature so small that it overflows is greedy */

    size_t k = p->top_k > 0 && (size_t)p->top_k < s->n_real ? (size_t)p->top_k : s->n_real;
    bool use_p = p->top_p > 0 && p->top_p < 1;
    double u = glim_rng_at(p->seed, p->choice, pos);

    if (k == s->n_real && !use_p) {
        /* Nothing is cut by rank: walk the ids in order, min-p by value. */
        double floor_z = p->min_p > 0 ? log(p->min_p) : -INFINITY, sum = 0;
        for (size_t i = 0; i < s->n_real; i++)
            if ((double)(s->z[i] - top) >= floor_z) sum += exp((double)(s->z[i] - top));
        double target = u * sum, acc = 0;
        for (size_t i = 0; i < s->n_real; i++) {
            if (!((double)(s->z[i] - top) >= floor_z) || s->z[i] == -INFINITY) continue;
            acc += exp((double)(s->z[i] - top));
            best = (int32_t)i;
            if (acc > target) break;
        }
        return best;
    }

    /* top-k first; top-p is then a share of what top-k kept. A little more than that share is gathered: sums by bin
     * and sums by rank round differently. */
    total = fill_bins(s, top);
    size_t n = k < s->n_real ? gather(s, top, k, 0) : gather(s, top, 1, p->top_p * total * (1 + 1e-12));
    if (n > k) n = k;
    if (k < s->n_real) {
        total = 0;
        for (size_t i = 0; i < n; i++) total += exp((double)(s->c[i].z - top));
    }
    if (use_p) {
        double acc = 0;
        for (size_t i = 0; i < n; i++) {
            acc += exp((double)(s->c[i].z - top));
            if (acc >= p->top_p * total) {
                n = i + 1;
                break;
            }
        }
    }
    if (p->min_p > 0)
        while (n > 1 && (double)(s->c[n - 1].z - top) < log(p->min_p)) n--;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((double)(s->c[i].z - top));
    double target = u * sum, acc = 0;
    for (size_t i = 0; i < n; i++) {
        acc += exp((double)(s->c[i].z - top));
        best = s->c[i].id;
        if (acc > target) break;
    }
    return best;
}

int32_t glim_sample(glim_sampler *s, const glim_sample_params *p, const float *logits, uint64_t pos) {
    return sample(s, NULL, p, logits, pos);
}

int32_t glim_sample_after(glim_sampler *s, const glim_seen *h, const glim_sample_params *p, const float *logits,
                          uint64_t pos) {
    return sample(s, h, p, logits, pos);
}

size_t glim_log_softmax(const float *logits, size_t n, float *top_out, double *log_sum, glim_best *best, size_t k) {
    glim_best heap[32];
    size_t m = 0;
    if (k > GLIM_COUNT(heap)) k = GLIM_COUNT(heap);
    float top = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (logits[i] > top) top = logits[i];
        if (k == 0 || !(m < k || logits[i] > heap[m - 1].logprob) || isnan(logits[i])) continue;
        size_t at = m < k ? m++ : m - 1; /* insertion: k is small and most ids fail the test above */
        for (; at > 0 && heap[at - 1].logprob < logits[i]; at--) heap[at] = heap[at - 1];
        heap[at] = (glim_best){(int32_t)i, logits[i]};
    }
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((double)(logits[i] - top));
    *top_out = top;
    *log_sum = log(sum);
    for (size_t i = 0; i < m; i++) best[i] = (glim_best){heap[i].id, (float)((double)(heap[i].logprob - top) - *log_sum)};
    return m;
}

double glim_log_prob(const float *logits, size_t n, int32_t id) {
    float top = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (logits[i] > top) top = logits[i];
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((double)(logits[i] - top));
    return (double)(logits[id] - top) - log(sum);
}
