"""test_daemon_teleop.py - a person's device written against the contract takes an arm over and gives it back; nothing that is not
a valid message with a new edge of its dead-man moves anything."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

import msgpack
import zmq

import peers

STILL = [0.0] * 6


class Device(threading.Thread):
    """Publishes teleop/<name> at 100 Hz with what `fields` holds."""

    def __init__(self, context, folder, name="pad"):
        super().__init__(daemon=True)
        self.publisher = peers.Publisher(context, f"ipc://{folder}/operators")
        self.topic, self.stopped, self.silent = f"teleop/{name}", threading.Event(), False
        self.fields = {"deadman": False, "kind": "twist", "values": STILL, "frame": "base"}

    def run(self):
        while not self.stopped.wait(0.01):
            if not self.silent:
                self.publisher.send(self.topic, self.fields)

    def set(self, **fields):
        self.fields = {**self.fields, **fields}


class Teleop(unittest.TestCase):
    def setUp(self):
        self.context = zmq.Context()
        self.devices = []
        self.addCleanup(self.end)

    def end(self):
        for device in self.devices:
            device.stopped.set()
            device.join()
        self.context.destroy(linger=0)

    def device(self, daemon, name="pad"):
        device = Device(self.context, daemon.folder, name)
        self.devices.append(device)
        device.start()
        return device

    def take_over(self, device, request, **fields):
        """A new edge, once the daemon has seen the dead-man released."""
        device.set(deadman=False)
        seen = device.topic
        peers.until("the device in status", lambda: request(cmd="status")["sources"].get(seen, {}).get("state") == "fresh")
        time.sleep(0.05)
        device.set(deadman=True, **fields)
        peers.until("the take-over", lambda: request(cmd="status")["driver"] == device.topic)

    def drive(self, device, request, what, condition, **fields):
        """Drives until the condition holds; a pause of the machine ends a take-over, and asks for another one."""
        def done():
            if request(cmd="status")["driver"] != device.topic:
                self.take_over(device, request, **fields)
            return condition()

        device.set(**fields)
        peers.until(what, done)

    def drives_through(self, daemon, device, request, disturb):
        """What disturb() does takes nothing from the device that drives: nor ends it, nor moves anything. Where the machine's own pause
        has ended the take-over, another try shows it."""
        def undisturbed():
            said = len(daemon.text())
            self.take_over(device, request)
            disturb()
            drives = request(cmd="status")["driver"] == device.topic
            if not drives:
                self.assertRegex(daemon.text()[said:], "targets paused|teleop: no message")
            return drives

        peers.until("a drive that nothing disturbs", undisturbed)

    def attached(self, request):
        peers.until("attach", lambda: request(cmd="status")["arms"]["arm"]["attached"])

    def test_take_over_from_auto_move_and_hand_back(self):
        with peers.bench(extra="teleop:\n  resume: auto\n  timeout_ms: 1000") as (daemon, arm, _, request):
            device = self.device(daemon)
            peers.into_auto(request)
            peers.until("targets of the policy", lambda: [t for t in arm.targets if t["source"] == "policy"])
            self.take_over(device, request)
            self.assertEqual(request(cmd="status")["mode"], "TELEOP")
            self.drive(device, request, "the arm to stand", lambda: max(map(abs, arm.targets[-1]["dq"])) < 1e-3)
            self.drive(device, request, "targets of the person", lambda: arm.targets[-1]["source"] == "teleop" and arm.targets[-1]["intervention"])
            height = peers.forward(arm.q)[0][2]
            self.drive(device, request, "the arm to follow", lambda: peers.forward(arm.q)[0][2] < height - 0.02,
                       values=[0.0, 0.0, -0.05, 0.0, 0.0, 0.0])
            self.assertFalse(request(cmd="mode", mode="auto")["ok"])

    def test_a_release_hands_back_to_the_policy_it_interrupted(self):
        """Where the machine pauses in between, HOLD is right, and another try shows it."""
        with peers.bench(extra="teleop:\n  resume: auto\n  timeout_ms: 1000") as (daemon, arm, _, request):
            device = self.device(daemon)

            def handed_back():
                peers.into_auto(request)
                self.take_over(device, request)
                device.set(deadman=False)
                peers.until("an end of TELEOP", lambda: request(cmd="status")["mode"] in ("AUTO", "HOLD"))
                return request(cmd="status")["reason"] == "handed back to the policy"

            peers.until("AUTO again", handed_back)
            number = len(arm.targets)
            peers.until("targets of the policy again", lambda: [t for t in arm.targets[number:] if t["source"] == "policy"])
            self.assertFalse(arm.targets[-1]["intervention"])

    def test_silence_and_release_end_in_hold(self):
        with peers.bench(with_cameras=False, extra="teleop:\n  timeout_ms: 1000") as (daemon, arm, _, request):
            device = self.device(daemon)
            self.attached(request)
            for silent, words in ((True, "no message"), (False, "released")):
                def ended():
                    self.take_over(device, request, values=[0.0, 0.03, 0.0, 0.0, 0.0, 0.0])
                    device.silent = silent
                    device.set(deadman=silent)
                    peers.until("HOLD", lambda: request(cmd="status")["mode"] == "HOLD")
                    device.silent = False  # after silence the dead-man is still pressed
                    return words in request(cmd="status")["reason"]

                peers.until(words, ended)
                time.sleep(0.3)
                self.assertEqual(request(cmd="status")["mode"], "HOLD")

    def events(self, daemon):
        """A function that returns all events since now."""
        socket = self.context.socket(zmq.SUB)
        socket.connect(f"ipc://{daemon.folder}/status")
        socket.subscribe("event")
        heard = []

        def listen():
            while socket.poll(0):
                heard.append(msgpack.unpackb(socket.recv_multipart()[1]))
            return heard

        return listen

    def test_a_tap_stops_the_policy_and_leaves_a_whole_record(self):
        with peers.bench(extra="teleop:\n  timeout_ms: 1000") as (daemon, arm, _, request):
            events = self.events(daemon)
            peers.until("a subscription", lambda: request(cmd="instruction", text=f"wave {len(events())}")["ok"] and events())
            device = self.device(daemon)
            peers.into_auto(request)
            peers.until("the device in status", lambda: request(cmd="status")["sources"].get("teleop/pad", {}).get("state") == "fresh")
            device.stopped.set()
            device.join()
            for deadman in (False, True, False):
                device.publisher.send(device.topic, {**device.fields, "deadman": deadman})
            end = peers.until("the intervention", lambda: [e for e in events() if e["kind"] == "intervention"])[0]
            begin = [e for e in events() if e["kind"] == "takeover"][0]
            self.assertEqual(request(cmd="status")["mode"], "HOLD")
            for event in (begin, end):
                self.assertEqual((event["source"], event["arm"]), ("teleop/pad", "arm"))
            self.assertEqual((begin["code"], end["code"]), ("TAKEN_OVER", "DEADMAN_RELEASED"))
            self.assertEqual(begin["began_ns"], end["began_ns"])
            self.assertNotIn("ended_ns", begin)
            self.assertGreater(end["ended_ns"], end["began_ns"])
            self.assertRegex(end["reason"], r"^arm arm: a person drove for [0-9.]+ m?s; arm arm: the dead-man was released$")
            for mode, code in (("TELEOP", "TAKEN_OVER"), ("HOLD", "DEADMAN_RELEASED")):
                self.assertIn((mode, code), [(e["mode"], e["code"]) for e in events() if e["kind"] == "mode"])
            marked = [t["t_ns"] for t in arm.targets if t["intervention"]]
            self.assertGreaterEqual(len(marked), 1)
            playout_ns = marked[0] - end["began_ns"]  # a target is due so long after its tick
            self.assertEqual([t["t_ns"] for t in arm.targets if end["began_ns"] <= t["t_ns"] - playout_ns < end["ended_ns"]], marked)

    def test_who_is_outranked_hears_who_drives(self):
        with peers.bench(with_cameras=False, extra="teleop:\n  timeout_ms: 1000\n  devices: [pad, leader]") as (daemon, arm, _, request):
            events, device, other = self.events(daemon), self.device(daemon), self.device(daemon, "leader")
            self.attached(request)

            def press():
                for deadman in (False, True, False):
                    other.set(deadman=deadman)
                    time.sleep(0.05)

            def refused():
                self.drives_through(daemon, device, request, press)
                return [e for e in events() if e["kind"] == "refused" and e["source"] == "teleop/leader"]

            event = peers.until("the refusal", refused)[0]
            self.assertEqual(event["code"], "TELEOP_OUTRANKED")
            self.assertIn("teleop/pad", event["reason"])
            self.assertIn("teleop/leader: arm arm: another device drives", request(cmd="status")["teleop"]["refused"])

    def test_void_messages_move_nothing_and_stop_nobody(self):
        with peers.bench(with_cameras=False, extra="teleop:\n  timeout_ms: 1000\n  devices: [pad, spare]") as (daemon, arm, _, request):
            device = self.device(daemon)
            self.attached(request)
            other = peers.Publisher(self.context, f"ipc://{daemon.folder}/operators")
            good = {"deadman": True, "kind": "twist", "values": STILL, "frame": "base"}
            void = [{**good, "values": [0.1] * 5}, {**good, "values": [float("nan")] * 6}, {**good, "kind": "force"}, {**good, "deadman": 1},
                    {**good, "kind": "joint"}, {**good, "kind": "pose", "values": [0.0] * 7}, {**good, "arm": "leg"}, {"deadman": True},
                    {k: v for k, v in good.items() if k != "frame"}, {**good, "gripper_m": float("inf")}]
            voids = lambda: request(cmd="status")["counters"]["operators_void"]
            before = voids()

            def send_all():
                for fields in void:
                    other.send("teleop/spare", fields)
                other.send("teleop/spare", good, stamp_ns=peers.now_ns() - 2_000_000_000)
                other.send("teleop/spare", good, stamp_ns=peers.now_ns() + 50_000_000)
                other.send("teleop/stranger", good)
                other.send("teleop/", good)
                other.socket.send_multipart([b"teleop/spare", b"\xc1"])
                other.socket.send_multipart([b"teleop/spare", msgpack.packb(good), b"more"])
                return voids() > before + 2 * len(void)

            self.drives_through(daemon, device, request, lambda: peers.until("the complaints", send_all))
            self.assertLess(max(map(abs, arm.targets[-1]["dq"])), 1e-3)
            self.assertIn("teleop/stranger", daemon.text())

    def test_a_thousand_names_disturb_nobody_and_fill_nothing(self):
        with peers.bench(with_cameras=False, extra="teleop:\n  timeout_ms: 1000") as (daemon, arm, _, request):
            device = self.device(daemon)
            self.attached(request)
            flood = peers.Publisher(self.context, f"ipc://{daemon.folder}/operators")
            peers.until("the flood to be heard", lambda: flood.send("teleop/first", device.fields) or
                        "teleop/first" in request(cmd="status")["sources"])
            log_bytes = 0

            def send_all():
                nonlocal log_bytes
                log_bytes = len(daemon.text())
                for k in range(1000):
                    for deadman in (False, True):
                        flood.send(f"teleop/name{k}", {**device.fields, "deadman": deadman, "values": [0.2] * 6})
                        flood.send(f"teleop/name{k}", {**device.fields, "values": [0.2]})
                    if k % 50 == 0:
                        time.sleep(0.01)

            self.drives_through(daemon, device, request, send_all)
            status = request(cmd="status")
            self.assertGreater(status["counters"]["operators_void"], 100)
            self.assertEqual(len([s for s in status["sources"] if s.startswith("teleop/")]), 8)
            self.assertLess(max(map(abs, arm.targets[-1]["dq"])), 1e-3)
            self.assertLess(len(daemon.text()) - log_bytes, 30_000)

    def test_a_second_publisher_of_the_device_is_not_believed(self):
        with peers.bench(with_cameras=False, extra="teleop:\n  timeout_ms: 1000") as (daemon, arm, _, request):
            device = self.device(daemon)
            self.attached(request)
            foreign = peers.Publisher(self.context, f"ipc://{daemon.folder}/operators")

            def disturb():
                foreign.send("teleop/pad", {"deadman": False, "kind": "twist", "values": STILL, "frame": "base"})
                return request(cmd="status")["counters"]["foreign"] > 20

            self.drives_through(daemon, device, request, lambda: peers.until("the foreign messages", disturb))


class Terminal(unittest.TestCase):
    """dreamvlactl teleop on a pseudo-terminal."""

    def setUp(self):
        self.mine, self.its = pty.openpty()
        self.addCleanup(os.close, self.mine)
        self.addCleanup(os.close, self.its)
        self.said = ""

    def key(self, key, words):
        """Presses a key and waits until the line says these words."""
        start = len(self.said)
        os.write(self.mine, key.encode())
        peers.until(f"{words!r} behind key {key!r} in {self.said[start:]!r}", lambda: words in self.read()[start:])

    def read(self):
        os.set_blocking(self.mine, False)
        try:
            self.said += os.read(self.mine, 65536).decode(errors="replace")
        except BlockingIOError:
            pass
        return self.said

    def test_keys_are_steps_from_hold_and_space_stops(self):
        with peers.bench(with_cameras=False) as (daemon, arm, _, request):
            peers.until("attach", lambda: request(cmd="status")["arms"]["arm"]["attached"])
            ctl = subprocess.Popen([peers.BUILD / "dreamvlactl", "--config", daemon.config, "teleop"], stdin=self.its, stdout=self.its,
                                   stderr=self.its)
            self.addCleanup(ctl.kill)
            peers.until("the line", lambda: "READY" in self.read())
            self.key("r", "only from HOLD")
            self.key("h", "HOLD")
            height = peers.forward(arm.q)[0][2]
            def higher():
                self.key("r", "HOLD")
                time.sleep(0.5)
                return peers.forward(arm.q)[0][2] > height + 0.0045

            peers.until("5 mm up", higher)
            self.key("+", "step 6 mm")
            self.key(" ", "operator's stop")
            for after in (b" w", b" q", b" \r", b" \x1b", b"h ", b" " + b"w" * 100):
                with self.subTest(after):
                    self.key("h", "asked for HOLD")
                    start = len(self.read())
                    os.write(self.mine, after)  # one batch: the stop counts, whatever was typed behind it
                    peers.until("the stop", lambda: "operator's stop" in self.read()[start:])
                    self.assertIsNone(ctl.poll())
            start = len(self.read())
            os.write(self.mine, b"hw")
            peers.until("HOLD asked for", lambda: "asked for HOLD" in self.read()[start:])
            os.write(self.mine, b"q")
            self.assertEqual(ctl.wait(peers.PATIENCE_S), 0)

    def drawn(self):
        """The two lines as they stand in the terminal now."""
        last = self.read().split("\x1b[A\r")[-2]
        return [re.sub(r"\x1b\[[A-Z]", "", line).strip("\r\n") for line in last.split("\r\x1b[K")[1:]]

    def test_it_shows_who_drives_in_any_width(self):
        with peers.bench(with_cameras=False, extra="teleop:\n  timeout_ms: 1000") as (daemon, arm, _, request):
            peers.until("attach", lambda: request(cmd="status")["arms"]["arm"]["attached"])
            context = zmq.Context()
            device = Device(context, daemon.folder)
            device.start()
            fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 36, 0, 0))
            ctl = subprocess.Popen([peers.BUILD / "dreamvlactl", "--config", daemon.config, "teleop"], stdin=self.its, stdout=self.its,
                                   stderr=self.its)
            self.addCleanup(ctl.kill)
            peers.until("two lines", lambda: "\x1b[A\r" in self.read() and self.drawn()[0].startswith("READY"))

            def shown():
                if request(cmd="status")["driver"] != "teleop/pad":
                    device.set(deadman=False)
                    time.sleep(0.1)
                    device.set(deadman=True, values=[0.0, 0.05, 0.0, 0.0, 0.0, 0.0])
                first = self.drawn()[0]
                return re.match(r"TELEOP teleop/pad  arm (4\d|5\d) mm/s", first)

            peers.until("the person's speed", shown)
            self.assertLess(max(len(line) for line in self.drawn()), 36)
            viewer = subprocess.Popen([peers.BUILD / "dreamvlactl", "--config", daemon.config, "--json", "teleop"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, text=True)
            self.addCleanup(viewer.stdout.close)
            self.addCleanup(viewer.kill)
            lines = [json.loads(viewer.stdout.readline()) for _ in range(3)]
            self.assertEqual(set(lines[-1]), {"mode", "reason", "driver", "speed", "refused", "arms"})
            self.assertIsInstance(lines[-1]["arms"]["arm"]["v_m_s"], float)
            viewer.terminate()
            self.assertEqual(viewer.wait(peers.PATIENCE_S), 0)
            device.stopped.set()
            device.join()
            os.write(self.mine, b"q")
            self.assertEqual(ctl.wait(peers.PATIENCE_S), 0)
            context.destroy(linger=0)

    def test_without_a_daemon_it_ends(self):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run([peers.BUILD / "dreamvlactl", "--address", f"ipc://{folder}/nobody", "teleop"], stdin=self.its,
                                    capture_output=True, text=True, timeout=peers.PATIENCE_S)
            self.assertEqual(result.returncode, 1)
            self.assertIn("no answer", result.stderr)

    def test_without_a_terminal_it_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run([peers.BUILD / "dreamvlactl", "--address", f"ipc://{folder}/nobody", "teleop"], stdin=subprocess.DEVNULL,
                                    capture_output=True, text=True)
            self.assertEqual(result.returncode, 1)
            self.assertIn("no terminal", result.stderr)


if __name__ == "__main__":
    unittest.main()
