/* tune_ask.c - see tune_ask.h. */
#include "serve/tune_ask.h"

#include <stdio.h>
#include <string.h>

#include "serve/fields.h"

#define NAME "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

typedef struct range {
    const char *key;
    bool whole, open; /* open: lo itself is not allowed */
    double lo, hi;
} range;

static bool in_range(const range *r, const json_t *v, const char *place, glim_api_error *e) {
    if (!json_is_number(v)) return glim_field_type_error(e, place, v, r->whole ? "an integer or \"auto\"" : "a number or \"auto\"");
    double x = json_number_value(v);
    bool ok = x <= r->hi && (r->open ? x > r->lo : x >= r->lo) && (!r->whole || json_is_integer(v));
    return ok || glim_api_fail(e, 400, "invalid_value", place, "\"%s\": got %g, want %s%s %g to %g", place, x, r->whole ? "an integer " : "",
                               r->open ? "above" : "from", r->lo, r->hi);
}

static bool is_auto(const json_t *v) { return json_is_string(v) && strcmp(json_string_value(v), "auto") == 0; }

/* Known settings of `in` into `out`, each a number in its range or "auto". */
static bool read_hyper(json_t *out, const json_t *in, const char *where, bool dpo, glim_api_error *e) {
    static const range known[] = {{"n_epochs", true, false, 1, 50}, {"batch_size", true, false, 1, 256},
                                  {"learning_rate_multiplier", false, true, 0, 1e6}, {"beta", false, true, 0, 2}};
    for (size_t i = 0; i < GLIM_COUNT(known); i++) {
        const json_t *v = glim_field(in, known[i].key);
        char place[96];
        if (strcmp(known[i].key, "beta") == 0 && !dpo) continue;
        snprintf(place, sizeof place, "%s.%s", where, known[i].key);
        if (v && !is_auto(v) && !in_range(&known[i], v, place, e)) return false;
        if (v) json_object_set(out, known[i].key, (json_t *)v);
        else if (!json_object_get(out, known[i].key)) json_object_set_new(out, known[i].key, json_string("auto"));
    }
    return true;
}

static bool read_method(const json_t *body, json_t *spec, glim_api_error *e) {
    const json_t *m = NULL, *old = NULL, *inner = NULL, *hyper = NULL;
    const char *type = "supervised";
    char where[64];
    if (!glim_field_object(body, "method", &m, e) || !glim_field_object(body, "hyperparameters", &old, e)) return false;
    if (m && !glim_field_str(m, "type", &type, e)) return snprintf(e->param, sizeof e->param, "method.type"), false;
    bool dpo = strcmp(type, "dpo") == 0;
    if (!dpo && strcmp(type, "supervised") != 0)
        return glim_api_fail(e, 400, "unsupported_value", "method.type", "\"method.type\": got \"%.60s\", want \"supervised\" or \"dpo\"", type);
    if (m && !glim_field_object(m, type, &inner, e)) return false;
    if (inner && !glim_field_object(inner, "hyperparameters", &hyper, e)) return false;
    json_t *h = json_object();
    json_object_set_new(spec, "method", json_pack("{s:s, s:o}", "type", type, "hyperparameters", h));
    if (old && !read_hyper(h, old, "hyperparameters", dpo, e)) return false;
    snprintf(where, sizeof where, "method.%s.hyperparameters", type);
    return read_hyper(h, hyper, where, dpo, e);
}

static bool given(const json_t *own, const char *key) { return glim_field(own, key) != NULL; }

/* Half a promise would be dropped in silence. */
static bool whole_promise(const json_t *own, glim_api_error *e) {
    static const char *const rest[] = {"dp_delta", "dp_clip", "dp_noise", "dp_set"};
    const bool private = given(own, "dp_epsilon");
    if (private && !given(own, "dp_delta"))
        return glim_api_fail(e, 400, "missing_required_parameter", "glim.dp_delta", "\"glim.dp_epsilon\" wants \"glim.dp_delta\" beside it, less than one in the number of examples");
    for (size_t i = 0; i < GLIM_COUNT(rest); i++)
        if (!private && given(own, rest[i]))
            return glim_api_fail(e, 400, "missing_required_parameter", "glim.dp_epsilon", "\"glim.%s\" goes with \"glim.dp_epsilon\"", rest[i]);
    return true;
}

/* Of a rate and a multiple of the usual one, one would be left aside. */
static bool one_rate(const json_t *own, const json_t *spec, glim_api_error *e) {
    const json_t *hyper = json_object_get(json_object_get(spec, "method"), "hyperparameters");
    if (!given(own, "learning_rate") || !json_is_number(json_object_get(hyper, "learning_rate_multiplier"))) return true;
    return glim_api_fail(e, 400, "invalid_value", "glim.learning_rate", "\"glim.learning_rate\" and \"learning_rate_multiplier\" both say the rate: want one of them");
}

static bool read_own(const json_t *body, json_t *spec, glim_api_error *e) {
    static const range known[] = {{"lora_rank", true, false, 1, 512}, {"lora_alpha", false, true, 0, 4096}, {"learning_rate", false, true, 0, 1},
                                  {"max_tokens", true, false, 2, 1 << 24}, {"dp_epsilon", false, true, 0, 1000}, {"dp_delta", false, false, 1e-11, 0.999999},
                                  {"dp_clip", false, true, 0, 1e6}, {"dp_noise", false, true, 0, 1e6}};
    const json_t *own = NULL;
    const char *key;
    json_t *v;
    if (!glim_field_object(body, "glim", &own, e) || !own) return own == NULL && e->status == 0;
    json_object_foreach((json_t *)own, key, v) {
        char place[64];
        size_t i = 0;
        snprintf(place, sizeof place, "glim.%.50s", key);
        if (json_is_null(v)) continue;
        if (strcmp(key, "dp_set") == 0) {
            const char *t = json_string_value(v);
            if (!t || !*t || strlen(t) > 40 || strspn(t, NAME) != strlen(t))
                return glim_api_fail(e, 400, "invalid_value", place, "\"%s\": want 1 to 40 letters, digits, \"_\" or \"-\"", place);
            continue;
        }
        if (strcmp(key, "base_type") == 0) {
            static const char *const types[] = {"f32", "bf16", "f16", "q8_0"};
            const char *t = json_string_value(v);
            while (i < GLIM_COUNT(types) && (!t || strcmp(t, types[i]) != 0)) i++;
            if (i == GLIM_COUNT(types)) return glim_api_fail(e, 400, "invalid_value", place, "\"%s\": want f32, bf16, f16 or q8_0", place);
            continue;
        }
        if (strcmp(key, "thinking") == 0) { /* whether this model has such a switch is asked by the route */
            const char *t = json_string_value(v);
            if (!t || (strcmp(t, "on") != 0 && strcmp(t, "off") != 0)) return glim_api_fail(e, 400, "invalid_value", place, "\"%s\": want \"on\" or \"off\"", place);
            continue;
        }
        while (i < GLIM_COUNT(known) && strcmp(known[i].key, key) != 0) i++;
        if (i == GLIM_COUNT(known))
            return glim_api_fail(e, 400, "unknown_parameter", place, "\"%s\" is not known; there are lora_rank, lora_alpha, learning_rate, max_tokens, base_type, thinking, dp_epsilon, dp_delta, dp_clip, dp_noise and dp_set", place);
        if (!in_range(&known[i], v, place, e)) return false;
    }
    json_object_set(spec, "glim", (json_t *)own);
    return one_rate(own, spec, e) && whole_promise(own, e);
}

json_t *glim_tune_ask(const json_t *body, glim_api_error *e) {
    const char *model = NULL, *train = NULL, *valid = NULL, *suffix = NULL;
    const json_t *meta = NULL;
    int64_t seed = -1;
    *e = (glim_api_error){0};
    if (!glim_field_str(body, "model", &model, e) || !glim_field_str(body, "training_file", &train, e) || !glim_field_str(body, "validation_file", &valid, e) ||
        !glim_field_str(body, "suffix", &suffix, e) || !glim_field_int(body, "seed", 0, INT32_MAX, &seed, e) || !glim_field_object(body, "metadata", &meta, e))
        return NULL;
    const char *lacks = !model ? "model" : !train ? "training_file" : NULL;
    if (lacks) return glim_api_fail(e, 400, "missing_required_parameter", lacks, "\"%s\" is missing", lacks), NULL;
    if (suffix && (!*suffix || strlen(suffix) > 64 || strspn(suffix, NAME ".") != strlen(suffix)))
        return glim_api_fail(e, 400, "invalid_value", "suffix", "\"suffix\": want 1 to 64 letters, digits, \"_\", \".\" or \"-\""), NULL;
    json_t *spec = json_pack("{s:s, s:s, s:s?, s:s?, s:o, s:O?}", "model", model, "training_file", train, "validation_file", valid, "suffix", suffix, "seed",
                             seed < 0 ? json_null() : json_integer(seed), "metadata", meta);
    if (read_method(body, spec, e) && read_own(body, spec, e)) return spec;
    json_decref(spec);
    return NULL;
}
