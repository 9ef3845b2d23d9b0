#!/bin/bash
# demo.sh - what `make demo` shows once build/glim is there: that a model runs, and the service desk of a sample shop.
#   DEMO_CSV=FILE    the shop's library instead of the sample (CSV or XLSX)
#   DEMO_JSON=FILE   question, answer, rows and the part that answered, as JSON lines
set -eu
cd "$(dirname "$0")/.."
glim=build/glim fixture=tests/fixtures/glm4 shop=build/demo-shop
echo 'A GLM-4 of 133 KiB with random weights ships with the code: it shows that everything runs,'
echo 'but nobody ever trained it, so its answers are gibberish. With real weights: build/glim chat FOLDER'
echo
printf 'Good morning!\nWhat is a small light good for?\n' | $glim chat $fixture --echo --seed 1 -n 24
echo
$glim info $fixture
echo
echo 'The service desk needs no trained model to answer from a shop'"'"'s library: filters, search and a linear model do,'
echo 'and each answer names the rows it stands on.'
rm -rf "$shop"
$glim desk init electronics "$shop" ${DEMO_CSV:+--library "$DEMO_CSV"} | head -n 1
[ -z "${DEMO_JSON:-}" ] || : > "$DEMO_JSON"
for question in '澜星 L9 这款手机支持无线充电吗？' 'Which is the cheapest phone with at least 12 GB of memory?' '2000元以下有现货的平板有哪些？' \
    'How long is the warranty?' 'Do you sell washing machines?' '今天天气怎么样？'; do
    echo
    echo "> $question"
    $glim desk ask "$shop" "$question" 2>&1
    [ -z "${DEMO_JSON:-}" ] || $glim desk ask "$shop" "$question" --json >> "$DEMO_JSON"
done
echo
echo "Its page for clerks: build/glim serve $fixture --desk $shop, then http://127.0.0.1:8000/#/desk"
