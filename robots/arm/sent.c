#include "robots/arm/sent.h"

void sent_begin(struct sent *s)
{
	sent_drop(s);
	s->now = (struct arm_sent){ 0 };
}

void sent_drop(struct sent *s)
{
	s->void_marks = s->marks;
}

uint64_t sent_mark(struct sent *s, uint64_t seq, uint64_t chunk)
{
	uint64_t mark = s->marks + 1;

	s->of[mark % SENT_MARKS].seq = seq;
	s->of[mark % SENT_MARKS].chunk = chunk;
	return mark;
}

void sent_accept(struct sent *s)
{
	s->marks++;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void sent_take(struct sent *s, uint64_t mark, int64_t t_ns)
{
	if (mark <= s->taken || mark > s->marks)
		return;
	uint64_t known = later(later(s->taken, s->void_marks), s->marks > SENT_MARKS ? s->marks - SENT_MARKS : 0);

	s->taken = mark;
	for (uint64_t m = known + 1; m <= mark; m++) {
		uint64_t chunk = s->of[m % SENT_MARKS].chunk;

		s->now.seq = s->of[m % SENT_MARKS].seq;
		s->now.t_ns = t_ns;
		if (chunk == 0 || chunk == s->now.chunk)
			continue;
		s->now.chunk = chunk;
		s->now.chunk_t_ns = t_ns;
	}
}
