/* record_metadata.c - see record_metadata.h. */
#include "daemon/record/record_metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/record/checkpoint.h"
#include "daemon/record/mcap_reader.h"
#include "daemon/record/metadata_pairs.h"

/* ---- writing ---- */

struct record_metadata {
	struct config config;         /* with whole paths */
	char *config_text;
	struct metadata_pairs weights;
};

/* What was relative to a folder of then is absolute. */
static void make_absolute(char *path, size_t room)
{
	char *whole = path[0] ? realpath(path, NULL) : NULL;

	if (whole && strlen(whole) < room)
		strcpy(path, whole);
	free(whole);
}

void record_metadata_absolute(struct config *c)
{
	make_absolute(c->policy_model, sizeof c->policy_model);
	make_absolute(c->policy_heads, sizeof c->policy_heads);
}

static int print(char **text, const struct config *c)
{
	size_t n = 0;
	FILE *out = open_memstream(text, &n);
	int rc;

	if (!out)
		return -ENOMEM;
	rc = config_print(c, out);
	return fclose(out) != 0 ? -ENOMEM : rc;
}

int record_metadata_create(struct record_metadata **out, const struct config *c, struct errbuf *e)
{
	struct record_metadata *m = calloc(1, sizeof *m);

	*out = m;
	if (!m)
		return fail(e, -ENOMEM, "recorder: out of memory");
	m->config = *c;
	record_metadata_absolute(&m->config);
	checkpoint_visit(&m->config, metadata_pairs_add, &m->weights);
	return print(&m->config_text, &m->config) < 0 ? fail(e, -ENOMEM, "recorder: out of memory") : 0;
}

void record_metadata_destroy(struct record_metadata *m)
{
	if (m)
		free(m->config_text);
	free(m);
}

const struct config *record_metadata_of(const struct record_metadata *m)
{
	return &m->config;
}

int record_metadata_add(struct mcap_writer *w, const struct record_metadata *m, struct errbuf *e)
{
	int rc = mcap_add_metadata(w, CONFIG_FILE_METADATA, &(struct mcap_pair){ CONFIG_FILE_KEY, m->config_text }, 1, e);

	return rc < 0 ? rc : mcap_add_metadata(w, CHECKPOINT_METADATA, m->weights.pair, m->weights.n, e);
}

/* ---- reading ---- */

static bool want_nothing(void *context, const char *topic)
{
	(void)context;
	(void)topic;
	return false;
}

/* A text as a file that config_read can open; its folder is where relative paths begin, and none of ours is relative. */
static int make_file(const char *text, char path[32], struct errbuf *e)
{
	size_t n = strlen(text);
	int fd = mkostemp(strcpy(path, "/tmp/dreamvlad-replay-XXXXXX"), O_CLOEXEC), rc = 0;

	if (fd < 0)
		return fail(e, -errno, "%s: %s: the recorded configuration goes there for a moment; or give one with --config", path, strerror(errno));
	if (write(fd, text, n) != (ssize_t)n)
		rc = fail(e, -EIO, "%s: cannot be written: is the disk full?", path);
	close(fd);
	if (rc < 0)
		unlink(path);
	return rc;
}

static int read_text(struct config *c, const char *recording, const char *text, struct errbuf *e)
{
	struct errbuf why;
	char path[32];
	int rc = make_file(text, path, e);

	if (rc < 0)
		return rc;
	rc = config_read(c, path, &why);
	unlink(path);
	if (rc < 0)
		return fail(e, rc, "%s: the configuration in it: %.700s; give one with --config", recording, why.text);
	snprintf(c->path, sizeof c->path, "%s", recording);
	return 0;
}

static int replace(char *path, size_t room, const char *by, const char *option, struct errbuf *e)
{
	if (!by)
		return 0;
	if (strlen(by) >= room)
		return fail(e, -EINVAL, "%s: the path is longer than %zu bytes", option, room - 1);
	strcpy(path, by);
	return 0;
}

int record_metadata_config(struct config *c, const char *recording, const char *model, const char *heads, struct errbuf *e)
{
	struct mcap_read_options o = { .want = want_nothing };
	struct mcap_reader *reader = NULL;
	const char *text;
	int rc = mcap_reader_open(&reader, recording, &o, e);

	if (rc < 0)
		return rc;
	text = mcap_reader_metadata(reader, CONFIG_FILE_METADATA, CONFIG_FILE_KEY);
	rc = text ? read_text(c, recording, text, e)
		  : fail(e, -ENODATA, "%s: holds no configuration that could be read again: give one with --config", recording);
	mcap_reader_close(reader);
	if (rc == 0)
		rc = replace(c->policy_model, sizeof c->policy_model, model, "--model", e);
	return rc < 0 ? rc : replace(c->policy_heads, sizeof c->policy_heads, heads, "--heads", e);
}
