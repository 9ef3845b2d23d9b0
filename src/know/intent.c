/* intent.c - a model at work: features weighed, scores, the answer. */
#include "know/intent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "know/intent_internal.h"
#include "know/intent_train.h"

struct glim_intent_work {
    glim_feats feats;
    uint32_t *idx;
    float *val;
    size_t cap;
    float *score, *p; /* [width] */
};

size_t glim_weigh_text(const glim_weigh *g, const glim_feats *f, const glim_featmap *map, const uint32_t *df, uint32_t n_docs,
                       uint32_t *idx, float *val) {
    double known[GLIM_N_FEAT] = {0}, unknown[GLIM_N_FEAT] = {0}, factor[GLIM_N_FEAT], all = 0;
    double rarest = pow(log(1 + (double)n_docs), g->idf_power);
    size_t n = 0;
    for (size_t j = 0; j < f->n; j++) {
        unsigned kind = f->v[j].key & 3;
        double tf = f->v[j].v > 1 ? 1 + log(f->v[j].v) : 1;
        uint32_t r = glim_featmap_find(map, f->v[j].key);
        if (r == UINT32_MAX || df[r] == 0) {
            unknown[kind] += tf * tf * rarest * rarest;
            continue;
        }
        double v = tf * pow(log(1 + (double)n_docs / df[r]), g->idf_power);
        known[kind] += v * v;
        idx[n] = r;
        val[n++] = (float)v;
    }
    for (int k = 0; k < GLIM_N_FEAT; k++) {
        double base = known[k] > 0 ? known[k] : unknown[k];
        factor[k] = base > 0 ? g->kind[k] / pow(base, 0.5 * g->level) : 0;
        all += factor[k] * factor[k] * (known[k] + unknown[k]);
    }
    double scale = all > 0 ? 1 / sqrt(all) : 0;
    for (size_t j = 0; j < n; j++) val[j] = (float)(val[j] * factor[map->key[idx[j]] & 3] * scale);
    return n;
}

size_t glim_intent_n_labels(const glim_intent *m) { return m->n_labels; }

const char *glim_intent_label(const glim_intent *m, size_t i) { return i < m->n_labels ? m->label[i] : NULL; }

void glim_intent_free(glim_intent *m) {
    if (!m) return;
    for (size_t i = 0; m->label && i < m->n_labels; i++) free(m->label[i]);
    free(m->label);
    glim_featmap_free(&m->map);
    free(m->df);
    free(m->w);
    free(m->scale);
    free(m);
}

glim_intent_work *glim_intent_work_new(const glim_intent *m, glim_err *err) {
    glim_intent_work *w = glim_xcalloc(1, sizeof *w);
    void *p;
    if (glim_try_calloc(&p, 2 * m->width, sizeof(float), "scores of intents", err) != GLIM_OK) {
        free(w);
        return NULL;
    }
    w->score = p;
    w->p = w->score + m->width;
    return w;
}

void glim_intent_work_free(glim_intent_work *w) {
    if (!w) return;
    glim_feats_free(&w->feats);
    free(w->idx);
    free(w->val);
    free(w->score);
    free(w);
}

void glim_intent_softmax(float *p, const float *score, size_t n, float temperature) {
    float top = score[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++) top = score[i] > top ? score[i] : top;
    for (size_t i = 0; i < n; i++) sum += p[i] = expf((score[i] - top) / temperature);
    for (size_t i = 0; i < n; i++) p[i] = (float)(p[i] / sum);
}

glim_status glim_intent_ask(const glim_intent *m, glim_intent_work *w, const char *text, size_t len, glim_intent_guess *g, float *p,
                            glim_err *err) {
    glim_status rc = glim_feats_make(&w->feats, text, len, err);
    if (rc != GLIM_OK) return rc;
    if (w->feats.n > w->cap) {
        size_t cap = 2 * w->feats.n;
        void *q = w->idx;
        rc = glim_try_realloc(&q, cap, sizeof *w->idx, "features of a text", err);
        if (rc != GLIM_OK) return rc;
        w->idx = q;
        q = w->val;
        rc = glim_try_realloc(&q, cap, sizeof *w->val, "features of a text", err);
        if (rc != GLIM_OK) return rc;
        w->val = q;
        w->cap = cap;
    }
    size_t n = glim_weigh_text(&m->weigh, &w->feats, &m->map, m->df, m->n_docs, w->idx, w->val);
    glim_intent_scores(w->score, m->w, m->width, w->idx, w->val, n);
    glim_intent_softmax(w->p, w->score, m->n_labels, m->temperature);
    size_t n_in = m->n_labels - m->has_oos, best = 0;
    for (size_t i = 1; i < n_in; i++)
        if (w->score[i] > w->score[best]) best = i;
    float x[GLIM_N_CALIB];
    glim_calib_look(x, w->score, n_in, best, w->p[best]);
    float right = glim_calib_p(m->calib, x);
    *g = (glim_intent_guess){.label = m->label[best], .index = best, .p = right, .best = m->label[best], .best_p = right,
                             .margin = w->score[best]};
    g->oos = n == 0 || w->score[best] < m->threshold || (m->has_oos && w->score[n_in] > w->score[best]);
    if (g->oos) {
        g->label = GLIM_INTENT_OOS;
        g->index = m->n_labels;
        g->p = n == 0 ? 1 : 1 - right;
    }
    if (p) memcpy(p, w->p, m->n_labels * sizeof *p);
    return GLIM_OK;
}
