/* data_render.c - messages and texts to tokens, and which of them count in the loss.
 *
 * A conversation is rendered once, by the same code that renders prompts. Its bytes fall into ranges: those that the
 * assistant wrote count, the others do not. Each range is cut into tokens by itself, so no token is half prompt and
 * half answer, and the prompt's tokens are those that the server will see.
 *
 *   [gMASK]<sop><|user|>\nhello<|assistant|>\nhi<|user|>
 *   ----------------- prompt --------------|---counts---|      <|assistant|> is what the generation prompt says */
#include <string.h>

#include "text/chat_internal.h"
#include "train/data_internal.h"

typedef struct range {
    size_t begin, end; /* bytes of the rendered text; counts in the loss */
} range;

enum { MAX_RANGES = 4096 }; /* turns of an assistant in one row */

static glim_status push(glim_data_reader *r, int32_t id, bool counts, glim_err *err) {
    glim_status rc = glim_ids_push(&r->ids, id, err);
    glim_buf_putc(&r->loss, counts ? 1 : 0);
    return rc == GLIM_OK ? glim_buf_status(&r->loss, "a loss mask", err) : rc;
}

/* Marks the ids behind `from`, just encoded. */
static glim_status mark(glim_data_reader *r, bool counts, glim_err *err) {
    glim_buf_reserve(&r->loss, r->ids.n - r->loss.len);
    while (r->loss.len < r->ids.n && !r->loss.failed) glim_buf_putc(&r->loss, counts ? 1 : 0);
    return glim_buf_status(&r->loss, "a loss mask", err);
}

static glim_status put_text(glim_data_reader *r, const char *s, size_t n, bool counts, glim_err *err) {
    glim_status rc = n ? glim_tok_encode(r->p->tok, s, n, 0, &r->ids, err) : GLIM_OK;
    return rc == GLIM_OK ? mark(r, counts, err) : rc;
}

static int32_t span_id(const glim_data_reader *r, size_t i) {
    char name[64];
    size_t begin = r->prompt.control[i].begin, n = r->prompt.control[i].end - begin;
    if (n >= sizeof name) return -1;
    memcpy(name, r->prompt.text.s + begin, n);
    name[n] = 0;
    return glim_tok_find(r->p->tok, name);
}

/* The bytes [begin, end) of the rendered text, control tokens as in glim_prompt_encode. *span walks along. */
static glim_status put_range(glim_data_reader *r, size_t begin, size_t end, bool counts, size_t *span, glim_err *err) {
    const glim_prompt *p = &r->prompt;
    const char *s = glim_buf_cstr(&p->text);
    for (; *span < p->n_control && p->control[*span].begin < end; ++*span) {
        int32_t id = span_id(r, *span);
        if (id < 0) continue;
        glim_status rc = put_text(r, s + begin, p->control[*span].begin - begin, counts, err);
        if (rc == GLIM_OK) rc = push(r, id, counts, err);
        if (rc != GLIM_OK) return rc;
        begin = p->control[*span].end;
    }
    return put_text(r, s + begin, end - begin, counts, err);
}

/* ---- the finished example ---- */

/* Applies the limit and stores what is in r->ids. keep_first tokens at the beginning stay with GLIM_CUT_START. */
static glim_status finish(glim_data_reader *r, bool cut_allowed, glim_err *err) {
    const glim_data_params *p = r->p;
    size_t n = r->ids.n, max = p->max_tokens;
    if (n) r->loss.s[0] = 0; /* nothing stands before the first token to predict it from */
    if (max && n > max) {
        if (p->cut == GLIM_CUT_DROP) {
            r->r->n_dropped++;
            return GLIM_OK;
        }
        if (p->cut == GLIM_CUT_REFUSE || !cut_allowed)
            return glim_fail(err, GLIM_E_FORMAT, "%zu tokens, want at most %zu", n, max);
        if (p->cut == GLIM_CUT_START) {
            const int32_t *prefix;
            size_t keep = glim_tok_prefix(p->tok, &prefix);
            if (keep >= max || (keep && memcmp(r->ids.v, prefix, keep * sizeof *prefix) != 0)) keep = 0;
            size_t from = n - (max - keep);
            memmove(r->ids.v + keep, r->ids.v + from, (max - keep) * sizeof *r->ids.v);
            memmove(r->loss.s + keep, r->loss.s + from, max - keep);
            r->loss.s[0] = 0;
        }
        n = max;
        r->r->n_cut++;
    }
    if (!n || !memchr(r->loss.s, 1, n))
        return n < r->ids.n ? glim_fail(err, GLIM_E_FORMAT, "cut to %zu of %zu tokens, nothing that counts in the loss is left", n, r->ids.n)
                            : glim_fail(err, GLIM_E_FORMAT, "no token counts in the loss: there is no answer of an assistant%s",
                                        r->opens ? ", or not the last one, which alone stands where this model is asked to think" : "");
    return glim_dataset_push(r->d, r->ids.v, (const uint8_t *)r->loss.s, n, r->line, err);
}

static void begin(glim_data_reader *r) {
    r->ids.n = 0;
    glim_buf_clear(&r->loss);
}

/* ---- conversations ---- */

/* The text of the generation prompt behind a question: what the model is given and does not write itself. */
static glim_status learn_generation_prompt(glim_data_reader *r, glim_err *err) {
    glim_chat_options opt = r->p->options;
    glim_prompt with = {0}, without = {0};
    json_t *q = json_pack("[{s:s, s:s}]", "role", "user", "content", "q");
    if (!q) return glim_fail(err, GLIM_E_NOMEM, "could not allocate a message");
    opt.no_generation_prompt = false;
    glim_status rc = glim_chat_render(&with, r->p->chat, q, NULL, &opt, err);
    opt.no_generation_prompt = true;
    if (rc == GLIM_OK) rc = glim_chat_render(&without, r->p->chat, q, NULL, &opt, err);
    if (rc == GLIM_OK) {
        glim_buf_append(&r->gen, with.text.s + without.text.len, with.text.len - without.text.len);
        glim_buf_append(&r->gen_bare, r->gen.s, r->gen.len);
        rc = glim_buf_status(&r->gen_bare, "a generation prompt", err);
    }
    r->opens = rc == GLIM_OK && with.in_reasoning;
    if (rc == GLIM_OK) {
        char *think = strstr(r->gen_bare.s, "<think>"), *end = strstr(r->gen_bare.s, "</think>");
        if (!think || (end && end < think)) think = end;
        if (think) r->gen_bare.len = (size_t)(think - r->gen_bare.s), *think = 0;
        r->have_gen = true;
    }
    glim_prompt_free(&with);
    glim_prompt_free(&without);
    json_decref(q);
    return rc;
}

static bool starts(const char *s, size_t n, const glim_buf *head) {
    return head->len && n >= head->len && memcmp(s, head->s, head->len) == 0;
}

static bool is_chatml(glim_chat_kind k) { return k == GLIM_CHAT_CHATML || k == GLIM_CHAT_SMOLLM2; }

/* Whether a control token's text ends an assistant's turn. */
static bool ends_turn(glim_chat_kind k, const char *s, size_t n) {
    static const char *const glm[] = {"<|user|>", "<|observation|>", NULL}, *const chatml[] = {"<|im_end|>", NULL},
                      *const llama3[] = {"<|eot_id|>", NULL};
    const char *const *t = k == GLIM_CHAT_LLAMA3 ? llama3 : is_chatml(k) ? chatml : glm;
    for (; *t; t++)
        if (strlen(*t) == n && memcmp(*t, s, n) == 0) return true;
    return false;
}

/* OpenAI's "weight" of an assistant message: 0 takes it out of the loss. */
static glim_status read_weight(const json_t *m, size_t i, bool *counts, glim_err *err) {
    const json_t *w = json_object_get(m, "weight");
    *counts = true;
    if (!w || json_is_null(w)) return GLIM_OK;
    double v = json_is_number(w) ? json_number_value(w) : -1;
    if (v != 0 && v != 1) return glim_fail(err, GLIM_E_FORMAT, "messages[%zu]: \"weight\": want 0 or 1", i);
    *counts = v == 1;
    return GLIM_OK;
}

static bool is_assistant(const json_t *m) { return strcmp(glim_chat_json_str(m, "role").s, "assistant") == 0; }

/* 4.5 and 4.7 leave the reasoning of earlier turns out of the prompt. Such a turn is context, but no example of how to
 * answer: the model would learn not to think. */
static bool lost_its_reasoning(glim_chat_kind k, const json_t *m, const char *s, size_t n) {
    if (k != GLIM_CHAT_GLM45 && k != GLIM_CHAT_GLM47) return false;
    glim_chat_str t = glim_py_strip(glim_chat_json_str(m, "reasoning_content"));
    if (!json_is_string(json_object_get(m, "reasoning_content"))) { /* then it is what stands between the tags, as the template finds it */
        const glim_chat_str content = glim_chat_json_str(m, "content");
        if (!glim_py_has(content, "</think>")) return false;
        t = glim_py_strip(glim_py_split_last(glim_py_split_first(content, "</think>"), "<think>"));
    }
    if (t.n == 0) return false;
    static const char OPEN[] = "<think>"; /* the answer may say the same words */
    const char *at = memmem(s, n, OPEN, sizeof OPEN - 1);
    return !at || (size_t)(s + n - at) < sizeof OPEN - 1 + t.n || memcmp(at + sizeof OPEN - 1, t.s, t.n) != 0;
}

/* What counts of the turn whose text is [begin, end): behind the generation prompt, up to the token that ends it. */
static range turn_range(const glim_data_reader *r, size_t begin, size_t end, bool with_end) {
    const glim_prompt *p = &r->prompt;
    glim_chat_kind k = r->p->chat;
    const char *s = p->text.s;
    range out = {begin, end};
    if (starts(s + begin, end - begin, &r->gen)) out.begin += r->gen.len;
    else if (starts(s + begin, end - begin, &r->gen_bare)) out.begin += r->gen_bare.len;
    else
        for (size_t i = 0; i < p->n_control; i++)
            if (p->control[i].begin >= begin && p->control[i].end <= end) {
                out.begin = p->control[i].end; /* at least its role */
                break;
            }
    for (size_t i = 0; i < p->n_control; i++) {
        size_t a = p->control[i].begin, b = p->control[i].end;
        if (a < out.begin || a > end || !ends_turn(k, s + a, b - a)) continue;
        if (a == end || is_chatml(k) || k == GLIM_CHAT_LLAMA3) out.end = with_end ? b : a;
    }
    return out;
}

/* The token behind the last turn, where the template ends before it. -1: none is missing. */
static int32_t closing_token(const glim_data_reader *r, const json_t *last) {
    glim_chat_kind k = r->p->chat;
    if (is_chatml(k) || k == GLIM_CHAT_LLAMA3) return -1;
    int32_t id = glim_tok_find(r->p->tok, json_array_size(json_object_get(last, "tool_calls")) ? "<|observation|>" : "<|user|>");
    if (id < 0) id = glim_tok_eos(r->p->tok);
    if (id < 0 && r->p->config && r->p->config->n_eos) id = r->p->config->eos[0];
    return id;
}

/* Renders messages and stores the example. from_message: turns before it do not count. */
static glim_status add_messages(glim_data_reader *r, const json_t *messages, const json_t *tools, size_t from_message, bool last_only,
                                glim_err *err) {
    glim_data_loss mode = r->p->loss;
    glim_chat_options opt = r->p->options;
    opt.no_generation_prompt = opt.in_place = true;
    begin(r);
    glim_status rc = r->have_gen ? GLIM_OK : learn_generation_prompt(r, err);
    if (rc == GLIM_OK) rc = glim_chat_render(&r->prompt, r->p->chat, messages, tools, &opt, err);
    if (rc != GLIM_OK) return rc;
    const glim_prompt *p = &r->prompt;
    size_t n = json_array_size(messages), last = n, at = 0, span = 0, n_ranges = 0, n_context = 0;
    for (size_t i = 0; i < n; i++)
        if (is_assistant(json_array_get(messages, i))) last = i;
    if (mode == GLIM_LOSS_LAST || mode == GLIM_LOSS_LABEL) last_only = true;
    bool closes = false, with_end = mode != GLIM_LOSS_LABEL;
    for (size_t t = 0; t < p->n_turn && rc == GLIM_OK; t++) {
        size_t i = p->turn[t].message, a = p->turn[t].begin, b = t + 1 < p->n_turn ? p->turn[t + 1].begin : p->text.len;
        const json_t *m = json_array_get(messages, i);
        bool counts;
        if (!is_assistant(m)) continue;
        rc = read_weight(m, i, &counts, err);
        if (i < from_message || (last_only && i != last) || mode == GLIM_LOSS_ALL) counts = false;
        if (rc != GLIM_OK || !counts) continue;
        /* With thinking off no turn has any. With r->opens an earlier turn: nothing is ever generated there. */
        if ((opt.thinking >= 0 && lost_its_reasoning(r->p->chat, m, p->text.s + a, b - a)) || (r->opens && !starts(p->text.s + a, b - a, &r->gen))) {
            n_context++;
            continue;
        }
        if (n_ranges++ == MAX_RANGES) return glim_fail(err, GLIM_E_LIMIT, "more than %d turns of an assistant", MAX_RANGES);
        range c = turn_range(r, a, b, with_end);
        if (c.begin < at) c.begin = at;
        rc = put_range(r, at, c.begin, false, &span, err);
        const size_t from = r->ids.n;
        if (rc == GLIM_OK) rc = put_range(r, c.begin, c.end, true, &span, err);
        /* The tags and the thinking between them are no part of a label. Of a pair they stay: its prompt is what both answers share. */
        if (rc == GLIM_OK && mode == GLIM_LOSS_LABEL && from_message == 0) {
            const glim_example whole = {r->ids.v, (const uint8_t *)r->loss.s, r->ids.n};
            memset(r->loss.s + from, 0, glim_example_said(&whole, r->p->tok, from, r->ids.n) - from);
        }
        at = c.end;
        closes = t + 1 == p->n_turn;
    }
    if (rc == GLIM_OK) rc = put_range(r, at, p->text.len, mode == GLIM_LOSS_ALL, &span, err);
    int32_t close = n && is_assistant(json_array_get(messages, n - 1)) ? closing_token(r, json_array_get(messages, n - 1)) : -1;
    if (rc == GLIM_OK && close >= 0) rc = push(r, close, mode == GLIM_LOSS_ALL || (closes && with_end), err);
    const size_t n_before = r->d->n_ex;
    if (rc == GLIM_OK) rc = finish(r, true, err);
    if (rc == GLIM_OK && r->d->n_ex > n_before) r->r->n_context += n_context;
    return rc;
}

/* A copy of list with the items of tail behind it, and params.system before it where there is no system message. */
static glim_status with_tail(json_t **out, const glim_data_reader *r, const json_t *list, const json_t *tail, glim_err *err) {
    json_t *v = json_array();
    bool ok = v != NULL;
    size_t i;
    json_t *m;
    bool has_system = false;
    json_array_foreach((json_t *)list, i, m) has_system = has_system || strcmp(glim_chat_json_str(m, "role").s, "system") == 0;
    if (ok && r->p->system && !has_system)
        ok = json_array_append_new(v, json_pack("{s:s, s:s}", "role", "system", "content", r->p->system)) == 0;
    ok = ok && json_array_extend(v, (json_t *)list) == 0;
    if (tail) ok = ok && json_array_extend(v, (json_t *)tail) == 0;
    if (ok) {
        *out = v;
        return GLIM_OK;
    }
    json_decref(v);
    return glim_fail(err, GLIM_E_NOMEM, "could not allocate a row's messages");
}

/* Without a template only one question with its answer has a meaning. */
static glim_status add_bare(glim_data_reader *r, const json_t *messages, const json_t *answer, glim_err *err) {
    size_t n = json_array_size(messages);
    const json_t *q = json_array_get(messages, 0), *a = answer ? json_array_get(answer, 0) : json_array_get(messages, 1);
    if (n != (answer ? 1u : 2u) || !json_is_string(json_object_get(q, "content")) || !json_is_string(json_object_get(a, "content")) ||
        strcmp(glim_chat_json_str(q, "role").s, "user") != 0 || !is_assistant(a)) {
        glim_status rc = glim_fail(err, GLIM_E_FORMAT, "without a chat template a row is one question and its answer");
        glim_err_hint(err, "name a template with --template NAME: %s", glim_chat_names());
        return rc;
    }
    glim_chat_str qt = glim_chat_json_str(q, "content"), at = glim_chat_json_str(a, "content");
    return glim_data_add_answer(r, qt.s, qt.n, at.s, at.n, err);
}

static bool same_tokens(const glim_dataset *d, size_t i) {
    const glim_data_span *x = &d->ex[i];
    return x[0].n == x[1].n && memcmp(d->tokens + x[0].off, d->tokens + x[1].off, x[0].n * sizeof *d->tokens) == 0;
}

glim_status glim_data_add_conv(glim_data_reader *r, const glim_data_conv *c, glim_err *err) {
    const json_t *answers[2] = {c->chosen, c->rejected};
    size_t n_answers = c->chosen ? 2 : 1, ex0 = r->d->n_ex, tok0 = r->d->n_tok, dropped = r->r->n_dropped;
    glim_status rc = GLIM_OK;
    for (size_t k = 0; k < n_answers && rc == GLIM_OK; k++) {
        if (r->p->chat == GLIM_CHAT_NONE) rc = add_bare(r, c->messages, answers[k], err);
        else {
            json_t *all = NULL;
            rc = with_tail(&all, r, c->messages, answers[k], err);
            size_t from = c->chosen ? json_array_size(all) - json_array_size(answers[k]) : 0;
            if (rc == GLIM_OK) rc = add_messages(r, all, c->tools, from, false, err);
            json_decref(all);
        }
        if (rc != GLIM_OK && c->chosen) glim_err_context(err, k ? "rejected" : "chosen");
    }
    if (rc == GLIM_OK && !c->chosen && r->p->conv && r->d->n_ex == ex0 + 1) rc = r->p->conv(r->p->conv_ctx, ex0, c->messages, c->tools, err);
    if (rc == GLIM_OK && c->chosen && r->d->n_ex == ex0 + 2 && same_tokens(r->d, ex0)) /* of one answer twice nothing can be learnt */
        rc = glim_fail(err, GLIM_E_FORMAT, "\"chosen\" and \"rejected\" are the same answer%s",
                       r->p->max_tokens && r->d->ex[ex0].n == r->p->max_tokens ? ", as far as the limit of tokens leaves them" : "");
    /* A pair comes whole or not at all. */
    if (c->chosen && (rc != GLIM_OK || r->d->n_ex != ex0 + 2)) {
        r->d->n_ex = ex0;
        r->d->n_tok = tok0;
        if (rc == GLIM_OK) r->r->n_dropped = dropped + 1;
    }
    return rc;
}

/* ---- without a template ---- */

static glim_status put_beginning(glim_data_reader *r, glim_err *err) {
    const int32_t *prefix;
    size_t n = glim_tok_prefix(r->p->tok, &prefix);
    for (size_t i = 0; i < n; i++) {
        glim_status rc = push(r, prefix[i], false, err);
        if (rc != GLIM_OK) return rc;
    }
    if (n == 0 && glim_tok_add_bos(r->p->tok) && glim_tok_bos(r->p->tok) >= 0) return push(r, glim_tok_bos(r->p->tok), false, err);
    return GLIM_OK;
}

static int32_t end_of_text(const glim_data_reader *r) {
    int32_t id = glim_tok_eos(r->p->tok);
    return id < 0 && r->p->config && r->p->config->n_eos ? r->p->config->eos[0] : id;
}

glim_status glim_data_add_answer(glim_data_reader *r, const char *prompt, size_t n_prompt, const char *answer, size_t n_answer,
                                 glim_err *err) {
    if (n_answer == 0) return glim_fail(err, GLIM_E_FORMAT, "the answer is empty");
    if (r->p->chat != GLIM_CHAT_NONE) {
        json_t *m = json_pack("[{s:s, s:s%}, {s:s, s:s%}]", "role", "user", "content", prompt, n_prompt, "role", "assistant", "content",
                              answer, n_answer);
        if (!m) return glim_fail(err, GLIM_E_FORMAT, "the row is not valid UTF-8");
        json_t *all = NULL;
        glim_status rc = with_tail(&all, r, m, NULL, err);
        if (rc == GLIM_OK) rc = add_messages(r, all, NULL, 0, false, err);
        json_decref(all);
        json_decref(m);
        return rc;
    }
    bool all = r->p->loss == GLIM_LOSS_ALL;
    begin(r);
    glim_status rc = put_beginning(r, err);
    if (rc == GLIM_OK && r->p->system) rc = put_text(r, r->p->system, strlen(r->p->system), all, err);
    if (rc == GLIM_OK) rc = put_text(r, prompt, n_prompt, all, err);
    if (rc == GLIM_OK) rc = put_text(r, answer, n_answer, true, err);
    int32_t eos = end_of_text(r);
    if (rc == GLIM_OK && eos >= 0) rc = push(r, eos, r->p->loss != GLIM_LOSS_LABEL, err);
    return rc == GLIM_OK ? finish(r, true, err) : rc;
}

glim_status glim_data_add_text(glim_data_reader *r, const char *text, size_t len, glim_err *err) {
    if (len == 0) return glim_fail(err, GLIM_E_FORMAT, "the text is empty");
    begin(r);
    glim_status rc = put_beginning(r, err);
    if (rc == GLIM_OK) rc = put_text(r, text, len, true, err);
    int32_t eos = end_of_text(r);
    if (rc == GLIM_OK && eos >= 0) rc = push(r, eos, true, err);
    if (rc != GLIM_OK) return rc;
    size_t n = r->ids.n, max = r->p->max_tokens ? r->p->max_tokens : n;
    if (max < 2) max = 2;
    const size_t ex0 = r->d->n_ex;
    for (size_t at = 0; at + 1 < n && rc == GLIM_OK; at += max - 1) {
        size_t w = n - at < max ? n - at : max;
        uint8_t first = (uint8_t)r->loss.s[at];
        r->loss.s[at] = 0; /* of this window; the one before had it as its last target */
        /* With tiny windows the first may hold nothing but the prefix. */
        if (memchr(r->loss.s + at, 1, w)) rc = glim_dataset_push(r->d, r->ids.v + at, (const uint8_t *)r->loss.s + at, w, r->line, err);
        r->loss.s[at] = (char)first;
    }
    if (rc == GLIM_OK && r->d->n_ex > ex0 + 1 && r->d->n_split++ == 0) r->d->split_line = r->line;
    return n < 2 && rc == GLIM_OK ? glim_fail(err, GLIM_E_FORMAT, "one token only: nothing to predict it from") : rc;
}
