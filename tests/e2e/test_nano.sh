#!/bin/bash
# recipes/nano at its smallest: from a seed to a GGUF with its card, all of it in seconds; and what the generator promises.
. "$(dirname "$0")/lib.sh"
# One thread: beside other tests a second one mostly waits for the first, and spins.
export NANO_GEN=$GLIM_BUILD_DIR/recipes/nano/nano_gen THREADS=1 GLIM
gen="$NANO_GEN"
run 0 $gen "$work/d1" 60 60 10 5 7
run 0 $gen "$work/d2" 60 60 10 5 7
run 0 $gen "$work/d3" 60 60 10 5 8
for f in corpus.jsonl sft.jsonl pairs.jsonl tokens.txt senses.csv eval/answer-zh.jsonl; do same "$work/d1/$f" "$work/d2/$f"; done
cmp -s "$work/d1/sft.jsonl" "$work/d3/sft.jsonl" && bad "two seeds make the same conversations" || ok
[ "$(grep -o '"both": 0' "$work/d1/overlap.json" | wc -l)" -eq 3 ] && ok || bad "overlap: $(cat "$work/d1/overlap.json")"
# The forms of docs/desk.md: the number before each sentence is that of a row that is there.
bad_rows=$(grep -ho '"content": "资料：.*\|"content": "Rows:.*' "$work/d1/eval/answer-zh.jsonl" "$work/d1/eval/answer-en.jsonl" |
    awk '{ n = split($0, part, /"role": "assistant", "content": "/); rows = part[1]; answer = part[2]
           while (match(answer, /\[[0-9]+\] /)) { id = substr(answer, RSTART, RLENGTH); if (!index(rows, "\\n" id)) bad++; found++; answer = substr(answer, RSTART + RLENGTH) } }
         END { print (found >= 10 ? bad + 0 : "too few") }')
[ "$bad_rows" = 0 ] && ok || bad "answers whose row is not there: $bad_rows"
for l in zh en; do
    n=$(grep -c '资料库里没有这个信息。"}]}$\|This is not in the library."}]}$' "$work/d1/eval/refuse-$l.jsonl")
    [ "$n" -eq 5 ] && ok || bad "refusals in $l: $n, want 5"
done

# The reader of senses is taught by training's conversations alone: none of these requests of evaluation stands among its examples (of the full recipe's some short calls do: the card counts them).
grep -ho '"role": "user", "content": "[^"]*"}, {"role": "assistant"' "$work"/d1/eval/{intent,tool}-*.jsonl | sed 's/.*"content": "//; s/"}, .*//' | sort -u > "$work/asked"
tail -n +2 "$work/d1/senses.csv" | sed 's/^"//; s/",[a-z]*:[^"]*$//; s/""/"/g' | sort -u > "$work/taught"
[ "$(wc -l < "$work/asked")" -ge 15 ] && [ "$(wc -l < "$work/taught")" -ge 150 ] && [ -z "$(comm -12 "$work/asked" "$work/taught")" ] && ok ||
    bad "of $(wc -l < "$work/asked") requests these are among $(wc -l < "$work/taught") examples: $(comm -12 "$work/asked" "$work/taught")"
grep -q '"Hello\|你好' "$work/d1/senses.csv" && [ "$(grep -c ',intent:' "$work/d1/senses.csv")" -gt 20 ] && [ "$(grep -c ',tool:' "$work/d1/senses.csv")" -gt 5 ] &&
    [ "$(grep -c ',column:' "$work/d1/senses.csv")" -gt 20 ] && ok || bad "senses.csv lacks a kind"

run 0 bash "$GLIM_SOURCE_DIR/recipes/nano/run" "$work/nano" test
grep -qa 'glim.senses' "$work/nano/glim-nano.gguf" && ok || bad "the GGUF has no reader of senses"
says 'sha256'
[ -s "$work/nano/glim-nano.gguf" ] && ok || bad "there is no GGUF"
grep -q "$(sha256sum < "$work/nano/glim-nano.gguf" | cut -d' ' -f1)" "$work/nano/card.md" && ok || bad "the card has another hash"
for t in answer refuse nothing intent form tool table; do
    for l in zh en; do grep -q "^| $t-$l | 3 |" "$work/nano/card.md" && ok || bad "the card lacks $t-$l"; done
done
grep -q "^| intent-zh | 3 |.*| 100.0 % | [0-9.]* % |" "$work/nano/card.md" && ok || bad "the card has no valid labels: $(grep intent-zh "$work/nano/card.md")"
grep -q "^| form-en | 3 | [0-9.]* % | [0-9.]* % | [0-9.]* % |" "$work/nano/card.md" && ok || bad "the card has no valid forms: $(grep form-en "$work/nano/card.md")"
# Answers from rows and about tables are chosen from what the rows make true: each wanted answer is one of those.
for t in answer refuse nothing table; do
    for l in zh en; do
        grep "\"$t-$l\": {" "$work/nano/eval.json" > "$work/out"
        says '"statements": 3,'
        says '"valid": 1'
    done
done
run 0 $GLIM eval "$work/nano/glim-nano.gguf" "$work/nano/data/eval/answer-zh.jsonl" --no-classify --constrain --json --threads 1
says '"statements": 3,'
printf '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}\n' > "$work/plain-chat.jsonl"
run 0 $GLIM eval "$work/nano/glim-nano.gguf" "$work/nano/data/eval/intent-zh.jsonl" --no-classify --constrain --no-senses --json --threads 1
run 2 $GLIM eval "$work/nano/glim-nano.gguf" "$work/plain-chat.jsonl" --constrain
one_error 'no row of .* says which answers there may be'
run 0 $GLIM run "$work/nano/glim-nano.gguf" -p "你好" -n 4 --temp 0
# A model whose first layers look things up (config.json) learns to say a line again where a plain one has not begun to: same
# steps, same text.
awk 'BEGIN { x = 7; for (i = 0; i < 500; i++) { line = ""; for (k = 0; k < 10; k++) { x = (x * 1103515245 + 12345) % 2147483648; line = line sprintf("%c%c", 97 + int(x / 65536) % 26, 97 + int(x / 1024) % 26) " " }
     printf "{\"text\": \"%s\\n%s\\n%s\\n\"}\n", line, line, line } }' > "$work/lines.jsonl"
run 0 $GLIM tokenizer train "$work/lines.jsonl" -o "$work/tok" --vocab 320
cp "$work/nano/config.json" "$work/lookup.json"
grep -v glim_start "$work/lookup.json" > "$work/plain.json"
for kind in plain lookup; do
    run 0 $GLIM tune --method pretrain --new "$work/$kind.json" --tokenizer "$work/tok" "$work/lines.jsonl" -o "$work/$kind" --max-tokens 96 --batch 4 --steps 60 --lr 0.003 --seed 1 --json --threads 1
    eval "$kind=$(grep -o '"last_loss": [0-9.]*' "$work/out" | cut -d' ' -f2)"
done
awk -v p="$plain" -v l="$lookup" 'BEGIN { exit !(l < p - 0.4) }' && ok || bad "loss after 60 steps: $lookup with a start that looks up, $plain without; want 0.4 less"
# Nothing is done twice.
before=$(stat -c %Y.%i "$work/nano/glim-nano.gguf" "$work/nano/base/model.safetensors")
run 0 bash "$GLIM_SOURCE_DIR/recipes/nano/run" "$work/nano" test
[ "$before" = "$(stat -c %Y.%i "$work/nano/glim-nano.gguf" "$work/nano/base/model.safetensors")" ] && ok || bad "a finished step was done again"
run 2 bash "$GLIM_SOURCE_DIR/recipes/nano/run" "$work/other" large
finish
