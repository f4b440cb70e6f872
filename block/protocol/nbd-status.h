/*
 * Block status that an NBD server told in advance.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_NBD_STATUS_H
#define BLOCK_NBD_STATUS_H

#include "nbd/nbd.h"
#include "util/thread.h"

/* Extents asked for at once. */
#define NBD_STATUS_EXTENTS 512

typedef struct NBDStatus {
    uint64_t changes; /* writes that began or ended here; atomic */
    QemuMutex lock;   /* guards what follows */
    uint64_t seen;    /* changes when the server was asked */
    int64_t asked_ns;
    uint64_t next;  /* what is before it was told to somebody */
    bool unused;    /* nothing but the first extent was of use yet */
    uint64_t start; /* of extents[first] */
    unsigned first; /* not looked at yet */
    unsigned n;
    NBDExtent extents[NBD_STATUS_EXTENTS];
} NBDStatus;

void nbd_status_init(NBDStatus *s);
void nbd_status_deinit(NBDStatus *s);
/** nbd_status_changed: before and after each request that writes; and when a
 *  connection is new. Thread: any. */
void nbd_status_changed(NBDStatus *s);
/** nbd_status_now: what nbd_status_keep() wants; before the server is asked. */
uint64_t nbd_status_now(NBDStatus *s);
/** nbd_status_find: *@ret is what is known from @offset on, up to @bytes; each
 *  byte is told once. false: nothing. */
bool nbd_status_find(NBDStatus *s, uint64_t offset, uint64_t bytes,
                     NBDExtent *ret);
/** nbd_status_pays: ask for more than is wanted; false, once: what was asked
 *  for the last time was in vain. */
bool nbd_status_pays(NBDStatus *s);
/** nbd_status_keep: what the server said about @offset. */
void nbd_status_keep(NBDStatus *s, uint64_t seen, uint64_t offset,
                     const NBDExtent *extents, unsigned n);

#endif
