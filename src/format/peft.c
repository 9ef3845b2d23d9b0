/* peft.c - see peft.h. */
#include "format/peft.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

enum { MAX_CONFIG = 1 << 20, MAX_PATTERN = 256, MAX_PAIRS = 1 << 20 };
static const char CONFIG[] = "adapter_config.json", WEIGHTS[] = "adapter_model.safetensors";

typedef struct lora_config {
    int64_t r;
    double alpha;
    bool rslora, dora;
    const json_t *rank_pattern, *alpha_pattern;
} lora_config;

static bool is_empty(const json_t *v) {
    return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

/* Pairs that begin as a part of the weights, which PEFT takes out of the base model again whenever it loads them: beside the weights as
 * they were published they are another model. What PEFT converts when it saves says true. */
static glim_status refuse_moved_base(const json_t *o, glim_err *err) {
    static const char *const starts[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};
    const char *how = json_string_value(json_object_get(o, "init_lora_weights"));
    for (size_t i = 0; how && i < GLIM_COUNT(starts); i++)
        if (strncmp(how, starts[i], strlen(starts[i])) == 0) {
            glim_fail(err, GLIM_E_UNSUPPORTED, "%s: \"init_lora_weights\" is \"%.40s\": such a pair belongs to a base model that was changed with it", CONFIG, how);
            glim_err_hint(err, "PEFT converts it: save_pretrained(..., path_initial_model_for_weight_conversion=...)");
            return GLIM_E_UNSUPPORTED;
        }
    return GLIM_OK;
}

/* Keys that change what an adapter computes, and which Glim does not do. */
static glim_status refuse_others(const json_t *o, glim_err *err) {
    static const char *const keys[] = {"lora_bias", "modules_to_save", "layer_replication", "target_parameters",
                                       "fan_in_fan_out", "trainable_token_indices", "use_qalora", "use_bdlora", "kasa_config", "monteclora_config", "arrow_config",
                                       "alora_invocation_tokens"};
    for (size_t i = 0; i < GLIM_COUNT(keys); i++)
        if (!is_empty(json_object_get(o, keys[i])))
            return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: \"%s\" is set, which Glim does not support: want it absent or false",
                             CONFIG, keys[i]);
    const char *bias;
    glim_status rc = glim_json_get_str(o, "bias", "none", &bias, err);
    if (rc == GLIM_OK && strcmp(bias, "none") != 0)
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "%s: \"bias\" is \"%s\", want \"none\"", CONFIG, bias);
    return rc;
}

static glim_status read_config(lora_config *c, glim_peft *p, const json_t *o, glim_err *err) {
    const char *type, *base;
    *c = (lora_config){0};
    if (!json_is_object(o))
        return glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want an object", CONFIG, glim_json_type_name(o));
    glim_status rc = glim_json_get_str(o, "peft_type", "", &type, err);
    if (rc == GLIM_OK && strcmp(type, "LORA") != 0)
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "%s: \"peft_type\" is \"%s\", want \"LORA\"", CONFIG, type);
    if (rc == GLIM_OK) rc = refuse_others(o, err);
    if (rc == GLIM_OK) rc = refuse_moved_base(o, err);
    if (rc == GLIM_OK) rc = glim_json_need_int(o, "r", 1, 65536, &c->r, err);
    if (rc == GLIM_OK) rc = glim_json_get_real(o, "lora_alpha", 8, &c->alpha, err); /* PEFT's default */
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "use_rslora", false, &c->rslora, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "use_dora", false, &c->dora, err);
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "base_model_name_or_path", "", &base, err);
    if (rc == GLIM_OK && !isfinite(c->alpha)) rc = glim_fail(err, GLIM_E_FORMAT, "%s: \"lora_alpha\" is not finite", CONFIG);
    if (rc != GLIM_OK) return rc;
    snprintf(p->base, sizeof p->base, "%s", base);
    c->rank_pattern = json_object_get(o, "rank_pattern");
    c->alpha_pattern = json_object_get(o, "alpha_pattern");
    const json_t *patterns[] = {c->rank_pattern, c->alpha_pattern};
    for (int i = 0; i < 2; i++)
        if (patterns[i] && !json_is_null(patterns[i]) && !json_is_object(patterns[i]))
            return glim_fail(err, GLIM_E_FORMAT, "%s: \"%s\" is %s, want an object", CONFIG, i ? "alpha_pattern" : "rank_pattern",
                             glim_json_type_name(patterns[i]));
    return GLIM_OK;
}

/* Whether a module's name matches as PEFT matches: re.match(r"(.*\.)?({key})$", name). PCRE2 reads what Python reads,
 * in compiled code of bounded size and with bounded steps, which the C library's expressions do not promise. */
static glim_status pattern_hits(const char *key, const char *module, bool *hit, glim_err *err) {
    char full[MAX_PATTERN + 32];
    size_t n = strlen(key);
    if (n > MAX_PATTERN)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: pattern \"%.40s...\" has %zu bytes, want at most %d", CONFIG, key, n, MAX_PATTERN);
    snprintf(full, sizeof full, "^(?:.*\\.)?(?:%s)$", key);
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)full, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!re) return glim_fail(err, GLIM_E_FORMAT, "%s: pattern \"%s\" is no regular expression", CONFIG, key);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    glim_status rc = GLIM_OK;
    if (!data || !limits) {
        rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate memory for pattern \"%s\"", key);
    } else {
        pcre2_set_match_limit(limits, 100000);
        pcre2_set_heap_limit(limits, 4096); /* KiB */
        int found = pcre2_match(re, (PCRE2_SPTR)module, strlen(module), 0, 0, data, limits);
        *hit = found >= 0;
        if (found < PCRE2_ERROR_NOMATCH)
            rc = glim_fail(err, GLIM_E_UNSUPPORTED, "%s: pattern \"%s\" takes too long on \"%s\"", CONFIG, key, module);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return rc;
}

/* The value of the first pattern that matches. */
static glim_status pattern_value(const json_t *patterns, const char *module, double *value, glim_err *err) {
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)patterns, key, v) {
        bool hit = false;
        glim_status rc = pattern_hits(key, module, &hit, err);
        if (rc != GLIM_OK) return rc;
        if (!hit) continue;
        if (!json_is_number(v) || !(json_number_value(v) > 0) || !isfinite(json_number_value(v)))
            return glim_fail(err, GLIM_E_FORMAT, "%s: pattern \"%s\": want a positive number", CONFIG, key);
        *value = json_number_value(v);
        return GLIM_OK;
    }
    return GLIM_OK;
}

static bool take_end(char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    if (n <= m || strcmp(s + n - m, end) != 0) return false;
    s[n - m] = 0;
    return true;
}

/* "base_model.model.<module>.lora_A.weight" -> module and which half. PEFT drops the adapter's name when it
 * saves; a file that kept it ("lora_A.default.weight") is taken too. */
typedef enum tensor_part { PART_A, PART_B, PART_MAGNITUDE } tensor_part;
static glim_status split_name(const glim_tensor *t, char **module, tensor_part *which, glim_err *err) {
    static const char PREFIX[] = "base_model.model.";
    const char *s = t->name;
    if (strncmp(s, PREFIX, sizeof PREFIX - 1) == 0) s += sizeof PREFIX - 1;
    char *m = glim_xstrdup(s);
    bool known = take_end(m, ".weight");
    take_end(m, ".default");
    if (known && take_end(m, ".lora_A")) *which = PART_A;
    else if (known && take_end(m, ".lora_B")) *which = PART_B;
    else if (take_end(m, ".lora_magnitude_vector")) *which = PART_MAGNITUDE; /* with or without ".weight" */
    else {
        free(m);
        return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: tensor \"%s\" is not part of a LoRA pair of a linear layer", WEIGHTS, t->name);
    }
    *module = m;
    return GLIM_OK;
}

static int by_module(const void *a, const void *b) {
    return strcmp(((const glim_peft_pair *)a)->module, ((const glim_peft_pair *)b)->module);
}

static bool is_float(glim_dtype t) { return t == GLIM_F32 || t == GLIM_F16 || t == GLIM_BF16; }

/* Both halves are there, with shapes that fit each other. */
static glim_status check_pair(const lora_config *c, glim_peft_pair *x, glim_err *err) {
    if (!x->a || !x->b)
        return glim_fail(err, GLIM_E_NOT_FOUND, "%s: module \"%s\" has no lora_%c", WEIGHTS, x->module, x->a ? 'B' : 'A');
    const glim_tensor *half[] = {x->a, x->b};
    for (int i = 0; i < 2; i++) {
        if (!is_float(half[i]->type))
            return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: tensor \"%s\" has type %s, want f32, f16 or bf16", WEIGHTS, half[i]->name,
                             glim_dtype_of(half[i]->type)->name);
        if (half[i]->n_dims != 2)
            return glim_fail(err, GLIM_E_SHAPE, "%s: tensor \"%s\" has %d dimensions, want 2", WEIGHTS, half[i]->name,
                             half[i]->n_dims);
    }
    if (x->a->dims[0] != x->b->dims[1] || x->a->dims[0] == 0)
        return glim_fail(err, GLIM_E_SHAPE, "%s: module \"%s\": A is [%zu, %zu] and B is [%zu, %zu], want one rank", WEIGHTS,
                         x->module, x->a->dims[0], x->a->dims[1], x->b->dims[0], x->b->dims[1]);
    const glim_tensor *m = x->magnitude;
    if (c->dora && !m) return glim_fail(err, GLIM_E_NOT_FOUND, "%s: module \"%s\" has no lora_magnitude_vector", WEIGHTS, x->module);
    if (!c->dora && m)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "%s: tensor \"%s\", but %s has no \"use_dora\"", WEIGHTS, m->name, CONFIG);
    if (m) { /* [out], [out, 1] or [1, out] */
        size_t n = 1;
        for (int i = 0; i < m->n_dims; i++) n = m->dims[i] == 1 ? n : n == 1 ? m->dims[i] : 0;
        if (!is_float(m->type) || n != x->b->dims[0])
            return glim_fail(err, GLIM_E_SHAPE, "%s: tensor \"%s\": want %zu floating point values", WEIGHTS, m->name, x->b->dims[0]);
    }
    double rank = (double)c->r, alpha = c->alpha;
    glim_status rc = pattern_value(c->rank_pattern, x->module, &rank, err);
    if (rc == GLIM_OK) rc = pattern_value(c->alpha_pattern, x->module, &alpha, err);
    if (rc != GLIM_OK) return rc;
    x->rank = x->a->dims[0];
    if (rank != (double)x->rank)
        return glim_fail(err, GLIM_E_SHAPE, "%s: module \"%s\" has rank %zu, %s says %g", WEIGHTS, x->module, x->rank, CONFIG, rank);
    x->scale = alpha / (c->rslora ? sqrt(rank) : rank);
    return GLIM_OK;
}

static glim_status read_pairs(glim_peft *p, const lora_config *c, glim_err *err) {
    size_t n = glim_st_n_tensors(p->st);
    if (n == 0 || n > MAX_PAIRS)
        return glim_fail(err, GLIM_E_FORMAT, "%s has %zu tensors, want pairs of lora_A and lora_B", WEIGHTS, n);
    void *list;
    glim_status rc = glim_try_calloc(&list, n, sizeof *p->pairs, "an adapter's modules", err);
    if (rc != GLIM_OK) return rc;
    p->pairs = list;
    /* One entry for each half, sorted; then halves of one module, now neighbours, are joined. */
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        const glim_tensor *t = glim_st_tensor(p->st, i);
        tensor_part which = PART_A;
        glim_peft_pair *x = &p->pairs[p->n_pairs];
        rc = split_name(t, &x->module, &which, err);
        if (rc != GLIM_OK) break;
        *(which == PART_A ? &x->a : which == PART_B ? &x->b : &x->magnitude) = t;
        p->n_pairs++;
    }
    if (rc != GLIM_OK) return rc;
    qsort(p->pairs, p->n_pairs, sizeof *p->pairs, by_module);
    size_t out = 0;
    for (size_t i = 0; i < n; i++) {
        glim_peft_pair *x = &p->pairs[i], *last = out ? &p->pairs[out - 1] : NULL;
        if (last && strcmp(last->module, x->module) == 0 && !(last->a && x->a) && !(last->b && x->b) &&
            !(last->magnitude && x->magnitude)) {
            if (x->a) last->a = x->a;
            else if (x->b) last->b = x->b;
            else last->magnitude = x->magnitude;
            free(x->module);
            x->module = NULL;
        } else if (out++ != i) {
            p->pairs[out - 1] = *x;
            *x = (glim_peft_pair){0};
        }
    }
    p->n_pairs = out;
    for (size_t i = 0; i < out && rc == GLIM_OK; i++) rc = check_pair(c, &p->pairs[i], err);
    return rc;
}

static glim_status parse(glim_peft *p, glim_err *err) {
    json_t *o;
    lora_config c;
    glim_status rc = glim_json_parse(&o, p->config_text, p->config_bytes, 0, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "%s", CONFIG);
        return rc;
    }
    rc = read_config(&c, p, o, err);
    if (rc == GLIM_OK) rc = read_pairs(p, &c, err);
    json_decref(o);
    return rc;
}

glim_status glim_peft_open_mem(glim_peft *p, const char *config, size_t n_config, const void *weights, size_t n_weights,
                               glim_err *err) {
    *p = (glim_peft){0};
    void *copy;
    glim_status rc = glim_try_calloc(&copy, n_config + 1, 1, CONFIG, err);
    if (rc != GLIM_OK) return rc;
    memcpy(copy, config, n_config);
    p->config_text = copy;
    p->config_bytes = n_config;
    rc = glim_st_open_mem(&p->st, weights, n_weights, WEIGHTS, err);
    if (rc == GLIM_OK) rc = parse(p, err);
    if (rc != GLIM_OK) glim_peft_close(p);
    return rc;
}

glim_status glim_peft_open(glim_peft *p, const char *folder, glim_err *err) {
    *p = (glim_peft){0};
    char *config = glim_path_join(folder, CONFIG), *weights = glim_path_join(folder, WEIGHTS);
    glim_buf text = {0};
    glim_status rc = glim_file_read(&text, config, MAX_CONFIG, err);
    p->config_text = text.s;
    p->config_bytes = text.len;
    if (rc == GLIM_OK) rc = glim_st_open(&p->st, weights, err);
    if (rc == GLIM_OK) {
        rc = parse(p, err);
        if (rc != GLIM_OK) glim_err_context(err, "%s", folder);
    } else if (rc == GLIM_E_NOT_FOUND) {
        glim_err_hint(err, "a PEFT adapter is a folder with %s and %s", CONFIG, WEIGHTS);
    }
    if (rc != GLIM_OK) glim_peft_close(p);
    free(config);
    free(weights);
    return rc;
}

void glim_peft_close(glim_peft *p) {
    for (size_t i = 0; p->pairs && i < p->n_pairs; i++) free(p->pairs[i].module);
    free(p->pairs);
    free(p->config_text);
    glim_st_close(p->st);
    *p = (glim_peft){0};
}
