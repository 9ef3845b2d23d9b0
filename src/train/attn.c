/* attn.c - causal attention of packed sequences, forward and backward, in tiles of 64 queries and 64 keys.
 *
 * Forward keeps lse, the logarithm of each query's sum of exponentials, and backward computes the weights again
 * from it (arXiv:2205.14135). Gradients of queries and of keys come from two loops, each of which writes what is
 * its own: no value waits for another thread, and each is a chain in one order. */
#include <string.h>

#include "train/net_internal.h"

enum { T = GLIM_TILE_Q };

/* A tile's place: sequence, head (of queries, or of keys), tile of the sequence. */
typedef struct place {
    size_t row0, len, head, tile;
} place;

static size_t tiles_of(size_t len) { return (len + T - 1) / T; }

/* Items are numbered longest work first within a sequence, by head. */
static place place_of(const glim_pack *b, size_t n_head, size_t i) {
    for (size_t s = 0; s < b->n_seq; s++) {
        const size_t len = b->seq[s + 1] - b->seq[s], n = tiles_of(len) * n_head;
        if (i < n) return (place){.row0 = b->seq[s], .len = len, .head = i % n_head, .tile = i / n_head};
        i -= n;
    }
    return (place){0};
}
static size_t n_items(const glim_pack *b, size_t n_head) {
    size_t n = 0;
    for (size_t s = 0; s < b->n_seq; s++) n += tiles_of(b->seq[s + 1] - b->seq[s]) * n_head;
    return n;
}

size_t glim_attn_floats(const glim_model *m, size_t n_rows) {
    const size_t wide = (n_rows + T - 1) / T * T;
    return 3 * T * m->cfg.head_dim + 2 * T * wide;
}

typedef struct scratch {
    float *q;      /* [T, hd] scaled */
    float *kt, *vt; /* [hd, T] */
    float *s, *dp; /* [T, wide] */
} scratch;
static scratch scratch_of(const glim_net *n, int worker) {
    const size_t hd = n->m->cfg.head_dim, wide = (n->n_rows + T - 1) / T * T;
    float *p = n->tape->attn + (size_t)worker * n->tape->attn_floats;
    return (scratch){p, p + T * hd, p + 2 * T * hd, p + 3 * T * hd, p + 3 * T * hd + T * wide};
}

static void take_q(const glim_net *n, float *dst, size_t row, size_t n_q, size_t head) {
    const size_t hd = n->m->cfg.head_dim, ld = n->m->cfg.n_head * hd;
    for (size_t i = 0; i < n_q; i++)
        for (size_t d = 0; d < hd; d++) dst[i * hd + d] = n->tape->q[(row + i) * ld + head * hd + d] * n->m->attn_scale;
}
/* dst [hd, T] = columns of src [n_k, hd] with row stride ld */
static void turn_keys(const glim_gemm_set *set, float *dst, const float *src, size_t ld, size_t n_k, size_t hd) {
    const size_t j16 = n_k / 16 * 16, d16 = hd / 16 * 16; /* whole squares */
    for (size_t j = 0; j < j16; j += 16)
        for (size_t d = 0; d < d16; d += 16) set->turn(dst + d * T + j, T, src + j * ld + d, ld);
    for (size_t j = 0; j < n_k; j++)
        for (size_t d = j < j16 ? d16 : 0; d < hd; d++) dst[d * T + j] = src[j * ld + d];
}

static void forward_items(void *ctx, size_t begin, size_t end, int worker) {
    glim_net *n = ctx;
    glim_tape *t = n->tape;
    const glim_config *c = &n->m->cfg;
    const size_t hd = c->head_dim, nq = c->n_head * hd, nkv = c->n_kv_head * hd, group = c->n_head / c->n_kv_head;
    const scratch s = scratch_of(n, worker);
    for (size_t i = begin; i < end; i++) {
        const place p = place_of(t->b, c->n_head, i);
        const size_t q0 = p.tile * T, n_q = p.len - q0 < T ? p.len - q0 : T, n_k = q0 + n_q;
        const float *k = t->k + p.row0 * nkv + p.head / group * hd, *v = t->v + p.row0 * nkv + p.head / group * hd;
        const size_t wide = (n_k + T - 1) / T * T;
        take_q(n, s.q, p.row0 + q0, n_q, p.head);
        for (size_t k0 = 0; k0 < n_k; k0 += T) {
            const size_t here = n_k - k0 < T ? n_k - k0 : T;
            turn_keys(n->set, s.kt, k + k0 * nkv, nkv, here, hd);
            n->set->mm(s.s + k0, wide, s.q, hd, 1, s.kt, T, n_q, here, hd, false);
        }
        for (size_t r = 0; r < n_q; r++) {
            float *row = s.s + r * wide, top = row[0];
            const size_t seen = q0 + r + 1;
            double sum = 0;
            for (size_t j = 1; j < seen; j++)
                if (row[j] > top) top = row[j];
            n->set->exp(row, row, top, seen);
            for (size_t j = 0; j < seen; j++) sum += (double)row[j];
            const float inv = (float)(1 / sum);
            for (size_t j = 0; j < seen; j++) row[j] *= inv;
            memset(row + seen, 0, (n_k - seen) * sizeof *row);
            t->lse[(p.row0 + q0 + r) * c->n_head + p.head] = (float)((double)top + log(sum));
        }
        n->set->mm(t->att + (p.row0 + q0) * nq + p.head * hd, nq, s.s, wide, 1, v, nkv, n_q, hd, n_k, false);
    }
}

void glim_train_attend(glim_net *n) { glim_pool_for(n->pool, n_items(n->tape->b, n->m->cfg.n_head), 1, forward_items, n); }

/* Weights of queries [q0, q0 + n_q) for keys [k0, k0 + n_k), and the gradient of their scores, into s and dp. */
static void tile_back(const glim_net *n, const scratch *s, float *w, float *dp, size_t ld, const place *p, size_t head, size_t q0,
                      size_t n_q, size_t k0, size_t n_k) {
    const glim_tape *t = n->tape;
    const size_t hd = n->m->cfg.head_dim, n_head = n->m->cfg.n_head, nq = n_head * hd;
    n->set->mm(w, ld, s->q, hd, 1, s->kt, T, n_q, n_k, hd, false);
    n->set->mm(dp, ld, t->datt + (p->row0 + q0) * nq + head * hd, nq, 1, s->vt, T, n_q, n_k, hd, false);
    for (size_t r = 0; r < n_q; r++) {
        const size_t at = (p->row0 + q0 + r) * n_head + head, sees = q0 + r + 1;
        const size_t seen = sees <= k0 ? 0 : sees - k0 < n_k ? sees - k0 : n_k;
        float *a = w + r * ld, *d = dp + r * ld;
        n->set->exp(a, a, t->lse[at], seen);
        for (size_t j = 0; j < seen; j++) d[j] = a[j] * (d[j] - t->dot[at]);
        memset(a + seen, 0, (n_k - seen) * sizeof *a);
        memset(d + seen, 0, (n_k - seen) * sizeof *d);
    }
}

static void query_items(void *ctx, size_t begin, size_t end, int worker) {
    glim_net *n = ctx;
    glim_tape *t = n->tape;
    const glim_config *c = &n->m->cfg;
    const size_t hd = c->head_dim, nq = c->n_head * hd, nkv = c->n_kv_head * hd, group = c->n_head / c->n_kv_head;
    const scratch s = scratch_of(n, worker);
    for (size_t i = begin; i < end; i++) {
        const place p = place_of(t->b, c->n_head, i);
        const size_t q0 = p.tile * T, n_q = p.len - q0 < T ? p.len - q0 : T, n_k = q0 + n_q;
        const float *k = t->k + p.row0 * nkv + p.head / group * hd, *v = t->v + p.row0 * nkv + p.head / group * hd;
        const size_t wide = (n_k + T - 1) / T * T;
        take_q(n, s.q, p.row0 + q0, n_q, p.head);
        for (size_t r = 0; r < n_q; r++) {
            const size_t at = (p.row0 + q0 + r) * nq + p.head * hd;
            double sum = 0;
            for (size_t d = 0; d < hd; d++) sum += (double)t->datt[at + d] * (double)t->att[at + d];
            t->dot[(p.row0 + q0 + r) * c->n_head + p.head] = (float)sum;
        }
        for (size_t k0 = 0; k0 < n_k; k0 += T) {
            const size_t here = n_k - k0 < T ? n_k - k0 : T;
            turn_keys(n->set, s.kt, k + k0 * nkv, nkv, here, hd);
            turn_keys(n->set, s.vt, v + k0 * nkv, nkv, here, hd);
            tile_back(n, &s, s.s + k0, s.dp + k0, wide, &p, p.head, q0, n_q, k0, here);
        }
        float *dq = t->dq + (p.row0 + q0) * nq + p.head * hd;
        n->set->mm(dq, nq, s.dp, wide, 1, k, nkv, n_q, hd, n_k, false);
        for (size_t r = 0; r < n_q; r++)
            for (size_t d = 0; d < hd; d++) dq[r * nq + d] *= n->m->attn_scale;
    }
}

static void key_items(void *ctx, size_t begin, size_t end, int worker) {
    glim_net *n = ctx;
    glim_tape *t = n->tape;
    const glim_config *c = &n->m->cfg;
    const size_t hd = c->head_dim, nq = c->n_head * hd, nkv = c->n_kv_head * hd, group = c->n_head / c->n_kv_head;
    const scratch s = scratch_of(n, worker);
    for (size_t i = begin; i < end; i++) {
        const place p = place_of(t->b, c->n_kv_head, i);
        const size_t k0 = p.tile * T, n_k = p.len - k0 < T ? p.len - k0 : T, at = (p.row0 + k0) * nkv + p.head * hd;
        turn_keys(n->set, s.kt, t->k + at, nkv, n_k, hd);
        turn_keys(n->set, s.vt, t->v + at, nkv, n_k, hd);
        bool add = false;
        for (size_t g = 0; g < group; g++)
            for (size_t q0 = k0; q0 < p.len; q0 += T, add = true) {
                const size_t head = p.head * group + g, n_q = p.len - q0 < T ? p.len - q0 : T;
                take_q(n, s.q, p.row0 + q0, n_q, head);
                tile_back(n, &s, s.s, s.dp, T, &p, head, q0, n_q, k0, n_k);
                n->set->mm(t->dv + at, nkv, s.s, 1, T, t->datt + (p.row0 + q0) * nq + head * hd, nq, n_k, hd, n_q, add);
                n->set->mm(t->dk + at, nkv, s.dp, 1, T, s.q, hd, n_k, hd, n_q, add); /* q carries the scale */
            }
    }
}

void glim_train_attend_back(glim_net *n) {
    glim_pool_for(n->pool, n_items(n->tape->b, n->m->cfg.n_head), 1, query_items, n);
    glim_pool_for(n->pool, n_items(n->tape->b, n->m->cfg.n_kv_head), 1, key_items, n);
}
