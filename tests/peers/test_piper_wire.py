#!/usr/bin/python3
"""The wire codec of robots/piper against AgileX's own piper_sdk, unmodified: what the SDK sends for random arguments, byte for byte,
and what it makes of random feedback, number for number. No arm, no network: a bus within the process.

environments: piper-0.6.1 piper-0.6.2
"""
import os
import random
import subprocess
import unittest

import can
from piper_sdk import C_PiperInterface_V2
from piper_sdk.piper_msgs.msg_v2 import CanIDPiper

WIRE = os.path.join(os.environ.get("B", "build/release"), "tests", "peers", "piper_wire")
ROUNDS = 200  # of each command and of each feedback frame
# Host to arm, but not sent by the SDK: lights, the arm's own answers, and silence for a firmware's update.
NEVER_SENT = {0x121, 0x422}
ANSWERS = {i.value for i in CanIDPiper if i.value in (0x473, 0x476, 0x478, 0x47B, 0x47C, 0x47E) or 0x251 <= i.value <= 0x2A8
           or 0x481 <= i.value <= 0x486}

KEEP, CONFIRM = 0x7FFF, 0xAE


def wire(lines, firmware="S-V1.8-2"):
    """One line of answer per line."""
    lines = list(lines)
    done = subprocess.run([WIRE, firmware], input="".join(line + "\n" for line in lines), capture_output=True, text=True, timeout=60, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines), "%d answers to %d lines" % (len(answers), len(lines))
    return answers


def words(name, *values):
    return name + ":" + "".join(" %.17g" % v for v in values)


def frame_words(frame):
    return "%X %s" % (frame.arbitration_id, bytes(frame.data).hex())


def i32(r):
    return r.choice([r.randint(-2**31, 2**31 - 1), r.randint(-200000, 200000), 0, -1, 2**31 - 1, -2**31])


def confirm(r):
    return r.choice([0, CONFIRM])


# Each: what calls the SDK with random arguments, and the lines that our codec is to send for the same.
def stop(p, r):
    a = [r.randint(0, 2), r.randint(0, 8), r.randint(0, 7)]
    p.MotionCtrl_1(*a)
    return [words("stop 0", *a, 0, 0, 0)]


def emergency_stop(p, r):
    state = r.randint(0, 2)
    p.EmergencyStop(state)
    return [words("stop 0", state, 0, 0, 0, 0, 0)]


def reset(p, _):
    p.ResetPiper()
    return [words("stop 0", 2, 0, 0, 0, 0, 0)]


def mode(p, r):
    a = [r.choice([0, 1, 3, 4, 7]), r.randint(0, 5), r.randint(0, 100), r.choice([0, 0xAD, 0xFF]), r.randint(0, 255), r.randint(0, 3)]
    p.MotionCtrl_2(*a)
    return [words("mode 0", *a)]


def short_mode(p, r):
    a = [r.choice([0, 1, 3, 4, 7]), r.randint(0, 5), r.randint(0, 100), r.choice([0, 0xAD, 0xFF])]
    p.ModeCtrl(*a)
    return [words("mode 0", *a, 0, 0)]


def three(name, a):
    return [words("%s %d" % (name, k), a[2 * k], a[2 * k + 1]) for k in range(3)]


def pose(p, r):
    a = [i32(r) for _ in range(6)]
    p.EndPoseCtrl(*a)
    return three("pose target", a)


def joints(p, r):
    a = [i32(r) for _ in range(6)]
    p.JointCtrl(*a)
    return three("joint target", a)


def arc(p, r):
    point = r.randint(0, 3)
    p.MoveCAxisUpdateCtrl(point)
    return [words("arc point 0", point)]


def gripper(p, r):
    a = [i32(r), r.randint(0, 5000), r.randint(0, 3), confirm(r)]
    p.GripperCtrl(*a)
    return [words("gripper target 0", *a)]


def linkage(p, r):
    a = [r.choice([0, 0xFA, 0xFC])] + [r.choice([0, 0x10, 0x20]) for _ in range(3)]
    p.MasterSlaveConfig(*a)
    return [words("leader or follower 0", *a)]


def enable(p, r):
    motor, on = r.choice([1, 2, 3, 4, 5, 6, 7, 0xFF]), r.random() < 0.5
    (p.EnableArm if on else p.DisableArm)(motor)
    return [words("enable 0", motor, 2 if on else 1)]


def enable_all(p, r):
    on = r.random() < 0.5
    (p.EnablePiper if on else p.DisablePiper)()
    return [words("enable 0", 7, 2 if on else 1)]


def limit_query(p, r):
    a = [r.randint(1, 6), r.randint(1, 2)]
    p.SearchMotorMaxAngleSpdAccLimit(*a)
    return [words("limit query 0", *a)]


def limit_queries(p, r):
    what = r.randint(1, 2)
    (p.SearchAllMotorMaxAngleSpd if what == 1 else p.SearchAllMotorMaxAccLimit)()
    return [words("limit query 0", joint, what) for joint in range(1, 7)]


def limits(p, r):
    a = [r.randint(1, 6), r.randint(-32768, 32767), r.randint(-32768, 32767), r.choice([r.randint(0, 3000), KEEP])]
    p.MotorAngleLimitMaxSpdSet(*a)
    return [words("set joint limits 0", *a)]


def speed_limit(p, r):
    a = [r.randint(1, 6), r.randint(0, 3000)]
    p.MotorMaxSpdSet(*a)
    return [words("set joint limits 0", a[0], KEEP, KEEP, a[1])]


def joint_set(p, r):
    a = [r.randint(1, 7), confirm(r), confirm(r), r.choice([r.randint(0, 500), KEEP]), confirm(r)]
    p.JointConfig(*a)
    return [words("set joint 0", *a)]


def acceleration(p, r):
    a = [r.randint(1, 6), r.randint(0, 500)]
    p.JointMaxAccConfig(*a)
    return [words("set joint 0", a[0], 0, CONFIRM, a[1], 0)]


def parameter(p, r):
    load = confirm(r)
    query, restore = r.choice([(r.randint(1, 4), 0), (0, r.randint(1, 2)), (0, 0)])
    stream, weight = r.randint(0, 2), r.randint(0, 2) if load else 3
    p.ArmParamEnquiryAndConfig(query, restore, stream, load, weight)
    return [words("parameter 0", query, restore, stream, load, weight)]


def end_limits(p, r):
    a = [r.randint(0, 0xFFFF) for _ in range(4)]
    p.EndSpdAndAccParamSet(*a)
    return [words("set end limits 0", *a)]


def collision(p, r):
    a = [r.randint(0, 8) for _ in range(6)]
    p.CrashProtectionConfig(*a)
    return [words("set collision levels 0", *a)]


def firmware(p, _):
    p.SearchPiperFirmwareVersion()
    return [words("firmware query 0")]


def mit(p, r):
    joint = r.randint(1, 6)
    # The SDK does not clamp: what lies beyond the ranges runs over into other fields there.
    a = [r.choice([r.uniform(-m, m) if s else r.uniform(0, m), m, -m if s else 0, 0])
         for m, s in ((12.5, True), (45, True), (500, False), (5, True), (8, True))]
    p.JointMitCtrl(joint, *a)
    return [words("MIT target %d" % (joint - 1), *a)]


def gripper_setup(p, r):
    a = [r.randint(100, 200), r.choice([0, 70, 100]), r.randint(1, 10)]
    p.GripperTeachingPendantParamConfig(*a)
    return [words("set gripper 0", *a)]


def leader_home(p, r):
    what = r.randint(0, 2)
    p.ReqMasterArmMoveToHome(what)
    return [words("leader home 0", *((1, 0, 0), (1, 1, 1), (1, 0, 1))[what])]


def connect(p, _):
    """The SDK's first words to an arm."""
    p.PiperInit()
    return [words("limit query 0", joint, what) for what in (1, 2) for joint in range(1, 7)] + [words("firmware query 0")]


COMMANDS = [stop, emergency_stop, reset, mode, short_mode, pose, joints, arc, gripper, linkage, enable, enable_all, limit_query, limit_queries,
            limits, speed_limit, joint_set, acceleration, parameter, end_limits, collision, firmware, mit, gripper_setup, leader_home, connect]


def numbers(message, *names):
    return [int(getattr(message, n)) for n in names]


def pose_read(k, names):
    return lambda p: numbers(p.GetArmEndPoseMsgs().end_pose, *names[2 * k:2 * k + 2])


def joints_read(k):
    return lambda p: numbers(p.GetArmJointMsgs().joint_state, "joint_%d" % (2 * k + 1), "joint_%d" % (2 * k + 2))


def joint_targets_read(k):
    return lambda p: numbers(p.GetArmJointCtrl().joint_ctrl, "joint_%d" % (2 * k + 1), "joint_%d" % (2 * k + 2))


def fast_read(joint):
    return lambda p: numbers(getattr(p.GetArmHighSpdInfoMsgs(), "motor_%d" % joint), "motor_speed", "current", "pos")


def slow_read(joint):
    return lambda p: numbers(getattr(p.GetArmLowSpdInfoMsgs(), "motor_%d" % joint), "vol", "foc_temp", "motor_temp", "foc_status_code", "bus_current")


def status_read(p):
    s = p.GetArmStatus().arm_status
    return numbers(s, "ctrl_mode", "arm_status", "mode_feed", "teach_status", "motion_status", "trajectory_num") + [s.err_code >> 8, s.err_code & 0xFF]


def ack_read(p):
    return numbers(p.GetRespInstruction().instruction_response, "instruction_index", "is_set_zero_successfully")


def gripper_read(p):
    return numbers(p.GetArmGripperMsgs().gripper_state, "grippers_angle", "grippers_effort", "status_code")


def gripper_target_read(p):
    return numbers(p.GetArmGripperCtrl().gripper_ctrl, "grippers_angle", "grippers_effort", "status_code", "set_zero")


def mode_read(p):
    return numbers(p.GetArmCtrlCode151().ctrl_151, "ctrl_mode", "move_mode", "move_spd_rate_ctrl", "mit_mode", "residence_time")


def limits_read(p):
    return numbers(p.GetCurrentMotorAngleLimitMaxVel().current_motor_angle_limit_max_vel, "motor_num", "max_angle_limit", "min_angle_limit",
                   "max_joint_spd")


def acceleration_read(p):
    return numbers(p.GetCurrentMotorMaxAccLimit().current_motor_max_acc_limit, "joint_motor_num", "max_joint_acc")


def end_limits_read(p):
    return numbers(p.GetCurrentEndVelAndAccParam().current_end_vel_acc_param, "end_max_linear_vel", "end_max_angular_vel", "end_max_linear_acc",
                   "end_max_angular_acc")


def levels_read(p):
    return numbers(p.GetCrashProtectionLevelFeedback().crash_protection_level_feedback, *("joint_%d_protection_level" % j for j in range(1, 7)))


def setup_read(p):
    return numbers(p.GetGripperTeachingPendantParamFeedback().arm_gripper_teaching_param_feedback, "teaching_range_per", "max_range_config",
                   "teaching_friction")


def any_bytes(r):
    return bytes(r.choice([r.randint(0, 255), 0, 0xFF, 0x80, 0x7F]) for _ in range(8))


def listed_status(r):
    """The SDK makes 0xFF of what it does not know."""
    return bytes([r.randint(0, 7), r.randint(0, 15), r.randint(0, 5), r.randint(0, 7), r.randint(0, 1)]) + any_bytes(r)[:3]


def small(bits):
    """Two numbers that the SDK does not drop as absurd."""
    def draw(r):
        return b"".join(r.randint(-bits, bits).to_bytes(4, "big", signed=True) for _ in range(2))
    return draw


def of_joint(r):
    return bytes([r.randint(1, 6)]) + any_bytes(r)[1:]


def small_gripper(r):
    return small(150000)(r)[:4] + any_bytes(r)[:4]


POSE = ["X_axis", "Y_axis", "Z_axis", "RX_axis", "RY_axis", "RZ_axis"]
# id -> how a payload is drawn, how the SDK is asked what it made of it, and our fields that the SDK does not keep
FEEDBACK = {
    0x2A1: (listed_status, status_read, 0),
    0x2A2: (small(10**6), pose_read(0, POSE), 0), 0x2A3: (small(361000), pose_read(1, POSE), 0), 0x2A4: (small(361000), pose_read(2, POSE), 0),
    0x2A8: (small_gripper, gripper_read, 1),
    0x473: (of_joint, limits_read, 0), 0x476: (any_bytes, ack_read, 4), 0x478: (any_bytes, end_limits_read, 0), 0x47B: (any_bytes, levels_read, 0),
    0x47C: (of_joint, acceleration_read, 0), 0x47E: (any_bytes, setup_read, 0),
    0x151: (any_bytes, mode_read, 1), 0x159: (any_bytes, gripper_target_read, 0),
    **{0x2A5 + k: (small(3 * 10**6), joints_read(k), 0) for k in range(3)},
    **{0x155 + k: (any_bytes, joint_targets_read(k), 0) for k in range(3)},
    **{0x250 + j: (any_bytes, fast_read(j), 0) for j in range(1, 7)},
    **{0x260 + j: (any_bytes, slow_read(j), 0) for j in range(1, 7)},
}


class Wire(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(20261122)
        self.heard = can.Bus("recorded", interface="virtual")
        self.addCleanup(self.heard.shutdown)
        self.piper = C_PiperInterface_V2("recorded", judge_flag=False, can_auto_init=False)
        self.piper.CreateCanBus("recorded", bustype="virtual")
        self.addCleanup(self.piper.DisconnectPort)
        self.piper.ConnectPort(piper_init=False, start_thread=False)

    def frames(self):
        """What the SDK has sent since the last call."""
        return list(iter(lambda: self.heard.recv(0), None))

    def sent(self):
        """(command, line, frame) of ROUNDS calls of each command."""
        for command in COMMANDS:
            for _ in range(ROUNDS):
                lines = command(self.piper, self.random)
                frames = self.frames()
                self.assertEqual(len(frames), len(lines), command.__name__)
                yield from ((command.__name__, line, frame) for line, frame in zip(lines, frames))

    def test_commands(self):
        sent = list(self.sent())
        for (name, line, frame), ours in zip(sent, wire("put " + line for _, line, _ in sent)):
            self.assertFalse(frame.is_extended_id or frame.is_remote_frame)
            self.assertEqual(ours, frame_words(frame), "%s: %s" % (name, line))
        of_host = {i.value for i in CanIDPiper} - ANSWERS - NEVER_SENT
        self.assertLessEqual(of_host, {frame.arbitration_id for _, _, frame in sent}, "ids that no command here sends")
        print("%d frames of %d ids are equal" % (len(sent), len({frame.arbitration_id for _, _, frame in sent})))

    def test_commands_read_back(self):
        """Our decoder, which the simulated arm hears them with."""
        sent = list(self.sent())
        for (name, line, frame), ours in zip(sent, wire("get " + frame_words(frame) for _, _, frame in sent)):
            if name == "mit":
                self.compare_mit(line, ours)
            else:
                self.assertEqual(ours, line, frame_words(frame))

    def compare_mit(self, line, ours):
        self.assertEqual(ours.split(":")[0], line.split(":")[0])
        for a, b, step in zip(line.split(":")[1].split(), ours.split(":")[1].split(), (25 / 65535, 90 / 4095, 500 / 4095, 10 / 4095, 16 / 255)):
            self.assertTrue(-1e-9 <= float(a) - float(b) < step + 1e-9, (line, ours))

    def test_feedback(self):
        known = {i.value for i in CanIDPiper} & ANSWERS - set(range(0x481, 0x487))
        self.assertEqual(known - set(FEEDBACK), set(), "ids that the SDK decodes and this test does not")
        for arbitration_id, (draw, read, more) in FEEDBACK.items():
            payloads, theirs = [draw(self.random) for _ in range(ROUNDS)], []
            for payload in payloads:
                self.piper.ParseCANFrame(can.Message(arbitration_id=arbitration_id, data=payload, is_extended_id=False))
                theirs.append(read(self.piper))
            ours = wire("get %X %s" % (arbitration_id, payload.hex()) for payload in payloads)
            for payload, want, line in zip(payloads, theirs, ours):
                got = [float(w) for w in line.split(":")[1].split()]
                want = [want[0], want[1] & 0xFFFF] + want[2:] if arbitration_id == 0x159 else want  # the SDK sends this one without a sign
                self.assertEqual(got[:len(got) - more], want, "%X %s: %s" % (arbitration_id, payload.hex(), line))

    def test_firmware_text(self):
        text = b"H-V1.2-1" + bytes(8) + b"10" + bytes(14) + b"ARM_MC" + bytes(22) + b"S-V1.8-2250925" + bytes(2) + b"15" + bytes(10)
        self.assertEqual(len(text), 88)
        answers = wire("get 4AF " + text[k:k + 8].hex() for k in range(0, 88, 8))
        for k in range(0, 88, 8):
            self.piper.ParseCANFrame(can.Message(arbitration_id=0x4AF, data=text[k:k + 8], is_extended_id=False))
        self.assertEqual(self.piper.GetPiperFirmwareVersion(), "S-V1.8-2")
        self.assertEqual(bytes(int(w) for line in answers for w in line.split(":")[1].split()), text)

    def test_refused(self):
        """What the filter itself must not let through, or the tests above would show nothing."""
        self.assertEqual(set(wire(["put mode 0: 1 1 300 0 0 0", "put mode 0: 1 1 50 0 0", "put mode 0: 1 1 50 0 0 0 0", "put mode 1: 1 1 50 0 0 0",
                                   "put pose target 3: 0 0", "put nothing 0:", "put MIT target 0: nan 0 0 0 0", "get 7FF 00", "get 2A1 00",
                                   "get", "", "get 151 010132000000000g"])), {"refused"})

    def test_wide_torque(self):
        """S-V1.8-8 has 12 bits of torque and no check: the SDK cannot speak it, and its frames differ from ours there only."""
        narrow, = wire(["put MIT target 0: 0 0 10 0.8 0"])
        wide, = wire(["put MIT target 0: 0 0 10 0.8 0"], "S-V1.8-8")
        self.piper.JointMitCtrl(1, 0, 0, 10, 0.8, 0)
        self.assertEqual([narrow], [frame_words(f) for f in self.frames()])
        self.assertEqual(narrow[:-3], wide[:-3])
        self.assertEqual(wide[-3:], "7ff")


if __name__ == "__main__":
    unittest.main(verbosity=2)
