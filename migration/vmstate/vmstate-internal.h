/*
 * Inside of VMState: how fields lie in memory; shared by vmstate/vmstate-save.c,
 * vmstate/vmstate-load.c and the infos.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_VMSTATE_INTERNAL_H
#define MIGRATION_VMSTATE_INTERNAL_H

#include "migration/vmstate.h"

/* Flags of fields whose number of elements stands in a member. */
#define VMS_VARRAY_ANY                                                         \
    (VMS_VARRAY_INT32 | VMS_VARRAY_UINT32 | VMS_VARRAY_UINT16 |                \
     VMS_VARRAY_UINT8)

/** vmstate_field_exists: in a stream of version @version_id. */
bool vmstate_field_exists(const VMStateField *field, void *opaque,
                          int version_id);
/** vmstate_field_count: what the count member (or a vbuffer's size member)
 *  says, unchecked: may be negative; 0 if the field has none. */
int64_t vmstate_field_count(const VMStateField *field, void *opaque);
/** vmstate_field_elems: number of elements for a count from the above;
 *  -1: too large for memory. */
int64_t vmstate_field_elems(const VMStateField *field, int64_t count);
/** vmstate_field_size: bytes (bitmap: bits) of an element for a count from
 *  the above; -1: too large. */
int64_t vmstate_field_size(const VMStateField *field, int64_t count);

/** vmstate_fail: make @f fail with a message about @field (nullable: the
 *  whole) of @vmsd. Returns: @ret. */
int vmstate_fail(QEMUFile *f, int ret, const VMStateDescription *vmsd,
                 const VMStateField *field, const char *fmt, ...)
    G_GNUC_PRINTF(5, 6);
/** vmstate_fail_info: the same from an info, which knows only @field. */
int vmstate_fail_info(QEMUFile *f, const VMStateField *field, const char *fmt,
                      ...) G_GNUC_PRINTF(3, 4);
/** vmstate_fail_leaf: a hook or info returned @ret, or @f failed meanwhile:
 *  the message gets the place. Returns: negative errno. */
int vmstate_fail_leaf(QEMUFile *f, int ret, const VMStateDescription *vmsd,
                      const char *what, const char *name);

#endif
