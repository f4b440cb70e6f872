/*
 * State of a device to bytes and back, for tests.
 *
 * A device is brought into a random but possible state by its registers,
 * saved, loaded into a fresh one and saved again: the bytes must be equal. Then
 * a peer that lies: each loads bytes that were changed, cut or made up, which
 * must come back with success or an error, and the device must still bear use.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_VMSTATE_ROUNDTRIP_H
#define TESTS_HW_VMSTATE_ROUNDTRIP_H

#include <glib.h>

#include "hw/qdev-core.h"
#include "migration/vmstate.h"
#include "util/error.h"

/** vmstate_to_bytes: (transfer full) @opaque as @vmsd puts it. */
GBytes *vmstate_to_bytes(const VMStateDescription *vmsd, void *opaque);

/** vmstate_from_bytes: load version @version; false with @errp set. */
bool vmstate_from_bytes(const VMStateDescription *vmsd, void *opaque,
                        int version, const void *data, size_t len,
                        Error **errp);

/** vmstate_assert_moves: @from saved, loaded into @to, which saves the same. */
void vmstate_assert_moves(const VMStateDescription *vmsd, void *from, void *to);

/** device_assert_moves: by the table of the devices' class. */
void device_assert_moves(DeviceState *from, DeviceState *to);

/**
 * vmstate_assert_robust:
 * @from: (in) an object whose bytes are the start
 * @to: (inout) gets @rounds loads of changed bytes
 * @rand: (in) the test's
 * @use: (optional) called with @opaque after each load: does with @to what a
 *       guest could do, after a reset if it was not @loaded
 *
 * Returns: how many loads succeeded.
 */
unsigned vmstate_assert_robust(const VMStateDescription *vmsd, void *from,
                               void *to, unsigned rounds, GRand *rand,
                               void (*use)(void *opaque, bool loaded),
                               void *opaque);

#endif
