/* test_dtype.c - types against published and computed vectors; scalar conversions against their
 * definitions over every bit pattern. */
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "tensor/dtype.h"
#include "tensor/qblock.h"
#include "test.h"

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

TEST(names_are_found_in_any_case) {
    glim_dtype t;
    CHECK(glim_dtype_parse("Q4_K", &t) && t == GLIM_Q4_K);
    CHECK(glim_dtype_parse("bf16", &t) && t == GLIM_BF16);
    CHECK(glim_dtype_parse("F8_E4M3", &t) && t == GLIM_F8_E4M3);
    CHECK(!glim_dtype_parse("q4", &t));
    CHECK(!glim_dtype_parse("", &t));
    for (int i = 0; i < GLIM_N_DTYPE; i++) {
        CHECK(glim_dtype_parse(glim_dtype_of((glim_dtype)i)->name, &t) && (int)t == i);
        CHECK(glim_dtype_of((glim_dtype)i)->block_bytes > 0);
    }
}

TEST(row_bytes_refuses_part_blocks_and_overflow) {
    size_t n;
    glim_err err;
    CHECK(glim_row_bytes(GLIM_Q4_K, 4096, &n, &err) == GLIM_OK && n == 2304);
    CHECK(glim_row_bytes(GLIM_Q8_0, 1408, &n, &err) == GLIM_OK && n == 1496);
    CHECK(glim_row_bytes(GLIM_BF16, 0, &n, &err) == GLIM_OK && n == 0);
    CHECK(glim_row_bytes(GLIM_Q4_K, 1408, &n, &err) == GLIM_E_SHAPE);
    CHECK_STR(err.msg, "a row of 1408 values cannot be q4_k: want a multiple of 256");
    CHECK(glim_row_bytes(GLIM_F32, SIZE_MAX / 2, &n, &err) == GLIM_E_SHAPE);
    CHECK(glim_row_bytes(GLIM_Q8_0, SIZE_MAX - 31, &n, &err) == GLIM_E_SHAPE);
}

TEST(every_f16_survives_the_way_through_f32) {
    for (uint32_t h = 0; h < 65536; h++) {
        float f = glim_f16_to_f32((uint16_t)h);
        if ((h & 0x7fff) > 0x7c00) {
            CHECK(isnan(f) && isnan(glim_f16_to_f32(glim_f32_to_f16(f))));
            continue;
        }
        CHECK_MSG(glim_f32_to_f16(f) == h, "f16 %04x", h);
        const int e = (int)(h >> 10 & 31), m = (int)(h & 1023);
        double want = e == 31 ? INFINITY : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
        if (h & 0x8000) want = -want;
        CHECK_MSG((double)f == want, "f16 %04x is %g", h, (double)f);
    }
}

/* Between neighbours lo and hi the halfway point goes to the even one, anything else to the nearer. */
TEST(f16_rounds_to_nearest_even) {
    for (uint32_t h = 0; h < 0x7bff; h++) {
        const double lo = (double)glim_f16_to_f32((uint16_t)h),
                     hi = (double)glim_f16_to_f32((uint16_t)(h + 1));
        const float mid = (float)((lo + hi) / 2); /* exact: one more bit */
        const uint32_t even = h & 1 ? h + 1 : h;
        CHECK_MSG(glim_f32_to_f16(mid) == even, "middle above %04x", h);
        CHECK(glim_f32_to_f16(nextafterf(mid, -1)) == h);
        CHECK(glim_f32_to_f16(nextafterf(mid, INFINITY)) == h + 1);
        CHECK(glim_f32_to_f16(-mid) == (even | 0x8000));
    }
    CHECK(glim_f32_to_f16(65519.996f) == 0x7bff);
    CHECK(glim_f32_to_f16(65520.0f) == 0x7c00);
    CHECK(glim_f32_to_f16(INFINITY) == 0x7c00);
    CHECK(glim_f32_to_f16(0x1p-25f) == 0);
    CHECK(glim_f32_to_f16(1e-45f) == 0);
}

TEST(bf16_rounds_to_nearest_even_and_keeps_nan) {
    for (uint32_t b = 0; b < 65536; b++) {
        const float f = glim_bf16_to_f32((uint16_t)b);
        if (isnan(f)) CHECK(isnan(glim_bf16_to_f32(glim_f32_to_bf16(f))));
        else CHECK(glim_f32_to_bf16(f) == b);
    }
    union { uint32_t u; float f; } v = {.u = 0x3f808000u}; /* halfway above an even value */
    CHECK(glim_f32_to_bf16(v.f) == 0x3f80);
    v.u = 0x3f818000u;
    CHECK(glim_f32_to_bf16(v.f) == 0x3f82);
    v.u = 0x7f800001u;
    CHECK(isnan(glim_bf16_to_f32(glim_f32_to_bf16(v.f))));
    v.u = 0x7f7fffffu;
    CHECK(glim_f32_to_bf16(v.f) == 0x7f80);
}

TEST(eight_bit_floats_have_their_published_extremes) {
    const uint8_t e4[] = {0x00, 0x01, 0x07, 0x08, 0x38, 0x7e, 0xfe, 0x80, 0x7f};
    const float e4_want[] = {0, 0x1p-9f, 0.013671875f, 0.015625f, 1, 448, -448, -0.0f};
    float got[9];
    glim_dequant(GLIM_F8_E4M3, e4, got, 9);
    for (int i = 0; i < 8; i++) CHECK(bits_of(got[i]) == bits_of(e4_want[i]));
    CHECK(isnan(got[8]));
    const uint8_t e5[] = {0x01, 0x04, 0x3c, 0x7b, 0x7c, 0xfc};
    const float e5_want[] = {0x1p-16f, 0x1p-14f, 1, 57344, INFINITY, -INFINITY};
    glim_dequant(GLIM_F8_E5M2, e5, got, 6);
    for (int i = 0; i < 6; i++) CHECK(bits_of(got[i]) == bits_of(e5_want[i]));
}

TEST(integers_and_doubles_become_the_nearest_f32) {
    const int64_t i64[] = {INT64_MIN, -1, 16777217, INT64_MAX};
    const double f64[] = {1.0 / 3, -2.5, 1e300};
    const uint16_t u16[] = {65535, 1};
    const uint8_t yes[] = {0, 1, 7};
    float got[4];
    glim_dequant(GLIM_I64, i64, got, 4);
    CHECK(got[0] == -0x1p63f && got[1] == -1 && got[2] == 16777216 && got[3] == 0x1p63f);
    glim_dequant(GLIM_F64, f64, got, 3);
    CHECK(got[0] == 1.0f / 3 && got[1] == -2.5f && isinf(got[2]));
    glim_dequant(GLIM_U16, u16, got, 2);
    CHECK(got[0] == 65535 && got[1] == 1);
    glim_dequant(GLIM_BOOL, yes, got, 3);
    CHECK(got[0] == 0 && got[1] == 1 && got[2] == 1);
}

/* ---- vectors ---- */

TEST(blocks_dequantize_to_the_values_of_the_reference_package) {
    const char *dir = "tests/fixtures/quant";
    const char *json_path = glim_test_source("tests/fixtures/quant/blocks.json");
    const char *bin_path = glim_test_source("tests/fixtures/quant/blocks.bin");
    if (!glim_path_exists(json_path)) SKIP("%s is not there", dir);
    glim_err err;
    json_t *doc;
    glim_buf bin = {0};
    CHECK_OK(glim_json_read(&doc, json_path, 1 << 20, &err), err);
    CHECK_OK(glim_file_read(&bin, bin_path, 1 << 24, &err), err);
    int n_types = 0;
    const char *name;
    json_t *t;
    json_object_foreach(json_object_get(doc, "types"), name, t) {
        glim_dtype type;
        CHECK_MSG(glim_dtype_parse(name, &type), "type %s", name);
        const size_t n_blocks = (size_t)json_integer_value(json_object_get(t, "blocks"));
        const size_t raw = (size_t)json_integer_value(json_object_get(t, "raw_offset"));
        const size_t values = (size_t)json_integer_value(json_object_get(t, "values_offset"));
        const size_t n = n_blocks * glim_dtype_of(type)->block_len;
        CHECK(json_integer_value(json_object_get(t, "block_bytes")) == glim_dtype_of(type)->block_bytes);
        CHECK(json_integer_value(json_object_get(t, "block_values")) == glim_dtype_of(type)->block_len);
        CHECK(values + 4 * n <= bin.len);
        float *got = malloc(n * sizeof *got);
        glim_dequant(type, bin.s + raw, got, n);
        for (size_t i = 0; i < n; i++) {
            float want;
            memcpy(&want, bin.s + values + 4 * i, 4);
            CHECK_MSG(got[i] == want || (isnan(got[i]) && isnan(want)),
                      "%s[%zu]: got %.9g, want %.9g", name, i, (double)got[i], (double)want);
        }
        free(got);
        n_types++;
    }
    CHECK(n_types >= 14);
    json_decref(doc);
    glim_buf_free(&bin);
}

TEST(simple_quantization_gives_the_published_bytes) {
    const char *path = glim_test_data("model-ref-ggml-quant/quant_vectors.json");
    if (!path) SKIP("model-ref-ggml-quant is not there");
    glim_err err;
    json_t *doc;
    CHECK_OK(glim_json_read(&doc, path, 1 << 20, &err), err);
    const json_t *xs = json_object_get(doc, "x");
    float x[256];
    CHECK(json_array_size(xs) == 256);
    for (size_t i = 0; i < 256; i++) x[i] = (float)json_number_value(json_array_get(xs, i));
    const char *name;
    json_t *want;
    json_object_foreach(json_object_get(doc, "bytes_as_int8"), name, want) {
        glim_dtype t;
        CHECK(glim_dtype_parse(name, &t) && glim_quant_simple_can(t));
        size_t n_bytes;
        int8_t got[1024];
        CHECK_OK(glim_row_bytes(t, 256, &n_bytes, &err), err);
        CHECK(n_bytes == json_array_size(want));
        glim_quant_simple(t, x, got, 256);
        for (size_t i = 0; i < n_bytes; i++)
            CHECK_MSG(got[i] == json_integer_value(json_array_get(want, i)), "%s byte %zu", name, i);
    }
    json_decref(doc);
}

TEST(simple_quantization_takes_zeros_and_bad_numbers) {
    const glim_dtype types[] = {GLIM_Q8_0, GLIM_Q4_0, GLIM_Q4_1, GLIM_Q5_0,
                                GLIM_Q5_1, GLIM_F16,  GLIM_BF16};
    for (size_t t = 0; t < GLIM_COUNT(types); t++) {
        float x[32] = {0}, y[32];
        uint8_t q[64];
        glim_quant_simple(types[t], x, q, 32);
        glim_dequant(types[t], q, y, 32);
        for (int i = 0; i < 32; i++) CHECK(y[i] == 0);
        x[3] = NAN, x[9] = INFINITY, x[30] = -INFINITY, x[4] = 1e-42f;
        glim_quant_simple(types[t], x, q, 32); /* must not trip the sanitizers */
    }
}

/* What the kernels rely on: decoding a row block by block is the same as decoding it whole. */
TEST(every_block_type_decodes_any_bytes) {
    const bool soak = getenv("GLIM_SOAK") != NULL;
    glim_rng rng = {.seed = 11};
    for (int t = GLIM_Q4_0; t < GLIM_N_DTYPE; t++) {
        const glim_dtype_info *info = glim_dtype_of((glim_dtype)t);
        for (int n = soak ? 1000000 : 10000; n > 0; n -= 8) {
            _Alignas(8) uint8_t row[8 * 292 + 1];
            float y[8 * 256];
            for (size_t i = 0; i + 8 <= sizeof row; i += 8) {
                const uint64_t v = glim_rng_u64(&rng);
                memcpy(row + i, &v, 8);
            }
            glim_dequant((glim_dtype)t, row + 1, y, 8u * info->block_len); /* unaligned on purpose */
            glim_qblock b;
            const size_t last = 8u * info->block_len / 32 - 1;
            glim_qblock_read((glim_dtype)t, row + 1, last, &b);
            const float want = b.scale[1] * (float)b.q[31] + b.add[1];
            CHECK(y[32 * last + 31] == want || isnan(want));
        }
    }
}
