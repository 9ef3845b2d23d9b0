#!/bin/bash
# glim bench: figures only after the agreement with plain C, in three spellings; what is left out is said.
. "$(dirname "$0")/lib.sh"
m=$fixtures/glm4

run 0 "$GLIM" bench "$m" --quick --reps 1
says '^agrees .* plain C'; says '^prefill of 128 .* tokens/s .* % of '; says '^decode, empty .* % of read bandwidth'
says '^4 streams'; says '^left out  starts'; says '^memory  *peak .* own, .* mapped'
[ "$(grep -n '^agrees' "$work/out" | cut -d: -f1)" -lt "$(grep -n 'tokens/s' "$work/out" | head -1 | cut -d: -f1)" ] && ok || bad "a speed came before the agreement"
run 0 env GLIM_CPU=ref "$GLIM" bench "$m" --quick --reps 1 --prefill 16 --batch none
says 'kernels ref'; says 'these are the plain C kernels'

# experts, lists, contexts that are too long, starts of the program itself
run 0 "$GLIM" bench "$fixtures/glm4moe-air" --reps 2 --tokens 2 --prefill 8,1000000 --depth 0,32 --batch 1,3 -t 1
says '1 threads'; says '^prefill of 8 '; says '^left out  prefill of 1000000'; says '^decode at 32 '; says '^3 streams'
says '^start, no cache .* to the first token'; says '^left out  starts with a cache'
[ -z "$(ls "$XDG_CACHE_HOME/glim" 2> /dev/null | grep bench-)" ] && ok || bad "a folder of packed weights was left behind"

# JSON and CSV
run 0 "$GLIM" bench "$m" --quick --reps 1 --json --csv "$work/csv"
[ "$(wc -l < "$work/out")" -eq 1 ] && ok || bad "one line of JSON"
says '"agree": {"ok": true'; says '"what": "prefill", "tokens": 128'; says '"read_gbs": {"median": [0-9.]*'
if grep -qE 'null|nan|inf[,}]' "$work/out"; then bad "a figure is not a number"; else ok; fi
[ "$(tr -cd '{' < "$work/out" | wc -c)" -eq "$(tr -cd '}' < "$work/out" | wc -c)" ] && ok || bad "braces of the JSON"
[ "$(head -1 "$work/csv" | cut -d, -f8)" = what ] && [ "$(wc -l < "$work/csv")" -eq 5 ] && ok || bad "CSV: a head and four figures"
run 0 "$GLIM" bench "$m" --quick --reps 1 --csv - --prefill none
[ "$(wc -l < "$work/out")" -eq 4 ] && ok || bad "CSV on stdout alone"
run 0 "$GLIM" bench "$m" --start-only --ctx 64; says '"cache": "none", "open_s": [0-9]'

# models of random weights: what make_model writes is a whole model, and the same each time
make=$GLIM_BUILD_DIR/bench/make_model
for shape in glm-4-9b-0414 glm-4.5-air smollm2-135m; do
    for type in q4_0 q4_k; do
        run 0 "$make" $shape --type $type --layers 2 --shrink 32 --out "$work/m.gguf"; says 'tensors'
        run 0 "$GLIM" verify "$work/m.gguf" --quick; says '^ok    all logits finite'
    done
done
cp "$work/m.gguf" "$work/m1.gguf"
run 0 "$make" smollm2-135m --type q4_k --layers 2 --shrink 32 --out "$work/m.gguf"; same "$work/m.gguf" "$work/m1.gguf"
run 0 "$GLIM" bench "$work/m.gguf" --quick --reps 1; says 'weights q5_0'; says '^prefill of 128'
run 0 "$GLIM" run "$work/m.gguf" --raw -p 'a small light' -n 3 --ignore-eos
run 0 "$make" glm-4.5-air --type bf16 --layers 2 --shrink 64 --out "$work/m.gguf"
run 0 "$GLIM" info "$work/m.gguf"; says '2 layers'
# a model large enough for a file of packed weights: the second start finds what the first one left
run 0 "$make" smollm2-135m --type q4_0 --layers 1 --out "$work/m.gguf"
run 0 "$GLIM" bench "$work/m.gguf" --reps 1 --starts 1 --prefill none --depth none --batch none
says '^start, no cache'; says '^start, cache .* resident\|left out  starts with a cache'
rm -rf "$XDG_CACHE_HOME/glim/packed" # no figure is taken while the file of packed weights is made
run 0 "$GLIM" bench "$work/m.gguf" --quick --reps 1 --prefill none --batch none --json; says '"packed": "found"'
[ -z "$(ls "$XDG_CACHE_HOME/glim" | grep bench-)" ] && ok || bad "a folder of packed weights was left behind"
ls "$XDG_CACHE_HOME/glim/plain" > "$work/plain" 2>&1
run 0 "$GLIM" bench "$work/m.gguf" --quick --reps 1 --prefill none --batch none; says '^agrees'
ls "$XDG_CACHE_HOME/glim/plain" > "$work/plain2" 2>&1; same "$work/plain" "$work/plain2"
run 2 "$make" glm-9000 --type q4_0 --out "$work/m.gguf"
run 2 "$make" glm-4.5-air --type q9_0 --out "$work/m.gguf"
run 2 "$make" glm-4.5-air --type q4_0 --layers 99 --out "$work/m.gguf"

# a context beyond what is read: copies of its pages, longer and shorter again
run 0 "$GLIM" bench "$m" --reps 1 --starts 0 --prefill none --batch none --depth 700,600 --tokens 2 -t 1
says '^decode at 700 '; says '^decode at 600 '

# wrong words
run 2 "$GLIM" bench "$m" --prefill 12,x; one_error '--prefill'
run 2 "$GLIM" bench "$m" --depth -1; one_error '--depth'
run 2 "$GLIM" bench "$m" --reps 0; one_error '--reps'
run 2 "$GLIM" bench "$m" --json --csv -; one_error 'stdout'
run 2 "$GLIM" bench /nonexistent/model; one_error '/nonexistent/model'
run 0 "$GLIM" bench --help; says 'glim bench MODEL'
finish
