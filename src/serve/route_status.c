/* route_status.c - /health, /live, /metrics: for whoever watches the server. */
#include <string.h>

#include "serve/jobs.h"
#include "serve/routes.h"
#include "serve/shelf.h"

enum MHD_Result glim_route_health(glim_call *c) {
    if (c->s->draining) {
        glim_api_fail(&c->error, 503, "shutting_down", NULL, "the server is shutting down");
        return glim_call_fail(c);
    }
    return glim_route_live(c);
}

enum MHD_Result glim_route_live(glim_call *c) {
    glim_buf b = {0};
    glim_buf_puts(&b, "{\"status\": \"ok\"}");
    return glim_call_ok(c, &b);
}

static void add_name(glim_buf *b, const char *name) {
    size_t n = strlen(name);
    for (const char *p = b->s; p && *p; p += strcspn(p, ",")) {
        p += *p == ',';
        if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == 0)) return;
    }
    if (b->len) glim_buf_putc(b, ',');
    glim_buf_puts(b, name);
}

enum MHD_Result glim_route_metrics(glim_call *c) {
    glim_server *s = c->s;
    glim_buf b = {0}, running = {0}, waiting = {0};
    glim_metrics_now now = {.ledger_open = glim_ledger_open_count(s->store), .keys = glim_keyring_size(s->store), .started = (double)s->started};
    glim_sched_stats_get(c->b->d, &now.sched);
    glim_store_commit_counts(s->store, &now.commits, &now.changes);
    glim_job_counts(s->store, now.jobs);
    glim_jobs_trained(s, &now.job_steps, &now.job_tokens);
    for (const glim_conn *k = s->conns; k; k = k->next) now.connections++;
    for (const glim_call *k = s->calls; k; k = k->next) {
        now.calls++;
        if (!k->away && k->adapter && k->n_open && glim_shelf_shows(c, k->adapter)) add_name(k->started ? &running : &waiting, k->adapter);
    }
    if (pthread_mutex_trylock(&c->b->grammar_mu) == 0) { /* held while the vocabulary is prepared: nobody waits for a figure */
        glim_constraint_cache_stats g = {0};
        if (c->b->grammars) g = glim_constraint_cache_look(c->b->grammars);
        pthread_mutex_unlock(&c->b->grammar_mu);
        now.grammars = g.n, now.grammar_bytes = g.bytes, now.grammar_hits = g.hits, now.grammar_misses = g.misses;
    }
    now.max_adapters = now.sched.adapters;
    now.running_adapters = glim_buf_cstr(&running);
    now.waiting_adapters = glim_buf_cstr(&waiting);
    glim_metrics_write(&s->metrics, &now, c->b->facts.model, &b);
    glim_buf_free(&running);
    glim_buf_free(&waiting);
    return glim_call_reply(c, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}
