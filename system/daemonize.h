/*
 * The process itself: going to the background, pid file, user, root, signals.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_DAEMONIZE_H
#define SYSTEM_DAEMONIZE_H

#include <stdbool.h>

#include "util/typedefs.h"

/**
 * daemonize_begin:
 * Fork; the parent waits for daemonize_end() and ends with its verdict: 0
 * when the child got that far, 1 when it died before. Only the child returns.
 *
 * Thread: main, before other threads exist.
 */
bool daemonize_begin(Error **errp);

/**
 * daemonize_end:
 * Detach stdin, stdout and stderr (the latter two only if they do not go to
 * a log) and let the parent end with status 0. No-op without
 * daemonize_begin().
 *
 * @keep_stderr: messages still have a reader
 */
bool daemonize_end(bool keep_stderr, Error **errp);

/**
 * pidfile_create:
 * @path: (in) file
 *
 * Write our process id and hold a lock for as long as we live.
 * Errors: the file cannot be written; another process holds the lock.
 */
bool pidfile_create(const char *path, Error **errp);
/** pidfile_remove: no-op without a pid file. */
void pidfile_remove(void);

/** process_drop: change root (@dir or NULL) and user (@user or NULL). */
bool process_drop(const char *dir, const char *user, Error **errp);

/** process_handle_signals: SIGTERM, SIGINT, SIGHUP become requests to end;
 *  SIGPIPE is ignored. */
void process_handle_signals(void);

#endif
