/* recipe.c - see recipe.h. */
#include "compress/recipe.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compress/quant.h"

enum { MIX_NONE, MIX_S, MIX_M, MIX_IQ4, MIX_Q2 };

static const glim_recipe g_recipes[] = {
    {"q4_k_m", GLIM_Q4_K, 15, MIX_M},    {"q4_k_s", GLIM_Q4_K, 14, MIX_S},  {"q5_k_m", GLIM_Q5_K, 17, MIX_M},
    {"q5_k_s", GLIM_Q5_K, 16, MIX_S},    {"q6_k", GLIM_Q6_K, 18, MIX_NONE}, {"q8_0", GLIM_Q8_0, 7, MIX_NONE},
    {"q4_0", GLIM_Q4_0, 2, MIX_NONE},    {"q4_1", GLIM_Q4_1, 3, MIX_NONE},  {"q5_0", GLIM_Q5_0, 8, MIX_NONE},
    {"q5_1", GLIM_Q5_1, 9, MIX_NONE},    {"iq4_nl", GLIM_IQ4_NL, 25, MIX_IQ4}, {"iq4_xs", GLIM_IQ4_XS, 30, MIX_IQ4},
    {"q3_k_m", GLIM_Q3_K, 12, MIX_M},    {"q3_k_s", GLIM_Q3_K, 11, MIX_NONE}, {"q2_k", GLIM_Q2_K, 10, MIX_Q2},
    {"f16", GLIM_F16, 1, MIX_NONE},      {"bf16", GLIM_BF16, 32, MIX_NONE}, {"f32", GLIM_F32, 0, MIX_NONE},
};

const char *glim_recipe_names(void) {
    return "q4_k_m, q4_k_s, q5_k_m, q5_k_s, q6_k, q8_0, q4_0, q4_1, q5_0, q5_1, iq4_nl, iq4_xs, q3_k_m, q3_k_s, "
           "q2_k, f16, bf16, f32";
}

glim_status glim_recipe_find(const glim_recipe **out, const char *name, glim_err *err) {
    static const char *const alias[][2] = {{"q4_k", "q4_k_m"}, {"q5_k", "q5_k_m"}, {"q3_k", "q3_k_m"}};
    for (size_t i = 0; i < GLIM_COUNT(alias); i++)
        if (strcasecmp(name, alias[i][0]) == 0) name = alias[i][1];
    for (size_t i = 0; i < GLIM_COUNT(g_recipes); i++)
        if (strcasecmp(name, g_recipes[i].name) == 0) {
            *out = &g_recipes[i];
            return GLIM_OK;
        }
    return glim_fail(err, GLIM_E_ARG, "--type: got \"%s\", want one of %s", name, glim_recipe_names());
}

static bool type_of(const char *name, glim_dtype *t) { return glim_dtype_parse(name, t) && glim_quant_can(*t); }

glim_status glim_recipe_check(const glim_recipe_wish *w, glim_err *err) {
    glim_dtype t;
    if (w->embedding && !type_of(w->embedding, &t))
        return glim_fail(err, GLIM_E_ARG, "--embedding-type: \"%s\" is not a type that can be written", w->embedding);
    if (w->output && !type_of(w->output, &t))
        return glim_fail(err, GLIM_E_ARG, "--output-type: \"%s\" is not a type that can be written", w->output);
    for (size_t i = 0; i < w->n_tensor; i++) {
        const char *eq = strrchr(w->tensor[i], '=');
        if (!eq || eq == w->tensor[i] || !type_of(eq + 1, &t))
            return glim_fail(err, GLIM_E_ARG, "--tensor: got \"%s\", want PATTERN=TYPE with a type such as q6_k",
                             w->tensor[i]);
    }
    return GLIM_OK;
}

bool glim_recipe_wish_fits(const glim_recipe_wish *w, size_t i, const char *name) {
    char pattern[256];
    const char *eq = strrchr(w->tensor[i], '=');
    snprintf(pattern, sizeof pattern, "%.*s", (int)(eq - w->tensor[i]), w->tensor[i]);
    return fnmatch(pattern, name, 0) == 0;
}

static bool is(const char *part, const char *name) { return strcmp(part, name) == 0; }

/* The eighth of the layers at either end, and every third between them. */
static bool more_bits(size_t i, size_t n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

/* What the mix makes of one block matrix; `part` is the name behind "blk.N.". */
static glim_dtype mixed(const glim_recipe *r, const glim_recipe_model *m, const char *part, size_t layer) {
    bool v = is(part, "attn_v.weight"), qkv = is(part, "attn_qkv.weight");
    bool down = strncmp(part, "ffn_down", 8) == 0, out = is(part, "attn_output.weight");
    size_t n = m->n_layer ? m->n_layer : 1;
    bool wide_groups = m->n_kv_head && m->n_head / m->n_kv_head >= 4; /* few values, read by many queries */
    switch (r->mix) {
    case MIX_S:
        if (r->base == GLIM_Q4_K && ((v && layer < 4) || (down && layer < n / 8))) return GLIM_Q5_K;
        break;
    case MIX_M:
        if (r->base == GLIM_Q3_K) {
            if (v || qkv || out) return v && layer < 2 ? GLIM_Q5_K : GLIM_Q4_K;
            if (down) return layer < n / 16 ? GLIM_Q5_K : more_bits(layer, n) ? GLIM_Q4_K : GLIM_Q3_K;
            break;
        }
        if (qkv) return r->base == GLIM_Q4_K ? GLIM_Q5_K : GLIM_Q6_K;
        if ((v || down) && more_bits(layer, n)) return GLIM_Q6_K;
        break;
    case MIX_IQ4:
        if (v && wide_groups) return GLIM_Q5_K;
        if (down && layer < n / 8) return GLIM_Q5_K;
        break;
    case MIX_Q2:
        if (v || qkv) return wide_groups ? GLIM_Q4_K : GLIM_Q3_K;
        if (down || out) return GLIM_Q3_K;
        break;
    default: break;
    }
    return r->base;
}

static glim_dtype fit_rows(glim_dtype t, size_t n_in, glim_dtype source, bool *fell_back) {
    if (n_in % glim_dtype_of(t)->block_len == 0) return t;
    *fell_back = true;
    if (n_in % 32 != 0) return source == GLIM_BF16 ? GLIM_BF16 : GLIM_F16;
    switch (t) {
    case GLIM_Q4_K: return GLIM_Q5_0;
    case GLIM_Q5_K: return GLIM_Q5_1;
    case GLIM_Q6_K: return GLIM_Q8_0;
    default: return GLIM_IQ4_NL;
    }
}

glim_dtype glim_recipe_type(const glim_recipe *r, const glim_recipe_model *m, const glim_recipe_wish *w,
                            const char *name, int n_dims, size_t n_in, glim_dtype source, bool *fell_back) {
    *fell_back = false;
    size_t layer = 0;
    const char *part = name;
    if (strncmp(name, "blk.", 4) == 0) {
        char *end;
        layer = strtoul(name + 4, &end, 10);
        part = *end == '.' ? end + 1 : end;
    }
    if (n_dims < 2 || is(part, "ffn_gate_inp.weight") || is(part, "exp_probs_b.bias")) return GLIM_F32;

    bool quant = glim_dtype_of(r->base)->is_quant;
    bool embd = is(part, "token_embd.weight") || is(part, "nextn.embed_tokens.weight");
    bool head = is(part, "output.weight") || is(part, "nextn.shared_head_head.weight");
    glim_dtype t = part == name ? r->base : mixed(r, m, part, layer);
    if ((head || (embd && m->tied)) && quant && r->base != GLIM_Q8_0) t = GLIM_Q6_K;
    if (embd && w->embedding) type_of(w->embedding, &t);
    if ((head || (embd && m->tied && !w->embedding)) && w->output) type_of(w->output, &t);
    for (size_t i = 0; i < w->n_tensor; i++)
        if (glim_recipe_wish_fits(w, i, name)) type_of(strrchr(w->tensor[i], '=') + 1, &t);
    return fit_rows(t, n_in, source, fell_back);
}
