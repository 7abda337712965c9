/* schemas.h - the JSON schemas of what is recorded, from schemas.def. */
#ifndef DREAMVLA_DAEMON_RECORD_SCHEMAS_H
#define DREAMVLA_DAEMON_RECORD_SCHEMAS_H

enum record_schema {
#define SCHEMA(NAME, name, text) SCHEMA_##NAME,
#include "daemon/record/schemas.def"
#undef SCHEMA
	SCHEMA_RAW,                   /* fixed structs as they are: the layout's text (layout.h) */
	SCHEMA_COUNT
};

/* Name and text of a schema but SCHEMA_RAW. Thread: any. Allocates: no. */
const char *record_schema_name(enum record_schema s);
const char *record_schema_text(enum record_schema s);

#endif
