/* Checkpoints: folders, shards and what lies beside them; every wrong folder has one error that says
 * what to do. */
#include "files.h"

#include "base/alloc.h"
#include "format/ckpt.h"
#include "format/st.h"

static const float ones[1000] = {1};

/* n tensors "w.0" ... of k floats each. */
static void make_tensors(glim_tensor_out *t, char (*names)[24], size_t n, size_t k) {
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], 24, "w.%zu", i);
        t[i] = (glim_tensor_out){.name = names[i], .type = GLIM_F32, .n_dims = 1, .dims = {k}, .data = ones};
    }
}

static void one_file(const char *path) {
    glim_err err = {0};
    glim_tensor_out t[2];
    char names[2][24];
    make_tensors(t, names, 2, 10);
    CHECK_OK(glim_st_write(path, t, 2, NULL, &err), err);
}

/* Opens path, wants success, and gives back the checkpoint. */
static glim_ckpt *open_ok(const char *path) {
    glim_err err = {0};
    glim_ckpt *c;
    CHECK_OK(glim_ckpt_open(&c, path, &err), err);
    CHECK(c != NULL);
    return c;
}

static void refused_at(int line, const char *path, glim_status want, const char *a, const char *b) {
    glim_err err = {0};
    glim_ckpt *c;
    glim_status rc = glim_ckpt_open(&c, path, &err);
    CHECK(c == NULL);
    want_error_at(line, rc, &err, want, a, b, NULL, NULL);
}
#define REFUSED(path, want, a, b) refused_at(__LINE__, path, want, a, b)

TEST(a_folder_with_one_file_opens_with_what_lies_beside_it) {
    const char *dir = tmp_new();
    one_file(at(dir, "model.safetensors"));
    put_text_file(at(dir, "config.json"), "{\"model_type\": \"glm4\"}");
    put_text_file(at(dir, "generation_config.json"), "{\"temperature\": 0.6}");
    const char *paths[] = {dir, at(dir, "model.safetensors")};
    for (int i = 0; i < 2; i++) {
        glim_ckpt *c = open_ok(paths[i]);
        CHECK(glim_ckpt_kind_of(c) == GLIM_CKPT_HF && glim_ckpt_gguf(c) == NULL);
        CHECK(glim_ckpt_n_tensors(c) == 2 && glim_ckpt_n_files(c) == 1);
        const glim_tensor *t = glim_ckpt_find(c, "w.1");
        CHECK(t && t == glim_ckpt_tensor(c, 1) && t->n_bytes == 40 && t->file == 0);
        CHECK(glim_ckpt_find(c, "w.") == NULL && glim_ckpt_find(c, "") == NULL);
        CHECK_STR(json_string_value(json_object_get(glim_ckpt_config(c), "model_type")), "glm4");
        CHECK(glim_ckpt_generation_config(c) != NULL);
        CHECK(glim_ckpt_chat_template(c) == NULL);
        size_t size;
        CHECK(strstr(glim_ckpt_file(c, 0, &size), "model.safetensors") && size > 80);
        glim_ckpt_drop(c, t);
        CHECK(*(const float *)t->data == 1); /* dropped pages come back */
        glim_ckpt_close(c);
    }
    glim_ckpt_close(NULL);
    /* Any single .safetensors serves, and nothing beside it is needed. */
    CHECK(rename(at(dir, "model.safetensors"), at(dir, "weights.safetensors")) == 0);
    CHECK(remove(at(dir, "config.json")) == 0);
    CHECK(remove(at(dir, "generation_config.json")) == 0);
    glim_ckpt *c = open_ok(dir);
    CHECK(glim_ckpt_config(c) == NULL);
    glim_ckpt_close(c);
    put_text_file(at(dir, "config.json"), "{\"a\": 1, \"a\": 2}");
    REFUSED(dir, GLIM_E_FORMAT, "config.json", "duplicate");
    put_text_file(at(dir, "config.json"), "[]");
    REFUSED(dir, GLIM_E_FORMAT, "config.json", "got array");
    tmp_remove(dir);
}

TEST(the_chat_template_is_found_in_the_order_of_transformers) {
    const char *dir = tmp_new();
    one_file(at(dir, "model.safetensors"));
    const char *config = at(dir, "tokenizer_config.json"), *json = at(dir, "chat_template.json"),
               *jinja = at(dir, "chat_template.jinja");
    static const struct {
        const char *text, *want;
    } cases[] = {{"{}", NULL},
                 {"{\"chat_template\": null}", NULL},
                 {"{\"chat_template\": \"T1\"}", "T1"},
                 {"{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"X\"}, {\"name\": \"default\", "
                  "\"template\": \"T2\"}]}", "T2"},
                 {"{\"chat_template\": [{\"name\": \"rag\", \"template\": \"X\"}]}", NULL}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        put_text_file(config, cases[i].text);
        glim_ckpt *c = open_ok(dir);
        const char *got = glim_ckpt_chat_template(c);
        CHECK((got == NULL) == (cases[i].want == NULL));
        if (got) CHECK_STR(got, cases[i].want);
        glim_ckpt_close(c);
    }
    put_text_file(config, "{\"chat_template\": 5}");
    REFUSED(dir, GLIM_E_FORMAT, "tokenizer_config.json", "chat_template");
    put_text_file(config, "{\"chat_template\": [5]}");
    REFUSED(dir, GLIM_E_FORMAT, "tokenizer_config.json", "item 0");
    put_text_file(config, "{\"chat_template\": \"a\\u0000b\"}");
    REFUSED(dir, GLIM_E_FORMAT, "tokenizer_config.json", "NUL");
    put_text_file(config, "{\"chat_template\": \"T1\"}");
    put_text_file(json, "{\"chat_template\": \"T3\"}");
    glim_ckpt *c = open_ok(dir);
    CHECK_STR(glim_ckpt_chat_template(c), "T3");
    glim_ckpt_close(c);
    put_text_file(jinja, "{{ '\xe4\xbd\xa0' }}\n");
    c = open_ok(dir);
    CHECK_STR(glim_ckpt_chat_template(c), "{{ '\xe4\xbd\xa0' }}\n");
    glim_ckpt_close(c);
    tmp_remove(dir);
}

TEST(shards_and_their_index_open_as_one) {
    const char *dir = tmp_new();
    glim_err err = {0};
    glim_tensor_out t[7];
    char names[7][24];
    make_tensors(t, names, 7, 100);
    t[3].dims[0] = 1000; /* longer than a shard may be: alone in one */
    json_t *meta = json_pack("{s:s}", "format", "pt");
    put_text_file(at(dir, "model.safetensors"), "stale");
    CHECK_OK(glim_st_write_folder(dir, t, 7, meta, 1000, &err), err);
    CHECK(access(at(dir, "model.safetensors"), F_OK) != 0); /* nobody loads the old one by mistake */
    CHECK(access(at(dir, "model-00004-of-00004.safetensors"), F_OK) != 0);
    CHECK(access(at(dir, "model-00005-of-00005.safetensors"), F_OK) == 0);
    glim_ckpt *c = open_ok(dir);
    CHECK(glim_ckpt_n_tensors(c) == 7 && glim_ckpt_n_files(c) == 5);
    for (size_t i = 0; i < 7; i++) {
        const glim_tensor *x = glim_ckpt_find(c, names[i]);
        CHECK(x && x->dims[0] == t[i].dims[0] && memcmp(x->data, ones, x->n_bytes) == 0);
    }
    glim_ckpt_close(c);
    /* The index is what transformers writes. */
    json_t *index;
    CHECK_OK(glim_json_read(&index, at(dir, "model.safetensors.index.json"), 1 << 20, &err), err);
    CHECK(json_integer_value(json_object_get(json_object_get(index, "metadata"), "total_size")) == 6400);
    CHECK_STR(json_string_value(json_object_get(json_object_get(index, "weight_map"), "w.3")),
              "model-00003-of-00005.safetensors");
    json_decref(index);
    /* Everything in one again. */
    CHECK_OK(glim_st_write_folder(dir, t, 7, meta, 0, &err), err);
    CHECK(access(at(dir, "model.safetensors.index.json"), F_OK) != 0);
    c = open_ok(dir);
    CHECK(glim_ckpt_n_tensors(c) == 7 && glim_ckpt_n_files(c) == 1);
    glim_ckpt_close(c);
    json_decref(meta);
    tmp_remove(dir);
}

TEST(a_wrong_index_is_refused_by_tensor_and_file) {
    const char *dir = tmp_new();
    const char *index = at(dir, "model.safetensors.index.json");
    glim_err err = {0};
    glim_tensor_out t[2];
    char names[2][24];
    make_tensors(t, names, 2, 10);
    CHECK_OK(glim_st_write(at(dir, "a.safetensors"), &t[0], 1, NULL, &err), err);
    CHECK_OK(glim_st_write(at(dir, "b.safetensors"), &t[1], 1, NULL, &err), err);
    static const struct {
        const char *map;
        glim_status want;
        const char *a, *b;
    } cases[] = {
        {"{\"weight_map\": {\"w.0\": \"a.safetensors\", \"w.1\": \"b.safetensors\"}}", GLIM_OK, NULL, NULL},
        {"{\"weight_map\": {\"w.0\": \"a.safetensors\"}}", GLIM_OK, NULL, NULL},
        {"{\"weight_map\": {}}", GLIM_E_FORMAT, "index.json", "empty"},
        {"{\"weight_map\": []}", GLIM_E_FORMAT, "index.json", "got array"},
        {"{}", GLIM_E_FORMAT, "index.json", "weight_map"},
        {"{\"weight_map\": {\"w.0\": \"a.safetensors\", \"w.0\": \"b.safetensors\"}}", GLIM_E_FORMAT, "index.json", "duplicate"},
        {"{\"weight_map\": {\"w.0\": 3}}", GLIM_E_FORMAT, "\"w.0\"", "got integer"},
        {"{\"weight_map\": {\"w.0\": \"../a.safetensors\"}}", GLIM_E_FORMAT, "\"w.0\"", "plain name"},
        {"{\"weight_map\": {\"w.0\": \"/etc/passwd\"}}", GLIM_E_FORMAT, "\"w.0\"", "/etc/passwd"},
        {"{\"weight_map\": {\"w.0\": \"sub/a.safetensors\"}}", GLIM_E_FORMAT, "\"w.0\"", "plain name"},
        {"{\"weight_map\": {\"w.0\": \"\"}}", GLIM_E_FORMAT, "\"w.0\"", "plain name"},
        {"{\"weight_map\": {\"w.0\": \"pytorch_model.bin\"}}", GLIM_E_FORMAT, "\"w.0\"", "pytorch_model.bin"},
        {"{\"weight_map\": {\"w.0\": \"a.safetensors\\u0000\"}}", GLIM_E_FORMAT, "\"w.0\"", "plain name"},
        {"{\"weight_map\": {\"w.0\": \"a.safetensors\", \"x\": \"c.safetensors\"}}", GLIM_E_NOT_FOUND, "c.safetensors", "download"},
        {"{\"weight_map\": {\"w.0\": \"a.safetensors\", \"x\": \"b.safetensors\"}}", GLIM_E_NOT_FOUND, "\"x\"", "b.safetensors"},
        {"{\"weight_map\": {\"w.0\": \"b.safetensors\", \"w.1\": \"a.safetensors\"}}", GLIM_E_FORMAT, "\"w.0\"", "as the index says"},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        put_text_file(index, cases[i].map);
        if (cases[i].want == GLIM_OK) glim_ckpt_close(open_ok(dir));
        else REFUSED(dir, cases[i].want, cases[i].a, cases[i].b);
    }
    CHECK_OK(glim_st_write(at(dir, "b.safetensors"), t, 2, NULL, &err), err); /* w.0 again */
    put_text_file(index, cases[0].map);
    REFUSED(dir, GLIM_E_FORMAT, "tensor \"w.0\" is in two files", "b.safetensors");
    put_text_file(at(dir, "b.safetensors"), "short");
    REFUSED(dir, GLIM_E_FORMAT, "b.safetensors", "truncated");
    tmp_remove(dir);
}

TEST(folders_without_usable_weights_say_what_to_do) {
    const char *dir = tmp_new();
    REFUSED(dir, GLIM_E_NOT_FOUND, dir, "no weights");
    REFUSED(at(dir, "nothing"), GLIM_E_NOT_FOUND, "nothing", "No such file");
    put_text_file(at(dir, "pytorch_model.bin"), "PK");
    REFUSED(dir, GLIM_E_UNSUPPORTED, "PyTorch", "save_pretrained");
    put_text_file(at(dir, "a.gguf"), "GGUF");
    REFUSED(dir, GLIM_E_FORMAT, "a.gguf", "truncated"); /* one GGUF is opened, bad as it is */
    put_text_file(at(dir, "b.gguf"), "GGUF");
    REFUSED(dir, GLIM_E_ARG, "2 GGUF models", "a.gguf");
    one_file(at(dir, "x.safetensors"));
    glim_ckpt_close(open_ok(dir)); /* safetensors come first */
    one_file(at(dir, "y.safetensors"));
    REFUSED(dir, GLIM_E_NOT_FOUND, "2 .safetensors files", "model.safetensors.index.json");
    /* A GGUF file by another name is known by its first bytes; a directory is no shard. */
    put_text_file(at(dir, "blob"), "GGUF");
    REFUSED(at(dir, "blob"), GLIM_E_FORMAT, "blob", "truncated in the version");
    put_text_file(at(dir, "empty.safetensors"), "");
    REFUSED(at(dir, "empty.safetensors"), GLIM_E_FORMAT, "empty.safetensors", "truncated");
    CHECK(mkdir(at(dir, "model.safetensors"), 0755) == 0);
    REFUSED(dir, GLIM_E_ARG, "model.safetensors", "folder");
    tmp_remove(dir);
}
