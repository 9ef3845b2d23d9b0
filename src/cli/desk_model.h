/* desk_model.h - a model opened here as the language model of a service desk (app/shop.h). */
#ifndef GLIM_CLI_DESK_MODEL_H
#define GLIM_CLI_DESK_MODEL_H

#include "app/shop.h"
#include "engine/engine.h"
#include "know/sense.h"
#include "text/constrain.h"

typedef struct glim_desk_model {
    glim_shop_model shop; /* what the desk is given */
    glim_engine *e;       /* borrowed */
    glim_session session;
    glim_constraint_vocab *vocab;
    glim_senses *senses; /* of the model's file; NULL: it has none */
} glim_desk_model;

/* Errors: as glim_session_open; the error of a template that is not known. */
glim_status glim_desk_model_open(glim_desk_model *m, glim_engine *e, glim_err *err);
void glim_desk_model_close(glim_desk_model *m); /* takes {0} */

#endif
