#!/bin/bash
# test_quiet.sh - a pass and the sampling after it make no system call: strace counts.
#
# First between the marks of tests/model/test_quiet.c (writes to file descriptor -1): on one thread none at all; on two
# only futex and sched_yield, because a pool whose workers found nothing for 50 microseconds sleeps by design. Then in
# the program itself: between an answer's first and last piece of text, one thread writes the pieces and does nothing else.
. "$GLIM_SOURCE_DIR/tests/e2e/lib.sh"
skip() { echo "  skipped: $*"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }

quiet=$GLIM_BUILD_DIR/tests/test_model_quiet
[ -x "$quiet" ] || skip "$quiet is not built"
grep -q '^GLIM_SANITIZE:[A-Z]*=.' "$GLIM_BUILD_DIR/CMakeCache.txt" &&
    skip "the build is sanitized, and sanitizers make system calls of their own"
command -v strace > /dev/null || skip "there is no strace (Debian's package strace)"
strace -o /dev/null true 2> /dev/null || skip "strace may not trace here (ptrace is forbidden)"

# Sections of a trace, one a line: name, threads, calls inside that do not belong there.
sections() { # TRACE
    awk '
        match($0, /"glim-quiet begin [0-9]+/) {
            inside = 1; n = 0; what = ""; two = substr($0, RSTART + 18, RLENGTH - 18) > 1; next
        }
        /"glim-quiet end / {
            match($0, /end [0-9]+ [^"]+/); split(substr($0, RSTART, RLENGTH), w, " ")
            print w[3], w[2], n what; inside = 0; next
        }
        inside && !/ resumed>/ {
            line = $0; sub(/^[0-9]+ +/, "", line); call = line; sub(/\(.*/, "", call)
            if (two && (call == "futex" || call == "sched_yield")) next
            n++; what = what " " call
        }' "$1"
}

# The control is a section with one system call in it: a counter that misses it counts nothing.
run 0 strace -f -o "$work/trace" "$quiet" quiet
sections "$work/trace" > "$work/sections"
control=$(sed -n 's/^control 1 //p' "$work/sections")
[ "$control" = "1 getppid" ] && ok || bad "the control section: got \"$control\", want \"1 getppid\""
for threads in 1 2; do
    n=$(grep -v '^control' "$work/sections" | grep -c " $threads ")
    if [ "$n" -ge 18 ]; then ok; else bad "$n sections on $threads threads, want 18 or more"; fi
    loud=$(grep -v '^control' "$work/sections" | grep " $threads " | grep -v ' 0$')
    if [ -z "$loud" ]; then ok; else bad "system calls on $threads threads: $loud"; fi
done

run 0 strace -f -o "$work/trace" "$GLIM" run "$fixtures/glm4" --raw -p "hello" -n 60 --ignore-eos --temp 0.8 --seed 1 -t 1
first=$(grep -n 'write(1, ' "$work/trace" | head -n 1 | cut -d : -f 1)
# The last write is the line's end, after the model has gone; the one before it is the last piece of the answer.
last=$(grep -n 'write(1, ' "$work/trace" | tail -n 2 | head -n 1 | cut -d : -f 1)
pieces=$(sed -n "$first,${last}p" "$work/trace" | grep -c 'write(1, ')
others=$(sed -n "$first,${last}p" "$work/trace" | grep -v 'write(1, ')
if [ "$pieces" -ge 20 ]; then ok; else bad "$pieces pieces of text were written, want 20 or more"; fi
if [ -z "$others" ]; then ok; else bad "system calls between two pieces of text: $(echo "$others" | head -n 5)"; fi
finish
