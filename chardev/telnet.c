/*
 * Telnet codec.
 *
 * What an option means here: a server offers to echo and to suppress go-ahead,
 * which puts every client into character mode, and asks for binary both ways,
 * which makes the line 8-bit clean. A client that never answers (netcat) gets
 * the plain stream with IAC doubled. Anything else is refused, once.
 *
 * Signals of RFC 854 become what a terminal would have sent: IP is Ctrl-C, EC
 * is DEL, EL is Ctrl-U, BRK is a serial break; AYT is answered, AO, NOP, GA
 * and the data mark do nothing.
 *
 * tn3270 (RFC 1576) needs the terminal's agreement to terminal type, end of
 * record and binary in both directions before data may flow; the record mark
 * and doubled IACs are left in the data for the 3270 device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "telnet-internal.h"

enum {
    ST_DATA,
    ST_IAC,
    ST_OPTION,
    ST_SB,
    ST_SB_IAC,
};

/* Longest reply to one command: the answer to AYT. */
#define REPLY_ROOM 16

#define TTYPE_IS   0
#define TTYPE_SEND 1

#define CHAR_NUL    0x00
#define CHAR_CTRL_C 0x03
#define CHAR_LF     0x0a
#define CHAR_CR     0x0d
#define CHAR_CTRL_U 0x15
#define CHAR_DEL    0x7f

static const char ayt_answer[] = "\r\n[yes]\r\n";
static const char client_ttype[] = "UNKNOWN";

static void reply_bytes(TelnetCodec *t, const void *buf, size_t len)
{
    assert(len <= sizeof(t->reply) - t->reply_len);
    memcpy(t->reply + t->reply_len, buf, len);
    t->reply_len += len;
}

static void reply_option(TelnetCodec *t, uint8_t command, uint8_t option)
{
    const uint8_t buf[] = { TELNET_IAC, command, option };

    reply_bytes(t, buf, sizeof(buf));
    t->negotiated++;
}

/* Ask the peer (DO) or announce ourselves (WILL). */
static void offer(TelnetCodec *t, uint8_t command, uint8_t option)
{
    uint8_t *state = command == TELNET_DO ? t->him : t->us;

    state[option] = TELNET_OPT_WANT_YES;
    reply_option(t, command, option);
}

void telnet_init(TelnetCodec *t, TelnetRole role)
{
    memset(t, 0, sizeof(*t));
    t->role = role;
    t->ready = true;
    if (role == TELNET_SERVER) {
        offer(t, TELNET_WILL, TELNET_OPT_ECHO);
        offer(t, TELNET_WILL, TELNET_OPT_SGA);
        offer(t, TELNET_WILL, TELNET_OPT_BINARY);
        offer(t, TELNET_DO, TELNET_OPT_BINARY);
    } else if (role == TELNET_TN3270_SERVER) {
        t->ready = false;
        offer(t, TELNET_DO, TELNET_OPT_TTYPE);
    }
}

/* Options that this role lets the peer (@him) or itself switch on. */
static bool option_welcome(const TelnetCodec *t, bool him, uint8_t option)
{
    bool server = t->role != TELNET_CLIENT;

    switch (option) {
    case TELNET_OPT_BINARY:
    case TELNET_OPT_SGA:
        return true;
    case TELNET_OPT_ECHO:
        return server != him;
    case TELNET_OPT_TTYPE:
        return him ? t->role == TELNET_TN3270_SERVER : !server;
    case TELNET_OPT_EOR:
        return t->role == TELNET_TN3270_SERVER;
    default:
        return false;
    }
}

static bool tn3270_agreed(const TelnetCodec *t)
{
    return t->him[TELNET_OPT_EOR] == TELNET_OPT_YES &&
           t->us[TELNET_OPT_EOR] == TELNET_OPT_YES &&
           t->him[TELNET_OPT_BINARY] == TELNET_OPT_YES &&
           t->us[TELNET_OPT_BINARY] == TELNET_OPT_YES;
}

/* What a change of @option means for the 3270 start-up. */
static TelnetEvent tn3270_progress(TelnetCodec *t, uint8_t option, bool on)
{
    if (t->ready) {
        return TELNET_EVENT_NONE;
    }
    if (!on) {
        return option == TELNET_OPT_BINARY || option == TELNET_OPT_EOR ||
                       option == TELNET_OPT_TTYPE
                   ? TELNET_EVENT_ERROR
                   : TELNET_EVENT_NONE;
    }
    if (option == TELNET_OPT_TTYPE) {
        const uint8_t send[] = { TELNET_IAC, TELNET_SB,  TELNET_OPT_TTYPE,
                                 TTYPE_SEND, TELNET_IAC, TELNET_SE };

        reply_bytes(t, send, sizeof(send));
    } else if (tn3270_agreed(t)) {
        t->ready = true;
        return TELNET_EVENT_READY;
    }
    return TELNET_EVENT_NONE;
}

/* WILL, WONT, DO or DONT has arrived whole. */
static TelnetEvent option_received(TelnetCodec *t, uint8_t option)
{
    bool him = t->command == TELNET_WILL || t->command == TELNET_WONT;
    bool on = t->command == TELNET_WILL || t->command == TELNET_DO;
    uint8_t *states = him ? t->him : t->us;
    uint8_t yes = him ? TELNET_DO : TELNET_WILL;
    uint8_t no = him ? TELNET_DONT : TELNET_WONT;
    bool known = option < sizeof(t->us);

    if (t->negotiated > TELNET_NEGOTIATION_MAX) {
        return TELNET_EVENT_ERROR;
    }
    if (!known || !option_welcome(t, him, option)) {
        if (on) {
            reply_option(t, no, option);
        }
        return TELNET_EVENT_NONE;
    }
    if (on == (states[option] == TELNET_OPT_YES)) {
        /* No change: answering would go round for ever (RFC 1143). A refusal
         * of what we asked for is a change of mind only to the caller. */
        bool refused = !on && states[option] == TELNET_OPT_WANT_YES;

        if (refused) {
            states[option] = TELNET_OPT_NO;
        }
        return refused && t->role == TELNET_TN3270_SERVER
                   ? tn3270_progress(t, option, false)
                   : TELNET_EVENT_NONE;
    }
    if (states[option] != TELNET_OPT_WANT_YES) {
        reply_option(t, on ? yes : no, option);
    }
    states[option] = on ? TELNET_OPT_YES : TELNET_OPT_NO;
    return t->role == TELNET_TN3270_SERVER ? tn3270_progress(t, option, on)
                                           : TELNET_EVENT_NONE;
}

/* A subnegotiation has ended; it is in t->sb. */
static void subnegotiation_received(TelnetCodec *t)
{
    if (t->sb_len < 2 || t->sb[0] != TELNET_OPT_TTYPE) {
        return;
    }
    if (t->role == TELNET_CLIENT && t->sb[1] == TTYPE_SEND &&
        t->us[TELNET_OPT_TTYPE] == TELNET_OPT_YES) {
        const uint8_t head[] = { TELNET_IAC, TELNET_SB, TELNET_OPT_TTYPE,
                                 TTYPE_IS };
        const uint8_t tail[] = { TELNET_IAC, TELNET_SE };

        reply_bytes(t, head, sizeof(head));
        reply_bytes(t, client_ttype, strlen(client_ttype));
        reply_bytes(t, tail, sizeof(tail));
        t->negotiated++;
    } else if (t->role == TELNET_TN3270_SERVER && t->sb[1] == TTYPE_IS &&
               t->him[TELNET_OPT_EOR] == TELNET_OPT_NO) {
        offer(t, TELNET_DO, TELNET_OPT_EOR);
        offer(t, TELNET_WILL, TELNET_OPT_EOR);
        offer(t, TELNET_DO, TELNET_OPT_BINARY);
        offer(t, TELNET_WILL, TELNET_OPT_BINARY);
    }
}

typedef struct Sink {
    uint8_t *buf;
    size_t len;
} Sink;

static void put(Sink *sink, uint8_t byte)
{
    sink->buf[sink->len++] = byte;
}

static void data_byte(TelnetCodec *t, uint8_t byte, Sink *sink)
{
    bool binary = t->him[TELNET_OPT_BINARY] == TELNET_OPT_YES;

    if (t->in_cr && byte == CHAR_NUL) {
        t->in_cr = false;
        return;
    }
    t->in_cr = byte == CHAR_CR && !binary && t->role != TELNET_TN3270_SERVER;
    put(sink, byte);
}

/* The byte after IAC, outside a subnegotiation. */
static TelnetEvent command_byte(TelnetCodec *t, uint8_t byte, Sink *sink)
{
    bool tn3270 = t->role == TELNET_TN3270_SERVER;

    t->state = ST_DATA;
    switch (byte) {
    case TELNET_IAC:
        if (tn3270) {
            put(sink, TELNET_IAC);
        }
        t->in_cr = false;
        put(sink, TELNET_IAC);
        break;
    case TELNET_EOR:
        if (tn3270) {
            put(sink, TELNET_IAC);
            put(sink, TELNET_EOR);
        }
        break;
    case TELNET_BRK:
        return TELNET_EVENT_BREAK;
    case TELNET_IP:
        put(sink, CHAR_CTRL_C);
        break;
    case TELNET_EC:
        put(sink, CHAR_DEL);
        break;
    case TELNET_EL:
        put(sink, CHAR_CTRL_U);
        break;
    case TELNET_AYT:
        reply_bytes(t, ayt_answer, strlen(ayt_answer));
        break;
    case TELNET_SB:
        t->state = ST_SB;
        t->sb_len = 0;
        break;
    case TELNET_WILL:
    case TELNET_WONT:
    case TELNET_DO:
    case TELNET_DONT:
        t->state = ST_OPTION;
        t->command = byte;
        break;
    default: /* NOP, DM, AO, GA, SE out of place, undefined codes */
        break;
    }
    return TELNET_EVENT_NONE;
}

static void sb_byte(TelnetCodec *t, uint8_t byte)
{
    if (t->sb_len < sizeof(t->sb)) {
        t->sb[t->sb_len++] = byte;
    }
}

static TelnetEvent decode_byte(TelnetCodec *t, uint8_t byte, Sink *sink)
{
    TelnetEvent event = TELNET_EVENT_NONE;

    switch (t->state) {
    case ST_DATA:
        if (byte == TELNET_IAC) {
            t->state = ST_IAC;
        } else {
            data_byte(t, byte, sink);
        }
        break;
    case ST_IAC:
        event = command_byte(t, byte, sink);
        break;
    case ST_OPTION:
        t->state = ST_DATA;
        event = option_received(t, byte);
        break;
    case ST_SB:
        if (byte == TELNET_IAC) {
            t->state = ST_SB_IAC;
        } else {
            sb_byte(t, byte);
        }
        break;
    default: /* ST_SB_IAC */
        t->state = byte == TELNET_IAC ? ST_SB : ST_DATA;
        if (byte == TELNET_IAC) {
            sb_byte(t, byte);
        } else if (byte == TELNET_SE) {
            subnegotiation_received(t);
        }
        break;
    }
    return event;
}

size_t telnet_decode(TelnetCodec *t, const uint8_t *in, size_t in_len,
                     uint8_t *out, size_t *out_len, TelnetEvent *event)
{
    Sink sink = { .buf = out };
    size_t used = 0;

    *event = TELNET_EVENT_NONE;
    while (used < in_len && *event == TELNET_EVENT_NONE &&
           sizeof(t->reply) - t->reply_len >= REPLY_ROOM) {
        *event = decode_byte(t, in[used++], &sink);
    }
    *out_len = sink.len;
    return used;
}

size_t telnet_take_reply(TelnetCodec *t, uint8_t *ret)
{
    size_t len = t->reply_len;

    memcpy(ret, t->reply, len);
    t->reply_len = 0;
    return len;
}

size_t telnet_encode(TelnetCodec *t, const uint8_t *in, size_t in_len,
                     uint8_t *out, size_t out_size, size_t *out_len)
{
    bool raw = t->role == TELNET_TN3270_SERVER;
    /*
     * Also while the answer to our WILL is under way: a peer that agrees
     * takes what follows the WILL as binary (RFC 854: an option takes effect
     * at that point of the stream). One that never answers gets clean bytes.
     */
    bool binary = t->us[TELNET_OPT_BINARY] != TELNET_OPT_NO;
    Sink sink = { .buf = out };
    size_t used = 0;

    while (used < in_len && out_size - sink.len >= 3) {
        uint8_t byte = in[used++];

        if (t->out_cr && byte != CHAR_LF) {
            put(&sink, CHAR_NUL);
        }
        t->out_cr = byte == CHAR_CR && !binary && !raw;
        if (byte == TELNET_IAC && !raw) {
            put(&sink, TELNET_IAC);
        }
        put(&sink, byte);
    }
    *out_len = sink.len;
    return used;
}
