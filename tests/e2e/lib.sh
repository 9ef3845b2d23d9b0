# lib.sh - what the end-to-end tests share: checks that count, and the closing line.
# Environment: GLIM (the binary), GLIM_SOURCE_DIR, GLIM_BUILD_DIR. A test sources this file.
set -u
passed=0 failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/glim-e2e-XXXXXX")
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache XDG_DATA_HOME=$work/data GLIM_PROGRESS=0 GLIM_CONFIG=
export GLIM_INNER_MODEL= # unless a test names one: there may be one in the program, or none
export -n GLIM_DATA # of the tests; to glim it is --data
fixtures=$GLIM_SOURCE_DIR/tests/fixtures

ok() { passed=$((passed + 1)); }
bad() { # WHAT
    failed=$((failed + 1))
    echo "FAILED: $1"
    [ -s "$work/out" ] && { echo "  stdout: $(head -c 400 "$work/out")"; }
    [ -s "$work/err" ] && { echo "  stderr: $(head -c 400 "$work/err")"; }
}

# killed_at FILE COMMAND...: runs it until FILE is there, at most ten seconds, then kill -9. It may have been quicker.
killed_at() {
    local file=$1 pid
    shift
    "$@" > /dev/null 2>&1 &
    pid=$!
    for _ in $(seq 1 1000); do
        [ -s "$file" ] && break
        sleep 0.01
    done
    kill -9 $pid 2> /dev/null
    wait $pid 2> /dev/null
}

# run CODE COMMAND...: runs it with stdin from $work/in (empty unless written), stdout in $work/out, stderr
# in $work/err, and checks the exit code.
run() {
    local want=$1
    shift
    [ -e "$work/in" ] || : > "$work/in"
    "$@" < "$work/in" > "$work/out" 2> "$work/err"
    local got=$?
    rm -f "$work/in"
    if [ $got -eq "$want" ]; then ok; else bad "$* : exit code $got, want $want"; fi
}
says() { if grep -q -e "$1" "$work/out"; then ok; else bad "stdout lacks: $1"; fi; }
warns() { if grep -q -e "$1" "$work/err"; then ok; else bad "stderr lacks: $1"; fi; }
# one_error PATTERN...: exactly one "glim: " line on stderr, holding each pattern, and nothing on stdout.
one_error() {
    local n
    n=$(grep -c '^glim: ' "$work/err")
    if [ "$n" -eq 1 ] && [ ! -s "$work/out" ]; then ok; else bad "want exactly one error line, got $n"; fi
    for p in "$@"; do warns "$p"; done
}
same() { if cmp -s "$1" "$2"; then ok; else bad "$1 and $2 differ"; fi; }
finish() {
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
    exit
}
