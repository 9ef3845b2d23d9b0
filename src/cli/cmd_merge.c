/* cmd_merge.c - an adapter into its model's weights.
 *
 *   glim merge MODEL ADAPTER -o OUT          a Hugging Face folder: what changes is written, the rest copied
 *   glim merge MODEL ADAPTER -o OUT.gguf     the same as GGUF, in the type that --type names
 *   glim merge M.gguf ADAPTER -o OUT.gguf    a GGUF again: only what changes has new values, and the type that --type names
 *
 *   LoRA   W' = W + s B A
 *   DoRA   W' = m (W + s B A) / |W + s B A|, row by row (arXiv:2402.09353)
 *
 * Rows go by one at a time in double and are rounded once, to the tensor's own type: what the merged model computes differs
 * from the adapter beside the model by that rounding (none in f32, 2^-9 of a weight in bf16). Memory is one row for each
 * thread and, for a GGUF, the adapter in f32. What the disk must hold is shown before the first byte, and refused if it cannot.
 *
 * A GGUF's rows are quantized as they pass (compress/quantize.h), so that a merge that was stopped goes on too. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/folder.h"
#include "cli/progress.h"
#include "compress/quantize.h"
#include "format/peft.h"
#include "format/st.h"
#include "format/sum64.h"
#include "model/adapter.h"

enum { MAX_SIDE_FILE = 256 << 20 };

/* Rows of a tensor that a pair changes. */
typedef struct span {
    size_t tensor, row, n;
    size_t pair, first; /* row `first` of its B is for the span's first row ... */
    bool rotated;       /* ... in the order of glim_adapter_source_row */
} span;

typedef struct values { /* of a pair, in f32 */
    float *a, *b, *magnitude;
} values;

struct merge;
typedef struct change { /* spans [begin, end) */
    const struct merge *m;
    size_t begin, end;
} change;

typedef struct merge {
    glim_ckpt *base;
    glim_model *model; /* of a GGUF: what its tensors are; owns base then */
    glim_peft peft;
    const glim_peft_pair **pair_of; /* [n tensors of base] NULL: unchanged. Of a folder */
    span *spans;       /* by tensor and row */
    size_t n_spans;
    change *changes;   /* [n tensors of base] */
    values *values;    /* [n pairs] */
    size_t n_changed;  /* tensors */
    glim_progress *bar;
    uint64_t done;
} merge;

/* ---- which tensor a module is ---- */

static bool is_module(const char *tensor, const char *module) {
    size_t n = strlen(tensor), m = strlen(module), w = strlen(".weight");
    return n == m + w && memcmp(tensor, module, m) == 0 && strcmp(tensor + m, ".weight") == 0;
}

/* Behind "layers.": what models of one family call alike whatever stands before it. */
static const char *tail(const char *name) {
    const char *s = strstr(name, "layers.");
    return s && (s == name || s[-1] == '.') ? s : NULL;
}

static glim_status find_tensor(const merge *m, const char *module, size_t *at, glim_err *err) {
    size_t n = glim_ckpt_n_tensors(m->base), hits = 0;
    for (size_t i = 0; i < n; i++)
        if (is_module(glim_ckpt_tensor(m->base, i)->name, module)) return *at = i, GLIM_OK;
    const char *t = tail(module);
    for (size_t i = 0; i < n && t; i++) {
        const char *s = tail(glim_ckpt_tensor(m->base, i)->name);
        if (s && is_module(s, t)) *at = i, hits++;
    }
    if (hits == 1) return GLIM_OK;
    return glim_fail(err, GLIM_E_NOT_FOUND, hits ? "module \"%s\" of the adapter could be %zu tensors of this model"
                                                 : "this model has no tensor \"%s.weight\", which the adapter changes", module, hits);
}

static glim_status match_folder(merge *m, glim_err *err) {
    glim_status rc;
    for (size_t i = 0; i < m->peft.n_pairs; i++) {
        const glim_peft_pair *x = &m->peft.pairs[i];
        size_t at = 0;
        rc = find_tensor(m, x->module, &at, err);
        if (rc != GLIM_OK) return rc;
        const glim_tensor *t = glim_ckpt_tensor(m->base, at);
        if (t->n_dims != 2 || t->dims[0] != x->b->dims[0] || t->dims[1] != x->a->dims[1])
            return glim_fail(err, GLIM_E_SHAPE, "module \"%s\": the adapter is for [%zu, %zu], tensor \"%s\" is [%zu, %zu]", x->module,
                             x->b->dims[0], x->a->dims[1], t->name, t->dims[0], t->n_dims > 1 ? t->dims[1] : 0);
        if (t->type != GLIM_F32 && t->type != GLIM_F16 && t->type != GLIM_BF16)
            return glim_fail(err, GLIM_E_UNSUPPORTED, "tensor \"%s\" is %s: a merge wants f32, f16 or bf16 weights", t->name, glim_dtype_of(t->type)->name);
        if (m->pair_of[at])
            return glim_fail(err, GLIM_E_FORMAT, "modules \"%s\" and \"%s\" change the same tensor", m->pair_of[at]->module, x->module);
        m->pair_of[at] = x;
        m->spans[m->n_spans++] = (span){.tensor = at, .n = t->dims[0], .pair = i};
    }
    return GLIM_OK;
}

/* A GGUF has other names, fuses and stacks: a module is the matrices that inference would add its part to. */
static glim_status match_gguf(merge *m, glim_err *err) {
    for (size_t i = 0; i < m->peft.n_pairs; i++) {
        const glim_peft_pair *x = &m->peft.pairs[i];
        glim_adapter_part parts[3];
        const size_t n_parts = glim_adapter_parts(m->model, x->module, parts);
        size_t n_out = 0;
        if (n_parts == 0) return glim_fail(err, GLIM_E_NOT_FOUND, "this model has no linear layer \"%s\", which the adapter changes", x->module);
        for (size_t k = 0; k < n_parts; k++) n_out += parts[k].w->n_out;
        if (x->a->dims[1] != parts[0].w->n_in || x->b->dims[0] != n_out)
            return glim_fail(err, GLIM_E_SHAPE, "module \"%s\": the adapter is for [%zu, %zu], this model has [%zu, %zu]", x->module, x->b->dims[0],
                             x->a->dims[1], n_out, parts[0].w->n_in);
        for (size_t k = 0, first = 0; k < n_parts; first += parts[k++].w->n_out) {
            const glim_bound *at = NULL;
            for (size_t j = 0; j < m->model->n_bound_parts && !at; j++)
                if (m->model->bound[j].mat == parts[k].w) at = &m->model->bound[j];
            GLIM_ASSERT(at);
            m->spans[m->n_spans++] = (span){.tensor = (size_t)(at->tensor - glim_ckpt_tensor(m->base, 0)), .row = at->first, .n = parts[k].w->n_out,
                                            .pair = i, .first = first, .rotated = parts[k].rotated};
        }
    }
    return GLIM_OK;
}

static int by_row(const void *a, const void *b) {
    const span *x = a, *y = b;
    if (x->tensor != y->tensor) return x->tensor < y->tensor ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static glim_status match(merge *m, glim_err *err) {
    const size_t n = glim_ckpt_n_tensors(m->base);
    void *p = NULL, *spans = NULL, *changes = NULL;
    glim_status rc = glim_try_calloc(&p, n, sizeof *m->pair_of, "the tensors of a model", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&spans, 3 * m->peft.n_pairs, sizeof *m->spans, "the tensors of a model", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&changes, n, sizeof *m->changes, "the tensors of a model", err);
    m->pair_of = p, m->spans = spans, m->changes = changes;
    if (rc == GLIM_OK) rc = m->model ? match_gguf(m, err) : match_folder(m, err);
    if (rc != GLIM_OK) return rc;
    qsort(m->spans, m->n_spans, sizeof *m->spans, by_row);
    for (size_t i = 0; i < m->n_spans; i++) {
        const span *s = &m->spans[i];
        if (i > 0 && s[-1].tensor == s->tensor && s[-1].row + s[-1].n > s->row)
            return glim_fail(err, GLIM_E_FORMAT, "modules \"%s\" and \"%s\" change the same weights", m->peft.pairs[s[-1].pair].module,
                             m->peft.pairs[s->pair].module);
        change *c = &m->changes[s->tensor];
        if (!c->m) *c = (change){m, i, i}, m->n_changed++;
        c->end = i + 1;
    }
    return GLIM_OK;
}

/* ---- rows ---- */

static glim_status read_floats(float **out, const glim_tensor *t, glim_err *err) {
    size_t n = 1;
    void *p;
    for (int i = 0; i < t->n_dims; i++) n *= t->dims[i]; /* checked when the file was opened */
    glim_status rc = glim_try_calloc(&p, n, sizeof(float), t->name, err);
    if (rc != GLIM_OK) return rc;
    glim_dequant(t->type, t->data, p, n);
    *out = p;
    for (size_t i = 0; i < n; i++)
        if (!isfinite((*out)[i])) {
            free(p);
            return glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\" of the adapter holds a NaN or an infinity", t->name);
        }
    return GLIM_OK;
}

/* One row: w becomes w + s B[row] A, with DoRA at its length. */
static void merge_row(double *acc, float *w, size_t n, const float *a, const float *b, size_t r, double scale, const float *magnitude) {
    for (size_t j = 0; j < n; j++) acc[j] = w[j];
    for (size_t k = 0; k < r; k++) {
        double c = scale * (double)b[k];
        const float *row = a + k * n;
        for (size_t j = 0; j < n; j++) acc[j] += c * (double)row[j];
    }
    double f = 1;
    if (magnitude) {
        double norm = 0;
        for (size_t j = 0; j < n; j++) norm += acc[j] * acc[j];
        f = (double)*magnitude / sqrt(norm);
    }
    for (size_t j = 0; j < n; j++) w[j] = (float)(acc[j] * f);
}

typedef struct filler {
    merge *m;
    const glim_tensor *t;
    const glim_peft_pair *x;
    glim_dtype type; /* of the result: f32, f16 or bf16 where there is an x */
} filler;

static glim_status fill_merged(const filler *f, glim_sink *sink, glim_err *err) {
    const glim_tensor *t = f->t;
    const glim_peft_pair *x = f->x;
    size_t n = t->dims[1], row_bytes = t->n_bytes / t->dims[0], out_bytes = n * (f->type == GLIM_F32 ? 4 : 2);
    float *a = NULL, *b = NULL, *mag = NULL;
    void *w = NULL, *acc = NULL, *out = NULL;
    glim_status rc = read_floats(&a, x->a, err);
    if (rc == GLIM_OK) rc = read_floats(&b, x->b, err);
    if (rc == GLIM_OK && x->magnitude) rc = read_floats(&mag, x->magnitude, err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&w, n, sizeof(float), "a row of weights", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&acc, n, sizeof(double), "a row of weights", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&out, out_bytes, 1, "a row of weights", err);
    for (size_t i = 0; i < t->dims[0] && rc == GLIM_OK; i++) {
        glim_dequant(t->type, (const char *)t->data + i * row_bytes, w, n);
        merge_row(acc, w, n, a, b + i * x->rank, x->rank, x->scale, mag ? mag + i : NULL);
        for (size_t j = 0; j < n && rc == GLIM_OK; j++)
            if (!isfinite(((float *)w)[j])) rc = glim_fail(err, GLIM_E_FORMAT, "tensor \"%s\", row %zu: the merged weight is not a number", t->name, i);
        if (rc == GLIM_OK) glim_quant_simple(f->type, w, out, n);
        if (rc == GLIM_OK) rc = glim_sink_write(sink, out, out_bytes, err);
        if ((i & 255) == 0 && rc == GLIM_OK && glim_cli_interrupt_pending()) rc = glim_fail(err, GLIM_E_CANCELLED, "stopped");
    }
    free(a);
    free(b);
    free(mag);
    free(w);
    free(acc);
    free(out);
    return rc;
}

static glim_status fill(void *ctx, const glim_tensor_out *o, glim_sink *sink, glim_err *err) {
    filler *f = ctx;
    (void)o;
    if (glim_cli_interrupt_pending()) return glim_fail(err, GLIM_E_CANCELLED, "stopped");
    glim_status rc = f->x ? fill_merged(f, sink, err) : glim_sink_write(sink, f->t->data, f->t->n_bytes, err);
    glim_ckpt_drop(f->m->base, f->t);
    f->m->done += f->t->n_bytes;
    glim_progress_update(f->m->bar, f->m->done);
    return rc;
}

static void show_plan(const merge *m, uint64_t bytes, uint64_t room) {
    char a[2][32];
    fprintf(stderr, "plan: %s on the disk, %s are free; %zu of %zu tensors change\n", glim_human_bytes(a[0], sizeof a[0], (double)bytes),
            glim_human_bytes(a[1], sizeof a[1], (double)room), m->n_changed, glim_ckpt_n_tensors(m->base));
}

/* Whether `bytes` of weights and the files beside them have room at dir. */
static glim_status check_room(const merge *m, const char *dir, uint64_t bytes, glim_err *err) {
    uint64_t room = 0;
    char a[2][32];
    glim_status rc = glim_disk_room(dir, &room, err);
    if (rc != GLIM_OK) return rc;
    show_plan(m, bytes, room);
    if (bytes <= room) return GLIM_OK;
    return glim_fail(err, GLIM_E_IO, "\"%s\" needs %s and %s are free", dir, glim_human_bytes(a[0], sizeof a[0], (double)bytes),
                     glim_human_bytes(a[1], sizeof a[1], (double)room));
}

/* changed: the type that merged tensors get; -1: the one they have. */
static glim_status write_weights(merge *m, const char *dir, int changed, uint64_t shard_bytes, glim_err *err) {
    size_t n = glim_ckpt_n_tensors(m->base);
    void *vo = NULL, *vf = NULL;
    uint64_t total = 0;
    glim_status rc = glim_try_calloc(&vo, n, sizeof(glim_tensor_out), "the tensors of a model", err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&vf, n, sizeof(filler), "the tensors of a model", err);
    json_t *meta = json_pack("{s:s}", "format", "pt");
    if (rc == GLIM_OK && !meta) rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate metadata");
    glim_tensor_out *o = vo;
    filler *f = vf;
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        const glim_tensor *t = glim_ckpt_tensor(m->base, i);
        f[i] = (filler){m, t, m->pair_of[i], m->pair_of[i] && changed >= 0 ? (glim_dtype)changed : t->type};
        o[i] = (glim_tensor_out){.name = t->name, .type = f[i].type, .n_dims = t->n_dims, .fill = fill, .ctx = &f[i]};
        memcpy(o[i].dims, t->dims, sizeof o[i].dims);
        total += t->n_bytes;
    }
    if (rc == GLIM_OK) {
        m->bar = glim_progress_begin("merging", total, GLIM_PROGRESS_BYTES);
        rc = glim_st_write_folder(dir, o, n, meta, shard_bytes, err);
        glim_progress_end(m->bar);
    }
    json_decref(meta);
    free(vo);
    free(vf);
    return rc;
}

/* ---- the files beside the weights ---- */

static bool ends_in(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_weights(const char *name) {
    static const char *const ends[] = {".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".gguf", ".pt", ".pth"};
    for (size_t i = 0; i < GLIM_COUNT(ends); i++)
        if (ends_in(name, ends[i])) return true;
    return name[0] == '.';
}

static glim_status copy_file(const char *from, const char *to, glim_err *err) {
    glim_buf b = {0};
    glim_status rc = glim_file_read(&b, from, MAX_SIDE_FILE, err);
    if (rc == GLIM_OK) rc = glim_file_write_atomic(to, glim_buf_cstr(&b), b.len, err);
    glim_buf_free(&b);
    return rc;
}

/* to NULL: only adds up their bytes. */
static glim_status copy_side_files(const char *from, const char *to, uint64_t *bytes, glim_err *err) {
    DIR *d = opendir(from);
    if (!d) return glim_fail_errno(err, GLIM_E_IO, errno, "could not list \"%s\"", from);
    glim_status rc = GLIM_OK;
    for (struct dirent *e; rc == GLIM_OK && (e = readdir(d)) != NULL;) {
        struct stat st;
        if (is_weights(e->d_name)) continue;
        char *a = glim_path_join(from, e->d_name), *b = to ? glim_path_join(to, e->d_name) : NULL;
        if (stat(a, &st) == 0 && S_ISREG(st.st_mode)) {
            *bytes += (uint64_t)st.st_size;
            if (to) rc = copy_file(a, b, err);
        }
        free(a);
        free(b);
    }
    closedir(d);
    return rc;
}

/* ---- the two kinds of result ---- */

typedef struct merge_flags {
    const char *out, *type;
    int64_t threads, shard_mb;
    bool force, json;
} merge_flags;

static glim_status into_folder(merge *m, const char *model, const char *dir, int changed, const merge_flags *f, glim_err *err) {
    uint64_t bytes = 4096; /* the weights' header; each tensor has a line in it */
    for (size_t i = 0; i < glim_ckpt_n_tensors(m->base); i++) {
        const glim_tensor *t = glim_ckpt_tensor(m->base, i);
        bytes += 256 + strlen(t->name);
        if (!m->pair_of[i] || changed < 0) bytes += t->n_bytes;
        else bytes += t->dims[0] * t->dims[1] * (changed == GLIM_F32 ? 4 : 2); /* no more than twice what the file holds */
    }
    glim_status rc = copy_side_files(model, NULL, &bytes, err);
    if (rc == GLIM_OK) rc = check_room(m, dir, bytes, err);
    if (rc == GLIM_OK) rc = glim_mkdirs(dir, err);
    if (rc == GLIM_OK) rc = copy_side_files(model, dir, &bytes, err);
    return rc == GLIM_OK ? write_weights(m, dir, changed, (uint64_t)f->shard_mb << 20, err) : rc;
}

/* The type that most of the changed weights have. */
static const char *own_type(const merge *m) {
    uint64_t bytes[3] = {0};
    for (size_t i = 0; i < glim_ckpt_n_tensors(m->base); i++) {
        const glim_tensor *t = glim_ckpt_tensor(m->base, i);
        bytes[t->type == GLIM_BF16 ? 0 : t->type == GLIM_F16 ? 1 : 2] += t->n_bytes;
    }
    return bytes[0] >= bytes[1] && bytes[0] >= bytes[2] ? "bf16" : bytes[1] >= bytes[2] ? "f16" : "f32";
}

static bool show_bytes(void *ctx, uint64_t done, uint64_t total, const char *tensor) {
    glim_progress_tell(((const merge *)ctx)->bar, done, total, -1, tensor);
    return !glim_cli_interrupt_pending();
}

static void on_disk(void *ctx, uint64_t bytes, uint64_t room) { show_plan(ctx, bytes, room); }

/* glim_quantize opens the model for itself: the same tensors, found by name. */
static const void *find_change(void *ctx, const glim_tensor *t) {
    const merge *m = ctx;
    const glim_tensor *own = glim_ckpt_find(m->base, t->name);
    const change *c = own ? &m->changes[own - glim_ckpt_tensor(m->base, 0)] : NULL;
    return c && c->m ? c : NULL;
}

static void change_row(void *ctx, const void *found, size_t row, float *w, double *scratch, size_t n) {
    const change *c = found;
    const merge *m = c->m;
    (void)ctx;
    for (size_t i = c->begin; i < c->end; i++) {
        const span *s = &m->spans[i];
        if (row < s->row || row >= s->row + s->n) continue;
        const glim_peft_pair *x = &m->peft.pairs[s->pair];
        const values *v = &m->values[s->pair];
        const size_t at = s->first + (m->model ? glim_adapter_source_row(m->model, s->rotated, row - s->row) : row - s->row);
        merge_row(scratch, w, n, v->a, v->b + at * x->rank, x->rank, x->scale, v->magnitude ? v->magnitude + at : NULL);
        return;
    }
}

/* All pairs in f32, and what they are, for whoever goes on with an interrupted file. */
static glim_status read_values(merge *m, uint64_t *key, glim_err *err) {
    void *p;
    glim_status rc = glim_try_calloc(&p, m->peft.n_pairs, sizeof *m->values, "an adapter", err);
    if (rc != GLIM_OK) return rc;
    m->values = p;
    *key = 1;
    for (size_t i = 0; i < m->peft.n_pairs; i++) {
        const glim_peft_pair *x = &m->peft.pairs[i];
        values *v = &m->values[i];
        rc = read_floats(&v->a, x->a, err);
        if (rc == GLIM_OK) rc = read_floats(&v->b, x->b, err);
        if (rc == GLIM_OK && x->magnitude) rc = read_floats(&v->magnitude, x->magnitude, err);
        if (rc != GLIM_OK) return rc;
        *key = glim_sum64(*key, x->module, strlen(x->module) + 1);
        *key = glim_sum64(*key, &x->scale, sizeof x->scale);
        *key = glim_sum64(*key, v->a, x->rank * x->a->dims[1] * sizeof *v->a);
        *key = glim_sum64(*key, v->b, x->rank * x->b->dims[0] * sizeof *v->b);
        if (v->magnitude) *key = glim_sum64(*key, v->magnitude, x->b->dims[0] * sizeof *v->magnitude);
    }
    return GLIM_OK;
}

static glim_status into_gguf(merge *m, const char *model, const merge_flags *f, glim_err *err) {
    const glim_recipe *recipe = NULL;
    glim_quantize_edit edit = {.find = find_change, .row = change_row, .ctx = m, .n = m->n_changed, .rest_as_it_is = m->model != NULL};
    glim_quantize_params p = {.edit = &edit, .keep_mtp = m->model != NULL, .overwrite = f->force, .n_threads = (int)f->threads, .progress = show_bytes,
                              .progress_ctx = m, .on_disk = on_disk};
    glim_quantize_result r;
    glim_status rc = GLIM_OK;
    if (f->type || !m->model) rc = glim_recipe_find(&recipe, f->type ? f->type : own_type(m), err);
    if (rc == GLIM_OK) rc = read_values(m, &edit.key, err);
    if (rc != GLIM_OK) return rc;
    p.recipe = recipe;
    m->bar = glim_progress_begin("merging", 0, GLIM_PROGRESS_BYTES);
    rc = glim_quantize(model, f->out, &p, &r, err);
    glim_progress_end(m->bar);
    return rc;
}

static glim_status check_out(const char *model, const merge_flags *f, bool gguf, glim_err *err) {
    struct stat a, b;
    if (!f->out) return glim_fail(err, GLIM_E_ARG, "merge wants a place for the result: -o FOLDER or -o FILE.gguf");
    if (stat(f->out, &b) != 0) return GLIM_OK;
    if (stat(model, &a) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return glim_fail(err, GLIM_E_ARG, "\"%s\" is the model itself: a merge is written beside it", f->out);
    if (f->force) return GLIM_OK;
    if (gguf) return glim_fail(err, GLIM_E_ARG, "\"%s\" exists; --force replaces it", f->out);
    DIR *d = opendir(f->out);
    if (!d) return glim_fail(err, GLIM_E_ARG, "\"%s\" exists and is no folder", f->out);
    size_t n = 0;
    while (readdir(d)) n++;
    closedir(d);
    return n <= 2 ? GLIM_OK : glim_fail(err, GLIM_E_ARG, "folder \"%s\" is not empty; --force writes into it", f->out);
}

static glim_status merge_all(const char *model, const char *adapter, const merge_flags *f, glim_err *err) {
    merge m = {0};
    bool gguf = f->out && ends_in(f->out, ".gguf");
    double t0 = glim_now_s();
    glim_status rc = check_out(model, f, gguf, err);
    int changed = -1;
    if (rc == GLIM_OK && f->type && !gguf) {
        changed = strcmp(f->type, "f32") == 0 ? GLIM_F32 : strcmp(f->type, "f16") == 0 ? GLIM_F16 : strcmp(f->type, "bf16") == 0 ? GLIM_BF16 : -1;
        if (changed < 0) rc = glim_fail(err, GLIM_E_ARG, "--type: got \"%s\", a folder's weights are f32, f16 or bf16", f->type);
    }
    if (rc == GLIM_OK) rc = glim_ckpt_open(&m.base, model, err);
    if (rc == GLIM_OK && glim_ckpt_kind_of(m.base) == GLIM_CKPT_GGUF) {
        glim_ckpt *base = m.base;
        m.base = NULL;
        if (gguf) {
            rc = glim_model_inspect(&m.model, base, &(glim_model_params){0}, err);
            if (rc == GLIM_OK) m.base = m.model->ckpt;
        } else {
            glim_ckpt_close(base);
            rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" is a GGUF: with an adapter merged it is written as a GGUF, not as a folder", model);
            glim_err_hint(err, "-o FILE.gguf (--type T names the type of what changes); or `glim export` makes a folder of the GGUF, and the adapter goes into that");
        }
    } else if (rc == GLIM_OK && !glim_path_is_dir(model))
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "\"%s\" is neither a Hugging Face folder nor a GGUF", model);
    if (rc == GLIM_OK) rc = glim_peft_open(&m.peft, adapter, err);
    if (rc == GLIM_OK) {
        rc = match(&m, err);
        if (rc != GLIM_OK) glim_err_context(err, "%s", adapter);
    }
    if (rc == GLIM_OK) rc = gguf ? into_gguf(&m, model, f, err) : into_folder(&m, model, f->out, changed, f, err);
    if (rc == GLIM_OK) {
        size_t dora = 0;
        glim_buf b = {0};
        for (size_t i = 0; i < m.peft.n_pairs; i++) dora += m.peft.pairs[i].magnitude != NULL;
        if (f->json) {
            glim_buf_puts(&b, "{\"out\": ");
            glim_json_put_str(&b, f->out, strlen(f->out));
            glim_buf_printf(&b, ", \"tensors\": %zu, \"merged\": %zu, \"dora\": %zu, \"seconds\": ", glim_ckpt_n_tensors(m.base), m.peft.n_pairs, dora);
            glim_json_put_real(&b, glim_now_s() - t0);
            glim_buf_puts(&b, "}\n");
        } else
            glim_buf_printf(&b, "%s: %zu of %zu tensors merged%s, %.1f s\n", f->out, m.peft.n_pairs, glim_ckpt_n_tensors(m.base),
                            dora ? " (DoRA)" : "", glim_now_s() - t0);
        rc = glim_cli_put(&b, err);
    }
    for (size_t i = 0; m.values && i < m.peft.n_pairs; i++) free(m.values[i].a), free(m.values[i].b), free(m.values[i].magnitude);
    free(m.values);
    free(m.changes);
    free(m.spans);
    free(m.pair_of);
    glim_peft_close(&m.peft);
    if (m.model) glim_model_free(m.model);
    else glim_ckpt_close(m.base);
    return rc;
}

int glim_cmd_merge(int argc, char **argv) {
    merge_flags f = {.shard_mb = 5000};
    const glim_flag flags[] = {
        {"--output", "-o", GLIM_FLAG_STR, &f.out, "OUT", "a new folder, or FILE.gguf", 0, 0},
        {"--type", NULL, GLIM_FLAG_STR, &f.type, "T", "a GGUF's type, as for glim quantize; in a folder or out of a GGUF that of the merged tensors (default: the model's own; out of a GGUF at least q8_0)", 0, 0},
        {"--shard", NULL, GLIM_FLAG_INT, &f.shard_mb, "MB", "largest .safetensors file of a folder (default 5000)", 1, 1 << 24},
        {"--threads", "-t", GLIM_FLAG_INT, &f.threads, "N", "threads for the GGUF (default: all this process may use)", 1, 1024},
        {"--force", NULL, GLIM_FLAG_BOOL, &f.force, NULL, "replace OUT if it exists", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &f.json, NULL, "one JSON object on stdout", 0, 0},
        {0}};
    const glim_page u = {"glim merge MODEL ADAPTER -o OUT",
                         "Writes the model with a PEFT adapter (LoRA or DoRA) in its weights. MODEL is a Hugging Face folder,\n"
                         "or a GGUF, of which only the tensors that change are written anew.", {flags}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_cli_catch_interrupt();
    return glim_cli_end(merge_all(pos.v[0], pos.v[1], &f, &err), &err);
}
