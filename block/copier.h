/*
 * Copier: copies areas from one node to another at the same offset; what all
 * jobs that copy have in common.
 *
 * Zeroes are not read and written but made (and may stay holes); buffers are
 * kept for reuse.
 *
 * Thread: any; several areas at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_COPIER_H
#define BLOCK_COPIER_H

#include "block/block-internal.h"

/* Longest area of one copier_copy(). */
#define COPIER_MAX_BYTES (1024 * 1024)

typedef struct Copier {
    BlockNode *source; /* borrowed: whoever has the copier has links */
    BlockNode *target;
    BlkRequestFlags zero_flags;  /* BLK_REQ_MAY_UNMAP: zeroes become holes */
    BlkRequestFlags write_flags; /* BLK_REQ_WRITE_UNCHANGED, _COMPRESSED */
    bool detect_zeroes;          /* look at what was read */

    QemuMutex mutex; /* guards what follows */
    void *spare[16];
    unsigned spares;
} Copier;

void copier_init(Copier *c, BlockNode *source, BlockNode *target);
void copier_destroy(Copier *c);

/**
 * copier_copy:
 * @bytes: at most COPIER_MAX_BYTES; what lies behind the end of the source is
 *         left out
 * @ret_is_read: (out) on failure: was it the source?
 *
 * Returns: 0 or -errno.
 */
int coroutine_fn copier_copy(Copier *c, int64_t offset, int64_t bytes,
                             bool *ret_is_read);

#endif
