/* pickle_names.c - see pickle_names.h. */
#include "policy/pickle_names.h"

#include <string.h>

#define UNUSABLE(name, type) { "torch\n" name, PICKLE_STORAGE, TENSOR_F32, type }

static const struct pickle_global globals[] = {
	{ "collections\nOrderedDict", PICKLE_ORDERED_DICT, TENSOR_F32, NULL },
	{ "torch._utils\n_rebuild_tensor_v2", PICKLE_REBUILD_TENSOR, TENSOR_F32, NULL },
	{ "torch._utils\n_rebuild_parameter", PICKLE_REBUILD_PARAMETER, TENSOR_F32, NULL },
	{ "torch\nFloatStorage", PICKLE_STORAGE, TENSOR_F32, NULL },
	{ "torch\nBFloat16Storage", PICKLE_STORAGE, TENSOR_BF16, NULL },
	{ "torch\nHalfStorage", PICKLE_STORAGE, TENSOR_F16, NULL },
	/* so that the message can name the tensor, which comes behind its storage */
	UNUSABLE("DoubleStorage", "float64"), UNUSABLE("LongStorage", "int64"), UNUSABLE("IntStorage", "int32"),
	UNUSABLE("ShortStorage", "int16"), UNUSABLE("CharStorage", "int8"), UNUSABLE("ByteStorage", "uint8"),
	UNUSABLE("BoolStorage", "bool"), UNUSABLE("ComplexFloatStorage", "complex64"),
	UNUSABLE("ComplexDoubleStorage", "complex128"),
};

/* The opcodes that `unpickle.c` does not carry out; those that it does need no name in a message. */
static const char *const opcodes[256] = {
	['0'] = "POP", ['1'] = "POP_MARK", ['2'] = "DUP", ['F'] = "FLOAT", ['G'] = "BINFLOAT", ['I'] = "INT", ['L'] = "LONG",
	['P'] = "PERSID", ['S'] = "STRING", ['T'] = "BINSTRING", ['U'] = "SHORT_BINSTRING", ['V'] = "UNICODE", ['B'] = "BINBYTES",
	['C'] = "SHORT_BINBYTES", [']'] = "EMPTY_LIST", ['a'] = "APPEND", ['e'] = "APPENDS", ['l'] = "LIST", ['d'] = "DICT",
	['g'] = "GET", ['i'] = "INST", ['o'] = "OBJ", ['p'] = "PUT", [0x81] = "NEWOBJ", [0x82] = "EXT1", [0x83] = "EXT2",
	[0x84] = "EXT4", [0x8b] = "LONG4", [0x8c] = "SHORT_BINUNICODE", [0x8d] = "BINUNICODE8", [0x8e] = "BINBYTES8",
	[0x8f] = "EMPTY_SET", [0x90] = "ADDITEMS", [0x91] = "FROZENSET", [0x92] = "NEWOBJ_EX", [0x93] = "STACK_GLOBAL",
	[0x94] = "MEMOIZE", [0x95] = "FRAME", [0x96] = "BYTEARRAY8", [0x97] = "NEXT_BUFFER", [0x98] = "READONLY_BUFFER",
};

const struct pickle_global *pickle_global_find(const char *name, size_t name_bytes)
{
	for (size_t i = 0; i < sizeof globals / sizeof globals[0]; i++)
		if (strlen(globals[i].name) == name_bytes && memcmp(globals[i].name, name, name_bytes) == 0)
			return &globals[i];
	return NULL;
}

const char *pickle_opcode_name(uint8_t opcode)
{
	return opcodes[opcode] ? opcodes[opcode] : "unknown";
}
