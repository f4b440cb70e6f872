/*
 * RAM records on one channel.
 *
 * A plain page costs eight bytes in the file's buffer and a reference, or a copy
 * where the channel is a bare socket (qemu_put_buffer_far()). Either is read after
 * the page's dirty bit was cleared, so whatever the guest writes in between is
 * either sent or dirty again.
 *
 * The statistics are told once a run, not once a page; the time of the methods
 * is measured on one page in METHOD_SAMPLE.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-socket.h"
#include "migration/mapped/file-ram.h"
#include "migration/multifd/multifd.h"
#include "migration/ram/internal.h"
#include "migration/ram/page-zero.h"
#include "migration/ram/zero-ahead.h"

/* Records that are made at once for memory that was never touched. */
#define ZERO_BATCH 256

RAMWriter *ram_writer_new(RAMSource *rs, QEMUFile *f)
{
    RAMWriter *w = g_new0(RAMWriter, 1);

    w->rs = rs;
    w->f = f;
    w->copies = object_dynamic_cast(OBJECT(qemu_file_get_ioc(f)),
                                    TYPE_QIO_CHANNEL_SOCKET);
    w->counted = qemu_file_transferred(f);
    return w;
}

void ram_writer_free(RAMWriter *w)
{
    g_free(w);
}

void ram_writer_account(RAMWriter *w)
{
    MigrationStats *s = w->rs->config.stats;
    uint64_t now = qemu_file_transferred(w->f);

    for (int m = 0; m < PAGE_METHOD__MAX; m++) {
        WriterCount *c = &w->count[m];

        if (c->pages || c->bytes_in) {
            stats_method_add(s, (PageMethod)m, c->pages, c->bytes_in,
                             c->bytes_out, c->sampled_ns * METHOD_SAMPLE);
            w->cpu_ns += c->sampled_ns * METHOD_SAMPLE;
            *c = (WriterCount){ 0 };
        }
    }
    stats_main_bytes(s, now - w->counted);
    w->counted = now;
}

/* -- records -------------------------------------------------------------------- */

void ram_writer_header(RAMWriter *w, RAMBlock *rb, uint64_t offset,
                       uint64_t flags)
{
    if (G_LIKELY(w->last == rb)) {
        qemu_put_be64(w->f, offset | flags | RAM_WIRE_CONTINUE);
    } else {
        uint8_t buf[RAM_WIRE_HEADER_MAX];

        qemu_put_buffer(w->f, buf,
                        ram_wire_header_encode(buf, offset, flags, rb));
        w->last = rb;
    }
}

static inline void count(RAMWriter *w, PageMethod m, uint64_t pages,
                         uint64_t bytes_out)
{
    w->count[m].pages += pages;
    w->count[m].bytes_in += pages << RAM_PAGE_BITS;
    w->count[m].bytes_out += bytes_out;
}

void ram_writer_zero(RAMWriter *w, RAMBlock *rb, uint64_t offset)
{
    ram_writer_header(w, rb, offset, RAM_WIRE_ZERO);
    qemu_put_byte(w->f, 0);
    count(w, PAGE_METHOD_ZERO, 1, RAM_WIRE_ZERO_SIZE);
}

void ram_writer_plain(RAMWriter *w, RAMBlock *rb, uint64_t offset,
                      const uint8_t *copy)
{
    RAMSource *rs = w->rs;
    bool may_free = rs->methods.release_ram && qatomic_read(&rs->release_ok);

    ram_writer_header(w, rb, offset, RAM_WIRE_PAGE);
    if (copy) {
        qemu_put_buffer(w->f, copy, RAM_PAGE_SIZE);
    } else if (w->copies && !may_free) {
        qemu_put_buffer_far(w->f, rb->host + offset, RAM_PAGE_SIZE);
    } else {
        qemu_put_buffer_async(w->f, rb->host + offset, RAM_PAGE_SIZE, may_free);
    }
    count(w, PAGE_METHOD_PLAIN, 1, RAM_WIRE_PLAIN_SIZE);
}

void ram_writer_plain_from(RAMWriter *w, RAMBlock *rb, uint64_t offset,
                           const uint8_t *page)
{
    ram_writer_header(w, rb, offset, RAM_WIRE_PAGE);
    qemu_put_buffer_async(w->f, page, RAM_PAGE_SIZE, false);
    count(w, PAGE_METHOD_PLAIN, 1, RAM_WIRE_PLAIN_SIZE);
}

/* Pages known to be zero without reading them. */
static bool send_untouched(RAMWriter *w, RAMSourceBlock *sb, uint64_t page,
                           uint64_t n, Error **errp)
{
    uint8_t buf[ZERO_BATCH * RAM_WIRE_ZERO_SIZE];
    uint64_t offset = page << RAM_PAGE_BITS;
    uint64_t left = n;

    if (w->rs->config.file) {
        count(w, PAGE_METHOD_UNTOUCHED, n, 0);
        return file_ram_writer_zero(w->rs->config.file, sb->rb, offset, n,
                                    errp);
    }
    if (w->last != sb->rb) {
        ram_writer_header(w, sb->rb, offset, RAM_WIRE_ZERO);
        qemu_put_byte(w->f, 0);
        offset += RAM_PAGE_SIZE;
        left--;
    }
    while (left) {
        unsigned now = (unsigned)MIN(left, ZERO_BATCH);

        qemu_put_buffer(w->f, buf, ram_wire_zero_run_encode(buf, offset, now));
        offset += (uint64_t)now << RAM_PAGE_BITS;
        left -= now;
    }
    count(w, PAGE_METHOD_UNTOUCHED, n, n * RAM_WIRE_ZERO_SIZE);
    return true;
}

/* -- runs ----------------------------------------------------------------------- */

/* @offset: in the block that holds @page. */
static bool test_zero(RAMWriter *w, const uint8_t *page, uint64_t offset)
{
    WriterCount *c = &w->count[PAGE_METHOD_ZERO];
    RAMSource *rs = w->rs;
    bool zero;

    if (rs->ahead_on &&
        zero_ahead_knows(
            rs->ahead, (unsigned)((offset >> RAM_PAGE_BITS) - rs->window_first),
            &zero)) {
        /* Nothing to look at; the delta's samples go by this, too. */
        w->sample = (w->sample + 1) % METHOD_SAMPLE;
    } else if (G_LIKELY(++w->sample < METHOD_SAMPLE)) {
        zero = page_is_zero(page);
    } else {
        int64_t start = ram_now_ns();

        zero = page_is_zero(page);
        c->sampled_ns += (uint64_t)(ram_now_ns() - start);
        w->sample = 0;
    }
    if (!zero) {
        c->bytes_in += RAM_PAGE_SIZE;
    }
    return zero;
}

/* A row of pages to the channels, or to their places in a file. */
static bool queue_run(RAMWriter *w, RAMSourceBlock *sb, uint64_t page,
                      uint64_t n, Error **errp)
{
    RAMSource *rs = w->rs;
    uint64_t offset = page << RAM_PAGE_BITS;

    if (!n) {
        return true;
    }
    count(w, PAGE_METHOD_MULTIFD, n, 0);
    rs->multifd_dirty = true;
    if (rs->config.file) {
        return file_ram_writer_run(rs->config.file, sb->rb, offset, n, errp);
    }
    return multifd_send_run(rs->config.multifd, sb->rb, offset, n, errp);
}

/* Zero pages sorted out here, the others queued in rows. */
static bool queue_nonzero(RAMWriter *w, RAMSourceBlock *sb, uint64_t page,
                          uint64_t n, Error **errp)
{
    uint64_t row = page; /* first page not queued yet */

    for (uint64_t p = page; p < page + n; p++) {
        uint64_t offset = p << RAM_PAGE_BITS;

        if (!test_zero(w, sb->rb->host + offset, offset)) {
            continue;
        }
        if (!queue_run(w, sb, row, p - row, errp)) {
            return false;
        }
        ram_delta_zero(w->rs, sb->rb, offset);
        if (!w->rs->config.file) {
            ram_writer_zero(w, sb->rb, offset);
        } else {
            count(w, PAGE_METHOD_ZERO, 1, 0);
            if (!file_ram_writer_zero(w->rs->config.file, sb->rb, offset, 1,
                                      errp)) {
                return false;
            }
        }
        row = p + 1;
    }
    return queue_run(w, sb, row, page + n - row, errp);
}

/*
 * The CPU fetches ahead within a page only. Two pages ahead is early enough for
 * memory that lies in small pages; the first lines start the CPU's own fetching.
 */
#define PREFETCH_AHEAD (2 * RAM_PAGE_SIZE)

static inline void prefetch_page(const uint8_t *p)
{
    __builtin_prefetch(p);
    __builtin_prefetch(p + 64);
}

/* Pages one by one on the channel of @w. */
static void send_pages(RAMWriter *w, RAMSourceBlock *sb, uint64_t page,
                       uint64_t n)
{
    RAMSource *rs = w->rs;
    RAMBlock *rb = sb->rb;
    uint64_t offset = page << RAM_PAGE_BITS;
    uint64_t end = (page + n) << RAM_PAGE_BITS;
    bool delta = !rs->postcopy && (rs->xbzrle || rs->compress);
    /* In post-copy nobody else looks: the channels are silent. */
    bool detect =
        rs->methods.zero_detect || (rs->postcopy && rs->methods.multifd);
    uint64_t zeros = 0;

    for (; offset < end; offset += RAM_PAGE_SIZE) {
        const uint8_t *p = rb->host + offset;

        if (detect) {
            prefetch_page(p + PREFETCH_AHEAD); /* harmless behind the end */
        }
        if (delta) {
            ram_delta_prefetch(rs, sb, offset + PREFETCH_AHEAD);
        }
        if (!detect) { /* else test_zero() counts */
            w->sample = (w->sample + 1) % METHOD_SAMPLE;
        }
        if (detect && test_zero(w, p, offset)) {
            zeros++;
            ram_writer_zero(w, rb, offset);
            if (delta) {
                ram_delta_zero(rs, rb, offset);
            }
        } else if (!delta || !ram_delta_page(w, rb, offset)) {
            ram_writer_plain(w, rb, offset, NULL);
        }
    }
    if (detect && !rs->postcopy) {
        rs->window_tested += n;
        rs->window_zeros += zeros;
    }
}

static bool send_touched(RAMWriter *w, RAMSourceBlock *sb, uint64_t page,
                         uint64_t n, Error **errp)
{
    RAMSource *rs = w->rs;

    if (!rs->config.file &&
        (!rs->config.multifd || !rs->methods.multifd || rs->postcopy)) {
        send_pages(w, sb, page, n);
        return true;
    }
    return rs->methods.zero_detect ? queue_nonzero(w, sb, page, n, errp)
                                   : queue_run(w, sb, page, n, errp);
}

bool ram_writer_send_run(RAMWriter *w, const RAMRun *run,
                         const unsigned long *touched, uint64_t touched_first,
                         Error **errp)
{
    uint64_t page = run->first;
    uint64_t end = run->first + run->n;

    if (!touched) {
        return send_touched(w, run->sb, page, run->n, errp);
    }
    while (page < end) {
        uint64_t bit = page - touched_first;
        uint64_t limit = end - touched_first;
        bool present = test_bit((long)bit, touched);
        uint64_t next = present ? find_next_zero_bit(touched, limit, bit)
                                : find_next_bit(touched, limit, bit);
        bool ok = present ? send_touched(w, run->sb, page, next - bit, errp)
                          : send_untouched(w, run->sb, page, next - bit, errp);

        if (!ok) {
            return false;
        }
        page = next + touched_first;
    }
    return true;
}
