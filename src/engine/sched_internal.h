/* sched_internal.h - what sched.c, choice.c, batch.c, stream.c and adapters.c share. */
#ifndef GLIM_ENGINE_SCHED_INTERNAL_H
#define GLIM_ENGINE_SCHED_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/guess.h"
#include "engine/pace.h"
#include "engine/prefix.h"
#include "engine/sched.h"
#include "engine/show.h"
#include "engine/snapshot.h"
#include "model/adapter.h"

enum {
    GLIM_MAX_CHOICES = 128,
    GLIM_MAX_TOP = 20,
    GLIM_MAX_STOPS = 16,
    GLIM_MAX_STOP_BYTES = 1024,
    GLIM_MAX_DRAFT = 16,
    GLIM_MESSAGE_BYTES = 512 /* of an error that travels in an event */
};

/* What wakes the engine thread. Streams outlive the scheduler, so it is counted. */
typedef struct glim_bell {
    _Atomic int refs;
    _Atomic uint32_t rung;
    _Atomic bool asleep;
    _Atomic uint64_t cancels; /* grows with every cancel and every choice that is enough: the engine then looks for whom */
} glim_bell;
void glim_bell_ring(glim_bell *b);
void glim_bell_unref(glim_bell *b);

/* An adapter as requests hold it: freed when its name is gone and its last request has ended. */
typedef struct glim_hot_adapter {
    _Atomic int refs;
    char *name, *folder;
    glim_adapter *a;
    struct glim_hot_adapter *next;
} glim_hot_adapter;
void glim_hot_adapter_unref(glim_hot_adapter *h); /* takes NULL */
/* One more reference of the adapter called name. GLIM_E_NOT_FOUND. */
glim_status glim_hot_adapter_get(glim_sched *s, const char *name, glim_hot_adapter **out, glim_err *err);

/* One choice of a request: a sequence of tokens with its pages.
 *
 *   WAITING --admit--> RUNNING --finish--> DONE
 *                      |     ^
 *                   preempt  admit
 *                      v     |
 *                      PARKED
 *
 * ids [0, kv.n_pos) are in the pages; the rest is read next: many of a prompt, one when it writes. */
typedef enum glim_choice_state { CHOICE_WAITING, CHOICE_RUNNING, CHOICE_PARKED, CHOICE_DONE } glim_choice_state;

typedef struct glim_choice {
    struct glim_stream *s;
    uint32_t index;
    glim_choice_state state;
    bool stalled;       /* its ring is full: not stepped */
    glim_kv_seq kv;
    int32_t *ids;       /* [cap_ids] prompt, then what was generated */
    size_t n_ids, cap_ids;
    size_t n_gen;
    size_t n_scored;    /* prompt tokens that have had their GLIM_EV_PROMPT */
    glim_show show;
    glim_seen seen;
    glim_guess guess;
    void *mask_ctx;
    bool mask_ended;    /* accept said that the text ends here */
    glim_prefix_at at;  /* the tree's node of page n_kept - 1 */
    glim_chain chain;   /* of that page, with snapshots */
    size_t n_kept;      /* pages of it that the tree has (or was offered) */
    bool keep_no_more;  /* the tree is full of pages in use */
    bool disk_waits;    /* its next page is on disk, and this step has read enough */
    double *pooled;     /* [n_embd] sum of hidden states */
    size_t n_pooled;
    int32_t stop_id;
    struct glim_choice *next; /* in the parked list */

    /* of the step that runs */
    uint32_t seq;       /* number in the batch */
    size_t row0, n_rows, n_draft;
    size_t logit0, n_logits; /* rows of logits; the last n_draft + 1 of them choose tokens */
    size_t n_picked;
    int32_t picked[GLIM_MAX_DRAFT + 1];
    bool pick_failed, forks;
    glim_err *pick_err; /* NULL until a mask reports an error; heap */
} glim_choice;

struct glim_stream {
    _Atomic int refs; /* reader, engine, outbox */
    uint64_t id;
    void *user;
    glim_bell *bell;
    glim_outbox *box;
    struct glim_stream *next_ready;
    _Atomic bool in_outbox, cancelled, closed;
    _Atomic uint64_t enough[GLIM_MAX_CHOICES / 64]; /* choices that the reader wants no more of */

    /* The ring: records of whole 8 bytes, each in one piece. Counters run freely; index = counter % cap. */
    uint8_t *ring;
    size_t cap, max_event; /* max_event: bytes of the largest token event */
    size_t tail_room;      /* kept free for the FINISH events and END */
    _Atomic uint64_t put, got;
    uint64_t got_next;     /* the reader's: what `got` becomes at its next call */
    _Atomic bool starved;  /* the engine wants to hear of room */

    /* the request, as submitted */
    glim_request r; /* prompt NULL: it is in choices[0]->ids; stops and bias are copies */
    char *tenant;
    glim_hot_adapter *adapter;
    size_t n_prompt;
    double rank; /* smaller goes first: submitted at, less what the priority is worth */
    glim_choice **choices; /* [r.n]; those after the first are made when the prompt is read */
    uint32_t n_open;       /* choices not DONE */
    bool started, ended, has_notified;
    glim_usage usage;
    double t_submit, t_start, t_first;
    struct glim_stream *next; /* inbox, waiting list, list of all that live */
    struct glim_stream *prev_live, *next_live;
};

struct glim_outbox {
    _Atomic int refs;                    /* reader, each stream, the engine while it is dirty */
    pthread_mutex_t lock;                /* only between wake and glim_outbox_free: no wake after it */
    _Atomic bool gone;                   /* its reader has left */
    _Atomic(struct glim_stream *) ready; /* pushed by the engine */
    struct glim_stream *local;           /* taken by the reader, oldest first */
    void (*wake)(void *ctx);
    void *ctx;
    _Atomic uint32_t rung;
    _Atomic bool asleep;
    bool dirty;                          /* the engine's: to be woken after this step */
    struct glim_outbox *next_dirty;
};

/* log softmax of one row of logits, and its best ids. */
typedef struct glim_row_probs {
    bool wanted;
    float top;
    double log_sum;
    size_t n_best;
    glim_best best[GLIM_MAX_TOP];
} glim_row_probs;

/* Figures that any thread reads. */
typedef struct glim_counters {
    _Atomic size_t running, waiting, stalled, kv_used, kv_prefix, adapters;
    _Atomic uint64_t steps, rows, requests, finished, cancelled, refused, failed;
    _Atomic uint64_t prompt_tokens, cached_tokens, completion_tokens, draft_tokens, draft_ok_tokens;
    _Atomic uint64_t preemptions, prefix_queries, prefix_hits, prefix_evicted;
    _Atomic uint64_t busy_ns;
} glim_counters;

struct glim_sched {
    glim_engine *e;
    glim_sched_params p;
    glim_bell *bell;
    pthread_t thread;
    bool has_thread;
    _Atomic bool draining, quit;

    _Atomic(struct glim_stream *) inbox;
    _Atomic uint64_t next_id;
    _Atomic size_t n_live; /* requests that have not ended */
    uint64_t cancels_seen;

    struct glim_stream *waiting; /* by rank */
    glim_choice *parked;         /* by rank */
    struct glim_stream *live;    /* all that were taken from the inbox and have not ended */
    glim_choice **running;       /* [max_running] by rank */
    size_t n_running;
    size_t limit_pos;            /* positions that one sequence may have */

    glim_prefix *prefix;         /* NULL: nothing is shared */
    glim_snapshot *snapshot;     /* NULL: nothing is kept on disk */
    glim_chain *chains;          /* of the tree's nodes, while the last ones are written */
    glim_pace pace;
    size_t disk_budget;          /* bytes that this step may still read from disk */
    bool disk_waits;             /* somebody waits for the next step's */

    /* scratch of a step */
    glim_row *rows, *rows_before; /* [ws rows] */
    float *hidden;               /* [n_embd] */
    glim_kv_seq **seqs;          /* [max_running] */
    const glim_adapter **seq_adapters; /* [max_running] */
    glim_choice **batch;         /* [max_running] in row order */
    glim_choice **prompts;       /* [max_running] */
    size_t n_batch, n_rows, n_logits, n_write_rows, n_read_rows;
    glim_adapter_scratch *lora;
    glim_row_probs *probs;       /* [ws logits] */
    const float *logits;
    glim_sampler **samplers;     /* [threads] */
    int n_samplers;
    glim_outbox *dirty;

    size_t max_text;             /* bytes of text that one token can bring, U+FFFD for each broken byte */
    int32_t handover, turn;      /* <|observation|>, <|assistant|> */

    pthread_mutex_t adapters_lock; /* the list only: never taken by the engine thread */
    glim_hot_adapter *adapters;

    glim_counters c;
};

double glim_sched_now(const glim_sched *s);
bool glim_choice_before(const glim_choice *a, const glim_choice *b); /* total order: who goes first */

/* stream.c: the engine's side of a ring */
void glim_stream_unref(glim_stream *s);
size_t glim_stream_room(const glim_stream *s); /* bytes for token events */
/* Whether so many are free; if not, the reader rings when it has read. All who do not go on for want of room
 * ask here, or the engine might sleep with nobody to wake it. */
bool glim_stream_has_room(glim_stream *s, size_t bytes);
void glim_stream_put_token(glim_sched *d, glim_choice *c, int32_t id, const glim_row_probs *p, float logprob,
                           const char *text, size_t n_text);
void glim_stream_put_prompt(glim_sched *d, glim_choice *c, size_t pos, const glim_row_probs *p, float logprob);
void glim_stream_put_embedding(glim_sched *d, glim_choice *c, const float *v, size_t n);
void glim_stream_put_finish(glim_sched *d, glim_choice *c, glim_finish f, const char *text, size_t n_text,
                            const char *message);
void glim_stream_put_end(glim_sched *d, glim_stream *s, glim_status status, const char *message);
void glim_outbox_unref(glim_outbox *b); /* takes NULL */
void glim_outboxes_wake(glim_sched *d); /* at the end of a step */
glim_status glim_stream_ring_new(glim_stream *s, size_t n_choices, size_t longest_stop, size_t max_text, size_t n_values,
                                 glim_err *err);

/* choice.c: a sequence's life */
glim_status glim_choice_new(glim_choice **out, glim_sched *d, glim_stream *s, uint32_t index, glim_err *err);
void glim_choice_free(glim_choice *c);
void glim_choice_park(glim_sched *d, glim_choice *c);   /* RUNNING -> PARKED: its pages go */
void glim_choice_run(glim_sched *d, glim_choice *c);    /* WAITING or PARKED -> RUNNING */
void glim_choice_finish(glim_sched *d, glim_choice *c, glim_finish f, const char *message);
void glim_choice_adopt(glim_sched *d, glim_choice *c);  /* takes pages of the tree that go on from n_pos */
void glim_choice_keep(glim_sched *d, glim_choice *c);   /* offers full pages to the tree */
bool glim_choice_writes(const glim_choice *c);          /* its next row chooses a token, and is its only one */
bool glim_choice_needs_logits(const glim_choice *c, size_t pos);
void glim_stream_fail(glim_sched *d, glim_stream *s, glim_status status, const char *message);
glim_status glim_choice_fork(glim_sched *d, glim_choice *first); /* the other choices, when the prompt is read */

/* batch.c: one step */
/* Room for positions up to n_pos of c: from the pool, else from prefixes that nobody uses, else from whoever
 * gives way to it. False: nobody does; c itself was parked, or, if it is a prompt and the first in order, waits. */
bool glim_pages_for(glim_sched *d, glim_choice *c, size_t n_pos);
void glim_batch_compose(glim_sched *d);
void glim_batch_run(glim_sched *d);

#endif
