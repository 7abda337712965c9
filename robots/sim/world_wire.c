#include "robots/sim/world_wire.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#define COMMAND_MAGIC UINT64_C(0x31304d4f43575644) /* "DVWCOM01" */
#define STATE_MAGIC UINT64_C(0x3130415453575644)   /* "DVWSTA01" */

static uint8_t *put_word(uint8_t *at, uint64_t word)
{
	word = htole64(word);
	memcpy(at, &word, sizeof word);
	return at + sizeof word;
}

static uint8_t *put_real(uint8_t *at, double value)
{
	uint64_t word;

	memcpy(&word, &value, sizeof word);
	return put_word(at, word);
}

static uint8_t *put_reals(uint8_t *at, const double *value, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		at = put_real(at, value[i]);
	return at;
}

/* Walks over a packet whose length is known to be right; remembers whether every number was finite. */
struct reading {
	const uint8_t *at;
	bool finite;
};

static uint64_t get_word(struct reading *r)
{
	uint64_t word;

	memcpy(&word, r->at, sizeof word);
	r->at += sizeof word;
	return le64toh(word);
}

static void get_reals(struct reading *r, double *value, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t word = get_word(r);

		memcpy(&value[i], &word, sizeof word);
		r->finite = r->finite && isfinite(value[i]);
	}
}

/* Length and magic; the message names the packet. */
static int begin(struct reading *r, size_t n, size_t want, uint64_t magic, struct errbuf *e)
{
	if (n != want)
		return fail(e, -EBADMSG, "world socket: a message of %zu bytes, want %zu", n, want);
	if (get_word(r) != magic)
		return fail(e, -EBADMSG, "world socket: another protocol or version: both programs must be of the same release");
	return 0;
}

static int finish(const struct reading *r, uint64_t dof, struct errbuf *e)
{
	if (dof > DOF_MAX)
		return fail(e, -EBADMSG, "world socket: dof: %llu, want 0..%d", (unsigned long long)dof, DOF_MAX);
	if (!r->finite)
		return fail(e, -EBADMSG, "world socket: a number that is not finite");
	return 0;
}

void world_wire_put_command(const struct world_wire_command *c, uint8_t out[WORLD_COMMAND_BYTES])
{
	out = put_word(out, COMMAND_MAGIC);
	out = put_word(out, c->from);
	out = put_word(out, c->seq);
	out = put_word(out, c->dof);
	out = put_word(out, c->has_gripper);
	out = put_real(out, c->gripper_m);
	put_reals(out, c->q_rad, DOF_MAX);
}

int world_wire_get_command(struct world_wire_command *c, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct world_wire_command d = { 0 };
	struct reading r = { bytes, true };
	int rc = begin(&r, n, WORLD_COMMAND_BYTES, COMMAND_MAGIC, e);

	if (rc < 0)
		return rc;
	d.from = get_word(&r);
	d.seq = get_word(&r);
	uint64_t dof = get_word(&r);
	d.has_gripper = get_word(&r) != 0;
	get_reals(&r, &d.gripper_m, 1);
	get_reals(&r, d.q_rad, DOF_MAX);
	if ((rc = finish(&r, dof, e)) < 0)
		return rc;
	d.dof = (uint32_t)dof;
	*c = d;
	return 0;
}

void world_wire_put_state(const struct world_wire_state *s, uint8_t out[WORLD_STATE_BYTES])
{
	out = put_word(out, STATE_MAGIC);
	out = put_word(out, s->from);
	out = put_word(out, s->seq);
	out = put_word(out, (uint64_t)s->stamp_ns);
	out = put_word(out, s->command_seq);
	out = put_word(out, s->dof);
	out = put_real(out, s->gripper_m);
	out = put_real(out, s->gripper_max_m);
	out = put_reals(out, s->q_rad, DOF_MAX);
	put_reals(out, s->dq_rad_s, DOF_MAX);
}

int world_wire_get_state(struct world_wire_state *s, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct world_wire_state d = { 0 };
	struct reading r = { bytes, true };
	int rc = begin(&r, n, WORLD_STATE_BYTES, STATE_MAGIC, e);

	if (rc < 0)
		return rc;
	d.from = get_word(&r);
	d.seq = get_word(&r);
	d.stamp_ns = (int64_t)get_word(&r);
	d.command_seq = get_word(&r);
	uint64_t dof = get_word(&r);
	get_reals(&r, &d.gripper_m, 1);
	get_reals(&r, &d.gripper_max_m, 1);
	get_reals(&r, d.q_rad, DOF_MAX);
	get_reals(&r, d.dq_rad_s, DOF_MAX);
	if ((rc = finish(&r, dof, e)) < 0)
		return rc;
	d.dof = (uint32_t)dof;
	*s = d;
	return 0;
}
