/* io_void.c - what the pieces of io have in common: void messages, rates, the clock of messages. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "transport/wire.h"

/* "camera/wrist: width" from the topic and "width: found ..., want ...". A text without a key (bytes that are no message) counts
 * under the topic alone, so that a sender of noise cannot fill the log. */
static void topic_and_key(const char *topic, const char *text, char *out, size_t capacity)
{
	size_t key_bytes = strcspn(text, ": ");

	snprintf(out, capacity, "%s: %.*s", topic, text[key_bytes] == ':' ? (int)key_bytes : 0, text);
}

/* The entry of that topic and key, else the one that was silent longest. */
static struct io_void_kind *find_kind(struct io *io, const char *topic_key)
{
	struct io_void_kind *oldest = &io->void_kind[0];

	for (uint32_t i = 0; i < IO_VOID_KINDS; i++) {
		struct io_void_kind *k = &io->void_kind[i];

		if (strcmp(k->topic_key, topic_key) == 0)
			return k;
		if (k->logged_ns < oldest->logged_ns)
			oldest = k;
	}
	*oldest = (struct io_void_kind){ 0 };
	memcpy(oldest->topic_key, topic_key, strlen(topic_key) + 1);
	return oldest;
}

void io_void(struct io *io, uint64_t *counter, const char *kind, const char *name, const char *text)
{
	char topic_key[sizeof io->void_kind[0].topic_key];
	char topic[2 * NAME_BYTES];
	struct io_void_kind *k;

	++*counter;
	snprintf(topic, sizeof topic, "%s%s%s", kind, name ? "/" : "", name ? name : "");
	topic_and_key(topic, text, topic_key, sizeof topic_key);
	k = find_kind(io, topic_key);
	k->since++;
	if (k->logged_ns != 0 && io->now_ns - k->logged_ns < NS_PER_S)
		return;
	log_line(LOG_LEVEL_WARNING, "void message: %s: %s (%" PRIu64 " of this kind)", topic, text, k->since);
	k->logged_ns = io->now_ns;
	k->since = 0;
}

const char *io_void_topic(const struct endpoint_message *m, const char *want, struct errbuf *e)
{
	struct wire_value topic = { .kind = WIRE_TEXT, .text = { (const char *)m->part[0], (uint32_t)m->bytes[0] } };
	char found[64];

	snprintf(e->text, sizeof e->text, "topic: found %s, want %s", wire_describe(&topic, found, sizeof found), want);
	return e->text;
}

bool io_sequence_take(struct io *io, struct sequence *s, const char *kind, const char *name, uint64_t from, uint64_t seq)
{
	uint64_t owner = s->from;
	enum sequence_verdict v = sequence_check(s, from, seq, io->now_ns);
	struct errbuf e;

	io->counters.duplicates += v == SEQUENCE_OLD;
	if (v == SEQUENCE_FOREIGN) {
		fail(&e, 0, "from: found %" PRIu64 ", want %" PRIu64 ", which publishes this topic; is a second one running?", from, owner);
		io_void(io, &io->counters.foreign, kind, name, e.text);
	}
	return v == SEQUENCE_NEW || v == SEQUENCE_RESTART;
}

void io_source_rate(struct io *io, struct io_source *s)
{
	int64_t passed_ns = io->now_ns - s->counted_ns;

	if (passed_ns < NS_PER_S)
		return;
	s->rate_hz = (double)(s->sequence.accepted - s->counted) * (double)NS_PER_S / (double)passed_ns;
	s->counted = s->sequence.accepted;
	s->counted_ns = io->now_ns;
}

#define CLOCK_STEP_MAX_NS (5 * NS_PER_MS)    /* messages.md section 3 */
#define CLOCK_STEP_SHOWN_NS (NS_PER_S / 2)
#define CLOCK_READ_MAX_NS (NS_PER_MS / 2)    /* a slower reading was interrupted and says nothing */

void io_clock_read(struct io *io)
{
	int64_t before_ns, after_ns, offset_ns;

	if (io->config->clock == 0)
		return;
	before_ns = clock_monotonic_ns();
	offset_ns = clock_realtime_ns();
	after_ns = clock_monotonic_ns();
	if (io->clock_known && after_ns - before_ns > CLOCK_READ_MAX_NS)
		return;
	offset_ns -= before_ns + (after_ns - before_ns) / 2;
	if (io->clock_known && llabs(offset_ns - io->clock_offset_ns) > CLOCK_STEP_MAX_NS) {
		log_line(LOG_LEVEL_WARNING, "clock: the realtime clock jumped by %" PRId64 " ms",
				(offset_ns - io->clock_offset_ns) / NS_PER_MS);
		io->clock_stepped_until_ns = io->now_ns + CLOCK_STEP_SHOWN_NS;
		io->inputs_changed = true;
	}
	io->clock_offset_ns = offset_ns;
	io->clock_known = true;
}

int64_t io_to_wire_ns(const struct io *io, int64_t monotonic_ns)
{
	return monotonic_ns + io->clock_offset_ns;
}
