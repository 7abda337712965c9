# card.sh - the part of init.sh with CAN cards that QEMU emulates, two on one bus: a controller's bit rate, and can-up.sh. Sourced by init.sh.
# BusyBox runs its own ip, whatever the PATH is; dash does not.
mkdir -p /opt
ln -sf /bin/iproute2 /opt/ip
can_up() {
	PATH=/opt:$PATH dash /bin/can-up.sh "$1" 2>&1
}
wire=can1

ip link set can0 type can bitrate 500000
ip link set can0 up
can_up can0 | grep -q 'set to 500000 bit/s, want 1000000'
judge "card: can-up.sh touches no interface that is up" $?
sed 's/address: vxcan0/address: can0/' /tmp/piper.yaml >/tmp/card.yaml
dreamvla-arm --config /tmp/card.yaml --driver piper 2>/tmp/arm &
driver=$!
wait_for "card: another bit rate is refused" says 'disconnected .*bit_rate'
grep -q 'set to 500000 bit/s, want 1000000; set it: sudo can-up.sh can0' /tmp/arm
judge "card: the log says what to do" $?
ip link set can0 down
wait_for "card: the interface is down" says 'disconnected .*interface_down'
for card in can0 can1; do
	can_up $card | grep -q "^$card is up\$"
	judge "card: can-up.sh $card" $?
done
ip -details link show can0 | grep -q 'bitrate 1000000 .*' && ip -details link show can0 | grep -q 'restart-ms 100'
judge "card: 1 Mbit/s, back after bus-off" $?
dreamvla-sim --no-cameras --world tcp://127.0.0.1:7431 --piper can1 --faults tcp://127.0.0.1:7432 2>/tmp/sim &
sim=$!
wait_for "card: the arm is known, its motors off" says 'idle .*motors_off'
ask enable >/dev/null
wait_for "card: ready" says ready
go 4 10 60 -70 5 20 -15
judge "card: there, as the arm's own angles say" $?
wait_for "card: joints 1 and 2, as candump hears it" reads 2A5 '000027(0F|10|11)0000EA(5F|60|61)'
kill $driver
wait $driver
judge "card: the driver ends in order" $?
kill $sim
wait $sim
judge "card: dreamvla-sim ends in order" $?
cat /tmp/arm /tmp/sim
