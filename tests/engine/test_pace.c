/* Pace: how many prompt rows a step may read beside those who write, learnt from steps. */
#include "engine/pace.h"
#include "test.h"

TEST(beside_writers_the_least_is_read_until_a_step_that_only_writes_was_seen) {
    glim_pace p = {0};
    CHECK(glim_pace_slice(&p, 4, 1, 512) == 16 && glim_pace_slice(&p, 0, 1, 512) == 256 && glim_pace_slice(&p, 4, 1, 7) == 7);
    glim_pace_saw(&p, 0, 512, 0.1);
    glim_pace_saw(&p, 4, 16, 0.02);
    CHECK(glim_pace_slice(&p, 4, 1, 512) == 16);
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
    /* Two write (6 ms) and six read: as long as the eight of them would notice, 10.2 ms by the rule; two such steps less the 6 ms. */
    rows = glim_pace_slice(&p, 2, 6, 512);
    CHECK_MSG(rows >= 56 && rows <= 58, "%zu rows beside two writers while six read", rows);
    /* Alone half a second is the bound, and the cheaper row counts. */
    CHECK(glim_pace_slice(&p, 0, 1, 1 << 20) > 4900 && glim_pace_slice(&p, 0, 1, 1 << 20) < 5100);
}
