/*
 * Multifd by zlib's format (RFC 1950, 1951): one stream without end for each
 * channel; a packet ends with a sync flush.
 *
 * Two libraries write and read it. ISA-L does both several times as fast as
 * zlib, at levels whose size is that of zlib's low ones; zlib has the high
 * levels, and serves where ISA-L is not there. ISA-L is used without its zlib
 * framing: the checksum stands at a stream's end, which never comes, so
 * computing it would be in vain. The two bytes of the header are ours.
 *
 * ISA-L reads the input more than once while the guest may write it, so it gets
 * a copy. So does zlib, whose input is then one piece.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/compress.h"
#include "util/compress-library.h"
#include "util/iov.h"

/* 32 KiB window, deflate, no dictionary. */
#define ZLIB_CMF         0x78
#define ZLIB_FLG         0x01
#define ZLIB_HEADER_SIZE 2
/* ISA-L's largest level, which is also the zlib level it stands for. */
#define ISAL_LEVEL_MAX 3

/* What either library works on. */
typedef struct ZlibIO {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
} ZlibIO;

typedef struct ZlibStream {
    MultiFDStream parent;
    bool encoder;
    bool started;  /* the header was written or read */
    uint8_t *copy; /* of an encoder: MULTIFD_PACKET_BYTES; owned */
#if CONFIG_ISAL
    struct isal_zstream *idef;  /* encoder by ISA-L; owned */
    struct inflate_state *iinf; /* decoder by ISA-L; owned */
#endif
    z_stream z; /* by zlib */
    bool z_open;
} ZlibStream;

/* -- zlib -------------------------------------------------------------------- */

/* Raw deflate: the header is this file's matter. */
#define RAW_WINDOW_BITS (-15)

static bool zlib_open(ZlibStream *s, int level, Error **errp)
{
    int ret;

    if (!zlib_load(errp)) {
        return false;
    }
    if (s->encoder) {
        ret = zlib_lib.deflateInit2_(&s->z, level, Z_DEFLATED, RAW_WINDOW_BITS,
                                     8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                                     sizeof(s->z));
    } else {
        ret = zlib_lib.inflateInit2_(&s->z, RAW_WINDOW_BITS, ZLIB_VERSION,
                                     sizeof(s->z));
    }
    if (ret != Z_OK) {
        error_setg(errp, "zlib cannot start: error %d", ret);
        return false;
    }
    s->z_open = true;
    return true;
}

static bool zlib_run(ZlibStream *s, ZlibIO *io, Error **errp)
{
    int ret;

    s->z.next_in = (Bytef *)io->in;
    s->z.avail_in = io->in_len;
    s->z.next_out = io->out;
    s->z.avail_out = io->out_len;
    ret = s->encoder ? zlib_lib.deflate(&s->z, Z_SYNC_FLUSH)
                     : zlib_lib.inflate(&s->z, Z_SYNC_FLUSH);
    io->in = s->z.next_in;
    io->in_len = s->z.avail_in;
    io->out = s->z.next_out;
    io->out_len = s->z.avail_out;
    /* BUF_ERROR: nothing was left to do. */
    if (ret != Z_OK && ret != Z_BUF_ERROR) {
        error_setg(errp, "zlib stream is broken: error %d%s%s", ret,
                   s->z.msg ? ": " : "", s->z.msg ? s->z.msg : "");
        return false;
    }
    return true;
}

/* -- ISA-L ------------------------------------------------------------------- */

#if CONFIG_ISAL

static bool isal_open(ZlibStream *s, int level)
{
    static const uint32_t room[ISAL_LEVEL_MAX + 1] = {
        ISAL_DEF_LVL0_DEFAULT,
        ISAL_DEF_LVL1_DEFAULT,
        ISAL_DEF_LVL2_DEFAULT,
        ISAL_DEF_LVL3_DEFAULT,
    };

    /* Level 0 means "store" to zlib, and something else to ISA-L. */
    if (s->encoder && (level < 1 || level > ISAL_LEVEL_MAX)) {
        return false;
    }
    if (!isal_load(NULL)) {
        return false;
    }
    if (!s->encoder) {
        s->iinf = g_new0(struct inflate_state, 1);
        isal_lib.isal_inflate_init(s->iinf);
        s->iinf->crc_flag = ISAL_DEFLATE;
        return true;
    }
    s->idef = g_new0(struct isal_zstream, 1);
    isal_lib.isal_deflate_init(s->idef);
    s->idef->level = level;
    s->idef->level_buf_size = room[level];
    s->idef->level_buf = g_malloc(room[level]);
    s->idef->gzip_flag = IGZIP_DEFLATE;
    return true;
}

static void isal_close(ZlibStream *s)
{
    if (s->idef) {
        g_free(s->idef->level_buf);
    }
    g_free(s->idef);
    g_free(s->iinf);
}

/* Returns: 0 = not by this library, 1 = done, -1 = error. */
static int isal_run(ZlibStream *s, ZlibIO *io, Error **errp)
{
    int ret;

    if (s->idef) {
        s->idef->next_in = (uint8_t *)io->in;
        s->idef->avail_in = io->in_len;
        s->idef->next_out = io->out;
        s->idef->avail_out = io->out_len;
        s->idef->flush = SYNC_FLUSH;
        ret = isal_lib.isal_deflate(s->idef);
        io->in = s->idef->next_in;
        io->in_len = s->idef->avail_in;
        io->out = s->idef->next_out;
        io->out_len = s->idef->avail_out;
    } else if (s->iinf) {
        s->iinf->next_in = (uint8_t *)io->in;
        s->iinf->avail_in = io->in_len;
        s->iinf->next_out = io->out;
        s->iinf->avail_out = io->out_len;
        ret = isal_lib.isal_inflate(s->iinf);
        io->in = s->iinf->next_in;
        io->in_len = s->iinf->avail_in;
        io->out = s->iinf->next_out;
        io->out_len = s->iinf->avail_out;
    } else {
        return 0;
    }
    if (ret < 0) {
        error_setg(errp, "zlib stream is broken: ISA-L error %d", ret);
        return -1;
    }
    if (s->iinf && s->iinf->block_state == ISAL_BLOCK_FINISH) {
        error_setg(errp, "zlib stream has ended");
        return -1;
    }
    return 1;
}

#else

static bool isal_open(ZlibStream *s, int level)
{
    return false;
}

static void isal_close(ZlibStream *s)
{
}

static int isal_run(ZlibStream *s, ZlibIO *io, Error **errp)
{
    return 0;
}

#endif

/* -- both -------------------------------------------------------------------- */

static bool stream_run(ZlibStream *s, ZlibIO *io, Error **errp)
{
    int ret = isal_run(s, io, errp);

    return ret == 0 ? zlib_run(s, io, errp) : ret > 0;
}

static void stream_free(MultiFDStream *parent)
{
    ZlibStream *s = container_of(parent, ZlibStream, parent);

    isal_close(s);
    if (s->z_open && s->encoder) {
        zlib_lib.deflateEnd(&s->z);
    } else if (s->z_open) {
        zlib_lib.inflateEnd(&s->z);
    }
    g_free(s->copy);
    g_free(s);
}

static MultiFDStream *stream_new(bool encoder, int level, Error **errp)
{
    ZlibStream *s = g_new0(ZlibStream, 1);

    s->parent.codec = &multifd_codec_zlib;
    s->encoder = encoder;
    if (!isal_open(s, level) && !zlib_open(s, level, errp)) {
        stream_free(&s->parent);
        return NULL;
    }
    if (encoder) {
        s->copy = g_malloc(MULTIFD_PACKET_BYTES);
    }
    return &s->parent;
}

static MultiFDStream *zlib_encoder(int level, Error **errp)
{
    return stream_new(true, level, errp);
}

static MultiFDStream *zlib_decoder(Error **errp)
{
    return stream_new(false, 0, errp);
}

static size_t zlib_encode(MultiFDStream *parent, const struct iovec *iov,
                          unsigned n, uint8_t *out, Error **errp)
{
    ZlibStream *s = container_of(parent, ZlibStream, parent);
    ZlibIO io = { .in = s->copy, .out = out, .out_len = MULTIFD_BLOB_MAX };

    io.in_len = iov_to_buf(iov, n, 0, s->copy, MULTIFD_PACKET_BYTES);
    if (!s->started) {
        *io.out++ = ZLIB_CMF;
        *io.out++ = ZLIB_FLG;
        io.out_len -= ZLIB_HEADER_SIZE;
        s->started = true;
    }
    if (!stream_run(s, &io, errp)) {
        return 0;
    }
    if (io.in_len > 0 || io.out_len == 0) {
        error_setg(errp, "zlib made more than %" PRIu64 " bytes",
                   (uint64_t)MULTIFD_BLOB_MAX);
        return 0;
    }
    return io.out - out;
}

/* Errors: not deflate with 32 KiB at most, a dictionary, a bad check. */
static bool header_decode(const uint8_t *in, size_t len, Error **errp)
{
    if (len < ZLIB_HEADER_SIZE || (in[0] & 0xf) != Z_DEFLATED ||
        (in[0] >> 4) > 7 || (in[1] & 0x20) || (in[0] << 8 | in[1]) % 31 != 0) {
        error_setg(errp, "zlib stream begins with a bad header");
        return false;
    }
    return true;
}

/* Fill the room of @io, or use up its input. */
static bool zlib_fill(ZlibStream *s, ZlibIO *io, Error **errp)
{
    for (;;) {
        size_t was_in = io->in_len, was_out = io->out_len;

        if (!stream_run(s, io, errp)) {
            return false;
        }
        if (io->out_len == 0 ||
            (io->in_len == was_in && io->out_len == was_out)) {
            return true;
        }
    }
}

static bool zlib_decode(MultiFDStream *parent, const uint8_t *in, size_t len,
                        const struct iovec *iov, unsigned n, Error **errp)
{
    ZlibStream *s = container_of(parent, ZlibStream, parent);
    ZlibIO io = { .in = in, .in_len = len };
    uint8_t probe;

    if (!s->started) {
        if (!header_decode(in, len, errp)) {
            return false;
        }
        io.in += ZLIB_HEADER_SIZE;
        io.in_len -= ZLIB_HEADER_SIZE;
        s->started = true;
    }
    for (unsigned i = 0; i < n; i++) {
        io.out = iov[i].iov_base;
        io.out_len = iov[i].iov_len;
        if (!zlib_fill(s, &io, errp)) {
            return false;
        }
        if (io.out_len > 0) {
            error_setg(errp, "zlib packet of %zu bytes holds too few pages",
                       len);
            return false;
        }
    }
    /* The flush is read here, and must make nothing more. */
    io.out = &probe;
    io.out_len = sizeof(probe);
    if (!zlib_fill(s, &io, errp)) {
        return false;
    }
    if (io.out_len == 0 || io.in_len > 0) {
        error_setg(errp, "zlib packet of %zu bytes holds too many pages", len);
        return false;
    }
    return true;
}

const MultiFDCodec multifd_codec_zlib = {
    .name = "zlib",
    .level_min = 0,
    .level_max = 9,
    .encoder = zlib_encoder,
    .encode = zlib_encode,
    .decoder = zlib_decoder,
    .decode = zlib_decode,
    .free = stream_free,
};
