/* libFuzzer entry: any bytes as a data set. The first byte chooses format and template, the second the file's ending,
 * the third the limit. Whatever comes out has targets, none at its beginning, and lengths within the limit. */
#include <stdlib.h>
#include <string.h>

#include "fuzz_tok.h"
#include "train/data_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a"};
    static const glim_chat_kind kinds[] = {GLIM_CHAT_NONE, GLIM_CHAT_GLM4_9B, GLIM_CHAT_GLM45, GLIM_CHAT_CHATML, GLIM_CHAT_GLM_Z1};
    if (size < 3) return 0;
    glim_data_params p = {.tok = fuzz_tokenizer(), .format = (glim_data_format)(data[0] % GLIM_N_DATA_FORMAT),
                          .chat = kinds[(data[0] >> 3) % GLIM_COUNT(kinds)], .skip_bad = data[1] & 8, .loss = (glim_data_loss)(data[1] >> 6),
                          .cut = (glim_data_cut)((data[1] >> 4) & 3), .max_tokens = data[2] & 127,
                          .prompt = data[2] & 128 ? "{text} {{" : NULL, .answer = data[2] & 128 ? "{label}" : NULL};
    size_t n = size - 3;
    char *text = malloc(n ? n : 1); /* of the exact size: reads past the end are seen */
    if (!text) return 0;
    memcpy(text, data + 3, n);
    glim_dataset *d = NULL;
    glim_data_report r;
    glim_err err = {0};
    glim_status rc = glim_dataset_parse(&d, names[(data[1] & 7) % GLIM_COUNT(names)], text, n, &p, &r, &err);
    if (rc != GLIM_OK) {
        if (d || !err.msg[0] || err.code != rc) abort();
    } else {
        bool pairs = glim_dataset_is_preference(d);
        if (glim_dataset_n(d) == 0 || r.n_examples != glim_dataset_n(d)) abort();
        for (size_t i = 0; i < glim_dataset_n(d); i++) {
            glim_example e[2];
            if (pairs ? glim_dataset_pair(d, i, &e[0], &e[1]) : glim_dataset_example(d, i, &e[0])) abort();
            for (int k = 0; k <= pairs; k++) {
                size_t limit = p.max_tokens == 1 && r.format == GLIM_DATA_TEXT ? 2 : p.max_tokens;
                if (e[k].n == 0 || e[k].loss[0] || !memchr(e[k].loss, 1, e[k].n) || (limit && e[k].n > limit)) abort();
                for (size_t t = 0; t < e[k].n; t++)
                    if (e[k].tokens[t] < 0 || (size_t)e[k].tokens[t] >= glim_tok_n(p.tok)) abort();
            }
        }
    }
    glim_dataset_free(d);
    glim_data_report_free(&r);
    free(text);
    return 0;
}
