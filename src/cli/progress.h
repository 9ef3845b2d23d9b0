/* progress.h - one line on stderr for anything that takes longer than a second.
 *
 *   glim_progress *bar = glim_progress_begin("hashing", n_bytes, GLIM_PROGRESS_BYTES);
 *   while (...) glim_progress_update(bar, done);
 *   glim_progress_end(bar);
 *
 * On a terminal: label, bar, percent, amount, speed, time left, redrawn at most ten times a second and
 * wiped at the end: the command itself says what came of it. Elsewhere (a log, a pipe) a plain line
 * every five seconds. Nothing at all if the work is done within a second. NO_COLOR and TERM=dumb are
 * respected. Only one bar is shown at a time; one begun inside another stays silent.
 *
 * Threads: update may be called by any thread; begin and end by the one that owns the bar. */
#ifndef GLIM_CLI_PROGRESS_H
#define GLIM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum glim_progress_unit { GLIM_PROGRESS_COUNT = 0, GLIM_PROGRESS_BYTES } glim_progress_unit;

typedef struct glim_progress glim_progress;

/* total 0: unknown, no percent and no time left. Never NULL. */
glim_progress *glim_progress_begin(const char *label, uint64_t total, glim_progress_unit unit);
void glim_progress_update(glim_progress *p, uint64_t done); /* p may be NULL, here and below */
/* For callers who learn the total late, or whose `done` may jump. speed: units per second, < 0: measured
 * from `done`. note: a few words behind the label ("3/12 files"), copied; NULL: none. Parts of it that ", " divides go one by one,
 * the last first, where the line is too narrow for all. */
void glim_progress_tell(glim_progress *p, uint64_t done, uint64_t total, double speed, const char *note);
/* Wipes the line and frees p. */
void glim_progress_end(glim_progress *p);

/* True: no bar is shown from now on. */
void glim_progress_quiet(bool quiet);

/* ---- the drawing, apart from the terminal, for tests ---- */

typedef struct glim_progress_view {
    const char *label, *note;
    uint64_t done, total;
    glim_progress_unit unit;
    double speed;   /* per second; <= 0: not known yet */
    double elapsed; /* seconds */
    int width;      /* columns; the line stays below */
    bool utf8, color;
} glim_progress_view;

/* Writes one line without a line break, at most width - 1 columns (escape sequences not counted). */
void glim_progress_render(char *out, size_t cap, const glim_progress_view *v);

#endif
