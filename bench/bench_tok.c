/* bench_tok.c - MB/s of the tokenizer on one thread, and how long vocabularies take to load.
 *
 *   bench_tok VOCABULARY FILE...     plain files; every file is encoded 15 times
 *
 * Prints median, p10 and p90; checks that decoding gives the file back. The floor stood beside it is one
 * pass of memcpy over the same bytes, which says how far from memory speed splitting and merging are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "text/tok.h"

enum { ROUNDS = 15 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others may share the core */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int fail(const glim_err *err) {
    fprintf(stderr, "bench_tok: %s\n", err->msg);
    return 1;
}

int main(int argc, char **argv) {
    glim_err err;
    glim_tok *t = NULL;
    double took[ROUNDS], load[3];
    if (argc < 3) {
        fprintf(stderr, "usage: bench_tok VOCABULARY FILE...\n");
        return 2;
    }
    for (int i = 0; i < 3; i++) {
        glim_tok_free(t);
        double t0 = now();
        if (glim_tok_open(&t, argv[1], &err) != GLIM_OK) return fail(&err);
        load[i] = now() - t0;
    }
    qsort(load, 3, sizeof *load, by_value);
    printf("load %.0f ms (median of 3), %zu tokens\n", 1e3 * load[1], glim_tok_n(t));
    printf("file,bytes,tokens,MB/s median,p10,p90,memcpy MB/s\n");
    for (int a = 2; a < argc; a++) {
        glim_map m;
        if (glim_map_open(&m, argv[a], &err) != GLIM_OK) return fail(&err);
        char *copy = malloc(m.size + 1);
        if (!copy) return 1;
        memcpy(copy, m.data, m.size);
        double t0 = now();
        memcpy(copy, m.data, m.size);
        double floor_s = now() - t0;
        glim_ids ids = {0};
        for (int i = 0; i < ROUNDS; i++) {
            ids.n = 0;
            t0 = now();
            if (glim_tok_encode(t, copy, m.size, 0, &ids, &err) != GLIM_OK) return fail(&err);
            took[i] = now() - t0;
        }
        glim_buf back = {0};
        glim_tok_decode(t, ids.v, ids.n, true, &back);
        bool same = back.len == m.size && memcmp(back.s, copy, m.size) == 0;
        qsort(took, ROUNDS, sizeof *took, by_value);
        double mb = (double)m.size / 1e6;
        printf("%s,%zu,%zu,%.1f,%.1f,%.1f,%.0f%s\n", argv[a], m.size, ids.n, mb / took[ROUNDS / 2],
               mb / took[ROUNDS - 2], mb / took[1], mb / floor_s, same ? "" : "  NOT THE SAME AFTER DECODING");
        glim_buf_free(&back);
        glim_ids_free(&ids);
        free(copy);
        glim_map_close(&m);
    }
    glim_tok_free(t);
    return 0;
}
