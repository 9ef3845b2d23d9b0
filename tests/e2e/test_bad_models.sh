#!/bin/bash
# Bad model files: each gives exactly one error line that names the file (and the tensor where there is
# one), exit code 2, no crash. Under the sanitizer build this also proves that nothing leaks.
. "$(dirname "$0")/lib.sh"

copy() { rm -rf "$work/m"; cp -r "$fixtures/$1" "$work/m"; chmod -R u+w "$work/m"; }
load() { run 2 "$GLIM" logits "$1" --ids 1,2; }
# Overwrites bytes at an offset with a printf string.
poke() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2> /dev/null; }
size() { stat -c %s "$1"; }
header_len() { od -An -tu8 -N8 "$1" | tr -d ' '; }

# ---- safetensors ----
copy glm; f=$work/m/model.safetensors
for n in 0 7 8 100 $(($(header_len "$f") + 8)) $(($(size "$f") - 1)); do
    copy glm; truncate -s "$n" "$f"; load "$work/m"; one_error 'model.safetensors'
done
copy glm; printf 'x' >> "$f"; load "$work/m"; one_error 'model.safetensors'
copy glm; poke "$f" 0 '\377\377\377\377\377\377\377\177'; load "$work/m"; one_error 'model.safetensors'
copy glm; poke "$f" 8 'X'; load "$work/m"; one_error 'model.safetensors'
# NaN in a matrix, infinity in a norm: the tensor is named
data=$(($(header_len "$f") + 8))
offset() { # TENSOR: where its data begins
    head -c "$data" "$f" | tail -c +9 | tr '}' '\n' | sed -n "s/.*\"$1\":{.*\"data_offsets\":\[\([0-9]*\),.*/\1/p"
}
copy glm; at=$(offset model.layers.1.self_attn.q_proj.weight)
[ -n "$at" ] && ok || bad "q_proj is in the fixture"
poke "$f" $((data + at + 10)) '\377\177'; load "$work/m"; one_error 'model.layers.1.self_attn.q_proj.weight' 'NaN'
copy glm; at=$(offset model.norm.weight); poke "$f" $((data + at)) '\200\177'; load "$work/m"
one_error 'model.norm.weight' 'finite'
# all NaN
copy glm; tail -c +$((data + 1)) "$f" | tr '\000-\377' '\377' > "$work/nan"; head -c "$data" "$f" > "$work/h"
cat "$work/h" "$work/nan" > "$f"; load "$work/m"; one_error 'model.safetensors' 'finite'
# a header that lies: another shape with the same bytes, another type, overlapping offsets, a missing name
lie() { # FROM TO (same length): in the header
    [ ${#1} -eq ${#2} ] || bad "a lie must keep the length"
    local from=${1//[/\\[} to=$2
    head -c "$data" "$f" | sed "s/$from/$to/" > "$work/h"; tail -c +$((data + 1)) "$f" > "$work/d"; cat "$work/h" "$work/d" > "$f"
}
copy glm; lie 'model.layers.1.mlp.down_proj.weight' 'model.layers.1.mlp.down_proj.weighx'; load "$work/m"; one_error 'model.layers.1.mlp.down_proj.weigh'
copy glm; lie 'model.layers.0.input_layernorm' 'model.layers.7.input_layernorm'; load "$work/m"; one_error 'layernorm'
copy glm; lie '"BF16","shape":[44]' '"BF16","shape":[43]'; load "$work/m"; one_error 'model.safetensors' 'got\|want'
copy glm; lie '"BF16"' '"BF17"'; load "$work/m"; one_error 'BF17'
# config.json
copy glm; rm "$work/m/config.json"; load "$work/m"; one_error 'config.json'
copy glm; sed -i 's/"model_type": "glm"/"model_type": "mamba"/' "$work/m/config.json"; load "$work/m"; one_error 'mamba'
copy glm; sed -i 's/"hidden_size": 44/"hidden_size": 48/' "$work/m/config.json"; load "$work/m"; one_error 'shape' 'want'
copy glm; sed -i 's/"hidden_size": 44/"hidden_size": -1/' "$work/m/config.json"; load "$work/m"; one_error 'hidden_size' '-1'
copy glm; sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 2e99/' "$work/m/config.json"; load "$work/m"; one_error 'config.json'
copy glm; printf '{' > "$work/m/config.json"; load "$work/m"; one_error 'config.json'
copy glm; rm "$work/m/tokenizer.json"; load "$work/m"; one_error 'tokenizer'
copy glm; printf '{"model": 3}' > "$work/m/tokenizer.json"; load "$work/m"; one_error 'tokenizer.json'
# shards
copy glm4; rm "$work/m/model-00002-of-00002.safetensors"; load "$work/m"; one_error 'model-00002-of-00002'
copy glm4; sed -i 's/model-00002-of-00002/..\/..\/00002-of-00002/' "$work/m/model.safetensors.index.json"; load "$work/m"; one_error '\.\./'
# a layer more than the configuration says is an unknown tensor, not silence
copy glm4; sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 1/' "$work/m/config.json"; load "$work/m"; one_error 'layers.1'

# ---- GGUF ----
g=$work/x.gguf
for n in 0 3 8 24 1000 $(($(size "$fixtures/gguf/llama.gguf") - 64)); do
    head -c "$n" "$fixtures/gguf/llama.gguf" > "$g"; load "$g"; one_error 'x.gguf'
done
cp "$fixtures/gguf/llama.gguf" "$g"; poke "$g" 4 '\011'; load "$g"; one_error 'version' '9'
cp "$fixtures/gguf/llama.gguf" "$g"; poke "$g" 8 '\377\377\377\377\377\377\377\377'; load "$g"; one_error 'x.gguf'
cp "$fixtures/gguf/llama.gguf" "$g"; poke "$g" 16 '\377\377\377\377\377\377\377\377'; load "$g"; one_error 'x.gguf'
cp "$fixtures/gguf/glm4-00001-of-00002.gguf" "$work/y-00001-of-00002.gguf"; load "$work/y-00001-of-00002.gguf"; one_error 'y-00002-of-00002'
printf 'not a model at all, just text' > "$g"; load "$g"; one_error 'x.gguf'
: > "$work/notes.txt"; load "$work/notes.txt"; one_error 'notes.txt'
load /dev/null; one_error '/dev/null'
mkfifo "$work/p.gguf"; load "$work/p.gguf"; one_error 'p.gguf'
finish
