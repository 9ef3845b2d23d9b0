/* unpack_rope.c - Llama-3's scaled frequencies, which a GGUF has as divisors, as the four numbers that config.json has.
 *
 * The divisors rise from 1 to the factor; between the two 1 / divisor is a line in 1 / wave length, from low_freq_factor to high_freq_factor
 * turns in the original context. Only ratios of the three last count, and every model of the family has 1 and 4: so what is looked for
 * is the original context, one divisor on the line gives it, and all are then computed from what was found and compared. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
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

static bool find(glim_rope_config *r, const float *f) {
    const double factor = (double)f[r->n_rot / 2 - 1];
    r->scaling = GLIM_ROPE_LLAMA3, r->factor = factor, r->low_freq_factor = 1, r->high_freq_factor = 4;
    if (!(factor > 1)) return false;
    bool found = try_context(r, f, 8192); /* of all that Meta has made */
    for (size_t j = 0; !found && j < r->n_rot / 2; j++) {
        const double turned = (1 / (double)f[j] - 1 / factor) / (1 - 1 / factor); /* 0 to 1 on the line */
        if (!(turned > TOLERANCE && turned < 1 - TOLERANCE)) continue;
        found = try_context(r, f, (r->low_freq_factor + turned * (r->high_freq_factor - r->low_freq_factor)) * 2 * acos(-1) * pow(r->theta, 2 * (double)j / (double)r->n_rot));
    }
    return found;
}

glim_status glim_unpack_rope(glim_rope_config *rope, const glim_tensor *t, glim_err *err) {
    glim_rope_config r = *rope;
    const size_t n = r.n_rot / 2;
    void *mem;
    if (t->n_dims != 1 || t->dims[0] != n || n == 0) return glim_fail(err, GLIM_E_UNSUPPORTED, "tensor \"%s\": want %zu values", t->name, n);
    if (r.scaling != GLIM_ROPE_NONE) return glim_fail(err, GLIM_E_UNSUPPORTED, "tensor \"%s\" scales frequencies that \"rope.scaling.type\" scales too, config.json has one of them", t->name);
    glim_status rc = glim_try_calloc(&mem, n, sizeof(float), "divisors of frequencies", err);
    if (rc != GLIM_OK) return rc;
    float *f = mem;
    bool ones = true;
    glim_dequant(t->type, t->data, f, n);
    for (size_t j = 0; j < n; j++) ones = ones && f[j] == 1;
    if (!ones && find(&r, f)) *rope = r;
    else if (!ones) rc = glim_fail(err, GLIM_E_UNSUPPORTED, "tensor \"%s\" is not Llama-3's scaling with low_freq_factor 1 and high_freq_factor 4: config.json cannot say it", t->name);
    free(f);
    return rc;
}
