/* report.h - what crosses between io and the aux thread about the recording: requests, answers, how it stands. */
#ifndef DREAMVLA_DAEMON_RECORD_REPORT_H
#define DREAMVLA_DAEMON_RECORD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum { RECORD_FILE_BYTES = 320, RECORD_REASON_BYTES = 640 };

enum record_action { RECORD_START, RECORD_STOP };

/* One operator's request; tickets count up from 1. */
struct record_command {
	enum record_action action;
	uint32_t ticket;
};

/* Newest wins. */
struct record_report {
	bool runs;
	char file[RECORD_FILE_BYTES]; /* that is written, or was last; "": none yet */
	int64_t since_ns;             /* start of the recording */
	uint64_t bytes, messages, dropped; /* of the recording, all its files; messages: in them, but for the last second's; dropped: found no room on tape or in a file */
	char reason[RECORD_REASON_BYTES]; /* why it ended by itself, or could not begin with dreamvlad; "" */
	uint32_t ticket;              /* of the newest answer */
	bool ok;                      /* that answer */
	char answer[RECORD_REASON_BYTES]; /* if not: why */
};

#endif
