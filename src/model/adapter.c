/* adapter.c - see adapter.h.
 *
 * Owns       B (with its scale) and A of every matrix that the adapter changes, as f32 weights in the form
 *            that the kernel set multiplies, found by the matrix's address. DoRA: also what the base product is
 *            multiplied by, f = m / |W + s B A|, which stands in B as well.
 * Invariant  a row's addition is A x in one product and B (A x) in another, both in the kernel set's one
 *            order, then one add per value: nothing depends on the rows beside it.
 * Surprise   a fused module (query_key_value, gate_up_proj) becomes one entry for each matrix it covers:
 *            they share A and each has its own rows of B. */
#include "model/adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/peft.h"
#include "model/dora.h"
#include "model/forward_internal.h"
#include "net/sha256.h"

typedef struct delta {
    const glim_mat *w; /* of the model */
    glim_mat a, b;     /* [r, in], [out, r] */
    float *factor;     /* DoRA: [2, n_out] f, and bias (1 - f): a bias is not stretched; NULL: LoRA */
    size_t module;     /* for messages: number of the pair */
    void *a_mem, *b_mem; /* a_mem NULL: an entry before this one owns it */
} delta;

struct glim_adapter {
    delta *deltas; /* by address of w */
    size_t n, cap;
    size_t bytes;
    char version[GLIM_SHA256_HEX];
};

/* ---- from names to matrices ---- */

typedef glim_adapter_part part;

static bool starts(const char **s, const char *with) {
    size_t n = strlen(with);
    if (strncmp(*s, with, n) != 0) return false;
    *s += n;
    return true;
}

static size_t ffn_parts(const glim_ffn *f, const char *s, part out[3]) {
    if (f->n_ff == 0) return 0;
    if (strcmp(s, "gate_proj") == 0) return out[0].w = &f->gate, 1;
    if (strcmp(s, "up_proj") == 0) return out[0].w = &f->up, 1;
    if (strcmp(s, "down_proj") == 0 || strcmp(s, "dense_4h_to_h") == 0) return out[0].w = &f->down, 1;
    if (strcmp(s, "gate_up_proj") == 0 || strcmp(s, "dense_h_to_4h") == 0)
        return out[0].w = &f->gate, out[1].w = &f->up, 2;
    return 0;
}

size_t glim_adapter_parts(const glim_model *m, const char *module, glim_adapter_part out[3]) {
    memset(out, 0, 3 * sizeof *out);
    const char *s = strstr(module, "layers.");
    if (!s || (s != module && s[-1] != '.')) return 0;
    /* What stands before "layers.N." must be the text model. */
    static const char *const before[] = {"", "model.", "transformer.encoder.", "model.language_model.", "language_model.model.",
                                         "language_model."};
    bool known = false;
    for (size_t i = 0; i < GLIM_COUNT(before); i++)
        known = known || ((size_t)(s - module) == strlen(before[i]) && strncmp(module, before[i], (size_t)(s - module)) == 0);
    char *end;
    s += strlen("layers.");
    unsigned long layer = strtoul(s, &end, 10);
    if (!known || end == s || *end != '.' || layer >= m->cfg.n_layer) return 0;
    s = end + 1;
    const glim_layer *l = &m->layers[layer];
    if (starts(&s, "self_attn.") || starts(&s, "self_attention.")) {
        static const char *const one[] = {"q_proj", "k_proj", "v_proj", "o_proj"};
        const glim_mat *w[] = {&l->wq, &l->wk, &l->wv, &l->wo};
        const float *const bias[] = {l->bq, l->bk, l->bv, NULL};
        for (int i = 0; i < 4; i++)
            if (strcmp(s, one[i]) == 0) return out[0] = (part){w[i], i < 2, bias[i]}, 1;
        if (strcmp(s, "dense") == 0) return out[0].w = &l->wo, 1;
        if (strcmp(s, "query_key_value") == 0 || strcmp(s, "qkv_proj") == 0) {
            for (int i = 0; i < 3; i++) out[i] = (part){w[i], i < 2, bias[i]};
            return 3;
        }
        return 0;
    }
    if (!starts(&s, "mlp.")) return 0;
    if (!l->moe) return ffn_parts(&l->ffn, s, out);
    if (starts(&s, "shared_experts.")) return ffn_parts(&l->ffn, s, out);
    if (!starts(&s, "experts.")) return 0;
    unsigned long e = strtoul(s, &end, 10);
    return end == s || *end != '.' || e >= m->cfg.n_expert ? 0 : ffn_parts(&l->experts[e], end + 1, out);
}

/* ---- loading ---- */

size_t glim_adapter_source_row(const glim_model *m, bool rotated, size_t i) {
    const glim_config *c = &m->cfg;
    bool hf_interleaved = c->arch <= GLIM_ARCH_GLM4;
    if (!rotated || glim_ckpt_kind_of(m->ckpt) != GLIM_CKPT_GGUF || hf_interleaved == c->rope.interleaved) return i;
    size_t head = i / c->head_dim, at = i % c->head_dim, half = c->rope.n_rot / 2;
    if (at >= c->rope.n_rot) return i;
    size_t from = c->rope.interleaved ? at / 2 + (at % 2 ? half : 0) : at < half ? 2 * at : 2 * (at - half) + 1;
    return head * c->head_dim + from;
}

/* w->rows (f32, ours) becomes what the kernel set multiplies; *mem is what to free. */
static glim_status prepare(const glim_model *m, glim_mat *w, float *rows, void **mem, size_t *bytes, glim_err *err) {
    w->rows = rows;
    *mem = rows;
    size_t pack = m->k->pack_bytes(GLIM_F32, w->n_out, w->n_in);
    if (pack == 0) {
        *bytes += w->n_out * w->row_bytes;
        return GLIM_OK;
    }
    void *panels;
    glim_status rc = glim_try_calloc(&panels, pack, 1, "an adapter", err);
    if (rc != GLIM_OK) return rc;
    glim_mat_pack(NULL, m->k, w, panels); /* in this thread: the pool belongs to the passes */
    free(rows);
    w->rows = NULL;
    *mem = panels;
    *bytes += pack;
    return GLIM_OK;
}

static glim_status read_rows(const glim_model *m, float **out, const glim_tensor *t, size_t first, size_t n, bool rotated, double scale,
                             glim_err *err) {
    size_t n_in = t->dims[1], row_bytes;
    void *p;
    glim_status rc = glim_row_bytes(t->type, n_in, &row_bytes, err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, n * n_in, sizeof(float), "an adapter", err);
    if (rc != GLIM_OK) return rc;
    float *rows = p;
    for (size_t i = 0; i < n; i++) {
        float *row = rows + i * n_in;
        glim_dequant(t->type, (const char *)t->data + (first + glim_adapter_source_row(m, rotated, i)) * row_bytes, row, n_in);
        for (size_t j = 0; j < n_in; j++) {
            row[j] = (float)(row[j] * scale);
            if (!isfinite(row[j])) {
                free(rows);
                return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": row %zu holds a NaN or an infinity", t->name, first + i);
            }
        }
    }
    *out = rows;
    return GLIM_OK;
}

/* Turns b's rows [n, rank] (with their scale) and the part's bias into d->factor and what the product with B is to be.
 * a [rank, in]; first: of the part's rows in the magnitude. */
static glim_status stretch(const glim_model *m, delta *d, const part *w, const glim_peft_pair *x, const float *a, float *b, size_t first,
                           size_t *bytes, glim_err *err) {
    const size_t n = w->w->n_out, rank = x->rank;
    const glim_gemm_set *set = glim_gemm_of(m->k);
    void *factor, *square = NULL, *scratch = NULL, *mag = NULL;
    glim_status rc = glim_try_calloc(&factor, 2 * n, sizeof(float), "an adapter", err);
    if (rc != GLIM_OK) return rc;
    d->factor = factor;
    *bytes += 2 * n * sizeof(float);
    rc = glim_try_calloc(&square, n, sizeof(double), "an adapter", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&scratch, glim_dora_bytes(set, n, w->w->n_in, rank, 1), 1, "an adapter", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&mag, x->b->dims[0], sizeof(float), "an adapter", err);
    if (rc == GLIM_OK) {
        float *f = d->factor, *shift = f + n;
        glim_dequant(x->magnitude->type, x->magnitude->data, mag, x->b->dims[0]);
        glim_dora_squares(NULL, set, w->w, square); /* in this thread, as all of loading */
        glim_dora_lengths(NULL, set, w->w, square, a, b, rank, 1, f, scratch);
        for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
            const float of = ((float *)mag)[first + glim_adapter_source_row(m, w->rotated, i)], length = f[i];
            f[i] = length > 0 ? of / length : 0;
            if (!isfinite(of) || !isfinite(f[i]))
                rc = glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": row %zu is %g for a row of weights of length %g", x->magnitude->name,
                               first + i, (double)of, (double)length);
            shift[i] = w->bias ? w->bias[i] * (1 - f[i]) : 0;
            for (size_t k = 0; k < rank; k++) b[i * rank + k] *= f[i];
        }
    }
    free(square);
    free(scratch);
    free(mag);
    return rc;
}

static glim_status add_pair(glim_adapter *a, const glim_model *m, const glim_peft_pair *x, size_t number, glim_err *err) {
    part parts[3];
    size_t n_parts = glim_adapter_parts(m, x->module, parts), n_out = 0;
    if (n_parts == 0)
        return glim_fail(err, GLIM_E_NOT_FOUND, "this model has no linear layer \"%s\" that an adapter can change", x->module);
    for (size_t i = 0; i < n_parts; i++) n_out += parts[i].w->n_out;
    if (x->a->dims[1] != parts[0].w->n_in || x->b->dims[0] != n_out)
        return glim_fail(err, GLIM_E_SHAPE, "module \"%s\": the adapter is for [%zu, %zu], this model has [%zu, %zu]", x->module,
                         x->b->dims[0], x->a->dims[1], n_out, parts[0].w->n_in);
    if (x->rank > GLIM_ADAPTER_MAX_RANK)
        return glim_fail(err, GLIM_E_LIMIT, "module \"%s\" has rank %zu, want at most %d", x->module, x->rank,
                         GLIM_ADAPTER_MAX_RANK);
    size_t first = 0;
    glim_mat shared = {0};
    float *down;
    glim_status rc = read_rows(m, &down, x->a, 0, x->rank, false, 1, err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < n_parts && rc == GLIM_OK; i++) {
        delta *d = &a->deltas[a->n++];
        *d = (delta){.w = parts[i].w, .module = number};
        const size_t n = parts[i].w->n_out;
        float *up;
        d->b = (glim_mat){.type = GLIM_F32, .n_out = n, .n_in = x->rank, .row_bytes = x->rank * sizeof(float)};
        rc = read_rows(m, &up, x->b, first, n, parts[i].rotated, x->scale, err);
        if (rc != GLIM_OK) break;
        if (x->magnitude) rc = stretch(m, d, &parts[i], x, down, up, first, &a->bytes, err);
        if (rc == GLIM_OK) rc = prepare(m, &d->b, up, &d->b_mem, &a->bytes, err);
        else free(up);
        first += n;
    }
    if (rc != GLIM_OK) {
        free(down);
        return rc;
    }
    /* A last: the lengths above want its rows as they are. The first part owns it. */
    delta *d = &a->deltas[a->n - n_parts];
    shared = (glim_mat){.type = GLIM_F32, .n_out = x->rank, .n_in = x->a->dims[1], .row_bytes = x->a->dims[1] * sizeof(float)};
    rc = prepare(m, &shared, down, &d->a_mem, &a->bytes, err);
    for (size_t i = 0; i < n_parts; i++) d[i].a = shared;
    return rc;
}

static int by_matrix(const void *a, const void *b) {
    const delta *x = a, *y = b;
    return x->w < y->w ? -1 : x->w > y->w;
}

static void hash_files(glim_adapter *a, const glim_peft *p) {
    glim_sha256 h;
    glim_sha256_init(&h);
    glim_sha256_update(&h, p->config_text, p->config_bytes);
    for (size_t i = 0; i < p->n_pairs; i++) {
        const glim_tensor *t[] = {p->pairs[i].a, p->pairs[i].b, p->pairs[i].magnitude};
        for (int k = 0; k < (t[2] ? 3 : 2); k++) {
            glim_sha256_update(&h, t[k]->name, strlen(t[k]->name) + 1);
            glim_sha256_update(&h, &t[k]->type, sizeof t[k]->type);
            glim_sha256_update(&h, t[k]->dims, sizeof t[k]->dims);
            glim_sha256_update(&h, t[k]->data, t[k]->n_bytes);
        }
    }
    glim_sha256_final(&h, a->version);
}

glim_status glim_adapter_load(glim_adapter **out, const glim_model *m, const char *folder, glim_err *err) {
    *out = NULL;
    glim_peft p;
    glim_status rc = glim_peft_open(&p, folder, err);
    if (rc != GLIM_OK) return rc;
    glim_adapter *a = glim_xcalloc(1, sizeof *a);
    void *list;
    rc = glim_try_calloc(&list, 3 * p.n_pairs, sizeof *a->deltas, "an adapter", err);
    if (rc == GLIM_OK) {
        a->deltas = list;
        hash_files(a, &p);
    }
    for (size_t i = 0; i < p.n_pairs && rc == GLIM_OK; i++) rc = add_pair(a, m, &p.pairs[i], i, err);
    if (rc == GLIM_OK) qsort(a->deltas, a->n, sizeof *a->deltas, by_matrix);
    for (size_t i = 1; i < a->n && rc == GLIM_OK; i++)
        if (a->deltas[i].w == a->deltas[i - 1].w)
            rc = glim_fail(err, GLIM_E_FORMAT, "modules \"%s\" and \"%s\" change the same weights",
                           p.pairs[a->deltas[i - 1].module].module, p.pairs[a->deltas[i].module].module);
    if (rc != GLIM_OK) {
        glim_err_context(err, "%s", folder);
        glim_adapter_free(a);
    } else {
        *out = a;
    }
    glim_peft_close(&p);
    return rc;
}

void glim_adapter_free(glim_adapter *a) {
    if (!a) return;
    for (size_t i = 0; i < a->n; i++) {
        free(a->deltas[i].a_mem);
        free(a->deltas[i].b_mem);
        free(a->deltas[i].factor);
    }
    free(a->deltas);
    free(a);
}

size_t glim_adapter_bytes(const glim_adapter *a) { return a->bytes; }
const char *glim_adapter_version(const glim_adapter *a) { return a->version; }

/* ---- applying ---- */

/* Rows of products computed at once, however many the batch has: bounds the scratch. */
enum { WAVE_ROWS = 64, WAVE_PIECES = 64 };

/* Some consecutive rows of one job that have the same adapter. */
typedef struct piece {
    const delta *d;
    glim_act x, mid;  /* of the product with A, with B */
    float *y;         /* first of its rows in the base product's output */
    size_t y_stride, n;
    float *t, *add;   /* [n, r], [n, n_out] */
} piece;

struct glim_adapter_scratch {
    piece pieces[WAVE_PIECES];
    glim_matmul_job jobs[WAVE_PIECES];
    float *t;   /* [WAVE_ROWS, GLIM_ADAPTER_MAX_RANK] */
    float *add; /* [WAVE_ROWS, widest output] */
    size_t widest;
    size_t n_pieces, n_rows;
    size_t row_of[WAVE_ROWS]; /* piece of a row of the wave, for the last loop */
    size_t row_at[WAVE_ROWS]; /* its place in the piece */
};

static size_t widest_output(const glim_model *m) {
    size_t n = m->cfg.n_embd;
    for (size_t i = 0; i < m->cfg.n_layer; i++) {
        const glim_layer *l = &m->layers[i];
        size_t w[] = {l->wq.n_out, l->wk.n_out, l->ffn.n_ff, l->moe ? m->cfg.n_ff_expert : 0};
        for (size_t j = 0; j < GLIM_COUNT(w); j++) n = w[j] > n ? w[j] : n;
    }
    return n;
}

size_t glim_adapter_scratch_bytes(const glim_model *m) {
    return sizeof(glim_adapter_scratch) + WAVE_ROWS * (GLIM_ADAPTER_MAX_RANK + widest_output(m)) * sizeof(float);
}

glim_status glim_adapter_scratch_new(glim_adapter_scratch **out, const glim_model *m, glim_err *err) {
    *out = NULL;
    void *p;
    glim_status rc = glim_try_calloc(&p, 1, sizeof(glim_adapter_scratch), "scratch for adapters", err);
    if (rc != GLIM_OK) return rc;
    glim_adapter_scratch *s = p;
    s->widest = widest_output(m);
    rc = glim_try_calloc(&p, WAVE_ROWS * GLIM_ADAPTER_MAX_RANK, sizeof(float), "scratch for adapters", err);
    s->t = rc == GLIM_OK ? p : NULL;
    if (rc == GLIM_OK) {
        rc = glim_try_calloc(&p, WAVE_ROWS * s->widest, sizeof(float), "scratch for adapters", err);
        s->add = rc == GLIM_OK ? p : NULL;
    }
    if (rc != GLIM_OK) {
        glim_adapter_scratch_free(s);
        return rc;
    }
    *out = s;
    return GLIM_OK;
}

void glim_adapter_scratch_free(glim_adapter_scratch *s) {
    if (!s) return;
    free(s->t);
    free(s->add);
    free(s);
}

static const delta *find_delta(const glim_adapter *a, const glim_mat *w) {
    size_t lo = 0, hi = a->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (a->deltas[mid].w < w) lo = mid + 1;
        else hi = mid;
    }
    return lo < a->n && a->deltas[lo].w == w ? &a->deltas[lo] : NULL;
}

static void add_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    glim_pass *p = ctx;
    glim_adapter_scratch *s = p->ws->lora;
    for (size_t i = begin; i < end; i++) {
        const piece *x = &s->pieces[s->row_of[i]];
        size_t at = s->row_at[i], n_out = x->d->b.n_out;
        if (x->d->factor) {
            const float *f = x->d->factor, *shift = f + n_out;
            float *y = x->y + at * x->y_stride;
            for (size_t k = 0; k < n_out; k++) y[k] = y[k] * f[k] + shift[k];
        }
        p->k->add(x->y + at * x->y_stride, x->add + at * n_out, n_out);
    }
}

static void run_wave(glim_pass *p) {
    glim_adapter_scratch *s = p->ws->lora;
    if (s->n_pieces == 0) return;
    for (size_t i = 0; i < s->n_pieces; i++) {
        piece *x = &s->pieces[i];
        s->jobs[i] = (glim_matmul_job){.y = x->t, .y_stride = x->d->a.n_out, .w = &x->d->a, .x = &x->x};
    }
    glim_matmul_many(p->m->pool, p->k, s->jobs, s->n_pieces);
    for (size_t i = 0; i < s->n_pieces; i++) {
        piece *x = &s->pieces[i];
        s->jobs[i] = (glim_matmul_job){.y = x->add, .y_stride = x->d->b.n_out, .w = &x->d->b, .x = &x->mid};
    }
    glim_matmul_many(p->m->pool, p->k, s->jobs, s->n_pieces);
    glim_pool_for(p->m->pool, s->n_rows, 8, add_rows, p);
    s->n_pieces = s->n_rows = 0;
}

/* Rows [row0, row0 + n) of a job, all with the delta d; x: their f32 input. */
static void add_piece(glim_pass *p, const glim_matmul_job *j, const delta *d, size_t row0, size_t n, const float *x, size_t x_stride) {
    glim_adapter_scratch *s = p->ws->lora;
    while (n > 0) {
        if (s->n_pieces == WAVE_PIECES || s->n_rows == WAVE_ROWS) run_wave(p);
        size_t k = WAVE_ROWS - s->n_rows < n ? WAVE_ROWS - s->n_rows : n;
        piece *q = &s->pieces[s->n_pieces];
        *q = (piece){.d = d, .y = j->y + row0 * j->y_stride, .y_stride = j->y_stride, .n = k,
                     .t = s->t + s->n_rows * GLIM_ADAPTER_MAX_RANK, .add = s->add + s->n_rows * s->widest};
        glim_act_layout(&q->x, NULL, x, x_stride, k, d->a.n_in, GLIM_ACT_F32);
        glim_act_layout(&q->mid, NULL, q->t, d->a.n_out, k, d->a.n_out, GLIM_ACT_F32);
        for (size_t i = 0; i < k; i++) s->row_of[s->n_rows + i] = s->n_pieces, s->row_at[s->n_rows + i] = i;
        s->n_pieces++;
        s->n_rows += k;
        row0 += k;
        x += k * x_stride;
        n -= k;
    }
}

static const glim_adapter *adapter_of(const glim_pass *p, size_t row) { return p->ws->adapters[p->b->rows[row].seq]; }

/* Whether a job is an expert's, whose rows are sorted slots; then the first slot, and whether its input is
 * the normed stream (gate, up) or the expert's middle (down). */
static bool expert_job(const glim_pass *p, const glim_matmul_job *j, size_t *slot0, bool *from_stream) {
    const glim_ws *ws = p->ws;
    if (!p->l || !p->l->moe) return false;
    size_t slots = p->b->n_rows * p->m->cfg.n_expert_used, n_ff = p->m->cfg.n_ff_expert, n_embd = p->m->cfg.n_embd;
    const float *base[] = {ws->eg, ws->eu, ws->eo};
    for (int i = 0; i < 3; i++) {
        size_t width = i < 2 ? n_ff : n_embd;
        if (j->y < base[i] || j->y >= base[i] + slots * width) continue;
        *slot0 = (size_t)(j->y - base[i]) / width;
        *from_stream = i < 2;
        return true;
    }
    return false;
}

static void apply_job(glim_pass *p, const glim_matmul_job *j) {
    const glim_ws *ws = p->ws;
    size_t n_embd = p->m->cfg.n_embd, slot0 = 0;
    bool gathered = false, expert = expert_job(p, j, &slot0, &gathered);
    for (size_t r = 0; r < j->x->n_rows;) {
        size_t row = expert ? ws->slot_row[slot0 + r] : r, n = 1;
        const glim_adapter *a = adapter_of(p, row);
        while (r + n < j->x->n_rows) { /* as far as the adapter is the same and the input lies evenly */
            size_t next = expert ? ws->slot_row[slot0 + r + n] : r + n;
            if (adapter_of(p, next) != a || (gathered && next != row + n)) break;
            n++;
        }
        const delta *d = a ? find_delta(a, j->w) : NULL;
        /* An expert's rows were gathered in the forms that its own weights want: f32 is in the stream. */
        if (d && gathered) add_piece(p, j, d, r, n, ws->x + row * n_embd, n_embd);
        else if (d) add_piece(p, j, d, r, n, j->x->f32 + r * j->x->f32_stride, j->x->f32_stride);
        r += n;
    }
}

void glim_adapter_apply(struct glim_pass *p, size_t n_jobs) {
    for (size_t i = 0; i < n_jobs; i++)
        if (p->ws->jobs[i].w != &p->m->head) apply_job(p, &p->ws->jobs[i]); /* the head's rows are not the batch's */
    run_wave(p);
}
