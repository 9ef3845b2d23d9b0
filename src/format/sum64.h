/* sum64.h - a 64-bit checksum for files that only this machine reads: fast, against accidents, not against people.
 *
 * 64 bytes go through eight independent chains of xor, rotate and multiply, each of which is one to one in what it takes
 * in: a change inside one aligned 8-byte word always changes the sum; any other escapes with a chance of about 2^-64.
 * Words are read in the machine's own byte order. Size and seed are part of the sum. Speed: memory's. */
#ifndef GLIM_FORMAT_SUM64_H
#define GLIM_FORMAT_SUM64_H

#include <stddef.h>
#include <stdint.h>

uint64_t glim_sum64(uint64_t seed, const void *bytes, size_t n);

#endif
