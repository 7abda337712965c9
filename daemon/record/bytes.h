/* bytes.h - little-endian numbers, texts and MCAP records into a buffer of fixed size. Putting never fails: what does not fit sets
 * `over`, and whoever sends the buffer looks there. Thread: the owner. Allocates: bytes_init only. Blocks: no. */
#ifndef DREAMVLA_DAEMON_RECORD_BYTES_H
#define DREAMVLA_DAEMON_RECORD_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *at;
	size_t n, capacity;
	bool over;
};

bool bytes_init(struct bytes *b, size_t capacity); /* false: out of memory; bytes_finish copes */
void bytes_finish(struct bytes *b);
void bytes_clear(struct bytes *b);

void bytes_put(struct bytes *b, const void *from, size_t n);
void bytes_put_u8(struct bytes *b, uint8_t value);
void bytes_put_u16(struct bytes *b, uint16_t value);
void bytes_put_u32(struct bytes *b, uint32_t value);
void bytes_put_u64(struct bytes *b, uint64_t value);
void bytes_put_text(struct bytes *b, const char *text); /* u32 length, then the text */

/* A place that has been put already. */
void bytes_set_u64(struct bytes *b, size_t at, uint64_t value);

/* What lies between begin and end gets its length in front; begin returns the place that end wants. */
size_t bytes_begin_sized(struct bytes *b);            /* u32 length */
void bytes_end_sized(struct bytes *b, size_t at);
size_t bytes_begin_record(struct bytes *b, uint8_t opcode); /* opcode and u64 length */
void bytes_end_record(struct bytes *b, size_t at);

#endif
