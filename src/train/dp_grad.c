/* dp_grad.c - see dp_grad.h.
 *
 * Rows of a product belong to sequences in rising order, whatever the product is over: rows of the batch, those with a
 * target (the head), slots of one expert. net->row_of says which row of the batch each is (NULL: itself), and a
 * stretch of rows of one sequence is a segment. */
#include "train/dp_grad.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "train/net_internal.h"

enum { PART = 4096, MAX_SEQ = 64, SLOT_BYTES = 256 << 20 /* of formed gradients */ };

typedef enum mode { FORM, NORM, SUM } mode;

struct glim_dp_grad {
    glim_net *n;
    mode mode;
    double clip;
    size_t n_seq;      /* examples at most */
    size_t each;       /* sequences of an example */
    size_t n_items;    /* rows of the largest product: rows or slots */
    size_t widest;     /* of all inputs and vectors */
    size_t tallest;    /* outputs of one product */
    float *form;       /* [n_seq, n_values] pairs */
    double *sum;       /* [n_values] pairs */
    double *sq;        /* [n_seq] squares of norms */
    float *factor;     /* [n_seq] */
    uint32_t *seq_of;  /* [n_rows] the example of each row */
    uint32_t *owner;   /* [n_items] and of each row of a product */
    double *part;      /* [max(n_items, tallest)] */
    float *scaled;     /* [n_items, widest] all weights */
    double *wide;      /* [n_threads, widest] */
    void *mem;
};

/* ---- memory: one function counts it and lays it out ---- */

static void *carve(char *mem, size_t *at, size_t n, size_t size) {
    void *p = mem ? mem + *at : NULL;
    *at += (n * size + 63) / 64 * 64;
    return p;
}
static size_t max2(size_t a, size_t b) { return a > b ? a : b; }

size_t glim_dp_grad_n_seq(const glim_net *n) {
    const size_t k = n->lora.rank == 0 ? n->n_rows : SLOT_BYTES / (n->n_values * sizeof(float) + 1);
    const size_t most = n->lora.rank && n->n_rows > MAX_SEQ ? MAX_SEQ : n->n_rows;
    return k < 1 ? 1 : k < most ? k : most;
}

static size_t lay_out(glim_dp_grad *d, const glim_net *n, void *mem) {
    const bool lora = n->lora.rank > 0;
    const size_t n_seq = glim_dp_grad_n_seq(n);
    size_t at = 0;
    d->n_seq = n_seq;
    d->n_items = n->n_rows * (n->m->cfg.n_expert ? n->m->cfg.n_expert_used : 1);
    for (size_t i = 0; i < n->n_params; i++) {
        const glim_param *p = &n->params[i];
        d->widest = max2(d->widest, p->dims[p->n_dims - 1]);
        d->tallest = max2(d->tallest, p->n / p->dims[p->n_dims - 1]);
    }
    d->sq = carve(mem, &at, n_seq, sizeof *d->sq);
    d->factor = carve(mem, &at, n_seq, sizeof *d->factor);
    d->seq_of = carve(mem, &at, n->n_rows, sizeof *d->seq_of);
    d->owner = carve(mem, &at, d->n_items, sizeof *d->owner);
    if (lora) {
        d->form = carve(mem, &at, n_seq * n->n_values, sizeof *d->form);
        d->sum = carve(mem, &at, n->n_values, sizeof *d->sum);
        return at;
    }
    d->part = carve(mem, &at, max2(d->n_items, d->tallest), sizeof *d->part);
    d->scaled = carve(mem, &at, d->n_items * d->widest, sizeof *d->scaled);
    d->wide = carve(mem, &at, (size_t)glim_pool_size(n->pool) * d->widest, sizeof *d->wide);
    return at;
}

size_t glim_dp_grad_bytes(const glim_net *n) {
    glim_dp_grad d = {0};
    return lay_out(&d, n, NULL);
}

glim_status glim_dp_grad_new(glim_dp_grad **out, glim_net *n, double clip, glim_err *err) {
    *out = NULL;
    if (n->dropout > 0) {
        glim_fail(err, GLIM_E_UNSUPPORTED, "dropout in private training: its mask depends on what else is in a batch, so cutting one example's gradient would not bound what it changes");
        glim_err_hint(err, "leave --lora-dropout at 0: the noise does what it is for");
        return GLIM_E_UNSUPPORTED;
    }
    GLIM_ASSERT(n->by_example);
    glim_dp_grad *d = glim_xcalloc(1, sizeof *d);
    glim_status rc = glim_try_calloc(&d->mem, glim_dp_grad_bytes(n), 1, "gradients of single examples", err);
    if (rc != GLIM_OK) {
        free(d);
        return rc;
    }
    lay_out(d, n, d->mem);
    d->n = n, d->clip = clip, d->each = 1;
    d->mode = n->lora.rank ? FORM : NORM;
    n->single = d;
    *out = d;
    return GLIM_OK;
}

void glim_dp_grad_free(glim_dp_grad *d) {
    if (!d) return;
    if (d->n->single == d) d->n->single = NULL;
    free(d->mem);
    free(d);
}

void glim_dp_grad_zero(glim_dp_grad *d) {
    if (d->sum) memset(d->sum, 0, d->n->n_values * sizeof *d->sum);
    glim_net_zero(d->n);
}

void glim_dp_grad_sum(const glim_dp_grad *d, const double **f64, const float **f32) {
    *f64 = d->sum;
    *f32 = d->sum ? NULL : d->n->g;
}

/* ---- segments ---- */

static void find_owners(glim_dp_grad *d, size_t rows) {
    const uint32_t *row_of = d->n->row_of;
    for (size_t i = 0; i < rows; i++) d->owner[i] = d->seq_of[row_of ? row_of[i] : i];
}
static size_t end_of(const glim_dp_grad *d, size_t a, size_t rows) {
    size_t b = a + 1;
    while (b < rows && d->owner[b] == d->owner[a]) b++;
    return b;
}

/* Eight sums side by side: a chain in double would wait for each addition. */
static double dot(const float *a, const float *b, size_t n) {
    double s[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) s[k] += (double)a[i + k] * (double)b[i + k];
    for (size_t k = 0; i + k < n; k++) s[k] += (double)a[i + k] * (double)b[i + k];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/* ---- products ---- */

typedef struct product {
    glim_dp_grad *d;
    const float *dy, *x;
    size_t dy_ld, x_ld, n_out, n_in, a, b; /* rows [a, b) */
} product;

static void ghost_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const product *j = ctx;
    for (size_t i = j->a + begin; i < j->a + end; i++) {
        double sum = 0;
        for (size_t s = j->a; s <= i; s++)
            sum += (s == i ? 1 : 2) * dot(j->dy + i * j->dy_ld, j->dy + s * j->dy_ld, j->n_out) *
                   dot(j->x + i * j->x_ld, j->x + s * j->x_ld, j->n_in);
        j->d->part[i - j->a] = sum;
    }
}

/* Outputs [begin, end): each row of the gradient, formed and forgotten. */
static void formed_rows(void *ctx, size_t begin, size_t end, int worker) {
    const product *j = ctx;
    double *v = j->d->wide + (size_t)worker * j->d->widest;
    for (size_t o = begin; o < end; o++) {
        memset(v, 0, j->n_in * sizeof *v);
        for (size_t i = j->a; i < j->b; i++) {
            const double y = (double)j->dy[i * j->dy_ld + o];
            const float *x = j->x + i * j->x_ld;
            for (size_t c = 0; c < j->n_in; c++) v[c] += y * (double)x[c];
        }
        double sum = 0;
        for (size_t c = 0; c < j->n_in; c++) sum += v[c] * v[c];
        j->d->part[o] = sum;
    }
}

static void norms_of(product *j, size_t rows) {
    glim_dp_grad *d = j->d;
    for (j->a = 0; j->a < rows; j->a = j->b) {
        j->b = end_of(d, j->a, rows);
        const double t = (double)(j->b - j->a), in = (double)j->n_in, out = (double)j->n_out;
        const bool ghost = (t + 1) / 2 * (in + out) <= in * out;
        const size_t parts = ghost ? j->b - j->a : j->n_out;
        glim_pool_for(d->n->pool, parts, ghost ? 1 : 8, ghost ? ghost_rows : formed_rows, j);
        for (size_t i = 0; i < parts; i++) d->sq[d->owner[j->a]] += d->part[i];
    }
}

static void scale_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const product *j = ctx;
    for (size_t i = begin; i < end; i++) {
        const float by = j->d->factor[j->d->owner[i]];
        for (size_t c = 0; c < j->n_in; c++) j->d->scaled[i * j->n_in + c] = by * j->x[i * j->x_ld + c];
    }
}

void glim_dp_grad_weight(glim_net *n, float *g, size_t n_out, size_t n_in, const float *dy, size_t dy_ld, const float *x, size_t x_ld,
                         size_t rows) {
    glim_dp_grad *d = n->single;
    product j = {.d = d, .dy = dy, .x = x, .dy_ld = dy_ld, .x_ld = x_ld, .n_out = n_out, .n_in = n_in};
    glim_gemm p = {.m = n_out, .n = n_in, .k = rows, .c = g, .ldc = n_in, .add = true, .a = dy, .a_row = 1, .a_k = dy_ld, .b = x,
                   .b_k = x_ld, .b_n = 1};
    find_owners(d, rows);
    if (d->mode == NORM) {
        norms_of(&j, rows);
        return;
    }
    if (d->mode == SUM) {
        glim_pool_for(n->pool, rows, 8, scale_rows, &j);
        p.b = d->scaled, p.b_k = n_in;
        glim_gemm_run(n->pool, n->set, GLIM_GEMM_F32, &p, n->tape->gemm);
        return;
    }
    for (size_t a = 0, b; a < rows; a = b) {
        b = end_of(d, a, rows);
        p.c = d->form + d->owner[a] * n->n_values + (g - n->g);
        p.k = b - a;
        p.a = dy + a * dy_ld, p.b = x + a * x_ld;
        glim_gemm_run(n->pool, n->set, GLIM_GEMM_F32, &p, n->tape->gemm);
    }
}

/* ---- vectors: norms' weights and biases ---- */

typedef struct vector {
    glim_dp_grad *d;
    float *g;
    const float *dy, *x, *r;
    size_t width, each, a, b; /* each: rows of dy to a row of the product (heads); rows of dy [a, b) */
} vector;

static float column_value(const vector *j, size_t i, size_t c) {
    const uint32_t *row_of = j->d->n->row_of;
    if (!j->x) return j->dy[i * j->width + c];
    return j->dy[i * j->width + c] * (j->x[(row_of ? row_of[i] : i) * j->width + c] * j->r[i]);
}

static void column_norms(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const vector *j = ctx;
    for (size_t c = begin; c < end; c++) {
        double v = 0;
        for (size_t i = j->a; i < j->b; i++) v += (double)column_value(j, i, c);
        j->d->part[c] = v * v;
    }
}

static void column_sums(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const vector *j = ctx;
    const glim_dp_grad *d = j->d;
    for (size_t i = j->a; i < j->b; i++) {
        const size_t seq = d->owner[i / j->each];
        float *g = d->mode == FORM ? d->form + seq * d->n->n_values + (j->g - d->n->g) : j->g;
        const float by = d->mode == FORM ? 1 : d->factor[seq];
        for (size_t c = begin; c < end; c++) g[c] += by * column_value(j, i, c);
    }
}

void glim_dp_grad_columns(glim_net *n, float *g, const float *dy, const float *x, const float *r, size_t rows, size_t width) {
    glim_dp_grad *d = n->single;
    vector j = {.d = d, .g = g, .dy = dy, .x = x, .r = r, .width = width, .each = n->row_of ? 1 : rows / n->tape->b->n, .b = rows};
    find_owners(d, rows / j.each);
    if (d->mode != NORM) {
        glim_pool_for(n->pool, width, 64, column_sums, &j);
        return;
    }
    for (size_t a = 0, b; a < rows / j.each; a = b) {
        b = end_of(d, a, rows / j.each);
        j.a = a * j.each, j.b = b * j.each;
        glim_pool_for(n->pool, width, 64, column_norms, &j);
        for (size_t c = 0; c < width; c++) d->sq[d->owner[a]] += d->part[c];
    }
}

/* ---- the embedding ---- */

typedef struct embedding {
    glim_dp_grad *d;
    const glim_pack *b;
    size_t n_targets; /* of the pack; with a tied head, 0 without */
} embedding;

/* The square of E = sum_i e(token_i) dh_i^T, and with a tied head twice the product with H = sum_t dz_t h_t^T, whose parts the
 * tape still has: <H, E> = sum_t,i dz_t[token_i] (h_t . dh_i). */
static void embed_norms(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const embedding *j = ctx;
    const glim_net *n = j->d->n;
    const glim_tape *t = n->tape;
    const uint32_t *seq_of = j->d->seq_of;
    const size_t E = n->m->cfg.n_embd, V = n->m->cfg.n_vocab;
    for (size_t i = begin; i < end; i++) {
        const int32_t token = j->b->tokens[i];
        const float *dh = t->dh + i * E;
        double sum = 0;
        for (size_t s = j->b->seq[seq_of[i]]; s <= i; s++)
            if (j->b->tokens[s] == token) sum += (s == i ? 1 : 2) * dot(dh, t->dh + s * E, E);
        for (size_t k = 0; k < j->n_targets; k++)
            if (seq_of[t->rows[k]] == seq_of[i]) sum += 2 * (double)t->logits[k * V + (size_t)token] * dot(dh, t->hid + k * E, E);
        j->d->part[i] = sum;
    }
}

static void embed_sums(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const embedding *j = ctx;
    const glim_net *n = j->d->n;
    const size_t E = n->m->cfg.n_embd;
    for (size_t i = 0; i < j->b->n; i++) {
        const float by = j->d->factor[j->d->seq_of[i]];
        float *g = n->g_embd + (size_t)j->b->tokens[i] * E;
        for (size_t c = begin; c < end; c++) g[c] += by * n->tape->dh[i * E + c];
    }
}

void glim_dp_grad_embed(glim_net *n) {
    glim_dp_grad *d = n->single;
    embedding j = {.d = d, .b = n->tape->b};
    if (d->mode == SUM) {
        glim_pool_for(n->pool, n->m->cfg.n_embd, 64, embed_sums, &j);
        return;
    }
    for (size_t i = 0; n->head.gw == n->g_embd && i < j.b->n; i++) j.n_targets += j.b->target[i] >= 0;
    glim_pool_for(n->pool, j.b->n, 1, embed_norms, &j);
    for (size_t i = 0; i < j.b->n; i++) d->sq[d->seq_of[i]] += d->part[i];
}

/* ---- a pass ---- */

static void form_norms(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    glim_dp_grad *d = ctx;
    for (size_t s = begin; s < end; s++) {
        const float *g = d->form + s * d->n->n_values;
        double sum = 0;
        for (size_t i = 0; i < d->n->n_values; i += PART) {
            const size_t k = d->n->n_values - i < PART ? d->n->n_values - i : PART;
            sum += dot(g + i, g + i, k);
        }
        d->sq[s] = sum;
    }
}

/* Sequences in order, whoever computes which values. */
static void form_sums(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const glim_dp_grad *d = ctx;
    const size_t n = d->n->n_values, last = end * PART < n ? end * PART : n, n_seq = d->n->tape->b->n_seq / d->each;
    for (size_t s = 0; s < n_seq; s++) {
        const float *g = d->form + s * n;
        const double by = (double)d->factor[s];
        for (size_t i = begin * PART; i < last; i++) d->sum[i] += by * (double)g[i];
    }
}

/* The largest float that is not above min(1, clip / norm): what is added has at most the clip norm. */
static float factor_of(double norm, double clip) {
    if (norm <= clip) return 1;
    float f = (float)(clip / norm);
    return (double)f * norm > clip ? nextafterf(f, 0) : f;
}

static glim_status take_norms(glim_dp_grad *d, const glim_pack *b, const double *nll, double *norm, size_t *bad, glim_err *err) {
    for (size_t s = 0; s < b->n_seq / d->each; s++) {
        double loss = 0;
        for (size_t i = b->seq[s * d->each]; i < b->seq[(s + 1) * d->each]; i++) loss += nll[i];
        norm[s] = sqrt(d->sq[s] > 0 ? d->sq[s] : d->sq[s] <= 0 ? 0 : NAN); /* rounding may leave a little less than nothing */
        if (!isfinite(loss) || !isfinite(norm[s])) {
            if (bad) *bad = s;
            return glim_fail(err, GLIM_E_STATE, "the loss of an example is %g and its gradient's norm is %g", loss, norm[s]);
        }
        d->factor[s] = factor_of(norm[s], d->clip);
    }
    return GLIM_OK;
}

/* Before the first backward of a pass. */
static void open_pass(glim_dp_grad *d, const glim_pack *b, size_t each) {
    d->each = each;
    GLIM_ASSERT(b->n_seq % each == 0 && b->n_seq / each <= d->n_seq);
    for (size_t s = 0; s < b->n_seq; s++) {
        d->sq[s / each] = 0;
        for (size_t i = b->seq[s]; i < b->seq[s + 1]; i++) d->seq_of[i] = (uint32_t)(s / each);
    }
    if (d->form) memset(d->form, 0, b->n_seq / each * d->n->n_values * sizeof *d->form);
    d->mode = d->form ? FORM : NORM;
}

/* Behind it: norms, and the sum of what was formed. */
static glim_status close_pass(glim_dp_grad *d, const glim_pack *b, const double *nll, double *norm, size_t *bad, glim_err *err) {
    if (d->form) glim_pool_for(d->n->pool, b->n_seq / d->each, 1, form_norms, d);
    const glim_status rc = take_norms(d, b, nll, norm, bad, err);
    if (rc == GLIM_OK && d->form) glim_pool_for(d->n->pool, (d->n->n_values + PART - 1) / PART, 1, form_sums, d);
    return rc;
}

glim_status glim_dp_grad_add(glim_dp_grad *d, const glim_pack *b, const double *scale, double *nll, double *norm, size_t *bad,
                             glim_err *err) {
    glim_net *n = d->n;
    glim_status rc = glim_net_forward(n, b, err);
    if (rc != GLIM_OK) return rc;
    open_pass(d, b, 1);
    glim_net_head(n, b, nll, scale);
    glim_net_backward(n, b);
    rc = close_pass(d, b, nll, norm, bad, err);
    if (rc != GLIM_OK || d->form) return rc;
    d->mode = SUM; /* the blocks' inputs are still there; the head's gradient is computed again */
    n->tape->holds = SIZE_MAX; /* a backward may have used up what its last block held */
    glim_net_head(n, b, nll, scale);
    glim_net_backward(n, b);
    return GLIM_OK;
}

glim_status glim_dp_grad_add_pairs(glim_dp_grad *d, const glim_pack *b, glim_dpo *loss, double *norm, size_t *bad, glim_err *err) {
    GLIM_ASSERT(d->form);
    open_pass(d, b, 2);
    const glim_status rc = glim_dpo_pass(loss, d->n, b, 1, err); /* one backward, behind two passes that only look */
    return rc == GLIM_OK ? close_pass(d, b, loss->nll, norm, bad, err) : rc;
}
