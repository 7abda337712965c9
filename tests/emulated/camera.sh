# camera.sh - the part of init.sh with cameras: dreamvla-camera on the kernel's own virtual camera (vivid), which also makes faults;
# v4l2-ctl and viewer are the witnesses. vivid has YUYV and UYVY and no JPEG, which webcam.sh is about. Sourced by init.sh.
for module in mc videodev videobuf2-common videobuf2-memops videobuf2-vmalloc videobuf2-dma-contig videobuf2-v4l2 rc-core cec v4l2-tpg \
	v4l2-dv-timings; do insmod /lib/modules/$module.ko; done
insmod /lib/modules/vivid.ko n_devs=1 node_types=0x1 num_inputs=1 input_types=0
eye=/dev/video0
mkdir -p /dev/v4l/by-path
ln -sf ../../video0 /dev/v4l/by-path/platform-vivid.0 # what udev would do

# film OPTIONS...: a camera for 1.5 s, and a viewer that looks meanwhile; both tell what they have seen.
film() {
	viewer tcp://127.0.0.1:17411 camera/eye 1.7 >/tmp/seen &
	viewer=$!
	dreamvla-camera --camera eye --device $eye --cameras tcp://127.0.0.1:17411 --duration 1.5 --json "$@" >/tmp/film 2>/tmp/film.err || cat /tmp/film.err
	wait $viewer
}

# refused SAYS OPTIONS...
refused() {
	says=$1
	shift
	! dreamvla-camera --camera eye --device $eye --cameras tcp://127.0.0.1:17411 --duration 1 "$@" 2>/tmp/film.err && grep -q "$says" /tmp/film.err
}

# seen N WIDTHxHEIGHT AGE_MS: that many frames or more, of that size, whole, dated one after the other, at most that old.
seen() {
	awk -v least="$1" -v size="$2" -v oldest="$3" '
		/bad/ || $4 "x" $5 != size || $3 < 0 || $3 > oldest || (NR > 1 && ($2 <= stamp || $1 <= number)) { wrong++; print "wrong: " $0 }
		{ number = $1; stamp = $2 } END { print NR " frames"; exit wrong > 0 || NR < least }' /tmp/seen >/tmp/verdict || { cat /tmp/verdict; return 1; }
}

# counted NAME PATTERN: in the last statistics.
counted() {
	tail -n 1 /tmp/film | grep -qE "\"$1\": ($2)[,}]"
}

set_eye() {
	v4l2-ctl -d $eye --set-ctrl "$1"
}

dreamvla-camera --list >/tmp/list
grep -q "^$eye .*vivid" /tmp/list && grep -q by-path/platform-vivid.0 /tmp/list && grep -qE 'yuyv +320x180 +10 Hz' /tmp/list
judge "camera: it is listed with formats, sizes and rates" $?
v4l2-ctl -d $eye --list-formats-ext | awk '/\[[0-9]+\]: / { kind = tolower(substr($2, 2, 4)) } /Size:/ { size = $3 }
	/Interval:/ && (kind == "yuyv" || kind == "uyvy") { gsub(/[(]/, "", $4); print kind, size, $4 + 0 }' | sort >/tmp/theirs
awk '$1 == "yuyv" || $1 == "uyvy" { print $1, $2, $3 + 0 }' /tmp/list | sort >/tmp/ours
[ -s /tmp/theirs ] && awk '{ $3 = sprintf("%.0f", $3); print }' /tmp/theirs >/tmp/a && awk '{ $3 = sprintf("%.0f", $3); print }' /tmp/ours | cmp - /tmp/a
judge "camera: the same that v4l2-ctl lists ($(wc -l </tmp/theirs))" $?

film --size 320x180 --rate-hz 15 && seen 10 320x180 500 && counted damaged 0
judge "camera: YUYV 320x180 at 15 Hz, as frames that decode ($(wc -l </tmp/seen))" $?
film --format uyvy --size 640x360 --rate-hz 10 && seen 6 640x360 500
judge "camera: UYVY 640x360 at 10 Hz ($(wc -l </tmp/seen))" $?
refused 'it has only 320x180, 640x360' --size 300x300
judge "camera: a size that it has not is refused with those that it has" $?
refused 'it has only yuyv, uyvy' --format mjpeg
judge "camera: so is a format" $?

# Colours of 100 %, whatever the encoding on the way. Menus: kernel documentation, "The Virtual Video Test Driver"; 2: BT.709, 1: full range.
for colour in "7 255 0 0 red 0 0" "8 0 255 0 green 2 1"; do
	# shellcheck disable=SC2086 # its words
	set -- $colour
	set_eye test_pattern="$1",osd_text_mode=2,y_cbcr_encoding="$6",quantization="$7"
	film --size 320x180 --rate-hz 15
	tail -n 1 /tmp/seen | awk -v r="$2" -v g="$3" -v b="$4" 'function off(a, b) { return a > b ? a - b : b - a }
		END { exit !(NR && off($6, r) < 12 && off($7, g) < 12 && off($8, b) < 12) }'
	judge "camera: $5 is $5 in encoding $6, range $7 ($(tail -n 1 /tmp/seen | cut -d ' ' -f 6-))" $?
done
set_eye test_pattern=0,y_cbcr_encoding=0,quantization=0

# 1: the driver dates the start of exposure. 0: its end, which vivid puts 0.9 frames into the future: no stamp to be believed.
set_eye timestamp_source=1
film --size 320x180 --rate-hz 10
seen 6 320x180 90 && counted undated 0
judge "camera: dated by the kernel's stamp" $?
set_eye timestamp_source=0
film --size 320x180 --rate-hz 10
seen 6 320x180 500 && counted undated '[1-9][0-9]*' && awk '$3 < 99 { exit 1 }' /tmp/seen
judge "camera: a stamp in the future is not believed: arrival, less one frame" $?
set_eye timestamp_source=1

# What goes wrong while it runs.
viewer tcp://127.0.0.1:17411 camera/eye 100000 >/tmp/seen 2>&1 &
viewer=$!
dreamvla-camera --camera eye --device $eye --cameras tcp://127.0.0.1:17411 --size 320x180 --rate-hz 15 >/tmp/film 2>/tmp/film.err &
camera=$!
flows() {
	before=$(wc -l </tmp/seen)
	sleep 0.5
	[ $(($(wc -l </tmp/seen) - before)) -ge 3 ]
}
wait_for "camera: frames flow" flows
dreamvla-camera --camera eye --device $eye --cameras tcp://127.0.0.1:17411 --duration 1 2>/tmp/second
[ $? -eq 1 ] && grep -q 'another program uses the camera' /tmp/second
judge "camera: a second program is refused, and told why" $?
wait_for "camera: frames flow still" flows
set_eye percentage_of_dropped_buffers=50
sleep 1
set_eye percentage_of_dropped_buffers=0,inject_v4l2_buf_flag_error=1
wait_for "camera: a damaged frame is told" grep -q 'the driver says that the frame is damaged' /tmp/film.err
wait_for "camera: frames flow after damaged ones" flows
back() {
	[ "$(grep -c 'is back' /tmp/film.err)" -ge "$1" ] && flows
}
set_eye inject_vidioc_qbuf_error=1
wait_for "camera: back after a buffer that was refused" back 1
set_eye inject_vidioc_streamon_error=1,inject_fatal_streaming_error=1
wait_for "camera: back after a stream that failed, and once more at its start" back 2
grep -q 'starting to stream' /tmp/film.err
judge "camera: which is told" $?
set_eye inject_vidioc_reqbufs_error=1,disconnect=1
wait_for "camera: back after a disconnect, and no buffers at first" back 3
echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind
wait_for "camera: unplugged" grep -q 'unplugged; waiting' /tmp/film.err
sleep 1
! flows
judge "camera: no frames without a camera" $?
echo vivid.0 >/sys/bus/platform/drivers/vivid/bind
wait_for "camera: back when it is plugged in again" back 4
kill $camera
wait $camera
judge "camera: it ends in order" $?
cat /tmp/film.err
grep -qE 'since the start: [1-9][0-9]* lost, [1-9][0-9]* damaged, [0-9]* undated, 0 too large, [4-9] restarts' /tmp/film.err
judge "camera: lost, damaged and restarts are counted" $?
! grep -q bad /tmp/seen && awk '{ if (NR > 1 && $1 != number + 1) exit 1; number = $1 }' /tmp/seen
judge "camera: every frame that was sent is whole" $?
kill $viewer
