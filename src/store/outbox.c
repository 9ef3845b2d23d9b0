/* outbox.c - see outbox.h. */
#include "store/outbox.h"

#include "store/store_internal.h"

static const char *text(const char *t) { return t ? t : ""; }

glim_status glim_outbox_add(glim_db *db, int64_t now_us, const glim_event *e, glim_err *err) {
    return glim_db_run(db, err, "INSERT INTO outbox(time, actor, action, object, tenant, detail) VALUES(?, ?, ?, ?, ?, ?)",
                       "isssss", now_us, text(e->actor), text(e->action), text(e->object), text(e->tenant), text(e->detail));
}

typedef struct put_ctx {
    const glim_event *e;
    int64_t now;
} put_ctx;

static glim_status put(glim_db *db, void *ctx, glim_err *err) {
    put_ctx *p = ctx;
    return glim_outbox_add(db, p->now, p->e, err);
}

glim_status glim_outbox_put(glim_store *s, const glim_event *e, glim_err *err) {
    return glim_store_run(s, put, &(put_ctx){e, glim_store_now_us(s)}, err);
}
