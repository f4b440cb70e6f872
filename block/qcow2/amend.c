/*
 * Changes of an image's options: blockdev-amend, ferry-img amend.
 *
 * An older version is reached by giving up what it does not have, a newer one
 * by a longer header. Another width of refcounts means new refcount blocks.
 * Each step leaves a good image behind.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"
#include "block/format/crypt-header.h"
#include "block/qcow2/create.h"
#include "block/qcow2/crypt.h"
#include "qapi/qapi-visit-crypto.h"
#include "qapi/qobject-input-visitor.h"
#include "util/host-utils.h"

#define TYPE_BLOCK_AMEND_QCOW2 TYPE_BLOCK_AMEND "-qcow2"
OBJECT_DECLARE_SIMPLE_TYPE(BlockAmendQcow2, BLOCK_AMEND_QCOW2)

struct BlockAmendQcow2 {
    BlockAmend parent_obj;

    char *version;      /* NULL: as it is */
    uint64_t size;      /* 0 */
    char *backing_file; /* NULL; "": none */
    char *backing_format;
    char *lazy_refcounts;   /* NULL, "on", "off" */
    uint64_t refcount_bits; /* 0 */
    char *data_file_raw;
    char *data_file; /* NULL; "": no name in the header */
    json_t *encrypt_ref;
};

/* -- encryption ---------------------------------------------------------------------- */

QCryptoBlockCreateOptions *qcow_luks_create_options(const json_t *encrypt,
                                                    Error **errp)
{
    g_autoptr(json_t) text = block_json_to_text(encrypt);
    Visitor *v = qobject_input_visitor_new_keyval(text);
    QCryptoBlockCreateOptions *o = NULL;

    visit_type_QCryptoBlockCreateOptions(v, NULL, &o, errp);
    visit_free(v);
    return o;
}

QCryptoBlockAmendOptions *qcow_luks_amend_options(const json_t *encrypt,
                                                  Error **errp)
{
    g_autoptr(json_t) text = block_json_to_text(encrypt);
    QCryptoBlockAmendOptions *o = NULL;
    Visitor *v;

    if (!json_object_get(text, "format")) {
        json_object_set_new(text, "format", json_string("luks"));
    }
    v = qobject_input_visitor_new_keyval(text);
    visit_type_QCryptoBlockAmendOptions(v, NULL, &o, errp);
    visit_free(v);
    return o;
}

static int coroutine_fn crypt_write(void *opaque, size_t offset,
                                    const uint8_t *buf, size_t bytes)
{
    BlockQcow2 *s = opaque;

    if (offset > s->header.crypt_length ||
        bytes > s->header.crypt_length - offset) {
        return -ERANGE;
    }
    return qcow_meta_write(s, 0, s->header.crypt_offset + offset, buf, bytes);
}

static bool coroutine_fn amend_encryption(BlockAmendQcow2 *a, BlockQcow2 *s,
                                          Error **errp)
{
    CryptHeader header = { .co_read = qcow_crypt_read_header,
                           .co_write = crypt_write,
                           .opaque = s };
    g_autoptr(QCryptoBlockAmendOptions) o = NULL;

    if (!a->encrypt_ref) {
        return true;
    }
    if (s->header.crypt_method != QCOW_CRYPT_LUKS || !s->crypt) {
        error_setg(errp,
                   "Image '%s' is not encrypted with LUKS: encryption "
                   "options cannot be changed",
                   BLOCK_NODE(s)->name);
        return false;
    }
    o = qcow_luks_amend_options(a->encrypt_ref, errp);
    return o &&
           crypt_co_amend(&header, s->crypt, o, BLOCK_AMEND(a)->force, errp) &&
           qcow_flush_files(s) == 0;
}

/* -- version -------------------------------------------------------------------------- */

static bool parse_on_off(const char *what, const char *text, bool *ret,
                         Error **errp)
{
    return !text || qapi_bool_parse(what, text, ret, errp);
}

static uint32_t wanted_version(const BlockAmendQcow2 *a, const BlockQcow2 *s,
                               Error **errp)
{
    if (!a->version) {
        return s->header.version;
    }
    if (g_str_equal(a->version, "v2") || g_str_equal(a->version, "0.10")) {
        return 2;
    }
    if (g_str_equal(a->version, "v3") || g_str_equal(a->version, "1.1")) {
        return 3;
    }
    error_setg(errp, "Unknown compatibility level '%s'", a->version);
    return 0;
}

static bool may_downgrade(const BlockQcow2 *s, Error **errp)
{
    const QcowHeader *h = &s->header;
    uint64_t known = QCOW_INCOMPAT_DIRTY | QCOW_INCOMPAT_COMPRESSION;

    if (h->incompatible & ~known) {
        error_setg(errp,
                   "Cannot downgrade an image with incompatible features "
                   "%#" PRIx64 " set",
                   h->incompatible & ~known);
        return false;
    }
    if (h->compression != QCOW_COMPRESSION_ZLIB) {
        error_setg(errp, "Cannot downgrade an image with zstd compression");
        return false;
    }
    if (h->refcount_order != 4) {
        error_setg(errp, "Refcount widths other than 16 bits require "
                         "compatibility level 1.1 or above");
        return false;
    }
    if (h->has_bitmaps) {
        error_setg(errp, "Cannot downgrade an image with bitmaps");
        return false;
    }
    for (uint32_t i = 0; i < h->nb_snapshots; i++) {
        if (s->snapshots[i].disk_size != h->size ||
            s->snapshots[i].vm_state_size > UINT32_MAX) {
            error_setg(errp, "Internal snapshots prevent downgrade of image");
            return false;
        }
    }
    return true;
}

/* Version 2 has no mark for zeroes. */
static int coroutine_fn expand_zeroes(BlockQcow2 *s, BlockProgress *progress)
{
    uint64_t size = ROUND_UP(s->header.size, (uint64_t)s->cluster_bytes);
    g_autofree void *zeroes = g_try_malloc0(s->cluster_bytes);
    int ret = zeroes ? 0 : -ENOMEM;
    QcowMap m;

    for (uint64_t at = 0; ret == 0 && at < size; at += (uint64_t)m.bytes) {
        QEMUIOVector qiov;

        ret = qcow_map(s, at, (int64_t)(size - at), &m);
        if (ret < 0 || (m.kind != QCOW_ZERO && m.kind != QCOW_ZERO_ALLOC)) {
            continue;
        }
        if (qcow_backing_is_zero(s, at, m.bytes)) {
            ret = qcow_remap(s, at, (uint64_t)m.bytes, QCOW_REMAP_FORGET,
                             QCOW_DISCARD_OTHER);
            continue;
        }
        for (int64_t n = 0; ret == 0 && n < m.bytes; n += s->cluster_bytes) {
            qemu_iovec_init_buf(&qiov, zeroes, s->cluster_bytes);
            ret = qcow_write(s, at + (uint64_t)n, s->cluster_bytes, &qiov, 0);
        }
        block_progress_done(progress, (uint64_t)m.bytes);
    }
    return ret;
}

/* Trees of snapshots are not rewritten. */
static bool coroutine_fn downgrade(BlockAmendQcow2 *a, BlockQcow2 *s,
                                   Error **errp)
{
    QcowHeader *h = &s->header;
    int ret;

    if (!may_downgrade(s, errp)) {
        return false;
    }
    if (h->nb_snapshots) {
        error_setg(errp, "Internal snapshots prevent downgrade of image");
        return false;
    }
    ret = expand_zeroes(s, BLOCK_AMEND(a)->progress);
    if (ret == 0) {
        ret = qcow_commit_all(s);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to turn zero into data clusters");
        return false;
    }
    h->version = 2;
    h->incompatible = h->compatible = h->autoclear = 0;
    s->lazy = false;
    if (qcow_header_rewrite(s, errp) < 0) {
        h->version = 3;
        return false;
    }
    return true;
}

static bool coroutine_fn set_version(BlockAmendQcow2 *a, BlockQcow2 *s,
                                     Error **errp)
{
    uint32_t version = wanted_version(a, s, errp);

    if (version == 0) {
        return false;
    }
    if (version < s->header.version) {
        return downgrade(a, s, errp);
    }
    if (version > s->header.version) {
        if (qcow_snapshots_complete(s, errp) < 0) {
            return false;
        }
        s->header.version = version;
        if (qcow_header_rewrite(s, errp) < 0) {
            s->header.version = 2;
            return false;
        }
    }
    return true;
}

/* -- other options --------------------------------------------------------------------- */

static bool coroutine_fn set_lazy(BlockAmendQcow2 *a, BlockQcow2 *s,
                                  Error **errp)
{
    QcowHeader *h = &s->header;
    uint64_t before = h->compatible;
    bool on = before & QCOW_COMPAT_LAZY_REFCOUNTS;

    if (!parse_on_off("lazy-refcounts", a->lazy_refcounts, &on, errp)) {
        return false;
    }
    if (on && h->version < 3) {
        error_setg(errp, "Lazy refcounts only supported with compatibility "
                         "level 1.1 and above (use compat=1.1 or greater)");
        return false;
    }
    h->compatible = on ? before | QCOW_COMPAT_LAZY_REFCOUNTS
                       : before & ~QCOW_COMPAT_LAZY_REFCOUNTS;
    if (h->compatible == before) {
        return true;
    }
    if (qcow_header_rewrite(s, errp) < 0) {
        h->compatible = before;
        return false;
    }
    if (!on && !s->lazy_refcounts_set) {
        /* Everything is written out: the gate is closed. */
        s->lazy = false;
        return qcow_header_set_incompatible(s, 0, QCOW_INCOMPAT_DIRTY) == 0;
    }
    return true;
}

static bool coroutine_fn set_refcount_bits(BlockAmendQcow2 *a, BlockQcow2 *s,
                                           Error **errp)
{
    unsigned order;

    if (a->refcount_bits == 0) {
        return true;
    }
    if (!is_power_of_2(a->refcount_bits) || a->refcount_bits > 64) {
        error_setg(errp, "Refcount width must be a power of two and may not "
                         "exceed 64 bits");
        return false;
    }
    order = (unsigned)ctz64(a->refcount_bits);
    if (order == s->header.refcount_order) {
        return true;
    }
    if (s->header.version < 3) {
        error_setg(errp, "Refcount widths other than 16 bits require "
                         "compatibility level 1.1 or above (use compat=1.1 or "
                         "greater)");
        return false;
    }
    return qcow_rebuild_refcounts(s, order, errp) == 0;
}

static bool coroutine_fn set_raw(BlockAmendQcow2 *a, BlockQcow2 *s,
                                 Error **errp)
{
    bool on = s->raw_data;

    if (!parse_on_off("data-file-raw", a->data_file_raw, &on, errp)) {
        return false;
    }
    if (on && !s->raw_data) {
        error_setg(errp, "data-file-raw cannot be set on existing images");
        return false;
    }
    if (on == s->raw_data) {
        return true;
    }
    s->header.autoclear &= ~QCOW_AUTOCLEAR_DATA_FILE_RAW;
    s->raw_data = false;
    return qcow_header_rewrite(s, errp) == 0;
}

/* Only the name: what is in the new file is the user's business. */
static bool coroutine_fn set_data_file(BlockAmendQcow2 *a, BlockQcow2 *s,
                                       Error **errp)
{
    QcowHeader *h = &s->header;
    char *before = h->data_file;

    if (!a->data_file) {
        return true;
    }
    if (!qcow_has_data_file(s)) {
        error_setg(errp, "data-file can only be set for images that use an "
                         "external data file");
        return false;
    }
    if (strlen(a->data_file) > QCOW_DATA_FILE_NAME_MAX) {
        error_setg(errp, "Data file name is longer than %d bytes",
                   QCOW_DATA_FILE_NAME_MAX);
        return false;
    }
    h->data_file = *a->data_file ? g_strdup(a->data_file) : NULL;
    if (qcow_header_rewrite(s, errp) < 0) {
        g_free(h->data_file);
        h->data_file = before;
        return false;
    }
    g_free(before);
    return true;
}

/* The contents would change: that is rebase's work. */
static bool check_backing(const BlockAmendQcow2 *a, const BlockQcow2 *s,
                          Error **errp)
{
    const QcowHeader *h = &s->header;

    if (a->backing_file &&
        !g_str_equal(a->backing_file, h->backing_file ?: "")) {
        error_setg(errp, "Cannot amend the backing file");
        error_append_hint(errp, "You can use 'ferry-img rebase' instead.\n");
        return false;
    }
    if (a->backing_format &&
        g_strcmp0(a->backing_format, h->backing_format) != 0) {
        error_setg(errp, "Cannot amend the backing format");
        error_append_hint(errp, "You can use 'ferry-img rebase' instead.\n");
        return false;
    }
    return true;
}

static bool coroutine_fn amend_closed(BlockAmendQcow2 *a, BlockQcow2 *s,
                                      Error **errp)
{
    int ret = qcow_commit_all(s);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write out metadata");
        return false;
    }
    /* A newer version first, an older one last. */
    if (a->version && wanted_version(a, s, NULL) == 3 &&
        !set_version(a, s, errp)) {
        return false;
    }
    return amend_encryption(a, s, errp) && set_raw(a, s, errp) &&
           set_data_file(a, s, errp) && set_refcount_bits(a, s, errp) &&
           set_lazy(a, s, errp) && set_version(a, s, errp);
}

static bool coroutine_fn amend_co_run(BlockAmend *amend, Error **errp)
{
    BlockAmendQcow2 *a = BLOCK_AMEND_QCOW2(amend);
    BlockNode *node = blk_node(amend->blk);
    BlockQcow2 *s = BLOCK_QCOW2(node);
    bool ok;

    if (!s->active) {
        error_setg(errp, "Image '%s' is read-only", node->name);
        return false;
    }
    if (!check_backing(a, s, errp)) {
        return false;
    }
    block_progress_add(amend->progress, s->header.size);
    qcow_close_gate(s);
    ok = amend_closed(a, s, errp);
    qcow_open_gate(s);
    if (ok && a->size) {
        ok = node_co_truncate(node, (int64_t)a->size, true, PREALLOC_MODE_OFF,
                              0, errp) == 0;
    }
    block_progress_done(amend->progress, s->header.size);
    return ok;
}

/* -- class --------------------------------------------------------------------------------- */

static const BlockCreateAlias amend_aliases[] = {
    { "compat", "version", NULL },
    {},
};

static const Property amend_props[] = {
    { "version", PROP_STR, offsetof(BlockAmendQcow2, version),
      .help = "v2 (0.10) or v3 (1.1)", .since = "0.2" },
    { "size", PROP_SIZE, offsetof(BlockAmendQcow2, size), .unit = "bytes",
      .help = "size of the disk", .since = "0.2" },
    { "backing-file", PROP_STR, offsetof(BlockAmendQcow2, backing_file),
      .help = "only what it is already: rebase changes it", .since = "0.2" },
    { "backing-fmt", PROP_STR, offsetof(BlockAmendQcow2, backing_format),
      .help = "likewise", .since = "0.2" },
    { "lazy-refcounts", PROP_STR, offsetof(BlockAmendQcow2, lazy_refcounts),
      .help = "on or off: write refcounts only at the end", .since = "0.2" },
    { "refcount-bits", PROP_UINT64, offsetof(BlockAmendQcow2, refcount_bits),
      .help = "width of a refcount: 1 to 64", .since = "0.2" },
    { "data-file-raw", PROP_STR, offsetof(BlockAmendQcow2, data_file_raw),
      .help = "off: the data file is no raw image of the disk any more",
      .since = "0.2" },
    { "data-file", PROP_STR, offsetof(BlockAmendQcow2, data_file),
      .help = "name of the data file, which holds what the old one did; "
              "empty: none in the header",
      .since = "0.2" },
    { "encrypt", PROP_JSON, offsetof(BlockAmendQcow2, encrypt_ref),
      .qapi_type = "any", .help = "key slots: what luks takes",
      .since = "0.2" },
    {},
};

static void amend_class_init(ObjectClass *oc, void *data)
{
    BlockAmendClass *ac = BLOCK_AMEND_CLASS(oc);

    ac->driver = "qcow2";
    ac->help = "disks that grow, with backing files and snapshots";
    ac->aliases = amend_aliases;
    ac->co_run = amend_co_run;
}

extern const TypeInfo block_type_amend_qcow2;
const TypeInfo block_type_amend_qcow2 = {
    .name = TYPE_BLOCK_AMEND_QCOW2,
    .parent = TYPE_BLOCK_AMEND,
    .instance_size = sizeof(BlockAmendQcow2),
    .class_init = amend_class_init,
    .props = amend_props,
};
