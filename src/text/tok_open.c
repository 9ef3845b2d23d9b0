/* tok_open.c - finds a tokenizer's files: a model folder, one file, an open checkpoint, bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/gguf.h"
#include "text/tok_internal.h"

enum { MAX_CONFIG = 32 << 20, MAX_TEMPLATE = 4 << 20, MAX_VOCAB = 256 << 20 };

/* What may stand beside the vocabulary. */
typedef struct side {
    json_t *config; /* tokenizer_config.json or NULL */
    bool no_prefix; /* there is a chat template, and [gMASK] is not in it */
} side;

static bool mentions_prefix(const json_t *v) {
    const char *s = json_string_value(v);
    if (s) return strstr(s, "[gMASK]") != NULL;
    for (size_t i = 0; i < json_array_size(v); i++) /* [{"name": ..., "template": ...}] */
        if (mentions_prefix(json_object_get(json_array_get(v, i), "template"))) return true;
    return false;
}

static glim_status side_read(side *s, const char *dir, glim_err *err) {
    *s = (side){0};
    glim_status rc = GLIM_OK;
    char *path = glim_path_join(dir, "tokenizer_config.json");
    if (glim_path_exists(path)) rc = glim_json_read(&s->config, path, MAX_CONFIG, err);
    if (rc == GLIM_OK && s->config && !json_is_object(s->config)) {
        rc = glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want an object", path, glim_json_type_name(s->config));
        json_decref(s->config);
        s->config = NULL;
    }
    free(path);
    if (rc != GLIM_OK) return rc;
    const json_t *tmpl = json_object_get(s->config, "chat_template");
    s->no_prefix = tmpl && !json_is_null(tmpl) && !mentions_prefix(tmpl);
    path = glim_path_join(dir, "chat_template.jinja");
    if (glim_path_exists(path)) { /* the newer place wins */
        glim_buf b = {0};
        rc = glim_file_read(&b, path, MAX_TEMPLATE, err);
        s->no_prefix = rc == GLIM_OK && !memmem(glim_buf_cstr(&b), b.len, "[gMASK]", 7);
        glim_buf_free(&b);
    }
    free(path);
    if (rc != GLIM_OK) json_decref(s->config), s->config = NULL;
    return rc;
}

static glim_status from_json(glim_tok **out, const char *path, const side *s, glim_err *err) {
    json_t *root;
    glim_status rc = glim_json_read(&root, path, MAX_VOCAB, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_tok_read_json(out, root, s->config, s->no_prefix, err);
    json_decref(root);
    if (rc != GLIM_OK) glim_err_context(err, "%s", path);
    return rc;
}

/* SentencePiece models have the same file name: a protocol buffer whose first field is a piece. */
static bool is_sentencepiece(const uint8_t *p, size_t n) { return n > 3 && p[0] == 0x0a && p[2] == 0x0a; }

static glim_status from_tiktoken(glim_tok **out, const char *path, const side *s, glim_err *err) {
    glim_map m;
    glim_status rc = glim_map_open(&m, path, err);
    if (rc != GLIM_OK) return rc;
    if (m.size > MAX_VOCAB)
        rc = glim_fail(err, GLIM_E_LIMIT, "%s: %zu bytes, want at most %d", path, m.size, MAX_VOCAB);
    else if (is_sentencepiece(m.data, m.size))
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "%s: a SentencePiece model: only byte-level vocabularies are "
                       "supported", path);
    else if ((rc = glim_tok_read_tiktoken(out, (const char *)m.data, m.size, s->config, err)) != GLIM_OK)
        glim_err_context(err, "%s", path);
    glim_map_close(&m);
    return rc;
}

static glim_status from_vocab(glim_tok **out, const char *vocab_path, const char *merges_path, const side *s,
                              glim_err *err) {
    json_t *vocab = NULL;
    glim_map m = {0};
    glim_status rc = glim_json_read(&vocab, vocab_path, MAX_VOCAB, err);
    if (rc == GLIM_OK) rc = glim_map_open(&m, merges_path, err);
    if (rc == GLIM_OK) {
        rc = glim_tok_read_vocab(out, vocab, (const char *)m.data, m.size, s->config, s->no_prefix, err);
        if (rc != GLIM_OK) glim_err_context(err, "%s, %s", vocab_path, merges_path);
    }
    glim_map_close(&m);
    json_decref(vocab);
    return rc;
}

static glim_status from_dir(glim_tok **out, const char *dir, glim_err *err) {
    side s;
    glim_status rc = side_read(&s, dir, err);
    if (rc != GLIM_OK) return rc;
    char *json = glim_path_join(dir, "tokenizer.json"), *model = glim_path_join(dir, "tokenizer.model");
    char *vocab = glim_path_join(dir, "vocab.json"), *merges = glim_path_join(dir, "merges.txt");
    if (glim_path_exists(json)) rc = from_json(out, json, &s, err);
    else if (glim_path_exists(model)) rc = from_tiktoken(out, model, &s, err);
    else if (glim_path_exists(vocab) && glim_path_exists(merges)) rc = from_vocab(out, vocab, merges, &s, err);
    else {
        rc = glim_fail(err, GLIM_E_NOT_FOUND, "%s: no tokenizer.json, tokenizer.model, or vocab.json with "
                       "merges.txt", dir);
        glim_err_hint(err, "the tokenizer's files belong beside the weights: download them from the same "
                      "repository");
    }
    free(json);
    free(model);
    free(vocab);
    free(merges);
    json_decref(s.config);
    return rc;
}

/* Heap string: the folder a path lies in. */
static char *dir_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return glim_xstrdup(".");
    char *dir = glim_xstrdup(path);
    dir[slash == path ? 1 : slash - path] = 0;
    return dir;
}

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), k = strlen(tail);
    return n >= k && strcmp(s + n - k, tail) == 0;
}

static glim_status from_gguf(glim_tok **out, const char *path, glim_err *err) {
    glim_gguf *g;
    glim_status rc = glim_gguf_open(&g, path, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_tok_read_gguf(out, g, err);
    if (rc != GLIM_OK) glim_err_context(err, "%s", path);
    glim_gguf_close(g);
    return rc;
}

glim_status glim_tok_open(glim_tok **out, const char *path, glim_err *err) {
    *out = NULL;
    if (glim_path_is_dir(path)) return from_dir(out, path, err);
    char first[5] = {0};
    glim_map m;
    glim_status rc = glim_map_open(&m, path, err);
    if (rc != GLIM_OK) return rc;
    memcpy(first, m.data, m.size < 4 ? m.size : 4);
    glim_map_close(&m);
    if (strcmp(first, "GGUF") == 0) return from_gguf(out, path, err);

    char *dir = dir_of(path);
    side s;
    if (ends_with(path, ".safetensors")) {
        rc = from_dir(out, dir, err);
    } else if ((rc = side_read(&s, dir, err)) == GLIM_OK) {
        /* JSON may begin with white space; base64 never begins with a brace. */
        rc = first[0] == '{' || ends_with(path, ".json") ? from_json(out, path, &s, err)
                                                         : from_tiktoken(out, path, &s, err);
        json_decref(s.config);
    }
    free(dir);
    return rc;
}

glim_status glim_tok_from_ckpt(glim_tok **out, const glim_ckpt *c, glim_err *err) {
    *out = NULL;
    if (glim_ckpt_kind_of(c) != GLIM_CKPT_GGUF) {
        const char *path = glim_ckpt_path(c);
        return glim_tok_open(out, path, err);
    }
    glim_status rc = glim_tok_read_gguf(out, glim_ckpt_gguf(c), err);
    if (rc != GLIM_OK) glim_err_context(err, "%s", glim_ckpt_path(c));
    return rc;
}

glim_status glim_tok_parse_json(glim_tok **out, const char *text, size_t len, glim_err *err) {
    json_t *root;
    *out = NULL;
    glim_status rc = glim_json_parse(&root, text, len, 0, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_tok_read_json(out, root, NULL, false, err);
    json_decref(root);
    return rc;
}

glim_status glim_tok_parse_tiktoken(glim_tok **out, const char *text, size_t len, glim_err *err) {
    return glim_tok_read_tiktoken(out, text, len, NULL, err);
}
