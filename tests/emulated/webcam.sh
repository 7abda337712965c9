# webcam.sh - the part of init.sh with a webcam: MJPEG through the kernel's own driver for them (uvcvideo), from an emulated camera on an
# emulated bus (webcam.c). Uses what camera.sh defines. Sourced by init.sh.
for module in usb-common usbcore usbip-core vhci-hcd uvcvideo; do insmod /lib/modules/$module.ko; done
port=/dev/v4l/by-path/platform-vhci_hcd.0-usb-0:1:1.0-video-index0
eye=$port

# plugged: whether the kernel has a camera there; the link is what udev would make. The camera's second device has no pictures.
plugged() {
	for folder in /sys/class/video4linux/*; do
		grep -q 'Emulated Webcam' "$folder/name" && [ "$(cat "$folder/index")" = 0 ] && [ -c "/dev/${folder##*/}" ] || continue
		ln -sf "../../${folder##*/}" $port
		return 0
	done
	return 1
}

# plug [OPTIONS...]
plug() {
	webcam "$@" >>/tmp/sent 2>/tmp/webcam.err &
	webcam=$!
}

plug
wait_for "webcam: plugged in" plugged
dreamvla-camera --list >/tmp/list
grep -q "Emulated Webcam" /tmp/list && grep -q "$port" /tmp/list && [ "$(grep -cE 'mjpeg +(640x480|320x240) +(30|15)' /tmp/list)" -ge 2 ]
judge "webcam: it is listed with its sizes and rates" $?
v4l2-ctl -d $eye --stream-mmap --stream-count=3 --stream-to=/tmp/theirs >/dev/null 2>&1 && [ -s /tmp/theirs ]
judge "webcam: v4l2-ctl gets pictures of it" $?

film && seen 30 640x480 100 && counted damaged 0 && counted undated 0
judge "webcam: MJPEG 640x480 at 30 Hz without being asked for, dated by the kernel ($(wc -l </tmp/seen))" $?
film --size 320x240 --rate-hz 15 && seen 15 320x240 100 && ! seen 35 320x240 100
judge "webcam: 320x240 at 15 Hz ($(wc -l </tmp/seen))" $?
sed 's/sent //' /tmp/sent | sort -u >/tmp/a
awk '{ print $9 }' /tmp/seen | sort -u >/tmp/b
[ "$(wc -l </tmp/b)" -eq 3 ] && [ -z "$(grep -vxFf /tmp/a /tmp/b)" ]
judge "webcam: pictures go through byte for byte, without what is behind their end" $?
awk 'function near(x, y) { return x - y < 12 && y - x < 12 } NR == 1 { next }
	!((near($6, 255) + near($7, 255) + near($8, 255)) == 1 && (near($6, 0) + near($7, 0) + near($8, 0)) == 2) { wrong++ }
	END { exit NR < 10 || wrong }' /tmp/seen
judge "webcam: and decode to their colours without tables of their own" $?
refused 'it has only 640x480, 320x240' --size 800x600
judge "webcam: a size that it has not is refused with those that it has" $?
refused 'it has only mjpeg' --format yuyv
judge "webcam: so is a format" $?

set_eye auto_exposure=1,exposure_time_absolute=1000
film
grep -q 'an exposure of 100.0 ms is longer than a frame' /tmp/film.err
judge "webcam: an exposure longer than a frame is told" $?
dreamvlactl doctor >/tmp/doctor 2>&1
grep -q 'exposes for 100.0 ms' /tmp/doctor
judge "webcam: doctor sees it too" $?
set_eye auto_exposure=3,exposure_dynamic_framerate=1
film
grep -q 'it lowers its rate to expose longer' /tmp/film.err
judge "webcam: so is a rate that it may lower" $?
set_eye exposure_dynamic_framerate=0

# What goes wrong while it runs.
viewer tcp://127.0.0.1:17411 camera/eye 100000 >/tmp/seen 2>&1 &
viewer=$!
dreamvla-camera --camera eye --device $eye --cameras tcp://127.0.0.1:17411 --size 320x240 --rate-hz 15 >/tmp/film 2>/tmp/film.err &
camera=$!
wait_for "webcam: frames flow" flows
kill -USR1 $webcam
wait_for "webcam: half a picture is told" grep -q 'half a JPEG' /tmp/film.err
wait_for "webcam: frames flow after halves" flows
! grep -q bad /tmp/seen
judge "webcam: and none was sent" $?
kill -USR2 $webcam
sleep 1
wait_for "webcam: frames flow after lost packets" flows
awk '!/bad/ { print $9 }' /tmp/seen | sort -u >/tmp/b
grep -q bad /tmp/seen && [ -s /tmp/b ] && [ -z "$(grep -vxFf /tmp/a /tmp/b)" ]
judge "webcam: no picture with a hole was taken for a whole one ($(grep -c bad /tmp/seen) refused when decoded)" $?
kill -HUP $webcam
wait_for "webcam: silence is told" grep -q 'no whole frame for' /tmp/film.err
kill -HUP $webcam
wait_for "webcam: back when pictures come again" back 1
kill $webcam
wait_for "webcam: unplugged" grep -q 'unplugged; waiting' /tmp/film.err
rm $port
sleep 1
! flows
judge "webcam: no frames without it" $?
plug
wait_for "webcam: plugged in again" plugged
wait_for "webcam: back" back 2
kill $webcam
sleep 1
rm $port
plug 200x100
wait_for "webcam: plugged in once more, with pictures of another size than it says" plugged
wait_for "webcam: back too" back 3
tail -n 1 /tmp/seen | grep -q ' 200 100 '
judge "webcam: whose size is told as it is" $?
kill $camera
wait $camera
judge "webcam: dreamvla-camera ends in order" $?
cat /tmp/film.err
kill $webcam $viewer
