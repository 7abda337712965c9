"""fake_input.py - input devices for dreamvla-teleop where there are none: FIFOs that tests/preload/fake_evdev.c makes a kernel's
devices of. Everything behind the system calls is the real thing: libevdev, the program, its sockets."""
import os
import pathlib
import struct

B = pathlib.Path(os.environ.get("B", "build/release"))

# linux/input-event-codes.h
EV_SYN, EV_KEY, EV_ABS = 0, 1, 3
SYN_REPORT, SYN_DROPPED = 0, 3
KEY_ESC, KEY_W, KEY_SPACE, KEY_G = 1, 17, 57, 34
BTN_SOUTH, BTN_EAST, BTN_TL, BTN_TR, BTN_START = 0x130, 0x131, 0x136, 0x137, 0x13b
ABS_X, ABS_Y, ABS_RX, ABS_RY, ABS_HAT0X, ABS_HAT0Y = 0, 1, 3, 4, 16, 17

GAMEPAD = {"name": "Test Pad", "id": "3 45e 28e", "keys": {k: 0 for k in (BTN_SOUTH, BTN_EAST, BTN_TL, BTN_TR, BTN_START)},
           "axes": {**{a: [0, -32768, 32767, 16, 128] for a in (ABS_X, ABS_Y, ABS_RX, ABS_RY)},
                    **{a: [0, -1, 1, 0, 0] for a in (ABS_HAT0X, ABS_HAT0Y)}}}
KEYBOARD = {"name": "Test Keyboard", "id": "3 46d c31c", "keys": {k: 0 for k in range(1, 100)}, "axes": {}}
PEDAL = {"name": "Test Pedal", "id": "3 c45 7403", "keys": {KEY_SPACE: 0}, "axes": {}}


def environment(folder):
    """For programs that shall see the devices in this folder as /dev/input. The library has to come before a sanitizer's."""
    options = os.environ.get("ASAN_OPTIONS", "")
    return {**os.environ, "LD_PRELOAD": str((B / "tests/preload/fake_evdev.so").resolve()), "FAKE_INPUT": str(folder),
            "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0" if options else "verify_asan_link_order=0"}


class Device:
    """One device: what the kernel knows of it, and what it sends."""

    def __init__(self, folder, name, like):
        self.path = pathlib.Path(folder) / name
        self.like = {**like, "keys": dict(like["keys"]), "axes": {k: list(v) for k, v in like["axes"].items()}}
        self.busy = self.gone = False
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR)  # a FIFO has an end when nobody writes to it, a device has none
        self.tell()

    def tell(self):
        lines = [f"name {self.like['name']}", f"id {self.like['id']}"]
        lines += [f"key {code} {down}" for code, down in self.like["keys"].items()]
        lines += [f"abs {code} " + " ".join(map(str, values)) for code, values in self.like["axes"].items()]
        lines += ["busy"] * self.busy + ["gone"] * self.gone
        facts = pathlib.Path(f"{self.path}.facts")
        facts.with_suffix(".new").write_text("\n".join(lines) + "\n")
        facts.with_suffix(".new").rename(facts)  # whole at every moment

    def send(self, *events):
        """(type, code, value) each; a report behind them."""
        os.write(self.fd, b"".join(struct.pack("llHHi", 0, 0, *event) for event in (*events, (EV_SYN, SYN_REPORT, 0))))

    def key(self, code, down):
        self.like["keys"][code] = down
        self.tell()
        self.send((EV_KEY, code, down))

    def axis(self, code, value):
        self.like["axes"][code][0] = value
        self.tell()
        self.send((EV_ABS, code, value))

    def unplug(self):
        self.gone = True
        self.tell()

    def plug_in(self):
        self.gone = False
        self.tell()

    def grabs(self):
        """A letter per grab and ungrab."""
        try:
            return pathlib.Path(f"{self.path}.grabs").read_text()
        except FileNotFoundError:
            return ""

    def close(self):
        os.close(self.fd)
