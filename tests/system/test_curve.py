"""test_curve.py - with CURVE keys in the configuration, the programs that read it still find each other, over TCP; others do not."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import zmq

import peers

sys.path.insert(0, str(peers.ROOT / "tests/integration"))
import fake_input as fake  # noqa: E402
from ports import free_addresses  # noqa: E402

SOCKETS = ("cameras", "operators", "states", "targets", "status")


class Curve(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.control, self.arm, *self.others = free_addresses(2 + len(SOCKETS))
        self.config = self.write_config()
        self.log = open(self.folder / "log", "w+", encoding="utf-8")
        self.addCleanup(self.log.close)

    def write_config(self):
        """The demo's, with other addresses and with keys; the only one on the list is a person at another machine."""
        (public, secret), (clients, person) = zmq.curve_keypair(), zmq.curve_keypair()
        for name, key in (("secret", secret), ("public", public), ("clients", clients), ("person", person),
                          ("stranger", zmq.curve_keypair()[1])):
            (self.folder / name).write_bytes(key + b"\n")
            os.chmod(self.folder / name, 0o600)
        text = (peers.ROOT / "config/demo.yaml").read_text()
        text = text.replace("../tests/", f"{peers.ROOT}/tests/").replace("tcp://127.0.0.1:7421", self.arm)
        text += f"sockets:\n  control: {self.control}\n  curve_secret: {self.folder}/secret\n  curve_clients: {self.folder}/clients\n"
        text += "".join(f"  {name}: {address}\n" for name, address in zip(SOCKETS, self.others))
        path = self.folder / "config.yaml"
        path.write_text(text)
        return path

    def start(self, program, *arguments):
        process = subprocess.Popen([peers.BUILD / program, "--config", self.config, *arguments], stdout=self.log, stderr=self.log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def said(self):
        return (self.folder / "log").read_text(errors="replace")

    def ctl(self, *arguments):
        return subprocess.run([peers.BUILD / "dreamvlactl", *arguments, "--json", "status"], capture_output=True, text=True,
                              timeout=peers.PATIENCE_S, check=False)

    def together(self):
        """dreamvlad has heard the arm and both cameras, and the arm has obeyed it."""
        done = self.ctl("--config", self.config)
        status = json.loads(done.stdout) if done.returncode == 0 else {}
        status = status.get("dreamvlad", status)
        sources = [s["state"] for s in status.get("sources", {}).values()]
        return len(sources) == 3 and "absent" not in sources and "arm arm: attached at" in self.said()

    def start_teleop(self, name, *arguments):
        process = subprocess.Popen([peers.BUILD / "dreamvla-teleop", "--device", "gamepad", "--name", name, *arguments], stdout=self.log,
                                   stderr=self.log, env=fake.environment(self.folder))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def meet_devices(self):
        """dreamvla-teleop with the configuration's key, with one of the list and dreamvlad's public one, and with a stranger's."""
        self.addCleanup(fake.Device(self.folder, "event0", fake.GAMEPAD).close)
        sockets = dict(zip(SOCKETS, self.others))
        there = ["--operators", sockets["operators"], "--status", sockets["status"], "--server-key", self.folder / "public", "--key"]
        self.start_teleop("stranger", *there, self.folder / "stranger")
        self.start_teleop("here", "--config", self.config)
        self.start_teleop("there", *there, self.folder / "person")

        def heard():
            done = self.ctl("--config", self.config)
            return set(json.loads(done.stdout)["sources"]) if done.returncode == 0 else set()

        peers.until("both devices", lambda: {"teleop/here", "teleop/there"} <= heard())
        self.assertNotIn("teleop/stranger", heard())

    def test_programs_of_one_configuration_find_each_other(self):
        world = f"ipc://{self.folder}/world"
        sim = self.start("dreamvla-sim", "--world", world)
        arm = self.start("dreamvla-arm", "--arm", "arm", "--driver", "sim", "--world", world)
        daemon = self.start("dreamvlad")
        try:
            peers.until("the three programs to be together", self.together)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.said()}") from None
        self.assertNotEqual(self.ctl("--address", self.control).returncode, 0, "somebody without a key was answered")
        self.meet_devices()
        for process in (daemon, arm, sim):
            process.terminate()
            self.assertEqual(process.wait(peers.PATIENCE_S), 0, self.said())


if __name__ == "__main__":
    unittest.main()
