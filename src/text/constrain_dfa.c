/* constrain_dfa.c - automata over bytes: subsets of an NFA, machines given by a step function, products, trimming.
 *
 * All of them are built the same way: states are numbered as they are met, one after another their steps are written
 * down, and in the end every state that cannot reach acceptance goes. Work and memory are charged to a budget, so
 * that a schema can ask for much and is refused rather than obeyed. */
#include <stdlib.h>
#include <string.h>

#include "text/constrain_internal.h"

bool glim_con_grow(void **p, size_t *cap, size_t need, size_t size) {
    if (need <= *cap) return true;
    size_t n = *cap < 16 ? 16 : *cap + *cap / 2;
    if (n < need) n = need;
    if (glim_try_realloc(p, n, size, "constrained decoding", NULL) != GLIM_OK) return false;
    *cap = n;
    return true;
}

glim_status glim_con_nomem(glim_err *err) {
    return glim_fail(err, GLIM_E_NOMEM, "could not allocate memory for constrained decoding");
}

static glim_status too_much(glim_err *err) {
    return glim_fail(err, GLIM_E_LIMIT, "needs more than the %llu automaton steps, or the states, that one schema may have",
                     (unsigned long long)GLIM_CON_WORK);
}

static uint64_t next_uid(void) {
    static uint64_t last;
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

void glim_dfa_free(glim_dfa *d) {
    if (!d) return;
    free(d->next);
    free(d->accept);
    free(d->first);
    free(d);
}

bool glim_dfa_matches(const glim_dfa *d, const char *s, size_t n) {
    uint32_t at = 0;
    if (!d->n) return false;
    for (size_t i = 0; i < n; i++)
        if ((at = glim_dfa_step(d, at, (uint8_t)s[i])) == GLIM_DFA_DEAD) return false;
    return d->accept[at] & GLIM_DFA_ACCEPTS;
}

/* ---- an automaton under construction ---- */

typedef struct table {
    glim_dfa *d;
    size_t cap; /* states that next and accept have room for */
    glim_con_budget *b;
    uint64_t *keys; /* by state: what it stands for (machines), or a hash (subsets) */
    size_t cap_keys;
    uint32_t *hash; /* state plus one */
    size_t n_hash;
} table;

static bool table_begin(table *t, glim_con_budget *b, const uint8_t *cls, unsigned n_class) {
    *t = (table){.b = b};
    t->d = glim_xcalloc(1, sizeof *t->d);
    t->d->n_class = n_class;
    memcpy(t->d->cls, cls, 256);
    t->n_hash = 256;
    void *p = NULL;
    if (glim_try_calloc(&p, t->n_hash, sizeof *t->hash, "an automaton", NULL) != GLIM_OK) return false;
    t->hash = p;
    return true;
}

static void table_end(table *t) {
    free(t->keys);
    free(t->hash);
    glim_dfa_free(t->d);
}

/* One more state, its steps all dead. GLIM_DFA_DEAD: over the limits or out of memory. */
static uint32_t table_add(table *t, uint64_t key, glim_status *rc) {
    glim_dfa *d = t->d;
    size_t bytes = ((size_t)d->n_class * 4 + 1 + sizeof(glim_bytes));
    *rc = GLIM_E_LIMIT;
    if (t->b->states == 0 || t->b->bytes < bytes || d->n == UINT32_MAX - 2) return GLIM_DFA_DEAD;
    *rc = GLIM_E_NOMEM;
    if (d->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 32;
        void *p = d->next, *q = d->accept;
        bool ok = glim_try_realloc(&p, cap * d->n_class, sizeof *d->next, "an automaton", NULL) == GLIM_OK;
        d->next = p;
        ok = ok && glim_try_realloc(&q, cap, 1, "an automaton", NULL) == GLIM_OK;
        d->accept = q;
        if (!ok) return GLIM_DFA_DEAD;
        t->cap = cap;
    }
    void *k = t->keys;
    if (!glim_con_grow(&k, &t->cap_keys, (size_t)d->n + 1, sizeof *t->keys)) return GLIM_DFA_DEAD;
    t->keys = k;
    t->b->states--;
    t->b->bytes -= bytes;
    d->n_bytes += bytes;
    t->keys[d->n] = key;
    for (unsigned c = 0; c < d->n_class; c++) d->next[(size_t)d->n * d->n_class + c] = GLIM_DFA_DEAD;
    d->accept[d->n] = 0;
    *rc = GLIM_OK;
    return d->n++;
}

static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

/* Enters state s into the hash under its key. */
static bool table_index(table *t, uint32_t s) {
    if ((size_t)t->d->n * 2 > t->n_hash) {
        size_t n = t->n_hash * 4;
        void *p = NULL;
        if (glim_try_calloc(&p, n, sizeof *t->hash, "an automaton", NULL) != GLIM_OK) return false;
        uint32_t *h = p;
        for (size_t i = 0; i < t->n_hash; i++)
            if (t->hash[i]) {
                size_t at = mix(t->keys[t->hash[i] - 1]) & (n - 1);
                while (h[at]) at = (at + 1) & (n - 1);
                h[at] = t->hash[i];
            }
        free(t->hash);
        t->hash = h;
        t->n_hash = n;
    }
    size_t at = mix(t->keys[s]) & (t->n_hash - 1);
    while (t->hash[at]) at = (at + 1) & (t->n_hash - 1);
    t->hash[at] = s + 1;
    return true;
}

/* Drops states from which acceptance cannot be reached, numbers the others anew, fills in flags and first. */
static glim_status table_finish(table *t, glim_dfa **out, glim_err *err) {
    glim_dfa *d = t->d;
    uint32_t n = d->n, kept = 0;
    void *p = NULL;
    /* Reaching backwards: sweep until nothing changes. States were numbered breadth first, so going from the last
     * to the first settles nearly all of them at once. */
    if (glim_try_calloc(&p, (size_t)n + 1, sizeof(uint32_t), "an automaton", NULL) != GLIM_OK) return glim_con_nomem(err);
    uint32_t *to = p;
    for (uint32_t s = 0; s < n; s++) to[s] = d->accept[s] != 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t s = n; s-- > 0;) {
            for (unsigned c = 0; c < d->n_class && !to[s]; c++) {
                uint32_t u = d->next[(size_t)s * d->n_class + c];
                if (u != GLIM_DFA_DEAD && to[u]) to[s] = changed = true;
            }
        }
        uint64_t cost = (uint64_t)n * d->n_class / 4;
        if (t->b->work < cost) {
            free(to);
            return too_much(err);
        }
        t->b->work -= cost;
    }
    bool live = n && to[0];
    for (uint32_t s = 0; s < n; s++) to[s] = live && to[s] ? kept++ : GLIM_DFA_DEAD;
    for (uint32_t s = 0; s < n; s++) {
        if (to[s] == GLIM_DFA_DEAD) continue;
        uint32_t k = to[s];
        d->accept[k] = d->accept[s] ? GLIM_DFA_ACCEPTS : 0;
        for (unsigned c = 0; c < d->n_class; c++) {
            uint32_t u = d->next[(size_t)s * d->n_class + c];
            d->next[(size_t)k * d->n_class + c] = u == GLIM_DFA_DEAD ? u : to[u];
        }
    }
    free(to);
    d->n = kept;
    p = NULL;
    if (glim_try_calloc(&p, (size_t)kept + 1, sizeof *d->first, "an automaton", NULL) != GLIM_OK)
        return glim_con_nomem(err);
    d->first = p;
    for (uint32_t s = 0; s < kept; s++)
        for (unsigned b = 0; b < 256; b++)
            if (glim_dfa_step(d, s, (uint8_t)b) != GLIM_DFA_DEAD) {
                glim_bytes_add(&d->first[s], b);
                d->accept[s] |= GLIM_DFA_GOES_ON;
            }
    memset(&d->exits, 0xff, sizeof d->exits);
    d->uid = next_uid();
    *out = d;
    t->d = NULL;
    return GLIM_OK;
}

/* ---- machines ---- */

glim_status glim_dfa_explore(glim_dfa **out, const glim_dfa_machine *m, glim_con_budget *b, glim_err *err) {
    uint8_t own[256], sample[256];
    const uint8_t *cls = m->cls;
    unsigned n_class = m->n_class;
    if (!cls) {
        for (unsigned i = 0; i < 256; i++) own[i] = (uint8_t)i;
        cls = own;
        n_class = 256;
    }
    for (unsigned i = 256; i-- > 0;) sample[cls[i]] = (uint8_t)i;
    table t;
    glim_status rc = GLIM_E_NOMEM;
    if (!table_begin(&t, b, cls, n_class)) goto fail;
    table_add(&t, m->start, &rc);
    if (rc == GLIM_OK && !table_index(&t, 0)) rc = GLIM_E_NOMEM;
    for (uint32_t s = 0; rc == GLIM_OK && s < t.d->n; s++) {
        uint64_t key = t.keys[s];
        t.d->accept[s] = m->accepts(m->ctx, key);
        if (b->work < n_class) rc = GLIM_E_LIMIT;
        else b->work -= n_class;
        for (unsigned c = 0; c < n_class && rc == GLIM_OK; c++) {
            uint64_t to = m->step(m->ctx, key, sample[c]);
            if (to == UINT64_MAX) continue;
            size_t at = mix(to) & (t.n_hash - 1);
            while (t.hash[at] && t.keys[t.hash[at] - 1] != to) at = (at + 1) & (t.n_hash - 1);
            uint32_t u = t.hash[at] ? t.hash[at] - 1 : table_add(&t, to, &rc);
            if (rc != GLIM_OK) break;
            if (u + 1 == t.d->n && !t.hash[at] && !table_index(&t, u)) rc = GLIM_E_NOMEM;
            t.d->next[(size_t)s * n_class + c] = u;
        }
    }
    if (rc == GLIM_OK) rc = table_finish(&t, out, err);
    else rc = rc == GLIM_E_LIMIT ? too_much(err) : glim_con_nomem(err);
    table_end(&t);
    return rc;
fail:
    table_end(&t);
    return glim_con_nomem(err);
}

typedef struct pair {
    const glim_dfa *a, *b;
    bool minus;
} pair;

/* b dead is state b->n; in a product that wants both, it is dead. */
static uint64_t pair_step(const void *ctx, uint64_t s, uint8_t byte) {
    const pair *p = ctx;
    uint32_t x = (uint32_t)(s >> 32), y = (uint32_t)s;
    x = glim_dfa_step(p->a, x, byte);
    if (x == GLIM_DFA_DEAD) return UINT64_MAX;
    y = y == p->b->n ? y : glim_dfa_step(p->b, y, byte);
    if (y == GLIM_DFA_DEAD) y = p->b->n;
    if (y == p->b->n && !p->minus) return UINT64_MAX;
    return (uint64_t)x << 32 | y;
}

static bool pair_accepts(const void *ctx, uint64_t s) {
    const pair *p = ctx;
    uint32_t x = (uint32_t)(s >> 32), y = (uint32_t)s;
    bool in_b = y < p->b->n && (p->b->accept[y] & GLIM_DFA_ACCEPTS);
    return (p->a->accept[x] & GLIM_DFA_ACCEPTS) && in_b != p->minus;
}

glim_status glim_dfa_product(glim_dfa **out, const glim_dfa *a, const glim_dfa *b, bool minus,
                             glim_con_budget *budget, glim_err *err) {
    pair p = {a, b, minus};
    uint8_t cls[256];
    uint16_t seen[256];
    unsigned n = 0;
    for (unsigned i = 0; i < 256; i++) {
        uint16_t key = (uint16_t)(a->cls[i] << 8 | b->cls[i]);
        unsigned c = 0;
        while (c < n && seen[c] != key) c++;
        if (c == n) seen[n++] = key;
        cls[i] = (uint8_t)c;
    }
    /* An empty a has no state to begin in. */
    glim_dfa_machine m = {.start = a->n ? 0 : UINT64_MAX, .step = pair_step, .accepts = pair_accepts, .ctx = &p,
                          .cls = cls, .n_class = n};
    if (!a->n) {
        *out = glim_xcalloc(1, sizeof **out);
        (*out)->n_class = 1;
        (*out)->uid = next_uid();
        return GLIM_OK;
    }
    return glim_dfa_explore(out, &m, budget, err);
}

/* ---- NFAs ---- */

uint32_t glim_nfa_state(glim_nfa *a) {
    if (a->limit && a->n >= a->limit) a->full = true;
    if (a->full || a->failed) return 0;
    void *p = a->head;
    if (!glim_con_grow(&p, &a->cap, a->n + 1, sizeof *a->head)) {
        a->failed = true;
        return 0;
    }
    a->head = p;
    a->head[a->n] = UINT32_MAX;
    return (uint32_t)a->n++;
}

void glim_nfa_edge_add(glim_nfa *a, uint32_t from, uint32_t to, int kind, uint8_t lo, uint8_t hi) {
    if (a->full || a->failed) return;
    void *p = a->edge;
    if (!glim_con_grow(&p, &a->cap_edges, a->n_edges + 1, sizeof *a->edge)) {
        a->failed = true;
        return;
    }
    a->edge = p;
    a->edge[a->n_edges] = (glim_nfa_edge){to, a->head[from], (uint8_t)kind, lo, hi};
    a->head[from] = (uint32_t)a->n_edges++;
}

void glim_nfa_literal(glim_nfa *a, uint32_t from, uint32_t to, const char *s, size_t n) {
    if (n == 0) glim_nfa_edge_add(a, from, to, GLIM_NFA_EPS, 0, 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t u = i + 1 == n ? to : glim_nfa_state(a);
        glim_nfa_edge_add(a, from, u, GLIM_NFA_BYTES, (uint8_t)s[i], (uint8_t)s[i]);
        from = u;
    }
}

/* lo..hi as UTF-8: cut until all following bytes run over their whole range or over one sequence. */
static void put_utf8(glim_nfa *a, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi) {
    static const uint32_t last[] = {0x7f, 0x7ff, 0xffff};
    for (int i = 0; i < 3; i++)
        if (lo <= last[i] && hi > last[i]) {
            put_utf8(a, from, to, lo, last[i]);
            put_utf8(a, from, to, last[i] + 1, hi);
            return;
        }
    if (hi >= 0x80)
        for (int i = 1; i < 4; i++) {
            uint32_t m = ((uint32_t)1 << (6 * i)) - 1;
            if ((lo & ~m) == (hi & ~m)) break;
            if (lo & m) {
                put_utf8(a, from, to, lo, lo | m);
                put_utf8(a, from, to, (lo | m) + 1, hi);
                return;
            }
            if ((hi & m) != m) {
                put_utf8(a, from, to, lo, (hi & ~m) - 1);
                put_utf8(a, from, to, hi & ~m, hi);
                return;
            }
        }
    unsigned n = hi < 0x80 ? 1 : hi < 0x800 ? 2 : hi < 0x10000 ? 3 : 4;
    for (unsigned i = 0; i < n; i++) {
        unsigned shift = 6 * (n - 1 - i);
        static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
        uint8_t x = (uint8_t)(i ? 0x80 | (lo >> shift & 63) : lead[n] | lo >> shift);
        uint8_t y = (uint8_t)(i ? 0x80 | (hi >> shift & 63) : lead[n] | hi >> shift);
        uint32_t u = i + 1 == n ? to : glim_nfa_state(a);
        glim_nfa_edge_add(a, from, u, GLIM_NFA_BYTES, x, y);
        from = u;
    }
}

static int json_escape(uint32_t c) {
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

void glim_spell_json(glim_buf *out, const char *s, size_t n) {
    glim_buf_putc(out, '"');
    for (size_t i = 0; i < n; i++) {
        int e = json_escape((uint8_t)s[i]);
        if (e) glim_buf_printf(out, "\\%c", e);
        else if ((uint8_t)s[i] < 0x20) glim_buf_printf(out, "\\u%04x", (uint8_t)s[i]);
        else glim_buf_putc(out, s[i]);
    }
    glim_buf_putc(out, '"');
}

void glim_nfa_chars(glim_nfa *a, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi, glim_spelling sp) {
    /* ASCII one by one where it has a spelling of its own. */
    uint32_t run = lo;
    for (; run <= hi && run < 0x80; run++) {
        int e = json_escape(run);
        if (sp == GLIM_SPELL_JSON && (e || run < 0x20)) {
            char text[8];
            int n = e ? snprintf(text, sizeof text, "\\%c", e) : snprintf(text, sizeof text, "\\u%04x", run);
            glim_nfa_literal(a, from, to, text, (size_t)n);
        } else if (run >= 0x20 || run == '\t' || run == '\n' || run == '\r') {
            uint32_t end = run;
            while (end + 1 <= hi && end + 1 < 0x80 && end >= 0x20 && !(sp == GLIM_SPELL_JSON && json_escape(end + 1))) end++;
            glim_nfa_edge_add(a, from, to, GLIM_NFA_BYTES, (uint8_t)run, (uint8_t)end);
            run = end;
        }
    }
    if (run > hi) return;
    if (hi < 0xd800 || run > 0xdfff) {
        put_utf8(a, from, to, run, hi);
        return;
    }
    if (run < 0xd800) put_utf8(a, from, to, run, 0xd7ff);
    if (hi > 0xdfff) put_utf8(a, from, to, 0xe000, hi);
}

void glim_nfa_free(glim_nfa *a) {
    free(a->edge);
    free(a->head);
    *a = (glim_nfa){0};
}

/* ---- subsets ---- */

typedef struct subsets {
    const glim_nfa *a;
    uint32_t *mark, stamp;      /* [a->n] last closure a state was in */
    uint32_t *set;              /* closure being made */
    size_t n_set, cap_set;
    uint32_t *todo;             /* [a->n] */
    uint32_t *pool;             /* sets of all states one after another */
    size_t n_pool, cap_pool;
    size_t *at;                 /* [states + 1] */
    size_t cap_at;
} subsets;

static int by_id(const void *x, const void *y) {
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* Adds everything that s leads to without a byte; anchors count as told. True if `final` is in it. */
static bool closure(subsets *x, uint32_t s, uint32_t final, bool begin, bool end) {
    size_t n = 0;
    bool found = false;
    if (x->mark[s] == x->stamp) return false;
    x->mark[s] = x->stamp;
    x->todo[n++] = s;
    while (n) {
        uint32_t u = x->todo[--n];
        bool keeps = u == final;
        found |= u == final;
        for (uint32_t e = x->a->head[u]; e != UINT32_MAX; e = x->a->edge[e].next) {
            const glim_nfa_edge *g = &x->a->edge[e];
            if (g->kind == GLIM_NFA_BYTES || g->kind == GLIM_NFA_END) keeps = true;
            bool free_edge = g->kind == GLIM_NFA_EPS || (g->kind == GLIM_NFA_BEGIN && begin) ||
                             (g->kind == GLIM_NFA_END && end);
            if (!free_edge || x->mark[g->to] == x->stamp) continue;
            x->mark[g->to] = x->stamp;
            x->todo[n++] = g->to;
        }
        if (keeps) x->set[x->n_set++] = u;
    }
    return found;
}

static uint64_t hash_set(const uint32_t *v, size_t n) {
    uint64_t h = 0x243f6a8885a308d3u + n;
    for (size_t i = 0; i < n; i++) h = mix(h ^ v[i]) + h * 31;
    return h >> 1; /* never UINT64_MAX */
}

/* The state of x->set; made if it is new. */
static uint32_t subset_state(subsets *x, table *t, bool unique, glim_status *rc) {
    qsort(x->set, x->n_set, sizeof *x->set, by_id);
    uint64_t key = hash_set(x->set, x->n_set);
    for (size_t at = mix(key) & (t->n_hash - 1); !unique && t->hash[at]; at = (at + 1) & (t->n_hash - 1)) {
        uint32_t s = t->hash[at] - 1;
        size_t n = x->at[s + 1] - x->at[s];
        if (t->keys[s] == key && n == x->n_set && memcmp(x->pool + x->at[s], x->set, n * sizeof *x->set) == 0) return s;
    }
    uint32_t s = table_add(t, key, rc);
    if (*rc != GLIM_OK) return s;
    *rc = GLIM_E_NOMEM;
    void *p = x->pool, *q = x->at;
    bool ok = glim_con_grow(&p, &x->cap_pool, x->n_pool + x->n_set + 1, sizeof *x->pool);
    x->pool = p;
    ok = ok && glim_con_grow(&q, &x->cap_at, (size_t)s + 2, sizeof *x->at);
    x->at = q;
    if (!ok || (!unique && !table_index(t, s))) return GLIM_DFA_DEAD;
    memcpy(x->pool + x->n_pool, x->set, x->n_set * sizeof *x->set);
    x->at[s] = x->n_pool;
    x->n_pool += x->n_set;
    x->at[s + 1] = x->n_pool;
    *rc = x->n_pool > GLIM_CON_DFA_BYTES / 4 ? GLIM_E_LIMIT : GLIM_OK;
    return s;
}

/* Bytes that no edge tells apart. */
static unsigned classes(const glim_nfa *a, uint8_t cls[256]) {
    bool cut[257] = {false};
    for (size_t i = 0; i < a->n_edges; i++)
        if (a->edge[i].kind == GLIM_NFA_BYTES) cut[a->edge[i].lo] = cut[a->edge[i].hi + 1] = true;
    unsigned n = 0;
    for (unsigned b = 0; b < 256; b++) {
        if (b && cut[b]) n++;
        cls[b] = (uint8_t)n;
    }
    return n + 1;
}

glim_status glim_dfa_from_nfa(glim_dfa **out, const glim_nfa *a, uint32_t start, uint32_t final,
                              glim_con_budget *b, glim_err *err) {
    if (a->failed) return glim_con_nomem(err);
    if (a->full) return too_much(err);
    uint8_t cls[256], sample[256];
    unsigned n_class = classes(a, cls);
    for (unsigned i = 256; i-- > 0;) sample[cls[i]] = (uint8_t)i;
    subsets x = {.a = a};
    table t;
    void *p[3] = {NULL, NULL, NULL};
    glim_status rc = table_begin(&t, b, cls, n_class) ? GLIM_OK : GLIM_E_NOMEM;
    for (int i = 0; i < 3 && rc == GLIM_OK; i++) rc = glim_try_calloc(&p[i], a->n + 1, sizeof(uint32_t), "an automaton", NULL);
    x.mark = p[0];
    x.set = p[1];
    x.todo = p[2];
    for (uint32_t s = 0; rc == GLIM_OK && (s == 0 || s < t.d->n); s++) {
        if (s == 0) {
            x.stamp = 1;
            bool whole = closure(&x, start, final, true, true);
            x.stamp++;
            x.n_set = 0;
            closure(&x, start, final, true, false);
            subset_state(&x, &t, true, &rc); /* never met again: later ^ does not hold */
            if (rc != GLIM_OK) break;
            t.d->accept[0] = whole;
        } else {
            x.stamp++;
            x.n_set = 0;
            bool whole = false;
            for (size_t i = x.at[s]; i < x.at[s + 1]; i++) whole |= closure(&x, x.pool[i], final, false, true);
            t.d->accept[s] = whole;
        }
        for (unsigned c = 0; c < n_class && rc == GLIM_OK; c++) {
            uint8_t byte = sample[c];
            x.stamp++;
            x.n_set = 0;
            uint64_t cost = x.at[s + 1] - x.at[s];
            for (size_t i = x.at[s]; i < x.at[s + 1]; i++)
                for (uint32_t e = a->head[x.pool[i]]; e != UINT32_MAX; e = a->edge[e].next) {
                    const glim_nfa_edge *g = &a->edge[e];
                    cost++;
                    if (g->kind == GLIM_NFA_BYTES && byte >= g->lo && byte <= g->hi) closure(&x, g->to, final, false, false);
                }
            cost += x.n_set * 4;
            if (b->work < cost) rc = GLIM_E_LIMIT;
            else b->work -= cost;
            if (rc != GLIM_OK || x.n_set == 0) continue;
            uint32_t u = subset_state(&x, &t, false, &rc);
            if (rc == GLIM_OK) t.d->next[(size_t)s * n_class + c] = u;
        }
    }
    if (rc == GLIM_OK) rc = table_finish(&t, out, err);
    else rc = rc == GLIM_E_LIMIT ? too_much(err) : glim_con_nomem(err);
    table_end(&t);
    for (int i = 0; i < 3; i++) free(p[i]);
    free(x.pool);
    free(x.at);
    return rc;
}

/* Words need no subsets: a trie is deterministic. Sorted input is not needed. */
glim_status glim_dfa_words(glim_dfa **out, const char *const *words, const size_t *lens, size_t n,
                           glim_con_budget *b, glim_err *err) {
    uint8_t cls[256] = {0};
    unsigned n_class = 1;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < lens[i]; j++) {
            uint8_t *c = &cls[(uint8_t)words[i][j]];
            if (*c == 0 && n_class < 256) *c = (uint8_t)n_class++;
        }
    table t;
    glim_status rc = table_begin(&t, b, cls, n_class) ? GLIM_OK : GLIM_E_NOMEM;
    if (rc == GLIM_OK) table_add(&t, 0, &rc);
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        uint32_t s = 0;
        for (size_t j = 0; j < lens[i] && rc == GLIM_OK; j++) {
            size_t at = (size_t)s * n_class + cls[(uint8_t)words[i][j]];
            if (t.d->next[at] == GLIM_DFA_DEAD) {
                uint32_t u = table_add(&t, 0, &rc);
                if (rc == GLIM_OK) t.d->next[at] = u;
            }
            if (rc == GLIM_OK) s = t.d->next[at];
        }
        if (rc == GLIM_OK) t.d->accept[s] = true;
    }
    if (rc == GLIM_OK) rc = table_finish(&t, out, err);
    else rc = rc == GLIM_E_LIMIT ? too_much(err) : glim_con_nomem(err);
    table_end(&t);
    return rc;
}
