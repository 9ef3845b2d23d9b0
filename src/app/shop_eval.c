/* shop_eval.c - a template's evaluation set against its pass mark.
 *
 * eval.jsonl, a question a line:
 *   {"q": "..", "view": "PH001"?, "rows": ["PH001"]?, "contains": ["15W"]?, "lacks": ["50W"]?, "status": "answered"?, "find": true?}
 * rows: all of them are cited (with "first": true the first row cited is the first of them). A line with "find" asks for
 * retrieval alone: one of its rows among the first five. desk.json: "pass": {"answers": 0.95, "recall_at_5": 0.98}. */
#include <stdlib.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/clock.h"
#include "base/file.h"

enum { MAX_EVAL = 16 << 20 };

typedef struct tally {
    size_t n, right, n_find, found, n_phrased, n_dropped, n_seconded;
    double ms;
    json_t *wrong;
} tally;

static bool has_all(const json_t *list, const char *text, bool want) {
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)list, i, v)
        if (json_is_string(v) && (strstr(text, json_string_value(v)) != NULL) != want) return false;
    return true;
}

static bool cites(const glim_shop_answer *a, const json_t *rows, bool first) {
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)rows, i, v) {
        bool found = false;
        for (size_t k = 0; k < a->n_rows && json_is_string(v); k++) found |= strcmp(a->row[k].id, json_string_value(v)) == 0;
        if (!found) return false;
        if (first && i == 0 && (a->n_rows == 0 || strcmp(a->row[0].id, json_string_value(v)) != 0)) return false;
    }
    return true;
}

static glim_status find_line(glim_shop *s, const json_t *o, tally *t, glim_err *err) {
    const char *q = json_string_value(json_object_get(o, "q"));
    glim_index_hit hits[5];
    size_t n = 0, i;
    json_t *v;
    pthread_mutex_lock(&s->mu);
    glim_buf words = {0};
    double t0 = glim_now_s();
    glim_status rc = glim_filter_parse(&s->filter, s->lib, q, strlen(q), err);
    if (rc == GLIM_OK) rc = glim_find_respell(s->find, &words, glim_buf_cstr(&s->filter.words), s->filter.words.len, err);
    if (rc == GLIM_OK && strspn(glim_buf_cstr(&words), " ") == words.len) glim_buf_puts(&words, q); /* every word of it is a column's */
    if (rc == GLIM_OK) rc = glim_find_search(s->find, glim_buf_cstr(&words), words.len, &(glim_index_params){.limit = 5}, hits, &n, err);
    t->ms += (glim_now_s() - t0) * 1e3;
    bool found = false;
    json_array_foreach(json_object_get(o, "rows"), i, v)
        for (size_t k = 0; k < n && json_is_string(v); k++) found |= glim_lib_find_id(s->lib, json_string_value(v), json_string_length(v)) == hits[k].row;
    if (rc == GLIM_OK && !found) {
        json_t *got = json_array();
        for (size_t k = 0; k < n; k++) {
            char id[GLIM_LIB_ID_MAX + 1];
            glim_lib_row_id(s->lib, hits[k].row, id);
            json_array_append_new(got, json_string(id));
        }
        json_array_append_new(t->wrong, json_pack("{s:s,s:O,s:o}", "q", q, "want", json_object_get(o, "rows"), "found", got));
    }
    glim_buf_free(&words);
    pthread_mutex_unlock(&s->mu);
    t->n_find++;
    t->found += found;
    return rc;
}

static glim_status ask_line(glim_shop *s, const glim_shop_model *model, const json_t *o, tally *t, glim_err *err) {
    const char *q = json_string_value(json_object_get(o, "q")), *status = json_string_value(json_object_get(o, "status"));
    glim_shop_answer a;
    glim_shop_question ask = {.text = q, .n = strlen(q), .row = json_string_value(json_object_get(o, "view")), .model = model, .dry = true};
    glim_status rc = glim_shop_ask(s, &ask, &a, err);
    if (rc != GLIM_OK) return rc;
    const char *got = glim_shop_status_name(a.status);
    bool right = strcmp(got, status ? status : "answered") == 0 && has_all(json_object_get(o, "contains"), glim_buf_cstr(&a.text), true) &&
                 has_all(json_object_get(o, "lacks"), glim_buf_cstr(&a.text), false) && cites(&a, json_object_get(o, "rows"), json_is_true(json_object_get(o, "first")));
    t->n++;
    t->right += right;
    t->n_phrased += a.phrased;
    t->n_dropped += a.unchecked_dropped;
    t->n_seconded += a.seconded;
    t->ms += a.ms;
    if (!right) json_array_append_new(t->wrong, json_pack("{s:s,s:s,s:s,s:O?}", "q", q, "answer", glim_buf_cstr(&a.text), "status", got, "want", o));
    glim_shop_answer_deinit(&a);
    return rc;
}

glim_status glim_shop_eval(glim_shop *s, const glim_shop_model *model, glim_buf *json, bool *passed, glim_err *err) {
    const char *name = json_string_value(json_object_get(s->conf, "eval"));
    char *path = glim_shop_path(s, name && !strchr(name, '/') ? name : "eval.jsonl");
    glim_buf b = {0};
    tally t = {.wrong = json_array()};
    size_t line = 0;
    glim_status rc = glim_file_read(&b, path, MAX_EVAL, err);
    for (size_t at = 0; rc == GLIM_OK && at < b.len;) {
        const char *e = memchr(b.s + at, '\n', b.len - at);
        size_t n = e ? (size_t)(e - b.s) - at : b.len - at;
        line++;
        json_t *o = NULL;
        if (n) {
            rc = glim_json_parse(&o, b.s + at, n, 8, err);
            if (rc == GLIM_OK && (!json_is_object(o) || !json_is_string(json_object_get(o, "q")))) rc = glim_fail(err, GLIM_E_FORMAT, "there is no question \"q\"");
            if (rc == GLIM_OK) rc = json_is_true(json_object_get(o, "find")) ? find_line(s, o, &t, err) : ask_line(s, model, o, &t, err);
            if (rc != GLIM_OK) glim_err_context(err, "\"%s\" line %zu", path, line);
        }
        json_decref(o);
        at += n + 1;
    }
    if (rc == GLIM_OK && t.n + t.n_find == 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" holds no question", path);
    if (rc == GLIM_OK) {
        const json_t *pass = json_object_get(s->conf, "pass");
        double want = 0.9, want_find = 0.98;
        rc = glim_json_get_real(pass, "answers", 0.9, &want, err);
        if (rc == GLIM_OK) rc = glim_json_get_real(pass, "recall_at_5", 0.98, &want_find, err);
        double answers = t.n ? (double)t.right / (double)t.n : 1, recall = t.n_find ? (double)t.found / (double)t.n_find : 1;
        *passed = answers >= want && recall >= want_find;
        glim_buf_printf(json, "{\"passed\": %s, \"questions\": %zu, \"right\": %zu, \"answers\": %.4f, \"want_answers\": %.4f, \"find_questions\": %zu, \"recall_at_5\": %.4f, \"want_recall_at_5\": %.4f, \"ms_mean\": %.3f, \"phrased\": %zu, \"dropped\": %zu, \"seconded\": %zu, \"wrong\": ",
                        *passed ? "true" : "false", t.n, t.right, answers, want, t.n_find, recall, want_find, t.ms / (double)(t.n + t.n_find), t.n_phrased, t.n_dropped, t.n_seconded);
        glim_json_dump_py(json, t.wrong, -1, false);
        glim_buf_puts(json, "}");
        if (rc == GLIM_OK) rc = glim_buf_status(json, "figures of a desk", err);
    }
    json_decref(t.wrong);
    glim_buf_free(&b);
    free(path);
    return rc;
}
