/* test_v4l2_twin.c - cameras that look alike to udev, in a tree made like sysfs's. */
#include "transport/camera/v4l2_twin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char root[] = "/tmp/test_v4l2_twin.XXXXXX";
static char class_folder[64];

static void write_attribute(const char *port, const char *name, const char *text)
{
	char path[128];

	if (!text)
		return;
	snprintf(path, sizeof path, "%s/usb/%s/%s", root, port, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "%s\n", text);
	assert_int_equal(fclose(f), 0);
}

/* A camera at a port with one interface; NULL: it does not say. */
static void plug(const char *port, const char *vendor, const char *product, const char *serial)
{
	char path[128];

	snprintf(path, sizeof path, "mkdir -p %s/usb/%s/interface", root, port);
	assert_int_equal(system(path), 0);
	write_attribute(port, "idVendor", vendor);
	write_attribute(port, "idProduct", product);
	write_attribute(port, "serial", serial);
}

static void add_video(const char *video, const char *port)
{
	char path[128], target[128];

	snprintf(path, sizeof path, "%s/%s", class_folder, video);
	assert_int_equal(mkdir(path, 0777), 0);
	snprintf(path, sizeof path, "%s/%s/device", class_folder, video);
	snprintf(target, sizeof target, "%s/usb/%s/interface", root, port);
	assert_int_equal(symlink(target, path), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/test_v4l2_twin.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(class_folder, sizeof class_folder, "%s/class", root);
	return mkdir(class_folder, 0777);
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", root);
	return system(command);
}

static void one_kind_without_serial_numbers_is_twins(void **state)
{
	(void)state;
	plug("1-1", "046d", "0825", NULL);
	plug("1-2", "046d", "0825", NULL);
	plug("1-3", "046d", "085e", NULL);
	add_video("video0", "1-1");
	add_video("video2", "1-2");
	add_video("video4", "1-3");
	assert_true(v4l2_has_twin(class_folder, "video0"));
	assert_true(v4l2_has_twin(class_folder, "video2"));
	assert_false(v4l2_has_twin(class_folder, "video4"));
}

/* A camera has a second video device with its settings. */
static void one_camera_is_not_its_own_twin(void **state)
{
	(void)state;
	plug("1-1", "046d", "0825", NULL);
	add_video("video0", "1-1");
	add_video("video1", "1-1");
	assert_false(v4l2_has_twin(class_folder, "video0"));
}

static void serial_numbers_tell_them_apart_unless_they_are_the_same(void **state)
{
	(void)state;
	plug("1-1", "046d", "0825", "1234");
	plug("1-2", "046d", "0825", "5678");
	plug("2-1", "0c45", "6366", "SN0001");
	plug("2-2", "0c45", "6366", "SN0001");
	add_video("video0", "1-1");
	add_video("video2", "1-2");
	add_video("video4", "2-1");
	add_video("video6", "2-2");
	assert_false(v4l2_has_twin(class_folder, "video0"));
	assert_true(v4l2_has_twin(class_folder, "video4"));
}

/* Built in, virtual, or gone meanwhile. */
static void what_is_no_usb_device_has_none(void **state)
{
	(void)state;
	plug("platform", NULL, NULL, NULL);
	add_video("video0", "platform");
	add_video("video1", "gone");
	assert_false(v4l2_has_twin(class_folder, "video0"));
	assert_false(v4l2_has_twin(class_folder, "video1"));
	assert_false(v4l2_has_twin(class_folder, "video9"));
	assert_false(v4l2_has_twin("/nowhere", "video0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_kind_without_serial_numbers_is_twins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_camera_is_not_its_own_twin, set_up, tear_down),
		cmocka_unit_test_setup_teardown(serial_numbers_tell_them_apart_unless_they_are_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_usb_device_has_none, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
