/* trial.h - a bench on virtual time: the simulated world, an arm's own control in front of it, dreamvlad's control with all its stages,
 * and a policy, in one thread, as fast as the machine can. No sockets and no clock: what io and the policy thread would do by them is
 * done here, millisecond by millisecond, on values.
 *
 * Real code throughout: control_tick (chunks, trajectory, arbiter, safety), pacing, policy_commit (inpaint), the policy, and dreamvla-arm's
 * arm_tick with its check of every target. An inference lasts as long in virtual time as the options say, whatever it really takes. */
#ifndef DREAMVLA_DAEMON_TRIAL_TRIAL_H
#define DREAMVLA_DAEMON_TRIAL_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/sys/error.h"
#include "robots/sim/renderer.h"
#include "robots/sim/task/expert.h"
#include "robots/sim/task/task.h"

enum { TRIAL_CAMERAS = SIM_CAMERA_COUNT };

struct trial_options {
	const struct config *config;  /* one arm, and the world's cameras by their names */
	bool put;                  /* the task is to put a block on a pad; else to pick one up */
	bool expert;               /* it drives; else the checkpoint of policy.model */
	double clumsiness;         /* share of the expert's chunks that go wrong: data has to show the way back */
	int64_t latency_ns;        /* of each inference: all of it, however long it really takes, */
	int64_t jitter_ns;         /* and up to so much longer, evenly spread, from the seed */
	int64_t camera_late_ns;    /* how old a frame is when it arrives */
	double drop;               /* share of the frames that are lost */
	bool take_over;            /* a person drives from 2 s to 4 s and asks for AUTO again; what that takes is no part of the task's time */
};

/* How one episode went. */
struct trial_result {
	enum task_verdict verdict; /* RUNS: the mode left AUTO before */
	struct task_words words;
	double took_s;             /* until then */
	double taken_over_s;       /* of that, a person had the arm */
	double jerk_m_s3;          /* root of the mean square of the commanded TCP's, over the policy's time */
	uint32_t chunks, lost;     /* handed over; inferences that gave none: failed, or answered with no actions */
	uint32_t reason;           /* enum reason: why the mode left AUTO */
	double infer_ms;           /* mean real time of one inference; 0: the expert drove */
};

struct trial;

/* -EINVAL: what the configuration or the checkpoint has that does not fit this bench; as policy_create. Allocates: yes. Blocks: on disk. */
MUST_CHECK int trial_create(struct trial **out, const struct trial_options *o, struct errbuf *e);
void trial_destroy(struct trial *t); /* accepts NULL */

/* A new world of that seed; the episode begins once AUTO was entered, up to then nothing moves. -EIO: AUTO was not to be had, and why;
 * trial_result then says the same as of an episode that was stopped. Allocates: no. */
MUST_CHECK int trial_begin(struct trial *t, uint64_t seed, struct errbuf *e);

/* Another sentence from now on, as from an operator's socket: the task begins anew in the world as it is. Allocates: no. */
void trial_say(struct trial *t, const struct task_words *words);

/* One millisecond. false: the episode is over; it may go on all the same, with or without another sentence. Allocates: no. */
bool trial_step(struct trial *t);

struct trial_result trial_result(const struct trial *t);

/* Of the episode's first inference that gave no chunk; "": all did. */
const char *trial_complaint(const struct trial *t);

const struct world *trial_world(const struct trial *t);
const struct task *trial_task(const struct trial *t);
const struct control_setup *trial_setup(const struct trial *t);

/* The picture of a camera now, as the policy would get it (drawn, with a sensor's flicker, through JPEG) into rgb
 * [height][width][3] of trial_picture_size. 0, or what libjpeg-turbo says. Allocates: no. */
MUST_CHECK int trial_picture(struct trial *t, const struct world *w, enum sim_camera camera, uint8_t *rgb, struct errbuf *e);
void trial_picture_size(const struct trial *t, uint32_t *width, uint32_t *height);

/* The state vector now, layout policy.proprio; returns its length. Allocates: no. */
uint32_t trial_state(const struct trial *t, double *out, uint32_t capacity);

#endif
