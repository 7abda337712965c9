#!/bin/sh
# can-up.sh - brings the CAN interface of a PiPER up: 1 Mbit/s, and back by itself after bus-off. See --help.
set -eu
BITRATE=1000000
RESTART_MS=100

usage() {
	cat <<END
usage: can-up.sh INTERFACE

Sets a CAN interface to $BITRATE bit/s, which every AgileX PiPER speaks, has it join the bus again $RESTART_MS ms after it
has left it (bus-off), and brings it up. An interface that is up so is left alone; one that is up otherwise is never taken
down, because an arm may hang on it. Virtual ones (vcan, vxcan) have no bit rate and are only brought up. Needs root.

  can-up.sh can0
END
}

refuse() {
	echo "can-up.sh: $1" >&2
	exit 1
}

case ${1:-} in
--help | -h) usage && exit 0 ;;
-* | '') usage >&2 && exit 2 ;;
esac
[ $# -eq 1 ] || { usage >&2 && exit 2; }
interface=$1

# BusyBox has one too, which knows nothing of CAN.
case $(ip -V 2>/dev/null) in
*iproute2*) ;;
*) refuse "there is no iproute2 here, whose \`ip\` is needed: apt-get install iproute2" ;;
esac

# The list of what could have been meant.
others() {
	found=$(ip -o link show type can 2>/dev/null | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | tr '\n' ' ')
	echo "CAN interfaces here: ${found:-none; is the adapter plugged in, and its driver loaded (modprobe gs_usb)?}"
}

said=$(ip -details link show dev "$interface" 2>/dev/null) || refuse "there is no interface $interface; $(others)"
case $said in
*link/can*) ;;
*) refuse "$interface is no CAN interface; $(others)" ;;
esac

# field NAME: the number that stands behind a word of what ip said.
field() {
	echo "$said" | sed -n "s/.*[[:space:]]$1 \([0-9][0-9]*\).*/\1/p" | head -n 1
}
virtual=$(echo "$said" | sed -n 's/^[[:space:]]*\(vcan\|vxcan\)\([[:space:]].*\)*$/\1/p' | head -n 1)
up=$(echo "$said" | sed -n '1s/.*<\(.*,\)*UP\(,.*\)*>.*/yes/p')
bitrate=$(field bitrate)
restart_ms=$(field restart-ms)

if [ -n "$up" ]; then
	[ -z "$virtual" ] || { echo "$interface is up already, and virtual: nothing to set" && exit 0; }
	[ "$bitrate" = $BITRATE ] || wrong="set to ${bitrate:-an unknown number of} bit/s, want $BITRATE"
	[ "${restart_ms:-0}" -gt 0 ] || wrong=${wrong:+$wrong; }"not to come back after bus-off (restart-ms 0)"
	case $said in
	*"state BUS-OFF"*) wrong=${wrong:+$wrong; }"off the bus after too many errors" ;;
	esac
	[ -z "${wrong:-}" ] || refuse "$interface is up, but $wrong. Stop what uses it, then: ip link set $interface down, and again"
	echo "$interface is up already at $BITRATE bit/s, restart after $restart_ms ms: nothing to do"
	exit 0
fi

[ "$(id -u)" = 0 ] || refuse "setting up $interface needs root: sudo can-up.sh $interface"
if [ -z "$virtual" ]; then
	echo "$interface: setting $BITRATE bit/s, restart after $RESTART_MS ms"
	ip link set dev "$interface" type can bitrate $BITRATE restart-ms $RESTART_MS ||
		refuse "ip could not set that (above): an adapter on a serial line (slcan) gets its bit rate from slcand -s8"
fi
ip link set dev "$interface" up || refuse "ip could not bring $interface up (above)"
echo "$interface is up"
