/* constrain_mask.c - which tokens a state allows.
 *
 * A token is allowed if one of the configurations can read it, so the mask is the union over them. For each, most of the
 * work was done before: how tokens run inside the terminal is known from tables (strings) or a kept walk (automata), and
 * only tokens that run over its end are followed further, sorted by what comes after the end so that shared beginnings
 * are followed once. */
#include <stdlib.h>
#include <string.h>

#include "text/constrain_internal.h"

typedef struct build {
    glim_machine *m;
    const glim_constraint_vocab *v;
    uint32_t *bits;
    uint32_t after; /* state behind the terminal at hand */
} build;

static void or_bits(uint32_t *restrict to, const uint32_t *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] |= from[i];
}

static uint32_t child(const glim_constraint_vocab *v, uint32_t at, uint8_t b) {
    if (at == 0) return v->root[b];
    for (uint32_t c = at + 1; c < v->node[at].skip; c = v->node[c].skip)
        if (v->node[c].byte == b) return c;
    return 0;
}

static void set_ends(const build *x, const glim_vocab_node *n) {
    for (uint32_t k = n->first; k < n->first + n->ends; k++) glim_bit_set(x->bits, x->v->order[k]);
}

/* Everything below a node of the trie that the machine can read from `state`. */
static void walk_machine(const build *x, uint32_t top, uint32_t state) {
    const glim_vocab_node *node = x->v->node;
    uint32_t at[GLIM_CON_TOKEN_BYTES + 1];
    uint32_t base = node[top].depth, end = node[top].skip;
    at[base] = state;
    for (uint32_t i = top + 1; i < end;) {
        const glim_vocab_node *n = &node[i];
        uint32_t to = glim_machine_step(x->m, at[n->depth - 1], n->byte);
        if (!to) {
            i = n->skip;
            continue;
        }
        at[n->depth] = to;
        set_ends(x, n);
        i++;
    }
}

static void literal(const build *x, const glim_node *n, const glim_mconfig *c) {
    uint32_t at = 0;
    for (size_t i = c->data; i < n->len; i++) {
        if (!(at = child(x->v, at, (uint8_t)n->u.text[i]))) return;
        set_ends(x, &x->v->node[at]);
    }
    if (x->v->node[at].skip > at + 1) walk_machine(x, at, x->after);
}

/* Tokens that leave a string: their rests are read from the state behind it. lo..hi: characters they may
 * spend before. */
static void run_exits(const build *x, const glim_vocab_exit *e, size_t n, uint32_t lo, uint32_t hi) {
    uint32_t at[GLIM_CON_TOKEN_BYTES + 1];
    size_t alive = 0, same = 0; /* at[0..alive] hold the last rest followed; `same` of it are shared by this one */
    bool first = true;
    at[0] = x->after;
    if (!x->after) return;
    for (size_t i = 0; i < n; i++) {
        same = first ? 0 : e[i].lcp < same ? e[i].lcp : same;
        uint32_t tok = e[i].tok;
        if (e[i].chars < lo || e[i].chars > hi) continue;
        const char *rest = x->v->text[tok] + e[i].off;
        size_t len = (size_t)(x->v->len[tok] - e[i].off);
        bool dead = !first && same > alive;
        first = false;
        if (!dead) {
            size_t k = same;
            uint32_t s = at[k];
            while (k < len && (s = glim_machine_step(x->m, s, (uint8_t)rest[k]))) at[++k] = s;
            alive = k;
            if (k == len) glim_bit_set(x->bits, tok);
        }
        same = SIZE_MAX;
    }
}

static void use_leaf(void *ctx, const glim_leaf_mask *m) {
    const build *x = ctx;
    or_bits(x->bits, m->bits, x->v->n_words);
    for (size_t i = 0; i < m->n_exit; i++) walk_machine(x, m->exit[i], x->after);
}

static void string(const build *x, const glim_node *n, const glim_mconfig *c) {
    const glim_vocab_str *s = &x->v->str[n->mode][(c->data & 31) == GLIM_STR_BODY];
    uint32_t chars = c->data >> 5;
    uint32_t lo = n->min > chars ? n->min - chars : 0, hi = n->max == GLIM_NO_MAX ? UINT32_MAX : n->max - chars;
    if (lo == 0 && hi == UINT32_MAX) or_bits(x->bits, s->all, x->v->n_words);
    else {
        or_bits(x->bits, s->stay[hi < GLIM_STR_CHARS ? hi : GLIM_STR_CHARS], x->v->n_words);
        for (size_t i = 0; i < s->n_longer; i++)
            if (s->longer[i].chars <= hi) glim_bit_set(x->bits, s->longer[i].tok);
        for (size_t i = 0; i < s->n_close; i++)
            if (s->close[i].chars >= lo && s->close[i].chars <= hi) glim_bit_set(x->bits, s->close[i].tok);
    }
    run_exits(x, s->exit, s->n_exit, lo, hi);
}

/* A string from inside a character or an escape (few tokens go on there), or after "<" where "/" may not follow: a walk. */
static void walk_string(const build *x, const glim_node *n, const glim_mconfig *c) {
    const glim_constraint_vocab *v = x->v;
    glim_node any_key = {.kind = GLIM_NODE_KEY, .mode = n->mode};
    uint32_t data[GLIM_CON_TOKEN_BYTES + 1], state[GLIM_CON_TOKEN_BYTES + 1]; /* inside, or else behind */
    bool is_key = n->kind == GLIM_NODE_KEY;
    if (is_key) n = &any_key;
    data[0] = is_key ? c->data & 31 : c->data;
    state[0] = 0;
    for (uint32_t i = 1; i < v->n_nodes;) {
        const glim_vocab_node *t = &v->node[i];
        uint32_t d = t->depth, from = data[d - 1];
        data[d] = UINT32_MAX;
        state[d] = 0;
        if (from != UINT32_MAX) data[d] = glim_terminal_step(n, from, t->byte);
        else state[d] = glim_machine_step(x->m, state[d - 1], t->byte);
        if (data[d] == UINT32_MAX && !state[d]) {
            i = t->skip;
            continue;
        }
        if (data[d] != UINT32_MAX && glim_terminal_whole(n, data[d])) {
            data[d] = UINT32_MAX;
            state[d] = x->after;
        }
        set_ends(x, t);
        i++;
    }
}

/* Takes back the tokens that go on with a quote at a node of the trie. */
static void ban_quote(const build *x, uint32_t trie, uint32_t *bits) {
    const glim_constraint_vocab *v = x->v;
    uint32_t quote = child(v, trie, '"');
    if (!quote) return;
    for (uint32_t k = v->node[quote].first; k < v->node[v->node[quote].skip].first; k++)
        bits[v->order[k] / 32] &= ~((uint32_t)1 << v->order[k] % 32);
}

/* Tokens that would close the quote right after one of the names below `at`, which stands at `trie`. */
static void ban_names(const build *x, const glim_keyset *t, uint32_t at, uint32_t trie, uint32_t *bits) {
    if (t->node[at].ends) ban_quote(x, trie, bits);
    for (uint32_t c = t->node[at].child; c; c = t->node[c].sibling) {
        uint32_t to = child(x->v, trie, t->node[c].byte);
        if (to) ban_names(x, t, c, to, bits); /* no deeper than a token is long */
    }
}

/* The same for a key seen before, if what was read so far is a beginning of it. */
static void ban_seen(const build *x, uint32_t key, uint32_t partial, uint32_t trie, uint32_t *bits) {
    uint8_t rest[GLIM_CON_TOKEN_BYTES];
    size_t n = 0;
    for (; key && key != partial; key = glim_partial_at(x->m, key)->parent) {
        if (n == sizeof rest) return; /* no token reaches its end */
        rest[n++] = (uint8_t)glim_partial_at(x->m, key)->byte;
    }
    if (key != partial) return;
    while (n) {
        trie = child(x->v, trie, rest[--n]);
        if (!trie) return;
    }
    ban_quote(x, trie, bits);
}

/* A key: like a string, less the names it must not be. What follows its end does not depend on which key it was, except
 * in tokens that hold another whole key: those few are read by the machine. */
static void key(build *x, const glim_node *n, const glim_mconfig *c, uint32_t state) {
    const glim_constraint_vocab *v = x->v;
    glim_machine *m = x->m;
    unsigned place = c->data & 31;
    bool open = place == GLIM_STR_OPEN;
    uint32_t partial = open ? glim_partial_root(m, c->node) : c->data >> 5, *all = x->bits, *own = m->scratch;
    memset(own, 0, v->n_words * sizeof *own);
    x->bits = own;
    if (open || place == GLIM_STR_BODY) {
        const glim_vocab_str *s = &v->str[n->mode][!open];
        or_bits(own, s->all, v->n_words);
        run_exits(x, s->exit, s->n_exit, 0, UINT32_MAX);
    } else walk_string(x, n, c);
    uint32_t trie = open ? v->root['"'] : 0, names = glim_partial_at(m, partial)->names;
    if (trie || !open) {
        if (names) ban_names(x, n->u.names, names - 1, trie, own);
        for (uint32_t s = glim_frame_at(m, c->frame)->seen; s; s = glim_seen_at(m, s)->prev)
            ban_seen(x, glim_seen_at(m, s)->partial, partial, trie, own);
    }
    for (size_t i = 0; i < v->n_quotes; i++) {
        uint32_t tok = v->quotes[i], s = state;
        for (size_t k = 0; k < v->len[tok] && s; k++) s = glim_machine_step(m, s, (uint8_t)v->text[tok][k]);
        own[tok / 32] &= ~((uint32_t)1 << tok % 32);
        if (s) glim_bit_set(own, tok);
    }
    x->bits = all;
    or_bits(all, own, v->n_words);
}

bool glim_mask_build(glim_machine *m, glim_constraint_vocab *v, uint32_t state, uint32_t *bits) {
    build x = {.m = m, .v = v, .bits = bits};
    uint32_t off = m->state[state].off, count = m->state[state].n;
    for (uint32_t i = 0; i < count && !m->failed; i++) {
        glim_mconfig c = m->config[off + i];
        const glim_node *n = &m->g->node[c.node];
        unsigned at = c.data & 31;
        if (n->kind == GLIM_NODE_TOKEN) {
            glim_bit_set(bits, n->min);
            continue;
        }
        if (n->kind == GLIM_NODE_ACCEPT) {
            for (size_t k = 0; k < v->n_stop; k++) glim_bit_set(bits, (uint32_t)v->stop[k]);
            continue;
        }
        x.after = glim_machine_after(m, &c);
        if (n->kind == GLIM_NODE_LIT) literal(&x, n, &c);
        else if (n->kind == GLIM_NODE_DFA) m->failed |= !glim_vocab_leaf(v, n->u.dfa, c.data, use_leaf, &x);
        else if (n->kind == GLIM_NODE_KEY) key(&x, n, &c, state);
        else if (at != GLIM_STR_OPEN && at != GLIM_STR_BODY) walk_string(&x, n, &c);
        else string(&x, n, &c);
    }
    return !m->failed;
}

/* ---- masks kept ---- */

static void forget(glim_machine *m, uint32_t i) {
    glim_kept_mask *k = &m->kept[i - 1];
    *(k->newer ? &m->kept[k->newer - 1].older : &m->newest) = k->older;
    *(k->older ? &m->kept[k->older - 1].newer : &m->oldest) = k->newer;
}

static void put_front(glim_machine *m, uint32_t i) {
    glim_kept_mask *k = &m->kept[i - 1];
    k->newer = 0;
    k->older = m->newest;
    *(m->newest ? &m->kept[m->newest - 1].newer : &m->oldest) = i;
    m->newest = i;
}

const glim_kept_mask *glim_machine_mask(glim_machine *m, uint32_t state, size_t max_bytes) {
    glim_constraint_vocab *v = m->g->vocab;
    uint32_t i = m->state[state].mask;
    if (i) {
        forget(m, i);
        put_front(m, i);
        return &m->kept[i - 1];
    }
    size_t each = (v->n_words + 1) * sizeof(uint32_t) + sizeof *m->kept, most = max_bytes / each;
    if (m->oldest && m->n_kept >= (most ? most : 1)) { /* full: the oldest one's place */
        i = m->oldest;
        forget(m, i);
        m->state[m->kept[i - 1].state].mask = 0;
        memset(m->kept[i - 1].bits, 0, (v->n_words + 1) * sizeof(uint32_t));
    } else {
        void *p = m->kept, *bits = NULL;
        if (!glim_con_grow(&p, &m->cap_kept, m->n_kept + 1, sizeof *m->kept)) return NULL;
        m->kept = p;
        if (glim_try_calloc(&bits, v->n_words + 1, sizeof(uint32_t), "a mask", NULL) != GLIM_OK) return NULL;
        m->kept[m->n_kept++] = (glim_kept_mask){.bits = bits};
        i = (uint32_t)m->n_kept;
    }
    glim_kept_mask *k = &m->kept[i - 1];
    k->state = state;
    bool ok = glim_mask_build(m, v, state, k->bits);
    k->n_allowed = 0;
    for (size_t w = 0; w < v->n_words; w++) k->n_allowed += (uint32_t)__builtin_popcount(k->bits[w]);
    m->state[state].mask = i;
    put_front(m, i);
    if (!ok) m->failed = true;
    return ok ? k : NULL;
}
