/* guess.c - see guess.h. */
#include "engine/guess.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

glim_status glim_guess_init(glim_guess *g, size_t n_ids, glim_err *err) {
    uint32_t n = 256;
    while (n < n_ids && n < 1u << 16) n *= 2;
    void *p;
    glim_status rc = glim_try_calloc(&p, n, sizeof *g->slots, "a table of guesses", err);
    *g = (glim_guess){.slots = rc == GLIM_OK ? p : NULL, .n_slots = n, .right = 0.5f};
    return rc;
}

void glim_guess_deinit(glim_guess *g) {
    free(g->slots);
    *g = (glim_guess){0};
}

static uint32_t slot_of(const glim_guess *g, const int32_t *ids) {
    uint32_t h = 0;
    for (int i = 0; i < GLIM_GUESS_GRAM; i++) h = (h ^ (uint32_t)ids[i]) * 0x9e3779b1u, h ^= h >> 15;
    return h & (g->n_slots - 1);
}

size_t glim_guess_next(glim_guess *g, const int32_t *ids, size_t n, size_t n_max, int32_t *out) {
    if (n < GLIM_GUESS_GRAM || !g->slots) return 0;
    /* All triples but the last one: that is what is looked for. */
    if (g->n_seen < GLIM_GUESS_GRAM) g->n_seen = GLIM_GUESS_GRAM;
    for (; g->n_seen < n; g->n_seen++)
        g->slots[slot_of(g, ids + g->n_seen - GLIM_GUESS_GRAM)] = (uint32_t)g->n_seen + 1;
    const int32_t *last = ids + n - GLIM_GUESS_GRAM;
    uint32_t at = g->slots[slot_of(g, last)];
    if (at == 0) return 0;
    size_t from = at - 1;
    if (memcmp(ids + from - GLIM_GUESS_GRAM, last, GLIM_GUESS_GRAM * sizeof *ids) != 0) return 0; /* only the same hash */
    size_t k = 0;
    /* A guess may run into its own beginning: a text that repeats goes on repeating. */
    for (; k < n_max; k++) out[k] = from + k < n ? ids[from + k] : out[from + k - n];
    return k;
}

void glim_guess_learn(glim_guess *g, size_t n_tried, size_t n_ok) {
    /* Without trying, the opinion drifts back, so that a text that changes gets another chance. */
    if (n_tried == 0) g->right += 0.01f * (0.5f - g->right);
    for (size_t i = 0; i < n_tried && i <= n_ok; i++) g->right += 0.2f * ((i < n_ok ? 1.0f : 0.0f) - g->right);
}
