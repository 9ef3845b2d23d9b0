/* session_internal.h - what the ways to answer in a session share: checking a prompt, reading it. */
#ifndef GLIM_ENGINE_SESSION_INTERNAL_H
#define GLIM_ENGINE_SESSION_INTERNAL_H

#include "engine/engine.h"

/* Errors: GLIM_E_ARG (empty), GLIM_E_LIMIT (longer than the context). */
glim_status glim_session_fits(const glim_session *s, size_t n_prompt, glim_err *err);

/* Makes the cache hold ids [n_ids]: what agrees stays, the rest is read in slices with p's on_prefill told of each, which sets *go_on to
 * false to end it. *logits [n_vocab]: of the last id, borrowed until the next call. rows [glim_ws_n_rows] is scratch. */
glim_status glim_session_read(glim_session *s, const int32_t *ids, size_t n_ids, const glim_gen_params *p, glim_row *rows, const float **logits, bool *go_on,
                              glim_err *err);

bool glim_engine_is_stop(const glim_engine *e, int32_t id);

#endif
