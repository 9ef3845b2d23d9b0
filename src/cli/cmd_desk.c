/* cmd_desk.c - the service desk: init, ask, eval, schema, serve. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/shop.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/desk_model.h"
#include "data/table.h"
#include "know/library.h"

static int init(int argc, char **argv) {
    const char *library = NULL, *encoding = NULL, *found = NULL;
    const glim_flag own[] = {{"--library", NULL, GLIM_FLAG_STR, &library, "FILE", "your own products (CSV or XLSX) instead of the sample", 0, 0},
                             {"--encoding", NULL, GLIM_FLAG_STR, &encoding, "NAME", "of the CSV: utf-8, gb18030, big5, windows-1252, ... (default: what its text most likely is)", 0, 0},
                             {0}};
    const glim_page u = {"glim desk init TEMPLATE FOLDER", "Makes a service desk's folder out of a template: electronics, restaurant or hotel.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_shop *s = NULL;
    json_t *about = NULL;
    glim_status rc = glim_shop_init(pos.v[0], pos.v[1], library, encoding, &found, &err);
    if (rc == GLIM_OK) rc = glim_shop_open(&s, pos.v[1], &err);
    if (rc == GLIM_OK) rc = glim_shop_about(s, &about, &err);
    if (rc == GLIM_OK) {
        json_t *col;
        size_t i;
        printf("%s: %lld products, %lld notes\n", pos.v[1], (long long)json_integer_value(json_object_get(about, "rows")),
               (long long)json_integer_value(json_object_get(about, "notes")));
        if (found && (encoding || strcmp(found, "utf-8") != 0)) printf("%s was read as %s%s\n", library, found, encoding ? "" : ", by its text; --encoding names another");
        json_array_foreach(json_object_get(json_object_get(about, "schema"), "columns"), i, col)
            printf("  %-10s %s\n", json_string_value(json_object_get(col, "type")), json_string_value(json_object_get(col, "column")));
        printf("correct the columns in %s/schema.json, then: glim desk ask %s QUESTION\n", pos.v[1], pos.v[1]);
    }
    json_decref(about);
    glim_shop_close(s);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}

/* The language model of a desk, where one is named. */
static glim_status open_model(glim_engine **e, glim_desk_model *m, const char *path, const glim_model_flags *f, glim_err *err) {
    if (!path) return GLIM_OK;
    glim_status rc = glim_cli_open(e, path, f, 0, true, err);
    return rc == GLIM_OK ? glim_desk_model_open(m, *e, err) : rc;
}

#define MODEL_FLAG(dst) {"--model", "-m", GLIM_FLAG_STR, dst, "MODEL", "a language model that phrases the answers (default: none)", 0, 0}

static int ask(int argc, char **argv) {
    const char *row = NULL, *model = NULL;
    bool json = false;
    glim_model_flags mf = {0};
    glim_engine *e = NULL;
    glim_desk_model m = {0};
    const glim_flag own[] = {{"--row", NULL, GLIM_FLAG_STR, &row, "ID", "the product the customer looks at", 0, 0},
                             {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout, with the rows", 0, 0},
                             MODEL_FLAG(&model),
                             {0}};
    const glim_flag how[] = {GLIM_MODEL_FLAGS(&mf), {0}};
    const glim_page u = {"glim desk ask FOLDER QUESTION", "Answers one question from a desk's library, with the ids of the rows behind the answer.", {own, how}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_shop *s = NULL;
    glim_shop_answer a = {0};
    glim_shop_question q = {.text = pos.v[1], .n = strlen(pos.v[1]), .row = row};
    glim_status rc = glim_shop_open(&s, pos.v[0], &err);
    if (rc == GLIM_OK) rc = open_model(&e, &m, model, &mf, &err);
    if (m.e) q.model = &m.shop;
    if (rc == GLIM_OK) rc = glim_shop_ask(s, &q, &a, &err);
    if (rc == GLIM_OK && json) {
        glim_buf b = {0};
        glim_shop_answer_json(&b, q.text, q.n, &a);
        puts(glim_buf_cstr(&b));
        glim_buf_free(&b);
    } else if (rc == GLIM_OK) {
        puts(glim_buf_cstr(&a.text));
        fprintf(stderr, "%s by %s", glim_shop_status_name(a.status), glim_shop_part_name(a.part));
        if (a.phrased) fprintf(stderr, " from what the %s found", glim_shop_part_name(a.found));
        if (a.intent[0]) fprintf(stderr, ", intent %s %.2f", a.intent, (double)a.p);
        if (a.filter.len) fprintf(stderr, ", %s", a.filter.s);
        if (a.handover) fprintf(stderr, ", handed over as %llu", (unsigned long long)a.handover);
        fprintf(stderr, ", %.1f ms", a.ms);
        if (a.n_asked) fprintf(stderr, " and %.1f ms of the model (%zu tokens at %.0f tokens/s%s)", a.model_ms, a.n_tokens, (double)a.n_tokens / a.decode_s, a.unchecked_dropped ? "; not shown: the rows do not bear it out" : "");
        fputc('\n', stderr);
    }
    glim_shop_answer_deinit(&a);
    glim_desk_model_close(&m);
    glim_engine_free(e);
    glim_shop_close(s);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}

static int eval(int argc, char **argv) {
    bool json = false;
    const char *model = NULL;
    glim_model_flags mf = {0};
    glim_engine *e = NULL;
    glim_desk_model m = {0};
    const glim_flag own[] = {{"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout, with the wrong answers", 0, 0}, MODEL_FLAG(&model), {0}};
    const glim_flag how[] = {GLIM_MODEL_FLAGS(&mf), {0}};
    const glim_page u = {"glim desk eval FOLDER", "Asks the template's evaluation set and compares with its pass mark; exit code 1 where it is missed.", {own, how}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_shop *s = NULL;
    glim_buf b = {0};
    bool passed = false;
    glim_status rc = glim_shop_open(&s, pos.v[0], &err);
    if (rc == GLIM_OK) rc = open_model(&e, &m, model, &mf, &err);
    if (rc == GLIM_OK) rc = glim_shop_eval(s, m.e ? &m.shop : NULL, &b, &passed, &err);
    if (rc == GLIM_OK && json) puts(glim_buf_cstr(&b));
    else if (rc == GLIM_OK) {
        json_t *o = NULL, *w;
        size_t i;
        rc = glim_json_parse(&o, b.s, b.len, 16, &err);
        if (rc == GLIM_OK) {
            printf("%s: %.1f %% of %lld answers right (wanted %.1f), recall@5 %.1f %% of %lld (wanted %.1f), %.2f ms a question\n", passed ? "passed" : "failed",
                   100 * json_number_value(json_object_get(o, "answers")), (long long)json_integer_value(json_object_get(o, "questions")),
                   100 * json_number_value(json_object_get(o, "want_answers")), 100 * json_number_value(json_object_get(o, "recall_at_5")),
                   (long long)json_integer_value(json_object_get(o, "find_questions")), 100 * json_number_value(json_object_get(o, "want_recall_at_5")),
                   json_number_value(json_object_get(o, "ms_mean")));
            if (m.e)
                printf("  the model phrased %lld answers, %lld of its sentences were not shown; it confirmed %lld intents\n", (long long)json_integer_value(json_object_get(o, "phrased")),
                       (long long)json_integer_value(json_object_get(o, "dropped")), (long long)json_integer_value(json_object_get(o, "seconded")));
            json_array_foreach(json_object_get(o, "wrong"), i, w) {
                const char *answer = json_string_value(json_object_get(w, "answer"));
                printf("  wrong: %s%s%s\n", json_string_value(json_object_get(w, "q")), answer ? " -> " : "", answer ? answer : "");
            }
        }
        json_decref(o);
    }
    glim_buf_free(&b);
    glim_desk_model_close(&m);
    glim_engine_free(e);
    glim_shop_close(s);
    if (rc != GLIM_OK) return glim_cli_error(&err);
    return passed ? 0 : GLIM_EXIT_FAIL;
}

static int schema(int argc, char **argv) {
    const char *encoding = NULL, *found = NULL;
    const glim_flag own[] = {{"--encoding", NULL, GLIM_FLAG_STR, &encoding, "NAME", "of the CSV: utf-8, gb18030, big5, windows-1252, ... (default: what its text most likely is)", 0, 0}, {0}};
    const glim_page u = {"glim desk schema FILE", "The types that the columns of a CSV or XLSX file seem to have, as a schema.json to correct.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    json_t *o = NULL;
    glim_lib *l = NULL;
    glim_buf bytes = {0}, utf8 = {0};
    glim_status rc = encoding ? glim_file_read(&bytes, pos.v[0], (size_t)1 << 30, &err) : glim_lib_guess(&o, pos.v[0], &err);
    if (rc == GLIM_OK && encoding) rc = glim_table_utf8(&utf8, &found, glim_buf_cstr(&bytes), bytes.len, encoding, &err);
    if (rc == GLIM_OK && encoding && !found) rc = glim_fail(&err, GLIM_E_ARG, "\"%s\" is a workbook and has no encoding to name", pos.v[0]);
    if (rc == GLIM_OK && encoding) rc = glim_lib_guess_bytes(&o, pos.v[0], glim_buf_cstr(&utf8), utf8.len, &err);
    if (rc == GLIM_OK) rc = encoding ? glim_lib_parse(&l, pos.v[0], glim_buf_cstr(&utf8), utf8.len, o, &err) : glim_lib_open(&l, pos.v[0], o, &err); /* it holds for every row */
    glim_buf_free(&bytes);
    glim_buf_free(&utf8);
    if (rc == GLIM_OK) {
        glim_buf b = {0};
        glim_json_dump_py(&b, o, 1, false);
        puts(glim_buf_cstr(&b));
        glim_buf_free(&b);
    }
    json_decref(o);
    glim_lib_free(l);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}

/* glim serve --desk FOLDER, with whatever follows. */
static int serve(int argc, char **argv) {
    glim_err err = {0};
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (argc < 2 || (argv[1][0] == '-' && !help)) {
        glim_fail(&err, GLIM_E_ARG, "desk serve: the desk's folder is missing");
        glim_err_hint(&err, "glim desk serve FOLDER [MODEL] [--port N ...]; `glim serve --help` shows the flags");
        return glim_cli_error(&err);
    }
    char **words = glim_xcalloc((size_t)argc + 3, sizeof *words), verb[] = "serve", desk[] = "--desk";
    int n = 0;
    words[n++] = verb;
    if (!help) words[n++] = desk;
    for (int i = 1; i < argc; i++) words[n++] = argv[i];
    int rc = glim_cmd_serve(n, words);
    free(words);
    return rc;
}

int glim_cmd_desk(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"init", init}, {"ask", ask}, {"eval", eval}, {"schema", schema}, {"serve", serve}};
    for (size_t i = 0; argc > 1 && i < GLIM_COUNT(verbs); i++)
        if (strcmp(argv[1], verbs[i].name) == 0) return verbs[i].run(argc - 1, argv + 1);
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("usage: glim desk init TEMPLATE FOLDER [--library FILE [--encoding NAME]]\n       glim desk ask FOLDER QUESTION [--row ID] [--model MODEL] [--json]\n"
             "       glim desk eval FOLDER [--model MODEL] [--json]\n       glim desk schema FILE\n       glim desk serve FOLDER [MODEL]   answers over HTTP, with a page");
        return 0;
    }
    glim_err err;
    glim_fail(&err, GLIM_E_ARG, "desk: %s%s%s", argc > 1 ? "there is no verb \"" : "a verb is missing", argc > 1 ? argv[1] : "", argc > 1 ? "\"" : "");
    glim_err_hint(&err, "init, ask, eval, schema and serve are known");
    return glim_cli_error(&err);
}
