/* Tool calls by mask, in the form of each family: what is written is read back by reply.h as calls of declared tools whose
 * arguments satisfy their schemas. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "test_constrain_gen.h"
#include "test_constrain_oracle.h"
#include "test_constrain_vocab.h"
#include "text/constrain.h"
#include "text/reply.h"

static const char tools_text[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{"
    "\"city\":{\"type\":\"string\"},\"unit\":{\"type\":\"string\",\"enum\":[\"c\",\"f\"]},\"days\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":14}},"
    "\"required\":[\"city\",\"days\"],\"additionalProperties\":false}}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"now\",\"strict\":true}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"note\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{"
    "\"text\":{\"type\":[\"string\",\"null\"]},\"code\":{\"type\":\"string\",\"pattern\":\"^[A-Z]{2}[0-9]{1,3}$\"},\"short\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":3},"
    "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":3},\"any\":{\"anyOf\":[{\"type\":\"string\",\"maxLength\":9},{\"type\":\"number\"}]},\"ok\":{\"type\":\"boolean\"}},"
    "\"required\":[\"code\",\"any\"],\"additionalProperties\":false}}}]";

static json_t *parse(const char *text) {
    glim_err err;
    json_t *v;
    CHECK_OK(glim_json_parse(&v, text, strlen(text), 0, &err), err);
    return v;
}

static const json_t *params_of(const json_t *tools, const char *name) {
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *f = json_object_get(json_array_get(tools, i), "function");
        if (strcmp(json_string_value(json_object_get(f, "name")), name) == 0) return json_object_get(f, "parameters");
    }
    return NULL;
}

/* Writes a reply by mask, special tokens shown; false if it was cut. */
static bool write_reply(const vocab *v, const glim_constraint_spec *spec, uint64_t seed, glim_buf *text) {
    glim_err err;
    glim_constraint *c;
    glim_constraint_state *s;
    gen g = {.rng = seed};
    size_t n_words = glim_constraint_vocab_words(v->v), n, len;
    uint32_t *bits = calloc(n_words, sizeof *bits);
    bool done = false;
    static const char *const tags[] = {"</arg_value>", "</tool_call>", "</think>", "<tool_call>"}, *const heads[] = {"now\n", "\nget_weather\n"};
    const char *spell = spec->think == GLIM_THINK_NONE && gen_chance(&g, 50) ? heads[gen_below(&g, 2)] : ""; /* bytes to be written next */
    CHECK_OK(glim_constraint_compile(&c, v->v, spec, &err), err);
    CHECK(c);
    CHECK_OK(glim_constraint_state_new(&s, c, &err), err);
    glim_buf_clear(text);
    for (size_t i = 0; i < 1500 && !done; i++) {
        CHECK_OK(glim_constraint_mask(s, bits, &n, &err), err);
        int32_t id = gen_choose(&g, bits, n_words, n, i, 100, v->byte_token, v->stops, v->n_stops);
        if (!*spell && gen_chance(&g, 20)) { /* a leaning to what ends a part, as a token or spelled */
            const char *tag = tags[gen_below(&g, i > 300 ? 3 : 4)];
            int32_t t = glim_tok_find(v->tok, tag);
            if (t < 0) spell = tag;
            else if (bits[t / 32] >> (t % 32) & 1) id = t;
        }
        if (*spell) {
            int32_t t = v->byte_token[(uint8_t)*spell];
            bool may = bits[t / 32] >> (t % 32) & 1;
            spell = may ? spell + 1 : "";
            if (may) id = t;
        }
        CHECK_OK(glim_constraint_accept(s, id, &err), err);
        for (size_t k = 0; k < v->n_stops; k++) done |= id == v->stops[k];
        const char *p = glim_tok_piece(v->tok, id, &len);
        if (!done) glim_buf_append(text, p, len);
    }
    free(bits);
    glim_constraint_state_free(s);
    glim_constraint_free(c);
    return done;
}

/* Checks the calls of a reply; returns how many there are. */
static size_t check_calls(const vocab *v, const glim_constraint_spec *spec, const glim_buf *text, glim_buf *content) {
    glim_err err;
    glim_reply r;
    (void)v;
    glim_reply_init(&r, spec->kind, spec->tools, spec->think == GLIM_THINK_OPENED, spec->think != GLIM_THINK_NONE);
    CHECK_OK(glim_reply_put(&r, glim_buf_cstr(text), text->len, &err), err);
    CHECK_OK(glim_reply_end(&r, &err), err);
    for (size_t i = 0; i < r.n_calls; i++) {
        json_t *none = json_pack("{s:s,s:b}", "type", "object", "additionalProperties", 0);
        const json_t *schema = params_of(spec->tools, r.calls[i].name);
        json_t *args = parse(r.calls[i].args.s);
        CHECK_MSG(r.calls[i].closed, "%s", text->s);
        if (!schema) CHECK_STR(r.calls[i].name, "now");
        CHECK_MSG(valid_value(schema ? schema : none, schema ? schema : none, args), "%s: %s\n    in %s", r.calls[i].name, r.calls[i].args.s,
                  text->s);
        json_decref(args);
        json_decref(none);
    }
    size_t n = r.n_calls;
    if (content) {
        glim_buf_clear(content);
        glim_buf_append(content, glim_buf_cstr(&r.content), r.content.len);
    }
    glim_reply_free(&r);
    return n;
}

static const glim_chat_kind kinds[] = {GLIM_CHAT_GLM4_9B, GLIM_CHAT_GLM4_0414, GLIM_CHAT_GLM_Z1, GLIM_CHAT_GLM45, GLIM_CHAT_GLM47,
                                       GLIM_CHAT_CHATML};

/* With control tokens, and with tags spelled as text. */
static vocab vocab_of(int which) { return which ? make_vocab(4, -1) : small_vocab(); }

TEST(required_calls_are_calls_in_every_form) {
    json_t *tools = parse(tools_text), *choice = json_string("required");
    glim_buf text = {0}, content = {0};
    for (int which = 0; which < 2; which++) {
        vocab v = vocab_of(which);
        for (size_t k = 0; k < GLIM_COUNT(kinds); k++) {
            size_t whole = 0, calls = 0;
            for (uint64_t seed = 1; seed <= 60; seed++) {
                glim_constraint_spec spec = {.tools = tools, .tool_choice = choice, .kind = kinds[k], .single_call = seed % 3 == 0};
                if (!write_reply(&v, &spec, seed, &text)) continue;
                whole++;
                size_t n = check_calls(&v, &spec, &text, &content);
                CHECK_MSG(n >= 1 && content.len == 0, "%s: no call in %s", glim_chat_name(kinds[k]), text.s);
                if (spec.single_call) CHECK_MSG(n == 1, "%s: %zu calls in %s", glim_chat_name(kinds[k]), n, text.s);
                calls += n;
            }
            CHECK_MSG(whole >= 50, "%s: %zu of 60 replies ended", glim_chat_name(kinds[k]), whole);
            CHECK(calls > whole);
        }
        free_vocab(&v);
    }
    glim_buf_free(&text);
    glim_buf_free(&content);
    json_decref(tools);
    json_decref(choice);
}

TEST(a_named_tool_is_the_one_that_is_called) {
    json_t *tools = parse(tools_text), *choice = parse("{\"type\":\"function\",\"function\":{\"name\":\"now\"}}");
    json_t *allowed = parse("{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]}}");
    vocab v = small_vocab();
    glim_buf text = {0};
    static const struct {
        glim_chat_kind kind;
        const char *want;
    } rows[] = {{GLIM_CHAT_GLM4_0414, "now\n{}"}, {GLIM_CHAT_GLM45, "<tool_call>now\n</tool_call>"}, {GLIM_CHAT_GLM47, "<tool_call>now</tool_call>"},
                {GLIM_CHAT_CHATML, "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"}};
    for (size_t i = 0; i < 2 * GLIM_COUNT(rows); i++) {
        glim_constraint_spec spec = {.tools = tools, .tool_choice = i % 2 ? allowed : choice, .kind = rows[i / 2].kind, .single_call = true};
        CHECK(write_reply(&v, &spec, 3, &text));
        char flat[256]; /* without optional white space */
        size_t n = 0, from = text.s[0] == '\n';
        for (size_t k = from; k < text.len && n < 255; k++)
            if (!(strchr(" \n\t", text.s[k]) && k && text.s[k - 1] == '{') && !(n && flat[n - 1] == '{' && strchr(" \t", text.s[k]))) flat[n++] = text.s[k];
        flat[n] = 0;
        CHECK_STR(flat, rows[i / 2].want);
        CHECK(check_calls(&v, &spec, &text, NULL) == 1);
    }
    glim_buf_free(&text);
    free_vocab(&v);
    json_decref(tools);
    json_decref(choice);
    json_decref(allowed);
}

TEST(under_auto_text_is_free_and_calls_are_whole) {
    json_t *tools = parse(tools_text);
    glim_buf text = {0}, content = {0};
    for (int which = 0; which < 2; which++) {
        vocab v = vocab_of(which);
        for (size_t k = 0; k < GLIM_COUNT(kinds); k++) {
            size_t calls = 0, plain = 0;
            for (uint64_t seed = 1; seed <= 80; seed++) {
                glim_constraint_spec spec = {.tools = tools, .kind = kinds[k]};
                if (!write_reply(&v, &spec, seed, &text)) continue;
                size_t n = check_calls(&v, &spec, &text, &content);
                calls += n;
                plain += n == 0;
            }
            CHECK_MSG(plain > 5, "%s: %zu", glim_chat_name(kinds[k]), plain);
            if (which == 0) CHECK_MSG(calls > 0, "%s: no call in 80 replies", glim_chat_name(kinds[k]));
        }
        free_vocab(&v);
    }
    glim_buf_free(&text);
    glim_buf_free(&content);
    json_decref(tools);
}

TEST(a_first_line_that_is_a_tools_name_is_a_call_in_glm4s_form) {
    json_t *tools = parse(tools_text);
    vocab v = small_vocab();
    glim_err err;
    glim_constraint *c;
    glim_constraint_state *s;
    CHECK_OK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.tools = tools, .kind = GLIM_CHAT_GLM4_0414}, &err), err);
    static const struct {
        const char *text;
        size_t taken;
    } rows[] = {{"now\n{}", 6}, {"now\nhello", 4}, {"now hello\nnow\nx", 15}, {"\nget_weather\n{\"days", 15}, {"\nget_weather\n{\"city\":\"", 22},
                {"get_weathe\nr", 12}, {"\n\nhello", 7}};
    for (size_t i = 0; i < GLIM_COUNT(rows); i++) {
        size_t n = 0;
        CHECK_OK(glim_constraint_state_new(&s, c, &err), err);
        while (rows[i].text[n] && glim_constraint_accept(s, v.byte_token[(uint8_t)rows[i].text[n]], NULL) == GLIM_OK) n++;
        CHECK_MSG(n == rows[i].taken, "%s: %zu", rows[i].text, n);
        glim_constraint_state_free(s);
    }
    glim_constraint_free(c);
    free_vocab(&v);
    json_decref(tools);
}

TEST(reasoning_comes_before_the_schema_and_is_free) {
    json_t *schema = parse("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"],\"additionalProperties\":false}");
    glim_buf text = {0}, content = {0};
    for (int which = 0; which < 2; which++) {
        vocab v = vocab_of(which);
        size_t whole = 0, thought = 0;
        for (uint64_t seed = 1; seed <= 60; seed++) {
            glim_constraint_spec spec = {.schema = schema, .kind = GLIM_CHAT_GLM45, .think = seed % 2 ? GLIM_THINK_OPENED : GLIM_THINK_MAY};
            if (!write_reply(&v, &spec, seed, &text)) continue;
            whole++;
            thought += strstr(text.s, "</think>") != NULL;
            check_calls(&v, &spec, &text, &content);
            json_t *j = parse(glim_buf_cstr(&content));
            CHECK_MSG(valid_value(schema, schema, j), "%s", text.s);
            json_decref(j);
        }
        CHECK_MSG(whole > 20 && thought >= 10, "%zu whole, %zu with thoughts", whole, thought);
        free_vocab(&v);
    }
    glim_buf_free(&text);
    glim_buf_free(&content);
    json_decref(schema);
}

TEST(content_of_a_schema_or_a_call) {
    json_t *tools = parse(tools_text), *schema = parse("{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}");
    vocab v = small_vocab();
    glim_buf text = {0}, content = {0};
    size_t calls = 0, answers = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        glim_constraint_spec spec = {.schema = schema, .tools = tools, .kind = seed % 2 ? GLIM_CHAT_GLM45 : GLIM_CHAT_GLM4_0414};
        if (!write_reply(&v, &spec, seed, &text)) continue;
        if (check_calls(&v, &spec, &text, &content)) {
            calls++;
            continue;
        }
        answers++;
        json_t *j = parse(glim_buf_cstr(&content));
        CHECK(valid_value(schema, schema, j));
        json_decref(j);
    }
    CHECK(calls > 5 && answers > 5);
    glim_buf_free(&text);
    glim_buf_free(&content);
    free_vocab(&v);
    json_decref(tools);
    json_decref(schema);
}

TEST(wrong_tools_and_choices_are_refused) {
    vocab v = small_vocab();
    static const struct {
        const char *tools, *choice, *says;
        glim_chat_kind kind;
    } rows[] = {
        {"{}", "\"auto\"", "tools: got object, want a list", GLIM_CHAT_GLM45},
        {"[{\"type\":\"function\",\"function\":{}}]", "\"auto\"", "tools[0]: a function without a name", GLIM_CHAT_GLM45},
        {"[{\"function\":{\"name\":\"a\\nb\"}}]", "\"required\"", "holds a line break", GLIM_CHAT_GLM45},
        {"[{\"function\":{\"name\":\"a\"}}]", "\"always\"", "tool_choice: got \"always\"", GLIM_CHAT_GLM45},
        {"[{\"function\":{\"name\":\"a\"}}]", "{\"type\":\"function\",\"function\":{\"name\":\"b\"}}", "\"b\" is not among the tools", GLIM_CHAT_GLM45},
        {"[]", "\"required\"", "there are no tools", GLIM_CHAT_GLM45},
        {"[{\"function\":{\"name\":\"a\"}}]", "\"required\"", "template \"llama-3\" has no form", GLIM_CHAT_LLAMA3},
        {"[{\"function\":{\"name\":\"a\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{\"x\":{\"not\":{}}}}}}]", "\"auto\"",
         "parameters of tool \"a\" at \"/properties/x\": keyword \"not\"", GLIM_CHAT_GLM45},
        {"[{\"function\":{\"name\":\"a\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{\"x\":{\"not\":{}}}}}}]", "\"auto\"",
         "parameters of tool \"a\" at \"/properties/x\": keyword \"not\"", GLIM_CHAT_GLM4_9B},
    };
    for (size_t i = 0; i < GLIM_COUNT(rows); i++) {
        glim_err err;
        glim_constraint *c;
        json_t *tools = parse(rows[i].tools), *choice;
        choice = json_loads(rows[i].choice, JSON_DECODE_ANY, NULL);
        glim_err_clear(&err);
        glim_status rc = glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.tools = tools, .tool_choice = choice, .kind = rows[i].kind}, &err);
        CHECK_MSG(rc != GLIM_OK && !c && strstr(err.msg, rows[i].says), "row %zu: got \"%s\", want \"%s\"", i, err.msg, rows[i].says);
        json_decref(tools);
        json_decref(choice);
    }
    /* nothing to enforce */
    json_t *tools = parse("[{\"function\":{\"name\":\"a\",\"parameters\":{\"type\":\"weird\"}}}]"), *none = json_string("none");
    glim_err err;
    glim_constraint *c;
    CHECK_OK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.tools = tools, .kind = GLIM_CHAT_GLM45}, &err), err);
    CHECK(!c);
    json_object_set_new(json_object_get(json_array_get(tools, 0), "function"), "strict", json_true());
    CHECK_OK(glim_constraint_compile(&c, v.v, &(glim_constraint_spec){.tools = tools, .tool_choice = none, .kind = GLIM_CHAT_GLM45}, &err), err);
    CHECK(!c);
    json_decref(tools);
    json_decref(none);
    free_vocab(&v);
}
