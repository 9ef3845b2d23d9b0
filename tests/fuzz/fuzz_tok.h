/* fuzz_tok.h - the tokenizer of the fuzzed data sets. */
#ifndef GLIM_FUZZ_TOK_H
#define GLIM_FUZZ_TOK_H

#include <stdlib.h>

#include "base/buf.h"
#include "text/tok.h"

/* A byte-level vocabulary of 256 with GLM's and ChatML's control tokens, made once. */
static inline glim_tok *fuzz_tokenizer(void) {
    static glim_tok *tok;
    if (tok) return tok;
    glim_buf b = {0};
    static const char *const added[] = {"<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>",
                                        "<|im_start|>", "<|im_end|>", "<think>", "</think>"};
    glim_buf_puts(&b, "{\"added_tokens\": [");
    for (size_t i = 0; i < GLIM_COUNT(added); i++)
        glim_buf_printf(&b, "%s{\"id\": %zu, \"content\": \"%s\", \"special\": true, \"normalized\": false, \"lstrip\": false, \"rstrip\": false, "
                        "\"single_word\": false}", i ? ", " : "", 256 + i, added[i]);
    glim_buf_puts(&b, "], \"normalizer\": null, \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": "
                      "false, \"use_regex\": true}, \"decoder\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": \"BPE\", \"merges\": [], \"vocab\": {");
    unsigned next = 256;
    for (unsigned c = 0; c < 256; c++) {
        bool self = (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || c >= 174;
        glim_buf_printf(&b, "%s\"\\u%04x\": %u", c ? ", " : "", self ? c : next++, c);
    }
    glim_buf_puts(&b, "}}}");
    glim_err err;
    if (glim_tok_parse_json(&tok, b.s, b.len, &err) != GLIM_OK) abort();
    glim_buf_free(&b);
    return tok;
}

#endif
