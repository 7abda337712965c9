/* scenario.h - a scenario as read from its file, the stand it runs on, and what its parts tell each other. README.md has the format.
 *
 * The stand is the whole of dreamvlad (io, control, policy thread) and a dreamvla-arm per arm, real code throughout, in one process
 * and one thread on virtual time. Stand-ins are: the clock and the sockets (virtual.h), the network's forward pass
 * (policy_script.c), the arm's motors (plant.c: the simulator's world), and cameras, devices and operators (peers.c). */
#ifndef DREAMVLA_TESTS_SCENARIO_SCENARIO_H
#define DREAMVLA_TESTS_SCENARIO_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config.h"
#include "daemon/control_tick.h"
#include "daemon/io.h"
#include "daemon/policy_tick.h"
#include "daemon/runtime.h"
#include "robots/arm/arm_io.h"
#include "robots/arm/arm_loop.h"
#include "robots/sim/world.h"
#include "tests/scenario/judge.h"
#include "tests/scenario/record.h"
#include "tests/scenario/spans.h"

enum { LINES_MAX = 4096, ARGS_MAX = 10, WORD_BYTES = 64, MOTIONS_MAX = 8, LIMITS_MAX = 8, DEVICES_MAX = 10 };

/* ---- what the file says ------------------------------------------------------------------------------------------ */

enum motion_kind { MOTION_STILL, MOTION_CIRCLE, MOTION_LINE, MOTION_TURN, MOTION_JOINTS };

/* What the policy wants to do under one instruction; README.md. */
struct motion_script {
	char name[WORD_BYTES];
	enum motion_kind kind;
	double value[4];
};

/* One word of a line that fills a place of its pattern. */
struct arg {
	char text[WORD_BYTES];
	double number;
	uint32_t index;            /* of an arm, camera, device, motion, mode, ... */
};

struct stand;
struct scenario;

/* When a line counts: at its time; at some moment since the line before; at every moment since the line before. */
enum when { WHEN_AT, WHEN_BY, WHEN_UNTIL };

struct script_line {
	uint32_t number;           /* in the file */
	enum when when;
	int64_t t_ns;              /* since the scenario's start */
	const struct command_row *row;
	uint32_t n_args;
	struct arg arg[ARGS_MAX];
	char text[160];
};

/* A command or an expectation: the words it consists of, what it does, what it is for. In a pattern <x> stands for one word of
 * kind x and a|b for one of those words. Exactly one of the functions is set. */
struct command_row {
	const char *pattern;
	void (*act)(struct stand *s, const struct arg *a);
	bool (*holds)(const struct stand *s, const struct arg *a);
	int (*set_up)(struct scenario *s, const struct arg *a, struct errbuf *e);
	const char *help;
};

struct scenario {
	char path[256], name[WORD_BYTES], title[160];
	uint64_t seed;
	struct config config;
	uint32_t n_motions;
	struct motion_script motion[MOTIONS_MAX];
	uint32_t n_devices;
	char device[DEVICES_MAX][NAME_BYTES];
	double start_rad[ARMS_MAX][DOF_MAX];
	bool has_start[ARMS_MAX];
	struct judge_limits limits;
	int64_t end_ns;
	uint32_t n_lines;
	struct script_line line[LINES_MAX];
};

/* Reads a whole file. The error says file:line: found, allowed. Allocates: yes (scenario_free). */
MUST_CHECK int scenario_read(struct scenario **out, const char *path, struct errbuf *e);
void scenario_free(struct scenario *s);

/* As the files write it. */
const char *scenario_driver_name(enum target_source driver);

/* parse.c: matches words against the rows of a table. */
const struct command_row *pattern_find(const struct command_row *rows, const struct scenario *s, char words[][WORD_BYTES], uint32_t n,
		struct arg *out, uint32_t *n_args, struct errbuf *e);

/* setup.c: `set KEY VALUE`. */
MUST_CHECK int setup_set(struct scenario *s, char words[][WORD_BYTES], uint32_t n, struct errbuf *e);

extern const struct command_row setup_rows[], command_rows[], expect_rows[]; /* each ends with pattern NULL */

/* ---- the world that it runs in ------------------------------------------------------------------------------------ */

struct plant {
	struct world world;
	enum arm_mode mode;
	uint64_t generation;
	double measured_off_rad;   /* its sensors are off by so much in joint 1 */
	double guided_rad_s;       /* a hand moves joint 1 */
	bool hold;
	uint64_t judged;           /* generation of the newest command that was judged */
	struct robot_command command;
	struct robot_sent sent;
};

struct stand_arm {
	struct arm_setup setup;
	struct arm_links links;
	struct arm_loop loop;
	struct arm_io io;
	struct plant plant;
	bool up;
	int64_t down_until_ns, stalled_until_ns;
};

struct stand_camera {
	uint64_t from, seq;
	bool on, frozen, second;
	int64_t period_ns, next_ns, late_ns, shift_ns;
	uint8_t pixel;
};

struct stand_device {
	uint64_t from, seq;
	bool on, deadman, has_arm, has_gripper, follows, second, garbage;
	uint32_t arm;
	int64_t next_ns, ahead_ns;
	double twist[6], offset_rad, gripper_m;
};

/* What the policy does wrong, and how fast it is; policy_script.c. */
struct policy_script {
	struct stand *stand;
	int64_t latency_ns, jitter_ns, hang_ns;
	uint32_t nan, lost, refuse;
	bool broken;
	double noise_m;
	uint32_t motion;           /* index of scenario.motion */
	uint64_t inferences;
};

enum { CHUNKS_KEPT = 256, TICKS_KEPT = 256 };

/* What held when a tick made its targets; they may leave later. */
struct stand_tick {
	int64_t t_ns;
	enum mode mode;
	int64_t mode_since_ns;
	int64_t handed_over_ns;    /* newest moment then after which chunks of before are void */
};

struct stand {
	const struct scenario *scenario;
	struct runtime runtime;    /* memory between the threads; none of its threads is started */
	struct config config;
	struct control_setup setup;
	struct links *links;
	struct io *io;
	struct control control;
	struct policy_runner runner;
	struct policy_script script;
	bool inferring;
	int64_t begin_ns, now_ns;  /* of the scenario; now of the present millisecond */
	int64_t control_stalled_until_ns, io_stalled_until_ns, policy_tick_ns, io_wake_ns;
	struct stand_arm arm[ARMS_MAX];
	struct stand_camera camera[CAMERAS_MAX];
	struct stand_device device[DEVICES_MAX];
	struct endpoint *operator_door, *arm_door[ARMS_MAX];
	uint64_t operator_from, operator_seq, rogue_seq;
	bool rogue;                /* somebody else sends targets to every arm */
	bool reply_ok;             /* of the newest request that was answered */
	uint32_t replies;
	char reply[256];
	/* what happened */
	struct judge judge;
	struct spans spans;
	struct record *record;     /* NULL: nothing is drawn */
	enum mode mode_seen;
	int64_t mode_since_ns;
	int64_t handed_over_ns;    /* newest moment after which chunks of before are void */
	int64_t stopping_ns;       /* since when the arms have to come to a stop; 0: they need not */
	uint32_t epoch_sent[ARMS_MAX];
	uint32_t n_ticks;
	struct stand_tick tick[TICKS_KEPT];
	uint64_t targets;
	int64_t chunk_begin_ns[CHUNKS_KEPT]; /* when the inference of chunk i % CHUNKS_KEPT began */
	uint32_t next_line;
	bool met;                  /* the waiting line's expectation has been true */
	bool trace;
	uint32_t failures;
	FILE *out;
};

/* Runs a scenario; failures go to `out`. Returns how many. record may be NULL. */
uint32_t stand_run(const struct scenario *s, struct record *record, bool trace, FILE *out);

/* stand.c: one millisecond of everything, also called by an inference while it lasts. */
void stand_step(struct stand *s);
bool stand_ended(const struct stand *s);
void stand_fail(struct stand *s, const char *format, ...) PRINTF_LIKE(2, 3);
void stand_arm_start(struct stand *s, uint32_t arm);
void stand_arm_stop(struct stand *s, uint32_t arm);

/* plant.c */
void plant_init(struct plant *p, const struct robot_model *m, const double *q_rad);
void plant_step(struct plant *p, int64_t dt_ns);
extern const struct robot_driver plant_driver;

/* peers.c */
void peers_init(struct stand *s);
void peers_finish(struct stand *s);
void peers_step(struct stand *s);
void peers_ask(struct stand *s, struct endpoint *door, const char *command, const char *key, const char *text, double number);
void peers_ask_jog(struct stand *s, const double delta[6]);
void peers_ask_attach(struct stand *s, uint32_t arm);
void peers_instruct(struct stand *s, const char *text);

/* policy_script.c: who answers when policy_infer is called. */
void policy_script_use(struct policy_script *script);

/* soak.c: writes a scenario of `seconds` with random faults. */
void soak_write(FILE *out, uint64_t seed, double seconds);

/* plot.c: 0 or -errno. */
MUST_CHECK int plot_write(const char *path, const struct record *r, const struct scenario *s, const struct control_setup *setup,
		struct errbuf *e);

#endif
