/* library_bytes.c - the model libraries inside the simulator, so that they need not be found anywhere; see model_files.h. */
#include "robots/sim/franka/model_files.h"

#define TEXT(macro) TEXT_OF(macro)
#define TEXT_OF(text) #text

/* FRANKA_LIBRARIES: what their paths begin with, from the Makefile, which builds them first. One larger than FRANKA_LIBRARY_BYTES_MAX
 * ends in an .org that goes backwards, which no assembler takes; clang's cannot count in an .if when a sanitizer reads along. */
#define LIBRARY(name) \
	__asm__(".section .rodata\n" \
		".balign 16\n" \
		"franka_library_" #name "_size: .quad 1f - franka_library_" #name "_first\n" \
		"franka_library_" #name "_first: .incbin \"" FRANKA_LIBRARIES #name ".so\"\n" \
		"1: .byte 0\n" \
		".org franka_library_" #name "_first + " TEXT(FRANKA_LIBRARY_BYTES_MAX) " + 1\n" \
		".previous\n"); \
	extern const uint64_t franka_library_##name##_size; \
	extern const uint8_t franka_library_##name##_first[];

LIBRARY(panda)
LIBRARY(fr3)

const uint8_t *franka_library(uint32_t version, size_t *n_bytes)
{
	bool panda = version < 6;

	*n_bytes = (size_t)(panda ? franka_library_panda_size : franka_library_fr3_size);
	return panda ? franka_library_panda_first : franka_library_fr3_first;
}
