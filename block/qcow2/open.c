/*
 * Opening and closing an image, and giving it to another process and back.
 *
 * Opening reads header and tables; only a node that may write, and whose image
 * is this process's, then takes the image over: unknown "autoclear" features
 * are cleared, an image that was not closed well is repaired, stored bitmaps
 * are marked as in use when all of them have been read. Closing writes
 * everything out, in order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/graph-internal.h"
#include "block/qcow2/internal.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/host-utils.h"

/* -- header and geometry ---------------------------------------------------------- */

static bool read_header(BlockQcow2 *s, Error **errp)
{
    QcowHeader *h = &s->header;
    uint8_t fixed[QCOW_HEADER_BYTES];
    g_autofree uint8_t *buf = NULL;
    size_t len;
    int ret = node_pread(s->file.node, 0, sizeof(fixed), fixed);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read qcow2 header");
        return false;
    }
    /* A file's length is rounded up to sectors. */
    if (ldl_be_p(fixed) == QCOW_MAGIC &&
        block_node_length(s->file.node) <= QCOW_HEADER_SECTOR) {
        error_setg(errp,
                   "the image is truncated: the file ends in its first %d "
                   "bytes, where the header is",
                   QCOW_HEADER_SECTOR);
        return false;
    }
    if (!qcow_header_decode(h, fixed, sizeof(fixed), errp)) {
        return false;
    }
    len = (size_t)1 << h->cluster_bits;
    buf = g_try_malloc(len);
    ret = buf ? node_pread(s->file.node, 0, (int64_t)len, buf) : -ENOMEM;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read qcow2 header extensions");
        return false;
    }
    return qcow_header_decode_extensions(h, buf, len, errp) &&
           qcow_header_check_features(h, errp);
}

static bool set_geometry(BlockQcow2 *s, Error **errp)
{
    const QcowHeader *h = &s->header;

    s->cluster_bits = h->cluster_bits;
    s->cluster_bytes = 1u << h->cluster_bits;
    s->ext_l2 = h->incompatible & QCOW_INCOMPAT_EXTL2;
    s->l2_entry_bytes = s->ext_l2 ? 16 : 8;
    s->l2_bits = s->cluster_bits - (s->ext_l2 ? 4 : 3);
    s->sub_bits = s->cluster_bits - (s->ext_l2 ? 5 : 0);
    s->refblock_bits = s->cluster_bits + 3 - h->refcount_order;
    s->raw_data =
        qcow_has_data_file(s) && (h->autoclear & QCOW_AUTOCLEAR_DATA_FILE_RAW);
    if (h->l1_size < qcow_l1_entries(s, h->size)) {
        error_setg(errp,
                   "L1 table with %" PRIu32 " entries is too small for a "
                   "disk of %" PRIu64 " bytes",
                   h->l1_size, h->size);
        return false;
    }
    if (!qcow_can_compress(h->compression)) {
        error_setg(errp, "Compression type zstd is not built into this "
                         "program");
        return false;
    }
    return true;
}

/* -- caches -------------------------------------------------------------------------- */

static bool slice_size(BlockQcow2 *s, Error **errp)
{
    uint64_t want = s->l2_entry_size;

    if (want == 0) {
        want = MIN(QCOW_SLICE_BYTES, s->cluster_bytes);
    } else if (want < 512 || want > s->cluster_bytes || !is_power_of_2(want)) {
        error_setg(errp,
                   "L2 cache entry size must be a power of two between "
                   "512 and the cluster size (%" PRIu32 ")",
                   s->cluster_bytes);
        return false;
    }
    s->slice_bytes = (uint32_t)want;
    s->slice_bits = (unsigned)ctz32(s->slice_bytes) - (s->ext_l2 ? 4 : 3);
    return true;
}

/* What is not given follows from what is. */
static bool split_caches(BlockQcow2 *s, uint64_t *l2, uint64_t *refs,
                         Error **errp)
{
    uint64_t min_refs = (uint64_t)QCOW_CACHE_MIN_TABLES * s->cluster_bytes;
    uint64_t all_l2 = qcow_clusters(s, s->header.size) * s->l2_entry_bytes;

    *refs = s->refcount_cache_size_set ? s->refcount_cache_size : min_refs;
    *l2 = s->l2_cache_size_set
              ? s->l2_cache_size
              : MIN(QCOW_L2_CACHE_MAX, ROUND_UP(all_l2, s->cluster_bytes));
    if (!s->cache_size_set) {
        return true;
    }
    if (s->l2_cache_size_set && s->refcount_cache_size_set) {
        error_setg(errp, "cache-size, l2-cache-size and refcount-cache-size "
                         "may not be set at the same time");
        return false;
    }
    if (s->l2_cache_size_set && *l2 > s->cache_size) {
        error_setg(errp, "l2-cache-size may not exceed cache-size");
        return false;
    }
    if (s->refcount_cache_size_set && *refs > s->cache_size) {
        error_setg(errp, "refcount-cache-size may not exceed cache-size");
        return false;
    }
    if (s->l2_cache_size_set) {
        *refs = s->cache_size - *l2;
    } else if (s->refcount_cache_size_set) {
        *l2 = s->cache_size - *refs;
    } else {
        *refs = MIN(min_refs, s->cache_size / 2);
        *l2 = s->cache_size - *refs;
    }
    return true;
}

static bool make_caches(BlockQcow2 *s, Error **errp)
{
    uint64_t l2, refs;

    if (!slice_size(s, errp) || !split_caches(s, &l2, &refs, errp)) {
        return false;
    }
    return qcow_cache_init(&s->l2, s->slice_bytes,
                           MIN(l2, QCOW_CACHE_MAX_BYTES), &s->spin, errp) &&
           qcow_cache_init(&s->refs, s->cluster_bytes,
                           MIN(refs, QCOW_CACHE_MAX_BYTES), &s->spin, errp);
}

/* -- children ------------------------------------------------------------------------ */

static bool open_data_file(BlockQcow2 *s, Error **errp)
{
    BlockNode *node = BLOCK_NODE(s);
    g_autoptr(json_t) ref = json_incref(s->data_file_ref);

    s->data = s->file.node;
    if (!qcow_has_data_file(s)) {
        if (s->data_file_ref) {
            error_setg(errp, "'data-file' can only be set for images with an "
                             "external data file");
            return false;
        }
        return true;
    }
    if (node->open_flags & NODE_OPEN_NO_IO) {
        return true; /* its name is hostile; nobody needs the data */
    }
    if (!ref && s->header.data_file) {
        BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(s->file.node);
        g_autofree char *image =
            nc->filename ? nc->filename(s->file.node) : g_strdup("");
        /* A path, never a protocol, whatever it looks like. */
        g_autofree char *path = g_path_is_absolute(s->header.data_file)
                                    ? g_strdup(s->header.data_file)
                                    : NULL;

        if (!path) {
            g_autofree char *dir = g_path_get_dirname(image);

            path = g_build_filename(dir, s->header.data_file, NULL);
        }
        ref = json_pack("{s:s, s:s}", "driver", "file", "filename", path);
    }
    if (!ref) {
        error_setg(errp, "'data-file' is required for this image");
        return false;
    }
    if (!block_node_open_child(node, &s->data_file, ref, "data-file",
                               NODE_ROLE_DATA, errp)) {
        return false;
    }
    s->data = s->data_file.node;
    return true;
}

static bool is_none(const json_t *ref)
{
    return json_is_null(ref) ||
           (json_is_string(ref) && !*json_string_value(ref));
}

static bool open_backing(BlockQcow2 *s, Error **errp)
{
    BlockNode *node = BLOCK_NODE(s);

    node->backing_link = &s->backing;
    node->backing_file = g_strdup(s->header.backing_file);
    node->backing_format = g_strdup(s->header.backing_format);
    if ((node->open_flags & NODE_OPEN_NO_BACKING) || is_none(s->backing_ref)) {
        return true;
    }
    if (s->backing_ref) {
        return block_node_open_child(node, &s->backing, s->backing_ref,
                                     "backing", NODE_ROLE_COW, errp);
    }
    return !s->header.backing_file ||
           block_open_backing(node, &s->backing, s->header.backing_file,
                              s->header.backing_format, errp);
}

/* -- tables ------------------------------------------------------------------------------- */

static int coroutine_fn read_reftable(BlockQcow2 *s, Error **errp)
{
    uint64_t bytes = (uint64_t)s->header.reftable_clusters << s->cluster_bits;
    int ret;

    s->reftable_size = (uint32_t)(bytes / 8);
    s->reftable = g_try_malloc(bytes);
    qcow_event(s, BLKDBG_REFTABLE_LOAD);
    ret = s->reftable ? qcow_file_read(s->file.node, s->header.reftable_offset,
                                       s->reftable, bytes)
                      : -ENOMEM;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read refcount table");
        return ret;
    }
    for (uint32_t i = 0; i < s->reftable_size; i++) {
        s->reftable[i] = be64_to_cpu(s->reftable[i]);
    }
    return 0;
}

bool qcow_is_in_file(BlockQcow2 *s, const char *what, uint64_t offset,
                     uint64_t bytes, Error **errp)
{
    uint64_t length = (uint64_t)block_node_length(s->file.node);

    if ((BLOCK_NODE(s)->open_flags & (NODE_OPEN_NO_IO | NODE_OPEN_CHECK)) ||
        (offset <= length && bytes <= length - offset)) {
        return true;
    }
    error_setg(errp,
               "the image is truncated: its %s (%" PRIu64 " bytes at 0x%" PRIx64
               ") ends behind the end of the file (%" PRIu64 " bytes)",
               what, bytes, offset, length);
    return false;
}

int coroutine_fn qcow_load(BlockQcow2 *s, Error **errp)
{
    uint64_t length = (uint64_t)block_node_length(s->file.node);
    int ret;

    /* Of the refcount table others may have written what is in use of it. */
    if (!qcow_is_in_file(s, "refcount table", s->header.reftable_offset, 8,
                         errp) ||
        !qcow_is_in_file(s, "L1 table", s->header.l1_offset,
                         (uint64_t)s->header.l1_size * 8, errp)) {
        return -EINVAL;
    }
    ret = read_reftable(s, errp);
    if (ret < 0) {
        return ret;
    }
    s->l1 = qcow_read_l1(s, s->header.l1_offset, s->header.l1_size, errp);
    if (!s->l1) {
        return -EIO;
    }
    s->l1_size = s->header.l1_size;
    s->l1_offset = s->header.l1_offset;
    s->free_hint = 0;
    s->packed_offset = 0;
    s->fresh_start = ROUND_UP(length, (uint64_t)s->cluster_bytes);
    if (!qcow_snapshots_load(s, errp) || !qcow_bitmaps_load(s, errp) ||
        !qcow_overlap_load(s, errp)) {
        return -EIO;
    }
    qatomic_set(&s->loaded, true);
    return 0;
}

void qcow_unload(BlockQcow2 *s)
{
    qatomic_set(&s->loaded, false);
    g_clear_pointer(&s->l1, g_free);
    g_clear_pointer(&s->reftable, g_free);
    s->l1_size = s->reftable_size = 0;
    s->l1_dirty_from = s->l1_dirty_to = 0;
    s->reftable_dirty_from = s->reftable_dirty_to = 0;
    qcow_cache_deinit(&s->l2);
    qcow_cache_deinit(&s->refs);
    qcow_snapshots_free(s->snapshots, s->header.nb_snapshots);
    s->snapshots = NULL;
    qcow_bitmaps_free(s->bitmaps, s->header.nb_bitmaps);
    s->bitmaps = NULL;
    g_clear_pointer(&s->unpack_data, g_free);
    s->unpack_entry = 0;
    g_clear_pointer(&s->undo, g_free);
    qcow_header_clear(&s->header);
}

/* -- beginning and ending to write ------------------------------------------------------------ */

int coroutine_fn qcow_take_over(BlockQcow2 *s, Error **errp)
{
    QcowHeader *h = &s->header;
    uint64_t known = h->autoclear & QCOW_AUTOCLEAR_KNOWN;
    int ret = 0;

    s->active = true;
    s->lazy =
        h->version >= 3 &&
        (s->lazy_refcounts_set ? s->lazy_refcounts
                               : h->compatible & QCOW_COMPAT_LAZY_REFCOUNTS);
    if (h->autoclear != known) {
        h->autoclear = known;
        ret = qcow_header_rewrite(s, errp);
    }
    qcow_bitmaps_set_read_only(s, ret < 0);
    if (ret == 0 && (h->incompatible & QCOW_INCOMPAT_DIRTY)) {
        ret = qcow_check_and_fix(s, errp);
    }
    if (ret < 0) {
        s->active = false;
    }
    return ret;
}

int coroutine_fn qcow_write_out(BlockQcow2 *s, Error **errp)
{
    int ret;

    if (!s->active) {
        return 0;
    }
    qcow_close_gate(s);
    ret = qatomic_read(&s->broken) ? 0 : qcow_commit_all(s);
    if (ret == 0 && !qatomic_read(&s->broken)) {
        int stored = qcow_bitmaps_store(s, NULL);

        if (stored < 0) {
            /* They stay marked as in use; the data is safe without them. */
            error_report("Lost persistent bitmaps of '%s': %s",
                         BLOCK_NODE(s)->name, strerror(-stored));
        }
        ret = qcow_header_set_incompatible(s, 0, QCOW_INCOMPAT_DIRTY);
        qcow_file_trim(s);
        ret = ret < 0 ? ret : node_co_flush(s->file.node);
    }
    if (ret == 0) {
        s->active = false;
        qcow_bitmaps_set_read_only(s, true);
    } else {
        error_setg_errno(errp, -ret,
                         "Could not write out the metadata of "
                         "'%s'",
                         BLOCK_NODE(s)->name);
    }
    qcow_open_gate(s);
    return ret;
}

/* -- the whole ------------------------------------------------------------------------------------ */

static void set_node(BlockQcow2 *s)
{
    BlockNode *node = BLOCK_NODE(s);
    bool unmap = node->discard == BLOCKDEV_DISCARD_OPTIONS_UNMAP;

    node->length = (int64_t)s->header.size;
    node->request_alignment = s->header.crypt_method ? BLK_SECTOR_SIZE : 1;
    node->physical_block_size = s->file.node->physical_block_size;
    node->preferred_write = 1u << s->sub_bits;
    node->preferred_discard = s->cluster_bytes;
    node->zero_flags = BLK_REQ_MAY_UNMAP | BLK_REQ_NO_FALLBACK;
    node->write_flags = 0;
    s->discard_passthrough[QCOW_DISCARD_REQUEST] =
        s->pass_discard_request_set ? s->pass_discard_request : unmap;
    s->discard_passthrough[QCOW_DISCARD_SNAPSHOT] = s->pass_discard_snapshot;
    s->discard_passthrough[QCOW_DISCARD_OTHER] = s->pass_discard_other;
}

static bool may_open(BlockQcow2 *s, bool read_only, Error **errp)
{
    BlockNode *node = BLOCK_NODE(s);

    if ((s->header.incompatible & QCOW_INCOMPAT_CORRUPT) && !read_only &&
        !(node->open_flags & NODE_OPEN_CHECK)) {
        error_setg(errp, "qcow2: Image is corrupt; cannot be opened "
                         "read/write");
        return false;
    }
    if (s->header.crypt_method == QCOW_CRYPT_AES && !read_only &&
        !(node->open_flags & (NODE_OPEN_NO_IO | NODE_OPEN_CHECK))) {
        error_setg(errp, "Use of AES-CBC encrypted qcow2 images is no longer "
                         "supported; open it read-only to convert it");
        return false;
    }
    return true;
}

typedef struct OpenJob {
    BlockQcow2 *s;
    Error **errp;
} OpenJob;

static int coroutine_fn load_entry(void *opaque)
{
    OpenJob *j = opaque;
    BlockNode *node = BLOCK_NODE(j->s);
    int ret = qcow_load(j->s, j->errp);

    if (ret == 0 && !node->read_only && !node->inactive &&
        !(node->open_flags & (NODE_OPEN_NO_IO | NODE_OPEN_CHECK))) {
        ret = qcow_take_over(j->s, j->errp);
    }
    return ret;
}

/* After read_header(). */
static bool load(BlockQcow2 *s, Error **errp)
{
    ERRP_GUARD();
    OpenJob job = { s, errp };

    return set_geometry(s, errp) && make_caches(s, errp) &&
           may_open(s, BLOCK_NODE(s)->read_only, errp) &&
           (s->data || open_data_file(s, errp)) &&
           (s->crypt || qcow_crypt_open(s, errp)) &&
           node_run_co(BLOCK_NODE(s)->ctx, load_entry, &job) == 0;
}

static int coroutine_fn make_bitmaps_entry(void *opaque)
{
    OpenJob *j = opaque;

    return qcow_bitmaps_make(j->s, j->errp) ? 0 : -EINVAL;
}

bool qcow_open(BlockNode *node, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    OpenJob job = { s, errp };

    if (!qcow_overlap_parse(s, errp) ||
        !block_node_open_child(node, &s->file, s->file_ref, "file",
                               NODE_ROLE_IMAGE, errp)) {
        return false;
    }
    s->data = NULL;
    if (!read_header(s, errp) || !load(s, errp) || !open_backing(s, errp)) {
        s->active = false;
        qcow_unload(s);
        qcow_crypt_close(s);
        return false;
    }
    set_node(s);
    if (!(node->open_flags & (NODE_OPEN_NO_IO | NODE_OPEN_CHECK)) &&
        node_run_co(node->ctx, make_bitmaps_entry, &job) < 0) {
        s->active = false;
        qcow_unload(s);
        qcow_crypt_close(s);
        return false;
    }
    return true;
}

static int coroutine_fn write_out_entry(void *opaque)
{
    OpenJob *j = opaque;

    return qcow_write_out(j->s, j->errp);
}

void qcow_close(BlockNode *node)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    Error *err = NULL;
    OpenJob job = { s, &err };

    /* Nobody is there to whom an error could go. */
    if (node_run_co(node->ctx, write_out_entry, &job) < 0) {
        error_report_err(err);
    }
    qcow_unload(s);
    qcow_crypt_close(s);
    qcow_frees_deinit(&s->frees);
    qcow_frees_init(&s->frees);
    g_clear_pointer(&node->backing_file, g_free);
    g_clear_pointer(&node->backing_format, g_free);
}

int coroutine_fn qcow_co_inactivate(BlockNode *node, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    int ret = qcow_write_out(s, errp);

    if (ret == 0) {
        qcow_bitmaps_forget(s);
    }
    return ret;
}

/* Another process may have changed everything but the geometry. */
static bool load_again(BlockQcow2 *s, Error **errp)
{
    bool no_io = BLOCK_NODE(s)->open_flags & NODE_OPEN_NO_IO;
    bool data_file = s->data != s->file.node;
    unsigned bits = s->cluster_bits;

    qcow_unload(s);
    if (!read_header(s, errp)) {
        return false;
    }
    if (s->header.cluster_bits != bits ||
        (!no_io && qcow_has_data_file(s) != data_file)) {
        error_setg(errp, "Image '%s' became another one", BLOCK_NODE(s)->name);
        return false;
    }
    return load(s, errp);
}

int coroutine_fn qcow_co_activate(BlockNode *node, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    bool ok;

    if (s->active) {
        return 0;
    }
    qcow_close_gate(s);
    ok = load_again(s, errp);
    if (ok) {
        block_node_set_length(node, (int64_t)s->header.size);
        ok = (node->open_flags & (NODE_OPEN_NO_IO | NODE_OPEN_CHECK)) ||
             qcow_bitmaps_make(s, errp);
    }
    if (!ok) {
        /* Nothing of what it was before may be shown, nor zeroes. */
        s->active = false;
        qcow_unload(s);
    }
    qcow_open_gate(s);
    return ok ? 0 : -EIO;
}

/* -- read-only or not ---------------------------------------------------------------- */

/* To read-only: everything is written out while that is possible. */
bool qcow_reopen_prepare(BlockNode *node, const json_t *opts, void **state,
                         Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    bool read_only = json_is_true(json_object_get(opts, "read-only"));
    OpenJob job = { s, errp };

    return read_only ? node_run_co(node->ctx, write_out_entry, &job) == 0
                     : may_open(s, false, errp);
}

static int coroutine_fn take_over_entry(void *opaque)
{
    OpenJob *j = opaque;
    int ret = qcow_take_over(j->s, j->errp);

    if (ret == 0) {
        ret = qcow_bitmaps_begin(j->s, j->errp);
    }
    if (ret < 0) {
        j->s->active = false;
        qcow_bitmaps_set_read_only(j->s, true);
    }
    return ret;
}

void qcow_reopen_commit(BlockNode *node, void *state)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    Error *err = NULL;
    OpenJob job = { s, &err };

    if (!s->pass_discard_request_set) {
        s->discard_passthrough[QCOW_DISCARD_REQUEST] =
            node->discard == BLOCKDEV_DISCARD_OPTIONS_UNMAP;
    }
    if (node->read_only || s->active || node->inactive) {
        return;
    }
    if (node_run_co(node->ctx, take_over_entry, &job) < 0) {
        /* Too late to refuse: nothing is written. */
        qatomic_set(&s->broken, true);
        error_report_err(err);
    }
}

void qcow_reopen_abort(BlockNode *node, void *state)
{
    qcow_reopen_commit(node, state);
}
