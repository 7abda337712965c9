# leader.sh - the part of init.sh with a leader arm: dreamvla-teleop --device piper-leader listens on vcan1, where canplayer is the leader:
# joints at 10, 60, -70, 5, 20, -15 degrees, the gripper 2 s open and 2 s squeezed to 10 mm, which is the dead-man. Sourced by init.sh.

# 4 s of frames as the arm sends them, 200 times a second.
awk 'BEGIN {
	for (i = 0; i < 800; i++)
		for (k = 1; k <= split("151#0101640000000000 155#000027100000EA60 156#FFFEEE9000001388 157#00004E20FFFFC568 159#0000" \
				(i < 400 ? "C350" : "2710") "03E80100", frame, " "); k++)
			printf "(%.6f) vcan1 %s\n", 1 + i * 0.005, frame[k]
}' >/tmp/leader.log

play() {
	canplayer -I /tmp/leader.log -l i vcan1=vcan1 >/dev/null 2>&1 &
	player=$!
}

# tells PATTERN: whether the newest line has it.
tells() {
	tail -n 1 /tmp/leader | grep -q "$1"
}

new_bus() {
	ip link add vcan1 type vcan && ip link set vcan1 up
}

new_bus
dreamvla-teleop --device piper-leader --bus vcan1 --deadman-gripper 0.02 --operators tcp://127.0.0.1:17416 --status tcp://127.0.0.1:17417 \
	--json >/tmp/leader 2>/tmp/leader.err &
teleop=$!
wait_for "a leader that says nothing is missed" tells 'no joints of a leader yet on vcan1'
play
wait_for "a leader's joints" tells '"values":\[0.174532925,1.04719755,-1.2217304[78],0.0872664626,0.34906585,-0.261799388\]'
wait_for "its gripper is pressed" tells '"deadman":true'
wait_for "and let go" tells '"deadman":false'
candump -L -n 400 -T 10000 vcan1 | sed 's/.* \(...\)#.*/\1/' | sort -u | tr '\n' ' ' | grep -qx '151 155 156 157 159 '
judge "nothing is sent to its bus" $?
wait_for "its gripper is pressed again" tells '"deadman":true'
ip link set vcan1 down
wait_for "an interface that is down is named, and presses nothing" tells '"note":"CAN bus vcan1: the interface is down.*"deadman":false'
kill $player
ip link set vcan1 up
play
wait_for "the leader is heard again, and pressed" tells '"deadman":true'
ip link del vcan1
wait_for "an interface that is gone is named" tells '"note":"CAN bus vcan1: .*"deadman":false'
kill $player
new_bus
play
wait_for "the leader is heard on a new interface" tells '"deadman":true'
kill $player
kill $teleop && wait $teleop
judge "dreamvla-teleop ends in order" $?
cat /tmp/leader.err
