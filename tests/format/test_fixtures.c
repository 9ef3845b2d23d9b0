/* The committed tiny checkpoints of every family: each opens, its description says what config.json says,
 * other spellings of the same configuration are equal, and its GGUF form agrees. */
#include "files.h"

#include <dirent.h>

#include "format/ckpt.h"
#include "format/config.h"
#include "format/gguf.h"

/* A number of config.json, wherever it stands. */
static size_t number(const json_t *root, const char *key) {
    const json_t *text = json_object_get(root, "text_config");
    const json_t *v = json_object_get(text ? text : root, key);
    return json_is_integer(v) ? (size_t)json_integer_value(v) : 0;
}

static void check_folder(const char *dir) {
    glim_err err = {0};
    glim_ckpt *ck;
    glim_config c;
    CHECK_OK(glim_ckpt_open(&ck, dir, &err), err);
    CHECK_OK(glim_config_read(&c, ck, &err), err);
    const json_t *j = glim_ckpt_config(ck);
    CHECK(c.n_embd == number(j, "hidden_size") && c.n_head == number(j, "num_attention_heads"));
    CHECK(c.n_layer == number(j, "num_hidden_layers"));
    CHECK(c.n_vocab == number(j, c.arch == GLIM_ARCH_CHATGLM ? "padded_vocab_size" : "vocab_size"));
    CHECK(c.n_ff == number(j, c.arch == GLIM_ARCH_CHATGLM ? "ffn_hidden_size" : "intermediate_size"));
    CHECK(c.n_eos > 0 && c.rope.n_rot >= 2 && c.rope.n_rot <= c.head_dim);
    const char *name = c.arch == GLIM_ARCH_CHATGLM ? "transformer.embedding.word_embeddings.weight" : "model.embed_tokens.weight";
    const glim_tensor *t = glim_ckpt_find(ck, name);
    CHECK(t && t->n_dims == 2 && t->dims[0] == c.n_vocab && t->dims[1] == c.n_embd);
    glim_ckpt_close(ck);
}

TEST(every_fixture_folder_opens) {
    const char *root = glim_test_source("tests/fixtures");
    DIR *d = opendir(root);
    if (!d) SKIP("no tests/fixtures");
    static int n;
    for (struct dirent *e; (e = readdir(d));) {
        char dir[1024];
        snprintf(dir, sizeof dir, "%s/%s", root, e->d_name);
        if (e->d_name[0] == '.' || !glim_path_exists(at(dir, "config.json"))) continue;
        check_folder(dir);
        n++;
    }
    closedir(d);
    if (n == 0) SKIP("no model folders in tests/fixtures");
    printf("    %d folders\n", n);
}

static glim_config read_config_file(const char *path) {
    glim_err err = {0};
    json_t *j;
    glim_config c;
    CHECK_OK(glim_json_read(&j, path, 1 << 20, &err), err);
    CHECK_OK(glim_config_from_json(&c, j, NULL, &err), err);
    json_decref(j);
    return c;
}

/* tests/fixtures/configs/<fixture>.<spelling>.json is fixtures/<fixture>/config.json in other words. */
TEST(other_spellings_of_a_fixture_are_equal) {
    const char *root = glim_test_source("tests/fixtures/configs");
    DIR *d = opendir(root);
    if (!d) SKIP("no tests/fixtures/configs");
    static int n;
    for (struct dirent *e; (e = readdir(d));) {
        char fixture[256];
        snprintf(fixture, sizeof fixture, "%s", e->d_name);
        char *dot = strchr(fixture, '.');
        if (e->d_name[0] == '.' || !dot) continue;
        *dot = 0;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", root, e->d_name);
        glim_config a = read_config_file(path);
        snprintf(path, sizeof path, "%s/../%s/config.json", root, fixture);
        glim_config b = read_config_file(path);
        CHECK_MSG(memcmp(&a, &b, sizeof a) == 0, "%s differs from %s/config.json", e->d_name, fixture);
        n++;
    }
    closedir(d);
    printf("    %d spellings\n", n);
    CHECK(n > 0);
}

/* tests/fixtures/gguf/<fixture>.gguf, or its first part, is fixtures/<fixture> converted. */
TEST(every_fixture_gguf_opens_and_agrees_with_its_folder) {
    const char *root = glim_test_source("tests/fixtures/gguf");
    DIR *d = opendir(root);
    if (!d) SKIP("no tests/fixtures/gguf");
    static int n;
    for (struct dirent *e; (e = readdir(d));) {
        const char *end = strstr(e->d_name, ".gguf");
        if (!end || (strstr(e->d_name, "-of-") && !strstr(e->d_name, "-00001-of-"))) continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", root, e->d_name);
        glim_err err = {0};
        glim_ckpt *ck;
        glim_config g;
        CHECK_OK(glim_ckpt_open(&ck, path, &err), err);
        CHECK_OK(glim_config_read(&g, ck, &err), err);
        CHECK(glim_ckpt_find(ck, "token_embd.weight") && glim_ckpt_find(ck, "output_norm.weight"));
        glim_ckpt_close(ck);
        n++;

        char fixture[256];
        snprintf(fixture, sizeof fixture, "%s", e->d_name);
        *strstr(fixture, strstr(fixture, "-00001-of-") ? "-00001-of-" : ".gguf") = 0;
        snprintf(path, sizeof path, "%s/../%s/config.json", root, fixture);
        if (!glim_path_exists(path)) continue;
        glim_config h = read_config_file(path);
        CHECK(g.n_layer == h.n_layer && g.n_embd == h.n_embd && g.n_head == h.n_head && g.n_kv_head == h.n_kv_head);
        CHECK(g.head_dim == h.head_dim && g.n_ff == h.n_ff && g.n_vocab == h.n_vocab && g.tie == h.tie);
        CHECK_MSG((double)g.eps > 0.999 * (double)h.eps && (double)g.eps < 1.001 * (double)h.eps, "%s: eps %g, want %g", fixture,
                  (double)g.eps, (double)h.eps);
        CHECK(g.rope.n_rot == h.rope.n_rot && g.sandwich_norms == h.sandwich_norms);
        CHECK_MSG(g.rope.theta == h.rope.theta, "%s: theta %g, want %g", fixture, g.rope.theta, h.rope.theta);
        CHECK(g.rope.interleaved == (h.arch == GLIM_ARCH_LLAMA || h.rope.interleaved)); /* llama rows are permuted */
        CHECK(g.n_expert == h.n_expert && g.n_expert_used == h.n_expert_used && g.n_ff_expert == h.n_ff_expert);
        CHECK(g.n_mtp == h.n_mtp && g.first_dense == h.first_dense && g.routed_scale == h.routed_scale);
        CHECK(g.n_group == h.n_group && g.topk_group == h.topk_group && g.router_softmax == h.router_softmax);
        if (h.n_expert) CHECK(g.norm_topk == h.norm_topk);
    }
    closedir(d);
    if (n == 0) SKIP("no files in tests/fixtures/gguf");
    printf("    %d files\n", n);
}
