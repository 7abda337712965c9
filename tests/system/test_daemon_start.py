"""test_daemon_start.py - dreamvlad starts, or says what is wrong and what to do about it: arguments, ports, rights, checkpoints."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

import peers


class Start(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, *arguments, **settings):
        daemon = peers.Daemon(self.folder, arguments, **settings)
        self.addCleanup(daemon.kill)
        return daemon

    def assert_ends(self, daemon, code, *words):
        self.assertEqual(daemon.wait_end(), code, daemon.text())
        for word in words:
            self.assertIn(word, daemon.text())

    def run_program(self, *arguments):
        return subprocess.run([peers.BUILD / "dreamvlad", *arguments], capture_output=True, text=True, timeout=peers.PATIENCE_S)

    # arguments

    def test_help_and_version(self):
        self.assertIn("exit codes", self.run_program("--help").stdout)
        self.assertIn("dreamvlad", self.run_program("--version").stdout)

    def test_wrong_arguments(self):
        for arguments, wrong in (((), "--config FILE is missing; dreamvlad --help"), (("--confg", "x"), "dreamvlad --help lists"),
                                 (("--config",), "requires an argument"), (("--config", "x", "more"), "more: not an option"),
                                 (("--config", "x", "--config", "y"), "--config: given twice"), (("--config", "x", "--json"), "go with --replay"),
                                 (("--replay", "x", "--replay-speed", "slow"), "--replay-speed slow: want real or fast"),
                                 (("--replay", "x", "--check"), "exclude each other"), (("--config", "x", "--model", "y"), "go with --replay"),
                                 (("--replay", "x", "--config", "y", "--heads", "z"), "policy.heads"),
                                 (("--config", "x", "--check", "--print-config"), "leave out --check")):
            done = self.run_program(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(wrong, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_missing_configuration(self):
        done = self.run_program("--config", f"{self.folder}/none.yaml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("none.yaml", done.stderr)

    def test_configuration_from_standard_input_is_refused(self):
        done = self.run_program("--config", "-")
        self.assertEqual(done.returncode, 1)
        self.assertIn("-: standard input is not read", done.stderr)

    def test_printed_configuration_is_read_back(self):
        self.assert_ends(self.start("--print-config"), 0, "policy:", "control")
        printed = pathlib.Path(self.folder) / "printed.yaml"
        printed.write_text(self.run_program("--config", f"{self.folder}/config.yaml", "--print-config").stdout)
        again = self.run_program("--config", printed, "--print-config")
        self.assertEqual(again.returncode, 0, again.stderr)

    # --check

    def test_check_loads_and_ends(self):
        daemon = self.start("--check")
        self.assert_ends(daemon, 0, "fit together")
        self.assertEqual([], [name for name in os.listdir(self.folder) if name not in ("config.yaml", "log")])  # no socket

    def test_check_names_a_camera_that_nobody_uses(self):
        self.assert_ends(self.start("--check"), 0, "fit together")
        written = pathlib.Path(self.folder, "config.yaml").read_text()
        other = pathlib.Path(self.folder, "other.yaml")
        other.write_text(written.replace("\ncameras:\n", "\ncameras:\n  spare: {}\n", 1))
        for path, said in ((other, True), (f"{self.folder}/config.yaml", False)):
            done = self.run_program("--config", path, "--check")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("cameras.spare: the policy gets no picture of it" in done.stderr, said, done.stderr)

    def test_check_takes_every_decoder(self):
        for decoder, steps in (("discrete_diffusion", 3), ("l1_regression", 1), ("flow_matching", 4), ("diffusion", 10)):
            self.assert_ends(self.start("--check", decoder=decoder, steps=steps), 0, "fit together", f"decoder {decoder}")

    def test_decoder_without_its_head_file(self):
        self.assert_ends(self.start("--check", decoder="flow_matching", heads="discrete"), 1, "decoder flow_matching",
                         f"{peers.CHECKPOINT}/heads/discrete: has no action_head--*_checkpoint.pt",
                         "proprio_projector--10000_checkpoint.pt", "policy.heads")

    def test_steps_that_a_decoder_cannot_take(self):
        self.assert_ends(self.start("--check", decoder="l1_regression", steps=4), 1, "decoder l1_regression: 4 steps", "exactly 1")
        self.assert_ends(self.start("--check", decoder="diffusion"), 1, "decoder diffusion: 1 steps", "2 to 50")

    def test_missing_checkpoint(self):
        self.assert_ends(self.start("--check", model=f"{self.folder}/nowhere"), 1, f"{self.folder}/nowhere", "policy.model")

    def test_truncated_checkpoint(self):
        model = pathlib.Path(self.folder) / "model"
        shutil.copytree(peers.CHECKPOINT, model)
        weights = model / "model.safetensors"
        weights.chmod(0o644)
        os.truncate(weights, weights.stat().st_size // 2)
        self.assert_ends(self.start(model=model), 1, str(weights))

    def test_weights_that_are_no_numbers(self):
        model = pathlib.Path(self.folder) / "model"
        shutil.copytree(peers.CHECKPOINT, model)
        weights = model / "model.safetensors"
        weights.chmod(0o644)
        data = bytearray(weights.read_bytes())
        start = 8 + int.from_bytes(data[:8], "little")
        begin, end = (start + at for at in json.loads(data[8:start])["model.norm.weight"]["data_offsets"])
        data[begin:end] = b"\xff" * (end - begin)
        weights.write_bytes(data)
        self.assert_ends(self.start("--check", model=model), 1, "policy.model", str(model), "not a number")

    def test_actions_that_the_checkpoint_does_not_have(self):
        # 7 joints and a gripper are 8 actions, the statistics have 7
        daemon = self.start("--check", action_space="joint_delta", action_scale="[]")
        self.assert_ends(daemon, 1, "8 actions", "have 7", "policy.action_space")

    def test_unknown_robot_model(self):
        extra = "  - name: other\n    model: pandora\n    action_first: 7\n"
        self.assert_ends(self.start("--check", extra=extra), 1, "pandora", "panda")

    # sockets

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            self.assert_ends(self.start(status=address), 1, "sockets", address)

    # rights

    def without_rights(self):
        """A command that takes away what real-time threads and locked memory need, or a reason to skip."""
        if os.geteuid() != 0:
            return ["prlimit", "--rtprio=0", "--memlock=0", "--"]
        if not shutil.which("setpriv"):
            self.skipTest("root without setpriv cannot give its rights away")
        os.chmod(self.folder, 0o777)
        return ["prlimit", "--rtprio=0", "--memlock=0", "--", "setpriv", "--bounding-set=-all", "--inh-caps=-all"]

    def test_real_time_required_but_not_permitted(self):
        daemon = self.start(command=self.without_rights(), realtime="required")
        self.assert_ends(daemon, 1, "SCHED_FIFO priority 80", "LimitRTPRIO=80", "control.realtime: off")

    def test_real_time_preferred_but_not_permitted_nor_locked_memory(self):
        daemon = self.start(command=self.without_rights(), realtime="prefer")
        daemon.wait_ready()
        self.assertIn("LimitRTPRIO=80", daemon.text())
        self.assertIn("not real-time", daemon.text())
        self.assertEqual(daemon.terminate(), 0, daemon.text())

    def test_real_time_threads_are_real_time(self):
        daemon = self.start(realtime="prefer")
        daemon.wait_ready()
        if "LimitRTPRIO" in daemon.text():
            self.skipTest("no permission for SCHED_FIFO here")
        scheduling = {}
        for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir():
            try:
                fields = (task / "stat").read_text().rpartition(")")[2].split()
                name = (task / "comm").read_text().strip()
                scheduling[name] = (int(fields[38]), int(fields[37]), os.sched_getaffinity(int(task.name)))
            except (FileNotFoundError, ProcessLookupError):
                pass  # a thread that ended meanwhile
        last = max(os.sched_getaffinity(0))
        self.assertEqual(scheduling["control"], (os.SCHED_FIFO, 80, {last}))
        self.assertEqual(scheduling["io"], (os.SCHED_FIFO, 79, {last}))
        self.assertEqual(scheduling["ZMQbg/IO/0"], (os.SCHED_FIFO, 79, {last}))
        self.assertEqual(scheduling["policy"][0], os.SCHED_OTHER)
        if len(os.sched_getaffinity(0)) > 1:
            self.assertNotIn(last, scheduling["policy"][2])
        self.assertEqual(daemon.terminate(), 0, daemon.text())


if __name__ == "__main__":
    unittest.main()
