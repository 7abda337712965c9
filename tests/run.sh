#!/bin/sh
# run.sh - runs the tests, each in a process group of its own and under a time limit.
#
#   B=build/release tests/run.sh [--second-try|--findings] quick|long|peers [PART...]
#
# PART: only tests whose name contains it, or one of them; with a $ behind it, whose name ends with it.
# quick: what make check runs. long: those with a line "Too long for make check: WHY". peers: programs that nobody here wrote, in
# environments that tests/peers/environments.sh made in build/peers.
#
# A test is a program: exit 0 passes, 77 skips (its last line says why), anything else fails and shows its log.
# Tests find the build in $B (absolute), the sanitizers in $SAN and Python in $PYTHON; they run in the repository's root.
# What a sanitizer finds in any process of a test fails the test, whatever its exit status.
# Tests that need no clock run first, two to a processor and 4 at a time at most. The others run one by one when nothing else does: those
# of unit/ whose source has a line "In real time: WHY", and those of integration/, system/ and peers/ unless theirs has "Not in real
# time: WHY". Long ones run with the quick ones too where a PART asks for them, and those of integration/ in sanitized builds: a long
# one of system/ is about what several processes do with each other, and each of these has sanitized tests of its own. Those with a
# line "Nothing to sanitize: WHY" do not run in sanitized builds.
# But most of those only wait most of the time. So they have a first go beside each other all the same, except under ThreadSanitizer, and
# of peers/ only those with a line "Has time to spare: WHY". One that fails there, and neither crashed nor hung nor had a finding, has
# shown nothing yet: it is listed, and judged by itself when nothing else runs.
# --second-try, for CI: each failed test of integration/ or system/ is judged once more, and listed at the end if it then passes; so
# are tests that began parts of themselves anew. Neither forgives a crash, a test that did not end, or what a sanitizer has found.
# --findings, for sanitized builds: they slow programs down several times, so that a test in real time fails that way for being late,
# with nothing wrong; without sanitizers it is judged by make check. Here it is there for crashes, for what does not end and for what the
# sanitizers find. Other failures of such tests are listed as late and not judged, unless more than a third of them fail.
# The last line is "N passed, N failed, N skipped". Exits 1 when something failed or nothing ran.
# For the runner's own test: TESTS_ROOT names another root, TEST_TIMEOUT_S another time limit, TEST_STAT another /proc/stat, TEST_JOBS
# another number of tests at a time.
set -u

usage() {
	echo "usage: B=build/release tests/run.sh [--second-try|--findings] quick|long|peers [PART...]" >&2
	exit 2
}
always_again=
findings_only=
case ${1:-} in
--second-try) always_again=1 && shift ;;
--findings) findings_only=1 && shift ;;
esac
case ${1:-} in quick | long | peers) which=$1 ;; *) usage ;; esac
shift
tab=$(printf '\t')
parts=$([ $# -eq 0 ] || printf '%s\n' "$@" | sed "s/[\$]\$/$tab/")

cd "${TESTS_ROOT:-$(dirname "$0")/..}" || exit 2
mkdir -p "${B:-build/release}"
B=$(cd "${B:-build/release}" && pwd)
SAN=${SAN:-}
PYTHON=${PYTHON:-/usr/bin/python3}
here=$(pwd)
logs=$B/test-logs
mkdir -p "$logs"
run=$(mktemp -d "$logs/run.XXXXXX") || exit 2 # of this run alone: another one in the same build has its own
trap 'rm -rf "$run"' EXIT
stat=${TEST_STAT:-/proc/stat}

# Sanitizers slow a program down several times; a sanitizer's finding must end the program with an error.
limit_s=${TEST_TIMEOUT_S:-$([ -n "$SAN" ] && echo 600 || echo 300)}
jobs=${TEST_JOBS:-$(($(nproc) * 2))}
[ "$jobs" -le 4 ] || jobs=4
asan=${ASAN_OPTIONS:+:$ASAN_OPTIONS} ubsan=${UBSAN_OPTIONS:+:$UBSAN_OPTIONS} tsan=${TSAN_OPTIONS:+:$TSAN_OPTIONS}
LSAN_OPTIONS=suppressions=$here/tests/lint/lsan.supp:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}
export B SAN PYTHON LSAN_OPTIONS

# report_into FOLDER: reports go to files, so that none is lost with the output of a process that nobody reads.
report_into() {
	reports=$1
	mkdir -p "$reports"
	ASAN_OPTIONS="log_path='$reports/report'":detect_leaks=1:halt_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1$asan
	UBSAN_OPTIONS="log_path='$reports/report'":halt_on_error=1:print_stacktrace=1$ubsan
	# ThreadSanitizer does not see every way of joining a thread (pthread_clockjoin_np), so it cannot tell which ones leak.
	TSAN_OPTIONS="log_path='$reports/report'":halt_on_error=1:second_deadlock_stack=1:report_thread_leaks=0:suppressions=$here/tests/lint/tsan.supp$tsan
	export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
}

# backends --list|--here OTHERWISE: those of this build, or of those the ones that this machine can run. Whatever is wrong with the
# list, it is never empty: tests must not vanish.
backends() {
	found=$("$B/tests/conform/conform" "$1" 2>>"$logs/list.log") && [ -n "$found" ] || found=$2
	echo "$found"
}

# Program and cases: of cuda-host, which only tests have and which is slow, one case of each kind.
golden_options() {
	case $1 in
	cuda-host) echo "'$B/tests/cuda_host/dreamvla-infer' --only one_camera.flow_matching.1 --only two_cameras.l1_regression" \
		"--only three_cameras.discrete_diffusion.1" ;;
	*) echo "'$B/dreamvla-infer'" ;;
	esac
}

# Prints "name<tab>command" per test, from small to large.
list_tests() {
	for source in tests/unit/*/test_*.c; do
		[ -e "$source" ] && printf '%s\t%s\n' "$(echo "${source%.c}" | cut -d/ -f2-)" "'$B/${source%.c}'"
	done
	for source in tests/scenario/cases/*.scn; do
		[ -e "$source" ] && printf '%s\t%s\n' "scenario/$(basename "${source%.scn}")" "'$B/tests/scenario/scenario' '$source'"
	done
	# Every backend of this build; those that this machine cannot run are skipped once, with the reason.
	for backend in $([ ! -e tests/conform/conform.c ] || backends --list none); do
		# Sanitizers make fibers so slow that one precision, the GPU's own, has to do: the other is the same code.
		printf '%s\t%s\n' "conform/$backend" "'$B/tests/conform/conform' $backend$([ -z "$SAN" ] || [ "$backend" != cuda-host ] || echo ' bf16')"
	done
	for backend in $([ ! -e tests/golden/golden.py ] || backends --here cpu); do
		for precision in fp32 bf16; do
			printf '%s\t%s\n' "golden/$backend-$precision" \
				"'$PYTHON' tests/golden/golden.py --infer $(golden_options "$backend") --backend $backend --precision $precision"
		done
		# A known failure is not to be left out in silence: its budget stays as it is.
		[ "$backend" != cuda-host ] || printf '%s\t%s\n' "golden/cuda-host-bf16-two_cameras.discrete" \
			"sh -c 'echo known failure, not run: 6 of 56 tokens differ where 4 may, see daemon/bench/NOTES-gpu.md; exit 77'"
	done
	list_scripts
}

is_long() {
	grep -q 'Too long for make check: ' "$1"
}

# Whether a script is one of those that were asked for.
is_wanted() {
	[ -z "$SAN" ] || ! grep -q 'Nothing to sanitize: ' "$1" || return
	if is_long "$1"; then
		[ $which = quick ] || return 0
		[ -z "$parts" ] || return 0
		case $SAN/$1 in ?*/tests/integration/*) return 0 ;; *) return 1 ;; esac
	fi
	[ $which = quick ]
}

list_scripts() {
	for script in tests/fuzz/test_* tests/integration/test_* tests/system/test_*; do
		[ -e "$script" ] && is_wanted "$script" || continue
		name=$(echo "${script%.*}" | cut -d/ -f2-)
		case $script in
		*.py) printf '%s\t%s\n' "$name" "'$PYTHON' '$script'" ;;
		*.sh) printf '%s\t%s\n' "$name" "sh '$script'" ;;
		esac
	done
}

# A test per environment that its second line names; the tests of an environment that could not be made are skipped by name.
list_peers() {
	for script in tests/peers/test_*.py; do
		for environment in $(sed -n 's/^.*environments: \([^"]*\).*$/\1/p' "$script"); do
			name=$(basename "$script" .py) python=build/peers/$environment/bin/python
			printf '%s\t%s\n' "peers/${name#test_}@$environment" "$([ -x "$python" ] && echo "'$python' '$script'" ||
				echo "sh -c 'echo $environment is not there: the Python package registry could not be reached; exit 77'")"
		done
	done
}

# Whether other tests would spoil this one, or it them.
runs_alone() {
	case $1 in
	integration/* | system/*) ! grep -q 'Not in real time: ' "tests/$1".* ;;
	peers/*) ;;
	unit/*) grep -q 'In real time: ' "tests/$1.c" ;;
	*) return 1 ;;
	esac
}

# Whether this one may run beside others all the same, for a first look.
is_crowded() {
	runs_alone "$1" || return
	case $SAN in *thread*) return 1 ;; esac
	peer=${1#peers/}
	[ "$peer" = "$1" ] || grep -q 'Has time to spare: ' "tests/peers/test_${peer%@*}.py"
}

# Sorts the tests into $run/beside and $run/alone.
sort_tests() {
	: >"$run/beside"
	: >"$run/alone"
	while IFS=$tab read -r name command; do
		[ -n "$name" ] || continue
		where=beside
		! runs_alone "$name" || timed=$((timed + 1))
		! runs_alone "$name" || is_crowded "$name" || where=alone
		printf '%s\t%s\n' "$name" "$command" >>"$run/$where"
	done
}

# Processor time that the host of this virtual machine has given to others, in ticks of 10 ms (proc(5): steal).
stolen() {
	awk '/^cpu /{ print $9 + 0; exit }' "$stat"
}

# judge NAME COMMAND: a test of real processes in real time that fails while the host takes more than 1 % of the processors has
# not shown whose fault it was: it gets one more try, and says so. With --second-try it gets it whatever the host did. Tests that
# need no clock never do. What a sanitizer has found is no matter of time, nor is a crash, nor a test that did not end at all. A second
# try that is skipped has shown nothing.
judge() {
	before=$(stolen)
	started=$(date +%s%N)
	run_test "$1" "$2"
	case $verdict/$1 in FAIL/integration/* | FAIL/system/* | FAIL/peers/*) runs_alone "$1" || return ;; *) return ;; esac
	! is_certain || return
	[ -z "$findings_only" ] || { verdict=late && return; }
	taken=$(($(stolen) - before))
	ticks=$(($(tenths_since "$started") * 10 * $(nproc) + 1))
	[ $((taken * 100)) -gt "$ticks" ] || [ -n "$always_again" ] || return
	mv "$log" "$log.first"
	first=$note
	run_test "$1" "$2"
	[ $verdict != skip ] || verdict=FAIL
	note="${note:+$note; }second try: the first ended with \"$first\" while the host took $((taken * 100 / ticks)) % of the processors, see $log.first"
	[ $verdict = FAIL ] || second_tries="$second_tries
passed on the second try: $1 (see $log.first)"
}

# Whether this failure is one whatever else the machine was doing.
is_certain() {
	[ -n "$finding" ] || [ "$code" -eq 124 ] || [ "$code" -ge 128 ] || crashed
}

# What a test says of a program of ours that a signal ended, or that did not end when it was asked to.
crash='ended with -[0-9]|AssertionError: -[0-9]+ != |ended by signal|SIG(SEGV|ABRT|BUS|FPE|ILL)'
crash="$crash|Assertion .* failed|Segmentation fault|core dumped|Aborted|did not end on SIGTERM|TimeoutExpired"

crashed() {
	grep -qE "$crash" "$log"
}

# The line of a failed test's log that says most: what a sanitizer has found, a crash, what a test in Python or C expected, or the last.
deciding_line() {
	for pattern in 'SUMMARY: [A-Z][a-z]+Sanitizer|runtime error:' "$crash" 'Error(:|$)|^\[  ERROR   \]' .; do
		grep -aE "$pattern" "$log" | tail -n 1 | cut -c 1-300 | grep -a . && return
	done
}

tenths_since() {
	echo $((($(date +%s%N) - $1) / 100000000))
}

# sanitizer_spoke REPORT...: whether the test's output, or a report of one of its processes, tells of a finding. Reports are added to
# the log.
sanitizer_spoke() {
	for report in "$@"; do
		[ -e "$report" ] || continue
		echo "---- $report"
		cat "$report"
		rm -f "$report"
	done >>"$log"
	grep -qE '(ERROR|WARNING): [A-Z][a-z]+Sanitizer|runtime error:|LeakSanitizer' "$log"
}

log_of() {
	echo "$logs/$(echo "$1" | tr '/ ' __).log"
}

# Runs one test; sets verdict to ok, skip or FAIL, note to what is worth saying about it, and finding if a sanitizer spoke.
run_test() {
	log=$(log_of "$1")
	report_into "$run/reports/$(basename "$log" .log)"
	# A shell has its background ignore these two, and what ignores them hands that on.
	timeout -k 15 "$limit_s" env --default-signal=INT,QUIT sh -c "exec $2" >"$log" 2>&1 </dev/null
	code=$?
	note= finding=
	case $code in
	0) verdict=ok ;;
	77) verdict=skip note=$(tail -n 1 "$log") ;;
	124 | 137) verdict=FAIL note="not finished after $limit_s s, ended" ;;
	*) verdict=FAIL note="exit $code" ;;
	esac
	anew=$(grep -c ': begun anew, ' "$log")
	[ "$anew" -eq 0 ] || note="${note:+$note; }$anew begun anew"
	! sanitizer_spoke "$reports"/report* || finding=1 verdict=FAIL note="exit $code; a sanitizer has found something"
}

# stray before|after: what a sanitizer has found in a process of no test, while the tests were listed, or of one that was over, is a
# failure of its own.
stray() {
	log=$logs/stray_$1.log
	: >"$log"
	note=
	! sanitizer_spoke "$run"/reports/*/report* || fail_test "a_sanitizer_$1_the_tests"
}

fail_test() {
	failed=$((failed + 1))
	why=$(deciding_line)
	failures="$failures
failed: $1${note:+ ($note)}${why:+: $why}"
	echo "    ---- last lines of $log"
	tail -n 100 "$log" | sed 's/^/    | /'
}

# Judges one test; sets also tenths, how long that took.
measure() {
	began=$(date +%s%N)
	judge "$1" "$2"
	tenths=$(tenths_since "$began")
}

# Counts and tells what became of a test.
tell() {
	k=$((k + 1))
	printf '(%d/%d) %-4s %-40s %3d.%d s%s\n' $k "$total" $verdict "$1" $((tenths / 10)) $((tenths % 10)) "${note:+  $note}"
	times="$times$tenths $1
"
	case $verdict in
	ok) passed=$((passed + 1)) ;;
	skip) skipped=$((skipped + 1)) ;;
	late) late=$((late + 1)) lates="$lates
late, not judged: $1 (see $log)" ;;
	FAIL) fail_test "$1" ;;
	esac
	[ "$anew" -eq 0 ] || second_tries="$second_tries
begun anew: $anew in $1 (see $log)"
}

# Judges one test that runs beside others; sets verdict to LATER if it is to be judged by itself.
measure_beside() {
	if ! is_crowded "$1"; then
		measure "$1" "$2"
		return
	fi
	began=$(date +%s%N)
	run_test "$1" "$2"
	[ $verdict != FAIL ] || is_certain || verdict=$([ -z "$findings_only" ] && echo LATER || echo late)
	tenths=$(tenths_since "$began")
}

# Judges tests that nobody else has taken, until there are none or the run's folder is gone; prints the number of each one done.
work() {
	n=0
	while IFS=$tab read -r name command; do
		n=$((n + 1))
		mkdir "$run/$n" 2>/dev/null || continue
		measure_beside "$name" "$command"
		printf '%s\n' $verdict $tenths $anew "$note" >"$run/$n/result.new"
		mv "$run/$n/result.new" "$run/$n/result"
		echo $n
	done <"$run/beside"
}

# tell_result NUMBER: of one that work() has judged.
tell_result() {
	name=$(sed -n "$1s/$tab.*//p" "$run/beside")
	log=$(log_of "$name")
	verdict=FAIL tenths=0 anew=0 note="what judged it has ended"
	[ ! -e "$run/$1/result" ] || { read -r verdict && read -r tenths && read -r anew && IFS= read -r note; } <"$run/$1/result"
	if [ $verdict != LATER ]; then
		tell "$name"
		return
	fi
	k=$((k + 1)) total=$((total + 1))
	printf '(%d/%d) ...  %-40s %3d.%d s  %s beside others: judged by itself, below\n' $k $total "$name" $((tenths / 10)) $((tenths % 10)) "$note"
	mv "$log" "$log.beside"
	sed -n "$1p" "$run/beside" >>"$run/alone"
	crowded="$crowded
failed beside others: $name (see $log.beside)"
}

# They are told of in the order of the list.
run_beside() {
	mkfifo "$run/done"
	trap 'exit 130' INT # and without its folder, work() begins no other test
	trap 'exit 143' TERM
	{
		for _ in $(seq "$jobs"); do work & done
		wait
	} >"$run/done" &
	while read -r _; do
		while [ -e "$run/$((k + 1))/result" ]; do tell_result $((k + 1)); done
	done <"$run/done"
	while [ $k -lt "$(wc -l <"$run/beside")" ]; do tell_result $((k + 1)); done
	trap - INT TERM
}

# Robots' own clients want an answer every millisecond, and a host wakes a virtual processor that sleeps some milliseconds late: five
# times as many were missed. So none sleeps: what has no other work turns in circles, at the lowest priority there is.
stay_awake() {
	for _ in $(seq "$(nproc)"); do
		# shellcheck disable=SC2016 # its own $0: this runner, with which it ends
		chrt -i 0 sh -c 'while kill -0 "$0" 2>/dev/null; do :; done' $$ &
		awake="$awake $!"
	done
}

run_alone() {
	awake=
	[ $which != peers ] || stay_awake
	while IFS=$tab read -r name command; do
		measure "$name" "$command"
		tell "$name"
	done <"$run/alone"
	# shellcheck disable=SC2086 # a list
	[ -z "$awake" ] || kill $awake
}

started_all=$(date +%s%N)
rm -f "$logs/list.log"
report_into "$run/reports/list"
case $which in
quick) tests=$(list_tests) ;;
long) tests=$(list_scripts) ;;
peers) tests=$(list_peers) ;;
esac
tests=$(echo "$tests" | grep -F -e "$parts")
total=$(printf '%s' "$tests" | grep -c '')
k=0 passed=0 failed=0 skipped=0 late=0 timed=0 lates= failures= second_tries= crowded= times=
sort_tests <<END
$tests
END
stray before
run_beside
run_alone
stray after

printf '%s' "$times" | sort -rn | awk -v whole="$(tenths_since "$started_all")" 'NR == 1 { print "the slowest:" } NR <= 10 { printf "%7.1f s  %s\n", $1 / 10, $2 } { sum += $1 }
	END { if (NR) printf "%7.1f s  all %d, done in %.1f s\n", sum / 10, NR, whole / 10 }'
[ -z "$crowded" ] || echo "${crowded#?}"
[ -z "$second_tries" ] || echo "${second_tries#?}"
[ -z "$lates" ] || echo "${lates#?}"
if [ $((late * 3)) -gt $timed ]; then
	echo "$late of $timed tests in real time were late: too many to have shown anything"
	failed=$((failed + late)) failures="$failures
failed: late"
fi
[ -z "$failures" ] || printf '%s\n' "${failures#?}"
[ $((passed + failed + late)) -gt 0 ] || echo "no test ran: is there a build in $B, and does a name contain '$(echo $parts)'?"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
