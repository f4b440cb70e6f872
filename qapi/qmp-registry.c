/*
 * The list of commands a QMP server knows.
 *
 * Sealed before the first monitor runs, but for the enable bits, which are
 * atomic: commands are looked up from several threads without a lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qmp-dispatch.h"

#include "qmp-internal.h"

struct QmpCommandList {
    GHashTable *by_name; /* const char * -> QmpCommand * */
};

static void command_free(void *data)
{
    g_free(data);
}

QmpCommandList *qmp_command_list_new(void)
{
    QmpCommandList *cmds = g_new0(QmpCommandList, 1);

    cmds->by_name =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, command_free);
    return cmds;
}

void qmp_command_list_free(QmpCommandList *cmds)
{
    if (cmds) {
        g_hash_table_unref(cmds->by_name);
        g_free(cmds);
    }
}

void qmp_register_command(QmpCommandList *cmds, const char *name,
                          QmpCommandFunc *fn, QmpCommandOptions options,
                          unsigned special_features)
{
    QmpCommand *cmd = g_new0(QmpCommand, 1);

    /* A coroutine may wait for things that out-of-band commands unblock. */
    assert(!((options & QCO_COROUTINE) && (options & QCO_ALLOW_OOB)));
    assert(!qmp_find_command(cmds, name));
    *cmd = (QmpCommand){
        .name = name,
        .fn = fn,
        .options = options,
        .special_features = special_features,
        .enabled = 1,
    };
    g_hash_table_insert(cmds->by_name, (char *)name, cmd);
}

void qmp_register_table(QmpCommandList *cmds, const QmpCommandTable *table)
{
    for (const QmpCommandEntry *e = table->entries; e->name; e++) {
        qmp_register_command(cmds, e->name, e->fn, e->options,
                             e->special_features);
    }
}

const QmpCommand *qmp_find_command(const QmpCommandList *cmds, const char *name)
{
    return g_hash_table_lookup(cmds->by_name, name);
}

static void toggle(QmpCommandList *cmds, const char *name, bool enabled,
                   const char *reason)
{
    QmpCommand *cmd = g_hash_table_lookup(cmds->by_name, name);

    if (cmd) {
        g_atomic_pointer_set(&cmd->disable_reason, (char *)reason);
        g_atomic_int_set(&cmd->enabled, enabled);
    }
}

void qmp_disable_command(QmpCommandList *cmds, const char *name,
                         const char *disable_reason)
{
    toggle(cmds, name, false, disable_reason);
}

void qmp_enable_command(QmpCommandList *cmds, const char *name)
{
    toggle(cmds, name, true, NULL);
}

const char *qmp_command_name(const QmpCommand *cmd)
{
    return cmd->name;
}

QmpCommandOptions qmp_command_options(const QmpCommand *cmd)
{
    return cmd->options;
}

unsigned qmp_command_special_features(const QmpCommand *cmd)
{
    return cmd->special_features;
}

bool qmp_command_is_enabled(const QmpCommand *cmd)
{
    return g_atomic_int_get(&cmd->enabled) != 0;
}

const char *qmp_command_disable_reason(const QmpCommand *cmd)
{
    /* GLib's atomics have no const; the load does not write. */
    return g_atomic_pointer_get(&((QmpCommand *)cmd)->disable_reason);
}

bool qmp_has_success_response(const QmpCommand *cmd)
{
    return !(cmd->options & QCO_NO_SUCCESS_RESP);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(a, b);
}

void qmp_for_each_command(const QmpCommandList *cmds, qmp_cmd_callback_fn *fn,
                          void *opaque)
{
    g_autoptr(GList) names = g_hash_table_get_keys(cmds->by_name);

    names = g_list_sort(names, compare_names);
    for (GList *l = names; l; l = l->next) {
        fn(qmp_find_command(cmds, l->data), opaque);
    }
}
