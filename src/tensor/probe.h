/* probe.h - what this machine can do at this moment: read bandwidth and peaks of arithmetic.
 *
 * A speed says little by itself on a machine that others use too; a share of what the machine could do
 * the moment before says more. A probe takes milliseconds, so that one can run before each repetition
 * of a measurement, over the same threads. Time is the wall's unless the caller brings a clock. */
#ifndef GLIM_TENSOR_PROBE_H
#define GLIM_TENSOR_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "tensor/kernels.h"

/* Instructions in which products spend their time; two operations to a multiply-add. */
typedef enum glim_instr {
    GLIM_INSTR_F32_512,  /* vfmadd231ps on zmm */
    GLIM_INSTR_BF16_512, /* vdpbf16ps on zmm */
    GLIM_INSTR_I8_512,   /* vpdpbusd on zmm */
    GLIM_INSTR_F32_256,  /* vfmadd231ps on ymm */
    GLIM_INSTR_I8_256,   /* vpmaddubsw on ymm; the additions to 32 bit come on top */
    GLIM_INSTR_F32,      /* multiply and add of four floats, as compiled for any machine */
    GLIM_N_INSTR
} glim_instr;

const char *glim_instr_name(glim_instr i); /* "int8 vpdpbusd 512 bit" */
/* False where this CPU or build cannot run it. */
bool glim_instr_here(glim_instr i);
/* The best instruction here for activations of one form (a GLIM_ACT_* bit) in a set, by name. The plain
 * set, and sets unknown here, are held against the best of the machine. */
glim_instr glim_instr_for(const char *set, unsigned act_form);

typedef struct glim_probe {
    glim_pool *pool;      /* borrowed; NULL: the caller alone */
    double (*now)(void);  /* seconds; NULL: monotonic */
    uint8_t *bytes;       /* own, touched, in huge pages where the system has them */
    size_t n_bytes;
} glim_probe;

/* n_bytes should be a few times the last cache. Errors: GLIM_E_NOMEM. */
glim_status glim_probe_init(glim_probe *p, glim_pool *pool, size_t n_bytes, glim_err *err);
void glim_probe_deinit(glim_probe *p); /* takes {0} */

/* GB/s (1e9) of reading once through bytes [n], in long pieces over the pool; NULL: the probe's own. */
double glim_probe_read(const glim_probe *p, const void *bytes, size_t n);
/* GOP/s over the pool of one instruction in independent chains without memory; 0 where it is not here. */
double glim_probe_peak(const glim_probe *p, glim_instr i);

#endif
