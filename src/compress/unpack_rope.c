/* unpack_rope.c - Llama-3's scaled frequencies, which a GGUF has as divisors, as the four numbers that config.json has.
 *
 * The divisors rise from 1 to the factor; between the two 1 / divisor is a line in 1 / wave length, from low_freq_factor to high_freq_factor
 * turns in the original context. Only ratios of the three last count, and every model of the family has 1 and 4: so what is looked for
 * is the original context, one divisor on the line gives it, and all are then computed from what was found and compared. */
#include <math.h>

#include "compress/unpack_internal.h"
#include "model/rope.h"

/* llama.cpp's converter has the wave lengths in f32: theirs are off by about 1e-6, a divisor by up to factor times that. */
static const double TOLERANCE = 1e-4;

static bool explains(const glim_rope_config *r, const float *f) {
    for (size_t j = 0; j < r->n_rot / 2; j++) {
        const double want = glim_rope_llama3_divisor(r, j);
        if (!(fabs((double)f[j] - want) <= TOLERANCE * want)) return false;
    }
    return true;
}

/* A context that explains all of them and is about `near`, the roundest first. */
static bool try_context(glim_rope_config *r, const float *f, double near) {
    static const double steps[] = {1024, 256, 64, 16, 1};
    for (size_t i = 0; i < GLIM_COUNT(steps); i++) {
        const double n = steps[i] * round(near / steps[i]);
        if (!(n >= 1 && n <= 1e9)) continue;
        r->original_ctx = (size_t)n;
        if (explains(r, f)) return true;
    }
    return false;
}

glim_status glim_unpack_rope(glim_rope_config *rope, const glim_tensor *t, glim_err *err) {
    glim_rope_config r = *rope;
    const size_t n = r.n_rot / 2;
    const float *f = t->data;
    if (t->type != GLIM_F32 || t->n_bytes != n * sizeof *f || n == 0)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "tensor \"%s\": want %zu values of f32", t->name, n);
    if (r.scaling != GLIM_ROPE_NONE) return glim_fail(err, GLIM_E_UNSUPPORTED, "tensor \"%s\" scales frequencies that \"rope.scaling.type\" scales too, config.json has one of them", t->name);
    bool found = true;
    for (size_t j = 0; j < n; j++) found = found && f[j] == 1;
    if (found) return GLIM_OK; /* nothing is scaled */
    r.scaling = GLIM_ROPE_LLAMA3, r.factor = (double)f[n - 1], r.low_freq_factor = 1, r.high_freq_factor = 4;
    found = r.factor > 1 && try_context(&r, f, 8192);
    for (size_t j = 0; r.factor > 1 && !found && j < n; j++) {
        const double turned = (1 / (double)f[j] - 1 / r.factor) / (1 - 1 / r.factor); /* 0 to 1 on the line */
        if (!(turned > TOLERANCE && turned < 1 - TOLERANCE)) continue;
        found = try_context(&r, f, (r.low_freq_factor + turned * (r.high_freq_factor - r.low_freq_factor)) * 2 * acos(-1) * pow(r.theta, 2 * (double)j / (double)r.n_rot));
    }
    if (!found) return glim_fail(err, GLIM_E_UNSUPPORTED, "tensor \"%s\" is not Llama-3's scaling with low_freq_factor 1 and high_freq_factor 4: config.json cannot say it", t->name);
    *rope = r;
    return GLIM_OK;
}
