/* cmd_bench_run.c - passes of `glim bench`: prefill, decode and streams, each beside its floor. See cmd_bench.c. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cmd_bench.h"

/* ---- numbers ---- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

glim_bench_stat glim_bench_summary(double *v, size_t n) {
    qsort(v, n, sizeof *v, by_value);
    double q[3];
    static const double at[3] = {0.5, 0.1, 0.9};
    for (int i = 0; i < 3; i++) {
        double x = at[i] * (double)(n - 1);
        size_t lo = (size_t)x, hi = lo + 1 < n ? lo + 1 : lo;
        q[i] = v[lo] + (x - (double)lo) * (v[hi] - v[lo]);
    }
    return (glim_bench_stat){q[0], q[1], q[2]};
}

json_t *glim_bench_stat_json(glim_bench_stat s) {
    return json_pack("{s:f, s:f, s:f}", "median", s.median, "p10", s.p10, "p90", s.p90);
}

void glim_bench_note(glim_bench *b, const char *fmt, ...) {
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

static void tell(glim_bench *b, figure *f) {
    glim_bench_stat speed = glim_bench_summary(f->speed, f->n), amount = glim_bench_summary(f->amount, f->n), share = glim_bench_summary(f->share, f->n);
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
                  "tokens_per_s", glim_bench_stat_json(speed), "amount", glim_bench_stat_json(amount), "unit", f->unit, "floor", f->floor, "share",
                  glim_bench_stat_json(share)));
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

glim_bench_work glim_bench_count_work(const glim_engine *e) {
    const glim_model *m = e->model;
    glim_bench_work w = {.kv_bytes = (double)e->kv.page_bytes / GLIM_KV_PAGE};
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
double glim_bench_pass_ops(const glim_bench_work *w, double n, double n_logits) {
    return 2 * (n * (w->params + w->expert_share * w->expert_params) + n_logits * w->head_params);
}

/* Bytes of weights that a step of n streams reads. */
double glim_bench_step_bytes(const glim_bench_work *w, double n) {
    return w->bytes + w->expert_bytes * (1 - pow(1 - w->expert_share, n));
}

/* ---- running tokens ---- */

static int32_t some_id(const glim_bench *b, size_t i) {
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return (int32_t)((x >> 33) % glim_tok_n(b->e->tok));
}

/* Reads on to position n, in slices as large as the workspace; logits of the last row if wanted. */
glim_status glim_bench_read_to(glim_bench *b, size_t n, bool logits, glim_progress *bar, size_t done, glim_err *err) {
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
static glim_status step(glim_bench *b, glim_kv_seq *const *seqs, size_t n_seqs, size_t n, glim_err *err) {
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

/* On to position n as far as a step's speed can tell: what is beyond FILL_READ positions is not read, its pages are copies of those before, in
 * memory of their own. 16,384 tokens of GLM-4-9B take two slow processors half an hour to read. */
static glim_status fill(glim_bench *b, size_t n, glim_err *err) {
    size_t have = b->seq.n_pos, read = n < FILL_READ ? n : FILL_READ;
    if (read > have) {
        glim_progress *bar = read - have > 64 ? glim_progress_begin("filling the context", read - have, GLIM_PROGRESS_COUNT) : NULL;
        glim_status rc = glim_bench_read_to(b, read, false, bar, 0, err);
        glim_progress_end(bar);
        if (rc != GLIM_OK) return rc;
    }
    size_t whole = b->seq.n_pos / GLIM_KV_PAGE;
    if (n == b->seq.n_pos) return GLIM_OK;
    glim_kv_truncate(&b->seq, whole * GLIM_KV_PAGE);
    glim_status rc = glim_kv_reserve(&b->seq, n, err);
    if (rc != GLIM_OK) return rc;
    const glim_kv_pool *p = b->seq.pool;
    for (size_t i = whole; i < b->seq.n_pages; i++)
        memcpy(p->mem + b->seq.pages[i] * p->page_bytes, p->mem + b->seq.pages[i % whole] * p->page_bytes, p->page_bytes);
    b->seq.n_pos = n;
    return GLIM_OK;
}

/* ---- the measurements ---- */

glim_status glim_bench_prefill(glim_bench *b, size_t n, glim_err *err) {
    figure f = {.what = "prefill", .n_tokens = n, .n_streams = 1, .unit = "GOP/s", .floor = glim_instr_name(b->instr)};
    if (n == 0 || n > b->params.n_ctx) {
        glim_bench_note(b, "prefill of %zu: the context is %zu", n, b->params.n_ctx);
        return GLIM_OK;
    }
    char label[48];
    snprintf(label, sizeof label, "prefill of %zu", n);
    size_t total = (size_t)b->reps * n;
    double ops = glim_bench_pass_ops(&b->w, (double)n, 1);
    glim_progress *bar = glim_progress_begin(label, total, GLIM_PROGRESS_COUNT);
    glim_kv_truncate(&b->seq, 0);
    glim_status rc = glim_bench_read_to(b, n < 64 ? n : 64, true, NULL, 0, err); /* warm */
    for (; rc == GLIM_OK && f.n < (size_t)b->reps; f.n++) {
        glim_kv_truncate(&b->seq, 0);
        double peak = glim_probe_peak(&b->probe, b->instr), t = glim_now_s();
        rc = glim_bench_read_to(b, n, true, bar, f.n * n, err);
        t = glim_now_s() - t;
        f.speed[f.n] = (double)n / t;
        f.amount[f.n] = ops / t * 1e-9;
        f.share[f.n] = f.amount[f.n] / peak;
    }
    glim_progress_end(bar);
    if (rc == GLIM_OK) tell(b, &f);
    return rc;
}

glim_status glim_bench_decode(glim_bench *b, size_t depth, glim_err *err) {
    size_t n = (size_t)b->tokens, from = depth ? depth : b->params.n_ctx < 64 ? 1 : START_TOKENS;
    figure f = {.what = "decode", .n_tokens = n, .depth = depth, .n_streams = 1, .unit = "GB/s", .floor = "read bandwidth"};
    if (from + n > b->params.n_ctx) {
        glim_bench_note(b, "decode at %zu: the context is %zu", depth, b->params.n_ctx);
        return GLIM_OK;
    }
    if (from < b->seq.n_pos) glim_kv_truncate(&b->seq, from);
    glim_status rc = fill(b, from, err);
    char label[48];
    snprintf(label, sizeof label, "decode at %zu", depth);
    glim_progress *bar = glim_progress_begin(label, (uint64_t)b->reps * n, GLIM_PROGRESS_COUNT);
    glim_kv_seq *seqs[] = {&b->seq};
    double bytes = glim_bench_step_bytes(&b->w, 1) + b->w.kv_bytes * ((double)from + (double)(n + 1) / 2);
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

static size_t stream_base(const glim_bench *b) {
    size_t half = b->params.n_ctx / 2, base = STREAM_CTX / 2;
    return half < base ? half : base;
}

glim_status glim_bench_streams(glim_bench *b, size_t n_streams, glim_err *err) {
    size_t n = (size_t)b->tokens, base = stream_base(b);
    if (base + n > STREAM_CTX) n = STREAM_CTX - base;
    figure f = {.what = "streams", .n_tokens = n, .depth = base, .n_streams = n_streams};
    if (n_streams == 0 || n_streams > b->params.n_logits || base + n > b->params.n_ctx) {
        glim_bench_note(b, "%zu streams: want 1 to %zu, and %zu tokens of context where %zu are", n_streams, b->params.n_logits, base + n,
             b->params.n_ctx);
        return GLIM_OK;
    }
    /* All streams begin with the same pages, which are read by each of them: memory sees them once. */
    glim_kv_truncate(&b->seq, b->seq.n_pos > base ? base : b->seq.n_pos);
    glim_status rc = glim_bench_read_to(b, base, false, NULL, 0, err);
    glim_kv_seq stream[MOST_STREAMS] = {0}, *seqs[MOST_STREAMS];
    for (size_t i = 0; i < n_streams; i++) {
        seqs[i] = &stream[i];
        if (rc == GLIM_OK) rc = glim_kv_seq_init(seqs[i], &b->e->kv, b->params.n_ctx, err);
        if (rc == GLIM_OK) rc = glim_kv_fork(seqs[i], &b->seq, base, err);
    }
    double ops = glim_bench_pass_ops(&b->w, (double)n_streams, (double)n_streams);
    double bytes = glim_bench_step_bytes(&b->w, (double)n_streams) +
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
        bool arithmetic = glim_bench_summary(a, f.n).median > glim_bench_summary(c, f.n).median; /* which floor lies higher */
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
void glim_bench_tell_machine(glim_bench *b) {
    static const unsigned forms[] = {GLIM_ACT_Q8, GLIM_ACT_BF16, GLIM_ACT_F32};
    double v[MOST_REPS];
    size_t n = (size_t)b->reps;
    json_t *m = json_object();
    json_object_set_new(b->report, "machine", m);
    for (size_t i = 0; i < n; i++) v[i] = glim_probe_read(&b->probe, NULL, 0);
    glim_bench_stat s = glim_bench_summary(v, n);
    json_object_set_new(m, "read_gbs", glim_bench_stat_json(s));
    if (b->table) fprintf(b->table, "machine   reads %.1f GB/s (%.1f - %.1f)\n", s.median, s.p10, s.p90);
    for (size_t f = 0; f < GLIM_COUNT(forms); f++) {
        glim_instr instr = glim_instr_for(b->e->model->k->name, forms[f]);
        if (json_object_get(m, glim_instr_name(instr))) continue;
        for (size_t i = 0; i < n; i++) v[i] = glim_probe_peak(&b->probe, instr);
        s = glim_bench_summary(v, n);
        json_object_set_new(m, glim_instr_name(instr), glim_bench_stat_json(s));
        if (b->table)
            fprintf(b->table, "machine   %s %.0f GOP/s (%.0f - %.0f)\n", glim_instr_name(instr), s.median, s.p10, s.p90);
    }
}
