/* libFuzzer entry: any JSON as messages (or an object with messages, tools and options) through every
 * template. Nothing crashes or leaks, a refusal has a message, and spans are ordered, disjoint, and the same
 * texts as the literals they stand for. */
#include <stdlib.h>
#include <string.h>

#include "text/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const glim_prompt *p) {
    size_t at = 0;
    for (size_t i = 0; i < p->n_control; i++) {
        size_t begin = p->control[i].begin, end = p->control[i].end;
        if (begin < at || end <= begin || end > p->text.len) abort();
        char first = p->text.s[begin], last = p->text.s[end - 1];
        if (!((first == '<' && last == '>') || (first == '[' && last == ']') || first == '/')) abort();
        at = end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_err err;
    json_t *v;
    if (size < 1 || glim_json_parse(&v, (const char *)data + 1, size - 1, 0, &err) != GLIM_OK) return 0;
    const json_t *messages = json_is_object(v) ? json_object_get(v, "messages") : v;
    const json_t *tools = json_is_object(v) ? json_object_get(v, "tools") : NULL;
    glim_chat_options opt = {.no_generation_prompt = data[0] & 1, .thinking = (data[0] >> 1) % 3 - 1,
                             .keep_thinking = data[0] & 8};
    glim_prompt p = {0};
    for (int k = GLIM_CHAT_NONE; k < GLIM_N_CHAT; k++) {
        glim_err_clear(&err);
        glim_status rc = glim_chat_render(&p, (glim_chat_kind)k, messages, tools, &opt, &err);
        if (rc == GLIM_OK) check(&p);
        else if (!err.msg[0] || p.text.s || p.control) abort();
    }
    glim_prompt_free(&p);
    json_decref(v);
    return 0;
}
