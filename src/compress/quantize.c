/* quantize.c - the run: types chosen, space checked, tensors streamed, a journal kept. See quantize.h.
 *
 * Invariant  tensors are written in one order and their bytes depend on nothing but input and settings,
 *            so an interrupted file is a prefix of the whole one, and what is done is its first tensors.
 * Surprise   a journal line may be on disk before the bytes it speaks of (they pass through a buffer).
 *            The hash decides: a tensor that does not match is made again, and all after it. */
#include "compress/quantize.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "compress/layout.h"
#include "compress/meta.h"
#include "compress/quant.h"
#include "format/shape.h"

enum { SLAB_BYTES = 4 << 20, FORMAT_VERSION = 4 };

typedef struct entry { /* a tensor that an earlier run has finished */
    uint64_t pos, n_bytes, hash;
} entry;

typedef struct run {
    const glim_quantize_params *p;
    glim_quantize_result *res;
    const glim_model *m;
    glim_pool *pool;
    glim_layout layout;
    char *out, *part, *journal, *tmp;
    uint64_t key;      /* of input and settings */
    FILE *log;         /* the journal, locked */
    entry *done;       /* [n_done] */
    size_t n_done;
    int old;           /* the interrupted file, -1: none */
    bool linked;       /* out.part is a name of the file being written */
    uint8_t *slab;
    size_t slab_bytes;
    float *wide;       /* [threads, widest row] */
    double *scratch;   /* the same for an edit; NULL: there is none */
    int file_type;     /* general.file_type of the result */
    size_t widest;
    uint64_t total, written;
} run;

static uint64_t mix(uint64_t h, const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    uint64_t v;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&v, p, 8);
        h = (h ^ v) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (; n > 0; n--, p++) h = (h ^ *p) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* ---- one tensor ---- */

typedef struct job {
    run *r;
    const glim_qtensor *q;
    size_t row0, row_bytes;
    _Atomic size_t bad;   /* 1 + the first row that is not finite */
    _Atomic size_t large; /* 1 + the first row with a value that f16 has no place for */
    const void *const *edit;    /* [n_src] or NULL; an entry of NULL: this source stays as it is */
    const float *const *weight; /* [n_src or 1] */
    const float *factor;        /* error feedback, or NULL; goes with weight[0] */
} job;

/* Row i of a head, pairs side by side, comes from the half it belonged to. */
static size_t source_row(const glim_qtensor *q, size_t row) {
    if (!q->head_dim) return row;
    size_t head = row / q->head_dim, i = row % q->head_dim;
    return head * q->head_dim + i % 2 * (q->head_dim / 2) + i / 2;
}

/* The first of them, whichever thread comes first. */
static void note_row(_Atomic size_t *first, size_t row) {
    size_t was = atomic_load(first);
    while ((was == 0 || row + 1 < was) && !atomic_compare_exchange_weak(first, &was, row + 1)) {}
}

static void make_rows(void *ctx, size_t begin, size_t end, int worker) {
    job *j = ctx;
    const glim_qtensor *q = j->q;
    float *wide = j->r->wide + (size_t)worker * j->r->widest;
    for (size_t i = begin; i < end; i++) {
        size_t row = source_row(q, j->row0 + i), per = q->n_rows / (q->n_src ? q->n_src : 1);
        uint8_t *dst = j->r->slab + i * j->row_bytes;
        const float *x = q->made;
        if (!x) {
            const glim_tensor *t = q->src[row / per];
            size_t bytes = t->n_bytes / per; /* rows of one length, without gaps */
            const uint8_t *src = (const uint8_t *)t->data + row % per * bytes;
            glim_dequant(t->type, src, wide, q->n_in);
            x = wide;
            const void *edit = j->edit ? j->edit[row / per] : NULL;
            if (edit) j->r->p->edit->row(j->r->p->edit->ctx, edit, row % per, wide, j->r->scratch + (size_t)worker * j->r->widest, q->n_in);
            bool finite = true, fits = true;
            for (size_t k = 0; k < q->n_in; k++) {
                finite &= isfinite(x[k]) != 0;
                fits &= fabsf(x[k]) < 65520; /* what rounds to f16's infinity */
            }
            if (!finite) note_row(&j->bad, row);
            else if (!fits && q->out.type == GLIM_F16) note_row(&j->large, row);
            if (t->type == q->out.type && !edit) { /* nothing to choose: the same bits */
                memcpy(dst, src, bytes);
                continue;
            }
        }
        if (j->factor) glim_quant_row_feedback(q->out.type, wide, j->weight[0], j->factor, dst, q->n_in);
        else glim_quant_row(q->out.type, x, j->weight ? j->weight[row / q->rows_each] : NULL, dst, q->n_in);
    }
}

static glim_status tell(run *r, const glim_qtensor *q, glim_err *err) {
    if (r->p->progress && !r->p->progress(r->p->progress_ctx, r->written, r->total, q->out.name))
        return glim_fail(err, GLIM_E_CANCELLED, "stopped");
    return GLIM_OK;
}

/* Another pass over the calibration text: the file does not grow meanwhile. */
static bool tell_pass(void *ctx, size_t done, size_t total) {
    const run *r = ctx;
    char what[64];
    if (!r->p->progress) return true;
    snprintf(what, sizeof what, "calibrating: pass %zu, token %zu of %zu", r->res->n_passes + 1, done, total);
    return r->p->progress(r->p->progress_ctx, r->written, r->total, what);
}

/* A factor of second moments is what a tensor takes if it is a matrix, made in blocks from values of the source. */
static bool takes_weights(const run *r, const glim_qtensor *q) {
    return r->p->importance && q->out.n_dims >= 2 && !q->made && glim_dtype_of(q->out.type)->is_quant;
}

/* Importances of each group of rows; *list stays NULL if the tensor has none. */
static glim_status find_weights(run *r, const glim_qtensor *q, const float ***list, const float **factor, glim_err *err) {
    *list = NULL;
    *factor = NULL;
    if (!takes_weights(r, q)) return GLIM_OK;
    size_t n = q->n_rows / q->rows_each, found = 0;
    void *mem;
    glim_status rc = glim_try_calloc(&mem, n, sizeof(float *), "a list of importances", err);
    if (rc != GLIM_OK) return rc;
    const float **w = mem;
    for (size_t e = 0; e < n; e++) {
        w[e] = glim_importance_find(r->p->importance, q->out.name, e, q->n_in);
        found += w[e] != NULL;
    }
    r->res->n_weighted += found > 0;
    *list = w;
    if (n > 1 || !found) return GLIM_OK;
    size_t group = glim_importance_group(r->p->importance);
    const bool pass = glim_importance_needs_pass(r->p->importance, q->out.name, q->n_in, &group);
    rc = glim_importance_factor(r->p->importance, r->pool, q->out.name, q->n_in, factor, &w[0], tell_pass, r, err);
    r->res->n_passes += pass && rc == GLIM_OK;
    r->res->n_feedback += *factor != NULL;
    return rc;
}

static const void *find_edit(const run *r, const glim_tensor *t) { return r->p->edit ? r->p->edit->find(r->p->edit->ctx, t) : NULL; }

/* What is done to each source; *list stays NULL if nothing is. */
static glim_status find_edits(const run *r, const glim_qtensor *q, const void ***list, glim_err *err) {
    void *mem;
    bool any = false;
    *list = NULL;
    for (size_t e = 0; e < q->n_src && !any; e++) any = find_edit(r, q->src[e]) != NULL;
    if (!any) return GLIM_OK;
    glim_status rc = glim_try_calloc(&mem, q->n_src, sizeof(void *), "a list of changes", err);
    if (rc != GLIM_OK) return rc;
    *list = mem;
    for (size_t e = 0; e < q->n_src; e++) (*list)[e] = find_edit(r, q->src[e]);
    return GLIM_OK;
}

static size_t rows_of_slab(const run *r, size_t row_bytes) {
    size_t n = r->slab_bytes / row_bytes;
    return n ? n : 1;
}

static glim_status make(run *r, const glim_qtensor *q, size_t row_bytes, glim_sink *sink, uint64_t *hash,
                        glim_err *err) {
    const float **weight, *factor;
    const void **edit = NULL;
    glim_status rc = find_weights(r, q, &weight, &factor, err);
    if (rc == GLIM_OK) rc = find_edits(r, q, &edit, err);
    size_t step = rows_of_slab(r, row_bytes);
    for (size_t row = 0; row < q->n_rows && rc == GLIM_OK; row += step) {
        size_t n = q->n_rows - row < step ? q->n_rows - row : step;
        job j = {.r = r, .q = q, .row0 = row, .row_bytes = row_bytes, .edit = edit, .weight = weight, .factor = factor};
        glim_pool_for(r->pool, n, 4, make_rows, &j);
        if (j.bad)
            rc = glim_fail(err, GLIM_E_FORMAT, "row %zu holds a NaN or an infinity, want finite numbers", j.bad - 1);
        else if (j.large) {
            rc = glim_fail(err, GLIM_E_FORMAT, "row %zu holds a value of 65520 or more, which f16 has no place for", j.large - 1);
            glim_err_hint(err, "--tensor \"%s=bf16\" keeps it", q->out.name);
        }
        *hash = mix(*hash, r->slab, n * row_bytes);
        if (rc == GLIM_OK) rc = glim_sink_write(sink, r->slab, n * row_bytes, err);
        r->written += n * row_bytes;
        if (rc == GLIM_OK) rc = tell(r, q, err);
    }
    free(weight);
    free(edit);
    return rc;
}

/* ---- what an interrupted run has left ---- */

static bool read_at(int fd, void *p, size_t n, uint64_t pos) {
    for (size_t k = 0; k < n;) {
        ssize_t got = pread(fd, (char *)p + k, n - k, (off_t)(pos + k));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        k += (size_t)got;
    }
    return true;
}

/* Copies tensor q from the interrupted file if its bytes are what the journal says; checked before the
 * first byte is written. */
static glim_status take_over(run *r, const glim_qtensor *q, size_t row_bytes, glim_sink *sink, bool *taken,
                             glim_err *err) {
    const entry *e = &r->done[q->index];
    size_t step = rows_of_slab(r, row_bytes);
    uint64_t n_bytes = (uint64_t)q->n_rows * row_bytes, hash = r->key;
    *taken = false;
    if (e->n_bytes != n_bytes || e->pos != glim_sink_pos(sink)) return GLIM_OK;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t row = 0; row < q->n_rows; row += step) {
            size_t n = (q->n_rows - row < step ? q->n_rows - row : step) * row_bytes;
            if (!read_at(r->old, r->slab, n, e->pos + (uint64_t)row * row_bytes)) {
                if (pass == 0) return GLIM_OK;
                return glim_fail(err, GLIM_E_IO, "could not read \"%s\" again", r->part);
            }
            if (pass == 0) {
                hash = mix(hash, r->slab, n);
                continue;
            }
            glim_status rc = glim_sink_write(sink, r->slab, n, err);
            if (rc != GLIM_OK) return rc;
            r->written += n;
        }
        if (pass == 0 && hash != e->hash) return GLIM_OK;
    }
    *taken = true;
    r->res->n_resumed++;
    return tell(r, q, err);
}

/* From the first tensor that is made anew, out.part names the new file. */
static void link_part(run *r) {
    if (r->linked) return;
    r->linked = true;
    if (r->old >= 0) close(r->old);
    r->old = -1;
    r->n_done = 0;
    unlink(r->part);
    if (link(r->tmp, r->part) != 0) return; /* no hard links here: after a kill the next run finds the tmp file */
}

static glim_status fill(void *ctx, const glim_tensor_out *out, glim_sink *sink, glim_err *err) {
    (void)out;
    glim_qtensor *q = ctx;
    run *r = q->run;
    size_t row_bytes;
    glim_status rc = glim_row_bytes(q->out.type, q->n_in, &row_bytes, err);
    if (rc != GLIM_OK) return rc;
    if (q->index < r->n_done) {
        bool taken;
        rc = take_over(r, q, row_bytes, sink, &taken, err);
        if (rc != GLIM_OK || taken) return rc;
    }
    link_part(r);
    uint64_t pos = glim_sink_pos(sink), hash = r->key;
    rc = make(r, q, row_bytes, sink, &hash, err);
    for (size_t e = 0; e < q->n_src; e++) glim_ckpt_drop(r->m->ckpt, q->src[e]);
    if (rc != GLIM_OK) {
        glim_sink_close(sink, NULL); /* nothing more comes: what is finished reaches out.part */
        return rc;
    }
    fprintf(r->log, "done %zu %llu %llu %016llx\n", q->index, (unsigned long long)pos,
            (unsigned long long)((uint64_t)q->n_rows * row_bytes), (unsigned long long)hash);
    fflush(r->log); /* not synced: a line that is lost costs one tensor */
    return GLIM_OK;
}

/* ---- before the first byte ---- */

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static glim_status check_out(const run *r, glim_err *err) {
    for (int i = 0; i < glim_ckpt_n_files(r->m->ckpt); i++)
        if (same_file(glim_ckpt_file(r->m->ckpt, i, NULL), r->out))
            return glim_fail(err, GLIM_E_ARG, "\"%s\" is the input", r->out);
    if (glim_path_is_dir(r->out))
        return glim_fail(err, GLIM_E_ARG, "\"%s\" is a folder, want the name of a .gguf file", r->out);
    if (glim_path_exists(r->out) && !r->p->overwrite) {
        glim_fail(err, GLIM_E_ARG, "\"%s\" exists", r->out);
        glim_err_hint(err, "--force replaces it");
        return GLIM_E_ARG;
    }
    return GLIM_OK;
}

/* A pattern that fits nothing is a slip (names of another format, a layer that is not there): told before the work,
 * not found out by nobody after it. */
static glim_status check_wishes(const run *r, glim_err *err) {
    const glim_recipe_wish *w = &r->p->wish;
    for (size_t i = 0; i < w->n_tensor; i++) {
        bool fits = false;
        for (size_t k = 0; k < r->layout.n && !fits; k++) fits = glim_recipe_wish_fits(w, i, r->layout.t[k].out.name);
        if (fits) continue;
        glim_fail(err, GLIM_E_ARG, "--tensor: \"%s\" fits no tensor of this model", w->tensor[i]);
        glim_err_hint(err, "patterns are of GGUF names, such as blk.*.ffn_down.weight");
        return GLIM_E_ARG;
    }
    return GLIM_OK;
}

static glim_dtype choose_type(const run *r, glim_qtensor *q, const glim_recipe_model *rm, bool edited) {
    const glim_dtype source = q->made ? GLIM_F32 : q->src[0]->type;
    const glim_recipe *recipe = r->p->recipe;
    if (r->p->edit && r->p->edit->rest_as_it_is) {
        if (!edited) return source;
        if (!recipe && (!glim_dtype_of(source)->is_quant || source == GLIM_Q8_0)) return source;
        if (!recipe) glim_recipe_find(&recipe, "q8_0", NULL);
    }
    return glim_recipe_type(recipe, rm, &r->p->wish, q->out.name, q->out.n_dims, q->n_in, source, &q->fell_back);
}

/* The recipe's; of a file that keeps most of its types, its own. */
static int choose_file_type(const run *r, uint64_t edited_bytes) {
    const struct glim_gguf *g = glim_ckpt_gguf(r->m->ckpt);
    const glim_recipe *recipe = r->p->recipe;
    uint64_t own = 0;
    if (!r->p->edit || !r->p->edit->rest_as_it_is) return recipe->file_type;
    if (g) glim_gguf_u64(g, "general.file_type", 0, &own, NULL);
    if (2 * edited_bytes <= r->res->bytes_out) return (int)own;
    if (!recipe) glim_recipe_find(&recipe, "q8_0", NULL);
    return recipe->file_type;
}

static void choose_types(run *r) {
    const glim_config *c = &r->m->cfg;
    uint64_t edited_bytes = 0; /* of another type than they were */
    glim_recipe_model rm = {c->n_layer, c->n_head, c->n_kv_head, c->n_expert, r->m->tied};
    glim_quantize_result *res = r->res;
    for (size_t i = 0; i < r->layout.n; i++) {
        glim_qtensor *q = &r->layout.t[i];
        bool edited = false;
        for (size_t e = 0; e < q->n_src; e++) {
            if (!find_edit(r, q->src[e])) continue;
            edited = true;
            res->n_edited++;
        }
        q->out.type = choose_type(r, q, &rm, edited);
        q->out.fill = fill;
        q->out.ctx = q;
        q->run = r;
        size_t bytes = 0;
        glim_shape_bytes(q->out.type, q->out.dims, q->out.n_dims, &bytes, NULL);
        res->n_tensors++;
        res->n_fell_back += q->fell_back;
        res->n_values += (uint64_t)q->n_rows * q->n_in;
        res->bytes_out += bytes;
        if (edited && q->out.type != q->src[0]->type) edited_bytes += bytes;
        res->types[q->out.type].n++;
        res->types[q->out.type].bytes += bytes;
        for (size_t e = 0; e < q->n_src; e++) res->bytes_in += q->src[e]->n_bytes;
        if (q->n_in > r->widest) r->widest = q->n_in;
        size_t row_bytes = 0;
        glim_row_bytes(q->out.type, q->n_in, &row_bytes, NULL);
        if (row_bytes > r->slab_bytes) r->slab_bytes = row_bytes;
    }
    res->bits_per_value = 8.0 * (double)res->bytes_out / (double)res->n_values;
    r->total = res->bytes_out;
    r->file_type = choose_file_type(r, edited_bytes);
}

/* How often the model must go over the calibration text, if every tensor is made. */
static void plan_passes(run *r) {
    const glim_importance *im = r->p->importance;
    if (!glim_importance_whole(im)) return;
    size_t n = r->res->n_passes = 1, group = glim_importance_group(im);
    for (size_t i = 0; i < r->layout.n; i++) {
        const glim_qtensor *q = &r->layout.t[i];
        if (takes_weights(r, q) && q->n_rows == q->rows_each) n += glim_importance_needs_pass(im, q->out.name, q->n_in, &group);
    }
    if (r->p->planned) r->p->planned(r->p->progress_ctx, n, glim_importance_pairs_bytes(im));
}

/* What the bytes of the result depend on. */
static uint64_t settings_key(const run *r) {
    char text[256];
    uint64_t h = FORMAT_VERSION;
    for (int i = 0; i < glim_ckpt_n_files(r->m->ckpt); i++) {
        struct stat st = {0};
        size_t size;
        const char *path = glim_ckpt_file(r->m->ckpt, i, &size);
        stat(path, &st);
        snprintf(text, sizeof text, "%zu %lld %ld", size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        h = mix(mix(h, path, strlen(path)), text, strlen(text));
    }
    for (size_t i = 0; i < r->layout.n; i++) {
        const glim_tensor_out *t = &r->layout.t[i].out;
        h = mix(mix(h, t->name, strlen(t->name)), &t->type, sizeof t->type);
        h = mix(h, t->dims, (size_t)t->n_dims * sizeof *t->dims);
        /* What config.json, no file of tensors, decides of the bytes: the order of rows, and values that are made. */
        const glim_qtensor *q = &r->layout.t[i];
        h = mix(h, &q->head_dim, sizeof q->head_dim);
        if (q->made) h = mix(h, q->made, q->n_in * sizeof *q->made);
    }
    snprintf(text, sizeof text, "%d %016llx %d " GLIM_VERSION, r->file_type,
             (unsigned long long)glim_importance_hash(r->p->importance), glim_importance_whole(r->p->importance));
    if (r->p->edit) h = mix(h, &r->p->edit->key, sizeof r->p->edit->key);
    return mix(h, text, strlen(text));
}

/* Opens, locks and reads the journal; afterwards r->old and r->done hold what can be taken over. */
static glim_status open_journal(run *r, glim_err *err) {
    char line[256];
    unsigned long long key = 0, pos, n, hash;
    long pid;
    size_t index;
    if (glim_path_exists(r->part) && !glim_path_exists(r->journal)) {
        glim_fail(err, GLIM_E_ARG, "\"%s\" exists and is no interrupted quantization", r->part);
        glim_err_hint(err, "move it away, or write to another name");
        return GLIM_E_ARG;
    }
    void *mem; /* before the journal is opened: a refusal costs nothing of what an earlier run has left */
    glim_status rc = glim_try_calloc(&mem, r->layout.n + 1, sizeof *r->done, "the journal", err);
    if (rc != GLIM_OK) return rc;
    r->done = mem;
    r->log = fopen(r->journal, "a+e");
    if (!r->log) return glim_fail_errno(err, GLIM_E_IO, errno, "could not create \"%s\"", r->journal);
    if (flock(fileno(r->log), LOCK_EX | LOCK_NB) != 0)
        return glim_fail(err, GLIM_E_STATE, "another run is writing \"%s\"", r->out);
    rewind(r->log);
    bool same = fgets(line, sizeof line, r->log) && sscanf(line, "glim-quantize %llx", &key) == 1 && key == r->key;
    while (fgets(line, sizeof line, r->log)) {
        if (!strchr(line, '\n')) break; /* cut off by the kill */
        if (sscanf(line, "pid %ld", &pid) == 1) {
            /* Ours too: in a container the next run often has the number of the one that was killed, and
             * opening that name would empty the file that out.part names. */
            char stale[4096];
            snprintf(stale, sizeof stale, "%s.tmp.%ld", r->out, pid);
            if (!same || glim_path_exists(r->part)) unlink(stale); /* its writer is gone: we hold the lock */
            else rename(stale, r->part);
        } else if (sscanf(line, "done %zu %llu %llu %llx", &index, &pos, &n, &hash) == 4 && index < r->layout.n) {
            r->done[index] = (entry){pos, n, hash};
        }
    }
    for (; r->n_done < r->layout.n; r->n_done++) {
        const glim_qtensor *q = &r->layout.t[r->n_done];
        const bool empty = q->n_rows == 0 || q->n_in == 0; /* no bytes, no line */
        if (!empty && r->done[r->n_done].n_bytes == 0) break;
    }
    if (same) r->old = open(r->part, O_RDONLY | O_CLOEXEC);
    if (r->old < 0) {
        r->n_done = 0;
        unlink(r->part);
        if (ftruncate(fileno(r->log), 0) != 0)
            return glim_fail_errno(err, GLIM_E_IO, errno, "could not write \"%s\"", r->journal);
    }
    clearerr(r->log);
    fseek(r->log, 0, SEEK_END);
    /* A line that was cut off must not swallow the next one. */
    fprintf(r->log, r->old < 0 ? "glim-quantize %016llx\n" : "\n", (unsigned long long)r->key);
    fprintf(r->log, "pid %ld\n", (long)getpid());
    if (fflush(r->log) != 0) return glim_fail_errno(err, GLIM_E_IO, errno, "could not write \"%s\"", r->journal);
    return GLIM_OK;
}

static glim_status check_space(const run *r, glim_err *err) {
    struct stat st = {0};
    uint64_t room, need = r->total + (r->total >> 10) + (64u << 20);
    if (r->total < (64u << 20)) need = r->total + r->total / 8 + (1u << 20);
    glim_status rc = glim_disk_room(r->out, &room, err);
    if (rc == GLIM_OK && r->p->on_disk) r->p->on_disk(r->p->progress_ctx, need, room);
    if (rc == GLIM_OK && r->old >= 0 && fstat(r->old, &st) == 0) {
        /* What is taken over lies twice until the first tensor is made anew; only then the old file is freed. */
        uint64_t copied = need - r->total;
        for (size_t i = 0; i < r->n_done; i++) copied += r->done[i].n_bytes;
        if (room < copied) {
            rc = glim_fail(err, GLIM_E_IO, "going on from \"%s\" copies %.2f GiB of it and %.2f GiB are free", r->part,
                           (double)copied / 1073741824.0, (double)room / 1073741824.0);
            glim_err_hint(err, "free that much, or remove \"%s\" to begin anew", r->part);
        }
        room += (uint64_t)st.st_blocks * 512;
    }
    if (rc == GLIM_OK && room < need)
        rc = glim_fail(err, GLIM_E_IO, "\"%s\" needs %.3g GiB and %.3g GiB are free", r->out,
                       (double)need / 1073741824.0, (double)room / 1073741824.0);
    return rc;
}

/* A change that would be lost without a word. */
static glim_status check_edits(const run *r, glim_err *err) {
    if (!r->p->edit || r->res->n_edited == r->p->edit->n) return GLIM_OK;
    return glim_fail(err, GLIM_E_UNSUPPORTED, "of %zu tensors that change %zu are written to a GGUF: a head that is the embedding, and layers for speculation, are not",
                     r->p->edit->n, r->res->n_edited);
}

static char *with_suffix(const char *path, const char *suffix) {
    size_t n = strlen(path) + strlen(suffix) + 1;
    char *s = glim_xmalloc(n);
    snprintf(s, n, "%s%s", path, suffix);
    return s;
}

static glim_status write_all(run *r, glim_err *err) {
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    glim_status rc = glim_meta_put(w, r->m, &r->layout, r->file_type, err);
    for (size_t i = 0; i < r->layout.n && rc == GLIM_OK; i++) rc = glim_gguf_add_tensor(w, &r->layout.t[i].out, err);
    if (rc == GLIM_OK) rc = open_journal(r, err);
    if (rc == GLIM_OK) rc = check_space(r, err);
    bool begun = rc == GLIM_OK;
    if (rc == GLIM_OK) rc = glim_gguf_write(w, r->out, err);
    /* A full disk, a stop: the next run goes on. A bad value: it would only fail again. */
    bool again = rc == GLIM_E_CANCELLED || rc == GLIM_E_IO || rc == GLIM_E_NOMEM;
    bool useless = begun ? !again || !glim_path_exists(r->part) : r->log && r->old < 0 && rc != GLIM_E_STATE;
    if (rc == GLIM_OK || useless) {
        unlink(r->part);
        unlink(r->journal);
    }
    glim_gguf_writer_free(w);
    return rc;
}

glim_status glim_quantize(const char *in, const char *out, const glim_quantize_params *p,
                          glim_quantize_result *result, glim_err *err) {
    *result = (glim_quantize_result){0};
    run r = {.p = p, .res = result, .old = -1, .slab_bytes = SLAB_BYTES};
    char pid[32];
    snprintf(pid, sizeof pid, ".tmp.%ld", (long)getpid());
    r.out = glim_xstrdup(out);
    r.part = with_suffix(out, ".part");
    r.journal = with_suffix(out, ".part.journal");
    r.tmp = with_suffix(out, pid);
    r.pool = glim_pool_new(p->n_threads);
    glim_ckpt *c;
    glim_model *m = NULL;
    void *mem = NULL;
    glim_status rc = glim_recipe_check(&p->wish, err);
    if (rc == GLIM_OK) rc = glim_ckpt_open(&c, in, err);
    if (rc == GLIM_OK) rc = glim_model_inspect(&m, c, &(glim_model_params){0}, err);
    r.m = m;
    if (rc == GLIM_OK) rc = check_out(&r, err);
    if (rc == GLIM_OK) rc = glim_layout_make(&r.layout, m, p->keep_mtp, err);
    if (rc == GLIM_OK) rc = check_wishes(&r, err);
    if (rc == GLIM_OK) {
        choose_types(&r);
        plan_passes(&r);
        r.key = settings_key(&r);
        rc = check_edits(&r, err);
    }
    if (rc == GLIM_OK) {
        rc = glim_try_calloc(&mem, r.slab_bytes, 1, "a slab of rows", err);
        r.slab = mem;
    }
    mem = NULL;
    size_t threads = (size_t)glim_pool_size(r.pool), n_wide = 0;
    if (rc == GLIM_OK && !glim_mul_size(threads, r.widest, &n_wide)) n_wide = SIZE_MAX / 8;
    if (rc == GLIM_OK) rc = glim_try_calloc(&mem, n_wide, sizeof(float), "rows of numbers", err);
    r.wide = mem;
    mem = NULL;
    if (rc == GLIM_OK && p->edit) rc = glim_try_calloc(&mem, n_wide, sizeof(double), "rows of numbers", err);
    r.scratch = mem;
    if (rc == GLIM_OK) rc = write_all(&r, err);
    if (r.log) fclose(r.log);
    if (r.old >= 0) close(r.old);
    glim_layout_free(&r.layout);
    glim_model_free(m);
    glim_pool_free(r.pool);
    free(r.done);
    free(r.slab);
    free(r.wide);
    free(r.scratch);
    free(r.tmp);
    free(r.journal);
    free(r.part);
    free(r.out);
    return rc;
}
