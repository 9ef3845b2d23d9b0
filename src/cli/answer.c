/* answer.c - see answer.h. */
#include "cli/answer.h"

#include <stdio.h>
#include <unistd.h>

#include "base/utf8.h"

void glim_answer_init(glim_answer *a, const glim_engine *e, const json_t *tools, const glim_prompt *prompt, int thinking,
                      bool show, bool show_reasoning) {
    *a = (glim_answer){.show = show, .show_reasoning = show_reasoning, .color = glim_cli_color(STDERR_FILENO),
                        .out_tty = isatty(STDOUT_FILENO)};
    glim_reply_init(&a->reply, e->chat, tools, prompt->in_reasoning, thinking >= 0);
}

static void dim(glim_answer *a, bool on) {
    if (a->color && on != a->in_dim) fputs(on ? "\033[2m" : "\033[0m", stderr);
    a->in_dim = on;
}

static void put_text(FILE *f, const char *text, size_t n, bool terminal) {
    if (terminal) {
        glim_buf b = {0};
        glim_cli_printable(&b, text, n);
        fwrite(glim_buf_cstr(&b), 1, b.len, f);
        glim_buf_free(&b);
    } else {
        fwrite(text, 1, n, f);
    }
    fflush(f);
}

static void show_new(glim_answer *a) {
    const glim_reply *r = &a->reply;
    if (a->show_reasoning && r->reasoning.len > a->shown_reasoning) {
        dim(a, true);
        put_text(stderr, r->reasoning.s + a->shown_reasoning, r->reasoning.len - a->shown_reasoning, true);
    }
    a->shown_reasoning = r->reasoning.len;
    if (a->show && r->content.len > a->shown_content) {
        if (a->in_dim) {
            dim(a, false);
            fputs("\n\n", stderr);
        }
        put_text(stdout, r->content.s + a->shown_content, r->content.len - a->shown_content, a->out_tty);
    }
    a->shown_content = r->content.len;
}

bool glim_answer_text(void *ctx, const char *text, size_t n) {
    glim_answer *a = ctx;
    a->rc = glim_reply_put(&a->reply, text, n, &a->err);
    if (a->rc != GLIM_OK) return false;
    show_new(a);
    return !glim_cli_interrupt_pending() && !ferror(stdout);
}

glim_status glim_answer_end(glim_answer *a, glim_err *err) {
    if (a->rc == GLIM_OK) a->rc = glim_reply_end(&a->reply, &a->err);
    if (a->rc != GLIM_OK) {
        if (err) *err = a->err;
        return a->rc;
    }
    show_new(a);
    dim(a, false);
    if (a->show) {
        for (size_t i = 0; i < a->reply.n_calls; i++)
            printf("%s[call] %s %s", i || a->shown_content ? "\n" : "", a->reply.calls[i].name,
                   glim_buf_cstr(&a->reply.calls[i].args));
        putchar('\n');
        fflush(stdout);
    }
    return GLIM_OK;
}

/* A JSON string of any bytes: broken UTF-8 becomes U+FFFD. */
static json_t *text_json(const glim_buf *b) {
    glim_buf clean = {0};
    glim_utf8_sanitize(&clean, glim_buf_cstr(b), b->len);
    json_t *v = json_stringn(glim_buf_cstr(&clean), clean.len);
    glim_buf_free(&clean);
    return v;
}

json_t *glim_answer_message(const glim_answer *a) {
    const glim_reply *r = &a->reply;
    json_t *m = json_object();
    json_object_set_new(m, "role", json_string("assistant"));
    json_object_set_new(m, "content", r->content.len || r->n_calls == 0 ? text_json(&r->content) : json_null());
    if (r->reasoning.len) json_object_set_new(m, "reasoning_content", text_json(&r->reasoning));
    if (r->n_calls) {
        json_t *calls = json_array();
        for (size_t i = 0; i < r->n_calls; i++) {
            char id[32];
            snprintf(id, sizeof id, "call_%zu", i);
            json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id, "type", "function", "function",
                                                   "name", r->calls[i].name, "arguments",
                                                   glim_buf_cstr(&r->calls[i].args)));
        }
        json_object_set_new(m, "tool_calls", calls);
    }
    return m;
}

void glim_answer_free(glim_answer *a) { glim_reply_free(&a->reply); }
