/* prompt.h - the token sequence around the action tokens: chat template, picture placeholders, instruction, suffix.
 *
 *   <|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n
 *   [<|vision_start|><|image_pad|>...<|vision_end|>] per picture
 *   {question with the instruction}<|im_end|>\n<|im_start|>assistant\n
 *
 * Text that is configured or comes from a person never becomes a special token. */
#ifndef DREAMVLA_POLICY_PROMPT_H
#define DREAMVLA_POLICY_PROMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "policy/manifest.h"
#include "policy/tokenizer.h"

enum { PROMPT_INSTRUCTION_BYTES_MAX = 1024, PROMPT_SUFFIX_MAX = 8 };

struct prompt;

struct prompt_options {
	struct tokenizer *tokenizer;   /* borrowed; must outlive the prompt */
	const struct manifest *manifest; /* its image, vision start and end tokens must be the tokenizer's */
	const char *system_line;       /* NULL: the training recipe's */
	const char *question;          /* holds exactly one {}; NULL: the training recipe's */
	bool lowercase_instruction;
};

/* Encodes everything but the instruction. -EINVAL: a template without exactly one {}, a special token that the
 * tokenizer lacks, or one whose id config.json contradicts. Thread: any. Allocates: yes. Blocks: no. */
MUST_CHECK int prompt_create(struct prompt **out, const struct prompt_options *options, struct errbuf *e);

/* Accepts NULL. */
void prompt_destroy(struct prompt *p);

/* -EINVAL: blank, too long, or with a control character other than line feed and tab. Whether it is UTF-8 shows when it is set.
 * Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int prompt_check_instruction(const char *text, struct errbuf *e);

/* Sets the instruction (UTF-8, 1 to 1,024 bytes). -EINVAL: as prompt_check_instruction, or not UTF-8; the previous one then stays.
 * Thread: one at a time, also for all prompts of one tokenizer. Allocates: no. Blocks: no. */
MUST_CHECK int prompt_set_instruction(struct prompt *p, const char *text, struct errbuf *e);

/* Writes the prompt's ids. image_tokens[n_pictures]: placeholders per picture (grid rows * columns / merge^2).
 * -EINVAL: no instruction was set; -E2BIG: more than `capacity` ids.
 * Thread: one at a time. Allocates: no. Blocks: no. */
MUST_CHECK int prompt_build(const struct prompt *p, const uint32_t *image_tokens, uint32_t n_pictures, int32_t *ids,
		uint32_t capacity, uint32_t *n_ids, struct errbuf *e);

/* Largest number of ids that prompt_build can give for this many pictures and placeholders, whatever the instruction:
 * what to size buffers with. Thread: any. Allocates: no. */
uint32_t prompt_length_max(const struct prompt *p, uint32_t n_pictures, uint32_t image_tokens);

/* The smallest. Thread: any. Allocates: no. */
uint32_t prompt_length_min(const struct prompt *p, uint32_t n_pictures, uint32_t image_tokens);

/* The ids that follow the action tokens: <|im_end|> and newline. *n <= PROMPT_SUFFIX_MAX. Thread: any. Allocates: no. */
const int32_t *prompt_suffix(const struct prompt *p, uint32_t *n);

#endif
