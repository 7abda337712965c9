#!/bin/sh
# Fuzzes one target (fuzz_TARGET.c) for so many seconds under the address and undefined-behaviour sanitizers, from its corpus.
#
#   tests/fuzz/run.sh TARGET [SECONDS]   default 60
#   tests/fuzz/run.sh TARGET merge       adds to the corpus some small inputs of what was found that reach what it does not
#
# Needs clang with libFuzzer; exits 77 (skipped) without it. A finding is an input below $B/fuzz/TARGET; mend the code and put the
# input into tests/fuzz/corpus/TARGET, which `make check` replays. An input slower than 10 s or taking more than 512 MB is one too.
set -eu
cd "$(dirname "$0")/../.."
target=${1:?usage: tests/fuzz/run.sh TARGET [SECONDS | merge]}
what=${2:-60}
B=${B:-build/release}/fuzz
work=$B/$target
corpus=tests/fuzz/corpus/$target
[ -e "tests/fuzz/fuzz_$target.c" ] || { echo "fuzz: there is no tests/fuzz/fuzz_$target.c" >&2 && exit 2; }
command -v clang >/dev/null || { echo "fuzz: no clang, skipped"; exit 77; }

case $target in
messages) areas="transport transport/message daemon/sys" libraries="-lzmq -lmsgpackc" ;;
franka_hand) areas="robots/franka daemon/sys" libraries= ;;
franka_*) areas="robots/sim/franka robots/franka robots/model daemon/stage transport transport/message daemon/sys" libraries="-lzmq -lmsgpackc" ;;
piper_session) areas="robots/piper robots/bus robots/model daemon/sys" libraries= ;;
replay) areas="daemon daemon/record daemon/stage robots/model daemon/sys" libraries=-lz ;;
mcap) areas="daemon/record daemon/sys" libraries="-lzstd -lz" ;;
record_text) areas="daemon daemon/record daemon/stage robots/model transport transport/message daemon/sys" libraries="-lzmq -lmsgpackc -ljansson" ;;
piper | socketcand) areas="robots/piper robots/bus daemon/sys" libraries="" ;;
*) areas="policy daemon/sys" libraries="-ljansson -lpcre2-8 -lutf8proc -lz" ;;
esac
libraries="$libraries -lturbojpeg -lm"
objects=$(for area in $areas; do ls "$area"/*.c; done | grep -v '^robots/franka/library.c$\|^daemon/main.c$' | sed "s|^|$B/|; s|c$|o|")
own="$B/tests/fuzz/fuzz_$target.o $B/tests/fuzz/fuzz.o"
# shellcheck disable=SC2086  # lists of words
make --no-print-directory CC=clang B="$B" SAN=address,undefined,fuzzer-no-link CFLAGS="-O1 -g" $objects $own
rm -f "$work.a"
mkdir -p "$work/found"
# shellcheck disable=SC2086
ar rcs "$work.a" $objects
# shellcheck disable=SC2086
clang -fsanitize=fuzzer,address,undefined -pthread $own "$work.a" -Wl,--wrap=mmap,--wrap=munmap $libraries -o "$work/fuzz"

FUZZ_FOLDER=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
export FUZZ_FOLDER
trap 'rm -rf "$FUZZ_FOLDER" "$work/few"' EXIT
ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:quarantine_size_mb=16 # what a target holds shows in its peak
UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS UBSAN_OPTIONS
dictionary=tests/fuzz/$target.dict
if [ "$target" = messages ]; then
	make --no-print-directory B="${B%/fuzz}" "${B%/fuzz}/tests/fuzz/seed_messages"
	corpus=$work/seeds
	mkdir -p "$corpus"
	"${B%/fuzz}/tests/fuzz/seed_messages" "$corpus"
fi
if [ "$what" = merge ]; then
	cp -r "$corpus" "$work/few"
	"$work/fuzz" -merge=1 "$work/few" "$work/found"
	# The names of new ones are hashes: the first of them are any of them.
	ls "$work/few" | while read -r input; do
		[ -e "$corpus/$input" ] || [ "$(wc -c <"$work/few/$input")" -gt 4096 ] || echo "$input"
	done | head -n 25 | while read -r input; do cp "$work/few/$input" "$corpus/$input"; done
else
	"$work/fuzz" -max_total_time="$what" -max_len=65536 -timeout=10 -report_slow_units=2 -rss_limit_mb=512 \
		$([ ! -e "$dictionary" ] || echo "-dict=$dictionary") -print_final_stats=1 -artifact_prefix="$work/" "$work/found" "$corpus"
fi
