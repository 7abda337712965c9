/* fuzz_piper.c - PiPER's frames: 12 bytes of input are an id with its flags, a length and eight bytes. What is understood comes back as
 * the same message; what is not leaves nothing; and no byte makes a dangerous id harmless. The same bytes are searched for a firmware.
 * Built by run.sh with libFuzzer, and with replay.c as one of the tests. */
#include <math.h>
#include <string.h>

#include "robots/piper/wire.h"
#include "tests/fuzz/fuzz.h"

enum { FRAME_BYTES = 12 };

static struct bus_frame frame_at(const uint8_t *data)
{
	struct bus_frame f = { .id = (uint32_t)(data[0] & 0x7) << 8 | data[1], .flags = data[2] & 0x3, .length = data[3] % 10 };

	if (data[0] & 0x80)
		f.id |= (uint32_t)data[2] << 11;
	memcpy(f.data, data + 4, BUS_DATA_BYTES);
	return f;
}

static void check_mit(const struct piper_mit *m)
{
	fuzz_require(fabs(m->p_rad) <= 12.5 && fabs(m->v_rad_s) <= 45.0 && m->kp >= 0.0 && m->kp <= 500.0 && fabs(m->kd) <= 5.0 &&
			fabs(m->t_nm) <= 16.0);
}

static void check_message(const struct piper_dialect *d, const struct bus_frame *f, const struct piper_message *m)
{
	struct bus_frame back;
	struct piper_message again;

	fuzz_require(f->flags == 0 && f->id <= BUS_ID_MAX && f->length <= BUS_DATA_BYTES && m->index < piper_kind_frames(m->kind));
	fuzz_require(piper_put(d, m, &back) && back.id == f->id && back.length >= f->length);
	fuzz_require(piper_get(d, &back, &again) && again.kind == m->kind && again.index == m->index);
	fuzz_require(piper_message_oddity(&again) == piper_message_oddity(m));
	if (m->kind == PIPER_MIT)
		check_mit(&m->mit);
}

static void check_danger(const struct bus_frame *f)
{
	bool update = (f->id >= 0x0A0 && f->id <= 0x0BF) || (f->id >= 0x4A0 && f->id <= 0x4AE) || (f->id >= 0x4B0 && f->id <= 0x4CF) ||
			f->id == 0x422;

	fuzz_require(piper_frame_danger(f) == PIPER_NEVER || !(update || f->flags != 0 || f->id > BUS_ID_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct piper_dialect d = { PIPER_FEEDBACK_BASE, PIPER_CONTROL_BASE, false };
	struct piper_version v;

	if (piper_version_find(data, n, &v))
		d = piper_dialect_of(&v);
	for (; n >= FRAME_BYTES; data += FRAME_BYTES, n -= FRAME_BYTES) {
		struct bus_frame f = frame_at(data);
		struct piper_message m;

		if (piper_get(&d, &f, &m))
			check_message(&d, &f, &m);
		else
			fuzz_require(m.kind == PIPER_NONE && m.index == 0);
		check_danger(&f);
	}
	return 0;
}
