#!/bin/sh
# Remakes every committed oracle file. Run from anywhere, with the venv's python first in PATH.
set -e
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1
for s in make_fixtures make_adapters make_train make_methods make_gguf make_quant make_tokens make_templates make_outputs; do
    if [ -f $s.py ]; then python $s.py; fi
done
