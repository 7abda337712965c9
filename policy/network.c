/* network.c - see network.h. */
#include "policy/network.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_BYTES = 128 };

static int find_named(const struct weights *w, uint32_t rank, const uint64_t *shape, struct tensor *out, struct errbuf *e,
		const char *format, va_list arguments)
{
	char name[NAME_BYTES];

	vsnprintf(name, sizeof name, format, arguments);
	return weights_find(w, name, rank, shape, out, e);
}

int network_matrix(const struct weights *w, uint32_t rows, uint32_t columns, struct compute_matrix *out, struct errbuf *e,
		const char *format, ...)
{
	struct tensor t;
	va_list arguments;

	va_start(arguments, format);
	int rc = find_named(w, 2, (uint64_t[]){ rows, columns }, &t, e, format, arguments);

	va_end(arguments);
	if (rc == 0)
		*out = (struct compute_matrix){ t.data, t.type, rows, columns };
	return rc;
}

int network_vector(const struct weights *w, uint32_t columns, struct compute_matrix *out, struct errbuf *e, const char *format, ...)
{
	struct tensor t;
	va_list arguments;

	va_start(arguments, format);
	int rc = find_named(w, 1, (uint64_t[]){ columns }, &t, e, format, arguments);

	va_end(arguments);
	if (rc == 0)
		*out = (struct compute_matrix){ t.data, t.type, 1, columns };
	return rc;
}

int network_check_last(const struct weights *w, const char *list, uint32_t count, const char *tensor, const char *key,
		struct errbuf *e)
{
	char name[NAME_BYTES];

	snprintf(name, sizeof name, "%s.%u.%s", list, count, tensor);
	return weights_has(w, name) ? fail(e, -EINVAL, "config.json: %s is %u, but the checkpoint has %s too", key, count, name) : 0;
}

static int find_layer(const struct head_file *f, const char *weight_name, const char *bias_name, uint32_t rows, uint32_t columns,
		struct compute_matrix *weight, struct compute_matrix *bias, struct errbuf *e)
{
	struct tensor t;
	int rc = head_file_find(f, weight_name, 2, (uint64_t[]){ rows, columns }, &t, e);

	if (rc < 0)
		return rc;
	*weight = (struct compute_matrix){ t.data, t.type, rows, columns };
	if ((rc = head_file_find(f, bias_name, 1, (uint64_t[]){ rows }, &t, e)) < 0)
		return rc;
	*bias = (struct compute_matrix){ t.data, t.type, 1, rows };
	return 0;
}

int network_projector_find(const struct head_file *f, uint32_t inputs, uint32_t hidden, struct network_projector *out,
		struct errbuf *e)
{
	int rc = find_layer(f, "fc1.weight", "fc1.bias", hidden, inputs, &out->fc1, &out->fc1_bias, e);

	return rc < 0 ? rc : find_layer(f, "fc2.weight", "fc2.bias", hidden, hidden, &out->fc2, &out->fc2_bias, e);
}

void network_report_progress(const struct network *n)
{
	struct network_progress *p = n->progress;

	if (p && p->done < p->total)
		p->report(p->context, "warming up", (double)++p->done / p->total);
}

void network_trace(const struct network *n, struct compute_view x, const char *format, ...)
{
	char name[NAME_BYTES];
	va_list arguments;

	if (!n->tracer)
		return;
	float *host = malloc((size_t)x.rows * x.columns * sizeof *host);

	if (!host)
		return; /* a trace that is missing shows in the dump; the inference goes on */
	va_start(arguments, format);
	vsnprintf(name, sizeof name, format, arguments);
	va_end(arguments);
	n->ops->download(n->compute, x, host);
	network_trace_host(n, 'f', host, x.rows, x.columns, "%s", name);
	free(host);
}

void network_trace_host(const struct network *n, char type, const void *data, uint64_t rows, uint64_t columns, const char *format, ...)
{
	char name[NAME_BYTES];
	va_list arguments;

	if (!n->tracer)
		return;
	va_start(arguments, format);
	vsnprintf(name, sizeof name, format, arguments);
	va_end(arguments);
	if (rows)
		n->tracer->tensor(n->tracer->context, name, type, data, (uint64_t[]){ rows, columns }, 2);
	else
		n->tracer->tensor(n->tracer->context, name, type, data, (uint64_t[]){ columns }, 1);
}
