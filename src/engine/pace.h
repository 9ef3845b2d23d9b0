/* pace.h - what a step costs on this machine, learnt from the steps themselves.
 *
 *   seconds = a + b * (rows that write) + c * (rows of prompts that are read)
 *
 * c is another beside writers: a few rows cost more each than the hundreds of a prompt that is read alone.
 *
 * Two questions are answered with it: how many prompt rows a step may read so that those who write hardly
 * notice, and whether checking one more guess is worth its row. Answers change how work is cut, never what
 * it gives. */
#ifndef GLIM_ENGINE_PACE_H
#define GLIM_ENGINE_PACE_H

#include <stddef.h>

typedef struct glim_pace {
    double n, sx, sy, sxx, sxy; /* decayed sums over writing-only steps */
    double read_s[2], read_rows[2]; /* decayed sums over steps that read: alone and beside writers */
} glim_pace;

/* A step with so many rows took this long. */
void glim_pace_saw(glim_pace *p, size_t n_write, size_t n_read, double seconds);
/* Seconds of a step that only writes; 0 before the first one. */
double glim_pace_step(const glim_pace *p, size_t n_write);
/* Prompt rows to read beside n_write writing rows, at least 16, at most max_rows; n_read prompts wait to be read. */
size_t glim_pace_slice(const glim_pace *p, size_t n_write, size_t n_read, size_t max_rows);
/* Whether a row that is a further token with this probability makes tokens come faster, beside n_rows rows
 * that give n_tokens tokens. */
int glim_pace_worth(const glim_pace *p, size_t n_rows, double n_tokens, double probability);

#endif
