/* network.c - see network.h. */
#include "policy/network.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_BYTES = 128, LIST_ROOM = 256 };

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

void network_list(struct network_weights *l, const struct compute_matrix *part, uint32_t n_parts, const char *format, ...)
{
	va_list arguments;

	if (!part[0].data || l->out_of_memory)
		return;
	if (l->n == l->room) {
		uint32_t room = l->room ? 2 * l->room : LIST_ROOM;
		struct compute_weight *item = realloc(l->item, room * sizeof *item);

		l->out_of_memory = !item;
		if (!item)
			return;
		l->item = item;
		l->room = room;
	}
	struct compute_weight *w = &l->item[l->n++];

	*w = (struct compute_weight){ .n_parts = n_parts };
	for (uint32_t i = 0; i < n_parts; i++)
		w->part[i] = part[i];
	va_start(arguments, format);
	vsnprintf(w->name, sizeof w->name, format, arguments);
	va_end(arguments);
}

static int compare_places(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct compute_weight *)a)->part[0].data, y = (uintptr_t)((const struct compute_weight *)b)->part[0].data;

	return (x > y) - (x < y);
}

int network_list_end(struct network_weights *l, struct errbuf *e)
{
	if (l->out_of_memory || !l->n)
		return fail(e, -ENOMEM, "policy: out of memory");
	qsort(l->item, l->n, sizeof *l->item, compare_places);
	return 0;
}

void network_list_finish(struct network_weights *l)
{
	free(l->item);
	*l = (struct network_weights){ 0 };
}

void network_projector_list(const struct network_projector *p, struct network_weights *l, const char *name)
{
	network_list(l, &p->fc1, 1, "%s.fc1", name);
	network_list(l, &p->fc1_bias, 1, "%s.fc1.bias", name);
	network_list(l, &p->fc2, 1, "%s.fc2", name);
	network_list(l, &p->fc2_bias, 1, "%s.fc2.bias", name);
}

bool network_begin(const struct network *n, const struct compute_key *key)
{
	return n->tracer || !n->ops->begin || n->ops->begin(n->compute, key);
}

void network_end(const struct network *n)
{
	if (!n->tracer && n->ops->end)
		n->ops->end(n->compute);
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
