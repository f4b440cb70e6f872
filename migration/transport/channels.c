/*
 * The open connections of a migration: cancel and yank find them here.
 *
 * Whoever waits in a read or write of a migration channel wakes when it is
 * shut down; so to interrupt a migration is to shut all of them down, and a
 * channel that is opened a moment later is shut down as it is added.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/transport/channels.h"

#include "migration/migration-internal.h"
#include "migration/transport/transport.h"
#include "util/bswap.h"
#include "util/lockable.h"

/* A YankFn. */
static void channel_yank(void *opaque)
{
    qio_channel_shutdown(opaque, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
}

void migration_channel_track(MigrationState *ms, QIOChannel *ioc)
{
    bool dead;

    /* First, so that whoever finds it in the list can undo both. */
    ms->program->yank_add(ms->program_opaque, channel_yank, ioc);
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        g_ptr_array_add(ms->channels, object_ref(OBJECT(ioc)));
        dead = qatomic_read(&ms->interrupted) && !qatomic_read(&ms->asking);
    }
    if (dead) {
        channel_yank(ioc);
    }
}

void migration_channel_untrack(MigrationState *ms, QIOChannel *ioc)
{
    g_autoptr(QIOChannel) keep = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    bool mine;

    /* Of two threads that let go of it, one takes it out. */
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        mine = g_ptr_array_remove(ms->channels, ioc);
    }
    if (mine) {
        ms->program->yank_del(ms->program_opaque, channel_yank, ioc);
    }
}

void migration_channels_forget(MigrationState *ms)
{
    for (;;) {
        g_autoptr(QIOChannel) ioc = NULL;

        WITH_QEMU_LOCK_GUARD(&ms->lock)
        {
            if (ms->channels->len) {
                ioc =
                    QIO_CHANNEL(object_ref(g_ptr_array_index(ms->channels, 0)));
            }
        }
        if (!ioc) {
            return;
        }
        migration_channel_untrack(ms, ioc);
    }
}

void migration_channels_interrupt(MigrationState *ms)
{
    QEMU_LOCK_GUARD(&ms->lock);
    qatomic_set(&ms->interrupted, true);
    for (guint i = 0; i < ms->channels->len; i++) {
        channel_yank(g_ptr_array_index(ms->channels, i));
    }
}

void migration_channel_close(MigrationState *ms, QIOChannel *ioc)
{
    if (!ioc) {
        return;
    }
    migration_channel_untrack(ms, ioc);
    qio_channel_close(ioc, NULL);
    object_unref(OBJECT(ioc));
}

static QIOChannel *secure_within(MigrationState *ms, const MigrationTarget *t,
                                 QIOChannel *ioc, unsigned limit_ms,
                                 Error **errp)
{
    QIOChannel *tls;

    migration_channel_track(ms, ioc);
    if (!migration_tls_is_on(ms)) {
        return ioc;
    }
    tls = migration_tls_connect(ms, t, ioc, limit_ms, errp);
    if (!tls) {
        migration_channel_close(ms, ioc);
        return NULL;
    }
    migration_channel_track(ms, tls);
    migration_channel_untrack(ms, ioc);
    object_unref(OBJECT(ioc));
    return tls;
}

QIOChannel *migration_channel_secure(MigrationState *ms,
                                     const MigrationTarget *t, QIOChannel *ioc,
                                     Error **errp)
{
    return secure_within(ms, t, ioc, MIGRATION_TLS_LIMIT_MS, errp);
}

/* These channels say what they are. */
static bool send_magic(QIOChannel *ioc, uint32_t value, Error **errp)
{
    uint8_t magic[4];

    stl_be_p(magic, value);
    return qio_channel_write_all(ioc, (char *)magic, sizeof(magic), errp) == 0;
}

static QIOChannel *open_file_again(MigrationState *ms, const MigrationTarget *t,
                                   Error **errp)
{
    int direct = migrate_param(ms, direct_io) ? O_DIRECT : 0;
    QIOChannel *ioc = migration_open_file(t, O_WRONLY | direct, errp);

    if (ioc) {
        migration_channel_track(ms, ioc);
    }
    return ioc;
}

QIOChannel *migration_channel_open_to(MigrationState *ms,
                                      const MigrationTarget *t,
                                      MigrationChannelKind kind, Error **errp)
{
    QIOChannel *ioc;

    if (t->kind == TRANSPORT_FILE) {
        return open_file_again(ms, t, errp);
    }
    if (!transport_is_socket(t->kind)) {
        error_setg(errp, "'%s' cannot be connected to more than once", t->text);
        return NULL;
    }
    ioc = migration_connect(ms, t, errp);
    ioc = ioc ? migration_channel_secure(ms, t, ioc, errp) : NULL;
    if (ioc && ((kind == MIGRATION_CHANNEL_PREEMPT &&
                 !send_magic(ioc, MIGRATION_MAGIC_PREEMPT, errp)) ||
                (kind == MIGRATION_CHANNEL_ASK &&
                 !send_magic(ioc, MIGRATION_MAGIC_ASK, errp)))) {
        migration_channel_close(ms, ioc);
        return NULL;
    }
    return ioc;
}

QIOChannel *migration_channel_open(MigrationState *ms,
                                   MigrationChannelKind kind, Error **errp)
{
    return migration_channel_open_to(ms, ms->target, kind, errp);
}

QIOChannel *migration_channel_open_within(MigrationState *ms, unsigned limit_ms,
                                          Error **errp)
{
    const MigrationTarget *t = ms->target;
    int64_t end = g_get_monotonic_time() + limit_ms * INT64_C(1000);
    QIOChannel *ioc;
    int64_t left;

    ioc = migration_connect_within(ms, t, limit_ms, errp);
    if (!ioc) {
        return NULL;
    }
    left = MAX((end - g_get_monotonic_time()) / 1000, 1);
    return secure_within(ms, t, ioc, (unsigned)left, errp);
}
