/*
 * Refcount blocks, for those who hold ref_lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_QCOW2_REFCOUNT_H
#define BLOCK_QCOW2_REFCOUNT_H

#include "block/qcow2/internal.h"

/** qcow_refblocks_write: all that are dirty; the caller flushes. */
int coroutine_fn qcow_refblocks_write(BlockQcow2 *s);
/** qcow_block_get, qcow_block_set: the count of @cluster in its block. */
uint64_t qcow_block_get(const BlockQcow2 *s, const QcowTable *t,
                        uint64_t cluster);
void qcow_block_set(BlockQcow2 *s, QcowTable *t, uint64_t cluster,
                    uint64_t value);
/** qcow_ref_change_locked: qcow_ref_change() with ref_lock held. */
int coroutine_fn qcow_ref_change_locked(BlockQcow2 *s, uint64_t first,
                                        uint64_t count, int addend);
/** qcow_reftable_write: entries that are dirty; blocks are stable. */
int coroutine_fn qcow_reftable_write(BlockQcow2 *s);

#endif
