/* schemas.c - see schemas.h. */
#include "daemon/record/schemas.h"

#define C ","
#define P(key, type) "\"" key "\":" type
#define OBJECT(about, properties) "{\"type\":\"object\",\"description\":\"" about "\",\"properties\":{" properties "}}"
#define ANY "{\"type\":\"object\"}"
#define TEXT "{\"type\":\"string\"}"
#define TEXTS "{\"type\":\"array\",\"items\":" TEXT "}"
#define WORDS(about) "{\"type\":\"string\",\"description\":\"" about "\"}"
#define BASE64 "{\"type\":\"string\",\"contentEncoding\":\"base64\"}"
#define FLAG "{\"type\":\"boolean\"}"
#define COUNT "{\"type\":\"integer\",\"minimum\":0}"
#define WHOLE "{\"type\":\"integer\"}"
#define NUMBER "{\"type\":\"number\"}"
#define NUMBERS "{\"type\":\"array\",\"items\":" NUMBER "}"
#define ID "{\"type\":\"string\",\"description\":\"a number of 64 bits, its digits\"}"
#define TIME "{\"type\":\"object\",\"title\":\"time\",\"properties\":{\"sec\":" COUNT ",\"nsec\":" COUNT "}}"
#define HEAD_KEYS P("stamp", TIME) C P("from", ID) C P("seq", COUNT) C P("stamp_ns", WHOLE)
#define FRAME_KEYS P("width", COUNT) C P("height", COUNT) C P("from", ID) C P("seq", COUNT) C P("stamp_ns", WHOLE)

static const struct {
	const char *name, *text;
} schemas[] = {
#define SCHEMA(NAME, name, text) [SCHEMA_##NAME] = { name, text },
#include "daemon/record/schemas.def"
#undef SCHEMA
};

const char *record_schema_name(enum record_schema s)
{
	return schemas[s].name;
}

const char *record_schema_text(enum record_schema s)
{
	return schemas[s].text;
}
