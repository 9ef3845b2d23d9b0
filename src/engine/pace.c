/* pace.c - see pace.h. */
#include "engine/pace.h"

/* Beside writers a step may take twice as long as one in which everybody who runs writes, which is what they will all live with
 * soon. Twice the step of the few who write now would be less, but then those who read wait long, and steps for few give few
 * tokens. Alone a slice may take half a second, so that a cancel or a newcomer does not wait longer. */
static const double STEPS = 2.0, SLICE_ALONE_S = 0.5, DECAY = 0.98, READ_DECAY = 0.9;
/* Before steps of different width were seen: reading the weights is most of a step, a row some of it. */
static const double ROW_SHARE = 0.15;
enum { SLICE_MIN = 16, SLICE_ALONE_MIN = 64 };

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
    if (n_read == 0) {
        double x = (double)n_write;
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
    double a, b;
    fit(p, &a, &b);
    return a + b * (double)n_write;
}

/* A step of n rows, reckoned from one of n_write by what rows cost in general: a line through the few widths that were seen so far
 * may lead anywhere. */
static double step_of_all(const glim_pace *p, size_t n_write, size_t n) {
    return glim_pace_step(p, n_write) * (1 + ROW_SHARE * (double)n) / (1 + ROW_SHARE * (double)n_write);
}

size_t glim_pace_slice(const glim_pace *p, size_t n_write, size_t n_read, size_t max_rows) {
    size_t min = n_write ? SLICE_MIN : SLICE_ALONE_MIN;
    double all = n_write ? step_of_all(p, n_write, n_write + n_read) : 0;
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
