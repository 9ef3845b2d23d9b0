/* shop_journal.c - corrections and the hand-over list: two files of JSON lines, appended to with one write a line.
 *
 *   corrections.jsonl  {"time", "kind": "answer", "question", "answer", "row"?, "name"?, "handover"?}
 *                      {"time", "kind": "reply", ...}: to one customer; settles the list and teaches nothing
 *                      {"time", "kind": "cell", "row", "name", "column", "was", "value"}
 *   handover.jsonl     {"id", "time", "question", "reason", "row"?}
 *
 * Whoever asks looks first whether the files grew, so what one process writes the other knows at its next question. A line
 * that was cut off by a crash has no line break and is not read; the next writer ends it with one. Lines that are broken or no
 * longer fit the library are left out: a clerk's typing mistake must not close the desk. A cell is corrected where it still
 * holds what the clerk saw (`was`): the prices of another file are not those of before. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "base/file.h"
#include "know/index_internal.h"

enum { MAX_JOURNAL = 256 << 20, MAX_WORDS = 128 };

/* ---- words of a question, to find its like ---- */

static glim_status keys_of(glim_shop *s, const char *q, size_t n, uint64_t **out, size_t *n_out, glim_err *err) {
    void *p;
    *n_out = 0;
    glim_status rc = glim_try_calloc(&p, MAX_WORDS, sizeof **out, "words of a question", err);
    if (rc != GLIM_OK) return rc;
    *out = p;
    rc = glim_terms_cut(&s->cut, q, n, err);
    for (size_t i = 0; rc == GLIM_OK && i < s->cut.n && *n_out < MAX_WORDS; i++) {
        if (s->cut.v[i].joined) continue;
        uint64_t k = glim_index_key(s->cut.text.s + s->cut.v[i].at, s->cut.v[i].n, s->cut.v[i].cjk ? 3 : 1);
        bool known = false;
        for (size_t j = 0; j < *n_out && !known; j++) known = (*out)[j] == k;
        if (!known) (*out)[(*n_out)++] = k;
    }
    return rc;
}

/* Alike: four of five words in common. */
static bool alike(const uint64_t *a, size_t n, const uint64_t *b, size_t m) {
    size_t both = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) both += a[i] == b[j];
    return n && m && both * 5 >= (n + m - both) * 4;
}

static bool same_row(const char *a, const char *b) { return (!a && !b) || (a && b && strcasecmp(a, b) == 0); }

/* What the desk reads in a question: products by name, conditions, columns, order, and what is left beside them. */
typedef struct reading {
    glim_filter f;
    glim_named named[2][8];
    size_t n_named[2], at[2]; /* at: where in the question */
} reading;

static glim_status read_question(glim_shop *s, reading *r, const char *q, size_t n, glim_err *err) {
    glim_buf spelt = {0}, before = {0};
    *r = (reading){0};
    glim_status rc = glim_terms_fold(&spelt, q, n, err);
    for (size_t k = 0; rc == GLIM_OK && k < 2 && (k == 0 || r->n_named[0]); k++) {
        glim_buf_clear(&before);
        glim_buf_append(&before, spelt.s, spelt.len);
        rc = glim_buf_status(&before, "a question", err);
        if (rc == GLIM_OK) rc = glim_find_exact(s->find, &spelt, r->named[k], 8, &r->n_named[k], err);
        while (rc == GLIM_OK && r->at[k] < spelt.len && spelt.s[r->at[k]] == before.s[r->at[k]]) r->at[k]++; /* a name that is found is blanked */
    }
    glim_buf_free(&before);
    if (rc == GLIM_OK) rc = glim_filter_parse(&r->f, s->lib, glim_buf_cstr(&spelt), spelt.len, err);
    glim_buf_free(&spelt);
    return rc;
}

static bool same_reading(const reading *a, const reading *b) {
    if (a->f.n_cond != b->f.n_cond || a->f.n_ask != b->f.n_ask || a->f.sort != b->f.sort || a->f.most != b->f.most || a->f.count != b->f.count) return false;
    if (a->f.mean != b->f.mean || a->f.than != b->f.than || a->f.compare != b->f.compare || a->f.without != b->f.without) return false;
    if (a->n_named[1] && (a->at[0] < a->at[1]) != (b->at[0] < b->at[1])) return false; /* "is A dearer than B" and "is B dearer than A" */
    for (size_t k = 0; k < 2; k++) {
        if (a->n_named[k] != b->n_named[k]) return false;
        for (size_t i = 0; i < a->n_named[k]; i++)
            if (a->named[k][i].row != b->named[k][i].row) return false;
    }
    for (size_t i = 0; i < a->f.n_cond; i++) {
        const glim_cond *x = &a->f.cond[i], *y = &b->f.cond[i];
        if (x->col != y->col || x->op != y->op || x->a != y->a || x->value != y->value) return false;
    }
    for (size_t i = 0; i < a->f.n_ask; i++)
        if (a->f.ask[i] != b->f.ask[i]) return false;
    return true;
}

/* Words that the filter passes over, and that make another question nevertheless. */
static bool same_marks(const char *x, const char *y) {
    static const char *const marks[] = {"今天", "今晚", "明天", "明晚", "后天", "周末", "today", "tonight", "tomorrow", "weekend", "买", "卖", "buy", "sell", " from ", " to "};
    for (size_t i = 0; i < GLIM_COUNT(marks); i++)
        if (!strstr(x, marks[i]) != !strstr(y, marks[i])) return false;
    return true;
}

/* Questions of like words may still be two: "红烧牛肉面多少钱" and "红烧羊肉面多少钱" differ in one character of ten. They are
 * one only if the desk reads the same in both, and the same words are left. What is said of "this one" holds for the row in view. */
static bool one_question(glim_shop *s, const glim_shop_fix *f, const char *question, size_t n, const char *row, glim_err *err) {
    reading a, b = {0};
    uint64_t *x = NULL, *y = NULL;
    size_t n_x = 0, n_y = 0;
    bool same = read_question(s, &a, f->question, strlen(f->question), err) == GLIM_OK && read_question(s, &b, question, n, err) == GLIM_OK &&
                same_reading(&a, &b) && !(row && !f->row && b.f.self && b.n_named[0] == 0) &&
                keys_of(s, glim_buf_cstr(&a.f.rest), a.f.rest.len, &x, &n_x, err) == GLIM_OK && keys_of(s, glim_buf_cstr(&b.f.rest), b.f.rest.len, &y, &n_y, err) == GLIM_OK && n_x == n_y;
    for (size_t i = 0; same && i < n_x; i++) {
        size_t j = 0;
        while (j < n_y && x[i] != y[j]) j++;
        same = j < n_y;
    }
    free(x);
    free(y);
    glim_filter_deinit(&a.f);
    glim_filter_deinit(&b.f);
    return same;
}

const glim_shop_fix *glim_shop_find_fix(glim_shop *s, const char *question, size_t n, const char *row, glim_err *err) {
    uint64_t *key = NULL;
    size_t n_key;
    const glim_shop_fix *found = NULL;
    if (!s->fix || keys_of(s, question, n, &key, &n_key, err) != GLIM_OK) {
        free(key);
        return NULL;
    }
    for (const glim_shop_fix *f = s->fix; f && !found; f = f->next)
        if ((!f->row || same_row(f->row, row)) && alike(f->key, f->n, key, n_key)) {
            /* a figure or a model number makes another question */
            glim_buf a = {0}, b = {0};
            bool same = glim_terms_fold(&a, f->question, strlen(f->question), err) == GLIM_OK && glim_terms_fold(&b, question, n, err) == GLIM_OK &&
                        same_marks(glim_buf_cstr(&a), glim_buf_cstr(&b));
            const char *x = glim_buf_cstr(&a), *y = glim_buf_cstr(&b);
            for (;;) {
                while (*x && !(*x >= '0' && *x <= '9')) x++;
                while (*y && !(*y >= '0' && *y <= '9')) y++;
                if (*x != *y) same = false;
                if (!*x || !*y) break;
                x++, y++;
            }
            if (same && one_question(s, f, question, n, row, err)) found = f;
            glim_buf_free(&a);
            glim_buf_free(&b);
        }
    free(key);
    return found;
}

void glim_shop_forget(glim_shop *s) {
    while (s->fix) {
        glim_shop_fix *next = s->fix->next;
        free(s->fix->question);
        free(s->fix->answer);
        free(s->fix->row);
        free(s->fix->key);
        free(s->fix);
        s->fix = next;
    }
    s->corrections_read = 0;
}

/* ---- reading ---- */

static const char *str(const json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

/* Is it the row that the clerk saw? Where rows have no ids of their own, another file has other products on the same lines. */
static bool same_product(const glim_shop *s, const json_t *o, uint32_t row) {
    const char *name = str(o, "name");
    return s->lib->col_id >= 0 || !name || strcmp(glim_lib_row_name(s->lib, row, true), name) == 0;
}

static glim_status take_correction(glim_shop *s, const json_t *o, glim_err *err) {
    const char *kind = str(o, "kind"), *row = str(o, "row");
    if (kind && strcmp(kind, "cell") == 0 && row && str(o, "column") && str(o, "value")) {
        uint32_t r = glim_lib_find_id(s->lib, row, strlen(row));
        int c = glim_lib_find_col(s->lib, str(o, "column"));
        glim_err ignored = {0};
        const char *was = str(o, "was");
        const char *is = r != UINT32_MAX && c >= 0 ? glim_lib_cell(s->lib, r, (size_t)c) : NULL;
        bool holds = is && (strcmp(is, str(o, "value")) == 0 || (same_product(s, o, r) && (!was || strcmp(is, was) == 0)));
        if (holds && glim_lib_set(s->lib, r, (size_t)c, str(o, "value"), &ignored) == GLIM_OK) {
            glim_lib_type t = s->lib->col[c].type;
            s->stale |= t == GLIM_LIB_NAME || t == GLIM_LIB_TEXT || t == GLIM_LIB_ENUM || t == GLIM_LIB_NUMBER;
        }
    } else if (kind && strcmp(kind, "answer") == 0 && str(o, "question") && str(o, "answer")) {
        uint32_t r = row ? glim_lib_find_id(s->lib, row, strlen(row)) : UINT32_MAX;
        if (r != UINT32_MAX && !same_product(s, o, r)) return GLIM_OK;
        glim_shop_fix *f = glim_xcalloc(1, sizeof *f);
        f->question = glim_xstrdup(str(o, "question"));
        f->answer = glim_xstrdup(str(o, "answer"));
        f->row = row ? glim_xstrdup(row) : NULL;
        f->next = s->fix;
        s->fix = f;
        return keys_of(s, f->question, strlen(f->question), &f->key, &f->n, err);
    }
    return GLIM_OK;
}

/* Whole lines behind *read. */
static glim_status read_lines(glim_shop *s, const char *name, long long *read_, glim_status (*take)(glim_shop *s, const json_t *o, glim_err *err), glim_err *err) {
    char *path = glim_shop_path(s, name);
    struct stat st;
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    if (stat(path, &st) != 0 || st.st_size == *read_) goto done;
    if (st.st_size < *read_) *read_ = 0; /* another file stands in its place */
    rc = glim_file_read(&b, path, MAX_JOURNAL, err);
    for (size_t at = (size_t)*read_; rc == GLIM_OK && at < b.len;) {
        const char *e = memchr(b.s + at, '\n', b.len - at);
        if (!e) break;
        json_t *o = NULL;
        glim_err broken = {0};
        if (glim_json_parse(&o, b.s + at, (size_t)(e - b.s) - at, 8, &broken) == GLIM_OK && json_is_object(o)) rc = take(s, o, err);
        json_decref(o);
        at = (size_t)(e - b.s) + 1;
        *read_ = (long long)at;
    }
done:
    glim_buf_free(&b);
    free(path);
    return rc;
}

static glim_status take_handover(glim_shop *s, const json_t *o, glim_err *err) {
    (void)err;
    json_int_t id = json_integer_value(json_object_get(o, "id"));
    if (id > 0 && (uint64_t)id > s->n_handover) s->n_handover = (uint64_t)id;
    return GLIM_OK;
}

glim_status glim_shop_sync(glim_shop *s, glim_err *err) {
    glim_status rc = read_lines(s, "corrections.jsonl", &s->corrections_read, take_correction, err);
    if (rc == GLIM_OK) rc = glim_lib_settle(s->lib, err);
    if (rc == GLIM_OK && s->stale) { /* a corrected name is found by the next question */
        glim_find *find;
        rc = glim_find_new(&find, s->lib, err);
        if (rc != GLIM_OK) return rc;
        glim_find_free(s->find);
        s->find = find;
        s->stale = false;
    }
    return rc == GLIM_OK ? read_lines(s, "handover.jsonl", &s->handover_read, take_handover, err) : rc;
}

static glim_status json_lines(const glim_shop *s, const char *name, json_t **out, glim_err *err) {
    char *path = glim_shop_path(s, name);
    glim_buf b = {0};
    *out = json_array();
    glim_status rc = *out ? GLIM_OK : glim_fail(err, GLIM_E_NOMEM, "could not allocate a list");
    if (rc == GLIM_OK && glim_path_exists(path)) rc = glim_file_read(&b, path, MAX_JOURNAL, err);
    for (size_t at = 0; rc == GLIM_OK && at < b.len;) {
        const char *e = memchr(b.s + at, '\n', b.len - at);
        if (!e) break;
        json_t *o = NULL;
        glim_err broken = {0};
        if (glim_json_parse(&o, b.s + at, (size_t)(e - b.s) - at, 8, &broken) == GLIM_OK && json_is_object(o)) json_array_append(*out, o);
        json_decref(o);
        at = (size_t)(e - b.s) + 1;
    }
    glim_buf_free(&b);
    free(path);
    return rc;
}

/* ---- writing ---- */

static json_t *now(void) {
    char t[32];
    time_t sec = time(NULL);
    struct tm tm;
    gmtime_r(&sec, &tm);
    strftime(t, sizeof t, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(t);
}

/* One line in one write, under a lock, behind a whole line. With `no` it is numbered, behind what other processes wrote. */
static glim_status append(glim_shop *s, const char *name, json_t *o, uint64_t *no, glim_err *err) {
    glim_buf b = {0};
    char *path = glim_shop_path(s, name), last = '\n';
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    glim_status rc = fd < 0 ? glim_fail(err, GLIM_E_IO, "could not open \"%s\": %s", path, strerror(errno)) : GLIM_OK;
    struct stat st;
    if (rc == GLIM_OK && (flock(fd, LOCK_EX) != 0 || fstat(fd, &st) != 0)) rc = glim_fail(err, GLIM_E_IO, "could not lock \"%s\": %s", path, strerror(errno));
    if (rc == GLIM_OK && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1) rc = glim_fail(err, GLIM_E_IO, "could not read \"%s\": %s", path, strerror(errno));
    if (rc == GLIM_OK && no) {
        rc = read_lines(s, name, &s->handover_read, take_handover, err);
        *no = s->n_handover + 1;
        json_object_set_new(o, "id", json_integer((json_int_t)*no));
    }
    if (rc == GLIM_OK) {
        if (last != '\n') glim_buf_putc(&b, '\n');
        glim_json_dump_py(&b, o, -1, false);
        glim_buf_putc(&b, '\n');
        rc = glim_buf_status(&b, "a line of the journal", err);
    }
    if (rc == GLIM_OK) {
        ssize_t k = write(fd, b.s, b.len);
        if (k != (ssize_t)b.len || fdatasync(fd) != 0) {
            int e = k < 0 ? errno : ENOSPC;
            if (k > 0 && ftruncate(fd, st.st_size) != 0) e = errno;
            rc = glim_fail(err, GLIM_E_IO, "could not write \"%s\": %s", path, strerror(e));
        }
    }
    if (fd >= 0) close(fd);
    glim_buf_free(&b);
    free(path);
    return rc;
}

glim_status glim_shop_hand_over(glim_shop *s, const glim_shop_question *q, const char *reason, uint64_t *no, glim_err *err) {
    glim_status rc = glim_shop_sync(s, err);
    if (rc != GLIM_OK) return rc;
    json_t *o = json_pack("{s:I,s:o,s:s%,s:s}", "id", (json_int_t)0, "time", now(), "question", q->text, q->n, "reason", reason);
    if (!o) return glim_fail(err, GLIM_E_FORMAT, "the question is no UTF-8 text");
    if (q->row) json_object_set_new(o, "row", json_string(q->row));
    rc = append(s, "handover.jsonl", o, no, err);
    json_decref(o);
    return rc == GLIM_OK ? glim_shop_sync(s, err) : rc;
}

static bool blank(const char *t) { return !t || strspn(t, " \t\r\n") == strlen(t); }

/* Where the library lacks an answer, a clerk's is for everybody. Who wants a person, or his parcel, is answered alone. */
static glim_status teaches_others(const glim_shop *s, uint64_t handover, bool *so, glim_err *err) {
    json_t *list = NULL, *o;
    size_t i;
    glim_status rc = json_lines(s, "handover.jsonl", &list, err);
    json_array_foreach(list, i, o) {
        const char *reason = str(o, "reason");
        if (json_integer_value(json_object_get(o, "id")) == (json_int_t)handover && reason) *so = strcmp(reason, "not in the library") == 0;
    }
    json_decref(list);
    return rc;
}

glim_status glim_shop_correct_answer(glim_shop *s, const char *question, const char *answer, const char *row, uint64_t handover, glim_err *err) {
    if (blank(question) || blank(answer)) return glim_fail(err, GLIM_E_ARG, "a correction wants a question and an answer");
    if (strlen(question) > 4096 || strlen(answer) > 16384) return glim_fail(err, GLIM_E_LIMIT, "question and answer have %zu and %zu bytes, want at most 4096 and 16384", strlen(question), strlen(answer));
    pthread_mutex_lock(&s->mu);
    glim_status rc = GLIM_OK;
    const uint32_t at = row ? glim_lib_find_id(s->lib, row, strlen(row)) : UINT32_MAX;
    if (row && at == UINT32_MAX && !handover) rc = glim_fail(err, GLIM_E_NOT_FOUND, "there is no row \"%.40s\"", row); /* what was handed over is settled without it */
    bool teaches = true;
    if (rc == GLIM_OK && handover) rc = teaches_others(s, handover, &teaches, err);
    json_t *o = json_pack("{s:o,s:s,s:s,s:s}", "time", now(), "kind", teaches ? "answer" : "reply", "question", question, "answer", answer);
    if (rc == GLIM_OK && !o) rc = glim_fail(err, GLIM_E_FORMAT, "question or answer is no UTF-8 text");
    if (rc == GLIM_OK && row) json_object_set_new(o, "row", json_string(row));
    if (rc == GLIM_OK && at != UINT32_MAX) json_object_set_new(o, "name", json_string(glim_lib_row_name(s->lib, at, true)));
    if (rc == GLIM_OK && handover) json_object_set_new(o, "handover", json_integer((json_int_t)handover));
    if (rc == GLIM_OK) rc = append(s, "corrections.jsonl", o, NULL, err);
    if (rc == GLIM_OK) rc = glim_shop_sync(s, err);
    json_decref(o);
    pthread_mutex_unlock(&s->mu);
    return rc;
}

glim_status glim_shop_correct_cell(glim_shop *s, const char *row, const char *column, const char *value, glim_err *err) {
    pthread_mutex_lock(&s->mu);
    glim_status rc = glim_shop_sync(s, err);
    uint32_t r = row ? glim_lib_find_id(s->lib, row, strlen(row)) : UINT32_MAX;
    int c = column ? glim_lib_find_col(s->lib, column) : -1;
    if (rc == GLIM_OK && r == UINT32_MAX) rc = glim_fail(err, GLIM_E_NOT_FOUND, "there is no row \"%.40s\"", row ? row : "");
    else if (rc == GLIM_OK && c < 0) rc = glim_fail(err, GLIM_E_NOT_FOUND, "there is no column \"%.60s\"", column ? column : "");
    else if (rc == GLIM_OK && !value) rc = glim_fail(err, GLIM_E_ARG, "a correction of a cell wants a value");
    char *old = rc == GLIM_OK ? glim_xstrdup(glim_lib_cell(s->lib, r, (size_t)c)) : NULL;
    json_t *o = rc == GLIM_OK ? json_pack("{s:o,s:s,s:s,s:s,s:s,s:s,s:s}", "time", now(), "kind", "cell", "row", row, "name", glim_lib_row_name(s->lib, r, true),
                                          "column", s->lib->col[c].column, "was", old, "value", value)
                              : NULL;
    if (rc == GLIM_OK && !o) rc = glim_fail(err, GLIM_E_FORMAT, "the value is no UTF-8 text");
    /* Set first: a value that does not fit never reaches the file. The sync behind the write sets it once more. */
    if (rc == GLIM_OK) rc = glim_lib_set(s->lib, r, (size_t)c, value, err);
    if (rc == GLIM_OK) {
        rc = append(s, "corrections.jsonl", o, NULL, err);
        glim_err ignored = {0};
        if (rc != GLIM_OK) (void)glim_lib_set(s->lib, r, (size_t)c, old, &ignored);
    }
    if (rc == GLIM_OK) rc = glim_shop_sync(s, err);
    json_decref(o);
    free(old);
    pthread_mutex_unlock(&s->mu);
    return rc;
}

glim_status glim_shop_handovers(glim_shop *s, json_t **out, glim_err *err) {
    json_t *done = NULL, *all = NULL, *o;
    size_t i, k;
    *out = NULL;
    pthread_mutex_lock(&s->mu);
    glim_status rc = json_lines(s, "corrections.jsonl", &done, err);
    if (rc == GLIM_OK) rc = json_lines(s, "handover.jsonl", &all, err);
    pthread_mutex_unlock(&s->mu);
    if (rc == GLIM_OK) {
        *out = json_array();
        json_array_foreach(all, i, o) {
            json_t *d;
            bool settled = false;
            json_array_foreach(done, k, d) settled |= json_equal(json_object_get(d, "handover"), json_object_get(o, "id"));
            if (!settled) json_array_append(*out, o);
        }
    }
    json_decref(done);
    json_decref(all);
    return rc;
}
