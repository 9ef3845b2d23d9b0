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
#include "format/ckpt.h"
#include "net/sha256.h"
#include "serve/server_internal.h"
#include "serve/shelf.h"

static void ring(void *ctx) {
    uint64_t one = 1;
    ssize_t n = write(((glim_server *)ctx)->bell, &one, sizeof one);
    (void)n; /* full means that it rings already */
}

/* A sample of every tensor: its name, type, shape, and 64 bytes at four places. Files' times and numbers are left out, so that two machines
 * with the same files say the same. */
static void add_weights(glim_sha256 *h, const glim_ckpt *c) {
    enum { PLACES = 4, BYTES = 64 };
    for (size_t i = 0; i < glim_ckpt_n_tensors(c); i++) {
        const glim_tensor *t = glim_ckpt_tensor(c, i);
        size_t n = t->n_bytes < BYTES ? t->n_bytes : BYTES, step = (t->n_bytes - n) / PLACES;
        glim_sha256_update(h, t->name, strlen(t->name) + 1);
        glim_sha256_update(h, &t->type, sizeof t->type);
        glim_sha256_update(h, t->dims, sizeof t->dims);
        for (size_t k = 1; k <= PLACES && n; k++) glim_sha256_update(h, (const char *)t->data + k * step, n);
    }
}

static pthread_once_t g_program_once = PTHREAD_ONCE_INIT;
static char g_program[GLIM_SHA256_HEX];
static void read_program(void) {
    if (glim_sha256_file("/proc/self/exe", g_program, NULL, NULL, NULL) != GLIM_OK) g_program[0] = 0;
}

/* What decides the text of an answer beside the request: the program itself, weights, their type, the kernels. */
static void make_fingerprint(glim_backend *b) {
    const glim_model *m = b->e->model;
    glim_sha256 h;
    uint8_t sum[32];
    char text[512];
    pthread_once(&g_program_once, read_program);
    snprintf(text, sizeof text, "%s|%s|%s|%s|%s|%s|%llu|%zu", GLIM_VERSION, g_program, b->facts.model, m->k->name, glim_dtype_of(m->plan.weight_type)->name,
             glim_dtype_of(m->plan.kv_type)->name, (unsigned long long)m->n_params, m->cfg.n_vocab);
    glim_sha256_init(&h);
    glim_sha256_update(&h, text, strlen(text) + 1);
    add_weights(&h, m->ckpt);
    glim_sha256_digest(&h, sum);
    snprintf(b->fingerprint, sizeof b->fingerprint, "fp_");
    for (int i = 0; i < 8; i++) snprintf(b->fingerprint + 3 + 2 * i, 3, "%02x", sum[i]);
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

/* ---- adapters ---- */

static glim_status add_adapters(glim_backend *b, const glim_server_params *p, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < p->n_adapters && rc == GLIM_OK; i++) rc = glim_sched_add_adapter(b->d, p->adapters[i].name, p->adapters[i].folder, err);
    return rc;
}

typedef struct carried {
    char *name, *folder;
    struct carried *next;
} carried;

static void note(void *ctx, const char *name, const char *folder, size_t bytes) {
    carried **list = ctx, *c = glim_xcalloc(1, sizeof *c);
    (void)bytes;
    if (glim_shelf_owns(name)) { /* comes again when it is asked for */
        free(c);
        return;
    }
    while (*list) list = &(*list)->next;
    c->name = glim_xstrdup(name);
    c->folder = glim_xstrdup(folder);
    *list = c;
}

static carried *carried_next(carried *c) {
    carried *next = c->next;
    free(c->name);
    free(c->folder);
    free(c);
    return next;
}

/* Whether the operator's settings want this one: then a model on which it does not fit is not taken. */
static bool of_start(const glim_server_params *p, const carried *c) {
    for (size_t i = 0; i < p->n_adapters; i++)
        if (strcmp(p->adapters[i].name, c->name) == 0 && strcmp(p->adapters[i].folder, c->folder) == 0) return true;
    return false;
}

/* A new model has the adapters that the old one has now: what was unloaded at run time stays away until a restart, and what came at
 * run time goes along where it fits. */
static glim_status carry_adapters(glim_backend *to, glim_backend *from, glim_err *err) {
    carried *c = NULL;
    glim_status rc = GLIM_OK;
    glim_sched_adapters(from->d, note, &c);
    for (; c; c = carried_next(c)) {
        glim_err why = {0};
        if (rc != GLIM_OK || glim_sched_add_adapter(to->d, c->name, c->folder, &why) == GLIM_OK) continue;
        if (of_start(&to->s->p, c)) {
            *err = why;
            rc = why.code;
        } else glim_log(GLIM_ERROR, "serve", "adapter \"%s\" is left out: %s", c->name, why.msg);
    }
    return rc;
}

glim_status glim_backend_open(glim_backend **out, glim_server *s, glim_engine *e, bool own, glim_err *err) {
    glim_backend *b = glim_xcalloc(1, sizeof *b);
    const glim_server_params *p = &s->p;
    glim_sched_params sp = {.max_running = p->max_running, .max_waiting = p->max_waiting, .no_prefix = p->no_prefix,
                            .snapshot_dir = p->snapshot_dir, .snapshot_bytes = p->snapshot_bytes, .max_draft = p->no_guess ? -1 : 0};
    *out = NULL;
    *b = (glim_backend){.s = s, .e = e};
    pthread_mutex_init(&b->grammar_mu, NULL);
    learn_facts(b);
    b->box = glim_outbox_new(ring, s);
    glim_status rc = glim_sched_open(&b->d, e, &sp, err);
    if (rc == GLIM_OK) rc = s->b ? carry_adapters(b, s->b, err) : add_adapters(b, p, err);
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
        pthread_mutex_lock(&s->adapters_mu);
        s->old = s->b;
        s->b = b;
        s->adapters_barred = false;
        pthread_mutex_unlock(&s->adapters_mu);
        glim_log(GLIM_INFO, "serve", "the model was replaced, requests on the old one=%zu", s->old->refs);
    }
    if (!s->old || s->old->refs > 0) return;
    b = s->old;
    s->old = NULL;
    atomic_store(&b->unused, true); /* not ours from here on */
}

/* ---- the reloader ---- */

/* No adapter comes or goes while the list of the old model is copied and until the new one has taken over: its change would be lost
 * (glim_adapters_lock). */
static void bar_adapters(glim_server *s, bool barred) {
    pthread_mutex_lock(&s->adapters_mu);
    s->adapters_barred = barred;
    pthread_mutex_unlock(&s->adapters_mu);
}

bool glim_adapters_lock(glim_call *c) {
    pthread_mutex_lock(&c->s->adapters_mu);
    if (!c->s->adapters_barred && c->b == c->s->b) return true;
    pthread_mutex_unlock(&c->s->adapters_mu);
    glim_api_fail(&c->error, 409, "model_replaced", NULL, "the model is being replaced: adapters can be changed when that is done");
    c->error.retry_ms = 1000;
    return false;
}

void glim_adapters_unlock(glim_call *c) { pthread_mutex_unlock(&c->s->adapters_mu); }

static void replace_model(glim_server *s) {
    glim_err err = {0};
    glim_engine *e = NULL;
    glim_backend *b = NULL, *old = s->b; /* nobody but us changes it */
    glim_status rc = s->p.open_model(s->p.stop_ctx, &e, &err);
    if (rc == GLIM_OK && !e) return; /* as it was */
    bar_adapters(s, true);
    glim_sched_pause_snapshots(old->d, true); /* the new one counts the folder's bytes, and is the only one to add to them */
    if (rc == GLIM_OK) rc = glim_backend_open(&b, s, e, true, &err);
    if (rc != GLIM_OK) {
        glim_sched_pause_snapshots(old->d, false);
        bar_adapters(s, false);
        if (e) glim_engine_free(e);
        glim_log(GLIM_ERROR, "serve", "the model stays as it was: %s%s%s", err.msg, err.hint[0] ? "; " : "", err.hint);
        return;
    }
    atomic_store(&s->incoming, b);
    ring(s);
    while (!atomic_load(&old->unused) && !atomic_load(&s->closing)) usleep(20000);
    if (!atomic_load(&old->unused)) return; /* the server ends: glim_server_close has both */
    glim_backend_close(old);
    glim_log(GLIM_INFO, "serve", "the old model is closed");
}

typedef struct lookup {
    const carried *c;
    bool found;
} lookup;

static void look(void *ctx, const char *name, const char *folder, size_t bytes) {
    lookup *l = ctx;
    (void)bytes;
    l->found = l->found || (strcmp(name, l->c->name) == 0 && strcmp(folder, l->c->folder) == 0);
}

static bool still_there(glim_sched *d, const carried *c) {
    lookup l = {.c = c};
    glim_sched_adapters(d, look, &l);
    return l.found;
}

/* Those that are loaded, from the folders they came from. */
static void reread_adapters(glim_server *s) {
    carried *c = NULL;
    glim_sched_adapters(s->b->d, note, &c);
    for (; c; c = carried_next(c)) {
        glim_err err = {0};
        if (glim_shelf_find(s, c->name, NULL)) continue; /* what jobs made never changes */
        pthread_mutex_lock(&s->adapters_mu);
        /* Unloaded meanwhile: so be it. */
        glim_status rc = still_there(s->b->d, c) ? glim_sched_add_adapter(s->b->d, c->name, c->folder, &err) : GLIM_E_CANCELLED;
        pthread_mutex_unlock(&s->adapters_mu);
        if (rc == GLIM_OK) glim_log(GLIM_INFO, "serve", "reloaded adapter=%s", c->name);
        else if (rc != GLIM_E_CANCELLED) glim_log(GLIM_ERROR, "serve", "adapter \"%s\" stays as it was: %s", c->name, err.msg);
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
