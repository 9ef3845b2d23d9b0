#!/bin/bash
# conformance.sh - the conformance suites with the official SDK beside them (tests/conformance).
#
#   tools/conformance.sh               all suites       GLIM=build/glim    the program under test
#   tools/conformance.sh equal bad     these            GLIM_SOAK=1        the long forms (2,000 random requests, ...)
#
# `make test` runs the same suites; there, tests that need the `openai` package are skipped where it is not found. This
# script makes a virtual environment for it outside the tree, in $GLIM_CONFORMANCE or ~/.cache/glim/conformance.
set -u
cd "$(dirname "$0")/.." || exit 2
export GLIM=${GLIM:-build/glim} GLIM_SOURCE_DIR=$PWD
export GLIM_CONFORMANCE=${GLIM_CONFORMANCE:-$HOME/.cache/glim/conformance}
[ -x "$GLIM" ] || { echo "conformance.sh: $GLIM is not there: make" >&2; exit 2; }
GLIM=$(realpath "$GLIM")
venv=$GLIM_CONFORMANCE/venv
tools/sdk.sh
python=$venv/bin/python
[ -x "$python" ] || python=python3
suites=("$@")
[ $# -eq 0 ] && for f in tests/conformance/test_*.py; do f=${f##*/test_}; suites+=("${f%.py}"); done
failed=0
for s in "${suites[@]}"; do
    echo "== $s"
    "$python" tests/conformance/run.py "$s"
    rc=$?
    [ $rc -eq 0 ] || [ $rc -eq 77 ] || failed=1
done
exit $failed
