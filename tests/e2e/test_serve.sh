#!/bin/bash
# glim serve on tiny models, as clients meet it: serve_checks.py holds the checks.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not installed"; exit 77; }
checks=$(dirname "$0")/serve_checks.py
server= port=
stop_server() { [ -n "$server" ] && kill -9 "$server" 2> /dev/null; wait "$server" 2> /dev/null; server=; }
trap 'stop_server; rm -rf "$work"' EXIT

start() { # MODEL FLAGS...: sets server and port
    local m=$1
    shift
    : > "$work/serve.out" # the last server's port lies here
    "$GLIM" serve "$fixtures/$m" --port 0 --threads 1 "$@" > "$work/serve.out" 2> "$work/serve.err" &
    server=$!
    for _ in $(seq 600); do
        port=$(sed -n 's|^serving .*:\([0-9]*\)/v1$|\1|p' "$work/serve.out")
        [ -n "$port" ] && return
        kill -0 "$server" 2> /dev/null || break
        sleep 0.05
    done
    cat "$work/serve.err"
    bad "the server did not start"
    finish
}
ask() { # MODEL WHAT...
    python3 "$checks" "$port" "$@" > "$work/out" 2> "$work/err" && ok || { bad "serve_checks.py $*"; head -20 "$work/out"; }
}

run 0 "$GLIM" serve --help; says 'glim serve'
run 2 "$GLIM" serve "$fixtures/glm4" --host nowhere; one_error '"nowhere"'
run 2 "$GLIM" serve "$fixtures/glm4" --port 99999; one_error 'port'

for m in glm4 glm4moe-air; do
    start $m
    ask $m basics
    ask $m streams
    if [ $m = glm4 ]; then
        ask $m bad
        ask $m smuggling
        run 1 "$GLIM" serve "$fixtures/glm4" --port "$port" --threads 1 --data "$work/other"; warns "port $port"
        run 1 "$GLIM" serve "$fixtures/glm4" --port 0 --threads 1; warns "data folder of its own"
    fi
    ask $m disconnect
    # drain: what runs is finished, nothing new is taken, the process ends with 0
    stops=$(python3 -c 'import json, sys; e = json.load(open(sys.argv[1] + "/config.json"))["eos_token_id"]; print(",".join(map(str, e if isinstance(e, list) else [e])))' "$fixtures/$m")
    python3 "$checks" "$port" $m drain "$stops" > "$work/drain.out" 2>&1 &
    client=$!
    for _ in $(seq 600); do grep -q READY "$work/drain.out" && break; sleep 0.02; done
    kill -TERM "$server"
    wait $client && ok || { bad "drain of $m"; cat "$work/drain.out"; }
    wait "$server"; code=$?; server=
    [ $code -eq 0 ] && ok || { bad "a drained server ends with 0, got $code"; tail -20 "$work/serve.err"; }
done
# keys: made beside the running server, which knows them at once
start glm4 --adapter sales="$fixtures/adapters/glm4-rs" --client-timeout 1
ask glm4 origins
ask glm4 deadlines
kill -HUP "$server" # reads adapters again; nothing ends
for _ in $(seq 200); do grep -q 'reload is over' "$work/serve.err" && break; sleep 0.02; done
grep -q 'reloaded adapter=sales' "$work/serve.err" && ok || bad "SIGHUP reads the adapters again"
ask sales basics
stop_server
start glm4 --cors https://shop.example --reasoning-alias
ask glm4 cors
ask glm4 crowd
key() { "$GLIM" key create "$@" 2> /dev/null | grep -o 'glim_[A-Za-z0-9]*_[A-Za-z0-9_-]*' | head -1; }
good=$(key good --rpm 3) narrow=$(key narrow --scopes usage) dead=$(key dead)
"$GLIM" key revoke "${dead:0:11}" > /dev/null 2>&1
ask glm4 auth "$good" "$narrow" "$dead"
ask glm4 budget "$(key little --token-budget 150)"
stop_server
run 0 "$GLIM" usage check
finish
