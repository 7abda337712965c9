"""test_teleop_devices.py - from a person's hand to the arm: dreamvla-teleop takes an arm of dreamvlad over, with a gamepad (whose
kernel's half is a stand-in, as this machine need not have /dev/uinput), and with a second simulated arm as the leader."""
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import msgpack
import zmq

import peers

sys.path.insert(0, str(peers.ROOT / "tests/integration"))
import fake_input as fake  # noqa: E402

ME = 0x600D1EADE4
TELEOP = "teleop:\n  timeout_ms: 1000"


class Teleop:
    """dreamvla-teleop as a child process, and what it says."""

    def __init__(self, case, config, inputs, *arguments, environment=None):
        self.lines, self.last = [], {}
        self.process = subprocess.Popen([peers.BUILD / "dreamvla-teleop", "--config", config, "--json", *map(str, arguments)],
                                        env=environment or fake.environment(inputs), stdout=subprocess.PIPE, text=True)
        case.addCleanup(self.process.stdout.close)
        case.addCleanup(self.process.wait)
        case.addCleanup(self.process.kill)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with contextlib.suppress(ValueError):  # closed
            for line in self.process.stdout:
                self.last = json.loads(line)
                self.lines.append(self.last)

    def said(self, condition):
        return next((line for line in self.lines if condition(line)), None)


class Gamepad(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pad = fake.Device(folder.name, "event3", fake.GAMEPAD)
        self.addCleanup(self.pad.close)
        self.inputs = folder.name

    def press(self, request):
        """Until it drives: a pause of the machine between the release and the press may hide the edge from dreamvlad."""
        def driving():
            self.pad.key(fake.BTN_TR, 0)
            time.sleep(0.1)
            self.pad.key(fake.BTN_TR, 1)
            end = time.monotonic() + 1
            while time.monotonic() < end:
                status = request(cmd="status")
                if status["mode"] == "TELEOP":
                    return status
                time.sleep(0.02)
            return None

        return peers.until("TELEOP", driving)

    def holds(self, request):
        peers.until("HOLD", lambda: request(cmd="status")["mode"] == "HOLD")

    def test_it_drives_and_what_goes_wrong_ends_in_hold(self):
        with peers.bench(with_cameras=False, extra=TELEOP) as (daemon, arm, _, request):
            peers.until("attach", lambda: request(cmd="status")["arms"]["arm"]["attached"])
            teleop = Teleop(self, daemon.config, self.inputs, "--device", "gamepad")
            peers.until("the device", lambda: request(cmd="status")["sources"].get("teleop/gamepad", {}).get("state") == "fresh")
            self.assertEqual(self.press(request)["driver"], "teleop/gamepad")
            height = peers.forward(arm.q)[0][2]
            self.pad.axis(fake.ABS_RY, 32767)
            peers.until("the arm to go down", lambda: peers.forward(arm.q)[0][2] < height - 0.02)
            peers.until("its own line", lambda: teleop.said(lambda o: (o["dreamvlad"] or {}).get("driver") == "teleop/gamepad"))
            self.pad.unplug()
            self.holds(request)
            self.assertIn("no message", request(cmd="status")["reason"])
            self.pad.plug_in()  # with a thumb on the dead-man
            peers.until("it is back", lambda: teleop.last.get("present") and "let it go" in teleop.last["note"])
            time.sleep(0.3)
            self.assertEqual(request(cmd="status")["mode"], "HOLD")
            self.pad.axis(fake.ABS_RY, 0)
            self.press(request)
            standing = list(arm.q)
            time.sleep(0.3)
            self.assertLess(max(abs(a - b) for a, b in zip(arm.q, standing)), 1e-3)  # pressed without input
            teleop.process.terminate()
            self.assertEqual(teleop.process.wait(peers.PATIENCE_S), 0)
            self.holds(request)
            self.assertIn("no message", request(cmd="status")["reason"])  # its end is nobody's release

    def test_its_end_does_not_start_the_policy(self):
        """With resume: auto only a release by the person hands back."""
        with peers.bench(extra=TELEOP + "\n  resume: auto") as (daemon, _, _, request):
            teleop = Teleop(self, daemon.config, self.inputs, "--device", "gamepad")
            peers.until("the device", lambda: request(cmd="status")["sources"].get("teleop/gamepad", {}).get("state") == "fresh")
            peers.into_auto(request)
            self.press(request)
            teleop.process.terminate()
            self.assertEqual(teleop.process.wait(peers.PATIENCE_S), 0)
            peers.until("an end of TELEOP", lambda: request(cmd="status")["mode"] != "TELEOP")
            status = request(cmd="status")
            self.assertEqual(status["mode"], "HOLD", status["reason"])
            self.assertIn("no message", status["reason"])


class Guide(threading.Thread):
    """Plays the person who guides the leader: moves it as its own dreamvlad would, along smooth ways, and never lets it drop.

    Its targets are due on a grid, whenever this thread comes to sending them: they lead by more than it pauses."""
    PERIOD_S, PERIOD_NS, LEAD_NS = 0.01, 10_000_000, 300_000_000

    def __init__(self, context, folder):
        super().__init__(daemon=True)
        self.context, self.door = context, f"ipc://{folder}/lead"
        self.targets = context.socket(zmq.PUB)
        self.targets.linger = 0
        self.targets.bind(f"ipc://{folder}/lead-targets")
        self.seq, self.stopped, self.goal, self.way, self.at, self.due_ns = 0, threading.Event(), 0.0, None, None, 0

    def ask(self, **request):
        s = self.context.socket(zmq.REQ)
        s.linger, s.rcvtimeo = 0, 1000 * peers.PATIENCE_S
        s.connect(self.door)
        s.send(msgpack.packb(request))
        reply = msgpack.unpackb(s.recv())
        s.close()
        return reply

    def run(self):
        asked = 0.0
        while not self.stopped.wait(self.PERIOD_S):
            if time.monotonic() > asked + 0.3:
                asked = time.monotonic()
                self.hold_on()
            while self.at and self.due_ns <= peers.now_ns():
                self.step()
        self.targets.close()

    def hold_on(self):
        """Attached, or attached anew from where it stands."""
        state = self.ask(cmd="status")
        if state.get("accepted_from") == ME:
            return
        tcp = [0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795]
        reply = self.ask(**{"cmd": "attach", "from": ME, "model": "panda", "dof": 7, "tcp": tcp, "clear_stop": True})
        if reply["ok"] and "q_d" in state:
            self.at, self.way, self.due_ns = list(state["q_d"]), None, peers.now_ns()

    def step(self):
        """Joint 1 towards the goal, as a quintic from rest to rest of at most 0.75 rad/s."""
        if self.way is None and abs(self.goal - self.at[0]) > 1e-9:
            self.way = (self.due_ns, self.at[0], self.goal, max(1.0, 2.5 * abs(self.goal - self.at[0])))
        speed = 0.0
        if self.way:
            start, a, b, seconds = self.way
            s = min(1.0, (self.due_ns - start) * 1e-9 / seconds)
            self.at[0] = a + (b - a) * s**3 * (10 - 15 * s + 6 * s * s)
            speed = (b - a) * 30 * s * s * (1 - s)**2 / seconds
            if s == 1.0:
                self.way = None
        self.seq += 1
        self.targets.send_multipart([b"target/lead", msgpack.packb(
            {"v": 1, "from": ME, "seq": self.seq, "stamp_ns": peers.now_ns(), "t_ns": self.due_ns + self.LEAD_NS, "kind": "joint", "q": self.at,
             "dq": [speed] + [0.0] * 6, "source": "teleop", "valid_for_ms": 100, "epoch": 1, "chunk": 1, "step": 0, "frame_stamp_ns": 0,
             "intervention": False})])
        self.due_ns += self.PERIOD_NS


class Leader(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.inputs = self.folder / "input"
        self.inputs.mkdir()
        self.pedal = fake.Device(self.inputs, "event0", fake.PEDAL)
        self.addCleanup(self.pedal.close)
        self.log = open(self.folder / "log", "w+", encoding="utf-8")
        self.addCleanup(self.log.close)
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, linger=0)

    def write_config(self, name, prefix):
        """The demo's, with sockets in our folder: the leader and the follower are benches of their own."""
        text = (peers.ROOT / "config/demo.yaml").read_text()
        text = text.replace("../tests/", f"{peers.ROOT}/tests/").replace("tcp://127.0.0.1:7421", f"ipc://{self.folder}/{name}")
        text = text.replace("- name: arm", f"- name: {name}").replace("state_max_age_ms: 200", "state_max_age_ms: 1000")
        text = text.replace("[0.28, -0.30, 0.05]", "[-0.8, -0.8, 0.05]").replace("[0.60, 0.30, 0.55]", "[0.8, 0.8, 0.9]")  # room to turn
        text += TELEOP + "\nsockets:\n"
        for socket in ("cameras", "operators", "states", "targets", "status", "control"):
            text += f"  {socket}: ipc://{self.folder}/{prefix}{socket}\n"
        path = self.folder / f"{name}.yaml"
        path.write_text(text)
        return path

    def start(self, program, *arguments):
        process = subprocess.Popen([peers.BUILD / program, *map(str, arguments)], stdout=self.log, stderr=self.log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def start_arm(self, name, config):
        world = f"ipc://{self.folder}/{name}-world"
        self.start("dreamvla-sim", "--config", config, "--world", world, "--no-cameras")
        return self.start("dreamvla-arm", "--config", config, "--driver", "sim", "--world", world)

    def request(self, door="control", **fields):
        s = self.context.socket(zmq.REQ)
        s.linger, s.rcvtimeo = 0, 1000 * peers.PATIENCE_S
        s.connect(f"ipc://{self.folder}/{door}")
        s.send(msgpack.packb(fields))
        reply = msgpack.unpackb(s.recv())
        s.close()
        return reply

    def joint(self, door):
        return self.request(door, cmd="status")["q"][0]

    def press(self):
        self.pedal.key(fake.KEY_SPACE, 0)
        time.sleep(0.1)
        self.pedal.key(fake.KEY_SPACE, 1)

    def taken_over(self):
        """Presses anew where the machine's pauses hid the edge, until dreamvlad is in TELEOP."""
        def driving():
            self.press()
            end = time.monotonic() + 1
            while time.monotonic() < end and self.request(cmd="status")["mode"] != "TELEOP":
                time.sleep(0.02)
            return self.request(cmd="status")["mode"] == "TELEOP"

        peers.until("TELEOP", driving)

    def test_the_follower_goes_where_the_leader_goes_and_refuses_one_far_away(self):
        follower, leader = self.write_config("arm", ""), self.write_config("lead", "lead-")
        self.start_arm("arm", follower)
        self.start_arm("lead", leader)
        self.start("dreamvlad", "--config", follower)
        guide = Guide(self.context, self.folder)
        guide.start()
        self.addCleanup(guide.join)
        self.addCleanup(guide.stopped.set)
        try:
            self.run_through(guide, Teleop(self, follower, self.inputs, "--device", "leader", "--state", f"ipc://{self.folder}/lead-states",
                                           "--topic", "state/lead", "--deadman-evdev", self.pedal.path))
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{(self.folder / 'log').read_text(errors='replace')}") from None

    def run_through(self, guide, teleop):
        peers.until("attach", lambda: self.request(cmd="status")["arms"]["arm"]["attached"])
        guide.goal = 0.95
        peers.until("the leader far away", lambda: self.joint("lead") > 0.94)
        start = self.joint("arm")
        peers.until("the program to say how far", lambda: (teleop.last.get("apart_rad") or 0) > 0.9)

        def refused():
            self.press()
            time.sleep(0.3)
            return teleop.said(lambda o: o["refused"])

        self.assertIn("rad", peers.until("the refusal", refused)["refused"])
        self.assertNotEqual(self.request(cmd="status")["mode"], "TELEOP")
        self.assertLess(abs(self.joint("arm") - start), 1e-3)
        self.pedal.key(fake.KEY_SPACE, 0)
        guide.goal = 0.3
        peers.until("the leader nearer", lambda: abs(self.joint("lead") - 0.3) < 0.005)
        self.taken_over()

        def follows(goal):
            if self.request(cmd="status")["mode"] != "TELEOP":
                self.taken_over()
            return abs(self.joint("arm") - goal) < 0.01

        peers.until("the follower where the leader is", lambda: follows(0.3))
        guide.goal = 0.0
        peers.until("the follower with the leader", lambda: follows(0.0))
        self.assertLess(abs(self.joint("lead")), 0.01)
        self.pedal.key(fake.KEY_SPACE, 0)
        peers.until("HOLD", lambda: self.request(cmd="status")["mode"] == "HOLD")
        guide.goal = 0.2
        peers.until("the leader elsewhere", lambda: abs(self.joint("lead") - 0.2) < 0.005)
        self.assertLess(abs(self.joint("arm")), 0.02)


if __name__ == "__main__":
    unittest.main()
