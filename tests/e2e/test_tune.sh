#!/bin/bash
# glim tune: rows in, an adapter out that glim run reads; killed and resumed; inspected; refused with one error.
. "$(dirname "$0")/lib.sh"
model=$fixtures/glm4
rows=$work/rows.jsonl
for i in $(seq 1 24); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes yes yes\"}]}"
done > "$rows"
tune="$GLIM tune $model $rows --batch 4 --epochs 2 --lr 0.01 --lora-rank 4 --lora-targets all-linear --threads 1 --eval 0.2"

run 0 $GLIM tune $model $rows --inspect 1
says '+'
run 0 $GLIM tune $model $rows --plan
warns 'steps over 24 examples'
run 0 $GLIM tune $model $rows --plan --json
says '^{"steps": 3, "examples": 24, "eval_examples": 0, "values": [0-9]*, "planned_bytes": [0-9]*, "free_bytes": [0-9]*}$'
run 0 $tune -o "$work/a" --json
says '"steps": 10'
sum=$(grep -o '"sum": "[0-9a-f]*"' "$work/out")
[ "$(wc -l < "$work/a/metrics.jsonl")" -eq 10 ] && ok || bad "metrics have another number of lines"
run 0 $GLIM run $model --adapter "$work/a" -p "say 3" -n 4 --temp 0

# A number that cannot be is refused, not replaced.
for w in "--lr -1e-4" "--epochs -2" "--clip -1" "--weight-decay -0.1" "--lora-alpha -8" "--lr nan" "--lr 0" "--epochs 0" "--lora-alpha 0"; do
    run 2 $GLIM tune $model $rows $w -o "$work/w"
    one_error "${w%% *}"
done
for w in "--distill-weight 0" "--distill-temperature -1"; do
    run 2 $GLIM tune $model $rows --method distill --teacher $model $w -o "$work/w"
    one_error "${w%% *}: got"
done

# So is what would have no effect.
for w in "--dpo-beta 0.1" "--distill-weight 0.5" "--distill-temperature 2" "--distill-top 128" "--teacher-type f32" "--teacher $model"; do
    run 2 $GLIM tune $model $rows $w -o "$work/w"
    one_error "${w%% *} is for --method d"
done
run 2 $GLIM tune $model $rows --full --exports 2 -o "$work/w"; one_error 'exports are copies of an adapter'
run 2 $GLIM tune $model $rows --dp-epsilon 3 --dp-delta 1e-3 --clip 1 -o "$work/w"; one_error 'a private run cuts that of each example' 'dp-clip'
run 2 $GLIM tune $model $rows --eval-every 5 -o "$work/w"; one_error 'eval-every 5, and there is nothing to evaluate on' 'eval 0.1'
run 2 $GLIM tune $model $rows --steps 3 --warmup 4 -o "$work/w"; one_error 'a warm-up of 4 steps, and the run has 3'
run 2 $GLIM tune $model $rows --steps 3 --epochs 2 -o "$work/w"; one_error 'epochs and --steps both say how long the run is'
run 2 $GLIM tune $model $rows --eval 0.2 --eval-file $rows -o "$work/w"; one_error 'eval and --eval-file both say what to evaluate on'
run 2 $GLIM tune $model $rows --lora-targets , -o "$work/w"; one_error 'lora-targets: no name in ","'
for w in "--dp-clip 0" "--dp-noise 0" "--dp-delta 0" "--dp-noise -1"; do # with nothing beside it too: the number is looked at first
    run 2 $GLIM tune $model $rows --dp-epsilon 3 --dp-delta 1e-3 $w -o "$work/w"; one_error "${w%% *}: got .* want more than 0"
    run 2 $GLIM tune $model $rows $w -o "$work/w"; one_error "${w%% *}: got .* want more than 0"
done
run 2 $GLIM tune $model $rows --dp-clip 1 -o "$work/w"; one_error 'go with --dp-epsilon'
run 2 $GLIM eval $model $rows --only-adapter; one_error 'only-adapter wants an --adapter'
run 2 $GLIM eval $model $rows --classify --no-classify; one_error 'no-classify beside --classify'
run 2 $GLIM eval $model $rows --labels-from $rows --no-classify; one_error 'no-classify beside --labels-from'
run 2 $GLIM tune $model $rows --data $rows -o "$work/w"; one_error 'the rows are given twice'
run 2 $GLIM tune $model $rows --full --type q8_0 -o "$work/w"; one_error 'type is that of frozen weights'
run 2 $GLIM tune $model $rows --prompt '{a}' --answer '{b}' -o "$work/w"; one_error 'read as chat: templates of a prompt and an answer are for tables' 'format table'
echo "some text of some length" > "$work/some.txt"
run 2 $GLIM tune $model "$work/some.txt" --system S -o "$work/w"; one_error 'read as text, which has no place for a system message'
cp -r $model "$work/own"
for w in "" --resume; do
    run 2 $GLIM tune "$work/own" $rows --steps 1 $w -o "$work/own/."
    one_error "is the model's own folder"
done
cp -r $fixtures/llama-tied "$work/file"
run 2 $GLIM tune "$work/file/model.safetensors" $rows --steps 1 -o "$work/file"
one_error "is the model's own folder"
[ -e "$work/own/state.glim" ] && bad "a run wrote into its model's folder" || ok
run 2 $GLIM tune $model $rows --method stf -o "$work/w"; one_error 'sft, dpo, distill, pretrain'
run 2 $GLIM tune $model $rows --thinking maybe -o "$work/w"; one_error 'thinking: got "maybe"'
run 2 $GLIM tune $model $rows --template glm-z1 --thinking off -o "$work/w"; one_error 'thinking: chat template glm-z1 has no such switch'
run 2 $GLIM eval $model $rows --template glm-4-0414 --thinking on; one_error 'thinking: chat template glm-4-0414 has no such switch'
[ -e "$work/w" ] && bad "a wrong option left a folder" || ok
run 0 $GLIM tune $model $rows --steps 1 -o "$work/w" --resume; warns '^resume: .* has no checkpoint: the run begins$'
run 0 $GLIM tune $model $rows --steps 1 -o "$work/w" --resume; grep -q '^resume: .* has no' "$work/err" && bad "a finished run has a checkpoint" || ok
rm -rf "$work/w"

# Three per cent of a hundred steps warm up; with --warmup 0 none does, with 2 two do.
# A linear rate falls by a hundredth of it each step, from its first or from the end of the warm-up.
for w in "" "--warmup 0" "--warmup 2" "--schedule linear --warmup 0" "--schedule linear --warmup 2"; do
    run 0 $GLIM tune $model $rows --batch 1 --steps 100 --lr 0.01 --lora-rank 1 --schedule constant --threads 1 $w -o "$work/w"
    rates=$(head -n 4 "$work/w/metrics.jsonl" | grep -o '"rate": [0-9.e-]*' | cut -d' ' -f2 | xargs printf '%.4f ')
    [ "${w#--schedule}" = "$w" ] || rates="$rates$(tail -n 1 "$work/w/metrics.jsonl" | grep -o '"rate": [0-9.e-]*' | cut -d' ' -f2 | xargs printf '%.4f') "
    case $w in *linear*0) want="0.0100 0.0099 0.0098 0.0097 0.0001 " ;; *linear*) want="0.0050 0.0100 0.0100 0.0099 0.0001 " ;; "") want="0.0033 0.0067 0.0100 0.0100 " ;; *0) want="0.0100 0.0100 0.0100 0.0100 " ;; *) want="0.0050 0.0100 0.0100 0.0100 " ;; esac
    [ "$rates" = "$want" ] && ok || bad "rates with \"$w\": $rates, want $want"
    rm -rf "$work/w"
done

# The same run in pieces: stopped by a signal, with another number of threads, then to its end.
killed_at "$work/b/state.glim" $tune -o "$work/b" --save-every 1
run 0 $tune -o "$work/b" --save-every 1 --threads 2 --resume --json
says "$sum"
same "$work/a/adapter_model.safetensors" "$work/b/adapter_model.safetensors"
run 2 $tune -o "$work/a"
one_error 'holds the checkpoint' '--resume'
run 2 $GLIM tune $model $rows
one_error 'no folder for the result'
run 2 $GLIM tune $model $rows -o "$work/c" --lora-targets nothing_proj
one_error 'called "nothing_proj"' 'its layers are q_proj, k_proj, v_proj, o_proj, gate_up_proj, down_proj'
run 2 $GLIM tune $model $rows -o "$work/c" --lora-targets 'q_proj, v_prj'
one_error 'called "v_prj"'
run 0 $GLIM tune $model $rows --lora-targets 'q_proj, v_proj' --plan
echo '{"messages": []}' >> "$rows"
run 2 $tune -o "$work/c"
warns '25'

# DoRA, rank-stabilised LoRA, and what a larger model says (here the model itself), as a person asks for them.
sed -i '$d' "$rows"
for w in --dora --rslora "--method distill --teacher $model --distill-weight 0.3 --distill-temperature 1.5 --distill-top 16"; do
    run 0 $GLIM tune $model $rows $w --epochs 2 --batch 4 --lr 0.01 --lora-rank 4 --lora-targets all-linear --threads 1 -o "$work/m" --json
    says '"steps": 12'
    awk -v a="$(grep -o '"first_loss": [0-9.]*' "$work/out" | cut -d' ' -f2)" -v b="$(grep -o '"last_loss": [0-9.]*' "$work/out" | cut -d' ' -f2)" 'BEGIN {exit !(b < a)}' && ok || bad "$w: no fall of the loss"
    case $w in
    --dora) grep -aq 'lora_magnitude_vector' "$work/m/adapter_model.safetensors" && ok || bad "no lengths in a DoRA adapter"
        grep -q '"use_dora": true' "$work/m/adapter_config.json" && ok || bad "the adapter does not say that it is DoRA" ;;
    --rslora) grep -q '"use_rslora": true' "$work/m/adapter_config.json" && ok || bad "the adapter does not say how it scales" ;;
    *) warns 'teacher [0-9]' ;;
    esac
    run 0 $GLIM run $model --adapter "$work/m" -p "say 3" -n 4 --temp 0
    rm -rf "$work/m"
done

# On a terminal a bar with loss, speed and time left, once a second is over; GLIM_PROGRESS=0 turns it off.
if command -v script > /dev/null; then
    for w in 0 1; do
        GLIM_PROGRESS=$w TERM=xterm timeout $((w ? 30 : 3)) script -qefc "$GLIM tune $model $rows --steps 1000000 --threads 1 -o $work/bar$w" /dev/null < /dev/null > "$work/out" 2> "$work/err" &
        for _ in $(seq 300); do
            grep -aq 'training loss [0-9.]*, [0-9]* tokens/s.*left' "$work/out" && break
            kill -0 $! 2> /dev/null || break
            sleep 0.1
        done
        kill $! 2> /dev/null
        wait $! 2> /dev/null
        grep -aq 'training loss [0-9.]*, [0-9]* tokens/s.*left' "$work/out"
        [ $? -ne $w ] && ok || bad "GLIM_PROGRESS=$w, a bar or none"
    done
fi
rm -rf "$work"/bar?

# All weights of a small model, and what was written is a model again.
printf '{"text": "one two three four"}\n%.0s' 1 2 3 4 > "$work/text.jsonl"
run 0 $GLIM tune $fixtures/llama-tied "$work/text.jsonl" --full --epochs 2 --batch 2 --lr 0.001 --threads 1 -o "$work/full"
run 0 $GLIM run "$work/full" -p "one" -n 2 --temp 0
# What only adapters have is refused beside it, not left out without a word.
for w in "--dora" "--lora-rank 8" "--lora-targets q_proj" "--lora-alpha 4" "--lora-dropout 0.1" "--rslora"; do
    run 2 $GLIM tune $fixtures/llama-tied "$work/text.jsonl" --full $w -o "$work/g"
    one_error "${w%% *} .* of an adapter, --full trains none"
done
# What could not be written at the end is refused at the beginning: on one GGUF, and over the model itself.
run 2 $GLIM tune $fixtures/gguf/llama.gguf "$work/text.jsonl" --full -o "$work/g"
one_error 'full weights are written for Hugging Face folders' 'without --full'
[ ! -e "$work/g" ] && ok || bad "a run that was refused left a folder"
before=$(cat "$work"/full/*.safetensors | sha256sum)
ln -s full "$work/link"
for out in "$work/full" "$work/link/"; do
    run 2 $GLIM tune "$work/full" "$work/text.jsonl" --full -o "$out" --resume
    one_error "is the model's own folder" 'another folder'
done
[ "$before" = "$(cat "$work"/full/*.safetensors | sha256sum)" ] && ok || bad "the model was written over"
finish
