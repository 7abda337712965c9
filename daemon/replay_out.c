/* replay_out.c - see replay_out.h. */
#include "daemon/replay_out.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "daemon/replay_compare.h"
#include "transport/message/names.h"

int replay_out_open(struct replay_out *o, const char *path, struct errbuf *e)
{
	o->path = path;
	o->file = path ? fopen(path, "wxe") : NULL;
	return path && !o->file ? fail(e, -errno, "--replay-out %s: %s", path, strerror(errno)) : 0;
}

/* JSON knows no NaN. */
static void put_number(FILE *f, double value)
{
	if (isfinite(value))
		fprintf(f, "%.17g", value);
	else
		fputs("null", f);
}

static void put_row(FILE *f, const char *key, const double *value, uint32_t n)
{
	fprintf(f, ",\"%s\":[", key);
	for (uint32_t i = 0; i < n; i++) {
		fputs(i > 0 ? "," : "", f);
		put_number(f, value[i]);
	}
	fputs("]", f);
}

static const char *truth(bool b)
{
	return b ? "true" : "false";
}

static void put_target(FILE *f, const struct control_setup *setup, const struct record_tick *t, const struct driver_target *now,
		const struct driver_target *was)
{
	uint32_t dof = setup->arm[now->arm].model.dof;
	bool same = was && replay_target_equal(now, was);

	fprintf(f, "{\"tick\":%" PRIu64 ",\"now_ns\":%" PRId64 ",\"arm\":\"%s\",\"shadow\":%s,\"valid\":%s,\"t_ns\":%" PRId64 ",\"source\":\"%s\"",
			t->tick, t->now_ns, setup->arm[now->arm].name, truth(now->shadow), truth(now->valid), now->t_ns,
			target_source_names[now->source]);
	fprintf(f, ",\"chunk\":%" PRIu64 ",\"step\":%u", now->chunk, now->step);
	put_row(f, "q", now->q_rad, dof);
	put_row(f, "dq", now->dq_rad_s, dof);
	fputs(",\"gripper_m\":", f);
	put_number(f, now->has_gripper ? now->gripper_m : (double)NAN);
	fprintf(f, ",\"same\":%s", truth(same));
	if (was && !same)
		put_row(f, "q_recorded", was->q_rad, dof);
	fputs("}\n", f);
}

void replay_out_targets(struct replay_out *o, const struct control_setup *setup, const struct record_tick *t,
		const struct target_batch *now, const struct driver_target *was)
{
	for (uint32_t i = 0; i < now->n && o->file; i++)
		put_target(o->file, setup, t, &now->target[i], i < t->n_targets ? &was[i] : NULL);
	o->written = o->written || now->n > 0;
}

int replay_out_close(struct replay_out *o, struct errbuf *e)
{
	bool bad = o->file && ferror(o->file) != 0;

	if (o->file && !o->written)
		(void)unlink(o->path);
	if (o->file && fclose(o->file) != 0)
		bad = true;
	o->file = NULL;
	return bad ? fail(e, -EIO, "--replay-out %s: not all of it could be written: is the disk full?", o->path) : 0;
}
