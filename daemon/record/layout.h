/* layout.h - how the fixed structs of a recording lie in memory, as a text: a build whose text differs cannot read them. */
#ifndef DREAMVLA_DAEMON_RECORD_LAYOUT_H
#define DREAMVLA_DAEMON_RECORD_LAYOUT_H

#include <stddef.h>

enum { RECORD_LAYOUT_BYTES = 768 };

/* "layout NUMBER" with sizes and places of everything that the "replay/..." kinds hold, then RECORD_BUILD and the build's id: the
 * schema text of their channels. Thread: any. Allocates: no. */
void record_layout(char text[RECORD_LAYOUT_BYTES]);

/* Parts the layout from the program that wrote it: the same layout can be read, the same program gives the same bits. */
#define RECORD_BUILD " build "

#endif
