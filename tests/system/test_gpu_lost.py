"""test_gpu_lost.py - what the policy computes on is lost in the middle of AUTO: the arm brakes, status and log name it, dreamvlad ends
with an exit code of its own. In real time: the daemon's end, signals and exit code are those of a process."""
import pathlib
import tempfile
import unittest

import peers

GPU_LOST = 4


class GpuLost(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.sign = pathlib.Path(folder.name) / "lost"
        self.environment = {"DREAMVLA_TEST_LOST": str(self.sign)}

    def bench(self):
        return peers.bench(program="tests/lost_device/dreamvlad", environment=self.environment)

    def test_lost_in_auto_is_a_controlled_stop_with_its_own_code(self):
        with self.bench() as (daemon, arm, _, request):
            peers.into_auto(request)
            self.sign.touch()
            self.assertEqual(daemon.wait_end(), GPU_LOST, daemon.text())
            said = daemon.text()
            self.assertIn("test: linear: the GPU has fallen off the bus", said)
            self.assertRegex(said, "HOLD.*policy: the GPU is lost to this process")
            self.assertIn("controlled stop, exit code 4", said)
            self.assertTrue(said.rstrip().endswith("stopped"), said)
            daemon.assert_ends_well = lambda: None  # its end has been looked at

    def test_lost_while_it_warms_up(self):
        self.sign.touch()
        with tempfile.TemporaryDirectory() as folder:
            daemon = peers.Daemon(folder, program="tests/lost_device/dreamvlad", environment=self.environment)
            self.addCleanup(daemon.kill)
            self.assertEqual(daemon.wait_end(), GPU_LOST, daemon.text())
            self.assertIn("the GPU has fallen off the bus", daemon.text())


if __name__ == "__main__":
    unittest.main()
