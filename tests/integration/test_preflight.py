#!/usr/bin/python3
"""dreamvla-arm --preflight against the simulated Franka: what it measures and says, that the arm does not move, and what faults make of
it. How fast this machine is proves nothing here: whether it is fit is judged by tests/unit/robots/test_preflight."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fci_client import free_address  # noqa: E402
from overlap import load_tests, waits  # noqa: E402,F401
from ports import free_addresses  # noqa: E402
from robots_bench import B, PATIENCE_S, Bench, wait_for  # noqa: E402

ARM = os.path.join(B, "dreamvla-arm")
TRIES = 3  # of what a machine that stood still has spoilt


class Preflight(unittest.TestCase):
    def setUp(self):
        self.station = free_address()
        self.bench = Bench(robot="    address: %s" % self.station)
        self.addCleanup(self.bench.close)
        self.bench.address["faults"] = free_addresses(1)[0]
        self.sim = self.bench.start("dreamvla-sim", "--no-cameras", "--franka", self.station, "--faults", self.bench.address["faults"],
                                    "--duration", "250")
        self.faults = self.bench.connect(zmq.REQ, "faults")
        self.ask("status")

    def ask(self, cmd, **fields):
        self.faults.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(self.faults.recv())
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def start(self, *more):
        return subprocess.Popen([ARM, "--config", self.bench.config, "--driver", "franka", "--preflight", *more], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def result(self, process):
        out, log = process.communicate(timeout=4 * PATIENCE_S)
        self.assertTrue(out, log)
        found = json.loads(out)
        self.assertEqual(process.returncode, 0 if found["fit"] else 1)
        self.assertEqual(found["fit"], not any(f["keeps"] for f in found["findings"]))
        return found, log

    def measured(self, disturb=None):
        """One that ran for its whole time: a machine that stands still for 20 ms ends the motion."""
        for left in reversed(range(TRIES)):
            moved = self.ask("status")["q"]
            process = self.start("--seconds", "2", "--json")
            if disturb:
                wait_for("the motion", lambda: self.ask("status")["mode"] == "move")
                time.sleep(1)  # it settles; then measuring goes on for longer than this
                disturb()
            found, log = self.result(process)
            if found["measured"] or left == 0:
                break
            print("%s: begun anew: %s" % (self.id(), found["failure"]), file=sys.stderr)
            if self.ask("status")["mode"] == "reflex":
                self.tearDown()
                self.doCleanups()
                self.setUp()
        self.assertTrue(found["measured"], found)
        return found, log, moved

    def test_measures(self):
        found, log, before = self.measured()
        self.assertIn("holds it still", log.splitlines()[0])
        self.assertGreater(found["states"], 500)
        self.assertLess(found["states"], 1200 * (found["seconds"] + 0.3))  # a state a millisecond
        self.assertEqual((found["failure"], found["network"], found["arm"]), ("", "lo", "arm"))
        self.assertTrue(0 < found["success_rate_min"] <= found["success_rate_avg"] <= found["success_rate_max"] <= 1, found)
        self.assertTrue(0 < found["answer_p50_us"] <= found["answer_p99_us"] <= found["answer_max_us"], found)
        self.assertEqual(found["realtime"], "not_realtime" not in [f["name"] for f in found["findings"]])
        after = self.ask("status")
        self.assertEqual((after["mode"], after["motions"]), ("idle", 1))
        self.assertLess(max(abs(a - b) for a, b in zip(before, after["q"])), 1e-6)

    def test_states_that_are_dropped(self):
        """Fewer in a row than what ends a motion, and too many all the same."""
        found, _, _ = self.measured(lambda: self.ask("drop", what="states", count=13))
        self.assertFalse(found["fit"])
        self.assertGreaterEqual(found["states_missed"], 13)
        self.assertGreaterEqual(found["states_missed_longest_row"], 13)
        cause = [f for f in found["findings"] if f["name"] == "states_missed"]
        self.assertIn("did not come", cause[0]["found"])
        self.assertIn("cable", cause[0]["remedy"])

    @waits
    def test_row_from_before_the_motion(self):
        """What was lost while the arm waited says nothing of the time that was measured."""
        self.ask("user_stop", on=True)
        process = self.start("--seconds", "3", "--json")
        wait_for("the connection", lambda: self.ask("status")["connected"])
        time.sleep(0.7)
        self.ask("drop", what="states", count=18)
        time.sleep(0.3)
        self.ask("user_stop", on=False)
        wait_for("the motion", lambda: self.ask("status")["mode"] == "move")
        time.sleep(1)
        for _ in range(20):
            self.ask("drop", what="states", count=1)
            time.sleep(0.03)
        found, _ = self.result(process)
        self.assertGreaterEqual(found["states_missed"], 18)
        self.assertLess(found["states_missed_longest_row"], 18)

    def test_motion_that_ends(self):
        process = self.start("--seconds", "30", "--json")
        wait_for("the motion", lambda: self.ask("status")["mode"] == "move")
        self.ask("reflex")
        found, _ = self.result(process)
        self.assertFalse(found["fit"] or found["measured"])
        self.assertRegex(found["failure"], "the arm is reflex, .*reflex")
        self.assertIn("not_measured", [f["name"] for f in found["findings"]])

    @waits
    def test_arm_that_may_not_move(self):
        """Nothing is begun, and it says what mends it."""
        self.ask("user_stop", on=True)
        process = self.start("--seconds", "1")
        out, log = process.communicate(timeout=4 * PATIENCE_S)
        self.assertEqual(process.returncode, 1)
        self.assertIn("waiting: user_stopped: ", log)
        self.assertRegex(out, r"(?m)^arm +.* user_stopped: the robot's stop button is pressed")
        self.assertRegex(out, r"(?m)^NOT FIT: this machine should not drive arm arm$")
        self.assertEqual(self.ask("status")["motions"], 0)

    def test_interrupted(self):
        """Ends the motion as one should be."""
        process = self.start("--seconds", "60", "--json")
        wait_for("the motion", lambda: self.ask("status")["mode"] == "move")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        found, _ = self.result(process)
        self.assertFalse(found["fit"])
        self.assertIn("interrupted", found["failure"])
        wait_for("idle", lambda: self.ask("status")["mode"] in ("idle", "reflex"))

    @waits
    def test_two_at_once(self):
        """A robot has one client: the second one is told so, and the first goes on."""
        first = self.start("--seconds", "60", "--json")
        wait_for("the motion", lambda: self.ask("status")["mode"] == "move")
        second, log = self.result(self.start("--seconds", "1", "--json"))
        self.assertFalse(second["measured"])
        self.assertIn("waiting: ", log)
        self.assertIsNone(first.poll())
        first.send_signal(signal.SIGTERM)
        self.result(first)


class Calls(unittest.TestCase):
    def call(self, *arguments, robot="", model="panda", driver="franka", more=""):
        bench = Bench(model=model, robot=robot, more=more)
        self.addCleanup(bench.close)
        return subprocess.run([ARM, "--config", bench.config, "--driver", driver, *arguments], capture_output=True, text=True,
                              timeout=PATIENCE_S)

    def test_wrong_use(self):
        for wrong in (["--preflight", "--seconds", "0"], ["--preflight", "--seconds", "nan"], ["--preflight", "--seconds", "601"],
                      ["--preflight", "--seconds", "1x"], ["--seconds", "5"], ["--json"]):
            done = self.call(*wrong)
            self.assertEqual((done.returncode, done.stdout), (2, ""), wrong)
            self.assertIn("--seconds", done.stderr)

    def test_what_the_driver_needs(self):
        for more in ([], ["--preflight"]):
            done = self.call(*more)
            self.assertEqual(done.returncode, 1)
            self.assertIn("robots[0].address: not given: want the robot's host or IP address", done.stderr)
            done = self.call(*more, model="piper", robot="    address: 127.0.0.1")
            self.assertEqual(done.returncode, 1)
            self.assertIn("robots[0].model: found piper, which --driver franka does not drive", done.stderr)
            done = self.call(*more, driver="nonsense")
            self.assertEqual(done.returncode, 1)
            self.assertIn("want one of sim franka", done.stderr)

    def test_nothing_to_measure(self):
        """That says nothing about this machine, so it is not the 1 of one that is not fit."""
        for driver in ("sim", "piper"):
            done = self.call("--preflight", "--json", driver=driver)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("driver %s has nothing to be measured" % driver, done.stderr)

    @waits
    def test_nobody_there(self):
        """It says that it waits, and why, and ends by itself; what is wrong with this machine is said all the same."""
        done = self.call("--preflight", "--seconds", "1", robot="    address: %s" % free_address(), more="control:\n  realtime: off")
        self.assertEqual(done.returncode, 1)
        self.assertIn("waiting: fci_inactive: ", done.stderr)
        self.assertRegex(done.stdout, r"(?m)^arm +.* disconnected, fci_inactive: ")
        self.assertRegex(done.stdout, r"(?m)^NOT FIT +the control thread is an ordinary one: control.realtime is off\n +set control.realtime: prefer")

    def test_help(self):
        done = subprocess.run([ARM, "--help"], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0)
        for part in (r"^  sim +dreamvla-sim at --world", r"^  franka +robots\[\]\.address; model panda, fr3 or fr3_5\.9", r"--preflight"):
            self.assertRegex(done.stdout, "(?m)" + part)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
