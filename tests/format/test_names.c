/* The index of names against a plain search. */
#include "files.h"

#include "format/names.h"

TEST(every_name_is_found_and_no_other) {
    enum { N = 5000 };
    static char names[N][12];
    glim_err err = {0};
    glim_names x;
    CHECK_OK(glim_names_init(&x, N, "a test", &err), err);
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i * 7919);
        CHECK(glim_names_add(&x, names[i], strlen(names[i]), i, NULL));
    }
    size_t id;
    for (size_t i = 0; i < N; i++) {
        CHECK(glim_names_find(&x, names[i], strlen(names[i]), &id) && id == i);
        size_t old = SIZE_MAX;
        CHECK(!glim_names_add(&x, names[i], strlen(names[i]), 99, &old) && old == i);
    }
    CHECK(!glim_names_find(&x, "n1", 2, &id));
    CHECK(!glim_names_find(&x, "n79191", 6, &id));
    CHECK(glim_names_find(&x, "n79190", 6, &id) && id == 10);
    CHECK(!glim_names_find(&x, "", 0, &id));
    glim_names_deinit(&x);
    CHECK(!glim_names_find(&x, "n0", 2, &id)); /* an empty index holds nothing */
    CHECK_OK(glim_names_init(&x, 0, "a test", &err), err);
    CHECK(!glim_names_find(&x, "n0", 2, &id));
    glim_names_deinit(&x);
}
