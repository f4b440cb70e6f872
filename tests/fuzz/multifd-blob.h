/*
 * A decoder of multifd over a stream of packets, for its fuzz targets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_FUZZ_MULTIFD_BLOB_H
#define TESTS_FUZZ_MULTIFD_BLOB_H

#include "migration/multifd/compress.h"
#include "util/bswap.h"

static inline void multifd_blob_fuzz(const MultiFDCodec *codec,
                                     const uint8_t *data, size_t size)
{
    g_autoptr(MultiFDStream) dec = codec->decoder(NULL);

    while (dec && size >= 3) {
        unsigned pages = 1 + data[0] % MULTIFD_PAGES_MAX;
        size_t len = MIN((size_t)lduw_be_p(data + 1), size - 3);
        size_t room = pages * RAM_PAGE_SIZE;
        /* Exactly as much as promised, so that ASan sees one too many. */
        g_autofree uint8_t *out = g_malloc(room);
        g_autofree uint8_t *in = g_malloc(MAX(len, 1));
        struct iovec iov[2] = { { out, RAM_PAGE_SIZE },
                                { out + RAM_PAGE_SIZE, room - RAM_PAGE_SIZE } };

        memcpy(in, data + 3, len);
        if (len == 0 ||
            !codec->decode(dec, in, len, iov, pages > 1 ? 2 : 1, NULL)) {
            return;
        }
        data += 3 + len;
        size -= 3 + len;
    }
}

#endif
