/* sha256_internal.h - the block function of CPUs with SHA instructions. */
#ifndef GLIM_NET_SHA256_INTERNAL_H
#define GLIM_NET_SHA256_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* May this process use it: the CPU has it and GLIM_CPU is not "ref". Looked up once. */
bool glim_sha256_ni_here(void);
/* state[8] (a to h) after n_blocks blocks of 64 bytes. Only where glim_sha256_ni_here(). */
void glim_sha256_ni_blocks(uint32_t state[8], const uint8_t *p, size_t n_blocks);

#endif
