/* numa.h - memory of machines whose processors have banks of their own.
 *
 * A pool hands its pieces to whichever thread is free, and the pages of a packed file lie in the system's cache long
 * before any thread of ours runs: no thread owns a weight whose pages it could touch first. What every thread can have
 * is its share of all banks. So on a machine of several nodes new pages go to them in turn, from the caller on and
 * in all threads that it starts. */
#ifndef GLIM_BASE_NUMA_H
#define GLIM_BASE_NUMA_H

#include <sched.h>
#include <stdint.h>

/* Bit n: node n has memory and a processor of `cpus`. root: "/sys/devices/system/node", whose has_memory and
 * node<n>/cpulist are read. 0: no such folder, or it is not understood; nodes above 63 are not counted. */
uint64_t glim_numa_nodes(const char *root, const cpu_set_t *cpus);

/* Lets new pages of the calling thread, and of threads it creates from now on, go to all nodes whose processors it may
 * use in turn. Nothing happens on one node, or where somebody (numactl) has chosen a policy. Returns the number of nodes
 * that are used in turn, 0 if that did not change. */
int glim_numa_spread(void);

#endif
