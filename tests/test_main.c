/* test_main.c - runs the registered tests of one program; see test.h. `prog WORD` runs the tests whose
 * names contain WORD. With GLIM_TIMES in the environment each is followed by its processor time, threads together. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

static glim_test_case *g_first, **g_last = &g_first;
static jmp_buf g_out;

void glim_test_register(glim_test_case *t) {
    *g_last = t;
    g_last = &t->next;
}

void glim_test_fail(const char *file, int line, const char *fmt, ...) {
    const char *slash = strrchr(file, '/');
    printf("    %s:%d: ", slash ? slash + 1 : file, line);
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    longjmp(g_out, 1);
}

void glim_test_skip(const char *fmt, ...) {
    printf("    skipped: ");
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    longjmp(g_out, 2);
}

void glim_test_close(const char *file, int line, const char *what, const float *got, const float *want,
                     size_t n, double abs_tol, double rel_tol) {
    size_t worst = 0, bad = 0;
    double worst_excess = -1;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        double excess = d - (abs_tol + rel_tol * fabs((double)want[i]));
        if (got[i] == want[i]) excess = -1; /* equal infinities */
        if (!(excess <= 0)) bad++;          /* NaN lands here */
        if (isnan(excess)) excess = INFINITY;
        if (excess > worst_excess) worst_excess = excess, worst = i;
    }
    if (bad)
        glim_test_fail(file, line, "%s: %zu of %zu elements are off; worst [%zu]: got %.9g, want %.9g", what,
                       bad, n, worst, (double)got[worst], (double)want[worst]);
}

const char *glim_test_data(const char *name) {
    static char path[4096];
    const char *root = getenv("GLIM_DATA");
    if (root) snprintf(path, sizeof path, "%s/%s", root, name);
    else snprintf(path, sizeof path, "%s/../shared/data/%s", GLIM_SOURCE_DIR, name);
    return access(path, R_OK) == 0 ? path : NULL;
}

const char *glim_test_source(const char *name) {
    static char paths[8][4096];
    static int turn;
    char *p = paths[turn++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", GLIM_SOURCE_DIR, name);
    return p;
}

int main(int argc, char **argv) {
    static int passed, failed, skipped; /* static: they live across longjmp */
    setvbuf(stdout, NULL, _IOLBF, 0);
    static glim_test_case *t;
    for (t = g_first; t; t = t->next) {
        if (argc > 1 && !strstr(t->name, argv[1])) continue;
        printf("  %s\n", t->name);
        static clock_t began;
        began = clock();
        int rc = setjmp(g_out);
        if (rc == 0) {
            t->fn();
            passed++;
        } else if (rc == 1) {
            printf("  FAILED %s\n", t->name);
            failed++;
        } else {
            skipped++;
        }
        if (getenv("GLIM_TIMES")) printf("  %6.2f s  %s\n", (double)(clock() - began) / CLOCKS_PER_SEC, t->name);
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    if (failed) return 1;
    return passed == 0 && skipped > 0 ? 77 : 0;
}
