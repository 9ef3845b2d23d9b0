/* tok_config.c - tokenizer_config.json: added tokens and the names of bos and eos. */
#include <string.h>

#include "text/tok_internal.h"

glim_status glim_tok_added_flags(glim_added *a, const json_t *o, glim_err *err) {
    bool word;
    glim_status rc;
    if ((rc = glim_json_get_bool(o, "special", false, &a->special, err)) != GLIM_OK) return rc;
    if ((rc = glim_json_get_bool(o, "lstrip", false, &a->lstrip, err)) != GLIM_OK) return rc;
    if ((rc = glim_json_get_bool(o, "rstrip", false, &a->rstrip, err)) != GLIM_OK) return rc;
    if ((rc = glim_json_get_bool(o, "normalized", false, &a->normalized, err)) != GLIM_OK) return rc;
    if ((rc = glim_json_get_bool(o, "single_word", false, &word, err)) != GLIM_OK) return rc;
    if (word)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "\"single_word\": true is not supported");
    return GLIM_OK;
}

/* The decimal id that is the key of an entry. */
static glim_status key_id(const char *key, size_t *id, glim_err *err) {
    size_t n = strlen(key), v = 0;
    bool digits = n > 0 && n <= 9;
    for (size_t i = 0; i < n && digits; i++) {
        digits = key[i] >= '0' && key[i] <= '9';
        v = v * 10 + (size_t)(key[i] - '0');
    }
    if (!digits || v >= GLIM_BPE_MAX_IDS)
        return glim_fail(err, GLIM_E_FORMAT, "\"added_tokens_decoder\": got key \"%.40s\", want an id below %d",
                         key, GLIM_BPE_MAX_IDS);
    *id = v;
    return GLIM_OK;
}

/* The object, or NULL where there is none. */
static glim_status decoder_of(const json_t *config, const json_t **out, glim_err *err) {
    *out = json_object_get(config, "added_tokens_decoder");
    if (!*out || json_is_null(*out)) {
        *out = NULL;
        return GLIM_OK;
    }
    if (!json_is_object(*out))
        return glim_fail(err, GLIM_E_FORMAT, "\"added_tokens_decoder\": got %s, want an object",
                         glim_json_type_name(*out));
    return GLIM_OK;
}

glim_status glim_tok_config_max(const json_t *config, size_t *n_ids, glim_err *err) {
    const json_t *o;
    const char *key;
    json_t *v;
    size_t id;
    *n_ids = 0;
    glim_status rc = decoder_of(config, &o, err);
    json_object_foreach((json_t *)o, key, v) {
        if (rc == GLIM_OK) rc = key_id(key, &id, err);
        if (rc != GLIM_OK) return rc;
        if (id >= *n_ids) *n_ids = id + 1;
    }
    return rc;
}

glim_status glim_tok_added_decoder(glim_tok *t, const json_t *config, size_t *n, glim_err *err) {
    const json_t *o;
    const char *key;
    json_t *v;
    *n = 0;
    glim_status rc = decoder_of(config, &o, err);
    json_object_foreach((json_t *)o, key, v) {
        size_t id = 0;
        glim_added a = {0};
        const json_t *content = json_object_get(v, "content");
        if (rc == GLIM_OK) rc = key_id(key, &id, err);
        if (rc == GLIM_OK && !json_is_string(content))
            rc = glim_fail(err, GLIM_E_FORMAT, "\"content\": got %s, want a string",
                           glim_json_type_name(content));
        if (rc == GLIM_OK) rc = glim_tok_added_flags(&a, v, err);
        a.id = (uint32_t)id;
        if (rc == GLIM_OK)
            rc = glim_tok_add_special(t, &a, json_string_value(content), json_string_length(content), err);
        if (rc != GLIM_OK) {
            glim_err_context(err, "added token %s", key);
            return rc;
        }
        ++*n;
    }
    return rc;
}

/* "<s>" or {"content": "<s>", ...}; -1 where it is missing, null or not an added token. */
static glim_status named_id(const glim_tok *t, const json_t *config, const char *key, int32_t *out,
                            glim_err *err) {
    const json_t *v = json_object_get(config, key);
    if (json_is_object(v)) v = json_object_get(v, "content");
    *out = -1;
    if (!v || json_is_null(v)) return GLIM_OK;
    if (!json_is_string(v))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want a string or an object with \"content\"", key,
                         glim_json_type_name(v));
    *out = glim_tok_find(t, json_string_value(v));
    return GLIM_OK;
}

glim_status glim_tok_config_ids(glim_tok *t, const json_t *config, glim_err *err) {
    glim_status rc = named_id(t, config, "bos_token", &t->bos, err);
    return rc == GLIM_OK ? named_id(t, config, "eos_token", &t->eos, err) : rc;
}
