/* alloc.h - two tiers of memory, checked size arithmetic, arenas, and a guard for hot paths.
 *
 * x tier    small and of fixed size: aborts if the OS refuses (a handle, a struct).
 * try tier  large or sized by input: fails as GLIM_E_NOMEM and says how many bytes and what for.
 * Both are counted, so that a test can make the k-th try-tier allocation fail and a guarded section
 * can prove that it allocates nothing. Memory of either tier is released with free(). */
#ifndef GLIM_BASE_ALLOC_H
#define GLIM_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

void *glim_xmalloc(size_t n_bytes);
void *glim_xcalloc(size_t n, size_t size);
void *glim_xrealloc(void *p, size_t n_bytes);
char *glim_xstrdup(const char *s);

/* *out = n * size zeroed bytes, aligned to 64. n*size is checked for overflow; 0 gives a valid
 * pointer. `what` completes "could not allocate 12 bytes for <what>".
 * Errors: GLIM_E_NOMEM; *out is then NULL. */
glim_status glim_try_calloc(void **out, size_t n, size_t size, const char *what, glim_err *err);

/* Grows *p (may be NULL) from its old contents to n * size bytes; new bytes are not zeroed.
 * Alignment is malloc's. Errors: GLIM_E_NOMEM; *p is then unchanged and still owned. */
glim_status glim_try_realloc(void **p, size_t n, size_t size, const char *what, glim_err *err);

/* A list that is full: *(T **)list, of *cap objects of size bytes, grows to twice as many (to first where it has none).
 * Errors: GLIM_E_NOMEM; list and *cap are then unchanged. */
glim_status glim_try_grow(void *list, size_t *cap, size_t first, size_t size, const char *what, glim_err *err);

/* Checked arithmetic on sizes from outside: false on overflow, *out is then unspecified. */
static inline bool glim_mul_size(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool glim_add_size(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}
static inline bool glim_mul_u64(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool glim_add_u64(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}
/* n rounded up to a multiple of align (a power of two); false on overflow. */
static inline bool glim_align_size(size_t n, size_t align, size_t *out) {
    size_t t;
    if (!glim_add_size(n, align - 1, &t)) return false;
    *out = t & ~(align - 1);
    return true;
}

/* Faults for tests: the k-th try-tier allocation from now fails (k = 1: the next); 0 turns it off. */
void glim_alloc_fail_after(long k);

/* Sections that must not allocate through us: glim_alloc_guard_begin("decode") ... _end().
 * An allocation of either tier by the same thread inside one is a bug and asserts. Nests. */
void glim_alloc_guard_begin(const char *section);
void glim_alloc_guard_end(void);

/* An arena: memory with one lifespan, reset or freed as a whole. Zeroed, 16-byte aligned.
 * Initialise with {0}. glim_arena_alloc returns NULL when the OS refuses: callers report it. */
typedef struct glim_arena {
    struct glim_arena_block *head;
} glim_arena;
void *glim_arena_alloc(glim_arena *a, size_t n_bytes);
char *glim_arena_strndup(glim_arena *a, const char *s, size_t len);
void glim_arena_free(glim_arena *a);

#endif
