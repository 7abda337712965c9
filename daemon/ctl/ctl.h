/* ctl.h - what the parts of dreamvlactl share: where the doors are, how to ask at one, and the table of commands.
 *
 * A door is a control socket: dreamvlad's, or the one that every arm process has of its own. Short-lived, one thread, blocking
 * up to its time limits; only `stop` starts a thread per door. */
#ifndef DREAMVLA_DAEMON_CTL_CTL_H
#define DREAMVLA_DAEMON_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/sys/error.h"
#include "transport/message/request.h"

enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 }; /* exit codes */
enum { CTL_ANSWER_BYTES = 65536, CTL_TIMEOUT_MS = 1000, CTL_STOP_TIMEOUT_MS = 300 };

struct ctl_door {
	char name[CONFIG_NAME_BYTES]; /* "dreamvlad", or the arm's */
	char program[16];             /* who listens there: dreamvlad, dreamvla-arm */
	char address[CONFIG_TEXT_BYTES];
	char remedy[192];             /* what to look at when nobody answers */
};

struct ctl {
	void *zmq;
	struct ctl_door daemon;
	uint32_t n_arms;
	struct ctl_door arm[CONFIG_ROBOTS_MAX];
	bool json, watch, yes, waits; /* waits: --wait was given */
	int64_t wait_ns;              /* how long `mode` asks again */
	const char *key, *server_key; /* files of CURVE keys; NULL: none; a key alone is the server's own */
	char config_key[CONFIG_TEXT_BYTES];
	bool lost;                    /* the configuration could not be read, so the addresses are guesses */
	bool knows_arms;              /* a configuration has named all of them */
	const char *config_file;      /* which; NULL: none */
};

struct ctl_answer {
	size_t n;
	uint8_t bytes[CTL_ANSWER_BYTES];
	struct reply reply;
};

struct ctl_command {
	const char *name, *arguments, *help;
	int n_min, n_max; /* of arguments */
	const char *too_many; /* said when there are more, or NULL */
	bool takes_watch, takes_yes, takes_wait;
	bool stops; /* sent whatever else is wrong with the call */
	int (*run)(const struct ctl *ctl, int n, char **argument); /* returns an exit code */
};

/* The command of that name, or NULL. */
const struct ctl_command *ctl_command_find(const char *name);

/* Row i of the table, or NULL beyond the last: for --help. */
const struct ctl_command *ctl_command_at(uint32_t i);

/* Asks at a door. 0: *a holds its reply, which may be a refusal; negative: nobody answered, or not understandably, and the text
 * says what to do. Thread: any, one at a time per answer. Allocates: yes. Blocks: up to timeout_ms. */
MUST_CHECK int ctl_ask(const struct ctl *ctl, const struct ctl_door *door, struct map_builder *request, int timeout_ms,
		struct ctl_answer *a, struct errbuf *e);

/* Asks dreamvlad and reports as ctl_report does: CTL_OK with the reply in *a, or CTL_FAILED. */
int ctl_ask_daemon(const struct ctl *ctl, struct map_builder *request, struct ctl_answer *a);

/* Reports a reply: CTL_OK, or CTL_FAILED with the refusal in words. In JSON mode it goes out as it came, whatever it is. */
int ctl_report(const struct ctl *ctl, const struct ctl_answer *a);

/* The same, and for people who got what they asked for `done` and the mode that the daemon is in. */
int ctl_tell_done(const struct ctl *ctl, const struct ctl_answer *a, const char *done);

/* A failure of our own, in words on standard error, or as {"ok": false, "error": ...}. Returns CTL_FAILED. */
PRINTF_LIKE(2, 3) int ctl_fail(const struct ctl *ctl, const char *format, ...);

/* An address that somebody binds to, as a client reaches it: tcp://(any interface):7416 is at 127.0.0.1. `seen_from`, or NULL, is
 * the address where we found the one who told us: what is local to a machine over there is at that machine. */
void ctl_set_address(struct ctl_door *door, const char *bound, const char *seen_from);

/* Replaces control characters, so that a peer's text cannot drive the terminal; line ends stay. Returns text. */
char *ctl_clean(char *text);

/* ctl_json.c: a msgpack map as a JSON object, whatever it holds. Integers beyond int64 and raw bytes become texts (decimal,
 * hexadecimal). -EBADMSG, or -ENOMEM. The caller owns *out (json_decref). */
MUST_CHECK int ctl_json_from_map(json_t **out, const uint8_t *bytes, size_t n, struct errbuf *e);

/* Prints the object and gives it up: over several lines, or in one for --watch. Returns CTL_OK, or CTL_FAILED when standard
 * output is gone. */
int ctl_json_print(const struct ctl *ctl, json_t *object);

/* ctl_mode.c: is dreamvlad known to be in that mode? now: the mode that it is in, "" when it does not answer. */
bool ctl_mode_is(const struct ctl *ctl, const char *mode, char now[32]);

/* ctl_mode.c: asks dreamvlad once, and for up to ctl->wait_ns again while only what passes by itself stands in the way and nobody has
 * stopped or held anything meanwhile. value NULL: the command has no argument. As ctl_ask. */
MUST_CHECK int ctl_ask_patiently(const struct ctl *ctl, const char *command, const char *key, const char *value, struct ctl_answer *a,
		struct errbuf *e);

/* ctl_arm.c: the doors of the arms that dreamvlad knows; returns how many, 0 when it does not answer. */
uint32_t ctl_learn_arms(const struct ctl *ctl, struct ctl_door door[ARMS_MAX]);

/* ctl_arm.c, ctl_doctor.c, ctl_mode.c, ctl_record.c, ctl_status.c, ctl_stop.c, ctl_teleop.c */
int ctl_run_recover(const struct ctl *ctl, int n, char **argument);
int ctl_run_enable(const struct ctl *ctl, int n, char **argument);
int ctl_run_disable(const struct ctl *ctl, int n, char **argument);
int ctl_run_home_gripper(const struct ctl *ctl, int n, char **argument);
int ctl_run_mode(const struct ctl *ctl, int n, char **argument);
int ctl_run_record(const struct ctl *ctl, int n, char **argument);
int ctl_run_status(const struct ctl *ctl, int n, char **argument);
int ctl_run_doctor(const struct ctl *ctl, int n, char **argument);
int ctl_run_stop(const struct ctl *ctl, int n, char **argument);
int ctl_run_emergency_stop(const struct ctl *ctl, int n, char **argument);
int ctl_run_teleop(const struct ctl *ctl, int n, char **argument);

#endif
