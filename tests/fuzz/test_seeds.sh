#!/bin/sh
# test_seeds.sh - every fuzz target on its corpus: what was found once stays mended, and the targets do not rot between fuzzings.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/files" "$folder/messages"
FUZZ_FOLDER=$folder/files
export FUZZ_FOLDER
"$B/tests/fuzz/seed_messages" "$folder/messages"

replayed=0
for source in tests/fuzz/fuzz_*.c; do
	target=$(basename "$source" .c | cut -d_ -f2-)
	[ "$target" = messages ] && inputs=$folder/messages || inputs=tests/fuzz/corpus/$target
	set -- "$inputs"/*
	[ $# -gt 5 ] || { echo "found $# inputs in $inputs, want a corpus" && exit 1; }
	"$B/tests/fuzz/replay_$target" "$@" || { echo "replay_$target failed: one of $inputs, see above" && exit 1; }
	replayed=$((replayed + $#))
	echo "$target: $# inputs replayed"
done
if "$B/tests/fuzz/replay_safetensors" "$folder/no such input" 2>/dev/null; then
	echo "an input that is not there passed" && exit 1
fi
echo "$replayed inputs"
