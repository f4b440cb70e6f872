/*
 * Inside of savevm: the registry's entries, shared by stream/savevm-registry.c,
 * stream/savevm-save.c and stream/savevm-load.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_SAVEVM_INTERNAL_H
#define MIGRATION_SAVEVM_INTERNAL_H

#include "migration/stream/savevm.h"
#include "util/queue.h"
#include "util/thread.h"

struct SaveStateEntry {
    QTAILQ_ENTRY(SaveStateEntry) next;
    char idstr[STREAM_NAME_MAX + 1];
    uint32_t instance_id;
    uint32_t section_id; /* this side's number on a stream */
    int version_id;
    MigrationPriority priority;
    const VMStateDescription *vmsd; /* either this */
    const SaveVMHandlers *ops;      /* or that */
    void *opaque;

    /* while saving */
    bool set_up; /* save_setup was called, save_cleanup is due */
    bool ended;  /* END was sent */

    /* while loading; guarded by the registry's lock */
    bool load_set_up; /* load_setup was called, load_cleanup is due */
    bool load_seen;   /* START or FULL came */
    bool load_ended;  /* END came (or it was FULL) */
    uint32_t load_section_id;
    uint32_t load_version_id;
};

/*
 * Who loads: the thread of the main stream and, in post-copy, that of the
 * package, each a part of the entries. @lock guards what they both look at.
 */
struct SaveVMRegistry {
    QTAILQ_HEAD(, SaveStateEntry) entries; /* in order of the stream */
    uint32_t next_section_id;
    unsigned n_entries;
    SaveVMOptions options;
    QemuMutex lock; /* load_* of entries */
};

/** savevm_entry_is_live: is it sent while the guest runs? */
static inline bool savevm_entry_is_live(const SaveStateEntry *se)
{
    return se->ops && se->ops->save_setup;
}

/** savevm_entry_is_active: does it take part in this migration? */
static inline bool savevm_entry_is_active(const SaveStateEntry *se)
{
    return !se->ops || !se->ops->is_active || se->ops->is_active(se->opaque);
}

#endif
