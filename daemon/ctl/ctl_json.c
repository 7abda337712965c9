/* ctl_json.c - msgpack to JSON, value by value: knows no message, so --json shows everything that was said. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/ctl/ctl.h"
#include "transport/wire.h"

/* Open containers from the outermost in. */
struct converting {
	struct wire_reader r;
	uint32_t depth;
	struct {
		json_t *container;
		uint32_t left; /* entries still to come */
	} open[WIRE_DEPTH_MAX];
	struct errbuf *e;
};

static json_t *hex_text(struct wire_text raw)
{
	static const char digit[] = "0123456789abcdef";
	char text[2 * 256];
	size_t n = raw.n < sizeof text / 2 ? raw.n : sizeof text / 2;

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digit[(uint8_t)raw.at[i] >> 4];
		text[2 * i + 1] = digit[(uint8_t)raw.at[i] & 15];
	}
	return json_stringn(text, 2 * n);
}

static json_t *unsigned_number(uint64_t value)
{
	char text[24];

	if (value <= INT64_MAX)
		return json_integer((json_int_t)value);
	snprintf(text, sizeof text, "%" PRIu64, value);
	return json_string(text);
}

static json_t *convert_value(const struct wire_value *v)
{
	switch (v->kind) {
	case WIRE_BOOL:
		return json_boolean(v->boolean);
	case WIRE_UINT:
		return unsigned_number(v->u);
	case WIRE_NEGATIVE:
		return json_integer(v->i);
	case WIRE_FLOAT:
		return json_real(v->real);
	case WIRE_TEXT:
		return json_stringn(v->text.at, v->text.n);
	case WIRE_BINARY:
	case WIRE_EXTENSION:
		return hex_text(v->text);
	case WIRE_ARRAY:
		return json_array();
	case WIRE_MAP:
		return json_object();
	default:
		return json_null();
	}
}

static int take_key(struct converting *c, struct wire_text *key)
{
	struct wire_value v;
	int rc = wire_take(&c->r, &v, c->e);

	if (rc == 0 && v.kind != WIRE_TEXT)
		rc = fail(c->e, -EBADMSG, "a key of a map is no text");
	*key = v.text;
	return rc;
}

/* The next value with everything around it: its key, its place in the container above, its own place as a container. */
static int take_entry(struct converting *c, json_t **root)
{
	json_t *above = c->depth > 0 ? c->open[c->depth - 1].container : NULL;
	struct wire_text key = { 0 };
	struct wire_value v;
	json_t *made;
	int rc = json_is_object(above) ? take_key(c, &key) : 0;

	if (rc == 0)
		rc = wire_take(&c->r, &v, c->e);
	if (rc < 0)
		return rc;
	made = convert_value(&v);
	if (!above)
		*root = made;
	else if (json_is_object(above))
		rc = json_object_setn_new(above, key.at, key.n, made);
	else
		rc = json_array_append_new(above, made);
	if (!made || rc < 0)
		return fail(c->e, -ENOMEM, "out of memory");
	if (c->depth > 0)
		c->open[c->depth - 1].left--;
	if (v.kind != WIRE_ARRAY && v.kind != WIRE_MAP)
		return 0;
	if (c->depth == WIRE_DEPTH_MAX)
		return fail(c->e, -EBADMSG, "nested deeper than %d", WIRE_DEPTH_MAX);
	c->open[c->depth].container = made;
	c->open[c->depth++].left = v.count;
	return 0;
}

int ctl_json_from_map(json_t **out, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct converting c = { .e = e };
	json_t *root = NULL;
	int rc;

	wire_read_begin(&c.r, bytes, n);
	do {
		rc = take_entry(&c, &root);
		while (rc == 0 && c.depth > 0 && c.open[c.depth - 1].left == 0)
			c.depth--;
	} while (rc == 0 && c.depth > 0);
	if (rc == 0)
		rc = wire_read_end(&c.r, e);
	if (rc == 0 && !json_is_object(root))
		rc = fail(e, -EBADMSG, "no map");
	if (rc == 0)
		*out = root;
	else
		json_decref(root);
	return rc;
}

int ctl_json_print(const struct ctl *ctl, json_t *object)
{
	int rc = object ? json_dumpf(object, stdout, ctl->watch ? JSON_COMPACT : JSON_INDENT(2)) : -1;

	if (!object) /* a text that is no UTF-8, or no memory */
		fputs("{\"ok\": false, \"error\": \"cannot be said in JSON\"}", stdout);
	json_decref(object);
	putchar('\n');
	return rc == 0 && fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}
