/* intent_file.c - the model as a file.
 *
 * Little endian:  "GLIMINT\n", u32 version, u32 flags (1: has an oos label), u32 labels, u32 features, u32 documents,
 * f32 temperature, f32 threshold, f32 idf power, f32 level, f32 weight of each kind, f32 calibration [4]; for each label u32 length and its
 * bytes; for each feature u64 key; u32 count; f32 scale; for each feature one signed byte a label; u64 checksum of all
 * before it. Nothing here says what the training texts were but the hashes of their n-grams. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "format/sum64.h"
#include "know/intent_internal.h"
#include "know/intent_train.h"

enum { VERSION = 2, MAX_LABEL = 1024 };
static const char magic[8] = {'G', 'L', 'I', 'M', 'I', 'N', 'T', '\n'};
static const size_t MAX_FILE = (size_t)2 << 30;

glim_status glim_intent_save(const glim_intent *m, const char *path, glim_err *err) {
    glim_buf b = {0};
    uint32_t head[5] = {VERSION, m->has_oos, (uint32_t)m->n_labels, (uint32_t)m->map.n, m->n_docs};
    float number[4] = {m->temperature, m->threshold, m->weigh.idf_power, m->weigh.level};
    glim_buf_append(&b, magic, sizeof magic);
    glim_buf_append(&b, head, sizeof head);
    glim_buf_append(&b, number, sizeof number);
    glim_buf_append(&b, m->weigh.kind, sizeof m->weigh.kind);
    glim_buf_append(&b, m->calib, sizeof m->calib);
    for (size_t i = 0; i < m->n_labels; i++) {
        uint32_t n = (uint32_t)strlen(m->label[i]);
        glim_buf_append(&b, &n, sizeof n);
        glim_buf_append(&b, m->label[i], n);
    }
    glim_buf_append(&b, m->map.key, m->map.n * sizeof *m->map.key);
    glim_buf_append(&b, m->df, m->map.n * sizeof *m->df);
    glim_buf_append(&b, m->scale, m->map.n * sizeof *m->scale);
    glim_buf_reserve(&b, m->map.n * m->n_labels + 8);
    for (size_t r = 0; r < m->map.n; r++)
        for (size_t c = 0; c < m->n_labels; c++)
            glim_buf_putc(&b, m->scale[r] > 0 ? (char)lrintf(m->w[r * m->width + c] / m->scale[r]) : 0);
    glim_status rc = glim_buf_status(&b, "a file of intents", err);
    if (rc == GLIM_OK) {
        uint64_t sum = glim_sum64(VERSION, b.s, b.len);
        glim_buf_append(&b, &sum, sizeof sum);
        rc = glim_buf_status(&b, "a file of intents", err);
    }
    if (rc == GLIM_OK) rc = glim_file_write_atomic(path, b.s, b.len, err);
    glim_buf_free(&b);
    return rc;
}

typedef struct reader {
    const uint8_t *s;
    size_t n, at;
} reader;

static bool take(reader *r, void *out, size_t n) {
    if (n > r->n - r->at) return false;
    memcpy(out, r->s + r->at, n);
    r->at += n;
    return true;
}

static glim_status take_array(reader *r, void *out, size_t n, size_t size, const char *what, glim_err *err) {
    size_t bytes;
    if (!glim_mul_size(n, size, &bytes) || bytes > r->n - r->at)
        return glim_fail(err, GLIM_E_FORMAT, "%s: got %zu bytes, want %zu times %zu", what, r->n - r->at, n, size);
    void *p;
    glim_status rc = glim_try_calloc(&p, n, size, what, err);
    if (rc != GLIM_OK) return rc;
    memcpy(p, r->s + r->at, bytes);
    r->at += bytes;
    *(void **)out = p;
    return GLIM_OK;
}

static bool in_range(float v, float lo, float hi) { return v >= lo && v <= hi; } /* false for NaN */

static glim_status read_labels(glim_intent *m, reader *r, glim_err *err) {
    m->label = glim_xcalloc(m->n_labels, sizeof *m->label);
    for (size_t i = 0; i < m->n_labels; i++) {
        uint32_t n;
        if (!take(r, &n, sizeof n) || n > r->n - r->at || n == 0 || n > MAX_LABEL || memchr(r->s + r->at, 0, n) ||
            !glim_utf8_valid((const char *)r->s + r->at, n))
            return glim_fail(err, GLIM_E_FORMAT, "the name of label %zu is broken", i);
        m->label[i] = glim_xmalloc(n + 1);
        take(r, m->label[i], n);
        m->label[i][n] = 0;
    }
    if (m->has_oos && strcmp(m->label[m->n_labels - 1], GLIM_INTENT_OOS) != 0)
        return glim_fail(err, GLIM_E_FORMAT, "the last label is \"%s\", want \"%s\"", m->label[m->n_labels - 1], GLIM_INTENT_OOS);
    return GLIM_OK;
}

static glim_status read_body(glim_intent *m, reader *r, glim_err *err) {
    uint32_t head[5];
    float number[4 + GLIM_N_FEAT + GLIM_N_CALIB];
    if (!take(r, head, sizeof head) || !take(r, number, sizeof number)) return glim_fail(err, GLIM_E_FORMAT, "the header is cut off");
    m->has_oos = head[1] & 1;
    m->n_labels = head[2];
    size_t n_feat = head[3];
    m->n_docs = head[4];
    if (m->n_labels < 2 || m->n_labels > GLIM_INTENT_MAX_LABELS || m->n_labels - m->has_oos < 1 || m->n_docs == 0)
        return glim_fail(err, GLIM_E_FORMAT, "the header says %zu labels and %u examples", m->n_labels, m->n_docs);
    m->temperature = number[0];
    m->threshold = number[1];
    m->weigh.idf_power = number[2];
    m->weigh.level = number[3];
    memcpy(m->weigh.kind, number + 4, sizeof m->weigh.kind);
    memcpy(m->calib, number + 4 + GLIM_N_FEAT, sizeof m->calib);
    bool sane = in_range(m->temperature, 1e-3f, 1e3f) && in_range(m->threshold, -100, 100) && in_range(m->weigh.idf_power, 0, 8) &&
                in_range(m->weigh.level, 0, 4);
    for (int k = 0; k < GLIM_N_FEAT; k++) sane = sane && in_range(m->weigh.kind[k], 0, 100);
    for (int k = 0; k < GLIM_N_CALIB; k++) sane = sane && in_range(m->calib[k], -1e4f, 1e4f);
    if (!sane) return glim_fail(err, GLIM_E_FORMAT, "a setting in the header is out of its range");
    m->width = (m->n_labels + GLIM_INTENT_LANES - 1) / GLIM_INTENT_LANES * GLIM_INTENT_LANES;
    glim_status rc = read_labels(m, r, err);
    uint64_t *keys = NULL;
    if (rc == GLIM_OK) rc = take_array(r, &keys, n_feat, sizeof *keys, "keys of features", err);
    if (rc == GLIM_OK) rc = take_array(r, &m->df, n_feat, sizeof *m->df, "counts of features", err);
    if (rc == GLIM_OK) rc = take_array(r, &m->scale, n_feat, sizeof *m->scale, "scales of features", err);
    if (rc == GLIM_OK && (n_feat > SIZE_MAX / m->n_labels || n_feat * m->n_labels != r->n - r->at))
        rc = glim_fail(err, GLIM_E_FORMAT, "weights: got %zu bytes, want %zu features of %zu labels", r->n - r->at, n_feat, m->n_labels);
    void *w = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&w, n_feat * m->width, sizeof *m->w, "weights of intents", err);
    m->w = w;
    for (size_t i = 0; rc == GLIM_OK && i < n_feat; i++) {
        uint32_t row;
        if (!in_range(m->scale[i], 0, 1e6f) || m->df[i] > m->n_docs)
            rc = glim_fail(err, GLIM_E_FORMAT, "feature %zu: scale %g or count %u is out of range", i, (double)m->scale[i], m->df[i]);
        else rc = glim_featmap_add(&m->map, keys[i], &row, err);
        if (rc == GLIM_OK && row != i) rc = glim_fail(err, GLIM_E_FORMAT, "feature %zu stands twice", i);
        for (size_t c = 0; rc == GLIM_OK && c < m->n_labels; c++)
            m->w[i * m->width + c] = (float)(int8_t)r->s[r->at + i * m->n_labels + c] * m->scale[i];
    }
    free(keys);
    return rc;
}

glim_status glim_intent_parse(glim_intent **out, const void *bytes, size_t n, glim_err *err) {
    *out = NULL;
    reader r = {.s = bytes, .n = n};
    char got[8];
    uint32_t version;
    if (!take(&r, got, sizeof got) || memcmp(got, magic, sizeof magic) != 0)
        return glim_fail(err, GLIM_E_FORMAT, "this is no file of intents: it does not begin with \"GLIMINT\"");
    if (!take(&r, &version, sizeof version)) return glim_fail(err, GLIM_E_FORMAT, "the header is cut off");
    if (version != VERSION) {
        glim_status rc = glim_fail(err, GLIM_E_UNSUPPORTED, "a file of intents of version %u, want %d", version, VERSION);
        glim_err_hint(err, "train it again: glim intent train DATA.csv -o FILE");
        return rc;
    }
    uint64_t sum;
    if (n < 20) return glim_fail(err, GLIM_E_FORMAT, "the header is cut off");
    memcpy(&sum, r.s + n - 8, 8);
    if (sum != glim_sum64(VERSION, r.s, n - 8)) {
        glim_status rc = glim_fail(err, GLIM_E_FORMAT, "the checksum does not match: the file is damaged or cut off");
        glim_err_hint(err, "train it again: glim intent train DATA.csv -o FILE");
        return rc;
    }
    r.n = n - 8;
    r.at = sizeof magic;
    glim_intent *m = glim_xcalloc(1, sizeof *m);
    glim_status rc = read_body(m, &r, err);
    if (rc == GLIM_OK) *out = m;
    else glim_intent_free(m);
    return rc;
}

glim_status glim_intent_open(glim_intent **out, const char *path, glim_err *err) {
    *out = NULL;
    glim_buf b = {0};
    glim_status rc = glim_file_read(&b, path, MAX_FILE, err);
    if (rc == GLIM_OK) {
        rc = glim_intent_parse(out, glim_buf_cstr(&b), b.len, err);
        if (rc != GLIM_OK) glim_err_context(err, "\"%s\"", path);
    }
    glim_buf_free(&b);
    return rc;
}
