/* data_set.h - rows of a file as token sequences that say which tokens count in the loss.
 *
 *   chat        {"messages": [...], "tools": [...]}                     OpenAI's fine-tuning shape, one object a line
 *   alpaca      {"instruction": "...", "input": "...", "output": "..."} and "system", "history"
 *   sharegpt    {"conversations": [{"from": "human", "value": "..."}, ...], "system": "...", "tools": "..."}
 *   preference  prompt or conversations with "chosen" and "rejected"; OpenAI's "preferred_output" likewise
 *   text        plain text, or {"text": "..."} a line: every token counts
 *   table       CSV with a header, or flat JSON objects: a prompt template and an answer template, "{column}" in both
 *
 * JSON files may hold one object a line or one array of objects. The format is guessed from the name and the first
 * row, said (glim_dataset_summary) and can be given. Everything is read, rendered and checked when the set is
 * opened: a bad row is named by line and reason before anything runs on it, and all of them are counted.
 *
 * Mask       loss[i] = 1: token i is a target, predicted from the tokens before it. Never set at i = 0. In chats these
 *            are the tokens that the assistant wrote, from behind what a generation prompt already says to the token
 *            that ends the turn (GLM: the <|user|> or <|observation|> that follows it, at the end of the last turn
 *            one that is put there).
 * Cuts       text is cut into tokens anew where the loss begins, so a row's prompt has the very tokens that the same
 *            prompt has when the model is asked.
 * Threads    read by any number of threads at once. */
#ifndef GLIM_TRAIN_DATA_SET_H
#define GLIM_TRAIN_DATA_SET_H

#include <stdint.h>
#include <stdio.h>

#include "base/json.h"
#include "format/config.h"
#include "text/chat.h"
#include "text/tok.h"

typedef struct glim_dataset glim_dataset;

typedef struct glim_example {
    const int32_t *tokens; /* [n] borrowed from the set */
    const uint8_t *loss;   /* [n] */
    size_t n;
} glim_example;

typedef enum glim_data_format {
    GLIM_DATA_GUESS = 0,
    GLIM_DATA_CHAT,
    GLIM_DATA_ALPACA,
    GLIM_DATA_SHAREGPT,
    GLIM_DATA_PREFERENCE,
    GLIM_DATA_TEXT,
    GLIM_DATA_TABLE,
    GLIM_N_DATA_FORMAT
} glim_data_format;
const char *glim_data_format_name(glim_data_format f);
bool glim_data_format_parse(const char *name, glim_data_format *out);
const char *glim_data_format_names(void); /* ", "-separated, for help and messages */

/* What becomes of a row that is longer than max_tokens. */
typedef enum glim_data_cut {
    GLIM_CUT_END = 0, /* its end is cut off; a row that then has no target left is bad */
    GLIM_CUT_START,   /* its beginning is cut off, so that the last answer stays whole */
    GLIM_CUT_DROP,    /* it is left out and counted */
    GLIM_CUT_REFUSE   /* it is a bad row */
} glim_data_cut;

typedef enum glim_data_loss {
    GLIM_LOSS_ANSWERS = 0, /* what the assistant wrote, in every turn */
    GLIM_LOSS_LAST,        /* only in its last turn */
    GLIM_LOSS_LABEL,       /* only in its last turn, without its thinking and the token that ends it */
    GLIM_LOSS_ALL          /* every token */
} glim_data_loss;

typedef struct glim_data_params {
    const glim_tok *tok;        /* needed */
    const glim_config *config;  /* for the tokens that end an answer; may be NULL */
    glim_chat_kind chat;        /* NONE: prompts and answers one after the other, without a template */
    glim_chat_options options;  /* thinking and keep_thinking are used */
    glim_data_format format;
    const char *prompt, *answer; /* table: "{column}" is replaced; NULL: guessed from the columns' names */
    const char *system;         /* for rows that have no system message of their own */
    size_t max_tokens;          /* of one example; 0: no limit. Text is cut into windows of it instead */
    glim_data_cut cut;
    glim_data_loss loss;
    bool skip_bad;              /* bad rows are left out instead of refusing the set */
    size_t max_listed;          /* bad rows named one by one; 0: 10 */
    size_t max_rows;            /* only the first so many; 0: all */
    bool (*progress)(void *ctx, size_t done, size_t total); /* bytes; false stops. May be NULL */
    void *progress_ctx;
    /* Each conversation that became an example, as messages and tools (or NULL) of OpenAI's shape, borrowed; not for pairs,
     * texts and tables. May be NULL. */
    glim_status (*conv)(void *ctx, size_t example, const json_t *messages, const json_t *tools, glim_err *err);
    void *conv_ctx;
} glim_data_params;

typedef struct glim_bad_row {
    size_t line; /* of the file, where the row begins; 1 is the first */
    char reason[240];
} glim_bad_row;

typedef struct glim_data_report {
    glim_data_format format;
    bool guessed;
    char how[240];              /* how it was read, in words: `CSV, prompt "{text}", answer "{category}"` */
    size_t n_rows, n_bad, n_cut, n_dropped, n_examples;
    size_t n_context;           /* answers that do not count: the template writes them without the thinking that the prompt asks for */
    size_t n_tokens, n_targets, longest; /* tokens over all examples, those that count, the longest example */
    glim_bad_row *bad;          /* [n_listed] in order of the file */
    size_t n_listed;
} glim_data_report;

/* Reads a file. report is filled in any case, also when rows are bad; release it with glim_data_report_free.
 * Errors: GLIM_E_FORMAT names the first bad rows and counts all (unless skip_bad), or says that the format could not
 * be guessed; GLIM_E_ARG (a template without such a column, no chat template); NOT_FOUND, IO, LIMIT, NOMEM, CANCELLED. */
glim_status glim_dataset_open(glim_dataset **out, const char *path, const glim_data_params *p, glim_data_report *report,
                              glim_err *err);
/* The same over bytes in memory; name tells the format (its ending) and stands in messages. */
glim_status glim_dataset_parse(glim_dataset **out, const char *name, const char *text, size_t len, const glim_data_params *p,
                               glim_data_report *report, glim_err *err);
/* From sequences that the caller has: copies tokens and loss. For tests and for data made by programs. */
glim_status glim_dataset_from_examples(glim_dataset **out, const glim_example *ex, size_t n, glim_err *err);
void glim_dataset_free(glim_dataset *d); /* takes NULL */
void glim_data_report_free(glim_data_report *r);

size_t glim_dataset_n(const glim_dataset *d); /* examples; pairs count once */
bool glim_dataset_is_preference(const glim_dataset *d);
/* Errors: GLIM_E_ARG (index; a set of pairs). */
glim_status glim_dataset_example(const glim_dataset *d, size_t index, glim_example *out);
/* Both answers to one prompt; their tokens before the first target are the same. Errors: GLIM_E_ARG. */
glim_status glim_dataset_pair(const glim_dataset *d, size_t index, glim_example *chosen, glim_example *rejected);
/* Where the last run of targets begins and ends: the last answer, with the token that ends it. */
void glim_example_answer(const glim_example *e, size_t *begin, size_t *end);
/* Where what is said in [begin, end) begins: behind "</think>" and the line breaks after it where a "<think>" opens these tokens or stands
 * right before them, else at begin. */
size_t glim_example_said(const glim_example *e, const glim_tok *tok, size_t begin, size_t end);
/* The line of the file on which the example's row begins, 0 without a file. */
size_t glim_dataset_line(const glim_dataset *d, size_t index);
/* Rows that became several examples (texts of more than max_tokens), and the line of the first of them. */
size_t glim_dataset_split_rows(const glim_dataset *d, size_t *line);
/* SHA-256 over all tokens and masks, 64 digits: what a checkpoint remembers of its data. */
const char *glim_dataset_hash(const glim_dataset *d);

/* order[0..n) becomes a permutation of 0..n-1 that depends on (seed, epoch) alone. */
void glim_data_shuffle(size_t *order, size_t n, uint64_t seed, uint64_t epoch);
/* Splits 0..n-1 by the seed: the first *n_eval of order are for evaluation, the rest for training, each part in rising
 * order. share in [0, 1); with share > 0 and n > 1 both parts have at least one. order [n]. */
void glim_data_split(size_t *order, size_t n, double share, uint64_t seed, size_t *n_eval);

/* One line in words: rows, tokens, format, what was left out. */
void glim_dataset_summary(const glim_data_report *r, glim_buf *out);
/* One example token by token: place, id, "+" where it counts in the loss, its text with control bytes shown; and the
 * whole text with the targets marked. color: targets in green instead of between marks. Pairs show both. */
glim_status glim_dataset_inspect(const glim_dataset *d, const glim_tok *tok, size_t index, FILE *f, bool color, glim_err *err);

#endif
