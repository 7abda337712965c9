"""A bench in Python that speaks the messages of dreamvlad by pyzmq and msgpack and shares no code with it: cameras, an arm
with its own control socket, an operator, and the daemon itself as a process on free ports.

Programs are taken from the folder in B (build/release). Pictures are made with libturbojpeg through ctypes."""

import ctypes
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import msgpack
import numpy
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ports import free_addresses  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.path.join(ROOT, os.environ.get("B", "build/release"))
SANITIZED = bool(os.environ.get("SAN"))
PATIENCE_S = 120.0 if SANITIZED else 30.0  # until something that must happen is given up
PERIOD_NS = 5_000_000  # control.rate_hz 200
SIDE = 224  # pictures are SIDE x SIDE
TCP = (0.0, 0.0, 0.1034, 0.0, 0.0, -0.3826834, 0.9238795)  # flange to finger tips of the Franka Hand

# Ordinary threads, and more patience with sources than on a real bench: these peers are threads of one Python process,
# perhaps on a busy machine, and what is tested is what happens, not how fast.
CONFIG = """
sockets:
  cameras: {cameras}
  operators: {operators}
  states: {states}
  targets: {targets}
  status: {status}
  control: {control}
control:
  rate_hz: 200
  realtime: off
  state_max_age_ms: 1000
camera: {{max_skew_ms: 1000}}
policy:
  model: {root}/tests/golden/checkpoints/two_cameras
  heads: {root}/tests/golden/checkpoints/two_cameras/heads/discrete
  decoder: discrete
  unnorm_key: libero_spatial_no_noops
  action_chunk: 8
  cameras: [overhead, wrist]
  proprio: [ee_pos, ee_rotvec, gripper_fingers]
  action_space: ee_delta
  action_hz: 5
  action_scale: [0.04, 0.04, 0.03, 0.02, 0.02, 0.02, 1]
  gripper: {{kind: binary, polarity: high_opens, threshold: 0.0}}
  state_range: off
execution: {{method: async, steps: 2, starve_ms: 10000}}
cameras:
  overhead: {{center_crop: 0.9, max_age_ms: 900}}
  wrist: {{center_crop: 0.9, max_age_ms: 900}}
robots:
  - name: arm
    model: panda
    control: {arm}
    tcp: [{tcp}]
    workspace_min: [0.25, -0.40, 0.05]
    workspace_max: [0.65, 0.40, 0.65]
speed: {{default: 1}}
"""


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def wait_until(true, what, patience_s=None):
    """Returns the first true value of true()."""
    end = time.monotonic() + (patience_s or PATIENCE_S)
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("still waiting for: " + what)


# ---- pictures --------------------------------------------------------------------------------------------------------

def picture(step):
    """[SIDE][SIDE][3] of bytes: a gradient with a square that moves with every step, so that no two frames are alike."""
    rows, columns = numpy.mgrid[0:SIDE, 0:SIDE]
    image = numpy.stack([rows, columns, (rows + columns) // 2], axis=2).astype(numpy.uint8)
    at = 20 + step * 3 % (SIDE - 60)
    image[at:at + 30, 60:90] = (200, 30, 30)
    return image


def jpeg(image, quality=90, flags=0):
    library = ctypes.CDLL("libturbojpeg.so.0")
    library.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.tjInitCompress())
    out, size = ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_ulong()
    rgb, subsampling_420 = 0, 2
    rc = library.tjCompress2(handle, image.ctypes.data_as(ctypes.c_void_p), image.shape[1], 0, image.shape[0], rgb,
                             ctypes.byref(out), ctypes.byref(size), subsampling_420, quality, flags)
    assert rc == 0
    data = ctypes.string_at(out, size.value)
    library.tjFree(out)
    library.tjDestroy(handle)
    return data


# ---- kinematics ------------------------------------------------------------------------------------------------------

# Franka's documentation, "Denavit-Hartenberg parameters" (Craig): a, d, alpha of each joint, then the flange.
DH = [(0, 0.333, 0), (0, 0, -math.pi / 2), (0, 0.316, math.pi / 2), (0.0825, 0, math.pi / 2), (-0.0825, 0.384, -math.pi / 2),
      (0, 0, math.pi / 2), (0.088, 0, math.pi / 2), (0, 0.107, 0)]
COAST_NS = 10_000_000   # how long an arm may go on beyond its last target
HOME = [0, -math.pi / 4, 0, -3 * math.pi / 4, 0, math.pi / 2, math.pi / 4]


def rotation(quaternion):
    x, y, z, w = quaternion
    return numpy.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])


def quaternion(r):
    """x, y, z, w of a rotation matrix: the eigenvector of Bar-Itzhack's matrix, good at every angle."""
    k = numpy.array([[r[0][0] - r[1][1] - r[2][2], r[1][0] + r[0][1], r[2][0] + r[0][2], r[2][1] - r[1][2]],
                     [r[1][0] + r[0][1], r[1][1] - r[0][0] - r[2][2], r[2][1] + r[1][2], r[0][2] - r[2][0]],
                     [r[2][0] + r[0][2], r[2][1] + r[1][2], r[2][2] - r[0][0] - r[1][1], r[1][0] - r[0][1]],
                     [r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1], r[0][0] + r[1][1] + r[2][2]]])
    values, vectors = numpy.linalg.eigh(k)
    return vectors[:, numpy.argmax(values)]


def forward(q):
    """Position and quaternion of the TCP in the base frame."""
    pose = numpy.eye(4)
    for (a, d, alpha), theta in zip(DH, list(q) + [0.0]):
        ca, sa, ct, st = math.cos(alpha), math.sin(alpha), math.cos(theta), math.sin(theta)
        pose = pose @ numpy.array([[ct, -st, 0, a], [st * ca, ct * ca, -sa, -d * sa], [st * sa, ct * sa, ca, d * ca],
                                   [0, 0, 0, 1]])
    return pose[:3, 3] + pose[:3, :3] @ numpy.array(TCP[:3]), quaternion(pose[:3, :3] @ rotation(TCP[3:]))


# ---- peers -----------------------------------------------------------------------------------------------------------

class Publisher:
    """A PUB socket with the head that every map of a topic has. One number and one count per topic."""

    def __init__(self, context, address, topic):
        self.socket = context.socket(zmq.PUB)
        self.socket.linger = 0
        self.socket.sndhwm = 1000
        self.socket.connect(address)
        self.topic, self.source, self.seq = topic.encode(), random.getrandbits(64), 0

    def head(self, **keys):
        self.seq += 1
        return {"v": 1, "from": self.source, "seq": self.seq, "stamp_ns": now_ns(), **keys}

    def send(self, keys, *more):
        self.send_raw(msgpack.packb(self.head(**keys)), *more)

    def send_raw(self, body, *more):
        self.socket.send_multipart([self.topic, body, *more])

    def close(self):
        self.socket.close()


class Repeating:
    """Calls step(i) at a rate in a thread of its own."""

    def __init__(self, rate_hz):
        self.rate_hz, self.ending, self.error = rate_hz, threading.Event(), None
        self.thread = threading.Thread(target=self.loop, daemon=True)

    def loop(self):
        i = 0
        try:
            while not self.ending.wait(1.0 / self.rate_hz):
                self.step(i)
                i += 1
        except Exception as error:  # pylint: disable=broad-except  # told by end()
            self.error = error

    def start(self):
        self.thread.start()
        return self

    def end(self):
        self.ending.set()
        self.thread.join()
        if self.error:
            raise self.error


class Camera(Repeating):
    def __init__(self, bench, name, encoding):
        super().__init__(30.0)
        self.encoding = encoding
        self.publisher = Publisher(bench.context, bench.address["cameras"], "camera/" + name)

    def step(self, i):
        image = picture(i)
        data = jpeg(image) if self.encoding == "jpeg" else image.tobytes()
        self.publisher.send({"encoding": self.encoding, "width": SIDE, "height": SIDE}, data)

    def end(self):
        super().end()
        self.publisher.close()


class Arm(Repeating):
    """An arm that follows its targets perfectly: q jumps to the newest target that is due. It answers attach, detach, ping
    and stop as a driver does, and remembers every target and request."""

    def __init__(self, bench):
        super().__init__(200.0)
        self.publisher = Publisher(bench.context, bench.address["states"], "state/arm")
        self.subscriber = bench.context.socket(zmq.SUB)
        self.subscriber.rcvhwm = 1000
        self.subscriber.connect(bench.address["targets"])
        self.subscriber.subscribe(b"target/arm")
        self.router = bench.context.socket(zmq.ROUTER)
        self.router.linger = 0
        wait_until(lambda: self.bind(bench.address["arm"]), "the arm's address to be free")
        self.q, self.dq, self.ack_seq, self.ack_t_ns = list(HOME), [0.0] * 7, 0, 0
        self.pose_of, self.pose = None, None
        self.attached, self.stopped = 0, False
        self.queue, self.targets, self.requests = [], [], []

    def bind(self, address):
        """Whether it worked: libzmq gives an address back a moment after the socket was closed."""
        try:
            self.router.bind(address)
            return True
        except zmq.ZMQError:
            return False

    def step(self, i):
        while self.subscriber.poll(0):
            topic, body = self.subscriber.recv_multipart()
            target = msgpack.unpackb(body)
            target["arrival_ns"] = now_ns()
            assert topic == b"target/arm"
            self.targets.append(target)
            self.queue.append(target)
        while self.router.poll(0):
            *envelope, body = self.router.recv_multipart()
            self.router.send_multipart([*envelope, msgpack.packb(self.answer(msgpack.unpackb(body)))])
        self.follow()
        self.publish()

    def follow(self):
        while self.queue and self.queue[0]["t_ns"] <= now_ns():
            target = self.queue.pop(0)
            if target["from"] == self.attached and not self.stopped:
                self.q, self.dq = target["q"], target["dq"]
                self.ack_seq, self.ack_t_ns = target["seq"], target["t_ns"]
        if now_ns() > self.ack_t_ns + COAST_NS:     # as every arm must: without targets it comes to a stand
            self.dq = [0.0] * 7

    def publish(self):
        if self.q != self.pose_of:      # a standing arm costs next to nothing, and so is not late
            self.pose_of, self.pose = self.q, [v.tolist() for v in forward(self.q)]
        self.publisher.send({
            "q": self.q, "dq": self.dq, "q_d": self.q, "ee_pos": self.pose[0], "ee_quat": self.pose[1],
            "gripper_m": 0.08, "mode": "moving" if any(abs(v) > 1e-6 for v in self.dq) else "ready", "errors": [],
            "ack_seq": self.ack_seq, "ack_t_ns": self.ack_t_ns, "accepted_from": self.attached,
            "refused": {"seq": 0, "reason": ""}, "stopped": self.stopped})

    def answer(self, request):
        self.requests.append(request)
        if request["cmd"] == "attach":
            if self.stopped and not request.get("clear_stop"):
                return {"ok": False, "error": "stopped", "hint": "reset"}
            self.stopped, self.attached = False, request["from"]
        elif request["cmd"] == "detach":
            self.attached = 0
        elif request["cmd"] == "stop":
            self.stopped, self.attached = True, 0
        elif request["cmd"] == "ping":
            return {"ok": True, "t_ns": request["t_ns"], "recv_ns": time.time_ns(), "send_ns": time.time_ns()}
        else:
            return {"ok": False, "error": "unknown command"}
        return {"ok": True}

    def end(self):
        super().end()
        for s in (self.subscriber, self.router):
            s.close(0)
        self.publisher.close()


class Bench:
    """dreamvlad with its configuration and log in a folder of its own, and the sockets to talk to it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="dreamvla-peer-")
        self.context = zmq.Context()
        names = ("operators", "states", "targets", "status", "control", "arm")
        self.address = dict(zip(names, free_addresses(len(names))))
        self.address["cameras"] = "ipc://%s/cameras" % self.folder.name
        config = os.path.join(self.folder.name, "dreamvlad.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(root=ROOT, tcp=", ".join(map(str, TCP)), **self.address))
        self.log_path = os.path.join(self.folder.name, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([os.path.join(PROGRAMS, "dreamvlad"), "--config", config], stderr=log, stdout=log)
        self.subscriber = self.context.socket(zmq.SUB)
        self.subscriber.rcvhwm = 10000
        self.subscriber.connect(self.address["status"])
        self.subscriber.subscribe(b"")
        self.events = []
        try:
            wait_until(self.ready, "the daemon to answer")
        except AssertionError as error:
            raise AssertionError("%s\n%s" % (error, self.log())) from None

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError("dreamvlad ended with %d:\n%s" % (self.process.returncode, self.log()))
        return "ready: control requests" in self.log() and self.ask("ping", patience_s=0.5, t_ns=1) is not None

    def ask(self, command, patience_s=PATIENCE_S, **keys):
        """The reply, or None when there was none in time."""
        return self.ask_raw(msgpack.packb({"cmd": command, **keys}), patience_s)

    def ask_raw(self, body, patience_s=PATIENCE_S):
        req = self.context.socket(zmq.REQ)
        req.linger = 0
        req.connect(self.address["control"])
        req.send(body)
        reply = msgpack.unpackb(req.recv()) if req.poll(patience_s * 1000) else None
        req.close()
        return reply

    def status(self):
        reply = self.ask("status")
        assert reply and reply["ok"], reply
        return reply

    def counter(self, name):
        return self.status()["counters"][name]

    def topics(self, patience_s=0.0):
        """What was published on the status socket since the last call: (topic, map)."""
        out = []
        while self.subscriber.poll(0 if out else patience_s * 1000):
            topic, body = self.subscriber.recv_multipart()
            out.append((topic.decode(), msgpack.unpackb(body)))
        return out

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def resident_kb(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))

    def end(self):
        """SIGTERM, and the exit code."""
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("dreamvlad did not end on SIGTERM:\n" + self.log()) from None
        finally:
            self.subscriber.close(0)
            self.context.destroy(0)
            self.folder.cleanup()
