/* own_test.h - a desk over a made-up table of own/, and questions with what has to stand in their answers. */
#ifndef GLIM_OWN_TEST_H
#define GLIM_OWN_TEST_H

#include "shop_test.h"

static inline glim_shop *own(const char *file) {
    char path[512];
    glim_err err = {0};
    glim_shop *s;
    snprintf(path, sizeof path, "%s/tests/app/own/%s.csv", GLIM_SOURCE_DIR, file);
    snprintf(folder, sizeof folder, "/tmp/glim-test-own-XXXXXX");
    CHECK(mkdtemp(folder));
    CHECK_OK(glim_shop_init("electronics", folder, path, NULL, NULL, &err), err);
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    return s;
}

typedef struct asked {
    const char *q, *has, *has_not; /* has_not "": nothing is said of it */
} asked;

static inline void check_all(const char *file, const asked *t, size_t n) {
    glim_shop *s = own(file);
    for (size_t i = 0; i < n; i++) {
        glim_shop_answer a = ask(s, t[i].q, NULL, NULL);
        CHECK_MSG(strstr(a.text.s, t[i].has) && !(*t[i].has_not && strstr(a.text.s, t[i].has_not)), "%s: %s", t[i].q, a.text.s);
        glim_shop_answer_deinit(&a);
    }
    done(s);
}

#endif
