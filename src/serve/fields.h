/* fields.h - reading one field of a request: its type, its range, and an error that names it.
 *
 * A missing field and null are the same: *out keeps what it held, and the call succeeds. All return false with e
 * filled in otherwise: code "invalid_type" or "invalid_value", param the field's path. */
#ifndef GLIM_SERVE_FIELDS_H
#define GLIM_SERVE_FIELDS_H

#include <stdint.h>

#include "base/json.h"
#include "serve/api_error.h"

/* The value, or NULL where it is missing or null. */
const json_t *glim_field(const json_t *o, const char *key);
bool glim_field_int(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out, glim_api_error *e);
bool glim_field_real(const json_t *o, const char *key, double lo, double hi, double *out, glim_api_error *e);
bool glim_field_bool(const json_t *o, const char *key, bool *out, glim_api_error *e);
/* Borrowed from o. A string that holds a NUL is refused: it would read as another, shorter one. */
bool glim_field_str(const json_t *o, const char *key, const char **out, glim_api_error *e);
/* A string to be compared with words of ours, none of which holds a NUL: "" for one that does, NULL where v is no string. */
const char *glim_field_word(const json_t *v);
bool glim_field_object(const json_t *o, const char *key, const json_t **out, glim_api_error *e);
bool glim_field_array(const json_t *o, const char *key, const json_t **out, glim_api_error *e);
/* "got a string, want an integer" with code invalid_type. */
bool glim_field_type_error(glim_api_error *e, const char *param, const json_t *got, const char *want);

#endif
