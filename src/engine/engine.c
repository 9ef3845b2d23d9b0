/* engine.c - opening: checkpoint, tokenizer, model, template, pages, workspace. */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

static glim_status choose_template(glim_engine *e, const char *name, glim_err *err) {
    if (name) {
        if (glim_chat_parse(name, &e->chat)) return GLIM_OK;
        glim_fail(err, GLIM_E_ARG, "no chat template is called \"%s\"", name);
        glim_err_hint(err, "known: %s", glim_chat_names());
        return GLIM_E_ARG;
    }
    glim_status rc = glim_chat_detect(&e->chat, glim_ckpt_chat_template(e->model->ckpt), &e->model->cfg, e->tok,
                                      &e->chat_err);
    if (rc != GLIM_OK) e->chat = GLIM_CHAT_NONE;
    return GLIM_OK;
}

glim_status glim_engine_open(glim_engine **out, const char *path, const glim_engine_params *params, glim_err *err) {
    *out = NULL;
    double t0 = glim_now_s();
    glim_engine *e = glim_xcalloc(1, sizeof *e);
    glim_ckpt *ckpt = NULL;
    glim_status rc = glim_ckpt_open(&ckpt, path, err);
    if (rc != GLIM_OK) goto fail;
    /* The tokenizer first: it is small, and a folder without one should say so before weights are read. */
    rc = glim_tok_from_ckpt(&e->tok, ckpt, err);
    if (rc != GLIM_OK) {
        glim_ckpt_close(ckpt);
        goto fail;
    }
    e->pool = glim_pool_new(params->n_threads);
    rc = glim_model_load(&e->model, ckpt, &params->model, e->pool, err);
    if (rc != GLIM_OK) goto fail;
    if (glim_tok_n(e->tok) > e->model->cfg.n_vocab) {
        rc = glim_fail(err, GLIM_E_SHAPE, "%s: the tokenizer has %zu tokens, the embedding %zu rows", path,
                       glim_tok_n(e->tok), e->model->cfg.n_vocab);
        goto fail;
    }
    rc = choose_template(e, params->template, err);
    if (rc != GLIM_OK) goto fail;
    e->n_stops = GLIM_COUNT(e->stops);
    glim_chat_stops(e->chat, &e->model->cfg, e->tok, e->stops, &e->n_stops);

    const glim_memory_plan *plan = &e->model->plan;
    rc = glim_kv_pool_init(&e->kv, plan->kv_type, e->model->cfg.n_layer, e->model->cfg.n_kv_head,
                           e->model->cfg.head_dim, plan->kv_pages, err);
    if (rc == GLIM_OK) rc = glim_ws_new(&e->ws, e->model, plan->n_rows, plan->n_logits, err);
    if (rc != GLIM_OK) goto fail;
    e->load_s = glim_now_s() - t0;
    *out = e;
    return GLIM_OK;

fail:
    glim_engine_free(e);
    return rc;
}

void glim_engine_free(glim_engine *e) {
    if (!e) return;
    glim_ws_free(e->ws);
    glim_kv_pool_deinit(&e->kv);
    glim_model_free(e->model);
    glim_tok_free(e->tok);
    glim_pool_free(e->pool);
    free(e);
}

glim_status glim_engine_can_chat(const glim_engine *e, glim_err *err) {
    if (e->chat != GLIM_CHAT_NONE) return GLIM_OK;
    if (err) *err = e->chat_err;
    return e->chat_err.code;
}

glim_sample_params glim_engine_defaults(const glim_engine *e) {
    const glim_config *c = &e->model->cfg;
    glim_sample_params p = {0};
    bool greedy = c->has_do_sample && !c->do_sample;
    /* Absent values are transformers' defaults: temperature 1, no cuts. A file that says nothing at all
     * gets 0.7 / 0.9: plain sampling from a small model reads badly. */
    bool silent = c->temperature < 0 && c->top_p <= 0 && c->top_k < 0;
    p.temperature = greedy ? 0 : c->temperature >= 0 ? c->temperature : silent ? 0.7 : 1;
    p.top_p = c->top_p > 0 ? c->top_p : silent ? 0.9 : 1;
    p.top_k = c->top_k > 0 ? c->top_k : 0;
    p.min_p = c->min_p > 0 ? c->min_p : 0;
    p.repetition_penalty = c->repetition_penalty > 0 ? c->repetition_penalty : 1;
    return p;
}

const char *glim_finish_name(glim_finish f) {
    static const char *const names[] = {"stop", "length", "cancelled", "tool_calls", "error"};
    return names[f];
}
