/* shelf.c - see shelf.h.
 *
 * Threads    mu guards the list and is held for moments; load_mu, one at a time loads or deletes, is never taken in the loop. */
#include "serve/shelf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "serve/jobs.h"
#include "store/blobs.h"

typedef struct book {
    glim_tuned t;
    uint64_t used; /* the clock at its last request; 0: none */
} book;

struct glim_shelf {
    pthread_mutex_t mu, load_mu;
    book *books;
    size_t n, cap;
    uint64_t clock;
};

static book *find(struct glim_shelf *h, const char *name) {
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->books[i].t.name, name) == 0) return &h->books[i];
    return NULL;
}

void glim_shelf_put(glim_server *s, const glim_tuned *t) {
    struct glim_shelf *h = s->shelf;
    pthread_mutex_lock(&h->mu);
    book *b = find(h, t->name);
    if (!b) {
        if (h->n == h->cap) {
            h->cap = h->cap ? 2 * h->cap : 16;
            h->books = glim_xrealloc(h->books, h->cap * sizeof *h->books);
        }
        b = &h->books[h->n++];
        *b = (book){0};
    }
    b->t = *t;
    pthread_mutex_unlock(&h->mu);
}

void glim_shelf_take(glim_server *s, const char *name) {
    struct glim_shelf *h = s->shelf;
    pthread_mutex_lock(&h->mu);
    book *b = find(h, name);
    if (b) {
        const size_t i = (size_t)(b - h->books);
        memmove(b, b + 1, (h->n - i - 1) * sizeof *b);
        h->n--;
    }
    pthread_mutex_unlock(&h->mu);
}

bool glim_shelf_find(glim_server *s, const char *name, glim_tuned *out) {
    pthread_mutex_lock(&s->shelf->mu);
    const book *b = find(s->shelf, name);
    if (b && out) *out = b->t;
    pthread_mutex_unlock(&s->shelf->mu);
    return b != NULL;
}

static bool may_see(const glim_call *c, const glim_tuned *t) {
    return (c->keyed && (c->key.scopes & GLIM_SCOPE_ADMIN)) || strcmp(t->tenant, glim_call_tenant(c)) == 0;
}

bool glim_shelf_owns(const char *name) { return strncmp(name, "ft:", 3) == 0; }

bool glim_shelf_shows(const glim_call *c, const char *name) {
    glim_tuned t;
    return !glim_shelf_owns(name) || (glim_shelf_find(c->s, name, &t) && may_see(c, &t));
}

void glim_shelf_each(const glim_call *c, void (*fn)(void *ctx, const glim_tuned *t), void *ctx) {
    struct glim_shelf *h = c->s->shelf;
    pthread_mutex_lock(&h->mu);
    for (size_t i = 0; i < h->n; i++)
        if (may_see(c, &h->books[i].t) && strcmp(h->books[i].t.base, c->b->facts.model) == 0) fn(ctx, &h->books[i].t);
    pthread_mutex_unlock(&h->mu);
}

/* A checkpoint of which a restored backup has only the row is not shown. */
static bool keep(void *ctx, const glim_tuned *t) {
    glim_server *s = ctx;
    char *folder = glim_path_join(glim_store_dir(s->store), t->folder);
    if (t->config[0] || glim_path_is_dir(folder)) glim_shelf_put(s, t);
    free(folder);
    return true;
}

glim_status glim_shelf_open(glim_server *s, glim_err *err) {
    s->shelf = glim_xcalloc(1, sizeof *s->shelf);
    pthread_mutex_init(&s->shelf->mu, NULL);
    pthread_mutex_init(&s->shelf->load_mu, NULL);
    return glim_tuned_list(s->store, NULL, NULL, keep, s, err);
}

void glim_shelf_close(glim_server *s) {
    if (!s->shelf) return;
    pthread_mutex_destroy(&s->shelf->mu);
    pthread_mutex_destroy(&s->shelf->load_mu);
    free(s->shelf->books);
    free(s->shelf);
    s->shelf = NULL;
}

/* ---- into the engine ---- */

typedef struct hot {
    glim_server *s;
    const char *name, *folder; /* looked for */
    bool there;
    size_t n;
    uint64_t oldest;
    char least[GLIM_TUNED_NAME + 1], orphan[GLIM_TUNED_NAME + 1]; /* used longest ago; no longer on the shelf */
} hot;

static void look(void *ctx, const char *name, const char *folder, size_t bytes) {
    hot *h = ctx;
    (void)bytes;
    pthread_mutex_lock(&h->s->shelf->mu);
    const book *b = find(h->s->shelf, name);
    if (strcmp(name, h->name) == 0) h->there = strcmp(folder, h->folder) == 0;
    else if (b) {
        h->n++;
        if (b->used < h->oldest) {
            h->oldest = b->used;
            memcpy(h->least, b->t.name, sizeof h->least);
        }
    } else if (glim_shelf_owns(name)) {
        snprintf(h->orphan, sizeof h->orphan, "%s", name);
    }
    pthread_mutex_unlock(&h->s->shelf->mu);
}

static glim_status bring_file(glim_server *s, const char *id, const char *folder, const char *name, glim_err *err) {
    glim_file f;
    glim_status rc = glim_file_get(s->store, NULL, id, &f, err);
    if (rc != GLIM_OK) return rc;
    char *from = glim_blob_path(glim_store_dir(s->store), f.sha256), *to = glim_path_join(folder, name);
    unlink(to);
    if (link(from, to) != 0) rc = glim_fail(err, GLIM_E_NOT_FOUND, "the contents of \"%s\" are gone", name);
    free(from);
    free(to);
    return rc;
}

/* A restored backup has the files, not the folder. */
static glim_status bring_back(glim_server *s, const glim_tuned *t, const char *folder, glim_err *err) {
    char *config = glim_path_join(folder, "adapter_config.json");
    const bool there = glim_path_exists(config);
    free(config);
    if (there || !t->config[0] || !t->weights[0]) return GLIM_OK;
    glim_status rc = glim_mkdirs(folder, err);
    if (rc == GLIM_OK) rc = bring_file(s, t->weights, folder, "adapter_model.safetensors", err);
    if (rc == GLIM_OK) rc = bring_file(s, t->config, folder, "adapter_config.json", err);
    return rc;
}

static void touch(glim_server *s, const char *name) {
    pthread_mutex_lock(&s->shelf->mu);
    book *b = find(s->shelf, name);
    if (b) b->used = ++s->shelf->clock;
    pthread_mutex_unlock(&s->shelf->mu);
}

bool glim_shelf_load(glim_call *c, const char *name) {
    glim_server *s = c->s;
    glim_tuned t;
    glim_err err = {0};
    glim_status rc = GLIM_OK;
    if (!glim_shelf_find(s, name, &t)) return glim_api_fail(&c->error, 404, "model_not_found", "model", "there is no model \"%.200s\" here", name);
    char *folder = glim_path_join(glim_store_dir(s->store), t.folder);
    hot h = {.s = s, .name = name, .folder = folder, .oldest = UINT64_MAX};
    touch(s, name);
    glim_sched_adapters(c->b->d, look, &h);
    if (!h.there) {
        pthread_mutex_lock(&s->shelf->load_mu);
        h.n = 0, h.oldest = UINT64_MAX;
        glim_sched_adapters(c->b->d, look, &h); /* another desk may have been quicker */
        if (!h.there && !glim_shelf_find(s, name, NULL)) rc = glim_fail(&err, GLIM_E_NOT_FOUND, "it was deleted");
        if (!h.there && rc == GLIM_OK) rc = bring_back(s, &t, folder, &err);
        if (!h.there && rc == GLIM_OK) rc = glim_sched_add_adapter(c->b->d, name, folder, &err);
        if (!h.there && rc == GLIM_OK && h.n >= GLIM_SHELF_HOT) glim_sched_remove_adapter(c->b->d, h.least, NULL);
        if (h.orphan[0]) glim_sched_remove_adapter(c->b->d, h.orphan, NULL); /* a checkpoint that gave way to a later one */
        pthread_mutex_unlock(&s->shelf->load_mu);
    }
    free(folder);
    if (rc == GLIM_OK) return true;
    glim_log(GLIM_ERROR, "serve", "model \"%s\" cannot be loaded: %s", name, err.msg);
    if (rc == GLIM_E_NOMEM) return glim_api_from(&c->error, &err, "model");
    return glim_api_fail(&c->error, 404, "model_not_found", "model", "the fine-tuned model \"%.200s\" cannot be loaded: %s", name, err.msg);
}

/* ---- deleting ---- */

static void drop_file(glim_server *s, const char *id, const char *actor) {
    glim_err err = {0};
    if (id[0] && glim_file_delete(s->store, NULL, id, actor, &err) != GLIM_OK && err.code != GLIM_E_NOT_FOUND)
        glim_log(GLIM_ERROR, "serve", "file %s of a deleted model stays: %s", id, err.msg);
}

bool glim_shelf_delete(glim_call *c, const char *name) {
    glim_server *s = c->s;
    glim_tuned t;
    glim_err err = {0};
    const char *actor = c->keyed ? c->key.id : GLIM_KEY_LOCAL;
    pthread_mutex_lock(&s->shelf->load_mu);
    glim_status rc = glim_shelf_find(s, name, &t) ? glim_tuned_delete(s->store, name, actor, &err) : glim_fail(&err, GLIM_E_NOT_FOUND, "gone");
    if (rc == GLIM_OK) {
        glim_shelf_take(s, name);
        glim_sched_remove_adapter(c->b->d, name, NULL); /* if it was there */
        drop_file(s, t.weights, actor);
        drop_file(s, t.config, actor);
        glim_jobs_tidy(s, t.job, t.folder);
    }
    pthread_mutex_unlock(&s->shelf->load_mu);
    if (rc == GLIM_E_NOT_FOUND) return glim_api_fail(&c->error, 404, "model_not_found", "model", "there is no model \"%.200s\"", name);
    return rc == GLIM_OK ? true : glim_api_from(&c->error, &err, "model");
}
