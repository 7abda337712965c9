/* bpe.c - see bpe.h. Symbols form a linked list over the bytes; candidates for merging wait in a heap, and those that
 * an earlier merge made void are recognised when they come up. */
#include "policy/bpe.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum { NOWHERE = -1, MERGED_AWAY = -1 };

/* A slot of the hash table; merged = MERGED_AWAY: empty. */
struct rule {
	int32_t left, right, merged;
	uint32_t rank;
};

struct symbol {
	int32_t id;                /* MERGED_AWAY: swallowed by the symbol before it */
	int32_t previous, next;    /* NOWHERE at the ends */
};

struct candidate {
	uint32_t rank;
	int32_t at;                /* position of the left symbol */
	int32_t left, right, merged;
};

struct bpe {
	int32_t byte_id[256];
	struct rule *rules;
	uint32_t n_slots;          /* a power of two, more than twice the number of rules */
	uint32_t n_rules, n_rules_max, n_bytes_max;
	struct symbol *symbols;
	struct candidate *heap;
	uint32_t n_heap;
};

int bpe_create(struct bpe **out, uint32_t n_merges, uint32_t piece_bytes_max, struct errbuf *e)
{
	struct bpe *b = calloc(1, sizeof *b);

	if (!b)
		return fail(e, -ENOMEM, "tokenizer: out of memory");
	for (b->n_slots = 4; b->n_slots / 2 <= n_merges; b->n_slots *= 2)
		;
	b->n_rules_max = n_merges;
	b->n_bytes_max = piece_bytes_max;
	b->rules = calloc(b->n_slots, sizeof b->rules[0]);
	b->symbols = calloc(piece_bytes_max, sizeof b->symbols[0]);
	b->heap = calloc(3 * (size_t)piece_bytes_max, sizeof b->heap[0]); /* n - 1 at first, at most two more a merge */
	if (!b->rules || !b->symbols || !b->heap) {
		bpe_destroy(b);
		return fail(e, -ENOMEM, "tokenizer: out of memory");
	}
	for (uint32_t i = 0; i < b->n_slots; i++)
		b->rules[i].merged = MERGED_AWAY;
	*out = b;
	return 0;
}

void bpe_destroy(struct bpe *b)
{
	if (!b)
		return;
	free(b->rules);
	free(b->symbols);
	free(b->heap);
	free(b);
}

void bpe_set_byte(struct bpe *b, uint8_t byte, int32_t id)
{
	b->byte_id[byte] = id;
}

/* The pair's slot, or the empty one where it belongs. */
static struct rule *find_slot(const struct bpe *b, int32_t left, int32_t right)
{
	uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
	uint32_t mask = b->n_slots - 1;
	uint32_t at = (uint32_t)(key * 0x9e3779b97f4a7c15u >> 32) & mask; /* Fibonacci hashing (Knuth, TAOCP 3, 6.4) */

	while (b->rules[at].merged != MERGED_AWAY && (b->rules[at].left != left || b->rules[at].right != right))
		at = (at + 1) & mask;
	return &b->rules[at];
}

int bpe_add_merge(struct bpe *b, int32_t left, int32_t right, int32_t merged)
{
	struct rule *slot = find_slot(b, left, right);

	assert(b->n_rules < b->n_rules_max);
	if (slot->merged != MERGED_AWAY)
		return -EEXIST;
	*slot = (struct rule){ left, right, merged, b->n_rules++ };
	return 0;
}

static bool comes_first(const struct candidate *a, const struct candidate *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct bpe *b, struct candidate c)
{
	uint32_t at = b->n_heap++;

	for (; at > 0 && comes_first(&c, &b->heap[(at - 1) / 2]); at = (at - 1) / 2)
		b->heap[at] = b->heap[(at - 1) / 2];
	b->heap[at] = c;
}

static struct candidate heap_pop(struct bpe *b)
{
	struct candidate first = b->heap[0], last = b->heap[--b->n_heap];
	uint32_t at = 0;

	for (uint32_t child; (child = 2 * at + 1) < b->n_heap; at = child) {
		if (child + 1 < b->n_heap && comes_first(&b->heap[child + 1], &b->heap[child]))
			child++;
		if (!comes_first(&b->heap[child], &last))
			break;
		b->heap[at] = b->heap[child];
	}
	b->heap[at] = last;
	return first;
}

/* Notes the symbol at `at` and its right neighbour when there is a rule for them. */
static void consider(struct bpe *b, int32_t at)
{
	const struct symbol *left, *right;
	const struct rule *r;

	if (at == NOWHERE || b->symbols[at].next == NOWHERE)
		return;
	left = &b->symbols[at];
	right = &b->symbols[left->next];
	r = find_slot(b, left->id, right->id);
	if (r->merged != MERGED_AWAY)
		heap_push(b, (struct candidate){ r->rank, at, left->id, right->id, r->merged });
}

static void merge(struct bpe *b, const struct candidate *c)
{
	struct symbol *left = &b->symbols[c->at], *right;

	if (left->id != c->left || left->next == NOWHERE || b->symbols[left->next].id != c->right)
		return;
	right = &b->symbols[left->next];
	left->id = c->merged;
	right->id = MERGED_AWAY;
	left->next = right->next;
	if (left->next != NOWHERE)
		b->symbols[left->next].previous = c->at;
	consider(b, left->previous);
	consider(b, c->at);
}

uint32_t bpe_encode(struct bpe *b, const uint8_t *bytes, uint32_t n_bytes, int32_t *ids, uint32_t capacity)
{
	int32_t last = (int32_t)n_bytes - 1;
	uint32_t n = 0;

	assert(n_bytes >= 1 && n_bytes <= b->n_bytes_max);
	for (int32_t i = 0; i <= last; i++)
		b->symbols[i] = (struct symbol){ b->byte_id[bytes[i]], i - 1, i < last ? i + 1 : NOWHERE };
	b->n_heap = 0;
	for (int32_t i = 0; i < last; i++)
		consider(b, i);
	while (b->n_heap > 0) {
		struct candidate c = heap_pop(b);

		merge(b, &c);
	}
	for (int32_t i = 0; i != NOWHERE; i = b->symbols[i].next, n++)
		if (n < capacity)
			ids[n] = b->symbols[i].id;
	return n;
}
