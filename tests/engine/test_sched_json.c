/* Real grammars in the scheduler: answers of a JSON schema, with and without guesses, with adapters and forks, alone and
 * together, are the same and satisfy what was asked. */
#include "sched_rig.h"
#include "text/constrain.h"

/* A grammar's sequence behind the scheduler's hook, as a server has it. */
typedef struct json_mask {
    glim_constraint_state *s;
    uint32_t *bits;
    size_t n_words;
    int *n_alive;
} json_mask;

static json_mask *mask_of(glim_constraint_state *s, size_t n_words, int *n_alive) {
    json_mask *m = malloc(sizeof *m);
    *m = (json_mask){s, calloc(n_words, sizeof *m->bits), n_words, n_alive};
    ++*n_alive;
    return m;
}
static const uint32_t *json_bits(void *ctx, glim_err *err) {
    json_mask *m = ctx;
    (void)glim_constraint_mask(m->s, m->bits, NULL, err);
    return m->bits;
}
static bool json_accept(void *ctx, int32_t id) { return glim_constraint_accept(((json_mask *)ctx)->s, id, NULL) == GLIM_OK; }
static void *json_fork(void *ctx) {
    json_mask *m = ctx;
    glim_constraint_state *s;
    glim_err err;
    CHECK_OK(glim_constraint_state_fork(&s, m->s, &err), err);
    return mask_of(s, m->n_words, m->n_alive);
}
static void json_free(void *ctx) {
    json_mask *m = ctx;
    --*m->n_alive;
    glim_constraint_state_free(m->s);
    free(m->bits);
    free(m);
}

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":12},\"n\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":99},"
    "\"tags\":{\"type\":\"array\",\"items\":{\"enum\":[\"red\",\"green\",\"blue\"]},\"maxItems\":3}},\"required\":[\"name\",\"n\",\"tags\"],\"additionalProperties\":false}",
    "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"minItems\":2,\"maxItems\":2},\"minItems\":6,\"maxItems\":6}",
    "{\"$ref\":\"#/$defs/l\",\"$defs\":{\"l\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"string\",\"pattern\":\"^[a-c]{2}$\"},"
    "\"next\":{\"anyOf\":[{\"$ref\":\"#/$defs/l\"},{\"type\":\"null\"}]}},\"required\":[\"v\",\"next\"],\"additionalProperties\":false}}}"};
enum { N_JSON = 12, TOKENS = 120 };

typedef struct json_run {
    size_t n_draft, n_draft_ok;
} json_run;

static json_run all_answers(rig *r, glim_constraint *const *c, size_t n_words, bool guess, bool together, glim_ids want[N_JSON][2], glim_buf text[N_JSON][2],
                            bool whole[N_JSON][2]) {
    static const char *const names[] = {NULL, "a", "b"};
    int alive = 0;
    json_run sum = {0};
    rig_sched(r, &(glim_sched_params){.max_draft = guess ? 8 : -1, .always_draft = true, .slice_rows = 24});
    CHECK_OK(glim_sched_add_adapter(r->d, "a", glim_test_source("tests/fixtures/adapters/glm4-all"), &r->err), r->err);
    CHECK_OK(glim_sched_add_adapter(r->d, "b", glim_test_source("tests/fixtures/adapters/glm4-rs"), &r->err), r->err);
    answer a[N_JSON];
    for (int i = 0; i < N_JSON; i++) {
        int32_t ids[40];
        glim_constraint_state *s;
        for (int k = 0; k < 40; k++) ids[k] = (i * 31 + k * k) % 300;
        CHECK_OK(glim_constraint_state_new(&s, c[i % 3], &r->err), r->err);
        rig_submit(r, &a[i], (glim_request){.prompt = ids, .n_prompt = 40, .max_tokens = TOKENS, .adapter = names[i / 3 % 3], .n = i % 4 == 3 ? 2 : 1,
                                            .sample = {.temperature = i % 4 == 3 ? 1 : 0, .seed = 7},
                                            .mask = {mask_of(s, n_words, &alive), json_bits, json_accept, json_fork, json_free}});
        if (!together) rig_run(r, &a[i]);
    }
    for (int i = 0; i < N_JSON; i++) {
        if (together) rig_run(r, &a[i]);
        for (int k = 0; k < (i % 4 == 3 ? 2 : 1); k++) {
            CHECK(a[i].status == GLIM_OK && a[i].finished[k] && a[i].finish[k] != GLIM_FINISH_ERROR);
            if (!want[i][k].n) {
                want[i][k] = a[i].ids[k], a[i].ids[k] = (glim_ids){0};
                text[i][k] = a[i].text[k], a[i].text[k] = (glim_buf){0};
                whole[i][k] = a[i].finish[k] == GLIM_FINISH_STOP;
            } else {
                char what[64];
                snprintf(what, sizeof what, "request %d, choice %d, guesses %d, together %d", i, k, guess, together);
                check_same_ids(what, a[i].ids[k].v, a[i].ids[k].n, want[i][k].v, want[i][k].n);
            }
        }
        sum.n_draft += a[i].usage.n_draft;
        sum.n_draft_ok += a[i].usage.n_draft_ok;
        answer_free(&a[i]);
    }
    CHECK(alive == 0);
    glim_sched_close(r->d);
    r->d = NULL;
    return sum;
}

TEST(answers_of_schemas_are_the_same_with_guesses_adapters_and_company_and_satisfy_them) {
    rig r;
    rig_engine(&r, "glm4", 256, 0, 96, 24);
    glim_constraint_vocab *v;
    glim_constraint *c[3];
    CHECK_OK(glim_constraint_vocab_new(&v, r.e->tok, r.e->stops, r.e->n_stops, 0, &r.err), r.err);
    for (int i = 0; i < 3; i++) {
        json_t *schema;
        CHECK_OK(glim_json_parse(&schema, schemas[i], strlen(schemas[i]), 0, &r.err), r.err);
        CHECK_OK(glim_constraint_compile(&c[i], v, &(glim_constraint_spec){.schema = schema}, &r.err), r.err);
        json_decref(schema);
    }
    glim_ids want[N_JSON][2] = {0};
    glim_buf text[N_JSON][2] = {0};
    bool whole[N_JSON][2] = {0};
    size_t n_words = glim_constraint_vocab_words(v), n_whole = 0;
    all_answers(&r, c, n_words, false, false, want, text, whole);
    json_run alone = all_answers(&r, c, n_words, true, false, want, text, whole), both = all_answers(&r, c, n_words, true, true, want, text, whole);
    all_answers(&r, c, n_words, false, true, want, text, whole);
    printf("    %zu of %zu guesses were right, together %zu of %zu\n", alone.n_draft_ok, alone.n_draft, both.n_draft_ok, both.n_draft);
    CHECK(alone.n_draft_ok > 50 && both.n_draft_ok > 50);
    for (int i = 0; i < N_JSON; i++)
        for (int k = 0; k < (i % 4 == 3 ? 2 : 1); k++) {
            json_t *j;
            if (whole[i][k]) {
                n_whole++;
                CHECK_MSG(glim_json_parse(&j, glim_buf_cstr(&text[i][k]), text[i][k].len, 0, &r.err) == GLIM_OK, "request %d: %s in %s", i, r.err.msg,
                          glim_buf_cstr(&text[i][k]));
                if (i % 3 == 1) CHECK(json_array_size(j) == 6 && json_array_size(json_array_get(j, 5)) == 2);
                else CHECK(json_is_string(json_object_get(j, i % 3 ? "v" : "name")));
                json_decref(j);
            }
            glim_ids_free(&want[i][k]);
            glim_buf_free(&text[i][k]);
        }
    CHECK_MSG(n_whole >= 5, "%zu answers came to their end", n_whole);
    for (int i = 0; i < 3; i++) glim_constraint_free(c[i]);
    glim_constraint_vocab_free(v);
    rig_close(&r);
}
