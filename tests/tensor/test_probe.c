/* test_probe.c - the probes give numbers that can be divided by. How large they are is the machine's. */
#include <math.h>

#include "tensor/probe.h"
#include "test.h"

TEST(every_instruction_has_a_name_and_a_positive_peak_or_none) {
    glim_pool *pool = glim_pool_new(2);
    glim_probe p = {.pool = pool};
    for (int i = 0; i < GLIM_N_INSTR; i++) {
        const double gops = glim_probe_peak(&p, (glim_instr)i);
        CHECK(glim_instr_name((glim_instr)i)[0] != '?');
        CHECK(isfinite(gops));
        CHECK(glim_instr_here((glim_instr)i) ? gops > 0 : gops == 0);
    }
    CHECK(glim_instr_here(GLIM_INSTR_F32));
    CHECK(glim_probe_peak(&p, GLIM_N_INSTR) == 0);
    glim_pool_free(pool);
}

TEST(reading_is_timed_over_own_and_foreign_bytes) {
    glim_pool *pool = glim_pool_new(2);
    glim_probe p;
    glim_err err = {0};
    CHECK(glim_probe_init(&p, pool, 5000000, &err) == GLIM_OK); /* cut to whole pieces */
    CHECK(p.n_bytes > 0 && p.n_bytes <= 5000000);
    double own = glim_probe_read(&p, NULL, 0);
    CHECK(isfinite(own) && own > 0);
    double foreign = glim_probe_read(&p, p.bytes + 1, 100000); /* unaligned, and not a whole number of lines */
    CHECK(isfinite(foreign) && foreign > 0);
    glim_probe_deinit(&p);
    glim_probe_deinit(&p);
    glim_pool_free(pool);
}

TEST(a_set_is_held_against_an_instruction_that_is_here) {
    static const char *const sets[] = {"ref", "avx2", "avx512", "unheard-of"};
    static const unsigned forms[] = {GLIM_ACT_F32, GLIM_ACT_BF16, GLIM_ACT_Q8};
    for (size_t s = 0; s < GLIM_COUNT(sets); s++)
        for (size_t f = 0; f < GLIM_COUNT(forms); f++) CHECK(glim_instr_here(glim_instr_for(sets[s], forms[f])));
    if (glim_instr_here(GLIM_INSTR_I8_256)) CHECK(glim_instr_for("avx2", GLIM_ACT_Q8) == GLIM_INSTR_I8_256);
}
