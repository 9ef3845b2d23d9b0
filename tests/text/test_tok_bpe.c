/* Merging against the definition: repeat { find the pair of least rank, leftmost; merge it }. */
#include <stdlib.h>

#include "test.h"
#include "text/bpe.h"
#include "text/tok_internal.h"

static uint32_t g_seed;
static uint32_t next_random(void) { return g_seed = g_seed * 1664525u + 1013904223u, g_seed >> 8; }

enum { MAX_IDS = 512 };

/* A vocabulary of 256 bytes and random merges, with its list of merges for the naive way. */
typedef struct world {
    glim_bpe b;
    uint32_t left[MAX_IDS], right[MAX_IDS], merged[MAX_IDS];
    size_t n_merges, n_ids;
} world;

static void world_make(world *w, int n_letters) {
    glim_err err;
    memset(w, 0, sizeof *w);
    CHECK_OK(glim_bpe_init(&w->b, MAX_IDS, &err), err);
    char text[MAX_IDS][64];
    size_t len[MAX_IDS];
    for (int c = 0; c < 256; c++) {
        char s = (char)c;
        text[c][0] = s, len[c] = 1;
        CHECK_OK(glim_bpe_add(&w->b, (uint32_t)c, &s, 1, true, &err), err);
    }
    w->n_ids = 256;
    for (int tries = 0; w->n_ids < MAX_IDS - 2 && tries < 2000; tries++) {
        uint32_t pick[2];
        for (int k = 0; k < 2; k++) {
            uint32_t r = next_random() % (uint32_t)(n_letters + (int)w->n_ids - 256);
            pick[k] = r < (uint32_t)n_letters ? 'a' + r : 256 + r - (uint32_t)n_letters;
        }
        size_t n = len[pick[0]] + len[pick[1]];
        if (n > 20) continue;
        char s[64];
        memcpy(s, text[pick[0]], len[pick[0]]);
        memcpy(s + len[pick[0]], text[pick[1]], len[pick[1]]);
        uint32_t id = MAX_IDS;
        for (uint32_t i = 256; i < w->n_ids; i++)
            if (len[i] == n && memcmp(text[i], s, n) == 0) id = i;
        bool repeated = false;
        for (size_t i = 0; i < w->n_merges; i++)
            repeated = repeated || (w->left[i] == pick[0] && w->right[i] == pick[1]);
        if (repeated || w->n_merges == MAX_IDS) continue;
        if (id == MAX_IDS) {
            id = (uint32_t)w->n_ids++;
            memcpy(text[id], s, n);
            len[id] = n;
            CHECK_OK(glim_bpe_add(&w->b, id, s, n, true, &err), err);
        }
        w->left[w->n_merges] = pick[0], w->right[w->n_merges] = pick[1];
        w->merged[w->n_merges++] = id;
    }
    CHECK_OK(glim_bpe_index(&w->b, false, &err), err);
}

static void world_list(world *w) {
    glim_err err;
    CHECK_OK(glim_bpe_merges_begin(&w->b, w->n_merges, &err), err);
    for (size_t i = 0; i < w->n_merges; i++)
        glim_bpe_merge_add(&w->b, w->left[i], w->right[i], w->merged[i], (uint32_t)i);
    CHECK_OK(glim_bpe_merges_end(&w->b, &err), err);
}

static size_t naive(const world *w, const char *s, size_t n, uint32_t *id) {
    for (size_t i = 0; i < n; i++) id[i] = (unsigned char)s[i];
    for (;;) {
        size_t best = SIZE_MAX, at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t m = 0; m < w->n_merges && m < best; m++)
                if (w->left[m] == id[i] && w->right[m] == id[i + 1]) best = m, at = i;
        if (best == SIZE_MAX) return n;
        id[at] = w->merged[best];
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        n--;
    }
}

TEST(scan_and_heap_merge_as_the_definition_says) {
    for (uint32_t round = 0; round < 30; round++) {
        g_seed = round * 77 + 1;
        static world w;
        int letters = 1 + (int)(round % 4);
        world_make(&w, letters);
        world_list(&w);
        for (size_t len = 1; len <= 150; len++) {
            char s[160];
            uint32_t want[160];
            for (size_t i = 0; i < len; i++) s[i] = (char)('a' + next_random() % (uint32_t)letters);
            size_t n = naive(&w, s, len, want);
            glim_ids got = {0};
            glim_err err;
            CHECK_OK(glim_bpe_encode(&w.b, s, len, &got, &err), err);
            bool same = got.n == n;
            for (size_t i = 0; i < n && same; i++) same = (uint32_t)got.v[i] == want[i];
            glim_ids_free(&got);
            CHECK_MSG(same, "round %u, %zu bytes: \"%.*s\"", round, len, (int)len, s);
        }
        glim_bpe_deinit(&w.b);
    }
}

/* tiktoken's definition: least rank of the joined text among tokens, leftmost; the rank is the id. */
TEST(merges_from_ids_merge_as_tiktoken_does) {
    for (uint32_t round = 0; round < 20; round++) {
        g_seed = round * 991 + 5;
        static world w;
        world_make(&w, 2);
        glim_err err;
        CHECK_OK(glim_bpe_merges_from_ids(&w.b, &err), err);
        w.b.whole_first = true;
        for (size_t len = 1; len <= 130; len++) {
            char s[140];
            size_t cut[141], n = len;
            for (size_t i = 0; i < len; i++) s[i] = (char)('a' + next_random() % 2);
            for (size_t i = 0; i <= len; i++) cut[i] = i;
            uint32_t whole = glim_bpe_find(&w.b, s, len);
            while (whole == GLIM_BPE_NONE) {
                uint32_t best = GLIM_BPE_NONE;
                size_t at = 0;
                for (size_t i = 0; i + 1 < n; i++) {
                    uint32_t r = glim_bpe_find(&w.b, s + cut[i], cut[i + 2] - cut[i]);
                    if (r < best) best = r, at = i;
                }
                if (best == GLIM_BPE_NONE) break;
                memmove(cut + at + 1, cut + at + 2, (n - at - 1) * sizeof *cut);
                n--;
            }
            if (whole != GLIM_BPE_NONE) n = 1, cut[1] = len;
            glim_ids got = {0};
            CHECK_OK(glim_bpe_encode(&w.b, s, len, &got, &err), err);
            bool same = got.n == n;
            for (size_t i = 0; i < n && same; i++)
                same = (uint32_t)got.v[i] == glim_bpe_find(&w.b, s + cut[i], cut[i + 1] - cut[i]);
            glim_ids_free(&got);
            CHECK_MSG(same, "round %u, %zu bytes: \"%.*s\"", round, len, (int)len, s);
        }
        glim_bpe_deinit(&w.b);
    }
}

/* A guess saves the search and never changes its answer. */
TEST(a_guessed_token_is_the_one_that_is_found) {
    glim_err err = {0};
    for (int twice = 0; twice < 2; twice++) {
        glim_bpe b;
        static const char *const texts[] = {"a", "b", "ab", "ba", "ab"};
        const uint32_t n = twice ? 5 : 4, ab = twice ? 4 : 2;
        CHECK_OK(glim_bpe_init(&b, 8, &err), err);
        for (uint32_t id = 0; id < n; id++) CHECK_OK(glim_bpe_add(&b, id, texts[id], strlen(texts[id]), true, &err), err);
        CHECK_OK(glim_bpe_add(&b, 5, "<a>", 3, false, &err), err); /* no text becomes it */
        CHECK_OK(glim_bpe_index(&b, true, &err), err);
        for (uint32_t guess = 0; guess < 10; guess++) {
            CHECK(glim_bpe_find_near(&b, guess, "ab", 2) == ab && glim_bpe_find_near(&b, guess, "ba", 2) == 3);
            CHECK(glim_bpe_find_near(&b, guess, "aa", 2) == GLIM_BPE_NONE && glim_bpe_find_near(&b, guess, "<a>", 3) == GLIM_BPE_NONE);
        }
        CHECK(glim_bpe_find_near(&b, GLIM_BPE_NONE, "b", 1) == 1);
        glim_bpe_deinit(&b);
    }
}

TEST(the_byte_alphabet_reads_back_all_256_bytes) {
    glim_buf out = {0};
    int extra = 0;
    for (int c = 0; c < 256; c++) {
        bool plain = (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || c >= 174;
        uint32_t cp = plain ? (uint32_t)c : 256u + (uint32_t)extra++;
        char s[2] = {(char)cp, 0};
        size_t n = 1;
        if (cp >= 0x80) s[0] = (char)(0xc0 | cp >> 6), s[1] = (char)(0x80 | (cp & 0x3f)), n = 2;
        glim_buf_clear(&out);
        CHECK(glim_bpe_from_alphabet(&out, s, n));
        CHECK_MSG(out.len == 1 && (unsigned char)out.s[0] == c, "byte 0x%02x", c);
    }
    CHECK(extra == 68);
    CHECK(!glim_bpe_from_alphabet(&out, "a b", 3));
    CHECK(!glim_bpe_from_alphabet(&out, "\xe4\xbd\xa0", 3));
    CHECK(!glim_bpe_from_alphabet(&out, "\xc4", 1));
    CHECK(out.len == 1); /* what was there stays */
    glim_buf_free(&out);
}

/* ---- cutting -------------------------------------------------------------------------------------- */

static glim_status collect(void *ctx, const char *piece, size_t len, glim_err *err) {
    glim_buf *b = ctx;
    glim_buf_append(b, piece, len);
    glim_buf_putc(b, '|');
    return glim_buf_status(b, "test", err);
}

static void check_cut(const char *re, const char *text, const char *want) {
    glim_err err;
    glim_split *s = glim_split_new();
    glim_split_run *run = NULL;
    glim_buf b = {0};
    CHECK_OK(glim_split_add_regex(s, re, strlen(re), false, &err), err);
    CHECK_OK(glim_split_text(s, &run, text, strlen(text), collect, &b, &err), err);
    glim_split_run_free(run);
    glim_split_free(s);
    CHECK_STR(glim_buf_cstr(&b), want);
    glim_buf_free(&b);
}

TEST(white_space_is_unicodes_and_not_pcre2s) {
    /* U+180E has not been white space since Unicode 6.3; U+0085 and U+3000 are. */
    check_cut("\\s+", "a\xe1\xa0\x8e" "b", "a\xe1\xa0\x8e" "b|");
    check_cut("[^\\s]+", "a\xe1\xa0\x8e" "b c", "a\xe1\xa0\x8e" "b| |c|");
    check_cut("\\s+", "a\xc2\x85\xe3\x80\x80\x0b" "b", "a|\xc2\x85\xe3\x80\x80\x0b|b|");
    check_cut("[\\S]+", "ab \xc2\xa0" "cd", "ab| \xc2\xa0|cd|");
    check_cut("\\s+(?!\\S)", "a   b  ", "a|  | b|  |");
}

/* Ideographs of extensions I and H (Unicode 15), a Garay digit (Unicode 16). */
TEST(letters_and_digits_are_those_of_unicode_16) {
    check_cut(GLIM_TOK_RE_GLM, "!\xf0\xae\xaf\xb0 \xf0\xb1\x8d\x90", "!\xf0\xae\xaf\xb0| \xf0\xb1\x8d\x90|");
    check_cut("\\p{N}", "a\xf0\x90\xb5\x80" "b", "a|\xf0\x90\xb5\x80|b|");
    check_cut("\\P{L}+", "a\xf0\xb1\x8d\x90!!", "a\xf0\xb1\x8d\x90|!!|");
}

TEST(the_families_patterns_cut_as_published) {
    check_cut(GLIM_TOK_RE_GLM, "I'm 12345 years,\n\n  old!!\r\n", "I|'m| |123|45| years|,\n\n| | old|!!\r\n|");
    check_cut(GLIM_TOK_RE_QWEN2, "a 12", "a| |1|2|");
    check_cut(GLIM_TOK_RE_GPT2, "Hello  world's 12!  ", "Hello| | world|'s| 12|!|  |");
    check_cut(GLIM_TOK_RE_GLM, "'S'\xc5\xbf", "'S|'\xc5\xbf|"); /* U+017F folds to s, as there */
}

TEST(patterns_that_mean_something_else_in_pcre2_are_refused) {
    static const char *const bad[] = {"\\w+", "\\bx", "[a[b]]", "[a&&b]", "(*UCP)a", "\\h", "a\\", "(", "\\K"};
    for (size_t i = 0; i < GLIM_COUNT(bad); i++) {
        glim_err err;
        glim_split *s = glim_split_new();
        glim_status rc = glim_split_add_regex(s, bad[i], strlen(bad[i]), false, &err);
        glim_split_free(s);
        CHECK_MSG(rc == GLIM_E_UNSUPPORTED || rc == GLIM_E_FORMAT, "%s", bad[i]);
    }
}

TEST(a_pattern_that_backtracks_without_end_is_an_error_and_no_hang) {
    glim_err err;
    glim_split *s = glim_split_new();
    glim_split_run *run = NULL;
    glim_buf b = {0};
    const char *re = "(?:a+)+$b";
    CHECK_OK(glim_split_add_regex(s, re, strlen(re), false, &err), err);
    char text[4096];
    memset(text, 'a', sizeof text);
    glim_status rc = glim_split_text(s, &run, text, sizeof text, collect, &b, &err);
    CHECK(rc == GLIM_E_LIMIT || rc == GLIM_OK);
    glim_split_run_free(run);
    glim_split_free(s);
    glim_buf_free(&b);
}

TEST(empty_matches_cut_nothing) { check_cut("x*", "axxb\xe4\xbd\xa0", "a|xx|b\xe4\xbd\xa0|"); }
