/* curve.c - see curve.h. */
#include "train/curve.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

glim_status glim_curve_open(FILE **out, const char *folder, size_t steps, bool secret, glim_err *err) {
    char *path = glim_path_join(folder, "metrics.jsonl");
    glim_buf b = {0};
    glim_status rc = GLIM_OK;
    size_t keep = 0;
    if (steps > 0 && glim_path_exists(path)) {
        rc = glim_file_read(&b, path, (size_t)1 << 30, err);
        for (size_t line = 0; rc == GLIM_OK && keep < b.len && line < steps; line++) {
            const char *end = memchr(b.s + keep, '\n', b.len - keep);
            if (!end) break;
            keep = (size_t)(end - b.s) + 1;
        }
    }
    if (rc == GLIM_OK) rc = secret ? glim_file_write_secret(path, glim_buf_cstr(&b), keep, err) : glim_file_write_atomic(path, glim_buf_cstr(&b), keep, err);
    if (rc == GLIM_OK && !(*out = fopen(path, "ae"))) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not open \"%s\"", path);
    glim_buf_free(&b);
    free(path);
    return rc;
}

static void put_number(glim_buf *b, const char *name, double v) {
    glim_buf_printf(b, ", \"%s\": ", name);
    glim_json_put_real(b, v);
}

glim_status glim_curve_write(FILE *f, const char *folder, const glim_tune_step *s, glim_err *err) {
    glim_buf b = {0};
    glim_buf_printf(&b, "{\"step\": %zu", s->step);
    put_number(&b, "loss", s->loss);
    put_number(&b, "rate", s->rate);
    put_number(&b, "norm", s->norm);
    if (s->accuracy >= 0) put_number(&b, "accuracy", s->accuracy);
    if (s->balance > 0) put_number(&b, "balance", s->balance);
    if (s->imbalance > 0) put_number(&b, "imbalance", s->imbalance);
    if (!isnan(s->eval_loss)) put_number(&b, "eval_loss", s->eval_loss);
    if (!isnan(s->epsilon)) {
        put_number(&b, "epsilon", s->epsilon);
        put_number(&b, "cut_share", s->cut_share);
        glim_buf_printf(&b, ", \"examples\": %zu", s->n_examples);
    }
    if (!isnan(s->eval_accuracy)) put_number(&b, "eval_accuracy", s->eval_accuracy);
    glim_buf_printf(&b, ", \"tokens\": %zu, \"targets\": %zu", s->n_tokens, s->n_targets);
    put_number(&b, "seconds", s->seconds);
    put_number(&b, "tokens_per_s", s->tokens_per_s);
    glim_buf_puts(&b, "}\n");
    glim_status rc = glim_buf_status(&b, "a line of metrics", err);
    if (rc == GLIM_OK && (fwrite(b.s, 1, b.len, f) != b.len || fflush(f) != 0))
        rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not write \"%s/metrics.jsonl\"", folder);
    glim_buf_free(&b);
    return rc;
}
