/* vision_encoder.h - patches of all pictures to projected vision tokens: a ViT with 2-D rotary positions, a 2x2 merger, a projector.
 *
 * Facts: README.md of this folder. Written against compute.h only. */
#ifndef DREAMVLA_POLICY_VISION_ENCODER_H
#define DREAMVLA_POLICY_VISION_ENCODER_H

#include "policy/manifest.h"
#include "policy/network.h"

struct vision_encoder;

struct vision_grid {
	uint32_t rows, columns; /* patches; multiples of the merge size */
};

/* Has the checkpoint an embedding for patches of this size? Asked before anything is made as large as patches say.
 * -ENOENT, -EINVAL with the tensor's name. Thread: start-up. Allocates: no. */
MUST_CHECK int vision_encoder_check_patch(const struct weights *w, const struct manifest_vision *m, struct errbuf *e);

/* Finds every weight. patches_max: of all pictures of one observation together. The network must outlive the encoder.
 * -ENOENT, -EINVAL with the tensor's name; -ENOMEM. Thread: start-up. Allocates: yes. */
MUST_CHECK int vision_encoder_create(struct vision_encoder **out, const struct network *network, const struct weights *w,
		const struct manifest *m, uint32_t patches_max, struct errbuf *e);
void vision_encoder_destroy(struct vision_encoder *v); /* accepts NULL */

/* Every weight, as operations take them. Thread: start-up. Allocates: yes. */
void vision_encoder_list_weights(const struct vision_encoder *v, struct network_weights *l);

/* Takes its activations from the backend: once while measuring, once while placing. Thread: start-up. */
void vision_encoder_lay_out(struct vision_encoder *v);

/* The pictures' angles are sent anew: to be called when a forward has failed, because they may not have arrived. Thread: policy.
 * Allocates: no. */
void vision_encoder_forget(struct vision_encoder *v);

/* patches [sum of rows * columns][channels][patch][patch], bytes that level [channels][256] gives their values -> [patches / merge^2][decoder's
 * hidden size]. A patch is the same at all times of the temporal patch. Valid until the next run.
 * Traces vision.*. Thread: policy. Allocates: no. */
struct compute_view vision_encoder_run(struct vision_encoder *v, const uint8_t *patches, const float *level,
		const struct vision_grid *grid, uint32_t n_grids);

#endif
