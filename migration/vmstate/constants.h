/*
 * The constants of one section: see migration/constants.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_VMSTATE_CONSTANTS_H
#define MIGRATION_VMSTATE_CONSTANTS_H

#include <glib.h>
#include <stdbool.h>

#include "migration/constants.h"
#include "migration/vmstate.h"

#define VMSTATE_CONSTANT_BYTES_MAX 4096
/* Most constants of one section; more are not compared. */
#define VMSTATE_CONSTANTS_MAX 4096

typedef enum VMStateConstantKind {
    VMSTATE_CONSTANT_EQUAL,
    VMSTATE_CONSTANT_IF_SET,
    VMSTATE_CONSTANT_LEAST,
    VMSTATE_CONSTANT_BITS,
    VMSTATE_CONSTANT_TEXT,
    VMSTATE_CONSTANT_BYTES,
} VMStateConstantKind;

/* @bytes is what is sent: a number is 8 bytes, big endian. How it is compared
 * is each side's own knowledge. */
typedef struct VMStateConstant {
    VMStateConstantKind kind;
    char *name;
    GByteArray *bytes;
    uint64_t here;       /* a number: what theirs is compared with */
    uint8_t *changeable; /* VMSTATE_CONSTANT_BYTES */
    const char *const *bit_names;
} VMStateConstant;

/** vmstate_constants_of: (transfer full) those of a section. Reads @opaque
 *  only; no hook but constants and field_exists is called. */
VMStateConstants *vmstate_constants_of(const VMStateDescription *vmsd,
                                       void *opaque);
/** vmstate_constants_free: accepts NULL. */
void vmstate_constants_free(VMStateConstants *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VMStateConstants, vmstate_constants_free)

/** vmstate_constants_count: how many there are. */
unsigned vmstate_constants_count(const VMStateConstants *c);
/** vmstate_constants_at: borrowed. */
const VMStateConstant *vmstate_constants_at(const VMStateConstants *c,
                                            unsigned i);

/**
 * vmstate_constants_compare:
 * @c: this side's
 * @name, @bytes, @len: one of the source's; hostile
 * @why: what differs is appended, in words
 *
 * Returns: it fits, or is not known here.
 */
bool vmstate_constants_compare(const VMStateConstants *c, const char *name,
                               const uint8_t *bytes, size_t len, GString *why);

#endif
