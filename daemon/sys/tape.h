/* tape.h - records of any size from one thread to another: the fourth way across a thread boundary, for what is written down.
 *
 * A ring of bytes, one writer, one reader, wait-free for both; full means drop and count. Every record lies in one piece, its payload
 * 8-byte aligned, behind a header with its kind, size and time. The reader says which kinds it wants: a kind that nobody wants costs its
 * writer one relaxed load and is neither written nor counted as dropped. A record larger than half of the tape may find no room in one
 * piece even on an empty one, and is then dropped.
 *
 *   writer   void *p = tape_claim(t, kind, n_bytes, t_ns);  if (p) { fill *p; tape_publish(t); }
 *   reader   for (const void *p; (p = tape_front(t, &r)); tape_release(t)) use(&r, p); */
#ifndef DREAMVLA_DAEMON_SYS_TAPE_H
#define DREAMVLA_DAEMON_SYS_TAPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TAPE_ALIGN_BYTES = 16, TAPE_KINDS_MAX = 64 };

/* In front of every record; the next record follows its payload, rounded up to TAPE_ALIGN_BYTES. */
struct tape_record {
	uint32_t n_bytes;             /* of the payload */
	uint16_t kind;                /* 0 is the tape's own */
	uint16_t reserved;
	int64_t t_ns;                 /* CLOCK_MONOTONIC, the writer's */
};

struct tape {
	uint8_t *memory;
	uint64_t size_bytes;
	_Alignas(64) _Atomic uint64_t head; /* reader: bytes ever released */
	_Atomic uint64_t wanted;      /* reader, or who tells it: bit k = kind k is to be written */
	_Alignas(64) _Atomic uint64_t tail; /* writer: bytes ever published */
	_Atomic uint64_t dropped;     /* writer: records */
	_Atomic uint64_t refused_bytes; /* writer: see tape_refused_bytes */
	uint64_t claimed_bytes;       /* writer only: what tape_publish adds to tail */
};

/* `memory` is the caller's, aligned to TAPE_ALIGN_BYTES, and outlives the tape; of n_bytes all whole multiples of TAPE_ALIGN_BYTES are
 * used. Nothing is wanted yet. Thread: start-up. Allocates: no. Blocks: no. */
void tape_init(struct tape *t, void *memory, uint64_t n_bytes);

/* Kinds (bits) that are to be written from now on. Thread: any. Allocates: no. Blocks: no. */
void tape_want(struct tape *t, uint64_t kinds);

/* Is this kind to be written? For who must prepare a record; tape_claim asks itself. Thread: writer. Allocates: no. Blocks: no. */
static inline bool tape_wants(const struct tape *t, uint16_t kind)
{
	return atomic_load_explicit(&t->wanted, memory_order_relaxed) >> kind & 1u;
}

/* Room for n_bytes, uninitialised, or NULL: the kind (1 .. TAPE_KINDS_MAX - 1) is not wanted, or the tape is full and one more record is
 * counted as dropped. A claim that is not published is undone by the next. Thread: writer. Allocates: no. Blocks: no. */
void *tape_claim(struct tape *t, uint16_t kind, uint32_t n_bytes, int64_t t_ns);

/* Makes the claimed record the reader's. Thread: writer. Allocates: no. Blocks: no. */
void tape_publish(struct tape *t);

/* The oldest record's payload, valid until tape_release, and *r its header; NULL: there is none.
 * Thread: reader. Allocates: no. Blocks: no. */
const void *tape_front(struct tape *t, struct tape_record *r);

/* Whether a record of n bytes finds no room now, but will once more has been read: who can wait need not have it counted as dropped.
 * Thread: writer. Allocates: no. Blocks: no. */
bool tape_is_crowded(const struct tape *t, uint32_t n_bytes);

/* Gives the room of the record that tape_front has shown back to the writer. Thread: reader. Allocates: no. Blocks: no. */
void tape_release(struct tape *t);

/* The largest record so far for which this tape is too small: one that even an empty tape may have no room for; 0: there was none.
 * Thread: any. Allocates: no. Blocks: no. */
uint64_t tape_refused_bytes(const struct tape *t);

/* Records that found no room since the start. Thread: any. Allocates: no. Blocks: no. */
uint64_t tape_dropped(const struct tape *t);

#endif
