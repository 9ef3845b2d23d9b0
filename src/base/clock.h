/* clock.h - monotonic time for measuring, in seconds and nanoseconds. */
#ifndef GLIM_BASE_CLOCK_H
#define GLIM_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t glim_now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
static inline double glim_now_s(void) { return (double)glim_now_ns() * 1e-9; }

#endif
