"""A simulated Franka behind its control interface, dreamvla-arm --driver franka in front of it, and between test and arm the peer of
test_arm.py: what the tests of the Franka driver share."""
import os
import time
import unittest

import msgpack
import zmq

from fci_client import free_address
from ports import free_addresses
from robots_bench import PATIENCE_S, Bench, Witness, now_ns, wait_for
from stalls import TRIES, Stalls
from test_arm import ENDED_WELL, ME, OTHER, PAUSE_S, PERIOD_S, Driver

HELD_S = 0.05      # nothing that an arm does by itself would take longer to show in ten states
TOLERANCE_RAD = 1e-3
PERIOD_NS = int(PERIOD_S * 1e9)
LEAD_NS = 400_000_000 if os.environ.get("SAN") else 250_000_000  # targets are sent so long before they are due
STALL_MS = 5       # 20 missing commands end a motion; tests take 12 away


def largest(values):
    return max(map(abs, values))


def apart(a, b):
    assert len(a) == len(b), (a, b)
    return largest(x - y for x, y in zip(a, b))


def smooth(t):
    """A way from 0 to 1 in the time from 0 to 1, with its rate; velocity and acceleration are 0 at both ends."""
    t = min(max(t, 0.0), 1.0)
    return t ** 3 * (10 - 15 * t + 6 * t * t), 30 * t * t * (1 - t) ** 2


def ended_well(bench):
    for p in reversed(bench.processes):
        code = p.poll()
        if code is None:
            code = bench.end(p)
        if code not in ENDED_WELL:
            raise AssertionError("%s ended with %d:\n%s" % (p.args[0], code, bench.log_of(p)))


def close(everything):
    everything["bench"].close()
    everything["stalls"].close()
    everything["witness"].ended.set()


class Station(unittest.TestCase):
    """The robot, the arm's process and a peer; the robot runs and the arm is ready unless a test says otherwise. Programs that a test has
    left running are put in order and kept for the next one of its class, and end after the last."""

    tries = TRIES
    model, robot_keys, policy_keys, sim_arguments = "panda", "", "", ()
    keeps, kept = True, None

    @classmethod
    def tearDownClass(cls):
        """A crash after the last test must not go unseen."""
        last, cls.kept = cls.kept, None
        if last:
            try:
                ended_well(last["bench"])
            finally:
                close(last)

    def setUp(self):
        self.in_order, self.due_ns = False, 0
        last, type(self).kept = type(self).kept, None
        if last:
            self.__dict__.update(last)
            self.stalls.anew()
            self.witness.longest_s = 0.0
            del self.driver.recent[:-1]
        else:
            self.begin()
        self.addCleanup(self.keep)
        if not last:
            self.start()
        if self.keeps:
            self.robot_before, self.arm_before = self.robot(), self.driver.ask("status")

    def begin(self):
        self.witness = Witness()
        self.witness.start()
        self.stalls = Stalls()
        self.address = free_address()
        self.bench = Bench(self.model, robot="    address: %s\n%s" % (self.address, self.robot_keys), policy=self.policy_keys)
        self.bench.address["faults"] = free_addresses(1)[0]
        self.driver = Driver(self.bench)

    def keep(self):
        """For the next test, after one that has passed and left everything in order."""
        everything = {name: self.__dict__.get(name) for name in ("witness", "stalls", "address", "bench", "driver", "sim", "arm")}
        if self.in_order:
            type(self).kept = everything
        else:
            close(everything)

    def start(self):
        self.start_sim()
        self.start_arm()
        self.ready()
        wait_for("targets arrive", self.targets_arrive)

    def start_sim(self, *arguments):
        self.sim = self.bench.start("dreamvla-sim", "--no-cameras", "--model", self.model, "--franka", self.address, "--faults",
                                    self.bench.address["faults"], "--duration", "500", *self.sim_arguments, *arguments)

    def start_arm(self):
        self.arm = self.bench.start("dreamvla-arm", "--config", self.bench.config, "--driver", "franka")

    # ---- for steady(), see test_arm.py

    def interruption(self):
        if any(p.poll() not in ENDED_WELL for p in self.bench.processes):
            return None
        stall_ms = self.stalls.longest_ms()
        if stall_ms > STALL_MS:
            return "a processor had stood still for %.0f ms" % stall_ms
        if self.witness.longest_s > PAUSE_S:
            return "this process had stood still for %.2f s" % self.witness.longest_s
        return None

    def assert_programs_end_well(self):
        """Or go on as if nothing had been."""
        if not self.keeps or any(p.poll() is not None for p in (self.sim, self.arm)):
            ended_well(self.bench)
            return
        self.put_in_order()
        self.in_order = True

    def put_in_order(self):
        """Of nobody, idle, standing, without errors or faults to come."""
        for what in ("states", "commands"):
            for fault in ({"cmd": "drop", "count": 0}, {"cmd": "duplicate", "count": 0}, {"cmd": "delay", "ms": 0}):
                self.robot(what=what, **fault)
        s = self.driver.ask("status")
        if s["accepted_from"]:
            self.assertOk(self.driver.ask("detach", **{"from": s["accepted_from"]}))

        def idle(r):
            self.assertIn(r["mode"], ("idle", "move"))
            return r["mode"] == "idle" and r["connected"] and largest(r["dq"]) < 1e-4
        self.wait_robot("an idle robot", idle)
        self.driver.acted_ns = now_ns()
        self.wait("an arm of nobody", lambda s: (s["mode"], s["errors"], s["accepted_from"], s["stopped"]) == ("ready", [], 0, False))
        self.assertTrue(all(p.poll() in ENDED_WELL for p in self.bench.processes))

    # ---- the robot's side

    def robot(self, cmd="status", **fields):
        """What the faults' socket answers. A socket of its own: the robot may be restarted."""
        s = self.bench.connect(zmq.REQ, "faults")
        s.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(s.recv())
        s.close()
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def robot_since(self, *keys):
        """What has been added to these of its counters since the test began."""
        r = self.robot()
        return tuple(r[key] - self.robot_before[key] for key in keys)

    def wait_robot(self, what, condition):
        def true():
            r = self.robot()
            return r if condition(r) else None
        return wait_for(what, true)

    # ---- the arm's side

    def assertOk(self, reply):
        self.assertTrue(reply["ok"], reply)

    def arm_since(self, *keys):
        r = self.driver.ask("status")
        return tuple(r[key] - self.arm_before[key] for key in keys)

    def targets_arrive(self):
        self.driver.target(self.driver.look()["q_d"], sender=OTHER)
        return self.driver.ask("status")["targets_foreign"] > 0

    def wait(self, what, condition):
        """The newest state that fulfils the condition; fails with what the arm says instead."""
        try:
            return self.driver.wait(what, condition, PATIENCE_S)
        except AssertionError as failure:
            raise AssertionError("%s; the state is %s" % (failure, self.driver.look())) from None

    def ready(self):
        self.driver.acted_ns = now_ns()
        return self.wait("the arm is ready", lambda s: s["mode"] == "ready" and not s["errors"])

    def trouble(self, name, mode=None):
        """A state that names what is wrong."""
        return self.wait(name, lambda s: name in s["errors"] and mode in (None, s["mode"]))

    def attach(self, **more):
        self.assertOk(self.driver.attach(**{"model": self.model, **more}))

    def target(self, at, t_ns):
        """Sends at, which is q and dq."""
        self.driver.target(at[0], dq=at[1], t_ns=t_ns)
        self.due_ns = t_ns

    def last_due_ns(self):
        return self.due_ns if self.due_ns > now_ns() else now_ns() + LEAD_NS - PERIOD_NS

    def hold(self, seconds, at):
        """Sends targets that stand there for a moment, which go on from the ones before as well."""
        end_ns = now_ns() + int(seconds * 1e9)
        while now_ns() < end_ns:
            self.due_ns = self.last_due_ns()
            while self.due_ns < now_ns() + LEAD_NS:
                self.target(at, self.due_ns + PERIOD_NS)
            time.sleep(PERIOD_S)
        self.driver.acted_ns = now_ns()

    def standing(self):
        return self.goal, [0.0] * len(self.goal)

    def held(self):
        """Sends targets for a moment, in which the robot stands where the newest ones end."""
        self.hold(HELD_S, self.standing())

    def engage(self, **more):
        """Attached, until a motion has begun in which the robot is held where it stands."""
        self.attach(**more)
        self.goal = list(self.driver.look()["q_d"])
        self.refused = self.driver.ask("status")["targets_refused"]

        def moving():
            self.held()
            return self.robot()["mode"] == "move"
        wait_for("a motion to begin", moving)

    def stream(self, seconds, at, until=lambda t: False):
        """Targets at 200 Hz on an absolute grid for so long, or until until(t); at(t) is what target() takes, t in s. They go on from the
        ones before without a gap, as long as those lie ahead."""
        start = self.last_due_ns() + PERIOD_NS - LEAD_NS
        for k in range(int(seconds / PERIOD_S) + 1):
            t = k * PERIOD_S
            if until(t):
                break
            self.target(at(t), start + int(t * 1e9) + LEAD_NS)
            pause = (start + int((t + PERIOD_S) * 1e9) - now_ns()) * 1e-9
            if pause > 0:
                time.sleep(pause)
        self.driver.acted_ns = now_ns()

    def way(self, delta, seconds):
        """From where the newest targets end by `delta`, smoothly, for stream()."""
        start = self.goal

        def at(t):
            share, rate = smooth(t / seconds)
            return [q + share * d for q, d in zip(start, delta)], [rate * d / seconds for d in delta]
        return at

    def go(self, delta, seconds=0.5, midway=None):
        """There; returns where it ends. Half of the targets sent, midway() is called; the last ones are still to be played."""
        at, called = self.way(delta, seconds), []

        def until(t):
            if midway and t > seconds / 2 + LEAD_NS * 1e-9 and not called:
                called.append(midway())
            return False
        self.stream(seconds + (LEAD_NS * 1e-9 if midway else 0), at, until)
        self.goal = at(seconds)[0]
        return self.goal

    def arrive(self, q):
        """Held there until robot and arm are there, within 1 mrad."""
        self.assertEqual(q, self.goal)

        def there():
            self.held()
            self.assertEqual(self.driver.look()["accepted_from"], ME, self.driver.look())
            return apart(self.robot()["q"], q) < TOLERANCE_RAD and apart(self.driver.look()["q_d"], q) < TOLERANCE_RAD
        wait_for("the arm to be there", there)
        r = self.driver.ask("status")
        self.assertEqual((r["targets_refused"], r["limits_exceeded"]), (self.refused, 0), r["refused"])

    def into_motion(self):
        """On its way, to where there is most room: the arm moves, and further targets wait to be played."""
        self.engage()
        far = -0.4 if self.goal[0] > 0 else 0.4
        self.stream(3.0, self.way([far, 0, 0, 0, 0, 0, far], 3.0), lambda t: self.speed() > 0.05)
        self.assertGreater(self.speed(), 0.05, "it does not move")

    def speed(self):
        """Of its fastest joint, in rad/s."""
        return largest(self.driver.look().get("dq") or [0.0])

    def stands(self):
        """The robot's status once it stands."""
        return self.wait_robot("the robot to stand", lambda r: largest(r["dq"]) < 1e-4)

    def assert_rests(self, seconds=0.3):
        """The robot stays where it is."""
        before = self.stands()["q"]
        time.sleep(seconds)
        self.assertLess(apart(self.robot()["q"], before), 1e-4)

    def moves_again(self):
        """Whatever was before: attached, there and back."""
        start = self.ready()["q_d"]
        self.engage()
        self.arrive(self.go([0.05, 0, 0, 0.05, 0, 0, 0], 0.3))
        self.arrive(self.go([-0.05, 0, 0, -0.05, 0, 0, 0], 0.3))
        self.assertLess(apart(self.robot()["q"], start), TOLERANCE_RAD)

    def udp_ports(self, program):
        """At which it receives datagrams."""
        inodes = set()
        folder = "/proc/%d/fd" % program.pid
        for name in os.listdir(folder):
            try:
                inodes.add(os.readlink(os.path.join(folder, name)))
            except FileNotFoundError:
                pass
        with open("/proc/net/udp", encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        return [int(row[1].split(":")[1], 16) for row in rows if "socket:[%s]" % row[9] in inodes]
