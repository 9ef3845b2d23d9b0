/* find.c - see find.h. */
#include "know/find.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "know/filter_words.h"
#include "know/find_internal.h"

enum { CANDIDATES = 40, MAX_ROW_BYTES = 65536 };

glim_status glim_find_new(glim_find **out, const glim_lib *l, glim_err *err) {
    *out = NULL;
    glim_find *f = glim_xcalloc(1, sizeof *f);
    f->l = l;
    f->ix = glim_index_new();
    glim_status rc = GLIM_OK;
    glim_index_field *field = glim_xcalloc(l->n_col, sizeof *field);
    glim_buf words = {0};
    for (uint32_t r = 0; rc == GLIM_OK && r < l->n_rows; r++) {
        size_t n = 0;
        glim_buf_clear(&words);
        for (size_t c = 0; c < l->n_own; c++) {
            const glim_lib_col *col = &l->col[c];
            const char *s = glim_lib_cell(l, r, c);
            if (col->type == GLIM_LIB_HIDDEN || !*s) continue;
            unsigned weight = col->type == GLIM_LIB_NAME || col->type == GLIM_LIB_ID ? 4 : col->type == GLIM_LIB_ENUM ? 2 : 1;
            if (col->type == GLIM_LIB_BOOL || col->type == GLIM_LIB_STOCK || col->type == GLIM_LIB_DATE) continue;
            field[n++] = (glim_index_field){.text = s, .n = strlen(s), .weight = weight};
            for (uint32_t i = col->type == GLIM_LIB_ENUM ? col->value_at[r] : 0; col->type == GLIM_LIB_ENUM && i < col->value_at[r + 1]; i++)
                for (size_t a = 1; a < col->value[col->value_no[i]].n_alias; a++) glim_buf_printf(&words, "%s ; ", col->value[col->value_no[i]].alias[a]);
        }
        rc = glim_buf_status(&words, "words of a row", err);
        if (words.len && n < l->n_col) field[n++] = (glim_index_field){.text = words.s, .n = words.len, .weight = 1};
        if (rc == GLIM_OK) rc = glim_index_add(f->ix, field, n, err);
    }
    free(field);
    glim_buf_free(&words);
    if (rc == GLIM_OK) rc = glim_index_finish(f->ix, err);
    if (rc == GLIM_OK && !(f->w = glim_index_work_new(f->ix, err))) rc = GLIM_E_NOMEM;
    if (rc == GLIM_OK) *out = f;
    else glim_find_free(f);
    return rc;
}

void glim_find_free(glim_find *f) {
    if (!f) return;
    glim_index_work_free(f->w);
    glim_index_free(f->ix);
    glim_terms_free(&f->cut);
    glim_buf_free(&f->row);
    free(f);
}

glim_status glim_find_search(glim_find *f, const char *text, size_t n, const glim_index_params *p, glim_index_hit *hits, size_t *n_hits, glim_err *err) {
    return glim_index_search(f->ix, f->w, text, n, p, hits, n_hits, err);
}

static bool has_key(const keys *k, uint64_t key) {
    for (size_t i = 0; i < k->n; i++)
        if (k->key[i] == key) return true;
    return false;
}

static void put_key(keys *k, uint64_t key, float idf, bool pair, uint32_t at) {
    if (k->n == MAX_KEYS || has_key(k, key)) return;
    k->key[k->n] = key;
    k->pair[k->n] = pair;
    k->at[k->n] = at;
    k->idf[k->n++] = idf;
}

static glim_status make_keys(glim_find *f, keys *k, const char *text, size_t n, glim_err *err) {
    k->n = 0;
    glim_status rc = glim_terms_cut(&f->cut, text, n, err);
    const glim_term *v = f->cut.v;
    for (size_t i = 0; rc == GLIM_OK && i < f->cut.n; i++) {
        const char *s = f->cut.text.s + v[i].at;
        bool behind = v[i].cjk && i + 1 < f->cut.n && v[i + 1].cjk && !v[i + 1].apart;
        bool before = v[i].cjk && i > 0 && v[i - 1].cjk && !v[i].apart;
        if (behind) put_key(k, glim_index_key(s, v[i].n + v[i + 1].n, 2), glim_index_idf(f->ix, s, v[i].n + v[i + 1].n, true), true, (uint32_t)i);
        else if (!before && !v[i].joined) put_key(k, glim_index_key(s, v[i].n, 1), glim_index_idf(f->ix, s, v[i].n, false), false, (uint32_t)i);
    }
    return rc;
}

/* A pair that no row has and that overlaps one of b's: it only spans the seam between a name and the next word, "包一" in "小笼包一笼". */
static bool seam(const keys *a, size_t i, const keys *b, float most) {
    if (!a->pair[i] || a->idf[i] < most) return false;
    if (i + 1 == a->n) return false; /* nothing behind it: a word of one character, "鸡" in "糖醋鸡" */
    return (i > 0 && a->at[i - 1] + 1 == a->at[i] && has_key(b, a->key[i - 1])) || (a->at[i] + 1 == a->at[i + 1] && has_key(b, a->key[i + 1]));
}

/* The share of a's weight that stands in b. */
static float share(const glim_find *f, const keys *a, const keys *b) {
    double all = 0, in = 0;
    float most = glim_index_idf(f->ix, "", 0, true) - 1e-4f; /* a term that no row has */
    for (size_t i = 0; i < a->n; i++) {
        bool has = has_key(b, a->key[i]);
        if (!has && seam(a, i, b, most)) continue;
        all += a->idf[i];
        if (has) in += a->idf[i];
    }
    return all > 0 ? (float)(in / all) : 0;
}

/* Shares of one row's best name; its own id as a word names it wholly. */
static glim_status rate(glim_find *f, uint32_t row, glim_named *out, glim_err *err) {
    *out = (glim_named){.row = row};
    glim_status rc = GLIM_OK;
    for (size_t c = 0; rc == GLIM_OK && c < f->l->n_col; c++) {
        if (f->l->col[c].type != GLIM_LIB_NAME && f->l->col[c].type != GLIM_LIB_ID) continue;
        const char *s = glim_lib_cell(f->l, row, c);
        if (!*s) continue;
        rc = make_keys(f, &f->name, s, strlen(s), err);
        float n = share(f, &f->name, &f->text), t = share(f, &f->text, &f->name);
        if (n + t > out->name + out->text) out->name = n, out->text = t;
    }
    return rc;
}

static int by_worth(const void *a, const void *b) {
    const glim_named *x = a, *y = b;
    float p = x->name + x->text, q = y->name + y->text;
    if (p != q) return p > q ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static glim_status candidates(glim_find *f, const char *text, size_t n_text, glim_named *v, size_t *n, glim_err *err) {
    glim_index_hit hits[CANDIDATES];
    size_t n_hits = 0;
    *n = 0;
    glim_index_params p = {.limit = CANDIDATES};
    glim_status rc = glim_index_search(f->ix, f->w, text, n_text, &p, hits, &n_hits, err);
    if (rc == GLIM_OK) rc = make_keys(f, &f->text, text, n_text, err);
    for (size_t i = 0; rc == GLIM_OK && i < n_hits; i++) rc = rate(f, hits[i].row, &v[(*n)++], err);
    if (rc == GLIM_OK) qsort(v, *n, sizeof *v, by_worth);
    return rc;
}

/* Puts the keys of a row's names into k. */
static glim_status name_keys(glim_find *f, keys *k, uint32_t row, glim_err *err) {
    glim_status rc = GLIM_OK;
    k->n = 0;
    for (size_t c = 0; rc == GLIM_OK && c < f->l->n_col; c++) {
        if (f->l->col[c].type != GLIM_LIB_NAME && f->l->col[c].type != GLIM_LIB_ID) continue;
        const char *s = glim_lib_cell(f->l, row, c);
        rc = make_keys(f, &f->name, s, strlen(s), err);
        for (size_t i = 0; i < f->name.n; i++) put_key(k, f->name.key[i], f->name.idf[i], f->name.pair[i], f->name.at[i]);
    }
    return rc;
}

/* Half of one name and half of another: "红烧羊肉" where there is 红烧肉 and 孜然羊肉. Neither is meant. */
static glim_status halves_of_two(glim_find *f, const glim_named *v, size_t n_v, bool *so, glim_err *err) {
    glim_status rc = name_keys(f, &f->rest, v[0].row, err);
    keys other;
    *so = false;
    for (size_t i = 1; rc == GLIM_OK && i < n_v && !*so; i++) {
        rc = name_keys(f, &other, v[i].row, err);
        for (size_t k = 0; k < f->text.n && !*so; k++) *so = f->text.pair[k] && !has_key(&f->rest, f->text.key[k]) && has_key(&other, f->text.key[k]);
    }
    return rc;
}

glim_status glim_find_named(glim_find *f, const char *text, size_t n_text, glim_named *out, size_t cap, size_t *n, glim_err *err) {
    glim_named v[CANDIDATES];
    size_t n_v;
    *n = 0;
    glim_status rc = candidates(f, text, n_text, v, &n_v, err);
    if (rc != GLIM_OK || n_v == 0) return rc;
    bool all = v[0].text > 0.95f && v[0].name > 0.2f; /* "接机" of "接机服务" */
    if (!all && (v[0].name < 0.4f || v[0].name + v[0].text < 0.95f)) return rc;
    bool two = false;
    if (!all && v[0].name < 0.9f) rc = halves_of_two(f, v, n_v, &two, err);
    for (size_t i = 0; rc == GLIM_OK && !two && i < n_v && *n < cap; i++)
        if (v[i].name + v[i].text > v[0].name + v[0].text - 0.03f) out[(*n)++] = v[i];
    return rc;
}

/* Takes the row's names out of f->rest. */
static glim_status without_names(glim_find *f, uint32_t row, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t c = 0; rc == GLIM_OK && c < f->l->n_col; c++) {
        if (f->l->col[c].type != GLIM_LIB_NAME && f->l->col[c].type != GLIM_LIB_ID) continue;
        const char *s = glim_lib_cell(f->l, row, c);
        rc = make_keys(f, &f->name, s, strlen(s), err);
        size_t k = 0;
        float most = glim_index_idf(f->ix, "", 0, true) - 1e-4f;
        bool drop[MAX_KEYS];
        for (size_t i = 0; i < f->rest.n; i++) drop[i] = has_key(&f->name, f->rest.key[i]) || seam(&f->rest, i, &f->name, most);
        for (size_t i = 0; i < f->rest.n; i++)
            if (!drop[i]) f->rest.at[k] = f->rest.at[i], f->rest.key[k] = f->rest.key[i], f->rest.idf[k] = f->rest.idf[i], f->rest.pair[k++] = f->rest.pair[i];
        f->rest.n = k;
    }
    return rc;
}

/* Are a name's keys all in f->rest? */
static glim_status part_of_other(glim_find *f, uint32_t row, bool *so, glim_err *err) {
    glim_status rc = GLIM_OK;
    *so = false;
    for (size_t c = 0; rc == GLIM_OK && c < f->l->n_col && !*so; c++) {
        const char *s = glim_lib_cell(f->l, row, c);
        if (f->l->col[c].type != GLIM_LIB_NAME || !*s) continue;
        rc = make_keys(f, &f->name, s, strlen(s), err);
        *so = share(f, &f->name, &f->rest) > 0.95f;
    }
    return rc;
}

glim_status glim_find_second(glim_find *f, const char *text, size_t n_text, uint32_t first, uint32_t *second, bool *found, glim_err *err) {
    glim_named v[CANDIDATES];
    size_t n_v;
    float best = 0;
    bool part = false;
    *found = false;
    glim_status rc = candidates(f, text, n_text, v, &n_v, err);
    f->rest.n = 0; /* what of the text the first one's names leave */
    for (size_t i = 0; i < f->text.n; i++) put_key(&f->rest, f->text.key[i], f->text.idf[i], f->text.pair[i], f->text.at[i]);
    if (rc == GLIM_OK) rc = without_names(f, first, err);
    for (size_t i = 0; rc == GLIM_OK && i < n_v; i++) {
        if (v[i].row == first || v[i].name < 0.5f) continue;
        for (size_t c = 0; rc == GLIM_OK && c < f->l->n_col; c++) {
            if (f->l->col[c].type != GLIM_LIB_NAME && f->l->col[c].type != GLIM_LIB_ID) continue;
            const char *s = glim_lib_cell(f->l, v[i].row, c);
            if (!*s) continue;
            rc = make_keys(f, &f->name, s, strlen(s), err);
            float own = share(f, &f->name, &f->rest), all = own + share(f, &f->rest, &f->name) / 2 + v[i].name / 4;
            if (own >= 0.2f && all > best) best = all, *second = v[i].row, *found = true;
        }
    }
    if (rc == GLIM_OK && !*found) rc = name_keys(f, &f->rest, first, err);
    best = 0.6f; /* "L9 or L9 Pro": the one's name is a part of the other's */
    for (size_t i = 0; rc == GLIM_OK && !*found && i < n_v; i++)
        if (v[i].row != first && v[i].name > best) {
            rc = part_of_other(f, v[i].row, &part, err);
            if (part) best = v[i].name, *second = v[i].row;
        }
    *found |= best > 0.6f;
    return rc;
}

glim_status glim_find_covered(glim_find *f, const char *text, size_t n_text, uint32_t row, float *left, float *out, glim_err *err) {
    glim_buf_clear(&f->row);
    *left = *out = 0;
    for (size_t c = 0; c < f->l->n_col; c++) {
        const glim_lib_col *col = &f->l->col[c];
        if (col->type == GLIM_LIB_HIDDEN || f->row.len > MAX_ROW_BYTES) continue;
        glim_buf_printf(&f->row, "%s ; ", glim_lib_cell(f->l, row, c));
        for (uint32_t i = col->type == GLIM_LIB_ENUM ? col->value_at[row] : 0; col->type == GLIM_LIB_ENUM && i < col->value_at[row + 1]; i++)
            for (size_t a = 1; a < col->value[col->value_no[i]].n_alias; a++) glim_buf_printf(&f->row, "%s ; ", col->value[col->value_no[i]].alias[a]);
    }
    glim_status rc = glim_buf_status(&f->row, "a row's text", err);
    if (rc == GLIM_OK) rc = make_keys(f, &f->text, text, n_text, err);
    f->rest.n = 0;
    for (size_t i = 0; i < f->text.n; i++) put_key(&f->rest, f->text.key[i], f->text.idf[i], f->text.pair[i], f->text.at[i]);
    if (rc == GLIM_OK) rc = without_names(f, row, err);
    if (rc == GLIM_OK) rc = make_keys(f, &f->name, f->row.s, f->row.len, err);
    for (size_t i = 0; i < f->rest.n; i++) *left += f->rest.idf[i];
    *out = rc == GLIM_OK && f->rest.n ? share(f, &f->rest, &f->name) : 1;
    return rc;
}

glim_status glim_find_having(glim_find *f, const char *text, size_t n, uint8_t *has, glim_err *err) {
    const glim_index *ix = f->ix;
    memset(has, 0, f->l->n_rows);
    glim_status rc = glim_terms_cut(&f->cut, text, n, err);
    const glim_term *v = f->cut.v;
    uint8_t level = 0;
    for (size_t i = 0; rc == GLIM_OK && i < f->cut.n && level < 250; i++) {
        const char *s = f->cut.text.s + v[i].at;
        const bool behind = v[i].cjk && i + 1 < f->cut.n && v[i + 1].cjk && !v[i + 1].apart, before = v[i].cjk && i > 0 && v[i - 1].cjk && !v[i].apart;
        if (v[i].joined || (before && !behind)) continue;
        const uint32_t t = glim_featmap_find(&ix->terms, glim_index_key(s, v[i].n + (behind ? v[i + 1].n : 0), behind ? 2 : 1));
        for (const glim_posting *p = t != UINT32_MAX ? ix->posting + ix->from[t] : NULL, *end = t != UINT32_MAX ? ix->posting + ix->from[t + 1] : NULL; p < end; p++)
            if (has[p->row] == level) has[p->row]++;
        level++;
    }
    for (uint32_t r = 0; r < f->l->n_rows; r++) has[r] = level && has[r] == level;
    return rc;
}

static bool known(const glim_find *f, const char *s, size_t n) {
    uint32_t t = glim_featmap_find(&f->ix->terms, glim_index_key(s, n, 1));
    return t != UINT32_MAX && f->ix->from[t + 1] > f->ix->from[t];
}

void glim_find_singular(const glim_find *f, glim_buf *text) {
    for (size_t i = 0, e; i < text->len; i = e + 1) {
        for (e = i; e < text->len && isalnum((unsigned char)text->s[e]); e++) {}
        if (e > i + 2 && text->s[e - 1] == 's' && isdigit((unsigned char)text->s[e - 2]) && !known(f, text->s + i, e - i) && known(f, text->s + i, e - i - 1)) text->s[e - 1] = ' ';
    }
}

enum { PARTS = 4 };

/* Cuts a word into 2 to `most` words that rows have, each of at least `low` bytes; their ends, last one first, into at. */
static size_t parts(const glim_find *f, const char *s, size_t n, size_t low, size_t most, size_t *at) {
    size_t ends[PARTS], n_ends = 0, from = 0;
    /* The longest known beginning, again and again. */
    while (from < n && n_ends < most) {
        size_t k = n - from - (from == 0);
        while (k >= low && !known(f, s + from, k)) k--;
        if (k < low || k == 0) return 0;
        ends[n_ends++] = from += k;
    }
    if (from < n || n_ends < 2) return 0;
    for (size_t i = 0; i < n_ends; i++) at[i] = ends[n_ends - 1 - i];
    return n_ends;
}

/* The same letters in another order: "phnoe". */
static bool same_letters(const char *a, const char *b, size_t n) {
    int count[256] = {0}, off = 0;
    for (size_t i = 0; i < n; i++) count[(unsigned char)a[i]]++, count[(unsigned char)b[i]]--;
    for (size_t i = 0; i < 256; i++) off += count[i] != 0;
    return off == 0;
}

/* Words that are spelt rightly, whatever is sold: "weather" is no misspelt "water". */
static bool a_word_of_its_own(const char *s, size_t n) {
    static const char *const words[] = {"weather", "whether", "father", "mother", "brother", "another", "rather", "health", "healthy", "doctor", "friend", "friends", "today", "tomorrow", "yesterday", "president", "football", "capital", "country", "better", "letter", "later", "never", "safety"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && memcmp(words[i], s, n) == 0) return true;
    return false;
}

glim_status glim_find_respell(glim_find *f, glim_buf *out, const char *text, size_t n, glim_err *err) {
    glim_buf s = {0};
    glim_status rc = glim_terms_fold(&s, text, n, err);
    const char *p = glim_buf_cstr(&s);
    for (size_t i = 0; rc == GLIM_OK && i < s.len;) {
        size_t e = i;
        bool digit = false;
        while (e < s.len && ((p[e] >= 'a' && p[e] <= 'z') || (p[e] >= '0' && p[e] <= '9'))) digit |= p[e] >= '0' && p[e] <= '9', e++;
        if (e == i) {
            glim_buf_putc(out, p[i++]);
            continue;
        }
        size_t len = e - i, cut = 0;
        const char *as = p + i;
        size_t at[PARTS];
        if (len >= 3 && !known(f, p + i, len) && !a_word_of_its_own(p + i, len)) {
            if (strspn(p + i, "0123456789") < len) cut = parts(f, p + i, len, digit || len < 8 ? (digit ? 1 : 3) : 2, PARTS, at); /* 2024 is not "20 24" */
            if (!cut && !digit) {
                glim_like like[GLIM_LIKE_MAX];
                size_t m = glim_index_like(f->ix, f->w, p + i, len, like);
                for (size_t j = 0; j < m && as == p + i; j++) {
                    bool near_ = (len >= 4 && like[j].weight > 0.7f) || len >= 7;
                    for (size_t w = 0; near_ && w < f->ix->n_words; w++) {
                        const char *word = f->ix->words.s + f->ix->word_at[w];
                        if (f->ix->word_term[w] != like[j].term) continue;
                        if (len < 6 && strlen(word) == len && !same_letters(word, p + i, len)) break; /* "beer" is not "beef" */
                        if (len < 5 && strlen(word) != len && strncmp(word, p + i, len) != 0) break; /* nor are "kids" "kinds" */
                        if (word[0] == p[i] && strlen(word) + 2 >= len && strlen(word) <= len + 2) as = word;
                        break;
                    }
                }
            }
        }
        if (cut) {
            for (size_t k = cut, from = 0; k-- > 0; from = at[k]) { /* the last part's end was noted first */
                glim_buf_append(out, p + i + from, at[k] - from);
                if (k) glim_buf_putc(out, ' ');
            }
        } else if (as != p + i) {
            glim_buf_puts(out, as);
        } else {
            glim_buf_append(out, p + i, len);
        }
        i = e;
    }
    glim_buf_free(&s);
    return rc == GLIM_OK ? glim_buf_status(out, "a question", err) : rc;
}

/* How many bytes of the text at p the name takes, or 0: a space between Chinese and Latin or before a figure may be missing, "澜星L9手机", "Mist3", and a plural's
 * "s" is taken with it. */
static size_t reads(const char *p, const char *name, size_t n) {
    const char *q = p;
    for (size_t i = 0; i < n; i++) {
        if (*q == name[i]) {
            q++;
            continue;
        }
        const bool seam = name[i] == ' ' && i > 0 && i + 1 < n && (((unsigned char)name[i - 1] >= 0x80) != ((unsigned char)name[i + 1] >= 0x80) || (isalpha((unsigned char)name[i - 1]) && isdigit((unsigned char)name[i + 1])));
        if (!seam) return 0;
    }
    if (n > 3 && name[n - 1] >= 'a' && name[n - 1] <= 'z' && *q == 's' && !isalnum((unsigned char)q[1])) q++;
    return (size_t)(q - p);
}

/* Does the folded name stand in the text, between word boundaries where it is Latin? *len: how much of it. */
static const char *stands_as(const char *text, const char *name, size_t n, size_t *len) {
    for (const char *p = text; (p = strchr(p, name[0])); p++) {
        if ((*len = reads(p, name, n)) == 0) continue;
        const size_t m = *len;
        bool a = p > text && (unsigned char)p[-1] < 0x80 && (unsigned char)name[0] < 0x80 && p[-1] != ' ' && (p[-1] >= '0' && p[-1] != '?');
        bool b = (unsigned char)name[n - 1] < 0x80 && ((p[m] >= '0' && p[m] <= '9') || (p[m] >= 'a' && p[m] <= 'z'));
        if (!a && !b) return p;
    }
    return NULL;
}

/* The same for a word as it is written. */
static const char *stands_in(const char *text, const char *name, size_t n) {
    for (const char *p = text; (p = strstr(p, name)); p++) {
        bool a = p > text && (unsigned char)p[-1] < 0x80 && (unsigned char)name[0] < 0x80 && p[-1] != ' ' && (p[-1] >= '0' && p[-1] != '?');
        bool b = (unsigned char)name[n - 1] < 0x80 && ((p[n] >= '0' && p[n] <= '9') || (p[n] >= 'a' && p[n] <= 'z'));
        if (!a && !b) return p;
    }
    return NULL;
}

/* Takes `word` off the beginning or the end of the folded name. */
static bool strip(glim_buf *name, const char *word) {
    const size_t n = strlen(word);
    if (n == 0 || name->len <= n) return false;
    const bool latin = (unsigned char)word[0] < 0x80;
    if (memcmp(name->s, word, n) == 0 && (!latin || name->s[n] == ' ')) memmove(name->s, name->s + n, name->len - n + 1);
    else if (memcmp(name->s + name->len - n, word, n) != 0 || (latin && name->s[name->len - n - 1] != ' ')) return false;
    name->len -= n;
    name->s[name->len] = 0;
    while (name->len && name->s[name->len - 1] == ' ') name->s[--name->len] = 0;
    const size_t lead = strspn(name->s, " ");
    memmove(name->s, name->s + lead, name->len - lead + 1);
    name->len -= lead;
    return true;
}

/* The name as customers say it, `how` = 1 without its kind, 2 without its brand, 3 without both: "澜星 L9 手机" is "澜星 L9", "L9 手机", "L9".
 * False: there is nothing to take off, or what is left is no model (a Latin word and a digit). */
static bool shorten(const glim_find *f, uint32_t row, glim_buf *name, int how) {
    bool cut = true;
    for (int part = 1; part <= 2 && cut; part++) {
        if (!(how & part)) continue;
        cut = false;
        for (size_t c = 0; c < f->l->n_col && !cut; c++) {
            const glim_lib_col *col = &f->l->col[c];
            if (col->type != GLIM_LIB_ENUM || col->concept != (part == 1 ? GLIM_CONCEPT_KIND : GLIM_CONCEPT_BRAND)) continue;
            for (uint32_t i = col->value_at[row]; i < col->value_at[row + 1] && !cut; i++)
                for (size_t a = 0; a < col->value[col->value_no[i]].n_alias && !cut; a++) cut = strip(name, col->value[col->value_no[i]].alias[a]);
        }
    }
    bool digit = false, letter = false;
    for (size_t i = 0; i < name->len; i++) digit |= name->s[i] >= '0' && name->s[i] <= '9', letter |= name->s[i] >= 'a' && name->s[i] <= 'z';
    return cut && digit && letter && name->len >= 2;
}

static bool begins_with(const char *phrase, const char *word, size_t n) { return strncmp(phrase, word, n) == 0 && (!phrase[n] || phrase[n] == ' '); }

static bool touches(const char *text, const char *edge, bool behind, const char *word) {
    const size_t n = strlen(word);
    return n && (behind ? strncmp(edge, word, n) == 0 : (size_t)(edge - text) >= n && memcmp(edge - n, word, n) == 0);
}

/* Is what stands at `edge`, behind a model or before it, no part of it? A Latin word or a figure that nobody knows is one, "L9 Ultra"
 * and "L9 2" are no L9; so is a Chinese one that touches it, "L9青春版". */
static bool stands_apart(const glim_find *f, uint32_t row, const char *text, const char *edge, bool behind) {
    if (behind) edge += strspn(edge, " ");
    else
        while (edge > text && edge[-1] == ' ') edge--;
    if (behind ? !*edge : edge == text) return true;
    const unsigned char c = (unsigned char)(behind ? *edge : edge[-1]);
    const bool latin = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (c < 0x80 && !latin) return true;
    if (behind && *edge == 'x') { /* "L9 x2" */
        const size_t d = strspn(edge + 1, "0123456789");
        if (d && !isalnum((unsigned char)edge[1 + d])) return true;
    }
    static const char *const marks[] = {"，", "。", "？", "！", "、", "：", "；", "（", "）", "“", "”"};
    for (size_t i = 0; !latin && i < GLIM_COUNT(marks); i++)
        if (touches(text, edge, behind, marks[i])) return true;
    const char *p = edge;
    if (latin && !behind)
        while (p > text && ((p[-1] >= 'a' && p[-1] <= 'z') || (p[-1] >= '0' && p[-1] <= '9'))) p--;
    size_t n = behind ? strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789") : (size_t)(edge - p);
#define KNOWN(w) (!latin ? touches(text, edge, behind, w) : behind ? begins_with(w, p, n) : strlen(w) >= n && strncmp((w) + strlen(w) - n, p, n) == 0 && (strlen(w) == n || (w)[strlen(w) - n - 1] == ' '))
    for (size_t w = 0; w < glim_n_words; w++)
        if (glim_words[w].kind > GLIM_WORD_GT_BEFORE && KNOWN(glim_words[w].text)) return true; /* not "L9 Max" */
    for (size_t i = 0; i < f->l->n_col; i++) {
        const glim_lib_col *col = &f->l->col[i];
        for (size_t a = 0; a < col->n_alias; a++)
            if (KNOWN(col->alias[a])) return true;
        for (size_t v = 0; v < col->n_value; v++)
            for (size_t a = 0; a < col->value[v].n_alias; a++)
                if (KNOWN(col->value[v].alias[a])) return true;
    }
#undef KNOWN
    const size_t figure = latin && n < 12 ? strspn(p, "0123456789") : 0;
    for (size_t i = 0; figure && figure < n && i < f->l->n_col; i++) { /* "L9 256GB": so many it has */
        const glim_lib_col *col = &f->l->col[i];
        const bool unit = col->number && col->unit_en && strlen(col->unit_en) == n - figure && strncasecmp(p + figure, col->unit_en, n - figure) == 0;
        if (unit && col->number[row] == strtod(p, NULL)) return true;
    }
    for (size_t i = 0; latin && n > 1 && i < f->l->n_col; i++) { /* "is the L9 IP68?": said of it elsewhere */
        const char *cell = f->l->col[i].type == GLIM_LIB_NAME || f->l->col[i].type == GLIM_LIB_ID || f->l->col[i].type == GLIM_LIB_HIDDEN ? "" : glim_lib_cell(f->l, row, i), *at = cell;
        for (; *at; at++)
            if (strncasecmp(at, p, n) == 0 && !isalnum((unsigned char)at[n]) && (at == cell || !isalnum((unsigned char)at[-1]))) return true;
    }
    return false;
}

/* Is another kind or brand than the row's named? "L9 手机壳" and "青屿 L9" are no L9 of 澜星. */
static bool another_is_named(const glim_find *f, uint32_t row, const char *text, int concept) {
    for (size_t c = 0; c < f->l->n_col; c++) {
        const glim_lib_col *col = &f->l->col[c];
        if (col->type != GLIM_LIB_ENUM || col->concept != concept) continue;
        for (size_t v = 0; v < col->n_value; v++) {
            bool own = false;
            for (uint32_t i = col->value_at[row]; i < col->value_at[row + 1]; i++) own |= col->value_no[i] == v;
            for (size_t a = 0; a < col->value[v].n_alias && !own; a++)
                if (stands_in(text, col->value[v].alias[a], strlen(col->value[v].alias[a]))) return true;
        }
    }
    return false;
}

/* Does a kind begin inside [from, to) and end behind it? "澜星 L9 手机壳" does not name the 澜星 L9 手机. */
static bool into_a_kind(const glim_find *f, const char *from, const char *to) {
    for (size_t c = 0; c < f->l->n_col; c++) {
        const glim_lib_col *col = &f->l->col[c];
        if (col->type != GLIM_LIB_ENUM || col->concept != GLIM_CONCEPT_KIND) continue;
        for (size_t v = 0; v < col->n_value; v++)
            for (size_t a = 0; a < col->value[v].n_alias; a++) {
                const char *word = col->value[v].alias[a];
                const size_t n = strlen(word);
                for (const char *p = to; p > from && to - p < (ptrdiff_t)n; p--)
                    if (p + n > to && strncmp(p, word, n) == 0 && !((unsigned char)*word < 0x80 && isalnum((unsigned char)p[n]) && p[n] != 's')) return true;
            }
    }
    return false;
}

glim_status glim_find_exact(glim_find *f, glim_buf *text, glim_named *out, size_t cap, size_t *n, glim_err *err) {
    glim_index_hit hits[CANDIDATES];
    glim_buf name = {0};
    size_t n_hits = 0, longest = 0, taken = 0;
    const char *at = NULL;
    *n = 0;
    glim_status rc = glim_index_search(f->ix, f->w, glim_buf_cstr(text), text->len, &(glim_index_params){.limit = CANDIDATES, .exact = true}, hits, &n_hits, err);
    for (size_t i = 0; rc == GLIM_OK && i < n_hits; i++)
        for (size_t each = 0; rc == GLIM_OK && each < 4 * f->l->n_col; each++) {
            const size_t c = each / 4, how = each % 4; /* whole, and shortened in three ways */
            if (f->l->col[c].type != GLIM_LIB_NAME && (f->l->col[c].type != GLIM_LIB_ID || how)) continue;
            const char *s = glim_lib_cell(f->l, hits[i].row, c);
            glim_buf_clear(&name);
            rc = glim_terms_fold(&name, s, strlen(s), err);
            if (rc == GLIM_OK && how && !shorten(f, hits[i].row, &name, (int)how)) continue;
            if (rc != GLIM_OK || name.len < (how ? 2 : 3) || name.len < longest) continue;
            bool cjk = (unsigned char)name.s[0] >= 0x80;
            if (cjk && name.len < 6) continue; /* one character says too little */
            size_t len = 0;
            const char *p = stands_as(glim_buf_cstr(text), name.s, name.len, &len);
            if (!p || (*n && name.len == longest && p != at)) continue;
            if (into_a_kind(f, p, p + len)) continue;
            if (how && (!stands_apart(f, hits[i].row, glim_buf_cstr(text), p, false) || !stands_apart(f, hits[i].row, glim_buf_cstr(text), p + len, true))) continue;
            if ((how & 1) && another_is_named(f, hits[i].row, glim_buf_cstr(text), GLIM_CONCEPT_KIND)) continue;
            if ((how & 2) && another_is_named(f, hits[i].row, glim_buf_cstr(text), GLIM_CONCEPT_BRAND)) continue;
            if (name.len > longest) *n = 0;
            longest = name.len;
            taken = len;
            at = p;
            bool again = false;
            for (size_t k = 0; k < *n; k++) again |= out[k].row == hits[i].row;
            if (!again && *n < cap) out[(*n)++] = (glim_named){.row = hits[i].row, .name = 1, .text = 1};
        }
    if (rc == GLIM_OK && at) memset(text->s + (at - text->s), ' ', taken);
    glim_buf_free(&name);
    return rc;
}
