/* handover.h - the only three ways in which data crosses a thread boundary; what is written down has a fourth, tape.h.
 *
 *   latest   newest value wins, one writer, one reader, both wait-free; the caller owns `T slot[3]`
 *   board    newest value, one writer, many readers; the writer never waits, a reader may have to try again
 *   queue    every value in order, one writer, one reader; full means drop and count
 *
 * None of them takes a lock, allocates or blocks. Each instance names its writer and its reader in runtime.h.
 * Memory orders: the exchange in `latest` both releases the slot given away and acquires the one received. The
 * board's payload is atomic words between two fences, because a plain struct under a sequence lock is a data race
 * in C11. */
#ifndef DREAMVLA_DAEMON_SYS_HANDOVER_H
#define DREAMVLA_DAEMON_SYS_HANDOVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct latest {
	_Atomic uint32_t parked; /* slot index | LATEST_FRESH */
	uint32_t writing;        /* writer thread only */
	uint32_t reading;        /* reader thread only */
};

enum { LATEST_SLOTS = 3, LATEST_INDEX = 3, LATEST_FRESH = 4 };

static inline void latest_init(struct latest *l)
{
	l->writing = 0;
	l->reading = 2;
	atomic_init(&l->parked, 1u);
}

/* Writer: publishes slot[writing] and returns the slot to fill next. */
static inline uint32_t latest_publish(struct latest *l)
{
	uint32_t old = atomic_exchange_explicit(
			&l->parked, l->writing | LATEST_FRESH, memory_order_acq_rel);

	l->writing = old & LATEST_INDEX;
	return l->writing;
}

/* Reader: true if slot[reading] is newer than at the last call. */
static inline bool latest_refresh(struct latest *l)
{
	if (!(atomic_load_explicit(&l->parked, memory_order_relaxed) & LATEST_FRESH))
		return false;
	uint32_t old = atomic_exchange_explicit(&l->parked, l->reading, memory_order_acq_rel);

	l->reading = old & LATEST_INDEX;
	return true;
}

enum { BOARD_WORDS = 64 };

struct board {
	_Atomic uint32_t seq; /* odd while the writer is inside */
	_Atomic uint64_t word[BOARD_WORDS];
};

/* Writer. n <= BOARD_WORDS. */
static inline void board_write(struct board *b, const uint64_t *w, uint32_t n)
{
	uint32_t s = atomic_load_explicit(&b->seq, memory_order_relaxed);

	atomic_store_explicit(&b->seq, s + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (uint32_t i = 0; i < n; i++)
		atomic_store_explicit(&b->word[i], w[i], memory_order_relaxed);
	atomic_store_explicit(&b->seq, s + 2, memory_order_release);
}

/* Reader: false if the writer was inside; w is then garbage, try again. */
static inline bool board_read(struct board *b, uint64_t *w, uint32_t n)
{
	uint32_t s = atomic_load_explicit(&b->seq, memory_order_acquire);

	if (s & 1u)
		return false;
	for (uint32_t i = 0; i < n; i++)
		w[i] = atomic_load_explicit(&b->word[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&b->seq, memory_order_relaxed) == s;
}

/* Indices of a ring that the caller owns as `T slot[capacity]`; capacity is a power of two. */
struct queue {
	_Alignas(64) _Atomic uint32_t head; /* reader */
	_Alignas(64) _Atomic uint32_t tail; /* writer */
	_Atomic uint32_t dropped;
	uint32_t capacity;
};

static inline void queue_init(struct queue *q, uint32_t capacity)
{
	atomic_init(&q->head, 0u);
	atomic_init(&q->tail, 0u);
	atomic_init(&q->dropped, 0u);
	q->capacity = capacity;
}

/* Writer: index of the slot to fill, then queue_publish; or -1 and one more drop if the ring is full. */
static inline int queue_claim(struct queue *q)
{
	uint32_t t = atomic_load_explicit(&q->tail, memory_order_relaxed);

	if (t - atomic_load_explicit(&q->head, memory_order_acquire) == q->capacity) {
		atomic_fetch_add_explicit(&q->dropped, 1u, memory_order_relaxed);
		return -1;
	}
	return (int)(t & (q->capacity - 1));
}

static inline void queue_publish(struct queue *q)
{
	atomic_fetch_add_explicit(&q->tail, 1u, memory_order_release);
}

/* Reader: index of the oldest value, then queue_release; or -1 if the ring is empty. */
static inline int queue_front(struct queue *q)
{
	uint32_t h = atomic_load_explicit(&q->head, memory_order_relaxed);

	if (h == atomic_load_explicit(&q->tail, memory_order_acquire))
		return -1;
	return (int)(h & (q->capacity - 1));
}

static inline void queue_release(struct queue *q)
{
	atomic_fetch_add_explicit(&q->head, 1u, memory_order_release);
}

#endif
