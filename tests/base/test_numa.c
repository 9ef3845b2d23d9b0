/* Nodes of memory, from folders made to look like the kernel's. */
#include <sys/syscall.h>
#include <unistd.h>

#include "base/numa.h"
#include "tree.h"

static uint64_t nodes_of(int first, int last) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (int i = first; i <= last; i++) CPU_SET(i, &cpus);
    return glim_numa_nodes(g_dir, &cpus);
}

TEST(the_nodes_whose_processors_are_ours_are_found) {
    begin();
    put("has_memory", "0-1,4\n");
    put("node0/cpulist", "0-15,64-79\n");
    put("node1/cpulist", "16-31,80\n");
    put("node4/cpulist", "32\n");
    CHECK(nodes_of(0, 100) == 0x13);
    CHECK(nodes_of(0, 15) == 0x1); /* bound to one node: its memory is the near one */
    CHECK(nodes_of(16, 31) == 0x2);
    CHECK(nodes_of(31, 32) == 0x12);
    CHECK(nodes_of(79, 80) == 0x3);
    CHECK(nodes_of(200, 210) == 0);
}

TEST(nodes_without_memory_or_processors_do_not_count) {
    begin();
    put("has_memory", "1,2\n"); /* node 0 has processors alone */
    put("node0/cpulist", "0-7\n");
    put("node1/cpulist", "8-15\n");
    put("node2/cpulist", "\n"); /* a bank of slow memory */
    CHECK(nodes_of(0, 15) == 0x2);
}

TEST(what_is_not_understood_is_no_node) {
    static const char *const wrong[] = {"0-", "a", "3-1\n", "0,,1\n", "0;1\n", "0-99999999999999999999\n", "-1\n"};
    begin();
    CHECK(nodes_of(0, 3) == 0); /* a kernel without such a folder */
    for (size_t i = 0; i < GLIM_COUNT(wrong); i++) {
        put("has_memory", wrong[i]);
        put("node0/cpulist", "0\n");
        CHECK_MSG(nodes_of(0, 3) == 0, "\"%s\"", wrong[i]);
    }
    put("has_memory", "0-1\n"); /* node1 is missing */
    CHECK(nodes_of(0, 3) == 0);
    put("node1/cpulist", "1-\n");
    CHECK(nodes_of(0, 3) == 0);
    put("node1/cpulist", "1\n");
    CHECK(nodes_of(0, 3) == 3);
    put("has_memory", "0-1,70\n"); /* more nodes than fit: those that do */
    CHECK(nodes_of(0, 3) == 3);
}

/* Here, whatever this machine is: the policy is the kernel's own on one node, turns on several, and a second call
 * finds that it was chosen. */
TEST(pages_go_to_the_nodes_in_turn_where_there_are_several) {
    cpu_set_t cpus;
    int before = -1, after = -1;
    CHECK(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    const int n = __builtin_popcountll(glim_numa_nodes("/sys/devices/system/node", &cpus));
    if (syscall(SYS_get_mempolicy, &before, NULL, 0, NULL, 0) != 0) {
        CHECK(glim_numa_spread() == 0);
        return;
    }
    const int used = glim_numa_spread();
    CHECK(used == 0 || (n > 1 && used == n));
    CHECK(syscall(SYS_get_mempolicy, &after, NULL, 0, NULL, 0) == 0);
    CHECK(after == (used ? 3 : before));
    CHECK(glim_numa_spread() == 0);
    begin();
    rmdir(g_dir);
}
