/* json.h - jansson with our limits, and getters that name what is wrong.
 *
 * Strict: UTF-8 only, duplicate keys refused by name, NUL in keys refused, nothing after the value,
 * at most max_depth nested arrays and objects, at most max_bytes of text. \u0000 in strings is kept
 * (json_string_length tells). Integers outside int64 are read as reals, as
 * JavaScript does; reals outside double are refused. */
#ifndef GLIM_BASE_JSON_H
#define GLIM_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { GLIM_JSON_DEPTH = 64 }; /* default nesting limit */

/* *out is a new reference. max_depth 0 means GLIM_JSON_DEPTH (256 is the most).
 * Errors: GLIM_E_FORMAT with line and column, GLIM_E_LIMIT. */
glim_status glim_json_parse(json_t **out, const char *text, size_t len, int max_depth, glim_err *err);
/* For tests that replace jansson's allocator: tell that it refused. */
void glim_json_saw_refusal(void);
/* Reads at most max_bytes from a file and parses it; errors name the path. */
glim_status glim_json_read(json_t **out, const char *path, size_t max_bytes, glim_err *err);

/* Getters on an object. A missing key or JSON null gives `dflt` (required variants: an error); a
 * value of the wrong type or range is an error naming the key, what it got and wanted.
 * Numbers: an integer where a real is wanted is fine; a real where an integer is wanted only if it
 * has no fraction. */
glim_status glim_json_get_int(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t dflt,
                              int64_t *out, glim_err *err);
glim_status glim_json_need_int(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out,
                               glim_err *err);
glim_status glim_json_get_real(const json_t *o, const char *key, double dflt, double *out, glim_err *err);
glim_status glim_json_get_bool(const json_t *o, const char *key, bool dflt, bool *out, glim_err *err);
/* Borrowed from o; dflt may be NULL. */
glim_status glim_json_get_str(const json_t *o, const char *key, const char *dflt, const char **out,
                              glim_err *err);

/* Appends `v` as Python's json.dumps spells it, because chat templates are rendered by Python in the
 * reference: separators ", " and ": " (indent < 0), or one item a line with `indent` spaces;
 * non-ASCII kept unless ensure_ascii; keys in their order; floats as repr(); no sorting. */
void glim_json_dump_py(glim_buf *out, const json_t *v, int indent, bool ensure_ascii);

/* Appends s as a JSON string literal, non-ASCII kept. Invalid UTF-8 bytes become U+FFFD. */
void glim_json_put_str(glim_buf *out, const char *s, size_t len);
/* Appends a double: shortest digits that read back the same, Python's spelling (1e-05, 1.0). NaN and
 * infinities become null. */
void glim_json_put_real(glim_buf *out, double v);

/* The word for a value's type: "object", "string", ... for messages. */
const char *glim_json_type_name(const json_t *v);

#endif
