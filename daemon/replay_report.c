/* replay_report.c - see replay_report.h. */
#include "daemon/replay_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NS 1e-9

static double lasted_s(const struct replay_report *r)
{
	return (double)(r->last_ns - r->first_ns) * NS;
}

static uint64_t targets_differ(const struct replay_report *r)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < r->setup->n_arms; i++)
		n += r->differences.arm[i].targets;
	return n;
}

void replay_report_progress(const struct replay_report *r, double whole_s)
{
	fprintf(stderr, "replay: %.1f of %.1f s, %" PRIu64 " ticks, %" PRIu64 " targets differ\n", lasted_s(r), whole_s, r->differences.ticks,
			targets_differ(r));
}

/* ---- for people ------------------------------------------------------------------------------------------------------- */

static void print_arms(const struct replay_report *r)
{
	for (uint32_t i = 0; i < r->setup->n_arms; i++) {
		const struct replay_arm_difference *a = &r->differences.arm[i];

		if (a->targets > 0)
			printf("  %s: %" PRIu64 " targets differ, by at most %g rad; the first in tick %" PRIu64 ", %.3f s after the beginning\n",
					r->setup->arm[i].name, a->targets, a->largest_rad, a->first_tick, (double)(a->first_ns - r->first_ns) * NS);
	}
}

static void print_chunks(const struct replay_differences *d)
{
	if (d->chunks_differ > 0)
		printf("  %" PRIu64 " of %" PRIu64 " chunks differ, by at most %g in an action; the first is chunk %" PRIu64 "\n", d->chunks_differ,
				d->chunks, d->largest_action, d->first_chunk);
	if (d->chunks_missing > 0)
		printf("  %" PRIu64 " chunks are missing: the policy gave none now\n", d->chunks_missing);
	if (d->chunks_unproven > 0)
		printf("  %" PRIu64 " chunks were taken from the recording, which has no observation for them\n", d->chunks_unproven);
	if (d->ticks_of_other_count > 0)
		printf("  %" PRIu64 " ticks made more or fewer targets\n", d->ticks_of_other_count);
}

static void print_weights(const struct replay_report *r)
{
	if (!r->weights_known)
		printf("  note: the recording has no fingerprint of its checkpoint: whether this is the same one is not known\n");
	for (uint32_t i = 0; i < r->n_weights && i < REPLAY_WEIGHTS_MAX; i++)
		printf("  note: ANOTHER CHECKPOINT: %s is not what was recorded\n", r->weights[i]);
	if (r->n_weights > REPLAY_WEIGHTS_MAX)
		printf("  note: and so are %u files more\n", r->n_weights - REPLAY_WEIGHTS_MAX);
}

static void print_notes(const struct replay_report *r)
{
	print_weights(r);
	for (uint32_t i = 0; i < r->n_keys && i < REPLAY_KEYS_MAX; i++)
		printf("  note: the configuration's %s is not what was recorded\n", r->key[i]);
	if (r->n_keys > REPLAY_KEYS_MAX)
		printf("  note: and so are %u keys more\n", r->n_keys - REPLAY_KEYS_MAX);
	if (r->other_build)
		printf("  note: another build of dreamvlad recorded it; only the same one is sure to give the same bits\n");
	if (r->chunks_before > 0)
		printf("  note: %" PRIu64 " chunk%s begun before the recording %s taken from it\n", r->chunks_before, r->chunks_before > 1 ? "s" : "",
				r->chunks_before > 1 ? "were" : "was");
	if (r->cut)
		printf("  note: the file is cut off: replayed up to its last whole chunk\n");
	if (r->ended[0])
		printf("  note: ended at tick %" PRIu64 ": %s\n", r->last_tick, r->ended);
}

bool replay_complete(const struct replay_report *r)
{
	return !r->cut && !r->ended[0] && r->differences.chunks_unproven == 0;
}

static void print_text(const struct replay_report *r)
{
	const struct replay_differences *d = &r->differences;

	printf("replay: %s: %" PRIu64 " ticks in %.3f s, %" PRIu64 " targets, %" PRIu64 " chunks\n",
			!replay_identical(d) ? "DIFFERENT" : replay_complete(r) ? "identical, bit for bit" : "identical, bit for bit, but not complete", d->ticks, lasted_s(r), d->targets, d->chunks);
	print_arms(r);
	print_chunks(d);
	print_notes(r);
}

/* ---- for scripts ------------------------------------------------------------------------------------------------------ */

/* JSON knows no NaN. */
static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *arms(const struct replay_report *r)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < r->setup->n_arms; i++) {
		const struct replay_arm_difference *a = &r->differences.arm[i];

		json_object_set_new(all, r->setup->arm[i].name, json_pack("{s:I, s:o, s:I}", "targets_differ", (json_int_t)a->targets,
				"largest_rad", number(a->largest_rad), "first_tick", (json_int_t)a->first_tick));
	}
	return all;
}

static json_t *keys(const struct replay_report *r)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < r->n_keys && i < REPLAY_KEYS_MAX; i++)
		json_array_append_new(all, json_string(r->key[i]));
	return all;
}

static json_t *weights(const struct replay_report *r)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < r->n_weights && i < REPLAY_WEIGHTS_MAX; i++)
		json_array_append_new(all, json_string(r->weights[i]));
	return r->weights_known ? all : (json_decref(all), json_null());
}

static json_t *chunks(const struct replay_report *r)
{
	const struct replay_differences *d = &r->differences;

	return json_pack("{s:I, s:I, s:o, s:I, s:I, s:I, s:I}", "compared", (json_int_t)d->chunks, "differ", (json_int_t)d->chunks_differ,
			"largest_action", number(d->largest_action), "first", (json_int_t)d->first_chunk,
			"missing", (json_int_t)d->chunks_missing, "unproven", (json_int_t)d->chunks_unproven,
			"before", (json_int_t)r->chunks_before);
}

static void print_json(const struct replay_report *r)
{
	const struct replay_differences *d = &r->differences;
	json_t *all = json_pack("{s:b, s:b, s:b, s:b, s:s, s:I, s:f, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "identical", replay_identical(d),
			"complete", replay_complete(r), "cut", r->cut, "same_build", !r->other_build, "ended", r->ended,
			"ticks", (json_int_t)d->ticks, "seconds", lasted_s(r), "targets", (json_int_t)d->targets,
			"ticks_of_other_count", (json_int_t)d->ticks_of_other_count, "inferences_missing", (json_int_t)r->inferences_missing,
			"config_differs", keys(r), "weights_differ", weights(r), "arms", arms(r), "chunks", chunks(r));
	char *text = json_dumps(all, JSON_COMPACT);

	printf("%s\n", text ? text : "{}");
	free(text);
	json_decref(all);
}

void replay_report_print(const struct replay_report *r, bool json)
{
	if (json)
		print_json(r);
	else
		print_text(r);
	fflush(stdout);
}
