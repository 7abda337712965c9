/* prompt.c - see prompt.h. The template is that of the Qwen2-VL family; system line and question are the training
 * recipe's of Dream-VLA. */
#include "policy/prompt.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "policy/lower_case.h"

#define SYSTEM_LINE "You are a helpful assistant."
#define QUESTION "What action should the robot take to {}?"
#define SLOT "{}"

enum {
	TEMPLATE_BYTES_MAX = 4096, /* of the system line, and of the question */
	TURN_TOKENS_MAX = 32, /* "user\n", "assistant\n" and what encloses them */
	PREFIX_MAX = TEMPLATE_BYTES_MAX + TURN_TOKENS_MAX,
	/* a token has one byte at least; what lower-casing and NFC add counts against the instruction */
	QUESTION_TOKENS_MAX = TEMPLATE_BYTES_MAX + PROMPT_INSTRUCTION_BYTES_MAX,
	TEXT_BYTES_MAX = TEMPLATE_BYTES_MAX + LOWER_CASE_GROWTH * PROMPT_INSTRUCTION_BYTES_MAX,
};

struct prompt {
	struct tokenizer *tokenizer;
	bool lowercase;
	int32_t im_start, im_end, vision_start, image_pad, vision_end;
	char before[TEMPLATE_BYTES_MAX + 1], after[TEMPLATE_BYTES_MAX + 1]; /* the question around its {} */
	char text[TEXT_BYTES_MAX + 1];
	int32_t prefix[PREFIX_MAX];
	int32_t tail[TURN_TOKENS_MAX];
	int32_t suffix[PROMPT_SUFFIX_MAX];
	int32_t question[QUESTION_TOKENS_MAX]; /* with the instruction; n_question = 0: there is none */
	int32_t scratch[QUESTION_TOKENS_MAX];
	uint32_t n_prefix, n_tail, n_suffix, n_question, n_question_max;
};

/* An array of ids that grows up to its capacity. */
struct list {
	int32_t *ids;
	uint32_t n, capacity;
};

static int append_id(struct list *l, int32_t id, struct errbuf *e)
{
	if (l->n == l->capacity)
		return fail(e, -E2BIG, "prompt: more than %u tokens", l->capacity);
	l->ids[l->n++] = id;
	return 0;
}

/* Plain text: nothing in it becomes a special token. */
static int append_text(struct tokenizer *t, struct list *l, const char *text, struct errbuf *e)
{
	uint32_t n = 0;
	int rc = tokenizer_encode(t, text, strlen(text), false, l->ids + l->n, l->capacity - l->n, &n, e);

	l->n += n;
	return rc;
}

/* One turn's end and the next one's beginning: <|im_end|>\n<|im_start|>{role}\n */
static int append_turn(const struct prompt *p, struct list *l, const char *role, struct errbuf *e)
{
	int rc;

	if ((rc = append_id(l, p->im_end, e)) < 0 || (rc = append_text(p->tokenizer, l, "\n", e)) < 0 ||
			(rc = append_id(l, p->im_start, e)) < 0)
		return rc;
	return append_text(p->tokenizer, l, role, e);
}

static int encode_prefix(struct prompt *p, const char *system_line, struct errbuf *e)
{
	static const char head[] = "system\n";
	struct list l = { p->prefix, 0, PREFIX_MAX };
	char text[sizeof head + TEMPLATE_BYTES_MAX];
	int rc = append_id(&l, p->im_start, e);

	if (rc < 0)
		return rc;
	memcpy(text, head, sizeof head - 1);
	memcpy(text + sizeof head - 1, system_line, strlen(system_line) + 1);
	if ((rc = append_text(p->tokenizer, &l, text, e)) < 0 || (rc = append_turn(p, &l, "user\n", e)) < 0)
		return rc;
	p->n_prefix = l.n;
	return 0;
}

static int encode_ends(struct prompt *p, struct errbuf *e)
{
	struct list tail = { p->tail, 0, TURN_TOKENS_MAX }, suffix = { p->suffix, 0, PROMPT_SUFFIX_MAX };
	int rc;

	if ((rc = append_turn(p, &tail, "assistant\n", e)) < 0 || (rc = append_id(&suffix, p->im_end, e)) < 0 ||
			(rc = append_text(p->tokenizer, &suffix, "\n", e)) < 0)
		return rc;
	p->n_tail = tail.n;
	p->n_suffix = suffix.n;
	return 0;
}

static int split_question(struct prompt *p, const char *question, struct errbuf *e)
{
	const char *slot = strstr(question, SLOT);

	if (!slot || strstr(slot + strlen(SLOT), SLOT))
		return fail(e, -EINVAL,
				"prompt: the question \"%.64s\" holds %s " SLOT
				", want exactly one for the instruction",
				question, slot ? "more than one" : "no");
	if (strlen(question) > TEMPLATE_BYTES_MAX)
		return fail(e, -EINVAL, "prompt: the question has %zu bytes, at most %d are allowed", strlen(question),
				TEMPLATE_BYTES_MAX);
	memcpy(p->before, question, (size_t)(slot - question));
	memcpy(p->after, slot + strlen(SLOT), strlen(slot + strlen(SLOT)) + 1);
	p->n_question_max = (uint32_t)(strlen(p->before) + strlen(p->after)) + PROMPT_INSTRUCTION_BYTES_MAX;
	return 0;
}

/* Looks a special token up; `configured` >= 0 is what config.json says it is. */
static int find_special(const struct tokenizer *t, const char *text, int32_t configured, int32_t *out, struct errbuf *e)
{
	int32_t id = tokenizer_token_id(t, text);

	if (id < 0)
		return fail(e, -EINVAL, "tokenizer: has no added token %s, which the prompt needs", text);
	if (configured >= 0 && configured != id)
		return fail(e, -EINVAL, "tokenizer: %s is %d, but config.json says %d", text, id, configured);
	*out = id;
	return 0;
}

static int find_specials(struct prompt *p, const struct manifest_decoder *d, struct errbuf *e)
{
	const struct {
		const char *text;
		int32_t configured;
		int32_t *out;
	} wanted[] = {
		{ "<|im_start|>", -1, &p->im_start },
		{ "<|im_end|>", -1, &p->im_end },
		{ "<|vision_start|>", d->vision_start_token, &p->vision_start },
		{ "<|image_pad|>", d->image_token, &p->image_pad },
		{ "<|vision_end|>", d->vision_end_token, &p->vision_end },
	};
	int32_t mask = tokenizer_token_id(p->tokenizer, "<|mask|>");
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof wanted / sizeof wanted[0]; i++)
		rc = find_special(p->tokenizer, wanted[i].text, wanted[i].configured, wanted[i].out, e);
	if (rc == 0 && mask >= 0 && mask != d->mask_token) /* not in a prompt, but what discrete diffusion starts from */
		rc = fail(e, -EINVAL, "tokenizer: <|mask|> is %d, but config.json says mask_token_id %d", mask, d->mask_token);
	return rc;
}

/* The question with the instruction in its slot, in p->text. */
static void compose(struct prompt *p, const char *instruction)
{
	size_t n = strlen(p->before), n_instruction = strlen(instruction);

	memcpy(p->text, p->before, n);
	if (p->lowercase)
		n += lower_case(instruction, n_instruction, p->text + n);
	else {
		memcpy(p->text + n, instruction, n_instruction);
		n += n_instruction;
	}
	memcpy(p->text + n, p->after, strlen(p->after) + 1);
}

/* A question that cannot be encoded must not wait for the first instruction to show. */
static int check_question(struct prompt *p, struct errbuf *e)
{
	struct errbuf why = { "" };
	uint32_t n;
	int rc;

	compose(p, "");
	rc = tokenizer_encode(p->tokenizer, p->text, strlen(p->text), false, p->scratch, p->n_question_max, &n, &why);
	if (rc < 0)
		return fail(e, -EINVAL, "prompt: the question: %s", why.text);
	return 0;
}

int prompt_create(struct prompt **out, const struct prompt_options *options, struct errbuf *e)
{
	const char *system_line = options->system_line ? options->system_line : SYSTEM_LINE;
	const char *question = options->question ? options->question : QUESTION;
	struct prompt *p;
	int rc;

	if (strlen(system_line) > TEMPLATE_BYTES_MAX)
		return fail(e, -EINVAL, "prompt: the system line has %zu bytes, at most %d are allowed",
				strlen(system_line), TEMPLATE_BYTES_MAX);
	p = calloc(1, sizeof *p);
	if (!p)
		return fail(e, -ENOMEM, "prompt: out of memory");
	p->tokenizer = options->tokenizer;
	p->lowercase = options->lowercase_instruction;
	if ((rc = split_question(p, question, e)) < 0 || (rc = find_specials(p, &options->manifest->decoder, e)) < 0 ||
			(rc = encode_prefix(p, system_line, e)) < 0 || (rc = encode_ends(p, e)) < 0 ||
			(rc = check_question(p, e)) < 0) {
		prompt_destroy(p);
		return rc;
	}
	*out = p;
	return 0;
}

void prompt_destroy(struct prompt *p)
{
	free(p);
}

/* Nothing but spaces and line ends of any script. What is no UTF-8 is not blank: the tokenizer says what it is. */
static bool is_blank(const char *text, size_t n_bytes)
{
	for (size_t at = 0; at < n_bytes;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(n_bytes - at), &c);

		if (n < 1)
			return false;
		utf8proc_category_t kind = utf8proc_category(c);

		if (c != '\n' && c != '\t' && kind != UTF8PROC_CATEGORY_ZS && kind != UTF8PROC_CATEGORY_ZL && kind != UTF8PROC_CATEGORY_ZP)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* Line feed and tab are text: the training code passes them on as they are. No other control character is ever meant. */
static bool is_control(char byte)
{
	return ((unsigned char)byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
}

int prompt_check_instruction(const char *text, struct errbuf *e)
{
	size_t n_bytes = strlen(text);

	if (n_bytes > PROMPT_INSTRUCTION_BYTES_MAX)
		return fail(e, -EINVAL, "instruction: has %zu bytes, too many: want 1..%d", n_bytes, PROMPT_INSTRUCTION_BYTES_MAX);
	for (size_t i = 0; i < n_bytes; i++)
		if (is_control(text[i]))
			return fail(e, -EINVAL, "instruction: byte %zu is 0x%02x, a control character; want text", i,
					(unsigned)(unsigned char)text[i]);
	if (is_blank(text, n_bytes))
		return fail(e, -EINVAL, "instruction: has no text%s, want 1..%d bytes", n_bytes ? " but blanks" : "",
				PROMPT_INSTRUCTION_BYTES_MAX);
	return 0;
}

int prompt_set_instruction(struct prompt *p, const char *text, struct errbuf *e)
{
	struct errbuf why = { "" };
	uint32_t n = 0;
	int rc = prompt_check_instruction(text, e);

	if (rc < 0)
		return rc;
	compose(p, text);
	rc = tokenizer_encode(p->tokenizer, p->text, strlen(p->text), false, p->scratch, p->n_question_max, &n, &why);
	if (rc < 0)
		return fail(e, -EINVAL, "instruction: with its question, %s", why.text);
	memcpy(p->question, p->scratch, n * sizeof p->question[0]);
	p->n_question = n;
	return 0;
}

static int append_ids(struct list *l, const int32_t *ids, uint32_t n, struct errbuf *e)
{
	if (n > l->capacity - l->n)
		return fail(e, -E2BIG, "prompt: more than %u tokens", l->capacity);
	memcpy(l->ids + l->n, ids, n * sizeof ids[0]);
	l->n += n;
	return 0;
}

static int append_picture(const struct prompt *p, struct list *l, uint32_t n_tokens, struct errbuf *e)
{
	int rc = append_id(l, p->vision_start, e);

	for (uint32_t i = 0; rc == 0 && i < n_tokens; i++)
		rc = append_id(l, p->image_pad, e);
	return rc < 0 ? rc : append_id(l, p->vision_end, e);
}

int prompt_build(const struct prompt *p, const uint32_t *image_tokens, uint32_t n_pictures, int32_t *ids,
		uint32_t capacity, uint32_t *n_ids, struct errbuf *e)
{
	struct list l = { ids, 0, capacity };
	int rc;

	if (p->n_question == 0)
		return fail(e, -EINVAL, "prompt: there is no instruction yet");
	rc = append_ids(&l, p->prefix, p->n_prefix, e);
	for (uint32_t i = 0; rc == 0 && i < n_pictures; i++)
		rc = append_picture(p, &l, image_tokens[i], e);
	if (rc < 0 || (rc = append_ids(&l, p->question, p->n_question, e)) < 0 ||
			(rc = append_ids(&l, p->tail, p->n_tail, e)) < 0)
		return rc;
	*n_ids = l.n;
	return 0;
}

uint32_t prompt_length_max(const struct prompt *p, uint32_t n_pictures, uint32_t image_tokens)
{
	return p->n_prefix + 2 * n_pictures + image_tokens + p->n_question_max + p->n_tail;
}

uint32_t prompt_length_min(const struct prompt *p, uint32_t n_pictures, uint32_t image_tokens)
{
	return p->n_prefix + 2 * n_pictures + image_tokens + 1 + p->n_tail;
}

const int32_t *prompt_suffix(const struct prompt *p, uint32_t *n)
{
	*n = p->n_suffix;
	return p->suffix;
}
