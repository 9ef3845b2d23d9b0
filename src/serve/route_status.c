/* route_status.c - /health, /live, /metrics: for whoever watches the server. */
#include "serve/routes.h"

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

enum MHD_Result glim_route_metrics(glim_call *c) {
    glim_buf b = {0};
    glim_sched_stats st;
    glim_sched_stats_get(c->s->d, &st);
    glim_metrics_write(&c->s->metrics, &st, c->s->facts.model, &b);
    return glim_call_reply(c, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}
