/* sense.h - a model of intents (know/intent.h) as the reader beside a language model (text/sense.h).
 *
 * Its labels are "KIND:MEANING"; those without a kind are intents. "KIND:none" and "KIND:other" are what has no meaning of that kind, or one that has no
 * name. Such a model stands in a GGUF under the key glim.senses, as the bytes of its file: `glim intent attach` puts it there.
 * Threads: an open glim_senses belongs to one thread. */
#ifndef GLIM_KNOW_SENSE_H
#define GLIM_KNOW_SENSE_H

#include "format/gguf.h"
#include "know/intent.h"
#include "text/sense.h"

#define GLIM_SENSES_KEY "glim.senses"

typedef struct glim_senses glim_senses;
/* *out is NULL where g is NULL or has no such key. Errors: GLIM_E_FORMAT and what glim_intent_parse gives, GLIM_E_NOMEM. */
glim_status glim_senses_open(glim_senses **out, const glim_gguf *g, glim_err *err);
/* Of a model that the caller keeps. */
glim_status glim_senses_of(glim_senses **out, const glim_intent *m, glim_err *err);
void glim_senses_free(glim_senses *s); /* takes NULL */
/* Writes the GGUF at `in` to `out` with the model of intents at `intents` in it, in place of what it has; the same weights and other keys. Both may be
 * one file. Errors: those of reading and writing the files, GLIM_E_ARG (a label of another kind, a kind of one label), GLIM_E_UNSUPPORTED (a model in several files). */
glim_status glim_senses_attach(const char *in, const char *intents, const char *out, glim_err *err);
const glim_sense *glim_senses_sense(glim_senses *s); /* NULL for NULL; lives as long as s */

#endif
