/* cmd_export.c - a GGUF as a Hugging Face folder, which transformers reads and whose weights can all be trained. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/folder.h"
#include "cli/progress.h"
#include "compress/unpack.h"

static void on_disk(void *ctx, uint64_t bytes, uint64_t room) {
    char a[2][32];
    (void)ctx;
    fprintf(stderr, "plan: at most %s on the disk, %s are free\n", glim_human_bytes(a[0], sizeof a[0], (double)bytes), glim_human_bytes(a[1], sizeof a[1], (double)room));
}

static bool show(void *ctx, uint64_t done, uint64_t total) {
    glim_progress_tell(ctx, done, total, -1, NULL);
    return !glim_cli_interrupt_pending();
}

static glim_status check_out(const char *out, bool force, glim_err *err) {
    size_t n = 0;
    if (!out) return glim_fail(err, GLIM_E_ARG, "export wants a place for the result: -o FOLDER");
    if (!glim_path_exists(out)) return GLIM_OK;
    DIR *d = opendir(out);
    if (!d) return glim_fail(err, GLIM_E_ARG, "\"%s\" exists and is no folder", out);
    while (readdir(d)) n++;
    closedir(d);
    return n <= 2 || force ? GLIM_OK : glim_fail(err, GLIM_E_ARG, "folder \"%s\" is not empty; --force writes into it", out);
}

static glim_status type_of(int *type, const char *name, glim_err *err) {
    static const struct {
        const char *name;
        glim_dtype type;
    } types[] = {{"f32", GLIM_F32}, {"f16", GLIM_F16}, {"bf16", GLIM_BF16}};
    *type = -1;
    for (size_t i = 0; name && i < GLIM_COUNT(types); i++)
        if (strcmp(name, types[i].name) == 0) *type = (int)types[i].type;
    return !name || *type >= 0 ? GLIM_OK : glim_fail(err, GLIM_E_ARG, "--type: got \"%s\", a folder's weights are f32, f16 or bf16", name);
}

int glim_cmd_export(int argc, char **argv) {
    const char *out = NULL, *type = NULL;
    int64_t shard_mb = 5000;
    bool force = false, json = false;
    const glim_flag flags[] = {
        {"--output", "-o", GLIM_FLAG_STR, &out, "FOLDER", "a new folder", 0, 0},
        {"--type", NULL, GLIM_FLAG_STR, &type, "T", "f32, f16 or bf16 for all weights (default: as stored; what has fewer bits as f32, which loses nothing)", 0, 0},
        {"--shard", NULL, GLIM_FLAG_INT, &shard_mb, "MB", "largest .safetensors file (default 5000)", 1, 1 << 24},
        {"--force", NULL, GLIM_FLAG_BOOL, &force, NULL, "write into FOLDER if it is not empty: a model in it goes, other files stay", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0},
        {0}};
    const glim_page u = {"glim export MODEL.gguf -o FOLDER",
                         "Writes a GGUF as a Hugging Face folder: weights, config.json, tokenizer.json, chat template. transformers reads\n"
                         "it, and `glim tune --full` trains all its weights. Dense models: GLM-4, GLM-4-0414, Llama, Qwen2, Qwen3.\n"
                         "inner:glim-nano is the model inside the program.", {flags}};
    glim_str_list pos = {0};
    const int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    const double t0 = glim_now_s();
    glim_err err = {0};
    glim_unpack_result r = {0};
    glim_unpack_params p = {.shard_bytes = (uint64_t)shard_mb << 20, .on_disk = on_disk, .progress = show};
    glim_cli_catch_interrupt();
    glim_status rc = check_out(out, force, &err);
    if (rc == GLIM_OK) rc = type_of(&p.type, type, &err);
    if (rc == GLIM_OK) {
        glim_progress *bar = p.ctx = glim_progress_begin("writing", 0, GLIM_PROGRESS_BYTES);
        rc = glim_unpack(pos.v[0], out, &p, &r, &err);
        glim_progress_end(bar);
    }
    if (rc == GLIM_OK) {
        glim_buf b = {0};
        char size[32];
        if (json) {
            glim_buf_puts(&b, "{\"out\": ");
            glim_json_put_str(&b, out, strlen(out));
            glim_buf_printf(&b, ", \"class\": \"%s\", \"tensors\": %zu, \"bytes\": %llu, \"seconds\": ", r.class_name, r.n_tensors, (unsigned long long)r.bytes);
            glim_json_put_real(&b, glim_now_s() - t0);
            glim_buf_puts(&b, "}\n");
        } else
            glim_buf_printf(&b, "%s: %s, %zu tensors, %s, %.1f s\n", out, r.class_name, r.n_tensors, glim_human_bytes(size, sizeof size, (double)r.bytes), glim_now_s() - t0);
        rc = glim_cli_put(&b, &err);
        glim_buf_free(&b);
    }
    return glim_cli_end(rc, &err);
}
