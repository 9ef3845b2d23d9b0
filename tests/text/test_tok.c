/* The tokenizer's promises: nothing is lost, special text is inert, streams never break characters,
 * one prefix, long runs in bounded time, and one clear error for every bad file. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "test.h"
#include "text/tok.h"

/* ---- a small tokenizer.json, in parts that a test may replace --------------------------------------- */

/* All 256 bytes in the GPT-2 alphabet as ids 0..255, then what `more` lists. */
static void put_vocab(glim_buf *b, const char *more) {
    int extra = 0;
    for (int c = 0; c < 256; c++) {
        bool plain = (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || c >= 174;
        char s[4];
        int n = glim_utf8_put(s, plain ? (uint32_t)c : 256u + (uint32_t)extra++);
        glim_buf_puts(b, c ? ", " : "");
        glim_json_put_str(b, s, (size_t)n);
        glim_buf_printf(b, ": %d", c);
    }
    glim_buf_puts(b, more);
}

typedef struct parts {
    const char *vocab, *merges, *added, *model, *pre, *norm, *post;
} parts;

#define BYTE_LEVEL "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": true}"
#define VOCAB ", \"ab\": 256, \"abc\": 257, \"cd\": 258, \"abcd\": 259, \"\\u0120a\": 260, \"zz\": 261"
#define MERGES "[\"a b\", \"c d\", \"ab c\", \"\\u0120 a\"]"
#define ADDED                                                                                          \
    "{\"id\": 300, \"content\": \"<|user|>\", \"special\": true},"                                        \
    "{\"id\": 301, \"content\": \"<|user|><x>\", \"special\": true},"                                     \
    "{\"id\": 302, \"content\": \"<think>\", \"special\": false},"                                        \
    "{\"id\": 303, \"content\": \"[gMASK]\", \"special\": true},"                                         \
    "{\"id\": 304, \"content\": \"<sop>\", \"special\": true}"

static glim_status make(glim_tok **out, parts p, glim_err *err) {
    glim_buf b = {0};
    glim_buf_printf(&b, "{\"normalizer\": %s, \"post_processor\": %s, \"pre_tokenizer\": %s, \"added_tokens\": [%s], "
                    "\"model\": {\"type\": \"BPE\"%s, \"vocab\": {", p.norm ? p.norm : "null",
                    p.post ? p.post : "null", p.pre ? p.pre : BYTE_LEVEL, p.added ? p.added : ADDED,
                    p.model ? p.model : "");
    put_vocab(&b, p.vocab ? p.vocab : VOCAB);
    glim_buf_printf(&b, "}, \"merges\": %s}}", p.merges ? p.merges : MERGES);
    *out = NULL;
    glim_status rc = glim_buf_status(&b, "the test's text", err);
    if (rc == GLIM_OK) rc = glim_tok_parse_json(out, b.s, b.len, err);
    glim_buf_free(&b);
    return rc;
}

static glim_tok *made(parts p) {
    glim_tok *t;
    glim_err err;
    CHECK_OK(make(&t, p, &err), err);
    return t;
}

/* "1,2,3" of a text. */
static const char *ids_of(const glim_tok *t, const char *text, unsigned flags) {
    static glim_buf b;
    glim_ids ids = {0};
    glim_err err;
    glim_buf_clear(&b);
    CHECK_OK(glim_tok_encode(t, text, strlen(text), flags, &ids, &err), err);
    for (size_t i = 0; i < ids.n; i++) glim_buf_printf(&b, "%s%d", i ? "," : "", ids.v[i]);
    glim_ids_free(&ids);
    return glim_buf_cstr(&b);
}

/* ---- what ids come out ---------------------------------------------------------------------------------- */

TEST(both_spellings_of_merges_are_read) {
    glim_tok *a = made((parts){0});
    glim_tok *b = made((parts){.merges = "[[\"a\", \"b\"], [\"c\", \"d\"], [\"ab\", \"c\"], [\"\\u0120\", \"a\"]]"});
    CHECK_STR(ids_of(a, "abcd abc a", 0), "256,258,32,257,260");
    CHECK_STR(ids_of(b, "abcd abc a", 0), "256,258,32,257,260");
    glim_tok_free(a);
    glim_tok_free(b);
}

/* "abcd" and "zz" are tokens that no merge makes; "abc" is one that its own merges do not reach here. */
TEST(ignore_merges_takes_whole_pieces_and_only_then) {
    glim_tok *off = made((parts){0}), *on = made((parts){.model = ", \"ignore_merges\": true"});
    CHECK_STR(ids_of(off, "abcd", 0), "256,258");
    CHECK_STR(ids_of(on, "abcd", 0), "259");
    CHECK_STR(ids_of(off, "zz", 0), "122,122");
    CHECK_STR(ids_of(on, "zz", 0), "261");
    CHECK_STR(ids_of(on, "zzz", 0), "122,122,122");
    glim_tok_free(off);
    glim_tok_free(on);
}

TEST(special_text_is_inert_without_the_flag) {
    glim_tok *t = made((parts){0});
    CHECK_STR(ids_of(t, "<|user|>", 0), "60,124,117,115,101,114,124,62");
    CHECK_STR(ids_of(t, "<|user|>", GLIM_TOK_SPECIAL), "300");
    CHECK_STR(ids_of(t, "a<|user|><x>b<think>", GLIM_TOK_SPECIAL), "97,301,98,302");
    CHECK_STR(ids_of(t, "<|user|><y<|user|", GLIM_TOK_SPECIAL), "300,60,121,60,124,117,115,101,114,124");
    CHECK(glim_tok_is_special(t, 300) && !glim_tok_is_special(t, 302) && glim_tok_is_added(t, 302));
    CHECK(!glim_tok_is_added(t, 97) && !glim_tok_is_special(t, -1) && !glim_tok_is_special(t, 1 << 30));
    CHECK(glim_tok_find(t, "<think>") == 302 && glim_tok_find(t, "<thin") == -1 && glim_tok_find(t, "") == -1);
    CHECK(glim_tok_n(t) == 305);
    CHECK(glim_tok_piece(t, 299, NULL) == NULL && glim_tok_piece(t, 305, NULL) == NULL);
    glim_tok_free(t);
}

/* A special token inside model.vocab, even one that merges would make or a whole piece would find. */
TEST(special_tokens_of_the_base_vocabulary_are_inert_too) {
    glim_tok *t = made((parts){.added = "{\"id\": 257, \"content\": \"abc\", \"special\": true}",
                               .model = ", \"ignore_merges\": true"});
    CHECK_STR(ids_of(t, "abc", 0), "256,99");
    CHECK_STR(ids_of(t, "abc", GLIM_TOK_SPECIAL), "257");
    glim_tok_free(t);
}

TEST(the_prefix_comes_exactly_once) {
    glim_tok *t = made((parts){0});
    CHECK_STR(ids_of(t, "a", GLIM_TOK_PREFIX), "303,304,97");
    CHECK_STR(ids_of(t, "[gMASK]<sop>a", GLIM_TOK_PREFIX), "303,304,97");
    CHECK_STR(ids_of(t, "[gMASK]<sop>a", GLIM_TOK_PREFIX | GLIM_TOK_SPECIAL), "303,304,97");
    CHECK_STR(ids_of(t, "", GLIM_TOK_PREFIX), "303,304");
    const int32_t *ids;
    CHECK(glim_tok_prefix(t, &ids) == 2 && ids[0] == 303 && ids[1] == 304 && !glim_tok_add_bos(t));
    glim_tok_free(t);
    t = made((parts){.post = "{\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}, {\"type\": "
                             "\"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"B\"}}, {\"Sequence\": "
                             "{\"id\": \"A\"}}], \"special_tokens\": {\"B\": {\"ids\": [300]}}}]}"});
    CHECK_STR(ids_of(t, "a", GLIM_TOK_PREFIX), "300,97");
    CHECK_STR(ids_of(t, "<|user|>a", GLIM_TOK_PREFIX), "300,97");
    CHECK(glim_tok_add_bos(t) && glim_tok_bos(t) == 300);
    glim_tok_free(t);
}

TEST(strip_flags_take_the_white_space_beside_a_token) {
    glim_tok *t = made((parts){.added = "{\"id\": 300, \"content\": \"<l>\", \"lstrip\": true},"
                                        "{\"id\": 301, \"content\": \"<r>\", \"rstrip\": true}"});
    CHECK_STR(ids_of(t, "x \xe3\x80\x80<l> y", GLIM_TOK_SPECIAL), "120,300,32,121");
    CHECK_STR(ids_of(t, "x <r> \n y", GLIM_TOK_SPECIAL), "120,32,301,121");
    CHECK_STR(ids_of(t, "<r> <l>", GLIM_TOK_SPECIAL), "301,300");
    CHECK_STR(ids_of(t, "x <l>", 0), "120,32,60,108,62");
    glim_tok_free(t);
}

TEST(digits_and_spaces_before_pieces_follow_hugging_face) {
    glim_tok *t = made((parts){.pre = "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", "
                                      "\"individual_digits\": true}, " BYTE_LEVEL "]}",
                               .vocab = ", \"12\": 256, \"\\u01201\": 257, \"\\u0120a\": 258",
                               .merges = "[\"1 2\", \"\\u0120 1\", \"\\u0120 a\"]"});
    CHECK_STR(ids_of(t, "a 12 a", 0), "97,32,49,50,258");
    glim_tok_free(t);
    t = made((parts){.pre = "{\"type\": \"ByteLevel\"}", .vocab = ", \"\\u0120a\": 256", .merges = "[\"\\u0120 a\"]"});
    CHECK_STR(ids_of(t, "a", 0), "256");
    CHECK_STR(ids_of(t, " a", 0), "256");
    CHECK_STR(ids_of(t, "", 0), "");
    CHECK_STR(ids_of(t, "\na", 0), "10,97");
    glim_tok_free(t);
}

TEST(nfc_is_applied_when_the_file_says_so) {
    glim_tok *t = made((parts){.norm = "{\"type\": \"NFC\"}", .added = ""}), *plain = made((parts){.added = ""});
    CHECK_STR(ids_of(t, "e\xcc\x81", 0), "195,169");         /* e + U+0301 -> U+00E9 */
    CHECK_STR(ids_of(plain, "e\xcc\x81", 0), "101,204,129");
    CHECK_STR(ids_of(t, "\xe2\x84\xab", 0), "195,133");      /* U+212B -> U+00C5 */
    /* Marks are ordered by class, and equal classes keep their order. */
    CHECK_STR(ids_of(t, "a\xcc\x81\xcc\xa3", 0), "225,186,161,204,129"); /* a, 230, 220 -> U+1EA1 U+0301 */
    CHECK_STR(ids_of(t, "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", 0), "234,176,129"); /* Hangul */
    CHECK_STR(ids_of(t, "\xff" "e\xcc\x81\xff", 0), "255,195,169,255");
    glim_tok_free(t);
    glim_tok_free(plain);
}

/* ---- nothing is lost ---------------------------------------------------------------------------------------- */

static uint32_t g_seed = 1;
static uint32_t next_random(void) { return g_seed = g_seed * 1664525u + 1013904223u, g_seed >> 8; }

/* Bytes, mostly text of some alphabet, sometimes broken. */
static size_t random_text(char *s, size_t cap) {
    static const char *const bits[] = {"a", "b", " ", "  ", "\n", "\r\n", "1", "23", "'s", "\xe4\xbd\xa0", "\xe5\xa5\xbd",
                                       "\xf0\x9f\x91\x8b", "<|user|>", "[gMASK]", "<sop>", "\xcc\x81", "\xe3\x80\x80", "!", "abc",
                                       " the", "\xff", "\xe4\xbd", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    size_t n = 0, want = next_random() % cap;
    uint32_t kind = next_random() % 3;
    while (n < want) {
        if (kind == 0) {
            s[n++] = (char)next_random();
            continue;
        }
        const char *bit = bits[next_random() % (kind == 1 ? 20 : GLIM_COUNT(bits))];
        size_t len = strlen(bit);
        if (n + len > cap) break;
        memcpy(s + n, bit, len);
        n += len;
    }
    return n;
}

static void check_round_trip(const glim_tok *t, const char *s, size_t n, unsigned flags) {
    glim_ids ids = {0};
    glim_buf out = {0};
    glim_err err;
    CHECK_OK(glim_tok_encode(t, s, n, flags, &ids, &err), err);
    glim_tok_decode(t, ids.v, ids.n, true, &out);
    bool same = out.len == n && (n == 0 || memcmp(out.s, s, n) == 0);
    for (size_t i = 0; i < ids.n && !flags; i++) CHECK(!glim_tok_is_special(t, ids.v[i]));
    /* A stream gives the same bytes with broken parts replaced, wherever tokens end. */
    glim_buf whole = {0}, stream = {0};
    glim_utf8_sanitize(&whole, glim_buf_cstr(&out), out.len);
    glim_tok_stream st = {0};
    for (size_t i = 0; i < ids.n; i++) {
        glim_tok_stream_put(&st, t, ids.v[i], true, &stream);
        CHECK(glim_utf8_valid(glim_buf_cstr(&stream), stream.len));
    }
    glim_tok_stream_end(&st, &stream);
    bool streamed = stream.len == whole.len && (whole.len == 0 || memcmp(stream.s, whole.s, whole.len) == 0);
    glim_buf_free(&out);
    glim_buf_free(&whole);
    glim_buf_free(&stream);
    glim_ids_free(&ids);
    CHECK_MSG(same, "%zu bytes do not come back", n);
    CHECK_MSG(streamed, "%zu bytes stream otherwise", n);
}

TEST(decoding_gives_back_any_bytes_and_streams_them_whole) {
    static const char *const names[] = {"glm4", "chatglm", "glm4moe-air", "llama"};
    glim_tok *t[GLIM_COUNT(names) + 2] = {made((parts){0})};
    size_t n = 1;
    glim_err err;
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        char path[64];
        snprintf(path, sizeof path, "tests/fixtures/%s", names[i]);
        CHECK_OK(glim_tok_open(&t[n++], glim_test_source(path), &err), err);
    }
    if (glim_test_data("tokenizer-glm4"))
        CHECK_OK(glim_tok_open(&t[n++], glim_test_data("tokenizer-glm4"), &err), err);
    for (int round = 0; round < 1500; round++) {
        char s[400];
        size_t len = random_text(s, sizeof s);
        const glim_tok *one = t[(size_t)round % n];
        check_round_trip(one, s, len, 0);
        check_round_trip(one, s, len, GLIM_TOK_SPECIAL);
    }
    for (size_t i = 0; i < n; i++) glim_tok_free(t[i]);
}

TEST(a_stream_holds_back_what_is_no_whole_character_yet) {
    glim_tok *t = made((parts){0});
    glim_tok_stream st = {0};
    glim_buf out = {0};
    static const struct {
        int32_t id;
        const char *shown;
    } steps[] = {{0xe4, ""}, {0xbd, ""}, {0xa0, "\xe4\xbd\xa0"}, {0xe4, ""}, {'a', "\xef\xbf\xbd" "a"},
                 {300, ""}, {0xf0, ""}, {0x9f, ""}, {302, "\xef\xbf\xbd<think>"}, {0x80, "\xef\xbf\xbd"},
                 {-5, ""}, {9999, ""}, {0xf0, ""}, {0x9f, ""}};
    for (size_t i = 0; i < GLIM_COUNT(steps); i++) {
        glim_buf_clear(&out);
        glim_tok_stream_put(&st, t, steps[i].id, false, &out);
        CHECK_STR(glim_buf_cstr(&out), steps[i].shown);
    }
    glim_buf_clear(&out);
    glim_tok_stream_end(&st, &out);
    CHECK_STR(glim_buf_cstr(&out), "\xef\xbf\xbd");
    glim_buf_clear(&out);
    glim_tok_stream_put(&st, t, 300, true, &out);
    CHECK_STR(glim_buf_cstr(&out), "<|user|>");
    glim_buf_free(&out);
    glim_tok_free(t);
}

/* ---- time, threads, memory -------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

TEST(long_runs_take_bounded_time) {
    enum { N = 1 << 20 };
    glim_err err;
    glim_tok *t;
    const char *path = glim_test_data("tokenizer-glm4");
    if (path) CHECK_OK(glim_tok_open(&t, path, &err), err);
    else CHECK_OK(glim_tok_open(&t, glim_test_source("tests/fixtures/glm4"), &err), err);
    glim_tok *nfc = made((parts){.norm = "{\"type\": \"NFC\"}", .added = ""});
    static const struct {
        const char *unit;
        bool nfc;
    } runs[] = {{"a", false}, {" ", false}, {"\n", false}, {"ab", false}, {"=", false}, {"7", false},
                {"\xe6\xb1\x89", false}, {"\xe6\xb1\x89\xe5\xad\x97\xe8\xae\xa1\xe7\xae\x97\xe6\x9c\xba", false},
                {"\xff", false}, {"<|user|", false}, {"\xcc\x81\xcc\xa3", true}, {" \n ", false}};
    char *s = malloc(N + 64);
    CHECK(s);
    for (size_t i = 0; i < GLIM_COUNT(runs); i++) {
        size_t len = strlen(runs[i].unit), n = 0;
        for (; n < N; n += len) memcpy(s + n, runs[i].unit, len);
        glim_ids ids = {0};
        double t0 = now();
        CHECK_OK(glim_tok_encode(runs[i].nfc ? nfc : t, s, n, GLIM_TOK_SPECIAL, &ids, &err), err);
        double took = now() - t0;
        printf("    1 MiB of \"%s\": %.2f s, %zu tokens\n",
               runs[i].unit[0] == '\n' ? "\\n" : runs[i].unit[0] == ' ' && runs[i].unit[1] ? " \\n " : (unsigned char)runs[i].unit[0] >= 0xf8 ? "\\xff" : runs[i].unit,
               took, ids.n);
        CHECK_MSG(took < 20, "1 MiB of one run took %.1f s", took);
        if (!runs[i].nfc) {
            glim_buf back = {0};
            glim_tok_decode(t, ids.v, ids.n, true, &back);
            CHECK(back.len == n && memcmp(back.s, s, n) == 0);
            glim_buf_free(&back);
        }
        glim_ids_free(&ids);
    }
    free(s);
    glim_tok_free(nfc);
    glim_tok_free(t);
}

typedef struct job {
    const glim_tok *t;
    const char *text;
    glim_ids ids;
} job;

static void *encode_job(void *arg) {
    job *j = arg;
    for (int i = 0; i < 50; i++) {
        j->ids.n = 0;
        if (glim_tok_encode(j->t, j->text, strlen(j->text), GLIM_TOK_SPECIAL, &j->ids, NULL) != GLIM_OK) return j;
    }
    return NULL;
}

TEST(many_threads_read_one_tokenizer) {
    glim_tok *t;
    glim_err err;
    CHECK_OK(glim_tok_open(&t, glim_test_source("tests/fixtures/glm4"), &err), err);
    enum { N = 4 };
    job jobs[N];
    pthread_t th[N];
    for (int i = 0; i < N; i++) {
        jobs[i] = (job){.t = t, .text = "hello world, the theory of \xe4\xbd\xa0\xe5\xa5\xbd abcabc<|user|> 12345\n\n"};
        CHECK(pthread_create(&th[i], NULL, encode_job, &jobs[i]) == 0);
    }
    for (int i = 0; i < N; i++) {
        void *failed;
        pthread_join(th[i], &failed);
        CHECK(!failed);
        CHECK(jobs[i].ids.n == jobs[0].ids.n && jobs[i].ids.n > 0);
        CHECK(memcmp(jobs[i].ids.v, jobs[0].ids.v, jobs[0].ids.n * sizeof(int32_t)) == 0);
        if (i) glim_ids_free(&jobs[i].ids);
    }
    glim_ids_free(&jobs[0].ids);
    glim_tok_free(t);
}

TEST(every_refused_allocation_is_an_error_and_no_leak) {
    char text[300];
    memset(text, 'a', sizeof text);
    memcpy(text + 100, "e\xcc\x81", 3);
    bool done = false;
    for (long k = 1; !done; k++) {
        glim_tok *t = NULL;
        glim_ids ids = {0};
        glim_err err = {0};
        CHECK(k < 2000);
        glim_alloc_fail_after(k);
        glim_status rc = make(&t, (parts){.norm = "{\"type\": \"NFC\"}"}, &err);
        if (rc == GLIM_OK) rc = glim_tok_encode(t, text, sizeof text, GLIM_TOK_SPECIAL | GLIM_TOK_PREFIX, &ids, &err);
        glim_alloc_fail_after(0);
        CHECK_MSG(rc == GLIM_OK || rc == GLIM_E_NOMEM, "allocation %ld: %s", k, err.msg);
        done = rc == GLIM_OK;
        glim_ids_free(&ids);
        glim_tok_free(t);
    }
}

/* ---- bad files ----------------------------------------------------------------------------------------------- */

TEST(what_would_change_the_ids_is_refused_by_name) {
    static const struct {
        parts p;
        const char *says;
    } cases[] = {
        {{.model = ", \"byte_fallback\": true"}, "byte_fallback"},
        {{.model = ", \"dropout\": 0.1"}, "dropout"},
        {{.model = ", \"end_of_word_suffix\": \"</w>\""}, "end_of_word_suffix"},
        {{.norm = "{\"type\": \"Lowercase\"}"}, "Lowercase"},
        {{.norm = "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": \"Prepend\"}]}"}, "Prepend"},
        {{.norm = "{\"type\": \"Sequence\"}"}, "normalizers"},
        {{.norm = "7"}, "got integer, want an object"},
        {{.pre = "{\"type\": \"Metaspace\"}"}, "Metaspace"},
        {{.pre = "null"}, "pre_tokenizer"},
        {{.pre = "{\"type\": \"Digits\"}"}, "ByteLevel"},
        {{.pre = "{\"type\": \"Sequence\", \"pretokenizers\": [" BYTE_LEVEL ", {\"type\": \"Digits\"}]}"}, "Digits"},
        {{.pre = "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}, \"behavior\": \"Removed\"}"}, "Removed"},
        {{.pre = "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\"}, \"behavior\": \"Isolated\"}"}, "does not compile"},
        {{.pre = "{\"type\": \"Split\", \"pattern\": 3, \"behavior\": \"Isolated\"}"}, "pattern"},
        {{.post = "{\"type\": \"BertProcessing\"}"}, "BertProcessing"},
        {{.post = "{\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"A\"}}, {\"SpecialToken\": {\"id\": \"E\"}}]}"}, "after the text"},
        {{.post = "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"E\"}}], \"special_tokens\": {\"E\": {\"ids\": [299]}}}"}, "299"},
        {{.added = "{\"id\": 300, \"content\": \"<a>\", \"single_word\": true}"}, "single_word"},
        {{.added = "{\"id\": 300, \"content\": \"<a>\"}, {\"id\": 300, \"content\": \"<b>\"}"}, "300"},
        {{.added = "{\"id\": 300, \"content\": \"<a>\"}, {\"id\": 301, \"content\": \"<a>\"}"}, "two ids"},
        {{.added = "{\"id\": 256, \"content\": \"<a>\"}"}, "256"},
        {{.added = "{\"id\": 300, \"content\": \"\"}"}, "no text"},
        {{.added = "{\"id\": 97, \"content\": \"a\", \"special\": true}"}, "single byte"},
        {{.added = "{\"id\": -1, \"content\": \"<a>\"}"}, "-1"},
        {{.added = "{\"id\": 4194304, \"content\": \"<a>\"}"}, "4194304"},
        {{.added = "{\"id\": 300}"}, "content"},
        {{.added = "7"}, "id"},
        {{.vocab = ", \"ab\": 97"}, "97"},
        {{.vocab = ", \"ab\": -1"}, "-1"},
        {{.vocab = ", \"ab\": \"x\""}, "got string"},
        {{.vocab = ", \"ab\": 256, \"ab\": 257"}, "duplicate"},
        {{.merges = "[\"a\"]"}, "merge 0"},
        {{.merges = "[\"a b\", \"a b c\"]"}, "merge 1"},
        {{.merges = "[\" b\"]"}, "merge 0"},
        {{.merges = "[\"a c\"]"}, "the result is not in the vocabulary"},
        {{.merges = "[\"xy z\"]"}, "the first is not in the vocabulary"},
        {{.merges = "[[\"a\"]]"}, "merge 0"},
        {{.merges = "[[\"a\", 3]]"}, "merge 0"},
        {{.merges = "[\"\\u4f60 a\"]"}, "merge 0"},
        {{.merges = "{}"}, "merges"},
        {{.merges = "null"}, "merges"},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_tok *t = NULL;
        glim_err err = {0};
        glim_status rc = make(&t, cases[i].p, &err);
        glim_tok_free(t);
        CHECK_MSG(rc != GLIM_OK, "case %zu (%s) is accepted", i, cases[i].says);
        CHECK_MSG(strstr(err.msg, cases[i].says), "case %zu: \"%s\" does not say \"%s\"", i, err.msg, cases[i].says);
    }
}

static glim_status tiktoken(const char *text, glim_err *err) {
    glim_tok *t = NULL;
    glim_status rc = glim_tok_parse_tiktoken(&t, text, strlen(text), err);
    glim_tok_free(t);
    return rc;
}

TEST(bad_tiktoken_files_give_one_clear_error) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no tokens"},
        {"\n\n", "no tokens"},
        {"YQ==", "line 1"},
        {"YQ== ", "line 1"},
        {"YQ== x\n", "line 1"},
        {"YQ== 0\nYg== 4194304\n", "line 2"},
        {"YQ== 99999999999999999999\n", "line 1"},
        {"Y!== 0\n", "not base64"},
        {"YQ= 0\n", "not base64"},
        {"YR== 0\n", "not base64"},
        {" 0\n", "not base64"},
        {"YQ== 0\nYg== 0\n", "line 2"},
        {"YQ== 0\nYQ== 1\n", "same bytes"},
        {"YQ== 0\n", "byte 0x00"},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_err err = {0};
        CHECK_MSG(tiktoken(cases[i].text, &err) != GLIM_OK, "case %zu is accepted", i);
        CHECK_MSG(strstr(err.msg, cases[i].says), "case %zu: \"%s\" does not say \"%s\"", i, err.msg, cases[i].says);
    }
}

/* Gaps among the ranks are allowed, and so is any order of lines. */
TEST(tiktoken_ranks_may_have_gaps_and_any_order) {
    static const char a64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    glim_buf b = {0};
    glim_buf_puts(&b, "YWI= 1000\r\n");
    for (int c = 255; c >= 0; c--) glim_buf_printf(&b, "%c%c== %d\n", a64[c >> 2], a64[(c & 3) << 4], c * 3);
    glim_tok *t;
    glim_err err;
    CHECK_OK(glim_tok_parse_tiktoken(&t, b.s, b.len, &err), err);
    CHECK_STR(ids_of(t, "abb", 0), "1000,294");
    CHECK(glim_tok_n(t) == 1001 && glim_tok_piece(t, 1, NULL) == NULL && glim_tok_prefix(t, NULL) == 0);
    glim_tok_free(t);
    glim_buf_free(&b);
}

TEST(missing_files_and_foreign_ones_are_named) {
    glim_tok *t;
    glim_err err;
    CHECK(glim_tok_open(&t, "/nonexistent/x", &err) == GLIM_E_NOT_FOUND && strstr(err.msg, "/nonexistent/x"));
    CHECK(glim_tok_open(&t, glim_test_source("tests"), &err) == GLIM_E_NOT_FOUND && strstr(err.msg, "tokenizer.json"));
    CHECK(glim_tok_open(&t, glim_test_source("LICENSE"), &err) != GLIM_OK);
    CHECK(glim_tok_open(&t, glim_test_source("tests/fixtures/glm/config.json"), &err) == GLIM_E_FORMAT && strstr(err.msg, "model"));
    CHECK(t == NULL);
}

/* ---- families and containers ----------------------------------------------------------------------------------- */

TEST(families_have_the_prefix_their_reference_gives_them) {
    static const struct {
        const char *name;
        size_t n;
        bool add_bos;
    } cases[] = {{"chatglm", 2, false}, {"glm", 2, false}, {"glm4", 2, false}, {"glm4moe-air", 2, false},
                 {"glm-edge", 0, false}, {"llama", 1, true}, {"llama-tied", 0, false}, {"qwen2", 0, false},
                 {"gguf/chatglm.gguf", 2, false}, {"gguf/glm4moe-air.gguf", 2, false}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        char path[64];
        snprintf(path, sizeof path, "tests/fixtures/%s", cases[i].name);
        glim_tok *t;
        glim_err err;
        CHECK_OK(glim_tok_open(&t, glim_test_source(path), &err), err);
        const int32_t *ids;
        size_t n = glim_tok_prefix(t, &ids);
        CHECK_MSG(n == cases[i].n && glim_tok_add_bos(t) == cases[i].add_bos, "%s: prefix of %zu", cases[i].name, n);
        if (n == 2) CHECK(ids[0] == glim_tok_find(t, "[gMASK]") && ids[1] == glim_tok_find(t, "<sop>"));
        CHECK(glim_tok_eos(t) >= 0);
        glim_tok_free(t);
    }
}

/* The GGUF twin of a folder gives the same ids (glm4: neither takes whole pieces; llama: both do). */
TEST(gguf_twins_agree_with_their_folders) {
    static const char *const pairs[][2] = {{"glm4", "gguf/glm4-00001-of-00002.gguf"}, {"llama", "gguf/llama.gguf"}};
    for (size_t i = 0; i < GLIM_COUNT(pairs); i++) {
        glim_tok *t[2];
        glim_err err;
        for (size_t k = 0; k < 2; k++) {
            char path[80];
            snprintf(path, sizeof path, "tests/fixtures/%s", pairs[i][k]);
            CHECK_OK(glim_tok_open(&t[k], glim_test_source(path), &err), err);
        }
        CHECK(glim_tok_n(t[0]) == glim_tok_n(t[1]));
        for (int round = 0; round < 300; round++) {
            char s[200];
            size_t n = random_text(s, sizeof s);
            glim_ids a = {0}, b = {0};
            CHECK_OK(glim_tok_encode(t[0], s, n, GLIM_TOK_SPECIAL, &a, &err), err);
            CHECK_OK(glim_tok_encode(t[1], s, n, GLIM_TOK_SPECIAL, &b, &err), err);
            CHECK(a.n == b.n && (a.n == 0 || memcmp(a.v, b.v, a.n * sizeof *a.v) == 0));
            glim_ids_free(&a);
            glim_ids_free(&b);
        }
        glim_tok_free(t[0]);
        glim_tok_free(t[1]);
    }
}
