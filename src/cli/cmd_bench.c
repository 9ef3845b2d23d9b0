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
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/agree.h"
#include "cli/cmd_bench.h"

/* ---- opening ---- */

static glim_status parse_list(glim_bench_list *l, const char *flag, const char *text, glim_err *err) {
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

static size_t largest(const glim_bench_list *l) {
    size_t v = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] > v) v = l->v[i];
    return v;
}

static void fill_params(glim_bench *b, size_t n_ctx) {
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
static glim_status plan(glim_bench *b, glim_err *err) {
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

enum { AGREE_ROWS = 12 }; /* plain C is slow: few tokens, but all but one are as many as take the sets' way for many rows (more than 8) */

/* Logits of the last of a few tokens, in a new array. That one is a pass of its own, as a decoded token is: a figure of
 * decoding must not stand on products of many rows only. Plain C gives the same either way. */
static glim_status last_row(glim_engine *e, float **out, glim_err *err) {
    int32_t ids[GLIM_AGREE_TOKENS];
    glim_row rows[AGREE_ROWS];
    glim_kv_seq seq = {0}, *seqs[] = {&seq};
    const float *l;
    void *mem = NULL;
    glim_agree_ids(ids, glim_tok_n(e->tok));
    const int most = AGREE_ROWS - 1;
    for (int i = 0; i < AGREE_ROWS; i++) rows[i] = (glim_row){.token = ids[i], .pos = i, .logits = i == most};
    glim_status rc = glim_try_calloc(&mem, e->model->cfg.n_vocab, sizeof(float), "test logits", err);
    if (rc == GLIM_OK) rc = glim_kv_seq_init(&seq, &e->kv, AGREE_ROWS, err);
    if (rc == GLIM_OK) rc = glim_kv_reserve(&seq, AGREE_ROWS, err);
    if (rc == GLIM_OK) rc = glim_forward(e->model, e->ws, &(glim_batch){rows, (size_t)most, seqs, 1}, &l, err);
    if (rc == GLIM_OK) rc = glim_forward(e->model, e->ws, &(glim_batch){rows + most, 1, seqs, 1}, &l, err);
    if (rc == GLIM_OK) memcpy(mem, l, e->model->cfg.n_vocab * sizeof(float));
    if (seq.pool) glim_kv_seq_deinit(&seq);
    *out = mem;
    return rc;
}

/* The last row by plain C, before the model proper is opened: never both in memory. NULL where plain C is
 * the set in use. Gigabytes take plain C minutes, so its logits are kept for this model, type and build of
 * the program; the set in use is held against them in every run. */
static glim_status plain_row(glim_bench *b, float **out, glim_err *err) {
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

static glim_status check_agreement(glim_bench *b, const float *plain, glim_err *err) {
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

static void tell_head(glim_bench *b) {
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
                          (json_int_t)glim_bench_step_bytes(&b->w, 1), "gop_per_token", glim_bench_pass_ops(&b->w, 1, 0) * 1e-9, "left_out", "results", "starts");
    json_object_set_new(b->report, "load_average", json_real(load));
    const glim_packed *packed = &e->model->packed;
    json_object_set_new(b->report, "packed", json_string(packed->file ? "made" : packed->cached ? "found" : "none"));
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
            glim_human_bytes(size, sizeof size, glim_bench_step_bytes(&b->w, 1)), glim_bench_pass_ops(&b->w, 1, 0) * 1e-9);
    fprintf(b->table, "figures   medians of %lld (p10 - p90), each beside a probe of the moment before\n", (long long)b->reps);
}

/* The run's own peak: the probe's bytes are not the model's. */
static void tell_memory(glim_bench *b, glim_bench_resident opened) {
    glim_bench_resident r = glim_bench_read_resident();
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

static glim_status open_engine(glim_bench *b, glim_err *err) {
    glim_progress *bar = NULL;
    glim_engine_params p = {.model = b->params, .n_threads = (int)b->mf.threads};
    p.model.progress = show_load;
    p.model.progress_ctx = &bar;
    glim_status rc = glim_engine_open(&b->e, b->path, &p, err);
    glim_progress_end(bar);
    return rc;
}

/* A model's first start has its packed weights in private memory, on huge pages, and writes and sums gigabytes of them
 * behind the answer. Figures taken then would be of another machine than those of all later starts: so the file is
 * waited for, and the model opened again from it. */
static glim_status open_settled(glim_bench *b, glim_err *err) {
    glim_status rc = open_engine(b, err);
    if (rc != GLIM_OK) return rc;
    const bool made = b->e->model->packed.file != NULL;
    for (int i = 0; made && !glim_packed_wait(&b->e->model->packed, 200); i++) {
        if (i == 5) fprintf(stderr, "note: packed weights are written to the disk before anything is measured, once for this model\n");
        if (glim_cli_interrupt_pending()) return glim_fail(err, GLIM_E_CANCELLED, "stopped");
    }
    if (!made) return GLIM_OK;
    glim_engine_free(b->e);
    b->e = NULL;
    glim_bench_forget_peak();
    return open_engine(b, err);
}

static glim_status run_bench(glim_bench *b, glim_err *err) {
    float *plain = NULL;
    void *mem = NULL;
    glim_status rc = plan(b, err);
    if (rc == GLIM_OK) rc = plain_row(b, &plain, err);
    glim_bench_forget_peak();
    if (rc == GLIM_OK) rc = open_settled(b, err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, glim_ws_n_rows(b->e->ws), sizeof *b->rows, "a batch", err);
    b->rows = mem;
    if (rc == GLIM_OK) rc = glim_kv_seq_init(&b->seq, &b->e->kv, b->params.n_ctx, err);
    if (rc != GLIM_OK) goto done;
    b->w = glim_bench_count_work(b->e);
    b->instr = glim_instr_for(b->e->model->k->name, b->e->model->k->act_form(b->e->model->plan.weight_type));
    cpu_name(b->cpu, sizeof b->cpu);
    tell_head(b);
    rc = check_agreement(b, plain, err);
    glim_bench_resident opened = glim_bench_read_resident();
    if (rc == GLIM_OK) rc = glim_probe_init(&b->probe, b->e->pool, (size_t)(b->quick ? 32 : 256) << 20, err);
    if (rc != GLIM_OK) goto done;
    glim_bench_tell_machine(b);
    for (size_t i = 0; i < b->prefill.n && rc == GLIM_OK; i++) rc = glim_bench_prefill(b, b->prefill.v[i], err);
    for (size_t i = 0; i < b->depth.n && rc == GLIM_OK; i++) rc = glim_bench_decode(b, b->depth.v[i], err);
    for (size_t i = 0; i < b->batch.n && rc == GLIM_OK; i++) rc = glim_bench_streams(b, b->batch.v[i], err);
    if (rc == GLIM_OK) {
        if (b->n_starts == 0) glim_bench_note(b, "starts: none were asked for");
        else rc = glim_bench_starts(b, err);
    }
    if (rc == GLIM_OK) tell_memory(b, opened);
done:
    free(plain);
    free(mem);
    return rc;
}

int glim_cmd_bench(int argc, char **argv) {
    glim_bench b = {.reps = -1, .tokens = -1, .n_starts = -1};
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
    if (b.start_only) return glim_bench_start_only(&b, &err);
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
