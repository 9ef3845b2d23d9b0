/* agree.c - see agree.h. */
#include "cli/agree.h"

#include <math.h>

void glim_agree_ids(int32_t ids[GLIM_AGREE_TOKENS], size_t n_vocab) {
    uint64_t x = 12345;
    for (int i = 0; i < GLIM_AGREE_TOKENS; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        ids[i] = (int32_t)((x >> 33) % n_vocab);
    }
}

glim_agree glim_agree_logits(const float *got, const float *plain, size_t n, glim_dtype weight_type) {
    glim_agree a = {0};
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)plain[i]);
        finite = finite && isfinite(d);
        if (d > a.worst) a.worst = d;
        if (fabs((double)plain[i]) > a.spread) a.spread = fabs((double)plain[i]);
    }
    a.ok = finite && a.worst <= (weight_type == GLIM_F32 ? 1e-3 : 0.05) * a.spread;
    return a;
}
