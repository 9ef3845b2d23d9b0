#!/bin/bash
# tools/demo.sh: six questions through the server, with the model that GLIM_INNER_MODEL names, without any, and on another library.
. "$(dirname "$0")/lib.sh"
export DEMO_EXIT=1 DEMO_DIR=$work/demo DEMO_JSON=$work/demo.json GLIM
cd "$GLIM_SOURCE_DIR" || exit 2
demo=tools/demo.sh

field() { # LINE KEY: of DEMO_JSON, less its rows
    sed -n "$1p" "$work/demo.json" | sed -E 's/, "rows": .*, "handover": /, "handover": /' | grep -oE "\"$2\": (\"[^\"]*\"|[a-z0-9.]+)" | head -1 | sed -E 's/^[^:]*: //; s/"//g'
}
answers() { # what the sample shop must say, whoever says it
    [ "$(wc -l < "$work/demo.json")" -eq 6 ] && ok || bad "want six replies"
    sed -n 1p "$work/demo.json" | grep -q '15W Qi.*"rows": \[{"id": "PH001"' && ok || bad "wireless charging: $(sed -n 1p "$work/demo.json")"
    sed -n 2p "$work/demo.json" | grep -q '"answer": "By price.*2499 CNY.*PH014' && ok || bad "the cheapest: $(sed -n 2p "$work/demo.json")"
    [ "$(field 4 status)" = not_in_library ] && ok || bad "washing machines: $(field 4 status)"
    [ "$(field 5 status) $(field 5 part)" = 'out_of_scope linear model' ] && ok || bad "the weather: $(field 5 status) $(field 5 part)"
    [ "$(field 6 part)" = 'linear model' ] && ok || bad "warranty: $(field 6 part)"
}

run 0 bash $demo
says 'This build has no model inside'
says '200 products'
says 'row PH001: 澜星 L9 手机 (products, line 2)'
says 'answered by: filter; [0-9.]* ms; cost 0.000000 CNY'
answers
[ "$(field 1 usage)" = null ] && ok || bad "a model was asked where there is none"

# Random weights: the model is asked, counted and charged, and nothing that it says is shown.
export GLIM_INNER_MODEL=$fixtures/glm4
run 0 bash $demo
says 'no model is named: the program.s own small one answers'
says 'answered by: filter; [0-9.]* ms, of these [0-9.]* the model.s: [0-9]* tokens at [0-9]* tokens/s; cost 0.[0-9]* CNY'
answers
[ "$(field 1 model_answer_dropped) $(field 1 part)" = 'true filter' ] && ok || bad "random words were shown: $(sed -n 1p "$work/demo.json")"
awk -v c="$(field 1 cost)" 'BEGIN { exit !(c > 0) }' && ok || bad "the model's words cost nothing: $(field 1 cost)"

export GLIM_INNER_MODEL= DEMO_CSV=$work/pots.csv
printf 'sku,name,price,stock\nZZ1,大铁锅,120,4\nZZ2,小铁锅,80,0\nZZ3,木铲,9,50\n' > "$work/pots.csv"
run 0 bash $demo
says '3 products'
says 'looking at ZZ3'
[ "$(wc -l < "$work/demo.json")" -eq 6 ] && ok || bad "want six replies"
DEMO_CSV=$work/none.csv run 1 bash $demo
finish
