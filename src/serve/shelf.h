/* shelf.h - fine-tuned models: who sees which, and bringing one into the engine when it is first asked for.
 *
 * The rows of store/tuned.h lie in memory for lists, which are made in the loop. A model is loaded by the first request
 * that names it and stays until SHELF_HOT others have been asked for since. To everybody but its tenant and
 * administrators it is not there. */
#ifndef GLIM_SERVE_SHELF_H
#define GLIM_SERVE_SHELF_H

#include "serve/server_internal.h"
#include "store/tuned.h"

enum { GLIM_SHELF_HOT = 16 }; /* in the engine at once */

glim_status glim_shelf_open(glim_server *s, glim_err *err);
void glim_shelf_close(glim_server *s);

/* Any thread. */
void glim_shelf_put(glim_server *s, const glim_tuned *t);
void glim_shelf_take(glim_server *s, const char *name);           /* from the list alone */
bool glim_shelf_find(glim_server *s, const char *name, glim_tuned *out); /* out may be NULL */
/* The names of this shelf: "ft:...". An adapter that the engine still holds under one that is no longer here is nobody's. */
bool glim_shelf_owns(const char *name);
/* False for such a name that is not here or another tenant's; true for every other name. */
bool glim_shelf_shows(const glim_call *c, const char *name);
/* Those of the caller's that this model can serve, oldest first. */
void glim_shelf_each(const glim_call *c, void (*fn)(void *ctx, const glim_tuned *t), void *ctx);

/* On a desk. The name is on the shelf: into the engine, if it is not there; false: c->error. */
bool glim_shelf_load(glim_call *c, const char *name);
/* Row, files and folder; requests that run keep it to their end. */
bool glim_shelf_delete(glim_call *c, const char *name);

#endif
