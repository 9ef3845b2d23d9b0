#!/bin/bash
# glim tune --method pretrain: a new model from a configuration and a corpus; killed, resumed, on other threads; refused.
. "$(dirname "$0")/lib.sh"
corpus=$work/corpus.jsonl
for i in $(seq 1 400); do
    echo "{\"text\": \"row $((i * 7 % 50)) costs $((i * 7 % 50)) yuan. the price of row $((i * 7 % 50)) is $((i * 7 % 50)) yuan.\"}"
done > "$corpus"
cat > "$work/config.json" << END
{"model_type": "glm4", "architectures": ["Glm4ForCausalLM"], "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
 "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "attention_bias": true, "max_position_embeddings": 128,
 "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "partial_rotary_factor": 0.5, "rope_theta": 10000.0, "initializer_range": 0.1}
END
run 0 $GLIM tokenizer train "$corpus" -o "$work/tok" --vocab 320
new="$GLIM tune --method pretrain --new $work/config.json --tokenizer $work/tok"
run="$new $corpus --max-tokens 48 --batch 4 --steps 40 --lr 0.01 --seed 3 --json"
run 0 $run -o "$work/a" --threads 1
sum=$(grep -o '"sum": "[0-9a-f]*"' "$work/out")
planned() { grep -o '"planned_bytes": [0-9]*' "$work/out" | cut -d' ' -f2; }
plain=$(planned)
first=$(grep -o '"first_loss": [0-9.]*' "$work/out" | cut -d' ' -f2) last=$(grep -o '"last_loss": [0-9.]*' "$work/out" | cut -d' ' -f2)
awk -v a="$first" -v b="$last" 'BEGIN {exit !(a > 5 && b < a - 2)}' && ok || bad "loss from $first to $last: want a fall of more than 2"
[ "$(wc -l < "$work/a/metrics.jsonl")" -eq 40 ] && ok || bad "metrics have another number of lines"
run 0 $GLIM run "$work/a" -p "row 7 costs" -n 4 --temp 0 --template glm-4-0414

# The same in pieces: a checkpoint after every step, killed, then on two threads to the end.
killed_at "$work/b/state.old" $run -o "$work/b" --save-minutes 1e-9 --threads 1
run 0 $run -o "$work/b" --save-minutes 5 --threads 2 --resume
says "$sum"
same "$work/a/model.safetensors" "$work/b/model.safetensors"

# Texts for evaluation, of a file and of a share of the corpus, change nothing of what is learnt; killed, resumed and on other threads
# the curve is the same, evaluations included.
sed 's/row 7 /row 77 /g' "$corpus" | head -n 30 > "$work/held.jsonl"
curve() { sed 's/, "seconds".*//' "$1/metrics.jsonl"; }
heldout="$run --eval-file $work/held.jsonl --eval-every 6"
run 0 $heldout -o "$work/h" --threads 1
says "$sum"
seen=$(planned)
before=$(grep -o '"eval_before": [0-9.]*' "$work/out" | cut -d' ' -f2) after=$(grep -o '"eval_after": [0-9.]*' "$work/out" | cut -d' ' -f2)
awk -v a="$before" -v b="$after" 'BEGIN {exit !(a > 5 && b < a - 2)}' && ok || bad "evaluation from $before to $after: want a fall of more than 2"
[ "$(grep -c eval_loss "$work/h/metrics.jsonl")" -eq 7 ] && tail -n 1 "$work/h/metrics.jsonl" | grep -q "\"eval_loss\": $after" && ok || bad "want seven evaluations, the last $after"
killed_at "$work/i/state.old" $heldout -o "$work/i" --save-minutes 1e-9 --threads 1
run 0 $heldout -o "$work/i" --threads 2 --resume
says "\"eval_before\": $before, \"eval_after\": $after"
[ "$(curve "$work/h")" = "$(curve "$work/i")" ] && ok || bad "the curve of a run in pieces is another"
same "$work/h/model.safetensors" "$work/i/model.safetensors"
run 1 $run -o "$work/i" --resume
one_error 'other settings'
run 0 $heldout -o "$work/j" --plan
warns 'evaluated on texts kept apart'
# An early stop at a rate that only makes it worse, with the best weights, again in pieces.
worse="$new $corpus --max-tokens 48 --batch 4 --steps 60 --lr 0.5 --seed 3 --json --eval-file $work/held.jsonl --eval-every 2 --patience 2 --threads 1"
run 0 $worse -o "$work/k"
says '"stopped_early": true'
[ "$plain" -lt "$seen" ] && [ $((seen + 4 * $(stat -c %s "$work/a/model.safetensors") / 5)) -lt "$(planned)" ] && ok ||
    bad "planned $plain bytes, $seen with texts for evaluation, $(planned) with the best weights too"
k=$(grep -o '"sum": "[0-9a-f]*"' "$work/out")
run 0 $worse -o "$work/k" --resume # the best weights are in the checkpoint
says "$k"
killed_at "$work/l/state.old" $worse -o "$work/l" --save-minutes 1e-9
run 0 $worse -o "$work/l" --resume
says "$k"
run 2 $run -o "$work/m" --patience 2
one_error 'nothing to evaluate on' '--eval'
run 2 $run -o "$work/m" --eval 0.5
one_error 'a corpus of 1 block of 64 KiB'
run 2 $run -o "$work/m" --eval 1
one_error 'got 1, want 0 to less than 1'
{ cat "$work/held.jsonl"; echo '{"text": 5}'; } > "$work/badheld.jsonl"
run 2 $run -o "$work/m" --eval-file "$work/badheld.jsonl"
one_error 'badheld.jsonl" line 31: "text"'
[ ! -e "$work/m/metrics.jsonl" ] && ok || bad "a step was made beside texts for evaluation with a bad row"
for i in $(seq 8); do cat "$corpus"; done > "$work/large.jsonl"
part="$new $work/large.jsonl --max-tokens 48 --batch 4 --steps 40 --lr 0.01 --seed 3 --json --eval 0.4 --eval-every 20"
run 0 $part -o "$work/n" --threads 1
k=$(grep -o '"sum": "[0-9a-f]*"' "$work/out")
[ "$(grep -c eval_loss "$work/n/metrics.jsonl")" -eq 2 ] && ok || bad "want two evaluations on a share"
killed_at "$work/o/state.old" $part -o "$work/o" --save-minutes 1e-9 --threads 1
run 0 $part -o "$work/o" --threads 2 --resume
says "$k"
[ "$(curve "$work/n")" = "$(curve "$work/o")" ] && ok || bad "the curve of a run in pieces on a share is another"

# A start that looks things up (test_nano.sh: what it is worth), and configurations that cannot have it.
sed 's/"num_hidden_layers": 2/"num_hidden_layers": 3/; s/"num_attention_heads": 2/"num_attention_heads": 4/; s/"num_key_value_heads": 1/"num_key_value_heads": 2/
     s/"head_dim": 16/"head_dim": 32/; s/"model_type"/"glim_start": "lookup", "model_type"/' "$work/config.json" > "$work/lookup.json"
run 0 $GLIM tune --method pretrain --new "$work/lookup.json" --tokenizer "$work/tok" "$corpus" -o "$work/lookup" --max-tokens 32 --batch 2 --steps 2 --threads 1
sed 's/"glim_start": "lookup"/"glim_start": "luck"/' "$work/lookup.json" > "$work/luck.json"
run 2 $GLIM tune --method pretrain --new "$work/luck.json" --tokenizer "$work/tok" "$corpus" -o "$work/e" --steps 1
one_error 'luck'
sed 's/"num_hidden_layers": 3/"num_hidden_layers": 2/' "$work/lookup.json" > "$work/low.json"
run 2 $GLIM tune --method pretrain --new "$work/low.json" --tokenizer "$work/tok" "$corpus" -o "$work/e" --steps 1
one_error 'does not fit' '3 layers'

# From a model; and what is not possible.
run 0 $GLIM tune --method=pretrain "$work/a" "$corpus" --max-tokens 48 --batch 4 --tokens 400 -o "$work/c" --json
says '"steps": 3'
run 0 $run -o "$work/d" --plan
warns '40 steps of 4 windows'
warns 'data and the program'
[ ! -e "$work/d" ] && ! ls -d "${TMPDIR:-/tmp}"/glim-plan-* > /dev/null 2>&1 && ok || bad "a plan left something behind"
run 2 $run -o "$work/d" --rows 16777216
one_error 'MiB are free'
[ ! -e "$work/d" ] && ok || bad "a run that does not fit left its start behind"
mkdir -p "$work/mine/start" && echo mine > "$work/mine/start/notes"
run 2 $run -o "$work/mine" --rows 16777216
[ "$(cat "$work/mine/start/notes")" = mine ] && ok || bad "a run that was refused removed what was not its own"
# A folder that was there stays, and of one that was made nothing does: here the run itself refuses, behind its start.
mkdir "$work/empty"
for out in empty pa/pb/pc; do
    run 2 $run -o "$work/$out" --warmup 100
    one_error 'a warm-up of 100 steps'
done
[ -d "$work/empty" ] && [ ! -e "$work/empty/start" ] && ok || bad "a run that was refused removed a folder that it did not make"
[ ! -e "$work/pa" ] && ok || bad "a run that was refused left a folder"
run 0 $run -o "$work/a" --plan --resume
[ -s "$work/a/start/model.safetensors" ] && ok || bad "a plan removed the start of a run"
run 2 $run -o "$work/a"
one_error 'holds the checkpoint' '--resume'
# A number that cannot be is refused, not replaced.
for w in "--lr -1" "--lr nan" "--clip -1" "--weight-decay -0.1" "--save-minutes -5" "--save-minutes 0"; do
    run 2 $new "$corpus" --steps 1 $w -o "$work/w"
    one_error "${w%% *}: got"
done
# So is one of two that say the same thing.
run 2 $new "$corpus" --steps 1 --tokens 4000 -o "$work/w"; one_error 'tokens and --steps both say how long the run is'
run 2 $new "$corpus" --steps 1 --eval 0.1 --eval-file "$corpus" -o "$work/w"; one_error 'eval and --eval-file both say what to evaluate on'
[ ! -e "$work/w" ] && ok || bad "a run that was refused left a folder"
# Who is refused leaves the start of the run there as it was: with another configuration, with a plan only, while another process trains.
run 0 $GLIM tokenizer train "$work/config.json" "$corpus" -o "$work/tok2" --vocab 310
sed 's/"rope_theta": 10000.0/"rope_theta": 500.0/' "$work/config.json" > "$work/theta.json"
before=$(cat "$work"/a/start/* | sha256sum)
for w in "--lr 0|--lr: got 0, want more than 0" "--warmup 41|a warm-up of 41 steps, and the run has 40" "--eval-every 5|an evaluation every 5 steps, and there is nothing"; do
    run 2 $GLIM tune --method pretrain $fixtures/llama-tied $corpus --max-tokens 48 --batch 4 --steps 40 ${w%%|*} -o "$work/wrong"
    one_error "${w##*|}"
done
[ -e "$work/wrong" ] && bad "a wrong option left a folder" || ok
other="$GLIM tune --method pretrain --new $work/theta.json --tokenizer $work/tok2 $corpus --max-tokens 48 --batch 4 --steps 40 --lr 0.01 --seed 3"
run 2 $other -o "$work/a"
run 2 $other -o "$work/a" --plan
one_error 'holds the checkpoint' '--resume'
[ "$before" = "$(cat "$work"/a/start/* | sha256sum)" ] && ok || bad "the start of a run was written over"
mkdir -p "$work/held"
flock "$work/held" sleep 3 &
sleep 0.5
run 1 $other -o "$work/held"
one_error 'another process trains'
[ ! -e "$work/held/start" ] && ok || bad "a folder in which another process trains was written to"
wait
# A checkpoint is one of its tokenizer and of its beginning.
run 0 $run -o "$work/bound" --steps 4
cp "$work/tok2/"tokenizer*.json "$work/bound/start/"
run 1 $run -o "$work/bound" --steps 4 --resume
one_error 'other settings'
# A step of nothing but ends of texts counts, in one go and in pieces.
for i in 1 2 3 4 5 6; do echo '{"text": ""}'; done > "$work/empty.jsonl"
cat "$work/empty.jsonl" "$work/empty.jsonl" "$corpus" > "$work/some.jsonl"
some="$new $work/some.jsonl --max-tokens 4 --batch 1 --steps 12 --lr 0.01 --seed 3 --json --threads 1"
run 0 $some -o "$work/some1"
grep -q '"tokens": 0' "$work/some1/metrics.jsonl" && ok || bad "no step was without targets"
sum=$(grep -o '"sum": "[0-9a-f]*"' "$work/out")
killed_at "$work/some2/state.old" $some -o "$work/some2" --save-minutes 1e-9
run 0 $some -o "$work/some2" --resume
says "$sum"
run 1 $run -o "$work/b" --resume --lr 0.02
one_error 'other settings'
run 2 $new "$corpus" -o "$work/e"
one_error 'how long' '--tokens'
run 2 $GLIM tune --method pretrain --new "$work/config.json" "$corpus" -o "$work/e" --steps 1
one_error 'wants a tokenizer'
run 2 $GLIM tune --method pretrain "$work/a" -o "$work/e" --steps 1
one_error 'no corpus' '--new'
run 2 $GLIM tune --method pretrain $fixtures/gguf/llama.gguf "$corpus" -o "$work/g" --steps 1
one_error 'full weights are written for Hugging Face folders'
run 2 $GLIM tune --method pretrain "$work/c" "$corpus" -o "$work/c" --steps 1 --resume
one_error "is the model's own folder"
sed 's/"glm4"/"llama"/; s/Glm4For/LlamaFor/' "$work/config.json" > "$work/llama.json"
run 2 $GLIM tune --method pretrain --new "$work/llama.json" --tokenizer "$work/tok" "$corpus" -o "$work/e" --steps 1
one_error 'Glm4ForCausalLM'
sed 's/"model_type"/"vocab_size": 300, "model_type"/' "$work/config.json" > "$work/small.json"
run 2 $GLIM tune --method pretrain --new "$work/small.json" --tokenizer "$work/tok" "$corpus" -o "$work/e" --steps 1
one_error 'vocab_size is 300'
# Values that are no numbers are neither exported nor kept: the step is named, whether its own loss still was one or not.
run 1 $new "$corpus" -o "$work/nan" --max-tokens 48 --batch 4 --steps 1 --lr 1e39 --clip 0 --warmup 0 --schedule constant
one_error 'step 1: a trained value is' '--lr'
[ ! -e "$work/nan/model.safetensors" ] && [ ! -e "$work/nan/state.glim" ] && ok || bad "values that are no numbers were written"
run 1 $new "$corpus" -o "$work/nan2" --max-tokens 48 --batch 4 --steps 9 --lr 1e30 --clip 0 --warmup 0 --schedule constant --save-minutes 60
one_error 'step 2: the loss is' '--lr'
[ ! -e "$work/nan2/model.safetensors" ] && ok || bad "a run that failed wrote a model"
echo '{"text": 5}' > "$work/bad.jsonl"
run 2 $new "$work/bad.jsonl" -o "$work/f" --steps 1
one_error '"text"'
# A bad row anywhere is named by file and line before the first step; once it is right, the same command goes on.
{ cat "$corpus" "$corpus" "$corpus"; echo '{"text": 5}'; cat "$corpus"; } > "$work/bad.jsonl"
bad="$new $corpus $work/bad.jsonl --max-tokens 48 --steps 2 --threads 1"
run 2 $bad -o "$work/f"
one_error 'bad.jsonl" line 1201: "text": got integer, want a string'
[ ! -e "$work/f/metrics.jsonl" ] && [ ! -e "$work/f/state.glim" ] && ok || bad "a step was made on a corpus with a bad row"
sed -i 's/: 5}/: "five"}/' "$work/bad.jsonl"
run 0 $bad -o "$work/f" --resume
finish
