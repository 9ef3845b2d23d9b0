/* Figures of an evaluation against the plain way: one example at a time, one label at a time. */
#include "train/data_eval.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "test.h"

typedef struct bench {
    glim_engine *e;
    glim_adapter *a;
    glim_adapter_scratch *scratch;
    glim_dataset *d;
} bench;

static const char rows[] =
    "text,label\nwhere is my card,card arrival\nthe card did not come,card arrival\nhow high is the fee,fee\nwhat does it cost,fee\n"
    "a very long question about the rate of exchange that goes on and on until it is longer than a page of keys and values holds,rate\n"
    "which rate do you use,rate\nfee for cash,fee cash\ncash machine,fee cash\n";

static bench open_bench(const char *fixture, const char *adapter, glim_data_loss loss) {
    bench b = {0};
    char path[160];
    glim_err err = {0};
    snprintf(path, sizeof path, "tests/fixtures/%s", fixture);
    CHECK_OK(glim_engine_open(&b.e, glim_test_source(path), &(glim_engine_params){.n_threads = 1, .model = {.n_ctx = 512, .n_logits = 3, .n_rows = 50}}, &err), err);
    if (adapter) {
        snprintf(path, sizeof path, "tests/fixtures/adapters/%s", adapter);
        CHECK_OK(glim_adapter_load(&b.a, b.e->model, glim_test_source(path), &err), err);
        CHECK_OK(glim_adapter_scratch_new(&b.scratch, b.e->model, &err), err);
    }
    glim_data_params p = {.tok = b.e->tok, .config = &b.e->model->cfg, .chat = GLIM_CHAT_GLM4_0414, .loss = loss};
    CHECK_OK(glim_dataset_parse(&b.d, "rows.csv", rows, sizeof rows - 1, &p, NULL, &err), err);
    return b;
}

static void close_bench(bench *b) {
    glim_dataset_free(b->d);
    glim_adapter_scratch_free(b->scratch);
    glim_adapter_free(b->a);
    glim_engine_free(b->e);
}

typedef struct tally {
    const int32_t *ids;
    const uint8_t *loss;
    size_t n, n_vocab, n_targets, n_right;
    double nll;
} tally;

static bool on_logits(void *ctx, size_t pos, const float *logits) {
    tally *t = ctx;
    if (pos + 1 >= t->n || !t->loss[pos + 1]) return true;
    size_t best = 0;
    for (size_t i = 1; i < t->n_vocab; i++)
        if (logits[i] > logits[best]) best = i;
    t->nll -= glim_log_prob(logits, t->n_vocab, t->ids[pos + 1]);
    t->n_targets++;
    t->n_right += best == (size_t)t->ids[pos + 1];
    return true;
}

/* -log p of the marked tokens, by the session that chat uses. */
static tally plain(const bench *b, const int32_t *ids, const uint8_t *loss, size_t n) {
    glim_session s;
    glim_err err = {0};
    tally t = {.ids = ids, .loss = loss, .n = n, .n_vocab = b->e->model->cfg.n_vocab};
    const glim_adapter *of[] = {b->a};
    CHECK_OK(glim_session_open(&s, b->e, &err), err);
    glim_ws_adapters(b->e->ws, b->a ? of : NULL, b->scratch);
    CHECK_OK(glim_session_score(&s, ids, n, 0, on_logits, &t, &err), err);
    glim_ws_adapters(b->e->ws, NULL, NULL);
    glim_session_close(&s);
    return t;
}

TEST(loss_and_exact_matches_are_those_of_one_example_at_a_time) {
    const char *adapters[] = {NULL, "glm4-all"};
    for (int k = 0; k < 2; k++) {
        bench b = open_bench("glm4", adapters[k], k ? GLIM_LOSS_ALL : GLIM_LOSS_ANSWERS);
        glim_eval_scores got;
        glim_err err = {0};
        CHECK_OK(glim_eval_score(&got, b.e, b.d, &(glim_eval_params){.adapter = b.a}, &err), err);
        double nll = 0;
        size_t n_targets = 0, n_right = 0, n_exact = 0;
        for (size_t i = 0; i < glim_dataset_n(b.d); i++) {
            glim_example e;
            CHECK(glim_dataset_example(b.d, i, &e) == GLIM_OK);
            tally t = plain(&b, e.tokens, e.loss, e.n);
            nll += t.nll;
            n_targets += t.n_targets;
            n_right += t.n_right;
            n_exact += t.n_right == t.n_targets;
        }
        CHECK(got.n_examples == 8 && got.n_targets == n_targets && got.n_right == n_right && got.n_exact == n_exact);
        CHECK_MSG(fabs(got.nll - nll) < 1e-6 * nll, "%.9g, one at a time %.9g", got.nll, nll);
        close_bench(&b);
    }
}

TEST(the_label_said_is_the_likeliest_of_all_labels) {
    const char *adapters[] = {NULL, "glm4-all", "glm4-rs"};
    size_t kinds = 0;
    for (int k = 0; k < 3; k++)
        for (int mode = 0; mode < 2; mode++) { /* with the token that ends the turn, and without: "fee" begins "fee cash" */
            bench b = open_bench("glm4", adapters[k], mode ? GLIM_LOSS_LABEL : GLIM_LOSS_ANSWERS);
            glim_labels l = {0};
            glim_eval_labels got;
            glim_err err = {0};
            CHECK_OK(glim_labels_add(&l, b.d, b.e->tok, 10, &err), err);
            CHECK(l.n == 4);
            CHECK_STR(l.text[0], "card arrival");
            CHECK_STR(l.text[3], "fee cash");
            size_t shorter = 9, longer = 9; /* which is told, because the first is always the likelier */
            CHECK(glim_labels_begin(&l, &shorter, &longer) == (mode == 1) && (mode ? shorter == 1 && longer == 3 : shorter == 9 && longer == 9));
            CHECK_OK(glim_eval_classify(&got, b.e, b.d, &l, &(glim_eval_params){.adapter = b.a}, &err), err);
            uint32_t want[16] = {0};
            size_t right = 0;
            for (size_t i = 0; i < glim_dataset_n(b.d); i++) {
                glim_example e;
                size_t best = 0, begin = 0;
                double best_nll = INFINITY;
                CHECK(glim_dataset_example(b.d, i, &e) == GLIM_OK);
                while (!e.loss[begin]) begin++;
                for (size_t j = 0; j < l.n; j++) {
                    size_t m = l.off[j + 1] - l.off[j];
                    int32_t ids[512];
                    uint8_t loss[512] = {0};
                    memcpy(ids, e.tokens, begin * sizeof *ids);
                    memcpy(ids + begin, l.tokens + l.off[j], m * sizeof *ids);
                    memset(loss + begin, 1, m);
                    tally t = plain(&b, ids, loss, begin + m);
                    if (t.nll < best_nll) best_nll = t.nll, best = j;
                }
                size_t is = glim_labels_of(&l, b.d, i);
                want[is * 4 + best]++;
                right += is == best;
            }
            CHECK(got.n_right == right && got.n_examples == 8 && memcmp(got.confusion, want, sizeof want) == 0);
            for (size_t i = 0; i < 4; i++) kinds |= (size_t)(want[i] || want[4 + i] || want[8 + i] || want[12 + i]) << i;
            glim_eval_labels_free(&got);
            glim_labels_free(&l);
            close_bench(&b);
        }
    CHECK_MSG((kinds & (kinds - 1)) != 0, "only one label was ever said: the test shows little");
}

TEST(answers_that_are_no_labels_and_rows_past_the_context_are_told) {
    bench b = open_bench("glm4", NULL, GLIM_LOSS_ANSWERS);
    glim_labels l = {0};
    glim_eval_labels got;
    glim_eval_scores scores;
    glim_err err = {0};
    CHECK(glim_labels_add(&l, b.d, b.e->tok, 2, &err) == GLIM_E_LIMIT && l.n == 2);
    CHECK(glim_eval_classify(&got, b.e, b.d, &l, &(glim_eval_params){0}, &err) == GLIM_E_ARG);
    CHECK_MSG(strstr(err.msg, "line 6") && strstr(err.msg, "none of the 2 labels"), "%s", err.msg);
    glim_labels_free(&l);
    glim_dataset *d;
    int32_t *tok = glim_xcalloc(600, sizeof *tok);
    uint8_t *loss = glim_xcalloc(600, 1);
    loss[599] = 1;
    CHECK_OK(glim_dataset_from_examples(&d, &(glim_example){tok, loss, 600}, 1, &err), err);
    CHECK(glim_eval_score(&scores, b.e, d, &(glim_eval_params){0}, &err) == GLIM_E_LIMIT && strstr(err.msg, "600 tokens"));
    glim_dataset_free(d);
    free(tok);
    free(loss);
    close_bench(&b);
}
