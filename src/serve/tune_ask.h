/* tune_ask.h - the body of POST /v1/fine_tuning/jobs, read and checked, as the specification that a job carries.
 *
 * The specification is one JSON object; whoever runs jobs of kind "fine_tune" reads it:
 *
 *   model            name the base model was asked for by
 *   training_file, validation_file   ids of files (null: none)
 *   training_sha256, validation_sha256, training_name, validation_name   of their contents, filled in by the route
 *   suffix           null where not given
 *   seed, max_tokens filled in by the route where not given
 *   method           {"type": "supervised" | "dpo", "hyperparameters": {...}}; each is a number or "auto":
 *                    n_epochs, batch_size, learning_rate_multiplier, and beta for dpo
 *   glim             our own: lora_rank, lora_alpha, learning_rate, max_tokens, base_type, thinking ("on" or "off"); for private training (train/dp_run.h)
 *                    dp_epsilon and dp_delta, dp_clip, dp_noise, dp_set; absent where not given
 *   privacy_set      the data set on the privacy ledger, filled in by the route for private training
 *   metadata         object or null */
#ifndef GLIM_SERVE_TUNE_ASK_H
#define GLIM_SERVE_TUNE_ASK_H

#include "base/json.h"
#include "serve/api_error.h"

#define GLIM_TUNE_KIND "fine_tune"

/* New reference, or NULL with e. */
json_t *glim_tune_ask(const json_t *body, glim_api_error *e);

#endif
