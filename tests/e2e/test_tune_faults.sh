#!/bin/bash
# glim tune on a machine that fails it (tune_faults.py): kill -9 at 20 random moments (200 in the soak), torn checkpoints, a full disk.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not installed"; exit 77; }
kills=20 more=1
[ -n "${GLIM_SOAK:-}" ] && kills=200 more=40
faults() { # WHAT N
    mkdir "$work/$1"
    python3 "$(dirname "$0")/tune_faults.py" "$GLIM" "$fixtures" "$work/$1" "$1" "$2" > "$work/out" 2> "$work/err" && ok || { bad "tune_faults.py $1"; head -20 "$work/out"; tail -5 "$work/err"; }
}
faults kills $kills
faults torn $more

mkdir -p "$work/full/disk"
if unshare -Urm mount -t tmpfs -o size=64k none "$work/full/disk" 2> /dev/null; then
    unshare -Urm bash -c 'mount -t tmpfs -o size=2m none "$3" && exec python3 "$0" "$1" "$2" "$3" full "$4"' "$(dirname "$0")/tune_faults.py" "$GLIM" "$fixtures" \
        "$work/full/disk" $more > "$work/out" 2> "$work/err" && ok || { bad "tune_faults.py full"; head -20 "$work/out"; tail -5 "$work/err"; }
else
    echo "the full disk is left out: this system lets nobody mount a file system of his own (unshare -Urm)"
fi

# A loss that is no number: step and rows are named, and what was good before it stays.
for i in $(seq 1 8); do echo "{\"text\": \"one two three $i\"}"; done > "$work/rows.jsonl"
run 1 $GLIM tune $fixtures/glm4 "$work/rows.jsonl" -o "$work/nan" --lr 1e30 --clip 0 --batch 2 --schedule constant --warmup 0 --epochs 4 --save-every 1
one_error 'step [0-9]*: the loss is ' 'rows on lines [1-8], [1-8]' 'the checkpoint before it stays' 'begin anew in another folder'
[ -s "$work/nan/state.glim" ] && [ ! -e "$work/nan/adapter_model.safetensors" ] && ok || bad "no checkpoint, or an adapter of a run that failed"
# The hint can be followed: a lower rate is another run's, in another folder.
run 1 $GLIM tune $fixtures/glm4 "$work/rows.jsonl" -o "$work/nan" --lr 1e-4 --batch 2 --schedule constant --warmup 0 --epochs 4 --save-every 1 --resume
one_error 'other settings' '-o'
run 0 $GLIM tune $fixtures/glm4 "$work/rows.jsonl" -o "$work/anew" --lr 1e-4 --batch 2 --schedule constant --warmup 0 --epochs 4 --save-every 1
finish
