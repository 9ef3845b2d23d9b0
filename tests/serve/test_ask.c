/* What a request may hold: each wrong one is refused with its status, code and param, and right ones mean what they say. */
#include <stdlib.h>

#include "base/json.h"
#include "serve/ask.h"
#include "test.h"

static const glim_ask_facts facts = {.model = "m", .n_vocab = 300, .n_ctx = 100, .defaults = {.temperature = 1, .top_p = 1}};

static bool ask(glim_ask *a, const char *text, bool chat, glim_api_error *e) {
    json_t *body;
    glim_err err = {0};
    CHECK_OK(glim_json_parse(&body, text, strlen(text), 0, &err), err);
    *e = (glim_api_error){0};
    return chat ? glim_ask_chat(a, body, &facts, e) : glim_ask_completion(a, body, &facts, e);
}

typedef struct bad_case {
    const char *extra; /* put into a request that is right without it */
    int status;
    const char *code, *param;
} bad_case;

/* Fields that chat and completions share. */
static const bad_case shared[] = {
    {"\"model\": 3", 400, "invalid_type", "model"},
    {"\"model\": null", 400, "missing_required_parameter", "model"},
    {"\"temperature\": -0.1", 400, "invalid_value", "temperature"},
    {"\"temperature\": 2.01", 400, "invalid_value", "temperature"},
    {"\"temperature\": 1e300", 400, "invalid_value", "temperature"},
    {"\"temperature\": \"1\"", 400, "invalid_type", "temperature"},
    {"\"temperature\": true", 400, "invalid_type", "temperature"},
    {"\"temperature\": []", 400, "invalid_type", "temperature"},
    {"\"top_p\": -1", 400, "invalid_value", "top_p"},
    {"\"top_p\": 1.1", 400, "invalid_value", "top_p"},
    {"\"top_p\": {}", 400, "invalid_type", "top_p"},
    {"\"min_p\": 2", 400, "invalid_value", "min_p"},
    {"\"top_k\": -2", 400, "invalid_value", "top_k"},
    {"\"top_k\": 1.5", 400, "invalid_value", "top_k"},
    {"\"top_k\": 99999999999", 400, "invalid_value", "top_k"},
    {"\"repetition_penalty\": 0", 400, "invalid_value", "repetition_penalty"},
    {"\"frequency_penalty\": 2.1", 400, "invalid_value", "frequency_penalty"},
    {"\"frequency_penalty\": -2.1", 400, "invalid_value", "frequency_penalty"},
    {"\"presence_penalty\": 3", 400, "invalid_value", "presence_penalty"},
    {"\"presence_penalty\": \"a\"", 400, "invalid_type", "presence_penalty"},
    {"\"n\": 0", 400, "invalid_value", "n"},
    {"\"n\": 129", 400, "invalid_value", "n"},
    {"\"n\": -1", 400, "invalid_value", "n"},
    {"\"n\": 1.5", 400, "invalid_value", "n"},
    {"\"n\": \"2\"", 400, "invalid_type", "n"},
    {"\"seed\": 1.5", 400, "invalid_value", "seed"},
    {"\"seed\": \"x\"", 400, "invalid_type", "seed"},
    {"\"stop\": 1", 400, "invalid_type", "stop"},
    {"\"guided_json\": {}", 400, "unsupported_value", "guided_json"},
    {"\"grammar\": \"root\"", 400, "unsupported_value", "grammar"},
    {"\"stop\": \"\"", 400, "invalid_value", "stop"},
    {"\"stop\": [\"a\", \"b\", \"c\", \"d\", \"e\"]", 400, "invalid_value", "stop"},
    {"\"stop\": [\"a\", 2]", 400, "invalid_type", "stop[1]"},
    {"\"stop\": [\"a\", null]", 400, "invalid_type", "stop[1]"},
    {"\"stop\": [\"a\\u0000b\"]", 400, "invalid_value", "stop[0]"},
    {"\"logit_bias\": []", 400, "invalid_type", "logit_bias"},
    {"\"logit_bias\": {\"a\": 1}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\"-1\": 1}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\"+1\": 1}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\" 1\": 1}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\"1.0\": 1}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\"\": 1}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\"300\": 1}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\"99999999999999999999\": 1}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\"1\": 101}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\"1\": -101}", 400, "invalid_value", "logit_bias"},
    {"\"logit_bias\": {\"1\": \"5\"}", 400, "invalid_type", "logit_bias"},
    {"\"stream\": 1", 400, "invalid_type", "stream"},
    {"\"stream\": \"true\"", 400, "invalid_type", "stream"},
    {"\"stream_options\": {}", 400, "invalid_value", "stream_options"},
    {"\"stream\": false, \"stream_options\": {\"include_usage\": true}", 400, "invalid_value", "stream_options"},
    {"\"stream\": true, \"stream_options\": []", 400, "invalid_type", "stream_options"},
    {"\"stream\": true, \"stream_options\": {\"include_usage\": 1}", 400, "invalid_type", "stream_options.include_usage"},
};

static const bad_case chat[] = {
    {"\"max_tokens\": 0", 400, "invalid_value", "max_tokens"},
    {"\"max_tokens\": -5", 400, "invalid_value", "max_tokens"},
    {"\"max_tokens\": 1.5", 400, "invalid_value", "max_tokens"},
    {"\"max_tokens\": 9223372036854775807", 400, "invalid_value", "max_tokens"},
    {"\"max_tokens\": \"9\"", 400, "invalid_type", "max_tokens"},
    {"\"max_completion_tokens\": 0", 400, "invalid_value", "max_completion_tokens"},
    {"\"logprobs\": 1", 400, "invalid_type", "logprobs"},
    {"\"top_logprobs\": 2", 400, "invalid_value", "top_logprobs"},
    {"\"logprobs\": false, \"top_logprobs\": 2", 400, "invalid_value", "top_logprobs"},
    {"\"logprobs\": true, \"top_logprobs\": 21", 400, "invalid_value", "top_logprobs"},
    {"\"logprobs\": true, \"top_logprobs\": -1", 400, "invalid_value", "top_logprobs"},
    {"\"modalities\": [\"audio\"]", 400, "unsupported_value", "modalities"},
    {"\"modalities\": \"text\"", 400, "invalid_type", "modalities"},
    {"\"audio\": {}", 400, "unsupported_value", "audio"},
    {"\"functions\": []", 400, "unsupported_value", "functions"},
    {"\"function_call\": \"auto\"", 400, "unsupported_value", "function_call"},
    {"\"reasoning_effort\": \"huge\"", 400, "invalid_value", "reasoning_effort"},
    {"\"reasoning_effort\": 3", 400, "invalid_type", "reasoning_effort"},
    {"\"chat_template_kwargs\": {\"chat_template\": \"x\"}", 400, "unsupported_value", "chat_template_kwargs"},
    {"\"chat_template_kwargs\": {\"enable_thinking\": 1}", 400, "invalid_type", "chat_template_kwargs.enable_thinking"},
    {"\"chat_template_kwargs\": {\"clear_thinking\": \"no\"}", 400, "invalid_type", "chat_template_kwargs.clear_thinking"},
    {"\"thinking\": {\"type\": \"enabled\", \"clear_thinking\": 0}", 400, "invalid_type", "thinking.clear_thinking"},
    {"\"thinking\": {\"type\": \"maybe\"}", 400, "invalid_value", "thinking.type"},
    {"\"thinking\": {}", 400, "invalid_value", "thinking.type"},
    {"\"thinking\": true", 400, "invalid_type", "thinking"},
    {"\"response_format\": \"json\"", 400, "invalid_type", "response_format"},
    {"\"response_format\": {}", 400, "missing_required_parameter", "response_format.type"},
    {"\"response_format\": {\"type\": \"xml\"}", 400, "invalid_value", "response_format.type"},
    {"\"response_format\": {\"type\": 1}", 400, "invalid_type", "response_format.type"},
    {"\"response_format\": {\"type\": \"json_schema\"}", 400, "missing_required_parameter", "response_format.json_schema"},
    {"\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"a\"}}", 400, "missing_required_parameter", "response_format.json_schema.schema"},
    {"\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {}}}", 400, "missing_required_parameter", "response_format.json_schema.name"},
    {"\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"a b\", \"schema\": {}}}", 400, "invalid_value", "response_format.json_schema.name"},
    {"\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"a\", \"strict\": 1, \"schema\": {}}}", 400, "invalid_type", "response_format.json_schema.strict"},
    {"\"tools\": {}", 400, "invalid_type", "tools"},
    {"\"tools\": [1]", 400, "unsupported_value", "tools[0].type"},
    {"\"tools\": [{\"type\": \"web_search\"}]", 400, "unsupported_value", "tools[0].type"},
    {"\"tools\": [{\"type\": \"function\"}]", 400, "invalid_type", "tools[0].function"},
    {"\"tools\": [{\"type\": \"function\", \"function\": {}}]", 400, "invalid_type", "tools[0].function.name"},
    {"\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"\"}}]", 400, "invalid_value", "tools[0].function.name"},
    {"\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a.b\"}}]", 400, "invalid_value", "tools[0].function.name"},
    {"\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a\", \"parameters\": 1}}]", 400, "invalid_type", "tools[0].function.parameters"},
    {"\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a\", \"strict\": 1}}]", 400, "invalid_type", "tools[0].function.strict"},
    {"\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a\"}}, {\"type\": \"function\", \"function\": {\"name\": \"a\"}}]", 400, "invalid_value", "tools"},
    {"\"tool_choice\": \"required\"", 400, "invalid_value", "tool_choice"},
    {"\"tool_choice\": \"maybe\"", 400, "invalid_value", "tool_choice"},
    {"\"tool_choice\": 4", 400, "invalid_type", "tool_choice"},
    {"\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a\"}}], \"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"b\"}}", 400, "invalid_value", "tool_choice"},
    {"\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a\"}}], \"tool_choice\": {\"type\": \"x\"}", 400, "invalid_value", "tool_choice.type"},
    {"\"parallel_tool_calls\": \"no\"", 400, "invalid_type", "parallel_tool_calls"},
    {"\"messages\": []", 400, "invalid_value", "messages"},
    {"\"messages\": \"hi\"", 400, "invalid_type", "messages"},
    {"\"messages\": null", 400, "missing_required_parameter", "messages"},
    {"\"messages\": [\"hi\"]", 400, "invalid_type", "messages[0]"},
    {"\"messages\": [{}]", 400, "missing_required_parameter", "messages[0].role"},
    {"\"messages\": [{\"role\": 1}]", 400, "invalid_type", "messages[0].role"},
    {"\"messages\": [{\"role\": \"robot\", \"content\": \"x\"}]", 400, "invalid_value", "messages[0].role"},
    {"\"messages\": [{\"role\": \"user\"}]", 400, "missing_required_parameter", "messages[0].content"},
    {"\"messages\": [{\"role\": \"user\", \"content\": 5}]", 400, "invalid_type", "messages[0].content"},
    {"\"messages\": [{\"role\": \"user\", \"content\": [\"x\"]}]", 400, "invalid_type", "messages[0].content[0]"},
    {"\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {}}]}]", 400, "unsupported_value", "messages[0].content[0].type"},
    {"\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]", 400, "invalid_type", "messages[0].content[0].text"},
    {"\"messages\": [{\"role\": \"user\", \"content\": \"x\", \"name\": 1}]", 400, "invalid_type", "messages[0].name"},
    {"\"messages\": [{\"role\": \"assistant\"}]", 400, "missing_required_parameter", "messages[0].content"},
    {"\"messages\": [{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": 1}]", 400, "invalid_type", "messages[0].tool_calls"},
    {"\"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{}]}]", 400, "invalid_type", "messages[0].tool_calls[0].id"},
    {"\"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{\"id\": \"a\"}]}]", 400, "invalid_type", "messages[0].tool_calls[0].function"},
    {"\"messages\": [{\"role\": \"tool\", \"content\": \"x\"}]", 400, "missing_required_parameter", "messages[0].tool_call_id"},
    {"\"messages\": [{\"role\": \"tool\", \"content\": \"x\", \"tool_call_id\": \"a\"}]", 400, "invalid_value", "messages[0].tool_call_id"},
};

static const bad_case completion[] = {
    {"\"max_tokens\": 0", 400, "invalid_value", "max_tokens"},
    {"\"max_tokens\": -1", 400, "invalid_value", "max_tokens"},
    {"\"logprobs\": 6", 400, "invalid_value", "logprobs"},
    {"\"logprobs\": true", 400, "invalid_type", "logprobs"},
    {"\"echo\": 1", 400, "invalid_type", "echo"},
    {"\"best_of\": 3, \"stream\": true", 400, "unsupported_value", "best_of"},
    {"\"best_of\": 2, \"n\": 3", 400, "invalid_value", "best_of"},
    {"\"prompt\": [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\"], \"best_of\": 20", 400, "invalid_value", "best_of"},
    {"\"suffix\": \"x\"", 400, "unsupported_value", "suffix"},
    {"\"prompt\": null", 400, "missing_required_parameter", "prompt"},
    {"\"prompt\": 5", 400, "invalid_type", "prompt"},
    {"\"prompt\": []", 400, "invalid_value", "prompt"},
    {"\"prompt\": [[]]", 400, "invalid_value", "prompt[0]"},
    {"\"prompt\": [1, \"a\"]", 400, "invalid_type", "prompt"},
    {"\"prompt\": [300]", 400, "invalid_value", "prompt"},
    {"\"prompt\": [-1]", 400, "invalid_value", "prompt"},
    {"\"prompt\": [\"a\", 1]", 400, "invalid_type", "prompt[1]"},
    {"\"prompt\": [[1], [2.5]]", 400, "invalid_type", "prompt[1]"},
    {"\"prompt\": [\"a\", \"b\"], \"n\": 65, \"best_of\": 65", 400, "invalid_value", "best_of"},
    {"\"prompt\": [\"a\", \"b\"], \"n\": 65", 400, "invalid_value", "n"},
};

/* The right request with the case's keys in place of its own (JSON text allows no key twice). */
static void check_bad(const bad_case *k, bool is_chat) {
    json_t *base = json_loads(is_chat ? "{\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}" : "{\"model\": \"m\", \"prompt\": \"hi\"}", 0, NULL);
    char text[2048];
    snprintf(text, sizeof text, "{%s}", k->extra);
    json_t *extra = json_loads(text, JSON_ALLOW_NUL, NULL);
    CHECK_MSG(extra != NULL, "the case is no JSON: %s", k->extra);
    json_object_update(base, extra);
    json_decref(extra);
    glim_ask a;
    glim_api_error e = {0};
    bool ok = is_chat ? glim_ask_chat(&a, base, &facts, &e) : glim_ask_completion(&a, base, &facts, &e);
    CHECK_MSG(!ok, "accepted: %s", k->extra);
    CHECK_MSG(e.status == k->status && e.code && strcmp(e.code, k->code) == 0 && strcmp(e.param, k->param) == 0 && e.message[0],
              "%s: got %d %s %s, want %d %s %s (%s)", k->extra, e.status, e.code ? e.code : "-", e.param, k->status, k->code, k->param, e.message);
    glim_buf b = {0};
    glim_api_error_json(&b, &e);
    json_t *body = json_loads(glim_buf_cstr(&b), 0, NULL), *in = json_object_get(body, "error");
    CHECK(json_is_string(json_object_get(in, "message")) && json_is_string(json_object_get(in, "type")) &&
          json_is_string(json_object_get(in, "param")) && json_is_string(json_object_get(in, "code")));
    json_decref(body);
    glim_buf_free(&b);
    glim_ask_free(&a);
}

TEST(bad_requests_are_refused_with_their_status_code_and_param) {
    for (size_t i = 0; i < GLIM_COUNT(shared); i++) check_bad(&shared[i], true), check_bad(&shared[i], false);
    for (size_t i = 0; i < GLIM_COUNT(chat); i++) check_bad(&chat[i], true);
    for (size_t i = 0; i < GLIM_COUNT(completion); i++) check_bad(&completion[i], false);
    static const char *const no_object[] = {"[]", "\"x\"", "1", "null", "true"};
    for (size_t i = 0; i < GLIM_COUNT(no_object); i++) {
        glim_ask a;
        glim_api_error e = {0};
        CHECK(!glim_ask_chat(&a, json_loads(no_object[i], JSON_DECODE_ANY, NULL), &facts, &e));
        CHECK(e.status == 400 && strcmp(e.code, "invalid_type") == 0 && e.param[0] == 0);
        glim_ask_free(&a);
    }
}

TEST(null_is_absent_and_unknown_fields_are_ignored) {
    glim_ask a;
    glim_api_error e;
    CHECK(ask(&a, "{\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"hi\", \"zzz\": 1}], \"temperature\": null, \"n\": null, \"stop\": null, "
              "\"tools\": null, \"tool_choice\": null, \"response_format\": null, \"stream_options\": null, \"seed\": null, \"store\": true, "
              "\"metadata\": {}, \"user\": \"u\", \"unheard_of\": [1]}", true, &e));
    CHECK(a.n == 1 && !a.stream && a.n_stop == 0 && !a.tools && !a.has_seed && a.max_tokens == 0 && a.sample.temperature == 1);
    glim_ask_free(&a);
}

TEST(fields_mean_what_they_say) {
    glim_ask a;
    glim_api_error e;
    CHECK_MSG(ask(&a, "{\"model\": \"m\", \"messages\": [{\"role\": \"developer\", \"content\": [{\"type\": \"text\", \"text\": \"be\"}]}, "
              "{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": null, \"refusal\": null, \"reasoning\": \"hm\", "
              "\"tool_calls\": [{\"id\": \"c1\", \"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}]}, "
              "{\"role\": \"tool\", \"tool_call_id\": \"c1\", \"content\": \"ok\"}], \"max_tokens\": 5, \"max_completion_tokens\": 7, \"stop\": [\"a\", \"b\"], "
              "\"logit_bias\": {\"7\": -100, \"8\": 100, \"9\": 1.5}, \"seed\": -3, \"n\": 2.0, \"stream\": true, \"stream_options\": {\"include_usage\": true, "
              "\"include_obfuscation\": false}, \"logprobs\": true, \"top_logprobs\": 3, \"top_p\": 0, \"reasoning_effort\": \"none\", "
              "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}], \"parallel_tool_calls\": false}", true, &e), "%s", e.message);
    CHECK(a.max_tokens == 7 && a.n_stop == 2 && a.n == 2 && a.stream && a.include_usage && a.logprobs && a.top_logprobs == 3);
    CHECK(a.sample.seed == (uint64_t)-3 && a.has_seed && a.sample.n_bias == 3 && a.sample.top_p > 0 && a.sample.top_p < 1e-6 && a.thinking == -1);
    double banned = 0;
    for (size_t i = 0; i < 3; i++)
        if (a.bias[i].id == 7) banned = (double)a.bias[i].add;
    CHECK(banned < -1e30 && a.tools && a.single_call);
    const char *first = json_string_value(json_object_get(json_array_get(a.messages, 0), "role"));
    CHECK_STR(first, "system");
    CHECK_STR(json_string_value(json_object_get(json_array_get(a.messages, 2), "reasoning_content")), "hm");
    CHECK(json_array_size(json_object_get(json_array_get(a.messages, 2), "tool_calls")) == 1);
    glim_ask_free(&a);

    CHECK(ask(&a, "{\"model\": \"m\", \"prompt\": [[1, 2], [3]], \"echo\": true, \"max_tokens\": 0, \"logprobs\": 0, \"n\": 3}", false, &e));
    CHECK(a.n_prompts == 2 && a.prompts[0].ids && a.n == 3 && a.echo && a.logprobs && a.top_logprobs == 0 && a.max_tokens == 0);
    glim_ask_free(&a);
    CHECK(ask(&a, "{\"model\": \"m\", \"prompt\": \"x\"}", false, &e));
    CHECK(a.max_tokens == 16 && a.n_prompts == 1 && a.prompts[0].n_text == 1);
    glim_ask_free(&a);
    CHECK(ask(&a, "{\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tools\": [{\"type\": \"function\", \"function\": "
              "{\"name\": \"f\"}}], \"tool_choice\": \"none\"}", true, &e));
    CHECK(!a.tools);
    glim_ask_free(&a);
}

TEST(thinking_is_steered_in_every_way_that_glm_documents) {
    static const struct {
        const char *extra;
        int thinking;
        bool keep;
    } ways[] = {{"\"chat_template_kwargs\": {\"enable_thinking\": true, \"clear_thinking\": false}", 1, true},
                {"\"chat_template_kwargs\": {\"enable_thinking\": null, \"clear_thinking\": null}", 0, false},
                {"\"chat_template_kwargs\": {\"clear_thinking\": true}", 0, false},
                {"\"thinking\": {\"type\": \"enabled\", \"clear_thinking\": false}", 1, true},
                {"\"thinking\": {\"type\": \"disabled\", \"clear_thinking\": null}", -1, false},
                {"\"thinking\": {\"type\": null}", 0, false},
                {"\"thinking\": {\"clear_thinking\": false}", 0, true},
                {"\"thinking\": null, \"chat_template_kwargs\": null, \"reasoning_effort\": null", 0, false},
                {"\"chat_template_kwargs\": {\"clear_thinking\": false}, \"thinking\": {\"type\": \"enabled\"}", 1, true}};
    for (size_t i = 0; i < GLIM_COUNT(ways); i++) {
        char text[512];
        glim_ask a;
        glim_api_error e;
        snprintf(text, sizeof text, "{\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"x\"}], %s}", ways[i].extra);
        CHECK_MSG(ask(&a, text, true, &e), "%s: %s", text, e.message);
        CHECK_MSG(a.thinking == ways[i].thinking && a.keep_thinking == ways[i].keep, "%s: %d %d", text, a.thinking, a.keep_thinking);
        glim_ask_free(&a);
    }
}

/* ---- whatever comes ---- */

static uint64_t state;
static size_t below(size_t n) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (size_t)(state % n);
}

static json_t *odd_value(void) {
    static const char *const values[] = {"null", "true", "false", "0", "1", "-1", "2", "1.5", "-0.0", "1e300", "9223372036854775807", "-9223372036854775808", "\"\"", "\"x\"",
                                         "\"auto\"", "\"required\"", "\"none\"", "\"function\"", "\"text\"", "\"json_schema\"", "\"\\u0000\"", "\"a\\u0000b\"", "\"\\u4f60\"", "[]",
                                         "{}", "[[]]", "[1, 2]", "[\"a\"]", "[null]", "{\"type\": \"text\", \"text\": \"t\"}", "{\"type\": \"function\"}", "{\"role\": \"user\"}",
                                         "{\"role\": \"tool\", \"tool_call_id\": \"c\", \"content\": \"x\"}", "{\"role\": \"assistant\"}", "{\"7\": 1}", "{\"\": []}"};
    return json_loads(values[below(GLIM_COUNT(values))], JSON_DECODE_ANY, NULL);
}

/* Somewhere in v something is replaced, removed or added. */
static void disturb(json_t *v) {
    static const char *const keys[] = {"role", "content", "type", "text", "name", "function", "parameters", "id", "strict", "schema", "tools", "model", "n", "stop", "prompt",
                                       "tool_choice", "tool_calls", "tool_call_id", "arguments", "json_schema", "max_tokens", "logprobs", "top_logprobs", "stream_options", "seed",
                                       "thinking", "chat_template_kwargs", "echo", "best_of", "response_format", "allowed_tools", "reasoning_effort", "modalities", "refusal"};
    if (json_is_array(v)) {
        size_t n = json_array_size(v), i = n ? below(n) : 0;
        if (n == 0 || below(6) == 0) json_array_append_new(v, odd_value());
        else if (below(3)) disturb(json_array_get(v, i));
        else if (below(3)) json_array_set_new(v, i, odd_value());
        else json_array_remove(v, i);
    } else if (json_is_object(v)) {
        size_t n = json_object_size(v), at = n ? below(n) : 0;
        void *it = json_object_iter(v);
        for (; at && it; at--) it = json_object_iter_next(v, it);
        if (!it || below(4) == 0) json_object_set_new(v, keys[below(GLIM_COUNT(keys))], odd_value());
        else if (below(3)) disturb(json_object_iter_value(it));
        else if (below(3)) json_object_iter_set_new(v, it, odd_value());
        else json_object_del(v, json_object_iter_key(it));
    }
}

TEST(whatever_comes_is_read_or_refused_with_a_name) {
    static const char *const whole[] = {
        "{\"model\": \"m\", \"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"u\"}]}, {\"role\": "
        "\"assistant\", \"content\": null, \"tool_calls\": [{\"id\": \"c\", \"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}]}, {\"role\": "
        "\"tool\", \"tool_call_id\": \"c\", \"content\": \"r\"}], \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"description\": \"d\", \"parameters\": "
        "{\"type\": \"object\"}, \"strict\": true}}], \"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"f\"}}, \"response_format\": {\"type\": "
        "\"json_schema\", \"json_schema\": {\"name\": \"j\", \"schema\": {}, \"strict\": false}}, \"stop\": [\"a\"], \"logit_bias\": {\"1\": 5}, \"seed\": 1, \"n\": 2, "
        "\"temperature\": 1, \"stream\": true, \"stream_options\": {\"include_usage\": true}, \"logprobs\": true, \"top_logprobs\": 2, \"max_tokens\": 9, "
        "\"thinking\": {\"type\": \"enabled\"}, \"chat_template_kwargs\": {\"enable_thinking\": false}, \"reasoning_effort\": \"low\"}",
        "{\"model\": \"m\", \"prompt\": [\"a\", [1, 2], \"c\"], \"max_tokens\": 3, \"echo\": true, \"logprobs\": 2, \"n\": 2, \"best_of\": 2, \"stop\": \"z\", \"top_p\": 0.5}"};
    size_t rounds = getenv("GLIM_SOAK") ? 1000000 : 20000, taken = 0;
    state = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < rounds; i++) {
        bool is_chat = i % 3 != 0;
        json_t *body = json_loads(whole[!is_chat], 0, NULL);
        for (size_t k = 1 + below(4); k > 0; k--) disturb(body);
        glim_ask a;
        glim_api_error e = {0};
        bool ok = is_chat ? glim_ask_chat(&a, body, &facts, &e) : glim_ask_completion(&a, body, &facts, &e);
        taken += ok;
        if (ok) {
            CHECK(a.model && a.n >= 1 && a.n <= GLIM_ASK_N && a.n_stop <= GLIM_ASK_STOPS && a.top_logprobs <= 20);
            CHECK(is_chat ? json_array_size(a.messages) > 0 : a.n_prompts > 0 && a.n_prompts * a.n <= GLIM_ASK_N);
        } else {
            glim_buf b = {0};
            glim_api_error_json(&b, &e);
            json_t *told = json_loadb(b.s, b.len, 0, NULL);
            const json_t *o = json_object_get(told, "error");
            CHECK_MSG(e.status == 400 && e.code && json_object_size(o) == 4 && json_string_length(json_object_get(o, "message")) > 0, "%d %s", e.status, b.s);
            json_decref(told);
            glim_buf_free(&b);
        }
        glim_ask_free(&a);
    }
    CHECK_MSG(taken > rounds / 50 && taken < rounds, "%zu of %zu were taken", taken, rounds);
}
