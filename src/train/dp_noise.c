/* dp_noise.c - see dp_noise.h. */
#include "train/dp_noise.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

#include "base/alloc.h"

enum { PURPOSE_SAMPLE = 1, PURPOSE_NOISE = 2, CHUNK = 512 /* values at a time, 8 bytes each, on the stack */ };

struct glim_dp_rng {
    uint8_t key[GLIM_DP_KEY_BYTES];
};

glim_status glim_dp_rng_from_key(glim_dp_rng **out, const uint8_t key[GLIM_DP_KEY_BYTES], glim_err *err) {
    *out = NULL;
    if (sodium_init() < 0) return glim_fail(err, GLIM_E_STATE, "libsodium could not be started");
    glim_dp_rng *r = sodium_malloc(sizeof *r); /* guard pages, mlock, out of core dumps */
    if (!r) return glim_fail(err, GLIM_E_NOMEM, "could not allocate locked memory for a key");
    memcpy(r->key, key, sizeof r->key);
    *out = r;
    return GLIM_OK;
}

glim_status glim_dp_rng_new(glim_dp_rng **out, glim_err *err) {
    uint8_t key[GLIM_DP_KEY_BYTES];
    *out = NULL;
    if (sodium_init() < 0) return glim_fail(err, GLIM_E_STATE, "libsodium could not be started");
    randombytes_buf(key, sizeof key); /* getrandom */
    glim_status rc = glim_dp_rng_from_key(out, key, err);
    sodium_memzero(key, sizeof key);
    return rc;
}

void glim_dp_rng_free(glim_dp_rng *r) { sodium_free(r); /* wipes */ }
const uint8_t *glim_dp_rng_key(const glim_dp_rng *r) { return r->key; }

/* 64-bit words number first.. of the stream (purpose, step). first is a multiple of 8: a block has 64 bytes. */
static void words(const glim_dp_rng *r, unsigned purpose, uint64_t step, uint64_t first, size_t n, uint64_t *out) {
    uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    uint64_t v = (uint64_t)purpose << 56 | (step & 0xffffffffffffffu);
    for (size_t i = 0; i < sizeof nonce; i++) nonce[i] = (uint8_t)(v >> (8 * i));
    memset(out, 0, n * sizeof *out);
    crypto_stream_chacha20_xor_ic((uint8_t *)out, (const uint8_t *)out, n * sizeof *out, nonce, first / 8, r->key);
}

size_t glim_dp_sample(const glim_dp_rng *r, uint64_t step, size_t n, double q, size_t *picked) {
    size_t k = 0;
    if (!(q > 0)) return 0;
    bool all = q >= 1;
    uint64_t below = all ? 0 : (uint64_t)(q * 0x1p64), w[CHUNK];
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        words(r, PURPOSE_SAMPLE, step, at, m, w);
        for (size_t i = 0; i < m; i++)
            if (all || w[i] < below) picked[k++] = at + i;
    }
    sodium_memzero(w, sizeof w);
    return k;
}

/* Box and Muller from two words: values number 2k and 2k + 1. */
static void pair(uint64_t u, uint64_t v, double out[2]) {
    double radius = sqrt(-2 * log(((double)u + 1) * 0x1p-64)); /* (0, 1]: log is finite */
    double angle = (double)v * (2 * M_PI * 0x1p-64);
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

void glim_dp_normals(const glim_dp_rng *r, uint64_t step, uint64_t first, size_t n, double *out) {
    uint64_t w[CHUNK];
    for (uint64_t at = first, end = first + n; at < end;) {
        uint64_t block = at & ~(uint64_t)7; /* where a block of the stream begins */
        size_t m = end - block < CHUNK ? (size_t)(end - block) : CHUNK, even = (m + 1) & ~(size_t)1;
        words(r, PURPOSE_NOISE, step, block, even, w);
        for (size_t i = 0; i < even; i += 2) {
            double z[2];
            pair(w[i], w[i + 1], z);
            for (size_t k = 0; k < 2; k++)
                if (block + i + k >= at && block + i + k < end) out[block + i + k - first] = z[k];
        }
        at = block + m;
    }
    sodium_memzero(w, sizeof w);
}

glim_status glim_dp_lattice_make(glim_dp_lattice *out, double clip, double sigma, size_t n_total, glim_err *err) {
    if (!(clip > 0 && isfinite(clip))) return glim_fail(err, GLIM_E_ARG, "clip norm: got %g, want more than 0", clip);
    if (!(sigma >= 0 && isfinite(sigma))) return glim_fail(err, GLIM_E_ARG, "noise multiplier: got %g, want 0 or more", sigma);
    if (n_total == 0) return glim_fail(err, GLIM_E_ARG, "nothing to add noise to");
    int e;
    /* The largest power of two not above clip 2^-11 / sqrt(n), and never coarser than a 2^-16th of the noise. */
    double want = clip * 0x1p-11 / sqrt((double)n_total), by_noise = sigma * clip * 0x1p-16;
    if (sigma > 0 && by_noise < want) want = by_noise;
    frexp(want, &e);
    out->g = ldexp(1, e - 1);
    out->sd = sigma * clip * (1 + 0x1p-10) / out->g;
    return GLIM_OK;
}

/* Whole numbers below 2^53 are exact, sums of two of them as well. */
static glim_status check_value(const glim_dp_lattice *l, uint64_t at, double v, glim_err *err) {
    if (fabs(v) < 0x1p51 * l->g) return GLIM_OK;
    return glim_fail(err, GLIM_E_ARG, "value %llu of the sum is %g: it was not clipped", (unsigned long long)at, v);
}

/* One of f64 and f32 is the sum. */
static glim_status noise(const glim_dp_rng *r, uint64_t step, const glim_dp_lattice *l, uint64_t first, size_t n, const double *f64,
                         const float *f32, float *out, double scale, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) rc = check_value(l, first + i, f64 ? f64[i] : (double)f32[i], err);
    double z[CHUNK];
    for (size_t at = 0; at < n && rc == GLIM_OK; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        glim_dp_normals(r, step, first + at, m, z);
        for (size_t i = 0; i < m; i++) {
            double whole = rint((f64 ? f64[at + i] : (double)f32[at + i]) / l->g) + rint(z[i] * l->sd);
            out[at + i] = (float)(whole * l->g * scale);
        }
    }
    sodium_memzero(z, sizeof z);
    return rc;
}

glim_status glim_dp_noise_f32(const glim_dp_rng *r, uint64_t step, const glim_dp_lattice *l, uint64_t first, size_t n, float *sum,
                              double scale, glim_err *err) {
    return noise(r, step, l, first, n, NULL, sum, sum, scale, err);
}

glim_status glim_dp_noise_f64(const glim_dp_rng *r, uint64_t step, const glim_dp_lattice *l, uint64_t first, size_t n, const double *sum,
                              float *out, double scale, glim_err *err) {
    return noise(r, step, l, first, n, sum, NULL, out, scale, err);
}

double glim_dp_clip_factor(double norm, double clip) {
    if (!(norm >= 0)) return 0; /* NaN: such an example adds nothing */
    if (isinf(norm)) return 0;
    return norm <= clip ? 1 : clip / norm;
}
