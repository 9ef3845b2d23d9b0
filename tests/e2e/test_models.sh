#!/bin/bash
# glim models: what lies on the disk is listed with sizes and paths, and removed by name only.
. "$(dirname "$0")/lib.sh"
export HF_HOME=$work/hf
unset HF_HUB_CACHE
run 0 "$GLIM" models --help; says 'glim models'
run 0 "$GLIM" models; says '^0 in all, 0 B'
run 0 "$GLIM" models --json; says '^\[\]$'

mkdir -p "$XDG_DATA_HOME/glim/models/org/whole" "$XDG_DATA_HOME/glim/models/org/half" "$XDG_CACHE_HOME/glim/packed"
cp "$fixtures"/glm4/* "$XDG_DATA_HOME/glim/models/org/whole"
echo '{"format": "glim-pull", "complete": false}' > "$XDG_DATA_HOME/glim/models/org/half/.glim-pull.json"
h=$work/hf/hub/models--THUDM--tiny--glm
mkdir -p "$h/blobs" "$h/snapshots/abc" "$work/hf/hub/datasets--x--y"
head -c 1000 /dev/zero > "$h/blobs/1"
ln -s ../../blobs/1 "$h/snapshots/abc/model.safetensors"
ln -s "$fixtures/glm4" "$h/snapshots/abc/elsewhere"
head -c 5000 /dev/zero > "$XDG_CACHE_HOME/glim/packed/0123.pack"
head -c 70 /dev/zero > "$XDG_CACHE_HOME/glim/packed/0456.pack"
: > "$XDG_CACHE_HOME/glim/packed/notes.txt"

run 0 "$GLIM" models; says "^org/whole .* $XDG_DATA_HOME/glim/models/org/whole$"; says '^org/half .*(not whole)$'; says "^hf:THUDM/tiny--glm  *0.98 KiB .* $h/snapshots/abc$"; says '^packed:0123 '; says '^5 in all'
run 0 "$GLIM" models list --json
python3 - "$work/out" <<'PY' && ok || bad "the JSON list"
import json, sys
v = {e["name"]: e for e in json.load(open(sys.argv[1]))}
assert v["hf:THUDM/tiny--glm"]["bytes"] == 1000 and v["packed:0123"]["bytes"] == 5000 and v["packed:0123"]["place"] == "packed"
assert v["org/half"]["partial"] and not v["org/whole"]["partial"] and v["org/whole"]["bytes"] > 10000 and len(v) == 5
PY
run 0 "$GLIM" info "$(sed -n 's/^org\/whole .* //p' <("$GLIM" models))"

run 0 "$GLIM" key create first # models that were pulled first do not keep the data folder from being made
run 2 "$GLIM" models rm org/whole org/none; one_error '"org/none"'
[ -d "$XDG_DATA_HOME/glim/models/org/whole" ] && ok || bad "nothing goes when a name is wrong"
run 2 "$GLIM" models rm ../../etc; one_error '"../../etc"'
run 2 "$GLIM" models rm; run 2 "$GLIM" models frobnicate; one_error 'frobnicate'
run 0 "$GLIM" models rm hf:THUDM/tiny--glm packed; says '^removed hf:THUDM/tiny--glm'; says '^removed packed:0123'; says '^removed packed:0456'
[ ! -e "$h" ] && [ -e "$fixtures/glm4/config.json" ] && [ -e "$XDG_CACHE_HOME/glim/packed/notes.txt" ] && ok || bad "links are not followed, other files stay"
run 0 "$GLIM" models rm org/half org/whole; run 0 "$GLIM" models; says '^0 in all'
finish
