/* Rows of every shape to tokens and loss masks: what counts, what is refused and in which words, order and hash. */
#include "train/data_set.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "test.h"
#include "train/data_eval.h"

static glim_tok *open_tok(const char *fixture) {
    glim_tok *t = NULL;
    glim_err err = {0};
    char path[128];
    snprintf(path, sizeof path, "tests/fixtures/%s/tokenizer.json", fixture);
    CHECK_OK(glim_tok_open(&t, glim_test_source(path), &err), err);
    return t;
}

/* The text of an example with what counts between brackets that no test text holds. */
static char *marked_example(const glim_tok *tok, const glim_example *e) {
    glim_buf b = {0};
    for (size_t i = 0; i < e->n; i++) {
        size_t n;
        const char *s = glim_tok_piece(tok, e->tokens[i], &n);
        if (e->loss[i] && (i == 0 || !e->loss[i - 1])) glim_buf_puts(&b, "⟦");
        glim_buf_append(&b, s, n);
        if (e->loss[i] && (i + 1 == e->n || !e->loss[i + 1])) glim_buf_puts(&b, "⟧");
    }
    char *out = glim_xstrdup(glim_buf_cstr(&b));
    glim_buf_free(&b);
    return out;
}

typedef struct set {
    glim_dataset *d;
    glim_data_report r;
    glim_tok *tok;
    char *text;
} set;

static set parse(const char *fixture, glim_chat_kind k, const char *name, const char *text, glim_data_params p) {
    set s = {.tok = open_tok(fixture)};
    glim_err err = {0};
    p.tok = s.tok;
    p.chat = k;
    CHECK_OK(glim_dataset_parse(&s.d, name, text, strlen(text), &p, &s.r, &err), err);
    return s;
}

static void done(set *s) {
    glim_dataset_free(s->d);
    glim_data_report_free(&s->r);
    glim_tok_free(s->tok);
    free(s->text);
}

static const char *marked(set *s, size_t i) {
    glim_example e;
    CHECK(glim_dataset_example(s->d, i, &e) == GLIM_OK);
    CHECK(e.loss[0] == 0);
    free(s->text);
    return s->text = marked_example(s->tok, &e);
}

static void check_marked(const char *fixture, glim_chat_kind k, const char *row, const char *want) {
    set s = parse(fixture, k, "rows.jsonl", row, (glim_data_params){0});
    CHECK(glim_dataset_n(s.d) == 1);
    CHECK_STR(marked(&s, 0), want);
    done(&s);
}

/* ---- what counts, by family ---- */

#define TWO_TURNS                                                                                                       \
    "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"a\"},"                      \
    "{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"d\"}]}"

TEST(glm4_turns_count_from_behind_the_role_to_the_next_role) {
    check_marked("glm4", GLIM_CHAT_GLM4_0414, TWO_TURNS,
                 "[gMASK]<sop><|system|>\nS<|user|>\na<|assistant|>⟦\nb<|user|>⟧\nc<|assistant|>⟦\nd<|user|>⟧");
    check_marked("glm4", GLIM_CHAT_GLM4_9B, TWO_TURNS,
                 "[gMASK]<sop><|system|>\nS<|user|>\na<|assistant|>⟦\nb<|user|>⟧\nc<|assistant|>⟦\nd<|user|>⟧");
    check_marked("glm-edge", GLIM_CHAT_GLM_EDGE, TWO_TURNS,
                 "<|system|>\nS<|user|>\na<|assistant|>⟦\nb<|user|>⟧\nc<|assistant|>⟦\nd<|user|>⟧");
}

/* The prompt ends in "<|assistant|>\n<think>": the answer stands behind that, or the model never comes to where it was trained. Earlier
 * turns are rendered as the prompt of the next one has them, and are no examples. */
TEST(z1_counts_behind_the_tag_that_its_prompt_opens) {
    check_marked("glm4", GLIM_CHAT_GLM_Z1, TWO_TURNS,
                 "[gMASK]<sop><|system|>\nS<|user|>\na<|assistant|>\nb<|user|>\nc<|assistant|>\n<think>⟦\n\n</think>\n\nd<|user|>⟧");
    check_marked("glm4", GLIM_CHAT_GLM_Z1,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"reasoning_content\":\"r\\n\"}]}",
                 "[gMASK]<sop><|user|>\na<|assistant|>\n<think>⟦\nr\n</think>\n\nb<|user|>⟧");
    check_marked("glm4", GLIM_CHAT_GLM_Z1,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"<think>q</think>b\"},"
                 "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"<think>\\nr\\n</think>\\nd\"},{\"role\":\"user\",\"content\":\"e\"}]}",
                 "[gMASK]<sop><|user|>\na<|assistant|>\nb<|user|>\nc<|assistant|>\n<think>⟦\nr\n</think>\n\nd<|user|>⟧\ne");
}

TEST(z1_calls_stand_where_the_model_writes_them) {
#define CALL_OF(before) "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\"," before "\"tool_calls\":[{\"type\":\"function\"," \
                 "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"n\\\": 1}\"}},{\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}]}"
    check_marked("glm4", GLIM_CHAT_GLM_Z1, CALL_OF(""), "[gMASK]<sop><|user|>\na<|assistant|>\n<think>⟦\n\n</think>\n\nf\n{\"n\": 1}<|assistant|>g\n{}<|observation|>⟧");
    check_marked("glm4", GLIM_CHAT_GLM_Z1, CALL_OF("\"content\":\"b\","),
                 "[gMASK]<sop><|user|>\na<|assistant|>\n<think>⟦\n\n</think>\n\nb<|assistant|>f\n{\"n\": 1}<|assistant|>g\n{}<|observation|>⟧");
#undef CALL_OF
}

TEST(z1_a_row_whose_last_answer_does_not_count_is_refused) {
    glim_dataset *d = NULL;
    glim_data_report r = {0};
    glim_err err = {0};
    const char row[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"},"
                       "{\"role\":\"assistant\",\"content\":\"d\",\"weight\":0}]}";
    glim_data_params p = {.tok = open_tok("glm4"), .chat = GLIM_CHAT_GLM_Z1};
    CHECK(glim_dataset_parse(&d, "x.jsonl", row, strlen(row), &p, &r, &err) == GLIM_E_FORMAT);
    CHECK_MSG(r.n_listed == 1 && strstr(r.bad[0].reason, "not the last one"), "%s", r.n_listed ? r.bad[0].reason : err.msg);
    glim_data_report_free(&r);
    glim_tok_free((glim_tok *)(uintptr_t)p.tok);
}

TEST(glm45_counts_thinking_that_the_model_has_to_write) {
    check_marked("glm4moe-air", GLIM_CHAT_GLM45,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"reasoning_content\":\"r\"}]}",
                 "[gMASK]<sop><|user|>\na<|assistant|>⟦\n<think>r</think>\nb<|user|>⟧");
    check_marked("glm4moe-air", GLIM_CHAT_GLM47,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"reasoning_content\":\"r\"}]}",
                 "[gMASK]<sop><|user|>a<|assistant|><think>⟦r</think>b<|user|>⟧");
    check_marked("glm4moe-air", GLIM_CHAT_GLM47,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
                 "[gMASK]<sop><|user|>a<|assistant|><think>⟦</think>b<|user|>⟧"); /* the prompt has opened the tag */
}

TEST(glm45_does_not_count_a_turn_whose_reasoning_the_template_left_out) {
    check_marked("glm4moe-air", GLIM_CHAT_GLM45,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"reasoning_content\":\"r\"},"
                 "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"d\",\"reasoning_content\":\"q\"}]}",
                 "[gMASK]<sop><|user|>\na<|assistant|>\n<think></think>\nb<|user|>\nc<|assistant|>⟦\n<think>q</think>\nd<|user|>⟧");
}

/* Most sets keep it within the answer; and the answer may say the same words as the reasoning did. */
TEST(glm45_does_not_count_a_turn_whose_reasoning_stood_in_the_answer_and_was_left_out) {
    check_marked("glm4moe-air", GLIM_CHAT_GLM45,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"<think>\\nb\\n</think>\\n\\nb\"},"
                 "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"<think>q</think>d\"}]}",
                 "[gMASK]<sop><|user|>\na<|assistant|>\n<think></think>\nb<|user|>\nc<|assistant|>⟦\n<think>q</think>\nd<|user|>⟧");
    check_marked("glm4moe-air", GLIM_CHAT_GLM47,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"reasoning_content\":\"b\"},"
                 "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"<think></think>d\"}]}",
                 "[gMASK]<sop><|user|>a<|assistant|></think>b<|user|>c<|assistant|><think>⟦</think>d<|user|>⟧");
}

TEST(glm45_with_thinking_off_counts_behind_the_empty_tags) {
    set s = parse("glm4moe-air", GLIM_CHAT_GLM45, "x.jsonl",
                  "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
                  (glim_data_params){.options.thinking = -1});
    CHECK_STR(marked(&s, 0), "[gMASK]<sop><|user|>\na/nothink<|assistant|>\n<think></think>⟦\nb<|user|>⟧");
    done(&s);
}

TEST(glm47_with_thinking_off_counts_every_turn_behind_the_closing_tag) {
    set s = parse("glm4moe-air", GLIM_CHAT_GLM47, "x.jsonl", TWO_TURNS, (glim_data_params){.options.thinking = -1});
    CHECK_STR(marked(&s, 0), "[gMASK]<sop><|system|>S<|user|>a<|assistant|></think>⟦b<|user|>⟧c<|assistant|></think>⟦d<|user|>⟧");
    done(&s);
    check_marked("glm4moe-air", GLIM_CHAT_GLM47, TWO_TURNS, "[gMASK]<sop><|system|>S<|user|>a<|assistant|></think>b<|user|>c<|assistant|><think>⟦</think>d<|user|>⟧");
}

/* The tokens before the last answer that counts are those of the prompt that asks for it: what is trained stands where generation will be. */
TEST(what_is_trained_stands_behind_the_prompt_that_will_ask_for_it) {
    static const struct {
        glim_chat_kind kind;
        const char *fixture;
        int thinking;
    } cases[] = {{GLIM_CHAT_GLM4_9B, "glm4", 0}, {GLIM_CHAT_GLM4_0414, "glm4", 0}, {GLIM_CHAT_GLM_Z1, "glm4", 0}, {GLIM_CHAT_GLM_EDGE, "glm-edge", 0}, {GLIM_CHAT_GLM45, "glm4moe-air", 0},
                 {GLIM_CHAT_GLM45, "glm4moe-air", -1}, {GLIM_CHAT_GLM47, "glm4moe-air", 0}, {GLIM_CHAT_GLM47, "glm4moe-air", -1}, {GLIM_CHAT_CHATML, "qwen2", 0}, {GLIM_CHAT_LLAMA3, "llama", 0}};
    const char *const answers[] = {"\"d\"", "\"<think>r</think>d\""};
    for (size_t i = 0; i < 2 * GLIM_COUNT(cases); i++) {
        const glim_chat_options opt = {.thinking = cases[i / 2].thinking};
        glim_err err = {0};
        glim_prompt prompt = {0};
        glim_ids ids = {0};
        glim_example e;
        json_t *row;
        char text[512];
        snprintf(text, sizeof text, "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},"
                 "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":%s}]}", answers[i % 2]);
        set s = parse(cases[i / 2].fixture, cases[i / 2].kind, "x.jsonl", text, (glim_data_params){.options = opt});
        CHECK_OK(glim_json_parse(&row, text, strlen(text), 0, &err), err);
        json_t *messages = json_object_get(row, "messages");
        json_array_remove(messages, json_array_size(messages) - 1);
        CHECK_OK(glim_chat_render(&prompt, cases[i / 2].kind, messages, NULL, &opt, &err), err);
        CHECK_OK(glim_prompt_encode(&prompt, s.tok, &ids, &err), err);
        CHECK(glim_dataset_example(s.d, 0, &e) == GLIM_OK);
        size_t at = e.n;
        while (at > 0 && !e.loss[at - 1]) at--;
        while (at > 0 && e.loss[at - 1]) at--;
        CHECK_MSG(at == ids.n && memcmp(e.tokens, ids.v, at * sizeof *ids.v) == 0, "%s: %s", glim_chat_name(cases[i / 2].kind), marked(&s, 0));
        json_decref(row);
        glim_prompt_free(&prompt);
        free(ids.v);
        done(&s);
    }
}

TEST(with_thinking_off_a_row_loses_its_reasoning_and_counts_without) {
    static const char row[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"reasoning_content\":\"q\"},"
                              "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"<think>r</think>d\"}]}";
    set s = parse("glm4moe-air", GLIM_CHAT_GLM45, "x.jsonl", row, (glim_data_params){.options.thinking = -1});
    CHECK_STR(marked(&s, 0), "[gMASK]<sop><|user|>\na/nothink<|assistant|>\n<think></think>⟦\nb<|user|>⟧\nc/nothink<|assistant|>\n<think></think>⟦\nd<|user|>⟧");
    done(&s);
    s = parse("glm4moe-air", GLIM_CHAT_GLM47, "x.jsonl", row, (glim_data_params){.options = {.thinking = -1, .keep_thinking = true}});
    CHECK_STR(marked(&s, 0), "[gMASK]<sop><|user|>a<|assistant|></think>⟦b<|user|>⟧c<|assistant|></think>⟦d<|user|>⟧");
    done(&s);
}

/* The label, and not the tags before it: in what counts, and in what is told of the labels. */
TEST(labels_begin_behind_the_thinking) {
    static const struct {
        glim_chat_kind kind;
        const char *fixture, *message, *want;
    } cases[] = {
        {GLIM_CHAT_GLM_Z1, "glm4", "\"content\":\"d\"", "[gMASK]<sop><|user|>\nc<|assistant|>\n<think>\n\n</think>\n\n⟦d⟧<|user|>"},
        {GLIM_CHAT_GLM_Z1, "glm4", "\"content\":\"d\",\"reasoning_content\":\"r\"", "[gMASK]<sop><|user|>\nc<|assistant|>\n<think>\nr\n</think>\n\n⟦d⟧<|user|>"},
        {GLIM_CHAT_GLM47, "glm4moe-air", "\"content\":\"d\"", "[gMASK]<sop><|user|>c<|assistant|><think></think>⟦d⟧<|user|>"},
        {GLIM_CHAT_GLM45, "glm4moe-air", "\"content\":\"d\"", "[gMASK]<sop><|user|>\nc<|assistant|>\n<think></think>\n⟦d⟧<|user|>"},
        {GLIM_CHAT_GLM45, "glm4moe-air", "\"content\":\"d\",\"reasoning_content\":\"r\"", "[gMASK]<sop><|user|>\nc<|assistant|>\n<think>r</think>\n⟦d⟧<|user|>"},
        {GLIM_CHAT_GLM4_0414, "glm4", "\"content\":\"d\"", "[gMASK]<sop><|user|>\nc<|assistant|>⟦\nd⟧<|user|>"},
        {GLIM_CHAT_CHATML, "qwen2", "\"content\":\"d</think>e\"", "⟦d</think>e⟧"}, /* no tag opens it: the answer's own words */
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        char row[256];
        glim_err err = {0};
        glim_labels l = {0};
        snprintf(row, sizeof row, "{\"messages\":[{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",%s}]}", cases[i].message);
        set s = parse(cases[i].fixture, cases[i].kind, "x.jsonl", row, (glim_data_params){.loss = GLIM_LOSS_LABEL});
        CHECK_MSG(strstr(marked(&s, 0), cases[i].want), "%s, not %s", s.text, cases[i].want);
        done(&s);
        s = parse(cases[i].fixture, cases[i].kind, "x.jsonl", row, (glim_data_params){0});
        CHECK_OK(glim_labels_add(&l, s.d, s.tok, 10, &err), err);
        CHECK(l.n == 1 && glim_labels_of(&l, s.d, 0) == 0);
        CHECK_STR(l.text[0], cases[i].kind == GLIM_CHAT_CHATML ? "d</think>e" : "d");
        glim_labels_free(&l);
        done(&s);
    }
}

TEST(labels_of_a_pair_keep_the_prompt_that_they_share) {
    static const char row[] = "{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"r\"}],"
                              "\"rejected\":[{\"role\":\"assistant\",\"content\":\"y\",\"reasoning_content\":\"s\"}]}";
    set s = parse("glm4", GLIM_CHAT_GLM_Z1, "x.jsonl", row, (glim_data_params){.loss = GLIM_LOSS_LABEL});
    glim_example a, b;
    CHECK(glim_dataset_pair(s.d, 0, &a, &b) == GLIM_OK);
    size_t at = 0;
    while (at < a.n && !a.loss[at]) at++;
    CHECK(at < b.n && b.loss[at] && memcmp(a.tokens, b.tokens, at * sizeof *a.tokens) == 0);
    done(&s);
}

TEST(answers_that_are_context_only_are_counted_and_told) {
    static const char row[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"\",%s\"tool_calls\":[{\"function\":{\"name\":\"f\","
                              "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"content\":\"1\"},{\"role\":\"assistant\",\"content\":\"d\"}]}";
    static const struct {
        glim_chat_kind kind;
        const char *fixture, *more;
        size_t want;
    } cases[] = {{GLIM_CHAT_GLM_Z1, "glm4", "", 1}, {GLIM_CHAT_GLM4_0414, "glm4", "", 0}, {GLIM_CHAT_GLM47, "glm4moe-air", "", 1},
                 {GLIM_CHAT_GLM47, "glm4moe-air", "\"reasoning_content\":\"r\",", 0}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        char text[512];
        glim_buf b = {0};
        snprintf(text, sizeof text, row, cases[i].more);
        set s = parse(cases[i].fixture, cases[i].kind, "x.jsonl", text, (glim_data_params){0});
        glim_dataset_summary(&s.r, &b);
        CHECK_MSG(s.r.n_context == cases[i].want, "case %zu: %zu: %s", i, s.r.n_context, marked(&s, 0));
        CHECK_MSG(!strstr(glim_buf_cstr(&b), "1 answer is only context") == !cases[i].want, "%s", b.s);
        glim_buf_free(&b);
        done(&s);
    }
}

TEST(chatml_and_llama_count_up_to_their_end_of_turn) {
    check_marked("qwen2", GLIM_CHAT_CHATML, TWO_TURNS,
                 "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n⟦b<|im_end|>⟧\n"
                 "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n⟦d<|im_end|>⟧\n");
    check_marked("qwen2", GLIM_CHAT_SMOLLM2, TWO_TURNS,
                 "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n⟦b<|im_end|>⟧\n"
                 "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n⟦d<|im_end|>⟧\n");
    check_marked("llama", GLIM_CHAT_LLAMA3, TWO_TURNS,
                 "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\na"
                 "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n⟦b<|eot_id|>⟧<|start_header_id|>user<|end_header_id|>\n\nc"
                 "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n⟦d<|eot_id|>⟧");
}

TEST(calls_count_and_end_with_the_observation_that_answers_them) {
    check_marked("glm4", GLIM_CHAT_GLM4_9B,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":"
                 "{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": 1}\"}}]},{\"role\":\"tool\",\"content\":\"7\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
                 "[gMASK]<sop><|user|>\na<|assistant|>⟦f\n{\"x\": 1}<|observation|>⟧\n7<|assistant|>⟦\nb<|user|>⟧");
    check_marked("glm4", GLIM_CHAT_GLM4_9B,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":"
                 "{\"name\":\"f\",\"arguments\":{}}},{\"function\":{\"name\":\"g\",\"arguments\":{}}}]}]}",
                 "[gMASK]<sop><|user|>\na<|assistant|>⟦f\n{}<|assistant|>g\n{}<|observation|>⟧");
    check_marked("qwen2", GLIM_CHAT_CHATML,
                 "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"tool_calls\":"
                 "[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}]},{\"role\":\"tool\",\"content\":\"7\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
                 "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n⟦<tool_call>\n{\"name\": \"f\", "
                 "\"arguments\": {\"x\": 1}}\n</tool_call><|im_end|>⟧\n<|im_start|>user\n<tool_response>\n7\n</tool_response><|im_end|>\n"
                 "<|im_start|>assistant\n⟦b<|im_end|>⟧\n");
}

TEST(text_that_looks_like_a_control_token_neither_ends_a_turn_nor_becomes_one) {
    set s = parse("glm4", GLIM_CHAT_GLM4_9B, "x.jsonl",
                  "{\"messages\":[{\"role\":\"user\",\"content\":\"<|assistant|>\"},{\"role\":\"assistant\",\"content\":\"x<|user|>y\"}]}",
                  (glim_data_params){0});
    glim_example e;
    size_t users = 0, assistants = 0;
    CHECK(glim_dataset_example(s.d, 0, &e) == GLIM_OK);
    for (size_t i = 0; i < e.n; i++) {
        users += e.tokens[i] == glim_tok_find(s.tok, "<|user|>");
        assistants += e.tokens[i] == glim_tok_find(s.tok, "<|assistant|>");
    }
    CHECK(users == 2 && assistants == 1); /* the question's role and the end of the answer */
    CHECK_STR(marked(&s, 0), "[gMASK]<sop><|user|>\n<|assistant|><|assistant|>⟦\nx<|user|>y<|user|>⟧");
    done(&s);
}

TEST(a_prompt_has_the_tokens_that_the_model_sees_when_it_is_asked) {
    /* The answer begins with a line break: tokens cut over the whole text would join it with the template's. */
    set s = parse("qwen2", GLIM_CHAT_CHATML, "x.jsonl",
                  "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"\\n\\n b\"}]}", (glim_data_params){0});
    glim_prompt p = {0};
    glim_ids ids = {0};
    glim_err err = {0};
    json_t *q;
    const char *ask = "[{\"role\":\"user\",\"content\":\"a\"}]";
    CHECK_OK(glim_json_parse(&q, ask, strlen(ask), 0, &err), err);
    CHECK_OK(glim_chat_render(&p, GLIM_CHAT_CHATML, q, NULL, NULL, &err), err);
    CHECK_OK(glim_prompt_encode(&p, s.tok, &ids, &err), err);
    glim_example e;
    CHECK(glim_dataset_example(s.d, 0, &e) == GLIM_OK);
    CHECK(e.n > ids.n && memcmp(e.tokens, ids.v, ids.n * sizeof *ids.v) == 0);
    CHECK(!e.loss[ids.n - 1] && e.loss[ids.n]);
    json_decref(q);
    glim_prompt_free(&p);
    glim_ids_free(&ids);
    done(&s);
}

/* ---- what of it counts: modes, weights ---- */

TEST(modes_choose_which_answers_count) {
    struct {
        glim_data_loss mode;
        const char *want;
    } cases[] = {
        {GLIM_LOSS_LAST, "[gMASK]<sop><|system|>\nS<|user|>\na<|assistant|>\nb<|user|>\nc<|assistant|>⟦\nd<|user|>⟧"},
        {GLIM_LOSS_LABEL, "[gMASK]<sop><|system|>\nS<|user|>\na<|assistant|>\nb<|user|>\nc<|assistant|>⟦\nd⟧<|user|>"},
        {GLIM_LOSS_ALL, "[gMASK]⟦<sop><|system|>\nS<|user|>\na<|assistant|>\nb<|user|>\nc<|assistant|>\nd<|user|>⟧"},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        set s = parse("glm4", GLIM_CHAT_GLM4_9B, "x.jsonl", TWO_TURNS, (glim_data_params){.loss = cases[i].mode});
        CHECK_STR(marked(&s, 0), cases[i].want);
        done(&s);
    }
}

TEST(a_weight_of_zero_takes_a_message_out_of_the_loss) {
    check_marked("glm4", GLIM_CHAT_GLM4_9B,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"weight\":0},"
                 "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"d\",\"weight\":1}]}",
                 "[gMASK]<sop><|user|>\na<|assistant|>\nb<|user|>\nc<|assistant|>⟦\nd<|user|>⟧");
}

/* ---- shapes ---- */

TEST(alpaca_sharegpt_and_tables_become_conversations) {
    struct {
        const char *name, *text, *want;
        glim_data_format format;
    } cases[] = {
        {"a.json", "[{\"instruction\":\"do\",\"input\":\"this\",\"output\":\"ok\"},\n {\"instruction\":\"do\",\"input\":\"\",\"output\":\"ok\","
                   "\"system\":\"S\",\"history\":[[\"q\",\"r\"]]}]",
         "[gMASK]<sop><|system|>\nS<|user|>\nq<|assistant|>⟦\nr<|user|>⟧\ndo<|assistant|>⟦\nok<|user|>⟧", GLIM_DATA_ALPACA},
        {"s.json", "[{\"conversations\":[]},{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"function_call\",\"value\":"
                   "\"{\\\"name\\\":\\\"f\\\",\\\"arguments\\\":{\\\"x\\\":2}}\"},{\"from\":\"observation\",\"value\":\"7\"},{\"from\":\"gpt\",\"value\":\"b\"}]}]",
         "[gMASK]<sop><|user|>\nq<|assistant|>⟦f\n{\"x\": 2}<|observation|>⟧\n7<|assistant|>⟦\nb<|user|>⟧", GLIM_DATA_SHAREGPT},
        {"c.csv", "text,category\nfirst,x\n\"a \"\"b\"\", c\nd\",lab\n", "[gMASK]<sop><|user|>\na \"b\", c\nd<|assistant|>⟦\nlab<|user|>⟧",
         GLIM_DATA_TABLE},
        {"t.jsonl", "{\"text\":\"x\",\"intent\":\"i\",\"slots\":{}}\n{\"text\":\"y\",\"intent\":\"j\",\"slots\":{}}",
         "[gMASK]<sop><|user|>\ny<|assistant|>⟦\nj<|user|>⟧", GLIM_DATA_TABLE},
        {"p.jsonl", "{\"prompt\":\"x\",\"completion\":\"i\"}\n\n{\"prompt\":\"y\",\"completion\":\"j\"}",
         "[gMASK]<sop><|user|>\ny<|assistant|>⟦\nj<|user|>⟧", GLIM_DATA_ALPACA},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        set s = parse("glm4", GLIM_CHAT_GLM4_9B, cases[i].name, cases[i].text, (glim_data_params){.skip_bad = true});
        CHECK(s.r.guessed && s.r.format == cases[i].format);
        CHECK_STR(marked(&s, glim_dataset_n(s.d) - 1), cases[i].want);
        done(&s);
    }
}

TEST(templates_name_columns_and_braces) {
    set s = parse("glm4", GLIM_CHAT_NONE, "x.csv", "q;w;a\r\nwhy;5;so\r\n",
                  (glim_data_params){.prompt = "{{{w}}} {q}? ", .answer = "{a}!"});
    CHECK_STR(marked(&s, 0), "[gMASK]<sop>{5} why? ⟦so!<|endoftext|>⟧");
    done(&s);
    s = parse("qwen2", GLIM_CHAT_NONE, "x.csv", "q,a\nwhy,so\n",
              (glim_data_params){.prompt = "{q}: ", .answer = "{a}", .loss = GLIM_LOSS_LABEL, .system = "S "});
    CHECK_STR(marked(&s, 0), glim_tok_eos(s.tok) >= 0 ? "S why: ⟦so⟧<|im_end|>" : "S why: ⟦so⟧");
    done(&s);
}

TEST(pairs_share_their_prompt_and_count_only_their_answers) {
    const char *rows[] = {
        "{\"prompt\":\"q\",\"chosen\":\"good\",\"rejected\":\"bad\"}",
        "{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"}],\"chosen\":{\"from\":\"gpt\",\"value\":\"good\"},\"rejected\":{\"from\":\"gpt\","
        "\"value\":\"bad\"}}",
        "{\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]},\"preferred_output\":[{\"role\":\"assistant\",\"content\":\"good\"}],"
        "\"non_preferred_output\":[{\"role\":\"assistant\",\"content\":\"bad\"}]}",
        "{\"chosen\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"good\"}],\"rejected\":[{\"role\":\"user\","
        "\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"bad\"}]}",
        /* UltraFeedback: the question also as "prompt", and the chosen conversation once more as "messages" */
        "{\"prompt\":\"q\",\"chosen\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"good\"}],\"rejected\":"
        "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"bad\"}]}",
        "{\"prompt\":\"q\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"good\"}],\"chosen\":"
        "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"good\"}],\"rejected\":[{\"role\":\"user\","
        "\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"bad\"}],\"score_chosen\":8,\"score_rejected\":5}",
        "{\"prompt\":\"q\",\"chosen\":[{\"role\":\"assistant\",\"content\":\"good\"}],\"rejected\":[{\"role\":\"assistant\",\"content\":\"bad\"}]}",
    };
    for (size_t i = 0; i < GLIM_COUNT(rows); i++) {
        set s = parse("glm4", GLIM_CHAT_GLM4_0414, "x.jsonl", rows[i], (glim_data_params){0});
        glim_example a, b;
        CHECK(glim_dataset_is_preference(s.d) && glim_dataset_n(s.d) == 1);
        CHECK(glim_dataset_pair(s.d, 0, &a, &b) == GLIM_OK);
        CHECK(glim_dataset_example(s.d, 0, &a) == GLIM_E_ARG);
        char *x = marked_example(s.tok, &a), *y = marked_example(s.tok, &b);
        CHECK_STR(x, "[gMASK]<sop><|user|>\nq<|assistant|>⟦\ngood<|user|>⟧");
        CHECK_STR(y, "[gMASK]<sop><|user|>\nq<|assistant|>⟦\nbad<|user|>⟧");
        free(x);
        free(y);
        done(&s);
    }
}

TEST(pairs_of_whole_conversations_keep_their_tools) {
    static const char row[] = "{\"prompt\":\"q\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather_of\",\"parameters\":{}}}],"
                              "\"chosen\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"good\"}],"
                              "\"rejected\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"bad\"}]}";
    set s = parse("glm4", GLIM_CHAT_GLM4_0414, "x.jsonl", row, (glim_data_params){0});
    glim_example a, b;
    CHECK(glim_dataset_pair(s.d, 0, &a, &b) == GLIM_OK);
    char *x = marked_example(s.tok, &a), *y = marked_example(s.tok, &b);
    CHECK_MSG(strstr(x, "weather_of") && strstr(y, "weather_of"), "%s", x);
    free(x);
    free(y);
    done(&s);
}

TEST(pairs_that_go_on_from_a_conversation_are_told_from_whole_ones) {
    static const char go_on[] = "[{\"role\":\"user\",\"content\":\"and b\"},{\"role\":\"assistant\",\"content\":\"%s\"}]";
    static const char *const before[] = {
        "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"x\"}]",
        "\"prompt\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"x\"}]",
        "\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"x\"}]",
    };
    for (size_t i = 0; i < GLIM_COUNT(before); i++) {
        char good[160], bad[160], row[640];
        snprintf(good, sizeof good, go_on, "good");
        snprintf(bad, sizeof bad, go_on, "bad");
        snprintf(row, sizeof row, "{%s,\"chosen\":%s,\"rejected\":%s}", before[i], good, bad);
        set s = parse("glm4", GLIM_CHAT_GLM4_0414, "x.jsonl", row, (glim_data_params){0});
        glim_example a, b;
        CHECK(glim_dataset_pair(s.d, 0, &a, &b) == GLIM_OK);
        char *x = marked_example(s.tok, &a), *y = marked_example(s.tok, &b);
        CHECK_MSG(strstr(x, "<|user|>\na<|assistant|>\nx<|user|>\nand b<|assistant|>") && strstr(x, "good<|user|>⟧"), "case %zu: %s", i, x);
        CHECK_MSG(strstr(y, "<|user|>\na<|assistant|>\nx<|user|>\nand b<|assistant|>") && strstr(y, "bad<|user|>⟧"), "case %zu: %s", i, y);
        free(x);
        free(y);
        done(&s);
    }
}

TEST(text_is_cut_into_windows_in_which_every_token_is_a_target_once) {
    const char *text = "the quick brown fox jumps over the lazy dog, again and again and again";
    set s = parse("qwen2", GLIM_CHAT_NONE, "x.txt", text, (glim_data_params){.max_tokens = 7}), whole = parse("qwen2", GLIM_CHAT_NONE, "x.txt", text, (glim_data_params){0});
    glim_example all, e;
    CHECK(glim_dataset_n(whole.d) == 1 && glim_dataset_example(whole.d, 0, &all) == GLIM_OK);
    size_t at = 0, targets = 0;
    for (size_t i = 0; i < glim_dataset_n(s.d); i++) {
        CHECK(glim_dataset_example(s.d, i, &e) == GLIM_OK && e.n <= 7 && !e.loss[0]);
        CHECK(memcmp(e.tokens, all.tokens + at, e.n * sizeof *e.tokens) == 0);
        for (size_t k = 1; k < e.n; k++) targets += e.loss[k];
        at += e.n - 1;
    }
    CHECK(at + 1 == all.n && targets == all.n - 1);
    size_t line = 9;
    CHECK(glim_dataset_split_rows(s.d, &line) == 1 && line == 1 && glim_dataset_split_rows(whole.d, &line) == 0);
    done(&s);
    s = parse("qwen2", GLIM_CHAT_NONE, "x.jsonl", "{\"text\":\"one\"}\n{\"text\":\"the quick brown fox jumps\"}\n{\"text\":\"over the lazy dog again\"}\n",
              (glim_data_params){.max_tokens = 7});
    CHECK(glim_dataset_split_rows(s.d, &line) == 2 && line == 2); /* the first of them is named */
    done(&s);
    done(&whole);
    s = parse("qwen2", GLIM_CHAT_NONE, "x.jsonl", "{\"text\":\"one\"}\n{\"text\":\"two\"}\n", (glim_data_params){0});
    CHECK(glim_dataset_n(s.d) == 2 && s.r.format == GLIM_DATA_TEXT && glim_dataset_line(s.d, 1) == 2);
    done(&s);
}

/* ---- limits ---- */

TEST(long_rows_are_cut_dropped_or_refused_as_asked) {
    const char *row = "{\"messages\":[{\"role\":\"user\",\"content\":\"aaaa bbbb cccc dddd eeee ffff\"},{\"role\":\"assistant\",\"content\":\"zz yy\"}]}\n"
                      "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}";
    set s = parse("glm4", GLIM_CHAT_GLM4_9B, "x.jsonl", row, (glim_data_params){.max_tokens = 12, .cut = GLIM_CUT_START});
    glim_example e;
    CHECK(glim_dataset_n(s.d) == 2 && s.r.n_cut == 1 && glim_dataset_example(s.d, 0, &e) == GLIM_OK && e.n == 12);
    CHECK(strncmp(marked(&s, 0), "[gMASK]<sop>", 12) == 0);
    CHECK(strstr(s.text, "<|assistant|>⟦\nzz yy<|user|>⟧"));
    done(&s);
    s = parse("glm4", GLIM_CHAT_GLM4_9B, "x.jsonl", row, (glim_data_params){.max_tokens = 12, .cut = GLIM_CUT_DROP});
    CHECK(glim_dataset_n(s.d) == 1 && s.r.n_dropped == 1 && s.r.n_bad == 0);
    done(&s);
    s = parse("glm4", GLIM_CHAT_GLM4_9B, "x.jsonl", row, (glim_data_params){.max_tokens = 12, .skip_bad = true});
    CHECK(glim_dataset_n(s.d) == 1 && s.r.n_bad == 1 && s.r.bad[0].line == 1);
    CHECK(strstr(s.r.bad[0].reason, "nothing that counts in the loss is left"));
    done(&s);
    s = parse("glm4", GLIM_CHAT_GLM4_9B, "x.jsonl", row, (glim_data_params){.max_tokens = 12, .cut = GLIM_CUT_REFUSE, .skip_bad = true});
    CHECK(glim_dataset_n(s.d) == 1 && strstr(s.r.bad[0].reason, "want at most 12"));
    done(&s);
}

/* ---- refusals ---- */

TEST(all_bad_rows_are_counted_and_the_first_named_by_line_and_reason) {
    const char *rows = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n"
                       "not json\n\n"
                       "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n"
                       "{\"messages\":[{\"role\":\"robot\",\"content\":\"a\"}]}\n"
                       "[1]\n"
                       "{\"messages\":7}\n";
    glim_tok *tok = open_tok("glm4");
    glim_dataset *d;
    glim_data_report r;
    glim_err err = {0};
    glim_data_params p = {.tok = tok, .chat = GLIM_CHAT_GLM4_9B, .max_listed = 4};
    CHECK(glim_dataset_parse(&d, "x.jsonl", rows, strlen(rows), &p, &r, &err) == GLIM_E_FORMAT);
    CHECK(!d && r.n_rows == 6 && r.n_bad == 5 && r.n_listed == 4);
    size_t lines[] = {2, 4, 5, 6};
    const char *why[] = {"JSON line 1", "no token counts in the loss", "messages[0]: \"role\": got \"robot\"", "got array, want an object"};
    for (size_t i = 0; i < 4; i++) CHECK_MSG(r.bad[i].line == lines[i] && strstr(r.bad[i].reason, why[i]), "line %zu: %s", r.bad[i].line, r.bad[i].reason);
    CHECK_MSG(strstr(err.msg, "5 of 6 rows cannot be used") && strstr(err.msg, "line 2:") && strstr(err.hint, "--skip-bad"), "%s", err.msg);
    glim_data_report_free(&r);
    glim_tok_free(tok);
}

TEST(each_shape_says_what_it_wants) {
    static const struct {
        glim_data_format f;
        glim_chat_kind k;
        const char *name, *text, *says;
    } cases[] = {
        {GLIM_DATA_CHAT, GLIM_CHAT_GLM4_9B, "x.jsonl", "{}", "\"messages\" is missing"},
        {GLIM_DATA_CHAT, GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"messages\":[],\"tools\":3}", "\"tools\": got integer"},
        {GLIM_DATA_CHAT, GLIM_CHAT_GLM4_9B, "x.jsonl",
         "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"weight\":2}]}", "\"weight\": want 0 or 1"},
        {GLIM_DATA_ALPACA, GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"instruction\":\"a\"}", "\"output\" is missing"},
        {GLIM_DATA_ALPACA, GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"instruction\":3,\"output\":\"a\"}", "\"instruction\": got integer, want a string"},
        {GLIM_DATA_ALPACA, GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"instruction\":\"a\",\"output\":\"a\",\"history\":[[1,2]]}", "\"history\"[0]"},
        {GLIM_DATA_SHAREGPT, GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"conversations\":[{\"from\":\"alien\",\"value\":\"a\"}]}", "\"from\": got \"alien\""},
        {GLIM_DATA_SHAREGPT, GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"conversations\":[{\"from\":\"function_call\",\"value\":\"{\"}]}",
         "\"conversations\"[0]: a function call: JSON"},
        {GLIM_DATA_PREFERENCE, GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"prompt\":\"a\",\"chosen\":\"b\"}", "\"rejected\" is missing"},
        {GLIM_DATA_PREFERENCE, GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"chosen\":\"b\",\"rejected\":\"c\"}", "do not begin alike"},
        {GLIM_DATA_PREFERENCE, GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"b\"}",
         "line 2: \"chosen\" and \"rejected\" are the same answer"},
        {GLIM_DATA_TEXT, GLIM_CHAT_NONE, "x.jsonl", "{\"text\":\"a b\"}\n{\"text\":1}", "\"text\": got integer"},
        {GLIM_DATA_TEXT, GLIM_CHAT_NONE, "x.txt", "", "the text is empty"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.dat", "hello", "the format could not be guessed"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.csv", "", "is empty, want a header"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.csv", "a,b\n1,2\n", "which are the prompt and the answer?"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.csv", "text,label\n1,2,3\n", "line 2: 3 cells, but the header has 2"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.csv", "text,label\n\"1,2\n", "line 2: the quoted cell that begins on line 2 has no closing"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.csv", "text,label\n\"1\"2,3\nok,ok\n", "line 2: cell 1 goes on behind its closing quote"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.csv", "text,label\nq,\n", "the answer is empty"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.csv", "text,label\n\u00e9\u00e9\xff,a\n", "not valid UTF-8"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.jsonl", "", "\"x.jsonl\" is empty"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.jsonl", "\n \r\n", "\"x.jsonl\" is empty"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.jsonl", "\n{\"text\":\"a\"},\n{\"text\":\"b\"},\n", "no row is a JSON object (line 2: JSON"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.jsonl", "{\"text\":NaN}\n", "no row is a JSON object (line 1: JSON"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.jsonl", "\x1f\x8b\x08", "compressed with gzip"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.xlsx", "PK\x03\x04rest", "a workbook"},
        {GLIM_DATA_GUESS, GLIM_CHAT_NONE, "x.csv", "text,label\n\xb1\xb1,a\n", "not UTF-8"},
        {GLIM_DATA_CHAT, GLIM_CHAT_GLM4_9B, "x.json", "[{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}", "the array is not closed"},
        {GLIM_DATA_CHAT, GLIM_CHAT_NONE, "x.jsonl", TWO_TURNS, "without a chat template"},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_tok *tok = open_tok("glm4");
        glim_dataset *d;
        glim_data_report r;
        glim_err err = {0};
        glim_data_params p = {.tok = tok, .chat = cases[i].k, .format = cases[i].f};
        glim_status rc = glim_dataset_parse(&d, cases[i].name, cases[i].text, strlen(cases[i].text), &p, &r, &err);
        CHECK_MSG(rc != GLIM_OK && !d && strstr(err.msg, cases[i].says), "case %zu: %s", i, err.msg);
        glim_data_report_free(&r);
        glim_tok_free(tok);
    }
}

/* As spreadsheets of Chinese and Western Windows save them. */
TEST(rows_in_the_encodings_of_office_programs_are_the_same_rows) {
    static const char utf8[] = "问题,答案\n你好吗,很好\n几点开门,九点\n";
    static const char gbk[] = "\xce\xca\xcc\xe2,\xb4\xf0\xb0\xb8\n\xc4\xe3\xba\xc3\xc2\xf0,\xba\xdc\xba\xc3\n\xbc\xb8\xb5\xe3\xbf\xaa\xc3\xc5,\xbe\xc5\xb5\xe3\n";
    static const char utf16[] = "\xff\xfe\xee\x95\x98\x98,\0T{Hh\n\0`O}Y\x17T,\0\x88_}Y\n\0\xe0Q\xb9p\0_\xe8\x95,\0]N\xb9p\n"; /* its last zero is the string's */
    static const struct {
        const char *text, *says;
        size_t n;
    } files[] = {{utf8, "columns' names)", sizeof utf8 - 1}, {gbk, ", from gb18030", sizeof gbk - 1}, {utf16, ", from utf-16le", sizeof utf16}};
    glim_tok *tok = open_tok("glm4");
    char hash[65] = "";
    for (size_t i = 0; i < GLIM_COUNT(files); i++) {
        glim_dataset *d;
        glim_data_report r;
        glim_err err = {0};
        glim_data_params p = {.tok = tok, .chat = GLIM_CHAT_GLM4_9B};
        CHECK_OK(glim_dataset_parse(&d, "x.csv", files[i].text, files[i].n, &p, &r, &err), err);
        CHECK_MSG(glim_dataset_n(d) == 2 && strstr(r.how, files[i].says), "case %zu: %s", i, r.how);
        if (i == 0) memcpy(hash, glim_dataset_hash(d), sizeof hash);
        CHECK_MSG(strcmp(hash, glim_dataset_hash(d)) == 0, "case %zu has other tokens", i);
        glim_data_report_free(&r);
        glim_dataset_free(d);
    }
    glim_tok_free(tok);
}

/* Not a sign that the file as a whole is in another encoding. */
TEST(a_bad_byte_among_many_rows_is_that_rows_fault) {
    static const char *const bad[] = {"\x81", "\xff", "\xc4\xe3\xba\xc3"}; /* the last is GB18030 */
    glim_tok *tok = open_tok("glm4");
    for (size_t i = 0; i < GLIM_COUNT(bad); i++) {
        glim_buf b = {0};
        glim_dataset *d;
        glim_data_report r;
        glim_err err = {0};
        for (int k = 0; k < 60; k++)
            glim_buf_printf(&b, "{\"prompt\": \"row %d%s\", \"completion\": \"fine\"}\n", k, k == 40 ? bad[i] : "");
        glim_data_params p = {.tok = tok, .skip_bad = true};
        CHECK_OK(glim_dataset_parse(&d, "x.jsonl", glim_buf_cstr(&b), b.len, &p, &r, &err), err);
        CHECK_MSG(glim_dataset_n(d) == 59 && r.n_bad == 1 && !strstr(r.how, "from"), "case %zu: %zu examples, %zu bad, %s", i, glim_dataset_n(d), r.n_bad, r.how);
        glim_data_report_free(&r);
        glim_dataset_free(d);
        glim_buf_free(&b);
    }
    glim_tok_free(tok);
}

TEST(a_template_with_an_unknown_column_is_refused_before_any_row) {
    glim_tok *tok = open_tok("glm4");
    glim_dataset *d;
    glim_err err = {0};
    glim_data_params p = {.tok = tok, .prompt = "{nope}", .answer = "{label}"};
    CHECK(glim_dataset_parse(&d, "x.csv", "text,label\na,b\n", 15, &p, NULL, &err) == GLIM_E_ARG);
    CHECK_MSG(strstr(err.msg, "{nope}") && strstr(err.msg, "{text}, {label}"), "%s", err.msg);
    glim_tok_free(tok);
}

TEST(a_refused_allocation_leaves_nothing_behind) {
    glim_tok *tok = open_tok("glm4");
    glim_data_params p = {.tok = tok, .chat = GLIM_CHAT_GLM4_9B};
    size_t refused = 0;
    for (long k = 1; k < 60; k++) {
        glim_dataset *d;
        glim_data_report r;
        glim_err err = {0};
        glim_alloc_fail_after(k);
        glim_status rc = glim_dataset_parse(&d, "x.jsonl", TWO_TURNS "\nbad\n", strlen(TWO_TURNS) + 5, &p, &r, &err);
        glim_alloc_fail_after(0);
        refused += rc == GLIM_E_NOMEM;
        CHECK(rc != GLIM_OK && !d);
        glim_data_report_free(&r);
    }
    CHECK(refused > 0);
    glim_tok_free(tok);
}

/* ---- order, hash, inspector ---- */

TEST(shuffles_are_permutations_that_depend_on_seed_and_epoch) {
    size_t a[100], b[100], c[100], seen[100] = {0};
    glim_data_shuffle(a, 100, 7, 0);
    glim_data_shuffle(b, 100, 7, 0);
    glim_data_shuffle(c, 100, 7, 1);
    CHECK(memcmp(a, b, sizeof a) == 0 && memcmp(a, c, sizeof a) != 0);
    glim_data_shuffle(b, 100, 8, 0);
    CHECK(memcmp(a, b, sizeof a) != 0);
    for (size_t i = 0; i < 100; i++) seen[a[i]]++;
    for (size_t i = 0; i < 100; i++) CHECK(seen[i] == 1);
    /* All 24 orders of four come about equally often: 10,000 epochs, 417 each, sd 20. */
    size_t count[256] = {0}, kinds = 0;
    for (uint64_t e = 0; e < 10000; e++) {
        glim_data_shuffle(a, 4, 1, e);
        count[a[0] * 64 + a[1] * 16 + a[2] * 4 + a[3]]++;
    }
    for (size_t i = 0; i < 256; i++)
        if (count[i]) {
            kinds++;
            CHECK(count[i] > 300 && count[i] < 540);
        }
    CHECK(kinds == 24);
}

TEST(a_split_keeps_order_and_loses_nothing) {
    size_t o[10], n_eval, seen[10] = {0};
    glim_data_split(o, 10, 0.3, 5, &n_eval);
    CHECK(n_eval == 3);
    for (size_t i = 0; i < 10; i++) seen[o[i]]++;
    for (size_t i = 0; i < 10; i++) CHECK(seen[i] == 1);
    CHECK(o[0] < o[1] && o[1] < o[2] && o[3] < o[4] && o[8] < o[9]);
    glim_data_split(o, 10, 0.001, 5, &n_eval);
    CHECK(n_eval == 1);
    glim_data_split(o, 1, 0.5, 5, &n_eval);
    CHECK(n_eval == 0);
    glim_data_split(o, 0, 0.5, 5, &n_eval);
    CHECK(n_eval == 0);
}

TEST(the_hash_is_of_tokens_and_masks) {
    set a = parse("glm4", GLIM_CHAT_GLM4_9B, "x.jsonl", TWO_TURNS, (glim_data_params){0}),
        b = parse("glm4", GLIM_CHAT_GLM4_9B, "y.jsonl", TWO_TURNS "\n", (glim_data_params){0}),
        c = parse("glm4", GLIM_CHAT_GLM4_9B, "x.jsonl", TWO_TURNS, (glim_data_params){.loss = GLIM_LOSS_LAST});
    CHECK(strlen(glim_dataset_hash(a.d)) == 64);
    CHECK_STR(glim_dataset_hash(a.d), glim_dataset_hash(b.d));
    CHECK(strcmp(glim_dataset_hash(a.d), glim_dataset_hash(c.d)) != 0);
    glim_example e;
    glim_dataset *copy;
    glim_err err = {0};
    CHECK(glim_dataset_example(a.d, 0, &e) == GLIM_OK);
    CHECK_OK(glim_dataset_from_examples(&copy, &e, 1, &err), err);
    CHECK_STR(glim_dataset_hash(copy), glim_dataset_hash(a.d));
    glim_dataset_free(copy);
    done(&a);
    done(&b);
    done(&c);
}

TEST(the_inspector_shows_each_token_with_its_mask) {
    set s = parse("glm4", GLIM_CHAT_GLM4_9B, "x.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\\u0007\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
                  (glim_data_params){0});
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    glim_err err = {0};
    CHECK_OK(glim_dataset_inspect(s.d, s.tok, 0, f, false, &err), err);
    CHECK(glim_dataset_inspect(s.d, s.tok, 1, f, false, &err) == GLIM_E_ARG);
    fclose(f);
    CHECK_MSG(strstr(text, "example 0 (line 1): ") && strstr(text, " + \"\\n\"\n") && strstr(text, "   <|assistant|>\n") &&
                  strstr(text, "\\x07") && strstr(text, "<|assistant|>⟦\nb<|user|>⟧"), "%s", text);
    free(text);
    glim_buf b = {0};
    glim_dataset_summary(&s.r, &b);
    CHECK(strstr(b.s, "1 examples") && strstr(b.s, "read as chat (guessed)"));
    glim_buf_free(&b);
    done(&s);
}
