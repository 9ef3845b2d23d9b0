/* quant_table.c - the divergence of files from one source, whoever made them.
 *
 *   quant_table SOURCE TEXT TOKENS FILE... [--skip N]
 *   quant_table --moments MODEL TEXT OUT
 *
 * One CSV row for each file: bytes of weights, bits per weight, perplexity, KL divergence in nats (mean, its
 * error, median, 99 %, max), top-1 agreement, and the mean difference of its divergence from the first file's at
 * the same positions with the error of that mean: what two files differ by shows there long before it shows in
 * their means. Last, the mean logarithm of the ratio of the two, which no few bad positions decide, and its error. Windows of 512, BOS and scored half are glim_quality_compare's; all models are open at once, so the
 * source runs once. --skip leaves the first N tokens out. bench/quant_table.py makes the files and runs this.
 * --moments writes what `glim quantize --calibrate TEXT` weighs each matrix by: a line "NAME N" and N floats. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "compress/importance.h"
#include "engine/engine.h"
#include "format/ckpt.h"

enum { CTX = 512, FIRST = CTX / 2, PER = CTX - 1 - FIRST };

typedef struct file {
    const char *path;
    glim_engine *e;
    glim_session s;
    size_t bytes, values, n, n_same;
    double *kl, nll; /* [positions] */
} file;

typedef struct table {
    float *kept;   /* [PER, n_vocab] the source's logits */
    size_t n_vocab;
    const int32_t *ids; /* the window */
    file *f;            /* whose turn it is; NULL: the source's */
    double nll_source;
} table;

static double log_sum(const float *z, size_t n, size_t *best) {
    size_t b = 0;
    for (size_t i = 1; i < n; i++)
        if (z[i] > z[b]) b = i;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((double)z[i] - (double)z[b]);
    *best = b;
    return (double)z[b] + log(sum);
}

static bool row(void *ctx, size_t pos, const float *logits) {
    table *t = ctx;
    if (pos + 1 >= CTX) return true;
    float *kept = t->kept + (pos - FIRST) * t->n_vocab;
    size_t next = (size_t)t->ids[pos + 1], best_p, best_q;
    if (!t->f) {
        memcpy(kept, logits, t->n_vocab * sizeof *kept);
        t->nll_source += log_sum(kept, t->n_vocab, &best_p) - (double)kept[next];
        return true;
    }
    double lp = log_sum(kept, t->n_vocab, &best_p), lq = log_sum(logits, t->n_vocab, &best_q), kl = 0;
    for (size_t i = 0; i < t->n_vocab; i++) {
        double p = (double)kept[i] - lp;
        kl += exp(p) * (p - ((double)logits[i] - lq));
    }
    t->f->kl[t->f->n++] = kl;
    t->f->n_same += best_p == best_q;
    t->f->nll += lq - (double)logits[next];
    return true;
}

static void die(const glim_err *err) {
    fprintf(stderr, "quant_table: %s\n", err->msg);
    exit(1);
}

static void open_file(file *f) {
    glim_err err = {0};
    glim_engine_params p = {.model = {.n_ctx = CTX, .n_logits = 32, .kv_type = 1 + GLIM_F32}};
    if (glim_engine_open(&f->e, f->path, &p, &err) != GLIM_OK || glim_session_open(&f->s, f->e, &err) != GLIM_OK) die(&err);
    const glim_ckpt *c = f->e->model->ckpt;
    for (size_t k = 0; k < glim_ckpt_n_tensors(c); k++) {
        const glim_tensor *t = glim_ckpt_tensor(c, k);
        size_t n = 1;
        for (int d = 0; d < t->n_dims; d++) n *= t->dims[d];
        f->values += n;
        f->bytes += t->n_bytes;
    }
}

static double mean_of(const double *a, const double *b, size_t n, double *error) {
    double sum = 0, sum2 = 0;
    for (size_t i = 0; i < n; i++) {
        double v = a[i] - (b ? b[i] : 0);
        sum += v;
        sum2 += v * v;
    }
    double mean = sum / (double)n, var = sum2 / (double)n - mean * mean;
    *error = n > 1 && var > 0 ? sqrt(var / (double)(n - 1)) : 0;
    return mean;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Below a millionth of a nat it is rounding. */
static double mean_log_ratio(const double *a, const double *b, size_t n, double *error) {
    double *r = glim_xcalloc(n, sizeof *r);
    for (size_t i = 0; i < n; i++) r[i] = log((fmax(a[i], 0) + 1e-6) / (fmax(b[i], 0) + 1e-6));
    double mean = mean_of(r, NULL, n, error);
    free(r);
    return mean;
}

static void print(const file *f, const file *first, double ppl_source) {
    double error, diff_error, ratio_error, mean = mean_of(f->kl, NULL, f->n, &error);
    double diff = mean_of(f->kl, first->kl, f->n, &diff_error), *kl = glim_xcalloc(f->n, sizeof *kl);
    double ratio = mean_log_ratio(f->kl, first->kl, f->n, &ratio_error);
    memcpy(kl, f->kl, f->n * sizeof *kl);
    qsort(kl, f->n, sizeof *kl, by_value);
    printf("%s,%zu,%.3f,%.4f,%.4f,%.6f,%.6f,%.6f,%.6f,%.6f,%.4f,%.6f,%.6f,%.5f,%.5f\n", f->path, f->bytes,
           8.0 * (double)f->bytes / (double)f->values, ppl_source, exp(f->nll / (double)f->n), mean, error, kl[f->n / 2],
           kl[(size_t)((double)(f->n - 1) * 0.99)], kl[f->n - 1], (double)f->n_same / (double)f->n, diff, diff_error, ratio,
           ratio_error);
    free(kl);
}

static int write_moments(const char *model, const char *text, const char *out) {
    glim_err err = {0};
    glim_importance *im;
    glim_ckpt *c;
    if (glim_importance_gather(&im, model, text, &(glim_calibrate_params){0}, &err) != GLIM_OK) die(&err);
    if (glim_ckpt_open(&c, model, &err) != GLIM_OK) die(&err);
    FILE *f = fopen(out, "wb");
    if (!f) {
        perror(out);
        return 1;
    }
    for (size_t k = 0; k < glim_ckpt_n_tensors(c); k++) {
        const glim_tensor *t = glim_ckpt_tensor(c, k);
        const size_t n = t->dims[t->n_dims - 1];
        const float *w = t->n_dims == 2 ? glim_importance_find(im, t->name, 0, n) : NULL;
        if (!w) continue;
        fprintf(f, "%s %zu\n", t->name, n);
        fwrite(w, sizeof *w, n, f);
    }
    glim_ckpt_close(c);
    glim_importance_free(im);
    return fclose(f) == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "--moments") == 0) return write_moments(argv[2], argv[3], argv[4]);
    size_t skip = 0;
    if (argc > 6 && strcmp(argv[argc - 2], "--skip") == 0) {
        skip = strtoul(argv[argc - 1], NULL, 10);
        argc -= 2;
    }
    if (argc < 5) {
        fprintf(stderr, "quant_table SOURCE TEXT TOKENS FILE... [--skip N]\nquant_table --moments MODEL TEXT OUT\n");
        return 2;
    }
    size_t n_files = (size_t)argc - 4, tokens = strtoul(argv[3], NULL, 10);
    file source = {.path = argv[1]}, *files = glim_xcalloc(n_files, sizeof *files);
    glim_err err = {0};
    glim_ids ids = {0};
    open_file(&source);
    const glim_tok *tok = source.e->tok;
    int32_t bos = glim_tok_add_bos(tok) ? glim_tok_bos(tok) : -1;
    if (glim_engine_text_ids(source.e, argv[2], &ids, &err) != GLIM_OK) die(&err);
    size_t left = ids.n > skip ? ids.n - skip : 0, n_windows = (tokens && tokens < left ? tokens : left) / CTX;
    table t = {.n_vocab = source.e->model->cfg.n_vocab};
    if (n_windows == 0) {
        fprintf(stderr, "quant_table: \"%s\" has %zu tokens behind the %zu left out, want at least %d\n", argv[2], left, skip, CTX);
        return 1;
    }
    t.kept = glim_xcalloc((size_t)PER * t.n_vocab, sizeof *t.kept);
    for (size_t i = 0; i < n_files; i++) {
        files[i].path = argv[4 + i];
        files[i].kl = glim_xcalloc(n_windows * PER, sizeof *files[i].kl);
        open_file(&files[i]);
        if (files[i].e->model->cfg.n_vocab == t.n_vocab) continue;
        fprintf(stderr, "quant_table: \"%s\" has another vocabulary\n", files[i].path);
        return 1;
    }
    for (size_t w = 0; w < n_windows; w++) {
        int32_t *at = ids.v + skip + w * CTX;
        if (bos >= 0) at[0] = bos;
        t.ids = at;
        t.f = NULL;
        if (glim_session_score(&source.s, at, CTX, FIRST, row, &t, &err) != GLIM_OK) die(&err);
        for (size_t i = 0; i < n_files; i++) {
            t.f = &files[i];
            if (glim_session_score(&files[i].s, at, CTX, FIRST, row, &t, &err) != GLIM_OK) die(&err);
        }
    }
    printf("file,bytes,bits,ppl_source,ppl,kl_mean,kl_error,kl_median,kl_99,kl_max,top1,kl_less_first,its_error,log_ratio,its_error\n");
    for (size_t i = 0; i < n_files; i++) print(&files[i], &files[0], exp(t.nll_source / (double)files[i].n));
    for (size_t i = 0; i < n_files; i++) {
        glim_session_close(&files[i].s);
        glim_engine_free(files[i].e);
        free(files[i].kl);
    }
    glim_session_close(&source.s);
    glim_engine_free(source.e);
    glim_ids_free(&ids);
    free(files);
    free(t.kept);
    return 0;
}
