/* bus_ear.c - see bus_ear.h. */
#include "robots/teleop/bus_ear.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/clock.h"

static const int64_t RETRY_NS = NS_PER_S;

struct bus_ear {
	struct bus *bus;               /* NULL: lost */
	struct bus_options o;
	struct bus_filter filter[BUS_FILTERS_MAX];
	int64_t retry_ns;
	struct errbuf trouble;
	/* The thread's between its start and `opened`, ours otherwise. */
	pthread_t thread;
	bool opening;
	atomic_bool opened;
	struct bus *found;
	struct errbuf why;
};

int bus_ear_create(struct bus_ear **out, const struct bus_options *o, struct errbuf *e)
{
	struct bus_ear *ear = calloc(1, sizeof *ear);

	if (!ear)
		return fail(e, -ENOMEM, "out of memory");
	int rc = bus_open(&ear->bus, o, e); /* checks their number too */

	if (rc < 0) {
		free(ear);
		return rc;
	}
	ear->o = *o;
	memcpy(ear->filter, o->filter, o->filters * sizeof *o->filter);
	ear->o.filter = ear->filter;
	*out = ear;
	return 0;
}

void bus_ear_destroy(struct bus_ear *ear)
{
	if (!ear)
		return;
	if (ear->opening) {
		pthread_join(ear->thread, NULL);
		bus_destroy(ear->found);
	}
	bus_destroy(ear->bus);
	free(ear);
}

int bus_ear_fd(const struct bus_ear *ear)
{
	return ear->bus ? bus_fd(ear->bus) : -1;
}

const char *bus_ear_trouble(const struct bus_ear *ear)
{
	return ear->trouble.text;
}

/* ---- opening anew --------------------------------------------------------------------------------------------------------------------- */

static void *open_it(void *argument)
{
	struct bus_ear *ear = argument;

	ear->found = NULL;
	(void)!bus_open(&ear->found, &ear->o, &ear->why);
	atomic_store_explicit(&ear->opened, true, memory_order_release);
	return NULL;
}

static void begin_opening(struct bus_ear *ear, int64_t now_ns)
{
	if (now_ns < ear->retry_ns)
		return;
	atomic_store_explicit(&ear->opened, false, memory_order_relaxed);
	ear->opening = pthread_create(&ear->thread, NULL, open_it, ear) == 0;
	ear->retry_ns = now_ns + RETRY_NS;
}

static void end_opening(struct bus_ear *ear, int64_t now_ns)
{
	if (!atomic_load_explicit(&ear->opened, memory_order_acquire))
		return;
	pthread_join(ear->thread, NULL);
	ear->opening = false;
	ear->bus = ear->found;
	ear->retry_ns = now_ns + RETRY_NS;
	if (!ear->bus)
		ear->trouble = ear->why;
}

/* ---- listening ------------------------------------------------------------------------------------------------------------------------ */

/* An interface that is down may come back by itself; whatever else went wrong, did so for good. */
static void lose(struct bus_ear *ear, int code)
{
	bus_explain(ear->bus, code, &ear->trouble);
	if (code == -ENETDOWN)
		return;
	bus_destroy(ear->bus);
	ear->bus = NULL;
}

static void note(struct bus_ear *ear, enum bus_error error)
{
	if (error == BUS_ERROR_NONE || error == BUS_ERROR_ACTIVE || error == BUS_ERROR_RESTARTED)
		ear->trouble.text[0] = '\0';
	else
		(void)!fail(&ear->trouble, -EIO, "CAN bus %s: %s; is its bit rate the arm's, are the cables well?", ear->o.address,
				bus_error_name(error));
}

bool bus_ear_next(struct bus_ear *ear, int64_t now_ns, struct bus_event *out)
{
	if (!ear->bus && ear->opening)
		end_opening(ear, now_ns);
	else if (!ear->bus)
		begin_opening(ear, now_ns);
	if (!ear->bus)
		return false;
	int rc = bus_receive(ear->bus, out);

	if (rc < 0)
		lose(ear, rc);
	else if (rc > 0)
		note(ear, out->error);
	return rc > 0;
}
