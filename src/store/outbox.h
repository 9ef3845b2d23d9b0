/* outbox.h - what happened, written in the same transaction as the change, later moved into the audit log.
 *
 * An event row exists exactly if its change does. Draining appends the rows to DIR/audit.log (audit/chain.h), syncs
 * it, and then in one transaction moves the anchor (count, bytes and hash of the log's head, kept in the store) and
 * deletes the rows. Killed in between, the next drain writes the same bytes to the same place: nothing is lost and
 * nothing is there twice. */
#ifndef GLIM_STORE_OUTBOX_H
#define GLIM_STORE_OUTBOX_H

#include "store/store.h"

typedef struct glim_event {
    const char *actor;  /* "cli:anna", "key:key_...", "glim" */
    const char *action; /* "key.create": noun.verb */
    const char *object; /* what it was done to: an id */
    const char *tenant; /* "" if none */
    const char *detail; /* one JSON object, or "" */
} glim_event;

/* Inside a change: the event of that change. Fields may be NULL, which is "". */
glim_status glim_outbox_add(glim_db *db, int64_t now_us, const glim_event *e, glim_err *err);
/* An event of its own, durable when this returns. */
glim_status glim_outbox_put(glim_store *s, const glim_event *e, glim_err *err);

#endif
