/* constrain_machine.c - the automaton that runs: configurations, stacks shared by content, states as sets.
 *
 * A configuration is a terminal, a place in it, and a stack of what to do afterwards. Stacks are linked frames, each
 * made once and found again by content, so that equal stacks are equal numbers; a state is a sorted set of configurations,
 * found again likewise. Steps are remembered. Nothing is ever taken out: when the bound is reached, the states of live
 * sequences are copied into a fresh machine (constrain.c) and the old one is dropped.
 *
 * Invariant  every configuration of a state can be finished: frame.depth + node.height is within the depth limit. */
#include <stdlib.h>
#include <string.h>

#include "text/constrain_internal.h"

enum { MAX_CONFIGS = 200000 }; /* of one state; far more than any schema within its limits has */

static uint32_t mix32(uint32_t h, uint32_t x) {
    h ^= x;
    h *= 0x9e3779b1u;
    return h ^ h >> 15;
}

/* ---- terminals ---- */

uint32_t glim_terminal_start(const glim_node *n) {
    if (n->kind == GLIM_NODE_COUNT) return (uint32_t)n->len;
    return n->kind == GLIM_NODE_KEY && n->u.names ? 1u << 5 | GLIM_STR_OPEN : 0;
}

static uint32_t step_str(const glim_node *n, uint32_t data, uint8_t b) {
    unsigned at = data & 31;
    uint32_t chars = data >> 5;
    unsigned to = glim_str_tables()->to[GLIM_STR_VALUE][at][b];
    if (to == GLIM_STR_DEAD) return UINT32_MAX;
    if (at == GLIM_STR_BODY) {
        if (to == GLIM_STR_DONE) return chars < n->min ? UINT32_MAX : GLIM_STR_DONE;
        if (n->max != GLIM_NO_MAX ? chars == n->max : false) return UINT32_MAX;
        if (n->max != GLIM_NO_MAX || chars < n->min) chars++; /* without a maximum, enough is enough */
    }
    return chars << 5 | to;
}

/* Place in names plus one, 0: no name any more. */
static uint32_t step_key(const glim_node *n, uint32_t data, uint8_t b) {
    unsigned at = data & 31;
    uint32_t pos = data >> 5;
    unsigned to = glim_str_tables()->to[GLIM_STR_KEY][at][b];
    if (to == GLIM_STR_DEAD) return UINT32_MAX;
    if (to == GLIM_STR_DONE) return pos && n->u.names->node[pos - 1].ends ? UINT32_MAX : GLIM_STR_DONE;
    if (at != GLIM_STR_OPEN && pos) {
        uint32_t next = glim_keyset_step(n->u.names, pos - 1, b);
        pos = next ? next + 1 : 0;
    }
    return pos << 5 | to;
}

uint32_t glim_terminal_step(const glim_node *n, uint32_t data, uint8_t b) {
    switch (n->kind) {
    case GLIM_NODE_LIT: return data < n->len && (uint8_t)n->u.text[data] == b ? data + 1 : UINT32_MAX;
    case GLIM_NODE_DFA: return glim_dfa_step(n->u.dfa, data, b);
    case GLIM_NODE_STR: return step_str(n, data, b);
    case GLIM_NODE_KEY: return step_key(n, data, b);
    default: return UINT32_MAX;
    }
}

bool glim_terminal_whole(const glim_node *n, uint32_t data) {
    switch (n->kind) {
    case GLIM_NODE_LIT: return data == n->len;
    case GLIM_NODE_DFA: return n->u.dfa->accept[data] & GLIM_DFA_ACCEPTS;
    case GLIM_NODE_STR:
    case GLIM_NODE_KEY: return (data & 31) == GLIM_STR_DONE;
    default: return false;
    }
}

bool glim_terminal_goes_on(const glim_node *n, uint32_t data) {
    switch (n->kind) {
    case GLIM_NODE_LIT: return data < n->len;
    case GLIM_NODE_DFA: return n->u.dfa->accept[data] & GLIM_DFA_GOES_ON;
    case GLIM_NODE_STR:
    case GLIM_NODE_KEY: return (data & 31) != GLIM_STR_DONE;
    default: return true;
    }
}

static glim_bytes first_bytes(const glim_node *n, uint32_t data) {
    glim_bytes s = {{0}};
    unsigned at = data & 31;
    bool quote = true, more = true;
    switch (n->kind) {
    case GLIM_NODE_LIT: glim_bytes_add(&s, (uint8_t)n->u.text[data]); return s;
    case GLIM_NODE_DFA: return n->u.dfa->first[data];
    case GLIM_NODE_STR:
        quote = data >> 5 >= n->min;
        more = n->max == GLIM_NO_MAX || data >> 5 < n->max;
        break;
    case GLIM_NODE_KEY: quote = !(data >> 5 && n->u.names->node[(data >> 5) - 1].ends); break;
    default: return s;
    }
    s = glim_str_tables()->first[n->kind == GLIM_NODE_KEY ? GLIM_STR_KEY : GLIM_STR_VALUE][at];
    if (at != GLIM_STR_BODY) return s;
    if (!more) memset(&s, 0, sizeof s);
    if (quote) glim_bytes_add(&s, '"');
    else s.w['"' >> 6] &= ~((uint64_t)1 << ('"' & 63));
    return s;
}

/* ---- frames ---- */

static uint32_t hash_frame(const glim_frame *f) {
    return mix32(mix32(mix32(mix32(17, f->ret), f->data), f->parent), f->depth);
}

/* Doubles an open-addressing table of indices (plus one) when it is two thirds full. */
static bool grow_hash(uint32_t **h, size_t *n, size_t used, uint32_t (*hash_of)(const glim_machine *m, uint32_t i),
                      const glim_machine *m) {
    if (used * 3 < *n * 2) return true;
    size_t size = *n * 2;
    void *p = NULL;
    if (glim_try_calloc(&p, size, sizeof(uint32_t), "constrained decoding", NULL) != GLIM_OK) return false;
    uint32_t *t = p;
    for (size_t i = 0; i < *n; i++) {
        if (!(*h)[i]) continue;
        size_t at = hash_of(m, (*h)[i] - 1) & (size - 1);
        while (t[at]) at = (at + 1) & (size - 1);
        t[at] = (*h)[i];
    }
    free(*h);
    *h = t;
    *n = size;
    return true;
}
static uint32_t frame_hash_of(const glim_machine *m, uint32_t i) { return hash_frame(&m->frame[i]); }
static uint32_t state_hash_of(const glim_machine *m, uint32_t i) { return m->state[i].hash; }

static uint32_t intern_frame(glim_machine *m, glim_frame f) {
    size_t at = hash_frame(&f) & (m->n_frame_hash - 1);
    for (; m->frame_hash[at]; at = (at + 1) & (m->n_frame_hash - 1)) {
        const glim_frame *g = &m->frame[m->frame_hash[at] - 1];
        if (g->ret == f.ret && g->data == f.data && g->parent == f.parent && g->depth == f.depth)
            return m->frame_hash[at] - 1;
    }
    void *p = m->frame;
    if (!glim_con_grow(&p, &m->cap_frame, m->n_frame + 1, sizeof *m->frame)) {
        m->failed = true;
        return 0;
    }
    m->frame = p;
    m->frame[m->n_frame] = f;
    m->frame_hash[at] = (uint32_t)++m->n_frame;
    if (!grow_hash(&m->frame_hash, &m->n_frame_hash, m->n_frame, frame_hash_of, m)) m->failed = true;
    return (uint32_t)m->n_frame - 1;
}

/* ---- states ---- */

static bool push(glim_mconfig **v, size_t *n, size_t *cap, glim_mconfig c, glim_machine *m) {
    void *p = *v;
    if (m->failed || *n >= MAX_CONFIGS || !glim_con_grow(&p, cap, *n + 1, sizeof **v)) {
        m->failed = true;
        return false;
    }
    *v = p;
    (*v)[(*n)++] = c;
    return true;
}

static void todo(glim_machine *m, uint32_t node, uint32_t data, uint32_t frame) {
    push(&m->todo, &m->n_todo, &m->cap_todo, (glim_mconfig){node, data, frame}, m);
}

static void begin(glim_machine *m, uint32_t node, uint32_t frame) {
    if (node != GLIM_NO_NODE) todo(m, node, glim_terminal_start(&m->g->node[node]), frame);
}

/* Follows everything that needs no byte, until only configurations at terminals are left in m->work. */
static void close_todo(glim_machine *m) {
    const glim_grammar *g = m->g;
    while (m->n_todo && !m->failed) {
        glim_mconfig c = m->todo[--m->n_todo];
        const glim_node *n = &g->node[c.node];
        uint32_t depth = m->frame[c.frame].depth;
        if (depth + n->height > GLIM_CON_MAX_DEPTH) continue; /* also what can never be finished */
        switch (n->kind) {
        case GLIM_NODE_SPLIT:
            begin(m, n->next, c.frame);
            begin(m, n->b, c.frame);
            break;
        case GLIM_NODE_CALL:
            if (g->node[n->next].kind == GLIM_NODE_RETURN && !n->deeper) begin(m, n->b, c.frame);
            else begin(m, n->b, intern_frame(m, (glim_frame){n->next, glim_terminal_start(&g->node[n->next]), c.frame, depth + n->deeper}));
            break;
        case GLIM_NODE_RETURN: {
            glim_frame f = m->frame[c.frame];
            if (c.frame == 0) break;
            todo(m, f.ret, f.data, f.parent);
            break;
        }
        case GLIM_NODE_COUNT:
            if (c.data >= n->min) begin(m, n->next, c.frame);
            if (n->max == GLIM_NO_MAX || c.data < n->max) {
                uint32_t count = n->max == GLIM_NO_MAX && c.data >= n->min ? c.data : c.data + 1;
                begin(m, n->b, intern_frame(m, (glim_frame){c.node, count, c.frame, depth}));
            }
            break;
        default:
            if (glim_terminal_whole(n, c.data)) begin(m, n->next, c.frame);
            if (glim_terminal_goes_on(n, c.data)) push(&m->work, &m->n_work, &m->cap_work, c, m);
        }
    }
}

static int by_config(const void *x, const void *y) {
    const glim_mconfig *a = x, *b = y;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->data != b->data) return a->data < b->data ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

/* The state of the closure of m->todo; 0 if it is empty. */
static uint32_t intern_state(glim_machine *m) {
    m->n_work = 0;
    close_todo(m);
    m->n_todo = 0;
    if (m->failed || m->n_work == 0) return 0;
    if (m->n_work > 1) {
        qsort(m->work, m->n_work, sizeof *m->work, by_config);
        size_t n = 1;
        for (size_t i = 1; i < m->n_work; i++)
            if (by_config(&m->work[i], &m->work[n - 1]) != 0) m->work[n++] = m->work[i];
        m->n_work = n;
    }
    uint32_t h = 7;
    for (size_t i = 0; i < m->n_work; i++) h = mix32(mix32(mix32(h, m->work[i].node), m->work[i].data), m->work[i].frame);
    size_t at = h & (m->n_state_hash - 1);
    for (; m->state_hash[at]; at = (at + 1) & (m->n_state_hash - 1)) {
        const glim_mstate *s = &m->state[m->state_hash[at] - 1];
        if (s->hash == h && s->n == m->n_work &&
            memcmp(m->config + s->off, m->work, m->n_work * sizeof *m->work) == 0)
            return m->state_hash[at] - 1;
    }
    void *p = m->config, *q = m->state;
    bool ok = glim_con_grow(&p, &m->cap_config, m->n_config + m->n_work, sizeof *m->config);
    m->config = p;
    ok = ok && glim_con_grow(&q, &m->cap_state, m->n_state + 1, sizeof *m->state);
    m->state = q;
    if (!ok || m->n_config + m->n_work > UINT32_MAX) {
        m->failed = true;
        return 0;
    }
    glim_mstate *s = &m->state[m->n_state];
    *s = (glim_mstate){.off = (uint32_t)m->n_config, .n = (uint32_t)m->n_work, .hash = h};
    for (size_t i = 0; i < m->n_work; i++) {
        glim_bytes f = first_bytes(&m->g->node[m->work[i].node], m->work[i].data);
        glim_bytes_or(&s->first, &f);
    }
    memcpy(m->config + m->n_config, m->work, m->n_work * sizeof *m->work);
    m->n_config += m->n_work;
    m->state_hash[at] = (uint32_t)++m->n_state;
    if (!grow_hash(&m->state_hash, &m->n_state_hash, m->n_state, state_hash_of, m)) m->failed = true;
    return (uint32_t)m->n_state - 1;
}

/* ---- the machine ---- */

bool glim_machine_init(glim_machine *m, const glim_grammar *g) {
    *m = (glim_machine){.g = g, .n_frame_hash = 256, .n_state_hash = 256, .n_memo = 1024};
    void *p[4] = {0};
    const size_t n[4] = {m->n_frame_hash * 4, m->n_state_hash * 4, m->n_memo * sizeof *m->memo,
                         2 * (g->vocab->n_words + 1) * 4};
    bool ok = true;
    for (int i = 0; i < 4 && ok; i++) ok = glim_try_calloc(&p[i], n[i], 1, "constrained decoding", NULL) == GLIM_OK;
    m->frame_hash = p[0];
    m->state_hash = p[1];
    m->memo = p[2];
    m->scratch = p[3];
    void *f = NULL, *s = NULL;
    ok = ok && glim_con_grow(&f, &m->cap_frame, 1, sizeof *m->frame);
    ok = ok && glim_con_grow(&s, &m->cap_state, 1, sizeof *m->state);
    m->frame = f;
    m->state = s;
    if (!ok) {
        glim_machine_deinit(m);
        return false;
    }
    m->frame[m->n_frame++] = (glim_frame){GLIM_NO_NODE, 0, 0, 0};
    m->state[m->n_state++] = (glim_mstate){0};
    return true;
}

void glim_machine_deinit(glim_machine *m) {
    for (size_t i = 0; i < m->n_kept; i++) free(m->kept[i].bits);
    free(m->kept);
    free(m->config);
    free(m->frame);
    free(m->state);
    free(m->frame_hash);
    free(m->state_hash);
    free(m->memo);
    free(m->work);
    free(m->todo);
    free(m->scratch);
    *m = (glim_machine){0};
}

size_t glim_machine_bytes(const glim_machine *m) {
    return m->cap_config * sizeof *m->config + m->cap_frame * sizeof *m->frame + m->cap_state * sizeof *m->state +
           (m->n_frame_hash + m->n_state_hash) * 4 + m->n_memo * sizeof *m->memo;
}

uint32_t glim_machine_start(glim_machine *m) {
    m->n_todo = 0;
    begin(m, m->g->root, 0);
    return intern_state(m);
}

/* The slot of a key: its own, or the free one where it would go. */
static size_t memo_slot(const struct glim_memo *t, size_t n, uint64_t key) {
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    size_t at = (h ^ h >> 32) & (n - 1);
    while (t[at].key && t[at].key != key) at = (at + 1) & (n - 1);
    return at;
}

static void memo_put(glim_machine *m, uint64_t key, uint32_t to) {
    if (m->n_memo_used * 3 >= m->n_memo * 2) {
        void *p = NULL;
        size_t n = m->n_memo * 2;
        if (glim_try_calloc(&p, n, sizeof *m->memo, "constrained decoding", NULL) != GLIM_OK) return; /* slower, not wrong */
        struct glim_memo *t = p;
        for (size_t i = 0; i < m->n_memo; i++)
            if (m->memo[i].key) t[memo_slot(t, n, m->memo[i].key)] = m->memo[i];
        free(m->memo);
        m->memo = t;
        m->n_memo = n;
    }
    m->memo[memo_slot(m->memo, m->n_memo, key)] = (struct glim_memo){key, to};
    m->n_memo_used++;
}

uint32_t glim_machine_step(glim_machine *m, uint32_t state, uint8_t byte) {
    if (!glim_bytes_has(&m->state[state].first, byte)) return 0;
    uint64_t key = ((uint64_t)state << 8 | byte) + 1;
    size_t at = memo_slot(m->memo, m->n_memo, key);
    if (m->memo[at].key) return m->memo[at].to;
    uint32_t off = m->state[state].off, n = m->state[state].n;
    m->n_todo = 0;
    for (uint32_t i = 0; i < n; i++) {
        glim_mconfig c = m->config[off + i];
        uint32_t data = glim_terminal_step(&m->g->node[c.node], c.data, byte);
        if (data != UINT32_MAX) todo(m, c.node, data, c.frame);
    }
    uint32_t to = intern_state(m);
    if (!m->failed) memo_put(m, key, to);
    return to;
}

uint32_t glim_machine_token(glim_machine *m, uint32_t state, int32_t id) {
    m->n_todo = 0;
    for (uint32_t i = 0; i < m->state[state].n; i++) {
        glim_mconfig c = m->config[m->state[state].off + i];
        const glim_node *n = &m->g->node[c.node];
        if (n->kind == GLIM_NODE_TOKEN && n->min == (uint32_t)id) begin(m, n->next, c.frame);
    }
    return intern_state(m);
}

bool glim_machine_accepts(const glim_machine *m, uint32_t state) {
    for (uint32_t i = 0; i < m->state[state].n; i++)
        if (m->g->node[m->config[m->state[state].off + i].node].kind == GLIM_NODE_ACCEPT) return true;
    return false;
}

uint32_t glim_machine_after(glim_machine *m, const glim_mconfig *c) {
    m->n_todo = 0;
    begin(m, m->g->node[c->node].next, c->frame);
    return intern_state(m);
}

/* Stacks are at most a few frames a container, so the recursion is short. */
static uint32_t copy_frame(glim_machine *m, const glim_machine *from, uint32_t f) {
    if (f == 0) return 0;
    glim_frame g = from->frame[f];
    g.parent = copy_frame(m, from, g.parent);
    return intern_frame(m, g);
}

uint32_t glim_machine_copy(glim_machine *m, const glim_machine *from, uint32_t state) {
    m->n_todo = 0;
    for (uint32_t i = 0; i < from->state[state].n; i++) {
        glim_mconfig c = from->config[from->state[state].off + i];
        todo(m, c.node, c.data, copy_frame(m, from, c.frame));
    }
    return intern_state(m);
}
