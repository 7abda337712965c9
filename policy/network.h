/* network.h - what vision encoder, decoder and heads share: the backend they run on, weights by name, and traces. */
#ifndef DREAMVLA_POLICY_NETWORK_H
#define DREAMVLA_POLICY_NETWORK_H

#include "policy/compute/compute.h"
#include "policy/pickle.h"
#include "policy/weights.h"

/* The first inference reads every weight from disk, which can take minutes. */
struct network_progress {
	void (*report)(void *context, const char *what, double share);
	void *context;
	uint32_t done, total;               /* blocks and layers; later forwards of the same inference do not count */
};

struct network {
	const struct compute_backend *ops;
	struct compute *compute;
	const struct policy_tracer *tracer; /* of the inference that runs; NULL: none */
	struct network_progress *progress;  /* of the first inference; NULL: none, or over */
};

/* The matrix [rows][columns], or vector [columns], of the checkpoint under the name made from format.
 * -ENOENT, -EINVAL as weights_find. Thread: start-up. Allocates: no. */
MUST_CHECK PRINTF_LIKE(6, 7) int network_matrix(const struct weights *w, uint32_t rows, uint32_t columns, struct compute_matrix *out,
		struct errbuf *e, const char *format, ...);
MUST_CHECK PRINTF_LIKE(5, 6) int network_vector(const struct weights *w, uint32_t columns, struct compute_matrix *out,
		struct errbuf *e, const char *format, ...);

/* -EINVAL: the checkpoint has a tensor <list>.<count>.<tensor>, so more layers than config.json says under this key.
 * Thread: start-up. Allocates: no. */
MUST_CHECK int network_check_last(const struct weights *w, const char *list, uint32_t count, const char *tensor, const char *key,
		struct errbuf *e);

/* A two-layer projector of a head file: fc1 [hidden][inputs], fc2 [hidden][hidden], both with bias. */
struct network_projector {
	struct compute_matrix fc1, fc1_bias, fc2, fc2_bias;
};

MUST_CHECK int network_projector_find(const struct head_file *f, uint32_t inputs, uint32_t hidden, struct network_projector *out,
		struct errbuf *e);

/* Every weight that operations will be given, for compute_options. Zeroed at first. */
struct network_weights {
	struct compute_weight *item;        /* [n] */
	uint32_t n, room;
	bool out_of_memory;                 /* some are missing */
};

/* Adds what one operation takes as one: part [n_parts], or nothing where part 0 is absent. Thread: start-up. Allocates: yes. */
PRINTF_LIKE(4, 5) void network_list(struct network_weights *l, const struct compute_matrix *part, uint32_t n_parts, const char *format, ...);

/* Into the order in which they lie in memory, and so in the files. -ENOMEM: some are missing. Thread: start-up. Allocates: no. */
MUST_CHECK int network_list_end(struct network_weights *l, struct errbuf *e);
void network_list_finish(struct network_weights *l);

void network_projector_list(const struct network_projector *p, struct network_weights *l, const char *name);

/* As begin and end of compute.h; with a tracer, which wants to see what lies between, everything is asked for. Thread: policy. Allocates: no. */
bool network_begin(const struct network *n, const struct compute_key *key);
void network_end(const struct network *n);

/* Kinds of pieces: the first word of their keys. CAUSAL: of the bench's autoregressive decoder. */
enum { NETWORK_VISION = 1, NETWORK_DECODER, NETWORK_CAUSAL };

/* One block or layer is done. Thread: policy. Allocates: no. */
void network_report_progress(const struct network *n);

/* Hand one intermediate to the tracer; nothing without one. The second form takes what lies on the host already, [rows][columns],
 * or [columns] when rows is 0.
 * Thread: policy. Allocates: with a tracer only. */
PRINTF_LIKE(3, 4) void network_trace(const struct network *n, struct compute_view x, const char *format, ...);
PRINTF_LIKE(6, 7) void network_trace_host(const struct network *n, char type, const void *data, uint64_t rows, uint64_t columns,
		const char *format, ...);

#endif
