/* cmd_privacy.c - glim privacy: what is spent of each data set's privacy, budgets, runs that were given up. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/folder.h"
#include "train/dp_ledger.h"

/* ---- sets ---- */

enum { SET_WIDTH = 48 }; /* of "sha256-" and its 40 digits, and a space; longer names push the rest */

static void keep_set(void *ctx, const glim_dp_row *row) { json_array_append_new(ctx, json_string(row->set)); }

static json_t *set_json(const char *set, const glim_dp_spent *s) {
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "data_set", set, "budget_epsilon", s->budget_eps, "budget_delta", s->budget_delta,
                     "charged_epsilon", s->charged, "promised_epsilon", s->promised, "runs", (json_int_t)s->n_runs, "open_runs",
                     (json_int_t)s->n_open, "steps", (json_int_t)s->n_steps);
}

static int list(int argc, char **argv) {
    const char *data = NULL;
    bool json = false;
    const glim_flag own[] = {{"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON array on stdout", 0, 0}, GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim privacy [runs|end|budget]",
                          "What private training (glim tune --dp-epsilon) has spent of each data set's budget. \"promised\" counts\n"
                          "what open runs have reserved.\n\n"
                          "  glim privacy runs [SET]        runs, and which are open\n"
                          "  glim privacy end RUN           gives up a run: what it has not charged is free again\n"
                          "  glim privacy budget SET E D    sets a data set's epsilon and delta", {own}};
    glim_str_list pos = {0};
    const int code = glim_args(argc, argv, &u, &pos, 0, 0);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    glim_buf out = {0};
    json_t *sets = json_array(), *rows = json_array();
    glim_status rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_dp_ledger_sets(s, keep_set, sets, &err);
    if (rc == GLIM_OK && !json)
        glim_buf_printf(&out, "%-*s %10s %10s %10s %10s %6s %6s\n", SET_WIDTH, "data set", "budget", "delta", "charged", "promised", "runs", "open");
    for (size_t i = 0; rc == GLIM_OK && i < json_array_size(sets); i++) {
        const char *set = json_string_value(json_array_get(sets, i));
        glim_dp_spent spent;
        rc = glim_dp_ledger_spent(s, set, &spent, &err);
        if (rc == GLIM_OK && json) json_array_append_new(rows, set_json(set, &spent));
        else if (rc == GLIM_OK)
            glim_buf_printf(&out, "%-*s %10.4g %10.2g %10.4g %10.4g %6llu %6llu\n", SET_WIDTH, set, spent.budget_eps, spent.budget_delta, spent.charged,
                            spent.promised, (unsigned long long)spent.n_runs, (unsigned long long)spent.n_open);
    }
    if (rc == GLIM_OK) rc = json ? glim_cli_put_json(json_incref(rows), &err) : glim_cli_put(&out, &err);
    glim_buf_free(&out);
    json_decref(sets);
    json_decref(rows);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

/* ---- runs ---- */

typedef struct listing {
    json_t *rows;
    glim_buf out;
} listing;

static void one_run(void *ctx, const glim_dp_row *row) {
    listing *l = ctx;
    json_array_append_new(l->rows, json_pack("{s:s, s:s, s:f, s:f, s:I, s:I, s:b}", "run", row->run, "data_set", row->set, "sampling_rate", row->q,
                                             "noise_multiplier", row->sigma, "reserved", (json_int_t)row->reserved, "charged",
                                             (json_int_t)row->charged, "open", (int)row->open));
    glim_buf_printf(&l->out, "%-24s %-*s %10.4g %10.4g %10llu %10llu  %s\n", row->run, SET_WIDTH, row->set, row->q, row->sigma,
                    (unsigned long long)row->reserved, (unsigned long long)row->charged, row->open ? "open" : "over");
}

static int runs(int argc, char **argv) {
    const char *data = NULL;
    bool json = false;
    const glim_flag own[] = {{"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON array on stdout", 0, 0}, GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim privacy runs [SET]", "Private runs: how they drew and noised, steps reserved and charged.", {own}};
    glim_str_list pos = {0};
    const int code = glim_args(argc, argv, &u, &pos, 0, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    listing l = {.rows = json_array()};
    glim_buf_printf(&l.out, "%-24s %-*s %10s %10s %10s %10s\n", "run", SET_WIDTH, "data set", "rate", "noise", "reserved", "charged");
    glim_status rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_dp_ledger_runs(s, pos.n ? pos.v[0] : NULL, one_run, &l, &err);
    if (rc == GLIM_OK) rc = json ? glim_cli_put_json(json_incref(l.rows), &err) : glim_cli_put(&l.out, &err);
    glim_buf_free(&l.out);
    json_decref(l.rows);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

static int end(int argc, char **argv) {
    const char *data = NULL;
    const glim_flag own[] = {GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim privacy end RUN", "Gives up a private run: it cannot go on, and the steps that it has not charged are free again.", {own}};
    glim_str_list pos = {0};
    const int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    glim_status rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_dp_ledger_end(s, pos.v[0], glim_cli_actor(), &err);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

/* ---- budgets ---- */

static glim_status real_of(double *out, const char *text, const char *what, glim_err *err) {
    char *rest;
    *out = strtod(text, &rest);
    return *text && !*rest && isfinite(*out) ? GLIM_OK : glim_fail(err, GLIM_E_ARG, "%s: got \"%.40s\", want a number", what, text);
}

static int budget(int argc, char **argv) {
    const char *data = NULL;
    const glim_flag own[] = {GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim privacy budget SET EPSILON DELTA",
                          "Sets what may be spent of a data set's privacy, all runs together. Lower than what was spent: no further run.", {own}};
    glim_str_list pos = {0};
    const int code = glim_args(argc, argv, &u, &pos, 3, 3);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    double eps = 0, delta = 0;
    glim_status rc = real_of(&eps, pos.v[1], "epsilon", &err);
    if (rc == GLIM_OK) rc = real_of(&delta, pos.v[2], "delta", &err);
    if (rc == GLIM_OK) rc = glim_cli_folder(&s, data, true, &err);
    if (rc == GLIM_OK) rc = glim_dp_budget_set(s, pos.v[0], eps, delta, glim_cli_actor(), &err);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

int glim_cmd_privacy(int argc, char **argv) {
    static const glim_subverb subs[] = {{"runs", "private runs", runs}, {"end", "give up a run", end}, {"budget", "set a data set's budget", budget}};
    return glim_cli_subverb(argc, argv, "privacy", "What private training has spent.", subs, GLIM_COUNT(subs), list);
}
