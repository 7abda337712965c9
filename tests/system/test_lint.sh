#!/bin/sh
# test_lint.sh - every check of tests/lint/run.sh finds what it is there for in a tree that has it, and passes one without.
# Not in real time: programs that read files and end.
# Nothing to sanitize: scripts alone.
set -u
lint=$(pwd)/tests/lint/run.sh
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
problems=0

fresh_tree() {
	rm -rf "${root:?}"/*
	mkdir -p "$root/daemon/stage" "$root/daemon/sys" "$root/policy" "$root/transport" "$root/config" "$root/robots" \
		"$root/build/daemon/stage" "$root/build/daemon/sys" "$root/.ci" "$root/tests/unit/area"
	printf 'all:\n' >"$root/Makefile"
	printf '#!/bin/sh\nexit 0\n' >"$root/.ci/run"
	printf 'int twice(int x);\nint twice(int x)\n{\n\treturn 2 * x;\n}\n' | tee "$root/daemon/stage/good.c" >"$root/daemon/control_tick.c"
	printf 'static void *run(void *x)\n{\n\treturn x;\n}\n' >"$root/daemon/control_thread.c"
	: >"$root/daemon/sys/handover.h"
	printf '/* In real time: it sleeps. */\nint main(void) { usleep(1); }\n' >"$root/tests/unit/area/test_says_so.c"
	cc -c "$root/daemon/stage/good.c" -o "$root/build/daemon/stage/good.o"
	cc -c "$root/daemon/control_tick.c" -o "$root/build/daemon/control_tick.o"
	for object in tape histogram; do
		echo "int x; int *${object}_of(void); int *${object}_of(void) { return &x; }" | cc -x c -c - -o "$root/build/daemon/sys/$object.o"
	done
}

# speak OBJECT: compiles something that prints.
speak() {
	printf '#include <stdio.h>\nint say(void);\nint say(void)\n{\n\treturn puts("x");\n}\n' | cc -x c -c - -o "$1"
}

run() {
	TESTS_ROOT=$root B=build sh "$lint" "$@" >"$root/out" 2>&1
}

# found CHECK PATTERN: the check must fail and show the pattern.
found() {
	if run "$1" || ! grep -q "^FAIL $1" "$root/out" || ! grep -q -- "$2" "$root/out" || ! grep -q '^0 passed, 1 failed$' "$root/out"; then
		echo "PROBLEM: $1 did not find '$2':" && cat "$root/out"
		problems=$((problems + 1))
	fi
	fresh_tree
}

fresh_tree
if ! run || ! grep -q '^10 passed, 0 failed$' "$root/out"; then
	echo "PROBLEM: a clean tree fails:" && cat "$root/out"
	problems=$((problems + 1))
fi

speak "$root/build/daemon/stage/say.o"
found purity 'say.o needs puts'
printf '#include "daemon/sys/clock.h"\n' >>"$root/daemon/stage/good.c"
found includes 'daemon/stage/good.c:.*may not include daemon/sys/clock.h'
printf '#include "policy/policy.h"\n' >"$root/robots/arm.c"
found includes 'robots/ may not include policy/policy.h'
printf '#include "transport/wire.h"\n' >"$root/policy/net.c"
found includes 'policy/ may not include transport/wire.h'
speak "$root/build/daemon/control_say.o"
found control_thread 'control_say.o needs puts'
speak "$root/build/daemon/sys/histogram.o"
found control_thread 'histogram.o needs puts'
sed -i 's/return x/return malloc (4)/' "$root/daemon/control_thread.c"
found control_thread 'return malloc (4)'
rm "$root/daemon/control_thread.c"
found control_thread 'found no function run'
{ printf 'void f(void);\nvoid f(void)\n{\n'; yes '	;' | head -n 90; printf '}\n'; } >"$root/config/long.c"
found function_length 'config/long.c:2: f has 9[0-9] lines'
yes '/* */' | head -n 601 >"$root/config/long.h"
found file_length 'config/long.h: 601 lines'
printf 'CFLAGS = -ff''ast-math\n' >>"$root/Makefile"
found fast_math 'Makefile:2'
printf '#!/bin/sh\nif true; then\n' >"$root/tests/broken.sh"
found shell 'broken.sh'
printf 'see /ho''me/me/notes\n' >"$root/tests/README.md"
found machine_paths 'README.md:1'
echo 'int main(void) { usleep(1); }' >"$root/tests/unit/area/test_sleeps.c"
found real_time 'tests/unit/area/test_sleeps.c: '
printf 'int f(void);\nint f(void)\n{\n\tint a[2] = { 0, 1 };\n\treturn a[2];\n}\n' >"$root/config/bad.c"
found cppcheck 'arrayIndexOutOfBounds'
exit $((problems > 0))
