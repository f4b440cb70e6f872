/*
 * Mapped RAM on the source: pages to their places in a file.
 *
 * A page's bit is set when it is written and cleared when it is found zero.
 * What an earlier pass wrote of a page that is zero now stays in the file, where
 * nobody reads it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/mapped/file-ram.h"
#include "migration/mapped/pool.h"
#include "migration/qemu-file.h"
#include "migration/ram/page-zero.h"
#include "migration/stats.h"
#include "trace/trace-migration.h"
#include "util/bswap.h"
#include "util/lockable.h"

/* Where a block lies: RAMBlock.priv_multifd. */
typedef struct WriterBlock {
    RAMBlock *rb;
    FileRAMBlock place;
    uint64_t *bitmap; /* atomic words; owned */
} WriterBlock;

struct FileRAMWriter {
    FileRAMConfig config; /* constant */
    bool paced;           /* atomic */
    FileRAMPool pool;
    GPtrArray *blocks; /* WriterBlock; the migration thread's own; owned */
};

/* -- bits ---------------------------------------------------------------------- */

static void bits_set(WriterBlock *wb, uint64_t offset, uint64_t n, bool on)
{
    uint64_t page = offset / RAM_PAGE_SIZE;

    while (n > 0) {
        unsigned bit = page % 64;
        unsigned k = MIN(n, 64 - bit);
        uint64_t mask = (k == 64 ? UINT64_MAX : (UINT64_C(1) << k) - 1) << bit;

        if (on) {
            qatomic_or(&wb->bitmap[page / 64], mask);
        } else {
            qatomic_and(&wb->bitmap[page / 64], ~mask);
        }
        page += k;
        n -= k;
    }
}

/* -- a thread's work ----------------------------------------------------------- */

/* Write the whole of @len bytes, with the pacer's leave for each part. */
static bool place_write(FileRAMWriter *w, const uint8_t *buf, size_t len,
                        uint64_t pos, Error **errp)
{
    Pacer *pacer = w->config.pacer;

    while (len > 0) {
        size_t part = len;
        ssize_t ret;

        if (pacer && qatomic_read(&w->paced)) {
            /* Whole pages, for O_DIRECT. */
            part = MIN(len, pacer_quantum(pacer) & RAM_PAGE_MASK);
            if (!pacer_charge(pacer, part)) {
                error_setg(errp, "migration was stopped");
                return false;
            }
        }
        ret = qio_channel_pwrite(w->config.ioc, (const char *)buf, part, pos,
                                 errp);
        if (ret <= 0) {
            if (ret == 0) {
                error_setg(errp, "file takes no more bytes");
            }
            return false;
        }
        buf += ret;
        pos += ret;
        len -= ret;
    }
    return true;
}

/* @n pages that follow each other and are not zero. */
static bool run_write(FileRAMWriter *w, WriterBlock *wb, uint64_t offset,
                      unsigned n, Error **errp)
{
    MultiFDStats *stats = w->config.stats;
    uint64_t bytes = n * RAM_PAGE_SIZE;

    if (!place_write(w, wb->rb->host + offset, bytes,
                     wb->place.pages_offset + offset, errp)) {
        error_prepend(errp, "cannot write pages of '%s' at 0x%" PRIx64 ": ",
                      wb->rb->idstr, offset);
        return false;
    }
    bits_set(wb, offset, n, true);
    stats_add(&stats->wire_bytes, bytes);
    if (w->config.method_stats) {
        stats_add(&w->config.method_stats->bytes_out, bytes);
    }
    stats_add(&stats->normal_pages, n);
    return true;
}

static unsigned leading(const FileRAMWriter *w, const uint8_t *page, unsigned n,
                        bool zero)
{
    unsigned i = 0;

    if (!w->config.find_zero) {
        return zero ? 0 : n;
    }
    while (i < n && page_is_zero(page + i * RAM_PAGE_SIZE) == zero) {
        i++;
    }
    return i;
}

static bool batch_write(void *opaque, const MultiFDBatch *b, Error **errp)
{
    ERRP_GUARD();
    FileRAMWriter *w = opaque;
    WriterBlock *wb = b->rb->priv_multifd;
    unsigned run, k;

    stats_add(&w->config.stats->packets, 1);
    for (unsigned i = 0; i < b->n; i += run) {
        run = file_ram_batch_run(b, i);
        for (unsigned done = 0; done < run; done += k) {
            uint64_t offset = b->offset[i + done];
            const uint8_t *page = b->rb->host + offset;

            k = leading(w, page, run - done, true);
            if (k > 0) {
                bits_set(wb, offset, k, false);
                stats_add(&w->config.stats->zero_pages, k);
                continue;
            }
            /* The first one was seen not to be zero, whatever it is now. */
            k = 1 + leading(w, page + RAM_PAGE_SIZE, run - done - 1, false);
            if (!run_write(w, wb, offset, k, errp)) {
                return false;
            }
        }
    }
    return true;
}

/* -- the migration thread's side ----------------------------------------------- */

static void writer_block_free(void *opaque)
{
    WriterBlock *wb = opaque;

    wb->rb->priv_multifd = NULL;
    g_free(wb->bitmap);
    g_free(wb);
}

void file_ram_writer_free(FileRAMWriter *w)
{
    if (!w) {
        return;
    }
    file_ram_pool_destroy(&w->pool);
    g_ptr_array_unref(w->blocks);
    object_unref(OBJECT(w->config.ioc));
    g_free(w);
}

FileRAMWriter *file_ram_writer_new(const FileRAMConfig *config, Error **errp)
{
    g_autoptr(FileRAMWriter) w = NULL;

    if (!qio_channel_has_feature(config->ioc, QIO_CHANNEL_FEATURE_SEEKABLE)) {
        error_setg(errp, "mapped-ram needs a file with positions");
        return NULL;
    }
    if (config->threads < 1 || config->threads > MULTIFD_CHANNELS_MAX) {
        error_setg(errp, "%u threads for mapped-ram, not 1 to %u",
                   config->threads, MULTIFD_CHANNELS_MAX);
        return NULL;
    }
    w = g_new0(FileRAMWriter, 1);
    w->config = *config;
    w->paced = true;
    object_ref(OBJECT(config->ioc));
    w->blocks = g_ptr_array_new_with_free_func(writer_block_free);
    if (!file_ram_pool_start(&w->pool, "mig/src/file", config->threads,
                             batch_write, w, config->on_error, config->opaque,
                             errp)) {
        return NULL;
    }
    return g_steal_pointer(&w);
}

bool file_ram_save_block(FileRAMWriter *w, QEMUFile *f, RAMBlock *rb,
                         Error **errp)
{
    uint8_t header[FILE_RAM_HEADER_SIZE];
    int64_t offset = qemu_get_offset(f);
    WriterBlock *wb;

    if (offset < 0) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    wb = g_new0(WriterBlock, 1);
    wb->rb = rb;
    file_ram_layout(offset, rb->used_length, &wb->place);
    wb->bitmap = g_malloc0(file_ram_bitmap_bytes(rb->used_length));
    rb->priv_multifd = wb;
    g_ptr_array_add(w->blocks, wb);

    trace_file_ram_save_block(rb->idstr, wb->place.pages_offset);
    file_ram_encode(&wb->place, header);
    qemu_put_buffer(f, header, sizeof(header));
    if (qemu_set_offset(f, wb->place.end_offset, SEEK_SET) < 0) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    return true;
}

QIOChannel *file_ram_writer_get_ioc(FileRAMWriter *w)
{
    return w->config.ioc;
}

void file_ram_writer_set_paced(FileRAMWriter *w, bool paced)
{
    qatomic_set(&w->paced, paced);
}

bool file_ram_writer_run(FileRAMWriter *w, RAMBlock *rb, uint64_t offset,
                         uint64_t n, Error **errp)
{
    return multifd_queue_add(&w->pool.queue, rb, offset, n, errp);
}

bool file_ram_writer_zero(FileRAMWriter *w, RAMBlock *rb, uint64_t offset,
                          uint64_t n, Error **errp)
{
    bits_set(rb->priv_multifd, offset, n, false);
    return multifd_queue_failed(&w->pool.queue)
               ? multifd_queue_check(&w->pool.queue, errp)
               : true;
}

bool file_ram_writer_sync(FileRAMWriter *w, Error **errp)
{
    return multifd_queue_sync(&w->pool.queue, errp);
}

static bool bitmap_write(WriterBlock *wb, QIOChannel *ioc, Error **errp)
{
    uint64_t len = file_ram_bitmap_bytes(wb->rb->used_length);
    uint64_t pos = wb->place.bitmap_offset;
    const char *buf = (const char *)wb->bitmap;

    /* No thread sets bits any more. */
    for (uint64_t i = 0; i < len / 8; i++) {
        wb->bitmap[i] = cpu_to_le64(wb->bitmap[i]);
    }
    while (len > 0) {
        ssize_t ret = qio_channel_pwrite(ioc, buf, len, pos, errp);

        if (ret <= 0) {
            if (ret == 0) {
                error_setg(errp, "file takes no more bytes");
            }
            return false;
        }
        buf += ret;
        pos += ret;
        len -= ret;
    }
    return true;
}

bool file_ram_writer_finish(FileRAMWriter *w, QIOChannel *main_ioc,
                            Error **errp)
{
    ERRP_GUARD();

    if (!file_ram_writer_sync(w, errp)) {
        return false;
    }
    for (unsigned i = 0; i < w->blocks->len; i++) {
        WriterBlock *wb = g_ptr_array_index(w->blocks, i);

        if (!bitmap_write(wb, main_ioc, errp)) {
            error_prepend(errp, "mapped-ram: cannot write the bitmap of '%s': ",
                          wb->rb->idstr);
            return false;
        }
    }
    return true;
}

void file_ram_writer_cancel(FileRAMWriter *w, Error *err)
{
    if (!err) {
        error_setg(&err, "migration was cancelled");
    }
    multifd_queue_fail(&w->pool.queue, err);
}
