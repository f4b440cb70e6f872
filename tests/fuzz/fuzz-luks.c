/*
 * LUKS headers: what is accepted is within its limits and is written again
 * as it was; the whole is opened without a passphrase, detached and not.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "../../crypto/block-luks-internal.h"
#include "crypto/block.h"
#include "crypto/init.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Image {
    const uint8_t *data;
    size_t size;
} Image;

static int image_read(QCryptoBlock *block, size_t offset, uint8_t *buf,
                      size_t len, void *opaque, Error **errp)
{
    const Image *image = opaque;

    if (offset > image->size || len > image->size - offset) {
        error_setg(errp, "behind the end");
        return -1;
    }
    memcpy(buf, image->data + offset, len);
    return 0;
}

static void check_header(const uint8_t *data, bool detached)
{
    LUKSHeader h;
    BlockCipherSpec spec;
    QCryptoHashAlgorithm hash;
    uint8_t again[LUKS_HEADER_BYTES];

    if (!luks_wire_decode(data, detached, &h, NULL)) {
        return;
    }
    g_assert(h.key_bytes <= LUKS_KEY_BYTES_MAX);
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        g_assert(luks_slot_stripes(&h.slots[i]) <= LUKS_STRIPES_MAX);
    }
    luks_wire_encode(&h, again);
    g_assert(!memcmp(again, data, LUKS_HEADER_BYTES));
    luks_names_decode(&h, &spec, &hash, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    QCryptoBlockOpenOptions options = { .format = QCRYPTO_BLOCK_FORMAT_LUKS };
    Image image = { data, size };

    if (size < LUKS_HEADER_BYTES) {
        return 0;
    }
    qcrypto_init(NULL);
    for (unsigned detached = 0; detached < 2; detached++) {
        unsigned flags = QCRYPTO_BLOCK_OPEN_NO_IO;
        QCryptoBlock *block;

        if (detached) {
            flags |= QCRYPTO_BLOCK_OPEN_DETACHED;
        }
        check_header(data, detached);
        block = qcrypto_block_open(&options, NULL, image_read, &image, flags, 1,
                                   NULL);
        if (block) {
            qapi_free_QCryptoBlockInfo(qcrypto_block_get_info(block, NULL));
            qcrypto_block_free(block);
        }
    }
    return 0;
}
