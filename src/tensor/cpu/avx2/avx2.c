/* avx2.c - the table of the AVX2 set (AVX2, FMA, F16C, BMI2: every x86 server and laptop since
 * 2013-17). */
#if defined __x86_64__
#include "tensor/cpu/avx2/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

const glim_kernels glim_kernels_avx2 = {
    .name = "avx2",
    .act_form = glim_ref_act_form,
    .act_fill = glim_avx2_act_fill,
    .pack_bytes = glim_panel_bytes,
    .pack = glim_panel_pack,
    .matmul = glim_avx2_matmul,
    .rmsnorm = glim_avx2_rmsnorm,
    .rope = glim_avx2_rope,
    .silu_mul = glim_avx2_silu_mul,
    .add = glim_avx2_add,
    .axpy = glim_avx2_axpy,
    .kv_store = glim_avx2_kv_store,
    .attn_chunk = glim_avx2_attn_chunk,
};
#endif
