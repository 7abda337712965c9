/* fuzz_franka_udp.c - the simulated Franka's motions against arbitrary commands. The first byte chooses the protocol, the second the
 * motion; then datagrams: a byte that says which field is arbitrary (or that the whole datagram is), and its bytes. The joints stay where
 * an arm can be, numbers stay numbers. Built by run.sh with libFuzzer, and with replay.c as one of the tests. */
#include <math.h>
#include <string.h>

#include "robots/model/model.h"
#include "robots/sim/franka/robot.h"
#include "tests/fuzz/fuzz.h"

static struct franka_robot robot;
static struct fci_state state;

static void start(uint32_t version, uint32_t choice)
{
	struct fci_move m = { choice % 3, choice / 3 % 5, { 10, 3, 6 }, { 10, 3, 6 } };
	uint8_t payload[sizeof m];

	franka_robot_init(&robot, robot_model_find("panda")->home_rad);
	franka_robot_connect(&robot, version);
	memcpy(payload, &m, sizeof m);
	franka_robot_request(&robot, FCI_MOVE, payload);
	franka_robot_step(&robot);
	franka_robot_state(&robot, &state);
}

/* Where the fields of a command begin: q_c, dq_c, O_T_EE_c, O_dP_EE_c, elbow_c, flags, tau_J_d, the last flag; 0: all of it. */
static const size_t field[] = { 0, 8, 64, 120, 248, 296, 312, 314, 370 };

static size_t make_command(const uint8_t *data, size_t n, uint8_t out[FCI_MOTION_BYTES_MAX])
{
	struct fci_motion m = { .message_id = robot.message_id };
	size_t at = field[data[0] % (sizeof field / sizeof *field)], size = fci_motion_bytes(robot.version), length = data[0] / 16 * 8u;

	memcpy(m.q_c, state.q_d, sizeof m.q_c);
	memcpy(m.O_T_EE_c, state.O_T_EE_c, sizeof m.O_T_EE_c);
	fci_put_motion(robot.version, &m, out);
	length = length < n - 1 ? length : n - 1;
	length = at < size ? (length < size - at ? length : size - at) : 0;
	memcpy(out + at, data + 1, length);
	return length + 1;
}

static void step(const uint8_t *bytes, size_t n)
{
	struct fci_motion m;

	if (fci_get_motion(robot.version, bytes, n, &m))
		franka_robot_offer(&robot, &m);
	franka_robot_step(&robot);
	franka_robot_state(&robot, &state);
	for (int i = 0; i < FRANKA_DOF; i++)
		fuzz_require(fabs(state.q[i]) < 5.0 && isfinite(state.dq[i]) && isfinite(state.tau_J[i]));
	for (int i = 0; i < 16; i++)
		fuzz_require(isfinite(state.O_T_EE[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t bytes[FCI_MOTION_BYTES_MAX];

	if (n < 2)
		return 0;
	start(FCI_VERSION_MIN + data[0] % 6u, data[1]);
	for (size_t at = 2; at < n;) {
		at += make_command(data + at, n - at, bytes);
		step(bytes, fci_motion_bytes(robot.version));
	}
	return 0;
}
