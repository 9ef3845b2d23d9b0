/* cgroup.h - the limits that control groups set for this process, in both versions of the kernel's interface.
 *
 * root is where they are mounted ("/sys/fs/cgroup"), self says where in them this process is
 * ("/proc/self/cgroup"). A group's limit holds for all groups below it, so each from ours up to the root is
 * asked and the least counts. In a container self may name a folder of the host, of which nothing is mounted:
 * the root is then the container's own. */
#ifndef GLIM_BASE_CGROUP_H
#define GLIM_BASE_CGROUP_H

#include <stddef.h>

/* CPUs' worth of time, rounded up; 0: no limit. */
int glim_cgroup_cpus(const char *root, const char *self);

/* Bytes that may still be taken; SIZE_MAX: no limit. The pages of files that were read or mapped are charged to a
 * group too, until somebody needs the room: they count as free, as in MemAvailable. */
size_t glim_cgroup_memory(const char *root, const char *self);

#endif
