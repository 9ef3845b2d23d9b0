/* chain.h - an append-only event log in which every record carries the hash of the one before it.
 *
 *   bytes 0-15     "GLIMAUDT", u32 version (1), u32 0
 *   then records   u32 bytes of the whole record
 *                  u16 lengths of actor, action, object, tenant; u32 length of detail
 *                  u64 sequence number, from 1; i64 microseconds since 1970
 *                  32 bytes hash of the record before (of the first 16 bytes of the file for the first one)
 *                  the five texts, without terminators
 *                  32 bytes SHA-256 of everything in this record before them
 *
 * All little-endian. A head (count, bytes, hash) says where a log ends and what it holds: whoever keeps a head
 * elsewhere can tell any edit, drop, reorder, insertion or truncation of what lies before it, because the last hash
 * depends on every byte. The store keeps one in its database (store/outbox.h), and `glim audit head` prints it for
 * a place that this machine cannot rewrite.
 *
 * This file is the mechanism. It knows neither who may write nor where the head is kept.
 * Threads    no state is kept between calls; one writer at a time is the caller's business. */
#ifndef GLIM_AUDIT_CHAIN_H
#define GLIM_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    GLIM_CHAIN_HEADER = 16,
    GLIM_CHAIN_FIXED = 64 + 32,    /* of a record, without its texts */
    GLIM_CHAIN_TEXT = 4096,        /* most bytes of actor, action, object, tenant */
    GLIM_CHAIN_DETAIL = 1 << 20    /* most bytes of detail */
};

typedef struct glim_chain_head {
    uint64_t count; /* records */
    uint64_t bytes; /* of the file, header included */
    uint8_t hash[32];
} glim_chain_head;

typedef struct glim_chain_event {
    uint64_t seq; /* given by glim_chain_encode */
    int64_t time_us;
    const char *actor, *action, *object, *tenant, *detail;
} glim_chain_event;

/* The head of a log without records. */
void glim_chain_begin(glim_chain_head *h);
/* "COUNT:64 hex digits", into buf, which is returned; and back. Bytes are not part of the text. */
enum { GLIM_CHAIN_HEAD_TEXT = 20 + 1 + 64 + 1 };
const char *glim_chain_head_text(char buf[GLIM_CHAIN_HEAD_TEXT], const glim_chain_head *h);
glim_status glim_chain_head_parse(glim_chain_head *h, const char *text, glim_err *err);

/* Appends one record after *h to out and moves *h behind it. Errors: GLIM_E_LIMIT (texts too long), GLIM_E_NOMEM. */
glim_status glim_chain_encode(glim_buf *out, glim_chain_head *h, const glim_chain_event *e, glim_err *err);

/* Puts n bytes behind `from` in the file and syncs it; makes the file when from->count is 0. What lies behind `from`
 * already (a write that was never acknowledged) is overwritten; *replaced says whether it was anything else than the
 * beginning of these very bytes. Errors: GLIM_E_FORMAT when the file is shorter than `from` says, GLIM_E_IO. */
glim_status glim_chain_write(const char *path, const glim_chain_head *from, const void *bytes, size_t n, bool *replaced, glim_err *err);

/* Called for each good record, texts 0-terminated and valid for the call; false stops with GLIM_E_CANCELLED. */
typedef bool (*glim_chain_fn)(void *ctx, const glim_chain_event *e, const glim_chain_head *after);
/* Reads the records between two heads and checks that they lead from the one to the other. fn may be NULL. With `to`
 * NULL it reads to the end of the file. *reached (may be NULL) is the last good head in any case.
 * Errors: GLIM_E_FORMAT says which record, at which byte, and what is wrong with it; GLIM_E_NOT_FOUND; GLIM_E_IO. */
glim_status glim_chain_read(const char *path, const glim_chain_head *from, const glim_chain_head *to, glim_chain_fn fn, void *ctx,
                            glim_chain_head *reached, glim_err *err);

#endif
