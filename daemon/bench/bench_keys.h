/* bench_keys.h - numbers out of what a control socket has answered, by their keys. Pure. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_KEYS_H
#define DREAMVLA_DAEMON_BENCH_BENCH_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { NUMBER_KEYS_MAX = 32 };
enum number_kind { NUMBER_U64, NUMBER_REAL, NUMBER_REALS };

/* What stands under which key, and where it goes: offset in the caller's struct, of a uint64_t, a double or `n` doubles. */
struct number_key {
	const char *key;
	enum number_kind kind;
	size_t at;
	uint32_t n; /* REALS: of an array of exactly so many */
};

/* Fills the members of *out that keys[n_keys] name (at most NUMBER_KEYS_MAX), all of which must be there; other keys are ignored.
 * -EBADMSG names the key that is missing or of another type, and `whose` status lacks it. Allocates: no. Blocks: no. */
MUST_CHECK int numbers_decode(const struct number_key *keys, uint32_t n_keys, const char *whose, void *out, const uint8_t *bytes,
		size_t n, struct errbuf *e);

#endif
