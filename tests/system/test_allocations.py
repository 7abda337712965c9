"""test_allocations.py - in AUTO, after warm-up, the control thread allocates nothing, and the policy thread nothing outside
libturbojpeg, oneDNN and OpenMP; neither with async nor with inpaint, where both do more; all of it
while everything is recorded. Counted by a preloaded library (tests/preload), not by reading the code."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SECONDS = 6
METHODS = {"async": "discrete", "inpaint": "discrete_diffusion"}  # and the decoder that goes with it


def write_config(folder, method):
    """The demo's configuration with sockets in a folder of our own, so that nothing else on this machine is met, and with more
    patience: what is tested is who allocates, not how fast."""
    root = pathlib.Path.cwd()
    text = (root / "config/demo.yaml").read_text()
    text = text.replace("../tests/", f"{root}/tests/").replace("tcp://127.0.0.1:7421", f"ipc://{folder}/arm")
    for quick, patient in (("max_age_ms: 400", "max_age_ms: 5000"),
                           ("state_max_age_ms: 200", "state_max_age_ms: 1000"),
                           ("heads/discrete\n", f"heads/{METHODS[method]}\n"), ("decoder: discrete\n", f"decoder: {METHODS[method]}\n"),
                           ("  method: async\n", f"  method: {method}\n  starve_ms: 10000\n")):
        assert quick in text, quick
        text = text.replace(quick, patient)
    text += f"record:\n  dir: {folder}\n  min_free_mb: 0\nsockets:\n"
    for name in ("cameras", "operators", "states", "targets", "status", "control"):
        text += f"  {name}: ipc://{folder}/{name}\n"
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def measure(build, config):
    command = [build / "dreamvla-bench", "allocations", "--programs", build, "--config", config, "--json",
               "--seconds", str(SECONDS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if not done.stdout:
        sys.exit(f"dreamvla-bench failed with {done.returncode}")
    return json.loads(done.stdout)


def problems_of(result):
    rows = result["rows"]
    print(json.dumps(result, indent=1))
    for row in rows:
        if row["thread"] == "control" and row["count"]:
            yield f"the control thread allocated: {row}"
        if re.match("policy(-|$)", row["thread"]) and row["count"] and row["kind"] == "ours":
            yield f"the policy thread allocated: {row}"
    if not (result["control"]["reached"] and result["policy_ours"]["reached"]):
        yield "the verdict is that something was allocated"
    if result["chunks"] < SECONDS:
        yield f"only {result['chunks']} chunks in {SECONDS} s: the policy did not run"
    # The counter itself must work: dreamvlad's io thread uses libzmq, which allocates.
    if not any(re.match("libzmq", row["library"]) for row in rows):
        yield "no allocation of libzmq was counted: the counter was not loaded"


def main():
    if os.environ.get("SAN"):
        print("sanitizers bring their own allocator, which leaves nothing to interpose")
        return 77
    build = pathlib.Path(os.environ.get("B", "build/release")).resolve()
    found = []
    for method in METHODS:
        with tempfile.TemporaryDirectory() as folder:
            found += [f"{method}: {problem}" for problem in problems_of(measure(build, write_config(pathlib.Path(folder), method)))]
            found += [] if list(pathlib.Path(folder).glob("*.mcap*")) else [f"{method}: nothing was recorded"]
    for problem in found:
        print("PROBLEM:", problem)
    return 1 if found else 0


sys.exit(main())
