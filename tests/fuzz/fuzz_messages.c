/* fuzz_messages.c - every decoder of the transport against arbitrary bytes. The first byte chooses the decoder. What a decoder
 * accepts must be encodable, and the encoding must decode to the same encoding: a value that is taken but cannot be told on is
 * a bug. Built by run.sh with libFuzzer, and with replay.c as one of the tests. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "tests/unit/transport/samples.h"
#include "transport/message/request.h"
#include "transport/topic.h"

static void check_message(const struct sample *s, const uint8_t *data, size_t n)
{
	static union any_message first, second;
	static uint8_t encoded[2 * MESSAGE_BYTES_MAX], again[2 * MESSAGE_BYTES_MAX];
	struct errbuf e;
	size_t n_encoded, n_again;

	if (s->decode(&first, data, n, &e) < 0)
		return;
	int rc = s->encode(&first, encoded, sizeof encoded, &n_encoded, &e);

	fuzz_require(rc == 0);
	rc = s->decode(&second, encoded, n_encoded, &e);
	fuzz_require(rc == 0);
	rc = s->encode(&second, again, sizeof again, &n_again, &e);
	fuzz_require(rc == 0);
	/* Quaternions are normalised once more, which may change their last bit: the length is what must agree. */
	fuzz_require(n_again == n_encoded);
}

static void check_request(const uint8_t *data, size_t n)
{
	static struct request q;
	const char *const allowed[] = { "text", "scale", NULL };
	const char *text;
	struct errbuf e;
	double numbers[6];

	if (request_decode(&q, data, n, &e) < 0)
		return;
	(void)!request_check_keys(&q, allowed, &e);
	if (request_text(&q, "text", &text, &e) == 0)
		fuzz_require(strlen(text) < REQUEST_POOL_BYTES);
	(void)!request_numbers(&q, "delta", 6, numbers, &e);
}

static void ignore(void *context, struct wire_text key, const struct wire_value *value)
{
	(void)context;
	(void)key;
	(void)value;
}

static void check_reply(const uint8_t *data, size_t n)
{
	static struct reply p;
	static uint8_t out[65536];
	struct map_builder b;
	struct errbuf e;
	struct topic t;
	size_t n_out;

	reply_visit(data, n, ignore, NULL);
	(void)topic_split(data, n, &t);
	reply_ok(&b, out, sizeof out);
	map_add_topic(&b, data, n);
	if (reply_decode(&p, data, n, &e) == 0 && map_finish(&b, &n_out, &e) == 0)
		fuzz_require(n_out >= 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	uint32_t choice = data[0] % (SAMPLES + 2);

	if (choice < SAMPLES)
		check_message(&samples[choice], data + 1, n - 1);
	else if (choice == SAMPLES)
		check_request(data + 1, n - 1);
	else
		check_reply(data + 1, n - 1);
	return 0;
}
