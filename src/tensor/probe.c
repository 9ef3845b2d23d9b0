/* probe.c - see probe.h.
 *
 * Surprise  each loop carries its instruction set as a function attribute instead of living in a folder
 *           compiled for one: all of them stand side by side here and are called only after
 *           glim_instr_here said yes. */
#include "tensor/probe.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#if defined __x86_64__
#include <immintrin.h>
#endif

#include "base/alloc.h"
#include "base/clock.h"

enum {
    READ_PIECE = 2 << 20, /* bytes a worker reads in one go: long streams are faster than many short ones */
    PEAK_STEPS = 50000,
    PEAK_PIECES = 8       /* for each thread, so that one that is held up is helped */
};

/* Results end here, so that nothing is optimized away. */
static _Atomic uint64_t g_sink;
static void keep(uint64_t v) { atomic_store_explicit(&g_sink, v, memory_order_relaxed); }

const char *glim_instr_name(glim_instr i) {
    static const char *const names[] = {"f32 fma 512 bit",         "bf16 vdpbf16ps 512 bit",
                                        "int8 vpdpbusd 512 bit",   "f32 fma 256 bit",
                                        "int8 vpmaddubsw 256 bit", "f32 multiply-add 128 bit"};
    return i < GLIM_N_INSTR ? names[i] : "?";
}

bool glim_instr_here(glim_instr i) {
#if defined __x86_64__
    switch (i) {
    case GLIM_INSTR_F32_512: return __builtin_cpu_supports("avx512f");
    case GLIM_INSTR_BF16_512: return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
    case GLIM_INSTR_I8_512: return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni");
    case GLIM_INSTR_F32_256: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case GLIM_INSTR_I8_256: return __builtin_cpu_supports("avx2");
    case GLIM_INSTR_F32: return true;
    case GLIM_N_INSTR: break;
    }
    return false;
#else
    return i == GLIM_INSTR_F32;
#endif
}

glim_instr glim_instr_for(const char *set, unsigned act_form) {
    const bool narrow = set && strcmp(set, "avx2") == 0;
    const glim_instr wide = act_form == GLIM_ACT_Q8     ? GLIM_INSTR_I8_512
                            : act_form == GLIM_ACT_BF16 ? GLIM_INSTR_BF16_512
                                                        : GLIM_INSTR_F32_512;
    const glim_instr less = act_form == GLIM_ACT_Q8 ? GLIM_INSTR_I8_256 : GLIM_INSTR_F32_256;
    if (!narrow && glim_instr_here(wide)) return wide;
    return glim_instr_here(less) ? less : GLIM_INSTR_F32;
}

/* ---- memory ---- */

glim_status glim_probe_init(glim_probe *p, glim_pool *pool, size_t n_bytes, glim_err *err) {
    *p = (glim_probe){.pool = pool};
    size_t n = n_bytes < READ_PIECE ? READ_PIECE : n_bytes / READ_PIECE * READ_PIECE;
    void *m = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) return glim_fail(err, GLIM_E_NOMEM, "could not allocate %zu bytes for the bandwidth probe", n);
    madvise(m, n, MADV_HUGEPAGE);
    memset(m, 1, n); /* untouched pages would all be one page of zeros, read from the cache */
    p->bytes = m;
    p->n_bytes = n;
    return GLIM_OK;
}

void glim_probe_deinit(glim_probe *p) {
    if (p->bytes) munmap(p->bytes, p->n_bytes);
    *p = (glim_probe){0};
}

static double now_s(const glim_probe *p) { return p->now ? p->now() : glim_now_s(); }

typedef struct read_job {
    const uint8_t *bytes;
    size_t n; /* units of 64 bytes */
    bool wide, avx2;
} read_job;

#if defined __x86_64__
__attribute__((target("avx512f"))) static uint64_t read_512(const uint8_t *p, const uint8_t *last) {
    __m512i s[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (; p + 256 <= last; p += 256)
        for (int i = 0; i < 4; i++) s[i] = _mm512_xor_si512(s[i], _mm512_loadu_si512(p + 64 * i));
    s[0] = _mm512_xor_si512(_mm512_xor_si512(s[0], s[1]), _mm512_xor_si512(s[2], s[3]));
    return (uint64_t)_mm512_reduce_add_epi64(s[0]);
}
__attribute__((target("avx2"))) static uint64_t read_256(const uint8_t *p, const uint8_t *last) {
    __m256i s[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
    for (; p + 128 <= last; p += 128)
        for (int i = 0; i < 4; i++)
            s[i] = _mm256_xor_si256(s[i], _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * i)));
    s[0] = _mm256_xor_si256(_mm256_xor_si256(s[0], s[1]), _mm256_xor_si256(s[2], s[3]));
    return (uint64_t)_mm256_extract_epi64(s[0], 0);
}
#endif
static uint64_t read_any(const uint8_t *p, const uint8_t *last) {
    uint64_t s[4] = {0}, v[4];
    for (; p + 32 <= last; p += 32) {
        memcpy(v, p, sizeof v);
        for (int i = 0; i < 4; i++) s[i] ^= v[i];
    }
    return s[0] ^ s[1] ^ s[2] ^ s[3];
}

static void read_range(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const read_job *j = ctx;
    const uint8_t *p = j->bytes + 64 * begin, *last = j->bytes + 64 * end;
#if defined __x86_64__
    if (j->wide) {
        keep(read_512(p, last));
        return;
    }
    if (j->avx2) {
        keep(read_256(p, last));
        return;
    }
#endif
    keep(read_any(p, last));
}

double glim_probe_read(const glim_probe *p, const void *bytes, size_t n) {
    read_job j = {.bytes = bytes ? bytes : p->bytes, .n = (bytes ? n : p->n_bytes) / 64,
                  .wide = glim_instr_here(GLIM_INSTR_F32_512), .avx2 = glim_instr_here(GLIM_INSTR_I8_256)};
    const double t = now_s(p);
    glim_pool_for(p->pool, j.n, READ_PIECE / 64, read_range, &j);
    const double took = now_s(p) - t;
    return took > 0 ? 64.0 * (double)j.n / took * 1e-9 : 0;
}

/* ---- arithmetic ---- */

/* Independent chains, more than latency times ports. The empty asm keeps each accumulator in a register
 * and the compiler from seeing that all chains are alike. */
enum { CHAINS = 12 };
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define WITH(isa) __attribute__((target(isa), noinline))
#define OPTIMIZED __attribute__((noinline))
#else
#define UNROLL _Pragma("GCC unroll 16")
#define WITH(isa) __attribute__((target(isa), optimize("O3"), noinline))
#define OPTIMIZED __attribute__((optimize("O3"), noinline))
#endif
#define REPEAT(reg, expr)                                                  \
    for (int i = 0; i < PEAK_STEPS; i++) {                                 \
        UNROLL for (int c = 0; c < CHAINS; c++) {                          \
            acc[c] = (expr);                                               \
            __asm__ volatile("" : reg(acc[c]));                            \
        }                                                                  \
    }

#if defined __x86_64__
WITH("avx512f") static void peak_f32_512(void) {
    __m512 acc[CHAINS], x = _mm512_set1_ps(1e-3f);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = x;
    REPEAT("+v", _mm512_fmadd_ps(x, x, acc[c]))
}
WITH("avx512f,avx512bf16") static void peak_bf16_512(void) {
    __m512 acc[CHAINS];
    const __m512bh x = (__m512bh)_mm512_set1_epi16(0x3c00);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = _mm512_setzero_ps();
    REPEAT("+v", _mm512_dpbf16_ps(acc[c], x, x))
}
WITH("avx512f,avx512vnni") static void peak_i8_512(void) {
    __m512i acc[CHAINS];
    const __m512i x = _mm512_set1_epi8(1);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = x;
    REPEAT("+v", _mm512_dpbusd_epi32(acc[c], x, x))
}
WITH("avx2,fma") static void peak_f32_256(void) {
    __m256 acc[CHAINS], x = _mm256_set1_ps(1e-3f);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = x;
    REPEAT("+x", _mm256_fmadd_ps(x, x, acc[c]))
}
WITH("avx2") static void peak_i8_256(void) {
    __m256i acc[CHAINS];
    const __m256i x = _mm256_set1_epi8(1);
    UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = x;
    REPEAT("+x", _mm256_maddubs_epi16(acc[c], x))
}
#endif

/* For machines without a loop of their own: the compiler's vectors of four, without asm. */
typedef float four __attribute__((vector_size(16)));
OPTIMIZED static void peak_f32(void) {
    four acc[CHAINS];
    const float y = (float)(atomic_load_explicit(&g_sink, memory_order_relaxed) & 1) + 0.5f; /* not known to the compiler */
    const four x = {y, y, y, y};
    for (int c = 0; c < CHAINS; c++) acc[c] = (four){(float)c, 0, 0, 0};
    for (int i = 0; i < PEAK_STEPS; i++) {
        UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = acc[c] * x + x;
    }
    float sum = 0;
    for (int c = 0; c < CHAINS; c++) sum += acc[c][0];
    keep(sum > 1e3f);
}

static void peak_piece(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        switch (*(const glim_instr *)ctx) {
#if defined __x86_64__
        case GLIM_INSTR_F32_512: peak_f32_512(); break;
        case GLIM_INSTR_BF16_512: peak_bf16_512(); break;
        case GLIM_INSTR_I8_512: peak_i8_512(); break;
        case GLIM_INSTR_F32_256: peak_f32_256(); break;
        case GLIM_INSTR_I8_256: peak_i8_256(); break;
#endif
        default: peak_f32(); break;
        }
    }
}

double glim_probe_peak(const glim_probe *p, glim_instr i) {
    static const double ops[] = {32, 64, 128, 16, 64, 8}; /* of one instruction */
    if (i >= GLIM_N_INSTR || !glim_instr_here(i)) return 0;
    const size_t pieces = PEAK_PIECES * (size_t)glim_pool_size(p->pool);
    const double t = now_s(p);
    glim_pool_for(p->pool, pieces, 1, peak_piece, &i);
    const double took = now_s(p) - t;
    return took > 0 ? ops[i] * CHAINS * PEAK_STEPS * (double)pieces / took * 1e-9 : 0;
}
