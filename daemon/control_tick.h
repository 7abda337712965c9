/* control_tick.h - one control period: everything between the newest inputs and the targets that leave for the arms.
 *
 * The tick is told its nominal time and reads no clock; it takes its inputs from the links once, at its beginning, and hands its
 * results over at its end. It never allocates, locks, formats text or makes a system call: the caller wakes io through
 * links->target_eventfd after each tick. Times far apart mean skipped periods: motion goes on as if they had not been, but only
 * the newest targets are handed over. */
#ifndef DREAMVLA_DAEMON_CONTROL_TICK_H
#define DREAMVLA_DAEMON_CONTROL_TICK_H

#include "daemon/flow.h"
#include "daemon/links.h"
#include "daemon/stage/arbiter.h"
#include "daemon/stage/chunk_buffer.h"
#include "daemon/stage/mode.h"
#include "daemon/stage/reason.h"
#include "daemon/stage/safety.h"
#include "daemon/stage/teleop.h"
#include "daemon/stage/teleop_motion.h"
#include "daemon/stage/trajectory.h"

/* What control remembers of one arm. */
struct control_arm {
	bool driven;             /* targets have been made for it since the last reset: losing it is a fault */
	uint64_t driven_from;    /* `from` of the driver then */
	int64_t unseeded_ns;     /* when its targets ceased, */
	enum reason unseeded_why; /* and why */
	double unseeded_value, unseeded_limit;
	int64_t seeded_ns;
	uint64_t refused_seq;    /* newest refusal known */
	uint32_t refusals;       /* in a row, less than refusal_forget_ns apart */
	int64_t refused_ns;
	int64_t limited_ns;      /* newest target held back by workspace, floor or TCP speed; 0: none yet */
	bool homing;             /* an operator's home motion whose end has not been told yet */
	struct reasons standing; /* what stands in the way now because of this arm */
	struct reasons latched;  /* of these, faults that happened once and stay until a reset */
	uint64_t known_faults;   /* of the tick before, for edges */
};

struct control {
	struct control_setup setup;
	struct links *links;
	int64_t now_ns, last_ns; /* of this tick and the one before */
	/* inputs of this tick */
	struct inputs inputs;
	bool has_inputs;
	struct policy_status policy;
	bool took_inputs, took_policy, took_chunk; /* which of them were new in this tick, for the record */
	uint32_t n_obeyed;       /* and the commands that it obeyed */
	struct command obeyed[COMMAND_RING];
	const struct action_chunk *chunk; /* newest one, in its mailbox slot; NULL: none yet */
	bool chunk_new;          /* not judged yet */
	struct latencies latencies; /* of every chunk, the newest included */
	int64_t usual_ns;        /* latency, from the chunks before the newest one */
	/* mode */
	enum mode mode;
	enum reason reason;
	uint32_t reason_subject;
	double reason_value, reason_limit;
	struct reasons standing; /* everything that stands in the way now */
	struct reasons latched;  /* faults of no one arm that happened once and stay until a reset */
	uint64_t known_faults;   /* of these, of the tick before, for edges */
	uint64_t causes;         /* faults that are there now, not only latched: no reset before they are gone */
	bool shutdown;
	uint32_t epoch, instruction_id;
	int64_t instruction_ns;  /* when control saw it change */
	int64_t after_ns;        /* observations before this are of no use */
	int64_t policy_since_ns; /* when AUTO or SHADOW began */
	int64_t idle_since_ns;   /* since when AUTO has had nothing to run */
	int64_t hindered_since_ns; /* since when the arms cannot follow; 0: they can */
	/* motion */
	double speed, speed_wish;
	bool was_standing;
	struct control_arm arm[ARMS_MAX];
	struct safety safety[ARMS_MAX], shadow[ARMS_MAX];
	struct past past;
	struct trajectory trajectory;
	struct arbiter arbiter;
	struct teleop teleop;
	struct teleop_motion hand; /* TELEOP: of the arm that a person drives */
	int64_t taken_over_ns;   /* when it began */
	int64_t stop_ns;         /* newest stop, hold or shutdown that an operator asked for: edges before it are void */
	int64_t teleop_refused_ns[TELEOP_DEVICES_MAX]; /* newest refusal that was told */
	bool back_to_auto;       /* TELEOP interrupted AUTO, and teleop.resume wants it to go on */
	double path_rate;        /* that the path's clock was told to have in this tick */
	uint64_t motion_chunk;   /* whose motion the policy was told last (inpaint), 0: none, */
	int64_t motion_told_ns;  /* and when, */
	bool motion_untold;      /* or not yet in this recording */
	uint32_t state_given;    /* newest of links->state_wanted that was obeyed, see control_state.h */
	double hindrance;        /* 0: arms follow, 1: path time must stand */
	double lag_rad[ARMS_MAX]; /* behind the path's reference, the worst joint */
	struct driver_target target[ARMS_MAX], shadow_target[ARMS_MAX];
	bool chunk_first;        /* no target has left of the running chunk yet */
	struct chunk_origin origin; /* of the running chunk */
	uint32_t clamped[ARMS_MAX]; /* mask of the newest period */
	int64_t overflow_since_ns; /* since when io has taken no targets; 0: it does */
	struct control_report report; /* counters live here, the rest is filled each tick */
};

/* NULL if this set-up can be run, else what is wrong with it, as a sentence. Thread: start-up. Allocates: no. Blocks: no. */
const char *control_setup_problem(const struct control_setup *setup);

/* Copies the set-up. struct control is large (some hundred kB): give it static or heap memory, locked and pre-faulted.
 * Thread: start-up. Allocates: no. Blocks: no. */
void control_init(struct control *c, const struct control_setup *setup, struct links *links);

/* One period. now_ns: the tick's nominal time on the grid of periods, larger than at the last call.
 * Thread: control. Allocates: no. Blocks: no. */
void control_tick(struct control *c, int64_t now_ns);

#endif
