"""`dreamvlactl doctor` on the machine that the tests run on, and what it makes of a dreamvlad's answer, a mute one's, and a mad one's.
What it says of machines that are made up is in tests/unit/daemon/test_doctor.c."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ctl_doors import STATUS, WithDoor, ctl, free_port  # noqa: E402

VERDICTS = {"good", "warning", "bad", "cannot tell", "not here"}


class Doctor(WithDoor):
    def rows(self, address):
        done = ctl("--json", "--address", address, "doctor")
        answer = json.loads(done.stdout)
        rows = {row["name"]: row for row in answer["checks"]}
        self.assertEqual(done.returncode, int(any(row["verdict"] == "bad" for row in rows.values())), done.stderr)
        self.assertEqual(answer["bad"], bool(done.returncode))
        self.assertGreaterEqual(len(rows), 20)
        for row in rows.values():
            self.assertIn(row["verdict"], VERDICTS)
            self.assertTrue(row["evidence"], row)
            self.assertTrue(row["remedy"] or row["verdict"] not in ("warning", "bad"), row)
        if "dreamvlad that runs" not in rows["build"]["evidence"]:  # somebody else's, of another build
            self.assertEqual(rows["build"]["verdict"], "bad" if os.environ.get("SAN") else "good")
        return rows

    def test_numbers_of_a_running_daemon(self):
        status = dict(STATUS, counters={"ticks": 1000, "targets_dropped": 4})
        rows = self.rows(self.door(lambda request: status).address)
        self.assertEqual(rows["lateness"]["verdict"], "bad")
        self.assertIn("3 of 1000 periods", rows["lateness"]["evidence"])
        self.assertIn("targets_dropped 4", rows["losses"]["evidence"])
        self.assertEqual(rows["sources"]["verdict"], "bad")
        self.assertIn("state/arm stale", rows["sources"]["evidence"])

    def test_a_mad_one(self):
        rows = self.rows(self.door(lambda request: b"\xff\x00garbage").address)
        self.assertIn(rows["lateness"]["verdict"], ("not here", "cannot tell"))

    def test_for_people(self):
        done = ctl("--address", "tcp://127.0.0.1:%d" % free_port(), "doctor")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertIn("control is, or would be, on processor ", done.stdout)
        for name in ("kernel", "realtime", "clock_source"):
            self.assertIn(" %s " % name, done.stdout)

    def test_calls(self):
        self.assertEqual(ctl("doctor", "now").returncode, 2)
        self.assertEqual(ctl("doctor", "--watch").returncode, 2)
        bad = ctl("--config", "no/such.yaml", "doctor")
        self.assertEqual((bad.returncode, bad.stdout), (1, ""))
        self.assertIn("no/such.yaml", bad.stderr)


if __name__ == "__main__":
    unittest.main()
