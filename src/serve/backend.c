/* backend.c - one loaded model with all that follows from it, and replacing it while requests run.
 *
 * A call takes the backend that is current when its first line is read and keeps it to its end, so a new model is for
 * new requests and nothing that runs notices. The reloader, a thread of its own, loads the new one beside the old, hands it to the
 * loop, waits until no call has the old one, and closes that.
 *
 *   reloader: load ---incoming---> loop: current = incoming ---last call gone: unused---> reloader: close the old one
 *
 * Threads    refs and the list are the loop's; `unused` is how the reloader learns that it is alone. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "serve/server_internal.h"

static void ring(void *ctx) {
    uint64_t one = 1;
    ssize_t n = write(((glim_server *)ctx)->bell, &one, sizeof one);
    (void)n; /* full means that it rings already */
}

/* What decides the text of an answer beside the request: build, weights, their type, the kernels. FNV-1a. */
static void make_fingerprint(glim_backend *b) {
    const glim_model *m = b->e->model;
    char text[512];
    snprintf(text, sizeof text, "%s|%s|%s|%s|%s|%llu|%zu", GLIM_VERSION, b->facts.model, m->k->name, glim_dtype_of(m->plan.weight_type)->name,
             glim_dtype_of(m->plan.kv_type)->name, (unsigned long long)m->n_params, m->cfg.n_vocab);
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = text; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    snprintf(b->fingerprint, sizeof b->fingerprint, "fp_%016llx", (unsigned long long)h);
}

static void learn_facts(glim_backend *b) {
    const glim_config *c = &b->e->model->cfg;
    b->facts = (glim_ask_facts){.model = b->s->p.model ? b->s->p.model : "model", .mirror_reasoning = b->s->p.mirror_reasoning, .n_vocab = glim_tok_n(b->e->tok),
                                .n_ctx = b->e->model->plan.n_ctx, .defaults = glim_engine_defaults(b->e)};
    /* OpenAI's defaults where the checkpoint says nothing. */
    if (c->temperature < 0 && !(c->has_do_sample && !c->do_sample)) b->facts.defaults.temperature = 1;
    if (c->top_p <= 0) b->facts.defaults.top_p = 1;
    b->max_piece = 1;
    for (size_t i = 0; i < b->facts.n_vocab; i++) {
        size_t n = 0;
        if (glim_tok_piece(b->e->tok, (int32_t)i, &n) && n > b->max_piece) b->max_piece = n;
    }
    make_fingerprint(b);
}

void glim_backend_close(glim_backend *b) {
    if (!b) return;
    glim_sched_close(b->d);
    glim_outbox_free(b->box);
    glim_constraint_cache_free(b->grammars);
    glim_constraint_vocab_free(b->vocab);
    pthread_mutex_destroy(&b->grammar_mu);
    if (b->own) glim_engine_free(b->e);
    free(b);
}

glim_status glim_backend_open(glim_backend **out, glim_server *s, glim_engine *e, bool own, glim_err *err) {
    glim_backend *b = glim_xcalloc(1, sizeof *b);
    const glim_server_params *p = &s->p;
    glim_sched_params sp = {.max_running = p->max_running, .max_waiting = p->max_waiting, .no_prefix = p->no_prefix,
                            .snapshot_dir = p->snapshot_dir, .max_draft = p->no_guess ? -1 : 0};
    *out = NULL;
    *b = (glim_backend){.s = s, .e = e};
    pthread_mutex_init(&b->grammar_mu, NULL);
    learn_facts(b);
    b->box = glim_outbox_new(ring, s);
    glim_status rc = glim_sched_open(&b->d, e, &sp, err);
    for (size_t i = 0; i < p->n_adapters && rc == GLIM_OK; i++) rc = glim_sched_add_adapter(b->d, p->adapters[i].name, p->adapters[i].folder, err);
    if (rc == GLIM_OK) rc = glim_sched_start(b->d, err);
    if (rc != GLIM_OK) {
        glim_backend_close(b);
        return rc;
    }
    b->own = own;
    *out = b;
    return GLIM_OK;
}

/* ---- calls ---- */

glim_backend *glim_backend_take(glim_server *s) {
    s->b->refs++;
    return s->b;
}

void glim_backend_drop(glim_backend *b) { b->refs--; }

/* What the reloader has made becomes current; what nobody has any more is the reloader's to close. */
void glim_backend_turn(glim_server *s) {
    glim_backend *b = s->old ? NULL : atomic_exchange(&s->incoming, NULL);
    if (s->reload_again && atomic_load(&s->reloaded)) glim_reload_begin(s);
    if (b) {
        s->old = s->b;
        s->b = b;
        glim_log(GLIM_INFO, "serve", "the model was replaced, requests on the old one=%zu", s->old->refs);
    }
    if (!s->old || s->old->refs > 0) return;
    b = s->old;
    s->old = NULL;
    atomic_store(&b->unused, true); /* not ours from here on */
}

/* ---- the reloader ---- */

static bool of_start(const glim_server_params *p, const char *name) {
    for (size_t i = 0; i < p->n_adapters; i++)
        if (strcmp(p->adapters[i].name, name) == 0) return true;
    return false;
}

typedef struct carried {
    char *name, *folder;
    struct carried *next;
} carried;

static void note(void *ctx, const char *name, const char *folder, size_t bytes) {
    carried **list = ctx, *c = glim_xcalloc(1, sizeof *c);
    (void)bytes;
    while (*list) list = &(*list)->next;
    c->name = glim_xstrdup(name);
    c->folder = glim_xstrdup(folder);
    *list = c;
}

/* Adapters that came at run time go along, where they fit the new model. */
static void carry_adapters(glim_server *s, glim_backend *from, glim_backend *to) {
    carried *list = NULL;
    glim_sched_adapters(from->d, note, &list);
    for (carried *c = list, *next; c; c = next) {
        glim_err err = {0};
        next = c->next;
        if (!of_start(&s->p, c->name) && glim_sched_add_adapter(to->d, c->name, c->folder, &err) != GLIM_OK)
            glim_log(GLIM_ERROR, "serve", "adapter \"%s\" is left out: %s", c->name, err.msg);
        free(c->name);
        free(c->folder);
        free(c);
    }
}

static void replace_model(glim_server *s) {
    glim_err err = {0};
    glim_engine *e = NULL;
    glim_backend *b = NULL, *old = s->b; /* nobody but us changes it */
    glim_status rc = s->p.open_model(s->p.stop_ctx, &e, &err);
    if (rc == GLIM_OK && !e) return; /* as it was */
    if (rc == GLIM_OK) rc = glim_backend_open(&b, s, e, true, &err);
    if (rc != GLIM_OK) {
        if (e) glim_engine_free(e);
        glim_log(GLIM_ERROR, "serve", "the model stays as it was: %s%s%s", err.msg, err.hint[0] ? "; " : "", err.hint);
        return;
    }
    carry_adapters(s, old, b);
    atomic_store(&s->incoming, b);
    ring(s);
    while (!atomic_load(&old->unused) && !atomic_load(&s->closing)) usleep(20000);
    if (!atomic_load(&old->unused)) return; /* the server ends: glim_server_close has both */
    glim_backend_close(old);
    glim_log(GLIM_INFO, "serve", "the old model is closed");
}

static void reread_adapters(glim_server *s) {
    for (size_t i = 0; i < s->p.n_adapters; i++) {
        glim_err err = {0};
        const glim_server_adapter *a = &s->p.adapters[i];
        if (glim_sched_add_adapter(s->b->d, a->name, a->folder, &err) == GLIM_OK) glim_log(GLIM_INFO, "serve", "reloaded adapter=%s", a->name);
        else glim_log(GLIM_ERROR, "serve", "adapter \"%s\" stays as it was: %s", a->name, err.msg);
    }
}

static void *reload(void *ctx) {
    glim_server *s = ctx;
    reread_adapters(s);
    if (s->p.open_model) replace_model(s);
    glim_log(GLIM_INFO, "serve", "reload is over, keys=%zu", glim_keyring_size(s->store));
    atomic_store(&s->reloaded, true);
    return NULL;
}

void glim_reload_end(glim_server *s) {
    if (s->reloading) pthread_join(s->reloader, NULL);
    s->reloading = false;
}

void glim_reload_begin(glim_server *s) {
    s->reload_again = s->reloading && !atomic_load(&s->reloaded); /* one at a time: glim_backend_turn comes back to it */
    if (s->reload_again) return;
    glim_reload_end(s);
    atomic_store(&s->reloaded, false);
    s->reloading = pthread_create(&s->reloader, NULL, reload, s) == 0;
}
