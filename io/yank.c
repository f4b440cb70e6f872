/*
 * The yank registry and its QMP commands.
 *
 * Process-wide state, because `yank` has to work out of band while the owner
 * of a connection is stuck: nothing but this lock may be needed to reach the
 * socket.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/yank.h"

#include "io/channel.h"
#include "qapi/qapi-commands-yank.h"
#include "qapi/qapi-types-yank.h"
#include "util/error.h"
#include "util/lockable.h"

typedef struct YankFunction {
    YankFn *func;
    void *opaque;
} YankFunction;

typedef struct YankEntry {
    YankInstanceType type;
    char *name;        /* id or node name; NULL for migration */
    GArray *functions; /* YankFunction */
} YankEntry;

static struct {
    QemuMutex lock;
    GPtrArray *entries; /* YankEntry *; NULL before the first */
} registry = { .lock = QEMU_MUTEX_INITIALIZER };

static const char *instance_name(const YankInstance *i)
{
    switch (i->type) {
    case YANK_INSTANCE_TYPE_BLOCK_NODE:
        return i->u.block_node.node_name;
    case YANK_INSTANCE_TYPE_CHARDEV:
        return i->u.chardev.id;
    default:
        return NULL;
    }
}

static void entry_free(void *opaque)
{
    YankEntry *e = opaque;

    g_free(e->name);
    g_array_unref(e->functions);
    g_free(e);
}

static YankEntry *entry_find(const YankInstance *instance)
{
    const char *name = instance_name(instance);

    for (guint i = 0; registry.entries && i < registry.entries->len; i++) {
        YankEntry *e = g_ptr_array_index(registry.entries, i);

        if (e->type == instance->type && g_strcmp0(e->name, name) == 0) {
            return e;
        }
    }
    return NULL;
}

bool yank_register_instance(const YankInstance *instance, Error **errp)
{
    QEMU_LOCK_GUARD(&registry.lock);
    YankEntry *e;

    if (entry_find(instance)) {
        error_setg(errp, "there is already a yank instance '%s'",
                   instance_name(instance) ? instance_name(instance)
                                           : "migration");
        return false;
    }
    if (!registry.entries) {
        registry.entries = g_ptr_array_new_with_free_func(entry_free);
    }
    e = g_new0(YankEntry, 1);
    e->type = instance->type;
    e->name = g_strdup(instance_name(instance));
    e->functions = g_array_new(FALSE, FALSE, sizeof(YankFunction));
    g_ptr_array_add(registry.entries, e);
    return true;
}

void yank_unregister_instance(const YankInstance *instance)
{
    QEMU_LOCK_GUARD(&registry.lock);
    YankEntry *e = entry_find(instance);

    assert(e && e->functions->len == 0);
    g_ptr_array_remove(registry.entries, e);
}

void yank_register_function(const YankInstance *instance, YankFn *func,
                            void *opaque)
{
    QEMU_LOCK_GUARD(&registry.lock);
    YankEntry *e = entry_find(instance);
    YankFunction f = { func, opaque };

    assert(e);
    g_array_append_val(e->functions, f);
}

void yank_unregister_function(const YankInstance *instance, YankFn *func,
                              void *opaque)
{
    QEMU_LOCK_GUARD(&registry.lock);
    YankEntry *e = entry_find(instance);

    assert(e);
    for (guint i = 0; i < e->functions->len; i++) {
        YankFunction *f = &g_array_index(e->functions, YankFunction, i);

        if (f->func == func && f->opaque == opaque) {
            g_array_remove_index_fast(e->functions, i);
            return;
        }
    }
    g_assert_not_reached();
}

void yank_generic_iochannel(void *opaque)
{
    qio_channel_shutdown(QIO_CHANNEL(opaque), QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
}

void qmp_yank(YankInstanceList *instances, Error **errp)
{
    QEMU_LOCK_GUARD(&registry.lock);

    for (YankInstanceList *l = instances; l; l = l->next) {
        if (!entry_find(l->value)) {
            error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                      "there is no yank instance '%s'",
                      instance_name(l->value) ? instance_name(l->value)
                                              : "migration");
            return;
        }
    }
    for (YankInstanceList *l = instances; l; l = l->next) {
        YankEntry *e = entry_find(l->value);

        for (guint i = 0; i < e->functions->len; i++) {
            YankFunction *f = &g_array_index(e->functions, YankFunction, i);

            f->func(f->opaque);
        }
    }
}

YankInstanceList *qmp_query_yank(Error **errp)
{
    QEMU_LOCK_GUARD(&registry.lock);
    YankInstanceList *list = NULL;

    for (guint i = registry.entries ? registry.entries->len : 0; i > 0; i--) {
        YankEntry *e = g_ptr_array_index(registry.entries, i - 1);
        YankInstance *value = g_new0(YankInstance, 1);

        value->type = e->type;
        if (e->type == YANK_INSTANCE_TYPE_BLOCK_NODE) {
            value->u.block_node.node_name = g_strdup(e->name);
        } else if (e->type == YANK_INSTANCE_TYPE_CHARDEV) {
            value->u.chardev.id = g_strdup(e->name);
        }
        QAPI_LIST_PREPEND(list, value);
    }
    return list;
}
