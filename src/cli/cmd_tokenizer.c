/* cmd_tokenizer.c - glim tokenizer train: a vocabulary learnt from a company's own texts.
 *
 * Corpora are plain text, or .jsonl files whose rows have "text". They are mapped and fed in parts that end where lines
 * end, so memory holds the different pieces of text and not the text. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/folder.h"
#include "cli/progress.h"
#include "text/bpe_train.h"
#include "text/tok_internal.h"
#include "train/data_rows.h"

enum { PART_BYTES = 16 << 20 };

typedef struct feeder {
    glim_bpe_trainer *t;
    glim_progress *bar;
    const char *base;
    uint64_t before; /* bytes of the files before this one */
} feeder;

static glim_status stopped(glim_err *err) {
    return glim_cli_interrupt_pending() ? glim_fail(err, GLIM_E_CANCELLED, "stopped") : GLIM_OK;
}

static glim_status feed_row(void *ctx, size_t line, const char *text, size_t len, glim_err *err) {
    feeder *f = ctx;
    json_t *row;
    glim_status rc = glim_json_parse(&row, text, len, 0, err);
    const json_t *v = rc == GLIM_OK ? json_object_get(row, "text") : NULL;
    if (rc == GLIM_OK && !json_is_string(v)) rc = glim_fail(err, GLIM_E_FORMAT, "\"text\": got %s, want a string", glim_json_type_name(v));
    if (rc == GLIM_OK) rc = glim_bpe_trainer_feed(f->t, json_string_value(v), json_string_length(v), err);
    if (rc != GLIM_OK) glim_err_context(err, "line %zu", line);
    json_decref(row);
    glim_progress_update(f->bar, f->before + (uint64_t)(text + len - f->base));
    return rc == GLIM_OK ? stopped(err) : rc;
}

static glim_status feed_file(feeder *f, const char *path, glim_err *err) {
    glim_map m = {0};
    glim_status rc = glim_map_open(&m, path, err);
    if (rc != GLIM_OK) return rc;
    const char *s = (const char *)m.data;
    size_t n = strlen(path);
    f->base = s;
    if (n > 6 && strcasecmp(path + n - 6, ".jsonl") == 0) rc = glim_rows_each(s, m.size, feed_row, f, err);
    else if (glim_utf8_foreign(s, m.size < 65536 ? m.size : 65536)) {
        rc = glim_fail(err, GLIM_E_FORMAT, "the text is not UTF-8");
        glim_err_hint(err, "turn it first, for instance: iconv -f GB18030 -t UTF-8 \"%s\" > utf8.txt", path);
    } else
        for (size_t at = 0; at < m.size && rc == GLIM_OK;) {
            size_t left = m.size - at, part = left;
            if (left > PART_BYTES) {
                part = glim_bpe_train_cut(s + at, PART_BYTES);
                if (part == 0) part = glim_utf8_whole(s + at, PART_BYTES); /* 16 MiB without a line end */
            }
            rc = glim_bpe_trainer_feed(f->t, s + at, part, err);
            glim_map_drop(&m, at, part);
            at += part;
            glim_progress_update(f->bar, f->before + at);
            if (rc == GLIM_OK) rc = stopped(err);
        }
    if (rc != GLIM_OK && rc != GLIM_E_CANCELLED) glim_err_context(err, "%s", path);
    f->before += m.size;
    glim_map_close(&m);
    return rc;
}

static bool on_merges(void *ctx, size_t done, size_t total) {
    glim_progress_tell(ctx, done, total, -1, NULL);
    return !glim_cli_interrupt_pending();
}

static glim_status write_files(const glim_bpe_trainer *t, const char *dir, glim_err *err) {
    static const struct {
        const char *name;
        glim_status (*make)(const glim_bpe_trainer *, glim_buf *, glim_err *);
    } files[] = {{"tokenizer.json", glim_bpe_trainer_json}, {"tokenizer_config.json", glim_bpe_trainer_config_json}};
    glim_status rc = glim_mkdirs(dir, err);
    for (size_t i = 0; i < GLIM_COUNT(files) && rc == GLIM_OK; i++) {
        glim_buf b = {0};
        char *path = glim_path_join(dir, files[i].name);
        rc = files[i].make(t, &b, err);
        if (rc == GLIM_OK) rc = glim_file_write_atomic(path, b.s, b.len, err);
        free(path);
        glim_buf_free(&b);
    }
    if (rc != GLIM_OK) return rc;
    glim_tok *tok = NULL; /* what was written is what can be read */
    rc = glim_tok_open(&tok, dir, err);
    if (rc != GLIM_OK) glim_err_context(err, "reading the new tokenizer back");
    glim_tok_free(tok);
    return rc;
}

static glim_status report(const glim_bpe_trainer *t, const char *dir, size_t asked, double seconds, bool json, glim_err *err) {
    double tokens = (double)glim_bpe_trainer_tokens(t), bytes = (double)glim_bpe_trainer_bytes(t);
    glim_buf b = {0};
    if (json) {
        glim_buf_printf(&b, "{\"vocab\": %zu, \"merges\": %zu, \"pieces\": %zu, \"bytes\": %.0f, \"tokens\": %.0f, \"bytes_per_token\": ",
                        glim_bpe_trainer_n_vocab(t), glim_bpe_trainer_n_merges(t), glim_bpe_trainer_n_pieces(t), bytes, tokens);
        glim_json_put_real(&b, tokens > 0 ? bytes / tokens : 0);
        glim_buf_puts(&b, ", \"seconds\": ");
        glim_json_put_real(&b, seconds);
        glim_buf_puts(&b, "}\n");
    } else {
        glim_buf_printf(&b, "%s: %zu tokens, %zu merges, from %.1f MB in %.1f s (%zu different pieces); the corpus has %.3f bytes a token\n", dir,
                        glim_bpe_trainer_n_vocab(t), glim_bpe_trainer_n_merges(t), bytes / 1e6, seconds, glim_bpe_trainer_n_pieces(t),
                        tokens > 0 ? bytes / tokens : 0);
        if (glim_bpe_trainer_n_vocab(t) < asked)
            glim_buf_printf(&b, "fewer than the %zu asked for: the corpus has no further pair that is frequent enough\n", asked);
    }
    return glim_cli_put(&b, err);
}

static int cmd_train(int argc, char **argv) {
    int64_t vocab = 32000, min_count = 2;
    const char *out = NULL, *pattern = "glm";
    glim_str_list special = {0}, pos = {0};
    bool json = false, no_special = false;
    const glim_flag flags[] = {
        {"--output", "-o", GLIM_FLAG_STR, &out, "DIR", "folder for tokenizer.json and tokenizer_config.json", 0, 0},
        {"--vocab", NULL, GLIM_FLAG_INT, &vocab, "N", "tokens in all, special ones included (default 32000)", 256, GLIM_BPE_MAX_IDS},
        {"--min-count", NULL, GLIM_FLAG_INT, &min_count, "N", "rarer pairs are not merged (default 2)", 1, INT64_MAX},
        {"--special", NULL, GLIM_FLAG_LIST, &special, "TEXT", "a control token, repeatable (default: those of GLM-4)", 0, 0},
        {"--no-special", NULL, GLIM_FLAG_BOOL, &no_special, NULL, "no control tokens at all", 0, 0},
        {"--pattern", NULL, GLIM_FLAG_STR, &pattern, "P", "how text is cut: glm, qwen2 or gpt2 (default glm)", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0},
        {0}};
    const glim_page u = {"glim tokenizer train CORPUS... -o DIR --vocab N",
                          "Learns a byte-level BPE vocabulary. A corpus is a text file, or a .jsonl file whose rows have \"text\".",
                          {flags}};
    int code = glim_args(argc, argv, &u, &pos, 1, GLIM_COUNT(pos.v));
    if (code >= 0) return code;
    glim_err err = {0};
    glim_status rc = GLIM_OK;
    const char *re = strcmp(pattern, "glm") == 0 ? GLIM_TOK_RE_GLM : strcmp(pattern, "qwen2") == 0 ? GLIM_TOK_RE_QWEN2
                                                                 : strcmp(pattern, "gpt2") == 0    ? GLIM_TOK_RE_GPT2 : NULL;
    if (!re) rc = glim_fail(&err, GLIM_E_ARG, "--pattern: got \"%s\", want glm, qwen2 or gpt2", pattern);
    else if (!out) rc = glim_fail(&err, GLIM_E_ARG, "tokenizer train wants a folder for its files: -o DIR");
    static const char *const none[1];
    const char *const *given = no_special ? none : special.n ? (const char *const *)special.v : NULL;
    glim_bpe_train_params p = {.n_vocab = (size_t)vocab, .min_count = (uint64_t)min_count, .pattern = re, .special = given,
                               .n_special = no_special ? 0 : special.n, .progress = on_merges};
    uint64_t total = 0;
    for (size_t i = 0; i < pos.n && rc == GLIM_OK; i++) {
        glim_map m = {0};
        rc = glim_map_open(&m, pos.v[i], &err);
        total += m.size;
        glim_map_close(&m);
    }
    glim_cli_catch_interrupt();
    double t0 = glim_now_s();
    feeder f = {0};
    if (rc == GLIM_OK) f.bar = glim_progress_begin("counting", total, GLIM_PROGRESS_BYTES);
    if (rc == GLIM_OK) {
        p.progress_ctx = NULL;
        rc = glim_bpe_trainer_new(&f.t, &p, &err);
    }
    for (size_t i = 0; i < pos.n && rc == GLIM_OK; i++) rc = feed_file(&f, pos.v[i], &err);
    glim_progress_end(f.bar);
    if (rc == GLIM_OK && total == 0) rc = glim_fail(&err, GLIM_E_ARG, "the corpus is empty");
    if (rc == GLIM_OK) rc = glim_bpe_trainer_run(f.t, &err);
    if (rc == GLIM_OK) rc = write_files(f.t, out, &err);
    if (rc == GLIM_OK) rc = report(f.t, out, (size_t)vocab, glim_now_s() - t0, json, &err);
    glim_bpe_trainer_free(f.t);
    return glim_cli_end(rc, &err);
}

int glim_cmd_tokenizer(int argc, char **argv) {
    static const glim_subverb subs[] = {{"train", "learn a byte-level BPE vocabulary from texts", cmd_train}};
    return glim_cli_subverb(argc, argv, "tokenizer", "Vocabularies.", subs, GLIM_COUNT(subs), NULL);
}
