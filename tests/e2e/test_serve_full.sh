#!/bin/bash
# The disk fills up under a server (serve_full.py), on a file system in memory that only this test sees.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not installed"; exit 77; }
mkdir "$work/full"
unshare -Urm mount -t tmpfs -o size=64k none "$work/full" 2> /dev/null || { echo "skipped: this system lets nobody mount a file system of his own (unshare -Urm)"; exit 77; }
unshare -Urm bash -c 'mount -t tmpfs -o size=4m none "$3" && exec python3 "$0" "$1" "$2" "$3"' "$(dirname "$0")/serve_full.py" "$GLIM" "$fixtures/glm4" "$work/full" \
    > "$work/out" 2> "$work/err" && ok || { bad "serve_full.py"; head -20 "$work/out"; tail -5 "$work/err"; }
finish
