/* version.h - of dreamvlad and its recordings. */
#ifndef DREAMVLA_DAEMON_VERSION_H
#define DREAMVLA_DAEMON_VERSION_H

#define DREAMVLAD_VERSION "0.1"

#endif
