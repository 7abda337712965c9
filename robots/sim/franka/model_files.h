/* model_files.h - what a Franka gives its clients to compute with: a shared object (Panda, and FR3 before system 5.9), or a URDF. */
#ifndef DREAMVLA_ROBOTS_SIM_FRANKA_MODEL_FILES_H
#define DREAMVLA_ROBOTS_SIM_FRANKA_MODEL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "robots/franka/dynamics.h"

#define FRANKA_LIBRARY_BYTES_MAX 60000 /* the assembler checks it, and knows no enum */

/* The model library (robots/franka/library.c) for this machine's kind, as bytes, at most FRANKA_LIBRARY_BYTES_MAX: a Panda's for protocol 5, an
 * FR3's for those after it. Thread: any. Allocates: no. */
const uint8_t *franka_library(uint32_t version, size_t *n_bytes);

enum { FRANKA_URDF_BYTES_MAX = 16384 };

/* A URDF of the arm alone, as libfranka 0.14 to 0.21 wants it: links base, link0 to link8 without prefix, limits with effort and
 * position_based_velocity_limits, inertias. `limits`: the model whose limits it states. Returns its length; no terminating zero is
 * part of it. Thread: any. Allocates: no. */
size_t franka_urdf(const struct franka_dynamics *d, const struct robot_model *limits, char out[FRANKA_URDF_BYTES_MAX]);

#endif
