/* layout.c - see layout.h. */
#include "daemon/record/layout.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "daemon/control_tick.h"
#include "daemon/record/kinds.h"
#include "daemon/record/state_rows.h"

/* What sizes and places do not show (the meaning of a number, two members changed round) changes this one. */
enum { LAYOUT_NUMBER = 2 };

/* ---- the program: its linker's id (note NT_GNU_BUILD_ID, elf(5)) ---- */

struct build {
	char *text;
	size_t room;
};

static bool take_id(struct build *b, const uint8_t *note, size_t n)
{
	while (n >= sizeof(ElfW(Nhdr))) {
		ElfW(Nhdr) h;
		size_t name, id;

		memcpy(&h, note, sizeof h);
		name = sizeof h + ((size_t)h.n_namesz + 3) / 4 * 4;
		id = ((size_t)h.n_descsz + 3) / 4 * 4;
		if (name > n || id > n - name)
			return false;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 && memcmp(note + sizeof h, "GNU", 4) == 0) {
			for (size_t i = 0; i < h.n_descsz && 2 * i + 3 <= b->room; i++)
				snprintf(b->text + 2 * i, 3, "%02x", note[name + i]);
			return true;
		}
		note += name + id;
		n -= name + id;
	}
	return false;
}

/* The first object is the program itself. */
static int find_id(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_NOTE && take_id(context, (const uint8_t *)(info->dlpi_addr + p->p_vaddr), p->p_memsz))
			return 1;
	}
	return 1;
}

/* ---- the structs ---- */

#define SIZE(type) #type, sizeof(struct type)
#define PLACE(type, member) #type "." #member, offsetof(struct type, member)

void record_layout(char text[RECORD_LAYOUT_BYTES])
{
	static const struct {
		const char *name;
		size_t bytes;
	} item[] = {
		{ SIZE(record_tick) }, { SIZE(record_observation) }, { SIZE(inputs) }, { PLACE(inputs, teleop) }, { PLACE(inputs, instruction_ns) },
		{ SIZE(arm_state) }, { PLACE(arm_state, stamp_ns) }, { PLACE(arm_state, q_rad) }, { SIZE(teleop_input) },
		{ PLACE(teleop_input, value) }, { SIZE(policy_status) }, { SIZE(command) }, { PLACE(command, delta) }, { SIZE(action_chunk) },
		{ PLACE(action_chunk, action) }, { SIZE(driver_target) }, { PLACE(driver_target, q_rad) }, { PLACE(driver_target, epoch) },
		{ SIZE(observation) }, { PLACE(observation, instruction_id) }, { SIZE(camera_frame) }, { SIZE(record_state) }, { SIZE(control) },
	};
	int at = snprintf(text, RECORD_LAYOUT_BYTES, "layout %d", LAYOUT_NUMBER);
	struct build build;

	for (size_t i = 0; i < sizeof item / sizeof *item; i++)
		at += snprintf(text + at, RECORD_LAYOUT_BYTES - (size_t)at, " %s %zu", item[i].name, item[i].bytes);
	at += snprintf(text + at, RECORD_LAYOUT_BYTES - (size_t)at, " state %08x" RECORD_BUILD, state_fingerprint());
	build = (struct build){ text + at, RECORD_LAYOUT_BYTES - (size_t)at };
	snprintf(build.text, build.room, "unknown");
	dl_iterate_phdr(find_id, &build);
}
