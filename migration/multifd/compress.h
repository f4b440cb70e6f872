/*
 * Compression of a multifd channel: one stream for the whole migration, flushed
 * at the end of each packet, so that a packet's blob can be expanded when it
 * is there and profits from what was sent before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MULTIFD_COMPRESS_H
#define MIGRATION_MULTIFD_COMPRESS_H

#include <sys/uio.h>

#include "migration/multifd/wire.h"
#include "util/error.h"

/* A stream of one direction; a method's own struct begins with it. */
typedef struct MultiFDStream {
    const struct MultiFDCodec *codec;
} MultiFDStream;

/**
 * MultiFDCodec:
 *
 * One method. A stream is used by one thread.
 *
 * @encoder: a stream that writes; @level as the method's parameter says
 * @encode: compress @n pieces, together at most MULTIFD_PACKET_BYTES, into
 *          @out (MULTIFD_BLOB_MAX bytes) and flush. The guest may write the
 *          pieces meanwhile: each byte is read once. Returns: bytes; 0 = error
 * @decoder: a stream that reads
 * @decode: expand @len bytes of @in, off the wire, into @n pieces, which they
 *          must fill exactly; never writes more
 * @free: of both kinds
 */
typedef struct MultiFDCodec {
    const char *name;
    int level_min, level_max;
    MultiFDStream *(*encoder)(int level, Error **errp);
    size_t (*encode)(MultiFDStream *s, const struct iovec *iov, unsigned n,
                     uint8_t *out, Error **errp);
    MultiFDStream *(*decoder)(Error **errp);
    bool (*decode)(MultiFDStream *s, const uint8_t *in, size_t len,
                   const struct iovec *iov, unsigned n, Error **errp);
    void (*free)(MultiFDStream *s);
} MultiFDCodec;

extern const MultiFDCodec multifd_codec_zlib;
extern const MultiFDCodec multifd_codec_zstd;

/** multifd_codec: NULL for MULTIFD_METHOD_NONE. */
const MultiFDCodec *multifd_codec(MultiFDMethod method);

/** multifd_stream_free: NULL is fine. */
void multifd_stream_free(MultiFDStream *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultiFDStream, multifd_stream_free)

/* The size of the largest window that a decoder allocates for a stream; level
 * 20 of zstd asks for 2^25. */
#define MULTIFD_ZSTD_WINDOW_LOG_MAX 25

#endif
