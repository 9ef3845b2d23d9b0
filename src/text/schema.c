/* schema.c - flattening: see schema.h.
 *
 * A schema becomes a list of alternatives. Its own keywords are one; $ref, allOf, anyOf and oneOf give lists that are
 * multiplied into it, pair by pair, each pair merged into rules that say what both say. References are followed only as
 * far as the alternatives of this one value go: properties and items stay schemas, so recursion ends here. A reference
 * that leads back to itself without entering a container adds nothing (the least solution). */
#include "text/schema.h"

#include <stdarg.h>
#include <stdlib.h>
#include <math.h>
#include <string.h>

enum { MAX_COMBINE = 128 };

/* ---- complaints and places ---- */

bool glim_schema_fail(glim_schema *s, glim_status rc, const char *fmt, ...) {
    if (s->rc != GLIM_OK) return false;
    char msg[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    s->rc = glim_fail(s->err, rc, "%s at \"%.300s\": %s", s->what, glim_buf_cstr(&s->path), msg);
    return false;
}

static bool nomem(glim_schema *s) {
    if (s->rc == GLIM_OK) s->rc = glim_con_nomem(s->err);
    return false;
}

static void put_segment(glim_buf *b, const char *name) {
    glim_buf_putc(b, '/');
    for (; *name; name++) {
        if (*name == '~') glim_buf_puts(b, "~0");
        else if (*name == '/') glim_buf_puts(b, "~1");
        else glim_buf_putc(b, *name);
    }
}

size_t glim_schema_enter(glim_schema *s, const char *name) {
    size_t mark = s->path.len;
    put_segment(&s->path, name);
    return mark;
}

size_t glim_schema_enter_index(glim_schema *s, const char *name, size_t i) {
    size_t mark = glim_schema_enter(s, name);
    glim_buf_printf(&s->path, "/%zu", i);
    return mark;
}

void glim_schema_leave(glim_schema *s, size_t mark) {
    if (mark < s->path.len) s->path.s[s->path.len = mark] = 0;
}

void glim_schema_deinit(glim_schema *s) { glim_buf_free(&s->path); }

/* ---- alternatives ---- */

static void flat_free(glim_flat *f) {
    json_t *all[] = {f->values, f->lo, f->lo_open, f->hi, f->hi_open, f->props, f->required, f->additional, f->items,
                     f->prefix};
    for (size_t i = 0; i < GLIM_COUNT(all); i++) json_decref(all[i]);
    for (size_t i = 0; i < f->n_patterns; i++) json_decref(f->pattern[i]);
    for (size_t i = 0; i < f->n_formats; i++) json_decref(f->format[i]);
}

void glim_flats_free(glim_flats *f) {
    for (size_t i = 0; i < f->n; i++) flat_free(&f->v[i]);
    free(f->v);
    *f = (glim_flats){0};
}

/* Takes f over. */
static bool put_flat(glim_schema *s, glim_flats *out, glim_flat *f) {
    if (f->never) {
        flat_free(f);
        return true;
    }
    void *p = out->v;
    bool ok = out->n < GLIM_CON_MAX_ALTS;
    if (!ok) glim_schema_fail(s, GLIM_E_LIMIT, "more than %d alternatives", GLIM_CON_MAX_ALTS);
    else if (!(ok = glim_con_grow(&p, &out->cap, out->n + 1, sizeof *out->v))) nomem(s);
    if (!ok) {
        flat_free(f);
        return false;
    }
    out->v = p;
    out->v[out->n++] = *f;
    return true;
}

static glim_flat blank(void) {
    return (glim_flat){.types = GLIM_T_ALL, .max_len = GLIM_NO_MAX, .max_items = GLIM_NO_MAX};
}

unsigned glim_flat_types(const glim_flat *f) {
    if (f->typed || !f->hints || f->values) return f->types;
    return f->hints;
}

bool glim_flat_open(const glim_flat *f) {
    if (f->additional) return !json_is_false(f->additional);
    return !f->props && !f->required;
}

unsigned glim_type_of(const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_NULL: return GLIM_T_NULL;
    case JSON_TRUE:
    case JSON_FALSE: return GLIM_T_BOOL;
    case JSON_INTEGER: return GLIM_T_INTEGER;
    case JSON_REAL: {
        double d = json_real_value(v);
        return d == (double)(int64_t)(d > -9e18 && d < 9e18 ? d : 0.5) ? GLIM_T_INTEGER : GLIM_T_FRACTION;
    }
    case JSON_STRING: return GLIM_T_STRING;
    case JSON_ARRAY: return GLIM_T_ARRAY;
    default: return GLIM_T_OBJECT;
    }
}

static uint32_t count_chars(const json_t *v) {
    uint32_t n = 0;
    const char *s = json_string_value(v);
    for (size_t i = 0; i < json_string_length(v); i++) n += ((uint8_t)s[i] & 0xc0) != 0x80;
    return n;
}

bool glim_flat_takes(const glim_flat *f, const json_t *v) {
    unsigned t = glim_type_of(v);
    if (!(f->types & t)) return false;
    if (t & GLIM_T_NUMBER) {
        if (f->lo && glim_number_cmp(v, f->lo) < 0) return false;
        if (f->hi && glim_number_cmp(v, f->hi) > 0) return false;
        if (f->lo_open && glim_number_cmp(v, f->lo_open) <= 0) return false;
        if (f->hi_open && glim_number_cmp(v, f->hi_open) >= 0) return false;
        if (f->multiple && (!json_is_integer(v) || json_integer_value(v) % (json_int_t)f->multiple)) return false;
    }
    if (t == GLIM_T_STRING) {
        uint32_t n = count_chars(v);
        return n >= f->min_len && n <= f->max_len;
    }
    if (t == GLIM_T_ARRAY) return json_array_size(v) >= f->min_items && json_array_size(v) <= f->max_items;
    return true;
}

/* ---- reading one schema's own keywords ---- */

static const struct {
    const char *name;
    unsigned type;
} type_names[] = {{"null", GLIM_T_NULL},     {"boolean", GLIM_T_BOOL}, {"integer", GLIM_T_INTEGER}, {"number", GLIM_T_NUMBER},
                  {"string", GLIM_T_STRING}, {"array", GLIM_T_ARRAY},  {"object", GLIM_T_OBJECT}};

static bool add_type(glim_schema *s, glim_flat *f, const json_t *v) {
    const char *name = json_string_value(v);
    for (size_t i = 0; name && i < GLIM_COUNT(type_names); i++)
        if (strcmp(name, type_names[i].name) == 0) {
            f->types |= type_names[i].type;
            return true;
        }
    if (s->lenient) {
        f->types |= GLIM_T_ALL;
        return true;
    }
    return glim_schema_fail(s, GLIM_E_FORMAT, "\"type\" is %s%.40s, want one of null, boolean, integer, number, string, array, object",
                            name ? "" : glim_json_type_name(v), name ? name : "");
}

static bool read_type(glim_schema *s, glim_flat *f, const json_t *v) {
    f->types = 0;
    f->typed = true;
    if (!json_is_array(v)) return add_type(s, f, v);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!add_type(s, f, json_array_get(v, i))) return false;
    return json_array_size(v) ? true : glim_schema_fail(s, GLIM_E_FORMAT, "\"type\" is an empty list");
}

static bool read_count(glim_schema *s, const char *name, const json_t *v, uint32_t most, uint32_t *out) {
    double n = json_number_value(v); /* 1e30 fits no integer */
    if (!json_is_number(v) || n < 0 || trunc(n) != n)
        return glim_schema_fail(s, GLIM_E_FORMAT, "\"%s\" is not a whole number of 0 or more", name);
    if (n <= most) *out = (uint32_t)n;
    else if (name[1] == 'a') *out = GLIM_NO_MAX; /* a maximum that no answer reaches */
    else return glim_schema_fail(s, GLIM_E_LIMIT, "\"%s\" is %.15g, want at most %u", name, n, most);
    return true;
}

static bool want(glim_schema *s, const char *name, bool ok, const char *what) {
    return ok || glim_schema_fail(s, GLIM_E_FORMAT, "\"%s\" is not %s", name, what);
}

static bool read_required(glim_schema *s, glim_flat *f, const json_t *v) {
    if (!want(s, "required", json_is_array(v), "a list of names")) return false;
    if (!f->required && !(f->required = json_object())) return nomem(s);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *name = json_string_value(json_array_get(v, i));
        if (!want(s, "required", name != NULL, "a list of names")) return false;
        if (json_object_set_new(f->required, name, json_true())) return nomem(s);
    }
    return true;
}

typedef enum keyword {
    K_ANNOTATION, K_COMBINE, K_TYPE, K_ENUM, K_CONST, K_NULLABLE, K_PROPERTIES, K_REQUIRED, K_ADDITIONAL, K_ITEMS,
    K_PREFIX, K_MIN_ITEMS, K_MAX_ITEMS, K_MIN_LEN, K_MAX_LEN, K_PATTERN, K_FORMAT, K_MIN, K_MAX, K_MIN_OPEN, K_MAX_OPEN,
    K_MULTIPLE, K_OFF, K_EMPTY, K_ZERO, K_UNKNOWN
} keyword;

static keyword keyword_of(const char *name) {
    static const struct {
        const char *name;
        keyword k;
    } all[] = {
        {"title", K_ANNOTATION}, {"description", K_ANNOTATION}, {"default", K_ANNOTATION}, {"examples", K_ANNOTATION},
        {"example", K_ANNOTATION}, {"$schema", K_ANNOTATION}, {"$id", K_ANNOTATION}, {"id", K_ANNOTATION},
        {"$comment", K_ANNOTATION}, {"deprecated", K_ANNOTATION}, {"readOnly", K_ANNOTATION}, {"writeOnly", K_ANNOTATION},
        {"$defs", K_ANNOTATION}, {"definitions", K_ANNOTATION}, {"discriminator", K_ANNOTATION}, {"$anchor", K_ANNOTATION},
        {"$ref", K_COMBINE}, {"allOf", K_COMBINE}, {"anyOf", K_COMBINE}, {"oneOf", K_COMBINE}, {"type", K_TYPE},
        {"enum", K_ENUM}, {"const", K_CONST}, {"nullable", K_NULLABLE}, {"properties", K_PROPERTIES},
        {"required", K_REQUIRED}, {"additionalProperties", K_ADDITIONAL}, {"items", K_ITEMS}, {"prefixItems", K_PREFIX},
        {"minItems", K_MIN_ITEMS}, {"maxItems", K_MAX_ITEMS}, {"minLength", K_MIN_LEN}, {"maxLength", K_MAX_LEN},
        {"pattern", K_PATTERN}, {"format", K_FORMAT}, {"minimum", K_MIN}, {"maximum", K_MAX},
        {"exclusiveMinimum", K_MIN_OPEN}, {"exclusiveMaximum", K_MAX_OPEN}, {"multipleOf", K_MULTIPLE},
        /* without effect in one form, not supported in any other */
        {"uniqueItems", K_OFF}, {"patternProperties", K_EMPTY}, {"dependentRequired", K_EMPTY}, {"minProperties", K_ZERO},
    };
    for (size_t i = 0; i < GLIM_COUNT(all); i++)
        if (strcmp(name, all[i].name) == 0) return all[i].k;
    return name[0] == 'x' && name[1] == '-' ? K_ANNOTATION : K_UNKNOWN;
}

static bool keep(json_t **to, const json_t *v) {
    json_decref(*to);
    *to = json_incref((json_t *)v);
    return true;
}

static bool read_format(glim_schema *s, glim_flat *f, const json_t *v) {
    if (!want(s, "format", json_is_string(v), "a string")) return false;
    if (!glim_format_known(json_string_value(v))) {
        if (s->lenient) return true;
        return glim_schema_fail(s, GLIM_E_UNSUPPORTED, "format \"%.60s\" is not supported", json_string_value(v));
    }
    f->hints |= GLIM_T_STRING;
    f->format[f->n_formats++] = json_incref((json_t *)v);
    return true;
}

static bool read_multiple(glim_schema *s, glim_flat *f, const json_t *v, const json_t *schema) {
    const char *type = json_string_value(json_object_get(schema, "type"));
    bool integer = type && strcmp(type, "integer") == 0;
    if (integer && json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= 1000) {
        f->multiple = (uint32_t)json_integer_value(v);
        return true;
    }
    if (s->lenient) return true;
    return glim_schema_fail(s, GLIM_E_UNSUPPORTED, "keyword \"multipleOf\" is supported for type \"integer\" and 1 to 1000 only");
}

static bool bound(glim_schema *s, glim_flat *f, const char *name, json_t **to, const json_t *v) {
    f->hints |= GLIM_T_NUMBER;
    return want(s, name, json_is_number(v), "a number") && keep(to, v);
}

static bool read_keyword(glim_schema *s, glim_flat *f, const char *name, json_t *v, const json_t *schema) {
    bool is_object = json_is_object(v), is_schema = is_object || json_is_boolean(v);
    keyword k = keyword_of(name);
    switch (k) {
    case K_TYPE: return read_type(s, f, v);
    case K_ENUM: return want(s, name, json_is_array(v), "a list") && keep(&f->values, v);
    case K_CONST: {
        json_t *one = json_array();
        if (!one || json_array_append(one, v)) {
            json_decref(one);
            return nomem(s);
        }
        json_decref(f->values);
        f->values = one;
        return true;
    }
    case K_PROPERTIES:
        f->hints |= GLIM_T_OBJECT;
        return want(s, name, is_object, "an object") && keep(&f->props, v);
    case K_REQUIRED: f->hints |= GLIM_T_OBJECT; return read_required(s, f, v);
    case K_ADDITIONAL:
        f->hints |= GLIM_T_OBJECT;
        return want(s, name, is_schema, "a schema") && keep(&f->additional, v);
    case K_ITEMS:
        f->hints |= GLIM_T_ARRAY;
        if (json_is_array(v)) return glim_schema_fail(s, GLIM_E_UNSUPPORTED, "\"items\" is a list: use \"prefixItems\"");
        return want(s, name, is_schema, "a schema") && keep(&f->items, v);
    case K_PREFIX:
        f->hints |= GLIM_T_ARRAY;
        return want(s, name, json_is_array(v), "a list of schemas") && keep(&f->prefix, v);
    case K_MIN_ITEMS: f->hints |= GLIM_T_ARRAY; return read_count(s, name, v, 1000000, &f->min_items);
    case K_MAX_ITEMS: f->hints |= GLIM_T_ARRAY; return read_count(s, name, v, 1000000, &f->max_items);
    case K_MIN_LEN: f->hints |= GLIM_T_STRING; return read_count(s, name, v, GLIM_CON_MAX_CHARS, &f->min_len);
    case K_MAX_LEN: f->hints |= GLIM_T_STRING; return read_count(s, name, v, GLIM_CON_MAX_CHARS, &f->max_len);
    case K_PATTERN:
        f->hints |= GLIM_T_STRING;
        if (!want(s, name, json_is_string(v), "a string")) return false;
        f->pattern[f->n_patterns++] = json_incref(v);
        return true;
    case K_FORMAT: return read_format(s, f, v);
    case K_MIN: return bound(s, f, name, &f->lo, v);
    case K_MAX: return bound(s, f, name, &f->hi, v);
    case K_MIN_OPEN:
    case K_MAX_OPEN:
        if (json_is_boolean(v) && json_is_false(v)) return true; /* as draft 4 spells it */
        return bound(s, f, name, k == K_MIN_OPEN ? &f->lo_open : &f->hi_open, v);
    case K_MULTIPLE: return read_multiple(s, f, v, schema);
    case K_OFF:
        if (json_is_false(v)) return true;
        break;
    case K_EMPTY:
        if (is_object && json_object_size(v) == 0) return true;
        break;
    case K_ZERO:
        if (json_is_integer(v) && json_integer_value(v) == 0) return true;
        break;
    case K_UNKNOWN: break;
    default: return true;
    }
    return s->lenient || glim_schema_fail(s, GLIM_E_UNSUPPORTED, "keyword \"%.60s\" is not supported", name);
}

static bool read_own(glim_schema *s, glim_flat *f, json_t *schema) {
    const char *name;
    json_t *v;
    json_object_foreach(schema, name, v) if (!read_keyword(s, f, name, v, schema)) return false;
    if (json_is_true(json_object_get(schema, "nullable"))) {
        if (f->typed) f->types |= GLIM_T_NULL;
        else f->hints |= f->hints ? GLIM_T_NULL : 0;
    }
    return true;
}

/* ---- merging ---- */

static bool says_nothing(const json_t *v) { return json_is_true(v) || (json_is_object(v) && json_object_size(v) == 0); }

/* A schema that says what both say: a new reference. NULL: no memory. */
static json_t *both(json_t *a, json_t *b) {
    if (!a || !b) return json_incref(a ? a : b);
    if (a == b || says_nothing(b) || json_equal(a, b)) return json_incref(a);
    if (says_nothing(a)) return json_incref(b);
    if (json_is_false(a) || json_is_false(b)) return json_false();
    return json_pack("{s:[O,O]}", "allOf", a, b);
}

static json_t *union_of(json_t *a, json_t *b) {
    json_t *u = a ? json_copy(a) : json_object();
    if (u && b && json_object_update(u, b)) {
        json_decref(u);
        return NULL;
    }
    return u;
}

/* Properties of a and b together: what only one declares has to pass the other's rule for the rest. */
static bool merge_props(glim_flat *out, const glim_flat *a, const glim_flat *b) {
    const glim_flat *f[2] = {a, b};
    if (!a->props && !b->props) return true;
    if (!(out->props = json_object())) return false;
    for (int i = 0; i < 2; i++) {
        const char *name;
        json_t *v;
        const glim_flat *other = f[1 - i];
        json_object_foreach(f[i]->props, name, v) {
            json_t *w = json_object_get(other->props, name);
            if (i == 1 && w) continue;
            json_t *x = both(v, w ? w : other->additional);
            if (!x || json_object_set_new(out->props, name, x)) return false;
        }
    }
    return true;
}

static bool merge_prefix(glim_flat *out, const glim_flat *a, const glim_flat *b) {
    size_t n = json_array_size(a->prefix), m = json_array_size(b->prefix), most = n > m ? n : m;
    if (!most) return true;
    if (!(out->prefix = json_array())) return false;
    for (size_t i = 0; i < most; i++) {
        json_t *x = i < n ? json_array_get(a->prefix, i) : a->items, *y = i < m ? json_array_get(b->prefix, i) : b->items;
        json_t *v = x || y ? both(x, y) : json_true();
        if (!v || json_array_append_new(out->prefix, v)) return false;
    }
    return true;
}

static json_t *common_values(json_t *a, json_t *b) {
    if (!a || !b) return json_incref(a ? a : b);
    json_t *out = json_array();
    for (size_t i = 0; out && i < json_array_size(a); i++)
        for (size_t k = 0; k < json_array_size(b); k++)
            if (json_equal(json_array_get(a, i), json_array_get(b, k))) {
                json_array_append(out, json_array_get(a, i));
                break;
            }
    return out;
}

/* The tighter of two bounds; either may be NULL. */
static json_t *tighter(json_t *a, json_t *b, int sign) {
    if (!a || !b) return json_incref(a ? a : b);
    return json_incref(glim_number_cmp(a, b) * sign >= 0 ? a : b);
}

static bool add_strings(json_t **to, size_t *n, size_t cap, json_t *const *from, size_t m) {
    for (size_t i = 0; i < m; i++) {
        bool have = false;
        for (size_t k = 0; k < *n; k++) have |= json_equal(to[k], from[i]);
        if (have) continue;
        if (*n == cap) return false;
        to[(*n)++] = json_incref(from[i]);
    }
    return true;
}

static bool merge(glim_schema *s, glim_flat *out, const glim_flat *a, const glim_flat *b) {
    *out = blank();
    out->types = a->types & b->types;
    out->typed = a->typed || b->typed;
    out->hints = a->hints | b->hints;
    out->never = a->never || b->never || (out->typed && !out->types);
    out->min_len = a->min_len > b->min_len ? a->min_len : b->min_len;
    out->max_len = a->max_len < b->max_len ? a->max_len : b->max_len;
    out->min_items = a->min_items > b->min_items ? a->min_items : b->min_items;
    out->max_items = a->max_items < b->max_items ? a->max_items : b->max_items;
    out->values = common_values(a->values, b->values);
    out->lo = tighter(a->lo, b->lo, 1);
    out->lo_open = tighter(a->lo_open, b->lo_open, 1);
    out->hi = tighter(a->hi, b->hi, -1);
    out->hi_open = tighter(a->hi_open, b->hi_open, -1);
    bool ok = true, room = true;
    if (a->required || b->required) ok = (out->required = union_of(a->required, b->required)) != NULL;
    if (ok && (a->additional || b->additional)) ok = (out->additional = both(a->additional, b->additional)) != NULL;
    if (ok && (a->items || b->items)) ok = (out->items = both(a->items, b->items)) != NULL;
    ok = ok && merge_props(out, a, b) && merge_prefix(out, a, b) && (out->values || (!a->values && !b->values));
    const glim_flat *f[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        room &= add_strings(out->pattern, &out->n_patterns, GLIM_FLAT_PATTERNS, f[i]->pattern, f[i]->n_patterns);
        room &= add_strings(out->format, &out->n_formats, GLIM_FLAT_FORMATS, f[i]->format, f[i]->n_formats);
    }
    uint64_t x = a->multiple ? a->multiple : 1, y = b->multiple ? b->multiple : 1, p = x, q = y;
    for (; q;) {
        uint64_t r = p % q;
        p = q;
        q = r;
    }
    out->multiple = a->multiple || b->multiple ? (uint32_t)(x / p * y) : 0;
    if (!ok) nomem(s);
    else if (!room) ok = glim_schema_fail(s, GLIM_E_LIMIT, "too many patterns for one string");
    else if (out->multiple > 1000) ok = glim_schema_fail(s, GLIM_E_LIMIT, "keyword \"multipleOf\" is supported for 1 to 1000 only");
    if (!ok) flat_free(out);
    return ok;
}

/* *to becomes every pair of *to and from, merged. */
static bool multiply(glim_schema *s, glim_flats *to, const glim_flats *from) {
    glim_flats out = {0};
    bool ok = true;
    for (size_t i = 0; i < to->n && ok; i++)
        for (size_t k = 0; k < from->n && ok; k++) {
            glim_flat f;
            if (s->budget->work < 1000) ok = glim_schema_fail(s, GLIM_E_LIMIT, "more work than one schema may ask for");
            else s->budget->work -= 1000;
            ok = ok && merge(s, &f, &to->v[i], &from->v[k]) && put_flat(s, &out, &f);
        }
    glim_flats_free(to);
    *to = out;
    return ok;
}

/* ---- oneOf ---- */

static const json_t *const_of(const json_t *schema) { return json_object_get(schema, "const"); }

static bool has_value(const json_t *list, const json_t *v) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), v)) return true;
    return false;
}

/* Two schemas of one property that say plainly that no value fits both. */
static bool apart(const json_t *a, const json_t *b) {
    const json_t *v[2] = {const_of(a), const_of(b)}, *e[2] = {json_object_get(a, "enum"), json_object_get(b, "enum")};
    const char *t[2] = {json_string_value(json_object_get(a, "type")), json_string_value(json_object_get(b, "type"))};
    if (v[0] && v[1]) return !json_equal(v[0], v[1]);
    for (int i = 0; i < 2; i++)
        if (v[i] && json_is_array(e[1 - i])) return !has_value(e[1 - i], v[i]);
    if (json_is_array(e[0]) && json_is_array(e[1])) {
        for (size_t i = 0; i < json_array_size(e[0]); i++)
            if (has_value(e[1], json_array_get(e[0], i))) return false;
        return true;
    }
    if (!t[0] || !t[1] || strcmp(t[0], t[1]) == 0) return false;
    bool number[2];
    for (int i = 0; i < 2; i++) number[i] = strcmp(t[i], "number") == 0 || strcmp(t[i], "integer") == 0;
    return !(number[0] && number[1]);
}

/* Whether nothing written for a passes b. */
static bool excludes(const glim_flat *a, const glim_flat *b) {
    unsigned mine = glim_flat_types(a);
    if (!(mine & b->types)) return true;
    if (a->values || b->values) {
        const json_t *list = a->values ? a->values : b->values;
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *v = json_array_get(list, i);
            bool in_a = a->values ? glim_flat_takes(a, v) : (mine & glim_type_of(v)) != 0;
            bool in_b = b->values ? has_value(b->values, v) : glim_flat_takes(b, v);
            if (in_a && in_b) return false;
        }
        return true;
    }
    if (mine & b->types & ~(unsigned)GLIM_T_OBJECT) return false;
    const char *name;
    json_t *unused;
    json_object_foreach(a->required, name, unused) {
        const json_t *x = json_object_get(a->props, name), *y = json_object_get(b->props, name);
        if (!y && json_is_false(b->additional)) return true;
        if (x && y && apart(x, y)) return true;
    }
    json_object_foreach(b->required, name, unused) {
        if (!json_object_get(a->props, name) && !json_object_get(a->required, name) && !glim_flat_open(a)) return true;
    }
    return false;
}

static bool check_one_of(glim_schema *s, const glim_flats *all, const size_t *group) {
    if (s->lenient) return true;
    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; k < all->n; k++)
            if (group[i] != group[k] && !excludes(&all->v[i], &all->v[k]))
                return glim_schema_fail(s, GLIM_E_UNSUPPORTED,
                                        "keyword \"oneOf\": alternatives %zu and %zu may both hold; use \"anyOf\", or give each "
                                        "its own required constant", group[i] < group[k] ? group[i] : group[k],
                                        group[i] < group[k] ? group[k] : group[i]);
    return true;
}

/* ---- references ---- */

/* Undoes ~0 ~1 and %HH in place. */
static void unescape(char *s) {
    char *to = s;
    for (; *s; s++) {
        unsigned hex;
        if (*s == '%' && s[1] && s[2] && sscanf(s + 1, "%2x", &hex) == 1) {
            *to++ = (char)hex;
            s += 2;
        } else if (*s == '~' && (s[1] == '0' || s[1] == '1')) *to++ = *++s == '0' ? '~' : '/';
        else *to++ = *s;
    }
    *to = 0;
}

static json_t *resolve(glim_schema *s, const json_t *ref) {
    const char *text = json_string_value(ref);
    if (!text) return glim_schema_fail(s, GLIM_E_FORMAT, "\"$ref\" is not a string"), NULL;
    if (text[0] != '#' || (text[1] && text[1] != '/'))
        return glim_schema_fail(s, GLIM_E_UNSUPPORTED, "\"$ref\" \"%.100s\" is not a pointer into this schema (#/...)", text), NULL;
    char *copy = strdup(text + 1), *at = copy;
    if (!copy) return nomem(s), NULL;
    json_t *v = s->root;
    while (v && *at == '/') {
        char *end = strchr(at + 1, '/');
        if (end) *end = 0;
        char *name = at + 1;
        unescape(name);
        if (json_is_array(v)) {
            char *rest;
            unsigned long i = strtoul(name, &rest, 10);
            v = *name && !*rest ? json_array_get(v, i) : NULL;
        } else v = json_object_get(v, name);
        if (!end) break;
        *end = '/';
        at = end;
    }
    free(copy);
    if (!v) glim_schema_fail(s, GLIM_E_FORMAT, "\"$ref\" \"%.100s\" leads nowhere", text);
    return v;
}

json_t *glim_schema_follow(glim_schema *s, json_t *schema) {
    for (int i = 0; i < MAX_COMBINE; i++) {
        const json_t *ref = json_object_get(schema, "$ref");
        if (!ref) return schema;
        const char *name;
        json_t *v;
        json_object_foreach(schema, name, v) if (strcmp(name, "$ref") != 0 && keyword_of(name) != K_ANNOTATION) return schema;
        if (!(schema = resolve(s, ref))) return NULL;
    }
    return glim_schema_fail(s, GLIM_E_FORMAT, "\"$ref\" leads in a circle"), NULL;
}

/* ---- flattening ---- */

static bool flatten_ref(glim_schema *s, const json_t *ref, glim_flats *out) {
    json_t *target = resolve(s, ref);
    if (!target) return false;
    for (size_t i = 0; i < s->n_open; i++)
        if (s->open[i] == target) return true; /* its alternatives are being listed already */
    if (s->n_open == GLIM_COUNT(s->open)) return glim_schema_fail(s, GLIM_E_LIMIT, "too many references within one another");
    s->open[s->n_open++] = target;
    bool ok = glim_schema_flatten(s, target, out);
    s->n_open--;
    return ok;
}

/* The alternatives of anyOf or oneOf. */
static bool flatten_list(glim_schema *s, const char *name, json_t *list, glim_flats *out) {
    if (!json_is_array(list) || json_array_size(list) == 0)
        return glim_schema_fail(s, GLIM_E_FORMAT, "\"%s\" is not a list of schemas", name);
    size_t group[GLIM_CON_MAX_ALTS];
    bool ok = true;
    for (size_t i = 0; i < json_array_size(list) && ok; i++) {
        size_t mark = glim_schema_enter_index(s, name, i), before = out->n;
        glim_flats one = {0};
        ok = glim_schema_flatten(s, json_array_get(list, i), &one);
        for (size_t k = 0; k < one.n && ok; k++) {
            ok = put_flat(s, out, &one.v[k]);
            one.v[k] = blank(); /* taken over in any case */
        }
        glim_flats_free(&one);
        for (size_t k = before; k < out->n; k++) group[k] = i;
        glim_schema_leave(s, mark);
    }
    return ok && (name[0] != 'o' || check_one_of(s, out, group));
}

static bool flatten_object(glim_schema *s, json_t *schema, glim_flats *out) {
    glim_flat own = blank();
    if (!read_own(s, &own, schema)) {
        flat_free(&own);
        return false;
    }
    if (!put_flat(s, out, &own)) return false;
    json_t *v;
    bool ok = true;
    if ((v = json_object_get(schema, "$ref"))) {
        glim_flats f = {0};
        ok = flatten_ref(s, v, &f) && multiply(s, out, &f);
        glim_flats_free(&f);
    }
    if (ok && (v = json_object_get(schema, "allOf"))) {
        if (!json_is_array(v)) ok = glim_schema_fail(s, GLIM_E_FORMAT, "\"allOf\" is not a list of schemas");
        for (size_t i = 0; i < json_array_size(v) && ok; i++) {
            size_t mark = glim_schema_enter_index(s, "allOf", i);
            glim_flats f = {0};
            ok = glim_schema_flatten(s, json_array_get(v, i), &f);
            glim_schema_leave(s, mark);
            ok = ok && multiply(s, out, &f);
            glim_flats_free(&f);
        }
    }
    static const char *const lists[] = {"anyOf", "oneOf"};
    for (int i = 0; i < 2 && ok; i++)
        if ((v = json_object_get(schema, lists[i]))) {
            glim_flats f = {0};
            ok = flatten_list(s, lists[i], v, &f) && multiply(s, out, &f);
            glim_flats_free(&f);
        }
    return ok;
}

bool glim_schema_flatten(glim_schema *s, json_t *schema, glim_flats *out) {
    if (s->rc != GLIM_OK) return false;
    if (json_is_false(schema)) return true;
    if (json_is_true(schema)) {
        glim_flat any = blank();
        return put_flat(s, out, &any);
    }
    if (!json_is_object(schema))
        return glim_schema_fail(s, GLIM_E_FORMAT, "a schema is %s, want an object or a boolean", glim_json_type_name(schema));
    if (s->depth >= MAX_COMBINE) return glim_schema_fail(s, GLIM_E_LIMIT, "combinations nested deeper than %d", MAX_COMBINE);
    if (s->budget->work < 1000) return glim_schema_fail(s, GLIM_E_LIMIT, "more work than one schema may ask for");
    s->budget->work -= 1000;
    s->depth++;
    bool ok = flatten_object(s, schema, out);
    s->depth--;
    if (!ok) glim_flats_free(out);
    return ok;
}
