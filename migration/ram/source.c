/*
 * The source's RAM: its blocks, and the START section that lists them.
 *
 * RAMBlock.priv_ram of each block that is sent points at its RAMSourceBlock for
 * the life of the RAMSource. Blocks that x-ignore-shared leaves out stand in
 * the list but have none: nothing of them is ever sent.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "migration/mapped/file-ram.h"
#include "migration/multifd/multifd.h"
#include "migration/ram/internal.h"
#include "migration/ram/page-present.h"
#include "migration/ram/zero-ahead.h"
#include "util/fd.h"
#include "util/lockable.h"

int64_t ram_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static const RAMBlockList *source_list(RAMSource *rs)
{
    return rs->config.host->ram_blocks(rs->config.host_opaque);
}

RAMSourceBlock *ram_source_block(RAMSource *rs, const RAMBlock *rb)
{
    return rb->priv_ram;
}

bool ram_block_is_sent(const RAMSource *rs, const RAMBlock *rb)
{
    return !(rs->config.ignore_shared && rb->fd >= 0 &&
             (rb->flags & RAM_BLOCK_SHARED));
}

static bool block_init(RAMSourceBlock *sb, RAMBlock *rb, Error **errp)
{
    uint64_t chunks;

    sb->rb = rb;
    sb->pages = ram_block_pages(rb);
    sb->host_pages = MAX(rb->page_size >> RAM_PAGE_BITS, 1);
    chunks = DIV_ROUND_UP(sb->pages, RAM_CHUNK_PAGES);
    sb->dirty = bitmap_try_new((long)sb->pages);
    sb->uncleared = bitmap_try_new((long)chunks);
    sb->again = bitmap_try_new((long)sb->pages);
    if (!sb->dirty || !sb->again || !sb->uncleared) {
        error_setg(errp, "no memory for the dirty bitmap of RAM block '%s'",
                   rb->idstr);
        return false;
    }
    bitmap_set(sb->dirty, 0, (long)sb->pages);
    rb->priv_ram = sb;
    return true;
}

static bool blocks_init(RAMSource *rs, Error **errp)
{
    const RAMBlockList *list = source_list(rs);

    if (list->n > RAM_BLOCKS_MAX) {
        error_setg(errp, "%u RAM blocks are more than %d", list->n,
                   RAM_BLOCKS_MAX);
        return false;
    }
    rs->block = g_new0(RAMSourceBlock, list->n);
    for (unsigned i = 0; i < list->n; i++) {
        RAMBlock *rb = list->block[i];

        if (!ram_block_is_sent(rs, rb) || !rb->used_length) {
            continue;
        }
        rs->block[rs->n].key_base = rs->dirty_pages;
        if (!block_init(&rs->block[rs->n++], rb, errp)) {
            return false;
        }
        rs->dirty_pages += ram_block_pages(rb);
    }
    return true;
}

/* Pages that were sent and are not wanted here any more (release-ram). */
static void release_sent(void *opaque, const uint8_t *buf, size_t size)
{
    RAMSource *rs = opaque;
    uint64_t offset;
    RAMBlock *rb = ram_block_of_host(source_list(rs), buf, &offset);
    size_t host_page = (size_t)getpagesize();

    if (!rb || (rb->page_size > host_page)) {
        return;
    }
    /* What the kernel does not take back stays: nothing is wrong then. */
    if (rb->fd < 0 || !(rb->flags & RAM_BLOCK_SHARED)) {
        madvise(rb->host + offset, size, MADV_DONTNEED);
    } else {
        madvise(rb->host + offset, size, MADV_REMOVE);
    }
}

RAMSource *ram_source_new(const RAMSourceConfig *config, Error **errp)
{
    g_autoptr(RAMSource) rs = g_new0(RAMSource, 1);

    rs->config = *config;
    rs->pagemap = -1;
    rs->wanted = rs->methods = config->methods;
    qemu_mutex_init(&rs->lock);
    rs->request = g_new(RAMRequest, RAM_REQUESTS_MAX);
    if (!ram_methods_check(&config->methods, errp) || !blocks_init(rs, errp)) {
        return NULL;
    }
    rs->pagemap = page_present_open();
    if (!config->background && rs->n) {
        if (!config->host->dirty_log_start(config->host_opaque, errp)) {
            return NULL;
        }
        rs->logging = true;
        rs->ahead = zero_ahead_new();
    }
    stats_set(&config->stats->total_bytes, ram_blocks_bytes(source_list(rs)));
    stats_set(&config->stats->remaining_bytes,
              rs->dirty_pages << RAM_PAGE_BITS);
    return g_steal_pointer(&rs);
}

void ram_source_free(RAMSource *rs)
{
    if (!rs) {
        return;
    }
    if (rs->logging) {
        rs->config.host->dirty_log_stop(rs->config.host_opaque);
    }
    zero_ahead_free(rs->ahead);
    ram_writer_free(rs->main);
    ram_delta_free(rs);
    for (unsigned i = 0; i < rs->n; i++) {
        rs->block[i].rb->priv_ram = NULL;
        g_free(rs->block[i].dirty);
        g_free(rs->block[i].again);
        g_free(rs->block[i].uncleared);
        g_free(rs->block[i].touched);
    }
    if (rs->pagemap >= 0) {
        fd_close(rs->pagemap);
    }
    qemu_mutex_destroy(&rs->lock);
    g_free(rs->request);
    g_free(rs->block);
    g_free(rs);
}

bool ram_source_set_methods(RAMSource *rs, const RAMMethods *methods,
                            Error **errp)
{
    if (!ram_methods_check(methods, errp)) {
        return false;
    }
    QEMU_LOCK_GUARD(&rs->lock);
    rs->wanted = *methods;
    return true;
}

void ram_source_methods(RAMSource *rs, RAMMethods *ret)
{
    QEMU_LOCK_GUARD(&rs->lock);
    *ret = rs->wanted;
}

uint64_t ram_dirty_bytes(RAMSource *rs)
{
    return qatomic_read(&rs->dirty_pages) << RAM_PAGE_BITS;
}

RAMWriter *ram_main_writer(RAMSource *rs, QEMUFile *f)
{
    if (rs->main && rs->main->f != f) {
        ram_writer_free(rs->main);
        rs->main = NULL;
    }
    if (!rs->main) {
        rs->main = ram_writer_new(rs, f);
    }
    return rs->main;
}

void ram_source_reconnect(RAMSource *rs, MultiFDSend *multifd)
{
    ram_writer_free(rs->main);
    rs->main = NULL;
    rs->config.multifd = multifd;
    rs->multifd_dirty = false;
}

void ram_postcopy_release_ok(RAMSource *rs)
{
    qatomic_set(&rs->release_ok, true);
}

/* -- the START section -------------------------------------------------------- */

static bool save_block(RAMSource *rs, QEMUFile *f, RAMBlock *rb, Error **errp)
{
    uint8_t buf[RAM_WIRE_BLOCK_MAX];
    RAMWireBlock b = {
        .used_length = rb->used_length,
        .has_page_size =
            rs->config.postcopy && rb->page_size != (size_t)getpagesize(),
        .page_size = rb->page_size,
        .has_gpa = rs->config.ignore_shared,
        .gpa = rb->gpa,
    };

    qemu_put_buffer(f, buf, ram_wire_block_encode(buf, rb->idstr, &b));
    return !rs->config.file || !ram_block_is_sent(rs, rb) ||
           file_ram_save_block(rs->config.file, f, rb, errp);
}

bool ram_save_setup(RAMSource *rs, QEMUFile *f, Error **errp)
{
    const RAMBlockList *list = source_list(rs);

    qemu_file_set_release(f, release_sent, rs);
    qemu_put_be64(f, ram_blocks_bytes(list) | RAM_WIRE_MEM_SIZE);
    for (unsigned i = 0; i < list->n; i++) {
        if (!save_block(rs, f, list->block[i], errp)) {
            return false;
        }
    }
    if (rs->config.multifd) {
        if (!multifd_send_sync(rs->config.multifd, errp)) {
            return false;
        }
        qemu_put_be64(f, RAM_WIRE_MULTIFD_FLUSH);
    }
    ram_put_eos(f);
    return qemu_fflush(f) == 0 || qemu_file_get_error_obj(f, errp) == 0;
}

void ram_put_eos(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_EOS);
}
