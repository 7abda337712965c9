"""dreamvla-infer --describe: what it says of the golden checkpoints and of broken ones, and that dreamvlad takes its configuration.

Not in real time: programs that read files and end."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

B = os.path.abspath(os.environ.get("B", "build/release"))
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
CHECKPOINTS = os.path.join(ROOT, "tests", "golden", "checkpoints")
TIME_LIMIT_S = 60  # sanitizers are slow
# --check makes the configuration's policy, but neither arm nor socket
FILLED_IN = {"normalisation": "quantiles", "action_chunk": "8", "action_hz": "5", "action_space": "ee_delta", "rotation": "rotvec",
             "delta_frame": "base", "action_scale": "[0.05, 0.05, 0.05, 0.5, 0.5, 0.5, 1]", "delta_reference": "osc",
             "kind": "binary", "polarity": "high_opens", "threshold": "0.5", "action_closed": "0", "action_open": "1",
             "cameras": "[overhead]", "proprio": "[ee_pos, ee_rotvec, gripper_fingers]", "<FILL_IN>": "overhead",
             "rotate_180": "true", "model": "panda", "tcp": "[0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795]"}


def describe(model, *more):
    return subprocess.run([os.path.join(B, "dreamvla-infer"), "--model", model, "--describe", *more], capture_output=True, text=True,
                          timeout=TIME_LIMIT_S)


def as_json(model, *more):
    """The description; the exit status and standard error must be those of a sound program that says what it found."""
    done = describe(model, "--json", *more)
    found = json.loads(done.stdout)
    if (done.returncode, done.stderr) != (1 if found["problems"] else 0, ""):
        raise AssertionError("%d problems, exit status %d, standard error: %s" % (found["problems"], done.returncode, done.stderr))
    return found


def fill_in(text, values):
    for key, value in values.items():
        if key == "<FILL_IN>":
            text = text.replace(key + ":", value + ":")
        text = re.sub(r"(\n *%s: )\[?FILL_IN\]?" % key, lambda found: found.group(1) + value, text)
    return text


class Golden(unittest.TestCase):
    def test_every_decoder_that_has_files_runs(self):
        for name, want in (("two_cameras", {"discrete", "discrete_diffusion", "l1_regression", "flow_matching", "diffusion"}),
                           ("one_camera", {"discrete", "discrete_diffusion", "flow_matching"}),
                           ("three_cameras", {"discrete", "discrete_diffusion", "l1_regression"})):
            found = as_json(os.path.join(CHECKPOINTS, name))
            self.assertEqual(found["problems"], 0, name)
            runs = {}
            for heads in found["heads"]:
                for decoder, run in heads["decoders"].items():
                    self.assertTrue(run["runs"], (heads["directory"], decoder))
                    self.assertGreater(run["buffer_bytes"]["fp32"], 1 << 20)
                    runs.setdefault(decoder, set()).add(os.path.basename(heads["directory"]))
            self.assertEqual(set(runs), want)
            for decoder in want - {"discrete", "discrete_diffusion"}:
                self.assertEqual(runs[decoder], {decoder}, name)

    def test_facts_are_those_of_the_files(self):
        for name, files, action, state, keys, range_of in (
                ("two_cameras", 1, 7, 8, ["libero_spatial_no_noops"], "quantiles"),
                ("one_camera", 3, 7, 7, ["bridge_orig", "fractal20220817_data"], "quantiles"),
                ("three_cameras", 1, 14, 14, ["aloha_towel"], "bounds")):
            model = os.path.join(CHECKPOINTS, name)
            with open(os.path.join(model, "config.json")) as file:
                config = json.load(file)
            found = as_json(model)
            decoder, vision = found["config"]["decoder"], found["config"]["vision"]
            self.assertEqual((decoder["layers"], decoder["hidden"], decoder["vocabulary"], vision["blocks"]),
                             (config["num_hidden_layers"], config["hidden_size"], config["vocab_size"],
                              config["vision_config"]["depth"]))
            weights = found["weights"]
            self.assertEqual(len(weights["files"]), files)
            on_disk = sum(os.path.getsize(os.path.join(model, file["name"])) for file in weights["files"])
            self.assertLess(0.9 * on_disk, sum(weights["bytes"].values()))
            self.assertLess(sum(weights["bytes"].values()), on_disk)
            self.assertEqual(list(found["statistics"]["keys"]), keys)
            for entry in found["statistics"]["keys"].values():
                self.assertEqual((entry["action"]["dim"], entry["action"]["range"]), (action, range_of))
                self.assertEqual(entry["proprio"]["dim"], state)

    def test_sizes_of_heads(self):
        found = as_json(os.path.join(CHECKPOINTS, "two_cameras"))
        heads = {os.path.basename(heads["directory"]): heads for heads in found["heads"]}
        self.assertEqual(heads["flow_matching"]["action_head"]["size"], 7)
        self.assertEqual(heads["flow_matching"]["proprio_projector"]["size"], 8)
        self.assertIsNone(heads["discrete"]["action_head"])
        self.assertIsNone(heads["two_cameras"]["proprio_projector"])

    def test_a_person_reads_it(self):
        done = describe(os.path.join(CHECKPOINTS, "one_camera"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for words in ("3 files", "BF16", "F32", "760 tokens", "bridge_orig: action 7 by q01..q99", "state 7", "10 trajectories",
                      "flow_matching runs", "makes actions of 7", "cpu, fp32", "cuda"):
            self.assertIn(words, done.stdout)
        self.assertNotIn("BROKEN", done.stdout)

    def test_heads_asked_for_come_first(self):
        model = os.path.join(CHECKPOINTS, "two_cameras")
        heads = os.path.join(model, "heads", "l1_regression")
        self.assertEqual(as_json(model, "--heads", heads)["configure"], {"heads": heads, "decoder": "l1_regression"})
        self.assertEqual(as_json(model, "--decoder", "flow_matching")["configure"]["heads"],
                         os.path.join(model, "heads", "flow_matching"))
        self.assertIsNone(as_json(os.path.join(CHECKPOINTS, "one_camera"), "--decoder", "diffusion")["configure"])

    def test_heads_asked_for_are_the_only_ones(self):
        model = os.path.join(CHECKPOINTS, "two_cameras")
        heads = os.path.join(model, "heads", "l1_regression")
        self.assertIsNone(as_json(model, "--heads", heads, "--decoder", "flow_matching")["configure"])
        self.assertNotIn("also runs", describe(model, "--heads", heads).stdout)
        other = os.path.join(CHECKPOINTS, "three_cameras", "heads", "l1_regression")
        done = describe(model, "--heads", other)
        self.assertTrue(done.stdout.endswith('\n# no configuration: nothing in "%s" runs\n' % other), done.stdout)


class FullSize(unittest.TestCase):
    def test_weights_stay_on_disk(self):
        """Half a gigabyte of zeros behind the weights, which a sparse file does not take from the disk: it must not come into memory."""
        with tempfile.TemporaryDirectory(prefix="dreamvla-test-") as folder:
            model = os.path.join(folder, "model")
            shutil.copytree(os.path.join(CHECKPOINTS, "two_cameras"), model)
            with open(os.path.join(model, "model.safetensors"), "r+b") as file:
                size = struct.unpack("<Q", file.read(8))[0]
                header, data = json.loads(file.read(size)), file.read()
                header["padding"] = {"dtype": "BF16", "shape": [1 << 28], "data_offsets": [len(data), len(data) + (1 << 29)]}
                text = json.dumps(header).encode()
                text += b" " * (-len(text) % 8)
                file.seek(0)
                file.write(struct.pack("<Q", len(text)) + text + data)
                file.truncate(8 + len(text) + len(data) + (1 << 29))
            child = subprocess.Popen([os.path.join(B, "dreamvla-infer"), "--model", model, "--describe"], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(child.returncode, 0)
        self.assertLess(usage.ru_maxrss * 1024, 1 << 29)


class Configuration(unittest.TestCase):
    """What is printed is a whole configuration, once filled in."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="dreamvla-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, text):
        path = os.path.join(self.folder, "dreamvla.yaml")
        with open(path, "w") as file:
            file.write(text)
        return subprocess.run([os.path.join(B, "dreamvlad"), "--config", path, "--check"], capture_output=True, text=True,
                              timeout=TIME_LIMIT_S)

    def policy(self, *more):
        return describe(os.path.join(CHECKPOINTS, "two_cameras"), *more).stdout.split("\n\n", 1)[1]

    def test_is_accepted_once_filled_in(self):
        for decoder in ("discrete", "flow_matching", "diffusion"):
            policy = self.policy("--decoder", decoder)
            self.assertIn("decoder: " + decoder, policy)
            self.assertEqual(set(re.findall(r"\n *-? *(\S+): \[?FILL_IN", policy)) | {"<FILL_IN>"}, set(FILLED_IN))
            done = self.check(fill_in(policy, FILLED_IN))
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_two_arms(self):
        """Fourteen actions are no single arm's, however the rest is filled in."""
        text = describe(os.path.join(CHECKPOINTS, "three_cameras"), "--decoder", "l1_regression").stdout.split("\n\n", 1)[1]
        text = fill_in(text, FILLED_IN | {"action_space": "joint_absolute", "action_scale": "[]", "delta_reference": "commanded",
                                          "kind": "continuous", "proprio": "[q, gripper_open]", "model": "piper",
                                          "tcp": "[0, 0, 0, 0, 0, 0, 1]"})
        self.assertNotIn("FILL_IN", text)
        self.assertNotEqual(self.check(text).returncode, 0)
        begin, arm = text.split("  - name: arm", 1)
        one = "    action_dims: 7\n    proprio_dims: 7\n"
        done = self.check(begin + "  - name: left" + arm + one + "  - name: right" + arm + one +
                          "    action_first: 7\n    control: tcp://127.0.0.1:7422\n")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_no_guess_looks_like_a_fact(self):
        self.assertNotIn("<--", re.search(r"\n  steps: 4 .*", self.policy("--decoder", "flow_matching")).group())
        self.assertRegex(self.policy("--decoder", "diffusion"), r"\n  steps: 10 +# <-- a divisor of 50")

    def test_a_path_stays_in_its_line(self):
        model, heads = os.path.join(CHECKPOINTS, "two_cameras"), os.path.join(self.folder, "a\ncontrol: b\x1b[31m")
        shutil.copytree(os.path.join(model, "heads", "l1_regression"), heads)
        done = describe(model, "--heads", heads, "--decoder", "flow_matching")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("\ncontrol", done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        self.assertIn("a?control: b?[31m\n", done.stdout)

    def test_open_questions_are_refused_and_named_all_at_once(self):
        policy = self.policy("--decoder", "discrete")
        for left in (set(FILLED_IN), {"<FILL_IN>", "action_scale"}, {"tcp"}):
            text = fill_in(policy, {k: v for k, v in FILLED_IN.items() if k not in left})
            want = [(str(n), line.strip(" -").split(":")[0]) for n, line in enumerate(text.split("\n"), 1)
                    if re.search(r"^ *<FILL_IN>:|: \[?FILL_IN", line)]
            self.assertEqual({key for _, key in want}, left)
            done = self.check(text)
            self.assertEqual(done.returncode, 1, done.stderr)
            head, _, named = done.stderr.rstrip("\n").partition(" values are still FILL_IN: ")
            self.assertTrue(head.endswith(": %d" % len(left)), done.stderr)
            self.assertEqual(re.findall(r"line (\d+): (?:[a-z_.\[\]0-9]*(?:<FILL_IN>)?\.)?([^ ,]+)", named), want, done.stderr)


class Broken(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="dreamvla-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def copy(self, name):
        self.model = os.path.join(self.folder, "model")
        shutil.rmtree(self.model, ignore_errors=True)
        shutil.copytree(os.path.join(CHECKPOINTS, name), self.model)

    def spoil(self, name, change):
        path = os.path.join(self.model, name)
        with open(path, "rb") as file:
            data = file.read()
        with open(path, "wb") as file:
            file.write(change(data))

    def assert_broken(self, broken, whole, *more):
        """The culprit is named, what is whole is still described, and the exit code tells."""
        done = describe(self.model, *more)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, broken)
        for words in whole:
            self.assertIn(words, done.stdout)
        self.assertNotIn("\npolicy:\n", done.stdout)
        found = as_json(self.model, *more)
        self.assertGreater(found["problems"], 0)
        return found

    def test_half_copied_weights(self):
        self.copy("one_camera")
        os.remove(os.path.join(self.model, "model-00002-of-00003.safetensors"))
        self.spoil("model-00003-of-00003.safetensors", lambda data: data[:-100])
        found = self.assert_broken(r"BROKEN: .*model-00002-of-00003.safetensors: No such file",
                                   ["760 tokens", "bridge_orig: action 7", "2 layers", "makes actions of 7", "was not tried"])
        problems = [file["problem"] for file in found["weights"]["files"]]
        self.assertIsNone(problems[0])
        self.assertIn("No such file", problems[1])
        self.assertIn("truncated", problems[2])

    def test_no_weights(self):
        self.copy("two_cameras")
        os.remove(os.path.join(self.model, "model.safetensors"))
        self.assert_broken(r"BROKEN: .*neither model.safetensors nor", ["768 tokens", "libero_spatial_no_noops"])

    def test_an_index_that_contradicts(self):
        self.copy("one_camera")
        shutil.copy(os.path.join(self.model, "model-00001-of-00003.safetensors"), os.path.join(self.model, "model.safetensors"))
        self.assert_broken(r"BROKEN: .*has both", ["760 tokens"])

    def test_config(self):
        self.copy("two_cameras")
        self.spoil("config.json", lambda data: data.replace(b'"hidden_size": 64', b'"hidden_size": -64', 1))
        self.assert_broken(r"config +BROKEN: .*config.json: hidden_size = -64", ["768 tokens", "74 tensors", "libero_spatial"])

    def test_tokenizer(self):
        self.copy("two_cameras")
        os.remove(os.path.join(self.model, "merges.txt"))
        self.assert_broken(r"tokenizer +BROKEN: .*merges.txt", ["74 tensors", "libero_spatial", "3 layers"])

    def test_statistics(self):
        self.copy("two_cameras")
        self.spoil("dataset_statistics.json", lambda data: data.replace(b'"q99"', b'"q98"'))
        self.assert_broken(r"libero_spatial_no_noops: BROKEN: .*action.q99", ["74 tensors", "768 tokens"])
        os.remove(os.path.join(self.model, "dataset_statistics.json"))
        self.assert_broken(r"statistics +BROKEN: .*dataset_statistics.json", ["74 tensors", "768 tokens"])

    def test_heads(self):
        self.copy("two_cameras")
        heads = os.path.join("heads", "flow_matching")
        self.spoil(os.path.join(heads, "action_head--40000_checkpoint.pt"), lambda data: data[:-1])
        found = as_json(self.model)
        self.assertEqual(found["problems"], 1)
        self.assertEqual(found["configure"]["decoder"], "diffusion")
        done = describe(self.model)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"action_head--\*_checkpoint.pt: BROKEN: .*action_head--40000_checkpoint.pt: .*truncated")
        os.remove(os.path.join(self.model, heads, "action_head--40000_checkpoint.pt"))
        self.assertRegex(describe(self.model).stdout, r"BROKEN: .*noisy_action_projector--40000.*, but no action_head--")

    def test_heads_that_are_not_there(self):
        model = os.path.join(CHECKPOINTS, "two_cameras")
        found = as_json(model, "--heads", os.path.join(self.folder, "nowhere"))
        self.assertEqual((found["problems"], found["heads"][0]["decoders"]), (1, {}))
        done = describe(model, "--heads", os.path.join(self.folder, "nowhere"))
        self.assertEqual(len(re.findall("BROKEN: .*nowhere: No such file", done.stdout)), 1, done.stdout)
        self.assertIn("1 problem:", done.stdout)

    def test_names_that_are_no_text(self):
        """0xff is no UTF-8, 0xe9 neither; what is valid beside them stays."""
        self.copy("one_camera")
        strange = os.path.join(os.fsencode(self.folder), b"m\xff\xc3\xa4\xe9")
        os.rename(self.model, strange)
        heads = os.path.join(strange, b"heads", b"flow_matching")
        os.rename(os.path.join(heads, b"action_head--20000_checkpoint.pt"), os.path.join(heads, b"action_head--\xff_checkpoint.pt"))
        found = as_json(strange)
        self.assertEqual(os.path.basename(found["model"]), "m\ufffd\u00e4\ufffd")
        self.assertEqual(found["problems"], 0)
        flow = [heads for heads in found["heads"] if "flow_matching" in heads["directory"]]
        self.assertEqual(flow[0]["action_head"]["name"], "action_head--\ufffd_checkpoint.pt")
        os.remove(os.path.join(heads, b"action_head--\xff_checkpoint.pt"))
        self.assertEqual(as_json(strange)["problems"], 1)

    def test_a_key_cut_within_a_character(self):
        self.copy("two_cameras")
        key = "k" * 126 + "\u00e4"
        self.spoil("dataset_statistics.json", lambda data: data.replace(b"libero_spatial_no_noops", key.encode()))
        found = as_json(self.model)
        self.assertEqual(list(found["statistics"]["keys"]), ["k" * 126 + "\ufffd"])

    def test_a_key_that_paints_the_terminal(self):
        self.copy("two_cameras")
        self.spoil("dataset_statistics.json", lambda data: data.replace(b"libero_spatial_no_noops", rb"a\u001b[31m\u009bb\n"))
        done = describe(self.model)
        self.assertIn("    a?[31m??b?: action 7", done.stdout)
        for control in "\x1b\x9b":
            self.assertNotIn(control, done.stdout)

    def test_heads_of_another_fine_tune(self):
        self.copy("two_cameras")
        other = os.path.join(CHECKPOINTS, "three_cameras", "heads", "l1_regression")
        done = describe(self.model, "--heads", other)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"l1_regression cannot run: .*proprio_projector--30000.*fc1.weight")
        self.assertIn("flow_matching runs", done.stdout)
        self.assertIn("(hidden 64 from config.json, a state of 8 and actions of 7 from dataset_statistics.json): one of these files",
                      done.stdout)

    def test_no_bare_checkpoint_for_broken_heads(self):
        self.copy("one_camera")
        heads = os.path.join(self.model, "heads", "flow_matching")
        shutil.rmtree(heads)
        shutil.copytree(os.path.join(CHECKPOINTS, "two_cameras", "heads", "l1_regression"), heads)
        for more in ([], ["--decoder", "discrete"]):
            self.assert_broken(r"l1_regression cannot run: ", ["discrete runs", "# no configuration"], *more)
        self.assertEqual(as_json(self.model, "--heads", self.model)["configure"]["decoder"], "discrete")

    def test_statistics_of_another_fine_tune(self):
        self.copy("two_cameras")
        shutil.copy(os.path.join(CHECKPOINTS, "three_cameras", "dataset_statistics.json"), self.model)
        for name in ("discrete", "discrete_diffusion"):
            shutil.rmtree(os.path.join(self.model, "heads", name))
        self.assert_broken(r"flow_matching cannot run: .*a state of 14 and actions of 14 from dataset_statistics.json",
                           ["# no configuration: nothing in "])

    def test_a_folder_without_files(self):
        self.copy("two_cameras")
        heads = os.path.join(self.model, "heads")
        os.mkdir(os.path.join(heads, "empty"))
        self.assertRegex(describe(self.model).stdout, r"BROKEN: .*heads/empty: has no file .* fetch the files, or remove the folder")
        self.assertEqual(as_json(self.model)["problems"], 1)
        self.assert_broken(r"BROKEN: .*/heads: has no file", ["# no configuration"], "--heads", heads)

    def test_state_without_projector(self):
        self.copy("two_cameras")
        shutil.rmtree(os.path.join(self.model, "heads"))
        self.assertRegex(describe(self.model).stdout, r"proprio: \[\] +# <-- the statistics have a state of 8, no projector was found")

    def test_a_projector_half_downloaded(self):
        for decoder, number in (("diffusion", "50000"), ("flow_matching", "40000")):
            self.copy("two_cameras")
            heads = os.path.join(self.model, "heads", decoder)
            noisy = os.path.join(heads, "noisy_action_projector--%s_checkpoint.pt" % number)
            os.rename(noisy, noisy + ".part")
            self.assert_broken(r"noisy_action_projector--", ["# no configuration"], "--heads", heads)
            self.assertNotIn("l1_regression", describe(self.model, "--heads", heads).stdout.split("heads/")[1])
            os.remove(noisy + ".part")
            self.assert_broken(decoder + r" cannot run: noisy_action_projector--\*_checkpoint.pt is missing in " + re.escape(heads), [],
                               "--heads", heads)

    def test_files_of_several_fine_tunes(self):
        self.copy("two_cameras")
        heads = os.path.join(self.model, "heads", "flow_matching")
        self.assertIsNone(as_json(self.model, "--heads", heads)["heads"][0]["warning"])
        proprio = os.path.join(heads, "proprio_projector--%d_checkpoint.pt")
        os.rename(proprio % 40000, proprio % 10000)
        found = as_json(self.model, "--heads", heads)
        self.assertRegex(found["heads"][0]["warning"], "proprio_projector--10000_checkpoint.pt differ in their number")
        self.assertEqual(found["problems"], 0)
        shutil.copy(os.path.join(self.model, "heads", "l1_regression", "proprio_projector--30000_checkpoint.pt"), proprio % 40000)
        os.remove(proprio % 10000)
        self.assertRegex(describe(self.model, "--heads", heads).stdout, "warning: .* differ in their type: are they of one fine-tune")

    def test_no_checkpoint_at_all(self):
        for path, words in ((os.path.join(self.folder, "nowhere"), "No such file"), (__file__, "is no directory")):
            done = describe(path)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(words, done.stderr)
        self.model = self.folder
        self.assert_broken(r"config +BROKEN: .*config.json", ["neither model.safetensors", "vocab.json"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
