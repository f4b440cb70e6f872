/*
 * Mapped RAM on the destination: pages from their places in a file.
 *
 * The thread that loads the main stream reads a block's bitmap and queues its
 * rows of pages, which the threads read straight into memory; it makes the
 * others zero itself, which for memory that nobody has touched is no work.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/mapped/file-ram.h"
#include "migration/mapped/pool.h"
#include "migration/qemu-file.h"
#include "migration/ram/page-zero.h"
#include "trace/trace-migration.h"
#include "util/bswap.h"

/* What is loaded now: RAMBlock.priv_multifd. */
typedef struct ReaderBlock {
    FileRAMBlock place;
} ReaderBlock;

struct FileRAMReader {
    FileRAMReaderConfig config; /* constant */
    FileRAMPool pool;
};

/* -- a thread's work ----------------------------------------------------------- */

/* Read the whole of @len bytes. */
static bool place_read(QIOChannel *ioc, uint8_t *buf, size_t len, uint64_t pos,
                       Error **errp)
{
    while (len > 0) {
        ssize_t ret = qio_channel_pread(ioc, (char *)buf, len, pos, errp);

        if (ret <= 0) {
            if (ret == 0) {
                error_setg(errp, "file ends at 0x%" PRIx64, pos);
            }
            return false;
        }
        buf += ret;
        pos += ret;
        len -= ret;
    }
    return true;
}

static bool batch_read(void *opaque, const MultiFDBatch *b, Error **errp)
{
    ERRP_GUARD();
    FileRAMReader *r = opaque;
    const FileRAMReaderConfig *config = &r->config;
    const ReaderBlock *block = b->rb->priv_multifd;
    unsigned run;

    for (unsigned i = 0; i < b->n; i += run) {
        uint64_t offset = b->offset[i], len;

        run = file_ram_batch_run(b, i);
        len = run * RAM_PAGE_SIZE;
        if (config->populate) {
            config->populate(config->opaque, b->rb, offset, len);
        }
        if (!place_read(config->ioc, b->rb->host + offset, len,
                        block->place.pages_offset + offset, errp)) {
            error_prepend(errp, "cannot read pages of '%s' at 0x%" PRIx64 ": ",
                          b->rb->idstr, offset);
            return false;
        }
    }
    if (config->placed) {
        config->placed(config->opaque, b->rb, b->offset, b->n);
    }
    return true;
}

/* -- the load thread's side ---------------------------------------------------- */

void file_ram_reader_free(FileRAMReader *r)
{
    if (!r) {
        return;
    }
    file_ram_pool_destroy(&r->pool);
    object_unref(OBJECT(r->config.ioc));
    g_free(r);
}

FileRAMReader *file_ram_reader_new(const FileRAMReaderConfig *config,
                                   Error **errp)
{
    g_autoptr(FileRAMReader) r = NULL;

    if (!qio_channel_has_feature(config->ioc, QIO_CHANNEL_FEATURE_SEEKABLE)) {
        error_setg(errp, "mapped-ram needs a file with positions");
        return NULL;
    }
    if (config->threads < 1 || config->threads > MULTIFD_CHANNELS_MAX) {
        error_setg(errp, "%u threads for mapped-ram, not 1 to %u",
                   config->threads, MULTIFD_CHANNELS_MAX);
        return NULL;
    }
    r = g_new0(FileRAMReader, 1);
    r->config = *config;
    object_ref(OBJECT(config->ioc));
    if (!file_ram_pool_start(&r->pool, "mig/dst/file", config->threads,
                             batch_read, r, NULL, NULL, errp)) {
        return NULL;
    }
    return g_steal_pointer(&r);
}

QIOChannel *file_ram_reader_get_ioc(FileRAMReader *r)
{
    return r->config.ioc;
}

void file_ram_reader_cancel(FileRAMReader *r, Error *err)
{
    if (!err) {
        error_setg(&err, "migration was cancelled");
    }
    multifd_queue_fail(&r->pool.queue, err);
}

/* The pages that have no bit. */
static void zero_run(FileRAMReader *r, RAMBlock *rb, uint64_t page, uint64_t n)
{
    uint64_t offset[MULTIFD_PAGES_MAX];

    while (n > 0) {
        unsigned k = MIN(n, MULTIFD_PAGES_MAX);

        for (unsigned i = 0; i < k; i++) {
            offset[i] = page++ * RAM_PAGE_SIZE;
        }
        if (r->config.place_zero) {
            r->config.place_zero(r->config.opaque, rb, offset, k);
        } else {
            for (unsigned i = 0; i < k; i++) {
                if (!page_is_zero(rb->host + offset[i])) {
                    memset(rb->host + offset[i], 0, RAM_PAGE_SIZE);
                }
            }
        }
        n -= k;
    }
}

/* Pages from @page on, below @pages, whose bits are as @page's. */
static uint64_t bits_run(const uint64_t *bitmap, uint64_t page, uint64_t pages)
{
    uint64_t end = page;
    bool on = bitmap[page / 64] >> (page % 64) & 1;

    while (end < pages) {
        uint64_t word = bitmap[end / 64] >> (end % 64);
        uint64_t other = on ? ~word : word;
        unsigned room = 64 - end % 64;
        unsigned k = other ? MIN(room, (unsigned)__builtin_ctzll(other)) : room;

        end += k;
        if (k < room) {
            break;
        }
    }
    return MIN(end, pages) - page;
}

static bool bitmap_load(FileRAMReader *r, RAMBlock *rb, const uint64_t *bitmap,
                        Error **errp)
{
    uint64_t pages = ram_block_pages(rb);
    uint64_t n;

    for (uint64_t page = 0; page < pages; page += n) {
        n = bits_run(bitmap, page, pages);
        if (!(bitmap[page / 64] >> (page % 64) & 1)) {
            zero_run(r, rb, page, n);
        } else if (!multifd_queue_add(&r->pool.queue, rb, page * RAM_PAGE_SIZE,
                                      n, errp)) {
            return false;
        }
    }
    return multifd_queue_sync(&r->pool.queue, errp);
}

/* Returns: the bitmap in this host's order; NULL. */
static uint64_t *bitmap_read(QIOChannel *ioc, RAMBlock *rb,
                             const FileRAMBlock *place, Error **errp)
{
    uint64_t len = file_ram_bitmap_bytes(rb->used_length);
    uint64_t pages = ram_block_pages(rb);
    g_autofree uint64_t *bitmap = g_malloc0(len);

    if (!place_read(ioc, (uint8_t *)bitmap, len, place->bitmap_offset, errp)) {
        return NULL;
    }
    for (uint64_t i = 0; i < len / 8; i++) {
        bitmap[i] = le64_to_cpu(bitmap[i]);
    }
    if (pages % 64 != 0 && bitmap[pages / 64] >> (pages % 64) != 0) {
        error_setg(errp, "bitmap has bits beyond the block's %" PRIu64 " pages",
                   pages);
        return NULL;
    }
    return g_steal_pointer(&bitmap);
}

static bool header_read(FileRAMReader *r, QEMUFile *f, RAMBlock *rb,
                        FileRAMBlock *ret, Error **errp)
{
    uint8_t header[FILE_RAM_HEADER_SIZE];
    int64_t offset = qemu_get_offset(f);
    off_t size;

    qemu_get_buffer(f, header, sizeof(header));
    if (offset < 0 || qemu_file_get_error(f)) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    if (!file_ram_decode(header, offset, rb->used_length, ret, errp)) {
        return false;
    }
    /* The pages' channel has no position of its own that anybody uses. */
    size = qio_channel_io_seek(r->config.ioc, 0, SEEK_END, errp);
    if (size < 0) {
        return false;
    }
    if (ret->end_offset > (uint64_t)size) {
        error_setg(errp,
                   "pages end at 0x%" PRIx64 ", beyond the file's 0x%" PRIx64,
                   ret->end_offset, (uint64_t)size);
        return false;
    }
    return true;
}

static bool block_load(FileRAMReader *r, QEMUFile *f, RAMBlock *rb,
                       Error **errp)
{
    ReaderBlock block;
    g_autofree uint64_t *bitmap = NULL;
    bool ok;

    if (!header_read(r, f, rb, &block.place, errp)) {
        return false;
    }
    trace_file_ram_load_block(rb->idstr, block.place.pages_offset);
    bitmap = bitmap_read(qemu_file_get_ioc(f), rb, &block.place, errp);
    if (!bitmap) {
        return false;
    }
    rb->priv_multifd = &block;
    ok = bitmap_load(r, rb, bitmap, errp);
    if (!ok) {
        /* Threads may still look at it: wait for them. */
        file_ram_pool_stop(&r->pool);
    }
    rb->priv_multifd = NULL;
    if (ok && qemu_set_offset(f, block.place.end_offset, SEEK_SET) < 0) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    return ok;
}

bool file_ram_load_block(FileRAMReader *r, QEMUFile *f, RAMBlock *rb,
                         Error **errp)
{
    ERRP_GUARD();

    if (!multifd_queue_check(&r->pool.queue, errp)) {
        return false;
    }
    if (!block_load(r, f, rb, errp)) {
        error_prepend(errp, "mapped-ram block '%s': ", rb->idstr);
        return false;
    }
    return true;
}
