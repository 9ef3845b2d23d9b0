#!/bin/bash
# kill -9 under load: nothing is lost of what was used (serve_kill.py). 20 kills; 200 in the soak.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not installed"; exit 77; }
rounds=20
[ -n "${GLIM_SOAK:-}" ] && rounds=200
python3 "$(dirname "$0")/serve_kill.py" "$GLIM" "$fixtures/glm4" $rounds > "$work/out" 2> "$work/err" && ok || { bad "serve_kill.py"; head -20 "$work/out"; }
finish
