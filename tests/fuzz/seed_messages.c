/* seed_messages.c - writes one good input per message into a folder: what fuzz_messages.c begins with. They are made from the
 * samples of the unit tests, so that they follow the messages. */
#include <stdio.h>

#include "tests/unit/transport/samples.h"

int main(int argc, char **argv)
{
	uint8_t bytes[MESSAGE_BYTES_MAX];
	char path[1024];
	struct errbuf e;
	size_t n;

	for (uint32_t i = 0; argc == 2 && i < SAMPLES; i++) {
		snprintf(path, sizeof path, "%s/%s", argv[1], samples[i].name);
		FILE *f = fopen(path, "wb");

		if (!f || samples[i].encode(samples[i].message, bytes, sizeof bytes, &n, &e) < 0) {
			perror(path);
			return 1;
		}
		fputc((int)i, f);
		fwrite(bytes, 1, n, f);
		fclose(f);
	}
	return argc != 2;
}
