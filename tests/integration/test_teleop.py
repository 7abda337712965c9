#!/usr/bin/python3
"""dreamvla-teleop from the events of a device to its messages, which are judged here by the contract alone."""
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_input as fake  # noqa: E402
from robots_bench import B, PATIENCE_S, now_ns, wait_for  # noqa: E402

PROGRAM = os.path.join(B, "dreamvla-teleop")


class Bench(unittest.TestCase):
    """Plays dreamvlad: binds the operators' socket and judges what comes."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.input = self.folder / "input"
        self.input.mkdir()
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, linger=0)
        self.operators = self.context.socket(zmq.SUB)
        self.operators.rcvhwm = 10000
        self.operators.bind(f"ipc://{self.folder}/operators")
        self.operators.subscribe(b"")
        self.heard, self.processes = [], []
        self.addCleanup(self.end_all)

    def end_all(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()

    def device(self, name, like):
        device = fake.Device(self.input, name, like)
        self.addCleanup(device.close)
        return device

    def start(self, *arguments, **more):
        process = subprocess.Popen([PROGRAM, "--operators", f"ipc://{self.folder}/operators", "--status", f"ipc://{self.folder}/status",
                                    *map(str, arguments)], env=fake.environment(self.input),
                                   **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, **more})
        self.processes.append(process)
        return process

    def call(self, *arguments, **more):
        return subprocess.run([PROGRAM, *map(str, arguments)], env=fake.environment(self.input), capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False, **more)

    def take(self, topic="teleop/gamepad"):
        """Everything that has come, judged: messages.md sections 2 and 5."""
        while self.operators.poll(0):
            name, body = self.operators.recv_multipart()
            m = msgpack.unpackb(body)
            self.assertEqual(name.decode(), topic)
            self.assertEqual(m["v"], 1)
            self.assertIsInstance(m["deadman"], bool)
            self.assertLess(abs(now_ns() - m["stamp_ns"]), PATIENCE_S * 1e9)
            if m["kind"] == "twist":
                self.assertEqual(len(m["values"]), 6)
                self.assertIn(m["frame"], ("base", "tcp"))
                if not m["deadman"]:
                    self.assertEqual(m["values"], [0.0] * 6)
            if self.heard and self.heard[-1]["from"] == m["from"]:
                self.assertGreater(m["seq"], self.heard[-1]["seq"])
                self.assertGreaterEqual(m["stamp_ns"], self.heard[-1]["stamp_ns"])
            self.heard.append(m)
        return self.heard

    def until(self, what, condition, topic="teleop/gamepad"):
        """The first message from now on that fulfils the condition."""
        self.take(topic)
        start = len(self.heard)
        return wait_for(what, lambda: next((m for m in self.take(topic)[start:] if condition(m)), None))

    def silent(self, topic="teleop/gamepad"):
        """Whether nothing comes for a while, once what was on its way has come."""
        self.take(topic)
        number = len(self.heard)
        time.sleep(0.3)
        self.take(topic)
        return len(self.heard) == number

    def log_of(self, process):
        process.kill()
        return process.stderr.read()


class Gamepad(Bench):
    def begin(self, *arguments, **more):
        pad = self.device("event3", fake.GAMEPAD)
        process = self.start("--device", "gamepad", *arguments, **more)
        self.until("a released dead-man", lambda m: not m["deadman"])
        return pad, process

    def press(self, pad):
        pad.key(fake.BTN_TR, 0)
        pad.key(fake.BTN_TR, 1)
        return self.until("the dead-man", lambda m: m["deadman"])

    def test_the_whole_way(self):
        pad, process = self.begin()
        self.assertEqual(self.press(pad)["values"], [0.0] * 6)
        pad.axis(fake.ABS_Y, -32768)
        moving = self.until("motion", lambda m: m["values"][0] > 0)
        self.assertAlmostEqual(moving["values"][0], 0.1)
        self.assertEqual(moving["frame"], "base")
        self.assertNotIn("arm", moving)
        pad.key(fake.BTN_SOUTH, 1)
        self.assertEqual(self.until("a closing gripper", lambda m: m["gripper_m"] == 0.0)["deadman"], True)
        pad.key(fake.BTN_TR, 0)
        self.until("the release", lambda m: not m["deadman"])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_it_repeats_itself_at_its_rate_and_without_events(self):
        self.begin("--rate", "50")
        start = len(self.heard)
        wait_for("50 messages", lambda: len(self.take()) >= start + 50)
        stamps = [m["stamp_ns"] for m in self.heard[start:start + 50]]
        self.assertGreater(stamps[-1] - stamps[0], 0.9 * 49 * 20e6)  # at most 50 Hz; a pause of the machine makes it slower only

    def test_arm_name_and_frame_as_given(self):
        self.device("event3", fake.GAMEPAD)
        self.start("--device", "gamepad", "--arm", "left", "--name", "pad-1", "--frame", "tcp")
        m = self.until("a message", lambda m: True, "teleop/pad-1")
        self.assertEqual((m["arm"], m["frame"]), ("left", "tcp"))

    def test_ending_while_the_dead_man_is_held_is_a_loss_and_no_release(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number):
                pad, process = self.begin()
                self.press(pad)
                pad.axis(fake.ABS_X, 32767)
                self.until("motion", lambda m: m["values"][1] < 0)
                process.send_signal(number)
                self.assertEqual(process.wait(PATIENCE_S), 0)
                time.sleep(0.1)
                last = self.take()[-1]
                self.assertTrue(last["deadman"])  # a release would hand back to the policy, with teleop.resume: auto
                self.assertEqual(last["values"], [0.0] * 6)
                pad.path.unlink()

    def test_ending_while_nobody_reads_its_output_is_no_release_either(self):
        pad, process = self.begin("--json", stdout=subprocess.PIPE)
        self.press(pad)
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE_S), 1)
        time.sleep(0.1)
        self.assertTrue(self.take()[-1]["deadman"])

    def test_unplugged_it_says_nothing_and_needs_a_new_press(self):
        pad, process = self.begin()
        self.press(pad)
        pad.unplug()
        wait_for("silence", self.silent)
        self.assertTrue(self.heard[-1]["deadman"])  # the last word before: what follows is for dreamvlad's timeout
        pad.plug_in()
        self.until("messages again", lambda m: True)
        time.sleep(0.2)
        self.assertFalse(any(m["deadman"] for m in self.take()[-10:]))
        self.press(pad)
        self.assertIn("unplugged", self.log_of(process))

    def test_another_device_in_its_place_is_not_taken(self):
        pad, process = self.begin("--evdev", "/dev/input/event3")
        pad.unplug()
        wait_for("silence", self.silent)
        pad.like["name"] = "Other Pad"
        pad.plug_in()
        time.sleep(1.2)
        self.assertTrue(self.silent())
        pad.like["name"] = "Test Pad"
        pad.tell()
        self.until("messages again", lambda m: True)

    def test_events_that_the_kernel_dropped_are_a_loss_and_the_state_is_read_anew(self):
        pad, _ = self.begin()
        self.press(pad)
        pad.axis(fake.ABS_Y, -32768)
        self.until("motion", lambda m: m["values"][0] > 0)
        pad.like["keys"][fake.BTN_TR] = 0  # nobody was told
        pad.like["axes"][fake.ABS_Y][0] = 0
        pad.tell()
        pad.send((fake.EV_SYN, fake.SYN_DROPPED, 0))
        released = self.until("the release", lambda m: not m["deadman"])
        held = [m for m in self.heard if m["deadman"]][-1]
        self.assertEqual(held["values"], [0.0] * 6)
        self.assertGreater(released["stamp_ns"] - held["stamp_ns"], 1e9)  # beyond every teleop.timeout_ms: nobody let go
        time.sleep(0.1)
        self.assertFalse(self.take()[-1]["deadman"])
        pad.key(fake.BTN_TR, 1)  # a new press, as the program knows by now that it was released
        self.until("the dead-man", lambda m: m["deadman"])
        pad.axis(fake.ABS_X, 32767)
        m = self.until("motion", lambda m: m["values"][1] < 0)
        self.assertEqual(m["values"][0], 0.0)

    def test_dropped_events_while_it_is_held_are_a_release(self):
        pad, _ = self.begin()
        self.press(pad)
        pad.send((fake.EV_SYN, fake.SYN_DROPPED, 0))
        self.until("the release", lambda m: not m["deadman"])
        time.sleep(0.2)
        self.assertFalse(self.take()[-1]["deadman"])
        self.press(pad)

    def test_a_program_that_stands_still_says_nothing(self):
        pad, process = self.begin()
        self.press(pad)
        process.send_signal(signal.SIGSTOP)
        wait_for("silence", self.silent)
        pad.key(fake.BTN_TR, 0)
        pad.key(fake.BTN_TR, 1)
        start = len(self.heard)
        process.send_signal(signal.SIGCONT)
        wait_for("messages again", lambda: len(self.take()) > start)
        self.assertFalse(self.heard[start]["deadman"])  # the release was not overlooked

    def test_nobody_who_reads_its_output_stops_it(self):
        pad, process = self.begin("--json", stdout=subprocess.PIPE)
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        for _ in range(60):  # of which each makes at least two lines
            self.press(pad)
        self.assertFalse(self.silent())
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE_S), 1)

    def test_the_live_line_of_a_terminal_that_nobody_reads_at_first(self):
        mine, its = os.openpty()
        self.addCleanup(os.close, mine)
        self.addCleanup(os.close, its)
        pad, process = self.begin(stdout=its)
        for _ in range(60):  # of which each makes at least two lines; a terminal takes 4 kB
            self.press(pad)
        self.assertFalse(self.silent())
        os.set_blocking(mine, False)
        said = ""

        def line():
            nonlocal said
            with contextlib.suppress(BlockingIOError):
                said += os.read(mine, 65536).decode(errors="replace")
            return "dead-man HELD, base" in said and "not heard" in said

        wait_for("the line", line)
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_lines_of_json(self):
        pad, process = self.begin("--json", stdout=subprocess.PIPE)
        self.press(pad)
        pad.axis(fake.ABS_Y, -32768)
        line = wait_for("a line with motion", lambda: next((o for o in [json.loads(process.stdout.readline())]
                                                            if o["present"] and o["wish"]["values"][0] > 0), None))
        self.assertEqual((line["device"], line["wish"]["deadman"], line["dreamvlad"]), ("teleop/gamepad", True, None))

    def test_it_finds_the_only_one_and_lists_all(self):
        self.device("event0", fake.KEYBOARD)
        self.device("event10", fake.PEDAL)
        self.begin()
        listed = self.call("--list").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in listed], ["/dev/input/event0", "/dev/input/event3", "/dev/input/event10"])
        self.assertIn('"Test Pad": a gamepad', listed[1])
        self.assertIn("a keyboard", listed[0])

    def test_what_is_wrong_with_a_device_is_said(self):
        pad = self.device("event3", fake.GAMEPAD)
        keyboard = self.device("event0", fake.KEYBOARD)
        gamepad = ["--device", "gamepad", "--evdev"]
        for arguments, words in (([*gamepad, "/dev/input/event9"], ["no such device", "--list"]),
                                 ([*gamepad, keyboard.path], ["no gamepad", "a keyboard"]),
                                 ([*gamepad, "/dev/null"], ["no input device"]),
                                 ([*gamepad, self.folder], ["no input device"]),
                                 ([*gamepad, pad.path, "--deadman-key", "KEY_SPACE"], ["--deadman-key"]),
                                 ([*gamepad, pad.path, "--deadman-key", "THUMB"], ["THUMB", "KEY_SPACE"])):
            with self.subTest(arguments):
                done = self.call(*arguments)
                self.assertEqual(done.returncode, 1, done.stderr)
                for word in words:
                    self.assertIn(word, done.stderr)
        pad.busy = True
        pad.tell()
        done = self.call(*gamepad, pad.path, "--grab")
        self.assertEqual(done.returncode, 1)
        self.assertIn("grabbed", done.stderr)

    def test_without_permission_the_group_is_named(self):
        pad = self.device("event3", fake.GAMEPAD)
        pad.path.chmod(0)
        more, program, environment = {}, PROGRAM, fake.environment(self.input)
        if os.geteuid() == 0:  # nothing is forbidden to root; and the build may lie where others may not read
            program = shutil.copy(PROGRAM, self.folder)
            environment["LD_PRELOAD"] = shutil.copy(environment["LD_PRELOAD"], self.folder)
            for path in (self.folder, self.input):
                path.chmod(0o755)
            more = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": self.folder}
        for arguments in (["--evdev", pad.path], []):
            done = subprocess.run([program, "--device", "gamepad", *map(str, arguments)], env=environment, capture_output=True, text=True,
                                  timeout=PATIENCE_S, check=False, **more)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("usermod -aG input", done.stderr)

    def test_a_device_without_a_cable_is_warned_of(self):
        for bus, warned in ((5, True), (3, False)):
            with self.subTest(bus):
                pad = self.device("event3", {**fake.GAMEPAD, "id": f"{bus} 45e 28e"})
                process = self.start("--device", "gamepad")
                self.until("a message", lambda m: True)
                log = self.log_of(process)
                self.assertEqual("Bluetooth" in log and "use a cable" in log, warned, log)
                pad.path.unlink()

    def test_two_gamepads_have_to_be_chosen_from(self):
        self.device("event3", fake.GAMEPAD)
        self.device("event4", fake.GAMEPAD)
        done = self.call("--device", "gamepad")
        self.assertEqual(done.returncode, 1)
        for word in ("--evdev", "/dev/input/event3", "/dev/input/event4"):
            self.assertIn(word, done.stderr)

    def test_wrong_use(self):
        for arguments, word in (([], "--device"), (["--device", "mouse"], "mouse"), (["--device", "gamepad", "--rate", "10"], "50..100"),
                                (["--device", "gamepad", "--linear-max", "nan"], "--linear-max"), (["--device", "gamepad", "--topic", "state/a"], "leader"),
                                (["--device", "leader", "--frame", "tcp"], "--frame"), (["--device", "gamepad", "--name", "a/b"], "--name"),
                                (["--device", "gamepad", "--frame", "world"], "base or tcp"), (["--device", "gamepad", "--key", "x"], "--server-key"),
                                (["--device", "gamepad", "extra"], "extra"), (["--device", "gamepad", "--json", "--json"], "twice")):
            with self.subTest(arguments):
                done = self.call(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(word, done.stderr)


class Keyboard(Bench):
    TOPIC = "teleop/keyboard"

    def hear(self, what, condition):
        return self.until(what, condition, self.TOPIC)

    def test_keys_move_while_the_dead_man_is_held(self):
        keyboard = self.device("event0", fake.KEYBOARD)
        self.start("--device", "keyboard")
        self.hear("a released dead-man", lambda m: not m["deadman"])
        keyboard.key(fake.KEY_W, 1)
        keyboard.send((fake.EV_KEY, fake.KEY_SPACE, 2))  # autorepeat of a press that nobody saw
        time.sleep(0.1)
        keyboard.key(fake.KEY_W, 0)
        keyboard.key(fake.KEY_SPACE, 1)
        self.hear("the dead-man", lambda m: m["deadman"])
        keyboard.key(fake.KEY_W, 1)
        self.hear("full speed", lambda m: m["values"][0] > 0.099)
        ramp = [m["values"][0] for m in self.heard if m["values"][0] > 0]
        self.assertEqual(ramp, sorted(ramp))
        self.assertGreater(len(ramp), 5)
        keyboard.unplug()
        wait_for("silence", lambda: self.silent(self.TOPIC))
        keyboard.plug_in()  # its keys are still down, says the kernel
        self.hear("messages again", lambda m: True)
        time.sleep(0.2)
        self.take(self.TOPIC)
        self.assertFalse(self.heard[-1]["deadman"])

    def test_a_grab_waits_for_the_key_that_started_it_and_escape_ends_it(self):
        keyboard = self.device("event0", fake.KEYBOARD)
        keyboard.like["keys"][28] = 1  # Enter
        keyboard.tell()
        process = self.start("--device", "keyboard", "--grab")
        self.hear("a message", lambda m: True)
        time.sleep(0.2)
        self.assertEqual(keyboard.grabs(), "gu")
        keyboard.key(28, 0)
        wait_for("the grab", lambda: keyboard.grabs() == "gug")
        keyboard.key(fake.KEY_ESC, 1)
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_without_a_grab_escape_belongs_to_others(self):
        keyboard = self.device("event0", fake.KEYBOARD)
        process = self.start("--device", "keyboard")
        self.hear("a message", lambda m: True)
        keyboard.key(fake.KEY_ESC, 1)
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        self.assertEqual(keyboard.grabs(), "")


class Leader(Bench):
    """A leader arm as its dreamvla-arm publishes it, with a pedal."""
    TOPIC = "teleop/leader"

    def setUp(self):
        super().setUp()
        self.pedal = self.device("event0", fake.PEDAL)
        self.process = self.start("--device", "leader", "--state", f"ipc://{self.folder}/leader", "--topic", "state/lead", "--deadman-evdev",
                                  self.pedal.path)
        self.states = self.context.socket(zmq.PUB)
        self.states.linger = 0
        self.states.connect(f"ipc://{self.folder}/leader")
        self.seq = 0

    def state(self, q, topic="state/lead", **more):
        self.seq += 1
        self.states.send_multipart([topic.encode(), msgpack.packb(
            {**{"v": 1, "from": 5, "seq": self.seq, "stamp_ns": now_ns(), "q": q, "dq": [0.0] * 7, "q_d": q, "ee_pos": [0.3, 0, 0.5],
                "ee_quat": [0, 0, 0, 1.0], "gripper_m": 0.05, "mode": "guiding", "errors": [], "ack_seq": 0, "ack_t_ns": 0,
                "accepted_from": 0, "stopped": False}, **more})])

    def guide(self, what, condition, q, **more):
        """Publishes until a message fulfils the condition."""
        def heard():
            self.state(q, **more)
            return next((m for m in self.take(self.TOPIC)[start:] if condition(m)), None)

        self.take(self.TOPIC)
        start = len(self.heard)
        return wait_for(what, heard)

    def hold(self, what, condition, q):
        """The same with a foot on the pedal, which steps on it anew where this machine's pauses were a leader's silence."""
        pressed = time.monotonic()

        def held(message):
            nonlocal pressed
            if not message["deadman"] and time.monotonic() > pressed + 0.5:
                self.pedal.key(fake.KEY_SPACE, 0)
                self.pedal.key(fake.KEY_SPACE, 1)
                pressed = time.monotonic()
            return message["deadman"] and condition(message)

        return self.guide(what, held, q)

    def test_joints_gripper_and_pedal(self):
        q = [0.1 * i for i in range(7)]
        m = self.guide("a message", lambda m: True, q)
        self.assertEqual((m["kind"], m["deadman"], m["gripper_m"]), ("joint", False, 0.05))
        self.assertEqual(m["values"], q)
        self.pedal.key(fake.KEY_SPACE, 1)
        self.hold("the dead-man", lambda m: True, q)
        moved = [0.2] * 7
        self.hold("the new joints", lambda m: m["values"] == moved, moved)
        self.until("the release by silence", lambda m: not m["deadman"], self.TOPIC)
        self.guide("messages", lambda m: True, moved)
        for _ in range(20):  # a pedal still held is none
            self.assertFalse(self.guide("messages", lambda m: True, moved)["deadman"])
        self.pedal.key(fake.KEY_SPACE, 0)
        self.pedal.key(fake.KEY_SPACE, 1)
        self.hold("the dead-man again", lambda m: True, moved)
        self.pedal.unplug()

        def quiet():
            number = len(self.take(self.TOPIC))
            for _ in range(30):
                self.state(moved)
                time.sleep(0.01)
            return len(self.take(self.TOPIC)) == number

        wait_for("silence without the pedal", quiet)

    def test_what_is_not_the_leaders_state_moves_nothing(self):
        good, bad = [0.1] * 7, [1.0] * 7
        self.guide("a message", lambda m: True, good)
        self.pedal.key(fake.KEY_SPACE, 1)
        self.hold("the dead-man", lambda m: True, good)
        void = [{"q": [float("nan")] * 7}, {"q": bad[:6]}, {"q": "bad"}, {"stamp_ns": now_ns() + 10**9}, {"from": 6}, {"v": 2}, {"seq": 1}]
        for more in void:
            for _ in range(5):
                self.state(more.get("q", bad), **{k: v for k, v in more.items() if k != "q"})
                self.state(bad, topic="state/leader2")
                self.states.send_multipart([b"state/lead", b"\xc1"])
                self.states.send_multipart([b"state/lead"])
                self.guide("messages", lambda m: True, good)
        self.assertEqual({tuple(m["values"]) for m in self.take(self.TOPIC)}, {tuple(good)})
        self.assertIsNone(self.process.poll())

    def test_without_a_dead_man_it_does_not_start(self):
        base = ["--device", "leader", "--state", f"ipc://{self.folder}/other", "--topic"]
        for arguments, word in (([*base, "state/lead"], "without a dead-man"), ([*base, "target/lead", "--deadman-gripper", "0.02"], "state/<leader>"),
                                ([*base, "state/lead", "--deadman-evdev", self.pedal.path, "--deadman-gripper", "0.02"], "one of them"),
                                ([*base, "state/lead", "--deadman-evdev", self.pedal.path, "--deadman-key", "BTN_TR"], "Test Pedal")):
            done = self.call(*arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
