/* A vocabulary learnt from text: the merges of Hugging Face's trainer, whatever the parts in which the text came, and a
 * file that our own tokenizer reads back. */
#include "text/bpe_train.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "net/sha256.h"
#include "test.h"
#include "text/tok.h"

static glim_bpe_trainer *trainer(size_t n_vocab, uint64_t min_count) {
    static const char *const none[1];
    glim_bpe_trainer *t;
    glim_err err = {0};
    CHECK_OK(glim_bpe_trainer_new(&t, &(glim_bpe_train_params){.n_vocab = n_vocab, .min_count = min_count, .special = none}, &err), err);
    return t;
}

static json_t *result(glim_bpe_trainer *t) {
    glim_buf b = {0};
    json_t *v;
    glim_err err = {0};
    CHECK_OK(glim_bpe_trainer_run(t, &err), err);
    CHECK_OK(glim_bpe_trainer_json(t, &b, &err), err);
    CHECK_OK(glim_json_parse(&v, b.s, b.len, 0, &err), err);
    glim_buf_free(&b);
    return v;
}

/* The merges one a line, as the fixture has them. */
static char *merge_lines(const json_t *v) {
    const json_t *m = json_object_get(json_object_get(v, "model"), "merges");
    glim_buf b = {0};
    for (size_t i = 0; i < json_array_size(m); i++)
        glim_buf_printf(&b, "%s %s\n", json_string_value(json_array_get(json_array_get(m, i), 0)),
                        json_string_value(json_array_get(json_array_get(m, i), 1)));
    char *out = glim_xstrdup(glim_buf_cstr(&b));
    glim_buf_free(&b);
    return out;
}

static glim_buf read_file(const char *path) {
    glim_buf b = {0};
    glim_err err = {0};
    CHECK_OK(glim_file_read(&b, path, 1 << 26, &err), err);
    return b;
}

TEST(the_merges_are_those_of_hugging_faces_trainer) {
    glim_buf corpus = read_file(glim_test_source("tests/fixtures/bpe_train/corpus.txt")),
             want = read_file(glim_test_source("tests/fixtures/bpe_train/merges.txt"));
    glim_err err = {0};
    glim_bpe_trainer *t = trainer(1500, 2);
    CHECK_OK(glim_bpe_trainer_feed(t, corpus.s, corpus.len, &err), err);
    json_t *v = result(t);
    char *got = merge_lines(v);
    if (strcmp(got, want.s) != 0) {
        size_t i = 0, line = 1;
        while (got[i] && got[i] == want.s[i]) line += got[i++] == '\n';
        glim_test_fail(__FILE__, __LINE__, "merge %zu differs", line);
    }
    CHECK(glim_bpe_trainer_n_vocab(t) == 1500);
    CHECK(json_object_size(json_object_get(json_object_get(v, "model"), "vocab")) == 1500);
    free(got);
    json_decref(v);
    glim_bpe_trainer_free(t);
    glim_buf_free(&corpus);
    glim_buf_free(&want);
}

static char *gunzip(const char *path) {
    char cmd[512];
    glim_buf b = {0};
    snprintf(cmd, sizeof cmd, "gzip -dc '%s'", path);
    FILE *f = popen(cmd, "r");
    CHECK(f);
    char part[65536];
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;) glim_buf_append(&b, part, n);
    CHECK(pclose(f) == 0 && !b.failed);
    return b.s;
}

TEST(larger_texts_give_the_same_merges_too) {
    json_t *large;
    glim_err err = {0};
    CHECK_OK(glim_json_read(&large, glim_test_source("tests/fixtures/bpe_train/large.json"), 1 << 20, &err), err);
    const json_t *sets = json_object_get(large, "sets");
    for (size_t i = 0; i < json_array_size(sets); i++) {
        const json_t *s = json_array_get(sets, i);
        char name[160];
        snprintf(name, sizeof name, "%s.gz", json_string_value(json_object_get(s, "file")));
        const char *path = glim_test_data(name);
        if (!path) {
            json_decref(large);
            SKIP("there is no %s", name);
        }
        char *text = gunzip(path);
        glim_bpe_trainer *t = trainer((size_t)json_integer_value(json_object_get(s, "vocab")), 2);
        CHECK_OK(glim_bpe_trainer_feed(t, text, strlen(text), &err), err);
        json_t *v = result(t);
        char *got = merge_lines(v), hex[GLIM_SHA256_HEX];
        glim_sha256 h;
        glim_sha256_init(&h);
        glim_sha256_update(&h, got, strlen(got));
        glim_sha256_final(&h, hex);
        CHECK_MSG(glim_bpe_trainer_n_merges(t) == (size_t)json_integer_value(json_object_get(s, "merges")), "%s: %zu merges", name,
                  glim_bpe_trainer_n_merges(t));
        CHECK_STR(hex, json_string_value(json_object_get(s, "sha256")));
        free(got);
        free(text);
        json_decref(v);
        glim_bpe_trainer_free(t);
    }
    json_decref(large);
}

TEST(parts_that_end_at_lines_change_nothing) {
    glim_buf corpus = read_file(glim_test_source("tests/fixtures/bpe_train/corpus.txt"));
    glim_err err = {0};
    glim_bpe_trainer *a = trainer(900, 2), *b = trainer(900, 2);
    CHECK_OK(glim_bpe_trainer_feed(a, corpus.s, corpus.len, &err), err);
    size_t parts = 0;
    for (size_t at = 0; at < corpus.len; parts++) {
        size_t left = corpus.len - at, n = left;
        if (left > 300) n = glim_bpe_train_cut(corpus.s + at, 300);
        for (size_t more = 600; n == 0; more += 300) n = more >= left ? left : glim_bpe_train_cut(corpus.s + at, more);
        CHECK_OK(glim_bpe_trainer_feed(b, corpus.s + at, n, &err), err);
        at += n;
    }
    CHECK(parts > 50);
    json_t *x = result(a), *y = result(b);
    CHECK(json_equal(x, y));
    json_decref(x);
    json_decref(y);
    glim_bpe_trainer_free(a);
    glim_bpe_trainer_free(b);
    glim_buf_free(&corpus);
}

TEST(our_tokenizer_reads_it_back_and_gives_as_many_tokens_as_the_trainer_counted) {
    glim_buf corpus = read_file(glim_test_source("tests/fixtures/bpe_train/corpus.txt")), b = {0}, back = {0};
    glim_err err = {0};
    glim_bpe_trainer *t;
    CHECK_OK(glim_bpe_trainer_new(&t, &(glim_bpe_train_params){.n_vocab = 800}, &err), err); /* GLM's control tokens */
    CHECK_OK(glim_bpe_trainer_feed(t, corpus.s, corpus.len, &err), err);
    CHECK_OK(glim_bpe_trainer_run(t, &err), err);
    CHECK_OK(glim_bpe_trainer_json(t, &b, &err), err);
    glim_tok *tok;
    CHECK_OK(glim_tok_parse_json(&tok, b.s, b.len, &err), err);
    glim_ids ids = {0};
    CHECK_OK(glim_tok_encode(tok, corpus.s, corpus.len, 0, &ids, &err), err);
    glim_tok_decode(tok, ids.v, ids.n, true, &back);
    CHECK(back.len == corpus.len && memcmp(back.s, corpus.s, corpus.len) == 0);
    CHECK_MSG(ids.n == glim_bpe_trainer_tokens(t), "%zu tokens, the trainer counted %llu", ids.n, (unsigned long long)glim_bpe_trainer_tokens(t));
    CHECK(glim_tok_n(tok) == 800 && glim_bpe_trainer_n_vocab(t) == 800);
    const int32_t *prefix;
    CHECK(glim_tok_prefix(tok, &prefix) == 2 && prefix[0] == glim_tok_find(tok, "[gMASK]"));
    CHECK(glim_tok_find(tok, "<|user|>") == 800 - 14 + 7 && glim_tok_is_special(tok, 799));
    glim_tok_free(tok);
    glim_ids_free(&ids);
    glim_bpe_trainer_free(t);
    glim_buf_free(&b);
    glim_buf_free(&back);
    glim_buf_free(&corpus);
}

TEST(a_small_corpus_gives_fewer_tokens_and_an_empty_one_the_bytes) {
    glim_err err = {0};
    glim_bpe_trainer *t = trainer(1000, 2);
    CHECK_OK(glim_bpe_trainer_feed(t, "abab abab", 9, &err), err);
    json_t *v = result(t);
    char *lines = merge_lines(v);
    CHECK_STR(lines, "a b\nab ab\n"); /* " abab" and "abab": Ġ + abab stands once only */
    CHECK(glim_bpe_trainer_run(t, &err) == GLIM_E_STATE && glim_bpe_trainer_feed(t, "x", 1, &err) == GLIM_E_STATE);
    free(lines);
    json_decref(v);
    glim_bpe_trainer_free(t);
    t = trainer(300, 2);
    v = result(t);
    CHECK(glim_bpe_trainer_n_vocab(t) == 256 && glim_bpe_trainer_n_merges(t) == 0);
    json_decref(v);
    glim_bpe_trainer_free(t);
}

TEST(broken_bytes_and_endless_pieces_are_counted_too) {
    glim_err err = {0};
    glim_bpe_trainer *t = trainer(400, 2);
    char *text = glim_xmalloc(100000);
    for (size_t i = 0; i < 100000; i++) text[i] = (char)('a' + ((uint32_t)i * 2654435761u >> 13) % 7);
    CHECK_OK(glim_bpe_trainer_feed(t, text, 100000, &err), err);
    CHECK_OK(glim_bpe_trainer_feed(t, "\xff\xfe ok \xe4\xb8", 8, &err), err);
    CHECK_OK(glim_bpe_trainer_run(t, &err), err);
    CHECK(glim_bpe_trainer_n_vocab(t) == 400 && glim_bpe_trainer_bytes(t) == 100008);
    free(text);
    glim_bpe_trainer_free(t);
}

TEST(impossible_vocabularies_and_special_tokens_are_refused) {
    static const char *const twice[] = {"<a>", "<a>"}, *const empty[] = {""};
    struct {
        glim_bpe_train_params p;
        const char *says;
    } cases[] = {
        {{.n_vocab = 260}, "want at least 270"},
        {{.n_vocab = 1000, .special = twice, .n_special = 2}, "given twice"},
        {{.n_vocab = 1000, .special = empty, .n_special = 1}, "1 to 1024 bytes"},
        {{.n_vocab = 1 << 23}, "want at most"},
        {{.n_vocab = 1000, .pattern = "["}, "does not compile"},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_bpe_trainer *t;
        glim_err err = {0};
        CHECK(glim_bpe_trainer_new(&t, &cases[i].p, &err) != GLIM_OK && !t);
        CHECK_MSG(strstr(err.msg, cases[i].says), "case %zu: %s", i, err.msg);
    }
}

TEST(a_refused_allocation_is_an_error_and_nothing_more) {
    size_t refused = 0;
    for (long k = 1; k < 80; k++) {
        static const char *const none[1];
        glim_bpe_trainer *t = NULL;
        glim_err err = {0};
        glim_buf b = {0};
        glim_alloc_fail_after(k);
        glim_status rc = glim_bpe_trainer_new(&t, &(glim_bpe_train_params){.n_vocab = 270, .special = none}, &err);
        if (rc == GLIM_OK) rc = glim_bpe_trainer_feed(t, "the theme of the thesis, the the the", 36, &err);
        if (rc == GLIM_OK) rc = glim_bpe_trainer_run(t, &err);
        if (rc == GLIM_OK) rc = glim_bpe_trainer_json(t, &b, &err);
        glim_alloc_fail_after(0);
        CHECK(rc == GLIM_OK || rc == GLIM_E_NOMEM);
        refused += rc == GLIM_E_NOMEM;
        glim_buf_free(&b);
        glim_bpe_trainer_free(t);
    }
    CHECK(refused > 5);
}
