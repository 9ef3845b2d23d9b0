#!/bin/bash
# Studio's chat page in a real headless Chromium: against a scripted server, then against `glim serve`.
. "$(dirname "$0")/lib.sh"
skip() { echo "    skipped: $1"; exit 77; }
command -v python3 > /dev/null || skip "python3 is not installed"
checks=$GLIM_SOURCE_DIR/tests/web/page_checks.py
export PYTHONDONTWRITEBYTECODE=1
[ -n "${GLIM_SOAK:-}" ] && export GLIM_PAGE_LATENCY="${GLIM_PAGE_LATENCY:-400}" # a slow line
(cd "$GLIM_SOURCE_DIR/tests/web" && python3 -c 'import cdp, sys; sys.exit(not cdp.find())') ||
    skip "there is no Chromium (tools/setup.sh page installs Debian's chromium-headless-shell)"
grep -q '^GLIM_SANITIZE:STRING=.' "$GLIM_BUILD_DIR/CMakeCache.txt" 2> /dev/null &&
    skip "the page is the same under sanitizers; the release build runs this"

server=
trap '[ -n "$server" ] && kill -9 "$server" 2> /dev/null; wait 2> /dev/null; rm -rf "$work"' EXIT
page() { # WHAT...: adds the counts of its last line to ours
    python3 "${script:-$checks}" "$@" > "$work/out" 2> "$work/err"
    local code=$? p f
    grep FAILED "$work/out"
    if read -r p f < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/out") && { [ "$code" -eq 0 ] || [ "$f" -gt 0 ]; }; then
        passed=$((passed + p)) failed=$((failed + f))
    else
        tail -n 12 "$work/err"
        bad "page_checks.py $* came to no end (status $code)"
    fi
}

page mock
"$GLIM" desk init electronics "$work/desk" > /dev/null
"$GLIM" serve "$fixtures/glm4" --port 0 --threads 1 --desk "$work/desk" > "$work/serve.out" 2> "$work/serve.err" &
server=$!
for _ in $(seq 600); do
    port=$(sed -n 's|^serving .*:\([0-9]*\)/v1$|\1|p' "$work/serve.out")
    [ -n "$port" ] && break
    kill -0 "$server" 2> /dev/null || break
    sleep 0.05
done
if [ -n "$port" ]; then page "http://127.0.0.1:$port/" glm4; script=$GLIM_SOURCE_DIR/tests/web/desk_checks.py page "http://127.0.0.1:$port/"; else cat "$work/serve.err"; bad "the server did not start"; fi
finish
