/*
 * Section "dirty-bitmap": dirty bitmaps of the disks, from one process to the
 * other (capability dirty-bitmaps).
 *
 *   source                                    destination
 *   hold: nobody else changes them
 *   START: name, granularity, flags   ----->  create: empty, blind to writes
 *   (pre-copy: the guest's writes set bits here)
 *   guest stopped, disks given up: not stored
 *   END: bits, COMPLETE               ----->  merge
 *                                             the guest runs: writes set bits
 *
 * With post-copy END is left out, and the bits follow behind the memory in PARTs,
 * while the guest writes over there: bits are only ever added, so those that it
 * sets and those that come make one bitmap, in whatever order. After a
 * recovery all is sent again; what was complete is not touched any more.
 *
 * Before the guest runs at the destination whatever is wrong ends the
 * migration. After that the bitmaps that are not complete are dropped, with a
 * warning, and the guest goes on: a bitmap can be made anew by a full backup.
 *
 * Source: streams written by QEMU 7.2 with capability dirty-bitmaps; its
 * documentation of bitmaps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_BITMAPS_H
#define MIGRATION_BITMAPS_H

#include <jansson.h>

#include "migration/bitmap-host.h"
#include "migration/qemu-file.h"

typedef struct SaveVMHandlers SaveVMHandlers;

/* Bitmaps of one migration. */
#define BITMAPS_MAX 65535

/* Figures of one side, for query-migrate; each is atomic. */
typedef struct BitmapStats {
    uint64_t bitmaps;   /* that go */
    uint64_t completed; /* of these */
    uint64_t bytes;     /* of bits: all */
    uint64_t done;      /* of these, sent or here */
    char *error;        /* why those that were not complete were dropped; set
                           once, owned by whoever has the stats */
} BitmapStats;

/** bitmap_stats_clear: to zero. Nobody reads them. */
void bitmap_stats_clear(BitmapStats *s);

/* -- the source; thread: the migration thread -------------------------------------- */

typedef struct BitmapSender BitmapSender;

/**
 * bitmap_sender_new:
 * @mapping: (nullable) see bitmap/mapping.h
 *
 * Choose the bitmaps that go and hold them.
 * Returns: (transfer full) NULL if there are none to send, or with @errp.
 * Errors: one that should go is busy or inconsistent, or its name or its node's
 * cannot be sent.
 */
BitmapSender *bitmap_sender_new(const MigrationBitmapOps *ops, void *opaque,
                                const json_t *mapping, BitmapStats *stats,
                                Error **errp);
/** bitmap_sender_free: bitmaps are as they were before. Accepts NULL. */
void bitmap_sender_free(BitmapSender *s);

/** bitmap_sender_put_start: payload of START. */
void bitmap_sender_put_start(BitmapSender *s, QEMUFile *f);
/**
 * bitmap_sender_put_bits: payload of a PART or END; guest stopped.
 * @most: about so many bytes
 *
 * Returns: true: that was the last of all.
 */
bool bitmap_sender_put_bits(BitmapSender *s, QEMUFile *f, uint64_t most);
/** bitmap_sender_is_done: did bitmap_sender_put_bits() say so? */
bool bitmap_sender_is_done(const BitmapSender *s);
/** bitmap_sender_rewind: the connection is another one: all bits once more. */
void bitmap_sender_rewind(BitmapSender *s);
/** bitmap_sender_pending: bytes of bits that are still to be sent. */
uint64_t bitmap_sender_pending(BitmapSender *s);

/* -- the destination; thread: the one that loads ------------------------------------- */

typedef struct BitmapLoader BitmapLoader;

/** bitmap_loader_new: @enabled: is the capability on here? A section is refused
 *  if not. */
BitmapLoader *bitmap_loader_new(const MigrationBitmapOps *ops, void *opaque,
                                const json_t *mapping, bool enabled,
                                BitmapStats *stats);
/** bitmap_loader_free: those that were not finished are dropped. Accepts NULL. */
void bitmap_loader_free(BitmapLoader *l);

/** bitmap_loader_load: payload of a section. False: @errp is set, and @f may
 *  be anywhere in it. */
bool bitmap_loader_load(BitmapLoader *l, QEMUFile *f, Error **errp);

/** bitmap_loader_check: everything else is here. Errors: a bitmap is not. */
bool bitmap_loader_check(BitmapLoader *l, Error **errp);
/** bitmap_loader_listen: post-copy: from now on bits come in another thread than
 *  that which lets the guest run. No bitmap may begin any more. Accepts NULL. */
void bitmap_loader_listen(BitmapLoader *l);
/** bitmap_loader_begin: the guest is about to run here. Once. Accepts NULL. */
void bitmap_loader_begin(BitmapLoader *l);
/** bitmap_loader_end: nothing more comes: what is not complete is dropped.
 *  Accepts NULL. */
void bitmap_loader_end(BitmapLoader *l);

/* -- the section ------------------------------------------------------------------------ */

/* What the handlers work on; either side may be NULL. */
typedef struct BitmapMigration {
    BitmapSender *sender;
    BitmapLoader *loader;
    bool postcopy; /* the guest may run there before the bits are */
} BitmapMigration;

/* For register_savevm_live(); opaque is a BitmapMigration. */
extern const SaveVMHandlers bitmap_handlers;

#endif
