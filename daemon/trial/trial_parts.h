/* trial_parts.h - what the files of daemon/trial share. Private to this folder. */
#ifndef DREAMVLA_DAEMON_TRIAL_TRIAL_PARTS_H
#define DREAMVLA_DAEMON_TRIAL_TRIAL_PARTS_H

#include "daemon/control_tick.h"
#include "daemon/links.h"
#include "daemon/pacing.h"
#include "daemon/policy_commit.h"
#include "daemon/setup.h"
#include "daemon/stage/observation.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/jpeg.h"
#include "daemon/trial/trial.h"
#include "policy/policy.h"
#include "robots/arm/arm.h"

/* More than come while a frame is as late as --camera-late-ms may be, and those that frame_history still names. */
enum { SHOTS = 64 };

/* What every camera sees at one moment, on its way. */
struct shot {
	int64_t stamp_ns;
	struct world world;
	bool lost[TRIAL_CAMERAS];
};

/* The eyes: pictures are drawn only when somebody infers from them. */
struct trial_eyes {
	struct renderer *renderer;
	struct jpeg_codec *codec;
	uint32_t width, height;
	uint8_t *jpeg;
	size_t jpeg_capacity;
	enum sim_camera camera[CAMERAS_MAX]; /* in the order of policy.cameras */
	struct shot shot[SHOTS];   /* a ring: taken, then delivered */
	uint64_t taken, delivered;
	int64_t next_ns;
	struct frame_history history[CAMERAS_MAX];
	uint64_t in_slot[CAMERAS_MAX][FRAME_HISTORY]; /* number of the shot */
	int64_t observed_ns;       /* t_obs of the newest observation */
	uint64_t observed[CAMERAS_MAX]; /* its shots */
};

/* Who decides. */
struct trial_mind {
	struct policy *policy;     /* NULL: the expert */
	const struct policy_info *info;
	struct policy_setup policy_setup;
	struct proprio_setup proprio;
	struct policy_commit *commit;
	struct pacing pacing;
	struct policy_hint hint;
	struct policy_result result;
	uint8_t *rgb[CAMERAS_MAX];
	struct observation seen;   /* newest one, without bytes */
	bool fresh;                /* nobody has decided about it yet */
	bool busy;                 /* an inference runs, until */
	int64_t latency_ns, done_ns, handed_ns;
	struct action_chunk chunk; /* which it will give, */
	bool good;                 /* if it is good */
	struct policy_status status;
	uint32_t instruction;
	struct errbuf complaint;   /* of the episode's first inference that gave no chunk; "": all did */
	int64_t real_ns;           /* that all inferences of the episode took, */
	uint32_t inferences;       /* so many */
};

/* Who takes over, if the options want it. GIVES_BACK: the dead-man is up, AUTO is not entered again yet. */
enum hand_phase { HAND_AWAY, HAND_DRIVES, HAND_GIVES_BACK, HAND_DONE };

struct trial_hand {
	enum hand_phase phase;
	int64_t since_ns;
	struct teleop_input input;
};

struct trial {
	struct trial_options options;
	struct control_setup setup;
	struct links links;
	struct control control;
	struct inputs inputs;
	struct state_history states;
	struct arm arm;
	struct world world;
	struct world_command command;
	struct task task;
	struct trial_eyes eyes;
	struct trial_mind mind;
	struct trial_hand hand;
	uint64_t random;
	int64_t now_ns;
	uint64_t target_seq, observation_id;
	uint64_t seed;
	uint32_t episode, sentence; /* counted */
	bool started;              /* AUTO was entered, */
	int64_t began_ns;          /* then */
	enum reason reason;        /* why it was left */
	struct { double p_m[4][3]; uint32_t n, counted; double square_sum; } jerk;
};

/* trial_eyes.c */
MUST_CHECK int trial_eyes_open(struct trial *t, struct errbuf *e);
void trial_eyes_close(struct trial *t);
void trial_eyes_begin(struct trial *t);
void trial_eyes_step(struct trial *t);

/* trial_mind.c */
MUST_CHECK int trial_mind_open(struct trial *t, struct errbuf *e);
void trial_mind_close(struct trial *t);
void trial_mind_begin(struct trial *t);
void trial_mind_step(struct trial *t);

/* trial_hand.c */
void trial_hand_step(struct trial *t);
bool trial_hand_holds(const struct trial *t); /* the mode is not AUTO, and is not to be: a person has the arm, or is giving it back */

#endif
