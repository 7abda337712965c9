/* io_teleop.c - teleop/<device>: people's devices, each in a slot whose number is its priority; edges of their dead-men are counted
 * here, so that control misses none between two of its ticks. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/sys/clock.h"
#include "transport/stamp.h"

/* A device that nobody listed keeps its slot so long after its last message. */
#define SLOT_KEPT_NS (5 * NS_PER_S)

_Static_assert((int)CONFIG_DEVICES_MAX == (int)TELEOP_DEVICES_MAX, "a slot for every device of the list");

void io_teleop_init(struct io *io)
{
	const struct config_names *list = &io->config->teleop_devices;

	for (uint32_t i = 0; i < list->n && i < TELEOP_DEVICES_MAX; i++)
		snprintf(io->teleop[i].name, sizeof io->teleop[i].name, "%s", list->name[i]);
}

static bool is_free(const struct io *io, uint32_t i)
{
	bool drives = io->report.mode == MODE_TELEOP && io->report.device == i;

	return !io->teleop[i].name[0] || (!drives && io->now_ns - io->inputs.teleop[i].arrival_ns > SLOT_KEPT_NS);
}

/* Counts of edges and releases go on, or control would take an old number for a new edge. */
static void give_slot(struct io *io, uint32_t i, const char *name)
{
	struct teleop_input *in = &io->inputs.teleop[i];

	io->teleop[i] = (struct io_teleop){ 0 };
	snprintf(io->teleop[i].name, sizeof io->teleop[i].name, "%s", name);
	*in = (struct teleop_input){ .edges = in->edges, .releases = in->releases };
}

static int slot_of(const struct io *io, const char *name)
{
	for (int i = 0; i < TELEOP_DEVICES_MAX; i++)
		if (strcmp(io->teleop[i].name, name) == 0)
			return i;
	return -ENOENT;
}

bool io_teleop_knows(const struct io *io, const char *name)
{
	return slot_of(io, name) >= 0;
}

static int find_device(struct io *io, const char *name, struct errbuf *e)
{
	int slot = slot_of(io, name);

	if (slot >= 0)
		return slot;
	if (io->config->teleop_devices.n > 0)
		return fail(e, -EBADMSG, "topic: is none of teleop.devices");
	for (uint32_t i = 0; i < TELEOP_DEVICES_MAX; i++) {
		if (!is_free(io, i))
			continue;
		give_slot(io, i, name);
		return (int)i;
	}
	return fail(e, -EBADMSG, "topic: %d devices are in use already, list those that count under teleop.devices", TELEOP_DEVICES_MAX);
}

static int find_arm(const struct io *io, const char *name, struct errbuf *e)
{
	for (uint32_t i = 0; i < io->setup->n_arms; i++)
		if (strcmp(name, io->setup->arm[i].name) == 0)
			return (int)i;
	if (!name[0] && io->setup->n_arms == 1)
		return 0;
	if (!name[0])
		return fail(e, -EBADMSG, "arm: missing, want one of robots[].name, as there are several");
	return fail(e, -EBADMSG, "arm: '%s' is none of robots[].name", name);
}

/* -> the arm's index; what concerns the whole message. */
static int check(struct io *io, struct message_teleop *t, struct errbuf *e)
{
	int64_t timeout_ns = io->config->teleop_timeout_ms * NS_PER_MS;
	int arm = find_arm(io, t->arm, e);
	int rc;

	if (arm < 0)
		return arm;
	if (t->kind == TELEOP_JOINT && t->n_values != io->setup->arm[arm].model.dof)
		return fail(e, -EBADMSG, "values: found %u joints, want %u (model %s)", t->n_values, io->setup->arm[arm].model.dof,
				io->setup->arm[arm].model.name);
	if ((rc = stamp_to_monotonic(t->head.stamp_ns, io->now_ns, io->clock_offset_ns, &t->head.stamp_ns, e)) < 0)
		return rc;
	if (io->now_ns - t->head.stamp_ns > timeout_ns)
		return fail(e, -EBADMSG, "stamp_ns: is %" PRId64 " ms old, want at most teleop.timeout_ms, %d",
				(io->now_ns - t->head.stamp_ns) / NS_PER_MS, (int)io->config->teleop_timeout_ms);
	return arm;
}

/* An edge needs a message without dead-man before it, from the same publisher and without a silence in between: whoever presses while
 * nobody hears it has not taken over when the link comes back. */
static void keep(struct io *io, uint32_t device, uint32_t arm, const struct message_teleop *t)
{
	struct teleop_input *in = &io->inputs.teleop[device], old = *in;
	struct io_teleop *d = &io->teleop[device];
	bool heard = old.from == t->head.from && io->now_ns - old.arrival_ns <= io->setup->teleop_timeout_ns;

	d->armed = !t->deadman || (d->armed && heard);
	*in = (struct teleop_input){ .present = true, .from = t->head.from, .stamp_ns = t->head.stamp_ns, .arrival_ns = io->now_ns,
		.arm = arm, .deadman = t->deadman, .kind = t->kind, .frame = t->frame, .has_gripper = t->has_gripper, .gripper_m = t->gripper_m,
		.edges = old.edges + (t->deadman && d->armed), .edge_ns = t->deadman && d->armed ? io->now_ns : old.edge_ns, .releases = old.releases + (old.deadman && !t->deadman) };
	memcpy(in->value, t->value, sizeof in->value);
	d->armed = d->armed && !t->deadman;
	io->inputs_changed = true;
	io->counters.teleop++;
}

int io_teleop_take(struct io *io, const char *name, const struct endpoint_message *m, struct errbuf *e)
{
	struct message_teleop t;
	int rc, arm, device;

	if (m->n_parts != 2)
		return fail(e, -EBADMSG, "parts: found %u, want 2: topic, map", m->n_parts);
	if ((rc = message_teleop_decode(&t, m->part[1], m->bytes[1], e)) < 0)
		return rc;
	if ((arm = check(io, &t, e)) < 0)
		return arm;
	if ((device = find_device(io, name, e)) < 0)
		return device;
	if (io_sequence_take(io, &io->teleop[device].source.sequence, "teleop", name, t.head.from, t.head.seq)) {
		keep(io, (uint32_t)device, (uint32_t)arm, &t);
		io_record_received(io, RECORD_MESSAGE, "teleop", name, t.head.stamp_ns, m);
	}
	return 0;
}
