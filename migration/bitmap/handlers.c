/*
 * The section "dirty-bitmap" of the stream, for savevm.
 *
 * One registration serves both directions (BitmapMigration). There are no PARTs
 * while the guest runs on the source; those of post-copy are sent by its
 * owner.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/bitmap/bitmaps.h"
#include "migration/register.h"

static BitmapSender *sender_of(void *opaque)
{
    return ((BitmapMigration *)opaque)->sender;
}

static int handle_setup(QEMUFile *f, void *opaque, Error **errp)
{
    bitmap_sender_put_start(sender_of(opaque), f);
    return 0;
}

static int handle_complete(QEMUFile *f, void *opaque)
{
    bitmap_sender_put_bits(sender_of(opaque), f, UINT64_MAX);
    return 0;
}

static void handle_pending(void *opaque, uint64_t *must_precopy,
                           uint64_t *can_postcopy)
{
    BitmapMigration *bm = opaque;

    *(bm->postcopy ? can_postcopy : must_precopy) +=
        bitmap_sender_pending(bm->sender);
}

static bool handle_has_postcopy(void *opaque)
{
    return ((BitmapMigration *)opaque)->postcopy;
}

static bool handle_is_active(void *opaque)
{
    return sender_of(opaque) != NULL;
}

static int handle_resume(void *opaque, Error **errp)
{
    bitmap_sender_rewind(sender_of(opaque));
    return 0;
}

/* The reason goes to the file, where savevm looks for it. */
static int handle_load(QEMUFile *f, void *opaque, int version_id)
{
    BitmapLoader *l = ((BitmapMigration *)opaque)->loader;
    Error *err = NULL;

    if (!l) {
        error_setg(&err, "no incoming migration has dirty bitmaps to load");
    } else if (bitmap_loader_load(l, f, &err)) {
        return 0;
    }
    qemu_file_set_error_obj(f, -EIO, err);
    return -EIO;
}

const SaveVMHandlers bitmap_handlers = {
    .save_setup = handle_setup,
    .save_live_complete_precopy = handle_complete,
    .save_live_complete_postcopy = handle_complete,
    .save_live_pending = handle_pending,
    .has_postcopy = handle_has_postcopy,
    .is_active = handle_is_active,
    .resume_prepare = handle_resume,
    .load_state = handle_load,
};
