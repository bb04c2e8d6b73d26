/*
 * effects: random whole effects of every type, each with the event that asked for it.
 */
#ifndef TESTS_SUPPORT_EFFECTS_H
#define TESTS_SUPPORT_EFFECTS_H

#include "engine/base/random.h"
#include "proto/effect.h"

#include <stddef.h>

/* Returns the effect's length. */
size_t effect_random(struct random *random, enum effect_type type, uint8_t bytes[static EFFECT_BYTES_MAX]);

#endif
