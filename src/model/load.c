/* load.c - from a checkpoint on disk to a model that can run: bind, plan, prepare.
 *
 * The plan comes first: what weights, KV pages and workspace will take is known before a byte of weights
 * is read, and what does not fit is refused with a sentence. Preparing then visits each matrix once:
 * checks that its values are finite, converts it if another type was asked for, packs it into the panels
 * the kernel set wants, and drops the source pages. A matrix that needs none of this stays where it is,
 * in the mapped file. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/log.h"
#include "model/ahead.h"
#include "model/bind.h"
#include "model/finite.h"
#include "model/forward.h"
#include "model/rope.h"

/* ---- how much memory there is ---- */

size_t glim_memory_available(void) {
    unsigned long long avail = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    if (f) {
        char line[128];
        while (fgets(line, sizeof line, f))
            if (sscanf(line, "MemAvailable: %llu kB", &avail) == 1) break;
        fclose(f);
    }
    avail *= 1024;
    if (avail == 0) avail = (unsigned long long)SIZE_MAX / 2; /* cannot tell: do not refuse */
    const size_t left = glim_cgroup_memory("/sys/fs/cgroup", "/proc/self/cgroup");
    return left < avail ? left : (size_t)avail;
}

size_t glim_model_kv_bytes(const glim_config *c, glim_dtype kv_type, size_t n_ctx) {
    return (n_ctx / GLIM_KV_PAGE + (n_ctx % GLIM_KV_PAGE != 0)) *
           glim_kv_page_bytes(kv_type, c->n_layer, c->n_kv_head, c->head_dim);
}

/* ---- every matrix of a model ---- */

typedef enum mat_role { MAT_DENSE, MAT_ROUTER, MAT_EXPERT } mat_role;
typedef glim_status (*mat_fn)(void *ctx, glim_mat *w, mat_role role, glim_err *err);

static glim_status each_ffn(glim_ffn *f, mat_role role, mat_fn fn, void *ctx, glim_err *err) {
    if (f->n_ff == 0) return GLIM_OK;
    glim_mat *w[] = {&f->gate, &f->up, &f->down};
    for (int i = 0; i < 3; i++) {
        glim_status rc = fn(ctx, w[i], role, err);
        if (rc != GLIM_OK) return rc;
    }
    return GLIM_OK;
}

/* All matrices that are multiplied, in the order of a pass. The embedding is read by row and is not one
 * of them; a tied head is. */
static glim_status each_mat(glim_model *m, mat_fn fn, void *ctx, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < m->cfg.n_layer && rc == GLIM_OK; i++) {
        glim_layer *l = &m->layers[i];
        glim_mat *w[] = {&l->wq, &l->wk, &l->wv, &l->wo, &l->router};
        for (int j = 0; j < (l->moe ? 5 : 4) && rc == GLIM_OK; j++) rc = fn(ctx, w[j], j == 4 ? MAT_ROUTER : MAT_DENSE, err);
        if (rc == GLIM_OK) rc = each_ffn(&l->ffn, MAT_DENSE, fn, ctx, err);
        for (size_t e = 0; l->moe && e < m->cfg.n_expert && rc == GLIM_OK; e++)
            rc = each_ffn(&l->experts[e], MAT_EXPERT, fn, ctx, err);
    }
    return rc == GLIM_OK ? fn(ctx, &m->head, MAT_DENSE, err) : rc;
}

/* ---- the plan ---- */

/* The type a matrix will run in: the asked one where it can hold these rows. The router always runs in
 * f32, as the reference does. */
static glim_dtype run_type(const glim_mat *w, mat_role role, int asked) {
    if (role == MAT_ROUTER) return GLIM_F32;
    glim_dtype t = asked ? (glim_dtype)(asked - 1) : w->type;
    if (!asked) {
        const glim_dtype_info *d = glim_dtype_of(t);
        bool small = t == GLIM_F16 || t == GLIM_BF16 || t == GLIM_F8_E4M3 || t == GLIM_F8_E5M2;
        if (!d->is_quant && !small) t = GLIM_F32; /* f64 and integers have no kernels of their own */
        return t;
    }
    if (w->n_in % glim_dtype_of(t)->block_len != 0) return w->type;
    return t;
}

typedef struct plan_sum {
    glim_model *m;
    int asked;
    size_t mapped, packed, per_token;
} plan_sum;

static size_t align64(size_t n) { return (n + 63) / 64 * 64; }

static glim_status plan_mat(void *ctx, glim_mat *w, mat_role role, glim_err *err) {
    plan_sum *s = ctx;
    glim_dtype t = run_type(w, role, s->asked);
    size_t row_bytes, bytes = s->m->k->pack_bytes(t, w->n_out, w->n_in);
    glim_status rc = glim_row_bytes(t, w->n_in, &row_bytes, err);
    if (rc != GLIM_OK) return rc;
    if (bytes == 0 && t != w->type) bytes = w->n_out * row_bytes; /* converted rows */
    if (bytes) s->packed += align64(bytes);
    else s->mapped += w->n_out * w->row_bytes;
    size_t read = bytes ? bytes : w->n_out * w->row_bytes;
    /* On average k of n experts are read for a token. */
    s->per_token += role == MAT_EXPERT ? (size_t)((double)read * (double)s->m->cfg.n_expert_used / (double)s->m->cfg.n_expert)
                           : read;
    return GLIM_OK;
}

static void plan_with(glim_model *m, const glim_model_params *p, int asked, glim_memory_plan *plan,
                      size_t *per_token) {
    plan_sum s = {.m = m, .asked = asked};
    each_mat(m, plan_mat, &s, NULL);
    /* The embedding is read by row: mapped, whatever the head does. */
    if (!m->tied || s.packed) s.mapped += m->embd.n_out * m->embd.row_bytes;
    plan->mapped = s.mapped;
    plan->packed = s.packed;
    plan->weight_type = run_type(&m->layers[0].wo, MAT_DENSE, asked);
    *per_token = s.per_token;
    bool f32 = plan->weight_type == GLIM_F32;
    plan->kv_type = p->kv_type ? (glim_dtype)(p->kv_type - 1) : f32 ? GLIM_F32 : GLIM_BF16;
    size_t page = glim_model_kv_bytes(&m->cfg, plan->kv_type, GLIM_KV_PAGE);
    plan->kv_pages = plan->n_seq * (plan->n_ctx / GLIM_KV_PAGE + (plan->n_ctx % GLIM_KV_PAGE != 0));
    if (p->kv_bytes) plan->kv_pages = p->kv_bytes < 2 * page ? 2 : p->kv_bytes / page;
    plan->kv = plan->kv_pages * page;
    plan->workspace = glim_ws_bytes(m, plan->n_rows, plan->n_logits, glim_pool_size(m->pool));
    plan->total = plan->mapped + plan->packed + plan->kv + plan->workspace;
}

static size_t planned_ctx(const glim_config *c, const glim_model_params *p) {
    return p->n_ctx ? p->n_ctx : c->max_ctx < 8192 ? c->max_ctx : 8192;
}

static void make_plan(glim_model *m, const glim_model_params *p) {
    glim_memory_plan *plan = &m->plan;
    plan->n_ctx = planned_ctx(&m->cfg, p);
    plan->n_seq = p->n_seq ? p->n_seq : 1;
    plan->n_rows = p->n_rows ? p->n_rows : 512;
    if (plan->n_rows > plan->n_ctx && p->n_rows == 0) plan->n_rows = plan->n_ctx;
    plan->n_logits = p->n_logits ? p->n_logits : plan->n_seq;
    plan->available = glim_memory_available();
    plan_with(m, p, p->type, plan, &m->bytes_per_token);
    const glim_dtype_info *d = glim_dtype_of(plan->weight_type);
    if (p->type == 0 && plan->total > plan->available && !d->is_quant) {
        glim_memory_plan other = *plan;
        size_t per_token;
        plan_with(m, p, 1 + GLIM_Q8_0, &other, &per_token);
        if (other.total <= other.available) {
            *plan = other;
            plan->fell_back = true;
            m->bytes_per_token = per_token;
        }
    }
}

static double gib(size_t n) { return (double)n / (1024.0 * 1024 * 1024); }

glim_status glim_model_fits(const glim_model *m, glim_err *err) {
    const glim_memory_plan *plan = &m->plan;
    if (plan->total <= plan->available) return GLIM_OK;
    glim_fail(err, GLIM_E_NOMEM,
              "this model needs %.2f GiB (weights %.2f, KV for %zu tokens %.2f, workspace %.2f) and %.2f GiB are "
              "free", gib(plan->total), gib(plan->mapped + plan->packed), plan->n_ctx * plan->n_seq,
              gib(plan->kv), gib(plan->workspace), gib(plan->available));
    size_t fixed = plan->mapped + plan->packed + plan->workspace;
    if (fixed < plan->available && (plan->available - fixed) / (plan->kv / plan->n_ctx + 1) >= 64) {
        size_t fits = (size_t)((double)(plan->available - fixed) / (double)plan->kv * (double)plan->n_ctx);
        glim_err_hint(err, "a context of %zu tokens fits: --ctx %zu", fits / 64 * 64, fits / 64 * 64);
    } else {
        glim_err_hint(err, "use a file quantized to fewer bits, or a machine with more memory");
    }
    return GLIM_E_NOMEM;
}

/* ---- preparing ---- */

typedef struct prepare {
    glim_model *m;
    const glim_model_params *params;
    int asked;
    char *at;        /* next free byte of m->packed */
    bool found;      /* the packed bytes are there already: only point at them */
    const glim_tensor **tensors; /* by address */
    size_t n_tensors;
    size_t done, total;
    glim_ahead *ahead; /* reads the matrices that come next; NULL: nobody does */
    void *stage; /* [STAGE_BYTES, or one panel] where panels are made before they go into the cache file */
    size_t stage_bytes;
} prepare;

enum { SLAB_ROWS = 64 * GLIM_PANEL, STAGE_BYTES = 16 << 20, PUT_BYTES = 512 << 10 };
enum { READ_AHEAD = 64 << 20 }; /* bytes read beyond the matrix in work */
enum { CACHE_FROM = 16 << 20 }; /* packed bytes below which a cache file saves nothing */

typedef struct convert_job {
    const glim_mat *w;
    glim_dtype to;
    size_t first;      /* row of w that dst starts at */
    float *wide;
    char *dst;
    size_t dst_row_bytes;
} convert_job;

static void convert_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    const convert_job *j = ctx;
    for (size_t i = begin; i < end; i++) {
        float *row = j->to == GLIM_F32 ? (float *)(void *)(j->dst + i * j->dst_row_bytes) : j->wide + i * j->w->n_in;
        glim_dequant(j->w->type, (const char *)j->w->rows + (j->first + i) * j->w->row_bytes, row, j->w->n_in);
        if (j->to != GLIM_F32) glim_quant_simple(j->to, row, j->dst + i * j->dst_row_bytes, j->w->n_in);
    }
}

typedef struct finite_job {
    const glim_mat *w;
    _Atomic size_t bad_row; /* 1 + the lowest bad row seen, 0: none */
} finite_job;

static void finite_rows(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    finite_job *j = ctx;
    for (size_t i = begin; i < end; i++)
        if (!glim_row_is_finite(j->w->type, (const char *)j->w->rows + i * j->w->row_bytes, j->w->n_in)) {
            size_t seen = atomic_load(&j->bad_row);
            while ((seen == 0 || i + 1 < seen) && !atomic_compare_exchange_weak(&j->bad_row, &seen, i + 1)) {}
            return;
        }
}

/* The source of packed rows will not be read again: whole pages inside the range leave our mapping. */
static void drop_pages(const void *rows, size_t n_bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), a = ((uintptr_t)rows + page - 1) / page * page,
              b = ((uintptr_t)rows + n_bytes) / page * page;
    if (b > a) madvise((void *)a, b - a, MADV_DONTNEED);
}

static int by_address(const void *a, const void *b) {
    const glim_tensor *const *x = a, *const *y = b;
    return (const char *)(*x)->data < (const char *)(*y)->data ? -1 : (*x)->data != (*y)->data;
}

/* The tensor whose bytes hold p, for messages and for dropping pages; NULL if none does. */
static const glim_tensor *owner(const prepare *s, const void *p) {
    size_t lo = 0, hi = s->n_tensors; /* the last tensor that starts at or before p */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if ((const char *)s->tensors[mid]->data <= (const char *)p) lo = mid + 1;
        else hi = mid;
    }
    const glim_tensor *t = lo ? s->tensors[lo - 1] : NULL;
    return t && (const char *)p < (const char *)t->data + t->n_bytes ? t : NULL;
}

static glim_status check_finite(const prepare *s, const glim_mat *w, glim_err *err) {
    finite_job j = {.w = w};
    glim_pool_for(s->m->pool, w->n_out, 64, finite_rows, &j);
    if (j.bad_row == 0) return GLIM_OK;
    const glim_tensor *t = owner(s, w->rows);
    size_t row_in_tensor = t ? ((size_t)((const char *)w->rows - (const char *)t->data)) / w->row_bytes + j.bad_row - 1
                             : j.bad_row - 1;
    return glim_fail(err, GLIM_E_FORMAT, "%s: tensor \"%s\": row %zu holds a NaN or an infinity, want finite numbers",
                     t ? glim_ckpt_file(s->m->ckpt, t->file, NULL) : "?", t ? t->name : "?", row_in_tensor);
}

typedef struct put_job {
    const glim_packed *p;
    size_t offset;
    const char *src;
    size_t n;
    _Atomic int status; /* the first that failed */
    glim_err err;       /* its message */
} put_job;

static void put_pieces(void *ctx, size_t begin, size_t end, int worker) {
    (void)worker;
    put_job *j = ctx;
    for (size_t i = begin; i < end; i++) {
        const size_t at = i * PUT_BYTES, n = j->n - at < PUT_BYTES ? j->n - at : PUT_BYTES;
        glim_err err = {0};
        int none = GLIM_OK;
        const glim_status rc = glim_packed_put(j->p, j->offset + at, j->src + at, n, &err);
        if (rc != GLIM_OK && atomic_compare_exchange_strong(&j->status, &none, (int)rc)) j->err = err;
    }
}

/* n bytes to where s->at + offset will be. */
static glim_status put(const prepare *s, size_t offset, const void *src, size_t n, glim_err *err) {
    const size_t base = (size_t)(s->at - (char *)s->m->packed.data);
    put_job j = {.p = &s->m->packed, .offset = base + offset, .src = src, .n = n};
    glim_pool_for(s->m->pool, (n + PUT_BYTES - 1) / PUT_BYTES, 1, put_pieces, &j);
    if (j.status != GLIM_OK && err) *err = j.err;
    return (glim_status)j.status;
}

/* At least n bytes to make panels in. */
static glim_status stage(prepare *s, size_t n, glim_err *err) {
    if (s->stage_bytes >= n) return GLIM_OK;
    free(s->stage);
    s->stage = NULL;
    s->stage_bytes = 0;
    const size_t bytes = n > STAGE_BYTES ? n : STAGE_BYTES;
    const glim_status rc = glim_try_calloc(&s->stage, bytes, 1, "packing weights", err);
    if (rc == GLIM_OK) s->stage_bytes = bytes;
    return rc;
}

/* Panels of rows at w->rows, to be found at s->at + offset. */
static glim_status pack(prepare *s, const glim_mat *w, size_t offset, glim_err *err) {
    const glim_kernels *k = s->m->k;
    if (!s->m->packed.cached) { /* private memory is filled in place */
        glim_mat whole = *w;
        glim_mat_pack(s->m->pool, k, &whole, s->at + offset);
        return GLIM_OK;
    }
    const size_t panel_bytes = k->pack_bytes(w->type, GLIM_PANEL, w->n_in);
    glim_status rc = stage(s, panel_bytes, err);
    const size_t slab = rc == GLIM_OK ? s->stage_bytes / panel_bytes * GLIM_PANEL : 1;
    for (size_t r = 0; rc == GLIM_OK && r < w->n_out; r += slab) {
        glim_mat part = *w;
        part.n_out = w->n_out - r < slab ? w->n_out - r : slab;
        part.rows = (const char *)w->rows + r * w->row_bytes;
        glim_mat_pack(s->m->pool, k, &part, s->stage);
        rc = put(s, offset + r / GLIM_PANEL * panel_bytes, s->stage, k->pack_bytes(w->type, part.n_out, w->n_in), err);
    }
    return rc;
}

/* Rows of another type, slab by slab, handed to the packer or left as rows. */
static glim_status convert(prepare *s, glim_mat *w, glim_dtype to, glim_err *err) {
    const glim_kernels *k = s->m->k;
    size_t dst_row_bytes;
    glim_status rc = glim_row_bytes(to, w->n_in, &dst_row_bytes, err);
    if (rc != GLIM_OK) return rc;
    size_t pack_bytes = k->pack_bytes(to, w->n_out, w->n_in);
    size_t slab = w->n_out < SLAB_ROWS ? w->n_out : SLAB_ROWS;
    const bool in_place = !pack_bytes && !s->m->packed.cached;
    void *wide = NULL, *rows = NULL;
    if (to != GLIM_F32) rc = glim_try_calloc(&wide, slab * w->n_in, sizeof(float), "converting weights", err);
    if (rc == GLIM_OK && !in_place) rc = glim_try_calloc(&rows, slab, dst_row_bytes, "converting weights", err);
    for (size_t r = 0; rc == GLIM_OK && r < w->n_out; r += slab) {
        size_t n = w->n_out - r < slab ? w->n_out - r : slab;
        char *dst = in_place ? s->at + r * dst_row_bytes : rows;
        convert_job j = {.w = w, .to = to, .first = r, .wide = wide, .dst = dst, .dst_row_bytes = dst_row_bytes};
        glim_pool_for(s->m->pool, n, 16, convert_rows, &j);
        if (pack_bytes) {
            glim_mat part = {.type = to, .n_out = n, .n_in = w->n_in, .rows = rows, .row_bytes = dst_row_bytes};
            /* Panels are of one size, so a slab's panels lie at the bytes of the rows before it. */
            rc = pack(s, &part, r ? k->pack_bytes(to, r, w->n_in) : 0, err);
        } else if (!in_place) {
            rc = put(s, r * dst_row_bytes, rows, n * dst_row_bytes, err);
        }
    }
    free(wide);
    free(rows);
    if (rc != GLIM_OK) return rc;
    w->type = to;
    w->row_bytes = dst_row_bytes;
    if (pack_bytes) w->panels = s->at, w->rows = NULL;
    else w->rows = s->at;
    s->at += align64(pack_bytes ? pack_bytes : w->n_out * dst_row_bytes);
    return GLIM_OK;
}

/* What convert or pack would leave behind, when its bytes were found in the cache. */
static glim_status point_at(prepare *s, glim_mat *w, glim_dtype to, glim_err *err) {
    size_t pack_bytes = s->m->k->pack_bytes(to, w->n_out, w->n_in), row_bytes;
    glim_status rc = glim_row_bytes(to, w->n_in, &row_bytes, err);
    if (rc != GLIM_OK || (pack_bytes == 0 && to == w->type)) return rc;
    w->type = to;
    w->row_bytes = row_bytes;
    if (pack_bytes) w->panels = s->at, w->rows = NULL;
    else w->rows = s->at;
    s->at += align64(pack_bytes ? pack_bytes : w->n_out * row_bytes);
    return GLIM_OK;
}

static glim_status prepare_mat(void *ctx, glim_mat *w, mat_role role, glim_err *err) {
    prepare *s = ctx;
    const glim_kernels *k = s->m->k;
    glim_dtype to = run_type(w, role, s->asked);
    const void *source = w->rows;
    size_t source_bytes = w->n_out * w->row_bytes;
    glim_status rc = GLIM_OK;
    if (s->found) return point_at(s, w, to, err);
    rc = check_finite(s, w, err);
    if (rc != GLIM_OK) return rc;
    if (to != w->type) rc = convert(s, w, to, err);
    else {
        size_t pack_bytes = k->pack_bytes(to, w->n_out, w->n_in);
        if (pack_bytes) {
            rc = pack(s, w, 0, err);
            w->panels = s->at;
            w->rows = NULL;
            s->at += align64(pack_bytes);
        }
    }
    if (rc != GLIM_OK) return rc;
    if (w->rows != source) drop_pages(source, source_bytes);
    s->done += source_bytes;
    glim_ahead_next(s->ahead);
    if (s->params->progress && !s->params->progress(s->params->progress_ctx, s->done, s->total))
        return glim_fail(err, GLIM_E_CANCELLED, "loading was stopped");
    return GLIM_OK;
}

static glim_status sum_bytes(void *ctx, glim_mat *w, mat_role role, glim_err *err) {
    (void)role;
    (void)err;
    *(size_t *)ctx += w->n_out * w->row_bytes;
    return GLIM_OK;
}

typedef struct range_list {
    glim_ahead_range *r;
    size_t n;
} range_list;

static glim_status list_range(void *ctx, glim_mat *w, mat_role role, glim_err *err) {
    (void)role;
    (void)err;
    range_list *l = ctx;
    if (l->r) l->r[l->n] = (glim_ahead_range){w->rows, w->n_out * w->row_bytes};
    l->n++;
    return GLIM_OK;
}

/* Has the matrices read ahead in the order in which they are prepared. *ranges is the caller's to free after glim_ahead_stop. */
static void read_ahead(prepare *s, void **ranges) {
    range_list l = {0};
    each_mat(s->m, list_range, &l, NULL);
    if (glim_try_calloc(ranges, l.n, sizeof *l.r, "a list of matrices", NULL) != GLIM_OK) return;
    l = (range_list){.r = *ranges};
    each_mat(s->m, list_range, &l, NULL);
    s->ahead = glim_ahead_start(l.r, l.n, READ_AHEAD);
}

static glim_status prepare_all(glim_model *m, const glim_model_params *params, glim_err *err) {
    int asked = m->plan.fell_back ? 1 + GLIM_Q8_0 : params->type;
    char how[64], key[GLIM_PACKED_KEY];
    snprintf(how, sizeof how, "%s layout %d type %d", m->k->name, GLIM_PANEL_LAYOUT, asked);
    glim_packed_key(key, m->ckpt, how);
    const bool keep = m->plan.packed >= CACHE_FROM && !params->no_cache;
    /* Half as much again must be left: the system needs room for what is on its way to the disk. */
    const bool room = m->plan.available > m->plan.total && m->plan.available - m->plan.total > m->plan.packed / 2;
    glim_status rc = glim_packed_open(&m->packed, key, m->plan.packed,
                                      !keep ? GLIM_PACKED_NOT : room ? GLIM_PACKED_LATER : GLIM_PACKED_FILE, err);
    if (rc != GLIM_OK) return rc;
    glim_mat embd = m->embd;
    prepare s = {.m = m, .params = params, .asked = asked, .at = m->packed.data, .found = m->packed.ready};
    each_mat(m, sum_bytes, &s.total, NULL);
    s.n_tensors = glim_ckpt_n_tensors(m->ckpt);
    void *list;
    rc = glim_try_calloc(&list, s.n_tensors, sizeof *s.tensors, "a list of tensors", err);
    if (rc != GLIM_OK) return rc;
    s.tensors = list;
    for (size_t i = 0; i < s.n_tensors; i++) s.tensors[i] = glim_ckpt_tensor(m->ckpt, i);
    qsort(s.tensors, s.n_tensors, sizeof *s.tensors, by_address);
    if (!m->tied && !s.found) rc = check_finite(&s, &embd, err);
    void *ranges = NULL;
    if (rc == GLIM_OK && !s.found) read_ahead(&s, &ranges);
    if (rc == GLIM_OK) rc = each_mat(m, prepare_mat, &s, err);
    glim_ahead_stop(s.ahead);
    free(ranges);
    if (rc == GLIM_OK) glim_packed_commit(&m->packed);
    free(s.stage);
    free(list);
    return rc;
}

/* ---- open ---- */

static glim_status describe(glim_model **out, glim_ckpt *ckpt, const glim_model_params *params, glim_pool *pool,
                            bool read_values, glim_err *err) {
    *out = NULL;
    glim_model *m = glim_xcalloc(1, sizeof *m);
    m->ckpt = ckpt;
    m->pool = pool;
    glim_status rc = glim_kernels_init(err);
    m->k = params->kernels ? params->kernels : glim_kernels_get();
    if (rc == GLIM_OK) rc = glim_config_read(&m->cfg, ckpt, err);
    if (rc == GLIM_OK && params->n_ctx > m->cfg.max_ctx && !params->past_max_ctx && m->cfg.rope.scaling != GLIM_ROPE_DYNAMIC) {
        rc = glim_fail(err, GLIM_E_LIMIT, "a context of %zu tokens was asked for, this model holds %zu", params->n_ctx,
                       m->cfg.max_ctx);
        glim_err_hint(err, "--ctx %zu, or rope_scaling in config.json where the model's card allows it", m->cfg.max_ctx);
    }
    if (rc == GLIM_OK) {
        m->n_rot = m->cfg.rope.n_rot;
        m->attn_scale = (float)(1.0 / sqrt((double)m->cfg.head_dim));
        m->inv_freq = glim_arena_alloc(&m->arena, m->n_rot / 2 * sizeof(float));
        if (!m->inv_freq) rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate the rotary frequencies");
    }
    if (rc == GLIM_OK) {
        glim_rope_frequencies(&m->cfg.rope, planned_ctx(&m->cfg, params), m->inv_freq, &m->rope_mscale);
        rc = glim_bind(m, read_values, err);
    }
    if (rc != GLIM_OK) {
        glim_model_free(m);
        return rc;
    }
    make_plan(m, params);
    *out = m;
    return GLIM_OK;
}

glim_status glim_model_inspect(glim_model **out, glim_ckpt *ckpt, const glim_model_params *params, glim_err *err) {
    return describe(out, ckpt, params, NULL, false, err);
}

glim_status glim_model_load(glim_model **out, glim_ckpt *ckpt, const glim_model_params *params, glim_pool *pool,
                            glim_err *err) {
    glim_model *m;
    glim_status rc = describe(&m, ckpt, params, pool, true, err);
    if (rc != GLIM_OK) return rc;
    if (!params->no_memory_check) rc = glim_model_fits(m, err);
    if (rc == GLIM_OK) rc = prepare_all(m, params, err);
    if (rc != GLIM_OK) {
        glim_model_free(m);
        *out = NULL;
        return rc;
    }
    *out = m;
    return GLIM_OK;
}

void glim_model_free(glim_model *m) {
    if (!m) return;
    glim_packed_close(&m->packed);
    glim_arena_free(&m->arena);
    free(m->bound);
    glim_ckpt_close(m->ckpt);
    free(m);
}
