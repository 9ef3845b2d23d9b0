/* gguf_write.c - writing GGUF, one file or a split set; see gguf.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "format/gguf.h"
#include "format/names.h"
#include "format/shape.h"

/* Where a key's entry lies in `kv`. */
typedef struct key_span {
    size_t at, len; /* of the name */
} key_span;

typedef struct item {
    const glim_tensor_out *t;
    size_t n_bytes;
    int file;
} item;

struct glim_gguf_writer {
    glim_gguf_writer_params p;
    glim_buf kv; /* entries as they will stand in the file */
    key_span *keys; /* [n_keys] */
    size_t n_keys, cap_keys;
    item *items; /* [n_items] */
    size_t n_items, cap_items;
    int n_files;
};

glim_gguf_writer *glim_gguf_writer_new(const glim_gguf_writer_params *params) {
    glim_gguf_writer *w = glim_xcalloc(1, sizeof *w);
    if (params) w->p = *params;
    if (w->p.alignment == 0) w->p.alignment = 32;
    return w;
}

void glim_gguf_writer_free(glim_gguf_writer *w) {
    if (!w) return;
    glim_buf_free(&w->kv);
    free(w->keys);
    free(w->items);
    free(w);
}

int glim_gguf_writer_n_files(const glim_gguf_writer *w) { return w->n_files; }

/* Room for one more in an array that doubles. */
static glim_status grow(void **p, size_t n, size_t *cap, size_t size, const char *what, glim_err *err) {
    if (n < *cap) return GLIM_OK;
    size_t more = *cap ? *cap * 2 : 64;
    glim_status rc = glim_try_realloc(p, more, size, what, err);
    if (rc == GLIM_OK) *cap = more;
    return rc;
}

static void put_u32(glim_buf *b, uint32_t v) { glim_buf_append(b, &v, 4); }
static void put_u64(glim_buf *b, uint64_t v) { glim_buf_append(b, &v, 8); }
static void put_text(glim_buf *b, const char *s, size_t n) {
    put_u64(b, n);
    glim_buf_append(b, s, n);
}

static bool is_own_key(const char *key) {
    return strcmp(key, "general.alignment") == 0 || strncmp(key, "split.", 6) == 0;
}

/* Begins an entry: name and type. */
static glim_status put_key(glim_gguf_writer *w, const char *key, glim_gguf_type type, glim_err *err) {
    size_t len = strlen(key);
    if (len == 0 || len > GLIM_GGUF_KEY_MAX)
        return glim_fail(err, GLIM_E_ARG, "key \"%.60s\": got %zu bytes, want 1 to %d", key, len,
                         GLIM_GGUF_KEY_MAX);
    if (is_own_key(key))
        return glim_fail(err, GLIM_E_ARG, "key \"%s\": the writer sets it itself", key);
    void *p = w->keys;
    glim_status rc = grow(&p, w->n_keys, &w->cap_keys, sizeof *w->keys, "metadata keys", err);
    w->keys = p;
    if (rc != GLIM_OK) return rc;
    put_text(&w->kv, key, len);
    if (!w->kv.failed) w->keys[w->n_keys++] = (key_span){w->kv.len - len, len};
    put_u32(&w->kv, type);
    return GLIM_OK;
}

static glim_status end_key(glim_gguf_writer *w, glim_err *err) {
    return glim_buf_status(&w->kv, "GGUF metadata", err);
}

static glim_status out_of_range(const char *key, const char *type, glim_err *err) {
    return glim_fail(err, GLIM_E_ARG, "key \"%s\": the value does not fit in %s", key, type);
}

glim_status glim_gguf_put_int(glim_gguf_writer *w, const char *key, glim_gguf_type type, int64_t v,
                              glim_err *err) {
    static const struct {
        int64_t lo, hi;
        unsigned bytes;
    } range[GLIM_GGUF_N_TYPE] = {
        [GLIM_GGUF_U8] = {0, UINT8_MAX, 1},          [GLIM_GGUF_I8] = {INT8_MIN, INT8_MAX, 1},
        [GLIM_GGUF_U16] = {0, UINT16_MAX, 2},        [GLIM_GGUF_I16] = {INT16_MIN, INT16_MAX, 2},
        [GLIM_GGUF_U32] = {0, UINT32_MAX, 4},        [GLIM_GGUF_I32] = {INT32_MIN, INT32_MAX, 4},
        [GLIM_GGUF_U64] = {0, INT64_MAX, 8},         [GLIM_GGUF_I64] = {INT64_MIN, INT64_MAX, 8},
        [GLIM_GGUF_BOOL] = {0, 1, 1}};
    if ((unsigned)type >= GLIM_GGUF_N_TYPE || range[type].bytes == 0)
        return glim_fail(err, GLIM_E_ARG, "key \"%s\": %s is not an integer type", key,
                         glim_gguf_type_name(type));
    if (v < range[type].lo || v > range[type].hi)
        return out_of_range(key, glim_gguf_type_name(type), err);
    glim_status rc = put_key(w, key, type, err);
    if (rc != GLIM_OK) return rc;
    glim_buf_append(&w->kv, &v, range[type].bytes); /* little endian: the low bytes come first */
    return end_key(w, err);
}

glim_status glim_gguf_put_uint(glim_gguf_writer *w, const char *key, uint64_t v, glim_err *err) {
    glim_status rc = put_key(w, key, GLIM_GGUF_U64, err);
    if (rc != GLIM_OK) return rc;
    put_u64(&w->kv, v);
    return end_key(w, err);
}

glim_status glim_gguf_put_real(glim_gguf_writer *w, const char *key, glim_gguf_type type, double v,
                               glim_err *err) {
    if (type != GLIM_GGUF_F32 && type != GLIM_GGUF_F64)
        return glim_fail(err, GLIM_E_ARG, "key \"%s\": %s is not a real type", key, glim_gguf_type_name(type));
    if (type == GLIM_GGUF_F32 && isfinite(v) && fabs(v) > 3.4028234663852886e38)
        return out_of_range(key, "f32", err);
    glim_status rc = put_key(w, key, type, err);
    if (rc != GLIM_OK) return rc;
    float f = (float)v;
    if (type == GLIM_GGUF_F32) glim_buf_append(&w->kv, &f, 4);
    else glim_buf_append(&w->kv, &v, 8);
    return end_key(w, err);
}

glim_status glim_gguf_put_str(glim_gguf_writer *w, const char *key, const char *s, size_t len,
                              glim_err *err) {
    glim_status rc = put_key(w, key, GLIM_GGUF_STR, err);
    if (rc != GLIM_OK) return rc;
    put_text(&w->kv, s, len);
    return end_key(w, err);
}

glim_status glim_gguf_put_array(glim_gguf_writer *w, const char *key, glim_gguf_type item_type,
                                const void *items, size_t n, glim_err *err) {
    static const uint8_t bytes[GLIM_GGUF_N_TYPE] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    size_t size;
    if ((unsigned)item_type >= GLIM_GGUF_N_TYPE || bytes[item_type] == 0)
        return glim_fail(err, GLIM_E_ARG, "key \"%s\": %s items have no fixed size", key,
                         glim_gguf_type_name(item_type));
    if (!glim_mul_size(n, bytes[item_type], &size)) return out_of_range(key, "an array", err);
    if (item_type == GLIM_GGUF_BOOL)
        for (size_t i = 0; i < n; i++)
            if (((const uint8_t *)items)[i] > 1) return out_of_range(key, "bool", err);
    glim_status rc = put_key(w, key, GLIM_GGUF_ARRAY, err);
    if (rc != GLIM_OK) return rc;
    put_u32(&w->kv, item_type);
    put_u64(&w->kv, n);
    glim_buf_append(&w->kv, items, size);
    return end_key(w, err);
}

glim_status glim_gguf_put_strs(glim_gguf_writer *w, const char *key, const glim_gguf_text *items, size_t n,
                               glim_err *err) {
    glim_status rc = put_key(w, key, GLIM_GGUF_ARRAY, err);
    if (rc != GLIM_OK) return rc;
    put_u32(&w->kv, GLIM_GGUF_STR);
    put_u64(&w->kv, n);
    size_t total = 0; /* a vocabulary is reserved in one step; an overflow shows in the appends */
    for (size_t i = 0; i < n && total < SIZE_MAX / 4; i++) total += 8 + items[i].len;
    glim_buf_reserve(&w->kv, total);
    for (size_t i = 0; i < n; i++) put_text(&w->kv, items[i].s, items[i].len);
    return end_key(w, err);
}

glim_status glim_gguf_put_copy(glim_gguf_writer *w, const glim_gguf_kv *kv, glim_err *err) {
    if (is_own_key(kv->key)) return GLIM_OK;
    glim_status rc = put_key(w, kv->key, kv->type, err);
    if (rc != GLIM_OK) return rc;
    if (kv->type == GLIM_GGUF_ARRAY) {
        put_u32(&w->kv, kv->item);
        put_u64(&w->kv, kv->n);
    }
    glim_buf_append(&w->kv, kv->data, kv->n_bytes);
    return end_key(w, err);
}

glim_status glim_gguf_add_tensor(glim_gguf_writer *w, const glim_tensor_out *t, glim_err *err) {
    size_t len = strlen(t->name), n_bytes = 0;
    if (len == 0 || len > GLIM_TENSOR_NAME_MAX)
        return glim_fail(err, GLIM_E_ARG, "tensor \"%.60s\": got a name of %zu bytes, want 1 to %d",
                         t->name, len, GLIM_TENSOR_NAME_MAX);
    glim_status rc = GLIM_OK;
    if (glim_gguf_type_of_dtype(t->type) < 0)
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "GGUF has no type for %s",
                       (unsigned)t->type < GLIM_N_DTYPE ? glim_dtype_of(t->type)->name : "this dtype");
    else if (t->n_dims < 0 || t->n_dims > 4)
        rc = glim_fail(err, GLIM_E_ARG, "got %d dimensions, want at most 4", t->n_dims);
    else rc = glim_shape_bytes(t->type, t->dims, t->n_dims, &n_bytes, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "tensor \"%s\"", t->name);
        return rc;
    }
    void *p = w->items;
    rc = grow(&p, w->n_items, &w->cap_items, sizeof *w->items, "the list of tensors", err);
    w->items = p;
    if (rc == GLIM_OK) w->items[w->n_items++] = (item){.t = t, .n_bytes = n_bytes};
    return rc;
}

/* --- Writing -------------------------------------------------------------------------------------- */

static glim_status check_unique(const glim_gguf_writer *w, glim_err *err) {
    glim_names seen;
    glim_status rc = glim_names_init(&seen, w->n_keys, "metadata keys", err);
    for (size_t i = 0; i < w->n_keys && rc == GLIM_OK; i++) {
        const char *s = w->kv.s + w->keys[i].at;
        if (!glim_names_add(&seen, s, w->keys[i].len, i, NULL))
            rc = glim_fail(err, GLIM_E_ARG, "key \"%.*s\" is put twice", (int)w->keys[i].len, s);
    }
    glim_names_deinit(&seen);
    if (rc != GLIM_OK) return rc;
    rc = glim_names_init(&seen, w->n_items, "tensor names", err);
    for (size_t i = 0; i < w->n_items && rc == GLIM_OK; i++) {
        const char *s = w->items[i].t->name;
        if (!glim_names_add(&seen, s, strlen(s), i, NULL))
            rc = glim_fail(err, GLIM_E_ARG, "tensor \"%s\" is added twice", s);
    }
    glim_names_deinit(&seen);
    return rc;
}

/* Bytes a tensor takes with the padding after it. */
static size_t padded(const glim_gguf_writer *w, size_t n) {
    return (n + w->p.alignment - 1) / w->p.alignment * w->p.alignment;
}

/* Deals the tensors out to files in order; returns how many files. */
static int plan_files(glim_gguf_writer *w) {
    int n = 1;
    uint64_t used = 0, max = w->p.max_file_bytes;
    for (size_t i = 0; i < w->n_items; i++) {
        size_t b = padded(w, w->items[i].n_bytes);
        if (max > 0 && used > 0 && (used >= max || b > max - used)) n++, used = 0;
        w->items[i].file = n - 1;
        used += b;
    }
    return n;
}

/* Everything before the data of one file: header, keys, tensor entries. */
static void put_head(glim_buf *b, const glim_gguf_writer *w, int file, int n_files, const item *items,
                     size_t n) {
    uint64_t n_keys = file == 0 ? w->n_keys : 0;
    bool align_key = w->p.alignment != 32;
    size_t guess = 256 + (file == 0 ? w->kv.len : 0);
    for (size_t i = 0; i < n; i++) guess += strlen(items[i].t->name) + 64;
    glim_buf_reserve(b, guess);
    glim_buf_append(b, "GGUF", 4);
    put_u32(b, 3);
    put_u64(b, n);
    put_u64(b, n_keys + (align_key ? 1 : 0) + (n_files > 1 ? 3 : 0));
    if (file == 0) glim_buf_append(b, w->kv.s, w->kv.len);
    if (align_key) {
        put_text(b, "general.alignment", 17);
        put_u32(b, GLIM_GGUF_U32);
        put_u32(b, w->p.alignment);
    }
    if (n_files > 1) { /* the types that llama.cpp's gguf-split writes and wants */
        uint16_t no = (uint16_t)file, count = (uint16_t)n_files;
        put_text(b, "split.no", 8);
        put_u32(b, GLIM_GGUF_U16);
        glim_buf_append(b, &no, 2);
        put_text(b, "split.count", 11);
        put_u32(b, GLIM_GGUF_U16);
        glim_buf_append(b, &count, 2);
        put_text(b, "split.tensors.count", 19);
        put_u32(b, GLIM_GGUF_I32);
        put_u32(b, (uint32_t)w->n_items);
    }
    uint64_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        const glim_tensor_out *t = items[i].t;
        put_text(b, t->name, strlen(t->name));
        put_u32(b, (uint32_t)t->n_dims);
        for (int d = t->n_dims - 1; d >= 0; d--) put_u64(b, t->dims[d]);
        put_u32(b, (uint32_t)glim_gguf_type_of_dtype(t->type));
        put_u64(b, offset);
        offset += padded(w, items[i].n_bytes);
    }
}

static glim_status write_file(glim_sink *sink, const glim_gguf_writer *w, int file, int n_files,
                              const item *items, size_t n, glim_err *err) {
    glim_buf head = {0};
    put_head(&head, w, file, n_files, items, n);
    glim_status rc = glim_buf_status(&head, "a GGUF header", err);
    if (rc == GLIM_OK) rc = glim_sink_write(sink, head.s, head.len, err);
    if (rc == GLIM_OK && n > 0) rc = glim_sink_zeros(sink, padded(w, head.len) - head.len, err);
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        rc = glim_sink_tensor(sink, items[i].t, items[i].n_bytes, err);
        if (rc == GLIM_OK)
            rc = glim_sink_zeros(sink, padded(w, items[i].n_bytes) - items[i].n_bytes, err);
    }
    if (rc == GLIM_OK) rc = glim_sink_close(sink, err);
    glim_buf_free(&head);
    return rc;
}

/* Name of file i of n, heap. */
static char *file_name(const char *path, int i, int n) {
    size_t len = strlen(path);
    if (n == 1) return glim_xstrdup(path);
    if (len > 5 && strcmp(path + len - 5, ".gguf") == 0) len -= 5;
    char *s = glim_xmalloc(len + 32);
    snprintf(s, len + 32, "%.*s-%05d-of-%05d.gguf", (int)len, path, i + 1, n);
    return s;
}

glim_status glim_gguf_write(glim_gguf_writer *w, const char *path, glim_err *err) {
    uint32_t a = w->p.alignment;
    w->n_files = 0;
    if (a < 8 || a > GLIM_GGUF_MAX_ALIGNMENT || (a & (a - 1)) != 0)
        return glim_fail(err, GLIM_E_ARG, "alignment: got %u, want a power of two from 8 to %d", a,
                         GLIM_GGUF_MAX_ALIGNMENT);
    glim_status rc = end_key(w, err);
    if (rc == GLIM_OK) rc = check_unique(w, err);
    if (rc != GLIM_OK) return rc;
    int n = plan_files(w);
    if (n > UINT16_MAX)
        return glim_fail(err, GLIM_E_LIMIT, "%s: got %d files, want at most %d: raise the size of one",
                         path, n, UINT16_MAX);
    void *p;
    rc = glim_try_calloc(&p, (size_t)n, sizeof(glim_sink *), "the list of files", err);
    if (rc != GLIM_OK) return rc;
    glim_sink **sinks = p;
    size_t first = 0;
    for (int f = 0; f < n && rc == GLIM_OK; f++) {
        size_t end = first;
        while (end < w->n_items && w->items[end].file == f) end++;
        char *name = file_name(path, f, n);
        rc = glim_sink_open(&sinks[f], name, err);
        if (rc == GLIM_OK) rc = write_file(sinks[f], w, f, n, w->items + first, end - first, err);
        if (rc != GLIM_OK) glim_err_context(err, "%s", name);
        free(name);
        first = end;
    }
    /* The first file is what people open: it appears last. */
    for (int f = n - 1; f >= 0 && rc == GLIM_OK; f--) rc = glim_sink_commit(sinks[f], err);
    for (int f = 0; f < n; f++) glim_sink_free(sinks[f]);
    free(sinks);
    if (rc == GLIM_OK) w->n_files = n;
    return rc;
}
