/* test_head_files.c - head files that do not fit their decoder, or each other, or hold what is no number. */
#include "daemon/sys/log.h"
#include "policy/pickle.h"

#include "tests/unit/policy/scene.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADS CHECKPOINT "/heads/"
#define OTHER_HEADS GOLDEN "/checkpoints/one_camera/heads/"

static char folder[FIXTURE_PATH_BYTES];

static int set_up(void **state)
{
	(void)state;
	folder_make(folder);
	return log_set_level("error", NULL); /* for lack of checksums: see spoil */
}

static int tear_down(void **state)
{
	(void)state;
	folder_remove(folder);
	return log_set_level("info", NULL);
}

/* -- head files that do not fit ------------------------------------------------------------------------------------------------- */

#define ACTION_HEAD "action_head--40000_checkpoint.pt"
#define PROJECTOR "noisy_action_projector--40000_checkpoint.pt"
#define STATE_PROJECTOR "proprio_projector--40000_checkpoint.pt"
#define FLOW "flow_predictor.mlp_resnet"

static struct policy_options flow_in_folder(void)
{
	struct policy_options options = usual_options("flow_matching");

	options.heads = folder;
	return options;
}

static void missing_head_files_are_named(void **state)
{
	struct policy_options options = flow_in_folder();

	(void)state;
	refuse_create(&options, -ENOENT, "decoder flow_matching|has no action_head--*_checkpoint.pt|found there: none|--heads");
	assert_non_null(strstr(e.text, folder));
	file_copy(HEADS "l1_regression", "proprio_projector--30000_checkpoint.pt", folder);
	refuse_create(&options, -ENOENT, "has no action_head--*_checkpoint.pt|found there: proprio_projector--30000_checkpoint.pt");
	file_copy(HEADS "flow_matching", ACTION_HEAD, folder);
	refuse_create(&options, -ENOENT, "has no noisy_action_projector--*_checkpoint.pt|" ACTION_HEAD "|policy.heads");
	file_copy(HEADS "flow_matching", PROJECTOR, folder);
	policy_destroy(make(&options));
	file_copy(HEADS "diffusion", "action_head--50000_checkpoint.pt", folder);
	refuse_create(&options, -EEXIST, ACTION_HEAD "|action_head--50000_checkpoint.pt");
}

static void heads_of_another_decoder_are_refused(void **state)
{
	struct policy_options options = flow_in_folder();

	(void)state;
	file_copy(HEADS "flow_matching", PROJECTOR, folder);
	file_copy(HEADS "diffusion", "action_head--50000_checkpoint.pt", folder);
	refuse_create(&options, -ENOENT, "action_head--50000_checkpoint.pt|" FLOW ".layer_norm1.weight|flow_matching"
			"|noise_predictor.mlp_resnet.layer_norm1.weight|for decoder diffusion");
	folder_remove(folder);
	folder_make(folder);
	file_copy(HEADS "diffusion", "action_head--50000_checkpoint.pt", folder);
	options.decoder = "l1_regression";
	refuse_create(&options, -ENOENT, "tensor model.layer_norm1.weight|for decoder diffusion");
	options.heads = HEADS "l1_regression";
	options.decoder = "flow_matching";
	refuse_create(&options, -ENOENT, "action_head--30000_checkpoint.pt|for decoder l1_regression");
}

/* The decoder is told by an option, its fine-tune by the files: where these contradict, a policy would run that nobody trained. */
static void head_files_that_the_decoder_does_not_use_are_refused(void **state)
{
	static const struct { const char *decoder, *heads, *words; } wrong[] = {
		{ "discrete", "l1_regression", "action_head--30000_checkpoint.pt|l1_regression, flow_matching, diffusion|policy.decoder" },
		{ "discrete_diffusion", "flow_matching", ACTION_HEAD "|l1_regression, flow_matching, diffusion|--heads" },
		{ "l1_regression", "flow_matching", PROJECTOR "|(of flow_matching, diffusion)|policy.decoder" },
		{ "l1_regression", "diffusion", "noisy_action_projector--50000_checkpoint.pt|(of flow_matching, diffusion)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct policy_options options = usual_options(wrong[i].decoder);
		char heads[FIXTURE_PATH_BYTES];

		snprintf(heads, sizeof heads, HEADS "%s", wrong[i].heads);
		options.heads = heads;
		refuse_create(&options, -EINVAL, wrong[i].words);
		assert_names(&e, wrong[i].decoder);
	}
}

/* A misnamed file must not count as absent: without its proprio projector the policy would run, and not see the state. */
static void misnamed_head_files_are_refused(void **state)
{
	static const struct { const char *from, *to; } names[] = {
		{ "proprio_projector--30000_checkpoint.pt", "proprio_projector_latest.pt" },
		{ "proprio_projector--30000_checkpoint.pt", "proprio_projector.pt" },
		{ "proprio_projector--30000_checkpoint.pt", "proprio_projector--30000.pt" },
		{ "proprio_projector--30000_checkpoint.pt", "proprio_projector--30000_checkpoint.pth" },
		{ "proprio_projector--30000_checkpoint.pt", "proprio_projector--30000_checkpoint.pt.part" },
		{ "proprio_projector--30000_checkpoint.pt", "proprio_projector--30000_checkpoint.safetensors" },
		{ "proprio_projector--30000_checkpoint.pt", "pp.pt" },
		{ "proprio_projector--30000_checkpoint.pt", "lora_adapter.pth" },
		{ "action_head--30000_checkpoint.pt", "action_head-30000_checkpoint.pt" },
		{ "action_head--30000_checkpoint.pt", "noisy_action_projector.pt" }, /* the decoder has no use for it under its right name either */
	};
	struct policy_options options = usual_options("l1_regression");

	(void)state;
	options.heads = folder;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t n;
		char *data = file_read(HEADS "l1_regression", names[i].from, &n);

		file_copy(HEADS "l1_regression", "action_head--30000_checkpoint.pt", folder);
		policy_destroy(make(&options)); /* with no proprio projector at all it is sound */
		file_write(folder, names[i].to, data, n);
		free(data);
		refuse_create(&options, -EINVAL, "--*_checkpoint.pt|rename");
		assert_names(&e, names[i].to);
		folder_remove(folder);
		folder_make(folder);
	}
}

static void parts_that_no_decoder_has_are_refused(void **state)
{
	struct policy_options options = usual_options("l1_regression");
	char inner[FIXTURE_PATH_BYTES + 32];

	(void)state;
	options.heads = folder;
	file_copy(HEADS "l1_regression", "action_head--30000_checkpoint.pt", folder);
	file_write(folder, "dataset--notes.txt", "x", 1);
	snprintf(inner, sizeof inner, "%s/proprio_projector.pt", folder); /* put away: what lies in a folder within is not looked at */
	assert_int_equal(mkdir(inner, 0700), 0);
	policy_destroy(make(&options));
	assert_int_equal(rmdir(inner), 0);
	file_write(folder, "vision_backbone--30000_checkpoint.pt", "x", 1);
	refuse_create(&options, -EINVAL, "vision_backbone--30000_checkpoint.pt|there are: action_head, noisy_action_projector, proprio_projector");
}

static void heads_of_another_size_are_refused(void **state)
{
	struct policy_options options = flow_in_folder();

	(void)state;
	file_copy(OTHER_HEADS "flow_matching", "action_head--20000_checkpoint.pt", folder);
	refuse_create(&options, -EINVAL, "action_head--20000_checkpoint.pt|" FLOW ".layer_norm1.weight|448|672");
	folder_remove(folder);
	folder_make(folder);
	file_copy(HEADS "flow_matching", ACTION_HEAD, folder);
	file_copy(OTHER_HEADS "flow_matching", "noisy_action_projector--20000_checkpoint.pt", folder);
	refuse_create(&options, -EINVAL, "noisy_action_projector--20000_checkpoint.pt|fc1.weight|[64, 1]|[96, 1]");
}

/* A copy of a golden head file with `from` replaced by `to`, of the same length, wherever it stands; returns how often. */
static uint32_t spoil(const char *directory, const char *name, const void *from, const void *to, size_t n)
{
	size_t n_file;
	char *data = file_read(directory, name, &n_file);
	uint32_t times = 0;

	for (size_t at = 0; at + n <= n_file; at++) {
		if (memcmp(data + at, from, n))
			continue;
		memcpy(data + at, to, n);
		times++;
	}
	pt_forget_sums(data, n_file);
	file_write(folder, name, data, n_file);
	free(data);
	return times;
}

static void files_without_checksums_are_warned_of(void **state)
{
	struct policy_options options = usual_options("l1_regression");
	char text[1024];

	(void)state;
	options.heads = folder;
	assert_int_equal(log_set_level("info", NULL), 0);
	file_copy(HEADS "l1_regression", "action_head--30000_checkpoint.pt", folder);
	create_and_listen(&options, text, sizeof text);
	assert_string_equal(text, "");
	assert_int_equal(spoil(HEADS "l1_regression", "action_head--30000_checkpoint.pt", "no such bytes", "nothing there", 13), 0);
	create_and_listen(&options, text, sizeof text);
	assert_non_null(strstr(text, "action_head--30000_checkpoint.pt"));
	assert_non_null(strstr(text, "set_crc32_options"));
}

static void missing_and_additional_tensors_are_named(void **state)
{
	static const struct { const char *from, *to; int code; const char *words; } wrong[] = {
		{ "layer_norm2.bias", "layer_norm9.bias", -ENOENT, FLOW ".layer_norm2.bias is missing" },
		{ "fc2.weight", "fc9.weight", -ENOENT, FLOW ".fc2.weight is missing" },
		{ "blocks.1.ffn.1.bias", "blocks.7.ffn.1.bias", -ENOENT, FLOW ".mlp_resnet_blocks.1.ffn.1.bias is missing" },
		{ "blocks.1.ffn.0.weight", "blocks.2.ffn.0.weight", -EINVAL, FLOW ".mlp_resnet_blocks.2.ffn.0.weight|third block" },
		{ "layer_norm1", "layer_norm9", -ENOENT, FLOW ".layer_norm1.weight is missing" },
	};
	struct policy_options options = flow_in_folder();

	(void)state;
	file_copy(HEADS "flow_matching", PROJECTOR, folder);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_true(spoil(HEADS "flow_matching", ACTION_HEAD, wrong[i].from, wrong[i].to, strlen(wrong[i].from)) > 0);
		refuse_create(&options, wrong[i].code, wrong[i].words);
		assert_names(&e, ACTION_HEAD);
	}
	file_copy(HEADS "flow_matching", ACTION_HEAD, folder);
	assert_true(spoil(HEADS "flow_matching", PROJECTOR, "fc2.bias", "fc9.bias", 8) > 0);
	refuse_create(&options, -ENOENT, PROJECTOR "|fc2.bias is missing");
}

/* -- numbers that are none ------------------------------------------------------------------------------------------------------ */

/* The only one of a folder's head files of this kind, without a folder. */
static void find_head(const char *directory, const char *kind, char name[256])
{
	DIR *d = opendir(directory);
	const struct dirent *entry;

	assert_non_null(d);
	name[0] = '\0';
	while ((entry = readdir(d)))
		if (!strncmp(entry->d_name, kind, strlen(kind)))
			snprintf(name, 256, "%s", entry->d_name);
	closedir(d);
	assert_true(name[0]);
}

/* The decoder's head files in `folder`, the bias fc2 of this kind's file all of this value (as bfloat16: its upper half). */
static void spoil_bias(const char *decoder, const char *kind, const char *tensor, uint32_t n, uint16_t bits)
{
	static const char *const kinds[] = { "action_head", "noisy_action_projector", "proprio_projector" };
	char directory[FIXTURE_PATH_BYTES], name[256];
	struct head_file *f;
	uint8_t bias[512], wrong[512];
	struct tensor t;

	snprintf(directory, sizeof directory, HEADS "%s", decoder);
	for (size_t i = 0; i < 3; i++) {
		if (head_file_open(&f, directory, kinds[i], &e) == -ENOENT)
			continue;
		find_head(directory, kinds[i], name);
		file_copy(directory, name, folder);
		head_file_close(f);
	}
	assert_int_equal(head_file_open(&f, directory, kind, &e), 0);
	assert_int_equal(head_file_find(f, tensor, 1, (uint64_t[]){ n }, &t, &e), 0);
	size_t size = (t.type == TENSOR_F32 ? 4 : 2) * (size_t)n, step = size / n;

	memcpy(bias, t.data, size);
	head_file_close(f);
	for (size_t i = 0; i < size; i++)
		wrong[i] = (uint8_t)(i % step == step - 1 ? bits >> 8 : i % step == step - 2 ? bits & 0xff : 0);
	find_head(directory, kind, name);
	assert_int_equal(spoil(directory, name, bias, wrong, size), 1);
}

/* Never as a good result: lost, and no token to blame. */
static void expect_lost(const char *decoder, enum policy_precision precision)
{
	struct policy_options options = usual_options(decoder);

	options.heads = folder;
	options.precision = precision;
	options.steps = strcmp(decoder, "discrete_diffusion") ? options.steps : 3;
	struct policy *p = make(&options);

	assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
	assert_true(result.lost);
	assert_int_equal(result.lost_token, -1);
	assert_int_equal(result.lost_position, 0);
	policy_destroy(p);
	folder_remove(folder);
	folder_make(folder);
}

static void hidden_states_that_are_no_numbers_lose_the_chunk(void **state)
{
	static const char *const decoder[] = { "discrete", "discrete_diffusion", "l1_regression", "flow_matching", "diffusion" };

	(void)state;
	for (enum policy_precision precision = POLICY_FP32; precision <= POLICY_BF16; precision++) {
		for (size_t i = 0; i < sizeof decoder / sizeof *decoder; i++) {
			spoil_bias(decoder[i], "proprio_projector", "fc2.bias", 64, 0x7fc0); /* NaN */
			expect_lost(decoder[i], precision);
		}
	}
}

static void head_weights_that_are_no_numbers_lose_the_chunk(void **state)
{
	static const struct { const char *decoder, *kind, *tensor; uint32_t n; } file[] = {
		{ "l1_regression", "action_head", "model.fc2.bias", DIM },
		{ "l1_regression", "action_head", "model.fc1.bias", 64 },
		{ "flow_matching", "action_head", FLOW ".mlp_resnet_blocks.0.ffn.1.bias", 64 },
		{ "flow_matching", "noisy_action_projector", "fc2.bias", 64 },
		{ "diffusion", "action_head", "noise_predictor.mlp_resnet.fc2.bias", DIM },
	};

	(void)state;
	for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
		spoil_bias(file[i].decoder, file[i].kind, file[i].tensor, file[i].n, 0x7fc0); /* NaN */
		expect_lost(file[i].decoder, POLICY_FP32);
	}
	spoil_bias("l1_regression", "action_head", "model.fc2.bias", DIM, 0x7f80); /* infinite */
	expect_lost("l1_regression", POLICY_FP32);
	spoil_bias("flow_matching", "action_head", FLOW ".fc2.bias", DIM, 0xff80);
	expect_lost("flow_matching", POLICY_FP32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(missing_head_files_are_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(heads_of_another_decoder_are_refused, set_up, tear_down),
		cmocka_unit_test(head_files_that_the_decoder_does_not_use_are_refused),
		cmocka_unit_test_setup_teardown(misnamed_head_files_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parts_that_no_decoder_has_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(heads_of_another_size_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_without_checksums_are_warned_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_and_additional_tensors_are_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hidden_states_that_are_no_numbers_lose_the_chunk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(head_weights_that_are_no_numbers_lose_the_chunk, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, open_scene, close_scene);
}
