"""franka.py - the whole of whole.py with a Franka: dreamvla-sim's world behind Franka's control interface, with its cameras, and
dreamvla-arm --driver franka."""
import pathlib
import sys

import peers
import whole

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from fci_client import free_address  # noqa: E402
from stalls import begun_anew_after_stalls  # noqa: E402,F401  # for the tests


class Bench(whole.Bench):
    def __init__(self, folder):
        super().__init__(folder)
        self.robot_at = free_address()
        self.arm_environment = None
        text, control = self.config.read_text(), f"    control: {self.door}\n"
        assert control in text, text
        self.config.write_text(text.replace(control, f"{control}    address: {self.robot_at}\n"))

    def start_sim(self):
        self.sim = self.start("dreamvla-sim", "--config", self.config, "--franka", self.robot_at, "--faults", f"ipc://{self.folder}/faults")

    def start_arm(self, config=None):
        self.arm = self.start("dreamvla-arm", "--config", config or self.config, "--driver", "franka", environment=self.arm_environment)

    def robot(self, cmd="status", **fields):
        """What the robot says of itself, or obeys."""
        reply = self.ask_at(f"ipc://{self.folder}/faults", cmd=cmd, **fields)
        assert reply and reply["ok"], reply
        return reply

    def robot_stands(self):
        def standing():
            status = self.robot()
            return max(map(abs, status["dq"])) < 1e-4 and status
        return peers.until("the robot to stand", standing)

    def robot_idle(self):
        """The status of a robot that has ended its motion, by itself or asked to."""
        return peers.until("the end of the motion", lambda: (status := self.robot())["mode"] == "idle" and status)
