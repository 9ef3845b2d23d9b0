/* metrics.c - see metrics.h. */
#include "serve/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"

/* Bounds of vLLM's histograms, so that a dashboard's quantiles mean the same. */
static const double gap_s[] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5};
static const double ttft_s[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40};
static const double long_s[] = {0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960};
static const double tokens[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

void glim_hist_add(glim_hist *h, double v) {
    size_t i = 0;
    while (i < h->n && v > h->bounds[i]) i++;
    h->count[i]++;
    h->sum += v;
}

void glim_metrics_init(glim_metrics *m) {
    memset(m, 0, sizeof *m);
    m->ttft.bounds = ttft_s, m->ttft.n = GLIM_COUNT(ttft_s);
    m->gap.bounds = gap_s, m->gap.n = GLIM_COUNT(gap_s);
    glim_hist *const slow[] = {&m->e2e, &m->queue, &m->prefill, &m->decode}, *const count[] = {&m->prompt, &m->generated, &m->longest};
    for (size_t i = 0; i < GLIM_COUNT(slow); i++) slow[i]->bounds = long_s, slow[i]->n = GLIM_COUNT(long_s);
    for (size_t i = 0; i < GLIM_COUNT(count); i++) count[i]->bounds = tokens, count[i]->n = GLIM_COUNT(tokens);
}

/* ---- a page whose words are written once ----
 *
 * Names, help and bounds are the same in every scrape, and printing them is what a scrape would cost: the first one keeps
 * the words between two numbers, and later ones copy them. The order of words is the same each time. */

typedef struct page {
    glim_buf *out;
    glim_metrics_words *words;
    size_t at;     /* the next of them */
    bool learning; /* they are being written */
} page;

__attribute__((format(printf, 2, 3))) static void say(page *p, const char *fmt, ...) {
    glim_metrics_words *w = p->words;
    if (p->learning) {
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n >= 0) glim_buf_reserve(&w->text, (size_t)n + 1);
        if (n < 0 || w->n == GLIM_METRICS_WORDS || w->text.failed) {
            w->text.failed = p->out->failed = true;
            return;
        }
        va_start(ap, fmt);
        w->text.len += (size_t)vsnprintf(w->text.s + w->text.len, (size_t)n + 1, fmt, ap);
        va_end(ap);
        w->end[w->n++] = w->text.len;
    }
    size_t from = p->at ? w->end[p->at - 1] : 0;
    glim_buf_append(p->out, w->text.s + from, w->end[p->at++] - from);
}

static void put_u64(glim_buf *b, uint64_t v) {
    char text[20];
    size_t at = sizeof text;
    do text[--at] = (char)('0' + v % 10);
    while (v /= 10);
    glim_buf_append(b, text + at, sizeof text - at);
}

static void put(glim_buf *b, double v) {
    if (v >= 0 && v < 1e15 && v == (double)(uint64_t)v) put_u64(b, (uint64_t)v);
    else glim_json_put_real(b, v);
}

static void one(page *p, const char *name, const char *kind, const char *help, const char *label, double v) {
    say(p, "# HELP %s %s\n# TYPE %s %s\n%s{%s} ", name, help, name, kind, name, label);
    put(p->out, v);
    glim_buf_putc(p->out, '\n');
}

static void hist(page *p, const char *name, const char *help, const char *label, const glim_hist *h) {
    glim_buf *b = p->out;
    uint64_t sum = 0;
    say(p, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    for (size_t i = 0; i < h->n; i++) {
        char bound[32] = "";
        glim_buf text = {0};
        if (p->learning) glim_json_put_real(&text, h->bounds[i]);
        snprintf(bound, sizeof bound, "%s", glim_buf_cstr(&text));
        glim_buf_free(&text);
        sum += h->count[i];
        say(p, "%s_bucket{%s,le=\"%s\"} ", name, label, bound);
        put_u64(b, sum);
        glim_buf_putc(b, '\n');
    }
    sum += h->count[h->n];
    say(p, "%s_bucket{%s,le=\"+Inf\"} ", name, label);
    put_u64(b, sum);
    say(p, "\n%s_sum{%s} ", name, label);
    put(b, h->sum);
    say(p, "\n%s_count{%s} ", name, label);
    put_u64(b, sum);
    glim_buf_putc(b, '\n');
}

static void head(page *p, const char *name, const char *kind, const char *help) {
    say(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void plain(page *p, const char *name, const char *kind, const char *help, double v) {
    say(p, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, kind, name);
    put(p->out, v);
    glim_buf_putc(p->out, '\n');
}

/* What the Kubernetes inference gateway reads beside the queue and the cache: page size and number, adapters in use. */
static void gateway(page *p, const char *label, const glim_metrics_now *now) {
    glim_buf *b = p->out;
    head(p, "vllm:cache_config_info", "gauge", "Size and number of KV pages.");
    glim_buf_printf(b, "vllm:cache_config_info{%s,block_size=\"%zu\",num_gpu_blocks=\"%zu\"} 1\n", label, now->sched.page_tokens, now->sched.kv_pages);
    head(p, "vllm:lora_requests_info", "gauge", "Adapters that requests use now.");
    glim_buf_printf(b, "vllm:lora_requests_info{max_lora=\"%zu\",running_lora_adapters=", now->max_adapters);
    glim_json_put_str(b, now->running_adapters, strlen(now->running_adapters));
    glim_buf_puts(b, ",waiting_lora_adapters=");
    glim_json_put_str(b, now->waiting_adapters, strlen(now->waiting_adapters));
    glim_buf_printf(b, "} %lld\n", (long long)time(NULL));
}

/* Of this process, under the names of Prometheus' client libraries. Memory is asked for once a second: the kernel adds it up
 * for each question. */
static void process(glim_metrics *m, page *p, double started) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (m->resident <= 0 || t.tv_sec != m->resident_at) {
        long pages = 0;
        FILE *f = fopen("/proc/self/statm", "r");
        if (f && fscanf(f, "%*s %ld", &pages) != 1) pages = 0;
        if (f) fclose(f);
        m->resident = (double)pages * (double)sysconf(_SC_PAGESIZE);
        m->resident_at = t.tv_sec;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    plain(p, "process_resident_memory_bytes", "gauge", "Resident memory.", m->resident);
    plain(p, "process_cpu_seconds_total", "counter", "CPU time.", (double)t.tv_sec + (double)t.tv_nsec * 1e-9);
    plain(p, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.", started);
}

void glim_metrics_free(glim_metrics *m) {
    glim_buf_free(&m->words.text);
    glim_buf_free(&m->words.label);
    m->words.n = 0;
}

void glim_metrics_write(glim_metrics *m, const glim_metrics_now *now, const char *model, glim_buf *out) {
    glim_metrics_words *w = &m->words;
    const glim_sched_stats *st = &now->sched;
    glim_buf name = {0};
    glim_buf_puts(&name, "model_name=");
    glim_json_put_str(&name, model, strlen(model)); /* a JSON string is a label value too: \" \\ \n */
    bool known = w->n && !w->text.failed && strcmp(glim_buf_cstr(&w->label), glim_buf_cstr(&name)) == 0;
    if (!known) {
        glim_metrics_free(m);
        w->label = name;
    } else glim_buf_free(&name);
    const char *l = glim_buf_cstr(&w->label);
    page writer = {.out = out, .words = w, .learning = !known}, *b = &writer;
    double pages = st->kv_pages ? (double)st->kv_pages : 1;
    one(b, "vllm:num_requests_running", "gauge", "Sequences in the running batch.", l, (double)st->running);
    one(b, "vllm:num_requests_waiting", "gauge", "Requests that wait for a place.", l, (double)st->waiting);
    one(b, "vllm:kv_cache_usage_perc", "gauge", "Share of KV pages held by sequences, 1 is all.", l, (double)(st->kv_used - st->kv_prefix) / pages);
    one(b, "vllm:prompt_tokens_total", "counter", "Prompt tokens.", l, (double)st->prompt_tokens);
    one(b, "vllm:generation_tokens_total", "counter", "Generated tokens.", l, (double)st->completion_tokens);
    one(b, "vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache.", l, (double)st->prefix_queries);
    one(b, "vllm:prefix_cache_hits_total", "counter", "Prompt tokens found in the prefix cache.", l, (double)st->prefix_hits);
    one(b, "vllm:num_preemptions_total", "counter", "Sequences that gave their pages away.", l, (double)st->preemptions);
    one(b, "vllm:spec_decode_num_draft_tokens_total", "counter", "Guessed tokens.", l, (double)st->draft_tokens);
    one(b, "vllm:spec_decode_num_accepted_tokens_total", "counter", "Guessed tokens that were right.", l, (double)st->draft_ok_tokens);
    static const char *const reasons[] = {"stop", "length", "abort"};
    head(b, "vllm:request_success_total", "counter", "Choices by the reason they ended.");
    for (size_t i = 0; i < GLIM_COUNT(reasons); i++) {
        say(b, "vllm:request_success_total{%s,finished_reason=\"%s\"} ", l, reasons[i]);
        put_u64(out, m->finished[i]);
        glim_buf_putc(out, '\n');
    }
    hist(b, "vllm:time_to_first_token_seconds", "From the whole request read to its first token.", l, &m->ttft);
    hist(b, "vllm:inter_token_latency_seconds", "Between two tokens of a choice, as they leave the engine.", l, &m->gap);
    hist(b, "vllm:e2e_request_latency_seconds", "From the whole request read to its end.", l, &m->e2e);
    hist(b, "vllm:request_queue_time_seconds", "Waiting for a place.", l, &m->queue);
    hist(b, "vllm:request_prefill_time_seconds", "Reading the prompt.", l, &m->prefill);
    hist(b, "vllm:request_decode_time_seconds", "Writing the answer.", l, &m->decode);
    hist(b, "vllm:request_prompt_tokens", "Prompt tokens of a request.", l, &m->prompt);
    hist(b, "vllm:request_generation_tokens", "Generated tokens of a request.", l, &m->generated);
    hist(b, "vllm:request_max_num_generation_tokens", "Generated tokens of the longest of a request's choices.", l, &m->longest);
    one(b, "glim_requests_refused_total", "counter", "Requests refused because the queue was full.", l, (double)st->refused);
    one(b, "glim_sequences_stalled", "gauge", "Sequences whose client does not read.", l, (double)st->stalled);
    one(b, "glim_engine_busy_seconds_total", "counter", "Time spent in steps.", l, st->busy_s);
    head(b, "glim_http_responses_total", "counter", "Replies by status.");
    for (int i = 2; i < 6; i++) {
        say(b, "glim_http_responses_total{status=\"%dxx\"} ", i);
        put_u64(out, m->responses[i]);
        glim_buf_putc(out, '\n');
    }
    plain(b, "glim_connections", "gauge", "Open connections.", (double)now->connections);
    plain(b, "glim_calls", "gauge", "Requests being worked for.", (double)now->calls);
    plain(b, "glim_keys", "gauge", "API keys, dead ones included.", (double)now->keys);
    plain(b, "glim_ledger_open", "gauge", "Open reservations.", (double)now->ledger_open);
    plain(b, "glim_store_commits_total", "counter", "Transactions of the store.", (double)now->commits);
    plain(b, "glim_store_changes_total", "counter", "Changes in them.", (double)now->changes);
    plain(b, "glim_grammars", "gauge", "Compiled grammars kept.", (double)now->grammars);
    plain(b, "glim_grammar_bytes", "gauge", "Their memory.", (double)now->grammar_bytes);
    plain(b, "glim_grammar_hits_total", "counter", "Requests whose grammar was there.", (double)now->grammar_hits);
    plain(b, "glim_grammar_misses_total", "counter", "Requests whose grammar was compiled.", (double)now->grammar_misses);
    head(b, "glim_jobs", "gauge", "Fine-tuning jobs of the data folder by state; those that ended are counted for good.");
    for (int i = 0; i < GLIM_JOB_STATES; i++) {
        say(b, "glim_jobs{state=\"%s\"} ", glim_job_state_name((glim_job_state)i));
        put_u64(out, now->jobs[i]);
        glim_buf_putc(out, '\n');
    }
    plain(b, "glim_job_steps_total", "counter", "Training steps of jobs since the server began.", (double)now->job_steps);
    plain(b, "glim_job_tokens_total", "counter", "Tokens that they were trained on.", (double)now->job_tokens);
    gateway(b, l, now);
    process(m, b, now->started);
    if (w->text.failed) glim_metrics_free(m); /* too little memory, or words: they are written anew next time */
}
