/* v4l2_stamp.c - see v4l2_stamp.h. */
#include "transport/camera/v4l2_stamp.h"

#define NS_PER_US INT64_C(1000)
#define NS_PER_S INT64_C(1000000000)
#define AGE_MAX_NS (10 * NS_PER_S)

enum { NUMBER_JUMP_MAX = 1 << 20 };

bool v4l2_stamp(const struct v4l2_buffer *b, int64_t arrival_ns, int64_t period_ns, int64_t latency_ns, int64_t *stamp_ns)
{
	int64_t kernel_ns = (int64_t)b->timestamp.tv_sec * NS_PER_S + (int64_t)b->timestamp.tv_usec * NS_PER_US;
	bool usable = (b->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC && kernel_ns <= arrival_ns &&
			kernel_ns >= arrival_ns - AGE_MAX_NS;
	bool from_start = (b->flags & V4L2_BUF_FLAG_TSTAMP_SRC_MASK) == V4L2_BUF_FLAG_TSTAMP_SRC_SOE;

	*stamp_ns = usable ? kernel_ns : arrival_ns;
	if (latency_ns >= 0)
		*stamp_ns -= latency_ns;
	else if (!usable || !from_start)
		*stamp_ns -= period_ns;
	return usable;
}

/* A driver that begins to count anew has lost nothing. */
uint32_t v4l2_lost_between(uint32_t before, uint32_t now)
{
	uint32_t ahead = now - before;

	return ahead > 1 && ahead < NUMBER_JUMP_MAX ? ahead - 1 : 0;
}
