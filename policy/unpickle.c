/* unpickle.c - see unpickle.h. */
#include "policy/unpickle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/pickle_names.h"

enum {
	PICKLE_BYTES_MAX = 1 << 20,
	STACK_MAX = 16384,         /* torch.save sets at most 1,000 items at once */
	MEMO_MAX = 65536,
	PROTOCOL_MAX = 2,
	REBUILD_ARGUMENTS_MIN = 6, /* storage, offset, size, stride, requires_grad, hooks[, metadata] */
	PARAMETER_ARGUMENTS = 3,   /* tensor, requires_grad, hooks */
	NAME_SHOWN_MAX = 80,       /* bytes of the file's own names in messages */
	TEXT_BYTES = 512,
	PERSISTENT_ITEMS = 5,      /* "storage", storage type, key, location, number of elements */
};

enum value_kind {
	VALUE_NOTHING,
	VALUE_MARK,
	VALUE_NONE,
	VALUE_TRUTH,
	VALUE_INTEGER,
	VALUE_TEXT,
	VALUE_GLOBAL,
	VALUE_TUPLE,
	VALUE_STORAGE,
	VALUE_DICT,
	VALUE_TENSOR
};

/* Anything that the stack holds. */
struct value {
	enum value_kind kind;
	uint32_t index;            /* TUPLE, STORAGE: first of its items; DICT, TENSOR: its number */
	uint32_t n;                /* TEXT: bytes; TUPLE, STORAGE: items */
	union {
		int64_t integer;   /* INTEGER, TRUTH */
		const char *text;  /* TEXT */
		const struct pickle_global *global;
	};
};

struct entry {
	uint32_t dict;
	struct value key, value;
};

struct machine {
	const char *path;
	const uint8_t *pickle;
	size_t n_bytes, at;
	size_t opcode_at;          /* where the present instruction began */
	bool stopped;
	struct value *stack, *memo, *items;
	uint32_t n_stack, n_items, n_dicts, n_entries, n_tensors;
	struct entry *entries;
	struct pickled_tensor *tensors;
};

/* Bytes of a name that a message shows. */
static int shown(size_t n_bytes)
{
	return (int)(n_bytes < NAME_SHOWN_MAX ? n_bytes : NAME_SHOWN_MAX);
}

/* The key of the outermost dictionary whose value is being made, or NULL. Keys and values alternate above that dictionary (and its
 * mark); a global or a mark where a value should be is the beginning of one. */
static const struct value *open_entry(const struct machine *m)
{
	uint32_t i = m->n_stack > 1 && m->stack[1].kind == VALUE_MARK ? 2 : 1;

	for (; i + 1 < m->n_stack; i += 2) {
		enum value_kind kind = m->stack[i + 1].kind, next = i + 2 < m->n_stack ? m->stack[i + 2].kind : VALUE_NOTHING;

		if (kind == VALUE_GLOBAL || kind == VALUE_MARK || (kind == VALUE_DICT && next == VALUE_MARK))
			break;
	}
	return i < m->n_stack && m->stack[0].kind == VALUE_DICT && m->stack[i].kind == VALUE_TEXT ? &m->stack[i] : NULL;
}

PRINTF_LIKE(4, 5) static int refuse(const struct machine *m, int code, struct errbuf *e, const char *format, ...)
{
	const struct value *key = open_entry(m);
	char what[TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	return fail(e, code, "%s: pickle, byte %zu%s%.*s: %s", m->path, m->opcode_at, key ? ", entry " : "",
			key ? shown(key->n) : 0, key ? key->text : "", what);
}

static int malformed(const struct machine *m, const char *what, struct errbuf *e)
{
	return refuse(m, -EINVAL, e, "%s", what);
}

/* The next n bytes of the program, or NULL at its end. */
static const uint8_t *take(struct machine *m, size_t n)
{
	const uint8_t *p = m->pickle + m->at;

	if (n > m->n_bytes - m->at)
		return NULL;
	m->at += n;
	return p;
}

/* Little-endian argument of n bytes. */
static int take_number(struct machine *m, size_t n, uint64_t *out, struct errbuf *e)
{
	const uint8_t *p = take(m, n);

	*out = 0;
	if (!p)
		return malformed(m, "truncated", e);
	for (size_t i = n; i-- > 0;)
		*out = *out << 8 | p[i];
	return 0;
}

static int push(struct machine *m, struct value v, struct errbuf *e)
{
	if (m->n_stack == STACK_MAX)
		return malformed(m, "too many values at once", e);
	m->stack[m->n_stack++] = v;
	return 0;
}

/* Pops a value that must be of that kind. */
static int pop(struct machine *m, enum value_kind kind, struct value *out, struct errbuf *e)
{
	*out = (struct value){ 0 };
	if (m->n_stack == 0 || m->stack[m->n_stack - 1].kind != kind)
		return malformed(m, "not what a dictionary of tensors needs here", e);
	*out = m->stack[--m->n_stack];
	return 0;
}

/* Number of values above the topmost mark, which stays below them. */
static int count_to_mark(const struct machine *m, uint32_t *n, struct errbuf *e)
{
	for (uint32_t i = m->n_stack; i-- > 0;)
		if (m->stack[i].kind == VALUE_MARK) {
			*n = m->n_stack - i - 1;
			return 0;
		}
	return malformed(m, "no mark on the stack", e);
}

/* -- instructions: each is entered with m->at behind its opcode ------------------------------------------------- */

static int run_proto(struct machine *m, struct errbuf *e)
{
	uint64_t protocol;
	int rc = take_number(m, 1, &protocol, e);

	if (rc == 0 && protocol > PROTOCOL_MAX)
		return refuse(m, -ENOTSUP, e, "pickle protocol %u, want at most %d; save it with torch.save's default protocol",
				(unsigned)protocol, PROTOCOL_MAX);
	return rc;
}

static int run_stop(struct machine *m, struct errbuf *e)
{
	(void)e;
	m->stopped = true;
	return 0;
}

static int run_mark(struct machine *m, struct errbuf *e)
{
	return push(m, (struct value){ .kind = VALUE_MARK }, e);
}

static int run_none(struct machine *m, struct errbuf *e)
{
	return push(m, (struct value){ .kind = VALUE_NONE }, e);
}

static int run_true(struct machine *m, struct errbuf *e)
{
	return push(m, (struct value){ .kind = VALUE_TRUTH, .integer = 1 }, e);
}

static int run_false(struct machine *m, struct errbuf *e)
{
	return push(m, (struct value){ .kind = VALUE_TRUTH }, e);
}

static int push_integer(struct machine *m, size_t n_bytes, struct errbuf *e)
{
	uint64_t number;
	int rc = take_number(m, n_bytes, &number, e);

	return rc < 0 ? rc : push(m, (struct value){ .kind = VALUE_INTEGER, .integer = (int64_t)number }, e);
}

static int run_integer4(struct machine *m, struct errbuf *e)
{
	uint64_t number;
	int rc = take_number(m, 4, &number, e);

	return rc < 0 ? rc : push(m, (struct value){ .kind = VALUE_INTEGER, .integer = (int32_t)(uint32_t)number }, e);
}

/* LONG1: two's complement of 0 to 255 bytes. Eight hold every size; no tensor needs a negative one. */
static int run_long1(struct machine *m, struct errbuf *e)
{
	uint64_t n_bytes, number;
	int rc = take_number(m, 1, &n_bytes, e);

	if (rc < 0)
		return rc;
	if (n_bytes > 8)
		return malformed(m, "a number of more than 64 bits", e);
	if ((rc = take_number(m, n_bytes, &number, e)) < 0)
		return rc;
	if (n_bytes > 0 && n_bytes < 8 && number >> (8 * n_bytes - 1))
		return malformed(m, "a negative number", e);
	return push(m, (struct value){ .kind = VALUE_INTEGER, .integer = (int64_t)number }, e);
}

static int run_text(struct machine *m, struct errbuf *e)
{
	uint64_t n_bytes;
	const uint8_t *text;
	int rc = take_number(m, 4, &n_bytes, e);

	if (rc < 0)
		return rc;
	text = take(m, n_bytes);
	if (!text)
		return malformed(m, "truncated text", e);
	return push(m, (struct value){ .kind = VALUE_TEXT, .n = (uint32_t)n_bytes, .text = (const char *)text }, e);
}

/* "module\nname\n" */
static int run_global(struct machine *m, struct errbuf *e)
{
	const uint8_t *first = m->pickle + m->at, *split, *end;
	size_t n_left = m->n_bytes - m->at;

	split = memchr(first, '\n', n_left);
	end = split ? memchr(split + 1, '\n', n_left - (size_t)(split + 1 - first)) : NULL;
	if (!end)
		return malformed(m, "truncated global", e);
	m->at += (size_t)(end - first) + 1;
	const struct pickle_global *global = pickle_global_find((const char *)first, (size_t)(end - first));

	if (global)
		return push(m, (struct value){ .kind = VALUE_GLOBAL, .global = global }, e);
	return refuse(m, -ENOTSUP, e,
			"global %.*s.%.*s is not that of a dictionary of BF16, F16 or F32 tensors; save the state_dict only",
			shown((size_t)(split - first)), (const char *)first, shown((size_t)(end - split - 1)), (const char *)split + 1);
}

static int store(struct machine *m, size_t n_bytes, struct errbuf *e)
{
	uint64_t slot;
	int rc = take_number(m, n_bytes, &slot, e);

	if (rc < 0)
		return rc;
	if (slot >= MEMO_MAX || m->n_stack == 0 || m->stack[m->n_stack - 1].kind == VALUE_MARK)
		return malformed(m, "cannot remember this value", e);
	m->memo[slot] = m->stack[m->n_stack - 1];
	return 0;
}

static int recall(struct machine *m, size_t n_bytes, struct errbuf *e)
{
	uint64_t slot;
	int rc = take_number(m, n_bytes, &slot, e);

	if (rc < 0)
		return rc;
	if (slot >= MEMO_MAX || m->memo[slot].kind == VALUE_NOTHING)
		return malformed(m, "nothing was remembered under this number", e);
	return push(m, m->memo[slot], e);
}

/* Moves the top n values, and the mark below them, into a tuple. `items` has room: every item was pushed by at least one byte of the program and
 * leaves the stack here. */
static int make_tuple(struct machine *m, uint32_t n, bool marked, struct errbuf *e)
{
	struct value tuple = { .kind = VALUE_TUPLE, .index = m->n_items, .n = n };

	if (n > m->n_stack)
		return malformed(m, "too few values for a tuple", e);
	memcpy(m->items + m->n_items, m->stack + m->n_stack - n, n * sizeof m->items[0]);
	m->n_items += n;
	m->n_stack -= n + (marked ? 1 : 0);
	return push(m, tuple, e);
}

static int make_small_tuple(struct machine *m, size_t n, struct errbuf *e)
{
	return make_tuple(m, (uint32_t)n, false, e);
}

static int run_tuple(struct machine *m, struct errbuf *e)
{
	uint32_t n = 0;
	int rc = count_to_mark(m, &n, e);

	return rc < 0 ? rc : make_tuple(m, n, true, e);
}

static int run_dict(struct machine *m, struct errbuf *e)
{
	return push(m, (struct value){ .kind = VALUE_DICT, .index = m->n_dicts++ }, e);
}

/* The n values above the dictionary are key, value, key, value... */
static int set_items(struct machine *m, uint32_t n, bool marked, struct errbuf *e)
{
	uint32_t first = m->n_stack - n, below = n + (marked ? 1 : 0);

	if (n > m->n_stack || below >= m->n_stack || n % 2 != 0 || m->stack[m->n_stack - below - 1].kind != VALUE_DICT)
		return malformed(m, "items are set on something that is no dictionary", e);
	for (uint32_t i = first; i < first + n; i += 2)
		m->entries[m->n_entries++] =
				(struct entry){ m->stack[m->n_stack - below - 1].index, m->stack[i], m->stack[i + 1] };
	m->n_stack -= below;
	return 0;
}

static int run_set_item(struct machine *m, struct errbuf *e)
{
	return set_items(m, 2, false, e);
}

static int run_set_items(struct machine *m, struct errbuf *e)
{
	uint32_t n = 0;
	int rc = count_to_mark(m, &n, e);

	return rc < 0 ? rc : set_items(m, n, true, e);
}

/* ("storage", storage type, key, location, number of elements) stands for a storage. */
static int run_persistent(struct machine *m, struct errbuf *e)
{
	struct value tuple;
	const struct value *item;
	int rc = pop(m, VALUE_TUPLE, &tuple, e);

	if (rc < 0)
		return rc;
	item = m->items + tuple.index;
	if (tuple.n != PERSISTENT_ITEMS || item[0].kind != VALUE_TEXT || item[0].n != 7 ||
			memcmp(item[0].text, "storage", 7) != 0 || item[1].kind != VALUE_GLOBAL ||
			item[1].global->kind != PICKLE_STORAGE || item[2].kind != VALUE_TEXT ||
			item[4].kind != VALUE_INTEGER || item[4].integer < 0)
		return malformed(m, "a persistent id that is no storage", e);
	tuple.kind = VALUE_STORAGE;
	return push(m, tuple, e);
}

/* Tuple of non-negative integers -> numbers[TENSOR_RANK_MAX]. */
static bool read_sizes(const struct machine *m, const struct value *tuple, uint64_t *numbers)
{
	if (tuple->kind != VALUE_TUPLE || tuple->n > TENSOR_RANK_MAX)
		return false;
	for (uint32_t i = 0; i < tuple->n; i++) {
		const struct value *item = &m->items[tuple->index + i];

		if (item->kind != VALUE_INTEGER || item->integer < 0)
			return false;
		numbers[i] = (uint64_t)item->integer;
	}
	return true;
}

/* Since torch 1.11 a seventh argument may say that the bytes stand for their negative or conjugate. */
static bool has_metadata(const struct machine *m, const struct value *a, uint32_t n)
{
	if (n == REBUILD_ARGUMENTS_MIN)
		return false;
	if (a[REBUILD_ARGUMENTS_MIN].kind != VALUE_DICT)
		return true;
	for (uint32_t i = 0; i < m->n_entries; i++)
		if (m->entries[i].dict == a[REBUILD_ARGUMENTS_MIN].index)
			return true;
	return false;
}

static int rebuild_tensor(struct machine *m, const struct value *arguments, struct errbuf *e)
{
	const struct value *a = m->items + arguments->index, *storage;
	struct pickled_tensor t = { 0 };

	if (arguments->n >= REBUILD_ARGUMENTS_MIN && a[2].kind == VALUE_TUPLE && a[2].n > TENSOR_RANK_MAX)
		return refuse(m, -ENOTSUP, e, "a tensor of %u dimensions, want at most %d", a[2].n, TENSOR_RANK_MAX);
	if (arguments->n < REBUILD_ARGUMENTS_MIN || a[0].kind != VALUE_STORAGE || a[1].kind != VALUE_INTEGER ||
			a[1].integer < 0 || !read_sizes(m, &a[2], t.shape) || !read_sizes(m, &a[3], t.stride) ||
			a[2].n != a[3].n)
		return malformed(m, "arguments of _rebuild_tensor_v2 that are no tensor", e);
	if (has_metadata(m, a, arguments->n))
		return refuse(m, -ENOTSUP, e, "a tensor with metadata, as a negative or conjugate view has; "
				"call .resolve_neg().resolve_conj() before torch.save");
	storage = m->items + a[0].index;
	t.storage = storage[2].text;
	t.storage_bytes = storage[2].n;
	t.type = storage[1].global->type;
	t.unusable = storage[1].global->unusable;
	t.n_elements = (uint64_t)storage[4].integer;
	t.offset = (uint64_t)a[1].integer;
	t.rank = a[2].n;
	m->tensors[m->n_tensors] = t;
	return push(m, (struct value){ .kind = VALUE_TENSOR, .index = m->n_tensors++ }, e);
}

/* A parameter is (tensor, requires_grad, hooks). */
static int rebuild_parameter(struct machine *m, const struct value *arguments, struct errbuf *e)
{
	if (arguments->n != PARAMETER_ARGUMENTS || m->items[arguments->index].kind != VALUE_TENSOR)
		return malformed(m, "arguments of _rebuild_parameter that are no tensor", e);
	return push(m, m->items[arguments->index], e);
}

static int run_reduce(struct machine *m, struct errbuf *e)
{
	struct value arguments, callable;
	int rc = pop(m, VALUE_TUPLE, &arguments, e);

	if (rc < 0 || (rc = pop(m, VALUE_GLOBAL, &callable, e)) < 0)
		return rc;
	switch (callable.global->kind) {
	case PICKLE_ORDERED_DICT:
		return arguments.n == 0 ? run_dict(m, e) : malformed(m, "a call that makes no tensor", e);
	case PICKLE_REBUILD_TENSOR: return rebuild_tensor(m, &arguments, e);
	case PICKLE_REBUILD_PARAMETER: return rebuild_parameter(m, &arguments, e);
	case PICKLE_STORAGE: break;
	}
	return malformed(m, "a call that makes no tensor", e);
}

/* A module's state_dict carries its _metadata as state of the dictionary: of no use here. */
static int run_build(struct machine *m, struct errbuf *e)
{
	struct value state;
	int rc = pop(m, VALUE_DICT, &state, e);

	if (rc == 0 && (m->n_stack == 0 || m->stack[m->n_stack - 1].kind != VALUE_DICT))
		return malformed(m, "state is set on something that is no dictionary", e);
	return rc;
}

static int (*const instructions[256])(struct machine *m, struct errbuf *e) = {
	[0x80] = run_proto, ['.'] = run_stop, ['('] = run_mark, ['N'] = run_none, [0x88] = run_true, [0x89] = run_false,
	['J'] = run_integer4, [0x8a] = run_long1, ['X'] = run_text, ['c'] = run_global, ['t'] = run_tuple, ['}'] = run_dict,
	['s'] = run_set_item, ['u'] = run_set_items, ['Q'] = run_persistent, ['R'] = run_reduce, ['b'] = run_build,
};

/* Those that come in sizes: bytes of their argument, or values of the tuple. */
static const struct {
	int (*run)(struct machine *m, size_t n, struct errbuf *e);
	size_t n;
} sized[256] = {
	['K'] = { push_integer, 1 }, ['M'] = { push_integer, 2 }, ['q'] = { store, 1 }, ['r'] = { store, 4 },
	['h'] = { recall, 1 }, ['j'] = { recall, 4 }, [')'] = { make_small_tuple, 0 }, [0x85] = { make_small_tuple, 1 },
	[0x86] = { make_small_tuple, 2 }, [0x87] = { make_small_tuple, 3 },
};

static int step(struct machine *m, struct errbuf *e)
{
	const uint8_t *opcode;

	m->opcode_at = m->at;
	opcode = take(m, 1);
	if (!opcode)
		return malformed(m, "truncated: it has no end", e);
	if (sized[*opcode].run)
		return sized[*opcode].run(m, sized[*opcode].n, e);
	if (instructions[*opcode])
		return instructions[*opcode](m, e);
	return refuse(m, -ENOTSUP, e, "opcode 0x%02x (%s) is not that of a dictionary of tensors; save the state_dict only", *opcode,
			pickle_opcode_name(*opcode));
}

static int run(struct machine *m, struct errbuf *e)
{
	int rc = 0;

	while (rc == 0 && !m->stopped)
		rc = step(m, e);
	return rc;
}

static const char *kind_name(enum value_kind kind)
{
	switch (kind) {
	case VALUE_NONE: return "None";
	case VALUE_TRUTH: return "a truth value";
	case VALUE_INTEGER: return "a number";
	case VALUE_TEXT: return "a text";
	case VALUE_TUPLE: return "a tuple";
	case VALUE_DICT: return "a dictionary of its own";
	case VALUE_TENSOR: return "a tensor";
	default: return "no value";
	}
}

static int check_entry(const struct machine *m, const struct entry *entry, struct errbuf *e)
{
	const struct value *key = &entry->key;

	if (key->kind != VALUE_TEXT)
		return fail(e, -EINVAL, "%s: a key of the dictionary is no text but %s", m->path, kind_name(key->kind));
	if (entry->value.kind != VALUE_TENSOR)
		return fail(e, -EINVAL, "%s: entry %.*s is no tensor but %s; save the state_dict of the head alone", m->path,
				shown(key->n), key->text, kind_name(entry->value.kind));
	if (m->tensors[entry->value.index].unusable)
		return fail(e, -ENOTSUP, "%s: tensor %.*s: found type %s, want BF16, F16 or F32; convert it before torch.save", m->path,
				shown(key->n), key->text, m->tensors[entry->value.index].unusable);
	return 0;
}

/* What the program left on the stack must be one dictionary whose values are all tensors. */
static int collect(struct machine *m, struct pickled_tensor *out, uint32_t *n_out, struct errbuf *e)
{
	uint32_t n = 0;

	if (m->n_stack != 1 || m->stack[0].kind != VALUE_DICT)
		return refuse(m, -EINVAL, e, "the result is no dictionary of tensors but %s",
				m->n_stack == 1 ? kind_name(m->stack[0].kind) : "not one value");
	for (uint32_t i = 0; i < m->n_entries; i++) {
		const struct entry *entry = &m->entries[i];
		int rc;

		if (entry->dict != m->stack[0].index)
			continue;
		if ((rc = check_entry(m, entry, e)) < 0)
			return rc;
		out[n] = m->tensors[entry->value.index];
		out[n].name = entry->key.text;
		out[n++].name_bytes = entry->key.n;
	}
	*n_out = n;
	return 0;
}

/* Every value, entry and tensor costs the program at least one byte: n_bytes of each is enough. */
static bool allocate(struct machine *m)
{
	m->stack = calloc(STACK_MAX, sizeof m->stack[0]);
	m->memo = calloc(MEMO_MAX, sizeof m->memo[0]);
	m->items = calloc(m->n_bytes, sizeof m->items[0]);
	m->entries = calloc(m->n_bytes, sizeof m->entries[0]);
	m->tensors = calloc(m->n_bytes, sizeof m->tensors[0]);
	return m->stack && m->memo && m->items && m->entries && m->tensors;
}

int unpickle_tensors(struct pickled_tensor **out, uint32_t *n_out, const char *path, const uint8_t *pickle,
		size_t n_bytes, struct errbuf *e)
{
	struct machine m = { .path = path, .pickle = pickle, .n_bytes = n_bytes };
	struct pickled_tensor *found = NULL;
	int rc;

	if (n_bytes == 0 || n_bytes > PICKLE_BYTES_MAX)
		return fail(e, -EINVAL, "%s: its pickle has %zu bytes, want 1..%d", path, n_bytes, PICKLE_BYTES_MAX);
	if (!allocate(&m))
		rc = fail(e, -ENOMEM, "%s: out of memory", path);
	else
		rc = run(&m, e);
	if (rc == 0 && !(found = calloc((size_t)m.n_entries + 1, sizeof *found)))
		rc = fail(e, -ENOMEM, "%s: out of memory", path);
	if (rc == 0 && (rc = collect(&m, found, n_out, e)) == 0)
		*out = found;
	else
		free(found);
	free(m.stack);
	free(m.memo);
	free(m.items);
	free(m.entries);
	free(m.tensors);
	return rc;
}
