/*
 * Return path of a migration, as the source reads it: headers and payloads one
 * after the other, until one is refused. Checked beside memory safety: what was
 * accepted encodes to the same bytes (but for text that is not printable).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/return/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const ReturnMessage *msg, const uint8_t *wire,
                       size_t len)
{
    uint8_t buf[RETURN_MESSAGE_MAX];
    size_t n = return_encode(msg, buf);

    assert(n == len);
    for (size_t i = 0; i < n; i++) {
        assert(buf[i] == wire[i] ||
               (msg->type == RETURN_SHUT && buf[i] == '?'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    while (size >= RETURN_HEADER_LEN) {
        ReturnMessage msg;
        ReturnType type;
        uint16_t len;

        if (!return_header_decode(data, &type, &len, NULL)) {
            return 0;
        }
        assert(len <= RETURN_PAYLOAD_MAX);
        if (size - RETURN_HEADER_LEN < len ||
            !return_payload_decode(type, data + RETURN_HEADER_LEN, len, &msg,
                                   NULL)) {
            return 0;
        }
        assert(strlen(msg.name) <= RAM_BLOCK_NAME_MAX);
        check_same(&msg, data, RETURN_HEADER_LEN + len);
        data += RETURN_HEADER_LEN + len;
        size -= RETURN_HEADER_LEN + len;
    }
    return 0;
}
