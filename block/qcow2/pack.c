/*
 * Compressed clusters as bytes: zlib (raw deflate, window of 4 KiB) and zstd.
 * Pure functions, for worker threads.
 *
 * Deflate is ISA-L's where that is there: several times as fast as zlib. The
 * libraries are loaded when the first compressed cluster is met.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "util/compress-library.h"

/* Others expand with a window of this many bits. */
#define PACK_WINDOW_BITS 12
#define PACK_ZSTD_LEVEL  3

/* -- zlib ------------------------------------------------------------------------ */

static ssize_t pack_zlib(void *dst, size_t dst_bytes, const void *src,
                         size_t src_bytes)
{
    z_stream z = { .next_in = (void *)src,
                   .avail_in = (uInt)src_bytes,
                   .next_out = dst,
                   .avail_out = (uInt)dst_bytes };
    int ret;

    if (!zlib_load(NULL)) {
        return -ENOTSUP;
    }
    ret = zlib_lib.deflateInit2_(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                                 -PACK_WINDOW_BITS, 9, Z_DEFAULT_STRATEGY,
                                 ZLIB_VERSION, (int)sizeof(z));
    if (ret != Z_OK) {
        return -EIO;
    }
    ret = zlib_lib.deflate(&z, Z_FINISH);
    zlib_lib.deflateEnd(&z);
    if (ret == Z_STREAM_END) {
        return (ssize_t)(dst_bytes - z.avail_out);
    }
    return ret == Z_OK || ret == Z_BUF_ERROR ? -ENOMEM : -EIO;
}

/* The stream may go on behind what we have: only the contents count. */
static int unpack_zlib(void *dst, size_t dst_bytes, const void *src,
                       size_t src_bytes)
{
    z_stream z = { .next_in = (void *)src,
                   .avail_in = (uInt)src_bytes,
                   .next_out = dst,
                   .avail_out = (uInt)dst_bytes };
    int ret;

    if (!zlib_load(NULL)) {
        return -ENOTSUP;
    }
    ret = zlib_lib.inflateInit2_(&z, -MAX_WBITS, ZLIB_VERSION, (int)sizeof(z));
    if (ret != Z_OK) {
        return -EIO;
    }
    ret = zlib_lib.inflate(&z, Z_FINISH);
    zlib_lib.inflateEnd(&z);
    return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && z.avail_out == 0
               ? 0
               : -EIO;
}

/* -- ISA-L ----------------------------------------------------------------------- */

#if CONFIG_ISAL
static ssize_t pack_isal(void *dst, size_t dst_bytes, const void *src,
                         size_t src_bytes)
{
    g_autofree struct isal_zstream *z = g_new(struct isal_zstream, 1);
    g_autofree uint8_t *memory = g_malloc(ISAL_DEF_LVL3_DEFAULT);
    int ret;

    isal_lib.isal_deflate_init(z);
    z->level = 3;
    z->level_buf = memory;
    z->level_buf_size = ISAL_DEF_LVL3_DEFAULT;
    z->gzip_flag = IGZIP_DEFLATE;
    z->hist_bits = PACK_WINDOW_BITS;
    z->end_of_stream = 1;
    z->flush = NO_FLUSH;
    z->next_in = (uint8_t *)src;
    z->avail_in = (uint32_t)src_bytes;
    z->next_out = dst;
    z->avail_out = (uint32_t)dst_bytes;
    ret = isal_lib.isal_deflate(z);
    if (ret != COMP_OK) {
        return -EIO;
    }
    return z->internal_state.state == ZSTATE_END
               ? (ssize_t)(dst_bytes - z->avail_out)
               : -ENOMEM;
}

static int unpack_isal(void *dst, size_t dst_bytes, const void *src,
                       size_t src_bytes)
{
    g_autofree struct inflate_state *z = g_new(struct inflate_state, 1);

    isal_lib.isal_inflate_init(z);
    z->crc_flag = ISAL_DEFLATE;
    z->next_in = (uint8_t *)src;
    z->avail_in = (uint32_t)src_bytes;
    z->next_out = dst;
    z->avail_out = (uint32_t)dst_bytes;
    return isal_lib.isal_inflate(z) >= 0 && z->avail_out == 0 ? 0 : -EIO;
}

#define have_isal() isal_load(NULL)
#else
#define have_isal()      false
#define pack_isal(...)   (-ENOTSUP)
#define unpack_isal(...) (-ENOTSUP)
#endif

/* -- zstd ------------------------------------------------------------------------ */

#if CONFIG_ZSTD
static ssize_t pack_zstd(void *dst, size_t dst_bytes, const void *src,
                         size_t src_bytes)
{
    size_t n;

    if (!zstd_load(NULL)) {
        return -ENOTSUP;
    }
    n = zstd_lib.ZSTD_compress(dst, dst_bytes, src, src_bytes, PACK_ZSTD_LEVEL);
    /* The only error that good arguments can have is too little room. */
    return zstd_lib.ZSTD_isError(n) ? -ENOMEM : (ssize_t)n;
}

/* What is behind the frame in its last sector is not ours: a stream. */
static int unpack_zstd(void *dst, size_t dst_bytes, const void *src,
                       size_t src_bytes)
{
    ZSTD_inBuffer in = { src, src_bytes, 0 };
    ZSTD_outBuffer out = { dst, dst_bytes, 0 };
    ZSTD_DCtx *ctx;
    size_t n = 0;

    if (!zstd_load(NULL)) {
        return -ENOTSUP;
    }
    ctx = zstd_lib.ZSTD_createDCtx();
    while (ctx && out.pos < out.size) {
        size_t before = in.pos + out.pos;

        n = zstd_lib.ZSTD_decompressStream(ctx, &out, &in);
        if (zstd_lib.ZSTD_isError(n) || in.pos + out.pos == before) {
            break;
        }
    }
    zstd_lib.ZSTD_freeDCtx(ctx);
    return out.pos == out.size && !zstd_lib.ZSTD_isError(n) ? 0 : -EIO;
}
#else
#define pack_zstd(...)   (-ENOTSUP)
#define unpack_zstd(...) (-ENOTSUP)
#endif

/* -------------------------------------------------------------------------------- */

bool qcow_can_compress(QcowCompression type)
{
    return type == QCOW_COMPRESSION_ZLIB || CONFIG_ZSTD;
}

ssize_t qcow_pack(QcowCompression type, void *dst, size_t dst_bytes,
                  const void *src, size_t src_bytes)
{
    switch (type) {
    case QCOW_COMPRESSION_ZLIB:
        return have_isal() ? pack_isal(dst, dst_bytes, src, src_bytes)
                           : pack_zlib(dst, dst_bytes, src, src_bytes);
    case QCOW_COMPRESSION_ZSTD:
        return pack_zstd(dst, dst_bytes, src, src_bytes);
    default:
        return -ENOTSUP;
    }
}

int qcow_unpack(QcowCompression type, void *dst, size_t dst_bytes,
                const void *src, size_t src_bytes)
{
    switch (type) {
    case QCOW_COMPRESSION_ZLIB:
        return have_isal() ? unpack_isal(dst, dst_bytes, src, src_bytes)
                           : unpack_zlib(dst, dst_bytes, src, src_bytes);
    case QCOW_COMPRESSION_ZSTD:
        return unpack_zstd(dst, dst_bytes, src, src_bytes);
    default:
        return -ENOTSUP;
    }
}
