/* bench_constrain.c - time per token of constrained decoding on a real vocabulary, masks built included.
 *
 *   bench_constrain VOCABULARY [SCHEMAS.jsonl...]
 *
 * 300 generated schemas (GLIM_BENCH_SEED: others), each new to the process, and those of the files ({"schema": ...}
 * a line). Every schema is
 * compiled, then one random answer is written by mask: a step is the mask of the next token and the move over the
 * token chosen. Prints percentiles of a step over all schemas, the compilations, and what it keeps in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "test_constrain_gen.h"
#include "text/chat.h"

enum { N_GENERATED = 300, PATIENCE = 400, MOST = 3000 };

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others may share the core */
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

typedef struct list {
    double *v;
    size_t n, cap;
} list;

static void put(list *l, double x) {
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 4096;
        l->v = realloc(l->v, l->cap * sizeof *l->v);
        if (!l->v) exit(1);
    }
    l->v[l->n++] = x;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void show(const char *what, list *l) {
    if (!l->n) return;
    qsort(l->v, l->n, sizeof *l->v, by_value);
    double sum = 0;
    for (size_t i = 0; i < l->n; i++) sum += l->v[i];
    printf("%s: n %zu, mean %.1f, p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, worst %.1f us\n", what, l->n, sum / (double)l->n,
           l->v[l->n / 2], l->v[l->n * 9 / 10], l->v[l->n * 99 / 100], l->v[l->n * 999 / 1000], l->v[l->n - 1]);
}

typedef struct bench {
    glim_tok *tok;
    glim_constraint_vocab *v;
    int32_t stops[8], byte_token[256];
    size_t n_stops, refused, unfinished;
    list mask, step, compile;
    size_t most_bytes;
    double worst;
} bench;

static void one(bench *b, const json_t *schema, const char *name, uint64_t seed) {
    glim_err err;
    glim_constraint *c = NULL;
    glim_constraint_state *s = NULL;
    double t0 = now_us();
    if (glim_constraint_compile(&c, b->v, &(glim_constraint_spec){.schema = schema}, &err) != GLIM_OK) {
        b->refused++;
        if (getenv("GLIM_BENCH_SHOW")) printf("%s: %s\n", name, err.msg);
        return;
    }
    put(&b->compile, now_us() - t0);
    if (glim_constraint_state_new(&s, c, &err) != GLIM_OK) exit(1);
    size_t n_words = glim_constraint_vocab_words(b->v);
    uint32_t *bits = calloc(n_words, sizeof *bits);
    gen g = {.rng = seed};
    bool done = false;
    for (size_t i = 0; i < MOST && !done; i++) {
        size_t n;
        t0 = now_us();
        glim_status rc = glim_constraint_mask(s, bits, &n, &err);
        double t1 = now_us();
        if (rc != GLIM_OK) {
            fprintf(stderr, "bench_constrain: %s: %s\n", name, err.msg);
            exit(1);
        }
        int32_t id = gen_choose(&g, bits, n_words, n, i, PATIENCE, b->byte_token, b->stops, b->n_stops);
        double t2 = now_us();
        rc = glim_constraint_accept(s, id, &err);
        double t3 = now_us();
        if (rc != GLIM_OK) {
            fprintf(stderr, "bench_constrain: %s: %s\n", name, err.msg);
            exit(1);
        }
        put(&b->mask, t1 - t0);
        put(&b->step, t1 - t0 + t3 - t2);
        if (t1 - t0 > b->worst) {
            b->worst = t1 - t0;
            if (getenv("GLIM_BENCH_SHOW")) {
                char *text = json_dumps(schema, JSON_COMPACT);
                printf("%.0f us: %s step %zu: %.300s\n", b->worst, name, i, text);
                free(text);
            }
        }
        for (size_t k = 0; k < b->n_stops; k++) done |= id == b->stops[k];
    }
    b->unfinished += !done;
    if (!done && getenv("GLIM_BENCH_SHOW")) printf("%s: cut\n", name);
    size_t bytes = glim_constraint_bytes(c);
    if (bytes > b->most_bytes) b->most_bytes = bytes;
    free(bits);
    glim_constraint_state_free(s);
    glim_constraint_free(c);
}

int main(int argc, char **argv) {
    bench b = {0};
    glim_err err;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_constrain VOCABULARY [SCHEMAS.jsonl...]\n");
        return 2;
    }
    if (glim_tok_open(&b.tok, argv[1], &err) != GLIM_OK) {
        fprintf(stderr, "bench_constrain: %s\n", err.msg);
        return 1;
    }
    b.n_stops = GLIM_COUNT(b.stops);
    glim_chat_stops(GLIM_CHAT_GLM4_0414, NULL, b.tok, b.stops, &b.n_stops);
    gen_byte_tokens(b.byte_token, b.tok);
    double t0 = now_us();
    if (glim_constraint_vocab_new(&b.v, b.tok, b.stops, b.n_stops, 0, &err) != GLIM_OK) {
        fprintf(stderr, "bench_constrain: %s\n", err.msg);
        return 1;
    }
    printf("vocabulary: %zu tokens, prepared in %.0f ms, once\n", glim_tok_n(b.tok), (now_us() - t0) / 1e3);
    size_t n_files = 0;
    for (int a = 2; a < argc; a++) {
        glim_buf text = {0};
        if (glim_file_read(&text, argv[a], 16 << 20, &err) != GLIM_OK) {
            fprintf(stderr, "bench_constrain: %s\n", err.msg);
            return 1;
        }
        for (char *line = strtok(text.s, "\n"); line; line = strtok(NULL, "\n")) {
            json_t *row;
            if (glim_json_parse(&row, line, strlen(line), 0, &err) != GLIM_OK) continue;
            one(&b, json_object_get(row, "schema"), json_string_value(json_object_get(row, "name")), ++n_files);
            json_decref(row);
        }
        glim_buf_free(&text);
    }
    uint64_t from = getenv("GLIM_BENCH_SEED") ? strtoull(getenv("GLIM_BENCH_SEED"), NULL, 10) : 1;
    for (uint64_t seed = from; seed < from + N_GENERATED; seed++) {
        char name[32];
        snprintf(name, sizeof name, "seed %llu", (unsigned long long)seed);
        json_t *schema = gen_document(seed, false);
        one(&b, schema, name, seed);
        json_decref(schema);
    }
    printf("schemas: %zu compiled, %zu refused, %zu answers cut at %d tokens\n", b.compile.n, b.refused, b.unfinished, MOST);
    show("compile", &b.compile);
    show("mask", &b.mask);
    show("step (mask and accept)", &b.step);
    printf("largest grammar with its states and masks: %.1f MB\n", (double)b.most_bytes / 1e6);
    free(b.mask.v);
    free(b.step.v);
    free(b.compile.v);
    glim_constraint_vocab_free(b.v);
    glim_tok_free(b.tok);
    return 0;
}
