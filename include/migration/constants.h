/*
 * Constants of a device: what must be the same on both sides of a migration
 * and never changes while the guest runs. They are compared before the first
 * page is sent, so that a machine that was put together differently is refused
 * at once and by name.
 *
 * A *_EQUAL field of a table is one by itself, if realizing the device sets it
 * (a pre_save hook is not run). What else there is, VMStateDescription.constants
 * adds, in a line each:
 *
 *     static void foo_constants(void *opaque, VMStateConstants *c)
 *     {
 *         const FooState *s = opaque;
 *
 *         vmstate_constant(c, "property width", s->width);
 *     }
 *
 * Names are for the user and identify the constant on the wire; one that the
 * other side does not know is not compared.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_CONSTANTS_H
#define MIGRATION_CONSTANTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct VMStateConstants VMStateConstants;

/** vmstate_constant: @value must be the same. @name: copied, 1 to 200 bytes. */
void vmstate_constant(VMStateConstants *c, const char *name, uint64_t value);

/** vmstate_constant_if_set: the same, if it is not 0 at the source. */
void vmstate_constant_if_set(VMStateConstants *c, const char *name,
                             uint64_t value);

/** vmstate_constant_least: the destination's must not be less. */
void vmstate_constant_least(VMStateConstants *c, const char *name,
                            uint64_t value);

/**
 * vmstate_constant_bits:
 * @used: what the guest has of this machine
 * @offered: what a guest that comes here could have: all of its @used
 * @bit_names: (nullable) names of the lowest 32 bits, each nullable; must stay
 */
void vmstate_constant_bits(VMStateConstants *c, const char *name, uint64_t used,
                           uint64_t offered, const char *const *bit_names);

/** vmstate_constant_text: @text (copied) must be the same. */
void vmstate_constant_text(VMStateConstants *c, const char *name,
                           const char *text);

/**
 * vmstate_constant_bytes:
 * @bytes: copied, 1 to 4096
 * @changeable: @len bytes, copied: bits that may differ
 */
void vmstate_constant_bytes(VMStateConstants *c, const char *name,
                            const uint8_t *bytes, const uint8_t *changeable,
                            size_t len);

#endif
