/* fuzz_config.c - any text as config.json; what follows the first NUL is generation_config.json. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "format/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    glim_log_set_level(GLIM_ERROR);
    glim_err err = {0};
    json_t *config = NULL, *generation = NULL;
    const uint8_t *cut = memchr(bytes, 0, n);
    size_t n_config = cut ? (size_t)(cut - bytes) : n;
    glim_status rc = glim_json_parse(&config, (const char *)bytes, n_config, 0, &err);
    if (rc == GLIM_OK && cut && n - n_config > 1)
        rc = glim_json_parse(&generation, (const char *)cut + 1, n - n_config - 1, 0, &err);
    if (rc == GLIM_OK) {
        glim_config c;
        rc = glim_config_from_json(&c, config, generation, &err);
        if (rc == GLIM_OK) {
            bool sound = c.n_kv_head > 0 && c.n_head % c.n_kv_head == 0 && c.head_dim % 2 == 0 &&
                         c.rope.n_rot >= 2 && c.rope.n_rot <= c.head_dim && c.rope.n_rot % 2 == 0 &&
                         c.rope.theta > 0 && c.eps > 0 && c.n_vocab > 0 && c.max_ctx > 0 &&
                         c.n_expert_used <= c.n_expert && c.n_eos <= GLIM_COUNT(c.eos);
            if (!sound) abort();
            (void)glim_config_known_name(&c, NULL);
        }
    }
    if (rc != GLIM_OK && (err.code != rc || !err.msg[0])) abort();
    json_decref(config);
    json_decref(generation);
    return 0;
}
