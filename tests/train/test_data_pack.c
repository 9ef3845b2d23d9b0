/* Rows of several examples, and corpora as windows: nothing is lost, nothing sees its neighbour, and a position is
 * enough to go on from. */
#include "train/data_pack.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "test.h"
#include "train/data_corpus.h"

/* n examples of these lengths; token k of example i is i * 1000 + k. */
static glim_dataset *numbered(const size_t *len, size_t n) {
    glim_example *ex = glim_xcalloc(n, sizeof *ex);
    int32_t **tok = glim_xcalloc(n, sizeof *tok);
    uint8_t **loss = glim_xcalloc(n, sizeof *loss);
    for (size_t i = 0; i < n; i++) {
        tok[i] = glim_xcalloc(len[i], sizeof **tok);
        loss[i] = glim_xcalloc(len[i], 1);
        for (size_t k = 0; k < len[i]; k++) tok[i][k] = (int32_t)(i * 1000 + k), loss[i][k] = k > 0;
        ex[i] = (glim_example){tok[i], loss[i], len[i]};
    }
    glim_dataset *d;
    glim_err err = {0};
    CHECK_OK(glim_dataset_from_examples(&d, ex, n, &err), err);
    for (size_t i = 0; i < n; i++) free(tok[i]), free(loss[i]);
    free(ex);
    free(tok);
    free(loss);
    return d;
}

TEST(rows_hold_every_example_once_and_none_overflows) {
    enum { N = 500, ROW = 64 };
    size_t len[N], order[N], seen[N] = {0}, total = 0;
    glim_rng rng = {.seed = 3};
    for (size_t i = 0; i < N; i++) total += len[i] = 2 + glim_rng_below(&rng, 40);
    glim_data_shuffle(order, N, 1, 0);
    glim_dataset *d = numbered(len, N);
    glim_pack p, q;
    glim_err err = {0};
    CHECK_OK(glim_pack_plan(&p, order, len, N, ROW, 100, &err), err);
    CHECK_OK(glim_pack_plan(&q, order, len, N, ROW, 100, &err), err);
    CHECK(p.n_items == N && p.n_rows == q.n_rows && memcmp(p.item, q.item, N * sizeof *p.item) == 0);
    size_t used = 0;
    for (size_t r = 0; r < p.n_rows; r++) {
        int32_t tok[ROW], pos[ROW], seq[ROW];
        uint8_t loss[ROW];
        size_t n = glim_pack_fill(&p, r, d, tok, loss, pos, seq);
        CHECK(n == p.rows[r].n_tokens && n <= ROW);
        used += n;
        for (size_t k = 0; k < n; k++) {
            size_t item = p.item[p.rows[r].first + (size_t)seq[k]];
            CHECK(tok[k] == (int32_t)(item * 1000 + (size_t)pos[k]) && loss[k] == (pos[k] > 0));
            CHECK(k == 0 ? pos[k] == 0 : seq[k] == seq[k - 1] ? pos[k] == pos[k - 1] + 1 : pos[k] == 0 && seq[k] == seq[k - 1] + 1);
            seen[item] += pos[k] == 0;
        }
        for (size_t k = n; k < ROW; k++) CHECK(tok[k] == 0 && !loss[k] && pos[k] == 0 && seq[k] == -1);
    }
    for (size_t i = 0; i < N; i++) CHECK(seen[i] == 1);
    CHECK(used == total);
    /* Best fit leaves little: at most 5 % more rows than tokens need. */
    CHECK_MSG((double)p.n_rows <= 1.05 * (double)total / ROW + 5, "%zu rows for %zu tokens", p.n_rows, total);
    /* A window's rows stay in it: the first hundred examples are in the first rows. */
    size_t k = 0;
    for (size_t i = 0; i < 100; i++) {
        bool found = false;
        for (k = 0; k < 100 && !found; k++) found = p.item[k] == order[i];
        CHECK(found);
    }
    glim_pack_free(&p);
    glim_pack_free(&q);
    glim_dataset_free(d);
}

TEST(an_example_longer_than_a_row_is_refused_and_none_is_no_error) {
    size_t len[2] = {3, 9}, order[2] = {0, 1};
    glim_pack p;
    glim_err err = {0};
    CHECK(glim_pack_plan(&p, order, len, 2, 8, 0, &err) == GLIM_E_ARG && strstr(err.msg, "example 1 has 9 tokens"));
    CHECK_OK(glim_pack_plan(&p, order, len, 0, 8, 0, &err), err);
    CHECK(p.n_rows == 0);
    glim_pack_free(&p);
}

/* ---- streams ---- */

static char dir[64];

static const char *write_file(const char *name, const char *text) {
    static char path[4][160];
    static int next;
    if (!dir[0]) {
        snprintf(dir, sizeof dir, "/tmp/glim-corpus-XXXXXX");
        CHECK(mkdtemp(dir));
    }
    char *p = path[next++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    FILE *f = fopen(p, "wb");
    CHECK(f && fwrite(text, 1, strlen(text), f) == strlen(text));
    fclose(f);
    return p;
}

static void clean_up(const char *const *paths, size_t n) {
    for (size_t i = 0; i < n; i++) unlink(paths[i]);
    rmdir(dir);
    dir[0] = 0;
}

static glim_tok *tokenizer(void) {
    glim_tok *t = NULL;
    glim_err err = {0};
    CHECK_OK(glim_tok_open(&t, glim_test_source("tests/fixtures/qwen2/tokenizer.json"), &err), err);
    return t;
}

static char *lines(size_t n) {
    glim_buf b = {0};
    for (size_t i = 0; i < n; i++) glim_buf_printf(&b, "line %zu of the text, 第%zu行\n%s", i, i, i % 5 ? "" : "\n");
    return b.s;
}

TEST(a_stream_without_shuffle_is_the_text_in_order_with_its_ends) {
    glim_tok *tok = tokenizer();
    char *text = lines(40);
    const char *paths[2] = {write_file("a.txt", text), write_file("b.jsonl", "{\"text\":\"one\"}\n{\"text\":\"two two\"}\n")};
    glim_config config = {.n_eos = 1, .eos = {299}};
    glim_corpus_params p = {.tok = tok, .config = &config, .n_tokens = 9, .block_bytes = 100};
    int32_t eos = glim_tok_eos(tok) >= 0 ? glim_tok_eos(tok) : 299;
    glim_corpus *s;
    glim_err err = {0};
    CHECK_OK(glim_corpus_open(&s, paths, 2, &p, &err), err);
    CHECK(glim_corpus_n_blocks(s) > 8 && glim_corpus_bytes(s) > strlen(text));
    glim_ids all = {0};
    CHECK_OK(glim_tok_encode(tok, text, strlen(text), 0, &all, &err), err);
    CHECK_OK(glim_ids_push(&all, eos, &err), err);
    CHECK_OK(glim_tok_encode(tok, "one", 3, 0, &all, &err), err);
    CHECK_OK(glim_ids_push(&all, eos, &err), err);
    CHECK_OK(glim_tok_encode(tok, "two two", 7, 0, &all, &err), err);
    CHECK_OK(glim_ids_push(&all, eos, &err), err);
    size_t epoch = all.n;
    for (size_t i = 0; i < epoch; i++) CHECK_OK(glim_ids_push(&all, all.v[i], &err), err); /* and again */
    for (size_t at = 0; at + 9 <= all.n; at += 8) {
        glim_example e;
        CHECK_OK(glim_corpus_next(s, &e, &err), err);
        CHECK(e.n == 9 && !e.loss[0] && e.loss[1] && e.loss[8]);
        CHECK_MSG(memcmp(e.tokens, all.v + at, 9 * sizeof *all.v) == 0, "window at token %zu", at);
    }
    glim_corpus_free(s);
    glim_ids_free(&all);
    glim_tok_free(tok);
    free(text);
    clean_up(paths, 2);
}

TEST(a_stream_that_ends_has_every_token_once_and_its_memory_is_bounded) {
    glim_tok *tok = tokenizer();
    char *text = lines(40);
    const char *path = write_file("a.txt", text);
    glim_config config = {.n_eos = 1, .eos = {299}};
    glim_ids all = {0};
    glim_err err = {0};
    CHECK_OK(glim_tok_encode(tok, text, strlen(text), 0, &all, &err), err);
    CHECK_OK(glim_ids_push(&all, glim_tok_eos(tok) >= 0 ? glim_tok_eos(tok) : 299, &err), err);
    for (size_t n = 2; n < all.n + 3; n += n < 40 ? 1 : 97) {
        glim_corpus_params p = {.tok = tok, .config = &config, .n_tokens = n, .block_bytes = 100, .once = true};
        glim_corpus *s;
        CHECK_OK(glim_corpus_open(&s, &path, 1, &p, &err), err);
        for (int again = 0; again < 2; again++) {
            size_t at = 0; /* the next window's first token */
            glim_example e;
            do {
                CHECK_OK(glim_corpus_next(s, &e, &err), err);
                if (e.n == 0) break;
                CHECK(e.n >= 2 && e.n <= n && (e.n == n || at + e.n == all.n) && at + e.n <= all.n);
                CHECK(memcmp(e.tokens, all.v + at, e.n * sizeof *all.v) == 0);
                at += e.n - 1;
            } while (e.n);
            CHECK_MSG(at == all.n - 1, "windows of %zu: the last token is %zu, want %zu", n, at, all.n - 1);
            CHECK_OK(glim_corpus_next(s, &e, &err), err);
            CHECK(e.n == 0); /* and stays so */
            CHECK_OK(glim_corpus_seek(s, (glim_corpus_pos){0}, &err), err);
        }
        glim_corpus_free(s);
    }
    const glim_corpus_params p = {.n_tokens = 512};
    CHECK(glim_corpus_memory(&p, 0) > 9 * 512 * 4 && glim_corpus_memory(&p, 100 << 20) < 4 << 20); /* of 100 MiB of texts */
    glim_ids_free(&all);
    glim_tok_free(tok);
    free(text);
    clean_up(&path, 1);
}

TEST(blocks_that_are_kept_apart_are_in_one_of_the_two_streams) {
    glim_tok *tok = tokenizer();
    glim_buf text = {0};
    for (int i = 0; i < 300; i++) glim_buf_printf(&text, "{\"text\": \"%d\"}\n", 1000 + i);
    const char *path = write_file("a.jsonl", glim_buf_cstr(&text));
    glim_config config = {.n_eos = 1, .eos = {299}};
    glim_err err = {0};
    glim_corpus *s;
    size_t n_blocks[3], n_tokens[3] = {0};
    uint64_t bytes[3], hash[2];
    bool seen[2][300] = {{false}};
    for (int which = 0; which < 3; which++) { /* held, the others, all */
        glim_corpus_params p = {.tok = tok, .config = &config, .n_tokens = 50, .block_bytes = 200, .once = true, .held_share = which < 2 ? 0.3 : 0,
                                .held_seed = 5, .held = which == 0};
        CHECK_OK(glim_corpus_open(&s, &path, 1, &p, &err), err);
        n_blocks[which] = glim_corpus_n_blocks(s), bytes[which] = glim_corpus_bytes(s);
        if (which < 2) hash[which] = glim_corpus_hash(s);
        glim_buf got = {0};
        glim_example e;
        for (;;) {
            CHECK_OK(glim_corpus_next(s, &e, &err), err);
            if (e.n == 0) break;
            n_tokens[which] += e.n - 1;
            for (size_t i = n_tokens[which] > e.n - 1; i < e.n; i++) { /* a window's first token was the last of that before */
                size_t len;
                const char *piece = glim_tok_piece(tok, e.tokens[i], &len);
                if (e.tokens[i] == glim_corpus_eos(s)) glim_buf_puts(&got, " ");
                else glim_buf_append(&got, piece, len);
            }
        }
        if (which < 2)
            for (char *at = got.s, *end; at && *at; at = *end ? end + 1 : end) {
                const long v = strtol(at, &end, 10);
                CHECK_MSG(end > at && v >= 1000 && v < 1300, "%.20s", at);
                seen[which][v - 1000] = true;
            }
        glim_corpus_free(s);
        glim_buf_free(&got);
    }
    for (int i = 0; i < 300; i++) CHECK(seen[0][i] != seen[1][i]);
    CHECK(n_blocks[0] + n_blocks[1] == n_blocks[2] && bytes[0] + bytes[1] == bytes[2] && n_tokens[0] + n_tokens[1] + 1 == n_tokens[2]);
    CHECK(n_blocks[0] * 10 >= n_blocks[2] * 2 && n_blocks[0] * 10 <= n_blocks[2] * 4 && hash[0] != hash[1]);
    const char *one = write_file("b.jsonl", "{\"text\": \"all\"}\n");
    const glim_corpus_params p = {.tok = tok, .config = &config, .n_tokens = 50, .held_share = 0.3};
    CHECK(glim_corpus_open(&s, &one, 1, &p, &err) == GLIM_E_ARG && strstr(err.msg, "1 block of") && strstr(err.hint, "--eval-file"));
    glim_tok_free(tok);
    glim_buf_free(&text);
    clean_up((const char *[]){path, one}, 2);
}

TEST(a_shuffled_stream_goes_on_from_any_position_with_the_same_windows) {
    glim_tok *tok = tokenizer();
    char *text = lines(60);
    const char *paths[1] = {write_file("a.txt", text)};
    glim_corpus_params p = {.tok = tok, .n_tokens = 33, .block_bytes = 90, .shuffle = true, .seed = 11};
    glim_corpus *a, *b;
    glim_err err = {0};
    CHECK_OK(glim_corpus_open(&a, paths, 1, &p, &err), err);
    CHECK_OK(glim_corpus_open(&b, paths, 1, &p, &err), err);
    bool second_epoch = false;
    for (int i = 0; i < 150; i++) {
        glim_corpus_pos pos = glim_corpus_tell(a);
        glim_example x, y;
        CHECK_OK(glim_corpus_next(a, &x, &err), err);
        CHECK_OK(glim_corpus_seek(b, pos, &err), err);
        CHECK_OK(glim_corpus_next(b, &y, &err), err);
        CHECK_MSG(memcmp(x.tokens, y.tokens, 33 * sizeof *x.tokens) == 0, "window %d", i);
        second_epoch = second_epoch || pos.epoch > 0;
        glim_corpus_pos p1 = glim_corpus_tell(a), p2 = glim_corpus_tell(b);
        CHECK(p1.epoch == p2.epoch && p1.block == p2.block && p1.token == p2.token);
    }
    CHECK(second_epoch);
    CHECK(glim_corpus_seek(b, (glim_corpus_pos){0, 1 << 20, 0}, &err) == GLIM_E_ARG);
    CHECK(glim_corpus_seek(b, (glim_corpus_pos){0, 0, 1 << 20}, &err) == GLIM_E_ARG);
    glim_corpus_free(a);
    glim_corpus_free(b);
    /* Another seed, another order. */
    glim_example x, y;
    p.seed = 12;
    CHECK_OK(glim_corpus_open(&b, paths, 1, &p, &err), err);
    p.seed = 11;
    CHECK_OK(glim_corpus_open(&a, paths, 1, &p, &err), err);
    CHECK_OK(glim_corpus_next(a, &x, &err), err);
    CHECK_OK(glim_corpus_next(b, &y, &err), err);
    CHECK(memcmp(x.tokens, y.tokens, 33 * sizeof *x.tokens) != 0);
    glim_corpus_free(a);
    glim_corpus_free(b);
    glim_tok_free(tok);
    free(text);
    clean_up(paths, 1);
}

/* Any bytes have tokens: a text in another encoding would be learnt as noise. A stray byte is none of that. */
TEST(a_text_in_another_encoding_is_refused_before_the_first_window) {
    static const struct {
        const char *text;
        glim_status want;
    } cases[] = {{"\xc4\xe3\xba\xc3\xc2\xf0\n\xba\xdc\xba\xc3\n", GLIM_E_FORMAT}, {"\xff\xfe\x60\x4f\x7d\x59", GLIM_E_FORMAT}, {"caf\xe9 au lait\n", GLIM_E_FORMAT},
                 {"你好吗\n很好\n", GLIM_OK}, {"你好吗\xff\n很好\n", GLIM_OK}, {"plain\n", GLIM_OK}};
    glim_tok *tok = tokenizer();
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_err err = {0};
        glim_corpus *s;
        const char *paths[] = {write_file("a.jsonl", "{\"text\": \"before\"}\n"), write_file("b.txt", cases[i].text)};
        const glim_corpus_params p = {.tok = tok, .n_tokens = 8};
        CHECK_OK(glim_corpus_open(&s, paths, 2, &p, &err), err);
        const glim_status rc = glim_corpus_check(s, &err);
        CHECK_MSG(rc == cases[i].want && (rc == GLIM_OK || (strstr(err.msg, "b.txt\" is not UTF-8") && strstr(err.hint, "iconv"))), "case %zu: %s", i, err.msg);
        glim_corpus_free(s);
        unlink(paths[0]);
        clean_up(paths + 1, 1);
    }
    glim_tok_free(tok);
}

/* One row of two hundred is bad, wherever it stands and whatever the blocks are: its line is named before a window is taken. */
TEST(a_bad_row_of_a_corpus_is_named_by_its_line_in_any_block) {
    static const struct {
        const char *row, *why;
    } kinds[] = {{"{\"text\": 5}", "\"text\": got integer"}, {"{\"text\": \"a\"", "line 1"}, {"[1]", "\"text\": got nothing"}};
    glim_tok *tok = tokenizer();
    glim_err err = {0};
    for (size_t k = 0; k < GLIM_COUNT(kinds); k++)
        for (size_t at = 0; at <= 200; at += 50) { /* 200: none */
            glim_buf b = {0};
            char want[64];
            for (size_t i = 0; i < 200; i++) glim_buf_printf(&b, "%s%s%s", i ? "" : "\xef\xbb\xbf", i == at ? kinds[k].row : "{\"text\": \"all is well\"}", i % 7 ? "\n" : "\r\n\n");
            snprintf(want, sizeof want, "b.jsonl\" line %zu: ", at + 1 + (at + 6) / 7);
            const char *paths[] = {write_file("a.jsonl", "{\"text\": \"before\"}\n"), write_file("b.jsonl", glim_buf_cstr(&b))};
            for (int held = 0; held < 2 && at < 200; held++) { /* the line counts in the file, whichever of its blocks are looked at */
                static bool found;
                glim_corpus *s;
                const glim_corpus_params p = {.tok = tok, .n_tokens = 8, .block_bytes = 64, .held_share = 0.5, .held_seed = 1 + at, .held = held};
                CHECK_OK(glim_corpus_open(&s, paths, 2, &p, &err), err);
                const glim_status rc = glim_corpus_check(s, &err);
                CHECK(rc == GLIM_OK || (rc == GLIM_E_FORMAT && strstr(err.msg, want)));
                CHECK(held == 0 || found != (rc != GLIM_OK));
                found = rc != GLIM_OK;
                glim_corpus_free(s);
            }
            for (size_t block = 64; block <= 1 << 16; block *= 32) {
                glim_corpus *s;
                const glim_corpus_params p = {.tok = tok, .n_tokens = 8, .block_bytes = block};
                CHECK_OK(glim_corpus_open(&s, paths, 2, &p, &err), err);
                const glim_status rc = glim_corpus_check(s, &err);
                CHECK(rc == (at < 200 ? GLIM_E_FORMAT : GLIM_OK));
                CHECK_MSG(at == 200 || (strstr(err.msg, want) && strstr(err.msg, kinds[k].why)), "want %s, %s: %s", want, kinds[k].why, err.msg);
                glim_corpus_free(s);
            }
            glim_buf_free(&b);
            unlink(paths[0]);
            clean_up(paths + 1, 1);
        }
    glim_tok_free(tok);
}

TEST(empty_corpora_and_bad_rows_are_told) {
    glim_tok *tok = tokenizer();
    glim_corpus *s;
    glim_example e;
    glim_err err = {0};
    glim_corpus_params p = {.tok = tok, .n_tokens = 8};
    const char *empty[1] = {write_file("e.txt", "")};
    CHECK(glim_corpus_open(&s, empty, 1, &p, &err) == GLIM_E_ARG && !s);
    const char *bad[1] = {write_file("b.jsonl", "{\"text\":\"a\"}\n{\"txt\":1}\n")};
    CHECK_OK(glim_corpus_open(&s, bad, 1, &p, &err), err);
    CHECK(glim_corpus_next(s, &e, &err) == GLIM_E_FORMAT);
    CHECK_MSG(strstr(err.msg, "between bytes 0 and") && strstr(err.msg, "\"text\": got nothing"), "%s", err.msg);
    CHECK(glim_corpus_check(s, &err) == GLIM_E_FORMAT);
    CHECK_MSG(strstr(err.msg, "b.jsonl\" line 2: \"text\": got nothing"), "%s", err.msg);
    glim_corpus_free(s);
    const char *blank[1] = {write_file("n.jsonl", "\n\n")};
    CHECK_OK(glim_corpus_open(&s, blank, 1, &p, &err), err);
    CHECK(glim_corpus_next(s, &e, &err) == GLIM_E_ARG);
    glim_corpus_free(s);
    glim_tok_free(tok);
    unlink(empty[0]);
    unlink(blank[0]);
    clean_up(bad, 1);
}
