/* test_quantize.c - whole checkpoints through glim_quantize: what is written runs as the source does, whatever
 * the threads, and whether or not the run was interrupted. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "compress/quality.h"
#include "compress/quant.h"
#include "compress/quantize.h"
#include "format/gguf.h"
#include "compress_test.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static const char *const g_folders[] = {"chatglm", "glm", "glm-edge", "glm4", "glm4-nobias-yarn", "glm4moe-air",
                                        "glm4moe-355b", "llama", "llama-tied", "qwen2", "qwen3"};
static const char *const g_ggufs[] = {"gguf/chatglm.gguf", "gguf/glm4-00001-of-00002.gguf", "gguf/glm4moe-air.gguf",
                                      "gguf/llama.gguf"};
/* Without " lazy": chatglm's vocabulary has it as a token that no merges lead to, which tiktoken takes whole and
 * a GGUF of "chatglm-bpe" cannot say. Real vocabularies have none. */
static const char g_text[] = "Good morning! It's 12345 o'clock, \xe4\xbd\xa0\xe5\xa5\xbd.\n\n  The quick brown fox "
                             "jumps over the dog; then it sleeps <|user|> until the next day.\n";

static void write_text(const char *path, int times) {
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    for (int i = 0; i < times; i++) fprintf(f, "%d %s", i, g_text);
    CHECK(fclose(f) == 0);
}

static glim_quantize_result quantize(const char *in, const char *out, const char *type, glim_quantize_params p) {
    glim_err err = {0};
    glim_quantize_result r;
    CHECK_OK(glim_recipe_find(&p.recipe, type, &err), err);
    p.overwrite = true;
    CHECK_OK(glim_quantize(in, out, &p, &r, &err), err);
    return r;
}

static glim_status try_quantize(const char *in, const char *out, const char *type, glim_quantize_params p,
                                glim_quantize_result *r, glim_err *err) {
    *err = (glim_err){0};
    CHECK_OK(glim_recipe_find(&p.recipe, type, err), *err);
    return glim_quantize(in, out, &p, r, err);
}

static void same_bytes(const char *a, const char *b) {
    glim_map x, y;
    glim_err err;
    CHECK_OK(glim_map_open(&x, a, &err), err);
    CHECK_OK(glim_map_open(&y, b, &err), err);
    CHECK_MSG(x.size == y.size && memcmp(x.data, y.data, x.size) == 0, "%s and %s differ", a, b);
    glim_map_close(&x);
    glim_map_close(&y);
}

/* Logits of all positions of the text, run in f32: [*n, n_vocab], heap. */
typedef struct rows {
    float *v;
    size_t n, n_vocab;
} rows;

static bool keep_row(void *ctx, size_t pos, const float *logits) {
    rows *r = ctx;
    memcpy(r->v + pos * r->n_vocab, logits, r->n_vocab * sizeof *logits);
    return true;
}

static rows logits_of(const char *path, glim_ids *ids) {
    glim_err err = {0};
    glim_engine *e;
    glim_session s = {0};
    glim_engine_params p = {.n_threads = 1, .model = {.type = 1 + GLIM_F32, .n_ctx = 256, .n_logits = 256}};
    CHECK_OK(glim_engine_open(&e, path, &p, &err), err);
    CHECK_OK(glim_tok_encode(e->tok, g_text, sizeof g_text - 1, GLIM_TOK_SPECIAL | GLIM_TOK_PREFIX, ids, &err), err);
    rows r = {.n = ids->n < 200 ? ids->n : 200, .n_vocab = e->model->cfg.n_vocab};
    r.v = calloc(r.n * r.n_vocab, sizeof(float));
    CHECK_OK(glim_session_open(&s, e, &err), err);
    CHECK_OK(glim_session_score(&s, ids->v, r.n, 0, keep_row, &r, &err), err);
    glim_session_close(&s);
    glim_engine_free(e);
    return r;
}

/* Relative to the spread of the logits. */
static double distance(const rows *a, const rows *b) {
    double d = 0, s = 0;
    for (size_t i = 0; i < a->n * a->n_vocab; i++) {
        d += (double)(a->v[i] - b->v[i]) * (double)(a->v[i] - b->v[i]);
        s += (double)a->v[i] * (double)a->v[i];
    }
    return sqrt(d / s);
}

static void check_pair(const char *source, const char *result, double most) {
    glim_ids ia = {0}, ib = {0};
    rows a = logits_of(source, &ia), b = logits_of(result, &ib);
    CHECK_MSG(ia.n == ib.n && memcmp(ia.v, ib.v, ia.n * sizeof *ia.v) == 0, "%s: tokens differ from %s", result, source);
    CHECK(a.n == b.n && a.n_vocab == b.n_vocab);
    double d = distance(&a, &b);
    CHECK_MSG(d <= most, "%s: logits are %g away from the source's, want at most %g", result, d, most);
    free(a.v);
    free(b.v);
    glim_ids_free(&ia);
    glim_ids_free(&ib);
}

TEST(every_family_written_as_f32_computes_what_the_source_does) {
    for (size_t i = 0; i < GLIM_COUNT(g_folders) + GLIM_COUNT(g_ggufs); i++) {
        const char *in = fixture(i < GLIM_COUNT(g_folders) ? g_folders[i] : g_ggufs[i - GLIM_COUNT(g_folders)]);
        quantize(in, in_dir("f32.gguf"), "f32", (glim_quantize_params){0});
        check_pair(in, in_dir("f32.gguf"), 2e-5);
    }
}

TEST(every_family_stays_near_in_fewer_bits) {
    static const struct {
        const char *type;
        double most;
    } types[] = {{"q8_0", 0.02}, {"q4_0", 0.35}, {"iq4_nl", 0.35}, {"q4_k_m", 0.35}};
    for (size_t i = 0; i < GLIM_COUNT(g_folders); i++)
        for (size_t t = 0; t < GLIM_COUNT(types); t++) {
            /* Any rounding may choose another expert, and with six of them that moves a row far. */
            bool moe = strncmp(g_folders[i], "glm4moe", 7) == 0;
            glim_quantize_result r = quantize(fixture(g_folders[i]), in_dir("few.gguf"), types[t].type,
                                              (glim_quantize_params){0});
            CHECK(r.bytes_out > 0 && r.bits_per_value > 0);
            check_pair(fixture(g_folders[i]), in_dir("few.gguf"), moe ? 0.6 : types[t].most);
        }
}

TEST(the_description_survives) {
    for (size_t i = 0; i < GLIM_COUNT(g_folders); i++) {
        glim_err err;
        glim_ckpt *a, *b;
        glim_config x, y;
        quantize(fixture(g_folders[i]), in_dir("c.gguf"), "bf16", (glim_quantize_params){0});
        CHECK_OK(glim_ckpt_open(&a, fixture(g_folders[i]), &err), err);
        CHECK_OK(glim_ckpt_open(&b, in_dir("c.gguf"), &err), err);
        CHECK_OK(glim_config_read(&x, a, &err), err);
        CHECK_OK(glim_config_read(&y, b, &err), err);
        CHECK(x.n_embd == y.n_embd && x.n_layer == y.n_layer && x.n_head == y.n_head && x.n_kv_head == y.n_kv_head);
        CHECK(x.head_dim == y.head_dim && x.n_ff == y.n_ff && x.n_vocab == y.n_vocab && x.max_ctx == y.max_ctx);
        CHECK(x.eps == y.eps && x.rope.n_rot == y.rope.n_rot && x.sandwich_norms == y.sandwich_norms);
        CHECK(fabs(x.rope.theta / y.rope.theta - 1) < 1e-6);
        CHECK(x.n_expert == y.n_expert && x.n_expert_used == y.n_expert_used && x.n_group == y.n_group);
        CHECK(x.routed_scale == y.routed_scale && x.norm_topk == y.norm_topk && x.first_dense == y.first_dense);
        CHECK(y.n_mtp == 0);
        for (size_t k = 0; k < x.n_eos && k < 3; k++) {
            bool found = false;
            for (size_t j = 0; j < y.n_eos; j++) found |= x.eos[k] == y.eos[j];
            CHECK_MSG(found, "%s: stop %d is lost", g_folders[i], x.eos[k]);
        }
        const char *ta = glim_ckpt_chat_template(a), *tb = glim_ckpt_chat_template(b);
        CHECK(!ta == !tb && (!ta || strcmp(ta, tb) == 0));
        glim_ckpt_close(a);
        glim_ckpt_close(b);
    }
}

TEST(mtp_layers_are_dropped_or_kept) {
    glim_err err;
    glim_ckpt *c;
    glim_config cfg;
    glim_quantize_result a = quantize(fixture("glm4moe-air"), in_dir("plain.gguf"), "f32", (glim_quantize_params){0});
    glim_quantize_result b = quantize(fixture("glm4moe-air"), in_dir("mtp.gguf"), "f32",
                                      (glim_quantize_params){.keep_mtp = true});
    CHECK(b.n_tensors > a.n_tensors);
    CHECK_OK(glim_ckpt_open(&c, in_dir("mtp.gguf"), &err), err);
    CHECK_OK(glim_config_read(&cfg, c, &err), err);
    CHECK(cfg.n_layer == 2 && cfg.n_mtp == 1);
    CHECK(glim_ckpt_find(c, "blk.2.nextn.eh_proj.weight") && glim_ckpt_find(c, "blk.2.ffn_gate_exps.weight"));
    glim_ckpt_close(c);
    check_pair(in_dir("mtp.gguf"), in_dir("plain.gguf"), 0);
    /* And from a GGUF that has them. */
    quantize(in_dir("mtp.gguf"), in_dir("dropped.gguf"), "f32", (glim_quantize_params){0});
    CHECK_OK(glim_ckpt_open(&c, in_dir("dropped.gguf"), &err), err);
    CHECK_OK(glim_config_read(&cfg, c, &err), err);
    CHECK(cfg.n_layer == 2 && cfg.n_mtp == 0 && !glim_ckpt_find(c, "blk.2.nextn.eh_proj.weight"));
    glim_ckpt_close(c);
    check_pair(in_dir("plain.gguf"), in_dir("dropped.gguf"), 0);
}

TEST(the_same_type_is_copied_bit_for_bit) {
    quantize(fixture("llama"), in_dir("q.gguf"), "q8_0", (glim_quantize_params){0});
    quantize(in_dir("q.gguf"), in_dir("again.gguf"), "q8_0", (glim_quantize_params){0});
    check_pair(in_dir("q.gguf"), in_dir("again.gguf"), 0);
}

TEST(threads_do_not_change_the_bytes) {
    glim_importance *im;
    glim_err err = {0};
    write_text(in_dir("text"), 20);
    for (int how = 0; how < 3; how++) { /* without calibration, with it, with error feedback */
        uint64_t hash = 0;
        for (int n = 1; n <= 4; n += 3) {
            glim_calibrate_params cp = {.n_ctx = 64, .n_threads = n, .whole = how == 2};
            im = NULL;
            if (how) CHECK_OK(glim_importance_gather(&im, fixture("glm4moe-355b"), in_dir("text"), &cp, &err), err);
            if (n > 1) CHECK(glim_importance_hash(im) == hash);
            hash = glim_importance_hash(im);
            glim_quantize_params p = {.importance = im, .n_threads = n};
            glim_quantize_result r = quantize(fixture("glm4moe-355b"), in_dir(n > 1 ? "four.gguf" : "one.gguf"), "q4_k_m", p);
            CHECK((r.n_weighted > 0) == (how > 0) && (r.n_feedback > 0) == (how == 2));
            glim_importance_free(im);
        }
        same_bytes(in_dir("one.gguf"), in_dir("four.gguf"));
    }
}

typedef struct planned {
    size_t n_passes, stop_at; /* stop_at: the pass that is cancelled in its middle, 0: none */
    uint64_t bytes;
} planned;

static void keep_plan(void *ctx, size_t n_passes, uint64_t bytes) {
    planned *p = ctx;
    p->n_passes = n_passes;
    p->bytes = bytes;
}

static bool stop_in_pass(void *ctx, uint64_t done, uint64_t total, const char *tensor) {
    const planned *p = ctx;
    size_t pass, token, of;
    if (done > total || !p->stop_at || sscanf(tensor, "calibrating: pass %zu, token %zu of %zu", &pass, &token, &of) != 3) return true;
    return pass < p->stop_at || token < of / 2;
}

/* The small model inside the program: 256 wide, MLP 768, 6 layers, the head is the embedding. */
static const char *nano(void) { return glim_test_source("models/glim-nano.gguf"); }

static glim_importance *learn(const char *model, uint64_t limit, glim_err *err) {
    glim_importance *im;
    glim_calibrate_params cp = {.n_ctx = 64, .n_threads = 2, .max_tokens = 150, .whole = true, .limit_bytes = limit};
    return glim_importance_gather(&im, model, in_dir("text"), &cp, err) == GLIM_OK ? im : NULL;
}

/* All inputs at once; the wide one of a layer alone, the three others together; not even that. Under sanitizers the first and the last
 * are only learnt: the next test quantizes in groups too. */
TEST(groups_of_moments_do_not_change_the_bytes) {
    const uint64_t narrow = 257 * 256 * 4, wide = 769 * 768 * 4;
    uint64_t limit = 0;
    glim_err err = {0};
    write_text(in_dir("text"), 12);
    for (int step = 0; step < 4; step += SANITIZED ? 3 : 1) {
        static const size_t want[] = {1, 2, 3, 12};
        const uint64_t given = limit;
        glim_importance *im = learn(nano(), given, &err);
        planned plan = {0};
        CHECK_MSG(im, "%s", err.msg);
        const uint64_t bytes = glim_importance_pairs_bytes(im);
        CHECK(given == 0 || bytes <= given);
        static uint64_t beside;
        if (step == 0) beside = bytes - 6 * (3 * narrow + wide);
        limit = beside + (SANITIZED || step > 1 ? wide : step == 0 ? 3 * (3 * narrow + wide) : 2 * (3 * narrow + wide));
        if (SANITIZED) {
            glim_importance_free(im);
            continue;
        }
        glim_quantize_params p = {.importance = im, .n_threads = 1, .planned = keep_plan, .progress = stop_in_pass, .progress_ctx = &plan};
        glim_quantize_result r = quantize(nano(), in_dir(step ? "groups.gguf" : "whole.gguf"), "q4_0", p);
        glim_importance_free(im);
        CHECK_MSG(r.n_passes == want[step] && plan.n_passes == r.n_passes && plan.bytes == bytes, "limit %llu: %zu passes, %zu planned",
                  (unsigned long long)given, r.n_passes, plan.n_passes);
        CHECK(r.n_feedback == 6 * 6); /* gate and up are one matrix */
        if (step) same_bytes(in_dir("whole.gguf"), in_dir("groups.gguf"));
    }
    CHECK(!learn(nano(), limit - 1, &err) && err.code == GLIM_E_NOMEM && strstr(err.msg, "768 columns"));
}

/* Under sanitizers on a tiny model, of which no less than the widest input's moments fit: eight times as quick as the model inside. */
TEST(a_run_stopped_in_a_later_pass_goes_on) {
    glim_err err = {0};
    glim_quantize_result r;
    planned plan = {0};
    const char *model = SANITIZED ? fixture("glm4moe-355b") : nano();
    write_text(in_dir("text"), 12);
    glim_importance *im = learn(model, 0, &err);
    CHECK_MSG(im, "%s", err.msg);
    uint64_t limit = glim_importance_pairs_bytes(im) / 3;
    quantize(model, in_dir("whole.gguf"), "q4_0", (glim_quantize_params){.importance = im});
    glim_importance_free(im);
    while (!(im = learn(model, limit, &err)) && err.code == GLIM_E_NOMEM) limit += limit / 8;
    CHECK_MSG(im, "%s", err.msg);
    plan.stop_at = 3;
    glim_quantize_params p = {.importance = im, .n_threads = 2, .planned = keep_plan, .progress = stop_in_pass, .progress_ctx = &plan};
    CHECK(try_quantize(model, in_dir("passes.gguf"), "q4_0", p, &r, &err) == GLIM_E_CANCELLED);
    CHECK(plan.n_passes > 3 && r.n_passes == 2 && !glim_path_exists(in_dir("passes.gguf")) && glim_path_exists(in_dir("passes.gguf.part")));
    glim_importance_free(im);
    /* Another process: it learns anew, and passes only for what is left. */
    im = learn(model, limit, &err);
    CHECK_MSG(im, "%s", err.msg);
    CHECK_OK(try_quantize(model, in_dir("passes.gguf"), "q4_0", (glim_quantize_params){.importance = im, .n_threads = 3}, &r, &err), err);
    CHECK_MSG(r.n_resumed > 6 && r.n_passes < plan.n_passes, "%zu tensors taken over, %zu passes of %zu", r.n_resumed, r.n_passes, plan.n_passes);
    same_bytes(in_dir("whole.gguf"), in_dir("passes.gguf"));
    glim_importance_free(im);
}

/* A llama of 256-wide rows, 9 MB in f32 (6 MB under sanitizers): large enough that a killed run leaves finished tensors behind. */
enum { BIG_EMBD = 256, BIG_FF = SANITIZED ? 256 : 512, BIG_LAYERS = 3, BIG_VOCAB = SANITIZED ? 256 : 512 };

static float g_spoiler; /* NaN: value 7 of rows of a tensor's values */
static size_t g_spoiled = 1; /* rows, from row 1 */
static bool g_empty;    /* tensors without values among the first, of names that a text model skips */

static void big_model(const char *path) {
    static const struct {
        const char *name;
        size_t n_out, n_in;
    } parts[] = {{"attn_norm.weight", 0, BIG_EMBD}, {"attn_q.weight", BIG_EMBD, BIG_EMBD},
                 {"attn_k.weight", 128, BIG_EMBD},  {"attn_v.weight", 128, BIG_EMBD},
                 {"attn_output.weight", BIG_EMBD, BIG_EMBD}, {"ffn_norm.weight", 0, BIG_EMBD},
                 {"ffn_gate.weight", BIG_FF, BIG_EMBD}, {"ffn_up.weight", BIG_FF, BIG_EMBD},
                 {"ffn_down.weight", BIG_EMBD, BIG_FF}};
    static float values[BIG_VOCAB * BIG_FF];
    static char names[64][48];
    static glim_tensor_out t[64];
    size_t n = 0;
    glim_err err = {0};
    glim_rng r = {.seed = 5};
    for (size_t i = 0; i < GLIM_COUNT(values); i++) values[i] = (float)(0.05 * glim_rng_normal(&r));
    for (size_t i = 1; g_spoiler != 0 && i <= g_spoiled; i++) values[i * BIG_EMBD + 7] = g_spoiler;
    glim_gguf_writer *w = glim_gguf_writer_new(NULL);
    CHECK_OK(glim_gguf_put_str(w, "general.architecture", "llama", 5, &err), err);
    static const struct {
        const char *key;
        int64_t v;
    } keys[] = {{"llama.block_count", BIG_LAYERS}, {"llama.context_length", 128}, {"llama.embedding_length", BIG_EMBD},
                {"llama.feed_forward_length", BIG_FF}, {"llama.attention.head_count", 4},
                {"llama.attention.head_count_kv", 2}, {"general.file_type", 0}};
    for (size_t i = 0; i < GLIM_COUNT(keys); i++)
        CHECK_OK(glim_gguf_put_int(w, keys[i].key, GLIM_GGUF_U32, keys[i].v, &err), err);
    CHECK_OK(glim_gguf_put_real(w, "llama.attention.layer_norm_rms_epsilon", GLIM_GGUF_F32, 1e-5, &err), err);
    t[n++] = (glim_tensor_out){.name = "token_embd.weight", .n_dims = 2, .dims = {BIG_VOCAB, BIG_EMBD}};
    if (g_empty) {
        t[n++] = (glim_tensor_out){.name = "visual.none.weight", .n_dims = 3, .dims = {0, 4, 32}};
        t[n++] = (glim_tensor_out){.name = "visual.rows.weight", .n_dims = 3, .dims = {4, 0, 32}};
        t[n++] = (glim_tensor_out){.name = "visual.row.weight", .n_dims = 2, .dims = {4, 0}};
    }
    t[n++] = (glim_tensor_out){.name = "output_norm.weight", .n_dims = 1, .dims = {BIG_EMBD}};
    t[n++] = (glim_tensor_out){.name = "output.weight", .n_dims = 2, .dims = {BIG_VOCAB, BIG_EMBD}};
    for (int l = 0; l < BIG_LAYERS; l++)
        for (size_t k = 0; k < GLIM_COUNT(parts); k++) {
            snprintf(names[n], sizeof names[n], "blk.%d.%s", l, parts[k].name);
            t[n] = (glim_tensor_out){.name = names[n], .n_dims = 1, .dims = {parts[k].n_in}};
            if (parts[k].n_out) t[n].n_dims = 2, t[n].dims[0] = parts[k].n_out, t[n].dims[1] = parts[k].n_in;
            n++;
        }
    for (size_t i = 0; i < n; i++) {
        t[i].type = GLIM_F32;
        t[i].data = values;
        CHECK_OK(glim_gguf_add_tensor(w, &t[i], &err), err);
    }
    CHECK_OK(glim_gguf_write(w, path, &err), err);
    glim_gguf_writer_free(w);
}

TEST(k_types_in_a_file_hold_what_the_quantizer_made) {
    glim_err err = {0};
    glim_ckpt *a, *b;
    big_model(in_dir("big.gguf"));
    glim_quantize_result r = quantize(in_dir("big.gguf"), in_dir("big4.gguf"), "q4_k_m", (glim_quantize_params){0});
    CHECK(r.types[GLIM_Q4_K].n > 0 && r.types[GLIM_Q6_K].n > 0 && r.n_fell_back == 0);
    CHECK_OK(glim_ckpt_open(&a, in_dir("big.gguf"), &err), err);
    CHECK_OK(glim_ckpt_open(&b, in_dir("big4.gguf"), &err), err);
    for (size_t i = 0; i < glim_ckpt_n_tensors(a); i++) {
        const glim_tensor *x = glim_ckpt_tensor(a, i), *y = glim_ckpt_find(b, x->name);
        CHECK(y != NULL);
        size_t n = 1;
        for (int d = 0; d < x->n_dims; d++) n *= x->dims[d];
        void *row = calloc(1, y->n_bytes);
        glim_quant_row(y->type, x->data, NULL, row, n); /* rows are whole blocks: as one long row */
        CHECK_MSG(memcmp(row, y->data, y->n_bytes) == 0, "%s: not what the quantizer makes", x->name);
        free(row);
    }
    glim_ckpt_close(a);
    glim_ckpt_close(b);
}

/* Stops, or dies, once `left` tensors have begun. */
typedef struct stopper {
    int left;
    bool die;
} stopper;

static bool stop_at(void *ctx, uint64_t done, uint64_t total, const char *tensor) {
    (void)done;
    (void)total;
    (void)tensor;
    stopper *s = ctx;
    if (--s->left > 0) return true;
    if (s->die) raise(SIGKILL);
    return false;
}

TEST(an_interrupted_run_goes_on_and_gives_the_same_bytes) {
    const char *in = in_dir("big.gguf");
    glim_err err;
    glim_quantize_result r;
    big_model(in);
    quantize(in, in_dir("whole.gguf"), "q8_0", (glim_quantize_params){0});
    for (int die = 0; die < 2; die++) {
        size_t most = 0;
        for (int at = 2; at < 30; at += 9) {
            const char *out = in_dir("cut.gguf"), *part = in_dir("cut.gguf.part");
            unlink(out);
            stopper s = {at, die};
            if (die) {
                pid_t pid = fork();
                if (pid == 0) {
                    try_quantize(in, out, "q8_0", (glim_quantize_params){.progress = stop_at, .progress_ctx = &s,
                                                                         .n_threads = 1}, &r, &err);
                    _exit(1);
                }
                int status;
                CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
            } else {
                CHECK(try_quantize(in, out, "q8_0", (glim_quantize_params){.progress = stop_at, .progress_ctx = &s},
                                   &r, &err) == GLIM_E_CANCELLED);
            }
            CHECK(!glim_path_exists(out) && glim_path_exists(part));
            char mine[600]; /* a killed run that had our process number */
            snprintf(mine, sizeof mine, "%s.tmp.%ld", out, (long)getpid());
            FILE *log = fopen(in_dir("cut.gguf.part.journal"), "a");
            CHECK(link(part, mine) == 0 && log && fprintf(log, "\npid %ld\n", (long)getpid()) > 0 && fclose(log) == 0);
            CHECK_OK(try_quantize(in, out, "q8_0", (glim_quantize_params){0}, &r, &err), err);
            /* What stood in the writer's buffer at a kill is lost. */
            CHECK_MSG(die || r.n_resumed == (size_t)at - 1, "stopped at %d: %zu tensors were taken over", at, r.n_resumed);
            most = r.n_resumed > most ? r.n_resumed : most;
            same_bytes(out, in_dir("whole.gguf"));
            CHECK(!glim_path_exists(part) && !glim_path_exists(in_dir("cut.gguf.part.journal")));
        }
        CHECK_MSG(most > 10, "at most %zu tensors were taken over", most);
    }
}

TEST(a_run_interrupted_twice_goes_on_from_the_better_half) {
    glim_err err;
    glim_quantize_result r;
    big_model(in_dir("big.gguf"));
    unlink(in_dir("cut.gguf"));
    quantize(in_dir("big.gguf"), in_dir("whole.gguf"), "q4_k_m", (glim_quantize_params){0});
    static const int at[] = {20, 5, 25}; /* the second stops while it still copies */
    for (int k = 0; k < 3; k++) {
        stopper s = {at[k], false};
        CHECK(try_quantize(in_dir("big.gguf"), in_dir("cut.gguf"), "q4_k_m",
                           (glim_quantize_params){.progress = stop_at, .progress_ctx = &s}, &r, &err) == GLIM_E_CANCELLED);
    }
    CHECK_OK(try_quantize(in_dir("big.gguf"), in_dir("cut.gguf"), "q4_k_m", (glim_quantize_params){0}, &r, &err), err);
    CHECK_MSG(r.n_resumed == 24, "%zu tensors were taken over", r.n_resumed);
    same_bytes(in_dir("cut.gguf"), in_dir("whole.gguf"));
}

TEST(skipped_tensors_without_values_stay_and_do_not_end_what_is_taken_over) {
    const char *in = in_dir("empty.gguf");
    glim_err err;
    glim_quantize_result r;
    glim_ckpt *c;
    g_empty = true;
    big_model(in);
    g_empty = false;
    quantize(in, in_dir("whole.gguf"), "q4_k_m", (glim_quantize_params){0});
    CHECK_OK(glim_ckpt_open(&c, in_dir("whole.gguf"), &err), err);
    const glim_tensor *t = glim_ckpt_find(c, "visual.none.weight");
    CHECK(t && t->n_dims == 3 && t->dims[0] == 0 && t->dims[1] == 4 && t->dims[2] == 32 && t->n_bytes == 0);
    glim_ckpt_close(c);
    unlink(in_dir("cut.gguf"));
    stopper s = {20, false};
    CHECK(try_quantize(in, in_dir("cut.gguf"), "q4_k_m", (glim_quantize_params){.progress = stop_at, .progress_ctx = &s},
                       &r, &err) == GLIM_E_CANCELLED);
    CHECK_OK(try_quantize(in, in_dir("cut.gguf"), "q4_k_m", (glim_quantize_params){0}, &r, &err), err);
    CHECK_MSG(r.n_resumed == 19, "%zu tensors were taken over", r.n_resumed);
    same_bytes(in_dir("cut.gguf"), in_dir("whole.gguf"));
}

TEST(what_is_left_of_another_run_or_damaged_is_not_used) {
    const char *in = fixture("glm4");
    glim_err err;
    glim_quantize_result r;
    quantize(in, in_dir("whole.gguf"), "q8_0", (glim_quantize_params){0});
    unlink(in_dir("cut.gguf"));
    stopper s = {20, false};
    CHECK(try_quantize(in, in_dir("cut.gguf"), "q5_0", (glim_quantize_params){.progress = stop_at, .progress_ctx = &s},
                       &r, &err) == GLIM_E_CANCELLED);
    CHECK_OK(try_quantize(in, in_dir("cut.gguf"), "q8_0", (glim_quantize_params){0}, &r, &err), err);
    CHECK(r.n_resumed == 0); /* other settings */
    same_bytes(in_dir("cut.gguf"), in_dir("whole.gguf"));

    unlink(in_dir("cut.gguf"));
    s = (stopper){20, false};
    CHECK(try_quantize(in, in_dir("cut.gguf"), "q8_0", (glim_quantize_params){.progress = stop_at, .progress_ctx = &s},
                       &r, &err) == GLIM_E_CANCELLED);
    struct stat st;
    CHECK(stat(in_dir("cut.gguf.part"), &st) == 0);
    FILE *f = fopen(in_dir("cut.gguf.part"), "r+");
    CHECK(f && fseek(f, st.st_size * 3 / 4, SEEK_SET) == 0);
    CHECK(fputs("damage", f) >= 0 && fclose(f) == 0);
    CHECK_OK(try_quantize(in, in_dir("cut.gguf"), "q8_0", (glim_quantize_params){0}, &r, &err), err);
    CHECK(r.n_resumed < 19);
    same_bytes(in_dir("cut.gguf"), in_dir("whole.gguf"));
}

/* Changes one text of a folder's config.json; its size and time may stay as they are. */
static void edit_config(const char *folder, const char *from, const char *to) {
    char cmd[2048];
    snprintf(cmd, sizeof cmd, "sed -i 's/%s/%s/' '%s/config.json'", from, to, folder);
    CHECK(system(cmd) == 0);
}

TEST(a_description_that_was_corrected_in_between_begins_anew) {
    static const struct {
        const char *from[3], *to[3];
    } edit[] = {{{"\"head_dim\": 16", "attention_heads\": 4", "key_value_heads\": 2"}, /* the order of q's and k's rows */
                 {"\"head_dim\": 8", "attention_heads\": 8", "key_value_heads\": 4"}},
                {{"\"factor\": 8.0"}, {"\"factor\": 4.0"}}}; /* rope_freqs.weight */
    glim_err err;
    glim_quantize_result r;
    for (size_t k = 0; k < GLIM_COUNT(edit); k++) {
        char cmd[2048];
        snprintf(cmd, sizeof cmd, "rm -rf '%s' && cp -r '%s' '%s' && chmod -R u+w '%s'", in_dir("edited"), fixture("llama"),
                 in_dir("edited"), in_dir("edited"));
        CHECK(system(cmd) == 0);
        unlink(in_dir("cut.gguf"));
        stopper s = {12, false};
        CHECK(try_quantize(in_dir("edited"), in_dir("cut.gguf"), "f32",
                           (glim_quantize_params){.progress = stop_at, .progress_ctx = &s}, &r, &err) == GLIM_E_CANCELLED);
        for (int i = 0; i < 3 && edit[k].from[i]; i++) edit_config(in_dir("edited"), edit[k].from[i], edit[k].to[i]);
        CHECK_OK(try_quantize(in_dir("edited"), in_dir("cut.gguf"), "f32", (glim_quantize_params){0}, &r, &err), err);
        CHECK_MSG(r.n_resumed == 0, "%zu tensors of another description were taken over", r.n_resumed);
        quantize(in_dir("edited"), in_dir("whole.gguf"), "f32", (glim_quantize_params){0});
        same_bytes(in_dir("cut.gguf"), in_dir("whole.gguf"));
    }
}

TEST(a_value_that_is_not_finite_is_told_by_place) {
    glim_err err;
    glim_quantize_result r;
    g_spoiler = NAN;
    big_model(in_dir("nan.gguf"));
    g_spoiler = 0;
    CHECK(try_quantize(in_dir("nan.gguf"), in_dir("nan4.gguf"), "q4_0", (glim_quantize_params){0}, &r, &err) ==
          GLIM_E_FORMAT);
    CHECK_MSG(strstr(err.msg, "token_embd.weight") && strstr(err.msg, "row 1 ") && strstr(err.msg, "NaN"), "%s", err.msg);
    g_spoiler = NAN, g_spoiled = BIG_VOCAB - 1; /* the first of many, whatever the threads */
    big_model(in_dir("nan.gguf"));
    g_spoiler = 0, g_spoiled = 1;
    for (int threads = 1; threads <= 4; threads++) {
        CHECK(try_quantize(in_dir("nan.gguf"), in_dir("nan4.gguf"), "q4_0", (glim_quantize_params){.n_threads = threads}, &r,
                           &err) == GLIM_E_FORMAT);
        CHECK_MSG(strstr(err.msg, "row 1 "), "%d threads: %s", threads, err.msg);
    }
    CHECK(!glim_path_exists(in_dir("nan4.gguf")) && !glim_path_exists(in_dir("nan4.gguf.part")) &&
          !glim_path_exists(in_dir("nan4.gguf.part.journal")));
}

TEST(a_value_that_f16_has_no_place_for_is_told_by_place) {
    glim_err err;
    glim_quantize_result r;
    for (int k = 0; k < 2; k++) {
        g_spoiler = k ? -65520.0f : 65519.0f; /* rounds to 65504 */
        big_model(in_dir("wide.gguf"));
        g_spoiler = 0;
        const char *tensor[] = {"*=bf16"};
        const glim_status rc = try_quantize(in_dir("wide.gguf"), in_dir("wide16.gguf"), "f16", (glim_quantize_params){.overwrite = true}, &r, &err);
        CHECK_MSG(k ? rc == GLIM_E_FORMAT : rc == GLIM_OK, "%s", err.msg);
        if (k == 0) continue;
        CHECK_MSG(strstr(err.msg, "token_embd.weight") && strstr(err.msg, "row 1 ") && strstr(err.msg, "f16"), "%s", err.msg);
        CHECK_MSG(strstr(err.hint, "token_embd.weight=bf16"), "%s", err.hint);
        CHECK(!glim_path_exists(in_dir("wide16.gguf.part")));
        CHECK_OK(try_quantize(in_dir("wide.gguf"), in_dir("wide16.gguf"), "f16",
                              (glim_quantize_params){.overwrite = true, .wish = {.tensor = tensor, .n_tensor = 1}}, &r, &err), err);
        CHECK(r.types[GLIM_BF16].n > 0 && r.types[GLIM_F16].n == 0);
    }
}

TEST(any_allocation_may_be_refused) {
    glim_err err = {0};
    glim_quantize_result r;
    glim_importance *im = NULL;
    write_text(in_dir("text"), 4);
    static const char *const from[] = {"chatglm", "glm4moe-air", "gguf/llama.gguf"};
    for (size_t i = 0; i < GLIM_COUNT(from); i++) {
        quantize(fixture(from[i]), in_dir("whole.gguf"), "q8_0", (glim_quantize_params){0});
        glim_status rc = GLIM_E_NOMEM;
        for (long k = 1; rc != GLIM_OK; k += k < 40 ? 1 : k / 6) {
            unlink(in_dir("f.gguf"));
            glim_alloc_fail_after(k);
            rc = try_quantize(fixture(from[i]), in_dir("f.gguf"), "q8_0", (glim_quantize_params){.n_threads = 1}, &r, &err);
            glim_alloc_fail_after(0);
            CHECK_MSG(rc == GLIM_OK || rc == GLIM_E_NOMEM, "allocation %ld: %s", k, err.msg);
        }
        same_bytes(in_dir("whole.gguf"), in_dir("f.gguf"));
    }
    glim_status rc = GLIM_E_NOMEM;
    for (long k = 1; rc != GLIM_OK; k += k < 40 ? 1 : k / 6) {
        glim_alloc_fail_after(k);
        rc = glim_importance_gather(&im, fixture("glm4moe-air"), in_dir("text"), &(glim_calibrate_params){.n_ctx = 32, .whole = true}, &err);
        glim_alloc_fail_after(0);
        CHECK_MSG(rc == GLIM_OK || rc == GLIM_E_NOMEM, "allocation %ld: %s", k, err.msg);
    }
    const uint64_t limit = glim_importance_pairs_bytes(im) - 1;
    glim_importance_free(im);
    /* In a later pass of error feedback too: what is done is kept for the next run. */
    CHECK_OK(glim_importance_gather(&im, fixture("glm4moe-air"), in_dir("text"),
                                    &(glim_calibrate_params){.n_ctx = 32, .whole = true, .limit_bytes = limit}, &err), err);
    quantize(fixture("glm4moe-air"), in_dir("whole.gguf"), "q8_0", (glim_quantize_params){.importance = im});
    rc = GLIM_E_NOMEM;
    for (long k = 1; rc != GLIM_OK; k += k < 40 ? 1 : k / 6) {
        unlink(in_dir("f.gguf"));
        glim_alloc_fail_after(k);
        rc = try_quantize(fixture("glm4moe-air"), in_dir("f.gguf"), "q8_0", (glim_quantize_params){.importance = im, .n_threads = 1}, &r, &err);
        glim_alloc_fail_after(0);
        CHECK_MSG(rc == GLIM_OK || rc == GLIM_E_NOMEM, "allocation %ld: %s", k, err.msg);
    }
    same_bytes(in_dir("whole.gguf"), in_dir("f.gguf"));
    glim_importance_free(im);
}

TEST(an_interrupted_run_is_not_taken_up_where_its_copy_has_no_room) {
    glim_err err = {0};
    glim_quantize_result r;
    struct stat st;
    const char *in = in_dir("big.gguf"), *out = in_dir("cut.gguf");
    big_model(in);
    const uint64_t whole = quantize(in, in_dir("whole.gguf"), "q8_0", (glim_quantize_params){0}).bytes_out;
    const uint64_t need = whole + whole / 8 + (1 << 20); /* as quantize.c has it for small files */
    unlink(out);
    stopper s = {28, false}; /* most of it is done */
    CHECK(try_quantize(in, out, "q8_0", (glim_quantize_params){.progress = stop_at, .progress_ctx = &s}, &r, &err) ==
          GLIM_E_CANCELLED);
    CHECK(stat(in_dir("cut.gguf.part"), &st) == 0);
    const uint64_t old = (uint64_t)st.st_blocks * 512;
    CHECK(old > whole / 2 && old < need);
    g_room = need - old + 1000; /* with the old file gone it would be enough, but it is not gone while it is copied */
    const glim_status rc = try_quantize(in, out, "q8_0", (glim_quantize_params){0}, &r, &err);
    g_room = 1000;
    glim_err less = {0};
    const glim_status rc2 = try_quantize(in, in_dir("other.gguf"), "q8_0", (glim_quantize_params){0}, &r, &less);
    g_room = 1ull << 40;
    CHECK_MSG(rc == GLIM_E_IO && strstr(err.msg, "going on") && strstr(err.hint, "cut.gguf.part\" to begin anew"), "%s", err.msg);
    CHECK_MSG(rc2 == GLIM_E_IO && strstr(less.msg, "needs"), "%s", less.msg);
    CHECK(!glim_path_exists(out) && glim_path_exists(in_dir("cut.gguf.part")));
    CHECK_OK(try_quantize(in, out, "q8_0", (glim_quantize_params){0}, &r, &err), err);
    CHECK_MSG(r.n_resumed == 27, "%zu tensors were taken over", r.n_resumed);
    same_bytes(out, in_dir("whole.gguf"));
}

TEST(a_refused_allocation_costs_nothing_of_what_an_interrupted_run_has_left) {
    glim_err err = {0};
    glim_quantize_result r;
    const char *in = in_dir("big.gguf"), *out = in_dir("cut.gguf");
    big_model(in);
    quantize(in, in_dir("whole.gguf"), "q8_0", (glim_quantize_params){0});
    unlink(out);
    stopper s = {20, false};
    CHECK(try_quantize(in, out, "q8_0", (glim_quantize_params){.progress = stop_at, .progress_ctx = &s, .n_threads = 1}, &r,
                       &err) == GLIM_E_CANCELLED);
    glim_status rc = GLIM_E_NOMEM;
    for (long k = 1; rc != GLIM_OK; k++) {
        glim_alloc_fail_after(k);
        rc = try_quantize(in, out, "q8_0", (glim_quantize_params){.n_threads = 1}, &r, &err);
        glim_alloc_fail_after(0);
        CHECK_MSG(rc == GLIM_OK || (rc == GLIM_E_NOMEM && glim_path_exists(in_dir("cut.gguf.part"))), "allocation %ld: %s", k,
                  err.msg);
    }
    CHECK_MSG(r.n_resumed >= 19, "%zu tensors were taken over", r.n_resumed);
    same_bytes(out, in_dir("whole.gguf"));
}

TEST(wrong_wishes_are_refused_by_name) {
    const char *in = fixture("glm4");
    glim_err err;
    glim_quantize_result r;
    quantize(in, in_dir("x.gguf"), "q8_0", (glim_quantize_params){0});
    CHECK(try_quantize(in_dir("x.gguf"), in_dir("x.gguf"), "q4_0", (glim_quantize_params){.overwrite = true}, &r, &err) ==
          GLIM_E_ARG);
    CHECK(strstr(err.msg, "is the input"));
    CHECK(try_quantize(in, in_dir("x.gguf"), "q4_0", (glim_quantize_params){0}, &r, &err) == GLIM_E_ARG);
    CHECK(strstr(err.msg, "exists") && strstr(err.hint, "--force"));
    const char *bad[] = {"blk.*=q9_k"};
    CHECK(try_quantize(in, in_dir("y.gguf"), "q4_0", (glim_quantize_params){.wish = {.tensor = bad, .n_tensor = 1}}, &r,
                       &err) == GLIM_E_ARG);
    CHECK(strstr(err.msg, "blk.*=q9_k"));
    const char *none[] = {"blk.*.attn_output.weight=q8_0", "model.layers.*.mlp.down_proj.weight=q8_0"};
    CHECK(try_quantize(in, in_dir("y.gguf"), "q4_0", (glim_quantize_params){.wish = {.tensor = none, .n_tensor = 2}}, &r,
                       &err) == GLIM_E_ARG);
    CHECK(strstr(err.msg, "down_proj") && strstr(err.hint, "ffn_down") && !strstr(err.msg, "attn_output"));
    CHECK(try_quantize(in, in_dir("y.gguf"), "q4_0", (glim_quantize_params){.wish = {.output = "i32"}}, &r, &err) ==
          GLIM_E_ARG);
    write_text(in_dir("z.gguf.part"), 1);
    CHECK(try_quantize(in, in_dir("z.gguf"), "q4_0", (glim_quantize_params){0}, &r, &err) == GLIM_E_ARG);
    CHECK(strstr(err.msg, "no interrupted quantization"));
    const glim_recipe *recipe;
    CHECK(glim_recipe_find(&recipe, "q7", &err) == GLIM_E_ARG && strstr(err.msg, "q4_k_m"));
    CHECK_OK(glim_recipe_find(&recipe, "Q4_K", &err), err);
    CHECK_STR(recipe->name, "q4_k_m");
}

TEST(recipes_choose_and_fall_back_as_stated) {
    const glim_recipe *r;
    glim_err err;
    bool back;
    glim_recipe_model m = {.n_layer = 40, .n_head = 32, .n_kv_head = 2};
    const char *tensor[] = {"blk.*.ffn_up.weight=q3_k", "blk.7.*=q5_k"};
    glim_recipe_wish none = {0}, wish = {.embedding = "q8_0", .output = "q5_k", .tensor = tensor, .n_tensor = 2};
#define TYPE(w, name, dims, n_in) glim_recipe_type(r, &m, &(w), name, dims, n_in, GLIM_BF16, &back)
    CHECK_OK(glim_recipe_find(&r, "q4_k_m", &err), err);
    CHECK(TYPE(none, "blk.20.attn_q.weight", 2, 4096) == GLIM_Q4_K && !back);
    CHECK(TYPE(none, "blk.0.attn_v.weight", 2, 4096) == GLIM_Q6_K);
    CHECK(TYPE(none, "blk.0.ffn_down.weight", 2, 13696) == GLIM_Q8_0 && back); /* 53.5 blocks of q6_k */
    CHECK(TYPE(none, "blk.6.ffn_down.weight", 2, 13696) == GLIM_Q5_0 && back);
    CHECK(TYPE(none, "blk.6.ffn_down.weight", 2, 44) == GLIM_BF16 && back);
    CHECK(TYPE(none, "output.weight", 2, 4096) == GLIM_Q6_K);
    CHECK(TYPE(none, "token_embd.weight", 2, 4096) == GLIM_Q4_K);
    CHECK(TYPE(none, "blk.3.ffn_gate_inp.weight", 2, 4096) == GLIM_F32);
    CHECK(TYPE(none, "blk.3.exp_probs_b.bias", 1, 128) == GLIM_F32);
    CHECK(TYPE(none, "blk.3.attn_norm.weight", 1, 4096) == GLIM_F32);
    CHECK(TYPE(wish, "token_embd.weight", 2, 4096) == GLIM_Q8_0);
    CHECK(TYPE(wish, "output.weight", 2, 4096) == GLIM_Q5_K);
    CHECK(TYPE(wish, "blk.3.ffn_up.weight", 2, 4096) == GLIM_Q3_K);
    CHECK(TYPE(wish, "blk.7.ffn_up.weight", 2, 4096) == GLIM_Q5_K); /* the last that fits */
    CHECK(TYPE(wish, "blk.7.attn_norm.weight", 1, 4096) == GLIM_F32);
    m.tied = true;
    CHECK(TYPE(none, "token_embd.weight", 2, 4096) == GLIM_Q6_K);
    CHECK_OK(glim_recipe_find(&r, "iq4_xs", &err), err);
    CHECK(TYPE(none, "blk.3.ffn_down_exps.weight", 3, 1408) == GLIM_Q5_1 && back); /* first eighth: q5_k wanted */
    CHECK(TYPE(none, "blk.13.ffn_down_exps.weight", 3, 1408) == GLIM_IQ4_NL && back);
    CHECK_OK(glim_recipe_find(&r, "f16", &err), err);
    CHECK(TYPE(none, "output.weight", 2, 4096) == GLIM_F16);
#undef TYPE
}

TEST(importances_are_the_second_moments_of_inputs) {
    glim_importance *im;
    glim_err err = {0};
    write_text(in_dir("text"), 20);
    CHECK_OK(glim_importance_gather(&im, fixture("glm4moe-air"), in_dir("text"), &(glim_calibrate_params){.n_ctx = 64},
                                    &err), err);
    CHECK(glim_importance_n_tokens(im) > 500);
    const float *q = glim_importance_find(im, "blk.1.attn_q.weight", 0, 36);
    CHECK(q && q == glim_importance_find(im, "blk.1.attn_v.weight", 0, 36));
    CHECK(glim_importance_find(im, "blk.1.attn_output.weight", 0, 24 * 12));
    const float *e0 = glim_importance_find(im, "blk.1.ffn_gate_exps.weight", 0, 36);
    const float *e5 = glim_importance_find(im, "blk.1.ffn_up_exps.weight", 5, 36);
    CHECK(e0 && e5 && e0 != e5);
    CHECK(glim_importance_find(im, "blk.1.ffn_down_exps.weight", 3, 12));
    CHECK(glim_importance_find(im, "blk.1.ffn_down_shexp.weight", 0, 12) && glim_importance_find(im, "output.weight", 0, 36));
    CHECK(!glim_importance_find(im, "blk.1.attn_q.weight", 0, 35) && !glim_importance_find(im, "blk.2.attn_q.weight", 0, 36));
    CHECK(!glim_importance_find(im, "blk.0.ffn_gate_exps.weight", 0, 36)); /* the dense layer */
    double sum = 0;
    for (int i = 0; i < 36; i++) {
        CHECK(isfinite(q[i]) && q[i] >= 0);
        sum += (double)q[i];
    }
    CHECK(sum > 0);
    glim_quantize_result r = quantize(fixture("glm4moe-air"), in_dir("w.gguf"), "q8_0", (glim_quantize_params){.importance = im});
    CHECK(r.n_weighted > 0);
    glim_importance_free(im);
    write_text(in_dir("empty"), 0);
    CHECK(glim_importance_gather(&im, fixture("glm4moe-air"), in_dir("empty"), &(glim_calibrate_params){0}, &err) ==
          GLIM_E_ARG);
}

TEST(a_report_finds_no_difference_where_there_is_none) {
    glim_err err = {0};
    glim_quality q;
    write_text(in_dir("text"), 20);
    glim_quality_params p = {.n_ctx = 64, .max_tokens = 256};
    CHECK_OK(glim_quality_compare(&q, fixture("glm"), fixture("glm"), in_dir("text"), &p, &err), err);
    CHECK(q.kl_max == 0 && q.top1 == 1 && q.same_tokens && q.ppl_source == q.ppl_result && q.n_scored == 4 * 31);
    quantize(fixture("glm"), in_dir("r.gguf"), "q4_0", (glim_quantize_params){0});
    CHECK_OK(glim_quality_compare(&q, fixture("glm"), in_dir("r.gguf"), in_dir("text"), &p, &err), err);
    CHECK(q.kl_mean > 0 && q.kl_median <= q.kl_99 && q.kl_99 <= q.kl_max && q.same_tokens);
    size_t n_ctx;
    big_model(in_dir("big.gguf")); /* trained for 128 */
    CHECK_OK(glim_window_tokens(in_dir("big.gguf"), 0, &n_ctx, &err), err);
    CHECK(n_ctx == 128);
    CHECK_OK(glim_window_tokens(fixture("glm"), 0, &n_ctx, &err), err);
    CHECK(n_ctx == 512);
    p.n_ctx = 1 << 14;
    CHECK(glim_quality_compare(&q, fixture("glm"), in_dir("r.gguf"), in_dir("text"), &p, &err) != GLIM_OK);
}
