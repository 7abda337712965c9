#include "robots/arm/arm_text.h"

#include <stdio.h>
#include <string.h>

static const struct {
	enum limit bit;
	const char *name, *unit;
} LIMITS[] = {
	{ LIMIT_POSITION, "joint position", "rad" }, { LIMIT_VELOCITY, "joint velocity", "rad/s" },
	{ LIMIT_ACCELERATION, "joint acceleration", "rad/s^2" }, { LIMIT_JERK, "joint jerk", "rad/s^3" },
	{ LIMIT_TCP_SPEED, "TCP speed", "m/s" }, { LIMIT_WORKSPACE, "workspace", "m" }, { LIMIT_FLOOR, "floor", "m" },
	{ LIMIT_JOINT, "more and more ahead of what limits allow", "rad" },
	{ LIMIT_TCP_TURN, "angular speed of the TCP", "rad/s" }, { LIMIT_TCP_ACCELERATION, "TCP acceleration", "m/s^2" },
	{ LIMIT_TCP_TURN_ACCELERATION, "angular acceleration of the TCP", "rad/s^2" },
	{ LIMIT_TCP_AHEAD, "TCP more and more ahead of what limits allow", "m or rad" },
	{ LIMIT_REACH, "inverse kinematics misses the pose from here, by", "m" },
	{ LIMIT_NOT_FINITE, "not a number, or time that does not advance", "" },
};

enum { NOT_OF_A_JOINT = LIMIT_TCP_SPEED | LIMIT_WORKSPACE | LIMIT_FLOOR | LIMIT_TCP_TURN | LIMIT_TCP_ACCELERATION |
	LIMIT_TCP_TURN_ACCELERATION | LIMIT_TCP_AHEAD | LIMIT_REACH };

static void limit_text(const struct arm_refusal *r, char *out, size_t capacity)
{
	size_t n = (size_t)snprintf(out, capacity, "the target breaks limits of this arm:");
	const char *unit = "";

	for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++) {
		if (!(r->limits & LIMITS[i].bit) || n >= capacity)
			continue;
		n += (size_t)snprintf(out + n, capacity - n, " %s,", LIMITS[i].name);
		if (LIMITS[i].bit == r->worst)
			unit = LIMITS[i].unit;
	}
	if (n < capacity && r->worst & NOT_OF_A_JOINT)
		snprintf(out + n, capacity - n, " %.4g %s, limit %.4g", r->value, unit, r->limit);
	else if (n < capacity && r->value > 0)
		snprintf(out + n, capacity - n, " worst at joint %u: %.4g %s, limit %.4g", r->joint + 1, r->value, unit, r->limit);
	else if (n < capacity && n > 0)
		out[n - 1] = '\0'; /* the comma */
}

void arm_refusal_text(const struct arm_refusal *r, char *out, size_t capacity)
{
	static const char *const TEXT[REFUSAL_COUNT] = {
		[REFUSAL_NONE] = "",
		[REFUSAL_STOPPED] = "the arm's stop is latched: `dreamvlactl reset` clears it",
		[REFUSAL_BRAKING] = "the arm is braking: wait until it stands, then start from its q_d",
		[REFUSAL_KIND] = "joint and pose targets within one motion: robots[].output changes only while the arm stands",
		[REFUSAL_DUE] = "a first target must be due in the future, the next ones at most 100 ms after each other",
		[REFUSAL_GRIPPER] = "gripper_m is outside 0..gripper_max_m",
		[REFUSAL_BEYOND] = "the way to the target breaks the arm's own velocity or acceleration limits, or leaves it no room to brake before a "
				    "joint's limit",
		[REFUSAL_FULL] = "too many targets are waiting to be played out",
		[REFUSAL_NOT_ENGAGED] = "the arm's motion has not begun yet: hold at q_d until it has; if it does not begin, errors and the log say why",
	};

	static const char *const UNIT[] = { "m", "rad", "m/s", "rad/s" };

	if (r->why == REFUSAL_LIMIT)
		limit_text(r, out, capacity);
	else if (r->why == REFUSAL_START_POSE)
		snprintf(out, capacity, "a first pose must lie within 5 mm and 0.02 rad of the pose of q_d, with less than 0.02 m/s and "
				"0.02 rad/s: it has %.4g %s, limit %.4g", r->value, UNIT[r->joint % 4], r->limit);
	else if (r->why == REFUSAL_START)
		snprintf(out, capacity, "a first target must lie within 0.02 rad of q_d with less than 0.02 rad/s: joint %u has %.4g, "
				"limit %.4g", r->joint + 1, r->value, r->limit);
	else
		snprintf(out, capacity, "%s", TEXT[r->why]);
}

void arm_loss_text(const struct arm_loss *l, char *out, size_t capacity)
{
	static const char *const TEXT[LOSS_COUNT] = {
		[LOSS_NONE] = "",
		[LOSS_DETACHED] = "it detached",
		[LOSS_TAKEN_OVER] = "another one took over",
		[LOSS_SILENCE] = "500 ms without valid targets",
		[LOSS_DISABLED] = "the arm was disabled",
		[LOSS_DISCONNECTED] = "the driver lost the arm",
		[LOSS_RESTARTED] = "the arm, or what it runs on, restarted",
		[LOSS_MODE] = "the arm takes no targets any more, it is",
		[LOSS_SHUTDOWN] = "dreamvla-arm is ending",
	};

	snprintf(out, capacity, "%s%s%s", TEXT[l->why], l->why == LOSS_MODE ? " " : "", l->why == LOSS_MODE ? arm_mode_name(l->mode) : "");
}

static void add_error(struct arm_words *w, const char *name)
{
	if (name && name[0] && w->n_errors < MESSAGE_ERRORS_MAX)
		snprintf(w->error[w->n_errors++], sizeof w->error[0], "%s", name);
}

static const struct robot_trouble *trouble_of(uint32_t trouble, const struct robot_driver *driver)
{
	return trouble && driver->trouble ? driver->trouble(trouble) : NULL;
}

void arm_words_text(const struct arm_report *r, const struct robot_driver *driver, struct arm_words *out)
{
	static const struct robot_trouble held_off = { "disabled", "this arm was disabled here, and its motors are on all the same: "
			"`dreamvlactl disable` again switches them off, `dreamvlactl enable` takes it as it is" };
	const struct robot_trouble *t = r->held_off ? &held_off : trouble_of(r->trouble, driver);

	*out = (struct arm_words){ 0 };
	for (uint32_t bit = 0; bit < 64 && driver->error_name; bit++)
		/* The last place is kept for the trouble. */
		if (r->errors >> bit & 1 && out->n_errors + 1 < MESSAGE_ERRORS_MAX)
			add_error(out, driver->error_name(bit));
	if (!t)
		return;
	if (r->mode != ARM_READY && r->mode != ARM_MOVING && !t->expected)
		add_error(out, t->name);
	snprintf(out->trouble, sizeof out->trouble, "%s", t->name);
	snprintf(out->remedy, sizeof out->remedy, "%s", t->remedy);
}

void arm_reply_text(const struct arm_answer *a, const struct robot_driver *driver, struct arm_reply_text *out)
{
	static const struct {
		const char *error, *hint;
	} TEXT[ARM_REPLY_COUNT] = {
		[ARM_REPLY_OK] = { "", "" },
		[ARM_REPLY_STOPPED] = { "stopped", "its stop is latched: `dreamvlactl reset` clears it (attach with clear_stop)" },
		[ARM_REPLY_TAKEN] = { "another one drives this arm", "wait until it detaches, or ask with takeover" },
		[ARM_REPLY_NOT_READY] = { "the arm takes no targets", "see its mode; enable or recover it, or start what it runs on" },
		[ARM_REPLY_NOT_ATTACHED] = { "this `from` is not attached", "" },
		[ARM_REPLY_MOVING] = { "the arm moves", "stop it first" },
		[ARM_REPLY_CONFIRM] = { "this arm has no brakes and would drop", "hold it, then ask with confirm: true" },
		[ARM_REPLY_NO_ERROR] = { "there is nothing to recover from", "" },
		[ARM_REPLY_NO_RECOVERY] = { "this arm has no error recovery", "mend it at the arm itself" },
		[ARM_REPLY_NO_HOMING] = { "this arm's gripper needs no homing", "" },
		[ARM_REPLY_NOT_NOW] = { "the arm does not do that now", "see errors in `dreamvlactl status`; `dreamvlactl recover` ends an emergency stop" },
		[ARM_REPLY_NO_EMERGENCY_STOP] = { "this arm has no emergency stop but its own button", "it was told to stop and hold, which is latched: press the button if anything moves" },
		[ARM_REPLY_NOT_REACHED] = { "the arm is not reached, so nobody knows that it stops", "use its own switch; it is stopped if it comes back within 10 s" },
		[ARM_REPLY_NO_GRIPPER] = { "the gripper is not there", "see errors in `dreamvlactl status` and the log of dreamvla-arm" },
	};

	const struct robot_trouble *t = a->reply == ARM_REPLY_NOT_NOW ? trouble_of(a->trouble, driver) : NULL;

	if (a->reply == ARM_REPLY_NOT_READY || a->reply == ARM_REPLY_NOT_NOW)
		snprintf(out->error, sizeof out->error, "%s: it is %s%s%s%s", TEXT[a->reply].error, arm_mode_name(a->mode), t ? " (" : "",
				t ? t->name : "", t ? ")" : "");
	else if (a->reply == ARM_REPLY_TAKEN)
		snprintf(out->error, sizeof out->error, "%s: %016llx", TEXT[a->reply].error, (unsigned long long)a->accepted_from);
	else
		snprintf(out->error, sizeof out->error, "%s", TEXT[a->reply].error);
	out->hint = t ? t->remedy : TEXT[a->reply].hint;
}
