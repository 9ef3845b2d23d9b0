/* cmd_perplexity.c - how well a model predicts a text.
 *
 * Windows, BOS and the scored half are llama.cpp's (tools/realmodel/README.md), so that the figures can
 * stand beside each other: the text is cut into windows of n_ctx tokens that share nothing, the first
 * token of each is replaced by BOS where the vocabulary wants one, and only the second half of a window
 * is scored. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/progress.h"

typedef struct tally {
    const int32_t *ids;
    size_t n, n_vocab, n_scored;
    double nll, nll2;
} tally;

static bool score_row(void *ctx, size_t pos, const float *logits) {
    tally *t = ctx;
    if (pos + 1 < t->n) {
        double v = -glim_log_prob(logits, t->n_vocab, t->ids[pos + 1]);
        t->nll += v;
        t->nll2 += v * v;
        t->n_scored++;
    }
    return !glim_cli_interrupt_pending();
}

int glim_cmd_perplexity(int argc, char **argv) {
    glim_model_flags mf = {0};
    int64_t chunks = 0, max_tokens = 0;
    bool json = false;
    const glim_flag own[] = {
        {"--chunks", NULL, GLIM_FLAG_INT, &chunks, "N", "only the first N windows", 1, 1 << 30},
        {"--tokens", NULL, GLIM_FLAG_INT, &max_tokens, "N", "only the first N tokens of the text", 1, 1 << 30},
        {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0},
        {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&mf), {0}};
    const glim_page u = {"glim perplexity MODEL FILE [--ctx N]",
                          "Perplexity of a text file in windows of --ctx tokens (default 512), second halves scored,\n"
                          "as llama.cpp's perplexity tool counts it. A .jsonl holds conversations ({\"messages\": [...]}),\n"
                          "which the model's template writes, or texts ({\"text\": \"...\"}).", {own, model}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 2, 2);
    if (code >= 0) return code;
    if (mf.ctx == 0) mf.ctx = 512;
    glim_err err = {0};
    if (mf.ctx < 4) {
        glim_fail(&err, GLIM_E_ARG, "--ctx: got %lld, want at least 4", (long long)mf.ctx);
        return glim_cli_error(&err);
    }
    glim_engine *e = NULL;
    glim_session s = {0};
    glim_ids ids = {0};
    glim_progress *bar = NULL;
    glim_cli_catch_interrupt();
    mf.n_logits = 64;
    glim_status rc = glim_cli_open(&e, pos.v[0], &mf, 0, false, &err);
    if (rc == GLIM_OK) rc = glim_engine_text_ids(e, pos.v[1], &ids, &err);
    if (rc == GLIM_OK) rc = glim_session_open(&s, e, &err);
    size_t n_ctx = (size_t)mf.ctx, n = ids.n;
    if (max_tokens && (size_t)max_tokens < n) n = (size_t)max_tokens;
    if (rc == GLIM_OK && n < 2 * n_ctx) {
        rc = glim_fail(&err, GLIM_E_ARG, "\"%s\" has %zu tokens, want at least %zu (two windows)", pos.v[1], n, 2 * n_ctx);
        glim_err_hint(&err, "a longer text, or a smaller --ctx");
    }
    tally t = {0};
    size_t n_chunks = n_ctx ? n / n_ctx : 0, first = n_ctx / 2;
    if (chunks && (size_t)chunks < n_chunks) n_chunks = (size_t)chunks;
    double t0 = glim_now_s();
    if (rc == GLIM_OK) bar = glim_progress_begin("perplexity", n_chunks * n_ctx, GLIM_PROGRESS_COUNT);
    for (size_t c = 0; rc == GLIM_OK && c < n_chunks && !glim_cli_interrupt_pending(); c++) {
        int32_t *window = ids.v + c * n_ctx;
        if (glim_tok_add_bos(e->tok) && glim_tok_bos(e->tok) >= 0) window[0] = glim_tok_bos(e->tok);
        t.ids = window;
        t.n = n_ctx;
        t.n_vocab = e->model->cfg.n_vocab;
        rc = glim_session_score(&s, window, n_ctx, first, score_row, &t, &err);
        glim_progress_update(bar, (c + 1) * n_ctx);
    }
    glim_progress_end(bar);
    if (rc == GLIM_OK && glim_cli_interrupted()) rc = glim_fail(&err, GLIM_E_CANCELLED, "stopped");
    if (rc == GLIM_OK) {
        double count = (double)t.n_scored, mean = t.nll / count, ppl = exp(mean), seconds = glim_now_s() - t0;
        double spread = count > 1 ? ppl * sqrt((t.nll2 / count - mean * mean) / (count - 1)) : 0;
        if (json) {
            glim_buf b = {0};
            glim_buf_puts(&b, "{\"ppl\": ");
            glim_json_put_real(&b, ppl);
            glim_buf_puts(&b, ", \"ppl_error\": ");
            glim_json_put_real(&b, spread);
            glim_buf_puts(&b, ", \"nll\": ");
            glim_json_put_real(&b, mean);
            glim_buf_printf(&b, ", \"n_tokens\": %zu, \"n_scored\": %zu, \"n_ctx\": %zu, \"seconds\": ", n_chunks * n_ctx,
                            t.n_scored, n_ctx);
            glim_json_put_real(&b, seconds);
            glim_buf_puts(&b, "}");
            puts(glim_buf_cstr(&b));
            glim_buf_free(&b);
        } else {
            printf("perplexity %.4f +/- %.4f  (%zu windows of %zu tokens, %zu scored, %.1f tokens/s)\n", ppl, spread,
                   n_chunks, n_ctx, t.n_scored, (double)(n_chunks * n_ctx) / seconds);
        }
    }
    glim_session_close(&s);
    glim_ids_free(&ids);
    glim_engine_free(e);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
