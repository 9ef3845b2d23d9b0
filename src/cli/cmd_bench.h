/* cmd_bench.h - what the three files of `glim bench` share: cmd_bench.c opens, agrees and tells, cmd_bench_run.c
 * measures passes, cmd_bench_start.c measures starts and memory. */
#ifndef GLIM_CLI_CMD_BENCH_H
#define GLIM_CLI_CMD_BENCH_H

#include <stdio.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "tensor/probe.h"

enum { MOST_REPS = 99, MOST_STREAMS = 64, MOST_LIST = 16, STREAM_CTX = 256, START_TOKENS = 16, FILL_READ = 512 };

typedef struct glim_bench_list {
    size_t v[MOST_LIST], n;
} glim_bench_list;

typedef struct glim_bench_stat {
    double median, p10, p90;
} glim_bench_stat;

/* What a pass has to do, from the shapes of the bound matrices. */
typedef struct glim_bench_work {
    double params, head_params, expert_params; /* one row; the head; all routed experts of all layers */
    double bytes, expert_bytes;                /* read once a pass, head included; all routed experts */
    double expert_share;                       /* k / n */
    double kv_bytes;                           /* of one position */
} glim_bench_work;

typedef struct glim_bench {
    const char *path, *csv_path;
    glim_model_flags mf;
    int64_t reps, tokens, n_starts;
    bool quick, json, start_only;
    glim_bench_list prefill, depth, batch;

    glim_model_params params; /* as planned */
    glim_engine *e;
    glim_probe probe;
    glim_instr instr;
    glim_bench_work w;
    glim_kv_seq seq;
    glim_row *rows;
    char cpu[128];
    char plain_key[GLIM_PACKED_KEY]; /* of plain C's logits, which are kept: see plain_row */
    const char *type;
    size_t file_bytes, n_vocab;
    FILE *csv, *table; /* NULL: not wanted */
    json_t *report;
} glim_bench;

typedef struct glim_bench_resident {
    size_t peak, anon, file; /* bytes; file: pages of mapped files, the packed cache among them */
} glim_bench_resident;

/* cmd_bench_run.c */
/* v is sorted. */
glim_bench_stat glim_bench_summary(double *v, size_t n);
json_t *glim_bench_stat_json(glim_bench_stat s);
/* Something that is not measured, and why. */
void glim_bench_note(glim_bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
glim_bench_work glim_bench_count_work(const glim_engine *e);
/* Operations of a pass of n rows; bytes that a step of n sequences reads, keys and values aside. */
double glim_bench_pass_ops(const glim_bench_work *w, double n, double n_logits);
double glim_bench_step_bytes(const glim_bench_work *w, double n);
/* Reads on to position n; logits of the last row if wanted. */
glim_status glim_bench_read_to(glim_bench *b, size_t n, bool logits, glim_progress *bar, size_t done, glim_err *err);
glim_status glim_bench_prefill(glim_bench *b, size_t n, glim_err *err);
glim_status glim_bench_decode(glim_bench *b, size_t depth, glim_err *err);
glim_status glim_bench_streams(glim_bench *b, size_t n_streams, glim_err *err);
void glim_bench_tell_machine(glim_bench *b);

/* cmd_bench_start.c */
glim_bench_resident glim_bench_read_resident(void);
void glim_bench_forget_peak(void);
int glim_bench_start_only(glim_bench *b, glim_err *err);
glim_status glim_bench_starts(glim_bench *b, glim_err *err);

#endif
