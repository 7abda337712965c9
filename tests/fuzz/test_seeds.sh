#!/bin/sh
# test_seeds.sh - the fuzz target on one good input per message: it is built with the tests and does not rot between fuzzings.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$B/tests/fuzz/replay" --seed "$folder"
set -- "$folder"/*
[ $# -gt 5 ] || { echo "found $# seeds, want one per message" && exit 1; }
"$B/tests/fuzz/replay" "$@"
echo "$# seeds replayed"
