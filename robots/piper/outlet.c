/* outlet.c - see outlet.h. */
#include "robots/piper/outlet.h"

#include <errno.h>

#include "daemon/sys/log.h"
#include "robots/piper/wire.h"

/* Every one would be a mistake of ours that could come at 200 Hz: enough lines to find it. */
enum { LINES_MAX = 20 };

static int withhold(struct piper_outlet *o, const struct bus_frame *f, enum piper_danger danger)
{
	if (o->withheld++ < LINES_MAX)
		log_line(LOG_LEVEL_ERROR, "arm: %s: piper: frame %X %02X %02X ... was not sent: %s; this is a mistake of this program, please report it",
				o->arm, (unsigned)f->id, f->data[0], f->data[1],
				danger == PIPER_NEVER ? "no host may send it" : "it changes the arm for good, which wants --maintenance");
	return -EPERM;
}

int piper_outlet_send(struct piper_outlet *o, struct bus *b, const struct bus_frame *f)
{
	enum piper_danger danger = piper_frame_danger(f);

	if (danger != PIPER_ORDINARY && !(danger == PIPER_MAINTENANCE && o->maintenance))
		return withhold(o, f, danger);
	int rc = bus_send(b, f);
	o->sent += rc == 0;
	return rc;
}
