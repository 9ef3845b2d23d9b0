/* unpack_vocab.c - tokenizer.ggml.* as tokenizer.json.
 *
 * Tokens stand in GPT-2's byte alphabet in both files. A tokenizer of Hugging Face numbers added tokens behind its vocabulary, one after the other;
 * where a GGUF has them anywhere else (Llama's lie at its beginning), they are entries of the vocabulary too, as in such models' own files. Which texts
 * are put before every encoding is what our reader made of the GGUF. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "compress/unpack_internal.h"
#include "format/gguf.h"
#include "format/names.h"
#include "text/tok_internal.h"
#include "text/tok_write.h"

enum { TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_UNUSED = 5, MAX_PATTERNS = 8 };

static bool is_added(int64_t type) { return type == TYPE_CONTROL || type == TYPE_USER || type == TYPE_UNKNOWN; }

typedef struct vocab {
    const glim_gguf_kv *tokens, *types, *merges;
    glim_tok_written *added;
    size_t n_added, n_normal;
    bool behind; /* added tokens follow the others without a gap */
} vocab;

static int64_t type_of(const vocab *v, size_t i) { return v->types ? glim_gguf_item_i64(v->types, i) : 1; }

/* Texts must be ones that JSON can hold, and each one token's. */
static glim_status take_tokens(vocab *v, glim_err *err) {
    glim_names seen = {0};
    void *mem = NULL;
    size_t last = 0, old;
    glim_status rc = glim_names_init(&seen, v->tokens->n, "the vocabulary", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, v->tokens->n, sizeof *v->added, "the vocabulary", err);
    v->added = mem;
    v->behind = true;
    for (size_t i = 0; rc == GLIM_OK && i < v->tokens->n; i++) {
        const glim_gguf_text t = glim_gguf_item_str(v->tokens, i);
        const int64_t type = type_of(v, i);
        if (type == TYPE_UNUSED) continue;
        if (!glim_utf8_valid(t.s, t.len)) rc = glim_fail(err, GLIM_E_UNSUPPORTED, "token %zu is no text, which tokenizer.json wants", i);
        else if (!glim_names_add(&seen, t.s, t.len, i, &old))
            rc = glim_fail(err, GLIM_E_UNSUPPORTED, "tokens %zu and %zu have one text, which tokenizer.json cannot say", old, i);
        else if (is_added(type)) {
            v->behind = v->behind && i == (v->n_added ? (size_t)v->added[v->n_added - 1].id + 1 : v->n_normal);
            v->added[v->n_added++] = (glim_tok_written){(uint32_t)i, t.s, t.len, type != TYPE_USER};
        } else last = i, v->n_normal++;
    }
    if (v->n_normal && last != v->n_normal - 1) v->behind = false;
    glim_names_deinit(&seen);
    return rc;
}

static glim_status put_vocab(const vocab *v, glim_buf *out, glim_err *err) {
    bool some = false;
    for (size_t i = 0; i < v->tokens->n; i++) {
        const glim_gguf_text t = glim_gguf_item_str(v->tokens, i);
        const int64_t type = type_of(v, i);
        if (type == TYPE_UNUSED || (is_added(type) && v->behind)) continue;
        glim_buf_puts(out, some ? ",\n      " : "\n      ");
        glim_json_put_str(out, t.s, t.len);
        glim_buf_printf(out, ": %zu", i);
        some = true;
    }
    return glim_buf_status(out, "tokenizer.json", err);
}

static glim_status put_merges(const vocab *v, glim_buf *out, glim_err *err) {
    for (size_t i = 0; i < v->merges->n; i++) {
        const glim_gguf_text m = glim_gguf_item_str(v->merges, i);
        const char *space = m.len ? memchr(m.s, ' ', m.len) : NULL;
        const size_t n = space ? (size_t)(space - m.s) : 0;
        if (!space || memchr(space + 1, ' ', m.len - n - 1) || !glim_utf8_valid(m.s, m.len))
            return glim_fail(err, GLIM_E_UNSUPPORTED, "merge %zu is not two tokens with a space between them", i);
        glim_buf_puts(out, i ? ",\n      [" : "\n      [");
        glim_json_put_str(out, m.s, n);
        glim_buf_puts(out, ", ");
        glim_json_put_str(out, space + 1, m.len - n - 1);
        glim_buf_putc(out, ']');
    }
    return glim_buf_status(out, "tokenizer.json", err);
}

static glim_status put_file(const char *folder, const char *name, const glim_buf *b, glim_err *err) {
    char *path = glim_path_join(folder, name);
    glim_status rc = glim_buf_status(b, name, err);
    if (rc == GLIM_OK) rc = glim_file_write_atomic(path, glim_buf_cstr(b), b->len, err);
    free(path);
    return rc;
}

/* NULL for a token that there is not, or whose text cannot be a C string. */
static const char *text_of(const glim_tok *t, int64_t id, char out[GLIM_ADDED_MAX_BYTES + 1]) {
    size_t n;
    const char *s = id >= 0 && id < (int64_t)glim_tok_n(t) ? glim_tok_piece(t, (int32_t)id, &n) : NULL;
    if (!s || n > GLIM_ADDED_MAX_BYTES || memchr(s, 0, n) || !glim_utf8_valid(s, n)) return NULL;
    memcpy(out, s, n);
    out[n] = 0;
    return out;
}

static glim_status write_all(const char *folder, const vocab *v, const glim_gguf *g, const glim_tok *t, bool glm, glim_err *err) {
    const char *const *patterns = NULL;
    char bos[GLIM_ADDED_MAX_BYTES + 1], eos[sizeof bos], pad[sizeof bos];
    glim_tok_written first[GLIM_TOK_MAX_PREFIX];
    const int32_t *prefix;
    glim_tok_write w = {.added = v->added, .n_added = v->n_added, .first = first};
    glim_buf b = {0};
    bool usual_bos;
    int64_t pad_id = -1;
    glim_status rc = glim_tok_gguf_pre(g, &patterns, &w.whole_first, &usual_bos, err);
    if (rc == GLIM_OK) rc = glim_gguf_i64(g, "tokenizer.ggml.padding_token_id", -1, &pad_id, err);
    if (rc != GLIM_OK) return rc;
    for (w.patterns = patterns; patterns[w.n_patterns];) w.n_patterns++;
    w.n_first = glim_tok_prefix(t, &prefix);
    for (size_t i = 0; i < w.n_first; i++) first[i].id = (uint32_t)prefix[i];
    if (w.n_first == 0 && glim_tok_add_bos(t)) w.n_first = 1, first[0].id = (uint32_t)glim_tok_bos(t);
    for (size_t i = 0; i < w.n_first; i++) first[i].text = glim_tok_piece(t, (int32_t)first[i].id, &first[i].len);
    w.bos = glm && !glim_tok_add_bos(t) ? NULL : text_of(t, glim_tok_bos(t), bos);
    w.eos = text_of(t, glim_tok_eos(t), eos);
    w.pad = text_of(t, pad_id, pad);
    glim_tok_write_head(&b, &w);
    rc = put_vocab(v, &b, err);
    glim_tok_write_between(&b);
    if (rc == GLIM_OK) rc = put_merges(v, &b, err);
    glim_tok_write_tail(&b);
    if (rc == GLIM_OK) rc = put_file(folder, "tokenizer.json", &b, err);
    glim_buf_clear(&b);
    glim_tok_write_config(&b, &w);
    if (rc == GLIM_OK) rc = put_file(folder, "tokenizer_config.json", &b, err);
    glim_buf_free(&b);
    return rc;
}

glim_status glim_unpack_vocab(const char *folder, const glim_ckpt *c, bool glm, glim_err *err) {
    const glim_gguf *g = glim_ckpt_gguf(c);
    const char *chat = glim_ckpt_chat_template(c);
    glim_tok *t = NULL;
    vocab v = {0};
    glim_status rc = glim_tok_from_ckpt(&t, c, err); /* whose checks are ours */
    if (rc == GLIM_OK) rc = glim_gguf_array(g, "tokenizer.ggml.tokens", GLIM_GGUF_STR, &v.tokens, err);
    if (rc == GLIM_OK) rc = glim_gguf_array(g, "tokenizer.ggml.merges", GLIM_GGUF_STR, &v.merges, err);
    if (rc == GLIM_OK) rc = glim_gguf_array(g, "tokenizer.ggml.token_type", GLIM_GGUF_I64, &v.types, err);
    if (rc == GLIM_OK) rc = take_tokens(&v, err);
    if (rc == GLIM_OK) rc = write_all(folder, &v, g, t, glm, err);
    if (rc == GLIM_OK && chat) {
        glim_buf b = {0};
        glim_buf_puts(&b, chat);
        rc = put_file(folder, "chat_template.jinja", &b, err);
        glim_buf_free(&b);
    }
    free(v.added);
    glim_tok_free(t);
    return rc;
}
