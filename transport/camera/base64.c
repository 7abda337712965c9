/* base64.c - see base64.h. */
#include "transport/camera/base64.h"

/* -1: no character of the alphabet. */
static int32_t value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t n, uint8_t *out, size_t *n_out)
{
	size_t pads = n >= 4 && text[n - 1] == '=' ? text[n - 2] == '=' ? 2 : 1 : 0, done = 0;

	if (n % 4)
		return false;
	for (size_t i = 0; i < n; i += 4) {
		size_t digits = i + 4 == n ? 4 - pads : 4;
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int32_t v = k < digits ? value_of(text[i + k]) : 0;

			if (v < 0)
				return false;
			bits = bits << 6 | (uint32_t)v;
		}
		for (size_t k = 0; k + 1 < digits; k++)
			out[done++] = (uint8_t)(bits >> (16 - 8 * k));
	}
	*n_out = done;
	return true;
}
