/* st_write.c - writing safetensors, one file or shards with an index; see st.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "format/names.h"
#include "format/shape.h"
#include "format/st.h"

static const char *type_name(glim_dtype t) {
    static const char *const names[GLIM_N_DTYPE] = {
        [GLIM_F32] = "F32", [GLIM_F16] = "F16", [GLIM_BF16] = "BF16", [GLIM_F64] = "F64",
        [GLIM_I8] = "I8",   [GLIM_I16] = "I16", [GLIM_I32] = "I32",   [GLIM_I64] = "I64",
        [GLIM_U8] = "U8",   [GLIM_U16] = "U16", [GLIM_U32] = "U32",   [GLIM_U64] = "U64",
        [GLIM_BOOL] = "BOOL", [GLIM_F8_E4M3] = "F8_E4M3", [GLIM_F8_E5M2] = "F8_E5M2"};
    return (unsigned)t < GLIM_N_DTYPE ? names[t] : NULL;
}

/* A tensor's place in what is written. */
typedef struct item {
    const glim_tensor_out *t;
    size_t n_bytes;
    size_t order; /* in the caller's list */
    size_t shard;
} item;

/* Wide elements first: 8, 4, 2 and 1 bytes in that order keep every start aligned with no padding. */
static int by_width(const void *pa, const void *pb) {
    const item *a = pa, *b = pb;
    unsigned wa = glim_dtype_of(a->t->type)->block_bytes, wb = glim_dtype_of(b->t->type)->block_bytes;
    if (wa != wb) return wa > wb ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static glim_status check_tensor(const glim_tensor_out *t, size_t *n_bytes, glim_err *err) {
    size_t len = strlen(t->name);
    if (len > GLIM_TENSOR_NAME_MAX)
        return glim_fail(err, GLIM_E_ARG, "tensor \"%.60s...\": got a name of %zu bytes, want at most %d",
                         t->name, len, GLIM_TENSOR_NAME_MAX);
    glim_status rc = GLIM_OK;
    if (strcmp(t->name, "__metadata__") == 0)
        rc = glim_fail(err, GLIM_E_ARG, "a tensor cannot have the name of the metadata");
    else if (!type_name(t->type))
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "safetensors has no type for %s",
                       (unsigned)t->type < GLIM_N_DTYPE ? glim_dtype_of(t->type)->name : "this dtype");
    else if (t->n_dims < 0 || t->n_dims > GLIM_MAX_DIMS)
        rc = glim_fail(err, GLIM_E_ARG, "got %d dimensions, want at most %d", t->n_dims, GLIM_MAX_DIMS);
    else rc = glim_shape_bytes(t->type, t->dims, t->n_dims, n_bytes, err);
    if (rc != GLIM_OK) glim_err_context(err, "tensor \"%s\"", t->name);
    return rc;
}

/* *out = items[n] in the caller's order, checked. */
static glim_status make_items(item **out, const glim_tensor_out *tensors, size_t n, glim_err *err) {
    *out = NULL;
    void *p;
    glim_names seen;
    glim_status rc = glim_names_init(&seen, n, "tensor names", err);
    if (rc != GLIM_OK) return rc;
    rc = glim_try_calloc(&p, n, sizeof(item), "the list of tensors", err);
    item *items = p;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        items[i] = (item){.t = &tensors[i], .order = i};
        rc = check_tensor(&tensors[i], &items[i].n_bytes, err);
        if (rc == GLIM_OK && !glim_names_add(&seen, tensors[i].name, strlen(tensors[i].name), i, NULL))
            rc = glim_fail(err, GLIM_E_ARG, "tensor \"%s\" is given twice", tensors[i].name);
    }
    glim_names_deinit(&seen);
    if (rc != GLIM_OK) {
        free(items);
        return rc;
    }
    *out = items;
    return GLIM_OK;
}

/* Header and data of one file into a sink that stays open. Sorts items. */
static glim_status write_file(glim_sink *sink, item *items, size_t n, const json_t *metadata,
                              glim_err *err) {
    if (n > 1) qsort(items, n, sizeof *items, by_width);
    glim_buf h = {0};
    size_t guess = 64; /* room for all of it at once: a model has up to 100,000 names */
    for (size_t i = 0; i < n; i++) guess += strlen(items[i].t->name) + 160;
    glim_buf_reserve(&h, guess);
    glim_buf_putc(&h, '{');
    if (metadata) {
        glim_buf_puts(&h, "\"__metadata__\":");
        glim_json_dump_py(&h, metadata, -1, false);
    }
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const glim_tensor_out *t = items[i].t;
        if (h.len > 1) glim_buf_putc(&h, ',');
        glim_json_put_str(&h, t->name, strlen(t->name));
        glim_buf_printf(&h, ":{\"dtype\":\"%s\",\"shape\":[", type_name(t->type));
        for (int d = 0; d < t->n_dims; d++) glim_buf_printf(&h, d ? ",%zu" : "%zu", t->dims[d]);
        glim_buf_printf(&h, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                        (unsigned long long)(at + items[i].n_bytes));
        at += items[i].n_bytes;
    }
    glim_buf_putc(&h, '}');
    while (h.len % 8 != 0 && !h.failed) glim_buf_putc(&h, ' '); /* so that the data are aligned */

    glim_status rc = glim_buf_status(&h, "a safetensors header", err);
    if (rc == GLIM_OK && h.len > GLIM_ST_HEADER_MAX)
        rc = glim_fail(err, GLIM_E_LIMIT, "the header is %zu bytes, want at most %d", h.len,
                       GLIM_ST_HEADER_MAX);
    uint64_t len = h.len;
    if (rc == GLIM_OK) rc = glim_sink_write(sink, &len, 8, err);
    if (rc == GLIM_OK) rc = glim_sink_write(sink, h.s, h.len, err);
    glim_buf_free(&h);
    for (size_t i = 0; i < n && rc == GLIM_OK; i++)
        rc = glim_sink_tensor(sink, items[i].t, items[i].n_bytes, err);
    return rc;
}

static glim_status check_metadata(const json_t *metadata, glim_err *err) {
    const char *key;
    json_t *v;
    if (metadata && !json_is_object(metadata))
        return glim_fail(err, GLIM_E_ARG, "metadata: got %s, want an object", glim_json_type_name(metadata));
    json_object_foreach((json_t *)metadata, key, v) {
        if (!json_is_string(v))
            return glim_fail(err, GLIM_E_ARG, "metadata \"%s\": got %s, want a string", key,
                             glim_json_type_name(v));
    }
    return GLIM_OK;
}

glim_status glim_st_write(const char *path, const glim_tensor_out *tensors, size_t n,
                          const json_t *metadata, glim_err *err) {
    item *items = NULL;
    glim_sink *sink = NULL;
    glim_status rc = check_metadata(metadata, err);
    if (rc == GLIM_OK) rc = make_items(&items, tensors, n, err);
    if (rc == GLIM_OK) rc = glim_sink_open(&sink, path, err);
    if (rc == GLIM_OK) rc = write_file(sink, items, n, metadata, err);
    if (rc == GLIM_OK) rc = glim_sink_commit(sink, err);
    if (rc != GLIM_OK) glim_err_context(err, "%s", path);
    glim_sink_free(sink);
    free(items);
    return rc;
}

static void shard_name(char out[64], size_t i, size_t n) {
    if (n == 1) snprintf(out, 64, "model.safetensors");
    else snprintf(out, 64, "model-%05zu-of-%05zu.safetensors", i + 1, n);
}

static glim_status write_index(glim_sink *sink, const item *items, size_t n, size_t n_shards,
                               glim_err *err) {
    glim_buf b = {0};
    unsigned long long total = 0;
    size_t guess = 128;
    for (size_t i = 0; i < n; i++) {
        total += items[i].n_bytes;
        guess += strlen(items[i].t->name) + 64;
    }
    glim_buf_reserve(&b, guess);
    glim_buf_printf(&b, "{\n  \"metadata\": {\n    \"total_size\": %llu\n  },\n  \"weight_map\": {", total);
    for (size_t i = 0; i < n; i++) {
        char file[64];
        shard_name(file, items[i].shard, n_shards);
        glim_buf_puts(&b, i ? ",\n    " : "\n    ");
        glim_json_put_str(&b, items[i].t->name, strlen(items[i].t->name));
        glim_buf_printf(&b, ": \"%s\"", file);
    }
    glim_buf_puts(&b, "\n  }\n}\n");
    glim_status rc = glim_buf_status(&b, "the shard index", err);
    if (rc == GLIM_OK) rc = glim_sink_write(sink, b.s, b.len, err);
    glim_buf_free(&b);
    return rc;
}

glim_status glim_st_write_folder(const char *dir, const glim_tensor_out *tensors, size_t n,
                                 const json_t *metadata, uint64_t max_shard_bytes, glim_err *err) {
    static const char index_name[] = "model.safetensors.index.json", one_name[] = "model.safetensors";
    item *items = NULL;
    glim_sink **sinks = NULL;
    size_t n_shards = 1, n_open = 0;
    glim_status rc = check_metadata(metadata, err);
    if (rc == GLIM_OK) rc = make_items(&items, tensors, n, err);
    if (rc != GLIM_OK) goto done;

    /* Fill shards in order; a tensor larger than the limit has one of its own. */
    uint64_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (max_shard_bytes > 0 && used > 0 &&
            (used >= max_shard_bytes || items[i].n_bytes > max_shard_bytes - used))
            n_shards++, used = 0;
        items[i].shard = n_shards - 1;
        used += items[i].n_bytes;
    }
    void *p;
    rc = glim_try_calloc(&p, n_shards + 1, sizeof *sinks, "the list of shards", err);
    if (rc != GLIM_OK) goto done;
    sinks = p;

    size_t first = 0;
    for (size_t s = 0; s < n_shards && rc == GLIM_OK; s++) {
        size_t end = first;
        while (end < n && items[end].shard == s) end++;
        char name[64];
        shard_name(name, s, n_shards);
        char *path = glim_path_join(dir, name);
        rc = glim_sink_open(&sinks[s], path, err);
        if (rc == GLIM_OK) {
            n_open++;
            rc = write_file(sinks[s], items + first, end - first, metadata, err);
        }
        if (rc == GLIM_OK) rc = glim_sink_close(sinks[s], err);
        if (rc != GLIM_OK) glim_err_context(err, "%s", path);
        free(path);
        first = end;
    }
    if (rc == GLIM_OK && n_shards > 1) {
        char *path = glim_path_join(dir, index_name);
        rc = glim_sink_open(&sinks[n_shards], path, err);
        if (rc == GLIM_OK) {
            n_open++;
            rc = write_index(sinks[n_shards], items, n, n_shards, err);
        }
        if (rc == GLIM_OK) rc = glim_sink_close(sinks[n_shards], err);
        free(path);
    }
    for (size_t s = 0; s < n_open && rc == GLIM_OK; s++) rc = glim_sink_commit(sinks[s], err);
    if (rc == GLIM_OK) {
        char *stale = glim_path_join(dir, n_shards > 1 ? one_name : index_name);
        unlink(stale);
        free(stale);
    }
done:
    for (size_t s = 0; s < n_open; s++) glim_sink_free(sinks[s]);
    free(sinks);
    free(items);
    return rc;
}
