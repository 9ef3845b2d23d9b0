/* Pace: how many prompt rows a step may read beside those who write, learnt from steps. */
#include "engine/pace.h"
#include "test.h"

TEST(beside_writers_the_least_is_read_until_a_step_that_only_writes_was_seen) {
    glim_pace p = {0};
    CHECK(glim_pace_slice(&p, 4, 1, 512) == 8 && glim_pace_slice(&p, 0, 1, 512) == 256 && glim_pace_slice(&p, 4, 1, 7) == 7);
    glim_pace_saw(&p, 0, 512, 0.1);
    glim_pace_saw(&p, 4, 16, 0.02);
    CHECK(glim_pace_slice(&p, 4, 1, 512) == 8);
}

TEST(a_slice_takes_less_than_the_step_of_those_who_write) {
    glim_pace p = {0};
    for (int i = 0; i < 50; i++) { /* 4 ms and 1 ms a writer; a prompt's row 0.1 ms alone, 0.25 ms beside others */
        glim_pace_saw(&p, 1 + (size_t)i % 8, 0, 4e-3 + 1e-3 * (1 + i % 8));
        glim_pace_saw(&p, 0, 400, 40e-3);
        glim_pace_saw(&p, 8, 32, 12e-3 + 32 * 0.25e-3);
    }
    double step = glim_pace_step(&p, 8);
    size_t rows = glim_pace_slice(&p, 8, 0, 512);
    CHECK_MSG(step > 11.9e-3 && step < 12.1e-3, "%g s", step);
    CHECK_MSG((double)rows * 0.25e-3 <= step && (double)rows * 0.25e-3 > step / 2, "%zu rows", rows);
    /* Two write (6 ms) and six read: as long as the eight of them would notice, 1.75 steps of 12 ms less the 6 ms. */
    rows = glim_pace_slice(&p, 2, 6, 512);
    CHECK_MSG(rows >= 59 && rows <= 61, "%zu rows beside two writers while six read", rows);
    /* Alone half a second is the bound, and the cheaper row counts. */
    CHECK(glim_pace_slice(&p, 0, 1, 1 << 20) > 4900 && glim_pace_slice(&p, 0, 1, 1 << 20) < 5100);
}

/* A machine on which a step of n rows takes 4 ms and 1 ms a row, readers' or writers'. */
static double takes(size_t n) { return 4e-3 + 1e-3 * (double)n; }

TEST(where_many_begin_at_once_those_who_read_teach_what_a_step_of_all_takes) {
    glim_pace p = {0};
    size_t n_write = 0, n_read = 32, left = 0, steps = 0;
    double longest = 0;
    /* 32 prompts of 100 tokens come together; each writes when it is read, and none goes: no step only writes until all are read. */
    while (n_read > 0) {
        size_t rows = glim_pace_slice(&p, n_write, n_read, 512), all = n_read * 100 - left;
        if (rows > all) rows = all;
        double s = takes(n_write + rows);
        if (n_write > 0 && s > longest) longest = s;
        glim_pace_saw(&p, n_write, rows, s);
        for (left += rows; left >= 100 && n_read > 0; left -= 100) n_read--, n_write++;
        steps++;
    }
    CHECK_MSG(longest <= 1.85 * takes(32), "the longest step takes %g s, one of all writers %g", longest, takes(32));
    CHECK_MSG(steps < 80, "%zu steps for 3,200 rows", steps); /* in slices of 16 it would be 185 */
    CHECK(glim_pace_step(&p, 32) <= 1.02 * takes(32));
}

TEST(a_width_that_was_seen_is_not_confused_with_steps_that_read) {
    glim_pace p = {0};
    for (int i = 0; i < 20; i++) glim_pace_saw(&p, 4, 0, 8e-3);
    /* A row of a very long prompt costs 50 times as much as one that writes: that is no reason to read more of them at once. */
    for (int i = 0; i < 500; i++) glim_pace_saw(&p, 4, 16, 8e-3 + 16 * 50e-3);
    CHECK(glim_pace_step(&p, 4) < 8.1e-3 && glim_pace_slice(&p, 4, 1, 512) == 8);
}
