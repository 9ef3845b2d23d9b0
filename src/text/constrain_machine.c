/* constrain_machine.c - the automaton that runs: configurations, stacks shared by content, states as sets.
 *
 * A configuration is a terminal, a place in it, and a stack of what to do afterwards. Stacks are linked frames, each
 * made once and found again by content, so that equal stacks are equal numbers; a state is a sorted set of configurations,
 * found again likewise. Keys of open objects are remembered the same way, so that none comes twice: a frame names the keys
 * its object has seen, and a new key makes a new frame. Steps are remembered. Nothing is ever taken out: when the bound is reached, the states of live
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
    return n->kind == GLIM_NODE_COUNT ? (uint32_t)n->len : 0;
}

static uint32_t step_str(const glim_node *n, uint32_t data, uint8_t b) {
    unsigned at = data & 31;
    uint32_t chars = data >> 5;
    unsigned to = glim_str_tables()->to[n->mode][at][b];
    if (to == GLIM_STR_DEAD) return UINT32_MAX;
    if (glim_str_between(at)) {
        if (to == GLIM_STR_DONE) return chars < n->min ? UINT32_MAX : GLIM_STR_DONE;
        if (n->max != GLIM_NO_MAX ? chars == n->max : false) return UINT32_MAX;
        if (n->max != GLIM_NO_MAX || chars < n->min) chars++; /* without a maximum, enough is enough */
    }
    return chars << 5 | to;
}

uint32_t glim_terminal_step(const glim_node *n, uint32_t data, uint8_t b) {
    switch (n->kind) {
    case GLIM_NODE_LIT: return data < n->len && (uint8_t)n->u.text[data] == b ? data + 1 : UINT32_MAX;
    case GLIM_NODE_DFA: return glim_dfa_step(n->u.dfa, data, b);
    case GLIM_NODE_STR: return step_str(n, data, b);
    case GLIM_NODE_KEY: { /* any key: data is the place alone */
        unsigned to = glim_str_tables()->to[n->mode][data][b];
        return to == GLIM_STR_DEAD ? UINT32_MAX : to;
    }
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

/* ---- frames, keys ---- */

static uint32_t hash_bytes(const void *p, size_t n) {
    const uint32_t *w = p;
    uint32_t h = 17;
    for (size_t i = 0; i < n / 4; i++) h = mix32(h, w[i]);
    return h;
}

static bool pool_init(glim_pool *p, size_t size) {
    void *v = NULL, *h = NULL;
    *p = (glim_pool){.size = size, .n_hash = 64};
    if (glim_try_calloc(&h, p->n_hash, sizeof *p->hash, "constrained decoding", NULL) != GLIM_OK) return false;
    p->hash = h;
    if (!glim_con_grow(&v, &p->cap, 1, size)) return false;
    p->v = v;
    memset(p->v, 0, size);
    p->n = 1;
    return true;
}

static void pool_deinit(glim_pool *p) {
    free(p->v);
    free(p->hash);
}

/* The index of an entry, made if it is new; 0 when memory is refused. */
static uint32_t intern(glim_pool *p, const void *entry) {
    size_t at = hash_bytes(entry, p->size) & (p->n_hash - 1);
    for (; p->hash[at]; at = (at + 1) & (p->n_hash - 1))
        if (memcmp(p->v + p->hash[at] * p->size, entry, p->size) == 0) return p->hash[at];
    void *v = p->v;
    if (!glim_con_grow(&v, &p->cap, p->n + 1, p->size)) return 0;
    p->v = v;
    memcpy(p->v + p->n * p->size, entry, p->size);
    p->hash[at] = (uint32_t)p->n++;
    if (p->n * 3 < p->n_hash * 2) return (uint32_t)p->n - 1;
    void *h = NULL;
    size_t n = p->n_hash * 2;
    if (glim_try_calloc(&h, n, sizeof *p->hash, "constrained decoding", NULL) != GLIM_OK) return 0;
    free(p->hash);
    p->hash = h;
    p->n_hash = n;
    for (size_t i = 1; i < p->n; i++) {
        at = hash_bytes(p->v + i * p->size, p->size) & (n - 1);
        while (p->hash[at]) at = (at + 1) & (n - 1);
        p->hash[at] = (uint32_t)i;
    }
    return (uint32_t)p->n - 1;
}

static uint32_t intern_frame(glim_machine *m, glim_frame f) {
    uint32_t i = intern(&m->frames, &f);
    if (!i) m->failed = true;
    return i;
}

uint32_t glim_partial_root(glim_machine *m, uint32_t node) {
    uint32_t i = intern(&m->partials, &(glim_partial){0, node, m->g->node[node].u.names ? 1 : 0, 0});
    if (!i) m->failed = true;
    return i;
}

static uint32_t partial_next(glim_machine *m, uint32_t partial, uint8_t b) {
    glim_partial p = *glim_partial_at(m, partial);
    if (p.names) {
        uint32_t to = glim_keyset_step(m->g->node[p.node].u.names, p.names - 1, b);
        p.names = to ? to + 1 : 0;
    }
    p.parent = partial;
    p.byte = b;
    uint32_t i = intern(&m->partials, &p);
    if (!i) m->failed = true;
    return i;
}

/* Whether the key as far as it was read may be a whole one. */
static bool may_close(const glim_machine *m, const glim_mconfig *c) {
    const glim_partial *p = glim_partial_at(m, c->data >> 5);
    if (p->names && m->g->node[c->node].u.names->node[p->names - 1].ends) return false;
    for (uint32_t s = glim_frame_at(m, c->frame)->seen; s; s = glim_seen_at(m, s)->prev)
        if (glim_seen_at(m, s)->partial == c->data >> 5) return false;
    return true;
}

/* Moves a key over a byte. The closing quote adds it to those its object has seen. */
static bool step_key(glim_machine *m, glim_mconfig *c, uint8_t b) {
    unsigned at = c->data & 31, to = glim_str_tables()->to[m->g->node[c->node].mode][at][b];
    uint32_t partial = c->data >> 5;
    if (to == GLIM_STR_DEAD) return false;
    if (to == GLIM_STR_DONE) {
        if (!may_close(m, c)) return false;
        glim_frame f = *glim_frame_at(m, c->frame);
        f.seen = intern(&m->seen, &(glim_seen){f.seen, partial});
        if (!f.seen) m->failed = true;
        c->frame = intern_frame(m, f);
        c->data = GLIM_STR_DONE;
        return !m->failed;
    }
    partial = at == GLIM_STR_OPEN ? glim_partial_root(m, c->node) : partial_next(m, partial, b);
    if (partial >= UINT32_MAX >> 5) m->failed = true;
    c->data = partial << 5 | to;
    return !m->failed;
}

static glim_bytes first_bytes(const glim_machine *m, const glim_mconfig *c) {
    const glim_node *n = &m->g->node[c->node];
    uint32_t data = c->data;
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
    case GLIM_NODE_KEY: quote = may_close(m, c); break;
    default: return s;
    }
    s = glim_str_tables()->first[n->mode][at];
    if (!glim_str_between(at)) return s;
    if (!more) memset(&s, 0, sizeof s);
    if (quote) glim_bytes_add(&s, '"');
    else s.w['"' >> 6] &= ~((uint64_t)1 << ('"' & 63));
    return s;
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
        uint32_t depth = glim_frame_at(m, c.frame)->depth;
        if (depth + n->height > GLIM_CON_MAX_DEPTH) continue; /* also what can never be finished */
        switch (n->kind) {
        case GLIM_NODE_SPLIT:
            begin(m, n->next, c.frame);
            begin(m, n->b, c.frame);
            break;
        case GLIM_NODE_CALL:
            if (g->node[n->next].kind == GLIM_NODE_RETURN && !n->deeper) begin(m, n->b, c.frame);
            else begin(m, n->b, intern_frame(m, (glim_frame){n->next, glim_terminal_start(&g->node[n->next]), c.frame, depth + n->deeper, 0}));
            break;
        case GLIM_NODE_RETURN: {
            glim_frame f = *glim_frame_at(m, c.frame);
            if (c.frame == 0) break;
            todo(m, f.ret, f.data, f.parent);
            break;
        }
        case GLIM_NODE_COUNT:
            if (c.data >= n->min) begin(m, n->next, c.frame);
            if (n->max == GLIM_NO_MAX || c.data < n->max) {
                uint32_t count = n->max == GLIM_NO_MAX && c.data >= n->min ? c.data : c.data + 1;
                begin(m, n->b, intern_frame(m, (glim_frame){c.node, count, c.frame, depth, 0}));
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

static bool grow_states(glim_machine *m) {
    size_t n = m->n_state_hash * 2;
    void *p = NULL;
    if (glim_try_calloc(&p, n, sizeof(uint32_t), "constrained decoding", NULL) != GLIM_OK) return false;
    free(m->state_hash);
    m->state_hash = p;
    m->n_state_hash = n;
    for (uint32_t i = 1; i < m->n_state; i++) {
        size_t at = m->state[i].hash & (n - 1);
        while (m->state_hash[at]) at = (at + 1) & (n - 1);
        m->state_hash[at] = i + 1;
    }
    return true;
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
        glim_bytes f = first_bytes(m, &m->work[i]);
        glim_bytes_or(&s->first, &f);
    }
    memcpy(m->config + m->n_config, m->work, m->n_work * sizeof *m->work);
    m->n_config += m->n_work;
    m->state_hash[at] = (uint32_t)++m->n_state;
    if (m->n_state * 3 >= m->n_state_hash * 2 && !grow_states(m)) m->failed = true;
    return (uint32_t)m->n_state - 1;
}

/* ---- the machine ---- */

bool glim_machine_init(glim_machine *m, const glim_grammar *g) {
    *m = (glim_machine){.g = g, .n_state_hash = 256, .n_memo = 1024};
    void *p[3] = {0}, *s = NULL;
    const size_t n[3] = {m->n_state_hash * 4, m->n_memo * sizeof *m->memo, (g->vocab->n_words + 1) * 4};
    bool ok = pool_init(&m->frames, sizeof(glim_frame)) && pool_init(&m->partials, sizeof(glim_partial)) &&
              pool_init(&m->seen, sizeof(glim_seen));
    for (int i = 0; i < 3 && ok; i++) ok = glim_try_calloc(&p[i], n[i], 1, "constrained decoding", NULL) == GLIM_OK;
    m->state_hash = p[0];
    m->memo = p[1];
    m->scratch = p[2];
    ok = ok && glim_con_grow(&s, &m->cap_state, 1, sizeof *m->state);
    m->state = s;
    if (!ok) {
        glim_machine_deinit(m);
        return false;
    }
    m->state[m->n_state++] = (glim_mstate){0};
    return true;
}

void glim_machine_deinit(glim_machine *m) {
    for (size_t i = 0; i < m->n_kept; i++) free(m->kept[i].bits);
    free(m->kept);
    free(m->config);
    pool_deinit(&m->frames);
    pool_deinit(&m->partials);
    pool_deinit(&m->seen);
    free(m->state);
    free(m->state_hash);
    free(m->memo);
    free(m->work);
    free(m->todo);
    free(m->scratch);
    *m = (glim_machine){0};
}

size_t glim_machine_bytes(const glim_machine *m) {
    const glim_pool *p[] = {&m->frames, &m->partials, &m->seen};
    size_t n = m->cap_config * sizeof *m->config + m->cap_state * sizeof *m->state + m->n_state_hash * 4 + m->n_memo * sizeof *m->memo;
    for (int i = 0; i < 3; i++) n += p[i]->cap * p[i]->size + p[i]->n_hash * 4;
    return n;
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
        if (m->g->node[c.node].kind != GLIM_NODE_KEY) c.data = glim_terminal_step(&m->g->node[c.node], c.data, byte);
        else if (!step_key(m, &c, byte)) continue;
        if (c.data != UINT32_MAX) todo(m, c.node, c.data, c.frame);
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

/* A key's bytes from the first on are found by walking back, so they are put down in reverse. */
static uint32_t copy_partial(glim_machine *m, const glim_machine *from, uint32_t partial) {
    glim_buf bytes = {0};
    uint32_t at = partial;
    if (!partial) return 0;
    for (; glim_partial_at(from, at)->parent; at = glim_partial_at(from, at)->parent)
        glim_buf_putc(&bytes, (char)glim_partial_at(from, at)->byte);
    uint32_t out = glim_partial_root(m, glim_partial_at(from, at)->node);
    for (size_t i = bytes.len; i-- > 0 && !m->failed;) out = partial_next(m, out, (uint8_t)bytes.s[i]);
    m->failed |= bytes.failed;
    glim_buf_free(&bytes);
    return out;
}

static uint32_t copy_seen(glim_machine *m, const glim_machine *from, uint32_t seen) {
    uint32_t n = 0, out = 0;
    for (uint32_t s = seen; s; s = glim_seen_at(from, s)->prev) n++;
    for (; n && !m->failed; n--) { /* the first one seen first: counting back is quadratic, and objects are small */
        uint32_t s = seen;
        for (uint32_t i = 1; i < n; i++) s = glim_seen_at(from, s)->prev;
        out = intern(&m->seen, &(glim_seen){out, copy_partial(m, from, glim_seen_at(from, s)->partial)});
        if (!out) m->failed = true;
    }
    return out;
}

/* Stacks are at most a few frames a container, so the recursion is short. */
static uint32_t copy_frame(glim_machine *m, const glim_machine *from, uint32_t f) {
    if (f == 0) return 0;
    glim_frame g = *glim_frame_at(from, f);
    g.parent = copy_frame(m, from, g.parent);
    g.seen = copy_seen(m, from, g.seen);
    return intern_frame(m, g);
}

uint32_t glim_machine_copy(glim_machine *m, const glim_machine *from, uint32_t state) {
    m->n_todo = 0;
    for (uint32_t i = 0; i < from->state[state].n; i++) {
        glim_mconfig c = from->config[from->state[state].off + i];
        if (m->g->node[c.node].kind == GLIM_NODE_KEY) c.data = copy_partial(m, from, c.data >> 5) << 5 | (c.data & 31);
        todo(m, c.node, c.data, copy_frame(m, from, c.frame));
    }
    return intern_state(m);
}
