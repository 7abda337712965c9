/* bench_allocations.c - see bench_allocations.h. */
#include "daemon/bench/bench_allocations.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct snapshot {
	int64_t t_ns;
	uint32_t n;
	struct allocation_row row[ALLOCATION_ROWS_MAX];
};

static bool parse_row(struct allocation_row *r, const char *line)
{
	*r = (struct allocation_row){ 0 };
	return sscanf(line, "%" SCNd32 "\t%15[^\t]\t%63[^\t]\t%" SCNu64 "\t%" SCNu64, &r->thread, r->name, r->library,
			&r->count, &r->bytes) == 5;
}

/* Reads the next complete snapshot. 1: there is one, 0: no more (a last, unfinished one does not count), -EBADMSG. */
static int read_snapshot(FILE *f, struct snapshot *s, struct errbuf *e)
{
	char line[256];

	if (!fgets(line, sizeof line, f))
		return 0;
	s->n = 0;
	if (sscanf(line, "snapshot %" SCNd64, &s->t_ns) != 1)
		return fail(e, -EBADMSG, "found '%.80s', want a line 'snapshot <ns>'", line);
	while (fgets(line, sizeof line, f)) {
		if (strcmp(line, "end\n") == 0)
			return 1;
		if (!strchr(line, '\n'))
			break;
		if (s->n == ALLOCATION_ROWS_MAX || !parse_row(&s->row[s->n], line))
			return fail(e, -EBADMSG, "found '%.80s', want thread, name, library, count and bytes (at most %d rows)",
					line, ALLOCATION_ROWS_MAX);
		s->n++;
	}
	return 0;
}

static const struct allocation_row *find_row(const struct snapshot *s, const struct allocation_row *like)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->row[i].thread == like->thread && strcmp(s->row[i].library, like->library) == 0)
			return &s->row[i];
	return NULL;
}

static void subtract(struct allocations *a, const struct snapshot *first, const struct snapshot *last)
{
	*a = (struct allocations){ .from_ns = first->t_ns, .to_ns = last->t_ns };
	for (uint32_t i = 0; i < last->n; i++) {
		struct allocation_row r = last->row[i];
		const struct allocation_row *before = find_row(first, &r);

		if (before) {
			r.count -= before->count;
			r.bytes -= before->bytes;
		}
		if (r.count > 0)
			a->row[a->n++] = r;
	}
}

/* Leaves in *first and *last what the window begins and ends with; number of snapshots inside it, or -EBADMSG. */
static int find_window(FILE *f, int64_t from_ns, int64_t to_ns, struct snapshot *first, struct snapshot *last, struct errbuf *e)
{
	struct snapshot *now = malloc(sizeof *now);
	int inside = 0, rc = now ? 1 : fail(e, -ENOMEM, "out of memory");

	while (rc > 0 && (rc = read_snapshot(f, now, e)) > 0) {
		if (now->t_ns < from_ns || now->t_ns > to_ns)
			continue;
		*(inside == 0 ? first : last) = *now;
		inside++;
	}
	free(now);
	return rc < 0 ? rc : inside;
}

int allocations_read(struct allocations *a, const char *path, int64_t from_ns, int64_t to_ns, struct errbuf *e)
{
	struct snapshot *window = calloc(2, sizeof *window);
	FILE *f = fopen(path, "r");
	struct errbuf why = { 0 };
	int rc;

	if (!f || !window)
		rc = fail(e, f ? -ENOMEM : -ENOENT, "%s: %s", path, f ? "out of memory" : "was not written; is it the right preload library?");
	else if ((rc = find_window(f, from_ns, to_ns, &window[0], &window[1], &why)) < 0)
		rc = fail(e, rc, "%s: %s", path, why.text);
	else if (rc < 2)
		rc = fail(e, -ENODATA, "%s: found %d snapshots in the wanted time, want two", path, rc);
	else
		rc = (subtract(a, &window[0], &window[1]), 0);
	free(window);
	if (f)
		fclose(f);
	return rc;
}

enum allocation_kind allocation_kind_of(const char *library)
{
	static const struct { const char *prefix; enum allocation_kind kind; } known[] = {
		{ "libturbojpeg", ALLOCATION_JPEG },
		{ "libjpeg", ALLOCATION_JPEG },
		{ "libdnnl", ALLOCATION_ONEDNN },
		{ "libgomp", ALLOCATION_ONEDNN },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strncmp(library, known[i].prefix, strlen(known[i].prefix)) == 0)
			return known[i].kind;
	return ALLOCATION_OURS;
}

const char *allocation_kind_name(enum allocation_kind kind)
{
	static const char *const name[] = { "ours", "libturbojpeg", "onednn" };

	_Static_assert(sizeof name / sizeof *name == ALLOCATION_KINDS, "a name for every kind");
	return name[kind];
}

/* The threads that work for "policy" are called "policy-1" and so on. */
static bool belongs_to(const char *name, const char *thread)
{
	size_t n = strlen(thread);

	return strncmp(name, thread, n) == 0 && (name[n] == '\0' || name[n] == '-');
}

uint64_t allocations_of_thread(const struct allocations *a, const char *thread, enum allocation_kind kind)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < a->n; i++)
		if (belongs_to(a->row[i].name, thread) && allocation_kind_of(a->row[i].library) == kind)
			n += a->row[i].count;
	return n;
}
