/* ctl_teleop.c - `teleop`: one bounded step of the TCP per key, from HOLD, over any terminal, and a live line of what the arm does.
 *
 * A terminal tells of keys that go down, never of keys that come up, so that it cannot be a dead-man: nothing here moves an arm for
 * longer than one step. Of keys that wait, only the newest counts: a held key builds up no way ahead. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "daemon/ctl/ctl.h"
#include "transport/message/message.h"

enum { LINE_PERIOD_MS = 200 };

static const double step_least = 1e-3, step_most = 10e-3, rad_per_m = 5.0; /* 10 mm and 0.05 rad: messages.md section 6 */

static const char intro[] =
	"w s  forward, back    a d  left, right    r f  up, down     (x, y, z of the arm's base)\n"
	"u o  about x          i k  about y        j l  about z\n"
	"+ -  size of a step   space  STOP         h  mode hold      q  end\n"
	"A terminal reports no key release, so this is no dead-man: every key is one bounded step, from HOLD.\n";

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

/* Keys as they come and unseen; *before is what to restore. */
static int open_terminal(const struct ctl *ctl, struct termios *before)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, before) < 0)
		return ctl_fail(ctl, "teleop: standard input is no terminal; a program publishes teleop/<device> instead");
	raw = *before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return ctl_fail(ctl, "teleop: the terminal refuses single keys: %s", strerror(errno));
	return CTL_OK;
}

/* The newest key that waits; 0: none within the period, -1: the terminal is gone. */
static int newest_key(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned char keys[64];
	ssize_t n;

	if (poll(&in, 1, LINE_PERIOD_MS) <= 0)
		return 0;
	n = read(STDIN_FILENO, keys, sizeof keys);
	return n > 0 ? keys[n - 1] : -1;
}

/* -> the step that a key stands for; false: none. */
static bool step_of(int key, double step_m, double delta[6])
{
	static const char keys[6][2] = { { 'w', 's' }, { 'a', 'd' }, { 'r', 'f' }, { 'u', 'o' }, { 'i', 'k' }, { 'j', 'l' } };

	memset(delta, 0, 6 * sizeof *delta);
	for (int i = 0; i < 6; i++) {
		double size = i < 3 ? step_m : step_m * rad_per_m;

		if (key == keys[i][0] || key == keys[i][1]) {
			delta[i] = key == keys[i][0] ? size : -size;
			return true;
		}
	}
	return false;
}

/* Asks and keeps what was refused for the line; "" when it was granted. */
static void ask(const struct ctl *ctl, struct map_builder *request, struct ctl_answer *a, char refused[256])
{
	struct errbuf e = { "" };

	refused[0] = 0;
	if (ctl_ask(ctl, &ctl->daemon, request, CTL_TIMEOUT_MS, a, &e) < 0)
		snprintf(refused, 256, "%.255s", e.text);
	else if (!a->reply.ok)
		snprintf(refused, 256, "%.255s", a->reply.error);
	for (char *c = refused; *c; c++)
		*c = *c == '\n' ? ';' : *c; /* it stands in one line */
}

static void jog(const struct ctl *ctl, const char *arm, const double delta[6], struct ctl_answer *a, char refused[256])
{
	struct map_builder request;
	uint8_t bytes[REQUEST_BYTES_MAX];

	request_begin(&request, bytes, sizeof bytes, "jog");
	if (arm)
		map_add_text(&request, "arm", arm);
	map_add_reals(&request, "delta", delta, 6);
	ask(ctl, &request, a, refused);
}

static void hold(const struct ctl *ctl, struct ctl_answer *a, char refused[256])
{
	struct map_builder request;
	uint8_t bytes[REQUEST_BYTES_MAX];

	request_begin(&request, bytes, sizeof bytes, "mode");
	map_add_text(&request, "mode", "hold");
	ask(ctl, &request, a, refused);
}

static void draw_line(const struct ctl *ctl, struct ctl_answer *a, double step_m, const char *refused)
{
	struct map_builder request;
	struct message_status s;
	struct errbuf e = { "" };
	uint8_t bytes[64];
	char lost[256];

	request_begin(&request, bytes, sizeof bytes, "status");
	ask(ctl, &request, a, lost);
	if (ended) /* a signal broke the question off */
		return;
	if (!lost[0] && message_status_decode_reply(&s, a->bytes, a->n, &e) < 0)
		snprintf(lost, sizeof lost, "%.255s", e.text);
	if (lost[0])
		printf("\r\033[K%s", lost);
	else
		printf("\r\033[K%-6s driver %s, step %.0f mm %.3f rad, speed %.2f: %s%s", ctl_clean(s.mode), ctl_clean(s.driver), step_m * 1e3,
				step_m * rad_per_m, s.speed, refused[0] ? "REFUSED: " : "", refused[0] ? refused : ctl_clean(s.reason));
	fflush(stdout);
}

static double resized(double step_m, int key)
{
	double wish = step_m + (key == '+' ? 1e-3 : key == '-' ? -1e-3 : 0.0);

	return wish < step_least ? step_least : wish > step_most ? step_most : wish;
}

static void drive(const struct ctl *ctl, const char *arm, struct ctl_answer *a)
{
	char refused[256] = "";
	double step_m = 5e-3, delta[6];

	for (int key = 0; !ended && key >= 0 && key != 'q'; key = newest_key()) {
		step_m = resized(step_m, key);
		if (key == ' ')
			ctl_run_stop(ctl, 0, NULL);
		else if (key == 'h')
			hold(ctl, a, refused);
		else if (step_of(key, step_m, delta))
			jog(ctl, arm, delta, a, refused);
		draw_line(ctl, a, step_m, refused);
	}
}

/* Who finds nobody there at the beginning need not wait for a line. */
static int find_daemon(const struct ctl *ctl, struct ctl_answer *a)
{
	struct map_builder request;
	struct errbuf e = { "" };
	uint8_t bytes[64];

	request_begin(&request, bytes, sizeof bytes, "status");
	return ctl_ask(ctl, &ctl->daemon, &request, CTL_TIMEOUT_MS, a, &e) < 0 ? ctl_fail(ctl, "%s", e.text) : CTL_OK;
}

int ctl_run_teleop(const struct ctl *ctl, int n, char **argument)
{
	struct termios before;
	struct ctl_answer a;
	int code = open_terminal(ctl, &before);

	if (code != CTL_OK)
		return code;
	code = find_daemon(ctl, &a);
	if (code != CTL_OK) {
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
		return code;
	}
	fputs(intro, stdout);
	drive(ctl, n > 0 ? argument[0] : NULL, &a);
	printf("\n");
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return CTL_OK;
}
