/* bench_report.c - see bench_report.h: the folder. */
#include "daemon/bench/bench_report.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };

static bool is_empty(const char *folder)
{
	DIR *d = opendir(folder);
	bool empty = d != NULL;

	for (struct dirent *entry; d && (entry = readdir(d));)
		empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	if (d)
		closedir(d);
	return empty;
}

int report_make_folder(const char *folder, struct errbuf *e)
{
	if (mkdir(folder, 0777) == 0)
		return 0;
	if (errno != EEXIST)
		return fail(e, -errno, "%s: the folder cannot be made: %s", folder, strerror(errno));
	if (!is_empty(folder))
		return fail(e, -EEXIST, "%s: is there already and not an empty folder; name a new one, so that no report is lost", folder);
	return 0;
}

/* What is written into one file. */
struct page {
	const struct bench_trace *trace;
	const struct trace_stages *stages;
};

static int write_html(FILE *out, const struct page *p)
{
	report_write_html(out, p->trace, p->stages);
	return 0;
}

static int write_trace(FILE *out, const struct page *p)
{
	report_write_trace(out, p->trace);
	return 0;
}

static int write_summary(FILE *out, const struct page *p)
{
	json_t *summary = report_summary(p->trace, p->stages);
	int rc = summary ? json_dumpf(summary, out, JSON_INDENT(2)) : -1;

	json_decref(summary);
	fputc('\n', out);
	return rc;
}

static int write_config(FILE *out, const struct page *p)
{
	fputs(p->trace->config ? p->trace->config : "# the recording does not say\n", out);
	return 0;
}

static int write_file(const char *folder, const char *name, int (*write)(FILE *out, const struct page *p), const struct page *p, struct errbuf *e)
{
	char path[PATH_BYTES];

	if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
		return fail(e, -ENAMETOOLONG, "%.200s...: the path is too long", folder);
	FILE *f = fopen(path, "w");

	if (!f)
		return fail(e, -errno, "%s: cannot be written: %s", path, strerror(errno));
	bool bad = write(f, p) < 0;

	bad = ferror(f) || bad;
	return fclose(f) == 0 && !bad ? 0 : fail(e, -EIO, "%s: cannot be written whole; is the disk full?", path);
}

int report_write(const char *folder, const struct bench_trace *t, struct errbuf *e)
{
	static const struct {
		const char *name;
		int (*write)(FILE *out, const struct page *p);
	} files[] = { { "report.html", write_html }, { "trace.json", write_trace }, { "summary.json", write_summary }, { "config.yaml", write_config } };
	struct trace_stages s;
	int rc = stages_measure(&s, t, e);

	for (size_t i = 0; rc == 0 && i < sizeof files / sizeof *files; i++)
		rc = write_file(folder, files[i].name, files[i].write, &(struct page){ t, &s }, e);
	stages_free(&s);
	return rc;
}
