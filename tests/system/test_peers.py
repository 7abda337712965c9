"""test_peers.py - the system tests' own bench: what a dreamvlad does after a test's last request is not lost."""
import contextlib
import io
import signal
import unittest

import peers


class Bench(unittest.TestCase):
    def test_a_crash_after_the_last_request_fails_the_test(self):
        with contextlib.redirect_stdout(io.StringIO()), self.assertRaisesRegex(AssertionError, "dreamvlad ended with -9"):
            with peers.bench(with_arm=False, with_cameras=False) as (daemon, _, _, request):
                self.assertTrue(request(cmd="stop")["ok"])
                daemon.process.send_signal(signal.SIGKILL)
                daemon.wait_end()

    def test_the_end_is_dreamvlads_own(self):
        with peers.bench(with_arm=False, with_cameras=False) as (daemon, _, _, request):
            self.assertTrue(request(cmd="stop")["ok"])
        self.assertEqual(daemon.process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
