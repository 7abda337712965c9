/* test_piper_wire.c - PiPER's frames byte for byte: every command that piper_sdk 0.6.1 and 0.6.2 put on the wire, the feedback that it
 * decodes, frames of real arms, the MIT format of either firmware by its formula; random frames there and back; and what is no frame. */
#include "robots/piper/wire.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct piper_dialect v2 = { PIPER_FEEDBACK_BASE, PIPER_CONTROL_BASE, false };
static const struct piper_dialect v3 = { PIPER_FEEDBACK_BASE, PIPER_CONTROL_BASE, true };

/* "155 00 00 2c c3 00 00 2c c3": id and bytes. */
static struct bus_frame frame(const char *text)
{
	struct bus_frame f = { 0 };
	int n = 0;
	unsigned byte;

	assert_int_equal(sscanf(text, "%x%n", &f.id, &n), 1);
	for (text += n; sscanf(text, " %2x%n", &byte, &n) == 1; text += n)
		f.data[f.length++] = (uint8_t)byte;
	return f;
}

struct golden {
	const char *call;
	const char *bytes;
	struct piper_message message;
};

#define STOP(...) { PIPER_STOP, 0, .stop = { __VA_ARGS__ } }
#define MODE(...) { PIPER_MODE, 0, .mode = { __VA_ARGS__ } }
#define POSE(i, a, b) { PIPER_POSE_TARGET, i, .pair = { { a, b } } }
#define JOINTS(i, a, b) { PIPER_JOINT_TARGET, i, .pair = { { a, b } } }
#define ARC(p) { PIPER_ARC_POINT, 0, .arc = { p } }
#define GRIPPER(...) { PIPER_GRIPPER_TARGET, 0, .gripper_target = { __VA_ARGS__ } }
#define ENABLE(motor, action) { PIPER_ENABLE, 0, .enable = { motor, action } }
#define LINKAGE(...) { PIPER_LINKAGE, 0, .linkage = { __VA_ARGS__ } }
#define QUERY(joint, what) { PIPER_LIMIT_QUERY, 0, .limit_query = { joint, what } }
#define PARAMETER(...) { PIPER_PARAMETER, 0, .parameter = { __VA_ARGS__ } }
#define HOME(...) { PIPER_LEADER_HOME, 0, .leader_home = { { __VA_ARGS__ } } }
#define MIT(joint, ...) { PIPER_MIT, (joint) - 1, .mit = { __VA_ARGS__ } }
#define JOINT_SET(...) { PIPER_JOINT_SET, 0, .joint_set = { __VA_ARGS__ } }

/* Taken from the wire of the packages piper_sdk 0.6.1 and 0.6.2, which send the same. */
static const struct golden sdk[] = {
	{ "MotionCtrl_1(1,0,0)", "150 01 00 00 00 00 00 00 00", STOP(PIPER_STOP_NOW) },
	{ "ResetPiper()", "150 02 00 00 00 00 00 00 00", STOP(PIPER_STOP_RESUME) },
	{ "MotionCtrl_1(0,0,1)", "150 00 00 01 00 00 00 00 00", STOP(.teach = 1) },
	{ "MotionCtrl_1(0,0,2)", "150 00 00 02 00 00 00 00 00", STOP(.teach = 2) },
	{ "MotionCtrl_1(0,6,0)", "150 00 06 00 00 00 00 00 00", STOP(.track = 6) },
	{ "MotionCtrl_2(1,1,50,0)", "151 01 01 32 00 00 00 00 00", MODE(PIPER_CAN, PIPER_MOVE_J, 50) },
	{ "MotionCtrl_2(1,0,100,0)", "151 01 00 64 00 00 00 00 00", MODE(PIPER_CAN, PIPER_MOVE_P, 100) },
	{ "MotionCtrl_2(1,2,30,0)", "151 01 02 1e 00 00 00 00 00", MODE(PIPER_CAN, PIPER_MOVE_L, 30) },
	{ "MotionCtrl_2(1,3,30,0)", "151 01 03 1e 00 00 00 00 00", MODE(PIPER_CAN, PIPER_MOVE_C, 30) },
	{ "MotionCtrl_2(1,1,100,0xAD)", "151 01 01 64 ad 00 00 00 00", MODE(PIPER_CAN, PIPER_MOVE_J, 100, PIPER_FOLLOW_MIT) },
	{ "MotionCtrl_2(1,4,0,0xAD)", "151 01 04 00 ad 00 00 00 00", MODE(PIPER_CAN, PIPER_MOVE_M, 0, PIPER_FOLLOW_MIT) },
	{ "ModeCtrl(1,5)", "151 01 05 32 00 00 00 00 00", MODE(PIPER_CAN, PIPER_MOVE_CPV, 50) },
	{ "MotionCtrl_2(0,0,0,0)", "151 00 00 00 00 00 00 00 00", MODE(PIPER_STANDBY, PIPER_MOVE_P) },
	{ "MotionCtrl_2(1,1,0,0,0,2)", "151 01 01 00 00 00 02 00 00", MODE(PIPER_CAN, PIPER_MOVE_J, 0, 0, 0, PIPER_MOUNT_LEFT) },
	{ "EndPoseCtrl(57000,0,215000,0,85000,0)", "152 00 00 de a8 00 00 00 00", POSE(0, 57000, 0) },
	{ "EndPoseCtrl", "153 00 03 47 d8 00 00 00 00", POSE(1, 215000, 0) },
	{ "EndPoseCtrl", "154 00 01 4c 08 00 00 00 00", POSE(2, 85000, 0) },
	{ "EndPoseCtrl(135481,9349,161129,178756,6035,-178440)", "152 00 02 11 39 00 00 24 85", POSE(0, 135481, 9349) },
	{ "EndPoseCtrl", "153 00 02 75 69 00 02 ba 44", POSE(1, 161129, 178756) },
	{ "EndPoseCtrl", "154 00 00 17 93 ff fd 46 f8", POSE(2, 6035, -178440) },
	{ "MoveCAxisUpdateCtrl(1)", "158 01 00 00 00 00 00 00 00", ARC(PIPER_ARC_START) },
	{ "MoveCAxisUpdateCtrl(3)", "158 03 00 00 00 00 00 00 00", ARC(PIPER_ARC_END) },
	{ "JointCtrl(0 x6)", "155 00 00 00 00 00 00 00 00", JOINTS(0, 0, 0) },
	{ "JointCtrl", "156 00 00 00 00 00 00 00 00", JOINTS(1, 0, 0) },
	{ "JointCtrl", "157 00 00 00 00 00 00 00 00", JOINTS(2, 0, 0) },
	{ "JointCtrl(11459,11459,-11459,17189,-11459,28648)", "155 00 00 2c c3 00 00 2c c3", JOINTS(0, 11459, 11459) },
	{ "JointCtrl", "156 ff ff d3 3d 00 00 43 25", JOINTS(1, -11459, 17189) },
	{ "JointCtrl", "157 ff ff d3 3d 00 00 6f e8", JOINTS(2, -11459, 28648) },
	{ "JointCtrl(150000,180000,-170000,-100000,70000,-120000)", "155 00 02 49 f0 00 02 bf 20", JOINTS(0, 150000, 180000) },
	{ "JointCtrl", "156 ff fd 67 f0 ff fe 79 60", JOINTS(1, -170000, -100000) },
	{ "JointCtrl", "157 00 01 11 70 ff fe 2b 40", JOINTS(2, 70000, -120000) },
	{ "GripperCtrl(0,1000,1,0)", "159 00 00 00 00 03 e8 01 00", GRIPPER(0, 1000, PIPER_GRIPPER_ENABLE) },
	{ "GripperCtrl(50000,1000,1,0)", "159 00 00 c3 50 03 e8 01 00", GRIPPER(50000, 1000, PIPER_GRIPPER_ENABLE) },
	{ "GripperCtrl(0,1000,2,0)", "159 00 00 00 00 03 e8 02 00", GRIPPER(0, 1000, PIPER_GRIPPER_CLEAR) },
	{ "GripperCtrl(70000,5000,3,0)", "159 00 01 11 70 13 88 03 00", GRIPPER(70000, 5000, PIPER_GRIPPER_ENABLE | PIPER_GRIPPER_CLEAR) },
	{ "GripperCtrl(0,1000,0,0xAE)", "159 00 00 00 00 03 e8 00 ae", GRIPPER(0, 1000, 0, PIPER_CONFIRM) },
	{ "EnableArm(7)", "471 07 02 00 00 00 00 00 00", ENABLE(PIPER_ALL_JOINTS, PIPER_ENABLE_MOTOR) },
	{ "EnableArm(1)", "471 01 02 00 00 00 00 00 00", ENABLE(1, PIPER_ENABLE_MOTOR) },
	{ "EnableArm(0xFF)", "471 ff 02 00 00 00 00 00 00", ENABLE(PIPER_ALL_MOTORS, PIPER_ENABLE_MOTOR) },
	{ "DisableArm(7)", "471 07 01 00 00 00 00 00 00", ENABLE(PIPER_ALL_JOINTS, PIPER_DISABLE_MOTOR) },
	{ "MasterSlaveConfig(0xFA,0,0,0)", "470 fa 00 00 00 00 00 00 00", LINKAGE(PIPER_LINKAGE_LEADER) },
	{ "MasterSlaveConfig(0xFC,0,0,0)", "470 fc 00 00 00 00 00 00 00", LINKAGE(PIPER_LINKAGE_FOLLOWER) },
	{ "MasterSlaveConfig(0xFA,16,16,16)", "470 fa 10 10 10 00 00 00 00", LINKAGE(PIPER_LINKAGE_LEADER, 0x10, 0x10, 0x10) },
	{ "SearchMotorMaxAngleSpdAccLimit(1,1)", "472 01 01 00 00 00 00 00 00", QUERY(1, PIPER_QUERY_LIMITS) },
	{ "SearchMotorMaxAngleSpdAccLimit(6,2)", "472 06 02 00 00 00 00 00 00", QUERY(6, PIPER_QUERY_ACCELERATION) },
	{ "MotorAngleLimitMaxSpdSet(1,1500,-1500)", "474 01 05 dc fa 24 7f ff 00",
		{ PIPER_LIMITS_SET, 0, .limits = { 1, 1500, -1500, PIPER_KEEP } } },
	{ "MotorMaxSpdSet(6,3000)", "474 06 7f ff 7f ff 0b b8 00", { PIPER_LIMITS_SET, 0, .limits = { 6, PIPER_KEEP, PIPER_KEEP, 3000 } } },
	{ "JointConfig(4,0xAE)", "475 04 ae 00 01 f4 00 00 00", JOINT_SET(4, PIPER_CONFIRM, 0, 500, 0) },
	{ "JointConfig(7,0,0,0x7FFF,0xAE)", "475 07 00 00 7f ff ae 00 00", JOINT_SET(PIPER_ALL_JOINTS, 0, 0, PIPER_KEEP, PIPER_CONFIRM) },
	{ "JointMaxAccConfig(6,500)", "475 06 00 ae 01 f4 00 00 00", JOINT_SET(6, 0, PIPER_CONFIRM, 500, 0) },
	{ "ArmParamEnquiryAndConfig(1)", "477 01 00 00 00 03 00 00 00", PARAMETER(PIPER_QUERY_END_LIMITS, 0, 0, 0, 3) },
	{ "ArmParamEnquiryAndConfig(2)", "477 02 00 00 00 03 00 00 00", PARAMETER(PIPER_QUERY_COLLISION, 0, 0, 0, 3) },
	{ "ArmParamEnquiryAndConfig(4)", "477 04 00 00 00 03 00 00 00", PARAMETER(PIPER_QUERY_GRIPPER_SETUP, 0, 0, 0, 3) },
	{ "ArmParamEnquiryAndConfig(0,0,0,0xAE,2)", "477 00 00 00 ae 02 00 00 00", PARAMETER(0, 0, 0, PIPER_CONFIRM, 2) },
	{ "ArmParamEnquiryAndConfig(1,2,0,0,2)", "477 01 02 00 00 02 00 00 00",
		PARAMETER(PIPER_QUERY_END_LIMITS, PIPER_RESTORE_JOINT_LIMITS, 0, 0, 2) },
	{ "EndSpdAndAccParamSet(500,130,800,200)", "479 01 f4 00 82 03 20 00 c8",
		{ PIPER_END_LIMITS_SET, 0, .end_limits = { 500, 130, 800, 200 } } },
	{ "CrashProtectionConfig(1 x6)", "47A 01 01 01 01 01 01 00 00", { PIPER_COLLISION_SET, 0, .levels = { { 1, 1, 1, 1, 1, 1 } } } },
	{ "GripperTeachingPendantParamConfig(100,70,1)", "47D 64 46 01 00 00 00 00 00",
		{ PIPER_GRIPPER_SETUP_SET, 0, .gripper_setup = { 100, 70, 1 } } },
	{ "SearchPiperFirmwareVersion()", "4AF 01 00 00 00 00 00 00 00", { PIPER_FIRMWARE_QUERY, 0 } },
	{ "ReqMasterArmMoveToHome(0)", "191 01 00 00 00 00 00 00 00", HOME(1, 0, 0) },
	{ "ReqMasterArmMoveToHome(1)", "191 01 01 01 00 00 00 00 00", HOME(1, 1, 1) },
	{ "ReqMasterArmMoveToHome(2)", "191 01 00 01 00 00 00 00 00", HOME(1, 0, 1) },
	{ "JointMitCtrl(1,0,0,10,0.8,0)", "15A 7f ff 7f f0 51 94 77 fd", MIT(1, 0, 0, 10, 0.8, 0) },
	{ "JointMitCtrl(6,-.5,0,10,0.8,0)", "15F 7a e0 7f f0 51 94 77 f7", MIT(6, -0.5, 0, 10, 0.8, 0) },
	{ "JointMitCtrl(6,.5,0,10,0.8,0)", "15F 85 1e 7f f0 51 94 77 f6", MIT(6, 0.5, 0, 10, 0.8, 0) },
	{ "JointMitCtrl(2,1,2,20,1.5,-3)", "15B 8a 3c 85 a0 a3 a6 54 f2", MIT(2, 1, 2, 20, 1.5, -3) },
	{ "JointMitCtrl(3,-12.5,-45,0,-5,-8)", "15C 00 00 00 00 00 00 00 00", MIT(3, -12.5, -45, 0, -5, -8) },
	{ "JointMitCtrl(4,12.5,45,500,5,8)", "15D ff ff ff ff ff ff ff ff", MIT(4, 12.5, 45, 500, 5, 8) },
	{ "EmergencyStop(1)", "150 01 00 00 00 00 00 00 00", STOP(PIPER_STOP_NOW) },
	{ "EmergencyStop(2)", "150 02 00 00 00 00 00 00 00", STOP(PIPER_STOP_RESUME) },
	{ "DisablePiper()", "471 07 01 00 00 00 00 00 00", ENABLE(PIPER_ALL_JOINTS, PIPER_DISABLE_MOTOR) },
};
_Static_assert(sizeof sdk / sizeof *sdk == 68 + 3, "every frame that was taken from the wire");

/* From the documents' tables alone. */
static const struct golden formula_v2[] = {
	{ "MIT", "15A 82 8e 7d 20 28 8c c8 fd", MIT(1, 0.25, -1, 5, 0.5, 1) },
	{ "CPV, joint 1 to 90 degrees", "181 77 70 6f 00 01 5f 90", { PIPER_CPV, 0, .cpv = { 'w', "po", 90000 } } },
	{ "CPV, zero", "187 77 65 65 65 00 00 00", { PIPER_CPV, 6, .cpv = { 'w', "ee", 0x65000000 } } },
	{ "light", "121 01 06 ff 10 20 30 00 07", { PIPER_LED, 0, .led = { 1, 6, 0xFF, 0x10, 0x20, 0x30, 0, 7 } } },
	{ "offline trajectory", "150 00 07 00 05 12 34 ab cd", STOP(0, 7, 0, 5, 0x1234, 0xABCD) },
	{ "only the mount", "151 01 ff 00 00 00 01 00 00", MODE(PIPER_CAN, PIPER_MOVE_UNCHANGED, 0, 0, 0, PIPER_MOUNT_UPRIGHT) },
	{ "assistance levels", "487 01 02 03 04 05 0a 00 00", { PIPER_ASSISTANCE_SET, 0, .levels = { { 1, 2, 3, 4, 5, 10 } } } },
	{ "end's stream on", "477 00 00 01 00 00 00 00 00", PARAMETER(0, 0, PIPER_END_STREAM_ON, 0, 0) },
};

static const struct golden formula_v3[] = {
	{ "MIT", "15A 7f ff 7f f0 51 94 77 ff", MIT(1, 0, 0, 10, 0.8, 0) },
	{ "MIT", "15B 7a e0 7f f0 51 94 77 ff", MIT(2, -0.5, 0, 10, 0.8, 0) },
	{ "MIT", "15C 8a 3c 85 a0 a3 a6 56 7f", MIT(3, 1, 2, 20, 1.5, -3) },
	{ "MIT", "15D 82 8e 7d 20 28 8c c8 7f", MIT(4, 0.25, -1, 5, 0.5, 1) },
	{ "MIT, all least, torque -8", "15E 00 00 00 00 00 00 03 ff", MIT(5, -12.5, -45, 0, -5, -8) },
	{ "MIT, all most, torque 8", "15F ff ff ff ff ff ff fb ff", MIT(6, 12.5, 45, 500, 5, 8) },
	{ "gripper by angle", "159 00 00 27 10 03 e8 05 00", GRIPPER(10000, 1000, PIPER_GRIPPER_ENABLE | PIPER_GRIPPER_ANGLE) },
};

/* Fed to the SDK, which decoded these values; and frames that people quoted of their arms. */
static const struct golden feedback[] = {
	{ "status", "2A1 01 00 01 00 01 00 05 02", { PIPER_STATUS, 0,
		.status = { PIPER_CAN, PIPER_ARM_NORMAL, PIPER_MOVE_J, 0, PIPER_MOTION_UNDER_WAY, 0, 0x05, 0x02 } } },
	{ "status of an arm", "2A1 01 00 01 00 00 00 00 00", { PIPER_STATUS, 0, .status = { PIPER_CAN, 0, PIPER_MOVE_J } } },
	{ "X Y", "2A2 00 00 db 40 ff ff ff ff", { PIPER_POSE, 0, .pair = { { 56128, -1 } } } },
	{ "Z RX", "2A3 00 03 41 12 00 00 00 00", { PIPER_POSE, 1, .pair = { { 213266, 0 } } } },
	{ "RY RZ", "2A4 00 01 4c 08 ff fd 46 f8", { PIPER_POSE, 2, .pair = { { 85000, -178440 } } } },
	{ "joints 1 2", "2A5 00 02 49 f0 00 02 bf 20", { PIPER_JOINT_ANGLES, 0, .pair = { { 150000, 180000 } } } },
	{ "joints 3 4", "2A6 ff fd 67 f0 ff fe 79 60", { PIPER_JOINT_ANGLES, 1, .pair = { { -170000, -100000 } } } },
	{ "joints 5 6", "2A7 00 01 11 70 ff fe 2b 40", { PIPER_JOINT_ANGLES, 2, .pair = { { 70000, -120000 } } } },
	{ "gripper", "2A8 00 00 c3 50 fc 18 c0 00", { PIPER_GRIPPER, 0,
		.gripper = { 50000, -1000, PIPER_GRIPPER_ENABLED | PIPER_GRIPPER_HOMED, 0 } } },
	{ "gripper of an arm", "2A8 00 01 76 69 ff fc 00 01", { PIPER_GRIPPER, 0, .gripper = { 95849, -4, 0, 1 } } },
	{ "solution", "2AC 00 01 11 70 ff fe 2b 40", { PIPER_IK_ANGLES, 2, .pair = { { 70000, -120000 } } } },
	{ "motor 1", "251 fe 0c 03 e8 00 00 06 22", { PIPER_MOTOR_FAST, 0, .fast = { -500, 1000, 1570 } } },
	{ "motor 6", "256 fe 0c 03 e8 00 00 06 22", { PIPER_MOTOR_FAST, 5, .fast = { -500, 1000, 1570 } } },
	{ "motor 1, slow", "261 00 f0 00 1f 1e 40 01 2c", { PIPER_MOTOR_SLOW, 0, .slow = { 240, 31, 30, PIPER_MOTOR_ENABLED, 300 } } },
	{ "motor of an arm", "264 01 e0 00 19 19 40 00 00", { PIPER_MOTOR_SLOW, 3, .slow = { 480, 25, 25, PIPER_MOTOR_ENABLED, 0 } } },
	{ "motor in the cold", "266 00 f0 ff f6 f5 00 00 00", { PIPER_MOTOR_SLOW, 5, .slow = { 240, -10, -11, 0, 0 } } },
	{ "limits", "473 01 05 dc fa 24 0b b8 00", { PIPER_LIMITS, 0, .limits = { 1, 1500, -1500, 3000 } } },
	{ "acceleration", "47C 01 01 f4 00 00 00 00 00", { PIPER_ACCELERATION, 0, .acceleration = { 1, 500 } } },
	{ "acknowledgement", "476 75 01 00 00 00 00 00 00", { PIPER_ACK, 0, .ack = { 0x75, 1 } } },
	{ "of a trajectory's point", "476 50 00 03 ae 12 34 ab cd", { PIPER_ACK, 0, .ack = { 0x50, 0, 3, PIPER_PACKAGE_OK, 0x1234, 0xABCD } } },
	{ "end limits", "478 01 f4 00 82 03 20 00 c8", { PIPER_END_LIMITS, 0, .end_limits = { 500, 130, 800, 200 } } },
	{ "collision levels", "47B 01 02 03 04 05 06 00 00", { PIPER_COLLISION, 0, .levels = { { 1, 2, 3, 4, 5, 6 } } } },
	{ "gripper settings", "47E 64 46 01 00 00 00 00 00", { PIPER_GRIPPER_SETUP, 0, .gripper_setup = { 100, 70, 1 } } },
	{ "assistance levels", "488 00 01 02 03 04 0a 00 00", { PIPER_ASSISTANCE, 0, .levels = { { 0, 1, 2, 3, 4, 10 } } } },
	{ "joint's end limits", "486 00 01 00 02 00 03 00 04", { PIPER_JOINT_END_LIMITS, 5, .end_limits = { 1, 2, 3, 4 } } },
	{ "firmware", "4AF 48 2d 56 31 2e 32 2d 31", { PIPER_FIRMWARE, 0, .firmware = { "H-V1.2-1" } } },
	{ "CPV, position", "183 61 70 6f ff fe a0 70", { PIPER_CPV, 2, .cpv = { 'a', "po", -90000 } } },
};

static void expect_frame(const char *call, const struct bus_frame *ours, const struct bus_frame *theirs)
{
	if (memcmp(ours, theirs, sizeof *ours) == 0)
		return;
	for (int i = 0; i < 8; i++)
		print_error("%02x %02x\n", ours->data[i], theirs->data[i]);
	fail_msg("%s: ids %03x %03x, lengths %d %d", call, ours->id, theirs->id, ours->length, theirs->length);
}

/* MIT's numbers lie between those that the wire knows. */
static void expect_mit(const struct piper_dialect *d, const char *call, const struct piper_mit *a, const struct piper_mit *b)
{
	double t_step = d->wide_torque ? 32.0 / 4095 : 16.0 / 255;

	if (fabs(a->p_rad - b->p_rad) > 25.0 / 65535 || fabs(a->v_rad_s - b->v_rad_s) > 90.0 / 4095 || fabs(a->kp - b->kp) > 500.0 / 4095 ||
			fabs(a->kd - b->kd) > 10.0 / 4095 || fabs(a->t_nm - b->t_nm) > t_step)
		fail_msg("%s: %g %g %g %g %g, want %g %g %g %g %g", call, a->p_rad, a->v_rad_s, a->kp, a->kd, a->t_nm, b->p_rad, b->v_rad_s,
				b->kp, b->kd, b->t_nm);
}

static void both_ways(const struct piper_dialect *d, const struct golden *golden, size_t n)
{
	for (const struct golden *g = golden; g < golden + n; g++) {
		struct bus_frame theirs = frame(g->bytes), ours;
		struct piper_message m;

		assert_true(piper_put(d, &g->message, &ours));
		expect_frame(g->call, &ours, &theirs);
		assert_true(piper_get(d, &theirs, &m));
		assert_int_equal(m.kind, g->message.kind);
		assert_int_equal(m.index, g->message.index);
		assert_null(piper_message_oddity(&m));
		if (m.kind == PIPER_MIT) {
			expect_mit(d, g->call, &m.mit, &g->message.mit);
			continue;
		}
		assert_true(piper_put(d, &m, &ours));
		expect_frame(g->call, &ours, &theirs);
	}
}

static void commands_are_what_the_sdk_sends(void **state)
{
	(void)state;
	both_ways(&v2, sdk, sizeof sdk / sizeof *sdk);
	both_ways(&v2, formula_v2, sizeof formula_v2 / sizeof *formula_v2);
	both_ways(&v3, formula_v3, sizeof formula_v3 / sizeof *formula_v3);
}

static void feedback_is_what_the_sdk_reads(void **state)
{
	struct piper_message m;

	(void)state;
	both_ways(&v2, feedback, sizeof feedback / sizeof *feedback);
	for (size_t i = 0; i < sizeof feedback / sizeof *feedback; i++) { /* and each field, not only the bytes that come of them */
		struct bus_frame f = frame(feedback[i].bytes);

		assert_true(piper_get(&v2, &f, &m));
		switch (m.kind) {
		case PIPER_POSE: case PIPER_JOINT_ANGLES: case PIPER_IK_ANGLES:
			assert_memory_equal(&m.pair, &feedback[i].message.pair, sizeof m.pair);
			break;
		case PIPER_STATUS:
			assert_memory_equal(&m.status, &feedback[i].message.status, sizeof m.status);
			break;
		case PIPER_MOTOR_FAST:
			assert_memory_equal(&m.fast, &feedback[i].message.fast, sizeof m.fast);
			break;
		case PIPER_MOTOR_SLOW:
			assert_int_equal(m.slow.motor_c, feedback[i].message.slow.motor_c);
			assert_int_equal(m.slow.driver_c, feedback[i].message.slow.driver_c);
			assert_int_equal(m.slow.bus_ma, feedback[i].message.slow.bus_ma);
			break;
		case PIPER_GRIPPER:
			assert_int_equal(m.gripper.opening_um, feedback[i].message.gripper.opening_um);
			assert_int_equal(m.gripper.effort_mnm, feedback[i].message.gripper.effort_mnm);
			break;
		default:
			break;
		}
	}
}

/* ---- every frame there is --------------------------------------------------------------------------------------------- */

static uint32_t draw(void)
{
	return (uint32_t)rand() << 20 ^ (uint32_t)rand() << 8 ^ (uint32_t)rand() >> 8;
}

static double draw_within(double min, double max)
{
	return min + (max - min) * (draw() / 4294967295.0);
}

/* What the bytes of a kind do not say comes back as noughts; what they say comes back. */
static void random_frames_come_back(void **state)
{
	uint32_t understood = 0;

	(void)state;
	srand(8);
	for (uint32_t id = 0; id <= BUS_ID_MAX; id++) {
		for (int i = 0; i < 200; i++) {
			struct bus_frame f = { .id = id, .length = (uint8_t)(i % 20 == 0 ? 7 : 8) }, first, second;
			struct piper_message m;

			for (int j = 0; j < f.length; j++)
				f.data[j] = (uint8_t)draw();
			if (!piper_get(&v2, &f, &m) || m.kind == PIPER_MIT)
				continue;
			understood++;
			(void)piper_message_oddity(&m);
			assert_true(piper_put(&v2, &m, &first));
			assert_int_equal(first.id, id);
			assert_true(piper_get(&v2, &first, &m));
			assert_true(piper_put(&v2, &m, &second));
			assert_memory_equal(&first, &second, sizeof first);
			for (int j = 0; j < f.length; j++)
				assert_true(first.data[j] == f.data[j] || first.data[j] == 0);
		}
	}
	assert_true(understood > 60 * 150);
}

static void mit_numbers_come_back_within_a_step(void **state)
{
	(void)state;
	srand(15);
	for (int i = 0; i < 20000; i++) {
		const struct piper_dialect *d = i % 2 ? &v2 : &v3;
		struct piper_message m = { PIPER_MIT, draw() % 6, .mit = { draw_within(-12.5, 12.5), draw_within(-45, 45), draw_within(0, 500),
			draw_within(-5, 5), draw_within(-8, 8) } }, back;
		struct bus_frame f;

		assert_true(piper_put(d, &m, &f));
		assert_true(piper_get(d, &f, &back));
		assert_int_equal(back.index, m.index);
		expect_mit(d, "random", &back.mit, &m.mit);
		assert_true(back.mit.p_rad <= m.mit.p_rad + 1e-9); /* cut off, not rounded */
	}
}

static void mit_clamps_and_refuses_what_is_no_number(void **state)
{
	const double beyond[] = { 1e9, -1e9, 1e300, -1e300 };

	(void)state;
	for (int wide = 0; wide < 2; wide++)
		for (int i = 0; i < 5; i++) {
			struct piper_message m = { PIPER_MIT, 0 }, back;
			double *field[] = { &m.mit.p_rad, &m.mit.v_rad_s, &m.mit.kp, &m.mit.kd, &m.mit.t_nm };
			struct bus_frame f;

			for (size_t j = 0; j < sizeof beyond / sizeof *beyond; j++) {
				*field[i] = beyond[j];
				assert_true(piper_put(wide ? &v3 : &v2, &m, &f));
				assert_true(piper_get(wide ? &v3 : &v2, &f, &back));
				assert_true(fabs(back.mit.p_rad) <= 12.5 && fabs(back.mit.v_rad_s) <= 45 && fabs(back.mit.kp) <= 500 &&
						fabs(back.mit.kd) <= 5 && fabs(back.mit.t_nm) <= (wide ? 16 : 8));
			}
			for (int j = 0; j < 3; j++) {
				*field[i] = j == 0 ? (double)NAN : j == 1 ? (double)INFINITY : -(double)INFINITY;
				assert_false(piper_put(&v2, &m, &f));
				assert_int_equal(f.length, 0);
			}
		}
}

static void a_wrong_check_is_no_mit_frame(void **state)
{
	struct bus_frame f = frame("15A 7f ff 7f f0 51 94 77 fd");
	struct piper_message m;

	(void)state;
	for (int i = 0; i < 8; i++)
		for (int bit = 0; bit < 8; bit++) {
			bool unseen = bit >= 4; /* by a check of four bits that lies over the lower halves */

			f.data[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(piper_get(&v2, &f, &m), unseen);
			assert_int_equal(m.kind, unseen ? PIPER_MIT : PIPER_NONE);
			assert_true(piper_get(&v3, &f, &m)); /* has none */
			f.data[i] ^= (uint8_t)(1 << bit);
		}
}

/* ---- what is no frame ------------------------------------------------------------------------------------------------- */

static void other_lengths_are_refused(void **state)
{
	const struct golden *lists[] = { sdk, feedback, formula_v2 };
	const size_t sizes[] = { sizeof sdk / sizeof *sdk, sizeof feedback / sizeof *feedback, sizeof formula_v2 / sizeof *formula_v2 };

	(void)state;
	for (size_t l = 0; l < 3; l++)
		for (size_t i = 0; i < sizes[l]; i++) {
			struct bus_frame f = frame(lists[l][i].bytes);
			uint8_t whole = f.length;
			/* queries, which pyAgxArm sends as short as they go */
			uint8_t least = f.id == 0x472 ? 2 : f.id == 0x477 || (f.id == 0x4AF && f.data[0] == 1) ? 1 : whole;
			struct piper_message m;

			for (int length = 0; length < 256; length++) {
				f.length = (uint8_t)length;
				assert_int_equal(piper_get(&v2, &f, &m), length >= least && length <= whole);
				if (length < least || length > whole)
					assert_int_equal(m.kind, PIPER_NONE);
			}
		}
}

static void bytes_beyond_a_short_frame_mean_nothing(void **state)
{
	struct bus_frame f = frame("472 01 01 00 00 00 00 00 00"), query = frame("4AF 01 99 99");
	struct piper_message m;

	(void)state;
	f.length = 2;
	memset(f.data + 2, 0x99, 6);
	assert_true(piper_get(&v2, &f, &m));
	assert_int_equal(m.limit_query.joint, 1);
	query.length = 1;
	assert_true(piper_get(&v2, &query, &m));
	assert_int_equal(m.kind, PIPER_FIRMWARE_QUERY);
}

static void extended_and_remote_frames_are_refused(void **state)
{
	struct piper_message m;

	(void)state;
	for (uint32_t id = 0; id <= BUS_ID_MAX; id++)
		for (int flags = 1; flags < 256; flags <<= 1) {
			struct bus_frame f = { .id = id, .flags = (uint8_t)flags, .length = 8 };

			assert_false(piper_get(&v2, &f, &m));
			f.length = 7;
			assert_false(piper_get(&v2, &f, &m));
			assert_int_equal(m.kind, PIPER_NONE);
		}
	assert_false(piper_get(&v2, &(struct bus_frame){ .id = 0x800 + 0x2A1, .length = 8 }, &m));
	assert_false(piper_get(&v2, &(struct bus_frame){ .id = 0x80000000u + 0x2A1, .length = 8 }, &m));
}

static void no_message_without_its_kind_and_index(void **state)
{
	struct bus_frame f;

	(void)state;
	assert_false(piper_put(&v2, &(struct piper_message){ PIPER_NONE, 0 }, &f));
	assert_false(piper_put(&v2, &(struct piper_message){ PIPER_KIND_COUNT, 0 }, &f));
	assert_string_equal(piper_kind_name(PIPER_KIND_COUNT), "unknown");
	assert_int_equal(piper_kind_frames(PIPER_KIND_COUNT), 0);
	for (int k = PIPER_NONE + 1; k < PIPER_KIND_COUNT; k++) {
		enum piper_kind kind = (enum piper_kind)k;
		uint32_t frames = piper_kind_frames(kind);

		assert_true(frames > 0 && strlen(piper_kind_name(kind)) > 2);
		assert_true(piper_put(&v2, &(struct piper_message){ kind, frames - 1 }, &f));
		assert_false(piper_put(&v2, &(struct piper_message){ kind, frames }, &f));
		assert_false(piper_put(&v2, &(struct piper_message){ kind, UINT32_MAX }, &f));
		assert_int_equal(f.id, 0);
	}
}

static void filters_let_a_kinds_frames_through(void **state)
{
	const struct piper_dialect moved = { 0x2C0, 0x160, false };
	struct bus_filter filter[PIPER_KIND_FRAMES_MAX];

	(void)state;
	assert_int_equal(piper_kind_filters(&moved, PIPER_KIND_COUNT, filter), 0);
	for (int k = PIPER_NONE + 1; k < PIPER_KIND_COUNT; k++) {
		uint32_t n = piper_kind_filters(&moved, (enum piper_kind)k, filter);
		struct bus_frame f;

		assert_int_equal(n, piper_kind_frames((enum piper_kind)k));
		for (uint32_t i = 0; i < n; i++) {
			assert_true(piper_put(&moved, &(struct piper_message){ (enum piper_kind)k, i }, &f));
			assert_true(filter[i].id == f.id && filter[i].mask == BUS_ID_MAX);
		}
	}
}

static void ids_move_with_their_bases(void **state)
{
	const struct piper_dialect moved = { 0x3A0, 0x170, false }, wild = { 0x7FA, 0xFFFF, false };
	struct piper_message m;
	struct bus_frame f;

	(void)state;
	assert_true(piper_put(&moved, &(struct piper_message)JOINTS(2, 1, 2), &f));
	assert_int_equal(f.id, 0x177);
	assert_true(piper_get(&moved, &(struct bus_frame){ .id = 0x3A7, .length = 8, .data = { 0, 0, 0, 9 } }, &m));
	assert_int_equal(m.kind, PIPER_JOINT_ANGLES);
	assert_int_equal(m.index, 2);
	assert_int_equal(m.pair.value[0], 9);
	assert_false(piper_get(&moved, &(struct bus_frame){ .id = 0x2A7, .length = 8 }, &m));
	assert_false(piper_get(&moved, &(struct bus_frame){ .id = 0x157, .length = 8 }, &m));
	assert_true(piper_get(&moved, &(struct bus_frame){ .id = 0x256, .length = 8 }, &m)); /* these never move */
	assert_true(piper_put(&wild, &(struct piper_message){ PIPER_JOINT_ANGLES, 0 }, &f));
	assert_false(piper_put(&wild, &(struct piper_message){ PIPER_JOINT_ANGLES, 2 }, &f));
	assert_false(piper_put(&wild, &(struct piper_message)STOP(1), &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_lengths_are_refused),
		cmocka_unit_test(bytes_beyond_a_short_frame_mean_nothing),
		cmocka_unit_test(extended_and_remote_frames_are_refused),
		cmocka_unit_test(no_message_without_its_kind_and_index),
		cmocka_unit_test(a_wrong_check_is_no_mit_frame),
		cmocka_unit_test(mit_clamps_and_refuses_what_is_no_number),
		cmocka_unit_test(commands_are_what_the_sdk_sends),
		cmocka_unit_test(feedback_is_what_the_sdk_reads),
		cmocka_unit_test(random_frames_come_back),
		cmocka_unit_test(mit_numbers_come_back_within_a_step),
		cmocka_unit_test(filters_let_a_kinds_frames_through),
		cmocka_unit_test(ids_move_with_their_bases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
