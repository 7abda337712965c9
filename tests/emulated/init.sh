#!/bin/sh
# init.sh - the first and only process of the emulated machine that run.sh boots: real CAN interfaces of a real kernel, our programs on
# them, can-utils as the witness, and then cameras. Says "ok WHAT" or "FAIL WHAT" on the console; the last line is "over".
export PATH=/bin LC_ALL=C
/bin/busybox --install -s /bin 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in can can-dev can-raw vcan vxcan sch_netem sja1000 kvaser_pci; do insmod /lib/modules/$module.ko; done
ip() { /bin/iproute2 "$@"; }
ip link set lo up
ip link add vcan0 type vcan && ip link set vcan0 up
ip link add vxcan0 type vxcan peer name vxcan1 && ip link set vxcan0 up && ip link set vxcan1 up

# end [WORDS]
end() {
	[ $# -eq 0 ] || { echo "$1" && tail -n 50 /tmp/arm /tmp/sim /tmp/film.err; }
	echo over
	poweroff -f
}

judge() {
	read -r up _ </proc/uptime
	if [ "$2" -eq 0 ]; then echo "ok $1 ($up s)"; else echo "FAIL $1 ($up s)"; fi
}

# wait_for WHAT COMMAND...: until it succeeds; what comes after one that does not would show nothing.
wait_for() {
	what=$1 tries=0
	shift
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || end "FAIL $what"
		sleep 0.5
	done
	judge "$what" 0
}

# reads ID EXTENDED-PATTERN: whether candump's next frame of that id has such data (candump -L: time, interface, id#data).
wire=vcan0
reads() {
	candump -L -n 1 -T 10000 "$wire,$1:7FF" | grep -qE "#$2\$"
}

for ends in "vcan0 vcan0" "vxcan0 vxcan1"; do
	CAN_TEST_INTERFACES=$ends test_bus >/tmp/bus 2>&1
	code=$?
	! grep -q SKIPPED /tmp/bus || code=1
	judge "every duty of a bus on $ends" $code
	[ $code -eq 0 ] || cat /tmp/bus
done

. /leader.sh

dreamvla-sim --no-cameras --world tcp://127.0.0.1:7431 --piper vcan0 --piper-firmware S-V1.8-2 --faults tcp://127.0.0.1:7432 2>/tmp/sim &
sim=$!
wait_for "candump hears the arm" reads 2A1 '0000000000000000'
candump -L -n 500 -T 10000 vcan0 | sed 's/.* \(...\)#.*/\1/' | sort -u >/tmp/ids
echo "251 252 253 254 255 256 261 262 263 264 265 266 2A1 2A2 2A3 2A4 2A5 2A6 2A7 2A8" | tr ' ' '\n' | cmp -s - /tmp/ids
judge "20 ids among 500 frames" $?
reads 266 '.{10}0.{5}'
judge "joints are off" $?
candump -L -n 12 -T 10000 vcan0,4AF:7FF >/tmp/firmware &
witness=$!
sleep 1
cansend vcan0 4AF#0100000000000000
wait $witness
grep -A 1 '#.\{8\}532D5631$' /tmp/firmware | grep -q '#2E382D32' # S-V1 and .8-2
judge "firmware is told" $?
cansend vcan0 151#0101640000000000
cansend vcan0 471#0702000000000000
wait_for "joints are on" reads 266 '.{10}4.{5}'
cansend vcan0 151#0101640000000000
wait_for "CAN control, MOVE J" reads 2A1 '0100010000000000'
cansend vcan0 155#000027100000EA60
cansend vcan0 156#FFFEEE9000001388
cansend vcan0 157#00004E20FFFFC568
wait_for "joints 1 and 2 at 10 and 60 degrees" reads 2A5 '000027(0F|10|11)0000EA(5F|60|61)'
wait_for "joints 3 and 4 at -70 and 5 degrees" reads 2A6 'FFFEEE(8F|90|91)000013(87|88|89)'
wait_for "joints 5 and 6 at 20 and -15 degrees" reads 2A7 '00004E(1F|20|21)FFFFC5(67|68|69)'
cansend vcan0 00000155#0000000000000000 # an extended id that only looks like ours
cansend vcan0 155#R
cansend vcan0 155#00
sleep 1
reads 2A5 '000027(0F|10|11)0000EA(5F|60|61)'
judge "extended, remote and short frames move nothing" $?
ip link set vcan0 down
sleep 1
ip link set vcan0 up
wait_for "the arm is heard again after the interface was down" reads 2A7 '[0-9A-F]{16}'
cansend vcan0 150#0100000000000000
wait_for "emergency stop" reads 2A1 '..01.*'
kill -0 $sim && kill $sim && wait $sim
judge "dreamvla-sim ends in order" $?
cat /tmp/sim
. /driver.sh
. /card.sh
. /camera.sh
. /webcam.sh
end
