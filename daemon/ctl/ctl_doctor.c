/* ctl_doctor.c - `dreamvlactl doctor`: every check of daemon/doctor, worst first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include "daemon/doctor/doctor.h"

/* What is asked once and shared by all checks. */
struct visit {
	struct config config;
	struct message_status status;
	struct ctl_answer answer;
	struct doctor doctor;
	struct doctor_finding finding[DOCTOR_CHECK_COUNT]; /* each looked for once: some ask a command that may take seconds */
};

/* A dreamvlad that does not answer is a finding, not an error. */
static void ask_status(const struct ctl *ctl, struct visit *v)
{
	struct map_builder request;
	struct errbuf e = { "" };
	uint8_t bytes[64];

	request_begin(&request, bytes, sizeof bytes, "status");
	if (ctl_ask(ctl, &ctl->daemon, &request, CTL_TIMEOUT_MS, &v->answer, &e) == 0 && v->answer.reply.ok &&
			message_status_decode_reply(&v->status, v->answer.bytes, v->answer.n, &e) == 0)
		v->doctor.status = &v->status;
}

static json_t *row(const struct doctor_check *check, const struct doctor_finding *f)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", check->name, "about", check->about, "verdict", doctor_verdict_name(f->verdict),
			"evidence", f->evidence, "remedy", f->remedy);
}

static int print_json(const struct ctl *ctl, const struct visit *v, bool bad)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < DOCTOR_CHECK_COUNT; i++)
		json_array_append_new(rows, row(doctor_check_at(i), &v->finding[i]));
	return ctl_json_print(ctl, json_pack("{s:b, s:b, s:i, s:o}", "ok", 1, "bad", bad, "control_cpu", v->doctor.cpu, "checks", rows));
}

static void print_finding(const struct doctor_check *check, const struct doctor_finding *f)
{
	printf("%-12s %-15s %s: %s\n", doctor_verdict_name(f->verdict), check->name, check->about, f->evidence);
	if (f->remedy[0])
		printf("%-12s %-15s -> %s\n", "", "", f->remedy);
}

static int print_table(const struct visit *v)
{
	static const enum doctor_verdict order[] = { DOCTOR_BAD, DOCTOR_WARNING, DOCTOR_UNKNOWN, DOCTOR_GOOD };
	uint32_t n = 0;

	printf("control is, or would be, on processor %d\n\n", v->doctor.cpu);
	for (size_t k = 0; k < sizeof order / sizeof order[0]; k++)
		for (uint32_t i = 0; i < DOCTOR_CHECK_COUNT; i++)
			if (v->finding[i].verdict == order[k])
				print_finding(doctor_check_at(i), &v->finding[i]);
	for (uint32_t i = 0; i < DOCTOR_CHECK_COUNT; i++)
		if (v->finding[i].verdict == DOCTOR_ABSENT)
			printf("%s%s (%s)", n++ ? ", " : "not here     ", doctor_check_at(i)->name, v->finding[i].evidence);
	printf("\n");
	return fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}

/* true: one of them is bad. */
static bool look(struct visit *v)
{
	bool bad = false;

	for (uint32_t i = 0; i < DOCTOR_CHECK_COUNT; i++) {
		doctor_check_at(i)->look(&v->doctor, &v->finding[i]);
		bad = bad || v->finding[i].verdict == DOCTOR_BAD;
	}
	return bad;
}

static int examine(const struct ctl *ctl, struct visit *v)
{
	struct errbuf e = { "" };
	int code;
	bool bad;

	if (ctl->config_file && config_read(&v->config, ctl->config_file, &e) < 0)
		return ctl_fail(ctl, "%s", e.text);
	if (doctor_gather(&v->doctor, ctl->config_file ? &v->config : NULL) < 0)
		return ctl_fail(ctl, "out of memory");
	ask_status(ctl, v);
	bad = look(v);
	code = ctl->json ? print_json(ctl, v, bad) : print_table(v);
	doctor_free(&v->doctor);
	return code != CTL_OK ? code : bad ? CTL_FAILED : CTL_OK;
}

int ctl_run_doctor(const struct ctl *ctl, int n, char **argument)
{
	struct visit *v = calloc(1, sizeof *v);
	int code;

	(void)n;
	(void)argument;
	code = v ? examine(ctl, v) : ctl_fail(ctl, "out of memory");
	free(v);
	return code;
}
