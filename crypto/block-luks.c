/*
 * LUKS version 1: opening, and what the header says.
 *
 * Source: LUKS On-Disk Format Specification 1.2.3.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/secret-mem.h"

#include "block-luks-internal.h"

static bool luks_header_read(QCryptoBlock *block, const LUKSFile *file,
                             Error **errp)
{
    LUKSState *luks = block->state;
    uint8_t buf[LUKS_HEADER_BYTES];

    if (file->read(block, 0, buf, sizeof(buf), file->opaque, errp) < 0) {
        error_prepend(errp, "cannot read the LUKS header: ");
        return false;
    }
    if (!luks_wire_decode(buf, block->detached, &luks->header, errp) ||
        !luks_names_decode(&luks->header, &luks->spec, &luks->hash, errp)) {
        return false;
    }
    block->kdf_hash = luks->hash;
    block->sector_size = LUKS_SECTOR;
    block->payload_offset = (uint64_t)luks->header.payload_sector * LUKS_SECTOR;
    return true;
}

static bool luks_begin_search(QCryptoBlock *block, const LUKSFile *file,
                              const char *optprefix, unsigned flags,
                              Error **errp)
{
    LUKSState *luks = block->state;
    uint8_t *data;
    size_t len;

    if (!block_secret_get(luks->key_secret, optprefix, "key-secret", &data,
                          &len, errp)) {
        return false;
    }
    LUKSPassphrase passphrase = { data, len };
    luks->opening =
        luks_search_new(luks, file, ~0U, &passphrase,
                        flags & QCRYPTO_BLOCK_OPEN_CANCELLABLE, errp);
    secret_free(data, len);
    return luks->opening;
}

static bool luks_find_key(QCryptoBlock *block, Error **errp)
{
    LUKSState *luks = block->state;
    uint8_t key[LUKS_KEY_BYTES_MAX];
    int slot;
    bool ok;

    if (!luks->opening) {
        return true;
    }
    /* It is freed with @block: somebody may just be cancelling it. */
    ok = luks_search_key(luks->opening, &slot, key, errp) &&
         block_cipher_setup(block, &luks->spec, key, luks->header.key_bytes,
                            errp);
    secret_wipe(key, sizeof(key));
    return ok;
}

static void luks_cancel(QCryptoBlock *block)
{
    LUKSState *luks = block->state;

    if (luks->opening) {
        luks_search_cancel(luks->opening);
    }
}

static bool luks_open(QCryptoBlock *block, QCryptoBlockOpenOptions *options,
                      const char *optprefix, QCryptoBlockReadFunc readfunc,
                      void *opaque, unsigned flags, Error **errp)
{
    LUKSFile file = { .block = block, .read = readfunc, .opaque = opaque };
    LUKSState *luks = g_new0(LUKSState, 1);

    block->state = luks;
    block->detached = flags & QCRYPTO_BLOCK_OPEN_DETACHED;
    luks->key_secret = g_strdup(options->u.luks.key_secret);
    return luks_header_read(block, &file, errp) &&
           (flags & QCRYPTO_BLOCK_OPEN_NO_IO ||
            luks_begin_search(block, &file, optprefix, flags, errp));
}

static QCryptoBlockInfoLUKSSlot *luks_slot_info(const LUKSSlot *slot)
{
    QCryptoBlockInfoLUKSSlot *info = g_new0(QCryptoBlockInfoLUKSSlot, 1);

    info->active = slot->active;
    info->key_offset = (int64_t)slot->key_sector * LUKS_SECTOR;
    if (slot->active) {
        info->has_iters = info->has_stripes = true;
        info->iters = slot->iterations;
        info->stripes = slot->stripes;
    }
    return info;
}

static void luks_get_info(QCryptoBlock *block, QCryptoBlockInfo *info)
{
    const LUKSState *luks = block->state;
    const LUKSHeader *h = &luks->header;
    QCryptoBlockInfoLUKS *l = &info->u.luks;
    QCryptoBlockInfoLUKSSlotList **tail = &l->slots;

    l->cipher_alg = luks->spec.alg;
    l->cipher_mode = luks->spec.mode;
    l->ivgen_alg = luks->spec.ivgen;
    l->has_ivgen_hash_alg = luks->spec.ivgen == QCRYPTO_IVGEN_ALG_ESSIV;
    l->ivgen_hash_alg = luks->spec.essiv_hash;
    l->hash_alg = luks->hash;
    l->detached_header = block->detached;
    l->payload_offset = (int64_t)block->payload_offset;
    l->master_key_iters = h->digest_iterations;
    l->uuid = g_strdup(h->uuid);
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        QAPI_LIST_APPEND(tail, luks_slot_info(&h->slots[i]));
    }
}

static void luks_free(QCryptoBlock *block)
{
    LUKSState *luks = block->state;

    if (luks) {
        luks_search_free(luks->opening);
        g_free(luks->key_secret);
        g_free(luks);
    }
}

const QCryptoBlockDriver qcrypto_block_luks = {
    .open = luks_open,
    .find_key = luks_find_key,
    .cancel = luks_cancel,
    .create = luks_create,
    .header_len = luks_header_len,
    .amend = luks_amend,
    .get_info = luks_get_info,
    .has_format = luks_wire_probe,
    .free = luks_free,
};
