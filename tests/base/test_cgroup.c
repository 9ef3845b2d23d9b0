/* Limits of control groups, from folders made to look like the kernel's. */
#include <stdint.h>

#include "base/cgroup.h"
#include "tree.h"

static void begin_as(const char *self) {
    begin();
    put("self", self);
}

static int cpus(void) {
    char *self = glim_path_join(g_dir, "self");
    int n = glim_cgroup_cpus(g_dir, self);
    free(self);
    return n;
}
static size_t memory(void) {
    char *self = glim_path_join(g_dir, "self");
    size_t n = glim_cgroup_memory(g_dir, self);
    free(self);
    return n;
}

TEST(a_services_own_group_limits_it_and_so_does_each_above) {
    begin_as("0::/system.slice/glim.service\n");
    CHECK(cpus() == 0 && memory() == SIZE_MAX); /* the root has no such files */
    put("system.slice/cpu.max", "max 100000\n");
    put("system.slice/glim.service/cpu.max", "250000 100000\n");
    CHECK(cpus() == 3);
    put("system.slice/cpu.max", "200000 100000\n");
    CHECK(cpus() == 2);
    put("system.slice/glim.service/memory.max", "max\n");
    put("system.slice/glim.service/memory.current", "1000\n");
    CHECK(memory() == SIZE_MAX);
    put("system.slice/glim.service/memory.max", "5000\n");
    CHECK(memory() == 4000);
}

/* A model that was read once fills the group with its file's pages: they are not taken. */
TEST(pages_of_files_count_as_free) {
    begin_as("0::/\n"); /* a container: its own group is the root */
    put("memory.max", "8000\n");
    put("memory.current", "7900\n");
    put("memory.stat", "anon 300\nfile 7600\nactive_file 2500\ninactive_file 5000\nslab 20\n");
    CHECK(memory() == 8000 - (7900 - 7500));
    put("memory.stat", "active_file 9000\n"); /* read a moment apart: never below nothing */
    CHECK(memory() == 8000);
}

TEST(the_first_version_and_paths_of_the_host_are_understood) {
    begin_as("7:blkio:/x\n4:memory:/box\n1:cpuacct,cpu:/box\n0::/\n");
    put("cpu/box/cpu.cfs_quota_us", "150000\n");
    put("cpu/box/cpu.cfs_period_us", "100000\n");
    put("cpu/cpu.cfs_quota_us", "-1\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    CHECK(cpus() == 2);
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/memory.usage_in_bytes", "100\n");
    put("memory/box/memory.limit_in_bytes", "600\n");
    put("memory/box/memory.usage_in_bytes", "500\n");
    put("memory/box/memory.stat", "inactive_file 1\ntotal_inactive_file 40\ntotal_active_file 60\n");
    CHECK(memory() == 200);
    begin_as("1:cpu,cpuacct:/box\n");
    put("cpu/box/cpu.cfs_quota_us", "150000\n");
    put("cpu/box/cpu.cfs_period_us", "100000\n");
    CHECK(cpus() == 2);
    begin_as("4:memory:/docker/0123\n1:cpu:/docker/0123\n");
    put("memory/memory.limit_in_bytes", "700\n");
    put("memory/memory.usage_in_bytes", "100\n");
    CHECK(memory() == 600 && cpus() == 0);
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", g_dir);
    CHECK(system(cmd) == 0);
}
