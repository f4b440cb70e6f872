/*
 * Multifd and mapped RAM as parts of a migration: made from its settings at
 * the start, gone at its end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MULTIFD_SETUP_H
#define MIGRATION_MULTIFD_SETUP_H

#include "migration/migration-internal.h"

/**
 * multifd_send_start:
 *
 * Make ms->multifd or, with mapped-ram, ms->file_ram, if the capabilities ask
 * for one. Before the setup section. May wait for a file to be opened.
 *
 * Thread: the migration thread.
 */
bool multifd_send_start(MigrationState *ms, Error **errp);

/** multifd_send_interrupt: cancel: calls into both return an error soon.
 *  Thread: any, while the migration thread cannot stop them. */
void multifd_send_interrupt(MigrationState *ms);

/** multifd_send_stop: at every end; in order if the last thing was a sync.
 *  May be called again. Thread: the migration thread. */
void multifd_send_stop(MigrationState *ms);

/** multifd_send_method: to what the parameters say now, between two passes.
 *  Thread: the migration thread. */
bool multifd_send_method(MigrationState *ms, Error **errp);

/** multifd_recv_start: the same for mis->multifd; before the listener accepts
 *  anything. mis->file_ram is made by multifd_recv_start_file(). */
bool multifd_recv_start(MigrationIncoming *mis, Error **errp);

/** multifd_recv_start_file: make mis->file_ram if capability mapped-ram is on;
 *  the file is open. Thread: the one that loads, before it does. */
bool multifd_recv_start_file(MigrationIncoming *mis, Error **errp);

/** multifd_recv_stop: at every end. May be called again. */
void multifd_recv_stop(MigrationIncoming *mis);

/**
 * multifd_recv_channel:
 * @init: (in) the first bytes of @ioc, which were read
 *
 * Take a reference to @ioc and start its thread. Thread: the listener's.
 * Returns: false = not ours: close it and go on listening.
 */
bool multifd_recv_channel(MigrationIncoming *mis, QIOChannel *ioc,
                          const uint8_t init[MULTIFD_INIT_LEN], Error **errp);

/** multifd_recv_complete: are all channels there (or is multifd off)? */
bool multifd_recv_complete(const MigrationIncoming *mis);

#endif
