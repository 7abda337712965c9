/* output.c - see output.h. */
#include "policy/infer/output.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "policy/safetensors_write.h"

static double to_ms(int64_t ns)
{
	return (double)ns / 1e6;
}

/* JSON has no NaN: a value of a lost chunk that is no number is null, and keeps its place. */
static json_t *number_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_rows(const double *value, uint32_t rows, uint32_t columns)
{
	json_t *table = json_array();

	for (uint32_t r = 0; r < rows; r++) {
		json_t *row = json_array();

		for (uint32_t i = 0; i < columns; i++)
			json_array_append_new(row, number_or_null(value[r * columns + i]));
		json_array_append_new(table, row);
	}
	return table;
}

void output_json(const struct policy_info *info, const struct policy_result *r, int64_t files_ns)
{
	json_t *tokens = info->chooses_tokens ? json_array() : json_null(), *lost = json_null();

	for (uint32_t i = 0; info->chooses_tokens && i < info->action_chunk * info->action_dim; i++)
		json_array_append_new(tokens, json_integer(r->token[i]));
	if (r->lost)
		lost = json_pack("{s:i, s:i}", "position", (int)r->lost_position, "token", (int)r->lost_token);
	json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}}", "actions",
			json_rows(r->action, info->action_chunk, info->action_dim), "normalised",
			json_rows(r->normalised, info->action_chunk, info->action_dim), "tokens", tokens, "lost", lost, "times_ms",
			"files", to_ms(files_ns), "preprocess", to_ms(r->times.preprocess_ns), "resize",
			to_ms(r->times.resize_ns), "patches", to_ms(r->times.patches_ns), "vision", to_ms(r->times.vision_ns), "decoder",
			to_ms(r->times.decoder_ns), "action_decode", to_ms(r->times.action_decode_ns), "total",
			to_ms(r->times.total_ns));

	json_dumpf(all, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(all);
}

void output_table(const struct policy_info *info, const struct policy_result *r, int64_t files_ns)
{
	for (uint32_t t = 0; t < info->action_chunk; t++) {
		printf("%3u", t);
		for (uint32_t i = 0; i < info->action_dim; i++)
			printf(" %11.6f", r->action[t * info->action_dim + i]);
		putchar('\n');
	}
	printf("decoder %s, statistics %s (%s), weights %.1f MB, buffers %.1f MB\n", info->decoder, info->unnorm_key, info->ranges,
			(double)info->weight_bytes / 1e6, (double)info->arena_bytes / 1e6);
	printf("picture files %.2f ms; pictures %.2f ms, vision %.2f ms, decoder %.2f ms, actions %.2f ms, total %.2f ms\n", to_ms(files_ns),
			to_ms(r->times.preprocess_ns), to_ms(r->times.vision_ns), to_ms(r->times.decoder_ns),
			to_ms(r->times.action_decode_ns), to_ms(r->times.total_ns));
}

struct dump {
	struct safetensors_writer *writer;
	int error;
	struct errbuf *e;
};

static void dump_tensor(void *context, const char *name, char type, const void *data, const uint64_t *shape, uint32_t rank)
{
	struct dump *d = context;

	if (d->error == 0)
		d->error = safetensors_writer_add(d->writer, name, type, data, shape, rank, d->e);
}

int output_infer(struct policy *p, const struct policy_observation *observation, const char *path, struct policy_result *r,
		struct errbuf *e)
{
	struct dump dump = { .e = e };
	struct policy_tracer tracer = { dump_tensor, &dump };
	int rc = path ? safetensors_writer_create(&dump.writer, e) : 0;

	if (rc == 0)
		rc = policy_infer(p, observation, r, path ? &tracer : NULL, e);
	if (rc == 0 && path)
		rc = dump.error ? dump.error : safetensors_writer_save(dump.writer, path, e);
	safetensors_writer_destroy(dump.writer);
	return rc;
}
