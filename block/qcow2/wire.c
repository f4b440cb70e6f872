/*
 * The header of qcow2 and its extensions.
 *
 * The header proper has a fixed part, and from header_length on a list of
 * extensions {type, length, data padded to 8}, ended by type 0; the name of
 * the backing file stands anywhere in the first cluster. Version 2 ends after
 * 72 bytes and has the rest implied: no features, 16-bit refcounts.
 *
 * Encoding puts what we know in a fixed order, so that all that is ever
 * changed alone stands in the first 512 bytes, which a disk writes at once:
 * fixed part, backing format, data file, encryption, bitmaps, what we do not
 * know, names of features, name of the backing file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/wire.h"

#include "util/wire-buffer.h"

#define EXT_END            0x00000000u
#define EXT_BACKING_FORMAT 0xe2792acau
#define EXT_FEATURES       0x6803f857u
#define EXT_CRYPT          0x0537be77u
#define EXT_BITMAPS        0x23852875u
#define EXT_DATA_FILE      0x44415441u

#define FEATURE_NAME_BYTES  46
#define FEATURE_ENTRY_BYTES 48

typedef struct FeatureName {
    uint8_t type; /* 0 incompatible, 1 compatible, 2 autoclear */
    uint8_t bit;
    char name[FEATURE_NAME_BYTES];
} FeatureName;
G_STATIC_ASSERT(sizeof(FeatureName) == FEATURE_ENTRY_BYTES);

static const FeatureName feature_names[] = {
    { 0, 0, "dirty bit" },
    { 0, 1, "corrupt bit" },
    { 0, 2, "external data file" },
    { 0, 3, "compression type" },
    { 0, 4, "extended L2 entries" },
    { 1, 0, "lazy refcounts" },
    { 2, 0, "bitmaps" },
    { 2, 1, "raw external data" },
};

/* Where a long name of a backing file begins, and how far the two places for it
 * are apart. What others' headers have there is not needed: it is far behind
 * the end of their extensions. */
#define NAME_PLACE UINT64_C(2048)
#define NAME_ROOM  UINT64_C(1024)
G_STATIC_ASSERT(NAME_ROOM >= QCOW_BACKING_NAME_MAX);

/* -- fixed part --------------------------------------------------------------- */

static void get_v3(QcowHeader *h, WireBuffer *b)
{
    h->refcount_order = 4;
    h->header_length = QCOW_HEADER_V2_BYTES;
    if (h->version < 3) {
        return;
    }
    h->incompatible = wire_get_be64(b);
    h->compatible = wire_get_be64(b);
    h->autoclear = wire_get_be64(b);
    h->refcount_order = wire_get_be32(b);
    h->header_length = wire_get_be32(b);
    if (wire_ok(b) && h->header_length > QCOW_HEADER_V3_BYTES) {
        h->compression = wire_get_u8(b);
    }
}

static bool check_offset(const QcowHeader *h, uint64_t offset, const char *what,
                         Error **errp)
{
    uint64_t mask = (UINT64_C(1) << h->cluster_bits) - 1;

    if ((offset & mask) || offset > QCOW_HOST_OFFSET_MAX) {
        error_setg(errp, "Invalid %s offset %#" PRIx64, what, offset);
        return false;
    }
    return true;
}

static bool check_geometry(const QcowHeader *h, Error **errp)
{
    bool ext = h->incompatible & QCOW_INCOMPAT_EXTL2;

    if (h->cluster_bits < QCOW_CLUSTER_BITS_MIN ||
        h->cluster_bits > QCOW_CLUSTER_BITS_MAX ||
        (ext && h->cluster_bits < QCOW_CLUSTER_BITS_EXT_MIN)) {
        error_setg(errp, "Unsupported cluster size: 2^%" PRIu32 "%s",
                   h->cluster_bits, ext ? " with extended L2 entries" : "");
        return false;
    }
    if (h->refcount_order > QCOW_REFCOUNT_ORDER_MAX) {
        error_setg(errp,
                   "Reference count entry width 2^%" PRIu32
                   " bits is too large; it may not exceed 64 bits",
                   h->refcount_order);
        return false;
    }
    if (h->size > QCOW_SIZE_MAX) {
        error_setg(errp, "Disk size %" PRIu64 " is too large", h->size);
        return false;
    }
    return true;
}

static bool check_tables(const QcowHeader *h, Error **errp)
{
    uint64_t reftable_bytes = (uint64_t)h->reftable_clusters << h->cluster_bits;

    if (h->l1_size > QCOW_L1_MAX_BYTES / 8) {
        error_setg(errp,
                   "Active L1 table with %" PRIu32 " entries is too large",
                   h->l1_size);
        return false;
    }
    if (h->reftable_clusters == 0) {
        error_setg(errp, "Image does not contain a reference count table");
        return false;
    }
    if (reftable_bytes > MAX(QCOW_REFTABLE_MAX_BYTES, 1u << h->cluster_bits)) {
        error_setg(errp,
                   "Reference count table with %" PRIu32
                   " clusters is too large",
                   h->reftable_clusters);
        return false;
    }
    if (h->nb_snapshots > QCOW_SNAPSHOTS_MAX) {
        error_setg(errp, "Snapshot table with %" PRIu32 " entries is too large",
                   h->nb_snapshots);
        return false;
    }
    return check_offset(h, h->l1_offset, "L1 table", errp) &&
           check_offset(h, h->reftable_offset, "reference count table", errp) &&
           (h->nb_snapshots == 0 ||
            check_offset(h, h->snapshots_offset, "snapshot table", errp));
}

static bool check_v3(const QcowHeader *h, Error **errp)
{
    uint32_t min =
        h->version >= 3 ? QCOW_HEADER_V3_BYTES : QCOW_HEADER_V2_BYTES;
    bool has_type = h->incompatible & QCOW_INCOMPAT_COMPRESSION;

    if (h->header_length < min || h->header_length % 8 ||
        h->header_length > 1u << h->cluster_bits) {
        error_setg(errp, "qcow2 header length %" PRIu32 " is not valid",
                   h->header_length);
        return false;
    }
    if (has_type != (h->compression != QCOW_COMPRESSION_ZLIB)) {
        error_setg(errp,
                   "Compression type %u and its feature bit contradict"
                   " each other",
                   h->compression);
        return false;
    }
    if (h->compression > QCOW_COMPRESSION_ZSTD) {
        error_setg(errp, "Unknown compression type %u", h->compression);
        return false;
    }
    if (h->crypt_method > QCOW_CRYPT_LUKS) {
        error_setg(errp, "Unsupported encryption method %" PRIu32,
                   h->crypt_method);
        return false;
    }
    return true;
}

bool qcow_header_decode(QcowHeader *h, const uint8_t *buf, size_t len,
                        Error **errp)
{
    WireBuffer b = WIRE_READER(buf, len);
    uint32_t magic;

    memset(h, 0, sizeof(*h));
    magic = wire_get_be32(&b);
    h->version = wire_get_be32(&b);
    if (!wire_ok(&b) || magic != QCOW_MAGIC) {
        error_setg(errp, "Image is not in qcow2 format");
        return false;
    }
    if (h->version < 2 || h->version > 3) {
        error_setg(errp, "Unsupported qcow2 version %" PRIu32, h->version);
        return false;
    }
    h->backing_offset = wire_get_be64(&b);
    h->backing_len = wire_get_be32(&b);
    h->cluster_bits = wire_get_be32(&b);
    h->size = wire_get_be64(&b);
    h->crypt_method = wire_get_be32(&b);
    h->l1_size = wire_get_be32(&b);
    h->l1_offset = wire_get_be64(&b);
    h->reftable_offset = wire_get_be64(&b);
    h->reftable_clusters = wire_get_be32(&b);
    h->nb_snapshots = wire_get_be32(&b);
    h->snapshots_offset = wire_get_be64(&b);
    get_v3(h, &b);
    if (!wire_ok(&b)) {
        error_setg(errp, "Image is too short for a qcow2 header");
        return false;
    }
    return check_geometry(h, errp) && check_v3(h, errp) &&
           check_tables(h, errp);
}

/* -- extensions ----------------------------------------------------------------- */

static bool text_extension(char **ret, WireBuffer *b, size_t len, size_t max,
                           const char *what, Error **errp)
{
    g_free(*ret);
    *ret = wire_get_str(b, len, max);
    if (!*ret) {
        error_setg(errp, "Header extension '%s' of %zu bytes is not valid",
                   what, len);
    }
    return *ret != NULL;
}

static bool crypt_extension(QcowHeader *h, WireBuffer *b, Error **errp)
{
    h->crypt_offset = wire_get_be64(b);
    h->crypt_length = wire_get_be64(b);
    if (!wire_at_end(b) || h->crypt_offset == 0 ||
        h->crypt_length > QCOW_CRYPT_HEADER_MAX) {
        error_setg(errp, "Encryption header extension is not valid");
        return false;
    }
    return check_offset(h, h->crypt_offset, "encryption header", errp);
}

static bool bitmaps_extension(QcowHeader *h, WireBuffer *b, Error **errp)
{
    uint32_t reserved;

    h->nb_bitmaps = wire_get_be32(b);
    reserved = wire_get_be32(b);
    h->bitmap_dir_size = wire_get_be64(b);
    h->bitmap_dir_offset = wire_get_be64(b);
    if (!wire_at_end(b) || reserved) {
        error_setg(errp, "Bitmaps header extension is not valid");
        return false;
    }
    if (h->nb_bitmaps == 0 || h->nb_bitmaps > QCOW_BITMAPS_MAX ||
        h->bitmap_dir_size == 0 || h->bitmap_dir_size > QCOW_BITMAP_DIR_MAX) {
        error_setg(errp,
                   "Bitmap directory with %" PRIu32 " bitmaps in %" PRIu64
                   " bytes is not valid",
                   h->nb_bitmaps, h->bitmap_dir_size);
        return false;
    }
    h->has_bitmaps = true;
    return check_offset(h, h->bitmap_dir_offset, "bitmap directory", errp);
}

/* Only the names of bits that stop us from opening are of use. */
static void features_extension(QcowHeader *h, WireBuffer *b)
{
    uint64_t unknown = h->incompatible & ~QCOW_INCOMPAT_KNOWN;
    g_autoptr(GString) text = g_string_new(NULL);

    while (wire_left(b) >= FEATURE_ENTRY_BYTES) {
        FeatureName f;

        wire_get_bytes(b, &f, sizeof(f));
        f.name[FEATURE_NAME_BYTES - 1] = '\0';
        if (f.type == 0 && f.bit < 64 && (unknown >> f.bit & 1) && f.name[0]) {
            g_autofree char *name = g_utf8_make_valid(f.name, -1);

            g_string_append_printf(text, "%s%s", text->len ? ", " : "", name);
            unknown &= ~(UINT64_C(1) << f.bit);
        }
    }
    if (text->len) {
        g_free(h->feature_names);
        h->feature_names = g_strdup(text->str);
    }
}

static bool unknown_extension(QcowHeader *h, uint32_t type, WireBuffer *b,
                              Error **errp)
{
    QcowExtension *e;
    size_t len = wire_left(b);

    if (h->nb_unknown == QCOW_UNKNOWN_EXTENSIONS_MAX) {
        error_setg(errp, "Image has more than %d unknown header extensions",
                   QCOW_UNKNOWN_EXTENSIONS_MAX);
        return false;
    }
    h->unknown = g_renew(QcowExtension, h->unknown, h->nb_unknown + 1);
    e = &h->unknown[h->nb_unknown++];
    e->type = type;
    e->len = (uint32_t)len;
    e->data = g_memdup2(wire_get_ref(b, len), len);
    return true;
}

static bool one_extension(QcowHeader *h, uint32_t type, WireBuffer *b,
                          Error **errp)
{
    switch (type) {
    case EXT_BACKING_FORMAT:
        return text_extension(&h->backing_format, b, wire_left(b),
                              QCOW_FORMAT_NAME_MAX, "backing format", errp);
    case EXT_DATA_FILE:
        return text_extension(&h->data_file, b, wire_left(b),
                              QCOW_DATA_FILE_NAME_MAX, "data file", errp);
    case EXT_CRYPT:
        return crypt_extension(h, b, errp);
    case EXT_BITMAPS:
        /* Without its bit, somebody changed the image who did not know. */
        return !(h->autoclear & QCOW_AUTOCLEAR_BITMAPS) ||
               bitmaps_extension(h, b, errp);
    case EXT_FEATURES:
        features_extension(h, b);
        return true;
    default:
        return unknown_extension(h, type, b, errp);
    }
}

static bool decode_list(QcowHeader *h, const uint8_t *buf, size_t end,
                        Error **errp)
{
    WireBuffer b = WIRE_READER(buf, end);

    wire_skip(&b, h->header_length);
    while (wire_left(&b) >= 8) {
        uint32_t type = wire_get_be32(&b);
        uint32_t len = wire_get_be32(&b);
        WireBuffer body;

        if (type == EXT_END) {
            return true;
        }
        body = wire_get_child(&b, len);
        if (!wire_ok(&b)) {
            error_setg(errp,
                       "Header extension %#" PRIx32 " of %" PRIu32
                       " bytes is too large",
                       type, len);
            return false;
        }
        if (!one_extension(h, type, &body, errp)) {
            return false;
        }
        wire_skip(&b, MIN(-len % 8, wire_left(&b)));
    }
    return true;
}

static bool decode_backing(QcowHeader *h, const uint8_t *buf, size_t len,
                           Error **errp)
{
    if (h->backing_offset == 0) {
        return true;
    }
    if (h->backing_len > QCOW_BACKING_NAME_MAX || h->backing_offset > len ||
        len - h->backing_offset < h->backing_len) {
        error_setg(errp,
                   "Backing file name of %" PRIu32 " bytes at %#" PRIx64
                   " is not valid",
                   h->backing_len, h->backing_offset);
        return false;
    }
    if (h->backing_len == 0) {
        return true;
    }
    if (memchr(buf + h->backing_offset, 0, h->backing_len)) {
        error_setg(errp, "Backing file name contains a zero byte");
        return false;
    }
    h->backing_file =
        g_strndup((const char *)buf + h->backing_offset, h->backing_len);
    return true;
}

bool qcow_header_decode_extensions(QcowHeader *h, const uint8_t *buf,
                                   size_t len, Error **errp)
{
    size_t end = len;
    uint32_t known = MIN(h->header_length, (uint32_t)QCOW_HEADER_BYTES);

    if (h->header_length > len) {
        error_setg(errp,
                   "Image is too short for its header of %" PRIu32 " bytes",
                   h->header_length);
        return false;
    }
    if (!decode_backing(h, buf, len, errp)) {
        return false;
    }
    if (h->backing_offset >= h->header_length) {
        end = MIN(end, h->backing_offset);
    }
    h->unknown_fields_len = h->header_length - known;
    h->unknown_fields = g_memdup2(buf + known, h->unknown_fields_len);
    if (!decode_list(h, buf, end, errp)) {
        return false;
    }
    if (h->crypt_method == QCOW_CRYPT_LUKS && h->crypt_offset == 0) {
        error_setg(errp, "CRYPTO header extension is missing");
        return false;
    }
    if (h->backing_file && (h->autoclear & QCOW_AUTOCLEAR_DATA_FILE_RAW) &&
        (h->incompatible & QCOW_INCOMPAT_DATA_FILE)) {
        error_setg(errp, "A raw data file does not go together with a backing "
                         "file");
        return false;
    }
    return true;
}

bool qcow_header_check_features(const QcowHeader *h, Error **errp)
{
    uint64_t unknown = h->incompatible & ~QCOW_INCOMPAT_KNOWN;

    if (unknown && h->feature_names) {
        error_setg(errp, "Unsupported qcow2 feature(s): %s", h->feature_names);
    } else if (unknown) {
        error_setg(errp,
                   "Unsupported qcow2 feature(s): incompatible bits "
                   "%#" PRIx64,
                   unknown);
    }
    return unknown == 0;
}

/* -- encoding -------------------------------------------------------------------- */

static void put_extension(WireBuffer *b, uint32_t type, const void *data,
                          size_t len)
{
    wire_put_be32(b, type);
    wire_put_be32(b, (uint32_t)len);
    wire_put_bytes(b, data, len);
    wire_put_space(b, -len % 8);
}

static void put_fixed(QcowHeader *h, WireBuffer *b)
{
    wire_put_be32(b, QCOW_MAGIC);
    wire_put_be32(b, h->version);
    wire_put_be64(b, 0); /* backing file: filled in later */
    wire_put_be32(b, 0);
    wire_put_be32(b, h->cluster_bits);
    wire_put_be64(b, h->size);
    wire_put_be32(b, h->crypt_method);
    wire_put_be32(b, h->l1_size);
    wire_put_be64(b, h->l1_offset);
    wire_put_be64(b, h->reftable_offset);
    wire_put_be32(b, h->reftable_clusters);
    wire_put_be32(b, h->nb_snapshots);
    wire_put_be64(b, h->snapshots_offset);
    if (h->version < 3) {
        h->header_length = QCOW_HEADER_V2_BYTES;
        return;
    }
    h->header_length = QCOW_HEADER_BYTES + h->unknown_fields_len;
    wire_put_be64(b, h->incompatible);
    wire_put_be64(b, h->compatible);
    wire_put_be64(b, h->autoclear);
    wire_put_be32(b, h->refcount_order);
    wire_put_be32(b, h->header_length);
    wire_put_u8(b, h->compression);
    wire_put_space(b, QCOW_HEADER_BYTES - QCOW_HEADER_V3_BYTES - 1);
    wire_put_bytes(b, h->unknown_fields, h->unknown_fields_len);
}

static void put_extensions(const QcowHeader *h, WireBuffer *b)
{
    if (h->backing_format) {
        put_extension(b, EXT_BACKING_FORMAT, h->backing_format,
                      strlen(h->backing_format));
    }
    if (h->data_file) {
        put_extension(b, EXT_DATA_FILE, h->data_file, strlen(h->data_file));
    }
    if (h->crypt_offset) {
        uint64_t v[2] = { cpu_to_be64(h->crypt_offset),
                          cpu_to_be64(h->crypt_length) };

        put_extension(b, EXT_CRYPT, v, sizeof(v));
    }
    if (h->has_bitmaps) {
        wire_put_be32(b, EXT_BITMAPS);
        wire_put_be32(b, 24);
        wire_put_be32(b, h->nb_bitmaps);
        wire_put_be32(b, 0);
        wire_put_be64(b, h->bitmap_dir_size);
        wire_put_be64(b, h->bitmap_dir_offset);
    }
    for (unsigned i = 0; i < h->nb_unknown; i++) {
        put_extension(b, h->unknown[i].type, h->unknown[i].data,
                      h->unknown[i].len);
    }
}

/*
 * Where the name goes that does not fit behind @end in the first sector: to one
 * of two places, in turn, so that the header on disk keeps its own until the
 * new first sector replaces it. Returns: 0: there is no room for that.
 */
static uint64_t name_apart(const QcowHeader *h, size_t end)
{
    uint64_t old = h->backing_offset, old_end = old + h->backing_len;

    if (end > QCOW_HEADER_SECTOR ||
        UINT64_C(1) << h->cluster_bits < NAME_PLACE + 2 * NAME_ROOM) {
        return 0;
    }
    for (uint64_t at = NAME_PLACE; at <= NAME_PLACE + NAME_ROOM;
         at += NAME_ROOM) {
        if (old_end <= at || old >= at + NAME_ROOM) {
            return at;
        }
    }
    return 0; /* another program's name is in the middle */
}

uint8_t *qcow_header_encode(QcowHeader *h, size_t *ret_len, Error **errp)
{
    size_t room = (size_t)1 << h->cluster_bits;
    size_t name_len = h->backing_file ? strlen(h->backing_file) : 0;
    size_t table = sizeof(feature_names);
    uint64_t apart = 0;
    WireBuffer b;
    uint8_t *buf;

    wire_writer_init(&b, room, false);
    put_fixed(h, &b);
    put_extensions(h, &b);
    /* Names of features are for others' messages: only if there is room. */
    if (wire_ok(&b) && h->version >= 3 &&
        b.len + 8 + table + 8 + name_len <= QCOW_HEADER_SECTOR) {
        put_extension(&b, EXT_FEATURES, feature_names, table);
    }
    put_extension(&b, EXT_END, NULL, 0);
    if (wire_ok(&b) && name_len && b.len + name_len > QCOW_HEADER_SECTOR) {
        apart = name_apart(h, b.len);
    }
    h->backing_offset = !name_len ? 0 : apart ? apart : b.len;
    h->backing_len = (uint32_t)name_len;
    if (!apart) {
        wire_put_bytes(&b, h->backing_file, name_len);
        wire_put_space(&b, -name_len % 8);
    }
    if (!wire_ok(&b)) {
        wire_free(&b);
        error_setg(errp, "The header does not fit in a cluster of %zu bytes",
                   room);
        return NULL;
    }
    buf = wire_steal(&b, ret_len);
    stq_be_p(buf + 8, h->backing_offset);
    stl_be_p(buf + 16, h->backing_len);
    return buf;
}

void qcow_header_clear(QcowHeader *h)
{
    for (unsigned i = 0; i < h->nb_unknown; i++) {
        g_free(h->unknown[i].data);
    }
    g_free(h->unknown);
    g_free(h->unknown_fields);
    g_free(h->backing_file);
    g_free(h->backing_format);
    g_free(h->data_file);
    g_free(h->feature_names);
    memset(h, 0, sizeof(*h));
}
