"""test_control_calls.py - what the control thread asks of the kernel, seen by ptrace(2) while it runs: in every mode it sleeps, wakes io
through an eventfd, reads the clock where the machine has none in user space, and nothing else: no lock that waits, no heap, no file."""
import ctypes
import os
import platform
import signal
import unittest

import peers
import whole

SEIZE, SYSCALL, DETACH, CONT, INTERRUPT, SYSCALL_INFO = 0x4206, 24, 17, 7, 0x4207, 0x420E
TRACE_SYSGOOD, ALL_KINDS, EVENT_STOP = 1, 0x40000000, 128
NUMBERS = {"x86_64": {1: "write", 35: "nanosleep", 228: "clock_gettime", 230: "clock_nanosleep", 219: "restart_syscall"},
           "aarch64": {64: "write", 101: "nanosleep", 113: "clock_gettime", 115: "clock_nanosleep", 128: "restart_syscall"}}
ALLOWED = {"write", "clock_gettime", "clock_nanosleep", "restart_syscall"}
CALLS = 400  # two a period: a second


class Info(ctypes.Structure):
    """struct ptrace_syscall_info (ptrace(2)): op 1 is an entry."""
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32), ("ip", ctypes.c_uint64),
                ("sp", ctypes.c_uint64), ("nr", ctypes.c_uint64), ("args", ctypes.c_uint64 * 6)]


class Tracer:
    def __init__(self, test, pid, name="control"):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.tid = peers.until("the thread " + name, lambda: peers.thread_of(pid, name))
        if self.call(SEIZE, 0, TRACE_SYSGOOD) != 0:
            test.skipTest(f"ptrace: {os.strerror(ctypes.get_errno())}")

    def call(self, what, address=0, data=0):
        return self.libc.ptrace(ctypes.c_long(what), ctypes.c_long(self.tid), ctypes.c_void_p(address), ctypes.c_void_p(data))

    def end(self):
        """Lets go of it: a thread that is traced cannot end with its process."""
        self.call(INTERRUPT)
        os.waitpid(self.tid, ALL_KINDS)
        self.call(DETACH)

    def entry(self):
        """(number, first argument) of the call that the thread has stopped in, None at its end."""
        info = Info()
        self.libc.ptrace(ctypes.c_long(SYSCALL_INFO), ctypes.c_long(self.tid), ctypes.c_void_p(ctypes.sizeof(info)), ctypes.byref(info))
        return (info.nr, info.args[0]) if info.op == 1 else None

    def calls(self, n):
        """The next n system calls; then the thread goes on untraced until the next time."""
        found = []
        self.call(INTERRUPT)
        while len(found) < n:
            _, status = os.waitpid(self.tid, ALL_KINDS)
            assert os.WIFSTOPPED(status), status
            stop, event = os.WSTOPSIG(status), status >> 16
            if stop == signal.SIGTRAP | 0x80 and (entry := self.entry()):
                found.append(entry)
            if len(found) < n:
                self.call(SYSCALL, 0, 0 if event == EVENT_STOP or stop & 0x7f == signal.SIGTRAP else stop)
        self.call(CONT)
        return found


class ControlThread(unittest.TestCase):
    def check(self, tracer, b, mode, again=lambda: None):
        """What it calls; the mode was right before and after, or it is done again: being traced, and a machine that stands still, may end a
        motion."""
        names = NUMBERS[platform.machine()]

        def seen():
            if b.mode() != mode:
                again()
                return None
            found = tracer.calls(CALLS)
            return found if b.mode() == mode else None

        found = peers.until(f"{CALLS} calls in {mode}", seen)
        self.assertEqual({names.get(number, f"call {number}") for number, _ in found} - ALLOWED, set(), mode)
        self.assertEqual(len({fd for number, fd in found if names[number] == "write"}), 1, mode)  # one eventfd
        self.assertGreater(sum(names[number] == "clock_nanosleep" for number, _ in found), CALLS / 4)

    def test_in_every_mode_it_sleeps_and_wakes_io(self):
        if platform.machine() not in NUMBERS:
            self.skipTest(f"the numbers of system calls on {platform.machine()} are not known here")
        if os.environ.get("SAN"):
            self.skipTest("sanitizers make calls of their own")
        with whole.bench() as b:
            tracer = Tracer(self, b.daemon.process.pid)
            try:
                self.through_the_modes(b, tracer)
            finally:
                b.arm.go_on()
                tracer.end()

    def through_the_modes(self, b, tracer):
        self.check(tracer, b, "READY")
        peers.into_auto(b.ask)
        into_auto = lambda: (b.ask(cmd="reset"), b.ask(cmd="mode", mode="auto"))
        self.check(tracer, b, "AUTO", into_auto)
        device = whole.Device(b)

        def take_over():
            device.set(deadman=False)
            if b.mode() in ("FAULT", "HOLD"):
                into_auto()
            whole.take_over(b, device, values=[0.0, 0.0, 0.02, 0.0, 0.0, 0.0])

        take_over()
        self.check(tracer, b, "TELEOP", take_over)
        device.set(deadman=False)
        peers.until("HOLD", lambda: b.mode() == "HOLD")
        self.check(tracer, b, "HOLD")
        peers.until("SHADOW", lambda: b.ask(cmd="mode", mode="shadow")["ok"])
        self.check(tracer, b, "SHADOW")
        b.arm.pause()
        peers.until("FAULT", lambda: b.mode() == "FAULT")
        self.check(tracer, b, "FAULT")


if __name__ == "__main__":
    unittest.main()
