"""test_show.py - what dreamvla-bench show and film, and dreamvla-sim --judge, refuse to begin says why and what to do instead.

Not in real time: nothing is started."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import demo

BUILD = os.environ.get("B", "build/release")


def run(program, *arguments):
    """Exit status and all that was printed."""
    done = subprocess.run([os.path.join(BUILD, program), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout


class Refused(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory(prefix="show-")
        self.addCleanup(held.cleanup)
        self.folder = pathlib.Path(held.name)

    def test_without_a_checkpoint_the_cure_is_named(self):
        config = demo.write_config("demo-pick.yaml", self.folder, lambda text: text.replace("../policy/demo", str(self.folder / "none")))
        status, text = run("dreamvla-bench", "show", "--programs", BUILD, "--config", config)
        self.assertEqual(status, 1)
        self.assertIn(f"policy.model: no checkpoint in {self.folder}/none: No such file or directory", text)
        self.assertIn("`make train-demo` makes one", text)

    def test_a_piper_has_no_demo_policy(self):
        for robot in ("piper", "piper-pair"):
            status, text = run("dreamvla-bench", "show", "--programs", BUILD, "--robot", robot)
            self.assertEqual(status, 1)
            self.assertIn("the demo policy is a Franka's: want sim or franka-fci", text)

    def test_wrong_words(self):
        status, text = run("dreamvla-bench", "show", "--seed", "-1")
        self.assertEqual(status, 2)
        self.assertIn("--seed: found -1, want a whole number", text)
        status, text = run("dreamvla-bench", "show", "--config", self.folder / "none.yaml")
        self.assertEqual(status, 1)
        self.assertIn("none.yaml", text)
        status, text = run("dreamvla-sim", "--judge", f"ipc://{self.folder}/judge", "--no-cameras", "--duration", "1")
        self.assertEqual(status, 2)
        self.assertIn("no block can be picked up in a world without --task", text)

    def test_film_of_what_is_no_recording(self):
        status, text = run("dreamvla-bench", "film", "only.mcap")
        self.assertEqual(status, 2)
        self.assertIn("want FILE.mcap FILE.html", text)
        file = self.folder / "text.mcap"
        file.write_text("no recording")
        status, text = run("dreamvla-bench", "film", file, self.folder / "out.html")
        self.assertEqual(status, 1)
        self.assertIn("text.mcap", text)
        self.assertFalse((self.folder / "out.html").exists())


if __name__ == "__main__":
    unittest.main()
