/* test_checkpoint.c - whole checkpoints whose files contradict each other: refused by policy_create, never half believed. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <sys/resource.h>

#include "policy/policy.h"

#define CONFIG "config.json"
#define PREPROCESSOR "preprocessor_config.json"
#define PROJECTOR "proprio_projector--10000_checkpoint.pt"

static char folder[FIXTURE_PATH_BYTES];

/* Heads lie beside the weights. */
static int set_up(void **state)
{
	static const char *const names[] = { CONFIG, PREPROCESSOR, "added_tokens.json", "dataset_statistics.json", "merges.txt",
		"model.safetensors", "tokenizer_config.json", "vocab.json" };

	(void)state;
	folder_make(folder);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		file_copy(CHECKPOINT, names[i], folder);
	file_copy(CHECKPOINT "/heads/discrete", PROJECTOR, folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static void spoil(const char *file, const char *from, const char *to)
{
	char *text = file_read(folder, file, NULL), *spoilt = replace_once(text, from, to);

	file_write(folder, file, spoilt, strlen(spoilt));
	free(spoilt);
	free(text);
}

static int create(struct policy **p, struct errbuf *e)
{
	const struct policy_options options = { .model = folder, .decoder = "discrete", .steps = 1, .action_chunk = 8, .n_pictures = 2,
		.max_picture_width = 256, .max_picture_height = 256, .threads = 1 };

	return policy_create(p, &options, e);
}

static void assert_refused(int want, const char *words)
{
	struct policy *p = NULL;
	struct errbuf e = { "" };
	int rc = create(&p, &e);

	if (rc != want)
		fail_msg("rc %d, want %d (%s): %s", rc, want, words, e.text);
	assert_names(&e, words);
}

static void the_untouched_copy_is_taken(void **state)
{
	struct policy *p = NULL;
	struct errbuf e = { "" };

	(void)state;
	if (create(&p, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(policy_info(p)->needs_state);
	policy_destroy(p);
}

static void layers_that_config_does_not_count_are_not_left_out(void **state)
{
	(void)state;
	spoil(CONFIG, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2");
	assert_refused(-EINVAL, "num_hidden_layers is 2|model.layers.2.");
	spoil(CONFIG, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
	spoil(CONFIG, "\"depth\": 2", "\"depth\": 1");
	assert_refused(-EINVAL, "depth is 1|visual.blocks.1.");
}

static void another_mask_token_is_refused(void **state)
{
	(void)state;
	spoil(CONFIG, "\"mask_token_id\": 511", "\"mask_token_id\": 510");
	assert_refused(-EINVAL, "<|mask|>|511|mask_token_id 510");
}

/* Without it, the state would silently be no input of the policy any more. */
static void a_projector_that_leads_nowhere_is_refused(void **state)
{
	char path[FIXTURE_PATH_BYTES + 64];

	(void)state;
	snprintf(path, sizeof path, "%s/" PROJECTOR, folder);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nowhere/at/all", path), 0);
	assert_refused(-EINVAL, PROJECTOR);
}

/* Both files agree on patches of one pixel; only the weights know better, and must be asked before buffers are made. */
static void patches_that_the_weights_do_not_have_cost_no_memory(void **state)
{
	struct rusage before, after;

	(void)state;
	spoil(CONFIG, "\"patch_size\": 14", "\"patch_size\": 1");
	spoil(CONFIG, "\"spatial_merge_size\": 2", "\"spatial_merge_size\": 16");
	spoil(PREPROCESSOR, "\"patch_size\": 14,\n \"temporal", "\"patch_size\": 1,\n \"temporal");
	spoil(PREPROCESSOR, "\"merge_size\": 2", "\"merge_size\": 16");
	spoil(PREPROCESSOR, "\"min_pixels\": 50176", "\"min_pixels\": 1048576");
	getrusage(RUSAGE_SELF, &before);
	assert_refused(-EINVAL, "visual.patch_embed.proj.weight");
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 8192); /* kB */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_untouched_copy_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(layers_that_config_does_not_count_are_not_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_mask_token_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_projector_that_leads_nowhere_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(patches_that_the_weights_do_not_have_cost_no_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
