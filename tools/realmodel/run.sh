#!/bin/bash
# run.sh - `make realmodel`: fetches the model and a pinned llama.cpp, then compares Glim with it. See README.md.
#
#   GLIM=build/glim           the program under test        GLIM_DATA=../shared/data   where text-wikitext2 lies
#   REALMODEL="greedy ppl files"    which comparisons
#
# Skips with one sentence (status 0) where Python, pip, a C++ compiler or the network is missing.
set -u
cd "$(dirname "$0")/../.." || exit 2
cache=${XDG_CACHE_HOME:-$HOME/.cache}/glim/realmodel
peer=llama-cpp-python==0.3.36
skip() { echo "realmodel: skipped: $*"; exit 0; }

model=$(tools/realmodel/fetch.sh)
rc=$?
[ $rc -eq 77 ] && exit 0
[ $rc -ne 0 ] && exit $rc
echo "realmodel: the model is $model"

python=$cache/venv/bin/python
if ! "$python" -c "import importlib.metadata as m; exit(m.version('llama-cpp-python') != '${peer#*==}')" 2> /dev/null; then
    command -v g++ > /dev/null || skip "llama.cpp is built from source and there is no g++"
    command -v cmake > /dev/null || skip "llama.cpp is built from source and there is no cmake"
    python3 -m venv "$cache/venv" > /dev/null || skip "python3 cannot make a virtual environment (Debian: python3-venv)"
    echo "realmodel: building $peer for this machine (several minutes, once; log: $cache/build.log)"
    # Only the library: no vision, server, tools or tests.
    CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF -DLLAMA_CURL=OFF -DLLAMA_BUILD_TOOLS=OFF \
-DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF" \
        nice "$cache/venv/bin/pip" install -v --disable-pip-version-check "$peer" > "$cache/build.log" 2>&1 ||
        skip "$peer could not be installed; see $cache/build.log"
fi

"$python" -c 'import gguf' 2> /dev/null || "$cache/venv/bin/pip" install -q --disable-pip-version-check gguf==0.19.0 || skip "the package gguf could not be installed"

failed=0
for what in ${REALMODEL:-greedy ppl files}; do
    "$python" "tools/realmodel/compare_$what.py" "$model" || failed=1
done
exit $failed
