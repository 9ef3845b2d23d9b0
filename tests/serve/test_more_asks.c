/* The bodies of /v1/responses and /v1/fine_tuning/jobs, and base64: pieces of the further routes without a server. */
#include <stdlib.h>

#include "serve/base64.h"
#include "serve/responses_ask.h"
#include "serve/tune_ask.h"
#include "test.h"

static json_t *parse(const char *text) {
    json_t *v = NULL;
    glim_err err = {0};
    CHECK_MSG(glim_json_parse(&v, text, strlen(text), 0, &err) == GLIM_OK, "%s: %s", text, err.msg);
    return v;
}

static void check_json(const json_t *got, const char *want) {
    json_t *w = parse(want);
    char *text = json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    CHECK_MSG(json_equal((json_t *)got, w), "got %s, want %s", text, want);
    free(text);
    json_decref(w);
}

TEST(base64_is_that_of_the_rfc) {
    static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfb", "//77"}};
    for (size_t i = 0; i < GLIM_COUNT(pairs); i++) {
        glim_buf b = {0};
        glim_base64_put(&b, pairs[i][0], strlen(pairs[i][0]));
        CHECK_STR(glim_buf_cstr(&b), pairs[i][1]);
        glim_buf_free(&b);
    }
}

TEST(items_become_messages_and_both_forms_of_tools_are_one) {
    json_t *body = parse("{\"model\": \"m\", \"instructions\": \"be brief\", \"max_output_tokens\": 9, \"reasoning\": {\"effort\": \"low\"},"
                         " \"text\": {\"format\": {\"type\": \"json_schema\", \"name\": \"n\", \"schema\": {}, \"strict\": true}},"
                         " \"tools\": [{\"type\": \"function\", \"name\": \"a\", \"parameters\": {}}, {\"type\": \"function\", \"function\": {\"name\": \"b\"}}],"
                         " \"tool_choice\": {\"type\": \"function\", \"name\": \"a\"}, \"input\": ["
                         "{\"role\": \"user\", \"content\": [{\"type\": \"input_text\", \"text\": \"q\\u0000r\"}]},"
                         "{\"type\": \"reasoning\", \"summary\": [], \"content\": [{\"type\": \"reasoning_text\", \"text\": \"hm\"}]},"
                         "{\"type\": \"message\", \"role\": \"assistant\", \"content\": [{\"type\": \"output_text\", \"text\": \"so\"}]},"
                         "{\"type\": \"function_call\", \"call_id\": \"c1\", \"name\": \"a\", \"arguments\": \"{}\"},"
                         "{\"type\": \"function_call\", \"call_id\": \"c2\", \"name\": \"b\", \"arguments\": \"{}\"},"
                         "{\"type\": \"function_call_output\", \"call_id\": \"c1\", \"output\": \"1\"},"
                         "{\"role\": \"user\", \"content\": \"z\"}]}");
    json_t *chat = NULL, *tools = NULL;
    glim_api_error e = {0};
    CHECK_MSG(glim_responses_ask(body, &chat, &tools, &e), "%s", e.message);
    check_json(json_object_get(chat, "messages"),
               "[{\"role\": \"system\", \"content\": \"be brief\"}, {\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"q\\u0000r\"}]},"
               " {\"role\": \"assistant\", \"reasoning_content\": \"hm\", \"content\": [{\"type\": \"text\", \"text\": \"so\"}], \"tool_calls\": ["
               "{\"id\": \"c1\", \"type\": \"function\", \"function\": {\"name\": \"a\", \"arguments\": \"{}\"}},"
               "{\"id\": \"c2\", \"type\": \"function\", \"function\": {\"name\": \"b\", \"arguments\": \"{}\"}}]},"
               " {\"role\": \"tool\", \"tool_call_id\": \"c1\", \"content\": \"1\"}, {\"role\": \"user\", \"content\": \"z\"}]");
    check_json(json_object_get(chat, "tools"), "[{\"type\": \"function\", \"function\": {\"name\": \"a\", \"parameters\": {}}}, {\"type\": \"function\", \"function\": {\"name\": \"b\"}}]");
    check_json(json_object_get(chat, "tool_choice"), "{\"type\": \"function\", \"function\": {\"name\": \"a\"}}");
    check_json(json_object_get(json_object_get(json_object_get(chat, "response_format"), "json_schema"), "name"), "\"n\"");
    check_json(json_object_get(chat, "max_completion_tokens"), "9");
    check_json(json_object_get(chat, "reasoning_effort"), "\"low\"");
    check_json(json_array_get(tools, 1), "{\"type\": \"function\", \"name\": \"b\", \"description\": null, \"parameters\": null, \"strict\": null}");
    json_decref(body);
    json_decref(chat);
    json_decref(tools);
}

TEST(errors_name_what_the_client_wrote) {
    static const char *const names[][2] = {{"messages[3].content", "input"}, {"response_format.json_schema.name", "text.format.name"}, {"response_format.type", "text.format.type"},
                                           {"max_completion_tokens", "max_output_tokens"}, {"reasoning_effort", "reasoning.effort"}, {"tools[0].type", "tools[0].type"}};
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        glim_api_error e = {0};
        snprintf(e.param, sizeof e.param, "%s", names[i][0]);
        glim_responses_rename(&e);
        CHECK_STR(e.param, names[i][1]);
    }
}

/* Every field in turn becomes something else; the answer is a body or a named error, never both. */
static void disturb(const char *text, bool tune) {
    static const char *const others[] = {"null", "5", "-1", "\"x\"", "\"a\\u0000b\"", "[]", "{}", "[[]]", "[{\"type\": 5}]", "{\"type\": \"function\"}", "1e300", "true"};
    json_t *body = parse(text);
    const char *key;
    json_t *v;
    json_object_foreach(body, key, v) {
        for (size_t i = 0; i < GLIM_COUNT(others); i++) {
            json_t *o = json_deep_copy(body), *chat = NULL, *tools = NULL;
            glim_api_error e = {0};
            json_object_set_new(o, key, parse(others[i]));
            bool ok = tune ? (chat = glim_tune_ask(o, &e)) != NULL : glim_responses_ask(o, &chat, &tools, &e);
            CHECK_MSG(ok == (chat != NULL), "%s = %s", key, others[i]);
            CHECK_MSG(ok || (e.status == 400 && e.param[0] && e.message[0]), "%s = %s: %d %s", key, others[i], e.status, e.message);
            json_decref(chat);
            json_decref(tools);
            json_decref(o);
        }
    }
    json_decref(body);
}

TEST(whatever_a_field_holds_it_is_read_or_refused_by_name) {
    disturb("{\"model\": \"m\", \"input\": \"x\", \"instructions\": \"i\", \"tools\": [], \"tool_choice\": \"auto\", \"text\": {}, \"reasoning\": {}, \"metadata\": {},"
            " \"max_output_tokens\": 1, \"background\": false, \"previous_response_id\": null, \"conversation\": null}", false);
    disturb("{\"model\": \"m\", \"training_file\": \"file-1\", \"validation_file\": \"file-2\", \"suffix\": \"s\", \"seed\": 1, \"metadata\": {}, \"hyperparameters\": {},"
            " \"method\": {\"type\": \"dpo\", \"dpo\": {\"hyperparameters\": {\"beta\": 0.5}}}, \"glim\": {\"lora_rank\": 4}}", true);
}

TEST(a_job_says_all_of_its_hyperparameters) {
    glim_api_error e = {0};
    json_t *body = parse("{\"model\": \"m\", \"training_file\": \"f\", \"hyperparameters\": {\"n_epochs\": 2, \"batch_size\": 4}, \"method\": {\"type\": \"supervised\", \"supervised\": {\"hyperparameters\": {\"n_epochs\": 3}}}}");
    json_t *spec = glim_tune_ask(body, &e);
    CHECK_MSG(spec != NULL, "%s", e.message);
    check_json(json_object_get(spec, "method"), "{\"type\": \"supervised\", \"hyperparameters\": {\"n_epochs\": 3, \"batch_size\": 4, \"learning_rate_multiplier\": \"auto\"}}");
    check_json(json_object_get(spec, "seed"), "null");
    json_decref(body);
    json_decref(spec);
}
