/* test_dispatch.c - GLIM_CPU: a program of its own, because the choice is made once per process. */
#include <sys/wait.h>
#include <unistd.h>

#include "tensor_test.h"

/* Runs the choice in a child with GLIM_CPU=name; returns the status of init, and checks the set in
 * use. */
static int init_in_child(const char *name, const char *want_set) {
    const pid_t pid = fork();
    if (pid == 0) {
        glim_err err = {0};
        setenv("GLIM_CPU", name, 1);
        const glim_status rc = glim_kernels_init(&err);
        const bool ok = rc == GLIM_OK ? strcmp(glim_kernels_get()->name, want_set) == 0
                                      : strstr(err.msg, name) && strstr(err.hint, "ref");
        _exit(ok ? (int)rc : 99);
    }
    int status = 0;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

TEST(GLIM_CPU_names_the_set) {
    for (size_t i = 0; i < GLIM_COUNT(g_set_names); i++) {
        const char *name = g_set_names[i];
        const int rc = init_in_child(name, name);
        if (glim_kernels_find(name)) CHECK(rc == GLIM_OK);
        else
            CHECK(rc == GLIM_E_UNSUPPORTED ||
                  rc == GLIM_E_ARG); /* not on this CPU, or not in this build */
    }
}

TEST(an_unknown_GLIM_CPU_is_an_error_that_names_the_sets) {
    CHECK(init_in_child("neon9", "") == GLIM_E_ARG);
}

TEST(an_empty_GLIM_CPU_is_none) {
    CHECK(init_in_child("", glim_kernels_find("avx512") ? "avx512"
                            : glim_kernels_find("avx2") ? "avx2"
                                                        : "ref") == GLIM_OK);
}

#if defined __x86_64__
TEST(a_set_is_offered_where_the_system_names_all_that_its_folder_is_compiled_for) {
    static const char *const avx2[] = {" avx2 ", " fma ", " bmi2 ", " f16c "};
    char line[8192];
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f) SKIP("no /proc/cpuinfo here");
    while (fgets(line, sizeof line, f) && strncmp(line, "flags", 5) != 0) {}
    fclose(f);
    if (strncmp(line, "flags", 5) != 0) SKIP("no flags in /proc/cpuinfo");
    line[strcspn(line, "\n")] = ' ';
    bool all = true;
    for (size_t i = 0; i < GLIM_COUNT(avx2); i++) all &= strstr(line, avx2[i]) != NULL;
    CHECK((glim_kernels_find("avx2") != NULL) == all);
}
#endif
