/* fuzz_mcap.c - recordings: any bytes as a file, read in both orders. Chunks' checksums stay: inputs with none (0) say what is not checked.
 * What is shown must lie in memory, whole, in the order asked for. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

#include "daemon/record/mcap_reader.h"

enum { ERRORS_MOST = 100 };

static void touch_message(const struct mcap_read_message *m)
{
	fuzz_touch(m->data, m->n);
	fuzz_touch(m->channel->topic, strlen(m->channel->topic));
	fuzz_touch(m->channel->encoding, strlen(m->channel->encoding));
	if (m->channel->schema)
		fuzz_touch(m->channel->schema->name, strlen(m->channel->schema->name));
}

/* As far as an error in between, and on behind it. */
static void read_messages(struct mcap_reader *r, enum mcap_order order)
{
	uint64_t before_ns = 0;
	int errors = 0, rc;
	struct mcap_read_message m;
	struct errbuf e;

	while ((rc = mcap_reader_next(r, &m, &e)) != 0 && errors < ERRORS_MOST) {
		fuzz_require(rc > 0 || e.text[0]);
		errors += rc < 0;
		if (rc < 0)
			continue;
		fuzz_require(order == MCAP_ORDER_FILE || errors > 0 || m.log_ns >= before_ns || mcap_reader_info(r)->n_chunks > 1);
		before_ns = m.log_ns;
		touch_message(&m);
	}
}

static void read_file(const char *path, enum mcap_order order)
{
	struct mcap_read_options o = { .order = order };
	struct mcap_reader *r = NULL;
	struct errbuf e;

	if (mcap_reader_open(&r, path, &o, &e) < 0) {
		fuzz_require(!r && e.text[0]);
		return;
	}
	read_messages(r, order);
	mcap_reader_seek(r, mcap_reader_info(r)->last_ns);
	read_messages(r, order);
	(void)mcap_reader_metadata(r, "version", "text");
	mcap_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char path[4096];

	fuzz_write("file.mcap", data, n);
	snprintf(path, sizeof path, "%s/file.mcap", fuzz_folder());
	read_file(path, MCAP_ORDER_FILE);
	read_file(path, MCAP_ORDER_TIME);
	return 0;
}
