/* soak.c - a monkey: scenarios of random faults, written as files so that one that fails can be run, drawn and shortened.
 *
 * Nothing is expected of modes: only that no limit is broken, no chunk of before a hand-over is executed, and that an operator who
 * puts everything right again gets the arm back into AUTO at the end. */
#include <stdarg.h>
#include <string.h>

#include "tests/scenario/scenario.h"

enum { KINDS = 30 };

struct monkey {
	FILE *out;
	uint64_t random;
	double t_s;
	uint32_t arms;
	const char *model;
	bool realtime;
};

/* SplitMix64 again: the stand's own generator belongs to the run. */
static uint64_t next(struct monkey *m)
{
	uint64_t z = (m->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint32_t pick(struct monkey *m, uint32_t n)
{
	return (uint32_t)(next(m) % n);
}

static double between(struct monkey *m, double low, double high)
{
	return low + (high - low) * (double)(next(m) >> 11) * 0x1p-53;
}

static const char *one_of(struct monkey *m, const char *const *word, uint32_t n)
{
	return word[pick(m, n)];
}

static const char *arm(struct monkey *m)
{
	static const char *const name[] = { "left", "right" };

	return name[pick(m, m->arms)];
}

static const char *device(struct monkey *m)
{
	static const char *const name[] = { "main", "other", "leader" };

	return one_of(m, name, 3);
}

PRINTF_LIKE(2, 3) static void say(struct monkey *m, const char *format, ...)
{
	va_list args;

	fprintf(m->out, "at %.3f s ", m->t_s);
	va_start(args, format);
	vfprintf(m->out, format, args);
	va_end(args);
	fputc('\n', m->out);
}

/* A fault, and a moment later its end. */
PRINTF_LIKE(3, 4) static void say_later(struct monkey *m, double after_s, const char *format, ...)
{
	va_list args;

	m->t_s += after_s;
	fprintf(m->out, "at %.3f s ", m->t_s);
	va_start(args, format);
	vfprintf(m->out, format, args);
	va_end(args);
	fputc('\n', m->out);
}

static void put_setup(struct monkey *m, uint64_t seed)
{
	static const char *const models[] = { "panda", "panda", "fr3", "fr3_5.9", "piper" };
	static const char *const rates[] = { "50", "200", "200", "500", "1000" };
	static const char *const spaces[] = { "ee_delta", "ee_delta", "ee_absolute", "joint_absolute", "joint_delta" };
	static const char *const methods[] = { "async", "async", "sync", "inpaint" };

	const char *method = one_of(m, methods, 4);

	m->model = one_of(m, models, 5);
	m->arms = 1 + (pick(m, 3) == 0);
	m->realtime = pick(m, 3) == 0;
	fprintf(m->out, "title random faults, seed %llu\nseed %llu\narm left %s\n", (unsigned long long)seed, (unsigned long long)seed, m->model);
	if (m->arms > 1)
		fprintf(m->out, "arm right %s\n", m->model);
	fputs("camera top\ncamera wrist\ndevice main\ndevice other\ndevice leader\n", m->out);
	fputs("motion wave circle 0.06 5\nmotion reach line 0.03 -0.12 -0.08 0.15\nmotion sway joints 0.2 5\nmotion rest still\n", m->out);
	fprintf(m->out, "set control.rate_hz %s\nset policy.action_space %s\nset execution.method %s\n", one_of(m, rates, 5), one_of(m, spaces, m->arms > 1 ? 3 : 5),
			method);
	fprintf(m->out, "set teleop.resume %s\nset policy.action_hz %u\n", pick(m, 2) ? "auto" : "hold", 5 + pick(m, 16));
	fprintf(m->out, "set robots.left.playout_ms %u\nset robots.left.limit_scale %.2f\n", 40 + 20 * pick(m, 3), between(m, 0.2, 1.0));
	if (strcmp(method, "inpaint") == 0)
		fputs("set policy.decoder discrete_diffusion\n", m->out);
	if (m->realtime)
		fputs("set clock realtime\n", m->out);
	fputs("limit tcp_speed 0.25 in TELEOP\nlimit stop 4000\n", m->out);
}

static void trouble_with_inputs(struct monkey *m, uint32_t kind)
{
	static const char *const cameras[] = { "top", "wrist" };
	const char *camera = one_of(m, cameras, 2);

	switch (kind) {
	case 0:
		say(m, "camera %s freeze", camera);
		say_later(m, between(m, 0.1, 1.0), "camera %s thaw", camera);
		break;
	case 1:
		say(m, "camera %s off", camera);
		say_later(m, between(m, 0.05, 0.6), "camera %s on", camera);
		break;
	case 2:
		say(m, "camera %s late %.0f", camera, between(m, 0.0, 300.0));
		say_later(m, between(m, 0.1, 1.0), "camera %s late 20", camera);
		break;
	case 3: say(m, "camera %s restart", camera); break;
	case 4:
		say(m, "wire state/%s cut", arm(m));
		say_later(m, between(m, 0.01, 0.3), "wire state/ mended");
		fprintf(m->out, "at %.3f s wire state/left mended\n", m->t_s);
		if (m->arms > 1)
			fprintf(m->out, "at %.3f s wire state/right mended\n", m->t_s);
		break;
	default:
		say(m, "wire state/left delay %.0f %.0f", between(m, 0.0, 20.0), between(m, 0.0, 30.0));
		say_later(m, between(m, 0.1, 2.0), "wire state/left delay 0 0");
		break;
	}
}

static void trouble_with_policy(struct monkey *m, uint32_t kind)
{
	static const char *const wrong[] = { "nan", "lost", "refuses" };
	static const char *const motions[] = { "wave", "reach", "sway", "rest" };

	switch (kind) {
	case 0: say(m, "policy hangs %.0f", between(m, 50.0, 2500.0)); break;
	case 1: say(m, "policy %s %u", one_of(m, wrong, 3), 1 + pick(m, 12)); break;
	case 2: say(m, "policy latency %.0f", between(m, 20.0, 400.0)); break;
	case 3: say(m, "policy jitter %.0f", between(m, 0.0, 200.0)); break;
	case 4: say(m, "policy noise %.4f", between(m, 0.0, 0.01)); break;
	default: say(m, "instruction %s", one_of(m, motions, 4)); break;
	}
}

static void trouble_with_people(struct monkey *m, uint32_t kind)
{
	static const char *const switches[] = { "talk", "silent", "restart", "doubled", "single" };
	const char *who = device(m);

	switch (kind) {
	case 0:
		say(m, "teleop %s release", who);
		say_later(m, 0.06, "teleop %s press", who);
		break;
	case 1: say(m, "teleop %s release", who); break;
	case 2:
		say(m, "teleop %s twist %.3f %.3f %.3f %.3f %.3f %.3f", who, between(m, -0.4, 0.4), between(m, -0.4, 0.4), between(m, -0.4, 0.4),
				between(m, -1.0, 1.0), between(m, -1.0, 1.0), between(m, -1.0, 1.0));
		break;
	case 3: say(m, "teleop %s leads %.3f", who, between(m, -0.9, 0.9)); break;
	case 4: say(m, "teleop %s %s", who, one_of(m, switches, 5)); break;
	default: say(m, "teleop %s arm %s", who, arm(m)); break;
	}
}

static void trouble_with_arms(struct monkey *m, uint32_t kind)
{
	static const char *const modes[] = { "reflex", "guiding", "user_stopped", "estop", "idle" };
	const char *who = arm(m);

	switch (kind) {
	case 0:
		say(m, "arm %s guided %.2f", who, between(m, -0.3, 0.3));
		say(m, "arm %s %s", who, one_of(m, modes, 5));
		say_later(m, between(m, 0.1, 1.5), "arm %s ready", who);
		break;
	case 1: say(m, "arm %s killed %.0f", who, between(m, 5.0, 1500.0)); break;
	case 2: say(m, "arm %s stop", who); break;
	case 3:
		say(m, "wire target/left %s %.3f", pick(m, 2) ? "lose" : "duplicate", between(m, 0.0, 0.3));
		say_later(m, between(m, 0.2, 2.0), "wire target/left lose 0");
		say(m, "wire target/left duplicate 0");
		break;
	case 4:
		say(m, "wire target/left delay %.0f %.0f", between(m, 0.0, 20.0), between(m, 0.0, 40.0));
		say_later(m, between(m, 0.2, 2.0), "wire target/left delay 0 0");
		break;
	default:
		say(m, "arm %s measures %.3f", who, between(m, -0.15, 0.15));
		say_later(m, between(m, 0.01, 0.5), "arm %s measures 0", who);
		break;
	}
}

static void trouble_with_machines(struct monkey *m, uint32_t kind)
{
	static const char *const threads[] = { "control", "io", "arms", "machine" };
	static const char *const requests[] = { "stop", "home", "reset", "mode hold", "mode shadow", "status" };

	switch (kind) {
	case 0: say(m, "stall %s %.0f", one_of(m, threads, 4), between(m, 1.0, 150.0)); break;
	case 1: say(m, "%s", one_of(m, requests, 6)); break;
	case 2: say(m, "speed %.2f", between(m, 0.05, 1.0)); break;
	case 3: say(m, "jog %.4f %.4f %.4f", between(m, -0.005, 0.005), between(m, -0.005, 0.005), between(m, -0.005, 0.005)); break;
	default:
		if (m->realtime)
			say(m, "clock jumps %.0f", between(m, -50.0, 50.0));
		break;
	}
}

/* An operator who wants it to go on. */
static void put_right(struct monkey *m)
{
	for (uint32_t i = 0; i < 3; i++) {
		static const char *const name[] = { "main", "other", "leader" };

		say(m, "teleop %s release", name[i]);
	}
	say(m, "reset");
	say_later(m, 1.2, "mode auto");
}

static void put_end(struct monkey *m)
{
	static const char *const name[] = { "main", "other", "leader" };

	m->t_s += 1.0;
	for (uint32_t i = 0; i < 3; i++)
		say(m, "teleop %s clean", name[i]);
	say(m, "policy nan 0");
	say(m, "policy lost 0");
	say(m, "policy refuses 0");
	say(m, "instruction rest");
	say(m, "speed 1");
	put_right(m);
	say_later(m, 3.0, "reset");
	say_later(m, 6.0, "home"); /* refused in AUTO; from HOLD it leads out of what a hand or the edge has done */
	say_later(m, 12.0, "mode auto");
	fprintf(m->out, "by %.3f s expect mode AUTO\nend %.3f s\n", m->t_s + 2.0, m->t_s + 2.5);
}

void soak_write(FILE *out, uint64_t seed, double seconds)
{
	struct monkey m = { .out = out, .random = seed * 1000003u, .t_s = 0.5 };

	put_setup(&m, seed);
	say(&m, "instruction wave");
	for (uint32_t i = 0; i < 3; i++)
		say(&m, "teleop %s arm left", (const char *[]){ "main", "other", "leader" }[i]);
	say_later(&m, 2.0, "mode auto");
	while (m.t_s < seconds - 30.0) {
		uint32_t group = pick(&m, KINDS);

		m.t_s += between(&m, 0.02, 1.5);
		if (group < 5)
			trouble_with_inputs(&m, pick(&m, 6));
		else if (group < 10)
			trouble_with_policy(&m, pick(&m, 6));
		else if (group < 16)
			trouble_with_people(&m, pick(&m, 6));
		else if (group < 19)
			trouble_with_arms(&m, pick(&m, 6));
		else if (group < 22)
			trouble_with_machines(&m, pick(&m, 5));
		else
			put_right(&m);
	}
	put_end(&m);
}
