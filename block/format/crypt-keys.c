/*
 * Keys of encrypted images that are found while no node waits for them.
 *
 * An object of crypto/block.h that has its key serves one node at a time; it
 * stays here, too, as a go that fails for want of another key closes its node.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/format/crypt-keys.h"

#include "util/error.h"

typedef struct FoundKey {
    QCryptoBlock *block; /* referenced */
    char *identity;
    Error *err;  /* owned: there is no key */
    bool in_use; /* in this go */
} FoundKey;

struct CryptKeys {
    GPtrArray *list;  /* of FoundKey */
    FoundKey *wanted; /* the last one; NULL: found */
    bool cancelled;
};

static void found_key_free(gpointer data)
{
    FoundKey *k = data;

    qcrypto_block_free(k->block);
    error_free(k->err);
    g_free(k->identity);
    g_free(k);
}

CryptKeys *crypt_keys_new(void)
{
    CryptKeys *keys = g_new0(CryptKeys, 1);

    keys->list = g_ptr_array_new_with_free_func(found_key_free);
    return keys;
}

void crypt_keys_free(void *opaque)
{
    CryptKeys *keys = opaque;

    if (keys) {
        g_ptr_array_unref(keys->list);
        g_free(keys);
    }
}

void crypt_keys_begin_go(CryptKeys *keys)
{
    keys->wanted = NULL;
    for (guint i = 0; i < keys->list->len; i++) {
        FoundKey *k = g_ptr_array_index(keys->list, i);

        k->in_use = false;
    }
}

static FoundKey *find(CryptKeys *keys, const char *identity)
{
    for (guint i = 0; i < keys->list->len; i++) {
        FoundKey *k = g_ptr_array_index(keys->list, i);

        if (!k->in_use && g_str_equal(k->identity, identity)) {
            return k;
        }
    }
    return NULL;
}

static QCryptoBlock *use(FoundKey *k, Error **errp)
{
    k->in_use = true;
    if (k->err) {
        error_propagate(errp, error_copy(k->err));
        return NULL;
    }
    return qcrypto_block_ref(k->block);
}

bool crypt_keys_open(CryptKeys *keys, QCryptoBlock **begun,
                     const char *identity, QCryptoBlock **block, Error **errp)
{
    FoundKey *k = find(keys, identity);

    *block = NULL;
    if (k) {
        *block = use(k, errp);
        g_clear_pointer(begun, qcrypto_block_free);
        return true;
    }
    if (keys->list->len >= CRYPT_KEYS_MAX && !keys->cancelled) {
        return false;
    }
    k = g_new0(FoundKey, 1);
    k->block = g_steal_pointer(begun);
    k->identity = g_strdup(identity);
    g_ptr_array_add(keys->list, k);
    keys->wanted = k;
    if (keys->cancelled) {
        qcrypto_block_open_cancel(k->block);
    }
    error_setg(errp, "the key is not there yet");
    return true;
}

bool crypt_keys_is_wanted(const CryptKeys *keys)
{
    return keys->wanted;
}

int crypt_keys_find(void *opaque)
{
    CryptKeys *keys = opaque;

    qcrypto_block_open_finish(keys->wanted->block, &keys->wanted->err);
    return 0;
}

void crypt_keys_cancel(void *opaque)
{
    CryptKeys *keys = opaque;

    keys->cancelled = true;
    if (keys->wanted) {
        qcrypto_block_open_cancel(keys->wanted->block);
    }
}
