/* route_rerank.c - /v1/rerank: documents by how well they answer a query, in the shape that Jina's, Cohere's and vLLM's
 * clients know.
 *
 *   judge      the model is asked about each document whether it is relevant; the score is P(yes) / (P(yes) + P(no)) of the
 *              first token of the answer. Two units a document: each forces one of the two words, so that its exact
 *              log-probability comes back; they share the prompt's pages, and all documents share the beginning
 *   embedding  cosine of the mean-pooled embeddings, mapped to 0..1: for models without a chat template, and on request */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "serve/fields.h"
#include "serve/routes.h"

enum { MAX_DOCUMENTS = 1000, MAX_TOKENS = 1 << 20 /* of all prompts: the query stands in each */ };

typedef struct task {
    json_t *body;
    const json_t *documents;
    size_t n, top_n;
    bool judge, give_back;
    double *score;  /* [n] */
    float *logprob; /* judge: [2 n] */
    float *query, *vectors; /* embedding: [n_embd], [n, n_embd] */
    size_t n_embd;
    glim_bias words[2];
    int64_t n_tokens;
    char id[48];
} task;

static const char *document(const task *t, size_t i, size_t *n) {
    const json_t *d = json_array_get(t->documents, i);
    if (json_is_object(d)) d = json_object_get(d, "text");
    *n = json_string_length(d);
    return json_string_value(d);
}

static bool check_documents(glim_call *c, task *t) {
    if (!glim_field_array(t->body, "documents", &t->documents, &c->error)) return false;
    size_t n = json_array_size(t->documents);
    if (!t->documents) return glim_api_fail(&c->error, 400, "missing_required_parameter", "documents", "\"documents\" is missing");
    if (n == 0 || n > MAX_DOCUMENTS)
        return glim_api_fail(&c->error, 400, "invalid_value", "documents", "\"documents\": got %zu, want 1 to %d", n, MAX_DOCUMENTS);
    for (size_t i = 0; i < n; i++) {
        char place[32];
        size_t len;
        snprintf(place, sizeof place, "documents[%zu]", i);
        const char *text = document(t, i, &len);
        if (!text) return glim_field_type_error(&c->error, place, json_array_get(t->documents, i), "a string or an object with \"text\"");
        if (len == 0) return glim_api_fail(&c->error, 400, "invalid_value", place, "\"%s\": got an empty text", place);
    }
    t->n = n;
    return true;
}

/* The query first: what comes before the document is the same for all, and computed once. */
static bool judge_prompt(glim_call *c, const task *t, const char *query, size_t i, glim_ids *ids) {
    size_t n;
    const char *text = document(t, i, &n);
    bool in_reasoning, ok = false;
    glim_buf b = {0};
    char place[32];
    snprintf(place, sizeof place, "documents[%zu]", i);
    glim_buf_puts(&b, "You judge search results. Is the document below relevant to the query? Answer with one word: yes or no.\n\nQuery: ");
    glim_buf_puts(&b, query);
    glim_buf_puts(&b, "\n\nDocument: ");
    glim_buf_append(&b, text, n);
    json_t *m = json_pack("[{s:s, s:s#}]", "role", "user", "content", glim_buf_cstr(&b), b.len);
    if (!m || b.failed) glim_api_fail(&c->error, 503, "overloaded", NULL, "no memory for the prompts");
    else ok = glim_prompt_chat(c, m, NULL, &(glim_chat_options){.thinking = -1}, place, ids, &in_reasoning);
    json_decref(m);
    glim_buf_free(&b);
    return ok;
}

static bool first_id(glim_call *c, const char *word, glim_bias *out) {
    glim_ids ids = {0};
    glim_err err = {0};
    glim_status rc = glim_tok_encode(c->b->e->tok, word, strlen(word), 0, &ids, &err);
    *out = (glim_bias){ids.n ? ids.v[0] : 0, 1e4f};
    glim_ids_free(&ids);
    return rc == GLIM_OK || glim_api_from(&c->error, &err, NULL);
}

static bool same_ids(glim_call *c, const glim_ids *from, glim_ids *to) {
    glim_err err = {0};
    for (size_t i = 0; i < from->n; i++)
        if (glim_ids_push(to, from->v[i], &err) != GLIM_OK) return glim_api_from(&c->error, &err, "documents");
    return true;
}

static bool judge_units(glim_call *c, task *t, const char *query) {
    if (!glim_call_units(c, 2 * t->n) || !first_id(c, "yes", &t->words[0]) || !first_id(c, "no", &t->words[1])) return false;
    t->logprob = glim_xcalloc(2 * t->n, sizeof *t->logprob);
    for (size_t i = 0; i < 2 * t->n; i++) t->logprob[i] = NAN;
    for (size_t i = 0; i < 2 * t->n; i++) {
        if (i % 2 == 0 ? !judge_prompt(c, t, query, i / 2, &c->units[i].ids) : !same_ids(c, &c->units[i - 1].ids, &c->units[i].ids)) return false;
        if (t->n_tokens > MAX_TOKENS)
            return glim_api_fail(&c->error, 400, "limit_exceeded", "documents", "the query with each of %zu documents is more than %d tokens in all", t->n, MAX_TOKENS);
        c->units[i].r = (glim_request){.max_tokens = 1, .n = 1, .logprobs = true, .ignore_stop_ids = true,
                                       .sample = {.bias = &t->words[i % 2], .n_bias = 1, .top_p = 1, .repetition_penalty = 1}};
        t->n_tokens += (int64_t)c->units[i].ids.n;
    }
    return true;
}

static bool embed_units(glim_call *c, task *t, const char *query) {
    glim_err err = {0};
    void *mem;
    t->n_embd = c->b->e->model->cfg.n_embd;
    if (!glim_call_units(c, t->n + 1)) return false;
    if (glim_try_calloc(&mem, (t->n + 1) * t->n_embd, sizeof(float), "embeddings", &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    t->query = mem;
    t->vectors = t->query + t->n_embd;
    for (size_t i = 0; i <= t->n; i++) {
        size_t n = strlen(query);
        char place[32] = "query";
        const char *text = i ? document(t, i - 1, &n) : query;
        if (i) snprintf(place, sizeof place, "documents[%zu]", i - 1);
        if (!glim_prompt_text(c, text, n, place, &c->units[i].ids)) return false;
        c->units[i].r = (glim_request){.task = GLIM_TASK_EMBED, .pooling = GLIM_POOLING_MEAN};
        t->n_tokens += (int64_t)c->units[i].ids.n;
    }
    return true;
}

bool glim_rerank_prepare(glim_call *c) {
    const char *query = NULL, *method = NULL;
    int64_t top_n = 0;
    json_t *body = glim_call_json(c);
    if (!body) return false;
    glim_buf_free(&c->body);
    task *t = c->task = glim_xcalloc(1, sizeof *t);
    t->body = body;
    glim_api_new_id(t->id, "rerank-");
    if (!glim_route_read_model(c, body) || !glim_field_str(body, "query", &query, &c->error) ||
        !glim_field_int(body, "top_n", 1, INT32_MAX, &top_n, &c->error) ||
        !glim_field_bool(body, "return_documents", &t->give_back, &c->error) || !glim_field_str(body, "method", &method, &c->error))
        return false;
    if (!query || !*query)
        return glim_api_fail(&c->error, 400, query ? "invalid_value" : "missing_required_parameter", "query", "\"query\": want a text that is not empty");
    if (method && strcmp(method, "judge") != 0 && strcmp(method, "embedding") != 0)
        return glim_api_fail(&c->error, 400, "invalid_value", "method", "\"method\": got \"%.100s\", want \"judge\" or \"embedding\"", method);
    if (!check_documents(c, t)) return false;
    t->top_n = top_n && (size_t)top_n < t->n ? (size_t)top_n : t->n;
    t->judge = method ? strcmp(method, "judge") == 0 : c->b->e->chat != GLIM_CHAT_NONE;
    t->score = glim_xcalloc(t->n, sizeof *t->score);
    return t->judge ? judge_units(c, t, query) : embed_units(c, t, query);
}

bool glim_rerank_event(glim_call *c, size_t i, const glim_event *ev) {
    task *t = c->task;
    if (t->judge && ev->kind == GLIM_EV_TOKEN) t->logprob[i] = ev->logprob;
    if (t->judge && ev->kind == GLIM_EV_FINISH && ev->finish == GLIM_FINISH_LENGTH && isnan(t->logprob[i]))
        return glim_api_fail(&c->error, 429, "insufficient_quota", NULL, "the budget ended before all documents were judged");
    if (!t->judge && ev->kind == GLIM_EV_EMBEDDING && ev->n_values == t->n_embd) memcpy(t->query + i * t->n_embd, ev->values, t->n_embd * sizeof *t->query);
    return true;
}

static double cosine(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static const double *g_key; /* whole() runs in the loop's thread only */
static int by_score(const void *a, const void *b) {
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    if (g_key[i] != g_key[k]) return g_key[i] < g_key[k] ? 1 : -1;
    return i < k ? -1 : 1;
}

void glim_rerank_whole(glim_call *c, glim_buf *b) {
    task *t = c->task;
    size_t *order = glim_xcalloc(t->n, sizeof *order);
    for (size_t i = 0; i < t->n; i++) {
        order[i] = i;
        double s = t->judge ? 1 / (1 + exp((double)t->logprob[2 * i + 1] - (double)t->logprob[2 * i]))
                            : (1 + cosine(t->query, t->vectors + i * t->n_embd, t->n_embd)) / 2;
        t->score[i] = isfinite(s) ? s : 0;
    }
    g_key = t->score;
    qsort(order, t->n, sizeof *order, by_score);
    glim_buf_printf(b, "{\"id\": \"%s\", \"object\": \"rerank\", \"model\": ", t->id);
    glim_json_put_str(b, c->model, strlen(c->model));
    glim_buf_printf(b, ", \"method\": \"%s\", \"results\": [", t->judge ? "judge" : "embedding");
    for (size_t k = 0; k < t->top_n; k++) {
        size_t i = order[k], n;
        glim_buf_printf(b, "%s{\"index\": %zu, \"relevance_score\": ", k ? ", " : "", i);
        glim_json_put_real(b, t->score[i]);
        if (t->give_back) {
            glim_buf_puts(b, ", \"document\": {\"text\": ");
            const char *text = document(t, i, &n);
            glim_json_put_str(b, text, n);
            glim_buf_putc(b, '}');
        }
        glim_buf_putc(b, '}');
    }
    glim_buf_printf(b, "], \"usage\": {\"prompt_tokens\": %lld, \"total_tokens\": %lld}}", (long long)t->n_tokens,
                    (long long)(t->n_tokens + (t->judge ? 2 * (int64_t)t->n : 0)));
    free(order);
}

void glim_rerank_release(glim_call *c) {
    task *t = c->task;
    if (!t) return;
    free(t->score);
    free(t->logprob);
    free(t->query);
    json_decref(t->body);
    free(t);
}
