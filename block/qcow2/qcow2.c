/*
 * The format "qcow2": disks that grow, with backing files, snapshots,
 * compression and encryption. This file is the class: its properties and what
 * it tells about an image. qcow2/internal.h says how the rest works together.
 *
 * Source: "Qcow2 Image File Format", versions 2 and 3.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "qapi/util.h"

static int qcow_probe(const uint8_t *buf, size_t len, const char *filename)
{
    uint32_t version = len >= 8 ? (uint32_t)ldl_be_p(buf + 4) : 0;

    return len >= 8 && (uint32_t)ldl_be_p(buf) == QCOW_MAGIC && version >= 2 &&
                   version <= 3
               ? 100
               : 0;
}

static char *qcow_filename(BlockNode *node)
{
    BlockNode *file = BLOCK_QCOW2(node)->file.node;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(file);

    return nc->filename ? nc->filename(file) : g_strdup("");
}

static int64_t allocated_of(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    return nc->allocated ? nc->allocated(node) : -ENOTSUP;
}

static int64_t qcow_allocated(BlockNode *node)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    int64_t file = allocated_of(s->file.node);
    int64_t data = s->data_file.node ? allocated_of(s->data_file.node) : 0;

    return file < 0 ? file : data < 0 ? data : file + data;
}

static int coroutine_fn qcow_co_info(BlockNode *node, NodeInfo *info)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);

    info->cluster_size = s->cluster_bytes;
    info->subcluster_size = s->ext_l2 ? 1 << s->sub_bits : 0;
    info->vm_state_offset = (int64_t)qcow_vmstate_offset(s);
    info->is_dirty = s->header.incompatible & QCOW_INCOMPAT_DIRTY;
    return 0;
}

static ImageInfoSpecificQCow2Encryption *encryption_info(BlockQcow2 *s)
{
    ImageInfoSpecificQCow2Encryption *e;
    g_autoptr(QCryptoBlockInfo) info = NULL;

    if (!s->crypt) {
        return NULL;
    }
    e = g_new0(ImageInfoSpecificQCow2Encryption, 1);
    e->format = BLOCKDEV_QCOW2_ENCRYPTION_FORMAT_AES;
    info = qcrypto_block_get_info(s->crypt, NULL);
    if (info && info->format == QCRYPTO_BLOCK_FORMAT_LUKS) {
        e->format = BLOCKDEV_QCOW2_ENCRYPTION_FORMAT_LUKS;
        e->u.luks = info->u.luks;
        /* It goes with @e. */
        memset(&info->u.luks, 0, sizeof(info->u.luks));
    }
    return e;
}

static ImageInfoSpecific *qcow_specific_info(BlockNode *node, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    const QcowHeader *h = &s->header;
    ImageInfoSpecific *spec = g_new0(ImageInfoSpecific, 1);
    ImageInfoSpecificQCow2 *q = g_new0(ImageInfoSpecificQCow2, 1);

    spec->type = IMAGE_INFO_SPECIFIC_KIND_QCOW2;
    spec->u.qcow2.data = q;
    q->compat = g_strdup(h->version >= 3 ? "1.1" : "0.10");
    q->refcount_bits = 1 << h->refcount_order;
    q->compression_type = h->compression == QCOW_COMPRESSION_ZSTD
                              ? QCOW2_COMPRESSION_TYPE_ZSTD
                              : QCOW2_COMPRESSION_TYPE_ZLIB;
    q->encrypt = encryption_info(s);
    if (h->version >= 3) {
        q->has_lazy_refcounts = q->has_corrupt = q->has_extended_l2 = true;
        q->lazy_refcounts = h->compatible & QCOW_COMPAT_LAZY_REFCOUNTS;
        q->corrupt = h->incompatible & QCOW_INCOMPAT_CORRUPT;
        q->extended_l2 = s->ext_l2;
        q->has_data_file_raw = qcow_has_data_file(s);
        q->data_file_raw = s->raw_data;
        q->data_file = g_strdup(h->data_file);
        q->bitmaps = qcow_bitmap_info(s);
        q->has_bitmaps = q->bitmaps != NULL;
    }
    return spec;
}

/* -- caches --------------------------------------------------------------------- */

static void coroutine_fn trim_entry(void *opaque)
{
    BlockQcow2 *s = opaque;
    unsigned ticket = qcow_enter(s);

    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        qcow_cache_trim(&s->l2);
    }
    WITH_QEMU_LOCK_GUARD(&s->ref_lock)
    {
        qcow_cache_trim(&s->refs);
    }
    qcow_leave(s, ticket);
}

static void trim_timer(void *opaque)
{
    BlockQcow2 *s = opaque;

    /* Not while somebody has the image for himself. */
    if (qatomic_mb_read(&s->epoch) < 2) {
        qemu_coroutine_enter(qemu_coroutine_create(trim_entry, s));
    }
    timer_mod(s->clean_timer,
              qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                  (int64_t)s->cache_clean_interval * NANOSECONDS_PER_SECOND);
}

static bool class_open(BlockNode *node, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);

    if (!qcow_open(node, errp)) {
        return false;
    }
    if (s->cache_clean_interval > 0) {
        s->clean_timer = aio_timer_new(node->ctx, QEMU_CLOCK_REALTIME, SCALE_NS,
                                       trim_timer, s);
        timer_mod(s->clean_timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                                      (int64_t)s->cache_clean_interval *
                                          NANOSECONDS_PER_SECOND);
    }
    return true;
}

static void class_close(BlockNode *node)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);

    g_clear_pointer(&s->clean_timer, timer_free);
    qcow_close(node);
}

/* -- properties ------------------------------------------------------------------- */

/* Which ones were given. */
static bool note_set(Object *obj, const Property *prop, const void *value,
                     Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(obj);
    const struct {
        const char *name;
        bool *set;
    } list[] = {
        { "lazy-refcounts", &s->lazy_refcounts_set },
        { "pass-discard-request", &s->pass_discard_request_set },
        { "cache-size", &s->cache_size_set },
        { "l2-cache-size", &s->l2_cache_size_set },
        { "refcount-cache-size", &s->refcount_cache_size_set },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(list); i++) {
        if (g_str_equal(prop->name, list[i].name)) {
            *list[i].set = true;
        }
    }
    return true;
}

static const char *const qcow_name_props[] = { "encrypt", NULL };

static const Property qcow_props[] = {
    { "file", PROP_JSON, offsetof(BlockQcow2, file_ref), .qapi_type = "any",
      .flags = PROP_F_REQUIRED, .help = "node-name, or a node to make",
      .since = "0.2" },
    { "backing", PROP_JSON, offsetof(BlockQcow2, backing_ref),
      .qapi_type = "any",
      .help = "what shows through; null or empty = nothing; default: as in the "
              "image",
      .since = "0.2" },
    { "data-file", PROP_JSON, offsetof(BlockQcow2, data_file_ref),
      .qapi_type = "any",
      .help = "where the data are; default: as in the image", .since = "0.2" },
    { "encrypt", PROP_JSON, offsetof(BlockQcow2, encrypt_ref),
      .qapi_type = "any",
      .help = "encrypt.format=luks or aes, encrypt.key-secret: id of a secret",
      .since = "0.2" },
    { "lazy-refcounts", PROP_BOOL, offsetof(BlockQcow2, lazy_refcounts),
      .check = note_set,
      .help = "write refcounts only at the end; default: as "
              "in the image",
      .since = "0.2" },
    { "pass-discard-request", PROP_BOOL,
      offsetof(BlockQcow2, pass_discard_request), .check = note_set,
      .help = "discard in the file what the guest discards; default: if "
              "discard=unmap",
      .since = "0.2" },
    { "pass-discard-snapshot", PROP_BOOL,
      offsetof(BlockQcow2, pass_discard_snapshot), .def = "on",
      .help = "discard in the file what only a deleted snapshot had",
      .since = "0.2" },
    { "pass-discard-other", PROP_BOOL, offsetof(BlockQcow2, pass_discard_other),
      .def = "off", .help = "discard in the file what is freed otherwise",
      .since = "0.2" },
    { "overlap-check", PROP_JSON, offsetof(BlockQcow2, overlap_ref),
      .qapi_type = "any",
      .help = "none, constant, cached or all: which metadata are protected "
              "from wrong writes (cached)",
      .since = "0.2" },
    { "cache-size", PROP_SIZE, offsetof(BlockQcow2, cache_size),
      .check = note_set, .unit = "bytes", .help = "both caches together",
      .since = "0.2" },
    { "l2-cache-size", PROP_SIZE, offsetof(BlockQcow2, l2_cache_size),
      .check = note_set, .unit = "bytes",
      .help = "cache for L2 tables; default: what the disk needs, 32M at most",
      .since = "0.2" },
    { "l2-cache-entry-size", PROP_SIZE, offsetof(BlockQcow2, l2_entry_size),
      .unit = "bytes", .help = "piece of an L2 table in the cache; 0 = 4k",
      .since = "0.2" },
    { "refcount-cache-size", PROP_SIZE,
      offsetof(BlockQcow2, refcount_cache_size), .check = note_set,
      .unit = "bytes", .help = "cache for refcounts; default: 4 clusters",
      .since = "0.2" },
    { "cache-clean-interval", PROP_UINT64,
      offsetof(BlockQcow2, cache_clean_interval), .def = "600", .min = 0,
      .max = INT32_MAX, .unit = "s",
      .help = "unused parts of the caches are freed after it; 0 = never",
      .since = "0.2" },
    {},
};

/* -- class ---------------------------------------------------------------------------- */

static void qcow_instance_init(Object *obj)
{
    BlockQcow2 *s = BLOCK_QCOW2(obj);

    qemu_co_mutex_init(&s->header_lock);
    qemu_co_mutex_init(&s->lock);
    qemu_co_mutex_init(&s->table_lock);
    qemu_co_mutex_init(&s->ref_lock);
    qemu_co_mutex_init(&s->commit_lock);
    qemu_co_mutex_init(&s->gate_lock);
    qemu_co_queue_init(&s->load_queue);
    qemu_co_queue_init(&s->gate_queue);
    qemu_co_queue_init(&s->empty_queue);
    qemu_spin_init(&s->spin);
    qemu_mutex_init(&s->unpack_lock);
    QLIST_INIT(&s->ranges);
    qcow_frees_init(&s->frees);
    s->metadata = g_hash_table_new(g_direct_hash, g_direct_equal);
}

static void qcow_instance_finalize(Object *obj)
{
    BlockQcow2 *s = BLOCK_QCOW2(obj);

    qcow_frees_deinit(&s->frees);
    g_hash_table_unref(s->metadata);
    qemu_mutex_destroy(&s->unpack_lock);
}

static void qcow_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "qcow2";
    nc->help = "disks that grow, with backing files and snapshots";
    nc->is_format = true;
    nc->supports_backing = true;
    nc->probe = qcow_probe;
    nc->open = class_open;
    nc->close = class_close;
    nc->reopen_prepare = qcow_reopen_prepare;
    nc->reopen_commit = qcow_reopen_commit;
    nc->reopen_abort = qcow_reopen_abort;
    nc->filename = qcow_filename;
    nc->name_props = qcow_name_props;
    nc->allocated = qcow_allocated;
    nc->co_preadv = qcow_co_preadv;
    nc->co_pwritev = qcow_co_pwritev;
    nc->co_pwritev_compressed = qcow_co_pwritev_compressed;
    nc->co_flush = qcow_co_flush;
    nc->co_pdiscard = qcow_co_pdiscard;
    nc->co_pwrite_zeroes = qcow_co_pwrite_zeroes;
    nc->co_block_status = qcow_co_block_status;
    nc->co_truncate = qcow_co_truncate;
    nc->co_info = qcow_co_info;
    nc->specific_info = qcow_specific_info;
    nc->co_check = qcow_co_check;
    nc->co_make_empty = qcow_co_make_empty;
    nc->co_change_backing = qcow_co_change_backing;
    nc->co_snapshot_create = qcow_co_snapshot_create;
    nc->co_snapshot_goto = qcow_co_snapshot_goto;
    nc->co_snapshot_delete = qcow_co_snapshot_delete;
    nc->snapshot_list = qcow_snapshot_list;
    nc->co_snapshot_load_tmp = qcow_co_snapshot_load_tmp;
    nc->co_save_vmstate = qcow_co_save_vmstate;
    nc->co_load_vmstate = qcow_co_load_vmstate;
    nc->co_forget_vmstate = qcow_co_forget_vmstate;
    nc->co_can_store_bitmap = qcow_co_can_store_bitmap;
    nc->co_remove_bitmap = qcow_co_remove_bitmap;
    nc->co_inactivate = qcow_co_inactivate;
    nc->co_activate = qcow_co_activate;
}

extern const TypeInfo block_type_qcow2;
const TypeInfo block_type_qcow2 = {
    .name = TYPE_BLOCK_QCOW2,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(BlockQcow2),
    .instance_init = qcow_instance_init,
    .instance_finalize = qcow_instance_finalize,
    .class_init = qcow_class_init,
    .props = qcow_props,
};
