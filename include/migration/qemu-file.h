/*
 * QEMUFile: one direction of a migration stream over a QIOChannel.
 *
 * A writer collects small values in its buffer and references to pages in an
 * iovec, and hands everything to the channel in one writev of up to
 * QEMU_FILE_IOV_MAX pieces or QEMU_FILE_IOV_BYTES bytes. A reader fills a
 * buffer of QEMU_FILE_READ_BYTES, and reads large pieces straight to where
 * they belong.
 *
 * Failure sticks: the first Error is kept, later puts do nothing, later gets
 * return zeros. So a sender or parser may look once, at the end of a record.
 *
 * Thread: one thread at a time uses a file, but for qemu_file_shutdown(),
 * qemu_file_get_error*(), qemu_file_set_error*() and
 * qemu_file_total_transferred(): any. Channels are used in blocking mode; a
 * thread that waits in one ends by qemu_file_shutdown() from another. Never
 * use a file of a network channel in the main loop's thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_QEMU_FILE_H
#define MIGRATION_QEMU_FILE_H

#include <sys/uio.h>

#include "migration/qemu-file-types.h"
#include "util/typedefs.h"

#define QEMU_FILE_IOV_MAX    1024              /* pieces of one writev */
#define QEMU_FILE_IOV_BYTES  (2 * 1024 * 1024) /* bytes of one writev */
#define QEMU_FILE_SMALL_SIZE (256 * 1024)      /* a writer's own buffer */
#define QEMU_FILE_READ_BYTES (512 * 1024)      /* a reader's own buffer */
#define QEMU_FILE_PEEK_MAX   (64 * 1024)       /* most that can be peeked at */

/**
 * qemu_file_new_output / qemu_file_new_input:
 * @ioc: (in) channel; the file takes a reference of its own. It is set to
 *       blocking by qemu_file_set_blocking() if the caller has not done so.
 *
 * Returns: (out) a file, for qemu_fclose().
 */
QEMUFile *qemu_file_new_output(QIOChannel *ioc);
QEMUFile *qemu_file_new_input(QIOChannel *ioc);

/** qemu_file_get_return_path: (transfer full) a file of the other direction
 *  over the same channel. */
QEMUFile *qemu_file_get_return_path(QEMUFile *f);

/**
 * qemu_fclose:
 * @f: (nullable) file; freed
 *
 * Flush, close the channel and give up the reference. Files in the two
 * directions of one channel: the first close ends both.
 *
 * Returns: 0; negative errno = the first error of the file's life.
 */
int qemu_fclose(QEMUFile *f);

/** qemu_file_free: give up the file without flush and without closing the
 *  channel. Accepts NULL. */
void qemu_file_free(QEMUFile *f);

/** qemu_file_get_ioc: the channel; borrowed. */
QIOChannel *qemu_file_get_ioc(QEMUFile *f);
/** qemu_file_is_writable: made by qemu_file_new_output()? */
bool qemu_file_is_writable(QEMUFile *f);
/** qemu_file_set_blocking: of the channel. */
void qemu_file_set_blocking(QEMUFile *f, bool block);

/* -- writing --------------------------------------------------------------- */

/**
 * qemu_put_buffer_async:
 * @buf: (in) @size bytes that are read when the file is flushed, not now;
 *       they must stay mapped until qemu_fflush() has returned. If they
 *       change before, either content may be sent
 * @may_free: give the memory to the release function once it was sent
 */
void qemu_put_buffer_async(QEMUFile *f, const uint8_t *buf, size_t size,
                           bool may_free);

/**
 * qemu_put_buffer_far:
 * @buf: (in) @size bytes, at most a page of RAM, that this processor does not have
 *       in its cache. Others may write them meanwhile
 *
 * As qemu_put_buffer(), and faster than a reference where the channel copies what
 * it is given, as sockets do: the kernel copies from memory at half the speed.
 */
void qemu_put_buffer_far(QEMUFile *f, const uint8_t *buf, size_t size);

/**
 * QEMUFileReleaseFunc: memory that was put with may_free has been sent.
 * @buf: first of @size bytes; neighbours come in one call
 */
typedef void QEMUFileReleaseFunc(void *opaque, const uint8_t *buf, size_t size);

/** qemu_file_set_release: @func takes what was put with may_free, in the
 *  thread that flushes. NULL: nobody does. */
void qemu_file_set_release(QEMUFile *f, QEMUFileReleaseFunc *func,
                           void *opaque);

/** qemu_put_counted_string: u8 length and bytes; at most 255. */
void qemu_put_counted_string(QEMUFile *f, const char *str);

/** qemu_file_set_piece: hand the channel not more than about @bytes at once,
 *  which is at most QEMU_FILE_IOV_BYTES, as at the begin. */
void qemu_file_set_piece(QEMUFile *f, size_t bytes);

/** qemu_fflush: write all that was put. Returns: 0; negative errno. */
int qemu_fflush(QEMUFile *f);

/** qemu_file_transferred: bytes put into (got from) the file so far, with
 *  those that wait in it. Thread: the user's. */
uint64_t qemu_file_transferred(QEMUFile *f);
/** qemu_file_total_transferred: bytes that the channel took (gave) so far.
 *  Thread: any. */
uint64_t qemu_file_total_transferred(QEMUFile *f);

/* -- reading --------------------------------------------------------------- */

/**
 * qemu_get_buffer_in_place:
 * @buf: (out) set to @size bytes in the file's own memory if they can be had
 *       there; valid until the next call on @f. Else left alone
 * @size: at most QEMU_FILE_PEEK_MAX
 *
 * Get without a copy: after a return of @size bytes they are consumed.
 *
 * Returns: bytes at *@buf: @size, or fewer after the file failed or ended.
 */
size_t qemu_get_buffer_in_place(QEMUFile *f, uint8_t **buf, size_t size);

/** qemu_peek_buffer: as qemu_get_buffer_in_place(), @offset bytes ahead, and
 *  nothing is consumed; @offset + @size is at most QEMU_FILE_PEEK_MAX. Fewer
 *  bytes at the end of the stream are no failure. */
size_t qemu_peek_buffer(QEMUFile *f, uint8_t **buf, size_t size, size_t offset);

/** qemu_get_buffer_cold: as qemu_get_buffer(), to memory that nobody reads soon.
 *  Before another thread is told of it: bulk_copy_out_done(). */
size_t qemu_get_buffer_cold(QEMUFile *f, uint8_t *buf, size_t size);

/** qemu_file_prefill: @len bytes (at most QEMU_FILE_PEEK_MAX) that somebody
 *  has read from the channel come first out of a new input file. */
void qemu_file_prefill(QEMUFile *f, const void *buf, size_t len);

/** qemu_peek_byte: the byte @offset ahead; -1 at the end of the stream. */
int qemu_peek_byte(QEMUFile *f, size_t offset);

/** qemu_file_skip: consume @size bytes that qemu_peek_buffer() showed. */
void qemu_file_skip(QEMUFile *f, size_t size);

/** qemu_file_discard: read @size bytes of any number and drop them.
 *  Returns: false after the file failed or ended. */
bool qemu_file_discard(QEMUFile *f, uint64_t size);

/** qemu_file_held: bytes that can be got without asking the channel. */
size_t qemu_file_held(QEMUFile *f);

/**
 * qemu_file_read_scatter:
 * @iov: (out) where the next bytes of the stream go, in order
 *
 * Read the channel once, past the file's buffer, in which nothing is held. Not
 * for a reader that has wait hooks.
 *
 * Returns: bytes read; 0 = the file has failed (the end is a failure too).
 */
size_t qemu_file_read_scatter(QEMUFile *f, const struct iovec *iov,
                              unsigned niov);

/** qemu_file_unread: nothing is held: the bytes of @iov, together at most
 *  QEMU_FILE_READ_BYTES, are what comes next. */
void qemu_file_unread(QEMUFile *f, const struct iovec *iov, unsigned niov);

/**
 * qemu_get_counted_string:
 * @buf: (out) the text and a NUL; empty on failure
 *
 * Returns: bytes of text; 0 if there are none, or the file failed, or they
 * are not UTF-8 without control characters (which makes the file fail).
 */
size_t qemu_get_counted_string(QEMUFile *f, char buf[256]);

/**
 * qemu_file_set_wait_hooks:
 * @begin: called with @opaque before the channel is read, which may block
 * @end: called after it
 *
 * For a reader that works under a lock which must not be held while it waits
 * for the peer. NULL, NULL: none.
 */
void qemu_file_set_wait_hooks(QEMUFile *f, void (*begin)(void *opaque),
                              void (*end)(void *opaque), void *opaque);

/* -- positions (channels with QIO_CHANNEL_FEATURE_SEEKABLE) ----------------- */

/**
 * qemu_put_buffer_at / qemu_get_buffer_at:
 * @pos: offset in the channel; its own position stays
 *
 * Returns: put: bytes written, always @size on success; get: bytes read,
 * fewer only at the end. 0 and a failed file otherwise.
 */
size_t qemu_put_buffer_at(QEMUFile *f, const uint8_t *buf, size_t size,
                          uint64_t pos);
size_t qemu_get_buffer_at(QEMUFile *f, uint8_t *buf, size_t size, uint64_t pos);
/** qemu_get_offset: (out: flushes first) position in the channel of the next
 *  byte put or got; -1 and a failed file if there is none. */
int64_t qemu_get_offset(QEMUFile *f);
/** qemu_set_offset: go there; a reader drops what it holds. SEEK_SET or
 *  SEEK_CUR (from the next byte). Returns: 0; negative errno. */
int qemu_set_offset(QEMUFile *f, int64_t offset, int whence);

/* -- failure --------------------------------------------------------------- */

/** qemu_file_get_error: 0; negative errno of the first failure. */
int qemu_file_get_error(QEMUFile *f);
/** qemu_file_get_error_obj: the same, and a copy of its Error in @errp. */
int qemu_file_get_error_obj(QEMUFile *f, Error **errp);
/**
 * qemu_file_set_error_obj:
 * @ret: negative errno
 * @err: (nullable) why; owned by this call
 *
 * Make the file fail, unless it has failed before.
 */
void qemu_file_set_error_obj(QEMUFile *f, int ret, Error *err);
void qemu_file_set_error(QEMUFile *f, int ret);
/** qemu_file_prepend_error: put text before the message of the failure; add
 *  ": " yourself. Nothing happens without one. */
void qemu_file_prepend_error(QEMUFile *f, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/**
 * qemu_file_shutdown:
 *
 * End the connection in both directions: the file fails with -EIO, and so do
 * reads and writes under way.
 *
 * Returns: 0; -ENOSYS = this channel cannot; -EIO.
 */
int qemu_file_shutdown(QEMUFile *f);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QEMUFile, qemu_file_free)

#endif
