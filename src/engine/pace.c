/* pace.c - see pace.h. */
#include "engine/pace.h"

/* Beside writers a step may take 1.75 times as long as one in which everybody who runs writes, which is what they will all live with
 * soon: with what a machine's moods add, the slowest gaps stay below 2.5 times the middle one. The same of the few who write now would be
 * less, but then those who read wait long, and steps for few give few tokens. Alone a slice may take half a second, so that a cancel or a newcomer does not wait longer. */
static const double STEPS = 1.75, SLICE_ALONE_S = 0.5, DECAY = 0.98, READ_DECAY = 0.9;
/* Before steps of different width were seen: reading the weights is most of a step, a row some of it. */
static const double ROW_SHARE = 0.15;
enum { SLICE_MIN = 8, SLICE_ALONE_MIN = 64 };

/* ---- what steps of a width took ---- */

static size_t width_of(size_t rows) {
    size_t k = 0;
    while (rows >> (k + 1)) k++;
    k = 2 * k + (k > 0 ? rows >> (k - 1) & 1 : 0);
    return k < GLIM_PACE_WIDTHS ? k : GLIM_PACE_WIDTHS - 1;
}

/* What was seen long ago counts less than what was seen now, at its own width and others. */
static void note(glim_pace_width w[GLIM_PACE_WIDTHS], size_t rows, double seconds) {
    for (size_t i = 0; i < GLIM_PACE_WIDTHS; i++) w[i].n *= DECAY, w[i].rows *= DECAY, w[i].s *= DECAY;
    glim_pace_width *at = &w[width_of(rows)];
    at->n += 1;
    at->rows += (double)rows;
    at->s += seconds;
}

/* The least that a step of so many rows takes: between two widths that were seen the line, above them what rows cost in
 * general, below them the share of the rows. *near: one of at least half and at most twice the rows was seen. */
static double least(const glim_pace_width w[GLIM_PACE_WIDTHS], double rows, int *near) {
    double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
    for (size_t i = 0; i < GLIM_PACE_WIDTHS; i++) {
        if (w[i].n < 1e-3) continue; /* 340 steps ago */
        double x = w[i].rows / w[i].n, y = w[i].s / w[i].n;
        if (x <= rows) x0 = x, y0 = y;
        else if (x1 <= 0) x1 = x, y1 = y;
    }
    *near = (x0 > 0 && 2 * x0 >= rows) || (x1 > 0 && x1 <= 2 * rows);
    if (x0 > 0 && x1 > 0) return y0 + (y1 - y0) * (rows - x0) / (x1 - x0);
    if (x0 > 0) return y0 * (1 + ROW_SHARE * rows) / (1 + ROW_SHARE * x0);
    return x1 > 0 ? y1 * rows / x1 : 0;
}

/* ---- what the steps teach ---- */

static void fit(const glim_pace *p, double *a, double *b) {
    *a = *b = 0;
    if (p->n <= 0) return;
    double mx = p->sx / p->n, my = p->sy / p->n, var = p->sxx / p->n - mx * mx;
    if (var > 0.01) {
        *b = (p->sxy / p->n - mx * my) / var;
        *a = my - *b * mx;
    }
    /* Nonsense (noise, or one width only) falls back to the shares. */
    if (var <= 0.01 || *b <= 0 || *a < 0) {
        *b = my * ROW_SHARE / (1 + ROW_SHARE * mx);
        *a = my - *b * mx;
    }
}

void glim_pace_saw(glim_pace *p, size_t n_write, size_t n_read, double seconds) {
    if (!(seconds >= 0)) return;
    note(p->any, n_write + n_read, seconds);
    if (n_read == 0) {
        double x = (double)n_write;
        note(p->wrote, n_write, seconds);
        p->n = p->n * DECAY + 1;
        p->sx = p->sx * DECAY + x;
        p->sy = p->sy * DECAY + seconds;
        p->sxx = p->sxx * DECAY + x * x;
        p->sxy = p->sxy * DECAY + x * seconds;
        return;
    }
    double rest = seconds - (n_write ? glim_pace_step(p, n_write) : 0);
    const int beside = n_write > 0;
    /* Sums, not a mean of ratios: a prompt's last four rows say little about what a row costs. */
    p->read_s[beside] = p->read_s[beside] * READ_DECAY + (rest > 0 ? rest : 0);
    p->read_rows[beside] = p->read_rows[beside] * READ_DECAY + (double)n_read;
}

double glim_pace_step(const glim_pace *p, size_t n_write) {
    int near, other;
    double alone = least(p->wrote, (double)n_write, &near), any = least(p->any, (double)n_write, &other);
    return near || alone > any ? alone : any;
}

size_t glim_pace_slice(const glim_pace *p, size_t n_write, size_t n_read, size_t max_rows) {
    size_t min = n_write ? SLICE_MIN : SLICE_ALONE_MIN;
    double all = n_write ? glim_pace_step(p, n_write + n_read) : 0;
    double may = n_write ? STEPS * all - glim_pace_step(p, n_write) : SLICE_ALONE_S;
    const int beside = n_write > 0;
    double c = p->read_rows[beside] > 0 ? p->read_s[beside] / p->read_rows[beside] : 0;
    /* Not known yet: alone a guess; beside writers, who would feel a wrong one, the least. */
    double rows = c > 0 && may > 0 ? may / c : n_write ? 0 : 4.0 * (double)min;
    if (rows < (double)min) rows = (double)min;
    return rows < (double)max_rows ? (size_t)rows : max_rows;
}

int glim_pace_worth(const glim_pace *p, size_t n_rows, double n_tokens, double probability) {
    double a, b;
    fit(p, &a, &b);
    if (a + b <= 0) return probability > 0.5;
    /* Tokens per second rise if the row's own rate is above the rate so far. A tenth more, for what a step
     * costs besides the pass. */
    return probability * (a + b * (double)n_rows) > 1.1 * b * n_tokens;
}
