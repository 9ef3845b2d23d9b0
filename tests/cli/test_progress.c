/* The progress line: what it says, that it never exceeds its width, and when it is silent. */
#include <stdlib.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/progress.h"
#include "test.h"

enum { MIB = 1 << 20 };

static const char *line(const glim_progress_view *v) {
    static char out[1024];
    glim_progress_render(out, sizeof out, v);
    return out;
}

TEST(a_line_says_how_far_how_fast_and_how_long_yet) {
    glim_progress_view v = {.label = "hashing", .done = 25 * MIB, .total = 100 * MIB, .unit = GLIM_PROGRESS_BYTES,
                            .speed = 5 * MIB, .width = 100};
    const char *s = line(&v);
    CHECK_MSG(strncmp(s, "hashing  ", 9) == 0, "%s", s);
    CHECK_MSG(strstr(s, " 25%") && strstr(s, "/s") && strstr(s, "  15s left"), "%s", s);
    size_t full = 0, rest = 0;
    for (const char *p = s; *p; p++) full += *p == '#', rest += *p == '.' && p[1] == '.';
    CHECK_MSG(full == 8 && rest == 23, "%s", s); /* a quarter of 32 cells; 24 dots are 23 pairs */

    v.done = v.total;
    s = line(&v);
    CHECK_MSG(strstr(s, "100%") && !strstr(s, "left"), "%s", s);
    v.done = v.total - 1; /* 100% is all of it */
    CHECK_MSG(strstr(line(&v), " 99%"), "%s", line(&v));
    v.done = v.total + 5; /* a total that was told too small */
    CHECK_MSG(strstr(line(&v), "100%") && !strstr(line(&v), "left"), "%s", line(&v));

    glim_progress_view unknown = {.label = "reading", .done = 1234567, .speed = 1000, .width = 80};
    s = line(&unknown);
    CHECK_MSG(strstr(s, "1.23M") && strstr(s, "1.00k/s") && !strchr(s, '%') && !strstr(s, "left"), "%s", s);
}

TEST(times_and_counts_are_short_at_every_size) {
    static const struct {
        double speed;
        const char *left;
    } times[] = {{100, "  10s left"}, {10, "  1m40s left"}, {0.25, "  1h06m left"}, {0.001, "  12d left"}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        glim_progress_view v = {.label = "x", .total = 1000, .speed = times[i].speed, .width = 120};
        CHECK_MSG(strstr(line(&v), times[i].left), "%s lacks \"%s\"", line(&v), times[i].left);
    }
    static const struct {
        uint64_t n;
        const char *want;
    } counts[] = {{0, "  0"}, {950, "  950"}, {12345, "  12.3k"}, {4560000, "  4.56M"}, {7000000000, "  7.00G"}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        glim_progress_view v = {.label = "x", .done = counts[i].n, .width = 120};
        CHECK_STR(line(&v) + 1, counts[i].want);
    }
}

/* Columns of a line without its escape sequences; -1: it is not valid UTF-8 or holds another control. */
static int columns_of(const char *s) {
    int n = 0;
    if (!glim_utf8_valid(s, strlen(s))) return -1;
    while (*s) {
        if (*s == '\033') {
            s += strcspn(s, "m") + 1;
            continue;
        }
        uint32_t cp;
        s += glim_utf8_next(s, strlen(s), &cp);
        if (cp < 0x20) return -1;
        n += glim_utf8_width(cp);
    }
    return n;
}

TEST(a_line_stays_below_its_width_whatever_is_in_it) {
    static const char *const labels[] = {"x", "hashing model-00001-of-00010.safetensors", "模型-第一部分.gguf",
                                         "e\xcc\x81\xcc\x81 combining", ""};
    static const char *const notes[] = {NULL, "3/12 files", "第三个文件，共十二个"};
    static const uint64_t done[] = {0, 1, 999, 1000000, UINT64_MAX / 2, UINT64_MAX};
    static const double speeds[] = {0, 1e-9, 3.5, 1e9, 1e300};
    for (int width = 1; width < 140; width++)
        for (size_t l = 0; l < sizeof labels / sizeof *labels; l++)
            for (size_t n = 0; n < sizeof notes / sizeof *notes; n++)
                for (size_t d = 0; d < sizeof done / sizeof *done; d++)
                    for (size_t k = 0; k < 4 * sizeof speeds / sizeof *speeds; k++) {
                        glim_progress_view v = {.label = labels[l], .note = notes[n], .done = done[d],
                                                .total = k & 1 ? UINT64_MAX - 7 : 0, .unit = k & 2 ? GLIM_PROGRESS_BYTES : 0,
                                                .speed = speeds[k / 4], .width = width, .utf8 = k & 1, .color = (k & 2) != 0};
                        const char *s = line(&v);
                        int c = columns_of(s), most = width > 1 ? width - 1 : 1;
                        CHECK_MSG(c >= 0 && c <= most, "width %d: %d columns: \"%s\"", width, c, s);
                    }
}

/* A private step on pairs with an evaluation: all that cmd_tune.c ever says of one. */
#define STEP_LOSS "loss 0.6931"
#define STEP_SPEED STEP_LOSS ", 123456 tokens/s"
#define STEP_SPENT STEP_SPEED ", epsilon 5.99 of 6"
#define STEP_EVAL STEP_SPENT ", eval 0.6931"
#define STEP STEP_EVAL ", right 100 %"

TEST(a_note_goes_part_by_part_from_its_end) {
    static const char *const whole[] = {STEP, STEP_EVAL, STEP_SPENT, STEP_SPEED, STEP_LOSS, ""};
    glim_progress_view v = {.label = "training", .note = STEP, .done = 100, .total = 1000, .speed = 0.5};
    size_t shown = GLIM_COUNT(whole) - 1;
    for (v.width = 30; v.width < 200; v.width++) {
        char want[200];
        while (shown > 0) { /* never less than before, and always whole parts */
            snprintf(want, sizeof want, "training %s  ", whole[shown - 1]);
            if (strncmp(line(&v), want, strlen(want)) != 0) break;
            shown--;
        }
        snprintf(want, sizeof want, shown + 1 < GLIM_COUNT(whole) ? "training %s  " : "training %s", whole[shown]);
        CHECK_MSG(strncmp(line(&v), want, strlen(want)) == 0, "width %d: \"%s\", want \"%s\"", v.width, line(&v), want);
        if (v.width == 80) CHECK_MSG(shown <= 3, "80 columns have no place for tokens/s: \"%s\"", line(&v));
    }
    CHECK(shown == 0);
}

TEST(a_small_buffer_is_not_overrun) {
    glim_progress_view v = {.label = "hashing", .done = 1, .total = 2, .speed = 1, .width = 200, .utf8 = true, .color = true};
    for (size_t cap = 1; cap < 300; cap++) {
        char *out = malloc(cap); /* of the very size: AddressSanitizer watches its end */
        glim_progress_render(out, cap, &v);
        CHECK(memchr(out, 0, cap) != NULL);
        free(out);
    }
}

/* What a bar writes to stderr that is no terminal. */
static size_t written(void (*use)(void), char *out, size_t cap) {
    char path[] = "/tmp/glim-progress-XXXXXX";
    int fd = mkstemp(path), keep = dup(STDERR_FILENO);
    CHECK(fd >= 0 && keep >= 0 && unlink(path) == 0 && dup2(fd, STDERR_FILENO) >= 0);
    use();
    dup2(keep, STDERR_FILENO);
    ssize_t n = pread(fd, out, cap - 1, 0);
    close(fd);
    close(keep);
    CHECK(n >= 0);
    out[n] = 0;
    return (size_t)n;
}

static void quick_work(void) {
    glim_progress *p = glim_progress_begin("quick", 1000, GLIM_PROGRESS_COUNT);
    for (uint64_t i = 0; i <= 1000; i++) glim_progress_update(p, i);
    glim_progress_tell(p, 1000, 1000, 5, "a note");
    glim_progress_end(p);
    glim_progress_update(NULL, 1);
    glim_progress_tell(NULL, 1, 2, 3, NULL);
    glim_progress_end(NULL);
}

TEST(work_that_is_done_within_a_second_shows_nothing) {
    char out[256];
    glim_progress_quiet(false);
    CHECK(written(quick_work, out, sizeof out) == 0);
}

static void long_work(void) {
    glim_progress *p = glim_progress_begin("training", 1000, GLIM_PROGRESS_COUNT);
    for (int i = 0; i < 60; i++) { /* a line comes every five seconds */
        glim_progress_tell(p, 100, 1000, 0.5, STEP);
        usleep(100000);
    }
    glim_progress_end(p);
}

TEST(a_log_has_the_whole_note_of_a_training_step) {
    char out[1024];
    CHECK(written(long_work, out, sizeof out) > 0);
    CHECK_MSG(strncmp(out, "training " STEP "  ", strlen("training " STEP "  ")) == 0, "%s", out);
}

TEST(labels_and_notes_of_any_length_are_cut_at_whole_characters) {
    char longest[400];
    for (size_t i = 0; i + 3 < sizeof longest; i += 3) memcpy(longest + i, "\xe5\xad\x97", 4);
    for (size_t skip = 0; skip < 3; skip++) {
        char label[400] = "abc";
        snprintf(label + skip, sizeof label - skip, "%s", longest);
        glim_progress *p = glim_progress_begin(label, 10, GLIM_PROGRESS_BYTES);
        glim_progress_tell(p, 5, 10, -1, label);
        glim_progress_end(p);
    }
}
