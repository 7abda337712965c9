#include "robots/franka/states.h"

#include <math.h>

/* No arm has more: turns of a joint, and ten times any Franka's limits. */
static const double Q_MAX_RAD = 10, DQ_MAX_RAD_S = 60, DDQ_MAX_RAD_S2 = 1e5, TAU_MAX_NM = 1e4, METRES_MAX = 10;

void franka_states_begin(struct franka_states *s, uint32_t version, struct in_addr peer)
{
	s->version = version;
	s->peer = peer;
	s->from = (struct sockaddr_in){ .sin_family = AF_INET };
	s->id = 0;
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static bool within(const double *v, int n, double limit)
{
	for (int i = 0; i < n; i++)
		if (!(fabs(v[i]) <= limit)) /* written so that NaN fails */
			return false;
	return true;
}

/* Everything that the driver computes with. */
static bool sound(const struct fci_state *s)
{
	return within(s->q, 7, Q_MAX_RAD) && within(s->q_d, 7, Q_MAX_RAD) && within(s->dq, 7, DQ_MAX_RAD_S) &&
			within(s->dq_d, 7, DQ_MAX_RAD_S) && within(s->ddq_d, 7, DDQ_MAX_RAD_S2) && within(s->tau_J, 7, TAU_MAX_NM) &&
			within(s->O_T_EE_c, 16, METRES_MAX) && within(s->F_T_NE, 16, METRES_MAX) && within(&s->success_rate, 1, 2.0);
}

static bool foreign(const struct franka_states *s, const struct sockaddr_in *from)
{
	if (from->sin_family != AF_INET || from->sin_addr.s_addr != s->peer.s_addr)
		return true;
	return s->from.sin_port != 0 && from->sin_port != s->from.sin_port;
}

/* The first one of a connection may have any id. */
static bool grows(const struct franka_states *s, uint64_t id)
{
	return s->from.sin_port == 0 || (id > s->id && id - s->id <= FRANKA_LEAP_MAX_MS);
}

static void count_row(struct franka_states *s, uint64_t row)
{
	uint32_t bin = 0;

	for (; bin < FRANKA_ROW_BINS - 1 && row >= UINT64_C(2) << bin; bin++)
		;
	count(&s->counters.row[bin], row > 0);
}

/* float32 states say a little less than what they mean. */
static void count_success(struct franka_states *s, double rate)
{
	static const double LEAST[FRANKA_SUCCESS_BINS - 1] = { 1.0, 0.99, 0.95, 0.9 };
	uint32_t bin = 0;

	while (bin < FRANKA_SUCCESS_BINS - 1 && rate < LEAST[bin] - 1e-6)
		bin++;
	count(&s->counters.success[bin], 1);
}

static void accept_id(struct franka_states *s, const struct sockaddr_in *from, uint64_t id)
{
	uint64_t row = s->from.sin_port == 0 ? 0 : id - s->id - 1;

	count(&s->counters.missed, row);
	count_row(s, row);
	if (row > atomic_load_explicit(&s->counters.longest_row, memory_order_relaxed))
		atomic_store_explicit(&s->counters.longest_row, row, memory_order_relaxed);
	s->from = *from;
	s->id = id;
}

static enum franka_datagram refuse(_Atomic uint64_t *counter, enum franka_datagram why)
{
	count(counter, 1);
	return why;
}

enum franka_datagram franka_states_take(struct franka_states *s, const struct sockaddr_in *from, const uint8_t *in, size_t n,
		struct fci_state *out)
{
	if (!s->version) /* no connection yet: the robot's first states may be quicker than the word of it */
		return FRANKA_DATAGRAM_FOREIGN;
	if (foreign(s, from))
		return refuse(&s->counters.foreign, FRANKA_DATAGRAM_FOREIGN);
	if (!fci_get_state(s->version, in, n, out))
		return refuse(&s->counters.wrong_size, FRANKA_DATAGRAM_WRONG_SIZE);
	if (!grows(s, out->message_id))
		return refuse(&s->counters.old, FRANKA_DATAGRAM_OLD);
	accept_id(s, from, out->message_id);
	if (!sound(out))
		return refuse(&s->counters.unsound, FRANKA_DATAGRAM_UNSOUND);
	count(&s->counters.taken, 1);
	if (out->robot_mode == FCI_MODE_MOVE)
		count_success(s, out->success_rate);
	return FRANKA_DATAGRAM_STATE;
}
