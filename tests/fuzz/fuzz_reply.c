/* libFuzzer entry: any text, cut anywhere, is the same reply as the text in one piece; what is reported on the
 * way only grows; arguments of closed calls are JSON objects that our own reader accepts.
 * The first three bytes choose the kind, the switches and how the text is cut. */
#include <stdlib.h>
#include <string.h>

#include "text/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char tools_text[] =
    "[{\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"s\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},"
    "\"u\":{\"type\":[\"string\",\"null\"]}}}}},{\"name\":\"now\"}]";

static json_t *g_tools;

static void same(const glim_buf *a, const glim_buf *b) {
    if (a->len != b->len || (a->len && memcmp(a->s, b->s, a->len) != 0)) abort();
}

/* How much there is of everything, to see that nothing shrinks. */
static size_t weight(const glim_reply *r) {
    size_t n = r->reasoning.len + r->content.len + r->n_calls;
    for (size_t i = 0; i < r->n_calls; i++) n += r->calls[i].args.len;
    return n;
}

static void ok(glim_status rc) {
    if (rc != GLIM_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_err err;
    if (!g_tools) ok(glim_json_parse(&g_tools, tools_text, strlen(tools_text), 0, &err));
    if (size < 3) return 0;
    glim_chat_kind k = (glim_chat_kind)(1 + data[0] % (GLIM_N_CHAT - 1));
    const json_t *tools = data[1] & 1 ? g_tools : NULL;
    bool inside = data[1] & 2, thinking = data[1] & 4;
    unsigned step = data[2];
    const char *text = (const char *)data + 3;
    size -= 3;

    glim_reply whole, cut;
    glim_reply_init(&whole, k, tools, inside, thinking);
    ok(glim_reply_put(&whole, text, size, &err));
    ok(glim_reply_end(&whole, &err));

    glim_reply_init(&cut, k, tools, inside, thinking);
    size_t before = 0;
    for (size_t at = 0, n; at < size; at += n) {
        n = 1 + step % 7 * (step % 3); /* pieces of 1 to 13 bytes, in a pattern of the input's choosing */
        step = step * 5 + 1;
        if (n > size - at) n = size - at;
        ok(glim_reply_put(&cut, text + at, n, &err));
        if (weight(&cut) < before) abort();
        before = weight(&cut);
    }
    ok(glim_reply_end(&cut, &err));

    same(&whole.reasoning, &cut.reasoning);
    same(&whole.content, &cut.content);
    if (whole.n_calls != cut.n_calls) abort();
    for (size_t i = 0; i < whole.n_calls; i++) {
        if (strcmp(whole.calls[i].name, cut.calls[i].name) != 0 || whole.calls[i].closed != cut.calls[i].closed) abort();
        same(&whole.calls[i].args, &cut.calls[i].args);
        if (!whole.calls[i].closed) {
            if (i + 1 != whole.n_calls) abort(); /* only the last one may be open */
            continue;
        }
        json_t *v;
        ok(glim_json_parse(&v, whole.calls[i].args.s, whole.calls[i].args.len, 256, &err));
        if (!json_is_object(v)) abort();
        json_decref(v);
    }
    glim_reply_free(&whole);
    glim_reply_free(&cut);
    return 0;
}
