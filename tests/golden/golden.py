#!/usr/bin/env python3
"""Runs dreamvla-infer on the golden cases and holds every stage against its budget (README.md of this folder).

    tests/golden/golden.py [--infer build/release/dreamvla-infer] [--golden DIR] [--vocabulary DIR] [--precision fp32|bf16]
                           [--backend cpu|cuda] [--only GLOB]... [-v]

Needs Python 3 and numpy alone. GLOB is a shell pattern over whole names, as in --only 'two_cameras.discrete' --only 'pictures'.
Prints a line a case and closes with 'N passed, N failed'; exits 1 if one failed or none was run. What cannot run for want of
data is a line 'skip NAME: reason' and counts as neither.
"""

import argparse
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


def check_case(options, golden, case, truth):
    """List of (stage, found, budget) that fall short, and the number of comparisons made."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = case_arguments(options, golden, case, truth, folder)
        infer(options, arguments + ["--dump", folder / "dump.safetensors"])
        dump = read_safetensors(folder / "dump.safetensors")
    exact = options.precision == "fp32"
    iterative_tokens = case["decoder"] == "discrete_diffusion"
    short, count = [], 0

    def hold(stage, found, budget):
        nonlocal count
        count += 1
        if options.verbose:
            print(f"    {stage:28s} {found:.2e} of {budget:.2e}")
        if not found <= budget:
            short.append((stage, found, budget))

    for stage, value in truth.items():
        if stage.startswith("picture.") or stage in ("noise", "grids", "actions", "actions.normalised"):
            continue
        if not exact and (stage.startswith("step.") or stage == "action.tokens"):
            continue
        if stage not in dump:
            short.append((f"{stage} is missing in the dump", np.inf, 0))
        elif dump[stage].shape != value.shape:
            short.append((f"{stage} has shape {dump[stage].shape}, want {value.shape}", np.inf, 0))
        elif value.dtype.kind == "i":
            hold(stage, float(np.mean(dump[stage] != value)), 0.0)
        elif stage == "state.normalised":
            hold(stage, float(np.abs(dump[stage] - value).max()), 1e-6)
        elif exact:
            hold(stage, relative(dump[stage], value), max(1e-4 if "confidence" in stage else 2e-5, 5 * case["fp32_error"].get(stage, 0)))
        else:
            hold(stage, relative(dump[stage], value), 1.25 * case["bf16_error"][stage])
    if case["decoder"] == "discrete" and exact:
        preprocessor = json.loads((golden / "checkpoints" / case["checkpoint"] / "preprocessor_config.json").read_text())
        wanted = np.concatenate([images.patches(truth[f"picture.{i}"], preprocessor)[0] for i in range(len(case["images"]))])
        hold("patches", float(np.abs(dump["patches"] - wanted).max()) if dump["patches"].shape == wanted.shape else np.inf, 1e-6)
    difference = float(np.abs(dump["actions.normalised"] - truth["actions.normalised"]).max())
    if exact:
        budget = max(5e-5, 5 * case["fp32_actions_max_difference"])
        hold("actions.normalised", difference, budget)
        hold("actions", float(np.abs(dump["actions"] - truth["actions"]).max()), budget * (np.abs(truth["actions"]).max() + 1))
    elif case["decoder"] == "discrete":
        hold("share of other tokens", float(np.mean(dump["action.tokens"] != truth["action.tokens"])), 1.02 - case["bf16_equal_tokens"])
    elif not iterative_tokens and case["decoder"] != "diffusion":
        hold("actions.normalised", difference, 1.5 * case["bf16_actions_max_difference"])
    return short, count


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


def check_pictures(options, golden):
    """The picture steps against the answers of TensorFlow and Pillow that there are."""
    if not (golden / "images.safetensors").exists():
        raise Skipped(f"there is no {golden / 'images.safetensors'}")
    answers = read_safetensors(golden / "images.safetensors")
    whole = ["--resize", "none", "--center-crop", "none"]
    short, used = [], set()

    def hold(dump, stage, key, levels, share):
        if key not in answers:
            return
        used.add(key)
        found = dump[f"image.0.{stage}"]
        if found.shape != answers[key].shape:
            short.append((f"{key}: shape {found.shape}, want {answers[key].shape}", np.inf, 0))
            return
        difference = np.abs(found.astype(int) - answers[key].astype(int))
        if difference.max() > levels:
            short.append((f"{key}: levels off", float(difference.max()), levels))
        if (difference > 0).mean() > share:
            short.append((f"{key}: share of other values", float((difference > 0).mean()), share))

    for picture in sorted((golden / "pictures").iterdir()):
        name = picture.name
        smart = [key for key in answers if key.startswith(f"{name}.smart.")]
        if not any(key.startswith(f"{name}.") for key in answers):
            continue
        dump = dump_picture(options, golden, picture, ["--resize", "224x224", "--center-crop", "0.9"])
        hold(dump, "resized", f"{name}.lanczos3.224x224", 1, 1e-3)
        hold(dump, "cropped", f"{name}.lanczos3.224x224.crop0.9", 1, 2e-3)     # cropped from a picture that may be one level off
        turned = dump_picture(options, golden, picture, whole + ["--rotate-180", "--max-pixels", "100352"])
        hold(turned, "decoded", f"{name}.decoded", 0, 0)
        if not np.array_equal(turned["image.0.rotated"], turned["image.0.decoded"][::-1, ::-1]):
            short.append((f"{name}: rotated by 180 degrees", 1, 0))
        if not np.array_equal(turned["image.0.round_trip"], turned["image.0.decoded"]):
            short.append((f"{name}: a round trip that is off repeats the decoded picture", 1, 0))
        dump = dump_picture(options, golden, picture, whole + ["--jpeg-round-trip", "--max-pixels", "100352"])
        hold(dump, "round_trip", f"{name}.jpeg95", 0, 0)
        for key in smart:
            low, high = key.split(".")[-2:]
            hold(dump_picture(options, golden, picture, whole + ["--min-pixels", low, "--max-pixels", high]), "smart", key, 0, 0)
    short += [(f"{key}: nothing was held against it", 1, 0) for key in answers if key not in used]
    return short, len(used)


def check_arguments(options, golden):
    """What the command line means, and what it refuses."""
    checkpoint = golden / "checkpoints" / "two_cameras"
    first, second = golden / "pictures" / "scene_a.ppm", golden / "pictures" / "scene_b.ppm"
    usual = ["--model", checkpoint, "--decoder", "discrete", "--action-chunk", 1, "--instruction", "x"]
    heads, state = ["--heads", checkpoint / "heads" / "discrete"], ["--state=" + ",".join(["0"] * 8)]
    short, count = [], 0

    def run(arguments, output=subprocess.PIPE):
        command = shlex.split(options.infer) + [str(a) for a in arguments]
        return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, timeout=600)

    def refused(title, code, words, arguments, output=subprocess.PIPE):
        nonlocal count
        count += 1
        result = run(arguments, output)
        if result.returncode != code or any(word not in result.stderr for word in words):
            short.append((f"{title}: exit {result.returncode}: {result.stderr.strip()[-200:]}", result.returncode, code))

    with tempfile.TemporaryDirectory() as name:
        for pictures in (["--image", first, second], ["--image", first, "--image", second], [first, "--image", second], ["--", first, second]):
            count += 1
            dump = Path(name) / "d.safetensors"
            result = run(usual + heads + state + ["--dump", dump] + pictures)
            order = [] if result.returncode else [read_safetensors(dump)[f"image.{i}.decoded"].tobytes() for i in range(2)]
            if order != [p.read_bytes()[-len(order[0]):] if order else b"" for p in (first, second)]:
                short.append((f"order of {shlex.join(str(p) for p in pictures)}: {result.stderr.strip()[-200:]}", 1, 0))
    one = ["--image", first]
    refused("a state that nothing takes", 1, ["--state", "no proprio projector", "--heads"], usual + state + one)
    refused("a state that is missing", 1, ["--state", "8 values"], usual + heads + one)
    refused("noise", 2, ["--noise"], usual + heads + state + one + ["--noise", "noise.safetensors"])
    refused("top-k of discrete", 1, ["discrete", "top_k 5"], usual + heads + state + one + ["--top-k", 5])
    refused("too many pictures", 2, ["too many pictures"], usual + heads + state + ["--image"] + [first] * 9)
    with open("/dev/full", "w") as full:
        refused("a full disk", 1, ["standard output"], usual + heads + state + one, full)
        refused("a full disk, JSON", 1, ["standard output"], usual + heads + state + one + ["--json"], full)
        refused("a full disk, help", 1, ["standard output"], ["--help"], full)
    refused("a full disk, dump", 1, ["/dev/full"], usual + heads + state + one + ["--dump", "/dev/full"])
    return short, count


def check_tokenizer(options, directory, file):
    cases = json.loads(file.read_text())
    found = json.loads(infer(options, ["--model", directory, "--tokenize"], json.dumps([c["text"] for c in cases])))
    short = [(f"{c['text'][:40]!r}: {f[:12]} want {c['ids'][:12]}", 1, 0) for c, f in zip(cases, found) if f != c["ids"]]
    return short, len(cases)


def check_vocabulary(options):
    """The real vocabulary is too large to ship: a folder with its files, and the strings and ids as qwen2.json, is named from outside."""
    if options.vocabulary is None:
        raise Skipped("DREAMVLA_VOCABULARY is not set (a folder with vocab.json, merges.txt, added_tokens.json and qwen2.json)")
    file = options.vocabulary / "qwen2.json"
    if not file.exists():
        file = options.golden / "tokenizer" / "qwen2.json"
    if not file.exists():
        raise Skipped(f"there is no qwen2.json in {options.vocabulary}")
    return check_tokenizer(options, options.vocabulary, file)


def main():
    here = Path(__file__).resolve().parent
    vocabulary = os.environ.get("DREAMVLA_VOCABULARY")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--infer", default="build/release/dreamvla-infer")
    p.add_argument("--golden", type=Path, default=here)
    p.add_argument("--vocabulary", type=Path, default=Path(vocabulary) if vocabulary else None)
    p.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    p.add_argument("--backend", default="cpu")
    p.add_argument("--only", action="append", default=[])
    p.add_argument("-v", "--verbose", action="store_true")
    options = p.parse_args()
    work = []
    for file in sorted((options.golden / "cases").glob("*.json")):
        work.append((file.stem, lambda f=file: check_case(options, options.golden, dict(json.loads(f.read_text()), title=f.stem),
                                                         read_safetensors(f.with_suffix(".safetensors")))))
    if (options.golden / "pictures" / "scene_b.ppm").exists():
        work.append(("arguments", lambda: check_arguments(options, options.golden)))
    work.append(("pictures", lambda: check_pictures(options, options.golden)))
    for file in sorted((options.golden / "tokenizer").glob("*.json")):
        if file.stem != "qwen2":
            work.append((f"tokenizer.{file.stem}", lambda f=file: check_tokenizer(options, options.golden / "checkpoints" / f.stem, f)))
    work.append(("tokenizer.qwen2", lambda: check_vocabulary(options)))
    passed = failed = 0
    for name, check in work:
        if options.only and not any(fnmatch.fnmatchcase(name, pattern) for pattern in options.only):
            continue
        try:
            short, count = check()
        except Skipped as reason:
            print(f"skip {name}: {reason}")
            continue
        except (Failed, OSError, KeyError, ValueError, subprocess.TimeoutExpired) as problem:
            short, count = [(f"{type(problem).__name__}: {problem}", 1, 0)], 0
        print(f"{'ok  ' if not short else 'FAIL'} {name} ({count} comparisons)")
        for stage, found, budget in short[:8]:
            print(f"     {stage}: {found:.3g}, budget {budget:.3g}")
        passed, failed = passed + (not short), failed + bool(short)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0 or passed == 0)


if __name__ == "__main__":
    main()
