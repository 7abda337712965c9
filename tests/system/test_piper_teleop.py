"""test_piper_teleop.py - a PiPER that a person guides leads another one, through everything there is: its bus, dreamvla-teleop, dreamvlad,
dreamvla-arm --driver piper, the other one's bus. Silence, a foot that stays down, and a leader that is carried away meanwhile."""
import pathlib
import re
import sys
import tempfile
import time
import unittest

import msgpack
import zmq

import peers
import whole

sys.path.insert(0, str(peers.ROOT / "tests/integration"))
import fake_input as fake  # noqa: E402
from ports import free_addresses  # noqa: E402

REST = [0.0, 0.1, -0.1, 0.0, 0.0, 0.0]
AHEAD = [0.2, 0.5, -0.4, 0.1, 0.2, -0.1]
ELSEWHERE = [0.0, 0.3, -0.2, 0.0, 0.1, 0.0]
WITHIN_RAD = 0.01
SOCKETS = ("cameras", "operators", "states", "targets", "status", "control")


def apart(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


class Pair(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.inputs = self.folder / "input"
        self.inputs.mkdir()
        self.pedal = fake.Device(self.inputs, "event0", fake.PEDAL)
        self.addCleanup(self.pedal.close)
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, linger=0)
        self.faults = dict(zip(("leader", "follower"), free_addresses(2)))
        self.programs = []

    # ---- programs

    def start(self, program, *arguments, environment=None):
        p = whole.Program(self.folder, program, *map(str, arguments), environment=environment)
        self.programs.append(p)
        self.addCleanup(p.log.close)
        self.addCleanup(p.process.wait)
        self.addCleanup(p.process.kill)
        return p

    def start_sim(self, name):
        """Its bus's address."""
        sim = self.start("dreamvla-sim", "--no-cameras", "--piper", "socketcand://127.0.0.1:0", "--faults", self.faults[name], "--duration", "300")
        return peers.until("the bus", lambda: re.search(r"PiPER at (socketcand://127\.0\.0\.1:\d+)", sim.text())).group(1)

    def write_config(self, bus):
        """The PiPER demo's, with sockets in our folder, and room to move from where the arm lies folded."""
        text = (peers.ROOT / "config/demo-piper.yaml").read_text()
        for before, after in (("../tests/", f"{peers.ROOT}/tests/"), ("tcp://127.0.0.1:7421", f"ipc://{self.folder}/arm"),
                              ("socketcand://127.0.0.1:29536", bus), ("[0.30, -0.20, 0.12]", "[-0.8, -0.8, 0.02]"),
                              ("[0.50, 0.20, 0.40]", "[0.8, 0.8, 0.9]"), ("state_max_age_ms: 200", "state_max_age_ms: 1000")):
            self.assertIn(before, text)
            text = text.replace(before, after)
        text += "teleop:\n  timeout_ms: 1000\nsockets:\n"
        for socket in SOCKETS:
            text += f"  {socket}: ipc://{self.folder}/{socket}\n"
        path = self.folder / "pair.yaml"
        path.write_text(text)
        return path

    def begin(self):
        leader, follower = self.start_sim("leader"), self.start_sim("follower")
        self.robot("leader", "leader", on=True)
        self.lead(REST)
        config = self.write_config(follower)
        self.start("dreamvla-arm", "--config", config, "--driver", "piper")
        self.start("dreamvlad", "--config", config)
        self.teleop = self.start("dreamvla-teleop", "--config", config, "--device", "piper-leader", "--bus", leader, "--deadman-evdev",
                                 self.pedal.path, environment=fake.environment(self.inputs))
        peers.until("motors that are off", lambda: self.ask("arm").get("trouble") == "motors_off")
        self.assertTrue(self.ask("arm", "enable")["ok"])
        peers.until("attach", lambda: self.ask()["arms"]["arm"]["attached"])
        peers.until("an arm that is ready", lambda: self.ask("arm")["mode"] == "ready")

    # ---- asking

    def ask_at(self, address, cmd, **fields):
        s = self.context.socket(zmq.REQ)
        s.linger, s.rcvtimeo = 0, 1000 * peers.PATIENCE_S
        s.connect(address)
        s.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(s.recv())
        s.close()
        return reply

    def ask(self, door="control", cmd="status", **fields):
        return self.ask_at(f"ipc://{self.folder}/{door}", cmd, **fields)

    def robot(self, name, cmd="status", **fields):
        reply = self.ask_at(self.faults[name], cmd, **fields)
        self.assertTrue(reply["ok"], reply)
        return reply

    def mode(self):
        return self.ask()["mode"]

    # ---- a person

    def lead(self, q, gripper_m=0.05):
        self.robot("leader", "lead", q=q, gripper_m=gripper_m)
        peers.until("the leader there", lambda: apart(self.robot("leader")["q"], q) < 1e-3 and abs(self.robot("leader")["gripper_m"] - gripper_m) < 1e-3)

    def drive(self):
        """Steps on the pedal until that counts: this machine's pauses can be a silence or hide a step."""
        def driving():
            self.pedal.key(fake.KEY_SPACE, 0)
            time.sleep(0.1)
            self.pedal.key(fake.KEY_SPACE, 1)
            end = time.monotonic() + 2
            while time.monotonic() < end and self.mode() != "TELEOP":
                time.sleep(0.02)
            return self.mode() == "TELEOP"

        peers.until("TELEOP", driving)

    def keep_driving(self):
        if self.mode() != "TELEOP":
            self.drive()

    def work_the_gripper(self, q, gripper_m):
        """After a take-over it follows only once it is moved."""
        if gripper_m is not None:
            self.lead(q, gripper_m + 0.02)
            time.sleep(0.2)
            self.lead(q, gripper_m)

    def follows(self, q, gripper_m=None):
        def there():
            if self.mode() != "TELEOP":
                self.drive()
                self.work_the_gripper(q, gripper_m)
            follower = self.robot("follower")
            return apart(follower["q"], q) < WITHIN_RAD and (gripper_m is None or abs(follower["gripper_m"] - gripper_m) < 1e-3)

        peers.until(f"the follower at {q}", there)

    def fall_silent(self):
        """The leader, while it leads: a pause of this machine that had ended that already would show nothing."""
        def silenced():
            self.robot("leader", "silence", ms=0)
            self.keep_driving()
            said = len(self.teleop.text())
            self.robot("leader", "silence", ms=60000)
            led = self.mode() == "TELEOP"
            peers.until("HOLD", lambda: self.mode() == "HOLD")
            peers.until("the reason", lambda: "the leader is silent" in self.teleop.text()[said:])
            return led

        peers.until("silence that ends TELEOP", silenced)

    def test_the_follower_goes_where_the_leader_is_guided(self):
        try:
            self.begin()
            self.run_through()
        except AssertionError as failure:
            raise AssertionError("\n".join([str(failure), *(p.text() for p in self.programs)])) from None

    def run_through(self):
        self.drive()
        self.lead(AHEAD, 0.02)
        self.follows(AHEAD, 0.02)
        self.fall_silent()
        self.lead(ELSEWHERE)
        self.robot("leader", "silence", ms=0)  # the foot is still on the pedal: nobody has pressed it since
        time.sleep(0.5)
        self.assertNotEqual(self.mode(), "TELEOP")
        self.assertLess(apart(self.robot("follower")["q"], AHEAD), WITHIN_RAD)
        self.drive()
        self.follows(ELSEWHERE)
        self.pedal.key(fake.KEY_SPACE, 0)
        peers.until("HOLD", lambda: self.mode() == "HOLD")
        status = self.ask("arm")
        self.assertEqual(status["limits_exceeded"], 0, status)
        self.assertEqual(self.robot("leader")["frames"], 0)  # its bus was only listened to
        for p in self.programs:
            p.assert_ends_well()


if __name__ == "__main__":
    unittest.main()
