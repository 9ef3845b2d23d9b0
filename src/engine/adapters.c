/* adapters.c - the adapters that requests may name: loaded, replaced and removed while others run.
 *
 * The list has a lock of its own, which submit and the commands below take and the engine thread never does:
 * a request finds its adapter when it is submitted and holds a reference until it ends. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "engine/sched_internal.h"

void glim_hot_adapter_unref(glim_hot_adapter *h) {
    if (!h || atomic_fetch_sub(&h->refs, 1) != 1) return;
    glim_adapter_free(h->a);
    free(h->name);
    free(h->folder);
    free(h);
}

/* Takes the adapter called name off the list; NULL if there is none. With the lock held. */
static glim_hot_adapter *take(glim_sched *d, const char *name) {
    glim_hot_adapter **p = &d->adapters;
    while (*p && strcmp((*p)->name, name) != 0) p = &(*p)->next;
    glim_hot_adapter *h = *p;
    if (h) *p = h->next;
    return h;
}

static glim_status unknown(const char *name, glim_err *err) {
    return glim_fail(err, GLIM_E_NOT_FOUND, "no adapter is called \"%s\"", name);
}

glim_status glim_hot_adapter_get(glim_sched *d, const char *name, glim_hot_adapter **out, glim_err *err) {
    pthread_mutex_lock(&d->adapters_lock);
    glim_hot_adapter *h = d->adapters;
    while (h && strcmp(h->name, name) != 0) h = h->next;
    if (h) atomic_fetch_add(&h->refs, 1);
    pthread_mutex_unlock(&d->adapters_lock);
    *out = h;
    return h ? GLIM_OK : unknown(name, err);
}

glim_status glim_sched_pin_adapter(glim_sched *d, const char *name, glim_hot_adapter **out, glim_err *err) { return glim_hot_adapter_get(d, name, out, err); }
void glim_sched_unpin_adapter(glim_hot_adapter *a) { glim_hot_adapter_unref(a); }

glim_status glim_sched_add_adapter(glim_sched *d, const char *name, const char *folder, glim_err *err) {
    if (!name[0] || strlen(name) > 256)
        return glim_fail(err, GLIM_E_ARG, "an adapter's name has %zu bytes, want 1 to 256", strlen(name));
    glim_adapter *a;
    glim_status rc = glim_adapter_load(&a, d->e->model, folder, err);
    if (rc != GLIM_OK) return rc;
    glim_hot_adapter *h = glim_xcalloc(1, sizeof *h);
    h->refs = 1;
    h->a = a;
    h->name = glim_xstrdup(name);
    h->folder = glim_xstrdup(folder);
    pthread_mutex_lock(&d->adapters_lock);
    glim_hot_adapter *old = take(d, name), **p = &d->adapters;
    while (*p) p = &(*p)->next;
    *p = h;
    pthread_mutex_unlock(&d->adapters_lock);
    glim_hot_adapter_unref(old);
    if (!old) atomic_fetch_add(&d->c.adapters, 1);
    glim_log(GLIM_INFO, "engine", "adapter loaded name=%s bytes=%zu version=%.12s", name, glim_adapter_bytes(a),
             glim_adapter_version(a));
    return GLIM_OK;
}

glim_status glim_sched_remove_adapter(glim_sched *d, const char *name, glim_err *err) {
    pthread_mutex_lock(&d->adapters_lock);
    glim_hot_adapter *h = take(d, name);
    pthread_mutex_unlock(&d->adapters_lock);
    if (!h) return unknown(name, err);
    atomic_fetch_sub(&d->c.adapters, 1);
    glim_hot_adapter_unref(h);
    return GLIM_OK;
}

void glim_sched_adapters(glim_sched *d, void (*fn)(void *ctx, const char *name, const char *folder, size_t bytes),
                         void *ctx) {
    pthread_mutex_lock(&d->adapters_lock);
    for (glim_hot_adapter *h = d->adapters; h; h = h->next) fn(ctx, h->name, h->folder, glim_adapter_bytes(h->a));
    pthread_mutex_unlock(&d->adapters_lock);
}
