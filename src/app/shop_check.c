/* shop_check.c - whether what a language model wrote may be shown to a customer.
 *
 * The desk has an answer of its own, made of cells. The model's takes its place only if nothing in it comes from nowhere and
 * nothing that was asked for is missing:
 *
 *   1  all it says is followed by ids of rows that the model was given, and all of these are cited
 *   2  figures, codes, names in Latin letters, number words and values of closed lists stand in the rows cited behind them
 *   3  it says no where the desk's own answer says no, and only there; whether a row has what is asked, of that very row
 *   4  the values of the columns that are asked for stand in it, and a product it names is named whole
 *
 * A customer's question is no source: "it costs 1999, right?" must not make 1999 true. What is thrown away costs nothing: the
 * desk's own answer is right already, only drier. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "app/shop_internal.h"
#include "base/utf8.h"
#include "know/filter_words.h"

/* ---- texts ---- */

/* The next figure in a text: digits with points and commas between them, commas dropped. */
static bool next_figure(const char **p, const char *end, char out[64]) {
    while (*p < end && !isdigit((unsigned char)**p)) ++*p;
    if (*p == end) return false;
    size_t n = 0;
    for (; *p < end && n < 63; ++*p) {
        if (isdigit((unsigned char)**p)) out[n++] = **p;
        else if (**p == '.' && *p + 1 < end && isdigit((unsigned char)(*p)[1])) out[n++] = '.';
        else if (!(**p == ',' && *p + 1 < end && isdigit((unsigned char)(*p)[1]))) break;
    }
    out[n] = 0;
    return true;
}

static bool has_figure(const char *text, const char *figure) {
    char t[64];
    for (const char *p = text, *end = text + strlen(text); next_figure(&p, end, t);)
        if (strcmp(t, figure) == 0) return true;
    return false;
}

static bool is_word(char c) { return isalnum((unsigned char)c) && (unsigned char)c < 0x80; }

/* Whether word [n] stands in a text, as whole words where it is written in Latin letters. Case does not count. */
static bool stands(const char *text, const char *word, size_t n) {
    if (n == 0) return true;
    for (const char *p = text; (size_t)(strlen(p)) >= n; p++) {
        if (strncasecmp(p, word, n) != 0) continue;
        bool left = p == text || !is_word(p[-1]) || !is_word(word[0]), right = !is_word(p[n]) || !is_word(word[n - 1]);
        if (left && right) return true;
    }
    return false;
}

/* Overwrites what stands in a text with spaces. */
static void take_out(char *text, const char *word) {
    size_t n = strlen(word);
    if (n < 2) return;
    for (char *p = text; (p = strstr(p, word)); p += n) memset(p, ' ', n);
}

/* ---- the rows ---- */

static const glim_lib *lib_of(const glim_shop *s, const glim_shop_row *r) { return r->note ? s->notes : s->lib; }

/* All that the row says in this language: names of columns with their cells. */
static void put_row(glim_buf *out, const glim_shop *s, const glim_shop_row *r, bool zh) {
    const glim_lib *l = lib_of(s, r);
    glim_buf_printf(out, "%s\n", glim_lib_row_name(l, r->row, zh));
    for (size_t c = 0; c < l->n_col; c++) {
        if (l->col[c].type == GLIM_LIB_HIDDEN || !*glim_lib_cell(l, r->row, c)) continue;
        glim_buf_printf(out, "%s: ", glim_lib_col_name(&l->col[c], zh));
        glim_lib_show(out, l, r->row, c, zh);
        glim_buf_putc(out, '\n');
    }
}

/* ---- 2: nothing from nowhere ---- */

static const char *const ZH_NUMBERS[] = {"三", "四", "五", "六", "七", "八", "九", "十", "百", "千", "万", "半"};
static const char *const EN_NUMBERS[] = {"three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty", "thirty", "fifty", "hundred", "thousand", "half"};

/* Latin words: in Chinese all of them come from a row; in English those with a digit, and those that begin with a capital inside a
 * sentence. Chinese in English comes from a row too. */
static bool words_stand(const char *text, const char *rows, bool zh) {
    bool begins = true;
    for (const char *p = text; *p;) {
        if ((unsigned char)*p >= 0x80) {
            size_t n = 0;
            while ((unsigned char)p[n] >= 0x80) n++;
            if (!zh) {
                uint32_t cp;
                bool cjk = glim_utf8_next(p, n, &cp) > 0 && glim_term_is_cjk(cp);
                if (cjk && !stands(rows, p, n)) return false;
            }
            p += n;
            begins = false;
            continue;
        }
        if (!is_word(*p)) {
            if (strchr(".!?\n", *p)) begins = true;
            p++;
            continue;
        }
        size_t n = 0, digits = 0;
        for (; is_word(p[n]); n++) digits += isdigit((unsigned char)p[n]) != 0;
        bool name = digits < n && (zh || digits || (isupper((unsigned char)*p) && !begins && n > 1));
        if (name && !stands(rows, p, n)) return false;
        begins = false;
        p += n;
    }
    for (size_t i = 0; zh && i < GLIM_COUNT(ZH_NUMBERS); i++)
        if (strstr(text, ZH_NUMBERS[i]) && !strstr(rows, ZH_NUMBERS[i])) return false;
    for (size_t i = 0; !zh && i < GLIM_COUNT(EN_NUMBERS); i++)
        if (stands(text, EN_NUMBERS[i], strlen(EN_NUMBERS[i])) && !stands(rows, EN_NUMBERS[i], strlen(EN_NUMBERS[i]))) return false;
    return true;
}

/* Values of closed lists that the text names are those of the rows. One character says too little. */
static bool values_stand(const glim_lib *l, const char *text, const char *rows) {
    for (size_t c = 0; c < l->n_col; c++)
        for (size_t v = 0; v < l->col[c].n_value; v++) {
            const char *both[] = {l->col[c].value[v].text, l->col[c].value[v].en};
            for (size_t k = 0; k < 2; k++) {
                size_t n = both[k] ? strlen(both[k]) : 0, least = n && (unsigned char)both[k][0] >= 0x80 ? 6 : 3;
                if (n >= least && stands(text, both[k], n) && !stands(rows, both[k], n)) return false;
            }
        }
    return true;
}

/* Names a row that is not cited. The longest name first: "L9 Pro" is not the L9; of rows of one name the cited one. */
static bool speaks_of_another(const glim_shop *s, const glim_shop_answer *a, const char *text, uint32_t cited) {
    glim_buf b = {0};
    uint32_t done = 0;
    bool another = false;
    glim_buf_puts(&b, text);
    for (size_t k = 0; b.s && !another && k < a->n_rows; k++) {
        size_t at = 0, longest = 0;
        const char *name = NULL;
        for (size_t i = 0; i < a->n_rows; i++) {
            const char *of = glim_lib_row_name(lib_of(s, &a->row[i]), a->row[i].row, a->zh);
            const size_t n = 2 * strlen(of) + (cited >> i & 1);
            if (!(done >> i & 1) && (!name || n > longest)) at = i, longest = n, name = of;
        }
        done |= 1u << at;
        another = *name && !(cited >> at & 1) && stands(b.s, name, strlen(name));
        take_out(b.s, name);
    }
    another |= b.failed;
    glim_buf_free(&b);
    return another;
}

static bool segment_stands(const glim_shop *s, const glim_shop_answer *a, const char *text, uint32_t cited) {
    glim_buf rows = {0};
    char figure[64];
    for (size_t i = 0; i < a->n_rows; i++)
        if (cited >> i & 1) put_row(&rows, s, &a->row[i], a->zh);
    const char *have = glim_buf_cstr(&rows);
    bool fine = !rows.failed;
    for (const char *p = text, *end = text + strlen(text); fine && next_figure(&p, end, figure);) fine = has_figure(have, figure);
    fine = fine && words_stand(text, have, a->zh) && values_stand(s->lib, text, have) && !speaks_of_another(s, a, text, cited);
    glim_buf prose = {0}; /* said of several rows: true of each, apart from what they are called. "A is 2999 and B 3999" is also what a mix-up looks like */
    glim_buf_puts(&prose, text);
    for (size_t i = 0; prose.s && i < a->n_rows; i++)
        if (cited >> i & 1) take_out(prose.s, glim_lib_row_name(lib_of(s, &a->row[i]), a->row[i].row, a->zh));
    for (size_t i = 0; fine && (cited & (cited - 1)) && i < a->n_rows; i++) {
        if (!(cited >> i & 1)) continue;
        glim_buf_clear(&rows);
        put_row(&rows, s, &a->row[i], a->zh);
        for (const char *p = glim_buf_cstr(&prose), *end = p + prose.len; fine && next_figure(&p, end, figure);) fine = has_figure(glim_buf_cstr(&rows), figure);
        fine = fine && values_stand(s->lib, glim_buf_cstr(&prose), glim_buf_cstr(&rows));
    }
    fine = fine && !prose.failed && !rows.failed;
    glim_buf_free(&prose);
    glim_buf_free(&rows);
    return fine;
}

/* ---- 3: yes and no ---- */

/* Says no, apart from what columns and cells are called ("无线充电" holds a no). */
static bool says_no(const glim_shop *s, const glim_shop_answer *a, const char *text) {
    static const char *const zh[] = {"不", "没", "无", "否", "未"}, *const en[] = {"no", "not", "without", "none", "never", "cannot", "neither"};
    glim_buf b = {0}, cell = {0};
    glim_buf_puts(&b, text);
    for (size_t i = 0; b.s && i < a->n_rows; i++) {
        const glim_lib *l = lib_of(s, &a->row[i]);
        take_out(b.s, glim_lib_row_name(l, a->row[i].row, a->zh));
        for (size_t c = 0; c < l->n_col; c++) {
            glim_buf_clear(&cell);
            glim_lib_show(&cell, l, a->row[i].row, c, a->zh);
            if (l->col[c].type != GLIM_LIB_BOOL && cell.len > 3) take_out(b.s, glim_buf_cstr(&cell));
            take_out(b.s, glim_lib_col_name(&l->col[c], a->zh));
        }
    }
    bool no = b.failed;
    for (size_t i = 0; !no && a->zh && i < GLIM_COUNT(zh); i++) no = strstr(glim_buf_cstr(&b), zh[i]) != NULL;
    for (size_t i = 0; !no && !a->zh && i < GLIM_COUNT(en); i++) no = stands(glim_buf_cstr(&b), en[i], strlen(en[i]));
    if (!no && !a->zh) no = strstr(glim_buf_cstr(&b), "n't") != NULL;
    glim_buf_free(&b);
    glim_buf_free(&cell);
    return no;
}

/* Has the row what is asked, where that can be had or not? SOME: one thing yes, another no. */
typedef enum having { NOT_ASKED, HAS, HAS_NOT, SOME } having;
static having has_it(const glim_shop *s, const glim_shop_answer *a, const glim_shop_asks *asks, size_t i) {
    const glim_lib *l = lib_of(s, &a->row[i]);
    having h = NOT_ASKED;
    for (size_t k = 0; k < asks->n; k++) {
        size_t c = (size_t)asks->col[k];
        bool can = l->col[c].type == GLIM_LIB_BOOL || l->col[c].concept == GLIM_CONCEPT_WARM_CHARGE || l->col[c].concept == GLIM_CONCEPT_WATER;
        if (!can || !*glim_lib_cell(l, a->row[i].row, c)) continue;
        having now = glim_lib_has(l, a->row[i].row, c) ? HAS : HAS_NOT;
        h = h == NOT_ASKED || h == now ? now : SOME;
    }
    return h;
}

/* ---- 4: nothing missing ---- */

/* The figures of a cell, or where it has none the cell itself; a yes or no is its column's name (3 has looked at which). */
static bool tells(const glim_shop *s, const glim_shop_answer *a, const char *text, const glim_shop_row *r, size_t col) {
    const glim_lib *l = lib_of(s, r);
    glim_buf cell = {0};
    char figure[64];
    size_t n = 0;
    if (!*glim_lib_cell(l, r->row, col)) return true;
    if (l->col[col].type == GLIM_LIB_BOOL) {
        const char *name = glim_lib_col_name(&l->col[col], a->zh);
        return stands(text, name, strlen(name));
    }
    glim_lib_show(&cell, l, r->row, col, a->zh);
    const char *p = glim_buf_cstr(&cell), *end = p + cell.len;
    bool fine = !cell.failed;
    while (fine && next_figure(&p, end, figure)) fine = has_figure(text, figure), n++;
    if (fine && n == 0) fine = stands(text, glim_buf_cstr(&cell), cell.len);
    glim_buf_free(&cell);
    return fine;
}

/* A product named by half may be another one: "Lanstar" is the L9 and the L9 Pro. With a word of its name go those with a figure
 * behind it; what stands behind them ("phone") names nothing. */
static bool named_whole(const char *said, const char *name) {
    bool any = false;
    for (const char *w = name; *w;) {
        size_t n = strcspn(w, " "), digits = 0;
        for (size_t i = 0; i < n; i++) digits += isdigit((unsigned char)w[i]) != 0;
        bool has = n > 0 && stands(said, w, n);
        if (any && digits && !has) return false;
        any |= has;
        w += n + (w[n] == ' ');
    }
    return true;
}

static bool begins_with_yes(const char *text, bool zh) {
    text += strspn(text, " \n");
    return zh ? strncmp(text, "支持，", strlen("支持，")) == 0 || strncmp(text, "是的", strlen("是的")) == 0 : strncasecmp(text, "yes", 3) == 0;
}

/* A yes in front, or behind the name that the desk put there: to a question that nobody has read here. Only what can be had or not may
 * be answered so. */
static bool says_yes(const char *text, bool zh) {
    const char *colon = zh ? "：" : ": ", *behind = strstr(text, colon);
    return begins_with_yes(text, zh) || (behind && begins_with_yes(behind + strlen(colon), zh));
}

bool glim_shop_grounded(const glim_shop *s, const glim_shop_answer *a, const glim_shop_asks *asks, const char *answer, size_t n) {
    const char *end = answer + n;
    if (n == 0 || n > 4096 || memchr(answer, 0, n) || !glim_utf8_valid(answer, n)) return false;
    glim_buf segment = {0}, prose = {0}, own = {0};
    uint32_t all = 0, noes = 0; /* rows cited; rows of which a no is said */
    having has[GLIM_SHOP_ROWS];
    bool fine = true;
    for (size_t i = 0; i < a->n_rows; i++) fine = fine && (has[i] = has_it(s, a, asks, i)) != SOME; /* two answers in one: the desk's own says which is which */
    for (const char *p = answer; fine && p < end;) {
        if (*p != '[') {
            glim_buf_putc(&segment, *p++);
            continue;
        }
        uint32_t cited = 0;
        while (fine && p < end && *p == '[') {
            const char *e = memchr(p, ']', (size_t)(end - p));
            size_t k = e ? (size_t)(e - p) - 1 : 0;
            uint32_t known = 0;
            for (size_t i = 0; i < a->n_rows && e; i++)
                if (strlen(a->row[i].id) == k && memcmp(a->row[i].id, p + 1, k) == 0) known = 1u << i;
            fine = known != 0;
            cited |= known;
            p = e ? e + 1 : end;
            while (p + 1 < end && *p == ' ' && p[1] == '[') p++;
        }
        const char *text = glim_buf_cstr(&segment);
        fine = fine && text[strspn(text, " \n.")] && segment_stands(s, a, text, cited);
        for (size_t i = 0; fine && i < a->n_rows && says_yes(text, a->zh); i++) fine = !(cited >> i & 1) || has[i] != NOT_ASKED;
        having shared = NOT_ASKED;
        for (size_t i = 0; fine && i < a->n_rows; i++) {
            if (!(cited >> i & 1) || has[i] == NOT_ASKED) continue;
            fine = shared == NOT_ASKED || shared == has[i];
            shared = has[i];
        }
        if (fine && says_no(s, a, text)) noes |= cited;
        all |= cited;
        glim_buf_append(&prose, segment.s, segment.len);
        glim_buf_clear(&segment);
    }
    const char *left = glim_buf_cstr(&segment), *said = glim_buf_cstr(&prose);
    fine = fine && !segment.failed && !prose.failed && left[strspn(left, " \n")] == 0 && all == (1u << a->n_rows) - 1;
    /* The desk's own sentences less their ids. */
    for (const char *p = glim_buf_cstr(&a->text); *p; p++) {
        if (*p == '[' && strchr(p, ']')) p = strchr(p, ']');
        else glim_buf_putc(&own, *p);
    }
    fine = fine && says_no(s, a, said) == says_no(s, a, glim_buf_cstr(&own));
    for (size_t i = 0; fine && i < a->n_rows; i++)
        if (has[i] != NOT_ASKED) fine = (noes >> i & 1) == (has[i] == HAS_NOT);
    for (size_t i = 0; fine && i < a->n_rows; i++) {
        const char *name = glim_lib_row_name(lib_of(s, &a->row[i]), a->row[i].row, a->zh);
        fine = named_whole(said, name) && (!asks->names || stands(said, name, strlen(name)));
        for (size_t k = 0; fine && k < asks->n; k++) fine = tells(s, a, said, &a->row[i], (size_t)asks->col[k]);
    }
    glim_buf_free(&segment);
    glim_buf_free(&prose);
    glim_buf_free(&own);
    return fine;
}
