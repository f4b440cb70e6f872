/*
 * LUKS: changes of key slots.
 *
 * A new passphrase: the key is found with one that works now, the new slot's
 * material is written, and then the header, which makes it count. A crash in
 * between leaves the slot as unused as it was.
 *
 * Erasing: first the material is overwritten with random bytes, many times
 * for the sake of media that remember, then the header says so. A crash in
 * between leaves a slot that no passphrase opens.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/random.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/secret-mem.h"

#include "block-luks-internal.h"

#define LUKS_ERASE_PASSES 40

static unsigned amend_active(const LUKSState *luks)
{
    unsigned active = 0;

    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        active |= luks->header.slots[i].active ? 1U << i : 0;
    }
    return active;
}

static bool amend_slot_valid(const QCryptoBlockAmendOptionsLUKS *o,
                             Error **errp)
{
    if (o->has_keyslot && (o->keyslot < 0 || o->keyslot >= LUKS_SLOTS)) {
        error_setg(errp, "invalid keyslot %" PRId64 ": not in 0 to %d",
                   o->keyslot, LUKS_SLOTS - 1);
        return false;
    }
    return true;
}

/* -- a new passphrase -------------------------------------------------------- */

static int amend_choose(const LUKSState *luks,
                        const QCryptoBlockAmendOptionsLUKS *o, bool force,
                        Error **errp)
{
    unsigned active = amend_active(luks);

    if (!o->has_keyslot) {
        for (int i = 0; i < LUKS_SLOTS; i++) {
            if (!(active & (1U << i))) {
                return i;
            }
        }
        error_setg(errp, "cannot add a key slot: all are in use");
        return -1;
    }
    if (active & (1U << o->keyslot) && !force) {
        error_setg(errp,
                   "refusing to overwrite active keyslot %" PRId64
                   ": erase it first",
                   o->keyslot);
        return -1;
    }
    return (int)o->keyslot;
}

static bool amend_find_key(LUKSState *luks, const LUKSFile *file,
                           const char *secret, uint8_t *key, Error **errp)
{
    uint8_t *data;
    size_t len;
    bool ok;

    if (!block_secret_get(secret ? secret : luks->key_secret, NULL, "secret",
                          &data, &len, errp)) {
        return false;
    }
    LUKSPassphrase passphrase = { data, len };
    ok = luks_key_find(luks, file, ~0U, &passphrase, key, errp) >= 0;
    secret_free(data, len);
    return ok;
}

static bool amend_store(LUKSState *luks, const LUKSFile *file, unsigned slot,
                        const QCryptoBlockAmendOptionsLUKS *o, Error **errp)
{
    uint8_t key[LUKS_KEY_BYTES_MAX];
    uint8_t *data;
    uint32_t rounds;
    size_t len;
    bool ok;

    if (!block_secret_get(o->new_secret, NULL, "new-secret", &data, &len,
                          errp)) {
        return false;
    }
    LUKSPassphrase passphrase = { data, len };
    ok = amend_find_key(luks, file, o->secret, key, errp) &&
         luks_key_rounds(luks,
                         o->has_iter_time ? o->iter_time : LUKS_ITER_TIME_MS,
                         &rounds, errp) &&
         luks_key_store(luks, file, slot, &passphrase, rounds, key, errp) &&
         luks_header_write(luks, file, errp);
    secret_wipe(key, sizeof(key));
    secret_free(data, len);
    return ok;
}

static bool amend_activate(LUKSState *luks, const LUKSFile *file,
                           const QCryptoBlockAmendOptionsLUKS *o, bool force,
                           Error **errp)
{
    int slot;

    if (o->old_secret) {
        error_setg(errp,
                   "'old-secret' must not be given when activating keyslots");
        return false;
    }
    if (!o->new_secret) {
        error_setg(errp, "'new-secret' is needed to activate a keyslot");
        return false;
    }
    slot = amend_choose(luks, o, force, errp);
    return slot >= 0 && amend_store(luks, file, (unsigned)slot, o, errp);
}

/* -- erasing ----------------------------------------------------------------- */

static bool amend_overwrite(LUKSState *luks, const LUKSFile *file, unsigned n,
                            Error **errp)
{
    const LUKSSlot *slot = &luks->header.slots[n];
    size_t len = ROUND_UP(luks_material_bytes(luks->header.key_bytes,
                                              luks_slot_stripes(slot)),
                          LUKS_SECTOR);
    g_autofree uint8_t *garbage = g_try_malloc(len);

    if (!garbage) {
        error_setg(errp, "no memory to erase key slot %u", n);
        return false;
    }
    for (unsigned pass = 0; pass < LUKS_ERASE_PASSES; pass++) {
        if (qcrypto_random_bytes(garbage, len, errp) < 0 ||
            file->write(file->block, (size_t)slot->key_sector * LUKS_SECTOR,
                        garbage, len, file->opaque, errp) < 0) {
            error_prepend(errp, "cannot erase key slot %u: ", n);
            return false;
        }
    }
    return true;
}

static bool amend_erase(LUKSState *luks, const LUKSFile *file, unsigned slots,
                        Error **errp)
{
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        LUKSSlot *slot = &luks->header.slots[i];

        if (!(slots & (1U << i))) {
            continue;
        }
        if (!amend_overwrite(luks, file, i, errp)) {
            return false;
        }
        slot->stripes = luks_slot_stripes(slot);
        slot->active = false;
        slot->iterations = 0;
        memset(slot->salt, 0, sizeof(slot->salt));
        if (!luks_header_write(luks, file, errp)) {
            return false;
        }
    }
    return true;
}

/* Bits of slots that open with the old passphrase; -1 on error. */
static int amend_old_slots(LUKSState *luks, const LUKSFile *file,
                           const char *old_secret, unsigned slots, Error **errp)
{
    uint8_t *data;
    size_t len;
    int found;

    if (!block_secret_get(old_secret, NULL, "old-secret", &data, &len, errp)) {
        return -1;
    }
    LUKSPassphrase passphrase = { data, len };
    found = luks_key_matching(luks, file, slots, &passphrase, errp);
    secret_free(data, len);
    if (found == 0) {
        error_setg(errp, "no keyslots match given (old) password for erase "
                         "operation");
        return -1;
    }
    return found;
}

static bool amend_deactivate(LUKSState *luks, const LUKSFile *file,
                             const QCryptoBlockAmendOptionsLUKS *o, bool force,
                             Error **errp)
{
    unsigned active = amend_active(luks);
    unsigned slots = o->has_keyslot ? 1U << o->keyslot : active;

    if (o->new_secret || o->has_iter_time) {
        error_setg(errp, "'%s' must not be given when erasing keyslots",
                   o->new_secret ? "new-secret" : "iter-time");
        return false;
    }
    if (!o->old_secret && !o->has_keyslot) {
        error_setg(errp,
                   "to erase keyslots, either 'keyslot' or 'old-secret' is "
                   "needed");
        return false;
    }
    if (o->has_keyslot && !(active & slots) && !force) {
        error_setg(errp, "keyslot %" PRId64 " is already erased (inactive)",
                   o->keyslot);
        return false;
    }
    if (o->old_secret) {
        int found = amend_old_slots(luks, file, o->old_secret, slots, errp);

        if (found < 0) {
            return false;
        }
        slots = (unsigned)found;
    }
    if (!(active & ~slots) && active && !force) {
        error_setg(errp,
                   "refusing to erase the last active keyslot, which would "
                   "destroy all data of the image");
        return false;
    }
    return amend_erase(luks, file, slots, errp);
}

bool luks_amend(QCryptoBlock *block, QCryptoBlockReadFunc readfunc,
                QCryptoBlockWriteFunc writefunc, void *opaque,
                QCryptoBlockAmendOptions *options, bool force, Error **errp)
{
    const QCryptoBlockAmendOptionsLUKS *o = &options->u.luks;
    LUKSFile file = { block, readfunc, writefunc, opaque };
    LUKSState *luks = block->state;

    if (!amend_slot_valid(o, errp)) {
        return false;
    }
    return o->state == QCRYPTO_BLOCK_LUKS_KEYSLOT_STATE_ACTIVE
               ? amend_activate(luks, &file, o, force, errp)
               : amend_deactivate(luks, &file, o, force, errp);
}
