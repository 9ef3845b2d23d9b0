/* data_pack.c - see data_pack.h. */
#include "train/data_pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

typedef struct placed {
    size_t rank, len; /* place in the order, tokens */
    size_t row;       /* of the window */
} placed;

/* Longest first; among equals the earlier. */
static int by_length(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->len != y->len) return x->len > y->len ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int by_row(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Places the n examples of one window; left [n] is scratch: room left in each row. Returns the number of rows, which
 * are then numbered by their first example. */
static size_t place(placed *p, size_t n, size_t row_tokens, size_t *left, size_t *number) {
    size_t n_rows = 0;
    qsort(p, n, sizeof *p, by_length);
    for (size_t i = 0; i < n; i++) {
        size_t best = n_rows;
        for (size_t r = 0; r < n_rows; r++)
            if (left[r] >= p[i].len && (best == n_rows || left[r] < left[best])) best = r;
        if (best == n_rows) left[n_rows++] = row_tokens;
        left[best] -= p[i].len;
        p[i].row = best;
    }
    /* Rows were opened by length; they are numbered anew by the least rank in them. */
    for (size_t r = 0; r < n_rows; r++) number[r] = SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        if (p[i].rank < number[p[i].row]) number[p[i].row] = p[i].rank;
    for (size_t i = 0; i < n; i++) p[i].row = number[p[i].row];
    qsort(p, n, sizeof *p, by_row);
    return n_rows;
}

glim_status glim_pack_plan(glim_pack *out, const size_t *order, const size_t *len, size_t n, size_t row_tokens, size_t window, glim_err *err) {
    *out = (glim_pack){.row_tokens = row_tokens};
    if (window == 0) window = 1024;
    if (window > n) window = n;
    for (size_t i = 0; i < n; i++)
        if (len[order[i]] > row_tokens)
            return glim_fail(err, GLIM_E_ARG, "example %zu has %zu tokens, but a row holds %zu", order[i], len[order[i]], row_tokens);
    void *item, *rows = NULL, *p = NULL, *left = NULL, *number = NULL;
    glim_status rc = glim_try_calloc(&item, n, sizeof *out->item, "packed rows", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&rows, n, sizeof *out->rows, "packed rows", err);
    out->item = item;
    out->rows = rows;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, window, sizeof(placed), "packed rows", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&left, window, sizeof(size_t), "packed rows", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&number, window, sizeof(size_t), "packed rows", err);
    for (size_t at = 0; rc == GLIM_OK && at < n; at += window) {
        size_t w = n - at < window ? n - at : window;
        placed *q = p;
        for (size_t i = 0; i < w; i++) q[i] = (placed){.rank = at + i, .len = len[order[at + i]]};
        place(q, w, row_tokens, left, number);
        for (size_t i = 0; i < w; i++) {
            if (i == 0 || q[i].row != q[i - 1].row) out->rows[out->n_rows++] = (glim_pack_row){.first = out->n_items};
            glim_pack_row *r = &out->rows[out->n_rows - 1];
            r->n++;
            r->n_tokens += q[i].len;
            out->item[out->n_items++] = order[q[i].rank];
        }
    }
    free(p);
    free(left);
    free(number);
    if (rc != GLIM_OK) glim_pack_free(out);
    return rc;
}

void glim_pack_free(glim_pack *p) {
    free(p->item);
    free(p->rows);
    *p = (glim_pack){0};
}

size_t glim_pack_fill(const glim_pack *p, size_t row, const glim_dataset *d, int32_t *tokens, uint8_t *loss, int32_t *pos, int32_t *seq) {
    const glim_pack_row *r = &p->rows[row];
    size_t at = 0;
    for (size_t i = 0; i < r->n; i++) {
        glim_example e;
        if (glim_dataset_example(d, p->item[r->first + i], &e) != GLIM_OK || e.n > p->row_tokens - at) break; /* another set */
        if (tokens) memcpy(tokens + at, e.tokens, e.n * sizeof *tokens);
        if (loss) memcpy(loss + at, e.loss, e.n);
        for (size_t k = 0; k < e.n; k++) {
            if (pos) pos[at + k] = (int32_t)k;
            if (seq) seq[at + k] = (int32_t)i;
        }
        at += e.n;
    }
    for (size_t k = at; k < p->row_tokens; k++) {
        if (tokens) tokens[k] = 0;
        if (loss) loss[k] = 0;
        if (pos) pos[k] = 0;
        if (seq) seq[k] = -1;
    }
    return at;
}
