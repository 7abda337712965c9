"""peers.py - everything that dreamvlad talks to, written against the contract with pyzmq and msgpack and nothing of our own code:
cameras, an arm that follows its targets, an operator; and dreamvlad itself as a child process with sockets in a folder."""
import contextlib
import ctypes
import math
import os
import pathlib
import random
import signal
import struct
import subprocess
import tempfile
import threading
import time

import msgpack
import zmq

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("B", ROOT / "build/release"))
CHECKPOINT = ROOT / "tests/golden/checkpoints/two_cameras"
SLOW = 4 if os.environ.get("SAN") else 1  # sanitizers
PATIENCE_S = 30 * SLOW
COAST_NS = 10_000_000   # how long an arm may go on beyond its last target
HOME = [0.0, -math.pi / 4, 0.0, -3 * math.pi / 4, 0.0, math.pi / 2, math.pi / 4]

CLOCK = time.CLOCK_MONOTONIC  # of all stamps; another one needs `clock` in the configuration

CONFIG = """
log:
  level: debug
sockets:
  cameras: ipc://{folder}/cameras
  operators: ipc://{folder}/operators
  states: ipc://{folder}/states
  targets: ipc://{folder}/targets
  status: {status}
  control: ipc://{folder}/control
control:
  realtime: {realtime}
  state_max_age_ms: 1000
policy:
  model: {model}
  heads: {model}/heads/{heads}
  decoder: {decoder}
  steps: {steps}
  extra_latency_ms: {latency_ms}
  unnorm_key: libero_spatial_no_noops
  action_chunk: 8
  cameras: [overhead, wrist]
  proprio: [ee_pos, ee_rotvec, gripper_fingers]
  action_space: {action_space}
  action_hz: 5
  action_scale: {action_scale}
  gripper:
    kind: binary
    threshold: 0.0
  state_range: {state_range}
execution:
  method: {method}
  starve_ms: 10000
cameras:
  overhead:
    max_age_ms: 2000{overhead}
  wrist:
    max_age_ms: 2000{wrist}
robots:
  - name: arm
    model: panda
    control: ipc://{folder}/arm
    workspace_min: [0.2, -0.5, 0.02]
    workspace_max: [0.8, 0.5, 0.9]
{extra}
"""


def now_ns():
    return time.clock_gettime_ns(CLOCK)


def until(what, condition, patience_s=PATIENCE_S):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {patience_s} s in vain for {what}")


class Publisher:
    """One PUB socket with the keys that every map has."""

    def __init__(self, context, address):
        self.socket = context.socket(zmq.PUB)
        self.socket.linger = 0
        self.socket.connect(address)
        self.sender = random.getrandbits(64)
        self.seq = {}

    def send(self, topic, fields, *parts, **special):
        self.seq[topic] = self.seq.get(topic, 0) + 1
        head = {"v": 1, "from": self.sender, "seq": self.seq[topic], "stamp_ns": now_ns()}
        self.socket.send_multipart([topic.encode(), msgpack.packb({**head, **fields, **special}), *parts])


class Cameras(threading.Thread):
    """Two cameras of 64 x 48 raw pixels at 20 Hz; noise, so that they are never frozen."""

    def __init__(self, context, folder, names=("overhead", "wrist")):
        super().__init__(daemon=True)
        self.publisher = Publisher(context, f"ipc://{folder}/cameras")
        self.names, self.frozen, self.stopped = names, False, threading.Event()

    def run(self):
        picture = os.urandom(3 * 64 * 48)
        while not self.stopped.wait(0.05):
            stamp_ns = now_ns()
            for name in self.names:
                if not self.frozen:
                    picture = os.urandom(3 * 64 * 48)
                self.publisher.send(f"camera/{name}", {"encoding": "rgb8", "width": 64, "height": 48}, picture,
                                    stamp_ns=stamp_ns)


class Arm(threading.Thread):
    """A Franka that is where its newest due target says, publishes at 200 Hz and opens the door of its control socket."""

    def __init__(self, context, folder, name="arm"):
        super().__init__(daemon=True)
        self.name_, self.context, self.folder = name, context, folder
        self.publisher = Publisher(context, f"ipc://{folder}/states")
        self.q, self.dq = list(HOME), [0.0] * 7
        self.accepted_from, self.waiting = 0, []
        self.targets, self.requests, self.arrivals = [], [], []
        self.acknowledged = (0, 0)
        self.stopped = threading.Event()
        self.special = {}

    def answer(self, request):
        self.requests.append(request)
        if request["cmd"] == "attach":
            self.accepted_from = request["from"]
        elif request["cmd"] == "detach":
            self.accepted_from = 0
        return {"ok": True}

    def follow(self):
        while self.waiting and self.waiting[0]["t_ns"] <= now_ns():
            target = self.waiting.pop(0)
            self.q, self.dq = target["q"], target["dq"]
            self.acknowledged = (target["seq"], target["t_ns"])
        if now_ns() > self.acknowledged[1] + COAST_NS:  # as every arm must: without targets it comes to a stand
            self.dq = [0.0] * 7

    def publish(self):
        position, quaternion = forward(self.q)
        self.publisher.send(f"state/{self.name_}", {
            "q": self.q, "dq": self.dq, "q_d": self.q, "ee_pos": position, "ee_quat": quaternion, "gripper_m": 0.04,
            "mode": "ready", "errors": [], "ack_seq": self.acknowledged[0], "ack_t_ns": self.acknowledged[1],
            "accepted_from": self.accepted_from, "stopped": False, **self.special})

    def run(self):
        door = self.context.socket(zmq.ROUTER)
        door.linger = 0
        door.bind(f"ipc://{self.folder}/{self.name_}")
        targets = self.context.socket(zmq.SUB)
        targets.linger = 0
        targets.connect(f"ipc://{self.folder}/targets")
        targets.subscribe(f"target/{self.name_}")
        poller = zmq.Poller()
        poller.register(door, zmq.POLLIN)
        poller.register(targets, zmq.POLLIN)
        due = time.monotonic()
        while not self.stopped.is_set():
            ready = dict(poller.poll(max(0, 1000 * (due - time.monotonic()))))
            if door in ready:
                *route, body = door.recv_multipart()
                reply = self.answer(msgpack.unpackb(body))
                if reply is not None:
                    door.send_multipart([*route, msgpack.packb(reply)])
            if targets in ready:
                _, body = targets.recv_multipart()
                target = msgpack.unpackb(body)
                self.targets.append(target)
                self.arrivals.append(now_ns())
                if target["from"] == self.accepted_from:
                    self.waiting.append(target)
            if time.monotonic() >= due:
                due = max(due + 0.005, time.monotonic() - 0.02)
                self.follow()
                self.publish()
        door.close()
        targets.close()


def multiply(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(4)) for j in range(4)] for i in range(4)]


def forward(q):
    """Flange of a Panda by Craig's parameters (frankaemika.github.io/docs/control_parameters.html)."""
    rows = [(0, 0.333, 0), (0, 0, -math.pi / 2), (0, 0.316, math.pi / 2), (0.0825, 0, math.pi / 2),
            (-0.0825, 0.384, -math.pi / 2), (0, 0, math.pi / 2), (0.088, 0, math.pi / 2), (0, 0.107, 0)]
    t = [[float(i == j) for j in range(4)] for i in range(4)]
    for (a, d, alpha), theta in zip(rows, [*q, 0.0]):
        ct, st, ca, sa = math.cos(theta), math.sin(theta), math.cos(alpha), math.sin(alpha)
        t = multiply(t, [[ct, -st, 0, a], [st * ca, ct * ca, -sa, -d * sa], [st * sa, ct * sa, ca, d * ca], [0, 0, 0, 1]])
    return [t[0][3], t[1][3], t[2][3]], quaternion_of(t)


def quaternion_of(t):
    """x, y, z, w by the largest of the four (Shepperd 1978)."""
    trace = t[0][0] + t[1][1] + t[2][2]
    square = [1 + 2 * t[i][i] - trace for i in range(3)] + [1 + trace]
    k = max(range(4), key=lambda i: square[i])
    s = 2 * math.sqrt(square[k])
    if k == 3:
        q = [(t[2][1] - t[1][2]) / s, (t[0][2] - t[2][0]) / s, (t[1][0] - t[0][1]) / s, s / 4]
    else:
        i, j = (k + 1) % 3, (k + 2) % 3
        q = [0.0] * 4
        q[k], q[i], q[j] = s / 4, (t[i][k] + t[k][i]) / s, (t[j][k] + t[k][j]) / s
        q[3] = (t[j][i] - t[i][j]) / s
    return q


class Daemon:
    """dreamvlad as a child process, with CONFIG or a template of the test's own, and `settings` in its places."""

    def __init__(self, folder, arguments=(), environment=None, command=(), template=CONFIG, program="dreamvlad", **settings):
        self.folder = folder
        self.config = pathlib.Path(folder) / "config.yaml"
        self.config.write_text(template.format(**{"folder": folder, "realtime": "prefer", "model": CHECKPOINT, "extra": "", "overhead": "", "wrist": "",
                                                "heads": settings.get("decoder", "discrete"), "decoder": "discrete", "steps": 1, "latency_ms": 0, "method": "async",
                                                "action_space": "ee_delta", "state_range": "off", "status": f"ipc://{folder}/status",
                                                "action_scale": "[0.04, 0.04, 0.03, 0.02, 0.02, 0.02, 1]", **settings}))
        self.log, self.killed = open(pathlib.Path(folder) / "log", "w+b"), False
        self.process = subprocess.Popen([*command, BUILD / program, "--config", self.config, *arguments],
                                        stdout=self.log, stderr=self.log, env={**os.environ, **(environment or {})})

    def text(self):
        return (pathlib.Path(self.folder) / "log").read_text(errors="replace")

    def says(self, words):
        if self.process.poll() is not None:
            raise AssertionError(f"dreamvlad ended with {self.process.returncode} before it said {words!r}:\n{self.text()}")
        return words in self.text()

    def wait_ready(self):
        until("dreamvlad to be ready", lambda: self.says("ready: control requests"))

    def wait_end(self, patience_s=PATIENCE_S):
        return self.process.wait(patience_s)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait_end()

    def assert_ends_well(self):
        """SIGTERM, unless it has ended: either way with 0. A crash after the last reply must not go unseen, and only a process that
        ends by itself tells of leaks."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.wait_end()
        except subprocess.TimeoutExpired:
            raise AssertionError(f"dreamvlad did not end on SIGTERM within {PATIENCE_S} s") from None
        if code != 0:
            raise AssertionError(f"dreamvlad ended with {code}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.killed = True
        self.log.close()


def ask(context, folder, patience_s=PATIENCE_S, **request):
    """One control request, one reply."""
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(f"ipc://{folder}/control")
    try:
        socket.send(msgpack.packb(request))
        assert socket.poll(1000 * patience_s), f"no reply to {request}"
        return msgpack.unpackb(socket.recv())
    finally:
        socket.close()


@contextlib.contextmanager
def bench(with_arm=True, with_cameras=True, prepare=lambda arm: None, **settings):
    """A running dreamvlad with its peers: yields (daemon, arm, cameras, ask). prepare(arm) comes before the arm starts: it is
    attached to at any moment after that. A body that passes is followed by the daemon's end, which has to be a good one."""
    context = zmq.Context()
    with tempfile.TemporaryDirectory() as folder:
        arm, cameras = Arm(context, folder), Cameras(context, folder)
        daemon = Daemon(folder, **settings)
        prepare(arm)
        try:
            daemon.wait_ready()
            if with_arm:
                arm.start()
            if with_cameras:
                cameras.start()
            yield daemon, arm, cameras, lambda **request: ask(context, folder, **request)
            daemon.assert_ends_well()
        except BaseException:
            code = None if daemon.killed else daemon.process.poll()
            print("" if code is None else f"dreamvlad ended with {code}", daemon.text())
            raise
        finally:
            daemon.kill()
            for thread in (arm, cameras):
                thread.stopped.set()
                if thread.is_alive():
                    thread.join()
            context.destroy(linger=0)


def stop_recording(request):
    """A disk that takes longer than a reply may leaves the answer to status."""
    reply = request(cmd="record", action="stop")
    assert reply["ok"] or "recorder" in reply["error"], reply
    until("the end of the recording", lambda: not request(cmd="status")["record"]["runs"])


def into_auto(request):
    """Sets an instruction and asks for AUTO until everything is there."""
    assert request(cmd="instruction", text="pick up the red block")["ok"]
    reply = {}

    def granted():
        nonlocal reply
        reply = request(cmd="mode", mode="auto")
        return reply["ok"]

    try:
        until("AUTO", granted)
    except AssertionError as failure:
        raise AssertionError(f"{failure}: {reply}") from None


def thread_of(pid, name):
    """The number of its thread of that name, or None."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "comm").read_text().strip() == name:
                return int(task.name)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended meanwhile
    return None


@contextlib.contextmanager
def hanging(test, daemon, thread):
    """Holds one thread of dreamvlad by ptrace(2), as if it hung, and lets it go on. Skips where ptrace is not permitted.
    Yields what tells whether the thread has ended with its process: until that was asked, the process remains a zombie."""
    libc = ctypes.CDLL(None, use_errno=True)
    seize, interrupt, detach, all_kinds = 0x4206, 0x4207, 17, 0x40000000
    tid = until(f"a thread {thread}", lambda: thread_of(daemon.process.pid, thread))

    def call(what):
        return libc.ptrace(ctypes.c_long(what), ctypes.c_long(tid), ctypes.c_void_p(), ctypes.c_void_p())

    if call(seize) != 0:
        test.skipTest(f"ptrace: {os.strerror(ctypes.get_errno())}")
    call(interrupt)
    os.waitpid(tid, all_kinds)
    try:
        yield lambda: os.waitpid(tid, all_kinds | os.WNOHANG)[0] == tid
    finally:
        call(detach)


def rejected_bytes():
    """Things that are no message of the contract."""
    yield b""
    yield b"\xc1"
    yield b"\xdf\xff\xff\xff\xff"
    yield b"\x91" * 2000
    yield msgpack.packb([1, 2, 3])
    yield msgpack.packb({"v": 2, "from": 1, "seq": 1, "stamp_ns": now_ns()})
    yield msgpack.packb({"v": 1, "from": 1, "seq": 1, "stamp_ns": float("nan")})
    yield struct.pack(">BI", 0xdd, 2**32 - 1)
