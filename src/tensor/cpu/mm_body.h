/* mm_body.h - glim_gemm_set.mm of the vector sets: register tiles of R rows by two vectors.
 *
 * The folder says what a vector is: VEC and LANES, vec_load(p, n) and vec_store(p, n, v) of the first n lanes (n >=
 * LANES: all), vec_bcast(p), vec_fma(a, b, c), vec_zero(). Every output is one chain over k, so neither the tile
 * nor the mask of a tail shows in a result. */

/* R rows by P vectors, `cols` columns of which are real. */
INLINE void mm_tile(const int R, const int P, const bool whole, float *c, size_t ldc, const float *a, size_t a_row, size_t a_k,
                    const float *b, size_t ldb, size_t cols, size_t k, bool add) {
    VEC acc[R_MAX][2];
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < P; i++) {
            const size_t left = whole ? LANES : cols - (size_t)i * LANES;
            acc[r][i] = add ? vec_load(c + (size_t)r * ldc + i * LANES, left) : vec_zero();
        }
    }
    for (size_t p = 0; p < k; p++, b += ldb, a += a_k) {
        VEC w[2];
        UNROLL for (int i = 0; i < P; i++) w[i] = vec_load(b + i * LANES, whole ? LANES : cols - (size_t)i * LANES);
        UNROLL for (int r = 0; r < R; r++) {
            const VEC v = vec_bcast(a + (size_t)r * a_row);
            UNROLL for (int i = 0; i < P; i++) acc[r][i] = vec_fma(w[i], v, acc[r][i]);
        }
    }
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < P; i++)
            vec_store(c + (size_t)r * ldc + i * LANES, whole ? LANES : cols - (size_t)i * LANES, acc[r][i]);
    }
}

typedef void mm_fn(float *c, size_t ldc, const float *a, size_t a_row, size_t a_k, const float *b, size_t ldb, size_t cols, size_t k,
                   bool add);
#define MM(R, P, W)                                                                                                       \
    static void mm_##R##_##P##_##W(float *c, size_t ldc, const float *a, size_t a_row, size_t a_k, const float *b, size_t ldb, \
                                   size_t cols, size_t k, bool add) {                                                     \
        mm_tile(R, P, W, c, ldc, a, a_row, a_k, b, ldb, cols, k, add);                                                    \
    }
#define MMS(R) MM(R, 1, 0) MM(R, 2, 0) MM(R, 2, 1)
#define MM_ROW(R) {mm_##R##_1_0, mm_##R##_2_0, mm_##R##_2_1}
