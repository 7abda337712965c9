# driver.sh - the part of init.sh with our own driver: dreamvla-arm --driver piper on vxcan0, dreamvla-sim --piper at the other end of that
# wire, vxcan1, where candump hears whatever the driver has really sent. Sourced by init.sh.
wire=vxcan1
door=tcp://127.0.0.1:7421

cat >/tmp/piper.yaml <<END_OF_CONFIG
sockets:
  states: tcp://127.0.0.1:17412
  targets: tcp://127.0.0.1:17413
policy:
  model: /tmp
  cameras: [front]
cameras:
  front: {}
robots:
  - name: arm
    model: piper
    control: $door
    tcp: [0, 0, 0.145, 0, 0, 0, 1]
    address: vxcan0
END_OF_CONFIG

start_driver() {
	dreamvla-arm --config /tmp/piper.yaml --driver piper 2>>/tmp/arm &
	driver=$!
}

ask() {
	mover $door ask "$@"
}

# says PATTERN: of the arm's mode and errors.
says() {
	ask status | grep -qE "^$1"
}

# go SECONDS DEGREES...: as mover's.
go() {
	mover $door go tcp://127.0.0.1:17413 tcp://127.0.0.1:17412 "$@" >/tmp/go
}

# Joint 1 as the arm says it, in 0.001 degree.
joint_1() {
	raw=$((0x$(candump -L -n 1 -T 10000 $wire,2A5:7FF | sed 's/.*#\(........\).*/\1/')))
	echo $((raw > 0x7FFFFFFF ? raw - 0x100000000 : raw))
}

beyond() {
	[ "$(joint_1)" -gt "$1" ]
}

# stays WHAT: joint 1 where it is, within 0.05 degree, for 1 s.
stays() {
	began=$(joint_1)
	sleep 1
	way=$(($(joint_1) - began))
	[ $way -ge -50 ] && [ $way -le 50 ]
	judge "$1" $?
}

# What a host has sent since the last call, as id#data in order: hears the ids of hosts, and of 0x47x and 0x4AF those that are no answers.
sent() {
	sleep 0.5
	sed -n 's/.* \([0-9A-F]*#[0-9A-FR]*\)$/\1/p' /tmp/sent | sed "1,${sent_before}d" |
		grep -vE '^(473|476|478|47B|47C|47E)#|^4AF#(00|2[0-9A-F]|3|4|5)' >/tmp/part
	sent_before=$(wc -l </tmp/sent)
}

# only PATTERN: nothing else was sent.
only() {
	! grep -vE "^($1)\$" /tmp/part | sort -u | head -n 5 | grep .
}

counts() {
	grep -c "^$1" /tmp/part
}

sent_before=0
candump -L $wire,120:7F0,150:7F0,180:7F0,190:7F0,420:7F0,470:7F0,480:7F0,4A0:7F0 >/tmp/sent &
recorder=$!
dreamvla-sim --no-cameras --world tcp://127.0.0.1:7431 --piper $wire --faults tcp://127.0.0.1:7432 2>/tmp/sim &
sim=$!
start_driver
wait_for "driver: the arm is known, its motors off" says 'idle .*motors_off'
sent
only '4AF#01(00){7}|472#0[1-6]0[12](00){6}|477#0400000003000000'
judge "driver: it has asked and done nothing else" $?

ask enable >/dev/null
wait_for "driver: ready" says ready
sent
grep -n . /tmp/part | awk -F: '/:471#0[1-6]02/ { on = $1 } /:155#/ && !target { target = $1 } /:151#0101/ && !mode { mode = $1 }
	END { exit !(on && on < target && target < mode) }'
judge "driver: motors on, then the target, then CAN control" $?
[ "$(grep '^471#' /tmp/part | uniq | head -n 6 | tr '\n' ' ')" = "$(for j in 1 2 3 4 5 6; do printf '471#0%d02000000000000 ' $j; done)" ]
judge "driver: motors one by one" $?
stays "driver: the arm stays where it was"

go 4 10 60 -70 5 20 -15
judge "driver: there, as the arm's own angles say" $?
wait_for "driver: joints 1 and 2, as candump hears it" reads 2A5 '000027(0F|10|11)0000EA(5F|60|61)'
wait_for "driver: joints 3 and 4" reads 2A6 'FFFEEE(8F|90|91)000013(87|88|89)'
wait_for "driver: joints 5 and 6" reads 2A7 '00004E(1F|20|21)FFFFC5(67|68|69)'
sent
only '151#0101[0-9A-F]{12}|15[567]#[0-9A-F]{16}|159#[0-9A-F]{16}'
judge "driver: nothing else was sent to move" $?
grep -E '^15[1567]' /tmp/part | cut -c 1-3 | awk '$1 == 151 { want = 155; next } { wrong += $1 != want; want = $1 + 1 } END { exit wrong > 3 }'
judge "driver: mode, joints 1 2, 3 4, 5 6 in each period" $?

go 12 60 60 -70 5 20 -15 &
moving=$!
wait_for "driver: under way" beyond 13000
ip link set vxcan0 down
wait_for "driver: interface down in motion is told" says 'disconnected'
wait $moving
[ $? -eq 3 ]
judge "driver: nobody's arm any more" $?
ip link set vxcan0 up
wait_for "driver: interface up: ready again" says ready
stays "driver: and the arm stays where it stopped"

go 12 60 60 -70 5 20 -15 &
moving=$!
wait_for "driver: under way again" beyond 18000
sent
/bin/iproute2-tc qdisc add dev vxcan0 root netem delay 60s limit 5
wait_for "driver: frames that do not go out are told (ENOBUFS)" says '[a-z]+ .*bus_full'
kill $moving
wait $moving
/bin/iproute2-tc qdisc del dev vxcan0 root
wait_for "driver: they go out again: ready" says ready
stays "driver: and the arm stays where it stopped once more"
sent
only '151#0101[0-9A-F]{12}|15[567]#[0-9A-F]{16}|159#[0-9A-F]{16}|4AF#01(00){7}|472#0[1-6]0[12](00){6}|477#0400000003000000'
judge "driver: no motor was switched meanwhile" $?

go 12 60 60 -70 5 20 -15 &
moving=$!
wait_for "driver: under way a third time" beyond 23000
kill -9 $driver
kill $moving
wait $moving
stays "driver: killed in motion: the arm holds"
start_driver
wait_for "driver: a new one finds it ready" says ready
stays "driver: and takes it over where it stands"

ask emergency_stop >/dev/null
wait_for "driver: emergency stop" says estop
reads 2A1 '..01.*'
judge "driver: as the arm says" $?
! ask recover >/dev/null
judge "driver: no resume, which drops the arm, unless confirmed" $?
sent
[ "$(counts '150#02')" -eq 0 ] && [ "$(counts '150#01')" -gt 0 ]
judge "driver: one of the two frames" $?
ask recover confirm >/dev/null
wait_for "driver: after the resume the motors are off" says 'idle .*motors_off'
sent
only '150#0200000000000000|159#[0-9A-F]{16}|4AF#01(00){7}|472#0[1-6]0[12](00){6}|477#0400000003000000'
judge "driver: resumed, and nothing switched on" $?
ask enable >/dev/null
wait_for "driver: ready after that" says ready

sent
kill $driver
wait $driver
judge "driver: ends in order" $?
reads 266 '.{10}4.{5}'
judge "driver: which leaves the motors on" $?
sent
only '151#0101[0-9A-F]{12}|15[567]#[0-9A-F]{16}|159#[0-9A-F]{16}'
judge "driver: and sends nothing to end with" $?
kill $recorder $sim
wait $sim
judge "driver: dreamvla-sim ends in order" $?
cat /tmp/arm
