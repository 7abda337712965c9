"""test_teleop_uinput.py - the kernel itself makes a gamepad: the whole way from its events to dreamvlad's TELEOP mode. Skipped where
there is no /dev/uinput; test_teleop_devices.py then goes the same way with a stand-in for the kernel's half."""
import os
import sys
import time
import unittest

import peers
import uinput
from test_teleop_devices import TELEOP, Teleop, fake


class Virtual(unittest.TestCase):
    def holds(self, request):
        peers.until("HOLD", lambda: request(cmd="status")["mode"] == "HOLD")

    def driving(self, pad, request):
        def tried():
            pad.key(fake.BTN_TR, 0)
            time.sleep(0.1)
            pad.key(fake.BTN_TR, 1)
            time.sleep(0.5)
            return request(cmd="status")["mode"] == "TELEOP"

        peers.until("TELEOP", tried)

    def test_a_virtual_gamepad_drives_and_unplugged_it_holds(self):
        pad = uinput.Device(fake.GAMEPAD)
        self.addCleanup(pad.close)
        if not os.access(pad.path, os.R_OK):
            self.skipTest(f"{pad.path} may not be read; its readers are in group input")
        with peers.bench(with_cameras=False, extra=TELEOP) as (daemon, arm, _, request):
            peers.until("attach", lambda: request(cmd="status")["arms"]["arm"]["attached"])
            teleop = Teleop(self, daemon.config, "/dev/input", "--device", "gamepad", "--evdev", pad.path, environment=os.environ)
            peers.until("the device", lambda: request(cmd="status")["sources"].get("teleop/gamepad", {}).get("state") == "fresh")
            self.driving(pad, request)
            height = peers.forward(arm.q)[0][2]
            pad.axis(fake.ABS_RY, 32767)
            peers.until("the arm to go down", lambda: peers.forward(arm.q)[0][2] < height - 0.02)
            pad.unplug()
            self.holds(request)
            peers.until("its own line", lambda: not teleop.last.get("present"))
            teleop.process.terminate()
            self.assertEqual(teleop.process.wait(peers.PATIENCE_S), 0)


if __name__ == "__main__":
    if not os.access("/dev/uinput", os.W_OK):
        print("no /dev/uinput that may be written: this machine makes no virtual input devices")
        sys.exit(77)
    unittest.main()
