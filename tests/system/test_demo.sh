#!/bin/sh
# test_demo.sh - a short run of the demo meets its criteria; set-ups that cannot work end with an error that says why, and
# leave nothing running. Sockets are files of a folder of our own, so that nothing else on this machine is met.
set -u
B=${B:-build/release}
SAN=${SAN:-}
bench=$B/dreamvla-bench
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
problems=0

# config NAME [SED-SCRIPT]: the demo's configuration with sockets in our folder, changed by the script.
config() {
	{
		sed -e "s|\.\./tests/|$(pwd)/tests/|" -e "s|tcp://127.0.0.1:7421|ipc://$folder/arm|" -e "${2:-}" config/demo.yaml
		echo "sockets:"
		for name in cameras operators states targets status control; do
			echo "  $name: ipc://$folder/$name"
		done
	} >"$folder/$1.yaml"
}

problem() {
	echo "PROBLEM: $*"
	problems=$((problems + 1))
}

# demo NAME SECONDS: leaves the exit status in $code and all output in $out.
demo() {
	out=$folder/$1.out
	"$bench" demo --programs "$B" --config "$folder/$1.yaml" --seconds "$2" >"$out" 2>&1
	code=$?
	echo "---- $1: exit $code" && cat "$out"
}

# refused NAME PATTERN: the demo must fail and say so.
refused() {
	demo "$1" 2
	[ $code -ne 0 ] || problem "$1: succeeded"
	grep -q -- "$2" "$out" || problem "$1: want a line that matches '$2'"
}

config good
demo good 6 # too short to tell a rate that is 1 % off from one pause of 100 ms, so that is allowed here (bench_numbers.c)
if [ -n "$SAN" ]; then # too slow for the criteria, but whole: no finding, a table, and everybody ended well
	grep -q '^run of' "$out" || problem "good: no table"
	grep -qE 'Sanitizer|runtime error|asked to end' "$out" && problem "good: see above"
else
	[ $code -eq 0 ] || problem "good: failed"
	grep -q '^all 7 criteria met$' "$out" || problem "good: does not say that all criteria are met"
fi

out=$folder/robot.out
"$bench" demo --programs "$B" --robot nonsense >"$out" 2>&1
[ $? -eq 2 ] || problem "robot: want exit status 2"
grep -q "'nonsense', want sim, franka-fci, piper or piper-pair" "$out" || problem "robot: does not say what is allowed"

config typo 's/^  action_hz:/  action_herz:/'
refused typo 'typo.yaml:[0-9]*: .*action_herz'

config no_model 's|/two_cameras  |/no_such_model  |'
refused no_model 'dreamvlad ended with exit status [1-9].*'
grep -q 'no_such_model' "$out" || problem "no_model: the model's path is not named"

# Chunks of eight actions that are all played: too few of them.
config lazy 's/^  steps: 2 .*/  steps: 8/; s/^  action_hz: 5/  action_hz: 2/'
refused lazy '^FAIL  chunks executed'

# Somebody has the targets' port.
"${PYTHON:-python3}" -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)' >"$folder/port" &
owner=$!
while kill -0 $owner 2>/dev/null && ! [ -s "$folder/port" ]; do sleep 0.1; done
config taken
sed -i "s|targets: ipc://.*|targets: tcp://127.0.0.1:$(cat "$folder/port")|" "$folder/taken.yaml"
refused taken "sockets.targets.*$(cat "$folder/port")"
kill $owner

for file in $(grep -lsF "$folder" /proc/[0-9]*/cmdline); do
	cat "$file" 2>/dev/null | tr '\0' ' ' | grep -E '^[^ ]*dreamvla' && problem "the program above is left over"
done
exit $((problems > 0))
