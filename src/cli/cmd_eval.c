/* cmd_eval.c - how well a model does the rows of a file, before and after an adapter.
 *
 *   glim eval MODEL DATA [--adapter DIR]
 *
 * Rows are read as `glim tune` reads them (train/data_set.h), so what is measured is what was trained. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/folder.h"
#include "cli/progress.h"
#include "know/sense.h"
#include "train/data_answer.h"
#include "train/data_eval.h"

enum { MAX_LABELS = 1024, AUTO_LABELS = 256 };

typedef struct eval_flags {
    const char *adapter, *format, *prompt, *answer, *system, *labels_from, *loss, *thinking;
    int64_t max_tokens, rows;
    bool raw, skip_bad, classify, no_classify, constrain, no_senses, only_adapter, json;
} eval_flags;

typedef struct side {
    bool there, labelled, answered;
    glim_eval_scores s;
    glim_eval_labels l;
    glim_eval_answers c; /* under constraint */
    double seconds;
} side;

static bool on_examples(void *ctx, size_t done, size_t total) {
    glim_progress_tell(ctx, done, total, -1, NULL);
    return !glim_cli_interrupt_pending();
}

/* What is asked for must have an effect. */
static glim_status check_flags(const eval_flags *f, glim_err *err) {
    if (f->only_adapter && !f->adapter) return glim_fail(err, GLIM_E_ARG, "--only-adapter wants an --adapter DIR");
    if (f->no_senses && !f->constrain) return glim_fail(err, GLIM_E_ARG, "--no-senses leaves something out of --constrain only: want that too");
    if (f->no_classify && (f->classify || f->labels_from)) return glim_fail(err, GLIM_E_ARG, "--no-classify beside %s: want one of them", f->classify ? "--classify" : "--labels-from");
    return GLIM_OK;
}

static glim_status read_params(glim_data_params *p, const eval_flags *f, const glim_engine *e, glim_err *err) {
    *p = (glim_data_params){.tok = e->tok, .config = &e->model->cfg, .chat = f->raw ? GLIM_CHAT_NONE : e->chat, .prompt = f->prompt,
                            .answer = f->answer, .system = f->system, .max_tokens = (size_t)f->max_tokens, .max_rows = (size_t)f->rows,
                            .skip_bad = f->skip_bad};
    if (f->format && !glim_data_format_parse(f->format, &p->format))
        return glim_fail(err, GLIM_E_ARG, "--format: got \"%s\", want one of: %s", f->format, glim_data_format_names());
    if (f->loss) {
        static const char *const names[] = {"answers", "last", "label", "all"};
        size_t i = 0;
        while (i < GLIM_COUNT(names) && strcmp(f->loss, names[i]) != 0) i++;
        if (i == GLIM_COUNT(names)) return glim_fail(err, GLIM_E_ARG, "--loss: got \"%s\", want answers, last, label or all", f->loss);
        p->loss = (glim_data_loss)i;
    }
    return glim_cli_rows_thinking(&p->options.thinking, f->thinking, p->chat, err);
}

/* ---- labels ---- */

/* Whether the answers look like labels: few different ones, each several times. */
static bool look_like_labels(const glim_labels *l, const glim_dataset *d) { return l->n >= 2 && 2 * l->n <= glim_dataset_n(d); }

static glim_status find_labels(glim_labels *l, bool *use, const glim_dataset *d, const eval_flags *f, const glim_data_params *p, glim_err *err) {
    bool asked = f->classify || f->labels_from;
    *use = false;
    if (f->no_classify) return GLIM_OK;
    glim_status rc = GLIM_OK;
    if (f->labels_from) {
        glim_dataset *more = NULL;
        glim_data_params q = *p;
        q.max_rows = 0;
        rc = glim_dataset_open(&more, f->labels_from, &q, NULL, err);
        if (rc == GLIM_OK) rc = glim_labels_add(l, more, p->tok, MAX_LABELS, err);
        glim_dataset_free(more);
    }
    if (rc == GLIM_OK) rc = glim_labels_add(l, d, p->tok, asked ? MAX_LABELS : AUTO_LABELS, asked ? err : NULL);
    if (rc == GLIM_E_LIMIT && !asked) return GLIM_OK;
    *use = rc == GLIM_OK && (asked || look_like_labels(l, d));
    return rc;
}

/* Said, not refused: of labels that were trained so the figure is what it is. */
static void tell_beginning(const glim_labels *l) {
    size_t a, b;
    glim_buf t = {0};
    if (!glim_labels_begin(l, &a, &b)) return;
    glim_buf_puts(&t, "warning: label \"");
    glim_cli_printable(&t, l->text[a], strlen(l->text[a]));
    glim_buf_puts(&t, "\" is the beginning of \"");
    glim_cli_printable(&t, l->text[b], strlen(l->text[b]));
    glim_buf_puts(&t, "\" and always likelier where the token that ends an answer does not count: --loss last, in training too, tells them apart");
    fprintf(stderr, "%s\n", glim_buf_cstr(&t));
    glim_buf_free(&t);
}

/* ---- measuring ---- */

static glim_status measure(side *out, glim_engine *e, const glim_dataset *d, const glim_labels *l, const glim_answers *answers, const glim_adapter *a,
                           const char *what, glim_err *err) {
    double t0 = glim_now_s();
    glim_progress *bar = glim_progress_begin(what, glim_dataset_n(d), GLIM_PROGRESS_COUNT);
    glim_eval_params p = {.adapter = a, .progress = on_examples, .progress_ctx = bar};
    glim_status rc = glim_eval_score(&out->s, e, d, &p, err);
    if (rc == GLIM_OK && l) rc = glim_eval_classify(&out->l, e, d, l, &p, err);
    if (rc == GLIM_OK && answers) rc = glim_eval_answer(&out->c, e, d, answers, &p, err);
    out->answered = rc == GLIM_OK && answers;
    glim_progress_end(bar);
    out->there = rc == GLIM_OK;
    out->labelled = out->there && l;
    out->seconds = glim_now_s() - t0;
    return rc;
}

/* ---- showing ---- */

/* Wilson's interval of a share, 95 %. */
static void interval(size_t k, size_t n, double *lo, double *hi) {
    double z = 1.959964, p = n ? (double)k / (double)n : 0, m = n ? (double)n : 1, d = 1 + z * z / m;
    double mid = (p + z * z / (2 * m)) / d, w = z / d * sqrt(p * (1 - p) / m + z * z / (4 * m * m));
    *lo = mid - w;
    *hi = mid + w;
}

static double share(size_t k, size_t n) { return n ? (double)k / (double)n : 0; }
static double mean_loss(const side *s) { return s->s.n_targets ? s->s.nll / (double)s->s.n_targets : 0; }

static void put_row(glim_buf *b, const char *name, const side *s, const double v[2], bool percent) {
    glim_buf_printf(b, "  %-22s", name);
    for (int i = 0; i < 2; i++)
        if (s[i].there) glim_buf_printf(b, percent ? "%11.2f %%" : "%13.4f", percent ? 100 * v[i] : v[i]);
    if (s[0].there && s[1].there) glim_buf_printf(b, percent ? "%+11.2f %%" : "%+13.4f", percent ? 100 * (v[1] - v[0]) : v[1] - v[0]);
    glim_buf_putc(b, '\n');
}

typedef struct confusion {
    uint32_t n;
    size_t is, said;
} confusion;

static int by_count(const void *a, const void *b) {
    const confusion *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return x->is != y->is ? (x->is < y->is ? -1 : 1) : x->said < y->said ? -1 : x->said > y->said;
}

static void put_confusions(glim_buf *b, const glim_eval_labels *r, const glim_labels *l) {
    size_t n = 0, cap = l->n * l->n;
    confusion *list = calloc(cap ? cap : 1, sizeof *list);
    if (!list) {
        b->failed = true;
        return;
    }
    for (size_t i = 0; i < l->n; i++)
        for (size_t j = 0; j < l->n; j++)
            if (i != j && r->confusion[i * l->n + j]) list[n++] = (confusion){r->confusion[i * l->n + j], i, j};
    qsort(list, n, sizeof *list, by_count);
    if (n) glim_buf_puts(b, "most frequent confusions (what it is: what was said)\n");
    for (size_t i = 0; i < n && i < 10; i++) {
        glim_buf_printf(b, "  %5u  ", list[i].n);
        glim_cli_printable(b, l->text[list[i].is], strlen(l->text[list[i].is]));
        glim_buf_puts(b, ": ");
        glim_cli_printable(b, l->text[list[i].said], strlen(l->text[list[i].said]));
        glim_buf_putc(b, '\n');
    }
    free(list);
}

static void put_text(glim_buf *b, const side *s, const glim_labels *l, const glim_data_report *rep, const char *data) {
    glim_buf_printf(b, "%s: ", data);
    glim_dataset_summary(rep, b);
    glim_buf_printf(b, "\n  %-22s", "");
    if (s[0].there) glim_buf_printf(b, "%13s", "model");
    if (s[1].there) glim_buf_printf(b, "%13s", "with adapter");
    if (s[0].there && s[1].there) glim_buf_printf(b, "%13s", "change");
    glim_buf_putc(b, '\n');
    double loss[2] = {mean_loss(&s[0]), mean_loss(&s[1])}, ppl[2] = {exp(loss[0]), exp(loss[1])};
    put_row(b, "loss a token", s, loss, false);
    put_row(b, "perplexity", s, ppl, false);
    put_row(b, "tokens right", s, (double[]){share(s[0].s.n_right, s[0].s.n_targets), share(s[1].s.n_right, s[1].s.n_targets)}, true);
    put_row(b, "exact match", s, (double[]){share(s[0].s.n_exact, s[0].s.n_examples), share(s[1].s.n_exact, s[1].s.n_examples)}, true);
    const side *last = s[1].there ? &s[1] : &s[0];
    if (last->answered) {
        const glim_eval_answers *c = &last->c;
        put_row(b, "valid, constrained", s, (double[]){share(s[0].c.n_valid, s[0].c.n), share(s[1].c.n_valid, s[1].c.n)}, true);
        put_row(b, "right, constrained", s, (double[]){share(s[0].c.n_right, s[0].c.n), share(s[1].c.n_right, s[1].c.n)}, true);
        glim_buf_printf(b, "  %zu of %zu right (%zu labels, %zu forms, %zu tool calls, %zu from rows)\n", c->n_right, c->n, c->n_label, c->n_form, c->n_tool,
                        c->n_statement);
        for (size_t i = 0; i < c->n_wrong; i++) {
            glim_buf_printf(b, "  line %zu: ", c->wrong[i].line);
            glim_cli_printable(b, c->wrong[i].got, strlen(c->wrong[i].got));
            glim_buf_puts(b, "\n    wanted: ");
            glim_cli_printable(b, c->wrong[i].want, strlen(c->wrong[i].want));
            glim_buf_putc(b, '\n');
        }
    }
    if (last->labelled) {
        char name[64];
        snprintf(name, sizeof name, "accuracy of %zu labels", l->n);
        put_row(b, name, s, (double[]){share(s[0].l.n_right, s[0].l.n_examples), share(s[1].l.n_right, s[1].l.n_examples)}, true);
        put_row(b, "macro F1", s, (double[]){s[0].l.macro_f1, s[1].l.macro_f1}, true);
        double lo, hi;
        interval(last->l.n_right, last->l.n_examples, &lo, &hi);
        glim_buf_printf(b, "  %zu of %zu right, 95 %% interval %.2f to %.2f %%\n", last->l.n_right, last->l.n_examples, 100 * lo, 100 * hi);
        put_confusions(b, &last->l, l);
    }
}

static void put_num(glim_buf *b, const char *key, double v) {
    glim_buf_printf(b, ", \"%s\": ", key);
    glim_json_put_real(b, v);
}

static void put_side(glim_buf *b, const char *key, const side *s) {
    if (!s->there) return;
    glim_buf_printf(b, ", \"%s\": {\"n_examples\": %zu, \"n_targets\": %zu", key, s->s.n_examples, s->s.n_targets);
    put_num(b, "loss", mean_loss(s));
    double n = (double)s->s.n_targets, m = mean_loss(s);
    put_num(b, "loss_error", n > 1 ? sqrt(fmax(0, s->s.nll2 / n - m * m) / (n - 1)) : 0);
    put_num(b, "perplexity", exp(m));
    put_num(b, "tokens_right", share(s->s.n_right, s->s.n_targets));
    put_num(b, "exact_match", share(s->s.n_exact, s->s.n_examples));
    if (s->labelled) {
        double lo, hi;
        interval(s->l.n_right, s->l.n_examples, &lo, &hi);
        put_num(b, "accuracy", share(s->l.n_right, s->l.n_examples));
        put_num(b, "accuracy_low", lo);
        put_num(b, "accuracy_high", hi);
        put_num(b, "macro_f1", s->l.macro_f1);
        glim_buf_puts(b, ", \"confusion\": [");
        for (size_t i = 0; i < s->l.n_labels; i++) {
            glim_buf_puts(b, i ? ", [" : "[");
            for (size_t j = 0; j < s->l.n_labels; j++) glim_buf_printf(b, "%s%u", j ? ", " : "", s->l.confusion[i * s->l.n_labels + j]);
            glim_buf_putc(b, ']');
        }
        glim_buf_putc(b, ']');
    }
    if (s->answered) {
        double lo, hi;
        interval(s->c.n_right, s->c.n, &lo, &hi);
        glim_buf_printf(b, ", \"constrained\": {\"n\": %zu, \"labels\": %zu, \"forms\": %zu, \"tool_calls\": %zu, \"statements\": %zu, \"tokens\": %zu", s->c.n, s->c.n_label, s->c.n_form,
                        s->c.n_tool, s->c.n_statement, s->c.n_tokens);
        put_num(b, "valid", share(s->c.n_valid, s->c.n));
        put_num(b, "right", share(s->c.n_right, s->c.n));
        put_num(b, "right_low", lo);
        put_num(b, "right_high", hi);
        glim_buf_puts(b, ", \"wrong\": [");
        for (size_t i = 0; i < s->c.n_wrong; i++) {
            glim_buf_printf(b, "%s{\"line\": %zu, \"want\": ", i ? ", " : "", s->c.wrong[i].line);
            glim_json_put_str(b, s->c.wrong[i].want, strlen(s->c.wrong[i].want));
            glim_buf_puts(b, ", \"got\": ");
            glim_json_put_str(b, s->c.wrong[i].got, strlen(s->c.wrong[i].got));
            glim_buf_putc(b, '}');
        }
        glim_buf_puts(b, "]}");
    }
    put_num(b, "seconds", s->seconds);
    glim_buf_putc(b, '}');
}

static void put_json(glim_buf *b, const side *s, const glim_labels *l, const glim_data_report *rep, const char *data) {
    glim_buf_puts(b, "{\"data\": ");
    glim_json_put_str(b, data, strlen(data));
    glim_buf_puts(b, ", \"read_as\": ");
    glim_json_put_str(b, rep->how, strlen(rep->how));
    glim_buf_printf(b, ", \"rows\": %zu, \"bad\": %zu, \"cut\": %zu, \"dropped\": %zu", rep->n_rows, rep->n_bad, rep->n_cut, rep->n_dropped);
    if (s[0].labelled || s[1].labelled) {
        glim_buf_puts(b, ", \"labels\": [");
        for (size_t i = 0; i < l->n; i++) {
            glim_buf_puts(b, i ? ", " : "");
            glim_json_put_str(b, l->text[i], strlen(l->text[i]));
        }
        glim_buf_putc(b, ']');
    }
    put_side(b, "model", &s[0]);
    put_side(b, "adapter", &s[1]);
    glim_buf_puts(b, "}\n");
}

/* ---- */

static glim_status eval(const eval_flags *f, glim_model_flags *mf, const char *model, const char *data, glim_err *err) {
    glim_engine *e = NULL;
    glim_adapter *a = NULL;
    glim_dataset *d = NULL;
    glim_data_report rep = {0};
    glim_labels labels = {0};
    glim_answers *answers = NULL;
    glim_senses *senses = NULL;
    glim_data_params p;
    side s[2] = {0};
    bool classify = false;
    mf->n_logits = 64;
    glim_status rc = check_flags(f, err);
    if (rc == GLIM_OK) rc = glim_cli_open(&e, model, mf, 0, false, err);
    if (rc == GLIM_OK) rc = read_params(&p, f, e, err);
    if (f->constrain) {
        if (rc == GLIM_OK && !f->no_senses) rc = glim_senses_open(&senses, glim_ckpt_gguf(e->model->ckpt), err);
        answers = glim_answers_new(glim_senses_sense(senses));
        p.conv = glim_answers_take;
        p.conv_ctx = answers;
    }
    if (rc == GLIM_OK) rc = glim_dataset_open(&d, data, &p, &rep, err);
    p.conv = NULL;
    if (rc == GLIM_OK && answers && glim_answers_n(answers) == 0) {
        rc = glim_fail(err, GLIM_E_ARG, "--constrain: no row of \"%s\" says which answers there may be", data);
        glim_err_hint(err, "that is a row with tools and a call, a form's schema, or labels in its system message (docs/desk.md)");
    }
    if (rc == GLIM_OK) rc = find_labels(&labels, &classify, d, f, &p, err);
    if (rc == GLIM_OK && classify) tell_beginning(&labels);
    if (rc == GLIM_OK && f->adapter) rc = glim_adapter_load(&a, e->model, f->adapter, err);
    if (rc == GLIM_OK && !(a && f->only_adapter)) rc = measure(&s[0], e, d, classify ? &labels : NULL, answers, NULL, "model", err);
    if (rc == GLIM_OK && a) rc = measure(&s[1], e, d, classify ? &labels : NULL, answers, a, "with adapter", err);
    if (rc == GLIM_OK) {
        glim_buf b = {0};
        if (f->json) put_json(&b, s, &labels, &rep, data);
        else put_text(&b, s, &labels, &rep, data);
        rc = glim_cli_put(&b, err);
    }
    for (int i = 0; i < 2; i++) glim_eval_labels_free(&s[i].l);
    glim_labels_free(&labels);
    glim_answers_free(answers);
    glim_senses_free(senses);
    glim_data_report_free(&rep);
    glim_dataset_free(d);
    glim_adapter_free(a);
    glim_engine_free(e);
    return rc;
}

int glim_cmd_eval(int argc, char **argv) {
    glim_model_flags mf = {0};
    eval_flags f = {0};
    const glim_flag own[] = {
        {"--adapter", NULL, GLIM_FLAG_STR, &f.adapter, "DIR", "a PEFT folder: figures without and with it", 0, 0},
        {"--only-adapter", NULL, GLIM_FLAG_BOOL, &f.only_adapter, NULL, "no figures of the model alone", 0, 0},
        {"--format", NULL, GLIM_FLAG_STR, &f.format, "F", "chat, alpaca, sharegpt, preference, text or table (default: guessed, and said)", 0, 0},
        {"--prompt", NULL, GLIM_FLAG_STR, &f.prompt, "T", "table: the prompt, {column} is replaced", 0, 0},
        {"--answer", NULL, GLIM_FLAG_STR, &f.answer, "T", "table: the answer, the same", 0, 0},
        {"--system", NULL, GLIM_FLAG_STR, &f.system, "TEXT", "system message of rows that have none", 0, 0},
        {"--thinking", NULL, GLIM_FLAG_STR, &f.thinking, "on|off", "render rows as for a chat with --thinking on or off (default: the model's own way; off leaves their reasoning out)", 0, 0},
        {"--raw", NULL, GLIM_FLAG_BOOL, &f.raw, NULL, "prompt and answer one after the other, without a chat template", 0, 0},
        {"--loss", NULL, GLIM_FLAG_STR, &f.loss, "WHAT", "what counts: answers (default), last, label or all", 0, 0},
        {"--max-tokens", NULL, GLIM_FLAG_INT, &f.max_tokens, "N", "rows are cut to N tokens, text into windows of N", 2, 1 << 26},
        {"--rows", NULL, GLIM_FLAG_INT, &f.rows, "N", "only the first N rows", 1, INT64_MAX},
        {"--classify", NULL, GLIM_FLAG_BOOL, &f.classify, NULL, "answers are labels: accuracy among them (default: if few answers come often)", 0, 0},
        {"--no-classify", NULL, GLIM_FLAG_BOOL, &f.no_classify, NULL, "answers are no labels", 0, 0},
        {"--labels-from", NULL, GLIM_FLAG_STR, &f.labels_from, "DATA", "the answers of another file are labels too", 0, 0},
        {"--constrain", NULL, GLIM_FLAG_BOOL, &f.constrain, NULL, "rows with tools, a form's schema, labels, or rows of a library: also the model's own answer, the likeliest under that constraint", 0, 0},
        {"--no-senses", NULL, GLIM_FLAG_BOOL, &f.no_senses, NULL, "with --constrain: without the model of intents that the file has beside its weights", 0, 0},
        {"--skip-bad", NULL, GLIM_FLAG_BOOL, &f.skip_bad, NULL, "leave bad rows out instead of refusing the file", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &f.json, NULL, "one JSON object on stdout", 0, 0},
        {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&mf), {0}};
    const glim_page u = {"glim eval MODEL DATA [--adapter DIR]",
                         "Loss, perplexity, exact match and, where answers are labels, accuracy and confusions, without and with an\n"
                         "adapter. DATA is chat JSONL, Alpaca, ShareGPT, preference pairs (whose chosen answers count), text, CSV or JSON rows.", {own, model}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_cli_catch_interrupt();
    return glim_cli_end(eval(&f, &mf, pos.v[0], pos.v[1], &err), &err);
}
