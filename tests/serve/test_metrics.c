/* The page of /metrics: the words that are kept from one scrape to the next are those of a page written anew. */
#include <stdlib.h>

#include "base/json.h"
#include "serve/metrics.h"
#include "test.h"

/* Figures that are all different, so that one in another's place is seen. */
static glim_metrics_now figures(double f) {
    glim_metrics_now n = {.connections = (size_t)(3 * f), .calls = (size_t)(5 * f), .keys = (size_t)(7 * f), .commits = (uint64_t)(11 * f), .started = 1.5e9 + 0.25 * f,
                          .running_adapters = f > 1 ? "a,\"b\"" : "", .waiting_adapters = ""};
    n.sched.running = (size_t)(13 * f), n.sched.prompt_tokens = (uint64_t)(17 * f), n.sched.busy_s = 0.125 * f, n.sched.kv_pages = 100, n.sched.kv_used = (size_t)(19 * f);
    for (int i = 0; i < GLIM_JOB_STATES; i++) n.jobs[i] = (size_t)((31 + i) * f);
    n.job_steps = (uint64_t)(41 * f), n.job_tokens = (uint64_t)(43 * f);
    return n;
}

static void fill(glim_metrics *m, double f) {
    for (int i = 0; i < 40; i++) glim_hist_add(&m->ttft, 0.003 * i * f), glim_hist_add(&m->prompt, 7.0 * i * f), glim_hist_add(&m->e2e, 1.7 * i * f);
    m->finished[1] = (uint64_t)(23 * f), m->responses[4] = (uint64_t)(29 * f);
}

/* Without the lines that the process itself changes. */
static char *scrape(glim_metrics *m, double f, const char *model) {
    glim_buf b = {0};
    glim_metrics_now now = figures(f);
    glim_metrics_write(m, &now, model, &b);
    CHECK(!b.failed);
    char *out = calloc(b.len + 1, 1), *line = strtok(b.s, "\n");
    for (; line; line = strtok(NULL, "\n"))
        if (strncmp(line, "process_", 8) != 0 && strncmp(line, "vllm:lora_requests_info{", 24) != 0) strcat(strcat(out, line), "\n");
    glim_buf_free(&b);
    return out;
}

TEST(a_page_from_kept_words_is_the_page) {
    glim_metrics kept, fresh;
    glim_metrics_init(&kept);
    fill(&kept, 1);
    const struct {
        double f;
        const char *model;
    } turns[] = {{1, "m"}, {2, "m"}, {1000003, "m"}, {1, "other \"name\"\n"}, {2.5, "m"}};
    for (size_t i = 0; i < GLIM_COUNT(turns); i++) {
        glim_metrics_init(&fresh);
        fill(&fresh, 1);
        char *a = scrape(&kept, turns[i].f, turns[i].model), *b = scrape(&fresh, turns[i].f, turns[i].model);
        CHECK_STR(a, b);
        free(a), free(b);
        glim_metrics_free(&fresh);
    }
    glim_metrics_free(&kept);
}

TEST(every_line_is_one_of_prometheus) {
    glim_metrics m;
    glim_metrics_init(&m);
    fill(&m, 1);
    for (int turn = 0; turn < 2; turn++) {
        char *page = scrape(&m, 3, "a \"b\\");
        size_t n = 0;
        CHECK(strstr(page, "vllm:num_requests_running{model_name=\"a \\\"b\\\\\"} 39\n") && strstr(page, "glim_keys 21\n") && strstr(page, "glim_connections 9\n"));
        CHECK(strstr(page, "glim_jobs{state=\"queued\"} 93\n") && strstr(page, "glim_jobs{state=\"running\"} 96\n") && strstr(page, "glim_jobs{state=\"failed\"} 102\n"));
        CHECK(strstr(page, "glim_job_steps_total 123\n") && strstr(page, "glim_job_tokens_total 129\n"));
        CHECK(strstr(page, "vllm:time_to_first_token_seconds_bucket{model_name=\"a \\\"b\\\\\",le=\"0.001\"} 1\n"));
        CHECK(strstr(page, "_count{model_name=\"a \\\"b\\\\\"} 40\n") && strstr(page, "le=\"+Inf\"} 40\n"));
        for (char *line = strtok(page, "\n"); line; line = strtok(NULL, "\n"), n++) {
            if (line[0] == '#') {
                CHECK(strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0);
                continue;
            }
            char *value = strrchr(line, ' '), *end;
            CHECK(value && strspn(line, "abcdefghijklmnopqrstuvwxyz_:") > 4);
            strtod(value + 1, &end);
            CHECK_MSG(end > value + 1 && *end == 0, "%s", line);
        }
        CHECK(n > 200);
        free(page);
    }
    glim_metrics_free(&m);
}
