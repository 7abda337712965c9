"""test_franka_realtime.py - the 1 kHz loop of dreamvla-arm --driver franka while motions begin, run and end: its thread allocates
nothing, asks the kernel only for its datagrams, the time and a wake-up of others, and is real-time where that is permitted."""
import os
import pathlib
import platform
import re
import time
import unittest

import franka
import peers
import test_control_calls
import whole
from franka import begun_anew_after_stalls

THREAD = "arm-control"
NUMBERS = {"x86_64": {0: "read", 1: "write", 7: "poll", 35: "nanosleep", 44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg",
                      219: "restart_syscall", 228: "clock_gettime", 230: "clock_nanosleep", 271: "ppoll", 299: "recvmmsg"},
           "aarch64": {63: "read", 64: "write", 73: "ppoll", 101: "nanosleep", 113: "clock_gettime", 115: "clock_nanosleep",
                       128: "restart_syscall", 206: "sendto", 207: "recvfrom", 211: "sendmsg", 212: "recvmsg", 243: "recvmmsg"}}
ON_SOCKETS = {"sendto", "recvfrom", "sendmsg", "recvmsg", "recvmmsg"}
ON_EVENTS = {"read", "write"}
FREE = {"poll", "ppoll", "clock_gettime", "clock_nanosleep", "restart_syscall"}
CALLS = 2000


def snapshots(path):
    """What tests/preload/count_malloc.c has written: [(time in ns, {(thread, name, library): count})]."""
    found = []
    for text in path.read_text().split("snapshot ")[1:]:
        lines = text.splitlines()
        if lines[-1] != "end":
            continue
        rows = {}
        for line in lines[1:-1]:
            thread, name, library, count, _ = line.split("\t")
            rows[(thread, name, library)] = int(count)
        found.append((int(lines[0]), rows))
    return found


def motions_begin_and_end(b):
    """AUTO, a stop; the daemon goes, so that the motion ends; its successor begins the next one."""
    b.into_motion()
    time.sleep(1)
    b.robot("drop", what="states", count=5)
    peers.until("the stop", lambda: b.ask(cmd="stop")["ok"])
    b.robot_stands()
    b.daemon.end()
    b.robot_idle()
    b.start_daemon()
    peers.until("attach", b.attached)
    b.into_motion()
    time.sleep(1)
    b.robot("reflex")
    peers.until("the reflex", lambda: b.ask_arm()["mode"] == "reflex")
    peers.until("the recovery", lambda: b.ask_arm("recover")["ok"])
    peers.until("ready", lambda: b.ask_arm()["mode"] == "ready")


class Counting(franka.Bench):
    def __init__(self, folder):
        super().__init__(folder)
        self.counts = pathlib.Path(folder) / "counts"
        library = (peers.BUILD / "tests/preload/count_malloc.so").resolve()
        assert library.exists(), library
        self.arm_environment = {"LD_PRELOAD": str(library), "COUNT_MALLOC_FILE": str(self.counts)}


@begun_anew_after_stalls(5)
class RealTime(unittest.TestCase):
    def test_no_allocation(self):
        if os.environ.get("SAN"):
            self.skipTest("sanitizers bring their own allocator, which leaves nothing to interpose")
        with whole.bench(Counting) as b:
            b.into_motion()
            b.daemon.end()
            b.robot_idle()
            b.start_daemon()
            peers.until("attach", b.attached)
            begun_ns = peers.now_ns()
            motions_begin_and_end(b)
            ended_ns = peers.now_ns()
            before = b.ask_arm()["reconnects"]
            b.robot("user_stop", on=True)       # and a connection that ends
            b.robot("user_stop", on=False)
            b.robot("close")
            peers.until("connected again", lambda: (s := b.ask_arm())["reconnects"] > before and s["mode"] == "ready")
            closed_ns = peers.now_ns()
            peers.until("a snapshot", lambda: snapshots(b.counts)[-1][0] > closed_ns)
            inside = [rows for t, rows in snapshots(b.counts) if begun_ns <= t]
            self.assertGreater(len(inside), 10)
            self.assertGreater(ended_ns, begun_ns)
            first, last = inside[0], inside[-1]
            grown = {key: n - first.get(key, 0) for key, n in last.items() if n > first.get(key, 0)}
            self.assertEqual({key: n for key, n in grown.items() if key[1] == THREAD}, {})
            # The counter itself must work: the arm's io thread uses libzmq, which allocates.
            self.assertTrue(any(re.match("libzmq", library) for _, _, library in grown), grown)

    def test_what_it_asks_the_kernel_for(self):
        if platform.machine() not in NUMBERS:
            self.skipTest(f"the numbers of system calls on {platform.machine()} are not known here")
        if os.environ.get("SAN"):
            self.skipTest("sanitizers make calls of their own")
        with whole.bench(franka.Bench) as b:
            tracer = test_control_calls.Tracer(self, b.arm.process.pid, THREAD)
            try:
                self.assert_calls(b, tracer.calls(CALLS), "a motion in which it stands")
                b.into_motion()
                self.assert_calls(b, tracer.calls(CALLS), "AUTO")
                b.daemon.end()
                self.assert_calls(b, tracer.calls(CALLS), "the end of a motion")
                b.robot_idle()
                self.assert_calls(b, tracer.calls(CALLS), "no motion")
                b.sim.kill()
                peers.until("disconnected", lambda: b.ask_arm()["mode"] == "disconnected")
                self.assert_calls(b, tracer.calls(CALLS // 4), "no robot")
            finally:
                tracer.end()

    def assert_calls(self, b, found, when):
        names = NUMBERS[platform.machine()]
        for number, first in set(found):
            name = names.get(number, f"call {number}")
            if name in FREE:
                continue
            self.assertIn(name, ON_SOCKETS | ON_EVENTS, when)
            kind = os.readlink(f"/proc/{b.arm.process.pid}/fd/{first}")
            self.assertRegex(kind, "^socket:" if name in ON_SOCKETS else r"^anon_inode:\[eventfd\]", (when, name))

    def test_is_realtime_where_permitted(self):
        with whole.bench(franka.Bench) as b:
            log = b.arm.text()
            tid = peers.until("the thread", lambda: peers.thread_of(b.arm.process.pid, THREAD))
            policy = os.sched_getscheduler(tid)
            if policy != os.SCHED_FIFO:
                self.assertIn("SCHED_FIFO", log)        # it says so, with the remedy
                self.skipTest("no permission for SCHED_FIFO here")
            self.assertGreater(os.sched_getparam(tid).sched_priority, 1)
            if os.environ.get("SAN"):
                return                                  # sanitizers lock no memory
            status = pathlib.Path(f"/proc/{b.arm.process.pid}/status").read_text()
            self.assertGreater(int(re.search(r"VmLck:\s+(\d+) kB", status)[1]), 0)


if __name__ == "__main__":
    unittest.main()
