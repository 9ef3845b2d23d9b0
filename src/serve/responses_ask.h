/* responses_ask.h - a body of /v1/responses as the chat completion that it means.
 *
 * Items become messages: reasoning and calls join the assistant's message that they stand beside, outputs of calls become
 * tool messages. What needs a memory of ours (previous_response_id, item references) is refused by name. */
#ifndef GLIM_SERVE_RESPONSES_ASK_H
#define GLIM_SERVE_RESPONSES_ASK_H

#include "base/json.h"
#include "serve/api_error.h"

/* *chat: a body for glim_ask_chat; *tools: the tools in their flat form, an array. New references, NULL on failure. */
bool glim_responses_ask(const json_t *body, json_t **chat, json_t **tools, glim_api_error *e);
/* An error that glim_ask_chat found, in the names that the client used. */
void glim_responses_rename(glim_api_error *e);

#endif
