#!/bin/sh
# test_can_up.sh - what can-up.sh decides about interfaces in every state that `ip` can describe: a stand-in for ip shows them and writes
# down what it is asked to change, one for id says who asks. What ip does to a real interface is not tested here.
# Not in real time: nothing here looks at a clock.
# Nothing to sanitize: scripts alone.
set -u
script=$(pwd)/robots/piper/can-up.sh
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
problems=0
mkdir "$root/bin" "$root/bare"

cat >"$root/bin/ip" <<'END'
#!/bin/sh
case "$*" in
-V) [ -e "$FAKE/busybox" ] || echo "ip utility, iproute2-6.1.0, libbpf 1.1.0" ;;
"-o link show type can") cat "$FAKE/list" 2>/dev/null ;;
"-details link show dev "*) [ -e "$FAKE/$5" ] && cat "$FAKE/$5" ;;
*) echo "$*" >>"$FAKE/changes"; [ ! -e "$FAKE/fails" ] || { echo "RTNETLINK answers: Operation not supported" >&2; exit 2; } ;;
esac
END
# shellcheck disable=SC2016  # for the stand-in, not for here
printf '#!/bin/sh\ncat "$FAKE/user"\n' >"$root/bin/id"
chmod +x "$root/bin/ip" "$root/bin/id"
for tool in sh sed tr head cat; do ln -s "$(command -v $tool)" "$root/bare/$tool"; done
FAKE=$root/fake
export FAKE

# fresh: can0 down, vcan0 down, eth0; asked by root.
fresh() {
	rm -rf "$FAKE"
	mkdir "$FAKE"
	echo 0 >"$FAKE/user"
	can "NOARP,ECHO" STOPPED 0 ""
	printf '%s\n' "3: can0: <NOARP,ECHO> mtu 16 qdisc noop state DOWN mode DEFAULT group default qlen 10" \
		"5: can1@if4: <NOARP,ECHO> mtu 16" >"$FAKE/list"
	printf '%s\n' "4: vcan0: <NOARP> mtu 72 qdisc noop state DOWN mode DEFAULT group default qlen 1000" \
		"    link/can  promiscuity 0 minmtu 0 maxmtu 0 " "    vcan numtxqueues 1 numrxqueues 1" >"$FAKE/vcan0"
	printf '%s\n' "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP" "    link/ether 00:11:22:33:44:55" >"$FAKE/eth0"
}

# can FLAGS STATE RESTART_MS BITRATE: what ip says of can0.
can() {
	{
		echo "3: can0: <$1> mtu 16 qdisc pfifo_fast state UP mode DEFAULT group default qlen 10"
		echo "    link/can  promiscuity 0 minmtu 0 maxmtu 0 "
		echo "    can state $2 (berr-counter tx 0 rx 0) restart-ms $3 "
		[ -z "$4" ] || printf '\t  bitrate %s sample-point 0.750 \n\t  tq 62 prop-seg 5 phase-seg1 6 phase-seg2 4 sjw 1\n' "$4"
		printf '\t  gs_usb: tseg1 1..16 tseg2 1..8 sjw 1..4 brp 1..1024 brp-inc 1\n\t  clock 48000000 numtxqueues 1\n'
	} >"$FAKE/can0"
}

# expect NAME CODE TEXT CHANGES ARGUMENTS...: what it exits with, says among other things, and changes.
expect() {
	name=$1 code=$2 text=$3 changes=$4
	shift 4
	PATH=${FAKE_PATH:-$root/bin:$PATH} "$script" "$@" >"$root/out" 2>&1
	got=$?
	made=$(cat "$FAKE/changes" 2>/dev/null)
	[ $got -eq "$code" ] && grep -qF -e "$text" "$root/out" && [ "$made" = "$changes" ] && return
	echo "$name: exit $got (want $code), changed \"$made\" (want \"$changes\"), said (want \"$text\"):"
	cat "$root/out"
	problems=$((problems + 1))
}

SET="link set dev can0 type can bitrate 1000000 restart-ms 100"
UP="link set dev can0 up"

fresh
expect "no name" 2 "usage: can-up.sh INTERFACE" ""
expect "an option nobody knows" 2 "usage: can-up.sh INTERFACE" "" --fast
expect "two names" 2 "usage: can-up.sh INTERFACE" "" can0 can1
expect "help" 0 "usage: can-up.sh INTERFACE" "" --help
expect "no such interface" 1 "no interface can7; CAN interfaces here: can0 can1" "" can7
expect "not CAN" 1 "eth0 is no CAN interface; CAN interfaces here: can0 can1" "" eth0
rm "$FAKE/list"
expect "none at all" 1 "none; is the adapter plugged in" "" can7
FAKE_PATH=$root/bare expect "no ip" 1 "apt-get install iproute2" "" can0
: >"$FAKE/busybox"
expect "another ip" 1 "apt-get install iproute2" "" can0

fresh
expect "down" 0 "can0 is up" "$SET
$UP" can0
fresh
echo 1000 >"$FAKE/user"
expect "not root" 1 "needs root: sudo can-up.sh can0" "" can0
fresh
can "NOARP,ECHO" STOPPED 0 500000
expect "down at another rate" 0 "setting 1000000 bit/s" "$SET
$UP" can0
fresh
: >"$FAKE/fails"
expect "ip cannot" 1 "slcand -s8" "$SET" can0

fresh
echo 1000 >"$FAKE/user"
can "NOARP,UP,LOWER_UP,ECHO" ERROR-ACTIVE 100 1000000
expect "up and well" 0 "up already at 1000000 bit/s, restart after 100 ms: nothing to do" "" can0
can "NOARP,UP,LOWER_UP,ECHO" ERROR-ACTIVE 100 500000
expect "up at another rate" 1 "set to 500000 bit/s, want 1000000. Stop what uses it" "" can0
can "NOARP,UP,LOWER_UP,ECHO" ERROR-ACTIVE 100 ""
expect "up at no rate" 1 "an unknown number of bit/s" "" can0
can "NOARP,UP,LOWER_UP,ECHO" ERROR-ACTIVE 0 1000000
expect "up for one bus-off" 1 "not to come back after bus-off (restart-ms 0). Stop" "" can0
can "NO-CARRIER,NOARP,UP,ECHO" BUS-OFF 0 1000000
expect "off the bus" 1 "(restart-ms 0); off the bus after too many errors. Stop" "" can0

fresh
expect "virtual" 0 "vcan0 is up" "link set dev vcan0 up" vcan0
fresh
sed -i 's/<NOARP>/<NOARP,UP,LOWER_UP>/' "$FAKE/vcan0"
expect "virtual and up" 0 "nothing to set" "" vcan0

echo "$problems problems"
[ $problems -eq 0 ]
