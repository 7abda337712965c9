/* sensor_noise.h - the flicker of a real sensor's pixels. Without it two pictures of a world at rest are the same bytes, which
 * dreamvlad rightly takes for a frozen camera. */
#ifndef DREAMVLA_ROBOTS_SIM_SENSOR_NOISE_H
#define DREAMVLA_ROBOTS_SIM_SENSOR_NOISE_H

#include <stddef.h>
#include <stdint.h>

/* Changes each of n bytes by -1, 0 or +1 (a quarter, a half, a quarter of them), within 0..255. The same key gives the same
 * noise. Thread: any. Allocates: no. Blocks: no. */
void sensor_noise_add(uint8_t *rgb, size_t n, uint64_t key);

#endif
