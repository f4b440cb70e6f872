/*
 * Filter "blklogwrites": a log of everything that is written, in order, from
 * which the image can be made again as it was at any moment.
 *
 * The log is that of the kernel's device-mapper target "log-writes", so its
 * tool replays it: a sector of superblock, then entries, each a sector of
 * header, followed by the data of a write:
 *
 *   superblock: magic, version (1), entries: le64 each; sector size: le32
 *   entry:      sector, sectors, flags, length of data in bytes: le64 each
 *
 * A place in the log is taken under the lock; writes to log and image then go
 * on at the same time, and a request ends when both are done, so that what was
 * acknowledged before a flush is before it in the log.
 *
 * Source: the kernel's documentation of dm-log-writes.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/internal.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/lockable.h"

#define TYPE_BLOCK_LOG_WRITES TYPE_BLOCK_NODE "-blklogwrites"
OBJECT_DECLARE_SIMPLE_TYPE(BlockLogWrites, BLOCK_LOG_WRITES)

#define LOG_MAGIC       UINT64_C(0x6a736677736872)
#define LOG_VERSION     1
#define LOG_FLUSH       (1U << 0)
#define LOG_FUA         (1U << 1)
#define LOG_DISCARD     (1U << 2)
#define LOG_SUPER_BYTES 28
#define LOG_ENTRY_BYTES 32
#define LOG_SECTOR_MAX  (8 * 1024 * 1024)
#define LOG_APPEND_LIMIT                                                       \
    (UINT64_C(1) << 40) /* entries of a log to go on with */

struct BlockLogWrites {
    BlockFilter parent_obj;

    json_t *log_ref;
    uint32_t sector_size;
    bool append;
    uint64_t super_interval; /* entries */

    NodeLink log;
    QemuMutex lock;  /* guards what follows */
    uint64_t sector; /* of the log, for the next entry */
    uint64_t entries;
    CoMutex super_lock;     /* one writer of the superblock */
    uint64_t super_entries; /* what the superblock says; its lock */
};

/* -- superblock ---------------------------------------------------------------------- */

static void super_encode(BlockLogWrites *l, uint8_t *buf, uint64_t entries)
{
    memset(buf, 0, l->sector_size);
    stq_le_p(buf, LOG_MAGIC);
    stq_le_p(buf + 8, LOG_VERSION);
    stq_le_p(buf + 16, entries);
    stl_le_p(buf + 24, l->sector_size);
}

/* All entries so far are in the log. */
static int coroutine_fn super_write(BlockLogWrites *l, uint64_t entries)
{
    g_autofree uint8_t *buf = g_malloc(l->sector_size);
    int ret = 0;

    qemu_co_mutex_lock(&l->super_lock);
    if (entries > l->super_entries) {
        super_encode(l, buf, entries);
        ret = node_co_pwrite(l->log.node, 0, l->sector_size, buf, 0);
        if (ret == 0) {
            l->super_entries = entries;
        }
    }
    qemu_co_mutex_unlock(&l->super_lock);
    return ret;
}

/* Find the end of a log to go on with. */
static bool log_resume(BlockLogWrites *l, Error **errp)
{
    BlockNode *log = l->log.node;
    uint8_t buf[LOG_SUPER_BYTES];
    uint64_t entries;
    int ret = node_pread(log, 0, sizeof(buf), buf);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot read the log's superblock");
        return false;
    }
    if (ldq_le_p(buf) != LOG_MAGIC || ldq_le_p(buf + 8) != LOG_VERSION) {
        error_setg(errp, "node '%s' holds no log to append to",
                   block_node_name(log));
        return false;
    }
    l->sector_size = ldl_le_p(buf + 24);
    entries = ldq_le_p(buf + 16);
    if (l->sector_size < BLK_SECTOR_SIZE || l->sector_size > LOG_SECTOR_MAX ||
        !is_power_of_2(l->sector_size) || entries > LOG_APPEND_LIMIT) {
        error_setg(errp,
                   "log with sectors of %" PRIu32 " bytes and %" PRIu64
                   " entries cannot be appended to",
                   l->sector_size, entries);
        return false;
    }
    for (l->sector = 1; l->entries < entries; l->entries++) {
        uint8_t head[LOG_ENTRY_BYTES];
        uint64_t at = l->sector * l->sector_size;
        uint64_t len;

        ret = at + l->sector_size > (uint64_t)block_node_length(log)
                  ? -EINVAL
                  : node_pread(log, (int64_t)at, sizeof(head), head);
        if (ret < 0) {
            error_setg(errp, "entry %" PRIu64 " of the log cannot be read",
                       l->entries);
            return false;
        }
        len = ldq_le_p(head + 16) & LOG_DISCARD ? 0 : ldq_le_p(head + 24);
        if (len > (uint64_t)block_node_length(log)) {
            error_setg(errp, "entry %" PRIu64 " of the log is not valid",
                       l->entries);
            return false;
        }
        l->sector += 1 + DIV_ROUND_UP(len, l->sector_size);
    }
    l->super_entries = entries;
    return true;
}

static bool log_begin(BlockLogWrites *l, Error **errp)
{
    g_autofree uint8_t *buf = NULL;
    int ret;

    if (l->append) {
        return log_resume(l, errp);
    }
    if (l->sector_size < BLK_SECTOR_SIZE || l->sector_size > LOG_SECTOR_MAX ||
        !is_power_of_2(l->sector_size)) {
        error_setg(errp,
                   "log-sector-size %" PRIu32
                   " is not a power of two from %d to %d",
                   l->sector_size, BLK_SECTOR_SIZE, LOG_SECTOR_MAX);
        return false;
    }
    l->sector = 1;
    buf = g_malloc(l->sector_size);
    super_encode(l, buf, 0);
    ret = node_pwrite(l->log.node, 0, l->sector_size, buf, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot write the log's superblock");
    }
    return ret == 0;
}

/* The log is written at once, in open(). */
static void log_child_perm(BlockNode *node, const NodeLink *link, unsigned perm,
                           unsigned shared, unsigned *ret_perm,
                           unsigned *ret_shared)
{
    if (link == &BLOCK_LOG_WRITES(node)->log) {
        *ret_perm =
            NODE_PERM_CONSISTENT_READ | NODE_PERM_WRITE | NODE_PERM_RESIZE;
        *ret_shared = NODE_PERM_CONSISTENT_READ;
    }
}

static bool log_open(BlockNode *node, Error **errp)
{
    BlockLogWrites *l = BLOCK_LOG_WRITES(node);

    if (!filter_base()->open(node, errp) ||
        !block_node_open_child(node, &l->log, l->log_ref, "log",
                               NODE_ROLE_METADATA, errp) ||
        !log_begin(l, errp)) {
        return false;
    }
    node->request_alignment = l->sector_size;
    node->zero_flags = BLK_REQ_FUA;
    return true;
}

static int coroutine_fn log_finish(void *opaque)
{
    BlockLogWrites *l = opaque;
    int ret = super_write(l, l->entries);

    return ret < 0 ? ret : node_co_flush(l->log.node);
}

static void log_close(BlockNode *node)
{
    BlockLogWrites *l = BLOCK_LOG_WRITES(node);

    if (l->log.node && node->is_open) {
        node_run_co(node->ctx, log_finish, l);
    }
}

/* -- entries -------------------------------------------------------------------------- */

typedef struct LogEntry {
    int64_t offset; /* in the image */
    int64_t bytes;
    uint32_t flags;
    QEMUIOVector *qiov; /* NULL: zeroes, or no data */
    size_t qiov_offset;
    bool has_data;
} LogEntry;

static int coroutine_fn log_data(BlockLogWrites *l, const LogEntry *e,
                                 int64_t at)
{
    if (!e->has_data) {
        return 0;
    }
    if (e->qiov) {
        return node_co_pwritev(l->log.node, at, e->bytes, e->qiov,
                               e->qiov_offset, 0);
    }
    return node_co_pwrite_zeroes(l->log.node, at, e->bytes, 0);
}

static int coroutine_fn log_entry(BlockLogWrites *l, const LogEntry *e)
{
    g_autofree uint8_t *head = g_malloc0(l->sector_size);
    uint64_t sectors = (uint64_t)e->bytes / l->sector_size;
    uint64_t number;
    uint64_t at;
    int ret;

    WITH_QEMU_LOCK_GUARD(&l->lock)
    {
        at = l->sector;
        l->sector += 1 + (e->has_data ? sectors : 0);
        number = ++l->entries;
    }
    stq_le_p(head, (uint64_t)e->offset / l->sector_size);
    stq_le_p(head + 8, sectors);
    stq_le_p(head + 16, e->flags);
    stq_le_p(head + 24, (uint64_t)e->bytes);
    at *= l->sector_size;
    ret = node_co_pwrite(l->log.node, (int64_t)at, l->sector_size, head, 0);
    if (ret == 0) {
        ret = log_data(l, e, (int64_t)(at + l->sector_size));
    }
    if (ret == 0 &&
        (e->flags & (LOG_FLUSH | LOG_FUA) || number % l->super_interval == 0)) {
        ret = super_write(l, number);
    }
    return ret;
}

static int coroutine_fn log_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    LogEntry e = {
        .offset = offset,
        .bytes = bytes,
        .flags = flags & BLK_REQ_FUA ? LOG_FUA : 0,
        .qiov = qiov,
        .qiov_offset = qiov_offset,
        .has_data = true,
    };
    int ret = node_co_pwritev(filter_child(node), offset, bytes, qiov,
                              qiov_offset, flags);

    return ret < 0 ? ret : log_entry(BLOCK_LOG_WRITES(node), &e);
}

static int coroutine_fn log_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    LogEntry e = {
        .offset = offset,
        .bytes = bytes,
        .flags = flags & BLK_REQ_FUA ? LOG_FUA : 0,
        .has_data = true,
    };
    int ret = node_co_pwrite_zeroes(filter_child(node), offset, bytes, flags);

    return ret < 0 ? ret : log_entry(BLOCK_LOG_WRITES(node), &e);
}

static int coroutine_fn log_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes)
{
    LogEntry e = { .offset = offset, .bytes = bytes, .flags = LOG_DISCARD };
    int ret = node_co_pdiscard(filter_child(node), offset, bytes);

    return ret < 0 ? ret : log_entry(BLOCK_LOG_WRITES(node), &e);
}

static int coroutine_fn log_co_flush(BlockNode *node)
{
    LogEntry e = { .flags = LOG_FLUSH };

    return log_entry(BLOCK_LOG_WRITES(node), &e);
}

static void log_init(Object *obj)
{
    BlockLogWrites *l = BLOCK_LOG_WRITES(obj);

    qemu_mutex_init(&l->lock);
    qemu_co_mutex_init(&l->super_lock);
}

static void log_finalize(Object *obj)
{
    qemu_mutex_destroy(&BLOCK_LOG_WRITES(obj)->lock);
}

static const Property log_props[] = {
    { "log", PROP_JSON, offsetof(BlockLogWrites, log_ref), .qapi_type = "any",
      .flags = PROP_F_REQUIRED, .help = "node-name, or a node to make: the log",
      .since = "0.2" },
    { "log-sector-size", PROP_UINT32, offsetof(BlockLogWrites, sector_size),
      .def = "512", .unit = "bytes", .help = "sector of the log",
      .since = "0.2" },
    { "log-append", PROP_BOOL, offsetof(BlockLogWrites, append), .def = "off",
      .help = "go on with the log that is there", .since = "0.2" },
    { "log-super-update-interval", PROP_UINT64,
      offsetof(BlockLogWrites, super_interval), .def = "4096", .min = 1,
      .max = UINT64_MAX, .unit = "entries",
      .help = "how often the log's superblock is written", .since = "0.2" },
    {},
};

static void log_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "blklogwrites";
    nc->help = "a log of all writes";
    nc->open = log_open;
    nc->close = log_close;
    nc->child_perm = log_child_perm;
    nc->co_pwritev = log_co_pwritev;
    nc->co_pwritev_compressed = NULL;
    nc->co_pwrite_zeroes = log_co_pwrite_zeroes;
    nc->co_pdiscard = log_co_pdiscard;
    nc->co_flush = log_co_flush;
}

extern const TypeInfo block_type_blklogwrites;
const TypeInfo block_type_blklogwrites = {
    .name = TYPE_BLOCK_LOG_WRITES,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockLogWrites),
    .instance_init = log_init,
    .instance_finalize = log_finalize,
    .class_init = log_class_init,
    .props = log_props,
};
