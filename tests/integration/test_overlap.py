#!/usr/bin/python3
"""overlap.py: cases that wait run at the same time, and what becomes of each is known.

Not in real time: how long it takes does not matter."""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from overlap import load_tests, waits  # noqa: E402


class Overlap(unittest.TestCase):
    def run_cases(self, body):
        """The result and the threads of two cases that wait and of one that does not."""
        threads, meet = {}, threading.Barrier(2, timeout=60)

        class Cases(unittest.TestCase):
            @waits
            def test_a(self):
                meet.wait()
                threads["a"] = threading.current_thread()
                body(self)

            @waits
            def test_b(self):
                meet.wait()
                threads["b"] = threading.current_thread()

            def test_c(self):
                threads["c"] = threading.current_thread()
                self.assertEqual(len(threads), 3)

        suite = load_tests(None, unittest.defaultTestLoader.loadTestsFromTestCase(Cases), None)
        result = unittest.TestResult()
        suite.run(result)
        self.assertEqual(result.testsRun, 3)
        self.assertEqual(len(set(threads.values())), 3)
        self.assertIs(threads["c"], threading.current_thread())
        return result

    def test_all_pass(self):
        self.assertTrue(self.run_cases(lambda case: None).wasSuccessful())

    def test_one_fails(self):
        result = self.run_cases(lambda case: case.assertEqual(1, 2))
        self.assertFalse(result.wasSuccessful())
        self.assertIn("1 != 2", result.failures[0][1])

    def test_one_breaks(self):
        result = self.run_cases(lambda case: 1 / 0)
        self.assertFalse(result.wasSuccessful())
        self.assertIn("ZeroDivisionError", result.errors[0][1])

    def test_one_skips(self):
        result = self.run_cases(lambda case: case.skipTest("not here"))
        self.assertEqual(result.skipped[0][1], "not here")
        self.assertTrue(result.wasSuccessful())


if __name__ == "__main__":
    unittest.main()
