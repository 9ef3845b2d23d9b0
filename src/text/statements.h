/* statements.h - the answers that a prompt in the forms of docs/desk.md makes true (but for a "yes" in front: it answers a question that is
 * not read here, and whoever shows it looks at that), as far as they have the shapes that the inner model
 * was taught (recipes/nano/rows.c, tables.c): what an answer from rows, or about a table, is chosen from under constraint.
 *
 *   Task: answer       for each cell "[1] The {column} of {name} is {value}." or "[1] Yes, {name} has {column}.", "[1] No, ...",
 *                      "[1] Yes, its {column} is {value}."; two cells of a row in one sentence; the same cell of two rows in two;
 *                      and "This is not in the library."
 *   Task: summarize    for each two lines of the table, one sentence each with all their figures
 * Both in Chinese too. Threads: pure. */
#ifndef GLIM_TEXT_STATEMENTS_H
#define GLIM_TEXT_STATEMENTS_H

#include "base/err.h"
#include "base/json.h"
#include "text/sense.h"

enum { GLIM_STATEMENTS = 4096 }; /* the most there are of a prompt; sentences about two cells or rows are left out where they are more */

/* A new list of distinct strings in *out; NULL where system is neither task, or user has no rows or lines in that form, or the
 * sentences are more than half a MiB.
 *
 * *cost [list], which the caller frees, is what each costs in the search of engine/likely.h (text/priced.h), of answers from rows; otherwise NULL, and
 * cost may be NULL. Saying that the rows do not answer costs 4. That is one sentence, while what the model gives to an answer is shared by columns and
 * rows. Where it asks for a column or a name that the rows lack, what it gives to any of theirs is less by far more than that. With a reader
 * of senses (may be NULL) an answer costs by whether the question means its column, and the refusal by whether it means one of them. Chosen on requests of
 * another seed than the card's (bench/NOTES.md).
 * Errors: GLIM_E_NOMEM; the reader's. */
glim_status glim_statements(json_t **out, double **cost, const char *system, const char *user, const glim_sense *sense, glim_err *err);
/* Whether the first of them says that the rows do not answer. */
bool glim_statements_refuse(const json_t *statements);

#endif
