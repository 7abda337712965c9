/* fuzz_socketcand.c - socketcand's text, as server and client read it from the network: arbitrary bytes. A frame that is read exists, and
 * written again it is read as the same. Built by run.sh with libFuzzer, and with replay.c as one of the tests. */
#include <string.h>

#include "robots/bus/bus_kind.h"
#include "robots/bus/socketcand_text.h"
#include "tests/fuzz/fuzz.h"

static struct socketcand_message read_again(const char *text, size_t n)
{
	struct socketcand_reader r = { 0 };
	struct socketcand_message m = { 0 };

	fuzz_require(n <= SOCKETCAND_TEXT_BYTES);
	for (size_t i = 0; i < n; i++)
		fuzz_require(socketcand_read(&r, text[i], &m) == (i == n - 1));
	return m;
}

static void check_frame(const struct bus_frame *f)
{
	uint32_t id_max = f->flags & BUS_FRAME_EXTENDED ? BUS_EXTENDED_ID_MAX : BUS_ID_MAX;
	char text[SOCKETCAND_TEXT_BYTES];
	struct socketcand_message m;

	fuzz_require(f->id <= id_max && f->length <= BUS_DATA_BYTES && (f->flags & ~3) == 0);
	for (int i = f->length; i < BUS_DATA_BYTES; i++)
		fuzz_require(f->data[i] == 0);
	m = read_again(text, socketcand_put_frame(text, f, INT64_MAX));
	fuzz_require(m.kind == SOCKETCAND_FRAME && memcmp(&m.frame, f, sizeof *f) == 0);
	m = read_again(text, socketcand_put_send(text, f));
	fuzz_require(m.kind == SOCKETCAND_SEND && memcmp(&m.frame, f, sizeof *f) == 0);
}

static void check_message(const struct socketcand_reader *r, const struct socketcand_message *m)
{
	char text[SOCKETCAND_TEXT_BYTES];

	fuzz_require(memchr(r->text, '\0', sizeof r->text) && strlen(m->channel) < SOCKETCAND_CHANNEL_BYTES);
	if (m->kind == SOCKETCAND_FRAME || m->kind == SOCKETCAND_SEND)
		check_frame(&m->frame);
	if (m->kind == SOCKETCAND_ERROR)
		fuzz_require(strstr(r->text, "error")); /* the client shows what follows it */
	if (m->kind == SOCKETCAND_ERROR && m->error_class != 0) {
		fuzz_require(bus_error_of(m->error_class, NULL) != BUS_ERROR_NONE);
		uint32_t class = m->error_class & 0xFFF;

		fuzz_require(read_again(text, socketcand_put_error(text, class, 0)).error_class == class);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct socketcand_reader r = { 0 };
	struct socketcand_message m = { 0 };

	for (size_t i = 0; i < n; i++) {
		int rc = socketcand_read(&r, (char)data[i], &m);

		fuzz_require(rc >= -1 && rc <= 1 && r.n < sizeof r.text);
		if (rc == 1)
			check_message(&r, &m);
	}
	return 0;
}
