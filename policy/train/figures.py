#!/usr/bin/env python3
"""How often a policy does the tasks of dreamvla-sim --evaluate: by method of execution and latency, by diffusion steps, with faults; and the
second task, to put the block on a pad.

    policy/train/figures.py --policy CHECKPOINT --out DIR [--episodes N] [--latencies-ms 0,100,...] [--config FILE]

Every condition is N episodes of the same seeds, so that two of them can be compared seed by seed. Conditions run side by side, one on
each processor; each result is a file in DIR, and what is there already is not run again: a run that was stopped goes on. It ends
with DIR/figures.md, which is printed too, and DIR/latency.svg. --policy expert is the scripted expert, which has neither tokens to
continue nor steps. Needs Python and taskset, nothing else."""
import argparse
import collections
import concurrent.futures
import hashlib
import html
import json
import math
import os
import queue
import subprocess
import sys
import time

METHODS = ("sync", "async", "ensemble", "inpaint")
STEPS = (1, 2, 4, 8)
FAULTS_AT_MS = 100  # latency of the conditions with faults, which are run with method async
FAULTS = (("10 % of the frames lost", ("--drop", "0.1")), ("frames 80 ms late", ("--camera-late-ms", "80")),
          ("a person takes over for 2 s", ("--take-over",)), ("all three", ("--drop", "0.1", "--camera-late-ms", "80", "--take-over")))
PUT_METHODS, PUT_AT_MS = ("async", "inpaint"), 300   # of the second task: sync at 0 ms, and these
Z95 = 1.959963984540054
ESTIMATE_FROM = 20  # fewer episodes are done before they are estimated
COLOURS = {"sync": "#0072b2", "async": "#d55e00", "ensemble": "#009e73", "inpaint": "#8a4f9e"}

Condition = collections.namedtuple("Condition", "name group text arguments against")  # against: name of its reference


def conditions(latencies_ms, expert):
    """Methods, latencies and steps are compared with sync at 0 ms and the configuration's steps, faults with the same without them."""
    out = []
    for method in METHODS[:3] if expert else METHODS:
        for ms in latencies_ms:
            out.append(Condition(f"{method}_{ms}ms", "latency", f"{method}, {ms} ms", ("--mode", method, "--latency-ms", str(ms)), "sync_0ms"))
    for steps in () if expert else STEPS:
        out.append(Condition(f"steps_{steps}", "steps", f"sync, 0 ms, {steps} step{'s' * (steps > 1)}",
                             ("--mode", "sync", "--steps", str(steps)), "sync_0ms"))
    base = ("--mode", "async", "--latency-ms", str(FAULTS_AT_MS))
    out.append(Condition("faults_none", "faults", f"async, {FAULTS_AT_MS} ms", base, "faults_none"))
    for i, (text, more) in enumerate(FAULTS):
        out.append(Condition(f"faults_{i + 1}", "faults", text, base + more, "faults_none"))
    return out + put_conditions(expert)


def put_conditions(expert):
    """The second task, compared with itself in sync at 0 ms."""
    out = [Condition("put_sync_0ms", "put", "sync, 0 ms", ("--task", "put", "--mode", "sync"), "put_sync_0ms")]
    for method in PUT_METHODS[:1] if expert else PUT_METHODS:
        out.append(Condition(f"put_{method}_{PUT_AT_MS}ms", "put", f"{method}, {PUT_AT_MS} ms",
                             ("--task", "put", "--mode", method, "--latency-ms", str(PUT_AT_MS)), "put_sync_0ms"))
    return out


# ---- running ---------------------------------------------------------------------------------------------------------------


def digest(*paths):
    """Of files, and of all files in folders."""
    h = hashlib.sha256()
    for path in paths:
        files = [path] if os.path.isfile(path) else sorted(os.path.join(d, f) for d, _, fs in os.walk(path) for f in fs)
        for name in files:
            with open(name, "rb") as f:
                while block := f.read(1 << 20):
                    h.update(block)
            h.update(f"\0{os.path.relpath(name, path)}\0".encode())
    return h.hexdigest()


def evaluate(a, condition, episodes, cpu):
    """One process on one processor: with more, inference's threads would be in each other's way. Returns its result and seconds."""
    command = ["taskset", "-c", str(cpu), a.program, "--evaluate", str(episodes), "--config", a.config, "--policy", a.policy, "--json",
               *condition.arguments]
    began = time.monotonic()
    r = subprocess.run(command, capture_output=True, text=True, check=False)
    if r.returncode != 0:
        raise RuntimeError(f"{condition.name}: {' '.join(command)}: {r.stderr.strip()[-500:]}")
    return json.loads(r.stdout), time.monotonic() - began


def side_by_side(work, todo):
    """work(condition, cpu) for each of them, in their order; yields condition and result as they end."""
    cpus = queue.SimpleQueue()
    for cpu in os.sched_getaffinity(0):
        cpus.put(cpu)

    def one(condition):
        cpu = cpus.get()
        try:
            return condition, work(condition, cpu)
        finally:
            cpus.put(cpu)

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        running = [pool.submit(one, condition) for condition in todo]
        try:
            for done in concurrent.futures.as_completed(running):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def estimate(a, todo):
    """Seconds that an episode takes in each condition: of three less of one, so that loading is not counted. Prints the whole."""
    took = {c.name: max(s, 0.001) for c, s in side_by_side(lambda c, cpu: (evaluate(a, c, 3, cpu)[1] - evaluate(a, c, 1, cpu)[1]) / 2, todo)}
    cpus = len(os.sched_getaffinity(0))
    total_s = max(sum(took.values()) / cpus, max(took.values())) * a.episodes
    say(f"{len(todo)} conditions of {a.episodes} episodes: about {duration(total_s)} on {cpus} processors")
    return took


def say(text):
    print(f"figures: {text}", file=sys.stderr, flush=True)


def result_path(a, condition):
    return os.path.join(a.out, condition.name + ".json")


def load(a, condition, identity):
    """None: it has not been run yet."""
    try:
        with open(result_path(a, condition)) as f:
            stored = json.load(f)
    except FileNotFoundError:
        return None
    want = {**identity, "arguments": list(condition.arguments)}
    other = [key for key in want if stored.get("of", {}).get(key) != want[key]]
    if other:
        raise RuntimeError(f"{result_path(a, condition)}: is a result with other {', '.join(other)}: remove it, or give another --out")
    return stored["result"]


def store(a, condition, identity, result):
    path = result_path(a, condition)
    with open(path + ".new", "w") as f:
        json.dump({"of": {**identity, "arguments": list(condition.arguments)}, "result": result}, f, indent=1)
    os.replace(path + ".new", path)


def run(a, wanted):
    identity = {"episodes": a.episodes, "policy": digest(a.policy) if a.policy != "expert" else "expert",
                "config": digest(a.config), "program": digest(a.program)}
    results = {c.name: load(a, c, identity) for c in wanted}
    todo = [c for c in wanted if results[c.name] is None]
    if todo and a.episodes >= ESTIMATE_FROM:
        took = estimate(a, todo)
        todo.sort(key=lambda c: -took[c.name])  # the longest first: the processors end together
    for condition, (result, seconds) in side_by_side(lambda c, cpu: evaluate(a, c, a.episodes, cpu), todo):
        store(a, condition, identity, result)
        results[condition.name] = result
        say(f"{condition.name}: {result['successes']} of {result['episodes']} ({seconds:.0f} s)")
    return results


# ---- numbers ---------------------------------------------------------------------------------------------------------------


def paired_difference(one, other):
    """Of the shares of successes on the same seeds, with its 95 % interval: the adjusted Wald interval of D. G. Bonett and
    R. M. Price 2012, which adds a half to each of the four counts of pairs."""
    done = {s["seed"]: s["verdict"] == "done" for s in other["each"]}
    pairs = [(s["verdict"] == "done", done[s["seed"]]) for s in one["each"]]
    gained, lost, n = pairs.count((True, False)), pairs.count((False, True)), len(pairs)
    p, q = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = Z95 * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    return (gained - lost) / n, max(p - q - half, -1), min(p - q + half, 1)


def row(condition, results):
    r = results[condition.name]
    low, high = (100 * v for v in r["interval_95"])
    against = "" if condition.name == condition.against else "%+.1f (%+.1f to %+.1f)" % tuple(
        100 * v for v in paired_difference(r, results[condition.against]))
    smooth = (f"{r['median_s']:.2f}", f"{r['jerk_rms_m_s3']:.1f}") if r["successes"] else ("–", "–")
    return (condition.text, f"{100 * r['success']:.1f} ({low:.1f} to {high:.1f})", against, *smooth,
            f"{r['wrong_block']} / {r['too_late']} / {r['stopped']}")


def markdown(a, wanted, results):
    first = results[wanted[0].name]
    lines = [f"{a.episodes} episodes of each condition, seeds from {first['seed']} on; 95 % intervals: Wilson's, of differences Bonett's"
             " and Price's for pairs. Time and jerk are those of the successes.", ""]
    for group, title, against in (("latency", "method, latency", "sync, 0 ms"), ("steps", "diffusion steps", "sync, 0 ms"),
                                  ("faults", "faults", f"async, {FAULTS_AT_MS} ms"), ("put", "to put on a pad", "sync, 0 ms")):
        rows = [row(c, results) for c in wanted if c.group == group]
        if rows:
            lines += [f"| {title} | success, % | against {against}, in pairs, % | median time, s | RMS jerk, m/s³ | wrong / late / stopped |",
                      "|---|---|---|---|---|---|", *("| " + " | ".join(r) + " |" for r in rows), ""]
    return "\n".join(lines)


# ---- the plot --------------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 420, 300, 62, 56, 52, 24


class Panel:
    """One pair of axes; x in ms."""

    def __init__(self, x0, title, x_max, y_max, y_step):
        self.x0, self.x_max, self.y_max = x0, max(x_max, 1), y_max
        self.out = [text(x0 + LEFT, TOP - 12, title, "start", "600")]
        for k in range(round(y_max / y_step) + 1):
            y = self.y(k * y_step)
            self.out += [f'<line x1="{x0 + LEFT}" x2="{x0 + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>',
                         text(x0 + LEFT - 8, y + 4, f"{k * y_step:g}", "end")]
        self.out.append(text(x0 + (LEFT + WIDTH) / 2, TOP + HEIGHT + 42, "latency of an inference, ms", "middle"))

    def x(self, ms):
        return self.x0 + LEFT + 16 + (WIDTH - LEFT - 32) * ms / self.x_max

    def y(self, value):
        return TOP + HEIGHT * (1 - value / self.y_max)

    def tick(self, ms):
        self.out.append(text(self.x(ms), TOP + HEIGHT + 20, f"{ms:g}", "middle"))

    def line(self, method, points, shift):
        """points: ms, value, and an interval or None. Shifted a little, so that intervals do not hide each other."""
        colour = COLOURS[method]
        at = [(self.x(ms) + shift, self.y(value)) for ms, value, _ in points]
        self.out.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (colour, " ".join("%.1f,%.1f" % p for p in at)))
        for (x, y), (_, _, interval) in zip(at, points):
            self.out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
            if interval:
                self.out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self.y(interval[0]):.1f}" y2="{self.y(interval[1]):.1f}"'
                                f' stroke="{colour}" stroke-width="1.3"/>')


def text(x, y, what, anchor, weight="400"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{html.escape(what)}</text>'


def step_of(most):
    """A round step that divides 0 to `most` into four to eight parts."""
    power = 10 ** math.floor(math.log10(most / 4))
    return next(power * k for k in (1, 2, 5, 10) if most / (power * k) <= 8)


def series(results, method, latencies_ms):
    return [(ms, results[f"{method}_{ms}ms"]) for ms in latencies_ms if f"{method}_{ms}ms" in results]


def svg(results, latencies_ms):
    jerks = [r["jerk_rms_m_s3"] for m in METHODS for _, r in series(results, m, latencies_ms)]
    most = max(jerks + [1])
    step = step_of(most)
    success = Panel(0, "success, % (95 % interval)", max(latencies_ms), 100, 20)
    jerk = Panel(WIDTH + GAP, "RMS jerk of the successes, m/s³", max(latencies_ms), step * math.ceil(most / step), step)
    legend = []
    for i, method in enumerate(m for m in METHODS if series(results, m, latencies_ms)):
        points, shift = series(results, method, latencies_ms), 5 * (i - 1.5)
        success.line(method, [(ms, 100 * r["success"], [100 * v for v in r["interval_95"]]) for ms, r in points], shift)
        jerk.line(method, [(ms, r["jerk_rms_m_s3"], None) for ms, r in points if r["successes"]], shift)
        legend += [f'<rect x="{LEFT + 110 * i}" y="12" width="12" height="12" fill="{COLOURS[method]}"/>', text(LEFT + 110 * i + 18, 23, method, "start")]
    for ms in latencies_ms:
        success.tick(ms)
        jerk.tick(ms)
    width, height = 2 * WIDTH + GAP + 16, TOP + HEIGHT + BOTTOM
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
            ' font-family="sans-serif" font-size="13" fill="#222">\n<rect width="100%" height="100%" fill="#fff"/>\n'
            + "\n".join(legend + success.out + jerk.out) + "\n</svg>\n")


# ----------------------------------------------------------------------------------------------------------------------------


def latency_list(value):
    out = sorted({int(v) for v in value.split(",")})
    if out[0] != 0:
        raise argparse.ArgumentTypeError("want 0 among them: all are compared with it")
    return out


def positive(value):
    if int(value) < 1:
        raise argparse.ArgumentTypeError("want 1 or more")
    return int(value)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--policy", required=True, help="a checkpoint's folder, or expert")
    p.add_argument("--out", required=True, help="folder of the results")
    p.add_argument("--episodes", type=positive, default=200)
    p.add_argument("--latencies-ms", type=latency_list, default=[0, 100, 200, 300, 500])
    p.add_argument("--config", default="config/demo-pick.yaml")
    p.add_argument("--program", default="build/release/dreamvla-sim")
    a = p.parse_args()
    for path in (a.config, a.program, *([] if a.policy == "expert" else [a.policy])):
        if not os.path.exists(path):
            p.error(f"{path}: is not there")
    return a


def main():
    a = arguments()
    wanted = conditions(a.latencies_ms, a.policy == "expert")
    try:
        os.makedirs(a.out, exist_ok=True)
        results = run(a, wanted)
    except (RuntimeError, OSError) as e:
        sys.exit(f"figures: {e}")
    table = markdown(a, wanted, results)
    with open(os.path.join(a.out, "figures.md"), "w") as f:
        f.write(table)
    with open(os.path.join(a.out, "latency.svg"), "w") as f:
        f.write(svg(results, a.latencies_ms))
    print(table)


if __name__ == "__main__":
    main()
