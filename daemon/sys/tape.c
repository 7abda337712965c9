/* tape.c - see tape.h. Positions count bytes since the start and never wrap in 64 bits; a position modulo the size is the place in
 * memory. A record that would not fit before the end of the memory starts at its beginning; a header of kind 0 fills the gap. */
#include "daemon/sys/tape.h"

#include <stddef.h>

enum { KIND_GAP = 0 };

_Static_assert(sizeof(struct tape_record) == TAPE_ALIGN_BYTES, "a header fits wherever a record may begin");

static uint64_t whole_bytes(uint32_t payload_bytes)
{
	uint64_t n = sizeof(struct tape_record) + (uint64_t)payload_bytes;

	return (n + TAPE_ALIGN_BYTES - 1) / TAPE_ALIGN_BYTES * TAPE_ALIGN_BYTES;
}

static struct tape_record *at(const struct tape *t, uint64_t position)
{
	return (struct tape_record *)(void *)(t->memory + position % t->size_bytes);
}

void tape_init(struct tape *t, void *memory, uint64_t n_bytes)
{
	t->memory = memory;
	t->size_bytes = n_bytes / TAPE_ALIGN_BYTES * TAPE_ALIGN_BYTES;
	t->claimed_bytes = 0;
	atomic_init(&t->head, 0u);
	atomic_init(&t->tail, 0u);
	atomic_init(&t->wanted, 0u);
	atomic_init(&t->dropped, 0u);
	atomic_init(&t->refused_bytes, 0u);
}

void tape_want(struct tape *t, uint64_t kinds)
{
	atomic_store_explicit(&t->wanted, kinds & ~UINT64_C(1), memory_order_relaxed);
}

/* Bytes to leave empty so that `need` bytes lie in one piece. */
static uint64_t gap_before(const struct tape *t, uint64_t tail, uint64_t need)
{
	uint64_t left = t->size_bytes - tail % t->size_bytes;

	return need <= left ? 0 : left;
}

bool tape_is_crowded(const struct tape *t, uint32_t n_bytes)
{
	uint64_t tail = atomic_load_explicit(&t->tail, memory_order_relaxed), need = whole_bytes(n_bytes);
	uint64_t used = tail - atomic_load_explicit(&t->head, memory_order_acquire);

	return need <= t->size_bytes / 2 && gap_before(t, tail, need) + need > t->size_bytes - used;
}

static void *drop(struct tape *t, uint64_t need)
{
	atomic_store_explicit(&t->dropped, atomic_load_explicit(&t->dropped, memory_order_relaxed) + 1, memory_order_relaxed);
	if (need > t->size_bytes / 2 && need > atomic_load_explicit(&t->refused_bytes, memory_order_relaxed))
		atomic_store_explicit(&t->refused_bytes, need, memory_order_relaxed);
	return NULL;
}

void *tape_claim(struct tape *t, uint16_t kind, uint32_t n_bytes, int64_t t_ns)
{
	uint64_t tail, used, need, gap;
	struct tape_record *r;

	if (!tape_wants(t, kind))
		return NULL;
	tail = atomic_load_explicit(&t->tail, memory_order_relaxed);
	used = tail - atomic_load_explicit(&t->head, memory_order_acquire);
	need = whole_bytes(n_bytes);
	gap = need <= t->size_bytes ? gap_before(t, tail, need) : 0;
	if (gap + need > t->size_bytes - used)
		return drop(t, need);
	if (gap > 0)
		*at(t, tail) = (struct tape_record){ .kind = KIND_GAP };
	r = at(t, tail + gap);
	*r = (struct tape_record){ .n_bytes = n_bytes, .kind = kind, .t_ns = t_ns };
	t->claimed_bytes = gap + need;
	return r + 1;
}

void tape_publish(struct tape *t)
{
	uint64_t tail = atomic_load_explicit(&t->tail, memory_order_relaxed);

	atomic_store_explicit(&t->tail, tail + t->claimed_bytes, memory_order_release);
	t->claimed_bytes = 0;
}

/* A gap is published together with the record behind it, so behind a gap there is always one. */
const void *tape_front(struct tape *t, struct tape_record *r)
{
	uint64_t head = atomic_load_explicit(&t->head, memory_order_relaxed);

	if (head == atomic_load_explicit(&t->tail, memory_order_acquire))
		return NULL;
	if (at(t, head)->kind == KIND_GAP) {
		head += t->size_bytes - head % t->size_bytes;
		atomic_store_explicit(&t->head, head, memory_order_release);
	}
	*r = *at(t, head);
	return at(t, head) + 1;
}

void tape_release(struct tape *t)
{
	uint64_t head = atomic_load_explicit(&t->head, memory_order_relaxed);

	atomic_store_explicit(&t->head, head + whole_bytes(at(t, head)->n_bytes), memory_order_release);
}

uint64_t tape_refused_bytes(const struct tape *t)
{
	return atomic_load_explicit(&t->refused_bytes, memory_order_relaxed);
}

uint64_t tape_dropped(const struct tape *t)
{
	return atomic_load_explicit(&t->dropped, memory_order_relaxed);
}
