/* main.c - dreamvla-camera: command line only. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "daemon/sys/jpeg.h"
#include "daemon/sys/options.h"
#include "transport/camera/camera_process.h"
#include "transport/camera/v4l2_list.h"
#include "transport/topic.h"

#define DEFAULT_CONFIG "/etc/dreamvla/dreamvla.yaml"

static const char USAGE[] =
	"dreamvla-camera - publishes the frames of one camera to dreamvlad, as camera/<name>; several cameras are several processes\n"
	"\n"
	"  dreamvla-camera --camera NAME SOURCE [options]         dreamvla-camera --list [--json]\n"
	"\n"
	"  --camera NAME       publishes camera/NAME: one of the configuration's cameras\n"
	"  --list              the cameras of this machine, their lasting names, formats, sizes and rates\n"
	"\n"
	"SOURCE is one of:\n";

static const char USAGE_REST[] =
	"\n"
	"  --rate-hz N         frames per second; nearest to 30\n"
	"  --duration S        ends after so many seconds\n"
	"  --config FILE       dreamvlad's: its sockets, keys, clock and bounds; without it " DEFAULT_CONFIG ",\n"
	"                      and where there is none, the default address\n"
	"  --cameras ADDRESS   dreamvlad's socket for cameras, seen from here (tcp://bench:7411)\n"
	"  --clock monotonic|realtime    of the stamps: realtime, synchronised, where dreamvlad runs on another machine\n"
	"  --key FILE, --server-key FILE our own CURVE secret key and dreamvlad's public key\n"
	"  --json              statistics, every 10 s and at the end, as JSON on standard output\n"
	"  --help\n"
	"\n"
	"A camera that is unplugged is waited for. Frames that the driver calls damaged, and halves of pictures, are dropped and counted.\n"
	"Exit code: 0 ended by a person, SIGTERM, its time or its last picture, 1 failed, 2 used wrongly.\n";

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, SOURCES_MAX = 4 };

/* Everything as given; NULL and 0: not given. */
struct arguments {
	const char *camera, *config, *cameras, *clock, *key, *server_key, *format, *size, *recorded_as;
	double rate_hz, duration_s, latency_ms;
	bool loop, json, list, help;
	const char *source[SOURCES_MAX]; /* path for each kind */
};

#define AT(member) offsetof(struct arguments, member)

static const struct option_row ROWS[] = {
	{ "camera", OPTION_TEXT, AT(camera) },
	{ "config", OPTION_TEXT, AT(config) },
	{ "cameras", OPTION_TEXT, AT(cameras) },
	{ "clock", OPTION_TEXT, AT(clock) },
	{ "key", OPTION_TEXT, AT(key) },
	{ "server-key", OPTION_TEXT, AT(server_key) },
	{ "format", OPTION_TEXT, AT(format), .kinds = "device" },
	{ "size", OPTION_TEXT, AT(size), .kinds = "device" },
	{ "latency-ms", OPTION_NUMBER, AT(latency_ms), 0, 1000, .kinds = "device" },
	{ "rate-hz", OPTION_NUMBER, AT(rate_hz), 0.1, 1000, .kinds = "device folder" },
	{ "loop", OPTION_FLAG, AT(loop), .kinds = "folder recording" },
	{ "recorded-as", OPTION_TEXT, AT(recorded_as), .kinds = "recording" },
	{ "duration", OPTION_NUMBER, AT(duration_s), 0.001, 1e9 },
	{ "json", OPTION_FLAG, AT(json) },
	{ "list", OPTION_FLAG, AT(list) },
	{ "help", OPTION_FLAG, AT(help) },
};

enum { ROW_COUNT = sizeof ROWS / sizeof *ROWS };

struct program {
	struct arguments given;
	struct config config;
	struct camera_process_options process;
	uint64_t seen;                 /* bit i: row i was given, then the kinds of source */
};

/* ---- options ----------------------------------------------------------------------------------------------------------------------- */

/* The rows, then one option for each kind of source. */
static int parse(struct program *p, int argc, char **argv, struct errbuf *e)
{
	struct option_row row[ROW_COUNT + SOURCES_MAX];
	uint32_t n = ROW_COUNT;

	memcpy(row, ROWS, sizeof ROWS);
	for (uint32_t i = 0; i < SOURCES_MAX && camera_source_at(i); i++)
		row[n++] = (struct option_row){ camera_source_at(i)->name, OPTION_TEXT, AT(source) + i * sizeof(const char *) };
	return options_take(row, n, "dreamvla-camera", argc, argv, &p->given, &p->seen, e);
}

static int find_source(struct program *p, struct errbuf *e)
{
	for (uint32_t i = 0; i < SOURCES_MAX && camera_source_at(i); i++) {
		if (!p->given.source[i])
			continue;
		if (p->process.kind)
			return fail(e, -EINVAL, "--%s and --%s: one process has one source", p->process.kind->name, camera_source_at(i)->name);
		p->process.kind = camera_source_at(i);
		p->process.source.path = p->given.source[i];
	}
	return 0;
}

static int check_size(struct program *p, struct errbuf *e)
{
	const char *text = p->given.size;
	unsigned w, h;
	int end = 0;

	if (!text)
		return 0;
	if (strspn(text, "0123456789x") != strlen(text) || sscanf(text, "%5ux%5u%n", &w, &h, &end) != 2 || text[end] || w < 1 || h < 1 ||
			w > JPEG_SIDE_MAX || h > JPEG_SIDE_MAX)
		return fail(e, -EINVAL, "--size: found %s, want WIDTHxHEIGHT in pixels, each 1..%d", text, JPEG_SIDE_MAX);
	p->process.source.width = w;
	p->process.source.height = h;
	return 0;
}

static int check_kind(struct program *p, struct errbuf *e)
{
	const struct camera_source *kind = p->process.kind;

	if (!kind)
		return fail(e, -EINVAL, "the source is missing: --device FILE, --folder DIR or --recording FILE; see dreamvla-camera --help");
	for (int i = 0; i < ROW_COUNT; i++)
		if (p->seen >> i & 1 && ROWS[i].kinds && !strstr(ROWS[i].kinds, kind->name))
			return fail(e, -EINVAL, "--%s does not belong to --%s, but to: %s", ROWS[i].name, kind->name, ROWS[i].kinds);
	if (!p->given.key != !p->given.server_key)
		return fail(e, -EINVAL, "--key and --server-key belong together");
	if (p->given.clock && strcmp(p->given.clock, "monotonic") != 0 && strcmp(p->given.clock, "realtime") != 0)
		return fail(e, -EINVAL, "--clock: found %s, want monotonic or realtime", p->given.clock);
	return 0;
}

static int check_name(struct program *p, struct errbuf *e)
{
	char topic[64];
	struct topic parts;

	if (!p->given.camera)
		return fail(e, -EINVAL, "--camera NAME is missing: which of the configuration's cameras this one is");
	snprintf(topic, sizeof topic, "camera/%.50s", p->given.camera);
	if (!topic_split((const uint8_t *)topic, strlen(topic), &parts) || !parts.name[0])
		return fail(e, -EINVAL, "--camera: found %s, want 1 to 31 letters, digits, _ and -", p->given.camera);
	p->process.name = p->given.camera;
	return 0;
}

static int check_arguments(struct program *p, struct errbuf *e)
{
	int rc = find_source(p, e);

	if (rc == 0)
		rc = check_kind(p, e);
	if (rc == 0)
		rc = check_name(p, e);
	return rc == 0 ? check_size(p, e) : rc;
}

/* ---- the configuration ------------------------------------------------------------------------------------------------------------- */

/* A name that dreamvlad does not know would be published to nobody. */
static int check_configured(const struct program *p, struct errbuf *e)
{
	char names[CONFIG_CAMERAS_MAX * (CONFIG_NAME_BYTES + 2)] = "";

	for (uint32_t i = 0; i < p->config.n_cameras; i++) {
		size_t n = strlen(names);

		if (strcmp(p->config.camera[i].name, p->process.name) == 0)
			return 0;
		snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", p->config.camera[i].name);
	}
	return fail(e, -EINVAL, "%s: cameras: there is no %s, only %s; add \"%s: {}\" there or choose another --camera", p->config.path,
			p->process.name, names, p->process.name);
}

static int read_config(struct program *p, struct errbuf *e)
{
	const char *path = p->given.config ? p->given.config : access(DEFAULT_CONFIG, F_OK) == 0 ? DEFAULT_CONFIG : NULL;

	config_defaults(&p->config);
	if (!path)
		return 0;
	int rc = config_read(&p->config, path, e);

	return rc == 0 ? check_configured(p, e) : rc;
}

static void set_process(struct program *p)
{
	const struct arguments *a = &p->given;
	struct camera_process_options *o = &p->process;

	o->cameras = a->cameras ? a->cameras : p->config.sockets_cameras;
	o->curve_secret = a->key ? a->key : p->config.sockets_curve_secret;
	o->curve_server = a->server_key;
	o->realtime_clock = a->clock ? strcmp(a->clock, "realtime") == 0 : p->config.clock != 0;
	o->duration_s = a->duration_s;
	o->json = a->json;
	o->source.format = a->format;
	o->source.rate_hz = a->rate_hz;
	o->source.latency_ms = a->latency_ms;
	o->source.loop = a->loop;
	o->source.recorded_as = a->recorded_as ? a->recorded_as : a->camera;
	o->source.width_max = (uint32_t)p->config.camera_max_width;
	o->source.height_max = (uint32_t)p->config.camera_max_height;
	o->source.bytes_max = (size_t)p->config.sockets_max_frame_kb * 1024;
}

static int run(struct program *p, struct errbuf *e)
{
	int rc = read_config(p, e);

	if (rc < 0)
		return rc;
	set_process(p);
	return camera_process_run(&p->process, e);
}

static int print_help(void)
{
	fputs(USAGE, stdout);
	for (uint32_t i = 0; camera_source_at(i); i++)
		fputs(camera_source_at(i)->help, stdout);
	fputs(USAGE_REST, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static struct program p = { .given = { .latency_ms = -1 } }; /* large for a stack */
	struct errbuf e = { "" };
	int rc = parse(&p, argc, argv, &e), failed = EXIT_USAGE;

	if (rc == 0 && p.given.help)
		return print_help();
	if (rc == 0 && !p.given.list)
		rc = check_arguments(&p, &e);
	if (rc == 0) {
		failed = EXIT_FAILED;
		rc = p.given.list ? v4l2_list(stdout, p.given.json, &e) : run(&p, &e);
	}
	if (rc < 0)
		fprintf(stderr, "dreamvla-camera: %s\n", e.text);
	return rc < 0 ? failed : 0;
}
