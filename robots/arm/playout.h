/* playout.h - from scheduled targets (t, q, dq) to commands at the driver's own rate, and coming to rest when they end.
 *
 * Between two samples the motion is the cubic Hermite polynomial through both positions and velocities: continuous in
 * position and velocity, and exact for motion of piecewise constant jerk. Beyond the last sample it coasts for PLAYOUT_COAST_NS:
 * what acceleration there is ends as fast as the jerk limit lets it, then the velocity stays. Every piece starts from what was commanded last, so that a late sample bends the motion and never
 * makes it jump. Pure: no clock, no heap; knows nothing of who sent the samples. Thread: its owner. Blocks: no. */
#ifndef DREAMVLA_ROBOTS_ARM_PLAYOUT_H
#define DREAMVLA_ROBOTS_ARM_PLAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/flow.h"
#include "daemon/stage/axis.h"

enum { PLAYOUT_SAMPLES = 128 }; /* 500 ms ahead at 200 Hz is 100 */

/* messages.md section 5: how long the driver may go on without a next sample. */
#define PLAYOUT_COAST_NS INT64_C(10000000)

struct playout_sample {
	int64_t t_ns;
	uint64_t seq, mark;        /* mark: the caller's (sent.h) */
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX];
	bool has_gripper;
	double gripper_m;
};

/* A motion at one moment. */
struct motion {
	int64_t t_ns;
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX], ddq_rad_s2[DOF_MAX];
};

struct playout {
	const struct robot_model *model;
	struct motion from;        /* where the present piece starts */
	struct motion now;         /* last result of playout_step */
	double offset_rad[DOF_MAX], offset_rad_s[DOF_MAX]; /* what the first target, or one after a pause, differed from the arm, faded out */
	int64_t offset_t_ns;
	uint64_t mark;             /* of the sample that `now` moves towards, the last one while coasting; 0: none was played yet */
	double start_rad[DOF_MAX]; /* where the arm was then */
	uint32_t head, n;          /* ring of samples that lie ahead */
	struct playout_sample sample[PLAYOUT_SAMPLES];
};

enum playout_verdict { PLAYOUT_RUNS, PLAYOUT_COASTS, PLAYOUT_EMPTY };

/* Starts from an arm that stands at q. What `first` differs from it in position and velocity is faded out over 1 s, so that
 * a first target near the arm never makes it jump. first->t_ns must lie after now_ns; m must outlive p. False: that way breaks limits
 * (see BEYOND below) and p is not to be played. */
bool playout_begin(struct playout *p, const struct robot_model *m, int64_t now_ns, const double *q_rad,
		const struct playout_sample *first);

enum playout_add { PLAYOUT_ADDED, PLAYOUT_LATE, PLAYOUT_BEYOND, PLAYOUT_FULL };

/* Appends a sample. LATE: due before what was already played or appended, or, while coasting, too soon to catch up with it within
 * limits; BEYOND: somewhere on the way there, with what is still faded out, the model's velocity or acceleration limits are broken, or
 * braking would leave a joint's range (or go further out than where the arm began); FULL: too many ahead. All but ADDED leave
 * everything as it was. */
enum playout_add playout_add(struct playout *p, const struct playout_sample *s);

/* The newest sample appended; NULL when all were reached. */
const struct playout_sample *playout_newest(const struct playout *p);

/* Motion at now_ns (never going back) into p->now. `reached` is called for each sample whose time has come, in order.
 * EMPTY: coasted long enough, or up to where braking would just end inside the joints' range; p->now stays where it was and the
 * caller brakes from there. */
enum playout_verdict playout_step(struct playout *p, int64_t now_ns, void (*reached)(void *context, const struct playout_sample *s),
		void *context);

/* After a playout_step that came much later than the one before: makes p->now go on from q, where the arm was commanded last, and
 * fades out over 1 s what lies between. False, and nothing is changed, if that would be more than 0.02 rad at some joint, or with it
 * a sample that waits would lie beyond limits. */
bool playout_bridge(struct playout *p, const double *q_rad);

/* Every joint comes to rest as fast as 99 % of its own acceleration and jerk limits allow, beginning with the velocity and
 * acceleration that it has; never faster, whatever lies ahead. */
struct brake {
	uint32_t dof;
	int64_t t_ns;
	struct axis from[DOF_MAX];
	struct axis_limits limits[DOF_MAX];
	double duration_s;         /* of the slowest joint */
};

void brake_begin(struct brake *b, const struct robot_model *m, const struct motion *from);

/* Motion at now_ns; false once all of it stands (velocity and acceleration exactly 0). */
bool brake_step(const struct brake *b, int64_t now_ns, struct motion *out);

#endif
