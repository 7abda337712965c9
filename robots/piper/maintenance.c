/* maintenance.c - see maintenance.h. */
#include "robots/piper/maintenance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"

/* LOOK: 24 times the slowest feedback's period. ASK: real arms take 30 ms to answer. */
static const int64_t LOOK_NS = 600 * NS_PER_MS, LOOK_MAX_NS = 3 * NS_PER_S, ASK_NS = 100 * NS_PER_MS, SET_NS = 500 * NS_PER_MS,
	ACT_MAX_NS = 3 * NS_PER_S, RECENT_NS = 200 * NS_PER_MS, POWER_MAX_NS = 300 * NS_PER_S;
enum { CONTROL_IDS = 16, ROLE_SETS = 3, COLLISION_MAX = 8, SETUP_PERCENT = 100, SETUP_FRICTION = 1 }; /* the SDK's own 0x47D: 64 46 01 */
#define ERROR_BITS (0xFFu & ~(unsigned)PIPER_MOTOR_ENABLED)

/* ---- what is wished ------------------------------------------------------------------------------------------------------ */

static const struct { const char *text; struct piper_wish wish; } wishes[] = {
	{ "leader", { PIPER_MAKE_LEADER, 0 } },
	{ "follower", { PIPER_MAKE_FOLLOWER, 0 } },
	{ "gripper=70", { PIPER_SET_GRIPPER, 70 } },
	{ "gripper=100", { PIPER_SET_GRIPPER, 100 } },
	{ "clear-errors", { PIPER_CLEAR_ERRORS, 0 } },
};

int piper_wish_parse(struct piper_wish *out, const char *text, struct errbuf *e)
{
	static const char level[] = "collision=";

	for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
		if (strcmp(text, wishes[i].text) == 0) {
			*out = wishes[i].wish;
			return 0;
		}
	const char *digit = text + sizeof level - 1;

	if (strncmp(text, level, sizeof level - 1) != 0 || digit[0] < '0' || digit[0] > '0' + COLLISION_MAX || digit[1])
		return fail(e, -EINVAL, "--maintenance: found %.40s, want leader, follower, gripper=70, gripper=100, collision=LEVEL (0 off, 1 to 8) "
				"or clear-errors", text);
	*out = (struct piper_wish){ PIPER_SET_COLLISION, (uint8_t)(digit[0] - '0') };
	return 0;
}

void piper_maintenance_init(struct piper_maintenance *m, const struct piper_wish *wish, const struct piper_setup *setup, int64_t now_ns)
{
	*m = (struct piper_maintenance){ .wish = *wish, .arm = setup->arm, .address = setup->address, .phase_ns = now_ns,
		.dialect = { .feedback_base = setup->feedback_base, .control_base = setup->control_base } };
}

static void enter(struct piper_maintenance *m, enum piper_maintenance_phase phase, int64_t now_ns)
{
	m->phase = phase;
	m->phase_ns = now_ns;
	m->asked_ns = 0;
}

static void look_again(struct piper_maintenance *m, enum piper_maintenance_phase phase, int64_t now_ns)
{
	m->look = (struct piper_look){ 0 };
	enter(m, phase, now_ns);
}

/* ---- what is heard ------------------------------------------------------------------------------------------------------- */

static void take_firmware(struct piper_look *l, const struct piper_firmware *f)
{
	if (l->has_version || l->text_bytes + sizeof f->text > sizeof l->text)
		return;
	memcpy(l->text + l->text_bytes, f->text, sizeof f->text);
	l->text_bytes += (uint32_t)sizeof f->text;
	l->has_version = piper_version_find(l->text, l->text_bytes, &l->version);
}

static void take_status(struct piper_look *l, const struct piper_status *s, int64_t t_ns)
{
	l->status = *s;
	l->status_ns = t_ns;
}

static void take_motor(struct piper_look *l, uint32_t joint, uint8_t bits)
{
	l->motors |= (uint8_t)(1u << joint);
	l->bits[joint] = bits;
}

/* Control ids by the id alone: with another length, or as an MIT frame of other firmware, they may move an arm as well. */
static bool is_command(const struct piper_maintenance *m, const struct bus_frame *f, enum piper_kind k)
{
	return k == PIPER_ENABLE || k == PIPER_CPV || (f->flags == 0 && f->id - m->dialect.control_base < CONTROL_IDS);
}

/* What a leader says too, which may be one. */
static bool is_leaders(enum piper_kind k)
{
	return k == PIPER_MODE || k == PIPER_JOINT_TARGET || k == PIPER_GRIPPER_TARGET;
}

static bool take_command(struct piper_maintenance *m, const struct bus_event *ev, enum piper_kind k)
{
	if (!is_command(m, &ev->frame, k))
		return false;
	m->look.commanded = true;
	m->look.has_host = m->look.has_host || !is_leaders(k);
	if (k == PIPER_JOINT_TARGET)
		m->look.leads_ns = ev->t_ns;
	return true;
}

void piper_maintenance_take(struct piper_maintenance *m, const struct bus_event *ev)
{
	struct piper_look *l = &m->look;
	struct piper_message p;

	if (ev->error != BUS_ERROR_NONE)
		return;
	(void)!piper_get(&m->dialect, &ev->frame, &p); /* PIPER_NONE where it is none */
	if (take_command(m, ev, p.kind))
		return;
	switch (p.kind) {
	case PIPER_STATUS: take_status(l, &p.status, ev->t_ns); return;
	case PIPER_JOINT_ANGLES: l->angles_ns = ev->t_ns; return;
	case PIPER_MOTOR_SLOW: take_motor(l, p.index, p.slow.bits); return;
	case PIPER_FIRMWARE: take_firmware(l, &p.firmware); return;
	case PIPER_GRIPPER_SETUP: l->has_setup = true; l->setup = p.gripper_setup; return;
	case PIPER_COLLISION: l->has_levels = true; l->levels = p.levels; return;
	default: return;
	}
}

static bool recent(int64_t t_ns, int64_t now_ns)
{
	return t_ns != 0 && now_ns - t_ns <= RECENT_NS;
}

static bool is_role(const struct piper_maintenance *m)
{
	return m->wish.change == PIPER_MAKE_LEADER || m->wish.change == PIPER_MAKE_FOLLOWER;
}

static bool leads(const struct piper_maintenance *m, int64_t now_ns)
{
	return recent(m->look.leads_ns, now_ns) && !recent(m->look.angles_ns, now_ns);
}

static bool follows(const struct piper_maintenance *m, int64_t now_ns)
{
	return recent(m->look.angles_ns, now_ns) && !recent(m->look.leads_ns, now_ns);
}

static uint8_t joints_with(const struct piper_look *l, unsigned int bits)
{
	uint8_t joints = 0;

	for (int j = 0; j < PIPER_JOINTS; j++)
		if (l->bits[j] & bits)
			joints |= (uint8_t)(1u << j);
	return joints;
}

static bool has_errors(const struct piper_look *l)
{
	return joints_with(l, ERROR_BITS) || l->status.communication_error;
}

/* Whether it is so already. Roles: as it speaks. */
static bool is_so(const struct piper_maintenance *m, int64_t now_ns)
{
	const struct piper_look *l = &m->look;

	switch (m->wish.change) {
	case PIPER_MAKE_LEADER: return leads(m, now_ns);
	case PIPER_MAKE_FOLLOWER: return follows(m, now_ns);
	case PIPER_SET_GRIPPER: return l->has_setup && l->setup.range_mm == m->wish.value;
	case PIPER_CLEAR_ERRORS: return recent(l->status_ns, now_ns) && l->motors == 0x3F && !has_errors(l);
	default: break;
	}
	for (int j = 0; j < PIPER_JOINTS; j++)
		if (!l->has_levels || l->levels.level[j] != m->wish.value)
			return false;
	return true;
}

/* ---- what is said -------------------------------------------------------------------------------------------------------- */

static void put(struct piper_maintenance *m, struct piper_outbox *out, const struct piper_message *p)
{
	if (out->n < PIPER_OUTBOX_MAX && piper_put(&m->dialect, p, &out->frame[out->n]))
		out->n++;
}

static void ask_parameter(struct piper_maintenance *m, struct piper_outbox *out, enum piper_query query)
{
	put(m, out, &(struct piper_message){ .kind = PIPER_PARAMETER, .parameter = { .query = (uint8_t)query, .load = 3 } });
}

/* What is set now. */
static void ask_value(struct piper_maintenance *m, struct piper_outbox *out)
{
	if (m->wish.change == PIPER_SET_GRIPPER)
		ask_parameter(m, out, PIPER_QUERY_GRIPPER_SETUP);
	if (m->wish.change == PIPER_SET_COLLISION)
		ask_parameter(m, out, PIPER_QUERY_COLLISION);
}

static bool due(int64_t *last_ns, int64_t period_ns, int64_t now_ns)
{
	if (*last_ns != 0 && now_ns - *last_ns < period_ns)
		return false;
	*last_ns = now_ns;
	return true;
}

static void ask(struct piper_maintenance *m, struct piper_outbox *out, int64_t now_ns)
{
	struct piper_look *l = &m->look;

	if (!due(&m->asked_ns, ASK_NS, now_ns))
		return;
	if (!l->has_version) {
		l->text_bytes = 0;
		put(m, out, &(struct piper_message){ .kind = PIPER_FIRMWARE_QUERY });
	}
	ask_value(m, out);
}

/* What the arm's ids were moved by stays; 0x3A0 was seen, but cannot be asked for. */
static uint8_t offset(uint16_t base, uint16_t delivered)
{
	return (uint8_t)(base - delivered <= 0x20 ? base - delivered : 0);
}

static void set(struct piper_maintenance *m, struct piper_outbox *out)
{
	struct piper_message p = { .kind = PIPER_LINKAGE, .linkage = { .feedback_offset = offset(m->dialect.feedback_base, PIPER_FEEDBACK_BASE),
		.control_offset = offset(m->dialect.control_base, PIPER_CONTROL_BASE) } };
	const struct piper_gripper_setup *was = &m->look.setup;

	switch (m->wish.change) {
	case PIPER_MAKE_LEADER: p.linkage.role = PIPER_LINKAGE_LEADER; break;
	case PIPER_MAKE_FOLLOWER: p.linkage.role = PIPER_LINKAGE_FOLLOWER; break;
	case PIPER_SET_GRIPPER: /* the others as they are, or the SDK's where it never was set up */
		p = (struct piper_message){ .kind = PIPER_GRIPPER_SETUP_SET };
		p.gripper_setup = (struct piper_gripper_setup){ was->stroke_percent ? was->stroke_percent : SETUP_PERCENT, m->wish.value,
			was->friction ? was->friction : SETUP_FRICTION };
		break;
	case PIPER_SET_COLLISION:
		p = (struct piper_message){ .kind = PIPER_COLLISION_SET };
		memset(p.levels.level, m->wish.value, sizeof p.levels.level);
		break;
	default:
		p = (struct piper_message){ .kind = PIPER_JOINT_SET };
		p.joint_set = (struct piper_joint_set){ .joint = PIPER_ALL_JOINTS, .acceleration_raw = PIPER_KEEP, .clear_error = PIPER_CONFIRM };
		break;
	}
	m->sets++;
	put(m, out, &p);
}

/* ---- what is so, in words ------------------------------------------------------------------------------------------------- */

static void describe(const struct piper_maintenance *m, char *out, size_t capacity)
{
	const struct piper_look *l = &m->look;

	switch (m->wish.change) {
	case PIPER_SET_GRIPPER:
		snprintf(out, capacity, "gripper's stroke %u mm%s", l->setup.range_mm, l->setup.range_mm ? "" : " (never set)");
		return;
	case PIPER_SET_COLLISION:
		snprintf(out, capacity, "collision levels %u %u %u %u %u %u", l->levels.level[0], l->levels.level[1], l->levels.level[2],
				l->levels.level[3], l->levels.level[4], l->levels.level[5]);
		return;
	case PIPER_CLEAR_ERRORS:
		snprintf(out, capacity, "joints with errors 0x%02X, without communication 0x%02X (bit 0 is joint 1)", joints_with(l, ERROR_BITS),
				l->status.communication_error);
		return;
	default: /* it is the other one: what is so already is not asked about */
		snprintf(out, capacity, m->wish.change == PIPER_MAKE_LEADER ? "a follower" : "a leader");
		return;
	}
}

/* What yes would do. */
static void foretell(const struct piper_maintenance *m, char *out, size_t capacity)
{
	unsigned int value = m->wish.value;

	switch (m->wish.change) {
	case PIPER_MAKE_LEADER:
		snprintf(out, capacity, "It becomes a leader: it obeys no commands any more, and is moved by hand, from its next start on.");
		return;
	case PIPER_MAKE_FOLLOWER:
		snprintf(out, capacity, "It becomes a follower, an arm that obeys commands, from its next start on.");
		return;
	case PIPER_SET_GRIPPER:
		snprintf(out, capacity, "Its gripper's stroke becomes %u mm for good: that has to be the gripper that is mounted.", value);
		return;
	case PIPER_SET_COLLISION:
		snprintf(out, capacity, "The collision levels of all joints become %u for good%s.", value,
				value ? "" : ": NO PROTECTION, the arm stops for nothing and nobody");
		return;
	default:
		snprintf(out, capacity, "The errors of its joints are cleared. A joint may take hold, or let go: support the arm.");
		return;
	}
}

void piper_maintenance_question(const struct piper_maintenance *m, char *out, size_t capacity)
{
	const struct piper_version *v = &m->look.version;
	char is[96], becomes[160], version[32] = "unknown";

	describe(m, is, sizeof is);
	foretell(m, becomes, sizeof becomes);
	if (m->look.has_version)
		snprintf(version, sizeof version, "S-V%u.%u-%u", v->major, v->minor, v->patch);
	snprintf(out, capacity, "%s, the PiPER at %s: firmware %s, %s. %s", m->arm, m->address, version, is, becomes);
}

/* What comes after it. */
static const char *next(const struct piper_maintenance *m)
{
	switch (m->wish.change) {
	case PIPER_MAKE_LEADER: return "dreamvla-teleop --device piper-leader listens to it";
	case PIPER_MAKE_FOLLOWER: return "start dreamvla-arm, then dreamvlactl enable";
	case PIPER_SET_GRIPPER: return m->wish.value == 70 ? "robots[].gripper_max_m has to be 0.07; start dreamvla-arm" :
			"robots[].gripper_max_m has to be 0.1; start dreamvla-arm";
	case PIPER_SET_COLLISION: return "start dreamvla-arm";
	default: return "start dreamvla-arm, then dreamvlactl enable";
	}
}

static void finish(struct piper_maintenance *m, int64_t now_ns)
{
	char is[96];

	describe(m, is, sizeof is);
	if (is_role(m))
		snprintf(is, sizeof is, "a %s", m->wish.change == PIPER_MAKE_LEADER ? "leader" : "follower");
	(void)!fail(&m->text, 0, "%s, the PiPER at %s: %s%s; next: %s", m->arm, m->address, is,
			m->sets == 0 ? ", as it was: nothing was changed" : "", next(m));
	enter(m, PIPER_MAINTENANCE_DONE, now_ns);
}

/* ---- what keeps it from being done ----------------------------------------------------------------------------------------- */

static int refuse_silence(struct piper_maintenance *m)
{
	return fail(&m->text, -ENODATA, "%s: nothing is heard of the PiPER at %s: is it on, the cable plugged in, the bit rate 1 Mbit/s, are its ids "
			"those of robots[].piper.feedback_base and control_base?", m->arm, m->address);
}

/* 0: all that has to be known is known and allows it. -EAGAIN: not yet. */
static int check_who(struct piper_maintenance *m, bool late, int64_t now_ns)
{
	bool leader = leads(m, now_ns);

	if (!leader && !recent(m->look.angles_ns, now_ns))
		return late ? refuse_silence(m) : -EAGAIN;
	if (leader ? m->look.has_host : m->look.commanded)
		return fail(&m->text, -EBUSY, "%s: somebody commands the PiPER at %s, a program or a leader on the same bus: end it (systemctl stop "
				"dreamvla-arm@%s, or switch the leader off), the arm has to be alone", m->arm, m->address, m->arm);
	if (leader && !is_role(m))
		return fail(&m->text, -EINVAL, "%s: the PiPER at %s is a leader, which obeys nobody: --maintenance follower first, then switch it off and "
				"on", m->arm, m->address);
	return 0;
}

static int check_firmware(struct piper_maintenance *m, bool late)
{
	const struct piper_look *l = &m->look;

	if (!l->has_version)
		return late ? fail(&m->text, -ENODATA, "%s: the PiPER at %s does not say its firmware (0x4AF)", m->arm, m->address) : -EAGAIN;
	if (!piper_version_at_least(&l->version, 1, 5, 2))
		return fail(&m->text, -EINVAL, "%s: firmware S-V%u.%u-%u speaks another protocol: want S-V1.5-2 or newer, see AgileX's updates", m->arm,
				l->version.major, l->version.minor, l->version.patch);
	return 0;
}

/* Motors that are on hold the arm up. What is set may be made to count, and the power cut, only where nothing falls; and no protection is
 * taken from an arm that may move. */
static int check_motors(struct piper_maintenance *m, bool late)
{
	const struct piper_look *l = &m->look;

	if (m->wish.change == PIPER_SET_COLLISION && m->wish.value > 0)
		return 0;
	if (l->motors != 0x3F && m->wish.change != PIPER_CLEAR_ERRORS)
		return late ? fail(&m->text, -ENODATA, "%s: not all motors of the PiPER at %s are heard (0x261 to 0x266): heard of 0x%02X, bit 0 is joint 1",
				m->arm, m->address, l->motors) : -EAGAIN;
	if (m->wish.change != PIPER_CLEAR_ERRORS && joints_with(l, PIPER_MOTOR_ENABLED))
		return fail(&m->text, -EBUSY, "%s: its motors are on: hold the arm, dreamvlactl disable %s, then again", m->arm, m->arm);
	return 0;
}

static int check_value(struct piper_maintenance *m, bool late)
{
	const struct piper_look *l = &m->look;
	bool known = m->wish.change == PIPER_SET_GRIPPER ? l->has_setup : m->wish.change == PIPER_SET_COLLISION ? l->has_levels : true;

	if (known)
		return 0;
	return late ? fail(&m->text, -ENODATA, "%s: the PiPER at %s does not say what is set now (0x477)", m->arm, m->address) : -EAGAIN;
}

/* Nobody knows what a leader says of its firmware and motors: it holds nothing up. */
static int check(struct piper_maintenance *m, int64_t now_ns)
{
	bool late = now_ns - m->phase_ns >= LOOK_MAX_NS;
	int rc = now_ns - m->phase_ns < LOOK_NS ? -EAGAIN : check_who(m, late, now_ns);

	if (rc < 0 || leads(m, now_ns))
		return rc;
	if ((rc = check_firmware(m, late)) < 0 || (rc = check_motors(m, late)) < 0)
		return rc;
	return check_value(m, late);
}

/* ---- going on ------------------------------------------------------------------------------------------------------------- */

static void step_look(struct piper_maintenance *m, int64_t now_ns, struct piper_outbox *out)
{
	int rc = check(m, now_ns);

	if (rc == -EAGAIN) {
		ask(m, out, now_ns);
		return;
	}
	if (rc < 0)
		enter(m, PIPER_MAINTENANCE_FAILED, now_ns);
	else if (is_so(m, now_ns))
		finish(m, now_ns);
	else
		enter(m, m->phase == PIPER_MAINTENANCE_LOOKS ? PIPER_MAINTENANCE_WANTS_YES : PIPER_MAINTENANCE_ACTS, now_ns);
}

/* A value that is read counts only if it was read after it was set. */
static void send_set(struct piper_maintenance *m, struct piper_outbox *out)
{
	set(m, out);
	m->look.has_levels = m->look.has_setup = false;
	if (m->wish.change == PIPER_CLEAR_ERRORS)
		m->look.motors = 0;
}

static void step_act(struct piper_maintenance *m, int64_t now_ns, struct piper_outbox *out)
{
	if (m->sets > 0 && is_so(m, now_ns)) {
		finish(m, now_ns);
		return;
	}
	if (now_ns - m->phase_ns >= ACT_MAX_NS) {
		(void)!fail(&m->text, -EIO, "%s: the PiPER at %s does not say that it is so, after %u times; try again, or switch it off and on", m->arm,
				m->address, m->sets);
		enter(m, PIPER_MAINTENANCE_FAILED, now_ns);
		return;
	}
	if (due(&m->set_ns, SET_NS, now_ns))
		send_set(m, out);
	else if (due(&m->asked_ns, ASK_NS, now_ns))
		ask_value(m, out);
}

static void step_wait(struct piper_maintenance *m, int64_t now_ns, struct piper_outbox *out)
{
	if (m->sets < ROLE_SETS && due(&m->set_ns, ASK_NS, now_ns))
		set(m, out);
	if (is_so(m, now_ns)) {
		finish(m, now_ns);
	} else if (now_ns - m->phase_ns >= POWER_MAX_NS) {
		(void)!fail(&m->text, -ETIMEDOUT, "%s: the PiPER at %s was told, but does not speak as a %s yet: switch it off and on", m->arm, m->address,
				m->wish.change == PIPER_MAKE_LEADER ? "leader" : "follower");
		enter(m, PIPER_MAINTENANCE_FAILED, now_ns);
	}
}

bool piper_maintenance_told(const struct piper_maintenance *m)
{
	return m->phase == PIPER_MAINTENANCE_WAITS && m->sets >= ROLE_SETS;
}

void piper_maintenance_step(struct piper_maintenance *m, int64_t now_ns, struct piper_outbox *out)
{
	out->n = 0;
	if (m->phase == PIPER_MAINTENANCE_LOOKS || m->phase == PIPER_MAINTENANCE_LOOKS_AGAIN)
		step_look(m, now_ns, out);
	if (m->phase == PIPER_MAINTENANCE_ACTS && is_role(m))
		enter(m, PIPER_MAINTENANCE_WAITS, now_ns);
	if (m->phase == PIPER_MAINTENANCE_ACTS)
		step_act(m, now_ns, out);
	else if (m->phase == PIPER_MAINTENANCE_WAITS)
		step_wait(m, now_ns, out);
}

void piper_maintenance_yes(struct piper_maintenance *m, int64_t now_ns)
{
	if (m->phase == PIPER_MAINTENANCE_WANTS_YES)
		look_again(m, PIPER_MAINTENANCE_LOOKS_AGAIN, now_ns);
}
