"""piper_drive.py PORT CHANNEL [KEY: VALUE...] - dreamvla-arm --driver piper at a socketcand server, with an operator and dreamvlad's part in
front of it: one request a line as JSON on stdin, one answer a line on stdout. Needs pyzmq and msgpack, which the peers' environments
do not have. KEY: VALUE are lines of robots[].piper.

  {"do": "until", "mode": "idle", "says": "motors_off"}  waits for a state of that mode that says so, and with
                                                         rests: true for joints at rest; the answer is the state
  {"do": "ask", "cmd": "enable", ...}                    a request at the arm's door; the answer is its reply
  {"do": "go", "q": [...], "gripper_m": 0.05}            attaches, moves there, waits for the arm to be there, detaches; the state
  {"do": "end"}                                          SIGTERM; the answer is the exit code
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from robots_bench import TCP, Bench, now_ns, wait_for  # noqa: E402
from test_arm import LEAD_NS, ME, OTHER, PERIOD_S, Driver  # noqa: E402

REST_NS, TRIES = 300_000_000, 6
WAY_S, SETTLED_S, THERE_RAD, THERE_M = 3.0, 0.3, 0.0005, 0.0005


class Drive:
    def __init__(self, port, channel, keys):
        robot = "    address: socketcand://127.0.0.1:%s/%s\n    piper:\n" % (port, channel)
        self.bench = Bench("piper", robot=robot + "".join("      %s\n" % key for key in keys))
        self.driver = Driver(self.bench)
        self.arm = self.bench.start("dreamvla-arm", "--config", self.bench.config, "--driver", "piper")

    def until(self, mode, says=None, rests=False):
        q = [None, now_ns()]

        def so():
            s = self.look()
            if "q" in s and s["q"] != q[0]:
                q[:] = s["q"], now_ns()
            return s["mode"] == mode and (not says or says in s["errors"] or says == s.get("trouble")) and (not rests or now_ns() - q[1] > REST_NS) and s
        return wait_for("mode %s, %s" % (mode, says), so)

    def look(self):
        if self.arm.poll() is not None:
            raise AssertionError("dreamvla-arm ended with %d" % self.arm.returncode)
        return self.driver.look() or {"mode": None}

    def ask(self, cmd, **fields):
        return self.driver.ask(cmd, **fields)

    def reached(self):
        self.driver.target(self.driver.look()["q_d"], dq=[0.0] * 6, sender=OTHER)
        return self.ask("status")["targets_foreign"] > 0

    def attach(self):
        wait_for("targets arrive", self.reached)
        reply = self.ask("attach", **{"from": ME, "model": "piper", "dof": 6, "tcp": TCP})
        assert reply["ok"], reply

    def stream(self, at, done):
        """Targets on a grid; at(t) is (q, dq), done(t) whether that was all."""
        start, k = now_ns(), 0
        while not done(k * PERIOD_S):
            t = k * PERIOD_S
            q, dq = at(t)
            self.driver.target(q, dq=dq, t_ns=start + int(t * 1e9) + LEAD_NS, **self.gripper)
            k += 1
            time.sleep(max(0, (start + int(k * PERIOD_S * 1e9) - now_ns()) * 1e-9))

    def go(self, q, gripper_m=None):
        """Begun anew from where the arm has come to a stand, where this machine stood still for so long that the arm braked."""
        self.gripper = {} if gripper_m is None else {"gripper_m": gripper_m}
        for _ in range(TRIES):
            refused = self.go_once(q, gripper_m)
            if not refused:
                return self.look()
            sys.stderr.write("piper_drive: begun anew, the arm has refused a target: %s\n" % refused)
        raise AssertionError("it does not get there: %s" % self.look())

    def go_once(self, q, gripper_m):
        """What the arm has refused, or nothing."""
        self.attach()
        begun, seq, there_s, refused = list(self.driver.look()["q_d"]), self.driver.seq, [], []

        def at(t):
            x = min(t / WAY_S, 1)
            share, rate = x ** 3 * (10 - 15 * x + 6 * x * x), 30 * x * x * (1 - x) ** 2 / WAY_S
            return [a + share * (b - a) for a, b in zip(begun, q)], [rate * (b - a) for a, b in zip(begun, q)]

        def done(t):
            s = self.look()
            assert t < 10 * WAY_S, s
            refused.extend([s["refused"]["reason"]] if s["refused"]["seq"] > seq else [])
            there = max(abs(a - b) for a, b in zip(s["q"], q)) < THERE_RAD
            there = there and (gripper_m is None or abs(s["gripper_m"] - gripper_m) < THERE_M)
            there_s.extend([t] if there and not there_s else [])
            return refused or (there_s and t > there_s[0] + SETTLED_S)
        self.stream(at, done)
        self.ask("detach", **{"from": ME})
        self.until("ready", rests=True)
        return refused and refused[0]

    def end(self):
        code = self.bench.end(self.arm)
        return {"code": code, "log": self.bench.log_of(self.arm)}

    def obey(self, do, **fields):
        return {"until": self.until, "ask": self.ask, "go": self.go, "end": self.end}[do](**fields)


def main():
    drive = Drive(sys.argv[1], sys.argv[2], sys.argv[3:])
    try:
        for line in sys.stdin:
            print(json.dumps(drive.obey(**json.loads(line))), flush=True)
    except BaseException:
        sys.stderr.write(drive.bench.log_of(drive.arm))
        raise
    finally:
        drive.bench.close()


if __name__ == "__main__":
    main()
