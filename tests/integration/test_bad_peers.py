"""What a mad or careless peer sends: it is counted and named, nothing moves, the daemon lives on and does not grow.

One daemon for the whole file, with an arm attached and no instruction, so that every target must be a hold at the same place."""

import math
import random
import socket
import struct
import time
import unittest

import msgpack
import peer
import zmq

FRAME = {"encoding": "rgb8", "width": peer.SIDE, "height": peer.SIDE}
GROWTH_MAX_KB = 8 * 1024
FLOOD = 20000


def with_size(data, width, height):
    """A JPEG whose header claims another size: SOF0 is ff c0, length, precision, height, width."""
    at = data.index(b"\xff\xc0")
    return data[:at + 5] + struct.pack(">HH", height, width) + data[at + 9:]


class BadPeers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bench = peer.Bench()
        cls.arm = peer.Arm(cls.bench).start()
        cls.pixels = peer.picture(0).tobytes()
        cls.jpeg = peer.jpeg(peer.picture(0))
        peer.wait_until(lambda: cls.bench.status()["arms"]["arm"]["attached"], "attach")

    @classmethod
    def tearDownClass(cls):
        cls.arm.end()
        code = cls.bench.end()
        assert code == 0, "dreamvlad ended with %d" % code

    def setUp(self):
        self.alive()

    def tearDown(self):
        self.alive()
        self.nothing_moved()

    def alive(self):
        code = self.bench.process.poll()
        self.assertIsNone(code, "dreamvlad ended with %s:\n%s" % (code, self.bench.log()))
        self.assertEqual(self.bench.ask("ping", t_ns=3)["t_ns"], 3)

    def nothing_moved(self):
        status = self.bench.status()
        self.assertIn(status["mode"], ("READY", "HOLD"), status["reason"])
        self.assertEqual(self.bench.counter("tcp_path_mm"), 0)
        for t in self.arm.targets[-200:]:
            self.assertEqual(t["source"], "hold")
            self.assertEqual(max(abs(a - b) for a, b in zip(t["q"], peer.HOME)) < 1e-6, True)

    def publisher(self, socket_name, topic):
        p = peer.Publisher(self.bench.context, self.bench.address[socket_name], topic)
        self.addCleanup(p.close)
        return p

    def is_counted(self, counter, send, named=""):
        """Sends until it is counted and the log says `named`: a new subscription loses the first messages, and each topic and
        key is logged once per second."""
        before = self.bench.counter(counter)

        def counted():
            send()
            return self.bench.counter(counter) > before and named in self.bench.log()

        peer.wait_until(counted, "%s to count, and the log to say: %s" % (counter, named))

    # ---- cameras ----

    def camera(self, named, body=None, data=None, topic="camera/overhead", counter="frames_void", **keys):
        p = self.publisher("cameras", topic)
        data = self.pixels if data is None else data

        def send():
            p.send_raw(msgpack.packb(p.head(**{**FRAME, **keys})) if body is None else body, data)

        self.is_counted(counter, send, named)

    def test_frames_that_are_no_msgpack(self):
        good = msgpack.packb(FRAME)
        self.camera("camera/overhead: found", body=b"\xc1")
        self.camera("camera/overhead: the message ends", body=b"")
        self.camera("void message: camera/overhead", body=good[:-3])
        self.camera("void message: camera/overhead", body=good + b"\0")
        self.camera("void message: camera/overhead", body=b"\x91" * 100000)
        self.camera("void message: camera/overhead", body=b"\xdf\xff\xff\xff\xff")

    def test_frames_with_bad_keys(self):
        self.camera("camera/overhead: width: found 0, want 1..8192", width=0)
        self.camera("camera/overhead: height: found 65535, want 1..8192", height=65535)
        self.camera("camera/overhead: encoding: found a text of 3 bytes", encoding="png")
        self.camera("camera/overhead: v: found 2, want 1", v=2)
        self.camera("camera/overhead: stamp_ns: found nan", stamp_ns=math.nan)
        self.camera("camera/overhead: seq: found -1", seq=-1)
        self.camera("camera/overhead: from: found a text", **{"from": "me"})
        self.camera("camera/overhead: encoding: missing", body=msgpack.packb({"v": 1, "from": 1, "seq": 1, "stamp_ns": 1}))

    def test_frames_with_bad_bytes(self):
        self.camera("camera/overhead: bytes: found", data=self.pixels[:-1])
        self.camera("camera/overhead: bytes: found 0", data=b"")
        self.camera("camera/overhead: bytes", encoding="jpeg", data=b"\xff\xd8 no picture")
        self.camera("camera/overhead: bytes", encoding="jpeg", data=self.jpeg[:20])
        self.camera("camera/overhead", encoding="jpeg", data=self.jpeg, width=peer.SIDE + 1)
        self.camera("camera/overhead", encoding="jpeg", data=with_size(self.jpeg, 65535, 65535))
        self.camera("camera/overhead", encoding="jpeg", data=with_size(self.jpeg, 0, 0))

    def test_frames_of_the_wrong_form(self):
        p = self.publisher("cameras", "camera/overhead")
        self.is_counted("frames_void", lambda: p.send(FRAME), "parts: found 2, want 3")
        self.camera("cameras: topic: found a text of 16 bytes (\"camera/overhead2\"), want camera/ and one of", topic="camera/overhead2", counter="unknown_topics")
        self.camera("cameras: topic", topic="camera/over", counter="unknown_topics")
        for parts in (5, 100, 5000):
            self.is_counted("malformed", lambda n=parts: p.socket.send_multipart([b"camera/overhead"] * n))

    def test_frames_of_the_future_and_of_another_clock(self):
        self.camera("camera/overhead: stamp_ns", stamp_ns=peer.now_ns() + 1_000_000_000_000)
        self.camera("camera/overhead: stamp_ns", stamp_ns=-(2 ** 63))
        self.camera("camera/overhead: stamp_ns", stamp_ns=2 ** 63 - 1)
        self.camera("camera/overhead: stamp_ns", stamp_ns=2 ** 64 - 1)

    def test_a_second_publisher_and_repeated_frames(self):
        camera = peer.Camera(self.bench, "wrist", "jpeg").start()
        peer.wait_until(lambda: self.bench.status()["sources"]["camera/wrist"]["state"] == "fresh", "a fresh camera")
        self.camera("", topic="camera/wrist", counter="foreign")
        self.assertEqual(self.bench.status()["sources"]["camera/wrist"]["state"], "fresh")
        camera.end()
        p = self.publisher("cameras", "camera/wrist")
        head = p.head(**FRAME)
        self.is_counted("duplicates", lambda: p.send_raw(msgpack.packb({**head, "stamp_ns": peer.now_ns()}), self.pixels))

    def test_an_endless_frame_ends_the_connection(self):
        mad, good = self.publisher("cameras", "camera/overhead"), peer.Camera(self.bench, "wrist", "rgb8").start()
        peer.wait_until(lambda: self.bench.status()["sources"]["camera/wrist"]["state"] == "fresh", "a fresh camera")
        for _ in range(5):
            mad.send(FRAME, bytes(32 * 1024 * 1024))
        frames = self.bench.counter("frames")
        peer.wait_until(lambda: self.bench.counter("frames") > frames + 10, "frames of the other camera")
        good.end()

    # ---- arm states ----

    def state(self, named, **keys):
        """The real arm is silent meanwhile only for the topic's sequence: a void message is told before who sent it."""
        p = self.publisher("states", "state/arm")
        position, orientation = peer.forward(peer.HOME)
        good = {"q": peer.HOME, "dq": [0.0] * 7, "q_d": peer.HOME, "ee_pos": position.tolist(), "ee_quat": orientation.tolist(),
                "gripper_m": 0.08, "mode": "ready", "errors": [], "ack_seq": 0, "ack_t_ns": 0, "accepted_from": 0,
                "refused": {"seq": 0, "reason": ""}, "stopped": False}
        body = {**good, **keys}
        self.is_counted("states_void", lambda: p.send({k: v for k, v in body.items() if v is not None}), "state/arm: " + named)

    def test_states_that_are_not_finite(self):
        for bad in (math.nan, math.inf, -math.inf):
            self.state("q: element 3: found", q=[0, 0, 0, bad, 0, 0, 0])
            self.state("ee_pos: element 0: found", ee_pos=[bad, 0, 0])
        self.state("gripper_m: found nan", gripper_m=math.nan)

    def test_states_with_arrays_of_the_wrong_length(self):
        self.state("q: found 6 joints, want 7", q=[0] * 6, dq=[0] * 6, q_d=[0] * 6)
        self.state("dq: found 6 numbers, want 7", dq=[0] * 6)
        self.state("q: found an array of 1000", q=[0] * 1000)
        self.state("ee_pos: found an array of 2", ee_pos=[0, 0])

    def test_states_with_bad_values(self):
        self.state("ee_quat: found a norm", ee_quat=[0, 0, 0, 0])
        self.state("mode: found", mode="AWAKE")
        self.state("mode: missing", mode=None)
        self.state("stopped: found 0", stopped=0)
        self.state("q_d: missing", q_d=None)
        self.state("stamp_ns", stamp_ns=peer.now_ns() + 10 ** 12)

    def test_a_second_arm_of_the_same_name(self):
        p = self.publisher("states", "state/arm")
        position, orientation = peer.forward([0.5] * 7)
        self.is_counted("foreign", lambda: p.send({
            "q": [0.5] * 7, "dq": [0.0] * 7, "q_d": [0.5] * 7, "ee_pos": position.tolist(), "ee_quat": orientation.tolist(),
            "mode": "ready", "errors": [], "ack_seq": 0, "ack_t_ns": 0, "accepted_from": 0,
            "refused": {"seq": 0, "reason": ""}, "stopped": False}))

    # ---- operators ----

    def test_instructions(self):
        p = self.publisher("operators", "instruction")
        for text, named in (("x" * 1025, "found a text of 1025 bytes, want a text of 1..1024"), ("", "found a text of 0 bytes"),
                            (b"bytes", "found binary data"), (7, "found 7"), ("a\0b", "found a text that is not UTF-8")):
            self.is_counted("operators_void", lambda text=text: p.send({"text": text}), "instruction: text: " + named)
        for text, named in (("  \t ", "has no text but blanks"), ("lift\x1b[2J", "byte 4 is 0x1b, a control character")):
            self.is_counted("operators_void", lambda text=text: p.send({"text": text}), "instruction: " + named)
        for body in (b"\xa4text\xa2\xc3\x28", b"\xa4text\xd9\xff"):
            head = msgpack.packb(p.head())
            self.is_counted("operators_void", lambda body=body: p.send_raw(bytes([head[0] + 1]) + head[1:] + body))
        self.assertEqual(self.bench.status()["instruction"], "")

    # ---- control ----

    def test_requests(self):
        for body in (b"\xc1", b"\x80", b"\x01", b"\x91" * 5000, msgpack.packb({"cmd": 5}), msgpack.packb({"cmd": "status", "x": {}}),
                     msgpack.packb({"cmd": "fly"}), msgpack.packb({"cmd": "stop", "now": True}),
                     msgpack.packb({"cmd": "mode", "mode": "AUTO"}), msgpack.packb({"cmd": "mode"}),
                     msgpack.packb({"cmd": "mode", "mode": 1}), msgpack.packb({"cmd": "speed", "scale": math.nan}),
                     msgpack.packb({"cmd": "speed", "scale": "1"}), msgpack.packb({"cmd": "instruction", "text": ""}),
                     msgpack.packb({"cmd": "instruction", "text": "x" * 1025}), msgpack.packb({"cmd": "instruction", "text": " \n"}),
                     msgpack.packb({"cmd": "instruction", "text": "lift\x07"}), msgpack.packb({"cmd": "home", "arm": "other"}),
                     msgpack.packb({"cmd": "jog", "delta": [1, 0, 0, 0, 0, 0]}), msgpack.packb({"cmd": "jog", "delta": [0] * 100}),
                     msgpack.packb({"cmd": "jog", "delta": [math.nan] * 6}), msgpack.packb({str(i): i for i in range(300)}),
                     b"\x82\xa3cmd\xa4stop\xa3cmd\xa4stop"):
            reply = self.bench.ask_raw(body)
            self.assertIsNotNone(reply, body)
            self.assertIs(reply["ok"], False, (body, reply))
            self.assertGreater(len(reply["error"]), 5)

    def test_requests_that_cannot_be_answered(self):
        dealer = self.bench.context.socket(zmq.DEALER)
        dealer.linger = 0
        dealer.connect(self.bench.address["control"])
        for parts in ([b""], [b"", b""], [b"a", b"b", b"c"], [b""] * 50):
            dealer.send_multipart(parts)
        dealer.send_multipart([msgpack.packb({"cmd": "ping", "t_ns": 8})])  # without the delimiter: answered alike
        self.assertTrue(dealer.poll(1000 * peer.PATIENCE_S))
        self.assertEqual(msgpack.unpackb(dealer.recv())["t_ns"], 8)
        dealer.close()

    def test_a_peer_that_asks_and_never_reads(self):
        dealer = self.bench.context.socket(zmq.DEALER)
        dealer.linger, dealer.sndhwm, dealer.rcvhwm = 0, 10, 1
        dealer.connect(self.bench.address["control"])
        body = msgpack.packb({"cmd": "config"})
        for _ in range(2000):
            if dealer.poll(1, zmq.POLLOUT):
                dealer.send_multipart([b"", body])
        self.alive()
        dealer.close()

    def test_strangers_that_speak_no_zeromq(self):
        chance = random.Random(3)
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
        for name in ("control", "operators", "states", "targets", "status"):
            host, port = self.bench.address[name][len("tcp://"):].split(":")
            for data in (b"GET / HTTP/1.1\r\n\r\n", chance.randbytes(1000), greeting[:30], greeting + chance.randbytes(500),
                         greeting + b"\x06" + b"\xff" * 8 + bytes(100)):  # a command of 2^64 - 1 bytes
                with socket.create_connection((host, int(port)), peer.PATIENCE_S) as stranger:
                    stranger.sendall(data)

    # ---- everything at once ----

    def flood(self, count, seed):
        chance = random.Random(seed)
        sockets = [self.publisher("cameras", "camera/overhead"), self.publisher("states", "state/arm"),
                   self.publisher("operators", "instruction")]
        good = [msgpack.packb(s.head(**FRAME)) for s in sockets]
        for i in range(count):
            k = chance.randrange(3)
            body = bytearray(good[k])
            for _ in range(chance.randrange(1, 4)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            cut = chance.randrange(len(body) + 1) if chance.random() < 0.3 else len(body)
            sockets[k].send_raw(bytes(body[:cut]), *[chance.randbytes(chance.randrange(2000))] * chance.randrange(3))
            if i % 20 == 0:
                time.sleep(0.001)   # the arm is a thread of this process and must not be silent
            if i % 100 == 0:
                self.alive()

    def test_noise_does_no_harm_and_takes_no_memory(self):
        self.flood(FLOOD // 4, 1)
        before_kb = self.bench.resident_kb()
        self.flood(FLOOD, 2)
        if not peer.SANITIZED:  # a sanitizer keeps freed memory
            self.assertLess(self.bench.resident_kb() - before_kb, GROWTH_MAX_KB)

    def test_z_a_damaged_jpeg_ends_in_no_chunk(self):
        """Last, because there is an instruction from here on. Only the header is read on arrival; the policy finds the damage."""
        good = peer.Camera(self.bench, "overhead", "rgb8").start()
        bad = peer.Camera(self.bench, "wrist", "jpeg")
        bad.step = lambda i: bad.publisher.send({**FRAME, "encoding": "jpeg"}, peer.jpeg(peer.picture(i))[:2000])
        bad.start()
        self.assertTrue(self.bench.ask("instruction", text="push the red block")["ok"])
        peer.wait_until(lambda: self.bench.counter("chunks_rejected") > 0, "the policy to refuse the picture")
        peer.wait_until(lambda: "observation rejected" in self.bench.log(), "the log to say so")
        self.assertFalse(self.bench.ask("mode", mode="auto")["ok"])
        self.assertEqual(self.bench.counter("chunks"), 0)
        good.end()
        bad.end()


if __name__ == "__main__":
    unittest.main()
