/* schema.h - a JSON schema with its references, anyOf, oneOf and allOf worked out: alternatives of plain rules.
 *
 * Supported: type, enum, const, properties, required, additionalProperties, items, prefixItems, minItems, maxItems,
 * minLength, maxLength, pattern, format (see glim_format_known), minimum, maximum and their exclusive forms, multipleOf
 * of integers, anyOf, oneOf (alternatives that exclude each other), allOf, $ref within the document, $defs, nullable.
 * Annotations do not count. Every other keyword is refused by name and place, unless lenient. */
#ifndef GLIM_TEXT_SCHEMA_H
#define GLIM_TEXT_SCHEMA_H

#include "text/constrain_internal.h"

enum {
    GLIM_T_NULL = 1,
    GLIM_T_BOOL = 2,
    GLIM_T_INTEGER = 4,
    GLIM_T_FRACTION = 8, /* "number" is both */
    GLIM_T_STRING = 16,
    GLIM_T_ARRAY = 32,
    GLIM_T_OBJECT = 64,
    GLIM_T_NUMBER = 12,
    GLIM_T_ALL = 127
};
enum { GLIM_FLAT_PATTERNS = 8, GLIM_FLAT_FORMATS = 4 };

/* Rules that hold together. Every json_t here is a reference of its own. */
typedef struct glim_flat {
    unsigned types; /* of "type"; ALL if there is none */
    bool typed;
    unsigned hints; /* types that keywords speak of */
    json_t *values; /* array of enum or const, or NULL */
    json_t *lo, *lo_open, *hi, *hi_open; /* minimum, exclusiveMinimum, ... */
    uint32_t multiple;
    uint32_t min_len, max_len, min_items, max_items;
    json_t *pattern[GLIM_FLAT_PATTERNS], *format[GLIM_FLAT_FORMATS];
    size_t n_patterns, n_formats;
    json_t *props;      /* object: name to schema, or NULL; in order */
    json_t *required;   /* object used as a set, or NULL */
    json_t *additional; /* schema, or NULL: not said */
    json_t *items;      /* schema, or NULL */
    json_t *prefix;     /* array of schemas, or NULL */
    bool never;
} glim_flat;
typedef struct glim_flats {
    glim_flat *v;
    size_t n, cap;
} glim_flats;
void glim_flats_free(glim_flats *f);

typedef struct glim_schema {
    json_t *root;
    const char *what;
    bool lenient;
    glim_con_budget *budget;
    glim_err *err;
    glim_status rc;      /* of the first complaint; everything stops at it */
    glim_buf path;       /* JSON pointer to where we are */
    const json_t *open[64]; /* references being worked out */
    size_t n_open;
    int depth;
} glim_schema;
void glim_schema_deinit(glim_schema *s);

/* Records a complaint about the current place; always false. */
bool glim_schema_fail(glim_schema *s, glim_status rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Into a part and back: the returned length is what glim_schema_leave wants. */
size_t glim_schema_enter(glim_schema *s, const char *name);
size_t glim_schema_enter_index(glim_schema *s, const char *name, size_t i);
void glim_schema_leave(glim_schema *s, size_t mark);

/* All alternatives of a schema; none: nothing satisfies it. False on a complaint. */
bool glim_schema_flatten(glim_schema *s, json_t *schema, glim_flats *out);
/* What a reference alone stands for, else the schema itself. NULL on a complaint. */
json_t *glim_schema_follow(glim_schema *s, json_t *schema);
/* The types an alternative's values have: those of "type", else those its keywords speak of. */
unsigned glim_flat_types(const glim_flat *f);
/* Whether undeclared properties are written. */
bool glim_flat_open(const glim_flat *f);
/* Whether a value of enum or const also keeps to the other rules that can be checked here. */
bool glim_flat_takes(const glim_flat *f, const json_t *value);
unsigned glim_type_of(const json_t *v);

#endif
