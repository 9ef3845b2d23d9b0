/* jobs_result.c - what a job leaves: its metrics as CSV and its adapter, as files that the API gives out.
 *
 * The adapter's two files are contents of the store as well, so that a backup has them; the folder from which it is
 * served holds links to those. Done again after a kill in the middle, the same files are found by their `once`. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "serve/jobs.h"
#include "store/blobs.h"

static void put(glim_buf *b, const json_t *v) {
    if (json_is_integer(v)) glim_buf_printf(b, "%lld", (long long)json_integer_value(v));
    else if (json_is_number(v)) glim_json_put_real(b, json_real_value(v));
}

static glim_status metrics_csv(glim_buf *out, const char *path, bool private, glim_err *err) {
    static const char *const keys[] = {"step", "loss", "accuracy", "eval_loss", NULL, "rate", "tokens", "epsilon"};
    const size_t n_keys = GLIM_COUNT(keys) - !private;
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (!f) return glim_fail(err, GLIM_E_IO, "could not open \"%s\"", path);
    glim_buf_puts(out, "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,learning_rate,tokens");
    glim_buf_puts(out, private ? ",epsilon\n" : "\n");
    while ((n = getline(&line, &cap, f)) > 0) {
        json_t *v = NULL;
        if (glim_json_parse(&v, line, (size_t)n, 0, NULL) != GLIM_OK) continue;
        for (size_t i = 0; i < n_keys; i++) {
            if (i) glim_buf_puts(out, ",");
            if (keys[i]) put(out, json_object_get(v, keys[i]));
        }
        glim_buf_puts(out, "\n");
        json_decref(v);
    }
    free(line);
    fclose(f);
    return glim_buf_status(out, "the metrics", err);
}

static glim_status finish(const glim_job *j, glim_upload *u, const char *name, glim_file *f, glim_err *err) {
    char once[2 * GLIM_STORE_ID];
    snprintf(once, sizeof once, "%s/%.40s", j->id, name);
    return glim_upload_finish(u, &(glim_file_params){.tenant = j->tenant, .name = name, .purpose = "fine-tune-results", .once = once, .actor = "glim"}, f, err);
}

static glim_status keep_bytes(glim_server *s, const glim_job *j, const char *name, const glim_buf *b, glim_file *f, glim_err *err) {
    glim_upload *u;
    glim_status rc = glim_upload_begin(s->store, INT64_MAX, &u, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_upload_write(u, b->s, b->len, err);
    if (rc == GLIM_OK) return finish(j, u, name, f, err);
    glim_upload_cancel(u);
    return rc;
}

/* A copy, of which the original then becomes a link. */
static glim_status keep_file(glim_server *s, const glim_job *j, const char *run, const char *name, glim_file *f, glim_err *err) {
    char *path = glim_path_join(run, name), *blob = NULL, *tmp = glim_path_join(run, "new.tmp");
    glim_map m;
    glim_upload *u = NULL;
    glim_status rc = glim_map_open(&m, path, err);
    if (rc == GLIM_OK) {
        rc = glim_upload_begin(s->store, INT64_MAX, &u, err);
        if (rc == GLIM_OK) rc = glim_upload_write(u, m.data, m.size, err);
        if (rc == GLIM_OK) {
            rc = finish(j, u, name, f, err);
            u = NULL;
        }
        glim_map_close(&m);
    }
    glim_upload_cancel(u);
    if (rc == GLIM_OK) {
        blob = glim_blob_path(glim_store_dir(s->store), f->sha256);
        unlink(tmp);
        if (link(blob, tmp) == 0 && rename(tmp, path) != 0) unlink(tmp); /* two copies then */
    }
    free(blob);
    free(tmp);
    free(path);
    return rc;
}

glim_status glim_job_keep_files(glim_server *s, const glim_job *j, json_t *result_files, char *config_id, char *weights_id, glim_err *err) {
    char *dir = glim_jobs_dir(s, j->id), *run = glim_path_join(dir, "run"), *metrics = glim_path_join(run, "metrics.jsonl");
    glim_buf csv = {0};
    glim_file f[3];
    json_t *spec = NULL;
    glim_status rc = glim_json_parse(&spec, j->spec, strlen(j->spec), 0, err);
    if (rc == GLIM_OK) rc = metrics_csv(&csv, metrics, json_is_string(json_object_get(spec, "privacy_set")), err);
    json_decref(spec);
    if (rc == GLIM_OK) rc = keep_bytes(s, j, "step_metrics.csv", &csv, &f[0], err);
    if (rc == GLIM_OK) rc = keep_file(s, j, run, "adapter_model.safetensors", &f[1], err);
    if (rc == GLIM_OK) rc = keep_file(s, j, run, "adapter_config.json", &f[2], err);
    for (int i = 0; i < 3 && rc == GLIM_OK; i++) json_array_append_new(result_files, json_string(f[i].id));
    if (rc == GLIM_OK) {
        memcpy(weights_id, f[1].id, sizeof f[1].id);
        memcpy(config_id, f[2].id, sizeof f[2].id);
    }
    glim_buf_free(&csv);
    free(metrics);
    free(run);
    free(dir);
    return rc;
}
