/* test.h - a tiny test header of our own, because what we compare is tensors.
 *
 *   TEST(a_sentence_that_says_what_holds) { CHECK(x == 1); CHECK_CLOSE(got, want, n, 1e-6, 0); }
 *
 * Every TEST in a program runs; a failed CHECK prints where and goes on with the next test. SKIP("what
 * is missing") leaves a test without passing or failing it. The last line is
 * "N passed, N failed, N skipped"; the exit status is 1 if any failed, 77 if all were skipped. */
#ifndef GLIM_TEST_H
#define GLIM_TEST_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct glim_test_case {
    const char *name;
    void (*fn)(void);
    struct glim_test_case *next;
} glim_test_case;

void glim_test_register(glim_test_case *t);
_Noreturn void glim_test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void glim_test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* |got - want| <= abs + rel * |want| elementwise; never passes NaN; reports the worst element. */
void glim_test_close(const char *file, int line, const char *what, const float *got, const float *want,
                     size_t n, double abs_tol, double rel_tol);
/* Path of shared test data: ${GLIM_DATA:-../shared/data}/<name>, NULL if it is not there. The pointer
 * is valid until the next call. */
const char *glim_test_data(const char *name);
/* Path of a file in the source tree. Valid until the next call but seven. */
const char *glim_test_source(const char *name);

#define TEST(test_name)                                                                        \
    static void test_##test_name(void);                                                        \
    static glim_test_case case_##test_name = {#test_name, test_##test_name, NULL};             \
    __attribute__((constructor)) static void register_##test_name(void) {                      \
        glim_test_register(&case_##test_name);                                                 \
    }                                                                                          \
    static void test_##test_name(void)

#define CHECK(cond) ((cond) ? (void)0 : glim_test_fail(__FILE__, __LINE__, "%s", #cond))
#define CHECK_MSG(cond, ...) ((cond) ? (void)0 : glim_test_fail(__FILE__, __LINE__, __VA_ARGS__))
#define CHECK_OK(call, err) \
    ((call) == 0 ? (void)0 : glim_test_fail(__FILE__, __LINE__, "%s: %s", #call, (err).msg))
#define CHECK_STR(got, want)                                                                  \
    (strcmp((got), (want)) == 0 ? (void)0                                                     \
                                : glim_test_fail(__FILE__, __LINE__, "got \"%s\", want \"%s\"", (got), (want)))
#define CHECK_CLOSE(got, want, n, abs_tol, rel_tol) \
    glim_test_close(__FILE__, __LINE__, #got, (got), (want), (n), (abs_tol), (rel_tol))
#define SKIP(...) glim_test_skip(__VA_ARGS__)

#endif
