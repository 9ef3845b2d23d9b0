/* tok_write.c - see tok_write.h. */
#include "text/tok_write.h"

#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

static void put_str(glim_buf *out, const char *s) { glim_json_put_str(out, s, strlen(s)); }

/* Where something stands before every text, every encoding gets it. */
static void put_post_processor(glim_buf *out, const glim_tok_write *w) {
    if (w->n_first == 0) {
        glim_buf_puts(out, "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}");
        return;
    }
    glim_buf head = {0};
    for (size_t i = 0; i < w->n_first; i++) {
        glim_buf_puts(&head, "{\"SpecialToken\": {\"id\": ");
        glim_json_put_str(&head, w->first[i].text, w->first[i].len);
        glim_buf_puts(&head, ", \"type_id\": 0}}, ");
    }
    glim_buf_puts(&head, "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}");
    glim_buf_printf(out, "{\"type\": \"TemplateProcessing\", \"single\": [%s], \"pair\": [%s, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}], \"special_tokens\": {",
                    glim_buf_cstr(&head), glim_buf_cstr(&head));
    if (head.failed) out->failed = true;
    glim_buf_free(&head);
    for (size_t i = 0; i < w->n_first; i++) {
        if (i) glim_buf_puts(out, ", ");
        glim_json_put_str(out, w->first[i].text, w->first[i].len);
        glim_buf_puts(out, ": {\"id\": ");
        glim_json_put_str(out, w->first[i].text, w->first[i].len);
        glim_buf_printf(out, ", \"ids\": [%u], \"tokens\": [", w->first[i].id);
        glim_json_put_str(out, w->first[i].text, w->first[i].len);
        glim_buf_puts(out, "]}");
    }
    glim_buf_puts(out, "}}");
}

void glim_tok_write_head(glim_buf *out, const glim_tok_write *w) {
    glim_buf_puts(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [");
    for (size_t i = 0; i < w->n_added; i++) {
        glim_buf_printf(out, "%s\n    {\"id\": %u, \"content\": ", i ? "," : "", w->added[i].id);
        glim_json_put_str(out, w->added[i].text, w->added[i].len);
        glim_buf_printf(out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": %s}", w->added[i].special ? "true" : "false");
    }
    glim_buf_puts(out, "\n  ],\n  \"normalizer\": null,\n  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n");
    for (size_t i = 0; i < w->n_patterns; i++) {
        glim_buf_puts(out, "    {\"type\": \"Split\", \"pattern\": {\"Regex\": ");
        put_str(out, w->patterns[i]);
        glim_buf_puts(out, "}, \"behavior\": \"Isolated\", \"invert\": false},\n");
    }
    glim_buf_puts(out, "    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}\n  ]},\n"
                       "  \"post_processor\": ");
    put_post_processor(out, w);
    glim_buf_printf(out, ",\n  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true},\n"
                    "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n"
                    "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n"
                    "    \"byte_fallback\": false,\n    \"ignore_merges\": %s,\n    \"vocab\": {", w->whole_first ? "true" : "false");
}

void glim_tok_write_between(glim_buf *out) { glim_buf_puts(out, "\n    },\n    \"merges\": ["); }
void glim_tok_write_tail(glim_buf *out) { glim_buf_puts(out, "\n    ]\n  }\n}\n"); }

void glim_tok_write_config(glim_buf *out, const glim_tok_write *w) {
    glim_buf_puts(out, "{\n  \"added_tokens_decoder\": {");
    for (size_t i = 0; i < w->n_added; i++) {
        glim_buf_printf(out, "%s\n    \"%u\": {\"content\": ", i ? "," : "", w->added[i].id);
        glim_json_put_str(out, w->added[i].text, w->added[i].len);
        glim_buf_printf(out, ", \"lstrip\": false, \"normalized\": false, \"rstrip\": false, \"single_word\": false, \"special\": %s}", w->added[i].special ? "true" : "false");
    }
    glim_buf_puts(out, "\n  },\n");
    const struct {
        const char *key, *text;
    } named[] = {{"bos_token", w->bos}, {"eos_token", w->eos}, {"pad_token", w->pad}};
    glim_buf_puts(out, "  \"clean_up_tokenization_spaces\": false,\n");
    for (size_t i = 0; i < GLIM_COUNT(named); i++) {
        if (!named[i].text) continue;
        glim_buf_printf(out, "  \"%s\": ", named[i].key);
        put_str(out, named[i].text);
        glim_buf_puts(out, ",\n");
    }
    glim_buf_puts(out, "  \"tokenizer_class\": \"PreTrainedTokenizerFast\"\n}\n");
}
