/* state.c - see state.h. */
#include "train/state.h"

#include <math.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/sink.h"
#include "format/sum64.h"

typedef struct header {
    char magic[8];
    uint32_t version, n_pieces;
    glim_run_state s;
    uint64_t bytes[GLIM_STATE_PIECES];
    uint64_t sum; /* of what stands before it, and of the pieces */
} header;
enum { VERSION = 1, PART = 64 << 20 };
static const char MAGIC[8] = "GLIMTUNE", NEW[] = "state.glim", OLD[] = "state.old";

static uint64_t sum_header(const header *h) { return glim_sum64(VERSION, h, offsetof(header, sum)); }

bool glim_state_is_in(const char *folder) {
    char *whole = glim_path_join(folder, NEW), *before = glim_path_join(folder, OLD);
    const bool yes = glim_path_exists(whole) || glim_path_exists(before);
    free(whole);
    free(before);
    return yes;
}

glim_status glim_state_write(const char *folder, const glim_run_state *s, const glim_piece *pieces, size_t n, bool secret, glim_err *err) {
    header h;
    memset(&h, 0, sizeof h); /* its padding is written too */
    memcpy(h.magic, MAGIC, sizeof h.magic);
    h.version = VERSION, h.n_pieces = (uint32_t)n, h.s = *s;
    for (size_t i = 0; i < n; i++) h.bytes[i] = pieces[i].n_bytes;
    h.sum = sum_header(&h);
    for (size_t i = 0; i < n; i++) h.sum = glim_sum64(h.sum, pieces[i].data, pieces[i].n_bytes);
    char *new = glim_path_join(folder, NEW), *old = glim_path_join(folder, OLD);
    glim_sink *sink = NULL;
    glim_status rc = secret ? glim_sink_open_secret(&sink, new, err) : glim_sink_open(&sink, new, err);
    if (rc == GLIM_OK) rc = glim_sink_write(sink, &h, sizeof h, err);
    for (size_t i = 0; i < n && rc == GLIM_OK; i++)
        for (size_t at = 0; at < pieces[i].n_bytes && rc == GLIM_OK; at += PART) {
            const size_t left = pieces[i].n_bytes - at;
            rc = glim_sink_write(sink, (const char *)pieces[i].data + at, left < PART ? left : PART, err);
        }
    if (rc == GLIM_OK) rc = glim_sink_close(sink, err);
    if (rc == GLIM_OK && rename(new, old) != 0 && errno != ENOENT) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not rename \"%s\"", new);
    if (rc == GLIM_OK) rc = glim_sink_commit(sink, err);
    glim_sink_free(sink);
    free(new);
    free(old);
    return rc;
}

/* GLIM_E_FORMAT: not whole. With pieces NULL only looks. */
static glim_status read_one(const char *path, uint64_t fingerprint, glim_run_state *s, const glim_piece *pieces, size_t n, bool copy,
                            glim_err *err) {
    glim_map m;
    glim_status rc = glim_map_open(&m, path, err);
    if (rc != GLIM_OK) return rc;
    header h;
    size_t at = sizeof h;
    if (m.size < sizeof h || memcmp(m.data, MAGIC, sizeof MAGIC) != 0) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not a whole checkpoint", path);
    if (rc == GLIM_OK) {
        memcpy(&h, m.data, sizeof h);
        if (h.version > VERSION) rc = glim_fail(err, GLIM_E_STATE, "\"%s\" is of version %u, this program reads up to %d", path, h.version, VERSION);
        else if (h.version != VERSION || h.n_pieces > GLIM_STATE_PIECES)
            rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not a whole checkpoint", path);
    }
    /* The sum before anything that it covers is believed: a torn header is not another run's, and the file before it may be whole. */
    uint64_t sum = rc == GLIM_OK ? sum_header(&h) : 0;
    for (size_t i = 0; rc == GLIM_OK && i < h.n_pieces; i++) {
        if (m.size - at < h.bytes[i]) {
            rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not a whole checkpoint", path);
            break;
        }
        sum = glim_sum64(sum, m.data + at, (size_t)h.bytes[i]);
        at += (size_t)h.bytes[i];
    }
    if (rc == GLIM_OK && (sum != h.sum || at != m.size)) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is damaged: its checksum is another", path);
    bool ours = rc != GLIM_OK || (h.s.fingerprint == fingerprint && h.n_pieces == n);
    for (size_t i = 0; rc == GLIM_OK && ours && i < n; i++) ours = h.bytes[i] == pieces[i].n_bytes;
    if (!ours) {
        rc = glim_fail(err, GLIM_E_STATE, "\"%s\" is a checkpoint of other settings or other data", path);
        glim_err_hint(err, "go on with the flags and files of that run, or choose another folder with -o");
    }
    if (rc == GLIM_OK) *s = h.s;
    at = sizeof h;
    for (size_t i = 0; copy && i < n && rc == GLIM_OK; at += pieces[i++].n_bytes) memcpy(pieces[i].data, m.data + at, pieces[i].n_bytes);
    glim_map_close(&m);
    return rc;
}

glim_status glim_state_read(const char *folder, uint64_t fingerprint, glim_run_state *s, const glim_piece *pieces, size_t n,
                            const char **from, glim_err *err) {
    char *path[2] = {glim_path_join(folder, NEW), glim_path_join(folder, OLD)};
    glim_err why[2] = {{0}, {0}};
    glim_status rc[2];
    int use = -1;
    for (int i = 0; i < 2 && use < 0; i++) { /* the old one only if the new one is not there or not whole */
        rc[i] = read_one(path[i], fingerprint, s, pieces, n, false, &why[i]);
        if (rc[i] == GLIM_OK) use = i;
        else if (rc[i] == GLIM_E_STATE) break;
    }
    glim_status out;
    if (use >= 0) {
        *from = use ? OLD : NEW;
        out = read_one(path[use], fingerprint, s, pieces, n, true, err);
    } else if (rc[0] == GLIM_E_NOT_FOUND && rc[1] != GLIM_E_NOT_FOUND) {
        if (err) *err = why[1];
        out = rc[1];
    } else {
        if (err) *err = why[0];
        out = rc[0];
    }
    free(path[0]);
    free(path[1]);
    return out;
}

glim_status glim_state_numbers(const glim_run_state *s, const float *values, size_t n, glim_err *err) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i])) {
            glim_fail(err, GLIM_E_STATE, "step %llu: a trained value is %g behind it", (unsigned long long)s->step, (double)values[i]);
            glim_err_hint(err, "nothing was exported; begin anew in another folder (-o) with a lower --lr or a tighter --clip");
            return GLIM_E_STATE;
        }
    return GLIM_OK;
}
