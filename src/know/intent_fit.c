/* intent_fit.c - training as a whole: labels, features, held-out folds, calibration, and the machines of all examples.
 *
 * Held out: every example of a set of up to 4,000 once, in five folds, and in ten where there are at most 2,000 (a machine
 * that misses a fifth of ten sentences a label is much less sure than the one that is kept); of a larger set one fold of
 * five, because 800 examples fix two numbers well enough. Temperature and threshold come from these only. A label's own name is
 * one more example of it, a weaker one: "lost_or_stolen_card" says much when there are ten sentences to learn from. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "know/intent_train.h"

enum { FOLDS_SMALL = 10, FOLDS = 5, SMALL = 2000, ONE_FOLD_ABOVE = 4000 };

/* Chosen on folds of BANKING77's training part, full and ten a label (docs/know.md); never on a test part. */
static const glim_weigh default_weigh = {.idf_power = 0.5f, .level = 0.5f, .kind = {1, 1, 0.7f, 1}};
static const glim_intent_descent default_descent = {.c = 1, .positive = 2, .n_epochs = 6};
static const float name_weight = 0.5f;
/* Of right answers on held-out examples, the share that the threshold may turn into "out of scope" where the training set
 * has no out-of-scope examples to set it by. */
static const double may_refuse = 0.0025;

typedef struct fit {
    glim_intent *m;
    glim_feats *feats;  /* [n_all]: examples, then label names */
    uint16_t *label;    /* [n_all] */
    size_t n, n_all;
    size_t *per_label, *fold_of; /* fold_of [n] */
    uint32_t *use, *idx;
    float *val;
    size_t max_feats;
    /* of held-out examples */
    float *score;       /* [n_held, width] */
    uint32_t *held;     /* [n_held] example */
    size_t n_held;
} fit;

static glim_status grab(void *out, size_t n, size_t size, const char *what, glim_err *err) {
    void *p;
    glim_status rc = glim_try_calloc(&p, n, size, what, err);
    if (rc == GLIM_OK) *(void **)out = p;
    return rc;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The labels, sorted, so that the order of examples names none of them first; "oos" is last. */
static glim_status collect_labels(glim_intent *m, const glim_intent_example *e, size_t n, glim_err *err) {
    const char **all;
    glim_status rc = grab(&all, n, sizeof *all, "labels", err);
    if (rc != GLIM_OK) return rc;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(e[i].label, GLIM_INTENT_OOS) == 0) m->has_oos = true;
        else all[k++] = e[i].label;
    }
    qsort(all, k, sizeof *all, by_text);
    size_t out = 0;
    for (size_t i = 0; i < k; i++)
        if (out == 0 || strcmp(all[i], all[out - 1]) != 0) all[out++] = all[i];
    if (out < 2) {
        rc = glim_fail(err, GLIM_E_ARG, "the examples have %zu label%s, want at least 2 (besides \"oos\")", out, out == 1 ? "" : "s");
    } else if (out + m->has_oos > GLIM_INTENT_MAX_LABELS) {
        rc = glim_fail(err, GLIM_E_LIMIT, "the examples have %zu labels, want at most %d", out, GLIM_INTENT_MAX_LABELS);
    } else {
        m->n_labels = out + m->has_oos;
        m->label = glim_xcalloc(m->n_labels, sizeof *m->label);
        for (size_t i = 0; i < out; i++) m->label[i] = glim_xstrdup(all[i]);
        if (m->has_oos) m->label[out] = glim_xstrdup(GLIM_INTENT_OOS);
        m->width = (m->n_labels + GLIM_INTENT_LANES - 1) / GLIM_INTENT_LANES * GLIM_INTENT_LANES;
    }
    free(all);
    return rc;
}

static size_t label_index(const glim_intent *m, const char *label) {
    size_t n = m->n_labels - m->has_oos;
    if (strcmp(label, GLIM_INTENT_OOS) == 0) return n;
    char **p = bsearch(&label, m->label, n, sizeof *m->label, by_text);
    return (size_t)(p - m->label);
}

/* "lost_or_stolen_card", "HassTurnOn", "weather/find" as words. */
static void name_as_text(glim_buf *out, const char *label) {
    for (const char *p = label; *p; p++) {
        if (p > label && isupper((unsigned char)*p) && islower((unsigned char)p[-1])) glim_buf_putc(out, ' ');
        glim_buf_putc(out, strchr("_/.-:#+", *p) ? ' ' : *p);
    }
}

static glim_status make_feats(fit *f, const glim_intent_example *e, glim_err *err) {
    glim_intent *m = f->m;
    glim_feats tmp = {0};
    glim_buf name = {0};
    glim_status rc = GLIM_OK;
    for (size_t i = 0; rc == GLIM_OK && i < f->n_all; i++) {
        if (i < f->n) {
            f->label[i] = (uint16_t)label_index(m, e[i].label);
            rc = glim_feats_make(&tmp, e[i].text, e[i].n, err);
        } else {
            f->label[i] = (uint16_t)(i - f->n);
            glim_buf_clear(&name);
            name_as_text(&name, m->label[i - f->n]);
            rc = glim_buf_status(&name, "a label's name", err);
            if (rc == GLIM_OK) rc = glim_feats_make(&tmp, glim_buf_cstr(&name), name.len, err);
        }
        /* Kept without the scratch that made them. */
        if (rc == GLIM_OK) rc = grab(&f->feats[i].v, tmp.n, sizeof *tmp.v, "features of the examples", err);
        if (rc != GLIM_OK) break;
        memcpy(f->feats[i].v, tmp.v, tmp.n * sizeof *tmp.v);
        f->feats[i].n = tmp.n;
        if (tmp.n > f->max_feats) f->max_feats = tmp.n;
        uint32_t row;
        for (size_t j = 0; rc == GLIM_OK && j < tmp.n; j++) rc = glim_featmap_add(&m->map, tmp.v[j].key, &row, err);
    }
    glim_feats_free(&tmp);
    glim_buf_free(&name);
    return rc;
}

/* Leaves only the features of min_count texts and more in the map. */
static glim_status drop_rare(fit *f, uint32_t min_count, glim_err *err) {
    const glim_featmap all = f->m->map;
    uint32_t *count = NULL, row;
    glim_status rc = grab(&count, all.n, sizeof *count, "counts of features", err);
    f->m->map = (glim_featmap){0};
    for (size_t i = 0; rc == GLIM_OK && i < f->n_all; i++)
        for (size_t j = 0; j < f->feats[i].n; j++) count[glim_featmap_find(&all, f->feats[i].v[j].key)]++;
    for (size_t k = 0; rc == GLIM_OK && k < all.n; k++)
        if (count[k] >= min_count) rc = glim_featmap_add(&f->m->map, all.key[k], &row, err);
    if (rc == GLIM_OK && f->m->map.n == 0)
        rc = glim_fail(err, GLIM_E_ARG, "no word or n-gram stands in %u examples: there is nothing to learn from", min_count);
    free(count);
    glim_featmap_free(&(glim_featmap){all.key, all.slot, all.n, all.cap, all.n_slots});
    return rc;
}

/* Which features the examples in use have, and in how many. */
static void count_df(fit *f, size_t n_use) {
    memset(f->m->df, 0, f->m->map.n * sizeof *f->m->df);
    for (size_t u = 0; u < n_use; u++)
        for (size_t j = 0; j < f->feats[f->use[u]].n; j++) {
            const uint32_t row = glim_featmap_find(&f->m->map, f->feats[f->use[u]].v[j].key);
            if (row != UINT32_MAX) f->m->df[row]++;
        }
    f->m->n_docs = (uint32_t)n_use;
}

/* Trains f->m->w on use[0..n_use). */
static glim_status train_on(fit *f, size_t n_use, glim_err *err) {
    glim_intent *m = f->m;
    glim_rows x = {0};
    uint32_t *all = NULL;
    uint16_t *label = NULL;
    count_df(f, n_use);
    memset(m->w, 0, m->map.n * m->width * sizeof *m->w);
    glim_status rc = grab(&all, n_use, sizeof *all, "rows in use", err);
    if (rc == GLIM_OK) rc = grab(&label, n_use, sizeof *label, "labels in use", err);
    for (size_t u = 0; rc == GLIM_OK && u < n_use; u++) {
        size_t i = f->use[u], k = glim_weigh_text(&m->weigh, &f->feats[i], &m->map, m->df, m->n_docs, f->idx, f->val);
        if (i >= f->n)
            for (size_t j = 0; j < k; j++) f->val[j] *= name_weight;
        rc = glim_rows_push(&x, f->idx, f->val, k, err);
        all[u] = (uint32_t)u;
        label[u] = f->label[i];
    }
    if (rc == GLIM_OK) rc = glim_intent_descend(m->w, m->width, m->n_labels, &x, label, all, n_use, &default_descent, err);
    glim_rows_free(&x);
    free(all);
    free(label);
    return rc;
}

static void score_held(fit *f, size_t i) {
    glim_intent *m = f->m;
    size_t k = glim_weigh_text(&m->weigh, &f->feats[i], &m->map, m->df, m->n_docs, f->idx, f->val);
    glim_intent_scores(f->score + f->n_held * m->width, m->w, m->width, f->idx, f->val, k);
    f->held[f->n_held++] = (uint32_t)i;
}

static glim_status hold_out(fit *f, size_t n_folds, glim_err *err) {
    for (size_t fold = 0; fold < n_folds; fold++) {
        size_t n_use = 0;
        for (size_t i = 0; i < f->n_all; i++)
            if (i >= f->n || f->fold_of[i] != fold) f->use[n_use++] = (uint32_t)i;
        glim_status rc = train_on(f, n_use, err);
        if (rc != GLIM_OK) return rc;
        for (size_t i = 0; i < f->n; i++)
            if (f->fold_of[i] == fold) score_held(f, i);
    }
    return GLIM_OK;
}

/* Negative log likelihood of the held-out labels at a temperature. */
static double nll_at(const fit *f, double t) {
    const glim_intent *m = f->m;
    double sum = 0;
    for (size_t h = 0; h < f->n_held; h++) {
        const float *s = f->score + h * m->width;
        double top = s[0], z = 0;
        for (size_t c = 1; c < m->n_labels; c++) top = s[c] > top ? s[c] : top;
        for (size_t c = 0; c < m->n_labels; c++) z += exp((s[c] - top) / t);
        sum -= (s[f->label[f->held[h]]] - top) / t - log(z);
    }
    return sum;
}

static double best_temperature(const fit *f) {
    double lo = log(0.02), hi = log(5), g = 0.6180339887498949; /* golden section: the likelihood has one top */
    double a = hi - g * (hi - lo), b = lo + g * (hi - lo), fa = nll_at(f, exp(a)), fb = nll_at(f, exp(b));
    for (int i = 0; i < 30; i++) {
        if (fa < fb) hi = b, b = a, fb = fa, a = hi - g * (hi - lo), fa = nll_at(f, exp(a));
        else lo = a, a = b, fa = fb, b = lo + g * (hi - lo), fb = nll_at(f, exp(b));
    }
    return exp((lo + hi) / 2);
}

static glim_status calibrate(fit *f, glim_err *err) {
    glim_intent *m = f->m;
    size_t n_in = m->n_labels - m->has_oos, n = 0;
    float *x = NULL, *p = NULL;
    bool *right = NULL;
    glim_status rc = grab(&x, f->n_held * GLIM_N_CALIB, sizeof *x, "calibration", err);
    if (rc == GLIM_OK) rc = grab(&right, f->n_held, sizeof *right, "calibration", err);
    if (rc == GLIM_OK) rc = grab(&p, m->n_labels, sizeof *p, "calibration", err);
    for (size_t h = 0; rc == GLIM_OK && h < f->n_held; h++) {
        const float *s = f->score + h * m->width;
        size_t best = 0;
        for (size_t c = 1; c < n_in; c++)
            if (s[c] > s[best]) best = c;
        glim_intent_softmax(p, s, m->n_labels, m->temperature);
        glim_calib_look(x + n * GLIM_N_CALIB, s, n_in, best, p[best]);
        right[n++] = f->label[f->held[h]] == best;
    }
    if (rc == GLIM_OK) glim_calib_fit(m->calib, x, right, n);
    free(x);
    free(right);
    free(p);
    return rc;
}

typedef struct held_margin {
    float margin;
    int gain; /* of refusing it: +1 it is out of scope, -1 it was right, 0 it was wrong anyway */
} held_margin;

static int by_margin(const void *a, const void *b) {
    float x = ((const held_margin *)a)->margin, y = ((const held_margin *)b)->margin;
    return (x > y) - (x < y);
}

static glim_status set_threshold(fit *f, double *accuracy, glim_err *err) {
    glim_intent *m = f->m;
    held_margin *v;
    glim_status rc = grab(&v, f->n_held, sizeof *v, "margins of held-out examples", err);
    if (rc != GLIM_OK) return rc;
    size_t n_in = m->n_labels - m->has_oos, right = 0, n = 0;
    for (size_t h = 0; h < f->n_held; h++) {
        const float *s = f->score + h * m->width;
        size_t best = 0, want = f->label[f->held[h]];
        for (size_t c = 1; c < n_in; c++)
            if (s[c] > s[best]) best = c;
        bool refused = m->has_oos && s[n_in] > s[best];
        right += refused ? want == n_in : want == best;
        if (refused) continue; /* the threshold changes nothing there */
        v[n++] = (held_margin){.margin = s[best], .gain = want == n_in && m->has_oos ? 1 : want == best ? -1 : 0};
    }
    *accuracy = f->n_held ? (double)right / (double)f->n_held : 0;
    qsort(v, n, sizeof *v, by_margin);
    m->threshold = -INFINITY;
    long sum = 0, top = 0, lost = 0;
    double may_lose = may_refuse * (double)right;
    for (size_t i = 0; i < n; i++) {
        sum += v[i].gain;
        lost += v[i].gain < 0;
        bool better = m->has_oos ? sum > top : (double)lost <= may_lose;
        if (!better) continue;
        top = sum;
        m->threshold = i + 1 < n ? (v[i].margin + v[i + 1].margin) / 2 : v[i].margin;
        if (!m->has_oos && v[i].margin > -0.2f) break; /* a margin like this is no stranger's */
    }
    if (m->threshold < -1) m->threshold = -1; /* below every machine's "no" */
    free(v);
    return GLIM_OK;
}

glim_status glim_intent_round(glim_intent *m, glim_err *err) {
    glim_status rc = grab(&m->scale, m->map.n, sizeof *m->scale, "scales of features", err);
    for (size_t r = 0; rc == GLIM_OK && r < m->map.n; r++) {
        float *w = m->w + r * m->width, top = 0;
        for (size_t c = 0; c < m->n_labels; c++) top = fabsf(w[c]) > top ? fabsf(w[c]) : top;
        m->scale[r] = top / 127;
        for (size_t c = 0; c < m->n_labels; c++) w[c] = top > 0 ? roundf(w[c] / m->scale[r]) * m->scale[r] : 0;
    }
    return rc;
}

glim_status glim_intent_train(glim_intent **out, const glim_intent_example *e, size_t n, const glim_intent_params *params, glim_intent_report *report,
                              glim_err *err) {
    double t0 = glim_now_s();
    *out = NULL;
    if (n > 10000000) return glim_fail(err, GLIM_E_LIMIT, "there are %zu examples, want at most 10,000,000", n);
    glim_intent *m = glim_xcalloc(1, sizeof *m);
    m->weigh = default_weigh;
    fit f = {.m = m, .n = n};
    size_t parts = n <= SMALL ? FOLDS_SMALL : FOLDS, n_folds = n > ONE_FOLD_ABOVE ? 1 : parts, n_oos = 0;
    double accuracy = 0;
    glim_status rc = collect_labels(m, e, n, err);
    if (rc != GLIM_OK) goto done;
    size_t n_in = m->n_labels - m->has_oos;
    f.n_all = n + n_in;
    rc = grab(&f.feats, f.n_all, sizeof *f.feats, "features of the examples", err);
    if (rc == GLIM_OK) rc = grab(&f.label, f.n_all, sizeof *f.label, "labels of the examples", err);
    if (rc == GLIM_OK) rc = grab(&f.use, f.n_all, sizeof *f.use, "examples in use", err);
    if (rc == GLIM_OK) rc = grab(&f.fold_of, n, sizeof *f.fold_of, "folds", err);
    if (rc == GLIM_OK) rc = grab(&f.per_label, m->n_labels, sizeof *f.per_label, "counts of labels", err);
    if (rc == GLIM_OK) rc = make_feats(&f, e, err);
    if (rc == GLIM_OK && params && params->min_count > 1) rc = drop_rare(&f, params->min_count, err);
    if (rc == GLIM_OK) rc = grab(&f.idx, f.max_feats, sizeof *f.idx, "features of a text", err);
    if (rc == GLIM_OK) rc = grab(&f.val, f.max_feats, sizeof *f.val, "features of a text", err);
    if (rc == GLIM_OK) rc = grab(&m->df, m->map.n, sizeof *m->df, "counts of features", err);
    if (rc == GLIM_OK) {
        size_t n_w;
        if (!glim_mul_size(m->map.n, m->width, &n_w)) rc = glim_fail(err, GLIM_E_NOMEM, "%zu features of %zu labels are too many", m->map.n, m->width);
        else rc = grab(&m->w, n_w, sizeof *m->w, "weights of intents", err);
    }
    if (rc == GLIM_OK) {
        size_t n_held = 0;
        for (size_t i = 0; i < n; i++) {
            f.fold_of[i] = f.per_label[f.label[i]]++ % parts;
            n_held += f.fold_of[i] < n_folds;
            n_oos += f.label[i] == n_in && m->has_oos;
        }
        rc = grab(&f.score, n_held * m->width, sizeof *f.score, "scores of held-out examples", err);
        if (rc == GLIM_OK) rc = grab(&f.held, n_held, sizeof *f.held, "held-out examples", err);
    }
    if (rc == GLIM_OK) rc = hold_out(&f, n_folds, err);
    if (rc == GLIM_OK) rc = set_threshold(&f, &accuracy, err);
    if (rc == GLIM_OK) {
        m->temperature = (float)best_temperature(&f);
        rc = calibrate(&f, err);
    }
    if (rc == GLIM_OK) {
        for (size_t i = 0; i < f.n_all; i++) f.use[i] = (uint32_t)i;
        rc = train_on(&f, f.n_all, err);
    }
    if (rc == GLIM_OK) rc = glim_intent_round(m, err);
    if (rc == GLIM_OK && report)
        *report = (glim_intent_report){.n_examples = n, .n_labels = n_in, .n_oos = n_oos, .n_features = m->map.n, .n_folds = n_folds,
                                       .n_held_out = f.n_held, .held_out_accuracy = accuracy, .temperature = m->temperature,
                                       .threshold = m->threshold, .seconds = glim_now_s() - t0};
done:
    for (size_t i = 0; f.feats && i < f.n_all; i++) glim_feats_free(&f.feats[i]);
    free(f.feats);
    free(f.label);
    free(f.use);
    free(f.fold_of);
    free(f.per_label);
    free(f.idx);
    free(f.val);
    free(f.score);
    free(f.held);
    if (rc == GLIM_OK) *out = m;
    else glim_intent_free(m);
    return rc;
}
