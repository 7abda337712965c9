"""uinput.py - a virtual gamepad of the kernel's own (linux/uinput.h), with the interface of fake_input.Device."""
import fcntl
import os
import pathlib
import struct
import time

UI_DEV_CREATE, UI_DEV_DESTROY, UI_DEV_SETUP, UI_ABS_SETUP = 0x5501, 0x5502, 0x405C5503, 0x401C5504
UI_SET_EVBIT, UI_SET_KEYBIT, UI_GET_SYSNAME_64 = 0x40045564, 0x40045565, 0x8040552C
EV_KEY, EV_ABS = 1, 3


class Device:
    def __init__(self, like):
        self.like, self.fd = like, None
        self.plug_in()

    def plug_in(self):
        self.fd = os.open("/dev/uinput", os.O_RDWR)
        for kind in (EV_KEY, EV_ABS):
            fcntl.ioctl(self.fd, UI_SET_EVBIT, kind)
        for code in self.like["keys"]:
            fcntl.ioctl(self.fd, UI_SET_KEYBIT, code)
        for code, (_, low, high, fuzz, flat) in self.like["axes"].items():
            fcntl.ioctl(self.fd, UI_ABS_SETUP, struct.pack("Hxx6i", code, 0, low, high, fuzz, flat, 0))
        bus, vendor, product = (int(number, 16) for number in self.like["id"].split())
        fcntl.ioctl(self.fd, UI_DEV_SETUP, struct.pack("4H80sI", bus, vendor, product, 1, self.like["name"].encode(), 0))
        fcntl.ioctl(self.fd, UI_DEV_CREATE)
        name = bytes(fcntl.ioctl(self.fd, UI_GET_SYSNAME_64, bytes(64))).split(b"\0")[0].decode()
        self.path = pathlib.Path("/dev/input") / next(pathlib.Path("/sys/devices/virtual/input", name).glob("event*")).name
        end = time.monotonic() + 5
        while not os.access(self.path, os.R_OK) and time.monotonic() < end:  # udev makes and permits it
            time.sleep(0.05)

    def unplug(self):
        os.close(self.fd)  # destroys it
        self.fd = None

    def send(self, *events):
        os.write(self.fd, b"".join(struct.pack("llHHi", 0, 0, *event) for event in (*events, (0, 0, 0))))

    def key(self, code, down):
        self.send((EV_KEY, code, down))

    def axis(self, code, value):
        self.send((EV_ABS, code, value))

    def close(self):
        if self.fd is not None:
            self.unplug()
