/* tok_gguf.c - reads the vocabulary that a GGUF file carries (tokenizer.ggml.*).
 *
 * The file names its way of cutting text by a short word ("glm4", "qwen2"); which patterns a word means
 * is llama.cpp's convention and is followed here, also where the original tokenizer did more (Qwen2's
 * NFC, ignore_merges of newer GLM files). A word not listed is refused by name. */
#include <string.h>

#include "format/gguf.h"
#include "text/tok_internal.h"

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_UNUSED = 5, TYPE_BYTE = 6 };

/* GPT-2's pattern without its last branch: what is left uncut is a piece anyway. */
static const char *const re_glm[] = {GLIM_TOK_RE_GLM, NULL};
static const char *const re_qwen2[] = {GLIM_TOK_RE_QWEN2, NULL};
static const char *const re_gpt2[] = {GLIM_TOK_RE_GPT2, NULL};
static const char *const re_smollm[] = {"\\p{N}", GLIM_TOK_RE_GPT2, NULL};
static const char *const re_default[] = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GLIM_TOK_RE_GPT2, "\\p{N}+",
                                         "[0-9][0-9][0-9]", NULL};

static const struct {
    const char *name;
    const char *const *re;
    bool whole_first, add_bos;
} pres[] = {
    {"chatglm-bpe", re_glm, false, false}, {"glm4", re_glm, false, false},
    {"llama-bpe", re_glm, true, true},     {"llama3", re_glm, true, true},
    {"llama-v3", re_glm, true, true},      {"qwen2", re_qwen2, false, false},
    {"deepseek-r1-qwen", re_qwen2, false, false}, {"stablelm2", re_qwen2, false, false},
    {"gpt-2", re_gpt2, false, false},      {"phi-2", re_gpt2, false, false},
    {"mpt", re_gpt2, false, false},        {"olmo", re_gpt2, false, false},
    {"smollm", re_smollm, false, false},   {"starcoder", re_smollm, false, false},
    {"refact", re_smollm, false, false},   {"command-r", re_smollm, false, false},
    {"codeshell", re_smollm, false, false}, {"default", re_default, false, false},
};

static bool is_text(glim_gguf_text t, const char *s) { return t.len == strlen(s) && !memcmp(t.s, s, t.len); }

glim_status glim_tok_gguf_pre(const glim_gguf *g, const char *const **patterns, bool *whole_first, bool *add_bos, glim_err *err) {
    glim_gguf_text pre;
    glim_status rc = glim_gguf_str(g, "tokenizer.ggml.pre", &pre, err);
    if (rc != GLIM_OK) return rc;
    if (!pre.s) pre = (glim_gguf_text){"default", 7};
    for (size_t i = 0; i < GLIM_COUNT(pres); i++) {
        if (!is_text(pre, pres[i].name)) continue;
        *patterns = pres[i].re;
        *whole_first = pres[i].whole_first;
        *add_bos = pres[i].add_bos;
        return GLIM_OK;
    }
    return glim_fail(err, GLIM_E_UNSUPPORTED, "tokenizer.ggml.pre \"%.*s\" is not supported",
                     (int)(pre.len < 80 ? pre.len : 80), pre.s);
}

static glim_status read_pre(glim_tok *t, const glim_gguf *g, glim_err *err) {
    const char *const *re = NULL;
    glim_status rc = glim_tok_gguf_pre(g, &re, &t->bpe.whole_first, &t->add_bos, err);
    for (; rc == GLIM_OK && *re; re++) rc = glim_split_add_regex(t->split, *re, strlen(*re), false, err);
    return rc;
}

static glim_status add_tokens(glim_tok *t, const glim_gguf_kv *tokens, const glim_gguf_kv *types,
                              glim_err *err) {
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < tokens->n && rc == GLIM_OK; i++) {
        glim_gguf_text s = glim_gguf_item_str(tokens, i);
        int64_t type = types ? glim_gguf_item_i64(types, i) : TYPE_NORMAL;
        uint32_t id = (uint32_t)i, seen;
        if (type == TYPE_UNUSED) continue; /* rows that only fill the table up */
        if (type == TYPE_CONTROL || type == TYPE_USER || type == TYPE_UNKNOWN) {
            glim_added a = {.id = id, .special = type != TYPE_USER};
            /* A text that comes twice is found as the first; so is it in llama.cpp's matching. */
            if (s.len == 0 || glim_trie_match(&t->by_text, s.s, s.len, &seen) == s.len)
                rc = glim_bpe_add(&t->bpe, id, s.s, s.len, false, err);
            else
                rc = glim_tok_add_special(t, &a, s.s, s.len, err);
        } else if (type == TYPE_NORMAL || type == TYPE_BYTE) {
            glim_buf_clear(&b);
            bool plain = glim_bpe_from_alphabet(&b, s.s, s.len);
            rc = glim_buf_status(&b, "the vocabulary", err);
            if (rc == GLIM_OK)
                rc = glim_bpe_add(&t->bpe, id, plain ? glim_buf_cstr(&b) : s.s, plain ? b.len : s.len, plain, err);
        } else {
            rc = glim_fail(err, GLIM_E_FORMAT, "tokenizer.ggml.token_type[%zu]: got %lld, want 1 to 6", i,
                           (long long)type);
        }
        if (rc != GLIM_OK) glim_err_context(err, "token %zu", i);
    }
    glim_buf_free(&b);
    return rc;
}

static glim_status add_merges(glim_tok *t, const glim_gguf_kv *merges, glim_err *err) {
    glim_status rc = glim_bpe_merges_begin(&t->bpe, merges->n, err);
    glim_buf b = {0};
    for (size_t i = 0; i < merges->n && rc == GLIM_OK; i++) {
        glim_gguf_text m = glim_gguf_item_str(merges, i);
        rc = glim_tok_merge_line(t, &b, i, m.s, m.len, err);
    }
    glim_buf_free(&b);
    return rc == GLIM_OK ? glim_bpe_merges_end(&t->bpe, err) : rc;
}

static glim_status token_id(const glim_tok *t, const glim_gguf *g, const char *key, int32_t *out,
                            glim_err *err) {
    int64_t id;
    glim_status rc = glim_gguf_i64(g, key, -1, &id, err);
    if (rc != GLIM_OK) return rc;
    if (id < -1 || id >= (int64_t)t->bpe.n_ids || (id >= 0 && !glim_tok_piece(t, (int32_t)id, NULL)))
        return glim_fail(err, GLIM_E_FORMAT, "%s: %lld is not a token", key, (long long)id);
    *out = (int32_t)id;
    return GLIM_OK;
}

/* There is a chat template and it never prints [gMASK]. */
static glim_status template_without_prefix(const glim_gguf *g, bool *out, glim_err *err) {
    glim_gguf_text s;
    glim_status rc = glim_gguf_str(g, "tokenizer.chat_template", &s, err);
    *out = rc == GLIM_OK && s.s && !memmem(s.s, s.len, "[gMASK]", 7);
    return rc;
}

glim_status glim_tok_read_gguf(glim_tok **out, const glim_gguf *g, glim_err *err) {
    *out = NULL;
    glim_gguf_text model;
    const glim_gguf_kv *tokens, *types, *merges;
    glim_status rc;
    if ((rc = glim_gguf_str(g, "tokenizer.ggml.model", &model, err)) != GLIM_OK) return rc;
    if (!model.s)
        return glim_fail(err, GLIM_E_NOT_FOUND, "the file has no vocabulary (tokenizer.ggml.model is missing)");
    if (!is_text(model, "gpt2"))
        return glim_fail(err, GLIM_E_UNSUPPORTED, "tokenizer.ggml.model \"%.*s\" is not supported, want \"gpt2\"",
                         (int)(model.len < 80 ? model.len : 80), model.s);
    if ((rc = glim_gguf_array(g, "tokenizer.ggml.tokens", GLIM_GGUF_STR, &tokens, err)) != GLIM_OK) return rc;
    if ((rc = glim_gguf_array(g, "tokenizer.ggml.merges", GLIM_GGUF_STR, &merges, err)) != GLIM_OK) return rc;
    if ((rc = glim_gguf_array(g, "tokenizer.ggml.token_type", GLIM_GGUF_I64, &types, err)) != GLIM_OK) return rc;
    if (!tokens || !merges)
        return glim_fail(err, GLIM_E_NOT_FOUND, "tokenizer.ggml.%s is missing", tokens ? "merges" : "tokens");
    if (types && types->n != tokens->n)
        return glim_fail(err, GLIM_E_FORMAT, "tokenizer.ggml.token_type has %zu values, want %zu as there are "
                         "tokens", types->n, tokens->n);

    glim_tok *t;
    bool no_prefix;
    if ((rc = glim_tok_begin(&t, tokens->n, err)) != GLIM_OK) return rc;
    if ((rc = add_tokens(t, tokens, types, err)) != GLIM_OK) goto fail;
    if ((rc = glim_bpe_index(&t->bpe, true, err)) != GLIM_OK) goto fail;
    if ((rc = add_merges(t, merges, err)) != GLIM_OK) goto fail;
    if ((rc = read_pre(t, g, err)) != GLIM_OK) goto fail;
    if ((rc = token_id(t, g, "tokenizer.ggml.bos_token_id", &t->bos, err)) != GLIM_OK) goto fail;
    if ((rc = token_id(t, g, "tokenizer.ggml.eos_token_id", &t->eos, err)) != GLIM_OK) goto fail;
    if ((rc = glim_gguf_bool(g, "tokenizer.ggml.add_bos_token", t->add_bos, &t->add_bos, err)) != GLIM_OK)
        goto fail;
    if (t->bos < 0) t->add_bos = false;
    if ((rc = template_without_prefix(g, &no_prefix, err)) != GLIM_OK) goto fail;
    if (!no_prefix) glim_tok_set_glm_prefix(t);
    if ((rc = glim_tok_finish(t, err)) != GLIM_OK) goto fail;
    *out = t;
    return GLIM_OK;
fail:
    glim_tok_free(t);
    return rc;
}
