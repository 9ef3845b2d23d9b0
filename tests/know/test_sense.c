/* A model of intents as the reader beside a language model: kinds of meanings, and its place in a GGUF. */
#include "know/sense.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "test.h"

static const char *const WHO[] = {"the phone", "my lamp", "a charger", "this one", "the red bag", "it", "that cable", "these shoes"};

static glim_intent *learn(uint32_t min_count) {
    static const struct {
        const char *label, *form;
    } of[] = {{"intent:price", "how much does %s cost"}, {"intent:price", "the price of %s please"}, {"stock", "is %s still available"}, {"stock", "do you have %s left"},
              {"intent:none", "sing a song about %s"}, {"intent:none", "who invented %s"}, {"tool:book", "book a room with %s"}, {"tool:book", "reserve %s for tonight"},
              {"tool:track", "where is the parcel with %s"}, {"tool:track", "track %s for me"}, {"column:weight", "how heavy is %s"}, {"column:weight", "what does %s weigh"},
              {"column:other", "what lens has %s"}, {"column:other", "which level has %s"}};
    glim_intent_example e[GLIM_COUNT(of) * GLIM_COUNT(WHO)];
    static char text[GLIM_COUNT(of) * GLIM_COUNT(WHO)][96];
    glim_intent *m;
    glim_err err = {0};
    size_t n = 0;
    for (size_t i = 0; i < GLIM_COUNT(of); i++)
        for (size_t k = 0; k < GLIM_COUNT(WHO); k++, n++) {
            const char *gap = strstr(of[i].form, "%s");
            snprintf(text[n], sizeof text[n], "%.*s%s%s", (int)(gap - of[i].form), of[i].form, WHO[k], gap + 2);
            e[n] = (glim_intent_example){text[n], strlen(text[n]), of[i].label};
        }
    CHECK_OK(glim_intent_train(&m, e, n, &(glim_intent_params){.min_count = min_count}, NULL, &err), err);
    return m;
}

static double p_of(const glim_sense *s, const glim_intent *m, const char *kind, const char *text, const char *label) {
    float p[16];
    double all = 0, got = -1;
    glim_err err = {0};
    CHECK(s->n == glim_intent_n_labels(m) && s->n <= 16);
    CHECK_OK(s->read(s->ctx, kind, text, strlen(text), p, &err), err);
    for (size_t i = 0; i < s->n; i++) {
        CHECK_MSG(p[i] >= 0 && p[i] <= 1, "%g", (double)p[i]);
        all += (double)p[i];
        if (strcmp(glim_intent_label(m, i), label) == 0) got = (double)p[i];
        if (strncmp(glim_intent_label(m, i), kind, strlen(kind)) != 0 && strcmp(glim_intent_label(m, i), "stock") != 0) CHECK(p[i] == 0);
    }
    CHECK_MSG(all <= 1.000001, "together %g", all);
    return got;
}

TEST(a_reader_speaks_of_one_kind_and_not_of_what_has_no_meaning) {
    glim_intent *m = learn(0);
    glim_senses *r;
    glim_err err = {0};
    CHECK_OK(glim_senses_of(&r, m, &err), err);
    const glim_sense *s = glim_senses_sense(r);
    CHECK(p_of(s, m, "intent", "how much does the kettle cost", "intent:price") > 0.5);
    CHECK_MSG(p_of(s, m, "intent", "is the kettle still available", "stock") > 0.5, "a label without a kind is an intent");
    CHECK(p_of(s, m, "intent", "who invented the kettle", "intent:price") < 0.3 && p_of(s, m, "intent", "who invented the kettle", "intent:none") == 0);
    CHECK(p_of(s, m, "tool", "track the kettle for me", "tool:track") > 0.5 && p_of(s, m, "tool", "track the kettle for me", "intent:price") == 0);
    CHECK(p_of(s, m, "column", "how heavy is the kettle", "column:weight") > 0.5 && p_of(s, m, "column", "which level has the kettle", "column:weight") < 0.5);
    CHECK(p_of(s, m, "colum", "how heavy is it", "column:weight") == 0 && p_of(s, m, "nothing", "how heavy is it", "column:weight") == 0);
    glim_senses_free(r);
    glim_intent_free(m);
    CHECK(glim_senses_sense(NULL) == NULL);
    glim_senses_free(NULL);
}

TEST(what_few_examples_have_is_unknown_with_a_least_count) {
    char a[] = "/tmp/glim-sense-XXXXXX", b[] = "/tmp/glim-sense-XXXXXX";
    close(mkstemp(a)), close(mkstemp(b));
    glim_intent *all = learn(0), *some = learn(9);
    glim_intent_work *w;
    glim_intent_guess g;
    glim_err err = {0};
    uint64_t n_a, n_b;
    glim_buf x = {0}, y = {0};
    CHECK_OK(glim_intent_save(all, a, &err), err);
    CHECK_OK(glim_intent_save(some, b, &err), err);
    CHECK_OK(glim_file_read(&x, a, 1 << 24, &err), err);
    CHECK_OK(glim_file_read(&y, b, 1 << 24, &err), err);
    n_a = x.len, n_b = y.len;
    CHECK_MSG(n_b < n_a / 3, "%llu of %llu bytes", (unsigned long long)n_b, (unsigned long long)n_a);
    w = glim_intent_work_new(some, &err);
    CHECK_OK(glim_intent_ask(some, w, "is the vase still available", 27, &g, NULL, &err), err);
    CHECK_STR(g.best, "stock");
    glim_intent_work_free(w);
    const glim_intent_example two[] = {{"a", 1, "x"}, {"b", 1, "y"}};
    /* "flute" stands in three */
    const glim_intent_example music[] = {{"flute one", 9, "x"}, {"flute two", 9, "x"}, {"flute six", 9, "x"}, {"drum one", 8, "y"}, {"drum two", 8, "y"}, {"drum six", 8, "y"}, {"drum ten", 8, "y"}};
    for (uint32_t least = 3; least <= 4; least++) {
        glim_intent *few;
        CHECK_OK(glim_intent_train(&few, music, GLIM_COUNT(music), &(glim_intent_params){.min_count = least}, NULL, &err), err);
        w = glim_intent_work_new(few, &err);
        CHECK_OK(glim_intent_ask(few, w, "flute", 5, &g, NULL, &err), err);
        CHECK_MSG((g.oos && g.p >= 1) == (least == 4), "known or not with a least count of %u", least);
        glim_intent_work_free(w);
        glim_intent_free(few);
    }
    glim_intent *none;
    CHECK(glim_intent_train(&none, two, 2, &(glim_intent_params){.min_count = 50}, NULL, &err) == GLIM_E_ARG && !none && strstr(err.msg, "50 examples"));
    glim_buf_free(&x), glim_buf_free(&y);
    glim_intent_free(all), glim_intent_free(some);
    unlink(a), unlink(b);
}

static char dir[] = "/tmp/glim-sense-XXXXXX";
static const char *at(const char *name) {
    static char path[4][96];
    static int i;
    char *p = path[i++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static glim_gguf *small(const char *path) {
    static const float v[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    glim_err err = {0};
    glim_gguf_writer *w = glim_gguf_writer_new(&(glim_gguf_writer_params){.alignment = 64});
    CHECK_OK(glim_gguf_put_str(w, "general.architecture", "glm4", 4, &err), err);
    glim_tensor_out t[2] = {{.name = "a", .type = GLIM_F32, .n_dims = 2, .dims = {2, 4}, .data = v}, {.name = "b", .type = GLIM_F32, .n_dims = 1, .dims = {3}, .data = v + 5}};
    for (int i = 0; i < 2; i++) CHECK_OK(glim_gguf_add_tensor(w, &t[i], &err), err);
    CHECK_OK(glim_gguf_write(w, path, &err), err);
    glim_gguf_writer_free(w);
    glim_gguf *g;
    CHECK_OK(glim_gguf_open(&g, path, &err), err);
    return g;
}

/* A model in two files. */
static void write_parts(const float *v) {
    glim_err err = {0};
    glim_gguf_writer *w = glim_gguf_writer_new(&(glim_gguf_writer_params){.max_file_bytes = 2048});
    glim_tensor_out t[2] = {{.name = "a", .type = GLIM_F32, .n_dims = 1, .dims = {512}, .data = v}, {.name = "b", .type = GLIM_F32, .n_dims = 1, .dims = {512}, .data = v}};
    for (int i = 0; i < 2; i++) CHECK_OK(glim_gguf_add_tensor(w, &t[i], &err), err);
    CHECK_OK(glim_gguf_write(w, at("parts.gguf"), &err), err);
    CHECK(glim_gguf_writer_n_files(w) == 2);
    glim_gguf_writer_free(w);
}

TEST(a_gguf_carries_a_reader_beside_its_weights) {
    CHECK(mkdtemp(dir));
    glim_intent *m = learn(0);
    glim_senses *r = (glim_senses *)1;
    glim_err err = {0};
    CHECK_OK(glim_intent_save(m, at("m.intent"), &err), err);
    glim_gguf *g = small(at("m.gguf"));
    CHECK_OK(glim_senses_open(&r, g, &err), err);
    CHECK_MSG(!r, "a file without one has no reader, and that is no error");
    CHECK_OK(glim_senses_open(&r, NULL, &err), err);
    glim_gguf_close(g);
    CHECK_OK(glim_senses_attach(at("m.gguf"), at("m.intent"), at("with.gguf"), &err), err);
    CHECK_OK(glim_senses_attach(at("with.gguf"), at("m.intent"), at("with.gguf"), &err), err); /* in its own place, and not twice */
    glim_gguf *a, *b;
    CHECK_OK(glim_gguf_open(&a, at("m.gguf"), &err), err);
    CHECK_OK(glim_gguf_open(&b, at("with.gguf"), &err), err);
    uint64_t alignment = 0;
    CHECK(glim_gguf_n_keys(b) == glim_gguf_n_keys(a) + 1 && glim_gguf_n_tensors(b) == 2);
    CHECK_OK(glim_gguf_u64(b, "general.alignment", 0, &alignment, &err), err);
    CHECK(alignment == 64);
    for (size_t i = 0; i < 2; i++) {
        const glim_tensor *x = glim_gguf_tensor(a, i), *y = glim_gguf_tensor(b, i);
        CHECK_STR(x->name, y->name);
        CHECK(x->n_bytes == y->n_bytes && memcmp(x->data, y->data, x->n_bytes) == 0);
    }
    CHECK_OK(glim_senses_open(&r, b, &err), err);
    CHECK(p_of(glim_senses_sense(r), m, "intent", "how much does the kettle cost", "intent:price") > 0.5);
    glim_senses_free(r);
    glim_gguf_close(a), glim_gguf_close(b);
    /* what is no model of intents is not put into one, and nothing is written */
    CHECK(glim_senses_attach(at("m.gguf"), at("m.gguf"), at("bad.gguf"), &err) == GLIM_E_FORMAT && !glim_path_exists(at("bad.gguf")));
    CHECK(glim_senses_attach(at("m.intent"), at("m.intent"), at("bad.gguf"), &err) == GLIM_E_FORMAT && !glim_path_exists(at("bad.gguf")));
    CHECK(glim_senses_attach(at("no.gguf"), at("m.intent"), at("bad.gguf"), &err) == GLIM_E_NOT_FOUND);
    /* a kind of one label, a kind that is none, a model in parts */
    const glim_intent_example lone[] = {{"book a room", 11, "tool:book"}, {"the price", 9, "price"}, {"is it left", 10, "stock"}},
                              faq[] = {{"book a room", 11, "faq:book"}, {"the price", 9, "faq:price"}};
    glim_intent *few;
    CHECK_OK(glim_intent_train(&few, lone, 3, NULL, NULL, &err), err);
    CHECK_OK(glim_intent_save(few, at("few.intent"), &err), err);
    glim_intent_free(few);
    CHECK(glim_senses_attach(at("m.gguf"), at("few.intent"), at("bad.gguf"), &err) == GLIM_E_ARG && strstr(err.msg, "one label of the kind \"tool\""));
    CHECK_OK(glim_intent_train(&few, faq, 2, NULL, NULL, &err), err);
    CHECK_OK(glim_intent_save(few, at("few.intent"), &err), err);
    glim_intent_free(few);
    CHECK(glim_senses_attach(at("m.gguf"), at("few.intent"), at("bad.gguf"), &err) == GLIM_E_ARG && strstr(err.msg, "faq:"));
    unlink(at("few.intent"));
    static const float half[512];
    write_parts(half);
    CHECK(glim_senses_attach(at("parts-00001-of-00002.gguf"), at("m.intent"), at("bad.gguf"), &err) == GLIM_E_UNSUPPORTED && strstr(err.msg, "2 files"));
    unlink(at("parts-00001-of-00002.gguf")), unlink(at("parts-00002-of-00002.gguf"));
    CHECK(!glim_path_exists(at("bad.gguf")));
    /* a broken one in a file is an error that names the key */
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    CHECK_OK(glim_gguf_put_array(w, GLIM_SENSES_KEY, GLIM_GGUF_U8, "GLIMINT\nrest", 12, &err), err);
    CHECK_OK(glim_gguf_write(w, at("broken.gguf"), &err), err);
    glim_gguf_writer_free(w);
    CHECK_OK(glim_gguf_open(&g, at("broken.gguf"), &err), err);
    CHECK(glim_senses_open(&r, g, &err) != GLIM_OK && !r && strstr(err.msg, GLIM_SENSES_KEY));
    glim_gguf_close(g);
    w = glim_gguf_writer_new(NULL);
    CHECK_OK(glim_gguf_put_str(w, GLIM_SENSES_KEY, "text", 4, &err), err);
    CHECK_OK(glim_gguf_write(w, at("text.gguf"), &err), err);
    glim_gguf_writer_free(w);
    CHECK_OK(glim_gguf_open(&g, at("text.gguf"), &err), err);
    CHECK(glim_senses_open(&r, g, &err) == GLIM_E_FORMAT && !r);
    glim_gguf_close(g);
    glim_intent_free(m);
    for (size_t i = 0; i < 5; i++) unlink(at((const char *const[]){"m.gguf", "m.intent", "with.gguf", "broken.gguf", "text.gguf"}[i]));
    rmdir(dir);
}
