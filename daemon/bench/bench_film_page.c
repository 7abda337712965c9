/* bench_film_page.c - the page of a film inside the program, so that it need not be found anywhere. */
#include "daemon/bench/bench_film.h"

#include <stdint.h>

__asm__(".section .rodata\n"
	".balign 16\n"
	"dreamvla_film_size: .quad 1f - dreamvla_film_first\n"
	"dreamvla_film_first: .incbin \"daemon/bench/film.html\"\n"
	"1: .byte 0\n"
	".previous\n");
extern const uint64_t dreamvla_film_size;
extern const char dreamvla_film_first[];

const char *film_page(size_t *n)
{
	*n = (size_t)dreamvla_film_size;
	return dreamvla_film_first;
}
