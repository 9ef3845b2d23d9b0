/* cmd_bench_start.c - starts of `glim bench` and the memory they take. See cmd_bench.c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/cmd_bench.h"

extern char **environ;

/* ---- memory ---- */

glim_bench_resident glim_bench_read_resident(void) {
    glim_bench_resident r = {0};
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
void glim_bench_forget_peak(void) {
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, "5", 1) != 1) errno = 0;
    close(fd);
}

/* ---- starts ---- */

/* One start and one token, told as JSON: what the parent process times. */
int glim_bench_start_only(glim_bench *b, glim_err *err) {
    glim_status rc = glim_cli_open(&b->e, b->path, &b->mf, 1, false, err);
    void *mem = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, glim_ws_n_rows(b->e->ws), sizeof *b->rows, "a batch", err);
    b->rows = mem;
    if (rc == GLIM_OK) rc = glim_kv_seq_init(&b->seq, &b->e->kv, b->e->model->plan.n_ctx, err);
    if (rc == GLIM_OK) rc = glim_bench_read_to(b, START_TOKENS, true, NULL, 0, err);
    if (rc == GLIM_OK) {
        const glim_packed *p = &b->e->model->packed;
        glim_bench_resident r = glim_bench_read_resident();
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
static glim_status start_one(const glim_bench *b, const char *cache_home, char *line, size_t cap, double *first_s, glim_err *err) {
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
    glim_bench_resident mem;
} starts;

static void tell_starts(glim_bench *b, starts *s) {
    char peak[32], anon[32], file[32];
    glim_bench_stat first = glim_bench_summary(s->first_s, s->n), opening = glim_bench_summary(s->open_s, s->n), share = glim_bench_summary(s->share, s->n);
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
                  "first_token_s", glim_bench_stat_json(first), "open_s", glim_bench_stat_json(opening), "share", glim_bench_stat_json(share), "peak_bytes",
                  (json_int_t)s->mem.peak, "anon_bytes", (json_int_t)s->mem.anon, "file_bytes", (json_int_t)s->mem.file));
}

/* Floors: without a cache the file is read once; with one, what the first pass reads. */
glim_status glim_bench_starts(glim_bench *b, glim_err *err) {
    char *cache = glim_cache_dir(), *home = glim_path_join(cache, "bench-XXXXXX"), line[512];
    glim_status rc = glim_mkdirs(cache, err);
    if (rc == GLIM_OK && !mkdtemp(home)) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not make %s", home);
    if (rc != GLIM_OK) goto done;
    starts cold = {.name = "start, no cache", .cache = "written"}, warm = {.name = "start, cache", .cache = "found"};
    glim_progress *bar = glim_progress_begin("starts", 1 + (uint64_t)b->n_starts, GLIM_PROGRESS_COUNT);
    double first_pass = glim_bench_step_bytes(&b->w, START_TOKENS);
    for (int64_t i = 0; i <= b->n_starts && rc == GLIM_OK; i++) {
        starts *s = i == 0 ? &cold : &warm;
        double can = glim_probe_read(&b->probe, NULL, 0), first = 0, open_s = 0;
        char kept[16] = "";
        glim_bench_resident r = {0};
        rc = start_one(b, home, line, sizeof line, &first, err);
        if (rc != GLIM_OK) break;
        if (sscanf(line, "{\"cache\": \"%15[a-z]\", \"open_s\": %lf, \"peak_bytes\": %zu, \"anon_bytes\": %zu, \"file_bytes\": %zu", kept,
                   &open_s, &r.peak, &r.anon, &r.file) != 5) {
            rc = glim_fail(err, GLIM_E_IO, "a start of the model answered \"%.80s\"", line);
            break;
        }
        if (i == 0) cold.cache = strcmp(kept, "none") == 0 ? "none" : "written";
        else if (strcmp(kept, "found") != 0) {
            glim_bench_note(b, "starts with a cache: %s", strcmp(kept, "none") == 0 ? "these kernels pack little or nothing, so none is kept" : "the disk did not keep it in time");
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
