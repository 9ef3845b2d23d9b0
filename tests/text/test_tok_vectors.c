/* Tokenizers against published and computed vectors: the real GLM-4, Qwen2 and GPT-2 vocabularies from
 * ${GLIM_DATA}, and the fixtures' own ids made by Hugging Face tokenizers. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "test.h"
#include "text/tok.h"

/* Reads a file of the data folder, through zcat where only NAME.gz exists. False if absent. */
static bool read_data(glim_buf *out, const char *name) {
    glim_err err;
    const char *path = glim_test_data(name);
    glim_buf_clear(out);
    if (path) return glim_file_read(out, path, (size_t)1 << 30, &err) == GLIM_OK;
    char gz[512];
    snprintf(gz, sizeof gz, "%s.gz", name);
    path = glim_test_data(gz);
    if (!path) return false;
    char cmd[5000];
    snprintf(cmd, sizeof cmd, "zcat '%s'", path);
    FILE *f = popen(cmd, "r");
    if (!f) return false;
    char chunk[65536];
    glim_buf_reserve(out, 4 << 20);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) glim_buf_append(out, chunk, n);
    return pclose(f) == 0 && !out->failed;
}

/* sha256 of bytes as 64 hex digits, by the system's tool. */
static bool sha256(char hex[65], const char *bytes, size_t n) {
    char path[] = "/tmp/glim-test-XXXXXX", cmd[128];
    int fd = mkstemp(path);
    if (fd < 0) return false;
    bool ok = true;
    for (size_t i = 0; i < n && ok;) {
        ssize_t w = write(fd, bytes + i, n - i);
        ok = w > 0;
        if (ok) i += (size_t)w;
    }
    close(fd);
    snprintf(cmd, sizeof cmd, "sha256sum %s", path);
    FILE *f = ok ? popen(cmd, "r") : NULL;
    ok = f && fread(hex, 1, 64, f) == 64;
    hex[64] = 0;
    if (f) ok = pclose(f) == 0 && ok;
    unlink(path);
    return ok;
}

static void join(glim_buf *out, const int32_t *ids, size_t n, const char *sep) {
    glim_buf_reserve(out, n * 12);
    for (size_t i = 0; i < n; i++) glim_buf_printf(out, "%s%d", i ? sep : "", ids[i]);
}

/* A row's text; chat rows hold messages, rendered as glm-4-9b-chat does. */
static void row_text(glim_buf *out, const json_t *row) {
    const json_t *text = json_object_get(row, "text"), *messages = json_object_get(row, "messages");
    CHECK(json_is_string(text) || json_is_array(messages));
    if (json_is_string(text)) {
        glim_buf_append(out, json_string_value(text), json_string_length(text));
        return;
    }
    glim_buf_puts(out, "[gMASK]<sop>");
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *m = json_array_get(messages, i);
        glim_buf_printf(out, "<|%s|>\n%s", json_string_value(json_object_get(m, "role")),
                        json_string_value(json_object_get(m, "content")));
    }
    glim_buf_puts(out, "<|assistant|>");
}

/* Checks one {"text", "ids"} row. */
static void check_row(const glim_tok *t, const json_t *row, unsigned flags, size_t line) {
    const json_t *want = json_object_get(row, "ids");
    glim_buf text = {0};
    row_text(&text, row);
    CHECK(json_is_array(want));
    glim_ids ids = {0};
    glim_err err;
    CHECK_OK(glim_tok_encode(t, glim_buf_cstr(&text), text.len, flags, &ids, &err), err);
    bool same = ids.n == json_array_size(want);
    for (size_t i = 0; i < ids.n && same; i++)
        same = ids.v[i] == (int32_t)json_integer_value(json_array_get(want, i));
    if (!same) {
        glim_buf b = {0};
        join(&b, ids.v, ids.n < 60 ? ids.n : 60, ", ");
        char *w = json_dumps(want, JSON_COMPACT);
        printf("    got  [%s]\n    want %.400s\n", glim_buf_cstr(&b), w);
        free(w);
        glim_buf_free(&b);
    }
    glim_ids_free(&ids);
    CHECK_MSG(same, "line %zu: \"%.200s\"", line, glim_buf_cstr(&text));
    glim_buf_free(&text);
}

/* Every line of JSONL text; returns how many. flags_of may look at the row. */
static size_t check_lines(const glim_tok *t, const glim_buf *b, unsigned (*flags_of)(const json_t *)) {
    size_t n = 0;
    for (size_t i = 0; i < b->len;) {
        const char *nl = memchr(b->s + i, '\n', b->len - i);
        size_t end = nl ? (size_t)(nl - b->s) : b->len;
        if (end > i) {
            json_t *row;
            glim_err err;
            CHECK_OK(glim_json_parse(&row, b->s + i, end - i, 0, &err), err);
            n++;
            check_row(t, row, flags_of ? flags_of(row) : 0, n);
            json_decref(row);
        }
        i = end + 1;
    }
    return n;
}

static glim_tok *open_data(const char *name) {
    const char *path = glim_test_data(name);
    if (!path) SKIP("%s is not in the data folder", name);
    glim_tok *t;
    glim_err err;
    CHECK_OK(glim_tok_open(&t, path, &err), err);
    return t;
}

static unsigned glm_flags(const json_t *row) {
    const char *kind = json_string_value(json_object_get(row, "kind"));
    if (kind && strstr(kind, "prefix")) return GLIM_TOK_PREFIX;
    if (kind && strstr(kind, "template")) return GLIM_TOK_SPECIAL;
    return 0;
}

TEST(glm4_gives_the_published_ids) {
    glim_tok *t = open_data("tokenizer-glm4");
    glim_buf b = {0};
    CHECK(read_data(&b, "tokenizer-glm4/vectors_published.jsonl"));
    CHECK(check_lines(t, &b, glm_flags) == 45);
    glim_buf_free(&b);
    glim_tok_free(t);
}

TEST(glm4_gives_the_hash_that_llama_cpp_publishes) {
    glim_tok *t = open_data("tokenizer-glm4");
    glim_buf b = {0};
    CHECK(read_data(&b, "tokenizer-glm4/vectors_published.jsonl"));
    char *nl = strchr(b.s, '\n');
    json_t *row, *hash;
    glim_err err;
    CHECK_OK(glim_json_parse(&row, b.s, (size_t)(nl - b.s), 0, &err), err);
    CHECK(read_data(&b, "tokenizer-glm4/published_hash.json"));
    CHECK_OK(glim_json_parse(&hash, b.s, b.len, 0, &err), err);
    const json_t *text = json_object_get(row, "text");
    static const struct {
        unsigned flags;
        const char *key;
    } cases[] = {{0, "THUDM/glm-4-9b-hf (ids without prefix)"},
                 {GLIM_TOK_PREFIX, "THUDM/glm-4-9b-chat (ids after 151331, 151333)"}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_ids ids = {0};
        CHECK_OK(glim_tok_encode(t, json_string_value(text), json_string_length(text), cases[i].flags, &ids,
                                 &err), err);
        glim_buf_clear(&b);
        glim_buf_putc(&b, '[');
        join(&b, ids.v, ids.n, ", ");
        glim_buf_putc(&b, ']');
        char hex[65];
        if (!sha256(hex, b.s, b.len)) SKIP("sha256sum is not to be had");
        CHECK_STR(hex, json_string_value(json_object_get(hash, cases[i].key)));
        glim_ids_free(&ids);
    }
    json_decref(row);
    json_decref(hash);
    glim_buf_free(&b);
    glim_tok_free(t);
}

TEST(glm4_agrees_with_tiktoken_on_1745_short_strings) {
    glim_tok *t = open_data("tokenizer-glm4");
    glim_buf b = {0};
    if (!read_data(&b, "tokenizer-glm4/vectors_tiktoken_short.jsonl")) SKIP("vectors_tiktoken_short.jsonl.gz or zcat is missing");
    CHECK(check_lines(t, &b, NULL) == 1745);
    glim_buf_free(&b);
    glim_tok_free(t);
}

TEST(glm4_agrees_with_tiktoken_on_eight_whole_files) {
    glim_tok *t = open_data("tokenizer-glm4");
    glim_buf rows = {0}, text = {0}, joined = {0};
    CHECK(read_data(&rows, "tokenizer-glm4/vectors_tiktoken_docs.jsonl"));
    size_t n = 0;
    for (char *line = strtok(rows.s, "\n"); line; line = strtok(NULL, "\n"), n++) {
        json_t *row;
        glim_err err;
        CHECK_OK(glim_json_parse(&row, line, strlen(line), 0, &err), err);
        const char *name = json_string_value(json_object_get(row, "file"));
        CHECK_MSG(read_data(&text, name), "%s is missing", name);
        CHECK(text.len == (size_t)json_integer_value(json_object_get(row, "bytes")));
        glim_ids ids = {0};
        CHECK_OK(glim_tok_encode(t, text.s, text.len, 0, &ids, &err), err);
        CHECK_MSG(ids.n == (size_t)json_integer_value(json_object_get(row, "tokens")), "%s: %zu tokens", name,
                  ids.n);
        glim_buf_clear(&joined);
        join(&joined, ids.v, ids.n, ",");
        char hex[65];
        if (!sha256(hex, joined.s, joined.len)) SKIP("sha256sum is not to be had");
        CHECK_STR(hex, json_string_value(json_object_get(row, "ids_sha256")));
        glim_buf_clear(&joined);
        glim_tok_decode(t, ids.v, ids.n, true, &joined);
        CHECK(joined.len == text.len && memcmp(joined.s, text.s, text.len) == 0);
        glim_ids_free(&ids);
        json_decref(row);
    }
    CHECK(n == 8);
    glim_buf_free(&rows);
    glim_buf_free(&text);
    glim_buf_free(&joined);
    glim_tok_free(t);
}

/* A folder as Qwen2 repositories ship it: vocab.json, merges.txt, tokenizer_config.json. */
TEST(qwen2_from_vocab_and_merges_gives_the_published_ids) {
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json"};
    char dir[] = "/tmp/glim-qwen-XXXXXX", path[128];
    glim_buf b = {0};
    glim_err err;
    if (!glim_test_data("tokenizer-qwen2/vectors_published.jsonl")) SKIP("tokenizer-qwen2 is not in the data folder");
    CHECK(mkdtemp(dir));
    bool ok = true;
    for (size_t i = 0; i < GLIM_COUNT(names) && ok; i++) {
        snprintf(path, sizeof path, "tokenizer-qwen2/%s", names[i]);
        ok = read_data(&b, path);
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        ok = ok && glim_file_write_atomic(path, b.s, b.len, &err) == GLIM_OK;
    }
    glim_tok *t = NULL;
    glim_status rc = ok ? glim_tok_open(&t, dir, &err) : GLIM_OK;
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
    if (!ok) SKIP("vocab.json.gz or zcat is missing");
    CHECK_OK(rc, err);
    CHECK(read_data(&b, "tokenizer-qwen2/vectors_published.jsonl"));
    CHECK(check_lines(t, &b, NULL) == 47);
    CHECK(glim_tok_eos(t) == glim_tok_find(t, "<|im_end|>") && glim_tok_eos(t) > 0);
    CHECK(glim_tok_prefix(t, NULL) == 0);
    glim_buf_free(&b);
    glim_tok_free(t);
}

TEST(gpt2_from_gguf_gives_the_published_ids) {
    glim_tok *t = open_data("tokenizer-gpt2-gguf/ggml-vocab-gpt-2.gguf");
    glim_buf b = {0};
    CHECK(read_data(&b, "tokenizer-gpt2-gguf/vectors_published.jsonl"));
    CHECK(check_lines(t, &b, NULL) == 47);
    CHECK(glim_tok_n(t) == 50257);
    glim_buf_free(&b);
    glim_tok_free(t);
}

/* {"text": ..., "ids": [...], "special": bool, "prefix": bool}; both absent: plain text. */
static unsigned fixture_flags(const json_t *row) {
    return (json_is_true(json_object_get(row, "special")) ? GLIM_TOK_SPECIAL : 0u) |
           (json_is_true(json_object_get(row, "prefix")) ? GLIM_TOK_PREFIX : 0u);
}

TEST(fixtures_give_the_ids_of_their_reference_tokenizer) {
    DIR *d = opendir(glim_test_source("tests/fixtures"));
    if (!d) SKIP("tests/fixtures is missing");
    size_t n_files = 0, n_rows = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char name[512];
        snprintf(name, sizeof name, "tests/fixtures/%s/tokens.jsonl", e->d_name);
        const char *path = glim_test_source(name);
        if (e->d_name[0] == '.' || access(path, R_OK) != 0) continue;
        glim_buf b = {0};
        glim_tok *t;
        glim_err err;
        CHECK_OK(glim_file_read(&b, path, 64 << 20, &err), err);
        snprintf(name, sizeof name, "tests/fixtures/%s", e->d_name);
        CHECK_OK(glim_tok_open(&t, glim_test_source(name), &err), err);
        printf("    %s\n", e->d_name);
        n_rows += check_lines(t, &b, fixture_flags);
        n_files++;
        glim_tok_free(t);
        glim_buf_free(&b);
    }
    closedir(d);
    if (!n_files) SKIP("no tests/fixtures/*/tokens.jsonl");
    CHECK(n_rows > 0);
}
