/* shop_internal.h - what the files of the service desk share.
 *
 *   shop.c          the folder: opening, replacing the library
 *   shop_ask.c      a question's way to rows
 *   shop_say.c      rows to sentences, without a language model
 *   shop_prompt.c   rows to a language model (docs/desk.md), and the check of what it wrote
 *   shop_journal.c  corrections and the hand-over list
 *   shop_eval.c     the evaluation set
 *   shop_init.c     templates inside the program, a new folder */
#ifndef GLIM_APP_SHOP_INTERNAL_H
#define GLIM_APP_SHOP_INTERNAL_H

#include <pthread.h>

#include "app/shop.h"
#include "know/filter.h"
#include "know/find.h"
#include "know/intent.h"
#include "know/library.h"
#include "know/terms.h"

typedef struct glim_shop_fix { /* an answer that a clerk gave */
    char *question, *answer, *row; /* row: an id or NULL */
    uint64_t *key;                 /* [n] of its words */
    size_t n;
    struct glim_shop_fix *next;    /* older */
} glim_shop_fix;

struct glim_shop {
    pthread_mutex_t mu;
    char *folder;
    json_t *conf;        /* desk.json */
    json_t *schema;      /* of the products */
    glim_lib *lib, *notes;
    glim_find *find, *find_notes;
    glim_intent *intents;
    glim_intent_work *work;
    glim_filter filter;
    glim_terms cut;
    /* the journal */
    long long corrections_read; /* bytes of corrections.jsonl that are in */
    glim_shop_fix *fix;
    uint64_t n_handover;
    long long handover_read;
    int col_note_intent, col_note_answer, col_note_answer_en, col_note_topic, col_note_topic_en;
};

char *glim_shop_path(const glim_shop *s, const char *name);

/* ---- shop_journal.c; the mutex is held ---- */
glim_status glim_shop_sync(glim_shop *s, glim_err *err);       /* what others wrote since */
void glim_shop_forget(glim_shop *s);                           /* so that the next sync reads all */
const glim_shop_fix *glim_shop_find_fix(glim_shop *s, const char *question, size_t n, const char *row, glim_err *err);
glim_status glim_shop_hand_over(glim_shop *s, const glim_shop_question *q, const char *reason, uint64_t *no, glim_err *err);

/* ---- shop_say.c: sentences from cells; each ends in the row's id in brackets ---- */
typedef enum glim_say_kind { GLIM_SAY_ROWS, GLIM_SAY_LIST, GLIM_SAY_COUNT, GLIM_SAY_MEAN, GLIM_SAY_COMPARE } glim_say_kind;
/* False: the rows do not hold what is asked. missing: words of the question that no row has, or NULL. */
bool glim_say(glim_buf *out, const glim_shop *s, const glim_filter *f, glim_say_kind kind, const uint32_t *row, size_t n, size_t n_all,
              const char *rest, const char *missing);
void glim_say_note(glim_buf *out, const glim_shop *s, uint32_t row, bool zh);
const char *glim_say_refusal(bool zh);

/* ---- shop_prompt.c ---- */
void glim_shop_system(glim_buf *out, const glim_shop *s, bool zh);
void glim_shop_user(glim_buf *out, const glim_shop *s, const glim_shop_answer *a, const glim_filter *f, const char *question, size_t n);
/* Does the answer cite rows it was given, and does every figure in it stand in them (or in the question)? */
bool glim_shop_grounded(const char *answer, size_t n, const char *rows, const char *question, const glim_shop_answer *a, bool *refusal);

#endif
