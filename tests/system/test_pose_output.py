"""test_pose_output.py - robots[].output: pose through the whole chain: the simulated arm solves its own inverse kinematics, follows the
policy and a person, comes to a stand on stop and goes home, all within the limits of its own joints."""
import unittest

import peers
import whole

FLANGE_TO_FINGERS = "[0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795]"


class Piper(whole.Bench):
    """The demo's bench with poses, and a PiPER in place of the Franka."""

    model, replace = "piper", (("model: panda", "model: piper"), (FLANGE_TO_FINGERS, "[0, 0, 0.145, 0, 0, 0, 1]"),
                               ("[0.28, -0.30, 0.05]", "[0.05, -0.30, 0.05]"))

    def __init__(self, folder):
        super().__init__(folder)
        text = self.config.read_text()
        for old, new in (*self.replace, ("    floor_m: 0.0", "    floor_m: 0.0\n    output: pose")):
            assert old in text, old
            text = text.replace(old, new)
        self.config.write_text(text)

    def start_sim(self):
        self.sim = self.start("dreamvla-sim", "--config", self.config, "--world", f"ipc://{self.folder}/world", "--model", self.model)


class Franka(Piper):
    model, replace = "panda", ()


class PoseOutput:
    kind = None

    def follows_what_it_is_sent(self, bench):
        """Standing, the arm's TCP is where the newest target says."""
        state = bench.stand()
        target = bench.targets.all[-1]
        for a, b in zip(state["ee_pos"], target["pos"]):
            self.assertAlmostEqual(a, b, delta=2e-3)  # the servo of the simulated arm rests within some 0.1 mm
        self.assertAlmostEqual(abs(sum(a * b for a, b in zip(state["ee_quat"], target["quat"]))), 1, delta=1e-4)
        return state

    def all_are_poses(self, bench):
        for t in bench.targets.all:
            self.assertEqual(t["kind"], "pose")
            self.assertEqual((len(t["pos"]), len(t["quat"]), len(t["twist"])), (3, 4, 6))
            self.assertAlmostEqual(sum(x * x for x in t["quat"]), 1, delta=1e-9)
            self.assertFalse({"q", "dq"} & set(t))

    def test_policy_stop_and_home(self):
        with whole.bench(self.kind) as bench:
            home = bench.stand()
            bench.into_motion()
            path = bench.ask_arm()["tcp_path_m"]
            peers.until("a way of 0.1 m", lambda: bench.ask_arm()["tcp_path_m"] > path + 0.1)
            self.assertTrue(any(t["source"] == "policy" and any(t["twist"]) for t in bench.targets.all))
            self.assertTrue(bench.ask(cmd="stop")["ok"])
            peers.until("HOLD", lambda: bench.mode() == "HOLD")
            self.follows_what_it_is_sent(bench)
            self.assertTrue(peers.until("leave to go home", lambda: bench.ask(cmd="home")["ok"]))
            peers.until("home", lambda: max(abs(a - b) for a, b in zip(bench.stand()["ee_pos"], home["ee_pos"])) < 2e-3)
            self.all_are_poses(bench)
            bench.assert_within_limits(self)

    def test_a_person_drives(self):
        with whole.bench(self.kind) as bench:
            height, device = bench.stand()["ee_pos"][2], whole.Device(bench)

            def lower():
                if bench.ask(cmd="status")["driver"] != "teleop/pad":  # a pause of the machine asks for a new edge
                    whole.take_over(bench, device, values=[0.0, 0.0, -0.05, 0.0, 0.0, 0.1])
                return bench.ask_arm()["ee_pos"][2] < height - 0.03

            peers.until("the arm to follow the person down", lower)
            device.set(deadman=False)
            peers.until("HOLD", lambda: bench.mode() == "HOLD")
            self.follows_what_it_is_sent(bench)
            self.assertTrue(any(t["source"] == "teleop" and t["intervention"] for t in bench.targets.all))
            self.all_are_poses(bench)
            bench.assert_within_limits(self)


class OfAFranka(PoseOutput, unittest.TestCase):
    kind = Franka


class OfAPiper(PoseOutput, unittest.TestCase):
    kind = Piper


if __name__ == "__main__":
    unittest.main()
