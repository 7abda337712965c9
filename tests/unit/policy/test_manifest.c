/* test_manifest.c - config.json and preprocessor_config.json: the golden ones, and one fault at a time. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>

#include "policy/manifest.h"

#define CONFIG "config.json"
#define PREPROCESSOR "preprocessor_config.json"

static char folder[FIXTURE_PATH_BYTES];

static int set_up(void **state)
{
	(void)state;
	folder_make(folder);
	file_copy(CHECKPOINT, CONFIG, folder);
	file_copy(CHECKPOINT, PREPROCESSOR, folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static void golden_numbers_are_read(void **state)
{
	struct manifest m;
	struct errbuf e = { "" };

	(void)state;
	assert_int_equal(manifest_read(&m, CHECKPOINT, &e), 0);
	assert_int_equal(m.decoder.layers, 3);
	assert_int_equal(m.decoder.hidden, 64);
	assert_int_equal(m.decoder.heads, 4);
	assert_int_equal(m.decoder.kv_heads, 2);
	assert_int_equal(m.decoder.head_size, 16);
	assert_int_equal(m.decoder.mlp, 160);
	assert_int_equal(m.decoder.vocabulary, 896);
	assert_int_equal(m.decoder.image_token, 500);
	assert_int_equal(m.decoder.mask_token, 511);
	assert_int_equal(m.decoder.pad_token, 488);
	assert_int_equal(m.decoder.vision_start_token, 497);
	assert_int_equal(m.decoder.vision_end_token, 498);
	assert_int_equal(m.decoder.action_bins, 256);
	assert_true(m.decoder.rope_theta == 1e6 && m.decoder.rms_norm_eps == 1e-6);
	assert_int_equal(m.vision.blocks, 2);
	assert_int_equal(m.vision.width, 64);
	assert_int_equal(m.vision.head_size, 16);
	assert_int_equal(m.vision.mlp, 256);
	assert_int_equal(m.vision.output, 64);
	assert_int_equal(m.vision.channels, 3);
	assert_int_equal(m.picture.patch, 14);
	assert_int_equal(m.picture.merge, 2);
	assert_int_equal(m.picture.temporal, 2);
	assert_int_equal(m.picture.min_pixels, 50176);
	assert_int_equal(m.picture.max_pixels, 12845056);
	assert_true(m.picture.mean[2] == 0.40821073 && m.picture.std[0] == 0.26862954);
}

/* Writes `file` with `from` replaced by `to`, and puts the golden file back afterwards. */
static int read_spoilt(const char *file, const char *from, const char *to, struct manifest *m, struct errbuf *e)
{
	char *text = file_read(CHECKPOINT, file, NULL), *spoilt = replace_once(text, from, to);
	int rc;

	file_write(folder, file, spoilt, strlen(spoilt));
	rc = manifest_read(m, folder, e);
	file_write(folder, file, text, strlen(text));
	free(spoilt);
	free(text);
	return rc;
}

static void what_may_be_absent_has_its_default(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "\"n_action_bins\": 256", "\"other\": 256" },
		{ "\"in_chans\": 3,", "" },
		{ "\"hidden_act\": \"quick_gelu\",", "" },
		{ "\"projector_hidden_act\": \"gelu\",", "" },
		{ "\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"mrope\"}" },
	};
	struct manifest m;
	struct errbuf e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (read_spoilt(CONFIG, cases[i].from, cases[i].to, &m, &e) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(m.decoder.action_bins, 256);
		assert_int_equal(m.vision.channels, 3);
	}
	assert_int_equal(read_spoilt(CONFIG, "\"n_action_bins\": 256", "\"n_action_bins\": 128", &m, &e), 0);
	assert_int_equal(m.decoder.action_bins, 128);
}

static void every_fault_names_file_and_key(void **state)
{
	static const struct {
		const char *file, *from, *to;
		int rc;
		const char *words;
	} cases[] = {
		{ CONFIG, "\"num_hidden_layers\": 3", "\"layers\": 3", -EINVAL, "num_hidden_layers|absent|1..512" },
		{ CONFIG, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 0", -EINVAL, "num_hidden_layers = 0|1..512" },
		{ CONFIG, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 3.5", -EINVAL, "num_hidden_layers|a fraction" },
		{ CONFIG, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": \"3\"", -EINVAL, "num_hidden_layers|a string" },
		{ CONFIG, "\"num_attention_heads\": 4", "\"num_attention_heads\": 5", -EINVAL, "hidden_size 64|num_attention_heads 5" },
		{ CONFIG, "\"num_attention_heads\": 4", "\"num_attention_heads\": 64", -EINVAL, "= 1 is odd" },
		{ CONFIG, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", -EINVAL, "num_key_value_heads 3" },
		{ CONFIG, "\"intermediate_size\": 160", "\"intermediate_size\": -160", -EINVAL, "intermediate_size = -160" },
		{ CONFIG, "\"vocab_size\": 896", "\"vocab_size\": 99999999999", -EINVAL, "vocab_size = 99999999999" },
		{ CONFIG, "\"vocab_size\": 896", "\"vocab_size\": 505", -EINVAL, "mask_token_id = 511|0..504" },
		{ CONFIG, "\"image_token_id\": 500", "\"image_token_id\": -1", -EINVAL, "image_token_id = -1" },
		{ CONFIG, "\"pad_token_id\": 488", "\"pad_token_id\": null", -EINVAL, "pad_token_id|null" },
		{ CONFIG, "\"rope_theta\": 1000000.0", "\"rope_theta\": 0", -EINVAL, "rope_theta = 0" },
		{ CONFIG, "\"rope_theta\": 1000000.0", "\"rope_theta\": NaN", -EINVAL, "line" },
		{ CONFIG, "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": \"tiny\"", -EINVAL, "rms_norm_eps|a string" },
		{ CONFIG, "\"hidden_act\": \"silu\"", "\"hidden_act\": \"relu\"", -ENOTSUP, "hidden_act|relu|silu" },
		{ CONFIG, "\"hidden_act\": \"quick_gelu\"", "\"hidden_act\": 7", -ENOTSUP, "vision_config.hidden_act|an integer|quick_gelu" },
		{ CONFIG, "\"full_attn_mask\": true", "\"full_attn_mask\": false", -ENOTSUP, "full_attn_mask" },
		{ CONFIG, "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true", -ENOTSUP, "tie_word_embeddings" },
		{ CONFIG, "\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"yarn\"}", -ENOTSUP, "rope_scaling|yarn" },
		{ CONFIG, "\"rope_scaling\": null", "\"rope_scaling\": [2]", -EINVAL, "rope_scaling|an array" },
		{ CONFIG, "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": 1", -EINVAL, "tie_word_embeddings|an integer" },
		{ CONFIG, "\"full_attn_mask\": true", "\"full_attn_mask\": \"no\"", -EINVAL, "full_attn_mask|a string" },
		{ CONFIG, "\"n_action_bins\": 256", "\"n_action_bins\": 1", -EINVAL, "n_action_bins = 1" },
		{ CONFIG, "\"vision_config\"", "\"vision\"", -EINVAL, "vision_config|absent" },
		{ CONFIG, "\"depth\": 2", "\"depth\": []", -EINVAL, "vision_config: depth|an array" },
		{ CONFIG, "\"num_heads\": 4", "\"num_heads\": 3", -EINVAL, "embed_dim 64|num_heads 3" },
		{ CONFIG, "\"num_heads\": 4", "\"num_heads\": 32", -EINVAL, "embed_dim 64|num_heads 32|multiple of 4" },
		{ CONFIG, "\"mlp_ratio\": 4", "\"mlp_ratio\": 4.01", -EINVAL, "mlp_ratio 4.01" },
		{ CONFIG, "\"mlp_ratio\": 4", "\"mlp_ratio\": -4", -EINVAL, "vision_config: mlp_ratio = -4" },
		{ CONFIG, "\"in_chans\": 3", "\"in_chans\": 4", -EINVAL, "in_chans = 4" },
		{ CONFIG, "\"spatial_merge_size\": 2", "\"spatial_merge_size\": 4", -EINVAL, PREPROCESSOR "|merge_size 2|contradict" },
		{ CONFIG, "\"hidden_size\": 64,\n \"intermediate_size\"", "\"hidden_size\": 64, \"hidden_size\": 65,\n \"intermediate_size\"",
		  -EINVAL, "duplicate" },
		{ PREPROCESSOR, "\"min_pixels\": 50176", "\"min_pixels\": 12845057", -EINVAL, "min_pixels = 12845057" },
		{ PREPROCESSOR, "\"max_pixels\": 12845056", "\"max_pixels\": 50175", -EINVAL, "min_pixels 50176|max_pixels 50175" },
		{ PREPROCESSOR, "\"max_pixels\": 12845056", "\"max_pixels\": 1e9", -EINVAL, "max_pixels" },
		{ PREPROCESSOR, "\"max_pixels\": 12845056", "\"max_pixels\": 16777217", -EINVAL, "max_pixels = 16777217|1..16777216" },
		{ PREPROCESSOR, "\"min_pixels\": 50176", "\"min_pixels\": 1048577", -EINVAL, "min_pixels = 1048577|1..1048576" },
		{ PREPROCESSOR, "\"patch_size\": 14,\n \"temporal", "\"patch_size\": 16,\n \"temporal", -EINVAL, "patch_size 16|contradict|" CONFIG },
		{ PREPROCESSOR, "\"merge_size\": 2", "\"merge\": 2", -EINVAL, "merge_size|absent" },
		{ PREPROCESSOR, "0.26862954,", "0.26862954, 1,", -EINVAL, "image_std|3 numbers" },
		{ PREPROCESSOR, "0.26862954", "0", -EINVAL, "image_std[0]" },
		{ PREPROCESSOR, "0.4578275", "\"grey\"", -EINVAL, "image_mean[1]|a string" },
		{ PREPROCESSOR, "{", "[", -EINVAL, "line" },
	};
	struct manifest m;
	struct errbuf e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int rc = read_spoilt(cases[i].file, cases[i].from, cases[i].to, &m, &e);

		if (rc != cases[i].rc)
			fail_msg("%s: rc %d, want %d: %s", cases[i].to, rc, cases[i].rc, e.text);
		assert_names(&e, cases[i].words);
		assert_names(&e, cases[i].file);
		assert_names(&e, folder);
	}
}

static void missing_files_are_named(void **state)
{
	char path[FIXTURE_PATH_BYTES + 64];
	struct manifest m;
	struct errbuf e;

	(void)state;
	snprintf(path, sizeof path, "%s/" PREPROCESSOR, folder);
	unlink(path);
	assert_int_equal(manifest_read(&m, folder, &e), -ENOENT);
	assert_names(&e, PREPROCESSOR);
	assert_int_equal(manifest_read(&m, "/nowhere/at/all", &e), -ENOENT);
	assert_names(&e, "/nowhere/at/all/" CONFIG);
	file_write(folder, CONFIG, "", 0);
	assert_int_equal(manifest_read(&m, folder, &e), -EINVAL);
	assert_names(&e, CONFIG "|line");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_numbers_are_read),
		cmocka_unit_test_setup_teardown(what_may_be_absent_has_its_default, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_fault_names_file_and_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_files_are_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
