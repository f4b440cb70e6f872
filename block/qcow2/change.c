/*
 * Changes of an image as a whole: another backing file, and nothing in it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

static bool check_names(BlockQcow2 *s, const char *file, const char *format,
                        Error **errp)
{
    if (!s->active) {
        error_setg(errp, "Image '%s' is read-only", BLOCK_NODE(s)->name);
        return false;
    }
    if (file && s->raw_data) {
        error_setg(errp, "Cannot set a backing file: the data file is raw");
        return false;
    }
    if (file && strlen(file) > QCOW_BACKING_NAME_MAX) {
        error_setg(errp, "Backing file name is longer than %d bytes",
                   QCOW_BACKING_NAME_MAX);
        return false;
    }
    if (format && strlen(format) > QCOW_FORMAT_NAME_MAX) {
        error_setg(errp, "Backing format name is longer than %d bytes",
                   QCOW_FORMAT_NAME_MAX);
        return false;
    }
    return true;
}

int coroutine_fn qcow_co_change_backing(BlockNode *node, const char *file,
                                        const char *format, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    QcowHeader *h = &s->header;
    char *old_file = h->backing_file;
    char *old_format = h->backing_format;
    int ret;

    file = file && *file ? file : NULL;
    format = file && format && *format ? format : NULL;
    if (!check_names(s, file, format, errp)) {
        return -EINVAL;
    }
    qcow_close_gate(s);
    /* What is here instead of the old file's contents is on disk first. */
    ret = qcow_commit_all(s);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write out the metadata of '%s'",
                         node->name);
        qcow_open_gate(s);
        return ret;
    }
    h->backing_file = g_strdup(file);
    h->backing_format = g_strdup(format);
    ret = qcow_header_rewrite(s, errp);
    if (ret < 0) {
        g_free(h->backing_file);
        g_free(h->backing_format);
        h->backing_file = old_file;
        h->backing_format = old_format;
    } else {
        g_free(old_file);
        g_free(old_format);
        g_free(node->backing_file);
        g_free(node->backing_format);
        node->backing_file = g_strdup(file);
        node->backing_format = g_strdup(format);
    }
    qcow_open_gate(s);
    return ret;
}

/* A new, empty L1 table takes the old one's place; the tree is dropped. */
static int coroutine_fn make_empty(BlockQcow2 *s)
{
    uint64_t bytes = MAX((uint64_t)s->l1_size * 8, 512);
    g_autofree uint64_t *l1 = g_try_new0(uint64_t, (size_t)s->l1_size + 1);
    g_autofree uint64_t *old = NULL;
    uint64_t old_offset = s->l1_offset;
    uint64_t offset;
    int ret;

    qcow_event(s, BLKDBG_EMPTY_IMAGE_PREPARE);
    ret = l1 ? qcow_commit_all(s) : -ENOMEM;
    if (ret == 0) {
        ret = qcow_space_alloc_exact(s, qcow_clusters(s, bytes), &offset);
    }
    if (ret == 0) {
        ret = qcow_write_l1(s, offset, l1, s->l1_size);
    }
    if (ret == 0) {
        ret = qcow_commit_all(s);
    }
    if (ret == 0) {
        ret = qcow_header_set_l1(s, offset, s->l1_size, s->header.size);
    }
    if (ret < 0) {
        return ret;
    }
    old = s->l1;
    qemu_spin_lock(&s->spin);
    s->l1 = g_steal_pointer(&l1);
    s->l1_offset = offset;
    qemu_spin_unlock(&s->spin);
    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        qcow_cache_forget_all(&s->l2);
        qcow_drop(s, old_offset, bytes, QCOW_DISCARD_OTHER);
    }
    ret = qcow_tree_drop(s, old, s->l1_size);
    if (ret == 0) {
        ret = qcow_commit_all(s);
    }
    qcow_overlap_load(s, NULL);
    return ret;
}

int coroutine_fn qcow_co_make_empty(BlockNode *node, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    int ret;

    if (!s->active) {
        error_setg(errp, "Image '%s' is read-only", node->name);
        return -EROFS;
    }
    qcow_close_gate(s);
    if (qcow_has_data_file(s)) {
        ret = qcow_remap(s, 0,
                         ROUND_UP(s->header.size, (uint64_t)s->cluster_bytes),
                         QCOW_REMAP_FORGET, QCOW_DISCARD_OTHER);
    } else {
        ret = make_empty(s);
    }
    qcow_open_gate(s);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not empty image '%s'", node->name);
    }
    return ret;
}
