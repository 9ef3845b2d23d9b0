/* The reply parser: tests/templates/outputs.json (tools/oracle/make_outputs.py) and cases of our own, each
 * in one piece, byte by byte and cut in two at every place; what is reported early is always a beginning
 * of what is reported last. */
#include "text/reply.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "test.h"

/* A reply written out in one string, so that two can be compared: closed calls, then an open one. */
static void describe(glim_buf *out, const glim_reply *r) {
    glim_buf_clear(out);
    glim_buf_puts(out, "R:");
    glim_buf_append(out, glim_buf_cstr(&r->reasoning), r->reasoning.len);
    glim_buf_puts(out, "|C:");
    glim_buf_append(out, glim_buf_cstr(&r->content), r->content.len);
    for (size_t i = 0; i < r->n_calls; i++)
        glim_buf_printf(out, "|%s %s%s", r->calls[i].name, glim_buf_cstr(&r->calls[i].args),
                        r->calls[i].closed ? "" : "...");
}

static bool begins(const glim_buf *whole, const glim_buf *part) {
    return part->len <= whole->len && (part->len == 0 || memcmp(whole->s, part->s, part->len) == 0);
}

typedef struct reply_case {
    glim_chat_kind kind;
    const json_t *tools;
    bool in_reasoning, thinking;
    const char *text;
    size_t n;
    bool declared_only;
    size_t max_calls;
    bool cut;
} reply_case;

static void feed(glim_reply *r, const reply_case *c, size_t from, size_t to) {
    glim_err err = {0};
    CHECK_OK(glim_reply_put(r, c->text + from, to - from, &err), err);
}

/* The text in two pieces cut at `cut`, or byte by byte where cut > n. Checks growth on the way. */
static void parse(glim_buf *out, const reply_case *c, size_t cut) {
    glim_reply r;
    glim_err err = {0};
    glim_reply_init(&r, c->kind, c->tools, c->in_reasoning, c->thinking);
    r.declared_only = c->declared_only;
    r.max_calls = c->max_calls;
    r.cut = c->cut;
    if (cut <= c->n) {
        feed(&r, c, 0, cut);
        feed(&r, c, cut, c->n);
        CHECK_OK(glim_reply_end(&r, &err), err);
    } else {
        glim_buf reasoning = {0}, content = {0}, args = {0};
        size_t n_calls = 0;
        for (size_t i = 0; i <= c->n; i++) {
            if (i < c->n) feed(&r, c, i, i + 1);
            else CHECK_OK(glim_reply_end(&r, &err), err);
            CHECK(begins(&r.reasoning, &reasoning) && begins(&r.content, &content));
            CHECK(r.n_calls >= n_calls);
            if (n_calls) CHECK(begins(&r.calls[n_calls - 1].args, &args));
            glim_buf_clear(&reasoning), glim_buf_clear(&content), glim_buf_clear(&args);
            glim_buf_append(&reasoning, r.reasoning.s, r.reasoning.len);
            glim_buf_append(&content, r.content.s, r.content.len);
            n_calls = r.n_calls;
            if (n_calls) glim_buf_append(&args, r.calls[n_calls - 1].args.s, r.calls[n_calls - 1].args.len);
        }
        glim_buf_free(&reasoning), glim_buf_free(&content), glim_buf_free(&args);
    }
    describe(out, &r);
    glim_reply_free(&r);
}

static void check_every_split(const reply_case *c, const char *want) {
    glim_buf got = {0};
    for (size_t cut = 0; cut <= c->n + 1; cut++) {
        parse(&got, c, cut);
        CHECK_MSG(strcmp(glim_buf_cstr(&got), want) == 0, "cut at %zu of %.*s\n  got  %s\n  want %s", cut, (int)c->n,
                  c->text, glim_buf_cstr(&got), want);
    }
    glim_buf_free(&got);
}

/* ---- the oracle's outputs ---- */

static glim_buf g_want;

/* What outputs.json expects, in describe's words. "open" is the text of a call left open, if any. */
static void expected(glim_buf *out, const json_t *want) {
    const char *r = json_string_value(json_object_get(want, "reasoning")),
               *c = json_string_value(json_object_get(want, "content"));
    glim_buf_clear(out);
    glim_buf_printf(out, "R:%s|C:%s", r ? r : "", c ? c : "");
    size_t i;
    json_t *call;
    json_array_foreach(json_object_get(want, "tool_calls"), i, call)
        glim_buf_printf(out, "|%s %s", json_string_value(json_object_get(call, "name")),
                        json_string_value(json_object_get(call, "arguments")));
}

TEST(outputs_of_the_oracle_are_parsed_at_every_split) {
    json_t *cases;
    glim_err err = {0};
    CHECK_OK(glim_json_read(&cases, glim_test_source("tests/templates/outputs.json"), 1 << 24, &err), err);
    size_t n_open = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *o = json_array_get(cases, i), *tools = json_object_get(o, "tools"),
                     *text = json_object_get(o, "output");
        reply_case c = {.tools = json_is_array(tools) ? tools : NULL,
                        .in_reasoning = json_is_true(json_object_get(o, "prompt_ends_in_thinking")),
                        .thinking = json_is_true(json_object_get(o, "thinking")),
                        .text = json_string_value(text),
                        .n = json_string_length(text)};
        CHECK(glim_chat_parse(json_string_value(json_object_get(o, "template")), &c.kind));
        expected(&g_want, json_object_get(o, "expected"));
        glim_buf got = {0};
        parse(&got, &c, 0);
        /* A call that the text leaves open is reported as such; the oracle's parser sees whole ones only. */
        size_t n = strlen(got.s);
        if (n > 3 && strcmp(got.s + n - 3, "...") == 0 && strncmp(got.s, g_want.s, g_want.len) == 0 &&
            got.s[g_want.len] == '|') {
            n_open++;
            glim_buf_clear(&g_want);
            glim_buf_puts(&g_want, got.s);
        }
        glim_buf_free(&got);
        check_every_split(&c, g_want.s);
    }
    printf("    %zu outputs as expected, %zu of them end inside a call\n", json_array_size(cases), n_open);
    CHECK(json_array_size(cases) >= 60 && n_open <= 2);
    json_decref(cases);
    glim_buf_free(&g_want);
}

/* ---- our own ---- */

static const char tools_text[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{"
    "\"s\":{\"type\":\"string\"},\"t\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},\"u\":{\"type\":[\"string\",\"null\"]}}}}},"
    "{\"name\":\"bare\",\"parameters\":{\"properties\":{\"s\":{\"type\":\"string\"}}}}]";

#define HEAD "<tool_call>f\n"
#define ARG(k, v) "<arg_key>" k "</arg_key>\n<arg_value>" v "</arg_value>\n"
#define TAIL "</tool_call>"

static const struct {
    glim_chat_kind kind;
    bool tools, in_reasoning;
    const char *text, *want;
} cases[] = {
    /* reasoning */
    {GLIM_CHAT_GLM47, 0, 1, "<think>R</think>A", "R:R|C:A"},
    {GLIM_CHAT_GLM47, 0, 1, "\n\n<think>\n\nR\n<think>\n</think>\n\nA\n", "R:R\n<think>|C:A\n"},
    {GLIM_CHAT_GLM47, 0, 1, "R\n\n", "R:R|C:"},
    {GLIM_CHAT_GLM47, 0, 1, "a</think>b</think>c", "R:a|C:b</think>c"},
    {GLIM_CHAT_GLM45, 0, 0, "\n<thin", "R:|C:<thin"},
    /* what Z1 is trained to write (train/data_render.c) */
    {GLIM_CHAT_GLM_Z1, 0, 1, "\n\n</think>\n\nA<|user|>", "R:|C:A"},
    {GLIM_CHAT_GLM_Z1, 0, 1, "\nR\n</think>\n\nA", "R:R|C:A"},
    {GLIM_CHAT_GLM_Z1, 1, 1, "\n\n</think>\n\nf\n{\"n\": 1}<|assistant|>bare\n{}<|observation|>", "R:|C:|f {\"n\": 1}|bare {}"},
    {GLIM_CHAT_GLM_Z1, 1, 1, "\n\n</think>\n\nA<|assistant|>f\n{\"n\": 1}", "R:|C:A|f {\"n\": 1}"},
    {GLIM_CHAT_GLM45, 0, 0, "\n<think>a</thin", "R:a</thin|C:"},
    {GLIM_CHAT_GLM45, 0, 0, "\n<think></think>\n \n", "R:|C:"},
    {GLIM_CHAT_GLM4_0414, 0, 0, "<think>R</think>\nA", "R:R|C:A"},
    {GLIM_CHAT_CHATML, 0, 0, "<think>\nR\n</think>\n\nA", "R:R|C:A"},
    {GLIM_CHAT_GLM41V, 0, 0, "<think>R</think><answer>A <b>x</b>\n</answer>", "R:R|C:A <b>x</b>"},
    {GLIM_CHAT_GLM41V, 0, 0, "<think>R</think>\n<answer>\nA", "R:R|C:A"},
    {GLIM_CHAT_GLM41V, 0, 0, "<think>R</think>A</answer>", "R:R|C:A</answer>"},
    /* white space: U+3000 before a call goes, between words it stays; alone it is nothing */
    {GLIM_CHAT_GLM45, 1, 0, "a\xe3\x80\x80 b\xe3\x80\x80\n" HEAD TAIL, "R:|C:a\xe3\x80\x80 b|f {}"},
    {GLIM_CHAT_GLM45, 1, 0, " \xe3\x80\x80\n", "R:|C:"},
    {GLIM_CHAT_LLAMA3, 0, 0, " A \n", "R:|C: A \n"},
    /* stop tokens left at the end, and the same words inside */
    {GLIM_CHAT_GLM45, 1, 0, "A<|user|>", "R:|C:A"},
    {GLIM_CHAT_GLM45, 1, 0, "A<|user|>B <|observation|>", "R:|C:A<|user|>B "},
    {GLIM_CHAT_GLM47, 0, 1, "R<|endoftext|>", "R:R|C:"},
    {GLIM_CHAT_CHATML, 0, 0, "A<|im_end|>", "R:|C:A"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD TAIL "<|observation|>", "R:|C:|f {}"},
    /* values */
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("s", "a</tool_call>b") TAIL, "R:|C:|f {\"s\": \"a</tool_call>b\"}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("n", "[\"</tool_call>\"]") TAIL, "R:|C:|f {\"n\": [\"</tool_call>\"]}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD "<arg_key>s</arg_key><arg_value>ab</tool_call>\n" HEAD ARG("n", "1") TAIL,
     "R:|C:|f {\"s\": \"ab\"}|f {\"n\": 1}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD "<arg_key>n</arg_key><arg_value>1</tool_call>\n" HEAD ARG("n", "2") TAIL,
     "R:|C:|f {}|f {\"n\": 2}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("s", "1") ARG("s", "2") ARG("n", "3") TAIL, "R:|C:|f {\"s\": \"1\", \"n\": 3}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD "<arg_key>s</arg_key>junk<arg_key>n</arg_key>  <arg_value> 4\n</arg_value>" TAIL,
     "R:|C:|f {\"n\": 4}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("u", "null") ARG("s", "null") TAIL, "R:|C:|f {\"u\": null, \"s\": \"null\"}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("u", "12") ARG("n", "1e2") TAIL, "R:|C:|f {\"u\": \"12\", \"n\": 100.0}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("n", "{\"a\":1,\"a\":2}") TAIL, "R:|C:|f {\"n\": \"{\\\"a\\\":1,\\\"a\\\":2}\"}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("s", "\xe4\xbd\xa0\xf0\x9f\x99\x82") TAIL, "R:|C:|f {\"s\": \"\xe4\xbd\xa0\xf0\x9f\x99\x82\"}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("s", "\xe4\xbd") TAIL, "R:|C:|f {\"s\": \"\xef\xbf\xbd\xef\xbf\xbd\"}"},
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("a\"b\\", "true") TAIL, "R:|C:|f {\"a\\\"b\\\\\": true}"},
    {GLIM_CHAT_GLM45, 1, 0, "<tool_call>\n bare \n" ARG("s", "5") TAIL, "R:|C:|bare {\"s\": \"5\"}"},
    {GLIM_CHAT_GLM45, 1, 0, "A<tool_call></tool_call>B", "R:|C:A"},
    {GLIM_CHAT_GLM45, 1, 0, "A \n" HEAD ARG("s", "x"), "R:|C:A \n" HEAD ARG("s", "x") "|f {\"s\": \"x\"..."},
    {GLIM_CHAT_GLM45, 1, 0, HEAD ARG("n", "1") TAIL HEAD ARG("s", "x") "<arg_", "R:|C:|f {\"n\": 1}|f {\"s\": \"x\"..."},
    {GLIM_CHAT_GLM45, 1, 0, HEAD "<arg_key>s</arg_key><arg_value>ab</arg", "R:|C:" HEAD
     "<arg_key>s</arg_key><arg_value>ab</arg|f {\"s\": \"ab</arg..."},
    /* GLM-4 */
    {GLIM_CHAT_GLM4_0414, 1, 0, "f\n{\"n\": 1}<|assistant|>bare\n{}", "R:|C:|f {\"n\": 1}|bare {}"},
    {GLIM_CHAT_GLM4_0414, 1, 0, "\nLook.\n<|assistant|>f\n{\"n\": 1}<|observation|>", "R:|C:Look.|f {\"n\": 1}"},
    {GLIM_CHAT_GLM4_0414, 1, 0, "f\n{\"s\": \"<|assistant|>\"}", "R:|C:|f {\"s\": \"<|assistant|>\"}"},
    {GLIM_CHAT_GLM4_0414, 1, 0, "A<|assistant|>B", "R:|C:A"},
    {GLIM_CHAT_GLM4_0414, 0, 0, "A<|assistant|>B", "R:|C:A"},
    {GLIM_CHAT_GLM4_0414, 1, 0, "f\n[1]", "R:|C:f\n[1]"},
    {GLIM_CHAT_GLM4_0414, 1, 0, "f", "R:|C:f"},
    {GLIM_CHAT_GLM4_9B, 1, 0, "f\n{\"n\": 1} and more\n", "R:|C:f\n{\"n\": 1} and more\n"},
    /* ChatML */
    {GLIM_CHAT_CHATML, 1, 0, "<tool_call>{\"name\": \"f\", \"arguments\": {\"s\": \"</tool_call>\"}}</tool_call>",
     "R:|C:|f {\"s\": \"</tool_call>\"}"},
    {GLIM_CHAT_CHATML, 1, 0, "A\n<tool_call>{\"name\": \"f\"}", "R:|C:A|f {}"},
    {GLIM_CHAT_CHATML, 1, 0, "A\n<tool_call>{\"name\": 5}</tool_call>\n", "R:|C:A\n<tool_call>{\"name\": 5}</tool_call>\n"},
    {GLIM_CHAT_CHATML, 1, 0, "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"n\\\": 1}\"}</tool_call>B", "R:|C:|f {\"n\": 1}"},
    {GLIM_CHAT_SMOLLM2, 1, 0, "<tool_call>x", "R:|C:<tool_call>x"},
};

TEST(every_split_of_our_cases_gives_the_same_reply) {
    json_t *tools;
    glim_err err = {0};
    CHECK_OK(glim_json_parse(&tools, tools_text, strlen(tools_text), 0, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        reply_case c = {.kind = cases[i].kind, .tools = cases[i].tools ? tools : NULL,
                        .in_reasoning = cases[i].in_reasoning, .thinking = true, .text = cases[i].text,
                        .n = strlen(cases[i].text)};
        check_every_split(&c, cases[i].want);
    }
    json_decref(tools);
}

#define OTHER "<tool_call>g\n" ARG("s", "x") TAIL
#define JSON_CALL(name) "<tool_call>{\"name\": \"" name "\", \"arguments\": {\"n\": 1}}</tool_call>"

/* What goes to programs: calls to declared tools only, and no more than are wanted. */
static const struct {
    glim_chat_kind kind;
    bool in_reasoning;
    size_t max_calls;
    const char *text, *want;
} handed_on[] = {
    {GLIM_CHAT_GLM45, 0, 0, OTHER, "R:|C:" OTHER},
    {GLIM_CHAT_GLM45, 0, 0, "A\n" OTHER "B\n", "R:|C:A\n" OTHER "B\n"},
    {GLIM_CHAT_GLM45, 0, 0, "A\n" OTHER "\n" HEAD ARG("n", "1") TAIL, "R:|C:A\n" OTHER "|f {\"n\": 1}"},
    {GLIM_CHAT_GLM45, 0, 0, HEAD ARG("n", "1") TAIL "\n" OTHER "\n" HEAD TAIL, "R:|C:|f {\"n\": 1}|f {}"},
    {GLIM_CHAT_GLM45, 0, 0, "<tool_call>ff\n" TAIL, "R:|C:<tool_call>ff\n" TAIL},
    {GLIM_CHAT_GLM45, 0, 0, "<tool_call>g", "R:|C:<tool_call>g"},
    {GLIM_CHAT_GLM47, 0, 0, "<tool_call>g<arg_key>s</arg_key><arg_value>x</arg_value></tool_call><tool_call>f</tool_call>",
     "R:|C:<tool_call>g<arg_key>s</arg_key><arg_value>x</arg_value></tool_call>|f {}"},
    {GLIM_CHAT_GLM45, 0, 1, HEAD TAIL HEAD ARG("n", "1") TAIL, "R:|C:|f {}"},
    {GLIM_CHAT_GLM45, 0, 2, HEAD TAIL HEAD ARG("n", "1") TAIL HEAD TAIL, "R:|C:|f {}|f {\"n\": 1}"},
    /* a reply that ends in its reasoning */
    {GLIM_CHAT_GLM45, 1, 0, "Hm.\n" HEAD ARG("n", "1") TAIL, "R:Hm.\n" HEAD ARG("n", "1") TAIL "|C:|f {\"n\": 1}"},
    {GLIM_CHAT_GLM45, 1, 0, "Hm " OTHER HEAD TAIL "<|observation|>", "R:Hm " OTHER HEAD TAIL "|C:|f {}"},
    {GLIM_CHAT_GLM45, 1, 0, "Hm " HEAD "<arg_key>n", "R:Hm " HEAD "<arg_key>n|C:"},
    {GLIM_CHAT_GLM45, 1, 0, "Hm " OTHER, "R:Hm " OTHER "|C:"},
    {GLIM_CHAT_GLM45, 1, 0, "Hm " HEAD TAIL "</think>\nNo.", "R:Hm " HEAD TAIL "|C:No."},
    {GLIM_CHAT_GLM45, 1, 1, HEAD TAIL HEAD TAIL, "R:" HEAD TAIL HEAD TAIL "|C:|f {}"},
    {GLIM_CHAT_GLM4_0414, 0, 1, "f\n{\"n\": 1}<|assistant|>bare\n{}", "R:|C:|f {\"n\": 1}"},
    {GLIM_CHAT_GLM4_0414, 0, 0, "g\n{\"n\": 1}", "R:|C:g\n{\"n\": 1}"},
    {GLIM_CHAT_CHATML, 0, 0, JSON_CALL("g") "B", "R:|C:" JSON_CALL("g") "B"},
    {GLIM_CHAT_CHATML, 0, 0, JSON_CALL("g") "\n" JSON_CALL("f"), "R:|C:" JSON_CALL("g") "|f {\"n\": 1}"},
    {GLIM_CHAT_CHATML, 0, 0, JSON_CALL("f") JSON_CALL("g") JSON_CALL("bare"), "R:|C:|f {\"n\": 1}|bare {\"n\": 1}"},
    {GLIM_CHAT_CHATML, 0, 1, JSON_CALL("f") JSON_CALL("f"), "R:|C:|f {\"n\": 1}"},
};

TEST(calls_that_are_handed_on_are_to_declared_tools) {
    json_t *tools;
    glim_err err = {0};
    CHECK_OK(glim_json_parse(&tools, tools_text, strlen(tools_text), 0, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(handed_on); i++) {
        reply_case c = {.kind = handed_on[i].kind, .tools = tools, .in_reasoning = handed_on[i].in_reasoning, .thinking = true, .text = handed_on[i].text,
                        .n = strlen(handed_on[i].text), .declared_only = true, .max_calls = handed_on[i].max_calls};
        check_every_split(&c, handed_on[i].want);
    }
    json_decref(tools);
}

/* What max_tokens cut: a call whose name is known is one, with its arguments as far as they got. */
static const struct {
    glim_chat_kind kind;
    const char *text, *want;
} cut_short[] = {
    {GLIM_CHAT_GLM4_0414, "f\n{\"s\": \"x ", "R:|C:|f {\"s\": \"x ..."},
    {GLIM_CHAT_GLM4_9B, "f\n{\"s\": {\"a\": [1, 2], \"b\"", "R:|C:|f {\"s\": {\"a\": [1, 2], \"b\"..."},
    {GLIM_CHAT_GLM_Z1, "<think>R</think>f\n {", "R:R|C:|f {..."},
    {GLIM_CHAT_GLM4_0414, "f\n", "R:|C:|f ..."},
    {GLIM_CHAT_GLM4_0414, "f", "R:|C:f"},
    {GLIM_CHAT_GLM4_0414, "g\n{\"s", "R:|C:g\n{\"s"},
    {GLIM_CHAT_GLM4_0414, "f\n{\"n\": 1}", "R:|C:|f {\"n\": 1}"},
    {GLIM_CHAT_GLM4_0414, "f\n{\"n\": 1} and", "R:|C:f\n{\"n\": 1} and"},
    {GLIM_CHAT_GLM4_0414, "f\n{x", "R:|C:f\n{x"},
    {GLIM_CHAT_GLM4_0414, "Look.\n<|assistant|>f\n{\"s\": \"a<|assistant|>", "R:|C:Look.|f {\"s\": \"a<|assistant|>..."},
    {GLIM_CHAT_GLM4_0414, "f\n{\"n\": 1}<|assistant|>bare\n{\"s\": \"\xe4\xbd\xa0", "R:|C:|f {\"n\": 1}|bare {\"s\": \"\xe4\xbd\xa0..."},
    {GLIM_CHAT_GLM4_0414, "f\n{\"n\": 1}<|assistant|>ba", "R:|C:|f {\"n\": 1}"},
    {GLIM_CHAT_CHATML, "A\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"s\": \"x\\\"}", "R:|C:A|f {\"s\": \"x\\\"}..."},
    {GLIM_CHAT_CHATML, "<tool_call>{\"arguments\": {\"s\": \"x\"}, \"name\": \"f\"", "R:|C:|f {\"s\": \"x\"}..."},
    {GLIM_CHAT_CHATML, "<tool_call>{\"name\": \"f\", \"argum", "R:|C:|f ..."},
    {GLIM_CHAT_CHATML, "<tool_call>{\"id\": [1, {}], \"name\": \"f\", \"arguments\": {", "R:|C:|f {..."},
    {GLIM_CHAT_CHATML, "<tool_call>{\"name\": \"f\"}\n</tool_", "R:|C:|f {}"},
    {GLIM_CHAT_GLM4_0414, "f\n{\"n\": 1}\n<|assis", "R:|C:|f {\"n\": 1}"},
    {GLIM_CHAT_CHATML, "<tool_call>{\"name\": \"f", "R:|C:<tool_call>{\"name\": \"f"},
    {GLIM_CHAT_CHATML, "<tool_call>{\"name\": \"g\", \"arguments\": {\"s", "R:|C:<tool_call>{\"name\": \"g\", \"arguments\": {\"s"},
    {GLIM_CHAT_CHATML, "<tool_call>{\"other\": {\"name\": \"f\"}, ", "R:|C:<tool_call>{\"other\": {\"name\": \"f\"}, "},
    {GLIM_CHAT_CHATML, "<tool_call>{\"name\": }, \"name\": \"f\"", "R:|C:<tool_call>{\"name\": }, \"name\": \"f\""},
    {GLIM_CHAT_CHATML, JSON_CALL("f") "\n<tool_call>{\"name\": \"bare\", \"arguments\": {\"s\": \"</tool_call>", "R:|C:|f {\"n\": 1}|bare {\"s\": \"</tool_call>..."},
    {GLIM_CHAT_GLM45, HEAD ARG("n", "1") TAIL HEAD "<arg_key>s</arg_key><arg_value>x", "R:|C:|f {\"n\": 1}|f {\"s\": \"x..."},
};

TEST(a_call_that_was_cut_keeps_its_arguments_as_far_as_they_got) {
    json_t *tools;
    glim_err err = {0};
    CHECK_OK(glim_json_parse(&tools, tools_text, strlen(tools_text), 0, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(cut_short); i++) {
        reply_case c = {.kind = cut_short[i].kind, .tools = tools, .thinking = true, .text = cut_short[i].text, .n = strlen(cut_short[i].text),
                        .declared_only = true, .cut = true};
        check_every_split(&c, cut_short[i].want);
    }
    json_decref(tools);
}

TEST(a_string_argument_streams_as_it_comes) {
    json_t *tools;
    glim_err err = {0};
    CHECK_OK(glim_json_parse(&tools, tools_text, strlen(tools_text), 0, &err), err);
    glim_reply r;
    glim_reply_init(&r, GLIM_CHAT_GLM45, tools, false, false);
    const char *pieces[] = {HEAD, "<arg_key>s</arg_key>\n<arg_value>", "one", " two\n", "x</arg"};
    const char *args[] = {"", "{\"s\": \"", "{\"s\": \"one", "{\"s\": \"one two\\n", "{\"s\": \"one two\\nx"};
    for (size_t i = 0; i < GLIM_COUNT(pieces); i++) {
        CHECK_OK(glim_reply_put(&r, pieces[i], strlen(pieces[i]), &err), err);
        CHECK(r.n_calls == 1 && strcmp(r.calls[0].name, "f") == 0 && !r.calls[0].closed);
        CHECK_STR(glim_buf_cstr(&r.calls[0].args), args[i]);
    }
    glim_reply_free(&r);
    json_decref(tools);
}

TEST(line_breaks_that_nothing_can_take_away_are_shown_as_they_come) {
    static const struct { glim_chat_kind kind; bool tools; const char *shown; } forms[] = {
        {GLIM_CHAT_CHATML, false, "Yes.\n\n"}, {GLIM_CHAT_GLM45, false, "Yes.\n\n"}, {GLIM_CHAT_GLM4_0414, false, "Yes.\n\n"},
        {GLIM_CHAT_CHATML, true, "Yes."}, {GLIM_CHAT_GLM45, true, "Yes."}}; /* with tools a call may follow, and none stand before it */
    json_t *tools = json_loads("[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", \"properties\": {}}}}]", 0, NULL);
    for (size_t i = 0; i < GLIM_COUNT(forms); i++) {
        glim_reply r;
        glim_err err = {0};
        glim_reply_init(&r, forms[i].kind, forms[i].tools ? tools : NULL, false, false);
        CHECK_OK(glim_reply_put(&r, "Yes.", 4, &err), err);
        CHECK_OK(glim_reply_put(&r, "\n", 1, &err), err);
        CHECK_OK(glim_reply_put(&r, "\n", 1, &err), err);
        CHECK_STR(glim_buf_cstr(&r.content), forms[i].shown);
        CHECK_OK(glim_reply_put(&r, "\n\xe4\xbd", 3, &err), err); /* half a character behind them waits */
        CHECK_MSG(r.content.len == strlen(forms[i].shown) + (forms[i].tools ? 0 : 1), "case %zu: \"%s\"", i, glim_buf_cstr(&r.content));
        CHECK_OK(glim_reply_put(&r, "\xa0\n", 2, &err), err);
        CHECK_OK(glim_reply_end(&r, &err), err);
        CHECK_STR(glim_buf_cstr(&r.content), "Yes.\n\n\n\xe4\xbd\xa0\n");
        glim_reply_free(&r);
    }
    json_decref(tools);
}

TEST(nothing_or_line_breaks_alone_are_an_empty_reply) {
    for (int k = GLIM_CHAT_GLM4_9B; k < GLIM_N_CHAT; k++)
        for (int inside = 0; inside < 2; inside++) {
            reply_case c = {.kind = (glim_chat_kind)k, .in_reasoning = inside, .text = "\n\n", .n = 2};
            check_every_split(&c, "R:|C:");
            c.n = 0;
            check_every_split(&c, "R:|C:");
        }
}

TEST(long_runs_cost_linear_time) {
    double began = glim_now_s();
    /* byte by byte: line breaks, half tags, a value with a closing tag in it; minutes if quadratic */
    static const char *const runs[] = {"\n", "<", "</tool_call>", " ", "x"};
    json_t *tools;
    glim_err err = {0};
    CHECK_OK(glim_json_parse(&tools, tools_text, strlen(tools_text), 0, &err), err);
    for (size_t i = 0; i < GLIM_COUNT(runs) * 3; i++) {
        glim_reply r;
        glim_reply_init(&r, GLIM_CHAT_GLM45, tools, i % 3 == 1, true);
        const char *head = i % 3 == 2 ? HEAD "<arg_key>n</arg_key><arg_value>" : "a", *run = runs[i / 3];
        CHECK_OK(glim_reply_put(&r, head, strlen(head), &err), err);
        for (size_t n = 0; n < 40000; n++)
            CHECK_OK(glim_reply_put(&r, &run[n % strlen(run)], 1, &err), err);
        CHECK_OK(glim_reply_end(&r, &err), err);
        glim_reply_free(&r);
    }
    CHECK(glim_now_s() - began < 20);
    json_decref(tools);
}

TEST(every_refused_allocation_is_reported) {
    static const char text[] = "<think>R</think>A" HEAD ARG("s", "v") ARG("n", "1") TAIL;
    json_t *tools;
    glim_err err = {0};
    CHECK_OK(glim_json_parse(&tools, tools_text, strlen(tools_text), 0, &err), err);
    long k = 1;
    for (bool failed = true; failed && k < 100; k++) {
        glim_reply r;
        glim_reply_init(&r, GLIM_CHAT_GLM45, tools, false, true);
        glim_alloc_fail_after(k);
        glim_status rc = glim_reply_put(&r, text, strlen(text), &err);
        if (rc == GLIM_OK) rc = glim_reply_end(&r, &err);
        glim_alloc_fail_after(0);
        failed = rc != GLIM_OK;
        CHECK(rc == GLIM_OK || rc == GLIM_E_NOMEM);
        glim_reply_free(&r);
    }
    CHECK(k > 5 && k < 100);
    json_decref(tools);
}
