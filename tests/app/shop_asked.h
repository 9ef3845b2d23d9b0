/* shop_asked.h - tables of questions that the tests of the service desk ask. */
#ifndef GLIM_SHOP_ASKED_H
#define GLIM_SHOP_ASKED_H

#include "shop_test.h"

/* Questions of one desk after another; {desk, question, row in view or NULL, what the answer has, what it has not}. */
typedef struct asked {
    const char *desk, *q, *row, *has, *has_not;
} asked;

static inline void check_each(const asked *t, size_t n, bool answered) {
    glim_shop *s = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!i || strcmp(t[i].desk, t[i - 1].desk) != 0) {
            if (i) done(s);
            s = desk(t[i].desk);
        }
        glim_shop_answer a = ask(s, t[i].q, t[i].row, NULL);
        CHECK_MSG((!answered || a.status == GLIM_SHOP_ANSWERED) && strstr(a.text.s, t[i].has) && !strstr(a.text.s, t[i].has_not), "%s: %s", t[i].q, a.text.s);
        glim_shop_answer_deinit(&a);
    }
    if (n) done(s);
}

/* Whatever the answer is: a refusal too. */
static inline void check_all(const asked *t, size_t n) { check_each(t, n, false); }
/* None is refused or handed over. */
static inline void check_answered(const asked *t, size_t n) { check_each(t, n, true); }

#endif
