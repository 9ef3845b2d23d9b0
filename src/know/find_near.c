/* find_near.c - models that nobody sells: "L9 Pro Max" where there is an L9 Pro, "L10" where there is an L9.
 *
 * A model is a Latin word with a figure, "L9", or a word of a name and a figure behind it, "Mist 3", with the words of editions that
 * follow: "Pro", "Max", whatever else stands in names, and "青春版". If no name has all of it, the nearest names are no answer. */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "know/filter_words.h"
#include "know/find_internal.h"
#include "know/units.h"

enum { HITS = 40, TOKENS = 6, NAME = 256 };

typedef struct token {
    const char *s;
    size_t n;
} token;

static bool letter(char c) { return c >= 'a' && c <= 'z'; }
static bool digit(char c) { return c >= '0' && c <= '9'; }
static bool in_word(char c) { return letter(c) || digit(c); }

static token word_at(const char *p) {
    token t = {p, 0};
    while (in_word(p[t.n])) t.n++;
    return t;
}

static bool all_digits(token t) {
    for (size_t i = 0; i < t.n; i++)
        if (!digit(t.s[i])) return false;
    return t.n > 0;
}

static bool is_model(token t) {
    bool d = false;
    for (size_t i = 0; i < t.n; i++) d |= digit(t.s[i]);
    return d && letter(t.s[0]) && !(t.s[0] == 'x' && t.n > 1 && all_digits((token){t.s + 1, t.n - 1})); /* "x2": so many */
}

/* The word in the folded text, between boundaries, or NULL. */
static const char *holds(const char *text, token t) {
    if (t.n == 0) return NULL; /* strchr would find the text's end, and go on behind it */
    for (const char *p = text; (p = strchr(p, t.s[0])) != NULL; p++)
        if (strncmp(p, t.s, t.n) == 0 && !in_word(p[t.n]) && (p == text || !in_word(p[-1]))) return p;
    return NULL;
}

/* The folded name, "" where it is too long. */
static void name_of(const glim_find *f, uint32_t row, size_t c, char out[NAME]) {
    glim_buf b = {0};
    glim_err err = {0};
    const char *s = glim_lib_cell(f->l, row, c);
    const bool ok = glim_terms_fold(&b, s, strlen(s), &err) == GLIM_OK && b.len < NAME;
    snprintf(out, NAME, "%s", ok ? glim_buf_cstr(&b) : "");
    glim_buf_free(&b);
}

/* How many of the words stand in one of the row's names; all of them too if the row says the whole phrase anywhere. */
static size_t shares(const glim_find *f, uint32_t row, const token *t, size_t n, const char *phrase) {
    size_t best = 0;
    char name[NAME];
    for (size_t c = 0; c < f->l->n_col; c++) {
        if (f->l->col[c].type == GLIM_LIB_HIDDEN) continue;
        name_of(f, row, c, name);
        size_t k = 0;
        if (f->l->col[c].type == GLIM_LIB_NAME)
            for (size_t i = 0; i < n; i++) k += holds(name, t[i]) != NULL;
        else if (holds(name, (token){phrase, strlen(phrase)})) k = n;
        if (k > best) best = k;
    }
    return best;
}

/* Does a word of the question begin or end with it, and so is it no part of a model? */
static bool of_questions(const glim_find *f, token t) {
#define IS(w) (strncmp((w), t.s, t.n) == 0 && (!(w)[t.n] || (w)[t.n] == ' '))
    for (size_t w = 0; w < glim_n_words; w++)
        if (glim_words[w].kind > GLIM_WORD_GT_BEFORE && IS(glim_words[w].text)) return true;
    for (size_t c = 0; c < f->l->n_col; c++) {
        const glim_lib_col *col = &f->l->col[c];
        for (size_t a = 0; a < col->n_alias; a++)
            if (IS(col->alias[a])) return true;
        for (size_t v = 0; v < col->n_value; v++)
            for (size_t a = 0; a < col->value[v].n_alias; a++)
                if (IS(col->value[v].alias[a])) return true;
    }
#undef IS
    return false;
}

static glim_status hits_of(glim_find *f, const char *text, size_t n, glim_index_hit *hits, size_t *n_hits, glim_err *err) {
    return glim_index_search(f->ix, f->w, text, n, &(glim_index_params){.limit = HITS, .exact = true}, hits, n_hits, err);
}

/* Is it a word of some name? */
static glim_status of_names(glim_find *f, token t, bool *so, glim_err *err) {
    glim_index_hit hits[HITS];
    size_t n = 0;
    *so = false;
    glim_status rc = hits_of(f, t.s, t.n, hits, &n, err);
    for (size_t i = 0; rc == GLIM_OK && i < n && !*so; i++) *so = shares(f, hits[i].row, &t, 1, "") > 0;
    return rc;
}

static glim_status of_editions(glim_find *f, token t, bool *so, glim_err *err) {
    static const char *const words[] = {"pro", "max", "plus", "ultra", "mini", "lite", "se", "air", "fold", "flip", "note", "neo", "turbo", "gt", "fe", "xl", "premium", "deluxe"};
    *so = false;
    if (digit(t.s[0]) || is_model(t) || of_questions(f, t)) return GLIM_OK; /* "256GB" is in its cell if not in its name */
    for (size_t i = 0; i < GLIM_COUNT(words); i++) *so |= strlen(words[i]) == t.n && memcmp(words[i], t.s, t.n) == 0;
    return *so ? GLIM_OK : of_names(f, t, so, err);
}

/* A word of a name with the same letters and another figure: "L9" for "l10". False: there is none. */
static bool alike(const glim_find *f, token t, char *as, size_t cap) {
    size_t k = 0;
    while (k < t.n && letter(t.s[k])) k++;
    for (size_t c = 0; c < f->l->n_col; c++)
        for (uint32_t r = 0; f->l->col[c].type == GLIM_LIB_NAME && r < f->l->n_rows; r++) {
            const char *name = glim_lib_cell(f->l, r, c);
            for (const char *p = name; *p; p++) {
                if (tolower((unsigned char)*p) != t.s[0] || (p > name && isalnum((unsigned char)p[-1])) || strncasecmp(p, t.s, k) != 0 || !digit(p[k])) continue;
                size_t e = k;
                while (digit(p[e])) e++;
                if (isalnum((unsigned char)p[e]) || e + 1 > cap) continue;
                for (size_t i = 0; i <= e; i++) as[i] = i < e ? (char)tolower((unsigned char)p[i]) : 0;
                return true;
            }
        }
    return false;
}

/* How far the row's name is from the words: one for each of its own Latin words that is none of them. */
static size_t others(const glim_find *f, uint32_t row, const token *t, size_t n) {
    size_t least = SIZE_MAX;
    char name[NAME];
    for (size_t c = 0; c < f->l->n_col; c++) {
        if (f->l->col[c].type != GLIM_LIB_NAME) continue;
        name_of(f, row, c, name);
        size_t k = 0;
        for (const char *p = name; *p;) {
            const token w = word_at(p);
            bool wanted = w.n == 0;
            for (size_t i = 0; i < n && !wanted; i++) wanted = w.n == t[i].n && memcmp(w.s, t[i].s, w.n) == 0;
            k += !wanted;
            p += w.n ? w.n : 1;
        }
        if (k < least) least = k;
    }
    return least;
}

/* "青春版" right behind the model: its bytes, or 0. */
static size_t edition_zh(const char *p) {
    for (size_t n = 3; n <= 9; n += 3) {
        if ((unsigned char)p[n - 3] < 0xe4 || (unsigned char)p[n - 3] > 0xe9) return 0;
        if (n > 3 && strncmp(p + n - 3, "版", 3) == 0) return n;
    }
    return 0;
}

/* Does a figure follow the word in some name, as in "Mist 3"? */
static glim_status numbered(glim_find *f, token t, bool *so, glim_err *err) {
    glim_index_hit hits[HITS];
    char name[NAME];
    size_t n = 0;
    *so = false;
    glim_status rc = hits_of(f, t.s, t.n, hits, &n, err);
    for (size_t i = 0; rc == GLIM_OK && i < n && !*so; i++)
        for (size_t c = 0; c < f->l->n_col && !*so; c++) {
            if (f->l->col[c].type != GLIM_LIB_NAME) continue;
            name_of(f, hits[i].row, c, name);
            const char *p = holds(name, t);
            *so = p && p[t.n] == ' ' && all_digits(word_at(p + t.n + 1));
        }
    return rc;
}

/* The model that begins at p, its words and its end; *n 0: none does. */
static glim_status model_at(glim_find *f, const char *p, token *t, size_t *n, const char **end, glim_err *err) {
    token first = word_at(p), next;
    bool so = is_model(first);
    *n = 0;
    glim_status rc = GLIM_OK;
    if (!so && first.n > 1 && !all_digits(first) && p[first.n] == ' ' && (next = word_at(p + first.n + 1)).n && all_digits(next) && next.n < 4 && !of_questions(f, first)) {
        const char *behind = next.s + next.n;
        behind += strspn(behind, " ");
        if (glim_piece_word(behind, strlen(behind)) || glim_person_word(behind, strlen(behind))) return rc;
        rc = numbered(f, first, &so, err);
        if (so) t[(*n)++] = first, first = next;
    }
    if (rc != GLIM_OK || !so) return rc;
    t[(*n)++] = first;
    *end = first.s + first.n;
    while (rc == GLIM_OK && *n < TOKENS && (**end == ' ' || **end == '-') && in_word((*end)[1])) {
        next = word_at(*end + 1);
        rc = of_editions(f, next, &so, err);
        if (!so) break;
        t[(*n)++] = next;
        *end = next.s + next.n;
    }
    return rc;
}

/* "l9pro": of two words that stand so in a name. */
static glim_status spelt_apart(glim_find *f, const char *phrase, bool *so, glim_err *err) {
    glim_buf b = {0};
    glim_index_hit hits[HITS];
    char name[NAME];
    size_t n = 0;
    *so = false;
    glim_status rc = glim_find_respell(f, &b, phrase, strlen(phrase), err);
    if (rc == GLIM_OK && strcmp(glim_buf_cstr(&b), phrase) != 0) rc = hits_of(f, b.s, b.len, hits, &n, err);
    for (size_t i = 0; rc == GLIM_OK && i < n && !*so; i++)
        for (size_t c = 0; c < f->l->n_col && !*so; c++) {
            if (f->l->col[c].type != GLIM_LIB_NAME) continue;
            name_of(f, hits[i].row, c, name);
            *so = holds(name, (token){b.s, b.len}) != NULL;
        }
    glim_buf_free(&b);
    return rc;
}

glim_status glim_find_no_such(glim_find *f, const char *text, glim_buf *model, uint32_t *near_, size_t cap, size_t *n_near, glim_err *err) {
    glim_index_hit hits[HITS];
    token t[TOKENS + 1];
    char phrase[NAME];
    glim_status rc = GLIM_OK;
    *n_near = 0;
    for (const char *p = text; rc == GLIM_OK && *p && *n_near == 0;) {
        if (!in_word(*p) || (p > text && in_word(p[-1]))) {
            p++;
            continue;
        }
        const char *end = p;
        size_t n = 0, n_hits = 0, most = 0;
        bool key_known = false;
        rc = model_at(f, p, t, &n, &end, err);
        if (rc != GLIM_OK || n == 0) {
            p += word_at(p).n;
            continue;
        }
        const size_t zh = edition_zh(end);
        if (zh) t[n++] = (token){end, zh}, end += zh;
        const char *from = p;
        p = end;
        if ((size_t)(end - from) >= sizeof phrase) continue;
        snprintf(phrase, sizeof phrase, "%.*s", (int)(end - from), from);
        rc = hits_of(f, phrase, strlen(phrase), hits, &n_hits, err);
        for (size_t i = 0; rc == GLIM_OK && i < n_hits; i++) {
            const size_t k = shares(f, hits[i].row, t, n, phrase);
            if (k > most) most = k;
            key_known |= shares(f, hits[i].row, t, 1, "") > 0;
        }
        if (rc != GLIM_OK || most == n) continue;
        const bool pair = n > 1 && all_digits(t[1]);
        token key = t[0]; /* what a near name has in any case */
        char like[32];
        if (!pair && !key_known) {
            bool spelt;
            rc = spelt_apart(f, phrase, &spelt, err);
            if (rc != GLIM_OK || spelt || !alike(f, t[0], like, sizeof like)) continue;
            key = (token){like, strlen(like)};
            rc = hits_of(f, like, key.n, hits, &n_hits, err);
        }
        t[0] = key;
        for (; rc == GLIM_OK && *n_near < cap; (*n_near)++) { /* the nearest first */
            size_t best = 0, at = HITS;
            for (size_t i = 0; i < n_hits; i++) {
                bool had = !shares(f, hits[i].row, &key, 1, "");
                for (size_t k = 0; k < *n_near; k++) had |= near_[k] == hits[i].row;
                const size_t away = had ? 0 : others(f, hits[i].row, t, n), worth = had ? 0 : 1 + 64 * shares(f, hits[i].row, t, n, "") + (away < 63 ? 63 - away : 0);
                if (worth > best) best = worth, at = i;
            }
            if (at == HITS) break;
            near_[*n_near] = hits[at].row;
        }
        if (*n_near) glim_buf_puts(model, phrase);
    }
    return rc == GLIM_OK ? glim_buf_status(model, "a model", err) : rc;
}
