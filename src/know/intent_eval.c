/* intent_eval.c - figures over a test set: accuracy, refusals, calibration, and which intents are taken for which. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "know/intent_internal.h"

enum { BINS = 15 };

typedef struct mistake {
    const char *want, *got;
} mistake;

static int by_names(const void *a, const void *b) {
    const mistake *x = a, *y = b;
    int c = strcmp(x->want, y->want);
    return c ? c : strcmp(x->got, y->got);
}

static void put_real(glim_buf *out, const char *key, double v) {
    glim_buf_printf(out, ", \"%s\": ", key);
    glim_json_put_real(out, v); /* NaN is null */
}

static void put_confusion(glim_buf *out, mistake *v, size_t n) {
    qsort(v, n, sizeof *v, by_names);
    glim_buf_puts(out, ", \"confusion\": {");
    for (size_t i = 0; i < n;) {
        const char *want = v[i].want;
        glim_buf_puts(out, i ? ", " : "");
        glim_json_put_str(out, want, strlen(want));
        glim_buf_puts(out, ": {");
        for (bool first = true; i < n && strcmp(v[i].want, want) == 0; first = false) {
            const char *got = v[i].got;
            size_t k = i;
            while (k < n && strcmp(v[k].want, want) == 0 && strcmp(v[k].got, got) == 0) k++;
            glim_buf_puts(out, first ? "" : ", ");
            glim_json_put_str(out, got, strlen(got));
            glim_buf_printf(out, ": %zu", k - i);
            i = k;
        }
        glim_buf_puts(out, "}");
    }
    glim_buf_puts(out, "}");
}

glim_status glim_intent_eval(const glim_intent *m, const glim_intent_example *e, size_t n, glim_intent_figures *f, glim_buf *json,
                             glim_err *err) {
    if (n == 0) return glim_fail(err, GLIM_E_ARG, "there are no examples to test with");
    glim_intent_work *w = glim_intent_work_new(m, err);
    if (!w) return err ? err->code : GLIM_E_NOMEM;
    void *p;
    glim_status rc = glim_try_calloc(&p, n, sizeof(mistake), "mistakes", err);
    if (rc != GLIM_OK) {
        glim_intent_work_free(w);
        return rc;
    }
    mistake *wrong = p;
    size_t n_wrong = 0, right = 0, right_in = 0, refused = 0, n_oos = 0, oos_answers = 0;
    double conf[BINS] = {0}, hit[BINS] = {0};
    double t0 = glim_now_s();
    for (size_t i = 0; rc == GLIM_OK && i < n; i++) {
        glim_intent_guess g;
        rc = glim_intent_ask(m, w, e[i].text, e[i].n, &g, NULL, err);
        if (rc != GLIM_OK) break;
        bool oos = strcmp(e[i].label, GLIM_INTENT_OOS) == 0, ok = strcmp(g.label, e[i].label) == 0;
        n_oos += oos;
        right += ok;
        right_in += ok && !oos;
        refused += ok && oos;
        oos_answers += g.oos;
        if (!ok) wrong[n_wrong++] = (mistake){e[i].label, g.label};
        int bin = (int)(g.p * BINS);
        bin = bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
        conf[bin] += g.p;
        hit[bin] += ok;
    }
    double seconds = glim_now_s() - t0, ece = 0;
    for (int b = 0; b < BINS; b++) ece += fabs(conf[b] - hit[b]) / (double)n;
    *f = (glim_intent_figures){.n = n, .n_oos = n_oos, .accuracy = (double)right / (double)n,
                               .in_scope_accuracy = n > n_oos ? (double)right_in / (double)(n - n_oos) : NAN,
                               .oos_recall = n_oos ? (double)refused / (double)n_oos : NAN, .ece = ece,
                               .oos_answered = (double)oos_answers / (double)n, .us_mean = seconds * 1e6 / (double)n};
    if (rc == GLIM_OK && json) {
        glim_buf_printf(json, "{\"n\": %zu, \"n_oos\": %zu", n, n_oos);
        put_real(json, "accuracy", f->accuracy);
        put_real(json, "in_scope_accuracy", f->in_scope_accuracy);
        put_real(json, "oos_recall", f->oos_recall);
        put_real(json, "ece", f->ece);
        put_real(json, "oos_answered", f->oos_answered);
        put_real(json, "us_mean", f->us_mean);
        put_confusion(json, wrong, n_wrong);
        glim_buf_puts(json, "}");
        rc = glim_buf_status(json, "figures of intents", err);
    }
    free(wrong);
    glim_intent_work_free(w);
    return rc;
}
