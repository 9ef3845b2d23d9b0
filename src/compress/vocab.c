/* vocab.c - a folder's tokenizer as GGUF keys.
 *
 * Tokens stand in the byte alphabet of GPT-2, added tokens as their text: special ones as control tokens,
 * the others (<think>) as user-defined ones, so that decoding keeps what it kept. Rows of the embedding
 * above the last token are [PAD<id>], unused. Merges come from tokenizer.json or merges.txt as they are;
 * a tiktoken file has ranks only, and a token's merge is the pair that its bytes come down to with the
 * merges of lower rank. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "compress/meta.h"
#include "text/tok_internal.h"

enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_UNUSED = 5, MAX_JSON = 256 << 20 };

/* The printable character that stands for a byte: itself, or 256 + its place among the others. */
static void put_alphabet(glim_buf *b, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)bytes[i], cp = c;
        if (c < 33) cp = 256 + c;
        else if (c >= 127 && c <= 160) cp = 256 + 33 + (c - 127);
        else if (c == 173) cp = 256 + 67;
        if (cp < 128) glim_buf_putc(b, (char)cp);
        else {
            glim_buf_putc(b, (char)(0xc0 | cp >> 6));
            glim_buf_putc(b, (char)(0x80 | (cp & 63)));
        }
    }
}

/* Strings collected in one buffer; their places are found once it has stopped growing. */
typedef struct strings {
    glim_buf text;
    size_t *end;
    size_t n, cap;
} strings;

static glim_status strings_end(strings *s, glim_err *err) {
    if (s->n == s->cap) {
        glim_status rc = glim_try_grow(&s->end, &s->cap, 4096, sizeof *s->end, "the vocabulary", err);
        if (rc != GLIM_OK) return rc;
    }
    s->end[s->n++] = s->text.len;
    return GLIM_OK;
}

static glim_status strings_put(strings *s, glim_gguf_writer *w, const char *key, glim_err *err) {
    void *mem = NULL;
    glim_status rc = glim_buf_status(&s->text, "the vocabulary", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, s->n + 1, sizeof(glim_gguf_text), "the vocabulary", err);
    if (rc != GLIM_OK) return rc;
    glim_gguf_text *t = mem;
    for (size_t i = 0, at = 0; i < s->n; at = s->end[i++]) t[i] = (glim_gguf_text){s->text.s + at, s->end[i] - at};
    rc = glim_gguf_put_strs(w, key, t, s->n, err);
    free(mem);
    return rc;
}

static void strings_free(strings *s) {
    glim_buf_free(&s->text);
    free(s->end);
}

static glim_status put_tokens(glim_gguf_writer *w, const glim_tok *t, size_t n_vocab, glim_err *err) {
    strings s = {0};
    void *mem = NULL;
    glim_status rc = glim_try_calloc(&mem, n_vocab, sizeof(int32_t), "the vocabulary", err);
    int32_t *type = mem;
    for (size_t i = 0; i < n_vocab && rc == GLIM_OK; i++) {
        size_t len;
        const char *piece = i < glim_tok_n(t) ? glim_tok_piece(t, (int32_t)i, &len) : NULL;
        if (!piece) {
            glim_buf_printf(&s.text, "[PAD%zu]", i);
            type[i] = TYPE_UNUSED;
        } else if (glim_tok_is_added(t, (int32_t)i)) {
            glim_buf_append(&s.text, piece, len);
            type[i] = glim_tok_is_special(t, (int32_t)i) ? TYPE_CONTROL : TYPE_USER;
        } else {
            put_alphabet(&s.text, piece, len);
            type[i] = TYPE_NORMAL;
        }
        rc = strings_end(&s, err);
    }
    if (rc == GLIM_OK) rc = strings_put(&s, w, "tokenizer.ggml.tokens", err);
    if (rc == GLIM_OK) rc = glim_gguf_put_array(w, "tokenizer.ggml.token_type", GLIM_GGUF_I32, type, n_vocab, err);
    free(mem);
    strings_free(&s);
    return rc;
}

static glim_status merges_json(strings *s, const json_t *root, glim_err *err) {
    const json_t *list = json_object_get(json_object_get(root, "model"), "merges");
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < json_array_size(list) && rc == GLIM_OK; i++) {
        const json_t *m = json_array_get(list, i);
        if (json_is_string(m)) glim_buf_append(&s->text, json_string_value(m), json_string_length(m));
        else { /* newer files: ["a", "b"]; the tokenizer reader has checked them */
            const json_t *a = json_array_get(m, 0), *b = json_array_get(m, 1);
            if (!json_is_string(a) || !json_is_string(b))
                return glim_fail(err, GLIM_E_FORMAT, "merge %zu of tokenizer.json is no pair of strings", i);
            glim_buf_append(&s->text, json_string_value(a), json_string_length(a));
            glim_buf_putc(&s->text, ' ');
            glim_buf_append(&s->text, json_string_value(b), json_string_length(b));
        }
        rc = strings_end(s, err);
    }
    return rc;
}

static glim_status merges_text(strings *s, const char *path, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = glim_file_read(&b, path, MAX_JSON, err);
    const char *p = glim_buf_cstr(&b);
    for (size_t line = 0; rc == GLIM_OK && *p; line++) {
        size_t n = strcspn(p, "\r\n");
        if (n > 0 && !(line == 0 && strncmp(p, "#version", 8) == 0)) {
            glim_buf_append(&s->text, p, n);
            rc = strings_end(s, err);
        }
        p += n;
        p += strspn(p, "\r\n");
    }
    glim_buf_free(&b);
    return rc;
}

/* Bytes of one token merged by all merges of lower rank; *cut where the two that are left meet. False:
 * it does not come down to two (such a token is only ever taken whole). */
static bool last_pair(const glim_bpe *bpe, uint32_t id, const char *s, size_t n, size_t *cut, size_t *start) {
    size_t k = n; /* pieces: start[0..k], piece i is [start[i], start[i + 1]) */
    for (size_t i = 0; i <= n; i++) start[i] = i;
    while (k > 2) {
        uint32_t best = id;
        size_t at = 0;
        for (size_t i = 0; i + 1 < k; i++) {
            uint32_t r = glim_bpe_find(bpe, s + start[i], start[i + 2] - start[i]);
            if (r < best) best = r, at = i;
        }
        if (best >= id) return false;
        memmove(start + at + 1, start + at + 2, (k - at - 1) * sizeof *start);
        k--;
    }
    *cut = start[1];
    return k == 2;
}

static glim_status merges_ranks(strings *s, const glim_tok *t, glim_err *err) {
    void *mem = NULL;
    glim_status rc = glim_try_calloc(&mem, t->bpe.max_len + 2, sizeof(size_t), "the vocabulary", err);
    for (size_t i = 0; i < t->bpe.n_used && rc == GLIM_OK; i++) {
        size_t len, cut;
        const char *p = glim_bpe_bytes(&t->bpe, (uint32_t)i, &len);
        if (!p || !t->bpe.plain[i] || len < 2 || !last_pair(&t->bpe, (uint32_t)i, p, len, &cut, mem)) continue;
        put_alphabet(&s->text, p, cut);
        glim_buf_putc(&s->text, ' ');
        put_alphabet(&s->text, p + cut, len - cut);
        rc = strings_end(s, err);
    }
    free(mem);
    return rc;
}

/* The word by which llama.cpp knows how text is cut into pieces. */
static const char *pre_of(const glim_config *c, const json_t *root) {
    switch (c->arch) {
    case GLIM_ARCH_CHATGLM:
    case GLIM_ARCH_GLM: return "chatglm-bpe";
    case GLIM_ARCH_GLM4:
    case GLIM_ARCH_GLM4_MOE: return "glm4";
    case GLIM_ARCH_QWEN2:
    case GLIM_ARCH_QWEN3: return "qwen2";
    default: break;
    }
    char *s = json_dumps(json_object_get(root, "pre_tokenizer"), JSON_ENCODE_ANY | JSON_COMPACT);
    const char *pre = s && strstr(s, "{1,3}") ? "llama-bpe"
                      : s && strstr(s, "\"Digits\"") ? "smollm"
                      : s && strstr(s, "\"Split\"") ? "qwen2" : "gpt-2";
    free(s);
    return pre;
}

static glim_status put_id(glim_gguf_writer *w, const char *what, int32_t id, glim_err *err) {
    char key[64];
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", what);
    return id < 0 ? GLIM_OK : glim_gguf_put_int(w, key, GLIM_GGUF_U32, id, err);
}

static glim_status put_ids(glim_gguf_writer *w, const glim_tok *t, const glim_config *c, glim_err *err) {
    bool glm = c->arch <= GLIM_ARCH_GLM4_MOE;
    int32_t bos = glim_tok_bos(t), eos = glim_tok_eos(t), eot = -1, eom = -1, unk = -1;
    if (bos < 0) bos = c->bos;
    if (glm) { /* by text: ids differ between the members of the family */
        int32_t end = glim_tok_find(t, "<|endoftext|>");
        if (end >= 0) eos = unk = end;
        eot = glim_tok_find(t, "<|user|>");
        eom = glim_tok_find(t, "<|observation|>");
        bos = c->arch == GLIM_ARCH_GLM4_MOE ? glim_tok_find(t, "[gMASK]") : end;
    } else if (c->n_eos > 0) {
        if (eos < 0) eos = c->eos[0];
        for (size_t i = 0; i < c->n_eos; i++) {
            if (c->eos[i] == eos) continue;
            if (eot < 0) eot = c->eos[i];
            else if (eom < 0) eom = c->eos[i];
        }
    }
    glim_status rc = put_id(w, "bos", bos, err);
    if (rc == GLIM_OK) rc = put_id(w, "eos", eos, err);
    if (rc == GLIM_OK) rc = put_id(w, "eot", eot, err);
    if (rc == GLIM_OK) rc = put_id(w, "eom", eom, err);
    if (rc == GLIM_OK) rc = put_id(w, "unknown", unk, err);
    if (rc == GLIM_OK) rc = put_id(w, "padding", c->pad, err);
    if (rc == GLIM_OK)
        rc = glim_gguf_put_int(w, "tokenizer.ggml.add_bos_token", GLIM_GGUF_BOOL, glim_tok_add_bos(t), err);
    return rc;
}

/* Heap: the folder of the weights. */
static char *folder_of(const char *path) {
    if (glim_path_is_dir(path)) return glim_xstrdup(path);
    char *s = glim_xstrdup(path), *slash = strrchr(s, '/');
    if (slash) slash[slash == s ? 1 : 0] = 0;
    else snprintf(s, strlen(s) + 1, ".");
    return s;
}

glim_status glim_meta_put_vocab(glim_gguf_writer *w, const glim_model *m, glim_err *err) {
    glim_tok *t = NULL;
    json_t *root = NULL;
    strings merges = {0};
    char *dir = folder_of(glim_ckpt_path(m->ckpt));
    char *json = glim_path_join(dir, "tokenizer.json"), *ranks = glim_path_join(dir, "tokenizer.model");
    char *list = glim_path_join(dir, "merges.txt");
    glim_status rc = glim_tok_from_ckpt(&t, m->ckpt, err);
    if (rc == GLIM_OK && glim_tok_n(t) > m->cfg.n_vocab)
        rc = glim_fail(err, GLIM_E_SHAPE, "the tokenizer has %zu tokens, the embedding %zu rows", glim_tok_n(t),
                       m->cfg.n_vocab);
    if (rc == GLIM_OK && glim_path_exists(json)) {
        rc = glim_json_read(&root, json, MAX_JSON, err);
        if (rc == GLIM_OK) rc = merges_json(&merges, root, err);
    } else if (rc == GLIM_OK && glim_path_exists(ranks)) rc = merges_ranks(&merges, t, err);
    else if (rc == GLIM_OK) rc = merges_text(&merges, list, err);

    const char *pre = pre_of(&m->cfg, root), *chat = glim_ckpt_chat_template(m->ckpt);
    if (rc == GLIM_OK) rc = glim_gguf_put_str(w, "tokenizer.ggml.model", "gpt2", 4, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_str(w, "tokenizer.ggml.pre", pre, strlen(pre), err);
    if (rc == GLIM_OK) rc = put_tokens(w, t, m->cfg.n_vocab, err);
    if (rc == GLIM_OK) rc = strings_put(&merges, w, "tokenizer.ggml.merges", err);
    if (rc == GLIM_OK) rc = put_ids(w, t, &m->cfg, err);
    if (rc == GLIM_OK && chat) rc = glim_gguf_put_str(w, "tokenizer.chat_template", chat, strlen(chat), err);
    strings_free(&merges);
    json_decref(root);
    glim_tok_free(t);
    free(list);
    free(ranks);
    free(json);
    free(dir);
    return rc;
}
