/* constrain.c - the calls of constrain.h: grammars, sequences, the cache.
 *
 * A grammar's machine grows as its sequences move. When it passes its share of the bound, a fresh one takes over: the
 * states that sequences hold (now, and for rollback) are copied, everything else is met again when it is needed. */
#include "text/constrain.h"

#include <stdlib.h>
#include <string.h>

#include "text/constrain_internal.h"
#include "text/said_internal.h"

struct glim_constraint {
    glim_grammar grammar;
    pthread_mutex_t lock; /* of what follows */
    glim_machine machine;
    size_t machine_limit;
    glim_constraint_state *live;
    int refs;
};

struct glim_constraint_state {
    glim_constraint *c;
    glim_constraint_state *next, **link;
    uint32_t state;
    bool over; /* a stop token was accepted */
    uint32_t past[GLIM_CONSTRAINT_ROLLBACK]; /* states before the last tokens, a ring */
    size_t n_past, at_past;
};

/* ---- grammars ---- */

static size_t spec_bytes(const glim_constraint_spec *spec) { return spec->machine_bytes ? spec->machine_bytes : (size_t)32 << 20; }

static bool too_large(const json_t *v) {
    if (!v) return false;
    size_t n = json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    return n > GLIM_CON_MAX_SCHEMA;
}

glim_status glim_constraint_compile(glim_constraint **out, glim_constraint_vocab *v, const glim_constraint_spec *spec,
                                    glim_err *err) {
    *out = NULL;
    if (too_large(spec->schema) || too_large(spec->tools) || too_large(spec->choices))
        return glim_fail(err, GLIM_E_LIMIT, "schema is larger than %d bytes", GLIM_CON_MAX_SCHEMA);
    glim_constraint *c = glim_xcalloc(1, sizeof *c);
    glim_grammar *g = &c->grammar;
    pthread_mutex_init(&c->lock, NULL);
    c->refs = 1;
    c->machine_limit = spec_bytes(spec);
    g->vocab = v;
    g->said = spec->said;
    g->budget = (glim_con_budget){GLIM_CON_WORK, GLIM_CON_MAX_NODES, GLIM_CON_DFA_BYTES};
    glim_status rc = glim_grammar_spec(g, spec, &g->root, err);
    g->said = NULL; /* borrowed */
    if (rc == GLIM_OK && g->root == GLIM_NO_NODE && !g->failed && !g->full) {
        glim_constraint_free(c);
        return GLIM_OK;
    }
    if (rc == GLIM_OK) rc = glim_grammar_finish(g, err);
    if (rc == GLIM_OK && !glim_machine_init(&c->machine, g)) rc = glim_con_nomem(err);
    if (rc != GLIM_OK) {
        glim_constraint_free(c);
        return rc;
    }
    *out = c;
    return GLIM_OK;
}

glim_constraint *glim_constraint_share(glim_constraint *c) {
    __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void glim_constraint_free(glim_constraint *c) {
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    glim_machine_deinit(&c->machine);
    glim_grammar_free(&c->grammar);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static size_t mask_bytes(const glim_constraint *c) {
    return c->machine.n_kept * (c->grammar.vocab->n_words + 1) * sizeof(uint32_t);
}

size_t glim_constraint_bytes(glim_constraint *c) {
    pthread_mutex_lock(&c->lock);
    size_t n = c->grammar.bytes + glim_machine_bytes(&c->machine) + mask_bytes(c);
    pthread_mutex_unlock(&c->lock);
    return n;
}

size_t glim_constraint_words(const glim_constraint *c) { return glim_constraint_vocab_words(c->grammar.vocab); }

/* ---- sequences ---- */

/* A machine that refused memory, or outgrew its share, gives way to a fresh one with the states still needed. Called
 * with the lock held, before work begins. False: no memory; the old one stays. */
static bool refresh(glim_constraint *c) {
    if (!c->machine.failed && glim_machine_bytes(&c->machine) <= c->machine_limit / 2) return true;
    glim_machine fresh;
    if (!glim_machine_init(&fresh, &c->grammar)) return false;
    c->machine.failed = false;
    /* Two passes, so that a refusal half way leaves every sequence as it was. */
    for (int pass = 0; pass < 2; pass++)
        for (glim_constraint_state *s = c->live; s; s = s->next) {
            uint32_t now = glim_machine_copy(&fresh, &c->machine, s->state);
            if (pass) s->state = now;
            for (size_t i = 0; i < s->n_past; i++) {
                uint32_t *p = &s->past[(s->at_past + GLIM_CONSTRAINT_ROLLBACK - 1 - i) % GLIM_CONSTRAINT_ROLLBACK];
                uint32_t then = glim_machine_copy(&fresh, &c->machine, *p);
                if (pass) *p = then;
            }
            if (fresh.failed) {
                glim_machine_deinit(&fresh);
                c->machine.failed = true;
                return false;
            }
        }
    glim_machine_deinit(&c->machine);
    c->machine = fresh;
    return true;
}

static void link_state(glim_constraint_state *s) {
    glim_constraint *c = s->c;
    s->next = c->live;
    if (s->next) s->next->link = &s->next;
    s->link = &c->live;
    c->live = s;
}

glim_status glim_constraint_state_new(glim_constraint_state **out, glim_constraint *c, glim_err *err) {
    glim_constraint_state *s = glim_xcalloc(1, sizeof *s);
    *out = NULL;
    pthread_mutex_lock(&c->lock);
    bool ok = refresh(c);
    if (ok) s->state = glim_machine_start(&c->machine);
    ok = ok && !c->machine.failed;
    if (ok) {
        s->c = glim_constraint_share(c);
        link_state(s);
    }
    pthread_mutex_unlock(&c->lock);
    if (!ok) {
        free(s);
        return glim_con_nomem(err);
    }
    *out = s;
    return GLIM_OK;
}

glim_status glim_constraint_state_fork(glim_constraint_state **out, const glim_constraint_state *from, glim_err *err) {
    (void)err;
    glim_constraint_state *s = glim_xmalloc(sizeof *s);
    pthread_mutex_lock(&from->c->lock);
    *s = *from;
    glim_constraint_share(s->c);
    link_state(s);
    pthread_mutex_unlock(&from->c->lock);
    *out = s;
    return GLIM_OK;
}

void glim_constraint_state_free(glim_constraint_state *s) {
    if (!s) return;
    glim_constraint *c = s->c;
    pthread_mutex_lock(&c->lock);
    *s->link = s->next;
    if (s->next) s->next->link = s->link;
    pthread_mutex_unlock(&c->lock);
    free(s);
    glim_constraint_free(c);
}

glim_status glim_constraint_mask(glim_constraint_state *s, uint32_t *bits, size_t *n, glim_err *err) {
    glim_constraint *c = s->c;
    size_t n_words = c->grammar.vocab->n_words, count = 0;
    if (n) *n = 0;
    if (s->over) {
        memset(bits, 0, n_words * sizeof *bits);
        return glim_fail(err, GLIM_E_STATE, "the answer is over: a stop token was accepted");
    }
    pthread_mutex_lock(&c->lock);
    const glim_kept_mask *k = refresh(c) ? glim_machine_mask(&c->machine, s->state, c->machine_limit / 2) : NULL;
    if (k) {
        memcpy(bits, k->bits, n_words * sizeof *bits);
        count = k->n_allowed;
    } else memset(bits, 0, n_words * sizeof *bits);
    pthread_mutex_unlock(&c->lock);
    if (!k) return glim_con_nomem(err);
    if (n) *n = count;
    if (!count)
        return glim_fail(err, GLIM_E_STATE, "no token of the vocabulary can continue this answer: what the schema wants next cannot be spelled");
    return GLIM_OK;
}

static glim_status refuse(glim_err *err, int32_t id) {
    return glim_fail(err, GLIM_E_ARG, "token %d is not allowed here", id);
}

glim_status glim_constraint_accept(glim_constraint_state *s, int32_t id, glim_err *err) {
    glim_constraint *c = s->c;
    const glim_constraint_vocab *v = c->grammar.vocab;
    if (s->over || id < 0 || (size_t)id >= v->n) return refuse(err, id);
    pthread_mutex_lock(&c->lock);
    bool ok = refresh(c), stop = false;
    glim_machine *m = &c->machine;
    uint32_t to = 0;
    if (ok && v->text[id]) {
        to = s->state;
        for (size_t i = 0; i < v->len[id] && to; i++) to = glim_machine_step(m, to, (uint8_t)v->text[id][i]);
    } else if (ok) to = glim_machine_token(m, s->state, id);
    if (ok && !to && glim_machine_accepts(m, s->state))
        for (size_t i = 0; i < v->n_stop; i++) stop |= v->stop[i] == id;
    bool failed = !ok || m->failed;
    if (!failed && (to || stop)) {
        s->past[s->at_past] = s->state;
        s->at_past = (s->at_past + 1) % GLIM_CONSTRAINT_ROLLBACK;
        if (s->n_past < GLIM_CONSTRAINT_ROLLBACK) s->n_past++;
        if (stop) s->over = true;
        else s->state = to;
    }
    pthread_mutex_unlock(&c->lock);
    if (failed) return glim_con_nomem(err);
    return to || stop ? GLIM_OK : refuse(err, id);
}

glim_status glim_constraint_rollback(glim_constraint_state *s, size_t n, glim_err *err) {
    if (n > s->n_past)
        return glim_fail(err, GLIM_E_ARG, "rollback of %zu tokens, want at most %zu", n, s->n_past);
    if (n == 0) return GLIM_OK;
    pthread_mutex_lock(&s->c->lock); /* a fresh machine may be renumbering states */
    s->at_past = (s->at_past + GLIM_CONSTRAINT_ROLLBACK - n) % GLIM_CONSTRAINT_ROLLBACK;
    s->n_past -= n;
    s->state = s->past[s->at_past];
    s->over = false;
    pthread_mutex_unlock(&s->c->lock);
    return GLIM_OK;
}

bool glim_constraint_complete(glim_constraint_state *s) {
    pthread_mutex_lock(&s->c->lock);
    bool done = s->over || glim_machine_accepts(&s->c->machine, s->state);
    pthread_mutex_unlock(&s->c->lock);
    return done;
}

void glim_constraint_forced(glim_constraint_state *s, glim_buf *out, size_t max) {
    glim_constraint *c = s->c;
    pthread_mutex_lock(&c->lock);
    if (!s->over && refresh(c)) {
        glim_machine *m = &c->machine;
        uint32_t at = s->state;
        while (max-- > 0) {
            int byte = -1, n = 0;
            for (unsigned b = 0; b < 256 && n < 2; b++)
                if (glim_bytes_has(&m->state[at].first, b)) byte = (int)b, n++;
            bool token = false; /* the end, or a control token, is a choice too */
            for (uint32_t i = 0; i < m->state[at].n; i++) {
                unsigned k = m->g->node[m->config[m->state[at].off + i].node].kind;
                token |= k == GLIM_NODE_TOKEN || k == GLIM_NODE_ACCEPT;
            }
            if (n != 1 || token || !(at = glim_machine_step(m, at, (uint8_t)byte))) break;
            glim_buf_putc(out, (char)byte);
        }
    }
    pthread_mutex_unlock(&c->lock);
}

/* ---- the cache ---- */

typedef struct entry {
    char *key;
    glim_constraint *c;
    struct entry *next;
} entry;

struct glim_constraint_cache {
    glim_constraint_vocab *v;
    size_t max_bytes, hits, misses;
    pthread_mutex_t lock;
    entry *first; /* last used first; few enough to be looked through */
};

glim_constraint_cache *glim_constraint_cache_new(glim_constraint_vocab *v, size_t max_bytes) {
    glim_constraint_cache *k = glim_xcalloc(1, sizeof *k);
    k->v = v;
    k->max_bytes = max_bytes;
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

static void free_entry(entry *e) {
    glim_constraint_free(e->c);
    free(e->key);
    free(e);
}

void glim_constraint_cache_free(glim_constraint_cache *k) {
    if (!k) return;
    for (entry *e = k->first, *next; e; e = next) {
        next = e->next;
        free_entry(e);
    }
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* Everything that a grammar depends on, as text. NULL: no memory. */
static char *key_of(const glim_constraint_spec *s) {
    glim_buf b = {0};
    const json_t *parts[] = {s->schema, s->tools, s->tool_choice, s->choices};
    glim_buf_printf(&b, "%d %d %d %d %d %zu", s->json_object, s->lenient, s->single_call, (int)s->kind, (int)s->think, s->machine_bytes);
    for (size_t i = 0; i < GLIM_COUNT(parts); i++) {
        char *text = parts[i] ? json_dumps(parts[i], JSON_COMPACT | JSON_ENCODE_ANY) : NULL; /* order of keys matters */
        if (parts[i] && !text) b.failed = true;
        glim_buf_printf(&b, "\n%s", text ? text : "");
        free(text);
    }
    if (s->said) glim_buf_printf(&b, "\n%.*s", (int)s->said->n, s->said->text);
    if (b.failed) glim_buf_free(&b);
    return b.s;
}

static size_t entry_bytes(const entry *e) { return sizeof *e + strlen(e->key) + (e->c ? glim_constraint_bytes(e->c) : 0); }

/* Drops the longest unused until the rest fits. Sequences keep what they use alive. */
static void trim(glim_constraint_cache *k) {
    size_t sum = 0;
    for (entry **link = &k->first; *link;) {
        entry *e = *link;
        size_t n = entry_bytes(e);
        if (sum + n <= k->max_bytes) {
            sum += n;
            link = &e->next;
            continue;
        }
        *link = e->next;
        free_entry(e);
    }
}

static entry *use(glim_constraint_cache *k, const char *key) {
    for (entry **link = &k->first; *link; link = &(*link)->next) {
        entry *e = *link;
        if (strcmp(e->key, key) != 0) continue;
        *link = e->next;
        e->next = k->first;
        return k->first = e;
    }
    return NULL;
}

glim_status glim_constraint_cache_get(glim_constraint_cache *k, glim_constraint **out, const glim_constraint_spec *spec,
                                      glim_err *err) {
    *out = NULL;
    if (too_large(spec->schema) || too_large(spec->tools) || too_large(spec->choices))
        return glim_fail(err, GLIM_E_LIMIT, "schema is larger than %d bytes", GLIM_CON_MAX_SCHEMA);
    char *key = key_of(spec);
    if (!key) return glim_con_nomem(err);
    pthread_mutex_lock(&k->lock);
    entry *e = use(k, key);
    if (e) {
        k->hits++;
        *out = e->c ? glim_constraint_share(e->c) : NULL;
        trim(k); /* grammars grow while they are used */
        pthread_mutex_unlock(&k->lock);
        free(key);
        return GLIM_OK;
    }
    k->misses++;
    pthread_mutex_unlock(&k->lock);
    /* Without the lock: a large schema takes a while. Two at once make it twice, and one stays. */
    glim_constraint *c;
    glim_status rc = glim_constraint_compile(&c, k->v, spec, err);
    if (rc != GLIM_OK) {
        free(key);
        return rc;
    }
    pthread_mutex_lock(&k->lock);
    if ((e = use(k, key))) {
        glim_constraint_free(c);
        free(key);
    } else {
        e = glim_xcalloc(1, sizeof *e);
        *e = (entry){key, c, k->first};
        k->first = e;
    }
    *out = e->c ? glim_constraint_share(e->c) : NULL;
    trim(k);
    pthread_mutex_unlock(&k->lock);
    return GLIM_OK;
}

glim_constraint_cache_stats glim_constraint_cache_look(glim_constraint_cache *k) {
    pthread_mutex_lock(&k->lock);
    glim_constraint_cache_stats s = {.hits = k->hits, .misses = k->misses};
    for (entry *e = k->first; e; e = e->next) {
        s.n++;
        s.bytes += entry_bytes(e);
    }
    pthread_mutex_unlock(&k->lock);
    return s;
}
