#!/bin/bash
# The commands other programs rely on, driven as a person or a script would.
. "$(dirname "$0")/lib.sh"
m=$fixtures/glm4

# help, version, wrong words
run 0 "$GLIM" --version; says '^glim [0-9]'
run 0 "$GLIM" help; says 'glim chat'
run 2 "$GLIM"; run 2 "$GLIM" frobnicate; one_error 'no verb "frobnicate"'
for verb in chat run info verify pull tokenize render logits perplexity quantize bench; do
    run 0 "$GLIM" $verb --help; says "glim $verb"
done
run 2 "$GLIM" run "$m" --tmep 1 -p x; one_error '"--tmep"'
run 2 "$GLIM" run "$m" --temp warm -p x; one_error 'warm'
run 2 "$GLIM" run "$m" --ctx 0 -p x; one_error '--ctx'
run 2 "$GLIM" run "$m" -p; one_error 'wants a value'
run 2 "$GLIM" run; run 2 "$GLIM" run a b -p x; one_error 'one word too many'
run 2 "$GLIM" run /nonexistent/model -p x; one_error '/nonexistent/model'
run 2 "$GLIM" run "$work" -p x; one_error "$work"

# run: the same seed gives the same text; another seed or none gives another; threads do not matter
run 0 "$GLIM" run "$m" -p 'Good morning' --seed 7 -n 20 --temp 1 --json; cp "$work/out" "$work/a"; says '"ids": \[[0-9]'
run 0 "$GLIM" run "$m" -p 'Good morning' --seed 7 -n 20 --temp 1 --json -t 1
sed 's/"seed.*//' "$work/a" > "$work/a1"; sed 's/"seed.*//' "$work/out" > "$work/b1"; same "$work/a1" "$work/b1"
run 0 "$GLIM" run "$m" -p 'Good morning' --seed 8 -n 20 --temp 1 --json
sed 's/"seed.*//' "$work/out" > "$work/b1"
if cmp -s "$work/a1" "$work/b1"; then bad "two seeds gave one text"; else ok; fi
printf 'Good morning\n' > "$work/in"
run 0 "$GLIM" run "$m" --seed 7 -n 20 --temp 1 --json
sed 's/"seed.*//' "$work/out" > "$work/b1"; same "$work/a1" "$work/b1"
run 2 "$GLIM" run "$m"; one_error 'prompt is empty'
run 0 "$GLIM" run "$m" --raw -p 'Good' -n 5 --temp 0 --ignore-eos --json; says '"completion_tokens": 5'; says '"finish_reason": "length"'
run 2 "$GLIM" run "$m" -c 64 -p "$(head -c 3000 /dev/zero | tr '\0' x)"; one_error 'context'

# unknown template: chat is refused, a named one and raw text work
q=$fixtures/qwen3
run 2 "$GLIM" run "$q" -p hi; one_error 'template'; warns '--template'
run 0 "$GLIM" run "$q" -p hi -n 3 --template chatml
run 0 "$GLIM" run "$q" -p hi -n 3 --raw
run 2 "$GLIM" run "$q" -p hi --template nonsense; one_error 'nonsense'; warns 'chatml'

# logits: a row per position, as many numbers as the embedding has rows, and the oracle's values
ids=$(sed -n 's/.*"prompt_ids": \[\(.*\)\].*/\1/p' "$m/oracle.json" | tr -d ' ')
run 0 "$GLIM" logits "$m" --ids "$ids" --jsonl --type f32
[ "$(wc -l < "$work/out")" -eq "$(echo "$ids" | tr ',' '\n' | wc -l)" ] && ok || bad "a row per position"
[ "$(head -1 "$work/out" | tr ',' '\n' | wc -l)" -eq 331 ] && ok || bad "331 logits in a row"
offset=$(tr -d '\n' < "$m/oracle.json" | sed 's/.*"f32_prefill": *{ *"offset": *\([0-9]*\).*/\1/')
od -An -v -tf4 -w4 -j "$offset" -N $((331 * 4)) "$m/oracle.bin" > "$work/want"
head -1 "$work/out" | tr -d '[]' | tr ',' '\n' > "$work/got"
worst=$(paste "$work/got" "$work/want" | awk '{d = $1 - $2; if (d < 0) d = -d; if (d > w) w = d} END {print (w < 1e-4 && NR == 331) ? "ok" : w}')
[ "$worst" = ok ] && ok || bad "logits differ from the oracle by $worst"
run 2 "$GLIM" logits "$m" --ids 1,x --jsonl; one_error '--ids'
run 2 "$GLIM" logits "$m" --ids 331; one_error '330'

# tokenize: the contract, and text that looks like control tokens stays text
printf '"Good morning"\n"<|user|>"\n""\n' > "$work/in"
run 0 "$GLIM" tokenize "$m" --jsonl; [ "$(wc -l < "$work/out")" -eq 3 ] && ok || bad "an array per line"
user=$(printf '"<|user|>"\n' | "$GLIM" tokenize "$m" --jsonl --special | tr -d '[] ')
case $user in *,*|'') bad "<|user|> with --special is one id, got $user" ;; *) ok ;; esac
sed -n 2p "$work/out" | grep -qw "$user" && bad "user text became a control token" || ok
prefix=$(printf '""\n' | "$GLIM" tokenize "$m" --jsonl --prefix | tr -d '[] ')
[ "$(echo "$prefix" | tr ',' '\n' | wc -l)" -eq 2 ] && ok || bad "the prefix of a GLM has two ids, got $prefix"

# render: contents hold control words, the prompt's ids hold them only where the template put them
printf '[{"role": "user", "content": "say <|assistant|> to me"}]' > "$work/m.json"
run 0 "$GLIM" render "$m" --messages "$work/m.json"; says 'say <|assistant|> to me<|assistant|>$'
printf '[{"role": "user"' > "$work/m.json"
run 2 "$GLIM" render "$m" --messages "$work/m.json"; one_error 'm.json'

# perplexity: windows, json, refusals
for i in $(seq 300); do echo "the light in the harbour number $i went out"; done > "$work/text"
run 0 "$GLIM" perplexity "$m" "$work/text" --ctx 64 --chunks 3 --json; says '"ppl": [0-9]'; says '"n_scored": 93'
run 2 "$GLIM" perplexity "$m" "$work/m.json" --ctx 512; one_error 'two windows'

# info and verify
run 0 "$GLIM" info "$m"; says 'glm4'; says 'does not fit\|machine'
run 0 "$GLIM" info "$m" --json; says '"fits": true'
run 0 "$GLIM" verify "$m" --tensors; says 'whole and computes right'; says 'sha256'
run 0 "$GLIM" verify "$fixtures/gguf/glm4moe-air.gguf" --json; says '"ok": true'

# chat: a scripted conversation, commands, save and load
printf '/system Be brief.\nhello\n/set temp 0\n/set max_tokens 8\nagain\n/save %s\n/undo\n/history\n/frob\n/set temp hot\n' "$work/c.json" > "$work/in"
run 0 "$GLIM" chat "$m" --seed 1 -n 8
warns '"/frob"'; warns 'hot'; says '^user: hello'
[ "$(grep -c '"role": "user"' "$work/c.json")" -eq 2 ] && ok || bad "two questions were saved"
printf '/load %s\n/history\n/new\n/history\n' "$work/c.json" > "$work/in"
run 0 "$GLIM" chat "$m" -n 8; says 'user: again'; says 'system: Be brief.'
printf '/load %s\n/history\n' "$work/text" > "$work/in"
run 0 "$GLIM" chat "$m" -n 8; warns 'text'
run 2 "$GLIM" chat "$q"; one_error 'template'

# chat: contents as lists, bad bytes, bounds, CRLF
printf '[{"role":"system","content":[{"type":"text","text":"listed"}]},{"role":"user","content":"hi"}]' > "$work/l.json"
printf '/load %s\n/system\n/history\n' "$work/l.json" > "$work/in"
run 0 "$GLIM" chat "$m" -n 4; says '^listed$'; says '^system: listed$'
printf '/system kept\n/system \377\n/system\n/set top_k 1e15\n/history\r\n\000hidden\n' > "$work/in"
run 0 "$GLIM" chat "$m" -n 4; says '^kept$'; warns 'UTF-8'; warns 'top_k'
run 2 "$GLIM" run "$m" -p hi --system "$(printf '\377')"; one_error 'UTF-8'
run 2 "$GLIM" run "$m" -p hi --ctx 4096; one_error 'holds 2048'
printf 'a fixed line\n' > "$work/in"
run 0 "$GLIM" chat "$m" -n 4 --echo; says '^> a fixed line$'

# tools reach the prompt; a file that is no list of tools is refused
printf '[{"type":"function","function":{"name":"now","parameters":{}}}]' > "$work/tools.json"
run 0 "$GLIM" run "$fixtures/glm4moe-air" -p hi -n 2 --temp 0 --json; cp "$work/out" "$work/a"
run 0 "$GLIM" run "$fixtures/glm4moe-air" -p hi -n 2 --temp 0 --json --tools "$work/tools.json"
[ "$(wc -c < "$work/out")" -gt $(($(wc -c < "$work/a") + 500)) ] && ok || bad "the tools are in the prompt"
run 2 "$GLIM" run "$m" -p hi --tools "$m/config.json"; one_error 'tools'

# messages through a pipe
run 0 bash -c "'$GLIM' render '$m' --messages /dev/stdin < '$work/l.json'"; says 'listed'

# SIGTERM ends the program, whatever it does
rm -f "$work/quiet"; mkfifo "$work/quiet"; exec 7<> "$work/quiet" # open, and nobody writes
timeout --preserve-status -s TERM 1 "$GLIM" chat "$m" < "$work/quiet" > "$work/out" 2> "$work/err"
code=$?; exec 7>&-
[ $code -eq 143 ] && ok || bad "SIGTERM at the prompt"

# Ctrl-C on a terminal stops the answer and not the program: the next line is still answered
if command -v script > /dev/null; then
    endless='' # without the ids that end an answer it goes on for 2,000 tokens
    for t in '<|endoftext|>' '<|user|>' '<|observation|>' '<|assistant|>'; do
        id=$(printf '"%s"\n' "$t" | "$GLIM" tokenize "$m" --jsonl --special | tr -d '[] ')
        endless="$endless --logit-bias $id=-inf"
    done
    # Every key is pressed when the terminal shows that it is due, however fast or busy the machine: the answer must have begun
    # and must not have ended, so the plain C kernels give it.
    shows() { # shows COUNT PATTERN: waits until so many lines of the terminal match, at most 20 s
        for _ in $(seq 2000); do
            [ "$(grep -ac "$2" "$work/out")" -ge "$1" ] && return 0
            sleep 0.01
        done
        return 1
    }
    longer() { # longer BYTES: waits until the terminal shows more than that, at most 20 s
        for _ in $(seq 2000); do
            [ "$(wc -c < "$work/out")" -gt "$1" ] && return 0
            sleep 0.01
        done
        return 1
    }
    rm -f "$work/keys"; mkfifo "$work/keys"; : > "$work/out"
    script -qfec "GLIM_CPU=ref TERM=dumb '$GLIM' chat '$m' -n 0 --temp 1 --seed 1 $endless" /dev/null \
        < "$work/keys" > "$work/out" 2> "$work/err" &
    terminal=$!
    exec 7> "$work/keys"
    shows 1 'Ctrl-D leaves'; printf 'tell me\n' >&7
    shows 1 'tell me'; longer $(($(wc -c < "$work/out") + 20)); printf '\003' >&7
    shows 1 'stopped'; printf '/set\n' >&7
    shows 1 'max_tokens 0'; printf '/quit\n' >&7
    exec 7>&-
    wait "$terminal"
    says 'stopped'; says 'max_tokens 0'
fi

# a full disk is not success
if [ -e /dev/full ]; then
    for cmd in "logits $m --ids 1,2,3 --jsonl" "run $m -p hi -n 3" "run $m -p hi -n 3 --json" "info $m"; do
        "$GLIM" $cmd > /dev/full 2> "$work/err"
        [ $? -eq 1 ] && ok || bad "a full disk must fail: $cmd"
    done
    printf 'hi\n' | "$GLIM" chat "$m" -n 3 > /dev/full 2> "$work/err"
    [ $? -eq 1 ] && ok || bad "a full disk must fail: chat"
fi
finish
