/* route_embed.c - /v1/embeddings: pooled hidden states, made by the same engine beside running generations.
 *
 * Each input is a unit of its own. A vector is written as text when it comes, so that answering costs the loop no more
 * than copying, whatever the batch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "serve/base64.h"
#include "serve/fields.h"
#include "serve/routes.h"

enum { MAX_INPUTS = 2048 };

typedef struct task {
    json_t *body;
    bool base64;
    size_t dims; /* 0: all */
    glim_pooling pooling;
    glim_buf *vectors; /* [n] as JSON */
    size_t n;
    int64_t n_tokens;
} task;

static bool read_ids(glim_call *c, const json_t *v, const char *place, glim_ids *ids) {
    glim_err err = {0};
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *id = json_array_get(v, i);
        if (!json_is_integer(id)) return glim_field_type_error(&c->error, place, id, "token ids");
        int64_t t = json_integer_value(id);
        if (t < 0 || (uint64_t)t >= c->b->facts.n_vocab)
            return glim_api_fail(&c->error, 400, "invalid_value", place, "\"%s\": got token id %lld, want 0 to %zu", place, (long long)t,
                                 c->b->facts.n_vocab - 1);
        if (glim_ids_push(ids, (int32_t)t, &err) != GLIM_OK) return glim_api_from(&c->error, &err, place);
    }
    return glim_prompt_fits(c, ids, place);
}

static bool read_input(glim_call *c, const json_t *v, const char *place, glim_ids *ids) {
    if (json_is_array(v)) return read_ids(c, v, place, ids);
    if (!json_is_string(v)) return glim_field_type_error(&c->error, place, v, "a string or an array of token ids");
    if (json_string_length(v) == 0) return glim_api_fail(&c->error, 400, "invalid_value", place, "\"%s\": got an empty string", place);
    return glim_prompt_text(c, json_string_value(v), json_string_length(v), place, ids);
}

static bool read_inputs(glim_call *c, task *t) {
    const json_t *v = glim_field(t->body, "input");
    if (!v) return glim_api_fail(&c->error, 400, "missing_required_parameter", "input", "\"input\" is missing");
    bool many = json_is_array(v) && !json_is_number(json_array_get(v, 0));
    size_t n = many ? json_array_size(v) : 1;
    if (n == 0 || n > MAX_INPUTS) return glim_api_fail(&c->error, 400, "invalid_value", "input", "\"input\": got %zu inputs, want 1 to %d", n, MAX_INPUTS);
    t->vectors = glim_xcalloc(n, sizeof *t->vectors);
    t->n = n;
    if (!glim_call_units(c, n)) return false;
    for (size_t i = 0; i < n; i++) {
        char place[32];
        snprintf(place, sizeof place, many ? "input[%zu]" : "input", i);
        if (!read_input(c, many ? json_array_get(v, i) : v, place, &c->units[i].ids)) return false;
        c->units[i].r = (glim_request){.task = GLIM_TASK_EMBED, .pooling = t->pooling, .no_normalize = t->dims != 0};
        t->n_tokens += (int64_t)c->units[i].ids.n;
    }
    return true;
}

bool glim_embed_prepare(glim_call *c) {
    const char *format = NULL, *pooling = NULL;
    int64_t dims = 0;
    size_t n_embd = c->b->e->model->cfg.n_embd;
    json_t *body = glim_call_json(c);
    if (!body) return false;
    glim_buf_free(&c->body);
    task *t = c->task = glim_xcalloc(1, sizeof *t);
    t->body = body;
    if (!glim_route_read_model(c, body) || !glim_field_str(body, "encoding_format", &format, &c->error) ||
        !glim_field_int(body, "dimensions", 1, (int64_t)n_embd, &dims, &c->error) || !glim_field_str(body, "pooling", &pooling, &c->error))
        return false;
    if (format && strcmp(format, "float") != 0 && strcmp(format, "base64") != 0)
        return glim_api_fail(&c->error, 400, "invalid_value", "encoding_format", "\"encoding_format\": got \"%.100s\", want \"float\" or \"base64\"", format);
    if (pooling && strcmp(pooling, "mean") != 0 && strcmp(pooling, "last") != 0)
        return glim_api_fail(&c->error, 400, "invalid_value", "pooling", "\"pooling\": got \"%.100s\", want \"mean\" or \"last\"", pooling);
    t->base64 = format && strcmp(format, "base64") == 0;
    t->pooling = pooling && strcmp(pooling, "last") == 0 ? GLIM_POOLING_LAST : GLIM_POOLING_MEAN;
    t->dims = (size_t)dims;
    return read_inputs(c, t);
}

/* The beginning of a vector, again of length 1. */
static bool shorten(float *v, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    if (!isfinite(sum)) return false;
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t i = 0; i < n; i++) v[i] = (float)((double)v[i] * scale);
    return true;
}

static void put_floats(glim_buf *b, const float *v, size_t n) {
    glim_buf_putc(b, '[');
    for (size_t i = 0; i < n; i++) glim_buf_printf(b, i ? ", %.9g" : "%.9g", (double)v[i]);
    glim_buf_putc(b, ']');
}

bool glim_embed_event(glim_call *c, size_t i, const glim_event *ev) {
    task *t = c->task;
    if (ev->kind != GLIM_EV_EMBEDDING) return true;
    void *mem = NULL;
    glim_err err = {0};
    size_t n = t->dims && t->dims < ev->n_values ? t->dims : ev->n_values;
    if (glim_try_calloc(&mem, n, sizeof(float), "an embedding", &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    float *v = mem;
    memcpy(v, ev->values, n * sizeof *v);
    bool ok = t->dims == 0 || shorten(v, n);
    for (size_t k = 0; k < n && ok; k++) ok = isfinite(v[k]);
    glim_buf_clear(&t->vectors[i]);
    if (ok && t->base64) {
        glim_buf_putc(&t->vectors[i], '"');
        glim_base64_put(&t->vectors[i], v, n * sizeof *v); /* little-endian machines only, which src/tensor takes for granted */
        glim_buf_putc(&t->vectors[i], '"');
    } else if (ok) {
        put_floats(&t->vectors[i], v, n);
    }
    free(v);
    if (ok && t->vectors[i].failed) return glim_api_fail(&c->error, 503, "overloaded", NULL, "no memory for the embeddings");
    return ok || glim_api_fail(&c->error, 500, "generation_failed", NULL, "the embedding of input %zu is not finite", i);
}

void glim_embed_whole(glim_call *c, glim_buf *b) {
    const task *t = c->task;
    size_t bytes = 256;
    for (size_t i = 0; i < t->n; i++) bytes += t->vectors[i].len + 80;
    glim_buf_reserve(b, bytes);
    glim_buf_puts(b, "{\"object\": \"list\", \"data\": [");
    for (size_t i = 0; i < t->n; i++) {
        glim_buf_printf(b, "%s{\"object\": \"embedding\", \"index\": %zu, \"embedding\": ", i ? ", " : "", i);
        glim_buf_append(b, glim_buf_cstr(&t->vectors[i]), t->vectors[i].len);
        glim_buf_putc(b, '}');
    }
    glim_buf_puts(b, "], \"model\": ");
    glim_json_put_str(b, c->model, strlen(c->model));
    glim_buf_printf(b, ", \"usage\": {\"prompt_tokens\": %lld, \"total_tokens\": %lld}}", (long long)t->n_tokens, (long long)t->n_tokens);
}

void glim_embed_release(glim_call *c) {
    task *t = c->task;
    if (!t) return;
    for (size_t i = 0; i < t->n; i++) glim_buf_free(&t->vectors[i]);
    free(t->vectors);
    json_decref(t->body);
    free(t);
}
