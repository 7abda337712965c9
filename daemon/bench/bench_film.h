/* bench_film.h - a recording as one file that a browser plays, without a network: the cameras' pictures, and below them what the policy was
 * told, the mode and who drove, chunks, marks, and where the hand was. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_FILM_H
#define DREAMVLA_DAEMON_BENCH_BENCH_FILM_H

#include <stddef.h>

#include "daemon/bench/bench_demo.h"
#include "daemon/sys/error.h"

struct film_options {
	const char *recording;        /* MCAP of dreamvlad, with pictures (record.cameras) */
	const char *path;             /* of the page, which is replaced */
	const char *title;
};

/* From a second before the first instruction, or from the first picture on; at most FILM_MINUTES. JPEG pictures, FILM_HZ of them a second and
 * camera. -ENODATA: there is no picture in it; other errors as mcap_reader_open, and of writing. Thread: any. Allocates: yes, all of the
 * film. Blocks: on files. */
enum { FILM_HZ = 8, FILM_MINUTES = 5 };
MUST_CHECK int film_make(const struct film_options *o, struct errbuf *e);

/* `dreamvla-bench film FILE.mcap FILE.html`: exit status. Thread: main. */
int bench_film(const struct bench_options *o);

/* The page (film.html), with FILM_MARK where the film's data go: a JSON object. */
#define FILM_MARK "/*FILM*/null"
const char *film_page(size_t *n);

/* RFC 4648 with padding, into out [capacity]. -EBADMSG: it is none; -ENOSPC. Pure. */
MUST_CHECK int film_base64(const char *text, size_t n, unsigned char *out, size_t capacity, size_t *n_out);

#endif
