/* pickle_names.h - the names that a pickle may use, and those of its opcodes for messages. */
#ifndef DREAMVLA_POLICY_PICKLE_NAMES_H
#define DREAMVLA_POLICY_PICKLE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "policy/tensor.h"

enum pickle_global_kind {
	PICKLE_ORDERED_DICT,
	PICKLE_REBUILD_TENSOR,
	PICKLE_REBUILD_PARAMETER,
	PICKLE_STORAGE,
};

/* A global that the dictionary of a head may name. */
struct pickle_global {
	const char *name;          /* module, newline, name */
	enum pickle_global_kind kind;
	enum tensor_type type;     /* PICKLE_STORAGE */
	const char *unusable;      /* PICKLE_STORAGE of a type that no head has: its name; else NULL */
};

/* The global of this name (as it stands in the pickle: module, newline, name), or NULL. Thread: any. Allocates: no. Blocks: no. */
const struct pickle_global *pickle_global_find(const char *name, size_t name_bytes);

/* As CPython's pickletools spells it; "unknown" when no version has it. Thread: any. Allocates: no. Blocks: no. */
const char *pickle_opcode_name(uint8_t opcode);

#endif
