/* cmd_render.c - a conversation as the prompt the model sees, byte for byte.
 *
 *   glim render MODEL --messages FILE.json
 *
 * FILE.json is an array of messages, or an object with "messages" and, as a request to a server has
 * them, "tools", "add_generation_prompt" and "chat_template_kwargs" (also called "options":
 * enable_thinking, clear_thinking, add_generation_prompt). Flags win over the file. stdout gets the prompt
 * and not one byte more. With --template the model's files are not read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/cli.h"
#include "format/ckpt.h"
#include "format/config.h"
#include "text/chat.h"

enum { MAX_FILE = 64 << 20 };

typedef struct opts {
    const char *model, *messages, *tools, *template, *thinking;
    bool no_prompt, keep_thinking, json;
} opts;

/* What is to be rendered. file_* are owned, messages and tools point into them. */
typedef struct request {
    json_t *file, *tools_file;
    const json_t *messages, *tools;
    glim_chat_options opt;
} request;

/* Options as templates know them. */
static glim_status read_options(request *q, const char *key, glim_err *err) {
    const json_t *o = json_object_get(q->file, key);
    bool think, clear, prompt;
    if (!o || json_is_null(o)) return GLIM_OK;
    if (!json_is_object(o))
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\": got %s, want an object", key, glim_json_type_name(o));
    const json_t *given = json_object_get(o, "enable_thinking");
    glim_status rc = glim_json_get_bool(o, "enable_thinking", true, &think, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "clear_thinking", true, &clear, err);
    if (rc == GLIM_OK) rc = glim_json_get_bool(o, "add_generation_prompt", true, &prompt, err);
    if (rc != GLIM_OK) {
        glim_err_context(err, "\"%s\"", key);
        return rc;
    }
    if (given && !json_is_null(given)) q->opt.thinking = think ? 1 : -1;
    if (!clear) q->opt.keep_thinking = true;
    if (!prompt) q->opt.no_generation_prompt = true;
    return GLIM_OK;
}

static glim_status read_request(request *q, const opts *o, glim_err *err) {
    glim_status rc = glim_json_read(&q->file, o->messages, MAX_FILE, err);
    if (rc != GLIM_OK) return rc;
    q->messages = q->file;
    if (json_is_object(q->file)) {
        bool prompt = true;
        q->messages = json_object_get(q->file, "messages");
        q->tools = json_object_get(q->file, "tools");
        rc = q->messages ? GLIM_OK : glim_fail(err, GLIM_E_FORMAT, "\"messages\" is missing, want an array");
        if (rc == GLIM_OK) rc = read_options(q, "chat_template_kwargs", err);
        if (rc == GLIM_OK) rc = read_options(q, "options", err);
        if (rc == GLIM_OK) rc = glim_json_get_bool(q->file, "add_generation_prompt", true, &prompt, err);
        if (rc != GLIM_OK) glim_err_context(err, "%s", o->messages);
        if (!prompt) q->opt.no_generation_prompt = true;
    }
    if (rc == GLIM_OK && o->tools) {
        rc = glim_json_read(&q->tools_file, o->tools, MAX_FILE, err);
        q->tools = q->tools_file;
    }
    if (o->no_prompt) q->opt.no_generation_prompt = true;
    if (o->keep_thinking) q->opt.keep_thinking = true;
    if (rc != GLIM_OK || !o->thinking) return rc;
    if (strcmp(o->thinking, "on") != 0 && strcmp(o->thinking, "off") != 0)
        return glim_fail(err, GLIM_E_ARG, "--thinking: got \"%s\", want on or off", o->thinking);
    q->opt.thinking = strcmp(o->thinking, "on") == 0 ? 1 : -1;
    return GLIM_OK;
}

/* The template of --template, or the one that the model carries. tok may come back NULL in the first case. */
static glim_status choose(glim_chat_kind *kind, glim_tok **tok, const opts *o, glim_err *err) {
    if (o->template) {
        if (!glim_chat_parse(o->template, kind))
            return glim_fail(err, GLIM_E_ARG, "--template: got \"%s\", want one of: %s", o->template,
                             glim_chat_names());
        if (access(o->model, F_OK) != 0)
            return glim_fail_errno(err, GLIM_E_NOT_FOUND, errno, "could not open \"%s\"", o->model);
        if (o->json) glim_tok_open(tok, o->model, NULL); /* for ids, if there is one */
        return GLIM_OK;
    }
    glim_ckpt *c = NULL;
    glim_config config;
    glim_status rc = glim_ckpt_open(&c, o->model, err);
    if (rc == GLIM_OK) rc = glim_config_read(&config, c, err);
    if (rc == GLIM_OK) rc = glim_tok_from_ckpt(tok, c, err);
    if (rc == GLIM_OK) rc = glim_chat_detect(kind, glim_ckpt_chat_template(c), &config, *tok, err);
    glim_ckpt_close(c);
    return rc;
}

/* {"template": ..., "prompt": ..., "control": [[begin, end], ...], "in_reasoning": ..., "ids": [...]} */
static glim_status put_json(glim_buf *out, const glim_prompt *p, glim_chat_kind kind, const glim_tok *tok,
                            glim_err *err) {
    glim_buf_printf(out, "{\"template\": \"%s\", \"prompt\": ", glim_chat_name(kind));
    glim_json_put_str(out, glim_buf_cstr(&p->text), p->text.len);
    glim_buf_puts(out, ", \"control\": [");
    for (size_t i = 0; i < p->n_control; i++)
        glim_buf_printf(out, "%s[%zu, %zu]", i ? ", " : "", p->control[i].begin, p->control[i].end);
    glim_buf_printf(out, "], \"in_reasoning\": %s", p->in_reasoning ? "true" : "false");
    glim_ids ids = {0};
    glim_status rc = tok ? glim_prompt_encode(p, tok, &ids, err) : GLIM_OK;
    if (rc == GLIM_OK && tok) {
        glim_buf_puts(out, ", \"ids\": [");
        for (size_t i = 0; i < ids.n; i++) glim_buf_printf(out, "%s%d", i ? ", " : "", ids.v[i]);
        glim_buf_putc(out, ']');
    }
    glim_buf_puts(out, "}\n");
    glim_ids_free(&ids);
    return rc;
}

static glim_status render(const opts *o, glim_err *err) {
    request q = {0};
    glim_prompt p = {0};
    glim_buf out = {0};
    glim_tok *tok = NULL;
    glim_chat_kind kind = GLIM_CHAT_NONE;
    glim_status rc = read_request(&q, o, err);
    if (rc == GLIM_OK) rc = choose(&kind, &tok, o, err);
    if (rc == GLIM_OK) {
        rc = glim_chat_render(&p, kind, q.messages, q.tools, &q.opt, err);
        if (rc != GLIM_OK) glim_err_context(err, "%s", o->tools && strncmp(err->msg, "tools", 5) == 0 ? o->tools
                                                                                                     : o->messages);
    }
    if (rc == GLIM_OK && o->json) rc = put_json(&out, &p, kind, tok, err);
    if (rc == GLIM_OK) rc = glim_buf_status(&out, "the answer", err);
    const glim_buf *answer = o->json ? &out : &p.text;
    if (rc == GLIM_OK && fwrite(glim_buf_cstr(answer), 1, answer->len, stdout) != answer->len)
        rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not write to stdout");
    json_decref(q.file);
    json_decref(q.tools_file);
    glim_prompt_free(&p);
    glim_buf_free(&out);
    glim_tok_free(tok);
    return rc;
}

int glim_cmd_render(int argc, char **argv) {
    opts o = {0};
    const glim_flag flags[] = {
        {"--messages", "-m", GLIM_FLAG_STR, &o.messages, "FILE", "JSON: an array of messages, or a whole request", 0, 0},
        {"--tools", NULL, GLIM_FLAG_STR, &o.tools, "FILE", "JSON: an array of tools", 0, 0},
        {"--template", NULL, GLIM_FLAG_STR, &o.template, "NAME", "chat template by name, instead of recognising it", 0, 0},
        {"--thinking", NULL, GLIM_FLAG_STR, &o.thinking, "on|off", "switch thinking (default: the family's own)", 0, 0},
        {"--keep-thinking", NULL, GLIM_FLAG_BOOL, &o.keep_thinking, NULL, "keep the reasoning of earlier turns (GLM-4.7)", 0, 0},
        {"--no-generation-prompt", NULL, GLIM_FLAG_BOOL, &o.no_prompt, NULL, "end after the last message", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &o.json, NULL, "also where the control tokens are, and the ids", 0, 0},
        {0}};
    const glim_page usage = {"glim render MODEL --messages FILE.json",
                              "Prints the prompt that a conversation becomes, with no line break added. Templates: "
                              "glm-4-9b-chat, glm-4-0414, glm-z1,\nglm-4.5, glm-4.7, glm-4.1v, glm-edge, chatml, "
                              "smollm2, llama-3.",
                              {flags}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &usage, &pos, 1, 1);
    if (code >= 0) return code;
    o.model = pos.v[0];
    glim_err err = {0};
    glim_status rc = o.messages ? render(&o, &err)
                                : glim_fail(&err, GLIM_E_ARG, "render wants the conversation: --messages FILE.json");
    return rc == GLIM_OK ? GLIM_EXIT_OK : glim_cli_error(&err);
}
