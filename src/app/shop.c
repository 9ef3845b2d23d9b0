/* shop.c - a desk's folder: opening it, replacing its library. */
#include "app/shop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "base/file.h"
#include "data/table.h"

enum { MAX_JSON = 4 << 20 };
static const size_t MAX_LIBRARY = (size_t)1 << 30;

char *glim_shop_path(const glim_shop *s, const char *name) { return glim_path_join(s->folder, name); }

/* A file's name out of desk.json: one inside the folder. */
static glim_status file_name(const glim_shop *s, const char *key, const char *dflt, const char **out, glim_err *err) {
    glim_status rc = glim_json_get_str(s->conf, key, dflt, out, err);
    if (rc == GLIM_OK && (!**out || strchr(*out, '/') || **out == '.'))
        rc = glim_fail(err, GLIM_E_FORMAT, "desk.json: \"%s\" is \"%s\", want the name of a file in the same folder", key, *out);
    return rc;
}

static glim_status read_json(const glim_shop *s, const char *name, bool need, json_t **out, glim_err *err) {
    char *path = glim_shop_path(s, name);
    *out = NULL;
    glim_status rc = GLIM_OK;
    if (need || glim_path_exists(path)) rc = glim_json_read(out, path, MAX_JSON, err);
    free(path);
    if (rc == GLIM_OK && *out && !json_is_object(*out)) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" holds a %s, want an object", name, glim_json_type_name(*out));
    return rc;
}

static glim_status train_intents(glim_shop *s, const char *name, glim_err *err) {
    char *path = glim_shop_path(s, name);
    glim_table *t = NULL;
    glim_table_row row;
    bool more;
    glim_intent_example *v = NULL;
    glim_arena texts = {0};
    size_t n = 0, cap = 0;
    glim_status rc = glim_table_open(&t, path, NULL, err);
    if (rc == GLIM_OK) rc = glim_table_next(t, &row, &more, err);
    if (rc == GLIM_OK && (!more || row.n != 2 || strcmp(row.cell[0].text, "text") != 0 || strcmp(row.cell[1].text, "label") != 0))
        rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": want the columns text,label", name);
    while (rc == GLIM_OK) {
        rc = glim_table_next(t, &row, &more, err);
        if (rc != GLIM_OK || !more) break;
        if (n == cap && (rc = glim_try_grow(&v, &cap, 256, sizeof *v, "examples of intents", err)) != GLIM_OK) break;
        if (row.n < 2 || row.cell[1].n == 0 || row.cell[1].n >= sizeof ((glim_shop_answer *)0)->intent) {
            rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\": line %zu has no label of 1 to 63 bytes", name, row.line);
            break;
        }
        char *text = glim_arena_strndup(&texts, row.cell[0].text, row.cell[0].n), *label = glim_arena_strndup(&texts, row.cell[1].text, row.cell[1].n);
        glim_buf_putc(&s->intent_words, ' ');
        if (strcmp(row.cell[1].text, GLIM_INTENT_OOS) != 0) rc = glim_terms_fold(&s->intent_words, row.cell[0].text, row.cell[0].n, err);
        if (rc == GLIM_OK) rc = glim_buf_status(&s->intent_words, "words of the intents", err);
        if (rc != GLIM_OK) break;
        if (!text || !label) rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate %zu examples of intents", n);
        else v[n++] = (glim_intent_example){.text = text, .n = row.cell[0].n, .label = label};
    }
    if (rc == GLIM_OK) rc = glim_intent_train(&s->intents, v, n, NULL, NULL, err);
    if (rc == GLIM_OK && !(s->work = glim_intent_work_new(s->intents, err))) rc = GLIM_E_NOMEM;
    glim_table_close(t);
    free(v);
    glim_arena_free(&texts);
    free(path);
    return rc;
}

static glim_status need_note_col(glim_shop *s, const char *name, int *col, glim_err *err) {
    *col = glim_lib_find_col(s->notes, name);
    return *col >= 0 ? GLIM_OK : glim_fail(err, GLIM_E_FORMAT, "the notes have no column \"%s\"", name);
}

static glim_status open_notes(glim_shop *s, const char *name, glim_err *err) {
    char *path = glim_shop_path(s, name);
    json_t *schema = json_pack("{s:[{s:s,s:s},{s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s}]}", "columns", "column", "id", "type", "id",
                               "column", "intent", "type", "text", "column", "topic", "type", "name", "lang", "zh", "column", "topic_en", "type", "name",
                               "lang", "en", "column", "answer", "type", "text", "lang", "zh", "column", "answer_en", "type", "text", "lang", "en");
    glim_status rc = schema ? glim_lib_open(&s->notes, path, schema, err) : glim_fail(err, GLIM_E_NOMEM, "could not allocate a schema");
    if (rc == GLIM_OK) rc = need_note_col(s, "intent", &s->col_note_intent, err);
    if (rc == GLIM_OK) rc = need_note_col(s, "topic", &s->col_note_topic, err);
    if (rc == GLIM_OK) rc = need_note_col(s, "topic_en", &s->col_note_topic_en, err);
    if (rc == GLIM_OK) rc = need_note_col(s, "answer", &s->col_note_answer, err);
    if (rc == GLIM_OK) rc = need_note_col(s, "answer_en", &s->col_note_answer_en, err);
    if (rc == GLIM_OK) rc = glim_find_new(&s->find_notes, s->notes, err);
    json_decref(schema);
    free(path);
    return rc;
}

glim_status glim_shop_open(glim_shop **out, const char *folder, glim_err *err) {
    *out = NULL;
    glim_shop *s = glim_xcalloc(1, sizeof *s);
    pthread_mutex_init(&s->mu, NULL);
    s->folder = glim_xstrdup(folder);
    const char *library = NULL, *notes = NULL, *intents = NULL;
    char *path = NULL;
    glim_status rc = read_json(s, "desk.json", true, &s->conf, err);
    if (rc == GLIM_E_NOT_FOUND) glim_err_hint(err, "make a desk first: glim desk init TEMPLATE FOLDER");
    if (rc == GLIM_OK) rc = file_name(s, "library", "library.csv", &library, err);
    if (rc == GLIM_OK) rc = file_name(s, "notes", "notes.csv", &notes, err);
    if (rc == GLIM_OK) rc = file_name(s, "intents_file", "intents.csv", &intents, err);
    if (rc == GLIM_OK) rc = read_json(s, "schema.json", false, &s->schema, err);
    if (rc == GLIM_OK) {
        path = glim_shop_path(s, library);
        if (!s->schema) rc = glim_lib_guess(&s->schema, path, err);
    }
    if (rc == GLIM_OK) rc = glim_lib_open(&s->lib, path, s->schema, err);
    s->stale = true; /* the sync makes s->find */
    if (rc == GLIM_OK) rc = open_notes(s, notes, err);
    if (rc == GLIM_OK) rc = train_intents(s, intents, err);
    if (rc == GLIM_OK) rc = glim_shop_sync(s, err);
    free(path);
    if (rc == GLIM_OK) {
        *out = s;
        return rc;
    }
    glim_err_context(err, "desk \"%s\"", folder);
    glim_shop_close(s);
    return rc;
}

void glim_shop_close(glim_shop *s) {
    if (!s) return;
    glim_shop_forget(s);
    glim_find_free(s->find);
    glim_find_free(s->find_notes);
    glim_lib_free(s->lib);
    glim_lib_free(s->notes);
    glim_intent_work_free(s->work);
    glim_intent_free(s->intents);
    glim_filter_deinit(&s->filter);
    glim_buf_free(&s->intent_words);
    glim_terms_free(&s->cut);
    json_decref(s->conf);
    json_decref(s->schema);
    pthread_mutex_destroy(&s->mu);
    free(s->folder);
    free(s);
}

/* What the old schema says of columns that are still there. */
static json_t *keep_known(json_t *fresh, const json_t *old) {
    json_t *list = json_object_get(fresh, "columns"), *o;
    size_t i, k;
    json_array_foreach(list, i, o) {
        const char *name = json_string_value(json_object_get(o, "column"));
        json_t *was, *all = json_object_get(old, "columns");
        json_array_foreach(all, k, was)
            if (name && json_is_string(json_object_get(was, "column")) && strcmp(json_string_value(json_object_get(was, "column")), name) == 0) {
                json_array_set(list, i, was);
                break;
            }
    }
    return fresh;
}

/* Swaps in a library that was opened; the mutex is held. */
static glim_status swap(glim_shop *s, glim_lib *lib, json_t *schema, glim_err *err) {
    glim_find *find;
    glim_status rc = glim_find_new(&find, lib, err);
    if (rc != GLIM_OK) return rc;
    glim_find_free(s->find);
    glim_lib_free(s->lib);
    json_decref(s->schema);
    s->find = find;
    s->stale = false;
    s->lib = lib;
    s->edition++;
    s->schema = json_incref(schema);
    glim_shop_forget(s); /* corrected cells go into the new rows; those that no longer fit are left out */
    glim_err later = {0};
    (void)glim_shop_sync(s, &later); /* the library is the shop's now: what the journal has to say of its own, the next question says */
    return GLIM_OK;
}

static glim_status write_json(const glim_shop *s, const char *name, const json_t *v, glim_err *err) {
    glim_buf b = {0};
    char *path = glim_shop_path(s, name);
    glim_json_dump_py(&b, v, 1, false);
    glim_buf_putc(&b, '\n');
    glim_status rc = glim_buf_status(&b, name, err);
    if (rc == GLIM_OK) rc = glim_file_write_atomic(path, b.s, b.len, err);
    glim_buf_free(&b);
    free(path);
    return rc;
}

/* The files of a library that was read, and the library itself, become the shop's. Takes it where that is so. */
static glim_status keep_library(glim_shop *s, const char *to, const void *bytes, size_t n, glim_lib **lib, json_t *schema, glim_err *err) {
    char *path = glim_shop_path(s, to);
    pthread_mutex_lock(&s->mu);
    glim_status rc = glim_file_write_atomic(path, bytes, n, err);
    if (rc == GLIM_OK) rc = write_json(s, "schema.json", schema, err);
    if (rc == GLIM_OK && strcmp(json_is_string(json_object_get(s->conf, "library")) ? json_string_value(json_object_get(s->conf, "library")) : "library.csv", to) != 0) {
        json_object_set_new(s->conf, "library", json_string(to));
        rc = write_json(s, "desk.json", s->conf, err);
    }
    if (rc == GLIM_OK) rc = swap(s, *lib, schema, err);
    if (rc == GLIM_OK) *lib = NULL;
    pthread_mutex_unlock(&s->mu);
    free(path);
    return rc;
}

/* What a person said of columns that the new table has too still holds, where its cells allow it: *schema and *lib (or NULL) are those of the guess before. */
static void as_said_before(glim_shop *s, const char *name, const void *bytes, size_t n, json_t **schema, glim_lib **lib) {
    glim_lib *as = NULL;
    glim_err ignored = {0};
    pthread_mutex_lock(&s->mu);
    json_t *kept = keep_known(json_deep_copy(*schema), s->schema);
    pthread_mutex_unlock(&s->mu);
    if ((!*lib || !json_equal(kept, *schema)) && glim_lib_parse(&as, name, bytes, n, kept, &ignored) == GLIM_OK) {
        glim_lib_free(*lib);
        *lib = as;
        json_decref(*schema);
        *schema = json_incref(kept);
    }
    json_decref(kept);
}

static const char *library_file(const char *encoding) { return encoding ? "library.csv" : "library.xlsx"; } /* only a workbook has none */

glim_status glim_shop_take(glim_shop *s, const char *name, const void *bytes, size_t n, const char *encoding, json_t **guess, glim_lib **lib, glim_err *err) {
    as_said_before(s, name, bytes, n, guess, lib);
    return keep_library(s, library_file(encoding), bytes, n, lib, *guess, err);
}

glim_status glim_shop_replace(glim_shop *s, const char *name, const void *bytes, size_t n, const char *wanted, const json_t *schema, glim_err *err) {
    glim_lib *lib = NULL;
    if (n > MAX_LIBRARY) return glim_fail(err, GLIM_E_LIMIT, "\"%s\" has %zu bytes, want at most %zu", name, n, MAX_LIBRARY);
    json_t *own = json_incref((json_t *)schema);
    glim_buf utf8 = {0};
    const char *encoding;
    glim_status rc = glim_table_utf8(&utf8, &encoding, bytes, n, wanted, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "\"%s\"", name);
        if (rc == GLIM_E_FORMAT) glim_err_hint(err, "save the file as UTF-8 and send it again");
    }
    if (rc == GLIM_OK && encoding) bytes = glim_buf_cstr(&utf8), n = utf8.len;
    if (rc == GLIM_OK && !own) {
        rc = glim_lib_guess_bytes(&own, name, bytes, n, err);
        if (rc == GLIM_OK) as_said_before(s, name, bytes, n, &own, &lib);
    }
    if (rc == GLIM_OK && !lib) rc = glim_lib_parse(&lib, name, bytes, n, own, err);
    if (rc == GLIM_OK) rc = keep_library(s, library_file(encoding), bytes, n, &lib, own, err);
    glim_lib_free(lib);
    json_decref(own);
    glim_buf_free(&utf8);
    return rc;
}

glim_status glim_shop_set_schema(glim_shop *s, const json_t *schema, glim_err *err) {
    glim_lib *lib = NULL;
    const char *library = NULL;
    char *path = NULL;
    pthread_mutex_lock(&s->mu);
    glim_status rc = file_name(s, "library", "library.csv", &library, err);
    if (rc == GLIM_OK) {
        path = glim_shop_path(s, library);
        rc = glim_lib_open(&lib, path, schema, err);
    }
    if (rc == GLIM_OK) rc = write_json(s, "schema.json", schema, err);
    if (rc == GLIM_OK) rc = swap(s, lib, (json_t *)schema, err);
    if (rc == GLIM_OK) lib = NULL;
    pthread_mutex_unlock(&s->mu);
    glim_lib_free(lib);
    free(path);
    return rc;
}

glim_status glim_shop_about(glim_shop *s, json_t **out, glim_err *err) {
    pthread_mutex_lock(&s->mu);
    json_t *labels = json_array();
    for (size_t i = 0; i < glim_intent_n_labels(s->intents); i++) json_array_append_new(labels, json_string(glim_intent_label(s->intents, i)));
    json_t *name = json_object_get(s->conf, "name");
    *out = json_pack("{s:O,s:I,s:I,s:o,s:O}", "name", name ? name : s->schema, "rows", (json_int_t)s->lib->n_rows, "notes", (json_int_t)s->notes->n_rows, "intents",
                     labels, "schema", s->schema);
    pthread_mutex_unlock(&s->mu);
    return *out ? GLIM_OK : glim_fail(err, GLIM_E_NOMEM, "could not allocate what the desk says of itself");
}
