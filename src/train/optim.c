/* optim.c - see optim.h. */
#include "train/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { PART = 4096, BLOCK = 256 };

static const char *const g_schedules[] = {"cosine", "linear", "constant"};
const char *glim_schedule_name(glim_schedule s) { return g_schedules[s]; }
bool glim_schedule_parse(const char *name, glim_schedule *out) {
    for (size_t i = 0; i < GLIM_COUNT(g_schedules); i++)
        if (strcmp(name, g_schedules[i]) == 0) return *out = (glim_schedule)i, true;
    return false;
}

double glim_optim_rate(const glim_optim_params *p, size_t step) {
    if (step < p->warmup) return p->lr * (double)(step + 1) / (double)p->warmup;
    if (p->schedule == GLIM_SCHEDULE_CONSTANT || p->n_steps <= p->warmup) return p->lr;
    const double t = step >= p->n_steps ? 1 : (double)(step - p->warmup) / (double)(p->n_steps - p->warmup);
    return p->schedule == GLIM_SCHEDULE_LINEAR ? p->lr * (1 - t) : p->lr * 0.5 * (1 + cos(3.14159265358979323846 * t));
}

static size_t parts_of(size_t n, size_t size) { return (n + size - 1) / size; }

size_t glim_optim_bytes(size_t n, bool eight_bit) {
    return parts_of(n, PART) * sizeof(double) + (eight_bit ? 2 * n + parts_of(n, BLOCK) * 8 : 8 * n);
}

glim_status glim_optim_init(glim_optim *o, const glim_optim_params *p, size_t n, glim_err *err) {
    *o = (glim_optim){.p = *p, .n = n};
    if (o->p.beta1 <= 0) o->p.beta1 = 0.9;
    if (o->p.beta2 <= 0) o->p.beta2 = 0.999;
    if (o->p.eps <= 0) o->p.eps = 1e-8;
    void *a = NULL, *b = NULL, *c = NULL, *d = NULL;
    const size_t size = p->eight_bit ? 1 : sizeof(float);
    glim_status rc = glim_try_calloc(&a, n, size, "the optimizer", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&b, n, size, "the optimizer", err);
    if (rc == GLIM_OK && p->eight_bit) rc = glim_try_calloc(&c, parts_of(n, BLOCK), 2 * sizeof(float), "the optimizer", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&d, parts_of(n, PART), sizeof(double), "the optimizer", err);
    if (p->eight_bit) o->m8 = a, o->v8 = b;
    else o->m = a, o->v = b;
    o->scale = c, o->parts = d;
    if (rc != GLIM_OK) glim_optim_deinit(o);
    return rc;
}

void glim_optim_deinit(glim_optim *o) {
    free(o->m), free(o->v), free(o->m8), free(o->v8), free(o->scale), free(o->parts);
    *o = (glim_optim){0};
}

size_t glim_optim_pieces(glim_optim *o, glim_piece out[4]) {
    if (!o->p.eight_bit) {
        out[0] = (glim_piece){o->m, o->n * sizeof(float)};
        out[1] = (glim_piece){o->v, o->n * sizeof(float)};
        return 2;
    }
    out[0] = (glim_piece){o->m8, o->n};
    out[1] = (glim_piece){o->v8, o->n};
    out[2] = (glim_piece){o->scale, parts_of(o->n, BLOCK) * 2 * sizeof(float)};
    return 3;
}

typedef struct job {
    glim_optim *o;
    glim_net *n;
    size_t at, end;  /* values of one parameter */
    float clip;      /* factor of the gradient */
    float rate, keep; /* keep = 1 - lr * decay, of what decays */
    float c1, c2;    /* 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
} job;

static void norm_parts(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const job *j = ctx;
    for (size_t p = begin; p < end; p++) {
        const size_t last = (p + 1) * PART < j->o->n ? (p + 1) * PART : j->o->n;
        double sum = 0;
        for (size_t i = p * PART; i < last; i++) sum += (double)j->n->g[i] * (double)j->n->g[i];
        j->o->parts[p] = sum;
    }
}

double glim_optim_norm(glim_optim *o, const glim_net *n) {
    job j = {.o = o, .n = (glim_net *)(uintptr_t)n};
    double sum = 0;
    glim_pool_for(n->pool, parts_of(o->n, PART), 1, norm_parts, &j);
    for (size_t i = 0; i < parts_of(o->n, PART); i++) sum += o->parts[i];
    return sqrt(sum);
}

static inline float update(const job *j, float keep, float w, float g, float *m, float *v) {
    const float b1 = (float)j->o->p.beta1, b2 = (float)j->o->p.beta2;
    *m = b1 * *m + (1 - b1) * g;
    *v = b2 * *v + (1 - b2) * g * g;
    return w * keep - j->rate * (*m * j->c1) / (sqrtf(*v) * j->c2 + (float)j->o->p.eps);
}

static void step_wide(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const job *j = ctx;
    for (size_t i = j->at + begin * PART; i < j->at + end * PART && i < j->end; i++)
        j->n->w[i] = update(j, j->keep, j->n->w[i], j->n->g[i] * j->clip, &j->o->m[i], &j->o->v[i]);
}

/* The parameter that value number `at` belongs to, or the padding behind it. */
static size_t param_of(const glim_net *n, size_t at) {
    size_t lo = 0, hi = n->n_params; /* the last that begins at or before it */
    while (hi - lo > 1) {
        const size_t mid = lo + (hi - lo) / 2;
        if (n->params[mid].at <= at) lo = mid;
        else hi = mid;
    }
    return lo;
}

/* m = scale sign (|q| / 127)^2, v = scale (q / 255)^4. Blocks are cut over all values, whose padding is zero: one may have the end
 * of a matrix, which decays, and the beginning of a vector, which does not. */
static void step_bytes(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const job *j = ctx;
    glim_optim *o = j->o;
    for (size_t b = begin; b < end; b++) {
        const size_t at = b * BLOCK, n = o->n - at < BLOCK ? o->n - at : BLOCK;
        float m[BLOCK], v[BLOCK], m_top = 0, v_top = 0;
        size_t p = param_of(j->n, at);
        for (size_t i = 0; i < n; i++) {
            const float qm = (float)(int8_t)o->m8[at + i] / 127, qv = (float)o->v8[at + i] / 255;
            m[i] = o->scale[2 * b] * qm * fabsf(qm);
            v[i] = o->scale[2 * b + 1] * qv * qv * qv * qv;
            const size_t k = at + i;
            while (p + 1 < j->n->n_params && j->n->params[p + 1].at <= k) p++;
            j->n->w[k] = update(j, j->n->params[p].decay ? j->keep : 1, j->n->w[k], j->n->g[k] * j->clip, &m[i], &v[i]);
            m_top = fmaxf(m_top, fabsf(m[i]));
            v_top = fmaxf(v_top, v[i]);
        }
        o->scale[2 * b] = m_top;
        o->scale[2 * b + 1] = v_top;
        for (size_t i = 0; i < n; i++) {
            const float am = m_top > 0 ? sqrtf(fabsf(m[i]) / m_top) * 127 : 0;
            const float av = v_top > 0 ? sqrtf(sqrtf(v[i] / v_top)) * 255 : 0;
            o->m8[at + i] = (uint8_t)(int8_t)lrintf(m[i] < 0 ? -am : am);
            o->v8[at + i] = (uint8_t)ceilf(av - 1e-3f); /* up: what is small must not look like nothing */
        }
    }
}

void glim_optim_step(glim_optim *o, glim_net *n, double norm) {
    const double rate = glim_optim_rate(&o->p, o->step), t = (double)++o->step;
    job j = {.o = o, .n = n, .clip = 1, .rate = (float)rate};
    if (o->p.clip > 0 && norm > o->p.clip) j.clip = (float)(o->p.clip / (norm + 1e-6));
    j.c1 = (float)(1 / (1 - pow(o->p.beta1, t)));
    j.c2 = (float)(1 / sqrt(1 - pow(o->p.beta2, t)));
    if (o->p.eight_bit) {
        j.keep = (float)(1 - rate * o->p.weight_decay);
        glim_pool_for(n->pool, parts_of(o->n, BLOCK), 16, step_bytes, &j);
        return;
    }
    for (size_t i = 0; i < n->n_params; i++) {
        const glim_param *p = &n->params[i];
        j.at = p->at, j.end = p->at + p->n;
        j.keep = (float)(1 - rate * (p->decay ? o->p.weight_decay : 0));
        glim_pool_for(n->pool, parts_of(p->n, PART), 1, step_wide, &j);
    }
}
