/* normal_form.h - Unicode's composed normal form (NFC) in time linear in the text, whatever it consists of.
 *
 * utf8proc has the tables; its own ordering of combining marks takes time with the square of their number, which text from outside
 * could use to hold up the policy. */
#ifndef DREAMVLA_POLICY_NORMAL_FORM_H
#define DREAMVLA_POLICY_NORMAL_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

/* Valid UTF-8 text[n_bytes] -> its NFC as code points in out [capacity]; scratch [capacity]. *n receives how many, on success only.
 * -E2BIG: more than `capacity` before composition; -EINVAL: text that is not UTF-8 (the text of the error does not say where).
 * Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int normal_form_compose(const char *text, size_t n_bytes, int32_t *out, int32_t *scratch, size_t capacity, size_t *n,
		struct errbuf *e);

#endif
