/* constrain_grammar.c - nodes of the pushdown automaton, and how deep each must go. */
#include <stdlib.h>
#include <string.h>

#include "text/constrain_internal.h"

void glim_grammar_free(glim_grammar *g) {
    for (size_t i = 0; i < g->n_dfa; i++) glim_dfa_free(g->dfa[i]);
    for (size_t i = 0; i < g->n_names; i++) {
        free(g->names[i]->node);
        free(g->names[i]);
    }
    free(g->dfa);
    free(g->names);
    free(g->node);
    glim_arena_free(&g->arena);
    *g = (glim_grammar){0};
}

static uint32_t add(glim_grammar *g, glim_node n) {
    if (g->failed || g->full) return GLIM_NO_NODE;
    if (g->n == GLIM_CON_MAX_NODES || g->budget.work < 16) {
        g->full = true;
        return GLIM_NO_NODE;
    }
    g->budget.work -= 16;
    void *p = g->node;
    if (!glim_con_grow(&p, &g->cap, g->n + 1, sizeof *g->node)) {
        g->failed = true;
        return GLIM_NO_NODE;
    }
    g->node = p;
    n.height = GLIM_HEIGHT_NEVER;
    g->node[g->n] = n;
    return (uint32_t)g->n++;
}

uint32_t glim_node_lit(glim_grammar *g, const char *s, size_t n, uint32_t next) {
    const char *text = glim_arena_strndup(&g->arena, s, n);
    if (!text) g->failed = true;
    g->bytes += n + 1;
    return add(g, (glim_node){.kind = GLIM_NODE_LIT, .u.text = text, .len = n, .next = next});
}

uint32_t glim_node_dfa(glim_grammar *g, const glim_dfa *d, uint32_t next) {
    if (!d) g->failed = true;
    return add(g, (glim_node){.kind = GLIM_NODE_DFA, .u.dfa = d, .next = next});
}

uint32_t glim_node_str(glim_grammar *g, glim_str_mode mode, uint32_t min, uint32_t max, uint32_t next) {
    return add(g, (glim_node){.kind = GLIM_NODE_STR, .mode = (uint8_t)mode, .min = min, .max = max, .next = next});
}

uint32_t glim_node_key(glim_grammar *g, glim_str_mode mode, const glim_keyset *names, uint32_t next) {
    return add(g, (glim_node){.kind = GLIM_NODE_KEY, .mode = (uint8_t)mode, .u.names = names, .next = next});
}

uint32_t glim_node_token(glim_grammar *g, int32_t id, uint32_t next) {
    return add(g, (glim_node){.kind = GLIM_NODE_TOKEN, .min = (uint32_t)id, .next = next});
}

uint32_t glim_node_call(glim_grammar *g, uint32_t body, bool deeper, uint32_t next) {
    return add(g, (glim_node){.kind = GLIM_NODE_CALL, .b = body, .deeper = deeper, .next = next});
}

uint32_t glim_node_count(glim_grammar *g, uint32_t base, uint32_t min, uint32_t max, uint32_t more, uint32_t done) {
    return add(g, (glim_node){.kind = GLIM_NODE_COUNT, .b = more, .next = done, .min = min, .max = max, .len = base});
}

uint32_t glim_node_simple(glim_grammar *g, glim_node_kind k) {
    return add(g, (glim_node){.kind = (uint8_t)k, .next = GLIM_NO_NODE});
}

uint32_t glim_node_tag(glim_grammar *g, const glim_tag *t, uint32_t next) {
    return t->id >= 0 ? glim_node_token(g, t->id, next) : glim_node_lit(g, t->text, strlen(t->text), next);
}

uint32_t glim_grammar_space(glim_grammar *g, uint32_t next) {
    return glim_node_dfa(g, glim_vocab_common(g->vocab, GLIM_COMMON_SPACE, NULL), next);
}

uint32_t glim_node_split(glim_grammar *g, uint32_t a, uint32_t b) {
    if (a == GLIM_NO_NODE) return b;
    if (b == GLIM_NO_NODE) return a;
    return add(g, (glim_node){.kind = GLIM_NODE_SPLIT, .next = a, .b = b});
}

const glim_dfa *glim_grammar_own(glim_grammar *g, glim_dfa *d) {
    void *p = g->dfa;
    if (!glim_con_grow(&p, &g->cap_dfa, g->n_dfa + 1, sizeof *g->dfa)) {
        g->failed = true;
        glim_dfa_free(d);
        return NULL;
    }
    g->dfa = p;
    g->dfa[g->n_dfa++] = d;
    g->bytes += d->n_bytes;
    return d;
}

glim_keyset *glim_grammar_keyset(glim_grammar *g) {
    void *p = g->names, *q = NULL;
    glim_keyset *t = calloc(1, sizeof *t);
    if (!t || !glim_con_grow(&p, &g->cap_names, g->n_names + 1, sizeof *g->names) ||
        !glim_con_grow(&q, &t->cap, 16, sizeof *t->node)) {
        if (p) g->names = p;
        free(t);
        g->failed = true;
        return NULL;
    }
    g->names = p;
    g->names[g->n_names++] = t;
    t->node = q;
    t->node[t->n++] = (struct glim_keyset_node){0};
    return t;
}

void glim_keyset_add(glim_grammar *g, glim_keyset *t, const char *s, size_t n) {
    uint32_t at = 0;
    if (!t) return;
    for (size_t i = 0; i < n; i++) {
        uint32_t to = glim_keyset_step(t, at, (uint8_t)s[i]);
        if (!to) {
            void *p = t->node;
            if (!glim_con_grow(&p, &t->cap, t->n + 1, sizeof *t->node)) {
                g->failed = true;
                return;
            }
            t->node = p;
            to = (uint32_t)t->n++;
            t->node[to] = (struct glim_keyset_node){.sibling = t->node[at].child, .byte = (uint8_t)s[i]};
            t->node[at].child = to;
            g->bytes += sizeof *t->node;
        }
        at = to;
    }
    t->node[at].ends = true;
}

static unsigned height_of(const glim_grammar *g, uint32_t i) { return i == GLIM_NO_NODE ? 0 : g->node[i].height; }

static unsigned most(unsigned a, unsigned b) { return a > b ? a : b; }

static unsigned work_out(const glim_grammar *g, const glim_node *n) {
    unsigned next = n->kind == GLIM_NODE_ACCEPT || n->kind == GLIM_NODE_RETURN ? 0 : height_of(g, n->next);
    switch (n->kind) {
    case GLIM_NODE_DFA: return n->u.dfa->n ? next : GLIM_HEIGHT_NEVER;
    case GLIM_NODE_STR: return n->max != GLIM_NO_MAX && n->min > n->max ? GLIM_HEIGHT_NEVER : next;
    case GLIM_NODE_SPLIT: {
        unsigned b = height_of(g, n->b); /* a split that is still to be filled in leads to itself */
        return next < b ? next : b;
    }
    case GLIM_NODE_CALL: {
        unsigned b = height_of(g, n->b);
        return b == GLIM_HEIGHT_NEVER ? b : most(b + n->deeper, next);
    }
    case GLIM_NODE_COUNT: return n->min <= n->len ? next : most(height_of(g, n->b), next);
    default: return next;
    }
}

glim_status glim_grammar_finish(glim_grammar *g, glim_err *err) {
    if (g->failed) return glim_con_nomem(err);
    if (g->full)
        return glim_fail(err, GLIM_E_LIMIT, "schema needs more than %d states, or more work than one schema may ask for",
                         GLIM_CON_MAX_NODES);
    /* The least solution, from above. Nodes mostly point to earlier ones, so few rounds do. */
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < g->n; i++) {
            unsigned h = work_out(g, &g->node[i]);
            if (h >= GLIM_HEIGHT_NEVER) h = GLIM_HEIGHT_NEVER;
            if (h < g->node[i].height) {
                g->node[i].height = (uint16_t)h;
                changed = true;
            }
        }
        if (g->budget.work < g->n)
            return glim_fail(err, GLIM_E_LIMIT, "schema needs more work than one schema may ask for");
        g->budget.work -= g->n;
    }
    unsigned h = g->node[g->root].height;
    if (h == GLIM_HEIGHT_NEVER) return glim_fail(err, GLIM_E_FORMAT, "schema: no value can satisfy it");
    if (h > GLIM_CON_MAX_DEPTH)
        return glim_fail(err, GLIM_E_LIMIT, "schema: its smallest value nests %u containers, want at most %d", h, GLIM_CON_MAX_DEPTH);
    g->bytes += g->n * sizeof *g->node;
    return GLIM_OK;
}
