/* tok_json.c - reads tokenizer.json (Hugging Face tokenizers), and the older pair vocab.json and
 * merges.txt. Whatever would change the ids and is not understood is refused by name. */
#include <string.h>

#include "text/tok_internal.h"

/* ---- small helpers -------------------------------------------------------------------------------- */

/* An object's "type", or an error naming `what`. */
static glim_status type_of(const json_t *o, const char *what, const char **type, glim_err *err) {
    if (!json_is_object(o))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want an object", what, glim_json_type_name(o));
    glim_status rc = glim_json_get_str(o, "type", NULL, type, err);
    if (rc == GLIM_OK && !*type) rc = glim_fail(err, GLIM_E_FORMAT, "\"type\" is missing, want a string");
    if (rc != GLIM_OK) glim_err_context(err, "\"%s\"", what);
    return rc;
}

static glim_status unsupported(const char *what, const char *type, glim_err *err) {
    return glim_fail(err, GLIM_E_UNSUPPORTED, "%s \"%.80s\" is not supported", what, type);
}

/* The list of a "Sequence", NULL if v is not one. */
static glim_status sequence_of(const json_t *v, const char *what, const char *key, const json_t **list,
                               glim_err *err) {
    const char *type;
    *list = NULL;
    glim_status rc = type_of(v, what, &type, err);
    if (rc != GLIM_OK || strcmp(type, "Sequence") != 0) return rc;
    *list = json_object_get(v, key);
    if (!json_is_array(*list))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": \"%s\": got %s, want an array", what, key,
                         glim_json_type_name(*list));
    return GLIM_OK;
}

/* ---- normalizer ------------------------------------------------------------------------------------- */

static glim_status read_normalizer(glim_tok *t, const json_t *v, glim_err *err) {
    const json_t *list;
    const char *type;
    if (!v || json_is_null(v)) return GLIM_OK;
    glim_status rc = sequence_of(v, "normalizer", "normalizers", &list, err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < (list ? json_array_size(list) : 1); i++) {
        rc = type_of(list ? json_array_get(list, i) : v, "normalizer", &type, err);
        if (rc != GLIM_OK) return rc;
        if (strcmp(type, "NFC") != 0) return unsupported("normalizer", type, err);
        t->nfc = true; /* twice is once */
    }
    return GLIM_OK;
}

/* ---- pre_tokenizer ---------------------------------------------------------------------------------- */

static glim_status read_split(glim_tok *t, const json_t *v, glim_err *err) {
    const char *behavior;
    glim_status rc = glim_json_get_str(v, "behavior", "", &behavior, err);
    if (rc != GLIM_OK) return rc;
    /* With Isolated both matches and gaps are pieces, so "invert" changes nothing. */
    if (strcmp(behavior, "Isolated") != 0) return unsupported("Split behavior", behavior, err);
    const json_t *pattern = json_object_get(v, "pattern");
    const json_t *re = json_object_get(pattern, "Regex"), *str = json_object_get(pattern, "String");
    if (!json_is_string(re) && !json_is_string(str))
        return glim_fail(err, GLIM_E_FORMAT, "Split: \"pattern\": got %s, want an object with \"Regex\" or "
                         "\"String\"", glim_json_type_name(pattern));
    const json_t *p = json_is_string(re) ? re : str;
    return glim_split_add_regex(t->split, json_string_value(p), json_string_length(p), p == str, err);
}

static glim_status read_digits(glim_tok *t, const json_t *v, glim_err *err) {
    bool one;
    glim_status rc = glim_json_get_bool(v, "individual_digits", false, &one, err);
    if (rc != GLIM_OK) return rc;
    const char *re = one ? "\\p{N}" : "\\p{N}+";
    return glim_split_add_regex(t->split, re, strlen(re), false, err);
}

static glim_status read_byte_level(glim_tok *t, const json_t *v, glim_err *err) {
    bool space, regex;
    glim_status rc = glim_json_get_bool(v, "add_prefix_space", true, &space, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(v, "use_regex", true, &regex, err);
    if (rc == GLIM_OK && space) rc = glim_split_add_space(t->split, err);
    if (rc == GLIM_OK && regex)
        rc = glim_split_add_regex(t->split, GLIM_TOK_RE_GPT2, strlen(GLIM_TOK_RE_GPT2), false, err);
    return rc;
}

static glim_status read_pre_tokenizer(glim_tok *t, const json_t *v, glim_err *err) {
    const json_t *list;
    bool byte_level = false;
    glim_status rc = sequence_of(v, "pre_tokenizer", "pretokenizers", &list, err);
    for (size_t i = 0; rc == GLIM_OK && i < (list ? json_array_size(list) : 1); i++) {
        const json_t *step = list ? json_array_get(list, i) : v;
        const char *type;
        rc = type_of(step, "pre_tokenizer", &type, err);
        if (rc != GLIM_OK) return rc;
        /* After ByteLevel the text is written in another alphabet: patterns would see that. */
        if (byte_level)
            return glim_fail(err, GLIM_E_UNSUPPORTED, "pre_tokenizer \"%.80s\" after \"ByteLevel\" is not "
                             "supported", type);
        if (!strcmp(type, "Split")) rc = read_split(t, step, err);
        else if (!strcmp(type, "Digits")) rc = read_digits(t, step, err);
        else if (!strcmp(type, "ByteLevel")) rc = read_byte_level(t, step, err), byte_level = true;
        else return unsupported("pre_tokenizer", type, err);
    }
    if (rc == GLIM_OK && !byte_level)
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "pre_tokenizer without \"ByteLevel\" is not supported");
    return rc;
}

/* ---- post_processor ----------------------------------------------------------------------------------- */

/* The ids of the special tokens before "Sequence" in "single" are the prefix. */
static glim_status read_template(glim_tok *t, const json_t *v, glim_err *err) {
    const json_t *single = json_object_get(v, "single"), *known = json_object_get(v, "special_tokens");
    if (!json_is_array(single))
        return glim_fail(err, GLIM_E_FORMAT, "TemplateProcessing: \"single\": got %s, want an array",
                         glim_json_type_name(single));
    bool seen = false;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *part = json_array_get(single, i);
        const json_t *special = json_object_get(part, "SpecialToken");
        if (json_object_get(part, "Sequence")) {
            seen = true;
            continue;
        }
        const char *name = json_string_value(json_object_get(special, "id"));
        if (!name)
            return glim_fail(err, GLIM_E_FORMAT, "TemplateProcessing: part %zu is neither \"SpecialToken\" nor "
                             "\"Sequence\"", i);
        if (seen)
            return glim_fail(err, GLIM_E_UNSUPPORTED, "post_processor \"TemplateProcessing\" puts \"%.80s\" "
                             "after the text: that is not supported", name);
        const json_t *ids = json_object_get(json_object_get(known, name), "ids");
        if (!json_is_array(ids))
            return glim_fail(err, GLIM_E_FORMAT, "TemplateProcessing: \"%.80s\" has no \"ids\"", name);
        for (size_t k = 0; k < json_array_size(ids); k++) {
            const json_t *id = json_array_get(ids, k);
            json_int_t n = json_is_integer(id) ? json_integer_value(id) : -1;
            if (n < 0 || n >= (json_int_t)t->bpe.n_ids || !glim_tok_piece(t, (int32_t)n, NULL))
                return glim_fail(err, GLIM_E_FORMAT, "TemplateProcessing: \"%.80s\": id %lld is not a token",
                                 name, (long long)n);
            if (t->n_prefix == GLIM_TOK_MAX_PREFIX)
                return glim_fail(err, GLIM_E_LIMIT, "a prefix of more than %d tokens", GLIM_TOK_MAX_PREFIX);
            t->prefix[t->n_prefix++] = (int32_t)n;
        }
    }
    return GLIM_OK;
}

static glim_status read_post_processor(glim_tok *t, const json_t *v, bool *has_template, glim_err *err) {
    const json_t *list;
    *has_template = false;
    if (!v || json_is_null(v)) return GLIM_OK;
    glim_status rc = sequence_of(v, "post_processor", "processors", &list, err);
    for (size_t i = 0; rc == GLIM_OK && i < (list ? json_array_size(list) : 1); i++) {
        const json_t *step = list ? json_array_get(list, i) : v;
        const char *type;
        rc = type_of(step, "post_processor", &type, err);
        if (rc != GLIM_OK) return rc;
        if (!strcmp(type, "TemplateProcessing")) {
            if (*has_template)
                return glim_fail(err, GLIM_E_UNSUPPORTED, "two \"TemplateProcessing\" steps are not supported");
            *has_template = true;
            rc = read_template(t, step, err);
        } else if (strcmp(type, "ByteLevel") != 0) { /* ByteLevel only trims offsets */
            return unsupported("post_processor", type, err);
        }
    }
    return rc;
}

/* ---- model ----------------------------------------------------------------------------------------- */

/* Room needed: the highest id of vocab and added tokens, plus one. */
static glim_status vocab_max(const json_t *vocab, size_t *n_ids, glim_err *err) {
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)vocab, key, v) {
        json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
        if (id < 0 || id >= GLIM_BPE_MAX_IDS)
            return glim_fail(err, GLIM_E_FORMAT, "vocab: \"%.80s\": got %s %lld, want an id below %d", key,
                             glim_json_type_name(v), (long long)id, GLIM_BPE_MAX_IDS);
        if ((size_t)id >= *n_ids) *n_ids = (size_t)id + 1;
    }
    return GLIM_OK;
}

static glim_status add_vocab(glim_tok *t, const json_t *vocab, glim_err *err) {
    const char *key;
    json_t *v;
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    json_object_foreach((json_t *)vocab, key, v) {
        size_t len = strlen(key);
        glim_buf_clear(&b);
        /* A text that is not in the byte alphabet can only be placed by name; it decodes as itself. */
        bool plain = glim_bpe_from_alphabet(&b, key, len);
        if ((rc = glim_buf_status(&b, "the vocabulary", err)) != GLIM_OK) break;
        rc = glim_bpe_add(&t->bpe, (uint32_t)json_integer_value(v), plain ? glim_buf_cstr(&b) : key,
                          plain ? b.len : len, plain, err);
        if (rc != GLIM_OK) break;
    }
    glim_buf_free(&b);
    return rc;
}

/* One merge from its two texts in the byte alphabet. A part or result that is a special token's text
 * is no error, but such a merge is never made. */
static glim_status add_merge(glim_tok *t, glim_buf *b, size_t i, const char *left, size_t n_left,
                             const char *right, size_t n_right, glim_err *err) {
    glim_buf_clear(b);
    bool ok = glim_bpe_from_alphabet(b, left, n_left);
    size_t cut = b->len;
    ok = ok && glim_bpe_from_alphabet(b, right, n_right);
    glim_status rc = glim_buf_status(b, "a merge", err);
    if (rc != GLIM_OK) return rc;
    const char *s = glim_buf_cstr(b);
    if (!ok || cut == 0 || cut == b->len)
        return glim_fail(err, GLIM_E_FORMAT, "merge %zu: \"%.*s\" and \"%.*s\" are not texts of bytes", i,
                         (int)(n_left < 80 ? n_left : 80), left, (int)(n_right < 80 ? n_right : 80), right);
    uint32_t l = glim_bpe_find(&t->bpe, s, cut), r = glim_bpe_find(&t->bpe, s + cut, b->len - cut);
    /* Vocabularies are mostly numbered in the order of their merges. */
    const uint32_t next = i && t->bpe.merged ? t->bpe.merged[i - 1] + 1 : 0;
    const uint32_t m = glim_bpe_find_near(&t->bpe, next, s, b->len);
    if (l != GLIM_BPE_NONE && r != GLIM_BPE_NONE && m != GLIM_BPE_NONE) {
        glim_bpe_merge_add(&t->bpe, l, r, m, (uint32_t)i);
        return GLIM_OK;
    }
    /* Special tokens have left the table; anything else should be there. */
    size_t from = l == GLIM_BPE_NONE || m == GLIM_BPE_NONE ? 0 : cut;
    size_t len = l == GLIM_BPE_NONE ? cut : b->len - from;
    uint32_t index;
    if (glim_trie_match(&t->by_text, s + from, len, &index) == len) return GLIM_OK;
    return glim_fail(err, GLIM_E_FORMAT, "merge %zu: \"%.*s\" + \"%.*s\": %s is not in the vocabulary", i,
                     (int)(n_left < 80 ? n_left : 80), left, (int)(n_right < 80 ? n_right : 80), right,
                     l == GLIM_BPE_NONE ? "the first" : r == GLIM_BPE_NONE ? "the second" : "the result");
}

glim_status glim_tok_merge_line(glim_tok *t, glim_buf *b, size_t i, const char *s, size_t n, glim_err *err) {
    const char *space = memchr(s, ' ', n);
    size_t k = space ? (size_t)(space - s) : n;
    if (!space || memchr(space + 1, ' ', n - k - 1))
        return glim_fail(err, GLIM_E_FORMAT, "merge %zu: got \"%.*s\", want two texts and one space", i,
                         (int)(n < 80 ? n : 80), s);
    return add_merge(t, b, i, s, k, space + 1, n - k - 1, err);
}

static glim_status read_merges(glim_tok *t, const json_t *merges, glim_err *err) {
    if (!json_is_array(merges))
        return glim_fail(err, GLIM_E_FORMAT, "\"merges\": got %s, want an array", glim_json_type_name(merges));
    size_t n = json_array_size(merges);
    glim_status rc = glim_bpe_merges_begin(&t->bpe, n, err);
    glim_buf b = {0};
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        const json_t *m = json_array_get(merges, i);
        const json_t *l = json_array_get(m, 0), *r = json_array_get(m, 1);
        if (json_is_string(m))
            rc = glim_tok_merge_line(t, &b, i, json_string_value(m), json_string_length(m), err);
        else if (json_array_size(m) == 2 && json_is_string(l) && json_is_string(r))
            rc = add_merge(t, &b, i, json_string_value(l), json_string_length(l), json_string_value(r),
                           json_string_length(r), err);
        else
            rc = glim_fail(err, GLIM_E_FORMAT, "merge %zu: got %s, want a string or two strings", i,
                           glim_json_type_name(m));
    }
    glim_buf_free(&b);
    return rc == GLIM_OK ? glim_bpe_merges_end(&t->bpe, err) : rc;
}

/* Options of the model that would change the ids. */
static glim_status check_model(glim_tok *t, const json_t *model, glim_err *err) {
    const char *type, *s;
    bool on;
    double dropout;
    glim_status rc = glim_json_get_str(model, "type", "BPE", &type, err);
    if (rc != GLIM_OK) return rc;
    if (strcmp(type, "BPE") != 0) return unsupported("model", type, err);
    if ((rc = glim_json_get_bool(model, "byte_fallback", false, &on, err)) != GLIM_OK) return rc;
    if (on)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "\"byte_fallback\": true is not supported: only byte-level "
                         "vocabularies are");
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < GLIM_COUNT(affixes); i++) {
        if ((rc = glim_json_get_str(model, affixes[i], "", &s, err)) != GLIM_OK) return rc;
        if (*s) return glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\": \"%.80s\" is not supported", affixes[i], s);
    }
    if ((rc = glim_json_get_real(model, "dropout", 0, &dropout, err)) != GLIM_OK) return rc;
    if (dropout != 0) return glim_fail(err, GLIM_E_UNSUPPORTED, "\"dropout\": %g is not supported", dropout);
    return glim_json_get_bool(model, "ignore_merges", false, &t->bpe.whole_first, err);
}

/* ---- the file --------------------------------------------------------------------------------------- */

static glim_status read_added(glim_tok *t, const json_t *list, glim_err *err) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i), *content = json_object_get(o, "content");
        int64_t id;
        glim_added a = {0};
        glim_status rc = glim_json_need_int(o, "id", 0, GLIM_BPE_MAX_IDS - 1, &id, err);
        if (rc == GLIM_OK && !json_is_string(content))
            rc = glim_fail(err, GLIM_E_FORMAT, "\"content\": got %s, want a string",
                           glim_json_type_name(content));
        if (rc == GLIM_OK) rc = glim_tok_added_flags(&a, o, err);
        a.id = (uint32_t)(rc == GLIM_OK ? id : 0);
        if (rc == GLIM_OK)
            rc = glim_tok_add_special(t, &a, json_string_value(content), json_string_length(content), err);
        if (rc != GLIM_OK) {
            glim_err_context(err, "added_tokens[%zu]", i);
            return rc;
        }
    }
    return GLIM_OK;
}

glim_status glim_tok_read_json(glim_tok **out, const json_t *root, const json_t *config, bool no_prefix,
                               glim_err *err) {
    *out = NULL;
    const json_t *model = json_object_get(root, "model"), *added = json_object_get(root, "added_tokens");
    const json_t *vocab = json_object_get(model, "vocab");
    if (!json_is_object(model))
        return glim_fail(err, GLIM_E_FORMAT, "\"model\": got %s, want an object", glim_json_type_name(model));
    if (!json_is_object(vocab))
        return glim_fail(err, GLIM_E_FORMAT, "\"vocab\": got %s, want an object", glim_json_type_name(vocab));
    if (added && !json_is_null(added) && !json_is_array(added))
        return glim_fail(err, GLIM_E_FORMAT, "\"added_tokens\": got %s, want an array",
                         glim_json_type_name(added));
    size_t n_ids = 0;
    glim_status rc = vocab_max(vocab, &n_ids, err);
    if (rc != GLIM_OK) return rc;
    for (size_t i = 0; i < json_array_size(added); i++) {
        int64_t id;
        rc = glim_json_need_int(json_array_get(added, i), "id", 0, GLIM_BPE_MAX_IDS - 1, &id, err);
        if (rc != GLIM_OK) {
            glim_err_context(err, "added_tokens[%zu]", i);
            return rc;
        }
        if ((size_t)id >= n_ids) n_ids = (size_t)id + 1;
    }

    glim_tok *t;
    bool has_template;
    if ((rc = glim_tok_begin(&t, n_ids, err)) != GLIM_OK) return rc;
    if ((rc = check_model(t, model, err)) != GLIM_OK) goto fail;
    if ((rc = add_vocab(t, vocab, err)) != GLIM_OK) goto fail;
    if ((rc = read_added(t, added, err)) != GLIM_OK) goto fail;
    if ((rc = glim_bpe_index(&t->bpe, false, err)) != GLIM_OK) goto fail;
    if ((rc = read_merges(t, json_object_get(model, "merges"), err)) != GLIM_OK) goto fail;
    if ((rc = read_normalizer(t, json_object_get(root, "normalizer"), err)) != GLIM_OK) goto fail;
    if ((rc = read_pre_tokenizer(t, json_object_get(root, "pre_tokenizer"), err)) != GLIM_OK) goto fail;
    rc = read_post_processor(t, json_object_get(root, "post_processor"), &has_template, err);
    if (rc != GLIM_OK) goto fail;
    if ((rc = glim_tok_config_ids(t, config, err)) != GLIM_OK) goto fail;
    if (!has_template && !no_prefix) glim_tok_set_glm_prefix(t);
    if (has_template && t->n_prefix == 1 && (t->bos < 0 || t->bos == t->prefix[0])) {
        t->bos = t->prefix[0];
        t->add_bos = true;
    }
    if ((rc = glim_tok_finish(t, err)) != GLIM_OK) goto fail;
    *out = t;
    return GLIM_OK;
fail:
    glim_tok_free(t);
    return rc;
}

/* ---- vocab.json and merges.txt ------------------------------------------------------------------------ */

/* Calls line by line: "#version" and empty lines are not merges. With t NULL only counts. */
static glim_status merge_lines(glim_tok *t, const char *s, size_t n, size_t *count, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    *count = 0;
    for (size_t i = 0; i < n && rc == GLIM_OK;) {
        const char *nl = memchr(s + i, '\n', n - i);
        size_t end = nl ? (size_t)(nl - s) : n, len = end - i;
        if (len && s[i + len - 1] == '\r') len--;
        bool head = i == 0 && len >= 8 && memcmp(s, "#version", 8) == 0;
        if (len && !head) {
            if (t) rc = glim_tok_merge_line(t, &b, *count, s + i, len, err);
            ++*count;
        }
        i = end + 1;
    }
    glim_buf_free(&b);
    return rc;
}

glim_status glim_tok_read_vocab(glim_tok **out, const json_t *vocab, const char *merges, size_t len,
                                const json_t *config, bool no_prefix, glim_err *err) {
    *out = NULL;
    /* These two files do not say how text is cut: the class named in tokenizer_config.json does. */
    const char *cls, *re = NULL;
    glim_status rc = glim_json_get_str(config, "tokenizer_class", "GPT2Tokenizer", &cls, err);
    if (rc != GLIM_OK) return rc;
    bool qwen = strncmp(cls, "Qwen2Tokenizer", 14) == 0, space;
    if (qwen) re = GLIM_TOK_RE_QWEN2;
    else if (strncmp(cls, "GPT2Tokenizer", 13) == 0) re = GLIM_TOK_RE_GPT2;
    else return unsupported("vocab.json with tokenizer_class", cls, err);
    if (!json_is_object(vocab))
        return glim_fail(err, GLIM_E_FORMAT, "vocab.json: got %s, want an object", glim_json_type_name(vocab));
    size_t n_ids = 0, n_config, n_added, n_merges;
    if ((rc = vocab_max(vocab, &n_ids, err)) != GLIM_OK) return rc;
    if ((rc = glim_tok_config_max(config, &n_config, err)) != GLIM_OK) return rc;
    if ((rc = glim_json_get_bool(config, "add_prefix_space", false, &space, err)) != GLIM_OK) return rc;

    glim_tok *t;
    if ((rc = glim_tok_begin(&t, n_ids > n_config ? n_ids : n_config, err)) != GLIM_OK) return rc;
    t->nfc = qwen;
    if ((rc = add_vocab(t, vocab, err)) != GLIM_OK) goto fail;
    if ((rc = glim_tok_added_decoder(t, config, &n_added, err)) != GLIM_OK) goto fail;
    if ((rc = glim_bpe_index(&t->bpe, false, err)) != GLIM_OK) goto fail;
    if ((rc = merge_lines(NULL, merges, len, &n_merges, err)) != GLIM_OK) goto fail;
    if ((rc = glim_bpe_merges_begin(&t->bpe, n_merges, err)) != GLIM_OK) goto fail;
    if ((rc = merge_lines(t, merges, len, &n_merges, err)) != GLIM_OK) goto fail;
    if ((rc = glim_bpe_merges_end(&t->bpe, err)) != GLIM_OK) goto fail;
    if (space && (rc = glim_split_add_space(t->split, err)) != GLIM_OK) goto fail;
    if ((rc = glim_split_add_regex(t->split, re, strlen(re), false, err)) != GLIM_OK) goto fail;
    if ((rc = glim_tok_config_ids(t, config, err)) != GLIM_OK) goto fail;
    if (!no_prefix) glim_tok_set_glm_prefix(t);
    if ((rc = glim_tok_finish(t, err)) != GLIM_OK) goto fail;
    *out = t;
    return GLIM_OK;
fail:
    glim_tok_free(t);
    return rc;
}
