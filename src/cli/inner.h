/* inner.h - the model that is part of the program, for those who name none (models/glim-nano.gguf, made by recipes/nano). */
#ifndef GLIM_CLI_INNER_H
#define GLIM_CLI_INNER_H

#include "base/err.h"

#define GLIM_INNER_NAME "inner:glim-nano" /* as MODEL of any command; the part behind the colon is its name for clients */

/* GLIM_INNER_NAME names the inner model from now on, where there is one. For main, before there are threads. */
void glim_inner_register(void);

/* The path of the model to use: `given` if that is one, else the inner model, which is said in one line on stderr.
 * $GLIM_INNER_MODEL names another file for it; empty: there is none. verb is for the error.
 * Errors: GLIM_E_ARG (none is named, and none is inside). */
glim_status glim_inner_or(const char **out, const char *given, const char *verb, glim_err *err);

#endif
