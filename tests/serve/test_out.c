/* Streams: whatever the pieces in which a reply arrives, its chunks obey the rules that OpenAI's SDKs insist on, and
 * say together what the whole reply says. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "serve/out.h"
#include "test.h"

static glim_engine engine = {.chat = GLIM_CHAT_GLM45};

static void open_ask(glim_ask *a, const char *extra) {
    if (!engine.tok) {
        glim_err err = {0};
        CHECK_OK(glim_tok_open(&engine.tok, glim_test_source("tests/fixtures/glm4moe-air"), &err), err);
    }
    static const glim_ask_facts facts = {.model = "m", .n_vocab = 300, .n_ctx = 100};
    char text[1024];
    snprintf(text, sizeof text, "{\"model\": \"m\", \"stream\": true, \"stream_options\": {\"include_usage\": true}, \"messages\": [{\"role\": \"user\", "
             "\"content\": \"x\"}], \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"look\", \"parameters\": {\"type\": \"object\", \"properties\": "
             "{\"q\": {\"type\": \"string\"}, \"n\": {\"type\": \"integer\"}}}}}]%s}", extra);
    glim_api_error e = {0};
    json_t *body = json_loads(text, 0, NULL);
    CHECK(body != NULL);
    CHECK_MSG(glim_ask_chat(a, body, &facts, &e), "%s", e.message);
}

/* ---- what a client makes of a stream ---- */

typedef struct heard {
    glim_buf content, reasoning, args[4];
    char *names[4];
    size_t n_calls, n_roles, n_finish, n_usage, n_lp;
    char finish[32];
    bool done;
} heard;

static void heard_free(heard *h) {
    glim_buf_free(&h->content), glim_buf_free(&h->reasoning);
    for (size_t i = 0; i < 4; i++) glim_buf_free(&h->args[i]), free(h->names[i]);
}

static void hear_call(heard *h, const json_t *t) {
    CHECK(json_is_integer(json_object_get(t, "index")));
    size_t i = (size_t)json_integer_value(json_object_get(t, "index"));
    const json_t *f = json_object_get(t, "function");
    CHECK(i <= h->n_calls && i < 4);
    if (i == h->n_calls) { /* the head: id, type and name once, no arguments yet */
        CHECK(json_string_length(json_object_get(t, "id")) > 0);
        CHECK_STR(json_string_value(json_object_get(t, "type")), "function");
        CHECK_STR(json_string_value(json_object_get(f, "arguments")), "");
        h->names[h->n_calls++] = glim_xstrdup(json_string_value(json_object_get(f, "name")));
    } else {
        CHECK(json_object_size(t) == 2 && json_object_size(f) == 1);
        glim_buf_puts(&h->args[i], json_string_value(json_object_get(f, "arguments")));
    }
}

static void hear_choice(heard *h, const json_t *k) {
    const json_t *d = json_object_get(k, "delta"), *v;
    CHECK(json_is_object(d) && json_is_integer(json_object_get(k, "index")) && json_object_get(k, "finish_reason") && json_object_get(k, "logprobs"));
    CHECK_MSG(h->n_finish == 0, "a chunk after the finish reason");
    if (json_object_get(d, "role")) h->n_roles++;
    CHECK_MSG(h->n_roles == 1, "role comes first, and once");
    if ((v = json_object_get(d, "content"))) glim_buf_puts(&h->content, json_string_value(v));
    if ((v = json_object_get(d, "reasoning_content"))) glim_buf_puts(&h->reasoning, json_string_value(v));
    const json_t *calls = json_object_get(d, "tool_calls");
    CHECK(json_array_size(calls) <= 1);
    if (calls) hear_call(h, json_array_get(calls, 0));
    h->n_lp += json_array_size(json_object_get(json_object_get(k, "logprobs"), "content"));
    if (json_is_string(json_object_get(k, "finish_reason"))) {
        h->n_finish++;
        snprintf(h->finish, sizeof h->finish, "%s", json_string_value(json_object_get(k, "finish_reason")));
        CHECK(json_object_size(d) == 0);
    }
}

static void hear(heard *h, glim_buf *sse) {
    char *p = sse->s, *end;
    while (p && *p) {
        CHECK_MSG(!h->done, "something after [DONE]");
        CHECK_MSG(strncmp(p, "data: ", 6) == 0 && (end = strstr(p, "\n\n")), "framing: %.60s", p);
        *end = 0;
        p += 6;
        if (strcmp(p, "[DONE]") == 0) h->done = true;
        else {
            json_t *c = json_loads(p, 0, NULL);
            CHECK_MSG(c && !strchr(p, '\n'), "no JSON in one line: %.200s", p);
            CHECK_STR(json_string_value(json_object_get(c, "object")), "chat.completion.chunk");
            const json_t *list = json_object_get(c, "choices");
            CHECK(json_is_array(list) && json_object_get(c, "usage"));
            CHECK_MSG(json_is_null(json_object_get(c, "usage")) == (json_array_size(list) == 1), "usage in the last chunk only");
            h->n_usage += json_is_object(json_object_get(c, "usage"));
            if (json_array_size(list)) hear_choice(h, json_array_get(list, 0));
            json_decref(c);
        }
        p = end + 2;
    }
    glim_buf_clear(sse);
}

/* Feeds text in pieces that end at the given places, as the engine's events do; every is the piece's size, 0: cut once. */
static void play(heard *h, glim_buf *whole, const char *text, size_t cut, size_t every, glim_finish how, const char *extra) {
    glim_ask a;
    glim_out o;
    glim_err err = {0};
    glim_buf sse = {0};
    *h = (heard){0};
    open_ask(&a, extra);
    CHECK_OK(glim_out_init(&o, &a, &engine, "m", "fp", false, &err), err);
    size_t n = strlen(text);
    for (size_t at = 0, end; at < n; at = end) {
        end = every ? at + every : at < cut ? cut : n;
        if (end > n) end = n;
        while (end < n && ((unsigned char)text[end] & 0xc0) == 0x80) end++; /* events hold whole characters */
        glim_event ev = {.kind = GLIM_EV_TOKEN, .id = 5, .text = text + at, .n_text = end - at, .logprob = -1, .message = ""};
        CHECK_OK(glim_out_event(&o, 0, &ev, &err), err);
        glim_out_chunks(&o, &sse, false);
        hear(h, &sse);
    }
    glim_event fin = {.kind = GLIM_EV_FINISH, .finish = how, .stop_id = -1, .text = "", .message = ""};
    glim_event end = {.kind = GLIM_EV_END, .message = "", .usage = {.n_prompt = 3, .n_completion = 4}};
    CHECK_OK(glim_out_event(&o, 0, &fin, &err), err);
    CHECK_OK(glim_out_event(&o, 0, &end, &err), err);
    glim_out_chunks(&o, &sse, true);
    hear(h, &sse);
    CHECK(h->done && h->n_finish == 1 && h->n_usage == 1);
    glim_buf_clear(whole);
    glim_out_whole(&o, whole);
    glim_buf_free(&sse);
    glim_out_free(&o);
    glim_ask_free(&a);
}

static void check_whole(const heard *h, const glim_buf *whole, const char *what) {
    json_t *v = json_loads(glim_buf_cstr(whole), 0, NULL), *k = json_array_get(json_object_get(v, "choices"), 0), *m = json_object_get(k, "message");
    CHECK_MSG(v && m, "%s: %s", what, glim_buf_cstr(whole));
    const char *content = json_string_value(json_object_get(m, "content")), *thought = json_string_value(json_object_get(m, "reasoning_content"));
    CHECK_STR(glim_buf_cstr(&h->content), content ? content : "");
    CHECK_STR(glim_buf_cstr(&h->reasoning), thought ? thought : "");
    CHECK_STR(h->finish, json_string_value(json_object_get(k, "finish_reason")));
    const json_t *calls = json_object_get(m, "tool_calls");
    CHECK(json_array_size(calls) == h->n_calls);
    for (size_t i = 0; i < h->n_calls; i++) {
        const json_t *f = json_object_get(json_array_get(calls, i), "function");
        CHECK_STR(json_string_value(json_object_get(f, "name")), h->names[i]);
        CHECK_STR(json_string_value(json_object_get(f, "arguments")), glim_buf_cstr(&h->args[i]));
    }
    json_decref(v);
}

static const char reply[] = "<think>h\xe7\x8c\xabm</think>\nsay \"it\"\n<tool_call>look\n<arg_key>q</arg_key>\n<arg_value>\xe7\x8c\xab \"x\" {</arg_value>\n"
                            "<arg_key>n</arg_key>\n<arg_value>7</arg_value>\n</tool_call>\n<tool_call>look\n</tool_call>";

TEST(a_stream_says_what_the_whole_reply_says_at_every_split) {
    heard h;
    glim_buf whole = {0};
    for (size_t k = 0; k < 2 * sizeof reply; k++) {
        bool sized = k >= sizeof reply;
        play(&h, &whole, reply, k, sized ? 1 + k - sizeof reply : 0, GLIM_FINISH_STOP, "");
        check_whole(&h, &whole, "split");
        CHECK_STR(glim_buf_cstr(&h.reasoning), "h\xe7\x8c\xabm");
        CHECK_STR(glim_buf_cstr(&h.content), "say \"it\"");
        CHECK(h.n_calls == 2);
        CHECK_STR(h.finish, "tool_calls");
        json_t *args = json_loads(glim_buf_cstr(&h.args[0]), 0, NULL), *none = json_loads(glim_buf_cstr(&h.args[1]), 0, NULL);
        CHECK_STR(json_string_value(json_object_get(args, "q")), "\xe7\x8c\xab \"x\" {");
        CHECK(json_integer_value(json_object_get(args, "n")) == 7 && json_is_object(none) && json_object_size(none) == 0);
        json_decref(args);
        json_decref(none);
        heard_free(&h);
    }
    glim_buf_free(&whole);
}

TEST(a_reply_cut_anywhere_is_the_same_in_both_forms) {
    heard h;
    glim_buf whole = {0};
    char text[sizeof reply];
    for (size_t n = 0; n < sizeof reply; n++) {
        if (((unsigned char)reply[n] & 0xc0) == 0x80) continue;
        snprintf(text, sizeof text, "%.*s", (int)n, reply);
        play(&h, &whole, text, 0, 1, GLIM_FINISH_LENGTH, "");
        check_whole(&h, &whole, text);
        CHECK_STR(h.finish, "length");
        heard_free(&h);
    }
    glim_buf_free(&whole);
}

/* The forms whose calls are one JSON object: from the name's end on a cut call is one, with the same arguments whatever the pieces. */
TEST(a_json_call_cut_anywhere_is_a_call_in_both_forms) {
    static const struct {
        glim_chat_kind kind;
        const char *text, *named, *args; /* from the end of `named` on it is a call; its arguments begin at `args` */
    } forms[] = {{GLIM_CHAT_GLM4_0414, "look\n{\"q\": \"\xe7\x8c\xab \\\"x\\\" {\", \"n\": 7}", "look\n", "{\"q"},
                 {GLIM_CHAT_GLM4_9B, "\nSee.\n<|assistant|>look\n{\"q\": \"<|assistant|>\", \"n\": 7}", "look\n", "{\"q"},
                 {GLIM_CHAT_CHATML, "See.\n<tool_call>\n{\"name\": \"look\", \"arguments\": {\"q\": \"</tool_call>\", \"n\": 7}}\n</tool_call>", "look\"", "{\"q"}};
    glim_buf whole = {0};
    for (size_t f = 0; f < GLIM_COUNT(forms); f++) {
        const char *all = forms[f].text, *first = strstr(all, forms[f].args);
        size_t named = (size_t)(strstr(all, forms[f].named) + strlen(forms[f].named) - all), args = (size_t)(first - all);
        engine.chat = forms[f].kind;
        for (size_t n = 0; n <= strlen(all); n++) {
            if (((unsigned char)all[n] & 0xc0) == 0x80) continue;
            for (size_t every = 1; every < 6; every += 2) {
                heard h;
                char text[256];
                snprintf(text, sizeof text, "%.*s", (int)n, all);
                play(&h, &whole, text, 0, every, GLIM_FINISH_LENGTH, "");
                check_whole(&h, &whole, text);
                CHECK_STR(h.finish, "length");
                CHECK_MSG(h.n_calls == (n >= named), "%zu calls in %s", h.n_calls, text);
                CHECK_MSG(n < named || !strstr(glim_buf_cstr(&h.content), "look"), "content of %s", text);
                const char *got = glim_buf_cstr(&h.args[0]);
                size_t n_got = strlen(got);
                if (n > args) CHECK_MSG(n_got > 0 && n_got <= n - args && memcmp(got, first, n_got) == 0 && (n_got == n - args || first[n_got - 1] == '}'), "%s of %s", got, text);
                heard_free(&h);
            }
        }
    }
    engine.chat = GLIM_CHAT_GLM45;
    glim_buf_free(&whole);
}

TEST(every_token_has_its_log_probability_in_one_chunk) {
    heard h;
    glim_buf whole = {0};
    play(&h, &whole, reply, 0, 1, GLIM_FINISH_STOP, ", \"logprobs\": true");
    size_t chars = 0;
    for (const char *p = reply; *p; p++) chars += ((unsigned char)*p & 0xc0) != 0x80;
    CHECK(h.n_lp == chars);
    heard_free(&h);
    glim_buf_free(&whole);
}
