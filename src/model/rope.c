/* rope.c - rotary position embedding (arXiv:2104.09864) and its scalings: linear, dynamic NTK, YaRN
 * (arXiv:2309.00071), Llama-3. */
#include "model/rope.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* The dimension whose frequency turns n times over the original context. */
static double yarn_dim(double n, double d, double theta, double original) {
    return d * log(original / (n * 2 * PI)) / (2 * log(theta));
}

static double clamp01(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

void glim_rope_frequencies(const glim_rope_config *r, size_t n_ctx, float *inv_freq, float *mscale) {
    double d = (double)r->n_rot, theta = r->theta;
    size_t half = r->n_rot / 2;
    *mscale = 1;
    if (r->scaling == GLIM_ROPE_DYNAMIC && n_ctx > r->original_ctx && r->n_rot > 2) {
        double grown = r->factor * (double)n_ctx / (double)r->original_ctx - (r->factor - 1);
        theta *= pow(grown, d / (d - 2));
    }
    double low = 0, high = 1;
    if (r->scaling == GLIM_ROPE_YARN) {
        low = fmax(floor(yarn_dim(r->beta_fast, d, theta, (double)r->original_ctx)), 0);
        high = fmin(ceil(yarn_dim(r->beta_slow, d, theta, (double)r->original_ctx)), d - 1);
        if (high == low) high += 0.001; /* the reference's guard against dividing by zero */
        *mscale = (float)(r->attention_factor > 0 ? r->attention_factor : 0.1 * log(r->factor) + 1);
    }
    for (size_t j = 0; j < half; j++) {
        double f = pow(theta, -2.0 * (double)j / d);
        switch (r->scaling) {
        case GLIM_ROPE_LINEAR: f /= r->factor; break;
        case GLIM_ROPE_YARN: {
            double ramp = clamp01(((double)j - low) / (high - low));
            f = f / r->factor * ramp + f * (1 - ramp);
            break;
        }
        case GLIM_ROPE_LLAMA3: {
            double wave = 2 * PI / f, orig = (double)r->original_ctx;
            if (wave > orig / r->low_freq_factor) f /= r->factor;
            else if (wave >= orig / r->high_freq_factor) {
                double t = (orig / wave - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
                f = (1 - t) * f / r->factor + t * f;
            }
            break;
        }
        default: break;
        }
        inv_freq[j] = (float)f;
    }
}

double glim_rope_llama3_divisor(const glim_rope_config *r, size_t j) {
    const double original = (double)r->original_ctx, wave = 2 * PI * pow(r->theta, 2 * (double)j / (double)r->n_rot);
    if (wave > original / r->low_freq_factor) return r->factor;
    if (wave < original / r->high_freq_factor) return 1;
    const double t = (original / wave - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
    return 1 / ((1 - t) / r->factor + t);
}

void glim_rope_at(const float *inv_freq, size_t n_rot, float mscale, size_t pos, float *cos_out,
                  float *sin_out) {
    for (size_t j = 0; j < n_rot / 2; j++) {
        float angle = (float)pos * inv_freq[j];
        cos_out[j] = cosf(angle) * mscale;
        sin_out[j] = sinf(angle) * mscale;
    }
}
