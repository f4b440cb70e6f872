/*
 * What the files of this folder share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_INTERNAL_H
#define CHARDEV_CHAR_INTERNAL_H

#include "chardev/char-fe.h"
#include "io/channel.h"
#include "qapi/json.h"

/* -- calling a front end (char-fe.c) ----------------------------------------
 *
 * Each takes a copy of the callback and its argument under chr->fe_lock and
 * calls without any lock.
 */

/** char_fe_can_read: bytes @be takes; 0 = none or no handler. */
int char_fe_can_read(Chardev *chr, CharBackend *be);
void char_fe_read(Chardev *chr, CharBackend *be, const uint8_t *buf, int len);
void char_fe_event(Chardev *chr, CharBackend *be, QEMUChrEvent event);

/** char_read_room: qemu_chr_be_can_write(), at most CHR_READ_BUF_LEN. */
int char_read_room(Chardev *chr);

/* -- output queue (char-queue.c); all with chr_write_lock held --------------- */

/** chardev_queue_init / deinit: with the chardev. */
void chardev_queue_init(Chardev *chr);
void chardev_queue_deinit(Chardev *chr);
/** chardev_queue_flush: write what waits. Returns: whether the queue is empty
 * now. */
bool chardev_queue_flush(Chardev *chr);
/** chardev_queue_append: Returns: bytes taken, fewer when the limit is
 * reached. */
size_t chardev_queue_append(Chardev *chr, const uint8_t *buf, size_t len);
/** chardev_queue_reset: the peer is gone. */
void chardev_queue_reset(Chardev *chr);
/** chardev_queue_move: chr->gcontext has changed. */
void chardev_queue_move(Chardev *chr);

/* -- sources ------------------------------------------------------------------ */

/** char_source_clear: destroy and unref *@source, which may be NULL. */
void char_source_clear(GSource **source);

/**
 * char_idle_add: @func once in chr's context, as soon as possible; a
 * reference on @chr is held meanwhile. Thread: any. */
void char_idle_add(Chardev *chr, void (*func)(Chardev *chr));

/**
 * io_add_watch_poll_hup:
 *
 * As io_add_watch_poll(). While the front end takes nothing, @hup_ioc is
 * watched for a hang-up, which is reported as G_IO_HUP.
 */
GSource *io_add_watch_poll_hup(Chardev *chr, QIOChannel *ioc,
                               QIOChannel *hup_ioc,
                               IOCanReadHandler *fd_can_read,
                               QIOChannelFunc fd_read, gpointer user_data,
                               GMainContext *context);

/** io_watch_poll_ignore_hup: from now on @source watches for input only. */
void io_watch_poll_ignore_hup(GSource *source);

/* -- mux (char-mux.c) ---------------------------------------------------------- */

/** mux_chr_attach: register @be as a front end. */
bool mux_chr_attach(Chardev *mux, CharBackend *be, Error **errp);
void mux_chr_detach(Chardev *mux, CharBackend *be);
/** mux_chr_set_focus: by front end number. */
void mux_chr_set_focus(Chardev *mux, int tag);
bool mux_chr_is_busy(Chardev *mux);
/** mux_chr_set_context: handlers of a front end were set with @context. */
void mux_chr_set_context(Chardev *mux, GMainContext *context);
/** mux_chr_front_ends: how many are attached. */
unsigned mux_chr_front_ends(Chardev *mux);
/** mux_chr_is_suspended: between suspend_mux_open() and resume_mux_open(). */
bool mux_chr_is_suspended(void);

/* -- host operations (char-host.c) ----------------------------------------------- */

void chardev_host_quit(void);
void chardev_host_exit(int status);
bool chardev_host_commit(void);

/* -- kinds (char-create.c) ------------------------------------------------------ */

/** chardev_kind: "socket" for a "chardev-socket". */
const char *chardev_kind(ObjectClass *klass);

/**
 * chardev_class_by_kind:
 * @kind: "socket", or an old name of a kind
 *
 * Returns: a class that a user may create, or NULL with @errp set.
 */
ChardevClass *chardev_class_by_kind(const char *kind, Error **errp);

#endif
