/* offer.h - the list of labels that a prompt of docs/desk.md offers ("Task: choose an intent"), and what a choice costs by the words that it
 * shares with the request.
 *
 * A small model that knows a label by heart still says `none` to a phrase it has not met, though the phrase has the label's own words
 * ("is there luggage storage" for "keep_luggage: stores luggage"). So in the search of engine/likely.h a label is the cheaper the more words of the
 * request stand in its name or description and in those of few others; words that any request has do not count. Words of letters are compared
 * without their endings, Chinese by pairs of characters and, for less, by single ones.
 * Threads: a list is used by any. */
#ifndef GLIM_TEXT_OFFER_H
#define GLIM_TEXT_OFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "text/sense.h"

typedef struct glim_offer glim_offer;
/* Of a system message with lines "- label: description", or "- label", behind the task's, and a request [n]. *out is NULL where it is another task
 * or there are fewer than two labels. Errors: GLIM_E_NOMEM. */
glim_status glim_offer_new(glim_offer **out, const char *system, const char *request, size_t n, const glim_sense *sense, glim_err *err);
void glim_offer_free(glim_offer *l); /* takes NULL */
/* The labels in their order, and `none` where the last line names it at its end; strings, of the list as long as it lives. */
const json_t *glim_offer_labels(const glim_offer *l);
/* What an answer that begins with text [n], or (ends) is that, costs: 0 to 3 for a label, 4 for `none` and what is no label; with a reader up to
 * 10.4 more, and 1 more for `none` (sense may be NULL); of several labels that begin so the least. Weights were chosen on requests of another seed than the card's (bench/NOTES.md). */
double glim_offer_cost(void *offer, const char *text, size_t n, bool ends);

#endif
