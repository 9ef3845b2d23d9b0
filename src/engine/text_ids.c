/* text_ids.c - a file as one stream of tokens, for figures and calibration: see glim_engine_text_ids in engine.h. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "engine/engine.h"

static bool ends_with(const char *s, const char *end) {
    const size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

/* One line: {"messages": [...], "tools": [...]} by the model's template, or {"text": "..."} as plain text. */
static glim_status add_row(const glim_engine *e, const char *line, size_t n, glim_prompt *prompt, glim_ids *ids, glim_err *err) {
    json_t *row;
    glim_status rc = glim_json_parse(&row, line, n, 0, err);
    if (rc != GLIM_OK) return rc;
    const json_t *messages = json_object_get(row, "messages"), *text = json_object_get(row, "text");
    if (messages) {
        const glim_chat_options o = {.no_generation_prompt = true};
        const json_t *tools = json_object_get(row, "tools");
        rc = glim_engine_can_chat(e, err);
        if (rc == GLIM_OK) rc = glim_chat_render(prompt, e->chat, messages, json_is_null(tools) ? NULL : tools, &o, err);
        if (rc == GLIM_OK) rc = glim_prompt_encode(prompt, e->tok, ids, err);
    } else if (json_is_string(text)) {
        rc = glim_tok_encode(e->tok, json_string_value(text), json_string_length(text), 0, ids, err);
    } else {
        rc = glim_fail(err, GLIM_E_FORMAT, "want {\"messages\": [...]} or {\"text\": \"...\"}, got %s",
                       json_is_object(row) ? "an object without them" : glim_json_type_name(row));
    }
    json_decref(row);
    return rc;
}

static glim_status add_rows(const glim_engine *e, const char *path, const char *text, size_t len, glim_ids *ids, glim_err *err) {
    glim_prompt prompt = {0};
    glim_status rc = GLIM_OK;
    size_t number = 0;
    for (const char *p = text, *end = text + len, *next; rc == GLIM_OK && p < end; p = next) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        next = stop < end ? stop + 1 : end;
        number++;
        if (strspn(p, " \t\r") >= (size_t)(stop - p)) continue;
        rc = add_row(e, p, (size_t)(stop - p), &prompt, ids, err);
        if (rc != GLIM_OK) glim_err_context(err, "\"%s\", line %zu", path, number);
    }
    glim_prompt_free(&prompt);
    return rc;
}

glim_status glim_engine_text_ids(const glim_engine *e, const char *path, glim_ids *ids, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = glim_file_read(&b, path, (size_t)1 << 30, err);
    if (rc == GLIM_OK && glim_tok_add_bos(e->tok) && glim_tok_bos(e->tok) >= 0) rc = glim_ids_push(ids, glim_tok_bos(e->tok), err);
    const char *text = glim_buf_cstr(&b);
    if (rc == GLIM_OK && ends_with(path, ".jsonl")) rc = add_rows(e, path, text, b.len, ids, err);
    else if (rc == GLIM_OK) rc = glim_tok_encode(e->tok, text, b.len > 0 && text[b.len - 1] == '\n' ? b.len - 1 : b.len, 0, ids, err);
    glim_buf_free(&b);
    return rc;
}
