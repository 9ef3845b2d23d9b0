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

enum { GLIM_STATEMENTS = 4096 }; /* the most there are of a prompt; sentences about two cells or rows are left out where they are more */

/* A new list of distinct strings in *out; NULL where system is neither task, or user has no rows or lines in that form, or the
 * sentences are more than half a MiB.
 * Errors: GLIM_E_NOMEM. */
glim_status glim_statements(json_t **out, const char *system, const char *user, glim_err *err);

/* Whether one of them says that the rows do not answer. */
bool glim_statements_refuse(const json_t *statements);
/* What such an answer costs that begins with text [n], for the search of engine/likely.h: 4 for saying that the rows do not answer. That is one
 * sentence, while what the model gives to an answer is shared by columns and rows. Where it asks for a column or a name that the rows lack,
 * what it gives to any of theirs is less by far more than that. Chosen on requests of another seed than the card's (bench/NOTES.md). */
double glim_statements_cost(void *unused, const char *text, size_t n, bool ends);

#endif
