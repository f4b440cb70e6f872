/*
 * The section "ram" of the stream, for savevm.
 *
 * One registration serves both directions; the owner of a migration sets the
 * side that is in use (RAMMigration). savevm's own loop sends passes of
 * SLICE_NS; an owner that looks closer calls ram_pass_*() itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/incoming.h"
#include "migration/ram/internal.h"
#include "migration/register.h"

/* One PART that savevm asks for. */
#define SLICE_NS (INT64_C(50) * 1000 * 1000)

static RAMSource *source_of(void *opaque)
{
    return ((RAMMigration *)opaque)->source;
}

/* The reason goes to the file, where savevm looks for it. */
static int failed(QEMUFile *f, Error *err)
{
    qemu_file_set_error_obj(f, -EIO, err);
    return -EIO;
}

static int handle_setup(QEMUFile *f, void *opaque, Error **errp)
{
    RAMPassReport report;

    if (!source_of(opaque)) {
        error_setg(errp, "no outgoing migration has RAM to save");
        return -EINVAL;
    }
    return ram_save_setup(source_of(opaque), f, errp) &&
                   ram_pass_begin(source_of(opaque), &report, errp)
               ? 0
               : -EIO;
}

static int handle_iterate(QEMUFile *f, void *opaque)
{
    Error *err = NULL;
    RAMSendResult result = ram_pass_send(source_of(opaque), f, SLICE_NS, &err);

    return result == RAM_SEND_ERROR ? failed(f, err) : result == RAM_SEND_DONE;
}

static int handle_complete(QEMUFile *f, void *opaque)
{
    Error *err = NULL;

    return ram_complete(source_of(opaque), f, &err) ? 0 : failed(f, err);
}

static void handle_pending(void *opaque, uint64_t *must_precopy,
                           uint64_t *can_postcopy)
{
    RAMSource *rs = source_of(opaque);

    *(rs->config.postcopy ? can_postcopy : must_precopy) += ram_dirty_bytes(rs);
}

static bool handle_has_postcopy(void *opaque)
{
    return source_of(opaque) && source_of(opaque)->config.postcopy;
}

static int handle_load(QEMUFile *f, void *opaque, int version_id)
{
    RAMIncoming *ri = ((RAMMigration *)opaque)->incoming;
    Error *err = NULL;

    if (version_id != RAM_SECTION_VERSION) {
        error_setg(&err, "version %d of section 'ram' is not %d", version_id,
                   RAM_SECTION_VERSION);
    } else if (!ri) {
        error_setg(&err, "no incoming migration has RAM to load");
    } else if (ram_load(ri, f, &err)) {
        return 0;
    }
    return failed(f, err);
}

const SaveVMHandlers ram_handlers = {
    .save_setup = handle_setup,
    .save_live_iterate = handle_iterate,
    .save_live_complete_precopy = handle_complete,
    .save_live_complete_postcopy = handle_complete,
    .save_live_pending = handle_pending,
    .has_postcopy = handle_has_postcopy,
    .load_state = handle_load,
};
