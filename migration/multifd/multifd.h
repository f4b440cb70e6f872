/*
 * Multifd: guest pages over several channels, each with a thread.
 *
 * Source. The migration thread names pages (multifd_send_page()); they are
 * collected into batches of MULTIFD_PAGES_MAX pages of one block, and a batch
 * goes into one queue that all channel threads serve: whoever is free takes the
 * next. One lock round for 128 pages. The thread looks for zero pages, waits
 * for the pacer, compresses and writes.
 *
 * multifd_send_sync() ends a pass: the rest goes out, every channel sends a
 * packet with SYNC, and the call returns when they did. The caller then puts
 * MULTIFD_FLUSH into the main stream, at which the destination calls
 * multifd_recv_sync(): it waits until every channel has placed all up to its
 * SYNC, and only then lets the channels read on. So pages of different passes
 * never overtake each other.
 *
 * Destination. control reads a channel's first MULTIFD_HELLO_SIZE bytes (with
 * its time limits) and gives the channel to multifd_recv_add_channel(), which
 * starts its thread.
 *
 * Errors. The first error of any channel, with its number, ends all others
 * (their sockets are shut down) and is what every later call here returns;
 * on_error tells at once. multifd_*_cancel() does the same from outside. No
 * call hangs after that.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MULTIFD_H
#define MIGRATION_MULTIFD_H

#include "io/channel.h"
#include "migration/multifd/wire.h"
#include "migration/ram-block.h"
#include "migration/ram/pacer.h"
#include "util/error.h"

typedef struct MigrationMethodStats MigrationMethodStats;
typedef struct MultiFDSend MultiFDSend;
typedef struct MultiFDRecv MultiFDRecv;

/*
 * What the channels of the source have done. Grows only; any thread reads a
 * member with stats_get() at any time.
 */
typedef struct MultiFDStats {
    uint64_t packets;
    uint64_t wire_bytes;       /* headers and data, before TLS */
    uint64_t normal_pages;     /* sent as data */
    uint64_t zero_pages;       /* found zero by the channels' threads */
    uint64_t compress_in;      /* bytes of pages given to a compressor */
    uint64_t compress_out;     /* bytes it made of them */
    uint64_t cpu_ns;           /* of the threads, for packets with pages */
    uint64_t zero_copy_missed; /* flushes for which the kernel copied all */
} MultiFDStats;

/**
 * MultiFDSendConfig:
 * @channels: 1..MULTIFD_CHANNELS_MAX
 * @method, @level: compression; the level is that of the method's parameter
 * @find_zero: look for zero pages in the channels (zero-page-detection
 *         multifd); false: every page named is sent (7.2 layout)
 * @zero_copy: MSG_ZEROCOPY where the channel can; fails where one cannot
 * @uuid: of the guest, zero if none
 * @pacer: (in) NULL: no limit; borrowed until multifd_send_free()
 * @stats: (in) where to count; borrowed as well
 * @method_stats: (in) where to count bytes_out and cpu_ns too, or NULL; borrowed
 * @open: gives the connected channel with this id, TLS handshake done, in
 *         blocking mode; a reference for @close. Called in the channel's own
 *         thread, so that connections are made side by side
 * @close: ends what @open gave; called in the thread that frees
 * @on_error: (optional) called once, in the thread of a channel, with the first
 *         error, which it owns. Must not call multifd_*
 */
typedef struct MultiFDSendConfig {
    unsigned channels;
    MultiFDMethod method;
    int level;
    bool find_zero;
    bool zero_copy;
    uint8_t uuid[16];
    Pacer *pacer;
    MultiFDStats *stats;
    MigrationMethodStats *method_stats;
    QIOChannel *(*open)(void *opaque, unsigned id, Error **errp);
    void (*close)(void *opaque, QIOChannel *ioc);
    void (*on_error)(void *opaque, Error *err);
    void *opaque;
} MultiFDSendConfig;

/**
 * multifd_send_new:
 *
 * Starts the threads; each opens its channel and sends its hello. It does not
 * wait for them: the first multifd_send_sync() does.
 *
 * Returns: (out) for multifd_send_free(); NULL = error.
 * Errors: number of channels out of range; no thread; compressor missing.
 */
MultiFDSend *multifd_send_new(const MultiFDSendConfig *config, Error **errp);

/**
 * multifd_send_page:
 * @offset: of the page in @rb, aligned to RAM_PAGE_SIZE
 *
 * Queue a page. Its bytes are read at some moment before the next
 * multifd_send_sync() returns; the page must have been cleared in the dirty log
 * before this call. Waits while the queue is full.
 *
 * Thread: the migration thread, as all of multifd_send_* but _cancel.
 * Returns: false = a channel failed.
 */
bool multifd_send_page(MultiFDSend *s, RAMBlock *rb, uint64_t offset,
                       Error **errp);

/** multifd_send_run: multifd_send_page() for @n pages that follow each
 *  other. */
bool multifd_send_run(MultiFDSend *s, RAMBlock *rb, uint64_t offset, uint64_t n,
                      Error **errp);

/** multifd_send_sync: see the top. With zero copy, the kernel has done with
 *  all pages too. */
bool multifd_send_sync(MultiFDSend *s, Error **errp);

/** multifd_send_set_method: other compression from the next packet on; only
 *  right after multifd_send_sync(), i.e. between two passes. */
bool multifd_send_set_method(MultiFDSend *s, MultiFDMethod method, int level,
                             Error **errp);

/** multifd_send_set_paced: obey the pacer (default), or not, as for the rest
 *  that is sent while the guest stands. Thread: any. */
void multifd_send_set_paced(MultiFDSend *s, bool paced);

/** multifd_send_channels: how many. */
unsigned multifd_send_channels(const MultiFDSend *s);

/** multifd_send_pin: the thread of channel @id runs on @cpu only (ram/near.h);
 *  multifd_send_unpin: all are free again. Returns: false: it may not, or has
 *  ended. */
bool multifd_send_pin(MultiFDSend *s, unsigned id, unsigned cpu);
void multifd_send_unpin(MultiFDSend *s);

/** multifd_send_pending: bytes of pages named but not yet written. Thread:
 *  any. */
uint64_t multifd_send_pending(MultiFDSend *s);

/**
 * multifd_send_cancel:
 * @err: (in) the reason, which later calls return; owned by this call; NULL =
 *       "migration was cancelled"
 *
 * End at once; waiting calls return. Thread: any; not after _free.
 */
void multifd_send_cancel(MultiFDSend *s, Error *err);

/**
 * multifd_send_finish:
 *
 * The orderly end after the last multifd_send_sync(): threads end. Channels are
 * closed by multifd_send_free().
 *
 * Returns: false = a channel failed meanwhile.
 */
bool multifd_send_finish(MultiFDSend *s, Error **errp);

/** multifd_send_free: an orderly end if the last thing was a successful sync,
 *  else a cancel; joins the threads, closes the channels. NULL is fine. */
void multifd_send_free(MultiFDSend *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultiFDSend, multifd_send_free)

/**
 * MultiFDRecvConfig:
 * @channels: how many must come
 * @uuid: of the guest; a channel with another one is refused
 * @block: the block called @name if pages of it may come, else NULL and error
 * @populate: (optional) this range is about to be written
 * @placed: (optional) these @n pages were written with their bytes
 * @place_zero: (optional) make these pages zero; default: unless they are
 * @main_ended: (optional) is there no source any more that channels could come
 *     from? Thread: that of multifd_recv_sync(); must not wait
 * @on_error: as MultiFDSendConfig's
 *
 * The functions are called in the channels' threads, several at once.
 */
typedef struct MultiFDRecvConfig {
    unsigned channels;
    uint8_t uuid[16];
    RAMBlock *(*block)(void *opaque, const char *name, Error **errp);
    void (*populate)(void *opaque, RAMBlock *rb, uint64_t offset, uint64_t len);
    void (*placed)(void *opaque, RAMBlock *rb, const uint64_t *offset,
                   unsigned n);
    void (*place_zero)(void *opaque, RAMBlock *rb, const uint64_t *offset,
                       unsigned n);
    bool (*main_ended)(void *opaque);
    void (*on_error)(void *opaque, Error *err);
    void *opaque;
} MultiFDRecvConfig;

/** multifd_recv_new: Errors: number of channels out of range. */
MultiFDRecv *multifd_recv_new(const MultiFDRecvConfig *config, Error **errp);

/**
 * multifd_recv_add_channel:
 * @ioc: (in) channel in blocking mode whose first MULTIFD_HELLO_SIZE bytes
 *       were read; a reference is taken on success
 * @hello: (in) those bytes
 *
 * Thread: any; calls are serialised here.
 * Returns: false = refused (nothing else is harmed: the caller closes @ioc).
 * Errors: hello; uuid of another guest; id too large or taken; all there;
 * the migration has failed already.
 */
bool multifd_recv_add_channel(MultiFDRecv *r, QIOChannel *ioc,
                              const uint8_t *hello, Error **errp);

/** multifd_recv_has_all: did all channels come? Thread: any. */
bool multifd_recv_has_all(MultiFDRecv *r);

/**
 * multifd_recv_sync:
 *
 * For MULTIFD_FLUSH in the main stream (7.2: at its EOS): see the top. Waits
 * for channels that have not come yet as well, but not for ever.
 *
 * Thread: the one that loads the main stream.
 * Returns: false = a channel failed or ended, or multifd_recv_cancel().
 */
bool multifd_recv_sync(MultiFDRecv *r, Error **errp);

/** multifd_recv_pin: as multifd_send_pin(), asked for by the source; @id may be
 *  any number. Returns: false: it may not run there; a channel that is not there
 *  (yet) is nothing to complain about. Thread: the one that loads the main
 *  stream. */
bool multifd_recv_pin(MultiFDRecv *r, unsigned id, unsigned cpu);
void multifd_recv_unpin(MultiFDRecv *r);

/** multifd_recv_quiet: post-copy begins: pages that come from now on are an
 *  error. Thread: any. */
void multifd_recv_quiet(MultiFDRecv *r);

/** multifd_recv_cancel: as multifd_send_cancel(). */
void multifd_recv_cancel(MultiFDRecv *r, Error *err);

/**
 * multifd_recv_finish:
 *
 * After the main stream has ended well, i.e. after the last multifd_recv_sync():
 * channels carry nothing any more. Ends them and joins their threads; does not
 * wait for the peer.
 *
 * Returns: false = a channel had failed.
 */
bool multifd_recv_finish(MultiFDRecv *r, Error **errp);

/** multifd_recv_free: cancels unless finished; joins. NULL is fine. */
void multifd_recv_free(MultiFDRecv *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultiFDRecv, multifd_recv_free)

#endif
