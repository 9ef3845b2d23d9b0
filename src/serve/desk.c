/* desk.c - threads that prepare requests, and the way back to the loop.
 *
 * A body may be 8 MiB of JSON, a prompt a million characters, a schema a second of automata: in the loop it would hold
 * up every stream. Several, so that such bodies, and files on their way to the disk, do not hold up the small ones. Calls that
 * wait for the engine themselves (routes marked slow) have threads of their own, so that they hold up nobody else. */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "serve/server_internal.h"

enum { N_THREADS = 4, N_SLOW = 8 };

typedef struct queue {
    pthread_mutex_t mu;
    pthread_cond_t cv;
    glim_call *head, **tail;
} queue;

struct glim_desk {
    queue in, slow, mail;
    _Atomic bool stop;
    pthread_t threads[N_THREADS + N_SLOW];
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

static void work(struct glim_desk *d, queue *q) {
    for (;;) {
        pthread_mutex_lock(&q->mu);
        while (!q->head && !d->stop) pthread_cond_wait(&q->cv, &q->mu);
        glim_call *c = q->head;
        if (c && !(q->head = c->next_mail)) q->tail = &q->head;
        pthread_mutex_unlock(&q->mu);
        if (!c) return; /* told to stop, and nothing is left */
        glim_call_prepare(c);
    }
}

static void *desk_main(void *ctx) {
    work(ctx, &((struct glim_desk *)ctx)->in);
    return NULL;
}
static void *slow_main(void *ctx) {
    work(ctx, &((struct glim_desk *)ctx)->slow);
    return NULL;
}

glim_status glim_desk_open(glim_server *s, glim_err *err) {
    struct glim_desk *d = s->desk = glim_xcalloc(1, sizeof *d);
    queue_init(&d->in);
    queue_init(&d->slow);
    queue_init(&d->mail);
    for (; d->n_threads < N_THREADS + (s->p.shop ? N_SLOW : 0); d->n_threads++) {
        int e = pthread_create(&d->threads[d->n_threads], NULL, d->n_threads < N_THREADS ? desk_main : slow_main, d);
        if (e) return glim_fail_errno(err, GLIM_E_NOMEM, e, "could not start a thread");
    }
    return GLIM_OK;
}

void glim_desk_close(glim_server *s) {
    struct glim_desk *d = s->desk;
    if (!d) return;
    queue *both[] = {&d->in, &d->slow};
    d->stop = true;
    for (size_t i = 0; i < 2; i++) {
        pthread_mutex_lock(&both[i]->mu); /* nobody is between looking and waiting */
        pthread_cond_broadcast(&both[i]->cv);
        pthread_mutex_unlock(&both[i]->mu);
    }
    for (int i = 0; i < d->n_threads; i++) pthread_join(d->threads[i], NULL);
    glim_ledger_flush(s->store, NULL); /* what waits for the ledger is in the mail now */
    glim_mail_read(s);
    queue_deinit(&d->in);
    queue_deinit(&d->slow);
    queue_deinit(&d->mail);
    free(d);
    s->desk = NULL;
}

void glim_desk_put(glim_call *c) {
    struct glim_desk *d = c->s->desk;
    queue_add(c->route->slow && c->s->p.shop ? &d->slow : &d->in, c);
}

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
