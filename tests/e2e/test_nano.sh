#!/bin/bash
# recipes/nano at its smallest: from a seed to a GGUF with its card, all of it in seconds; and what the generator promises.
. "$(dirname "$0")/lib.sh"
export NANO_GEN=$GLIM_BUILD_DIR/recipes/nano/nano_gen THREADS=2 GLIM
gen="$NANO_GEN"
run 0 $gen "$work/d1" 60 60 10 5 7
run 0 $gen "$work/d2" 60 60 10 5 7
run 0 $gen "$work/d3" 60 60 10 5 8
for f in corpus.jsonl sft.jsonl pairs.jsonl tokens.txt eval/answer-zh.jsonl; do same "$work/d1/$f" "$work/d2/$f"; done
cmp -s "$work/d1/sft.jsonl" "$work/d3/sft.jsonl" && bad "two seeds make the same conversations" || ok
[ "$(grep -o '"both": 0' "$work/d1/overlap.json" | wc -l)" -eq 3 ] && ok || bad "overlap: $(cat "$work/d1/overlap.json")"
# The forms of docs/desk.md: every answer but a refusal names a row that is there.
bad_rows=$(grep -ho '"content": "资料：.*\|"content": "Rows:.*' "$work/d1/eval/answer-zh.jsonl" "$work/d1/eval/answer-en.jsonl" |
    awk '{ n = split($0, part, /"role": "assistant", "content": "/); rows = part[1]; answer = part[2]
           while (match(answer, /\[[A-Za-z0-9._-]+\]/)) { id = substr(answer, RSTART, RLENGTH); if (!index(rows, id " ")) bad++; found++; answer = substr(answer, RSTART + RLENGTH) } }
         END { print (found >= 10 ? bad + 0 : "too few") }')
[ "$bad_rows" = 0 ] && ok || bad "answers whose row is not there: $bad_rows"
for l in zh en; do
    n=$(grep -c '资料库里没有这个信息。"}]}$\|This is not in the library."}]}$' "$work/d1/eval/refuse-$l.jsonl")
    [ "$n" -eq 5 ] && ok || bad "refusals in $l: $n, want 5"
done

run 0 bash "$GLIM_SOURCE_DIR/recipes/nano/run" "$work/nano" test
says 'sha256'
[ -s "$work/nano/glim-nano.gguf" ] && ok || bad "there is no GGUF"
grep -q "$(sha256sum < "$work/nano/glim-nano.gguf" | cut -d' ' -f1)" "$work/nano/card.md" && ok || bad "the card has another hash"
for t in answer refuse nothing intent form tool table; do
    for l in zh en; do grep -q "^| $t-$l | 3 |" "$work/nano/card.md" && ok || bad "the card lacks $t-$l"; done
done
run 0 $GLIM run "$work/nano/glim-nano.gguf" -p "你好" -n 4 --temp 0
# Nothing is done twice.
before=$(stat -c %Y.%i "$work/nano/glim-nano.gguf" "$work/nano/base/model.safetensors")
run 0 bash "$GLIM_SOURCE_DIR/recipes/nano/run" "$work/nano" test
[ "$before" = "$(stat -c %Y.%i "$work/nano/glim-nano.gguf" "$work/nano/base/model.safetensors")" ] && ok || bad "a finished step was done again"
run 2 bash "$GLIM_SOURCE_DIR/recipes/nano/run" "$work/other" large
finish
