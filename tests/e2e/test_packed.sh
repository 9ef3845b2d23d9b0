#!/bin/bash
# The cache of packed weights from outside: whatever happens to the file, the same answer and at most one line in the log.
. "$(dirname "$0")/lib.sh"
make=$GLIM_BUILD_DIR/bench/make_model
[ -x "$make" ] || { echo "  skipped: $make is not built"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }
m=$work/m.gguf
run 0 "$make" smollm2-135m --type q8_0 --layers 4 --shrink 1 --out "$m"
answer() { run 0 "$GLIM" run "$m" --raw -p "hello" -n 8 --temp 0 --ignore-eos "$@"; }
quiet() { if [ -s "$work/err" ]; then bad "stderr is not empty"; else ok; fi; }
one_line() { if [ "$(grep -c '^warn packed' "$work/err")" -eq 1 ]; then ok; else bad "want one line about the cache"; fi; warns "$1"; }

answer; quiet; cp "$work/out" "$work/want"
pack=$(ls "$XDG_CACHE_HOME"/glim/packed/*.pack)
[ "$(echo "$pack" | wc -l)" -eq 1 ] && [ "$(stat -c %s "$pack")" -gt 16777216 ] && ok || bad "one cache file of more than 16 MiB: $pack"
inode=$(stat -c %i "$pack")
answer; quiet; same "$work/out" "$work/want"
[ "$(stat -c %i "$pack")" = "$inode" ] && ok || bad "the second start made the cache again"
run 0 "$GLIM" verify "$m"; says '^ok    cache of packed weights .* every checksum'

size=$(stat -c %s "$pack")
truncate -s $((size / 2)) "$pack"
answer; one_line 'made anew.*bytes long'; same "$work/out" "$work/want"
answer; quiet; same "$work/out" "$work/want"

# The middle third never reached the disk.
dd if=/dev/zero of="$pack" bs=4096 seek=$((size / 3 / 4096)) count=$((size / 3 / 4096)) conv=notrunc status=none
answer; one_line 'made anew.*wrong checksum'; same "$work/out" "$work/want"
answer; quiet

printf '\001\000\000\000' | dd of="$pack" bs=1 seek=8 conv=notrunc status=none
answer; one_line 'made anew.*version 1, this program writes 2'; same "$work/out" "$work/want"

# One flipped bit: `glim verify` reads all of it, says so, and takes the file away.
byte=$(od -An -tu1 -j $((size / 2)) -N 1 "$pack")
printf "\\$(printf %o $((byte ^ 4)))" | dd of="$pack" bs=1 seek=$((size / 2)) conv=notrunc status=none
run 2 "$GLIM" verify "$m"; says '^FAIL  cache of packed weights .*wrong checksum; it is removed'
[ -e "$pack" ] && bad "a damaged file is still there" || ok
answer; quiet; same "$work/out" "$work/want"
run 0 "$GLIM" verify "$m"
finish
