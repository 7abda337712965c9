/* library_bytes.c - the model library inside the simulator, so that it need not be found anywhere; see model_files.h. */
#include "robots/sim/franka/model_files.h"

/* FRANKA_LIBRARY: its path, from the Makefile, which builds it first. */
__asm__(".section .rodata\n"
	".balign 16\n"
	"franka_library_size: .quad 1f - franka_library_first\n"
	"franka_library_first: .incbin \"" FRANKA_LIBRARY "\"\n"
	"1: .byte 0\n"
	".previous\n");

extern const uint64_t franka_library_size;
extern const uint8_t franka_library_first[];

const uint8_t *franka_library(size_t *n_bytes)
{
	*n_bytes = (size_t)franka_library_size;
	return franka_library_first;
}
