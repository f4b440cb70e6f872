/*
 * Internal snapshots: more L1 tables over the same clusters.
 *
 * The order of what is written makes each operation happen at one moment, when
 * the header changes:
 *
 *   create  refcounts up; flush; "copied" flags away, so that every write
 *           from now on gets new clusters; flush; new snapshot table; header
 *   delete  snapshot table without it; header; refcounts down; flags
 *   goto    refcounts of its tree up; a new L1 table like its; header;
 *           refcounts of the old tree down; flags
 *
 * Before that moment a power cut leaves refcounts too high, after it as well:
 * leaks. The gate is closed meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

/* -- the table ---------------------------------------------------------------------- */

static QcowSnapshot *coroutine_fn read_table(BlockQcow2 *s, size_t *ret_used,
                                             Error **errp)
{
    const QcowHeader *h = &s->header;
    size_t len = MAX((size_t)h->nb_snapshots * 256, 4096);

    for (;;) {
        g_autofree uint8_t *buf = g_try_malloc(len);
        QcowSnapshot *list;
        bool more;
        int ret =
            buf ? qcow_file_read(s->file.node, h->snapshots_offset, buf, len)
                : -ENOMEM;

        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not read snapshots");
            return NULL;
        }
        list = qcow_snapshots_decode(buf, len, h->nb_snapshots, h->size,
                                     ret_used, &more, errp);
        if (list || !more) {
            return list;
        }
        if (len >= QCOW_SNAPSHOT_TABLE_MAX) {
            error_setg(errp, "Snapshot table is longer than %u bytes",
                       QCOW_SNAPSHOT_TABLE_MAX);
            return NULL;
        }
        len = MIN(len * 2, QCOW_SNAPSHOT_TABLE_MAX);
    }
}

bool coroutine_fn qcow_snapshots_load(BlockQcow2 *s, Error **errp)
{
    size_t used = 0;

    s->snapshots = NULL;
    s->snapshots_bytes = 0;
    if (s->header.nb_snapshots == 0) {
        return true;
    }
    s->snapshots = read_table(s, &used, errp);
    s->snapshots_bytes = used;
    return s->snapshots != NULL;
}

/* Write @list as the image's snapshots. @s->snapshots stays as it is. */
static int coroutine_fn store(BlockQcow2 *s, const QcowSnapshot *list,
                              uint32_t count, size_t *ret_len, Error **errp)
{
    g_autofree uint8_t *buf = qcow_snapshots_encode(list, count, ret_len, errp);
    uint64_t old = s->header.snapshots_offset;
    uint64_t old_bytes = s->header.nb_snapshots ? s->snapshots_bytes : 0;
    uint64_t offset = 0;
    int ret = 0;

    if (!buf && count) {
        return -EFBIG;
    }
    if (count) {
        ret = qcow_space_alloc_exact(s, qcow_clusters(s, *ret_len), &offset);
        if (ret == 0) {
            ret = qcow_meta_write(s, 0, offset, buf, *ret_len);
        }
        if (ret == 0) {
            ret = qcow_commit_all(s);
        }
    }
    if (ret == 0) {
        ret = qcow_header_set_snapshots(s, offset, count);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write the snapshot table");
        if (offset) {
            qcow_space_free(s, offset, *ret_len);
        }
        return ret;
    }
    if (old_bytes) {
        qcow_space_free(s, old, old_bytes);
    }
    return 0;
}

static void take_list(BlockQcow2 *s, QcowSnapshot *list, size_t bytes)
{
    QcowSnapshot *old = s->snapshots;

    qemu_spin_lock(&s->spin);
    s->snapshots = list;
    s->snapshots_bytes = bytes;
    qemu_spin_unlock(&s->spin);
    g_free(old);
}

static int find(const BlockQcow2 *s, const char *id, const char *name)
{
    for (uint32_t i = 0; i < s->header.nb_snapshots; i++) {
        const QcowSnapshot *sn = &s->snapshots[i];

        if ((id || name) && (!id || g_str_equal(sn->id, id)) &&
            (!name || g_str_equal(sn->name, name))) {
            return (int)i;
        }
    }
    return -1;
}

/* By id, and if there is none by name. */
static int find_any(const BlockQcow2 *s, const char *text)
{
    int i = find(s, text, NULL);

    return i >= 0 ? i : find(s, NULL, text);
}

static char *new_id(const BlockQcow2 *s)
{
    uint64_t max = 0;

    for (uint32_t i = 0; i < s->header.nb_snapshots; i++) {
        max = MAX(max, g_ascii_strtoull(s->snapshots[i].id, NULL, 10));
    }
    return g_strdup_printf("%" PRIu64, max < UINT64_MAX ? max + 1 : max);
}

int coroutine_fn qcow_snapshots_complete(BlockQcow2 *s, Error **errp)
{
    size_t bytes = 0;
    int ret = 0;

    if (s->header.nb_snapshots) {
        ret = store(s, s->snapshots, s->header.nb_snapshots, &bytes, errp);
    }
    if (ret == 0) {
        s->snapshots_bytes = bytes;
    }
    return ret;
}

/* -- create ---------------------------------------------------------------------------- */

static int coroutine_fn copy_l1(BlockQcow2 *s, QcowSnapshot *sn)
{
    g_autofree uint64_t *l1 = g_try_new0(uint64_t, (size_t)s->l1_size + 1);
    int ret;

    if (!l1) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < s->l1_size; i++) {
        l1[i] = s->l1[i] & ~QCOW_COPIED;
    }
    sn->l1_size = s->l1_size;
    ret = qcow_space_alloc_exact(
        s, MAX(qcow_clusters(s, (uint64_t)s->l1_size * 8), 1), &sn->l1_offset);
    return ret < 0 ? ret : qcow_write_l1(s, sn->l1_offset, l1, s->l1_size);
}

static int coroutine_fn share_tree(BlockQcow2 *s, QcowSnapshot *sn,
                                   Error **errp)
{
    int ret = qcow_commit_all(s);

    if (ret == 0) {
        ret = copy_l1(s, sn);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not copy the L1 table");
        return ret;
    }
    ret = qcow_tree_refs(s, s->l1, s->l1_size, 1, errp);
    if (ret < 0) {
        qcow_space_free(s, sn->l1_offset, MAX((uint64_t)sn->l1_size * 8, 1));
        return ret;
    }
    ret = qcow_commit_all(s);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write refcounts");
        return ret;
    }
    return qcow_tree_copied(s, true, errp);
}

static int coroutine_fn append(BlockQcow2 *s, QcowSnapshot *sn, Error **errp)
{
    uint32_t count = s->header.nb_snapshots;
    QcowSnapshot *list = g_new0(QcowSnapshot, (size_t)count + 1);
    size_t bytes = 0;
    int ret;

    if (count) {
        memcpy(list, s->snapshots, count * sizeof(*list));
    }
    list[count] = *sn;
    ret = store(s, list, count + 1, &bytes, errp);
    if (ret < 0) {
        g_free(list);
        return ret;
    }
    memset(sn, 0, sizeof(*sn));
    take_list(s, list, bytes);
    return 0;
}

static int coroutine_fn create(BlockQcow2 *s, QcowSnapshot *sn, Error **errp)
{
    int ret = share_tree(s, sn, errp);

    if (ret == 0) {
        ret = append(s, sn, errp);
    }
    if (ret < 0) {
        /* Too high refcounts stay: leaks. The active tree works on. */
        qcow_tree_copied(s, false, NULL);
        return ret;
    }
    qcow_overlap_load(s, NULL);
    return 0;
}

static bool may_snapshot(BlockQcow2 *s, Error **errp)
{
    if (qcow_has_data_file(s)) {
        error_setg(errp,
                   "Image '%s' has an external data file: no internal "
                   "snapshots",
                   BLOCK_NODE(s)->name);
        return false;
    }
    if (!s->active) {
        error_setg(errp, "Image '%s' is read-only", BLOCK_NODE(s)->name);
        return false;
    }
    return true;
}

int coroutine_fn qcow_co_snapshot_create(BlockNode *node, SnapshotInfo *info,
                                         Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    uint64_t vm_bytes = (uint64_t)info->vm_state_size;
    QcowSnapshot sn = {
        .name = g_strdup(info->name ?: ""),
        .date_sec = (uint32_t)info->date_sec,
        .date_nsec = (uint32_t)info->date_nsec,
        .vm_clock_nsec = (uint64_t)info->vm_clock_sec * 1000000000u +
                         (uint64_t)info->vm_clock_nsec,
        .vm_state_size = vm_bytes,
        .icount = info->has_icount ? (uint64_t)info->icount : UINT64_MAX,
    };
    int ret = -EINVAL;

    if (!may_snapshot(s, errp)) {
        qcow_snapshot_clear(&sn);
        return -ENOTSUP;
    }
    qcow_close_gate(s);
    sn.disk_size = s->header.size;
    sn.id = info->id && *info->id ? g_strdup(info->id) : new_id(s);
    if (find(s, sn.id, NULL) >= 0) {
        error_setg(errp, "Snapshot with id '%s' exists", sn.id);
        ret = -EEXIST;
    } else if (s->header.nb_snapshots >= QCOW_SNAPSHOTS_MAX) {
        error_setg(errp, "Image '%s' has %u snapshots, the most it may have",
                   node->name, QCOW_SNAPSHOTS_MAX);
    } else {
        g_autofree char *id = g_strdup(sn.id);

        ret = create(s, &sn, errp);
        if (ret == 0) {
            g_free(info->id);
            info->id = g_steal_pointer(&id);
            /* The machine's state is the snapshot's now. */
            qcow_forget_vmstate(s, vm_bytes);
            qcow_commit_all(s);
        }
    }
    qcow_open_gate(s);
    qcow_snapshot_clear(&sn);
    return ret;
}

/* -- delete ---------------------------------------------------------------------------- */

static int coroutine_fn drop_snapshot(BlockQcow2 *s, const QcowSnapshot *sn,
                                      const uint64_t *l1, Error **errp)
{
    int ret = qcow_tree_drop(s, l1, sn->l1_size);

    if (ret == 0) {
        QEMU_LOCK_GUARD(&s->lock);
        qcow_drop(s, sn->l1_offset, MAX((uint64_t)sn->l1_size * 8, 1),
                  QCOW_DISCARD_SNAPSHOT);
    }
    if (ret == 0) {
        ret = qcow_commit_all(s);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not free what the snapshot had");
        return ret;
    }
    qcow_overlap_load(s, NULL);
    return qcow_tree_copied(s, false, errp);
}

static uint64_t *coroutine_fn read_l1(BlockQcow2 *s, const QcowSnapshot *sn,
                                      Error **errp)
{
    return qcow_is_in_file(s, "L1 table of a snapshot", sn->l1_offset,
                           (uint64_t)sn->l1_size * 8, errp)
               ? qcow_read_l1(s, sn->l1_offset, sn->l1_size, errp)
               : NULL;
}

static int coroutine_fn delete (BlockQcow2 *s, uint32_t i, Error **errp)
{
    uint32_t count = s->header.nb_snapshots;
    QcowSnapshot sn = s->snapshots[i];
    g_autofree uint64_t *l1 = NULL;
    QcowSnapshot *list;
    size_t bytes = 0;
    int ret = qcow_commit_all(s);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write out metadata");
        return ret;
    }
    l1 = read_l1(s, &sn, errp);
    if (!l1) {
        return -EIO;
    }
    list = g_new0(QcowSnapshot, count);
    memcpy(list, s->snapshots, i * sizeof(*list));
    memcpy(list + i, s->snapshots + i + 1, (count - i - 1) * sizeof(*list));
    ret = store(s, list, count - 1, &bytes, errp);
    if (ret < 0) {
        g_free(list);
        return ret;
    }
    take_list(s, list, bytes);
    ret = drop_snapshot(s, &sn, l1, errp);
    qcow_snapshot_clear(&sn);
    return ret;
}

int coroutine_fn qcow_co_snapshot_delete(BlockNode *node, const char *id,
                                         const char *name, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    int ret = -ENOENT;
    int i;

    if (!may_snapshot(s, errp)) {
        return -ENOTSUP;
    }
    qcow_close_gate(s);
    i = find(s, id, name);
    if (i < 0) {
        error_setg(errp,
                   "Snapshot with id '%s' and name '%s' does not exist "
                   "on node '%s'",
                   id ?: "", name ?: "", node->name);
    } else {
        ret = delete (s, (uint32_t)i, errp);
    }
    qcow_open_gate(s);
    return ret;
}

/* -- goto ------------------------------------------------------------------------------- */

static uint64_t *coroutine_fn l1_of(BlockQcow2 *s, const QcowSnapshot *sn,
                                    uint32_t *ret_entries, Error **errp)
{
    uint64_t need = qcow_l1_entries(s, sn->disk_size);

    if (need > sn->l1_size) {
        error_setg(errp,
                   "L1 table of snapshot '%s' with %" PRIu32 " entries "
                   "is too small for a disk of %" PRIu64 " bytes",
                   sn->id, sn->l1_size, sn->disk_size);
        return NULL;
    }
    *ret_entries = sn->l1_size;
    return read_l1(s, sn, errp);
}

static int coroutine_fn store_l1(BlockQcow2 *s, const uint64_t *l1,
                                 uint32_t entries, uint64_t *ret_offset)
{
    int ret = qcow_space_alloc_exact(
        s, MAX(qcow_clusters(s, (uint64_t)entries * 8), 1), ret_offset);

    if (ret == 0) {
        ret = qcow_write_l1(s, *ret_offset, l1, entries);
    }
    return ret == 0 ? qcow_commit_all(s) : ret;
}

/* The new active tree is on disk and counted; switch over. */
static int coroutine_fn switch_tree(BlockQcow2 *s, const QcowSnapshot *sn,
                                    uint64_t *l1, uint32_t entries,
                                    uint64_t offset)
{
    uint64_t old_offset = s->l1_offset;
    uint32_t old_entries = s->l1_size;
    g_autofree uint64_t *old = NULL;
    int ret = qcow_header_set_l1(s, offset, entries, sn->disk_size);

    if (ret < 0) {
        return ret;
    }
    old = s->l1;
    qemu_spin_lock(&s->spin);
    s->l1 = l1;
    s->l1_size = entries;
    s->l1_offset = offset;
    qemu_spin_unlock(&s->spin);
    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        qcow_cache_forget_all(&s->l2);
        qcow_drop(s, old_offset, MAX((uint64_t)old_entries * 8, 1),
                  QCOW_DISCARD_SNAPSHOT);
    }
    /* From here on the disk is the snapshot's; an error is a leak. */
    qcow_tree_drop(s, old, old_entries);
    qcow_commit_all(s);
    qcow_overlap_load(s, NULL);
    /* Flags that are missing cost copies only. */
    qcow_tree_copied(s, false, NULL);
    return 0;
}

static int coroutine_fn go_to(BlockQcow2 *s, const QcowSnapshot *sn,
                              Error **errp)
{
    uint32_t entries;
    uint64_t offset;
    g_autofree uint64_t *l1 = NULL;
    int ret = qcow_commit_all(s);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write out metadata");
        return ret;
    }
    l1 = l1_of(s, sn, &entries, errp);
    if (!l1) {
        return -EINVAL;
    }
    for (uint32_t i = 0; i < entries; i++) {
        l1[i] &= ~QCOW_COPIED;
    }
    ret = qcow_tree_refs(s, l1, entries, 1, errp);
    if (ret < 0) {
        return ret;
    }
    ret = store_l1(s, l1, entries, &offset);
    if (ret < 0) {
        qcow_tree_refs(s, l1, entries, -1, NULL);
    } else {
        ret = switch_tree(s, sn, l1, entries, offset);
    }
    if (s->l1 == l1) {
        g_steal_pointer(&l1);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write the L1 table");
    }
    return ret;
}

int coroutine_fn qcow_co_snapshot_goto(BlockNode *node, const char *id,
                                       Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    int ret = -ENOENT;
    int i;

    if (!may_snapshot(s, errp)) {
        return -ENOTSUP;
    }
    qcow_close_gate(s);
    i = find_any(s, id);
    if (i < 0) {
        error_setg(errp, "Snapshot '%s' does not exist on node '%s'", id,
                   node->name);
    } else if (!qcow_bitmaps_may_resize(s, (int64_t)s->snapshots[i].disk_size,
                                        errp)) {
        ret = -EINVAL;
    } else {
        ret = go_to(s, &s->snapshots[i], errp);
    }
    qcow_open_gate(s);
    if (ret == 0) {
        block_node_set_length(node, (int64_t)s->header.size);
    }
    return ret;
}

/* -- looking ------------------------------------------------------------------------------- */

int coroutine_fn qcow_co_snapshot_load_tmp(BlockNode *node, const char *id,
                                           const char *name, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    uint64_t *l1, *old;
    uint32_t entries;
    int i;

    if (!node->read_only) {
        error_setg(errp,
                   "Node '%s' is not read-only: a snapshot cannot be "
                   "shown in its place",
                   node->name);
        return -EINVAL;
    }
    qcow_close_gate(s);
    i = find(s, id, name);
    l1 = NULL;
    if (i < 0) {
        error_setg(errp, "Can't find snapshot '%s'", id ?: name ?: "");
    } else {
        l1 = l1_of(s, &s->snapshots[i], &entries, errp);
    }
    if (l1) {
        qemu_spin_lock(&s->spin);
        old = s->l1;
        s->l1 = l1;
        s->l1_size = entries;
        s->header.size = s->snapshots[i].disk_size;
        qemu_spin_unlock(&s->spin);
        g_free(old);
    }
    qcow_open_gate(s);
    if (!l1) {
        return i < 0 ? -ENOENT : -EINVAL;
    }
    block_node_set_length(node, (int64_t)s->header.size);
    return 0;
}

static SnapshotInfo *info_of(const QcowSnapshot *sn)
{
    SnapshotInfo *info = g_new0(SnapshotInfo, 1);

    info->id = g_utf8_make_valid(sn->id, -1);
    info->name = g_utf8_make_valid(sn->name, -1);
    info->vm_state_size = (int64_t)sn->vm_state_size;
    info->date_sec = sn->date_sec;
    info->date_nsec = sn->date_nsec;
    info->vm_clock_sec = (int64_t)(sn->vm_clock_nsec / 1000000000);
    info->vm_clock_nsec = (int64_t)(sn->vm_clock_nsec % 1000000000);
    info->has_icount = sn->icount != UINT64_MAX;
    info->icount = info->has_icount ? (int64_t)sn->icount : 0;
    return info;
}

SnapshotInfoList *qcow_snapshot_list(BlockNode *node, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    SnapshotInfoList *list = NULL;

    if (!qatomic_read(&s->loaded)) {
        error_setg(errp, "the tables of image '%s' could not be read again",
                   node->name);
        return NULL;
    }
    for (uint32_t i = s->header.nb_snapshots; s->snapshots && i-- > 0;) {
        QAPI_LIST_PREPEND(list, info_of(&s->snapshots[i]));
    }
    return list;
}
