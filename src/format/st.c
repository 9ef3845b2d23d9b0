/* st.c - reading safetensors; see st.h.
 *
 * Invariant  once open, every tensor's n_bytes lies in the file, equals shape times type, and the
 *            tensors in order cover the data without overlap or hole.
 * Surprise   empty tensors (a dim of 0) are legal and share their offset with a neighbour. */
#include "format/st.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/shape.h"

struct glim_st {
    glim_map map; /* {0} when the bytes are the caller's */
    const uint8_t *bytes;
    size_t size;
    glim_arena names;
    glim_tensor *tensors; /* [n] */
    size_t n;
    json_t *metadata;
};

static const struct {
    const char *name;
    glim_dtype type;
} st_types[] = {
    {"BF16", GLIM_BF16}, {"F32", GLIM_F32},   {"F16", GLIM_F16},         {"F64", GLIM_F64},
    {"I8", GLIM_I8},     {"I16", GLIM_I16},   {"I32", GLIM_I32},         {"I64", GLIM_I64},
    {"U8", GLIM_U8},     {"U16", GLIM_U16},   {"U32", GLIM_U32},         {"U64", GLIM_U64},
    {"BOOL", GLIM_BOOL}, {"F8_E4M3", GLIM_F8_E4M3}, {"F8_E5M2", GLIM_F8_E5M2},
};

static glim_status read_type(const json_t *v, glim_dtype *out, glim_err *err) {
    if (!json_is_string(v))
        return glim_fail(err, GLIM_E_FORMAT, "dtype: got %s, want a string", glim_json_type_name(v));
    for (size_t i = 0; i < GLIM_COUNT(st_types); i++) {
        if (strcmp(json_string_value(v), st_types[i].name) == 0) {
            *out = st_types[i].type;
            return GLIM_OK;
        }
    }
    return glim_fail(err, GLIM_E_UNSUPPORTED, "dtype: got \"%.40s\", want BF16, F16, F32, F64, F8_E4M3, "
                     "F8_E5M2, BOOL or an integer type", json_string_value(v));
}

static glim_status read_size(const json_t *v, const char *what, size_t *out, glim_err *err) {
    if (!json_is_integer(v))
        return glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want an integer", what, glim_json_type_name(v));
    if (json_integer_value(v) < 0)
        return glim_fail(err, GLIM_E_FORMAT, "%s: got %lld, want 0 or more", what,
                         (long long)json_integer_value(v));
    *out = (size_t)json_integer_value(v);
    return GLIM_OK;
}

/* One {dtype, shape, data_offsets}; data[size] are the bytes after the header. */
static glim_status read_tensor(glim_tensor *t, const json_t *entry, const uint8_t *data, size_t size,
                               glim_err *err) {
    if (!json_is_object(entry))
        return glim_fail(err, GLIM_E_FORMAT, "got %s, want an object with dtype, shape and data_offsets",
                         glim_json_type_name(entry));
    glim_status rc = read_type(json_object_get(entry, "dtype"), &t->type, err);
    if (rc != GLIM_OK) return rc;

    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return glim_fail(err, GLIM_E_FORMAT, "shape: got %s, want an array", glim_json_type_name(shape));
    if (json_array_size(shape) > GLIM_MAX_DIMS)
        return glim_fail(err, GLIM_E_LIMIT, "shape: got %zu dimensions, want at most %d",
                         json_array_size(shape), GLIM_MAX_DIMS);
    t->n_dims = (int)json_array_size(shape);
    for (int i = 0; i < t->n_dims; i++) {
        rc = read_size(json_array_get(shape, (size_t)i), "shape", &t->dims[i], err);
        if (rc != GLIM_OK) return rc;
    }
    rc = glim_shape_bytes(t->type, t->dims, t->n_dims, &t->n_bytes, err);
    if (rc != GLIM_OK) return rc;

    const json_t *span = json_object_get(entry, "data_offsets");
    if (!json_is_array(span) || json_array_size(span) != 2)
        return glim_fail(err, GLIM_E_FORMAT, "data_offsets: got %s of %zu, want an array of 2 integers",
                         glim_json_type_name(span), json_array_size(span));
    size_t a, b;
    rc = read_size(json_array_get(span, 0), "data_offsets", &a, err);
    if (rc == GLIM_OK) rc = read_size(json_array_get(span, 1), "data_offsets", &b, err);
    if (rc != GLIM_OK) return rc;
    if (a > b || b > size)
        return glim_fail(err, GLIM_E_FORMAT, "data_offsets: got [%zu, %zu], want them in order and "
                         "inside %zu bytes of data", a, b, size);
    if (b - a != t->n_bytes) {
        char text[GLIM_SHAPE_TEXT];
        return glim_fail(err, GLIM_E_FORMAT, "data_offsets: got %zu bytes, want %zu for %s of %s", b - a,
                         t->n_bytes, glim_shape_text(text, t->dims, t->n_dims),
                         glim_dtype_of(t->type)->name);
    }
    t->data = data + a;
    return GLIM_OK;
}

/* By place, then by end, so that an empty tensor comes before its neighbour; then by name, so that the
 * order is always the same. */
static int by_data(const void *pa, const void *pb) {
    const glim_tensor *a = pa, *b = pb;
    if (a->data != b->data) return (const uint8_t *)a->data < (const uint8_t *)b->data ? -1 : 1;
    if (a->n_bytes != b->n_bytes) return a->n_bytes < b->n_bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static glim_status check_cover(const glim_st *st, const uint8_t *data, size_t size, glim_err *err) {
    size_t at = 0;
    for (size_t i = 0; i < st->n; i++) {
        const glim_tensor *t = &st->tensors[i];
        size_t a = (size_t)((const uint8_t *)t->data - data);
        if (a < at)
            return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": its data begin at %zu and overlap \"%s\", "
                             "which ends at %zu", t->name, a, st->tensors[i - 1].name, at);
        if (a > at)
            return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": its data begin at %zu, want %zu: "
                             "safetensors allows no hole", t->name, a, at);
        at = a + t->n_bytes;
    }
    if (at < size)
        return glim_fail(err, GLIM_E_FORMAT, "got %zu bytes of data, want %zu: no tensor covers the rest",
                         size, at);
    return GLIM_OK;
}

static glim_status read_metadata(glim_st *st, json_t *meta, glim_err *err) {
    if (!json_is_object(meta))
        return glim_fail(err, GLIM_E_FORMAT, "__metadata__: got %s, want an object",
                         glim_json_type_name(meta));
    const char *key;
    json_t *v;
    json_object_foreach(meta, key, v) {
        if (!json_is_string(v))
            return glim_fail(err, GLIM_E_FORMAT, "__metadata__ \"%.100s\": got %s, want a string", key,
                             glim_json_type_name(v));
    }
    st->metadata = json_incref(meta);
    return GLIM_OK;
}

static glim_status read_entries(glim_st *st, json_t *root, const uint8_t *data, size_t size,
                                glim_err *err) {
    void *p;
    glim_status rc = glim_try_calloc(&p, json_object_size(root), sizeof *st->tensors, "tensor names", err);
    if (rc != GLIM_OK) return rc;
    st->tensors = p;
    const char *key;
    json_t *v;
    json_object_foreach(root, key, v) {
        if (strcmp(key, "__metadata__") == 0) {
            rc = read_metadata(st, v, err);
            if (rc != GLIM_OK) return rc;
            continue;
        }
        size_t len = strlen(key);
        if (len > GLIM_TENSOR_NAME_MAX)
            return glim_fail(err, GLIM_E_LIMIT, "tensor \"%.60s...\": got a name of %zu bytes, want at "
                             "most %d", key, len, GLIM_TENSOR_NAME_MAX);
        glim_tensor *t = &st->tensors[st->n];
        t->name = glim_arena_strndup(&st->names, key, len);
        if (!t->name)
            return glim_fail(err, GLIM_E_NOMEM, "could not allocate %zu bytes for tensor names", len + 1);
        rc = read_tensor(t, v, data, size, err);
        if (rc != GLIM_OK) {
            glim_err_context(err, "tensor \"%s\"", t->name);
            return rc;
        }
        st->n++;
    }
    qsort(st->tensors, st->n, sizeof *st->tensors, by_data);
    return check_cover(st, data, size, err);
}

static glim_status read_header(glim_st *st, glim_err *err) {
    uint64_t n = 0;
    if (st->size < 8)
        return glim_fail(err, GLIM_E_FORMAT, "truncated: got %zu bytes, want 8 for the header length",
                         st->size);
    memcpy(&n, st->bytes, 8);
    if (memcmp(st->bytes, "version ", 8) == 0) {
        glim_status rc = glim_fail(err, GLIM_E_FORMAT, "this is a Git LFS pointer, not the weights");
        glim_err_hint(err, "fetch the file itself: git lfs pull, or glim pull");
        return rc;
    }
    if (n > st->size - 8)
        return glim_fail(err, GLIM_E_FORMAT, "header length: got %llu bytes, want at most the %zu that "
                         "follow: truncated, or not a safetensors file", (unsigned long long)n,
                         st->size - 8);
    if (n > GLIM_ST_HEADER_MAX)
        return glim_fail(err, GLIM_E_LIMIT, "header length: got %llu bytes, want at most %d",
                         (unsigned long long)n, GLIM_ST_HEADER_MAX);
    if (n == 0 || st->bytes[8] != '{')
        return glim_fail(err, GLIM_E_FORMAT, "the header does not begin with \"{\": not a safetensors file");

    json_t *root;
    /* A header is object, object, array: four levels are one more than it needs. */
    glim_status rc = glim_json_parse(&root, (const char *)st->bytes + 8, (size_t)n, 4, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "header");
        return rc;
    }
    rc = read_entries(st, root, st->bytes + 8 + n, st->size - 8 - (size_t)n, err);
    json_decref(root);
    return rc;
}

/* Takes over st, opened or failed. */
static glim_status finish_open(glim_st **out, glim_st *st, const char *name, glim_err *err) {
    glim_status rc = read_header(st, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "%s", name);
        glim_st_close(st);
        return rc;
    }
    *out = st;
    return GLIM_OK;
}

glim_status glim_st_open(glim_st **out, const char *path, glim_err *err) {
    *out = NULL;
    glim_map map;
    glim_status rc = glim_map_open(&map, path, err);
    if (rc != GLIM_OK) return rc;
    glim_st *st = glim_xcalloc(1, sizeof *st);
    st->map = map;
    st->bytes = map.data;
    st->size = map.size;
    return finish_open(out, st, path, err);
}

glim_status glim_st_open_mem(glim_st **out, const void *bytes, size_t n_bytes, const char *name,
                             glim_err *err) {
    *out = NULL;
    glim_st *st = glim_xcalloc(1, sizeof *st);
    st->bytes = bytes;
    st->size = n_bytes;
    return finish_open(out, st, name, err);
}

void glim_st_close(glim_st *st) {
    if (!st) return;
    json_decref(st->metadata);
    free(st->tensors);
    glim_arena_free(&st->names);
    glim_map_close(&st->map);
    free(st);
}

size_t glim_st_n_tensors(const glim_st *st) { return st->n; }
const glim_tensor *glim_st_tensor(const glim_st *st, size_t i) { return &st->tensors[i]; }
size_t glim_st_size(const glim_st *st) { return st->size; }
const json_t *glim_st_metadata(const glim_st *st) { return st->metadata; }

void glim_st_drop(const glim_st *st, const glim_tensor *t) {
    if (st->map.size > 0)
        glim_map_drop(&st->map, (size_t)((const uint8_t *)t->data - st->map.data), t->n_bytes);
}
