/* route_models.c - GET /v1/models and /v1/models/{id}: the base model, then its adapters and the caller's fine-tuned models. */
#include <string.h>

#include "serve/routes.h"
#include "serve/shelf.h"

typedef struct listing {
    const glim_call *c;
    glim_buf *b;
    const char *only; /* NULL: all */
    size_t n;
} listing;

static void put(listing *l, const char *id, const char *parent, int64_t created, const char *owner) {
    const glim_model *m = l->c->b->e->model;
    if (l->only && strcmp(l->only, id) != 0) return;
    if (l->n++) glim_buf_puts(l->b, ", ");
    glim_buf_puts(l->b, "{\"id\": ");
    glim_json_put_str(l->b, id, strlen(id));
    glim_buf_printf(l->b, ", \"object\": \"model\", \"created\": %lld, \"owned_by\": \"%s\"", (long long)created, owner); /* tenants are plain words */
    if (parent) {
        glim_buf_puts(l->b, ", \"parent\": ");
        glim_json_put_str(l->b, parent, strlen(parent));
    }
    glim_buf_printf(l->b, ", \"max_model_len\": %zu, \"meta\": {\"ctx\": %zu, \"params\": %llu, \"quant\": \"%s\", \"vocab\": %zu, \"chat_template\": ",
                    l->c->b->facts.n_ctx, l->c->b->facts.n_ctx, (unsigned long long)m->n_params, glim_dtype_of(m->plan.weight_type)->name, l->c->b->facts.n_vocab);
    if (l->c->b->e->chat == GLIM_CHAT_NONE) glim_buf_puts(l->b, "null}}");
    else glim_buf_printf(l->b, "\"%s\"}}", glim_chat_name(l->c->b->e->chat));
}

static void put_adapter(void *ctx, const char *name, const char *folder, size_t bytes) {
    listing *l = ctx;
    (void)folder, (void)bytes;
    if (!glim_shelf_owns(name)) put(l, name, l->c->b->facts.model, l->c->s->started, "glim");
}

static void put_tuned(void *ctx, const glim_tuned *t) { put(ctx, t->name, t->base, t->created_us / 1000000, t->tenant); }

static void put_all(listing *l) {
    put(l, l->c->b->facts.model, NULL, l->c->s->started, "glim");
    glim_sched_adapters(l->c->b->d, put_adapter, l);
    glim_shelf_each(l->c, put_tuned, l); /* in the engine or not */
}

enum MHD_Result glim_route_models(glim_call *c) {
    glim_buf b = {0};
    listing l = {.c = c, .b = &b};
    glim_buf_puts(&b, "{\"object\": \"list\", \"data\": [");
    put_all(&l);
    glim_buf_puts(&b, "]}");
    return glim_call_ok(c, &b);
}

enum MHD_Result glim_route_model(glim_call *c) {
    glim_buf b = {0};
    listing l = {.c = c, .b = &b, .only = c->arg};
    put_all(&l);
    if (l.n) return glim_call_ok(c, &b);
    glim_api_fail(&c->error, 404, "model_not_found", "model", "there is no model \"%.200s\" here: want \"%s\"", c->arg, c->b->facts.model);
    return glim_call_fail(c);
}
