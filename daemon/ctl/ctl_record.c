/* ctl_record.c - record start|stop|mark: what dreamvlad writes down. */
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include "transport/wire.h"

static int check(const struct ctl *ctl, int n, char **argument)
{
	bool mark = strcmp(argument[0], "mark") == 0;

	if (!mark && strcmp(argument[0], "start") != 0 && strcmp(argument[0], "stop") != 0)
		ctl_fail(ctl, "record: found %s, allowed start, stop or mark [LABEL]", argument[0]);
	else if (n > 1 && !mark)
		ctl_fail(ctl, "record %s takes no label; it belongs to mark", argument[0]);
	else if (n > 1 && wire_utf8_prefix(argument[1], strlen(argument[1])) != strlen(argument[1]))
		ctl_fail(ctl, "record mark: the label is not UTF-8 text");
	else
		return CTL_OK;
	return CTL_USAGE;
}

int ctl_run_record(const struct ctl *ctl, int n, char **argument)
{
	static const char *const done[] = { "recording ", "recorded ", "marked in " };
	struct map_builder request;
	struct ctl_answer a;
	uint8_t bytes[REQUEST_BYTES_MAX];
	char file[512] = "";
	int code = check(ctl, n, argument);

	if (code != CTL_OK)
		return code;
	request_begin(&request, bytes, sizeof bytes, "record");
	map_add_text(&request, "action", argument[0]);
	if (n > 1)
		map_add_text(&request, "label", argument[1]);
	code = ctl_ask_daemon(ctl, &request, &a);
	if (code != CTL_OK || ctl->json)
		return code;
	reply_text(a.bytes, a.n, "file", file, sizeof file);
	printf("%s%s\n", done[argument[0][0] == 'm' ? 2 : strcmp(argument[0], "stop") == 0], ctl_clean(file));
	return CTL_OK;
}
