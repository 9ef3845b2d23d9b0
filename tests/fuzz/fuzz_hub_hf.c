/* fuzz_hub_hf.c - any bytes as what Hugging Face answers: pages of a listing, and the answer that names the commit.
 *
 * Input: parts between NUL bytes (which JSON never holds): the commit's answer, then one page each. */
#include "fuzz_hub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_err err = {0};
    const char *text = (const char *)data, *end = text + size;
    size_t n = strnlen(text, size);
    glim_hub_repo *r = fuzz_hub_new(GLIM_HUB_HF);
    glim_status rc = glim_hub_parse_hf_commit(r->commit, text, n, &err);
    if (rc != GLIM_OK) fuzz_hub_refused(rc, &err);
    else if (strlen(r->commit) < 40 || strspn(r->commit, "0123456789abcdef") != strlen(r->commit)) abort();
    for (rc = GLIM_OK, text += n; rc == GLIM_OK && text < end; text += n) {
        text++; /* the NUL */
        n = strnlen(text, (size_t)(end - text));
        rc = glim_hub_parse_hf_tree(r, text, n, &err);
    }
    if (rc != GLIM_OK) {
        fuzz_hub_refused(rc, &err);
        glim_hub_repo_free(r);
    } else {
        fuzz_hub_check(r);
    }
    return 0;
}
