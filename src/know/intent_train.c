/* intent_train.c - one squared-hinge machine a label, all labels at once.
 *
 * Dual coordinate descent (Hsieh et al., ICML 2008, algorithm 1, L2 loss): for example i and label c with y = +1 or -1,
 *
 *   g = y (w_c . x) - 1 + a D,   a' = max(a - g / (x . x + D), 0),   w_c += (a' - a) y x,   D = 1 / (2 C)
 *
 * The machines do not know of each other, so one visit to an example serves all labels: W lies [feature][label], and the
 * inner loops run over labels. Nothing is summed across labels, so the width of the machine's vectors cannot change a bit.
 * An example whose update is nil for all labels of a block costs its scores only. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "know/intent_internal.h"
#include "know/intent_train.h"

typedef float lanes __attribute__((vector_size(64), aligned(64), may_alias));
enum { LANES = GLIM_INTENT_LANES };

static void score_row(float *restrict out, const float *restrict w, size_t width, const uint32_t *idx, const float *val, size_t n) {
    size_t n_blocks = width / LANES;
    lanes *o = (lanes *)(void *)out;
    for (size_t b = 0; b < n_blocks; b++) o[b] = (lanes){0};
    for (size_t j = 0; j < n; j++) {
        const lanes *r = (const lanes *)(const void *)(w + (size_t)idx[j] * width);
        float v = val[j];
        for (size_t b = 0; b < n_blocks; b++) o[b] += r[b] * v;
    }
}

glim_status glim_intent_descend(float *w, size_t width, size_t n_labels, const glim_rows *x, const uint16_t *label,
                                const uint32_t *use, size_t n_use, const glim_intent_descent *p, glim_err *err) {
    float *alpha = NULL, *score = NULL, *step = NULL;
    uint32_t *order = NULL;
    void *m;
    glim_status rc = glim_try_calloc(&m, n_use * width + 2 * width, sizeof *alpha, "the training of intents", err);
    if (rc == GLIM_OK) {
        alpha = m;
        score = alpha + n_use * width;
        step = score + width;
        rc = glim_try_calloc(&m, n_use, sizeof *order, "the order of examples", err);
    }
    if (rc != GLIM_OK) goto out;
    order = m;
    for (size_t i = 0; i < n_use; i++) order[i] = (uint32_t)i;
    glim_rng rng = {.seed = 0x696e74656e74u};
    const float d_pos = 1 / (2 * p->c * p->positive), d_neg = 1 / (2 * p->c);
    for (unsigned epoch = 0; epoch < p->n_epochs; epoch++) {
        for (size_t i = n_use; i-- > 1;) {
            size_t k = (size_t)glim_rng_below(&rng, i + 1);
            uint32_t t = order[i];
            order[i] = order[k];
            order[k] = t;
        }
        for (size_t o = 0; o < n_use; o++) {
            size_t i = use[order[o]], n = x->at[i + 1] - x->at[i];
            const uint32_t *idx = x->idx + x->at[i];
            const float *val = x->val + x->at[i];
            float *a = alpha + (size_t)order[o] * width;
            float xx = 0;
            for (size_t j = 0; j < n; j++) xx += val[j] * val[j];
            score_row(score, w, width, idx, val, n);
            size_t yes = label[i];
            const float q = 1 / (xx + d_neg);
            for (size_t c = 0; c < n_labels; c++) {
                float g = -score[c] - 1 + a[c] * d_neg, to = a[c] - g * q;
                to = to > 0 ? to : 0;
                step[c] = a[c] - to; /* y = -1 */
                if (c != yes) a[c] = to;
            }
            if (yes < n_labels) {
                float g = score[yes] - 1 + a[yes] * d_pos, to = a[yes] - g / (xx + d_pos);
                to = to > 0 ? to : 0;
                step[yes] = to - a[yes];
                a[yes] = to;
            }
            for (size_t b = 0; b < width; b += LANES) {
                bool any = false;
                for (size_t c = b; c < b + LANES; c++) any |= step[c] != 0;
                if (!any) continue;
                lanes s = *(const lanes *)(const void *)(step + b);
                for (size_t j = 0; j < n; j++) {
                    lanes *r = (lanes *)(void *)(w + (size_t)idx[j] * width + b);
                    *r += s * val[j];
                }
            }
        }
    }
out:
    free(order);
    free(alpha);
    return rc;
}

void glim_intent_scores(float *out, const float *w, size_t width, const uint32_t *idx, const float *val, size_t n) {
    score_row(out, w, width, idx, val, n);
}
