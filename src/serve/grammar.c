/* grammar.c - constrained decoding as the scheduler's mask hook: one automaton's state for each choice. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "serve/server_internal.h"

enum { GRAMMAR_BYTES = 128 << 20 }; /* compiled grammars kept */

typedef struct mask {
    glim_constraint_state *state;
    uint32_t *bits;
    size_t n_words;
} mask;

static mask *mask_new(glim_constraint_state *state, size_t n_words) {
    mask *m = glim_xcalloc(1, sizeof *m);
    m->state = state;
    m->n_words = n_words;
    m->bits = glim_xcalloc(n_words, sizeof *m->bits);
    return m;
}

static void mask_free(void *ctx) {
    mask *m = ctx;
    if (!m) return;
    glim_constraint_state_free(m->state);
    free(m->bits);
    free(m);
}

/* Nothing allowed, with the reason in err, ends this choice and nothing else. */
static const uint32_t *mask_bits(void *ctx, glim_err *err) {
    mask *m = ctx;
    if (glim_constraint_mask(m->state, m->bits, NULL, err) != GLIM_OK) memset(m->bits, 0, m->n_words * sizeof *m->bits);
    return m->bits;
}

static bool mask_accept(void *ctx, int32_t id) {
    mask *m = ctx;
    return glim_constraint_accept(m->state, id, NULL) == GLIM_OK;
}

static void *mask_fork(void *ctx) {
    mask *m = ctx;
    glim_constraint_state *s;
    return glim_constraint_state_fork(&s, m->state, NULL) == GLIM_OK ? mask_new(s, m->n_words) : NULL;
}

/* The vocabulary is prepared when a request first needs it: most servers never see a schema. */
static glim_status prepare(glim_backend *b, glim_err *err) {
    glim_status rc = GLIM_OK;
    pthread_mutex_lock(&b->grammar_mu);
    if (!b->vocab) rc = glim_constraint_vocab_new(&b->vocab, b->e->tok, b->e->stops, b->e->n_stops, 0, err);
    if (rc == GLIM_OK && !b->grammars) b->grammars = glim_constraint_cache_new(b->vocab, GRAMMAR_BYTES);
    pthread_mutex_unlock(&b->grammar_mu);
    return rc;
}

glim_status glim_grammar_hook(glim_backend *b, const glim_constraint_spec *spec, glim_mask_hook *hook, glim_err *err) {
    *hook = (glim_mask_hook){0};
    if (!spec->schema && !spec->json_object && !spec->tools && !spec->choices) return GLIM_OK;
    glim_status rc = prepare(b, err);
    if (rc != GLIM_OK) return rc;
    glim_constraint *g = NULL;
    glim_constraint_state *state;
    rc = glim_constraint_cache_get(b->grammars, &g, spec, err);
    if (rc != GLIM_OK || !g) return rc;
    rc = glim_constraint_state_new(&state, g, err);
    glim_constraint_free(g); /* the state holds its own reference */
    if (rc != GLIM_OK) return rc;
    *hook = (glim_mask_hook){mask_new(state, glim_constraint_vocab_words(b->vocab)), mask_bits, mask_accept, mask_fork, mask_free};
    return GLIM_OK;
}
