/* open.c - opening a model for a command, its sampling flags, and Ctrl-C. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/progress.h"

/* Lock-free, so a handler may set it; taken by one exchange: read and cleared apart, a signal between the two was lost. */
static _Atomic int g_interrupted;
static volatile sig_atomic_t g_terminated;

static void on_signal(int sig) {
    if (sig == SIGTERM) g_terminated = 1;
    g_interrupted = 1;
}

void glim_cli_catch_interrupt(void) {
    struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: a read for input ends at once */
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

bool glim_cli_interrupt_pending(void) { return g_interrupted != 0; }
bool glim_cli_terminated(void) { return g_terminated != 0; }

bool glim_cli_interrupted(void) {
    return atomic_exchange(&g_interrupted, 0) != 0;
}

glim_status glim_cli_model_params(glim_model_params *p, const glim_model_flags *f, glim_err *err) {
    *p = (glim_model_params){
        .n_ctx = (size_t)f->ctx, .n_logits = f->n_logits, .kv_bytes = f->kv_bytes, .no_cache = f->no_cache, .kernels = f->kernels};
    glim_dtype t;
    if (f->type) {
        bool ok = glim_dtype_parse(f->type, &t) &&
                  (t == GLIM_F32 || t == GLIM_BF16 || t == GLIM_F16 || t == GLIM_Q8_0);
        if (!ok)
            return glim_fail(err, GLIM_E_ARG, "--type: got \"%s\", want f32, bf16, f16 or q8_0", f->type);
        p->type = 1 + (int)t;
    }
    if (f->kv) {
        if (strcmp(f->kv, "f32") == 0) p->kv_type = 1 + GLIM_F32;
        else if (strcmp(f->kv, "bf16") == 0) p->kv_type = 1 + GLIM_BF16;
        else if (strcmp(f->kv, "q8") == 0) p->kv_type = 1 + GLIM_I8;
        else return glim_fail(err, GLIM_E_ARG, "--kv: got \"%s\", want f32, bf16 or q8", f->kv);
    }
    return GLIM_OK;
}

static bool show_load(void *ctx, size_t done, size_t total) {
    (void)total;
    glim_progress_update(ctx, done);
    return !glim_cli_interrupt_pending();
}

static bool begin_load(void *ctx, size_t done, size_t total) {
    glim_progress **bar = ctx;
    if (!*bar) *bar = glim_progress_begin("preparing weights", total, GLIM_PROGRESS_BYTES);
    return show_load(*bar, done, total);
}

glim_status glim_cli_open(glim_engine **out, const char *path, const glim_model_flags *f, size_t n_seq, bool need_chat,
                          glim_err *err) {
    glim_engine_params p = {.n_threads = (int)f->threads, .template = f->template};
    glim_status rc = glim_cli_model_params(&p.model, f, err);
    if (rc != GLIM_OK) return rc;
    p.model.n_seq = n_seq;
    glim_progress *bar = NULL;
    p.model.progress = begin_load;
    p.model.progress_ctx = &bar;
    rc = glim_engine_open(out, path, &p, err);
    glim_progress_end(bar);
    if (rc != GLIM_OK) return rc;
    if ((*out)->model->plan.fell_back)
        fprintf(stderr, "note: %s weights do not fit in memory: running in int8 (q8_0)\n",
                glim_dtype_of((*out)->model->cfg.stored)->name);
    if (need_chat && (rc = glim_engine_can_chat(*out, err)) != GLIM_OK) {
        glim_engine_free(*out);
        *out = NULL;
    }
    return rc;
}

static glim_status parse_bias(const char *word, glim_bias *out, size_t n_vocab, glim_err *err) {
    char *end;
    errno = 0;
    long id = strtol(word, &end, 10);
    double add = *end == '=' ? strtod(end + 1, &end) : NAN;
    if (*end || isnan(add) || errno || id < 0 || (size_t)id >= n_vocab)
        return glim_fail(err, GLIM_E_ARG, "--logit-bias: got \"%s\", want ID=NUMBER with an id from 0 to %zu", word,
                         n_vocab - 1);
    *out = (glim_bias){(int32_t)id, (float)add};
    return GLIM_OK;
}

glim_status glim_cli_rows_thinking(int *thinking, const char *word, glim_chat_kind k, glim_err *err) {
    *thinking = 0;
    if (!word) return GLIM_OK;
    if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0) return glim_fail(err, GLIM_E_ARG, "--thinking: got \"%s\", want on or off", word);
    if (!glim_chat_switches_thinking(k))
        return glim_fail(err, GLIM_E_ARG, "--thinking: chat template %s has no such switch, its prompts are the same with on and off", glim_chat_name(k));
    *thinking = strcmp(word, "on") == 0 ? 1 : -1;
    return GLIM_OK;
}

glim_status glim_cli_sampling(glim_gen_params *p, const glim_engine *e, const glim_sample_flags *f, glim_bias *bias,
                              glim_err *err) {
    glim_sample_params *s = &p->sample;
    *s = glim_engine_defaults(e);
    if (!isnan(f->temp)) {
        if (f->temp < 0) return glim_fail(err, GLIM_E_ARG, "--temp: got %g, want 0 or more", f->temp);
        s->temperature = f->temp;
    }
    if (!isnan(f->top_p)) {
        if (f->top_p <= 0 || f->top_p > 1)
            return glim_fail(err, GLIM_E_ARG, "--top-p: got %g, want more than 0 and at most 1", f->top_p);
        s->top_p = f->top_p;
    }
    if (!isnan(f->min_p)) {
        if (f->min_p < 0 || f->min_p > 1) return glim_fail(err, GLIM_E_ARG, "--min-p: got %g, want 0 to 1", f->min_p);
        s->min_p = f->min_p;
    }
    if (!isnan(f->repeat)) {
        if (f->repeat <= 0) return glim_fail(err, GLIM_E_ARG, "--repeat-penalty: got %g, want more than 0", f->repeat);
        s->repetition_penalty = f->repeat;
    }
    if (!isnan(f->presence)) s->presence_penalty = f->presence;
    if (!isnan(f->frequency)) s->frequency_penalty = f->frequency;
    if (f->top_k >= 0) s->top_k = (int)f->top_k;
    if (f->seed != -1) s->seed = (uint64_t)f->seed;
    else if (getrandom(&s->seed, sizeof s->seed, 0) == sizeof s->seed) s->seed >>= 11; /* fits a JSON number */
    for (size_t i = 0; i < f->bias.n; i++) {
        glim_status rc = parse_bias(f->bias.v[i], &bias[i], e->model->cfg.n_vocab, err);
        if (rc != GLIM_OK) return rc;
    }
    s->bias = bias;
    s->n_bias = f->bias.n;
    p->stop = f->stop.v;
    p->n_stop = f->stop.n;
    if (f->max_tokens >= 0) p->max_tokens = (size_t)f->max_tokens;
    return GLIM_OK;
}

char *glim_cli_content_text(const json_t *message) {
    const json_t *c = json_object_get(message, "content");
    glim_buf b = {0};
    if (json_is_string(c)) glim_buf_append(&b, json_string_value(c), json_string_length(c));
    for (size_t i = 0; i < json_array_size(c); i++) {
        const json_t *part = json_array_get(c, i), *text = json_is_string(part) ? part : json_object_get(part, "text");
        if (json_is_string(text)) glim_buf_append(&b, json_string_value(text), json_string_length(text));
    }
    if (!b.s) glim_buf_puts(&b, "");
    return b.s ? b.s : glim_xstrdup("");
}

void glim_cli_printable(glim_buf *out, const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = glim_utf8_next(text + i, n - i, &cp);
        bool control = len > 0 && ((cp < 0x20 && cp != '\n' && cp != '\t') || (cp >= 0x7f && cp < 0xa0));
        if (control) glim_buf_append(out, "\xef\xbf\xbd", 3);
        else glim_buf_append(out, text + i, len > 0 ? (size_t)len : 1);
        i += len > 0 ? (size_t)len : 1;
    }
}

glim_status glim_cli_tools(json_t **out, const char *path, glim_err *err) {
    json_t *v;
    *out = NULL;
    glim_status rc = glim_json_read(&v, path, (size_t)16 << 20, err);
    if (rc != GLIM_OK) return rc;
    json_t *tools = json_is_object(v) ? json_object_get(v, "tools") : v;
    if (json_is_array(tools)) *out = json_incref(tools);
    else
        rc = glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want a list of tools or {\"tools\": [...]}", path,
                       glim_json_type_name(tools ? tools : v));
    json_decref(v);
    return rc;
}
