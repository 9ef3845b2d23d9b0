/* routes.c - which path does what. */
#include "serve/routes.h"

#include <string.h>

/* The three parts of a completion that both routes share. */
#define COMPLETION                                                                                                    \
    .scope = GLIM_SCOPE_INFER, .event = glim_chat_event, .over = glim_chat_over, .chunks = glim_chat_chunks, .whole = glim_chat_whole,        \
    .reasoning = glim_chat_reasoning, .release = glim_chat_release

static const glim_route routes[] = {
    {"POST", "/chat/completions", .prepare = glim_chat_prepare, COMPLETION},
    {"POST", "/completions", .prepare = glim_completion_prepare, COMPLETION},
    {"GET", "/models", .run = glim_route_models},
    {"GET", "/models/*", .run = glim_route_model},
    {"POST", "/tokenize", .scope = GLIM_SCOPE_INFER, .work = glim_route_tokenize},
    {"POST", "/detokenize", .scope = GLIM_SCOPE_INFER, .work = glim_route_detokenize},
    {"POST", "/embeddings", .scope = GLIM_SCOPE_INFER, .prepare = glim_embed_prepare, .event = glim_embed_event, .whole = glim_embed_whole, .release = glim_embed_release},
    {"POST", "/rerank", .scope = GLIM_SCOPE_INFER, .prepare = glim_rerank_prepare, .event = glim_rerank_event, .whole = glim_rerank_whole, .release = glim_rerank_release},
    {"POST", "/responses", .scope = GLIM_SCOPE_INFER, .prepare = glim_responses_prepare, .event = glim_responses_event, .over = glim_responses_over, .chunks = glim_responses_chunks,
     .whole = glim_responses_reply, .failed = glim_responses_fail, .reasoning = glim_responses_reasoning, .release = glim_responses_release},
    {"POST", "/responses/input_tokens", .scope = GLIM_SCOPE_INFER, .work = glim_responses_count, .release = glim_responses_release},
    {"POST", "/files", .scope = GLIM_SCOPE_FILES, .max_body = GLIM_FILE_BYTES + (1 << 20), .take = glim_file_take, .work = glim_file_finish, .release = glim_file_release},
    {"GET", "/files", .scope = GLIM_SCOPE_FILES, .take = glim_query_take, .work = glim_file_listing, .release = glim_query_release},
    {"GET", "/files/*", .scope = GLIM_SCOPE_FILES, .work = glim_file_show},
    {"DELETE", "/files/*", .scope = GLIM_SCOPE_FILES, .work = glim_file_remove},
    {"POST", "/fine_tuning/jobs", .scope = GLIM_SCOPE_TUNE, .max_body = 256 << 10, .take = glim_query_take_body, .work = glim_tune_create, .release = glim_query_release},
    {"GET", "/fine_tuning/jobs", .scope = GLIM_SCOPE_TUNE, .take = glim_query_take, .work = glim_tune_list, .release = glim_query_release},
    {"GET", "/fine_tuning/jobs/*", .scope = GLIM_SCOPE_TUNE, .take = glim_query_take, .work = glim_tune_show, .release = glim_query_release},
    {"POST", "/fine_tuning/jobs/*", .scope = GLIM_SCOPE_TUNE, .take = glim_query_take, .work = glim_tune_steer, .release = glim_query_release},
    {"POST", "/load_lora_adapter", .scope = GLIM_SCOPE_ADMIN, .work = glim_route_adapter_load},
    {"POST", "/unload_lora_adapter", .scope = GLIM_SCOPE_ADMIN, .work = glim_route_adapter_unload},
    {"GET", "/lora", .work = glim_route_adapter_list},
    {"DELETE", "/models/*", .scope = GLIM_SCOPE_ADMIN | GLIM_SCOPE_TUNE, .work = glim_route_adapter_delete},
    {"GET", "/desk", .scope = GLIM_SCOPE_INFER, .work = glim_route_desk_about},
    {"POST", "/desk/ask", .scope = GLIM_SCOPE_INFER, .work = glim_route_desk_ask, .slow = true},
    {"POST", "/desk/corrections", .scope = GLIM_SCOPE_FILES, .work = glim_route_desk_correct},
    {"GET", "/desk/handovers", .scope = GLIM_SCOPE_FILES, .work = glim_route_desk_handovers},
    {"POST", "/desk/library", .scope = GLIM_SCOPE_FILES, .max_body = GLIM_DESK_FILE_BYTES, .take = glim_query_take_body, .work = glim_route_desk_library, .release = glim_query_release},
    {"POST", "/desk/schema", .scope = GLIM_SCOPE_FILES, .work = glim_route_desk_schema},
    {"GET", "/health", .open = true, .run = glim_route_health},
    {"GET", "/live", .open = true, .run = glim_route_live},
    {"GET", "/metrics", .run = glim_route_metrics},
    {"GET", "/", .open = true, .run = glim_route_asset},
    {"GET", "/assets/*", .open = true, .run = glim_route_asset},
};

/* The same routes with and without /v1; trailing slashes do not count. */
const glim_route *glim_route_find(const char *method, const char *url, const char **arg, const char **allow) {
    *arg = *allow = NULL;
    if (strncmp(url, "/v1/", 4) == 0) url += 3;
    size_t n = strlen(url);
    while (n > 1 && url[n - 1] == '/') n--;
    bool get = false, post = false, del = false;
    for (size_t i = 0; i < GLIM_COUNT(routes); i++) {
        const glim_route *r = &routes[i];
        size_t len = strlen(r->path);
        bool tail = r->path[len - 1] == '*';
        if (tail ? n < len || strncmp(url, r->path, len - 1) != 0 : n != len || strncmp(url, r->path, n) != 0) continue;
        if (strcmp(method, r->method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0)) {
            if (tail) *arg = url + len - 1;
            *allow = NULL;
            return r;
        }
        get |= strcmp(r->method, "GET") == 0;
        post |= strcmp(r->method, "POST") == 0;
        del |= strcmp(r->method, "DELETE") == 0;
    }
    static const char *const lists[] = {NULL, "GET, HEAD", "POST", "GET, HEAD, POST", "DELETE", "GET, HEAD, DELETE", "POST, DELETE", "GET, HEAD, POST, DELETE"};
    *allow = lists[(int)get + 2 * (int)post + 4 * (int)del];
    return NULL;
}
