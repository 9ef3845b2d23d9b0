/* ahead.h - a thread that has the pages of a mapped file read before they are needed. */
#ifndef GLIM_MODEL_AHEAD_H
#define GLIM_MODEL_AHEAD_H

#include <stddef.h>

typedef struct glim_ahead_range {
    const void *data;
    size_t n_bytes;
} glim_ahead_range;

typedef struct glim_ahead glim_ahead;

/* Begins to read the n ranges of mapped files, in order, never more than `most` bytes beyond the range in work (at first the first).
 * The ranges and what they name must stay until glim_ahead_stop. NULL if the system cannot (Linux before 5.14, no thread):
 * then pages are read when they are touched, as ever. Ranges that cannot be read are left for whoever touches them. */
glim_ahead *glim_ahead_start(const glim_ahead_range *ranges, size_t n, size_t most);
/* The range in work is finished, and not read again; the next one is in work. NULL is fine. */
void glim_ahead_next(glim_ahead *a);
/* Ends the thread, within some milliseconds of the disk's time. NULL is fine. */
void glim_ahead_stop(glim_ahead *a);

#endif
