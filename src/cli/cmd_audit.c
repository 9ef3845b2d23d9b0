/* cmd_audit.c - glim audit: the event log verified, listed, and its head for keeping elsewhere. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/folder.h"
#include "store/days.h"
#include "store/outbox.h"
#include "train/dp_ledger.h"

static int verify(int argc, char **argv) {
    const char *data = NULL, *head = NULL;
    bool json = false;
    const glim_flag own[] = {{"--head", NULL, GLIM_FLAG_STR, &head, "HEAD", "a head noted earlier must lie on the chain (COUNT:HASH)", 0, 0},
                             {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0},
                             GLIM_DATA_FLAG(&data),
                             {0}};
    const glim_page u = {"glim audit verify",
                          "Reads the whole event log: any edit, drop, reorder, insertion or cut is found, and where. Works beside a running\n"
                          "server. Also holds the privacy ledger (glim privacy) against its events in the log. Exit code 2 if anything is\n"
                          "wrong.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 0);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    glim_chain_head mark;
    glim_audit_result r = {0};
    glim_dp_verified book = {0};
    char text[GLIM_CHAIN_HEAD_TEXT];
    glim_status rc = head ? glim_chain_head_parse(&mark, head, &err) : GLIM_OK;
    if (rc == GLIM_OK) rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_audit_verify(s, head ? &mark : NULL, &r, &err);
    if (rc == GLIM_OK) rc = glim_dp_ledger_verify(s, &book, &err);
    if (s && json) {
        glim_err out = {0};
        json_t *v = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "ok", rc == GLIM_OK, "records", (json_int_t)r.head.count, "bytes", (json_int_t)r.head.bytes,
                              "waiting", (json_int_t)r.n_waiting, "private_sets", (json_int_t)book.n_sets, "private_runs", (json_int_t)book.n_runs,
                              "private_steps", (json_int_t)book.n_steps, "runs_not_compared", (json_int_t)book.n_old, "budgets_not_compared", (json_int_t)book.n_unsaid,
                              "head", glim_chain_head_text(text, &r.head));
        if (rc != GLIM_OK) json_object_set_new(v, "error", json_string(err.msg));
        glim_status put = glim_cli_put_json(v, &out);
        if (rc == GLIM_OK && put != GLIM_OK) rc = put, err = out;
    } else if (rc == GLIM_OK) {
        printf("%" PRIu64 " records, %" PRIu64 " bytes: nothing was changed, dropped, moved or cut\n", r.head.count, r.head.bytes);
        if (r.n_waiting) printf("%" PRId64 " events wait to be added\n", r.n_waiting);
        if (book.n_sets)
            printf("privacy ledger: %zu data sets, %zu runs, %" PRIu64 " steps charged, as the log says\n", book.n_sets, book.n_runs, book.n_steps);
        if (book.n_old) printf("%zu open runs are from before steps had events: what these were charged is not compared\n", book.n_old);
        if (book.n_unsaid) printf("%zu data sets have a budget that no event says: it is not compared; `glim privacy budget` says it\n", book.n_unsaid);
        printf("head %s\n", glim_chain_head_text(text, &r.head));
    }
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

static int head_cmd(int argc, char **argv) {
    const char *data = NULL;
    const glim_flag own[] = {GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim audit head",
                          "The log's head, COUNT:HASH. Keep it on another machine: `glim audit verify --head` then finds even a log that was\n"
                          "rewritten together with the database.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 0);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    glim_chain_head h;
    int64_t n;
    char text[GLIM_CHAIN_HEAD_TEXT];
    glim_status rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_outbox_head(s, &h, &n, &err);
    if (rc == GLIM_OK) puts(glim_chain_head_text(text, &h));
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

typedef struct listing {
    const char *action, *tenant, *object;
    int64_t from_us, end_us;
    bool json;
    glim_buf line;
} listing;

static bool one(void *ctx, const glim_chain_event *e, const glim_chain_head *after) {
    (void)after;
    listing *l = ctx;
    if ((l->action && strcmp(l->action, e->action) != 0) || (l->tenant && strcmp(l->tenant, e->tenant) != 0) ||
        (l->object && strcmp(l->object, e->object) != 0) || e->time_us < l->from_us || (l->end_us && e->time_us >= l->end_us))
        return true;
    char time[32];
    glim_time_text(time, e->time_us);
    glim_buf_clear(&l->line);
    if (l->json) {
        const char *const name[] = {"actor", "action", "object", "tenant", "detail"}, *const text[] = {e->actor, e->action, e->object, e->tenant, e->detail};
        glim_buf_printf(&l->line, "{\"seq\": %" PRIu64 ", \"time\": \"%s\"", e->seq, time);
        for (size_t i = 0; i < GLIM_COUNT(name); i++) {
            glim_buf_printf(&l->line, ", \"%s\": ", name[i]);
            glim_json_put_str(&l->line, text[i], strlen(text[i]));
        }
        glim_buf_puts(&l->line, "}\n");
    } else {
        glim_buf out = {0};
        glim_buf_printf(&out, "%8" PRIu64 "  %s  %-16s %-16s %-34s %-12s %s", e->seq, time, e->actor, e->action, e->object, e->tenant, e->detail);
        glim_cli_printable(&l->line, glim_buf_cstr(&out), out.len);
        glim_buf_putc(&l->line, '\n');
        glim_buf_free(&out);
    }
    return !l->line.failed && fwrite(glim_buf_cstr(&l->line), 1, l->line.len, stdout) == l->line.len;
}

static int list(int argc, char **argv) {
    const char *data = NULL, *from = NULL, *to = NULL;
    listing l = {0};
    bool month;
    const glim_flag own[] = {{"--action", NULL, GLIM_FLAG_STR, &l.action, "NAME", "only these, for instance key.revoke", 0, 0},
                             {"--tenant", NULL, GLIM_FLAG_STR, &l.tenant, "ID", "only this tenant's", 0, 0},
                             {"--object", NULL, GLIM_FLAG_STR, &l.object, "ID", "only what was done to this", 0, 0},
                             {"--from", NULL, GLIM_FLAG_STR, &from, "DAY", "first day or month, UTC", 0, 0},
                             {"--to", NULL, GLIM_FLAG_STR, &to, "DAY", "last day or month", 0, 0},
                             {"--json", NULL, GLIM_FLAG_BOOL, &l.json, NULL, "one JSON object a line", 0, 0},
                             GLIM_DATA_FLAG(&data),
                             {0}};
    const glim_page u = {"glim audit list", "The events, oldest first, checked while they are read.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 0);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_store *s = NULL;
    int64_t day;
    glim_status rc = GLIM_OK;
    if (from && (rc = glim_day_parse(&day, &month, from, "--from", &err)) == GLIM_OK) l.from_us = day * 86400000000;
    if (rc == GLIM_OK && to && (rc = glim_day_parse(&day, &month, to, "--to", &err)) == GLIM_OK)
        l.end_us = (month ? glim_day_next_month(day) : day + 1) * 86400000000;
    if (rc == GLIM_OK) rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_audit_list(s, one, &l, &err);
    if (rc == GLIM_E_CANCELLED) rc = glim_fail(&err, GLIM_E_IO, "could not write to stdout");
    glim_buf_free(&l.line);
    glim_store_close(s);
    return glim_cli_end(rc, &err);
}

int glim_cmd_audit(int argc, char **argv) {
    static const glim_subverb subs[] = {{"verify", "was anything done to the event log?", verify},
                                        {"list", "the events", list},
                                        {"head", "the log's head, for keeping elsewhere", head_cmd}};
    return glim_cli_subverb(argc, argv, "audit", "The event log: who did what, in a chain of hashes.", subs, GLIM_COUNT(subs), NULL);
}
