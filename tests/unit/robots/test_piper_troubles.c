/* test_piper_troubles.c - every named state of a PiPER is one word with a sentence that fits, and README.md explains it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "robots/piper/trouble.h"
#include "transport/message/message.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

static void words_and_remedies_fit(void **state)
{
	(void)state;
	assert_string_equal(piper_trouble(PIPER_TROUBLE_NONE)->name, "");
	for (uint32_t i = PIPER_TROUBLE_NONE + 1; i < PIPER_TROUBLES; i++) {
		const struct robot_trouble *t = piper_trouble(i);

		assert_true(strlen(t->name) > 0 && strlen(t->name) < NAME_BYTES);
		assert_true(strspn(t->name, "abcdefghijklmnopqrstuvwxyz_") == strlen(t->name));
		assert_true(strlen(t->remedy) > 10 && strlen(t->remedy) < MESSAGE_TEXT_BYTES);
		for (uint32_t k = 0; k < i; k++)
			assert_string_not_equal(t->name, piper_trouble(k)->name);
	}
}

/* A row of a table begins with it, or with another one beside which it stands. */
static void readme_explains_each(void **state)
{
	size_t n = 0, room = 1 << 20;
	char *text = malloc(room), word[NAME_BYTES + 4];
	FILE *f = fopen("README.md", "r"); /* tests run in the repository's root */

	(void)state;
	assert_non_null(f);
	n = fread(text, 1, room - 1, f);
	fclose(f);
	text[n] = '\0';
	char *section = strstr(text, "\n## A real PiPER\n"), *end = section ? strstr(section + 1, "\n## ") : NULL;

	assert_non_null(end);
	*end = '\0';
	for (uint32_t i = PIPER_TROUBLE_NONE + 1; i < PIPER_TROUBLES; i++) {
		bool found = false;

		snprintf(word, sizeof word, "`%s`", piper_trouble(i)->name);
		for (const char *row = strstr(section, "\n| `"); row && !found; row = strstr(row + 1, "\n| `")) {
			const char *at = strstr(row, word);

			found = at && at < strchr(row + 3, '|');
		}
		if (!found)
			fail_msg("README.md, \"A real PiPER\", has no row for %s: troubles.def says %s", word, piper_trouble(i)->remedy);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_remedies_fit),
		cmocka_unit_test(readme_explains_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
