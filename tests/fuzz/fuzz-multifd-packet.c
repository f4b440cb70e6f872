/*
 * Multifd's hello and packet header: any bytes. What is accepted keeps its
 * promises and is encoded to something that decodes to the same.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_hello(const uint8_t *data)
{
    uint8_t back[MULTIFD_HELLO_SIZE];
    MultiFDHello h, again;

    if (multifd_hello_decode(&h, data, NULL)) {
        multifd_hello_encode(&h, back);
        if (!multifd_hello_decode(&again, back, NULL) ||
            memcmp(&h, &again, sizeof(h)) != 0) {
            abort();
        }
    }
}

static void check_packet(const uint8_t *data)
{
    static MultiFDPacket p, again;
    uint8_t back[MULTIFD_HEADER_SIZE];

    memset(&p, 0, sizeof(p));
    memset(&again, 0, sizeof(again));
    if (!multifd_packet_decode(&p, data, NULL)) {
        return;
    }
    if (p.normal + p.zero > MULTIFD_PAGES_MAX || p.method >= MULTIFD_METHODS ||
        p.data_bytes > MULTIFD_BLOB_MAX ||
        strlen(p.block) > RAM_BLOCK_NAME_MAX) {
        abort();
    }
    for (unsigned i = 0; i < p.normal + p.zero; i++) {
        if (p.offset[i] & ~RAM_PAGE_MASK) {
            abort();
        }
    }
    /* Bytes behind the name's end do not come back. */
    memset(p.block + strlen(p.block), 0, sizeof(p.block) - strlen(p.block));
    multifd_packet_encode(&p, back);
    if (!multifd_packet_decode(&again, back, NULL) ||
        memcmp(&p, &again, sizeof(p)) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= MULTIFD_HELLO_SIZE) {
        check_hello(data);
    }
    if (size >= MULTIFD_HEADER_SIZE) {
        check_packet(data);
    }
    return 0;
}
