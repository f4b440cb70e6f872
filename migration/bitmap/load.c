/*
 * Dirty bitmaps: the destination's side (see bitmap/bitmaps.h). All that comes is a
 * peer's.
 *
 * Names, sizes and places are checked before anything is done. That every part
 * of a bitmap has come is checked too: a disk that is longer here than there
 * would else have pieces that nobody knows to be dirty.
 *
 * Thread: the one that loads; in post-copy bits come in another than the one in
 * which the guest is let run: @lock. The main loop takes it as the guest begins to
 * run; so what asks the main loop for something with it held happens before there
 * are two threads (START), or after that (the end of a bitmap).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/bitmap/bitmaps.h"
#include "migration/bitmap/mapping.h"
#include "migration/bitmap/wire.h"
#include "trace/trace-migration.h"
#include "util/atomic.h"
#include "util/error-report.h"
#include "util/lockable.h"
#include "util/thread.h"

/* Bytes of all maps of one migration. */
#define MAPS_BYTES_MAX (UINT64_C(1) << 30)

typedef struct Incoming {
    char *node_alias;
    char *alias;
    char *node; /* as it is called here */
    char *name;
    void *bitmap; /* NULL: finished or dropped */
    uint32_t granularity;
    uint64_t sectors; /* that it covers */
    uint64_t here;    /* up to this sector all bits have come */
    bool complete;
} Incoming;

struct BitmapLoader {
    const MigrationBitmapOps *ops;
    void *opaque;
    json_t *mapping; /* reference, or NULL */
    bool enabled;
    BitmapStats *stats;

    QemuMutex lock; /* guards what follows */
    GPtrArray *list;
    GHashTable *by_alias; /* of @list: node alias, NUL.., see key_of() */
    char node_alias[BITMAP_NAME_MAX + 1]; /* the last that was named */
    Incoming *current;                    /* the last that was named, or NULL */
    bool known;                           /* all have begun that will */
    bool running;  /* the guest runs here: nothing that is wrong ends it */
    bool given_up; /* what comes is read and dropped */
};

static void incoming_free(void *data)
{
    Incoming *in = data;

    g_free(in->node_alias);
    g_free(in->alias);
    g_free(in->node);
    g_free(in->name);
    g_free(in);
}

BitmapLoader *bitmap_loader_new(const MigrationBitmapOps *ops, void *opaque,
                                const json_t *mapping, bool enabled,
                                BitmapStats *stats)
{
    BitmapLoader *l = g_new0(BitmapLoader, 1);

    l->ops = ops;
    l->opaque = opaque;
    l->mapping = json_incref((json_t *)mapping);
    l->enabled = enabled;
    l->stats = stats;
    qemu_mutex_init(&l->lock);
    l->list = g_ptr_array_new_with_free_func(incoming_free);
    l->by_alias = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return l;
}

/* Those that were not finished. */
static void drop_all(BitmapLoader *l)
{
    for (guint i = 0; i < l->list->len; i++) {
        Incoming *in = g_ptr_array_index(l->list, i);

        if (in->bitmap) {
            l->ops->drop(l->opaque, g_steal_pointer(&in->bitmap));
        }
    }
}

void bitmap_loader_free(BitmapLoader *l)
{
    if (!l) {
        return;
    }
    drop_all(l);
    g_hash_table_destroy(l->by_alias);
    g_ptr_array_unref(l->list);
    json_decref(l->mapping);
    qemu_mutex_destroy(&l->lock);
    g_free(l);
}

/* -- giving up ---------------------------------------------------------------------- */

/* The guest goes on without them. Takes @err. */
static void give_up(BitmapLoader *l, Error *err)
{
    l->given_up = true;
    l->current = NULL;
    trace_migration_bitmaps_given_up(error_get_pretty(err));
    warn_report("migration: dirty bitmaps that have not come completely are "
                "dropped: %s",
                error_get_pretty(err));
    if (!l->stats->error) {
        qatomic_store_release(&l->stats->error,
                              g_strdup(error_get_pretty(err)));
    }
    error_free(err);
    drop_all(l);
}

/* -- chunks --------------------------------------------------------------------------- */

/* Aliases are text without control characters. */
static char *key_of(const char *node_alias, const char *alias)
{
    return g_strconcat(node_alias, "\n", alias, NULL);
}

static Incoming *find(BitmapLoader *l, const char *alias)
{
    g_autofree char *key = key_of(l->node_alias, alias);

    return g_hash_table_lookup(l->by_alias, key);
}

static bool may_start(BitmapLoader *l, const BitmapChunk *c, Error **errp)
{
    if (!l->enabled) {
        error_setg(errp,
                   "the source sends dirty bitmap '%s', but capability "
                   "dirty-bitmaps is off here",
                   c->bitmap);
        return false;
    }
    if (l->known) {
        error_setg(errp, "dirty bitmap '%s' begins in post-copy", c->bitmap);
        return false;
    }
    if (l->running) {
        error_setg(errp, "dirty bitmap '%s' begins when the guest runs already",
                   c->bitmap);
        return false;
    }
    if (!(c->flags & BITMAP_CHUNK_BITMAP) || !l->node_alias[0]) {
        error_setg(errp, "a dirty bitmap begins without a name or node");
        return false;
    }
    if (find(l, c->bitmap)) {
        error_setg(errp, "dirty bitmap '%s' of '%s' begins twice", c->bitmap,
                   l->node_alias);
        return false;
    }
    if (l->list->len >= BITMAPS_MAX) {
        error_setg(errp, "more than %d dirty bitmaps", BITMAPS_MAX);
        return false;
    }
    return true;
}

static uint64_t map_bytes(const Incoming *in)
{
    return DIV_ROUND_UP(
        DIV_ROUND_UP(in->sectors << BITMAP_SECTOR_BITS, in->granularity), 8);
}

/* @bitmap is ours now. */
static bool add(BitmapLoader *l, const BitmapChunk *c, const BitmapMapped *as,
                void *bitmap, Error **errp)
{
    int64_t size = l->ops->size(l->opaque, bitmap);
    Incoming *in = g_new0(Incoming, 1);
    uint64_t bytes;

    in->node_alias = g_strdup(l->node_alias);
    in->alias = g_strdup(c->bitmap);
    in->node = g_strdup(as->node);
    in->name = g_strdup(as->name);
    in->bitmap = bitmap;
    in->granularity = c->granularity;
    in->sectors =
        DIV_ROUND_UP((uint64_t)size, UINT64_C(1) << BITMAP_SECTOR_BITS);
    g_ptr_array_add(l->list, in);
    g_hash_table_insert(l->by_alias, key_of(l->node_alias, c->bitmap), in);
    l->current = in;
    bytes = l->stats->bytes + map_bytes(in);
    qatomic_set(&l->stats->bitmaps, l->list->len);
    qatomic_set(&l->stats->bytes, bytes);
    if (bytes > MAPS_BYTES_MAX) {
        error_setg(errp,
                   "dirty bitmap '%s' of node '%s': with it %" PRIu64
                   " bytes of bitmaps come, at most %" PRIu64,
                   as->name, as->node, bytes, MAPS_BYTES_MAX);
        return false;
    }
    trace_migration_bitmap_comes(in->node_alias, in->alias, in->node, in->name);
    return true;
}

static bool do_start(BitmapLoader *l, const BitmapChunk *c, Error **errp)
{
    BitmapMapped as = { .node = l->node_alias, .name = c->bitmap };
    MigrationBitmapInfo info;
    void *bitmap;

    if (!may_start(l, c, errp) ||
        (l->mapping && !bitmap_mapping_name(l->mapping, l->node_alias,
                                            c->bitmap, &as, errp))) {
        return false;
    }
    info = (MigrationBitmapInfo){
        .node = as.node,
        .name = as.name,
        .granularity = c->granularity,
        .enabled = c->enabled,
        .persistent = as.set_persistent ? as.persistent : c->persistent,
    };
    bitmap = l->ops->create(l->opaque, &info, errp);
    if (!bitmap) {
        error_prepend(errp, "dirty bitmap '%s' of node '%s': ", as.name,
                      as.node);
        return false;
    }
    return add(l, c, &as, bitmap, errp);
}

static bool check_place(const Incoming *in, const BitmapChunk *c, Error **errp)
{
    uint64_t piece = (uint64_t)in->granularity * 8 >> BITMAP_SECTOR_BITS;

    if (c->first_sector > in->sectors ||
        c->sectors > in->sectors - c->first_sector) {
        error_setg(errp,
                   "dirty bitmap '%s' of node '%s': bits of %" PRIu32
                   " sectors at %" PRIu64 ", the disk here has %" PRIu64,
                   in->name, in->node, c->sectors, c->first_sector,
                   in->sectors);
        return false;
    }
    if (c->first_sector % piece) {
        error_setg(errp,
                   "dirty bitmap '%s' of node '%s': bits from sector %" PRIu64
                   ", which is no multiple of %" PRIu64,
                   in->name, in->node, c->first_sector, piece);
        return false;
    }
    if (!(c->flags & BITMAP_CHUNK_ZEROES) &&
        c->data_len != bitmap_data_len(c->sectors, in->granularity)) {
        error_setg(errp,
                   "dirty bitmap '%s' of node '%s': %" PRIu32
                   " bytes of bits for %" PRIu32 " sectors of granularity "
                   "%" PRIu32,
                   in->name, in->node, c->data_len, c->sectors,
                   in->granularity);
        return false;
    }
    return true;
}

static void note_place(BitmapLoader *l, Incoming *in, const BitmapChunk *c)
{
    uint64_t end = c->first_sector + c->sectors;
    uint64_t bits;

    if (c->first_sector > in->here || end <= in->here) {
        return;
    }
    bits = ((end - in->here) << BITMAP_SECTOR_BITS) / in->granularity;
    in->here = end;
    qatomic_set(&l->stats->done,
                MIN(l->stats->done + bits / 8, l->stats->bytes));
}

static bool do_bits(BitmapLoader *l, Incoming *in, const BitmapChunk *c,
                    const uint8_t *bits, Error **errp)
{
    if (in->complete && l->running) {
        return true; /* again, after a recovery: the user has it by now */
    }
    if (in->complete) {
        error_setg(errp, "dirty bitmap '%s' of node '%s': bits after its end",
                   in->name, in->node);
        return false;
    }
    if (!check_place(in, c, errp)) {
        return false;
    }
    if (c->data_len) {
        uint64_t first_bit =
            (c->first_sector << BITMAP_SECTOR_BITS) / in->granularity;

        l->ops->merge(l->opaque, in->bitmap, first_bit / 8, c->data_len, bits);
    }
    note_place(l, in, c);
    return true;
}

static bool do_complete(BitmapLoader *l, Incoming *in, Error **errp)
{
    if (in->complete) {
        return true;
    }
    if (in->here < in->sectors) {
        error_setg(errp,
                   "dirty bitmap '%s' of node '%s' ends at sector %" PRIu64
                   ", the disk here has %" PRIu64,
                   in->name, in->node, in->here, in->sectors);
        return false;
    }
    in->complete = true;
    qatomic_set(&l->stats->completed, l->stats->completed + 1);
    trace_migration_bitmap_here(in->node, in->name);
    if (l->running) {
        l->ops->finish(l->opaque, g_steal_pointer(&in->bitmap));
    }
    return true;
}

/* Which bitmap is @c about? */
static bool name_current(BitmapLoader *l, const BitmapChunk *c, Error **errp)
{
    if (c->flags & BITMAP_CHUNK_NODE) {
        g_strlcpy(l->node_alias, c->node, sizeof(l->node_alias));
        l->current = NULL;
    }
    if (c->flags & BITMAP_CHUNK_START) {
        return true;
    }
    if (c->flags & BITMAP_CHUNK_BITMAP) {
        l->current = find(l, c->bitmap);
    }
    if (!l->current) {
        error_setg(errp,
                   "bits of dirty bitmap '%s' of '%s', which has not "
                   "begun",
                   c->bitmap, l->node_alias);
    }
    return l->current != NULL;
}

/* @bits: c->data_len bytes. */
static bool do_chunk(BitmapLoader *l, const BitmapChunk *c, const uint8_t *bits,
                     Error **errp)
{
    if (l->given_up || (c->flags & BITMAP_CHUNK_EOS)) {
        return true;
    }
    if (!name_current(l, c, errp)) {
        return false;
    }
    if (c->flags & BITMAP_CHUNK_START) {
        return do_start(l, c, errp);
    }
    if (c->flags & BITMAP_CHUNK_COMPLETE) {
        return do_complete(l, l->current, errp);
    }
    return do_bits(l, l->current, c, bits, errp);
}

/* -- the stream ------------------------------------------------------------------------- */

/* Reads no byte behind the chunk that is not here already. */
static bool get_chunk(QEMUFile *f, BitmapChunk *c, Error **errp)
{
    size_t want = 1;

    for (;;) {
        uint8_t *buf;
        size_t have = qemu_peek_buffer(f, &buf, want, 0);
        int n;

        if (have < want) {
            break;
        }
        have = qemu_peek_buffer(
            f, &buf, CLAMP(qemu_file_held(f), want, BITMAP_CHUNK_MAX), 0);
        n = bitmap_chunk_decode(buf, have, c, errp);
        if (n < 0) {
            return false;
        }
        if (n > 0) {
            qemu_file_skip(f, (size_t)n);
            return true;
        }
        want = have + 1;
    }
    if (!qemu_file_get_error_obj(f, errp)) {
        error_setg(errp, "dirty bitmaps: the stream ends in a chunk");
    }
    return false;
}

static uint8_t *get_bits(QEMUFile *f, size_t len, Error **errp)
{
    uint8_t *bits = g_malloc(len + 1); /* BITMAP_DATA_MAX at most */

    if (qemu_get_buffer(f, bits, len) < len) {
        if (!qemu_file_get_error_obj(f, errp)) {
            error_setg(errp, "dirty bitmaps: the stream ends in bits");
        }
        g_free(bits);
        return NULL;
    }
    return bits;
}

/* Returns: false: the load cannot go on. */
static bool take_chunk(BitmapLoader *l, const BitmapChunk *c,
                       const uint8_t *bits, Error **errp)
{
    Error *err = NULL;

    QEMU_LOCK_GUARD(&l->lock);
    if (do_chunk(l, c, bits, &err)) {
        return true;
    }
    if (!l->running) {
        error_propagate(errp, err);
        return false;
    }
    give_up(l, err);
    return true;
}

bool bitmap_loader_load(BitmapLoader *l, QEMUFile *f, Error **errp)
{
    BitmapChunk c;

    do {
        g_autofree uint8_t *bits = NULL;

        if (!get_chunk(f, &c, errp) ||
            !(bits = get_bits(f, c.data_len, errp)) ||
            !take_chunk(l, &c, bits, errp)) {
            return false;
        }
    } while (!(c.flags & BITMAP_CHUNK_EOS));
    return true;
}

/* -- the end --------------------------------------------------------------------------------- */

/* The first that is not complete; NULL. */
static const Incoming *incomplete(const BitmapLoader *l)
{
    for (guint i = 0; i < l->list->len; i++) {
        const Incoming *in = g_ptr_array_index(l->list, i);

        if (!in->complete) {
            return in;
        }
    }
    return NULL;
}

static void incomplete_error(const Incoming *in, Error **errp)
{
    error_setg(errp,
               "the stream ended before all of dirty bitmap '%s' of node '%s' "
               "had come",
               in->name, in->node);
}

bool bitmap_loader_check(BitmapLoader *l, Error **errp)
{
    const Incoming *in;

    QEMU_LOCK_GUARD(&l->lock);
    in = incomplete(l);
    if (in) {
        incomplete_error(in, errp);
    }
    return !in;
}

void bitmap_loader_listen(BitmapLoader *l)
{
    if (l) {
        QEMU_LOCK_GUARD(&l->lock);
        l->known = true;
    }
}

void bitmap_loader_begin(BitmapLoader *l)
{
    if (!l) {
        return;
    }
    QEMU_LOCK_GUARD(&l->lock);
    l->running = true;
    for (guint i = 0; i < l->list->len; i++) {
        Incoming *in = g_ptr_array_index(l->list, i);

        if (in->complete && in->bitmap) {
            l->ops->finish(l->opaque, g_steal_pointer(&in->bitmap));
        } else if (in->bitmap) {
            l->ops->begin(l->opaque, in->bitmap);
        }
    }
}

void bitmap_loader_end(BitmapLoader *l)
{
    const Incoming *in;
    Error *err = NULL;

    if (!l) {
        return;
    }
    QEMU_LOCK_GUARD(&l->lock);
    in = incomplete(l);
    if (in && !l->given_up) {
        incomplete_error(in, &err);
        give_up(l, err);
    }
}
