#!/bin/bash
# test_layers.sh - an upward #include does not compile.
#
# For every layer: with the include path its own files were compiled with (compile_commands.json), a file that includes
# a header of the layer itself and of each layer above it in the list compiles, and one that includes a header of any
# layer below does not, because that header cannot be found. And nobody walks around it with "../" or an absolute path.
set -u
src=${GLIM_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${GLIM_BUILD_DIR:-$src/build}
commands=$build/compile_commands.json
[ -f "$commands" ] || { echo "  skipped: there is no $commands"; exit 77; }
cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
read -r -a layers < <(sed -n 's/^set(GLIM_LAYERS \(.*\))$/\1/p' "$src/CMakeLists.txt")
[ ${#layers[@]} -ge 2 ] || { echo "  no list of layers in CMakeLists.txt"; exit 1; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "  FAILED: $*"; }

# compiles HEADER...: does a file of this layer see these headers? Only found or not found counts, so preprocess.
compiles() {
    printf '#include "%s"\n' "$@" > "$tmp/probe.c"
    "$cc" "${flags[@]}" -D_GNU_SOURCE -E "$tmp/probe.c" -o /dev/null 2> "$tmp/err"
}

for i in "${!layers[@]}"; do
    layer=${layers[i]}
    # The -I and -isystem of one file of this layer, as CMake really passes them.
    command=$(grep -m 1 "\"command\": .* $src/src/$layer/[^ ]*\.c\"" "$commands")
    if [ -n "$command" ]; then
        read -r -a words <<< "${command#*\"command\": \"}"
        flags=()
        for ((w = 0; w < ${#words[@]}; w++)); do
            case ${words[w]} in
            -I*) flags+=("${words[w]}") ;;
            -isystem) flags+=(-isystem "${words[w + 1]}") ;;
            esac
        done
    else
        flags=("-I$build/include-$layer" "-I$src/include") # the layer has no file yet
    fi
    # All that may be seen at once; one by one only to say which of them failed.
    mapfile -t allowed < <(cd "$src/src" && for l in "${layers[@]:0:i+1}"; do [ -d "$l" ] && find "$l" -name '*.h'; done | sort)
    together=0
    [ ${#allowed[@]} -gt 0 ] && compiles "${allowed[@]}" && together=1
    for j in "${!layers[@]}"; do
        mapfile -t headers < <(cd "$src/src" && find "${layers[j]}" -name '*.h' | sort)
        [ ${#headers[@]} -gt 0 ] || continue
        if [ "$j" -le "$i" ]; then
            if [ $together = 1 ] || compiles "${headers[@]}"; then ok; else bad "$layer/ cannot include ${layers[j]}/: $(head -n 1 "$tmp/err")"; fi
        elif compiles "${headers[0]}"; then # one header stands for all: what is hidden is the folder
            bad "$layer/ can include \"${headers[0]}\", which lies below it"
        elif grep -q "${headers[0]}.*\(No such file\|file not found\)" "$tmp/err"; then
            ok
        else
            bad "\"${headers[0]}\" in $layer/ fails for another reason: $(head -n 1 "$tmp/err")"
        fi
    done
done

if found=$(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<](\.\.|.*/\.\./|/)' "$src/src" --include='*.[ch]' --include='*.cu'); then
    bad "an include walks out of its folder: $found"
else
    ok
fi

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
