/* bytes.c - see bytes.h. */
#include "daemon/record/bytes.h"

#include <stdlib.h>
#include <string.h>

bool bytes_init(struct bytes *b, size_t capacity)
{
	*b = (struct bytes){ .at = malloc(capacity), .capacity = capacity };
	return b->at != NULL;
}

void bytes_finish(struct bytes *b)
{
	free(b->at);
	*b = (struct bytes){ 0 };
}

void bytes_clear(struct bytes *b)
{
	b->n = 0;
	b->over = false;
}

void bytes_put(struct bytes *b, const void *from, size_t n)
{
	if (n > b->capacity - b->n) {
		b->over = true;
		return;
	}
	if (n > 0)
		memcpy(b->at + b->n, from, n);
	b->n += n;
}

static void put_number(struct bytes *b, uint64_t value, size_t n)
{
	uint8_t little[8];

	for (size_t i = 0; i < n; i++)
		little[i] = (uint8_t)(value >> 8 * i);
	bytes_put(b, little, n);
}

void bytes_put_u8(struct bytes *b, uint8_t value)
{
	put_number(b, value, 1);
}

void bytes_put_u16(struct bytes *b, uint16_t value)
{
	put_number(b, value, 2);
}

void bytes_put_u32(struct bytes *b, uint32_t value)
{
	put_number(b, value, 4);
}

void bytes_put_u64(struct bytes *b, uint64_t value)
{
	put_number(b, value, 8);
}

void bytes_put_text(struct bytes *b, const char *text)
{
	size_t n = strlen(text);

	bytes_put_u32(b, (uint32_t)n);
	bytes_put(b, text, n);
}

static void set_number(struct bytes *b, size_t at, uint64_t value, size_t n)
{
	if (at > b->capacity || n > b->capacity - at)
		return; /* it did not fit either */
	for (size_t i = 0; i < n; i++)
		b->at[at + i] = (uint8_t)(value >> 8 * i);
}

void bytes_set_u64(struct bytes *b, size_t at, uint64_t value)
{
	set_number(b, at, value, 8);
}

size_t bytes_begin_sized(struct bytes *b)
{
	size_t at = b->n;

	bytes_put_u32(b, 0);
	return at;
}

void bytes_end_sized(struct bytes *b, size_t at)
{
	if (!b->over)
		set_number(b, at, b->n - at - 4, 4);
}

size_t bytes_begin_record(struct bytes *b, uint8_t opcode)
{
	size_t at = b->n;

	bytes_put_u8(b, opcode);
	bytes_put_u64(b, 0);
	return at;
}

void bytes_end_record(struct bytes *b, size_t at)
{
	if (!b->over)
		bytes_set_u64(b, at + 1, b->n - at - 9);
}
