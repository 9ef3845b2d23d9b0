/* forward.c - the pass: embedding, blocks, final norm, head.
 *
 * A block is plain calls over the kernel table:
 *
 *   h -> norm -> q,k,v (+bias) -> [q/k norm] -> rope -> pages -> attention -> wo -> [norm] -> h +=
 *   h -> norm -> gate,up -> silu*up -> down (or experts)                    -> [norm] -> h +=
 *
 * Invariant  a row's values are a function of its own sequence only. Every kernel works row by row (or
 *            output by output) in one fixed order, so neither the batch nor the threads can be seen in
 *            the result.
 * Surprise   attention reads K and V back from the pages, in the cache's own type, also for the rows of
 *            this very batch: prefill in slices of any size then equals token-by-token decode. */
#include "model/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/adapter.h"
#include "model/forward_internal.h"
#include "model/rope.h"

/* ---- scratch: one function lays it out, for counting (mem NULL) and for real ---- */

typedef struct layout {
    char *mem;
    size_t used;
} layout;

static void *carve(layout *a, size_t n, size_t size) {
    size_t bytes = (n * size + 63) / 64 * 64;
    void *p = a->mem ? a->mem + a->used : NULL;
    a->used += bytes;
    return p;
}

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

static unsigned forms_of(const glim_kernels *k, const glim_mat *w) {
    return w->n_out ? k->act_form(w->type) : 0;
}

static unsigned forms_of_ffn(const glim_kernels *k, const glim_ffn *f) {
    return forms_of(k, &f->gate) | forms_of(k, &f->up) | forms_of(k, &f->down);
}

static unsigned model_forms(const glim_model *m) {
    unsigned f = forms_of(m->k, &m->head);
    for (size_t i = 0; i < m->cfg.n_layer; i++) {
        const glim_layer *l = &m->layers[i];
        f |= forms_of(m->k, &l->wq) | forms_of(m->k, &l->wk) | forms_of(m->k, &l->wv) |
             forms_of(m->k, &l->wo) | forms_of_ffn(m->k, &l->ffn) | forms_of(m->k, &l->router);
        for (size_t e = 0; l->moe && e < m->cfg.n_expert; e++) f |= forms_of_ffn(m->k, &l->experts[e]);
    }
    return f;
}

static void lay_out(glim_ws *ws, const glim_model *m, void *mem) {
    const glim_config *c = &m->cfg;
    layout a = {.mem = mem};
    size_t n = ws->n_rows, nq = c->n_head * c->head_dim, nkv = c->n_kv_head * c->head_dim;
    size_t n_ff = 0;
    for (size_t i = 0; i < c->n_layer; i++) n_ff = max_size(n_ff, m->layers[i].ffn.n_ff);

    ws->h = carve(&a, n * c->n_embd, 4);
    ws->x = carve(&a, n * c->n_embd, 4);
    ws->q = carve(&a, n * nq, 4);
    ws->k = carve(&a, n * nkv, 4);
    ws->v = carve(&a, n * nkv, 4);
    ws->att = carve(&a, n * nq, 4);
    ws->o = carve(&a, n * c->n_embd, 4);
    ws->gate = carve(&a, n * n_ff, 4);
    ws->up = carve(&a, n * n_ff, 4);
    ws->cos = carve(&a, n * (m->n_rot / 2), 4);
    ws->sin = carve(&a, n * (m->n_rot / 2), 4);
    ws->act_in = carve(&a, 1, max_size(glim_act_bytes(n, c->n_embd, ws->forms),
                                       glim_act_bytes(n, nq, ws->forms)));
    ws->act_mid = carve(&a, 1, glim_act_bytes(n, n_ff, ws->forms));
    ws->hidden = carve(&a, ws->n_logits * c->n_embd, 4);
    ws->logits = carve(&a, ws->n_logits * c->n_vocab, 4);
    ws->act_head = carve(&a, 1, glim_act_bytes(ws->n_logits, c->n_embd, ws->forms));
    ws->jobs = carve(&a, 2 * c->n_expert + 4, sizeof *ws->jobs);

    size_t group = c->n_head / c->n_kv_head, hd = c->head_dim;
    ws->n_query = max_size(GLIM_ATTN_QUERIES / group * group, group);
    ws->attn = carve(&a, (size_t)ws->n_threads, sizeof *ws->attn);
    for (int t = 0; t < ws->n_threads; t++) {
        glim_attn_scratch s;
        s.q = carve(&a, ws->n_query * hd, 4);
        s.acc = carve(&a, ws->n_query * hd, 4);
        s.part = carve(&a, ws->n_query * hd, 4);
        s.m = carve(&a, ws->n_query, 4);
        s.l = carve(&a, ws->n_query, 4);
        s.pm = carve(&a, ws->n_query, 4);
        s.pl = carve(&a, ws->n_query, 4);
        s.n_pos = carve(&a, ws->n_query, sizeof *s.n_pos);
        if (mem) ws->attn[t] = s;
    }
    ws->items = carve(&a, n * c->n_kv_head, sizeof *ws->items);
    ws->wave_slots = (size_t)ws->n_threads * GLIM_ATTN_WAVE;
    ws->wave = carve(&a, ws->wave_slots * ws->n_query * (hd + 2), 4);

    if (c->n_expert > 0) {
        size_t slots = n * c->n_expert_used;
        ws->router = carve(&a, n * c->n_expert, 4);
        ws->choice = carve(&a, (size_t)ws->n_threads * 2 * (c->n_expert + c->n_group), 4);
        ws->chosen = carve(&a, slots, 4);
        ws->weight = carve(&a, slots, 4);
        ws->slot = carve(&a, slots, 4);
        ws->slot_row = carve(&a, slots, 4);
        ws->first = carve(&a, c->n_expert + 1, 4);
        ws->views = carve(&a, c->n_expert, sizeof *ws->views);
        ws->eg = carve(&a, slots * c->n_ff_expert, 4);
        ws->eu = carve(&a, slots * c->n_ff_expert, 4);
        ws->eo = carve(&a, slots * c->n_embd, 4);
        ws->ex = carve(&a, slots * c->n_embd, 4);
        ws->act_exp = carve(&a, 1, glim_act_bytes(slots, c->n_embd, ws->forms));
        ws->act_exp_mid = carve(&a, 1, glim_act_bytes(slots, c->n_ff_expert, ws->forms));
    }
    ws->mem_bytes = a.used;
}

size_t glim_ws_bytes(const glim_model *m, size_t n_rows, size_t n_logits, int n_threads) {
    glim_ws ws = {.n_rows = n_rows, .n_logits = n_logits, .n_threads = n_threads, .forms = model_forms(m)};
    lay_out(&ws, m, NULL);
    return ws.mem_bytes;
}

glim_status glim_ws_new(glim_ws **out, const glim_model *m, size_t n_rows, size_t n_logits,
                        glim_err *err) {
    *out = NULL;
    glim_ws *ws = glim_xcalloc(1, sizeof *ws);
    ws->n_rows = n_rows;
    ws->n_logits = n_logits;
    ws->n_threads = glim_pool_size(m->pool);
    ws->forms = model_forms(m);
    lay_out(ws, m, NULL);
    /* Mapped, so that only rows that a batch has take time: a short prompt touches a tenth of it. */
    ws->mem = mmap(NULL, ws->mem_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ws->mem == MAP_FAILED) {
        const glim_status rc = glim_fail_errno(err, GLIM_E_NOMEM, errno, "could not allocate %zu bytes for the workspace of a batch",
                                               ws->mem_bytes);
        free(ws);
        return rc;
    }
    lay_out(ws, m, ws->mem);
    *out = ws;
    return GLIM_OK;
}

void glim_ws_free(glim_ws *ws) {
    if (!ws) return;
    munmap(ws->mem, ws->mem_bytes);
    free(ws);
}

void glim_ws_tap(glim_ws *ws, glim_tap_fn fn, void *ctx) {
    ws->tap = fn;
    ws->tap_ctx = ctx;
}

void glim_ws_adapters(glim_ws *ws, const struct glim_adapter *const *of_seq, struct glim_adapter_scratch *scratch) {
    ws->adapters = of_seq;
    ws->lora = scratch;
}

void glim_pass_matmul(glim_pass *p, size_t n_jobs) {
    glim_ws *ws = p->ws;
    for (size_t i = 0; ws->tap && i < n_jobs; i++) ws->tap(ws->tap_ctx, ws->jobs[i].w, ws->jobs[i].x);
    glim_matmul_many(p->m->pool, p->k, ws->jobs, n_jobs);
    if (ws->adapters) glim_adapter_apply(p, n_jobs);
}

size_t glim_ws_n_rows(const glim_ws *ws) { return ws->n_rows; }
const float *glim_ws_hidden(const glim_ws *ws) { return ws->hidden; }
const float *glim_ws_residual(const glim_ws *ws) { return ws->h; }

/* ---- checks ---- */

static glim_status check_batch(const glim_model *m, const glim_ws *ws, const glim_batch *b, size_t *n_logits,
                               glim_err *err) {
    *n_logits = 0;
    if (b->n_rows == 0 || b->n_rows > ws->n_rows)
        return glim_fail(err, GLIM_E_ARG, "a batch has %zu rows, want 1 to %zu", b->n_rows, ws->n_rows);
    for (size_t i = 0; i < b->n_rows; i++) {
        const glim_row *r = &b->rows[i];
        if (r->token < 0 || (size_t)r->token >= m->cfg.n_vocab)
            return glim_fail(err, GLIM_E_ARG, "row %zu: token id is %d, want 0 to %zu", i, r->token,
                             m->cfg.n_vocab - 1);
        if (r->seq >= b->n_seqs)
            return glim_fail(err, GLIM_E_ARG, "row %zu: sequence is %u, want less than %zu", i, r->seq,
                             b->n_seqs);
        const glim_kv_seq *s = b->seqs[r->seq];
        bool follows = i > 0 && b->rows[i - 1].seq == r->seq;
        size_t want = follows ? (size_t)b->rows[i - 1].pos + 1 : s->n_pos;
        if (r->pos < 0 || (size_t)r->pos != want)
            return glim_fail(err, GLIM_E_ARG, "row %zu: position is %d, want %zu", i, r->pos, want);
        if ((size_t)r->pos >= s->n_pages * GLIM_KV_PAGE)
            return glim_fail(err, GLIM_E_ARG, "row %zu: position %d has no KV page", i, r->pos);
        *n_logits += r->logits;
    }
    /* A sequence's rows stand together: its second run would start at n_pos again, which `want` of a
     * fresh run cannot tell from a first one. */
    for (size_t i = 1; i < b->n_rows; i++) {
        if (b->rows[i].seq == b->rows[i - 1].seq) continue;
        for (size_t j = 0; j < i; j++)
            if (b->rows[j].seq == b->rows[i].seq)
                return glim_fail(err, GLIM_E_ARG, "row %zu: sequence %u appears twice in a batch", i,
                                 b->rows[i].seq);
    }
    if (*n_logits > ws->n_logits)
        return glim_fail(err, GLIM_E_ARG, "%zu rows want logits, want at most %zu", *n_logits, ws->n_logits);
    return GLIM_OK;
}

/* ---- row phases ---- */

static void embed_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    glim_pass *p = ctx;
    const glim_mat *e = &p->m->embd;
    for (size_t i = begin; i < end; i++) {
        const glim_row *r = &p->b->rows[i];
        glim_dequant(e->type, (const char *)e->rows + (size_t)r->token * e->row_bytes,
                     p->ws->h + i * e->n_in, e->n_in);
        glim_rope_at(p->m->inv_freq, p->m->n_rot, p->m->rope_mscale, (size_t)r->pos,
                     p->ws->cos + i * (p->m->n_rot / 2), p->ws->sin + i * (p->m->n_rot / 2));
    }
}

typedef struct norm_job {
    glim_pass *p;
    const float *post;  /* norm on ws->o before it joins the residual, or NULL */
    bool add;           /* h += o first */
    const float *norm;  /* then x = norm(h), or NULL */
    glim_act *act;      /* then its forms */
    unsigned forms;
} norm_job;

/* h += [post norm](o); x = norm(h); forms of x. One visit of a row does all three. */
static void norm_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    norm_job *j = ctx;
    const glim_kernels *k = j->p->k;
    glim_ws *ws = j->p->ws;
    size_t n = j->p->m->cfg.n_embd;
    float eps = j->p->m->cfg.eps;
    for (size_t i = begin; i < end; i++) {
        float *h = ws->h + i * n, *o = ws->o + i * n;
        if (j->post) k->rmsnorm(o, o, j->post, n, eps);
        if (j->add) k->add(h, o, n);
        if (!j->norm) continue;
        k->rmsnorm(ws->x + i * n, h, j->norm, n, eps);
        k->act_fill(j->act, j->forms, i, 1);
    }
}

/* q/k norms, rotation, and the way into the pages. */
static void rope_store_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    glim_pass *p = ctx;
    const glim_config *c = &p->m->cfg;
    const glim_kernels *k = p->k;
    size_t hd = c->head_dim, nq = c->n_head * hd, nkv = c->n_kv_head * hd, half = p->m->n_rot / 2;
    glim_rope_spec spec = {.head_dim = hd, .n_rot = p->m->n_rot, .interleaved = c->rope.interleaved};
    for (size_t i = begin; i < end; i++) {
        const glim_row *r = &p->b->rows[i];
        float *q = p->ws->q + i * nq, *kk = p->ws->k + i * nkv, *v = p->ws->v + i * nkv;
        if (p->l->q_norm) {
            for (size_t h = 0; h < c->n_head; h++)
                k->rmsnorm(q + h * hd, q + h * hd, p->l->q_norm, hd, c->eps);
            for (size_t h = 0; h < c->n_kv_head; h++)
                k->rmsnorm(kk + h * hd, kk + h * hd, p->l->k_norm, hd, c->eps);
        }
        k->rope(q, c->n_head, p->ws->cos + i * half, p->ws->sin + i * half, spec);
        k->rope(kk, c->n_kv_head, p->ws->cos + i * half, p->ws->sin + i * half, spec);
        const glim_kv_seq *s = p->b->seqs[r->seq];
        size_t page = (size_t)r->pos / GLIM_KV_PAGE, at = (size_t)r->pos % GLIM_KV_PAGE;
        size_t stride = s->pool->head_bytes / GLIM_KV_PAGE;
        for (size_t h = 0; h < c->n_kv_head; h++) {
            float *ks = glim_kv_scales(s, page, p->layer, h, 0), *vs = glim_kv_scales(s, page, p->layer, h, 1);
            k->kv_store((char *)glim_kv_block(s, page, p->layer, h, 0) + at * stride, ks ? ks + at : NULL,
                        s->pool->type, kk + h * hd, hd);
            k->kv_store((char *)glim_kv_block(s, page, p->layer, h, 1) + at * stride, vs ? vs + at : NULL,
                        s->pool->type, v + h * hd, hd);
        }
    }
}

typedef struct silu_job {
    const glim_kernels *k;
    float *gate;
    const float *up;
    size_t n;
    glim_act *act;
    unsigned forms;
} silu_job;

static void silu_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    silu_job *j = ctx;
    for (size_t i = begin; i < end; i++) {
        j->k->silu_mul(j->gate + i * j->n, j->gate + i * j->n, j->up + i * j->n, j->n);
        j->k->act_fill(j->act, j->forms, i, 1);
    }
}

size_t glim_ffn_in(glim_pass *p, const glim_ffn *f, glim_act *in, glim_matmul_job *jobs) {
    glim_ws *ws = p->ws;
    jobs[0] = (glim_matmul_job){.y = ws->gate, .y_stride = f->n_ff, .w = &f->gate, .x = in};
    jobs[1] = (glim_matmul_job){.y = ws->up, .y_stride = f->n_ff, .w = &f->up, .x = in};
    return 2;
}

void glim_ffn_mid(glim_pass *p, const glim_ffn *f, glim_act *mid, size_t n_rows) {
    glim_ws *ws = p->ws;
    unsigned forms = p->k->act_form(f->down.type);
    glim_act_layout(mid, ws->act_mid, ws->gate, f->n_ff, n_rows, f->n_ff, forms);
    mid->forms = forms;
    silu_job silu = {p->k, ws->gate, ws->up, f->n_ff, mid, forms};
    glim_pool_for(p->m->pool, n_rows, 1, silu_rows, &silu);
}

size_t glim_ffn_out(glim_pass *p, const glim_ffn *f, glim_act *mid, float *y, glim_matmul_job *jobs) {
    jobs[0] = (glim_matmul_job){.y = y, .y_stride = p->m->cfg.n_embd, .w = &f->down, .x = mid};
    return 1;
}

static void ffn_run(glim_pass *p, const glim_ffn *f, glim_act *in, float *y, size_t n_rows) {
    glim_act mid;
    glim_pass_matmul(p, glim_ffn_in(p, f, in, p->ws->jobs));
    glim_ffn_mid(p, f, &mid, n_rows);
    glim_pass_matmul(p, glim_ffn_out(p, f, &mid, y, p->ws->jobs));
}

static void block(glim_pass *p, glim_act *x, unsigned forms_next) {
    const glim_model *m = p->m;
    const glim_config *c = &m->cfg;
    const glim_layer *l = p->l;
    glim_ws *ws = p->ws;
    size_t n = p->b->n_rows, nq = c->n_head * c->head_dim, nkv = c->n_kv_head * c->head_dim;

    ws->jobs[0] = (glim_matmul_job){.y = ws->q, .y_stride = nq, .w = &l->wq, .bias = l->bq, .x = x};
    ws->jobs[1] = (glim_matmul_job){.y = ws->k, .y_stride = nkv, .w = &l->wk, .bias = l->bk, .x = x};
    ws->jobs[2] = (glim_matmul_job){.y = ws->v, .y_stride = nkv, .w = &l->wv, .bias = l->bv, .x = x};
    glim_pass_matmul(p, 3);
    glim_pool_for(m->pool, n, 4, rope_store_rows, p);

    glim_attn_run(p);

    glim_act att;
    unsigned forms = p->k->act_form(l->wo.type);
    glim_act_layout(&att, ws->act_in, ws->att, nq, n, nq, forms);
    glim_act_prepare(m->pool, p->k, &att, forms);
    ws->jobs[0] = (glim_matmul_job){.y = ws->o, .y_stride = c->n_embd, .w = &l->wo, .x = &att};
    glim_pass_matmul(p, 1);

    forms = l->moe ? glim_experts_forms_in(p) | p->k->act_form(l->router.type) : 0;
    if (l->ffn.n_ff) forms |= p->k->act_form(l->ffn.gate.type) | p->k->act_form(l->ffn.up.type);
    glim_act_layout(x, ws->act_in, ws->x, c->n_embd, n, c->n_embd, forms);
    x->forms = forms;
    norm_job norm = {.p = p, .post = l->post_attn_norm, .add = true, .norm = l->ffn_norm, .act = x, .forms = forms};
    glim_pool_for(m->pool, n, 1, norm_rows, &norm);

    if (l->moe) glim_moe_run(p, x, n);
    else ffn_run(p, &l->ffn, x, ws->o, n);

    const float *next = p->layer + 1 < c->n_layer ? m->layers[p->layer + 1].attn_norm : NULL;
    if (next) {
        glim_act_layout(x, ws->act_in, ws->x, c->n_embd, n, c->n_embd, forms_next);
        x->forms = forms_next;
    }
    norm = (norm_job){.p = p, .post = l->post_ffn_norm, .add = true, .norm = next, .act = x, .forms = forms_next};
    glim_pool_for(m->pool, n, 1, norm_rows, &norm);
}

static unsigned qkv_forms(const glim_kernels *k, const glim_layer *l) {
    return k->act_form(l->wq.type) | k->act_form(l->wk.type) | k->act_form(l->wv.type);
}

static void head(glim_pass *p, size_t n_logits) {
    const glim_model *m = p->m;
    const glim_config *c = &m->cfg;
    glim_ws *ws = p->ws;
    size_t at = 0;
    for (size_t i = 0; i < p->b->n_rows; i++) {
        if (!p->b->rows[i].logits) continue;
        p->k->rmsnorm(ws->hidden + at * c->n_embd, ws->h + i * c->n_embd, m->out_norm, c->n_embd, c->eps);
        at++;
    }
    if (n_logits == 0) return;
    glim_act x;
    unsigned forms = p->k->act_form(m->head.type);
    glim_act_layout(&x, ws->act_head, ws->hidden, c->n_embd, n_logits, c->n_embd, forms);
    glim_act_prepare(m->pool, p->k, &x, forms);
    ws->jobs[0] = (glim_matmul_job){.y = ws->logits, .y_stride = c->n_vocab, .w = &m->head, .x = &x};
    glim_pass_matmul(p, 1);
}

glim_status glim_forward(const glim_model *m, glim_ws *ws, const glim_batch *b, const float **logits,
                         glim_err *err) {
    size_t n_logits;
    glim_status rc = check_batch(m, ws, b, &n_logits, err);
    if (rc != GLIM_OK) return rc;

    glim_alloc_guard_begin("forward");
    glim_pass p = {.m = m, .k = m->k, .ws = ws, .b = b};
    glim_pool_for(m->pool, b->n_rows, 4, embed_rows, &p);
    glim_attn_plan(&p);

    glim_act x;
    unsigned forms = qkv_forms(m->k, &m->layers[0]);
    glim_act_layout(&x, ws->act_in, ws->x, m->cfg.n_embd, b->n_rows, m->cfg.n_embd, forms);
    x.forms = forms;
    norm_job norm = {.p = &p, .norm = m->layers[0].attn_norm, .act = &x, .forms = forms};
    glim_pool_for(m->pool, b->n_rows, 1, norm_rows, &norm);

    for (size_t i = 0; i < m->cfg.n_layer; i++) {
        p.layer = i;
        p.l = &m->layers[i];
        block(&p, &x, i + 1 < m->cfg.n_layer ? qkv_forms(m->k, &m->layers[i + 1]) : 0);
    }
    head(&p, n_logits);

    for (size_t i = 0; i < b->n_rows; i++) {
        glim_kv_seq *s = b->seqs[b->rows[i].seq];
        s->n_pos = (size_t)b->rows[i].pos + 1;
    }
    glim_alloc_guard_end();
    *logits = ws->logits;
    return GLIM_OK;
}
