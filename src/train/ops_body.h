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

/* (1 - w) cross entropy + w T^2 KL(p || q), q = softmax(z / T): returns it; z becomes scale times its gradient,
 * (1 - w) (softmax(z) - [target]) + w T (q - p).
 * p [k]: the teacher's probabilities of tokens ids[k], which ascend; ids NULL: of tokens 0 .. k - 1, and 0 beyond. With
 * ids, what p leaves of 1 is one event with all other tokens: they get q (1 - sum p) / (their q) in place of p. */
LINK double F(distil)(REAL *z, size_t n, size_t target, const uint32_t *ids, const REAL *p, size_t k, double temperature, double weight,
                 double scale) {
    REAL top = z[0];
    double sum = 0, sum_t = 0, others = 0, left = 1, kl = 0;
    for (size_t i = 1; i < n; i++)
        if (z[i] > top) top = z[i];
    for (size_t i = 0, at = 0; i < n; i++) {
        const double x = (double)z[i] - (double)top, e = exp(x / temperature);
        sum += exp(x);
        sum_t += e;
        if (ids && at < k && ids[at] == i) at++;
        else if (ids) others += e;
    }
    const double lse = log(sum) + (double)top, lse_t = log(sum_t) + (double)top / temperature, ce = lse - (double)z[target];
    for (size_t j = 0; j < k; j++) {
        if (!(p[j] > 0)) continue;
        kl += (double)p[j] * (log((double)p[j]) - ((double)z[ids ? ids[j] : j] / temperature - lse_t));
        left -= (double)p[j];
    }
    double share = 0; /* of the others' q, times which it is their p */
    if (ids && left > 0 && others > 0) {
        share = left / (others / sum_t);
        kl += left * log(share);
    }
    for (size_t i = 0, at = 0; i < n; i++) {
        const double q = exp((double)z[i] / temperature - lse_t), hard = exp((double)z[i] - lse) - (i == target);
        double soft = q - q * share;
        if (ids ? at < k && ids[at] == i : i < k) soft = q - (double)p[ids ? at++ : i];
        z[i] = (REAL)(scale * ((1 - weight) * hard + weight * temperature * soft));
    }
    return (1 - weight) * ce + weight * temperature * temperature * kl;
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

/* One row's part of a load-balancing loss: returns sum of f prob / sum of prob, and dz [n] += g times its derivative. f [n]
 * (how often each expert was chosen) counts as a constant. */
LINK double F(balance)(REAL *dz, const REAL *prob, const REAL *f, size_t n, bool softmax, double g) {
    double sum = 0, dot = 0;
    for (size_t i = 0; i < n; i++) sum += (double)prob[i], dot += (double)f[i] * (double)prob[i];
    dot /= sum;
    for (size_t i = 0; i < n; i++)
        dz[i] += (REAL)(g / sum * ((double)f[i] - dot) * (double)prob[i] * (softmax ? 1 : 1 - (double)prob[i]));
    return dot;
}

#ifdef OPS_DEFINITIONS
/* mid = silu(gate) up: dgate and dup assigned; e[i] = exp(-gate[i]). dgate may be dmid.
 * Training runs a set's silu_back (tensor/gemm.h), which is held to the same formula bit for bit. */
LINK void F(silu_back)(REAL *dgate, REAL *dup, const REAL *dmid, const REAL *gate, const REAL *up, const REAL *e, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const REAL s = 1 / (1 + e[i]), d = dmid[i]; /* sigmoid */
        dup[i] = d * gate[i] * s;
        dgate[i] = d * up[i] * s * (1 + gate[i] * (1 - s));
    }
}

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
