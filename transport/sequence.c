/* sequence.c - see sequence.h. */
#include "transport/sequence.h"

/* messages.md section 2: a new `from` is believed only after the old one has been silent for so long. */
static const int64_t silence_ns = INT64_C(500000000);

static void accept(struct sequence *s, uint64_t from, uint64_t seq, int64_t now_ns)
{
	s->known = true;
	s->from = from;
	s->seq = seq;
	s->last_ns = now_ns;
	s->accepted++;
}

enum sequence_verdict sequence_check(struct sequence *s, uint64_t from, uint64_t seq, int64_t now_ns)
{
	if (!s->known) {
		accept(s, from, seq, now_ns);
		return SEQUENCE_NEW;
	}
	if (from != s->from) {
		if (now_ns - s->last_ns < silence_ns) {
			s->foreign++;
			return SEQUENCE_FOREIGN;
		}
		s->restarts++;
		accept(s, from, seq, now_ns);
		return SEQUENCE_RESTART;
	}
	if (seq <= s->seq) {
		s->duplicates++;
		return SEQUENCE_OLD;
	}
	accept(s, from, seq, now_ns);
	return SEQUENCE_NEW;
}
