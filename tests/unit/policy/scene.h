/* scene.h - the golden observation of the checkpoint two_cameras, and a policy to show it to. */
#ifndef DREAMVLA_TESTS_UNIT_POLICY_SCENE_H
#define DREAMVLA_TESTS_UNIT_POLICY_SCENE_H

#include "policy/policy.h"
#include "tests/unit/policy/fixture.h"

enum { CHUNK = 8, DIM = 7, VALUES = CHUNK * DIM, SIDE = 224, STATE_DIM = 8, CAMERAS = 2 };

static struct errbuf e;
static struct policy_result result;

struct golden_case {
	json_t *inputs;             /* the case's JSON */
	json_t *header;             /* of its safetensors file */
	uint8_t *bytes;             /* the whole file */
	size_t data;                /* where its tensors begin */
};

static inline struct golden_case case_open(const char *name)
{
	char path[256];
	struct golden_case g = { 0 };
	json_error_t problem;
	uint64_t n_header;

	snprintf(path, sizeof path, GOLDEN "/cases/two_cameras.%s.json", name);
	g.inputs = json_load_file(path, 0, &problem);
	assert_non_null(g.inputs);
	snprintf(path, sizeof path, "two_cameras.%s.safetensors", name);
	g.bytes = (uint8_t *)file_read(GOLDEN "/cases", path, NULL);
	memcpy(&n_header, g.bytes, sizeof n_header);
	g.data = sizeof n_header + n_header;
	g.header = json_loadb((const char *)g.bytes + sizeof n_header, n_header, 0, &problem);
	assert_non_null(g.header);
	return g;
}

static inline void case_close(struct golden_case *g)
{
	json_decref(g->inputs);
	json_decref(g->header);
	free(g->bytes);
}

static inline const uint8_t *case_tensor(const struct golden_case *g, const char *name)
{
	const json_t *at = json_array_get(json_object_get(json_object_get(g->header, name), "data_offsets"), 0);

	assert_non_null(at);
	return g->bytes + g->data + json_integer_value(at);
}

/* The case's pictures come after resize and crop, so the picture steps are off. */
struct scene {
	struct golden_case discrete;
	struct policy_picture picture[CAMERAS];
	double state[STATE_DIM];
	struct policy_observation observation;
	const char *instruction;
};

static struct scene scene;

static inline int open_scene(void **state)
{
	(void)state;
	scene.discrete = case_open("discrete");
	for (size_t i = 0; i < CAMERAS; i++)
		scene.picture[i] = (struct policy_picture){ SIDE, SIDE, case_tensor(&scene.discrete, i ? "picture.1" : "picture.0") };
	for (size_t i = 0; i < STATE_DIM; i++)
		scene.state[i] = json_real_value(json_array_get(json_object_get(scene.discrete.inputs, "state"), i));
	scene.instruction = json_string_value(json_object_get(scene.discrete.inputs, "instruction"));
	scene.observation = (struct policy_observation){ .picture = scene.picture, .n_pictures = CAMERAS, .state = scene.state };
	return 0;
}

static inline int close_scene(void **state)
{
	(void)state;
	case_close(&scene.discrete);
	return 0;
}

/* The head files of its own, and few steps. */
static inline struct policy_options usual_options(const char *decoder)
{
	static const char *const heads[][2] = { { "discrete_diffusion", CHECKPOINT "/heads/discrete_diffusion" },
		{ "l1_regression", CHECKPOINT "/heads/l1_regression" }, { "flow_matching", CHECKPOINT "/heads/flow_matching" },
		{ "diffusion", CHECKPOINT "/heads/diffusion" } };
	struct policy_options o = { .model = CHECKPOINT, .heads = CHECKPOINT "/heads/discrete", .decoder = decoder, .backend = "cpu",
		.steps = strcmp(decoder, "diffusion") ? 1 : 5, .action_chunk = CHUNK, .n_pictures = CAMERAS, .max_picture_width = 256,
		.max_picture_height = 256, .threads = 1 };

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		if (!strcmp(heads[i][0], decoder))
			o.heads = heads[i][1];
	return o;
}

static inline struct policy *make(const struct policy_options *options)
{
	struct policy *p = NULL;

	if (policy_create(&p, options, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(policy_set_instruction(p, scene.instruction, &e), 0);
	return p;
}

/* create fails with this code and names these words. */
static inline void refuse_create(const struct policy_options *options, int code, const char *words)
{
	struct policy *p = NULL;

	assert_int_equal(policy_create(&p, options, &e), code);
	assert_null(p);
	assert_names(&e, words);
}

/* What create says on standard error. */
static inline void create_and_listen(const struct policy_options *options, char *text, size_t n_text)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);

	assert_true(file && saved >= 0);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	policy_destroy(make(options));
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	text[fread(text, 1, n_text - 1, file)] = '\0';
	fclose(file);
}

#endif
