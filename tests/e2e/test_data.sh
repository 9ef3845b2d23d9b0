#!/bin/bash
# glim tokenizer train, glim eval, glim merge, as a person or a script drives them.
. "$(dirname "$0")/lib.sh"
lacks() { if grep -q -e "$1" "$work/out"; then bad "stdout has: $1"; else ok; fi; }
m=$fixtures/glm4 a=$fixtures/adapters/glm4-all

# a vocabulary, read back by glim itself; the same bytes every time; parts do not matter
corpus=$fixtures/bpe_train/corpus.txt
run 0 "$GLIM" tokenizer --help; says 'glim tokenizer train'
run 0 "$GLIM" tokenizer train "$corpus" -o "$work/tok" --vocab 700; says '700 tokens'; says 'bytes a token'
run 0 "$GLIM" tokenizer train "$corpus" -o "$work/tok2" --vocab 700 --json; says '"vocab": 700'
same "$work/tok/tokenizer.json" "$work/tok2/tokenizer.json"
printf '"First Citizen: 你好，世界 <|user|>"\n' > "$work/in"
run 0 "$GLIM" tokenize "$work/tok" --jsonl; says '^\['
printf '{"text": "abab abab"}\n{"text": "abab"}\n' > "$work/rows.jsonl"
run 0 "$GLIM" tokenizer train "$work/rows.jsonl" -o "$work/tok3" --vocab 400 --no-special; says 'fewer than the 400 asked for'
echo '{"txt": 1}' > "$work/bad.jsonl"
run 2 "$GLIM" tokenizer train "$work/bad.jsonl" -o "$work/tok4"; one_error 'line 1: "text"'
printf '\304\343\272\303\302\360\n\272\334\272\303\n' > "$work/gbk.txt"
run 2 "$GLIM" tokenizer train "$work/gbk.txt" -o "$work/tok4" --vocab 300; one_error 'not UTF-8' 'iconv'
run 2 "$GLIM" tokenizer train "$corpus" -o "$work/tok4" --vocab 260; one_error 'want at least 270'
run 2 "$GLIM" tokenizer train "$corpus"; one_error '-o DIR'
run 2 "$GLIM" tokenizer train "$corpus" -o "$work/tok4" --pattern x; one_error 'glm, qwen2 or gpt2'

# figures of a file, before and after an adapter
printf 'text,label\nwhere is it,card\nhow much,fee\nnot here,card\nthe cost,fee\n' > "$work/rows.csv"
run 0 "$GLIM" eval "$m" "$work/rows.csv" --adapter "$a"
says 'prompt "{text}", answer "{label}" (guessed'; says 'perplexity'; says 'accuracy of 2 labels'; says 'with adapter'; says '95 % interval'
run 0 "$GLIM" eval "$m" "$work/rows.csv" --adapter "$a" --json
says '"confusion": \[\['; says '"labels": \["card", "fee"\]'; says '"model": {'; says '"adapter": {'; says '"exact_match": '
run 0 "$GLIM" eval "$m" "$work/rows.csv" --json --no-classify; lacks '"confusion"'; lacks '"adapter": {'
printf 'text,label\nwhere is it,fee\nhow much,fee cash\nnot here,fee\nthe cost,fee cash\n' > "$work/begin.csv"
run 0 "$GLIM" eval "$m" "$work/begin.csv" --loss label; warns '^warning: label "fee" is the beginning of "fee cash" and always likelier .*--loss last'
run 0 "$GLIM" eval "$m" "$work/begin.csv" --loss last; grep -q '^warning: label' "$work/err" && bad "labels that end are warned of" || ok
printf '{"messages": [{"role": "user", "content": "a"}]}\n' > "$work/none.jsonl"
run 2 "$GLIM" eval "$m" "$work/none.jsonl"; one_error 'line 1: no token counts in the loss'
run 2 "$GLIM" eval "$m" "$work/rows.csv" --prompt '{nope}' --answer '{label}'; one_error '{text}, {label}'
run 2 "$GLIM" eval "$m" "$work/rows.csv" --format x; one_error 'want one of: chat'

# merged: the figures of the adapter beside the model
run 0 "$GLIM" merge "$m" "$a" -o "$work/merged"; says 'tensors merged'
run 0 "$GLIM" eval "$work/merged" "$work/rows.csv" --json --no-classify
run 0 "$GLIM" merge "$m" "$a" -o "$work/merged.gguf" --type q8_0 --json; says '"merged": '
run 0 "$GLIM" run "$work/merged.gguf" -p 'Good morning' -n 4 --temp 0
run 0 "$GLIM" merge "$m" "$fixtures/adapters/glm4-dora" -o "$work/dora"; says '(DoRA)'
# into a GGUF: with its own types, and with the one that is asked for
run 0 "$GLIM" quantize "$m" "$work/base.gguf" --type bf16
run 0 "$GLIM" merge "$work/base.gguf" "$a" -o "$work/again.gguf" --json; says '"merged": '
warns '^plan: .* on the disk, .* are free; [0-9]* of [0-9]* tensors change$'
run 0 "$GLIM" run "$work/again.gguf" -p 'Good morning' -n 4 --temp 0
run 0 "$GLIM" merge "$work/base.gguf" "$a" -o "$work/again.gguf" --type q8_0 --force
run 2 "$GLIM" merge "$work/base.gguf" "$a" -o "$work/again"; one_error 'is a GGUF' '-o FILE.gguf' 'glim export'
# a GGUF as a folder: the same answers, an adapter goes in, all its weights are trained
run 0 "$GLIM" export "$work/base.gguf" -o "$work/folder"; says 'Glm4ForCausalLM, 29 tensors'; warns '^plan: at most .* on the disk'
run 0 "$GLIM" logits "$work/base.gguf" --ids 5,17,250 --jsonl --type f32; mv "$work/out" "$work/logits"
run 0 "$GLIM" logits "$work/folder" --ids 5,17,250 --jsonl --type f32; same "$work/out" "$work/logits"
run 0 "$GLIM" merge "$work/folder" "$a" -o "$work/folder-merged"; says 'tensors merged'
run 0 "$GLIM" tune "$work/folder" "$work/rows.csv" --full --steps 2 --batch 2 -o "$work/folder-tuned"; says '2 steps'
run 0 "$GLIM" run "$work/folder-tuned" -p 'Good morning' -n 4 --temp 0
run 2 "$GLIM" tune "$work/base.gguf" "$work/rows.csv" --full --steps 2 -o "$work/none"; one_error 'for Hugging Face folders only' 'glim export MODEL.gguf'
run 2 "$GLIM" export "$work/base.gguf" -o "$work/folder"; one_error 'is not empty; --force'
run 0 "$GLIM" export "$work/base.gguf" -o "$work/folder" --force --type bf16 --json; says '"class": "Glm4ForCausalLM", "tensors": 29'
run 2 "$GLIM" export "$work/base.gguf" -o "$work/other" --type q8_0; one_error 'f32, f16 or bf16'
run 2 "$GLIM" export "$work/base.gguf"; one_error 'wants a place'
run 2 "$GLIM" export "$m" -o "$work/other"; one_error 'is no GGUF'
run 2 "$GLIM" export "$work/rows.csv" -o "$work/other"; one_error 'rows.csv'
[ -e "$work/other" ] && bad "an export that was refused left a folder" || ok
run 2 "$GLIM" merge "$work/base.gguf" "$a" -o "$work/base.gguf" --force; one_error 'is the model itself'
# A disk that cannot hold it is known before the first byte. "disk" is one of 64 KiB, which only this command sees.
mkdir "$work/disk"
if unshare -Urm mount -t tmpfs -o size=64k none "$work/disk" 2> /dev/null; then
    for w in "$m folder" "$m file.gguf" "$work/base.gguf file.gguf"; do
        set -- $w
        run 1 unshare -Urm bash -c 'mount -t tmpfs -o size=64k none "$1" && "$2" merge "$3" "$4" -o "$1/$5"; rc=$?; ls -A "$1"; exit $rc' - "$work/disk" "$GLIM" "$1" "$a" "$2"
        one_error "disk/$2\" needs .* and .* are free"
        warns '^plan: .* on the disk, 6[0-4].0 KiB are free'
    done
else
    echo "the full disk is left out: this system lets nobody mount a file system of his own (unshare -Urm)"
fi
run 2 "$GLIM" merge "$m" "$a" -o "$work/merged"; one_error 'is not empty'
run 2 "$GLIM" merge "$m" "$a"; one_error '-o FOLDER'
run 2 "$GLIM" merge "$m" "$a" -o "$m"; one_error 'is the model itself'
finish
