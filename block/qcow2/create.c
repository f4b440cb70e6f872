/*
 * Creation of qcow2 images: blockdev-create, ferry-img create, measure.
 *
 * The file gets header, refcount table and blocks, L1 table and, if encrypted,
 * room for the LUKS header, in this order of clusters; the header's cluster is
 * written last. Preallocation opens the image and fills it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/create.h"

#include "block/create.h"
#include "block/format/crypt-header.h"
#include "block/qcow2/internal.h"
#include "util/host-utils.h"

#define TYPE_BLOCK_CREATE_QCOW2 TYPE_BLOCK_CREATE "-qcow2"
OBJECT_DECLARE_SIMPLE_TYPE(BlockCreateQcow2, BLOCK_CREATE_QCOW2)

struct BlockCreateQcow2 {
    BlockCreateFormat parent_obj;

    uint64_t size;
    int version; /* 0: v2, 1: v3 */
    char *backing_file;
    char *backing_format;
    json_t *encrypt_ref;
    uint64_t cluster_size;
    int preallocation;
    bool lazy_refcounts;
    uint64_t refcount_bits;
    int compression_type;
    json_t *data_file_ref;
    bool data_file_raw;
    bool extended_l2;
};

/* A new image. */
typedef struct Maker {
    BlockCreateQcow2 *c;
    BlockNode *file;
    QcowHeader h;
    uint64_t cluster;
    uint64_t crypt_bytes;
    uint64_t l1_clusters;
    uint64_t crypt_clusters;
    uint64_t blocks;
    uint64_t table_clusters;
    uint64_t total; /* clusters */
} Maker;

/* -- options ---------------------------------------------------------------------- */

static QCryptoBlockCreateOptions *encrypt_options(const BlockCreateQcow2 *c,
                                                  Error **errp)
{
    const char *format =
        json_string_value(json_object_get(c->encrypt_ref, "format"));

    if (!format) {
        error_setg(errp, "Parameter 'encrypt.format' is missing");
        return NULL;
    }
    if (!g_str_equal(format, "luks")) {
        error_setg(errp,
                   "Encryption format '%s' is not supported for new "
                   "images; use 'luks'",
                   format);
        return NULL;
    }
    return qcow_luks_create_options(c->encrypt_ref, errp);
}

static bool check_version(const BlockCreateQcow2 *c, Error **errp)
{
    const char *what = NULL;

    if (c->version > 0) {
        return true;
    }
    if (c->lazy_refcounts) {
        what = "Lazy refcounts";
    } else if (c->refcount_bits != 16) {
        what = "Different refcount widths than 16 bits";
    } else if (c->extended_l2) {
        what = "Extended L2 entries";
    } else if (c->compression_type != QCOW2_COMPRESSION_TYPE_ZLIB) {
        what = "Non-zlib compression types";
    } else if (c->data_file_ref) {
        what = "External data files";
    }
    if (what) {
        error_setg(errp,
                   "%s are only supported with compatibility level 1.1 "
                   "and above (use version=v3 or greater)",
                   what);
    }
    return !what;
}

static bool check_geometry(const BlockCreateQcow2 *c, Error **errp)
{
    if (!is_power_of_2(c->cluster_size) ||
        c->cluster_size < 1u << QCOW_CLUSTER_BITS_MIN ||
        c->cluster_size > 1u << QCOW_CLUSTER_BITS_MAX) {
        error_setg(errp, "Cluster size must be a power of two between 512 and "
                         "2048k");
        return false;
    }
    if (c->extended_l2 && c->cluster_size < 1u << QCOW_CLUSTER_BITS_EXT_MIN) {
        error_setg(errp,
                   "Extended L2 entries are only supported with cluster "
                   "sizes of at least %u bytes",
                   1u << QCOW_CLUSTER_BITS_EXT_MIN);
        return false;
    }
    if (!is_power_of_2(c->refcount_bits) || c->refcount_bits > 64) {
        error_setg(errp, "Refcount width must be a power of two and may not "
                         "exceed 64 bits");
        return false;
    }
    if (c->size > QCOW_SIZE_MAX ||
        c->size / c->cluster_size >
            QCOW_L1_MAX_BYTES / 8 *
                (c->cluster_size / (c->extended_l2 ? 16 : 8))) {
        error_setg(errp,
                   "The image size %" PRIu64 " is too large for file "
                   "format 'qcow2'; try a larger cluster size",
                   c->size);
        return false;
    }
    return true;
}

static bool check_together(const BlockCreateQcow2 *c, Error **errp)
{
    if (c->data_file_raw && !c->data_file_ref) {
        error_setg(errp, "data-file-raw requires data-file");
        return false;
    }
    if (c->data_file_raw && c->backing_file) {
        error_setg(errp, "Backing file and data-file-raw cannot be used at the "
                         "same time");
        return false;
    }
    if (c->backing_format && !c->backing_file) {
        error_setg(errp, "Backing format cannot be used without backing file");
        return false;
    }
    if (c->backing_file && c->preallocation != PREALLOC_MODE_OFF &&
        !c->extended_l2) {
        error_setg(errp, "Backing file and preallocation can only be used at "
                         "the same time if extended_l2 is enabled");
        return false;
    }
    if (c->backing_file && strlen(c->backing_file) > QCOW_BACKING_NAME_MAX) {
        error_setg(errp, "Backing file name is longer than %d bytes",
                   QCOW_BACKING_NAME_MAX);
        return false;
    }
    if (!qcow_can_compress(c->compression_type)) {
        error_setg(errp, "Compression type zstd is not built into this "
                         "program");
        return false;
    }
    return true;
}

static bool create_check(BlockCreate *bc, Error **errp)
{
    BlockCreateQcow2 *c = BLOCK_CREATE_QCOW2(bc);

    c->size = ROUND_UP(c->size, BLK_SECTOR_SIZE);
    if (c->encrypt_ref) {
        g_autoptr(QCryptoBlockCreateOptions) o = encrypt_options(c, errp);

        if (!o) {
            return false;
        }
    }
    return check_version(c, errp) && check_geometry(c, errp) &&
           check_together(c, errp);
}

/* -- planning ----------------------------------------------------------------------- */

static void plan_refcounts(Maker *m, uint64_t others)
{
    unsigned order = m->h.refcount_order;
    uint64_t per_block = (m->cluster * 8) >> order;
    uint64_t before;

    m->blocks = m->table_clusters = 0;
    do {
        before = m->blocks + m->table_clusters;
        m->total = others + before;
        m->blocks = DIV_ROUND_UP(m->total, per_block);
        m->table_clusters = DIV_ROUND_UP(m->blocks * 8, m->cluster);
    } while (m->blocks + m->table_clusters != before);
}

static bool plan_crypt(Maker *m, Error **errp)
{
    g_autoptr(QCryptoBlockCreateOptions) o = NULL;
    size_t bytes;

    if (!m->c->encrypt_ref) {
        return true;
    }
    o = encrypt_options(m->c, errp);
    if (!o ||
        !qcrypto_block_calculate_payload_offset(o, "encrypt.", &bytes, errp)) {
        return false;
    }
    m->crypt_bytes = bytes;
    m->crypt_clusters = DIV_ROUND_UP(bytes, m->cluster);
    m->h.crypt_method = QCOW_CRYPT_LUKS;
    return true;
}

static bool plan(Maker *m, BlockCreateQcow2 *c, Error **errp)
{
    uint64_t per_l1 =
        c->cluster_size / (c->extended_l2 ? 16 : 8) * c->cluster_size;

    m->c = c;
    m->cluster = c->cluster_size;
    m->h.version = c->version > 0 ? 3 : 2;
    m->h.cluster_bits = (uint32_t)ctz64(c->cluster_size);
    m->h.size = c->size;
    m->h.refcount_order = (uint32_t)ctz64(c->refcount_bits);
    /* At least one entry, so that the table's cluster is not a leak. */
    m->h.l1_size = (uint32_t)MAX(DIV_ROUND_UP(c->size, per_l1), 1);
    m->l1_clusters = DIV_ROUND_UP((uint64_t)m->h.l1_size * 8, m->cluster);
    return plan_crypt(m, errp);
}

static void set_features(Maker *m)
{
    BlockCreateQcow2 *c = m->c;
    BlockNode *data = block_create_data_file(BLOCK_CREATE(c));
    QcowHeader *h = &m->h;

    h->compression = (uint8_t)c->compression_type;
    h->incompatible |= c->extended_l2 ? QCOW_INCOMPAT_EXTL2 : 0;
    h->incompatible |= h->compression ? QCOW_INCOMPAT_COMPRESSION : 0;
    h->compatible |= c->lazy_refcounts ? QCOW_COMPAT_LAZY_REFCOUNTS : 0;
    h->autoclear |= c->data_file_raw ? QCOW_AUTOCLEAR_DATA_FILE_RAW : 0;
    h->backing_file = g_strdup(c->backing_file);
    h->backing_format = g_strdup(c->backing_format);
    if (data) {
        BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(data);

        h->incompatible |= QCOW_INCOMPAT_DATA_FILE;
        h->data_file = nc->filename ? nc->filename(data) : NULL;
        if (h->data_file && !*h->data_file) {
            g_clear_pointer(&h->data_file, g_free);
        }
    }
}

/* -- writing ------------------------------------------------------------------------- */

static int coroutine_fn put(Maker *m, uint64_t cluster, const void *buf,
                            uint64_t bytes)
{
    return node_co_pwrite(m->file, (int64_t)(cluster * m->cluster),
                          (int64_t)bytes, buf, 0);
}

static int coroutine_fn put_refcounts(Maker *m)
{
    uint64_t per_block = (m->cluster * 8) >> m->h.refcount_order;
    uint64_t first = 1 + m->table_clusters;
    uint64_t table_bytes = m->table_clusters * m->cluster;
    g_autofree uint8_t *block = g_try_malloc(m->cluster);
    g_autofree uint64_t *table = g_try_malloc0(table_bytes);
    int ret = block && table ? 0 : -ENOMEM;

    for (uint64_t b = 0; ret == 0 && b < m->blocks; b++) {
        memset(block, 0, m->cluster);
        for (uint64_t i = 0; i < per_block && b * per_block + i < m->total;
             i++) {
            qcow_refcount_set(block, m->h.refcount_order, i, 1);
        }
        table[b] = cpu_to_be64((first + b) * m->cluster);
        ret = put(m, first + b, block, m->cluster);
    }
    m->h.reftable_offset = m->cluster;
    m->h.reftable_clusters = (uint32_t)m->table_clusters;
    return ret == 0 ? put(m, 1, table, table_bytes) : ret;
}

static int coroutine_fn put_l1(Maker *m)
{
    uint64_t at = 1 + m->table_clusters + m->blocks;

    m->h.l1_offset = at * m->cluster;
    return node_co_pwrite_zeroes(m->file, (int64_t)m->h.l1_offset,
                                 (int64_t)(m->l1_clusters * m->cluster), 0);
}

static int coroutine_fn crypt_init(void *opaque, size_t bytes, Error **errp)
{
    Maker *m = opaque;

    if (bytes > m->crypt_clusters * m->cluster) {
        error_setg(errp, "the LUKS header of %zu bytes is longer than planned",
                   bytes);
        return -EINVAL;
    }
    m->h.crypt_length = bytes;
    return 0;
}

static int coroutine_fn crypt_write(void *opaque, size_t offset,
                                    const uint8_t *buf, size_t bytes)
{
    Maker *m = opaque;

    return node_co_pwrite(m->file, (int64_t)(m->h.crypt_offset + offset),
                          (int64_t)bytes, buf, 0);
}

static bool coroutine_fn put_crypt(Maker *m, Error **errp)
{
    CryptHeader header = { .co_init = crypt_init,
                           .co_write = crypt_write,
                           .opaque = m };
    g_autoptr(QCryptoBlockCreateOptions) o = NULL;
    g_autoptr(QCryptoBlock) block = NULL;
    int ret;

    if (!m->c->encrypt_ref) {
        return true;
    }
    m->h.crypt_offset = (m->total - m->crypt_clusters) * m->cluster;
    ret = node_co_pwrite_zeroes(m->file, (int64_t)m->h.crypt_offset,
                                (int64_t)(m->crypt_clusters * m->cluster), 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not make room for the LUKS header");
        return false;
    }
    o = encrypt_options(m->c, errp);
    block = o ? crypt_co_create(&header, o, "encrypt.", 0, errp) : NULL;
    return block != NULL;
}

static int coroutine_fn put_header(Maker *m, Error **errp)
{
    g_autofree uint8_t *buf = NULL;
    g_autofree uint8_t *cluster = g_try_malloc0(m->cluster);
    size_t len;
    int ret = node_co_flush(m->file);

    buf = qcow_header_encode(&m->h, &len, errp);
    if (!buf) {
        return -EINVAL;
    }
    if (!cluster) {
        return -ENOMEM;
    }
    if (ret == 0) {
        memcpy(cluster, buf, len);
        if (m->h.backing_offset >= len) {
            memcpy(cluster + m->h.backing_offset, m->h.backing_file,
                   m->h.backing_len);
        }
        ret = put(m, 0, cluster, m->cluster);
    }
    return ret == 0 ? node_co_flush(m->file) : ret;
}

static bool coroutine_fn empty_file(Maker *m, Error **errp)
{
    Error *err = NULL;
    int64_t bytes = (int64_t)(m->total * m->cluster);

    node_co_truncate(m->file, 0, false, PREALLOC_MODE_OFF, 0, NULL);
    if (block_node_length(m->file) >= bytes ||
        node_co_truncate(m->file, bytes, false, PREALLOC_MODE_OFF, 0, &err) ==
            0) {
        error_free(err);
        return true;
    }
    error_propagate(errp, err);
    return false;
}

static bool coroutine_fn make(Maker *m, Error **errp)
{
    ERRP_GUARD();
    int ret;

    plan_refcounts(m, 1 + m->l1_clusters + m->crypt_clusters);
    if (!empty_file(m, errp)) {
        return false;
    }
    ret = put_refcounts(m);
    if (ret == 0) {
        ret = put_l1(m);
    }
    if (ret == 0 && !put_crypt(m, errp)) {
        return false;
    }
    if (ret == 0) {
        ret = put_header(m, errp);
    }
    if (ret < 0 && !*errp) {
        error_setg_errno(errp, -ret, "Could not write the image");
    }
    return ret == 0;
}

/* -- preallocation -------------------------------------------------------------------- */

static json_t *open_options(const BlockCreateQcow2 *c, const BlockNode *file)
{
    BlockNode *data = block_create_data_file(BLOCK_CREATE((void *)c));
    json_t *opts = json_pack("{s:s, s:s, s:n}", "driver", "qcow2", "file",
                             file->name, "backing");
    const char *secret =
        json_string_value(json_object_get(c->encrypt_ref, "key-secret"));

    if (data) {
        json_object_set_new(opts, "data-file", json_string(data->name));
    }
    if (c->encrypt_ref) {
        json_object_set_new(opts, "encrypt",
                            json_pack("{s:s, s:s*}", "format", "luks",
                                      "key-secret", secret));
    }
    return opts;
}

static bool coroutine_fn preallocate(BlockCreateQcow2 *c, BlockNode *file,
                                     PreallocMode mode, Error **errp)
{
    g_autoptr(json_t) opts = open_options(c, file);
    BlockBackend *blk = block_create_co_open(BLOCK_CREATE(c), opts, errp);
    BlockQcow2 *s;
    int ret;

    if (!blk) {
        return false;
    }
    s = BLOCK_QCOW2(blk_node(blk));
    qcow_close_gate(s);
    s->hides_backing = c->backing_file != NULL;
    ret = qcow_preallocate(s, 0, c->size, mode, errp);
    qcow_open_gate(s);
    if (ret == 0) {
        ret = qcow_write_out(s, errp);
    }
    block_create_co_close(BLOCK_CREATE(c), blk);
    return ret == 0;
}

static bool coroutine_fn create_co_run(BlockCreate *bc, Error **errp)
{
    BlockCreateQcow2 *c = BLOCK_CREATE_QCOW2(bc);
    BlockNode *data = block_create_data_file(bc);
    PreallocMode mode = c->preallocation;
    Maker m = { .file = block_create_file(bc) };
    bool ok = plan(&m, c, errp);

    if (ok) {
        set_features(&m);
        ok = make(&m, errp);
    }
    qcow_header_clear(&m.h);
    if (ok && data && block_node_length(data) < (int64_t)c->size) {
        ok = node_co_truncate(data, (int64_t)c->size, false, PREALLOC_MODE_OFF,
                              0, errp) == 0;
    }
    /* What is in a raw data file is the disk's. */
    if (c->data_file_raw && mode == PREALLOC_MODE_OFF) {
        mode = PREALLOC_MODE_METADATA;
    }
    return ok &&
           (mode == PREALLOC_MODE_OFF || preallocate(c, m.file, mode, errp));
}

/* -- measuring ------------------------------------------------------------------------ */

/* What is in a data file counts as well: it needs the room, too. */

/* Bytes of @in that are not zero, in whole clusters of the new image. */
static int64_t coroutine_fn data_bytes(Maker *m, BlockNode *in)
{
    int64_t end = MIN(block_node_length(in), (int64_t)m->c->size);
    int64_t sum = 0;
    int64_t counted = 0; /* up to here */

    for (int64_t at = 0, n; at < end; at += n) {
        BlockNode *file;
        int64_t map;
        int ret = node_co_status_above(in, NULL, NODE_WANT_ZERO, at, end - at,
                                       &n, &map, &file, NULL);

        if (ret < 0) {
            return ret;
        }
        if ((ret & NODE_STATUS_DATA) && !(ret & NODE_STATUS_ZERO)) {
            int64_t from = MAX(ROUND_DOWN(at, (int64_t)m->cluster), counted);

            counted = ROUND_UP(at + n, (int64_t)m->cluster);
            sum += MAX(counted - from, 0);
        }
    }
    return sum;
}

static bool coroutine_fn create_co_measure(BlockCreate *bc, BlockNode *in,
                                           uint64_t *ret_required,
                                           uint64_t *ret_fully, Error **errp)
{
    BlockCreateQcow2 *c = BLOCK_CREATE_QCOW2(bc);
    Maker m = { .c = c };
    uint64_t clusters = DIV_ROUND_UP(c->size, c->cluster_size);
    uint64_t per_l2 = c->cluster_size / (c->extended_l2 ? 16 : 8);
    uint64_t meta;
    int64_t used = 0;

    if (!plan(&m, c, errp)) {
        return false;
    }
    if (in) {
        used = data_bytes(&m, in);
        if (used < 0) {
            error_setg_errno(errp, (int)-used, "Unable to get block status");
            return false;
        }
    }
    if (c->preallocation == PREALLOC_MODE_FULL ||
        c->preallocation == PREALLOC_MODE_FALLOC) {
        used = (int64_t)(clusters * c->cluster_size);
    }
    plan_refcounts(&m, 1 + m.l1_clusters + m.crypt_clusters +
                           DIV_ROUND_UP(clusters, per_l2) + clusters);
    meta = (m.total - clusters) * c->cluster_size;
    *ret_required = meta + (uint64_t)used;
    *ret_fully = meta + clusters * c->cluster_size;
    return true;
}

/* -- class -------------------------------------------------------------------------------- */

static const char *const version_names[] = { "v2", "v3" };

static const QEnumLookup version_lookup = { .array = version_names, .size = 2 };

static const char *const compat_values[] = { "0.10", "v2", "1.1", "v3", NULL };

static const BlockCreateAlias create_aliases[] = {
    { "compat", "version", compat_values },
    {},
};

static const Property create_props[] = {
    { "size", PROP_SIZE, offsetof(BlockCreateQcow2, size),
      .max = INT64_MAX - BLK_SECTOR_SIZE, .unit = "bytes",
      .help = "size of the disk", .flags = PROP_F_REQUIRED, .since = "0.2" },
    { "version", PROP_ENUM, offsetof(BlockCreateQcow2, version),
      .lookup = &version_lookup, .qapi_type = "str", .def = "v3",
      .help = "v2 (compat 0.10) or v3 (compat 1.1)", .since = "0.2" },
    { "backing-file", PROP_STR, offsetof(BlockCreateQcow2, backing_file),
      .help = "image that shows through", .since = "0.2" },
    { "backing-fmt", PROP_STR, offsetof(BlockCreateQcow2, backing_format),
      .help = "its format", .since = "0.2" },
    { "encrypt", PROP_JSON, offsetof(BlockCreateQcow2, encrypt_ref),
      .qapi_type = "any",
      .help = "encrypt.format=luks, encrypt.key-secret and what else luks "
              "takes",
      .since = "0.2" },
    { "cluster-size", PROP_SIZE, offsetof(BlockCreateQcow2, cluster_size),
      .def = "64k", .unit = "bytes", .help = "512 to 2M", .since = "0.2" },
    { "preallocation", PROP_ENUM, offsetof(BlockCreateQcow2, preallocation),
      .qapi_type = "PreallocMode", .lookup = &PreallocMode_lookup, .def = "off",
      .help = "off, metadata, falloc or full", .since = "0.2" },
    { "lazy-refcounts", PROP_BOOL, offsetof(BlockCreateQcow2, lazy_refcounts),
      .def = "off", .help = "write refcounts only at the end", .since = "0.2" },
    { "refcount-bits", PROP_UINT64, offsetof(BlockCreateQcow2, refcount_bits),
      .def = "16", .help = "width of a refcount: 1 to 64", .since = "0.2" },
    { "compression-type", PROP_ENUM,
      offsetof(BlockCreateQcow2, compression_type),
      .qapi_type = "Qcow2CompressionType",
      .lookup = &Qcow2CompressionType_lookup, .def = "zlib",
      .help = "of compressed clusters", .since = "0.2" },
    { "data-file", PROP_JSON, offsetof(BlockCreateQcow2, data_file_ref),
      .qapi_type = "any", .help = "file for the data", .since = "0.2" },
    { "data-file-raw", PROP_BOOL, offsetof(BlockCreateQcow2, data_file_raw),
      .def = "off", .help = "the data file is a raw image of the disk",
      .since = "0.2" },
    { "extended-l2", PROP_BOOL, offsetof(BlockCreateQcow2, extended_l2),
      .def = "off", .help = "clusters have 32 subclusters", .since = "0.2" },
    {},
};

static void create_class_init(ObjectClass *oc, void *data)
{
    BlockCreateClass *cc = BLOCK_CREATE_CLASS(oc);

    cc->driver = "qcow2";
    cc->help = "disks that grow, with backing files and snapshots";
    cc->aliases = create_aliases;
    cc->has_backing = true;
    cc->check = create_check;
    cc->co_run = create_co_run;
    cc->co_measure = create_co_measure;
}

extern const TypeInfo block_type_create_qcow2;
const TypeInfo block_type_create_qcow2 = {
    .name = TYPE_BLOCK_CREATE_QCOW2,
    .parent = TYPE_BLOCK_CREATE_FORMAT,
    .instance_size = sizeof(BlockCreateQcow2),
    .class_init = create_class_init,
    .props = create_props,
};
