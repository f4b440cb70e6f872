/*
 * WebSocket frames (RFC 6455 part 5): bytes in, bytes out. No I/O, no
 * allocation, no limit to hit: payload streams through, only control frames
 * are held, and those have at most 125 bytes.
 *
 *   0               1               2               3
 *  +-+-+-+-+-------+-+-------------+-------------------------------+
 *  |F|R|R|R| opcode|M| length 7    | length 16 (126), 64 (127)     |
 *  +-+-+-+-+-------+-+-------------+-------------------------------+
 *  | mask, 4 bytes, when M is set: client to server always, else never
 *  +---------------------------------------------------------------+
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_WEBSOCK_CODEC_H
#define IO_WEBSOCK_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WEBSOCK_HEADER_MAX  14
#define WEBSOCK_CONTROL_MAX 125
#define WEBSOCK_MASK_LEN    4

typedef enum WebsockOpcode {
    WEBSOCK_OP_CONTINUATION = 0x0,
    WEBSOCK_OP_TEXT = 0x1,
    WEBSOCK_OP_BINARY = 0x2,
    WEBSOCK_OP_CLOSE = 0x8,
    WEBSOCK_OP_PING = 0x9,
    WEBSOCK_OP_PONG = 0xa,
} WebsockOpcode;

/* Status codes of a close frame (RFC 6455 7.4.1). */
typedef enum WebsockCloseCode {
    WEBSOCK_CLOSE_NORMAL = 1000,
    WEBSOCK_CLOSE_GOING_AWAY = 1001,
    WEBSOCK_CLOSE_PROTOCOL_ERROR = 1002,
    WEBSOCK_CLOSE_UNSUPPORTED = 1003,
    WEBSOCK_CLOSE_NO_STATUS = 1005, /* never on the wire: close without code */
    WEBSOCK_CLOSE_BAD_DATA = 1007,
    WEBSOCK_CLOSE_TOO_BIG = 1009,
    WEBSOCK_CLOSE_SERVER_ERROR = 1011,
} WebsockCloseCode;

/* What websock_decode() came upon. */
typedef enum WebsockEvent {
    WEBSOCK_NEED_MORE, /* all input is used up */
    WEBSOCK_DATA,      /* the output has bytes; more may follow */
    WEBSOCK_PING,      /* answer with a pong of control[control_len] */
    WEBSOCK_PONG,      /* nothing to do */
    WEBSOCK_CLOSE,     /* peer closes: close_code, control[2..control_len] */
    WEBSOCK_ERROR,     /* peer broke the protocol: close_code, error */
} WebsockEvent;

typedef struct WebsockDecoder {
    bool want_mask;  /* set for a server, clear for a client */
    bool in_message; /* a fragmented message is under way */
    bool in_payload; /* header complete, payload_left may be 0 */
    bool masked;     /* of the current frame */
    bool finished;   /* CLOSE or ERROR was returned */
    uint8_t opcode;  /* of the current frame */
    uint8_t mask[WEBSOCK_MASK_LEN];
    uint8_t header[WEBSOCK_HEADER_MAX];
    unsigned header_len;   /* bytes held in @header */
    unsigned mask_pos;     /* next byte of @mask, 0..3 */
    uint64_t payload_left; /* bytes of the current frame still to come */
    uint8_t control[WEBSOCK_CONTROL_MAX];
    unsigned control_len;
    uint16_t close_code;
    const char *error; /* static text, set with WEBSOCK_ERROR */
} WebsockDecoder;

/**
 * websock_decoder_init:
 * @d: (out) decoder; holds no resources, needs no deinit
 * @server: true = frames must be masked (peer is a client); false = must not
 */
void websock_decoder_init(WebsockDecoder *d, bool server);

/**
 * websock_decode:
 * @d: (inout) decoder
 * @in: (in) @in_len bytes off the wire; borrowed
 * @in_used: (out) how many of them were taken
 * @out: (out) room for @out_len bytes of payload; may be @in itself
 * @out_used: (out) bytes written to @out; > 0 only with WEBSOCK_DATA
 *
 * Decode until one thing happened. Call again with the rest of the input.
 * With @out_len 0 control frames are still decoded up to the first payload
 * byte. After CLOSE or ERROR it returns the same again and takes no input.
 *
 * Source: RFC 6455 5.2 to 5.5, 7.4.
 * Returns: see WebsockEvent. With WEBSOCK_NEED_MORE either all input is used
 * or @out_len is 0 and payload is next.
 */
WebsockEvent websock_decode(WebsockDecoder *d, const uint8_t *in, size_t in_len,
                            size_t *in_used, uint8_t *out, size_t out_len,
                            size_t *out_used);

/**
 * websock_decode_direct_len:
 *
 * Returns: payload bytes that follow next on the wire, so that the caller
 * may read them straight into their destination; 0 = a header is next.
 */
uint64_t websock_decode_direct_len(const WebsockDecoder *d);

/**
 * websock_decode_direct:
 * @buf: (inout) @len payload bytes just read from the wire, @len at most
 *       websock_decode_direct_len(); unmasked in place
 */
void websock_decode_direct(WebsockDecoder *d, uint8_t *buf, size_t len);

/**
 * websock_mask:
 * @dst: (out) @len bytes; may be @src
 * @src: (in) @len bytes
 * @mask: (in) key
 * @pos: index into @mask of the first byte, 0..3
 *
 * Mask or unmask (the same operation, RFC 6455 5.3).
 * Returns: @pos for the byte after these.
 */
unsigned websock_mask(uint8_t *dst, const uint8_t *src, size_t len,
                      const uint8_t mask[WEBSOCK_MASK_LEN], unsigned pos);

/**
 * websock_encode_header:
 * @hdr: (out) WEBSOCK_HEADER_MAX bytes
 * @opcode: (in) of an unfragmented frame
 * @payload_len: bytes, < 2^63
 * @mask: (in) key, or NULL for a server's frame
 *
 * Returns: header bytes, 2..14.
 */
size_t websock_encode_header(uint8_t *hdr, WebsockOpcode opcode,
                             uint64_t payload_len, const uint8_t *mask);

/**
 * websock_encode_control:
 * @frame: (out) WEBSOCK_HEADER_MAX + WEBSOCK_CONTROL_MAX bytes
 * @payload: (in) @len bytes, at most WEBSOCK_CONTROL_MAX
 * @mask: (in) key, or NULL for a server's frame
 *
 * Returns: bytes of the whole frame.
 */
size_t websock_encode_control(uint8_t *frame, WebsockOpcode opcode,
                              const uint8_t *payload, size_t len,
                              const uint8_t *mask);

#endif
