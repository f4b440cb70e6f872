/*
 * Framing of GDB's remote serial protocol: bytes in, packets out, and the
 * other way round. No descriptor, no state but what is in the struct.
 *
 * Source: GDB manual, appendix E.1 "Overview".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GDBSTUB_GDB_PACKET_H
#define GDBSTUB_GDB_PACKET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest packet taken, told to GDB as PacketSize; without $ and #xx. */
#define GDB_PACKET_MAX 16384u

typedef enum GdbInput {
    GDB_INPUT_MORE,      /* nothing complete yet */
    GDB_INPUT_PACKET,    /* @packet is complete, checksum right, unescaped */
    GDB_INPUT_BAD,       /* checksum wrong or too long: send '-' */
    GDB_INPUT_ACK,       /* '+' */
    GDB_INPUT_NACK,      /* '-' */
    GDB_INPUT_INTERRUPT, /* 0x03 outside of a packet */
} GdbInput;

typedef struct GdbDecoder {
    GByteArray *packet; /* owned; ends with a NUL that does not count */
    int state;          /* private */
    bool too_long;
    uint8_t sum;
    uint8_t sum_received;
} GdbDecoder;

void gdb_decoder_init(GdbDecoder *d);
void gdb_decoder_deinit(GdbDecoder *d);
/** gdb_decode: one byte from the peer. @packet is valid until the next. */
GdbInput gdb_decode(GdbDecoder *d, uint8_t byte);

/** gdb_encode: (transfer full) "$data#xx", escaped. */
GString *gdb_encode(const void *data, size_t len);

/** gdb_hex_append: two digits a byte. */
void gdb_hex_append(GString *out, const void *data, size_t len);
/**
 * gdb_unhex:
 * @hex: (in) digits
 * @len: bytes wanted
 *
 * Returns: false if there are fewer than 2 * @len digits.
 */
bool gdb_unhex(const char *hex, void *out, size_t len);

#endif
