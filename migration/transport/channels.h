/*
 * The open connections of a migration, for source/source.c and incoming/incoming.c; the rest
 * uses migration_channel_open() and its like of migration-internal.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_CHANNELS_H
#define MIGRATION_CHANNELS_H

#include "io/channel.h"
#include "migration/migration-internal.h"

typedef struct MigrationTarget MigrationTarget;

/** migration_channels_interrupt: shut all down, and those still to come.
 * Thread: any. */
void migration_channels_interrupt(MigrationState *ms);

/** migration_channel_open_to: migration_channel_open() to another place than
 *  the main channel's. */
QIOChannel *migration_channel_open_to(MigrationState *ms,
                                      const MigrationTarget *t,
                                      MigrationChannelKind kind, Error **errp);

/** migration_channels_forget: none is in use any more: yank and cancel know
 * none. */
void migration_channels_forget(MigrationState *ms);

/**
 * migration_channel_secure:
 * @ioc: (in) connected channel; the reference is taken, also on failure
 *
 * Make it known to cancel and yank, and do the TLS handshake where
 * parameter tls-creds asks for it.
 *
 * Returns: (transfer full) the channel to use; NULL = error.
 */
QIOChannel *migration_channel_secure(MigrationState *ms,
                                     const MigrationTarget *t, QIOChannel *ioc,
                                     Error **errp);

#endif
