/* test_setup.c - a configuration becomes a set-up, and whatever does not fit together is refused by the name of its key. */
#include "daemon/setup.h"

#include <errno.h>
#include <string.h>

#include "daemon/control_tick.h"
#include "daemon/sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct config config;
static struct control_setup setup;
static struct errbuf error;

/* One Franka with two cameras, an end-effector delta and a gripper: 7 actions. */
static int make(void **state)
{
	(void)state;
	config_defaults(&config);
	config.n_cameras = 2;
	strcpy(config.camera[0].name, "top");
	strcpy(config.camera[1].name, "wrist");
	config.camera[1].max_age_ms = 77;
	config.policy_cameras.n = 2; /* prompt order is not the sections' order */
	strcpy(config.policy_cameras.name[0], "wrist");
	strcpy(config.policy_cameras.name[1], "top");
	config.policy_action_space = ACTION_EE_DELTA;
	config.policy_gripper_kind = 1;
	config.policy_action_chunk = 7;
	config.n_robots = 1;
	config.robot[0] = (struct config_robot){ .name = "arm", .model = "panda", .limit_scale = 0.5,
		.tcp = { 7, { 0, 0, 0.1, 0, 0, 0, 1 } }, .workspace_min = { 3, { 0.1, -0.5, 0 } },
		.workspace_max = { 3, { 0.8, 0.5, 0.9 } } };
	return 0;
}

static void assert_refused(const char *key)
{
	assert_int_equal(setup_control(&setup, &config, &error), -EINVAL);
	if (!strstr(error.text, key))
		fail_msg("\"%s\" does not name %s", error.text, key);
}

static void fills_in_the_defaults_of_the_model(void **state)
{
	(void)state;
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	assert_int_equal(setup.period_ns, 5 * NS_PER_MS);
	assert_int_equal(setup.arm[0].playout_ns, 10 * NS_PER_MS);
	assert_int_equal(setup.action_dim, 7);
	assert_true(setup.arm[0].has_gripper);
	assert_int_equal(setup.execution_steps, 4); /* half of 7, rounded up */
	assert_memory_equal(setup.arm[0].home_rad, setup.arm[0].model.home_rad, sizeof setup.arm[0].home_rad);
	assert_true(setup.arm[0].gripper_max_m == setup.arm[0].model.gripper_max_m);
	assert_true(setup.action_scale[0] == 1.0 && setup.action_scale[ACTION_DIM_MAX - 1] == 1.0);
}

static void cameras_stand_in_prompt_order(void **state)
{
	(void)state;
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	assert_string_equal(setup.camera_name[0], "wrist");
	assert_int_equal(setup.camera_max_age_ns[0], 77 * NS_PER_MS);
	assert_string_equal(setup_camera(&config, 1)->name, "top");
	assert_null(setup_camera(&config, 2));
}

static void unknown_camera(void **state)
{
	(void)state;
	strcpy(config.policy_cameras.name[1], "side");
	assert_refused("policy.cameras[1]: \"side\"");
	config.policy_cameras.n = 0;
	assert_refused("policy.cameras");
}

static void unknown_model_lists_the_known(void **state)
{
	(void)state;
	strcpy(config.robot[0].model, "pandora");
	assert_refused("robots[0].model: \"pandora\"");
	assert_non_null(strstr(error.text, "panda"));
	assert_non_null(strstr(error.text, "piper"));
}

static void no_arm_at_all(void **state)
{
	(void)state;
	config.n_robots = 0;
	assert_refused("robots");
}

static void wrong_home(void **state)
{
	(void)state;
	config.robot[0].home.n = 6;
	assert_refused("robots[0].home: has 6 angles: want 7");
	config.robot[0].home.n = 7; /* zeros: joint 4 of a Panda cannot be straight */
	assert_refused("robots[0].home[3]");
}

static void wrong_tcp(void **state)
{
	(void)state;
	config.robot[0].tcp.value[6] = 0.9;
	assert_refused("robots[0].tcp");
	config.robot[0].tcp.n = 3;
	assert_refused("robots[0].tcp: has 3");
}

static void empty_workspace(void **state)
{
	(void)state;
	config.robot[0].workspace_min.value[2] = 0.9;
	assert_refused("robots[0].workspace_min[2]");
}

static void wrong_action_dims(void **state)
{
	(void)state;
	config.robot[0].action_dims = 5;
	assert_refused("robots[0].action_dims: 5: want 7");
	config.robot[0].action_dims = 6; /* an arm whose gripper the policy does not move */
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	assert_false(setup.arm[0].has_gripper);
	config.robot[0].action_dims = 0;
	config.robot[0].action_first = 31;
	assert_refused("robots[0].action_first");
}

static void two_arms_have_their_actions_side_by_side(void **state)
{
	(void)state;
	config.n_robots = 2;
	config.robot[1] = config.robot[0];
	strcpy(config.robot[1].name, "other");
	config.robot[1].action_first = 7;
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	assert_int_equal(setup.action_dim, 14);
}

static void action_scale_has_one_number_per_action(void **state)
{
	(void)state;
	config.policy_action_scale.n = 6;
	assert_refused("policy.action_scale: has 6 numbers: want 7");
}

/* The gripper's number is compared with policy.gripper as it comes: a factor would be ignored. */
static void a_gripper_is_not_scaled(void **state)
{
	(void)state;
	config.policy_action_scale = (struct config_reals){ 7, { 0.05, 0.05, 0.05, 0.5, 0.5, 0.5, 0.001 } };
	assert_refused("policy.action_scale[6]: 0.001: want 1");
	config.policy_action_scale.value[6] = 1.0;
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	assert_true(setup.action_scale[3] == 0.5);
}

/* The plan for poses is slower, so that the TCP keeps its acceleration; the arm's own limits stay as they are. */
static void poses_are_planned_with_room(void **state)
{
	double joint[DOF_MAX];

	(void)state;
	config.robot[0].limit_scale = 1.0;
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	memcpy(joint, setup.arm[0].model.ddq_max_rad_s2, sizeof joint);
	config.robot[0].output = OUTPUT_POSE;
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	assert_null(control_setup_problem(&setup));
	assert_int_equal(setup.arm[0].output, OUTPUT_POSE);
	for (uint32_t i = 0; i < setup.arm[0].model.dof; i++) {
		double share = setup.arm[0].model.ddq_max_rad_s2[i] / joint[i];

		assert_true(share > 0.15 && share < 0.4);
	}
	config.policy_action_space = ACTION_JOINT_DELTA;
	config.robot[0].action_dims = 0;
	setup.action_space = ACTION_JOINT_DELTA;
	setup.arm[0].action_count = setup.action_dim = 8;
	assert_non_null(strstr(control_setup_problem(&setup), "robots[].output: pose"));
}

static void policy_options_come_from_the_keys(void **state)
{
	struct policy_setup p;

	(void)state;
	strcpy(config.policy_model, "/some/where");
	config.policy_decoder = 1;
	config.camera[1].resize_width = 336;
	setup_policy(&p, &config);
	assert_string_equal(p.options.model, "/some/where");
	assert_string_equal(p.options.decoder, "discrete_diffusion");
	assert_string_equal(p.options.backend, "cpu");
	assert_null(p.options.heads);
	assert_null(p.options.unnorm_key);
	assert_int_equal(p.options.threads, 0); /* the policy thread's own processors are counted, not this one's */
	assert_int_equal(p.options.n_pictures, 2);
	assert_int_equal(p.options.picture[0].resize_width, 336); /* the wrist comes first */
	config.policy_threads = 8;
	setup_policy(&p, &config);
	assert_int_equal(p.options.threads, 8);
}

/* Every key of policy.* that is an option of the policy, none of them at its default. */
static void no_policy_key_is_lost_on_the_way(void **state)
{
	struct policy_setup p;

	(void)state;
	strcpy(config.policy_heads, "/heads");
	config.policy_steps = 4;
	config.policy_algorithm = 2;
	config.policy_top_k = 50;
	config.policy_seed = 77;
	config.policy_vocabulary = 1;
	config.policy_precision = 1;
	config.policy_threads = 5;
	config.policy_action_chunk = 13;
	strcpy(config.policy_unnorm_key, "one_of_many");
	config.policy_normalisation = 2;
	strcpy(config.policy_system, "Be quick.");
	strcpy(config.policy_question, "How to {}?");
	config.policy_lowercase = false;
	config.camera_max_width = 801;
	config.camera_max_height = 603;
	setup_policy(&p, &config);
	assert_string_equal(p.options.heads, "/heads");
	assert_int_equal(p.options.steps, 4);
	assert_int_equal(p.options.algorithm, POLICY_ENTROPY);
	assert_int_equal(p.options.top_k, 50);
	assert_int_equal(p.options.seed, 77);
	assert_true(p.options.action_vocabulary_only);
	assert_int_equal(p.options.precision, POLICY_BF16);
	assert_int_equal(p.options.threads, 5);
	assert_int_equal(p.options.action_chunk, 13);
	assert_string_equal(p.options.unnorm_key, "one_of_many");
	assert_int_equal(p.options.normalisation, POLICY_NORMALISE_BOUNDS);
	assert_string_equal(p.options.system_line, "Be quick.");
	assert_string_equal(p.options.question, "How to {}?");
	config.policy_normalisation = 1;
	setup_policy(&p, &config);
	assert_int_equal(p.options.normalisation, POLICY_NORMALISE_QUANTILES);
	assert_false(p.options.lowercase_instruction);
	assert_int_equal(p.options.max_picture_width, 801);
	assert_int_equal(p.options.max_picture_height, 603);
	config.policy_algorithm = 1;
	setup_policy(&p, &config);
	assert_int_equal(p.options.algorithm, POLICY_TOPK_MARGIN);
}

static void defaults_are_the_recipe_of_training(void **state)
{
	struct policy_setup p;

	(void)state;
	setup_policy(&p, &config);
	assert_int_equal(p.options.steps, 1);
	assert_int_equal(p.options.algorithm, POLICY_MASKGIT_PLUS);
	assert_int_equal(p.options.top_k, 0);
	assert_int_equal(p.options.normalisation, POLICY_NORMALISE_AUTO);
	assert_false(p.options.action_vocabulary_only);
	assert_int_equal(p.options.precision, POLICY_FP32);
	assert_true(p.options.lowercase_instruction);
}

/* In prompt order: the wrist, which is the second section, comes first. */
static void picture_steps_belong_to_their_camera(void **state)
{
	struct policy_setup p;

	(void)state;
	config.camera[0].resize_height = config.camera[0].resize_width = 0;
	config.camera[1].rotate_180 = true;
	config.camera[1].jpeg_round_trip = true;
	config.camera[1].resize_height = 168;
	config.camera[1].resize_width = 336;
	config.camera[1].center_crop = 0.75;
	setup_policy(&p, &config);
	assert_true(p.options.picture[0].rotate_180);
	assert_true(p.options.picture[0].jpeg_round_trip);
	assert_int_equal(p.options.picture[0].resize_height, 168);
	assert_int_equal(p.options.picture[0].resize_width, 336);
	assert_true(p.options.picture[0].center_crop == 0.75);
	assert_false(p.options.picture[1].rotate_180);
	assert_false(p.options.picture[1].jpeg_round_trip);
	assert_int_equal(p.options.picture[1].resize_height, 0);
	assert_true(p.options.picture[1].center_crop == 0.0);
}

static void statistics_have_to_fit_the_arms(void **state)
{
	struct policy_info info = { .action_dim = 14, .action_chunk = 7, .unnorm_key = "two_arms" };

	(void)state;
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	assert_int_equal(setup_check_policy(&setup, &config, &info, &error), -EINVAL);
	assert_non_null(strstr(error.text, "robots take 7 actions"));
	assert_non_null(strstr(error.text, "two_arms"));
	assert_non_null(strstr(error.text, "have 14"));
	info.action_dim = 7;
	assert_int_equal(setup_check_policy(&setup, &config, &info, &error), 0);
	info.action_chunk = CHUNK_STEPS_MAX + 1;
	assert_int_equal(setup_check_policy(&setup, &config, &info, &error), -EINVAL);
}

static void state_vector_has_to_fit_the_projector(void **state)
{
	struct policy_info info = { .needs_state = true, .state_dim = 8 };
	struct proprio_setup p;

	(void)state;
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	config.policy_proprio.n = 2;
	strcpy(config.policy_proprio.name[0], "q");
	strcpy(config.policy_proprio.name[1], "gripper_width");
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), -EINVAL);
	assert_non_null(strstr(error.text, "policy.proprio[1]: \"gripper_width\""));
	assert_non_null(strstr(error.text, "gripper_m"));
	strcpy(config.policy_proprio.name[1], "gripper_m");
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), 0);
	assert_int_equal(p.total, 8);
	info.state_dim = 9;
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), -EINVAL);
	assert_non_null(strstr(error.text, "8 values"));
	assert_non_null(strstr(error.text, "want 9"));
	config.robot[0].proprio_dims = 4;
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), -EINVAL);
	assert_non_null(strstr(error.text, "robots[0].proprio_dims: 4: want 8"));
}

static void the_gripper_s_state_needs_a_gripper(void **state)
{
	struct policy_info info = { .needs_state = true, .state_dim = 7 };
	struct proprio_setup p;

	(void)state;
	config.policy_proprio.n = 2;
	strcpy(config.policy_proprio.name[0], "ee_pos");
	strcpy(config.policy_proprio.name[1], "ee_quat");
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	setup.arm[0].gripper_max_m = 0.0;
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), 0);
	strcpy(config.policy_proprio.name[2], "gripper_open");
	config.policy_proprio.n = 3;
	info.state_dim = 8;
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), -EINVAL);
	assert_non_null(strstr(error.text, "robots[0].gripper_max_m is 0 m"));
}

static void where_settled_actions_lead_is_known_of_the_hand_alone(void **state)
{
	struct policy_info info = { .needs_state = true, .state_dim = 3 };
	struct proprio_setup p;

	(void)state;
	config.policy_proprio.n = 1;
	strcpy(config.policy_proprio.name[0], "committed_pos");
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	setup.action_space = ACTION_EE_DELTA;
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), 0);
	setup.action_space = ACTION_JOINT_DELTA;
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), -EINVAL);
	assert_non_null(strstr(error.text, "committed_pos"));
	assert_non_null(strstr(error.text, "ee_delta"));
}

/* A wrong or half-copied folder of heads must not silently take the arm's state away from the policy. */
static void a_state_needs_a_projector(void **state)
{
	struct policy_info info = { .needs_state = false, .state_dim = 8 };
	struct proprio_setup p;

	(void)state;
	assert_int_equal(setup_control(&setup, &config, &error), 0);
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), 0);
	config.policy_proprio.n = 1;
	strcpy(config.policy_proprio.name[0], "q");
	strcpy(config.policy_heads, "/some/heads");
	assert_int_equal(setup_proprio(&p, &setup, &config, &info, &error), -EINVAL);
	assert_non_null(strstr(error.text, "policy.proprio: 7 values"));
	assert_non_null(strstr(error.text, "policy.heads (/some/heads)"));
	assert_non_null(strstr(error.text, "policy.proprio: []"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(fills_in_the_defaults_of_the_model, make),
		cmocka_unit_test_setup(cameras_stand_in_prompt_order, make),
		cmocka_unit_test_setup(unknown_camera, make),
		cmocka_unit_test_setup(unknown_model_lists_the_known, make),
		cmocka_unit_test_setup(no_arm_at_all, make),
		cmocka_unit_test_setup(wrong_home, make),
		cmocka_unit_test_setup(wrong_tcp, make),
		cmocka_unit_test_setup(empty_workspace, make),
		cmocka_unit_test_setup(wrong_action_dims, make),
		cmocka_unit_test_setup(two_arms_have_their_actions_side_by_side, make),
		cmocka_unit_test_setup(action_scale_has_one_number_per_action, make),
		cmocka_unit_test_setup(a_gripper_is_not_scaled, make),
		cmocka_unit_test_setup(poses_are_planned_with_room, make),
		cmocka_unit_test_setup(the_gripper_s_state_needs_a_gripper, make),
		cmocka_unit_test_setup(where_settled_actions_lead_is_known_of_the_hand_alone, make),
		cmocka_unit_test_setup(policy_options_come_from_the_keys, make),
		cmocka_unit_test_setup(no_policy_key_is_lost_on_the_way, make),
		cmocka_unit_test_setup(defaults_are_the_recipe_of_training, make),
		cmocka_unit_test_setup(picture_steps_belong_to_their_camera, make),
		cmocka_unit_test_setup(statistics_have_to_fit_the_arms, make),
		cmocka_unit_test_setup(state_vector_has_to_fit_the_projector, make),
		cmocka_unit_test_setup(a_state_needs_a_projector, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
