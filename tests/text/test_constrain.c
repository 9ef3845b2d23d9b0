/* Constrained decoding: answers written by mask parse and validate, what cannot be kept is refused with the place, and
 * sequences, rollback, bounds and caches behave. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "test.h"
#include "test_constrain_gen.h"
#include "test_constrain_oracle.h"
#include "test_constrain_vocab.h"
#include "text/constrain.h"

static glim_constraint *compile(const vocab *v, const json_t *schema) {
    glim_err err;
    glim_constraint *c;
    CHECK_OK(glim_constraint_compile(&c, v->v, &(glim_constraint_spec){.schema = schema}, &err), err);
    CHECK(c);
    return c;
}

static json_t *parse(const char *text) {
    glim_err err;
    json_t *v;
    CHECK_OK(glim_json_parse(&v, text, strlen(text), 0, &err), err);
    return v;
}

static glim_constraint_state *begin(glim_constraint *c) {
    glim_err err;
    glim_constraint_state *s;
    CHECK_OK(glim_constraint_state_new(&s, c, &err), err);
    return s;
}

/* Feeds text byte by byte; returns how many bytes were taken. */
static size_t feed(const vocab *v, glim_constraint_state *s, const char *text) {
    size_t i = 0;
    while (text[i] && glim_constraint_accept(s, v->byte_token[(uint8_t)text[i]], NULL) == GLIM_OK) i++;
    return i;
}

/* Whether text is an answer of this schema. */
static bool takes(const vocab *v, const char *schema, const char *text) {
    json_t *j = parse(schema);
    glim_constraint *c = compile(v, j);
    glim_constraint_state *s = begin(c);
    bool ok = feed(v, s, text) == strlen(text) && glim_constraint_complete(s);
    glim_constraint_state_free(s);
    glim_constraint_free(c);
    json_decref(j);
    return ok;
}

/* Writes one answer by mask into text; false if it was cut before it ended. */
static bool write_answer(const vocab *v, glim_constraint *c, uint64_t seed, size_t patience, size_t most, glim_buf *text) {
    glim_err err;
    glim_constraint_state *s = begin(c);
    gen g = {.rng = seed};
    size_t n_words = glim_constraint_vocab_words(v->v);
    uint32_t *bits = calloc(n_words, sizeof *bits);
    bool done = false;
    glim_buf_clear(text);
    for (size_t i = 0; i < most && !done; i++) {
        size_t n, len;
        CHECK_OK(glim_constraint_mask(s, bits, &n, &err), err);
        bool may_stop = false;
        for (size_t k = 0; k < v->n_stops; k++) may_stop |= bits[v->stops[k] / 32] >> (v->stops[k] % 32) & 1;
        CHECK(may_stop == glim_constraint_complete(s));
        int32_t id = gen_choose(&g, bits, n_words, n, i, patience, v->byte_token, v->stops, v->n_stops);
        CHECK_OK(glim_constraint_accept(s, id, &err), err);
        const char *p = glim_tok_piece(v->tok, id, &len);
        if (glim_tok_is_added(v->tok, id)) done = true;
        else glim_buf_append(text, p, len);
    }
    free(bits);
    if (done) CHECK(glim_constraint_complete(s));
    glim_constraint_state_free(s);
    return done;
}

static void check_answer(const json_t *schema, const glim_buf *text, const char *name) {
    glim_err err;
    json_t *v;
    glim_status rc = glim_json_parse(&v, glim_buf_cstr(text), text->len, 0, &err);
    CHECK_MSG(rc == GLIM_OK || json_is_string(v), "%s: %s in %.300s", name, err.msg, glim_buf_cstr(text));
    if (!valid_value(schema, schema, v)) {
        char *show = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
        printf("    schema %.3000s\n    answer %.2000s\n", show, glim_buf_cstr(text));
        free(show);
        glim_test_fail(__FILE__, __LINE__, "%s: the answer does not satisfy its schema", name);
    }
    json_decref(v);
}

/* The real vocabulary where it is, else the small one. */
static vocab any_vocab(void) {
    vocab v;
    return real_vocab(&v) ? v : small_vocab();
}

TEST(answers_to_generated_schemas_parse_and_validate) {
    vocab v = any_vocab();
    const uint64_t seeds = getenv("GLIM_SOAK") ? 5000 : 300;
    size_t whole = 0;
    glim_buf text = {0};
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        char name[32];
        json_t *schema = gen_document(seed, false);
        glim_constraint *c = compile(&v, schema);
        snprintf(name, sizeof name, "seed %llu", (unsigned long long)seed);
        if (write_answer(&v, c, seed, 60, 1500, &text)) {
            whole++;
            check_answer(schema, &text, name);
        }
        glim_constraint_free(c);
        json_decref(schema);
    }
    printf("    %zu of %llu answers ended by themselves\n", whole, (unsigned long long)seeds);
    CHECK(whole * 10 >= seeds * 9); /* the rest met a pattern that chance does not finish */
    glim_buf_free(&text);
    free_vocab(&v);
}

/* Calls fn for each line of a file in tests/text/schemas. */
static size_t each_row(const char *file, void (*fn)(const vocab *v, const json_t *row), const vocab *v) {
    char path[128];
    glim_buf text = {0};
    glim_err err;
    size_t n = 0;
    snprintf(path, sizeof path, "tests/text/schemas/%s", file);
    CHECK_OK(glim_file_read(&text, glim_test_source(path), 1 << 20, &err), err);
    for (char *line = text.s, *end; line && *line; line = end ? end + 1 : NULL, n++) {
        end = strchr(line, '\n');
        if (end) *end = 0;
        json_t *row = parse(line);
        fn(v, row);
        json_decref(row);
    }
    glim_buf_free(&text);
    return n;
}

static void real_row(const vocab *v, const json_t *row) {
    const json_t *schema = json_object_get(row, "schema");
    const char *name = json_string_value(json_object_get(row, "name"));
    glim_constraint *c = compile(v, schema);
    glim_buf text = {0};
    size_t whole = 0;
    for (uint64_t seed = 1; seed <= 8; seed++)
        if (write_answer(v, c, seed, 20 * seed, 3000, &text)) {
            whole++;
            check_answer(schema, &text, name);
        }
    CHECK_MSG(whole >= 7, "%s: %zu of 8 answers ended", name, whole);
    glim_buf_free(&text);
    glim_constraint_free(c);
}

TEST(answers_to_schemas_as_people_write_them_parse_and_validate) {
    vocab v = any_vocab();
    CHECK(each_row("real.jsonl", real_row, &v) >= 20);
    free_vocab(&v);
}

static size_t g_hard_whole;
static void hard_row(const vocab *v, const json_t *row) {
    const json_t *schema = json_object_get(row, "schema");
    glim_constraint *c = compile(v, schema);
    glim_buf text = {0};
    for (uint64_t seed = 1; seed <= 2; seed++)
        if (write_answer(v, c, seed, 30 * seed, 1500, &text)) {
            g_hard_whole++;
            check_answer(schema, &text, json_string_value(json_object_get(row, "name")));
        }
    glim_buf_free(&text);
    glim_constraint_free(c);
}

TEST(answers_to_schemas_made_to_be_hard_parse_and_validate) {
    vocab v = any_vocab();
    size_t n = each_row("hard.jsonl", hard_row, &v);
    printf("    %zu of %zu answers ended by themselves\n", g_hard_whole, 2 * n);
    CHECK(n >= 35 && g_hard_whole * 3 >= 2 * n * 2);
    free_vocab(&v);
}

static void refused_row(const vocab *v, const json_t *row) {
    const json_t *schema = json_object_get(row, "schema");
    const char *status = json_string_value(json_object_get(row, "status")), *says = json_string_value(json_object_get(row, "says"));
    glim_err err;
    glim_constraint *c;
    glim_err_clear(&err);
    glim_status rc = glim_constraint_compile(&c, v->v, &(glim_constraint_spec){.schema = schema}, &err);
    char *show = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
    CHECK_MSG(rc != GLIM_OK && !c, "%s was accepted", show);
    CHECK_MSG(strcmp(glim_status_name(rc), status) == 0, "%s: got %s (%s), want %s", show, glim_status_name(rc), err.msg, status);
    CHECK_MSG(strstr(err.msg, says), "%s: got \"%s\", want \"%s\"", show, err.msg, says);
    free(show);
}

TEST(what_cannot_be_kept_is_refused_with_its_place) {
    vocab v = small_vocab();
    CHECK(each_row("refused.jsonl", refused_row, &v) >= 40);
    free_vocab(&v);
}

TEST(lenient_schemas_skip_what_is_not_supported) {
    vocab v = small_vocab();
    json_t *schema = parse("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"dict\",\"minProperties\":3}},\"required\":[\"a\"],\"not\":{}}");
    glim_err err;
    glim_constraint *c;
    CHECK_OK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.schema = schema, .lenient = true}, &err), err);
    glim_constraint_state *s = begin(c);
    CHECK(feed(&v, s, "{\"a\":{\"x\":1}}") == 13 && glim_constraint_complete(s));
    glim_constraint_state_free(s);
    glim_constraint_free(c);
    json_decref(schema);
    free_vocab(&v);
}

TEST(single_schemas_take_what_they_should) {
    vocab v = small_vocab();
    static const struct {
        const char *schema, *text;
        bool ok;
    } rows[] = {
        {"{\"type\":\"integer\",\"minimum\":-5,\"maximum\":12}", "12", true},
        {"{\"type\":\"integer\",\"minimum\":-5,\"maximum\":12}", "13", false},
        {"{\"type\":\"integer\",\"minimum\":-5,\"maximum\":12}", "-5", true},
        {"{\"type\":\"integer\",\"minimum\":-5,\"maximum\":12}", "-6", false},
        {"{\"type\":\"integer\",\"minimum\":-5,\"maximum\":12}", "-0", false},
        {"{\"type\":\"integer\",\"minimum\":0.5,\"maximum\":3.9}", "0", false},
        {"{\"type\":\"integer\",\"minimum\":0.5,\"maximum\":3.9}", "3", true},
        {"{\"type\":\"integer\",\"exclusiveMinimum\":3,\"minimum\":1}", "3", false},
        {"{\"type\":\"integer\",\"exclusiveMinimum\":3,\"minimum\":1}", "4", true},
        {"{\"type\":\"integer\"}", "9223372036854775807", true},
        {"{\"type\":\"integer\"}", "9223372036854775808", false},
        {"{\"type\":\"integer\"}", "-9223372036854775808", true},
        {"{\"type\":\"integer\"}", "-9223372036854775809", false},
        {"{\"type\":\"integer\"}", "007", false},
        {"{\"type\":\"integer\",\"multipleOf\":7}", "-21", true},
        {"{\"type\":\"integer\",\"multipleOf\":7}", "22", false},
        {"{\"type\":\"number\",\"exclusiveMaximum\":0.1,\"minimum\":0}", "0.0999", true},
        {"{\"type\":\"number\",\"exclusiveMaximum\":0.1,\"minimum\":0}", "0.1", false},
        {"{\"type\":\"number\",\"exclusiveMaximum\":0.1,\"minimum\":0}", "0.10", false},
        {"{\"type\":\"number\",\"exclusiveMaximum\":0.1,\"minimum\":0}", "0", true},
        {"{\"type\":\"number\",\"minimum\":1e-3,\"maximum\":2.5e2}", "250.000", true},
        {"{\"type\":\"number\",\"minimum\":1e-3,\"maximum\":2.5e2}", "0.0009", false},
        {"{\"type\":\"number\",\"maximum\":-2.5}", "-2.5", true},
        {"{\"type\":\"number\",\"maximum\":-2.5}", "-2.49", false},
        {"{\"type\":\"number\",\"maximum\":-2.5}", "1", false},
        {"{\"type\":\"number\"}", "-1.5e-10", true},
        {"{\"type\":\"number\"}", "1e100", false},
        {"{\"type\":\"string\"}", "\"\\ud83d\\ude00\"", true},
        {"{\"type\":\"string\"}", "\"\\ud83d\"", false},
        {"{\"type\":\"string\"}", "\"\\ude00\"", false},
        {"{\"type\":\"string\"}", "\"\xed\xa0\x80\"", false},
        {"{\"type\":\"string\"}", "\"\xf4\x90\x80\x80\"", false},
        {"{\"type\":\"string\"}", "\"\xc0\x80\"", false},
        {"{\"type\":\"string\"}", "\"\n\"", false},
        {"{\"type\":\"string\",\"maxLength\":2}", "\"\xf0\x9f\x98\x80\xe4\xb8\xad\"", true},
        {"{\"type\":\"string\",\"maxLength\":2}", "\"\\ud83d\\ude00\\u00e9\"", true},
        {"{\"type\":\"string\",\"maxLength\":2}", "\"abc\"", false},
        {"{\"type\":\"string\",\"maxLength\":1e30}", "\"abc\"", true},
        {"{\"type\":\"string\",\"minLength\":2.0,\"maxLength\":9223372036854775807}", "\"a\"", false},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"maxItems\":1e300}", "[1, 2]", true},
        {"{\"type\":\"string\",\"minLength\":3}", "\"ab\"", false},
        {"{\"type\":\"string\",\"pattern\":\"b\"}", "\"abc\"", true},
        {"{\"type\":\"string\",\"pattern\":\"b\"}", "\"ac\"", false},
        {"{\"type\":\"string\",\"pattern\":\"^\\\\s\\\\d\\\\W$\"}", "\"\\t7-\"", true},
        {"{\"type\":\"string\",\"pattern\":\"^[\\\"\\\\\\\\]$\"}", "\"\\\\\"", true},
        {"{\"type\":\"string\",\"pattern\":\"^a\",\"maxLength\":2}", "\"ab\"", true},
        {"{\"type\":\"string\",\"pattern\":\"^a\",\"maxLength\":2}", "\"abc\"", false},
        {"{\"type\":\"string\",\"pattern\":\"^a*?$\"}", "\"aa\"", true},
        {"{\"type\":\"string\",\"pattern\":\"a{,3}\"}", "\"a{,3}\"", true},
        {"{\"enum\":[\"a\",\"ab\",2,null]}", "\"ab\"", true},
        {"{\"enum\":[\"a\",\"ab\",2,null]}", "\"abc\"", false},
        {"{\"const\":{\"a\":[1,\"x\"]}}", "{\"a\":[1,\"x\"]}", true},
        {"{\"enum\":[1,2,3,4],\"minimum\":2,\"maximum\":3}", "3", true},
        {"{\"enum\":[1,2,3,4],\"minimum\":2,\"maximum\":3}", "4", false},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}", "[1]", false},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}", "[1, 2,\n 3 ]", true},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}", "[1,2,3,4]", false},
        {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"null\"}],\"items\":{\"const\":1},\"minItems\":1}", "[null,1,1]", true},
        {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"null\"}],\"items\":{\"const\":1},\"minItems\":1}", "[1]", false},
        {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"null\"},true],\"items\":false}", "[null]", true},
        {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"b\"]}", "{\"b\":1}", true},
        {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"b\"]}", "{\"a\":1}", false},
        {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"b\"]}", "{\"b\":1,\"a\":2}", false},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"additionalProperties\":true}", "{\"b\":2}", true},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"additionalProperties\":true}", "{\"b\":2,\"a\":2}", false},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"additionalProperties\":true}", "{\"a\":1,\"a\":1}", false},
        {"{\"type\":\"object\"}", "{\"x\":1,\"y\":{\"x\":2}}", true},
        {"{\"type\":\"object\"}", "{\"x\":1,\"x\":2}", false},
        {"{\"type\":\"object\"}", "{\"x\":1,\"\\u0078\":2}", false},
        {"{\"type\":\"object\",\"properties\":{}}", "{}", true},
        {"{\"type\":\"object\",\"properties\":{}}", "{\"a\":1}", false},
        {"{\"allOf\":[{\"properties\":{\"a\":{\"minimum\":2,\"type\":\"integer\"}}},{\"properties\":{\"a\":{\"maximum\":3,\"type\":\"integer\"}},\"required\":[\"a\"]}]}", "{\"a\":3}", true},
        {"{\"allOf\":[{\"properties\":{\"a\":{\"minimum\":2,\"type\":\"integer\"}}},{\"properties\":{\"a\":{\"maximum\":3,\"type\":\"integer\"}},\"required\":[\"a\"]}]}", "{\"a\":4}", false},
        {"{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"null\"}},\"additionalProperties\":false},{\"properties\":{\"b\":{\"type\":\"null\"}}}],\"type\":\"object\"}", "{\"a\":null}", true},
        {"{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"null\"}},\"additionalProperties\":false},{\"properties\":{\"b\":{\"type\":\"null\"}}}],\"type\":\"object\"}", "{\"b\":null}", false},
        {"{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\",\"maxLength\":1}]}", "\"a\"", true},
    };
    for (size_t i = 0; i < GLIM_COUNT(rows); i++)
        CHECK_MSG(takes(&v, rows[i].schema, rows[i].text) == rows[i].ok, "%s: %s is %s", rows[i].schema, rows[i].text,
                  rows[i].ok ? "not taken" : "taken");
    free_vocab(&v);
}

TEST(a_reply_of_choices_is_one_of_them_bare) {
    vocab v = small_vocab();
    json_t *list = parse("[\"ask_price\", \"ask\", \"退货\", \"none\"]"), *other = parse("[\"ask\"]"), *bad[] = {parse("[]"), parse("[\"a\", 1]"), parse("[\"\"]"), parse("{}")};
    static const struct {
        const char *text;
        size_t taken;
        bool whole;
    } rows[] = {{"ask", 3, true}, {"ask_price", 9, true}, {"\nnone", 5, true}, {"退货", 6, true}, {"ask_", 4, false}, {"asks", 3, true}, {"\"ask\"", 0, false}, {" ask", 0, false}, {"\n\nask", 1, false}};
    glim_constraint *c, *d;
    glim_err err;
    CHECK_OK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.choices = list}, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(rows); i++) {
        glim_constraint_state *s = begin(c);
        size_t n = feed(&v, s, rows[i].text);
        CHECK_MSG(n == rows[i].taken && glim_constraint_complete(s) == rows[i].whole, "\"%s\": %zu bytes taken", rows[i].text, n);
        glim_constraint_state_free(s);
    }
    for (uint64_t seed = 1; seed <= 20; seed++) {
        glim_buf text = {0};
        CHECK(write_answer(&v, c, seed, 4, 100, &text));
        const char *t = glim_buf_cstr(&text);
        t += *t == '\n';
        CHECK_MSG(!strcmp(t, "ask_price") || !strcmp(t, "ask") || !strcmp(t, "退货") || !strcmp(t, "none"), "wrote \"%s\"", t);
        glim_buf_free(&text);
    }
    glim_constraint_free(c);
    glim_constraint_cache *k = glim_constraint_cache_new(v.v, 1 << 20);
    CHECK_OK(glim_constraint_cache_get(k, &c, &(glim_constraint_spec){.choices = list}, &err), err);
    CHECK_OK(glim_constraint_cache_get(k, &d, &(glim_constraint_spec){.choices = other}, &err), err);
    CHECK(c != d);
    glim_constraint_free(c);
    glim_constraint_free(d);
    glim_constraint_cache_free(k);
    for (size_t i = 0; i < GLIM_COUNT(bad); i++) {
        CHECK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.choices = bad[i]}, &err) == GLIM_E_FORMAT && strstr(err.msg, "choices"));
        json_decref(bad[i]);
    }
    json_decref(list);
    json_decref(other);
    free_vocab(&v);
}

TEST(containers_nest_to_the_limit_and_can_always_be_closed) {
    vocab v = small_vocab();
    json_t *schema = parse("{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}"), *list = parse("{\"type\":\"object\",\"properties\":{\"next\":"
        "{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}},\"required\":[\"next\"]}");
    glim_constraint *c = compile(&v, schema), *d = compile(&v, list);
    glim_constraint_state *s = begin(c), *t = begin(d);
    char open[101], close[101];
    memset(open, '[', 100);
    memset(close, ']', 100);
    open[100] = close[100] = 0;
    CHECK(feed(&v, s, open) == 64);
    CHECK(feed(&v, s, close) == 64 && glim_constraint_complete(s));
    for (int i = 0; i < 64; i++) CHECK(feed(&v, t, "{\"next\":") == 8);
    CHECK(feed(&v, t, "{") == 0);
    CHECK(feed(&v, t, "null") == 4);
    for (int i = 0; i < 64; i++) CHECK(feed(&v, t, "}") == 1);
    CHECK(glim_constraint_complete(t));
    glim_constraint_state_free(s);
    glim_constraint_state_free(t);
    glim_constraint_free(c);
    glim_constraint_free(d);
    json_decref(schema);
    json_decref(list);
    free_vocab(&v);
}

TEST(an_answer_that_cannot_be_spelled_ends_with_an_error_and_nothing_else_does) {
    vocab v = make_vocab(GLIM_COUNT(small_specials), '7');
    json_t *schema = parse("{\"type\":\"array\",\"items\":{\"enum\":[7,8]},\"minItems\":1}"), *seven = parse("{\"const\":77}");
    glim_constraint *c = compile(&v, schema), *d = compile(&v, seven);
    glim_constraint_state *s = begin(c), *t = begin(d);
    size_t n, n_words = glim_constraint_vocab_words(v.v);
    uint32_t *bits = calloc(n_words, sizeof *bits);
    glim_err err;
    CHECK(feed(&v, s, "[8") == 2);
    CHECK_OK(glim_constraint_mask(s, bits, &n, &err), err);
    feed(&v, t, " ");
    glim_err_clear(&err);
    CHECK(glim_constraint_mask(t, bits, &n, &err) == GLIM_E_STATE && n == 0);
    CHECK_MSG(strstr(err.msg, "cannot be spelled"), "%s", err.msg);
    CHECK(glim_constraint_accept(t, v.byte_token['8'], &err) == GLIM_E_ARG);
    CHECK(feed(&v, s, "]") == 1 && glim_constraint_complete(s)); /* the other one goes on */
    free(bits);
    glim_constraint_state_free(s);
    glim_constraint_state_free(t);
    glim_constraint_free(c);
    glim_constraint_free(d);
    json_decref(schema);
    json_decref(seven);
    free_vocab(&v);
}

/* Two sequences allow the same. */
static bool same_mask(const vocab *v, glim_constraint_state *a, glim_constraint_state *b) {
    size_t n = glim_constraint_vocab_words(v->v);
    uint32_t *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y);
    glim_status p = glim_constraint_mask(a, x, NULL, NULL), q = glim_constraint_mask(b, y, NULL, NULL);
    bool same = p == q && memcmp(x, y, n * sizeof *x) == 0 && glim_constraint_complete(a) == glim_constraint_complete(b);
    free(x);
    free(y);
    return same;
}

TEST(rollback_and_forks_come_back_to_the_same_place) {
    vocab v = small_vocab();
    glim_err err;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        json_t *schema = gen_document(seed, false);
        glim_constraint *c = compile(&v, schema);
        glim_constraint_state *s = begin(c), *fork = NULL;
        gen g = {.rng = seed};
        size_t n, n_words = glim_constraint_vocab_words(v.v), since = 0;
        uint32_t *bits = calloc(n_words, sizeof *bits);
        for (int i = 0; i < 80; i++) {
            if (!fork) CHECK_OK(glim_constraint_state_fork(&fork, s, &err), err);
            if (glim_constraint_mask(s, bits, &n, &err) != GLIM_OK || since == GLIM_CONSTRAINT_ROLLBACK || gen_chance(&g, 10)) {
                CHECK_OK(glim_constraint_rollback(s, since, &err), err);
                CHECK(same_mask(&v, s, fork));
                glim_constraint_state_free(fork);
                fork = NULL;
                since = 0;
                continue;
            }
            int32_t id = gen_choose(&g, bits, n_words, n, 0, 10, v.byte_token, v.stops, v.n_stops);
            CHECK_OK(glim_constraint_accept(s, id, &err), err);
            since++;
        }
        CHECK(glim_constraint_rollback(s, GLIM_CONSTRAINT_ROLLBACK + 1, &err) == GLIM_E_ARG);
        free(bits);
        glim_constraint_state_free(fork);
        glim_constraint_state_free(s);
        glim_constraint_free(c);
        json_decref(schema);
    }
    free_vocab(&v);
}

TEST(a_small_bound_on_memory_is_kept_and_changes_no_mask) {
    vocab v = small_vocab();
    json_t *schema = parse("{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\",\"maxLength\":5000},{\"type\":\"object\"},{\"$ref\":\"#/$defs/list\"}]},"
                            "\"minItems\":700,\"$defs\":{\"list\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/items\"}}}}");
    glim_constraint *c = compile(&v, schema), *tight;
    glim_err err;
    const size_t bound = 300000;
    CHECK_OK(glim_constraint_compile(&tight, v.v, &(glim_constraint_spec){.schema = schema, .machine_bytes = bound}, &err), err);
    glim_constraint_state *s = begin(c), *t = begin(tight), *other = begin(tight);
    CHECK(feed(&v, other, "[{\"abc\":1,\"ab\":{\"k") == 18);
    gen g = {.rng = 5};
    size_t n, n_words = glim_constraint_vocab_words(v.v), largest = 0, n_tokens = 0;
    uint32_t *bits = calloc(n_words, sizeof *bits);
    for (int i = 0; i < 6000; i++, n_tokens++) {
        CHECK_OK(glim_constraint_mask(s, bits, &n, &err), err);
        if (i % 16 == 0) CHECK_MSG(same_mask(&v, s, t), "after %d tokens", i);
        int32_t id;
        do id = gen_choose(&g, bits, n_words, n, 0, 10, v.byte_token, v.stops, 0); /* never a stop, if there is another */
        while (glim_tok_is_added(v.tok, id) && n > v.n_stops);
        if (glim_tok_is_added(v.tok, id)) break;
        CHECK_OK(glim_constraint_accept(s, id, &err), err);
        CHECK_OK(glim_constraint_accept(t, id, &err), err);
        if (glim_constraint_bytes(tight) > largest) largest = glim_constraint_bytes(tight);
    }
    printf("    at most %zu bytes, bound %zu\n", largest, bound);
    CHECK(largest < bound * 3 / 2);
    /* The one that slept through all of it is where it was, keys seen included. */
    CHECK(feed(&v, other, "\":1},\"ab") == 8);
    CHECK(feed(&v, other, "\"") == 0);
    CHECK(feed(&v, other, "d\":2},") == 6);
    printf("    %zu tokens\n", n_tokens);
    CHECK(n_tokens > 2000);
    free(bits);
    glim_constraint_state_free(s);
    glim_constraint_state_free(t);
    glim_constraint_state_free(other);
    glim_constraint_free(c);
    glim_constraint_free(tight);
    json_decref(schema);
    free_vocab(&v);
}

TEST(the_cache_shares_grammars_and_keeps_its_bound) {
    vocab v = small_vocab();
    glim_err err;
    glim_constraint_cache *k = glim_constraint_cache_new(v.v, 400000);
    json_t *schema = parse("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}");
    glim_constraint *a, *b;
    CHECK_OK(glim_constraint_cache_get(k, &a, &(glim_constraint_spec){.schema = schema}, &err), err);
    CHECK_OK(glim_constraint_cache_get(k, &b, &(glim_constraint_spec){.schema = schema}, &err), err);
    CHECK(a == b && glim_constraint_cache_look(k).hits == 1);
    glim_constraint_free(b);
    glim_constraint_state *s = begin(a);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        json_t *other = gen_document(seed, false);
        CHECK_OK(glim_constraint_cache_get(k, &b, &(glim_constraint_spec){.schema = other}, &err), err);
        glim_constraint_free(b);
        json_decref(other);
        CHECK(glim_constraint_cache_look(k).bytes <= 400000);
    }
    CHECK(glim_constraint_cache_look(k).n < 61);
    CHECK(feed(&v, s, "{\"a\":1}") == 7); /* dropped by the cache, held by the sequence */
    json_t *bad = parse("{\"not\":{}}");
    CHECK(glim_constraint_cache_get(k, &b, &(glim_constraint_spec){.schema = bad}, &err) == GLIM_E_UNSUPPORTED && !b);
    json_decref(bad);
    CHECK_OK(glim_constraint_cache_get(k, &b, &(glim_constraint_spec){0}, &err), err);
    CHECK(!b); /* nothing to enforce */
    glim_constraint_state_free(s);
    glim_constraint_free(a);
    glim_constraint_cache_free(k);
    json_decref(schema);
    free_vocab(&v);
}

TEST(bytes_without_a_choice_are_known_ahead) {
    vocab v = small_vocab();
    json_t *schema = parse("{\"type\":\"object\",\"properties\":{\"name\":{\"const\":\"x\"},\"n\":{\"type\":\"integer\"}},\"required\":[\"name\",\"n\"]}");
    glim_constraint *c = compile(&v, schema);
    glim_constraint_state *s = begin(c);
    glim_buf b = {0};
    CHECK(feed(&v, s, "{\"") == 2);
    glim_constraint_forced(s, &b, 100);
    CHECK_STR(glim_buf_cstr(&b), "name\":"); /* then white space is a choice */
    glim_buf_free(&b);
    glim_constraint_state_free(s);
    glim_constraint_free(c);
    json_decref(schema);
    free_vocab(&v);
}

TEST(tokens_that_are_not_text_and_wrong_ids_are_refused) {
    vocab v = small_vocab();
    json_t *schema = json_true();
    glim_constraint *c = compile(&v, schema);
    glim_constraint_state *s = begin(c);
    glim_err err;
    CHECK(feed(&v, s, "\"a") == 2);
    CHECK(glim_constraint_accept(s, glim_tok_find(v.tok, "<tool_call>"), &err) == GLIM_E_ARG);
    CHECK(glim_constraint_accept(s, v.stops[0], &err) == GLIM_E_ARG);
    CHECK(glim_constraint_accept(s, -1, &err) == GLIM_E_ARG);
    CHECK(glim_constraint_accept(s, INT32_MAX, &err) == GLIM_E_ARG);
    CHECK(feed(&v, s, "\"") == 1);
    CHECK_OK(glim_constraint_accept(s, v.stops[0], &err), err);
    CHECK(glim_constraint_accept(s, v.stops[0], &err) == GLIM_E_ARG && glim_constraint_complete(s));
    CHECK_OK(glim_constraint_rollback(s, 2, &err), err);
    CHECK(!glim_constraint_complete(s) && feed(&v, s, "b\"") == 2);
    glim_constraint_state_free(s);
    glim_constraint_free(c);
    free_vocab(&v);
}

TEST(huge_schemas_are_refused_in_time) {
    vocab v = small_vocab();
    glim_err err;
    glim_constraint *c;
    /* doubling: each definition mentions the one before twice in an allOf */
    json_t *defs = json_object(), *s;
    json_object_set_new(defs, "d0", parse("{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}"));
    for (int i = 1; i < 40; i++) {
        char name[16], ref[32];
        snprintf(name, sizeof name, "d%d", i);
        snprintf(ref, sizeof ref, "#/$defs/d%d", i - 1);
        json_object_set_new(defs, name, json_pack("{s:[{s:s},{s:s}]}", "anyOf", "$ref", ref, "$ref", ref));
    }
    s = json_pack("{s:s,s:o}", "$ref", "#/$defs/d39", "$defs", defs);
    CHECK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.schema = s}, &err) == GLIM_E_LIMIT);
    json_decref(s);
    /* an enum of a megabyte */
    json_t *e = json_array();
    for (int i = 0; i < 120000; i++) {
        char word[16];
        snprintf(word, sizeof word, "word%d", i);
        json_array_append_new(e, json_string(word));
    }
    s = json_pack("{s:o}", "enum", e);
    CHECK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.schema = s}, &err) == GLIM_E_LIMIT);
    json_decref(s);
    /* a lot of properties is fine */
    json_t *p = json_object();
    for (int i = 0; i < 2000; i++) {
        char word[16];
        snprintf(word, sizeof word, "word%d", i);
        json_object_set_new(p, word, json_pack("{s:s}", "type", "integer"));
    }
    s = json_pack("{s:s,s:o}", "type", "object", "properties", p);
    CHECK_OK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.schema = s}, &err), err);
    glim_constraint_state *t = begin(c);
    CHECK(feed(&v, t, "{\"word7\":1,\"word1999\":2}") == 24 && glim_constraint_complete(t));
    glim_constraint_state_free(t);
    glim_constraint_free(c);
    json_decref(s);
    free_vocab(&v);
}

TEST(refused_memory_is_an_error_and_leaves_the_sequence_where_it_was) {
    vocab v = small_vocab();
    size_t n_words = glim_constraint_vocab_words(v.v), failures = 0;
    uint32_t *bits = calloc(n_words, sizeof *bits);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        json_t *schema = gen_document(seed * 31, false);
        glim_constraint *c = NULL;
        glim_status rc = GLIM_E_NOMEM;
        for (long k = 1; rc == GLIM_E_NOMEM; k += 1 + k / 8) {
            glim_err err;
            glim_err_clear(&err);
            glim_alloc_fail_after(k);
            rc = glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.schema = schema}, &err);
            glim_alloc_fail_after(0);
            CHECK_MSG(rc == GLIM_OK || (rc == GLIM_E_NOMEM && !c), "seed %llu, k %ld: %s", (unsigned long long)seed, k, err.msg);
            failures += rc != GLIM_OK;
        }
        glim_constraint_state *s = begin(c);
        gen g = {.rng = seed};
        for (size_t i = 0; i < 30; i++) {
            size_t n;
            glim_err err;
            glim_alloc_fail_after((long)(i % 7) + 1);
            rc = glim_constraint_mask(s, bits, &n, &err);
            glim_alloc_fail_after(0);
            if (rc == GLIM_E_NOMEM) {
                failures++;
                CHECK_OK(glim_constraint_mask(s, bits, &n, &err), err);
            } else if (rc != GLIM_OK) break;
            int32_t id = gen_choose(&g, bits, n_words, n, 0, 10, v.byte_token, v.stops, v.n_stops);
            glim_alloc_fail_after((long)(i % 5) + 1);
            rc = glim_constraint_accept(s, id, &err);
            glim_alloc_fail_after(0);
            if (rc == GLIM_E_NOMEM) {
                failures++;
                CHECK_OK(glim_constraint_accept(s, id, &err), err);
            } else CHECK_MSG(rc == GLIM_OK, "%s", err.msg);
        }
        glim_constraint_state_free(s);
        glim_constraint_free(c);
        json_decref(schema);
    }
    CHECK(failures > 50);
    free(bits);
    free_vocab(&v);
}

typedef struct walker {
    const vocab *v;
    glim_constraint *c;
    uint64_t seed;
    glim_buf text;
} walker;

static void *walk_alone(void *ctx) {
    walker *w = ctx;
    glim_constraint_state *s = NULL;
    size_t n, n_words = glim_constraint_vocab_words(w->v->v);
    uint32_t *bits = calloc(n_words, sizeof *bits);
    gen g = {.rng = w->seed};
    bool ok = bits && glim_constraint_state_new(&s, w->c, NULL) == GLIM_OK;
    for (size_t i = 0; ok && i < 300; i++) {
        if (glim_constraint_mask(s, bits, &n, NULL) != GLIM_OK) break;
        int32_t id = gen_choose(&g, bits, n_words, n, 0, 10, w->v->byte_token, w->v->stops, w->v->n_stops);
        if (glim_constraint_accept(s, id, NULL) != GLIM_OK) break;
        glim_buf_printf(&w->text, "%d ", id);
    }
    glim_constraint_state_free(s);
    free(bits);
    return NULL;
}

TEST(sequences_of_one_grammar_run_in_many_threads) {
    vocab v = small_vocab();
    json_t *schema = parse("{\"type\":\"array\",\"minItems\":400,\"items\":{\"anyOf\":[{\"type\":\"object\"},{\"type\":\"string\",\"pattern\":\"^[a-z]{2,8}$\"},{\"type\":\"number\"}]}}");
    glim_constraint *c;
    glim_err err;
    CHECK_OK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.schema = schema, .machine_bytes = 200000}, &err), err);
    walker together[4], alone[4];
    pthread_t t[4];
    for (size_t i = 0; i < 4; i++) {
        together[i] = alone[i] = (walker){&v, c, i + 1, {0}};
        CHECK(pthread_create(&t[i], NULL, walk_alone, &together[i]) == 0);
    }
    for (size_t i = 0; i < 4; i++) pthread_join(t[i], NULL);
    for (size_t i = 0; i < 4; i++) {
        walk_alone(&alone[i]);
        CHECK_STR(glim_buf_cstr(&together[i].text), glim_buf_cstr(&alone[i].text));
        CHECK(alone[i].text.len > 300);
        glim_buf_free(&alone[i].text);
        glim_buf_free(&together[i].text);
    }
    glim_constraint_free(c);
    json_decref(schema);
    free_vocab(&v);
}
