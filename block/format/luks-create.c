/*
 * Creation of LUKS images, and changes of their key slots.
 *
 * With "header", that file gets the header and "file" the data alone; with
 * "detached-header", "file" is the header and no data is made.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "block/create.h"
#include "block/format/crypt-header.h"
#include "block/format/luks-internal.h"
#include "qapi/qapi-types-block.h"
#include "qom/property.h"
#include "util/error.h"

#define TYPE_BLOCK_CREATE_LUKS TYPE_BLOCK_CREATE "-luks"
#define TYPE_BLOCK_AMEND_LUKS  TYPE_BLOCK_AMEND "-luks"

OBJECT_DECLARE_SIMPLE_TYPE(BlockCreateLuks, BLOCK_CREATE_LUKS)
OBJECT_DECLARE_SIMPLE_TYPE(BlockAmendLuks, BLOCK_AMEND_LUKS)

struct BlockCreateLuks {
    BlockCreateFormat parent_obj;

    json_t *header_ref;
    bool detached_header;
    uint64_t size;
    int preallocation;
    char *key_secret;
    int cipher_alg;
    int cipher_mode;
    int ivgen_alg;
    int ivgen_hash_alg;
    int hash_alg;
    int64_t iter_time;

    BlockNode *header; /* borrowed, while co_run() runs */
};

struct BlockAmendLuks {
    BlockAmend parent_obj;

    int state;
    char *new_secret;
    char *old_secret;
    char *secret;
    int64_t keyslot;
    int64_t iter_time;
};

/* -- creation -------------------------------------------------------------------- */

static bool is_detached(const BlockCreateLuks *l)
{
    return l->header_ref || l->detached_header;
}

static bool coroutine_fn create_resize(BlockNode *node, uint64_t bytes,
                                       PreallocMode prealloc, Error **errp)
{
    Error *err = NULL;

    if (bytes > BLK_LENGTH_MAX) {
        error_setg(errp, "size %" PRIu64 " is too large", bytes);
        return false;
    }
    if (node_co_truncate(node, (int64_t)bytes, false, prealloc, 0, &err) == 0) {
        return true;
    }
    /* What has a size of its own (a device, an export) may be big enough. */
    if (prealloc == PREALLOC_MODE_OFF &&
        block_node_length(node) >= (int64_t)bytes) {
        error_free(err);
        return true;
    }
    error_propagate(errp, err);
    return false;
}

static int coroutine_fn create_co_init(void *opaque, size_t bytes, Error **errp)
{
    BlockCreateLuks *l = opaque;
    BlockNode *file = block_create_file(BLOCK_CREATE(l));
    bool ok;

    if (l->header_ref) {
        ok = create_resize(l->header, bytes, PREALLOC_MODE_OFF, errp) &&
             create_resize(file, l->size, l->preallocation, errp);
    } else {
        ok = create_resize(file, bytes + l->size, l->preallocation, errp);
    }
    return ok ? 0 : -EIO;
}

static int coroutine_fn create_co_write(void *opaque, size_t offset,
                                        const uint8_t *buf, size_t bytes)
{
    BlockCreateLuks *l = opaque;

    return node_co_pwrite(l->header, (int64_t)offset, (int64_t)bytes, buf, 0);
}

static void create_options(const BlockCreateLuks *l,
                           QCryptoBlockCreateOptions *o)
{
    *o = (QCryptoBlockCreateOptions){
        .format = QCRYPTO_BLOCK_FORMAT_LUKS,
        .u.luks = {
            .key_secret = l->key_secret,
            .has_cipher_alg = true,
            .cipher_alg = l->cipher_alg,
            .has_cipher_mode = true,
            .cipher_mode = l->cipher_mode,
            .has_ivgen_alg = true,
            .ivgen_alg = l->ivgen_alg,
            .has_ivgen_hash_alg = true,
            .ivgen_hash_alg = l->ivgen_hash_alg,
            .has_hash_alg = true,
            .hash_alg = l->hash_alg,
            .has_iter_time = true,
            .iter_time = l->iter_time,
        },
    };
}

static bool coroutine_fn create_write(BlockCreateLuks *l, Error **errp)
{
    CryptHeader header = { .co_init = create_co_init,
                           .co_write = create_co_write,
                           .opaque = l };
    g_autoptr(QCryptoBlock) block = NULL;
    QCryptoBlockCreateOptions o;
    int ret;

    create_options(l, &o);
    block = crypt_co_create(&header, &o, NULL,
                            is_detached(l) ? QCRYPTO_BLOCK_CREATE_DETACHED : 0,
                            errp);
    if (!block) {
        return false;
    }
    ret = node_co_flush(l->header);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot flush the LUKS header");
    }
    return ret == 0;
}

static bool coroutine_fn create_luks_co_run(BlockCreate *c, Error **errp)
{
    BlockCreateLuks *l = BLOCK_CREATE_LUKS(c);
    BlockBackend *header = NULL;
    bool ok;

    if (l->header_ref) {
        header = block_create_co_open(c, l->header_ref, errp);
        if (!header) {
            return false;
        }
    }
    l->header = header ? blk_node(header) : block_create_file(c);
    ok = create_write(l, errp);
    l->header = NULL;
    if (header) {
        block_create_co_close(c, header);
    }
    return ok;
}

static bool create_luks_check(BlockCreate *c, Error **errp)
{
    BlockCreateLuks *l = BLOCK_CREATE_LUKS(c);
    QCryptoBlockCreateOptions o;
    size_t len;

    if (l->detached_header && l->header_ref) {
        error_setg(errp, "'detached-header' means that 'file' is the header: "
                         "'header' must not be given");
        return false;
    }
    if (l->detached_header && l->size) {
        error_setg(errp,
                   "a detached header has no size of its own, but 'size' "
                   "is %" PRIu64,
                   l->size);
        return false;
    }
    if (l->preallocation == PREALLOC_MODE_METADATA) {
        error_setg(errp, "format 'luks' has no preallocation mode 'metadata'");
        return false;
    }
    l->size = ROUND_UP(l->size, BLK_SECTOR_SIZE);
    create_options(l, &o);
    return qcrypto_block_calculate_payload_offset(&o, NULL, &len, errp);
}

static bool coroutine_fn create_luks_co_measure(BlockCreate *c, BlockNode *in,
                                                uint64_t *ret_required,
                                                uint64_t *ret_fully,
                                                Error **errp)
{
    BlockCreateLuks *l = BLOCK_CREATE_LUKS(c);
    QCryptoBlockCreateOptions o;
    size_t len;

    create_options(l, &o);
    if (!qcrypto_block_calculate_payload_offset(&o, NULL, &len, errp)) {
        return false;
    }
    if (l->header_ref) {
        len = 0;
    }
    *ret_required = *ret_fully = ROUND_UP(l->size, BLK_SECTOR_SIZE) + len;
    return true;
}

static const Property create_luks_props[] = {
    { "header", PROP_JSON, offsetof(BlockCreateLuks, header_ref),
      .qapi_type = "any",
      .help = "node-name, or a node to make: the header goes there",
      .since = "0.2" },
    { "detached-header", PROP_BOOL, offsetof(BlockCreateLuks, detached_header),
      .def = "off", .help = "the file gets a header and no data",
      .since = "0.2" },
    { "size", PROP_SIZE, offsetof(BlockCreateLuks, size),
      .max = BLK_LENGTH_MAX - BLK_SECTOR_SIZE, .unit = "bytes",
      .help = "size of the data", .since = "0.2" },
    { "preallocation", PROP_ENUM, offsetof(BlockCreateLuks, preallocation),
      .qapi_type = "PreallocMode", .lookup = &PreallocMode_lookup, .def = "off",
      .help = "off, falloc, or full: write zeroes", .since = "0.2" },
    { "key-secret", PROP_STR, offsetof(BlockCreateLuks, key_secret),
      .help = "id of the secret object with the passphrase", .since = "0.2" },
    { "cipher-alg", PROP_ENUM, offsetof(BlockCreateLuks, cipher_alg),
      .qapi_type = "QCryptoCipherAlgorithm",
      .lookup = &QCryptoCipherAlgorithm_lookup, .def = "aes-256",
      .help = "cipher", .since = "0.2" },
    { "cipher-mode", PROP_ENUM, offsetof(BlockCreateLuks, cipher_mode),
      .qapi_type = "QCryptoCipherMode", .lookup = &QCryptoCipherMode_lookup,
      .def = "xts", .help = "mode of the cipher", .since = "0.2" },
    { "ivgen-alg", PROP_ENUM, offsetof(BlockCreateLuks, ivgen_alg),
      .qapi_type = "QCryptoIVGenAlgorithm",
      .lookup = &QCryptoIVGenAlgorithm_lookup, .def = "plain64",
      .help = "generator of initialization vectors", .since = "0.2" },
    { "ivgen-hash-alg", PROP_ENUM, offsetof(BlockCreateLuks, ivgen_hash_alg),
      .qapi_type = "QCryptoHashAlgorithm",
      .lookup = &QCryptoHashAlgorithm_lookup, .def = "sha256",
      .help = "hash of the generator essiv", .since = "0.2" },
    { "hash-alg", PROP_ENUM, offsetof(BlockCreateLuks, hash_alg),
      .qapi_type = "QCryptoHashAlgorithm",
      .lookup = &QCryptoHashAlgorithm_lookup, .def = "sha256",
      .help = "hash of the key derivation", .since = "0.2" },
    { "iter-time", PROP_INT64, offsetof(BlockCreateLuks, iter_time),
      .def = "2000", .min = 1, .max = UINT32_MAX, .unit = "ms",
      .help = "time that a try of a passphrase takes", .since = "0.2" },
    {},
};

static void create_luks_class_init(ObjectClass *oc, void *data)
{
    BlockCreateClass *cc = BLOCK_CREATE_CLASS(oc);

    cc->driver = "luks";
    cc->help = "an encrypted image, LUKS version 1";
    cc->keeps_dashes = true;
    cc->check = create_luks_check;
    cc->co_run = create_luks_co_run;
    cc->co_measure = create_luks_co_measure;
}

extern const TypeInfo block_type_create_luks;
const TypeInfo block_type_create_luks = {
    .name = TYPE_BLOCK_CREATE_LUKS,
    .parent = TYPE_BLOCK_CREATE_FORMAT,
    .instance_size = sizeof(BlockCreateLuks),
    .class_init = create_luks_class_init,
    .props = create_luks_props,
};

/* -- amendment ------------------------------------------------------------------- */

static bool coroutine_fn amend_luks_co_run(BlockAmend *amend, Error **errp)
{
    BlockAmendLuks *l = BLOCK_AMEND_LUKS(amend);
    QCryptoBlockAmendOptions o = {
        .format = QCRYPTO_BLOCK_FORMAT_LUKS,
        .u.luks = {
            .state = l->state,
            .new_secret = l->new_secret,
            .old_secret = l->old_secret,
            .secret = l->secret,
            .has_keyslot = l->keyslot != -1,
            .keyslot = l->keyslot,
            .has_iter_time = l->iter_time != -1,
            .iter_time = l->iter_time,
        },
    };

    return luks_co_amend(blk_node(amend->blk), &o, amend->force, errp);
}

static const Property amend_luks_props[] = {
    { "state", PROP_ENUM, offsetof(BlockAmendLuks, state),
      .qapi_type = "QCryptoBlockLUKSKeyslotState",
      .lookup = &QCryptoBlockLUKSKeyslotState_lookup, .flags = PROP_F_REQUIRED,
      .help = "active: give a slot a passphrase; inactive: erase slots",
      .since = "0.2" },
    { "new-secret", PROP_STR, offsetof(BlockAmendLuks, new_secret),
      .help = "active: id of the secret object with the new passphrase",
      .since = "0.2" },
    { "old-secret", PROP_STR, offsetof(BlockAmendLuks, old_secret),
      .help = "inactive: slots that open with this secret are erased",
      .since = "0.2" },
    { "keyslot", PROP_INT64, offsetof(BlockAmendLuks, keyslot), .def = "-1",
      .help = "slot, 0 to 7; -1: the first free one (active), all that open "
              "with the old secret (inactive)",
      .since = "0.2" },
    { "iter-time", PROP_INT64, offsetof(BlockAmendLuks, iter_time), .def = "-1",
      .unit = "ms",
      .help = "active: time that a try of a passphrase takes; -1: 2000",
      .since = "0.2" },
    { "secret", PROP_STR, offsetof(BlockAmendLuks, secret),
      .help = "active: id of a secret that opens the image now; left out: what "
              "it was opened with",
      .since = "0.2" },
    {},
};

static void amend_luks_class_init(ObjectClass *oc, void *data)
{
    BlockAmendClass *ac = BLOCK_AMEND_CLASS(oc);

    ac->driver = "luks";
    ac->help = "key slots";
    ac->keeps_dashes = true;
    ac->co_run = amend_luks_co_run;
}

extern const TypeInfo block_type_amend_luks;
const TypeInfo block_type_amend_luks = {
    .name = TYPE_BLOCK_AMEND_LUKS,
    .parent = TYPE_BLOCK_AMEND,
    .instance_size = sizeof(BlockAmendLuks),
    .class_init = amend_luks_class_init,
    .props = amend_luks_props,
};
