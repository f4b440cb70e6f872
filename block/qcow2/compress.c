/*
 * Reading and writing compressed clusters.
 *
 * Compression runs in worker threads, one cluster each, so that callers with
 * many requests in flight use all CPUs. The last cluster that was expanded is
 * kept, for readers that take it in small pieces.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/crypt.h"
#include "block/qcow2/internal.h"
#include "util/thread-pool.h"

typedef struct PackJob {
    QcowCompression type;
    void *dst;
    size_t dst_bytes;
    const void *src;
    size_t src_bytes;
} PackJob;

static int pack_job(void *opaque)
{
    PackJob *j = opaque;

    return (int)qcow_pack(j->type, j->dst, j->dst_bytes, j->src, j->src_bytes);
}

static int unpack_job(void *opaque)
{
    PackJob *j = opaque;

    return qcow_unpack(j->type, j->dst, j->dst_bytes, j->src, j->src_bytes);
}

static int coroutine_fn run_job(ThreadPoolFunc *func, PackJob *j)
{
    AioContext *ctx = qemu_coroutine_get_aio_context(qemu_coroutine_self());

    return thread_pool_submit_co(aio_get_thread_pool(ctx), func, j);
}

/* -- reading -------------------------------------------------------------------- */

static bool from_memory(BlockQcow2 *s, uint64_t entry, uint32_t skip,
                        uint32_t bytes, QEMUIOVector *qiov, size_t qiov_offset)
{
    QEMU_LOCK_GUARD(&s->unpack_lock);
    if (s->unpack_entry != entry) {
        return false;
    }
    qemu_iovec_from_buf(qiov, qiov_offset, s->unpack_data + skip, bytes);
    return true;
}

int coroutine_fn qcow_read_compressed(BlockQcow2 *s, uint64_t entry,
                                      uint32_t skip, uint32_t bytes,
                                      QEMUIOVector *qiov, size_t qiov_offset)
{
    QcowCompressed c = qcow_compressed_decode(entry, s->cluster_bits);
    g_autofree uint8_t *src = NULL;
    g_autofree uint8_t *dst = NULL;
    PackJob j = { .type = s->header.compression };
    int ret;

    if (from_memory(s, entry, skip, bytes, qiov, qiov_offset)) {
        return 0;
    }
    src = g_try_malloc(c.bytes);
    dst = g_try_malloc(s->cluster_bytes);
    if (!src || !dst) {
        return -ENOMEM;
    }
    qcow_event(s, BLKDBG_READ_COMPRESSED);
    ret = qcow_file_read(s->file.node, c.offset, src, c.bytes);
    if (ret < 0) {
        return ret;
    }
    j.dst = dst;
    j.dst_bytes = s->cluster_bytes;
    j.src = src;
    j.src_bytes = c.bytes;
    ret = run_job(unpack_job, &j);
    if (ret < 0) {
        return ret;
    }
    qemu_iovec_from_buf(qiov, qiov_offset, dst + skip, bytes);
    if (bytes < s->cluster_bytes) {
        QEMU_LOCK_GUARD(&s->unpack_lock);
        s->unpack_entry = entry;
        g_free(s->unpack_data);
        s->unpack_data = g_steal_pointer(&dst);
    }
    return 0;
}

/* -- writing ----------------------------------------------------------------------- */

/* lock is held, and the range. */
static int coroutine_fn link_packed(BlockQcow2 *s, uint64_t guest,
                                    uint64_t offset, uint32_t bytes)
{
    QcowTable *t;
    unsigned index;
    uint64_t old;
    uint64_t entry = qcow_compressed_encode(offset, bytes, s->cluster_bits);
    int ret = qcow_slice_writable(s, guest, &t, &index);

    if (ret < 0) {
        return ret;
    }
    /* The same place may have held something else once. */
    WITH_QEMU_LOCK_GUARD(&s->unpack_lock)
    {
        s->unpack_entry = s->unpack_entry == entry ? 0 : s->unpack_entry;
    }
    old = qcow_entry(s, t, index);
    qcow_entry_set(s, t, index, entry, 0);
    qcow_drop_entry(s, old, QCOW_DISCARD_OTHER);
    return 0;
}

static int coroutine_fn store(BlockQcow2 *s, uint64_t guest, const void *data,
                              uint32_t bytes)
{
    uint64_t cluster = guest >> s->cluster_bits;
    QcowRange range;
    uint64_t offset;
    int ret = qcow_space_alloc_bytes(s, bytes, &offset);

    if (ret < 0) {
        return ret;
    }
    qcow_event(s, BLKDBG_WRITE_COMPRESSED);
    ret = node_co_pwrite(s->file.node, (int64_t)offset, bytes, data, 0);
    if (ret == 0) {
        qcow_event(s, BLKDBG_L2_UPDATE_COMPRESSED);
        qemu_co_mutex_lock(&s->lock);
        qcow_range_lock(s, &range, cluster, cluster + 1);
        ret = link_packed(s, guest, offset, bytes);
        qcow_range_unlock(s, &range);
        qemu_co_mutex_unlock(&s->lock);
    }
    if (ret < 0) {
        qcow_space_free(s, offset, bytes);
    }
    return ret;
}

static int coroutine_fn write_cluster(BlockQcow2 *s, uint64_t guest,
                                      uint32_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset)
{
    g_autofree uint8_t *src = g_try_malloc(s->cluster_bytes);
    g_autofree uint8_t *dst = g_try_malloc(s->cluster_bytes);
    PackJob j = { s->header.compression, dst, s->cluster_bytes - 1, src,
                  s->cluster_bytes };
    int ret;

    if (!src || !dst) {
        return -ENOMEM;
    }
    qemu_iovec_to_buf(qiov, qiov_offset, src, bytes);
    memset(src + bytes, 0, s->cluster_bytes - bytes);
    ret = run_job(pack_job, &j);
    if (ret == -ENOMEM) { /* it does not get shorter */
        return qcow_write(s, guest, bytes, qiov, qiov_offset);
    }
    return ret < 0 ? ret : store(s, guest, dst, (uint32_t)ret);
}

static int coroutine_fn write_packed(BlockQcow2 *s, uint64_t offset,
                                     int64_t bytes, QEMUIOVector *qiov,
                                     size_t qiov_offset)
{
    uint64_t end = offset + (uint64_t)bytes;
    int ret = 0;

    if (qcow_has_data_file(s)) {
        return -ENOTSUP;
    }
    if (qcow_in_cluster(s, offset) ||
        (qcow_in_cluster(s, end) &&
         end != (uint64_t)block_node_length(BLOCK_NODE(s)))) {
        return -EINVAL;
    }
    while (ret == 0 && offset < end) {
        uint32_t n = (uint32_t)MIN(end - offset, s->cluster_bytes);

        ret = qcow_may_write(s);
        if (ret == 0) {
            ret = write_cluster(s, offset, n, qiov, qiov_offset);
        }
        offset += n;
        qiov_offset += n;
    }
    return ret;
}

int coroutine_fn qcow_co_pwritev_compressed(BlockNode *node, int64_t offset,
                                            int64_t bytes, QEMUIOVector *qiov,
                                            size_t qiov_offset)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    unsigned ticket = qcow_enter(s);
    int ret = write_packed(s, (uint64_t)offset, bytes, qiov, qiov_offset);

    qcow_leave(s, ticket);
    return ret;
}
