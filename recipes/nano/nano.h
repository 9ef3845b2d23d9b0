/* nano.h - what the parts of the generator share: random choices, held-out words, slots, conversations.
 *
 * Everything here is written for this recipe. A text is a template whose slots are filled with made-up names and numbers.
 * Whatever a template's alternative begins with `*`, and every name whose hash says so, is held out: training never sees
 * it, evaluation always does (gen.c proves it). A list that begins with `#` has groups, <a/b/c>, of which each phrase takes
 * one: there a phrase in six is held out, by its hash, so that evaluation asks in words that training knows and in an order,
 * or together with others, that it has not seen. What a word means cannot be guessed by a model that knows no other text.
 *
 * Slots      a filled slot stands between OPEN and SHUT until it is written: the tokenizer's corpus breaks lines there,
 *            so that no token joins a word with the name beside it.
 * Language   g->zh: Chinese, otherwise English. */
#ifndef NANO_H
#define NANO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/rng.h"

enum { OPEN = 1, SHUT = 2, TEXT = 160, CELLS = 8, ROWS = 4 };

typedef struct set { /* of 64-bit hashes */
    uint64_t *v;
    size_t n, cap;
} set;
void set_add(set *s, uint64_t h);
bool set_has(const set *s, uint64_t h);
/* How many of a are in b. */
size_t set_common(const set *a, const set *b);
void set_free(set *s);

typedef struct gen {
    glim_rng rng;
    bool zh, eval;
    bool novel;      /* a held-out template was used since it was cleared */
    set *names, *templates, *sayings; /* of training, or of evaluation */
    const set *known; /* evaluation: the phrases of training; some stand in two lists */
    FILE *senses;     /* of training's conversations: what a text is about; NULL: not noted */
    set noted;
} gen;

uint64_t hash_of(const char *s);
bool held_out(const char *name); /* one name in eight */
size_t below(gen *g, size_t n);
bool chance(gen *g, int percent);
/* One of the |-separated alternatives, without its mark, into out [TEXT]. */
const char *pick(gen *g, const char *list, char *out);
const char *say(gen *g, const char *zh, const char *en, char *out); /* pick in the language */

typedef struct slot {
    char key;        /* of "{n}" */
    const char *text;
} slot;
/* Appends a template with its slots filled; capital: its first letter is one. */
void fill(glim_buf *b, const char *template, const slot *s, size_t n, bool capital);
/* Appends a text as a slot. */
void put_slot(glim_buf *b, const char *text);
/* A line of senses.csv: text is about `name`, one of a list's |-separated names (the first stands for all), among things of this kind (intent, tool,
 * column). The same words with other slots are noted three times. */
void note_sense(gen *g, const char *kind, const char *name, const char *text);
/* Appends b without the marks; for the tokenizer's corpus a line break stands for each. */
void put_plain(glim_buf *out, const char *text, bool lines);

/* ---- words.c ---- */
typedef enum style { S_GADGET, S_DISH, S_ROOM, S_WEAR, S_BRAND, S_PERSON } style;
/* A name of this style that the side (training, evaluation) may use. */
void name_of(gen *g, style s, char *out);
void word_of(gen *g, char *out);     /* a made-up word */
void id_of(gen *g, char *out);       /* an identifier, of lists that are said again */
void code_of(gen *g, char *out);     /* an order's number, a model's */
void date_of(gen *g, char *out);
void clock_of(gen *g, char *out);
void phone_of(gen *g, char *out);
void address_of(gen *g, char *out);

/* ---- conversations ---- */
typedef struct conv {
    glim_buf system, user, answer;
    glim_buf wrong;       /* for pairs: an answer that is not right; empty: none */
    glim_buf tools, call; /* tools: a JSON array; call: the name, arguments are the answer */
    glim_buf more;        /* further questions and answers, as JSON messages each behind a comma */
} conv;
/* How many further questions a conversation has: none in evaluation. On one set of rows, one list or one form several are
 * learnt for little more than the price of one. */
size_t more_turns(gen *g);
/* Adds a question and its answer; call: the name of a tool that is called, or NULL. */
void add_turn(conv *c, const glim_buf *question, const glim_buf *answer, const char *call);
void conv_clear(conv *c);
void conv_free(conv *c);

typedef enum task { T_ANSWER, T_REFUSE, T_NOTHING, T_INTENT, T_FORM, T_TOOL, T_TABLE, T_CHAT, N_TASK } task;

/* A question that the rows answer, one that they do not, one without any row. */
typedef enum answerable { RIGHT, MISSING, NOTHING } answerable;
void answer_conv(gen *g, conv *c, answerable how); /* rows.c */
void role_of(gen *g, glim_buf *out);                /* who answers, in one line */
void answer_doc(gen *g, glim_buf *doc);             /* rows, several questions, or sentences about each row */
void intent_conv(gen *g, conv *c);                  /* intents.c */
void intent_doc(gen *g, glim_buf *doc);
void chat_conv(gen *g, conv *c);
void chat_line(gen *g, glim_buf *out);              /* something that is no business of a shop */
void form_conv(gen *g, conv *c);                    /* forms.c */
void form_doc(gen *g, glim_buf *doc);
void tool_conv(gen *g, conv *c);
void table_conv(gen *g, conv *c);                   /* tables.c */
void table_doc(gen *g, glim_buf *doc);
void copy_doc(gen *g, glim_buf *doc);               /* names and codes said again */

#endif
