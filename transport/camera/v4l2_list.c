/* v4l2_list.c - see v4l2_list.h. */
#include "transport/camera/v4l2_list.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "transport/camera/v4l2_device.h"

static int is_video(const struct dirent *d)
{
	return strncmp(d->d_name, "video", 5) == 0;
}

/* The links of that folder which lead to the device. */
static json_t *links_in(const char *folder, const char *device)
{
	char link[PATH_MAX], found[PATH_MAX];
	json_t *names = json_array();
	DIR *d = opendir(folder);

	for (const struct dirent *entry; d && (entry = readdir(d));) {
		snprintf(link, sizeof link, "%s/%s", folder, entry->d_name);
		if (realpath(link, found) && strcmp(found, device) == 0)
			json_array_append_new(names, json_string(link));
	}
	if (d)
		closedir(d);
	return names;
}

static json_t *mode_object(const struct v4l2_mode *m)
{
	const struct v4l2_format_kind *kind = v4l2_format_find(m->fourcc);
	char name[5] = { (char)(m->fourcc & 0x7f), (char)(m->fourcc >> 8 & 0x7f), (char)(m->fourcc >> 16 & 0x7f), (char)(m->fourcc >> 24 & 0x7f) };

	text_tame(name, false);
	return json_pack("{s:s, s:b, s:[ii], s:[ii], s:[ii], s:[ff]}", "format", kind ? kind->name : name, "usable", kind != NULL,
			"size_min", (int)m->width_min, (int)m->height_min, "size_max", (int)m->width_max, (int)m->height_max,
			"size_step", (int)m->width_step, (int)m->height_step, "rate_hz", m->rate_min_hz, m->rate_max_hz);
}

static json_t *exposure_object(const struct v4l2_device *d)
{
	struct v4l2_exposure x;

	v4l2_device_exposure(d, &x);
	return json_pack("{s:o, s:b}", "fixed_ms", x.known ? json_real(x.time_ms) : json_null(), "may_slow_down", x.may_slow_down);
}

static json_t *device_object(const struct v4l2_device *d, const char *path, struct v4l2_modes *modes)
{
	json_t *list = json_array();

	v4l2_device_modes(d, modes);
	for (uint32_t i = 0; i < modes->n; i++)
		json_array_append_new(list, mode_object(&modes->mode[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "device", path, "card", d->identity.card, "driver", d->identity.driver,
			"bus", d->identity.bus, "by_id", links_in("/dev/v4l/by-id", path), "by_path", links_in("/dev/v4l/by-path", path),
			"exposure", exposure_object(d), "modes", list);
}

/* ---- as a table -------------------------------------------------------------------------------------------------------------------- */

static void print_mode(FILE *out, json_t *m)
{
	const char *format;
	int usable, w0, h0, w1, h1;
	double low, high;

	if (json_unpack(m, "{s:s, s:b, s:[ii], s:[ii], s:[FF]}", "format", &format, "usable", &usable, "size_min", &w0, &h0, "size_max", &w1, &h1,
			"rate_hz", &low, &high) < 0)
		return;
	fprintf(out, "  %-6s %5dx%-5d", format, w0, h0);
	if (w0 != w1 || h0 != h1)
		fprintf(out, "to %dx%-5d", w1, h1);
	if (low != high)
		fprintf(out, " %g to %g Hz", low, high);
	else if (high > 0)
		fprintf(out, " %g Hz", high);
	fputs(usable ? "\n" : "   (cannot be published)\n", out);
}

static void print_device(FILE *out, json_t *device)
{
	static const char *const links[] = { "by_id", "by_path" };
	json_t *list;

	fprintf(out, "%s   %s (%s)\n", json_string_value(json_object_get(device, "device")), json_string_value(json_object_get(device, "card")),
			json_string_value(json_object_get(device, "driver")));
	for (size_t k = 0; k < sizeof links / sizeof *links; k++) {
		list = json_object_get(device, links[k]);
		for (size_t i = 0; i < json_array_size(list); i++)
			fprintf(out, "  %s\n", json_string_value(json_array_get(list, i)));
	}
	list = json_object_get(device, "modes");
	for (size_t i = 0; i < json_array_size(list); i++)
		print_mode(out, json_array_get(list, i));
}

static void print_table(FILE *out, json_t *devices)
{
	if (json_array_size(devices) == 0)
		fputs("no camera: no /dev/video* that captures video and may be opened (group video)\n", out);
	for (size_t i = 0; i < json_array_size(devices); i++)
		print_device(out, json_array_get(devices, i));
}

static void collect(json_t *devices, struct v4l2_modes *modes)
{
	struct dirent **entry = NULL;
	int n = scandir("/dev", &entry, is_video, versionsort);

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];
		struct v4l2_device d;

		snprintf(path, sizeof path, "/dev/%s", entry[i]->d_name);
		if (v4l2_device_open(&d, path, NULL) == 0) {
			json_array_append_new(devices, device_object(&d, path, modes));
			v4l2_device_close(&d);
		}
		free(entry[i]);
	}
	free(entry);
}

int v4l2_list(FILE *out, bool json, struct errbuf *e)
{
	struct v4l2_modes *modes = malloc(sizeof *modes);
	json_t *whole = modes ? json_pack("{s:[]}", "devices") : NULL;

	if (!whole) {
		free(modes);
		return fail(e, -ENOMEM, "no memory");
	}
	json_t *devices = json_object_get(whole, "devices");

	collect(devices, modes);
	if (json && json_dumpf(whole, out, JSON_REAL_PRECISION(9)) == 0)
		fputc('\n', out);
	else if (!json)
		print_table(out, devices);
	json_decref(whole);
	free(modes);
	return fflush(out) != 0 ? fail(e, -EIO, "standard output cannot be written") : 0;
}
