#!/usr/bin/env python3
"""Runs dreamvla-infer on the golden cases and holds every stage against its budget (README.md of this folder).

    tests/golden/golden.py [--infer build/release/dreamvla-infer] [--golden DIR] [--vocabulary DIR] [--precision fp32|bf16]
                           [--backend cpu|cuda] [--only GLOB]... [--jobs N] [-v]

Needs Python 3 and numpy alone. GLOB is a shell pattern over whole names, as in --only 'two_cameras.discrete' --only 'pictures'.
DIR may be any folder laid out as this one; what it does not have is not run. Prints a line a case and closes with 'N passed,
N failed'; exits 1 if one failed or none was run. What cannot run for want of data is a line 'skip NAME: reason' and counts as
neither.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import shlex
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import images  # noqa: E402 (NumPy only)

KINDS = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def read_safetensors(path):
    data = Path(path).read_bytes()
    size, = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[8 + size + first:8 + size + last], KINDS[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write_ppm(path, picture):
    Path(path).write_bytes(b"P6\n%d %d\n255\n" % (picture.shape[1], picture.shape[0]) + picture.tobytes())


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


class Verdict:
    """What one check compared: how often, what fell short as (stage, found, budget), and every comparison for -v."""

    def __init__(self):
        self.count, self.short, self.lines = 0, [], []

    def hold(self, stage, found, budget):
        self.count += 1
        self.lines.append(f"    {stage:28s} {found:.2e} of {budget:.2e}")
        if not found <= budget:
            self.short.append((stage, found, budget))

    def hold_true(self, what, truth):
        self.hold(what, 0.0 if truth else 1.0, 0.0)


def infer(options, arguments, text=None):
    command = shlex.split(options.infer) + [str(a) for a in arguments]
    result = subprocess.run(command, capture_output=True, text=True, input=text, timeout=600)
    if result.returncode:
        raise Failed(f"exit {result.returncode}: {result.stderr.strip()[-300:]}\n    {shlex.join(command)}")
    return result.stdout


def relative(value, truth):
    value, truth = value.astype(np.float64), truth.astype(np.float64)
    return np.linalg.norm(value - truth) / max(np.linalg.norm(truth), 1e-30)


def case_arguments(options, golden, case, truth, folder):
    checkpoint = golden / "checkpoints" / case["checkpoint"]
    arguments = ["--model", checkpoint, "--heads", checkpoint / case["heads"], "--decoder", case["decoder"], "--action-chunk", case["action_chunk"],
                 "--unnorm-key", case["unnorm_key"], "--instruction", case["instruction"], "--precision", options.precision,
                 "--backend", options.backend, "--resize", "none", "--center-crop", "none"]
    for option in ("steps", "algorithm", "top_k"):
        if option in case:
            arguments += ["--" + option.replace("_", "-"), case[option]]
    if "committed" in case:
        arguments += ["--committed", ",".join(str(v) for v in case["committed"])]
    if case["state"] is not None:
        arguments += ["--state=" + ",".join(repr(v) for v in case["state"])]
    if "noise" in truth:
        arguments += ["--noise", golden / "cases" / (case["title"] + ".safetensors")]
    shared = read_safetensors(golden / "cases" / f"{case['checkpoint']}.discrete.safetensors")
    for number in range(len(case["images"])):
        write_ppm(folder / f"{number}.ppm", shared[f"picture.{number}"])
        arguments += ["--image", folder / f"{number}.ppm"]
    return arguments


def dump_case(options, golden, case, truth):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        infer(options, case_arguments(options, golden, case, truth, folder) + ["--dump", folder / "dump.safetensors"])
        return read_safetensors(folder / "dump.safetensors")


def exact_budget(stage):
    """Relative error of an fp32 run; at least three times the largest seen over 36 shapes."""
    if "confidence" in stage:
        return 1e-4
    return 4e-6 if stage.startswith("vision.") or stage == "decoder.input" else 2e-5


def hold_stage(verdict, case, stage, found, value, exact):
    if found.shape != value.shape:
        verdict.hold(f"{stage} has shape {found.shape}, want {value.shape}", np.inf, 0)
    elif value.dtype.kind == "i":
        verdict.hold(stage, float(np.mean(found != value)), 0.0)
    elif stage == "state.normalised":
        verdict.hold(stage, float(np.abs(found - value).max()), 1e-7)
    elif exact:
        verdict.hold(stage, relative(found, value), max(exact_budget(stage), 5 * case["fp32_error"].get(stage, 0)))
    else:
        verdict.hold(stage, relative(found, value), (4 if stage.startswith("step.") else 1.25) * case["bf16_error"][stage])


def held_in_bf16(case, stage):
    """Not what follows a choice or a step that bf16 may well have taken otherwise: it diverges by chance with random weights."""
    if stage == "action.tokens":
        return False
    if not stage.startswith("step.") or case["decoder"] == "flow_matching":
        return True
    return stage.startswith("step.0.") and stage in case["bf16_error"]


def hold_patches(verdict, golden, case, truth, dump):
    preprocessor = json.loads((golden / "checkpoints" / case["checkpoint"] / "preprocessor_config.json").read_text())
    wanted = np.concatenate([images.patches(truth[f"picture.{i}"], preprocessor)[0] for i in range(len(case["images"]))])
    verdict.hold("patches", float(np.abs(dump["patches"] - wanted).max()) if dump["patches"].shape == wanted.shape else np.inf, 5e-7)


def hold_actions(verdict, case, truth, dump, exact):
    difference = float(np.abs(dump["actions.normalised"] - truth["actions.normalised"]).max())
    if exact:
        budget = max(5e-5, 5 * case["fp32_actions_max_difference"])
        verdict.hold("actions.normalised", difference, budget)
        verdict.hold("actions", float(np.abs(dump["actions"] - truth["actions"]).max()), budget * (np.abs(truth["actions"]).max() + 1))
    elif case["decoder"] == "discrete":
        verdict.hold("share of other tokens", float(np.mean(dump["action.tokens"] != truth["action.tokens"])), 1.02 - case["bf16_equal_tokens"])
    elif case["decoder"] in ("l1_regression", "flow_matching"):
        verdict.hold("actions.normalised", difference, 1.5 * case["bf16_actions_max_difference"])


def check_case(options, golden, case, truth):
    dump, exact, verdict = dump_case(options, golden, case, truth), options.precision == "fp32", Verdict()
    for stage, value in truth.items():
        if stage.startswith("picture.") or stage in ("noise", "grids", "actions", "actions.normalised"):
            continue
        if not exact and not held_in_bf16(case, stage):
            continue
        if stage in dump:
            hold_stage(verdict, case, stage, dump[stage], value, exact)
        else:
            verdict.hold(f"{stage} is missing in the dump", np.inf, 0)
    if case["decoder"] == "discrete" and exact:
        hold_patches(verdict, golden, case, truth, dump)
    hold_actions(verdict, case, truth, dump, exact)
    return verdict


def dump_picture(options, golden, picture, more):
    """Picture stages of an inference with one picture; the rest of the case does not matter."""
    case = json.loads(sorted((golden / "cases").glob("*.discrete.json"))[0].read_text())
    checkpoint = golden / "checkpoints" / case["checkpoint"]
    with tempfile.TemporaryDirectory() as name:
        arguments = ["--model", checkpoint, "--heads", checkpoint / case["heads"], "--decoder", "discrete", "--action-chunk", 1, "--unnorm-key",
                     case["unnorm_key"], "--instruction", "x", "--image", picture, "--dump", Path(name) / "d.safetensors"] + more
        if case["state"] is not None:
            arguments += ["--state=" + ",".join(repr(v) for v in case["state"])]
        infer(options, arguments)
        return read_safetensors(Path(name) / "d.safetensors")


def check_picture(options, golden, picture, answers):
    """The picture steps of one picture against the answers of TensorFlow and Pillow that there are."""
    name, verdict, used = picture.name, Verdict(), set()
    whole = ["--resize", "none", "--center-crop", "none"]

    def hold(dump, stage, key, levels, share):
        if key not in answers:
            return
        used.add(key)
        found = dump[f"image.0.{stage}"]
        if found.shape != answers[key].shape:
            verdict.hold(f"{key}: shape {found.shape}, want {answers[key].shape}", np.inf, 0)
            return
        difference = np.abs(found.astype(int) - answers[key].astype(int))
        verdict.hold(f"{key}: levels off", float(difference.max()), levels)
        verdict.hold(f"{key}: share of other values", float((difference > 0).mean()), share)

    dump = dump_picture(options, golden, picture, ["--resize", "224x224", "--center-crop", "0.9"])
    hold(dump, "resized", f"{name}.lanczos3.224x224", 1, 1e-3)
    hold(dump, "cropped", f"{name}.lanczos3.224x224.crop0.9", 1, 2e-3)     # cropped from a picture that may be one level off
    turned = dump_picture(options, golden, picture, whole + ["--rotate-180", "--max-pixels", "100352"])
    hold(turned, "decoded", f"{name}.decoded", 0, 0)
    verdict.hold_true(f"{name}: rotated by 180 degrees", np.array_equal(turned["image.0.rotated"], turned["image.0.decoded"][::-1, ::-1]))
    verdict.hold_true(f"{name}: a round trip that is off repeats the decoded picture",
                      np.array_equal(turned["image.0.round_trip"], turned["image.0.decoded"]))
    if f"{name}.jpeg95" in answers:
        dump = dump_picture(options, golden, picture, whole + ["--jpeg-round-trip", "--max-pixels", "100352"])
        hold(dump, "round_trip", f"{name}.jpeg95", 0, 0)
    if f"{name}.rotated.jpeg95" in answers:                     # rotated first: a JPEG of the turned picture is not the JPEG, turned
        dump = dump_picture(options, golden, picture, whole + ["--rotate-180", "--jpeg-round-trip", "--max-pixels", "100352"])
        hold(dump, "round_trip", f"{name}.rotated.jpeg95", 0, 0)
    for key in answers:
        if key.startswith(f"{name}.smart."):
            low, high = key.split(".")[-2:]
            hold(dump_picture(options, golden, picture, whole + ["--min-pixels", low, "--max-pixels", high]), "smart", key, 0, 0)
        elif key.startswith(f"{name}.bicubic."):
            used.add(key)           # a size of its own choice: no option asks for that, smart resize goes the same way
    for key in answers:
        if key.startswith(f"{name}.") and key not in used:
            verdict.hold(f"{key}: nothing was held against it", 1, 0)
    return verdict


def check_arguments(options, golden):
    """What the command line means, and what it refuses."""
    checkpoint = golden / "checkpoints" / "two_cameras"
    first, second = golden / "pictures" / "scene_a.ppm", golden / "pictures" / "scene_b.ppm"
    usual = ["--model", checkpoint, "--decoder", "discrete", "--action-chunk", 1, "--instruction", "x"]
    heads, state = ["--heads", checkpoint / "heads" / "discrete"], ["--state=" + ",".join(["0"] * 8)]
    verdict = Verdict()

    def run(arguments, output=subprocess.PIPE):
        command = shlex.split(options.infer) + [str(a) for a in arguments]
        return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, timeout=600)

    def refused(title, code, words, arguments, output=subprocess.PIPE):
        result = run(arguments, output)
        verdict.hold_true(f"{title}: exit {result.returncode}, want {code}: {result.stderr.strip()[-200:]}",
                          result.returncode == code and all(word in result.stderr for word in words))

    with tempfile.TemporaryDirectory() as name:
        for pictures in (["--image", first, second], ["--image", first, "--image", second], [first, "--image", second], ["--", first, second]):
            dump = Path(name) / "d.safetensors"
            result = run(usual + heads + state + ["--dump", dump] + pictures)
            order = [] if result.returncode else [read_safetensors(dump)[f"image.{i}.decoded"].tobytes() for i in range(2)]
            verdict.hold_true(f"order of {shlex.join(str(p) for p in pictures)}: {result.stderr.strip()[-200:]}",
                              order == [p.read_bytes()[-len(order[0]):] if order else b"" for p in (first, second)])
    one = ["--image", first]
    refused("a state that nothing takes", 1, ["--state", "no proprio projector", "--heads"], usual + state + one)
    refused("a state that is missing", 1, ["--state", "8 values"], usual + heads + one)
    refused("noise that is not there", 1, ["noise.safetensors", "No such file"], usual + heads + state + one + ["--noise", "noise.safetensors"])
    refused("top-k of discrete", 1, ["discrete", "top_k 5"], usual + heads + state + one + ["--top-k", 5])
    refused("too many pictures", 2, ["too many pictures"], usual + heads + state + ["--image"] + [first] * 9)
    with open("/dev/full", "w") as full:
        refused("a full disk", 1, ["standard output"], usual + heads + state + one, full)
        refused("a full disk, JSON", 1, ["standard output"], usual + heads + state + one + ["--json"], full)
        refused("a full disk, help", 1, ["standard output"], ["--help"], full)
    refused("a full disk, dump", 1, ["/dev/full"], usual + heads + state + one + ["--dump", "/dev/full"])
    return verdict


def check_tokenizer(options, directory, file):
    cases = json.loads(file.read_text())
    found = json.loads(infer(options, ["--model", directory, "--tokenize"], json.dumps([c["text"] for c in cases])))
    verdict = Verdict()
    verdict.hold("answers that are missing", len(cases) - len(found), 0)
    for c, f in zip(cases, found):
        verdict.hold_true(f"{c['text'][:40]!r}: {f[:12]} want {c['ids'][:12]}", f == c["ids"])
    return verdict


def find_vocabulary(root):
    """The folder with the real vocabulary: where DREAMVLA_VOCABULARY says, or shared/tokenizer in or beside the checkout. Or None."""
    if "DREAMVLA_VOCABULARY" in os.environ:
        return Path(os.environ["DREAMVLA_VOCABULARY"])
    places = [place / "shared" / "tokenizer" for place in (root, root.parent)]
    return next((place for place in places if (place / "vocab.json").exists()), None)


def check_vocabulary(options):
    """The real vocabulary is not ours to ship: a folder with its files, and the strings and ids as qwen2.json, lies outside."""
    folder = options.vocabulary
    if folder is None:
        raise Skipped("no shared/tokenizer, and DREAMVLA_VOCABULARY is not set (a folder with vocab.json, merges.txt, added_tokens.json, qwen2.json)")
    places = [folder / "qwen2.json", options.golden / "tokenizer" / "qwen2.json", folder.parent / "golden" / "tokenizer" / "qwen2.json"]
    for file in places:
        if file.exists():
            return check_tokenizer(options, folder, file)
    raise Skipped(f"there is no qwen2.json in {folder}")


def list_work(options):
    """(name, check) of everything that the folder has data for."""
    golden, work = options.golden, []
    for file in sorted((golden / "cases").glob("*.json")):
        work.append((file.stem, lambda f=file: check_case(options, golden, dict(json.loads(f.read_text()), title=f.stem),
                                                         read_safetensors(f.with_suffix(".safetensors")))))
    if (golden / "pictures" / "scene_b.ppm").exists() and (golden / "checkpoints" / "two_cameras").exists():
        work.append(("arguments", lambda: check_arguments(options, golden)))
    if (golden / "images.safetensors").exists():
        answers = read_safetensors(golden / "images.safetensors")
        for name in sorted({".".join(key.split(".")[:2]) for key in answers}):
            work.append((f"pictures.{name}", lambda n=name: check_picture(options, golden, golden / "pictures" / n, answers)))
    for file in sorted((golden / "tokenizer").glob("*.json")):
        if file.stem != "qwen2":
            work.append((f"tokenizer.{file.stem}", lambda f=file: check_tokenizer(options, golden / "checkpoints" / f.stem, f)))
    work.append(("tokenizer.qwen2", lambda: check_vocabulary(options)))
    return [item for item in work if not options.only or any(fnmatch.fnmatchcase(item[0], pattern) for pattern in options.only)]


def run_check(check):
    """The check's verdict, or the reason why there is none."""
    try:
        return check()
    except Skipped as reason:
        return reason
    except (Failed, OSError, KeyError, ValueError, subprocess.TimeoutExpired) as problem:
        verdict = Verdict()
        verdict.hold(f"{type(problem).__name__}: {problem}", 1, 0)
        return verdict


def main():
    here = Path(__file__).resolve().parent
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--infer", default="build/release/dreamvla-infer")
    p.add_argument("--golden", type=Path, default=here)
    p.add_argument("--vocabulary", type=Path, default=find_vocabulary(here.parents[1]))
    p.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    p.add_argument("--backend", default="cpu")
    p.add_argument("--only", action="append", default=[])
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("-v", "--verbose", action="store_true")
    options = p.parse_args()
    work = list_work(options)
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for (name, _), verdict in zip(work, pool.map(lambda item: run_check(item[1]), work)):
            if isinstance(verdict, Skipped):
                print(f"skip {name}: {verdict}")
                continue
            if options.verbose:
                print(*verdict.lines, sep="\n")
            print(f"{'FAIL' if verdict.short else 'ok  '} {name} ({verdict.count} comparisons)", flush=True)
            for stage, found, budget in verdict.short[:8]:
                print(f"     {stage}: {found:.3g}, budget {budget:.3g}")
            passed, failed = passed + (not verdict.short), failed + bool(verdict.short)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0 or passed == 0)


if __name__ == "__main__":
    main()
