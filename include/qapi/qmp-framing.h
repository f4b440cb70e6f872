/*
 * QMP framing: a stream of bytes becomes JSON texts.
 *
 * A QMP stream is JSON values one after the other, with or without white
 * space between, cut anywhere by the transport. The decoder finds where each
 * top-level value ends, looking at every byte once; the text then goes to
 * json_parse_text(). Pure codec: no fd, no thread, and memory grows only
 * with bytes that have really arrived, up to the limits.
 *
 * Also accepted, as QMP clients rely on it: strings in single quotes (turned
 * into double ones), and \' in any string.
 *
 * After an error inside a value the rest of that value is skipped, so that
 * nothing inside it can be taken for a message. A client gets back in step
 * by sending a control character or a byte 0xff, which is answered by an
 * error; so does the end of a line inside a string.
 *
 * Source: QMP specification 2.3-2.5, RFC 8259 2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_QMP_FRAMING_H
#define QAPI_QMP_FRAMING_H

#include "qapi/json.h"

typedef struct QmpDecoder QmpDecoder;

typedef struct QmpFramingLimits {
    size_t max_bytes;  /* of one text */
    size_t max_tokens; /* of one text */
    size_t max_depth;  /* of nested objects and arrays */
} QmpFramingLimits;

/**
 * qmp_decoder_new:
 * @limits: (in) copied; NULL = JSON_TEXT_MAX_*
 */
QmpDecoder *qmp_decoder_new(const QmpFramingLimits *limits);
/** qmp_decoder_free: accepts NULL. */
void qmp_decoder_free(QmpDecoder *d);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpDecoder, qmp_decoder_free)

typedef enum QmpFrame {
    QMP_FRAME_MORE,  /* all input used; give more */
    QMP_FRAME_VALUE, /* a value */
    QMP_FRAME_ERROR, /* input that is no JSON; the decoder goes on behind it */
} QmpFrame;

/**
 * qmp_decoder_feed:
 * @d: (inout) decoder
 * @buf: (inout) *@buf points to *@len bytes of input, borrowed; both are
 *       moved on over the bytes used
 * @len: (inout) bytes left
 * @value: (out) set when the return is QMP_FRAME_VALUE: a new reference
 * @errp: (out) set when the return is QMP_FRAME_ERROR
 *
 * Call again while it does not return QMP_FRAME_MORE.
 *
 * Limit: see QmpFramingLimits; what exceeds them is an error.
 */
QmpFrame qmp_decoder_feed(QmpDecoder *d, const uint8_t **buf, size_t *len,
                          json_t **value, Error **errp);

/**
 * qmp_decoder_finish:
 * End of input: a number or a word at the very end is complete only now.
 *
 * Returns: as qmp_decoder_feed(); QMP_FRAME_MORE = nothing was left over.
 */
QmpFrame qmp_decoder_finish(QmpDecoder *d, json_t **value, Error **errp);

/** qmp_decoder_reset: forget a text that is only half there. */
void qmp_decoder_reset(QmpDecoder *d);

/** qmp_decoder_pending: bytes kept of a text that is not yet complete. */
size_t qmp_decoder_pending(const QmpDecoder *d);

/**
 * qmp_encode:
 * @obj: (in) message, borrowed
 * @pretty: indent
 *
 * Returns: the message with CRLF behind it, as it goes on the wire.
 */
GString *qmp_encode(const json_t *obj, bool pretty);

#endif
