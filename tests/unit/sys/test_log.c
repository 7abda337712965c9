/* test_log.c - lines come out in order, levels filter, and a standard error that nobody reads blocks nobody.
 * In real time: threads. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/log.h"

#include <cmocka.h>

enum { TEXT_BYTES = 1 << 20, WRITERS = 4, LINES = 40 };

static int saved_stderr, reading;

/* Standard error becomes a pipe. */
static int redirect(void **state)
{
	int ends[2];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	fflush(stderr);
	if (pipe(ends) != 0 || (saved_stderr = dup(STDERR_FILENO)) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	close(ends[1]);
	reading = ends[0];
	return 0;
}

static int restore(void **state)
{
	struct errbuf e;

	(void)state;
	if (reading >= 0)
		close(reading);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	return log_set_level("info", &e);
}

/* Everything that was written, after the writing end has been taken away. */
static char *all_text(void)
{
	char *text = calloc(1, TEXT_BYTES);
	size_t n = 0;
	ssize_t more;

	assert_non_null(text);
	fflush(stderr);
	dup2(saved_stderr, STDERR_FILENO);
	while ((more = read(reading, text + n, TEXT_BYTES - 1 - n)) > 0)
		n += (size_t)more;
	return text;
}

static void levels_filter(void **state)
{
	struct errbuf e;
	char *text;

	(void)state;
	assert_int_equal(log_set_level("warning", &e), 0);
	log_line(LOG_LEVEL_INFO, "area: hidden %d", 1);
	log_line(LOG_LEVEL_WARNING, "area: shown %d", 2);
	text = all_text();
	assert_null(strstr(text, "hidden"));
	assert_non_null(strstr(text, "warning area: shown 2\n"));
	free(text);
}

static void unknown_level_lists_the_known(void **state)
{
	struct errbuf e;

	(void)state;
	assert_int_equal(log_set_level("loud", &e), -EINVAL);
	assert_non_null(strstr(e.text, "loud"));
	assert_non_null(strstr(e.text, "debug, info, warning or error"));
}

static void *write_lines(void *argument)
{
	for (int i = 0; i < LINES; i++)
		log_line(LOG_LEVEL_INFO, "writer %c line %d.", *(char *)argument, i);
	return NULL;
}

static void every_line_of_every_thread_arrives_once(void **state)
{
	char names[WRITERS] = { 'a', 'b', 'c', 'd' };
	pthread_t thread[WRITERS];
	struct errbuf e;
	char *text;

	(void)state;
	assert_int_equal(log_start(&e), 0);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, write_lines, &names[i]), 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	log_stop();
	text = all_text();
	for (int i = 0; i < WRITERS; i++) {
		const char *at = text;

		for (int line = 0; line < LINES; line++) { /* in the order of each thread */
			char want[32];

			snprintf(want, sizeof want, "writer %c line %d.\n", names[i], line);
			at = strstr(at, want);
			assert_non_null(at);
		}
	}
	free(text);
}

/* Far more lines than ring and pipe hold, while nobody reads: log_line returns all the same. */
static void blocked_standard_error_drops_and_counts(void **state)
{
	char long_text[1000];
	struct errbuf e;
	char *text;

	(void)state;
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	assert_int_equal(log_start(&e), 0);
	for (int i = 0; i < 2000; i++)
		log_line(LOG_LEVEL_INFO, "%s", long_text);
	assert_int_equal(fcntl(reading, F_SETPIPE_SZ, TEXT_BYTES), TEXT_BYTES); /* room: the writing thread can finish */
	log_stop();
	text = all_text();
	assert_non_null(strstr(text, "lines dropped, standard error was too slow"));
	free(text);
}

static void a_peers_text_stays_on_one_line(void **state)
{
	char *text;

	(void)state;
	log_line(LOG_LEVEL_INFO, "instruction: %s", "a\nb\x1b[2Jc\xc2\x9b" "d\xc3\xa9");
	text = all_text();
	assert_non_null(strstr(text, "instruction: a?b?[2Jc??d\xc3\xa9\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(levels_filter, redirect, restore),
		cmocka_unit_test_setup_teardown(a_peers_text_stays_on_one_line, redirect, restore),
		cmocka_unit_test(unknown_level_lists_the_known),
		cmocka_unit_test_setup_teardown(every_line_of_every_thread_arrives_once, redirect, restore),
		cmocka_unit_test_setup_teardown(blocked_standard_error_drops_and_counts, redirect, restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
