#!/bin/sh
# Fuzzes the message decoders for so many seconds (default 60) under the address and undefined-behaviour sanitizers, starting
# from one good input per message. Needs clang with libFuzzer; exits 77 (skipped) without it. Usage: tests/fuzz/run.sh [SECONDS]
set -eu
cd "$(dirname "$0")/../.."
build=${B:-build/release}/fuzz
mkdir -p "$build/corpus"
sources="transport/message/*.c transport/wire.c transport/topic.c daemon/sys/error.c"
flags="-std=c11 -I. -D_GNU_SOURCE -O1 -g"
command -v clang >/dev/null || { echo "fuzz: no clang, skipped"; exit 77; }
# shellcheck disable=SC2086  # lists of words
clang $flags -fsanitize=address,undefined tests/fuzz/fuzz_messages.c tests/fuzz/replay.c $sources -lm -o "$build/replay"
"$build/replay" --seed "$build/corpus"
# shellcheck disable=SC2086
clang $flags -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all tests/fuzz/fuzz_messages.c $sources -lm -o "$build/fuzz_messages"
"$build/fuzz_messages" -max_total_time="${1:-60}" -max_len=4096 -artifact_prefix="$build/" "$build/corpus"
