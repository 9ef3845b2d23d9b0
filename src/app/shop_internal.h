/* shop_internal.h - what the files of the service desk share.
 *
 *   shop.c          the folder: opening, replacing the library
 *   shop_ask.c      a question's way to an answer
 *   shop_named.c    which rows it names
 *   shop_rows.c     what is asked of those, or of the one in view
 *   shop_table.c    the rows that fit, in order, counted, their average
 *   shop_note.c     which note it asks for
 *   shop_answer.c   the answer: the rows that it cites, JSON
 *   shop_warn.c     whom a product is not for
 *   shop_rent.c     rents of a day and of a month
 *   shop_strange.c  whether a question is of nothing that the shop knows
 *   shop_words.c    words that say something in the question of any shop
 *   shop_prose.c    what the sentences of rows and notes say
 *   shop_overview.c answers about many rows at once
 *   shop_model.c    a language model asked: to second an intent, to say what was found
 *   shop_pair.c     two products against each other, named in pieces
 *   shop_sum.c      so many of each, and the sum
 *   shop_say.c      rows to sentences, without a language model
 *   shop_prompt.c   rows and intents to a language model (docs/desk.md)
 *   shop_check.c    whether what it wrote may be shown
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
#include "know/prose.h"
#include "know/terms.h"

typedef struct glim_shop_fix { /* an answer that a clerk gave */
    char *question, *answer, *row; /* row: an id or NULL */
    uint64_t *key;                 /* [n] of its words */
    size_t n;
    struct glim_shop_fix *next;    /* older */
} glim_shop_fix;

struct glim_shop {
    pthread_mutex_t mu;
    uint64_t edition;    /* rises when the library is replaced: rows found before are others then */
    char *folder;
    json_t *conf;        /* desk.json */
    json_t *schema;      /* of the products */
    glim_lib *lib, *notes;
    glim_find *find, *find_notes;
    bool stale;          /* cells that words are found in were corrected since `find` was made */
    glim_intent *intents;
    glim_intent_work *work;
    glim_buf intent_words; /* folded: the examples of all intents but those out of scope */
    const char *asked;     /* the question in hand, folded */
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

/* ---- shop.c ---- */
/* As glim_shop_replace, of a file whose bytes were decoded (encoding NULL: a workbook), guessed and read: *guess may become another; *lib is taken. */
glim_status glim_shop_take(glim_shop *s, const char *name, const void *bytes, size_t n, const char *encoding, json_t **guess, glim_lib **lib, glim_err *err);

/* ---- shop_journal.c; the mutex is held ---- */
glim_status glim_shop_sync(glim_shop *s, glim_err *err);       /* what others wrote since */
void glim_shop_forget(glim_shop *s);                           /* so that the next sync reads all */
const glim_shop_fix *glim_shop_find_fix(glim_shop *s, const char *question, size_t n, const char *row, glim_err *err);
glim_status glim_shop_hand_over(glim_shop *s, const glim_shop_question *q, const char *reason, uint64_t *no, glim_err *err);

/* ---- shop_say.c: sentences from cells; each ends in the row's id in brackets ---- */
typedef enum glim_say_kind { GLIM_SAY_ROWS, GLIM_SAY_LIST, GLIM_SAY_COUNT, GLIM_SAY_MEAN, GLIM_SAY_COMPARE, GLIM_SAY_WHICH /* is meant */, GLIM_SAY_FIRST /* is row[0] the first of the others? */ } glim_say_kind;
/* False: the rows do not hold what is asked. missing: words of the question that no row has, or NULL. */
bool glim_say(glim_buf *out, const glim_shop *s, const glim_filter *f, glim_say_kind kind, const uint32_t *row, size_t n, size_t n_all,
              const char *rest, const char *missing);
/* Is the condition's value part of what the row is called? */
bool glim_say_named_so(const glim_lib *l, const glim_cond *c, uint32_t row, bool zh);
/* Is nothing asked but whether it is of a kind or a brand, "is it a phone or a tablet"? */
bool glim_say_asks_kind(const glim_lib *l, const glim_filter *f);
/* Says that no row of these words fits the filter: "Nothing in the library fits: barolo; price under 20 EUR." */
void glim_say_fits_none(glim_buf *out, const glim_shop *s, const glim_filter *f, const char *words);
void glim_say_mean(glim_buf *out, const glim_shop *s, const glim_filter *f, int col, double v, size_t n, size_t n_left); /* of n rows; n_left were left out */
void glim_say_note(glim_buf *out, const glim_shop *s, uint32_t row, bool zh);
const char *glim_say_refusal(bool zh);
/* What it is called, and its id in brackets. */
void glim_say_name(glim_buf *out, const glim_shop *s, uint32_t row, bool zh);
void glim_say_id(glim_buf *out, const glim_shop *s, uint32_t row, bool zh);

/* ---- shop_prompt.c ---- */
void glim_shop_system(glim_buf *out, const glim_shop *s, bool zh);
void glim_shop_user(glim_buf *out, const glim_shop *s, const glim_shop_answer *a, const glim_filter *f, const char *question, size_t n);
/* What a model said with the numbers of its rows before each sentence, as a customer reads it: with their ids behind, and with `names`
 * the row's name before what names no row; false: a sentence has no number, or one of no row. */
bool glim_shop_cite(glim_buf *out, const glim_shop *s, const glim_shop_answer *a, bool names, const char *said, size_t n);
/* The intents as labels to choose from, and the same as a list; false: there are not 2 to 40 of them. */
bool glim_shop_intents(glim_buf *system, json_t **labels, const glim_shop *s, bool zh);

/* ---- shop_check.c; the mutex is held ---- */
/* What an answer must say: columns that are asked for, or by which rows were put in order. */
typedef struct glim_shop_asks {
    int col[GLIM_FILTER_ASKS + 1];
    size_t n;
    bool names; /* and whose they are */
} glim_shop_asks;
/* May a model's answer stand in the place of the desk's own, a->text? */
bool glim_shop_grounded(const glim_shop *s, const glim_shop_answer *a, const glim_shop_asks *asks, const char *answer, size_t n);

/* ---- shop_answer.c ---- */
void glim_shop_cite_row(glim_shop *s, glim_shop_answer *a, uint32_t row);
void glim_shop_cite_note(glim_shop *s, glim_shop_answer *a, uint32_t row);
void glim_shop_show_rows(glim_shop *s, glim_shop_answer *a); /* those that are cited, as a page shows them */

/* ---- shop_named.c ---- */
/* Of rows of one name, or of several that are named alike, those that are what the question says beside the name, in front: how many. */
size_t glim_shop_as_said(const glim_lib *l, const glim_filter *f, glim_named *named, size_t n);
/* Those of the rows that are of a kind the question names, in front: how many. */
size_t glim_shop_of_the_kind(const glim_lib *l, const glim_filter *f, glim_named *named, size_t n);
/* Where the question names a model that no row has, the answer says so. */
glim_status glim_shop_no_such_model(glim_shop *s, const glim_shop_question *q, const char *spelt, glim_shop_answer *a, bool *done, glim_err *err);

/* ---- shop_rows.c ---- */
/* Is it asked whether something is the first of its kind? */
bool glim_shop_first_of_kind(const glim_lib *l, const glim_filter *f);
void glim_shop_ask_order(glim_filter *f); /* the column of the order is asked of one product */
/* The same of n that are named whole and asked for by their stock alone; false: more is asked. */
bool glim_shop_stock_of(glim_shop *s, size_t n);
/* "How many of it are there?": its stock is asked, where the words say no more. row: UINT32_MAX is none. */
glim_status glim_shop_count_one(glim_shop *s, uint32_t row, bool pieces, const glim_buf *words, glim_err *err);
/* Products: those that are named (also, third: after others between them), the one in view, or the table's. A row that there is not is
 * UINT32_MAX. *done false: the library does not hold it. */
glim_status glim_shop_from_library(glim_shop *s, glim_shop_answer *a, const glim_named *named, size_t n_named, uint32_t view, uint32_t also, uint32_t third,
                                   const char *words, const char *rest, bool *done, glim_err *err);

/* ---- shop_warn.c ---- */
/* The column in which the row warns of one of the folded words, or -1. */
glim_status glim_shop_warned(const glim_lib *l, uint32_t row, const char *words, int *col, glim_err *err);
glim_status glim_shop_anyone_warned(const glim_lib *l, const char *words, bool *any, glim_err *err);
/* Where the question has a word of a warning: of the n rows it is about the warning is what is asked then; *refuse: a person has to say it. */
glim_status glim_shop_mind_warnings(glim_shop *s, const uint32_t *row, size_t n, const char *words, bool *refuse, glim_err *err);

/* ---- shop_table.c ---- */
enum { GLIM_SHOP_LIST = 5 }; /* rows that a list names */
/* Weights of words are sums of idf: 2 is a word in an eighth of the rows. Words of less weight say nothing; a row has them if it has
 * so much of their weight. */
#define GLIM_SHOP_SAYS 2.0f
#define GLIM_SHOP_COVERS 0.6f
/* Is there a condition beside a kind and a brand, or an order, a count, an average? */
bool glim_shop_narrows(const glim_lib *l, const glim_filter *f);
bool glim_shop_names_kind(const glim_lib *l, const glim_filter *f);
glim_status glim_shop_from_table(glim_shop *s, glim_shop_answer *a, const char *rest, bool *done, glim_err *err);

/* ---- shop_note.c ---- */
/* The note of the intent (NULL: of any) that shares most with the question. */
glim_status glim_shop_best_note(glim_shop *s, const char *label, const char *q, size_t n, uint32_t *row, bool *found, glim_err *err);
/* The note in which the words stand, or UINT32_MAX. With an intent, one of this that has any of them: "停车费". */
glim_status glim_shop_covering_note(glim_shop *s, const glim_buf *words, const char *intent, uint32_t *row, glim_err *err);
/* "运费多少钱" beside a product asks another price than its own where its row does not have these words: *cells is false if the
 * intent is a note's, and *note is one that has them. */
glim_status glim_shop_another_price(glim_shop *s, uint32_t row, const glim_buf *words, const char *intent, bool *cells, uint32_t *note, glim_err *err);
bool glim_shop_say_note(glim_shop *s, glim_shop_answer *a, uint32_t row, glim_shop_part part); /* true */

/* ---- shop_rent.c ---- */
/* Is the question for a rent of a period that the table says nothing of? One for "the rent" of a table with several asks for all of them. */
bool glim_shop_rents(const glim_lib *l, glim_filter *f, const char *folded);

/* ---- shop_strange.c ---- */
/* Are most words of the folded English question in no example of an intent and in no note? Then no note is its answer. */
bool glim_shop_strange(glim_shop *s, const char *folded);

/* ---- shop_words.c; texts are folded ---- */
bool glim_shop_chinese(const char *p, size_t n); /* a CJK character stands in it */
bool glim_shop_blank(const char *p);             /* nothing but marks and spaces */
void glim_shop_tidy(glim_buf *b);
void glim_shop_trim(glim_buf *b);
/* Does one of the words stand in the text? Latin ones between boundaries. */
bool glim_shop_any_of(const char *text, const char *const *list, size_t n);
bool glim_shop_of_a_law(const char *text);
bool glim_shop_of_goods(const char *text);
bool glim_shop_asks_for_some(const char *text);
bool glim_shop_asks_time(const char *text);
bool glim_shop_free_of_charge(const glim_buf *rest);

/* ---- shop_prose.c; *done: a->text is the answer ---- */
glim_status glim_shop_row_denies(const glim_lib *l, uint32_t row, const char *words, glim_prose *out, glim_err *err);
glim_status glim_shop_stated_without(glim_shop *s, glim_shop_answer *a, bool *done, glim_err *err);
glim_status glim_shop_say_time(glim_shop *s, glim_shop_answer *a, const glim_named *named, size_t n_named, bool *done, glim_err *err);
/* Are all the words in one of the row's names? */
glim_status glim_shop_in_a_name(const glim_lib *l, uint32_t row, const char *words, bool *so, glim_err *err);
glim_status glim_shop_spans_a_name(const glim_lib *l, uint32_t row, const char *word, bool *so, glim_err *err);
glim_status glim_shop_say_listed(glim_shop *s, glim_shop_answer *a, uint32_t row, const char *whole, bool *done, glim_err *err);
glim_status glim_shop_held(glim_shop *s, const glim_buf *rest, bool *so, glim_err *err);
/* The sentence of the row's prose that holds most of the text. */
glim_status glim_shop_sentence(glim_shop *s, uint32_t row, const char *text, bool zh, glim_buf *out, glim_err *err);

/* ---- shop_overview.c ---- */
glim_status glim_shop_say_values(glim_shop *s, glim_shop_answer *a, const glim_lib_col *col, bool *done, glim_err *err);
glim_status glim_shop_overview(glim_shop *s, glim_shop_answer *a, const char *text, bool *done, glim_err *err);
glim_status glim_shop_two_orders(glim_shop *s, glim_shop_answer *a, bool *done, glim_err *err);

/* ---- shop_pair.c ---- */
/* The rows that the folded text sets against each other: of either side one, or those of one name where nothing chooses among them. */
glim_status glim_shop_pair(glim_shop *s, const char *text, glim_named first[8], size_t *n_first, glim_named second[8], size_t *n_second, bool *found, glim_err *err);
/* Do the rows have the same in all columns by which two are compared? Then it is all the same which is meant. */
bool glim_shop_alike(const glim_lib *l, const glim_filter *f, uint32_t a, uint32_t b);
/* Of either side that is several rows of one name, asks which is meant, with what is asked of each; true. */
bool glim_shop_which(glim_shop *s, glim_shop_answer *a, const glim_named *first, size_t n_first, const glim_named *second, size_t n_second);

/* ---- shop_sum.c ---- */
/* Prices of so many of each; *done false: no such thing is asked, or a price is not known. */
glim_status glim_shop_sum(glim_shop *s, const char *folded, uint32_t view, glim_shop_answer *a, bool *done, glim_err *err);

/* ---- shop_model.c ---- */
/* An intent of which the linear model is less sure than this is the language model's to second; of "out of scope" it must be surer. */
#define GLIM_SHOP_SURE 0.5f
#define GLIM_SHOP_REFUSES 0.8f
/* Where the linear model is unsure: the label that the language model chooses, if that is the linear model's own best one; else "". */
glim_status glim_shop_confirm(glim_shop *s, const glim_shop_question *q, glim_shop_answer *a, char label[64], glim_err *err);
/* Begin with the mutex held, when rows are found; the rest without it: if what the model says may be shown, it takes a->text's place. */
typedef struct glim_shop_phrasing {
    bool wanted;
    glim_shop_asks asks;
    uint64_t edition; /* of the library that the rows are of */
    glim_buf system, user;
} glim_shop_phrasing;
void glim_shop_phrase_begin(glim_shop *s, const glim_shop_question *q, const glim_shop_answer *a, glim_shop_phrasing *p);
void glim_shop_phrase(glim_shop *s, const glim_shop_question *q, glim_shop_answer *a, glim_shop_phrasing *p);
void glim_shop_phrasing_deinit(glim_shop_phrasing *p);

#endif
