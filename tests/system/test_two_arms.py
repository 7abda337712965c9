"""test_two_arms.py - one policy drives two simulated arms, each in a world and a driver process of its own: both move on one clock, a
fault of one stops what the configuration says, and a person may take one."""
import contextlib
import json
import pathlib
import subprocess
import tempfile
import threading
import time
import unittest

import msgpack
import zmq

import peers
from test_daemon_teleop import Device

GOLDEN = peers.ROOT / "tests/golden/checkpoints/one_camera"

# Times as in config/demo.yaml: a busy or virtual machine that stands still for 100 ms must not end a test.
CONFIG = """
sockets:
  cameras: ipc://{folder}/cameras
  operators: ipc://{folder}/operators
  states: ipc://{folder}/states
  targets: ipc://{folder}/targets
  status: ipc://{folder}/status
  control: ipc://{folder}/control
control:
  state_max_age_ms: 1000
  valid_for_ms: 100
  fault_stops: {fault_stops}
policy:
  model: {folder}/model
  heads: ""
  decoder: discrete
  action_chunk: 5
  cameras: [overhead]
  proprio: []
  action_space: {space}
  action_hz: 5
  action_scale: {scale}
  gripper:
    kind: binary
    threshold: 0.0
  state_range: off
execution:
  starve_ms: 10000
cameras:
  overhead:
    max_age_ms: 2000
teleop:
  timeout_ms: 1000
robots:
  - {{name: left, model: {model}, control: "ipc://{folder}/left", action_first: 0, action_dims: {half}, playout_ms: 80, tcp: {tcp}}}
  - {{name: right, model: {model}, control: "ipc://{folder}/right", action_first: {half}, action_dims: {half}, playout_ms: 80, tcp: {tcp}}}
"""

ARMS = ("left", "right")
FRANKA_TCP, PIPER_TCP = "[0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795]", "[0, 0, 0.145, 0, 0, 0, 1]"
STEP_M, STEP_RAD = [0.03, 0.03, 0.03, 0.02, 0.02, 0.02, 1], 0.05
POSES = {"model": "panda", "tcp": FRANKA_TCP, "space": "ee_delta", "half": 7, "scale": STEP_M * 2}
JOINTS = {"model": "panda", "tcp": FRANKA_TCP, "space": "joint_delta", "half": 8, "scale": ([STEP_RAD] * 7 + [1]) * 2}
PIPERS = {"model": "piper", "tcp": PIPER_TCP, "space": "joint_delta", "half": 7, "scale": ([STEP_RAD] * 6 + [1]) * 2}


def write_checkpoint(folder, width):
    """The golden one, with statistics of so many actions."""
    folder.mkdir()
    for file in GOLDEN.iterdir():
        (folder / file.name).symlink_to(file)
    part = {"q01": [-1.0] * width, "q99": [1.0] * width}
    (folder / "dataset_statistics.json").write_text(json.dumps({"two_arms": {"action": part}}))


class Targets(threading.Thread):
    """Everything that is sent to the arms, kept as it comes: this process gets little of a busy machine, and must not fall behind. What
    it misses shows in `seq`."""

    def __init__(self, context, folder):
        super().__init__(daemon=True)
        self.socket = context.socket(zmq.SUB)
        self.socket.rcvhwm = 400  # a second
        self.socket.connect(f"ipc://{folder}/targets")
        self.socket.subscribe("target/")
        self.raw, self.stopped = {f"target/{arm}".encode(): [] for arm in ARMS}, threading.Event()

    def run(self):
        while not self.stopped.is_set():
            if not self.socket.poll(50):
                continue
            with contextlib.suppress(zmq.Again):
                while True:
                    topic, body = self.socket.recv_multipart(zmq.NOBLOCK)
                    self.raw[topic].append(body)
        self.socket.close()

    def of(self, arm, n=0):
        """The newest n, or all."""
        return [msgpack.unpackb(body) for body in self.raw[f"target/{arm}".encode()][-n:]]


class Bench:
    def __init__(self, folder, setting, fault_stops):
        self.folder, self.context = pathlib.Path(folder), zmq.Context()
        write_checkpoint(self.folder / "model", 2 * setting["half"])
        self.daemon = peers.Daemon(folder, template=CONFIG, fault_stops=fault_stops, **setting)
        self.logs, self.arms, self.devices = [], {}, []
        self.worlds = [self.start(f"world-{arm}", "dreamvla-sim", "--config", self.daemon.config, "--world", f"ipc://{folder}/world-{arm}",
                                  "--model", setting["model"],
                                  "--size", "64x48", "--rate-hz", "15", *(["--no-cameras"] if arm == "right" else [])) for arm in ARMS]
        for arm in ARMS:
            self.start_arm(arm)
        self.targets = Targets(self.context, folder)
        self.targets.start()

    def start(self, name, program, *arguments):
        self.logs.append(open(self.folder / f"log-{name}", "ab"))
        return subprocess.Popen([peers.BUILD / program, *arguments], stdout=self.logs[-1], stderr=self.logs[-1])

    def start_arm(self, arm):
        self.arms[arm] = self.start(arm, "dreamvla-arm", "--config", self.daemon.config, "--arm", arm, "--driver", "sim", "--world",
                                    f"ipc://{self.folder}/world-{arm}")

    def end(self):
        for device in self.devices:
            device.stopped.set()
            device.join()
        self.targets.stopped.set()
        self.targets.join()
        self.daemon.kill()
        for process in (*self.arms.values(), *self.worlds):
            process.kill()
            process.wait()
        for log in self.logs:
            log.close()
        self.context.destroy(linger=0)

    def request(self, **request):
        return peers.ask(self.context, self.folder, **request)

    def status(self):
        return self.request(cmd="status")

    def q(self, arm):
        """Measured, from the arm's own door."""
        door = self.context.socket(zmq.REQ)
        door.linger = 0
        door.connect(f"ipc://{self.folder}/{arm}")
        try:
            door.send(msgpack.packb({"cmd": "status"}))
            assert door.poll(1000 * peers.PATIENCE_S), f"{arm}: no reply"
            return msgpack.unpackb(door.recv())["q"]
        finally:
            door.close()

    def moved(self, arm, since, rad=0.02):
        return max(abs(a - b) for a, b in zip(self.q(arm), since)) > rad

    def stands(self, arm):
        newest = self.targets.of(arm, 50)
        return len(newest) == 50 and all(t["source"] == "hold" and max(map(abs, t["dq"])) < 1e-3 for t in newest)

    def at_rest(self, arm):
        """Where it stands: the joints themselves, which come to rest after what they are told."""
        seen = [self.q(arm)]

        def still():
            time.sleep(0.2)
            seen.append(self.q(arm))
            return max(abs(a - b) for a, b in zip(*seen[-2:])) < 1e-4

        peers.until(f"{arm}'s joints to rest", still)
        return seen[-1]

    def attached(self):
        peers.until("both attached", lambda: all(a["attached"] for a in self.status()["arms"].values()))

    def device(self, arm):
        device = Device(self.context, self.folder)
        device.set(arm=arm)
        device.start()
        self.devices.append(device)
        return device

    def drive(self, device, what, condition, **fields):
        """Takes over, again where the machine's own pause has ended it, and drives until the condition holds."""
        device.set(**fields)

        def done():
            if self.status()["driver"] != device.topic:
                device.set(deadman=False)
                time.sleep(0.2)
                device.set(deadman=True)
            return condition()

        peers.until(what, done)


@contextlib.contextmanager
def bench(setting, fault_stops="all"):
    with tempfile.TemporaryDirectory() as folder:
        b = Bench(folder, setting, fault_stops)
        try:
            b.daemon.wait_ready()
            b.attached()
            yield b
            b.daemon.assert_ends_well()
        except BaseException:
            print(b.daemon.text(), *((b.folder / f"log-{arm}").read_text() for arm in ARMS))
            raise
        finally:
            b.end()


class TwoArms(unittest.TestCase):
    def both_move(self, b):
        before = {arm: b.q(arm) for arm in ARMS}
        peers.into_auto(b.request)
        for arm in ARMS:
            peers.until(f"{arm} to move", lambda arm=arm: b.moved(arm, before[arm]))
        peers.until("each its own slice", lambda: len(b.targets.raw[b"target/left"]) > 300 and
                    b.targets.of("left", 1)[0]["q"] != b.targets.of("right", 1)[0]["q"])
        self.check_clock({arm: b.targets.of(arm) for arm in ARMS})
        self.assertEqual({len(t["q"]) for arm in ARMS for t in b.targets.of(arm)}, {len(before["left"])})

    def check_clock(self, of):
        """Where nothing was lost on the way (seq), no target of one arm is due between two of the other. Where the machine's own pause
        made an arm start anew, it gets none for 50 ms at least."""
        times = {arm: {t["t_ns"] for t in of[arm]} for arm in ARMS}
        shared = 0
        for arm, other in (ARMS, ARMS[::-1]):
            for a, b in zip(of[arm], of[arm][1:]):
                if b["seq"] != a["seq"] + 1 or b["t_ns"] - a["t_ns"] >= 50_000_000:
                    continue
                self.assertFalse([t for t in range(a["t_ns"] + 5_000_000, b["t_ns"], 5_000_000) if t in times[other]])
                shared += a["t_ns"] in times[other]
        self.assertGreater(shared, 100)
        self.assertFalse({t % 5_000_000 for arm in ARMS for t in times[arm]} - {of["left"][0]["t_ns"] % 5_000_000})

    def test_16_dimensions_move_two_frankas_joint_by_joint_and_a_stop_stops_both(self):
        with bench(JOINTS) as b:
            self.both_move(b)
            b.request(cmd="stop")
            for arm in ARMS:
                peers.until(f"{arm} to stand", lambda arm=arm: b.stands(arm))

    def test_14_dimensions_move_two_pipers_and_a_fault_of_one_stops_both(self):
        with bench(PIPERS) as b:
            self.both_move(b)
            b.arms["right"].kill()
            status = peers.until("FAULT", lambda: (s := b.status())["mode"] == "FAULT" and s)
            self.assertIn("arm right: its newest state is", status["reason"])
            peers.until("left to stand", lambda: b.stands("left"))
            self.assertFalse(b.request(cmd="home", arm="left")["ok"])

    def test_or_only_its_own_arm_and_the_policy(self):
        with bench(PIPERS, fault_stops="arm") as b:
            before = b.q("left")
            peers.into_auto(b.request)
            peers.until("left to move", lambda: b.moved("left", before))
            b.arms["right"].kill()
            status = peers.until("HOLD", lambda: (s := b.status())["mode"] == "HOLD" and s)
            self.assertIn("arm right: its newest state is", status["reason"])
            peers.until("left to stand", lambda: b.stands("left"))
            shown = subprocess.run([peers.BUILD / "dreamvlactl", "--config", b.daemon.config, "status"], capture_output=True, text=True,
                                   check=True, timeout=peers.PATIENCE_S).stdout
            self.assertIn("way back     see to the faults, `dreamvlactl reset`", shown)
            left = b.q("left")
            device = b.device("left")
            b.drive(device, "a person to move left", lambda: b.moved("left", left), values=[0.0, 0.0, 0.05, 0.0, 0.0, 0.0])
            device.set(deadman=False)
            peers.until("the release", lambda: b.status()["mode"] == "HOLD")
            self.refused(b, "reset")
            b.start_arm("right")  # back, and still not to be trusted
            peers.until("its state", lambda: b.status()["sources"]["state/right"]["state"] == "fresh")
            self.refused(b, "mode", mode="auto")
            peers.until("home", lambda: b.request(cmd="home", arm="left")["ok"])
            peers.until("the reset", lambda: b.request(cmd="reset")["ok"])
            b.attached()
            b.request(cmd="stop")  # of the way home, if it has not ended yet
            peers.into_auto(b.request)

    def refused(self, b, cmd, **fields):
        reply = b.request(cmd=cmd, **fields)
        self.assertFalse(reply["ok"])
        self.assertIn("arm right: ", reply["error"])

    def test_14_dimensions_move_two_frankas_and_a_person_takes_one(self):
        with bench(POSES) as b:
            self.both_move(b)
            device = b.device("right")
            b.drive(device, "left to stand", lambda: b.stands("left") and b.targets.of("left", 50)[0]["intervention"], values=[0.0] * 6)
            left, right = b.at_rest("left"), b.q("right")
            b.drive(device, "a person to move right", lambda: b.moved("right", right, 0.05), values=[0.0, 0.0, 0.05, 0.0, 0.0, 0.0])
            self.assertFalse(b.moved("left", left, 1e-3))
            self.assertTrue(all(t["intervention"] for t in b.targets.of("right") if t["source"] == "teleop"))
            peers.until("marks at both arms", lambda: b.targets.of("right", 1)[0]["source"] == "teleop" and
                        all(b.targets.of(arm, 1)[0]["intervention"] for arm in ARMS))


if __name__ == "__main__":
    unittest.main()
