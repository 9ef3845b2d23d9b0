/* sink.h - a file being written piece by piece, so that a crash leaves the old file or the new.
 *
 *   open() --write()...--> close() --commit()--> the file has its name
 *                             \---- free() without commit: nothing is left behind
 *
 * Bytes go to "<path>.tmp.<pid>"; close flushes and fsyncs, commit renames and fsyncs the folder. A set
 * of files is closed one by one and committed together at the end. Model writers stream through this:
 * they never hold a model in memory. */
#ifndef GLIM_FORMAT_SINK_H
#define GLIM_FORMAT_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/ckpt.h"

typedef struct glim_sink glim_sink;

/* Errors of all: GLIM_E_IO naming the path and what the system said; GLIM_E_NOMEM. */
glim_status glim_sink_open(glim_sink **out, const char *path, glim_err *err);
/* The same for its owner alone: mode 0600 from its first byte. */
glim_status glim_sink_open_secret(glim_sink **out, const char *path, glim_err *err);
glim_status glim_sink_write(glim_sink *s, const void *bytes, size_t n, glim_err *err);
glim_status glim_sink_zeros(glim_sink *s, size_t n, glim_err *err);
uint64_t glim_sink_pos(const glim_sink *s); /* bytes written so far */
glim_status glim_sink_close(glim_sink *s, glim_err *err);
glim_status glim_sink_commit(glim_sink *s, glim_err *err); /* closes first if need be */
void glim_sink_free(glim_sink *s);                         /* takes NULL */

/* A tensor to be written: bytes at `data`, or, where data is NULL, whatever `fill` pushes into the sink
 * when its turn comes. fill must write exactly the bytes of the shape, in any number of writes. */
typedef struct glim_tensor_out {
    const char *name;
    glim_dtype type;
    int n_dims;
    size_t dims[GLIM_MAX_DIMS]; /* outermost first, in both formats */
    const void *data;
    glim_status (*fill)(void *ctx, const struct glim_tensor_out *t, glim_sink *sink, glim_err *err);
    void *ctx;
} glim_tensor_out;

/* Writes one tensor and checks that it was n_bytes long. */
glim_status glim_sink_tensor(glim_sink *s, const glim_tensor_out *t, size_t n_bytes, glim_err *err);

#endif
