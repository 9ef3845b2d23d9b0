/* pace.h - what a step costs on this machine, learnt from the steps themselves.
 *
 *   seconds = W(rows that write) + c * (rows of prompts that are read)
 *
 * W is kept width by width, from steps that only write. While many begin at once there is none of these, so a width without
 * one near it takes the least that steps with readers allow: of n rows at least n / m of what m > n rows took, since a row of many
 * costs no more than one of few. c is another beside writers: a few rows cost more each than the hundreds of a prompt read alone.
 *
 * Two questions are answered with it: how many prompt rows a step may read so that those who write hardly
 * notice, and whether checking one more guess is worth its row. Answers change how work is cut, never what
 * it gives. */
#ifndef GLIM_ENGINE_PACE_H
#define GLIM_ENGINE_PACE_H

#include <stddef.h>

enum { GLIM_PACE_WIDTHS = 32 }; /* two to an octave: up to 65,535 rows */

typedef struct glim_pace_width {
    double n, rows, s; /* decayed sums */
} glim_pace_width;

typedef struct glim_pace {
    double n, sx, sy, sxx, sxy; /* decayed sums over writing-only steps: a line */
    glim_pace_width wrote[GLIM_PACE_WIDTHS], any[GLIM_PACE_WIDTHS]; /* writing-only steps by rows; all steps by rows */
    double read_s[2], read_rows[2]; /* decayed sums over steps that read: alone and beside writers */
} glim_pace;

/* A step with so many rows took this long. */
void glim_pace_saw(glim_pace *p, size_t n_write, size_t n_read, double seconds);
/* Seconds of a step that only writes, rather too few than too many; 0 before the first step of any kind. */
double glim_pace_step(const glim_pace *p, size_t n_write);
/* Prompt rows to read beside n_write writing rows, at least 8, at most max_rows; n_read prompts wait to be read. */
size_t glim_pace_slice(const glim_pace *p, size_t n_write, size_t n_read, size_t max_rows);
/* Whether a row that is a further token with this probability makes tokens come faster, beside n_rows rows
 * that give n_tokens tokens. */
int glim_pace_worth(const glim_pace *p, size_t n_rows, double n_tokens, double probability);

#endif
