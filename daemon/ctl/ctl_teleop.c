/* ctl_teleop.c - `teleop`: one bounded step of the TCP per key, from HOLD, over any terminal, and a live view of what the arms do and
 * who drives them, be it a gamepad's program: the mode, the speeds of what is sent, and why somebody was refused.
 *
 * A terminal tells of keys that go down, never of keys that come up, so that it cannot be a dead-man: nothing here moves an arm for
 * longer than one step. Of keys that wait, a stop counts before all others, then a hold, else only the newest: a held key builds up no
 * way ahead, and what is typed after a stop does not hide it. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "daemon/ctl/ctl.h"
#include "daemon/sys/clock.h"
#include "transport/message/message.h"

enum { LINE_PERIOD_MS = 200, READS_MAX = 64, LINE_BYTES = 1024, REFUSAL_SHOWN_MS = 5000, COLUMNS_UNKNOWN = 80 };

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
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, before) < 0)
		return ctl_fail(ctl, "teleop: standard input is no terminal; a program publishes teleop/<device> instead");
	raw = *before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return ctl_fail(ctl, "teleop: the terminal refuses single keys: %s", strerror(errno));
	return CTL_OK;
}

/* Of two keys that wait. */
static int weightier(int kept, int newer)
{
	return kept == ' ' || (kept == 'h' && newer != ' ') ? kept : newer;
}

/* The key that counts of those that wait; 0: none within the period, -1: the terminal is gone. */
static int next_key(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned char keys[64];
	ssize_t n = 1;
	int key = -1;

	if (poll(&in, 1, LINE_PERIOD_MS) <= 0)
		return 0;
	for (int i = 0; i < READS_MAX && n > 0; i++) {
		n = read(STDIN_FILENO, keys, sizeof keys);
		for (ssize_t k = 0; k < n; k++)
			key = weightier(key, keys[k]);
	}
	return key;
}

static int pause_a_period(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = LINE_PERIOD_MS * 1000000L }, NULL);
	return 0;
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

/* What is shown besides the status. */
struct view {
	bool keys;               /* standard input is a terminal */
	double step_m;
	char refused[256];       /* of our own newest request; "": it was granted */
	int64_t asked_ns;        /* when that was */
};

/* Asks and keeps what was refused for the line; "" when it was granted. */
static void ask(const struct ctl *ctl, struct map_builder *request, int timeout_ms, struct ctl_answer *a, char refused[256])
{
	struct errbuf e = { "" };

	refused[0] = 0;
	if (ctl_ask(ctl, &ctl->daemon, request, timeout_ms, a, &e) < 0)
		snprintf(refused, 256, "%.255s", e.text);
	else if (!a->reply.ok)
		snprintf(refused, 256, "%.255s", a->reply.error);
}

static void ask_for(const struct ctl *ctl, struct map_builder *request, struct ctl_answer *a, struct view *v)
{
	ask(ctl, request, CTL_TIMEOUT_MS, a, v->refused);
	v->asked_ns = clock_monotonic_ns();
}

static void jog(const struct ctl *ctl, const char *arm, const double delta[6], struct ctl_answer *a, struct view *v)
{
	struct map_builder request;
	uint8_t bytes[REQUEST_BYTES_MAX];

	request_begin(&request, bytes, sizeof bytes, "jog");
	if (arm)
		map_add_text(&request, "arm", arm);
	map_add_reals(&request, "delta", delta, 6);
	ask_for(ctl, &request, a, v);
}

static void hold(const struct ctl *ctl, struct ctl_answer *a, struct view *v)
{
	struct map_builder request;
	uint8_t bytes[REQUEST_BYTES_MAX];

	request_begin(&request, bytes, sizeof bytes, "mode");
	map_add_text(&request, "mode", "hold");
	ask_for(ctl, &request, a, v);
}

/* ---- the live view ---- */

static void append(char *line, const char *format, ...) PRINTF_LIKE(2, 3);

static void append(char *line, const char *format, ...)
{
	size_t n = strlen(line);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line + n, LINE_BYTES - n, format, arguments);
	va_end(arguments);
}

/* In one line of the terminal, whatever its width: a line that wraps could not be drawn over. Cuts between characters. */
static void put_line(const char *text)
{
	struct winsize size = { 0 };
	int room = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : COLUMNS_UNKNOWN - 1;

	fputs("\r\033[K", stdout);
	for (const char *c = text; *c; c++) {
		bool begins = ((unsigned char)*c & 0xc0) != 0x80; /* UTF-8 */

		if (begins && room-- <= 0)
			break;
		if (*c == '\n')
			fputs(room-- > 0 ? "; " : ";", stdout);
		else
			putchar(*c);
	}
}

static double length(const double v[3])
{
	return sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
}

/* The newest refusal, of our own request or of a device; "": nobody was refused lately. */
static const char *refusal(struct message_status *s, const struct view *v)
{
	double own_age_ms = (double)(clock_monotonic_ns() - v->asked_ns) / (double)NS_PER_MS;
	bool own = v->refused[0] && own_age_ms < REFUSAL_SHOWN_MS, device = s->teleop_refused[0] && s->teleop_refused_age_ms < REFUSAL_SHOWN_MS;

	if (own && !(device && s->teleop_refused_age_ms < own_age_ms))
		return v->refused;
	return device ? ctl_clean(s->teleop_refused) : "";
}

/* Two lines: what moves, most important first, and why. The cursor stays in the first. */
static void draw_status(struct message_status *s, const struct view *v)
{
	char first[LINE_BYTES] = "", second[LINE_BYTES] = "";
	const char *refused = refusal(s, v);

	append(first, "%-6s %s", ctl_clean(s->mode), strcmp(s->driver, "none") == 0 ? "nobody drives" : ctl_clean(s->driver));
	for (uint32_t i = 0; i < s->n_arms; i++)
		append(first, "  %s %.0f mm/s %.2f rad/s", ctl_clean(s->arm[i].name), 1e3 * length(s->arm[i].twist), length(s->arm[i].twist + 3));
	if (v->keys)
		append(first, "  step %.0f mm %.3f rad", v->step_m * 1e3, v->step_m * rad_per_m);
	append(first, "  speed %.2f", s->speed);
	append(second, "%s%s", refused[0] ? "REFUSED: " : "", refused[0] ? refused : ctl_clean(s->reason));
	put_line(first);
	putchar('\n');
	put_line(second);
	fputs("\033[A\r", stdout); /* ECMA-48: one line up */
}

static json_t *arms_json(const struct message_status *s)
{
	json_t *arms = json_object();

	for (uint32_t i = 0; i < s->n_arms; i++)
		json_object_set_new(arms, s->arm[i].name, json_pack("{s:f, s:f}", "v_m_s", length(s->arm[i].twist), "w_rad_s", length(s->arm[i].twist + 3)));
	return arms;
}

/* One line per period. */
static void print_status_json(const struct ctl *ctl, struct message_status *s, const struct view *v)
{
	struct ctl lines = *ctl;

	lines.watch = true;
	ctl_json_print(&lines, json_pack("{s:s, s:s, s:s, s:f, s:s, s:o}", "mode", s->mode, "reason", s->reason, "driver", s->driver, "speed",
			s->speed, "refused", refusal(s, v), "arms", arms_json(s)));
}

static void draw(const struct ctl *ctl, struct ctl_answer *a, const struct view *v)
{
	struct map_builder request;
	struct message_status s;
	struct errbuf e = { "" };
	uint8_t bytes[64];
	char lost[256];

	request_begin(&request, bytes, sizeof bytes, "status");
	ask(ctl, &request, CTL_STOP_TIMEOUT_MS, a, lost); /* keys wait meanwhile, a stop among them */
	if (ended) /* a signal broke the question off */
		return;
	if (!lost[0] && message_status_decode_reply(&s, a->bytes, a->n, &e) < 0)
		snprintf(lost, sizeof lost, "%.255s", e.text);
	if (lost[0] && ctl->json)
		ctl_fail(ctl, "%s", lost);
	else if (lost[0])
		put_line(ctl_clean(lost));
	else if (ctl->json)
		print_status_json(ctl, &s, v);
	else
		draw_status(&s, v);
	fflush(stdout);
}

static double resized(double step_m, int key)
{
	double wish = step_m + (key == '+' ? 1e-3 : key == '-' ? -1e-3 : 0.0);

	return wish < step_least ? step_least : wish > step_most ? step_most : wish;
}

/* What stands below the cursor gives way to the doors' answers. */
static void stop(const struct ctl *ctl, struct view *v)
{
	v->refused[0] = '\0';
	if (!ctl->json)
		fputs("\r\033[J", stdout); /* ECMA-48: erase below */
	ctl_run_stop(ctl, 0, NULL);
}

static void drive(const struct ctl *ctl, const char *arm, bool keys, struct ctl_answer *a)
{
	struct view v = { .keys = keys, .step_m = 5e-3 };
	double delta[6];

	for (int key = 0; !ended && key >= 0 && key != 'q' && !ferror(stdout); key = keys ? next_key() : pause_a_period()) {
		v.step_m = resized(v.step_m, key);
		if (key == ' ')
			stop(ctl, &v);
		else if (key == 'h')
			hold(ctl, a, &v);
		else if (step_of(key, v.step_m, delta))
			jog(ctl, arm, delta, a, &v);
		draw(ctl, a, &v);
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

/* The terminal is given back as it was, whatever ends this. */
static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaction(numbers[i], &action, NULL);
}

int ctl_run_teleop(const struct ctl *ctl, int n, char **argument)
{
	struct termios before;
	struct ctl_answer a;
	bool keys = !ctl->json || isatty(STDIN_FILENO); /* with --json also a program may watch */
	int code;

	catch_signals();
	code = keys ? open_terminal(ctl, &before) : CTL_OK;
	if (code != CTL_OK)
		return code;
	code = find_daemon(ctl, &a);
	if (code == CTL_OK) {
		if (!ctl->json)
			fputs(intro, stdout);
		drive(ctl, n > 0 ? argument[0] : NULL, keys, &a);
		if (!ctl->json)
			printf("\n\n");
	}
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return code;
}
