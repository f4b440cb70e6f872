/*
 * The compression libraries' names and functions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/compress-library.h"

#include "util/library.h"

#define ROW(lib, name)                                                         \
    {                                                                          \
#name, &(lib).name                                                     \
    }

ZlibLibrary zlib_lib;

bool zlib_load(Error **errp)
{
    static const LibrarySymbol symbols[] = {
        ROW(zlib_lib, deflateInit2_),
        ROW(zlib_lib, deflateReset),
        ROW(zlib_lib, deflate),
        ROW(zlib_lib, deflateEnd),
        ROW(zlib_lib, inflateInit2_),
        ROW(zlib_lib, inflateReset),
        ROW(zlib_lib, inflate),
        ROW(zlib_lib, inflateEnd),
        {},
    };
    static Library library = { .soname = "libz.so.1", .symbols = symbols };

    return library_load(&library, errp);
}

#if CONFIG_ZSTD
ZstdLibrary zstd_lib;

bool zstd_load(Error **errp)
{
    static const LibrarySymbol symbols[] = {
        ROW(zstd_lib, ZSTD_compress),
        ROW(zstd_lib, ZSTD_createCCtx),
        ROW(zstd_lib, ZSTD_freeCCtx),
        ROW(zstd_lib, ZSTD_CCtx_setParameter),
        ROW(zstd_lib, ZSTD_compressStream2),
        ROW(zstd_lib, ZSTD_createDCtx),
        ROW(zstd_lib, ZSTD_freeDCtx),
        ROW(zstd_lib, ZSTD_DCtx_setParameter),
        ROW(zstd_lib, ZSTD_decompressStream),
        ROW(zstd_lib, ZSTD_isError),
        ROW(zstd_lib, ZSTD_getErrorName),
        {},
    };
    static Library library = { .soname = "libzstd.so.1", .symbols = symbols };

    return library_load(&library, errp);
}
#endif

#if CONFIG_ISAL
IsalLibrary isal_lib;

bool isal_load(Error **errp)
{
    static const LibrarySymbol symbols[] = {
        ROW(isal_lib, isal_deflate_init),
        ROW(isal_lib, isal_deflate),
        ROW(isal_lib, isal_deflate_stateless_init),
        ROW(isal_lib, isal_deflate_stateless),
        ROW(isal_lib, isal_inflate_init),
        ROW(isal_lib, isal_inflate),
        {},
    };
    static Library library = { .soname = "libisal.so.2", .symbols = symbols };

    return library_load(&library, errp);
}
#endif

#if CONFIG_LIBDEFLATE
LibdeflateLibrary libdeflate_lib;

bool libdeflate_load(Error **errp)
{
    static const LibrarySymbol symbols[] = {
        ROW(libdeflate_lib, libdeflate_alloc_compressor),
        ROW(libdeflate_lib, libdeflate_zlib_compress),
        ROW(libdeflate_lib, libdeflate_free_compressor),
        ROW(libdeflate_lib, libdeflate_alloc_decompressor),
        ROW(libdeflate_lib, libdeflate_zlib_decompress),
        ROW(libdeflate_lib, libdeflate_free_decompressor),
        {},
    };
    static Library library = { .soname = "libdeflate.so.0",
                               .symbols = symbols };

    return library_load(&library, errp);
}
#endif
