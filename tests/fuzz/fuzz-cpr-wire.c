/*
 * The message of passed memory (mode cpr-transfer), as the destination reads it.
 * Checked beside memory safety: what was accepted encodes to the same bytes, and
 * no name or number is what it must not be.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/cpr/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t buf[CPR_HEADER_LEN + CPR_BODY_MAX];
    CprMessage m = { 0 };
    size_t len, n;

    if (size < CPR_HEADER_LEN || !cpr_header_decode(data, &m, &len, NULL)) {
        return 0;
    }
    assert(len <= CPR_BODY_MAX && m.n > 0 && m.n <= CPR_BLOCKS_MAX);
    if (size - CPR_HEADER_LEN < len ||
        !cpr_body_decode(data + CPR_HEADER_LEN, len, &m, NULL)) {
        return 0;
    }
    for (unsigned i = 0; i < m.n; i++) {
        const CprBlock *b = &m.block[i];

        assert(b->idstr[0] && strlen(b->idstr) <= RAM_BLOCK_NAME_MAX);
        assert(b->bytes + b->offset > b->offset);
        assert(b->bytes % b->page_size == 0 && b->offset % b->page_size == 0);
    }
    n = cpr_encode(&m, buf);
    assert(n == CPR_HEADER_LEN + len && memcmp(buf, data, n) == 0);
    return 0;
}
