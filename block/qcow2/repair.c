/*
 * Check, second half: compare with the refcounts on disk, and repair.
 *
 * A refcount that is higher than what refers to the cluster is a leak: lost
 * space. One that is lower is a corruption: the next allocation may overwrite
 * data. A "copied" flag on what several trees share is one too; a missing flag
 * costs only a needless copy and counts as a leak. Refcounts are set to what
 * was found; if their own structure is broken a new one is written behind all
 * other clusters and the header is switched over. Where not every table could
 * be followed no cluster is freed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/check.h"

/* What needs to know all who refer to a cluster: new structures, flags. */
static bool fixes_all(const QcowCheck *c)
{
    return c->fix_errors && !c->is_short;
}

/* -- refcount structures ----------------------------------------------------------- */

/* New ones are made when errors are repaired. */
static void structure_corrupt(QcowCheck *c, uint32_t i, const char *why)
{
    c->corruptions++;
    c->rebuild = true;
    qcow_check_found(c, fixes_all(c),
                     "refcount block %" PRIu32 " at 0x%" PRIx64 ": %s", i,
                     c->s->reftable[i] & QCOW_REFTABLE_MASK, why);
}

/* They are counted last: each exactly once, or they are not usable. */
static void count_structures(QcowCheck *c)
{
    BlockQcow2 *s = c->s;

    qcow_check_refs(c, "the refcount table", s->header.reftable_offset,
                    (uint64_t)s->header.reftable_clusters << s->cluster_bits);
    for (uint32_t i = 0; i < s->reftable_size; i++) {
        uint64_t offset = s->reftable[i] & QCOW_REFTABLE_MASK;

        if (s->reftable[i] & ~QCOW_REFTABLE_MASK) {
            qcow_check_corrupt(c,
                               "entry %" PRIu32
                               " of the refcount table: 0x%" PRIx64
                               ": reserved bits are set",
                               i, s->reftable[i]);
        }
        if (offset == 0) {
            continue;
        }
        if (qcow_in_cluster(s, offset) ||
            offset >> s->cluster_bits >= c->clusters) {
            structure_corrupt(c, i, "no cluster of the file");
            continue;
        }
        qcow_check_refs(c, "a refcount block", offset, s->cluster_bytes);
        if (c->counts[offset >> s->cluster_bits] != 1) {
            structure_corrupt(c, i, "something else is there, too");
        }
    }
}

/* Clusters in use in a range without a block: where one would go by itself may
 * be in use as well. */
static void find_gaps(QcowCheck *c)
{
    BlockQcow2 *s = c->s;

    for (uint64_t i = 0; i < c->clusters && !c->rebuild; i++) {
        uint64_t index = i >> s->refblock_bits;

        c->rebuild =
            c->counts[i] && (index >= s->reftable_size ||
                             !(s->reftable[index] & QCOW_REFTABLE_MASK));
    }
}

static int coroutine_fn on_disk(QcowCheck *c, uint64_t cluster, uint64_t *ret)
{
    BlockQcow2 *s = c->s;
    uint64_t index = cluster >> s->refblock_bits;
    uint64_t offset =
        index < s->reftable_size ? s->reftable[index] & QCOW_REFTABLE_MASK : 0;

    /* Broken ones were reported. */
    if (qcow_in_cluster(s, offset) ||
        offset >> s->cluster_bits >= c->clusters) {
        *ret = 0;
        return 0;
    }
    return qcow_ref_get(s, cluster, ret);
}

static int coroutine_fn compare_one(QcowCheck *c, uint64_t i)
{
    uint64_t have;
    uint64_t want = c->counts[i];
    bool leak, fix;

    if (on_disk(c, i, &have) < 0) {
        qcow_check_error(c, "refcount of cluster %" PRIu64 ": unreadable", i);
        return 0;
    }
    if (have == want) {
        return 0;
    }
    leak = have > want;
    fix = leak && !c->rebuild ? c->fix_leaks && !c->is_short : c->fix_errors;
    qcow_check_found(
        c, fix,
        "%s %" PRIu64 " at 0x%" PRIx64 ": refcount %" PRIu64
        ", references %" PRIu64 "%s",
        leak ? "leaked cluster" : "cluster", i, i << c->s->cluster_bits, have,
        want, leak && c->is_short ? ", without tables that are missing" : "");
    if (fix && !c->rebuild) {
        int ret = qcow_ref_set(c->s, i, want);

        if (ret < 0) {
            return ret;
        }
        c->leaks_fixed += leak;
        c->corruptions_fixed += !leak;
    }
    c->leaks += leak;
    c->corruptions += !leak;
    return 0;
}

/* -- flags --------------------------------------------------------------------------- */

static void check_flag(QcowCheck *c, uint64_t entry, uint64_t offset)
{
    uint64_t i = offset >> c->s->cluster_bits;
    bool flag = entry & QCOW_COPIED;

    if (i >= c->clusters || flag == (c->counts[i] == 1)) {
        return;
    }
    /* A flag too many lets a write change what others see. */
    c->corruptions += flag;
    c->leaks += !flag;
    qcow_check_found(c, fixes_all(c),
                     "cluster %" PRIu64 " at 0x%" PRIx64
                     ": marked as %s, references %" PRIu32,
                     i, offset, flag ? "not shared" : "shared", c->counts[i]);
}

static int coroutine_fn check_flags(QcowCheck *c)
{
    BlockQcow2 *s = c->s;
    g_autofree uint8_t *buf = g_try_malloc(s->cluster_bytes);

    if (!buf) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < s->l1_size; i++) {
        uint64_t offset = s->l1[i] & QCOW_OFFSET_MASK;

        if (!offset || qcow_in_cluster(s, offset) ||
            offset >> s->cluster_bits >= c->clusters) {
            continue;
        }
        check_flag(c, s->l1[i], offset);
        if (qcow_file_read(s->file.node, offset, buf, s->cluster_bytes) < 0) {
            qcow_check_error(c, "the L2 table at 0x%" PRIx64 ": unreadable",
                             offset);
            continue;
        }
        for (unsigned k = 0; k < 1u << s->l2_bits; k++) {
            uint64_t entry = ldq_be_p(buf + (size_t)k * s->l2_entry_bytes);

            if (qcow_entry_has_host(s, entry) && !qcow_has_data_file(s)) {
                check_flag(c, entry, entry & QCOW_OFFSET_MASK);
            }
        }
    }
    return 0;
}

/* -- new structures --------------------------------------------------------------------- */

typedef struct Rebuild {
    QcowCheck *c;
    unsigned order;
    unsigned bits; /* of an index in a block */
    uint64_t used; /* clusters before the new structures */
    uint64_t blocks;
    uint64_t table_clusters;
    uint64_t *table;
} Rebuild;

static bool block_is_needed(const Rebuild *b, uint64_t index)
{
    uint64_t first = index << b->bits;
    uint64_t total = b->used + b->blocks + b->table_clusters;

    for (uint64_t i = first; i < first + (UINT64_C(1) << b->bits); i++) {
        if ((i < b->used && b->c->counts[i]) || (i >= b->used && i < total)) {
            return true;
        }
    }
    return false;
}

static void plan(Rebuild *b)
{
    BlockQcow2 *s = b->c->s;
    uint64_t before;

    b->used = b->c->end >> s->cluster_bits;
    do {
        uint64_t ranges;
        uint64_t n = 0;

        before = b->blocks + b->table_clusters;
        ranges = ((b->used + before) >> b->bits) + 1;
        for (uint64_t i = 0; i < ranges; i++) {
            n += block_is_needed(b, i);
        }
        b->blocks = MAX(b->blocks, n);
        b->table_clusters = qcow_clusters(s, ranges * 8);
    } while (b->blocks + b->table_clusters != before);
}

static uint64_t new_count(const Rebuild *b, uint64_t i)
{
    return i < b->used ? b->c->counts[i]
                       : i < b->used + b->blocks + b->table_clusters;
}

static int coroutine_fn write_block(const Rebuild *b, uint64_t index,
                                    uint64_t cluster, uint8_t *buf)
{
    BlockQcow2 *s = b->c->s;
    uint64_t n = UINT64_C(1) << b->bits;

    memset(buf, 0, s->cluster_bytes);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t count = new_count(b, (index << b->bits) + i);

        if (count > qcow_refcount_max(b->order)) {
            return -ERANGE;
        }
        qcow_refcount_set(buf, b->order, i, count);
    }
    b->table[index] = cpu_to_be64(cluster << s->cluster_bits);
    return node_co_pwrite(s->file.node, (int64_t)(cluster << s->cluster_bits),
                          s->cluster_bytes, buf, 0);
}

static int coroutine_fn write_structures(Rebuild *b)
{
    BlockQcow2 *s = b->c->s;
    g_autofree uint8_t *buf = g_try_malloc(s->cluster_bytes);
    uint64_t table_bytes = b->table_clusters << s->cluster_bits;
    uint64_t ranges;
    uint64_t next = b->used;
    int ret = buf && b->table ? 0 : -ENOMEM;

    ranges = (b->used + b->blocks + b->table_clusters - 1) >> b->bits;
    for (uint64_t i = 0; ret == 0 && i <= ranges; i++) {
        if (block_is_needed(b, i)) {
            ret = write_block(b, i, next++, buf);
        }
    }
    if (ret == 0) {
        ret =
            node_co_pwrite(s->file.node,
                           (int64_t)((b->used + b->blocks) << s->cluster_bits),
                           (int64_t)table_bytes, b->table, 0);
    }
    return ret;
}

/* The header goes last; then the tables in memory are those on disk. */
static int coroutine_fn switch_structures(Rebuild *b, Error **errp)
{
    BlockQcow2 *s = b->c->s;
    uint64_t entries = (b->table_clusters << s->cluster_bits) / 8;
    uint64_t end = (b->used + b->blocks + b->table_clusters) << s->cluster_bits;
    QcowHeader before = s->header;
    int ret;

    s->header.reftable_offset = (b->used + b->blocks) << s->cluster_bits;
    s->header.reftable_clusters = (uint32_t)b->table_clusters;
    s->header.refcount_order = b->order;
    ret = qcow_header_rewrite(s, errp);
    if (ret < 0) {
        s->header.reftable_offset = before.reftable_offset;
        s->header.reftable_clusters = before.reftable_clusters;
        s->header.refcount_order = before.refcount_order;
        return ret;
    }
    qcow_cache_forget_all(&s->refs);
    g_free(s->reftable);
    s->reftable = g_steal_pointer(&b->table);
    s->reftable_size = (uint32_t)entries;
    s->reftable_dirty_from = s->reftable_dirty_to = 0;
    for (uint64_t i = 0; i < entries; i++) {
        s->reftable[i] = be64_to_cpu(s->reftable[i]);
    }
    s->refblock_bits = b->bits;
    s->free_hint = 0;
    s->fresh_start = MAX(s->fresh_start, end);
    s->packed_offset = 0;
    qcow_overlap_load(s, NULL);
    return 0;
}

static int coroutine_fn rebuild(QcowCheck *c, unsigned order, Error **errp)
{
    BlockQcow2 *s = c->s;
    Rebuild b = { .c = c, .order = order, .bits = s->cluster_bits + 3 - order };
    int ret = -EFBIG;

    plan(&b);
    if (b.table_clusters << s->cluster_bits <=
        MAX(QCOW_REFTABLE_MAX_BYTES, s->cluster_bytes)) {
        b.table = g_try_malloc0(b.table_clusters << s->cluster_bits);
        ret = write_structures(&b);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write new refcounts of %u bits",
                         1u << order);
    } else {
        ret = switch_structures(&b, errp);
    }
    g_free(b.table);
    return ret;
}

int coroutine_fn qcow_rebuild_refcounts(BlockQcow2 *s, unsigned order,
                                        Error **errp)
{
    QcowCheck c;
    int ret = -ENOMEM;

    if (!qcow_check_init(&c, s, errp)) {
        return ret;
    }
    ret = qcow_check_count(&c);
    if (ret < 0 || c.errors || c.corruptions || c.is_short) {
        error_setg(errp, "Image '%s' has errors; check it first",
                   BLOCK_NODE(s)->name);
        ret = -EIO;
    } else {
        ret = rebuild(&c, order, errp);
    }
    qcow_check_deinit(&c);
    return ret;
}

/* -- all of it ------------------------------------------------------------------------------ */

static int coroutine_fn compare(QcowCheck *c, Error **errp)
{
    int ret = 0;

    for (uint64_t i = 0; ret == 0 && i < c->clusters; i++) {
        ret = compare_one(c, i);
    }
    if (ret == 0) {
        ret = check_flags(c);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Check failed");
    }
    return ret;
}

/* What could not be read may refer to any cluster: a refcount that looks too
 * high proves nothing, and to free a cluster for it would lose data. */
static int refuse_short(const QcowCheck *c, Error **errp)
{
    if (c->errors) {
        error_setg(errp,
                   "%" PRId64 " tables of image '%s' could not be read; "
                   "nothing is repaired",
                   c->errors, BLOCK_NODE(c->s)->name);
    } else {
        error_setg(errp,
                   "Image '%s' needs new refcounts, but tables of it are "
                   "missing and what these referred to would be lost; nothing "
                   "is repaired",
                   BLOCK_NODE(c->s)->name);
    }
    return -EIO;
}

/* Refcounts are right now: what follows from them. */
static int coroutine_fn finish_fix(QcowCheck *c, Error **errp)
{
    BlockQcow2 *s = c->s;
    int ret;

    if (!c->fix_leaks) {
        return 0;
    }
    if (c->rebuild && c->fix_errors) {
        /* Without the old structures. */
        QcowCheck fresh;

        if (!qcow_check_init(&fresh, s, errp)) {
            return -ENOMEM;
        }
        ret = qcow_check_count(&fresh);
        if (ret == 0 && (fresh.errors || fresh.is_short)) {
            ret = refuse_short(&fresh, errp);
        }
        ret = ret < 0 ? ret : rebuild(&fresh, s->header.refcount_order, errp);
        qcow_check_deinit(&fresh);
        if (ret < 0) {
            return ret;
        }
    }
    ret = qcow_commit_all(s);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write refcounts");
        return ret;
    }
    return fixes_all(c) ? qcow_tree_copied(s, false, errp) : 0;
}

static int coroutine_fn check(QcowCheck *c, Error **errp)
{
    int ret = qcow_check_count(c);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Check failed");
        return ret;
    }
    if (c->errors) {
        return c->fix_leaks ? refuse_short(c, errp) : 0;
    }
    count_structures(c);
    find_gaps(c);
    if (c->rebuild && c->fix_errors && c->is_short) {
        return refuse_short(c, errp);
    }
    ret = compare(c, errp);
    return ret < 0 ? ret : finish_fix(c, errp);
}

/* What is still wrong, after what was fixed: look again. */
static int coroutine_fn check_again(QcowCheck *c, Error **errp)
{
    QcowCheck again;
    int ret;

    if (!qcow_check_init(&again, c->s, errp)) {
        return -ENOMEM;
    }
    again.findings = c->findings;
    ret = check(&again, errp);
    c->corruptions_fixed = MAX(c->corruptions - again.corruptions, 0);
    c->leaks_fixed = MAX(c->leaks - again.leaks, 0);
    c->corruptions = again.corruptions;
    c->leaks = again.leaks;
    c->errors = again.errors;
    c->end = again.end;
    qcow_check_deinit(&again);
    return ret;
}

/* Repair failed: tell of all that is wrong. */
static void coroutine_fn tell_again(QcowCheck *c)
{
    QcowCheck again;

    if (c->findings && qcow_check_init(&again, c->s, NULL)) {
        again.findings = c->findings;
        check(&again, NULL);
        qcow_check_deinit(&again);
    }
}

static int coroutine_fn run(QcowCheck *c, Error **errp)
{
    int ret = check(c, errp);

    if (ret < 0 && c->fix_leaks) {
        tell_again(c);
    }
    if (ret == 0 && c->fix_leaks && (c->leaks || c->corruptions || c->errors)) {
        ret = check_again(c, errp);
    }
    if (ret == 0 && c->fix_errors && !c->corruptions && !c->errors) {
        ret = qcow_header_set_incompatible(
            c->s, 0, QCOW_INCOMPAT_DIRTY | QCOW_INCOMPAT_CORRUPT);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not write the image header");
        }
    }
    return ret;
}

static void report(const QcowCheck *c, ImageCheck *r)
{
    r->check_errors = c->errors;
    r->has_corruptions = c->corruptions > 0;
    r->corruptions = c->corruptions;
    r->has_leaks = c->leaks > 0;
    r->leaks = c->leaks;
    r->has_corruptions_fixed = c->corruptions_fixed > 0;
    r->corruptions_fixed = c->corruptions_fixed;
    r->has_leaks_fixed = c->leaks_fixed > 0;
    r->leaks_fixed = c->leaks_fixed;
    r->has_image_end_offset = true;
    r->image_end_offset = (int64_t)c->end;
    r->has_total_clusters = true;
    r->total_clusters = (int64_t)qcow_clusters(c->s, c->s->header.size);
    r->has_allocated_clusters = c->allocated > 0;
    r->allocated_clusters = c->allocated;
    r->has_fragmented_clusters = c->fragmented > 0;
    r->fragmented_clusters = c->fragmented;
    r->has_compressed_clusters = c->compressed > 0;
    r->compressed_clusters = c->compressed;
}

int coroutine_fn qcow_co_check(BlockNode *node, unsigned fix,
                               const NodeFindings *findings, ImageCheck *result,
                               Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    bool active = s->active;
    QcowCheck c;
    int ret = -EIO;

    if (fix && node->read_only) {
        error_setg(errp, "Image '%s' is read-only", node->name);
        return -EROFS;
    }
    qcow_close_gate(s);
    s->active = active || fix;
    if (active && !qatomic_read(&s->broken)) {
        ret = qcow_commit_all(s);
    }
    if (!qcow_check_init(&c, s, errp)) {
        ret = -ENOMEM;
    } else {
        c.findings = findings;
        c.fix_leaks = fix & (NODE_FIX_LEAKS | NODE_FIX_ERRORS);
        c.fix_errors = fix & NODE_FIX_ERRORS;
        ret = run(&c, errp);
        if (ret == 0) {
            report(&c, result);
        }
        qcow_check_deinit(&c);
    }
    s->active = active;
    qcow_open_gate(s);
    return ret;
}

int coroutine_fn qcow_check_and_fix(BlockQcow2 *s, Error **errp)
{
    QcowCheck c;
    int ret;

    if (!qcow_check_init(&c, s, errp)) {
        return -ENOMEM;
    }
    c.fix_leaks = c.fix_errors = true;
    ret = run(&c, errp);
    if (ret == 0 && (c.corruptions || c.errors)) {
        error_setg(errp,
                   "Image '%s' was not closed well and could not be "
                   "repaired",
                   BLOCK_NODE(s)->name);
        ret = -EIO;
    }
    qcow_check_deinit(&c);
    return ret;
}
