/* data_answer.h - a model's own answers to the rows of a set that say which answers there may be.
 *
 * Decoded under constraint (text/constrain.h), the likeliest answer as a whole (engine/likely.h), so that an answer that ends is one of those; what is measured is
 * whether it is the right one. A row says so in one of four ways (docs/desk.md):
 *
 *   tool     it has "tools", and its answer is a call: one call of one of them, in the form of the model's template
 *   form     its system message is a line "Task: fill the form" and a JSON schema: an object of that schema
 *   label    its system message is a line "Task: choose an intent" and lines "- label: description": one label, or `none`
 *            where its last line offers that
 *   rows     its system message is a line "Task: answer", or "Task: summarize", and its answer is one of those that the rows or
 *            lines before it make true (text/statements.h): one of these
 *
 * The free values of a form or a call are copied from the message that is answered (text/said.h).
 * Right is a label that is the same text, an object that is the same value (order of keys and white space do not count), a
 * call of the same tool with the same arguments. Valid is checked apart from the constraint, on what came out.
 * Threads: drives the engine; one at a time. */
#ifndef GLIM_TRAIN_DATA_ANSWER_H
#define GLIM_TRAIN_DATA_ANSWER_H

#include "text/sense.h"
#include "train/data_eval.h"

typedef struct glim_answers glim_answers; /* of each example: what may be answered, and what is wanted */

/* sense: what is offered is read by it too; may be NULL, and lives longer. */
glim_answers *glim_answers_new(const glim_sense *sense);
void glim_answers_free(glim_answers *a); /* takes NULL */
/* As glim_data_params.conv, with the glim_answers as its context. Errors: GLIM_E_FORMAT (a wanted answer that the row itself
 * does not allow), GLIM_E_NOMEM. */
glim_status glim_answers_take(void *ctx, size_t example, const json_t *messages, const json_t *tools, glim_err *err);
size_t glim_answers_n(const glim_answers *a); /* examples that say which answers there may be */

enum { GLIM_EVAL_WRONG = 8 };
typedef struct glim_eval_wrong {
    size_t line;
    char want[160], got[160]; /* cut between characters */
} glim_eval_wrong;

typedef struct glim_eval_answers {
    size_t n, n_tool, n_form, n_label, n_statement; /* rows, and of which kind */
    size_t n_valid, n_right, n_tokens;
    glim_eval_wrong wrong[GLIM_EVAL_WRONG]; /* the first ones */
    size_t n_wrong;                         /* of these */
} glim_eval_answers;

/* d was read with glim_answers_take. Strings that are not copied and have no bound of their own have at most 100 characters; an answer ends after 512
 * tokens at the latest, and is not valid then.
 * Errors: as glim_eval_score; GLIM_E_UNSUPPORTED (a schema that cannot be enforced). */
glim_status glim_eval_answer(glim_eval_answers *out, glim_engine *e, const glim_dataset *d, const glim_answers *a, const glim_eval_params *p,
                             glim_err *err);

#endif
