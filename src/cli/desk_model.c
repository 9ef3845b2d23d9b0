/* desk_model.c - see desk_model.h. One session: a desk's prompts begin alike, and what they share stays in its cache. */
#include "cli/desk_model.h"

#include <string.h>

#include "engine/likely.h"
#include "text/offer.h"

static glim_status say(void *ctx, const glim_shop_prompt *p, glim_shop_said *out, glim_err *err) {
    glim_desk_model *m = ctx;
    glim_prompt prompt = {0};
    glim_ids ids = {0};
    glim_constraint *c = NULL;
    glim_offer *offer = NULL;
    glim_gen_result r = {0};
    glim_reply reply;
    json_t *messages = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "system", "content", p->system, "role", "user", "content", p->user);
    glim_status rc = messages ? glim_chat_render(&prompt, m->e->chat, messages, NULL, &(glim_chat_options){.thinking = -1}, err)
                              : glim_fail(err, GLIM_E_FORMAT, "the prompt is no UTF-8 text");
    if (rc == GLIM_OK) rc = glim_prompt_encode(&prompt, m->e->tok, &ids, err);
    if (rc == GLIM_OK && p->choices) {
        glim_constraint_spec spec = {.choices = p->choices, .kind = m->e->chat, .think = prompt.in_reasoning ? GLIM_THINK_OPENED : GLIM_THINK_NONE};
        rc = glim_constraint_compile(&c, m->vocab, &spec, err);
    }
    if (rc == GLIM_OK && p->choices) rc = glim_offer_new(&offer, p->system, p->user, strlen(p->user), glim_senses_sense(m->senses), err);
    const glim_likely_params how = {.max_tokens = p->max_tokens, .for_reply = true, .cost = offer ? glim_offer_cost : NULL, .cost_ctx = offer};
    if (rc == GLIM_OK)
        rc = c ? glim_session_likeliest(&m->session, ids.v, ids.n, c, &how, &r, err)
               : glim_session_generate(&m->session, ids.v, ids.n, &(glim_gen_params){.max_tokens = p->max_tokens, .for_reply = true}, &r, err);
    glim_reply_init(&reply, m->e->chat, NULL, prompt.in_reasoning, false);
    if (rc == GLIM_OK) rc = glim_reply_put(&reply, glim_buf_cstr(&r.text), r.text.len, err);
    if (rc == GLIM_OK) rc = glim_reply_end(&reply, err);
    if (rc == GLIM_OK && r.finish != GLIM_FINISH_STOP) rc = glim_fail(err, GLIM_E_LIMIT, "the answer did not come to its end");
    if (rc == GLIM_OK) {
        out->text = reply.content;
        reply.content = (glim_buf){0};
    }
    out->n_prompt = r.n_prompt;
    out->n_tokens = r.ids.n;
    out->prefill_s = r.prefill_s;
    out->decode_s = r.decode_s;
    glim_reply_free(&reply);
    glim_gen_result_free(&r);
    glim_constraint_free(c);
    glim_offer_free(offer);
    glim_ids_free(&ids);
    glim_prompt_free(&prompt);
    json_decref(messages);
    return rc;
}

glim_status glim_desk_model_open(glim_desk_model *m, glim_engine *e, glim_err *err) {
    *m = (glim_desk_model){.shop = {say, m}, .e = e};
    glim_status rc = glim_engine_can_chat(e, err);
    if (rc == GLIM_OK) rc = glim_session_open(&m->session, e, err);
    if (rc == GLIM_OK) rc = glim_constraint_vocab_new(&m->vocab, e->tok, e->stops, e->n_stops, 0, err);
    if (rc == GLIM_OK) rc = glim_senses_open(&m->senses, glim_ckpt_gguf(e->model->ckpt), err);
    if (rc != GLIM_OK) glim_desk_model_close(m);
    return rc;
}

void glim_desk_model_close(glim_desk_model *m) {
    if (m->session.e) glim_session_close(&m->session);
    glim_constraint_vocab_free(m->vocab);
    glim_senses_free(m->senses);
    *m = (glim_desk_model){0};
}
