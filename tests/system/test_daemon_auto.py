"""test_daemon_auto.py - dreamvlad among peers written against the contract: from READY to AUTO and to a controlled stop, and
nothing that a peer sends or does not send makes it crash, hang or move."""
import os
import unittest

import msgpack
import zmq

import peers


class Auto(unittest.TestCase):
    def test_targets_of_auto_and_the_stop_at_the_end(self):
        with peers.bench() as (daemon, arm, _, request):
            peers.into_auto(request)
            self.assertEqual(request(cmd="status")["mode"], "AUTO")
            moving = lambda: [t for t in arm.targets[-400:] if t["source"] == "policy"]
            peers.until("targets of the policy", lambda: len(moving()) > 200)
            status = request(cmd="status")
            self.assertTrue(status["arms"]["arm"]["attached"])
            self.assertEqual(status["sources"]["camera/wrist"]["state"], "fresh")
            self.assertGreater(status["counters"]["chunks"], 0)
            for stage in ("decode", "vision", "decoder", "overhead", "first_target", "frame_to_target"):
                self.assertGreater(status["stages"][stage]["n"], 0, stage)
            self.check_targets(arm)
            before = len(arm.targets)
            self.assertEqual(daemon.terminate(), 0, daemon.text())
            self.check_end(arm, before)

    def check_targets(self, arm):
        """Numbered without gaps, on the grid of periods, each with the velocity that leads to the next within acceleration limits."""
        targets = list(arm.targets)
        self.assertEqual({t["from"] for t in targets}, {arm.accepted_from})
        for a, b in zip(targets, targets[1:]):
            self.assertEqual(b["seq"], a["seq"] + 1)
            periods = (b["t_ns"] - a["t_ns"]) / 5e6
            self.assertEqual(periods, round(periods))
            self.assertGreater(periods, 0)
            for joint in range(7):
                mean = (b["q"][joint] - a["q"][joint]) / (periods * 5e-3)
                self.assertLess(abs(mean - (a["dq"][joint] + b["dq"][joint]) / 2), 0.1 * periods)

    def check_end(self, arm, before):
        """The daemon has ended, the arm may still have to read what it was sent."""
        peers.until("the detach", lambda: arm.requests[-1]["cmd"] == "detach")
        peers.until("the last target", lambda: len(arm.targets) > before and peers.now_ns() - arm.arrivals[-1] > 500_000_000)
        last = arm.targets[-1]
        self.assertEqual(last["source"], "hold")
        self.assertLess(max(abs(v) for v in last["dq"]), 1e-3)

    def test_hold_stop_reset_speed_and_home(self):
        with peers.bench() as (_, arm, _, request):
            peers.into_auto(request)
            refused = request(cmd="home")
            self.assertFalse(refused["ok"])
            self.assertIn("the mode is AUTO\nonly from HOLD", refused["error"])
            self.assertEqual(request(cmd="mode", mode="hold")["mode"], "HOLD")
            self.assertFalse(request(cmd="speed", scale=2.0)["ok"])
            self.assertTrue(request(cmd="speed", scale=0.5)["ok"])
            peers.until("the arm to stand, so that it may go home", lambda: request(cmd="home")["ok"])
            peers.until("home", lambda: request(cmd="status")["driver"] == "none"
                        and max(abs(a - b) for a, b in zip(arm.q, peers.HOME)) < 0.01)
            peers.into_auto(request)
            self.assertTrue(request(cmd="stop")["ok"])
            peers.until("HOLD", lambda: request(cmd="status")["mode"] == "HOLD")

    def test_frozen_camera_ends_auto(self):
        with peers.bench() as (_, _, cameras, request):
            peers.into_auto(request)
            cameras.frozen = True
            status = peers.until("HOLD", lambda: (s := request(cmd="status"))["mode"] == "HOLD" and s)
            self.assertIn("frozen", status["reason"])

    def test_what_comes_under_a_hold_has_its_sentence_too(self):
        with peers.bench() as (_, _, cameras, request):
            peers.into_auto(request)
            self.assertTrue(request(cmd="stop")["ok"])
            cameras.frozen = True
            status = peers.until("both", lambda: "frozen" in str((s := request(cmd="status"))["causes"]) and s)
            self.assertEqual((status["mode"], status["reason"]), ("HOLD", "an operator's stop"))
            self.assertIn("CAMERA_FROZEN", status["faults"])

    def test_lost_arm_is_a_fault_and_reset_attaches_again(self):
        with peers.bench() as (_, arm, _, request):
            peers.into_auto(request)
            arm.special = {"mode": "reflex"}
            status = peers.until("FAULT", lambda: (s := request(cmd="status"))["mode"] == "FAULT" and s)
            self.assertIn("reflex", status["reason"])
            self.assertFalse(request(cmd="mode", mode="auto")["ok"])
            arm.accepted_from = 0
            arm.special = {}  # last: the state that lets the reset succeed says that nobody is attached
            peers.until("the reset", lambda: request(cmd="reset")["ok"])
            peers.until("the second attach", lambda: arm.accepted_from != 0)
            peers.into_auto(request)


class Refusals(unittest.TestCase):
    def test_everything_missing_is_listed(self):
        with peers.bench(with_arm=False, with_cameras=False) as (_, _, _, request):
            peers.until("READY", lambda: request(cmd="status")["mode"] == "READY")
            reply = request(cmd="mode", mode="auto")
            self.assertFalse(reply["ok"])
            lines = reply["error"].split("\n")
            for words in ("arm arm: no state received yet", "camera overhead: nothing received yet",
                          "camera wrist: nothing received yet", "there is no instruction"):
                self.assertTrue(any(words in line for line in lines), reply["error"])
            self.assertEqual(request(cmd="status")["mode"], "READY")

    def test_arm_that_never_answers(self):
        def mute(arm):
            arm.answer = lambda _: None

        with peers.bench(prepare=mute) as (_, arm, _, request):
            request(cmd="instruction", text="wave")
            shown = lambda: request(cmd="status")["arms"]["arm"]["refused"]
            peers.until("the reason in status", lambda: "no answer from ipc://" in shown())
            self.assertEqual(request(cmd="status")["mode"], "READY")
            self.assertIn("arm arm: not attached", request(cmd="mode", mode="auto")["error"])
            self.assertEqual(arm.targets, [])

    def test_bad_requests(self):
        with peers.bench(with_arm=False, with_cameras=False) as (daemon, _, _, request):
            for wrong, words in (({"cmd": "dance"}, "want one of status, ping, mode"), ({}, "cmd"),
                                 ({"cmd": "mode"}, "mode"), ({"cmd": "mode", "mode": "AUTO"}, "want auto, hold or shadow"),
                                 ({"cmd": "mode", "mode": 3}, "mode"), ({"cmd": "status", "more": 1}, "more"),
                                 ({"cmd": "speed", "scale": 0.01}, "scale"), ({"cmd": "speed", "scale": "fast"}, "scale"),
                                 ({"cmd": "instruction", "text": ""}, "text"), ({"cmd": "instruction", "text": "x" * 1025}, "text"),
                                 ({"cmd": "home", "arm": "third"}, "third"), ({"cmd": "jog", "delta": [0.1, 0, 0, 0, 0, 0]}, "delta"),
                                 ({"cmd": "jog", "delta": [0.001]}, "delta"), ({"cmd": "ping"}, "t_ns")):
                reply = request(**wrong)
                self.assertFalse(reply["ok"], wrong)
                self.assertIn(words, reply["error"], wrong)
            pong = request(cmd="ping", t_ns=12)
            self.assertEqual(pong["t_ns"], 12)
            self.assertLessEqual(pong["recv_ns"], pong["send_ns"])
            self.assertEqual(request(cmd="config")["policy.decoder"], "discrete")
            self.assertIsNone(daemon.process.poll())

    def test_stop_is_not_ok_while_control_hangs(self):
        with peers.bench() as (daemon, arm, _, request):
            peers.until("the attach", lambda: arm.accepted_from)
            with peers.hanging(self, daemon, "control"):
                for _ in range(100):  # the first ones wait in the queue of commands, then it is full
                    reply = request(cmd="stop")
                    self.assertFalse(reply["ok"])
                    self.assertIn("own door", reply["hint"])
                    if "takes no commands" in reply["error"]:
                        break
                self.assertIn("takes no commands", reply["error"])
            peers.until("control again", lambda: request(cmd="stop")["ok"])

    def test_void_messages_are_counted_and_named(self):
        with peers.bench() as (daemon, arm, _, request):
            context = zmq.Context()
            bad = peers.Publisher(context, f"ipc://{daemon.folder}/cameras")
            operator = peers.Publisher(context, f"ipc://{daemon.folder}/operators")
            pixels = os.urandom(3 * 64 * 48)

            def send_all():
                for garbage in peers.rejected_bytes():
                    for topic in (b"camera/wrist", b"instruction", b"state/arm", b"", b"camera/wrist/too/deep"):
                        bad.socket.send_multipart([topic, garbage, pixels])
                        operator.socket.send_multipart([topic, garbage])
                frame = {"encoding": "rgb8", "width": 64, "height": 48}
                bad.send("camera/wrist", {**frame, "width": 9000}, pixels)
                bad.send("camera/wrist", frame, pixels[:-1])
                bad.send("camera/wrist", {**frame, "encoding": "jpeg"}, pixels)
                bad.send("camera/wrist", frame, pixels, stamp_ns=peers.now_ns() + 10**9)
                bad.send("camera/wrist", frame)
                operator.send("instruction", {"text": "x" * 1025})
                counters = request(cmd="status")["counters"]
                return counters["frames_void"] > 10 and counters["operators_void"] > 5 and counters["unknown_topics"] > 3

            peers.until("the void messages to be counted", send_all)
            context.destroy(linger=0)
            for words in ("camera/wrist: width", "camera/wrist: bytes", "camera/wrist: stamp_ns", "instruction: text"):
                peers.until(words, lambda: f"void message: {words}" in daemon.text())
            self.assertEqual(request(cmd="status")["instruction"], "")
            peers.into_auto(request) # the good publishers are still believed

    def test_state_that_is_not_finite_or_of_another_arm(self):
        with peers.bench() as (daemon, arm, _, request):
            peers.until("the attach", lambda: request(cmd="status")["arms"]["arm"]["attached"])  # control's, not only the arm's
            arm.special = {"q": [float("nan")] * 7}
            peers.until("void states", lambda: request(cmd="status")["counters"]["states_void"] > 0)
            peers.until("the fault", lambda: "what has come since is void" in request(cmd="status")["reason"])
            arm.special = {"q": [0.0] * 6, "dq": [0.0] * 6, "q_d": [0.0] * 6}
            peers.until("another arm's joints", lambda: "found 6 joints, want 7" in daemon.text())
            self.assertNotEqual(request(cmd="status")["mode"], "AUTO")

    def test_second_publisher_does_not_take_a_topic_over(self):
        with peers.bench() as (daemon, arm, _, request):
            context = zmq.Context()
            second = peers.Publisher(context, f"ipc://{daemon.folder}/cameras")
            frame = {"encoding": "rgb8", "width": 64, "height": 48}

            def foreign():
                second.send("camera/wrist", frame, os.urandom(3 * 64 * 48))
                return request(cmd="status")["counters"]["foreign"] > 3

            peers.until("the second publisher to be counted", foreign)
            peers.until("its topic in the log", lambda: "camera/wrist: from: found" in daemon.text())
            context.destroy(linger=0)

    def test_second_arm_of_the_same_name_is_not_believed(self):
        with peers.bench() as (daemon, arm, _, request):
            peers.into_auto(request)
            context = zmq.Context()
            second = peers.Publisher(context, f"ipc://{daemon.folder}/states")
            position, quaternion = peers.forward(peers.HOME)
            state = {"q": peers.HOME, "dq": [0.0] * 7, "q_d": peers.HOME, "ee_pos": position, "ee_quat": quaternion, "gripper_m": 0.04,
                     "mode": "reflex", "errors": ["made up"], "accepted_from": 1, "stopped": True, "ack_seq": 0, "ack_t_ns": 0}

            def foreign():
                second.send("state/arm", state)
                return request(cmd="status")["counters"]["foreign"] > 50

            peers.until("the second arm to be counted", foreign)
            peers.until("its topic in the log", lambda: "state/arm: from: found" in daemon.text())
            self.assertNotIn("reflex", daemon.text())  # a single one that was used would have been a fault
            self.assertFalse(request(cmd="status")["arms"]["arm"]["stopped"])
            context.destroy(linger=0)


class Status(unittest.TestCase):
    def test_status_and_events_on_the_topic(self):
        with peers.bench(with_arm=False) as (daemon, arm, _, request):
            context = zmq.Context()
            socket = context.socket(zmq.SUB)
            socket.connect(f"ipc://{daemon.folder}/status")
            socket.subscribe("")
            heard = {"status": [], "event": []}

            def listen():
                while socket.poll(20):
                    topic, body = socket.recv_multipart()
                    heard[topic.decode()].append(msgpack.unpackb(body))
                return heard

            peers.until("status", lambda: listen()["status"])
            arm.start()  # not before somebody listens
            peers.into_auto(request)
            peers.until("the event of AUTO", lambda: [e for e in listen()["event"] if e["mode"] == "AUTO"])
            peers.until("three in a row", lambda: len(listen()["status"]) > 3)
            numbers = [m["seq"] for m in heard["status"]]
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
            self.assertIn("instruction", {e["kind"] for e in heard["event"]})
            peers.until("the attach", lambda: [e for e in listen()["event"] if e["kind"] == "attach"])
            attached = [e for e in heard["event"] if e["kind"] in ("attach", "refused")]
            self.assertEqual({e.get("arm") for e in attached}, {"arm"})
            for a, b in zip(attached, attached[1:]):  # one each, unless this machine's pauses made the motion start again
                self.assertNotEqual((a["kind"], b["kind"]), ("attach", "attach"))
            self.assertEqual({e.get("arm", "") for e in heard["event"] if e["kind"] == "mode"}, {""})
            context.destroy(linger=0)


if __name__ == "__main__":
    unittest.main()
