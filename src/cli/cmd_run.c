/* cmd_run.c - one prompt, one answer: for shells and scripts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/answer.h"
#include "cli/inner.h"
#include "model/adapter.h"

typedef struct run_flags {
    glim_model_flags model;
    glim_sample_flags sample;
    const char *prompt, *system, *thinking, *tools_file, *adapter;
    json_t *tools;
    bool raw, special, json, stats, no_stop;
} run_flags;

static glim_status read_stdin(glim_buf *out, glim_err *err) {
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0) {
        glim_buf_append(out, chunk, n);
        if (out->len > (size_t)64 << 20)
            return glim_fail(err, GLIM_E_LIMIT, "the prompt on stdin is longer than 64 MiB");
    }
    if (ferror(stdin)) return glim_fail(err, GLIM_E_IO, "could not read the prompt from stdin");
    if (out->len > 0 && out->s[out->len - 1] == '\n') out->s[--out->len] = 0; /* as a shell adds it */
    return glim_buf_status(out, "the prompt", err);
}

/* The ids to continue: the text itself, or the conversation it opens. */
static glim_status make_prompt(const run_flags *f, const glim_engine *e, const char *text, size_t len, int thinking,
                               glim_prompt *prompt, glim_ids *ids, glim_err *err) {
    if (f->raw) /* the family's prefix, which is bos where a file asks for one, comes first exactly once */
        return glim_tok_encode(e->tok, text, len, GLIM_TOK_PREFIX | (f->special ? GLIM_TOK_SPECIAL : 0), ids, err);
    if (!glim_utf8_valid(text, len)) return glim_fail(err, GLIM_E_ARG, "the prompt is not valid UTF-8");
    if (f->system && !glim_utf8_valid(f->system, strlen(f->system)))
        return glim_fail(err, GLIM_E_ARG, "the system message is not valid UTF-8");
    json_t *messages = json_array();
    if (f->system) json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", f->system));
    json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", "user", "content", text, len));
    glim_status rc = glim_chat_render(prompt, e->chat, messages, f->tools, &(glim_chat_options){.thinking = thinking}, err);
    if (rc == GLIM_OK) rc = glim_prompt_encode(prompt, e->tok, ids, err);
    json_decref(messages);
    return rc;
}

static void put_ids(glim_buf *b, const int32_t *v, size_t n) {
    glim_buf_putc(b, '[');
    for (size_t i = 0; i < n; i++) glim_buf_printf(b, i ? ", %d" : "%d", v[i]);
    glim_buf_putc(b, ']');
}

static void put_rate(glim_buf *b, const char *key, double n, double seconds) {
    glim_buf_printf(b, ", \"%s\": ", key);
    glim_json_put_real(b, seconds > 0 ? n / seconds : 0);
}

static void print_json(const glim_gen_result *r, const glim_ids *prompt, const glim_answer *a, bool raw,
                       uint64_t seed, double load_s) {
    glim_buf b = {0}, clean = {0};
    const glim_buf *text = raw ? &r->text : &a->reply.content;
    glim_utf8_sanitize(&clean, glim_buf_cstr(text), text->len);
    glim_buf_puts(&b, "{\"text\": ");
    glim_json_put_str(&b, glim_buf_cstr(&clean), clean.len);
    if (!raw) {
        json_t *m = glim_answer_message(a);
        glim_buf_puts(&b, ", \"message\": ");
        glim_json_dump_py(&b, m, -1, false);
        json_decref(m);
    }
    glim_buf_puts(&b, ", \"prompt_ids\": ");
    put_ids(&b, prompt->v, prompt->n);
    glim_buf_puts(&b, ", \"ids\": ");
    put_ids(&b, r->ids.v, r->ids.n);
    glim_buf_printf(&b, ", \"finish_reason\": \"%s\", \"seed\": %llu, \"prompt_tokens\": %zu, \"completion_tokens\": %zu",
                    glim_finish_name(r->finish), (unsigned long long)seed, r->n_prompt, r->ids.n);
    put_rate(&b, "prompt_tokens_per_s", (double)(r->n_prompt - r->n_cached), r->prefill_s);
    put_rate(&b, "tokens_per_s", (double)r->ids.n, r->decode_s);
    glim_buf_puts(&b, ", \"load_s\": ");
    glim_json_put_real(&b, load_s);
    glim_buf_putc(&b, '}');
    puts(glim_buf_cstr(&b));
    glim_buf_free(&b);
    glim_buf_free(&clean);
}

static bool show_raw(void *ctx, const char *text, size_t n) {
    if (*(const bool *)ctx) {
        fwrite(text, 1, n, stdout);
        fflush(stdout);
    }
    return !glim_cli_interrupt_pending() && !ferror(stdout);
}

static glim_status answer(const run_flags *f, glim_engine *e, const char *text, size_t len, glim_err *err) {
    glim_bias bias[64];
    glim_gen_params p = {.ignore_stop_ids = f->no_stop};
    glim_session s = {0};
    glim_prompt prompt = {0};
    glim_ids ids = {0};
    glim_gen_result r = {0};
    glim_answer a = {0};
    int thinking = f->thinking ? (strcmp(f->thinking, "on") == 0 ? 1 : -1) : 0;
    bool show = !f->json;
    glim_status rc = glim_cli_sampling(&p, e, &f->sample, bias, err);
    if (rc == GLIM_OK) rc = make_prompt(f, e, text, len, thinking, &prompt, &ids, err);
    if (rc == GLIM_OK) rc = glim_session_open(&s, e, err);
    if (rc == GLIM_OK) {
        if (f->raw) {
            p.on_text = show_raw;
            p.ctx = &show;
            p.raw_special = f->special;
        } else {
            glim_answer_init(&a, e, f->tools, &prompt, thinking, show, show && isatty(STDERR_FILENO));
            p.on_text = glim_answer_text;
            p.ctx = &a;
            p.for_reply = true;
        }
        rc = glim_session_generate(&s, ids.v, ids.n, &p, &r, err);
    }
    if (rc == GLIM_OK && !f->raw) rc = glim_answer_end(&a, err);
    if (rc == GLIM_OK && f->raw && show) putchar('\n');
    if (rc == GLIM_OK && f->json) print_json(&r, &ids, &a, f->raw, p.sample.seed, e->load_s);
    if (rc == GLIM_OK && f->stats)
        fprintf(stderr, "load %.2f s, prompt %zu tokens at %.1f tokens/s, answer %zu tokens at %.1f tokens/s, seed %llu\n",
                e->load_s, r.n_prompt, (double)r.n_prompt / r.prefill_s, r.ids.n, (double)r.ids.n / r.decode_s,
                (unsigned long long)p.sample.seed);
    if (!f->raw) glim_answer_free(&a);
    glim_gen_result_free(&r);
    glim_session_close(&s);
    glim_ids_free(&ids);
    glim_prompt_free(&prompt);
    if (rc == GLIM_OK && glim_cli_interrupted()) rc = glim_fail(err, GLIM_E_CANCELLED, "interrupted");
    return rc;
}

int glim_cmd_run(int argc, char **argv) {
    run_flags f = {.sample = GLIM_SAMPLE_FLAGS_INIT};
    const glim_flag own[] = {
        {"--prompt", "-p", GLIM_FLAG_STR, &f.prompt, "TEXT", "the prompt (default: read from stdin)", 0, 0},
        {"--system", NULL, GLIM_FLAG_STR, &f.system, "TEXT", "a system message before it", 0, 0},
        {"--adapter", NULL, GLIM_FLAG_STR, &f.adapter, "FOLDER", "answer with a LoRA adapter, as glim tune or PEFT writes it", 0, 0},
        {"--tools", NULL, GLIM_FLAG_STR, &f.tools_file, "FILE", "JSON list of tools the model may call", 0, 0},
        {"--raw", NULL, GLIM_FLAG_BOOL, &f.raw, NULL, "continue the text itself, no chat template", 0, 0},
        {"--special", NULL, GLIM_FLAG_BOOL, &f.special, NULL, "with --raw: texts of special tokens become those tokens", 0, 0},
        {"--thinking", NULL, GLIM_FLAG_STR, &f.thinking, "on|off", "let the model reason first (default: its own way)", 0, 0},
        {"--ignore-eos", NULL, GLIM_FLAG_BOOL, &f.no_stop, NULL, "go on past the end of the answer", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &f.json, NULL, "one JSON object: text, ids, usage, speed", 0, 0},
        {"--stats", NULL, GLIM_FLAG_BOOL, &f.stats, NULL, "speed on stderr", 0, 0},
        {0}};
    const glim_flag sample[] = {GLIM_SAMPLE_FLAGS(&f.sample), {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&f.model), {0}};
    const glim_page u = {"glim run [MODEL] -p TEXT", "Answers one prompt and prints the answer as it comes; without MODEL the small one inside the program does.",
                          {own, sample, model}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_buf text = {0};
    glim_engine *e = NULL;
    glim_adapter *adapter = NULL;
    glim_adapter_scratch *scratch = NULL;
    const char *path = NULL;
    glim_status rc = GLIM_OK;
    if (f.thinking && strcmp(f.thinking, "on") != 0 && strcmp(f.thinking, "off") != 0)
        rc = glim_fail(&err, GLIM_E_ARG, "--thinking: got \"%s\", want on or off", f.thinking);
    if (rc == GLIM_OK && f.prompt) glim_buf_puts(&text, f.prompt);
    else if (rc == GLIM_OK) rc = read_stdin(&text, &err);
    if (rc == GLIM_OK && text.len == 0) {
        rc = glim_fail(&err, GLIM_E_ARG, "the prompt is empty");
        glim_err_hint(&err, "glim run MODEL -p \"your question\"");
    }
    glim_cli_catch_interrupt();
    if (rc == GLIM_OK && f.tools_file) rc = glim_cli_tools(&f.tools, f.tools_file, &err);
    if (rc == GLIM_OK) rc = glim_inner_or(&path, pos.n ? pos.v[0] : NULL, "run", &err);
    if (rc == GLIM_OK) rc = glim_cli_open(&e, path, &f.model, 0, !f.raw, &err);
    if (rc == GLIM_OK && f.adapter) {
        rc = glim_adapter_load(&adapter, e->model, f.adapter, &err);
        if (rc == GLIM_OK) rc = glim_adapter_scratch_new(&scratch, e->model, &err);
    }
    const glim_adapter *of_seq[] = {adapter};
    if (rc == GLIM_OK && adapter) glim_ws_adapters(e->ws, of_seq, scratch);
    if (rc == GLIM_OK) rc = answer(&f, e, text.s, text.len, &err);
    glim_adapter_scratch_free(scratch);
    glim_adapter_free(adapter);
    glim_engine_free(e);
    json_decref(f.tools);
    glim_buf_free(&text);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
