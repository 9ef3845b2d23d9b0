/* bench_know.c - how long retrieval, a filter and a whole question take on a large product library: bench_know [ROWS].
 *
 * Names are made of four words out of lists, so that a single character stands in a third of all rows and a pair in a tenth.
 * Prints p50, p95 and the most in milliseconds over 400 queries of each kind, one thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "know/filter.h"
#include "know/find.h"

enum { QUERIES = 400 };

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    static const char *const brand[] = {"星河", "青屿", "墨丘", "云笺", "拓野", "禾声", "栗光", "白榆"}, *const what[] = {"手机", "手表", "手机壳", "耳机", "键盘", "电视"},
                            *const kind[] = {"轻薄", "旗舰", "入门", "专业", "家用", "户外"}, *const colour[] = {"黑色", "白色", "红色", "蓝色"};
    size_t rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    glim_buf csv = {0};
    glim_rng r = {.seed = 1};
    glim_buf_puts(&csv, "sku,name,category,price,colour,stock,description\n");
    for (size_t i = 0; i < rows; i++) {
        const char *w = what[glim_rng_below(&r, 6)];
        glim_buf_printf(&csv, "SKU%06zu,%s %s %c%u %s,%s,%u,%s,%u,\"%s的%s，%s，续航%u小时\"\n", i, brand[glim_rng_below(&r, 8)], kind[glim_rng_below(&r, 6)],
                        (int)('A' + glim_rng_below(&r, 26)), (unsigned)glim_rng_below(&r, 9000), w, w, 20 + (unsigned)glim_rng_below(&r, 9000), colour[glim_rng_below(&r, 4)],
                        (unsigned)glim_rng_below(&r, 50), kind[glim_rng_below(&r, 6)], w, colour[glim_rng_below(&r, 4)], 4 + (unsigned)glim_rng_below(&r, 40));
    }
    glim_err err = {0};
    glim_lib *l;
    glim_find *f;
    double t0 = glim_now_s();
    if (glim_lib_parse(&l, "bench.csv", csv.s, csv.len, NULL, &err) != GLIM_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    double t1 = glim_now_s();
    if (glim_find_new(&f, l, &err) != GLIM_OK) return 1;
    printf("%zu rows, %.1f MB of CSV: read and guessed in %.2f s, indexed in %.2f s\n", rows, (double)csv.len / 1e6, t1 - t0, glim_now_s() - t1);
    static const char *const queries[][4] = {{"手", "机", "用", "的"}, {"手机", "家用", "红色", "耳机"}, {"sku012345", "星河 旗舰 K77 手机", "青屿户外手表", "墨丘入门键盘"},
                                             {"3000元以下的红色手机", "最便宜的耳机", "有货的白色键盘", "续航长的星河手表有哪些"}};
    static const char *const names[] = {"one character of a third of the rows", "two characters", "names and SKUs", "whole questions: conditions, then words"};
    for (size_t k = 0; k < 4; k++) {
        double v[QUERIES];
        glim_filter filter = {0};
        glim_index_hit hits[10];
        uint32_t row[10];
        size_t n = 0, all = 0, share = 0;
        for (size_t i = 0; i < QUERIES; i++) {
            const char *q = queries[k][i % 4];
            double t = glim_now_s();
            glim_status rc = glim_filter_parse(&filter, l, q, strlen(q), &err);
            if (rc == GLIM_OK && k < 3) rc = glim_find_search(f, q, strlen(q), NULL, hits, &n, &err);
            if (rc == GLIM_OK && k == 3) rc = glim_filter_rows(l, &filter, NULL, 0, row, 10, &n, &all, &err);
            if (rc == GLIM_OK && k == 3 && filter.rest.len) rc = glim_find_search(f, filter.rest.s, filter.rest.len, NULL, hits, &n, &err);
            v[i] = 1e3 * (glim_now_s() - t);
            if (rc != GLIM_OK) return 1;
        }
        if (k == 0)
            for (uint32_t i = 0; i < l->n_rows; i++) share += strstr(glim_lib_cell(l, i, 1), "手") != NULL;
        qsort(v, QUERIES, sizeof *v, by_value);
        printf("%-42s p50 %.2f ms, p95 %.2f ms, most %.2f ms", names[k], v[QUERIES / 2], v[QUERIES * 95 / 100], v[QUERIES - 1]);
        if (k == 0) printf(" (the first stands in %.0f %% of the names)", 100.0 * (double)share / (double)rows);
        putchar('\n');
        glim_filter_deinit(&filter);
    }
    static const char *const words[] = {"手机", "续航", "红色", "sku012345"}; /* what "without it" looks at: rows that have the word */
    uint8_t *has = malloc(rows ? rows : 1);
    double v[QUERIES];
    for (size_t i = 0; has && i < QUERIES; i++) {
        const double t = glim_now_s();
        if (glim_find_having(f, words[i % 4], strlen(words[i % 4]), has, &err) != GLIM_OK) return 1;
        v[i] = 1e3 * (glim_now_s() - t);
    }
    qsort(v, QUERIES, sizeof *v, by_value);
    printf("%-42s p50 %.2f ms, p95 %.2f ms, most %.2f ms\n", "rows that have a word", v[QUERIES / 2], v[QUERIES * 95 / 100], v[QUERIES - 1]);
    free(has);
    glim_find_free(f);
    glim_lib_free(l);
    glim_buf_free(&csv);
    return 0;
}
