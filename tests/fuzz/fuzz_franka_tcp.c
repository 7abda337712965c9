/* fuzz_franka_tcp.c - the simulated Franka's robot and gripper service against arbitrary bytes of their clients. The first byte
 * chooses the service, and for the robot whether a good Connect comes first and of which protocol; then pieces: a byte of length, so
 * many bytes, a millisecond. Built by run.sh with libFuzzer, and with replay.c as one of the tests. */
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/log.h"
#include "robots/model/model.h"
#include "robots/sim/franka/hand_server.h"
#include "robots/sim/franka/robot_server.h"
#include "tests/fuzz/fuzz.h"

static struct robot_server robot;
static struct hand_server hand;

static int meet(struct client *c)
{
	int pair[2];

	fuzz_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	c->listen_fd = c->udp_fd = -1;
	c->tcp_fd = pair[0];
	return pair[1];
}

static void read_away(int fd)
{
	static uint8_t bytes[CLIENT_OUT_BYTES];

	while (read(fd, bytes, sizeof bytes) > 0)
		;
}

static void check_robot(void)
{
	struct fci_state s;

	franka_robot_state(&robot.robot, &s);
	for (int i = 0; i < FRANKA_DOF; i++)
		fuzz_require(fabs(s.q[i]) < 5.0 && isfinite(s.dq[i]) && isfinite(s.tau_J[i]));
	for (int i = 0; i < 16; i++)
		fuzz_require(isfinite(s.O_T_EE[i]));
}

static void feed(const uint8_t *data, size_t n, int fd, void (*step)(void))
{
	size_t at = 0;

	while (at < n) {
		size_t length = data[at++];

		length = length < n - at ? length : n - at;
		if (length > 0 && send(fd, data + at, length, MSG_NOSIGNAL) < 0)
			return; /* dropped, or too much at once */
		at += length;
		step();
		read_away(fd);
	}
}

static void step_robot(void)
{
	robot_server_step(&robot, 0, 0);
	check_robot();
}

static void step_hand(void)
{
	hand_server_step(&hand, hand.hand.command_m);
	fuzz_require(hand.hand.command_m >= 0.0 && hand.hand.command_m <= hand.hand.stroke_m);
}

static void connect_first(uint32_t version, int fd)
{
	const struct fci_header h = { 0, 0, 16 };
	const struct fci_connect c = { (uint16_t)version, 1 };

	fuzz_require(send(fd, &h, sizeof h, 0) == sizeof h && send(fd, &c, sizeof c, 0) == sizeof c);
	step_robot();
}

static void fuzz_robot(uint32_t version, const uint8_t *data, size_t n)
{
	memset(&robot, 0, sizeof robot);
	franka_robot_init(&robot.robot, robot_model_find("panda")->home_rad);
	int fd = meet(&robot.client);

	if (version > 0)
		connect_first(version, fd);
	feed(data, n, fd, step_robot);
	client_drop(&robot.client);
	close(fd);
}

static void fuzz_hand(const uint8_t *data, size_t n)
{
	memset(&hand, 0, sizeof hand);
	franka_hand_init(&hand.hand, 0.08);
	int fd = meet(&hand.client);

	feed(data, n, fd, step_hand);
	client_drop(&hand.client);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || log_set_level("error", NULL) < 0)
		return 0;
	if (data[0] % 8 == 7)
		fuzz_hand(data + 1, n - 1);
	else
		fuzz_robot(data[0] % 8 ? 4u + data[0] % 8 : 0, data + 1, n - 1);
	return 0;
}
