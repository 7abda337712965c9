/* output.h - what dreamvla-infer shows of a chunk, and the file of --dump. */
#ifndef DREAMVLA_POLICY_INFER_OUTPUT_H
#define DREAMVLA_POLICY_INFER_OUTPUT_H

#include "policy/policy.h"

/* The chunk with its times on standard output; files_ns: reading and decoding the picture files, which is no part of the total.
 * Thread: main. Allocates: yes (jansson). */
void output_json(const struct policy_info *info, const struct policy_result *r, int64_t files_ns);
void output_table(const struct policy_info *info, const struct policy_result *r, int64_t files_ns);

/* Infers once; dump: the safetensors file for every stage, or NULL. 0 or -errno. Thread: the policy's. Allocates: with a dump. */
MUST_CHECK int output_infer(struct policy *p, const struct policy_observation *observation, const char *dump,
		struct policy_result *r, struct errbuf *e);

#endif
