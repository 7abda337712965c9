#!/bin/sh
# run.sh FOLDER - boots Debian's kernel under software emulation, with CAN interfaces and a camera that most build machines' kernels do not
# have, and runs init.sh in it: our programs on real SocketCAN, heard and talked to by can-utils, and on V4L2 (camera.sh). Emulation needs no rights and no hardware.
#
#   B=build/release tests/emulated/run.sh build/emulated
#
# FOLDER keeps the kernel between runs. Where no packages can be had that is said loudly and counts as skipped.
# The last line is "N passed, N failed, N skipped". Exits 1 when something failed.
set -u
folder=$1
B=${B:-build/release}
here=$(cd "$(dirname "$0")" && pwd)
LIMIT_S=${EMULATED_LIMIT_S:-900}
mkdir -p "$folder"

skip() {
	echo "#########################################################################################"
	printf '# %s\n' "$@" "the emulated machine is SKIPPED, so that nobody has shown that SocketCAN and V4L2 cameras work"
	echo "#########################################################################################"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
}

die() {
	echo "$1"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
}

# What is called vmlinuz unpacks itself, which takes an emulated processor half a minute; what it holds can be booted as it is (PVH). Where it
# lies: the kernel's Documentation/x86/boot.rst, setup_sects, payload_offset, payload_length.
unpack_kernel() {
	/usr/bin/python3 - "$1" "$2" <<'END'
import lzma, struct, sys
data = open(sys.argv[1], "rb").read()
offset, length = struct.unpack_from("<II", data, 0x248)
start = (data[0x1F1] + 1) * 512 + offset
open(sys.argv[2], "wb").write(lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data[start:start + length]))
END
}

MODULES="can can-dev can-raw vcan vxcan sch_netem sja1000 kvaser_pci
	mc videodev videobuf2-common videobuf2-memops videobuf2-vmalloc videobuf2-dma-contig videobuf2-v4l2 rc-core cec v4l2-tpg v4l2-dv-timings vivid
	usb-common usbcore usbip-core vhci-hcd uvcvideo"
MODULES=$(echo $MODULES) # one line

get_kernel() {
	package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
	[ -n "$package" ] || return 1
	[ "$(cat "$folder/kernel/package" 2>/dev/null)" != "$package $MODULES" ] || return 0
	rm -rf "${folder:?}/kernel"
	mkdir -p "$folder/kernel/tree"
	(cd "$folder/kernel" && timeout 200 apt-get download -q "$package") >"$folder/kernel.log" 2>&1 || return 1
	# shellcheck disable=SC2046 # one pattern a module
	dpkg-deb --fsys-tarfile "$folder"/kernel/*.deb | tar -x -C "$folder/kernel/tree" --wildcards './boot/vmlinuz-*' $(printf '*/%s.ko ' $MODULES) ||
		return 1
	unpack_kernel "$folder"/kernel/tree/boot/vmlinuz-* "$folder/kernel/vmlinux" || return 1
	rm -f "$folder"/kernel/*.deb
	echo "$package $MODULES" >"$folder/kernel/package"
}

# put PROGRAM [NAME]: with the libraries that it needs.
put() {
	cp "$1" "$root/bin/${2:-$(basename "$1")}"
	ldd "$1" 2>/dev/null | grep -o '/[^ ]*\.so[^ ]*' | while read -r library; do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
}

make_root() {
	root=$folder/root
	rm -rf "${root:?}"
	mkdir -p "$root/bin" "$root/lib/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
	find "$folder/kernel/tree" -name '*.ko' -exec cp {} "$root/lib/modules/" \;
	cp "$here/leader.sh" "$root/"
	for program in "$(command -v canplayer)" "$B/dreamvla-teleop"; do put "$program"; done
	cp /bin/busybox "$root/bin/"
	ln -s busybox "$root/bin/sh"
	cp "$here/init.sh" "$root/init"
	cp "$here/driver.sh" "$here/card.sh" "$here/camera.sh" "$here/webcam.sh" "$root/"
	cp "$here/../../robots/piper/can-up.sh" "$root/bin/"
	chmod +x "$root/init"
	put "$(command -v ip)" iproute2 # not by the names that BusyBox has, which it would take for its own
	put "$(command -v tc)" iproute2-tc
	for program in /bin/dash "$(command -v candump)" "$(command -v cansend)" "$B/dreamvla-sim" "$B/dreamvla-arm" \
		"$B/tests/unit/robots/test_bus" "$B/tests/emulated/mover" "$(command -v v4l2-ctl)" "$B/dreamvla-camera" "$B/tests/emulated/viewer" \
		"$B/tests/emulated/webcam" "$B/dreamvlactl"; do put "$program"; done
	(cd "$root" && find . | /bin/busybox cpio -o -H newc 2>/dev/null) >"$folder/initramfs"
}

"$here/../deps.sh" qemu-system-x86 busybox-static can-utils iproute2 v4l-utils >"$folder/deps.log" 2>&1 ||
	skip "qemu-system-x86, busybox-static, can-utils, iproute2 and v4l-utils could not be installed (see $folder/deps.log):"
get_kernel || skip "Debian's kernel (linux-image-amd64) could not be downloaded:"
make_root || die "the emulated machine's files could not be put together"
began=$(date +%s)
# Its time is that of its instructions, 2 ns each, and passes at once where there are none: however busy this machine is, the emulated
# one never stands still.
timeout "$LIMIT_S" qemu-system-x86_64 -accel tcg -icount shift=1,sleep=off -rtc clock=vm -M pc,hpet=on -cpu qemu64 -m 512 -nodefaults \
	-no-user-config -display none -no-reboot -object can-bus,id=bus -device kvaser_pci,canbus=bus -device kvaser_pci,canbus=bus \
	-serial stdio -kernel "$folder/kernel/vmlinux" -initrd "$folder/initramfs" \
	-append "console=ttyS0 quiet panic=-1 mitigations=off" \
	</dev/null 2>&1 | tr -d '\r' >"$folder/console"
grep -E '^(ok|FAIL) ' "$folder/console"
passed=$(grep -c '^ok ' "$folder/console") failed=$(grep -c '^FAIL ' "$folder/console")
if ! grep -q '^over' "$folder/console"; then
	failed=$((failed + 1))
	echo "FAIL the emulated machine did not come to its end within $LIMIT_S s"
fi
[ "$failed" -eq 0 ] || tail -n 60 "$folder/console"
echo "$(($(date +%s) - began)) s; the console is in $folder/console"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
