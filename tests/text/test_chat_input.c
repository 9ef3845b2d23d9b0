/* Conversations from outside: what is refused and in which words, what stays plain text, how a template is
 * recognised, and the ids of prompts in the real GLM-4 vocabulary. */
#include "text/chat.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "test.h"

static json_t *parse(const char *text) {
    json_t *v;
    glim_err err = {0};
    CHECK_OK(glim_json_parse(&v, text, strlen(text), 256, &err), err);
    return v;
}

/* ---- refusals ---- */

static const struct {
    glim_chat_kind kind;
    const char *messages, *tools;
    glim_status want;
    const char *says; /* a part of the message */
} bad[] = {
    {GLIM_CHAT_GLM45, "{}", NULL, GLIM_E_FORMAT, "messages: got object, want an array"},
    {GLIM_CHAT_GLM45, "[]", NULL, GLIM_E_FORMAT, "messages: got an empty array"},
    {GLIM_CHAT_GLM45, "[5]", NULL, GLIM_E_FORMAT, "messages[0]: got integer, want an object"},
    {GLIM_CHAT_GLM45, "[{\"content\":\"x\"}]", NULL, GLIM_E_FORMAT, "messages[0]: \"role\" is missing"},
    {GLIM_CHAT_GLM45, "[{\"role\":1,\"content\":\"x\"}]", NULL, GLIM_E_FORMAT, "\"role\": got integer"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"robot\",\"content\":\"x\"}]", NULL, GLIM_E_FORMAT,
     "messages[1]: \"role\": got \"robot\", want \"system\""},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\"}]", NULL, GLIM_E_FORMAT, "messages[0]: \"content\" is missing"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":1.5}]", NULL, GLIM_E_FORMAT, "\"content\": got number"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":{}}]", NULL, GLIM_E_FORMAT, "\"content\": got object"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":[7]}]", NULL, GLIM_E_FORMAT, "messages[0].content[0]: got integer"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":[{}]}]", NULL, GLIM_E_FORMAT, "content[0]: \"type\": got nothing"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]", NULL, GLIM_E_FORMAT, "\"text\": got nothing"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":[\"a\",{\"type\":\"image_url\",\"image_url\":{}}]}]", NULL,
     GLIM_E_UNSUPPORTED, "messages[0].content[1]: got a part of type \"image_url\""},
    {GLIM_CHAT_GLM41V, "[{\"role\":\"user\",\"content\":[{\"type\":\"audio\"}]}]", NULL, GLIM_E_UNSUPPORTED, "got \"audio\""},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":\"x\",\"name\":[]}]", NULL, GLIM_E_FORMAT, "\"name\": got array"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"tool\",\"content\":\"x\",\"tool_call_id\":3}]", NULL, GLIM_E_FORMAT, "\"tool_call_id\": got integer"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":true}]", NULL, GLIM_E_FORMAT,
     "\"reasoning_content\": got boolean"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"tool_calls\":\"f\"}]", NULL, GLIM_E_FORMAT, "\"tool_calls\": got string"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":\"\",\"tool_calls\":[{}]}]", NULL, GLIM_E_FORMAT, "in a user message"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"tool_calls\":[3]}]", NULL, GLIM_E_FORMAT, "messages[0].tool_calls[0]: got integer"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":\"f\"}]}]", NULL, GLIM_E_FORMAT, "\"function\": got string"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":1,\"function\":{}}]}]", NULL, GLIM_E_FORMAT, "\"id\": got integer"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":null}}]}]", NULL, GLIM_E_FORMAT, "\"name\": got null"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"\"}}]}]", NULL, GLIM_E_FORMAT, "an empty string"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":5}}]}]", NULL, GLIM_E_FORMAT,
     "messages[0].tool_calls[0]: \"arguments\": got integer"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{]\"}}]}]", NULL, GLIM_E_FORMAT,
     "messages[0].tool_calls[0]: \"arguments\": JSON line 1"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"[1]\"}}]}]", NULL, GLIM_E_FORMAT,
     "got the JSON text of array, want an object"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":\"\"}]", "{}", GLIM_E_FORMAT, "tools: got object"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":\"\"}]", "[[]]", GLIM_E_FORMAT, "tools[0]: got array"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":\"\"}]", "[{\"function\":1}]", GLIM_E_FORMAT, "\"function\": got integer"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":\"\"}]", "[{\"function\":{}}]", GLIM_E_FORMAT, "tools[0]: \"name\": got nothing"},
    {GLIM_CHAT_GLM45, "[{\"role\":\"user\",\"content\":\"\"}]", "[{\"type\":\"web\",\"function\":{}}]", GLIM_E_UNSUPPORTED, "got \"web\""},
    {GLIM_CHAT_SMOLLM2, "[{\"role\":\"user\",\"content\":\"\"}]", "[{\"function\":{\"name\":\"f\"}}]", GLIM_E_UNSUPPORTED, "no place for tools"},
    {GLIM_CHAT_GLM41V, "[{\"role\":\"tool\",\"content\":\"\"}]", NULL, GLIM_E_UNSUPPORTED, "no place for tools"},
    {GLIM_CHAT_LLAMA3, "[{\"role\":\"assistant\",\"tool_calls\":[{}]}]", NULL, GLIM_E_UNSUPPORTED, "no place for tools"},
};

TEST(bad_messages_are_refused_by_place_and_key) {
    for (size_t i = 0; i < GLIM_COUNT(bad); i++) {
        json_t *m = parse(bad[i].messages), *t = bad[i].tools ? parse(bad[i].tools) : NULL;
        glim_prompt p = {0};
        glim_err err = {0};
        glim_status rc = glim_chat_render(&p, bad[i].kind, m, t, NULL, &err);
        CHECK_MSG(rc == bad[i].want, "%s: got status %d (%s)", bad[i].messages, rc, err.msg);
        CHECK_MSG(strstr(err.msg, bad[i].says), "%s: got \"%s\", want \"%s\"", bad[i].messages, err.msg, bad[i].says);
        CHECK(p.text.s == NULL && p.control == NULL);
        json_decref(m);
        json_decref(t);
    }
}

TEST(arguments_nested_too_deeply_are_refused) {
    char text[400] = "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"";
    size_t n = strlen(text);
    memset(text + n, '[', 200);
    strcpy(text + n + 200, "\"}}]}]");
    json_t *m = parse(text);
    glim_prompt p = {0};
    glim_err err = {0};
    CHECK(glim_chat_render(&p, GLIM_CHAT_GLM45, m, NULL, NULL, &err) == GLIM_E_LIMIT);
    CHECK(strstr(err.msg, "messages[0].tool_calls[0]"));
    json_decref(m);
}

/* A call of f as GLM-4.7 renders it; arguments: its members behind the name, as JSON. */
static glim_status render_call(glim_prompt *p, const char *arguments, glim_err *err) {
    char text[600];
    snprintf(text, sizeof text, "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\"%s}}]}]", arguments);
    json_t *m = parse(text);
    *p = (glim_prompt){0};
    glim_status rc = glim_chat_render(p, GLIM_CHAT_GLM47, m, NULL, NULL, err);
    json_decref(m);
    return rc;
}

static void check_call(const char *arguments, const char *want) {
    char all[300];
    glim_prompt p;
    glim_err err = {0};
    snprintf(all, sizeof all, "[gMASK]<sop><|assistant|></think><tool_call>f%s</tool_call><|assistant|><think>", want);
    CHECK_OK(render_call(&p, arguments, &err), err);
    CHECK_STR(p.text.s, all);
    glim_prompt_free(&p);
}

TEST(no_arguments_in_any_spelling_are_an_empty_object) {
    static const char *const spellings[] = {"", ",\"arguments\":null", ",\"arguments\":\"\"", ",\"arguments\":\" \\n\"",
                                            ",\"arguments\":{}", ",\"arguments\":\"{}\""};
    for (size_t i = 0; i < GLIM_COUNT(spellings); i++) check_call(spellings[i], "");
}

TEST(arguments_that_were_cut_come_back_as_far_as_they_got) {
    static const char *const cut[][2] = {
        {"{\\\"a\\\": \\\"Par", "<arg_key>a</arg_key><arg_value>Par</arg_value>"},
        {"{\\\"a\\\": 1", "<arg_key>a</arg_key><arg_value>1</arg_value>"},
        {"{\\\"a\\\": [1, {\\\"b\\\": \\\"x]", "<arg_key>a</arg_key><arg_value>[1, {\"b\": \"x]\"}]</arg_value>"},
        {"{\\\"a\\\": \\\"\\\\\\\"{", "<arg_key>a</arg_key><arg_value>\"{</arg_value>"},
        {"{\\\"a\\\": 1,", "<arg_key>a</arg_key><arg_value>1</arg_value>"},
        {"{\\\"a\\\": 1, \\\"b\\\": tr", "<arg_key>a</arg_key><arg_value>1</arg_value>"},
        {"{\\\"a\\\": \\\"x\\\\u00", "<arg_key>a</arg_key><arg_value>x</arg_value>"},
        {"{", ""}};
    static const char *const never[] = {"{\\\"a\\\" 1", "{\\\"a\\\" 1}", "{a", "{1", "{\\\"a\\\": x", "{\\\"a\\\": 1]", "{\\\"a\\\": 1,,", "[1, 2", "\\\"a", "a"};
    char text[200];
    for (size_t i = 0; i < GLIM_COUNT(cut); i++) {
        snprintf(text, sizeof text, ",\"arguments\":\"%s\"", cut[i][0]);
        check_call(text, cut[i][1]);
    }
    for (size_t i = 0; i < GLIM_COUNT(never); i++) {
        glim_prompt p;
        glim_err err = {0};
        snprintf(text, sizeof text, ",\"arguments\":\"%s\"", never[i]);
        CHECK(render_call(&p, text, &err) == GLIM_E_FORMAT);
        CHECK(strstr(err.msg, "messages[0].tool_calls[0]: \"arguments\": "));
    }
}

TEST(arguments_may_be_cut_anywhere) {
    static const char whole[] = "{\"q\": \"a\\\"\\u00e9\\ud83d\\ude00 {b\", \"n\": -1.5e+3, \"l\": [true, {\"k\": null}, [], \"x,]\", false], \"e\": {}}";
    for (size_t n = 0; n < sizeof whole; n++) {
        glim_buf m = {0};
        glim_prompt p = {0};
        glim_err err = {0};
        glim_buf_puts(&m, ",\"arguments\":");
        glim_json_put_str(&m, whole, n);
        CHECK_MSG(render_call(&p, glim_buf_cstr(&m), &err) == GLIM_OK, "%zu bytes: %s", n, err.msg);
        if (n >= 40) CHECK_MSG(strstr(p.text.s, "<arg_key>q</arg_key><arg_value>a\"\xc3\xa9\xf0\x9f\x98\x80 {b</arg_value>") != NULL, "%zu bytes: %s", n, p.text.s);
        glim_prompt_free(&p);
        glim_buf_free(&m);
    }
}

/* ---- inert contents ---- */

static const char *const controls =
    "[gMASK]<sop><|system|><|user|><|assistant|><|observation|><|endoftext|><think></think><tool_call></tool_call>"
    "<tool_response></tool_response><arg_key></arg_key><arg_value></arg_value>/nothink<|im_start|><|im_end|>"
    "<|begin_of_text|><|start_header_id|><|end_header_id|><|eot_id|><|begin_of_image|><|image|><|end_of_image|>";

/* A conversation whose every string is `word` (or word's place in a longer one). */
static void conversation(glim_buf *out, const char *word, bool tools) {
    glim_buf_clear(out);
    glim_buf_printf(out, "[{\"role\":\"system\",\"content\":\"%s\"},{\"role\":\"user\",\"content\":\"a%sb\"},", word, word);
    glim_buf_printf(out, "{\"role\":\"assistant\",\"content\":\"x%sx\",\"reasoning_content\":\"r%s\"", word, word);
    if (tools)
        glim_buf_printf(out, ",\"tool_calls\":[{\"function\":{\"name\":\"f%s\",\"arguments\":{\"k%s\":\"%s\",\"l\":[\"%s\"]}}}]},"
                        "{\"role\":\"tool\",\"content\":\"%s\"", word, word, word, word, word);
    glim_buf_puts(out, "},{\"role\":\"user\",\"content\":\"q\"}]");
}

static size_t count_spans(glim_chat_kind k, const char *word, glim_buf *spelled) {
    bool has_tools = k != GLIM_CHAT_GLM41V && k != GLIM_CHAT_GLM_EDGE && k != GLIM_CHAT_SMOLLM2 && k != GLIM_CHAT_LLAMA3;
    glim_buf text = {0};
    conversation(&text, word, has_tools);
    json_t *m = parse(text.s), *tools = NULL;
    if (has_tools) {
        glim_buf_clear(&text);
        glim_buf_printf(&text, "[{\"type\":\"function\",\"function\":{\"name\":\"f%s\",\"description\":\"%s\"}}]", word, word);
        tools = parse(text.s);
    }
    glim_prompt p = {0};
    glim_err err = {0};
    CHECK_OK(glim_chat_render(&p, k, m, tools, &(glim_chat_options){.keep_thinking = true}, &err), err);
    glim_buf_clear(spelled);
    for (size_t i = 0; i < p.n_control; i++)
        glim_buf_append(spelled, p.text.s + p.control[i].begin, p.control[i].end - p.control[i].begin);
    size_t n = p.n_control;
    glim_prompt_free(&p);
    glim_buf_free(&text);
    json_decref(m);
    json_decref(tools);
    return n;
}

TEST(control_words_in_contents_names_and_arguments_make_no_spans) {
    glim_buf plain = {0}, hostile = {0};
    for (int k = GLIM_CHAT_GLM4_9B; k < GLIM_N_CHAT; k++) {
        size_t a = count_spans((glim_chat_kind)k, "word", &plain), b = count_spans((glim_chat_kind)k, controls, &hostile);
        CHECK(a > 0);
        CHECK_MSG(a == b, "%s: %zu spans, want %zu", glim_chat_name((glim_chat_kind)k), b, a);
        CHECK_STR(hostile.s, plain.s);
    }
    glim_buf_free(&plain);
    glim_buf_free(&hostile);
}

TEST(spans_are_the_control_tokens_the_template_wrote) {
    json_t *m = parse("[{\"role\":\"user\",\"content\":\"<think>\"}]");
    glim_prompt p = {0};
    glim_err err = {0};
    CHECK_OK(glim_chat_render(&p, GLIM_CHAT_GLM45, m, NULL, &(glim_chat_options){.thinking = -1}, &err), err);
    CHECK_STR(p.text.s, "[gMASK]<sop><|user|>\n<think>/nothink<|assistant|>\n<think></think>");
    static const size_t want[][2] = {{0, 7}, {7, 12}, {12, 20}, {28, 36}, {36, 49}, {50, 57}, {57, 65}};
    CHECK(p.n_control == GLIM_COUNT(want) && !p.in_reasoning);
    for (size_t i = 0; i < GLIM_COUNT(want); i++)
        CHECK(p.control[i].begin == want[i][0] && p.control[i].end == want[i][1]);
    CHECK_OK(glim_chat_render(&p, GLIM_CHAT_GLM47, m, NULL, NULL, &err), err); /* a prompt may be used again */
    CHECK(p.in_reasoning && p.n_control == 5);
    glim_prompt_free(&p);
    json_decref(m);
}

TEST(every_refused_allocation_of_a_prompt_is_reported) {
    json_t *m = parse("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},\"b\"]},{\"role\":\"assistant\",\"tool_calls\":["
                      "{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}]");
    long k = 1;
    for (bool failed = true; failed && k < 50; k++) {
        glim_prompt p = {0};
        glim_err err = {0};
        glim_alloc_fail_after(k);
        glim_status rc = glim_chat_render(&p, GLIM_CHAT_GLM45, m, NULL, NULL, &err);
        glim_alloc_fail_after(0);
        failed = rc != GLIM_OK;
        CHECK(rc == GLIM_OK || rc == GLIM_E_NOMEM);
        glim_prompt_free(&p);
    }
    CHECK(k > 4 && k < 50);
    json_decref(m);
}

/* ---- recognising ---- */

static glim_buf g_text;

static glim_chat_kind detect(const char *text, glim_arch arch) {
    glim_config config = {.arch = arch};
    glim_chat_kind k = GLIM_CHAT_NONE;
    glim_err err = {0};
    glim_status rc = glim_chat_detect(&k, text, &config, NULL, &err);
    CHECK((rc == GLIM_OK) == (k != GLIM_CHAT_NONE));
    if (rc != GLIM_OK) CHECK(rc == GLIM_E_UNSUPPORTED && strstr(err.hint, "--template NAME") && strstr(err.hint, "glm-4.5"));
    return k;
}

TEST(templates_are_recognised_by_what_they_write) {
    static const struct {
        const char *text;
        glim_arch arch;
        glim_chat_kind want;
    } marks[] = {
        {"[gMASK]<sop>...<tool_call>{function-name}\n<arg_key>{arg-key-1}", GLIM_ARCH_GLM4_MOE, GLIM_CHAT_GLM45},
        {"[gMASK]<sop>...<tool_call>{function-name}<arg_key>{arg-key-1}", GLIM_ARCH_GLM4_MOE, GLIM_CHAT_GLM47},
        {"[gMASK]<sop>...<tool_call>{function-name}\n<arg_key><|begin_of_image|><|image|><|end_of_image|>", GLIM_ARCH_GLM4_MOE, GLIM_CHAT_NONE},
        {"[gMASK]<sop>..<|begin_of_image|><|image|><|end_of_image|>", GLIM_ARCH_GLM4, GLIM_CHAT_GLM41V},
        {"[gMASK]<sop>{{ item['metadata'] }} # 可用工具", GLIM_ARCH_GLM, GLIM_CHAT_GLM4_9B},
        {"[gMASK]<sop># 可用工具 message.get(\"metadata\", \"\")", GLIM_ARCH_GLM4, GLIM_CHAT_GLM4_0414},
        {"[gMASK]<sop># 可用工具 message.get(\"metadata\", \"\") <|assistant|>\n<think>", GLIM_ARCH_GLM4, GLIM_CHAT_GLM_Z1},
        {"[gMASK]<sop># 可用工具", GLIM_ARCH_GLM4, GLIM_CHAT_GLM4_0414},
        {"[gMASK]<sop># 可用工具", GLIM_ARCH_CHATGLM, GLIM_CHAT_GLM4_9B},
        {"[gMASK]<sop># 可用工具", GLIM_ARCH_LLAMA, GLIM_CHAT_NONE},
        {"<|user|>\n..<|assistant|>", GLIM_ARCH_GLM, GLIM_CHAT_GLM_EDGE},
        {"<|user|>\n..</s><|assistant|>", GLIM_ARCH_LLAMA, GLIM_CHAT_NONE},
        {"<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>", GLIM_ARCH_QWEN2, GLIM_CHAT_CHATML},
        {"<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>", GLIM_ARCH_LLAMA, GLIM_CHAT_SMOLLM2},
        {"<|im_start|>{{ enable_thinking }}", GLIM_ARCH_QWEN3, GLIM_CHAT_NONE},
        {"<|im_start|>user", GLIM_ARCH_QWEN2, GLIM_CHAT_NONE},
        {"<|start_header_id|>user<|end_header_id|>", GLIM_ARCH_LLAMA, GLIM_CHAT_LLAMA3},
        {"<|start_header_id|>Cutting Knowledge Date: December 2023", GLIM_ARCH_LLAMA, GLIM_CHAT_NONE},
        {"chatglm4", GLIM_ARCH_CHATGLM, GLIM_CHAT_GLM4_9B},
        {"{{ messages }}", GLIM_ARCH_GLM4, GLIM_CHAT_NONE},
        {"", GLIM_ARCH_GLM4, GLIM_CHAT_NONE},
        {NULL, GLIM_ARCH_CHATGLM, GLIM_CHAT_GLM4_9B},
        {NULL, GLIM_ARCH_QWEN3, GLIM_CHAT_NONE},
    };
    for (size_t i = 0; i < GLIM_COUNT(marks); i++) {
        glim_chat_kind got = detect(marks[i].text, marks[i].arch);
        CHECK_MSG(got == marks[i].want, "%s: got %s, want %s", marks[i].text ? marks[i].text : "no template", glim_chat_name(got),
                  glim_chat_name(marks[i].want));
    }
}

TEST(published_templates_are_recognised) {
    static const struct {
        const char *file;
        glim_chat_kind want;
    } files[] = {{"tokenizer-glm4/chat-templates/GLM-4.6.jinja", GLIM_CHAT_GLM45},
                 {"tokenizer-glm4/chat-templates/GLM-4.7-Flash.jinja", GLIM_CHAT_GLM47},
                 {"tokenizer-glm4/glm-4.1v-9b-thinking/chat_template.jinja", GLIM_CHAT_GLM41V}};
    for (size_t i = 0; i < GLIM_COUNT(files); i++) {
        const char *path = glim_test_data(files[i].file);
        if (!path) SKIP("%s is not in the data folder", files[i].file);
        glim_err err = {0};
        glim_buf_clear(&g_text);
        CHECK_OK(glim_file_read(&g_text, path, 1 << 20, &err), err);
        CHECK(detect(g_text.s, GLIM_ARCH_LLAMA) == files[i].want); /* by hash */
        glim_buf_puts(&g_text, "{# changed #}");
        CHECK(detect(g_text.s, GLIM_ARCH_LLAMA) == files[i].want); /* by marks */
    }
    glim_buf_free(&g_text);
}

TEST(names_are_read_as_they_are_written) {
    for (int k = GLIM_CHAT_GLM4_9B; k < GLIM_N_CHAT; k++) {
        glim_chat_kind got;
        CHECK(glim_chat_parse(glim_chat_name((glim_chat_kind)k), &got) && got == (glim_chat_kind)k);
        CHECK(strstr(glim_chat_names(), glim_chat_name((glim_chat_kind)k)));
    }
    glim_chat_kind none;
    CHECK(!glim_chat_parse("none", &none) && !glim_chat_parse("GLM", &none));
}

/* ---- ids, in the real vocabulary ---- */

static void check_ids(const glim_tok *t, glim_chat_kind k, const char *messages, const int32_t *want, size_t n) {
    json_t *m = parse(messages);
    glim_prompt p = {0};
    glim_ids ids = {0};
    glim_err err = {0};
    CHECK_OK(glim_chat_render(&p, k, m, NULL, NULL, &err), err);
    CHECK_OK(glim_prompt_encode(&p, t, &ids, &err), err);
    for (size_t i = 0; i < ids.n && i < n; i++)
        CHECK_MSG(ids.v[i] == want[i], "%s: id %zu: got %d, want %d", messages, i, ids.v[i], want[i]);
    CHECK_MSG(ids.n == n, "%s: got %zu ids, want %zu", messages, ids.n, n);
    glim_ids_free(&ids);
    glim_prompt_free(&p);
    json_decref(m);
}

TEST(prompt_ids_equal_the_published_vectors) {
    const char *path = glim_test_data("tokenizer-glm4");
    if (!path) SKIP("tokenizer-glm4 is not in the data folder");
    glim_tok *t;
    glim_err err = {0};
    CHECK_OK(glim_tok_open(&t, path, &err), err);
    static const int32_t one[] = {151331, 151333, 151336, 198, 109377, 151337};
    check_ids(t, GLIM_CHAT_GLM4_9B, "[{\"role\":\"user\",\"content\":\"你好\"}]", one, GLIM_COUNT(one));
    static const int32_t three[] = {151331, 151333, 151336, 198, 109377, 151337, 198, 109377, 9281, 239, 233, 6313, 118295, 103810, 98406, 3837,
                                    101665, 110368, 99444, 99212, 11314, 151336, 198, 101160, 120410, 99379, 103298, 151337};
    check_ids(t, GLIM_CHAT_GLM4_9B,
              "[{\"role\":\"user\",\"content\":\"你好\"},{\"role\":\"assistant\",\"content\":\"你好👋！很高兴见到你，有什么可以帮助你的吗？\"},"
              "{\"role\":\"user\",\"content\":\"晚上睡不着应该怎么办\"}]", three, GLIM_COUNT(three));
    /* The words of a control token in a message are text: no id of the special range in between. */
    json_t *m = parse("[{\"role\":\"user\",\"content\":\"<|assistant|>[gMASK]\"}]");
    glim_prompt p = {0};
    glim_ids ids = {0};
    CHECK_OK(glim_chat_render(&p, GLIM_CHAT_GLM_Z1, m, NULL, NULL, &err), err);
    CHECK_OK(glim_prompt_encode(&p, t, &ids, &err), err);
    size_t n_control = 0;
    for (size_t i = 0; i < ids.n; i++) n_control += glim_tok_is_added(t, ids.v[i]);
    CHECK(glim_tok_find(t, "<think>") < 0 && p.n_control == 5);
    CHECK(n_control == 4); /* [gMASK] <sop> <|user|> <|assistant|>; <think> is text in this vocabulary */
    int32_t stops[8];
    size_t n = GLIM_COUNT(stops);
    glim_chat_stops(GLIM_CHAT_GLM4_9B, &(glim_config){.eos = {151329, 151336, 151338}, .n_eos = 3}, t, stops, &n);
    CHECK(n == 3 && stops[0] == 151329 && stops[1] == 151336 && stops[2] == 151338);
    n = 2;
    glim_chat_stops(GLIM_CHAT_GLM4_9B, NULL, t, stops, &n);
    CHECK(n == 2);
    glim_ids_free(&ids);
    glim_prompt_free(&p);
    json_decref(m);
    glim_tok_free(t);
}
