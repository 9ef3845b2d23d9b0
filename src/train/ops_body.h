/* ops_body.h - what training computes row by row, forward and backward, for any real type.
 *
 * ops.c compiles it with REAL float; tests compile it again with REAL double and hold every derivative against
 * finite differences. F(name) spells a function's name for the type, EXP is its exponential. Sums run in
 * double for both. LINK is what stands before a definition. Backward functions say whether they assign (=) or accumulate (+=). */

/* y = w x r, r = 1 / sqrt(mean(x^2) + eps); *inv = r. y may be x. arXiv:1910.07467 */
LINK REAL F(norm)(REAL *y, const REAL *x, const REAL *w, size_t n, double eps) {
    double ss = 0;
    for (size_t i = 0; i < n; i++) ss += (double)x[i] * (double)x[i];
    const REAL r = (REAL)(1 / sqrt(ss / (double)n + eps));
    for (size_t i = 0; i < n; i++) y[i] = w[i] * (x[i] * r);
    return r;
}

/* dx (+)= of norm, with r what norm returned: r (w dy) - x r^3 / n sum(w dy x). dx may be dy. */
LINK void F(norm_back)(REAL *dx, const REAL *dy, const REAL *x, const REAL *w, REAL r, size_t n, bool add) {
    double dot = 0;
    for (size_t i = 0; i < n; i++) dot += (double)(w[i] * dy[i]) * (double)x[i];
    const REAL c = (REAL)(dot * (double)r * (double)r * (double)r / (double)n);
    for (size_t i = 0; i < n; i++) {
        const REAL v = r * (w[i] * dy[i]) - c * x[i];
        dx[i] = add ? dx[i] + v : v;
    }
}

/* The transposed rotation, in place: what rope's input gets from its output's gradient. cos, sin carry YaRN's factor. */
LINK void F(rope_back)(REAL *x, size_t n_head, const REAL *cosine, const REAL *sine, glim_rope_spec s) {
    const size_t half = s.n_rot / 2, step = s.interleaved ? 2 : 1, apart = s.interleaved ? 1 : half;
    for (size_t h = 0; h < n_head; h++, x += s.head_dim)
        for (size_t j = 0; j < half; j++) {
            REAL *a = x + step * j, *b = a + apart;
            const REAL va = *a, vb = *b;
            *a = va * cosine[j] + vb * sine[j];
            *b = vb * cosine[j] - va * sine[j];
        }
}

/* mid = silu(gate) up: dgate and dup assigned; e[i] = exp(-gate[i]). dgate may be dmid. */
LINK void F(silu_back)(REAL *dgate, REAL *dup, const REAL *dmid, const REAL *gate, const REAL *up, const REAL *e, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const REAL s = 1 / (1 + e[i]), d = dmid[i]; /* sigmoid */
        dup[i] = d * gate[i] * s;
        dgate[i] = d * up[i] * s * (1 + gate[i] * (1 - s));
    }
}

/* Cross entropy of one row: returns -log softmax(z)[target]; z becomes scale (softmax(z) - [target]).
 * SET: an argument with the set that does the exponentials (EXPS), thousands of them a row; or nothing. */
LINK double F(cross_entropy)(SET REAL *z, size_t n, size_t target, double scale) {
    REAL top = z[0];
    for (size_t i = 1; i < n; i++)
        if (z[i] > top) top = z[i];
    const double at = (double)z[target] - (double)top;
    EXPS(z, z, top, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)z[i];
    const REAL c = (REAL)(scale / sum);
    for (size_t i = 0; i < n; i++) z[i] *= c;
    z[target] -= (REAL)scale;
    return log(sum) - at;
}

/* Forward KL of a teacher p = softmax(t / T) from the student q = softmax(z / T), times T^2 as is usual:
 * returns sum p (log p - log q) T^2; z becomes scale T (q - p). t is overwritten with p. */
LINK double F(distil)(REAL *z, REAL *t, size_t n, double temperature, double scale) {
    const REAL inv = (REAL)(1 / temperature);
    REAL *rows[2] = {z, t};
    double lse[2], kl = 0;
    for (int k = 0; k < 2; k++) {
        REAL *x = rows[k], top = x[0];
        for (size_t i = 1; i < n; i++)
            if (x[i] > top) top = x[i];
        double sum = 0;
        for (size_t i = 0; i < n; i++) x[i] = (x[i] - top) * inv;
        for (size_t i = 0; i < n; i++) sum += exp((double)x[i]);
        lse[k] = log(sum);
    }
    for (size_t i = 0; i < n; i++) {
        const double lq = (double)z[i] - lse[0], lp = (double)t[i] - lse[1], p = exp(lp), q = exp(lq);
        kl += p * (lp - lq);
        z[i] = (REAL)(scale * temperature * (q - p));
        t[i] = (REAL)p;
    }
    return kl * temperature * temperature;
}

/* The router's weights of the chosen experts, from scores z [n]; prob [n] is kept for backward. chosen [k]
 * ascending. model/moe.c is the rule. */
LINK void F(route)(REAL *weight, REAL *prob, const REAL *z, const uint32_t *chosen, size_t n, size_t k, bool softmax, bool norm_topk,
              double scale) {
    if (softmax) {
        REAL top = z[0];
        double sum = 0;
        for (size_t i = 1; i < n; i++)
            if (z[i] > top) top = z[i];
        for (size_t i = 0; i < n; i++) sum += (double)(prob[i] = EXP(z[i] - top));
        for (size_t i = 0; i < n; i++) prob[i] = (REAL)((double)prob[i] / sum);
    } else {
        for (size_t i = 0; i < n; i++) prob[i] = 1 / (1 + EXP(-z[i]));
    }
    if (!weight) return;
    REAL sum = (REAL)1e-20;
    for (size_t j = 0; j < k; j++) sum += prob[chosen[j]];
    for (size_t j = 0; j < k; j++) weight[j] = prob[chosen[j]] / (norm_topk ? sum : 1) * (REAL)scale;
}

/* dz [n] assigned, from dweight [k]. The choice itself has no derivative. */
LINK void F(route_back)(REAL *dz, const REAL *dweight, const REAL *prob, const uint32_t *chosen, size_t n, size_t k, bool softmax,
                   bool norm_topk, double scale) {
    double sum = 1e-20, dot = 0, all = 0;
    for (size_t j = 0; j < k; j++) sum += (double)prob[chosen[j]];
    if (!norm_topk) sum = 1;
    for (size_t j = 0; norm_topk && j < k; j++) dot += (double)dweight[j] * (double)prob[chosen[j]] / sum;
    for (size_t i = 0; i < n; i++) dz[i] = 0;
    for (size_t j = 0; j < k; j++) dz[chosen[j]] = (REAL)(scale * ((double)dweight[j] - dot) / sum); /* d of prob */
    if (softmax) {
        for (size_t i = 0; i < n; i++) all += (double)dz[i] * (double)prob[i];
        for (size_t i = 0; i < n; i++) dz[i] = prob[i] * (dz[i] - (REAL)all);
    } else {
        for (size_t i = 0; i < n; i++) dz[i] *= prob[i] * (1 - prob[i]);
    }
}

#ifdef OPS_DEFINITIONS
/* Causal attention of one head over one sequence, the definition: q, k, v, o [n, hd] with row strides; lse [n].
 * Training runs attn.c, in tiles; tests hold it to this. */
LINK void F(attend)(REAL *o, size_t o_row, REAL *lse, const REAL *q, size_t q_row, const REAL *k, const REAL *v, size_t kv_row, size_t n,
               size_t hd, double scale, REAL *p) {
    for (size_t i = 0; i < n; i++) {
        double top = -1e300, sum = 0;
        for (size_t j = 0; j <= i; j++) {
            double s = 0;
            for (size_t d = 0; d < hd; d++) s += (double)q[i * q_row + d] * (double)k[j * kv_row + d];
            p[j] = (REAL)(s * scale);
            if ((double)p[j] > top) top = (double)p[j];
        }
        for (size_t j = 0; j <= i; j++) sum += exp((double)p[j] - top);
        lse[i] = (REAL)(top + log(sum));
        for (size_t d = 0; d < hd; d++) {
            double acc = 0;
            for (size_t j = 0; j <= i; j++) acc += exp((double)p[j] - top) / sum * (double)v[j * kv_row + d];
            o[i * o_row + d] = (REAL)acc;
        }
    }
}

/* dq, dk, dv += */
LINK void F(attend_back)(REAL *dq, REAL *dk, REAL *dv, const REAL *d_o, const REAL *o, size_t o_row, const REAL *lse, const REAL *q,
                    size_t q_row, const REAL *k, const REAL *v, size_t kv_row, size_t n, size_t hd, double scale) {
    for (size_t i = 0; i < n; i++) {
        double total = 0;
        for (size_t d = 0; d < hd; d++) total += (double)d_o[i * o_row + d] * (double)o[i * o_row + d];
        for (size_t j = 0; j <= i; j++) {
            double s = 0, dp = 0;
            for (size_t d = 0; d < hd; d++) {
                s += (double)q[i * q_row + d] * (double)k[j * kv_row + d];
                dp += (double)d_o[i * o_row + d] * (double)v[j * kv_row + d];
            }
            const double p = exp(s * scale - (double)lse[i]), ds = p * (dp - total) * scale;
            for (size_t d = 0; d < hd; d++) {
                dv[j * kv_row + d] += (REAL)(p * (double)d_o[i * o_row + d]);
                dq[i * q_row + d] += (REAL)(ds * (double)k[j * kv_row + d]);
                dk[j * kv_row + d] += (REAL)(ds * (double)q[i * q_row + d]);
            }
        }
    }
}
#endif
