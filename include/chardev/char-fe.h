/*
 * The front end's side of a character device: what a serial port or a
 * monitor holds and calls.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_FE_H
#define CHARDEV_CHAR_FE_H

#include "chardev/char.h"

/* Callbacks of a front end; no lock of the chardev is held. */
typedef void IOEventHandler(void *opaque, QEMUChrEvent event);
/* Returns: bytes that the front end can take now. */
typedef int IOCanReadHandler(void *opaque);
typedef void IOReadHandler(void *opaque, const uint8_t *buf, int size);
/* The back end was replaced. Returns: 0 when the front end could follow. */
typedef int BackendChangeHandler(void *opaque);

/**
 * Embedded in the front end; zeroed at first. Fields are private but for
 * reading @chr.
 */
struct CharBackend {
    Chardev *chr; /* reference held, or NULL: not connected */
    IOEventHandler *chr_event;
    IOCanReadHandler *chr_can_read;
    IOReadHandler *chr_read;
    BackendChangeHandler *chr_be_change;
    void *opaque;
    int tag; /* front end number in a mux */
    int fe_open;
};

/**
 * qemu_chr_fe_init:
 * @b: (in) zeroed or deinitialised handle
 * @s: (in) back end, or NULL for none; referenced
 * @errp: (out)
 *
 * Returns: true, or false with @errp set: @s has a front end already (a mux:
 *      no place left; a hub's member: it belongs to the hub).
 */
bool qemu_chr_fe_init(CharBackend *b, Chardev *s, Error **errp);

/**
 * qemu_chr_fe_deinit:
 * @b: (in) handle, or NULL
 * @del: delete the chardev as well
 *
 * After it no callback runs. Thread: the one of the chardev's context.
 */
void qemu_chr_fe_deinit(CharBackend *b, bool del);

/** qemu_chr_fe_get_driver: the back end, borrowed, or NULL. */
Chardev *qemu_chr_fe_get_driver(CharBackend *be);
/** qemu_chr_fe_backend_connected: whether there is a back end at all. */
bool qemu_chr_fe_backend_connected(CharBackend *be);
/** qemu_chr_fe_backend_open: whether its peer is there. */
bool qemu_chr_fe_backend_open(CharBackend *be);

/**
 * qemu_chr_fe_set_handlers_full:
 * @b: handle
 * @fd_can_read: bytes taken now; NULL = none, so nothing is read
 * @fd_read: receives bytes
 * @fd_event: receives events; NULL = none
 * @be_change: agrees to chardev-change; NULL = refused
 * @opaque: passed through
 * @context: where all of this runs from now on; NULL = main context
 * @set_open: also tell the back end that the front end is open (or, with all
 *      handlers NULL, closed)
 * @sync_state: deliver CHR_EVENT_OPENED at once when the peer is there
 *
 * Thread: the one of the chardev's present context.
 */
void qemu_chr_fe_set_handlers_full(
    CharBackend *b, IOCanReadHandler *fd_can_read, IOReadHandler *fd_read,
    IOEventHandler *fd_event, BackendChangeHandler *be_change, void *opaque,
    GMainContext *context, bool set_open, bool sync_state);

/** qemu_chr_fe_set_handlers: qemu_chr_fe_set_handlers_full(sync_state=true) */
void qemu_chr_fe_set_handlers(CharBackend *b, IOCanReadHandler *fd_can_read,
                              IOReadHandler *fd_read, IOEventHandler *fd_event,
                              BackendChangeHandler *be_change, void *opaque,
                              GMainContext *context, bool set_open);

/** qemu_chr_fe_take_focus: of a mux's front ends, this one gets the input. */
void qemu_chr_fe_take_focus(CharBackend *b);
/** qemu_chr_fe_accept_input: the front end can take bytes again. Thread:
 * any. */
void qemu_chr_fe_accept_input(CharBackend *be);
/** qemu_chr_fe_disconnect: drop the peer; a server waits for the next. */
void qemu_chr_fe_disconnect(CharBackend *be);
/** qemu_chr_fe_wait_connected: block until a peer is there; 0, or -1. */
int qemu_chr_fe_wait_connected(CharBackend *be, Error **errp);
/** qemu_chr_fe_set_echo: whether a terminal echoes what is typed. */
void qemu_chr_fe_set_echo(CharBackend *be, bool echo);
/** qemu_chr_fe_set_open: whether the front end's own peer is there. */
void qemu_chr_fe_set_open(CharBackend *be, int fe_open);
/** qemu_chr_fe_printf: formatted, through qemu_chr_fe_write_all(). */
void qemu_chr_fe_printf(CharBackend *be, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/*
 * Called when the peer takes bytes again (G_IO_OUT) or is gone (G_IO_HUP).
 * Returns: G_SOURCE_CONTINUE or G_SOURCE_REMOVE.
 */
typedef gboolean (*FEWatchFunc)(void *do_not_use, GIOCondition condition,
                                void *data);

/**
 * qemu_chr_fe_add_watch:
 * @be: handle
 * @cond: G_IO_OUT and/or G_IO_HUP
 * @func: called in the chardev's context
 * @user_data: passed to @func
 *
 * After qemu_chr_fe_write() took less than asked. When there is no peer the
 * watch fires at once with G_IO_HUP. A pending queue of
 * qemu_chr_fe_write_all() goes out first.
 *
 * Thread: any.
 * Returns: id for qemu_chr_fe_remove_watch(); 0 = the back end never keeps
 *      anyone waiting.
 */
guint qemu_chr_fe_add_watch(CharBackend *be, GIOCondition cond,
                            FEWatchFunc func, void *user_data);

/** qemu_chr_fe_remove_watch: @tag from qemu_chr_fe_add_watch(), whatever
 * context it is in; 0 is accepted. Thread: any. */
void qemu_chr_fe_remove_watch(CharBackend *be, guint tag);

/**
 * qemu_chr_fe_write:
 * @be: handle
 * @buf: (in) @len bytes
 * @len: bytes
 *
 * Never blocks. Without a back end or a peer the bytes are dropped and count
 * as taken, as on a wire with nothing at its end.
 *
 * Thread: any.
 * Returns: bytes taken; -1 with errno EAGAIN when the peer takes none now.
 */
int qemu_chr_fe_write(CharBackend *be, const uint8_t *buf, int len);

/**
 * qemu_chr_fe_write_all:
 *
 * As qemu_chr_fe_write(); what the peer does not take at once is queued, so
 * normally the return is @len. Never blocks.
 *
 * Limit: CHR_WRITE_QUEUE_MAX bytes in the queue. Beyond it the rest is
 *      dropped: the return is then short, or -1 with errno EAGAIN. The queue
 *      is thrown away when the peer disconnects.
 * Thread: any.
 */
int qemu_chr_fe_write_all(CharBackend *be, const uint8_t *buf, int len);

/** qemu_chr_fe_read_all: blocking read of @len bytes, for vhost-user only;
 * bytes read, or -1 with errno. */
int qemu_chr_fe_read_all(CharBackend *be, uint8_t *buf, int len);

/** qemu_chr_fe_ioctl: CHR_IOCTL_*; 0, or negative errno (-ENOTSUP). */
int qemu_chr_fe_ioctl(CharBackend *be, int cmd, void *arg);

/** qemu_chr_fe_get_msgfd: one descriptor that came with the last bytes, now
 * the caller's; -1 if none. */
int qemu_chr_fe_get_msgfd(CharBackend *be);
/** qemu_chr_fe_get_msgfds: up to @num of them, now the caller's; their
 * number, or -1. */
int qemu_chr_fe_get_msgfds(CharBackend *be, int *fds, int num);
/** qemu_chr_fe_set_msgfds: send copies of them with the next write; 0, or -1
 * when the back end cannot. */
int qemu_chr_fe_set_msgfds(CharBackend *be, int *fds, int num);

#endif
