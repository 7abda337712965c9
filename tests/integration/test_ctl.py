"""dreamvlactl against small doors of our own: what it asks, what it shows, and what it does when a door is mute or mad. The two sides
share no code."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ctl_doors import CTL, STATUS, TIME_LIMIT_S, WithDoor, ctl, free_port  # noqa: E402


class Requests(WithDoor):
    def test_mode(self):
        self.assertIn("mode HOLD", self.asks(["mode", "hold"], {"cmd": "mode", "mode": "hold"}).stdout)
        self.asks(["mode", "auto", "--wait", "0"], {"cmd": "mode", "mode": "auto"})
        self.asks(["mode", "shadow", "--wait", "0"], {"cmd": "mode", "mode": "shadow"})

    def test_instruction(self):
        text = "pick up the café \u2603"
        self.asks(["instruction", text], {"cmd": "instruction", "text": text})
        self.asks(["instruction", "x" * 1024], {"cmd": "instruction", "text": "x" * 1024})

    def test_speed(self):
        self.asks(["speed", "0.5"], {"cmd": "speed", "scale": 0.5})

    def test_reset(self):
        self.asks(["reset"], {"cmd": "reset"})

    def test_home_asks_first(self):
        self.asks(["home", "--yes", "--wait", "0"], {"cmd": "home"})
        self.asks(["home", "left", "--yes", "--wait", "0"], {"cmd": "home", "arm": "left"})
        door = self.door(lambda _: STATUS)
        done = ctl("--address", door.address, "home", "left", "--wait", "0", stdin="y\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(door.requests, [{"cmd": "status"}, {"cmd": "home", "arm": "left"}])
        self.assertIn("WITHOUT avoiding obstacles", done.stderr)

    def test_home_in_another_mode(self):
        """Refused without the question, and nothing is sent: the mode may be HOLD before the answer comes."""
        door = self.door(lambda _: dict(STATUS, mode="AUTO"))
        done = ctl("--address", door.address, "home", stdin="y\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("only from HOLD, the mode is AUTO", done.stderr)
        self.assertNotIn("Is the way free?", done.stderr)
        self.assertEqual(door.requests, [{"cmd": "status"}])

    def test_home_not_confirmed(self):
        door = self.door(lambda _: {"ok": True})
        for word in ("", "n\n", "\n", "yellow\n"):
            done = ctl("--address", door.address, "home", stdin=word)
            self.assertEqual(done.returncode, 1)
            self.assertIn("nothing was sent", done.stderr)
        self.assertNotIn({"cmd": "home"}, door.requests)

    def ping(self, clock_ns):
        def answer(request):
            return {"ok": True, "t_ns": request["t_ns"], "recv_ns": clock_ns(), "send_ns": clock_ns()}

        done = ctl("--address", self.door(answer).address, "ping")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_ping(self):
        """On whichever clock the bench runs; an hour's difference is far more than any machine needs to answer."""
        hour_ns = 3600 * 10**9
        self.assertRegex(self.ping(lambda: time.monotonic_ns() + hour_ns),
                         r"answered in [0-9.]+ ms, its monotonic clock is \+(3599|3600)[0-9]{3}\.[0-9]+ ms from ours")
        self.assertRegex(self.ping(time.time_ns), r"its realtime clock is [+-][0-9]{1,4}\.[0-9]+ ms from ours")

    def test_ping_without_times(self):
        done = ctl("--address", self.door(lambda _: {"ok": True}).address, "ping")
        self.assertEqual(done.returncode, 1)
        self.assertIn("lacks t_ns", done.stderr)

    def test_config(self):
        done = self.asks(["config"], {"cmd": "config"}, {"ok": True, "control.rate_hz": "200", "robots[0].name": '"arm"'})
        self.assertEqual(done.stdout, 'control.rate_hz: 200\nrobots[0].name: "arm"\n')


NO_CHUNK = "policy: no chunk for the present instruction yet; it is computed as soon as all else is there"


class Patience(WithDoor):
    """`mode auto` right after `instruction`: the first chunk is being computed, and nobody should have to ask twice."""

    def daemon(self, errors, reasons=("started",)):
        """Refuses a mode with these errors, one after the other, then grants it; `reasons` are what its statuses say."""
        refusals, said = iter(errors), iter(reasons)
        last = reasons[-1]

        def answer(request):
            if request["cmd"] == "status":
                return dict(STATUS, mode="READY", reason=next(said, last))
            error = next(refusals, None)
            return {"ok": False, "error": error} if error else {"ok": True, "mode": "AUTO"}

        return self.door(answer)

    def modes(self, door):
        return sum(r["cmd"] == "mode" for r in door.requests)

    def test_first_chunk(self):
        for mode in ("auto", "shadow"):
            door = self.daemon([NO_CHUNK, NO_CHUNK + "\narm left: still coming to a stop", "arm left: not attached; `dreamvlactl reset` attaches it once it is ready"])
            done = ctl("--address", door.address, "mode", mode, "--wait", "20")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout, "ok; mode AUTO\n")
            self.assertEqual(self.modes(door), 4)

    def test_home_waits_for_standstill(self):
        door = self.daemon(["arm left: still coming to a stop"] * 2)
        done = ctl("--address", door.address, "home", "--yes", "--wait", "20")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sum(r == {"cmd": "home"} for r in door.requests), 3)

    def test_what_does_not_pass(self):
        for error in ("there is no instruction", NO_CHUNK + "\ncamera wrist: nothing received yet", "in FAULT", "x " + NO_CHUNK):
            door = self.daemon([error] * 100)
            done = ctl("--address", door.address, "mode", "auto")
            self.assertEqual(done.returncode, 1)
            self.assertIn(error, done.stderr)
            self.assertEqual(self.modes(door), 1, error)

    def test_ends(self):
        door = self.daemon([NO_CHUNK] * 1000)
        start = time.monotonic()
        done = ctl("--address", door.address, "--json", "mode", "auto", "--wait", "1.5")
        self.assertGreater(time.monotonic() - start, 1.3)
        self.assertEqual((done.returncode, json.loads(done.stdout)), (1, {"ok": False, "error": NO_CHUNK}))
        self.assertGreater(self.modes(door), 1)

    def test_once(self):
        door = self.daemon([NO_CHUNK] * 3)
        self.assertEqual(ctl("--address", door.address, "mode", "auto", "--wait", "0").returncode, 1)
        self.assertEqual(door.requests, [{"cmd": "mode", "mode": "auto"}])

    def test_stop_meanwhile(self):
        """Whoever stops the arm while this waits must not see it start afterwards."""
        door = self.daemon([NO_CHUNK] * 2, ("started", "started", "an operator's stop"))
        self.assertEqual(ctl("--address", door.address, "mode", "auto").returncode, 1)
        self.assertEqual(self.modes(door), 2)


class Status(WithDoor):
    def table(self, **changed):
        return self.asks(["status"], {"cmd": "status"}, dict(STATUS, **changed)).stdout

    def arm(self, source="fresh", age_ms=5.0, **changed):
        return {"sources": {"state/arm": {"age_ms": age_ms, "rate_hz": 0.0, "state": source}},
                "arms": {"arm": dict(STATUS["arms"]["arm"], **changed)}}

    def test_fresh_arm(self):
        self.assertRegex(self.table(**self.arm(mode="moving")), r"(?m)^arm +moving +yes +no +tcp")

    def test_lost_arm(self):
        """What was true of an arm that is silent is not shown as if it still were."""
        shown = self.table(**self.arm("stale", 10990.0, mode="moving", stopped=True))
        self.assertRegex(shown, r"(?m)^arm +lost \(was moving\) +\? +\? +tcp")
        self.assertRegex(shown, r"(?m)^state/arm +stale +11\.0 s")
        self.assertNotIn("latched", shown)
        self.assertRegex(self.table(**self.arm("absent", 0.0, present=False, attached=False)), r"(?m)^arm +absent +\? +\? +tcp")

    def test_way_back(self):
        self.assertRegex(self.table(), r"(?m)^way back +see to the faults, `dreamvlactl mode auto`$")
        self.assertRegex(self.table(faults=[]), r"(?m)^way back +`dreamvlactl mode auto`$")
        self.assertRegex(self.table(causes=[STATUS["reason"], "camera wrist: frozen"]), r"(?m)^faults +camera stale\n +camera wrist: frozen$")
        self.assertNotIn("way back", self.table(mode="AUTO"))
        self.assertRegex(self.table(mode="FAULT", faults=[]), r"(?m)^way back +`dreamvlactl reset`, then")
        self.assertRegex(self.table(mode="FAULT"), r"(?m)^way back .*`dreamvlactl reset`, then `dreamvlactl mode auto`")
        shown = self.table(**self.arm(stopped=True))
        self.assertRegex(shown, r"(?m)^stopped +the stop of arm arm is latched")
        self.assertRegex(shown, r"(?m)^way back +`dreamvlactl reset`, then")

    def test_way_back_of_an_arm_that_takes_no_targets(self):
        """Disabled, or a leader: `mode auto` alone would lead nowhere."""
        shown = self.table(faults=[], **self.arm(mode="idle", errors=["motors_off"], trouble="motors_off", remedy="`dreamvlactl enable`"))
        self.assertRegex(shown, r"(?m)^way back +see to arm arm, which takes no targets now, `dreamvlactl reset`, then `dreamvlactl mode auto`$")
        self.assertRegex(shown, r"(?m)^arm +motors_off: `dreamvlactl enable`$")
        self.assertRegex(self.table(faults=[], **self.arm("stale", 900.0, mode="idle")), r"(?m)^way back +`dreamvlactl mode auto`$")

    def test_margins_not_known(self):
        """Nothing is sent, so nothing has a margin; 1.00 would claim a full one."""
        for gone in (self.arm(attached=False), self.arm("stale", 900.0), self.arm("absent", 0.0, present=False, attached=False)):
            self.assertRegex(self.table(**gone), r"(?m)^margins +not known")
        self.assertRegex(self.table(**self.arm()), r"(?m)^margins +position 0.80")

    def test_refusals_have_an_age(self):
        self.assertNotIn("ago", self.table())
        self.assertRegex(self.table(**self.arm(refused="target 7: too far", refused_age_ms=72000.0)), r"(?m)^arm .* 72 s ago: target 7: too far$")
        shown = self.table(teleop={"refused": "teleop/pad: not attached\x1b", "refused_age_ms": 2500.0})
        self.assertRegex(shown, r"(?m)^teleop +refused 2.5 s ago: teleop/pad: not attached")
        self.assertNotIn("\x1b", shown)

    def test_no_chunk_yet(self):
        shown = self.table(stages={"vision": {"n": 0, "p50_us": 0.0, "p99_us": 0.0, "max_us": 0.0}})
        self.assertNotIn("vision", shown)
        self.assertIn("nothing computed yet", shown)

    def test_labels(self):
        shown = self.table(**self.arm())
        self.assertRegex(shown, r"(?m)^who drives +none")
        self.assertRegex(shown, r"margins .*left")
        self.assertIn("workspace 0.40, floor 0.30, TCP speed 0.20, tracking 0.10", shown)

    def test_table(self):
        done = self.asks(["status"], {"cmd": "status"}, STATUS)
        for part in ("HOLD", "operator's stop", "pick up the red block", "camera stale", "camera/wrist", "12.5", "stale",
                     "vision", "80.00", "200.0 Hz", "overruns 3", "tcp://127.0.0.1:7421", "chunks 42"):
            self.assertIn(part, done.stdout)
        self.assertNotIn("requests_refused", done.stdout)  # zero counters are not worth a word

    def test_json_is_everything(self):
        whole = dict(STATUS, extra={"deep": [1, -2, 2.5, None, True, "caf\u00e9", {"a": []}]}, big=2**64 - 1, raw=b"\x01\xff",
                     low=-2**63)
        done = self.asks(["--json", "status"], {"cmd": "status"}, whole)
        self.assertEqual(json.loads(done.stdout), dict(whole, big=str(2**64 - 1), raw="01ff"))

    def test_terminal_is_safe(self):
        done = self.asks(["status"], {"cmd": "status"}, dict(STATUS, instruction="a\x1b]0;title\x07b\u009b31m"))
        self.assertNotIn("\x1b", done.stdout)
        self.assertNotIn("\u009b", done.stdout)

    def test_incomplete(self):
        done = ctl("--address", self.door(lambda _: {"ok": True, "mode": "HOLD"}).address, "status")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the status is not understood", done.stderr)

    def watch(self, *more):
        door = self.door(lambda _: STATUS)
        process = subprocess.Popen([CTL, "--address", door.address, "status", "--watch", *more], stdout=subprocess.PIPE, text=True)
        try:
            end = time.monotonic() + TIME_LIMIT_S
            while len(door.requests) < 3 and time.monotonic() < end:
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=TIME_LIMIT_S)[0]
        self.assertGreaterEqual(len(door.requests), 3)
        return output

    def test_watch(self):
        self.assertGreaterEqual(self.watch().count("\x1b[H\x1b[J"), 2)

    def test_watch_json(self):
        lines = self.watch("--json").splitlines()
        self.assertGreaterEqual(len(lines), 2)
        self.assertEqual(json.loads(lines[0]), STATUS)


class Refusals(WithDoor):
    def test_words(self):
        door = self.door(lambda _: {"ok": False, "error": "camera wrist is stale\nno instruction", "hint": "send one"})
        done = ctl("--address", door.address, "mode", "auto")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertIn("camera wrist is stale\nno instruction", done.stderr)
        self.assertIn("hint: send one", done.stderr)

    def test_json(self):
        reply = {"ok": False, "error": "no", "hint": "h"}
        done = ctl("--json", "--address", self.door(lambda _: reply).address, "reset")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout), reply)

    def test_escape_codes(self):
        done = ctl("--address", self.door(lambda _: {"ok": False, "error": "a\x1b[2Jb"}).address, "reset")
        self.assertIn("a?[2Jb", done.stderr)


class NoAnswer(WithDoor):
    def test_absent(self):
        port = free_port()
        done = ctl("--address", "tcp://127.0.0.1:%d" % port, "status")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no answer from tcp://127.0.0.1:%d" % port, done.stderr)
        self.assertIn("systemctl status dreamvlad", done.stderr)
        self.assertIn("build/release/dreamvlad --config FILE", done.stderr)

    def test_mute(self):
        done = ctl("--json", "--address", self.door(lambda _: None).address, "reset")
        self.assertEqual(done.returncode, 1)
        told = json.loads(done.stdout)
        self.assertFalse(told["ok"])
        self.assertIn("no answer", told["error"])

    def test_mad(self):
        """Nothing that a door says may crash it, hang it, or pass for a yes."""
        deep = b"\x81\xa2ok\xc3"[:1] + b"\xa1a" + b"\x91" * 5000 + b"\xc0"
        for reply in (b"", b"\xc1", b"\x81", b"\x81\xa2ok", b"\x81\xa2ok\xc3\x00", msgpack.packb([1, 2]), msgpack.packb("ok"),
                      msgpack.packb({}), msgpack.packb({"ok": 1}), msgpack.packb({"ok": "true"}), msgpack.packb({"OK": True}),
                      msgpack.packb({1: 2}), b"\xdf\xff\xff\xff\xff", b"\x82\xa2ok\xc3\xa2ok\xc2", b"\x81\xa2ok\xc3" * 2,
                      deep, os.urandom(3000)):
            for more in ([], ["--json"]):
                done = ctl(*more, "--address", self.door(lambda _: reply).address, "reset")
                self.assertEqual(done.returncode, 1, (reply[:40], done))
                self.assertIn("not understood", done.stdout + done.stderr, reply[:40])

    def test_not_json(self):
        """What is no text cannot be shown as one: a key that nobody asked for is passed over, but --json shows all."""
        door = self.door(lambda _: b"\x82\xa2ok\xc3\xa1t\xa1\xff")
        self.assertEqual(ctl("--address", door.address, "reset").returncode, 0)
        done = ctl("--json", "--address", door.address, "reset")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not understood", json.loads(done.stdout)["error"])

    def test_two_parts(self):
        done = ctl("--address", self.door(lambda _: {"ok": True}, parts=2).address, "reset")
        self.assertEqual(done.returncode, 1)

    def test_too_long(self):
        done = ctl("--address", self.door(lambda _: {"ok": True, "a": "x" * 200000}).address, "reset")
        self.assertEqual(done.returncode, 1)

    def test_bad_address(self):
        for address in ("", "here", "tcp://127.0.0.1", "udp://127.0.0.1:1"):
            done = ctl("--address", address, "reset")
            self.assertEqual(done.returncode, 1, address)
            self.assertNotEqual(done.stderr, "")


class Stop(WithDoor):
    def test_every_door(self):
        doors = [self.door(lambda _: {"ok": True, "mode": "AUTO"}) for _ in range(3)]
        bench = self.bench(doors[0].address, {"left": doors[1].address, "right": doors[2].address})
        done = ctl("--config", bench, "stop")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual([d.requests for d in doors], [[{"cmd": "stop"}]] * 3)
        self.assertEqual(done.stdout.count("stop taken"), 3)

    def test_daemon_hangs(self):
        hung, arm = self.door(lambda _: None), self.door(lambda _: {"ok": True})
        done = ctl("--config", self.bench(hung.address, {"arm": arm.address}), "stop")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(arm.requests, [{"cmd": "stop"}])
        self.assertRegex(done.stdout, r"dreamvlad +tcp://\S+ +FAILED: no answer")
        self.assertRegex(done.stdout, r"arm +tcp://\S+ +stop taken")

    def test_daemon_absent(self):
        arm = self.door(lambda _: {"ok": True})
        done = ctl("--json", "--config", self.bench("tcp://127.0.0.1:%d" % free_port(), {"arm": arm.address}), "stop")
        self.assertEqual(done.returncode, 1)
        told = json.loads(done.stdout)
        self.assertFalse(told["ok"])
        self.assertEqual([(d["name"], d["ok"]) for d in told["doors"]], [("dreamvlad", False), ("arm", True)])
        self.assertIn("systemctl status dreamvlad", told["doors"][0]["error"])

    def test_arm_refuses(self):
        daemon = self.door(lambda _: {"ok": True, "mode": "AUTO"})
        arm = self.door(lambda _: {"ok": False, "error": "brakes are being tested"})
        done = ctl("--config", self.bench(daemon.address, {"arm": arm.address}), "stop")
        self.assertEqual(done.returncode, 1)
        self.assertIn("refused: brakes are being tested", done.stdout)

    def test_mad_door_keeps_nobody(self):
        mad, arm = self.door(lambda _: b"\xc1"), self.door(lambda _: {"ok": True})
        done = ctl("--config", self.bench(mad.address, {"arm": arm.address}), "stop")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not understood", done.stdout)
        self.assertIn("stop taken", done.stdout)

    def test_wrong_call(self):
        """Whatever else is wrong with the call: the stop is sent, and what was wrong is said."""
        for wrong, said in ((["stop", "now"], "dreamvlactl stop"), (["stop", "--watch"], "--watch belongs to status"),
                            (["--nonsense", "stop"], "options are wrong"), (["stop", "--wait", "x"], "allowed a number"),
                            (["stop", "--wait"], "options are wrong"), (["--key", "a", "stop"], "belong together"),
                            (["--yes", "stop", "it", "all"], "dreamvlactl stop")):
            doors = [self.door(lambda _: {"ok": True, "mode": "AUTO"}) for _ in range(2)]
            done = ctl("--config", self.bench(doors[0].address, {"left": doors[1].address}), *wrong)
            self.assertEqual([d.requests for d in doors], [[{"cmd": "stop"}]] * 2, wrong)
            self.assertEqual(done.returncode, 0, (wrong, done))
            self.assertIn(said, done.stderr)
            self.assertIn("stopping all the same", done.stderr)

    def test_address_and_configuration(self):
        """Which of the two is meant is not clear: dreamvlad at the address, the arms of the configuration, and a failure in the end."""
        other, daemon, arm = [self.door(lambda _: {"ok": True, "mode": "AUTO"}) for _ in range(3)]
        done = ctl("--config", self.bench(other.address, {"left": arm.address}), "--address", daemon.address, "stop")
        self.assertEqual([d.requests for d in (other, daemon, arm)], [[], [{"cmd": "stop"}], [{"cmd": "stop"}]])
        self.assertIn("exclude each other", done.stderr)
        missing = ctl("--config", "/nonexistent/bench.yaml", "--address", daemon.address, "stop")
        self.assertEqual(missing.returncode, 1)
        self.assertIn({"cmd": "stop"}, daemon.requests[1:])

    def daemon_with(self, control, **more):
        arms = {"arm": dict(STATUS["arms"]["arm"], control=control)}
        return self.door(lambda q: dict(STATUS, arms=arms) if q["cmd"] == "status" else {"ok": True, "mode": "HOLD"}, **more)

    def test_arms_of_dreamvlad(self):
        """With an address alone nobody but dreamvlad knows the arms; only their own doors latch the stop."""
        for form in ("127.0.0.1", "*", "localhost", "0.0.0.0"):
            arm = self.door(lambda _: {"ok": True})
            daemon = self.daemon_with(arm.address.replace("127.0.0.1", form))
            done = ctl("--address", daemon.address, "stop")
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(daemon.requests[0], {"cmd": "stop"})
            self.assertEqual(arm.requests, [{"cmd": "stop"}])
            self.assertEqual(done.stdout.count("stop taken"), 2)

    def test_arm_at_the_other_machine(self):
        """What is local over there is not local here: nobody listens at the other address, and nothing passes for a stop."""
        ours = self.door(lambda _: {"ok": True})
        daemon = self.daemon_with(ours.address, host="127.0.0.2")
        done = ctl("--address", daemon.address, "stop")
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(ours.requests, [])
        self.assertIn(ours.address.replace("127.0.0.1", "127.0.0.2"), done.stdout)

    def test_no_arm_known(self):
        done = ctl("--address", self.door(lambda _: {"ok": True}).address, "stop")
        self.assertEqual(done.returncode, 0)
        self.assertIn("none has latched the stop", done.stdout)

    def test_broken_configuration(self):
        """A stop is still tried, at the default addresses, and reported as failed."""
        for port in (7416, 7421):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    self.skipTest("a bench runs at the default addresses, and this test would stop it")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as bench:
            bench.write("control: {rate_hz: 5000}\n")
            bench.flush()
            done = ctl("--config", bench.name, "stop")
            other = ctl("--config", bench.name, "status")
        self.assertEqual(done.returncode, 1)
        self.assertIn(":1: control.rate_hz: found 5000, allowed 50..1000 Hz", done.stderr)
        self.assertIn("tcp://127.0.0.1:7416", done.stdout)
        self.assertIn("tcp://127.0.0.1:7421", done.stdout)
        self.assertEqual(other.returncode, 1)
        self.assertEqual(other.stdout, "")


@unittest.skipUnless(zmq.has("curve"), "this libzmq has no CURVE")
class Keys(WithDoor):
    def key_file(self, key):
        file = tempfile.NamedTemporaryFile("wb", prefix="dreamvla_key_", delete=False)  # made with mode 600
        self.addCleanup(os.unlink, file.name)
        file.write(key + b"\n")
        file.close()
        return file.name

    def test_keys(self):
        server, server_secret = zmq.curve_keypair()
        secret = zmq.curve_keypair()[1]
        door = self.door(lambda _: {"ok": True}, secret=server_secret)
        keys = ["--key", self.key_file(secret), "--server-key", self.key_file(server)]
        done = ctl("--address", door.address, *keys, "reset")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(door.requests, [{"cmd": "reset"}])
        self.assertEqual(ctl("--address", door.address, "reset").returncode, 1)
        other = ["--key", self.key_file(secret), "--server-key", self.key_file(zmq.curve_keypair()[0])]
        done = ctl("--address", door.address, *other, "reset")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is this key in its sockets.curve_clients?", done.stderr)
        self.assertEqual(len(door.requests), 1)


class Usage(unittest.TestCase):
    def test_help(self):
        done = ctl("--help")
        self.assertEqual(done.returncode, 0)
        for command in ("status", "mode", "instruction", "stop", "reset", "speed", "home", "ping", "config"):
            self.assertRegex(done.stdout, r"(?m)^  %s .*\w" % command)

    def test_wrong_use(self):
        for wrong in ([], ["jump"], ["mode"], ["mode", "fast"], ["mode", "auto", "now"], ["instruction"],
                      ["instruction", "pick", "it"], ["speed"], ["speed", "fast"], ["speed", "nan"], ["speed", "inf"],
                      ["speed", "1x"], ["reset", "now"], ["status", "--yes"], ["reset", "--watch"], ["speed", "0.01"],
                      ["reset", "--wait", "1"], ["mode", "auto", "--wait", "-1"], ["mode", "auto", "--wait", "x"], ["--nonsense", "reset"],
                      ["--config"], ["--config", "a", "--address", "b", "status"], ["--key", "a", "status"]):
            done = ctl(*wrong)
            self.assertEqual(done.returncode, 2, wrong)
            self.assertNotEqual(done.stderr, "", wrong)
            self.assertEqual(done.stdout, "", wrong)

    def test_quotes(self):
        self.assertIn("one argument: put the instruction in quotes", ctl("instruction", "pick", "it").stderr)

    def test_bad_instruction(self):
        address = "tcp://127.0.0.1:1"  # nothing may be sent
        for text in ("", "x" * 1025):
            done = ctl("--address", address, "instruction", text)
            self.assertEqual(done.returncode, 2)
            self.assertIn("allowed 1 to 1024", done.stderr)
        done = subprocess.run([CTL, "--address", address, "instruction", b"a\xffb"], capture_output=True, timeout=TIME_LIMIT_S)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"not UTF-8", done.stderr)

    def test_missing_configuration(self):
        done = ctl("--config", "/nonexistent/bench.yaml", "status")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/bench.yaml: No such file", done.stderr)

    def test_missing_key(self):
        done = ctl("--address", "tcp://127.0.0.1:1", "--key", "/nonexistent/k", "--server-key", "/nonexistent/s", "status")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/k", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
