/* fuzz_franka_state.c - the Franka driver's control thread against arbitrary state datagrams, in a motion of the simulated robot. The first
 * byte chooses the protocol, the second joints or poses; then datagrams: a byte that says what is arbitrary of the coming one (its bytes
 * from an offset on, its size, its sender, all of it), two bytes of offset, one of length, bytes. No command answers a datagram that is
 * not a new state of the robot; what is commanded are numbers; a joint never goes faster than its limit.
 * Built by run.sh with libFuzzer, and with replay.c as one of the tests. */
#include <math.h>
#include <string.h>

#include "robots/franka/motion.h"
#include "robots/franka/states.h"
#include "robots/model/model.h"
#include "robots/sim/franka/robot.h"
#include "tests/fuzz/fuzz.h"

enum what { BYTES, SIZE, SENDER, ALL, WHATS };

static struct franka_setup setup;
static struct franka_robot robot;
static struct franka_motion_life motion;
static struct franka_states states;
static struct robot_command wish;
static int64_t now_ns;
static uint64_t newest;

static void tell(enum franka_event_kind kind, enum fci_status status)
{
	franka_motion_event(&motion, &(struct franka_event){ .kind = kind, .generation = 1, .version = states.version, .status = status },
			now_ns);
}

static void start(uint32_t version, bool pose)
{
	setup = (struct franka_setup){ .generator = pose ? OUTPUT_POSE : OUTPUT_JOINT, .low_pass_hz = 1000 };
	setup.tcp = (struct pose){ { 0, 0, 0.1034 }, { 0, 0, -0.38268343236508977, 0.92387953251128674 } };
	franka_robot_init(&robot, robot_model_find("panda")->home_rad);
	franka_robot_connect(&robot, version);
	franka_motion_init(&motion, &setup);
	memset(&states, 0, sizeof states);
	franka_states_begin(&states, version, (struct in_addr){ 1 });
	now_ns = 1;
	newest = 0;
	tell(FRANKA_EVENT_CONNECTED, FCI_STATUS_SUCCESS);
	tell(FRANKA_EVENT_OPENED, FCI_STATUS_SUCCESS);
}

static void obey(const struct franka_ask *a)
{
	struct fci_move m = { FCI_CONTROL_JOINT_IMPEDANCE, setup.generator == OUTPUT_POSE ? FCI_MOVE_CARTESIAN_POSITION
			: FCI_MOVE_JOINT_POSITION, { 10, 3, 6 }, { 10, 3, 6 } };
	uint8_t payload[sizeof m];

	memcpy(payload, &m, sizeof m);
	if (a->kind == FRANKA_ASK_STOP_MOVE)
		franka_robot_request(&robot, FCI_STOP_MOVE, NULL);
	if (a->kind != FRANKA_ASK_MOVE)
		return;
	enum fci_status status = franka_robot_request(&robot, FCI_MOVE, payload);

	tell(status == FCI_STATUS_MOTION_STARTED ? FRANKA_EVENT_MOVE_STARTED : FRANKA_EVENT_MOVE_ENDED, status);
}

static void session(void)
{
	struct franka_ask a;
	enum fci_status status;

	while (franka_motion_take_ask(&motion, &a))
		obey(&a);
	if (franka_robot_take_end(&robot, &status))
		tell(FRANKA_EVENT_MOVE_ENDED, status);
}

static void check_command(const struct fci_motion *m)
{
	for (int i = 0; i < 7; i++)
		fuzz_require(isfinite(m->q_c[i]));
	for (int i = 0; i < 16; i++)
		fuzz_require(isfinite(m->O_T_EE_c[i]));
	for (int i = 0; i < 7; i++)
		fuzz_require(fabs(motion.shape.sent.q_rad[i] - motion.shape.now.q_rad[i]) < 0.1);
}

/* One period after a datagram; `state`: it was taken as one. */
static void answer(bool state)
{
	struct robot_state seen;
	struct fci_motion m;

	franka_motion_report(&motion, now_ns, &seen);
	wish.hold = seen.mode == ARM_READY;
	wish.engage = true;
	memcpy(wish.q_rad, seen.q_d_rad, sizeof wish.q_rad);
	bool sent = franka_motion_command(&motion, &wish, now_ns, &m);

	fuzz_require(!sent || state);
	if (sent) {
		check_command(&m);
		fuzz_require(m.message_id > newest || newest == 0);
		newest = m.message_id;
		franka_robot_offer(&robot, &m);
	}
	session();
}

static size_t receive(const uint8_t *data, size_t n)
{
	uint8_t bytes[FCI_STATE_BYTES_MAX + 1] = { 0 };
	struct fci_state s, got;
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = 7, .sin_addr = { 1 } };
	size_t size = fci_state_bytes(states.version), at, length;
	uint32_t what = data[0] % 8u; /* above WHATS: as the robot sent it */

	franka_robot_step(&robot);
	franka_robot_state(&robot, &s);
	fci_put_state(states.version, &s, bytes);
	at = what == ALL ? 0 : (n > 2 ? data[1] + 256u * data[2] : 0) % size;
	length = n > 3 ? data[3] : 0;
	length = length < n - (n > 3 ? 4 : n) ? length : n - (n > 3 ? 4 : n);
	length = length < size - at ? length : size - at;
	if (what < WHATS && length)
		memcpy(bytes + at, data + 4, length);
	if (what == SIZE)
		size = at;
	if (what == SENDER)
		from.sin_addr.s_addr = length ? 1 + data[4] : 2, from.sin_port = (in_port_t)(7 + data[0] / 128);
	now_ns += 1000000;
	enum franka_datagram taken = franka_states_take(&states, &from, bytes, size, &got);
	bool acted = taken == FRANKA_DATAGRAM_STATE || taken == FRANKA_DATAGRAM_UNSOUND;

	fuzz_require(!(acted && size != fci_state_bytes(states.version)));
	fuzz_require(!(acted && from.sin_addr.s_addr != 1));
	if (acted)
		franka_motion_state(&motion, &got, taken == FRANKA_DATAGRAM_STATE, now_ns);
	answer(taken == FRANKA_DATAGRAM_STATE);
	return 4 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	start(FCI_VERSION_MIN + data[0] % 6u, data[1] & 1);
	for (size_t at = 2; at < n;)
		at += receive(data + at, n - at);
	return 0;
}
