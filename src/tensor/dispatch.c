/* dispatch.c - chooses the kernel set, once, at run time.
 *
 * The order of g_sets is the order of preference. The compiler's CPU checks include what the operating
 * system saves on a context switch, so a set that passes can be called. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined __x86_64__
#include <cpuid.h>
#endif

#include "base/log.h"
#include "tensor/kernels_internal.h"

static bool can_ref(void) { return true; }

#if defined __x86_64__
/* Every CPU with AVX2 has F16C, but a hypervisor may hide it. Not all compilers' checks know the name; what the system
 * has to save for it, it saves for AVX2. */
static bool has_f16c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
static bool can_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") && has_f16c();
}
/* Zen 4 and Sapphire Rapids onwards. Older AVX-512 without BF16 runs the avx2 set: the compiler may use
 * any of these extensions anywhere in the folder, so they come as one. */
static bool can_avx512(void) {
    return can_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16") &&
           __builtin_cpu_supports("avx512vbmi");
}
#endif

static const struct {
    const glim_kernels *set;
    bool (*can)(void);
} g_sets[] = {
#if defined __x86_64__
    {&glim_kernels_avx512, can_avx512},
    {&glim_kernels_avx2, can_avx2},
#endif
    {&glim_kernels_ref, can_ref},
};

static pthread_once_t g_once = PTHREAD_ONCE_INIT;
static const glim_kernels *g_chosen;
static bool g_refused; /* GLIM_CPU named a set that cannot be used */

const glim_kernels *glim_kernels_find(const char *name) {
    for (size_t i = 0; i < GLIM_COUNT(g_sets); i++)
        if (strcmp(g_sets[i].set->name, name) == 0) return g_sets[i].can() ? g_sets[i].set : NULL;
    return NULL;
}

static void choose(void) {
    const char *name = getenv("GLIM_CPU");
    if (name && *name) {
        g_chosen = glim_kernels_find(name);
        g_refused = !g_chosen;
    }
    for (size_t i = 0; !g_chosen; i++)
        if (g_sets[i].can()) g_chosen = g_sets[i].set;
    glim_log(GLIM_INFO, "tensor", "kernels=%s", g_chosen->name);
}

const glim_kernels *glim_kernels_get(void) {
    pthread_once(&g_once, choose);
    return g_chosen;
}

glim_status glim_kernels_init(glim_err *err) {
    pthread_once(&g_once, choose);
    if (!g_refused) return GLIM_OK;
    const char *name = getenv("GLIM_CPU");
    char here[64] = "";
    bool known = false;
    for (size_t i = 0; i < GLIM_COUNT(g_sets); i++) {
        known |= name && strcmp(g_sets[i].set->name, name) == 0;
        if (!g_sets[i].can()) continue;
        const size_t len = strlen(here);
        snprintf(here + len, sizeof here - len, "%s%s", len ? ", " : "", g_sets[i].set->name);
    }
    const glim_status rc =
        known ? glim_fail(err, GLIM_E_UNSUPPORTED, "GLIM_CPU: this CPU cannot run the set \"%s\"", name)
              : glim_fail(err, GLIM_E_ARG, "GLIM_CPU: no kernel set is called \"%s\"", name ? name : "");
    glim_err_hint(err, "sets that run here: %s", here);
    return rc;
}
