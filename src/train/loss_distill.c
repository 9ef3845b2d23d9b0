/* loss_distill.c - see loss_distill.h. */
#include "train/loss_distill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/forward.h"
#include "train/ops.h"

/* Of a slice: rows, and sequences that it may touch (each has pages of its own while it does). */
enum { SLICE_ROWS = 64, SLICE_SEQS = 8 };

struct glim_teacher {
    const glim_model *m;
    glim_teacher_params p;
    size_t kept;       /* tokens of a row */
    glim_ws *ws;
    glim_kv_pool kv;
    float *prob;       /* [n_rows, kept] */
    uint32_t *ids;     /* [n_rows, kept] ascending; NULL: tokens 0 .. kept - 1 */
    float *row;        /* [n_threads, teacher's vocabulary] */
    uint32_t *heap;    /* [n_threads, kept] */
    const float *logits; /* of the slice */
    size_t rows[SLICE_ROWS]; /* the pack's row of each of them */
};

/* ---- one vocabulary ---- */

glim_status glim_teacher_check(const glim_tok *student, const glim_tok *teacher, glim_err *err) {
    const size_t n = glim_tok_n(student), k = glim_tok_n(teacher);
    glim_status rc = GLIM_OK;
    for (size_t i = 0; rc == GLIM_OK && i < (n > k ? n : k); i++) {
        size_t a = 0, b = 0;
        const char *x = i < n ? glim_tok_piece(student, (int32_t)i, &a) : NULL, *y = i < k ? glim_tok_piece(teacher, (int32_t)i, &b) : NULL;
        if (!x && !y) continue;
        if (x && y && a == b && memcmp(x, y, a) == 0) continue;
        rc = glim_fail(err, GLIM_E_ARG, "the teacher has another tokenizer: token %zu is %s%.*s%s there and %s%.*s%s in the model", i, y ? "\"" : "",
                       y ? (int)(b < 40 ? b : 40) : 4, y ? y : "none", y ? "\"" : "", x ? "\"" : "", x ? (int)(a < 40 ? a : 40) : 4, x ? x : "none",
                       x ? "\"" : "");
        glim_err_hint(err, "distillation compares token by token: want a larger model of the same family");
    }
    return rc;
}

/* ---- memory ---- */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }
static size_t vocab_of(const glim_model *m, const glim_teacher_params *p) { return least(m->cfg.n_vocab, p->n_vocab); }
static size_t kept_of(const glim_model *m, const glim_teacher_params *p) {
    return p->top ? least(p->top, vocab_of(m, p)) : vocab_of(m, p);
}
static bool some_only(const glim_model *m, const glim_teacher_params *p) { return kept_of(m, p) < vocab_of(m, p); }
static size_t slice_rows(const glim_teacher_params *p) { return least(SLICE_ROWS, p->n_rows); }
static size_t n_pages(const glim_teacher_params *p) { return p->n_rows / GLIM_KV_PAGE + 1 + SLICE_SEQS; }

size_t glim_teacher_bytes(const glim_model *m, const glim_teacher_params *p) {
    const size_t kept = kept_of(m, p), threads = (size_t)glim_pool_size(m->pool);
    return m->plan.packed + m->plan.mapped + glim_ws_bytes(m, slice_rows(p), slice_rows(p), (int)threads) +
           n_pages(p) * glim_kv_page_bytes(m->plan.kv_type, m->cfg.n_layer, m->cfg.n_kv_head, m->cfg.head_dim) +
           p->n_rows * kept * (some_only(m, p) ? 8 : 4) + threads * (m->cfg.n_vocab + kept) * 4;
}

glim_status glim_teacher_new(glim_teacher **out, const glim_model *m, const glim_teacher_params *p, glim_err *err) {
    *out = NULL;
    if (!(p->temperature > 0 && p->temperature <= 1000)) return glim_fail(err, GLIM_E_ARG, "distillation's temperature: got %g, want more than 0 to 1000", p->temperature);
    if (!(p->weight >= 0 && p->weight <= 1)) return glim_fail(err, GLIM_E_ARG, "the teacher's weight: got %g, want 0 to 1", p->weight);
    glim_teacher *t = glim_xcalloc(1, sizeof *t);
    void *v[4] = {0};
    const size_t threads = (size_t)glim_pool_size(m->pool);
    *t = (glim_teacher){.m = m, .p = *p, .kept = kept_of(m, p)};
    glim_status rc = glim_ws_new(&t->ws, m, slice_rows(p), slice_rows(p), err);
    if (rc == GLIM_OK) rc = glim_kv_pool_init(&t->kv, m->plan.kv_type, m->cfg.n_layer, m->cfg.n_kv_head, m->cfg.head_dim, n_pages(p), err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&v[0], p->n_rows * t->kept, sizeof(float), "the teacher's probabilities", err);
    if (rc == GLIM_OK && some_only(m, p)) rc = glim_try_calloc(&v[1], p->n_rows * t->kept, sizeof(uint32_t), "the teacher's tokens", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&v[2], threads * m->cfg.n_vocab, sizeof(float), "a teacher's row", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&v[3], threads * t->kept, sizeof(uint32_t), "a teacher's row", err);
    t->prob = v[0], t->ids = v[1], t->row = v[2], t->heap = v[3];
    if (rc != GLIM_OK) {
        glim_teacher_free(t);
        return rc;
    }
    *out = t;
    return GLIM_OK;
}

void glim_teacher_free(glim_teacher *t) {
    if (!t) return;
    glim_ws_free(t->ws);
    glim_kv_pool_deinit(&t->kv);
    free(t->prob), free(t->ids), free(t->row), free(t->heap);
    free(t);
}

/* ---- looking ---- */

static int by_id(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Whether token a is worth less than b: ties go to the smaller id. */
static bool less(const float *p, uint32_t a, uint32_t b) { return p[a] < p[b] || (p[a] == p[b] && a > b); }

static void sink(uint32_t *heap, size_t n, size_t at, const float *p) {
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && less(p, heap[child + 1], heap[child])) child++;
        if (!less(p, heap[child], heap[at])) return;
        const uint32_t swap = heap[at];
        heap[at] = heap[child], heap[child] = swap;
    }
}

/* The `kept` largest of p[n], in a heap with the least of them on top; then by id. */
static void choose_top(uint32_t *heap, size_t kept, const float *p, size_t n) {
    for (size_t i = 0; i < kept; i++) heap[i] = (uint32_t)i;
    for (size_t i = kept / 2; i-- > 0;) sink(heap, kept, i, p);
    for (size_t i = kept; i < n; i++) {
        if (!less(p, heap[0], (uint32_t)i)) continue;
        heap[0] = (uint32_t)i;
        sink(heap, kept, 0, p);
    }
    qsort(heap, kept, sizeof *heap, by_id);
}

static void keep_rows(void *ctx, size_t begin, size_t end, int worker) {
    glim_teacher *t = ctx;
    const size_t V = t->m->cfg.n_vocab, n = vocab_of(t->m, &t->p);
    float *p = t->row + (size_t)worker * V;
    uint32_t *heap = t->heap + (size_t)worker * t->kept;
    for (size_t r = begin; r < end; r++) {
        const float *z = t->logits + r * V;
        float top = z[0], *to = t->prob + t->rows[r] * t->kept;
        double sum = 0;
        for (size_t i = 1; i < n; i++) top = z[i] > top ? z[i] : top;
        for (size_t i = 0; i < n; i++) {
            const double e = exp(((double)z[i] - (double)top) / t->p.temperature);
            sum += e;
            p[i] = (float)e;
        }
        for (size_t i = 0; i < n; i++) p[i] = (float)((double)p[i] / sum);
        if (!t->ids) {
            memcpy(to, p, n * sizeof *p);
            continue;
        }
        choose_top(heap, t->kept, p, n);
        for (size_t i = 0; i < t->kept; i++) t->ids[t->rows[r] * t->kept + i] = heap[i], to[i] = p[heap[i]];
    }
}

/* Rows [first, first + n) of b, which touch sequences [seq0, seq0 + n_seqs). */
static glim_status look_slice(glim_teacher *t, const glim_pack *b, size_t first, size_t n, size_t seq0, glim_kv_seq *seqs, size_t n_seqs,
                              glim_err *err) {
    glim_row rows[SLICE_ROWS];
    glim_kv_seq *list[SLICE_SEQS];
    size_t wanted = 0;
    glim_status rc = GLIM_OK;
    for (size_t s = 0; s < n_seqs && rc == GLIM_OK; s++) {
        list[s] = &seqs[s];
        rc = glim_kv_reserve(&seqs[s], least(b->seq[seq0 + s + 1], first + n) - b->seq[seq0 + s], err);
    }
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0, s = 0; i < n; i++) {
        while (b->seq[seq0 + s + 1] <= first + i) s++;
        rows[i] = (glim_row){.token = b->tokens[first + i], .pos = b->pos[first + i], .seq = (uint32_t)s, .logits = b->target[first + i] >= 0};
        if (rows[i].logits) t->rows[wanted++] = first + i;
    }
    rc = glim_forward(t->m, t->ws, &(glim_batch){rows, n, list, n_seqs}, &t->logits, err);
    if (rc == GLIM_OK) glim_pool_for(t->m->pool, wanted, 1, keep_rows, t);
    return rc;
}

glim_status glim_teacher_look(glim_teacher *t, const glim_pack *b, glim_err *err) {
    glim_kv_seq seqs[SLICE_SEQS] = {{0}};
    size_t n_open = 0, seq0 = 0; /* sequences seq0 .. seq0 + n_open - 1 have pages */
    glim_status rc = GLIM_OK;
    for (size_t first = 0, n; first < b->n && rc == GLIM_OK; first += n) {
        n = 0;
        while (n < slice_rows(&t->p) && first + n < b->n && rc == GLIM_OK) {
            if (first + n == b->seq[seq0 + n_open]) {
                if (n_open == SLICE_SEQS) break;
                const size_t length = b->seq[seq0 + n_open + 1] - b->seq[seq0 + n_open];
                rc = glim_kv_seq_init(&seqs[n_open], &t->kv, length, err);
                if (rc != GLIM_OK) break;
                n_open++;
            }
            n++;
        }
        if (rc == GLIM_OK) rc = look_slice(t, b, first, n, seq0, seqs, n_open, err);
        size_t done = 0;
        while (done < n_open && b->seq[seq0 + done + 1] <= first + n) glim_kv_seq_deinit(&seqs[done++]);
        memmove(seqs, seqs + done, (n_open - done) * sizeof *seqs);
        n_open -= done, seq0 += done;
    }
    for (size_t s = 0; s < n_open; s++) glim_kv_seq_deinit(&seqs[s]);
    if (rc != GLIM_OK) glim_err_context(err, "the teacher");
    return rc;
}

double glim_teacher_loss(void *ctx, size_t row, int32_t target, float *logits, size_t n_vocab, double scale) {
    const glim_teacher *t = ctx;
    return glim_op_distil(logits, n_vocab, (size_t)target, t->ids ? t->ids + row * t->kept : NULL, t->prob + row * t->kept, t->kept,
                          t->p.temperature, t->p.weight, scale);
}
