/* sequence.h - who publishes a topic, and which of its messages are new (messages.md section 2).
 *
 * One publisher per topic: the first keeps it; another `from` is believed only after the present one has been silent for
 * 500 ms. Duplicates and older ones are dropped. Pure: time comes in as an argument. */
#ifndef DREAMVLA_TRANSPORT_SEQUENCE_H
#define DREAMVLA_TRANSPORT_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

struct sequence {
	bool known;
	uint64_t from, seq;
	int64_t last_ns;              /* arrival of its newest accepted message */
	uint64_t accepted, duplicates, foreign, restarts;
};

enum sequence_verdict { SEQUENCE_NEW, SEQUENCE_RESTART, SEQUENCE_OLD, SEQUENCE_FOREIGN };

/* NEW and RESTART (a new publisher, believed) are to be used, the others dropped; counted here.
 * Thread: its owner. Allocates: no. Blocks: no. */
enum sequence_verdict sequence_check(struct sequence *s, uint64_t from, uint64_t seq, int64_t now_ns);

#endif
