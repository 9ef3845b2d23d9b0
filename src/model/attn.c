/* attn.c - causal attention of a batch over KV pages.
 *
 * Work is cut into items: a few rows of one sequence and one KV head, with all the query heads that
 * share it, so a page is read once for all of them. Within an item the past is walked in chunks of 256
 * positions; each chunk's softmax partial (sum, maximum, weighted values) is computed from nothing and
 * merged into the running one, oldest first.
 *
 * Invariant  the order of arithmetic for a query depends only on its position: chunk partials are cut at
 *            multiples of 256 and merged upwards, whoever computed them. With fewer items than threads
 *            (long context, one stream) the chunks themselves are spread over the threads in waves and
 *            then merged in the same order. */
#include <math.h>
#include <string.h>

#include "model/forward_internal.h"

void glim_attn_plan(glim_pass *p) {
    const glim_config *c = &p->m->cfg;
    size_t group = c->n_head / c->n_kv_head, rows_per_item = p->ws->n_query / group, n = 0;
    const glim_row *rows = p->b->rows;
    for (size_t i = 0; i < p->b->n_rows;) {
        size_t end = i + 1;
        while (end < p->b->n_rows && rows[end].seq == rows[i].seq && end - i < rows_per_item) end++;
        for (size_t h = 0; h < c->n_kv_head; h++)
            p->ws->items[n++] = (glim_attn_item){.row0 = (uint32_t)i,
                                                 .n = (uint32_t)(end - i),
                                                 .kv_head = (uint32_t)h,
                                                 .seq = rows[i].seq};
        i = end;
    }
    p->n_items = n;
}

static size_t item_positions(const glim_pass *p, const glim_attn_item *it) {
    return (size_t)p->b->rows[it->row0 + it->n - 1].pos + 1;
}

/* Gathers an item's queries, scaled, as [n * group, head_dim]. */
static void gather_q(const glim_pass *p, const glim_attn_item *it, float *q) {
    const glim_config *c = &p->m->cfg;
    size_t hd = c->head_dim, group = c->n_head / c->n_kv_head, width = group * hd;
    for (size_t r = 0; r < it->n; r++) {
        const float *src = p->ws->q + (it->row0 + r) * c->n_head * hd + it->kv_head * width;
        for (size_t i = 0; i < width; i++) q[r * width + i] = src[i] * p->m->attn_scale;
    }
}

/* One chunk's partial for all queries of an item: part, pm, pl start from nothing. Queries whose position
 * lies before the chunk keep l = 0. */
static void chunk_partial(const glim_pass *p, const glim_attn_item *it, size_t chunk, const float *q, float *part,
                          float *pm, float *pl, size_t *n_pos) {
    const glim_config *c = &p->m->cfg;
    const glim_kv_seq *s = p->b->seqs[it->seq];
    size_t group = c->n_head / c->n_kv_head, n_q = it->n * group, base = chunk * GLIM_KV_CHUNK;
    size_t last = item_positions(p, it) - base;
    glim_kv_chunk kc = {.n = last < GLIM_KV_CHUNK ? last : GLIM_KV_CHUNK};
    for (size_t j = 0; j * GLIM_KV_PAGE < kc.n; j++) {
        size_t page = base / GLIM_KV_PAGE + j;
        kc.k[j] = glim_kv_block(s, page, p->layer, it->kv_head, 0);
        kc.v[j] = glim_kv_block(s, page, p->layer, it->kv_head, 1);
        kc.k_scale[j] = glim_kv_scales(s, page, p->layer, it->kv_head, 0);
        kc.v_scale[j] = glim_kv_scales(s, page, p->layer, it->kv_head, 1);
    }
    if (last > GLIM_KV_CHUNK)
        kc.next = glim_kv_block(s, (base + GLIM_KV_CHUNK) / GLIM_KV_PAGE, p->layer, it->kv_head, 0);
    for (size_t i = 0; i < n_q; i++) {
        size_t seen = (size_t)p->b->rows[it->row0 + i / group].pos + 1; /* causal: itself and before */
        n_pos[i] = seen <= base ? 0 : seen - base < kc.n ? seen - base : kc.n;
        pm[i] = -INFINITY;
        pl[i] = 0;
    }
    memset(part, 0, n_q * c->head_dim * sizeof *part);
    p->k->attn_chunk(part, pm, pl, q, c->head_dim, n_q, n_pos, &kc, s->pool->type, c->head_dim);
}

/* acc (m, l) joined with a later chunk's partial. */
static void merge(float *restrict acc, float *m, float *l, const float *restrict part, float pm, float pl,
                  size_t n) {
    if (pl == 0) return;
    if (*l == 0) {
        memcpy(acc, part, n * sizeof *acc);
        *m = pm;
        *l = pl;
        return;
    }
    float top = *m > pm ? *m : pm, a = 1, b = 1; /* what lies GLIM_ATTN_FAR below counts as nothing */
    if (*m < top) a = *m - top < -GLIM_ATTN_FAR ? 0 : expf(*m - top);
    if (pm < top) b = pm - top < -GLIM_ATTN_FAR ? 0 : expf(pm - top);
    if (b == 0) return;
    for (size_t i = 0; i < n; i++) acc[i] = acc[i] * a + part[i] * b;
    *l = *l * a + pl * b;
    *m = top;
}

static void store_item(const glim_pass *p, const glim_attn_item *it, const float *acc, const float *l) {
    const glim_config *c = &p->m->cfg;
    size_t hd = c->head_dim, group = c->n_head / c->n_kv_head;
    for (size_t r = 0; r < it->n; r++)
        for (size_t g = 0; g < group; g++) {
            size_t i = r * group + g;
            float *out = p->ws->att + ((it->row0 + r) * c->n_head + it->kv_head * group + g) * hd;
            float inv = 1 / l[i];
            for (size_t d = 0; d < hd; d++) out[d] = acc[i * hd + d] * inv;
        }
}

static void run_items(void *ctx, size_t begin, size_t end, int worker) {
    const glim_pass *p = ctx;
    const glim_config *c = &p->m->cfg;
    glim_attn_scratch *s = &p->ws->attn[worker];
    size_t hd = c->head_dim, group = c->n_head / c->n_kv_head;
    for (size_t k = begin; k < end; k++) {
        const glim_attn_item *it = &p->ws->items[k];
        size_t n_q = it->n * group, n_chunks = (item_positions(p, it) + GLIM_KV_CHUNK - 1) / GLIM_KV_CHUNK;
        gather_q(p, it, s->q);
        memset(s->l, 0, n_q * sizeof *s->l);
        for (size_t ch = 0; ch < n_chunks; ch++) {
            chunk_partial(p, it, ch, s->q, s->part, s->pm, s->pl, s->n_pos);
            for (size_t i = 0; i < n_q; i++)
                merge(s->acc + i * hd, &s->m[i], &s->l[i], s->part + i * hd, s->pm[i], s->pl[i], hd);
        }
        store_item(p, it, s->acc, s->l);
    }
}

/* ---- few items, long past: chunks over threads ---- */

typedef struct wave {
    const glim_pass *p;
    size_t item, first_chunk;
} wave;

static float *wave_slot(const glim_ws *ws, size_t slot, size_t hd) {
    return ws->wave + slot * ws->n_query * (hd + 2);
}

static void run_wave(void *ctx, size_t begin, size_t end, int worker) {
    const wave *w = ctx;
    const glim_pass *p = w->p;
    size_t hd = p->m->cfg.head_dim, n_query = p->ws->n_query;
    glim_attn_scratch *s = &p->ws->attn[worker];
    const glim_attn_item *it = &p->ws->items[w->item];
    for (size_t i = begin; i < end; i++) {
        gather_q(p, it, s->q);
        float *part = wave_slot(p->ws, i, hd);
        chunk_partial(p, it, w->first_chunk + i, s->q, part, part + n_query * hd, part + n_query * (hd + 1),
                      s->n_pos);
    }
}

static void run_split(glim_pass *p) {
    const glim_config *c = &p->m->cfg;
    glim_ws *ws = p->ws;
    size_t hd = c->head_dim, group = c->n_head / c->n_kv_head, n_query = ws->n_query;
    glim_attn_scratch *s = &ws->attn[0]; /* acc and l of worker 0 are free: run_wave uses q and n_pos */
    for (size_t k = 0; k < p->n_items; k++) {
        const glim_attn_item *it = &ws->items[k];
        size_t n_q = it->n * group, n_chunks = (item_positions(p, it) + GLIM_KV_CHUNK - 1) / GLIM_KV_CHUNK;
        memset(s->l, 0, n_q * sizeof *s->l);
        for (size_t ch = 0; ch < n_chunks; ch += ws->wave_slots) {
            size_t n = n_chunks - ch < ws->wave_slots ? n_chunks - ch : ws->wave_slots;
            wave w = {.p = p, .item = k, .first_chunk = ch};
            glim_pool_for(p->m->pool, n, 1, run_wave, &w);
            for (size_t j = 0; j < n; j++) {
                const float *part = wave_slot(ws, j, hd);
                for (size_t i = 0; i < n_q; i++)
                    merge(s->acc + i * hd, &s->m[i], &s->l[i], part + i * hd, part[n_query * hd + i],
                          part[n_query * (hd + 1) + i], hd);
            }
        }
        store_item(p, it, s->acc, s->l);
    }
}

void glim_attn_run(glim_pass *p) {
    size_t n_threads = (size_t)glim_pool_size(p->m->pool);
    bool long_past = false;
    for (size_t k = 0; k < p->n_items && !long_past; k++)
        long_past = item_positions(p, &p->ws->items[k]) > 2 * GLIM_KV_CHUNK;
    if (p->n_items < n_threads && long_past) run_split(p);
    else glim_pool_for(p->m->pool, p->n_items, 1, run_items, p);
}
