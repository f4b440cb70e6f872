/*
 * Dirty bitmaps: the source's side (see bitmap/bitmaps.h).
 *
 * Bits go in chunks of at most CHUNK_BYTES of the map; one without a set bit is
 * named and has no bytes. A chunk says which bitmap it is of only where that
 * changes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/bitmap/bitmaps.h"
#include "migration/bitmap/mapping.h"
#include "migration/bitmap/wire.h"
#include "migration/stream/stream-wire.h"
#include "trace/trace-migration.h"
#include "util/atomic.h"

/* Bytes of bits in one chunk: what QEMU sends, and takes. */
#define CHUNK_BYTES 1024u
/* Sectors are 32 bits on the wire. */
#define CHUNK_DISK_BYTES_MAX (UINT64_C(1) << 40)

typedef struct Outgoing {
    char *node_alias;
    char *alias;
    void *bitmap; /* held */
    uint32_t granularity;
    bool enabled;
    bool persistent;
    uint64_t next; /* sector: those before it are sent */
} Outgoing;

struct BitmapSender {
    const MigrationBitmapOps *ops;
    void *opaque;
    const json_t *mapping; /* borrowed; while it is made */
    BitmapStats *stats;
    GPtrArray *list;      /* of Outgoing, in their order */
    guint at;             /* those before it are complete */
    const Outgoing *said; /* the one that the last chunk named */
};

void bitmap_stats_clear(BitmapStats *s)
{
    g_free(s->error);
    memset(s, 0, sizeof(*s));
}

/* -- which ---------------------------------------------------------------------- */

static bool check_alias(const char *what, const char *alias,
                        const MigrationBitmapInfo *info, Error **errp)
{
    size_t len = strlen(alias);

    if (len > 0 && len <= BITMAP_NAME_MAX && stream_is_text(alias, len) &&
        alias[0] != '#') {
        return true;
    }
    error_setg(errp,
               "dirty bitmap '%s' of node '%s' cannot be migrated: the name of "
               "the %s %s; give it an alias by parameter "
               "'block-bitmap-mapping'",
               info->name, info->node, what,
               alias[0] == '#'         ? "was generated"
               : len == 0              ? "is empty"
               : len > BITMAP_NAME_MAX ? "has more than 255 bytes"
                                       : "has characters that cannot be sent");
    return false;
}

/* Returns: 1: it goes, as @ret says; 0: it stays; -1: error. */
static int choose(const json_t *mapping, const MigrationBitmapInfo *info,
                  BitmapMapped *ret, Error **errp)
{
    if (!mapping) {
        *ret = (BitmapMapped){
            .node = info->device ? info->device : info->node,
            .name = info->name,
        };
        if (info->read_only) {
            return 0; /* the destination finds it in the image */
        }
        return check_alias("node", ret->node, info, errp) &&
                       check_alias("bitmap", ret->name, info, errp)
                   ? 1
                   : -1;
    }
    if (!bitmap_mapping_alias(mapping, info->node, info->name, ret)) {
        return 0;
    }
    if (info->read_only) {
        error_setg(errp,
                   "dirty bitmap '%s' of node '%s' is stored in an image that "
                   "is read-only and cannot be migrated",
                   info->name, info->node);
        return -1;
    }
    return 1;
}

static uint64_t map_bytes(const BitmapSender *s, const Outgoing *o)
{
    int64_t size = s->ops->size(s->opaque, o->bitmap);

    return DIV_ROUND_UP(DIV_ROUND_UP((uint64_t)size, o->granularity), 8);
}

static bool add_bitmap(void *arg, const MigrationBitmapInfo *info, void *bitmap,
                       Error **errp)
{
    BitmapSender *s = arg;
    BitmapMapped as;
    int goes = choose(s->mapping, info, &as, errp);
    Outgoing *o;

    if (goes <= 0) {
        return goes == 0;
    }
    if (s->list->len >= BITMAPS_MAX) {
        error_setg(errp, "more than %d dirty bitmaps to migrate", BITMAPS_MAX);
        return false;
    }
    if (!s->ops->hold(s->opaque, bitmap, errp)) {
        error_prepend(errp, "dirty bitmap cannot be migrated: ");
        return false;
    }
    o = g_new0(Outgoing, 1);
    o->node_alias = g_strdup(as.node);
    o->alias = g_strdup(as.name);
    o->bitmap = bitmap;
    o->granularity = info->granularity;
    o->enabled = info->enabled;
    o->persistent = as.set_persistent ? as.persistent : info->persistent;
    g_ptr_array_add(s->list, o);
    trace_migration_bitmap_goes(info->node, info->name, as.node, as.name);
    return true;
}

static void outgoing_free(void *data)
{
    Outgoing *o = data;

    g_free(o->node_alias);
    g_free(o->alias);
    g_free(o);
}

BitmapSender *bitmap_sender_new(const MigrationBitmapOps *ops, void *opaque,
                                const json_t *mapping, BitmapStats *stats,
                                Error **errp)
{
    BitmapSender *s = g_new0(BitmapSender, 1);

    s->ops = ops;
    s->opaque = opaque;
    s->mapping = mapping;
    s->stats = stats;
    s->list = g_ptr_array_new_with_free_func(outgoing_free);
    if (!ops->visit(opaque, add_bitmap, s, errp) || s->list->len == 0) {
        bitmap_sender_free(s);
        return NULL;
    }
    s->mapping = NULL;
    return s;
}

void bitmap_sender_free(BitmapSender *s)
{
    if (!s) {
        return;
    }
    for (guint i = 0; i < s->list->len; i++) {
        const Outgoing *o = g_ptr_array_index(s->list, i);

        s->ops->unhold(s->opaque, o->bitmap);
    }
    g_ptr_array_unref(s->list);
    g_free(s);
}

/* -- chunks ------------------------------------------------------------------------- */

static void put_chunk(BitmapSender *s, QEMUFile *f, const Outgoing *o,
                      BitmapChunk *c)
{
    uint8_t buf[BITMAP_CHUNK_MAX];

    if (o && (!s->said || !g_str_equal(s->said->node_alias, o->node_alias))) {
        c->flags |= BITMAP_CHUNK_NODE;
        g_strlcpy(c->node, o->node_alias, sizeof(c->node));
    }
    if (o && s->said != o) {
        c->flags |= BITMAP_CHUNK_BITMAP;
        g_strlcpy(c->bitmap, o->alias, sizeof(c->bitmap));
        s->said = o;
    }
    qemu_put_buffer(f, buf, bitmap_chunk_encode(c, buf));
}

static void put_plain(BitmapSender *s, QEMUFile *f, const Outgoing *o,
                      unsigned flags)
{
    BitmapChunk c = { .flags = flags };

    put_chunk(s, f, o, &c);
}

void bitmap_sender_put_start(BitmapSender *s, QEMUFile *f)
{
    uint64_t bytes = 0;

    for (guint i = 0; i < s->list->len; i++) {
        const Outgoing *o = g_ptr_array_index(s->list, i);
        BitmapChunk c = {
            .flags = BITMAP_CHUNK_START,
            .granularity = o->granularity,
            .enabled = o->enabled,
            .persistent = o->persistent,
        };

        put_chunk(s, f, o, &c);
        bytes += map_bytes(s, o);
    }
    put_plain(s, f, NULL, BITMAP_CHUNK_EOS);
    qatomic_set(&s->stats->bitmaps, s->list->len);
    qatomic_set(&s->stats->bytes, bytes);
}

/* The next chunk of @o. Returns: false: all of it has been sent. */
static bool put_next(BitmapSender *s, QEMUFile *f, Outgoing *o)
{
    uint64_t size = (uint64_t)s->ops->size(s->opaque, o->bitmap);
    uint64_t end = DIV_ROUND_UP(size, UINT64_C(1) << BITMAP_SECTOR_BITS);
    uint64_t step =
        MIN(UINT64_C(8) * CHUNK_BYTES * o->granularity, CHUNK_DISK_BYTES_MAX) >>
        BITMAP_SECTOR_BITS;
    uint64_t first_bit = (o->next << BITMAP_SECTOR_BITS) / o->granularity;
    uint8_t bits[CHUNK_BYTES] = { 0 };
    BitmapChunk c = { .flags = BITMAP_CHUNK_BITS, .first_sector = o->next };

    if (o->next >= end) {
        return false;
    }
    c.sectors = (uint32_t)MIN(step, end - o->next);
    c.data_len = bitmap_data_len(c.sectors, o->granularity);
    s->ops->bits(s->opaque, o->bitmap, first_bit / 8, c.data_len, bits);
    if (bits[0] == 0 && memcmp(bits, bits + 1, c.data_len - 1) == 0) {
        c.flags |= BITMAP_CHUNK_ZEROES;
        c.data_len = 0;
    }
    put_chunk(s, f, o, &c);
    qemu_put_buffer(f, bits, c.data_len);
    o->next += c.sectors;
    qatomic_set(
        &s->stats->done,
        s->stats->done +
            DIV_ROUND_UP(DIV_ROUND_UP((uint64_t)c.sectors << BITMAP_SECTOR_BITS,
                                      o->granularity),
                         8));
    return true;
}

bool bitmap_sender_put_bits(BitmapSender *s, QEMUFile *f, uint64_t most)
{
    uint64_t stop = qemu_file_transferred(f) + MIN(most, UINT64_MAX / 2);

    while (s->at < s->list->len && qemu_file_transferred(f) < stop &&
           qemu_file_get_error(f) == 0) {
        Outgoing *o = g_ptr_array_index(s->list, s->at);

        if (!put_next(s, f, o)) {
            put_plain(s, f, o, BITMAP_CHUNK_COMPLETE);
            trace_migration_bitmap_sent(o->node_alias, o->alias);
            s->at++;
            qatomic_set(&s->stats->completed, s->at);
        }
    }
    put_plain(s, f, NULL, BITMAP_CHUNK_EOS);
    return bitmap_sender_is_done(s);
}

bool bitmap_sender_is_done(const BitmapSender *s)
{
    return s->at == s->list->len;
}

void bitmap_sender_rewind(BitmapSender *s)
{
    for (guint i = 0; i < s->list->len; i++) {
        Outgoing *o = g_ptr_array_index(s->list, i);

        o->next = 0;
    }
    s->at = 0;
    s->said = NULL;
    qatomic_set(&s->stats->completed, 0);
    qatomic_set(&s->stats->done, 0);
}

uint64_t bitmap_sender_pending(BitmapSender *s)
{
    uint64_t bytes = 0;

    for (guint i = s->at; i < s->list->len; i++) {
        const Outgoing *o = g_ptr_array_index(s->list, i);
        uint64_t sent = (o->next << BITMAP_SECTOR_BITS) / o->granularity / 8;
        uint64_t all = map_bytes(s, o);

        bytes += all - MIN(sent, all);
    }
    return bytes;
}
