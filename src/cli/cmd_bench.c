/* cmd_bench.c - how fast a model runs here, each figure beside what this machine could do.
 *
 * Speed alone says little on a machine that others share, so the bandwidth and the instruction peak are
 * probed right before each repetition, over the same threads, and a figure is also given as a share of
 * that floor:
 *
 *   prefill   2 x parameters in use x tokens, over the peak of the instruction that the weights use
 *             (products with weights only: attention's own are work that the floor does not know)
 *   decode    bytes of weights and of keys and values that a token reads, over the read bandwidth
 *   streams   one step of all streams: the larger of the two times. Of n experts with k used,
 *             n (1 - (1 - k/n)^streams) are counted as read, as if tokens chose by lot
 *
 * Tokens are random ids, nothing is sampled: a decoded token is one pass. No speed is printed before the
 * logits of a short prompt's last row agreed with the plain C kernels.
 *
 *   agree()  ->  open  ->  prefill()  ->  decode() at depths  ->  streams()  ->  starts()  ->  memory
 *
 * starts() runs this program again (--start-only), because a start is a process: into an empty folder of
 * packed weights, then with what the first one left there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/agree.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "tensor/probe.h"

extern char **environ;

enum { MOST_REPS = 99, MOST_STREAMS = 64, MOST_LIST = 16, STREAM_CTX = 256, START_TOKENS = 16 };

typedef struct list {
    size_t v[MOST_LIST], n;
} list;

typedef struct stat3 {
    double median, p10, p90;
} stat3;

/* What a pass has to do, from the shapes of the bound matrices. */
typedef struct work {
    double params, head_params, expert_params; /* one row; the head; all routed experts of all layers */
    double bytes, expert_bytes;                /* read once a pass, head included; all routed experts */
    double expert_share;                       /* k / n */
    double kv_bytes;                           /* of one position */
} work;

typedef struct bench {
    const char *path, *csv_path;
    glim_model_flags mf;
    int64_t reps, tokens, n_starts;
    bool quick, json, start_only;
    list prefill, depth, batch;

    glim_model_params params; /* as planned */
    glim_engine *e;
    glim_probe probe;
    glim_instr instr;
    work w;
    glim_kv_seq seq;
    glim_row *rows;
    char cpu[128];
    char plain_key[GLIM_PACKED_KEY]; /* of plain C's logits, which are kept: see plain_row */
    const char *type;
    size_t file_bytes, n_vocab;
    FILE *csv, *table; /* NULL: not wanted */
    json_t *report;
} bench;

/* ---- numbers ---- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static stat3 summary(double *v, size_t n) {
    qsort(v, n, sizeof *v, by_value);
    double q[3];
    static const double at[3] = {0.5, 0.1, 0.9};
    for (int i = 0; i < 3; i++) {
        double x = at[i] * (double)(n - 1);
        size_t lo = (size_t)x, hi = lo + 1 < n ? lo + 1 : lo;
        q[i] = v[lo] + (x - (double)lo) * (v[hi] - v[lo]);
    }
    return (stat3){q[0], q[1], q[2]};
}

static json_t *stat_json(stat3 s) {
    return json_pack("{s:f, s:f, s:f}", "median", s.median, "p10", s.p10, "p90", s.p90);
}

static void note(bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(bench *b, const char *fmt, ...) {
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(json_object_get(b->report, "left_out"), json_string(text));
    if (b->table) fprintf(b->table, "left out  %s\n", text);
}

/* One line of the answer. amount: GB/s or GOP/s that the speed comes to. */
typedef struct figure {
    const char *what; /* prefill, decode, streams, start */
    size_t n_tokens, depth, n_streams;
    size_t n;         /* repetitions in the arrays */
    double speed[MOST_REPS], amount[MOST_REPS], share[MOST_REPS];
    const char *unit, *floor;
} figure;

static void tell(bench *b, figure *f) {
    stat3 speed = summary(f->speed, f->n), amount = summary(f->amount, f->n), share = summary(f->share, f->n);
    char name[64];
    if (strcmp(f->what, "prefill") == 0) snprintf(name, sizeof name, "prefill of %zu", f->n_tokens);
    else if (strcmp(f->what, "decode") == 0 && f->depth) snprintf(name, sizeof name, "decode at %zu", f->depth);
    else if (strcmp(f->what, "decode") == 0) snprintf(name, sizeof name, "decode, empty");
    else snprintf(name, sizeof name, "%zu stream%s", f->n_streams, f->n_streams == 1 ? "" : "s");
    if (b->table) {
        fprintf(b->table, "%-16s %9.2f tokens/s (%.2f - %.2f)  %7.1f %s  %5.1f %% of %s (%.1f - %.1f)\n", name, speed.median,
                speed.p10, speed.p90, amount.median, f->unit, 100 * share.median, f->floor, 100 * share.p10, 100 * share.p90);
        fflush(b->table);
    }
    if (b->csv) {
        fprintf(b->csv, "%s,\"%s\",%s,%d,\"%s\",%s,%s,%s,%zu,%zu,%zu,%zu,%.6g,%.6g,%.6g,%.6g,%s,%s,%.6g,%.6g,%.6g\n", GLIM_VERSION,
                b->cpu, b->e->model->k->name, glim_pool_size(b->e->pool), b->path, b->type,
                glim_dtype_of(b->e->model->plan.kv_type)->name, f->what, f->n_tokens, f->depth, f->n_streams, f->n,
                speed.median, speed.p10, speed.p90, amount.median, f->unit, f->floor, share.median, share.p10, share.p90);
        fflush(b->csv);
    }
    json_array_append_new(
        json_object_get(b->report, "results"),
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:s, s:s, s:o}", "what", f->what, "tokens", (json_int_t)f->n_tokens,
                  "depth", (json_int_t)f->depth, "streams", (json_int_t)f->n_streams, "reps", (json_int_t)f->n,
                  "tokens_per_s", stat_json(speed), "amount", stat_json(amount), "unit", f->unit, "floor", f->floor, "share",
                  stat_json(share)));
}

/* ---- what a pass has to do ---- */

static double mat_bytes(const glim_model *m, const glim_mat *w) {
    return w->panels ? (double)m->k->pack_bytes(w->type, w->n_out, w->n_in) : (double)w->n_out * (double)w->row_bytes;
}

static void count_mat(const glim_model *m, const glim_mat *w, double *params, double *bytes) {
    *params += (double)w->n_out * (double)w->n_in;
    *bytes += mat_bytes(m, w);
}

static void count_ffn(const glim_model *m, const glim_ffn *f, double *params, double *bytes) {
    if (f->n_ff == 0) return;
    count_mat(m, &f->gate, params, bytes);
    count_mat(m, &f->up, params, bytes);
    count_mat(m, &f->down, params, bytes);
}

static work count_work(const glim_engine *e) {
    const glim_model *m = e->model;
    work w = {.kv_bytes = (double)e->kv.page_bytes / GLIM_KV_PAGE};
    for (size_t i = 0; i < m->cfg.n_layer; i++) {
        const glim_layer *l = &m->layers[i];
        const glim_mat *mats[] = {&l->wq, &l->wk, &l->wv, &l->wo, &l->router};
        for (int j = 0; j < (l->moe ? 5 : 4); j++) count_mat(m, mats[j], &w.params, &w.bytes);
        count_ffn(m, &l->ffn, &w.params, &w.bytes);
        for (size_t x = 0; l->moe && x < m->cfg.n_expert; x++)
            count_ffn(m, &l->experts[x], &w.expert_params, &w.expert_bytes);
    }
    if (m->cfg.n_expert) w.expert_share = (double)m->cfg.n_expert_used / (double)m->cfg.n_expert;
    count_mat(m, &m->head, &w.head_params, &w.bytes);
    return w;
}

/* Operations of n rows of which n_logits want logits. */
static double pass_ops(const work *w, double n, double n_logits) {
    return 2 * (n * (w->params + w->expert_share * w->expert_params) + n_logits * w->head_params);
}

/* Bytes of weights that a step of n streams reads. */
static double step_bytes(const work *w, double n) {
    return w->bytes + w->expert_bytes * (1 - pow(1 - w->expert_share, n));
}

/* ---- running tokens ---- */

static int32_t some_id(const bench *b, size_t i) {
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return (int32_t)((x >> 33) % glim_tok_n(b->e->tok));
}

/* Reads on to position n, in slices as large as the workspace; logits of the last row if wanted. */
static glim_status read_to(bench *b, size_t n, bool logits, glim_progress *bar, size_t done, glim_err *err) {
    glim_kv_seq *seqs[] = {&b->seq};
    size_t start = b->seq.n_pos;
    while (b->seq.n_pos < n) {
        size_t at = b->seq.n_pos, k = n - at, most = glim_ws_n_rows(b->e->ws);
        if (k > most) k = most;
        glim_status rc = glim_kv_reserve(&b->seq, at + k, err);
        for (size_t i = 0; i < k; i++)
            b->rows[i] = (glim_row){.token = some_id(b, at + i), .pos = (int32_t)(at + i), .logits = logits && at + i + 1 == n};
        const float *l;
        if (rc == GLIM_OK) rc = glim_forward(b->e->model, b->e->ws, &(glim_batch){b->rows, k, seqs, 1}, &l, err);
        if (rc != GLIM_OK) return rc;
        glim_progress_update(bar, done + b->seq.n_pos - start);
        if (glim_cli_interrupt_pending()) return glim_fail(err, GLIM_E_CANCELLED, "stopped");
    }
    return GLIM_OK;
}

/* n steps of all streams together, a token each. */
static glim_status step(bench *b, glim_kv_seq *const *seqs, size_t n_seqs, size_t n, glim_err *err) {
    for (size_t s = 0; s < n; s++) {
        glim_status rc = GLIM_OK;
        for (size_t i = 0; i < n_seqs && rc == GLIM_OK; i++) {
            size_t at = seqs[i]->n_pos;
            rc = glim_kv_reserve(seqs[i], at + 1, err);
            b->rows[i] = (glim_row){.token = some_id(b, at * MOST_STREAMS + i), .pos = (int32_t)at, .seq = (uint32_t)i, .logits = true};
        }
        const float *l;
        if (rc == GLIM_OK) rc = glim_forward(b->e->model, b->e->ws, &(glim_batch){b->rows, n_seqs, seqs, n_seqs}, &l, err);
        if (rc != GLIM_OK) return rc;
        if (glim_cli_interrupt_pending()) return glim_fail(err, GLIM_E_CANCELLED, "stopped");
    }
    return GLIM_OK;
}

/* ---- the measurements ---- */

static glim_status measure_prefill(bench *b, size_t n, glim_err *err) {
    figure f = {.what = "prefill", .n_tokens = n, .n_streams = 1, .unit = "GOP/s", .floor = glim_instr_name(b->instr)};
    if (n == 0 || n > b->params.n_ctx) {
        note(b, "prefill of %zu: the context is %zu", n, b->params.n_ctx);
        return GLIM_OK;
    }
    char label[48];
    snprintf(label, sizeof label, "prefill of %zu", n);
    size_t total = (size_t)b->reps * n;
    double ops = pass_ops(&b->w, (double)n, 1);
    glim_progress *bar = glim_progress_begin(label, total, GLIM_PROGRESS_COUNT);
    glim_kv_truncate(&b->seq, 0);
    glim_status rc = read_to(b, n < 64 ? n : 64, true, NULL, 0, err); /* warm */
    for (; rc == GLIM_OK && f.n < (size_t)b->reps; f.n++) {
        glim_kv_truncate(&b->seq, 0);
        double peak = glim_probe_peak(&b->probe, b->instr), t = glim_now_s();
        rc = read_to(b, n, true, bar, f.n * n, err);
        t = glim_now_s() - t;
        f.speed[f.n] = (double)n / t;
        f.amount[f.n] = ops / t * 1e-9;
        f.share[f.n] = f.amount[f.n] / peak;
    }
    glim_progress_end(bar);
    if (rc == GLIM_OK) tell(b, &f);
    return rc;
}

static glim_status measure_decode(bench *b, size_t depth, glim_err *err) {
    size_t n = (size_t)b->tokens, from = depth ? depth : b->params.n_ctx < 64 ? 1 : START_TOKENS;
    figure f = {.what = "decode", .n_tokens = n, .depth = depth, .n_streams = 1, .unit = "GB/s", .floor = "read bandwidth"};
    if (from + n > b->params.n_ctx) {
        note(b, "decode at %zu: the context is %zu", depth, b->params.n_ctx);
        return GLIM_OK;
    }
    glim_progress *bar = NULL;
    if (from < b->seq.n_pos) glim_kv_truncate(&b->seq, from);
    if (from - b->seq.n_pos > 64) bar = glim_progress_begin("filling the context", from - b->seq.n_pos, GLIM_PROGRESS_COUNT);
    glim_status rc = read_to(b, from, false, bar, 0, err);
    glim_progress_end(bar);
    char label[48];
    snprintf(label, sizeof label, "decode at %zu", depth);
    bar = glim_progress_begin(label, (uint64_t)b->reps * n, GLIM_PROGRESS_COUNT);
    glim_kv_seq *seqs[] = {&b->seq};
    double bytes = step_bytes(&b->w, 1) + b->w.kv_bytes * ((double)from + (double)(n + 1) / 2);
    if (rc == GLIM_OK) rc = step(b, seqs, 1, 1, err); /* warm */
    for (; rc == GLIM_OK && f.n < (size_t)b->reps; f.n++) {
        glim_kv_truncate(&b->seq, from);
        double can = glim_probe_read(&b->probe, NULL, 0), t = glim_now_s();
        rc = step(b, seqs, 1, n, err);
        t = glim_now_s() - t;
        f.speed[f.n] = (double)n / t;
        f.amount[f.n] = bytes * (double)n / t * 1e-9;
        f.share[f.n] = f.amount[f.n] / can;
        glim_progress_update(bar, (f.n + 1) * n);
    }
    glim_progress_end(bar);
    glim_kv_truncate(&b->seq, from);
    if (rc == GLIM_OK) tell(b, &f);
    return rc;
}

static size_t stream_base(const bench *b) {
    size_t half = b->params.n_ctx / 2, base = STREAM_CTX / 2;
    return half < base ? half : base;
}

static glim_status measure_streams(bench *b, size_t n_streams, glim_err *err) {
    size_t n = (size_t)b->tokens, base = stream_base(b);
    if (base + n > STREAM_CTX) n = STREAM_CTX - base;
    figure f = {.what = "streams", .n_tokens = n, .depth = base, .n_streams = n_streams};
    if (n_streams == 0 || n_streams > b->params.n_logits || base + n > b->params.n_ctx) {
        note(b, "%zu streams: want 1 to %zu, and %zu tokens of context where %zu are", n_streams, b->params.n_logits, base + n,
             b->params.n_ctx);
        return GLIM_OK;
    }
    /* All streams begin with the same pages, which are read by each of them: memory sees them once. */
    glim_kv_truncate(&b->seq, b->seq.n_pos > base ? base : b->seq.n_pos);
    glim_status rc = read_to(b, base, false, NULL, 0, err);
    glim_kv_seq stream[MOST_STREAMS] = {0}, *seqs[MOST_STREAMS];
    for (size_t i = 0; i < n_streams; i++) {
        seqs[i] = &stream[i];
        if (rc == GLIM_OK) rc = glim_kv_seq_init(seqs[i], &b->e->kv, b->params.n_ctx, err);
        if (rc == GLIM_OK) rc = glim_kv_fork(seqs[i], &b->seq, base, err);
    }
    double ops = pass_ops(&b->w, (double)n_streams, (double)n_streams);
    double bytes = step_bytes(&b->w, (double)n_streams) +
                   b->w.kv_bytes * ((double)base + (double)n_streams * (double)(n + 1) / 2);
    char label[48];
    snprintf(label, sizeof label, "%zu streams", n_streams);
    glim_progress *bar = glim_progress_begin(label, (uint64_t)b->reps * n, GLIM_PROGRESS_COUNT);
    double by_ops[MOST_REPS], by_bytes[MOST_REPS], steps[MOST_REPS];
    if (rc == GLIM_OK) rc = step(b, seqs, n_streams, 1, err); /* warm */
    for (; rc == GLIM_OK && f.n < (size_t)b->reps; f.n++) {
        for (size_t i = 0; i < n_streams; i++) glim_kv_truncate(seqs[i], base);
        double can = glim_probe_read(&b->probe, NULL, 0), peak = glim_probe_peak(&b->probe, b->instr), t = glim_now_s();
        rc = step(b, seqs, n_streams, n, err);
        t = (glim_now_s() - t) / (double)n;
        steps[f.n] = t;
        by_ops[f.n] = ops / (peak * 1e9) / t;
        by_bytes[f.n] = bytes / (can * 1e9) / t;
        f.speed[f.n] = (double)n_streams / t;
        glim_progress_update(bar, (f.n + 1) * n);
    }
    glim_progress_end(bar);
    if (rc == GLIM_OK) {
        double a[MOST_REPS], c[MOST_REPS];
        memcpy(a, by_ops, sizeof a);
        memcpy(c, by_bytes, sizeof c);
        bool arithmetic = summary(a, f.n).median > summary(c, f.n).median; /* which floor lies higher */
        f.unit = arithmetic ? "GOP/s" : "GB/s";
        f.floor = arithmetic ? glim_instr_name(b->instr) : "read bandwidth";
        for (size_t i = 0; i < f.n; i++) {
            f.share[i] = arithmetic ? by_ops[i] : by_bytes[i];
            f.amount[i] = (arithmetic ? ops : bytes) / steps[i] * 1e-9;
        }
        tell(b, &f);
    }
    for (size_t i = 0; i < n_streams; i++)
        if (stream[i].pool) glim_kv_seq_deinit(&stream[i]);
    return rc;
}

/* The three peaks and the bandwidth, for the head of the answer. */
static void tell_machine(bench *b) {
    static const unsigned forms[] = {GLIM_ACT_Q8, GLIM_ACT_BF16, GLIM_ACT_F32};
    double v[MOST_REPS];
    size_t n = (size_t)b->reps;
    json_t *m = json_object();
    json_object_set_new(b->report, "machine", m);
    for (size_t i = 0; i < n; i++) v[i] = glim_probe_read(&b->probe, NULL, 0);
    stat3 s = summary(v, n);
    json_object_set_new(m, "read_gbs", stat_json(s));
    if (b->table) fprintf(b->table, "machine   reads %.1f GB/s (%.1f - %.1f)\n", s.median, s.p10, s.p90);
    for (size_t f = 0; f < GLIM_COUNT(forms); f++) {
        glim_instr instr = glim_instr_for(b->e->model->k->name, forms[f]);
        if (json_object_get(m, glim_instr_name(instr))) continue;
        for (size_t i = 0; i < n; i++) v[i] = glim_probe_peak(&b->probe, instr);
        s = summary(v, n);
        json_object_set_new(m, glim_instr_name(instr), stat_json(s));
        if (b->table)
            fprintf(b->table, "machine   %s %.0f GOP/s (%.0f - %.0f)\n", glim_instr_name(instr), s.median, s.p10, s.p90);
    }
}

/* ---- memory ---- */

typedef struct resident {
    size_t peak, anon, file; /* bytes; file: pages of mapped files, the packed cache among them */
} resident;

static resident read_resident(void) {
    resident r = {0};
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    size_t kb;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmHWM: %zu kB", &kb) == 1) r.peak = kb * 1024;
        else if (sscanf(line, "RssAnon: %zu kB", &kb) == 1) r.anon = kb * 1024;
        else if (sscanf(line, "RssFile: %zu kB", &kb) == 1 || sscanf(line, "RssShmem: %zu kB", &kb) == 1) r.file += kb * 1024;
    }
    if (f) fclose(f);
    return r;
}

/* VmHWM begins anew: what the plain C pass took is not the model's. */
static void forget_peak(void) {
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, "5", 1) != 1) errno = 0;
    close(fd);
}

/* ---- starts ---- */

/* One start and one token, told as JSON: what the parent process times. */
static int start_only(bench *b, glim_err *err) {
    glim_status rc = glim_cli_open(&b->e, b->path, &b->mf, 1, false, err);
    void *mem = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, glim_ws_n_rows(b->e->ws), sizeof *b->rows, "a batch", err);
    b->rows = mem;
    if (rc == GLIM_OK) rc = glim_kv_seq_init(&b->seq, &b->e->kv, b->e->model->plan.n_ctx, err);
    if (rc == GLIM_OK) rc = read_to(b, START_TOKENS, true, NULL, 0, err);
    if (rc == GLIM_OK) {
        const glim_packed *p = &b->e->model->packed;
        resident r = read_resident();
        printf("{\"cache\": \"%s\", \"open_s\": %.6f, \"peak_bytes\": %zu, \"anon_bytes\": %zu, \"file_bytes\": %zu}\n",
               p->file ? "written" : p->cached ? "found" : "none", b->e->load_s, r.peak, r.anon, r.file);
        fflush(stdout);
    }
    if (b->seq.pool) glim_kv_seq_deinit(&b->seq);
    free(mem);
    glim_engine_free(b->e);
    return rc == GLIM_OK ? 0 : glim_cli_error(err);
}

/* Runs one; *first_s is from the call to its line. */
static glim_status start_one(const bench *b, const char *cache_home, char *line, size_t cap, double *first_s, glim_err *err) {
    char ctx[24], threads[24], *argv[16], *env[1024];
    size_t n = 0, n_env = 0;
    argv[n++] = "glim";
    argv[n++] = "bench";
    argv[n++] = (char *)(uintptr_t)b->path;
    argv[n++] = "--start-only";
    snprintf(ctx, sizeof ctx, "%lld", (long long)b->mf.ctx);
    snprintf(threads, sizeof threads, "%lld", (long long)b->mf.threads);
    if (b->mf.ctx) argv[n++] = "--ctx", argv[n++] = ctx;
    if (b->mf.threads) argv[n++] = "--threads", argv[n++] = threads;
    if (b->mf.type) argv[n++] = "--type", argv[n++] = (char *)(uintptr_t)b->mf.type;
    if (b->mf.kv) argv[n++] = "--kv", argv[n++] = (char *)(uintptr_t)b->mf.kv;
    argv[n] = NULL;
    char home[4200];
    snprintf(home, sizeof home, "XDG_CACHE_HOME=%s", cache_home);
    for (char **e = environ; *e && n_env + 3 < GLIM_COUNT(env); e++)
        if (strncmp(*e, "XDG_CACHE_HOME=", 15) != 0 && strncmp(*e, "GLIM_PROGRESS=", 14) != 0) env[n_env++] = *e;
    env[n_env++] = home;
    env[n_env++] = (char *)(uintptr_t)"GLIM_PROGRESS=0";
    env[n_env] = NULL;

    int p[2];
    if (pipe2(p, O_CLOEXEC) != 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not make a pipe");
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, p[1], 1);
    pid_t pid;
    double t = glim_now_s();
    int rc = posix_spawn(&pid, "/proc/self/exe", &fa, NULL, argv, env);
    posix_spawn_file_actions_destroy(&fa);
    close(p[1]);
    size_t got = 0;
    *first_s = 0;
    while (rc == 0) {
        char rest[64];
        ssize_t k = got + 1 < cap ? read(p[0], line + got, cap - 1 - got) : read(p[0], rest, sizeof rest);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) break;
        if (*first_s == 0) *first_s = glim_now_s() - t;
        if (got + 1 < cap) got += (size_t)k;
    }
    line[got] = 0;
    close(p[0]);
    int status = 0;
    if (rc == 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (rc != 0) return glim_fail_errno(err, GLIM_E_IO, rc, "could not run this program again");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return glim_fail(err, GLIM_E_IO, "a start of the model failed");
    return GLIM_OK;
}

/* The folder that starts filled: files in glim/packed, nothing else. */
static void remove_cache(const char *home) {
    char *glim = glim_path_join(home, "glim"), *packed = glim_path_join(glim, "packed");
    DIR *d = opendir(packed);
    for (const struct dirent *f; d && (f = readdir(d)) != NULL;)
        if (f->d_name[0] != '.') unlinkat(dirfd(d), f->d_name, 0);
    if (d) closedir(d);
    rmdir(packed);
    rmdir(glim);
    rmdir(home);
    free(packed);
    free(glim);
}

typedef struct starts {
    const char *name, *cache; /* what is told; what the process must have found */
    size_t n;
    double open_s[MOST_REPS], first_s[MOST_REPS], share[MOST_REPS];
    resident mem;
} starts;

static void tell_starts(bench *b, starts *s) {
    char peak[32], anon[32], file[32];
    stat3 first = summary(s->first_s, s->n), opening = summary(s->open_s, s->n), share = summary(s->share, s->n);
    if (b->table)
        fprintf(b->table, "%-16s %9.3f s to the first token, opening %.3f s  %5.1f %% of read bandwidth  peak %s resident (%s own, %s mapped)\n",
                s->name, first.median, opening.median, 100 * share.median, glim_human_bytes(peak, sizeof peak, (double)s->mem.peak),
                glim_human_bytes(anon, sizeof anon, (double)s->mem.anon), glim_human_bytes(file, sizeof file, (double)s->mem.file));
    if (b->csv)
        fprintf(b->csv, "%s,\"%s\",%s,%d,\"%s\",%s,%s,\"%s\",%d,0,1,%zu,%.6g,%.6g,%.6g,%.6g,s,read bandwidth,%.6g,%.6g,%.6g\n",
                GLIM_VERSION, b->cpu, b->e->model->k->name, glim_pool_size(b->e->pool), b->path, b->type,
                glim_dtype_of(b->e->model->plan.kv_type)->name, s->name, START_TOKENS, s->n, first.median, first.p10, first.p90,
                opening.median, share.median, share.p10, share.p90);
    json_array_append_new(
        json_object_get(b->report, "starts"),
        json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:I, s:I, s:I}", "what", s->name, "cache", s->cache, "reps", (json_int_t)s->n,
                  "first_token_s", stat_json(first), "open_s", stat_json(opening), "share", stat_json(share), "peak_bytes",
                  (json_int_t)s->mem.peak, "anon_bytes", (json_int_t)s->mem.anon, "file_bytes", (json_int_t)s->mem.file));
}

/* Floors: without a cache the file is read once; with one, what the first pass reads. */
static glim_status measure_starts(bench *b, glim_err *err) {
    char *cache = glim_cache_dir(), *home = glim_path_join(cache, "bench-XXXXXX"), line[512];
    glim_status rc = glim_mkdirs(cache, err);
    if (rc == GLIM_OK && !mkdtemp(home)) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not make %s", home);
    if (rc != GLIM_OK) goto done;
    starts cold = {.name = "start, no cache", .cache = "written"}, warm = {.name = "start, cache", .cache = "found"};
    glim_progress *bar = glim_progress_begin("starts", 1 + (uint64_t)b->n_starts, GLIM_PROGRESS_COUNT);
    double first_pass = step_bytes(&b->w, START_TOKENS);
    for (int64_t i = 0; i <= b->n_starts && rc == GLIM_OK; i++) {
        starts *s = i == 0 ? &cold : &warm;
        double can = glim_probe_read(&b->probe, NULL, 0), first = 0, open_s = 0;
        char kept[16] = "";
        resident r = {0};
        rc = start_one(b, home, line, sizeof line, &first, err);
        if (rc != GLIM_OK) break;
        if (sscanf(line, "{\"cache\": \"%15[a-z]\", \"open_s\": %lf, \"peak_bytes\": %zu, \"anon_bytes\": %zu, \"file_bytes\": %zu", kept,
                   &open_s, &r.peak, &r.anon, &r.file) != 5) {
            rc = glim_fail(err, GLIM_E_IO, "a start of the model answered \"%.80s\"", line);
            break;
        }
        if (i == 0) cold.cache = strcmp(kept, "none") == 0 ? "none" : "written";
        else if (strcmp(kept, "found") != 0) {
            note(b, "starts with a cache: %s", strcmp(kept, "none") == 0 ? "these kernels pack little or nothing, so none is kept" : "the disk did not keep it in time");
            break;
        }
        s->open_s[s->n] = open_s;
        s->first_s[s->n] = first;
        s->share[s->n] = (i == 0 ? (double)b->file_bytes : first_pass) / (can * 1e9) / first;
        s->n++;
        if (r.peak > s->mem.peak) s->mem = r;
        glim_progress_update(bar, (uint64_t)i + 1);
        if (glim_cli_interrupt_pending()) rc = glim_fail(err, GLIM_E_CANCELLED, "stopped");
    }
    glim_progress_end(bar);
    if (rc == GLIM_OK && cold.n) tell_starts(b, &cold);
    if (rc == GLIM_OK && warm.n) tell_starts(b, &warm);
    remove_cache(home);
done:
    free(home);
    free(cache);
    return rc;
}

/* ---- opening ---- */

static glim_status parse_list(list *l, const char *flag, const char *text, glim_err *err) {
    l->n = 0;
    if (strcmp(text, "none") == 0) return GLIM_OK;
    for (const char *s = text;; s++) {
        char *end;
        errno = 0;
        unsigned long v = strtoul(s, &end, 10);
        if (*s < '0' || *s > '9' || errno || v > 1u << 26 || l->n == MOST_LIST || (*end && *end != ','))
            return glim_fail(err, GLIM_E_ARG, "%s: got \"%s\", want up to %d numbers with commas between, or none", flag, text,
                             MOST_LIST);
        l->v[l->n++] = v;
        s = end;
        if (!*s) return GLIM_OK;
    }
}

static size_t largest(const list *l) {
    size_t v = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] > v) v = l->v[i];
    return v;
}

static void fill_params(bench *b, size_t n_ctx) {
    glim_model_params *p = &b->params;
    size_t streams = largest(&b->batch);
    if (streams > MOST_STREAMS) streams = MOST_STREAMS;
    p->n_ctx = n_ctx;
    p->n_logits = streams ? streams : 1;
    p->n_rows = n_ctx < 512 ? n_ctx : 512;
    if (p->n_rows < p->n_logits) p->n_rows = p->n_logits;
    /* Pages for the one long sequence, or for all streams. */
    size_t pages = (n_ctx + GLIM_KV_PAGE - 1) / GLIM_KV_PAGE, of_stream = (n_ctx < STREAM_CTX ? n_ctx : STREAM_CTX) / GLIM_KV_PAGE + 1;
    p->n_seq = (streams * of_stream + of_stream + pages - 1) / pages;
}

/* The largest context that the figures want, the model has and memory holds, unless --ctx names one;
 * and the type, so that both kernel sets run the same. */
static glim_status plan(bench *b, glim_err *err) {
    glim_status rc = glim_cli_model_params(&b->params, &b->mf, err);
    size_t want = largest(&b->prefill), deep = largest(&b->depth) + START_TOKENS + (size_t)b->tokens, n_ctx = (size_t)b->mf.ctx;
    bool learn = n_ctx == 0; /* the first look only tells how long a context the model has */
    if (b->depth.n && deep > want) want = deep;
    if (want < STREAM_CTX) want = STREAM_CTX;
    want = (want + GLIM_KV_PAGE - 1) / GLIM_KV_PAGE * GLIM_KV_PAGE;
    while (rc == GLIM_OK) {
        glim_ckpt *c;
        glim_model *m;
        rc = glim_ckpt_open(&c, b->path, err);
        if (rc != GLIM_OK) break;
        b->file_bytes = 0;
        for (int i = 0; i < glim_ckpt_n_files(c); i++) {
            size_t n;
            glim_ckpt_file(c, i, &n);
            b->file_bytes += n;
        }
        struct stat exe = {0};
        char how[160];
        (void)stat("/proc/self/exe", &exe);
        snprintf(how, sizeof how, "plain row %s %lld %lld.%09ld type %d kv %d", GLIM_VERSION, (long long)exe.st_size,
                 (long long)exe.st_mtim.tv_sec, exe.st_mtim.tv_nsec, b->params.type, b->params.kv_type);
        glim_packed_key(b->plain_key, c, how);
        fill_params(b, learn ? STREAM_CTX : n_ctx);
        if (learn) b->params.n_ctx = 0;
        rc = glim_model_inspect(&m, c, &b->params, err);
        if (rc != GLIM_OK) break;
        bool again = learn;
        if (learn) {
            n_ctx = want < m->cfg.max_ctx ? want : m->cfg.max_ctx;
            learn = false;
        } else if (glim_model_fits(m, b->mf.ctx || n_ctx <= 512 ? err : NULL) != GLIM_OK) {
            if (b->mf.ctx || n_ctx <= 512) rc = GLIM_E_NOMEM;
            else n_ctx /= 2, again = true;
        } else if (m->plan.fell_back && b->params.type == 0) {
            b->params.type = 1 + GLIM_Q8_0; /* the same for both sets */
            again = true;
        }
        b->n_vocab = m->cfg.n_vocab;
        glim_model_free(m);
        if (!again) break;
    }
    return rc;
}

static bool show_load(void *ctx, size_t done, size_t total) {
    glim_progress **bar = ctx;
    if (!*bar) *bar = glim_progress_begin("preparing weights", total, GLIM_PROGRESS_BYTES);
    glim_progress_update(*bar, done);
    return !glim_cli_interrupt_pending();
}

enum { AGREE_ROWS = 12 }; /* plain C is slow: few tokens, but as many as take the sets' way for many rows (more than 8) */

/* Logits of the last of a few tokens, in a new array. */
static glim_status last_row(glim_engine *e, float **out, glim_err *err) {
    int32_t ids[GLIM_AGREE_TOKENS];
    glim_row rows[AGREE_ROWS];
    glim_kv_seq seq = {0}, *seqs[] = {&seq};
    const float *l;
    void *mem = NULL;
    glim_agree_ids(ids, glim_tok_n(e->tok));
    for (int i = 0; i < AGREE_ROWS; i++) rows[i] = (glim_row){.token = ids[i], .pos = i, .logits = i + 1 == AGREE_ROWS};
    glim_status rc = glim_try_calloc(&mem, e->model->cfg.n_vocab, sizeof(float), "test logits", err);
    if (rc == GLIM_OK) rc = glim_kv_seq_init(&seq, &e->kv, AGREE_ROWS, err);
    if (rc == GLIM_OK) rc = glim_kv_reserve(&seq, AGREE_ROWS, err);
    if (rc == GLIM_OK) rc = glim_forward(e->model, e->ws, &(glim_batch){rows, AGREE_ROWS, seqs, 1}, &l, err);
    if (rc == GLIM_OK) memcpy(mem, l, e->model->cfg.n_vocab * sizeof(float));
    if (seq.pool) glim_kv_seq_deinit(&seq);
    *out = mem;
    return rc;
}

/* The last row by plain C, before the model proper is opened: never both in memory. NULL where plain C is
 * the set in use. Gigabytes take plain C minutes, so its logits are kept for this model, type and build of
 * the program; the set in use is held against them in every run. */
static glim_status plain_row(bench *b, float **out, glim_err *err) {
    *out = NULL;
    if (strcmp(glim_kernels_get()->name, "ref") == 0) return GLIM_OK;
    const char *cache_env = getenv("GLIM_CACHE");
    const bool keep = !cache_env || strcmp(cache_env, "0") != 0;
    const size_t bytes = b->n_vocab * sizeof(float);
    char *cache = glim_cache_dir(), *dir = glim_path_join(cache, "plain"), *path = glim_path_join(dir, b->plain_key);
    glim_buf kept = {0};
    glim_status rc = GLIM_OK;
    if (keep && glim_file_read(&kept, path, bytes, NULL) == GLIM_OK && kept.len == bytes) {
        void *mem;
        rc = glim_try_calloc(&mem, bytes, 1, "test logits", err);
        if (rc == GLIM_OK) memcpy(mem, kept.s, bytes);
        *out = mem;
    } else {
        glim_engine *e = NULL;
        glim_engine_params p = {.model = b->params, .n_threads = (int)b->mf.threads};
        p.model.kernels = glim_kernels_find("ref");
        p.model.n_ctx = 64;
        p.model.n_seq = p.model.n_logits = 1;
        p.model.n_rows = AGREE_ROWS;
        if (b->file_bytes > 500000000) fprintf(stderr, "note: plain C computes %d tokens first, once for this model; that can take minutes\n", AGREE_ROWS);
        rc = glim_engine_open(&e, b->path, &p, err);
        if (rc == GLIM_OK) rc = last_row(e, out, err);
        glim_engine_free(e);
        if (rc == GLIM_OK && keep && glim_mkdirs(dir, NULL) == GLIM_OK) (void)glim_file_write_atomic(path, *out, bytes, NULL);
    }
    glim_buf_free(&kept);
    free(path);
    free(dir);
    free(cache);
    return rc;
}

static glim_status check_agreement(bench *b, const float *plain, glim_err *err) {
    float *got = NULL;
    glim_status rc = last_row(b->e, &got, err);
    glim_agree a = {.ok = true};
    if (rc == GLIM_OK) a = glim_agree_logits(got, plain ? plain : got, b->e->model->cfg.n_vocab, b->e->model->plan.weight_type);
    free(got);
    if (rc != GLIM_OK) return rc;
    const char *set = b->e->model->k->name;
    json_object_set_new(b->report, "agree",
                        json_pack("{s:b, s:f, s:f, s:i}", "ok", a.ok, "worst", a.worst, "spread", a.spread, "tokens", AGREE_ROWS));
    if (!a.ok)
        return glim_fail(err, GLIM_E_FORMAT, "no speed is told, because %s kernels do not agree with plain C: logits differ by up to %.2e of %.1f",
                         set, a.worst, a.spread);
    if (b->table && plain)
        fprintf(b->table, "agrees    with plain C: logits after %d tokens differ by at most %.2e of %.1f\n", AGREE_ROWS, a.worst, a.spread);
    else if (b->table) fprintf(b->table, "agrees    with plain C: these are the plain C kernels\n");
    return GLIM_OK;
}

/* "AMD EPYC ..." from /proc/cpuinfo. */
static void cpu_name(char *buf, size_t cap) {
    snprintf(buf, cap, "unknown CPU");
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        line[strcspn(line, "\n\"")] = 0;
        if (colon[1]) snprintf(buf, cap, "%s", colon + 2);
        break;
    }
    if (f) fclose(f);
}

static void tell_head(bench *b) {
    const glim_engine *e = b->e;
    const glim_memory_plan *p = &e->model->plan;
    char size[32];
    double load = -1; /* who else wants the processors: the last minute's queue */
    if (getloadavg(&load, 1) != 1) load = -1;
    b->type = glim_dtype_of(p->weight_type)->name;
    b->report = json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:f, s:[], s:[], s:[]}", "glim", GLIM_VERSION, "cpu",
                          b->cpu, "kernels", e->model->k->name, "threads", glim_pool_size(e->pool), "model", b->path, "model_bytes",
                          (json_int_t)b->file_bytes, "type", b->type, "kv_type", glim_dtype_of(p->kv_type)->name, "n_ctx",
                          (json_int_t)p->n_ctx, "n_params", (json_int_t)e->model->n_params, "bytes_per_token",
                          (json_int_t)step_bytes(&b->w, 1), "gop_per_token", pass_ops(&b->w, 1, 0) * 1e-9, "left_out", "results", "starts");
    json_object_set_new(b->report, "load_average", json_real(load));
    if (load > 0.5 * glim_cpu_count() + glim_pool_size(e->pool) && !b->json)
        fprintf(stderr, "note: this machine is busy (load average %.1f): shares of the floors mean more than speeds\n", load);
    if (b->csv)
        fputs("glim,cpu,kernels,threads,model,type,kv,what,tokens,depth,streams,reps,median,p10,p90,amount,unit,floor,share,share_p10,share_p90\n",
              b->csv);
    if (!b->table) return;
    fprintf(b->table, "glim %s   %s, kernels %s, %d threads\n", GLIM_VERSION, b->cpu, e->model->k->name, glim_pool_size(e->pool));
    fprintf(b->table, "model     %s: %s, weights %s, KV %s, context %zu\n", b->path,
            glim_human_bytes(size, sizeof size, (double)b->file_bytes), b->type, glim_dtype_of(p->kv_type)->name, p->n_ctx);
    fprintf(b->table, "reads     %s a token; computes %.3g GOP a token of a prompt\n",
            glim_human_bytes(size, sizeof size, step_bytes(&b->w, 1)), pass_ops(&b->w, 1, 0) * 1e-9);
    fprintf(b->table, "figures   medians of %lld (p10 - p90), each beside a probe of the moment before\n", (long long)b->reps);
}

/* The run's own peak: the probe's bytes are not the model's. */
static void tell_memory(bench *b, resident opened) {
    resident r = read_resident();
    size_t own = b->probe.n_bytes, peak = r.peak > own ? r.peak - own : 0, anon = r.anon > own ? r.anon - own : 0;
    if (opened.peak > peak) peak = opened.peak;
    char s[3][32];
    json_object_set_new(b->report, "memory", json_pack("{s:I, s:I, s:I}", "peak_bytes", (json_int_t)peak, "anon_bytes", (json_int_t)anon,
                                                       "file_bytes", (json_int_t)r.file));
    if (b->table)
        fprintf(b->table, "memory    peak %s resident in the whole run (at the end %s own, %s of mapped files)\n",
                glim_human_bytes(s[0], sizeof s[0], (double)peak), glim_human_bytes(s[1], sizeof s[1], (double)anon),
                glim_human_bytes(s[2], sizeof s[2], (double)r.file));
}

static glim_status run_bench(bench *b, glim_err *err) {
    float *plain = NULL;
    void *mem = NULL;
    glim_status rc = plan(b, err);
    if (rc == GLIM_OK) rc = plain_row(b, &plain, err);
    forget_peak();
    if (rc == GLIM_OK) {
        glim_progress *bar = NULL;
        glim_engine_params p = {.model = b->params, .n_threads = (int)b->mf.threads};
        p.model.progress = show_load;
        p.model.progress_ctx = &bar;
        rc = glim_engine_open(&b->e, b->path, &p, err);
        glim_progress_end(bar);
    }
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, glim_ws_n_rows(b->e->ws), sizeof *b->rows, "a batch", err);
    b->rows = mem;
    if (rc == GLIM_OK) rc = glim_kv_seq_init(&b->seq, &b->e->kv, b->params.n_ctx, err);
    if (rc != GLIM_OK) goto done;
    b->w = count_work(b->e);
    b->instr = glim_instr_for(b->e->model->k->name, b->e->model->k->act_form(b->e->model->plan.weight_type));
    cpu_name(b->cpu, sizeof b->cpu);
    tell_head(b);
    rc = check_agreement(b, plain, err);
    resident opened = read_resident();
    if (rc == GLIM_OK) rc = glim_probe_init(&b->probe, b->e->pool, (size_t)(b->quick ? 32 : 256) << 20, err);
    if (rc != GLIM_OK) goto done;
    tell_machine(b);
    for (size_t i = 0; i < b->prefill.n && rc == GLIM_OK; i++) rc = measure_prefill(b, b->prefill.v[i], err);
    for (size_t i = 0; i < b->depth.n && rc == GLIM_OK; i++) rc = measure_decode(b, b->depth.v[i], err);
    for (size_t i = 0; i < b->batch.n && rc == GLIM_OK; i++) rc = measure_streams(b, b->batch.v[i], err);
    if (rc == GLIM_OK) {
        if (b->n_starts == 0) note(b, "starts: none were asked for");
        else rc = measure_starts(b, err);
    }
    if (rc == GLIM_OK) tell_memory(b, opened);
done:
    free(plain);
    free(mem);
    return rc;
}

int glim_cmd_bench(int argc, char **argv) {
    bench b = {.reps = -1, .tokens = -1, .n_starts = -1};
    const char *prefill = NULL, *depth = NULL, *batch = NULL;
    const glim_flag own[] = {
        {"--reps", NULL, GLIM_FLAG_INT, &b.reps, "N", "repetitions of each figure (default 5; 2 with --quick)", 1, MOST_REPS},
        {"--quick", NULL, GLIM_FLAG_BOOL, &b.quick, NULL, "the short ones only: prefill of 128, decode from empty, 1 and 4 streams", 0, 0},
        {"--prefill", NULL, GLIM_FLAG_STR, &prefill, "LIST", "prompt lengths (default 128,512,2048), or none", 0, 0},
        {"--depth", NULL, GLIM_FLAG_STR, &depth, "LIST", "contexts to decode at (default 0,4096,16384), or none", 0, 0},
        {"--batch", NULL, GLIM_FLAG_STR, &batch, "LIST", "numbers of streams that decode together (default 1,4,8,16), or none", 0, 0},
        {"--tokens", NULL, GLIM_FLAG_INT, &b.tokens, "N", "tokens decoded in a repetition (default 16; 4 with --quick)", 1, 4096},
        {"--starts", NULL, GLIM_FLAG_INT, &b.n_starts, "N", "starts with a cache of packed weights, after one without (default as --reps; 0 with --quick: none at all)", 0, MOST_REPS},
        {"--csv", NULL, GLIM_FLAG_STR, &b.csv_path, "FILE", "a line of CSV for each figure, - for stdout", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &b.json, NULL, "one JSON object on stdout", 0, 0},
        {"--start-only", NULL, GLIM_FLAG_BOOL, &b.start_only, NULL, "open, read 16 tokens, say what that took, and end", 0, 0},
        {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&b.mf), {0}};
    const glim_page u = {"glim bench MODEL",
                          "How fast a model runs on this machine: prompts, decoding at several contexts, streams together, starts,\n"
                          "memory. Each speed stands beside what the machine could do at that moment (read bandwidth, instruction\n"
                          "peak) as a share of it, and none is told unless the logits agree with the plain C kernels.", {own, model}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    b.path = pos.v[0];
    if (b.reps < 0) b.reps = b.quick ? 2 : 5;
    if (b.tokens < 0) b.tokens = b.quick ? 4 : 16;
    if (b.n_starts < 0) b.n_starts = b.quick ? 0 : b.reps;
    glim_cli_catch_interrupt();
    glim_err err = {0};
    if (b.start_only) return start_only(&b, &err);
    glim_status rc = parse_list(&b.prefill, "--prefill", prefill ? prefill : b.quick ? "128" : "128,512,2048", &err);
    if (rc == GLIM_OK) rc = parse_list(&b.depth, "--depth", depth ? depth : b.quick ? "0" : "0,4096,16384", &err);
    if (rc == GLIM_OK) rc = parse_list(&b.batch, "--batch", batch ? batch : b.quick ? "1,4" : "1,4,8,16", &err);
    bool csv_stdout = b.csv_path && strcmp(b.csv_path, "-") == 0;
    if (rc == GLIM_OK && csv_stdout && b.json)
        rc = glim_fail(&err, GLIM_E_ARG, "--json and --csv - both want stdout");
    if (rc == GLIM_OK && b.csv_path) {
        b.csv = csv_stdout ? stdout : fopen(b.csv_path, "we");
        if (!b.csv) rc = glim_fail_errno(&err, GLIM_E_IO, errno, "could not write \"%s\"", b.csv_path);
    }
    if (!b.json && !csv_stdout) b.table = stdout;
    if (rc == GLIM_OK) rc = run_bench(&b, &err);
    if (b.csv && !csv_stdout && fclose(b.csv) != 0 && rc == GLIM_OK)
        rc = glim_fail_errno(&err, GLIM_E_IO, errno, "could not write \"%s\"", b.csv_path);
    if (rc == GLIM_OK && b.json) {
        glim_buf out = {0};
        glim_json_dump_py(&out, b.report, -1, false);
        puts(glim_buf_cstr(&out));
        glim_buf_free(&out);
    }
    json_decref(b.report);
    glim_probe_deinit(&b.probe);
    if (b.seq.pool) glim_kv_seq_deinit(&b.seq);
    glim_engine_free(b.e);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
