/* cmd_info.c - what a model is, what it needs, and whether this machine can run it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "know/sense.h"

typedef struct info {
    glim_model *m;
    glim_tok *tok;
    glim_chat_kind chat;
    glim_err tok_err, chat_err;
    glim_senses *senses; /* NULL: none, or one that cannot be read */
    glim_err senses_err;
    const char *known;
    uint64_t known_params;
} info;

/* "AMD EPYC ..." from /proc/cpuinfo, or what uname would say. */
static void cpu_name(char *buf, size_t cap) {
    snprintf(buf, cap, "unknown CPU");
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f) return;
    char line[256];
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        colon[strcspn(colon, "\n")] = 0;
        snprintf(buf, cap, "%s", colon + 2);
        break;
    }
    fclose(f);
}

static size_t file_bytes(const glim_ckpt *c) {
    size_t total = 0;
    for (int i = 0; i < glim_ckpt_n_files(c); i++) {
        size_t n;
        glim_ckpt_file(c, i, &n);
        total += n;
    }
    return total;
}

static const char *rope_text(const glim_rope_config *r, char *buf, size_t cap) {
    static const char *const scaling[] = {"", ", linear x%g", ", dynamic x%g", ", YaRN x%g", ", Llama-3 x%g"};
    size_t n = (size_t)snprintf(buf, cap, "%zu dims, %s pairs, theta %g", r->n_rot,
                                r->interleaved ? "interleaved" : "half-split", r->theta);
    if (r->scaling != GLIM_ROPE_NONE && n < cap) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(buf + n, cap - n, scaling[r->scaling], r->factor);
#pragma GCC diagnostic pop
    }
    return buf;
}

static void print_text(const info *in) {
    const glim_model *m = in->m;
    const glim_config *c = &m->cfg;
    const glim_memory_plan *p = &m->plan;
    char a[64], b[64], d[64], e[160];
    printf("model      %s%s%s\n", in->known ? in->known : c->model_type, in->known ? ", class " : "",
           in->known ? c->model_type : "");
    printf("files      %d, %s, %zu tensors used, %zu skipped%s\n", glim_ckpt_n_files(m->ckpt),
           glim_human_bytes(a, sizeof a, (double)file_bytes(m->ckpt)), m->n_bound, m->n_skipped,
           c->n_mtp ? " (multi-token prediction layer, rotary tables, vision)" : "");
    printf("parameters %s (%llu)%s\n", glim_human_count(a, sizeof a, (double)m->n_params),
           (unsigned long long)m->n_params,
           !in->known_params ? "" : in->known_params == m->n_params ? ", as published" : ", NOT the published total");
    printf("shape      %zu layers, width %zu, %zu heads over %zu KV heads of %zu, FFN %zu\n", c->n_layer, c->n_embd,
           c->n_head, c->n_kv_head, c->head_dim, c->n_ff);
    if (c->n_expert)
        printf("experts    %zu of %zu, width %zu, %zu shared, after %zu dense layers\n", c->n_expert_used, c->n_expert,
               c->n_ff_expert, c->n_expert_shared, c->first_dense);
    printf("attention  rotary %s; bias on q, k, v: %s; q/k norm: %s; sandwich norms: %s\n",
           rope_text(&c->rope, e, sizeof e), m->layers[0].bq ? "yes" : "no", m->layers[0].q_norm ? "yes" : "no",
           c->sandwich_norms ? "yes" : "no");
    printf("vocabulary %zu rows", c->n_vocab);
    if (in->tok) printf(", %zu tokens\n", glim_tok_n(in->tok));
    else printf("; no tokenizer: %s\n", in->tok_err.msg);
    printf("template   %s\n", in->chat ? glim_chat_name(in->chat) : in->tok ? in->chat_err.msg : "not known");
    if (in->senses) printf("reader     of %zu meanings beside the weights (glim eval, glim desk ask)\n", glim_senses_sense(in->senses)->n);
    else if (in->senses_err.code) printf("reader     not readable: %s\n", in->senses_err.msg);
    printf("context    trained for %zu tokens\n", c->max_ctx);
    printf("weights    stored as %s, run as %s, %s read for a token\n", glim_dtype_of(m->layers[0].wo.type)->name,
           glim_dtype_of(p->weight_type)->name, glim_human_bytes(a, sizeof a, (double)m->bytes_per_token));

    printf("\nmemory at a context of            weights       KV  workspace     total\n");
    size_t ctxs[] = {2048, 8192, 32768, 131072, p->n_ctx};
    for (size_t i = 0; i < GLIM_COUNT(ctxs); i++) {
        size_t n = ctxs[i];
        if (i + 1 < GLIM_COUNT(ctxs) ? n > c->max_ctx || n == p->n_ctx : false) continue;
        size_t kv = glim_model_kv_bytes(c, p->kv_type, n), w = p->mapped + p->packed, total = w + kv + p->workspace;
        printf("  %7zu tokens, KV in %-5s  %11s %11s %10s %9s%s\n", n,
               p->kv_type == GLIM_I8 ? "q8" : glim_dtype_of(p->kv_type)->name, glim_human_bytes(a, sizeof a, (double)w),
               glim_human_bytes(b, sizeof b, (double)kv), glim_human_bytes(d, sizeof d, (double)p->workspace),
               glim_human_bytes(e, sizeof e, (double)total), total > p->available ? "  does not fit" : "");
    }
    cpu_name(e, sizeof e);
    printf("\nmachine    %s, %d threads, kernels %s, %s of memory free\n", e, glim_cpu_count(), m->k->name,
           glim_human_bytes(a, sizeof a, (double)p->available));
}

static void print_json(const info *in) {
    const glim_model *m = in->m;
    const glim_config *c = &m->cfg;
    const glim_memory_plan *p = &m->plan;
    char cpu[160];
    cpu_name(cpu, sizeof cpu);
    json_t *o = json_pack(
        "{s:s, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s?, s:s, s:s}", "model_type",
        c->model_type, "known_as", in->known, "parameters", (json_int_t)m->n_params, "published_parameters",
        (json_int_t)in->known_params, "file_bytes", (json_int_t)file_bytes(m->ckpt), "n_layer", (json_int_t)c->n_layer,
        "n_embd", (json_int_t)c->n_embd, "n_head", (json_int_t)c->n_head, "n_kv_head", (json_int_t)c->n_kv_head,
        "head_dim", (json_int_t)c->head_dim, "n_vocab", (json_int_t)c->n_vocab, "n_tokens",
        (json_int_t)(in->tok ? glim_tok_n(in->tok) : 0), "max_ctx", (json_int_t)c->max_ctx, "n_mtp",
        (json_int_t)c->n_mtp, "template", in->chat ? glim_chat_name(in->chat) : NULL, "weight_type",
        glim_dtype_of(p->weight_type)->name, "kv_type", glim_dtype_of(p->kv_type)->name);
    json_object_set_new(o, "experts",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "n_expert", (json_int_t)c->n_expert, "n_used",
                                  (json_int_t)c->n_expert_used, "n_shared", (json_int_t)c->n_expert_shared, "n_ff",
                                  (json_int_t)c->n_ff_expert, "first_dense", (json_int_t)c->first_dense));
    json_object_set_new(o, "plan",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:I}", "n_ctx", (json_int_t)p->n_ctx,
                                  "weights_bytes", (json_int_t)(p->mapped + p->packed), "kv_bytes", (json_int_t)p->kv,
                                  "workspace_bytes", (json_int_t)p->workspace, "total_bytes", (json_int_t)p->total,
                                  "available_bytes", (json_int_t)p->available, "fits", p->total <= p->available,
                                  "fell_back_to_int8", p->fell_back, "bytes_per_token", (json_int_t)m->bytes_per_token));
    json_object_set_new(o, "machine", json_pack("{s:s, s:i, s:s}", "cpu", cpu, "threads", glim_cpu_count(), "kernels",
                                                m->k->name));
    json_object_set_new(o, "meanings", json_integer(in->senses ? (json_int_t)glim_senses_sense(in->senses)->n : 0));
    glim_buf b = {0};
    glim_json_dump_py(&b, o, -1, false);
    puts(glim_buf_cstr(&b));
    glim_buf_free(&b);
    json_decref(o);
}

int glim_cmd_info(int argc, char **argv) {
    glim_model_flags mf = {0};
    bool json = false;
    const glim_flag own[] = {{"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0}, {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&mf), {0}};
    const glim_page u = {"glim info MODEL",
                          "Describes a model without loading its weights, plans its memory, and says whether this machine\n"
                          "can run it. Exit code 2 if it cannot.", {own, model}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_err err = {0};
    glim_ckpt *ckpt = NULL;
    info in = {0};
    glim_model_params mp;
    glim_status rc = glim_cli_model_params(&mp, &mf, &err);
    if (rc == GLIM_OK) rc = glim_ckpt_open(&ckpt, pos.v[0], &err);
    if (rc == GLIM_OK) rc = glim_model_inspect(&in.m, ckpt, &mp, &err);
    if (rc != GLIM_OK) return glim_cli_error(&err);
    in.known = glim_config_known_name(&in.m->cfg, &in.known_params);
    if (glim_tok_from_ckpt(&in.tok, in.m->ckpt, &in.tok_err) == GLIM_OK) {
        if (mf.template && !glim_chat_parse(mf.template, &in.chat)) {
            rc = glim_fail(&err, GLIM_E_ARG, "no chat template is called \"%s\"", mf.template);
            glim_err_hint(&err, "known: %s", glim_chat_names());
        } else if (!mf.template &&
                   glim_chat_detect(&in.chat, glim_ckpt_chat_template(in.m->ckpt), &in.m->cfg, in.tok, &in.chat_err) != GLIM_OK)
            in.chat = GLIM_CHAT_NONE;
    }
    glim_senses_open(&in.senses, glim_ckpt_gguf(in.m->ckpt), &in.senses_err);
    if (rc == GLIM_OK) {
        if (json) print_json(&in);
        else print_text(&in);
        rc = glim_model_fits(in.m, &err);
    }
    glim_senses_free(in.senses);
    glim_tok_free(in.tok);
    glim_model_free(in.m);
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
