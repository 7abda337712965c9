#!/bin/sh
# run.sh - what a machine can check about the source, so that a review does not have to.
#
#   B=build/release tests/lint/run.sh [CHECK...]
#
# Each check prints what it found and nothing else; silence is a pass. The last line is "N passed, N failed".
# TESTS_ROOT (for the lint's own test) names another root.
set -u
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
cd "${TESTS_ROOT:-$here/../..}" || exit 2
B=${B:-build/release}
CC=${CC:-cc}

FUNCTION_LINES_MAX=80
FILE_LINES_MAX=600
product() {
	find daemon policy transport config robots -name '*.[ch]' -o -name '*.cu' | sort
}

everything() {
	find . \( -path ./.git -o -path ./build -o -name __pycache__ \) -prune -o -type f -print | sort
}

# Prints "object needs symbol" for what the objects of the first argument use beyond themselves, the objects of the others,
# mem* and libm: pure code has no clock, no I/O, no heap, no threads.
impurities() {
	# shellcheck disable=SC2086  # lists of files
	[ -n "$1" ] && ls $1 >/dev/null 2>&1 || { echo "found no objects ($1) in $B: build first" && return; }
	# shellcheck disable=SC2086
	{
		nm --defined-only -g $* | awk 'NF == 3 { print $3 }'
		nm -D --defined-only "$($CC -print-file-name=libm.so.6)" | awk '{ sub(/@.*/, "", $3); print $3 }'
		printf '%s\n' memcpy memmove memset memcmp _GLOBAL_OFFSET_TABLE_
	} | sort -u >"$scratch/allowed"
	for object in $1; do
		nm -u "$object" | awk '{ print $2 }' | sort -u | comm -23 - "$scratch/allowed" | sed "s|^|$object needs |"
	done
}

check_purity() {
	impurities "$B/daemon/stage/*.o"
}

# The control thread's ticks are as pure as its stages; the loop around them sleeps and wakes io, and nothing else.
check_control_thread() {
	impurities "$(ls "$B"/daemon/control_*.o 2>/dev/null | grep -v /control_thread.o | tr '\n' ' ') $B/daemon/sys/tape.o $B/daemon/sys/histogram.o" "$B/daemon/stage/*.o"
	loop=daemon/control_thread.c
	lines=$(ctags --c-kinds=f --fields=+ne --output-format=u-ctags -f - $loop |
		sed -n 's/^run\t.*line:\([0-9]*\).*end:\([0-9]*\).*/\1,\2/p')
	[ -n "$lines" ] || { echo "$loop: found no function run(), the loop; name it in tests/lint/run.sh" && return; }
	sed -n "${lines}p" $loop |
		grep -E '\b([a-z]*alloc|free|v?(f|s|sn|as)?printf|log_[a-z]+|fail|pthread_[a-z_]+|(zmq|msgpack|endpoint|message)_[a-z_]+)[[:space:]]*\('
}

# Which headers of ours an area may include; longer paths first, the first that matches a file counts.
INCLUDE_RULES='
daemon/stage/	daemon/flow\.h|daemon/stage/
daemon/sys/	daemon/sys/
daemon/	.
policy/	policy/|daemon/sys/
config/	config/|daemon/sys/
transport/camera/	transport/|config/|daemon/flow\.h|daemon/sys/|daemon/record/mcap_reader\.h
transport/	transport/|daemon/flow\.h|daemon/sys/
robots/sim/main.c	robots/|config/|daemon/sys/|daemon/trial/command\.h
robots/	robots/|transport/|config/|daemon/flow\.h|daemon/sys/|daemon/stage/
'

check_includes() {
	product | xargs grep -n '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' /dev/null | awk -v rules="$INCLUDE_RULES" '
		BEGIN {
			n = split(rules, line, "\n")
			for (i = 1; i <= n; i++)
				if (split(line[i], part, "\t") == 2) { area[++areas] = part[1]; allowed[areas] = part[2] }
		}
		{
			split($0, quoted, "\""); split($0, colon, ":")
			for (i = 1; i <= areas; i++)
				if (index($0, area[i]) == 1) {
					if (quoted[2] !~ "^(" allowed[i] ")")
						print colon[1] ":" colon[2] ": " area[i] " may not include " quoted[2]
					break
				}
		}'
}

# Prints "lines name file:line" per function.
function_lengths() {
	ctags --langmap=c:+.cu --c-kinds=f --fields=+ne --output-format=u-ctags -f - -L - | awk -F '\t' '!/^!/ {
		first = last = 0
		for (i = 4; i <= NF; i++) {
			if ($i ~ /^line:/) first = substr($i, 6)
			if ($i ~ /^end:/) last = substr($i, 5)
		}
		if (last > 0) print last - first + 1, $1, $2 ":" first
	}' | sort -n
}

check_function_length() {
	product | grep -E '\.(c|cu)$' | function_lengths >"$scratch/lengths"
	[ -s "$scratch/lengths" ] || echo "ctags found no functions"
	awk -v limit=$FUNCTION_LINES_MAX '$1 > limit { print $3 ": " $2 " has " $1 " lines, allowed " limit }' "$scratch/lengths"
	awk '{ n[NR] = $1 } END { printf "%d functions, lines: median %d, p90 %d, longest %d (%s)\n", NR, n[int((NR + 1) / 2)], n[int(NR * 0.9 + 0.5)], $1, $2 }' \
		"$scratch/lengths" >"$scratch/note"
}

check_file_length() {
	everything | grep -E '\.([ch]|cu|py|sh)$' | xargs wc -l | awk -v limit=$FILE_LINES_MAX \
		'$2 != "total" && $1 > limit { print $2 ": " $1 " lines, allowed " limit }'
}

check_cppcheck() {
	mkdir -p "$B/cppcheck"
	product | grep '\.c$' | cppcheck -q -j 2 --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--cppcheck-build-dir="$B/cppcheck" --suppressions-list="$here/cppcheck.supp" \
		--template='{file}:{line}: {severity}: {message} [{id}]' \
		-I. -D_GNU_SOURCE --suppress='*:/usr/*' --file-list=-
}

# With it NaN passes the limits (gcc drops the comparisons that would catch it).
check_fast_math() {
	{ echo Makefile; product; } | xargs grep -nE -e '-O[f]ast|-f[f]ast-math|-ffinite-math[-]only'
}

check_shell() {
	for file in $(everything | grep '\.sh$') .ci/run; do
		case $(head -n 1 "$file") in
		*bash*) bash -n "$file" ;;
		*) sh -n "$file" ;;
		esac
	done
}

# Nothing may depend on, or tell of, the machine on which it was written.
check_machine_paths() {
	everything | grep -vE '\.(safetensors|pt|ppm|jpg|png)$' | grep -vxF ./LICENSE |
		xargs grep -nIE '/(wo[r]k|ho[m]e|ro[o]t)/[a-z]'
}

# tests/run.sh has unit tests run beside others unless they say that they need real time.
# A test with a clock of its own sleeps without taking any.
check_real_time() {
	grep -lE -e '\b(usleep|nanosleep|clock_sleep_until|p?thread_create|rt_thread_start|socket|zmq_ctx_new)[[:space:]]*\(' \
		-e 'CLOCK_(THREAD|PROCESS)_CPUTIME_ID|unit/(transport/sockets|robots/bus_bench)\.h' tests/unit/*/test_*.c 2>/dev/null |
		xargs -r grep -LE 'In real time: |^void clock_sleep_until\(' | sed 's/$/: sleeps, or has threads or sockets: want a line "In real time: WHY"/'
}

CHECKS='purity includes control_thread function_length file_length fast_math shell machine_paths real_time cppcheck'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0
[ $# -gt 0 ] || set -- $CHECKS
for check in "$@"; do
	: >"$scratch/note"
	"check_$check" >"$scratch/found" 2>&1
	note=$(cat "$scratch/note")
	if [ -s "$scratch/found" ]; then
		failed=$((failed + 1))
		printf 'FAIL %s%s\n' "$check" "${note:+: $note}"
		sed 's/^/    | /' "$scratch/found"
	else
		passed=$((passed + 1))
		printf 'ok   %s%s\n' "$check" "${note:+: $note}"
	fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
