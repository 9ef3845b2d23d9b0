/* show.h - what of an answer may be shown: whole characters, and never a stop string or its beginning.
 *
 * Ids go in, bytes gather in `pending`; the caller shows the first n of them and drops them. Shared by
 * sessions and the scheduler. Initialise with {0} and the stop strings; glim_buf_reserve(&pending) ahead keeps a
 * step free of allocations. */
#ifndef GLIM_ENGINE_SHOW_H
#define GLIM_ENGINE_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "text/tok.h"

typedef struct glim_show {
    const char *const *stop; /* borrowed; empty ones are passed over */
    size_t n_stop;
    glim_tok_stream chars;
    glim_buf pending; /* decoded but not shown: may begin a stop string */
    bool stopped;     /* a stop string was found: nothing behind it is ever shown */
} glim_show;

/* Takes one id; returns how many bytes of pending.s may be shown now. */
size_t glim_show_put(glim_show *w, const glim_tok *t, int32_t id, bool keep_special);
/* The answer has ended: returns how many bytes may still be shown. */
size_t glim_show_end(glim_show *w);
/* The first n bytes were shown. */
void glim_show_drop(glim_show *w, size_t n);
void glim_show_deinit(glim_show *w);

#endif
