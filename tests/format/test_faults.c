/* The k-th allocation fails, for every k: each call ends in GLIM_E_NOMEM, nothing leaks (LeakSanitizer
 * watches), no file is left behind, and without the failure everything works. */
#include "files.h"

#include <dirent.h>

#include "base/alloc.h"
#include "format/ckpt.h"
#include "format/config.h"
#include "format/gguf.h"
#include "format/st.h"

static long json_fail_at; /* 0: off; 1: the next */
static void *json_alloc(size_t n) {
    if (json_fail_at > 0 && --json_fail_at == 0) {
        glim_json_saw_refusal(); /* as the watched allocator of base/json.c does */
        return NULL;
    }
    return malloc(n);
}

static glim_tensor_out tensors[6];
static char tensor_names[6][24];
static const float data[64] = {1};

static void setup(void) {
    for (size_t i = 0; i < 6; i++) {
        snprintf(tensor_names[i], sizeof tensor_names[i], "t.%zu", i);
        tensors[i] = (glim_tensor_out){.name = tensor_names[i], .type = GLIM_F32, .n_dims = 2, .dims = {8, 8}, .data = data};
    }
}

static const char *dir; /* of the running test */
static const char *path;

static int n_files(void) {
    int n = 0;
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Runs fn with the k-th allocation failing, k = 1.. until it is not reached any more. */
typedef glim_status (*action)(glim_err *err);
static void sweep_at(int line, action fn, bool of_json) {
    int k = 1, before = n_files();
    for (;; k++) {
        glim_err err = {0};
        if (of_json) json_fail_at = k;
        else glim_alloc_fail_after(k);
        glim_status rc = fn(&err);
        bool reached = of_json ? json_fail_at == 0 : rc != GLIM_OK;
        json_fail_at = 0;
        glim_alloc_fail_after(0);
        if (!reached) {
            CHECK_OK(rc, err);
            break;
        }
        if (rc != GLIM_E_NOMEM)
            glim_test_fail("", line, "allocation %d: got %s: %s", k, glim_status_name(rc), err.msg);
        if (rc != GLIM_OK && (err.code != rc || !err.msg[0])) glim_test_fail("", line, "allocation %d: no message", k);
        if (n_files() != before) glim_test_fail("", line, "allocation %d: a file was left behind", k);
    }
    printf("    %d %sallocations failed in turn\n", k - 1, of_json ? "jansson " : "");
    CHECK(k > 1);
}
#define SWEEP(fn, of_json) sweep_at(__LINE__, fn, of_json)

static glim_status open_and_read(glim_err *err) {
    glim_ckpt *c;
    glim_config config;
    glim_status rc = glim_ckpt_open(&c, path, err);
    CHECK((rc == GLIM_OK) == (c != NULL));
    if (rc == GLIM_OK) rc = glim_config_read(&config, c, err);
    glim_ckpt_close(c);
    return rc;
}
static glim_status write_st(glim_err *err) { return glim_st_write(path, tensors, 6, NULL, err); }
static glim_status write_st_folder(glim_err *err) { return glim_st_write_folder(path, tensors, 6, NULL, 600, err); }
static glim_status write_gguf(glim_err *err) {
    glim_gguf_writer *w = glim_gguf_writer_new(&(glim_gguf_writer_params){.max_file_bytes = 600});
    static const glim_gguf_text words[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
    glim_status rc = glim_gguf_put_str(w, "general.architecture", "llama", 5, err);
    static const char *const counts[] = {"block_count", "embedding_length", "feed_forward_length", "attention.head_count"};
    for (size_t i = 0; i < GLIM_COUNT(counts) && rc == GLIM_OK; i++) {
        char key[64];
        snprintf(key, sizeof key, "llama.%s", counts[i]);
        rc = glim_gguf_put_int(w, key, GLIM_GGUF_U32, 8, err);
    }
    if (rc == GLIM_OK) rc = glim_gguf_put_real(w, "llama.attention.layer_norm_rms_epsilon", GLIM_GGUF_F32, 1e-5, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_int(w, "llama.attention.key_length", GLIM_GGUF_U32, 8, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_strs(w, "tokenizer.ggml.tokens", words, 3, err);
    if (rc == GLIM_OK) rc = glim_gguf_put_str(w, "tokenizer.chat_template", "{{ x }}", 7, err);
    for (size_t i = 0; i < 6 && rc == GLIM_OK; i++) rc = glim_gguf_add_tensor(w, &tensors[i], err);
    if (rc == GLIM_OK) rc = glim_gguf_write(w, path, err);
    glim_gguf_writer_free(w);
    return rc;
}

TEST(any_allocation_may_fail_while_a_folder_opens) {
    setup();
    dir = tmp_new();
    json_set_alloc_funcs(json_alloc, free);
    glim_err err = {0};
    path = dir;
    CHECK_OK(write_st_folder(&err), err);
    put_text_file(at(dir, "config.json"), "{\"model_type\": \"llama\", \"hidden_size\": 8, \"intermediate_size\": 8, "
                  "\"num_hidden_layers\": 1, \"num_attention_heads\": 1, \"vocab_size\": 8, \"eos_token_id\": [1, 2]}");
    put_text_file(at(dir, "generation_config.json"), "{\"temperature\": 0.5}");
    put_text_file(at(dir, "tokenizer_config.json"), "{\"chat_template\": [{\"name\": \"default\", \"template\": \"T\\u00e9\"}]}");
    SWEEP(open_and_read, false);
    CHECK_OK(glim_st_write_folder(dir, tensors, 6, NULL, 0, &err), err);
    SWEEP(open_and_read, false);
    json_set_alloc_funcs(malloc, free);
    tmp_remove(dir);
}

TEST(any_allocation_of_jansson_may_fail_while_a_folder_opens) {
    setup();
    dir = tmp_new();
    json_set_alloc_funcs(json_alloc, free);
    glim_err err = {0};
    path = dir;
    CHECK_OK(write_st_folder(&err), err);
    put_text_file(at(dir, "config.json"), "{\"model_type\": \"llama\", \"hidden_size\": 8, \"intermediate_size\": 8, "
                  "\"num_hidden_layers\": 1, \"num_attention_heads\": 1, \"vocab_size\": 8, \"eos_token_id\": [1, 2]}");
    SWEEP(open_and_read, true);
    json_set_alloc_funcs(malloc, free);
    tmp_remove(dir);
}

TEST(any_allocation_may_fail_while_a_gguf_set_opens) {
    setup();
    dir = tmp_new();
    glim_err err = {0};
    path = at(dir, "m.gguf");
    CHECK_OK(write_gguf(&err), err);
    path = dir;
    SWEEP(open_and_read, false);
    tmp_remove(dir);
}

TEST(any_allocation_may_fail_while_files_are_written) {
    setup();
    dir = tmp_new();
    path = at(dir, "x.safetensors");
    SWEEP(write_st, false);
    CHECK(remove(path) == 0);
    path = dir;
    SWEEP(write_st_folder, false);
    tmp_remove(dir);
    dir = tmp_new();
    path = at(dir, "x.gguf");
    SWEEP(write_gguf, false);
    tmp_remove(dir);
}

/* A tensor whose source gives up half way. */
static glim_status fill_fails(void *ctx, const glim_tensor_out *t, glim_sink *sink, glim_err *err) {
    (void)ctx, (void)t;
    glim_status rc = glim_sink_write(sink, data, 100, err);
    return rc == GLIM_OK ? glim_fail(err, GLIM_E_CANCELLED, "stopped") : rc;
}

TEST(a_source_that_fails_or_a_full_disk_leaves_nothing) {
    setup();
    dir = tmp_new();
    glim_err err = {0};
    tensors[4].data = NULL;
    tensors[4].fill = fill_fails;
    path = at(dir, "x.safetensors");
    WANT_ERROR(write_st(&err), err, GLIM_E_CANCELLED, "\"t.4\"", "stopped", "x.safetensors", NULL);
    path = dir;
    WANT_ERROR(write_st_folder(&err), err, GLIM_E_CANCELLED, "\"t.4\"", "model-00003-of-00003", NULL, NULL);
    path = at(dir, "x.gguf");
    WANT_ERROR(write_gguf(&err), err, GLIM_E_CANCELLED, "\"t.4\"", "x-00003-of-00003.gguf", NULL, NULL);
    CHECK(n_files() == 0);
    setup();
    if (access("/dev/full", W_OK) == 0) { /* a link to it takes the place of the temporary file */
        char tmp[600];
        path = at(dir, "x.safetensors");
        snprintf(tmp, sizeof tmp, "%s.tmp.%ld", path, (long)getpid());
        CHECK(symlink("/dev/full", tmp) == 0);
        WANT_ERROR(write_st(&err), err, GLIM_E_IO, "x.safetensors", "No space left", NULL, NULL);
        CHECK(n_files() == 0);
    }
    tmp_remove(dir);
}
