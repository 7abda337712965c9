#!/usr/bin/python3
"""AgileX's piper_sdk, unmodified, against dreamvla-sim --piper: what its demos do with an arm, and what it makes of one in trouble.

Angles are the SDK's 0.001 degrees, lengths 0.001 mm.
Has time to spare: it waits for what an arm needs moments for, most of the time.

environments: piper-0.6.1 piper-0.6.2
"""
import math
import os
import sys
import time
import unittest
from importlib.metadata import version

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from piper_station import Station, wait  # noqa: E402

FIRMWARE = "S-V1.8-2"  # 1.8-8 and newer have MIT frames that this SDK cannot send
STANDBY, CAN = 0, 1
NORMAL, EMERGENCY_STOP, NO_SOLUTION, TARGET_LIMIT = 0, 1, 2, 4
P, J, L, C, MIT = 0, 1, 2, 3, 4
LIMITS = [(1500, -1500), (1800, 0), (0, -1700), (1000, -1000), (700, -700), (1200, -1200)]  # 0.1 degree
BENT = [10000, 60000, -70000, 5000, 20000, -15000]
ALL_OFF, ALL_ON = [False] * 6, [True] * 6


def joints(piper):
    s = piper.GetArmJointMsgs().joint_state
    return [s.joint_1, s.joint_2, s.joint_3, s.joint_4, s.joint_5, s.joint_6]


def pose(piper):
    p = piper.GetArmEndPoseMsgs().end_pose
    return [p.X_axis, p.Y_axis, p.Z_axis, p.RX_axis, p.RY_axis, p.RZ_axis]


def off(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


def turned(a, b):
    """Angles that may differ by whole turns."""
    return max(abs((x - y + 180000) % 360000 - 180000) for x, y in zip(a, b))


def status(piper):
    return piper.GetArmStatus().arm_status


def acceleration(piper, joint):
    """Asked for and answered. On a loaded machine the SDK may be a second behind with reading: what it tells then is as new as the answer."""
    before = piper.GetCurrentMotorMaxAccLimit().time_stamp
    piper.SearchMotorMaxAngleSpdAccLimit(joint, 2)
    answer = wait("acceleration of joint %d" % joint, lambda: (lambda a: a if a.time_stamp != before else None)(piper.GetCurrentMotorMaxAccLimit()))
    assert answer.current_motor_max_acc_limit.joint_motor_num == joint
    return answer.current_motor_max_acc_limit.max_joint_acc


def catch_up(piper):
    acceleration(piper, 1)


def at_rest(piper):
    """Where it stands; two looks half a second apart, which is longer than the arm takes to tell that it moves."""
    def still():
        before = joints(piper)
        time.sleep(0.5)
        catch_up(piper)
        return status(piper).motion_status == 0 and off(before, joints(piper)) <= 2
    wait("arm at rest", still)
    return joints(piper)


def enable(piper):
    """As the SDK's demos do: what EnablePiper answers is from before it asked."""
    wait("all joints enabled", piper.EnablePiper)
    wait("enabled", lambda: piper.GetArmEnableStatus() == ALL_ON)


class Arm(unittest.TestCase):
    """One station, and the SDK's one object for it."""
    FIRMWARE, OFFSET = FIRMWARE, 1

    @classmethod
    def setUpClass(cls):
        cls.station = Station("--piper-firmware", cls.FIRMWARE)
        cls.addClassCleanup(cls.station.close)
        cls.piper = cls.station.connect(dh_is_offset=cls.OFFSET)
        cls.addClassCleanup(cls.piper.DisconnectPort)

    def mode(self, *arguments):
        self.piper.MotionCtrl_2(*arguments)
        wait("mode %s" % (arguments,), lambda: (status(self.piper).ctrl_mode, status(self.piper).mode_feed) == arguments[:2])

    def to_joints(self, target, speed=100):
        self.mode(CAN, J, speed)
        self.piper.JointCtrl(*target)
        wait("joints at %s" % (target,), lambda: off(joints(self.piper), target) <= 100)
        self.assertLessEqual(off(at_rest(self.piper), target), 100)

    def to_pose(self, move, target):
        self.mode(CAN, move, 100)
        self.piper.EndPoseCtrl(*target)
        wait("pose %s" % (target,), lambda: off(pose(self.piper)[:3], target[:3]) <= 1000)
        at_rest(self.piper)
        self.assertLessEqual(off(pose(self.piper)[:3], target[:3]), 1000)
        self.assertLessEqual(turned(pose(self.piper)[3:], target[3:]), 100)

    def unmoved(self, begun):
        """Longer than an arm that had heard would take to be seen moving."""
        time.sleep(0.5)
        catch_up(self.piper)
        self.assertLessEqual(off(joints(self.piper), begun), 10)


class Sdk(Arm):
    def setUp(self):
        self.piper.ResetPiper()
        wait("standby", lambda: status(self.piper).ctrl_mode == STANDBY and self.piper.GetArmEnableStatus() == ALL_OFF)
        enable(self.piper)

    def limits(self, joint):
        before = self.piper.GetCurrentMotorAngleLimitMaxVel().time_stamp
        self.piper.SearchMotorMaxAngleSpdAccLimit(joint, 1)
        wait("limits of joint %d" % joint, lambda: self.piper.GetCurrentMotorAngleLimitMaxVel().time_stamp != before)
        m = self.piper.GetCurrentMotorAngleLimitMaxVel().current_motor_angle_limit_max_vel
        self.assertEqual(m.motor_num, joint)
        return m.max_angle_limit, m.min_angle_limit, m.max_joint_spd

    def test_twelve_queries(self):
        """ConnectPort's; the answers one by one, because 0.6.2's collection of them shows the last one six times."""
        for joint in range(1, 7):
            self.assertEqual(self.limits(joint), (*LIMITS[joint - 1], 3000))
            self.assertEqual(acceleration(self.piper, joint), 500)
        if version("piper_sdk") == "0.6.1":
            all_of_them = self.piper.GetAllMotorAngleLimitMaxSpd().all_motor_angle_limit_max_spd.motor
            self.assertEqual([(m.max_angle_limit, m.min_angle_limit) for m in all_of_them[1:]], LIMITS)

    def test_enable_one_by_one(self):
        self.piper.DisableArm(7)
        wait("all disabled", lambda: self.piper.GetArmEnableStatus() == ALL_OFF)
        for joint in range(1, 7):
            self.piper.EnableArm(joint)
            want = [True] * joint + [False] * (6 - joint)
            wait("joint %d enabled" % joint, lambda w=want: self.piper.GetArmEnableStatus() == w)
        self.piper.DisableArm(3)
        wait("joint 3 disabled", lambda: self.piper.GetArmEnableStatus() == [True, True, False, True, True, True])
        self.piper.EnableArm(0xFF)
        wait("all enabled", lambda: self.piper.GetArmEnableStatus() == ALL_ON)
        self.piper.DisablePiper()
        wait("all disabled", lambda: self.piper.GetArmEnableStatus() == ALL_OFF)

    def test_joints(self):
        self.to_joints(BENT)
        self.to_joints([0] * 6)
        self.to_joints([-90000, 120000, -100000, -45000, 60000, -80000], 60)
        fast = self.piper.GetArmHighSpdInfoMsgs()
        self.assertEqual(fast.motor_2.motor_speed, 0)
        self.assertAlmostEqual(fast.motor_2.pos / 1000, math.radians(120), delta=0.01)

    def test_joint_target_out_of_limits(self):
        """Named with its joint; nothing moves."""
        self.to_joints(BENT)
        begun = joints(self.piper)
        self.piper.JointCtrl(*BENT[:3], 130000, *BENT[4:])
        wait("the target is named", lambda: status(self.piper).arm_status == TARGET_LIMIT)
        self.assertTrue(status(self.piper).err_status.joint_4_angle_limit)
        self.assertFalse(status(self.piper).err_status.joint_3_angle_limit)
        self.unmoved(begun)
        self.to_joints([0] * 6)
        self.assertEqual(status(self.piper).arm_status, NORMAL)

    def test_poses(self):
        self.to_joints(BENT)
        for move in (P, L):
            at = pose(self.piper)
            self.to_pose(move, [at[0] + 30000, at[1] - 20000, at[2] - 40000, *at[3:]])
            self.to_pose(move, at)

    def test_arc(self):
        """Three poses, each with its mark, between two mode frames."""
        self.to_joints(BENT)
        begun = pose(self.piper)
        middle, end = list(begun), list(begun)
        middle[1], middle[2], end[1] = begun[1] + 30000, begun[2] + 20000, begun[1] + 60000
        self.mode(CAN, C, 5)
        for mark, point in ((1, begun), (2, middle), (3, end)):
            self.piper.EndPoseCtrl(*point)
            self.piper.MoveCAxisUpdateCtrl(mark)
            time.sleep(0.001)
        self.piper.MotionCtrl_2(CAN, C, 5)
        wait("its middle, 20 mm from the straight line", lambda: off(pose(self.piper)[:3], middle[:3]) <= 10000)
        wait("its end", lambda: off(pose(self.piper)[:3], end[:3]) <= 1000)
        at_rest(self.piper)
        self.assertLessEqual(off(pose(self.piper)[:3], end[:3]), 1000)

    def test_high_follow(self):
        """Every target at once, without a plan of its own: small steps, as who streams them would send."""
        self.to_joints([0] * 6)
        self.mode(CAN, J, 100, 0xAD)
        for k in range(1, 51):
            self.piper.JointCtrl(*[v * k // 50 for v in BENT])
            time.sleep(0.02)
        wait("the last of them", lambda: off(joints(self.piper), BENT) <= 100)

    def test_unreachable_pose(self):
        self.to_joints(BENT)
        at, begun = pose(self.piper), joints(self.piper)
        for move in (P, L):
            self.mode(CAN, move, 100)
            self.piper.EndPoseCtrl(at[0], at[1], 1200000, *at[3:])
            wait("no solution is said", lambda: status(self.piper).arm_status == NO_SOLUTION)
            self.unmoved(begun)
            self.to_pose(move, at)
            begun = joints(self.piper)
            self.assertEqual(status(self.piper).arm_status, NORMAL)

    def gripper(self):
        return self.piper.GetArmGripperMsgs().gripper_state

    def test_gripper(self):
        self.piper.GripperCtrl(0, 1000, 0x02)
        wait("disabled", lambda: not self.gripper().foc_status.driver_enable_status)
        self.piper.GripperCtrl(50000, 1000, 0x01)
        wait("open", lambda: abs(self.gripper().grippers_angle - 50000) <= 100)
        self.assertTrue(self.gripper().foc_status.driver_enable_status)
        self.piper.GripperCtrl(90000, 1000, 0x01)
        wait("as wide as it goes", lambda: abs(self.gripper().grippers_angle - 70000) <= 100)
        self.piper.GripperCtrl(0, 1000, 0x01)
        wait("closed", lambda: abs(self.gripper().grippers_angle) <= 100)

    def test_status(self):
        self.to_joints([0] * 6)
        self.mode(CAN, J, 10)
        self.piper.JointCtrl(*BENT)
        wait("under way is said", lambda: status(self.piper).motion_status == 1)
        self.assertEqual(status(self.piper).arm_status, NORMAL)
        self.mode(CAN, J, 100)
        wait("arrival is said", lambda: status(self.piper).motion_status == 0)
        self.assertLessEqual(off(joints(self.piper), BENT), 100)
        slow = self.piper.GetArmLowSpdInfoMsgs()
        for joint in range(1, 7):
            m = getattr(slow, "motor_%d" % joint)
            self.assertTrue(200 <= m.vol <= 300, m.vol)  # 0.1 V of a 24 V arm
            self.assertTrue(m.foc_status.driver_enable_status)
            self.assertFalse(m.foc_status.driver_error_status or m.foc_status.collision_status)

    def test_emergency_stop_and_resume(self):
        self.to_joints([0] * 6)
        self.mode(CAN, J, 5)
        self.piper.JointCtrl(90000, *BENT[1:])
        wait("on its way", lambda: joints(self.piper)[0] > 10000)
        self.piper.EmergencyStop(1)
        wait("stop is said", lambda: status(self.piper).arm_status == EMERGENCY_STOP)
        catch_up(self.piper)
        begun = joints(self.piper)[0]
        self.assertLess(begun, 80000)
        self.piper.MotionCtrl_2(CAN, J, 100)
        self.piper.JointCtrl(*[0] * 6)
        time.sleep(1)  # only the joints that carry weight sink
        catch_up(self.piper)
        self.assertLess(abs(joints(self.piper)[0] - begun), 5000)
        self.assertEqual(status(self.piper).arm_status, EMERGENCY_STOP)
        self.piper.ResetPiper()
        wait("standby", lambda: (status(self.piper).ctrl_mode, status(self.piper).arm_status) == (STANDBY, NORMAL))
        wait("all disabled", lambda: self.piper.GetArmEnableStatus() == ALL_OFF)
        self.piper.MotionCtrl_2(CAN, J, 100)
        self.piper.JointCtrl(-30000, *[0] * 5)
        time.sleep(0.5)
        catch_up(self.piper)
        self.assertLess(abs(joints(self.piper)[0] - begun), 5000)
        enable(self.piper)
        self.to_joints(BENT)

    def test_motion_wants_can_control_and_power(self):
        self.to_joints([0] * 6)
        begun = joints(self.piper)
        self.mode(STANDBY, J, 100)
        self.piper.JointCtrl(*BENT)
        self.unmoved(begun)
        self.mode(CAN, J, 100)
        self.piper.DisablePiper()
        wait("all disabled", lambda: self.piper.GetArmEnableStatus() == ALL_OFF)
        begun = at_rest(self.piper)
        self.piper.JointCtrl(*BENT)
        self.unmoved(begun)

    def answered(self, index):
        """By the low byte of the frame's id; it has no more."""
        wait("acknowledgement of 0x4%02X" % index, lambda: self.piper.GetRespInstruction().instruction_response.instruction_index == index)
        self.piper.ClearRespSetInstruction()

    def levels(self):
        f = self.piper.GetCrashProtectionLevelFeedback().crash_protection_level_feedback
        return [getattr(f, "joint_%d_protection_level" % j) for j in range(1, 7)]

    def test_collision_levels(self):
        for want in ([1, 2, 3, 4, 5, 6], [0, 8, 1, 1, 1, 1]):
            self.piper.CrashProtectionConfig(*want)
            self.answered(0x7A)
            self.piper.ArmParamEnquiryAndConfig(0x02)
            wait("levels %s" % want, lambda w=want: self.levels() == w)

    def test_parameters(self):
        self.piper.EndSpdAndAccParamSet(400, 120, 700, 150)
        self.answered(0x79)
        self.piper.ArmParamEnquiryAndConfig(0x01)
        wait("end limits", lambda: self.end_limits() == [400, 120, 700, 150])
        self.piper.ArmParamEnquiryAndConfig(0x00, 0x01)
        self.answered(0x77)
        self.piper.ArmParamEnquiryAndConfig(0x01)
        wait("the arm's own", lambda: self.end_limits() != [400, 120, 700, 150])
        self.piper.GripperTeachingPendantParamConfig(120, 100, 3)
        self.piper.ArmParamEnquiryAndConfig(0x04)
        wait("gripper", lambda: self.gripper_setup() == [120, 100, 3])
        self.piper.GripperTeachingPendantParamConfig(100, 70, 1)
        self.piper.MotorAngleLimitMaxSpdSet(5, 600, -650, 0x7FFF)
        self.answered(0x74)
        self.piper.JointMaxAccConfig(5, 300)
        self.answered(0x75)
        self.assertEqual(self.limits(5), (600, -650, 3000))
        self.assertEqual(acceleration(self.piper, 5), 300)
        self.piper.ArmParamEnquiryAndConfig(0x00, 0x02)
        self.answered(0x77)
        self.assertEqual(self.limits(5), (700, -700, 3000))

    def end_limits(self):
        e = self.piper.GetCurrentEndVelAndAccParam().current_end_vel_acc_param
        return [e.end_max_linear_vel, e.end_max_angular_vel, e.end_max_linear_acc, e.end_max_angular_acc]

    def gripper_setup(self):
        g = self.piper.GetGripperTeachingPendantParamFeedback().arm_gripper_teaching_param_feedback
        return [g.teaching_range_per, g.max_range_config, g.teaching_friction]

    def test_mit(self):
        """One joint at the SDK's gain, 10 Nm/rad, at which friction of 0.7 Nm would be worth 4 degrees; the others stay where they are."""
        self.to_joints(BENT)
        begun = joints(self.piper)
        self.mode(CAN, MIT, 0, 0xAD)

        def turned_to(target_deg):
            self.piper.JointMitCtrl(6, math.radians(target_deg), 0, 10, 0.8, 0)
            return abs(joints(self.piper)[5] - 1000 * target_deg) <= 4000 and self.piper.GetArmHighSpdInfoMsgs().motor_6.motor_speed == 0
        for target_deg in (20, -30):
            wait("joint 6 at %d degrees" % target_deg, lambda t=target_deg: turned_to(t))
            self.assertLessEqual(off(joints(self.piper)[:5], begun[:5]), 200)


class Line(Arm):
    """The connection itself."""

    def test_rate(self):
        """8 and 6 frames of 200 Hz, 6 of 40 Hz, as counted in tenths of a second: there is one in which nothing stood still, nor was made
        up for."""
        wait("3040 frames/s, 200 Hz of each", lambda: abs(self.piper.GetCanFps() - 3040) <= 152 and self.near_200_hz())

    def near_200_hz(self):
        p = self.piper
        return all(abs(m.Hz - 200) <= 10 for m in (p.GetArmStatus(), p.GetArmEndPoseMsgs(), p.GetArmJointMsgs(), p.GetArmGripperMsgs()))

    def test_silence(self):
        self.assertTrue(self.piper.isOk())
        self.station.ask("silence", ms=60000)
        wait("silence is noticed", lambda: not self.piper.isOk())
        self.station.ask("silence", ms=0)
        wait("and its end", self.piper.isOk)

    def test_reconnect(self):
        enable(self.piper)
        for k in range(3):
            self.piper.DisconnectPort()
            self.piper.ConnectPort(True)
            stamp = self.piper.GetArmJointMsgs().time_stamp
            wait("feedback again", lambda s=stamp: self.piper.GetArmJointMsgs().time_stamp > s)
            self.to_joints([5000 * (k + 1)] + [0] * 5)


class Leader(Arm):
    def test_leader(self):
        """Tells what a follower shall do, by the frames that a host would send; moved, and made a follower again, by hand."""
        self.piper.MasterSlaveConfig(0xFA, 0, 0, 0)
        self.station.ask("power_cycle")
        wait("targets come", lambda: self.piper.GetArmJointCtrl().Hz > 0 and self.piper.GetArmGripperCtrl().Hz > 0)
        wait("feedback ends", lambda: self.piper.GetArmJointMsgs().Hz == 0)
        self.assertEqual(self.piper.GetArmCtrlCode151().ctrl_151.ctrl_mode, CAN)
        led = [20, 45, -30, 10, 5, -40]
        self.station.ask("lead", q=[math.radians(d) for d in led])
        wait("the targets follow the hand", lambda: off(self.targets(), [1000 * d for d in led]) <= 100)
        self.piper.MasterSlaveConfig(0xFC, 0, 0, 0)
        self.station.ask("power_cycle")
        wait("feedback again", lambda: self.piper.GetArmJointMsgs().Hz > 0)
        wait("targets end", lambda: self.piper.GetArmJointCtrl().Hz == 0)

    def targets(self):
        c = self.piper.GetArmJointCtrl().joint_ctrl
        return [c.joint_1, c.joint_2, c.joint_3, c.joint_4, c.joint_5, c.joint_6]


class Kinematics(Arm):
    """The arm's flange pose against the SDK's own kinematics, which it computes from the arm's joints."""

    def test_pose_of_joints(self):
        enable(self.piper)
        for target in ([0] * 6, BENT, [-60000, 90000, -90000, 60000, -40000, 100000]):
            self.to_joints(target)
            self.piper.EnableFkCal()  # twice with every frame, which leaves it behind with reading
            catch_up(self.piper)
            self.piper.DisableFkCal()
            at, theirs = pose(self.piper), self.piper.GetFK()[5]
            self.assertLessEqual(off(at[:3], [1000 * v for v in theirs[:3]]), 10)
            self.assertLessEqual(turned(at[3:], [1000 * v for v in theirs[3:]]), 10)

    def test_firmware(self):
        self.assertEqual(wait("firmware", self.firmware), self.FIRMWARE)
        self.piper.SearchPiperFirmwareVersion()
        self.assertEqual(wait("firmware", self.firmware), self.FIRMWARE)

    def firmware(self):
        text = self.piper.GetPiperFirmwareVersion()  # a number while it has none
        return text if isinstance(text, str) and len(text) == 8 else None


class OldKinematics(Kinematics):
    """Up to S-V1.6-2 the zeros of joints 2 and 3 were 2 degrees elsewhere."""
    FIRMWARE, OFFSET = "S-V1.6-2", 0


class NewFirmware(Kinematics):
    FIRMWARE = "S-V1.8-9"


del Arm

if __name__ == "__main__":
    unittest.main(verbosity=2)
