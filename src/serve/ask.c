/* ask.c - fields that chat and completions share, response_format, and prompts. */
#include "serve/ask.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "serve/fields.h"

static bool read_model(glim_ask *a, glim_api_error *e) {
    if (!glim_field(a->body, "model"))
        return glim_api_fail(e, 400, "missing_required_parameter", "model", "\"model\" is missing, want the name of a model");
    return glim_field_str(a->body, "model", &a->model, e);
}

static bool read_stops(glim_ask *a, glim_api_error *e) {
    const json_t *v = glim_field(a->body, "stop");
    if (!v) return true;
    if (!json_is_string(v) && !json_is_array(v)) return glim_field_type_error(e, "stop", v, "a string or an array of strings");
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > GLIM_ASK_STOPS)
        return glim_api_fail(e, 400, "invalid_value", "stop", "\"stop\": got %zu strings, want at most %d", n, GLIM_ASK_STOPS);
    for (size_t i = 0; i < n; i++) {
        const json_t *s = json_is_array(v) ? json_array_get(v, i) : v;
        char place[32];
        snprintf(place, sizeof place, json_is_array(v) ? "stop[%zu]" : "stop", i);
        if (!json_is_string(s)) return glim_field_type_error(e, place, s, "a string");
        size_t len = json_string_length(s);
        if (len == 0 || len > GLIM_ASK_STOP_BYTES || strlen(json_string_value(s)) != len)
            return glim_api_fail(e, 400, "invalid_value", place, "\"%s\": got %zu bytes, want 1 to %d without NUL", place, len, GLIM_ASK_STOP_BYTES);
        a->stop[a->n_stop++] = json_string_value(s);
    }
    return true;
}

static bool read_bias(glim_ask *a, const glim_ask_facts *f, glim_api_error *e) {
    const json_t *o = NULL, *v;
    const char *key;
    if (!glim_field_object(a->body, "logit_bias", &o, e)) return false;
    if (!o || json_object_size(o) == 0) return true;
    void *mem;
    glim_err err;
    if (glim_try_calloc(&mem, json_object_size(o), sizeof *a->bias, "logit_bias", &err) != GLIM_OK) return glim_api_from(e, &err, "logit_bias");
    a->bias = mem;
    json_object_foreach((json_t *)o, key, v) {
        char *end;
        unsigned long id = strtoul(key, &end, 10);
        /* strtoul takes signs and blanks, a token id has neither */
        if (key[0] < '0' || key[0] > '9' || *end || strlen(key) > 9 || id >= f->n_vocab)
            return glim_api_fail(e, 400, "invalid_value", "logit_bias", "\"logit_bias\": got the key \"%.40s\", want a token id from 0 to %zu",
                                 key, f->n_vocab - 1);
        if (!json_is_number(v)) return glim_field_type_error(e, "logit_bias", v, "numbers");
        double x = json_number_value(v);
        if (!(x >= -100 && x <= 100))
            return glim_api_fail(e, 400, "invalid_value", "logit_bias", "\"logit_bias\": got %g for token %lu, want -100 to 100", x, id);
        /* The ends of the range ban and force. 1e4 is far above any logit, and finite. */
        a->bias[a->sample.n_bias++] = (glim_bias){(int32_t)id, x <= -100 ? -INFINITY : x >= 100 ? 1e4f : (float)x};
    }
    a->sample.bias = a->bias;
    return true;
}

static bool read_sampling(glim_ask *a, const glim_ask_facts *f, glim_api_error *e) {
    glim_sample_params *s = &a->sample;
    *s = f->defaults;
    int64_t top_k = s->top_k, seed = 0, n = 1;
    if (!glim_field_real(a->body, "temperature", 0, 2, &s->temperature, e) || !glim_field_real(a->body, "top_p", 0, 1, &s->top_p, e) ||
        !glim_field_real(a->body, "min_p", 0, 1, &s->min_p, e) || !glim_field_int(a->body, "top_k", -1, 1 << 24, &top_k, e) ||
        !glim_field_real(a->body, "frequency_penalty", -2, 2, &s->frequency_penalty, e) ||
        !glim_field_real(a->body, "presence_penalty", -2, 2, &s->presence_penalty, e) ||
        !glim_field_real(a->body, "repetition_penalty", 0.01, 10, &s->repetition_penalty, e) ||
        !glim_field_int(a->body, "n", 1, GLIM_ASK_N, &n, e) || !glim_field_int(a->body, "seed", INT64_MIN, INT64_MAX, &seed, e))
        return false;
    s->top_k = top_k < 0 ? 0 : (int)top_k;
    if (glim_field(a->body, "top_p") && s->top_p <= 0) s->top_p = 1e-9; /* the sampler reads 0 as off; 0 keeps the best one */
    a->n = a->n_shown = (uint32_t)n;
    a->has_seed = glim_field(a->body, "seed") != NULL;
    s->seed = (uint64_t)seed;
    if (!a->has_seed && getrandom(&s->seed, sizeof s->seed, 0) != sizeof s->seed)
        return glim_api_fail(e, 500, NULL, NULL, "could not draw a seed");
    return read_stops(a, e) && read_bias(a, f, e);
}

static bool read_stream(glim_ask *a, glim_api_error *e) {
    const json_t *o = NULL;
    if (!glim_field_bool(a->body, "stream", &a->stream, e) || !glim_field_object(a->body, "stream_options", &o, e)) return false;
    if (!o) return true;
    if (!a->stream)
        return glim_api_fail(e, 400, "invalid_value", "stream_options", "\"stream_options\" is given without \"stream\": true");
    if (!glim_field_bool(o, "include_usage", &a->include_usage, e)) {
        snprintf(e->param, sizeof e->param, "stream_options.include_usage");
        return false;
    }
    return true;
}

static bool is_name(const char *s, size_t n) {
    if (n == 0 || n > 64) return false;
    for (size_t i = 0; i < n; i++)
        if (!(s[i] == '_' || s[i] == '-' || (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z'))) return false;
    return true;
}

static bool read_format(glim_ask *a, glim_api_error *e) {
    const json_t *o = NULL, *s = NULL;
    const char *type = NULL, *name = NULL;
    if (!glim_field_object(a->body, "response_format", &o, e)) return false;
    if (!o) return true;
    if (!glim_field_str(o, "type", &type, e)) goto inside;
    if (!type) return glim_api_fail(e, 400, "missing_required_parameter", "response_format.type", "\"response_format.type\" is missing");
    if (strcmp(type, "text") == 0) return true;
    if (strcmp(type, "json_object") == 0) {
        a->json_object = true;
        return true;
    }
    if (strcmp(type, "json_schema") != 0)
        return glim_api_fail(e, 400, "invalid_value", "response_format.type",
                             "\"response_format.type\": got \"%.100s\", want \"text\", \"json_object\" or \"json_schema\"", type);
    if (!glim_field_object(o, "json_schema", &s, e)) goto inside;
    if (!s) return glim_api_fail(e, 400, "missing_required_parameter", "response_format.json_schema", "\"response_format.json_schema\" is missing");
    if (!glim_field_str(s, "name", &name, e) || !glim_field_bool(s, "strict", &a->schema_strict, e) ||
        !glim_field_object(s, "schema", &a->schema, e))
        goto inside;
    if (!name || !is_name(name, strlen(name)))
        return glim_api_fail(e, 400, name ? "invalid_value" : "missing_required_parameter", "response_format.json_schema.name",
                             "\"response_format.json_schema.name\": want 1 to 64 letters, digits, \"_\" or \"-\"");
    if (!a->schema)
        return glim_api_fail(e, 400, "missing_required_parameter", "response_format.json_schema.schema",
                             "\"response_format.json_schema.schema\" is missing");
    return true;
inside:;
    char where[96];
    snprintf(where, sizeof where, "response_format.%s%.60s", s ? "json_schema." : "", e->param);
    snprintf(e->param, sizeof e->param, "%s", where);
    return false;
}

/* reasoning_effort, chat_template_kwargs.enable_thinking and thinking.type all say the same; the last one given wins. clear_thinking false
 * keeps the reasoning of earlier turns in the prompt (GLM-4.7), in either object. */
static bool read_thinking(glim_ask *a, glim_api_error *e) {
    static const char *const efforts[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};
    const char *effort = NULL, *type = NULL;
    const json_t *kwargs = NULL, *think = NULL;
    if (!glim_field_str(a->body, "reasoning_effort", &effort, e) || !glim_field_object(a->body, "chat_template_kwargs", &kwargs, e) ||
        !glim_field_object(a->body, "thinking", &think, e))
        return false;
    if (effort) {
        size_t i = 0;
        while (i < GLIM_COUNT(efforts) && strcmp(effort, efforts[i]) != 0) i++;
        if (i == GLIM_COUNT(efforts))
            return glim_api_fail(e, 400, "invalid_value", "reasoning_effort",
                                 "\"reasoning_effort\": got \"%.100s\", want none, minimal, low, medium, high, xhigh or max", effort);
        a->thinking = i < 2 ? -1 : 1;
    }
    if (kwargs) {
        const char *key;
        json_t *v;
        json_object_foreach((json_t *)kwargs, key, v) {
            bool clear = strcmp(key, "clear_thinking") == 0;
            if (!clear && strcmp(key, "enable_thinking") != 0)
                return glim_api_fail(e, 400, "unsupported_value", "chat_template_kwargs",
                                     "\"chat_template_kwargs\": got \"%.100s\", only \"enable_thinking\" and \"clear_thinking\" are allowed", key);
            if (json_is_null(v)) continue;
            if (!json_is_boolean(v))
                return glim_field_type_error(e, clear ? "chat_template_kwargs.clear_thinking" : "chat_template_kwargs.enable_thinking", v, "true or false");
            if (clear) a->keep_thinking = json_is_false(v);
            else a->thinking = json_is_true(v) ? 1 : -1;
        }
    }
    if (think) {
        if (!glim_field_str(think, "type", &type, e)) {
            snprintf(e->param, sizeof e->param, "thinking.type");
            return false;
        }
        bool clear = !a->keep_thinking;
        if (!glim_field_bool(think, "clear_thinking", &clear, e)) {
            snprintf(e->param, sizeof e->param, "thinking.clear_thinking");
            return false;
        }
        a->keep_thinking = !clear;
        if (!type && json_object_size(think) > 0) return true; /* null is absent; what says nothing at all is a mistake */
        if (!type || (strcmp(type, "enabled") != 0 && strcmp(type, "disabled") != 0))
            return glim_api_fail(e, 400, "invalid_value", "thinking.type", "\"thinking.type\": got \"%.100s\", want \"enabled\" or \"disabled\"",
                                 type ? type : "");
        a->thinking = strcmp(type, "enabled") == 0 ? 1 : -1;
    }
    return true;
}

static bool read_modalities(const json_t *body, glim_api_error *e) {
    const json_t *v = NULL;
    if (!glim_field_array(body, "modalities", &v, e)) return false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *s = glim_field_word(json_array_get(v, i));
        if (!s || strcmp(s, "text") != 0)
            return glim_api_fail(e, 400, "unsupported_value", "modalities", "\"modalities\": only \"text\" is possible here");
    }
    if (glim_field(body, "audio")) return glim_api_fail(e, 400, "unsupported_value", "audio", "\"audio\": this model writes text only");
    return true;
}

/* Other servers' ways to force a form: ignoring them would return text that breaks a promise. */
static bool refuse_others(const json_t *body, glim_api_error *e) {
    static const char *const names[] = {"grammar", "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs"};
    for (size_t i = 0; i < GLIM_COUNT(names); i++)
        if (glim_field(body, names[i]))
            return glim_api_fail(e, 400, "unsupported_value", names[i], "\"%s\" is not known here: use \"response_format\" with a json_schema", names[i]);
    return true;
}

static bool begin(glim_ask *a, json_t *body, const glim_ask_facts *f, glim_api_error *e) {
    *a = (glim_ask){.body = body};
    if (!json_is_object(body)) return glim_api_fail(e, 400, "invalid_type", NULL, "the body is %s, want a JSON object", glim_json_type_name(body));
    int64_t priority = 0;
    bool ok = read_model(a, e) && refuse_others(body, e) && read_stream(a, e) && read_sampling(a, f, e) && glim_field_bool(a->body, "ignore_eos", &a->ignore_eos, e) &&
              glim_field_int(body, "priority", 0, 10, &priority, e);
    a->priority = (int)priority;
    return ok;
}

bool glim_ask_chat(glim_ask *a, json_t *body, const glim_ask_facts *f, glim_api_error *e) {
    if (!begin(a, body, f, e)) return false;
    a->chat = true;
    a->mirror_reasoning = f->mirror_reasoning;
    int64_t max = 0, top = 0;
    if (!glim_field_int(body, "max_tokens", 1, INT32_MAX, &max, e) || !glim_field_int(body, "max_completion_tokens", 1, INT32_MAX, &max, e) ||
        !glim_field_bool(body, "logprobs", &a->logprobs, e) || !glim_field_int(body, "top_logprobs", 0, 20, &top, e))
        return false;
    if (glim_field(body, "top_logprobs") && !a->logprobs)
        return glim_api_fail(e, 400, "invalid_value", "top_logprobs", "\"top_logprobs\" is given without \"logprobs\": true");
    a->max_tokens = (size_t)max;
    a->top_logprobs = (uint32_t)top;
    if (!read_modalities(body, e) || !read_thinking(a, e) || !read_format(a, e)) return false;
    if (glim_field(body, "functions") || glim_field(body, "function_call"))
        return glim_api_fail(e, 400, "unsupported_value", glim_field(body, "functions") ? "functions" : "function_call",
                             "\"functions\" and \"function_call\" are the old form of \"tools\" and \"tool_choice\": use those");
    if (!glim_ask_tools(a, e)) return false;
    const json_t *messages = NULL;
    if (!glim_field(body, "messages")) return glim_api_fail(e, 400, "missing_required_parameter", "messages", "\"messages\" is missing");
    return glim_field_array(body, "messages", &messages, e) && glim_ask_messages(&a->messages, messages, e);
}

/* One prompt: a string or an array of token ids. */
static bool read_prompt(glim_ask *a, const json_t *v, const char *place, const glim_ask_facts *f, glim_api_error *e) {
    glim_ask_prompt *p = &a->prompts[a->n_prompts++];
    if (json_is_string(v)) {
        *p = (glim_ask_prompt){.text = json_string_value(v), .n_text = json_string_length(v)};
        return true;
    }
    if (!json_is_array(v)) return glim_field_type_error(e, place, v, "a string or an array of token ids");
    if (json_array_size(v) == 0) return glim_api_fail(e, 400, "invalid_value", place, "\"%s\": got no tokens, want at least one", place);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *id = json_array_get(v, i);
        if (!json_is_integer(id)) return glim_field_type_error(e, place, id, "token ids");
        if (json_integer_value(id) < 0 || (uint64_t)json_integer_value(id) >= f->n_vocab)
            return glim_api_fail(e, 400, "invalid_value", place, "\"%s\": got token id %lld, want 0 to %zu", place,
                                 (long long)json_integer_value(id), f->n_vocab - 1);
    }
    p->ids = v;
    return true;
}

static bool read_prompts(glim_ask *a, const glim_ask_facts *f, glim_api_error *e) {
    const json_t *v = glim_field(a->body, "prompt");
    if (!v) return glim_api_fail(e, 400, "missing_required_parameter", "prompt", "\"prompt\" is missing");
    bool many = json_is_array(v) && !json_is_number(json_array_get(v, 0));
    size_t n = many ? json_array_size(v) : 1;
    if (n == 0 || n > GLIM_ASK_PROMPTS)
        return glim_api_fail(e, 400, "invalid_value", "prompt", "\"prompt\": got %zu prompts, want 1 to %d", n, GLIM_ASK_PROMPTS);
    a->prompts = glim_xcalloc(n, sizeof *a->prompts);
    if (!many) return read_prompt(a, v, "prompt", f, e);
    for (size_t i = 0; i < n; i++) {
        char place[32];
        snprintf(place, sizeof place, "prompt[%zu]", i);
        if (!read_prompt(a, json_array_get(v, i), place, f, e)) return false;
    }
    if (n * a->n > GLIM_ASK_N)
        return glim_api_fail(e, 400, "invalid_value", a->n > a->n_shown ? "best_of" : "n", "%zu prompts with \"%s\" %u are %zu choices, want at most %d", n,
                             a->n > a->n_shown ? "best_of" : "n", a->n, n * a->n, GLIM_ASK_N);
    return true;
}

bool glim_ask_completion(glim_ask *a, json_t *body, const glim_ask_facts *f, glim_api_error *e) {
    if (!begin(a, body, f, e)) return false;
    int64_t max = 16, top = 0, best_of = a->n; /* 16 is what OpenAI's API does when nothing is said */
    if (!glim_field_int(body, "max_tokens", 0, INT32_MAX, &max, e) || !glim_field_int(body, "logprobs", 0, 5, &top, e) ||
        !glim_field_bool(body, "echo", &a->echo, e) || !glim_field_int(body, "best_of", 1, 20, &best_of, e))
        return false;
    if (best_of < a->n) return glim_api_fail(e, 400, "invalid_value", "best_of", "\"best_of\": got %lld, want at least \"n\" (%u)", (long long)best_of, a->n);
    if (best_of > a->n && a->stream) /* which are the best is known at the end */
        return glim_api_fail(e, 400, "unsupported_value", "best_of", "\"best_of\": got %lld, want the value of \"n\" (%u) in a stream", (long long)best_of, a->n);
    a->n = (uint32_t)best_of;
    const json_t *suffix = glim_field(body, "suffix"); /* an editor at the end of its file sends "" */
    if (suffix && !(json_is_string(suffix) && json_string_length(suffix) == 0))
        return glim_api_fail(e, 400, "unsupported_value", "suffix", "\"suffix\": this model does not fill in the middle");
    if (max == 0 && !a->echo)
        return glim_api_fail(e, 400, "invalid_value", "max_tokens", "\"max_tokens\": got 0, which makes sense with \"echo\": true only");
    a->logprobs = glim_field(body, "logprobs") != NULL;
    a->top_logprobs = (uint32_t)top;
    a->max_tokens = (size_t)max;
    return read_prompts(a, f, e);
}

void glim_ask_free(glim_ask *a) {
    json_decref(a->messages);
    json_decref(a->allowed);
    json_decref(a->body);
    free(a->bias);
    free(a->prompts);
    *a = (glim_ask){0};
}
