/* machine_probe.c - what this machine can do at this moment, as a line of JSON: for programs in other languages
 * that measure a peer and want the same floors as `glim bench`.
 *
 *   machine_probe [THREADS [MEGABYTES]] */
#include <stdio.h>
#include <stdlib.h>

#include "base/pool.h"
#include "tensor/probe.h"

int main(int argc, char **argv) {
    glim_pool *pool = glim_pool_new(argc > 1 ? atoi(argv[1]) : 0);
    const long mb = argc > 2 ? atol(argv[2]) : 256;
    glim_probe p;
    glim_err err = {0};
    if (glim_probe_init(&p, pool, (size_t)(mb > 0 ? mb : 1) << 20, &err) != GLIM_OK) {
        fprintf(stderr, "machine_probe: %s\n", err.msg);
        return 1;
    }
    const char *set = glim_kernels_get()->name;
    const glim_instr i8 = glim_instr_for(set, GLIM_ACT_Q8), bf16 = glim_instr_for(set, GLIM_ACT_BF16), f32 = glim_instr_for(set, GLIM_ACT_F32);
    glim_probe_peak(&p, i8); /* wakes the threads and the clock */
    printf("{\"threads\": %d, \"read_gbs\": %.3f, \"int8_gops\": %.1f, \"bf16_gops\": %.1f, \"f32_gops\": %.1f, \"int8\": \"%s\"}\n",
           glim_pool_size(pool), glim_probe_read(&p, NULL, 0), glim_probe_peak(&p, i8), glim_probe_peak(&p, bf16), glim_probe_peak(&p, f32),
           glim_instr_name(i8));
    glim_probe_deinit(&p);
    glim_pool_free(pool);
    return 0;
}
