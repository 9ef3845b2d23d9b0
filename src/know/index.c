/* index.c - rows to postings, postings to hits. */
#include "know/index.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "know/index_internal.h"

enum { KIND_TERM = 1, KIND_PAIR = 2, MAX_QUERY = 4096, MAX_QUERY_TERMS = 512 };
/* Robertson's BM25. Rows of a product library are short and of one make, so length says little: b below the usual 0.75. */
static const double k1 = 1.2, b_length = 0.4;

uint64_t glim_index_key(const char *s, size_t n, unsigned kind) {
    uint64_t h = 0xcbf29ce484222325u ^ kind * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

glim_index *glim_index_new(void) { return glim_xcalloc(1, sizeof(glim_index)); }

void glim_index_free(glim_index *ix) {
    if (!ix) return;
    glim_featmap_free(&ix->terms);
    free(ix->length);
    free(ix->entry);
    free(ix->from);
    free(ix->posting);
    glim_buf_free(&ix->words);
    free(ix->word_at);
    free(ix->word_term);
    free(ix->gram);
    glim_feats_free(&ix->scratch);
    glim_terms_free(&ix->cut);
    free(ix);
}

size_t glim_index_n_rows(const glim_index *ix) { return ix->n_rows; }
size_t glim_index_n_terms(const glim_index *ix) { return ix->terms.n; }

static glim_status add_word(glim_index *ix, uint32_t term, const char *s, size_t n, glim_err *err) {
    if (ix->n_words == ix->cap_words) {
        size_t cap = ix->cap_words ? 2 * ix->cap_words : 1024;
        void *p = ix->word_at;
        glim_status rc = glim_try_realloc(&p, cap, sizeof *ix->word_at, "words of the index", err);
        if (rc != GLIM_OK) return rc;
        ix->word_at = p;
        p = ix->word_term;
        rc = glim_try_realloc(&p, cap, sizeof *ix->word_term, "words of the index", err);
        if (rc != GLIM_OK) return rc;
        ix->word_term = p;
        ix->cap_words = cap;
    }
    if (ix->words.len > UINT32_MAX - n - 1) return glim_fail(err, GLIM_E_LIMIT, "the words of the index hold more than 4 GiB");
    ix->word_at[ix->n_words] = (uint32_t)ix->words.len;
    ix->word_term[ix->n_words++] = term;
    glim_buf_append(&ix->words, s, n);
    glim_buf_putc(&ix->words, 0);
    return glim_buf_status(&ix->words, "words of the index", err);
}

static glim_status count(glim_index *ix, const char *s, size_t n, unsigned kind, bool word, unsigned weight, glim_err *err) {
    uint32_t term;
    size_t before = ix->terms.n;
    glim_status rc = glim_featmap_add(&ix->terms, glim_index_key(s, n, kind), &term, err);
    if (rc == GLIM_OK && word && term == before) rc = add_word(ix, term, s, n, err);
    if (rc != GLIM_OK) return rc;
    if (ix->n_entries == ix->cap_entries && (rc = glim_try_grow(&ix->entry, &ix->cap_entries, 16384, sizeof *ix->entry, "postings", err)) != GLIM_OK) return rc;
    ix->entry[ix->n_entries++] = (glim_entry){.term = term, .p = {.row = ix->n_rows, .tf = (uint16_t)weight}};
    return GLIM_OK;
}

static int by_term(const void *a, const void *b) {
    uint32_t x = ((const glim_entry *)a)->term, y = ((const glim_entry *)b)->term;
    return (x > y) - (x < y);
}

glim_status glim_index_add(glim_index *ix, const glim_index_field *f, size_t n_fields, glim_err *err) {
    if (ix->finished) return glim_fail(err, GLIM_E_STATE, "the index is finished; rows cannot be added");
    if (ix->n_rows == UINT32_MAX - 1) return glim_fail(err, GLIM_E_LIMIT, "the index holds %u rows and takes no more", ix->n_rows);
    size_t begin = ix->n_entries, length = 0;
    glim_status rc = GLIM_OK;
    if (ix->n_rows == ix->cap_rows && (rc = glim_try_grow(&ix->length, &ix->cap_rows, 1024, sizeof *ix->length, "lengths of rows", err)) != GLIM_OK) return rc;
    for (size_t k = 0; rc == GLIM_OK && k < n_fields; k++) {
        unsigned weight = f[k].weight == 0 ? 1 : f[k].weight > 8 ? 8 : f[k].weight;
        rc = glim_terms_cut(&ix->cut, f[k].text, f[k].n, err);
        const glim_term *v = ix->cut.v;
        for (size_t i = 0; rc == GLIM_OK && i < ix->cut.n; i++) {
            const char *s = ix->cut.text.s + v[i].at;
            rc = count(ix, s, v[i].n, KIND_TERM, !v[i].cjk, weight, err);
            length++;
            if (rc == GLIM_OK && v[i].cjk && i + 1 < ix->cut.n && v[i + 1].cjk && !v[i + 1].apart)
                rc = count(ix, s, v[i].n + v[i + 1].n, KIND_PAIR, false, weight, err); /* neighbours in the text, too */
        }
    }
    if (rc != GLIM_OK) { /* as if it had not been tried; words it brought stay unused */
        ix->n_entries = begin;
        return rc;
    }
    /* A term's postings of one row become one. */
    qsort(ix->entry + begin, ix->n_entries - begin, sizeof *ix->entry, by_term);
    size_t out = begin;
    for (size_t i = begin; i < ix->n_entries; i++) {
        if (out > begin && ix->entry[out - 1].term == ix->entry[i].term) {
            unsigned tf = (unsigned)ix->entry[out - 1].p.tf + ix->entry[i].p.tf;
            ix->entry[out - 1].p.tf = (uint16_t)(tf > 65535 ? 65535 : tf);
        } else {
            ix->entry[out++] = ix->entry[i];
        }
    }
    ix->n_entries = out;
    ix->length[ix->n_rows++] = (uint16_t)(length > 65535 ? 65535 : length);
    return GLIM_OK;
}

glim_status glim_index_finish(glim_index *ix, glim_err *err) {
    if (ix->finished) return GLIM_OK;
    void *p;
    glim_status rc = glim_try_calloc(&p, ix->terms.n + 1, sizeof *ix->from, "the table of terms", err);
    if (rc != GLIM_OK) return rc;
    free(ix->from);
    ix->from = p;
    rc = glim_try_calloc(&p, ix->n_entries, sizeof *ix->posting, "postings", err);
    if (rc != GLIM_OK) return rc;
    free(ix->posting);
    ix->posting = p;
    /* A counting sort by term keeps the order of rows. */
    for (size_t i = 0; i < ix->n_entries; i++) ix->from[ix->entry[i].term + 1]++;
    for (size_t t = 0; t < ix->terms.n; t++) ix->from[t + 1] += ix->from[t];
    for (size_t i = 0; i < ix->n_entries; i++) ix->posting[ix->from[ix->entry[i].term]++] = ix->entry[i].p;
    for (size_t t = ix->terms.n; t > 0; t--) ix->from[t] = ix->from[t - 1];
    ix->from[0] = 0;
    double sum = 0;
    for (size_t r = 0; r < ix->n_rows; r++) sum += ix->length[r];
    ix->mean_length = ix->n_rows && sum > 0 ? sum / ix->n_rows : 1;
    rc = glim_index_make_grams(ix, err);
    if (rc != GLIM_OK) return rc;
    free(ix->entry);
    ix->entry = NULL;
    ix->finished = true;
    return GLIM_OK;
}

float glim_index_idf(const glim_index *ix, const char *s, size_t n, bool pair) {
    uint32_t term = ix->finished ? glim_featmap_find(&ix->terms, glim_index_key(s, n, pair ? KIND_PAIR : KIND_TERM)) : UINT32_MAX;
    double df = term == UINT32_MAX ? 0 : (double)(ix->from[term + 1] - ix->from[term]);
    return (float)log(1 + (ix->n_rows - df + 0.5) / (df + 0.5));
}

glim_index_work *glim_index_work_new(const glim_index *ix, glim_err *err) {
    glim_index_work *w = glim_xcalloc(1, sizeof *w);
    void *p = NULL;
    glim_status rc = glim_try_calloc(&p, ix->n_rows, sizeof *w->score, "scores of rows", err);
    w->score = p;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, ix->n_rows, sizeof *w->touched, "rows found", err), w->touched = p;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, ix->n_words, sizeof *w->shared, "words alike", err), w->shared = p;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, ix->n_words, sizeof *w->candidate, "words alike", err), w->candidate = p;
    if (rc == GLIM_OK) return w;
    glim_index_work_free(w);
    return NULL;
}

void glim_index_work_free(glim_index_work *w) {
    if (!w) return;
    glim_terms_free(&w->cut);
    free(w->score);
    free(w->touched);
    free(w->shared);
    free(w->candidate);
    free(w);
}

/* Adds one term's part to every row that has it. */
static size_t add_term(const glim_index *ix, glim_index_work *w, uint32_t term, double weight, size_t n_touched) {
    const glim_posting *p = ix->posting + ix->from[term], *end = ix->posting + ix->from[term + 1];
    double df = (double)(end - p), n = ix->n_rows;
    double idf = log(1 + (n - df + 0.5) / (df + 0.5)) * weight;
    double base = k1 * (1 - b_length), slope = k1 * b_length / ix->mean_length;
    for (; p < end; p++) {
        float v = (float)(idf * p->tf * (k1 + 1) / (p->tf + base + slope * ix->length[p->row]));
        if (w->score[p->row] == 0) w->touched[n_touched++] = p->row;
        w->score[p->row] += v; /* v > 0 */
    }
    return n_touched;
}

/* a before b in the order of hits? */
static bool better(glim_index_hit a, glim_index_hit b) { return a.score > b.score || (a.score == b.score && a.row < b.row); }

/* A heap whose top is the worst of the hits kept. */
static void sift(glim_index_hit *h, size_t n, size_t i) {
    for (;;) {
        size_t l = 2 * i + 1, worst = i;
        if (l < n && better(h[worst], h[l])) worst = l;
        if (l + 1 < n && better(h[worst], h[l + 1])) worst = l + 1;
        if (worst == i) return;
        glim_index_hit t = h[i];
        h[i] = h[worst];
        h[worst] = t;
        i = worst;
    }
}

static int by_score(const void *a, const void *b) {
    const glim_index_hit *x = a, *y = b;
    return better(*x, *y) ? -1 : better(*y, *x) ? 1 : 0;
}

glim_status glim_index_search(const glim_index *ix, glim_index_work *w, const char *query, size_t len, const glim_index_params *p,
                              glim_index_hit *hits, size_t *n_hits, glim_err *err) {
    static const glim_index_params zero;
    p = p ? p : &zero;
    size_t limit = p->limit ? p->limit : 10, n_touched = 0, n = 0;
    *n_hits = 0;
    if (!ix->finished) return glim_fail(err, GLIM_E_STATE, "the index is not finished");
    if (len > MAX_QUERY) return glim_fail(err, GLIM_E_LIMIT, "the query has %zu bytes, want at most %d", len, MAX_QUERY);
    glim_status rc = glim_terms_cut(&w->cut, query, len, err);
    if (rc != GLIM_OK) return rc;
    const glim_term *v = w->cut.v;
    size_t n_terms = w->cut.n < MAX_QUERY_TERMS ? w->cut.n : MAX_QUERY_TERMS;
    for (size_t i = 0; i < n_terms; i++) {
        const char *s = w->cut.text.s + v[i].at;
        uint32_t term = glim_featmap_find(&ix->terms, glim_index_key(s, v[i].n, KIND_TERM));
        bool pair_before = i > 0 && v[i].cjk && v[i - 1].cjk && !v[i].apart;
        bool pair_behind = i + 1 < n_terms && v[i].cjk && v[i + 1].cjk && !v[i + 1].apart;
        bool known = term != UINT32_MAX && ix->from[term + 1] > ix->from[term];
        if (known) n_touched = add_term(ix, w, term, pair_before || pair_behind ? 0.3 : 1, n_touched);
        else if (!v[i].cjk && !p->exact) {
            glim_like like[GLIM_LIKE_MAX];
            size_t k = glim_index_like(ix, w, s, v[i].n, like);
            for (size_t j = 0; j < k; j++) n_touched = add_term(ix, w, like[j].term, (double)like[j].weight, n_touched);
        }
        if (pair_behind) {
            term = glim_featmap_find(&ix->terms, glim_index_key(s, v[i].n + v[i + 1].n, KIND_PAIR));
            if (term != UINT32_MAX) n_touched = add_term(ix, w, term, 1, n_touched);
        }
    }
    for (size_t t = 0; t < n_touched; t++) {
        glim_index_hit h = {.row = w->touched[t], .score = w->score[w->touched[t]]};
        w->score[h.row] = 0;
        if (n == limit && !better(h, hits[0])) continue;
        if (p->keep && !p->keep(p->ctx, h.row)) continue;
        if (n < limit) {
            hits[n++] = h;
            for (size_t i = n - 1; i > 0 && better(hits[(i - 1) / 2], hits[i]); i = (i - 1) / 2) {
                glim_index_hit x = hits[i];
                hits[i] = hits[(i - 1) / 2];
                hits[(i - 1) / 2] = x;
            }
        } else {
            hits[0] = h;
            sift(hits, n, 0);
        }
    }
    qsort(hits, n, sizeof *hits, by_score);
    *n_hits = n;
    return GLIM_OK;
}
