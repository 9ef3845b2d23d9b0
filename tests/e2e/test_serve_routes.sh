#!/bin/bash
# glim serve's further routes, its settings, TLS and its unit file: serve_routes.py holds the checks over HTTP.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not installed"; exit 77; }
checks=$(dirname "$0")/serve_routes.py
server= port=
stop_server() { [ -n "$server" ] && kill -9 "$server" 2> /dev/null; wait "$server" 2> /dev/null; server=; }
trap 'stop_server; rm -rf "$work"' EXIT

start() { # ARGUMENTS...: sets server and port
    : > "$work/serve.out" # the last one's port lies here
    "$GLIM" serve --port 0 --threads 1 "$@" > "$work/serve.out" 2> "$work/serve.err" &
    server=$!
    for _ in $(seq 1200); do
        port=$(sed -n 's|^serving .*:\([0-9]*\)/v1$|\1|p' "$work/serve.out")
        [ -n "$port" ] && return
        kill -0 "$server" 2> /dev/null || break
        sleep 0.05
    done
    cat "$work/serve.err"
    bad "the server did not start"
    finish
}
ask() { # MODEL WHAT KEY=VALUE...
    python3 "$checks" "$port" "$@" > "$work/out" 2> "$work/err" && ok || { bad "serve_routes.py $2"; head -20 "$work/out"; tail -5 "$work/err"; }
}
ends() { # the server drains, ends with 0, and left no half upload
    kill -TERM "$server"
    wait "$server"; local code=$?; server=
    [ $code -eq 0 ] && ok || { bad "a drained server ends with 0, got $code"; tail -20 "$work/serve.err"; }
    [ -z "$(ls -A "$XDG_DATA_HOME/glim/blobs/new" 2> /dev/null)" ] && ok || bad "uploads that nobody finished are gone"
}
a=$fixtures/adapters

# settings: a file, over it the environment, over it the command line
cat > "$work/glim.conf" <<CONF
# what a service would have
model = $fixtures/glm4
name = from-file
adapter = start=$a/glm4-all
parallel = 4
CONF
run 2 "$GLIM" serve; one_error 'no model'
echo 'porr = 5' > "$work/bad.conf"
run 2 "$GLIM" serve --config "$work/bad.conf"; one_error 'bad.conf" line 1' '"porr"'; warns '"port"'
run 2 "$GLIM" serve "$fixtures/glm4" --tls-cert x; one_error 'tls-key'
run 2 "$GLIM" serve "$fixtures/glm4" --adapter nothing; one_error 'NAME=FOLDER'
run 2 "$GLIM" serve "$fixtures/glm4" --port 0 --adapter "x=$a/air"; warns 'air'

GLIM_NAME=from-env start --config "$work/glim.conf" --name glm4 --no-tune
grep -q '^memory: weights .* KV pages .* workspace .* free ' "$work/serve.err" && ok || bad "memory is told before loading"
ask glm4 files
ask glm4 tune
ask glm4 responses
ask glm4 embed
ask glm4 adapters "one=$a/glm4-all" "two=$a/glm4-rs" "other=$a/air"
ends
GLIM_NAME=from-env start --config "$work/glim.conf"
grep -q 'serving from-env ' "$work/serve.out" && ok || bad "the environment wins over the file"
ends
start "$fixtures/glm4moe-air" --name air # reasoning, and calls in the other syntax
ask air responses
ends

# another model in place of this one
mkdir "$work/model" && cp "$fixtures"/glm4/* "$work/model"
start "$work/model" --name glm4 --adapter "start=$a/glm4-all"
ask glm4 reload "pid=$server" "folder=$work/model" "one=$a/glm4-all" "two=$a/glm4-rs" "log=$work/serve.err"
grep -q 'the model stays as it was' "$work/serve.err" && ok || bad "a bad model is told"
[ "$(grep -c 'the old model is closed' "$work/serve.err")" -ge 4 ] && ok || { bad "old models are closed"; grep 'serve the' "$work/serve.err"; }
ends

# many clients at once, most of which leave
start "$fixtures/glm4" --name glm4
ask glm4 storm "one=$a/glm4-all" "pid=$server"
ends

# keys: scopes and tenants
key() { "$GLIM" key create "$@"; } 2> /dev/null
infer=$(key a --scopes infer) filer=$(key b --tenant acme --scopes files,tune) other=$(key c --tenant other --scopes files,tune) admin=$(key d --scopes admin)
start "$fixtures/glm4" --name glm4
ask glm4 scopes "infer=$infer" "files=$filer" "other=$other" "admin=$admin"
ends

# TLS: a certificate, a second one while serving, and one that is none
if command -v openssl > /dev/null && command -v curl > /dev/null; then
    cert() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1.key" -out "$work/$1.crt" -days 2 -subj "/CN=$1" -addext subjectAltName=IP:127.0.0.1 2> /dev/null; }
    cert one; cert two
    cp "$work/one.crt" "$work/tls.crt"; cp "$work/one.key" "$work/tls.key"
    run 2 "$GLIM" serve "$fixtures/glm4" --port 0 --tls-cert "$work/one.crt" --tls-key "$work/two.key"; warns 'is not that of the first certificate'
    run 2 "$GLIM" serve "$fixtures/glm4" --port 0 --tls-cert "$work/glim.conf" --tls-key "$work/two.key"; warns 'not a chain of PEM'
    run 2 "$GLIM" serve "$fixtures/glm4" --port 0 --tls-cert "$work/none.crt" --tls-key "$work/two.key"; warns 'none.crt'
    start "$fixtures/glm4" --name glm4 --auth none --tls-cert "$work/tls.crt" --tls-key "$work/tls.key"
    says_subject() { openssl s_client -connect "127.0.0.1:$port" < /dev/null 2> /dev/null | grep -q "CN *= *$1" && ok || bad "the certificate of $1"; }
    https() { curl -sS --max-time 60 --cacert "$work/$1.crt" "https://127.0.0.1:$port$2" "${@:3}"; }
    run 0 https one /health; says '"ok"'
    run 60 https two /health # another issuer: not trusted
    run 0 https one /v1/chat/completions -d '{"model": "glm4", "messages": [{"role": "user", "content": "x"}], "max_tokens": 30, "stream": true}'; says '^data: \[DONE\]$'
    head -c 3000000 /dev/urandom > "$work/upload"
    run 0 https one /v1/files -F purpose=user_data -F "file=@$work/upload"
    id=$(sed 's/.*"id": "\([^"]*\)".*/\1/' "$work/out")
    run 0 https one "/v1/files/$id/content" -o "$work/download"; same "$work/upload" "$work/download"
    openssl s_client -connect "127.0.0.1:$port" -tls1_1 < /dev/null > /dev/null 2>&1 && bad "TLS 1.1 is not spoken" || ok
    curl -s --max-time 10 "http://127.0.0.1:$port/health" > "$work/out" 2>&1; grep -q ok "$work/out" && bad "plain HTTP is not spoken" || ok
    says_subject one
    python3 - "$port" "$work/one.crt" "$server" "$work" <<'PY' && ok || bad "streams that run go on over a change of certificate"
import http.client, json, os, shutil, signal, ssl, sys, time
port, cert, pid, work = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
c = http.client.HTTPSConnection("127.0.0.1", port, context=ssl.create_default_context(cafile=cert), timeout=60)
c.request("POST", "/v1/completions", json.dumps({"model": "glm4", "prompt": "a", "max_tokens": 300, "stream": True, "ignore_eos": True}))
r = c.getresponse()
r.read(10)
for name in ("crt", "key"):
    shutil.copy("%s/two.%s" % (work, name), "%s/tls.%s" % (work, name))
os.kill(pid, signal.SIGHUP)
assert r.read().endswith(b"data: [DONE]\n\n")
c.request("GET", "/health")
assert c.getresponse().status == 200  # the connection too
PY
    for _ in $(seq 100); do https two /health > /dev/null 2>&1 && break; sleep 0.05; done
    says_subject two
    echo nonsense > "$work/tls.crt"
    kill -HUP "$server"
    for _ in $(seq 100); do grep -q 'stays as it was' "$work/serve.err" && break; sleep 0.05; done
    grep -q 'stays as it was' "$work/serve.err" && ok || bad "a bad certificate is told"
    says_subject two
    ends
    start "$fixtures/glm4" --name glm4 --tls-cert "$work/one.crt" --tls-key "$work/one.key" --client-timeout 1
    python3 - "$port" "$work/one.crt" <<'PY' > "$work/out" 2>&1 && ok || bad "half a body over TLS hears 408"
import socket, ssl, sys
def late(data):
    s = ssl.create_default_context(cafile=sys.argv[2]).wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60), server_hostname="127.0.0.1")
    s.sendall(data)
    got = b""
    try:
        while part := s.recv(4096):
            got += part
    except ssl.SSLError:
        pass  # no farewell
    return got
got = late(b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
assert got.startswith(b"HTTP/1.1 408 ") and b'"request_timeout"' in got, got
assert late(b"") == b""
PY
    ends
else
    echo "TLS is not tried: openssl or curl is not installed"
fi

# the unit: what is installed can be read by systemd, and is as closed as the program allows
if command -v systemd-analyze > /dev/null && [ "$(systemd-analyze --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" -ge 250 ]; then
    sed "s|@BINDIR@|$(dirname "$GLIM")|" "$GLIM_SOURCE_DIR/packaging/glim.service" > "$work/glim.service"
    run 0 systemd-analyze security --offline=true --threshold=20 "$work/glim.service"; says 'exposure level for glim.service: [01]\.[0-9] OK'
    systemd-analyze verify "$work/glim.service" > "$work/out" 2>&1
    grep -i 'glim.service' "$work/out" | grep -v -i 'man page' && bad "systemd-analyze verify" || ok
fi
# each flag that the unit or its comments name is one of the program
"$GLIM" serve --help > "$work/help"
flags=$(sed -n 's/^ExecStart=@BINDIR@\/glim serve//p' "$GLIM_SOURCE_DIR/packaging/glim.service" | grep -o -e '--[a-z-]*'; sed -n 's/^#.*(\(--[a-z-]*\)).*/\1/p' "$GLIM_SOURCE_DIR/packaging/glim.service")
for flag in $flags; do grep -q -e "$flag " "$work/help" && ok || bad "the unit names $flag"; done
[ "$(echo $flags)" = "--config --drain" ] && ok || bad "the unit's flags are: $flags"
# every setting of the sample file is one
sed -n 's/^#\{0,1\}\([a-z][a-z-]*\) = .*/\1/p' "$GLIM_SOURCE_DIR/packaging/glim.conf" > "$work/names"
while read -r name; do grep -q -e "--$name " "$work/help" && ok || bad "glim.conf names $name"; done < "$work/names"
[ "$(wc -l < "$work/names")" -ge 9 ] && ok || bad "the sample's names were not found"
finish
