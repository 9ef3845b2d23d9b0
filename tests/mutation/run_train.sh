#!/bin/bash
# run_train.sh - breaks training on purpose, one small change at a time, and wants the comparison with PyTorch's gradients
# to notice each. As run.sh does it for the model: the unchanged copy must pass, every mutation must fail.
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
mkdir "$tmp/train" "$tmp/obj"
cp "$src"/src/train/*.[ch] "$tmp/train"
packages="jansson libutf8proc libcurl nettle libpcre2-8"
read -r -a cflags < <(pkg-config --cflags $packages | tr '\n' ' ')
read -r -a ldlibs < <(pkg-config --libs $packages | tr '\n' ' ')
cflags+=(-std=gnu11 -O1 -w -ffp-contract=off -fno-math-errno -D_GNU_SOURCE -DGLIM_VERSION=\"mutation\"
    -DGLIM_SOURCE_DIR="\"$src\"" "-I$tmp" "-I$build/include-train" "-I$src/include" "-I$src/tests" "-I$src/tests/train")
libs=()
for layer in engine model text format tensor net base; do libs+=("$build/libglim_$layer.a"); done
# What a gradient needs of the layer: neither data sets nor runs.
parts=(attn block experts lin net ops packs pass)

compile() { "$cc" "${cflags[@]}" -c "$1" -o "$2" 2> "$tmp/err" || { head -n 5 "$tmp/err"; return 1; }; }
gradients() { # OBJECT...: 0 passes, 1 is noticed, 2 cannot be built
    "$cc" "$tmp/test.o" "$tmp/test_main.o" "$@" "${libs[@]}" "${ldlibs[@]}" -lm -lpthread -o "$tmp/run" 2> "$tmp/err" ||
        { head -n 5 "$tmp/err"; return 2; }
    timeout 60 "$tmp/run" gradients_of_every > "$tmp/out" 2>&1
    local rc=$?
    grep -q '^0 passed, 0 failed' "$tmp/out" && return 2
    [ $rc -eq 0 ] && return 0 || return 1
}
passed=0 failed=0
bad() { failed=$((failed + 1)); echo "  FAILED: $*"; }

for p in "${parts[@]}"; do compile "$tmp/train/$p.c" "$tmp/obj/$p.o" || exit 1; done
compile "$src/tests/train/test_backward.c" "$tmp/test.o" && compile "$src/tests/test_main.c" "$tmp/test_main.o" || exit 1
echo "  the unchanged layer passes"
gradients "$tmp"/obj/*.o && passed=$((passed + 1)) || { tail -n 5 "$tmp/out"; bad "the unchanged layer does not pass"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }

mutate() { # NAME PART FILE OLD NEW
    local name=$1 part=$2 file=$3 old=$4 new=$5 text rest objects=() o
    echo "  $name"
    text=$(< "$src/src/train/$file")
    rest=${text#*"$old"}
    if [ "$rest" = "$text" ]; then bad "$name: its text is no longer in src/train/$file: $old"; return; fi
    printf '%s\n' "${text%%"$old"*}$new$rest" > "$tmp/train/$file"
    compile "$tmp/train/$part.c" "$tmp/mutated.o" || { bad "$name: does not compile"; cp "$src/src/train/$file" "$tmp/train/$file"; return; }
    cp "$src/src/train/$file" "$tmp/train/$file"
    for o in "$tmp"/obj/*.o; do [ "$o" = "$tmp/obj/$part.o" ] || objects+=("$o"); done
    gradients "$tmp/mutated.o" "${objects[@]}"
    case $? in
    0) bad "$name: nothing noticed it" ;;
    1) passed=$((passed + 1)) ;;
    *) bad "$name: could not be linked or run" ;;
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

echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
