/* data_rows.h - the rows of a JSON Lines file, or of a JSON array. */
#ifndef GLIM_TRAIN_DATA_ROWS_H
#define GLIM_TRAIN_DATA_ROWS_H

#include <stddef.h>

#include "base/err.h"

/* Calls fn for each row with its line. An error of fn ends the walk. Blank lines are no rows. A UTF-8 mark at the
 * beginning is skipped. */
typedef glim_status (*glim_row_fn)(void *ctx, size_t line, const char *text, size_t len, glim_err *err);
/* Lines; or, where the first character is '[', the items of one JSON array.
 * Errors: GLIM_E_FORMAT where an array is not closed, after the rows before it have been handed out. */
glim_status glim_rows_each(const char *text, size_t len, glim_row_fn fn, void *ctx, glim_err *err);

#endif
