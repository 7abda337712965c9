"""test_replay.py - a session of dreamvlad among its peers, recorded, and replayed bit for bit with dreamvlad --replay; with another seed,
configuration or a damaged file it says so. In real time: the session is one of the whole program."""
import json
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import peers
from recording import Recording, change, write
import test_daemon_teleop

REPLAY_S = 100


def settings(folder, **more):
    return {"extra": f"record:\n  dir: {folder}\n  min_free_mb: 1\n", **more}


class Replay(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def session(self, **more):
        """AUTO, a person takes over and gives back, a stop, AUTO with a new instruction. Leaves a recording and its configuration."""
        with peers.bench(**settings(self.folder, **more)) as (daemon, arm, _, request):
            peers.into_auto(request)
            driven = lambda: {t["source"] for t in arm.targets}
            peers.until("targets of the policy", lambda: "policy" in driven())
            device = test_daemon_teleop.Device(arm.context, arm.folder)
            device.start()
            self.addCleanup(device.stopped.set)
            peers.until("the device", lambda: "teleop/pad" in request(cmd="status")["sources"])

            def taken():
                device.set(deadman=False)
                time.sleep(0.05)
                device.set(deadman=True, values=[0.0, 0.05, 0.0, 0.0, 0.0, 0.0])
                time.sleep(0.1)
                return request(cmd="status")["mode"] == "TELEOP"

            peers.until("TELEOP", taken)
            device.set(deadman=False)
            peers.until("the end of it", lambda: request(cmd="status")["mode"] != "TELEOP")
            self.assertTrue(request(cmd="stop")["ok"])
            peers.until("AUTO again", lambda: request(cmd="mode", mode="auto")["ok"])
            self.assertTrue(request(cmd="instruction", text="push the other one")["ok"])
            before = request(cmd="status")["counters"]["chunks_adopted"]
            peers.until("chunks of it", lambda: request(cmd="status")["counters"]["chunks_adopted"] > before + 2)
            shutil.copy(daemon.config, self.folder / "config.yaml")
            device.stopped.set()
            device.join()
        found = list(self.folder.glob("*.mcap"))
        self.assertEqual(len(found), 1, list(self.folder.iterdir()))
        return found[0]

    def later(self, chunks, extra="", **more):
        """In AUTO with chunks on their way a recording is started by request, and stopped after so many more. Leaves its files, in order."""
        with peers.bench(extra=f"record:\n  dir: {self.folder}\n  at_start: false\n  min_free_mb: 1\n{extra}", **more) as (daemon, _, _, request):
            adopted = lambda: request(cmd="status")["counters"]["chunks_adopted"]
            peers.into_auto(request)
            peers.until("chunks", lambda: adopted() > 2)
            self.assertTrue(request(cmd="record", action="start")["ok"])
            before = adopted()
            peers.until("chunks that are recorded", lambda: adopted() > before + chunks and len(list(self.folder.glob("*.mcap"))) >= 2 * ("max_mb" in extra))
            self.assertTrue(request(cmd="stop")["ok"])
            peers.until("AUTO again", lambda: request(cmd="mode", mode="auto")["ok"])
            before = adopted()
            peers.until("chunks behind the stop", lambda: adopted() > before + 1)
            self.assertEqual(request(cmd="status")["record"]["dropped"], 0)
            peers.stop_recording(request)
            shutil.copy(daemon.config, self.folder / "config.yaml")
        return sorted(self.folder.glob("*.mcap"))

    def check_later(self, recording):
        code, result, _ = self.replay(recording)
        self.assertEqual((code, result.get("identical"), result.get("complete")), (0, True, True), result)
        self.assertGreater(result["targets"], 50)
        self.assertEqual((result["chunks"]["unproven"], result["inferences_missing"]), (0, 0))
        self.assertLessEqual(result["chunks"]["before"], 2)
        return result

    def test_files_that_begin_in_the_middle(self):
        """The policy continues chunks that it has given before the file began (inpaint)."""
        files = self.later(4, "  max_mb: 1\n", decoder="discrete_diffusion", method="inpaint")
        self.assertGreaterEqual(len(files), 3)
        results = [self.check_later(path) for path in files[:2]]
        self.assertGreater(sum(r["chunks"]["compared"] for r in results), 3)

    def test_noise_that_begins_in_the_middle(self):
        """The policy is nearly always computing, so at the beginning too; what comes of that is not a chunk that is missing, even if the
        next one has been begun before control takes it."""
        files = self.later(3, decoder="flow_matching", method="async", steps=2, latency_ms=300)
        self.assertEqual(len(files), 1)
        result = self.check_later(files[0])
        self.assertGreater(result["chunks"]["compared"], 2)
        self.assertEqual(result["chunks"]["missing"], 0)
        self.check_alone(files[0])
        self.check_damaged_state(files[0])

    def check_damaged_state(self, recording):
        """Of what control remembered nothing is believed; the same file with the state as it was is good."""
        other = self.folder / "state.mcap"
        shutil.copy(recording, other)
        change(other, "/replay/state", lambda state: state)
        self.assertEqual(self.replay(other)[0], 0)
        for damaged, says in [(lambda state: state[:-8], "its size"), (lambda state: bytes(8) + state[8:], "its tick"),
                              (lambda state: state[:32] + b"\xff" * (len(state) - 32), "control's state")]:
            shutil.copy(recording, other)
            change(other, "/replay/state", damaged)
            code, _, said = self.replay(other)
            self.assertEqual((code, says in said), (2, True), said)

    def check_alone(self, recording):
        """Without a configuration the recorded one; the targets as a file; and another checkpoint, which is named."""
        out = self.folder / "targets.jsonl"
        code, result, said = self.replay_alone(recording, "--replay-out", out)
        self.assertEqual((code, result.get("config_differs"), result.get("weights_differ")), (0, [], []), said)
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        self.assertEqual(len(lines), result["targets"])
        self.assertEqual({line["same"] for line in lines}, {True})
        recorded = {t["t_ns"]: t["q"] for t in Recording(recording).of("/target/arm")}
        both = [(line["q"], recorded[line["t_ns"]]) for line in lines if line["t_ns"] in recorded]
        self.assertGreater(len(both), len(lines) // 2)
        self.assertEqual([a for a, _ in both], [b for _, b in both])
        code, _, said = self.replay_alone(recording, "--replay-out", out)
        self.assertEqual((code, "File exists" in said), (2, True), said)
        self.check_other_checkpoint(recording)

    def check_other_checkpoint(self, recording):
        other = self.folder / "other"
        model = re.search(r"^  model: (.+)$", (self.folder / "config.yaml").read_text(), re.MULTILINE)[1]
        shutil.copytree(model, other)
        changed = max(other.glob("*.safetensors"), key=lambda path: path.stat().st_size)
        weights = bytearray(changed.read_bytes())
        middle = len(weights) // 4 * 2
        for at in range(middle, middle + 400, 2):
            weights[at] ^= 0x10  # in the mantissa of a BF16 number: no other training would be as near
        changed.write_bytes(weights)
        out = self.folder / "others.jsonl"
        code, result, said = self.replay_alone(recording, "--model", other, "--replay-out", out)
        self.assertEqual((code, result["identical"], result["weights_differ"]), (1, False, [f"model/{changed.name}"]), said)
        self.assertIn("is another checkpoint than the recorded one", said)
        different = [line for line in map(json.loads, out.read_text().splitlines()) if not line["same"]]
        self.assertEqual(len(different), result["arms"]["arm"]["targets_differ"])
        self.assertTrue(all(line["q_recorded"] != line["q"] or line["chunk"] for line in different))

    def replay(self, recording, *arguments, change=lambda text: text):
        config = self.folder / "again.yaml"
        config.write_text(change((self.folder / "config.yaml").read_text()))
        return self.replay_alone(recording, "--config", config, *arguments)

    def replay_alone(self, recording, *arguments):
        done = subprocess.run([(peers.BUILD / "dreamvlad").resolve(), "--replay", recording, "--json", *arguments], text=True, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=REPLAY_S)
        print(done.stderr[-2000:], done.stdout)
        return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr

    def check_same(self, recording, *arguments):
        code, result, _ = self.replay(recording, *arguments)
        self.assertEqual((code, result.get("identical"), result.get("complete")), (0, True, True), result)
        self.assertGreater(result["ticks"], 100)  # how many there are depends on how fast the session went
        self.assertGreater(result["targets"], 100)
        self.assertGreater(result["chunks"]["compared"], 3)
        self.assertEqual(result["chunks"]["unproven"], 0)
        return result

    def test_inpaint(self):
        recording = self.session(decoder="discrete_diffusion", method="inpaint")
        result = self.check_same(recording)
        begin = time.monotonic()
        self.check_same(recording, "--replay-speed", "real")
        self.assertGreater(time.monotonic() - begin, 0.9 * result["seconds"])
        self.check_damaged(recording)

    def check_damaged(self, recording):
        whole, other = recording.read_bytes(), self.folder / "other.mcap"
        other.write_bytes(whole[:len(whole) // 2])
        code, result, _ = self.replay(other)
        self.assertEqual((code, result["identical"], result["cut"], result["complete"]), (3, True, True, False))
        other.write_bytes(re.sub(rb"layout (\d+) record_tick", rb"layout \1 record_tock", whole))
        self.assertNotEqual(other.read_bytes(), whole)
        code, _, said = self.replay(other)
        self.assertEqual(code, 2)
        self.assertIn("another version of dreamvlad", said)
        other.write_bytes(b"no recording")
        out = self.folder / "none.jsonl"
        for code, _, said in (self.replay(other, "--replay-out", out), self.replay(other, "--replay-out", out), self.replay_alone(other)):
            self.assertEqual(code, 2)
            self.assertIn("not an MCAP file", said)
            self.assertFalse(out.exists())      # the next try may want the name
        write(other, {"/camera/wrist": [(1, {})]})
        code, _, said = self.replay_alone(other)
        self.assertEqual((code, "give one with --config" in said), (2, True), said)
        code, _, said = self.replay(recording, "--model", "/nowhere")
        self.assertEqual((code, "--model and --heads go with the recorded configuration" in said), (2, True), said)

    def check_gap(self, recording):
        """In real time, over a gap of a year: a signal still ends it."""
        other = self.folder / "gap.mcap"
        shutil.copy(recording, other)

        def later(tick):
            number, now_ns = struct.unpack_from("<Qq", tick)
            return struct.pack("<Qq", number, now_ns + 365 * 86400 * 10**9 * (number > 100)) + tick[16:]

        change(other, "/replay/tick", later)
        with subprocess.Popen([(peers.BUILD / "dreamvlad").resolve(), "--replay", other, "--replay-speed", "real", "--json"], text=True, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            time.sleep(5)
            self.assertIsNone(p.poll())
            p.send_signal(signal.SIGINT)
            try:
                said, why = p.communicate(timeout=20)
            finally:
                p.kill()
        self.assertIn("a signal ended it", said, why)

    def test_without_pictures(self):
        """What the policy would have said cannot be known; the recorded chunks stand in for it, and nobody calls that complete."""
        recording = self.session(extra=f"record:\n  dir: {self.folder}\n  min_free_mb: 1\n  cameras: false\n")
        code, result, said = self.replay(recording)
        self.assertEqual((code, result["identical"], result["complete"]), (3, True, False), said)
        self.assertGreater(result["chunks"]["unproven"], 3)
        self.assertEqual(result["chunks"]["compared"], 0)
        self.assertGreater(result["targets"], 100)
        self.check_gap(recording)

    def test_ensemble_and_noise(self):
        recording = self.session(decoder="flow_matching", method="ensemble", steps=2)
        self.check_same(recording)
        code, result, _ = self.replay(recording, change=lambda text: text.replace("  steps: 2\n", "  steps: 2\n  seed: 5\n"))
        self.assertEqual((code, result["identical"]), (1, False))
        self.assertEqual(result["chunks"]["first"], 1)
        self.assertGreater(result["chunks"]["largest_action"], 0)
        self.assertGreater(result["arms"]["arm"]["targets_differ"], 0)
        self.assertGreater(result["arms"]["arm"]["largest_rad"], 0)
        self.assertIn("policy.seed", result["config_differs"])


if __name__ == "__main__":
    unittest.main()
