/* sense.c - see sense.h. */
#include "text/sense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static const float SURE = 0.9f;     /* from where a thing's meaning is known */
static const double IN_OTHER_WORDS = 0.1; /* of a meaning that nothing offered is known to have: that an unknown thing has it after all */
static const double LEAST = 0.001;  /* of a share: a reader is wrong at times */

double glim_sense_cost(double share) { return -log((share + LEAST) / (1 + LEAST)); }

/* text [n] with spaces for _. */
static glim_status read(const glim_sense *s, const char *kind, const char *text, size_t n, float *p, glim_err *err) {
    char words[GLIM_SENSE_TEXT];
    if (n > sizeof words)
        for (n = sizeof words; n && ((unsigned char)text[n] & 0xc0) == 0x80;) n--;
    for (size_t i = 0; i < n; i++) words[i] = text[i] == '_' ? ' ' : text[i];
    return s->read(s->ctx, kind, words, n, p, err);
}

static size_t meaning_of(const float *p, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (p[i] > p[best]) best = i;
    return n && p[0] >= 0 && p[best] >= SURE ? best : SIZE_MAX;
}

glim_status glim_sense_shares(double *share, double *none, bool *any, const glim_sense *s, const char *kind, const glim_sense_thing *thing, size_t n,
                              const char *request, size_t n_request, glim_err *err) {
    float *p = NULL, *q;
    size_t *means = NULL;
    void *mem;
    *any = false;
    glim_status rc = glim_try_calloc(&mem, 2 * s->n + 1, sizeof *p, "meanings", err);
    if (rc == GLIM_OK) p = mem, rc = glim_try_calloc(&mem, n + 1, sizeof *means, "what things mean", err);
    if (rc == GLIM_OK) means = mem;
    q = p + s->n;
    for (size_t i = 0; rc == GLIM_OK && i < n; i++) {
        rc = read(s, kind, thing[i].s, thing[i].n, q, err);
        means[i] = rc == GLIM_OK ? meaning_of(q, s->n) : SIZE_MAX;
        *any |= means[i] != SIZE_MAX;
    }
    if (rc == GLIM_OK && *any) rc = read(s, kind, request, n_request, p, err);
    if (rc == GLIM_OK && *any && p[0] < 0) *any = false;
    if (rc == GLIM_OK && *any) {
        double left = 1, other = 1; /* other: of no known meaning at all */
        for (size_t i = 0; i < s->n; i++) other -= (double)p[i];
        for (size_t i = 0; i < n; i++) {
            bool again = means[i] == SIZE_MAX;
            for (size_t k = 0; k < i; k++) again |= means[k] == means[i];
            if (!again) left -= (double)p[means[i]];
        }
        *none = left > 0 ? left : 0;
        other = other < 0 ? 0 : other > *none ? *none : other;
        for (size_t i = 0; i < n; i++) share[i] = means[i] == SIZE_MAX ? other + IN_OTHER_WORDS * (*none - other) : (double)p[means[i]];
    }
    free(means);
    free(p);
    return rc;
}
