/* tok_tiktoken.c - reads tokenizer.model of the remote-code checkpoints (glm-4-9b and chat): lines of
 * "base64(bytes) SPACE rank", the rank being the id. Ranks may have gaps; a rank or a text that comes
 * twice is refused. Special tokens are not in the file: tokenizer_config.json names them. */
#include <string.h>

#include "text/tok_internal.h"

enum { GLM4_BASE = 151329 };

/* Special tokens of glm-4-9b-chat, in order from id 151329, for a tokenizer.model found alone. */
static const char *const glm4_specials[] = {
    "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
    "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>",
    "<|begin_of_video|>", "<|end_of_video|>"};

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Appends the bytes of n characters of base64; false if they are not base64 with its padding. */
static bool base64_decode(glim_buf *out, const char *s, size_t n) {
    if (n == 0 || n % 4 != 0) return false;
    for (size_t i = 0; i < n; i += 4) {
        size_t pad = i + 4 == n ? (size_t)(s[i + 3] == '=') + (size_t)(s[i + 3] == '=' && s[i + 2] == '=') : 0;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int d = k >= 4 - pad ? 0 : base64_value(s[i + k]);
            if (d < 0) return false;
            v = v << 6 | (uint32_t)d;
        }
        if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff))) return false; /* stray bits */
        char b[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
        glim_buf_append(out, b, 3 - pad);
    }
    return true;
}

/* One line, n bytes without its end: the text up to the space, and the rank. */
static glim_status parse_line(const char *s, size_t n, size_t line, size_t *n_text, uint32_t *rank,
                              glim_err *err) {
    const char *space = memchr(s, ' ', n);
    size_t k = space ? (size_t)(space - s) + 1 : n;
    uint64_t v = 0;
    bool ok = k < n && n - k <= 9;
    for (size_t i = k; i < n && ok; i++) {
        ok = s[i] >= '0' && s[i] <= '9';
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    if (!ok)
        return glim_fail(err, GLIM_E_FORMAT, "line %zu: got \"%.*s\", want base64, a space and a rank", line,
                         (int)(n < 60 ? n : 60), s);
    if (v >= GLIM_BPE_MAX_IDS)
        return glim_fail(err, GLIM_E_LIMIT, "line %zu: rank %llu, want less than %d", line,
                         (unsigned long long)v, GLIM_BPE_MAX_IDS);
    *n_text = k - 1;
    *rank = (uint32_t)v;
    return GLIM_OK;
}

/* Walks the lines: with t NULL finds the highest rank plus one, otherwise adds the tokens. */
static glim_status walk(glim_tok *t, const char *s, size_t n, size_t *n_ids, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    size_t line = 0;
    for (size_t i = 0; i < n && rc == GLIM_OK;) {
        const char *nl = memchr(s + i, '\n', n - i);
        size_t end = nl ? (size_t)(nl - s) : n, len = end - i, n_text = 0;
        uint32_t rank = 0;
        line++;
        if (len && s[i + len - 1] == '\r') len--;
        if (len) {
            rc = parse_line(s + i, len, line, &n_text, &rank, err);
            if (rc == GLIM_OK && !t && rank >= *n_ids) *n_ids = (size_t)rank + 1;
            if (rc == GLIM_OK && t) {
                glim_buf_clear(&b);
                if (!base64_decode(&b, s + i, n_text))
                    rc = glim_fail(err, GLIM_E_FORMAT, "line %zu: \"%.*s\" is not base64", line,
                                   (int)(n_text < 60 ? n_text : 60), s + i);
                if (rc == GLIM_OK) rc = glim_buf_status(&b, "a token", err);
                if (rc == GLIM_OK) {
                    rc = glim_bpe_add(&t->bpe, rank, b.s, b.len, true, err);
                    if (rc != GLIM_OK) glim_err_context(err, "line %zu", line);
                }
            }
        }
        i = end + 1;
    }
    glim_buf_free(&b);
    return rc;
}

/* The specials that the code beside the file would add, for the vocabulary they belong to. */
static glim_status add_glm4(glim_tok *t, glim_err *err) {
    for (size_t i = 0; i < GLIM_COUNT(glm4_specials); i++) {
        glim_added a = {.id = (uint32_t)(GLM4_BASE + i), .special = true};
        glim_status rc = glim_tok_add_special(t, &a, glm4_specials[i], strlen(glm4_specials[i]), err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

glim_status glim_tok_read_tiktoken(glim_tok **out, const char *text, size_t len, const json_t *config,
                                   glim_err *err) {
    *out = NULL;
    size_t n_base = 0, n_config, n_added;
    glim_status rc = walk(NULL, text, len, &n_base, err);
    if (rc != GLIM_OK) return rc;
    if (n_base == 0) return glim_fail(err, GLIM_E_FORMAT, "no tokens: want lines of base64, a space and a rank");
    if ((rc = glim_tok_config_max(config, &n_config, err)) != GLIM_OK) return rc;
    size_t n_ids = n_base > n_config ? n_base : n_config;
    bool alone = n_base == GLM4_BASE && n_config == 0;
    if (alone) n_ids = GLM4_BASE + GLIM_COUNT(glm4_specials);

    glim_tok *t;
    if ((rc = glim_tok_begin(&t, n_ids, err)) != GLIM_OK) return rc;
    if ((rc = walk(t, text, len, &n_base, err)) != GLIM_OK) goto fail;
    if ((rc = glim_tok_added_decoder(t, config, &n_added, err)) != GLIM_OK) goto fail;
    if (alone && (rc = add_glm4(t, err)) != GLIM_OK) goto fail;
    if ((rc = glim_bpe_index(&t->bpe, false, err)) != GLIM_OK) goto fail;
    for (int c = 0; c < 256; c++) /* tiktoken takes them for granted: encoding would lose bytes */
        if (t->bpe.byte_id[c] == GLIM_BPE_NONE) {
            rc = glim_fail(err, GLIM_E_FORMAT, "byte 0x%02x has no token: want all 256", c);
            goto fail;
        }
    if ((rc = glim_bpe_merges_from_ids(&t->bpe, err)) != GLIM_OK) goto fail;
    t->bpe.whole_first = true; /* tiktoken looks a whole piece up before it merges */
    rc = glim_split_add_regex(t->split, GLIM_TOK_RE_GLM, strlen(GLIM_TOK_RE_GLM), false, err);
    if (rc != GLIM_OK) goto fail;
    if ((rc = glim_tok_config_ids(t, config, err)) != GLIM_OK) goto fail;
    if (alone) t->eos = GLM4_BASE;
    glim_tok_set_glm_prefix(t); /* the remote code adds it to every text */
    if ((rc = glim_tok_finish(t, err)) != GLIM_OK) goto fail;
    *out = t;
    return GLIM_OK;
fail:
    glim_tok_free(t);
    return rc;
}
