/*
 * The table of compression methods.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/compress.h"

const MultiFDCodec *multifd_codec(MultiFDMethod method)
{
    static const MultiFDCodec *const table[MULTIFD_METHODS] = {
        [MULTIFD_METHOD_ZLIB] = &multifd_codec_zlib,
        [MULTIFD_METHOD_ZSTD] = &multifd_codec_zstd,
    };

    return table[method];
}

void multifd_stream_free(MultiFDStream *s)
{
    if (s) {
        s->codec->free(s);
    }
}
