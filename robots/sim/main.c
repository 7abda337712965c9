/* main.c - dreamvla-sim: command line only. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "daemon/sys/log.h"
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
	bool help;
};

static int parse_number(const char *name, const char *text, double low, double high, double *out, struct errbuf *e)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= low && v <= high))
		return fail(e, -EINVAL, "--%s %s: want a number from %g to %g", name, text, low, high);
	*out = v;
	return 0;
}

static int parse_size(const char *text, struct sim_options *o, struct errbuf *e)
{
	char tail;

	if (sscanf(text, "%4ux%4u%c", &o->width, &o->height, &tail) != 2)
		return fail(e, -EINVAL, "--size %s: want WIDTHxHEIGHT in pixels, e.g. 224x224", text);
	return renderer_check_size(o->width, o->height, e);
}

static int parse_seed(const char *text, uint64_t *out, struct errbuf *e)
{
	char *end;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 0);
	if (end == text || *end || errno || *text == '-')
		return fail(e, -EINVAL, "--seed %s: want a whole number from 0 to 2^64 - 1", text);
	*out = v;
	return 0;
}

static int parse_version(const char *text, uint32_t *out, struct errbuf *e)
{
	double v;
	int rc = parse_number("franka-version", text, FCI_VERSION_MIN, FCI_VERSION_MAX, &v, e);

	if (rc == 0)
		*out = (uint32_t)v;
	return rc;
}

static int parse_model(const char *text, const struct robot_model **out, struct errbuf *e)
{
	char known[256] = "";

	*out = robot_model_find(text);
	if (*out)
		return 0;
	for (uint32_t i = 0; robot_model_name(i); i++)
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "", robot_model_name(i));
	return fail(e, -EINVAL, "--model %s: want one of %s", text, known);
}

static int parse_camera(const char *text, enum sim_camera *out, struct errbuf *e)
{
	for (int i = 0; i < SIM_CAMERA_COUNT; i++)
		if (strcmp(text, sim_camera_name((enum sim_camera)i)) == 0) {
			*out = (enum sim_camera)i;
			return 0;
		}
	return fail(e, -EINVAL, "--camera %s: want overhead or wrist", text);
}

static const struct option OPTIONS[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "model", required_argument, NULL, 'm' },
	{ "seed", required_argument, NULL, 's' },
	{ "task", no_argument, NULL, 't' },
	{ "pads", no_argument, NULL, 'P' },
	{ "judge", required_argument, NULL, 'j' },
	{ "duration", required_argument, NULL, 'd' },
	{ "world", required_argument, NULL, 'w' },
	{ "franka", required_argument, NULL, 'f' },
	{ "franka-version", required_argument, NULL, 'v' },
	{ "piper", required_argument, NULL, 'a' },
	{ "piper-firmware", required_argument, NULL, 'b' },
	{ "faults", required_argument, NULL, 'x' },
	{ "rate-hz", required_argument, NULL, 'r' },
	{ "size", required_argument, NULL, 'z' },
	{ "no-cameras", no_argument, NULL, 'n' },
	{ "picture", required_argument, NULL, 'p' },
	{ "camera", required_argument, NULL, 'k' },
	{ "camera-prefix", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int take_option(struct arguments *a, int option, struct errbuf *e)
{
	switch (option) {
	case 'c': a->config = optarg; return 0;
	case 'm': return parse_model(optarg, &a->sim.model, e);
	case 's': return parse_seed(optarg, &a->sim.seed, e);
	case 't': a->sim.task = true; return 0;
	case 'P': a->sim.pads = true; return 0;
	case 'j': a->sim.judge = optarg; return 0;
	case 'd': return parse_number("duration", optarg, 0, 1e6, &a->sim.duration_s, e);
	case 'w': a->sim.world = optarg; return 0;
	case 'f': a->sim.franka = optarg; return 0;
	case 'v': return parse_version(optarg, &a->sim.franka_version, e);
	case 'a': a->sim.piper = optarg; return 0;
	case 'b': a->sim.piper_firmware = optarg; return 0;
	case 'x': a->sim.faults = optarg; return 0;
	case 'r': return parse_number("rate-hz", optarg, 0.1, 200, &a->sim.rate_hz, e);
	case 'z': return parse_size(optarg, &a->sim, e);
	case 'n': a->sim.cameras = false; return 0;
	case 'p': a->picture = optarg; return 0;
	case 'k': return parse_camera(optarg, &a->camera, e);
	case 'o': a->sim.camera_prefix = optarg; return 0;
	case 'h': a->help = true; return 0;
	default: return fail(e, -EINVAL, "dreamvla-sim --help lists the options");
	}
}

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

static int parse(struct arguments *a, int argc, char **argv, struct errbuf *e)
{
	int option, rc = 0;

	while (rc == 0 && (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1)
		rc = take_option(a, option, e);
	if (rc == 0 && optind < argc)
		rc = fail(e, -EINVAL, "%s: not an option; dreamvla-sim --help lists them", argv[optind]);
	if (rc == 0)
		rc = choose_piper(&a->sim, e);
	if (!a->sim.model)
		a->sim.model = robot_model_find("panda");
	if (rc == 0 && a->sim.pads && !a->sim.task)
		rc = fail(e, -EINVAL, "--pads: nothing can be put on them in a world without --task");
	if (rc == 0 && a->sim.judge && !a->sim.task)
		rc = fail(e, -EINVAL, "--judge %s: no block can be picked up in a world without --task", a->sim.judge);
	if (rc == 0 && !a->help && !a->picture && !a->config && a->sim.cameras)
		rc = fail(e, -EINVAL, "which cameras? give --config FILE, or --no-cameras");
	return rc;
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
		.cameras = true, .camera_prefix = "" };
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
