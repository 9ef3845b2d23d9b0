/* gguf.c - reading GGUF; see gguf.h.
 *
 * Invariant  every count is checked against the bytes that remain before anything is allocated for it,
 *            so memory stays within a small multiple of the file's size whatever the file says.
 * Surprise   dims are stored innermost first; glim_tensor has them outermost first. */
#include "format/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/names.h"
#include "format/shape.h"

struct glim_gguf {
    glim_map map; /* {0} when the bytes are the caller's */
    const uint8_t *bytes;
    size_t size;
    uint32_t version;
    glim_arena names;
    glim_gguf_kv *kvs; /* [n_kv] */
    size_t n_kv;
    glim_names keys;
    glim_tensor *tensors; /* [n_tensors] */
    size_t n_tensors;
};

static const struct {
    const char *name;
    unsigned bytes; /* 0: of variable length */
} value_types[GLIM_GGUF_N_TYPE] = {
    [GLIM_GGUF_U8] = {"u8", 1},   [GLIM_GGUF_I8] = {"i8", 1},     [GLIM_GGUF_U16] = {"u16", 2},
    [GLIM_GGUF_I16] = {"i16", 2}, [GLIM_GGUF_U32] = {"u32", 4},   [GLIM_GGUF_I32] = {"i32", 4},
    [GLIM_GGUF_F32] = {"f32", 4}, [GLIM_GGUF_BOOL] = {"bool", 1}, [GLIM_GGUF_STR] = {"string", 0},
    [GLIM_GGUF_ARRAY] = {"array", 0}, [GLIM_GGUF_U64] = {"u64", 8}, [GLIM_GGUF_I64] = {"i64", 8},
    [GLIM_GGUF_F64] = {"f64", 8},
};

const char *glim_gguf_type_name(glim_gguf_type t) {
    return (unsigned)t < GLIM_GGUF_N_TYPE ? value_types[t].name : "?";
}

/* The tensor types of ggml by number. `type` is GLIM_N_DTYPE where we cannot read one. */
static const struct {
    const char *name; /* NULL: never assigned */
    glim_dtype type;
} ggml_types[] = {
    [0] = {"F32", GLIM_F32},           [1] = {"F16", GLIM_F16},           [2] = {"Q4_0", GLIM_Q4_0},
    [3] = {"Q4_1", GLIM_Q4_1},         [4] = {"Q4_2", GLIM_N_DTYPE},      [5] = {"Q4_3", GLIM_N_DTYPE},
    [6] = {"Q5_0", GLIM_Q5_0},         [7] = {"Q5_1", GLIM_Q5_1},         [8] = {"Q8_0", GLIM_Q8_0},
    [9] = {"Q8_1", GLIM_Q8_1},         [10] = {"Q2_K", GLIM_Q2_K},        [11] = {"Q3_K", GLIM_Q3_K},
    [12] = {"Q4_K", GLIM_Q4_K},        [13] = {"Q5_K", GLIM_Q5_K},        [14] = {"Q6_K", GLIM_Q6_K},
    [15] = {"Q8_K", GLIM_Q8_K},        [16] = {"IQ2_XXS", GLIM_N_DTYPE},  [17] = {"IQ2_XS", GLIM_N_DTYPE},
    [18] = {"IQ3_XXS", GLIM_N_DTYPE},  [19] = {"IQ1_S", GLIM_N_DTYPE},    [20] = {"IQ4_NL", GLIM_IQ4_NL},
    [21] = {"IQ3_S", GLIM_N_DTYPE},    [22] = {"IQ2_S", GLIM_N_DTYPE},    [23] = {"IQ4_XS", GLIM_IQ4_XS},
    [24] = {"I8", GLIM_I8},            [25] = {"I16", GLIM_I16},          [26] = {"I32", GLIM_I32},
    [27] = {"I64", GLIM_I64},          [28] = {"F64", GLIM_F64},          [29] = {"IQ1_M", GLIM_N_DTYPE},
    [30] = {"BF16", GLIM_BF16},        [31] = {"Q4_0_4_4", GLIM_N_DTYPE}, [32] = {"Q4_0_4_8", GLIM_N_DTYPE},
    [33] = {"Q4_0_8_8", GLIM_N_DTYPE}, [34] = {"TQ1_0", GLIM_N_DTYPE},    [35] = {"TQ2_0", GLIM_N_DTYPE},
    [36] = {"IQ4_NL_4_4", GLIM_N_DTYPE}, [37] = {"IQ4_NL_4_8", GLIM_N_DTYPE},
    [38] = {"IQ4_NL_8_8", GLIM_N_DTYPE}, [39] = {"MXFP4", GLIM_MXFP4},
};

int glim_gguf_type_of_dtype(glim_dtype t) {
    for (size_t i = 0; i < GLIM_COUNT(ggml_types); i++)
        if (ggml_types[i].name && ggml_types[i].type == t && t != GLIM_N_DTYPE) return (int)i;
    return -1;
}

/* --- A cursor that cannot leave the file -------------------------------------------------------- */

typedef struct cursor {
    const uint8_t *bytes;
    size_t size, at;
} cursor;

static size_t left(const cursor *c) { return c->size - c->at; }

static glim_status truncated(const cursor *c, const char *what, uint64_t n, glim_err *err) {
    return glim_fail(err, GLIM_E_FORMAT, "truncated in %s: want %llu bytes at offset %zu, got %zu", what,
                     (unsigned long long)n, c->at, left(c));
}

static glim_status take(cursor *c, void *out, size_t n, const char *what, glim_err *err) {
    if (left(c) < n) return truncated(c, what, n, err);
    memcpy(out, c->bytes + c->at, n);
    c->at += n;
    return GLIM_OK;
}

static glim_status take_text(cursor *c, glim_gguf_text *out, const char *what, glim_err *err) {
    uint64_t n = 0;
    glim_status rc = take(c, &n, 8, what, err);
    if (rc != GLIM_OK) return rc;
    if (n > left(c)) return truncated(c, what, n, err);
    *out = (glim_gguf_text){(const char *)c->bytes + c->at, (size_t)n};
    c->at += (size_t)n;
    return GLIM_OK;
}

/* A key or tensor name: a copy in the arena, terminated. */
static glim_status take_name(glim_gguf *g, cursor *c, const char *what, size_t max, const char **out,
                             glim_err *err) {
    glim_gguf_text t;
    glim_status rc = take_text(c, &t, what, err);
    if (rc != GLIM_OK) return rc;
    if (t.len == 0) return glim_fail(err, GLIM_E_FORMAT, "%s: got an empty name", what);
    if (t.len > max)
        return glim_fail(err, GLIM_E_LIMIT, "%s \"%.60s...\": got a name of %zu bytes, want at most %zu",
                         what, t.s, t.len, max);
    if (memchr(t.s, 0, t.len))
        return glim_fail(err, GLIM_E_FORMAT, "%s \"%.*s\": the name holds a NUL", what, (int)t.len, t.s);
    *out = glim_arena_strndup(&g->names, t.s, t.len);
    if (!*out) return glim_fail(err, GLIM_E_NOMEM, "could not allocate %zu bytes for names", t.len + 1);
    return GLIM_OK;
}

/* --- Keys ----------------------------------------------------------------------------------------- */

static glim_status check_bools(const uint8_t *p, size_t n, glim_err *err) {
    for (size_t i = 0; i < n; i++)
        if (p[i] > 1)
            return glim_fail(err, GLIM_E_FORMAT, "bool %zu: got the byte %u, want 0 or 1", i, p[i]);
    return GLIM_OK;
}

/* Steps over n strings, noting where each begins relative to the first. */
static glim_status take_strings(cursor *c, size_t n, uint64_t *at, glim_err *err) {
    size_t start = c->at;
    for (size_t i = 0; i < n; i++) {
        if (at) at[i] = c->at - start;
        glim_gguf_text t;
        glim_status rc = take_text(c, &t, "a string", err);
        if (rc != GLIM_OK) {
            glim_err_context(err, "item %zu of %zu", i, n);
            return rc;
        }
    }
    return GLIM_OK;
}

static glim_status take_type(cursor *c, glim_gguf_type *out, glim_err *err) {
    uint32_t t = 0;
    glim_status rc = take(c, &t, 4, "a value type", err);
    if (rc != GLIM_OK) return rc;
    if (t >= GLIM_GGUF_N_TYPE)
        return glim_fail(err, GLIM_E_FORMAT, "value type: got %u, want 0 to %d", t, GLIM_GGUF_N_TYPE - 1);
    *out = (glim_gguf_type)t;
    return GLIM_OK;
}

/* The items of an array whose type and count are read; kv (may be NULL: an array inside an array) gets
 * an index of strings. Recursion ends at GLIM_GGUF_DEPTH. */
static glim_status take_items(cursor *c, glim_gguf_type item, uint64_t n, int depth, glim_gguf_kv *kv,
                              glim_err *err) {
    /* The fewest bytes that one item takes: a string its length, an array its type and count. */
    size_t least = item == GLIM_GGUF_STR ? 8 : item == GLIM_GGUF_ARRAY ? 12 : value_types[item].bytes;
    if (n > left(c) / least)
        return glim_fail(err, GLIM_E_FORMAT, "array of %llu items of type %s: want at least %zu bytes for "
                         "each, got %zu for all", (unsigned long long)n, value_types[item].name, least,
                         left(c));
    if (item == GLIM_GGUF_STR) {
        uint64_t *at = NULL;
        if (kv) {
            void *p;
            glim_status rc = glim_try_calloc(&p, (size_t)n, sizeof *at, "an index of strings", err);
            if (rc != GLIM_OK) return rc;
            kv->at = at = p;
        }
        return take_strings(c, (size_t)n, at, err);
    }
    if (item != GLIM_GGUF_ARRAY) {
        if (item == GLIM_GGUF_BOOL) {
            glim_status rc = check_bools(c->bytes + c->at, (size_t)n, err);
            if (rc != GLIM_OK) return rc;
        }
        c->at += (size_t)n * least;
        return GLIM_OK;
    }
    if (depth + 1 >= GLIM_GGUF_DEPTH)
        return glim_fail(err, GLIM_E_LIMIT, "arrays are nested more than %d deep", GLIM_GGUF_DEPTH);
    for (uint64_t i = 0; i < n; i++) {
        glim_gguf_type inner;
        uint64_t count = 0;
        glim_status rc = take_type(c, &inner, err);
        if (rc == GLIM_OK) rc = take(c, &count, 8, "an array count", err);
        if (rc == GLIM_OK) rc = take_items(c, inner, count, depth + 1, NULL, err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

static glim_status take_value(cursor *c, glim_gguf_kv *kv, glim_err *err) {
    glim_status rc = take_type(c, &kv->type, err);
    if (rc != GLIM_OK) return rc;
    uint64_t n = 1;
    kv->item = kv->type;
    if (kv->type == GLIM_GGUF_ARRAY) {
        rc = take_type(c, &kv->item, err);
        if (rc == GLIM_OK) rc = take(c, &n, 8, "an array count", err);
        if (rc != GLIM_OK) return rc;
    }
    size_t start = c->at;
    kv->data = c->bytes + start;
    if (kv->type == GLIM_GGUF_ARRAY) rc = take_items(c, kv->item, n, 0, kv, err);
    else if (kv->type == GLIM_GGUF_STR) rc = take_strings(c, 1, NULL, err);
    else if (left(c) < value_types[kv->type].bytes)
        rc = truncated(c, "a value", value_types[kv->type].bytes, err);
    else {
        if (kv->type == GLIM_GGUF_BOOL) rc = check_bools(kv->data, 1, err);
        c->at += value_types[kv->type].bytes;
    }
    kv->n = (size_t)n;
    kv->n_bytes = c->at - start;
    return rc;
}

static glim_status take_keys(glim_gguf *g, cursor *c, uint64_t n, glim_err *err) {
    /* A key takes 8 + 1 bytes of name, 4 of type and at least 1 of value. */
    if (n > left(c) / 14)
        return glim_fail(err, GLIM_E_FORMAT, "key count: got %llu, want at most %zu, which is what fits "
                         "in the file", (unsigned long long)n, left(c) / 14);
    if (n > GLIM_GGUF_MAX_KEYS)
        return glim_fail(err, GLIM_E_LIMIT, "key count: got %llu, want at most %d", (unsigned long long)n,
                         GLIM_GGUF_MAX_KEYS);
    void *p;
    glim_status rc = glim_names_init(&g->keys, (size_t)n, "metadata keys", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, (size_t)n, sizeof *g->kvs, "metadata keys", err);
    if (rc != GLIM_OK) return rc;
    g->kvs = p;
    for (size_t i = 0; i < n; i++) {
        glim_gguf_kv *kv = &g->kvs[i];
        rc = take_name(g, c, "key", GLIM_GGUF_KEY_MAX, &kv->key, err);
        if (rc != GLIM_OK) {
            glim_err_context(err, "key %zu of %llu", i, (unsigned long long)n);
            return rc;
        }
        g->n_kv++; /* counted before its value: close frees a half-read one */
        rc = take_value(c, kv, err);
        if (rc == GLIM_OK && !glim_names_add(&g->keys, kv->key, strlen(kv->key), i, NULL))
            rc = glim_fail(err, GLIM_E_FORMAT, "the key is there twice");
        if (rc != GLIM_OK) {
            glim_err_context(err, "key \"%s\"", kv->key);
            return rc;
        }
    }
    return GLIM_OK;
}

/* --- Tensors -------------------------------------------------------------------------------------- */

static glim_status take_dtype(cursor *c, glim_dtype *out, glim_err *err) {
    uint32_t t = 0;
    glim_status rc = take(c, &t, 4, "the type", err);
    if (rc != GLIM_OK) return rc;
    if (t >= GLIM_COUNT(ggml_types) || !ggml_types[t].name)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "got the unknown type number %u", t);
    *out = ggml_types[t].type;
    if (*out == GLIM_N_DTYPE) {
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "got type %s, which Glim does not read", ggml_types[t].name);
        glim_err_hint(err, "use a file quantized as Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, IQ4_XS or IQ4_NL");
        return rc;
    }
    return GLIM_OK;
}

/* The rest of a tensor's entry after its name; *offset counts from the data section. */
static glim_status take_tensor(cursor *c, glim_tensor *t, uint64_t *offset, glim_err *err) {
    uint32_t n_dims = 0;
    glim_status rc = take(c, &n_dims, 4, "the number of dimensions", err);
    if (rc != GLIM_OK) return rc;
    if (n_dims > GLIM_MAX_DIMS)
        return glim_fail(err, GLIM_E_LIMIT, "got %u dimensions, want at most %d", n_dims, GLIM_MAX_DIMS);
    t->n_dims = (int)n_dims;
    for (uint32_t i = 0; i < n_dims; i++) {
        uint64_t d = 0;
        rc = take(c, &d, 8, "the shape", err);
        if (rc != GLIM_OK) return rc;
        t->dims[n_dims - 1 - i] = (size_t)d;
    }
    rc = take_dtype(c, &t->type, err);
    if (rc == GLIM_OK) rc = take(c, offset, 8, "the offset", err);
    if (rc == GLIM_OK) rc = glim_shape_bytes(t->type, t->dims, t->n_dims, &t->n_bytes, err);
    return rc;
}

static int by_data(const void *pa, const void *pb) {
    const glim_tensor *a = *(const glim_tensor *const *)pa, *b = *(const glim_tensor *const *)pb;
    if (a->data != b->data) return (const uint8_t *)a->data < (const uint8_t *)b->data ? -1 : 1;
    if (a->n_bytes != b->n_bytes) return a->n_bytes < b->n_bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static glim_status check_overlap(const glim_gguf *g, glim_err *err) {
    void *p;
    glim_status rc = glim_try_calloc(&p, g->n_tensors, sizeof(glim_tensor *), "the order of tensors", err);
    if (rc != GLIM_OK) return rc;
    const glim_tensor **order = p;
    for (size_t i = 0; i < g->n_tensors; i++) order[i] = &g->tensors[i];
    if (g->n_tensors > 1) qsort(order, g->n_tensors, sizeof *order, by_data);
    for (size_t i = 1; i < g->n_tensors && rc == GLIM_OK; i++) {
        const glim_tensor *a = order[i - 1], *b = order[i];
        size_t gap = (size_t)((const uint8_t *)b->data - (const uint8_t *)a->data);
        if (gap < a->n_bytes)
            rc = glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": its data overlap \"%s\": they begin %zu bytes "
                           "after it, want at least %zu", b->name, a->name, gap, a->n_bytes);
    }
    free(p);
    return rc;
}

/* Offsets become pointers, once the start of the data is known. */
static glim_status place_tensors(glim_gguf *g, const uint64_t *offsets, size_t info_end, size_t align,
                                 glim_err *err) {
    size_t start, room = 0;
    if (glim_align_size(info_end, align, &start) && start <= g->size) room = g->size - start;
    else start = g->size;
    for (size_t i = 0; i < g->n_tensors; i++) {
        glim_tensor *t = &g->tensors[i];
        if (offsets[i] % align != 0)
            return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": offset: got %llu, want a multiple of %zu",
                             t->name, (unsigned long long)offsets[i], align);
        if (offsets[i] > room || t->n_bytes > room - (size_t)offsets[i])
            return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\": got %zu bytes at offset %llu, want them "
                             "inside %zu bytes of data: truncated?", t->name, t->n_bytes,
                             (unsigned long long)offsets[i], room);
        t->data = g->bytes + start + offsets[i];
    }
    return check_overlap(g, err);
}

static glim_status read_alignment(const glim_gguf *g, size_t *out, glim_err *err) {
    uint64_t a;
    glim_status rc = glim_gguf_u64(g, "general.alignment", 32, &a, err);
    if (rc != GLIM_OK) return rc;
    if (a == 0 || (a & (a - 1)) != 0 || a > GLIM_GGUF_MAX_ALIGNMENT)
        return glim_fail(err, GLIM_E_FORMAT, "key \"general.alignment\": got %llu, want a power of two up "
                         "to %d", (unsigned long long)a, GLIM_GGUF_MAX_ALIGNMENT);
    *out = (size_t)a;
    return GLIM_OK;
}

static glim_status take_tensors(glim_gguf *g, cursor *c, uint64_t n, glim_err *err) {
    /* An entry takes 8 + 1 bytes of name, 4 of dimension count, 4 of type and 8 of offset. */
    if (n > left(c) / 25)
        return glim_fail(err, GLIM_E_FORMAT, "tensor count: got %llu, want at most %zu, which is what fits "
                         "in the file", (unsigned long long)n, left(c) / 25);
    if (n > GLIM_GGUF_MAX_TENSORS)
        return glim_fail(err, GLIM_E_LIMIT, "tensor count: got %llu, want at most %d",
                         (unsigned long long)n, GLIM_GGUF_MAX_TENSORS);
    glim_names seen = {0};
    void *p = NULL, *q = NULL;
    size_t align = 0;
    glim_status rc = read_alignment(g, &align, err);
    if (rc == GLIM_OK) rc = glim_names_init(&seen, (size_t)n, "tensor names", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, (size_t)n, sizeof *g->tensors, "tensor names", err);
    g->tensors = p;
    if (rc == GLIM_OK) rc = glim_try_calloc(&q, (size_t)n, sizeof(uint64_t), "tensor offsets", err);
    uint64_t *offsets = q;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        glim_tensor *t = &g->tensors[i];
        rc = take_name(g, c, "tensor", GLIM_TENSOR_NAME_MAX, &t->name, err);
        if (rc != GLIM_OK) {
            glim_err_context(err, "tensor %zu of %llu", i, (unsigned long long)n);
            break;
        }
        rc = take_tensor(c, t, &offsets[i], err);
        if (rc == GLIM_OK && !glim_names_add(&seen, t->name, strlen(t->name), i, NULL))
            rc = glim_fail(err, GLIM_E_FORMAT, "the tensor is there twice");
        if (rc != GLIM_OK) glim_err_context(err, "tensor \"%s\"", t->name);
        g->n_tensors = i + 1;
    }
    if (rc == GLIM_OK) rc = place_tensors(g, offsets, c->at, align, err);
    free(offsets);
    glim_names_deinit(&seen);
    return rc;
}

/* --- Opening -------------------------------------------------------------------------------------- */

static glim_status read_file(glim_gguf *g, glim_err *err) {
    cursor c = {g->bytes, g->size, 0};
    char magic[4] = {0};
    uint64_t n_tensors = 0, n_kv = 0;
    glim_status rc = take(&c, magic, 4, "the magic", err);
    if (rc != GLIM_OK) return rc;
    if (memcmp(magic, "GGUF", 4) != 0) {
        rc = glim_fail(err, GLIM_E_FORMAT, "not a GGUF file: it begins with \"%.4s\", want \"GGUF\"", magic);
        if (g->size >= 8 && memcmp(g->bytes, "version ", 8) == 0)
            glim_err_hint(err, "this is a Git LFS pointer: fetch the file itself with git lfs pull");
        return rc;
    }
    rc = take(&c, &g->version, 4, "the version", err);
    if (rc != GLIM_OK) return rc;
    if (g->version != 0 && (g->version & 0xffff) == 0)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "GGUF version %u in big-endian bytes: Glim reads only "
                         "little-endian files", __builtin_bswap32(g->version));
    if (g->version != 2 && g->version != 3)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "GGUF version: got %u, want 2 or 3", g->version);
    rc = take(&c, &n_tensors, 8, "the tensor count", err);
    if (rc == GLIM_OK) rc = take(&c, &n_kv, 8, "the key count", err);
    if (rc == GLIM_OK) rc = take_keys(g, &c, n_kv, err);
    if (rc == GLIM_OK) rc = take_tensors(g, &c, n_tensors, err);
    return rc;
}

/* Takes over g, opened or failed. */
static glim_status finish_open(glim_gguf **out, glim_gguf *g, const char *name, glim_err *err) {
    glim_status rc = read_file(g, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "%s", name);
        glim_gguf_close(g);
        return rc;
    }
    *out = g;
    return GLIM_OK;
}

glim_status glim_gguf_open(glim_gguf **out, const char *path, glim_err *err) {
    *out = NULL;
    glim_map map;
    glim_status rc = glim_map_open(&map, path, err);
    if (rc != GLIM_OK) return rc;
    glim_gguf *g = glim_xcalloc(1, sizeof *g);
    g->map = map;
    g->bytes = map.data;
    g->size = map.size;
    return finish_open(out, g, path, err);
}

glim_status glim_gguf_open_mem(glim_gguf **out, const void *bytes, size_t n_bytes, const char *name,
                               glim_err *err) {
    *out = NULL;
    glim_gguf *g = glim_xcalloc(1, sizeof *g);
    g->bytes = bytes;
    g->size = n_bytes;
    return finish_open(out, g, name, err);
}

void glim_gguf_close(glim_gguf *g) {
    if (!g) return;
    for (size_t i = 0; i < g->n_kv; i++) free((void *)g->kvs[i].at);
    free(g->kvs);
    free(g->tensors);
    glim_names_deinit(&g->keys);
    glim_arena_free(&g->names);
    glim_map_close(&g->map);
    free(g);
}

uint32_t glim_gguf_version(const glim_gguf *g) { return g->version; }
size_t glim_gguf_size(const glim_gguf *g) { return g->size; }
size_t glim_gguf_n_tensors(const glim_gguf *g) { return g->n_tensors; }
const glim_tensor *glim_gguf_tensor(const glim_gguf *g, size_t i) { return &g->tensors[i]; }
size_t glim_gguf_n_keys(const glim_gguf *g) { return g->n_kv; }
const glim_gguf_kv *glim_gguf_key(const glim_gguf *g, size_t i) { return &g->kvs[i]; }

void glim_gguf_drop(const glim_gguf *g, const glim_tensor *t) {
    if (g->map.size > 0)
        glim_map_drop(&g->map, (size_t)((const uint8_t *)t->data - g->map.data), t->n_bytes);
}

const glim_gguf_kv *glim_gguf_find(const glim_gguf *g, const char *key) {
    size_t i;
    return glim_names_find(&g->keys, key, strlen(key), &i) ? &g->kvs[i] : NULL;
}

/* --- Values --------------------------------------------------------------------------------------- */

static bool is_integer(glim_gguf_type t) {
    return t <= GLIM_GGUF_I32 || t == GLIM_GGUF_U64 || t == GLIM_GGUF_I64;
}
static bool is_number(glim_gguf_type t) {
    return is_integer(t) || t == GLIM_GGUF_F32 || t == GLIM_GGUF_F64;
}

int64_t glim_gguf_item_i64(const glim_gguf_kv *kv, size_t i) {
    GLIM_ASSERT(i < kv->n);
    const uint8_t *p = kv->data + i * value_types[kv->item].bytes;
    union { uint8_t u8; int8_t i8; uint16_t u16; int16_t i16; uint32_t u32; int32_t i32; int64_t i64; } v;
    switch (kv->item) {
    case GLIM_GGUF_BOOL:
    case GLIM_GGUF_U8: return *p;
    case GLIM_GGUF_I8: memcpy(&v, p, 1); return v.i8;
    case GLIM_GGUF_U16: memcpy(&v, p, 2); return v.u16;
    case GLIM_GGUF_I16: memcpy(&v, p, 2); return v.i16;
    case GLIM_GGUF_U32: memcpy(&v, p, 4); return v.u32;
    case GLIM_GGUF_I32: memcpy(&v, p, 4); return v.i32;
    case GLIM_GGUF_U64:
    case GLIM_GGUF_I64: memcpy(&v, p, 8); return v.i64;
    default: GLIM_ASSERT(kv->item == GLIM_GGUF_I64); /* the caller asked for another kind */
    }
    return 0;
}

double glim_gguf_item_f64(const glim_gguf_kv *kv, size_t i) {
    GLIM_ASSERT(i < kv->n);
    if (kv->item == GLIM_GGUF_F32) {
        float f;
        memcpy(&f, kv->data + 4 * i, 4);
        return (double)f;
    }
    if (kv->item == GLIM_GGUF_F64) {
        double d;
        memcpy(&d, kv->data + 8 * i, 8);
        return d;
    }
    int64_t v = glim_gguf_item_i64(kv, i);
    return kv->item == GLIM_GGUF_U64 ? (double)(uint64_t)v : (double)v;
}

glim_gguf_text glim_gguf_item_str(const glim_gguf_kv *kv, size_t i) {
    GLIM_ASSERT(i < kv->n && kv->item == GLIM_GGUF_STR);
    const uint8_t *p = kv->data + (kv->at ? kv->at[i] : 0);
    uint64_t n;
    memcpy(&n, p, 8);
    return (glim_gguf_text){(const char *)p + 8, (size_t)n};
}

static glim_status wrong_kind(const glim_gguf_kv *kv, const char *want, glim_err *err) {
    if (kv->type == GLIM_GGUF_ARRAY)
        return glim_fail(err, GLIM_E_FORMAT, "key \"%s\": got an array of %s, want %s", kv->key,
                         glim_gguf_type_name(kv->item), want);
    return glim_fail(err, GLIM_E_FORMAT, "key \"%s\": got %s, want %s", kv->key,
                     glim_gguf_type_name(kv->type), want);
}

glim_status glim_gguf_u64(const glim_gguf *g, const char *key, uint64_t dflt, uint64_t *out,
                          glim_err *err) {
    const glim_gguf_kv *kv = glim_gguf_find(g, key);
    *out = dflt;
    if (!kv) return GLIM_OK;
    if (!is_integer(kv->type)) return wrong_kind(kv, "an integer", err);
    int64_t v = glim_gguf_item_i64(kv, 0);
    if (v < 0 && kv->type != GLIM_GGUF_U64)
        return glim_fail(err, GLIM_E_FORMAT, "key \"%s\": got %lld, want 0 or more", key, (long long)v);
    *out = (uint64_t)v;
    return GLIM_OK;
}

glim_status glim_gguf_i64(const glim_gguf *g, const char *key, int64_t dflt, int64_t *out,
                          glim_err *err) {
    const glim_gguf_kv *kv = glim_gguf_find(g, key);
    *out = dflt;
    if (!kv) return GLIM_OK;
    if (!is_integer(kv->type)) return wrong_kind(kv, "an integer", err);
    int64_t v = glim_gguf_item_i64(kv, 0);
    if (v < 0 && kv->type == GLIM_GGUF_U64)
        return glim_fail(err, GLIM_E_FORMAT, "key \"%s\": got %llu, want less than 2^63", key,
                         (unsigned long long)v);
    *out = v;
    return GLIM_OK;
}

glim_status glim_gguf_f64(const glim_gguf *g, const char *key, double dflt, double *out, glim_err *err) {
    const glim_gguf_kv *kv = glim_gguf_find(g, key);
    *out = dflt;
    if (!kv) return GLIM_OK;
    if (!is_number(kv->type)) return wrong_kind(kv, "a number", err);
    *out = glim_gguf_item_f64(kv, 0);
    return GLIM_OK;
}

glim_status glim_gguf_bool(const glim_gguf *g, const char *key, bool dflt, bool *out, glim_err *err) {
    const glim_gguf_kv *kv = glim_gguf_find(g, key);
    *out = dflt;
    if (!kv) return GLIM_OK;
    if (kv->type != GLIM_GGUF_BOOL) return wrong_kind(kv, "a bool", err);
    *out = kv->data[0] != 0;
    return GLIM_OK;
}

glim_status glim_gguf_str(const glim_gguf *g, const char *key, glim_gguf_text *out, glim_err *err) {
    const glim_gguf_kv *kv = glim_gguf_find(g, key);
    *out = (glim_gguf_text){0};
    if (!kv) return GLIM_OK;
    if (kv->type != GLIM_GGUF_STR) return wrong_kind(kv, "a string", err);
    *out = glim_gguf_item_str(kv, 0);
    return GLIM_OK;
}

glim_status glim_gguf_array(const glim_gguf *g, const char *key, glim_gguf_type want,
                            const glim_gguf_kv **out, glim_err *err) {
    const glim_gguf_kv *kv = glim_gguf_find(g, key);
    *out = NULL;
    if (!kv) return GLIM_OK;
    bool fits = kv->type == GLIM_GGUF_ARRAY && (want == GLIM_GGUF_STR ? kv->item == GLIM_GGUF_STR
                                                : want == GLIM_GGUF_F64 ? is_number(kv->item)
                                                                        : is_integer(kv->item));
    if (!fits)
        return wrong_kind(kv, want == GLIM_GGUF_STR ? "an array of strings"
                              : want == GLIM_GGUF_F64 ? "an array of numbers" : "an array of integers", err);
    *out = kv;
    return GLIM_OK;
}
