/* likely.c - see likely.h. Paths are a tree; each node that was looked at has the constraint's state behind it, and those ahead of
 * the search stand in a heap. */
#include "engine/likely.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/session_internal.h"
#include "engine/show.h"
#include "model/sample.h"

/* The share of what must follow: a value that the model cannot spell is a weak sign against the sentence it stands in. Of 0, 0.3 and 1
 * the best on a hundred answers in each language (bench/NOTES.md). */
static const double FORCED = 0.3;

enum { MAX_READS = 1024, MAX_BRANCH = 32 /* successors kept of a node: the rest together are hardly ever the answer */ };

typedef struct node {
    int32_t id;
    uint32_t up, depth; /* the root is its own parent, at depth 0 */
    bool ends;          /* id is a stop */
    bool looked;        /* its successors are here */
    double logp;  /* less what it costs */
    double cost;
    glim_constraint_state *state; /* behind id; NULL: not looked at yet */
} node;

typedef struct search {
    glim_session *s;
    const glim_likely_params *p;
    node *nodes;
    uint32_t *heap; /* nodes ahead, the likeliest first */
    size_t n, n_heap, cap;
    double best;    /* log probability of the best whole answer met: what is no better is not kept */
    uint32_t *bits;
    int32_t *ids;   /* [n_ctx] prompt and path */
    bool chosen;    /* the first choice was made */
    size_t n_prompt, n_words;
    glim_row *rows;
    glim_buf text; /* of the path that is looked at */
} search;

static bool before(const search *q, uint32_t a, uint32_t b) {
    const node *x = &q->nodes[a], *y = &q->nodes[b];
    return x->logp != y->logp ? x->logp > y->logp : a < b;
}

static glim_status push(search *q, const node *x, uint32_t *at, glim_err *err) {
    if (q->n == q->cap) { /* no more are in the heap than there are */
        const size_t cap = 2 * q->cap + 256;
        void *nodes = q->nodes, *heap = q->heap;
        glim_status rc = glim_try_realloc(&nodes, cap, sizeof *q->nodes, "paths", err);
        if (rc == GLIM_OK) {
            q->nodes = nodes;
            rc = glim_try_realloc(&heap, cap, sizeof *q->heap, "paths", err);
        }
        if (rc != GLIM_OK) return rc;
        q->heap = heap, q->cap = cap;
    }
    q->nodes[q->n] = *x;
    size_t i = q->n_heap++;
    uint32_t k = (uint32_t)q->n++;
    for (; i > 0 && before(q, k, q->heap[(i - 1) / 2]); i = (i - 1) / 2) q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = k;
    *at = k;
    return GLIM_OK;
}

static uint32_t pop(search *q) {
    uint32_t top = q->heap[0], last = q->heap[--q->n_heap];
    size_t i = 0;
    for (size_t c = 1; c < q->n_heap; c = 2 * i + 1) {
        if (c + 1 < q->n_heap && before(q, q->heap[c + 1], q->heap[c])) c++;
        if (!before(q, q->heap[c], last)) break;
        q->heap[i] = q->heap[c];
        i = c;
    }
    if (q->n_heap) q->heap[i] = last;
    return top;
}

/* Prompt and path of node k into q->ids; how many they are. */
static size_t path_of(search *q, uint32_t k) {
    const size_t depth = q->nodes[k].depth;
    for (uint32_t i = k; q->nodes[i].depth; i = q->nodes[i].up) q->ids[q->n_prompt + q->nodes[i].depth - 1] = q->nodes[i].id;
    return q->n_prompt + depth;
}

static glim_status state_behind(search *q, uint32_t k, glim_err *err) {
    node *x = &q->nodes[k];
    if (x->state) return GLIM_OK;
    glim_status rc = glim_constraint_state_fork(&x->state, q->nodes[x->up].state, err);
    return rc == GLIM_OK ? glim_constraint_accept(x->state, x->id, err) : rc;
}

/* Of n tokens behind node k, likeliest first: where the text has one way to go on, the likeliest spelling of it, at a share of its log
 * probability; where a whole kind of answer is chosen, the likeliest. */
static void narrow(search *q, uint32_t k, const int32_t *id, double *logp, size_t *n) {
    glim_buf forced = {0};
    size_t len = 0;
    const char *piece = glim_tok_piece(q->s->e->tok, id[0], &len);
    glim_constraint_forced(q->nodes[k].state, &forced, 256);
    if (piece && len && len <= forced.len) {
        *n = 1;
        logp[0] *= FORCED;
    } else if (*n > 1 && !q->chosen && !q->p->cost) {
        *n = 1;
        for (size_t i = 0; piece && i < len; i++) q->chosen |= piece[i] != ' ' && piece[i] != '\n';
    }
    glim_buf_free(&forced);
}

static void write_path(search *q, size_t n_ids) {
    glim_buf_clear(&q->text);
    for (size_t i = q->n_prompt; i < n_ids; i++) {
        size_t len = 0;
        const char *piece = glim_tok_piece(q->s->e->tok, q->ids[i], &len);
        if (piece) glim_buf_append(&q->text, piece, len);
    }
}

/* What the path in q->text costs with one more token; -1: it ends here. */
static double cost_with(search *q, int32_t id) {
    const size_t before = q->text.len;
    size_t len = 0;
    const char *piece = id >= 0 ? glim_tok_piece(q->s->e->tok, id, &len) : NULL;
    if (piece) glim_buf_append(&q->text, piece, len);
    const double cost = q->p->cost(q->p->cost_ctx, glim_buf_cstr(&q->text), q->text.len, id < 0);
    if (q->text.len > before) q->text.s[q->text.len = before] = 0;
    return cost;
}

/* After a greedy path that led nowhere: the likeliest brother that was not followed, of the last that has one; 0: none. */
static uint32_t go_back(const search *q) {
    for (size_t i = q->n; i-- > 1;) {
        if (q->nodes[i].looked) continue;
        uint32_t best = (uint32_t)i;
        for (size_t j = i; j > 0 && q->nodes[j].up == q->nodes[i].up; j--)
            if (!q->nodes[j].looked && q->nodes[j].logp > q->nodes[best].logp) best = (uint32_t)j;
        return best;
    }
    return 0;
}

/* The successors of node k join the heap; *likeliest is the best of them, or k where there is none that may be better than q->best. */
static glim_status look(search *q, uint32_t k, uint32_t *likeliest, glim_err *err) {
    const size_t n_vocab = q->s->e->model->cfg.n_vocab, n_bits = 32 * q->n_words < n_vocab ? 32 * q->n_words : n_vocab, n_ids = path_of(q, k);
    const float *logits = NULL;
    bool go_on = true;
    float top;
    double log_sum;
    glim_status rc = state_behind(q, k, err);
    if (rc == GLIM_OK) rc = glim_session_read(q->s, q->ids, n_ids, &(glim_gen_params){0}, q->rows, &logits, &go_on, err);
    if (rc == GLIM_OK) rc = glim_constraint_mask(q->nodes[k].state, q->bits, NULL, err);
    if (rc != GLIM_OK) return rc;
    glim_log_softmax(logits, n_vocab, &top, &log_sum, NULL, 0);
    int32_t id[MAX_BRANCH];
    double logp[MAX_BRANCH];
    size_t n = 0;
    for (size_t i = 0; i < n_bits; i++) {
        if (!(q->bits[i / 32] >> i % 32 & 1)) continue;
        const double v = ((double)logits[i] - top) - log_sum;
        if (!isfinite(v) || (n == MAX_BRANCH && v <= logp[n - 1])) continue;
        size_t at = n < MAX_BRANCH ? n++ : n - 1;
        for (; at > 0 && logp[at - 1] < v; at--) logp[at] = logp[at - 1], id[at] = id[at - 1];
        logp[at] = v, id[at] = (int32_t)i;
    }
    if (n) narrow(q, k, id, logp, &n);
    *likeliest = k;
    if (q->p->cost) write_path(q, n_ids);
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        const node *up = &q->nodes[k];
        node x = {.id = id[i], .up = k, .depth = up->depth + 1, .ends = glim_engine_is_stop(q->s->e, id[i])};
        uint32_t at;
        if (up->logp + logp[i] <= q->best) break;
        x.cost = q->p->cost ? cost_with(q, x.ends ? -1 : id[i]) : 0;
        x.logp = up->logp + logp[i] - (x.cost - up->cost);
        if (x.logp <= q->best) continue;
        if (x.ends) q->best = x.logp;
        rc = push(q, &x, &at, err);
        if (*likeliest == k || x.logp > q->nodes[*likeliest].logp) *likeliest = at;
    }
    return rc == GLIM_OK && q->p->cost ? glim_buf_status(&q->text, "a path", err) : rc;
}

static glim_status text_of(search *q, uint32_t k, glim_gen_result *out, glim_err *err) {
    glim_show show = {0};
    glim_engine *e = q->s->e;
    const int32_t handover = glim_tok_find(e->tok, "<|observation|>"), turn = glim_tok_find(e->tok, "<|assistant|>");
    const size_t n = path_of(q, k);
    glim_status rc = GLIM_OK;
    out->finish = GLIM_FINISH_LENGTH;
    out->logp = q->nodes[k].logp;
    for (size_t i = q->n_prompt; i < n && rc == GLIM_OK; i++) {
        const int32_t id = q->ids[i];
        rc = glim_ids_push(&out->ids, id, err);
        if (glim_engine_is_stop(e, id)) {
            out->finish = id == handover ? GLIM_FINISH_TOOL_CALLS : GLIM_FINISH_STOP;
            out->stop_id = id;
            break;
        }
        size_t shown = glim_show_put(&show, e->tok, id, q->p->for_reply && id == turn);
        glim_buf_append(&out->text, show.pending.s, shown);
        glim_show_drop(&show, shown);
    }
    size_t shown = glim_show_end(&show);
    glim_buf_append(&out->text, show.pending.s, shown);
    if (rc == GLIM_OK) rc = glim_buf_status(&out->text, "the answer", err);
    glim_show_deinit(&show);
    return rc;
}

static glim_status run(search *q, glim_constraint *c, glim_gen_result *out, glim_err *err) {
    const size_t n_ctx = q->s->e->model->plan.n_ctx, room = n_ctx - q->n_prompt + 1; /* the last token is chosen, not read */
    const size_t longest = q->p->max_tokens && q->p->max_tokens < room ? q->p->max_tokens : room, reads = q->p->max_reads ? q->p->max_reads : MAX_READS;
    uint32_t at, furthest = 0;
    bool greedy = false;
    node root = {0};
    glim_status rc = glim_constraint_state_new(&root.state, c, err);
    if (rc != GLIM_OK) return rc;
    if ((rc = push(q, &root, &at, err)) != GLIM_OK) glim_constraint_state_free(root.state);
    for (size_t n = 0; rc == GLIM_OK; n++) {
        if (!greedy) {
            if (q->n_heap == 0) break;
            greedy = n >= reads; /* too many ways are as good: the best of them, to its end */
            at = pop(q);
        }
        const node *x = &q->nodes[at];
        if (x->depth > q->nodes[furthest].depth) furthest = at;
        if (x->ends) return text_of(q, at, out, err);
        if (x->depth >= longest) { /* cut: another path may still come to its end */
            if (greedy) break;
            continue;
        }
        const uint32_t from = at;
        if (greedy) q->best = -HUGE_VAL;
        q->nodes[from].looked = true;
        rc = look(q, from, &at, err);
        if (greedy && at == from && (n >= 3 * reads || (at = go_back(q)) == 0)) break;
    }
    for (uint32_t i = 0, best = 0; rc == GLIM_OK && i < q->n; i++) { /* a whole one is better than the beginning of another */
        if (!q->nodes[i].ends) continue;
        if (!q->nodes[best].ends || q->nodes[i].logp > q->nodes[best].logp) best = i;
        furthest = best;
    }
    return rc == GLIM_OK ? text_of(q, furthest, out, err) : rc;
}

glim_status glim_session_likeliest(glim_session *s, const int32_t *prompt, size_t n_prompt, glim_constraint *c, const glim_likely_params *p,
                                   glim_gen_result *out, glim_err *err) {
    const size_t n_ctx = s->e->model->plan.n_ctx;
    search q = {.s = s, .p = p, .n_prompt = n_prompt, .n_words = glim_constraint_words(c), .best = -HUGE_VAL};
    void *mem;
    *out = (glim_gen_result){.stop_id = -1, .n_prompt = n_prompt, .finish = GLIM_FINISH_CANCELLED};
    glim_status rc = glim_session_fits(s, n_prompt, err);
    if (rc == GLIM_OK && (rc = glim_try_calloc(&mem, n_ctx + 1, sizeof *q.ids, "a path", err)) == GLIM_OK) q.ids = mem;
    if (rc == GLIM_OK && (rc = glim_try_calloc(&mem, glim_ws_n_rows(s->e->ws), sizeof *q.rows, "a batch", err)) == GLIM_OK) q.rows = mem;
    if (rc == GLIM_OK && (rc = glim_try_calloc(&mem, q.n_words, sizeof *q.bits, "a mask", err)) == GLIM_OK) q.bits = mem;
    if (rc == GLIM_OK) {
        memcpy(q.ids, prompt, n_prompt * sizeof *prompt);
        const double t0 = glim_now_s();
        rc = run(&q, c, out, err);
        out->decode_s = glim_now_s() - t0;
    }
    for (size_t i = 0; i < q.n; i++) glim_constraint_state_free(q.nodes[i].state);
    glim_buf_free(&q.text);
    free(q.nodes);
    free(q.heap);
    free(q.ids);
    free(q.rows);
    free(q.bits);
    return rc;
}
