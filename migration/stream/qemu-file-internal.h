/*
 * Inside of QEMUFile: shared by stream/qemu-file.c (life, failure, position),
 * stream/qemu-file-write.c and stream/qemu-file-read.c.
 *
 * A writer's bytes go out in this order: iov[0..niov), then what stands
 * between @sealed and c.pos in its own buffer. Values are only ever appended
 * there; they get an iovec when a reference to other memory comes behind
 * them, or at the flush.
 *
 * A reader holds the bytes from c.pos to c.end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_QEMU_FILE_INTERNAL_H
#define MIGRATION_QEMU_FILE_INTERNAL_H

#include "io/channel.h"
#include "migration/qemu-file.h"
#include "util/bitmap.h"
#include "util/thread.h"

struct QEMUFile {
    QEMUFileCursor c; /* first: see qemu-file-types.h */
    QIOChannel *ioc;  /* a reference */
    uint8_t *buf;     /* owned, @size bytes */
    size_t size;
    bool writable;

    /* bytes moved by the channel; atomic, written by the file's thread */
    uint64_t moved;

    /* writer */
    uint8_t *sealed;  /* in @buf: all before it is in @iov */
    size_t iov_bytes; /* in @iov */
    size_t piece;     /* of @iov_bytes are handed over */
    unsigned niov;
    struct iovec iov[QEMU_FILE_IOV_MAX];
    DECLARE_BITMAP(may_free, QEMU_FILE_IOV_MAX); /* of @iov, to release */
    bool any_may_free;
    QEMUFileReleaseFunc *release;
    void *release_opaque;

    /* reader */
    void (*wait_begin)(void *opaque);
    void (*wait_end)(void *opaque);
    void *wait_opaque;

    int error;      /* atomic; 0 or negative errno, set once */
    QemuMutex lock; /* of @err */
    Error *err;     /* set if @error is */
};

/* Bytes of small values that have no iovec yet. */
static inline size_t qemu_file_unsealed(const QEMUFile *f)
{
    return (size_t)(f->c.pos - f->sealed);
}

#endif
