/* loopback.h - which hosts of a tcp:// address only this machine can reach; decides where keys are asked for. */
#ifndef DREAMVLA_DAEMON_SYS_LOOPBACK_H
#define DREAMVLA_DAEMON_SYS_LOOPBACK_H

#include <stdbool.h>

/* localhost, [::1] and 127.0.0.0/8 in numbers; a name that only begins like them is none. Thread: any. Allocates: no. Blocks: no. */
bool host_is_loopback(const char *host);

#endif
