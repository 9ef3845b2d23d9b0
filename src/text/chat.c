/* chat.c - prompts: names of the templates, the entry to rendering, ids, the stop set. See chat.h.
 *
 * Invariant  a span covers bytes that a literal of the template wrote, never bytes of a message, a tool's
 *            name, an argument or a schema: only glim_chat_lit makes spans, and it is given literals. */
#include "text/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "text/chat_internal.h"

/* ---- names ---- */

static const char *const kind_names[GLIM_N_CHAT] = {
    [GLIM_CHAT_NONE] = "none",          [GLIM_CHAT_GLM4_9B] = "glm-4-9b-chat",
    [GLIM_CHAT_GLM4_0414] = "glm-4-0414", [GLIM_CHAT_GLM_Z1] = "glm-z1",
    [GLIM_CHAT_GLM45] = "glm-4.5",      [GLIM_CHAT_GLM47] = "glm-4.7",
    [GLIM_CHAT_GLM41V] = "glm-4.1v",    [GLIM_CHAT_GLM_EDGE] = "glm-edge",
    [GLIM_CHAT_CHATML] = "chatml",      [GLIM_CHAT_SMOLLM2] = "smollm2",
    [GLIM_CHAT_LLAMA3] = "llama-3",
};

const char *glim_chat_name(glim_chat_kind k) {
    return (unsigned)k < GLIM_N_CHAT ? kind_names[k] : kind_names[GLIM_CHAT_NONE];
}

bool glim_chat_parse(const char *name, glim_chat_kind *out) {
    for (int k = GLIM_CHAT_NONE + 1; k < GLIM_N_CHAT; k++)
        if (strcmp(name, kind_names[k]) == 0) {
            *out = (glim_chat_kind)k;
            return true;
        }
    return false;
}

bool glim_chat_switches_thinking(glim_chat_kind k) { return k == GLIM_CHAT_GLM45 || k == GLIM_CHAT_GLM47; }

const char *glim_chat_names(void) {
    return "glm-4-9b-chat, glm-4-0414, glm-z1, glm-4.5, glm-4.7, glm-4.1v, glm-edge, chatml, smollm2, llama-3";
}

/* ---- control tokens ---- */

/* The texts that a tokenizer of the family may have as added tokens and that a template may write. A
 * given tokenizer may lack some (Z1 has no <think>): glim_prompt_encode sees to that. */
static const char *const glm_controls[] = {
    "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
    "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>",
    "<|end_of_video|>", "<|image|>", "<|video|>", "<think>", "</think>", "<answer>", "</answer>",
    "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<arg_key>", "</arg_key>",
    "<arg_value>", "</arg_value>", "/nothink", "<|begin_of_box|>", "<|end_of_box|>", NULL};
static const char *const chatml_controls[] = {
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>",
    "</tool_response>", "<think>", "</think>", NULL};
static const char *const llama3_controls[] = {
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<|eom_id|>", "<|python_tag|>", NULL};

static const char *const *controls_of(glim_chat_kind k) {
    if (k == GLIM_CHAT_LLAMA3) return llama3_controls;
    return k == GLIM_CHAT_CHATML || k == GLIM_CHAT_SMOLLM2 ? chatml_controls : glm_controls;
}

/* ---- building ---- */

void glim_chat_put(glim_chat_out *o, glim_chat_str s) { glim_buf_append(&o->p->text, s.s, s.n); }

void glim_chat_put_json(glim_chat_out *o, const json_t *v, int indent) {
    glim_json_dump_py(&o->p->text, v, indent, false);
}

static void add_span(glim_chat_out *o, size_t n) {
    glim_prompt *p = o->p;
    if (p->n_control == p->cap_control) {
        size_t cap = p->cap_control ? p->cap_control * 2 : 16;
        void *mem = p->control;
        if (glim_try_realloc(&mem, cap, sizeof *p->control, "control spans", NULL) != GLIM_OK) {
            o->failed = true;
            return;
        }
        p->control = mem;
        p->cap_control = cap;
    }
    p->control[p->n_control].begin = p->text.len - n;
    p->control[p->n_control].end = p->text.len;
    p->n_control++;
}

void glim_chat_turn(glim_chat_out *o, size_t i) {
    glim_prompt *p = o->p;
    if (p->n_turn == p->cap_turn) {
        size_t cap = p->cap_turn ? p->cap_turn * 2 : 16;
        void *mem = p->turn;
        if (glim_try_realloc(&mem, cap, sizeof *p->turn, "turns", NULL) != GLIM_OK) {
            o->failed = true;
            return;
        }
        p->turn = mem;
        p->cap_turn = cap;
    }
    p->turn[p->n_turn].begin = p->text.len;
    p->turn[p->n_turn++].message = i;
}

/* Length of the longest control text that s begins with, 0 if none. */
static size_t control_at(const char *const *controls, const char *s) {
    size_t best = 0;
    for (; *controls; controls++) {
        size_t n = strlen(*controls);
        if (n > best && strncmp(s, *controls, n) == 0) best = n;
    }
    return best;
}

void glim_chat_lit(glim_chat_out *o, const char *s) {
    const char *plain = s;
    while (*s) {
        size_t n = *s == '<' || *s == '[' || *s == '/' ? control_at(o->controls, s) : 0;
        if (!n) {
            s++;
            continue;
        }
        glim_buf_append(&o->p->text, plain, (size_t)(s - plain));
        glim_buf_append(&o->p->text, s, n);
        if (!o->p->text.failed) add_span(o, n);
        plain = s += n;
    }
    glim_buf_append(&o->p->text, plain, (size_t)(s - plain));
}

static void render(glim_chat_out *o, glim_chat_kind k, const glim_chat_conv *c,
                   const glim_chat_options *opt) {
    switch (k) {
    case GLIM_CHAT_GLM45:
    case GLIM_CHAT_GLM47: glim_chat_render_glm45(o, k, c, opt); break;
    case GLIM_CHAT_GLM41V: glim_chat_render_glm41v(o, c, opt); break;
    case GLIM_CHAT_CHATML: glim_chat_render_chatml(o, c, opt); break;
    case GLIM_CHAT_SMOLLM2: glim_chat_render_smollm2(o, c, opt); break;
    case GLIM_CHAT_LLAMA3: glim_chat_render_llama3(o, c, opt); break;
    default: glim_chat_render_glm4(o, k, c, opt); break;
    }
}

glim_status glim_chat_render(glim_prompt *out, glim_chat_kind k, const json_t *messages,
                             const json_t *tools, const glim_chat_options *opt, glim_err *err) {
    static const glim_chat_options defaults = {0};
    if (k <= GLIM_CHAT_NONE || k >= GLIM_N_CHAT)
        return glim_fail(err, GLIM_E_ARG, "no chat template is chosen, want one of: %s", glim_chat_names());
    glim_buf_clear(&out->text);
    out->n_control = out->n_turn = 0;
    out->in_reasoning = false;
    glim_chat_conv conv;
    glim_status rc = glim_chat_conv_read(&conv, k, messages, tools, err);
    if (rc == GLIM_OK) {
        glim_chat_out o = {.p = out, .controls = controls_of(k)};
        render(&o, k, &conv, opt ? opt : &defaults);
        rc = glim_buf_status(&out->text, "a prompt", err);
        if (rc == GLIM_OK && o.failed)
            rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate more than %zu control spans and %zu turns of a "
                           "prompt", out->cap_control, out->cap_turn);
    }
    glim_chat_conv_free(&conv);
    if (rc != GLIM_OK) glim_prompt_free(out);
    return rc;
}

void glim_prompt_free(glim_prompt *p) {
    if (!p) return;
    glim_buf_free(&p->text);
    free(p->control);
    free(p->turn);
    *p = (glim_prompt){0};
}

/* ---- ids ---- */

glim_status glim_prompt_encode(const glim_prompt *p, const glim_tok *t, glim_ids *ids, glim_err *err) {
    const char *text = glim_buf_cstr(&p->text);
    size_t run = 0; /* where the current plain run began */
    for (size_t i = 0; i < p->n_control; i++) {
        char name[64];
        size_t begin = p->control[i].begin, n = p->control[i].end - begin;
        if (n >= sizeof name) continue;
        memcpy(name, text + begin, n);
        name[n] = 0;
        int32_t id = glim_tok_find(t, name);
        if (id < 0) continue; /* not a token here: stays in the run with its neighbours */
        glim_status rc = GLIM_OK;
        if (begin > run) rc = glim_tok_encode(t, text + run, begin - run, 0, ids, err);
        if (rc == GLIM_OK) rc = glim_ids_push(ids, id, err);
        if (rc != GLIM_OK) return rc;
        run = begin + n;
    }
    return p->text.len > run ? glim_tok_encode(t, text + run, p->text.len - run, 0, ids, err) : GLIM_OK;
}

/* ---- stops ---- */

static void add_stop(int32_t id, const glim_tok *t, int32_t *ids, size_t *n, size_t cap) {
    if (id < 0 || (t && (size_t)id >= glim_tok_n(t))) return;
    for (size_t i = 0; i < *n; i++)
        if (ids[i] == id) return;
    if (*n < cap) ids[(*n)++] = id;
}

void glim_chat_stops(glim_chat_kind k, const glim_config *config, const glim_tok *t, int32_t *ids,
                     size_t *n) {
    static const char *const glm[] = {"<|endoftext|>", "<|user|>", "<|observation|>", NULL};
    static const char *const chatml[] = {"<|im_end|>", "<|endoftext|>", NULL};
    static const char *const llama3[] = {"<|eot_id|>", "<|end_of_text|>", "<|eom_id|>", NULL};
    static const char *const none[] = {NULL};
    const char *const *texts = k == GLIM_CHAT_NONE ? none
                               : k == GLIM_CHAT_LLAMA3 ? llama3
                               : k == GLIM_CHAT_CHATML || k == GLIM_CHAT_SMOLLM2 ? chatml : glm;
    size_t cap = *n;
    *n = 0;
    for (; t && *texts; texts++) add_stop(glim_tok_find(t, *texts), t, ids, n, cap);
    /* With 9B-chat, 0414 and Z1 <|assistant|> separates parallel calls; elsewhere a reply has one turn. */
    bool one_turn = k == GLIM_CHAT_GLM45 || k == GLIM_CHAT_GLM47 || k == GLIM_CHAT_GLM41V ||
                    k == GLIM_CHAT_GLM_EDGE;
    if (t && one_turn) add_stop(glim_tok_find(t, "<|assistant|>"), t, ids, n, cap);
    for (size_t i = 0; config && i < config->n_eos; i++) add_stop(config->eos[i], t, ids, n, cap);
    if (t) add_stop(glim_tok_eos(t), t, ids, n, cap);
}
