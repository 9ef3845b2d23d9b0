/* The hub server by itself, for tests/e2e/test_pull.sh: with GLIM_SERVE=FOLDER it serves made-up
 * repositories in both layouts, writes its port to FOLDER/port and goes away when FOLDER/stop appears
 * (or after five minutes). Without the variable there is nothing to test. */
#include <sys/stat.h>

#include "hub_server.h"
#include "test.h"

TEST(a_hub_for_the_end_to_end_tests) {
    const char *dir = getenv("GLIM_SERVE");
    if (!dir) SKIP("GLIM_SERVE is not set: only the end-to-end test of glim pull runs this server");
    hs_server *s = hs_start("127.0.0.1", 0);
    CHECK(s != NULL);
    enum { BIG = 3000000 };
    uint8_t *a = hs_bytes(BIG, 1), *b = hs_bytes(BIG, 2), *g = hs_bytes(100000, 3);
    hs_repo_file model[] = {{"config.json", "{}", 2, false, NULL, NULL},
                            {"model-00001-of-00002.safetensors", a, BIG, true, NULL, NULL},
                            {"model-00002-of-00002.safetensors", b, BIG, true, NULL, NULL},
                            {"model.safetensors.index.json", "{}", 2, false, NULL, NULL},
                            {"pytorch_model.bin", "no", 2, true, NULL, NULL},
                            {"tokenizer.json", "{\"t\": 1}", 8, true, NULL, NULL}};
    hs_add_repo(s, "glim/drops", model, GLIM_COUNT(model), 4);
    model[1].hf->n_drops = model[1].ms->n_drops = 3; /* a bad line */
    model[1].hf->drop_seed = model[1].ms->drop_seed = 7;
    hs_add_repo(s, "glim/slow", model, GLIM_COUNT(model), 4);
    model[1].hf->piece = model[2].hf->piece = 30000; /* about five seconds */
    model[1].hf->pause_ms = model[2].hf->pause_ms = 50;
    hs_add_repo(s, "glim/gated", model, GLIM_COUNT(model), 4);
    for (size_t i = 0; i < GLIM_COUNT(model); i++) {
        model[i].hf->n_fail = -1, model[i].hf->fail_status = 401;
        snprintf(model[i].hf->error_code, sizeof model[i].hf->error_code, "GatedRepo");
    }
    hs_add_repo(s, "glim/wrong", model, GLIM_COUNT(model), 4);
    model[2].hf->data[5] ^= 1;
    hs_repo_file gguf[] = {{"m-Q4_K_M.gguf", g, 60000, true, NULL, NULL}, {"m-Q8_0.gguf", g, 100000, true, NULL, NULL}};
    hs_add_repo(s, "glim/gguf", gguf, 2, 4);

    char path[1000], tmp[1010];
    snprintf(path, sizeof path, "%s/port", dir);
    snprintf(tmp, sizeof tmp, "%s.tmp", path);
    FILE *f = fopen(tmp, "w");
    CHECK(f != NULL);
    fprintf(f, "%d\n", s->port);
    fclose(f);
    CHECK(rename(tmp, path) == 0);
    snprintf(path, sizeof path, "%s/stop", dir);
    struct stat st;
    for (int i = 0; i < 6000 && stat(path, &st) != 0; i++) usleep(50000);
    hs_stop(s);
    free(a);
    free(b);
    free(g);
}
