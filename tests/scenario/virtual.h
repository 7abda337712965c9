/* virtual.h - time and network of a scenario, in place of the machine's.
 *
 * virtual_*.c define every function of daemon/sys/clock.h, eventfd.h and log.h and of transport/endpoint.h, so that
 * the program, linked with the real io, control, policy_tick and arm, runs on a clock that only the scenario advances and over wires
 * that delay, lose, double and reorder as the scenario says. One thread, one world at a time; nothing here reads a real clock. */
#ifndef DREAMVLA_TESTS_SCENARIO_VIRTUAL_H
#define DREAMVLA_TESTS_SCENARIO_VIRTUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/endpoint.h"

/* ---- time ---- */

void virtual_time_reset(uint64_t seed);
int64_t virtual_time_begin_ns(void);
void virtual_time_set(int64_t now_ns);         /* never backwards */
/* Who lets the world go on while a thread of it sleeps. */
void virtual_time_on_sleep(void (*sleep)(int64_t due_ns));
void virtual_time_step_realtime(int64_t by_ns); /* the realtime clock jumps */

/* Even numbers in [0, 1) and [low, high), from the scenario's seed. */
double virtual_random(void);
double virtual_random_between(double low, double high);
uint64_t virtual_random_u64(void);

/* Has somebody signalled this eventfd since the last call? */
bool virtual_event_taken(int fd);

/* virtual_log.c: are the daemon's and the arms' log lines printed? */
void virtual_log_show(bool show);

/* ---- network ---- */

enum { WIRES_MAX = 32, WIRE_NAME_BYTES = 48 };

/* What happens to messages whose topic (or, for requests, the receiver's address) begins with `name`. */
struct wire {
	char name[WIRE_NAME_BYTES];
	bool cut;
	int64_t delay_ns, jitter_ns;
	double lose, duplicate, reorder; /* shares of the messages; a reordered one comes up to 50 ms late */
};

void virtual_net_reset(void);

/* The wire of that name; made when it is not there, NULL when there are too many. */
struct wire *virtual_wire(const char *name);

/* Publishes to every SUB endpoint of that address; `topic` chooses the wire. */
void virtual_publish(const char *address, const char *topic, const uint8_t *map, size_t n, const uint8_t *bytes, size_t n_bytes);

/* Called for every message that an endpoint of type PUB sends, before the wire. */
void virtual_net_watch(void (*sent)(void *context, const struct endpoint_message *m), void *context);

/* Is there anything to receive now for this endpoint? */
bool virtual_net_ready(const struct endpoint *p);

#endif
