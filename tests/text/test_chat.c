/* Chat templates: the strings that the published templates give, through tests/templates/<name>.json
 * (tools/oracle/make_templates.py), and what is a control token in them. */
#include "text/chat.h"

#include <stdlib.h>

#include "base/file.h"
#include "test.h"

static glim_buf g_line; /* static: lives across the longjmp of a failed check */

/* jansson holds 64-bit integers; the cases have one larger. Replacing it everywhere keeps the rest of the case. */
static void fit_integers(glim_buf *line) {
    static const char big[] = "12345678901234567890", fits[] = "1234567890123456789";
    for (char *at; line->len && (at = strstr(line->s, big));) {
        memmove(at + strlen(fits), at + strlen(big), strlen(at + strlen(big)) + 1);
        memcpy(at, fits, strlen(fits));
        line->len -= strlen(big) - strlen(fits);
    }
}

static glim_chat_options options_of(const json_t *o) {
    const json_t *prompt = json_object_get(o, "add_generation_prompt"),
                 *think = json_object_get(o, "enable_thinking"), *clear = json_object_get(o, "clear_thinking");
    return (glim_chat_options){.no_generation_prompt = json_is_false(prompt),
                               .thinking = json_is_true(think) ? 1 : json_is_false(think) ? -1 : 0,
                               .keep_thinking = json_is_false(clear)};
}

static size_t run_cases(const char *name, const json_t *cases) {
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const char *what = json_string_value(json_object_get(c, "name"));
        const char *want = json_string_value(json_object_get(c, "expected"));
        glim_chat_kind k = GLIM_CHAT_NONE;
        CHECK(glim_chat_parse(json_string_value(json_object_get(c, "template")), &k));
        glim_chat_options opt = options_of(json_object_get(c, "options"));
        glim_prompt p = {0};
        glim_err err = {0};
        glim_status rc = glim_chat_render(&p, k, json_object_get(c, "messages"), json_object_get(c, "tools"),
                                          &opt, &err);
        CHECK_MSG(rc == GLIM_OK, "%s: %s", what, err.msg);
        CHECK_MSG(p.text.len == strlen(want) && memcmp(glim_buf_cstr(&p.text), want, p.text.len) == 0,
                  "%s:\n  got  %s\n  want %s", what, glim_buf_cstr(&p.text), want);
        size_t at = 0;
        for (size_t j = 0; j < p.n_control; j++) {
            CHECK_MSG(p.control[j].begin >= at && p.control[j].end > p.control[j].begin, "%s: span %zu", what, j);
            at = p.control[j].end;
        }
        CHECK(at <= p.text.len);
        glim_prompt_free(&p);
    }
    (void)name;
    return json_array_size(cases);
}

static void run_file(const char *name, size_t at_least) {
    char path[128];
    snprintf(path, sizeof path, "tests/templates/%s.json", name);
    glim_err err = {0};
    glim_buf_clear(&g_line);
    CHECK_OK(glim_file_read(&g_line, glim_test_source(path), 1 << 24, &err), err);
    fit_integers(&g_line);
    json_t *cases;
    CHECK_OK(glim_json_parse(&cases, g_line.s, g_line.len, 0, &err), err);
    size_t n = run_cases(name, cases);
    printf("    %s: %zu conversations byte-equal\n", name, n);
    CHECK(n >= at_least);
    json_decref(cases);
    glim_buf_free(&g_line);
}

TEST(glm_45_prompts_equal_the_published_template) { run_file("glm-4.5", 35); }
TEST(glm_47_prompts_equal_the_published_template) { run_file("glm-4.7", 35); }
TEST(glm_41v_prompts_equal_the_published_template) { run_file("glm-4.1v", 14); }
TEST(qwen_prompts_equal_the_published_template) { run_file("chatml", 13); }
TEST(glm_4_9b_chat_prompts_follow_the_facts) { run_file("glm-4-9b-chat", 9); }
TEST(glm_4_0414_prompts_follow_the_facts) { run_file("glm-4-0414", 12); }
TEST(glm_z1_prompts_follow_the_facts) { run_file("glm-z1", 12); }
TEST(glm_edge_prompts_follow_the_facts) { run_file("glm-edge", 5); }
TEST(smollm2_prompts_equal_its_rendering) { run_file("smollm2", 9); }
TEST(llama_3_prompts_equal_its_rendering) { run_file("llama-3", 9); }
