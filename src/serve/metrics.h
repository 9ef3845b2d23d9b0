/* metrics.h - counters and histograms in Prometheus' text format, under the names that vLLM's dashboards and the
 * Kubernetes inference gateway read. Written by the HTTP thread only. */
#ifndef GLIM_SERVE_METRICS_H
#define GLIM_SERVE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/sched.h"
#include "store/jobs.h"

enum { GLIM_HIST_MAX = 20 };
typedef struct glim_hist {
    const double *bounds;
    size_t n;
    uint64_t count[GLIM_HIST_MAX + 1];
    double sum;
} glim_hist;
void glim_hist_add(glim_hist *h, double v);

/* The words of the page, as the last scrape left them. */
enum { GLIM_METRICS_WORDS = 352 };
typedef struct glim_metrics_words {
    glim_buf label, text;
    size_t end[GLIM_METRICS_WORDS], n; /* where each piece ends in text */
} glim_metrics_words;

typedef struct glim_metrics {
    glim_hist ttft, gap, e2e, queue, prefill, decode, prompt, generated, longest;
    uint64_t finished[3];      /* stop, length, abort */
    uint64_t responses[6];     /* by hundreds of the status */
    glim_metrics_words words;
    double resident;           /* bytes, as of the second resident_at */
    int64_t resident_at;
} glim_metrics;
void glim_metrics_init(glim_metrics *m);

/* What others count. */
typedef struct glim_metrics_now {
    glim_sched_stats sched;
    size_t connections, calls, ledger_open, keys;
    uint64_t commits, changes; /* of the store */
    size_t jobs[GLIM_JOB_STATES];
    uint64_t job_steps, job_tokens;
    size_t grammars, grammar_bytes, grammar_hits, grammar_misses;
    size_t max_adapters;
    const char *running_adapters, *waiting_adapters; /* comma-separated */
    double started; /* seconds since 1970 */
} glim_metrics_now;
void glim_metrics_free(glim_metrics *m);
void glim_metrics_write(glim_metrics *m, const glim_metrics_now *now, const char *model, glim_buf *out);

#endif
