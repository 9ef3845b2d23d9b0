/* libFuzzer entry: any JSON as a schema, or as tools, is compiled or refused with a sentence; what compiles can be followed
 * by mask, never gets stuck (every byte has a token), and takes the tokens it allows.
 * The first two bytes choose the form and the walk. */
#include <stdlib.h>
#include <string.h>

#include "text/constrain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static glim_tok *g_tok;
static glim_constraint_vocab *g_vocab;

/* A tiktoken vocabulary of the 256 bytes and a few pairs. */
static void prepare(void) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char *const pairs[] = {"{\"", "\":", "\",", "\"}", "12", "\\u", "d8", "tr", "\xe4\xb8", "]]", " \"", "\n "};
    glim_buf b = {0};
    glim_err err;
    for (unsigned i = 0; i < 256; i++)
        glim_buf_printf(&b, "%c%c== %u\n", digit[i >> 2], digit[(i & 3) << 4], i);
    for (unsigned i = 0; i < GLIM_COUNT(pairs); i++) {
        unsigned x = (unsigned)(unsigned char)pairs[i][0] << 8 | (unsigned char)pairs[i][1];
        glim_buf_printf(&b, "%c%c%c= %u\n", digit[x >> 10], digit[x >> 4 & 63], digit[(x & 15) << 2], 256 + i);
    }
    if (glim_tok_parse_tiktoken(&g_tok, b.s, b.len, &err) != GLIM_OK) abort();
    if (glim_constraint_vocab_new(&g_vocab, g_tok, NULL, 0, 0, &err) != GLIM_OK) abort();
    glim_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const glim_chat_kind kinds[] = {GLIM_CHAT_GLM4_0414, GLIM_CHAT_GLM45, GLIM_CHAT_GLM47, GLIM_CHAT_CHATML};
    glim_err err;
    json_t *v;
    if (!g_tok) prepare();
    if (size < 2 || glim_json_parse(&v, (const char *)data + 2, size - 2, 0, &err) != GLIM_OK) return 0;
    glim_constraint_spec spec = {.lenient = data[0] & 1, .kind = kinds[data[0] >> 4 & 3], .think = (glim_constraint_think)((data[0] >> 2 & 3) % 3),
                                 .single_call = data[0] & 64, .machine_bytes = 1 << 20};
    json_t *choice = json_string("required");
    if (data[0] & 2) {
        spec.tools = v;
        spec.tool_choice = choice;
    } else spec.schema = v;
    glim_constraint *c;
    glim_constraint_state *s;
    glim_err_clear(&err);
    glim_status rc = glim_constraint_compile(&c, g_vocab, &spec, &err);
    if (rc != GLIM_OK) {
        if (!err.msg[0] || c) abort();
    } else if (c) {
        uint32_t bits[16], x = data[1];
        if (glim_constraint_vocab_words(g_vocab) > 16) abort();
        if (glim_constraint_state_new(&s, c, &err) != GLIM_OK) abort();
        for (int i = 0; i < 60; i++) {
            size_t n;
            rc = glim_constraint_mask(s, bits, &n, &err);
            if (rc == GLIM_E_STATE && glim_constraint_complete(s)) break; /* nothing but the end, which has no token here */
            if (rc != GLIM_OK || n == 0) abort();
            x = x * 1103515245u + 12345u;
            uint32_t skip = (x >> 8) % n;
            for (int32_t id = 0; id < 512; id++) {
                if (!(bits[id / 32] >> (id % 32) & 1)) {
                    if (i % 16 == 0 && glim_constraint_accept(s, id, NULL) == GLIM_OK) abort();
                    continue;
                }
                if (skip-- == 0) {
                    if (glim_constraint_accept(s, id, &err) != GLIM_OK) abort();
                    break;
                }
            }
        }
        glim_constraint_state_free(s);
        glim_constraint_free(c);
    }
    json_decref(choice);
    json_decref(v);
    return 0;
}
