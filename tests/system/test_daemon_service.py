"""test_daemon_service.py - what the service manager hears: ready once, alive while control ticks, stopping; and how signals end it."""
import signal
import socket
import tempfile
import time
import unittest

import peers
import zmq


class Manager(unittest.TestCase):
    """A service manager that listens when it is asked to."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(f"{self.folder}/notify")
        self.manager.settimeout(0.05)
        self.heard = []

    def start(self, **environment):
        daemon = peers.Daemon(self.folder, environment={"NOTIFY_SOCKET": f"{self.folder}/notify", **environment})
        self.addCleanup(daemon.kill)
        return daemon

    def listen(self):
        try:
            self.heard.append(self.manager.recv(4096).decode())
        except TimeoutError:
            pass
        return self.heard

    def count(self, word):
        return sum(word in message.split("\n") for message in self.heard)

    def hears(self, word, times=1):
        return lambda: self.listen() and self.count(word) >= times

    def assert_ends_well(self, daemon):
        """Goes on listening: a full socket would hold up the sender."""
        peers.until("the end", lambda: (self.listen(), daemon.process.poll() is not None)[1])
        self.assertEqual(daemon.process.returncode, 0, daemon.text())


class Service(Manager):
    def test_life_of_a_service(self):
        daemon = self.start(WATCHDOG_USEC="200000")
        peers.until("READY=1", self.hears("READY=1"))
        self.assertIn("EXTEND_TIMEOUT_USEC=60000000", self.heard[0])
        self.assertTrue(any("STATUS=warming up" in message for message in self.heard), self.heard)
        self.assertEqual(self.count("WATCHDOG=1"), 0)
        peers.until("some WATCHDOG=1", self.hears("WATCHDOG=1", 5))
        daemon.process.send_signal(signal.SIGTERM)
        peers.until("STOPPING=1", self.hears("STOPPING=1"))
        self.assert_ends_well(daemon)
        self.assertEqual(self.count("READY=1"), 1)

    def test_no_watchdog_unless_asked_for(self):
        daemon = self.start()
        peers.until("READY=1", self.hears("READY=1"))
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            self.listen()
        self.assertEqual(self.count("WATCHDOG=1"), 0)
        self.assertEqual(daemon.terminate(), 0)

    def test_watchdog_starves_when_control_hangs(self):
        daemon = self.start(WATCHDOG_USEC="200000")
        peers.until("some WATCHDOG=1", self.hears("WATCHDOG=1", 2))
        with peers.hanging(self, daemon, "control"):
            peers.until("silence", lambda: not self.hears_more(1.0))
            alive = self.count("WATCHDOG=1")
        peers.until("WATCHDOG=1 again", self.hears("WATCHDOG=1", alive + 1))
        daemon.process.send_signal(signal.SIGTERM)
        self.assert_ends_well(daemon)

    def hears_more(self, seconds):
        before, end = len(self.heard), time.monotonic() + seconds
        while time.monotonic() < end:
            self.listen()
        return len(self.heard) > before

    def test_interrupt_ends_it_too(self):
        daemon = self.start()
        daemon.wait_ready()
        daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(daemon.wait_end(), 0, daemon.text())

    def test_policy_that_is_still_at_work_does_not_hold_up_the_end(self):
        daemon = self.start()
        peers.until("READY=1", self.hears("READY=1"))
        with peers.hanging(self, daemon, "policy") as has_ended:
            daemon.process.send_signal(signal.SIGTERM)
            peers.until("the end", lambda: (self.listen(), has_ended())[1], 10 * peers.SLOW)
        self.assert_ends_well(daemon)
        self.assertIn("policy is still at work", daemon.text())


class Loading(Manager):
    """The checkpoint takes as long as the test wants: its first announcement finds the service manager's socket full."""

    def start_loading(self, **settings):
        stuffing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(stuffing.close)
        stuffing.setblocking(False)
        try:
            while True:
                stuffing.sendto(b"", f"{self.folder}/notify")
        except BlockingIOError:
            pass
        daemon = peers.Daemon(self.folder, environment={"NOTIFY_SOCKET": f"{self.folder}/notify"}, **settings)
        self.addCleanup(daemon.kill)
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, 0)
        return daemon

    def ask(self, **request):
        return peers.ask(self.context, self.folder, **request)

    def test_requests_are_answered(self):
        daemon = self.start_loading()
        status = self.ask(cmd="status")
        self.assertEqual(status["mode"], "BOOT")
        self.assertIn("loading", status["reason"])
        self.assertEqual(self.ask(cmd="ping", t_ns=5)["t_ns"], 5)
        self.assertFalse(self.ask(cmd="mode", mode="auto")["ok"])
        self.assertNotIn("loaded and warm", daemon.text())
        peers.until("READY=1", self.hears("READY=1"))
        peers.until("the log to say so", lambda: daemon.says("loaded and warm"))
        peers.until("READY", lambda: self.ask(cmd="status")["mode"] == "READY")
        self.assertTrue(self.ask(cmd="stop")["ok"])
        daemon.process.send_signal(signal.SIGTERM)
        self.assert_ends_well(daemon)

    def test_stop_is_obeyed_and_the_arm_is_attached_to(self):
        daemon = self.start_loading()
        arm = peers.Arm(self.context, self.folder)
        arm.start()
        self.addCleanup(arm.join)
        self.addCleanup(arm.stopped.set)
        peers.until("the attach", lambda: arm.accepted_from)
        self.assertEqual(self.ask(cmd="stop")["mode"], "HOLD")
        peers.until("hold targets", lambda: arm.targets and arm.targets[-1]["source"] == "hold")
        peers.until("READY=1", self.hears("READY=1"))
        daemon.process.send_signal(signal.SIGTERM)
        self.assert_ends_well(daemon)

    def test_signal(self):
        daemon = self.start_loading()
        self.assertEqual(self.ask(cmd="status")["mode"], "BOOT")
        with peers.hanging(self, daemon, "policy") as has_ended:
            daemon.process.send_signal(signal.SIGTERM)
            peers.until("the end", lambda: (self.listen(), has_ended())[1], 10 * peers.SLOW)
        self.assert_ends_well(daemon)
        self.assertEqual(self.count("READY=1"), 0)

    def test_checkpoint_that_turns_out_to_be_missing_lets_go_of_the_arm(self):
        daemon = self.start_loading(model=f"{self.folder}/nowhere")
        arm = peers.Arm(self.context, self.folder)
        arm.start()
        self.addCleanup(arm.join)
        self.addCleanup(arm.stopped.set)
        peers.until("the attach", lambda: arm.accepted_from)
        peers.until("the end", lambda: (self.listen(), daemon.process.poll() is not None)[1])
        self.assertEqual(daemon.process.returncode, 1)
        self.assertIn(f"{self.folder}/nowhere", daemon.text())
        peers.until("the arm to be let go of", lambda: arm.requests[-1]["cmd"] == "detach")


if __name__ == "__main__":
    unittest.main()
