/* shop.h - the service desk of one business: its folder, a question, an answer with the rows behind it.
 *
 * A desk's folder is a template's (docs/desk.md):
 *
 *   desk.json          name, files, what each intent does, the prompt, the pass mark
 *   library.csv        the products (or .xlsx), schema.json what its columns mean
 *   notes.csv          id, intent, topic, topic_en, answer, answer_en: what is said about returns, shipping, hours
 *   intents.csv        text,label: examples; eval.jsonl: questions with what must come out; tools.json: tools by name
 *   corrections.jsonl  what clerks corrected; handover.jsonl: questions waiting for a person. Appended to, never rewritten.
 *
 * A question goes: corrections of its like, the intent (linear model), conditions and rows by the table (filter), rows by
 * words (retrieval); a language model, if one is given, is asked which intent it is where the linear one is unsure, and phrases
 * what was found; what it writes is checked against the rows (shop_check.c). Everything works without one.
 *
 * Threads: a shop may be asked from any thread; asking and changing take turns, the language model runs outside of that. */
#ifndef GLIM_APP_SHOP_H
#define GLIM_APP_SHOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

typedef struct glim_shop glim_shop;

/* Errors: GLIM_E_NOT_FOUND, GLIM_E_FORMAT naming file, row and column, GLIM_E_IO, GLIM_E_NOMEM. */
glim_status glim_shop_open(glim_shop **out, const char *folder, glim_err *err);
void glim_shop_close(glim_shop *s);

typedef enum glim_shop_part { /* what gave the answer */
    GLIM_PART_NONE,
    GLIM_PART_CORRECTION,
    GLIM_PART_LINEAR,    /* the intent alone: greetings, refusals, what is out of scope */
    GLIM_PART_FILTER,    /* typed cells */
    GLIM_PART_RETRIEVAL, /* rows found by their words */
    GLIM_PART_LANGUAGE   /* a language model's sentence about such rows */
} glim_shop_part;

typedef enum glim_shop_status {
    GLIM_SHOP_ANSWERED,
    GLIM_SHOP_NOT_IN_LIBRARY,
    GLIM_SHOP_OUT_OF_SCOPE,
    GLIM_SHOP_HANDED_OVER /* a person was asked for, or the intent is one's to answer */
} glim_shop_status;

/* What a language model is asked, in the forms of docs/desk.md. */
typedef struct glim_shop_prompt {
    const char *system, *user;
    const json_t *choices; /* the answer is one of these texts; NULL: anything */
    size_t max_tokens;
} glim_shop_prompt;

typedef struct glim_shop_said {
    glim_buf text;
    size_t n_prompt, n_tokens;
    double prefill_s, decode_s;
    int64_t cost; /* micro-units (store/prices.h) */
} glim_shop_said;

/* A language model: answers greedily, or by one of the choices. Errors are not fatal: the desk then says it itself. */
typedef struct glim_shop_model {
    glim_status (*say)(void *ctx, const glim_shop_prompt *p, glim_shop_said *out, glim_err *err);
    void *ctx;
} glim_shop_model;

typedef struct glim_shop_question {
    const char *text;
    size_t n;
    const char *row; /* the id of the product the customer looks at, or NULL */
    const glim_shop_model *model; /* or NULL */
    bool dry;        /* nothing is written to the hand-over list: for evaluation */
} glim_shop_question;

enum { GLIM_SHOP_ROWS = 8 };

typedef struct glim_shop_row {
    bool note;       /* a row of notes.csv */
    uint32_t row;
    char id[40];
} glim_shop_row;

typedef struct glim_shop_answer {
    glim_shop_status status;
    glim_shop_part part;      /* what gave the text: LANGUAGE where a model's sentence stands */
    glim_shop_part found;     /* what decided and found the rows; never LANGUAGE */
    bool phrased;             /* a language model wrote the text */
    bool unchecked_dropped;   /* it wrote one that the rows do not bear out, which was thrown away */
    bool seconded;            /* the linear model was unsure of the intent, and the language model chose the same */
    bool zh;
    glim_buf text;
    glim_buf filter;          /* the conditions in words, or empty */
    glim_buf rows_json;       /* [{"id", "library", "line", "cells": {..}}] */
    glim_shop_row row[GLIM_SHOP_ROWS];
    size_t n_rows, n_all;     /* rows cited; rows that fit */
    char intent[64];
    float p;
    uint64_t handover;        /* its number in the list, 0: none */
    double ms, model_ms;
    size_t n_asked, n_prompt, n_tokens; /* of the language model: times it was asked, tokens read and written in all */
    double decode_s;                    /* it took to write them */
    int64_t cost;                       /* micro-units */
    char currency[4];                   /* or "": nobody counts */
} glim_shop_answer;

/* a starts as {0}. Errors: GLIM_E_LIMIT (a question over 4096 bytes), GLIM_E_NOT_FOUND (the row), GLIM_E_IO, GLIM_E_NOMEM. */
glim_status glim_shop_ask(glim_shop *s, const glim_shop_question *q, glim_shop_answer *a, glim_err *err);
void glim_shop_answer_deinit(glim_shop_answer *a);
void glim_shop_answer_json(glim_buf *out, const char *question, size_t n, const glim_shop_answer *a);
const char *glim_shop_part_name(glim_shop_part p);     /* "filter", "linear model", ... */
const char *glim_shop_status_name(glim_shop_status s); /* "answered", "not_in_library", ... */

/* A clerk's word, live at the next question, on disk when this returns. handover 0, or the question on the list that it settles.
 * Errors: GLIM_E_ARG, GLIM_E_NOT_FOUND (row, column), GLIM_E_FORMAT (value), GLIM_E_IO. */
glim_status glim_shop_correct_answer(glim_shop *s, const char *question, const char *answer, const char *row, uint64_t handover, glim_err *err);
glim_status glim_shop_correct_cell(glim_shop *s, const char *row, const char *column, const char *value, glim_err *err);

/* Questions that wait for a person: [{"id", "time", "question", "reason", "row"}], oldest first. */
glim_status glim_shop_handovers(glim_shop *s, json_t **out, glim_err *err);

/* Another product library, a CSV in the encoding (NULL: by its text); schema NULL: guessed, with what the old schema says of columns of the same heading kept. Nothing
 * changes unless the whole file is good. The files in the folder are replaced; a CSV is kept in UTF-8. */
glim_status glim_shop_replace(glim_shop *s, const char *name, const void *bytes, size_t n, const char *encoding, const json_t *schema, glim_err *err);
/* Another schema for the same file. */
glim_status glim_shop_set_schema(glim_shop *s, const json_t *schema, glim_err *err);
/* {"name": .., "rows": .., "schema": {..}, "intents": [..]}: a new reference. */
glim_status glim_shop_about(glim_shop *s, json_t **out, glim_err *err);

/* The template's evaluation set against its pass mark. Appends a JSON object; *passed says whether the mark is reached. */
glim_status glim_shop_eval(glim_shop *s, const glim_shop_model *model, glim_buf *json, bool *passed, glim_err *err);

/* Templates inside the program. */
typedef struct glim_template_file {
    const char *path; /* "electronics/desk.json" */
    const unsigned char *bytes;
    size_t n;
} glim_template_file;
const glim_template_file *glim_template_files(size_t *n);
/* Writes the template's files into a new or empty folder; library: a file that takes the place of the sample, with a guessed
 * schema, in the encoding that is named (NULL: guessed). *found, unless NULL: what it was read in, or NULL.
 * Errors: GLIM_E_NOT_FOUND (no such template), GLIM_E_ARG (the folder holds files), GLIM_E_FORMAT, GLIM_E_IO; nothing is written then. */
glim_status glim_shop_init(const char *template_name, const char *folder, const char *library, const char *encoding, const char **found, glim_err *err);

#endif
