#!/bin/bash
# The model inside is the one of its card (recipes/nano/check), and says what stands in its rows: without the row that an answer
# cites, or with another figure in it, the answer is another one.
. "$(dirname "$0")/lib.sh"
model=$GLIM_SOURCE_DIR/models/glim-nano.gguf card=$GLIM_SOURCE_DIR/models/glim-nano.md
if [ ! -e "$model" ]; then
    echo "skipped: there is no models/glim-nano.gguf"
    exit 77
fi
export NANO_GEN=$GLIM_BUILD_DIR/recipes/nano/nano_gen GLIM
# Beside other tests a second thread mostly waits for the first, and spins. THREADS is for the evaluations, GLIM_THREADS for the server.
export THREADS=1 GLIM_THREADS=1
[ "$(stat -c %s "$model")" -le 10485760 ] && ok || bad "the model is larger than 10 MiB"
rows=10
[ "${GLIM_SOAK:-0}" = 0 ] || rows=
run 0 bash "$GLIM_SOURCE_DIR/recipes/nano/check" "$model" "$card" $rows
says 'answer-zh exact_match'
# of the card only what the hash needs: no figures, and little to make them from
sed 's/sha256 ..../sha256 0000/; s/nano_gen DATA [0-9 ]*/nano_gen DATA 60 60 10 5 7/; /^| /d' "$card" > "$work/other.md"
run 1 bash "$GLIM_SOURCE_DIR/recipes/nano/check" "$model" "$work/other.md" 1
says 'FAILED: the model.s hash'

run 0 $NANO_GEN "$work/d" 2000 500 10 ${GLIM_SOAK_ROWS:-24} 5
run 0 python3 "$GLIM_SOURCE_DIR/tests/e2e/inner_checks.py" $GLIM "$model" "$work/d/eval"
says 'changed'
finish
