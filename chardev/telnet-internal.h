/*
 * Telnet as a pure codec: bytes in, bytes out, no descriptor, no allocation.
 *
 * Sources: RFC 854 (protocol), 855 (options), 856 (binary), 857 (echo),
 * 858 (suppress go ahead), 885 (end of record), 1091 (terminal type),
 * 1143 (option negotiation without loops), 1576 (3270 over telnet).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_TELNET_INTERNAL_H
#define CHARDEV_TELNET_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Commands, RFC 854 and 885. */
enum {
    TELNET_EOR = 239,
    TELNET_SE = 240,
    TELNET_NOP = 241,
    TELNET_DM = 242,
    TELNET_BRK = 243,
    TELNET_IP = 244,
    TELNET_AO = 245,
    TELNET_AYT = 246,
    TELNET_EC = 247,
    TELNET_EL = 248,
    TELNET_GA = 249,
    TELNET_SB = 250,
    TELNET_WILL = 251,
    TELNET_WONT = 252,
    TELNET_DO = 253,
    TELNET_DONT = 254,
    TELNET_IAC = 255,
};

/* Options. */
enum {
    TELNET_OPT_BINARY = 0,
    TELNET_OPT_ECHO = 1,
    TELNET_OPT_SGA = 3,
    TELNET_OPT_TTYPE = 24,
    TELNET_OPT_EOR = 25,
};

/* Limit: bytes of a subnegotiation that are kept; the rest is skipped. */
#define TELNET_SB_MAX 64
/* Room for replies; decoding pauses when it gets short. */
#define TELNET_REPLY_MAX 512
/* Limit: replies to one peer before it has sent any data. */
#define TELNET_NEGOTIATION_MAX 4096

typedef enum TelnetRole {
    TELNET_SERVER,
    TELNET_CLIENT,
    TELNET_TN3270_SERVER,
} TelnetRole;

typedef enum TelnetEvent {
    TELNET_EVENT_NONE,
    TELNET_EVENT_BREAK,
    TELNET_EVENT_READY, /* tn3270: the terminal agreed to everything */
    TELNET_EVENT_ERROR, /* tn3270: it refused, or asks without end */
} TelnetEvent;

/* RFC 1143 states, without the queue: nothing is asked for twice. */
typedef enum TelnetOptState {
    TELNET_OPT_NO,
    TELNET_OPT_YES,
    TELNET_OPT_WANT_YES,
} TelnetOptState;

typedef struct TelnetCodec {
    TelnetRole role;
    uint8_t state;   /* of the decoder, telnet.c */
    uint8_t command; /* WILL..DONT whose option is next */
    bool ready;      /* tn3270 negotiation is complete; else always true */
    bool in_cr;      /* input: CR seen, NUL may follow */
    bool out_cr;     /* output: CR sent, LF or NUL must follow */
    uint8_t us[32], him[32]; /* TelnetOptState by option; higher: refused */
    uint8_t sb[TELNET_SB_MAX];
    size_t sb_len;
    unsigned negotiated; /* replies so far */
    uint8_t reply[TELNET_REPLY_MAX];
    size_t reply_len;
} TelnetCodec;

/**
 * telnet_init:
 * @t: (out) codec
 * @role: which side
 *
 * A server's opening negotiation is then in @t->reply.
 */
void telnet_init(TelnetCodec *t, TelnetRole role);

/**
 * telnet_decode:
 * @t: codec
 * @in: (in) @in_len bytes off the wire, any values
 * @in_len: bytes
 * @out: (out) room for @in_len + 1 bytes of data
 * @out_len: (out) bytes put there
 * @event: (out) what came right after that data
 *
 * Stops early after an event, or when @t->reply must be sent first: send and
 * clear it by telnet_take_reply(), then call again with the rest.
 *
 * Returns: bytes of @in used; less than @in_len only with an event or with a
 *      reply waiting.
 */
size_t telnet_decode(TelnetCodec *t, const uint8_t *in, size_t in_len,
                     uint8_t *out, size_t *out_len, TelnetEvent *event);

/**
 * telnet_take_reply:
 * @t: codec
 * @ret: (out) TELNET_REPLY_MAX bytes of room
 *
 * Returns: bytes to send to the peer before anything else; 0 = none.
 */
size_t telnet_take_reply(TelnetCodec *t, uint8_t *ret);

/**
 * telnet_encode:
 * @t: codec
 * @in: (in) @in_len bytes of data
 * @in_len: bytes
 * @out: (out) @out_size bytes of room
 * @out_size: at least 3
 * @out_len: (out) bytes put there
 *
 * Double IAC and, unless binary transmission was agreed or is still being
 * asked for, pad CR (RFC 854).
 * 3270 data streams go as they are: the terminal device frames its records.
 *
 * Returns: bytes of @in used, as many as fit.
 */
size_t telnet_encode(TelnetCodec *t, const uint8_t *in, size_t in_len,
                     uint8_t *out, size_t out_size, size_t *out_len);

#endif
