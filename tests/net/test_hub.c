/* Hub listings in both layouts, hostile ones included, and the choice of files. */
#include <sys/stat.h>

#include "base/alloc.h"
#include "hub_server.h"
#include "net/download.h"
#include "net/hub.h"
#include "net/hub_internal.h"
#include "test.h"

static glim_err err;
static hs_server *g_s;
static glim_hub_repo *g_r;

static const glim_http_limits quick = {.connect_s = 2, .stall_s = 1, .n_tries = 2, .backoff_s = 0.005, .max_wait_s = 1};

static void fresh(void) {
    glim_hub_repo_free(g_r);
    g_r = NULL;
    hs_stop(g_s);
    g_s = hs_start("127.0.0.1", 0);
}

static glim_status list(glim_hub_kind kind, const char *name, const char *rev, const char *token) {
    glim_hub_repo_free(g_r);
    glim_status rc = glim_hub_list(
        &g_r, kind, name, &(glim_hub_opts){.endpoint = g_s->base, .revision = rev, .token = token, .limits = quick}, &err);
    hs_quiet(g_s);
    return rc;
}

static hs_repo_file usual[] = {
    {"config.json", "{}", 2, false, NULL, NULL},           {"model-00001-of-00002.safetensors", "aaaa", 4, true, NULL, NULL},
    {"model-00002-of-00002.safetensors", "bbbbbb", 6, true, NULL, NULL}, {"model.safetensors.index.json", "{ }", 3, false, NULL, NULL},
    {"onnx/model.onnx", "o", 1, true, NULL, NULL},          {"original/consolidated.00.pth", "p", 1, true, NULL, NULL},
    {"pytorch_model.bin", "q", 1, true, NULL, NULL},        {"README.md", "r", 1, false, NULL, NULL},
    {"tokenizer.json", "tttt", 4, true, NULL, NULL},        {"tokenizer_config.json", "u", 1, false, NULL, NULL},
    {"LICENSE", "l", 1, false, NULL, NULL},                 {"chat_template.jinja", "j", 1, false, NULL, NULL},
    {"figures/a b#?%.png", "x", 1, false, NULL, NULL}};

TEST(both_layouts_give_the_same_files_and_pages_are_followed) {
    for (size_t per_page = 1; per_page <= 20; per_page += 3) {
        fresh();
        hs_add_repo(g_s, "org/m", usual, GLIM_COUNT(usual), per_page);
        CHECK_OK(list(GLIM_HUB_HF, "org/m", NULL, NULL), err);
        CHECK(g_r->n_files == GLIM_COUNT(usual));
        CHECK_STR(g_r->commit, HS_COMMIT);
        CHECK_STR(g_r->revision, "main");
        for (size_t i = 0; i < g_r->n_files; i++) {
            const glim_hub_file *f = &g_r->files[i];
            const hs_repo_file *u = NULL;
            for (size_t k = 0; k < GLIM_COUNT(usual); k++)
                if (strcmp(usual[k].path, f->path) == 0) u = &usual[k];
            CHECK(u && f->size == u->n && (f->sha256[0] != 0) == u->lfs && f->pin[0]);
            CHECK(strstr(f->url, "/org/m/resolve/" HS_COMMIT "/")); /* never a moving branch */
            CHECK(i == 0 || strcmp(g_r->files[i - 1].path, f->path) < 0);
            if (strchr(f->path, '#')) CHECK(strstr(f->url, "/figures/a%20b%23%3F%25.png"));
        }
        CHECK_OK(list(GLIM_HUB_MODELSCOPE, "org/m", NULL, NULL), err);
        CHECK(g_r->n_files == GLIM_COUNT(usual));
        CHECK_STR(g_r->revision, "master");
        for (size_t i = 0; i < g_r->n_files; i++) CHECK(strlen(g_r->files[i].sha256) == 64);
        CHECK(strstr(g_r->files[0].url, "/api/v1/models/org/m/repo?Revision=master&FilePath="));
    }
}

TEST(a_listed_repository_can_be_fetched_from_either_hub) {
    for (int kind = 0; kind < 2; kind++) {
        fresh();
        hs_add_repo(g_s, "org/m", usual, GLIM_COUNT(usual) - 1, 5);
        CHECK_OK(list((glim_hub_kind)kind, "org/m", NULL, NULL), err);
        char dir[] = "/tmp/glim-hub-XXXXXX", path[GLIM_COUNT(usual)][200];
        CHECK(mkdtemp(dir) != NULL);
        glim_download_file f[GLIM_COUNT(usual)];
        for (size_t i = 0; i < g_r->n_files; i++) {
            snprintf(path[i], sizeof path[i], "%s/%s", dir, g_r->files[i].path);
            f[i] = (glim_download_file){.url = g_r->files[i].url, .path = path[i], .size = g_r->files[i].size,
                                        .sha256 = g_r->files[i].sha256[0] ? g_r->files[i].sha256 : NULL};
        }
        CHECK_OK(glim_download_run(f, g_r->n_files, &(glim_download_opts){.limits = quick}, &err), err);
        struct stat st;
        for (size_t i = 0; i < g_r->n_files; i++) CHECK(stat(path[i], &st) == 0 && (size_t)st.st_size == g_r->files[i].size);
        char cmd[100];
        snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
        CHECK(system(cmd) == 0);
    }
}

TEST(a_next_page_on_another_host_is_taken_from_the_endpoint_instead) {
    fresh();
    hs_add_repo(g_s, "org/m", usual, GLIM_COUNT(usual), 5);
    for (int i = 0; i < g_s->n_routes; i++) {
        hs_route *r = g_s->routes[i];
        char *q = strstr(r->link, "/api/");
        if (!q) continue;
        char path[400];
        snprintf(path, sizeof path, "%.399s", q);
        snprintf(r->link, sizeof r->link, "<https://huggingface.co%s", path); /* as mirrors do */
    }
    CHECK_OK(list(GLIM_HUB_HF, "org/m", NULL, "tok"), err);
    CHECK(g_r->n_files == GLIM_COUNT(usual));
    fresh();
    hs_add_repo(g_s, "org/m", usual, 3, 10);
    for (int i = 0; i < g_s->n_routes; i++) /* a page that leads to itself */
        if (strstr(g_s->routes[i]->target, "/tree/"))
            snprintf(g_s->routes[i]->link, sizeof g_s->routes[i]->link, "<%.200s>; rel=\"next\"", g_s->routes[i]->target);
    CHECK(list(GLIM_HUB_HF, "org/m", NULL, NULL) == GLIM_E_FORMAT);
    CHECK(strstr(err.msg, "does not end"));
}

TEST(names_and_revisions_that_are_none_never_reach_a_url) {
    fresh();
    static const char *const bad[] = {"", "/", "a/", "/a", "a/b/c", "../x", "a/..", "a b/c", "a/b?c", "a/b#", "-a/b", "a/.b",
                                      "a/b%2f", "a/b\nc", "a//b", "a..b/c", "a/b."};
    for (size_t i = 0; i < GLIM_COUNT(bad); i++)
        CHECK_MSG(list(GLIM_HUB_HF, bad[i], NULL, NULL) == GLIM_E_ARG, "\"%s\"", bad[i]);
    static const char *const bad_rev[] = {"a b", "../x", "-x", "/x", "x?y", "x\n"};
    for (size_t i = 0; i < GLIM_COUNT(bad_rev); i++)
        CHECK_MSG(list(GLIM_HUB_HF, "a/b", bad_rev[i], NULL) == GLIM_E_ARG, "\"%s\"", bad_rev[i]);
    CHECK(g_s->n_unknown == 0);
    CHECK(list(GLIM_HUB_HF, "gpt2", "refs/pr/1", NULL) == GLIM_E_NOT_FOUND);
    CHECK_STR(g_s->unknown, "/api/models/gpt2/revision/refs%2Fpr%2F1");
}

TEST(refusals_are_sentences_with_a_remedy) {
    static const struct {
        int status;
        const char *code, *token, *msg, *hint;
        glim_status want;
    } cases[] = {
        {401, "RepoNotFound", NULL, "no public repository \"o/m\"", "HF_TOKEN", GLIM_E_NOT_FOUND},
        {401, "RepoNotFound", "t", "no public repository \"o/m\"", "your token's account", GLIM_E_NOT_FOUND},
        {401, "", "t", "refuses the access token", "settings/tokens", GLIM_E_NET},
        {401, "GatedRepo", NULL, "licence must be accepted", "accept the licence at http://127", GLIM_E_NET},
        {403, "GatedRepo", "t", "has not been granted access", "HF_TOKEN", GLIM_E_NET},
        {404, "RepoNotFound", "t", "no repository \"o/m\" (status 404)", "check the name", GLIM_E_NOT_FOUND},
        {404, "RevisionNotFound", NULL, "has no revision \"v9\"", "/o/m", GLIM_E_NOT_FOUND},
        {404, "", NULL, "no repository \"o/m\" with revision \"v9\"", "/o/m", GLIM_E_NOT_FOUND},
        {429, "", NULL, "429 (too many requests)", "HF_TOKEN", GLIM_E_NET},
        {451, "", NULL, "451", "--from modelscope", GLIM_E_NET},
        {500, "", NULL, "after 2 tries", "", GLIM_E_NET}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        fresh();
        hs_route *r = hs_add_text(g_s, "{}", "/api/models/o/m/revision/v9");
        r->fail_status = cases[i].status, r->n_fail = -1;
        snprintf(r->error_code, sizeof r->error_code, "%s", cases[i].code);
        glim_status rc = list(GLIM_HUB_HF, "o/m", "v9", cases[i].token);
        CHECK_MSG(rc == cases[i].want && rc == err.code, "case %zu: %s", i, err.msg);
        CHECK_MSG(strstr(err.msg, cases[i].msg) && strstr(err.hint, cases[i].hint), "case %zu: %s | %s", i, err.msg, err.hint);
    }
    fresh();
    CHECK(list(GLIM_HUB_MODELSCOPE, "o/m", NULL, NULL) == GLIM_E_NOT_FOUND);
    CHECK(strstr(err.msg, "ModelScope has no repository \"o/m\""));
    hs_add_text(g_s, "{\"Code\": 10010205001, \"Message\": \"gone\", \"Data\": null}",
                "/api/v1/models/o/m/repo/files?Revision=master&Recursive=true");
    CHECK(list(GLIM_HUB_MODELSCOPE, "o/m", NULL, NULL) == GLIM_E_NET);
    CHECK(strstr(err.msg, "code 10010205001: gone"));
}

static glim_status parse(glim_hub_kind kind, const char *text, size_t len) {
    glim_hub_repo_free(g_r);
    g_r = glim_xcalloc(1, sizeof *g_r);
    g_r->kind = kind;
    g_r->endpoint = glim_xstrdup("http://h");
    g_r->name = glim_xstrdup("o/m");
    g_r->revision = glim_xstrdup("main");
    return kind == GLIM_HUB_HF ? glim_hub_parse_hf_tree(g_r, text, len, &err) : glim_hub_parse_ms_files(g_r, text, len, &err);
}

TEST(hostile_paths_are_refused_by_name) {
    static const char *const bad[] = {"/etc/passwd", "../x", "a/../b", "a/..", "..", ".", "./a", "a//b", "a/", "",
                                      "a\\\\b", "c:\\\\x", "a\\u0000b", "a\\u0007", "a\\u007f", "a\\n"};
    for (int kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < GLIM_COUNT(bad); i++) {
            glim_buf b = {0};
            if (kind == 0) glim_buf_printf(&b, "[{\"type\": \"file\", \"size\": 1, \"oid\": \"x\", \"path\": \"%s\"}]", bad[i]);
            else glim_buf_printf(&b, "{\"Data\": {\"Files\": [{\"Type\": \"blob\", \"Size\": 1, \"Path\": \"%s\"}]}}", bad[i]);
            CHECK_MSG(parse((glim_hub_kind)kind, b.s, b.len) == GLIM_E_FORMAT, "\"%s\"", bad[i]);
            CHECK_MSG(strstr(err.msg, "will not write") != NULL, "%s", err.msg);
            CHECK(g_r->n_files == 0);
            glim_buf_free(&b);
        }
    char deep[1200];
    memset(deep, 'a', sizeof deep);
    CHECK(!glim_hub_path_ok(deep, 241) && glim_hub_path_ok(deep, 240));
    for (size_t i = 1; i < sizeof deep; i += 2) deep[i] = '/';
    CHECK(!glim_hub_path_ok(deep, 513) && glim_hub_path_ok(deep, 511));
    CHECK(glim_hub_path_ok("..a/b..", 7) && glim_hub_path_ok("模型/权重.gguf", strlen("模型/权重.gguf")));
    CHECK(!glim_hub_path_ok("\xff", 1) && !glim_hub_path_ok("a\0b", 3));
}

TEST(broken_listings_are_one_error_each) {
    static const char *const hf[] = {
        "", "{", "{}", "[3]", "[{\"type\": 3}]", "[{\"type\": \"file\"}]",
        "[{\"type\": \"file\", \"path\": \"a\", \"size\": -1}]", "[{\"type\": \"file\", \"path\": \"a\", \"size\": \"1\"}]",
        "[{\"type\": \"file\", \"path\": 3, \"size\": 1}]",
        "[{\"type\": \"file\", \"path\": \"a\", \"size\": 1, \"lfs\": {\"oid\": \"abc\"}}]",
        "[{\"type\": \"file\", \"path\": \"a\", \"size\": 1, \"size\": 2}]", "[] x",
        "[{\"type\": \"file\", \"path\": \"a\", \"size\": 1e99}]"};
    for (size_t i = 0; i < GLIM_COUNT(hf); i++)
        CHECK_MSG(parse(GLIM_HUB_HF, hf[i], strlen(hf[i])) == GLIM_E_FORMAT && err.msg[0], "\"%s\"", hf[i]);
    static const char *const ms[] = {"", "[]", "{\"Data\": {\"Files\": {}}}", "{\"Data\": 3}", "{}",
                                     "{\"Data\": {\"Files\": [1]}}", "{\"Data\": {\"Files\": [{\"Path\": \"a\"}]}}",
                                     "{\"Data\": {\"Files\": [{\"Path\": \"a\", \"Size\": 1, \"Sha256\": \"zz\"}]}}"};
    for (size_t i = 0; i < GLIM_COUNT(ms); i++)
        CHECK_MSG(parse(GLIM_HUB_MODELSCOPE, ms[i], strlen(ms[i])) == GLIM_E_FORMAT && err.msg[0], "\"%s\"", ms[i]);
    char commit[65];
    static const char *const revs[] = {"", "[]", "{}", "{\"sha\": \"main\"}", "{\"sha\": \"../../x\"}", "{\"sha\": 3}"};
    for (size_t i = 0; i < GLIM_COUNT(revs); i++)
        CHECK_MSG(glim_hub_parse_hf_commit(commit, revs[i], strlen(revs[i]), &err) == GLIM_E_FORMAT, "%s", revs[i]);
    /* Truncations of a good page never crash and never pass as whole. */
    const char *good = "[{\"type\": \"file\", \"path\": \"a/b\", \"size\": 10, \"oid\": \"x\", \"lfs\": {\"oid\": "
                       "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\", \"size\": 12}}]";
    for (size_t n = 0; n < strlen(good); n++) CHECK(parse(GLIM_HUB_HF, good, n) == GLIM_E_FORMAT);
    CHECK_OK(parse(GLIM_HUB_HF, good, strlen(good)), err);
    CHECK(g_r->files[0].size == 12); /* the real file's size, not the pointer's */
}

TEST(a_path_that_is_twice_there_or_also_a_folder_is_refused) {
    for (int how = 0; how < 2; how++) {
        fresh();
        hs_repo_file f[] = {{"a", "1", 1, false, NULL, NULL}, {"a-b", "2", 1, false, NULL, NULL}, {how ? "a/b/c" : "a", "3", 1, false, NULL, NULL}};
        hs_add_repo(g_s, "o/m", f, 3, 2);
        CHECK(list(GLIM_HUB_HF, "o/m", NULL, NULL) == GLIM_E_FORMAT);
        CHECK_MSG(strstr(err.msg, how ? "both as a file and as a folder" : "twice") != NULL, "%s", err.msg);
    }
}

/* ---- choosing ---- */

static glim_hub_repo *repo_of(const char *const *paths, size_t n) {
    static glim_hub_file files[64];
    static glim_hub_repo r;
    r = (glim_hub_repo){.name = (char *)"o/m", .files = files, .n_files = n};
    for (size_t i = 0; i < n; i++) files[i] = (glim_hub_file){.path = (char *)paths[i], .size = 5000000};
    return &r;
}

static char got[2000], menu[2000];

/* The chosen paths, space separated. */
static glim_status choose(const char *const *paths, size_t n, glim_hub_choice c) {
    glim_hub_repo *r = repo_of(paths, n);
    bool take[64];
    size_t n_taken, o = 0;
    glim_buf b = {0};
    glim_status rc = glim_hub_choose(r, &c, take, &n_taken, &b, &err);
    snprintf(menu, sizeof menu, "%s", glim_buf_cstr(&b));
    glim_buf_free(&b);
    got[0] = 0;
    for (size_t i = 0; rc == GLIM_OK && i < n; i++)
        if (take[i]) o += (size_t)snprintf(got + o, sizeof got - o, "%s%s", o ? " " : "", paths[i]);
    return rc;
}

TEST(the_usual_files_are_taken_and_second_copies_are_not) {
    static const char *const a[] = {".gitattributes", "LICENSE", "README.md", "chat_template.jinja", "config.json",
                                    "consolidated.safetensors", "figures/x.png", "flax_model.msgpack", "generation_config.json",
                                    "merges.txt", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                                    "model.gguf", "model.safetensors.index.json", "modeling_glm.py", "onnx/model.safetensors",
                                    "original/consolidated.00.pth", "pytorch_model.bin", "special_tokens_map.json",
                                    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json"};
    CHECK_OK(choose(a, GLIM_COUNT(a), (glim_hub_choice){0}), err);
    CHECK_STR(got, "LICENSE chat_template.jinja config.json generation_config.json merges.txt model-00001-of-00002.safetensors "
                   "model-00002-of-00002.safetensors model.safetensors.index.json special_tokens_map.json tokenizer.json "
                   "tokenizer.model tokenizer_config.json vocab.json");
    static const char *const glob[] = {"*.json"}, *const not[] = {"tok*", "*index*"};
    CHECK_OK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.include = glob, .n_include = 1, .exclude = not, .n_exclude = 2}), err);
    CHECK_STR(got, "config.json generation_config.json special_tokens_map.json vocab.json");
    static const char *const sub[] = {"onnx/*"};
    CHECK_OK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.include = sub, .n_include = 1}), err);
    CHECK_STR(got, "onnx/model.safetensors");
    CHECK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.include = sub, .n_include = 1, .exclude = sub, .n_exclude = 1}) == GLIM_E_ARG);
    CHECK_OK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.file = "README.md"}), err);
    CHECK_STR(got, "README.md");
}

TEST(a_gguf_repository_asks_for_a_choice_and_split_parts_stay_together) {
    static const char *const a[] = {"BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf", "README.md",
                                    "m-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-m-f16.gguf"};
    CHECK(choose(a, GLIM_COUNT(a), (glim_hub_choice){0}) == GLIM_E_ARG);
    CHECK(strstr(err.msg, "3 GGUF models") && strstr(err.hint, "--file"));
    CHECK_STR(menu, "     9.54 MiB  BF16/m-BF16-00001-of-00002.gguf (2 parts)\n     4.77 MiB  m-Q4_K_M.gguf\n     4.77 MiB  m-Q8_0.gguf\n");
    CHECK_OK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.file = "q4_k_m"}), err);
    CHECK_STR(got, "m-Q4_K_M.gguf");
    CHECK_OK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.file = "bf16"}), err);
    CHECK_STR(got, "BF16/m-BF16-00001-of-00002.gguf BF16/m-BF16-00002-of-00002.gguf");
    CHECK_OK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.file = "m-BF16-00002-of-00002.gguf"}), err);
    CHECK_STR(got, "BF16/m-BF16-00001-of-00002.gguf BF16/m-BF16-00002-of-00002.gguf");
    CHECK_OK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.file = "mmproj-m-f16.gguf"}), err);
    CHECK_STR(got, "mmproj-m-f16.gguf");
    CHECK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.file = "Q"}) == GLIM_E_ARG && strstr(menu, "Q8_0") && !strstr(menu, "BF16"));
    CHECK(choose(a, GLIM_COUNT(a), (glim_hub_choice){.file = "Q2_K"}) == GLIM_E_ARG && strstr(err.msg, "no file \"Q2_K\""));
    CHECK_OK(choose(a + 2, 2, (glim_hub_choice){0}), err); /* only one model: no question */
    CHECK_STR(got, "m-Q4_K_M.gguf");
    CHECK(choose(a + 1, 1, (glim_hub_choice){0}) == GLIM_E_FORMAT && strstr(err.msg, "1 of its 2 parts"));
}

TEST(a_repository_without_usable_weights_says_what_it_has) {
    static const char *const pickle[] = {"config.json", "pytorch_model.bin"}, *const none[] = {"README.md"},
                                   *const nested[] = {"config.json", "unet/model.safetensors"};
    CHECK(choose(pickle, 2, (glim_hub_choice){0}) == GLIM_E_UNSUPPORTED && strstr(err.msg, "PyTorch"));
    CHECK(choose(none, 1, (glim_hub_choice){0}) == GLIM_E_NOT_FOUND && strstr(err.msg, "no model weights"));
    CHECK(choose(nested, 2, (glim_hub_choice){0}) == GLIM_E_NOT_FOUND && strstr(err.hint, "--include"));
}

TEST(the_token_is_found_where_the_hubs_own_tools_keep_it) {
    char dir[] = "/tmp/glim-tok-XXXXXX", path[200];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/token", dir);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fputs("  from-file\n", f);
    fclose(f);
    unsetenv("HF_TOKEN");
    setenv("HF_TOKEN_PATH", path, 1);
    char *t = glim_hub_token(GLIM_HUB_HF);
    CHECK_STR(t, "from-file");
    free(t);
    unsetenv("HF_TOKEN_PATH");
    setenv("HF_HOME", dir, 1);
    t = glim_hub_token(GLIM_HUB_HF);
    CHECK_STR(t, "from-file");
    free(t);
    setenv("HF_TOKEN", "from-env", 1);
    t = glim_hub_token(GLIM_HUB_HF);
    CHECK_STR(t, "from-env");
    free(t);
    unsetenv("HF_TOKEN");
    setenv("HF_HOME", "/nowhere", 1);
    CHECK(glim_hub_token(GLIM_HUB_HF) == NULL);
    unsetenv("MODELSCOPE_API_TOKEN");
    CHECK(glim_hub_token(GLIM_HUB_MODELSCOPE) == NULL);
    unlink(path);
    rmdir(dir);
    unsetenv("HF_HOME");
}

TEST(the_token_reaches_the_hub_on_every_page) {
    fresh();
    hs_add_repo(g_s, "org/m", usual, GLIM_COUNT(usual), 5);
    CHECK_OK(list(GLIM_HUB_HF, "org/m", NULL, "tok"), err);
    size_t n = 0;
    for (int i = 0; i < g_s->n_routes; i++)
        if (g_s->routes[i]->n_requests) {
            CHECK_STR(g_s->routes[i]->auth, "Bearer tok");
            n++;
        }
    CHECK(n == 4);
    glim_hub_repo_free(g_r);
    g_r = NULL;
    hs_stop(g_s);
    g_s = NULL;
}
