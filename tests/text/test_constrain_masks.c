/* Masks against brute force: at sampled states of random answers, every token of the vocabulary is judged by a slow
 * reader of the schema that shares nothing with the automata (test_constrain_oracle.h). */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Fewer of the same under sanitizers, which this file is compiled without (tests/CMakeLists.txt). */
#ifdef GLIM_TEST_SANITIZED
enum { SHARE = 4 };
#else
enum { SHARE = 1 };
#endif

#include "base/file.h"
#include "test.h"
#include "test_constrain_gen.h"
#include "test_constrain_oracle.h"
#include "test_constrain_vocab.h"
#include "text/constrain.h"

/* Compares one mask, token by token. */
static void check_mask(const glim_tok *t, const json_t *schema, const glim_buf *text, const uint32_t *bits, const vocab *v) {
    glim_buf b = {0};
    bool complete;
    viable(schema, glim_buf_cstr(text), text->len, &complete);
    glim_buf_append(&b, glim_buf_cstr(text), text->len);
    for (int32_t id = 0; id < (int32_t)glim_tok_n(t); id++) {
        bool have = bits[id / 32] >> (id % 32) & 1, want = false, end;
        size_t n;
        const char *s = glim_tok_piece(t, id, &n);
        for (size_t k = 0; k < v->n_stops; k++) want |= complete && v->stops[k] == id;
        if (s && n && !glim_tok_is_added(t, id)) {
            glim_buf_append(&b, s, n);
            want = viable(schema, b.s, b.len, &end);
            b.s[b.len = text->len] = 0;
        }
        if (have != want) {
            char *show = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
            printf("    schema %.6000s\n    text   %s\n", show, b.s);
            free(show);
            glim_test_fail(__FILE__, __LINE__, "token %d \"%.*s\": mask says %d, the reader %d", id, (int)n, s ? s : "", have, want);
        }
    }
    glim_buf_free(&b);
}

/* Processor time of steps, the mask of the next token with whatever is built for it and the move over the token chosen. */
typedef struct times {
    double *us;
    size_t n, cap;
} times;

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static void note(times *t, double us) {
    if (t->n == t->cap) t->us = realloc(t->us, (t->cap = t->cap ? 2 * t->cap : 1024) * sizeof *t->us);
    t->us[t->n++] = us;
}

static int by_value(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Writes an answer by mask; at about one state in `every` (0: none) compares the mask. Returns the number of masks compared. */
static size_t walk(const vocab *v, const json_t *schema, uint64_t seed, unsigned every, size_t patience, size_t most, times *t) {
    glim_err err;
    glim_constraint *c;
    glim_constraint_state *s;
    gen g = {.rng = seed};
    size_t compared = 0, n_words = glim_constraint_vocab_words(v->v);
    glim_buf text = {0};
    CHECK_OK(glim_constraint_compile(&c, v->v, &(glim_constraint_spec){.schema = schema}, &err), err);
    CHECK_OK(glim_constraint_state_new(&s, c, &err), err);
    uint32_t *bits = calloc(n_words, sizeof *bits);
    for (size_t i = 0; i < most; i++) {
        size_t n;
        double began = now_us(), us;
        CHECK_OK(glim_constraint_mask(s, bits, &n, &err), err);
        us = now_us() - began;
        if (every && gen_below(&g, every) == 0) {
            check_mask(v->tok, schema, &text, bits, v);
            compared++;
        }
        int32_t id = gen_choose(&g, bits, n_words, n, i, patience, v->byte_token, v->stops, v->n_stops);
        began = now_us();
        CHECK_OK(glim_constraint_accept(s, id, &err), err);
        if (t) note(t, us + now_us() - began);
        size_t len;
        const char *p = glim_tok_piece(v->tok, id, &len);
        if (glim_tok_is_added(v->tok, id)) break;
        glim_buf_append(&text, p, len);
    }
    free(bits);
    glim_buf_free(&text);
    glim_constraint_state_free(s);
    glim_constraint_free(c);
    return compared;
}

TEST(masks_equal_brute_force_on_a_small_vocabulary) {
    vocab v = small_vocab();
    const uint64_t seeds = getenv("GLIM_SOAK") ? 3000 : 100 / SHARE;
    size_t n = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        json_t *schema = gen_document(seed, true);
        n += walk(&v, schema, seed, 4, 25, 45, NULL);
        json_decref(schema);
    }
    printf("    %zu masks of %zu tokens\n", n, glim_tok_n(v.tok));
    CHECK(n > seeds);
    free_vocab(&v);
}

TEST(masks_equal_brute_force_on_the_vocabulary_of_glm4) {
    vocab v;
    if (!real_vocab(&v)) SKIP("tokenizer-glm4 is not in the data folder");
    const uint64_t seeds = getenv("GLIM_SOAK") ? 200 : 8 / SHARE;
    size_t n = 0, recursive = 0;
    times t = {0};
    for (uint64_t seed = 1000; seed < 1000 + seeds; seed++) {
        json_t *schema = gen_document(seed, true);
        char *text = json_dumps(schema, JSON_COMPACT);
        recursive += strstr(text, "$ref") != NULL;
        free(text);
        n += walk(&v, schema, seed, 6, 12, 14, &t); /* the first to see the schema, so what masks are made of is built here */
        walk(&v, schema, ~seed, 0, 150, 300, &t);
        json_decref(schema);
    }
    printf("    %zu masks of %zu tokens; %llu schemas, %zu with references\n", n, glim_tok_n(v.tok), (unsigned long long)seeds, recursive);
    CHECK(n >= seeds && t.n > 20 * seeds);
    qsort(t.us, t.n, sizeof *t.us, by_value);
    printf("    %zu steps: p50 %.1f, p99 %.1f, worst %.1f us\n", t.n, t.us[t.n / 2], t.us[t.n * 99 / 100], t.us[t.n - 1]);
    free(t.us);
    free_vocab(&v);
}

TEST(masks_inside_keys_know_declared_names_and_keys_that_were_seen) {
    vocab v = small_vocab();
    static const struct {
        const char *schema, *text;
    } rows[] = {
        {"{\"type\":\"object\"}", "{\"na\":1,\"name\":2,\"a\\\"b\":3,\""},
        {"{\"type\":\"object\"}", "{\"na\":1,\"name\":2,\"a\\\"b\":3,"},
        {"{\"type\":\"object\"}", "{\"na\":1,\"name\":2,\"a\\\"b\":3"},
        {"{\"type\":\"object\"}", "{\"na\":1,\"name\":2,\"a\\\"b\":3,\"n"},
        {"{\"type\":\"object\"}", "{\"na\":1,\"name\":2,\"a\\\"b\":3,\"nam"},
        {"{\"type\":\"object\"}", "{\"na\":1,\"name\":2,\"a\\\"b\":3,\"na"},
        {"{\"type\":\"object\"}", "{\"na\":1,\"name\":2,\"a\\\"b\":3,\"a"},
        {"{\"type\":\"object\"}", "{\"na\":1,\"name\":2,\"a\\\"b\":3,\"a\\"},
        {"{\"type\":\"object\"}", "{\"\":1,\"\xe4\xb8\xad\":2,\"\xe4"},
        {"{\"type\":\"object\"}", "{\"\":1,\"\xe4\xb8\xad\":2,\"\xe4\xb8"},
        {"{\"type\":\"object\"}", "{\"\":1, "},
        {"{\"type\":\"object\"}", "{\"n\":{\"na\":1},\"na\":{"},
        {"{\"type\":\"object\"}", "{\"\":\"\""},
        {"{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"null\"},\"names\":{}},\"additionalProperties\":{\"type\":\"string\"}}", "{\"na"},
        {"{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"null\"},\"names\":{}},\"additionalProperties\":{\"type\":\"string\"}}", "{\"name\":null,\""},
        {"{\"type\":\"object\",\"properties\":{\"\":{\"type\":\"null\"},\"line\\nbreak\":{}},\"additionalProperties\":{\"type\":\"string\"}}", "{\"line\\"},
        {"{\"type\":\"object\",\"properties\":{\"\":{\"type\":\"null\"},\"\xe4\xb8\xad\":{}},\"additionalProperties\":{\"type\":\"string\"}}", "{\"x\":\"\",\""},
    };
    size_t n_words = glim_constraint_vocab_words(v.v);
    uint32_t *bits = calloc(n_words, sizeof *bits);
    for (size_t i = 0; i < GLIM_COUNT(rows); i++) {
        glim_err err;
        glim_constraint *c;
        glim_constraint_state *s;
        glim_buf text = {0};
        json_t *schema;
        CHECK_OK(glim_json_parse(&schema, rows[i].schema, strlen(rows[i].schema), 0, &err), err);
        CHECK_OK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.schema = schema}, &err), err);
        CHECK_OK(glim_constraint_state_new(&s, c, &err), err);
        for (const char *p = rows[i].text; *p; p++) CHECK_OK(glim_constraint_accept(s, v.byte_token[(uint8_t)*p], &err), err);
        CHECK_OK(glim_constraint_mask(s, bits, NULL, &err), err);
        glim_buf_puts(&text, rows[i].text);
        check_mask(v.tok, schema, &text, bits, &v);
        glim_buf_free(&text);
        glim_constraint_state_free(s);
        glim_constraint_free(c);
        json_decref(schema);
    }
    free(bits);
    free_vocab(&v);
}
