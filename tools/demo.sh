#!/bin/bash
# demo.sh - what `make demo` shows once build/glim is there: the service desk of a sample shop, over HTTP, on the model inside the
# program. Asks six questions, prints answers with the rows behind them, then goes on serving.
#   DEMO_CSV=FILE    the shop's library instead of the sample (CSV or XLSX)
#   DEMO_JSON=FILE   the replies as JSON lines: question, answer, rows, part and more
#   DEMO_EXIT=1      ends after the questions
#   DEMO_PORT=N      where to serve (8000, or a free one where that is taken)
set -eu
cd "$(dirname "$0")/.."
glim=${GLIM:-build/glim} dir=${DEMO_DIR:-build/demo} fixture=tests/fixtures/glm4
rm -rf "$dir"
mkdir -p "$dir"
shop=$dir/shop data=$dir/data log=$dir/serve.log

# The model: the program's own, else none that could say a sentence.
if [ -n "${GLIM_INNER_MODEL-}" ] || { [ -z "${GLIM_INNER_MODEL+x}" ] && $glim info inner:glim-nano > /dev/null 2>&1; }; then
    model=()
else
    model=("$fixture" --desk-plain)
    echo 'This build has no model inside (models/glim-nano.gguf, which recipes/nano/run makes): the desk answers by itself.'
fi
$glim desk init electronics "$shop" ${DEMO_CSV:+--library "$DEMO_CSV"} | head -n 1
$glim usage price '*' --input 1 --output 4 --data "$data" > "$dir/price.log" # CNY a million tokens, so that answers cost something

start() { # PORT
    : > "$dir/serve.out"
    $glim desk serve "$shop" "${model[@]}" --port "$1" --data "$data" --parallel 2 > "$dir/serve.out" 2> "$log" &
    pid=$!
    for _ in $(seq 600); do
        port=$(sed -n 's|^serving .*:\([0-9]*\)/v1$|\1|p' "$dir/serve.out")
        [ -n "$port" ] && return 0
        kill -0 $pid 2> /dev/null || break
        sleep 0.1
    done
    wait $pid || true
    return 1
}
if [ -n "${DEMO_EXIT:-}" ]; then first=0; else first=${DEMO_PORT:-8000}; fi
start "$first" || { [ "$first" = 8000 ] && start 0; } || { cat "$log" >&2; exit 1; }
trap 'kill $pid 2> /dev/null || true' EXIT
grep '^no model is named' "$log" || true

[ -z "${DEMO_JSON:-}" ] || : > "$DEMO_JSON"
# $facts is the reply less its rows, whose columns may be called anything.
text_of() { sed -nE 's/.*"'"$1"'": "((\\.|[^"\\])*)".*/\1/p' <<< "$facts" | sed 's/\\n/\n/g; s/\\"/"/g; s/\\\\/\\/g'; }
number_of() { sed -nE 's/.*"'"$1"'": ([0-9.]+).*/\1/p' <<< "$facts"; }
ask() { # QUESTION [ROW]: over HTTP, into $reply and $facts
    local body="{\"question\": \"$1\"${2:+, \"row\": \"$2\"}}" bytes
    bytes=$(printf %s "$body" | wc -c)
    exec 3<> "/dev/tcp/127.0.0.1/$port"
    printf 'POST /v1/desk/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' "$bytes" "$body" >&3
    IFS= read -r status <&3
    reply=$(sed '1,/^\r*$/d' <&3)
    exec 3>&-
    facts="${reply%%, \"rows\": *}, \"handover\": ${reply##*, \"handover\": }"
    [[ $status == *' 200 '* ]] || { echo "demo: \"$1\": $status $reply" >&2; exit 1; }
}
show() { # QUESTION [ROW]
    local part found
    ask "$@"
    [ -z "${DEMO_JSON:-}" ] || printf '%s\n' "$reply" >> "$DEMO_JSON"
    printf '\n> %s%s\n%s\n' "$1" "${2:+   (looking at $2)}" "$(text_of answer)"
    grep -oE '\{"id": "[^"]*", "library": "[a-z]*", "line": [0-9]+, "name": "(\\.|[^"\\])*"' <<< "$reply" |
        sed -E 's/\{"id": "([^"]*)", "library": "([a-z]*)", "line": ([0-9]+), "name": "(.*)"/    row \1: \4 (\2, line \3)/' || true
    part=$(text_of part) found=$(text_of found_by)
    [ "$part" = "$found" ] || part="$part, about rows found by the $found"
    awk -v part="$part" -v status="$(text_of status)" -v a="$(number_of ms)" -v b="$(number_of model_ms)" -v n="$(number_of completion_tokens)" -v rate="$(number_of tokens_per_s)" \
        -v cost="$(text_of cost)" -v money="$(text_of currency)" 'BEGIN { printf "    %s by: %s; %.1f ms", status, part, a + b
            if (n != "") printf ", of these %.1f the model'"'"'s: %d tokens at %.0f tokens/s", b, n, rate
            printf "; cost %s %s\n", cost, money }'
}
view=PH001
if [ -n "${DEMO_CSV:-}" ]; then # one of theirs
    ask '最便宜的是哪个？'
    view=$(grep -oE '"rows": \[\{"id": "[^"]*"' <<< "$reply" | sed -E 's/.*"([^"]*)"$/\1/' || true)
fi
show '这款手机支持无线充电吗？' $view
show 'Which is the cheapest phone with at least 12 GB of memory?'
show 'How much does the Lanstar L9 phone cost?'
show 'Do you sell washing machines?'
show '今天天气怎么样？'
show 'How long is the warranty?'
echo
if [ -n "${DEMO_EXIT:-}" ]; then
    kill $pid
    wait $pid || true
    exit 0
fi
echo "Still serving; Ctrl-C ends it. The desk's page for clerks: http://127.0.0.1:$port/#/desk  a chat with the model: http://127.0.0.1:$port/"
wait $pid
