#!/bin/bash
# Intents from the command line: learnt, measured, asked, put into a language model's file; and what is refused.
. "$(dirname "$0")/lib.sh"
{
    echo text,label
    for w in "the phone" "my lamp" "a charger" "this bag" "the red shoes" "it" "that cable" "the kettle"; do
        echo "how much does $w cost,price"
        echo "what is the price of $w,price"
        echo "is $w still available,stock"
        echo "do you have $w left,stock"
        echo "sing a song about $w,oos"
    done
} > "$work/train.csv"
run 0 $GLIM intent train "$work/train.csv" -o "$work/m.intent"
says '2 labels from 40 examples (8 of them out of scope)'
run 0 $GLIM intent train "$work/train.csv" -o "$work/small.intent" --min-count 8 --json
says '"labels": 2'
[ "$(stat -c %s "$work/small.intent")" -lt "$(stat -c %s "$work/m.intent")" ] && ok || bad "a least count leaves no smaller file"
for m in m small; do
    run 0 $GLIM intent ask "$work/$m.intent" "how much does the vase cost"
    says '"label": "price"'
    run 0 $GLIM intent eval "$work/$m.intent" "$work/train.csv" --json
    says '"accuracy": 1'
done
run 2 $GLIM intent train "$work/train.csv"
one_error 'where should the model go'
run 2 $GLIM intent train "$work/train.csv" -o "$work/none.intent" --min-count 41
one_error 'no word or n-gram stands in 41 examples'
[ -e "$work/none.intent" ] && bad "a refused training left a file" || ok
run 2 $GLIM intent train "$work/train.csv" -o "$work/none.intent" --min-count 0
run 2 $GLIM intent sing
one_error 'there is no verb'

# Into a model, and out of its figures again.
model=$GLIM_SOURCE_DIR/models/glim-nano.gguf
if [ -s "$model" ]; then
    run 0 $GLIM intent attach "$work/m.intent" "$model" -o "$work/with.gguf"
    grep -qa "stock" "$work/with.gguf" && ok || bad "the labels are not in the file"
    run 0 $GLIM info "$work/with.gguf"
    says 'reader     of 3 meanings'
    run 0 $GLIM info "$work/with.gguf" --json
    says '"meanings": 3'
    # What the model's own reader knows and the model alone does not; this one knows nothing of it.
    cat > "$work/row.jsonl" << 'ROW'
{"messages": [{"role": "system", "content": "任务：选择意图\n- book_room: 订房\n- cancel_order: 取消订单\n- return_goods: 要求退货\n- order_status: 问包裹到哪里了\n- ask_shipping: 询问运费\n- ask_address: 店在哪里\n- check_stock: 询问有没有货\n- ask_hours: 几点开门\n- ask_recommendation: 求推荐\n- allergy_query: 询问成分\n都不合适时写 none"}, {"role": "user", "content": "请问查一下物流，谢谢"}, {"role": "assistant", "content": "order_status"}]}
ROW
    for how in "1 $model" "0 $model --no-senses" "0 $work/with.gguf"; do
        run 0 $GLIM eval ${how#* } "$work/row.jsonl" --constrain --no-classify --json --threads 1
        says "\"right\": ${how%% *}"
    done
    run 2 $GLIM eval "$model" "$work/row.jsonl" --no-senses
    one_error 'constrain'
    # The other way round is an error that says which is which, and the model stays as it is.
    before=$(sha256sum < "$work/with.gguf")
    run 2 $GLIM intent attach "$work/with.gguf" "$work/m.intent" -o "$work/with.gguf" --force
    one_error 'this is no file of intents'
    run 2 $GLIM intent attach "$work/train.csv" "$work/with.gguf" -o "$work/with.gguf" --force
    run 2 $GLIM intent attach "$work/m.intent" "$work/with.gguf" -o "$work/with.gguf"
    one_error 'exists'
    run 2 $GLIM intent attach "$work/m.intent" "$work/with.gguf" -o "$work/m.intent"
    one_error 'exists'
    run 2 $GLIM intent attach "$work/m.intent" "$work/no.gguf" -o "$work/x.gguf"
    run 2 $GLIM intent attach "$work/m.intent" "$work/with.gguf"
    one_error 'where should the model go'
    [ "$before" = "$(sha256sum < "$work/with.gguf")" ] && [ ! -e "$work/x.gguf" ] && ok || bad "a refused attach changed a file"
    # In its own place: the same file, once.
    run 0 $GLIM intent attach "$work/m.intent" "$work/with.gguf" -o "$work/with.gguf" --force
    [ "$before" = "$(sha256sum < "$work/with.gguf")" ] && ok || bad "attached twice it is another file"
fi
finish
