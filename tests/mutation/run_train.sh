#!/bin/bash
# run_train.sh - breaks training on purpose, one small change at a time, and wants the comparison with PyTorch's gradients
# to notice each; then private training, and wants its tests to notice. As run.sh does it for the model: the unchanged copy
# must pass, every mutation must fail.
# Reads GLIM_SOURCE_DIR and GLIM_BUILD_DIR (an unsanitized build). Exits 77 where that is not there.
set -u
src=${GLIM_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${GLIM_BUILD_DIR:-$src/build}
skip() { echo "    skipped: $*"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }
[ -f "$build/CMakeCache.txt" ] && [ -f "$build/libglim_train.a" ] || skip "$build holds no built train layer"
grep -q '^GLIM_SANITIZE:[A-Z]*=.' "$build/CMakeCache.txt" && skip "the build is sanitized; the plain one runs this"
grep -q '^GLIM_FUZZ:[A-Z]*=ON' "$build/CMakeCache.txt" && skip "the build is for fuzzing; the plain one runs this"

cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
linker=()
grep -q '^GLIM_HAVE_GOLD:[A-Z]*=1' "$build/CMakeCache.txt" && linker=(-fuse-ld=gold)
mkdir "$tmp/train" "$tmp/obj"
cp "$src"/src/train/*.[ch] "$tmp/train"
packages="jansson libutf8proc libcurl nettle libpcre2-8 libsodium sqlite3 libarchive libzip expat"
read -r -a cflags < <(pkg-config --cflags $packages | tr '\n' ' ')
read -r -a ldlibs < <(pkg-config --libs $packages | tr '\n' ' ')
cflags+=(-std=gnu11 -O0 -w -ffp-contract=off -fno-math-errno -D_GNU_SOURCE -DGLIM_VERSION=\"mutation\"
    -DGLIM_SOURCE_DIR="\"$src\"" "-I$tmp" "-I$build/include-train" "-I$src/include" "-I$src/tests" "-I$src/tests/train")
libs=()
for layer in data engine model text format tensor net base; do libs+=("$build/libglim_$layer.a"); done
# What a gradient needs of the layer: neither data sets nor runs.
parts=(attn block dora dp_grad experts lin loss_dpo net ops packs pass)
losses=(export loss_distill optim)

compile() { "$cc" "${cflags[@]}" -c "$1" -o "$2" 2> "$tmp/err" || { head -n 5 "$tmp/err"; return 1; }; }
# What is tried now: program, the tests in it, what is linked behind its own objects.
test=backward only=gradients_of_every archives=("${libs[@]}")
limit=300 # seconds; these take a few. A loaded machine shows nothing about a mutation
try() { # OBJECT...: 0 passes, 1 is noticed, 2 cannot be built, or did not come to an end
    "$cc" "${linker[@]}" "$tmp/test_$test.o" "$tmp/test_main.o" "$@" -Wl,--start-group "${archives[@]}" -Wl,--end-group "${ldlibs[@]}" -lm -lpthread -o "$tmp/run" 2> "$tmp/err" ||
        { head -n 5 "$tmp/err"; return 2; }
    timeout $limit "$tmp/run" "$only" > "$tmp/out" 2>&1
    local rc=$?
    [ $rc -eq 124 ] && { echo "    took more than $limit s"; return 2; }
    grep -q '^0 passed, 0 failed' "$tmp/out" && return 2
    [ $rc -eq 0 ] && return 0 || return 1
}
passed=0 failed=0
bad() { failed=$((failed + 1)); echo "  FAILED: $*"; }

for p in "${parts[@]}"; do compile "$tmp/train/$p.c" "$tmp/obj/$p.o" || exit 1; done
compile "$src/tests/train/test_backward.c" "$tmp/test_backward.o" && compile "$src/tests/test_main.c" "$tmp/test_main.o" || exit 1
echo "  the unchanged layer passes"
try "$tmp"/obj/*.o && passed=$((passed + 1)) || { tail -n 5 "$tmp/out"; bad "the unchanged layer does not pass"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }

mutate() { # NAME PART FILE OLD NEW
    local name=$1 part=$2 file=$3 old=$4 new=$5 text rest objects=() o
    echo "  $name"
    text=$(< "$src/src/train/$file")
    rest=${text#*"$old"}
    if [ "$rest" = "$text" ]; then bad "$name: its text is no longer in src/train/$file: $old"; return; fi
    printf '%s\n' "${text%%"$old"*}$new$rest" > "$tmp/train/$file"
    compile "$tmp/train/$part.c" "$tmp/mutated.o" || { bad "$name: does not compile"; cp "$src/src/train/$file" "$tmp/train/$file"; return; }
    cp "$src/src/train/$file" "$tmp/train/$file"
    for o in "$tmp"/obj/*.o; do [ ! -f "$o" ] || [ "$o" = "$tmp/obj/$part.o" ] || objects+=("$o"); done
    try "$tmp/mutated.o" "${objects[@]}"
    case $? in
    0) bad "$name: nothing noticed it" ;;
    1) passed=$((passed + 1)) ;;
    *) bad "$name: could not be linked or run to its end" ;;
    esac
}

mutate rope_turns_back_the_wrong_way ops ops_body.h '*a = va * cosine[j] + vb * sine[j];' '*a = va * cosine[j] - vb * sine[j];'
mutate rope_pairs_the_other_way block block.c '.interleaved = c->rope.interleaved}' '.interleaved = !c->rope.interleaved}'
mutate mask_lets_the_next_token_be_seen attn attn.c 'sees = q0 + r + 1;' 'sees = q0 + r + 2;'
mutate scale_left_out_of_the_queries_gradient attn attn.c 'dq[r * nq + d] *= n->m->attn_scale;' ';'
mutate router_chooses_without_its_bias experts experts.c '(j->l->router_bias ? j->l->router_bias[i] : 0)' '0'
mutate router_has_no_gradient experts experts.c 'glim_lin_back(n, &l->router, t->dz' 'if (0) glim_lin_back(n, &l->router, t->dz'
mutate routed_scale_left_out experts experts.c '(double)cfg->routed_scale);
    }
}

static void sort_slots' '1);
    }
}

static void sort_slots'
mutate norm_forgets_that_its_divisor_moves ops ops_body.h 'r * (w[i] * dy[i]) - c * x[i]' 'r * (w[i] * dy[i])'
mutate sandwich_norm_is_passed_by block block.c 'norm_back(n, t->d_o, t->dh, t->o, &l->post_attn_norm, t->rp1, false);' 'memcpy(t->d_o, t->dh, rows * E * 4);'
mutate bias_has_no_gradient lin lin.c 'if (l->gbias) glim' 'if (0) glim'
mutate tied_head_gives_the_embedding_nothing net net.c 'n->head.w = own, n->head.gw = g;' 'n->head.w = own;'
mutate residual_is_cut block block.c 'norm_back(n, t->dh, t->dx, t->h1, &l->ffn_norm, t->r2, true);' 'norm_back(n, t->dh, t->dx, t->h1, &l->ffn_norm, t->r2, false);'
only=blocks_that_are
mutate dense_blocks_are_not_computed_again block block.c 'if (!t->kept && t->holds != layer)' 'if (!t->kept && t->holds != layer && n->m->cfg.n_expert)'
mutate blocks_are_kept_whoever_asks_otherwise pass pass.c 't->kept = !net->recompute &&' 't->kept ='

# The methods beside plain LoRA: their gradients and losses (test_methods.c).
test=methods only=pytorchs_gradients
for p in "${losses[@]}"; do compile "$tmp/train/$p.c" "$tmp/obj/$p.o" || exit 1; done
compile "$src/tests/train/test_methods.c" "$tmp/test_methods.o" || exit 1
echo "  the unchanged methods pass"
try "$tmp"/obj/*.o && passed=$((passed + 1)) || { tail -n 5 "$tmp/out"; bad "the unchanged methods do not pass"; }
mutate dora_does_not_stretch_what_comes_back dora dora.c 'dz[i] = j->f[i] * dy[i];' 'dz[i] = dy[i];'
mutate dora_forgets_the_length_in_its_gradient dora dora.c 'dy[i] * z[i] / j->length[i]' 'dy[i] * z[i]'
mutate dora_stretches_the_bias_too dora dora.c 'j->f[i] * x[i] + (j->bias ? j->bias[i] : 0)' 'j->f[i] * (x[i] + (j->bias ? j->bias[i] : 0))'
mutate dora_measures_the_base_alone dora dora.c 'p->rank, (double)p->scale' 'p->rank, 0'
mutate dpo_rewards_the_rejected_answer loss_dpo loss_dpo.c 'd->scale[i] = slope;' 'd->scale[i] = -slope;'
mutate dpo_has_no_reference loss_dpo loss_dpo.c 'n->bypass = true;' ';'
mutate dpo_slope_is_not_the_loss_s loss_dpo loss_dpo.c 'scale / (1 + exp(z))' 'scale / (1 + exp(-z))'
mutate distillation_without_its_temperature loss_distill loss_distill.c '/ t->p.temperature);' '/ 1);'
mutate distillation_has_no_square_of_t ops ops_body.h 'weight * temperature * soft' 'weight * soft'
mutate distillation_forgets_the_other_tokens ops ops_body.h 'double soft = q - q * share;' 'double soft = q;'
mutate teacher_looks_one_row_too_far loss_distill loss_distill.c '.pos = b->pos[first + i]' '.pos = b->pos[first + i] + 1'
only=pairs_of_every
mutate pairs_leave_their_scale_out_of_a lin lin.c 'scale_job s = {dt, p->scale, p->rank};' 'scale_job s = {dt, 1, p->rank};'
mutate parts_of_a_fused_matrix_forget_each_other lin lin.c '.add = !l->first,' '.add = false,'
mutate an_experts_up_looks_at_its_gates_pair experts experts.c 'dex, E, true, k, expert_t(n, &f->up, s0), drop);' 'dex, E, true, k, expert_t(n, &f->gate, s0), drop);'
only=load_balancing
mutate balance_counts_all_experts_alike experts experts.c 'f[t->chosen[i]] += 1;' 'f[i % n] += 1;'
mutate balance_takes_no_mean_over_rows experts experts.c 'j->n->balance / (double)(r1 - r0)' 'j->n->balance'
mutate balance_forgets_the_sum_of_scores ops ops_body.h 'g / sum * ((double)f[i] - dot)' 'g * ((double)f[i] - dot)'

# ---- private training: the whole layer, with one object in place of the archive's
test=dp_run archives=("$build/libglim_train.a" "${libs[@]}" "$build/libglim_store.a" "$build/libglim_audit.a")
for l in "${archives[@]}"; do [ -f "$l" ] || { bad "$l is not built"; break; }; done
compile "$src/tests/train/test_dp_run.c" "$tmp/test_dp_run.o" || bad "test_dp_run.c does not compile"
rm -f "$tmp"/obj/*.o
mutate_private() { # NAME TEST PART OLD NEW
    only=$2
    mutate "$1" "$3" "$3.c" "$4" "$5"
}
for only in a_private_step_of canaries_of a_private_run_is; do
    echo "  the unchanged private layer passes: $only"
    try && passed=$((passed + 1)) || { tail -n 5 "$tmp/out"; bad "the unchanged private layer does not pass: $only"; }
done
mutate_private noise_without_its_factor a_private_step_of_an dp_noise 'rint(z[i] * l->sd)' 'rint(z[i] / l->g)'
mutate_private audit_with_the_noise_off canaries_of dp_noise 'rint(z[i] * l->sd)' '0'
mutate_private batches_of_a_fixed_size a_private_step_of_an dp_run 'out->n = glim_dp_sample(r->rng, step, n_part, r->plan.q, r->picked);' \
    'out->n = 6; for (size_t i = 0; i < 6; i++) r->picked[i] = (step * 6 + i) % n_part;'
mutate_private clipping_after_the_sum a_private_step_of_an dp_grad \
    '    if (rc == GLIM_OK && d->form) glim_pool_for(d->n->pool, (d->n->n_values + PART - 1) / PART, 1, form_sums, d);' \
    '    if (rc == GLIM_OK && d->form) {
        double all = 0;
        for (size_t s = 0; s < b->n_seq; s++) d->factor[s] = 1;
        form_sums(d, 0, (d->n->n_values + PART - 1) / PART, 0);
        for (size_t i = 0; i < d->n->n_values; i++) all += d->sum[i] * d->sum[i];
        all = d->clip * (double)b->n_seq / sqrt(all);
        for (size_t i = 0; i < d->n->n_values && all < 1; i++) d->sum[i] *= all;
    }'
mutate_private halves_of_a_pair_cut_apart a_private_step_of_pairs dp_grad '= (uint32_t)(s / each);' '= (uint32_t)(s / each * 0 + s % d->n_seq);'
mutate_private ghost_norm_without_its_cross_terms a_private_step_of_all dp_grad 'sum += (s == i ? 1 : 2) * dot(j->dy' 'sum += (s == i ? 1 : 0) * dot(j->dy'
mutate_private an_examples_loss_depends_on_its_batch a_private_step_of_an dp_run 'scale[i] = 1 / (double)n;' 'scale[i] = 1 / (double)(n * b->n_seq);'
mutate_private a_step_that_is_not_charged a_private_run_is dp_run 'rc = glim_dp_ledger_charge(r->p.ledger, r->id, step, err);' 'rc = GLIM_OK;'
mutate_private a_key_that_outlives_its_run a_private_run_is dp_run 'glim_status rc = glim_dp_state_erase(r->key_path, err)' 'glim_status rc = GLIM_OK'

echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
