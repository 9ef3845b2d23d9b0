/* shop_prose.c - what the sentences of rows and notes say: that something is not in them, a time, a name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "know/prose.h"

static glim_status cell_folded(glim_buf *b, const glim_lib *l, uint32_t row, size_t c, glim_err *err) {
    const char *s = glim_lib_cell(l, row, c);
    glim_buf_clear(b);
    return glim_terms_fold(b, s, strlen(s), err);
}

/* What the row's names and sentences say of the word. */
static glim_status row_says(const glim_lib *l, uint32_t row, const char *word, glim_prose *out, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    *out = GLIM_PROSE_SILENT;
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col; c++) {
        if (l->col[c].type != GLIM_LIB_TEXT && l->col[c].type != GLIM_LIB_NAME && l->col[c].type != GLIM_LIB_ENUM) continue;
        rc = cell_folded(&b, l, row, c, err);
        const glim_prose of = rc == GLIM_OK ? glim_prose_of(glim_buf_cstr(&b), word) : GLIM_PROSE_SILENT;
        if (of > *out) *out = of;
    }
    glim_buf_free(&b);
    return rc;
}

/* Does it deny one of the words? "豆浆 糖" is not the soy milk that has none. */
glim_status glim_shop_row_denies(const glim_lib *l, uint32_t row, const char *words, glim_prose *out, glim_err *err) {
    glim_status rc = GLIM_OK;
    *out = GLIM_PROSE_SILENT;
    for (const char *p = words; rc == GLIM_OK && *p && *out != GLIM_PROSE_DENIES;) {
        const size_t n = strcspn(p, " ");
        char word[128];
        snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : 0), p);
        const char *next = p + n + strspn(p + n, " ");
        if (strncmp(next, "free", 4) == 0 && (!next[4] || next[4] == ' ')) { /* "gluten free" is what is wanted */
            p = next + 4 + (next[4] == ' ');
            continue;
        }
        if (*word) rc = row_says(l, row, word, out, err);
        p += n + (p[n] == ' ');
    }
    return rc;
}

/* The row's own words, so that "no sugar on request" is read as that. */
static glim_status say_denial(glim_shop *s, glim_shop_answer *a, uint32_t row, const char *word, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    for (size_t c = 0; rc == GLIM_OK && c < s->lib->n_col; c++) {
        if (s->lib->col[c].type != GLIM_LIB_TEXT || !glim_lib_col_speaks(s->lib, c, a->zh)) continue;
        rc = cell_folded(&b, s->lib, row, c, err);
        if (rc != GLIM_OK || glim_prose_of(glim_buf_cstr(&b), word) != GLIM_PROSE_DENIES) continue;
        glim_buf_puts(&a->text, a->zh ? "（" : " (");
        glim_lib_show(&a->text, s->lib, row, c, a->zh);
        glim_buf_puts(&a->text, a->zh ? "）" : ")");
        break;
    }
    glim_buf_free(&b);
    return rc;
}

/* "不放味精的汤": rows that say themselves that they have none of it. Those that are silent are no answer. */
glim_status glim_shop_stated_without(glim_shop *s, glim_shop_answer *a, bool *done, glim_err *err) {
    enum { READ = 1000 };
    glim_filter *f = &s->filter;
    glim_buf word = {0};
    glim_status rc = GLIM_OK;
    size_t n = 0, n_all = 0, n_read = 0;
    uint32_t row[GLIM_SHOP_LIST];
    glim_buf_append(&word, glim_buf_cstr(&f->denied), f->denied.len);
    glim_shop_trim(&word);
    void *mem = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, s->lib->n_rows, 1, "rows with a word", err);
    uint8_t *has = mem;
    if (rc == GLIM_OK && word.len > 2) rc = glim_find_having(s->find, glim_buf_cstr(&word), word.len, has, err);
    for (uint32_t r = 0; rc == GLIM_OK && word.len > 2 && r < s->lib->n_rows; r++) {
        glim_prose of;
        if (!has[r] || !glim_filter_keep(s->lib, f, r)) continue;
        if (n_read++ == READ) break; /* an answer is due in milliseconds, and five rows are named at most */
        rc = row_says(s->lib, r, glim_buf_cstr(&word), &of, err);
        if (rc != GLIM_OK || of != GLIM_PROSE_DENIES) continue;
        if (n < GLIM_SHOP_LIST) row[n++] = r;
        n_all++;
    }
    if (rc == GLIM_OK && n) {
        glim_buf_printf(&a->text, f->zh ? "资料里写明没有“%s”的有：" : "These say that they have no %s: ", glim_buf_cstr(&word));
        for (size_t i = 0; i < n; i++) {
            if (i) glim_buf_puts(&a->text, f->zh ? "、" : ", ");
            glim_buf_puts(&a->text, glim_lib_row_name(s->lib, row[i], f->zh));
            rc = say_denial(s, a, row[i], glim_buf_cstr(&word), err);
            glim_say_id(&a->text, s, row[i], f->zh);
            glim_shop_cite_row(s, a, row[i]);
        }
        if (n_read > READ) glim_buf_puts(&a->text, f->zh ? "等" : " and more");
        else if (n_all > n) glim_buf_printf(&a->text, f->zh ? "等，共%zu款" : " and more, %zu in all", n_all);
        glim_buf_puts(&a->text, f->zh ? "。其余的资料里没有写，请问店员。" : ". Of the others the library does not say it: please ask the staff.");
        a->part = GLIM_PART_RETRIEVAL;
        a->n_all = n_all;
        f->n_ask = 0;
        f->sort = -1;
        *done = true;
    }
    glim_buf_free(&word);
    free(has);
    return rc;
}

/* "早餐几点": the sentence with a time of the row that is called so, or of the note that speaks of it. Nothing else is an answer. */
glim_status glim_shop_say_time(glim_shop *s, glim_shop_answer *a, const glim_named *named, size_t n_named, bool *done, glim_err *err) {
    const glim_filter *f = &s->filter;
    const glim_lib *l = s->lib;
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < n_named && !*done; i++)
        for (size_t c = 0; c < l->n_col && !*done; c++) {
            if (l->col[c].type != GLIM_LIB_TEXT || !glim_lib_col_speaks(l, c, f->zh) || !glim_prose_has_time(glim_lib_cell(l, named[i].row, c))) continue;
            glim_buf_printf(&a->text, f->zh ? "%s：" : "%s: ", glim_lib_row_name(l, named[i].row, f->zh));
            glim_lib_show(&a->text, l, named[i].row, c, f->zh);
            glim_say_id(&a->text, s, named[i].row, f->zh);
            glim_shop_cite_row(s, a, named[i].row);
            a->part = GLIM_PART_RETRIEVAL;
            a->n_all = 1;
            *done = true;
        }
    for (uint32_t r = 0; rc == GLIM_OK && r < s->notes->n_rows && !*done; r++)
        for (int j = 0; j < 2 && rc == GLIM_OK && !*done; j++) {
            rc = cell_folded(&b, s->notes, r, (size_t)(j ? s->col_note_answer_en : s->col_note_answer), err);
            if (rc != GLIM_OK || !glim_prose_has_time(glim_buf_cstr(&b))) continue;
            for (size_t i = 0; i < f->n_cond && !*done; i++)
                for (size_t k = 0; k < l->col[f->cond[i].col].n_alias && !*done; k++)
                    if (f->cond[i].op == GLIM_COND_HAS && glim_shop_any_of(glim_buf_cstr(&b), (const char *const *)&l->col[f->cond[i].col].alias[k], 1)) *done = glim_shop_say_note(s, a, r, GLIM_PART_RETRIEVAL);
        }
    glim_buf_free(&b);
    return rc;
}

/* Do the words stand in one of the row's names, "鱼" in "水煮鱼"? */
glim_status glim_shop_in_a_name(const glim_lib *l, uint32_t row, const char *words, bool *so, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    *so = false;
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col && !*so; c++) {
        if (l->col[c].type != GLIM_LIB_NAME) continue;
        rc = cell_folded(&b, l, row, c, err);
        bool all = rc == GLIM_OK, any = false;
        for (const char *p = words; *p && all;) {
            const size_t n = strcspn(p, " ,.?!");
            char word[128];
            snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : 0), p);
            if (n) all = *word && glim_prose_of(glim_buf_cstr(&b), word) == GLIM_PROSE_SAYS, any = true;
            p += n + (p[n] != 0);
        }
        *so = all && any;
    }
    glim_buf_free(&b);
    return rc;
}

/* "亲子房" of "亲子上下铺房": a word of three or four characters whose first two stand together in a name and the others behind them. */
glim_status glim_shop_spans_a_name(const glim_lib *l, uint32_t row, const char *word, bool *so, glim_err *err) {
    const size_t n = strlen(word);
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    *so = false;
    for (size_t i = 0; i < n; i += 3)
        if ((unsigned char)word[i] < 0xe3 || (unsigned char)word[i] > 0xe9) return rc;
    for (size_t c = 0; rc == GLIM_OK && n >= 9 && n <= 12 && c < l->n_col && !*so; c++) {
        if (l->col[c].type != GLIM_LIB_NAME) continue;
        rc = cell_folded(&b, l, row, c, err);
        const char *p = rc == GLIM_OK ? memmem(glim_buf_cstr(&b), b.len, word, 6) : NULL;
        for (size_t i = 6; i < n && p; i += 3) p = memmem(p + 3, strlen(p + 3), word + i, 3);
        *so = p != NULL;
    }
    glim_buf_free(&b);
    return rc;
}

/* "是否提供行李寄存服务": what is asked after stands in a cell that lists things. What is there is said, and neither yes nor no: the
 * column may list who must not take it. */
glim_status glim_shop_say_listed(glim_shop *s, glim_shop_answer *a, uint32_t row, const char *whole, bool *done, glim_err *err) {
    enum { PARTS = 4 };
    const glim_lib *l = s->lib;
    glim_buf b = {0}, said = {0};
    glim_status rc = GLIM_OK;
    size_t col = 0, n = 0;
    for (size_t c = 0; rc == GLIM_OK && c < l->n_col && n == 0; c++) {
        if (l->col[c].type != GLIM_LIB_TEXT || !glim_lib_col_speaks(l, c, true)) continue;
        rc = cell_folded(&b, l, row, c, err);
        size_t parts = 0;
        for (const char *p = glim_buf_cstr(&b); rc == GLIM_OK && (p = strstr(p, "、")) != NULL; p += 3) parts++;
        for (const char *p = glim_buf_cstr(&b); rc == GLIM_OK && parts >= 2 && *p && n < PARTS;) {
            const char *e = strstr(p, "、");
            const size_t len = e ? (size_t)(e - p) : strlen(p);
            char part[96];
            snprintf(part, sizeof part, "%.*s", (int)(len < sizeof part ? len : 0), p);
            if (len >= 6 && *part && strstr(whole, part)) glim_buf_printf(&said, "%s%s", n++ ? "、" : "", part), col = c;
            p += len + (e ? 3 : 0);
        }
    }
    if (rc == GLIM_OK && n) {
        glim_buf_printf(&a->text, "%s的%s里有%s。", glim_lib_row_name(l, row, true), glim_lib_col_name(&l->col[col], true), glim_buf_cstr(&said));
        glim_say_id(&a->text, s, row, true);
        glim_shop_cite_row(s, a, row);
        a->part = GLIM_PART_RETRIEVAL;
        a->n_all = 1;
        *done = true;
    }
    glim_buf_free(&b);
    glim_buf_free(&said);
    return rc;
}

/* Do rows or notes hold all that is left of the question? Then it is none of another business: "有鱼吗". */
glim_status glim_shop_held(glim_shop *s, const glim_buf *rest, bool *so, glim_err *err) {
    glim_index_hit hit[8];
    glim_status rc = GLIM_OK;
    *so = false;
    if (glim_shop_blank(glim_buf_cstr(rest))) return rc;
    for (int j = 0; j < 2 && rc == GLIM_OK && !*so; j++) {
        glim_find *find = j ? s->find_notes : s->find;
        size_t n = 0;
        float left = 0, share = 0;
        rc = glim_find_search(find, glim_buf_cstr(rest), rest->len, &(glim_index_params){.limit = GLIM_COUNT(hit), .exact = true}, hit, &n, err);
        for (size_t i = 0; j == 0 && rc == GLIM_OK && i < n && !*so; i++) rc = glim_shop_in_a_name(s->lib, hit[i].row, glim_buf_cstr(rest), so, err);
        if (j == 0) continue; /* prose may speak of the weather too */
        if (rc == GLIM_OK && n) rc = glim_find_covered(find, glim_buf_cstr(rest), rest->len, hit[0].row, &left, &share, err);
        *so = n && share > 0.95f;
    }
    return rc;
}

glim_status glim_shop_sentence(glim_shop *s, uint32_t row, const char *text, bool zh, glim_buf *out, glim_err *err) {
    glim_terms want = {0}, have = {0};
    glim_status rc = glim_terms_cut(&want, text, strlen(text), err);
    size_t best = 0;
    for (size_t c = 0; rc == GLIM_OK && c < s->lib->n_col; c++) {
        if (s->lib->col[c].type != GLIM_LIB_TEXT || !glim_lib_col_speaks(s->lib, c, zh)) continue;
        for (const char *p = glim_lib_cell(s->lib, row, c); *p;) {
            size_t n = 0;
            while (p[n] && !(strncmp(p + n, "。", 3) == 0 || strncmp(p + n, "；", 3) == 0 || ((p[n] == '.' || p[n] == ';') && (p[n + 1] == ' ' || !p[n + 1])))) n++;
            rc = glim_terms_cut(&have, p, n, err);
            size_t both = 0;
            for (size_t i = 0; rc == GLIM_OK && i < want.n; i++)
                for (size_t k = 0; k < have.n; k++)
                    if (want.v[i].n == have.v[k].n && memcmp(want.text.s + want.v[i].at, have.text.s + have.v[k].at, want.v[i].n) == 0) {
                        both++;
                        break;
                    }
            if (both > best) {
                best = both;
                glim_buf_clear(out);
                glim_buf_append(out, p, n);
            }
            p += n;
            while (*p && (strncmp(p, "。", 3) == 0 || strncmp(p, "；", 3) == 0)) p += 3;
            while (*p == '.' || *p == ';' || *p == ' ') p++;
        }
    }
    glim_terms_free(&want);
    glim_terms_free(&have);
    return rc;
}
