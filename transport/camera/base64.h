/* base64.h - bytes from the text of a recording (RFC 4648). */
#ifndef DREAMVLA_TRANSPORT_CAMERA_BASE64_H
#define DREAMVLA_TRANSPORT_CAMERA_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out[n / 4 * 3]; false: not a whole number of fours, or another character. Thread: any. Allocates: no. Blocks: no. */
bool base64_decode(const char *text, size_t n, uint8_t *out, size_t *n_out);

#endif
