/* start_lookup.c - weights with which a new model looks things up before it has learnt anything; see start.h.
 *
 * What a small model learns last is to find where a name stood before and to say what followed it there: it needs two
 * layers that only help together (arXiv:2209.11895). Here they help each other from the first step on:
 *
 *   layer 0   heads 0 and 1 look one and two places back, whatever stands there: with biases alone, whose angles the
 *             rotation by position turns so that they meet at that distance. They write P x of what they see with Q1, Q2.
 *   layer 1   head 0 looks where the token before was the present one (P x here, Q1's part there), the first head of the
 *             next group where the one before that was the token before (Q1's part here, Q2's there), by the
 *             dimensions that are not rotated; both write what stands there as it is, so that the tied head says it.
 *
 * P, Q1, Q2 and the projections of what is copied are random with rows and columns of length about 1: in hundreds of
 * dimensions such vectors hardly meet. Everything else is as random as ever, the other heads of these layers at a quarter
 * of their strength; and all of it is trained. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "format/sum64.h"
#include "train/start_internal.h"

enum { ANGLES = 4 }; /* of the rotation: the fastest tell neighbours apart */
static const double SHARP = 9, MATCH = 3; /* score of the place looked for; gain of a token's own length */

static void normal(float *v, size_t n, double std, uint64_t seed, const char *name) {
    glim_rng rng = {.seed = glim_sum64(seed, name, strlen(name))};
    for (size_t i = 0; i < n; i++) v[i] = (float)(std * glim_rng_normal(&rng));
}

bool glim_lookup_possible(const glim_config *c, bool bias) {
    return bias && c->tie && c->n_layer >= 3 && c->n_kv_head >= 2 && c->n_head >= 2 * c->n_kv_head && c->rope.n_rot >= 2 * ANGLES &&
           c->head_dim >= c->rope.n_rot + 16;
}

glim_status glim_lookup_new(glim_lookup **out, const glim_config *c, uint64_t seed, glim_err *err) {
    const size_t n = c->head_dim * c->n_embd;
    const double std = 1 / sqrt((double)c->n_embd);
    void *mem = NULL;
    *out = NULL;
    glim_status rc = glim_try_calloc(&mem, 5 * n, sizeof(float), "a model's start", err);
    if (rc != GLIM_OK) return rc;
    glim_lookup *l = glim_xcalloc(1, sizeof *l);
    *l = (glim_lookup){.c = c, .p = mem, .q1 = (float *)mem + n, .q2 = (float *)mem + 2 * n, .copy1 = (float *)mem + 3 * n, .copy2 = (float *)mem + 4 * n};
    normal(l->p, n, std, seed, "lookup.p"), normal(l->q1, n, std, seed, "lookup.q1"), normal(l->q2, n, std, seed, "lookup.q2");
    normal(l->copy1, n, std, seed, "lookup.copy1"), normal(l->copy2, n, std, seed, "lookup.copy2");
    *out = l;
    return GLIM_OK;
}

void glim_lookup_free(glim_lookup *l) {
    if (!l) return;
    free(l->p); /* the others lie behind it */
    free(l);
}

/* Rows [row, row + n) of w [, E] = gain * src [n, E]; 0 without src. */
static void rows(float *w, size_t E, size_t row, size_t n, const float *src, double gain) {
    for (size_t i = 0; i < n * E; i++) w[row * E + i] = src ? (float)(gain * (double)src[i]) : 0;
}
/* Columns [col, col + hd) of w [E, Q] = src [hd, E] turned. */
static void columns(float *w, size_t Q, size_t E, size_t col, size_t hd, const float *src) {
    for (size_t e = 0; e < E; e++)
        for (size_t d = 0; d < hd; d++) w[e * Q + col + d] = src[d * E + e];
}

/* The bias of a head that looks `back` places back (0: the key's). */
static void angles(float *b, const glim_config *c, double back) {
    const double a = sqrt(SHARP * sqrt((double)c->head_dim));
    for (size_t j = 0; j < ANGLES; j++) {
        const double t = pow(c->rope.theta, -2 * (double)j / (double)c->rope.n_rot) * back;
        const size_t x = c->rope.interleaved ? 2 * j : j, y = c->rope.interleaved ? x + 1 : j + c->rope.n_rot / 2;
        b[x] = (float)(a * cos(t)), b[y] = (float)(-a * sin(t));
    }
}

void glim_lookup_fill(const glim_lookup *l, size_t layer, const char *part, float *w, size_t n) {
    const glim_config *c = l->c;
    const size_t E = c->n_embd, hd = c->head_dim, Q = c->n_head * hd, half = c->rope.n_rot, rest = hd - half, next = c->n_head / c->n_kv_head * hd;
    if (layer > 1) return;
    if (strcmp(part, "self_attn.o_proj.weight") == 0) {
        for (size_t i = 0; i < n; i++) w[i] *= 0.25f;
        columns(w, Q, E, 0, hd, layer == 0 ? l->q1 : l->copy1);
        columns(w, Q, E, layer == 0 ? hd : next, hd, layer == 0 ? l->q2 : l->copy2);
    } else if (strcmp(part, "self_attn.v_proj.weight") == 0) {
        rows(w, E, 0, hd, layer == 0 ? l->p : l->copy1, 1);
        if (layer == 1) rows(w, E, hd, hd, l->copy2, 1);
    } else if (strcmp(part, "post_mlp_layernorm.weight") == 0) {
        for (size_t i = 0; i < n; i++) w[i] *= 0.25f;
    } else if (layer == 0) {
        if (strcmp(part, "self_attn.q_proj.weight") == 0) rows(w, E, 0, 2 * hd, NULL, 0);
        if (strcmp(part, "self_attn.k_proj.weight") == 0) rows(w, E, 0, hd, NULL, 0);
        if (strcmp(part, "self_attn.q_proj.bias") == 0) angles(w, c, 1), angles(w + hd, c, 2);
        if (strcmp(part, "self_attn.k_proj.bias") == 0) angles(w, c, 0);
    } else {
        const float *match[2] = {NULL, NULL};
        if (strcmp(part, "self_attn.q_proj.weight") == 0) match[0] = l->p, match[1] = l->q1;
        if (strcmp(part, "self_attn.k_proj.weight") == 0) match[0] = l->q1, match[1] = l->q2;
        const size_t at[2] = {0, strcmp(part, "self_attn.q_proj.weight") == 0 ? next : hd};
        for (int i = 0; i < 2 && match[i]; i++) {
            rows(w, E, at[i], half, NULL, 0);
            rows(w, E, at[i] + half, rest, match[i], MATCH);
        }
    }
}
