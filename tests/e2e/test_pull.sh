#!/bin/bash
# glim pull against a local hub that drops connections, is slow, refuses, and lies.
set -u
work=$(mktemp -d)
serve=${GLIM_BUILD_DIR}/tests/test_net_serve
[ -x "$serve" ] || { echo "skipped: $serve is not built"; exit 77; }
mkdir "$work/serve"
GLIM_SERVE="$work/serve" "$serve" >"$work/serve.log" 2>&1 &
server=$!
trap 'touch "$work/serve/stop"; wait $server; rm -rf "$work"' EXIT
for _ in $(seq 400); do [ -f "$work/serve/port" ] && break; sleep 0.05; done
port=$(cat "$work/serve/port") || { echo "FAILED: the server did not start"; exit 1; }
export HF_ENDPOINT=http://127.0.0.1:$port MODELSCOPE_ENDPOINT=http://127.0.0.1:$port no_proxy='*'
export HF_HOME="$work/hf" XDG_DATA_HOME="$work/data" HOME="$work"
unset HF_TOKEN HF_TOKEN_PATH MODELSCOPE_API_TOKEN

passed=0 failed=0
pull() { "$GLIM" pull "$@" >"$work/out" 2>"$work/err"; code=$?; }
ok() { # ok WHAT CONDITION...
    local what=$1; shift
    if "$@"; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "  FAILED $what (exit code $code)"; sed 's/^/    /' "$work/out" "$work/err" | head -20; fi
}
has() { grep -qF -- "$2" "$work/$1"; }
no_parts() { [ -z "$(find "$1" -name '*.part*' 2>/dev/null)" ]; }

dir=$work/data/glim/models/glim/drops
pull glim/drops --dry-run
ok "a dry run lists and fetches nothing" test $code = 0 -a ! -e "$dir"
ok "a dry run names what is missing" has out "missing  model-00002-of-00002.safetensors"
ok "a dry run leaves other formats out" test "$(grep -c pytorch "$work/out")" = 0

pull glim/drops
ok "a pull over a bad line succeeds" test $code = 0
ok "its last line is the next command" test "$(tail -1 "$work/out")" = "ready: glim chat $dir"
ok "every file is there" test "$(cd "$dir" && echo *)" = "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json tokenizer.json"
ok "no parts are left" no_parts "$dir"
ok "the note is complete" grep -q '"complete": true' "$dir/.glim-pull.json"

pull glim/drops --json
ok "a second pull fetches nothing" grep -q '"bytes_received": 0' "$work/out"
ok "and says so as JSON" grep -q '"state": "present"' "$work/out"

# A changed file is noticed by its modification time and hash; an untouched copy without a note by hash.
printf '!' | dd of="$dir/model-00002-of-00002.safetensors" bs=1 seek=100 conv=notrunc 2>/dev/null
pull glim/drops --json
ok "a damaged file is fetched again, alone" grep -q '"bytes_received": 3000000,' "$work/out"
rm "$dir/.glim-pull.json"
pull glim/drops --json
ok "without the note hashes decide" grep -q '"bytes_received": 4,' "$work/out" # two files without SHA-256

pull glim/drops --from modelscope --to "$work/ms dir/"
ok "the ModelScope layout works too" test $code = 0 -a -f "$work/ms dir/tokenizer.json"
ok "a path with a space is quoted" has out "ready: glim chat '$work/ms dir'"
ok "both hubs give the same bytes" cmp -s "$dir/model-00001-of-00002.safetensors" "$work/ms dir/model-00001-of-00002.safetensors"
pull glim/gguf --to "$dir" --file q4_k_m
ok "another model's folder is refused" test $code = 2
ok "with its name" has err "holds \"glim/drops\""

# Ctrl-C keeps what is there, the next run continues.
"$GLIM" pull glim/slow --to "$work/slow" >"$work/out" 2>"$work/err" & pid=$!
for _ in $(seq 200); do
    [ "$(stat -c %s "$work/slow/model-00001-of-00002.safetensors.part" 2>/dev/null || echo 0)" -gt 200000 ] && break; sleep 0.05; done
kill -INT $pid; wait $pid; code=$?
ok "an interrupted pull exits with 130" test $code = 130
ok "it says what is kept" has err "are kept in \"$work/slow\""
ok "and how to go on" has err "run the same command again"
ok "its note is not complete" grep -q '"complete": false' "$work/slow/.glim-pull.json"
size=$(stat -c %s "$work/slow/model-00001-of-00002.safetensors.part")
pull glim/slow --to "$work/slow" --dry-run
ok "a dry run sees the part" has out "partial  model-00001-of-00002.safetensors"
# the rest on a pseudo terminal, to see the bar
if command -v script >/dev/null; then
    TERM=xterm LC_ALL=C.UTF-8 script -qec "stty cols 90; '$GLIM' pull glim/slow --to '$work/slow' --json >'$work/json'" /dev/null >"$work/tty" 2>&1; code=$?
    ok "a bar is drawn on a terminal" grep -q "slow .*files.*█.*%" "$work/tty"
    ok "with the time left" grep -q "left" "$work/tty"
    # Columns, not bytes: a cell of the bar has three of those. Of the bar alone: a server that is slow to answer may be told of in a
    # longer sentence.
    longest=$(tr '\r' '\n' <"$work/tty" | LC_ALL=C sed 's/\x1b\[[0-9;]*[mK]//g; s/[\x80-\xbf]//g' | LC_ALL=C awk '/%/ { if (length($0) > n) n = length($0) } END { print n }')
    ok "within the width: $longest of 89" test "$longest" -le 89
else
    pull glim/slow --to "$work/slow" --json; cp "$work/out" "$work/json"
    echo "  skipped: the bar (script is not installed)"
fi
ok "the interrupted pull is completed" test $code = 0
resumed=$(sed -n 's/.*"bytes_resumed": \([0-9]*\).*/\1/p' "$work/json")
ok "with the bytes it had ($resumed of $size and more)" test "$resumed" -ge "$size"
ok "to the right bytes" cmp -s "$dir/model-00001-of-00002.safetensors" "$work/slow/model-00001-of-00002.safetensors"

pull glim/wrong --to "$work/wrong"
ok "wrong bytes fail" test $code = 1
ok "with both hashes" has err "SHA-256 is"
ok "and are not kept under the file's name" test ! -e "$work/wrong/model-00002-of-00002.safetensors"
pull glim/gated --to "$work/gated"
ok "a gated repository fails" test $code = 1
ok "with the way in" has err "accept the licence at"
pull glim/nothing
ok "an unknown repository is bad input" test $code = 2
pull glim/gguf
ok "several GGUF models ask for a choice" test $code = 2
ok "and are listed" has err "m-Q8_0.gguf"
pull "https://huggingface.co/glim/gguf/tree/main" --file q4_k_m --to "$work/g"
ok "one GGUF by a piece of its name, from a page's address" test $code = 0
ok "is ready as a file" has out "ready: glim chat $work/g/m-Q4_K_M.gguf"
for bad in "" "--nope x" "a/b --from x" "a/b --jobs 0" "../x" "a/b --file x --include y"; do
    pull $bad
    ok "'$bad' is a wrong command line" test $code = 2
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
