# mutations.sh - read by run.sh: mutate NAME FILE OLD NEW. OLD stands in src/model/FILE exactly once.
# Left out because nothing can notice it: every RoPE position moved by one (scores depend on differences only).

# --- rotary embedding
mutate rope_pairs_the_other_way forward.c \
    '.interleaved = c->rope.interleaved}' \
    '.interleaved = !c->rope.interleaved}'
mutate rope_leaves_keys_alone forward.c \
    'k->rope(kk, c->n_kv_head, p->ws->cos + i * half, p->ws->sin + i * half, spec);' \
    ''
mutate rope_turns_backwards rope.c \
    'sin_out[j] = sinf(angle) * mscale;' \
    'sin_out[j] = -sinf(angle) * mscale;'
mutate yarn_forgets_its_attention_factor rope.c \
    '*mscale = (float)(r->attention_factor > 0 ? r->attention_factor : 0.1 * log(r->factor) + 1);' \
    ''

# --- norms
mutate sandwich_norm_after_attention_omitted forward.c \
    '.post = l->post_attn_norm,' \
    '.post = NULL,'
mutate sandwich_norm_after_ffn_omitted forward.c \
    '.post = l->post_ffn_norm,' \
    '.post = NULL,'
mutate sandwich_norm_moved_behind_the_residual forward.c \
    'if (j->post) k->rmsnorm(o, o, j->post, n, eps);
        if (j->add) k->add(h, o, n);' \
    'if (j->add) k->add(h, o, n);
        if (j->post) k->rmsnorm(h, h, j->post, n, eps);'
mutate pre_norm_becomes_the_residual forward.c \
    'k->rmsnorm(ws->x + i * n, h, j->norm, n, eps);' \
    'k->rmsnorm(h, h, j->norm, n, eps); memcpy(ws->x + i * n, h, n * sizeof *h);'
mutate qk_norm_omitted forward.c \
    'if (p->l->q_norm) {' \
    'if (false) {'

# --- experts
mutate router_bias_used_in_the_weights moe.c \
    'sum += w[j] = prob[chosen[j]];' \
    'sum += w[j] = prob[chosen[j]] + (p->l->router_bias ? p->l->router_bias[chosen[j]] : 0);'
mutate router_bias_not_used_in_the_choice moe.c \
    'c[i] = prob[i] + (p->l->router_bias ? p->l->router_bias[i] : 0);' \
    'c[i] = prob[i];'
mutate expert_groups_ignored moe.c \
    'if (cfg->n_group > 1) mask_groups(cfg, c, score);' \
    '(void)mask_groups;'
mutate routing_weights_not_normalised moe.c \
    'if (cfg->norm_topk) w[j] /= sum + 1e-20f;' \
    ''
mutate routed_scale_dropped moe.c \
    'w[j] *= cfg->routed_scale;' \
    ''
mutate shared_expert_dropped moe.c \
    'if (p->l->ffn.n_ff) p->k->add(y, sum, n);
        else memcpy(y, sum, n * sizeof *y);' \
    'memcpy(y, sum, n * sizeof *y);'

# --- attention
mutate attention_scale_dropped attn.c \
    'src[i] * p->m->attn_scale;' \
    'src[i];'
mutate mask_shows_the_next_token attn.c \
    '.pos + 1; /* causal: itself and before */' \
    '.pos + 2;'
mutate mask_hides_the_token_itself attn.c \
    '.pos + 1; /* causal: itself and before */' \
    '.pos + (p->b->rows[it->row0 + i / group].pos == 0);'
mutate chunks_merged_without_their_maxima attn.c \
    '*l = *l * a + pl * b;' \
    '*l = *l + pl;'

# --- ffn
mutate gate_and_up_swapped forward.c \
    'j->k->silu_mul(j->gate + i * j->n, j->gate + i * j->n, j->up + i * j->n, j->n);' \
    'j->k->silu_mul(j->gate + i * j->n, j->up + i * j->n, j->gate + i * j->n, j->n);'
