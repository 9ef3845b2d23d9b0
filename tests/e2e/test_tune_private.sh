#!/bin/bash
# glim tune --dp-epsilon: charged and shown, killed and resumed, refused over the budget; the key is nobody's but the run's.
. "$(dirname "$0")/lib.sh"
model=$fixtures/glm4
rows=$work/people.jsonl
for i in $(seq 1 60); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes yes yes\"}]}"
done > "$rows"
tune="$GLIM tune $model $rows --batch 12 --epochs 4 --lr 0.01 --lora-rank 4 --lora-targets all-linear --threads 1 --dp-ledger $work/data"

# Without a name of its own a data set has that of its content, as in the server.
set=sha256-$(sha256sum "$rows" | cut -c 1-40)
run 0 $tune --dp-epsilon 6 --dp-delta 1e-3 --plan
warns "privacy: data set \"$set\" spends epsilon"
warns 'ledger: budget of epsilon 6 at delta 0.001, which this run would set; 0 is charged, 0 with what open runs have reserved, 5.'
[ -e "$work/data" ] && bad "a plan touched the ledger" || ok

# Killed and resumed: the key stays with the run, mode 0600, and goes with it.
killed_at "$work/a/state.glim" $tune --dp-epsilon 6 --dp-delta 1e-3 -o "$work/a" --save-every 1
if [ -e "$work/a/privacy.key" ]; then # else it was quicker than the kill
    [ "$(stat -c %a "$work/a/privacy.key")" = 600 ] && ok || bad "the key's mode is $(stat -c %a "$work/a/privacy.key")"
fi
run 0 $tune --dp-epsilon 6 --dp-delta 1e-3 -o "$work/a" --save-every 1 --resume --json
says '"steps": 20'
says '"epsilon": 5.'
[ -e "$work/a/privacy.key" ] && bad "the key outlived its run" || ok
[ "$(wc -l < "$work/a/metrics.jsonl")" -eq 20 ] && ok || bad "metrics have another number of lines"
tail -n 1 "$work/a/metrics.jsonl" | grep -q '"epsilon": 5\.' && ok || bad "the metrics do not say what was spent"
grep -q '"epsilon_promised": 6' "$work/a/privacy.json" && ok || bad "privacy.json does not say what was promised"
grep -aq 'glim.privacy' "$work/a/adapter_model.safetensors" && ok || bad "the adapter does not say what was spent"
run 0 $GLIM run $model --adapter "$work/a" -p "say 3" -n 4 --temp 0

# A plan says what the run would charge and what is left, refuses as the run would, and writes nothing: no charge, no event.
events=$(wc -l < "$work/data/audit.log")
run 2 $tune --dp-epsilon 6 --dp-delta 1e-3 --plan
warns 'the budget is 6'
[ "$(wc -l < "$work/data/audit.log")" -eq "$events" ] && ok || bad "a plan that was refused wrote into the audit log"
run 2 $tune --dp-epsilon 6 --dp-delta 1e-3 --plan --dp-noise 3 --epochs 40
run 0 $tune --dp-epsilon 6 --dp-delta 0.02 --plan --dp-set others
warns 'delta 0.02 is no less than 1 in the 60 examples'
run 0 $tune --dp-epsilon 6 --dp-delta 1e-3 --plan --dp-set others
grep -q 'no less than' "$work/err" && bad "a usual delta is warned of" || ok
warns 'budget of epsilon 6 at delta 0.001, which this run would set; 0 is charged'
run 0 $GLIM privacy budget "$set" 12 1e-3 --data "$work/data"
events=$(wc -l < "$work/data/audit.log")
run 0 $tune --dp-epsilon 6 --dp-delta 1e-3 --plan --dp-noise 3 --json
says '"steps": 20, "examples": 60, .*"budget_epsilon": 12, "budget_delta": 0.001, "charged_epsilon": [56]'
warns "ledger: budget of epsilon 12 at delta 0.001; [56]\.[0-9]* is charged"
warns "is left. A plan charges nothing"
run 0 $GLIM privacy --json --data "$work/data"
says '"runs": 1'
[ "$(wc -l < "$work/data/audit.log")" -eq "$events" ] && ok || bad "a plan wrote into the audit log"
run 0 $GLIM privacy budget "$set" 6 1e-3 --data "$work/data"

# The data folder that glim.conf or the environment names is the ledger's, and no word of it is taken for rows.
echo "data = $work/data" > "$work/glim.conf"
run 2 env GLIM_CONFIG="$work/glim.conf" ${tune% --dp-ledger *} --dp-epsilon 6 --dp-delta 1e-3 --plan
warns 'the budget is 6'
run 2 env GLIM_DATA="$work/data" ${tune% --dp-ledger *} --dp-epsilon 6 --dp-delta 1e-3 --plan
warns 'the budget is 6'

# The rows' budget is spent, under whatever folder; what would break the promise is one error.
nothing_left() { # of a run that never began: neither its folders nor a job that a data folder was told of
    [ -e "$work/b" ] && bad "$1: the run left $(cd "$work" && find b | tr '\n' ' ')" || ok
}
run 2 $tune --dp-epsilon 6 --dp-delta 1e-3 -o "$work/b/run"
one_error 'the budget is 6' 'noise'
nothing_left "over the budget"
mkdir -p "$work/kept/empty"
echo "mine" > "$work/kept/notes"
run 2 $tune --dp-epsilon 6 --dp-delta 1e-3 -o "$work/kept"
run 2 $tune --dp-epsilon 6 --dp-delta 1e-3 -o "$work/kept/empty"
[ "$(cd "$work/kept" && find . | sort | tr '\n' ' ')" = ". ./empty ./notes " ] && ok || bad "a run that was refused changed a folder: $(ls "$work/kept")"
run 2 $tune --dp-epsilon 6 --dp-delta 1e-3 --dp-set 'no/name' -o "$work/b"
one_error '--dp-set' 'no/name'
nothing_left "a name that is none"
run 2 ${tune/"$work/data"/"$work/new"} --dp-epsilon 6 --dp-delta 1e-3 --dp-noise 0.3 -o "$work/b"
[ -e "$work/new" ] && bad "a run that was refused made a data folder" || ok
cp "$rows" "$work/others.jsonl"
run 2 ${tune/people.jsonl/others.jsonl} --dp-epsilon 6 --dp-delta 1e-3 -o "$work/b"
one_error "data set \"$set\"" 'the budget is 6'
run 2 $tune --dp-delta 1e-3 -o "$work/c"
one_error '--dp-epsilon' ''
run 2 $tune --dp-epsilon 6 -o "$work/c"
one_error 'delta: got 0' '--dp-delta'
for w in 0 -1; do
    run 2 $tune --dp-epsilon $w -o "$work/c"
    one_error "dp-epsilon: got $w, want more than 0"
done
run 2 $tune --dp-epsilon 6 --dp-delta 1e-3 --patience 2 --eval 0.2 -o "$work/c"
one_error 'early stop' '--patience'
run 2 $tune --dp-epsilon 6 --dp-delta 1e-3 --lora-dropout 0.1 -o "$work/c"
one_error 'dropout' '--lora-dropout'
run 2 $tune --dp-epsilon 6 --dp-delta 1e-3 --dp-noise 0.3 -o "$work/c"
one_error 'spend epsilon' '--dp-noise'
[ -e "$work/c" ] && bad "a wrong option left a folder" || ok

# The operator's side: what is spent, a larger budget, a run that is given up.
run 0 $GLIM privacy --data "$work/data"
says "$set"
run 0 $GLIM privacy runs --data "$work/data"
says ' over'
run 0 $GLIM privacy budget "$set" 20 1e-3 --data "$work/data"
killed_at "$work/d/state.glim" $tune --dp-epsilon 6 --dp-delta 1e-3 -o "$work/d" --save-every 1 --epochs 40
id=$(grep -o 'tune-[A-Za-z0-9]*' "$work/d/privacy.json")
run 0 $GLIM privacy --json --data "$work/data"
says '"open_runs": 1'
run 0 $GLIM privacy end "$id" --data "$work/data"
run 1 $tune --dp-epsilon 6 --dp-delta 1e-3 -o "$work/d" --save-every 1 --epochs 40 --resume
one_error "$id" 'is over'
run 2 $GLIM privacy end nobody --data "$work/data"
one_error 'not on the privacy ledger'
run 2 $GLIM privacy budget "$set" many 1e-3 --data "$work/data"
one_error 'want a number'
run 0 $GLIM audit verify --data "$work/data"
says 'privacy ledger: 1 data sets, 2 runs, .* steps charged, as the log says'
steps=$(grep -o '[0-9]* steps charged' "$work/out" | cut -d' ' -f1) bytes=$(grep -o '[0-9]* bytes' "$work/out" | cut -d' ' -f1)
run 0 $GLIM audit verify --json --data "$work/data" # the same figures
says "\"ok\": true, \"records\": [0-9]*, \"bytes\": $bytes, \"waiting\": 0, \"private_sets\": 1, \"private_runs\": 2, \"private_steps\": $steps, \"runs_not_compared\": 0, \"budgets_not_compared\": 0, \"head\": "
run 0 $GLIM audit list --action privacy.charge --data "$work/data"
[ "$(grep -c 'tune-.*"steps": 20' "$work/out")" -ge 1 ] && ok || bad "the log does not have the steps of a run"
grep -q "say 3\|yes yes" "$work/data/audit.log" && bad "rows stand in the audit log" || ok
if python3 -c 'import sqlite3' 2> /dev/null; then # somebody edits the book: the log knows better
    cp -r "$work/data" "$work/edited"
    python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("UPDATE dp_runs SET charged = 2, reserved = 2 WHERE charged = 20"); d.commit()' "$work/edited/store.db"
    run 2 $GLIM audit verify --data "$work/edited"
    one_error 'the privacy ledger has 2 steps charged of 2, its events 20 of 20'
fi

# A book from the days when files' names were sets' names: no second budget without a word. Both ways out, and then it is settled.
old="${tune/"$work/data"/"$work/old"} --dp-epsilon 6 --dp-delta 1e-3 --epochs 1 --dp-noise 3"
run 0 $old --dp-set people.jsonl -o "$work/e"
run 1 $old -o "$work/f"
one_error 'has data set "people.jsonl", named by its file' "--dp-set people.jsonl" "--dp-set $set"
[ ! -e "$work/f" ] && ok || bad "a run that was refused left a folder"
run 0 $old --dp-set "$set" -o "$work/f"
run 0 $old -o "$work/g"
run 0 $GLIM privacy --json --data "$work/old"
[ "$(grep -o '"runs": [0-9]*' "$work/out" | tr '\n' ' ')" = '"runs": 1 "runs": 2 ' ] && ok || bad "want one run by name and two by content"
finish
