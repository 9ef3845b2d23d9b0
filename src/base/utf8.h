/* utf8.h - UTF-8 by the Unicode standard, table 3-7: no surrogates, no overlongs, nothing past
 * U+10FFFF. */
#ifndef GLIM_BASE_UTF8_H
#define GLIM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Length in bytes (1-4) of the valid character at s, n > 0 bytes left, code point in *cp;
 * 0 if the bytes there are not one; -1 if they are a valid but unfinished beginning of one. */
int glim_utf8_next(const char *s, size_t n, uint32_t *cp);
/* Writes 1-4 bytes; cp must be a scalar value (others give U+FFFD). */
int glim_utf8_put(char out[4], uint32_t cp);
bool glim_utf8_valid(const char *s, size_t n);
/* Characters of more than one byte, and bytes that are part of no character; one that the end cuts counts as neither. */
void glim_utf8_count(const char *s, size_t n, size_t *n_long, size_t *n_bad);
/* Whether s looks like another encoding: of what is not ASCII less is UTF-8 than not, and it is more than a slip (one byte in 200). */
bool glim_utf8_foreign(const char *s, size_t n);
/* How many bytes of s can be shown now: all but an unfinished character at the end. */
size_t glim_utf8_whole(const char *s, size_t n);
/* Appends s with each maximal invalid part replaced by U+FFFD, as Python's errors="replace" does. */
void glim_utf8_sanitize(glim_buf *out, const char *s, size_t n);
/* Columns on a terminal: wide CJK and emoji 2, combining 0. */
int glim_utf8_width(uint32_t cp);

#endif
