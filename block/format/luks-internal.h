/*
 * The luks driver's struct, for amendment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_LUKS_INTERNAL_H
#define BLOCK_LUKS_INTERNAL_H

#include "block/block-internal.h"
#include "block/format/crypt-io.h"

#define TYPE_BLOCK_LUKS TYPE_BLOCK_NODE "-luks"
OBJECT_DECLARE_SIMPLE_TYPE(BlockLuks, BLOCK_LUKS)

struct BlockLuks {
    BlockNode parent_obj;

    json_t *file_ref;
    json_t *header_ref; /* NULL: the header is in the file */
    char *key_secret;

    NodeLink file;
    NodeLink header;
    QCryptoBlock *block;
    CryptIO io; /* not set up without a passphrase */
    int64_t payload_offset;
    uint32_t sector_size;
};

/** luks_co_amend: change key slots of a node that is open for writing. */
bool coroutine_fn luks_co_amend(BlockNode *node,
                                QCryptoBlockAmendOptions *options, bool force,
                                Error **errp);

#endif
