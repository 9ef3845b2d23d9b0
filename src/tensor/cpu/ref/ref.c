/* ref.c - the table of the plain C set: it reads the file's rows directly and packs nothing. */
#include "tensor/kernels_internal.h"

static size_t pack_nothing_bytes(glim_dtype t, size_t n_out, size_t n_in) {
    (void)t, (void)n_out, (void)n_in;
    return 0;
}
static void pack_nothing(void *dst, const glim_mat *w, size_t panel0, size_t n) {
    (void)dst, (void)w, (void)panel0, (void)n;
}

const glim_kernels glim_kernels_ref = {
    .name = "ref",
    .act_form = glim_ref_act_form,
    .act_fill = glim_ref_act_fill,
    .pack_bytes = pack_nothing_bytes,
    .pack = pack_nothing,
    .matmul = glim_ref_matmul,
    .rmsnorm = glim_ref_rmsnorm,
    .rope = glim_ref_rope,
    .silu_mul = glim_ref_silu_mul,
    .add = glim_ref_add,
    .axpy = glim_ref_axpy,
    .kv_store = glim_ref_kv_store,
    .attn_chunk = glim_ref_attn_chunk,
};
