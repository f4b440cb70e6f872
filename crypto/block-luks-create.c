/*
 * LUKS: a new header.
 *
 *   0      header, in its first sectors
 *   4096   material of slot 0, then of the others, each aligned to 4096
 *   end    the payload (with a detached header, at 0 of the other file)
 *
 * Room first, then the material of slot 0, the header last: a disk that was
 * begun and not finished has no header.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "util/error.h"
#include "util/secret-mem.h"
#include "util/uuid.h"

#include "block-luks-internal.h"

/* Everything in the header that needs neither passphrase nor random bytes. */
static bool create_layout(LUKSState *luks,
                          const QCryptoBlockCreateOptionsLUKS *o, Error **errp)
{
    LUKSHeader *h = &luks->header;
    BlockCipherSpec *spec = &luks->spec;
    uint32_t step;

    spec->alg = o->has_cipher_alg ? o->cipher_alg : QCRYPTO_CIPHER_ALG_AES_256;
    spec->mode = o->has_cipher_mode ? o->cipher_mode : QCRYPTO_CIPHER_MODE_XTS;
    spec->ivgen = o->has_ivgen_alg ? o->ivgen_alg : QCRYPTO_IVGEN_ALG_PLAIN64;
    spec->essiv_hash =
        o->has_ivgen_hash_alg ? o->ivgen_hash_alg : QCRYPTO_HASH_ALG_SHA256;
    luks->hash = o->has_hash_alg ? o->hash_alg : QCRYPTO_HASH_ALG_SHA256;
    if (!luks_names_encode(spec, luks->hash, h, errp) ||
        (spec->ivgen == QCRYPTO_IVGEN_ALG_ESSIV &&
         !luks_names_essiv(spec->alg, spec->essiv_hash, &spec->essiv_alg,
                           errp))) {
        return false;
    }
    step =
        ROUND_UP(luks_material_bytes(h->key_bytes, LUKS_STRIPES), LUKS_ALIGN);
    for (uint32_t i = 0; i < LUKS_SLOTS; i++) {
        h->slots[i].key_sector = (LUKS_ALIGN + i * step) / LUKS_SECTOR;
        h->slots[i].stripes = LUKS_STRIPES;
    }
    h->payload_sector = (LUKS_ALIGN + LUKS_SLOTS * step) / LUKS_SECTOR;
    return true;
}

bool luks_header_len(QCryptoBlockCreateOptions *options, size_t *len,
                     Error **errp)
{
    LUKSState luks = { 0 };

    if (!create_layout(&luks, &options->u.luks, errp)) {
        return false;
    }
    *len = (size_t)luks.header.payload_sector * LUKS_SECTOR;
    return true;
}

/* How often the key is hashed for its digest, if slots take @rounds. */
static uint32_t create_digest_rounds(const LUKSState *luks, uint32_t rounds)
{
    size_t hash = qcrypto_hash_digest_len(luks->hash);
    uint64_t slot_work = DIV_ROUND_UP(luks->header.key_bytes, hash);
    uint64_t digest_work = DIV_ROUND_UP(LUKS_DIGEST_BYTES, hash);
    uint64_t want = rounds * slot_work / digest_work / LUKS_DIGEST_PART;

    return CLAMP(want, LUKS_ITERATIONS_MIN, LUKS_ITERATIONS_MAX);
}

static bool create_key(LUKSState *luks, uint8_t *key, uint32_t rounds,
                       Error **errp)
{
    LUKSHeader *h = &luks->header;
    QemuUUID uuid;

    qemu_uuid_generate(&uuid);
    qemu_uuid_unparse(&uuid, h->uuid);
    h->digest_iterations = create_digest_rounds(luks, rounds);
    return qcrypto_random_bytes(key, h->key_bytes, errp) == 0 &&
           qcrypto_random_bytes(h->digest_salt, sizeof(h->digest_salt), errp) ==
               0 &&
           luks_key_digest(luks, key, h->digest, NULL, errp);
}

static bool create_write(QCryptoBlock *block, const LUKSFile *file,
                         const LUKSPassphrase *passphrase, int64_t iter_time,
                         QCryptoBlockInitFunc initfunc, Error **errp)
{
    LUKSState *luks = block->state;
    size_t len = (size_t)luks->header.payload_sector * LUKS_SECTOR;
    uint8_t key[LUKS_KEY_BYTES_MAX];
    uint32_t rounds;
    bool ok;

    if (block->detached) {
        luks->header.payload_sector = 0;
    }
    block->payload_offset = (uint64_t)luks->header.payload_sector * LUKS_SECTOR;
    ok = luks_key_rounds(luks, iter_time, &rounds, errp) &&
         create_key(luks, key, rounds, errp) &&
         block_cipher_setup(block, &luks->spec, key, luks->header.key_bytes,
                            errp) &&
         initfunc(block, len, file->opaque, errp) >= 0 &&
         luks_key_store(luks, file, 0, passphrase, rounds, key, errp) &&
         luks_header_write(luks, file, errp);
    secret_wipe(key, sizeof(key));
    return ok;
}

bool luks_create(QCryptoBlock *block, QCryptoBlockCreateOptions *options,
                 const char *optprefix, QCryptoBlockInitFunc initfunc,
                 QCryptoBlockWriteFunc writefunc, void *opaque, unsigned flags,
                 Error **errp)
{
    const QCryptoBlockCreateOptionsLUKS *o = &options->u.luks;
    LUKSFile file = { .block = block, .write = writefunc, .opaque = opaque };
    LUKSState *luks = g_new0(LUKSState, 1);
    uint8_t *data;
    size_t len;
    bool ok;

    block->state = luks;
    block->detached = flags & QCRYPTO_BLOCK_CREATE_DETACHED;
    block->sector_size = LUKS_SECTOR;
    if (!create_layout(luks, o, errp) ||
        !block_secret_get(o->key_secret, optprefix, "key-secret", &data, &len,
                          errp)) {
        return false;
    }
    LUKSPassphrase passphrase = { data, len };
    block->kdf_hash = luks->hash;
    luks->key_secret = g_strdup(o->key_secret);
    ok = create_write(block, &file, &passphrase,
                      o->has_iter_time ? o->iter_time : LUKS_ITER_TIME_MS,
                      initfunc, errp);
    secret_free(data, len);
    return ok;
}
