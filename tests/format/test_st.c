/* safetensors: what is written reads back, and every kind of bad file has one error that names it. */
#include "files.h"

#include "base/alloc.h"
#include "format/st.h"

/* Header length, header, n zero bytes of data. */
static glim_buf make(const char *json, size_t n_data) {
    glim_buf b = {0};
    uint64_t n = strlen(json);
    glim_buf_reserve(&b, 8 + n + n_data);
    glim_buf_append(&b, &n, 8);
    glim_buf_puts(&b, json);
    for (size_t i = 0; i < n_data; i++) glim_buf_putc(&b, (char)i);
    return b;
}

static glim_status open_bytes(const void *bytes, size_t n, glim_err *err) {
    glim_err_clear(err);
    void *copy = heap_copy(bytes, n);
    glim_st *st;
    glim_status rc = glim_st_open_mem(&st, copy, n, "bad.safetensors", err);
    CHECK((rc == GLIM_OK) == (st != NULL));
    glim_st_close(st);
    free(copy);
    return rc;
}

static const glim_tensor_out *example(size_t *n) {
    static const uint8_t u8[5] = {1, 2, 3, 4, 5};
    static const uint16_t bf16[6] = {0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0};
    static const double f64[2] = {1.5, -2.5};
    static const float f32[4] = {1, 2, 3, 4};
    static const glim_tensor_out t[] = {
        {.name = "odd.bytes", .type = GLIM_U8, .n_dims = 1, .dims = {5}, .data = u8},
        {.name = "model.w", .type = GLIM_BF16, .n_dims = 2, .dims = {2, 3}, .data = bf16},
        {.name = "scalar", .type = GLIM_F32, .n_dims = 0, .data = f32},
        {.name = "empty", .type = GLIM_F16, .n_dims = 2, .dims = {0, 7}},
        {.name = "conv", .type = GLIM_F32, .n_dims = 5, .dims = {1, 2, 1, 2, 1}, .data = f32},
        {.name = "\xe4\xbd\xa0\"\\", .type = GLIM_F64, .n_dims = 1, .dims = {2}, .data = f64}};
    *n = GLIM_COUNT(t);
    return t;
}

static void check_same(const glim_tensor *got, const glim_tensor_out *want) {
    CHECK_STR(got->name, want->name);
    CHECK(got->type == want->type && got->n_dims == want->n_dims);
    CHECK(memcmp(got->dims, want->dims, (size_t)got->n_dims * sizeof got->dims[0]) == 0);
    CHECK(got->n_bytes == 0 || memcmp(got->data, want->data, got->n_bytes) == 0);
}

TEST(what_is_written_reads_back_aligned) {
    const char *dir = tmp_new();
    glim_err err = {0};
    size_t n;
    const glim_tensor_out *t = example(&n);
    json_t *meta = json_pack("{s:s, s:s}", "format", "pt", "note", "\xe4\xbd\xa0\n");
    CHECK_OK(glim_st_write(at(dir, "a.safetensors"), t, n, meta, &err), err);
    glim_st *st;
    CHECK_OK(glim_st_open(&st, at(dir, "a.safetensors"), &err), err);
    CHECK(glim_st_n_tensors(st) == n);
    CHECK(json_equal(glim_st_metadata(st), meta));
    size_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        const glim_tensor *g = glim_st_tensor(st, i);
        CHECK((uintptr_t)g->data % glim_dtype_of(g->type)->block_bytes == 0);
        for (size_t j = 0; j < n; j++) {
            if (strcmp(g->name, t[j].name) != 0) continue;
            check_same(g, &t[j]);
            seen++;
        }
        glim_st_drop(st, g);
    }
    CHECK(seen == n);
    glim_st_close(st);
    CHECK(access(at(dir, "a.safetensors.tmp"), F_OK) != 0);
    json_decref(meta);
    tmp_remove(dir);
}

typedef struct counter {
    int calls;
    size_t bytes;
} counter;
static glim_status fill_slowly(void *ctx, const glim_tensor_out *t, glim_sink *sink, glim_err *err) {
    counter *c = ctx;
    c->calls++;
    for (size_t i = 0; i < c->bytes; i += 4) {
        uint32_t v = (uint32_t)(i / 4) * 2654435761u + (uint32_t)t->dims[0];
        glim_status rc = glim_sink_write(sink, &v, 4, err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

TEST(tensors_stream_from_a_callback_and_a_short_one_is_named) {
    const char *dir = tmp_new();
    glim_err err = {0};
    counter c = {.bytes = 300 * 1000 * 4};
    glim_tensor_out t = {.name = "w", .type = GLIM_F32, .n_dims = 2, .dims = {300, 1000}, .fill = fill_slowly,
                         .ctx = &c};
    CHECK_OK(glim_st_write(at(dir, "s.safetensors"), &t, 1, NULL, &err), err);
    CHECK(c.calls == 1);
    glim_st *st;
    CHECK_OK(glim_st_open(&st, at(dir, "s.safetensors"), &err), err);
    const uint32_t *w = glim_st_tensor(st, 0)->data;
    for (uint32_t i = 0; i < 300 * 1000; i++) CHECK(w[i] == i * 2654435761u + 300);
    glim_st_close(st);

    /* A failed write leaves the old file and nothing else. */
    c.bytes -= 4;
    glim_status rc = glim_st_write(at(dir, "s.safetensors"), &t, 1, NULL, &err);
    WANT_ERROR(rc, err, GLIM_E_SHAPE, "s.safetensors", "\"w\"", "1199996", "1200000");
    CHECK_OK(glim_st_open(&st, at(dir, "s.safetensors"), &err), err);
    glim_st_close(st);
    CHECK(remove(at(dir, "s.safetensors")) == 0);
    CHECK(rmdir(dir) == 0); /* no temporary file stayed */
}

TEST(a_writer_refuses_what_the_format_cannot_hold) {
    const char *dir = tmp_new();
    glim_err err = {0};
    static const float f[64];
    glim_tensor_out two[2] = {{.name = "x", .type = GLIM_F32, .n_dims = 1, .dims = {1}, .data = f},
                              {.name = "x", .type = GLIM_F32, .n_dims = 1, .dims = {1}, .data = f}};
    WANT_ERROR(glim_st_write(at(dir, "x"), two, 2, NULL, &err), err, GLIM_E_ARG, "\"x\"", "twice", NULL, NULL);
    two[0].type = GLIM_Q4_0;
    WANT_ERROR(glim_st_write(at(dir, "x"), two, 1, NULL, &err), err, GLIM_E_UNSUPPORTED, "\"x\"", "q4_0", NULL, NULL);
    two[0] = (glim_tensor_out){.name = "x", .type = GLIM_F32, .n_dims = 2, .dims = {SIZE_MAX, 8}, .data = f};
    WANT_ERROR(glim_st_write(at(dir, "x"), two, 1, NULL, &err), err, GLIM_E_FORMAT, "\"x\"", NULL, NULL, NULL);
    two[0] = (glim_tensor_out){.name = "x", .type = GLIM_F32, .n_dims = 1, .dims = {4}};
    WANT_ERROR(glim_st_write(at(dir, "x"), two, 1, NULL, &err), err, GLIM_E_ARG, "\"x\"", NULL, NULL, NULL);
    json_t *meta = json_pack("{s:i}", "format", 1);
    WANT_ERROR(glim_st_write(at(dir, "x"), two + 1, 1, meta, &err), err, GLIM_E_ARG, "format", NULL, NULL, NULL);
    json_decref(meta);
    WANT_ERROR(glim_st_write(at(dir, "no/such/x"), two + 1, 1, NULL, &err), err, GLIM_E_IO, "no/such/x", NULL, NULL, NULL);
    CHECK(rmdir(dir) == 0);
}

TEST(a_file_cut_at_any_byte_has_one_error) {
    const char *dir = tmp_new();
    glim_err err = {0};
    size_t n;
    const glim_tensor_out *t = example(&n);
    CHECK_OK(glim_st_write(at(dir, "a.safetensors"), t, n, NULL, &err), err);
    glim_buf b = get_file(at(dir, "a.safetensors"));
    for (size_t k = 0; k < b.len; k++)
        WANT_ERROR(open_bytes(b.s, k, &err), err, GLIM_E_FORMAT, "bad.safetensors", NULL, NULL, NULL);
    CHECK(open_bytes(b.s, b.len, &err) == GLIM_OK);
    glim_buf_putc(&b, 0); /* one byte too many */
    WANT_ERROR(open_bytes(b.s, b.len, &err), err, GLIM_E_FORMAT, "no tensor covers", NULL, NULL, NULL);
    /* Any changed byte is read or refused, never followed out of the file. */
    for (size_t k = 0; k + 1 < b.len; k++) {
        for (int bit = 0; bit < 8; bit++) {
            b.s[k] = (char)(b.s[k] ^ 1 << bit);
            glim_status rc = open_bytes(b.s, b.len - 1, &err);
            CHECK(rc == GLIM_OK || (err.msg[0] && !strchr(err.msg, '\n')));
            b.s[k] = (char)(b.s[k] ^ 1 << bit);
        }
    }
    glim_buf_free(&b);
    tmp_remove(dir);
}

TEST(every_bad_header_is_refused_by_name) {
    static const struct {
        const char *json;
        size_t n_data;
        glim_status want;
        const char *a, *b;
    } cases[] = {
        {"{}", 0, GLIM_OK, NULL, NULL},
        {"{}   ", 0, GLIM_OK, NULL, NULL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, GLIM_OK, NULL, NULL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":[1]}}", 8, GLIM_OK, NULL, NULL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", 8, GLIM_E_FORMAT, "header", NULL},
        {"[]", 0, GLIM_E_FORMAT, "not a safetensors file", NULL},
        {"{\"a\":1}", 0, GLIM_E_FORMAT, "\"a\"", "got integer"},
        {"{\"a\":{}}", 0, GLIM_E_FORMAT, "\"a\"", "dtype"},
        {"{\"a\":{\"dtype\":\"F32\"}}", 0, GLIM_E_FORMAT, "\"a\"", "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 0, GLIM_E_FORMAT, "\"a\"", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, GLIM_E_UNSUPPORTED, "\"a\"", "F4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, GLIM_E_FORMAT, "\"a\"", "inside 7"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, GLIM_E_FORMAT, "\"a\"", "[8, 0]"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, GLIM_E_FORMAT, "got 8 bytes", "want 12"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, GLIM_E_FORMAT, "\"a\"", "-2"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, GLIM_E_FORMAT, "\"a\"", "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, GLIM_E_FORMAT, "\"a\"", "addressed"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, GLIM_E_FORMAT, "\"a\"", "addressed"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,0]}}", 0, GLIM_E_FORMAT, "a", "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,18446744073709551615]}}", 8, GLIM_E_FORMAT, "a", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, GLIM_E_LIMIT, "\"a\"", "7 dimensions"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}", 7, GLIM_E_FORMAT, "\"b\"", "overlap \"a\""},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, GLIM_E_FORMAT, "overlap", NULL},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[5,7]}}", 7, GLIM_E_FORMAT, "\"b\"", "no hole"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[1,5]}}", 5, GLIM_E_FORMAT, "\"a\"", "no hole"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, GLIM_E_FORMAT, "\"a\"", "overlap"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, GLIM_E_FORMAT, "duplicate", "a"},
        {"{\"__metadata__\":{\"format\":1}}", 0, GLIM_E_FORMAT, "__metadata__", "format"},
        {"{\"__metadata__\":[]}", 0, GLIM_E_FORMAT, "__metadata__", "array"},
        {"{\"__metadata__\":{\"a\":{\"b\":[[1]]}}}", 0, GLIM_E_LIMIT, "deep", NULL},
        {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, GLIM_E_FORMAT, "NUL", NULL},
        {"{\"a\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, GLIM_E_FORMAT, "header", NULL},
        {"{\"line\\nbreak\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, GLIM_E_FORMAT, "line\\x0abreak", NULL},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_err err = {0};
        glim_buf b = make(cases[i].json, cases[i].n_data);
        glim_status rc = open_bytes(b.s, b.len, &err);
        if (cases[i].want == GLIM_OK) CHECK_MSG(rc == GLIM_OK, "%s: %s", cases[i].json, err.msg);
        else {
            CHECK_MSG(rc == cases[i].want, "%s: %s", cases[i].json, err.msg);
            WANT_ERROR(rc, err, cases[i].want, "bad.safetensors", cases[i].a, cases[i].b, NULL);
        }
        glim_buf_free(&b);
    }
}

TEST(lying_header_lengths_allocate_nothing) {
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, GLIM_ST_HEADER_MAX + 1u, 3, 0};
    for (size_t i = 0; i < GLIM_COUNT(lengths); i++) {
        glim_err err = {0};
        char bytes[10] = {0};
        memcpy(bytes, &lengths[i], 8);
        bytes[8] = '{', bytes[9] = '}';
        WANT_ERROR(open_bytes(bytes, 10, &err), err, GLIM_E_FORMAT, "bad.safetensors", "header", NULL, NULL);
    }
    glim_err err = {0};
    WANT_ERROR(open_bytes("version https://git-lfs.github.com/spec/v1\n", 43, &err), err, GLIM_E_FORMAT, "Git LFS", NULL, NULL, NULL);
}

TEST(a_long_name_is_cut_in_its_message) {
    glim_err err = {0};
    glim_buf j = {0};
    glim_buf_puts(&j, "{\"");
    for (int i = 0; i < 600; i++) glim_buf_putc(&j, 'n');
    glim_buf_puts(&j, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    glim_buf b = make(j.s, 1);
    WANT_ERROR(open_bytes(b.s, b.len, &err), err, GLIM_E_LIMIT, "600 bytes", "nnn...", NULL, NULL);
    glim_buf_free(&b);
    glim_buf_free(&j);
}

TEST(a_header_of_many_megabytes_opens_in_linear_time) {
    double took[2];
    for (int pass = 0; pass < 2; pass++) {
        size_t n = pass ? 80000 : 20000;
        glim_buf j = {0};
        glim_buf_reserve(&j, n * 128);
        glim_buf_putc(&j, '{');
        for (size_t i = 0; i < n; i++)
            glim_buf_printf(&j, "%s\"model.layers.%zu.mlp.experts.%zu.gate_proj.weight\":{\"dtype\":\"U8\","
                            "\"shape\":[1],\"data_offsets\":[%zu,%zu]}", i ? "," : "", i / 128, i % 128, i, i + 1);
        glim_buf_putc(&j, '}');
        glim_buf b = make(j.s, n);
        glim_err err = {0};
        double t0 = cpu_now();
        glim_st *st;
        CHECK_OK(glim_st_open_mem(&st, b.s, b.len, "m", &err), err);
        took[pass] = cpu_now() - t0;
        CHECK(glim_st_n_tensors(st) == n);
        glim_st_close(st);
        printf("    %zu tensors, %.1f MB of header: %.0f ms\n", n, (double)j.len * 1e-6, took[pass] * 1e3);
        glim_buf_free(&b);
        glim_buf_free(&j);
    }
    CHECK(took[1] < 12 * took[0] + 0.1); /* four times the tensors; quadratic would be sixteen */
}
