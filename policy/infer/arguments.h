/* arguments.h - the command line of dreamvla-infer as checked values. */
#ifndef DREAMVLA_POLICY_INFER_ARGUMENTS_H
#define DREAMVLA_POLICY_INFER_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"

/* Pictures nobody named with --image may be the rest of an instruction without quotes. */
#define ARGUMENTS_ASK_QUOTES " (is the text of --instruction in quotes?)"

enum { ARGUMENTS_USAGE = 2, STATE_MAX = 64, COMMITTED_MAX = POLICY_VALUES_MAX };

/* All strings are those of argv. */
struct arguments {
	struct policy_options policy;
	struct policy_picture_steps steps;
	const char *image[POLICY_PICTURES_MAX];
	uint32_t n_images;
	const char *instruction, *noise, *dump;
	double state[STATE_MAX];
	uint32_t n_state;
	int32_t committed[COMMITTED_MAX];
	uint32_t n_committed;
	bool json, describe, tokenize;
	bool loose_words; /* behind the instruction: they count as pictures, but may be the rest of it, without quotes */
};

/* 0, or what to exit with, after a message on standard error; -1: help was asked for. Thread: main. Allocates: no. */
int arguments_parse(int argc, char **argv, struct arguments *a);

/* The text of --help. */
const char *arguments_usage(void);

#endif
