/* bench_guess.c - what prompt-lookup guessing brings and costs: tokens/s of one stream and of eight, without guesses,
 * with guesses where the pace says they win, and always.
 *
 *   bench_guess MODEL TEXT_FILE [tokens]
 *
 * Three kinds of work over pieces of the text: "copy" asks for the prompt again (the text stands twice in it, cut in
 * the middle of the second time), greedy; "go on" continues the text, greedy; "random" continues it at temperature 1,
 * where guesses are seldom right. Texts are compared: they must be the same in all three. The
 * variants take turns, and the median of the rounds is shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "engine/sched.h"

enum { ROUNDS = 5, PIECE = 160, STREAMS = 8 };

typedef struct outcome {
    double seconds;
    size_t n_tokens, n_draft, n_ok;
    glim_ids ids[STREAMS];
} outcome;

static void die(const char *what, const glim_err *err) {
    fprintf(stderr, "bench_guess: %s%s%s\n", what, err ? ": " : "", err ? err->msg : "");
    exit(1);
}

static void run(outcome *o, glim_engine *e, const int32_t *text, size_t n_text, int kind, size_t n_streams, size_t n_tokens,
                const glim_sched_params *p) {
    glim_err err;
    glim_sched *d;
    *o = (outcome){0};
    if (glim_sched_open(&d, e, p, &err) != GLIM_OK) die("scheduler", &err);
    glim_outbox *box = glim_outbox_new(NULL, NULL);
    glim_stream *s[STREAMS];
    for (size_t i = 0; i < n_streams; i++) {
        int32_t ids[2 * PIECE];
        const int32_t *from = text + i * 3 * PIECE % (n_text - PIECE);
        size_t n = PIECE;
        memcpy(ids, from, PIECE * sizeof *ids);
        if (kind == 0) memcpy(ids + PIECE, from, PIECE / 4 * sizeof *ids), n += PIECE / 4;
        glim_request q = {.prompt = ids, .n_prompt = n, .max_tokens = n_tokens, .ignore_stop_ids = true, .no_prefix = true,
                          .sample = {.temperature = kind == 2 ? 1 : 0, .top_p = 1, .seed = i + 1}, .outbox = box, .user = &o->ids[i]};
        if (glim_sched_submit(d, &q, &s[i], &err) != GLIM_OK) die("submit", &err);
    }
    double t0 = 0; /* from the first token of the last stream: reading prompts is not measured */
    size_t n_began = 0, n_ended = 0, before = 0;
    while (n_ended < n_streams) {
        glim_sched_step(d);
        for (glim_stream *t; (t = glim_outbox_next(box));)
            for (glim_event ev; glim_stream_next(t, &ev);) {
                if (ev.kind == GLIM_EV_TOKEN) {
                    n_began += ev.pos == 0;
                    o->n_tokens++;
                    if (glim_ids_push(glim_stream_user(t), ev.id, &err) != GLIM_OK) die("memory", &err);
                }
                if (ev.kind != GLIM_EV_END) continue;
                n_ended++;
                o->n_draft += ev.usage.n_draft;
                o->n_ok += ev.usage.n_draft_ok;
            }
        if (n_began == n_streams && t0 == 0) t0 = glim_now_s(), before = o->n_tokens;
    }
    o->seconds = glim_now_s() - t0;
    o->n_tokens -= before;
    for (size_t i = 0; i < n_streams; i++) glim_stream_close(s[i]);
    glim_sched_close(d);
    glim_outbox_free(box);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: bench_guess MODEL TEXT_FILE [tokens]\n");
        return 2;
    }
    glim_err err;
    glim_engine *e;
    glim_buf text = {0};
    glim_ids ids = {0};
    size_t n_tokens = argc > 3 ? strtoul(argv[3], NULL, 10) : 96;
    if (n_tokens < 8 || n_tokens > 1000) die("tokens: want 8 to 1000", NULL);
    if (glim_engine_open(&e, argv[1], &(glim_engine_params){.model = {.n_ctx = 4096, .n_logits = 64}}, &err) != GLIM_OK) die(argv[1], &err);
    if (glim_file_read(&text, argv[2], 1 << 20, &err) != GLIM_OK) die(argv[2], &err);
    if (glim_tok_encode(e->tok, text.s, text.len, 0, &ids, &err) != GLIM_OK) die("encode", &err);
    if (ids.n < 4 * STREAMS * PIECE) die("the text is too short", NULL);
    static const char *const kinds[] = {"copy", "go on", "random"};
    const glim_sched_params how[] = {{.max_draft = -1}, {.max_draft = 0}, {.max_draft = 8, .always_draft = true}};
    printf("work,streams,none t/s,by pace t/s,always t/s,by pace / none,always / none,guesses by pace (right),always (right)\n");
    for (int kind = 0; kind < 3; kind++)
        for (size_t n = 1; n <= STREAMS; n *= STREAMS) {
            double rate[3][ROUNDS], ratio[2][ROUNDS];
            outcome o[3];
            for (int round = -1; round < ROUNDS; round++) { /* the first only warms up */
                for (int k = 0; k < 3; k++) {
                    run(&o[k], e, ids.v, ids.n, kind, n, n_tokens, &how[k]);
                    if (round >= 0) rate[k][round] = (double)o[k].n_tokens / o[k].seconds;
                }
                for (int k = 1; k < 3; k++) {
                    if (round >= 0) ratio[k - 1][round] = rate[k][round] / rate[0][round];
                    for (size_t i = 0; i < n; i++)
                        if (o[k].ids[i].n != o[0].ids[i].n || memcmp(o[k].ids[i].v, o[0].ids[i].v, o[0].ids[i].n * sizeof(int32_t)) != 0)
                            die("guessing changed a text", NULL);
                }
                for (int k = 0; k < 3; k++)
                    for (size_t i = 0; i < n; i++) glim_ids_free(&o[k].ids[i]);
            }
            for (int k = 0; k < 3; k++) qsort(rate[k], ROUNDS, sizeof rate[k][0], by_value);
            for (int k = 0; k < 2; k++) qsort(ratio[k], ROUNDS, sizeof ratio[k][0], by_value);
            printf("%s,%zu,%.1f,%.1f,%.1f,%.2f,%.2f,%zu (%zu),%zu (%zu)\n", kinds[kind], n, rate[0][ROUNDS / 2], rate[1][ROUNDS / 2],
                   rate[2][ROUNDS / 2], ratio[0][ROUNDS / 2], ratio[1][ROUNDS / 2], o[1].n_draft, o[1].n_ok, o[2].n_draft, o[2].n_ok);
            fflush(stdout);
        }
    glim_ids_free(&ids);
    glim_buf_free(&text);
    glim_engine_free(e);
    return 0;
}
