/*
 * XBZRLE and the compressing threads in the way of a page.
 *
 * XBZRLE compares the guest's page with what the destination was sent before.
 * The guest may write the page meanwhile: the bytes that the encoder put into
 * the record, not those that it compared, are what the destination gets, so the
 * record itself is applied to the cache and both stay equal without a copy of
 * the page. What changed too late is dirty again.
 *
 * Zero pages are noted in the cache; with channels of multifd it is not used at
 * all. Most pages are sent once only, so the cache begins empty with the second
 * pass that uses it. But where the bandwidth limit makes the sender wait, the first
 * pass fills what is free of it: else what is written again would go whole twice
 * before a difference can.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/compress-codec.h"
#include "migration/compress/compress-pool.h"
#include "migration/compress/xbzrle-cache.h"
#include "migration/compress/xbzrle.h"
#include "migration/ram/internal.h"
#include "util/bulk-copy.h"
#include "util/lockable.h"

/* -- which methods are on ---------------------------------------------------------- */

bool ram_methods_check(const RAMMethods *m, Error **errp)
{
    if (m->compress &&
        (!m->compress_threads || m->compress_threads > COMPRESS_THREADS_MAX ||
         m->compress_level > COMPRESS_LEVEL_MAX)) {
        error_setg(errp, "cannot compress with %u threads and level %u",
                   m->compress_threads, m->compress_level);
        return false;
    }
    if (m->xbzrle && (m->xbzrle_cache_bytes < RAM_PAGE_SIZE ||
                      !is_power_of_2(m->xbzrle_cache_bytes))) {
        error_setg(errp,
                   "XBZRLE cache of %" PRIu64 " bytes: not a power of two"
                   " of at least %" PRIu64,
                   m->xbzrle_cache_bytes, RAM_PAGE_SIZE);
        return false;
    }
    return true;
}

/* Pages of this migration's channels or file never come here. */
static bool pages_go_one_by_one(const RAMSource *rs)
{
    return !rs->config.file && !(rs->config.multifd && rs->methods.multifd);
}

static void drop_cache(RAMSource *rs)
{
    xbzrle_cache_free(rs->xbzrle);
    rs->xbzrle = NULL;
    g_clear_pointer(&rs->xbzrle_out, g_free);
    stats_set(&rs->config.stats->xbzrle_cache_bytes, 0);
}

static bool apply_xbzrle(RAMSource *rs, Error **errp)
{
    uint64_t bytes = rs->methods.xbzrle_cache_bytes;

    if (!rs->methods.xbzrle || !pages_go_one_by_one(rs)) {
        drop_cache(rs);
        return true;
    }
    if (!rs->xbzrle) {
        rs->xbzrle = xbzrle_cache_new(bytes, errp);
        if (!rs->xbzrle) {
            return false;
        }
        rs->xbzrle_out = g_malloc(XBZRLE_BYTES_MAX);
        rs->xbzrle_from_pass = rs->pass + 2;
    } else {
        xbzrle_cache_resize(rs->xbzrle, bytes, NULL); /* see ram_delta_resize */
    }
    stats_set(&rs->config.stats->xbzrle_cache_bytes,
              xbzrle_cache_bytes(rs->xbzrle));
    return true;
}

static void compressed_page(void *opaque, RAMBlock *rb, uint64_t offset,
                            const uint8_t *page, const uint8_t *data,
                            size_t len)
{
    RAMWriter *w = ((RAMSource *)opaque)->main;
    MigrationStats *s = w->rs->config.stats;
    WriterCount *c = &w->count[PAGE_METHOD_COMPRESS];

    c->bytes_in += RAM_PAGE_SIZE;
    if (!len) {
        ram_writer_plain(w, rb, offset, page);
        return;
    }
    ram_writer_header(w, rb, offset, RAM_WIRE_COMPRESS);
    qemu_put_be32(w->f, (uint32_t)len);
    qemu_put_buffer(w->f, data, len);
    c->pages++;
    c->bytes_out += len + 12;
    stats_add(&s->compress_pages, 1);
    stats_add(&s->compress_bytes, len + 12);
}

static bool apply_compress(RAMSource *rs, Error **errp)
{
    const RAMMethods *m = &rs->methods;
    bool wanted = m->compress && pages_go_one_by_one(rs);

    if (rs->compress &&
        (!wanted || rs->compress_threads != m->compress_threads ||
         rs->compress_level != m->compress_level)) {
        compress_pool_free(rs->compress);
        rs->compress = NULL;
    }
    if (wanted && !rs->compress) {
        rs->compress = compress_pool_new(m->compress_threads, m->compress_level,
                                         compressed_page, rs, errp);
        rs->compress_threads = m->compress_threads;
        rs->compress_level = m->compress_level;
    }
    return !wanted || rs->compress;
}

bool ram_methods_apply(RAMSource *rs, Error **errp)
{
    return apply_xbzrle(rs, errp) && apply_compress(rs, errp);
}

void ram_delta_resize(RAMSource *rs)
{
    uint64_t bytes;

    if (!rs->xbzrle) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&rs->lock)
    {
        bytes = rs->wanted.xbzrle_cache_bytes;
    }
    /* Without memory for it the cache stays as it is: no reason to fail. */
    if (bytes && bytes != xbzrle_cache_bytes(rs->xbzrle) &&
        xbzrle_cache_resize(rs->xbzrle, bytes, NULL)) {
        stats_set(&rs->config.stats->xbzrle_cache_bytes, bytes);
    }
}

void ram_delta_free(RAMSource *rs)
{
    compress_pool_free(rs->compress);
    drop_cache(rs);
}

/* -- pages ------------------------------------------------------------------------------- */

static uint64_t page_key(RAMSource *rs, const RAMBlock *rb, uint64_t offset)
{
    return ram_source_block(rs, rb)->key_base + (offset >> RAM_PAGE_BITS);
}

static void put_delta(RAMWriter *w, RAMBlock *rb, uint64_t offset, size_t len)
{
    RAMSource *rs = w->rs;
    MigrationStats *s = rs->config.stats;
    WriterCount *c = &w->count[PAGE_METHOD_XBZRLE];

    ram_writer_header(w, rb, offset, RAM_WIRE_XBZRLE);
    qemu_put_byte(w->f, RAM_WIRE_XBZRLE_ENCODED);
    qemu_put_be16(w->f, (unsigned)len);
    qemu_put_buffer(w->f, rs->xbzrle_out, len);
    c->pages++;
    c->bytes_out += len + 11;
    stats_add(&s->xbzrle_pages, 1);
    stats_add(&s->xbzrle_bytes, len + 11);
}

/*
 * The page goes to @cached, and is sent from there: what is sent is what the cache
 * has. The slot is nobody else's before the next pass, and so is not written
 * before the file was flushed.
 */
static void send_cached(RAMWriter *w, RAMBlock *rb, uint64_t offset,
                        uint8_t *cached)
{
    RAMSource *rs = w->rs;

    bulk_copy_in(cached, rb->host + offset, RAM_PAGE_SIZE);
    if (!rs->compress || !compress_pool_add(rs->compress, rb, offset, cached,
                                            rs->methods.compress_wait)) {
        ram_writer_plain_from(w, rb, offset, cached);
    }
}

/* The page is in the cache at @cached. */
static void send_delta(RAMWriter *w, RAMBlock *rb, uint64_t offset,
                       uint8_t *cached)
{
    RAMSource *rs = w->rs;
    int len = xbzrle_encode(cached, rb->host + offset, rs->xbzrle_out,
                            XBZRLE_BYTES_MAX);

    if (len > 0) {
        xbzrle_decode(rs->xbzrle_out, (size_t)len, cached);
        put_delta(w, rb, offset, (size_t)len);
    } else if (len == 0) {
        /* Written with what was there before: nothing to send. */
        stats_add(&rs->config.stats->skipped_pages, 1);
        w->count[PAGE_METHOD_XBZRLE].pages++;
    } else {
        stats_add(&rs->config.stats->xbzrle_overflow, 1);
        send_cached(w, rb, offset, cached);
    }
}

/* The limit has the sender wait more than half of the time. */
static bool link_is_slow(const RAMSource *rs)
{
    uint64_t waited = pacer_waited_ns(rs->config.pacer) - rs->pass_wait_ns;

    return waited > (uint64_t)(ram_now_ns() - rs->pass_start_ns) / 2;
}

/* Returns: false: the page is not to go to the cache, or has no room there. */
static bool delta_page(RAMWriter *w, RAMBlock *rb, uint64_t offset)
{
    RAMSource *rs = w->rs;
    uint64_t key = page_key(rs, rb, offset);
    uint8_t *cached = xbzrle_cache_find(rs->xbzrle, key, rs->pass);
    uint64_t pass = rs->pass;

    if (cached) {
        w->count[PAGE_METHOD_XBZRLE].bytes_in += RAM_PAGE_SIZE;
        send_delta(w, rb, offset, cached);
        return true;
    }
    if (pass >= rs->xbzrle_from_pass) {
        w->count[PAGE_METHOD_XBZRLE].bytes_in += RAM_PAGE_SIZE;
        stats_add(&rs->config.stats->xbzrle_cache_miss, 1);
    } else if (link_is_slow(rs)) {
        pass--; /* leaves its place to the first that is written again */
    } else {
        return false;
    }
    cached = xbzrle_cache_insert(rs->xbzrle, key, pass);
    if (!cached) {
        return false;
    }
    send_cached(w, rb, offset, cached);
    return true;
}

static bool try_delta(RAMWriter *w, RAMBlock *rb, uint64_t offset)
{
    WriterCount *c = &w->count[PAGE_METHOD_XBZRLE];
    int64_t start;
    bool sent;

    if (w->sample) { /* the zero test's samples serve here too */
        return delta_page(w, rb, offset);
    }
    start = ram_now_ns();
    sent = delta_page(w, rb, offset);
    c->sampled_ns += (uint64_t)(ram_now_ns() - start);
    return sent;
}

bool ram_delta_page(RAMWriter *w, RAMBlock *rb, uint64_t offset)
{
    RAMSource *rs = w->rs;

    if (rs->xbzrle && try_delta(w, rb, offset)) {
        return true;
    }
    if (!rs->compress) {
        return false;
    }
    if (compress_pool_add(rs->compress, rb, offset, rb->host + offset,
                          rs->methods.compress_wait)) {
        return true;
    }
    stats_add(&rs->config.stats->compress_busy, 1);
    return false;
}

void ram_delta_prefetch(const RAMSource *rs, const RAMSourceBlock *sb,
                        uint64_t offset)
{
    if (rs->xbzrle) {
        xbzrle_cache_prefetch(rs->xbzrle,
                              sb->key_base + (offset >> RAM_PAGE_BITS));
    }
}

void ram_delta_zero(RAMSource *rs, RAMBlock *rb, uint64_t offset)
{
    if (rs->xbzrle) {
        uint8_t *cached =
            xbzrle_cache_find(rs->xbzrle, page_key(rs, rb, offset), rs->pass);

        if (cached) {
            memset(cached, 0, RAM_PAGE_SIZE);
        }
    }
}

bool ram_delta_drain(RAMWriter *w, Error **errp)
{
    RAMSource *rs = w->rs;

    if (rs->compress) {
        compress_pool_drain(rs->compress);
        stats_method_add(rs->config.stats, PAGE_METHOD_COMPRESS, 0, 0, 0,
                         compress_pool_cpu_ns(rs->compress));
    }
    return qemu_file_get_error_obj(w->f, errp) == 0;
}
