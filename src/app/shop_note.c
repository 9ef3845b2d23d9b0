/* shop_note.c - which of the notes (returns, shipping, opening hours) a question asks for. */
#include <string.h>

#include "app/shop_internal.h"

glim_status glim_shop_best_note(glim_shop *s, const char *label, const char *q, size_t n, uint32_t *row, bool *found, glim_err *err) {
    glim_index_hit hits[32];
    size_t n_hits = 0;
    *found = false;
    glim_status rc = glim_find_search(s->find_notes, q, n, &(glim_index_params){.limit = 32}, hits, &n_hits, err);
    for (size_t i = 0; rc == GLIM_OK && i < n_hits && !*found; i++)
        if (!label || strcmp(glim_lib_cell(s->notes, hits[i].row, (size_t)s->col_note_intent), label) == 0) *row = hits[i].row, *found = true;
    for (uint32_t r = 0; rc == GLIM_OK && label && r < s->notes->n_rows && !*found; r++)
        if (strcmp(glim_lib_cell(s->notes, r, (size_t)s->col_note_intent), label) == 0) *row = r, *found = true;
    return rc;
}

glim_status glim_shop_covering_note(glim_shop *s, const glim_buf *words, const char *intent, uint32_t *row, glim_err *err) {
    glim_index_hit hit[1];
    size_t n_hits = 0;
    float left = 0, share = 0;
    *row = UINT32_MAX;
    glim_status rc = glim_find_search(s->find_notes, glim_buf_cstr(words), words->len, &(glim_index_params){.limit = 1, .exact = true}, hit, &n_hits, err);
    if (rc == GLIM_OK && n_hits) rc = glim_find_covered(s->find_notes, glim_buf_cstr(words), words->len, hit[0].row, &left, &share, err);
    const bool agrees = intent && n_hits && strcmp(glim_lib_cell(s->notes, hit[0].row, (size_t)s->col_note_intent), intent) == 0;
    if (rc == GLIM_OK && n_hits && (agrees || share >= 0.75f)) *row = hit[0].row;
    return rc;
}

bool glim_shop_say_note(glim_shop *s, glim_shop_answer *a, uint32_t row, glim_shop_part part) {
    glim_say_note(&a->text, s, row, a->zh);
    glim_shop_cite_note(s, a, row);
    a->part = part;
    a->n_all = 1;
    return true;
}

glim_status glim_shop_another_price(glim_shop *s, uint32_t row, const glim_buf *words, const char *intent, bool *cells, uint32_t *note, glim_err *err) {
    const glim_filter *f = &s->filter;
    float left, share;
    if (f->n_ask != 1 || s->lib->col[f->ask[0]].type != GLIM_LIB_PRICE) return GLIM_OK;
    glim_status rc = glim_find_covered(s->find, glim_buf_cstr(words), words->len, row, &left, &share, err);
    if (rc != GLIM_OK || left < GLIM_SHOP_SAYS || share >= GLIM_SHOP_COVERS) return rc;
    if (intent) *cells = false;
    return glim_shop_covering_note(s, words, intent, note, err);
}
