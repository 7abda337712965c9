/* tokenize.c - see tokenize.h. */
#include "policy/infer/tokenize.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "policy/tokenizer.h"

static int encode_all(struct tokenizer *t, const json_t *texts, json_t *out, struct errbuf *e)
{
	static int32_t ids[TOKENIZER_TEXT_BYTES_MAX];

	for (size_t i = 0; i < json_array_size(texts); i++) {
		const json_t *text = json_array_get(texts, i);
		json_t *row = json_array();
		uint32_t n = 0;

		json_array_append_new(out, row);
		if (!json_is_string(text))
			return fail(e, -EINVAL, "standard input: element %zu is no string", i);
		int rc = tokenizer_encode(t, json_string_value(text), json_string_length(text), false, ids, TOKENIZER_TEXT_BYTES_MAX,
				&n, e);

		if (rc < 0)
			return rc;
		for (uint32_t k = 0; k < n; k++)
			json_array_append_new(row, json_integer(ids[k]));
	}
	return 0;
}

int tokenize_standard_input(const char *model, struct errbuf *e)
{
	json_error_t problem;
	json_t *texts = json_loadf(stdin, JSON_ALLOW_NUL, &problem), *ids = json_array();
	struct tokenizer *t = NULL;
	int rc = 0;

	if (!json_is_array(texts))
		rc = fail(e, -EINVAL, "standard input: want a JSON array of strings%s%s", texts ? "" : ": ", texts ? "" : problem.text);
	if (rc == 0)
		rc = tokenizer_create(&t, model, e);
	if (rc == 0)
		rc = encode_all(t, texts, ids, e);
	if (rc == 0) {
		json_dumpf(ids, stdout, JSON_COMPACT);
		putchar('\n');
	}
	tokenizer_destroy(t);
	json_decref(texts);
	json_decref(ids);
	return rc;
}
