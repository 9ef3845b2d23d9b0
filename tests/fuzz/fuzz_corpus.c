/* libFuzzer entry: any bytes as the rows (or the text) of a pretraining corpus. The first byte chooses the ending, shuffling and size of
 * a block, the second the window. Windows are of their length and in the vocabulary, share one token with their neighbour, and come
 * again from their position. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz_tok.h"
#include "train/data_corpus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WINDOWS = 12 };

static glim_status take(glim_corpus *s, size_t n, int32_t *out, glim_err *err) {
    glim_example x;
    const glim_status rc = glim_corpus_next(s, &x, err);
    if (rc != GLIM_OK) {
        if (!err->msg[0]) abort();
        return rc;
    }
    if (x.n != n) abort();
    for (size_t i = 0; i < n; i++)
        if (x.tokens[i] < 0 || (size_t)x.tokens[i] >= glim_tok_n(fuzz_tokenizer())) abort();
    memcpy(out, x.tokens, n * sizeof *out);
    return GLIM_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char path[2][64];
    if (size < 2) return 0;
    if (!path[0][0])
        for (int i = 0; i < 2; i++) snprintf(path[i], sizeof path[i], "/tmp/glim-fuzz-corpus-%d.%s", (int)getpid(), i ? "txt" : "jsonl");
    const char *paths[] = {path[data[0] & 1]};
    const int fd = open(paths[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return 0;
    const bool whole = write(fd, data + 2, size - 2) == (ssize_t)(size - 2);
    close(fd);
    const size_t n = 2 + data[1] % 30;
    const glim_corpus_params p = {.tok = fuzz_tokenizer(), .n_tokens = n, .shuffle = data[0] & 2, .seed = 7, .block_bytes = 1 + (data[0] >> 2)};
    int32_t seen[WINDOWS][32], again[32];
    glim_corpus_pos at[WINDOWS];
    glim_corpus *s = NULL;
    glim_err err = {0};
    size_t k = 0;
    if (whole && glim_corpus_open(&s, paths, 1, &p, &err) == GLIM_OK) {
        for (; k < WINDOWS; k++) {
            at[k] = glim_corpus_tell(s);
            if (take(s, n, seen[k], &err) != GLIM_OK) break;
            if (k && seen[k][0] != seen[k - 1][n - 1]) abort();
        }
        for (size_t i = k; i-- > 0;) {
            if (glim_corpus_seek(s, at[i], &err) != GLIM_OK || take(s, n, again, &err) != GLIM_OK) abort();
            if (memcmp(again, seen[i], n * sizeof *again) != 0) abort();
        }
    } else if (whole && (s || !err.msg[0])) abort();
    glim_corpus_free(s);
    unlink(paths[0]);
    return 0;
}
