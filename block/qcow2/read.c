/*
 * Reading.
 *
 * A request is cut where the mapping changes. Usually it is one piece and goes
 * to the file as it is; several are read at the same time. What is not
 * allocated and has no backing file never reaches a disk.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/crypt.h"
#include "block/qcow2/internal.h"

/* Pieces of a request that are read at the same time. */
#define READ_TASKS 8

bool qcow_backing_is_zero(BlockQcow2 *s, uint64_t offset, int64_t bytes)
{
    return !s->backing.node ||
           offset >= (uint64_t)block_node_length(s->backing.node);
}

static int coroutine_fn read_backing(BlockQcow2 *s, uint64_t offset,
                                     int64_t bytes, QEMUIOVector *qiov,
                                     size_t qiov_offset)
{
    /* Beyond the disk's end are saved machine states, not the backing
     * file's bytes. */
    if (qcow_backing_is_zero(s, offset, bytes) ||
        offset >= (uint64_t)block_node_length(BLOCK_NODE(s))) {
        qemu_iovec_memset(qiov, qiov_offset, 0, (size_t)bytes);
        return 0;
    }
    return node_co_preadv(s->backing.node, (int64_t)offset, bytes, qiov,
                          qiov_offset, 0);
}

static int coroutine_fn read_piece(BlockQcow2 *s, uint64_t offset,
                                   const QcowMap *m, QEMUIOVector *qiov,
                                   size_t qiov_offset)
{
    switch (m->kind) {
    case QCOW_NORMAL:
        if (s->crypt) {
            return qcow_crypt_read(s, offset, m->host, m->bytes, qiov,
                                   qiov_offset);
        }
        return qcow_file_readv(s->data, m->host, (uint64_t)m->bytes, qiov,
                               qiov_offset);
    case QCOW_ZERO:
    case QCOW_ZERO_ALLOC:
        qemu_iovec_memset(qiov, qiov_offset, 0, (size_t)m->bytes);
        return 0;
    case QCOW_UNALLOCATED:
    case QCOW_UNALLOCATED_ALLOC:
        return read_backing(s, offset, m->bytes, qiov, qiov_offset);
    case QCOW_COMPRESSED:
        return qcow_read_compressed(s, m->entry, qcow_in_cluster(s, offset),
                                    (uint32_t)m->bytes, qiov, qiov_offset);
    default:
        return -EIO;
    }
}

/* Several pieces at a time, all in the request's thread. */
typedef struct ReadGroup {
    BlockQcow2 *s;
    QEMUIOVector *qiov;
    Coroutine *waiter; /* the request, while it waits for a task's end */
    unsigned running;
    int ret; /* the first error */
} ReadGroup;

typedef struct ReadTask {
    ReadGroup *group;
    uint64_t offset;
    size_t qiov_offset;
    QcowMap map;
} ReadTask;

static void coroutine_fn read_task(void *opaque)
{
    g_autofree ReadTask *t = opaque;
    ReadGroup *g = t->group;
    Coroutine *waiter;
    int ret = read_piece(g->s, t->offset, &t->map, g->qiov, t->qiov_offset);

    g->ret = g->ret < 0 ? g->ret : ret;
    g->running--;
    waiter = g_steal_pointer(&g->waiter);
    if (waiter) {
        aio_co_wake(waiter);
    }
}

static void coroutine_fn wait_for_tasks(ReadGroup *g, unsigned max)
{
    while (g->running > max) {
        g->waiter = qemu_coroutine_self();
        qemu_coroutine_yield();
    }
}

static int coroutine_fn read_pieces(BlockQcow2 *s, uint64_t offset,
                                    int64_t bytes, QEMUIOVector *qiov,
                                    size_t qiov_offset)
{
    ReadGroup g = { .s = s, .qiov = qiov };
    int ret = 0;

    while (bytes > 0 && g.ret == 0) {
        ReadTask *t = g_new0(ReadTask, 1);

        ret = qcow_map(s, offset, bytes, &t->map);
        if (ret < 0) {
            g_free(t);
            break;
        }
        t->group = &g;
        t->offset = offset;
        t->qiov_offset = qiov_offset;
        offset += (uint64_t)t->map.bytes;
        qiov_offset += (size_t)t->map.bytes;
        bytes -= t->map.bytes;
        g.running++;
        qemu_coroutine_enter(qemu_coroutine_create(read_task, t));
        wait_for_tasks(&g, READ_TASKS - 1);
    }
    wait_for_tasks(&g, 0);
    return ret < 0 ? ret : g.ret;
}

int coroutine_fn qcow_read(BlockQcow2 *s, uint64_t offset, int64_t bytes,
                           QEMUIOVector *qiov, size_t qiov_offset)
{
    QcowMap m;
    int ret = qcow_map(s, offset, bytes, &m);

    if (ret < 0) {
        return ret;
    }
    return m.bytes == bytes ? read_piece(s, offset, &m, qiov, qiov_offset)
                            : read_pieces(s, offset, bytes, qiov, qiov_offset);
}

int coroutine_fn qcow_co_preadv(BlockNode *node, int64_t offset, int64_t bytes,
                                QEMUIOVector *qiov, size_t qiov_offset,
                                BlkRequestFlags flags)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    unsigned ticket = qcow_enter(s);
    int ret = qcow_read(s, (uint64_t)offset, bytes, qiov, qiov_offset);

    qcow_leave(s, ticket);
    return ret;
}

/* -- block status ---------------------------------------------------------------------- */

static int status_of(const BlockQcow2 *s, const QcowMap *m)
{
    int offset = s->crypt ? 0 : NODE_STATUS_OFFSET;

    switch (m->kind) {
    case QCOW_NORMAL:
        return NODE_STATUS_DATA | NODE_STATUS_ALLOCATED | offset;
    case QCOW_ZERO:
        return NODE_STATUS_ZERO | NODE_STATUS_ALLOCATED;
    case QCOW_ZERO_ALLOC:
        return NODE_STATUS_ZERO | NODE_STATUS_ALLOCATED | offset;
    case QCOW_COMPRESSED:
        return NODE_STATUS_DATA | NODE_STATUS_ALLOCATED |
               NODE_STATUS_COMPRESSED;
    default:
        return 0;
    }
}

int coroutine_fn qcow_co_block_status(BlockNode *node, unsigned want,
                                      int64_t offset, int64_t bytes,
                                      int64_t *pnum, int64_t *map,
                                      BlockNode **file)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    unsigned ticket = qcow_enter(s);
    QcowMap m;
    int ret = qcow_map(s, (uint64_t)offset, bytes, &m);
    int status = 0;
    int64_t n = 0;

    /* Across slices, as far as it stays the same. */
    while (ret == 0) {
        QcowMap next;
        uint64_t host = m.host + (uint64_t)m.bytes;

        if (n == 0) {
            status = status_of(s, &m);
            *map = (int64_t)m.host;
            *file = s->data;
        }
        n += m.bytes;
        if (n >= bytes) {
            break;
        }
        ret = qcow_map(s, (uint64_t)(offset + n), bytes - n, &next);
        if (ret < 0 || status_of(s, &next) != status ||
            ((status & NODE_STATUS_OFFSET) && next.host != host)) {
            ret = 0;
            break;
        }
        m = next;
    }
    qcow_leave(s, ticket);
    *pnum = n;
    return ret < 0 ? ret : status;
}
