/*
 * Framing of GDB's remote serial protocol.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "gdb-packet.h"

#define ESCAPE     '}'
#define ESCAPE_XOR 0x20
#define INTERRUPT  0x03

enum {
    IDLE,
    DATA,
    ESCAPED,
    SUM_HIGH,
    SUM_LOW
};

void gdb_decoder_init(GdbDecoder *d)
{
    *d = (GdbDecoder){ .packet = g_byte_array_new(), .state = IDLE };
}

void gdb_decoder_deinit(GdbDecoder *d)
{
    g_byte_array_unref(d->packet);
}

static GdbInput decode_idle(GdbDecoder *d, uint8_t byte)
{
    switch (byte) {
    case '$':
        g_byte_array_set_size(d->packet, 0);
        d->too_long = false;
        d->sum = 0;
        d->state = DATA;
        return GDB_INPUT_MORE;
    case '+':
        return GDB_INPUT_ACK;
    case '-':
        return GDB_INPUT_NACK;
    case INTERRUPT:
        return GDB_INPUT_INTERRUPT;
    default:
        return GDB_INPUT_MORE; /* noise on the line */
    }
}

static void take(GdbDecoder *d, uint8_t byte)
{
    if (d->packet->len >= GDB_PACKET_MAX) {
        d->too_long = true;
        return;
    }
    g_byte_array_append(d->packet, &byte, 1);
}

static void decode_data(GdbDecoder *d, uint8_t byte)
{
    if (d->state == ESCAPED) {
        d->sum += byte;
        d->state = DATA;
        take(d, byte ^ ESCAPE_XOR);
        return;
    }
    switch (byte) {
    case '#':
        d->state = SUM_HIGH;
        break;
    case '$': /* the end of the one before was lost */
        g_byte_array_set_size(d->packet, 0);
        d->too_long = false;
        d->sum = 0;
        break;
    case ESCAPE:
        d->sum += byte;
        d->state = ESCAPED;
        break;
    default:
        d->sum += byte;
        take(d, byte);
        break;
    }
}

static GdbInput decode_end(GdbDecoder *d, uint8_t byte)
{
    static const uint8_t nul;
    int digit = g_ascii_xdigit_value((char)byte);

    d->state = IDLE;
    if (digit < 0 || d->too_long || d->sum != (d->sum_received | digit)) {
        return GDB_INPUT_BAD;
    }
    g_byte_array_append(d->packet, &nul, 1);
    d->packet->len--;
    return GDB_INPUT_PACKET;
}

GdbInput gdb_decode(GdbDecoder *d, uint8_t byte)
{
    int digit;

    switch (d->state) {
    case IDLE:
        return decode_idle(d, byte);
    case SUM_HIGH:
        digit = g_ascii_xdigit_value((char)byte);
        if (digit < 0) {
            d->state = IDLE;
            return GDB_INPUT_BAD;
        }
        d->sum_received = digit < 0 ? 0 : (uint8_t)(digit << 4);
        d->state = SUM_LOW;
        return GDB_INPUT_MORE;
    case SUM_LOW:
        return decode_end(d, byte);
    default:
        decode_data(d, byte);
        return GDB_INPUT_MORE;
    }
}

GString *gdb_encode(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    GString *out = g_string_new("$");
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        if (strchr("#$}*", bytes[i]) && bytes[i]) {
            g_string_append_c(out, ESCAPE);
            g_string_append_c(out, (char)(bytes[i] ^ ESCAPE_XOR));
        } else {
            g_string_append_c(out, (char)bytes[i]);
        }
    }
    for (size_t i = 1; i < out->len; i++) {
        sum += (uint8_t)out->str[i];
    }
    g_string_append_printf(out, "#%02x", sum);
    return out;
}

void gdb_hex_append(GString *out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) {
        g_string_append_c(out, digits[bytes[i] >> 4]);
        g_string_append_c(out, digits[bytes[i] & 15]);
    }
}

bool gdb_unhex(const char *hex, void *out, size_t len)
{
    uint8_t *bytes = out;

    for (size_t i = 0; i < len; i++) {
        int high = g_ascii_xdigit_value(hex[2 * i]);
        int low = high < 0 ? -1 : g_ascii_xdigit_value(hex[2 * i + 1]);

        if (low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
