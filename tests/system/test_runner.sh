#!/bin/sh
# test_runner.sh - the runner itself: a passing, a failing, a skipping and a hanging test are told apart, what a hanging
# test started is ended with it, a run without tests is a failure, who gets a second try is told from who must not, and who may run beside
# others from who must not.
# Not in real time: what it waits for may take as long as it likes.
# Nothing to sanitize: scripts alone.
# Too long for make check: it changes with the runner alone.
set -u
runner=$(pwd)/tests/run.sh
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/tests/integration" "$root/tests/system" "$root/tests/unit/area"
problems=0
patience_s=60
jobs=2
unset ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS # a runner that runs this test has set its own

expect() {
	if ! grep -q -- "$2" "$1"; then
		echo "want a line matching '$2' in:" && cat "$1"
		problems=$((problems + 1))
	fi
}

absent() {
	if grep -q -- "$2" "$1"; then
		echo "want no line matching '$2' in:" && cat "$1"
		problems=$((problems + 1))
	fi
}

# A host that takes nothing, unless a test says so.
echo 'cpu  0 0 0 0 0 0 0 0 0 0' >"$root/stat"

# Under ThreadSanitizer those in real time run one by one from the start; the others' first go has tests of its own.
SAN=thread
export SAN

# run [--second-try|--findings] [PART]
suite=quick
run() {
	option=
	case ${1:-} in --*) option=$1 && shift ;; esac
	TESTS_ROOT=$root B=build TEST_TIMEOUT_S=$patience_s TEST_STAT=$root/stat TEST_JOBS=$jobs sh "$runner" $option $suite "$@" >"$root/out" 2>&1
}

run && echo "a run without tests passed" && problems=$((problems + 1))
expect "$root/out" '^0 passed, 0 failed, 0 skipped$'

echo 'exit 0' >"$root/tests/system/test_good.sh"
run || { echo "a good run failed" && problems=$((problems + 1)); }
expect "$root/out" '^(1/1) ok   system/test_good '
expect "$root/out" '^1 passed, 0 failed, 0 skipped$'

echo 'echo no such device; exit 77' >"$root/tests/system/test_skip.sh"
echo 'import sys; print("the cause"); sys.exit(3)' >"$root/tests/integration/test_bad.py"
printf 'sleep 600 & echo $! >%s/stray\nwait\n' "$root" >"$root/tests/system/test_hang.sh"
: >"$root/tests/unit/area/test_unbuilt.c"
patience_s=3
run && echo "a run with failures passed" && problems=$((problems + 1))
patience_s=60
expect "$root/out" '^(./5) skip system/test_skip .* no such device$'
expect "$root/out" '^(./5) FAIL integration/test_bad .* exit 3$'
expect "$root/out" '| the cause$'
expect "$root/out" '^(./5) FAIL system/test_hang .* not finished after 3 s'
expect "$root/out" '^(./5) FAIL unit/area/test_unbuilt '
expect "$root/out" '^failed: unit/area/test_unbuilt (exit 127): '
expect "$root/out" '^failed: integration/test_bad (exit 3): the cause$'
expect "$root/out" '^failed: system/test_hang (not finished after 3 s, ended)$'
expect "$root/out" '^1 passed, 3 failed, 1 skipped$'
# Gone, or dead and waiting for init to notice.
state=$(sed 's/.*) //; s/ .*//' "/proc/$(cat "$root/stray")/stat" 2>/dev/null)
if [ "${state:-Z}" != Z ]; then
	echo "the hanging test's child is still there"
	problems=$((problems + 1))
fi

run good || { echo "the filtered run failed" && problems=$((problems + 1)); }
expect "$root/out" '^1 passed, 0 failed, 0 skipped$'
expect "$root/out" '^the slowest:$'
expect "$root/out" '^ *[0-9.]* s  system/test_good$'
run 'test_go' || { echo "a part of a name found nothing" && problems=$((problems + 1)); }
run 'test_go$' && echo "a part of a name was taken for its end" && problems=$((problems + 1))
run 'test_good$' || { echo "the end of a name found nothing" && problems=$((problems + 1)); }
expect "$root/out" '^1 passed, 0 failed, 0 skipped$'

# ---- long ones

echo 'exit 0 # Too long for make check: it is not.' >"$root/tests/system/test_long.sh"
rm -f "$root"/tests/system/test_hang.sh "$root/tests/integration/test_bad.py" "$root/tests/unit/area/test_unbuilt.c"
SAN='' run || { echo "a run without a long test failed" && problems=$((problems + 1)); }
expect "$root/out" '^1 passed, 0 failed, 1 skipped$'
SAN='' run long || { echo "a long test by name failed" && problems=$((problems + 1)); }
expect "$root/out" '^(1/1) ok   system/test_long '
suite=long
SAN='' run || { echo "a run of the long tests failed" && problems=$((problems + 1)); }
expect "$root/out" '^(1/1) ok   system/test_long '
suite=quick
echo 'exit 0 # Too long for make check: it is not.' >"$root/tests/integration/test_long_part.sh"
echo 'exit 0 # Nothing to sanitize: no program.' >"$root/tests/system/test_script.sh"
SAN=address run || { echo "a sanitized run with a long test failed" && problems=$((problems + 1)); }
expect "$root/out" ' ok   integration/test_long_part '
absent "$root/out" 'system/test_long'
absent "$root/out" 'system/test_script'
expect "$root/out" '^2 passed, 0 failed, 1 skipped$'
SAN='' run script || { echo "a test with nothing to sanitize did not run" && problems=$((problems + 1)); }
rm "$root/tests/system/test_long.sh" "$root/tests/integration/test_long_part.sh" "$root/tests/system/test_script.sh"

# ---- where only findings count

echo 'echo too slow; exit 4' >"$root/tests/system/test_late.sh"
rm "$root/tests/system/test_skip.sh"
for name in b c; do echo 'exit 0' >"$root/tests/system/test_$name.sh"; done
for san in address thread; do
	SAN=$san run --findings || { echo "a late test failed the run" && problems=$((problems + 1)); }
	expect "$root/out" '^(4/4) late system/test_late .* exit 4$'
	expect "$root/out" '^late, not judged: system/test_late (see .*system_test_late.log)$'
	expect "$root/out" '^3 passed, 0 failed, 0 skipped$'
done
run && echo "a late test passed where more than findings count" && problems=$((problems + 1))
for certain in 'kill -SEGV $$' 'echo "the daemon did not end on SIGTERM"; exit 1' 'echo "==1==ERROR: AddressSanitizer: heap-use-after-free"; exit 1'; do
	for san in address thread; do
		echo "$certain" >"$root/tests/system/test_c.sh"
		SAN=$san run --findings && echo "passed: $certain" && problems=$((problems + 1))
		expect "$root/out" '^2 passed, 1 failed, 0 skipped$'
	done
done
printf '%s\n' 'echo "SUMMARY: AddressSanitizer: heap-use-after-free a.c:3"' 'cat <<"END"' 'AssertionError: 3 != 4: a\nb\cd' END 'echo FAILED' 'exit 1' >"$root/tests/system/test_c.sh"
SAN=address run && echo "a finding passed" && problems=$((problems + 1))
expect "$root/out" '^failed: system/test_c (exit 1.*): SUMMARY: AddressSanitizer: heap-use-after-free a.c:3$'
sed -i /SUMMARY/d "$root/tests/system/test_c.sh"
SAN=address run && echo "a failure passed" && problems=$((problems + 1))
expect "$root/out" '^failed: system/test_c (exit 1): AssertionError: 3 != 4: a.nb.cd$' # a shell's echo would end there
expect "$root/out" '^2 passed, 2 failed, 0 skipped$'
printf 'exit 4 # Not in real time: no clock.\n' >"$root/tests/system/test_c.sh"
SAN=address run --findings && echo "a test without a clock was late" && problems=$((problems + 1))
expect "$root/out" '^failed: system/test_c (exit 4)$'
echo 'exit 4' >"$root/tests/system/test_c.sh"
SAN=address run --findings && echo "a run of which half was late passed" && problems=$((problems + 1))
expect "$root/out" '^2 of 4 tests in real time were late: too many to have shown anything$'
expect "$root/out" '^2 passed, 2 failed, 0 skipped$'
rm "$root"/tests/system/test_[bc].sh "$root/tests/system/test_late.sh"

# ---- second tries

# flaky FILE: a test that fails whenever nobody has run it just before.
flaky() {
	mkdir -p "$(dirname "$1")"
	printf '#!/bin/sh\nif [ -e "$0.tried" ]; then rm "$0.tried"; exit 0; fi\n: >"$0.tried"; echo "the first try"; exit 4\n' >"$1"
	chmod +x "$1"
}

rm -r "$root/tests" "$root/build"
mkdir -p "$root/tests/unit/area" "$root/tests/golden"
: >"$root/tests/unit/area/test_flaky.c"
flaky "$root/build/tests/unit/area/test_flaky"
flaky "$root/tests/fuzz/test_flaky.sh"
flaky "$root/tests/system/test_flaky.sh"
run && echo "a flaky test passed without --second-try" && problems=$((problems + 1))
for name in unit/area fuzz system; do expect "$root/out" "^failed: $name/test_flaky (exit 4): the first try\$"; done
absent "$root/out" 'second try'
rm -f "$root"/tests/*/*.tried "$root"/build/tests/unit/area/*.tried

flaky "$root/tests/system/test_calm.sh"
echo '# Not in real time: no clock.' >>"$root/tests/system/test_calm.sh"
run --second-try && echo "flaky unit and fuzz tests, or one without a clock, passed" && problems=$((problems + 1))
rm "$root/tests/system/test_calm.sh"
expect "$root/out" '^(4/4) ok   system/test_flaky .*second try: the first ended with "exit 4"'
expect "$root/out" '^passed on the second try: system/test_flaky (see .*system_test_flaky.log.first)$'
for name in unit/area/test_flaky fuzz/test_flaky system/test_calm; do expect "$root/out" "^failed: $name (exit 4): the first try\$"; done
expect "$root/out" '^1 passed, 3 failed, 0 skipped$'
expect "$root/build/test-logs/system_test_flaky.log.first" '^the first try$'
run --second-try system/test_flaky || { echo "a second try failed the run" && problems=$((problems + 1)); }

# The host takes processor time meanwhile.
rm -r "$root/tests/unit" "$root/tests/fuzz"
printf 'sleep 0.1; echo "cpu  0 0 0 0 0 0 0 1000000 0 0" >"%s/stat"\n' "$root" >>"$root/tests/system/test_flaky.sh"
sed -i "s|exit 4|echo 'cpu  0 0 0 0 0 0 0 1000000 0 0' >'$root/stat'; exit 4|" "$root/tests/system/test_flaky.sh"
run || { echo "the host's share was not seen" && problems=$((problems + 1)); }
expect "$root/out" '^passed on the second try: system/test_flaky '

echo 'exit 5' >"$root/tests/system/test_flaky.sh"
run --second-try && echo "two failures passed" && problems=$((problems + 1))
expect "$root/out" '^(1/1) FAIL system/test_flaky .* exit 5; second try: the first ended with "exit 5"'
absent "$root/out" '^passed on the second try'
expect "$root/out" '^0 passed, 1 failed, 0 skipped$'

# fails_once WORDS CODE: fails with these words and this exit status, then would pass.
fails_once() {
	rm -f "$root"/tests/system/*.tried
	flaky "$root/tests/system/test_flaky.sh"
	sed -i "s/the first try/$1/; s/exit 4/$2/" "$root/tests/system/test_flaky.sh"
}

# Crashes and hangs are no matter of time, whoever tells of them.
for words in 'AssertionError: dreamvlad ended with -11' 'AssertionError: -6 != 0' 'dreamvlad was ended by signal 11 (Segmentation fault)' \
	'a.c:7: f: Assertion 1 failed.' 'Aborted (core dumped)' 'dreamvlad did not end on SIGTERM within 30 s' \
	'subprocess.TimeoutExpired: Command x timed out'; do
	fails_once "$words" 'exit 1'
	run --second-try && echo "forgiven: $words" && problems=$((problems + 1))
	expect "$root/out" '^(1/1) FAIL system/test_flaky .* exit 1$'
done
fails_once crash 'kill -SEGV $$'
run --second-try && echo "a test that crashed was forgiven" && problems=$((problems + 1))
expect "$root/out" '^(1/1) FAIL system/test_flaky .* exit 139$'
fails_once hang 'sleep 600'
patience_s=2
run --second-try && echo "a test that hung was forgiven" && problems=$((problems + 1))
patience_s=60
expect "$root/out" '^(1/1) FAIL system/test_flaky .* not finished after 2 s, ended$'

# A second try that is skipped has shown nothing.
fails_once first 'exit 4'
sed -i 's/exit 0/echo no device; exit 77/' "$root/tests/system/test_flaky.sh"
run --second-try && echo "a skip forgave a failure" && problems=$((problems + 1))
expect "$root/out" '^(1/1) FAIL system/test_flaky .* no device; second try: the first ended with "exit 4"'
expect "$root/out" '^0 passed, 1 failed, 0 skipped$'

# What a test began anew by itself is not hidden.
echo 'echo "a.b.c: begun anew, why:"; exit 0' >"$root/tests/system/test_flaky.sh"
run || { echo "a new beginning failed the run" && problems=$((problems + 1)); }
expect "$root/out" '^(1/1) ok   system/test_flaky .* 1 begun anew$'
expect "$root/out" '^begun anew: 1 in system/test_flaky (see .*)$'

# Tests of backends do not vanish with the list of backends.
mkdir -p "$root/tests/golden" "$root/tests/conform" "$root/build/tests/conform"
: >"$root/tests/conform/conform.c"
echo 'exit()' >"$root/tests/golden/golden.py"
for conform in 'exit 0' 'echo cpu; exit 1'; do
	printf '#!/bin/sh\n%s\n' "$conform" >"$root/build/tests/conform/conform"
	chmod +x "$root/build/tests/conform/conform"
	run conform/ golden/ || true
	expect "$root/out" '^(1/3) .* conform/none '
	expect "$root/out" '^(2/3) ok   golden/cpu-fp32 '
	expect "$root/out" '^(3/3) ok   golden/cpu-bf16 '
done

# Another run in the same build takes none of this one's findings.
cat >"$root/tests/system/test_flaky.sh" <<'END'
[ -z "${INNER:-}" ] || exit 0
report=$(echo "$ASAN_OPTIONS" | sed "s/^log_path='//; s/'.*//")
echo 'ERROR: LeakSanitizer: detected memory leaks' >"$report.1"
INNER=1 sh "$RUNNER" quick system/test_flaky
exit 0
END
RUNNER=$runner run system/test_flaky && echo "another run deleted a finding" && problems=$((problems + 1))
expect "$root/out" '^(1/1) FAIL system/test_flaky .* a sanitizer has found something$'

# Nor is what was found while the tests were listed forgotten.
cat >"$root/build/tests/conform/conform" <<'END'
#!/bin/sh
echo 'ERROR: LeakSanitizer: detected memory leaks' >"$(echo "$ASAN_OPTIONS" | sed "s/^log_path='//; s/'.*//").1"
echo cpu
END
echo 'exit 0' >"$root/tests/system/test_flaky.sh"
run system/test_flaky && echo "a finding of the list was forgotten" && problems=$((problems + 1))
expect "$root/out" '^failed: a_sanitizer_before_the_tests: ERROR: LeakSanitizer: '
expect "$root/out" '^1 passed, 1 failed, 0 skipped$'
rm -r "$root/tests/golden" "$root/tests/conform" "$root/build/tests/conform"

# ---- tests beside each other

# unit NAME [SOURCE]: a unit test that is the script on standard input, with that in its source.
unit() {
	mkdir -p "$root/tests/unit/area" "$root/build/tests/unit/area"
	echo "${2:-}" >"$root/tests/unit/area/test_$1.c"
	{ echo '#!/bin/sh' && echo "root='$root'" && cat; } >"$root/build/tests/unit/area/test_$1"
	chmod +x "$root/build/tests/unit/area/test_$1"
}

none() {
	rm -rf "$root/tests" "$root/build" "$root/met"
	mkdir -p "$root/tests/system" "$root/met"
}

# meets OTHER: waits until the other one runs too.
meets() {
	echo ": >'$root/met/'\$(basename \$0); for _ in \$(seq $patience); do [ ! -e '$root/met/test_$1' ] || exit 0; sleep 0.1; done; exit 6"
}

none
patience=300
meets b | unit a
meets a | unit b
run || { echo "two tests did not run at the same time" && problems=$((problems + 1)); }
expect "$root/out" '^2 passed, 0 failed, 0 skipped$'
patience=5 jobs=1
rm "$root"/met/*
meets b | unit a
run && echo "two tests ran at the same time on one processor" && problems=$((problems + 1))
jobs=2
expect "$root/out" '^failed: unit/area/test_a (exit 6)$'

# Others run alone, and after those; everything is told of in order, however long it took.
none
# shellcheck disable=SC2016
overlap='[ -z "$(ls "$root/met")" ] || exit 7; : >"$root/met/alone"; sleep 0.3; [ "$(ls "$root/met")" = alone ] || exit 8; rm "$root/met/alone"'
beside='[ ! -e "$root/met/alone" ] || exit 9; : >"$0.met" && mv "$0.met" "$root/met"; sleep 0.$1; rm "$root/met/$(basename "$0").met"'
echo "$overlap" | unit a ' * In real time: it sleeps. */'
echo "set -- 6; $beside" | unit b
echo "set -- 1; $beside" | unit c
echo "$overlap" | unit d '/* In real time: it sleeps. */'
echo "set -- 2; $beside" | unit e
for name in f g; do echo "root='$root'; $overlap" >"$root/tests/system/test_$name.sh"; done
printf "# Not in real time: quick.\nroot='%s'\nset -- 1; %s\n" "$root" "$beside" >"$root/tests/system/test_h.sh"
run || { echo "tests met that must not, or none ran" && cat "$root/out" && problems=$((problems + 1)); }
told=$(sed -n 's/^(\([0-9]\)\/8) ok   [a-z/]*test_\(.\) .*/\1\2/p' "$root/out" | tr '\n' ' ')
[ "$told" = "1b 2c 3e 4h 5a 6d 7f 8g " ] || { echo "want other numbers than $told" && problems=$((problems + 1)); }

# But they have a first go beside each other; what fails there is judged once more, by itself, and what is certain is not.
none
patience=300
meets b | unit a '/* In real time: it meets. */'
meets a | unit b '/* In real time: it meets. */'
SAN='' run || { echo "two tests in real time did not have a first go together" && problems=$((problems + 1)); }
expect "$root/out" '^2 passed, 0 failed, 0 skipped$'
none
flaky "$root/tests/system/test_flaky.sh"
echo 'exit 4' >"$root/tests/system/test_bad.sh"
echo 'kill -SEGV $$' >"$root/tests/system/test_dies.sh"
SAN='' run && echo "what failed twice passed" && problems=$((problems + 1))
expect "$root/out" '^(1/4) \.\.\.  system/test_bad .* exit 4 beside others: judged by itself, below$'
expect "$root/out" '^(2/4) FAIL system/test_dies .* exit 139$'
expect "$root/out" '^(4/5) FAIL system/test_bad .* exit 4$'
expect "$root/out" '^(5/5) ok   system/test_flaky '
expect "$root/out" '^failed beside others: system/test_flaky (see .*system_test_flaky.log.beside)$'
expect "$root/out" '^1 passed, 2 failed, 0 skipped$'

# Each has findings, words, signals and an end of its own.
none
unit a <<'END'
report=$(echo "$ASAN_OPTIONS" | sed "s/^log_path='//; s/'.*//")
echo 'ERROR: LeakSanitizer: detected memory leaks' >"$report.1"
sleep 0.3
END
echo 'sleep 0.2; echo fine' | unit b
echo 'echo gone; sleep 0.1; kill -INT $$; exit 0' | unit c
echo 'echo "no  such * thing"; exit 77' | unit d
echo 'kill -KILL "$(cut -d" " -f4 /proc/$PPID/stat)"; sleep 0.5' | unit e
run && echo "failures beside others passed" && problems=$((problems + 1))
expect "$root/out" '^(1/5) FAIL unit/area/test_a .* a sanitizer has found something$'
expect "$root/out" '^(2/5) ok   unit/area/test_b '
expect "$root/out" '^(3/5) FAIL unit/area/test_c .* exit 130$'
expect "$root/out" '| gone$'
expect "$root/out" '^(4/5) skip unit/area/test_d .* no  such \* thing$'
expect "$root/out" '^(5/5) FAIL unit/area/test_e .* what judged it has ended$'
expect "$root/out" '^1 passed, 3 failed, 1 skipped$'

# A finding in a process that outlives its test.
none
unit a <<'END'
report=$(echo "$ASAN_OPTIONS" | sed "s/^log_path='//; s/'.*//")
setsid sh -c "sleep 0.5; echo 'ERROR: LeakSanitizer: detected memory leaks' >'$report.1'" >/dev/null 2>&1 &
END
echo 'sleep 2' | unit b
run && echo "a finding in a process that outlived its test was forgotten" && problems=$((problems + 1))
expect "$root/out" '^(1/2) ok   unit/area/test_a '
expect "$root/out" '^(2/2) ok   unit/area/test_b '
expect "$root/out" '^failed: a_sanitizer_after_the_tests: ERROR: LeakSanitizer: '

# One that is ended begins no further tests.
none
for name in a b c d; do
	echo ": >\"\$root/met/$name\"; while [ ! -e \"\$root/met/go\" ]; do sleep 0.1; done; : >\"\$root/met/$name.ended\"" | unit $name
done
TESTS_ROOT=$root B=build TEST_TIMEOUT_S=60 TEST_STAT=$root/stat TEST_JOBS=2 sh "$runner" quick >"$root/out" 2>&1 &
running=$!
wait_for() {
	for _ in $(seq 300); do
		[ ! -e "$1" ] || return 0
		sleep 0.1
	done
	echo "$1 has not come" && problems=$((problems + 1))
}
wait_for "$root/met/a" && wait_for "$root/met/b"
kill -TERM $running
wait $running
[ $? -eq 143 ] || { echo "a run that was ended did not say so" && problems=$((problems + 1)); }
: >"$root/met/go"
wait_for "$root/met/a.ended" && wait_for "$root/met/b.ended"
sleep 0.5
[ ! -e "$root/met/c" ] || { echo "a run that was ended went on" && problems=$((problems + 1)); }
[ -z "$(ls -d "$root"/build/test-logs/run.* 2>/dev/null)" ] || { echo "a run left its folder" && problems=$((problems + 1)); }
none

# ---- what a sanitizer finds is never forgiven, wherever its words went and whatever the test makes of it

finding() {
	run --second-try && echo "a finding passed: $1" && problems=$((problems + 1))
	expect "$root/out" '^(1/1) FAIL system/test_flaky .* a sanitizer has found something$'
	expect "$root/out" "$2"
	absent "$root/out" 'second try'
}

for words in '==1==ERROR: AddressSanitizer: heap-use-after-free' 'x.c:1:2: runtime error: signed integer overflow' \
	'==1==ERROR: LeakSanitizer: detected memory leaks' 'WARNING: ThreadSanitizer: data race'; do
	flaky "$root/tests/system/test_flaky.sh"
	sed -i "s/the first try/$words/" "$root/tests/system/test_flaky.sh"
	finding "$words" "| $words"
	rm -f "$root"/tests/system/*.tried
done
printf 'int main(int n, char **v)\n{\n\tint x = 0x7fffffff;\n\treturn v && x + n > 0 && n > 5;\n}\n' >"$root/overflow.c"
cc -fsanitize=undefined "$root/overflow.c" -o "$root/overflow"
printf '%s/overflow >/dev/null 2>&1; exit 0\n' "$root" >"$root/tests/system/test_flaky.sh"
finding "in a process that nobody reads" '| .*runtime error: signed integer overflow'
exit $((problems > 0))
