/* test_constrain_vocab.h - vocabularies for the tests of constrained decoding: a small one with tokens that cross every
 * border of JSON, and the real one of GLM-4 where the data folder has it. */
#ifndef GLIM_TEST_CONSTRAIN_VOCAB_H
#define GLIM_TEST_CONSTRAIN_VOCAB_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "test.h"
#include "test_constrain_gen.h"
#include "text/chat.h"
#include "text/constrain.h"

typedef struct vocab {
    glim_tok *tok;
    glim_constraint_vocab *v;
    int32_t stops[8], byte_token[256];
    size_t n_stops;
} vocab;

static void put_base64(glim_buf *b, const unsigned char *s, size_t n) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned x = (unsigned)s[i] << 16 | (i + 1 < n ? (unsigned)s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0u);
        glim_buf_putc(b, digit[x >> 18]);
        glim_buf_putc(b, digit[x >> 12 & 63]);
        glim_buf_putc(b, i + 1 < n ? digit[x >> 6 & 63] : '=');
        glim_buf_putc(b, i + 2 < n ? digit[x & 63] : '=');
    }
}

static const char *const small_tokens[] = {
    "{\"", "\":", "\": ", "\":\"", "\": \"", "\",", "\", \"", "\",\"", "\"}", "\"},", "\"}]", "\"},{\"", "}}", "]}", "}]", "},", "],", "[]", "{}", "[[",
    "[{", "[{\"", "{\"\":", "\"\"", "\"\":\"\",", ",\n", "\n  ", "\n\t", "  ", "    ", " \"", " {", " [", " }", " ]", " 1", " -", "\\\"", "\\\\", "\\u", "\\u0",
    "\\u00", "\\ud8", "\\ud83d", "\\ude00", "\\ud83d\\ude00", "\\n", "\\t", "\\n\"", "\\/", "00", "12", "123", "-1", "0.", ".5", "1.5", "1e", "e+", "E-", "99", "999",
    "10", "100", "-0", "1,", "1}", "0]", "9\n", "null", "true", "false", "nul", "rue", "null,", "true}", "na", "nam", "name", "name\":", "names\"", "kind", "circle",
    "circle\"", "square\",\"", "body", "value", "next", "next\": null", "left", "right", "id", "tags", "ab", "abc", "abcdefgh", "foo", "fo", "oo", "end", "red", "green",
    "@", "a@b.com", "x", "xx", "xxx", "\xe4\xb8", "\xad", "\xe4\xb8\xad", "\xe6\x97\xa5\xe6\x9c\x9f", "\xe6\x97", "\xa5\xe6", "\xc3\xa9", "\xc3", "\xf0\x9f", "\xf0\x9f\x98\x80",
    "\x98\x80", "\xed\xa0", "\xed\x9f\xbf", "\x80\"", "\xa9\"", "\xff\xfe", "\xc3\x28", "\"\xe4\xb8\xad", "\"\n", "\n", "\n\n", "hello world", "Hello", " World", "v1", ".0", "v1.2",
    "+86", "555-1234", "#ff00aa", "]}]", "\"]", "\"],", "\" ", "\":[", "\":{", "\":{\"", "\": [\"", ": ", ",\"", ", \"", "a\\\"b", "x/y", "back\\\\slash", "line\\nbreak", "createdAt",
    "is_ok\":true", "is_ok", "items\":[]", "n\":", "\"n\"", "\"na\"", "\"nam\":", "</arg_value", "</tool_call", "<tool", "get_weather", "get_weather\n", "city", "Paris", "unit", "\"k\":[1",
    "\"k\":[1,\"v\"]}", "</think", "</", "<", ">", "\n<"};

static const char *const small_specials[] = {"<|endoftext|>", "<|user|>", "<|assistant|>", "<|observation|>", "<think>", "</think>", "<tool_call>", "</tool_call>",
                                             "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"};

/* n_specials: how many of the special tokens it has; drop: a byte that no token of text spells (its own is an added
 * token, which is never text), or -1. */
static vocab make_vocab(size_t n_specials, int drop) {
    vocab v = {0};
    glim_err err;
    char dir[] = "/tmp/glim-constrain-XXXXXX", path[128];
    glim_buf model = {0}, config = {0};
    int rank = 0;
    for (int b = 0; b < 256; b++) {
        unsigned char c = (unsigned char)b;
        put_base64(&model, &c, 1);
        glim_buf_printf(&model, " %d\n", rank++);
    }
    for (size_t i = 0; i < GLIM_COUNT(small_tokens); i++) {
        if (strlen(small_tokens[i]) < 2 || (drop >= 0 && strchr(small_tokens[i], drop))) continue;
        put_base64(&model, (const unsigned char *)small_tokens[i], strlen(small_tokens[i]));
        glim_buf_printf(&model, " %d\n", rank++);
    }
    glim_buf_puts(&config, "{\"added_tokens_decoder\": {");
    if (drop >= 0) glim_buf_printf(&config, "\"%d\": {\"content\": \"%c\", \"special\": false}%s", drop, drop, n_specials ? ", " : "");
    for (size_t i = 0; i < n_specials; i++)
        glim_buf_printf(&config, "%s\"%d\": {\"content\": \"%s\", \"special\": %s}", i ? ", " : "", rank++, small_specials[i], i < 4 ? "true" : "false");
    glim_buf_puts(&config, "}}");
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/tokenizer.model", dir);
    CHECK_OK(glim_file_write_atomic(path, model.s, model.len, &err), err);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
    CHECK_OK(glim_file_write_atomic(path, config.s, config.len, &err), err);
    glim_status rc = glim_tok_open(&v.tok, dir, &err);
    unlink(path);
    snprintf(path, sizeof path, "%s/tokenizer.model", dir);
    unlink(path);
    rmdir(dir);
    CHECK_MSG(rc == GLIM_OK, "%s", err.msg);
    for (size_t i = 0; i < 4 && i < n_specials; i++)
        if (i != 2) v.stops[v.n_stops++] = glim_tok_find(v.tok, small_specials[i]);
    CHECK_OK(glim_constraint_vocab_new(&v.v, v.tok, v.stops, v.n_stops, 0, &err), err);
    gen_byte_tokens(v.byte_token, v.tok);
    glim_buf_free(&model);
    glim_buf_free(&config);
    return v;
}

static inline vocab small_vocab(void) { return make_vocab(GLIM_COUNT(small_specials), -1); }

static inline bool real_vocab(vocab *v) {
    glim_err err;
    const char *path = glim_test_data("tokenizer-glm4");
    *v = (vocab){0};
    if (!path) return false;
    CHECK_OK(glim_tok_open(&v->tok, path, &err), err);
    v->n_stops = GLIM_COUNT(v->stops);
    glim_chat_stops(GLIM_CHAT_GLM4_0414, NULL, v->tok, v->stops, &v->n_stops);
    CHECK_OK(glim_constraint_vocab_new(&v->v, v->tok, v->stops, v->n_stops, 0, &err), err);
    gen_byte_tokens(v->byte_token, v->tok);
    return true;
}

static inline void free_vocab(vocab *v) {
    glim_constraint_vocab_free(v->v);
    glim_tok_free(v->tok);
}

#endif
