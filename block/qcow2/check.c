/*
 * Check, first half: count what refers to each cluster.
 *
 * Header, L1 tables of the disk and its snapshots, their L2 tables and
 * clusters, the snapshot table, bitmaps, the encryption header. Whatever an
 * image says is only counted after it was found to lie in the file; a table
 * that is named twice in one tree is not walked twice. Where a table cannot be
 * there, or not all of it, or an entry leads where no cluster begins, what it
 * refers to stays unknown: the count is short, and nothing may be freed for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/check.h"

bool qcow_check_init(QcowCheck *c, BlockQcow2 *s, Error **errp)
{
    memset(c, 0, sizeof(*c));
    c->s = s;
    c->clusters = qcow_clusters(s, (uint64_t)block_node_length(s->file.node));
    if (c->clusters < QCOW_CHECK_COUNTS_MAX / sizeof(uint32_t)) {
        c->counts = g_try_new0(uint32_t, c->clusters + 1);
    }
    if (!c->counts) {
        error_setg(errp,
                   "Image '%s' has %" PRIu64 " clusters, too many for "
                   "the memory",
                   BLOCK_NODE(s)->name, c->clusters);
    }
    return c->counts != NULL;
}

void qcow_check_deinit(QcowCheck *c)
{
    g_clear_pointer(&c->counts, g_free);
}

void qcow_check_found(QcowCheck *c, bool repaired, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (!c->findings || (c->fix_leaks && !repaired)) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    c->findings->found(c->findings->opaque, text, repaired);
}

void qcow_check_refs(QcowCheck *c, const char *what, uint64_t offset,
                     uint64_t bytes)
{
    uint64_t first = offset >> c->s->cluster_bits;
    uint64_t end =
        (offset + bytes + c->s->cluster_bytes - 1) >> c->s->cluster_bits;

    if (bytes == 0) {
        return;
    }
    if (offset > QCOW_HOST_OFFSET_MAX || end > c->clusters) {
        qcow_check_corrupt(
            c, "%s%s%s: %" PRIu64 " bytes at 0x%" PRIx64 " are not in the file",
            what, c->where ? " of " : "", c->where ?: "", bytes, offset);
        return;
    }
    for (uint64_t i = first; i < end; i++) {
        c->counts[i] += c->counts[i] < UINT32_MAX;
    }
    c->end = MAX(c->end, end << c->s->cluster_bits);
}

/* The same of a table. Beyond the end of the file there are zeroes: not what it
 * was, and everything below would look like leaks. */
static void check_table_refs(QcowCheck *c, const char *what, uint64_t offset,
                             uint64_t bytes)
{
    uint64_t length = (uint64_t)block_node_length(c->s->file.node);

    qcow_check_refs(c, what, offset, bytes);
    c->is_short |= bytes && (bytes > length || offset > length - bytes);
}

/* -- trees -------------------------------------------------------------------------- */

typedef struct Tree {
    QcowCheck *c;
    bool active;
    uint64_t table;   /* L2 table that is looked at */
    unsigned index;   /* of its entry */
    GHashTable *seen; /* L2 tables */
    uint64_t next;    /* where a file without fragments would go on */
    uint8_t *buf;
} Tree;

static void note_data(Tree *t, uint64_t offset)
{
    QcowCheck *c = t->c;

    c->allocated++;
    c->fragmented += t->next && offset != t->next;
    t->next = offset + c->s->cluster_bytes;
}

static bool bits_are_valid(const BlockQcow2 *s, uint64_t entry, uint64_t bits)
{
    uint32_t allocated = (uint32_t)bits;
    uint32_t zero = (uint32_t)(bits >> 32);

    return !s->ext_l2 || (!(allocated & zero) &&
                          (!allocated || qcow_entry_has_host(s, entry)) &&
                          !(entry & QCOW_ZERO_BIT) &&
                          !((entry & QCOW_COMPRESSED_BIT) && bits));
}

#define entry_corrupt(t, entry, text)                                          \
    qcow_check_corrupt((t)->c,                                                 \
                       "entry %u of the L2 table at 0x%" PRIx64                \
                       " of %s: 0x%" PRIx64 ": " text,                         \
                       (t)->index, (t)->table, (t)->c->where, entry)

static void count_compressed(Tree *t, uint64_t entry)
{
    QcowCheck *c = t->c;
    QcowCompressed d = qcow_compressed_decode(entry, c->s->cluster_bits);

    if (qcow_has_data_file(c->s)) {
        entry_corrupt(t, entry, "compressed, with a data file");
        c->is_short = true;
        return;
    }
    if (entry & QCOW_COPIED) {
        entry_corrupt(t, entry, "compressed and marked as not shared");
    }
    qcow_check_refs(c, "compressed data", d.offset, d.bytes);
    if (t->active) {
        c->allocated++;
        c->compressed++;
        /* Packed data begin anywhere: counted as such, not as fragments. */
        t->next = 0;
        c->fragmented++;
    }
}

static void count_entry(Tree *t, unsigned i)
{
    QcowCheck *c = t->c;
    BlockQcow2 *s = c->s;
    uint64_t entry = ldq_be_p(t->buf + (size_t)i * s->l2_entry_bytes);
    uint64_t bits = s->ext_l2 ? ldq_be_p(t->buf + (size_t)i * 16 + 8) : 0;
    uint64_t offset = entry & QCOW_OFFSET_MASK;

    if (entry & QCOW_COMPRESSED_BIT) {
        count_compressed(t, entry);
        return;
    }
    if (entry & QCOW_L2_RESERVED) {
        entry_corrupt(t, entry, "reserved bits are set");
    } else if (!bits_are_valid(s, entry, bits)) {
        entry_corrupt(t, entry, "its subclusters contradict it");
    } else if (qcow_in_cluster(s, offset) ||
               qcow_entry_kind(s, entry) == QCOW_INVALID) {
        entry_corrupt(t, entry, "not at the beginning of a cluster");
    }
    if (qcow_in_cluster(s, offset)) {
        c->is_short = true;
        return;
    }
    if (!qcow_entry_has_host(s, entry)) {
        return;
    }
    if (t->active) {
        note_data(t, offset);
    }
    if (!qcow_has_data_file(s)) {
        qcow_check_refs(c, "a data cluster", offset, s->cluster_bytes);
    }
}

static int coroutine_fn count_table(Tree *t, uint64_t l1_entry)
{
    QcowCheck *c = t->c;
    BlockQcow2 *s = c->s;
    uint64_t offset = l1_entry & QCOW_OFFSET_MASK;

    if (l1_entry & QCOW_L1_RESERVED) {
        qcow_check_corrupt(c,
                           "an entry of the L1 table of %s: 0x%" PRIx64
                           ": reserved bits are set",
                           c->where, l1_entry);
    }
    if (offset == 0) {
        return 0;
    }
    if (qcow_in_cluster(s, offset)) {
        qcow_check_corrupt(c,
                           "an L2 table of %s at 0x%" PRIx64
                           ": not at the beginning of a cluster",
                           c->where, offset);
        c->is_short = true;
        return 0;
    }
    if (!g_hash_table_add(t->seen,
                          GSIZE_TO_POINTER(offset >> s->cluster_bits))) {
        qcow_check_corrupt(c, "the L2 table at 0x%" PRIx64 " is in %s twice",
                           offset, c->where);
        return 0;
    }
    check_table_refs(c, "an L2 table", offset, s->cluster_bytes);
    if (qcow_file_read(s->file.node, offset, t->buf, s->cluster_bytes) < 0) {
        qcow_check_error(c, "the L2 table at 0x%" PRIx64 " of %s: unreadable",
                         offset, c->where);
        return 0;
    }
    t->table = offset;
    for (unsigned i = 0; i < 1u << s->l2_bits; i++) {
        t->index = i;
        count_entry(t, i);
    }
    return 0;
}

static int coroutine_fn count_tree(QcowCheck *c, uint64_t l1_offset,
                                   uint32_t entries, bool active)
{
    BlockQcow2 *s = c->s;
    g_autofree uint64_t *l1 = NULL;
    g_autofree uint8_t *buf = g_try_malloc(s->cluster_bytes);
    Tree t = { .c = c, .active = active, .buf = buf };
    int ret = buf ? 0 : -ENOMEM;

    if (entries == 0 && active) {
        return ret;
    }
    if (l1_offset == 0 || qcow_in_cluster(s, l1_offset)) {
        qcow_check_corrupt(c,
                           "the L1 table of %s at 0x%" PRIx64
                           ": not at the beginning of a cluster",
                           c->where, l1_offset);
        c->is_short |= entries > 0;
        return ret;
    }
    check_table_refs(c, "the L1 table", l1_offset,
                     MAX((uint64_t)entries * 8, 1));
    l1 = qcow_read_l1(s, l1_offset, entries, NULL);
    if (!l1) {
        qcow_check_error(c, "the L1 table of %s at 0x%" PRIx64 ": unreadable",
                         c->where, l1_offset);
        return ret;
    }
    t.seen = g_hash_table_new(NULL, NULL);
    for (uint32_t i = 0; ret == 0 && i < entries; i++) {
        ret = count_table(&t, l1[i]);
    }
    g_hash_table_unref(t.seen);
    return ret;
}

/* -- the rest -------------------------------------------------------------------------- */

static int coroutine_fn count_bitmap(QcowCheck *c, const QcowBitmap *bm)
{
    BlockQcow2 *s = c->s;
    uint64_t bytes = (uint64_t)bm->table_size * 8;
    g_autofree uint64_t *table = g_try_malloc(bytes);

    if (!table) {
        return -ENOMEM;
    }
    check_table_refs(c, "the table", bm->table_offset, bytes);
    if (qcow_file_read(s->file.node, bm->table_offset, table, bytes) < 0) {
        qcow_check_error(c, "the table of %s at 0x%" PRIx64 ": unreadable",
                         c->where, bm->table_offset);
        return 0;
    }
    for (uint32_t i = 0; i < bm->table_size; i++) {
        uint64_t entry = be64_to_cpu(table[i]);
        uint64_t offset = entry & QCOW_OFFSET_MASK;

        if ((entry & QCOW_BITMAP_RESERVED) || qcow_in_cluster(s, offset) ||
            (offset && (entry & 1))) {
            qcow_check_corrupt(c,
                               "entry %" PRIu32
                               " of the table of %s: 0x%" PRIx64
                               ": no such entry is possible",
                               i, c->where, entry);
            c->is_short = true;
        } else if (offset) {
            qcow_check_refs(c, "a cluster", offset, s->cluster_bytes);
        }
    }
    return 0;
}

static int coroutine_fn count_bitmaps(QcowCheck *c)
{
    const QcowHeader *h = &c->s->header;
    int ret = 0;

    if (!h->has_bitmaps) {
        return 0;
    }
    qcow_check_refs(c, "the list of bitmaps", h->bitmap_dir_offset,
                    h->bitmap_dir_size);
    if (!c->s->bitmaps) {
        /* Where their tables are is unknown. */
        qcow_check_error(c, "the list of bitmaps at 0x%" PRIx64 ": unreadable",
                         h->bitmap_dir_offset);
        return 0;
    }
    for (uint32_t i = 0; ret == 0 && i < h->nb_bitmaps; i++) {
        g_autofree char *where =
            g_strdup_printf("bitmap '%s'", c->s->bitmaps[i].name);

        c->where = where;
        ret = count_bitmap(c, &c->s->bitmaps[i]);
        c->where = NULL;
    }
    return ret;
}

static int coroutine_fn count_trees(QcowCheck *c)
{
    BlockQcow2 *s = c->s;
    uint32_t n = s->snapshots ? s->header.nb_snapshots : 0;
    int ret;

    c->where = "the disk";
    ret = count_tree(c, s->l1_offset, s->l1_size, true);
    for (uint32_t i = 0; ret == 0 && i < n; i++) {
        const QcowSnapshot *sn = &s->snapshots[i];
        g_autofree char *where = g_strdup_printf("snapshot '%s'", sn->name);

        c->where = where;
        ret = count_tree(c, sn->l1_offset, sn->l1_size, false);
    }
    c->where = NULL;
    return ret;
}

int coroutine_fn qcow_check_count(QcowCheck *c)
{
    BlockQcow2 *s = c->s;
    const QcowHeader *h = &s->header;
    int ret;

    qcow_check_refs(c, "the header", 0, s->cluster_bytes);
    ret = count_trees(c);
    if (h->nb_snapshots) {
        qcow_check_refs(c, "the list of snapshots", h->snapshots_offset,
                        s->snapshots_bytes);
    }
    if (h->crypt_method == QCOW_CRYPT_LUKS) {
        qcow_check_refs(c, "the encryption header", h->crypt_offset,
                        h->crypt_length);
    }
    return ret == 0 ? count_bitmaps(c) : ret;
}
