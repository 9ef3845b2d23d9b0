/* cgroup.c - see cgroup.h. */
#include "base/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_CAP = 4096 };

/* Whether a list such as "cpu,cpuacct" has the word; version 2 has one empty list. */
static bool has(const char *list, const char *word) {
    size_t n = strlen(word);
    for (;;) {
        size_t len = strcspn(list, ",");
        if (len == n && strncmp(list, word, n) == 0) return true;
        if (!list[len]) return false;
        list += len + 1;
    }
}

/* Where this process is among the groups of a controller, "" if self does not say. */
static void path_of(const char *self, const char *controller, char path[PATH_CAP]) {
    char line[PATH_CAP + 256]; /* "4:memory:/a/b" */
    path[0] = 0;
    FILE *f = fopen(self, "re");
    while (f && fgets(line, sizeof line, f)) {
        char *list = strchr(line, ':'), *at = list ? strchr(list + 1, ':') : NULL;
        if (!at) continue;
        *at++ = 0;
        at[strcspn(at, "\n")] = 0;
        if (!has(list + 1, controller) || at[0] != '/' || strlen(at) >= PATH_CAP) continue;
        memcpy(path, at, strlen(at) + 1);
        break;
    }
    if (f) fclose(f);
}

typedef void ask_fn(const char *folder, void *ctx);

/* Every folder from our group's up to the one where the controller is mounted: root, or root/controller. */
static void ask_all(const char *root, const char *self, const char *controller, ask_fn *ask, void *ctx) {
    char path[PATH_CAP], folder[2 * PATH_CAP];
    path_of(self, controller, path);
    int base = snprintf(folder, sizeof folder, "%s%s%s", root, controller[0] ? "/" : "", controller);
    if (base < 0 || (size_t)base + strlen(path) >= sizeof folder) return;
    memcpy(folder + base, path, strlen(path) + 1);
    for (;;) {
        ask(folder, ctx);
        char *slash = strrchr(folder + base, '/');
        if (!slash) return;
        *slash = 0;
    }
}

static FILE *open_in(const char *folder, const char *name) {
    char path[2 * PATH_CAP + 64];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
}

/* False for a file that is not there or says "max". */
static bool number_in(const char *folder, const char *name, long long *v) {
    FILE *f = open_in(folder, name);
    if (!f) return false;
    bool ok = fscanf(f, "%lld", v) == 1;
    fclose(f);
    return ok;
}

static void ask_cpus(const char *folder, void *ctx) {
    long long quota = -1, period = 0;
    char word[64];
    FILE *f = open_in(folder, "cpu.max"); /* version 2 */
    if (f) {
        if (fscanf(f, "%63s %lld", word, &period) == 2 && strcmp(word, "max") != 0) quota = atoll(word);
        fclose(f);
    } else if (!number_in(folder, "cpu.cfs_quota_us", &quota) || !number_in(folder, "cpu.cfs_period_us", &period)) {
        return;
    }
    if (quota <= 0 || period <= 0) return;
    long long n = quota / period + (quota % period != 0);
    int *least = ctx;
    if (n <= INT_MAX && (*least == 0 || n < *least)) *least = (int)n;
}

int glim_cgroup_cpus(const char *root, const char *self) {
    int least = 0;
    ask_all(root, self, "", ask_cpus, &least);
    ask_all(root, self, "cpu", ask_cpus, &least);
    return least;
}

/* Pages of files among those charged to the group: "inactive_file 4096" (version 1: the total_ lines, of all groups
 * below, as the usage is). */
static long long file_bytes(const char *folder, bool v2) {
    FILE *f = open_in(folder, "memory.stat");
    char line[256], name[128];
    long long v, sum = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%127s %lld", name, &v) != 2 || v < 0) continue;
        const char *key = name;
        if (!v2) {
            if (strncmp(name, "total_", 6) != 0) continue;
            key += 6;
        }
        if (strcmp(key, "inactive_file") == 0 || strcmp(key, "active_file") == 0) sum += v;
    }
    if (f) fclose(f);
    return sum;
}

static void ask_memory(const char *folder, void *ctx) {
    long long limit, used;
    const bool v2 = number_in(folder, "memory.max", &limit) && number_in(folder, "memory.current", &used);
    if (!v2 && (!number_in(folder, "memory.limit_in_bytes", &limit) || !number_in(folder, "memory.usage_in_bytes", &used)))
        return;
    const long long files = file_bytes(folder, v2), held = used > files ? used - files : 0;
    const size_t left = limit > held ? (size_t)(limit - held) : 0;
    size_t *least = ctx;
    if (left < *least) *least = left;
}

size_t glim_cgroup_memory(const char *root, const char *self) {
    size_t least = SIZE_MAX;
    ask_all(root, self, "", ask_memory, &least);
    ask_all(root, self, "memory", ask_memory, &least);
    return least;
}
