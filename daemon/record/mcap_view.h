/* mcap_view.h - bytes of an MCAP file that are being taken apart. Pure; inline. */
#ifndef DREAMVLA_DAEMON_RECORD_MCAP_VIEW_H
#define DREAMVLA_DAEMON_RECORD_MCAP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that are being taken apart; what is missing reads as 0 and sets `bad`. */
struct mcap_view {
	const uint8_t *p;
	size_t n;
	bool bad;
};

/* Little-endian, n <= 8 bytes, or passed over. */
static inline uint64_t mcap_take(struct mcap_view *v, size_t n)
{
	uint64_t value = 0;

	if (v->n < n) {
		*v = (struct mcap_view){ .bad = true };
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)v->p[i] << (8 * i);
	v->p += n;
	v->n -= n;
	return value;
}

/* u32 length, then so many bytes. */
static inline struct mcap_view mcap_take_sized(struct mcap_view *v)
{
	uint64_t n = mcap_take(v, 4);
	struct mcap_view part = { v->p, (size_t)n, v->bad };

	if (v->bad || n > v->n) {
		*v = (struct mcap_view){ .bad = true };
		return *v;
	}
	v->p += n;
	v->n -= (size_t)n;
	return part;
}

#endif
