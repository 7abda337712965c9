/* bench_arm.c - see bench_arm.h. */
#include "daemon/bench/bench_arm.h"

#include <math.h>
#include <string.h>

#include "daemon/bench/bench_keys.h"
#include "robots/model/model.h"
#include "transport/wire.h"

/* Of what an arm measures at rest; dreamvlad itself ends a way home within 0.001 rad of what it has commanded. */
static const double at_home_rad = 0.02;

#define REALS(key, member, n) { key, NUMBER_REALS, offsetof(struct arm_numbers, member), n }
#define U64(key, member) { key, NUMBER_U64, offsetof(struct arm_numbers, member) }
#define REAL(key, member) { key, NUMBER_REAL, offsetof(struct arm_numbers, member) }
static const struct number_key keys[] = {
	U64("targets_accepted", obeyed),
	U64("targets_refused", refused),
	U64("limits_exceeded", limits_exceeded),
	U64("underruns", underruns),
	REAL("interval_p50_us", interval.p50),
	REAL("interval_p99_us", interval.p99),
	REAL("interval_p999_us", interval.p999),
	REAL("interval_max_us", interval.max),
	REAL("tcp_path_m", path_m),
	REAL("velocity_peak", velocity_peak),
	REAL("acceleration_peak", acceleration_peak),
	REAL("late_p50_us", late.p50),
	REAL("late_p99_us", late.p99),
	REAL("late_p999_us", late.p999),
	REAL("late_max_us", late.max),
	REALS("late_rows", late_row, HISTOGRAM_ROWS),
};
#undef U64
#undef REAL
#undef REALS

static bool is_own(struct wire_text key, const char *driver)
{
	size_t n = strlen(driver);

	return key.n > n + 1 && memcmp(key.at, driver, n) == 0 && key.at[n] == '_';
}

static bool take_text(struct arm_numbers *a, struct wire_text key, const struct wire_value *v)
{
	bool mode = wire_text_equals(key, "mode"), trouble = wire_text_equals(key, "trouble");

	if (v->kind == WIRE_TEXT && (mode || trouble))
		wire_text_copy(v->text, mode ? a->mode : a->trouble, sizeof a->mode);
	return mode || trouble;
}

/* How the arm is, and numbers under "<driver>_...", whatever they are. */
static int take_own(struct arm_numbers *a, const char *driver, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text key;
	int rc;

	a->n_own = 0;
	a->mode[0] = a->trouble[0] = 0;
	wire_read_begin(&r, bytes, n);
	rc = wire_map_begin(&r, &m, e);
	while (rc == 0 && (rc = wire_map_next(&r, &m, &key, e)) == 1) {
		struct arm_own *own = &a->own[a->n_own];
		struct wire_reader at = r;
		struct wire_value v;

		rc = wire_skip(&r, e);
		if (rc < 0 || wire_take(&at, &v, e) < 0 || take_text(a, key, &v))
			continue;
		if (!is_own(key, driver) || a->n_own == ARM_OWN_MAX || !wire_as_real(&v, &own->value))
			continue;
		wire_text_copy(key, own->name, sizeof own->name);
		a->n_own++;
	}
	return rc;
}

int arm_status_decode(struct arm_numbers *a, const char *driver, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	int rc = numbers_decode(keys, sizeof keys / sizeof *keys, "the arm's", a, bytes, n, e);

	return rc == 0 ? take_own(a, driver, bytes, n, e) : rc;
}

bool arm_stands_at_home(const struct message_state *m, const struct config_robot *r)
{
	const struct robot_model *model = robot_model_find(r->model);
	bool there = model && m->state.has_q && m->dof == model->dof && (r->home.n == 0 || r->home.n == m->dof);

	for (uint32_t j = 0; there && j < m->dof; j++) {
		double home_rad = r->home.n > 0 ? r->home.value[j] : model->home_rad[j];

		there = fabs(m->state.q_rad[j] - home_rad) <= at_home_rad;
	}
	return there;
}
