/* load.h - what the two samples say about a processor's time and interrupts. Private to daemon/doctor/. */
#ifndef DREAMVLA_DAEMON_DOCTOR_LOAD_H
#define DREAMVLA_DAEMON_DOCTOR_LOAD_H

#include "daemon/doctor/doctor.h"

/* Share of the time between the samples that the processor did not idle; false: they do not say. */
bool load_busy_share(const struct doctor *d, int cpu, double *out);

/* Share that a host took from it. */
bool load_stolen_share(const struct doctor *d, int cpu, double *out);

/* Device interrupts a second on the processor, and the busiest of them: its number and name. false: the samples do not say. */
struct load_interrupts {
	double rate_hz, worst_hz;
	char worst[64]; /* "41 virtio3-rx" */
};
bool load_interrupts(const struct doctor *d, int cpu, struct load_interrupts *out);

#endif
