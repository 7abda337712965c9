/* main.c - dreamvla-sim: command line only. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "daemon/sys/log.h"
#include "daemon/sys/options.h"
#include "daemon/trial/command.h"
#include "robots/model/model.h"
#include "robots/sim/franka/station.h"
#include "robots/sim/piper/station.h"
#include "robots/sim/picture.h"
#include "robots/sim/renderer.h"
#include "robots/sim/sim_process.h"
#include "robots/sim/world_wire.h"

static const char USAGE[] =
	"dreamvla-sim - a simulated table-top: an arm, four blocks, an overhead and a wrist camera\n"
	"\n"
	"  dreamvla-sim [--config FILE] [options]                  run in real time\n"
	"  dreamvla-sim --picture FILE [--camera NAME] [options]   write what a camera sees (.jpg, .jpeg or .ppm) and end\n"
	"  dreamvla-sim --evaluate N | --expert N [options]        a policy's success on virtual time, or data to train one (--help with them)\n"
	"\n"
	"  --config FILE     which cameras are published and where (cameras.<name>, sockets.cameras); control.realtime\n"
	"  --model NAME      the arm: panda (default; with --piper its firmware's), or another of robots[].model; one that is no Franka is\n"
	"                    drawn as plain rods\n"
	"  --seed N          where the blocks lie (default 1)\n"
	"  --task            blocks can be lifted, and light, cameras and table vary with the seed: the world of dreamvla-sim --evaluate\n"
	"  --pads            with --task: two pads as well, to put blocks on\n"
	"  --judge ADDRESS   with --task: a socket that tells which block is held and whether the one that was named is picked up\n"
	"  --duration S      end after so many seconds (default: at SIGTERM)\n"
	"  --world ADDRESS   socket for dreamvla-arm --driver sim (default " WORLD_ADDRESS_DEFAULT ")\n"
	"  --franka ADDRESS  a Franka with its control interface (FCI) instead of the world's socket, at this IPv4 address,\n"
	"                    ports 1337 (robot) and 1338 (hand): for libfranka and what is built on it\n"
	"  --franka-version N  protocol that it speaks, 5 (Panda) to 10 (FR3); default: whichever its client speaks\n"
	"  --piper ADDRESS   an AgileX PiPER on a CAN bus instead: socketcand://HOST:PORT serves socketcand's protocol there\n"
	"                    (port 0: one that is free, which the log names), anything else is a CAN interface's name\n"
	"  --piper-firmware V  that it has, S-V1.5-2 or newer (default " PIPER_FIRMWARE_DEFAULT ")\n"
	"  --faults ADDRESS  socket for faults on purpose with --franka or --piper (default " STATION_FAULTS_DEFAULT ")\n"
	"  --rate-hz HZ      pictures per second and camera (default 30)\n"
	"  --size WxH        of the pictures (default 224x224)\n"
	"  --no-cameras      publish none\n"
	"  --camera-prefix TEXT  of the cameras' names: with left_, cameras.left_overhead is this world's, and others are another's\n"
	"  --camera NAME     overhead (default) or wrist, for --picture\n"
	"  --help\n";

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct arguments {
	struct sim_options sim;
	const char *config, *picture;
	enum sim_camera camera;
	bool no_cameras, help;
};

static int take_size(const char *text, void *at, struct errbuf *e)
{
	struct sim_options *o = at;
	char tail;

	if (sscanf(text, "%4ux%4u%c", &o->width, &o->height, &tail) != 2)
		return fail(e, -EINVAL, "--size %s: want WIDTHxHEIGHT in pixels, e.g. 224x224", text);
	return renderer_check_size(o->width, o->height, e);
}

static int take_model(const char *text, void *at, struct errbuf *e)
{
	const struct robot_model **out = at;
	char known[256] = "";

	*out = robot_model_find(text);
	if (*out)
		return 0;
	for (uint32_t i = 0; robot_model_name(i); i++)
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "", robot_model_name(i));
	return fail(e, -EINVAL, "--model %s: want one of %s", text, known);
}

static int take_camera(const char *text, void *at, struct errbuf *e)
{
	for (int i = 0; i < SIM_CAMERA_COUNT; i++)
		if (strcmp(text, sim_camera_name((enum sim_camera)i)) == 0) {
			*(enum sim_camera *)at = (enum sim_camera)i;
			return 0;
		}
	return fail(e, -EINVAL, "--camera %s: want overhead or wrist", text);
}

#define AT(member) offsetof(struct arguments, member)

static const struct option_row ROWS[] = {
	{ "config", OPTION_TEXT, AT(config) },
	{ "model", OPTION_BY_HAND, AT(sim.model), .take = take_model },
	{ "seed", OPTION_SEED, AT(sim.seed) },
	{ "task", OPTION_FLAG, AT(sim.task) },
	{ "pads", OPTION_FLAG, AT(sim.pads) },
	{ "judge", OPTION_TEXT, AT(sim.judge) },
	{ "duration", OPTION_NUMBER, AT(sim.duration_s), 0, 1e6 },
	{ "world", OPTION_TEXT, AT(sim.world) },
	{ "franka", OPTION_TEXT, AT(sim.franka) },
	{ "franka-version", OPTION_WHOLE, AT(sim.franka_version), FCI_VERSION_MIN, FCI_VERSION_MAX },
	{ "piper", OPTION_TEXT, AT(sim.piper) },
	{ "piper-firmware", OPTION_TEXT, AT(sim.piper_firmware) },
	{ "faults", OPTION_TEXT, AT(sim.faults) },
	{ "rate-hz", OPTION_NUMBER, AT(sim.rate_hz), 0.1, 200 },
	{ "size", OPTION_BY_HAND, AT(sim), .take = take_size },
	{ "no-cameras", OPTION_FLAG, AT(no_cameras) },
	{ "picture", OPTION_TEXT, AT(picture) },
	{ "camera", OPTION_BY_HAND, AT(camera), .take = take_camera },
	{ "camera-prefix", OPTION_TEXT, AT(sim.camera_prefix) },
	{ "help", OPTION_FLAG, AT(help) },
};

/* The firmware decides which of the models a PiPER is. */
static int choose_piper(struct sim_options *o, struct errbuf *e)
{
	struct piper_version v;

	if (!o->piper && o->piper_firmware)
		return fail(e, -EINVAL, "--piper-firmware %s: is a PiPER's, give --piper ADDRESS too", o->piper_firmware);
	if (!o->piper)
		return 0;
	if (o->franka)
		return fail(e, -EINVAL, "--franka and --piper: one arm stands on the table, give one of them");
	if (!o->piper_firmware)
		o->piper_firmware = PIPER_FIRMWARE_DEFAULT;
	if (!piper_arm_firmware(o->piper_firmware, &v))
		return fail(e, -EINVAL, "--piper-firmware %s: want S-V1.5-2 or newer in 8 characters, e.g. " PIPER_FIRMWARE_DEFAULT, o->piper_firmware);
	const char *name = piper_arm_model_name(&v);

	if (o->model && strcmp(o->model->name, name) != 0)
		return fail(e, -EINVAL, "--model %s: a PiPER with firmware %s is --model %s", o->model->name, o->piper_firmware, name);
	o->model = robot_model_find(name);
	return 0;
}

static int check(const struct arguments *a, struct errbuf *e)
{
	if (a->sim.pads && !a->sim.task)
		return fail(e, -EINVAL, "--pads: nothing can be put on them in a world without --task");
	if (a->sim.judge && !a->sim.task)
		return fail(e, -EINVAL, "--judge %s: no block can be picked up in a world without --task", a->sim.judge);
	if (!a->help && !a->picture && !a->config && a->sim.cameras)
		return fail(e, -EINVAL, "which cameras? give --config FILE, or --no-cameras");
	return 0;
}

static int parse(struct arguments *a, int argc, char **argv, struct errbuf *e)
{
	uint64_t seen;
	int rc = options_take(ROWS, sizeof ROWS / sizeof *ROWS, "dreamvla-sim", argc, argv, a, &seen, e);

	a->sim.cameras = !a->no_cameras;
	if (rc == 0)
		rc = choose_piper(&a->sim, e);
	if (!a->sim.model)
		a->sim.model = robot_model_find("panda");
	return rc < 0 ? rc : check(a, e);
}

static int run(struct arguments *a, struct errbuf *e)
{
	if (a->picture)
		return picture_write(&(struct picture_options){ .path = a->picture, .camera = a->camera, .width = a->sim.width,
				.height = a->sim.height, .seed = a->sim.seed, .task = a->sim.task, .pads = a->sim.pads, .model = a->sim.model }, e);
	config_defaults(&a->sim.config);
	int rc = a->config ? config_read(&a->sim.config, a->config, e) : 0;
	if (rc == 0)
		rc = log_set_level(a->sim.config.log_level, e);
	if (rc < 0 || (rc = log_start(e)) < 0)
		return rc;
	rc = sim_run(&a->sim, e);
	log_stop();
	return rc;
}

int main(int argc, char **argv)
{
	static struct arguments a; /* a configuration is large for a stack */
	struct errbuf e = { "" };

	if (trial_command_wanted(argc, argv))
		return trial_command(argc, argv);
	a.sim = (struct sim_options){ .seed = 1, .world = WORLD_ADDRESS_DEFAULT,
		.faults = STATION_FAULTS_DEFAULT, .rate_hz = 30, .width = 224, .height = 224,
		.camera_prefix = "" };
	int rc = parse(&a, argc, argv, &e);
	if (rc == 0 && a.help) {
		fputs(USAGE, stdout);
		return 0;
	}
	int failed = rc < 0 ? EXIT_USAGE : EXIT_FAILED;
	if (rc == 0)
		rc = run(&a, &e);
	if (rc < 0)
		fprintf(stderr, "dreamvla-sim: %s\n", e.text);
	return rc < 0 ? failed : 0;
}
