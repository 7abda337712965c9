/* errors.c - see errors.h. */
#include "robots/piper/errors.h"

#include <stddef.h>

enum { JOINT_BITS = 8, GRIPPER_BIT = PIPER_JOINTS * JOINT_BITS, GRIPPER_BITS = 6, STATE_BIT = GRIPPER_BIT + GRIPPER_BITS, ERROR_BITS = 64 };

/* In the order of JOINT's names. */
enum { LIMIT, COMMUNICATION, UNDERVOLTAGE, HOT, OVERCURRENT, COLLISION, DRIVER, STALLED };

#define JOINT(n) "joint_" n "_limit", "joint_" n "_communication", "joint_" n "_undervoltage", "joint_" n "_hot", \
	"joint_" n "_overcurrent", "joint_" n "_collision", "joint_" n "_driver", "joint_" n "_stalled"

/* Arm states that have a bit of their own: the others are said by the joints' bits, or are none (teaching). */
static const uint8_t states[ERROR_BITS - STATE_BIT] = { PIPER_ARM_EMERGENCY_STOP, PIPER_ARM_NO_SOLUTION, PIPER_ARM_SINGULARITY,
	PIPER_ARM_BRAKE, PIPER_ARM_COLLISION, PIPER_ARM_TEACH_OVERSPEED, PIPER_ARM_JOINT_STATE, PIPER_ARM_OTHER, PIPER_ARM_CONTROLLER_HOT, PIPER_ARM_RESISTOR_HOT };

static const char *const names[ERROR_BITS] = {
	JOINT("1"), JOINT("2"), JOINT("3"), JOINT("4"), JOINT("5"), JOINT("6"),
	"gripper_undervoltage", "gripper_motor_hot", "gripper_overcurrent", "gripper_driver_hot", "gripper_sensor", "gripper_driver",
	"emergency_stop", "no_solution", "singularity", "brake", "collision", "teach_overspeed", "joint_state", "other", "controller_hot",
	"resistor_hot",
};

const char *piper_error_name(uint32_t bit)
{
	return bit < ERROR_BITS ? names[bit] : NULL;
}

static uint8_t motor_bits(const struct piper_feedback *f, int j)
{
	return f->slow_news[j].count >= 2 ? f->slow[j].bits & f->slow_before[j].bits : 0;
}

static uint64_t joint_errors(uint8_t bits)
{
	static const struct {
		uint8_t motor, error;
	} of[] = { { PIPER_MOTOR_UNDERVOLTAGE, UNDERVOLTAGE }, { PIPER_MOTOR_HOT, HOT }, { PIPER_MOTOR_DRIVER_HOT, HOT },
		{ PIPER_MOTOR_OVERCURRENT, OVERCURRENT }, { PIPER_MOTOR_COLLISION, COLLISION }, { PIPER_MOTOR_DRIVER, DRIVER },
		{ PIPER_MOTOR_STALLED, STALLED } };
	uint64_t errors = 0;

	for (size_t i = 0; i < sizeof of / sizeof *of; i++)
		if (bits & of[i].motor)
			errors |= UINT64_C(1) << of[i].error;
	return errors;
}

uint64_t piper_errors_of(const struct piper_feedback *f, bool gripper)
{
	const uint8_t gripper_errors = (uint8_t)~(PIPER_GRIPPER_ENABLED | PIPER_GRIPPER_HOMED);
	uint64_t errors = gripper ? (uint64_t)(f->gripper.bits & gripper_errors) << GRIPPER_BIT : 0;

	for (int j = 0; j < PIPER_JOINTS; j++) {
		uint64_t own = joint_errors(motor_bits(f, j));

		own |= (uint64_t)(f->status.over_limit >> j & 1) << LIMIT;
		own |= (uint64_t)(f->status.communication_error >> j & 1) << COMMUNICATION;
		errors |= own << j * JOINT_BITS;
	}
	for (uint32_t i = 0; i < sizeof states; i++)
		errors |= (uint64_t)(f->status.state == states[i]) << (STATE_BIT + i);
	return errors;
}

uint8_t piper_motors_on(const struct piper_feedback *f)
{
	uint8_t on = 0;

	for (int j = 0; j < PIPER_JOINTS; j++)
		on |= (uint8_t)(!!(motor_bits(f, j) & PIPER_MOTOR_ENABLED) << j);
	return on;
}

uint8_t piper_motors_off(const struct piper_feedback *f)
{
	uint8_t off = 0;

	for (int j = 0; j < PIPER_JOINTS; j++) {
		bool on = (f->slow[j].bits | f->slow_before[j].bits) & PIPER_MOTOR_ENABLED;

		off |= (uint8_t)((f->slow_news[j].count >= 2 && !on) << j);
	}
	return off;
}

/* What the controller says of the whole. Targets out of range and poses without a solution were ignored, which stops nothing. */
static enum piper_trouble state_trouble(uint8_t state)
{
	switch (state) {
	case PIPER_ARM_JOINT_COMMUNICATION: return PIPER_TROUBLE_COMMUNICATION_ERROR;
	case PIPER_ARM_COLLISION: return PIPER_TROUBLE_COLLISION;
	case PIPER_ARM_JOINT_STATE: return PIPER_TROUBLE_JOINT_ERROR;
	case PIPER_ARM_BRAKE:
	case PIPER_ARM_TEACH_OVERSPEED:
	case PIPER_ARM_OTHER:
	case PIPER_ARM_CONTROLLER_HOT:
	case PIPER_ARM_RESISTOR_HOT: return PIPER_TROUBLE_ARM_ERROR;
	default: return PIPER_TROUBLE_NONE;
	}
}

enum piper_trouble piper_errors_stop(const struct piper_feedback *f, int64_t now_ns)
{
	enum piper_trouble of_state = state_trouble(f->status.state);
	uint8_t bits = 0;
	bool lost = f->status.communication_error != 0;

	for (int j = 0; j < PIPER_JOINTS; j++) {
		bits |= motor_bits(f, j);
		lost |= !piper_news_fresh(&f->fast_news[j], now_ns, PIPER_MOTOR_SILENT_NS) ||
				!piper_news_fresh(&f->slow_news[j], now_ns, PIPER_MOTOR_SILENT_NS);
	}
	if (lost)
		return PIPER_TROUBLE_COMMUNICATION_ERROR;
	if (bits & PIPER_MOTOR_COLLISION)
		return PIPER_TROUBLE_COLLISION;
	return bits & ~PIPER_MOTOR_ENABLED ? PIPER_TROUBLE_JOINT_ERROR : of_state;
}
