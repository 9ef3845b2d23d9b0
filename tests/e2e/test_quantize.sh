#!/bin/bash
# glim quantize, as a person or a script drives it: a file that runs, a report, refusals, a kill in the middle.
. "$(dirname "$0")/lib.sh"
m=$fixtures/glm4
for i in 1 2 3 4 5 6 7 8; do echo "$i Good morning, the quick brown fox jumps over the dog and sleeps until the next day."; done > "$work/text"

run 0 "$GLIM" quantize --help; says 'glim quantize IN OUT.gguf'; says 'q4_k_m'
run 0 "$GLIM" quantize "$m" "$work/q8.gguf" --type q8_0; says 'bits per weight'; says 'do not divide'
run 0 "$GLIM" run "$work/q8.gguf" -p 'Good morning' -n 5 --temp 0
run 0 "$GLIM" verify "$work/q8.gguf"
run 0 "$GLIM" info "$work/q8.gguf"

# the same tokens, from the file alone
printf '"Good morning, 12345 times!"\n"<|user|> stays text"\n' > "$work/in"
run 0 "$GLIM" tokenize "$m" --jsonl; cp "$work/out" "$work/a"
printf '"Good morning, 12345 times!"\n"<|user|> stays text"\n' > "$work/in"
run 0 "$GLIM" tokenize "$work/q8.gguf" --jsonl; same "$work/a" "$work/out"

# report and calibration
run 0 "$GLIM" quantize "$m" "$work/f32.gguf" --type f32 --report "$work/text" --report-ctx 32 --json
says '"bits_per_value": 32.0'; says '"same_tokens": true'; says '"top1": '; says '"kl_99": '; says '"source_int8": false, "result_int8": false'
run 0 "$GLIM" quantize "$m" "$work/cal.gguf" --type q4_0 --calibrate "$work/text" --report "$work/text" --report-ctx 32
says 'importances from'; says 'KL divergence  mean'; says 'same top token'
run 0 "$GLIM" quantize "$fixtures/glm" "$work/fed.gguf" --type q4_0 --calibrate "$work/text" --feedback
says 'error feedback in [1-9]'; says ' 1 pass over the text'

# conversations as the model's own template writes them, control tokens included
nano=$GLIM_SOURCE_DIR/models/glim-nano.gguf
for i in 1 2 3 4; do echo '{"messages": [{"role": "user", "content": "hello '$i'"}, {"role": "assistant", "content": "Good day."}]}'; echo; done > "$work/rows.jsonl"
run 0 "$GLIM" perplexity "$nano" "$work/rows.jsonl" --ctx 8 --json
n=$(sed 's/.*"n_tokens": \([0-9]*\).*/\1/' "$work/out")
[ "$n" -ge 40 ] && [ "$n" -le 72 ] && ok || bad "four conversations have $n tokens" # "<|assistant|>" as text alone would be more
run 0 "$GLIM" quantize "$nano" "$work/chat.gguf" --type iq4_xs -t 1 --calibrate "$work/rows.jsonl" --report "$work/rows.jsonl" --report-ctx 16; says 'importances from'; says 'KL divergence  mean'
run 0 "$GLIM" quantize "$nano" "$work/fed2.gguf" --type iq4_xs -t 1 --calibrate "$work/rows.jsonl" --feedback --feedback-memory 0.012
says 'error feedback in 36 tensors, [2-6] passes'; warns '^error feedback: [2-6] passes over the text, moments of pairs of columns in'
if [ -z "$GLIM_SANITIZED" ]; then # the same code in fewer passes, twelve seconds of a processor there
    run 0 "$GLIM" quantize "$nano" "$work/fed1.gguf" --type iq4_xs -t 1 --calibrate "$work/rows.jsonl" --feedback --json
    says '"n_passes": 1,'; same "$work/fed1.gguf" "$work/fed2.gguf"
fi
run 2 "$GLIM" quantize "$nano" "$work/n.gguf" --calibrate "$work/rows.jsonl" --feedback --feedback-memory 0.002; one_error '768 columns' 'without --feedback'
run 2 "$GLIM" quantize "$nano" "$work/n.gguf" --calibrate "$work/rows.jsonl" --feedback --feedback-memory -1; one_error 'feedback-memory'
echo '{"text": "plain"}' >> "$work/rows.jsonl"; echo '{"prompt": "x"}' >> "$work/rows.jsonl"
run 2 "$GLIM" quantize "$nano" "$work/n.gguf" --calibrate "$work/rows.jsonl"; one_error 'rows.jsonl", line 10' 'messages'

# overrides
run 0 "$GLIM" quantize "$fixtures/glm" "$work/o.gguf" --type q4_0 --tensor 'blk.1.attn_output.weight=q8_0' --json
says '"q8_0": {"tensors": 1'

# refusals
run 2 "$GLIM" quantize "$m" "$work/q8.gguf"; one_error 'exists'; warns '--force'
run 0 "$GLIM" quantize "$m" "$work/q8.gguf" --force
run 2 "$GLIM" quantize "$work/q8.gguf" "$work/q8.gguf" --force; one_error 'is the input'
run 2 "$GLIM" quantize "$m" "$work/n.gguf" --type q7; one_error 'q7' 'q4_k_m'
run 2 "$GLIM" quantize "$m" "$work/n.gguf" --tensor 'x'; one_error 'PATTERN=TYPE'
run 2 "$GLIM" quantize "$m" "$work/n.gguf" --calibrate "$work/none"; one_error 'none'
run 2 "$GLIM" quantize "$m" "$work/n.gguf" --feedback; one_error 'needs a text to learn from'
run 2 "$GLIM" quantize /nonexistent/model "$work/n.gguf"; one_error '/nonexistent/model'
run 1 "$GLIM" quantize "$m" "$work/no/such/folder/n.gguf"; one_error 'no/such/folder'
[ -e "$work/n.gguf" ] || [ -e "$work/n.gguf.part" ] || [ -e "$work/n.gguf.part.journal" ] && bad 'a refused run left files' || ok

# threads make no difference; nothing is left beside the result
run 0 "$GLIM" quantize "$m" "$work/t1.gguf" --type q5_1 -t 1
run 0 "$GLIM" quantize "$m" "$work/t4.gguf" --type q5_1 -t 4
same "$work/t1.gguf" "$work/t4.gguf"
[ -z "$(ls "$work" | grep -E 'part|journal|tmp\.')" ] && ok || bad 'temporary files are left'
finish
