/* constrain_vocab.c - a vocabulary prepared for masks: its trie, how its tokens run through JSON strings, and what
 * terminals allow whatever stands around them.
 *
 * The trie lies in preorder, so that a walk is one pass over an array that jumps over dead subtrees. A leaf mask is one
 * such walk with one automaton; it is kept for all grammars until the byte bound drops it. */
#include <stdlib.h>
#include <string.h>

#include "text/constrain_internal.h"

/* ---- the trie ---- */

static int by_bytes(const void *x, const void *y, void *ctx) {
    const glim_constraint_vocab *v = ctx;
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    size_t n = v->len[a] < v->len[b] ? v->len[a] : v->len[b];
    int c = memcmp(v->text[a], v->text[b], n);
    if (c) return c;
    if (v->len[a] != v->len[b]) return v->len[a] < v->len[b] ? -1 : 1;
    return (a > b) - (a < b);
}

/* A vocabulary that lists the same bytes more than 255 times has those beyond never chosen. */
static bool build_trie(glim_constraint_vocab *v) {
    size_t cap = 0;
    uint32_t open[GLIM_CON_TOKEN_BYTES + 1]; /* the node at each depth of the token before */
    void *p = NULL;
    size_t depth = 0; /* nodes open below the root */
    for (size_t i = 0; i <= v->n_order; i++) {
        const char *s = i < v->n_order ? v->text[v->order[i]] : NULL, *t = i ? v->text[v->order[i - 1]] : NULL;
        size_t n = s ? v->len[v->order[i]] : 0, m = t ? v->len[v->order[i - 1]] : 0, same = 0;
        while (same < n && same < m && s[same] == t[same]) same++;
        if (i == v->n_order) same = 0;
        for (; depth > same; depth--) v->node[open[depth]].skip = (uint32_t)v->n_nodes;
        if (i == 0) same = depth = 0;
        else if (s && same == n && v->node[open[n]].ends < UINT8_MAX) v->node[open[n]].ends++; /* the same bytes again */
        for (size_t d = i == 0 ? 0 : same + 1; s && d <= n; d++) {
            p = v->node;
            if (!glim_con_grow(&p, &cap, v->n_nodes + 2, sizeof *v->node)) return false;
            v->node = p;
            open[d] = (uint32_t)v->n_nodes;
            v->node[v->n_nodes++] = (glim_vocab_node){.first = (uint32_t)i, .depth = (uint16_t)d,
                                                      .byte = d ? (uint8_t)s[d - 1] : 0, .ends = d == n};
            depth = d;
        }
    }
    if (!v->n_nodes) { /* a vocabulary without text */
        if (!glim_con_grow(&p, &cap, 2, sizeof *v->node)) return false;
        v->node = p;
        v->node[v->n_nodes++] = (glim_vocab_node){0};
    }
    v->node[0].skip = (uint32_t)v->n_nodes;
    v->node[v->n_nodes] = (glim_vocab_node){.first = (uint32_t)v->n_order};
    for (uint32_t i = 1; i < v->n_nodes; i = v->node[i].skip) v->root[v->node[i].byte] = i;
    return true;
}

/* ---- strings ---- */

typedef struct exits {
    glim_vocab_exit *v;
    size_t n, cap;
    bool failed;
} exits;

static void put_exit(exits *e, uint32_t tok, uint32_t chars, size_t off) {
    void *p = e->v;
    if (e->failed || !glim_con_grow(&p, &e->cap, e->n + 1, sizeof *e->v)) {
        e->failed = true;
        return;
    }
    e->v = p;
    e->v[e->n++] = (glim_vocab_exit){.tok = tok, .chars = chars, .off = (uint16_t)off};
}

static int by_rest(const void *x, const void *y, void *ctx) {
    const glim_constraint_vocab *v = ctx;
    const glim_vocab_exit *a = x, *b = y;
    size_t n = (size_t)(v->len[a->tok] - a->off), m = (size_t)(v->len[b->tok] - b->off);
    int c = memcmp(v->text[a->tok] + a->off, v->text[b->tok] + b->off, n < m ? n : m);
    if (c) return c;
    if (n != m) return n < m ? -1 : 1;
    return (a->tok > b->tok) - (a->tok < b->tok);
}

/* Sorts by what follows and notes how much each shares with the one before. */
static void sort_exits(const glim_constraint_vocab *v, glim_vocab_exit *e, size_t n) {
    if (n) qsort_r(e, n, sizeof *e, by_rest, (void *)v);
    for (size_t i = 0; i < n; i++) {
        const char *s = v->text[e[i].tok] + e[i].off, *t = i ? v->text[e[i - 1].tok] + e[i - 1].off : s;
        size_t a = (size_t)(v->len[e[i].tok] - e[i].off), b = i ? (size_t)(v->len[e[i - 1].tok] - e[i - 1].off) : 0, k = 0;
        while (k < a && k < b && s[k] == t[k]) k++;
        e[i].lcp = (uint16_t)k;
    }
}

static bool build_str(glim_constraint_vocab *v, glim_vocab_str *out, glim_str_mode mode, unsigned from) {
    const glim_str_table *t = glim_str_tables();
    exits longer = {0}, close = {0}, exit = {0};
    void *p = NULL;
    for (int i = 0; i <= GLIM_STR_CHARS; i++) {
        if (glim_try_calloc(&p, v->n_words + 1, sizeof(uint32_t), "masks of strings", NULL) != GLIM_OK) return false;
        out->stay[i] = p;
    }
    if (glim_try_calloc(&p, v->n_words + 1, sizeof(uint32_t), "masks of strings", NULL) != GLIM_OK) return false;
    out->all = p;
    for (size_t i = 0; i < v->n_order; i++) {
        uint32_t tok = v->order[i], chars = 0;
        unsigned at = from;
        size_t j = 0;
        for (; j < v->len[tok] && at != GLIM_STR_DEAD && at != GLIM_STR_DONE; j++) {
            unsigned to = t->to[mode][at][(uint8_t)v->text[tok][j]];
            chars += glim_str_between(at) && to != GLIM_STR_DONE && to != GLIM_STR_DEAD;
            at = to;
        }
        if (at == GLIM_STR_DEAD) continue;
        if (at != GLIM_STR_DONE) {
            if (chars > GLIM_STR_CHARS) put_exit(&longer, tok, chars, j);
            for (uint32_t k = chars; k <= GLIM_STR_CHARS; k++) glim_bit_set(out->stay[k], tok);
            glim_bit_set(out->all, tok);
        } else if (j == v->len[tok]) {
            put_exit(&close, tok, chars, j);
            glim_bit_set(out->all, tok);
        } else put_exit(&exit, tok, chars, j);
    }
    sort_exits(v, exit.v, exit.n);
    out->longer = longer.v;
    out->n_longer = longer.n;
    out->close = close.v;
    out->n_close = close.n;
    out->exit = exit.v;
    out->n_exit = exit.n;
    return !longer.failed && !close.failed && !exit.failed;
}

static void free_str(glim_vocab_str *s) {
    for (int i = 0; i <= GLIM_STR_CHARS; i++) free(s->stay[i]);
    free(s->all);
    free(s->longer);
    free(s->close);
    free(s->exit);
}

/* ---- the handle ---- */

glim_status glim_constraint_vocab_new(glim_constraint_vocab **out, const glim_tok *tok, const int32_t *stops,
                                      size_t n_stops, size_t leaf_bytes, glim_err *err) {
    glim_constraint_vocab *v = glim_xcalloc(1, sizeof *v);
    pthread_mutex_init(&v->lock, NULL);
    v->tok = tok;
    v->n = glim_tok_n(tok);
    v->n_words = (v->n + 31) / 32;
    v->leaf_limit = leaf_bytes ? leaf_bytes : (size_t)64 << 20;
    v->n_bucket = 4096;
    void *p[5] = {0};
    const size_t sizes[5] = {sizeof *v->text, sizeof *v->len, sizeof *v->order, sizeof *v->bucket, sizeof *v->stop};
    const size_t counts[5] = {v->n + 1, v->n + 1, v->n + 1, v->n_bucket, n_stops + 1};
    glim_status rc = GLIM_OK;
    for (int i = 0; i < 5 && rc == GLIM_OK; i++) rc = glim_try_calloc(&p[i], counts[i], sizes[i], "the vocabulary's trie", err);
    v->text = p[0];
    v->len = p[1];
    v->order = p[2];
    v->bucket = p[3];
    v->stop = p[4];
    if (rc != GLIM_OK) goto fail;
    for (size_t i = 0; i < n_stops; i++)
        if (stops[i] >= 0 && (size_t)stops[i] < v->n) v->stop[v->n_stop++] = stops[i];
    for (size_t i = 0; i < v->n; i++) {
        size_t n;
        const char *s = glim_tok_piece(tok, (int32_t)i, &n);
        if (!s || n == 0 || glim_tok_is_added(tok, (int32_t)i)) continue;
        if (n > GLIM_CON_TOKEN_BYTES) continue; /* a kilobyte in one token: never chosen rather than never sure */
        v->text[i] = s;
        v->len[i] = (uint16_t)n;
        if (n > v->max_len) v->max_len = n;
        v->order[v->n_order++] = (uint32_t)i;
    }
    if (v->n_order) qsort_r(v->order, v->n_order, sizeof *v->order, by_bytes, v);
    bool ok = build_trie(v);
    for (size_t i = 0, cap = 0; i < v->n_order && ok; i++) {
        int n = 0;
        for (size_t k = 0; k < v->len[v->order[i]]; k++) n += v->text[v->order[i]][k] == '"';
        void *q = v->quotes;
        if (n < 3) continue;
        ok = glim_con_grow(&q, &cap, v->n_quotes + 1, sizeof *v->quotes);
        v->quotes = q;
        if (ok) v->quotes[v->n_quotes++] = v->order[i];
    }
    for (int m = 0; m < GLIM_N_STR_MODE && ok; m++)
        for (unsigned from = 0; from < 2 && ok; from++)
            ok = build_str(v, &v->str[m][from], (glim_str_mode)m, from ? GLIM_STR_BODY : GLIM_STR_OPEN);
    if (!ok) {
        rc = glim_con_nomem(err);
        goto fail;
    }
    *out = v;
    return GLIM_OK;
fail:
    glim_constraint_vocab_free(v);
    return rc;
}

static void free_leaf(glim_leaf_mask *m) {
    free(m->bits);
    free(m->exit);
    free(m);
}

void glim_constraint_vocab_free(glim_constraint_vocab *v) {
    if (!v) return;
    for (glim_leaf_mask *m = v->newest, *next; m; m = next) {
        next = m->older;
        free_leaf(m);
    }
    for (int i = 0; i < GLIM_N_COMMON; i++) glim_dfa_free(v->common[i]);
    for (int m = 0; m < GLIM_N_STR_MODE; m++)
        for (int f = 0; f < 2; f++) free_str(&v->str[m][f]);
    free(v->node);
    free(v->order);
    free(v->quotes);
    free(v->text);
    free(v->len);
    free(v->bucket);
    free(v->stop);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

size_t glim_constraint_vocab_words(const glim_constraint_vocab *v) { return v->n_words; }

/* ---- automata that all grammars share ---- */

/* "", " ", or a line break and up to 32 spaces and tabs. */
static uint64_t space_step(const void *ctx, uint64_t s, uint8_t b) {
    (void)ctx;
    if (s == 0) return b == ' ' ? 1 : b == '\n' ? 2 : UINT64_MAX;
    if (s == 1 || s == 2 + 32) return UINT64_MAX;
    return b == ' ' || b == '\t' ? s + 1 : UINT64_MAX;
}
/* [A-Za-z0-9_.-]{1,64} */
static uint64_t xkey_step(const void *ctx, uint64_t s, uint8_t b) {
    (void)ctx;
    bool ok = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '_' || b == '.' || b == '-';
    return ok && s < 64 ? s + 1 : UINT64_MAX;
}
static bool always(const void *ctx, uint64_t s) {
    (void)ctx;
    (void)s;
    return true;
}
static bool not_first(const void *ctx, uint64_t s) {
    (void)ctx;
    return s > 0;
}

static glim_status make_common(glim_dfa **out, glim_common which, glim_err *err) {
    static const char *const words[] = {"null", "true", "false"};
    static const size_t lens[] = {4, 4, 5};
    glim_con_budget b = {GLIM_CON_WORK, GLIM_CON_MAX_NODES, GLIM_CON_DFA_BYTES};
    glim_dfa_machine m = {0};
    switch (which) {
    case GLIM_COMMON_WORDS: return glim_dfa_words(out, words, lens, 3, &b, err);
    case GLIM_COMMON_NULL: return glim_dfa_words(out, words, lens, 1, &b, err);
    case GLIM_COMMON_BOOL: return glim_dfa_words(out, words + 1, lens + 1, 2, &b, err);
    case GLIM_COMMON_INTEGER: return glim_dfa_number(out, &(glim_number_rules){.integer = true}, &b, err);
    case GLIM_COMMON_NUMBER: return glim_dfa_number(out, &(glim_number_rules){0}, &b, err);
    case GLIM_COMMON_RAW: {
        glim_dfa *text = NULL, *no_call = NULL;
        glim_status rc = glim_dfa_raw_text(&text, "</arg_value>", &b, err);
        if (rc == GLIM_OK) rc = glim_dfa_bytes(&no_call, "</tool_call>", false, &b, err);
        if (rc == GLIM_OK) rc = glim_dfa_product(out, text, no_call, false, &b, err);
        glim_dfa_free(text);
        glim_dfa_free(no_call);
        return rc;
    }
    case GLIM_COMMON_NO_END: return glim_dfa_bytes(out, "</arg_value>", false, &b, err);
    case GLIM_COMMON_NO_THINK: return glim_dfa_bytes(out, "</think>", false, &b, err);
    case GLIM_COMMON_TO_THINK: return glim_dfa_bytes(out, "</think>", true, &b, err);
    case GLIM_COMMON_NO_CALL: return glim_dfa_bytes(out, "<tool_call>", false, &b, err);
    case GLIM_COMMON_TO_CALL: return glim_dfa_bytes(out, "<tool_call>", true, &b, err);
    case GLIM_COMMON_XKEY: m.step = xkey_step; break;
    default: m.step = space_step; break;
    }
    m.accepts = which == GLIM_COMMON_XKEY ? not_first : always;
    return glim_dfa_explore(out, &m, &b, err);
}

const glim_dfa *glim_vocab_common(glim_constraint_vocab *v, glim_common which, glim_err *err) {
    pthread_mutex_lock(&v->lock);
    if (!v->common[which] && make_common(&v->common[which], which, err) == GLIM_OK) {
        glim_dfa *d = v->common[which];
        if (which == GLIM_COMMON_RAW || which == GLIM_COMMON_XKEY) {
            d->exits = (glim_bytes){0};
            glim_bytes_add(&d->exits, '<'); /* the tag, where it is not a token of its own */
        }
    }
    const glim_dfa *d = v->common[which];
    pthread_mutex_unlock(&v->lock);
    return d;
}

/* ---- leaf masks ---- */

/* Whether a token goes on below node i with a byte of the set. */
static bool leads_to(const glim_constraint_vocab *v, uint32_t i, const glim_bytes *set) {
    for (uint32_t c = i + 1; c < v->node[i].skip; c = v->node[c].skip)
        if (glim_bytes_has(set, v->node[c].byte)) return true;
    return false;
}

/* Walks the trie with one automaton. */
static glim_leaf_mask *make_leaf(const glim_constraint_vocab *v, const glim_dfa *d, uint32_t state) {
    glim_leaf_mask *m = calloc(1, sizeof *m);
    uint32_t at[GLIM_CON_TOKEN_BYTES + 1];
    size_t cap = 0;
    bool leaves = d->exits.w[0] | d->exits.w[1] | d->exits.w[2] | d->exits.w[3];
    void *p = NULL;
    if (!m) return NULL;
    if (glim_try_calloc(&p, v->n_words + 1, sizeof *m->bits, "a mask", NULL) != GLIM_OK) goto fail;
    m->bits = p;
    m->uid = d->uid;
    m->state = state;
    at[0] = state;
    const glim_vocab_node *node = v->node;
    for (uint32_t i = 1; i < v->n_nodes;) {
        const glim_vocab_node *x = &node[i];
        uint32_t to = glim_dfa_step(d, at[x->depth - 1], x->byte);
        if (to == GLIM_DFA_DEAD) {
            i = x->skip;
            continue;
        }
        at[x->depth] = to;
        if (x->ends)
            for (uint32_t k = x->first; k < x->first + x->ends; k++) glim_bit_set(m->bits, v->order[k]);
        if (leaves && (d->accept[to] & GLIM_DFA_ACCEPTS) && leads_to(v, i, &d->exits)) {
            p = m->exit;
            if (!glim_con_grow(&p, &cap, m->n_exit + 1, sizeof *m->exit)) goto fail;
            m->exit = p;
            m->exit[m->n_exit++] = i;
        }
        i++;
    }
    m->bytes = sizeof *m + v->n_words * sizeof *m->bits + cap * sizeof *m->exit;
    return m;
fail:
    free_leaf(m);
    return NULL;
}

static size_t bucket_of(const glim_constraint_vocab *v, uint64_t uid, uint32_t state) {
    uint64_t h = (uid * 0x9e3779b97f4a7c15u) ^ (state * 0xc2b2ae3d27d4eb4fu);
    return (h ^ h >> 29) & (v->n_bucket - 1);
}

static void unlink_leaf(glim_constraint_vocab *v, glim_leaf_mask *m) {
    *(m->newer ? &m->newer->older : &v->newest) = m->older;
    *(m->older ? &m->older->newer : &v->oldest) = m->newer;
}

static void front_leaf(glim_constraint_vocab *v, glim_leaf_mask *m) {
    m->newer = NULL;
    m->older = v->newest;
    *(v->newest ? &v->newest->newer : &v->oldest) = m;
    v->newest = m;
}

bool glim_vocab_leaf(glim_constraint_vocab *v, const glim_dfa *d, uint32_t state,
                     void (*fn)(void *ctx, const glim_leaf_mask *m), void *ctx) {
    pthread_mutex_lock(&v->lock);
    size_t at = bucket_of(v, d->uid, state);
    glim_leaf_mask *m = v->bucket[at];
    while (m && (m->uid != d->uid || m->state != state)) m = m->chain;
    if (m) {
        unlink_leaf(v, m);
        front_leaf(v, m);
    } else if ((m = make_leaf(v, d, state))) {
        m->chain = v->bucket[at];
        v->bucket[at] = m;
        front_leaf(v, m);
        v->leaf_bytes += m->bytes;
        while (v->leaf_bytes > v->leaf_limit && v->oldest != m) {
            glim_leaf_mask *old = v->oldest;
            glim_leaf_mask **link = &v->bucket[bucket_of(v, old->uid, old->state)];
            while (*link != old) link = &(*link)->chain;
            *link = old->chain;
            unlink_leaf(v, old);
            v->leaf_bytes -= old->bytes;
            free_leaf(old);
        }
    }
    if (m) fn(ctx, m);
    pthread_mutex_unlock(&v->lock);
    return m != NULL;
}
