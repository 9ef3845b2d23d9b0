/* outbox.h - what happened, written in the same transaction as the change, later moved into the audit log.
 *
 * An event row exists exactly if its change does. Draining appends the rows to DIR/audit.log (audit/chain.h), syncs
 * it, and then in one transaction moves the anchor (count, bytes and hash of the log's head, kept in the store) and
 * deletes the rows. Killed in between, the next drain writes the same bytes to the same place: nothing is lost and
 * nothing is there twice. */
#ifndef GLIM_STORE_OUTBOX_H
#define GLIM_STORE_OUTBOX_H

#include "audit/chain.h"
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

/* Moves every waiting row into the log. The committing thread does so every second, an owner when it opens and
 * closes, a guest when it closes and there is no owner. Errors: GLIM_E_FORMAT (the log was cut), GLIM_E_IO. */
glim_status glim_outbox_drain(glim_store *s, glim_err *err);

/* The anchor, and how many rows wait behind it. */
glim_status glim_outbox_head(glim_store *s, glim_chain_head *head, int64_t *n_waiting, glim_err *err);

typedef struct glim_audit_result {
    glim_chain_head head; /* what was verified */
    int64_t n_waiting;    /* events that are not in the log yet */
} glim_audit_result;
/* Is DIR/audit.log what this store wrote? Every record is read; a head noted elsewhere (`mark`, may be NULL: count and
 * hash as `glim audit head` printed them) must lie on the chain. Right also while a server appends.
 * Errors: GLIM_E_FORMAT says what was done to it and where. */
glim_status glim_audit_verify(glim_store *s, const glim_chain_head *mark, glim_audit_result *out, glim_err *err);
/* Calls fn for every record of the log up to the anchor, checking as it goes. */
glim_status glim_audit_list(glim_store *s, glim_chain_fn fn, void *ctx, glim_err *err);
/* Inside a read: every event of that snapshot, oldest first, those that wait for the log too (`after` is NULL for these). What else the
 * snapshot shows is then what these events made of it. fn stops with false: GLIM_E_CANCELLED. Errors: as glim_audit_verify. */
glim_status glim_outbox_each(const glim_store *s, glim_db *db, glim_chain_fn fn, void *ctx, glim_err *err);
/* Inside a read: the anchor of that snapshot. For backups. */
glim_status glim_outbox_anchor(glim_db *db, glim_chain_head *h, glim_err *err);

#endif
