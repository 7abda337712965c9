/* mcap.h - numbers of the MCAP container, version 0 (https://mcap.dev/spec), that its writer and its reader share.
 *
 * A file is: magic, Header, data records, Data End, summary records, Footer, magic. A record is an opcode, a u64 length and so many
 * bytes; numbers are little-endian, texts and maps have a u32 length in bytes before them. */
#ifndef DREAMVLA_DAEMON_RECORD_MCAP_H
#define DREAMVLA_DAEMON_RECORD_MCAP_H

#include <stdint.h>

enum mcap_opcode {
	MCAP_HEADER = 0x01,
	MCAP_FOOTER = 0x02,
	MCAP_SCHEMA = 0x03,
	MCAP_CHANNEL = 0x04,
	MCAP_MESSAGE = 0x05,
	MCAP_CHUNK = 0x06,
	MCAP_MESSAGE_INDEX = 0x07,
	MCAP_CHUNK_INDEX = 0x08,
	MCAP_STATISTICS = 0x0b,
	MCAP_METADATA = 0x0c,
	MCAP_METADATA_INDEX = 0x0d,
	MCAP_SUMMARY_OFFSET = 0x0e,
	MCAP_DATA_END = 0x0f,
};

enum {
	MCAP_MAGIC_BYTES = 8,
	MCAP_RECORD_BYTES = 9,        /* opcode and length in front of every record */
	MCAP_MESSAGE_HEAD_BYTES = 22, /* channel, sequence, log_time, publish_time in front of a message's data */
	MCAP_CHANNELS_MAX = 64,       /* of our own files */
};

static const uint8_t mcap_magic[MCAP_MAGIC_BYTES] = { 0x89, 'M', 'C', 'A', 'P', '0', '\r', '\n' };

#endif
