/* The model inside the program: the file that is compiled in here opens like the file itself. */
#undef GLIM_INNER_FILE
#define GLIM_INNER_FILE GLIM_SOURCE_DIR "/tests/fixtures/gguf/llama.gguf"
#include "../../src/cli/inner.c"

#include <string.h>

#include "engine/engine.h"
#include "test.h"

static const int32_t prompt[] = {1, 5, 9, 17, 33, 12};

static void answer(glim_ids *out, const char *path) {
    glim_engine *e;
    glim_err err = {0};
    glim_session s = {0};
    glim_gen_result r = {0};
    CHECK_OK(glim_engine_open(&e, path, &(glim_engine_params){.n_threads = 1}, &err), err);
    CHECK_OK(glim_session_open(&s, e, &err), err);
    CHECK_OK(glim_session_generate(&s, prompt, GLIM_COUNT(prompt), &(glim_gen_params){.max_tokens = 12, .ignore_stop_ids = true}, &r, &err), err);
    for (size_t i = 0; i < r.ids.n; i++) CHECK_OK(glim_ids_push(out, r.ids.v[i], &err), err);
    glim_gen_result_free(&r);
    glim_session_close(&s);
    glim_engine_free(e);
}

TEST(the_inner_model_answers_as_its_file_does_and_can_be_opened_again) {
    glim_ids a = {0}, b = {0}, c = {0};
    glim_inner_register();
    answer(&a, GLIM_INNER_FILE);
    answer(&b, GLIM_INNER_NAME);
    answer(&c, GLIM_INNER_NAME); /* its pages were dropped meanwhile */
    CHECK(a.n == 12);
    size_t n;
    const char *bytes = glim_ckpt_builtin_bytes(GLIM_INNER_NAME, &n);
    CHECK(bytes && n > 100000 && memcmp(bytes, "GGUF", 4) == 0 && !glim_ckpt_builtin_bytes(GLIM_INNER_FILE, &n));
    CHECK(b.n == a.n && c.n == a.n);
    CHECK(a.n && memcmp(a.v, b.v, a.n * sizeof *a.v) == 0 && memcmp(a.v, c.v, a.n * sizeof *a.v) == 0);
    glim_ids_free(&a);
    glim_ids_free(&b);
    glim_ids_free(&c);
}

TEST(what_is_named_goes_first_and_nothing_named_is_the_inner_model) {
    glim_err err = {0};
    const char *path = NULL;
    unsetenv("GLIM_INNER_MODEL");
    CHECK_OK(glim_inner_or(&path, "a.gguf", "run", &err), err);
    CHECK_STR(path, "a.gguf");
    CHECK_OK(glim_inner_or(&path, NULL, "run", &err), err);
    CHECK_STR(path, GLIM_INNER_NAME);
    setenv("GLIM_INNER_MODEL", "b.gguf", 1);
    CHECK_OK(glim_inner_or(&path, NULL, "run", &err), err);
    CHECK_STR(path, "b.gguf");
    setenv("GLIM_INNER_MODEL", "", 1);
    CHECK(glim_inner_or(&path, NULL, "run", &err) == GLIM_E_ARG);
    CHECK(strstr(err.msg, "run: no model is named") && err.hint[0]);
}
