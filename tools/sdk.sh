#!/bin/bash
# sdk.sh - the official `openai` package for the conformance tests, in a virtual environment outside the tree
# ($GLIM_CONFORMANCE, default ~/.cache/glim/conformance). Quiet when it is there. Status 1 where it cannot be had:
# no python3-venv, no network; the tests that need it then skip.
set -u
venv=${GLIM_CONFORMANCE:-$HOME/.cache/glim/conformance}/venv
package=openai==3.54.0
"$venv/bin/python" -c "import importlib.metadata as m; exit(m.version('openai') != '${package#*==}')" 2> /dev/null && exit 0
mkdir -p "${venv%/*}" && python3 -m venv "$venv" > /dev/null 2>&1 && "$venv/bin/pip" install -q --disable-pip-version-check "$package" > /dev/null 2>&1 && exit 0
echo "sdk.sh: $package could not be installed into $venv: its tests skip" >&2
exit 1
