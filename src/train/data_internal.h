/* data_internal.h - what the files of the data set share.
 *
 *   data_set.c     opening, storage, the format guessed, bad rows, hash, order
 *   data_rows.c    a file's bytes to rows: lines, the items of a JSON array
 *   data_csv.c     a file's bytes to rows of cells
 *   data_shape.c   the JSON shapes to OpenAI-shaped messages
 *   data_table.c   prompt and answer templates over named columns
 *   data_render.c  messages and texts to tokens with their mask
 *   data_show.c    what a person sees: summary and inspector */
#ifndef GLIM_TRAIN_DATA_INTERNAL_H
#define GLIM_TRAIN_DATA_INTERNAL_H

#include "base/alloc.h"
#include "train/data_rows.h"
#include "train/data_set.h"

typedef struct glim_data_span {
    size_t off, n; /* in tokens and loss */
    size_t line;
} glim_data_span;

struct glim_dataset {
    int32_t *tokens; /* [n_tok] of all examples, one after the other */
    uint8_t *loss;   /* [n_tok] */
    size_t n_tok, cap_tok;
    glim_data_span *ex; /* [n_ex]; a pair is two in a row: chosen, rejected */
    size_t n_ex, cap_ex;
    bool pairs;
    size_t n_split, split_line; /* rows that became several examples; the line of the first */
    char hash[65];
};

/* A set that is being read. */
typedef struct glim_data_reader {
    const glim_data_params *p;
    glim_dataset *d;
    glim_data_report *r;
    const char *name;
    size_t line;          /* of the row in hand */
    glim_prompt prompt;   /* scratch */
    glim_ids ids;         /* scratch: the example in hand */
    glim_buf loss;        /* scratch: one byte for each id */
    glim_buf text, text2; /* scratch */
    glim_buf gen, gen_bare; /* what a generation prompt says, and that without an opened or empty <think> */
    bool opens;           /* a generation prompt ends inside an opened <think>: answers are examples only where they stand behind that */
    bool have_gen;
} glim_data_reader;

/* ---- data_csv.c: RFC 4180 with any of , ; and tab between cells ---- */

typedef struct glim_csv {
    const char *s;
    size_t n, at;
    size_t line;     /* where the row in hand begins; 1 is the first */
    size_t next_line;
    char sep;
    glim_buf text;   /* the row's cells, each ended by a NUL */
    size_t *cell;    /* [n_cells] where each begins in text */
    size_t *cell_len;
    size_t n_cells, cap_cells;
} glim_csv;

/* sep 0: the one that the first line has most of. */
void glim_csv_init(glim_csv *c, const char *text, size_t len, char sep);
void glim_csv_deinit(glim_csv *c);
/* *more false at the end. A row that is wrong is skipped by the next call.
 * Errors: GLIM_E_FORMAT (a quoted cell without an end, text behind one), NOMEM. */
glim_status glim_csv_next(glim_csv *c, bool *more, glim_err *err);

/* ---- data_shape.c ---- */

/* A row as a conversation. All references are owned. */
typedef struct glim_data_conv {
    json_t *messages, *tools;
    json_t *chosen, *rejected; /* preference: arrays of messages that follow */
} glim_data_conv;
void glim_data_conv_free(glim_data_conv *c);
glim_status glim_data_shape(glim_data_conv *out, glim_data_format f, const json_t *row, glim_err *err);
/* The format that such a row has, GUESS if none. */
glim_data_format glim_data_shape_guess(const json_t *row);

/* ---- data_table.c ---- */

/* A row of named texts. */
typedef struct glim_data_cells {
    const char *const *name; /* [n] */
    const char *const *value;
    const size_t *len;
    size_t n;
} glim_data_cells;

/* Column names that a guess takes for prompt and answer; false: none of them is there. Both are heap. */
bool glim_data_table_guess(const glim_data_cells *c, char **prompt, char **answer);
/* Appends the template with each {column} replaced; "{{" and "}}" are braces. Errors: GLIM_E_ARG names the column. */
glim_status glim_data_table_fill(glim_buf *out, const char *tmpl, const glim_data_cells *c, glim_err *err);

/* ---- data_render.c: each adds one example to r->d, or counts it as dropped ---- */

glim_status glim_data_add_conv(glim_data_reader *r, const glim_data_conv *c, glim_err *err);
/* A prompt and its answer: as a chat where there is a template, else one after the other. */
glim_status glim_data_add_answer(glim_data_reader *r, const char *prompt, size_t n_prompt, const char *answer, size_t n_answer,
                                 glim_err *err);
/* A document, cut into windows that share one token, so that every token but the first is a target once. */
glim_status glim_data_add_text(glim_data_reader *r, const char *text, size_t len, glim_err *err);

/* ---- data_encoding.c ---- */

/* The rows of a file as UTF-8: *text [*len] is left as it is, or becomes own's and *encoding says what the file was in (NULL: nothing was turned).
 * Errors: GLIM_E_FORMAT (packed, or marked as UTF-16 and none), GLIM_E_LIMIT (too large to be turned), GLIM_E_NOMEM. */
glim_status glim_data_utf8(const char *name, const char **text, size_t *len, glim_buf *own, const char **encoding, glim_err *err);

/* ---- data_set.c ---- */

/* Adds tokens and mask as an example of the row in hand. */
glim_status glim_dataset_push(glim_dataset *d, const int32_t *tokens, const uint8_t *loss, size_t n, size_t line, glim_err *err);

#endif
