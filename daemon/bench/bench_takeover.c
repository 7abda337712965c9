/* bench_takeover.c - see bench_takeover.h. */
#include "daemon/bench/bench_takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bench/bench_pad.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/histogram.h"

#define RELEASED_NS (30 * NS_PER_MS)  /* at least, before a press: the edge needs a message without dead-man */
#define RANDOM_NS (20 * NS_PER_MS)    /* several periods and repetitions: no fixed phase */
#define PRESSED_NS (30 * NS_PER_MS)
#define PATIENCE_NS (500 * NS_PER_MS)
#define AUTO_PATIENCE_NS (10 * NS_PER_S)
#define INSIDE_SLACK_US 500.0

struct presses {
	struct session *s;
	struct pad pad;
	uint64_t random;
	struct histogram hold, automatic, ping;
};

static int64_t random_below(struct presses *p, int64_t n)
{
	p->random = p->random * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((p->random >> 33) % (uint64_t)n);
}

static int pause_for(struct presses *p, int64_t pause_ns, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + pause_ns;
	int rc = 0;

	while (rc >= 0 && clock_monotonic_ns() < until_ns)
		rc = pad_step(&p->pad, until_ns, e);
	return rc < 0 ? rc : session_step(p->s, 0, e) < 0 ? -ECHILD : 0;
}

/* Until a target of that source comes; 1, 0 when none did in time, or -errno. */
static int wait_for_source(struct presses *p, enum target_source source, bool wanted, int64_t patience_ns, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + patience_ns;

	while (clock_monotonic_ns() < until_ns) {
		int rc = pad_step(&p->pad, until_ns, e);

		if (rc < 0)
			return rc;
		if (rc == 1 && (p->pad.target.target.source == source) == wanted)
			return 1;
	}
	return 0;
}

static int press(struct presses *p, struct takeover_kind *k, struct histogram *h, struct errbuf *e)
{
	p->pad.message.deadman = true;
	pad_send(&p->pad);
	int64_t sent_ns = p->pad.sent_ns;
	int rc = wait_for_source(p, TARGET_TELEOP, true, PATIENCE_NS, e);

	if (rc == 1)
		histogram_add(h, p->pad.target_ns - sent_ns);
	k->pressed++;
	k->lost += rc == 0;
	if (rc >= 0)
		rc = pause_for(p, PRESSED_NS, e);
	p->pad.message.deadman = false;
	if (rc == 0)
		rc = wait_for_source(p, TARGET_TELEOP, false, PATIENCE_NS, e);
	return rc < 0 ? rc : pause_for(p, RELEASED_NS + random_below(p, RANDOM_NS), e);
}

/* Asks until AUTO is granted and the policy moves the arm. */
static int enter_auto(struct presses *p, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + AUTO_PATIENCE_NS;
	struct errbuf why = { 0 };
	int rc = 0;

	while (clock_monotonic_ns() < until_ns) {
		if (session_set_mode(p->s, "auto", &why) == 0)
			return wait_for_source(p, TARGET_POLICY, true, PATIENCE_NS, e);
		if ((rc = pause_for(p, RELEASED_NS, e)) < 0)
			return rc;
	}
	return fail(e, -EPROTO, "AUTO was not granted again: %.700s", why.text);
}

static int ping(struct presses *p, struct errbuf *e)
{
	int64_t round_trip_ns = 0;
	int rc = pad_ping(&p->pad, &round_trip_ns, e);

	if (rc == 0)
		histogram_add(&p->ping, round_trip_ns);
	return rc;
}

static void show(const struct takeovers *t, bool last)
{
	bool terminal = isatty(2);

	if (terminal || last || (t->from_hold.pressed + t->from_auto.pressed) % 60 == 0)
		fprintf(stderr, "%s%" PRIu64 " take-overs from HOLD, %" PRIu64 " from AUTO%s", terminal ? "\r\033[K" : "", t->from_hold.pressed,
				t->from_auto.pressed, terminal && !last ? "" : "\n");
}

static int press_until(struct presses *p, int64_t until_ns, int64_t auto_from_ns, struct takeovers *t, struct errbuf *e)
{
	int rc = pause_for(p, NS_PER_S, e); /* until all are connected */

	while (rc >= 0 && clock_monotonic_ns() < until_ns) {
		bool automatic = clock_monotonic_ns() >= auto_from_ns;

		rc = automatic ? enter_auto(p, e) : 0;
		if (rc >= 0)
			rc = pause_for(p, random_below(p, RANDOM_NS), e);
		if (rc >= 0)
			rc = press(p, automatic ? &t->from_auto : &t->from_hold, automatic ? &p->automatic : &p->hold, e);
		if (rc >= 0)
			rc = ping(p, e);
		show(t, false);
	}
	show(t, true);
	return rc < 0 ? rc : 0;
}

static struct spread_us spread_of(const struct histogram *h)
{
	struct percentiles p = histogram_summary(h);

	return (struct spread_us){ (double)p.p50_ns / 1e3, (double)p.p99_ns / 1e3, (double)p.p999_ns / 1e3, (double)p.max_ns / 1e3 };
}

static void take_inside(const struct session *s, struct takeovers *t)
{
	for (uint32_t i = 0; i < s->status.n_stages; i++)
		if (strcmp(s->status.stage[i].name, "takeover") == 0)
			t->inside = s->status.stage[i];
}

int takeovers_measure(struct session *s, double seconds, struct takeovers *t, struct errbuf *e)
{
	struct presses *p = calloc(1, sizeof *p);
	int rc = p ? 0 : fail(e, -ENOMEM, "out of memory");

	*t = (struct takeovers){ .period_us = 1e6 / s->config.control_rate_hz };
	if (rc < 0 || (rc = pad_open(&p->pad, s, e)) < 0) {
		free(p);
		return rc;
	}
	int64_t now_ns = clock_monotonic_ns(), length_ns = (int64_t)(seconds * 1e9);

	p->s = s;
	p->random = (uint64_t)now_ns;
	rc = press_until(p, now_ns + length_ns, now_ns + length_ns / 3 * 2, t, e);
	pad_close(&p->pad);
	if (rc == 0 && (rc = session_step(s, 500, e)) == 1)
		rc = 0; /* a status with all of it */
	take_inside(s, t);
	t->from_hold.spread = spread_of(&p->hold);
	t->from_auto.spread = spread_of(&p->automatic);
	t->ping = spread_of(&p->ping);
	t->pings = histogram_summary(&p->ping).n;
	free(p);
	return rc;
}

/* ---- showing ----------------------------------------------------------------------------------------------------- */

/* A message meets any moment of the period and waits for the next tick; there and back it takes what a ping takes. */
static double predicted_p50_us(const struct takeovers *t)
{
	return t->period_us / 2 + t->ping.p50;
}

static double predicted_p99_us(const struct takeovers *t)
{
	return t->period_us + t->ping.p99;
}

static bool inside_reached(const struct takeovers *t)
{
	return t->inside.n > 0 && t->inside.p99_us <= t->period_us + INSIDE_SLACK_US;
}

static void print_kind(FILE *out, const char *what, const struct takeover_kind *k)
{
	spread_print(out, what, &k->spread);
	fprintf(out, "  %-34s %" PRIu64 ", %" PRIu64 " without effect\n", "", k->pressed, k->lost);
}

void takeovers_print(FILE *out, const struct takeovers *t)
{
	fprintf(out, "take-over: a dead-man's message sent, to the first target of the person received\n");
	fprintf(out, "  %-34s 0 to %.0f us (one control period), and two hops:\n", "the floor", t->period_us);
	spread_print(out, "ping there and back", &t->ping);
	fprintf(out, "  %-34s p50 %9.1f   p99 %9.1f us (half a period, a whole one, each with a ping)\n", "predicted",
			predicted_p50_us(t), predicted_p99_us(t));
	print_kind(out, "from HOLD", &t->from_hold);
	print_kind(out, "from AUTO, in motion", &t->from_auto);
	fprintf(out, "  %-34s p50 %9.1f   p99 %9.1f   max %9.1f us of %" PRIu64 "; aim: p99 <= %.0f us: %s\n",
			"inside: arrival to the wire", t->inside.p50_us, t->inside.p99_us, t->inside.max_us, t->inside.n,
			t->period_us + INSIDE_SLACK_US, inside_reached(t) ? "ok" : "MISSED");
}

static json_t *kind_json(const struct takeover_kind *k)
{
	return json_pack("{s:I, s:I, s:o}", "pressed", (json_int_t)k->pressed, "lost", (json_int_t)k->lost, "latency",
			spread_json(&k->spread));
}

json_t *takeovers_json(const struct takeovers *t)
{
	return json_pack("{s:f, s:o, s:o, s:o, s:f, s:f, s:{s:I, s:f, s:f, s:f, s:f, s:b}}", "period_us", t->period_us, "from_hold",
			kind_json(&t->from_hold), "from_auto", kind_json(&t->from_auto), "ping", spread_json(&t->ping), "predicted_p50_us",
			predicted_p50_us(t), "predicted_p99_us", predicted_p99_us(t), "inside", "n", (json_int_t)t->inside.n, "p50_us",
			t->inside.p50_us, "p99_us", t->inside.p99_us, "max_us", t->inside.max_us, "aim_p99_us", t->period_us + INSIDE_SLACK_US,
			"reached", inside_reached(t));
}
