"""piper.py - the whole of whole.py with a PiPER: dreamvla-sim's world behind a PiPER's bus, which a socketcand server carries, with its
cameras, and dreamvla-arm --driver piper."""
import math
import pathlib
import sys
import time
import unittest

import peers
import whole

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from ports import free_addresses  # noqa: E402
from stalls import begun_anew_after_stalls  # noqa: E402,F401  # for the tests

ALL_ON = 63
HOME = [0.0, math.radians(85), math.radians(-80), 0.0, math.radians(45), 0.0]  # of the model
# The demo's bench with another arm: what stands there, and what a PiPER needs instead.
OTHER_ARM = (("model: panda", "model: piper"), ("tcp: [0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795]", "tcp: [0, 0, 0.145, 0, 0, 0, 1]"),
             ("workspace_min: [0.28, -0.30, 0.05]", "workspace_min: [0.15, -0.25, 0.10]"),
             ("workspace_max: [0.60, 0.30, 0.55]", "workspace_max: [0.45, 0.25, 0.45]"))


class Bench(whole.Bench):
    def __init__(self, folder):
        super().__init__(folder)
        self.bus = "socketcand:" + free_addresses(1)[0].split(":", 1)[1]
        text, control = self.config.read_text(), f"    control: {self.door}\n"
        for old, new in (*OTHER_ARM, (control, f"{control}    address: {self.bus}\n")):
            assert old in text, (old, text)
            text = text.replace(old, new)
        self.config.write_text(text)

    # ---- programs

    def start_sim(self):
        self.sim = self.start("dreamvla-sim", "--config", self.config, "--piper", self.bus, "--faults", f"ipc://{self.folder}/faults")

    def start_arm(self, config=None):
        self.arm = self.start("dreamvla-arm", "--config", config or self.config, "--driver", "piper")

    def start_all(self):
        """Its motors on by an operator's word, and then at home: where it lies without power, no policy can do anything."""
        self.start_sim()
        self.start_arm()
        self.enable()
        self.start_daemon()
        peers.until("attach", self.attached)
        self.go_home()

    # ---- the robot

    def robot(self, cmd="status", **fields):
        """What the robot says of itself, or obeys."""
        reply = self.ask_at(f"ipc://{self.folder}/faults", cmd=cmd, **fields)
        assert reply and reply["ok"], reply
        return reply

    def robot_stands(self):
        def standing():
            status = self.robot()
            return max(map(abs, status["dq"])) < 1e-3 and status
        return peers.until("the robot to stand", standing)

    # ---- the operator

    def until_arm(self, what, condition):
        state = {}

        def true():
            nonlocal state
            state = self.ask_arm() or {"mode": None, "errors": []}
            return condition(state) and state
        try:
            return peers.until(what, true)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; the arm says {state.get('mode')}, {state.get('errors')}") from None

    def arm_says(self, mode, *errors):
        return self.until_arm(f"the arm to be {mode} {errors}", lambda s: s["mode"] == mode and set(errors) <= {*s["errors"], s.get("trouble")})

    def enable(self):
        self.arm_says("idle", "motors_off")
        assert self.ask_arm("enable")["ok"]
        self.arm_says("ready")
        self.ignored = self.robot()["ignored"]  # the measured joints are its target before it listens to targets

    def go_home(self):
        reply = {}

        def granted():
            nonlocal reply
            self.ask(cmd="mode", mode="hold")
            reply = self.ask(cmd="home")
            return reply["ok"]
        def there():
            """A target refused on the way, because this machine stood still, ends it."""
            try:
                peers.until("the way home", granted)
            except AssertionError as failure:
                raise AssertionError(f"{failure}: {reply}") from None
            time.sleep(0.3)
            peers.until("the end of the way home", lambda: self.mode() != "RETURN")
            return max(abs(a - b) for a, b in zip(self.ask_arm()["q"], HOME)) < 0.05
        peers.until("the arm at home", there)

    def starts_anew(self):
        """Reset, AUTO."""
        peers.until("the arm in status", lambda: self.ask(cmd="status")["arms"]["arm"]["mode"] == "ready")
        peers.until("the reset", lambda: self.ask(cmd="reset")["ok"])
        peers.until("attach", self.attached)
        self.into_motion()


class Case(unittest.TestCase):
    def assert_rests(self, b, seconds=0.4):
        """And its motors hold it."""
        before = b.robot_stands()["q"]
        time.sleep(seconds)
        r = b.robot()
        self.assertLess(max(abs(x - y) for x, y in zip(r["q"], before)), 1e-3)
        self.assertEqual((r["enabled"], r["stopped"]), (ALL_ON, False))

    def fault(self, b, pattern):
        status = peers.until("FAULT", lambda: (s := b.ask(cmd="status"))["mode"] == "FAULT" and s)
        self.assertRegex(status["reason"], pattern)

    def assert_well(self, b):
        """Nothing has been sent that a host should not send, or that the robot could not make sense of."""
        b.assert_within_limits(self)
        r = b.robot()
        self.assertEqual((r["never"], r["maintenance"], r["unknown"], r["ignored"]), (0, 0, 0, b.ignored))
