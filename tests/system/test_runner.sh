#!/bin/sh
# test_runner.sh - the runner itself: a passing, a failing, a skipping and a hanging test are told apart, what a hanging
# test started is ended with it, and a run without tests is a failure.
set -u
runner=$(pwd)/tests/run.sh
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/tests/integration" "$root/tests/system" "$root/tests/unit/area"
problems=0

expect() {
	if ! grep -q -- "$2" "$1"; then
		echo "want a line matching '$2' in:" && cat "$1"
		problems=$((problems + 1))
	fi
}

run() {
	TESTS_ROOT=$root B=build TEST_TIMEOUT_S=1 sh "$runner" quick "$@" >"$root/out" 2>&1
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
run && echo "a run with failures passed" && problems=$((problems + 1))
expect "$root/out" '^(./5) skip system/test_skip .* no such device$'
expect "$root/out" '^(./5) FAIL integration/test_bad .* exit 3$'
expect "$root/out" '| the cause$'
expect "$root/out" '^(./5) FAIL system/test_hang .* not finished after 1 s'
expect "$root/out" '^(./5) FAIL unit/area/test_unbuilt '
expect "$root/out" '^failed: unit/area/test_unbuilt integration/test_bad system/test_hang$'
expect "$root/out" '^1 passed, 3 failed, 1 skipped$'
# Gone, or dead and waiting for init to notice.
state=$(sed 's/.*) //; s/ .*//' "/proc/$(cat "$root/stray")/stat" 2>/dev/null)
if [ "${state:-Z}" != Z ]; then
	echo "the hanging test's child is still there"
	problems=$((problems + 1))
fi

run good || { echo "the filtered run failed" && problems=$((problems + 1)); }
expect "$root/out" '^1 passed, 0 failed, 0 skipped$'
exit $((problems > 0))
