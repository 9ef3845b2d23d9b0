#!/bin/bash
# run.sh - breaks the model on purpose, one small change at a time, and wants the golden tests to notice each.
#
# src/model is copied, a mutation of mutations.sh is applied to the copy, only the changed file is compiled again (-O0: the runs are short)
# and linked with the libraries of the build under test, and the f32 golden test runs. The unchanged copy must pass, every
# mutation must fail, and a mutation whose text no longer stands in the source exactly once, or does not compile, is an
# error: the table then needs care.
#
#   tests/mutation/run.sh [WORD]      only the mutations whose names contain WORD
# Reads GLIM_SOURCE_DIR and GLIM_BUILD_DIR (an unsanitized build). Exits 77 where that is not there.
set -u
src=${GLIM_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${GLIM_BUILD_DIR:-$src/build}
only=${1:-}
skip() { echo "    skipped: $*"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }

[ -f "$build/CMakeCache.txt" ] && [ -f "$build/libglim_model.a" ] || skip "$build holds no built model layer"
grep -q '^GLIM_SANITIZE:[A-Z]*=.' "$build/CMakeCache.txt" && skip "the build is sanitized; the plain one runs this"
grep -q '^GLIM_FUZZ:[A-Z]*=ON' "$build/CMakeCache.txt" && skip "the build is for fuzzing; the plain one runs this"

cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
linker=()
grep -q '^GLIM_HAVE_GOLD:[A-Z]*=1' "$build/CMakeCache.txt" && linker=(-fuse-ld=gold)
mkdir "$tmp/model" "$tmp/obj"
cp "$src"/src/model/*.[ch] "$tmp/model"

# The copy's folder comes first, so that "model/x.h" is the copy's too.
read -r -a cflags < <(pkg-config --cflags jansson libutf8proc libcurl nettle libpcre2-8 | tr '\n' ' ')
read -r -a ldlibs < <(pkg-config --libs jansson libutf8proc libcurl nettle libpcre2-8 | tr '\n' ' ')
cflags+=(-std=gnu11 -O0 -w -ffp-contract=off -fno-math-errno -D_GNU_SOURCE -DGLIM_VERSION=\"mutation\"
    -DGLIM_SOURCE_DIR="\"$src\"" "-I$tmp" "-I$build/include-model" "-I$src/include" "-I$src/tests")
libs=()
for layer in text format tensor net base; do
    [ -f "$build/libglim_$layer.a" ] && libs+=("$build/libglim_$layer.a")
done

compile() { # FILE OBJECT
    "$cc" "${cflags[@]}" -c "$1" -o "$2" 2> "$tmp/err" || { head -n 5 "$tmp/err"; return 1; }
}

# golden OBJECT...: 0 passes, 1 is noticed (a failure, a crash or a hang), 2 cannot be built
golden() {
    "$cc" "${linker[@]}" "$tmp/test_golden.o" "$tmp/test_main.o" "$@" "${libs[@]}" "${ldlibs[@]}" -lm -lpthread -o "$tmp/golden" \
        2> "$tmp/err" || { head -n 5 "$tmp/err"; return 2; }
    timeout 60 "$tmp/golden" f32_logits > "$tmp/out" 2>&1
    local rc=$?
    grep -q '^0 passed, 0 failed' "$tmp/out" && { echo "no golden test ran"; return 2; }
    [ $rc -eq 0 ] && return 0 || return 1
}

passed=0 failed=0
bad() { failed=$((failed + 1)); echo "  FAILED: $*"; }

pids=()
for c in "$tmp"/model/*.c; do
    name=${c##*/}
    compile "$c" "$tmp/obj/${name%.c}.o" &
    pids+=($!)
done
compile "$src/tests/model/test_golden.c" "$tmp/test_golden.o" && compile "$src/tests/test_main.c" "$tmp/test_main.o" || exit 1
for pid in "${pids[@]}"; do wait "$pid" || exit 1; done

echo "  the unchanged model passes"
if golden "$tmp"/obj/*.o; then
    passed=$((passed + 1))
else
    tail -n 5 "$tmp/out"
    bad "the unchanged model does not pass; nothing can be said about mutations"
    echo "$passed passed, $failed failed, 0 skipped"
    exit 1
fi

mutate() { # NAME FILE OLD NEW
    local name=$1 file=$2 old=$3 new=$4 text rest objects=() o
    [[ $name == *"$only"* ]] || return
    echo "  $name"
    if [ ! -f "$tmp/model/$file" ]; then bad "$name: there is no src/model/$file"; return; fi
    text=$(< "$tmp/model/$file")
    rest=${text#*"$old"}
    if [ "$rest" = "$text" ]; then bad "$name: its text is no longer in src/model/$file: $old"; return; fi
    if [ "${rest#*"$old"}" != "$rest" ]; then bad "$name: its text stands more than once in src/model/$file: $old"; return; fi
    printf '%s\n' "${text%%"$old"*}$new$rest" > "$tmp/mutated.c"
    if ! compile "$tmp/mutated.c" "$tmp/mutated.o"; then bad "$name: does not compile"; return; fi
    for o in "$tmp"/obj/*.o; do [ "$o" = "$tmp/obj/${file%.c}.o" ] || objects+=("$o"); done
    golden "$tmp/mutated.o" "${objects[@]}"
    case $? in
    0) bad "$name: nothing noticed it" ;;
    1) passed=$((passed + 1)); grep -m 1 -E 'CHECK|test_golden.c:|ERROR' "$tmp/out" | sed 's/^ */      /' ;;
    *) bad "$name: could not be linked or run" ;;
    esac
}

. "$(dirname "$0")/mutations.sh"

echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
