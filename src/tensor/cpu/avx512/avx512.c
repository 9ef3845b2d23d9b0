/* avx512.c - the table of the AVX-512 set (F, BW, VL, DQ, VNNI, BF16, VBMI: Zen 4, Sapphire Rapids
 * on). */
#if defined __x86_64__
#include "tensor/cpu/avx512/vec.h"
#include "tensor/kernels_internal.h"
#include "tensor/panel.h"

#ifdef GLIM_NAME_ONLY /* a build for tests where no CPU can run it (CMakeLists.txt) */
#include "tensor/gemm.h"
extern const glim_gemm_set glim_gemm_avx512;
const glim_gemm_set glim_gemm_avx512 = {.name = "avx512"};
const glim_kernels glim_kernels_avx512 = {.name = "avx512"};
int glim_avx512_bf16_dots = -1;
#else
const glim_kernels glim_kernels_avx512 = {
    .name = "avx512",
    .act_form = glim_avx512_act_form,
    .act_fill = glim_avx512_act_fill,
    .pack_bytes = glim_panel_bytes,
    .pack = glim_panel_pack,
    .matmul = glim_avx512_matmul,
    .rmsnorm = glim_avx512_rmsnorm,
    .rope = glim_avx512_rope,
    .silu_mul = glim_avx512_silu_mul,
    .add = glim_avx512_add,
    .axpy = glim_avx512_axpy,
    .kv_store = glim_avx512_kv_store,
    .attn_chunk = glim_avx512_attn_chunk,
};
#endif
#endif
