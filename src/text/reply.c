/* reply.c - the reply parser: reasoning, content, and the way into calls. See reply.h and
 * reply_internal.h.
 *
 * Invariant  reasoning, content and every args grow only at their ends; raw[0, pos) never has to be
 *            read again, except from `resume` when a call that was never closed goes back to content. */
#include "text/reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "text/reply_internal.h"

/* ---- which syntax ---- */

static bool has_tools(const glim_reply *r) { return r->tools && json_array_size(r->tools) > 0; }

bool glim_reply_is_glm4(const glim_reply *r) {
    return r->kind == GLIM_CHAT_GLM4_9B || r->kind == GLIM_CHAT_GLM4_0414 || r->kind == GLIM_CHAT_GLM_Z1;
}

bool glim_reply_is_xml(const glim_reply *r) {
    return (r->kind == GLIM_CHAT_GLM45 || r->kind == GLIM_CHAT_GLM47) && has_tools(r);
}

bool glim_reply_is_json(const glim_reply *r) { return r->kind == GLIM_CHAT_CHATML && has_tools(r); }

/* Stop tokens that a caller may have left at the end of the text. Anywhere else they are text: the engine
 * stops at the tokens themselves, so what reads like one was spelled out. */
static const char *const *tails_of(const glim_reply *r) {
    static const char *const glm[] = {"<|endoftext|>", "<|user|>", "<|observation|>", "<|assistant|>", NULL};
    static const char *const chatml[] = {"<|im_end|>", "<|endoftext|>", NULL};
    static const char *const llama3[] = {"<|eot_id|>", "<|end_of_text|>", NULL};
    if (r->kind == GLIM_CHAT_LLAMA3) return llama3;
    return r->kind == GLIM_CHAT_CHATML || r->kind == GLIM_CHAT_SMOLLM2 ? chatml : glm;
}

/* ---- looking ---- */

int glim_reply_at(const glim_reply *r, size_t at, const char *tag) {
    size_t n = strlen(tag), left = r->raw.len - at;
    if (left >= n) return memcmp(r->raw.s + at, tag, n) == 0;
    return left == 0 || memcmp(r->raw.s + at, tag, left) == 0 ? (r->ended ? 0 : -1) : 0;
}

size_t glim_reply_seek(glim_reply *r, const char *const *tags, const char *const *tails, int *which) {
    const char *raw = glim_buf_cstr(&r->raw), *p;
    size_t len = r->raw.len, at = r->scan > r->pos ? r->scan : r->pos;
    for (; at < len && (p = memchr(raw + at, '<', len - at)); at++) {
        at = (size_t)(p - raw);
        bool hold = false;
        for (int i = 0; tags[i]; i++) {
            size_t n = strlen(tags[i]), left = len - at;
            if (memcmp(p, tags[i], left < n ? left : n) != 0) continue;
            if (left >= n) {
                *which = i;
                return at;
            }
            hold = true;
        }
        for (int i = 0; tails && tails[i]; i++)
            hold |= len - at <= strlen(tails[i]) && memcmp(p, tails[i], len - at) == 0;
        if (hold) {
            r->scan = at;
            return NOWHERE;
        }
    }
    r->scan = len;
    return NOWHERE;
}

bool glim_reply_go(glim_reply *r, int state, size_t pos) {
    r->state = state;
    r->pos = r->scan = pos;
    return true;
}

size_t glim_reply_trim(glim_reply *r, size_t to, bool open_end) {
    size_t from = r->blank > r->pos ? r->blank : r->pos;
    if (from >= to) return r->pos;
    const char *s = r->raw.s + from;
    size_t n = open_end ? glim_utf8_whole(s, to - from) : to - from;
    glim_chat_str seen = glim_py_strip((glim_chat_str){s, n});
    if (seen.n) return (size_t)(seen.s + seen.n - r->raw.s);
    r->blank = from + n; /* looked at once, or 100,000 line breaks would take minutes */
    return r->pos;
}

/* ---- results ---- */

glim_reply_call *glim_reply_last_call(glim_reply *r) { return &r->calls[r->n_calls - 1]; }

bool glim_reply_may_call(const glim_reply *r, glim_chat_str name) {
    for (size_t i = 0; r->declared_only && i < json_array_size(r->tools); i++) {
        glim_chat_str have = glim_chat_json_str(glim_chat_tool_function(json_array_get(r->tools, i)), "name");
        if (have.n == name.n && memcmp(have.s, name.s, name.n) == 0) return true;
    }
    return !r->declared_only;
}

bool glim_reply_no_call(glim_reply *r, size_t next) {
    if (r->any_closed) return glim_reply_go(r, ST_AFTER, next); /* between calls only another call counts */
    glim_reply_go(r, ST_CONTENT, r->resume);
    r->scan = next;
    return true;
}

bool glim_reply_called(glim_reply *r, int state, size_t next) {
    return glim_reply_go(r, r->max_calls && r->n_calls >= r->max_calls ? ST_DONE : state, next);
}

bool glim_reply_open_call(glim_reply *r, glim_chat_str name) {
    if (r->n_calls == r->cap_calls) {
        size_t cap = r->cap_calls ? r->cap_calls * 2 : 4;
        void *p = r->calls;
        if (glim_try_realloc(&p, cap, sizeof *r->calls, "tool calls", NULL) != GLIM_OK) {
            r->content.failed = true;
            return false;
        }
        r->calls = p;
        r->cap_calls = cap;
    }
    glim_buf b = {0};
    glim_utf8_sanitize(&b, name.s, name.n);
    glim_buf_reserve(&b, 1); /* an empty name still is a string */
    if (b.failed) {
        r->content.failed = true;
        glim_buf_free(&b);
        return false;
    }
    b.s[b.len] = 0;
    r->calls[r->n_calls++] = (glim_reply_call){.name = b.s};
    return true;
}

bool glim_reply_add_call(glim_reply *r, glim_chat_str name, const json_t *args) {
    if (!glim_reply_open_call(r, name)) return false;
    glim_reply_call *call = glim_reply_last_call(r);
    glim_json_dump_py(&call->args, args, -1, false);
    call->closed = r->any_closed = true;
    return true;
}

json_t *glim_reply_json(glim_reply *r, glim_chat_str text) {
    json_t *v;
    glim_status rc = glim_json_parse(&v, text.s, text.n, 0, NULL);
    if (rc == GLIM_E_NOMEM) r->content.failed = true;
    return rc == GLIM_OK ? v : NULL;
}

static void put(glim_reply *r, glim_buf *to, size_t end) {
    if (end > r->pos) glim_buf_append(to, r->raw.s + r->pos, end - r->pos);
    if (end > r->pos) r->pos = end;
}

/* The end of what may be shown at the end of the text: without a stop token that stands last. */
static size_t last_end(const glim_reply *r) {
    const char *const *tails = tails_of(r);
    size_t left = r->raw.len - r->scan;
    for (; *tails; tails++)
        if (left == strlen(*tails) && left && memcmp(r->raw.s + r->scan, *tails, left) == 0) return r->scan;
    return r->raw.len;
}

/* ---- states of reasoning and content ---- */

static size_t skip_newlines(const glim_reply *r, size_t at) {
    while (at < r->raw.len && r->raw.s[at] == '\n') at++;
    return at;
}

/* Where an answer begins: the states that can read the head of one. */
static int answer_state(const glim_reply *r) {
    return glim_reply_is_glm4(r) && has_tools(r) ? ST_GLM4_HEAD : ST_CONTENT;
}

/* The text begins with <think>, after any line breaks, or it does not. */
static bool step_start(glim_reply *r) {
    size_t at = r->scan = skip_newlines(r, r->scan);
    if (at == r->raw.len && !r->ended) return false;
    int think = glim_reply_at(r, at, "<think>");
    if (think < 0) return false;
    if (think) return glim_reply_go(r, ST_REASON_START, at);
    if (r->kind == GLIM_CHAT_GLM4_9B || r->kind == GLIM_CHAT_GLM4_0414) at = at > 0 ? 1 : 0;
    return glim_reply_go(r, answer_state(r), at);
}

/* Line breaks, at most one <think>, line breaks. */
static bool step_reason_start(glim_reply *r) {
    size_t at = r->pos = skip_newlines(r, r->pos);
    if (at == r->raw.len && !r->ended) return false;
    int think = r->opened_think ? 0 : glim_reply_at(r, at, "<think>");
    if (think < 0) return false;
    if (!think) return glim_reply_go(r, ST_REASON, at);
    r->opened_think = true;
    return glim_reply_go(r, ST_REASON_START, at + strlen("<think>"));
}

static size_t before_newlines(glim_reply *r, size_t end) {
    size_t from = r->blank > r->pos ? r->blank : r->pos, at = end;
    while (at > from && r->raw.s[at - 1] == '\n') at--;
    if (at > from) return at;
    r->blank = end;
    return r->pos;
}

/* The reply ended in its reasoning. Whole calls that stand there were meant. */
static void reread(glim_reply *r) {
    const char *from = r->declared_only && (glim_reply_is_xml(r) || glim_reply_is_json(r)) ? strstr(glim_buf_cstr(&r->raw), "<tool_call>") : NULL;
    glim_reply in;
    if (!from) return;
    glim_reply_init(&in, r->kind, r->tools, false, false);
    in.declared_only = true;
    in.max_calls = r->max_calls;
    glim_status rc = glim_reply_put(&in, from, r->raw.len - (size_t)(from - r->raw.s), NULL);
    if (rc == GLIM_OK) rc = glim_reply_end(&in, NULL);
    if (rc != GLIM_OK) r->content.failed = true;
    for (size_t i = 0; i < in.n_calls && rc == GLIM_OK; i++) {
        if (!in.calls[i].closed || !glim_reply_open_call(r, (glim_chat_str){in.calls[i].name, strlen(in.calls[i].name)})) continue;
        glim_reply_call *call = glim_reply_last_call(r);
        glim_buf_append(&call->args, glim_buf_cstr(&in.calls[i].args), in.calls[i].args.len);
        call->closed = r->any_closed = true;
    }
    glim_reply_free(&in);
}

static bool step_reason(glim_reply *r) {
    static const char *const tags[] = {"</think>", NULL};
    int which;
    size_t at = glim_reply_seek(r, tags, tails_of(r), &which);
    if (at != NOWHERE) {
        put(r, &r->reasoning, before_newlines(r, at));
        return glim_reply_go(r, ST_REASON_OVER, at + strlen("</think>"));
    }
    size_t scan = r->scan;
    put(r, &r->reasoning, before_newlines(r, r->ended ? last_end(r) : scan));
    if (r->ended) reread(r);
    return r->ended ? glim_reply_go(r, ST_DONE, r->raw.len) : false;
}

static bool step_reason_over(glim_reply *r) {
    size_t at = r->pos = skip_newlines(r, r->pos);
    if (at == r->raw.len && !r->ended) return false;
    return glim_reply_go(r, answer_state(r), at);
}

/* GLM-4.1V puts its answer between <answer> tags; only a pair that opens the content counts. */
static bool step_answer_tag(glim_reply *r) {
    int open = glim_reply_at(r, r->pos, "<answer>");
    if (open < 0) return false;
    size_t at = r->pos;
    if (open) at = skip_newlines(r, at + strlen("<answer>"));
    if (open && at == r->raw.len && !r->ended) return false;
    r->saw_answer = true;
    r->in_answer = open;
    return glim_reply_go(r, ST_CONTENT, at);
}

/* Content up to what ends it. White space is held until something visible follows where a call may follow, so that none stands
 * before that, and at the beginning, for white space alone is nothing. */
static bool step_content(glim_reply *r) {
    static const char *const none[] = {NULL}, *const call[] = {"<tool_call>", NULL},
                      *const turn[] = {"<|assistant|>", NULL}, *const answer[] = {"</answer>", NULL};
    bool is_41v = r->kind == GLIM_CHAT_GLM41V;
    if (is_41v && !r->saw_answer) return step_answer_tag(r);
    const char *const *tags = glim_reply_is_xml(r) || glim_reply_is_json(r) ? call
                              : glim_reply_is_glm4(r) ? turn
                              : r->in_answer ? answer : none;
    int which;
    size_t at = glim_reply_seek(r, tags, tails_of(r), &which);
    if (at == NOWHERE) {
        size_t end = r->ended ? last_end(r) : r->scan, shown = glim_reply_trim(r, end, !r->ended);
        bool visible = r->content.len || shown > r->pos;
        if (visible && r->ended) shown = end; /* its last line breaks are its own */
        /* Where nothing that follows could take them away they are shown at once: a reader waits for no token that is there. */
        if (visible && !r->ended && (tags == none || (tags == turn && !has_tools(r)))) shown = r->pos + glim_utf8_whole(r->raw.s + r->pos, end - r->pos);
        put(r, &r->content, shown);
        return r->ended ? glim_reply_go(r, ST_DONE, r->raw.len) : false;
    }
    size_t shown = glim_reply_trim(r, at, false);
    if (tags == turn && !has_tools(r) && (r->content.len || shown > r->pos)) shown = at;
    put(r, &r->content, shown);
    r->resume = r->pos;
    at += strlen(tags[which]);
    if (tags == answer) return glim_reply_go(r, ST_DONE, r->raw.len);
    if (tags == turn) return glim_reply_go(r, has_tools(r) ? ST_GLM4_NEXT : ST_DONE, at);
    return glim_reply_go(r, glim_reply_is_xml(r) ? ST_XML_NAME : ST_JSON_CALL, at);
}

/* Between calls: only another call counts. */
static bool step_after(glim_reply *r) {
    static const char *const call[] = {"<tool_call>", NULL};
    int which;
    size_t at = glim_reply_seek(r, call, NULL, &which);
    if (at != NOWHERE)
        return glim_reply_go(r, glim_reply_is_xml(r) ? ST_XML_NAME : ST_JSON_CALL, at + strlen(call[0]));
    r->pos = r->scan;
    return r->ended ? glim_reply_go(r, ST_DONE, r->raw.len) : false;
}

static bool step(glim_reply *r) {
    switch (r->state) {
    case ST_START: return step_start(r);
    case ST_REASON_START: return step_reason_start(r);
    case ST_REASON: return step_reason(r);
    case ST_REASON_OVER: return step_reason_over(r);
    case ST_CONTENT: return step_content(r);
    case ST_AFTER: return step_after(r);
    case ST_JSON_CALL:
    case ST_GLM4_HEAD:
    case ST_GLM4_CALL:
    case ST_GLM4_NEXT: return glim_reply_step_json(r);
    case ST_DONE: r->done = true; return false;
    default: return glim_reply_step_xml(r);
    }
}

/* ---- the calls of reply.h ---- */

void glim_reply_init(glim_reply *r, glim_chat_kind kind, const json_t *tools, bool in_reasoning,
                     bool thinking) {
    *r = (glim_reply){.kind = kind, .tools = tools, .in_reasoning = in_reasoning, .thinking = thinking};
    r->state = in_reasoning ? ST_REASON_START : ST_START;
}

static glim_status run(glim_reply *r, glim_err *err) {
    while (!r->done && !r->content.failed && step(r)) {}
    bool failed = r->raw.failed || r->reasoning.failed || r->content.failed || r->key.failed || r->seen.failed;
    for (size_t i = 0; i < r->n_calls; i++) failed |= r->calls[i].args.failed;
    if (!failed) return GLIM_OK;
    r->done = true;
    return glim_fail(err, GLIM_E_NOMEM, "could not allocate more memory for a reply of %zu bytes", r->raw.len);
}

glim_status glim_reply_put(glim_reply *r, const char *text, size_t n, glim_err *err) {
    if (r->done || n == 0) return GLIM_OK;
    glim_buf_append(&r->raw, text, n);
    if (r->raw.failed) r->content.failed = true;
    return run(r, err);
}

glim_status glim_reply_end(glim_reply *r, glim_err *err) {
    if (r->done) return GLIM_OK;
    glim_buf_reserve(&r->raw, 1); /* so that raw.s is never NULL below */
    if (r->raw.failed) r->content.failed = true;
    r->ended = true;
    glim_status rc = run(r, err);
    r->done = true;
    return rc;
}

void glim_reply_free(glim_reply *r) {
    if (!r) return;
    for (size_t i = 0; i < r->n_calls; i++) {
        free(r->calls[i].name);
        glim_buf_free(&r->calls[i].args);
    }
    free(r->calls);
    glim_buf_free(&r->raw);
    glim_buf_free(&r->reasoning);
    glim_buf_free(&r->content);
    glim_buf_free(&r->key);
    glim_buf_free(&r->seen);
    *r = (glim_reply){0};
}
