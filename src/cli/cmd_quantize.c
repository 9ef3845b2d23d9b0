/* cmd_quantize.c - a model into a GGUF of fewer bits, and what that cost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "compress/quality.h"
#include "compress/quantize.h"

typedef struct quant_flags {
    const char *type, *embedding, *output, *calibrate, *report;
    glim_str_list tensor;
    int64_t threads, calibrate_tokens, report_tokens, report_ctx;
    double feedback_gib;
    bool mtp, force, json, feedback;
} quant_flags;

static bool show_bytes(void *ctx, uint64_t done, uint64_t total, const char *tensor) {
    glim_progress_tell(ctx, done, total, -1, tensor);
    return !glim_cli_interrupt_pending();
}

static bool show_tokens(void *ctx, size_t done, size_t total) {
    glim_progress_tell(ctx, done, total, -1, NULL);
    return !glim_cli_interrupt_pending();
}

static void show_plan(void *ctx, size_t n_passes, uint64_t bytes) {
    (void)ctx;
    char size[32];
    fprintf(stderr, "error feedback: %zu pass%s over the text, moments of pairs of columns in %s\n", n_passes,
            n_passes == 1 ? "" : "es", glim_human_bytes(size, sizeof size, (double)bytes));
}

static void put_pair(glim_buf *b, const char *name, double v) {
    glim_buf_printf(b, ", \"%s\": ", name);
    glim_json_put_real(b, v);
}

static void print_json(const quant_flags *f, const glim_quantize_result *r, size_t n_calibration, const glim_quality *q,
                       const char *out, double seconds) {
    glim_buf b = {0};
    glim_buf_puts(&b, "{\"file\": ");
    glim_json_put_str(&b, out, strlen(out));
    glim_buf_puts(&b, ", \"type\": ");
    glim_json_put_str(&b, f->type, strlen(f->type));
    glim_buf_printf(&b, ", \"n_tensors\": %zu, \"n_values\": %llu, \"bytes\": %llu, \"source_bytes\": %llu", r->n_tensors,
                    (unsigned long long)r->n_values, (unsigned long long)r->bytes_out, (unsigned long long)r->bytes_in);
    put_pair(&b, "bits_per_value", r->bits_per_value);
    glim_buf_printf(&b, ", \"n_fell_back\": %zu, \"n_weighted\": %zu, \"n_feedback\": %zu, \"n_passes\": %zu, \"n_resumed\": %zu, \"calibration_tokens\": %zu",
                    r->n_fell_back, r->n_weighted, r->n_feedback, r->n_passes, r->n_resumed, n_calibration);
    put_pair(&b, "seconds", seconds);
    glim_buf_puts(&b, ", \"types\": {");
    bool first = true;
    for (int t = 0; t < GLIM_N_DTYPE; t++) {
        if (!r->types[t].n) continue;
        glim_buf_printf(&b, "%s\"%s\": {\"tensors\": %zu, \"bytes\": %llu}", first ? "" : ", ",
                        glim_dtype_of((glim_dtype)t)->name, r->types[t].n, (unsigned long long)r->types[t].bytes);
        first = false;
    }
    glim_buf_puts(&b, "}");
    if (q) {
        glim_buf_printf(&b, ", \"report\": {\"n_scored\": %zu, \"n_ctx\": %zu", q->n_scored, q->n_ctx);
        put_pair(&b, "ppl_source", q->ppl_source);
        put_pair(&b, "ppl_result", q->ppl_result);
        put_pair(&b, "kl_mean", q->kl_mean);
        put_pair(&b, "kl_error", q->kl_error);
        put_pair(&b, "kl_median", q->kl_median);
        put_pair(&b, "kl_99", q->kl_99);
        put_pair(&b, "kl_max", q->kl_max);
        put_pair(&b, "top1", q->top1);
        glim_buf_printf(&b, ", \"source_int8\": %s, \"result_int8\": %s, \"same_tokens\": %s}", q->source_int8 ? "true" : "false",
                        q->result_int8 ? "true" : "false", q->same_tokens ? "true" : "false");
    }
    glim_buf_puts(&b, "}");
    puts(glim_buf_cstr(&b));
    glim_buf_free(&b);
}

static void print_text(const glim_quantize_result *r, size_t n_calibration, const glim_quality *q, const char *out) {
    char size[32], from[32];
    printf("%s: %s, %.3f bits per weight (source %s), %zu tensors\n", out,
           glim_human_bytes(size, sizeof size, (double)r->bytes_out), r->bits_per_value,
           glim_human_bytes(from, sizeof from, (double)r->bytes_in), r->n_tensors);
    for (int t = 0; t < GLIM_N_DTYPE; t++)
        if (r->types[t].n)
            printf("  %-7s %5zu tensors  %s\n", glim_dtype_of((glim_dtype)t)->name, r->types[t].n,
                   glim_human_bytes(size, sizeof size, (double)r->types[t].bytes));
    if (r->n_fell_back)
        printf("  %zu tensors have rows that the type's blocks do not divide: the next larger type of 32 values, or "
               "16 bits\n", r->n_fell_back);
    if (n_calibration) printf("  importances from %zu tokens, used for %zu tensors\n", n_calibration, r->n_weighted);
    if (r->n_feedback) printf("  error feedback in %zu tensors, %zu pass%s over the text\n", r->n_feedback, r->n_passes, r->n_passes == 1 ? "" : "es");
    if (r->n_resumed) printf("  %zu tensors were taken over from an interrupted run\n", r->n_resumed);
    if (!q) return;
    printf("perplexity     source %.4f, result %.4f (%+.2f %%)\n", q->ppl_source, q->ppl_result,
           100 * (q->ppl_result / q->ppl_source - 1));
    printf("KL divergence  mean %.6f +/- %.6f, median %.6f, 99 %% %.6f, max %.6f\n", q->kl_mean, q->kl_error,
           q->kl_median, q->kl_99, q->kl_max);
    printf("same top token %.2f %% of %zu positions (%zu windows of %zu)\n", 100 * q->top1, q->n_scored, q->n_windows,
           q->n_ctx);
    if (!q->same_tokens) printf("warning: the two tokenizers cut this text differently\n");
    if (q->source_int8) printf("warning: the source does not fit in memory: these figures are against its weights in int8 (q8_0)\n");
    if (q->result_int8) printf("warning: the result does not fit in memory beside the source: it was compared in int8 (q8_0)\n");
}

static glim_status calibrate(glim_importance **out, const char *in, const quant_flags *f, glim_err *err) {
    glim_progress *bar = glim_progress_begin("calibrating", 0, GLIM_PROGRESS_COUNT);
    glim_calibrate_params p = {.max_tokens = (size_t)f->calibrate_tokens, .n_threads = (int)f->threads,
                               .whole = f->feedback, .limit_bytes = (uint64_t)(f->feedback_gib * 1073741824.0), .progress = show_tokens, .progress_ctx = bar};
    glim_status rc = glim_importance_gather(out, in, f->calibrate, &p, err);
    glim_progress_end(bar);
    return rc;
}

static glim_status quantize(const char *in, const char *out, const quant_flags *f, const glim_recipe *recipe,
                            glim_importance *im, glim_quantize_result *r, glim_err *err) {
    glim_progress *bar = glim_progress_begin("quantizing", 0, GLIM_PROGRESS_BYTES);
    glim_quantize_params p = {.recipe = recipe,
                              .wish = {f->embedding, f->output, f->tensor.v, f->tensor.n},
                              .importance = im, .keep_mtp = f->mtp, .overwrite = f->force,
                              .n_threads = (int)f->threads, .planned = show_plan, .progress = show_bytes, .progress_ctx = bar};
    glim_status rc = glim_quantize(in, out, &p, r, err);
    glim_progress_end(bar);
    return rc;
}

static glim_status report(const char *in, const char *out, const quant_flags *f, glim_quality *q, glim_err *err) {
    glim_progress *bar = glim_progress_begin("comparing", 0, GLIM_PROGRESS_COUNT);
    glim_quality_params p = {.n_ctx = (size_t)f->report_ctx, .max_tokens = (size_t)f->report_tokens,
                             .n_threads = (int)f->threads, .progress = show_tokens, .progress_ctx = bar};
    glim_status rc = glim_quality_compare(q, in, out, f->report, &p, err);
    glim_progress_end(bar);
    if (rc != GLIM_OK) glim_err_context(err, "\"%s\" is written; the report failed", out);
    return rc;
}

int glim_cmd_quantize(int argc, char **argv) {
    quant_flags f = {.type = "q4_k_m"};
    const glim_flag own[] = {
        {"--type", NULL, GLIM_FLAG_STR, &f.type, "T", "recipe: q4_k_m (default), q4_k_s, q5_k_m, q5_k_s, q6_k, q8_0, q4_0, q4_1, q5_0, q5_1, iq4_nl, iq4_xs, q3_k_m, q3_k_s, q2_k, f16, bf16, f32", 0, 0},
        {"--tensor", NULL, GLIM_FLAG_LIST, &f.tensor, "PATTERN=TYPE", "type of tensors by GGUF name (blk.*.ffn_down.weight=q6_k); repeatable, the last that fits wins", 0, 0},
        {"--output-type", NULL, GLIM_FLAG_STR, &f.output, "T", "type of the head (default: q6_k, q8_0 with q8_0)", 0, 0},
        {"--embedding-type", NULL, GLIM_FLAG_STR, &f.embedding, "T", "type of the embedding (default: the recipe's own; the head's if it is both)", 0, 0},
        {"--calibrate", NULL, GLIM_FLAG_STR, &f.calibrate, "FILE", "weigh errors by the activations that this text causes; a .jsonl holds conversations ({\"messages\": [...]}) or texts ({\"text\": \"...\"})", 0, 0},
        {"--feedback", NULL, GLIM_FLAG_BOOL, &f.feedback, NULL, "with --calibrate: let later columns make up for the rounding of earlier ones", 0, 0},
        {"--feedback-memory", NULL, GLIM_FLAG_REAL, &f.feedback_gib, "GIB", "memory for what --feedback learns at once; less of it is more passes over the text and the same file (default: most of what is free)", 0, 0},
        {"--calibrate-tokens", NULL, GLIM_FLAG_INT, &f.calibrate_tokens, "N", "only the first N tokens of it", 16, 1 << 30},
        {"--report", NULL, GLIM_FLAG_STR, &f.report, "FILE", "compare the result with the source on this text, or .jsonl as for --calibrate", 0, 0},
        {"--report-tokens", NULL, GLIM_FLAG_INT, &f.report_tokens, "N", "only the first N tokens of it", 1, 1 << 30},
        {"--report-ctx", NULL, GLIM_FLAG_INT, &f.report_ctx, "N", "tokens of a window (default 512)", 4, 1 << 20},
        {"--mtp", NULL, GLIM_FLAG_BOOL, &f.mtp, NULL, "keep the layers that predict further tokens (default: dropped)", 0, 0},
        {"--force", NULL, GLIM_FLAG_BOOL, &f.force, NULL, "replace OUT.gguf if it exists", 0, 0},
        {"--threads", "-t", GLIM_FLAG_INT, &f.threads, "N", "threads (default: all this process may use)", 1, 1024},
        {"--json", NULL, GLIM_FLAG_BOOL, &f.json, NULL, "one JSON object on stdout", 0, 0},
        {0}};
    const glim_page u = {"glim quantize IN OUT.gguf [--type T] [--calibrate FILE] [--report FILE]",
                          "Writes a Hugging Face folder or a GGUF as a GGUF of another type, which llama.cpp reads too. An\n"
                          "interrupted run goes on where it was when the same command is given again.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    glim_err err = {0};
    const glim_recipe *recipe;
    glim_importance *im = NULL;
    glim_quantize_result r = {0};
    glim_quality q;
    double t0 = glim_now_s(), seconds = 0;
    glim_cli_catch_interrupt();
    glim_status rc = glim_recipe_find(&recipe, f.type, &err);
    if (rc == GLIM_OK && f.feedback && !f.calibrate)
        rc = glim_fail(&err, GLIM_E_ARG, "--feedback needs a text to learn from: --calibrate FILE");
    if (rc == GLIM_OK && !(f.feedback_gib >= 0 && f.feedback_gib <= 1 << 20))
        rc = glim_fail(&err, GLIM_E_ARG, "--feedback-memory: got %g, want GiB", f.feedback_gib);
    if (rc == GLIM_OK && f.calibrate) rc = calibrate(&im, pos.v[0], &f, &err);
    if (rc == GLIM_OK) rc = quantize(pos.v[0], pos.v[1], &f, recipe, im, &r, &err);
    seconds = glim_now_s() - t0;
    bool judged = rc == GLIM_OK && f.report;
    if (judged) rc = report(pos.v[0], pos.v[1], &f, &q, &err);
    if (rc == GLIM_OK && f.json) print_json(&f, &r, glim_importance_n_tokens(im), judged ? &q : NULL, pos.v[1], seconds);
    else if (rc == GLIM_OK) print_text(&r, glim_importance_n_tokens(im), judged ? &q : NULL, pos.v[1]);
    glim_importance_free(im);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
