/*
 * The functions of the compression libraries, each loaded when it is first
 * needed (util/library.h).
 *
 *     if (!zlib_load(errp)) ...
 *     zlib_lib.deflate(&z, Z_FINISH);
 *
 * Thread: any.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_COMPRESS_LIBRARY_H
#define UTIL_COMPRESS_LIBRARY_H

#include <zlib.h>
#if CONFIG_ZSTD
#include <zstd.h>
#endif
#if CONFIG_ISAL
#include <isa-l/igzip_lib.h>
#endif
#if CONFIG_LIBDEFLATE
#include <libdeflate.h>
#endif

#include "util/error.h"

#define COMPRESS_FUNCTION(name) __typeof__(name) *name

typedef struct ZlibLibrary {
    COMPRESS_FUNCTION(deflateInit2_);
    COMPRESS_FUNCTION(deflateReset);
    COMPRESS_FUNCTION(deflate);
    COMPRESS_FUNCTION(deflateEnd);
    COMPRESS_FUNCTION(inflateInit2_);
    COMPRESS_FUNCTION(inflateReset);
    COMPRESS_FUNCTION(inflate);
    COMPRESS_FUNCTION(inflateEnd);
} ZlibLibrary;

/** zlib_lib: usable once zlib_load() returned true. */
extern ZlibLibrary zlib_lib;

/** zlib_load: Errors: the library is not there, or too old. */
bool zlib_load(Error **errp);

#if CONFIG_ZSTD
typedef struct ZstdLibrary {
    COMPRESS_FUNCTION(ZSTD_compress);
    COMPRESS_FUNCTION(ZSTD_createCCtx);
    COMPRESS_FUNCTION(ZSTD_freeCCtx);
    COMPRESS_FUNCTION(ZSTD_CCtx_setParameter);
    COMPRESS_FUNCTION(ZSTD_compressStream2);
    COMPRESS_FUNCTION(ZSTD_createDCtx);
    COMPRESS_FUNCTION(ZSTD_freeDCtx);
    COMPRESS_FUNCTION(ZSTD_DCtx_setParameter);
    COMPRESS_FUNCTION(ZSTD_decompressStream);
    COMPRESS_FUNCTION(ZSTD_isError);
    COMPRESS_FUNCTION(ZSTD_getErrorName);
} ZstdLibrary;

extern ZstdLibrary zstd_lib;
bool zstd_load(Error **errp);
#endif

#if CONFIG_ISAL
typedef struct IsalLibrary {
    COMPRESS_FUNCTION(isal_deflate_init);
    COMPRESS_FUNCTION(isal_deflate);
    COMPRESS_FUNCTION(isal_deflate_stateless_init);
    COMPRESS_FUNCTION(isal_deflate_stateless);
    COMPRESS_FUNCTION(isal_inflate_init);
    COMPRESS_FUNCTION(isal_inflate);
} IsalLibrary;

extern IsalLibrary isal_lib;
bool isal_load(Error **errp);
#endif

#if CONFIG_LIBDEFLATE
typedef struct LibdeflateLibrary {
    COMPRESS_FUNCTION(libdeflate_alloc_compressor);
    COMPRESS_FUNCTION(libdeflate_zlib_compress);
    COMPRESS_FUNCTION(libdeflate_free_compressor);
    COMPRESS_FUNCTION(libdeflate_alloc_decompressor);
    COMPRESS_FUNCTION(libdeflate_zlib_decompress);
    COMPRESS_FUNCTION(libdeflate_free_decompressor);
} LibdeflateLibrary;

extern LibdeflateLibrary libdeflate_lib;
bool libdeflate_load(Error **errp);
#endif

#undef COMPRESS_FUNCTION

#endif
