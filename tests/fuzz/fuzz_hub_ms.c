/* fuzz_hub_ms.c - any bytes as ModelScope's listing of a repository. */
#include "fuzz_hub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_err err = {0};
    glim_hub_repo *r = fuzz_hub_new(GLIM_HUB_MODELSCOPE);
    glim_status rc = glim_hub_parse_ms_files(r, (const char *)data, size, &err);
    if (rc != GLIM_OK) {
        fuzz_hub_refused(rc, &err);
        glim_hub_repo_free(r);
    } else {
        fuzz_hub_check(r);
    }
    return 0;
}
