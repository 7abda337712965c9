/* maintenance_run.c - see maintenance_run.h. */
#include "robots/piper/maintenance_run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "robots/piper/outlet.h"

enum { TURN_MS = 5, EVENTS_MAX = 4096, QUESTION_BYTES = 512, LINE_BYTES = 64 };

struct run {
	const struct piper_maintenance_options *o;
	struct bus *bus;
	struct piper_outlet outlet;
	struct piper_maintenance m;
	bool asked, told;              /* a person: for a yes, to switch the arm off and on */
};

static int receive(struct run *r, struct errbuf *e)
{
	struct bus_event ev;
	int rc = 0;

	for (int i = 0; i < EVENTS_MAX && (rc = bus_receive(r->bus, &ev)) > 0; i++)
		piper_maintenance_take(&r->m, &ev);
	return rc < 0 ? bus_explain(r->bus, rc, e) : 0;
}

static int send_all(struct run *r, const struct piper_outbox *out, struct errbuf *e)
{
	for (uint32_t i = 0; i < out->n; i++) {
		int rc = piper_outlet_send(&r->outlet, r->bus, &out->frame[i]);

		if (rc < 0)
			return bus_explain(r->bus, rc, e);
	}
	return 0;
}

/* ---- a person --------------------------------------------------------------------------------------------------------------- */

static void ask(struct run *r)
{
	char question[QUESTION_BYTES];

	piper_maintenance_question(&r->m, question, sizeof question);
	printf("%s\n", question);
	if (!r->o->yes)
		printf("Type yes to do it: ");
	fflush(stdout);
	r->asked = true;
	if (r->o->yes)
		piper_maintenance_yes(&r->m, clock_monotonic_ns());
}

/* A line is there, or the end. */
static int hear_answer(struct run *r, struct errbuf *e)
{
	char line[LINE_BYTES];

	if (!fgets(line, sizeof line, stdin) || strcmp(line, "yes\n") != 0)
		return fail(e, -ECANCELED, "nobody said yes (the word, or --yes): nothing was changed");
	piper_maintenance_yes(&r->m, clock_monotonic_ns());
	return 0;
}

static void tell_to_switch(struct run *r)
{
	if (r->told || !piper_maintenance_told(&r->m))
		return;
	printf("It was told. Switch the arm off and on now; this waits up to five minutes until it has come back. Ctrl-C ends the waiting.\n");
	fflush(stdout);
	r->told = true;
}

/* ---- one turn --------------------------------------------------------------------------------------------------------------- */

static int wait_for_something(struct run *r, struct errbuf *e)
{
	bool answers = r->m.phase == PIPER_MAINTENANCE_WANTS_YES && r->asked;
	struct pollfd item[2] = { { .fd = bus_fd(r->bus), .events = POLLIN }, { .fd = answers ? STDIN_FILENO : -1, .events = POLLIN } };

	(void)!poll(item, 2, TURN_MS);
	return item[1].revents ? hear_answer(r, e) : 0;
}

static int turn(struct run *r, struct errbuf *e)
{
	struct piper_outbox out;
	int rc = wait_for_something(r, e);

	if (rc < 0 || (rc = receive(r, e)) < 0)
		return rc;
	piper_maintenance_step(&r->m, clock_monotonic_ns(), &out);
	if (r->m.phase == PIPER_MAINTENANCE_WANTS_YES && !r->asked)
		ask(r);
	if ((rc = send_all(r, &out, e)) == 0)
		tell_to_switch(r);
	return rc;
}

static int conclude(const struct run *r, struct errbuf *e)
{
	if (r->m.phase == PIPER_MAINTENANCE_FAILED)
		return fail(e, -EIO, "%s", r->m.text.text);
	printf("%s\n", r->m.text.text);
	return 0;
}

int piper_maintenance_run(const struct piper_maintenance_options *o, struct errbuf *e)
{
	struct run r = { .o = o, .outlet = { .arm = o->setup->arm, .maintenance = true } };
	int rc = bus_open(&r.bus, &(struct bus_options){ .address = o->setup->address, .bitrate = PIPER_BITRATE }, e);

	if (rc < 0)
		return rc;
	piper_maintenance_init(&r.m, &o->wish, o->setup, clock_monotonic_ns());
	while (rc == 0 && r.m.phase != PIPER_MAINTENANCE_DONE && r.m.phase != PIPER_MAINTENANCE_FAILED)
		rc = turn(&r, e);
	if (rc == 0)
		rc = conclude(&r, e);
	bus_destroy(r.bus);
	return rc;
}
