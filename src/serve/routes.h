/* routes.h - the functions of the route_*.c files that the table in routes.c names. */
#ifndef GLIM_SERVE_ROUTES_H
#define GLIM_SERVE_ROUTES_H

#include "serve/server_internal.h"

/* route_chat.c */
bool glim_chat_prepare(glim_call *c);
bool glim_completion_prepare(glim_call *c);
bool glim_chat_event(glim_call *c, size_t i, const glim_event *ev);
void glim_chat_chunks(glim_call *c, glim_buf *sse, bool last);
void glim_chat_whole(glim_call *c, glim_buf *body);
int64_t glim_chat_reasoning(const glim_call *c);
void glim_chat_release(glim_call *c);

/* route_status.c */
enum MHD_Result glim_route_health(glim_call *c);
enum MHD_Result glim_route_live(glim_call *c);
enum MHD_Result glim_route_metrics(glim_call *c);

/* route_models.c */
enum MHD_Result glim_route_models(glim_call *c);
enum MHD_Result glim_route_model(glim_call *c);

/* route_tokens.c */
bool glim_route_tokenize(glim_call *c);
bool glim_route_detokenize(glim_call *c);

/* route_assets.c */
enum MHD_Result glim_route_asset(glim_call *c);

#endif
