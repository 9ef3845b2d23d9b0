/* numa.c - see numa.h. The kernel's two calls are made directly: libnuma would be a dependency for them. */
#include "base/numa.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_NODES = 64, LIST_CAP = 16384, POLICY_DEFAULT = 0, POLICY_INTERLEAVE = 3 };

/* A list such as "0-3,8,10-11\n"; each member is given to `take`. False where it is none. */
static bool each_of(const char *path, void (*take)(void *ctx, unsigned long member), void *ctx) {
    char text[LIST_CAP];
    FILE *f = fopen(path, "re");
    if (!f) return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    for (char *s = text; *s && *s != '\n';) { /* an empty list: a node of memory alone */
        char *end;
        if (*s < '0' || *s > '9') return false;
        unsigned long first = strtoul(s, &end, 10), last = first;
        if (*end == '-') {
            s = end + 1;
            if (*s < '0' || *s > '9') return false;
            last = strtoul(s, &end, 10);
        }
        if (last < first || last >= 1 << 16 || (*end && *end != ',' && *end != '\n')) return false;
        for (unsigned long i = first; i <= last; i++) take(ctx, i);
        s = *end == ',' ? end + 1 : end;
    }
    return true;
}

static void add_node(void *ctx, unsigned long node) {
    if (node < MAX_NODES) *(uint64_t *)ctx |= (uint64_t)1 << node;
}

typedef struct meet {
    const cpu_set_t *cpus;
    bool any;
} meet;

static void meet_cpu(void *ctx, unsigned long cpu) {
    meet *m = ctx;
    if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, m->cpus)) m->any = true;
}

uint64_t glim_numa_nodes(const char *root, const cpu_set_t *cpus) {
    char path[4096];
    uint64_t nodes = 0, ours = 0;
    int n = snprintf(path, sizeof path, "%s/has_memory", root);
    if (n < 0 || (size_t)n + 64 > sizeof path || !each_of(path, add_node, &nodes)) return 0;
    for (unsigned i = 0; i < MAX_NODES; i++) {
        if (!(nodes >> i & 1)) continue;
        meet m = {.cpus = cpus};
        snprintf(path, sizeof path, "%s/node%u/cpulist", root, i);
        if (!each_of(path, meet_cpu, &m)) return 0;
        if (m.any) ours |= (uint64_t)1 << i;
    }
    return ours;
}

int glim_numa_spread(void) {
    cpu_set_t cpus;
    int policy = -1;
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) return 0;
    const uint64_t nodes = glim_numa_nodes("/sys/devices/system/node", &cpus);
    const int n = __builtin_popcountll(nodes);
    if (n < 2 || syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0) != 0 || policy != POLICY_DEFAULT) return 0;
    /* The kernel counts one bit less than it is told. */
    const unsigned long mask[2] = {(unsigned long)nodes, 0};
    return syscall(SYS_set_mempolicy, POLICY_INTERLEAVE, mask, MAX_NODES + 1) == 0 ? n : 0;
}
