/*
 * The registry of what a migration carries: see migration/register.h.
 *
 * A list in the order of the stream. Entries are found by name and instance
 * (a load's START and FULL) or by walking; there are some tens of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/savevm-internal.h"
#include "util/error.h"

SaveVMRegistry *savevm_registry_new(void)
{
    SaveVMRegistry *reg = g_new0(SaveVMRegistry, 1);

    QTAILQ_INIT(&reg->entries);
    reg->options =
        (SaveVMOptions){ .configuration = true, .section_footer = true };
    qemu_mutex_init(&reg->lock);
    return reg;
}

static void entry_remove(SaveVMRegistry *reg, SaveStateEntry *se)
{
    QTAILQ_REMOVE(&reg->entries, se, next);
    reg->n_entries--;
    g_free(se);
}

void savevm_registry_free(SaveVMRegistry *reg)
{
    SaveStateEntry *se, *tmp;

    if (!reg) {
        return;
    }
    QTAILQ_FOREACH_SAFE(se, &reg->entries, next, tmp) {
        entry_remove(reg, se);
    }
    qemu_mutex_destroy(&reg->lock);
    g_free(reg);
}

void savevm_set_options(SaveVMRegistry *reg, const SaveVMOptions *options)
{
    reg->options = *options;
}

const SaveVMOptions *savevm_get_options(const SaveVMRegistry *reg)
{
    return &reg->options;
}

SaveStateEntry *savevm_find(SaveVMRegistry *reg, const char *idstr,
                            uint32_t instance_id)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (se->instance_id == instance_id && strcmp(se->idstr, idstr) == 0) {
            return se;
        }
    }
    return NULL;
}

const char *savevm_entry_idstr(const SaveStateEntry *se)
{
    return se->idstr;
}

uint32_t savevm_entry_instance(const SaveStateEntry *se)
{
    return se->instance_id;
}

/* The lowest number above all instances of @idstr. */
static uint32_t next_instance(SaveVMRegistry *reg, const char *idstr)
{
    SaveStateEntry *se;
    uint32_t id = 0;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (strcmp(se->idstr, idstr) == 0 && se->instance_id >= id) {
            id = se->instance_id + 1;
        }
    }
    return id;
}

/* Behind the last entry whose priority is not lower. */
static void entry_insert(SaveVMRegistry *reg, SaveStateEntry *se)
{
    SaveStateEntry *other;

    QTAILQ_FOREACH(other, &reg->entries, next) {
        if (other->priority < se->priority) {
            QTAILQ_INSERT_BEFORE(other, se, next);
            reg->n_entries++;
            return;
        }
    }
    QTAILQ_INSERT_TAIL(&reg->entries, se, next);
    reg->n_entries++;
}

/* A new entry under a name of its own, not yet in the list; NULL: @errp and
 * @ret_errno say why. */
static SaveStateEntry *entry_new(SaveVMRegistry *reg, const char *idstr,
                                 int64_t instance_id, void *opaque,
                                 int *ret_errno, Error **errp)
{
    size_t len = strlen(idstr);
    SaveStateEntry *se;
    uint32_t id;

    if (len == 0 || len > STREAM_NAME_MAX || instance_id > INT32_MAX) {
        error_setg(errp, "'%s' instance %" PRId64 " cannot name a section",
                   idstr, instance_id);
        *ret_errno = -EINVAL;
        return NULL;
    }
    if (reg->n_entries >= SAVEVM_SECTIONS_MAX) {
        error_setg(errp, "no room for section '%s': there are %u", idstr,
                   reg->n_entries);
        *ret_errno = -ENOSPC;
        return NULL;
    }
    id = instance_id < 0 ? next_instance(reg, idstr) : (uint32_t)instance_id;
    if (savevm_find(reg, idstr, id)) {
        error_setg(errp, "section '%s' instance %" PRIu32 " exists already",
                   idstr, id);
        *ret_errno = -EEXIST;
        return NULL;
    }
    se = g_new0(SaveStateEntry, 1);
    g_strlcpy(se->idstr, idstr, sizeof(se->idstr));
    se->instance_id = id;
    se->section_id = reg->next_section_id++;
    se->opaque = opaque;
    return se;
}

int vmstate_register_with(SaveVMRegistry *reg, const char *idstr,
                          int64_t instance_id, const VMStateDescription *vmsd,
                          void *opaque, MigrationPriority priority,
                          Error **errp)
{
    int ret = 0;
    SaveStateEntry *se = entry_new(reg, idstr, instance_id, opaque, &ret, errp);

    if (!se) {
        return ret;
    }
    se->vmsd = vmsd;
    se->version_id = vmsd->version_id;
    se->priority = priority != MIG_PRI_DEFAULT ? priority : vmsd->priority;
    entry_insert(reg, se);
    return 0;
}

void vmstate_unregister_with(SaveVMRegistry *reg,
                             const VMStateDescription *vmsd, void *opaque)
{
    SaveStateEntry *se, *tmp;

    QTAILQ_FOREACH_SAFE(se, &reg->entries, next, tmp) {
        if (se->vmsd && se->vmsd == vmsd && se->opaque == opaque) {
            entry_remove(reg, se);
        }
    }
}

int register_savevm_live(SaveVMRegistry *reg, const char *idstr,
                         int64_t instance_id, int version_id,
                         const SaveVMHandlers *ops, void *opaque, Error **errp)
{
    int ret = 0;
    SaveStateEntry *se = entry_new(reg, idstr, instance_id, opaque, &ret, errp);

    if (!se) {
        return ret;
    }
    se->ops = ops;
    se->version_id = version_id;
    entry_insert(reg, se);
    return 0;
}

void unregister_savevm(SaveVMRegistry *reg, const char *idstr, void *opaque)
{
    SaveStateEntry *se, *tmp;

    QTAILQ_FOREACH_SAFE(se, &reg->entries, next, tmp) {
        if (se->ops && se->opaque == opaque && strcmp(se->idstr, idstr) == 0) {
            entry_remove(reg, se);
        }
    }
}

const char *savevm_registry_unmigratable(SaveVMRegistry *reg)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (se->vmsd && se->vmsd->unmigratable) {
            return se->idstr;
        }
    }
    return NULL;
}
