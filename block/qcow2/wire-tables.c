/*
 * Refcounts of all widths, the snapshot table and the bitmap directory.
 *
 * Both tables are lists of entries of different lengths: a fixed part,
 * additional data of a length that the entry says, then names; each entry is
 * padded to 8 bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/wire.h"
#include "util/wire-buffer.h"

/* -- refcounts ---------------------------------------------------------------- */

uint64_t qcow_refcount_get(const void *block, unsigned order, uint64_t i)
{
    const uint8_t *p = block;

    switch (order) {
    case 4:
        return (uint16_t)lduw_be_p(p + i * 2);
    case 5:
        return (uint32_t)ldl_be_p(p + i * 4);
    case 6:
        return ldq_be_p(p + i * 8);
    case 3:
        return p[i];
    default: {
        unsigned bits = 1u << order;
        unsigned per_byte = 8u / bits;

        return p[i / per_byte] >> (i % per_byte * bits) & ((1u << bits) - 1);
    }
    }
}

void qcow_refcount_set(void *block, unsigned order, uint64_t i, uint64_t value)
{
    uint8_t *p = block;

    switch (order) {
    case 4:
        stw_be_p(p + i * 2, (uint16_t)value);
        break;
    case 5:
        stl_be_p(p + i * 4, (uint32_t)value);
        break;
    case 6:
        stq_be_p(p + i * 8, value);
        break;
    case 3:
        p[i] = (uint8_t)value;
        break;
    default: {
        unsigned bits = 1u << order;
        unsigned per_byte = 8u / bits;
        unsigned shift = (unsigned)(i % per_byte) * bits;
        unsigned mask = ((1u << bits) - 1) << shift;

        p[i / per_byte] =
            (uint8_t)((p[i / per_byte] & ~mask) | (value << shift & mask));
        break;
    }
    }
}

/* -- snapshots -------------------------------------------------------------------- */

#define SNAPSHOT_FIXED_BYTES 40
#define SNAPSHOT_EXTRA_KNOWN 24

void qcow_snapshot_clear(QcowSnapshot *sn)
{
    g_free(sn->id);
    g_free(sn->name);
    g_free(sn->extra);
    memset(sn, 0, sizeof(*sn));
}

void qcow_snapshots_free(QcowSnapshot *list, uint32_t count)
{
    for (uint32_t i = 0; list && i < count; i++) {
        qcow_snapshot_clear(&list[i]);
    }
    g_free(list);
}

/* Names are text for people: anything but a zero byte is kept. */
static char *get_name(WireBuffer *b, size_t len)
{
    const uint8_t *p = wire_get_ref(b, len);

    return p && !memchr(p, 0, len) ? g_strndup((const char *)p, len) : NULL;
}

static void get_extra(QcowSnapshot *sn, WireBuffer *b, uint64_t disk_size)
{
    size_t len = wire_left(b);

    sn->disk_size = disk_size;
    sn->icount = UINT64_MAX;
    if (len >= 8) {
        sn->vm_state_size = wire_get_be64(b);
    }
    if (len >= 16) {
        sn->disk_size = wire_get_be64(b);
    }
    if (len >= SNAPSHOT_EXTRA_KNOWN) {
        sn->icount = wire_get_be64(b);
    }
    if (len > SNAPSHOT_EXTRA_KNOWN) {
        sn->extra_len = (uint32_t)(len - SNAPSHOT_EXTRA_KNOWN);
        sn->extra = g_memdup2(wire_get_ref(b, sn->extra_len), sn->extra_len);
    }
}

static bool check_snapshot(const QcowSnapshot *sn, uint32_t i,
                           uint32_t extra_len, Error **errp)
{
    if (extra_len > QCOW_SNAPSHOT_EXTRA_MAX) {
        error_setg(errp,
                   "Too much extra metadata in snapshot table entry %" PRIu32
                   ": %" PRIu32 " bytes",
                   i, extra_len);
        return false;
    }
    if (sn->l1_size > QCOW_L1_MAX_BYTES / 8 || (sn->l1_offset & 511) ||
        sn->l1_offset > QCOW_HOST_OFFSET_MAX) {
        error_setg(errp,
                   "Snapshot table entry %" PRIu32 " has an L1 table of "
                   "%" PRIu32 " entries at %#" PRIx64 ", which is not valid",
                   i, sn->l1_size, sn->l1_offset);
        return false;
    }
    return true;
}

/* Returns: 1; 0 for more bytes; -1 with @errp set. */
static int get_snapshot(QcowSnapshot *sn, WireBuffer *b, uint32_t i,
                        uint64_t disk_size, Error **errp)
{
    size_t start = b->pos;
    uint32_t id_len, name_len, extra_len;
    WireBuffer extra;

    sn->l1_offset = wire_get_be64(b);
    sn->l1_size = wire_get_be32(b);
    id_len = wire_get_be16(b);
    name_len = wire_get_be16(b);
    sn->date_sec = wire_get_be32(b);
    sn->date_nsec = wire_get_be32(b);
    sn->vm_clock_nsec = wire_get_be64(b);
    sn->vm_state_size = wire_get_be32(b);
    extra_len = wire_get_be32(b);
    if (!wire_ok(b)) {
        return 0;
    }
    if (!check_snapshot(sn, i, extra_len, errp)) {
        return -1;
    }
    extra = wire_get_child(b, extra_len);
    if (wire_left(b) < id_len + name_len) {
        return 0;
    }
    get_extra(sn, &extra, disk_size);
    sn->id = get_name(b, id_len);
    sn->name = get_name(b, name_len);
    if (!sn->id || !sn->name || sn->disk_size > QCOW_SIZE_MAX) {
        error_setg(errp, "Snapshot table entry %" PRIu32 " is not valid", i);
        return -1;
    }
    wire_skip(b, MIN(-(b->pos - start) % 8, wire_left(b)));
    return 1;
}

QcowSnapshot *qcow_snapshots_decode(const uint8_t *buf, size_t len,
                                    uint32_t count, uint64_t disk_size,
                                    size_t *ret_used, bool *need_more,
                                    Error **errp)
{
    WireBuffer b = WIRE_READER(buf, len);
    QcowSnapshot *list;

    *need_more = false;
    if ((uint64_t)count * SNAPSHOT_FIXED_BYTES > len) {
        *need_more = true;
        return NULL;
    }
    list = g_new0(QcowSnapshot, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        int ret = get_snapshot(&list[i], &b, i, disk_size, errp);

        if (ret <= 0) {
            *need_more = ret == 0;
            qcow_snapshots_free(list, count);
            return NULL;
        }
    }
    *ret_used = b.pos;
    return list;
}

static void put_snapshot(WireBuffer *b, const QcowSnapshot *sn)
{
    size_t id_len = strlen(sn->id);
    size_t name_len = strlen(sn->name);
    size_t start = b->len;

    wire_put_be64(b, sn->l1_offset);
    wire_put_be32(b, sn->l1_size);
    wire_put_be16(b, (uint16_t)id_len);
    wire_put_be16(b, (uint16_t)name_len);
    wire_put_be32(b, sn->date_sec);
    wire_put_be32(b, sn->date_nsec);
    wire_put_be64(b, sn->vm_clock_nsec);
    wire_put_be32(
        b, sn->vm_state_size > UINT32_MAX ? 0 : (uint32_t)sn->vm_state_size);
    wire_put_be32(b, SNAPSHOT_EXTRA_KNOWN + sn->extra_len);
    wire_put_be64(b, sn->vm_state_size);
    wire_put_be64(b, sn->disk_size);
    wire_put_be64(b, sn->icount);
    wire_put_bytes(b, sn->extra, sn->extra_len);
    wire_put_bytes(b, sn->id, id_len);
    wire_put_bytes(b, sn->name, name_len);
    wire_put_space(b, -(b->len - start) % 8);
}

uint8_t *qcow_snapshots_encode(const QcowSnapshot *list, uint32_t count,
                               size_t *ret_len, Error **errp)
{
    WireBuffer b;

    wire_writer_init(&b, QCOW_SNAPSHOT_TABLE_MAX, false);
    for (uint32_t i = 0; i < count; i++) {
        if (strlen(list[i].id) > UINT16_MAX ||
            strlen(list[i].name) > UINT16_MAX) {
            wire_fail(&b);
        } else {
            put_snapshot(&b, &list[i]);
        }
    }
    if (!wire_ok(&b)) {
        wire_free(&b);
        error_setg(errp, "The snapshot table would be longer than %u bytes",
                   QCOW_SNAPSHOT_TABLE_MAX);
        return NULL;
    }
    return wire_steal(&b, ret_len);
}

/* -- bitmaps ------------------------------------------------------------------------ */

void qcow_bitmaps_free(QcowBitmap *list, uint32_t count)
{
    for (uint32_t i = 0; list && i < count; i++) {
        g_free(list[i].name);
    }
    g_free(list);
}

uint64_t qcow_bitmap_map_bytes(uint64_t disk_size, unsigned granularity_bits)
{
    return DIV_ROUND_UP(disk_size, UINT64_C(8) << granularity_bits);
}

static bool check_bitmap(const QcowBitmap *bm, unsigned cluster_bits,
                         uint64_t disk_size, Error **errp)
{
    uint64_t cluster = UINT64_C(1) << cluster_bits;
    uint64_t per_entry;

    if (bm->granularity_bits < QCOW_BITMAP_GRANULARITY_BITS_MIN ||
        bm->granularity_bits > QCOW_BITMAP_GRANULARITY_BITS_MAX) {
        error_setg(errp, "Bitmap '%s' has an unsupported granularity of 2^%u",
                   bm->name, bm->granularity_bits);
        return false;
    }
    if (bm->flags & QCOW_BITMAP_FLAGS_RESERVED) {
        error_setg(errp, "Bitmap '%s' has unknown flags %#" PRIx32, bm->name,
                   bm->flags);
        return false;
    }
    /* Bytes of the disk that an entry of the table stands for. */
    per_entry = cluster * 8 << bm->granularity_bits;
    if (bm->table_size == 0 || bm->table_size > QCOW_BITMAP_TABLE_MAX ||
        bm->table_offset == 0 || (bm->table_offset & (cluster - 1)) ||
        bm->table_offset > QCOW_HOST_OFFSET_MAX ||
        (!(bm->flags & QCOW_BITMAP_IN_USE) &&
         bm->table_size < DIV_ROUND_UP(disk_size, per_entry))) {
        error_setg(errp,
                   "Bitmap '%s' has a table of %" PRIu32 " entries at %#" PRIx64
                   ", which is not valid",
                   bm->name, bm->table_size, bm->table_offset);
        return false;
    }
    return true;
}

static bool get_bitmap(QcowBitmap *bm, WireBuffer *b, unsigned cluster_bits,
                       uint64_t disk_size, Error **errp)
{
    size_t start = b->pos;
    uint8_t type;
    uint16_t name_len;
    uint32_t extra_len;

    bm->table_offset = wire_get_be64(b);
    bm->table_size = wire_get_be32(b);
    bm->flags = wire_get_be32(b);
    bm->was_in_use = bm->flags & QCOW_BITMAP_IN_USE;
    type = wire_get_u8(b);
    bm->granularity_bits = wire_get_u8(b);
    name_len = wire_get_be16(b);
    extra_len = wire_get_be32(b);
    /* What additional data mean nobody has said yet. */
    if (!wire_ok(b) || type != QCOW_BITMAP_TYPE_DIRTY || extra_len != 0 ||
        name_len == 0 || name_len > QCOW_BITMAP_NAME_MAX) {
        error_setg(errp, "Bitmap directory entry at byte %zu is not valid",
                   start);
        return false;
    }
    bm->name = get_name(b, name_len);
    if (!bm->name || !g_utf8_validate(bm->name, -1, NULL)) {
        error_setg(errp, "Name in bitmap directory at byte %zu is not valid",
                   start);
        return false;
    }
    wire_skip(b, MIN(-(b->pos - start) % 8, wire_left(b)));
    return check_bitmap(bm, cluster_bits, disk_size, errp);
}

QcowBitmap *qcow_bitmaps_decode(const uint8_t *buf, size_t len, uint32_t count,
                                unsigned cluster_bits, uint64_t disk_size,
                                Error **errp)
{
    WireBuffer b = WIRE_READER(buf, len);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    QcowBitmap *list = g_new0(QcowBitmap, count + 1);
    uint64_t total = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (!get_bitmap(&list[i], &b, cluster_bits, disk_size, errp)) {
            qcow_bitmaps_free(list, count);
            return NULL;
        }
        total += qcow_bitmap_map_bytes(disk_size, list[i].granularity_bits);
        if (total > QCOW_BITMAP_MAPS_MAX) {
            error_setg(errp,
                       "Bitmaps up to '%s' need %" PRIu64 " bytes of memory; "
                       "at most %" PRIu64 " may be used",
                       list[i].name, total, QCOW_BITMAP_MAPS_MAX);
            qcow_bitmaps_free(list, count);
            return NULL;
        }
        if (!g_hash_table_add(seen, list[i].name)) {
            error_setg(errp, "Bitmap '%s' is in the directory twice",
                       list[i].name);
            qcow_bitmaps_free(list, count);
            return NULL;
        }
    }
    if (wire_left(&b) > 0) {
        error_setg(errp,
                   "Bitmap directory of %zu bytes has only %zu bytes of "
                   "entries",
                   len, b.pos);
        qcow_bitmaps_free(list, count);
        return NULL;
    }
    return list;
}

uint8_t *qcow_bitmaps_encode(const QcowBitmap *list, uint32_t count,
                             size_t *ret_len, Error **errp)
{
    WireBuffer b;

    wire_writer_init(&b, QCOW_BITMAP_DIR_MAX, false);
    for (uint32_t i = 0; i < count; i++) {
        size_t name_len = strlen(list[i].name);

        wire_put_be64(&b, list[i].table_offset);
        wire_put_be32(&b, list[i].table_size);
        wire_put_be32(&b, list[i].flags);
        wire_put_u8(&b, QCOW_BITMAP_TYPE_DIRTY);
        wire_put_u8(&b, list[i].granularity_bits);
        wire_put_be16(&b, (uint16_t)name_len);
        wire_put_be32(&b, 0);
        wire_put_bytes(&b, list[i].name, name_len);
        wire_put_space(&b, -name_len % 8);
    }
    if (!wire_ok(&b)) {
        wire_free(&b);
        error_setg(errp, "The bitmap directory would be longer than %u bytes",
                   QCOW_BITMAP_DIR_MAX);
        return NULL;
    }
    return wire_steal(&b, ret_len);
}
