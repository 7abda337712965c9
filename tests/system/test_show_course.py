"""test_show_course.py - the whole course of dreamvla-bench show with a checkpoint that has learned nothing: it picks nothing up, which the
world says and the demo fails for, and for nothing else; the film has every turn of it.

In real time: three sentences, two tries each.
Too long for make check: it waits for the world's 12 s in each try, 2 minutes in all.
Nothing to sanitize: too slow for its criteria, and each part has tests of its own."""
import base64
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import demo

BUILD = os.environ.get("B", "build/release")
COLOURS = ("red", "blue", "yellow")   # judged: green becomes blue on the way


def read_film(path):
    page = path.read_text(encoding="utf-8")
    return json.JSONDecoder().raw_decode(page, page.index("const film = ") + len("const film = "))[0]


class Course(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory(prefix="show-") as folder:
            film = pathlib.Path(folder) / "film.html"
            config = demo.write_config("demo.yaml", folder)
            done = subprocess.run([os.path.join(BUILD, "dreamvla-bench"), "show", "--programs", BUILD, "--config", config, "--film", film, "--json"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=400, check=False)
            print(done.stderr)
            print(done.stdout)
            cls.status, cls.log, cls.result = done.returncode, done.stderr, json.loads(done.stdout)
            cls.page = film.read_text(encoding="utf-8")
            cls.film = read_film(film)

    def test_fails_for_what_was_not_picked_up_and_for_nothing_else(self):
        self.assertEqual(self.status, 1)
        self.assertEqual(self.result["failed"], ["sentences carried out"])
        for sentence in self.result["course"]["sentences"]:
            self.assertFalse(sentence["done"])
            self.assertIn(sentence["verdict"], ("too late", "wrong block"))
            self.assertEqual(sentence["tries"], 2)

    def test_the_person_has_the_arm_at_once(self):
        self.assertLess(self.result["course"]["takeover_ms"], 100)
        self.assertIn("teleop/bench", [row[1] for row in self.film["drivers"]])
        self.assertEqual(sum(row[1] == "TELEOP" for row in self.film["modes"]), 4)   # the course's own, and one after each first try

    def test_every_turn_is_marked(self):
        marks = [row[1] for row in self.film["marks"]]
        for i, colour in enumerate(COLOURS):
            self.assertEqual(sum(re.fullmatch(rf"picked up the {colour} block: no, \d+\.\d s", m) is not None for m in marks), 2)
            self.assertIn(f"sentence {i + 1} once more, from home", marks)
            self.assertTrue(any(f"picked up the {colour} block: no" in line for line in self.log.splitlines()))
        self.assertIn("sentence 2 is changed on the way: pick up the blue block", marks)
        self.assertEqual([row[1] for row in self.film["told"]], [f"pick up the {c} block" for c in ("red", "green", "blue", "yellow")])

    def test_the_film_shows_both_cameras_all_the_time(self):
        self.assertEqual([c["name"] for c in self.film["cameras"]], ["overhead", "wrist"])
        for camera in self.film["cameras"]:
            times = [frame[0] for frame in camera["frames"]]
            self.assertGreater(len(times), self.film["length"] / 1000 * 6)
            self.assertLess(max(b - a for a, b in zip(times, times[1:])), 1000)
            self.assertTrue(base64.b64decode(camera["frames"][-1][1]).startswith(b"\xff\xd8"))
        self.assertNotIn("://", self.page)  # nothing is fetched; pictures are base64, in which any four letters come by chance


if __name__ == "__main__":
    unittest.main()
