/* desk.c - threads that prepare requests, and the way back to the loop.
 *
 * A body may be 8 MiB of JSON, a prompt a million characters, a schema a second of automata: in the loop it would hold
 * up every stream. Several, so that such bodies, and files on their way to the disk, do not hold up the small ones. */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "serve/server_internal.h"

enum { N_THREADS = 4 };

typedef struct queue {
    pthread_mutex_t mu;
    pthread_cond_t cv;
    glim_call *head, **tail;
} queue;

struct glim_desk {
    queue in, mail;
    bool stop; /* in.mu */
    pthread_t threads[N_THREADS];
    int n_threads;
};

static void queue_init(queue *q) {
    pthread_mutex_init(&q->mu, NULL);
    pthread_cond_init(&q->cv, NULL);
    q->tail = &q->head;
}
static void queue_add(queue *q, glim_call *c) {
    c->next_mail = NULL;
    pthread_mutex_lock(&q->mu);
    *q->tail = c;
    q->tail = &c->next_mail;
    pthread_cond_signal(&q->cv);
    pthread_mutex_unlock(&q->mu);
}
static void queue_deinit(queue *q) {
    pthread_mutex_destroy(&q->mu);
    pthread_cond_destroy(&q->cv);
}

static void *desk_main(void *ctx) {
    struct glim_desk *d = ctx;
    for (;;) {
        pthread_mutex_lock(&d->in.mu);
        while (!d->in.head && !d->stop) pthread_cond_wait(&d->in.cv, &d->in.mu);
        glim_call *c = d->in.head;
        if (c && !(d->in.head = c->next_mail)) d->in.tail = &d->in.head;
        pthread_mutex_unlock(&d->in.mu);
        if (!c) return NULL; /* told to stop, and nothing is left */
        glim_call_prepare(c);
    }
}

glim_status glim_desk_open(glim_server *s, glim_err *err) {
    struct glim_desk *d = s->desk = glim_xcalloc(1, sizeof *d);
    queue_init(&d->in);
    queue_init(&d->mail);
    for (; d->n_threads < N_THREADS; d->n_threads++) {
        int e = pthread_create(&d->threads[d->n_threads], NULL, desk_main, d);
        if (e) return glim_fail_errno(err, GLIM_E_NOMEM, e, "could not start a thread");
    }
    return GLIM_OK;
}

void glim_desk_close(glim_server *s) {
    struct glim_desk *d = s->desk;
    if (!d) return;
    pthread_mutex_lock(&d->in.mu);
    d->stop = true;
    pthread_cond_broadcast(&d->in.cv);
    pthread_mutex_unlock(&d->in.mu);
    for (int i = 0; i < d->n_threads; i++) pthread_join(d->threads[i], NULL);
    glim_ledger_flush(s->store, NULL); /* what waits for the ledger is in the mail now */
    glim_mail_read(s);
    queue_deinit(&d->in);
    queue_deinit(&d->mail);
    free(d);
    s->desk = NULL;
}

void glim_desk_put(glim_call *c) { queue_add(&c->s->desk->in, c); }

void glim_mail_put(glim_call *c) {
    glim_server *s = c->s; /* c may be gone as soon as the loop sees it */
    queue_add(&s->desk->mail, c);
    uint64_t one = 1;
    ssize_t n = write(s->bell, &one, sizeof one);
    (void)n; /* full means that it rings already */
}

void glim_mail_read(glim_server *s) {
    queue *q = &s->desk->mail;
    pthread_mutex_lock(&q->mu);
    glim_call *c = q->head;
    q->head = NULL;
    q->tail = &q->head;
    pthread_mutex_unlock(&q->mu);
    for (glim_call *next; c; c = next) {
        next = c->next_mail;
        glim_call_back(c);
    }
}
