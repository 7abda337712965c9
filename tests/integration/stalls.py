#!/usr/bin/python3
"""stalls.py - did a processor of this machine stand still? A virtual machine's host may stop one of two processors for 100 ms, and with it
whatever runs there, real-time or not; 20 of them are enough to end a Franka's motion, as they should be.

A process of its own, with an ordinary program's eyes only: one thread per processor sleeps for two milliseconds and sees how long that took,
as urgent as this user may make it. Nothing that a program under test does or says is looked at.

As a program: answers each line on standard input with the longest stall so far in ms, of which a line that says "anew" is the beginning;
ends with its input."""
import functools
import os
import subprocess
import sys
import threading
import time

SLEEP_S = 0.002
URGENT = 95  # above every thread of ours, which it takes some microseconds from
TRIES = 5


def watch(cpu, longest_s):
    os.sched_setaffinity(0, {cpu})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(URGENT))
    except PermissionError:
        pass  # then the programs under test are not real-time either
    before = time.monotonic()
    while True:
        time.sleep(SLEEP_S)
        now = time.monotonic()
        longest_s[cpu] = max(longest_s[cpu], now - before - SLEEP_S)
        before = now


def main():
    longest_s = dict.fromkeys(os.sched_getaffinity(0), 0.0)
    sys.setswitchinterval(0.0005)
    for cpu in longest_s:
        threading.Thread(target=watch, args=(cpu, longest_s), daemon=True).start()
    for line in sys.stdin:
        if line == "anew\n":
            longest_s.update(dict.fromkeys(longest_s, 0.0))
        print("%.1f" % (1000 * max(longest_s.values())), flush=True)


class Stalls:
    """Watches from now on, or from anew(), until it is closed."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.longest_ms()

    def longest_ms(self):
        return self.ask("")

    def anew(self):
        self.ask("anew")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.communicate()


def begun_anew_after_stalls(allowed_ms):
    """For a class of tests: one that failed while a processor stood still for longer is begun anew and says so, which tests/run.sh
    shows. A test must leave nothing behind but what its clean-ups end. The last try counts anyway."""
    def steady(case):
        def again(test):
            @functools.wraps(test)
            def run(self):
                for left in reversed(range(TRIES)):
                    stalls = Stalls()
                    try:
                        test(self)
                        return
                    except AssertionError as failure:
                        longest_ms = stalls.longest_ms()
                        if left == 0 or longest_ms <= allowed_ms:
                            raise
                        print("%s: begun anew, a processor had stood still for %.0f ms:\n%s" % (self.id(), longest_ms, failure), file=sys.stderr)
                    finally:
                        stalls.close()
                    self.doCleanups()
                    self.setUp()
            return run

        for name in [n for n in dir(case) if n.startswith("test_")]:
            setattr(case, name, again(getattr(case, name)))
        return case
    return steady


if __name__ == "__main__":
    main()
