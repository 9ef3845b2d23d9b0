#!/bin/bash
# glim key, usage, audit on a data folder, as an operator drives them.
. "$(dirname "$0")/lib.sh"
d=$work/folder

for verb in key usage audit backup restore; do run 0 "$GLIM" $verb --help; says "glim $verb"; done
run 2 "$GLIM" key; run 2 "$GLIM" key frobnicate; one_error 'frobnicate'
run 2 "$GLIM" key list --data "$d"; one_error 'no data folder' "$d"
[ ! -e "$d" ] && ok || bad "looking at a folder must not make it"

# a key is shown once; its hash is all that stays
run 0 "$GLIM" key create 'front desk' --tenant acme --scopes infer,files --rpm 60 --token-budget 1000000 --money-budget 12.5 --expires 30d --data "$d"
says '^glim_[0-9A-Za-z]\{6\}_[0-9A-Za-z]\{43\}$'
secret=$(cat "$work/out")
grep -rqa "${secret#*_*_}" "$d" && bad "the key itself is on the disk" || ok
[ "$(stat -c %a "$d")" = 700 ] && ok || bad "the folder is private"
run 0 "$GLIM" key create --json --data "$d"; says '"key": "glim_'; says '"state": "live"'
id=$(sed 's/.*"id": "\([^"]*\)".*/\1/' "$work/out")
run 0 "$GLIM" key list --data "$d"; says 'front desk'; says "$id"
[ "$(wc -l < "$work/out")" -eq 3 ] && ok || bad "a line per key"
run 0 "$GLIM" key list --tenant acme --json --data "$d"; says '"name": "front desk"'; says '"money_budget": "12.500000"'
run 0 "$GLIM" key show "${secret:0:11}" --data "$d"; says 'of 1000000'; says 'of 12.500000'
run 0 "$GLIM" key revoke "$id" --data "$d"; says "revoked $id"
run 0 "$GLIM" key show "$id" --json --data "$d"; says '"state": "revoked"'
run 2 "$GLIM" key revoke key_nobody --data "$d"; one_error 'key_nobody'
for word in '' local; do run 2 "$GLIM" key revoke "$word" --data "$d"; one_error "$word"; run 2 "$GLIM" key show "" --data "$d"; done
run 2 "$GLIM" key create --scopes root --data "$d"; one_error '"root"'
run 2 "$GLIM" key create --tenant 'a b' --data "$d"; one_error '"a b"'
run 2 "$GLIM" key create --expires 2020-01-01 --data "$d"; one_error 'passed'
run 2 "$GLIM" key create --expires soon --data "$d"; one_error 'soon'
run 2 "$GLIM" key create --money-budget 1.2345678 --data "$d"; one_error '1.2345678'

# prices and reports
run 0 "$GLIM" usage currency EUR --data "$d"; says '^EUR$'
run 0 "$GLIM" usage price glm-4-9b --input 0.50 --cached 0.10 --output 1.50 --from 2026-01-01 --data "$d"
run 0 "$GLIM" usage price '*' --input 1 --output 2 --data "$d"
run 0 "$GLIM" usage price --data "$d"; says '0.500000 .*0.100000 .*1.500000  glm-4-9b'
run 0 "$GLIM" usage price --json --data "$d"; says '"model": "\*"'
run 2 "$GLIM" usage price m --input 1 --data "$d"; one_error '--output'
run 2 "$GLIM" usage price m --input 1 --output x --data "$d"; one_error '"x"'
for by in key tenant day model; do run 0 "$GLIM" usage --by $by --csv --data "$d"; run 0 "$GLIM" usage --by $by --json --data "$d"; says '"rows": \[\]'; done
run 0 "$GLIM" usage --data "$d"; says '^key .* requests'; says '^total .*EUR'
run 0 "$GLIM" usage --by model --csv --data "$d"; says '^model,requests,.*,amount'
run 2 "$GLIM" usage --key nobody --data "$d"; one_error '"nobody"'
run 2 "$GLIM" usage --tenant nobody --data "$d"; one_error '"nobody"'
run 0 "$GLIM" usage --tenant acme --key "$id" --from 2026-01 --to 2026-01 --data "$d"; says '^total'
run 2 "$GLIM" usage --from 2026-12 --to 2026-01 --data "$d"; one_error '2026-12'
run 2 "$GLIM" usage --by colour --data "$d"; one_error 'colour'
run 2 "$GLIM" usage --csv --json --data "$d"; one_error 'one of the two'
run 2 "$GLIM" usage --from 2026-02-30 --data "$d"; one_error '2026-02-30'
run 0 "$GLIM" usage invoice acme 2026-01 --csv --data "$d"
head -1 "$work/out" | grep -q '^tenant,month,key,.*amount,currency' && ok || bad "the invoice's head"
says '^acme,2026-01,total,.*,0.000000,EUR'
run 2 "$GLIM" usage invoice nobody 2026-01 --data "$d"; one_error 'nobody'
run 2 "$GLIM" usage invoice acme 2026-01-05 --data "$d"; one_error '2026-01-05'
run 0 "$GLIM" usage check --data "$d"; says 'adds up'

# the event log: who did what; heads; tampering
run 0 "$GLIM" audit list --data "$d"; says 'cli:.*key.create'; says 'key.revoke'; says 'price.set'
run 0 "$GLIM" audit list --action key.revoke --json --data "$d"
[ "$(wc -l < "$work/out")" -eq 1 ] && ok || bad "one revocation"
says "\"object\": \"$id\""
run 0 "$GLIM" audit verify --data "$d"; says 'nothing was changed'
run 0 "$GLIM" audit head --data "$d"; head=$(cat "$work/out")
run 0 "$GLIM" key create later --data "$d"
run 0 "$GLIM" audit verify --head "$head" --json --data "$d"; says '"ok": true'
run 2 "$GLIM" audit verify --head "${head%????}0000" --data "$d"; one_error 'rewritten'
run 2 "$GLIM" audit verify --head 5 --data "$d"; one_error 'COUNT:HASH'
cp "$d/audit.log" "$work/log"
printf 'X' | dd of="$d/audit.log" bs=1 seek=300 conv=notrunc 2> /dev/null
run 2 "$GLIM" audit verify --data "$d"; one_error 'record'
run 2 "$GLIM" audit verify --json --data "$d"; says '"ok": false'
head -c 500 "$work/log" > "$d/audit.log"
run 2 "$GLIM" audit verify --data "$d"; one_error 'cut\|record'
cp "$work/log" "$d/audit.log"
run 0 "$GLIM" audit verify --data "$d"

# backup and restore
run 0 "$GLIM" backup "$work/b" --data "$d"; says 'checked'
run 0 "$GLIM" backup "$work/b.tar" --json --data "$d"; says '"files": [0-9]'
run 2 "$GLIM" backup "$work/b" --data "$d"; one_error 'exists'
run 1 "$GLIM" restore "$work/b" --data "$d"; one_error 'not empty'
for from in b b.tar; do
    run 0 "$GLIM" restore "$work/$from" --check --data "$work/new-$from"
    [ ! -e "$work/new-$from" ] && ok || bad "--check leaves nothing"
    run 0 "$GLIM" restore "$work/$from" --data "$work/new-$from"; says 'restored'
    run 0 "$GLIM" key list --data "$work/new-$from"; says 'front desk'
    run 0 "$GLIM" audit verify --head "$head" --data "$work/new-$from"
    run 0 "$GLIM" audit list --action backup.restore --data "$work/new-$from"; says "$from"
done
printf X | dd of="$work/b/store.db" bs=1 seek=5000 conv=notrunc 2> /dev/null
run 2 "$GLIM" restore "$work/b" --data "$work/broken"; one_error 'store.db' 'changed'
[ -z "$(ls -d "$work"/broken* 2> /dev/null)" ] && ok || bad "a refused restore leaves nothing"
run 2 "$GLIM" restore "$work/nowhere" --data "$work/x"; one_error 'nowhere'

# a newer folder, a foreign folder
printf 'glim data folder\nversion = 99\n' > "$work/v"; cp "$d/VERSION" "$work/old"; cp "$work/v" "$d/VERSION"
run 2 "$GLIM" key list --data "$d"; one_error 'version 99'; warns 'newer glim'
cp "$work/old" "$d/VERSION"
mkdir "$work/other"; touch "$work/other/thesis"
run 2 "$GLIM" key create --data "$work/other"; one_error 'thesis'
if [ -e /dev/full ]; then
    "$GLIM" key list --data "$d" > /dev/full 2> "$work/err"
    [ $? -eq 1 ] && ok || bad "a full disk must fail"
fi
# without --data: the XDG folder
run 0 "$GLIM" key create
[ -e "$XDG_DATA_HOME/glim/store.db" ] && ok || bad "the default folder"
finish
