/* lower_case.h - text in lower case exactly as Python's str.lower(), which the training pipeline applied to instructions. */
#ifndef DREAMVLA_POLICY_LOWER_CASE_H
#define DREAMVLA_POLICY_LOWER_CASE_H

#include <stddef.h>

enum { LOWER_CASE_GROWTH = 2 }; /* a character's lower case has at most twice its bytes */

/* Writes text[n_bytes] in lower case to out [LOWER_CASE_GROWTH * n_bytes] and returns the bytes written. Bytes that are not
 * UTF-8 stay as they are. No terminating zero. Thread: any. Allocates: no. Blocks: no. */
size_t lower_case(const char *text, size_t n_bytes, char *out);

#endif
