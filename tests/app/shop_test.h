/* shop_test.h - what the tests of the service desk share: a desk of a template in a folder of its own, a question, its end. */
#ifndef GLIM_SHOP_TEST_H
#define GLIM_SHOP_TEST_H

#include <stdlib.h>
#include <unistd.h>

#include "app/shop.h"
#include "app/shop_internal.h"
#include "base/file.h"
#include "test.h"

static char folder[64];

static inline glim_shop *desk(const char *template_name) {
    glim_err err = {0};
    glim_shop *s;
    snprintf(folder, sizeof folder, "/tmp/glim-test-desk-XXXXXX");
    CHECK(mkdtemp(folder));
    CHECK_OK(glim_shop_init(template_name, folder, NULL, NULL, NULL, &err), err);
    CHECK_OK(glim_shop_open(&s, folder, &err), err);
    return s;
}

static inline void done(glim_shop *s) {
    char cmd[128];
    glim_shop_close(s);
    snprintf(cmd, sizeof cmd, "rm -r '%s'", folder);
    CHECK(system(cmd) == 0);
}

static inline glim_shop_answer ask(glim_shop *s, const char *q, const char *row, const glim_shop_model *m) {
    glim_err err = {0};
    glim_shop_answer a;
    glim_shop_question question = {.text = q, .n = strlen(q), .row = row, .model = m};
    CHECK_OK(glim_shop_ask(s, &question, &a, &err), err);
    return a;
}

/* A restaurant's folder with this library in it. */
static inline glim_status init_with(const char *csv, const char *encoding, const char **found, glim_err *err) {
    char file[96];
    snprintf(folder, sizeof folder, "/tmp/glim-test-desk-XXXXXX");
    CHECK(mkdtemp(folder));
    snprintf(file, sizeof file, "%s.csv", folder);
    CHECK_OK(glim_file_write_atomic(file, csv, strlen(csv), err), *err);
    const glim_status rc = glim_shop_init("restaurant", folder, file, encoding, found, err);
    CHECK(unlink(file) == 0);
    return rc;
}

#define CHECK_HAS(text, part) CHECK_MSG(strstr((text), (part)), "got \"%s\", want \"%s\" in it", (text), (part))

#endif
