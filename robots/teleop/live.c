/* live.c - see live.h. */
#include "robots/teleop/live.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

static const int64_t PERIOD_NS = 100 * NS_PER_MS;
static const double apart_most_rad = 0.8; /* messages.md section 5 */
enum { COLUMNS_DEFAULT = 120 };

void live_init(struct live *l, bool json)
{
	/* Opened anew: O_NONBLOCK on the one we were given would also hold for whoever else has it, the shell for one. */
	int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_APPEND | O_CLOEXEC | O_NOCTTY);

	*l = (struct live){ .json = json, .terminal = !json && isatty(STDOUT_FILENO), .fd = fd < 0 ? STDOUT_FILENO : fd };
}

/* ---- words ------------------------------------------------------------------------------------------------------------------------ */

PRINTF_LIKE(2, 3) static void add(char out[LIVE_TEXT_BYTES], const char *format, ...)
{
	size_t used = strlen(out);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(out + used, LIVE_TEXT_BYTES - used, format, arguments);
	va_end(arguments);
}

static void add_dreamvlad(char out[LIVE_TEXT_BYTES], const struct live_view *v, int64_t now_ns)
{
	const struct message_status *s = watch_status(v->watch, now_ns);

	if (!s)
		add(out, "dreamvlad is not heard");
	else if (strcmp(s->driver, v->topic) == 0)
		add(out, "%s, you drive", s->mode);
	else
		add(out, "%s, driver %s", s->mode, s->driver);
}

static void add_wish(char out[LIVE_TEXT_BYTES], const struct device_wish *w)
{
	add(out, " | dead-man %s", w->deadman ? "HELD" : "released");
	if (w->kind == TELEOP_TWIST)
		add(out, ", %s", w->frame == FRAME_TCP ? "tcp" : "base");
}

static void add_values(char out[LIVE_TEXT_BYTES], const struct device_wish *w, double apart)
{
	const double *v = w->value;

	if (w->kind == TELEOP_TWIST)
		add(out, " | %+4.0f %+4.0f %+4.0f mm/s %+.2f %+.2f %+.2f rad/s", v[0] * 1e3, v[1] * 1e3, v[2] * 1e3, v[3], v[4], v[5]);
	if (apart >= 0.0)
		add(out, " | %.2f rad apart", apart);
	if (w->deadman && w->has_gripper)
		add(out, " | gripper %.0f mm", w->gripper_m * 1e3);
}

/* What the person has to know comes before the numbers: a terminal may be narrow. */
void live_text(char out[LIVE_TEXT_BYTES], const struct live_view *v, bool values, int64_t now_ns)
{
	const struct message_status *s = watch_status(v->watch, now_ns);
	const char *refusal = watch_refusal(v->watch, now_ns);
	uint32_t joint = 0;
	double apart = v->present ? watch_apart_rad(v->watch, v->wish, now_ns, &joint) : -1.0;

	out[0] = 0;
	add_dreamvlad(out, v, now_ns);
	if (v->present)
		add_wish(out, v->wish);
	else
		add(out, " | %s", v->away);
	if (refusal[0])
		add(out, " | REFUSED: %s", refusal);
	if (v->present && v->wish->note[0])
		add(out, " | %s", v->wish->note);
	if (apart > apart_most_rad)
		add(out, " | joint %u is too far from the arm's for a take-over (at most %.1f rad)", joint, apart_most_rad);
	if (v->present && values)
		add_values(out, v->wish, apart);
	if (s && !refusal[0])
		add(out, " | %s", s->reason);
	text_tame(out, false);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------------- */

static json_t *json_of_wish(const struct device_wish *w)
{
	static const char *const kinds[] = { [TELEOP_TWIST] = "twist", [TELEOP_POSE] = "pose", [TELEOP_JOINT] = "joint" };
	json_t *values = json_array();
	json_t *o = json_pack("{s:b, s:s, s:o}", "deadman", w->deadman, "kind", kinds[w->kind], "values", values);

	for (uint32_t i = 0; i < w->n_values; i++)
		json_array_append_new(values, json_real(w->value[i]));
	if (w->kind == TELEOP_TWIST)
		json_object_set_new(o, "frame", json_string(w->frame == FRAME_TCP ? "tcp" : "base"));
	if (w->has_gripper)
		json_object_set_new(o, "gripper_m", json_real(w->gripper_m));
	return o;
}

/* The peer's texts are UTF-8 already. */
static char *json_text(const struct live_view *v, int64_t now_ns)
{
	const struct message_status *s = watch_status(v->watch, now_ns);
	uint32_t joint = 0;
	double apart = v->present ? watch_apart_rad(v->watch, v->wish, now_ns, &joint) : -1.0;
	json_t *o = json_pack("{s:s, s:b, s:I, s:s, s:s, s:o}", "device", v->topic, "present", v->present, "sent", (json_int_t)v->sent, "note",
			v->present ? v->wish->note : v->away, "refused", watch_refusal(v->watch, now_ns), "wish",
			v->present ? json_of_wish(v->wish) : json_null());

	json_object_set_new(o, "apart_rad", apart >= 0.0 ? json_real(apart) : json_null());
	json_object_set_new(o, "dreamvlad", s ? json_pack("{s:s, s:s, s:s}", "mode", s->mode, "driver", s->driver, "reason", s->reason)
			: json_null());
	char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));

	json_decref(o);
	return text;
}

/* ---- out -------------------------------------------------------------------------------------------------------------------------- */

/* A reader that has stopped reading must not stop the device: then it misses a line. */
static int write_line(const struct live *l, const char *text, size_t n)
{
	struct pollfd out = { .fd = l->fd, .events = POLLOUT };

	if (poll(&out, 1, 0) <= 0)
		return 0;
	if (out.revents & (POLLERR | POLLNVAL | POLLHUP))
		return -EPIPE;
	return write(l->fd, text, n) < 0 && errno != EAGAIN && errno != EINTR ? -EPIPE : 0;
}

static int show_json(const struct live *l, const struct live_view *v, int64_t now_ns)
{
	char *text = json_text(v, now_ns), line[4096];
	int n = text ? snprintf(line, sizeof line, "%s\n", text) : 0;

	free(text);
	return n > 0 && (size_t)n < sizeof line ? write_line(l, line, (size_t)n) : 0;
}

/* As wide as the terminal: a line that wraps cannot be drawn over. */
static int show_line(const struct live *l, const struct live_view *v, int64_t now_ns)
{
	char text[LIVE_TEXT_BYTES], line[LIVE_TEXT_BYTES + 8];
	struct winsize size;
	int columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : COLUMNS_DEFAULT;

	live_text(text, v, true, now_ns);
	int n = snprintf(line, sizeof line, "\r\033[K%.*s", columns - 1, text);

	return write_line(l, line, (size_t)n);
}

static void tell_log(struct live *l, const struct live_view *v, int64_t now_ns)
{
	char text[LIVE_TEXT_BYTES];

	live_text(text, v, false, now_ns);
	if (strcmp(text, l->said) == 0)
		return;
	memcpy(l->said, text, sizeof l->said);
	log_line(LOG_LEVEL_INFO, "%s: %s", v->topic, text);
}

int live_show(struct live *l, const struct live_view *v, bool edge, int64_t now_ns)
{
	if (!edge && now_ns - l->shown_ns < PERIOD_NS)
		return 0;
	l->shown_ns = now_ns;
	if (l->json)
		return show_json(l, v, now_ns);
	if (l->terminal)
		return show_line(l, v, now_ns);
	tell_log(l, v, now_ns);
	return 0;
}

void live_end(struct live *l)
{
	if (l->terminal)
		(void)!write_line(l, "\n", 1);
	if (l->fd != STDOUT_FILENO)
		close(l->fd);
}
