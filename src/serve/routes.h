/* routes.h - the functions of the route_*.c files that the table in routes.c names. */
#ifndef GLIM_SERVE_ROUTES_H
#define GLIM_SERVE_ROUTES_H

#include "serve/server_internal.h"

/* route_chat.c */
bool glim_chat_prepare(glim_call *c);
bool glim_completion_prepare(glim_call *c);
bool glim_chat_event(glim_call *c, size_t i, const glim_event *ev);
bool glim_chat_over(const glim_call *c, size_t i, uint32_t choice);
void glim_chat_chunks(glim_call *c, glim_buf *sse, bool last);
void glim_chat_whole(glim_call *c, glim_buf *body);
int64_t glim_chat_reasoning(const glim_call *c);
void glim_chat_release(glim_call *c);

bool glim_chat_constrain(glim_call *c, const glim_ask *a, bool in_reasoning, glim_mask_hook *hook); /* for /v1/responses too */

/* route_embed.c */
bool glim_embed_prepare(glim_call *c);
bool glim_embed_event(glim_call *c, size_t i, const glim_event *ev);
void glim_embed_whole(glim_call *c, glim_buf *body);
void glim_embed_release(glim_call *c);

/* route_rerank.c */
bool glim_rerank_prepare(glim_call *c);
bool glim_rerank_event(glim_call *c, size_t i, const glim_event *ev);
void glim_rerank_whole(glim_call *c, glim_buf *body);
void glim_rerank_release(glim_call *c);

/* route_responses.c */
bool glim_responses_prepare(glim_call *c);
bool glim_responses_event(glim_call *c, size_t i, const glim_event *ev);
bool glim_responses_over(const glim_call *c, size_t i, uint32_t choice);
void glim_responses_chunks(glim_call *c, glim_buf *sse, bool last);
void glim_responses_reply(glim_call *c, glim_buf *body);
void glim_responses_fail(glim_call *c, glim_buf *sse);
int64_t glim_responses_reasoning(const glim_call *c);
bool glim_responses_count(glim_call *c);
void glim_responses_release(glim_call *c);

/* route_files.c */
enum { GLIM_FILE_BYTES = 512 << 20 }; /* most bytes of an upload */
bool glim_file_take(glim_call *c, const char *data, size_t n);
bool glim_file_finish(glim_call *c);
void glim_file_release(glim_call *c);
bool glim_file_listing(glim_call *c);
bool glim_file_show(glim_call *c);
bool glim_file_remove(glim_call *c);

/* route_tune.c */
bool glim_tune_create(glim_call *c);
bool glim_tune_list(glim_call *c);
bool glim_tune_show(glim_call *c);
bool glim_tune_steer(glim_call *c);

/* route_adapters.c */
bool glim_route_adapter_load(glim_call *c);
bool glim_route_adapter_unload(glim_call *c);
bool glim_route_adapter_list(glim_call *c);
bool glim_route_adapter_delete(glim_call *c);

/* query.c */
/* The model of a body, which must name one; c->model points into it. On a desk. */
bool glim_route_read_model(glim_call *c, const json_t *body);
bool glim_query_take(glim_call *c, const char *data, size_t n);
bool glim_query_take_body(glim_call *c, const char *data, size_t n);
void glim_query_release(glim_call *c);

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

/* route_desk.c */
enum { GLIM_DESK_FILE_BYTES = 64 << 20 }; /* most bytes of a product library */
bool glim_route_desk_about(glim_call *c);
bool glim_route_desk_ask(glim_call *c);
bool glim_route_desk_correct(glim_call *c);
bool glim_route_desk_handovers(glim_call *c);
bool glim_route_desk_library(glim_call *c);
bool glim_route_desk_schema(glim_call *c);

/* route_assets.c */
enum MHD_Result glim_route_asset(glim_call *c);

#endif
