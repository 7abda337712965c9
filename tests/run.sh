#!/bin/sh
# run.sh - runs the tests, one after the other, each in a process group of its own and under a time limit.
#
#   B=build/release tests/run.sh quick [PART]     PART: only tests whose name contains it
#
# A test is a program: exit 0 passes, 77 skips (its last line says why), anything else fails and shows its log.
# Tests find the build in $B (absolute), the sanitizers in $SAN and Python in $PYTHON; they run in the repository's root.
# The last line is "N passed, N failed, N skipped". Exits 1 when something failed or nothing ran.
# TESTS_ROOT (for the runner's own test) names another root, TEST_TIMEOUT_S another time limit.
set -u

usage() {
	echo "usage: B=build/release tests/run.sh quick [PART]" >&2
	exit 2
}
[ "${1:-}" = quick ] && [ $# -le 2 ] || usage
part=${2:-}

cd "${TESTS_ROOT:-$(dirname "$0")/..}" || exit 2
mkdir -p "${B:-build/release}"
B=$(cd "${B:-build/release}" && pwd)
SAN=${SAN:-}
PYTHON=${PYTHON:-/usr/bin/python3}
here=$(pwd)
logs=$B/test-logs
mkdir -p "$logs"

# Sanitizers slow a program down several times; a sanitizer's finding must end the program with an error.
limit_s=${TEST_TIMEOUT_S:-$([ -n "$SAN" ] && echo 600 || echo 120)}
ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
LSAN_OPTIONS=suppressions=$here/tests/lint/lsan.supp:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}
TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$here/tests/lint/tsan.supp${TSAN_OPTIONS:+:$TSAN_OPTIONS}
export B SAN PYTHON ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS

# Prints "name<tab>command" per test, in the order in which they run: from small to large.
list_tests() {
	for source in tests/unit/*/test_*.c; do
		[ -e "$source" ] && printf '%s\t%s\n' "$(echo "${source%.c}" | cut -d/ -f2-)" "'$B/${source%.c}'"
	done
	for precision in fp32 bf16; do
		[ -e tests/golden/golden.py ] && printf '%s\t%s\n' "golden/$precision" \
			"'$PYTHON' tests/golden/golden.py --infer '$B/dreamvla-infer' --precision $precision"
	done
	for script in tests/fuzz/test_* tests/integration/test_* tests/system/test_*; do
		name=$(echo "${script%.*}" | cut -d/ -f2-)
		case $script in
		*.py) printf '%s\t%s\n' "$name" "'$PYTHON' '$script'" ;;
		*.sh) printf '%s\t%s\n' "$name" "sh '$script'" ;;
		esac
	done
}

# Processor time that the host of this virtual machine has given to others, in ticks of 10 ms (proc(5): steal).
stolen() {
	awk '/^cpu /{ print $9 + 0; exit }' /proc/stat
}

# judge NAME COMMAND: a test of real processes in real time that fails while the host takes more than 1 % of the processors has
# not shown whose fault it was: it gets one more try, and says so. Tests that need no clock never do.
judge() {
	before=$(stolen)
	started=$(date +%s%N)
	run_test "$1" "$2"
	case $verdict/$1 in FAIL/integration/* | FAIL/system/*) ;; *) return ;; esac
	taken=$(($(stolen) - before))
	ticks=$(($(tenths_since "$started") * 10 * $(nproc)))
	[ $((taken * 100)) -gt "$ticks" ] || return
	mv "$log" "$log.first"
	run_test "$1" "$2"
	note="${note:+$note; }second try: the host took $((taken * 100 / (ticks + 1))) % of the processors during the first, see $log.first"
}

tenths_since() {
	echo $((($(date +%s%N) - $1) / 100000000))
}

# Runs one test; sets verdict to ok, skip or FAIL and note to what is worth saying about it.
run_test() {
	log=$logs/$(echo "$1" | tr / _).log
	timeout -k 15 "$limit_s" sh -c "exec $2" >"$log" 2>&1 </dev/null
	code=$?
	note=
	case $code in
	0) verdict=ok ;;
	77) verdict=skip note=$(tail -n 1 "$log") ;;
	124 | 137) verdict=FAIL note="not finished after $limit_s s, ended" ;;
	*) verdict=FAIL note="exit $code" ;;
	esac
}

tests=$(list_tests | grep -F -- "$part")
total=$(printf '%s' "$tests" | grep -c '')
k=0 passed=0 failed=0 skipped=0 failures=
tab=$(printf '\t')
while IFS=$tab read -r name command; do
	[ -n "$name" ] || continue
	k=$((k + 1))
	began=$(date +%s%N)
	judge "$name" "$command"
	tenths=$(tenths_since "$began")
	printf '(%d/%d) %-4s %-40s %3d.%d s%s\n' $k "$total" $verdict "$name" $((tenths / 10)) $((tenths % 10)) \
		"${note:+  $note}"
	case $verdict in
	ok) passed=$((passed + 1)) ;;
	skip) skipped=$((skipped + 1)) ;;
	FAIL)
		failed=$((failed + 1))
		failures="$failures $name"
		echo "    ---- last lines of $log"
		tail -n 100 "$log" | sed 's/^/    | /'
		;;
	esac
done <<END
$tests
END

[ -z "$failures" ] || echo "failed:$failures"
[ $((passed + failed)) -gt 0 ] || echo "no test ran: is there a build in $B, and does a name contain '$part'?"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
