/* gemm.c - the driver of training's products; see gemm.h.
 *
 * A is laid out once for all threads as strips of `rows` rows, k by k, so that the inner loop walks one pointer.
 * A piece of work is a block of BLOCK columns of B and a range of strips: for each CUT of k the block's part of B
 * is made (a weight's tiles, turned if the product goes back) and multiplied with every strip while it lies in
 * cache. Between cuts the sums rest in C, which does not change them.
 *
 * Few columns (an adapter's rank) do not repay laying A out: it is then read where it lies. */
#include "tensor/gemm.h"

#include <string.h>

#include "tensor/kernels_internal.h"

enum { BLOCK = 64, CUT = 256, TURN = 8, ALIGN = 64 };

extern const glim_gemm_set glim_gemm_ref;
#if defined __x86_64__
extern const glim_gemm_set glim_gemm_avx2, glim_gemm_avx512;
#endif

const glim_gemm_set *glim_gemm_find(const char *name) {
    static const glim_gemm_set *const sets[] = {
#if defined __x86_64__
        &glim_gemm_avx512, &glim_gemm_avx2,
#endif
        &glim_gemm_ref};
    if (!glim_kernels_find(name)) return NULL;
    for (size_t i = 0; i < GLIM_COUNT(sets); i++)
        if (strcmp(sets[i]->name, name) == 0) return sets[i];
    return NULL;
}

const glim_gemm_set *glim_gemm_of(const glim_kernels *k) { return glim_gemm_find(k->name); }

static size_t up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* Of one thread: a cut of a block of B as f32, the tiles it is turned from, and the block as pairs. */
typedef struct own {
    float b[CUT][BLOCK], tile[BLOCK][GLIM_PANEL];
    uint32_t pairs[CUT / 2][BLOCK];
} own;

size_t glim_gemm_bytes(const glim_gemm_set *s, size_t m, size_t k, int n_threads) {
    return up(up(m, s->rows) * up(k, 2) * sizeof(float), ALIGN) + (size_t)n_threads * up(sizeof(own), ALIGN);
}

typedef struct run {
    const glim_gemm_set *s;
    const glim_gemm *g;
    bool pairs, laid, turned; /* A is laid out; its columns lie side by side */
    size_t rows, n_strips, strip_words; /* words of a strip */
    float *a;               /* [n_strips, k or pairs of k, rows] */
    own *own;               /* [n_threads] */
    size_t n_blocks, whole;  /* column blocks; so many of them, the first, are one piece each */
    size_t ranges, strips;   /* of each other block: ranges of strips, strips in each */
} run;

/* ---- A ---- */

typedef float four __attribute__((vector_size(16)));
static inline four load4(const float *p) {
    four v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Four rows of a strip, n_k values each, side by side at dst: squares of 4 x 4. */
static void lay_four(float *dst, size_t rows, const float *a, size_t a_row, size_t n_k) {
    size_t k = 0;
    for (; k + 4 <= n_k; k += 4) {
        const four r0 = load4(a + k), r1 = load4(a + a_row + k), r2 = load4(a + 2 * a_row + k), r3 = load4(a + 3 * a_row + k);
        const four lo01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5), hi01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
        const four lo23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5), hi23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
        const four out[4] = {__builtin_shufflevector(lo01, lo23, 0, 1, 4, 5), __builtin_shufflevector(lo01, lo23, 2, 3, 6, 7),
                             __builtin_shufflevector(hi01, hi23, 0, 1, 4, 5), __builtin_shufflevector(hi01, hi23, 2, 3, 6, 7)};
        for (size_t i = 0; i < 4; i++) memcpy(dst + (k + i) * rows, &out[i], sizeof out[i]);
    }
    for (; k < n_k; k++)
        for (size_t i = 0; i < 4; i++) dst[k * rows + i] = a[i * a_row + k];
}

/* Strips of an A whose columns lie side by side, a few k of all strips at a time: one strip uses 24 of a line's 64 bytes, and lines a row
 * of A apart share few sets of a cache, so that strip by strip each line came up to three times from the third level or beyond. */
static void lay_turned(const run *r, size_t begin, size_t end) {
    const glim_gemm *g = r->g;
    const size_t rows = r->rows, last = end * rows > g->m ? end - 1 : end;
    if (last < end) memset(r->a + last * r->strip_words, 0, r->strip_words * sizeof(float));
    for (size_t k0 = 0; k0 < g->k; k0 += TURN) {
        const size_t n_k = g->k - k0 < TURN ? g->k - k0 : TURN;
        for (size_t s = begin; s < end; s++) {
            float *dst = r->a + s * r->strip_words + k0 * rows;
            const float *a = g->a + s * rows + k0 * g->a_k;
            const size_t n = s < last ? rows : g->m - s * rows;
            if (n == 6) /* a copy of known size is a few moves, not a call */
                for (size_t k = 0; k < n_k; k++) memcpy(dst + k * 6, a + k * g->a_k, 6 * sizeof *dst);
            else if (n == 12)
                for (size_t k = 0; k < n_k; k++) memcpy(dst + k * 12, a + k * g->a_k, 12 * sizeof *dst);
            else
                for (size_t k = 0; k < n_k; k++) memcpy(dst + k * rows, a + k * g->a_k, n * sizeof *dst);
        }
    }
}

static void lay_strips(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const run *r = ctx;
    const glim_gemm *g = r->g;
    if (r->turned) {
        lay_turned(r, begin, end);
        return;
    }
    for (size_t s = begin; s < end; s++) {
        float *dst = r->a + s * r->strip_words;
        uint32_t *dst2 = (uint32_t *)(void *)dst;
        const size_t row = s * r->rows, n = g->m - row < r->rows ? g->m - row : r->rows;
        if (n < r->rows) memset(dst, 0, r->strip_words * sizeof *dst);
        if (r->pairs) {
            for (size_t i = 0; i < n; i++) {
                const float *a = g->a + (row + i) * g->a_row;
                for (size_t k = 0; k < g->k; k += 2) {
                    const uint32_t lo = glim_f32_to_bf16(a[k * g->a_k]);
                    const uint32_t hi = k + 1 < g->k ? glim_f32_to_bf16(a[(k + 1) * g->a_k]) : 0;
                    dst2[k / 2 * r->rows + i] = lo | hi << 16;
                }
            }
        } else {
            size_t i = 0;
            if (g->a_k == 1 && n >= 4) { /* the last four may overlap those before: a strip of six is two calls */
                for (; i + 4 <= n; i += 4) lay_four(dst + i, r->rows, g->a + (row + i) * g->a_row, g->a_row, g->k);
                if (i < n) lay_four(dst + n - 4, r->rows, g->a + (row + n - 4) * g->a_row, g->a_row, g->k);
                i = n;
            }
            for (; i < n; i++) {
                const float *a = g->a + (row + i) * g->a_row;
                for (size_t k = 0; k < g->k; k++) dst[k * r->rows + i] = a[k * g->a_k];
            }
        }
    }
}

/* ---- B ---- */

/* Rows [k0, k0 + n_k) of columns [n0, n0 + n) into b. What lies beyond n is whatever it was. */
static void make_b(const run *r, own *o, size_t k0, size_t n_k, size_t n0, size_t n) {
    const glim_gemm *g = r->g;
    if (g->b && g->b_k == 1) { /* turned: an adapter's A and B in forward */
        for (size_t i = 0; i < n; i += 16)
            for (size_t k = 0; k < n_k; k += 16) {
                const float *src = g->b + (k0 + k) + (n0 + i) * g->b_n;
                if (n - i >= 16 && n_k - k >= 16) {
                    r->s->turn(&o->b[k][i], BLOCK, src, g->b_n);
                    continue;
                }
                for (size_t j = 0; j < 16 && i + j < n; j++)
                    for (size_t p = 0; p < 16 && k + p < n_k; p++) o->b[k + p][i + j] = src[j * g->b_n + p];
            }
    } else if (g->b) {
        for (size_t k = 0; k < n_k; k++) {
            const float *src = g->b + (k0 + k) * g->b_k + n0 * g->b_n;
            if (g->b_n == 1) memcpy(o->b[k], src, n * sizeof *src);
            else
                for (size_t i = 0; i < n; i++) o->b[k][i] = src[i * g->b_n];
        }
    } else if (!g->back) {
        for (size_t i = 0; i < n; i += GLIM_PANEL) r->s->tile(&o->b[0][i], BLOCK, g->w, (n0 + i) / GLIM_PANEL, k0, n_k);
    } else {
        for (size_t k = 0; k < n_k; k += GLIM_PANEL) { /* k counts outputs here, n inputs */
            r->s->tile(o->tile[0], GLIM_PANEL, g->w, (k0 + k) / GLIM_PANEL, n0, n);
            for (size_t i = 0; i < n; i += 16) r->s->turn(&o->b[k][i], BLOCK, o->tile[i], GLIM_PANEL);
        }
    }
    if (!r->pairs) return;
    if (n_k % 2) memset(o->b[n_k], 0, sizeof o->b[n_k]);
    for (size_t k = 0; k < n_k; k += 2) r->s->pair(o->pairs[k / 2], o->b[k], o->b[k + 1], n);
}

static void run_pieces(void *ctx, size_t begin, size_t end, int worker) {
    const run *r = ctx;
    const glim_gemm *g = r->g;
    own *o = (own *)(void *)((char *)r->own + (size_t)worker * up(sizeof(own), ALIGN));
    for (size_t p = begin; p < end; p++) {
        const bool whole = p < r->whole;
        const size_t n0 = (whole ? p : r->whole + (p - r->whole) / r->ranges) * BLOCK;
        const size_t s0 = whole ? 0 : (p - r->whole) % r->ranges * r->strips;
        const size_t n = g->n - n0 < BLOCK ? g->n - n0 : BLOCK;
        const size_t s1 = whole || r->n_strips - s0 < r->strips ? r->n_strips : s0 + r->strips;
        for (size_t k0 = 0; k0 < g->k; k0 += CUT) {
            const size_t n_k = g->k - k0 < CUT ? g->k - k0 : CUT;
            const bool add = g->add || k0 > 0;
            make_b(r, o, k0, n_k, n0, n);
            if (!r->laid) {
                const size_t row = s0 * r->rows, m = (s1 * r->rows < g->m ? s1 * r->rows : g->m) - row;
                r->s->mm(g->c + row * g->ldc + n0, g->ldc, g->a + row * g->a_row + k0 * g->a_k, g->a_row, g->a_k, o->b[0], BLOCK,
                         m, n, n_k, add);
                continue;
            }
            for (size_t s = s0; s < s1; s++) {
                const size_t row = s * r->rows, m = g->m - row < r->rows ? g->m - row : r->rows;
                float *c = g->c + row * g->ldc + n0;
                const float *a = r->a + s * r->strip_words;
                if (r->pairs)
                    r->s->mm_pairs(c, g->ldc, (const uint32_t *)(const void *)a + k0 / 2 * r->rows, 1, r->rows, o->pairs[0], BLOCK,
                                   m, n, (n_k + 1) / 2, add);
                else r->s->mm(c, g->ldc, a + k0 * r->rows, 1, r->rows, o->b[0], BLOCK, m, n, n_k, add);
            }
        }
        if (!g->bias) continue;
        for (size_t row = s0 * r->rows; row < s1 * r->rows && row < g->m; row++)
            for (size_t i = 0; i < n; i++) g->c[row * g->ldc + n0 + i] += g->bias[n0 + i];
    }
}

void glim_gemm_run(glim_pool *pool, const glim_gemm_set *s, glim_gemm_type type, const glim_gemm *g, void *scratch) {
    if (g->m == 0 || g->n == 0) return;
    run r = {.s = s, .g = g, .rows = s->rows, .a = scratch};
    if (g->k == 0) {
        for (size_t i = 0; !g->add && i < g->m; i++) memset(g->c + i * g->ldc, 0, g->n * sizeof *g->c);
        return;
    }
    r.laid = g->n > BLOCK;
    r.pairs = type == GLIM_GEMM_BF16 && r.laid && s->pairs();
    r.n_strips = (g->m + r.rows - 1) / r.rows;
    r.strip_words = (r.pairs ? (g->k + 1) / 2 : g->k) * r.rows;
    r.own = (own *)(void *)((char *)scratch + (r.laid ? up(r.n_strips * r.strip_words * sizeof(float), ALIGN) : 0));
    r.turned = g->a_row == 1 && !r.pairs;
    const size_t share = r.n_strips / (4 * (size_t)glim_pool_size(pool));
    if (r.laid) glim_pool_for(pool, r.n_strips, r.turned && share > 1 ? share < 16 ? share : 16 : 1, lay_strips, &r);
    /* Every range of strips makes B again, so only the last blocks are cut: two a thread and what does not share out. Nine blocks of
     * two threads are five and eight halves, not 5 : 4, and a thread that is held up is waited for half a block at most. */
    const size_t threads = (size_t)glim_pool_size(pool), most = up(r.n_strips, 4) / 4;
    r.n_blocks = (g->n + BLOCK - 1) / BLOCK;
    const size_t cut = threads == 1 ? 0 : threads + r.n_blocks % threads;
    if (r.n_blocks >= 4 * threads || threads == 1) r.whole = r.n_blocks - cut, r.ranges = 2;
    else r.ranges = (4 * threads + r.n_blocks - 1) / r.n_blocks;
    while (!r.whole && r.n_blocks * r.ranges % threads && r.ranges < 8 * threads / r.n_blocks) r.ranges++;
    if (r.ranges > most) r.ranges = most;
    r.strips = (r.n_strips + r.ranges - 1) / r.ranges;
    r.ranges = (r.n_strips + r.strips - 1) / r.strips;
    glim_pool_for(pool, r.whole + (r.n_blocks - r.whole) * r.ranges, 1, run_pieces, &r);
}
