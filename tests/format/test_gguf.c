/* GGUF: what is written reads back, alone and split; every kind of bad file has one error that names it;
 * a real vocabulary opens in no time. */
#include "files.h"

#include <math.h>

#include "base/alloc.h"
#include "format/ckpt.h"
#include "format/gguf.h"

/* --- Files put together by hand ----------------------------------------------------------------- */

static void u8(glim_buf *b, unsigned v) { glim_buf_putc(b, (char)v); }
static void u32(glim_buf *b, uint32_t v) { glim_buf_append(b, &v, 4); }
static void u64(glim_buf *b, uint64_t v) { glim_buf_append(b, &v, 8); }
static void str(glim_buf *b, const char *s) {
    u64(b, strlen(s));
    glim_buf_puts(b, s);
}
static glim_buf head(uint32_t version, uint64_t n_tensors, uint64_t n_keys) {
    glim_buf b = {0};
    glim_buf_puts(&b, "GGUF");
    u32(&b, version);
    u64(&b, n_tensors);
    u64(&b, n_keys);
    return b;
}
static void key(glim_buf *b, const char *name, uint32_t type) {
    str(b, name);
    u32(b, type);
}
static void tensor(glim_buf *b, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type,
                   uint64_t offset) {
    str(b, name);
    u32(b, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) u64(b, dims[i]);
    u32(b, type);
    u64(b, offset);
}
static void pad(glim_buf *b, size_t align) {
    while (b->len % align) glim_buf_putc(b, 0);
}
static void zeros(glim_buf *b, size_t n) {
    for (size_t i = 0; i < n; i++) glim_buf_putc(b, 0);
}

static glim_status open_bytes(const void *bytes, size_t n, glim_err *err) {
    glim_err_clear(err);
    void *copy = heap_copy(bytes, n);
    glim_gguf *g;
    glim_status rc = glim_gguf_open_mem(&g, copy, n, "bad.gguf", err);
    CHECK((rc == GLIM_OK) == (g != NULL));
    glim_gguf_close(g);
    free(copy);
    return rc;
}

/* Opens b, frees it, and wants this error. */
static void bad_at(int line, glim_buf *b, glim_status want, const char *a, const char *c) {
    glim_err err = {0};
    glim_status rc = open_bytes(b->s, b->len, &err);
    want_error_at(line, rc, &err, want, "bad.gguf", a, c, NULL);
    glim_buf_free(b);
}
#define BAD(b, want, a, c) bad_at(__LINE__, &(b), want, a, c)

/* --- Round trips ---------------------------------------------------------------------------------- */

static const int32_t i32s[3] = {-1, 0, 2147483647};
static const float f32s[2] = {0.5f, -3};
static const double f64s[1] = {1e300};
static const uint8_t bools[3] = {1, 0, 1};
static const glim_gguf_text words[4] = {{"a", 1}, {"", 0}, {"x\0y", 3}, {"\xe4\xbd\xa0\xe5\xa5\xbd", 6}};

static void put_everything(glim_gguf_writer *w) {
    glim_err err = {0};
    CHECK_OK(glim_gguf_put_str(w, "general.architecture", "llama", 5, &err), err);
    CHECK_OK(glim_gguf_put_int(w, "t.u8", GLIM_GGUF_U8, 255, &err), err);
    CHECK_OK(glim_gguf_put_int(w, "t.i8", GLIM_GGUF_I8, -128, &err), err);
    CHECK_OK(glim_gguf_put_int(w, "t.u16", GLIM_GGUF_U16, 65535, &err), err);
    CHECK_OK(glim_gguf_put_int(w, "t.i16", GLIM_GGUF_I16, -32768, &err), err);
    CHECK_OK(glim_gguf_put_int(w, "t.u32", GLIM_GGUF_U32, UINT32_MAX, &err), err);
    CHECK_OK(glim_gguf_put_int(w, "t.i32", GLIM_GGUF_I32, INT32_MIN, &err), err);
    CHECK_OK(glim_gguf_put_uint(w, "t.u64", UINT64_MAX, &err), err);
    CHECK_OK(glim_gguf_put_int(w, "t.i64", GLIM_GGUF_I64, INT64_MIN, &err), err);
    CHECK_OK(glim_gguf_put_real(w, "t.f32", GLIM_GGUF_F32, 0.1, &err), err);
    CHECK_OK(glim_gguf_put_real(w, "t.f64", GLIM_GGUF_F64, 0.1, &err), err);
    CHECK_OK(glim_gguf_put_int(w, "t.bool", GLIM_GGUF_BOOL, 1, &err), err);
    CHECK_OK(glim_gguf_put_str(w, "t.str", "NUL\0inside", 10, &err), err);
    CHECK_OK(glim_gguf_put_array(w, "a.i32", GLIM_GGUF_I32, i32s, 3, &err), err);
    CHECK_OK(glim_gguf_put_array(w, "a.f32", GLIM_GGUF_F32, f32s, 2, &err), err);
    CHECK_OK(glim_gguf_put_array(w, "a.f64", GLIM_GGUF_F64, f64s, 1, &err), err);
    CHECK_OK(glim_gguf_put_array(w, "a.bool", GLIM_GGUF_BOOL, bools, 3, &err), err);
    CHECK_OK(glim_gguf_put_array(w, "a.none", GLIM_GGUF_U64, NULL, 0, &err), err);
    CHECK_OK(glim_gguf_put_strs(w, "a.str", words, 4, &err), err);
}

static void check_everything(const glim_gguf *g) {
    glim_err err = {0};
    uint64_t u;
    int64_t i;
    double d;
    bool b;
    glim_gguf_text t;
    const glim_gguf_kv *kv;
    CHECK(glim_gguf_u64(g, "t.u8", 0, &u, &err) == GLIM_OK && u == 255);
    CHECK(glim_gguf_i64(g, "t.i8", 0, &i, &err) == GLIM_OK && i == -128);
    CHECK(glim_gguf_u64(g, "t.u16", 0, &u, &err) == GLIM_OK && u == 65535);
    CHECK(glim_gguf_i64(g, "t.i16", 0, &i, &err) == GLIM_OK && i == -32768);
    CHECK(glim_gguf_u64(g, "t.u32", 0, &u, &err) == GLIM_OK && u == UINT32_MAX);
    CHECK(glim_gguf_i64(g, "t.i32", 0, &i, &err) == GLIM_OK && i == INT32_MIN);
    CHECK(glim_gguf_u64(g, "t.u64", 0, &u, &err) == GLIM_OK && u == UINT64_MAX);
    CHECK(glim_gguf_i64(g, "t.i64", 0, &i, &err) == GLIM_OK && i == INT64_MIN);
    CHECK(glim_gguf_f64(g, "t.f32", 0, &d, &err) == GLIM_OK && d == (double)0.1f);
    CHECK(glim_gguf_f64(g, "t.f64", 0, &d, &err) == GLIM_OK && d == 0.1);
    CHECK(glim_gguf_f64(g, "t.u64", 0, &d, &err) == GLIM_OK && d == 18446744073709551616.0);
    CHECK(glim_gguf_bool(g, "t.bool", false, &b, &err) == GLIM_OK && b);
    CHECK(glim_gguf_str(g, "t.str", &t, &err) == GLIM_OK && t.len == 10 && memcmp(t.s, "NUL\0inside", 10) == 0);
    CHECK(glim_gguf_array(g, "a.i32", GLIM_GGUF_I64, &kv, &err) == GLIM_OK && kv->n == 3);
    for (size_t k = 0; k < 3; k++) CHECK(glim_gguf_item_i64(kv, k) == i32s[k]);
    CHECK(glim_gguf_array(g, "a.f32", GLIM_GGUF_F64, &kv, &err) == GLIM_OK && kv->n == 2);
    for (size_t k = 0; k < 2; k++) CHECK(glim_gguf_item_f64(kv, k) == (double)f32s[k]);
    CHECK(glim_gguf_array(g, "a.none", GLIM_GGUF_I64, &kv, &err) == GLIM_OK && kv->n == 0);
    kv = glim_gguf_find(g, "a.bool");
    for (size_t k = 0; k < 3; k++) CHECK(glim_gguf_item_i64(kv, k) == bools[k]);
    CHECK(glim_gguf_array(g, "a.str", GLIM_GGUF_STR, &kv, &err) == GLIM_OK && kv->n == 4);
    for (size_t k = 0; k < 4; k++) {
        t = glim_gguf_item_str(kv, k);
        CHECK(t.len == words[k].len && memcmp(t.s, words[k].s, t.len) == 0);
    }
    /* Missing keys give the default; other kinds are refused by name. */
    CHECK(glim_gguf_u64(g, "no", 7, &u, &err) == GLIM_OK && u == 7);
    CHECK(glim_gguf_str(g, "no", &t, &err) == GLIM_OK && t.s == NULL);
    CHECK(glim_gguf_array(g, "no", GLIM_GGUF_STR, &kv, &err) == GLIM_OK && kv == NULL);
    WANT_ERROR(glim_gguf_u64(g, "t.str", 0, &u, &err), err, GLIM_E_FORMAT, "t.str", "got string", "want an integer", NULL);
    WANT_ERROR(glim_gguf_u64(g, "t.i8", 0, &u, &err), err, GLIM_E_FORMAT, "t.i8", "-128", NULL, NULL);
    WANT_ERROR(glim_gguf_i64(g, "t.u64", 0, &i, &err), err, GLIM_E_FORMAT, "t.u64", "2^63", NULL, NULL);
    WANT_ERROR(glim_gguf_f64(g, "a.f32", 0, &d, &err), err, GLIM_E_FORMAT, "a.f32", "array of f32", NULL, NULL);
    WANT_ERROR(glim_gguf_bool(g, "t.u8", 0, &b, &err), err, GLIM_E_FORMAT, "t.u8", "want a bool", NULL, NULL);
    WANT_ERROR(glim_gguf_array(g, "a.i32", GLIM_GGUF_STR, &kv, &err), err, GLIM_E_FORMAT, "a.i32", "strings", NULL, NULL);
    WANT_ERROR(glim_gguf_array(g, "a.f32", GLIM_GGUF_I64, &kv, &err), err, GLIM_E_FORMAT, "a.f32", "integers", NULL, NULL);
}

static float values[1000];
static uint8_t blocks[3 * 34];
static const uint8_t q6[210 * 2] = {9};

static size_t example(glim_tensor_out t[5]) {
    for (size_t i = 0; i < GLIM_COUNT(values); i++) values[i] = (float)i;
    for (size_t i = 0; i < sizeof blocks; i++) blocks[i] = (uint8_t)(i * 7);
    t[0] = (glim_tensor_out){.name = "token_embd.weight", .type = GLIM_F32, .n_dims = 2, .dims = {10, 100}, .data = values};
    t[1] = (glim_tensor_out){.name = "blk.0.q", .type = GLIM_Q8_0, .n_dims = 2, .dims = {3, 32}, .data = blocks};
    t[2] = (glim_tensor_out){.name = "blk.0.exps", .type = GLIM_Q6_K, .n_dims = 3, .dims = {2, 1, 256}, .data = q6};
    t[3] = (glim_tensor_out){.name = "one", .type = GLIM_BF16, .n_dims = 1, .dims = {1}, .data = values};
    t[4] = (glim_tensor_out){.name = "scalar", .type = GLIM_F32, .n_dims = 0, .data = values + 5};
    return 5;
}

TEST(what_is_written_reads_back) {
    static const uint32_t aligns[] = {0, 8, 64, 4096};
    const char *dir = tmp_new();
    for (size_t a = 0; a < GLIM_COUNT(aligns); a++) {
        glim_err err = {0};
        glim_gguf_writer *w = glim_gguf_writer_new(&(glim_gguf_writer_params){.alignment = aligns[a]});
        put_everything(w);
        glim_tensor_out t[5];
        size_t n = example(t);
        for (size_t i = 0; i < n; i++) CHECK_OK(glim_gguf_add_tensor(w, &t[i], &err), err);
        CHECK_OK(glim_gguf_write(w, at(dir, "m.gguf"), &err), err);
        CHECK(glim_gguf_writer_n_files(w) == 1);
        glim_gguf_writer_free(w);
        glim_gguf *g;
        CHECK_OK(glim_gguf_open(&g, at(dir, "m.gguf"), &err), err);
        CHECK(glim_gguf_version(g) == 3);
        check_everything(g);
        CHECK(glim_gguf_n_tensors(g) == n);
        for (size_t i = 0; i < n; i++) {
            const glim_tensor *x = glim_gguf_tensor(g, i);
            CHECK_STR(x->name, t[i].name);
            CHECK(x->type == t[i].type && x->n_dims == t[i].n_dims);
            CHECK(memcmp(x->dims, t[i].dims, (size_t)x->n_dims * sizeof x->dims[0]) == 0);
            CHECK((uintptr_t)x->data % (aligns[a] ? aligns[a] : 32) == 0);
            CHECK(memcmp(x->data, t[i].data, x->n_bytes) == 0);
            glim_gguf_drop(g, x);
        }
        /* A copy of all keys is the same file. */
        w = glim_gguf_writer_new(&(glim_gguf_writer_params){.alignment = aligns[a]});
        for (size_t i = 0; i < glim_gguf_n_keys(g); i++)
            CHECK_OK(glim_gguf_put_copy(w, glim_gguf_key(g, i), &err), err);
        for (size_t i = 0; i < n; i++) CHECK_OK(glim_gguf_add_tensor(w, &t[i], &err), err);
        CHECK_OK(glim_gguf_write(w, at(dir, "copy.gguf"), &err), err);
        glim_gguf_writer_free(w);
        glim_gguf_close(g);
        glim_buf x = get_file(at(dir, "m.gguf")), y = get_file(at(dir, "copy.gguf"));
        CHECK(x.len == y.len && memcmp(x.s, y.s, x.len) == 0);
        glim_buf_free(&x);
        glim_buf_free(&y);
    }
    tmp_remove(dir);
}

static glim_status fill_row(void *ctx, const glim_tensor_out *t, glim_sink *sink, glim_err *err) {
    (void)ctx;
    for (size_t r = 0; r < t->dims[0]; r++) {
        float row[8];
        for (size_t i = 0; i < 8; i++) row[i] = (float)(r * 8 + i);
        glim_status rc = glim_sink_write(sink, row, sizeof row, err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

TEST(a_split_set_opens_as_one_checkpoint) {
    const char *dir = tmp_new();
    glim_err err = {0};
    glim_gguf_writer *w = glim_gguf_writer_new(&(glim_gguf_writer_params){.max_file_bytes = 1000});
    put_everything(w);
    CHECK_OK(glim_gguf_put_str(w, "tokenizer.chat_template", "{{ x }}", 7, &err), err);
    char names[9][16];
    glim_tensor_out t[9];
    for (size_t i = 0; i < 9; i++) {
        snprintf(names[i], sizeof names[i], "blk.%zu.w", i);
        t[i] = (glim_tensor_out){.name = names[i], .type = GLIM_F32, .n_dims = 2, .dims = {i == 4 ? 100 : 10, 8},
                                 .fill = fill_row};
        CHECK_OK(glim_gguf_add_tensor(w, &t[i], &err), err);
    }
    CHECK_OK(glim_gguf_write(w, at(dir, "m.gguf"), &err), err);
    CHECK(glim_gguf_writer_n_files(w) == 5); /* 3, 1, the long one alone, 3, 1 */
    glim_gguf_writer_free(w);

    const char *paths[] = {at(dir, "m-00001-of-00005.gguf"), dir}; /* by file and by folder */
    for (size_t p = 0; p < 2; p++) {
        glim_ckpt *c;
        CHECK_OK(glim_ckpt_open(&c, paths[p], &err), err);
        CHECK(glim_ckpt_kind_of(c) == GLIM_CKPT_GGUF && glim_ckpt_n_files(c) == 5 && glim_ckpt_n_tensors(c) == 9);
        CHECK_STR(glim_ckpt_chat_template(c), "{{ x }}");
        CHECK_STR(glim_ckpt_path(c), paths[p]);
        check_everything(glim_ckpt_gguf(c));
        for (size_t i = 0; i < 9; i++) {
            const glim_tensor *x = glim_ckpt_find(c, names[i]);
            CHECK(x && x->n_dims == 2 && x->dims[0] == t[i].dims[0]);
            for (size_t k = 0; k < x->n_bytes / 4; k++) CHECK(((const float *)x->data)[k] == (float)k);
            size_t size;
            CHECK(strstr(glim_ckpt_file(c, x->file, &size), "m-0000") && size > x->n_bytes);
            glim_ckpt_drop(c, x);
        }
        CHECK(glim_ckpt_find(c, "blk.9.w") == NULL);
        glim_ckpt_close(c);
    }

    /* The ways a set can be wrong. */
    glim_ckpt *c;
    WANT_ERROR(glim_ckpt_open(&c, at(dir, "m-00003-of-00005.gguf"), &err), err, GLIM_E_ARG, "file 3 of a set of 5",
               "m-00001-of-00005.gguf", NULL, NULL);
    CHECK(rename(at(dir, "m-00003-of-00005.gguf"), at(dir, "aside")) == 0);
    WANT_ERROR(glim_ckpt_open(&c, dir, &err), err, GLIM_E_NOT_FOUND, "m-00003-of-00005.gguf", NULL, NULL, NULL);
    glim_buf b = get_file(at(dir, "m-00002-of-00005.gguf"));
    put_file(at(dir, "m-00003-of-00005.gguf"), b.s, b.len);
    WANT_ERROR(glim_ckpt_open(&c, dir, &err), err, GLIM_E_FORMAT, "m-00003-of-00005.gguf", "file 2 of 5", "want 3 of 5", NULL);
    CHECK(rename(at(dir, "aside"), at(dir, "m-00003-of-00005.gguf")) == 0);
    char *no = memmem(b.s, b.len, "split.no", 8);
    CHECK(no != NULL);
    no[12] = 3; /* says that it is the fourth, which has three tensors where it has one */
    put_file(at(dir, "m-00004-of-00005.gguf"), b.s, b.len);
    glim_buf_free(&b);
    glim_status rc = glim_ckpt_open(&c, dir, &err);
    WANT_ERROR(rc, err, GLIM_E_FORMAT, "m-00001-of-00005.gguf", "hold 7 tensors", "want 9", NULL);
    CHECK(rename(at(dir, "m-00001-of-00005.gguf"), at(dir, "other.gguf")) == 0);
    WANT_ERROR(glim_ckpt_open(&c, at(dir, "other.gguf"), &err), err, GLIM_E_FORMAT, "other.gguf",
               "-00001-of-00005.gguf", NULL, NULL);
    tmp_remove(dir);
}

TEST(a_tensor_in_two_files_of_a_set_is_named) {
    const char *dir = tmp_new();
    glim_err err = {0};
    for (int f = 0; f < 2; f++) {
        glim_buf b = head(3, 1, 3);
        key(&b, "split.no", GLIM_GGUF_U16);
        u8(&b, (unsigned)f), u8(&b, 0);
        key(&b, "split.count", GLIM_GGUF_U16);
        u8(&b, 2), u8(&b, 0);
        key(&b, "split.tensors.count", GLIM_GGUF_I32);
        u32(&b, 2);
        tensor(&b, "twin", 1, (const uint64_t[]){1}, 0, 0);
        pad(&b, 32);
        zeros(&b, 4);
        put_file(at(dir, f ? "x-00002-of-00002.gguf" : "x-00001-of-00002.gguf"), b.s, b.len);
        glim_buf_free(&b);
    }
    glim_ckpt *c;
    WANT_ERROR(glim_ckpt_open(&c, dir, &err), err, GLIM_E_FORMAT, "\"twin\"", "x-00001-of-00002", "x-00002-of-00002", NULL);
    tmp_remove(dir);
}

TEST(a_writer_refuses_what_the_format_cannot_hold) {
    const char *dir = tmp_new();
    glim_err err = {0};
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    WANT_ERROR(glim_gguf_put_int(w, "k", GLIM_GGUF_U8, 256, &err), err, GLIM_E_ARG, "\"k\"", "u8", NULL, NULL);
    WANT_ERROR(glim_gguf_put_int(w, "k", GLIM_GGUF_U64, -1, &err), err, GLIM_E_ARG, "\"k\"", "u64", NULL, NULL);
    WANT_ERROR(glim_gguf_put_int(w, "k", GLIM_GGUF_BOOL, 2, &err), err, GLIM_E_ARG, "\"k\"", "bool", NULL, NULL);
    WANT_ERROR(glim_gguf_put_int(w, "k", GLIM_GGUF_F32, 2, &err), err, GLIM_E_ARG, "\"k\"", "f32", NULL, NULL);
    WANT_ERROR(glim_gguf_put_real(w, "k", GLIM_GGUF_F32, 1e39, &err), err, GLIM_E_ARG, "\"k\"", "f32", NULL, NULL);
    WANT_ERROR(glim_gguf_put_int(w, "general.alignment", GLIM_GGUF_U32, 32, &err), err, GLIM_E_ARG, "general.alignment", NULL, NULL, NULL);
    WANT_ERROR(glim_gguf_put_int(w, "split.no", GLIM_GGUF_U16, 0, &err), err, GLIM_E_ARG, "split.no", NULL, NULL, NULL);
    WANT_ERROR(glim_gguf_put_int(w, "", GLIM_GGUF_U16, 0, &err), err, GLIM_E_ARG, "key", NULL, NULL, NULL);
    glim_tensor_out q = {.name = "q", .type = GLIM_Q4_K, .n_dims = 2, .dims = {2, 1408}, .data = values};
    WANT_ERROR(glim_gguf_add_tensor(w, &q, &err), err, GLIM_E_FORMAT, "\"q\"", "1408", "256", "q4_k");
    q = (glim_tensor_out){.name = "q", .type = GLIM_F8_E4M3, .n_dims = 1, .dims = {8}, .data = values};
    WANT_ERROR(glim_gguf_add_tensor(w, &q, &err), err, GLIM_E_UNSUPPORTED, "\"q\"", NULL, NULL, NULL);
    q = (glim_tensor_out){.name = "q", .type = GLIM_F32, .n_dims = 5, .dims = {1, 1, 1, 1, 1}, .data = values};
    WANT_ERROR(glim_gguf_add_tensor(w, &q, &err), err, GLIM_E_ARG, "\"q\"", "5 dimensions", NULL, NULL);
    CHECK_OK(glim_gguf_put_int(w, "k", GLIM_GGUF_U8, 1, &err), err);
    CHECK_OK(glim_gguf_put_int(w, "k", GLIM_GGUF_U8, 1, &err), err);
    WANT_ERROR(glim_gguf_write(w, at(dir, "x.gguf"), &err), err, GLIM_E_ARG, "\"k\"", "twice", NULL, NULL);
    glim_gguf_writer_free(w);
    w = glim_gguf_writer_new(NULL);
    q.n_dims = 1;
    CHECK_OK(glim_gguf_add_tensor(w, &q, &err), err);
    CHECK_OK(glim_gguf_add_tensor(w, &q, &err), err);
    WANT_ERROR(glim_gguf_write(w, at(dir, "x.gguf"), &err), err, GLIM_E_ARG, "\"q\"", "twice", NULL, NULL);
    glim_gguf_writer_free(w);
    w = glim_gguf_writer_new(&(glim_gguf_writer_params){.alignment = 24});
    WANT_ERROR(glim_gguf_write(w, at(dir, "x.gguf"), &err), err, GLIM_E_ARG, "24", NULL, NULL, NULL);
    glim_gguf_writer_free(w);
    CHECK(rmdir(dir) == 0);
}

/* --- Bad files ---------------------------------------------------------------------------------------- */

TEST(a_file_cut_at_any_byte_has_one_error) {
    const char *dir = tmp_new();
    glim_err err = {0};
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    put_everything(w);
    glim_tensor_out t[5];
    size_t n = example(t);
    for (size_t i = 1; i < n; i++) CHECK_OK(glim_gguf_add_tensor(w, &t[i], &err), err);
    CHECK_OK(glim_gguf_write(w, at(dir, "m.gguf"), &err), err);
    glim_gguf_writer_free(w);
    glim_buf b = get_file(at(dir, "m.gguf"));
    size_t end = b.len - 28; /* the last tensor has 4 bytes and 28 of padding, which may be missing */
    for (size_t k = 0; k < end; k++)
        WANT_ERROR(open_bytes(b.s, k, &err), err, GLIM_E_FORMAT, "bad.gguf", NULL, NULL, NULL);
    for (size_t k = end; k <= b.len; k++) CHECK(open_bytes(b.s, k, &err) == GLIM_OK);
    for (size_t k = 0; k < end - 700; k++) {
        for (int bit = 0; bit < 8; bit++) {
            b.s[k] = (char)(b.s[k] ^ 1 << bit);
            glim_status rc = open_bytes(b.s, b.len, &err);
            CHECK(rc == GLIM_OK || (err.msg[0] && !strchr(err.msg, '\n')));
            b.s[k] = (char)(b.s[k] ^ 1 << bit);
        }
    }
    glim_buf_free(&b);
    tmp_remove(dir);
}

TEST(other_versions_and_byte_orders_are_refused_by_number) {
    glim_buf b = head(1, 0, 0);
    BAD(b, GLIM_E_UNSUPPORTED, "version: got 1", NULL);
    b = head(4, 0, 0);
    BAD(b, GLIM_E_UNSUPPORTED, "version: got 4", NULL);
    b = head(0, 0, 0);
    BAD(b, GLIM_E_UNSUPPORTED, "version: got 0", NULL);
    b = head(0x03000000, 0, 0);
    BAD(b, GLIM_E_UNSUPPORTED, "big-endian", "version 3");
    b = (glim_buf){0};
    glim_buf_puts(&b, "GGML....");
    BAD(b, GLIM_E_FORMAT, "GGML", "want \"GGUF\"");
    b = (glim_buf){0};
    glim_buf_puts(&b, "version https://git-lfs.github.com/spec/v1\n");
    BAD(b, GLIM_E_FORMAT, "not a GGUF file", NULL);
    glim_err err = {0};
    b = head(2, 0, 0);
    CHECK(open_bytes(b.s, b.len, &err) == GLIM_OK);
    glim_buf_free(&b);
}

TEST(lying_counts_allocate_nothing) {
    static const uint64_t huge[] = {UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 32, 1000};
    for (size_t i = 0; i < GLIM_COUNT(huge); i++) {
        glim_buf b = head(3, huge[i], 0);
        BAD(b, GLIM_E_FORMAT, "tensor count", NULL);
        b = head(3, 0, huge[i]);
        BAD(b, GLIM_E_FORMAT, "key count", NULL);
        b = head(3, 0, 1); /* key length */
        u64(&b, huge[i]);
        zeros(&b, 64);
        BAD(b, GLIM_E_FORMAT, "truncated in key", NULL);
        b = head(3, 0, 1); /* string length */
        key(&b, "k", GLIM_GGUF_STR);
        u64(&b, huge[i]);
        zeros(&b, 64);
        BAD(b, GLIM_E_FORMAT, "\"k\"", "truncated");
        for (uint32_t t = 0; t < GLIM_GGUF_N_TYPE; t++) { /* array count, of every type */
            b = head(3, 0, 1);
            key(&b, "k", GLIM_GGUF_ARRAY);
            u32(&b, t);
            u64(&b, huge[i]);
            zeros(&b, 64);
            BAD(b, GLIM_E_FORMAT, "\"k\"", "array of");
        }
    }
}

TEST(bad_keys_are_named) {
    glim_buf b = head(3, 0, 1);
    key(&b, "k", 13);
    zeros(&b, 8);
    BAD(b, GLIM_E_FORMAT, "\"k\"", "value type: got 13");
    b = head(3, 0, 1);
    key(&b, "k", GLIM_GGUF_BOOL);
    u8(&b, 2);
    zeros(&b, 8);
    BAD(b, GLIM_E_FORMAT, "\"k\"", "the byte 2");
    b = head(3, 0, 1);
    key(&b, "k", GLIM_GGUF_ARRAY);
    u32(&b, GLIM_GGUF_BOOL);
    u64(&b, 3);
    u8(&b, 1), u8(&b, 0), u8(&b, 9);
    BAD(b, GLIM_E_FORMAT, "\"k\"", "bool 2");
    b = head(3, 0, 2);
    for (int i = 0; i < 2; i++) key(&b, "k", GLIM_GGUF_U8), u8(&b, 1);
    zeros(&b, 8);
    BAD(b, GLIM_E_FORMAT, "\"k\"", "twice");
    b = head(3, 0, 1);
    key(&b, "", GLIM_GGUF_U8);
    zeros(&b, 8);
    BAD(b, GLIM_E_FORMAT, "key 0 of 1", "empty");
    b = head(3, 0, 1);
    u64(&b, 3);
    glim_buf_append(&b, "a\0b", 3);
    zeros(&b, 32);
    BAD(b, GLIM_E_FORMAT, "key 0 of 1", "NUL");
    b = head(3, 0, 1);
    u64(&b, 2000);
    for (int i = 0; i < 2000; i++) u8(&b, 'x');
    zeros(&b, 32);
    BAD(b, GLIM_E_LIMIT, "2000 bytes", "xxx...");
    b = head(3, 0, 1);
    key(&b, "general.alignment", GLIM_GGUF_U32);
    u32(&b, 48);
    BAD(b, GLIM_E_FORMAT, "general.alignment", "48");
    b = head(3, 0, 1);
    key(&b, "general.alignment", GLIM_GGUF_STR);
    str(&b, "32");
    BAD(b, GLIM_E_FORMAT, "general.alignment", "string");
    /* Arrays in arrays: read past up to the limit, refused beyond. */
    glim_err err = {0};
    for (int depth = 1; depth <= 6; depth++) {
        b = head(3, 0, 1);
        key(&b, "nest", GLIM_GGUF_ARRAY);
        for (int i = 1; i < depth; i++) u32(&b, GLIM_GGUF_ARRAY), u64(&b, 1);
        u32(&b, GLIM_GGUF_STR);
        u64(&b, 2);
        str(&b, "a"), str(&b, "bc");
        if (depth > GLIM_GGUF_DEPTH) {
            BAD(b, GLIM_E_LIMIT, "\"nest\"", "nested");
        } else {
            CHECK_OK(open_bytes(b.s, b.len, &err), err);
            glim_buf_free(&b);
        }
    }
}

TEST(bad_tensors_are_named) {
    const uint64_t d32[] = {32}, d40[] = {40}, huge[] = {(uint64_t)1 << 40, (uint64_t)1 << 40, 1 << 20};
    static const struct {
        uint32_t type;
        const char *name;
    } unread[] = {{4, "Q4_2"}, {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {21, "IQ3_S"},
                  {22, "IQ2_S"}, {29, "IQ1_M"}, {34, "TQ1_0"}, {35, "TQ2_0"}, {40, "number 40"}, {99999, "number 99999"}};
    for (size_t i = 0; i < GLIM_COUNT(unread); i++) {
        glim_buf b = head(3, 1, 0);
        tensor(&b, "w", 1, d32, unread[i].type, 0);
        zeros(&b, 4096);
        BAD(b, GLIM_E_UNSUPPORTED, "\"w\"", unread[i].name);
    }
    glim_buf b = head(3, 1, 0);
    tensor(&b, "w", 7, (const uint64_t[]){1, 1, 1, 1, 1, 1, 1}, 0, 0);
    zeros(&b, 64);
    BAD(b, GLIM_E_LIMIT, "\"w\"", "7 dimensions");
    b = head(3, 1, 0);
    tensor(&b, "w", 3, huge, 0, 0);
    zeros(&b, 64);
    BAD(b, GLIM_E_FORMAT, "\"w\"", "addressed");
    b = head(3, 1, 0);
    tensor(&b, "w", 1, (const uint64_t[]){UINT64_MAX}, 0, 0);
    zeros(&b, 64);
    BAD(b, GLIM_E_FORMAT, "\"w\"", "addressed");
    b = head(3, 1, 0);
    tensor(&b, "w", 1, d40, 8, 0);
    zeros(&b, 128);
    BAD(b, GLIM_E_FORMAT, "rows of 40", "multiple of 32 for q8_0");
    b = head(3, 1, 0);
    tensor(&b, "w", 1, d32, 0, 16);
    zeros(&b, 512);
    BAD(b, GLIM_E_FORMAT, "\"w\"", "multiple of 32");
    b = head(3, 1, 0);
    tensor(&b, "w", 1, d32, 0, UINT64_MAX - 31);
    zeros(&b, 512);
    BAD(b, GLIM_E_FORMAT, "\"w\"", "18446744073709551584");
    b = head(3, 1, 0);
    tensor(&b, "w", 1, d32, 0, 0);
    pad(&b, 32);
    zeros(&b, 127);
    BAD(b, GLIM_E_FORMAT, "\"w\"", "inside 127 bytes");
    b = head(3, 2, 0);
    tensor(&b, "w", 1, d32, 0, 0);
    tensor(&b, "v", 1, d32, 0, 96);
    zeros(&b, 512);
    BAD(b, GLIM_E_FORMAT, "\"v\"", "overlap \"w\"");
    b = head(3, 2, 0);
    tensor(&b, "w", 1, d32, 0, 0);
    tensor(&b, "w", 1, d32, 0, 128);
    zeros(&b, 512);
    BAD(b, GLIM_E_FORMAT, "\"w\"", "twice");
    glim_err err = {0};
    b = head(3, 2, 0); /* out of order and with a gap: odd but harmless */
    tensor(&b, "w", 1, d32, 0, 256);
    tensor(&b, "v", 1, d32, 0, 0);
    zeros(&b, 512);
    CHECK_OK(open_bytes(b.s, b.len, &err), err);
    glim_buf_free(&b);
}

/* --- Real and large -------------------------------------------------------------------------------------- */

TEST(the_real_gpt2_vocabulary_opens) {
    const char *path = glim_test_data("tokenizer-gpt2-gguf/ggml-vocab-gpt-2.gguf");
    if (!path) SKIP("no tokenizer-gpt2-gguf in the test data");
    glim_err err = {0};
    glim_ckpt *c;
    CHECK_OK(glim_ckpt_open(&c, path, &err), err);
    const glim_gguf *g = glim_ckpt_gguf(c);
    const glim_gguf_kv *tokens, *merges, *types;
    CHECK_OK(glim_gguf_array(g, "tokenizer.ggml.tokens", GLIM_GGUF_STR, &tokens, &err), err);
    CHECK_OK(glim_gguf_array(g, "tokenizer.ggml.merges", GLIM_GGUF_STR, &merges, &err), err);
    CHECK_OK(glim_gguf_array(g, "tokenizer.ggml.token_type", GLIM_GGUF_I64, &types, &err), err);
    CHECK(tokens && tokens->n == 50257 && merges && merges->n == 50000 && types && types->n == 50257);
    glim_gguf_text t = glim_gguf_item_str(tokens, 50256);
    CHECK(t.len == 13 && memcmp(t.s, "<|endoftext|>", 13) == 0);
    t = glim_gguf_item_str(merges, 0);
    CHECK(t.len == 4 && memcmp(t.s, "\xc4\xa0 t", 4) == 0);
    CHECK(glim_gguf_item_i64(types, 50256) == 3);
    CHECK(glim_ckpt_n_tensors(c) == 0);
    glim_ckpt_close(c);
}

TEST(a_glm_sized_vocabulary_opens_in_well_under_100_ms) {
    enum { N_TOK = 151552, N_MERGE = 318088 };
    const char *dir = tmp_new();
    glim_err err = {0};
    static glim_gguf_text text[N_MERGE];
    static char chars[N_MERGE][16];
    for (size_t i = 0; i < N_MERGE; i++) {
        text[i].s = chars[i];
        text[i].len = (size_t)snprintf(chars[i], sizeof chars[i], "t%zu m", i);
    }
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    CHECK_OK(glim_gguf_put_strs(w, "tokenizer.ggml.tokens", text, N_TOK, &err), err);
    CHECK_OK(glim_gguf_put_strs(w, "tokenizer.ggml.merges", text, N_MERGE, &err), err);
    CHECK_OK(glim_gguf_write(w, at(dir, "v.gguf"), &err), err);
    glim_gguf_writer_free(w);
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double t0 = cpu_now();
        glim_gguf *g;
        CHECK_OK(glim_gguf_open(&g, at(dir, "v.gguf"), &err), err);
        double took = cpu_now() - t0;
        if (took < best) best = took;
        glim_gguf_text t = glim_gguf_item_str(glim_gguf_find(g, "tokenizer.ggml.merges"), N_MERGE - 1);
        CHECK(t.len == 9 && memcmp(t.s, "t318087 m", 9) == 0);
        glim_gguf_close(g);
    }
    printf("    %d tokens and %d merges: %.1f ms\n", N_TOK, N_MERGE, best * 1e3);
    CHECK(best < 0.1);
    tmp_remove(dir);
}
