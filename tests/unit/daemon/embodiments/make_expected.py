#!/usr/bin/env python3
"""Writes ../embodiments_expected.h: what each embodiment's state and actions come to, computed without our code.

Needs numpy and scipy (made with 2.4.6 and 1.17.1); nothing at build or test time runs this. Sources of the numbers:

- rotations: scipy.spatial.transform.Rotation ("xyz": about the fixed axes, as Bridge's and Fractal's roll-pitch-yaw);
- the Panda's flange: Franka's published Denavit-Hartenberg table, multiplied out here;
- the state of LIBERO: robosuite 1.4.1 on MuJoCo 2.3.7, environment Lift with its Panda: joint angles and fingers set to those
  below, then robot0_eef_pos less the position of robot0_base, quat2axisangle(robot0_eef_quat), robot0_gripper_qpos. Its hand
  stands 0.1065 m behind joint 7 (Franka: 0.107) and is turned by 2 atan(0.383/0.924); its TCP is 0.097 m before the hand;
- LIBERO's controller: the differential equation of messages.md section 7 (unit mass, critically damped, 150 1/s^2, its goal
  the present pose and the delta, anew every 50 ms), integrated numerically, rotations on the group itself;
- normalisation: the formulas of policy/README.md.
"""
import json
import pathlib

import numpy as np
from scipy.integrate import solve_ivp
from scipy.spatial.transform import Rotation

HERE = pathlib.Path(__file__).resolve().parent


# ---- the Panda ----------------------------------------------------------------------------------------------------

def panda_flange(q):
    a = [0, 0, 0, 0.0825, -0.0825, 0, 0.088]
    d = [0.333, 0, 0.316, 0, 0.384, 0, 0]
    alpha = np.array([0, -1, 1, 1, -1, 1, 1]) * np.pi / 2
    pose = np.eye(4)
    for i in range(7):
        x = np.eye(4)
        x[:3, :3] = Rotation.from_euler("x", alpha[i]).as_matrix()
        x[0, 3] = a[i]
        z = np.eye(4)
        z[:3, :3] = Rotation.from_euler("z", q[i]).as_matrix()
        z[2, 3] = d[i]
        pose = pose @ x @ z
    pose[:3, 3] += 0.107 * pose[:3, 2]
    return pose


def panda_tcp(q, tcp):
    flange = panda_flange(q)
    rotation = Rotation.from_matrix(flange[:3, :3])
    return flange[:3, 3] + rotation.apply(tcp[:3]), rotation * Rotation.from_quat(tcp[3:])


# ---- normalisation --------------------------------------------------------------------------------------------------

def limits(part, kind):
    quantiles = kind == "quantiles" or (kind == "auto" and "q01" in part)
    low, high = ("q01", "q99") if quantiles else ("min", "max")
    return np.array(part[low], float), np.array(part[high], float), np.array(part.get("mask", [True] * len(part[low])))


def normalise(state, part, kind):
    low, high, mask = limits(part, kind)
    return np.clip(np.where(mask, 2 * (state - low) / (high - low + 1e-8) - 1, state), -1, 1)


def unnormalise(x, part, kind):
    low, high, mask = limits(part, kind)
    return np.where(mask, 0.5 * (x + 1) * (high - low + 1e-8) + low, x)


# ---- motions ---------------------------------------------------------------------------------------------------------

def follow_deltas(p, r, actions, form):
    way = [(p, r)]
    for a in actions:
        turn = Rotation.from_euler("xyz", a[3:6]) if form == "rpy" else Rotation.from_rotvec(a[3:6])
        p, r = p + a[:3], turn * r
        way.append((p, r))
    return way


def follow_in_tool_frame(p, r, actions):
    way = [(p, r)]
    for a in actions:
        p, r = p + r.apply(a[:3]), r * Rotation.from_rotvec(a[3:6])
        way.append((p, r))
    return way


def follow_softly(p, r, actions, dt_s=0.05, stiffness=150.0):
    """State of the equation: position, velocity, rotation vector from the orientation at the step's start, angular velocity."""
    damping = 2 * np.sqrt(stiffness)
    v, w, way = np.zeros(3), np.zeros(3), [(p, r)]
    for a in actions:
        a = np.clip(a[:6], -1, 1)
        goal_p, goal_r = p + 0.05 * a[:3], Rotation.from_rotvec(0.5 * a[3:6]) * r

        def rates(_, y, goal_p=goal_p, goal_r=goal_r):
            position, velocity, quaternion, omega = y[:3], y[3:6], y[6:10], y[10:]
            now = Rotation.from_quat(quaternion)
            x, yq, z, s = quaternion
            ox, oy, oz = omega
            spin = 0.5 * np.array([ox * s + oy * z - oz * yq, oy * s + oz * x - ox * z, oz * s + ox * yq - oy * x,
                                   -ox * x - oy * yq - oz * z])
            error = (goal_r * now.inv()).as_rotvec()
            return np.concatenate([velocity, stiffness * (goal_p - position) - damping * velocity, spin,
                                   stiffness * error - damping * omega])

        y = solve_ivp(rates, (0, dt_s), np.concatenate([p, v, r.as_quat(), w]), rtol=1e-10, atol=1e-12).y[:, -1]
        p, v, r, w = y[:3], y[3:6], Rotation.from_quat(y[6:10]), y[10:]
        way.append((p, r))
    return way


def openings(values, binary, threshold=0.5, hysteresis=0.1, dwell_s=0.3, dt_s=0.2, widest=0.08, closed=0.0, opened=1.0):
    out, state, changed = [], None, 0.0
    for i, value in enumerate(values):
        if not binary:
            out.append(np.clip((value - closed) / (opened - closed), 0, 1) * widest)
            continue
        wish = value > threshold if state is None else value >= threshold - hysteresis / 2 if state else value > threshold + hysteresis / 2
        if state is None or (wish != state and i * dt_s - changed >= dwell_s - 1e-9):
            state, changed = wish, i * dt_s
        out.append(widest if state else 0.0)
    return out


# ---- the embodiments ---------------------------------------------------------------------------------------------------

def statistics(action, proprio):
    return {"made_up": {"action": action, "proprio": proprio, "num_transitions": 1000, "num_trajectories": 10}}


def spread(low, high, wider=0.2, mean=None, mask=None):
    """An entry as training code writes it: q01 and q99 as given, min and max beyond them."""
    low, high = np.array(low, float), np.array(high, float)
    entry = {"q01": low, "q99": high, "min": low - wider * (high - low), "max": high + wider * (high - low)}
    if mean is not None:
        entry["mean"] = np.array(mean, float)
    entry = {name: [round(float(x), 6) for x in value] for name, value in entry.items()}
    return entry if mask is None else {**entry, "mask": mask}


class Embodiment:
    def __init__(self, name, table, q, gripper_m, state, normalised, kind="auto"):
        self.name, self.table, self.q, self.gripper_m = name, table, q, gripper_m
        self.state = np.array(state, float)
        self.normalised = np.array(normalised, float)
        entry = json.loads(json.dumps(table))["made_up"]
        self.state_normalised = normalise(self.state, entry["proprio"], kind)
        self.actions = np.array([unnormalise(x, entry["action"], kind) for x in self.normalised])


def libero():
    tcp = [0, 0, 0.0965] + list(np.array([0, 0, -0.383, 0.924]) / np.hypot(0.383, 0.924))
    q = [0.25, 0.35, -0.15, -2.05, 0.3, 2.5, 0.9]
    state = [0.61170365, 0.0744794, 0.18361797, 3.26733221, -0.38352109, 0.15188526, 0.031, -0.031]
    table = statistics(
        spread([-0.74, -0.66, -0.9375, -0.11, -0.2, -0.18, 0], [0.9375, 0.88, 0.9375, 0.16, 0.17, 0.37, 1], mask=[True] * 6 + [False]),
        spread([0.30, -0.25, 0.02, 2.6, -0.9, -0.4, 0.002, -0.04], [0.75, 0.35, 0.35, 3.7, 0.4, 0.3, 0.04, -0.002],
               mean=[0.5, 0.05, 0.15, 3.1, -0.2, -0.05, 0.02, -0.02]))
    x = [[0.9, -0.4, 0.1, 0.3, -0.6, 0.5, 1], [1.2, -0.4, 0.1, 0.3, -0.6, 0.5, 1], [1.0, 0.2, -0.3, -0.3, 0.2, 0.9, 1],
         [0.8, 0.2, -1.0, -0.3, 0.2, 0.9, 0], [0.7, 0.6, -1.0, 0.0, 0.9, 1.0, 0], [0.0, 0.6, 0.4, 0.0, 0.9, 1.0, 0]]
    e = Embodiment("libero", table, [q], [0.062], state, x)
    e.poses = [follow_softly(*panda_tcp(q, tcp), e.actions)]
    e.gripper = [openings(e.actions[:, 6], True, dwell_s=0.1, dt_s=0.05)]
    return e


def bridge():
    """Bridge counts roll, pitch and yaw from a tool that points down: the TCP's frame is the hand's, turned by pi about x."""
    down = Rotation.from_euler("z", -np.pi / 4) * Rotation.from_euler("x", np.pi)
    tcp = [0, 0, 0.1034] + list(down.as_quat())
    q = [-0.2, 0.1, 0.1, -2.2, 0.05, 2.35, 0.6]
    p, r = panda_tcp(q, tcp)
    state = list(p) + list(r.as_euler("xyz")) + [0.055 / 0.08]
    table = statistics(
        spread([-0.029, -0.041, -0.026, -0.08, -0.092, -0.208, 0], [0.028, 0.041, 0.041, 0.081, 0.078, 0.203, 1], mask=[True] * 6 + [False]),
        spread([0.17, -0.3, 0.02, -0.5, -0.6, -1.4, 0.05], [0.65, 0.3, 0.5, 0.5, 0.5, 1.4, 1.0], mean=[0.4, 0, 0.2, 0, -0.05, 0.1, 0.6]))
    x = [[0.5, -0.4, 0.1, 0.9, -0.8, 0.7, 1], [0.5, -0.4, 0.1, 0.9, -0.8, 0.7, 0.4], [0.2, 0.2, -0.3, -0.3, 0.2, 1.0, 0.47],
         [-0.8, 0.2, -1.0, -1.0, 0.9, 0.9, 0.3], [0.7, 0.6, 0.8, 0.0, 1.0, 1.0, 0.6]]
    e = Embodiment("bridge", table, [q], [0.055], state, x)
    e.poses = [follow_deltas(p, r, e.actions, "rpy")]
    e.gripper = [openings(e.actions[:, 6], True)]
    return e


def fractal():
    """The state is position and quaternion; 3 Hz, and without a mean the middle of the quantiles decides the quaternion's sign."""
    tcp = [0, 0, 0.1034, 0, 0, np.sin(-np.pi / 8), np.cos(-np.pi / 8)]
    q = [0.3, -0.1, 0.0, -2.0, -0.1, 2.0, 1.0]
    p, r = panda_tcp(q, tcp)
    quaternion = r.as_quat()
    quaternion *= np.sign(quaternion[0]) * -1
    table = statistics(
        spread([-0.22, -0.15, -0.23, -0.35, -0.42, -0.43, 0], [0.18, 0.18, 0.22, 0.43, 0.4, 0.46, 1], mask=[True] * 6 + [False]),
        spread([0.2, -0.4, 0.1, -1.0, -0.4, -0.5, -0.5], [0.8, 0.4, 0.9, -0.6, 0.5, 0.4, 0.5]))
    x = [[0.1, -0.1, 0.1, 0.2, -0.3, 0.4, 1], [0.1, -0.1, 0.1, 0.2, -0.3, 0.4, 1], [-0.1, 0.2, -0.2, -0.3, 0.5, -0.9, 0],
         [0, 0.1, -0.1, 0.9, -0.9, 0.2, 0], [0, 0.1, -0.1, 0.3, 0.2, 0.2, 0]]
    e = Embodiment("fractal", table, [q], [0.02], list(p) + list(quaternion), x)
    e.poses = [follow_deltas(p, r, e.actions, "rpy")]
    e.gripper = [openings(e.actions[:, 6], True, dt_s=1 / 3)]
    return e


def aloha():
    """Two arms of six joints and a gripper, 0 closed to 1 open; the files hold quantiles as well, the recipe used the bounds."""
    q = [[0.1, 1.2, -1.1, 0.2, 0.4, -0.3], [-0.2, 1.0, -1.3, 0.1, 0.5, 0.6]]
    gripper_m = [0.035, 0.014]
    state = q[0] + [0.5] + q[1] + [0.2]
    table = statistics(spread([-0.8, 0.4, -1.8, -0.6, -0.4, -0.9, 0.02] * 2, [0.9, 1.9, -0.5, 0.7, 0.9, 1.0, 0.95] * 2, wider=0.05),
                       spread([-0.8, 0.4, -1.8, -0.6, -0.4, -0.9, 0.02] * 2, [0.9, 1.9, -0.5, 0.7, 0.9, 1.0, 0.95] * 2, wider=0.05))
    steps = np.linspace(-0.5, 0.5, 14)
    x = [np.roll(steps, i) * 0.8 for i in range(4)]
    e = Embodiment("aloha", table, q, gripper_m, state, x, kind="bounds")
    e.joints = [[q[0]] + [list(a[:6]) for a in e.actions], [q[1]] + [list(a[7:13]) for a in e.actions]]
    e.gripper = [openings(e.actions[:, 6], False, widest=0.07), openings(e.actions[:, 13], False, widest=0.07)]
    return e


def joints(name, q, gripper_m, widest, low, high):
    """A lab's own recording: absolute joint angles and the gripper's opening in m."""
    table = statistics(spread(low + [0], high + [widest]), spread(low + [0], high + [widest]))
    x = [[(0.11 * (3 * i + 5 * k)) % 1.6 - 0.8 for k in range(len(q) + 1)] for i in range(4)]
    e = Embodiment(name, table, [q], [gripper_m], q + [gripper_m], x)
    e.joints = [[q] + [list(a[:len(q)]) for a in e.actions]]
    e.gripper = [openings(e.actions[:, -1], False, widest=widest, opened=widest)]
    return e


def franka():
    return joints("franka", [0.1, -0.6, 0.2, -2.3, 0.1, 1.7, 0.8], 0.05, 0.08, [-0.5, -1.1, -0.5, -2.6, -0.4, 1.3, 0.3],
                  [0.5, 0.2, 0.6, -1.7, 0.5, 2.4, 1.2])


def piper():
    return joints("piper", [0.2, 1.3, -1.2, 0.1, 0.6, -0.2], 0.03, 0.07, [-0.6, 0.6, -1.8, -0.5, -0.2, -0.8],
                  [0.7, 1.9, -0.4, 0.6, 0.9, 0.9])


def tool():
    """End-effector deltas in the tool's own frame, as rotation vectors, without a state."""
    tcp = [0, 0, 0.1034, 0, 0, np.sin(-np.pi / 8), np.cos(-np.pi / 8)]
    q = [0.3, -0.1, 0.4, -2.0, -0.1, 2.0, 1.0]
    p, r = panda_tcp(q, tcp)
    table = statistics(spread([-0.04] * 3 + [-0.4] * 3 + [0], [0.04] * 3 + [0.4] * 3 + [1], mask=[True] * 6 + [False]), spread([0], [1]))
    x = [[0.5, -0.4, 0.1, 0.9, -0.8, 0.7, 1]] * 3
    e = Embodiment("tool", table, [q], [0.05], [0.0], x)
    e.poses = [follow_in_tool_frame(p, r, e.actions)]
    e.gripper = [openings(e.actions[:, 6], True)]
    return e


# ---- the header ---------------------------------------------------------------------------------------------------------

def numbers(values):
    return "{ " + ", ".join(f"{float(v):.12g}" for v in values) + " }"


def rows(table):
    return "{ " + ",\n\t\t\t".join(numbers(row) for row in table) + " }"


def write_entry(e, out):
    out.append(f'\t{{ .folder = "{e.name}", .n_arms = {len(e.q)}, .n_steps = {len(e.actions)}, .action_dim = {e.actions.shape[1]},\n'
               f"\t\t.state_dim = {len(e.state)}, .joints = {'true' if hasattr(e, 'joints') else 'false'},\n"
               f"\t\t.q_rad = {rows(e.q)},\n\t\t.gripper_m = {numbers(e.gripper_m)},\n"
               f"\t\t.state = {numbers(e.state)},\n\t\t.state_normalised = {numbers(e.state_normalised)},\n"
               f"\t\t.normalised = {rows(e.normalised)},\n\t\t.action = {rows(e.actions)},")
    way = e.joints if hasattr(e, "joints") else [[list(p) + list(r.as_quat()) for p, r in poses] for poses in e.poses]
    out.append("\t\t.way = { " + ",\n\t\t\t".join(rows(arm) for arm in way) + " },")
    out.append(f"\t\t.opening_m = {rows(e.gripper)} }},")


def main():
    out = ["/* embodiments_expected.h - made by embodiments/make_expected.py, which says from which sources; not to be edited. */",
           "static const struct embodiment embodiments[] = {"]
    for make in (libero, bridge, fractal, aloha, franka, piper, tool):
        e = make()
        folder = HERE / e.name
        folder.mkdir(exist_ok=True)
        (folder / "dataset_statistics.json").write_text(json.dumps(e.table, indent=1) + "\n")
        write_entry(e, out)
    (HERE.parent / "embodiments_expected.h").write_text("\n".join(out) + "\n};\n")


if __name__ == "__main__":
    main()
