/* v4l2_twin.c - see v4l2_twin.h. Kernel documentation, ABI/stable/sysfs-bus-usb: idVendor, idProduct, serial. */
#include "transport/camera/v4l2_twin.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ATTRIBUTE_BYTES = 128, PATH_BYTES = PATH_MAX + 64 };

/* What udev makes a name of. */
struct looks {
	char folder[PATH_MAX];        /* of the USB device: one for all the video devices that it has */
	char vendor[ATTRIBUTE_BYTES], product[ATTRIBUTE_BYTES], serial[ATTRIBUTE_BYTES]; /* serial "": it has none */
};

static bool read_attribute(const char *folder, const char *name, char out[ATTRIBUTE_BYTES])
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "re");
	bool found = f && fgets(out, ATTRIBUTE_BYTES, f);

	if (!found)
		*out = 0;
	if (f)
		fclose(f);
	return found;
}

/* `device` is the interface; the USB device is what it lies in. */
static bool find_looks(const char *class_folder, const char *video, struct looks *out)
{
	char path[PATH_BYTES];

	*out = (struct looks){ "" };
	if ((size_t)snprintf(path, sizeof path, "%s/%s/device/..", class_folder, video) >= sizeof path || !realpath(path, out->folder))
		return false;
	(void)read_attribute(out->folder, "serial", out->serial);
	return read_attribute(out->folder, "idVendor", out->vendor) && read_attribute(out->folder, "idProduct", out->product);
}

static bool look_alike(const struct looks *a, const struct looks *b)
{
	return strcmp(a->folder, b->folder) != 0 && strcmp(a->vendor, b->vendor) == 0 && strcmp(a->product, b->product) == 0
			&& strcmp(a->serial, b->serial) == 0;
}

bool v4l2_has_twin(const char *class_folder, const char *video)
{
	struct looks ours, other;
	DIR *folder = find_looks(class_folder, video, &ours) ? opendir(class_folder) : NULL;
	bool found = false;

	for (const struct dirent *entry; folder && !found && (entry = readdir(folder));)
		found = entry->d_name[0] != '.' && find_looks(class_folder, entry->d_name, &other) && look_alike(&ours, &other);
	if (folder)
		closedir(folder);
	return found;
}
