/* matmul.c - spreads a group of products over the pool.
 *
 * A piece of work is (job, range of panels, range of rows). Pieces of all jobs are numbered through
 * and handed out one by one, so that small products (experts, K and V) fill the gaps of large ones
 * and a slow thread holds up one piece only. Rows run fastest: the panels of a range, once read
 * from memory, serve all row ranges from cache. Nothing is allocated: a piece's number is turned
 * into its place by counting through the jobs. */
#include "tensor/kernels_internal.h"

enum {
    ROWS_MAX = 128,          /* rows in a piece: their activations stay in the second-level cache */
    PIECE_BYTES = 1024 * 1024, /* weights in a piece, at most: long streams are what memory likes */
    PANELS_MANY = 32,        /* and so many panels at least, if there are so many, where rows are laid out anew for each piece */
    PANELS_FEW = 8,          /* the same where that leaves a thread fewer than PIECES_PER_THREAD, but still PIECES_AT_LEAST */
    PIECE_MIN = 24 * 1024,   /* and at least, when there are few rows: a piece is some microseconds */
    PIECES_PER_THREAD = 8,
    PIECES_AT_LEAST = 2
};

typedef struct cut {
    size_t n_panels, panels; /* in all; in a piece */
    size_t n_ranges, rows;   /* row ranges; rows in each */
    size_t n_pieces;
} cut;

typedef struct many_ctx {
    const glim_kernels *k;
    const glim_matmul_job *jobs;
    size_t n_jobs;
    size_t share; /* panels of a piece that give every thread PIECES_PER_THREAD of them, over all jobs */
    size_t enough; /* and PIECES_AT_LEAST of them */
} many_ctx;

static size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

static cut cut_job(const glim_matmul_job *j, size_t share, size_t enough) {
    const size_t n_rows = j->x->n_rows;
    cut c = {.n_panels = glim_panel_count(j->w->n_out)};
    if (n_rows == 0 || c.n_panels == 0) return c;
    c.n_ranges = ceil_div(n_rows, ROWS_MAX);
    c.rows = ceil_div(ceil_div(n_rows, c.n_ranges), 16) * 16; /* equal parts, whole register tiles */
    c.n_ranges = ceil_div(n_rows, c.rows);

    /* row_bytes may be 0 when only panels exist; any estimate serves. */
    const size_t row_bytes = j->w->row_bytes ? j->w->row_bytes : j->w->n_in;
    const size_t panel_bytes = row_bytes * GLIM_PANEL;
    size_t most = PIECE_BYTES / panel_bytes, least = n_rows < 16 ? PIECE_MIN / panel_bytes : 1;
    if (most < 1) most = 1;
    const size_t few = enough < PANELS_FEW ? enough : PANELS_FEW;
    if (n_rows > 4 && least < few) least = few;
    if (n_rows > 4 && most < PANELS_MANY) most = PANELS_MANY;
    if (least < 1) least = 1;
    c.panels = share;
    if (c.panels > most) c.panels = most;
    if (c.panels < least) c.panels = least;
    if (c.panels > 1) c.panels &= ~(size_t)1; /* sets take panels in twos */
    c.n_pieces = ceil_div(c.n_panels, c.panels) * c.n_ranges;
    return c;
}

static void run_piece(const many_ctx *m, const glim_matmul_job *j, const cut *c, size_t i) {
    const size_t panel0 = i / c->n_ranges * c->panels, row0 = i % c->n_ranges * c->rows;
    const size_t out0 = panel0 * GLIM_PANEL, n_rows = j->x->n_rows;
    size_t n_out = j->w->n_out - out0, rows = n_rows - row0;
    if (n_out > c->panels * GLIM_PANEL) n_out = c->panels * GLIM_PANEL;
    if (rows > c->rows) rows = c->rows;
    m->k->matmul(j, out0, n_out, row0, rows);
}

static void run_pieces(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const many_ctx *m = ctx;
    size_t first = 0; /* number of the job's first piece */
    for (size_t n = 0; n < m->n_jobs && first < end; n++) {
        const cut c = cut_job(&m->jobs[n], m->share, m->enough);
        for (size_t i = begin > first ? begin - first : 0; i < c.n_pieces && first + i < end; i++)
            run_piece(m, &m->jobs[n], &c, i);
        first += c.n_pieces;
    }
}

void glim_matmul_many(glim_pool *pool, const glim_kernels *k, const glim_matmul_job *jobs,
                      size_t n_jobs) {
    many_ctx m = {.k = k, .jobs = jobs, .n_jobs = n_jobs};
    size_t n_pieces = 0;
    for (size_t n = 0; n < n_jobs; n++)
        m.share += glim_panel_count(jobs[n].w->n_out) * ceil_div(jobs[n].x->n_rows, ROWS_MAX);
    m.enough = m.share / ((size_t)glim_pool_size(pool) * PIECES_AT_LEAST);
    m.share /= (size_t)glim_pool_size(pool) * PIECES_PER_THREAD;
    for (size_t n = 0; n < n_jobs; n++) n_pieces += cut_job(&jobs[n], m.share, m.enough).n_pieces;
    glim_pool_for(pool, n_pieces, 1, run_pieces, &m);
}
