#include "tests/scenario/scenario.h"
void soak_write(FILE *out, uint64_t seed, double seconds)
{
	fprintf(out, "title none\nseed %llu\nend %.0f s\n", (unsigned long long)seed, seconds);
}
