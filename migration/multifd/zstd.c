/*
 * Multifd by Zstandard (RFC 8878): one frame without end for each channel; a
 * packet ends with a flushed block.
 *
 * The library keeps a copy of the window, on both sides: it is given the pages
 * themselves. A frame may ask its decoder for a large window; the limit is what
 * the highest level that can be set needs.
 *
 * Level 1 looks back 2 MiB instead of 512 KiB: guests hold the same bytes many
 * times (measured on text that repeats after 1 MiB: 2.7 times smaller and twice
 * as fast; on text that does not: 3 % slower).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/compress.h"
#include "util/compress-library.h"

#if CONFIG_ZSTD

/* Of level 1. */
#define FAST_WINDOW_LOG 21
#define FAST_HASH_LOG   15

typedef struct ZstdStream {
    MultiFDStream parent;
    ZSTD_CCtx *cctx; /* of an encoder; owned */
    ZSTD_DCtx *dctx; /* of a decoder; owned */
} ZstdStream;

/* -- streams ----------------------------------------------------------------- */

static void zstd_free(MultiFDStream *s)
{
    ZstdStream *z = container_of(s, ZstdStream, parent);

    if (z->cctx) {
        zstd_lib.ZSTD_freeCCtx(z->cctx);
    }
    if (z->dctx) {
        zstd_lib.ZSTD_freeDCtx(z->dctx);
    }
    g_free(z);
}

static bool zstd_ok(size_t ret, const char *what, Error **errp)
{
    if (zstd_lib.ZSTD_isError(ret)) {
        error_setg(errp, "zstd cannot %s: %s", what,
                   zstd_lib.ZSTD_getErrorName(ret));
        return false;
    }
    return true;
}

static ZstdStream *zstd_new(Error **errp)
{
    ZstdStream *z;

    if (!zstd_load(errp)) {
        return NULL;
    }
    z = g_new0(ZstdStream, 1);
    z->parent.codec = &multifd_codec_zstd;
    return z;
}

static bool encoder_set(ZstdStream *z, ZSTD_cParameter what, int value,
                        Error **errp)
{
    return zstd_ok(zstd_lib.ZSTD_CCtx_setParameter(z->cctx, what, value),
                   "set its level", errp);
}

static bool encoder_set_level(ZstdStream *z, int level, Error **errp)
{
    return encoder_set(z, ZSTD_c_compressionLevel, level, errp) &&
           (level != 1 ||
            (encoder_set(z, ZSTD_c_windowLog, FAST_WINDOW_LOG, errp) &&
             encoder_set(z, ZSTD_c_hashLog, FAST_HASH_LOG, errp)));
}

static MultiFDStream *zstd_encoder(int level, Error **errp)
{
    ZstdStream *z = zstd_new(errp);

    if (!z) {
        return NULL;
    }
    z->cctx = zstd_lib.ZSTD_createCCtx();
    if (!z->cctx) {
        error_setg(errp, "no memory for a zstd stream");
    } else if (encoder_set_level(z, level, errp)) {
        return &z->parent;
    }
    zstd_free(&z->parent);
    return NULL;
}

static size_t zstd_encode(MultiFDStream *s, const struct iovec *iov, unsigned n,
                          uint8_t *out, Error **errp)
{
    ZstdStream *z = container_of(s, ZstdStream, parent);
    ZSTD_outBuffer o = { .dst = out, .size = MULTIFD_BLOB_MAX };

    for (unsigned i = 0; i < n; i++) {
        ZSTD_inBuffer in = { .src = iov[i].iov_base, .size = iov[i].iov_len };
        ZSTD_EndDirective mode = i + 1 < n ? ZSTD_e_continue : ZSTD_e_flush;
        size_t left;

        do {
            left = zstd_lib.ZSTD_compressStream2(z->cctx, &o, &in, mode);
            if (!zstd_ok(left, "compress", errp)) {
                return 0;
            }
            if (o.pos == o.size) {
                error_setg(errp, "zstd made more than %zu bytes", o.size);
                return 0;
            }
        } while (in.pos < in.size || (mode == ZSTD_e_flush && left > 0));
    }
    return o.pos;
}

static MultiFDStream *zstd_decoder(Error **errp)
{
    ZstdStream *z = zstd_new(errp);

    if (!z) {
        return NULL;
    }
    z->dctx = zstd_lib.ZSTD_createDCtx();
    if (!z->dctx) {
        error_setg(errp, "no memory for a zstd stream");
    } else if (zstd_ok(
                   zstd_lib.ZSTD_DCtx_setParameter(z->dctx, ZSTD_d_windowLogMax,
                                                   MULTIFD_ZSTD_WINDOW_LOG_MAX),
                   "limit its window", errp)) {
        return &z->parent;
    }
    zstd_free(&z->parent);
    return NULL;
}

/* Fill @o. Stops early where the input ends. */
static bool zstd_fill(ZstdStream *z, ZSTD_outBuffer *o, ZSTD_inBuffer *in,
                      Error **errp)
{
    for (;;) {
        size_t was_in = in->pos, was_out = o->pos;

        if (!zstd_ok(zstd_lib.ZSTD_decompressStream(z->dctx, o, in),
                     "expand a packet", errp)) {
            return false;
        }
        if (o->pos == o->size || (in->pos == was_in && o->pos == was_out)) {
            return true;
        }
    }
}

static bool zstd_decode(MultiFDStream *s, const uint8_t *in, size_t len,
                        const struct iovec *iov, unsigned n, Error **errp)
{
    ZstdStream *z = container_of(s, ZstdStream, parent);
    ZSTD_inBuffer i = { .src = in, .size = len };
    uint8_t probe;
    ZSTD_outBuffer more = { .dst = &probe, .size = sizeof(probe) };

    for (unsigned k = 0; k < n; k++) {
        ZSTD_outBuffer o = { .dst = iov[k].iov_base, .size = iov[k].iov_len };

        if (!zstd_fill(z, &o, &i, errp)) {
            return false;
        }
        if (o.pos < o.size) {
            error_setg(errp, "zstd packet of %zu bytes holds too few pages",
                       len);
            return false;
        }
    }
    /* The end of the block is read here, and must make nothing more. */
    if (!zstd_fill(z, &more, &i, errp)) {
        return false;
    }
    if (more.pos > 0 || i.pos < i.size) {
        error_setg(errp, "zstd packet of %zu bytes holds too many pages", len);
        return false;
    }
    return true;
}

const MultiFDCodec multifd_codec_zstd = {
    .name = "zstd",
    .level_min = 0,
    .level_max = 20,
    .encoder = zstd_encoder,
    .encode = zstd_encode,
    .decoder = zstd_decoder,
    .decode = zstd_decode,
    .free = zstd_free,
};

#else /* !CONFIG_ZSTD */

static MultiFDStream *zstd_decoder(Error **errp)
{
    error_setg(errp, "multifd compression 'zstd' is not built in");
    return NULL;
}

static MultiFDStream *zstd_encoder(int level, Error **errp)
{
    return zstd_decoder(errp);
}

const MultiFDCodec multifd_codec_zstd = {
    .name = "zstd",
    .level_min = 0,
    .level_max = 20,
    .encoder = zstd_encoder,
    .decoder = zstd_decoder,
};

#endif
