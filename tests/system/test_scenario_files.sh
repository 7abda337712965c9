#!/bin/sh
# test_scenario_files.sh - what is wrong in a scenario's file is named with its line, and a scenario that should fail fails.
# Not in real time: virtual time.
set -u
scenario=$B/tests/scenario/scenario
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# expect TEXT LINE...: a bench, the lines and an end; the run must fail and say TEXT.
expect() {
	text=$1
	shift
	{
		printf 'title bad\narm left panda\ncamera top\ndevice pad\nmotion wave circle 0.08 6\n'
		printf '%s\n' "$@" 'end 4 s'
	} >"$folder/bad.scn"
	if "$scenario" "$folder/bad.scn" >"$folder/out" 2>&1; then
		echo "passed, and should say: $text"
		failed=1
	elif ! grep -qF -e "$text" "$folder/out"; then
		echo "want: $text"
		cat "$folder/out"
		failed=1
	fi
}

expect 'bad.scn:6: found "fly to", allowed: seed, arm' 'fly to the moon'
expect 'bad.scn:6: <camera>: found "side", allowed: top' 'at 1 s camera side freeze'
expect 'bad.scn:6: found "melts" after "camera top", allowed: camera <camera> freeze|thaw' 'at 1 s camera top melts'
expect 'bad.scn:6: found "pandar" after "arm right", allowed: arm <word> panda|' 'arm right pandar'
expect 'bad.scn:6: found nothing after "teleop pad twist 0 0 0", allowed: teleop <device> twist <number>' 'at 1 s teleop pad twist 0 0 0'
expect 'bad.scn:6: found "now" after "stop", allowed: stop|reset' 'at 1 s stop now'
expect 'bad.scn:6: <REASON>: found "CAMERA_FROZE", allowed: the names in daemon/stage/reason.def; of this initial:' \
	'by 1 s expect mode HOLD reason CAMERA_FROZE'
expect 'CAMERA_FROZEN, CAMERA_SKEWED' 'by 1 s expect fault CAMERA_FROZE'
expect 'bad.scn:6: <ms>: found "soon", allowed: a number' 'at 1 s policy hangs soon'
expect 'bad.scn:6: <ms>: found -5, allowed: 0 to' 'at 1 s policy hangs -5'
expect 'bad.scn:6: <share>: found 1.5, allowed: 0 to 1' 'at 1 s speed 1.5'
expect 'bad.scn:6: <number>: found "nan", allowed: a number' 'at 1 s teleop pad twist 0 0 nan 0 0 0'
expect 'bad.scn:7: time: found 1 s, allowed: not before the line above, 2 s' 'at 2 s stop' 'at 1 s stop'
expect 'bad.scn:6: time: found "soon stop", allowed: a number and s' 'at soon stop'
expect 'allowed: expect after by and until' 'by 1 s stop'
expect 'bad.scn:6: <MODE>: found "auto", allowed: BOOT, READY, AUTO' 'by 1 s expect mode auto'
expect 'bad.scn:6: set: found "control.rate", allowed: a key of the configuration' 'set control.rate 200'
expect 'bad.scn:6: set control.rate_hz: found 5000' 'set control.rate_hz 5000'
expect 'bad.scn:7: camera: found after the first at, by or until' 'at 1 s stop' 'camera wrist'
expect 'robots[1].name' 'arm left panda'
expect 'line 6: at 1 s expect mode AUTO: found mode READY' 'at 1 s expect mode AUTO'
expect 'driver policy, moving' 'at 0.5 s instruction wave' 'at 1.5 s mode auto' 'at 2.5 s expect standing'
expect 'driver hold, standing' 'at 1 s expect driver teleop'
expect 'line 10: until 3 s expect mode AUTO: found mode HOLD, reason OPERATOR_STOP' 'at 0.5 s instruction wave' 'at 1.5 s mode auto' \
	'at 2 s expect mode AUTO' 'at 2.2 s stop' 'until 3 s expect mode AUTO'
expect 'target of left, joint' 'limit velocity 0.01' 'at 0.5 s instruction wave' 'at 1.5 s mode auto'
expect 'm/s, limit 0.01' 'limit tcp_speed 0.01 in AUTO' 'at 0.5 s instruction wave' 'at 1.5 s mode auto'
expect 'targets still move' 'limit stop 20' 'at 0.5 s instruction wave' 'at 1.5 s mode auto' 'at 2.3 s stop'

# A picture names each change of mode with its reason.
"$scenario" --plot "$folder/out.svg" tests/scenario/cases/takeover.scn >/dev/null || failed=1
for text in 'AUTO: OPERATOR_AUTO' 'TELEOP: TAKEN_OVER' 'RETURN: HANDING_BACK'; do
	grep -qF ": $text" "$folder/out.svg" || { echo "the picture does not say: $text"; failed=1; }
done

[ $failed -eq 0 ]
