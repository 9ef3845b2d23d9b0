/* prompt.c - prompts to ids, and which model is meant. Runs on a desk. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "serve/server_internal.h"
#include "serve/shelf.h"

typedef struct looked {
    const char *name;
    bool found;
} looked;

static void look(void *ctx, const char *name, const char *folder, size_t bytes) {
    looked *l = ctx;
    (void)folder, (void)bytes;
    l->found = l->found || strcmp(name, l->name) == 0;
}

bool glim_call_model(glim_call *c, const char *name) {
    looked l = {.name = name};
    free(c->model);
    c->model = glim_xstrdup(name);
    c->adapter = NULL;
    if (strcmp(name, c->b->facts.model) == 0) return true;
    glim_tuned t;
    if (glim_shelf_owns(name)) { /* another tenant's is not there, nor one of another base */
        l.found = glim_shelf_shows(c, name) && glim_shelf_find(c->s, name, &t) && strcmp(t.base, c->b->facts.model) == 0;
        if (l.found && !glim_shelf_load(c, c->model)) return false;
    } else {
        glim_sched_adapters(c->b->d, look, &l);
    }
    if (l.found) {
        glim_err err = {0};
        glim_sched_unpin_adapter(c->pinned);
        c->pinned = NULL;
        if (glim_sched_pin_adapter(c->b->d, c->model, &c->pinned, &err) != GLIM_OK) /* it went this moment */
            return glim_api_fail(&c->error, 404, "model_not_found", "model", "there is no model \"%.200s\" here: want \"%s\"", name, c->b->facts.model);
        c->adapter = c->model;
        return true;
    }
    if (c->s->p.any_model) {
        free(c->model);
        c->model = glim_xstrdup(c->b->facts.model);
        return true;
    }
    return glim_api_fail(&c->error, 404, "model_not_found", "model", "there is no model \"%.200s\" here: want \"%s\"", name, c->b->facts.model);
}

static bool too_long(glim_call *c, size_t n, const char *param) {
    return glim_api_fail(&c->error, 400, "context_length_exceeded", param, "the prompt has %zu tokens, this model's context holds %zu", n,
                         c->b->facts.n_ctx);
}

/* A text that is too long whatever its tokens are is refused before it costs the time to cut it into tokens. */
static bool check_bytes(glim_call *c, size_t n_bytes, const char *param) {
    if (n_bytes / c->b->max_piece <= c->b->facts.n_ctx) return true;
    return glim_api_fail(&c->error, 400, "context_length_exceeded", param, "the prompt has %zu bytes, far more than the %zu tokens of this model's context",
                         n_bytes, c->b->facts.n_ctx);
}

bool glim_prompt_fits(glim_call *c, const glim_ids *ids, const char *param) {
    if (ids->n == 0) return glim_api_fail(&c->error, 400, "invalid_value", param, "\"%s\": got no tokens, want at least one", param);
    return ids->n <= c->b->facts.n_ctx || too_long(c, ids->n, param);
}

bool glim_prompt_chat(glim_call *c, const json_t *messages, const json_t *tools, const glim_chat_options *opt, const char *param, glim_ids *ids,
                      bool *in_reasoning) {
    glim_prompt p = {0};
    glim_err err = {0};
    glim_status rc = glim_engine_can_chat(c->b->e, &err);
    if (rc == GLIM_OK) rc = glim_chat_render(&p, c->b->e->chat, messages, tools, opt, &err);
    bool ok = rc == GLIM_OK && check_bytes(c, p.text.len, param);
    if (ok) rc = glim_prompt_encode(&p, c->b->e->tok, ids, &err);
    *in_reasoning = p.in_reasoning;
    glim_prompt_free(&p);
    if (rc != GLIM_OK) return glim_api_from(&c->error, &err, tools && strncmp(err.msg, "tools", 5) == 0 ? "tools" : param);
    return ok && glim_prompt_fits(c, ids, param);
}

bool glim_prompt_text(glim_call *c, const char *text, size_t n, const char *param, glim_ids *ids) {
    glim_err err = {0};
    if (!check_bytes(c, n, param)) return false;
    if (glim_tok_encode(c->b->e->tok, text, n, GLIM_TOK_PREFIX, ids, &err) != GLIM_OK) return glim_api_from(&c->error, &err, param);
    return glim_prompt_fits(c, ids, param);
}
