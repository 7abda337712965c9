/* test_checkpoint.c - whole checkpoints whose files contradict each other: refused by policy_create, never half believed. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "policy/policy.h"

#define CONFIG "config.json"
#define PREPROCESSOR "preprocessor_config.json"
#define PROJECTOR "proprio_projector--10000_checkpoint.pt"

static char folder[FIXTURE_PATH_BYTES];

static const char *const names[] = { CONFIG, PREPROCESSOR, "added_tokens.json", "dataset_statistics.json", "merges.txt",
	"model.safetensors", "tokenizer_config.json", "vocab.json" };

enum { FILES = sizeof names / sizeof names[0] };

/* Heads lie beside the weights. */
static int set_up(void **state)
{
	(void)state;
	folder_make(folder);
	for (size_t i = 0; i < FILES; i++)
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

/* -- what can lie in the place of a file ----------------------------------------------------------------------------------------- */

static void put_empty(const char *path, const char *name)
{
	(void)path;
	file_write(folder, name, "", 0);
}

static void put_folder(const char *path, const char *name)
{
	(void)name;
	assert_int_equal(mkdir(path, 0700), 0);
}

/* As a download that has made its links before it fetched what they lead to. It is never as if the file were absent: other statistics
 * or tokens would be taken in its place. */
static void put_broken_link(const char *path, const char *name)
{
	(void)name;
	assert_int_equal(symlink("/nowhere/at/all", path), 0);
}

static void put_fifo(const char *path, const char *name)
{
	(void)name;
	assert_int_equal(mkfifo(path, 0600), 0);
}

static void put_pointer(const char *path, const char *name)
{
	static const char text[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n";

	(void)path;
	file_write(folder, name, text, sizeof text - 1);
}

static void what_lies_in_the_place_of_a_file_is_named(void **state)
{
	static void (*const put[])(const char *path, const char *name) = { put_empty, put_folder, put_broken_link, put_fifo, put_pointer };
	char path[FIXTURE_PATH_BYTES + 64];

	(void)state;
	for (size_t i = 0; i < FILES; i++)
		for (size_t k = 0; k < sizeof put / sizeof put[0]; k++) {
			snprintf(path, sizeof path, "%s/%s", folder, names[i]);
			assert_int_equal(remove(path), 0);
			put[k](path, names[i]);
			assert_refused(-EINVAL, names[i]);
			assert_int_equal(remove(path), 0);
			file_copy(CHECKPOINT, names[i], folder);
		}
}

/* Zero bytes ended a token early, so that another merge was read than stands there. */
static void a_zero_byte_in_the_merges_is_refused(void **state)
{
	size_t n_bytes, n_head;
	char *text = file_read(folder, "merges.txt", &n_bytes), *spoilt = malloc(n_bytes + 1), *at = strstr(text, "\nh e\n");

	(void)state;
	assert_non_null(spoilt);
	assert_non_null(at);
	n_head = (size_t)(at - text) + 4;
	memcpy(spoilt, text, n_head);
	spoilt[n_head] = '\0';
	memcpy(spoilt + n_head + 1, text + n_head, n_bytes - n_head);
	file_write(folder, "merges.txt", spoilt, n_bytes + 1);
	assert_refused(-EINVAL, "merges.txt|line 3|zero byte");
	free(spoilt);
	free(text);
}

static bool create_takes_little(void)
{
	struct rusage before, after;
	struct policy *p = NULL;
	struct errbuf e;

	getrusage(RUSAGE_SELF, &before);
	if (create(&p, &e) == 0)
		return false;
	getrusage(RUSAGE_SELF, &after);
	return after.ru_maxrss - before.ru_maxrss < 8192; /* kB */
}

/* Both files agree on patches of one pixel; only the weights know better, and must be asked before buffers are made. */
static void patches_that_the_weights_do_not_have_cost_no_memory(void **state)
{
	int status = 0;

	(void)state;
	spoil(CONFIG, "\"patch_size\": 14", "\"patch_size\": 1");
	spoil(CONFIG, "\"spatial_merge_size\": 2", "\"spatial_merge_size\": 16");
	spoil(PREPROCESSOR, "\"patch_size\": 14,\n \"temporal", "\"patch_size\": 1,\n \"temporal");
	spoil(PREPROCESSOR, "\"merge_size\": 2", "\"merge_size\": 16");
	spoil(PREPROCESSOR, "\"min_pixels\": 50176", "\"min_pixels\": 1048576");
	assert_refused(-EINVAL, "visual.patch_embed.proj.weight");
	pid_t child = fork(); /* its peak begins anew */

	if (child == 0)
		_exit(create_takes_little() ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Weights are kept there in more than one form, so only what begins like a head is judged. */
static void beside_the_weights_only_heads_are_judged(void **state)
{
	struct policy *p = NULL;
	struct errbuf e = { "" };

	(void)state;
	file_write(folder, "pytorch_model.pt", "x", 1);
	file_write(folder, "training_args.pth", "x", 1);
	if (create(&p, &e) < 0)
		fail_msg("%s", e.text);
	policy_destroy(p);
	file_write(folder, "action_head.safetensors", "x", 1);
	assert_refused(-EINVAL, "action_head.safetensors|action_head--*_checkpoint.pt|rename");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(beside_the_weights_only_heads_are_judged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_untouched_copy_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(layers_that_config_does_not_count_are_not_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_mask_token_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_projector_that_leads_nowhere_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_lies_in_the_place_of_a_file_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_zero_byte_in_the_merges_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(patches_that_the_weights_do_not_have_cost_no_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
