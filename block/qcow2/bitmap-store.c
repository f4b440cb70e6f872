/*
 * Contents of stored bitmaps: loaded when an image is opened, stored when it
 * is closed or given away.
 *
 * A bitmap's data are whole clusters, listed in a table; a cluster that is all
 * zeroes or all ones is only a mark in the table. Storing writes new data,
 * tables and directory next to the old ones, then the header, and frees the
 * old ones then. Those that were in use by a process that died stay as they
 * are: known, but worth nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/qcow2/internal.h"
#include "util/host-utils.h"

#define ENTRY_ONES UINT64_C(1)

/* -- loading ---------------------------------------------------------------------- */

static int coroutine_fn load_cluster(BlockQcow2 *s, DirtyBitmap *b,
                                     uint64_t entry, size_t at, uint8_t *buf)
{
    uint64_t offset = entry & QCOW_OFFSET_MASK;
    size_t all = dirty_bitmap_bytes(b);
    size_t n = at < all ? MIN(all - at, s->cluster_bytes) : 0;
    int ret = 0;

    if (n == 0 || (offset == 0 && !(entry & ENTRY_ONES))) {
        return 0;
    }
    if ((entry & QCOW_BITMAP_RESERVED) || qcow_in_cluster(s, offset)) {
        return -EINVAL;
    }
    if (offset) {
        ret = qcow_file_read(s->file.node, offset, buf, n);
    } else {
        memset(buf, 0xff, n);
    }
    if (ret == 0) {
        dirty_bitmap_load(b, at, n, buf);
    }
    return ret;
}

static int coroutine_fn load_bits(BlockQcow2 *s, const QcowBitmap *bm,
                                  DirtyBitmap *b)
{
    uint64_t need = qcow_clusters(s, dirty_bitmap_bytes(b));
    uint32_t n = (uint32_t)MIN(bm->table_size, MAX(need, 1));
    uint64_t bytes = (uint64_t)n * 8;
    g_autofree uint64_t *table = g_try_malloc(bytes);
    g_autofree uint8_t *buf = g_try_malloc(s->cluster_bytes);
    int ret = table && buf
                  ? qcow_file_read(s->file.node, bm->table_offset, table, bytes)
                  : -ENOMEM;

    for (uint32_t i = 0; ret == 0 && i < n; i++) {
        ret = load_cluster(s, b, be64_to_cpu(table[i]),
                           (size_t)i * s->cluster_bytes, buf);
    }
    return ret;
}

static DirtyBitmap *coroutine_fn load_one(BlockQcow2 *s, const QcowBitmap *bm,
                                          Error **errp)
{
    BlockNode *node = BLOCK_NODE(s);
    DirtyBitmap *b =
        dirty_bitmap_add(node, bm->name, 1u << bm->granularity_bits, errp);
    int ret;

    if (!b) {
        return NULL;
    }
    b->persistent = true;
    b->read_only = !s->active;
    if (bm->was_in_use) {
        b->inconsistent = true;
        dirty_bitmap_disable(b);
        return b;
    }
    ret = load_bits(s, bm, b);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read bitmap '%s'", bm->name);
        dirty_bitmap_release(b);
        return NULL;
    }
    if (!(bm->flags & QCOW_BITMAP_AUTO)) {
        dirty_bitmap_disable(b);
    }
    return b;
}

static GHashTable *names_of_bitmaps(BlockNode *node)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    DirtyBitmap *b;

    QLIST_FOREACH(b, &node->bitmaps, next) {
        if (b->name) {
            g_hash_table_insert(names, b->name, b);
        }
    }
    return names;
}

/* What another process has in memory is not on disk yet. One that is here
 * already came from there, or is in use: what is in memory counts. Only when
 * all have been read they are marked, so that an error costs none of them. */
bool coroutine_fn qcow_bitmaps_make(BlockQcow2 *s, Error **errp)
{
    g_autoptr(GHashTable) here = names_of_bitmaps(BLOCK_NODE(s));
    g_autoptr(GPtrArray) made = g_ptr_array_new();
    bool ok = true;

    if (BLOCK_NODE(s)->inactive) {
        return true;
    }
    for (uint32_t i = 0; ok && s->bitmaps && i < s->header.nb_bitmaps; i++) {
        if (!g_hash_table_contains(here, s->bitmaps[i].name)) {
            DirtyBitmap *b = load_one(s, &s->bitmaps[i], errp);

            ok = b != NULL;
            g_ptr_array_add(made, b);
        }
    }
    if (ok && (!s->active || qcow_bitmaps_begin(s, errp) == 0)) {
        return true;
    }
    /* They may change before we try again. */
    for (guint i = 0; i < made->len; i++) {
        if (made->pdata[i]) {
            dirty_bitmap_release(made->pdata[i]);
        }
    }
    return false;
}

void qcow_bitmaps_set_read_only(BlockQcow2 *s, bool read_only)
{
    DirtyBitmap *b;

    QLIST_FOREACH(b, &BLOCK_NODE(s)->bitmaps, next) {
        if (b->persistent) {
            b->read_only = read_only;
        }
    }
}

/* -- storing ---------------------------------------------------------------------- */

static bool all_ones(const uint8_t *buf, size_t n)
{
    return buf[0] == 0xff && memcmp(buf, buf + 1, n - 1) == 0;
}

/* A job that has not ended: what was written meanwhile belongs to it. */
static void add_bits(DirtyBitmap *b, size_t at, size_t n, uint8_t *buf)
{
    g_autofree uint8_t *more = g_malloc(n);

    dirty_bitmap_store(b, at, n, more);
    for (size_t i = 0; i < n; i++) {
        buf[i] |= more[i];
    }
}

static int coroutine_fn store_cluster(BlockQcow2 *s, DirtyBitmap *b, size_t at,
                                      uint8_t *buf, uint64_t *ret_entry)
{
    size_t n = MIN(dirty_bitmap_bytes(b) - at, s->cluster_bytes);
    QcowSpace space;
    int ret;

    memset(buf, 0, s->cluster_bytes);
    dirty_bitmap_store(b, at, n, buf);
    if (b->successor) {
        add_bits(b->successor, at, n, buf);
    }
    *ret_entry = 0;
    if (buf[0] == 0 && memcmp(buf, buf + 1, s->cluster_bytes - 1) == 0) {
        return 0;
    }
    if (all_ones(buf, s->cluster_bytes)) {
        *ret_entry = ENTRY_ONES;
        return 0;
    }
    ret = qcow_space_alloc(s, 0, 1, &space);
    if (ret == 0) {
        *ret_entry = space.offset;
        ret = qcow_meta_write(s, 0, space.offset, buf, s->cluster_bytes);
    }
    return ret;
}

static int coroutine_fn store_bits(BlockQcow2 *s, DirtyBitmap *b,
                                   QcowBitmap *bm)
{
    uint64_t n = MAX(qcow_clusters(s, dirty_bitmap_bytes(b)), 1);
    g_autofree uint64_t *table = g_try_new0(uint64_t, n);
    g_autofree uint8_t *buf = g_try_malloc(s->cluster_bytes);
    int ret = table && buf ? 0 : -ENOMEM;

    for (uint64_t i = 0; ret == 0 && i < n && dirty_bitmap_bytes(b); i++) {
        uint64_t entry;

        ret = store_cluster(s, b, (size_t)(i << s->cluster_bits), buf, &entry);
        table[i] = cpu_to_be64(entry);
    }
    if (ret == 0) {
        ret = qcow_space_alloc_exact(s, qcow_clusters(s, n * 8),
                                     &bm->table_offset);
    }
    bm->table_size = (uint32_t)n;
    return ret == 0 ? qcow_meta_write(s, 0, bm->table_offset, table, n * 8)
                    : ret;
}

/* Everything that @bm has in the file. */
static void coroutine_fn free_bits(BlockQcow2 *s, const QcowBitmap *bm)
{
    uint64_t bytes = (uint64_t)bm->table_size * 8;
    g_autofree uint64_t *table = g_try_malloc(bytes);

    if (!table ||
        qcow_file_read(s->file.node, bm->table_offset, table, bytes) < 0) {
        return; /* a leak */
    }
    for (uint32_t i = 0; i < bm->table_size; i++) {
        uint64_t offset = be64_to_cpu(table[i]) & QCOW_OFFSET_MASK;

        if (offset) {
            qcow_space_free(s, offset, s->cluster_bytes);
        }
    }
    qcow_space_free(s, bm->table_offset, bytes);
}

/* The directory, then the header that refers to it. */
static int coroutine_fn write_directory(BlockQcow2 *s, const QcowBitmap *list,
                                        uint32_t count, Error **errp)
{
    QcowHeader *h = &s->header;
    QcowHeader old = *h;
    g_autofree uint8_t *buf = NULL;
    uint64_t offset = 0;
    size_t len = 0;
    int ret = 0;

    if (count) {
        buf = qcow_bitmaps_encode(list, count, &len, errp);
        ret = buf ? qcow_space_alloc_exact(s, qcow_clusters(s, len), &offset)
                  : -EFBIG;
        if (ret == 0) {
            ret = qcow_meta_write(s, 0, offset, buf, len);
        }
    }
    if (ret == 0) {
        ret = qcow_commit_all(s);
    }
    if (ret < 0) {
        return ret;
    }
    h->has_bitmaps = count > 0;
    h->nb_bitmaps = count;
    h->bitmap_dir_offset = offset;
    h->bitmap_dir_size = len;
    h->autoclear = count ? h->autoclear | QCOW_AUTOCLEAR_BITMAPS
                         : h->autoclear & ~QCOW_AUTOCLEAR_BITMAPS;
    ret = qcow_header_rewrite(s, NULL);
    if (ret < 0) {
        h->has_bitmaps = old.has_bitmaps;
        h->nb_bitmaps = old.nb_bitmaps;
        h->bitmap_dir_offset = old.bitmap_dir_offset;
        h->bitmap_dir_size = old.bitmap_dir_size;
        h->autoclear = old.autoclear;
    } else if (old.has_bitmaps) {
        qcow_space_free(s, old.bitmap_dir_offset, old.bitmap_dir_size);
    }
    return ret;
}

static GHashTable *names_stored(BlockQcow2 *s)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);

    for (uint32_t i = 0; s->bitmaps && i < s->header.nb_bitmaps; i++) {
        g_hash_table_insert(names, s->bitmaps[i].name, &s->bitmaps[i]);
    }
    return names;
}

static QcowBitmap *find_stored(BlockQcow2 *s, const char *name)
{
    for (uint32_t i = 0; s->bitmaps && i < s->header.nb_bitmaps; i++) {
        if (g_str_equal(s->bitmaps[i].name, name)) {
            return &s->bitmaps[i];
        }
    }
    return NULL;
}

static bool is_stored(const DirtyBitmap *b)
{
    return b->name && b->persistent && !b->inconsistent && !b->moving;
}

/* @list: (transfer full, unless it fails) what the new directory holds; the
 * others, and old contents, go. */
static int coroutine_fn replace(BlockQcow2 *s, QcowBitmap *list, uint32_t count,
                                Error **errp)
{
    uint32_t old_count = s->bitmaps ? s->header.nb_bitmaps : 0;
    QcowBitmap *old = s->bitmaps;
    g_autoptr(GHashTable) names = NULL;
    int ret = write_directory(s, list, count, errp);

    if (ret < 0) {
        return ret;
    }
    s->bitmaps = list;
    names = names_stored(s);
    for (uint32_t i = 0; i < old_count; i++) {
        const QcowBitmap *now = g_hash_table_lookup(names, old[i].name);

        if (!now || now->table_offset != old[i].table_offset) {
            free_bits(s, &old[i]);
        }
    }
    qcow_bitmaps_free(old, old_count);
    qcow_commit_all(s); /* they are stored; what is not freed is a leak */
    return 0;
}

/* They stay marked as in use: nobody takes them for what they were. */
static uint32_t keep_stale(BlockQcow2 *s, QcowBitmap *list, uint32_t n)
{
    g_autoptr(GHashTable) here = names_of_bitmaps(BLOCK_NODE(s));

    for (uint32_t i = 0; s->bitmaps && i < s->header.nb_bitmaps; i++) {
        DirtyBitmap *b = g_hash_table_lookup(here, s->bitmaps[i].name);

        if (b && (b->inconsistent || (b->moving && b->persistent))) {
            list[n] = s->bitmaps[i];
            list[n].flags |= QCOW_BITMAP_IN_USE;
            list[n++].name = g_strdup(s->bitmaps[i].name);
        }
    }
    return n;
}

/* The gate is closed. */
int coroutine_fn qcow_bitmaps_store(BlockQcow2 *s, Error **errp)
{
    QcowBitmap *list;
    uint32_t count = s->bitmaps ? s->header.nb_bitmaps : 0;
    uint32_t n = 0;
    DirtyBitmap *b;
    int ret = 0;

    QLIST_FOREACH(b, &BLOCK_NODE(s)->bitmaps, next) {
        n += is_stored(b);
    }
    if (n + count == 0) {
        return 0;
    }
    list = g_new0(QcowBitmap, n + count + 1);
    n = keep_stale(s, list, 0);
    QLIST_FOREACH(b, &BLOCK_NODE(s)->bitmaps, next) {
        if (ret == 0 && is_stored(b)) {
            QcowBitmap *bm = &list[n++];

            bm->name = g_strdup(b->name);
            bm->granularity_bits = (uint8_t)ctz32(b->granularity);
            bm->flags = b->disabled ? 0 : QCOW_BITMAP_AUTO;
            ret = store_bits(s, b, bm);
        }
    }
    if (ret == 0) {
        ret = replace(s, list, n, errp);
    }
    if (ret < 0) {
        qcow_bitmaps_free(list, n);
    }
    return ret;
}

/* Is all of @b in the image, so that it can be loaded again? */
static bool is_in_image(GHashTable *stored, const DirtyBitmap *b)
{
    const QcowBitmap *bm = g_hash_table_lookup(stored, b->name);

    return bm && b->persistent && !b->busy && !b->moving &&
           (b->inconsistent || !(bm->flags & QCOW_BITMAP_IN_USE));
}

void qcow_bitmaps_forget(BlockQcow2 *s)
{
    g_autoptr(GHashTable) stored = names_stored(s);
    DirtyBitmap *b, *next;

    QLIST_FOREACH_SAFE(b, &BLOCK_NODE(s)->bitmaps, next, next) {
        if (b->name && is_in_image(stored, b)) {
            dirty_bitmap_release(b);
        }
    }
}

/* -- one of them ---------------------------------------------------------------------- */

int coroutine_fn qcow_co_remove_bitmap(BlockNode *node, const char *name,
                                       Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    QcowBitmap *list;
    uint32_t n = 0;
    int ret = 0;

    if (!find_stored(s, name)) {
        return 0;
    }
    if (!s->active) {
        error_setg(errp, "Image '%s' is read-only", node->name);
        return -EROFS;
    }
    qcow_close_gate(s);
    list = g_new0(QcowBitmap, (size_t)s->header.nb_bitmaps + 1);
    for (uint32_t i = 0; i < s->header.nb_bitmaps; i++) {
        if (!g_str_equal(s->bitmaps[i].name, name)) {
            list[n] = s->bitmaps[i];
            list[n++].name = g_strdup(s->bitmaps[i].name);
        }
    }
    ret = replace(s, list, n, errp);
    qcow_open_gate(s);
    if (ret < 0) {
        qcow_bitmaps_free(list, n);
    }
    return ret;
}
