/* data_eval.c - see data_eval.h. */
#include "train/data_eval.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "text/chat_internal.h"

enum { GROUP = 16 };

/* ---- groups of sequences through the engine ---- */

typedef struct runner {
    glim_engine *e;
    const glim_adapter *adapter;
    glim_adapter_scratch *scratch;
    glim_kv_seq seq[2 * GROUP]; /* the group's, and forks of them */
    size_t n_seq;
    glim_row *rows;             /* [n_rows of the workspace] */
} runner;

static void runner_deinit(runner *r) {
    glim_ws_adapters(r->e->ws, NULL, NULL);
    for (size_t i = 0; i < r->n_seq; i++) glim_kv_seq_deinit(&r->seq[i]);
    glim_adapter_scratch_free(r->scratch);
    free(r->rows);
}

static glim_status runner_init(runner *r, glim_engine *e, const glim_adapter *a, glim_err *err) {
    *r = (runner){.e = e, .adapter = a};
    void *rows;
    glim_status rc = glim_try_calloc(&rows, glim_ws_n_rows(e->ws), sizeof *r->rows, "a batch", err);
    if (rc != GLIM_OK) return rc;
    r->rows = rows;
    for (; r->n_seq < 2 * GROUP && rc == GLIM_OK; r->n_seq++) {
        rc = glim_kv_seq_init(&r->seq[r->n_seq], &e->kv, e->model->plan.n_ctx, err);
        if (rc != GLIM_OK) break;
    }
    if (rc == GLIM_OK && a) rc = glim_adapter_scratch_new(&r->scratch, e->model, err);
    if (rc != GLIM_OK) runner_deinit(r);
    return rc;
}

/* What a group feeds: tokens behind what each of its sequences holds, and which of them want logits. */
typedef struct feed {
    glim_kv_seq *seq;
    const int32_t *tokens;
    const uint8_t *want; /* [n] or NULL: the last one only */
    size_t n;
} feed;

/* Called for each row that wants logits, in order. */
typedef glim_status (*row_fn)(void *ctx, size_t item, size_t at, const float *logits, glim_err *err);

typedef struct slice {
    size_t item, at; /* of each row that wants logits */
} slice;

/* Runs all feeds, in as many passes as the workspace asks for. */
static glim_status run(runner *r, const feed *f, size_t n, row_fn fn, void *ctx, glim_err *err) {
    glim_engine *e = r->e;
    size_t max_rows = glim_ws_n_rows(e->ws), max_logits = e->model->plan.n_logits, v = e->model->cfg.n_vocab;
    if (max_logits > max_rows) max_logits = max_rows;
    const glim_adapter *of_seq[GROUP];
    glim_kv_seq *seqs[GROUP];
    slice *wants;
    void *mem;
    glim_status rc = glim_try_calloc(&mem, max_logits, sizeof *wants, "a batch", err);
    if (rc != GLIM_OK) return rc;
    wants = mem;
    for (size_t i = 0; i < GROUP; i++) of_seq[i] = r->adapter;
    glim_ws_adapters(e->ws, r->adapter ? of_seq : NULL, r->scratch);
    size_t item = 0, at = 0;
    while (item < n && rc == GLIM_OK) {
        size_t n_rows = 0, n_wants = 0, n_seqs = 0;
        bool full = false;
        while (item < n && !full) {
            glim_kv_seq *s = f[item].seq;
            size_t pos = s->n_pos, first = n_rows;
            for (; at < f[item].n; at++) {
                bool want = f[item].want ? f[item].want[at] : at + 1 == f[item].n;
                full = n_rows == max_rows || (want && n_wants == max_logits);
                if (full) break;
                r->rows[n_rows] = (glim_row){.token = f[item].tokens[at], .pos = (int32_t)(pos + (n_rows - first)), .seq = (uint32_t)n_seqs, .logits = want};
                n_rows++;
                if (want) wants[n_wants++] = (slice){item, at};
            }
            if (n_rows > first) {
                rc = glim_kv_reserve(s, pos + (n_rows - first), err);
                if (rc != GLIM_OK) break;
                seqs[n_seqs++] = s;
            }
            if (!full) item++, at = 0;
        }
        const float *logits = NULL;
        if (rc == GLIM_OK && n_rows) rc = glim_forward(e->model, e->ws, &(glim_batch){r->rows, n_rows, seqs, n_seqs}, &logits, err);
        for (size_t i = 0; i < n_wants && rc == GLIM_OK; i++) rc = fn(ctx, wants[i].item, wants[i].at, logits + i * v, err);
    }
    free(wants);
    return rc;
}

static glim_example example_of(const glim_dataset *d, size_t i) {
    glim_example e, other;
    if (glim_dataset_is_preference(d)) glim_dataset_pair(d, i, &e, &other);
    else glim_dataset_example(d, i, &e);
    return e;
}

/* How many of the examples from `first` on go together: their pages must fit, and forks of them as well. */
static size_t group_size(const runner *r, const glim_dataset *d, size_t first, size_t n) {
    size_t pages = 0, k = 0;
    while (first + k < n && k < GROUP) {
        pages += 2 * (example_of(d, first + k).n / GLIM_KV_PAGE + 2);
        if (k && pages > r->e->kv.n_pages) break;
        k++;
    }
    return k;
}

static glim_status check_length(const runner *r, const glim_dataset *d, size_t i, glim_err *err) {
    size_t n = example_of(d, i).n, n_ctx = r->e->model->plan.n_ctx;
    if (n <= n_ctx) return GLIM_OK;
    glim_fail(err, GLIM_E_LIMIT, "example %zu (line %zu) has %zu tokens, the context holds %zu", i, glim_dataset_line(d, i), n, n_ctx);
    glim_err_hint(err, "a larger --ctx, or --max-tokens to cut long rows");
    return GLIM_E_LIMIT;
}

static glim_status tell(const glim_eval_params *p, size_t done, size_t total, glim_err *err) {
    if (!p->progress || p->progress(p->progress_ctx, done, total)) return GLIM_OK;
    return glim_fail(err, GLIM_E_CANCELLED, "evaluation was stopped");
}

/* Max and log of the sum of exponentials. double: the sum of 150,000 terms. */
static double log_sum(const float *logits, size_t n, size_t *best) {
    float top = -INFINITY;
    double sum = 0;
    *best = 0;
    for (size_t i = 0; i < n; i++)
        if (logits[i] > top) top = logits[i], *best = i;
    for (size_t i = 0; i < n; i++) sum += exp((double)(logits[i] - top));
    return (double)top + log(sum);
}

/* ---- loss ---- */

typedef struct score_ctx {
    const glim_example *ex;
    size_t n_vocab;
    glim_eval_scores *out;
    bool missed[GROUP];
} score_ctx;

static glim_status score_row(void *ctx, size_t item, size_t at, const float *logits, glim_err *err) {
    score_ctx *c = ctx;
    size_t best;
    int32_t target = c->ex[item].tokens[at + 1];
    double v = log_sum(logits, c->n_vocab, &best) - (double)logits[target];
    if (!isfinite(v)) return glim_fail(err, GLIM_E_FORMAT, "the loss is not a number: the model or the adapter holds bad weights");
    c->out->nll += v;
    c->out->nll2 += v * v;
    c->out->n_targets++;
    if (best == (size_t)target) c->out->n_right++;
    else c->missed[item] = true;
    return GLIM_OK;
}

glim_status glim_eval_score(glim_eval_scores *out, glim_engine *e, const glim_dataset *d, const glim_eval_params *p, glim_err *err) {
    runner r;
    size_t n = glim_dataset_n(d);
    *out = (glim_eval_scores){0};
    glim_status rc = runner_init(&r, e, p->adapter, err);
    if (rc != GLIM_OK) return rc;
    for (size_t at = 0; at < n && rc == GLIM_OK;) {
        size_t k = group_size(&r, d, at, n);
        glim_example ex[GROUP];
        feed f[GROUP];
        score_ctx c = {.ex = ex, .n_vocab = e->model->cfg.n_vocab, .out = out};
        for (size_t i = 0; i < k && rc == GLIM_OK; i++) {
            rc = check_length(&r, d, at + i, err);
            ex[i] = example_of(d, at + i);
            /* Row t wants logits where token t + 1 is a target; the last token is fed to nobody. */
            f[i] = (feed){&r.seq[i], ex[i].tokens, ex[i].loss + 1, ex[i].n - 1};
        }
        if (rc == GLIM_OK) rc = run(&r, f, k, score_row, &c, err);
        for (size_t i = 0; i < k && rc == GLIM_OK; i++) {
            out->n_examples++;
            out->n_exact += !c.missed[i];
        }
        for (size_t i = 0; i < k; i++) glim_kv_truncate(&r.seq[i], 0);
        at += k;
        if (rc == GLIM_OK) rc = tell(p, at, n, err);
    }
    runner_deinit(&r);
    return rc;
}

/* ---- labels ---- */

/* What the last answer says: [*begin, *end). Its thinking is part of the prompt. */
static void answer_of(const glim_example *e, const glim_tok *tok, size_t *begin, size_t *end) {
    glim_example_answer(e, begin, end);
    *begin = glim_example_said(e, tok, *begin, *end);
}

static size_t find_label(const glim_labels *l, const int32_t *tokens, size_t n) {
    for (size_t i = 0; i < l->n; i++)
        if (l->off[i + 1] - l->off[i] == n && memcmp(l->tokens + l->off[i], tokens, n * sizeof *tokens) == 0) return i;
    return SIZE_MAX;
}

size_t glim_labels_of(const glim_labels *l, const glim_dataset *d, size_t i) {
    glim_example e = example_of(d, i);
    size_t a, b;
    answer_of(&e, l->tok, &a, &b);
    return find_label(l, e.tokens + a, b - a);
}

bool glim_labels_begin(const glim_labels *l, size_t *shorter, size_t *longer) {
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < l->n; k++) {
            const size_t m = l->off[i + 1] - l->off[i];
            if (i == k || m >= l->off[k + 1] - l->off[k] || memcmp(l->tokens + l->off[i], l->tokens + l->off[k], m * sizeof *l->tokens) != 0) continue;
            *shorter = i, *longer = k;
            return true;
        }
    return false;
}

static glim_status add_label(glim_labels *l, const int32_t *tokens, size_t n, const glim_tok *tok, glim_err *err) {
    void *p = l->tokens;
    glim_status rc = glim_try_realloc(&p, l->n_tokens + n, sizeof *l->tokens, "labels", err);
    if (rc != GLIM_OK) return rc;
    l->tokens = p;
    p = l->off;
    if ((rc = glim_try_realloc(&p, l->n + 2, sizeof *l->off, "labels", err)) != GLIM_OK) return rc;
    l->off = p;
    p = l->text;
    if ((rc = glim_try_realloc(&p, l->n + 1, sizeof *l->text, "labels", err)) != GLIM_OK) return rc;
    l->text = p;
    glim_buf b = {0};
    glim_tok_decode(tok, tokens, n, false, &b);
    glim_chat_str s = glim_py_strip((glim_chat_str){glim_buf_cstr(&b), b.len});
    char *text = glim_xcalloc(s.n + 1, 1);
    memcpy(text, s.s, s.n);
    glim_buf_free(&b);
    if (l->n == 0) l->off[0] = 0;
    memcpy(l->tokens + l->n_tokens, tokens, n * sizeof *tokens);
    l->n_tokens += n;
    l->text[l->n] = text;
    l->off[++l->n] = l->n_tokens;
    return GLIM_OK;
}

glim_status glim_labels_add(glim_labels *out, const glim_dataset *d, const glim_tok *tok, size_t max, glim_err *err) {
    out->tok = tok;
    for (size_t i = 0; i < glim_dataset_n(d); i++) {
        glim_example e = example_of(d, i);
        size_t a, b;
        answer_of(&e, tok, &a, &b);
        if (find_label(out, e.tokens + a, b - a) != SIZE_MAX) continue;
        if (out->n == max) return glim_fail(err, GLIM_E_LIMIT, "more than %zu different answers: these are no labels", max);
        glim_status rc = add_label(out, e.tokens + a, b - a, tok, err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

void glim_labels_free(glim_labels *l) {
    for (size_t i = 0; i < l->n; i++) free(l->text[i]);
    free(l->text);
    free(l->tokens);
    free(l->off);
    *l = (glim_labels){0};
}

/* ---- the tree of labels ---- */

typedef struct tree_node {
    int32_t token;
    uint32_t parent, child, sibling; /* 0: none (the root is 0) */
    uint32_t depth;
    uint32_t label; /* number plus one where a label ends here */
} tree_node;

typedef struct tree {
    tree_node *v;
    size_t n;
    size_t deepest;
} tree;

static glim_status tree_make(tree *t, const glim_labels *l, glim_err *err) {
    void *p;
    *t = (tree){0};
    glim_status rc = glim_try_calloc(&p, l->n_tokens + 1, sizeof *t->v, "a tree of labels", err);
    if (rc != GLIM_OK) return rc;
    t->v = p;
    t->n = 1;
    for (size_t i = 0; i < l->n; i++) {
        uint32_t at = 0;
        for (size_t k = l->off[i]; k < l->off[i + 1]; k++) {
            uint32_t c = t->v[at].child;
            while (c && t->v[c].token != l->tokens[k]) c = t->v[c].sibling;
            if (!c) {
                c = (uint32_t)t->n++;
                t->v[c] = (tree_node){l->tokens[k], at, 0, t->v[at].child, t->v[at].depth + 1, 0};
                t->v[at].child = c;
            }
            at = c;
        }
        t->v[at].label = (uint32_t)i + 1;
        if (t->v[at].depth > t->deepest) t->deepest = t->v[at].depth;
    }
    return GLIM_OK;
}

/* A place in the tree with its log-probability. done: a label that ends here, with nothing behind it. */
typedef struct candidate {
    double logp;
    uint32_t node;
    bool done;
} candidate;

typedef struct search {
    candidate *open; /* [cap] unordered: a tree of labels is small */
    size_t n, cap;
    int32_t *path;   /* [deepest] */
    size_t n_path;
    uint32_t node;   /* that is being expanded */
    double logp;
    uint32_t said;   /* label plus one, 0: not yet */
} search;

typedef struct classify_ctx {
    const tree *t;
    search *s; /* [GROUP] */
    const size_t *of_item;
    size_t n_vocab;
} classify_ctx;

static glim_status put_open(search *s, candidate c, glim_err *err) {
    if (s->n == s->cap) {
        glim_status rc = glim_try_grow(&s->open, &s->cap, 128, sizeof *s->open, "a search among labels", err);
        if (rc != GLIM_OK) return rc;
    }
    s->open[s->n++] = c;
    return GLIM_OK;
}

/* The children of the node that was fed. A label may be the beginning of another: it is complete at its last token, which
 * for most is the token that ends the turn. */
static glim_status expand(void *ctx, size_t item, size_t at, const float *logits, glim_err *err) {
    classify_ctx *c = ctx;
    search *s = &c->s[c->of_item[item]];
    size_t best;
    (void)at;
    double norm = log_sum(logits, c->n_vocab, &best);
    if (!isfinite(norm)) return glim_fail(err, GLIM_E_FORMAT, "logits are not numbers: the model or the adapter holds bad weights");
    for (uint32_t n = c->t->v[s->node].child; n; n = c->t->v[n].sibling) {
        double p = s->logp + (double)logits[c->t->v[n].token] - norm;
        glim_status rc = GLIM_OK;
        if (c->t->v[n].label) rc = put_open(s, (candidate){p, n, true}, err);
        if (rc == GLIM_OK && c->t->v[n].child) rc = put_open(s, (candidate){p, n, false}, err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

/* Takes the likeliest place: the answer, or what to expand next. Ties go to the lower label or node. */
static void choose(search *s, const tree *t) {
    size_t b = 0;
    for (size_t i = 1; i < s->n; i++) {
        const candidate *x = &s->open[i], *y = &s->open[b];
        if (x->logp > y->logp || (x->logp == y->logp && (x->done > y->done || (x->done == y->done && x->node < y->node)))) b = i;
    }
    candidate c = s->open[b];
    s->open[b] = s->open[--s->n];
    if (c.done) {
        s->said = t->v[c.node].label;
        return;
    }
    s->node = c.node;
    s->logp = c.logp;
    s->n_path = t->v[c.node].depth;
    for (uint32_t n = c.node, k = t->v[n].depth; k; n = t->v[n].parent) s->path[--k] = t->v[n].token;
}

static glim_status classify_group(runner *r, const glim_dataset *d, size_t first, size_t k, const tree *t, search *s, glim_err *err) {
    feed f[GROUP];
    size_t of_item[GROUP];
    classify_ctx c = {t, s, of_item, r->e->model->cfg.n_vocab};
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < k && rc == GLIM_OK; i++) {
        rc = check_length(r, d, first + i, err);
        glim_example e = example_of(d, first + i);
        size_t a, b;
        answer_of(&e, r->e->tok, &a, &b);
        f[i] = (feed){&r->seq[i], e.tokens, NULL, a};
        of_item[i] = i;
        s[i].n = s[i].n_path = s[i].node = s[i].said = 0;
        s[i].logp = 0;
    }
    if (rc == GLIM_OK) rc = run(r, f, k, expand, &c, err);
    while (rc == GLIM_OK) {
        size_t n = 0;
        for (size_t i = 0; i < k && rc == GLIM_OK; i++) {
            if (s[i].said) continue;
            choose(&s[i], t);
            if (s[i].said) continue;
            glim_kv_seq *fork = &r->seq[GROUP + i];
            glim_kv_truncate(fork, 0);
            rc = glim_kv_fork(fork, &r->seq[i], r->seq[i].n_pos, err);
            f[n] = (feed){fork, s[i].path, NULL, s[i].n_path};
            of_item[n++] = i;
        }
        if (rc != GLIM_OK || n == 0) break;
        rc = run(r, f, n, expand, &c, err);
    }
    for (size_t i = 0; i < k; i++) {
        glim_kv_truncate(&r->seq[GROUP + i], 0);
        glim_kv_truncate(&r->seq[i], 0);
    }
    return rc;
}

static double macro_f1(const glim_eval_labels *r) {
    double sum = 0;
    size_t n = 0, m = r->n_labels;
    for (size_t i = 0; i < m; i++) {
        size_t is = 0, said = 0, hit = r->confusion[i * m + i];
        for (size_t j = 0; j < m; j++) is += r->confusion[i * m + j], said += r->confusion[j * m + i];
        if (is + said == 0) continue;
        sum += 2.0 * (double)hit / (double)(is + said);
        n++;
    }
    return n ? sum / (double)n : 0;
}

glim_status glim_eval_classify(glim_eval_labels *out, glim_engine *e, const glim_dataset *d, const glim_labels *l, const glim_eval_params *p,
                               glim_err *err) {
    runner r;
    tree t = {0};
    search s[GROUP] = {0};
    size_t n = glim_dataset_n(d);
    void *mem;
    *out = (glim_eval_labels){.n_labels = l->n};
    if (l->n == 0) return glim_fail(err, GLIM_E_ARG, "there are no labels to choose from");
    for (size_t i = 0; i < n; i++)
        if (glim_labels_of(l, d, i) == SIZE_MAX)
            return glim_fail(err, GLIM_E_ARG, "example %zu (line %zu): its answer is none of the %zu labels", i, glim_dataset_line(d, i), l->n);
    glim_status rc = runner_init(&r, e, p->adapter, err);
    if (rc != GLIM_OK) return rc;
    rc = tree_make(&t, l, err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, l->n * l->n, sizeof *out->confusion, "a confusion matrix", err), out->confusion = rc == GLIM_OK ? mem : NULL;
    for (size_t i = 0; i < GROUP && rc == GLIM_OK; i++) {
        rc = glim_try_calloc(&mem, t.deepest + 1, sizeof *s[i].path, "a search among labels", err);
        if (rc == GLIM_OK) s[i].path = mem;
    }
    for (size_t at = 0; at < n && rc == GLIM_OK;) {
        size_t k = group_size(&r, d, at, n);
        rc = classify_group(&r, d, at, k, &t, s, err);
        for (size_t i = 0; i < k && rc == GLIM_OK; i++) {
            size_t is = glim_labels_of(l, d, at + i), said = s[i].said - 1;
            out->confusion[is * l->n + said]++;
            out->n_examples++;
            out->n_right += is == said;
        }
        at += k;
        if (rc == GLIM_OK) rc = tell(p, at, n, err);
    }
    if (rc == GLIM_OK) out->macro_f1 = macro_f1(out);
    else glim_eval_labels_free(out);
    for (size_t i = 0; i < GROUP; i++) {
        free(s[i].path);
        free(s[i].open);
    }
    free(t.v);
    runner_deinit(&r);
    return rc;
}

void glim_eval_labels_free(glim_eval_labels *r) {
    free(r->confusion);
    *r = (glim_eval_labels){0};
}
