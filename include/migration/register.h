/*
 * The registry of what a migration carries: devices' tables and the handlers
 * of parts that are sent while the guest runs ("ram").
 *
 * A machine holds one SaveVMRegistry; there is no other state. Sections go
 * in order of priority, then of registration; names and instance numbers are
 * the same on both sides if both register in the same order.
 *
 * Thread: changed under the machine lock only, and not while a migration
 * is under way (devices do not come and go then).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_REGISTER_H
#define MIGRATION_REGISTER_H

#include "migration/vmstate.h"

typedef struct SaveVMRegistry SaveVMRegistry;
typedef struct SaveVMHandlers SaveVMHandlers;
typedef struct SaveStateEntry SaveStateEntry;

/* Number the instances of one name in order of registration: 0, 1, ... */
#define VMSTATE_INSTANCE_ID_ANY -1

/* Most entries of a registry. */
#define SAVEVM_SECTIONS_MAX 65536

/**
 * SaveVMHandlers: a part of the machine that is not a table.
 *
 * Functions that return int: 0, or negative errno (the reason in the file or
 * in @errp). All get the opaque of register_savevm_live(). Where not said
 * otherwise they run in the migration thread (loading: the thread that
 * loads), without the machine lock.
 *
 * @save_state: one FULL section instead of the live ones; with the machine
 *     lock, guest stopped
 * @load_state: payload of any section of it; @version_id is that of START
 *     (FULL), at most the registered one. A part with save_state only: with
 *     the machine lock
 * @save_setup: payload of START. Presence of this makes the part live
 * @save_live_iterate: payload of a PART. 1: nothing is left for now, 0: more
 * @save_live_complete_precopy: payload of END; guest stopped
 * @save_live_complete_postcopy: payload of END at the end of post-copy
 * @save_live_pending: (optional) bytes that wait: what must go before the
 *     destination runs, and what can go after it
 * @has_postcopy: (optional) can it go on after the destination runs?
 * @is_active: (optional) false: leave it out of this migration
 * @is_active_iterate: (optional) false: no PART now
 * @save_cleanup: the save ended, well or not; always after save_setup
 * @load_setup: (optional) before the first section
 * @load_cleanup: (optional) the load ended; always after load_setup
 * @resume_prepare: (optional) post-copy is about to resume
 * @switchover_ack_needed: (optional) the destination must ack the switchover
 */
struct SaveVMHandlers {
    void (*save_state)(QEMUFile *f, void *opaque);
    int (*load_state)(QEMUFile *f, void *opaque, int version_id);

    int (*save_setup)(QEMUFile *f, void *opaque, Error **errp);
    int (*save_live_iterate)(QEMUFile *f, void *opaque);
    int (*save_live_complete_precopy)(QEMUFile *f, void *opaque);
    int (*save_live_complete_postcopy)(QEMUFile *f, void *opaque);
    void (*save_live_pending)(void *opaque, uint64_t *must_precopy,
                              uint64_t *can_postcopy);
    bool (*has_postcopy)(void *opaque);
    bool (*is_active)(void *opaque);
    bool (*is_active_iterate)(void *opaque);
    void (*save_cleanup)(void *opaque);

    int (*load_setup)(QEMUFile *f, void *opaque, Error **errp);
    int (*load_cleanup)(void *opaque);
    int (*resume_prepare)(void *opaque, Error **errp);
    bool (*switchover_ack_needed)(void *opaque);
};

/** savevm_registry_new: (transfer full) an empty registry. */
SaveVMRegistry *savevm_registry_new(void);
/** savevm_registry_free: with what is still registered. Accepts NULL. */
void savevm_registry_free(SaveVMRegistry *reg);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SaveVMRegistry, savevm_registry_free)

/**
 * vmstate_register_with:
 * @idstr: (in) name of the section, 1 to 255 bytes; copied. A device on a
 *         bus: its path, "/", @vmsd's name
 * @instance_id: VMSTATE_INSTANCE_ID_ANY, or a number that is free
 * @vmsd: (in) constant; outlives the registration
 * @opaque: (in) the struct that @vmsd describes
 * @priority: order; MIG_PRI_DEFAULT takes that of @vmsd
 *
 * Thread: machine lock held.
 * Returns: 0; -EEXIST, -EINVAL, -ENOSPC with @errp set.
 */
int vmstate_register_with(SaveVMRegistry *reg, const char *idstr,
                          int64_t instance_id, const VMStateDescription *vmsd,
                          void *opaque, MigrationPriority priority,
                          Error **errp);

/** vmstate_unregister_with: undo; fine if there is none. */
void vmstate_unregister_with(SaveVMRegistry *reg,
                             const VMStateDescription *vmsd, void *opaque);

/**
 * register_savevm_live:
 * @idstr: (in) name of the section; copied
 * @instance_id: as above; 0 for "ram"
 * @version_id: written, and the newest that is loaded
 * @ops: (in) constant; outlives the registration
 *
 * Returns: 0; negative errno with @errp set.
 */
int register_savevm_live(SaveVMRegistry *reg, const char *idstr,
                         int64_t instance_id, int version_id,
                         const SaveVMHandlers *ops, void *opaque, Error **errp);

/** unregister_savevm: undo; fine if there is none. */
void unregister_savevm(SaveVMRegistry *reg, const char *idstr, void *opaque);

/** savevm_registry_unmigratable: name of a section whose vmsd is marked
 *  unmigratable; borrowed; NULL = none. */
const char *savevm_registry_unmigratable(SaveVMRegistry *reg);

#endif
