/* sched.h - many requests on one model: continuous batching, shared prefixes, adapters.
 *
 *   any thread        glim_sched_submit() ---> bounded queue ---> engine thread: one step after another
 *   one reader        glim_stream_next()  <--- ring of the request <--- events
 *
 * A step decodes one token (or a few, when a guess was right) for every running sequence and reads slices of
 * waiting prompts with what is left of the step's rows, so a long prompt never freezes the others. What a
 * request answers depends on the request alone: not on its company, on slices, on a cached prefix, on
 * preemption or on guessing (docs/architecture.md, invariants).
 *
 * Threads
 *   glim_sched_submit, _stats, _add_adapter, _remove_adapter, _adapters, _drain, glim_stream_cancel: any.
 *   glim_stream_next, _enough, _close: the one thread that reads that stream's outbox.
 *   glim_outbox_next, _wait, _free: the one thread that reads that outbox.
 *   mask hooks: called by the engine thread, between submit and their `free`.
 *   glim_sched_step: never together with glim_sched_start.
 * An outbox may be freed when the last of its streams is closed; streams may outlive the scheduler.
 *
 * An epoll thread: one outbox whose wake writes to an eventfd (called at most once a step). When the eventfd
 * is readable: read it, then `while ((s = glim_outbox_next(box))) while (glim_stream_next(s, &ev)) ...`.
 * A stream appears in the outbox at least once after each batch of events that it did not show yet.
 * On a disconnect: glim_stream_cancel, go on reading until GLIM_EV_END (it carries the usage to settle), then
 * glim_stream_close. Closing at once is allowed where nobody needs the usage. */
#ifndef GLIM_ENGINE_SCHED_H
#define GLIM_ENGINE_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

typedef struct glim_sched glim_sched;
typedef struct glim_stream glim_stream; /* one submitted request, seen by its reader */
typedef struct glim_outbox glim_outbox; /* the streams of one reader that have something to read */

/* ---- the scheduler ---- */

typedef struct glim_sched_params {
    size_t max_running;    /* sequences that run together; 0: as many as the engine plans logits for */
    size_t max_waiting;    /* requests that may wait; beyond it submit refuses; 0: 256 */
    size_t slice_rows;     /* prompt rows in a step while others decode; 0: chosen from measured step times */
    double level_s;        /* a priority level is worth this much waiting; 0: 10 s */
    size_t prefix_bytes;   /* KV pages kept for prefixes that nobody uses now; 0: all that are free */
    bool no_prefix;        /* share nothing */
    const char *snapshot_dir; /* prefixes in use are kept here over a restart; NULL: not */
    size_t snapshot_bytes; /* of that folder; the oldest go first; 0: 4 GiB */
    int max_draft;         /* guessed tokens a step; 0: 8 where it wins; < 0: never guess */
    bool always_draft;     /* guess also where it does not win: for tests */
    double (*now)(void *ctx); /* seconds; NULL: the monotonic clock */
    void *now_ctx;
} glim_sched_params;

/* Takes over e (borrowed, outlives the scheduler): no session may run on it meanwhile. The KV pages are the
 * engine's: glim_engine_params.model.kv_bytes plans them before weights are read.
 * Errors: GLIM_E_NOMEM, GLIM_E_IO (the snapshot folder). */
glim_status glim_sched_open(glim_sched **out, glim_engine *e, const glim_sched_params *p, glim_err *err);
/* The engine thread. Without it, glim_sched_step runs one step in the caller: false when there was nothing to
 * do (then it would sleep). */
glim_status glim_sched_start(glim_sched *s, glim_err *err);
bool glim_sched_step(glim_sched *s);
/* No new requests from now on (submit: GLIM_E_CANCELLED); those accepted go on to their end. */
void glim_sched_drain(glim_sched *s);
bool glim_sched_idle(const glim_sched *s); /* nothing runs or waits */
/* Ends what still runs (GLIM_EV_END with GLIM_E_CANCELLED), joins the thread, writes snapshots. Streams stay
 * readable until they are closed. Takes NULL. */
void glim_sched_close(glim_sched *s);

/* No prefix goes to the snapshot folder from now on, and what was on its way is there: another scheduler opens the same folder and
 * takes this one's place. false takes it back. Threads: any. */
void glim_sched_pause_snapshots(glim_sched *s, bool paused);

/* ---- outboxes ---- */

/* wake(ctx) is called by the engine thread, at most once a step, after it has put a stream into an empty
 * outbox; it must not block (an eventfd write). NULL: the reader calls glim_outbox_wait. */
glim_outbox *glim_outbox_new(void (*wake)(void *ctx), void *ctx);
/* A stream with unread events, or NULL. */
glim_stream *glim_outbox_next(glim_outbox *b);
/* Sleeps until there may be a stream, at most timeout_ms (< 0: for ever). Only without a wake of one's own. */
void glim_outbox_wait(glim_outbox *b, int timeout_ms);
void glim_outbox_free(glim_outbox *b); /* after its last stream is closed; takes NULL */

/* ---- requests ---- */

typedef enum glim_task {
    GLIM_TASK_GENERATE,
    GLIM_TASK_SCORE, /* log-probabilities of the prompt's own tokens, nothing generated */
    GLIM_TASK_EMBED  /* the pooled hidden state of the prompt */
} glim_task;

typedef enum glim_pooling { GLIM_POOLING_MEAN, GLIM_POOLING_LAST } glim_pooling;

/* Constrained decoding. Each choice has a state of its own. All calls come from the engine thread (mask also
 * from its pool, one call at a time for one state); none may block. */
typedef struct glim_mask_hook {
    void *ctx;
    /* Bits of the ids allowed next, bit id % 32 of word id / 32, for all glim_tok_n ids; borrowed until the
     * next call with this ctx. Stop ids count: set theirs where the text may end. NULL: no limit now.
     * No bit set: that choice ends with GLIM_FINISH_ERROR and err says why (a default text otherwise). */
    const uint32_t *(*mask)(void *ctx, glim_err *err);
    /* id was chosen. false ends the choice with GLIM_FINISH_STOP after this token. */
    bool (*accept)(void *ctx, int32_t id);
    void *(*fork)(void *ctx); /* a copy for another choice, before anything was accepted; NULL hook: n is 1 */
    void (*free)(void *ctx);  /* may be NULL */
} glim_mask_hook;

typedef struct glim_request {
    glim_task task;
    /* All pointers are copied by submit, except hooks and outbox. */
    const int32_t *prompt;
    size_t n_prompt;
    glim_sample_params sample; /* bias too; `choice` is the first choice's number; `allowed` is not used */
    size_t max_tokens;         /* of each choice; 0: until the context is full */
    uint32_t n;                /* choices from one prefill; 0: 1; at most 128 */
    const char *const *stop;   /* stop strings: at most 16, each 1 to 1024 bytes */
    size_t n_stop;
    bool ignore_stop_ids, raw_special, for_reply; /* as in glim_gen_params */
    bool logprobs;             /* of chosen tokens: log softmax of the raw logits */
    uint32_t top_logprobs;     /* best alternatives of each token, at most 20; wants logprobs */
    bool prompt_logprobs;      /* GLIM_EV_PROMPT for the prompt's tokens too (echo) */
    int priority;              /* larger goes first, -10 to 10 */
    const char *tenant;        /* prefixes are shared inside a tenant only; NULL: "" */
    const char *adapter;       /* name given to glim_sched_add_adapter; NULL: the base model */
    struct glim_hot_adapter *pinned; /* instead of `adapter`: what glim_sched_pin_adapter gave; borrowed */
    bool no_prefix;            /* neither use nor keep this prompt's prefix */
    glim_mask_hook mask;       /* mask.mask NULL: none. Owned by the scheduler once submit succeeds */
    glim_pooling pooling;      /* GLIM_TASK_EMBED */
    bool no_normalize;         /* GLIM_TASK_EMBED: as it is, not scaled to length 1 */
    void *user;                /* glim_stream_user */
    glim_outbox *outbox;
} glim_request;

/* Hands a request to the engine thread and returns at once.
 * Errors: GLIM_E_ARG (empty prompt, a value out of range), GLIM_E_LIMIT (the prompt is longer than the
 * context), GLIM_E_STATE (the queue is full: 429), GLIM_E_CANCELLED (draining: 503), GLIM_E_NOT_FOUND (the
 * adapter), GLIM_E_NOMEM. On an error the caller keeps the mask hook. */
glim_status glim_sched_submit(glim_sched *s, const glim_request *r, glim_stream **out, glim_err *err);

/* ---- events ---- */

typedef enum glim_event_kind {
    GLIM_EV_TOKEN,     /* one generated token, with the text that can be shown since the last event */
    GLIM_EV_PROMPT,    /* one prompt token's log-probability (logprob of token 0 is NAN) */
    GLIM_EV_EMBEDDING, /* values, n_values */
    GLIM_EV_FINISH,    /* a choice ended: finish, stop_id, and text that was held back */
    GLIM_EV_END        /* the request ended: status, usage. Always the last event, exactly once */
} glim_event_kind;

typedef struct glim_usage {
    size_t n_prompt, n_cached; /* prompt tokens; how many of them came from a shared prefix */
    size_t n_completion;       /* generated tokens of all choices, stop ids included */
    size_t n_draft, n_draft_ok; /* guessed tokens, and how many of them were right */
    size_t n_preempted;        /* times that a sequence gave its pages away and read them again */
    double queue_s, prefill_s, decode_s; /* waiting; first row to first token; first token to the end */
} glim_usage;

/* Pointers are valid until the next glim_stream_next of the same stream, or its close. */
typedef struct glim_event {
    glim_event_kind kind;
    uint32_t choice;
    int32_t id;              /* TOKEN, PROMPT. A stop id is a token too, without text */
    uint32_t pos;            /* PROMPT: its place in the prompt; TOKEN: its place in the answer */
    float logprob;           /* with logprobs */
    const glim_best *top;    /* best first; the chosen id is there only if it is among the best */
    size_t n_top;
    const char *text;        /* whole UTF-8 characters; stop strings are never shown */
    size_t n_text;
    const float *values;
    size_t n_values;
    glim_finish finish;      /* FINISH */
    int32_t stop_id;         /* FINISH: -1 if no stop id ended it */
    glim_status status;      /* END: GLIM_OK, GLIM_E_CANCELLED, or what went wrong */
    const char *message;     /* END: "" or the error's text; FINISH with GLIM_FINISH_ERROR: why */
    glim_usage usage;        /* END */
} glim_event;

/* The next event, or false. A reader that stays away only pauses its own request: when the ring is full the
 * request's sequences are not stepped, and give their pages and their places to whoever waits. */
bool glim_stream_next(glim_stream *s, glim_event *ev);
/* Ends the request before the next step; tokens of the step that runs now may still appear, then
 * GLIM_EV_FINISH of each choice that had begun (GLIM_FINISH_CANCELLED) and GLIM_EV_END. */
void glim_stream_cancel(glim_stream *s);
/* The reader has what it wants of this choice (a reply that is over although the model goes on): it ends before the next
 * step with GLIM_FINISH_STOP, the others go on. Tokens of the steps until then still appear. A choice that has shown no
 * event yet, or has ended, is left as it is. For the reader of the stream. */
void glim_stream_enough(glim_stream *s, uint32_t choice);
void glim_stream_close(glim_stream *s); /* cancels if need be; the handle is gone. Takes NULL */
void *glim_stream_user(const glim_stream *s);
uint64_t glim_stream_id(const glim_stream *s); /* 1, 2, ... in order of submission */

/* ---- adapters ---- */

/* Reads a PEFT folder (format/peft.h) in the calling thread; requests may name it once this returns. A name
 * in use is replaced: requests that run keep the old one until they end.
 * Errors: as glim_peft_open, GLIM_E_SHAPE (made for another base model), GLIM_E_NOMEM. */
glim_status glim_sched_add_adapter(glim_sched *s, const char *name, const char *folder, glim_err *err);
glim_status glim_sched_remove_adapter(glim_sched *s, const char *name, glim_err *err); /* GLIM_E_NOT_FOUND */
/* The adapter that is called name now, for requests that are submitted later: it stays what it is, whatever becomes of the name.
 * Errors: GLIM_E_NOT_FOUND. Any thread. */
glim_status glim_sched_pin_adapter(glim_sched *s, const char *name, struct glim_hot_adapter **out, glim_err *err);
void glim_sched_unpin_adapter(struct glim_hot_adapter *a); /* takes NULL */
/* fn(ctx, name, folder, bytes) for each, in order of loading. */
void glim_sched_adapters(glim_sched *s, void (*fn)(void *ctx, const char *name, const char *folder, size_t bytes),
                         void *ctx);

/* ---- figures ---- */

typedef struct glim_sched_stats {
    size_t running, waiting, stalled; /* sequences; requests; sequences whose reader is slow */
    size_t max_running, max_waiting;
    size_t kv_pages, kv_used, kv_prefix; /* pages: all; held by sequences or prefixes; of these by prefixes alone */
    size_t page_bytes, page_tokens;
    uint64_t steps, rows;              /* forward passes, and rows in them */
    uint64_t requests, finished, cancelled, refused, failed; /* refused: the queue was full */
    uint64_t prompt_tokens, cached_tokens, completion_tokens;
    uint64_t draft_tokens, draft_ok_tokens;
    uint64_t preemptions;
    uint64_t prefix_queries, prefix_hits; /* in tokens, full pages only */
    uint64_t prefix_evicted;              /* pages */
    uint64_t snapshot_written, snapshot_read, snapshot_refused; /* pages */
    size_t adapters;
    double busy_s; /* time spent in steps */
} glim_sched_stats;
void glim_sched_stats_get(const glim_sched *s, glim_sched_stats *out); /* takes no lock */

#endif
