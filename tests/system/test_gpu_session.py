"""test_gpu_session.py - tests/gpu.sh over programs that only pretend: a part that fails keeps no other from running, and all is told.
Not in real time: nothing here waits for a clock. Nothing to sanitize: a script alone."""
import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

PRETENDED = {
    "nvidia-smi": "[ \"$1\" = -L ] && echo 'GPU 0: pretended' || echo 'name, driver_version'",
    "compute-sanitizer": """[ "$1" != --help ] || { echo " --${OPTION:-kernel-name-exclude} WHAT"; exit; }
echo "tool $2, $3 $4, ${*##*/}"; [ "${BLIND:-}" != all ] && [ "${BLIND:-}" != "$2" ] || { echo "Error: Device not supported"; exit 1; }; [ "$2" != racecheck ] || exit 9""",
    "nsys": "echo 'kernels by time'",
}
CONFORM = "[ \"$1\" = --list ] && echo cpu && echo cuda && exit; echo '0 failures'; exit ${CONFORM_EXIT:-0}"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class GpuSession(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.bin, self.build, self.results = (self.folder / name for name in ("bin", "build", "results"))
        for name, text in PRETENDED.items():
            write(self.bin / name, text)
        write(self.build / "tests/conform/conform", CONFORM)
        write(self.build / "dreamvla-bench", "echo '{\"rows\": []}'")

    def session(self, *parts, **environment):
        path = f"{self.bin}:{os.environ['PATH']}"
        return subprocess.run(["tests/gpu.sh", self.results, *parts], text=True, capture_output=True, timeout=60,
                              env={**os.environ, "PATH": path, "B": str(self.build), **environment})

    def test_parts(self):
        r = self.session("conform", "bench", "profile")
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertEqual([line.split()[0] for line in r.stdout.splitlines()], ["conform", "bench", "profile"])
        self.assertEqual(r.stdout.count("passed"), 3)
        self.assertIn("kernels by time", (self.results / "profile.log").read_text())
        self.assertIn("rows", (self.results / "bench.json").read_text())
        self.assertTrue((self.results / "summary.txt").read_text().endswith(r.stdout))

    def test_a_failed_part_keeps_no_other_from_running(self):
        r = self.session("conform", "sanitize", "bench", CONFORM_EXIT="3")
        self.assertEqual(r.returncode, 1)
        self.assertRegex(r.stdout, r"(?s)conform .*FAILED \(exit 3\).*sanitize .*FAILED \(exit 1\).*bench .*passed")
        log = (self.results / "sanitize.log").read_text()
        for said in ("tool memcheck, --kernel-name-exclude kns=gemm,", "cuda bf16", "memcheck: exit 0", "racecheck: exit 9", "initcheck: exit 0", "synccheck: exit 0"):
            self.assertIn(said, log)
        self.assertIn("tool initcheck, --error-exitcode", log)  # which has to see all that is written
        r = self.session("sanitize", BLIND="synccheck")
        self.assertRegex(r.stdout, r"sanitize .*FAILED \(exit 1\)")

    def test_a_gpu_that_cannot_be_looked_into_is_no_finding(self):
        r = self.session("sanitize", "bench", BLIND="all", OPTION="kernel-regex-exclude")
        self.assertEqual(r.returncode, 0, r.stdout)
        self.assertRegex(r.stdout, r"(?s)sanitize .*skipped: compute-sanitizer cannot look into a GPU here.*bench .*passed")
        self.assertIn("tool memcheck, --kernel-regex-exclude kns=gemm,", (self.results / "sanitize.log").read_text())

    def test_what_is_not_there(self):
        (self.bin / "nsys").unlink()
        r = self.session("profile")
        self.assertEqual((r.returncode, "skipped: no ncu here" in r.stdout), (0, True), r.stdout)
        write(self.bin / "ncu", "echo \"durations: $*\"")
        r = self.session("profile")
        self.assertEqual((r.returncode, "passed" in r.stdout), (0, True), r.stdout)
        self.assertIn("--graph-profiling node", (self.results / "profile.log").read_text())
        write(self.build / "tests/conform/conform", "echo cpu")
        r = self.session("conform")
        self.assertEqual((r.returncode, "built without CUDA" in r.stdout), (1, True), r.stdout)
        write(self.bin / "nvidia-smi", "exit 9")
        r = self.session()
        self.assertEqual((r.returncode, "no NVIDIA GPU here" in r.stdout), (77, True), r.stdout)
        self.assertEqual(self.session("everything").returncode, 2)


if __name__ == "__main__":
    unittest.main()
