/* progress.c - see progress.h. The line is rebuilt from numbers each time; no state is kept on screen. */
#include "cli/progress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/cli.h"

#define SHOW_AFTER_S 1.0  /* quicker work needs no bar */
#define REDRAW_S 0.1
#define LINE_EVERY_S 5.0  /* where there is no terminal */
enum { N_SAMPLES = 64 };  /* of the speed: about six seconds of redraws */
enum { NOTE = 192 };      /* bytes of a note: a training step with all that it can have takes 110 */
enum { LOG_WIDTH = 160 }; /* of a line where there is no terminal */

struct glim_progress {
    pthread_mutex_t mu;
    char label[96], note[NOTE];
    uint64_t total;
    glim_progress_unit unit;
    double start, last_drawn;
    _Atomic uint64_t done;
    _Atomic uint64_t next_look_ns; /* no look at the clock's result leads to drawing before this */
    double speed;              /* told by the caller, < 0: measured */
    double at[N_SAMPLES];      /* ring of (time, done) */
    uint64_t seen[N_SAMPLES];
    size_t n_samples;
    bool terminal, color, utf8, shown;
};

static glim_progress *_Atomic g_on_screen;
static atomic_bool g_quiet;

void glim_progress_quiet(bool quiet) { atomic_store(&g_quiet, quiet); }

/* ---- text ---- */

/* 950, 12.3k, 4.56M: at most five columns for anything below 10^15. */
static void put_count(char *b, size_t cap, double n) {
    static const char *const unit[] = {"", "k", "M", "G", "T"};
    size_t u = 0;
    while (n >= 1000 && u + 1 < GLIM_COUNT(unit)) n /= 1000, u++;
    snprintf(b, cap, u == 0 || n >= 100 ? "%.0f%s" : n >= 10 ? "%.1f%s" : "%.2f%s", n, unit[u]);
}

static void put_amount(char *b, size_t cap, double n, glim_progress_unit unit) {
    if (unit == GLIM_PROGRESS_BYTES) glim_human_bytes(b, cap, n);
    else put_count(b, cap, n);
}

static void put_time(char *b, size_t cap, double s) {
    if (s < 60) snprintf(b, cap, "%.0fs", s);
    else if (s < 3600) snprintf(b, cap, "%dm%02ds", (int)s / 60, (int)s % 60);
    else if (s < 100 * 3600.0) snprintf(b, cap, "%dh%02dm", (int)s / 3600, (int)s % 3600 / 60);
    else snprintf(b, cap, "%.0fd", s / 86400);
}

/* Bytes of s that fit into `columns`; *used says how many columns they take. */
static size_t fit(const char *s, int columns, int *used) {
    size_t i = 0, n = strlen(s);
    *used = 0;
    while (i < n) {
        uint32_t cp;
        int len = glim_utf8_next(s + i, n - i, &cp);
        if (len <= 0) break;
        int w = glim_utf8_width(cp);
        if (w < 0) w = 0;
        if (*used + w > columns) break;
        *used += w;
        i += (size_t)len;
    }
    return i;
}

void glim_progress_render(char *out, size_t cap, const glim_progress_view *v) {
    char amount[64] = "", speed[40] = "", left[40] = "", percent[8] = "", a[24], b[24];
    double share = v->total ? (double)v->done / (double)v->total : 0;
    if (share > 1) share = 1;
    if (v->total) snprintf(percent, sizeof percent, " %3d%%", (int)(share * 100)); /* 100% is all of it */
    put_amount(a, sizeof a, (double)v->done, v->unit);
    put_amount(b, sizeof b, (double)v->total, v->unit);
    snprintf(amount, sizeof amount, v->total ? "  %s / %s" : "  %s", a, b);
    if (v->speed > 0) {
        put_amount(a, sizeof a, v->speed, v->unit);
        snprintf(speed, sizeof speed, "  %s/s", a);
    }
    if (v->speed > 0 && v->total > v->done) {
        put_time(a, sizeof a, (double)(v->total - v->done) / v->speed);
        snprintf(left, sizeof left, "  %s left", a);
    }
    /* What does not fit goes: first the note, part by part from its end, then the bar, amount, speed and time left. The label is cut last. */
    int room = v->width - 1, used, w_label, w_note = 0;
    if (room < 1) room = 1;
    fit(v->label, room, &w_label);
    char note[NOTE];
    snprintf(note, sizeof note, "%s", v->note ? v->note : "");
    note[glim_utf8_whole(note, strlen(note))] = 0;
    int tail = (int)(strlen(percent) + strlen(amount) + strlen(speed) + strlen(left));
    while (note[0]) {
        fit(note, 2 * NOTE, &w_note);
        if (w_label + 1 + w_note + tail <= room) break;
        char *last = NULL;
        for (char *at = note; (at = strstr(at, ", ")) != NULL; at++) last = at;
        *(last ? last : note) = 0;
    }
    w_note = note[0] ? w_note + 1 : 0;
    if (w_label + tail > room) tail -= (int)strlen(amount), amount[0] = 0;
    if (w_label + tail > room) tail -= (int)strlen(speed), speed[0] = 0;
    if (w_label + tail > room) tail -= (int)strlen(left), left[0] = 0;
    if (tail > room) tail = 0, percent[0] = 0;
    int cells = v->total ? room - w_label - w_note - tail - 2 : 0;
    if (cells > 32) cells = 32;
    if (cells < 8) cells = 0;
    size_t n_label = fit(v->label, room - tail > 0 ? room - tail : 0, &used);

    size_t o = 0;
#define PUT(...)                                                                     \
    do {                                                                             \
        if (o < cap) {                                                               \
            int put_n = snprintf(out + o, cap - o, __VA_ARGS__);                     \
            o = put_n < 0 || (size_t)put_n >= cap - o ? cap - 1 : o + (size_t)put_n; \
        }                                                                            \
    } while (0)
    out[0] = 0;
    PUT("%.*s%s%s", (int)n_label, v->label, note[0] ? " " : "", note);
    if (cells) {
        int full = (int)(share * cells + 1e-9);
        PUT("  %s", v->color ? "\033[36m" : "");
        for (int i = 0; i < full; i++) PUT("%s", v->utf8 ? "█" : "#");
        PUT("%s", v->color ? "\033[2m" : "");
        for (int i = full; i < cells; i++) PUT("%s", v->utf8 ? "░" : ".");
        PUT("%s", v->color ? "\033[0m" : "");
    }
    PUT("%s%s%s%s", percent, amount, speed, left);
#undef PUT
}

/* ---- the terminal ---- */

static int columns(void) {
    struct winsize ws;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0) return ws.ws_col;
    return 80;
}

static bool locale_utf8(void) {
    static const char *const vars[] = {"LC_ALL", "LC_CTYPE", "LANG"}; /* the first that is set decides */
    for (size_t i = 0; i < GLIM_COUNT(vars); i++) {
        const char *v = getenv(vars[i]);
        if (v && *v) return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
    }
    return false;
}

/* Under p->mu. */
static void draw(glim_progress *p, double now) {
    uint64_t done = atomic_load_explicit(&p->done, memory_order_relaxed);
    double speed = p->speed;
    if (speed < 0) {
        size_t k = p->n_samples % N_SAMPLES, oldest = p->n_samples < N_SAMPLES ? 0 : (k + 1) % N_SAMPLES;
        p->at[k] = now;
        p->seen[k] = done;
        p->n_samples++;
        double dt = now - p->at[oldest];
        speed = dt > 0.3 && done > p->seen[oldest] ? (double)(done - p->seen[oldest]) / dt : 0;
    }
    if (now - p->start < SHOW_AFTER_S) return; /* sampled, not shown */
    if (!p->terminal && now - p->last_drawn < LINE_EVERY_S) return;
    glim_progress *nobody = NULL;
    if (!p->shown && !atomic_compare_exchange_strong(&g_on_screen, &nobody, p)) return;
    p->shown = true;
    p->last_drawn = now;
    char line[1024], text[1100];
    glim_progress_view v = {.label = p->label, .note = p->note[0] ? p->note : NULL, .done = done,
                            .total = p->total, .unit = p->unit, .speed = speed, .elapsed = now - p->start,
                            .width = p->terminal ? columns() : LOG_WIDTH, .utf8 = p->utf8 && p->terminal, .color = p->color};
    glim_progress_render(line, sizeof line, &v);
    int n = p->terminal ? snprintf(text, sizeof text, "\r%s\033[K", line) : snprintf(text, sizeof text, "%s\n", line);
    if (n > 0) {
        ssize_t w = write(STDERR_FILENO, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
        (void)w; /* a bar that cannot be shown is no reason to fail */
    }
}

glim_progress *glim_progress_begin(const char *label, uint64_t total, glim_progress_unit unit) {
    glim_progress *p = glim_xcalloc(1, sizeof *p);
    pthread_mutex_init(&p->mu, NULL);
    snprintf(p->label, sizeof p->label, "%s", label);
    p->label[glim_utf8_whole(p->label, strlen(p->label))] = 0;
    p->total = total;
    p->unit = unit;
    p->speed = -1;
    p->start = p->last_drawn = glim_now_s();
    const char *term = getenv("TERM");
    p->terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    p->color = p->terminal && glim_cli_color(STDERR_FILENO);
    p->utf8 = locale_utf8();
    p->at[0] = p->start; /* the first sample: nothing done at the beginning */
    p->n_samples = 1;
    return p;
}

/* Cheap enough for an inner loop: two atomic accesses and one look at the clock. */
static bool due(glim_progress *p, uint64_t *now) {
    *now = glim_now_ns();
    uint64_t next = atomic_load_explicit(&p->next_look_ns, memory_order_relaxed);
    return *now >= next &&
           atomic_compare_exchange_strong(&p->next_look_ns, &next, *now + (uint64_t)(REDRAW_S * 1e9));
}

void glim_progress_update(glim_progress *p, uint64_t done) {
    if (!p) return;
    uint64_t now;
    atomic_store_explicit(&p->done, done, memory_order_relaxed);
    if (atomic_load_explicit(&g_quiet, memory_order_relaxed) || !due(p, &now)) return;
    pthread_mutex_lock(&p->mu);
    draw(p, (double)now * 1e-9);
    pthread_mutex_unlock(&p->mu);
}

void glim_progress_tell(glim_progress *p, uint64_t done, uint64_t total, double speed, const char *note) {
    if (!p) return;
    pthread_mutex_lock(&p->mu);
    p->total = total;
    p->speed = speed;
    snprintf(p->note, sizeof p->note, "%s", note ? note : "");
    p->note[glim_utf8_whole(p->note, strlen(p->note))] = 0;
    pthread_mutex_unlock(&p->mu);
    glim_progress_update(p, done);
}

void glim_progress_end(glim_progress *p) {
    if (!p) return;
    if (p->shown) {
        if (p->terminal) {
            ssize_t w = write(STDERR_FILENO, "\r\033[K", 4);
            (void)w;
        }
        atomic_store(&g_on_screen, NULL);
    }
    pthread_mutex_destroy(&p->mu);
    free(p);
}
