/* said.h - what a request itself says: the words and numbers that the fields of a form, or the arguments of a call, can be copied from.
 *
 * A small model fills a form with values that look right and stand nowhere in the request. Under a constraint with such a request
 * (glim_constraint_spec.said) a value is one of what the customer said:
 *
 *   string without enum, const, pattern or format   a run of the request: whole words in scripts that put spaces between them, any
 *                     characters of those that don't (Chinese, Japanese), no full stop, line break or Chinese comma inside; or ""
 *                     where the property is required: nothing was said of it
 *   integer, number   one that stands in the request by itself, in digits (8, 1,200, 3万, 30cm; not 11:00, 258-1140 or PN6) or words
 *                     (eight, twenty-five, 两, 十二); or 0 where the property is required
 *
 * Where nothing of the request fits its bounds, a property that may be left out is left out, and a required one keeps to the bounds alone. So do all strings
 * of a long request that repeats itself, of whose runs no automaton can be made.
 *
 * What the constraint cannot see token by token is a cost of whole paths (glim_said_cost), which engine/likely.h takes: one place of the
 * request serves one field only, and what the customer said serves some field. That a model covers its source is asked for as in
 * machine translation (Wu et al. 2016, arXiv:1609.08144, the coverage penalty).
 * Threads: a glim_said is used by any. */
#ifndef GLIM_TEXT_SAID_H
#define GLIM_TEXT_SAID_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

enum { GLIM_SAID_BYTES = 8192 }; /* of a request; of a longer one nothing is made, and fields keep to the schema alone */

typedef struct glim_said glim_said;
/* request [n] is copied. *out is NULL where it is longer than GLIM_SAID_BYTES or no UTF-8. Errors: GLIM_E_NOMEM. */
glim_status glim_said_new(glim_said **out, const char *request, size_t n, glim_err *err);
void glim_said_free(glim_said *s); /* takes NULL */

/* What an answer, or the beginning of one, costs beside its log probability. Fields that are still to come are taken to use one part of the
 * request each, so it falls as the answer goes on only where one value is of several parts.
 *
 *   schema   of the form; NULL: answer is a call of one of tools (OpenAI's shape), its arguments an object of JSON
 *   answer   [n] as far as it is written
 *
 * HUGE_VAL: values of two fields need the same place of the request. Otherwise something for each part of the request between commas and
 * full stops, and each word with digits in it, that serves no field and that no field still to come can take; for a true without such a part;
 * for a value of an enum that is not said where another one is; and for a value that begins with a Chinese word that joins it (在, 到, 是, 为, 叫, 要).
 * Only a flat object of JSON is read (plain, or behind the name of a GLM-4 or ChatML call); of anything else the cost is 0. */
double glim_said_cost(const glim_said *s, const json_t *schema, const json_t *tools, const char *answer, size_t n);

#endif
