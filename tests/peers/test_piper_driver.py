#!/usr/bin/python3
"""dreamvla-arm --driver piper and AgileX's piper_sdk, unmodified, say the same to the same arm: the frames that either puts on the wire for the
same commands, byte for byte. A wire-tap between them and dreamvla-sim's socketcand server has them in order.

environments: piper-0.6.1 piper-0.6.2
"""
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
import unittest

import can
from piper_sdk import C_PiperInterface_V2

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from piper_station import Station, wait  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MDEG = 57295.7795  # per rad, as in the SDK's demos
SPEED, EFFORT_NM = 60, 1.0
POSES = [[0.3, 0.8, -0.9, 0.2, -0.3, 0.4], [-0.123456, 1.234567, -1.345678, -0.456789, 0.567891, -0.678912]]
OPENING_M = 0.0432
TARGET = [0x155, 0x156, 0x157]
STOP, MODE, GRIPPER, ENABLE = 0x150, 0x151, 0x159, 0x471


class Tap(threading.Thread):
    """Between the clients of a socketcand server and it: what they send it is kept, as (id, bytes)."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.server, self.frames, self.odd, self.ends, self.text = port, [], [], {}, {}
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            for s in select.select([self.door, *self.ends], [], [], 0.05)[0]:
                if s is self.door:
                    self.let_in()
                elif s in self.ends:
                    self.pass_on(s)
        for s in (self.door, *self.ends):
            s.close()

    def let_in(self):
        client, server = self.door.accept()[0], socket.create_connection(("127.0.0.1", self.server))
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ends.update({client: server, server: client})
        self.text[client] = b""

    def pass_on(self, s):
        try:
            data = s.recv(1 << 16)
            self.ends[s].sendall(data)
        except OSError:
            data = b""
        if not data:
            other = self.ends.pop(s)
            self.ends.pop(other)
            s.close()
            other.close()
        elif s in self.text:
            *whole, self.text[s] = (self.text[s] + data).split(b">")
            for message in whole:
                self.keep(message.decode("ascii").strip("< ").split())

    def keep(self, words):
        if words[0] != "send":
            return
        payload = bytes(int(w, 16) for w in words[3:])
        if len(payload) == int(words[2]):
            self.frames.append((int(words[1], 16), payload))
        else:
            self.odd.append(words)

    def close(self):
        self.ended.set()
        self.join()


class Recorded:
    """The SDK on a bus of its own: what it would send for a call, and what it reads in a frame."""

    def __init__(self, test):
        self.heard = can.Bus("said", interface="virtual")
        test.addCleanup(self.heard.shutdown)
        self.piper = C_PiperInterface_V2("said", judge_flag=False, can_auto_init=False)
        self.piper.CreateCanBus("said", bustype="virtual")
        test.addCleanup(self.piper.DisconnectPort)
        self.piper.ConnectPort(piper_init=False, start_thread=False)

    def says(self, *calls):
        """Of the SDK's own frames each call makes: [(id, bytes)]"""
        for name, *arguments in calls:
            getattr(self.piper, name)(*arguments)
        return [(m.arbitration_id, bytes(m.data)) for m in iter(lambda: self.heard.recv(0), None)]

    def reads(self, frames):
        for arbitration_id, payload in frames:
            self.piper.ParseCANFrame(can.Message(arbitration_id=arbitration_id, data=payload, is_extended_id=False))

    def again(self, three):
        """What it sends for the joint targets that it has read in those frames."""
        self.reads(three)
        c = self.piper.GetArmJointCtrl().joint_ctrl
        return self.says(("JointCtrl", c.joint_1, c.joint_2, c.joint_3, c.joint_4, c.joint_5, c.joint_6))


class Drive:
    """piper_drive.py as a child."""

    def __init__(self, test, port, channel, *keys):
        self.process = subprocess.Popen(["/usr/bin/python3", os.path.join(HERE, "piper_drive.py"), str(port), channel, *keys],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        test.addCleanup(self.close)

    def __call__(self, do, **fields):
        self.process.stdin.write(json.dumps(dict(fields, do=do)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "piper_drive.py has ended"
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


class Frames(unittest.TestCase):
    def begin(self, firmware, follow):
        self.station = Station("--piper-firmware", firmware)
        self.addCleanup(self.station.close)
        self.tap = Tap(self.station.port)
        self.addCleanup(self.tap.close)
        self.sdk = Recorded(self)
        self.drive = Drive(self, self.tap.port, self.station.channel, "rate_hz: 200", "speed_percent: %d" % SPEED, "follow: %s" % follow,
                           "gripper: {use: true, effort_nm: %g}" % EFFORT_NM)

    def part(self):
        """The frames since the last call, but for the last ones where a target is not whole yet."""
        time.sleep(0.1)
        n = len(self.tap.frames)
        while n and self.tap.frames[n - 1][0] in (MODE, *TARGET[:2]):
            n -= 1
        frames, self.tap.frames[:n] = self.tap.frames[:n], []
        self.assertEqual(self.tap.odd, [])
        return frames

    def of(self, frames, *ids):
        return [f for f in frames if f[0] in ids]

    def mode_frame(self, follow):
        return self.sdk.says(("MotionCtrl_2", 1, 1, SPEED, follow))

    def asked(self, cmd, **fields):
        reply = self.drive("ask", cmd=cmd, **fields)
        self.assertTrue(reply["ok"], reply)

    # ---- the parts of a working day, each as the SDK would say it

    def connects(self):
        """Nothing but questions, each one the SDK's."""
        self.drive("until", mode="idle", says="motors_off")
        frames = self.part()
        questions = self.sdk.says(("SearchPiperFirmwareVersion",), ("SearchAllMotorMaxAngleSpd",), ("SearchAllMotorMaxAccLimit",),
                                  ("ArmParamEnquiryAndConfig", 4))
        self.assertEqual(set(frames), set(questions))

    def enables(self, follow):
        """The joints one by one, then the measured angles as target, then CAN control."""
        stands = self.drive("until", mode="idle", says="motors_off", rests=True)["q"]
        self.asked("enable")
        self.drive("until", mode="ready")
        frames = self.part()
        ones = self.sdk.says(*(("EnableArm", joint) for joint in range(1, 7)))
        self.assertEqual(set(self.of(frames, ENABLE)), set(ones))
        first = {f: frames.index(f) for f in ones}
        self.assertEqual(sorted(first, key=first.get), ones)
        self.assertEqual(self.triples(frames)[0], self.sdk.says(("JointCtrl", *[round(v * MDEG) for v in stands])))
        self.assertEqual(set(self.of(frames, MODE)), set(self.mode_frame(follow)))
        self.assertLess(max(first.values()), frames.index(self.triples(frames)[0][0]))
        self.assertLess(frames.index(self.triples(frames)[0][2]), frames.index(self.mode_frame(follow)[0]))
        self.assertEqual(self.of(frames, STOP), [])
        self.assertLessEqual({f[0] for f in frames}, {ENABLE, MODE, GRIPPER, *TARGET})
        gripper = self.of(frames, GRIPPER)
        self.assertEqual([f[1][6] for f in gripper[:2]], [2, 1])
        for opening, code in zip(gripper, (0x02, 0x01)):
            self.assertEqual([opening], self.sdk.says(("GripperCtrl", int.from_bytes(opening[1][:4], "big", signed=True), round(1000 * EFFORT_NM), code, 0)))

    def triples(self, frames):
        targets = self.of(frames, *TARGET)
        self.assertEqual([f[0] for f in targets], TARGET * (len(targets) // 3))
        return [targets[k:k + 3] for k in range(0, len(targets), 3)]

    def moves(self, q, follow, **gripper):
        """Every target sent on the way is the SDK's for the joints that it means; the last one is what was commanded."""
        self.drive("go", q=q, **gripper)
        frames = self.part()
        triples = self.triples(frames)
        self.assertEqual(triples[-1], self.sdk.says(("JointCtrl", *[round(v * MDEG) for v in q])))
        different = [three for k, three in enumerate(triples) if k == 0 or three != triples[k - 1]]
        self.assertGreater(len(different), 50)
        for three in different:
            self.assertEqual(self.sdk.again(three), three)
        self.assertEqual(set(self.of(frames, MODE)), set(self.mode_frame(follow)))
        self.assertLessEqual({f[0] for f in frames}, {MODE, GRIPPER, *TARGET})
        self.in_order(frames)
        return len(frames), self.of(frames, GRIPPER)

    def in_order(self, frames):
        """The mode goes before each target."""
        ids = [f[0] for f in frames if f[0] in (MODE, *TARGET)]
        ids = ids[ids.index(MODE):]
        self.assertEqual(ids[:len(ids) // 4 * 4], [MODE, *TARGET] * (len(ids) // 4))

    def stops(self):
        self.asked("emergency_stop")
        self.drive("until", mode="estop")
        self.assertEqual(set(self.of(self.part(), STOP)), set(self.sdk.says(("EmergencyStop", 1))))
        self.assertFalse(self.drive("ask", cmd="recover")["ok"])
        self.assertEqual(self.part(), [])
        self.asked("recover", confirm=True)
        self.drive("until", mode="idle", says="motors_off")
        frames = self.part()
        self.assertEqual(set(self.of(frames, STOP)), set(self.sdk.says(("ResetPiper",))))
        self.assertEqual(self.of(frames, ENABLE, *TARGET), [])

    def ends(self):
        self.asked("disable", confirm=True)
        self.drive("until", mode="idle", says="motors_off")
        frames = self.of(self.part(), STOP, ENABLE)
        self.assertEqual(set(frames), set(self.sdk.says(*(("DisableArm", joint) for joint in range(1, 7)))))
        done = self.drive("end")
        self.assertEqual(done["code"], 0, done["log"])
        self.assertEqual(self.of(self.part(), STOP, ENABLE), [])

    def test_a_working_day(self):
        self.begin("S-V1.8-2", "planned")
        self.connects()
        self.enables(0)
        n, _ = self.moves(POSES[0], 0)
        _, gripper = self.moves(POSES[1], 0, gripper_m=OPENING_M)
        self.assertEqual([gripper[-1]], self.sdk.says(("GripperCtrl", round(OPENING_M * 1e6), round(1000 * EFFORT_NM), 1, 0)))
        self.stops()
        self.enables(0)
        self.ends()
        print("%d frames of one motion are equal" % n)

    def test_high_follow(self):
        self.begin("S-V1.8-9", "high_follow")
        self.connects()
        self.enables(0xAD)
        self.moves(POSES[0], 0xAD)
        self.ends()

    def test_the_tap(self):
        """What is compared above is what goes over the wire: the SDK's own frames, taken from there."""
        self.station = Station("--piper-firmware", "S-V1.8-2")
        self.addCleanup(self.station.close)
        self.tap = Tap(self.station.port)
        self.addCleanup(self.tap.close)
        self.sdk = Recorded(self)
        self.station.port = self.tap.port
        piper = self.station.connect()
        self.addCleanup(piper.DisconnectPort)
        self.part()
        for call in (("EnableArm", 3), ("MotionCtrl_2", 1, 1, SPEED, 0), ("JointCtrl", 1, -2, 3, -4, 5, -6), ("GripperCtrl", 50000, 1000, 1, 0)):
            getattr(piper, call[0])(*call[1:])
            want = self.sdk.says(call)
            wait("%s on the wire" % call[0], lambda n=len(want): len(self.tap.frames) >= n)
            self.assertEqual(self.tap.frames, want)
            self.tap.frames.clear()


if __name__ == "__main__":
    unittest.main(verbosity=2)
