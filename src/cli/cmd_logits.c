/* cmd_logits.c - raw logits for given ids: what another program compares with its own. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static glim_status parse_ids(const char *text, size_t n_vocab, glim_ids *ids, glim_err *err) {
    for (const char *s = text; *s;) {
        char *end;
        errno = 0;
        long id = strtol(s, &end, 10);
        if (end == s || (*end && *end != ',') || errno || id < 0 || (size_t)id >= n_vocab)
            return glim_fail(err, GLIM_E_ARG, "--ids: got \"%.20s\", want ids from 0 to %zu with commas between them", s,
                             n_vocab - 1);
        glim_status rc = glim_ids_push(ids, (int32_t)id, err);
        if (rc != GLIM_OK) return rc;
        s = *end ? end + 1 : end;
    }
    if (ids->n == 0) return glim_fail(err, GLIM_E_ARG, "--ids: got nothing, want at least one id");
    return GLIM_OK;
}

typedef struct printer {
    size_t n_vocab;
    const glim_tok *tok;
    bool jsonl;
    size_t top;
} printer;

static void print_top(const printer *p, size_t pos, const float *l) {
    printf("%zu:", pos);
    float last = INFINITY;
    int32_t last_id = -1;
    for (size_t t = 0; t < p->top; t++) { /* the next best after (last, last_id) */
        int32_t best = -1;
        for (size_t i = 0; i < p->n_vocab; i++)
            if ((l[i] < last || (l[i] == last && (int32_t)i > last_id)) && (best < 0 || l[i] > l[best])) best = (int32_t)i;
        if (best < 0) break;
        glim_buf piece = {0};
        size_t n;
        const char *s = glim_tok_piece(p->tok, best, &n);
        glim_json_put_str(&piece, s ? s : "", s ? n : 0);
        printf("  %d %s %.4f", best, glim_buf_cstr(&piece), (double)l[best]);
        glim_buf_free(&piece);
        last = l[best];
        last_id = best;
    }
    printf("\n");
}

static bool print_row(void *ctx, size_t pos, const float *l) {
    const printer *p = ctx;
    if (!p->jsonl) {
        print_top(p, pos, l);
        return !glim_cli_interrupt_pending();
    }
    putchar('[');
    for (size_t i = 0; i < p->n_vocab; i++) printf(i ? ",%.9g" : "%.9g", (double)l[i]);
    puts("]");
    return !glim_cli_interrupt_pending();
}

int glim_cmd_logits(int argc, char **argv) {
    glim_model_flags mf = {0};
    const char *ids_text = NULL;
    bool jsonl = false;
    int64_t top = 5;
    const glim_flag own[] = {
        {"--ids", NULL, GLIM_FLAG_STR, &ids_text, "1,2,3", "the token ids", 0, 0},
        {"--jsonl", NULL, GLIM_FLAG_BOOL, &jsonl, NULL, "one JSON array of all logits per position", 0, 0},
        {"--top", NULL, GLIM_FLAG_INT, &top, "N", "without --jsonl: how many of the best to show (5)", 1, 1000},
        {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&mf), {0}};
    const glim_page u = {"glim logits MODEL --ids 1,2,3 [--jsonl]",
                          "Runs the ids through the model and prints the logits of every position.", {own, model}};
    glim_str_list pos = {0};
    int rc = glim_args(argc, argv, &u, &pos, 1, 1);
    if (rc >= 0) return rc;
    glim_err err = {0};
    glim_engine *e = NULL;
    glim_session s = {0};
    glim_ids ids = {0};
    if (!ids_text) {
        glim_fail(&err, GLIM_E_ARG, "--ids is missing");
        return glim_cli_error(&err);
    }
    glim_cli_catch_interrupt();
    glim_status st = glim_cli_open(&e, pos.v[0], &mf, 0, false, &err);
    if (st == GLIM_OK) st = parse_ids(ids_text, e->model->cfg.n_vocab, &ids, &err);
    if (st == GLIM_OK) st = glim_session_open(&s, e, &err);
    if (st == GLIM_OK) {
        printer p = {e->model->cfg.n_vocab, e->tok, jsonl, (size_t)top};
        st = glim_session_score(&s, ids.v, ids.n, 0, print_row, &p, &err);
    }
    glim_session_close(&s);
    glim_ids_free(&ids);
    glim_engine_free(e);
    return st == GLIM_OK ? (glim_cli_interrupted() ? GLIM_EXIT_INTERRUPT : 0) : glim_cli_error(&err);
}
