/*
 * Multifd's zstd decoder: one stream of packets of any bytes. It fills what it
 * is given exactly or refuses, and never writes elsewhere.
 *
 * Input: pairs of u8 pages (of 128), be16 length, and so many bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "multifd-blob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    multifd_blob_fuzz(&multifd_codec_zstd, data, size);
    return 0;
}
