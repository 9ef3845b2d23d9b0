/* pool.h - a fixed team of threads for data-parallel loops.
 *
 * The caller is worker 0. Workers spin at most 50 us (GLIM_SPIN_US, read by
 * glim_pool_new) between jobs, then sleep on a futex; a job
 * allocates nothing and takes no lock. Not reentrant: one job at a time per pool. */
#ifndef GLIM_BASE_POOL_H
#define GLIM_BASE_POOL_H

#include <stddef.h>

typedef struct glim_pool glim_pool;

/* How many CPUs this process may use: affinity mask and cgroup quota respected, at least 1. */
int glim_cpu_count(void);

/* n_threads <= 0 means glim_cpu_count(). Never NULL: with threads refused it is a pool of fewer. */
glim_pool *glim_pool_new(int n_threads);
void glim_pool_free(glim_pool *p); /* takes NULL */
int glim_pool_size(const glim_pool *p); /* NULL pool: 1 */

/* fn(ctx, begin, end, worker) over [0, n) in pieces of at most `grain` (>= 1), handed out in order to
 * whichever worker is free; returns when all are done. Results must not depend on which worker ran a
 * piece. A NULL pool runs everything in the caller. */
typedef void (*glim_pool_fn)(void *ctx, size_t begin, size_t end, int worker);
void glim_pool_for(glim_pool *p, size_t n, size_t grain, glim_pool_fn fn, void *ctx);

#endif
