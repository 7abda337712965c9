/* replay.c - runs a fuzz target on files: for inputs that were found once, and where there is no libFuzzer. Without files it
 * writes one good input per message into the folder given with --seed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/transport/samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int write_seeds(const char *folder)
{
	uint8_t bytes[MESSAGE_BYTES_MAX];
	char path[1024];
	struct errbuf e;
	size_t n;

	for (uint32_t i = 0; i < SAMPLES; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, samples[i].name);
		FILE *f = fopen(path, "wb");

		if (!f || samples[i].encode(samples[i].message, bytes, sizeof bytes, &n, &e) < 0)
			return 1;
		fputc((int)i, f);
		fwrite(bytes, 1, n, f);
		fclose(f);
	}
	return 0;
}

static int replay(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return 1;
	}
	size_t n = fread(bytes, 1, sizeof bytes, f);

	fclose(f);
	LLVMFuzzerTestOneInput(bytes, n);
	return 0;
}

int main(int argc, char **argv)
{
	int rc = 0;

	if (argc == 3 && strcmp(argv[1], "--seed") == 0)
		return write_seeds(argv[2]);
	for (int i = 1; i < argc && rc == 0; i++)
		rc = replay(argv[i]);
	return rc;
}
