/* bind.h - finds every tensor of a checkpoint by its family's name and checks its shape. */
#ifndef GLIM_MODEL_BIND_H
#define GLIM_MODEL_BIND_H

#include "model/model.h"

/* Fills m->embd, head, norms, layers from m->ckpt and m->cfg: views only for matrices, f32 copies in
 * m->arena for vectors. Every tensor of the file is either bound or known to be skippable (rotary
 * tables, MTP layers, vision towers); anything else is an error with its name, and so is a tensor that
 * is missing or has another shape, or a matrix whose values are not finite when `read_values`.
 * read_values false: vectors are left NULL (nothing of the weights is read). */
glim_status glim_bind(glim_model *m, bool read_values, glim_err *err);

#endif
