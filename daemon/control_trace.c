/* control_trace.c - see control_trace.h. */
#include "daemon/control_trace.h"

#include "daemon/trace.h"

void control_trace(struct stats *stats, struct tape *tape, int64_t due_ns, int64_t woke_ns, int64_t end_ns)
{
	const struct record_span span = { .stage = STAGE_TICK, .begin_ns = due_ns, .end_ns = end_ns, .value = (uint64_t)(woke_ns - due_ns) };

	histogram_add(&stats->late, woke_ns - due_ns);
	histogram_add(&stats->stage[STAGE_TICK], span.end_ns - due_ns);
	trace_span(tape, &span);
}
