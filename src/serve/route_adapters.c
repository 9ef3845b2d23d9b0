/* route_adapters.c - adapters at run time, under vLLM's names: /v1/load_lora_adapter, /v1/unload_lora_adapter; /v1/lora
 * lists them, and DELETE /v1/models/{id} is OpenAI's way to unload one. Requests that run keep what they began with. */
#include <string.h>

#include "serve/fields.h"
#include "serve/routes.h"
#include "serve/shelf.h"
#include "base/log.h"

typedef struct lookup {
    const char *name;
    bool found;
    const glim_call *c;
    glim_buf *b;
    size_t n;
} lookup;

static void look(void *ctx, const char *name, const char *folder, size_t bytes) {
    lookup *l = ctx;
    (void)folder, (void)bytes;
    l->found = l->found || strcmp(name, l->name) == 0;
}

static bool has(glim_call *c, const char *name) {
    lookup l = {.name = name};
    glim_sched_adapters(c->b->d, look, &l);
    return l.found;
}

static bool need_str(glim_call *c, const json_t *body, const char *key, const char **out) {
    if (!glim_field_str(body, key, out, &c->error)) return false;
    if (*out && **out) return true;
    return glim_api_fail(&c->error, 400, *out ? "invalid_value" : "missing_required_parameter", key, "\"%s\": want a text that is not empty", key);
}

static bool load(glim_call *c, const json_t *body) {
    const char *name = NULL, *path = NULL;
    bool again = false;
    glim_err err = {0};
    if (!need_str(c, body, "lora_name", &name) || !need_str(c, body, "lora_path", &path) ||
        !glim_field_bool(body, "load_inplace", &again, &c->error))
        return false;
    if (glim_store_check_text(name, GLIM_STORE_NAME, "\"lora_name\"", &err) != GLIM_OK) return glim_api_from(&c->error, &err, "lora_name");
    if (strcmp(name, c->b->facts.model) == 0)
        return glim_api_fail(&c->error, 400, "invalid_value", "lora_name", "\"lora_name\": \"%.128s\" is the base model's name", name);
    if (glim_shelf_owns(name))
        return glim_api_fail(&c->error, 400, "invalid_value", "lora_name", "\"lora_name\": names that begin with \"ft:\" are those of fine-tuned models");
    if (!glim_adapters_lock(c)) return false;
    bool there = !again && has(c, name);
    glim_status rc = there ? GLIM_OK : glim_sched_add_adapter(c->b->d, name, path, &err);
    glim_adapters_unlock(c);
    if (there) return glim_api_fail(&c->error, 400, "invalid_value", "lora_name", "there is an adapter \"%.128s\" already: \"load_inplace\": true replaces it", name);
    if (rc != GLIM_OK) {
        glim_api_from(&c->error, &err, "lora_path");
        if (c->error.status == 500) c->error.status = 400; /* an adapter of another model, a file that cannot be read */
        if (err.code == GLIM_E_NOT_FOUND) c->error.code = "adapter_not_found";
        return false;
    }
    glim_log(GLIM_INFO, "serve", "adapter loaded name=%s key=%s", name, c->keyed ? c->key.id : GLIM_KEY_LOCAL);
    glim_buf_printf(&c->reply, "Success: LoRA adapter '%s' added successfully.", name);
    return true;
}

static bool unload(glim_call *c, const char *name, const char *param) {
    glim_err err = {0};
    if (!glim_adapters_lock(c)) return false;
    glim_status rc = glim_sched_remove_adapter(c->b->d, name, &err);
    glim_adapters_unlock(c);
    if (rc != GLIM_OK) {
        if (err.code == GLIM_E_NOT_FOUND) return glim_api_fail(&c->error, 404, "model_not_found", param, "there is no adapter \"%.128s\"", name);
        return glim_api_from(&c->error, &err, param);
    }
    glim_log(GLIM_INFO, "serve", "adapter unloaded name=%s key=%s", name, c->keyed ? c->key.id : GLIM_KEY_LOCAL);
    return true;
}

bool glim_route_adapter_load(glim_call *c) {
    json_t *body = glim_call_json(c);
    c->reply_type = "text/plain; charset=utf-8";
    bool ok = body && load(c, body);
    json_decref(body);
    return ok;
}

bool glim_route_adapter_unload(glim_call *c) {
    json_t *body = glim_call_json(c);
    const char *name = NULL;
    c->reply_type = "text/plain; charset=utf-8";
    bool ok = body && need_str(c, body, "lora_name", &name) && unload(c, name, "lora_name");
    if (ok) glim_buf_printf(&c->reply, "Success: LoRA adapter '%s' removed successfully.", name);
    json_decref(body);
    return ok;
}

bool glim_route_adapter_delete(glim_call *c) {
    if (strcmp(c->arg, c->b->facts.model) == 0)
        return glim_api_fail(&c->error, 400, "unsupported_value", "model", "\"%.128s\" is the base model; only adapters can be deleted", c->arg);
    if (glim_shelf_owns(c->arg)) {
        if (!glim_shelf_shows(c, c->arg)) return glim_api_fail(&c->error, 404, "model_not_found", "model", "there is no model \"%.128s\"", c->arg);
        if (!glim_shelf_delete(c, c->arg)) return false;
    } else if (c->keyed && !(c->key.scopes & GLIM_SCOPE_ADMIN)) { /* of an adapter only an administrator says so */
        if (!has(c, c->arg)) return glim_api_fail(&c->error, 404, "model_not_found", "model", "there is no model \"%.128s\"", c->arg);
        return glim_api_fail(&c->error, 403, "scope", NULL, "this key may not unload an adapter: it lacks the scope admin");
    } else if (!unload(c, c->arg, "model")) {
        return false;
    }
    glim_buf_puts(&c->reply, "{\"id\": ");
    glim_json_put_str(&c->reply, c->arg, strlen(c->arg));
    glim_buf_puts(&c->reply, ", \"object\": \"model\", \"deleted\": true}");
    return true;
}

static void put(void *ctx, const char *name, const char *folder, size_t bytes) {
    lookup *l = ctx;
    if (!glim_shelf_shows(l->c, name)) return;
    glim_buf_puts(l->b, l->n++ ? ", {\"id\": " : "{\"id\": ");
    glim_json_put_str(l->b, name, strlen(name));
    glim_buf_puts(l->b, ", \"object\": \"adapter\"");
    if (!l->c->keyed || (l->c->key.scopes & GLIM_SCOPE_ADMIN)) { /* where it lies is the machine's business */
        glim_buf_puts(l->b, ", \"path\": ");
        glim_json_put_str(l->b, folder, strlen(folder));
    }
    glim_buf_printf(l->b, ", \"bytes\": %zu}", bytes);
}

bool glim_route_adapter_list(glim_call *c) {
    lookup l = {.c = c, .b = &c->reply};
    glim_buf_puts(l.b, "{\"object\": \"list\", \"data\": [");
    glim_sched_adapters(c->b->d, put, &l);
    glim_buf_puts(l.b, "]}");
    return true;
}
