/* cmd_intent.c - intents from examples: train, eval, ask. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "data/table.h"
#include "know/intent.h"
#include "know/sense.h"

typedef struct examples {
    glim_intent_example *v;
    size_t n, cap;
    glim_arena texts;
} examples;

static void free_examples(examples *x) {
    free(x->v);
    glim_arena_free(&x->texts);
}

static size_t find_column(const glim_table_row *head, const char *name) {
    for (size_t i = 0; i < head->n; i++)
        if (strcasecmp(head->cell[i].text, name) == 0) return i;
    return SIZE_MAX;
}

/* The columns "text" and "label"; where there are two columns and only "text" has its name, the other one is the label. */
static glim_status find_columns(const glim_table_row *head, size_t *text, size_t *label, glim_err *err) {
    *text = find_column(head, "text");
    *label = find_column(head, "label");
    if (*text != SIZE_MAX && *label == SIZE_MAX && head->n == 2) *label = 1 - *text;
    if (*text != SIZE_MAX && *label != SIZE_MAX) return GLIM_OK;
    glim_buf names = {0};
    for (size_t i = 0; i < head->n && i < 20; i++) glim_buf_printf(&names, "%s\"%s\"", i ? ", " : "", head->cell[i].text);
    glim_status rc = glim_fail(err, GLIM_E_FORMAT, "got the columns %s, want \"text\" and \"label\"", glim_buf_cstr(&names));
    glim_err_hint(err, "name them in the first row");
    glim_buf_free(&names);
    return rc;
}

static glim_status add_example(examples *x, const glim_table_row *row, size_t text, size_t label, glim_err *err) {
    const glim_cell *t = &row->cell[text], *l = &row->cell[label];
    if (x->n == x->cap) {
        glim_status rc = glim_try_grow(&x->v, &x->cap, 1024, sizeof *x->v, "examples", err);
        if (rc != GLIM_OK) return rc;
    }
    size_t a = 0, b = l->n;
    while (a < b && strchr(" \t", l->text[a])) a++;
    while (b > a && strchr(" \t", l->text[b - 1])) b--;
    char *text_copy = glim_arena_strndup(&x->texts, t->text, t->n), *label_copy = glim_arena_strndup(&x->texts, l->text + a, b - a);
    if (!text_copy || !label_copy) return glim_fail(err, GLIM_E_NOMEM, "could not allocate the texts of %zu examples", x->n);
    if (b == a) return glim_fail(err, GLIM_E_FORMAT, "line %zu: the label is empty", row->line);
    if (b - a > 1024) return glim_fail(err, GLIM_E_LIMIT, "line %zu: the label has %zu bytes, want at most 1024", row->line, b - a);
    x->v[x->n++] = (glim_intent_example){.text = text_copy, .n = t->n, .label = label_copy};
    return GLIM_OK;
}

static glim_status read_examples(examples *x, const char *path, glim_err *err) {
    glim_table *t;
    glim_table_row row;
    bool more;
    size_t text = 0, label = 0;
    glim_status rc = glim_table_open(&t, path, NULL, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_table_next(t, &row, &more, err);
    bool named = rc != GLIM_OK; /* the table's own errors name the file */
    if (rc == GLIM_OK && !more) rc = glim_fail(err, GLIM_E_FORMAT, "the file is empty");
    if (rc == GLIM_OK) rc = find_columns(&row, &text, &label, err);
    while (rc == GLIM_OK) {
        rc = glim_table_next(t, &row, &more, err);
        if (rc != GLIM_OK) named = true;
        if (rc != GLIM_OK || !more) break;
        if (text >= row.n || label >= row.n) rc = glim_fail(err, GLIM_E_FORMAT, "line %zu: the text or the label is missing", row.line);
        else rc = add_example(x, &row, text, label, err);
    }
    if (rc != GLIM_OK && !named) glim_err_context(err, "\"%s\"", path);
    glim_table_close(t);
    return rc;
}

static int train(int argc, char **argv) {
    const char *out = NULL;
    bool json = false;
    int64_t min_count = 0;
    const glim_flag own[] = {{"--out", "-o", GLIM_FLAG_STR, &out, "FILE", "where the model goes", 0, 0},
                             {"--min-count", NULL, GLIM_FLAG_INT, &min_count, "N", "words and n-grams of fewer examples count as unknown: a smaller file (default: none)", 1, 1000000},
                             {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0},
                             {0}};
    const glim_page u = {"glim intent train DATA.csv -o FILE",
                         "Learns intents from examples: a CSV or XLSX file with the columns text and label; the label oos means\n"
                         "that the sentence has none of them.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    examples x = {0};
    glim_intent *m = NULL;
    glim_intent_report r = {0};
    glim_status rc = GLIM_OK;
    if (!out) rc = glim_fail(&err, GLIM_E_ARG, "where should the model go? -o FILE");
    if (rc == GLIM_OK) rc = read_examples(&x, pos.v[0], &err);
    if (rc == GLIM_OK) {
        rc = glim_intent_train(&m, x.v, x.n, &(glim_intent_params){.min_count = (uint32_t)min_count}, &r, &err);
        if (rc != GLIM_OK) glim_err_context(&err, "\"%s\"", pos.v[0]);
    }
    if (rc == GLIM_OK) rc = glim_intent_save(m, out, &err);
    if (rc == GLIM_OK && json)
        printf("{\"examples\": %zu, \"labels\": %zu, \"oos\": %zu, \"features\": %zu, \"folds\": %zu, \"held_out\": %zu, "
               "\"held_out_accuracy\": %.6f, \"temperature\": %.6f, \"threshold\": %.6f, \"seconds\": %.3f}\n",
               r.n_examples, r.n_labels, r.n_oos, r.n_features, r.n_folds, r.n_held_out, r.held_out_accuracy, r.temperature, r.threshold,
               r.seconds);
    else if (rc == GLIM_OK)
        printf("%zu labels from %zu examples (%zu of them out of scope) in %.1f s; %.1f %% right on %zu held-out examples\n", r.n_labels,
               r.n_examples, r.n_oos, r.seconds, 100 * r.held_out_accuracy, r.n_held_out);
    glim_intent_free(m);
    free_examples(&x);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}

static int eval(int argc, char **argv) {
    bool json = false;
    const glim_flag own[] = {{"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout, with the confusions", 0, 0}, {0}};
    const glim_page u = {"glim intent eval FILE TEST.csv [--json]", "How often a model of intents is right, and whether it knows when.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    examples x = {0};
    glim_intent *m = NULL;
    glim_intent_figures f;
    glim_buf b = {0};
    glim_status rc = glim_intent_open(&m, pos.v[0], &err);
    if (rc == GLIM_OK) rc = read_examples(&x, pos.v[1], &err);
    if (rc == GLIM_OK) rc = glim_intent_eval(m, x.v, x.n, &f, json ? &b : NULL, &err);
    if (rc == GLIM_OK && json) puts(glim_buf_cstr(&b));
    else if (rc == GLIM_OK) {
        printf("accuracy %.2f %% of %zu, in scope %.2f %%, ", 100 * f.accuracy, f.n, 100 * f.in_scope_accuracy);
        if (f.n_oos) printf("out of scope refused %.2f %% of %zu, ", 100 * f.oos_recall, f.n_oos);
        printf("calibration error %.3f, %.0f us a text\n", f.ece, f.us_mean);
    }
    glim_buf_free(&b);
    glim_intent_free(m);
    free_examples(&x);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}

static int ask(int argc, char **argv) {
    const glim_flag own[] = {{0}};
    const glim_page u = {"glim intent ask FILE TEXT", "The intent of one sentence, as JSON.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_intent *m = NULL;
    glim_intent_work *w = NULL;
    glim_intent_guess g;
    glim_status rc = glim_intent_open(&m, pos.v[0], &err);
    if (rc == GLIM_OK && !(w = glim_intent_work_new(m, &err))) rc = err.code;
    if (rc == GLIM_OK) rc = glim_intent_ask(m, w, pos.v[1], strlen(pos.v[1]), &g, NULL, &err);
    if (rc == GLIM_OK) {
        glim_buf b = {0};
        glim_buf_puts(&b, "{\"label\": ");
        glim_json_put_str(&b, g.label, strlen(g.label));
        glim_buf_printf(&b, ", \"p\": %.4f, \"best\": ", (double)g.p);
        glim_json_put_str(&b, g.best, strlen(g.best));
        glim_buf_printf(&b, ", \"best_p\": %.4f}", (double)g.best_p);
        puts(glim_buf_cstr(&b));
        glim_buf_free(&b);
    }
    glim_intent_work_free(w);
    glim_intent_free(m);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}

static int attach(int argc, char **argv) {
    const char *out = NULL;
    bool force = false;
    const glim_flag own[] = {{"--out", "-o", GLIM_FLAG_STR, &out, "OUT.gguf", "where the model goes", 0, 0},
                             {"--force", NULL, GLIM_FLAG_BOOL, &force, NULL, "write over OUT.gguf if it is there; it may be MODEL.gguf itself", 0, 0}, {0}};
    const glim_page u = {"glim intent attach FILE MODEL.gguf -o OUT.gguf",
                         "Puts a model of intents into a language model's file, beside its weights: where a prompt offers labels, tools or\n"
                         "columns, `glim eval --constrain` and the service desk count both. Labels are KIND:MEANING with the kinds intent,\n"
                         "tool and column; one without a kind is an intent.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_status rc = out ? GLIM_OK : glim_fail(&err, GLIM_E_ARG, "where should the model go? -o OUT.gguf");
    if (rc == GLIM_OK && !force && glim_path_exists(out)) {
        rc = glim_fail(&err, GLIM_E_ARG, "\"%s\" exists", out);
        glim_err_hint(&err, "--force writes over it");
    }
    if (rc == GLIM_OK) rc = glim_senses_attach(pos.v[1], pos.v[0], out, &err);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}

int glim_cmd_intent(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"train", train}, {"eval", eval}, {"ask", ask}, {"attach", attach}};
    for (size_t i = 0; argc > 1 && i < GLIM_COUNT(verbs); i++)
        if (strcmp(argv[1], verbs[i].name) == 0) return verbs[i].run(argc - 1, argv + 1);
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (help) {
        printf("usage: glim intent train DATA.csv -o FILE\n       glim intent eval FILE TEST.csv [--json]\n       glim intent ask FILE TEXT\n"
               "       glim intent attach FILE MODEL.gguf -o OUT.gguf\n");
        return 0;
    }
    glim_err err;
    glim_fail(&err, GLIM_E_ARG, "intent: %s%s%s", argc > 1 ? "there is no verb \"" : "a verb is missing", argc > 1 ? argv[1] : "",
              argc > 1 ? "\"" : "");
    glim_err_hint(&err, "train, eval, ask and attach are known");
    return glim_cli_error(&err);
}
