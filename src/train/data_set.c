/* data_set.c - opening a set of rows: the format, bad rows, storage, hash, order. See data_set.h. */
#include "train/data_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "net/sha256.h"
#include "train/data_internal.h"

static const char *const format_names[GLIM_N_DATA_FORMAT] = {"guess", "chat", "alpaca", "sharegpt", "preference", "text", "table"};

const char *glim_data_format_name(glim_data_format f) { return (unsigned)f < GLIM_N_DATA_FORMAT ? format_names[f] : "guess"; }
const char *glim_data_format_names(void) { return "chat, alpaca, sharegpt, preference, text, table"; }

bool glim_data_format_parse(const char *name, glim_data_format *out) {
    for (int f = GLIM_DATA_CHAT; f < GLIM_N_DATA_FORMAT; f++)
        if (strcmp(name, format_names[f]) == 0) {
            *out = (glim_data_format)f;
            return true;
        }
    return false;
}

/* ---- storage ---- */

glim_status glim_dataset_push(glim_dataset *d, const int32_t *tokens, const uint8_t *loss, size_t n, size_t line, glim_err *err) {
    void *p;
    glim_status rc;
    if (d->cap_tok - d->n_tok < n) {
        size_t cap = d->cap_tok ? 2 * d->cap_tok : 4096;
        while (cap - d->n_tok < n) cap *= 2;
        p = d->tokens;
        if ((rc = glim_try_realloc(&p, cap, sizeof *d->tokens, "the tokens of a data set", err)) != GLIM_OK) return rc;
        d->tokens = p;
        p = d->loss;
        if ((rc = glim_try_realloc(&p, cap, 1, "the loss mask of a data set", err)) != GLIM_OK) return rc;
        d->loss = p;
        d->cap_tok = cap;
    }
    if (d->n_ex == d->cap_ex && (rc = glim_try_grow(&d->ex, &d->cap_ex, 256, sizeof *d->ex, "the examples of a data set", err)) != GLIM_OK) return rc;
    memcpy(d->tokens + d->n_tok, tokens, n * sizeof *tokens);
    memcpy(d->loss + d->n_tok, loss, n);
    d->ex[d->n_ex++] = (glim_data_span){d->n_tok, n, line};
    d->n_tok += n;
    return GLIM_OK;
}

void glim_dataset_free(glim_dataset *d) {
    if (!d) return;
    free(d->tokens);
    free(d->loss);
    free(d->ex);
    free(d);
}

void glim_data_report_free(glim_data_report *r) {
    free(r->bad);
    *r = (glim_data_report){0};
}

size_t glim_dataset_n(const glim_dataset *d) { return d->pairs ? d->n_ex / 2 : d->n_ex; }
bool glim_dataset_is_preference(const glim_dataset *d) { return d->pairs; }
const char *glim_dataset_hash(const glim_dataset *d) { return d->hash; }

static glim_example example_at(const glim_dataset *d, size_t i) {
    return (glim_example){d->tokens + d->ex[i].off, d->loss + d->ex[i].off, d->ex[i].n};
}

glim_status glim_dataset_example(const glim_dataset *d, size_t index, glim_example *out) {
    if (d->pairs || index >= d->n_ex) return GLIM_E_ARG;
    *out = example_at(d, index);
    return GLIM_OK;
}

glim_status glim_dataset_pair(const glim_dataset *d, size_t index, glim_example *chosen, glim_example *rejected) {
    if (!d->pairs || index >= d->n_ex / 2) return GLIM_E_ARG;
    *chosen = example_at(d, 2 * index);
    *rejected = example_at(d, 2 * index + 1);
    return GLIM_OK;
}

void glim_example_answer(const glim_example *e, size_t *begin, size_t *end) {
    *end = e->n;
    while (*end && !e->loss[*end - 1]) --*end;
    *begin = *end;
    while (*begin && e->loss[*begin - 1]) --*begin;
}

/* The pieces of the tokens [from, to) behind what out has. */
static void put_pieces(glim_buf *out, const glim_tok *tok, const int32_t *tokens, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        size_t n;
        const char *s = glim_tok_piece(tok, tokens[i], &n);
        if (s) glim_buf_append(out, s, n);
    }
}

static bool is_blank(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", s[i])) return false;
    return true;
}

size_t glim_example_said(const glim_example *e, const glim_tok *tok, size_t begin, size_t end) {
    static const char OPEN[] = "<think>", CLOSE[] = "</think>";
    enum { N_OPEN = sizeof OPEN - 1, N_CLOSE = sizeof CLOSE - 1 };
    glim_buf b = {0};
    put_pieces(&b, tok, e->tokens, begin < N_OPEN ? 0 : begin - N_OPEN, begin); /* a tag may be as many tokens as bytes */
    bool opened = b.len >= N_OPEN && memcmp(b.s + b.len - N_OPEN, OPEN, N_OPEN) == 0;
    size_t at = begin, seen = 0;
    glim_buf_clear(&b);
    for (; at < end && !b.failed; at++) {
        put_pieces(&b, tok, e->tokens, at, at + 1);
        if (!opened) {
            size_t blank = 0;
            while (blank < b.len && is_blank(b.s + blank, 1)) blank++;
            const size_t n = b.len - blank < N_OPEN ? b.len - blank : N_OPEN;
            if (n && memcmp(b.s + blank, OPEN, n) != 0) break;
            opened = n == N_OPEN;
        }
        const char *tag = opened ? memmem(b.s + seen, b.len - seen, CLOSE, N_CLOSE) : NULL;
        if (opened && !tag) seen = b.len < N_CLOSE ? 0 : b.len - N_CLOSE;
        if (!tag) continue;
        tag += N_CLOSE;
        if (!is_blank(tag, (size_t)(b.s + b.len - tag))) break; /* one token for the tag's end and a word: no place to part them */
        for (begin = at + 1; begin < end; begin++) {
            glim_buf_clear(&b);
            put_pieces(&b, tok, e->tokens, begin, begin + 1);
            if (b.len == 0 || !is_blank(b.s, b.len)) break;
        }
        break;
    }
    glim_buf_free(&b);
    return begin;
}

size_t glim_dataset_line(const glim_dataset *d, size_t index) {
    size_t i = d->pairs ? 2 * index : index;
    return i < d->n_ex ? d->ex[i].line : 0;
}

size_t glim_dataset_split_rows(const glim_dataset *d, size_t *line) {
    *line = d->split_line;
    return d->n_split;
}

static void hash_le64(glim_sha256 *h, uint64_t v) {
    uint8_t b[8];
    for (int i = 0; i < 8; i++) b[i] = (uint8_t)(v >> (8 * i));
    glim_sha256_update(h, b, sizeof b);
}

/* Lengths, tokens and masks; the tokens in the machine's order, which is little-endian wherever Glim runs. */
static void make_hash(glim_dataset *d) {
    glim_sha256 h;
    glim_sha256_init(&h);
    hash_le64(&h, d->pairs);
    for (size_t i = 0; i < d->n_ex; i++) {
        glim_example e = example_at(d, i);
        hash_le64(&h, e.n);
        glim_sha256_update(&h, e.tokens, e.n * sizeof *e.tokens);
        glim_sha256_update(&h, e.loss, e.n);
    }
    glim_sha256_final(&h, d->hash);
}

glim_status glim_dataset_from_examples(glim_dataset **out, const glim_example *ex, size_t n, glim_err *err) {
    glim_dataset *d = glim_xcalloc(1, sizeof *d);
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        if (ex[i].n && ex[i].loss[0]) rc = glim_fail(err, GLIM_E_ARG, "example %zu: its first token counts in the loss", i);
        if (rc == GLIM_OK) rc = glim_dataset_push(d, ex[i].tokens, ex[i].loss, ex[i].n, 0, err);
    }
    if (rc != GLIM_OK) {
        glim_dataset_free(d);
        return rc;
    }
    make_hash(d);
    *out = d;
    return GLIM_OK;
}

/* ---- rows ---- */

/* Errors that are about the row and not about the world. */
static bool is_bad_row(glim_status rc) { return rc != GLIM_E_NOMEM && rc != GLIM_E_CANCELLED && rc != GLIM_E_IO && rc != GLIM_E_ARG; }

static glim_status note_bad(glim_data_reader *r, const glim_err *why, glim_err *err) {
    glim_data_report *rep = r->r;
    size_t most = r->p->max_listed ? r->p->max_listed : 10;
    rep->n_bad++;
    if (rep->n_listed >= most) return GLIM_OK;
    void *p = rep->bad;
    glim_status rc = glim_try_realloc(&p, rep->n_listed + 1, sizeof *rep->bad, "bad rows", err);
    if (rc != GLIM_OK) return rc;
    rep->bad = p;
    glim_bad_row *b = &rep->bad[rep->n_listed++];
    b->line = r->line;
    /* The message may be longer than its place: cut between characters. */
    size_t n = strnlen(why->msg, sizeof why->msg);
    if (n >= sizeof b->reason) {
        n = sizeof b->reason - 1;
        while (n && ((unsigned char)why->msg[n] & 0xc0) == 0x80) n--;
    }
    memcpy(b->reason, why->msg, n);
    b->reason[n] = 0;
    return GLIM_OK;
}

/* What became of the row in hand: counted, listed when bad, passed on when the trouble is not the row's. */
static glim_status end_row(glim_data_reader *r, glim_status rc, const glim_err *why, glim_err *err) {
    if (rc == GLIM_OK) return GLIM_OK;
    if (!is_bad_row(rc)) {
        if (err) *err = *why;
        if (rc == GLIM_E_ARG) glim_err_context(err, "line %zu", r->line);
        return rc;
    }
    return note_bad(r, why, err);
}

static bool enough(const glim_data_reader *r) { return r->p->max_rows && r->r->n_rows >= r->p->max_rows; }

typedef struct walk {
    glim_data_reader *r;
    const char *base; /* the file's bytes, for progress */
    size_t total, told;
    bool enough; /* max_rows are read: the error that ended the walk is none */
    glim_status (*row)(glim_data_reader *r, const char *text, size_t len, glim_err *err);
} walk;

static glim_status progress(walk *w, const char *at, glim_err *err) {
    const glim_data_params *p = w->r->p;
    size_t done = (size_t)(at - w->base);
    if (!p->progress || done - w->told < (1u << 20)) return GLIM_OK;
    w->told = done;
    return p->progress(p->progress_ctx, done, w->total) ? GLIM_OK : glim_fail(err, GLIM_E_CANCELLED, "reading \"%s\" was stopped", w->r->name);
}

static glim_status on_row(void *ctx, size_t line, const char *text, size_t len, glim_err *err) {
    walk *w = ctx;
    glim_err why = {0};
    w->enough = enough(w->r);
    if (w->enough) return GLIM_E_CANCELLED;
    w->r->line = line;
    w->r->r->n_rows++;
    size_t ex0 = w->r->d->n_ex, tok0 = w->r->d->n_tok;
    glim_status rc = w->row(w->r, text, len, &why);
    if (rc != GLIM_OK) w->r->d->n_ex = ex0, w->r->d->n_tok = tok0;
    rc = end_row(w->r, rc, &why, err);
    return rc == GLIM_OK ? progress(w, text + len, err) : rc;
}

static glim_status parse_row(json_t **out, const char *text, size_t len, glim_err *err) {
    glim_status rc = glim_json_parse(out, text, len, 0, err);
    if (rc != GLIM_OK || json_is_object(*out)) return rc;
    rc = glim_fail(err, GLIM_E_FORMAT, "got %s, want an object", glim_json_type_name(*out));
    json_decref(*out);
    return rc;
}

static glim_status conv_row(glim_data_reader *r, const char *text, size_t len, glim_err *err) {
    json_t *row;
    glim_data_conv conv = {0};
    glim_status rc = parse_row(&row, text, len, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_data_shape(&conv, r->r->format, row, err);
    if (rc == GLIM_OK) rc = glim_data_add_conv(r, &conv, err);
    glim_data_conv_free(&conv);
    json_decref(row);
    return rc;
}

static glim_status text_row(glim_data_reader *r, const char *text, size_t len, glim_err *err) {
    json_t *row;
    glim_status rc = parse_row(&row, text, len, err);
    if (rc != GLIM_OK) return rc;
    const json_t *v = json_object_get(row, "text");
    rc = json_is_string(v) ? glim_data_add_text(r, json_string_value(v), json_string_length(v), err)
                           : glim_fail(err, GLIM_E_FORMAT, "\"text\": got %s, want a string", glim_json_type_name(v));
    json_decref(row);
    return rc;
}

/* ---- tables ---- */

static glim_status choose_templates(glim_data_reader *r, const glim_data_cells *c, char **prompt, char **answer, glim_err *err) {
    glim_data_report *rep = r->r;
    char *p = NULL, *a = NULL;
    if (!r->p->prompt || !r->p->answer) {
        bool known = glim_data_table_guess(c, &p, &a);
        if (!known) {
            glim_buf have = {0};
            for (size_t i = 0; i < c->n; i++) glim_buf_printf(&have, "%s{%s}", i ? ", " : "", c->name[i]);
            glim_fail(err, GLIM_E_ARG, "\"%s\" has the columns %s: which are the prompt and the answer?", r->name,
                      have.len ? have.s : "(none)");
            glim_err_hint(err, "give templates, for instance --prompt \"{%s}\" --answer \"{%s}\"", c->n ? c->name[0] : "text",
                          c->n > 1 ? c->name[1] : "label");
            glim_buf_free(&have);
            return GLIM_E_ARG;
        }
    }
    if (r->p->prompt) free(p), p = glim_xstrdup(r->p->prompt);
    if (r->p->answer) free(a), a = glim_xstrdup(r->p->answer);
    *prompt = p;
    *answer = a;
    snprintf(rep->how, sizeof rep->how, "table, prompt \"%.80s\", answer \"%.80s\"%s", p, a,
             r->p->prompt && r->p->answer ? "" : " (guessed from the columns' names)");
    return GLIM_OK;
}

static glim_status table_row(glim_data_reader *r, const glim_data_cells *c, const char *prompt, const char *answer, glim_err *err) {
    glim_buf_clear(&r->text);
    glim_buf_clear(&r->text2);
    glim_status rc = glim_data_table_fill(&r->text, prompt, c, err);
    if (rc == GLIM_OK) rc = glim_data_table_fill(&r->text2, answer, c, err);
    if (rc == GLIM_OK && (!glim_utf8_valid(r->text.s, r->text.len) || !glim_utf8_valid(r->text2.s, r->text2.len)))
        rc = glim_fail(err, GLIM_E_FORMAT, "the row is not valid UTF-8");
    return rc == GLIM_OK ? glim_data_add_answer(r, glim_buf_cstr(&r->text), r->text.len, glim_buf_cstr(&r->text2), r->text2.len, err) : rc;
}

enum { MAX_COLUMNS = 1024 };

static glim_status read_csv(glim_data_reader *r, const char *text, size_t len, glim_err *err) {
    glim_csv csv;
    bool more;
    char *prompt = NULL, *answer = NULL, *header = NULL;
    const char **name = glim_xcalloc(MAX_COLUMNS, sizeof *name), **value = glim_xcalloc(MAX_COLUMNS, sizeof *value);
    size_t n = strlen(r->name);
    walk w = {.r = r, .base = text, .total = len};
    glim_csv_init(&csv, text, len, n > 4 && strcasecmp(r->name + n - 4, ".tsv") == 0 ? '\t' : 0);
    glim_status rc = glim_csv_next(&csv, &more, err);
    if (rc == GLIM_OK && !more) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is empty, want a header line with the columns' names", r->name);
    size_t n_col = csv.n_cells;
    if (rc == GLIM_OK && n_col > MAX_COLUMNS)
        rc = glim_fail(err, GLIM_E_LIMIT, "\"%s\" has %zu columns, want at most %d", r->name, n_col, MAX_COLUMNS);
    if (rc == GLIM_OK) {
        void *p;
        rc = glim_try_calloc(&p, csv.text.len + 1, 1, "a header line", err);
        header = p;
        if (rc == GLIM_OK) memcpy(header, glim_buf_cstr(&csv.text), csv.text.len);
        for (size_t i = 0; i < n_col && rc == GLIM_OK; i++) name[i] = header + csv.cell[i];
    }
    glim_data_cells cells = {name, value, NULL, n_col};
    if (rc == GLIM_OK) rc = choose_templates(r, &cells, &prompt, &answer, err);
    while (rc == GLIM_OK && !enough(r)) {
        glim_err why = {0};
        rc = glim_csv_next(&csv, &more, &why);
        if (rc == GLIM_OK && !more) break;
        r->line = csv.line;
        r->r->n_rows++;
        if (rc == GLIM_OK && csv.n_cells != n_col)
            rc = glim_fail(&why, GLIM_E_FORMAT, "%zu cells, but the header has %zu columns", csv.n_cells, n_col);
        if (rc == GLIM_OK) {
            for (size_t i = 0; i < n_col; i++) value[i] = csv.text.s + csv.cell[i];
            cells.len = csv.cell_len;
            rc = table_row(r, &cells, prompt, answer, &why);
        }
        rc = end_row(r, rc, &why, err);
        if (rc == GLIM_OK) rc = progress(&w, text + csv.at, err);
    }
    glim_csv_deinit(&csv);
    free(header);
    free(name);
    free(value);
    free(prompt);
    free(answer);
    return rc;
}

typedef struct json_table {
    glim_data_reader r; /* first: on_row's reader */
    char *prompt, *answer;
} json_table;

/* A flat object as named texts: strings as they are, other values as JSON. */
static glim_status object_row(glim_data_reader *r, const char *text, size_t len, glim_err *err) {
    json_table *t = (json_table *)r;
    json_t *row;
    glim_status rc = parse_row(&row, text, len, err);
    if (rc != GLIM_OK) return rc;
    size_t n = json_object_size(row), i = 0;
    const char **name = NULL, **value = NULL;
    size_t *lens = NULL;
    glim_buf dumped = {0};
    const char *key;
    json_t *v;
    void *p[3] = {NULL};
    if (n > MAX_COLUMNS) rc = glim_fail(err, GLIM_E_LIMIT, "%zu keys, want at most %d", n, MAX_COLUMNS);
    for (int k = 0; k < 3 && rc == GLIM_OK; k++) rc = glim_try_calloc(&p[k], n + 1, sizeof(size_t), "a row's columns", err);
    name = p[0], value = p[1], lens = p[2];
    if (rc == GLIM_OK) {
        json_object_foreach(row, key, v) { /* first the texts that are made: their place may move */
            if (!json_is_string(v)) {
                lens[i] = dumped.len;
                glim_json_dump_py(&dumped, v, -1, false);
                glim_buf_putc(&dumped, 0);
            }
            name[i++] = key;
        }
        rc = glim_buf_status(&dumped, "a row's columns", err);
    }
    if (rc == GLIM_OK) {
        i = 0;
        json_object_foreach(row, key, v) {
            value[i] = json_is_string(v) ? json_string_value(v) : dumped.s + lens[i];
            lens[i] = json_is_string(v) ? json_string_length(v) : strlen(value[i]);
            i++;
        }
        glim_data_cells cells = {name, value, lens, n};
        if (!t->prompt) rc = choose_templates(r, &cells, &t->prompt, &t->answer, err);
        if (rc == GLIM_OK) {
            rc = table_row(r, &cells, t->prompt, t->answer, err);
            /* Here a missing column is the row's fault: another row may have it. */
            if (rc == GLIM_E_ARG) rc = GLIM_E_FORMAT;
        }
    }
    for (int k = 0; k < 3; k++) free(p[k]);
    glim_buf_free(&dumped);
    json_decref(row);
    return rc;
}

/* ---- the format ---- */

static bool ends_in(const char *name, const char *tail) {
    size_t n = strlen(name), m = strlen(tail);
    return n >= m && strcasecmp(name + n - m, tail) == 0;
}

static bool is_csv_name(const char *name) { return ends_in(name, ".csv") || ends_in(name, ".tsv"); }

typedef struct first {
    glim_data_format f;
    size_t line; /* of the first row, if it is bad; 0: none was seen */
    glim_err why;
    char last;   /* its last byte */
} first;

static glim_status first_row(void *ctx, size_t line, const char *text, size_t len, glim_err *err) {
    first *seen = ctx;
    json_t *row;
    (void)err;
    glim_err why = {0};
    if (parse_row(&row, text, len, &why) != GLIM_OK) { /* bad: the next one may tell */
        if (seen->line == 0) seen->line = line, seen->why = why, seen->last = len ? text[len - 1] : 0;
        return GLIM_OK;
    }
    seen->f = glim_data_shape_guess(row);
    if (seen->f == GLIM_DATA_GUESS && json_object_size(row)) seen->f = GLIM_DATA_TABLE;
    json_decref(row);
    return seen->f != GLIM_DATA_GUESS ? GLIM_E_CANCELLED : GLIM_OK; /* found: no further row is looked at */
}

static glim_status guess(glim_data_format *f, const char *name, const char *text, size_t len, glim_err *err) {
    first seen = {.f = GLIM_DATA_GUESS};
    if (is_csv_name(name)) seen.f = GLIM_DATA_TABLE;
    else if (ends_in(name, ".txt") || ends_in(name, ".md")) seen.f = GLIM_DATA_TEXT;
    else glim_rows_each(text, len, first_row, &seen, NULL);
    *f = seen.f;
    if (*f != GLIM_DATA_GUESS) return GLIM_OK;
    if (seen.line == 0) {
        size_t i = 0;
        while (i < len && strchr(" \t\r\n", text[i])) i++;
        if (i == len) return glim_fail(err, GLIM_E_FORMAT, "\"%s\" is empty", name);
    }
    glim_status rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": the format could not be guessed: no row is a JSON object (line %zu: %.160s), and the name "
                               "does not end in .csv, .tsv or .txt", name, seen.line ? seen.line : 1, seen.line ? seen.why.msg : "it has no columns");
    if (seen.last == ',') glim_err_hint(err, "each line is an object by itself, with no comma behind it; or all of them are one array, between [ and ]");
    else glim_err_hint(err, "name it with --format: %s", glim_data_format_names());
    return rc;
}

/* A text format is one document, unless its rows are objects with "text". */
static bool is_whole_text(const char *name, const char *text, size_t len) {
    first seen = {.f = GLIM_DATA_GUESS};
    if (!ends_in(name, ".txt") && !ends_in(name, ".md")) glim_rows_each(text, len, first_row, &seen, NULL);
    return seen.f == GLIM_DATA_GUESS;
}

/* What was given for rows of another kind would be left aside without a word. */
static glim_status check_given(const glim_data_params *p, const char *name, glim_data_format f, glim_err *err) {
    if ((p->prompt || p->answer) && f != GLIM_DATA_TABLE) {
        glim_fail(err, GLIM_E_ARG, "\"%s\" is read as %s: templates of a prompt and an answer are for tables", name, glim_data_format_name(f));
        glim_err_hint(err, "--format table takes what a row's keys hold as columns; without --prompt and --answer the rows say themselves what is asked and answered");
        return GLIM_E_ARG;
    }
    if (p->system && f == GLIM_DATA_TEXT) return glim_fail(err, GLIM_E_ARG, "\"%s\" is read as text, which has no place for a system message", name);
    return GLIM_OK;
}

/* ---- open ---- */

static glim_status read_all(glim_data_reader *r, const char *text, size_t len, glim_err *err) {
    glim_data_format f = r->r->format;
    walk w = {.r = r, .base = text, .total = len};
    glim_status rc;
    if (f == GLIM_DATA_TEXT && is_whole_text(r->name, text, len)) {
        glim_err bad = {0};
        r->line = 1;
        r->r->n_rows = 1;
        snprintf(r->r->how, sizeof r->r->how, "text, one document");
        return end_row(r, glim_data_add_text(r, text, len, &bad), &bad, err);
    }
    if (f == GLIM_DATA_TABLE && is_csv_name(r->name)) return read_csv(r, text, len, err);
    json_table t = {0};
    if (f == GLIM_DATA_TABLE) {
        t.r = *r;
        w.r = &t.r;
        w.row = object_row;
    } else w.row = f == GLIM_DATA_TEXT ? text_row : conv_row;
    glim_err why = {0};
    rc = glim_rows_each(text, len, on_row, &w, &why);
    if (f == GLIM_DATA_TABLE) *r = t.r;
    free(t.prompt);
    free(t.answer);
    if (w.enough) return GLIM_OK;
    if (rc == GLIM_E_FORMAT) { /* an array without its end: one more bad row */
        r->r->n_rows++;
        return note_bad(r, &why, err);
    }
    if (rc != GLIM_OK && err) *err = why;
    return rc;
}

static void count(glim_data_reader *r) {
    const glim_dataset *d = r->d;
    r->r->n_examples = glim_dataset_n(d);
    r->r->n_tokens = d->n_tok;
    for (size_t i = 0; i < d->n_ex; i++)
        if (d->ex[i].n > r->r->longest) r->r->longest = d->ex[i].n;
    for (size_t i = 0; i < d->n_tok; i++) r->r->n_targets += d->loss[i];
}

/* The one error for all bad rows: the first few by name, and how many there are. */
static glim_status refuse(const glim_data_reader *r, glim_err *err) {
    const glim_data_report *rep = r->r;
    glim_buf b = {0};
    for (size_t i = 0; i < rep->n_listed && i < 3; i++)
        glim_buf_printf(&b, "%s line %zu: %s", i ? ";" : "", rep->bad[i].line, rep->bad[i].reason);
    if (rep->n_bad > 3) glim_buf_puts(&b, "; ...");
    glim_status rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": %zu of %zu rows cannot be used (read as %s):%s", r->name, rep->n_bad, rep->n_rows,
                               glim_data_format_name(rep->format), glim_buf_cstr(&b));
    glim_err_hint(err, "correct them, or leave them out with --skip-bad; --format says how rows are read (%s)", glim_data_format_names());
    glim_buf_free(&b);
    return rc;
}

glim_status glim_dataset_parse(glim_dataset **out, const char *name, const char *text, size_t len, const glim_data_params *p,
                               glim_data_report *report, glim_err *err) {
    glim_data_report own = {0}, *rep = report ? report : &own;
    *rep = (glim_data_report){.format = p->format};
    *out = NULL;
    glim_dataset *d = glim_xcalloc(1, sizeof *d);
    glim_data_reader r = {.p = p, .d = d, .r = rep, .name = name};
    glim_buf own_text = {0};
    const char *encoding;
    glim_status rc = glim_data_utf8(name, &text, &len, &own_text, &encoding, err);
    if (rc == GLIM_OK && rep->format == GLIM_DATA_GUESS) {
        rep->guessed = true;
        rc = guess(&rep->format, name, text, len, err);
    }
    if (rc == GLIM_OK) rc = check_given(p, name, rep->format, err);
    d->pairs = rep->format == GLIM_DATA_PREFERENCE;
    snprintf(rep->how, sizeof rep->how, "%s", glim_data_format_name(rep->format));
    if (rc == GLIM_OK) rc = read_all(&r, text, len, err);
    if (encoding && strcmp(encoding, "utf-8") != 0) {
        const size_t n = strlen(rep->how);
        snprintf(rep->how + n, sizeof rep->how - n, ", from %s", encoding);
    }
    count(&r);
    if (rc == GLIM_OK && rep->n_bad && !p->skip_bad) rc = refuse(&r, err);
    if (rc == GLIM_OK && d->n_ex == 0)
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" has no row that can be used (%zu rows, %zu bad, %zu too long)", name, rep->n_rows,
                       rep->n_bad, rep->n_dropped);
    glim_buf_free(&own_text);
    glim_prompt_free(&r.prompt);
    glim_ids_free(&r.ids);
    glim_buf_free(&r.loss);
    glim_buf_free(&r.text);
    glim_buf_free(&r.text2);
    glim_buf_free(&r.gen);
    glim_buf_free(&r.gen_bare);
    glim_data_report_free(&own);
    if (rc != GLIM_OK) {
        glim_dataset_free(d);
        return rc;
    }
    make_hash(d);
    *out = d;
    return GLIM_OK;
}

glim_status glim_dataset_open(glim_dataset **out, const char *path, const glim_data_params *p, glim_data_report *report, glim_err *err) {
    glim_map m = {0};
    *out = NULL;
    if (report) *report = (glim_data_report){0};
    glim_status rc = glim_map_open(&m, path, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_dataset_parse(out, path, (const char *)m.data, m.size, p, report, err);
    glim_map_close(&m);
    return rc;
}

/* ---- order ---- */

/* Below n without bias from a counter of its own for each (seed, epoch). */
static uint64_t below(uint64_t seed, uint64_t epoch, uint64_t *counter, uint64_t n) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, v;
    do {
        uint32_t w[4];
        glim_philox(w, seed ^ 0x7368756666u /* "shuff": apart from other uses of the seed */, (*counter)++, epoch);
        v = (uint64_t)w[1] << 32 | w[0];
    } while (v >= limit);
    return v % n;
}

void glim_data_shuffle(size_t *order, size_t n, uint64_t seed, uint64_t epoch) {
    uint64_t counter = 0;
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)below(seed, epoch, &counter, i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}

static int by_value(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

void glim_data_split(size_t *order, size_t n, double share, uint64_t seed, size_t *n_eval) {
    glim_data_shuffle(order, n, seed, UINT64_MAX); /* no epoch of training has this number */
    size_t k = share > 0 && n > 1 ? (size_t)((double)n * share + 0.5) : 0;
    if (share > 0 && n > 1 && k == 0) k = 1;
    if (k >= n && n) k = n - 1;
    if (n == 0) k = 0;
    qsort(order, k, sizeof *order, by_value);
    qsort(order + k, n - k, sizeof *order, by_value);
    *n_eval = k;
}
