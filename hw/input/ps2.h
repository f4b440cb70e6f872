/*
 * PS/2 devices: keyboard and mouse at the two ports of a keyboard controller.
 *
 * A device has two queues of bytes for the controller: answers to commands,
 * which go first, and what the user did. A sequence of bytes (a key, a
 * movement) enters its queue whole or not at all.
 *
 * Source: IBM Personal System/2 Hardware Interface Technical Reference,
 * keyboard (101- and 102-key) and mouse.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H

#include "hw/qdev-core.h"
#include "ui/input.h"

#define PS2_ACK    0xfa
#define PS2_RESEND 0xfe
#define PS2_BAT_OK 0xaa

#define PS2_REPLY_BYTES 16
#define PS2_DATA_BYTES  256

typedef struct PS2Device PS2Device;
typedef struct PS2Keyboard PS2Keyboard;
typedef struct PS2Mouse PS2Mouse;

/* One direction of bytes, first in first out. */
typedef struct PS2Queue {
    uint8_t bytes[PS2_DATA_BYTES];
    uint32_t size; /* how many it may hold */
    uint32_t head;
    uint32_t count;
} PS2Queue;

/* Base of both; embedded. */
struct PS2Device {
    PS2Queue reply;
    PS2Queue data;
    uint8_t last;    /* sent last, for "resend" */
    uint8_t pending; /* command that waits for its parameter; 0 = none */
    void (*command)(PS2Device *dev, uint8_t byte);
    void (*parameter)(PS2Device *dev, uint8_t command, uint8_t byte);
    /* Bytes are there, or there is room again (mouse). */
    void (*filled)(void *opaque);
    void (*drained)(PS2Device *dev); /* or NULL */
    void *opaque;
};

void ps2_device_init(PS2Device *dev, void (*filled)(void *opaque),
                     void *opaque);
/** ps2_write: the controller sends a byte to the device. */
void ps2_write(PS2Device *dev, uint8_t byte);
/** ps2_has_data: is there a byte for the controller? */
bool ps2_has_data(const PS2Device *dev);
/** ps2_read: take it; 0 if there is none. */
uint8_t ps2_read(PS2Device *dev);

/* -- for the devices ----------------------------------------------------------- */

/** ps2_reply: answer a command. */
void ps2_reply(PS2Device *dev, uint8_t byte);
/** ps2_send: @n bytes that belong together, if @keep bytes stay free behind
 *  them. Returns: whether they were taken. */
bool ps2_send(PS2Device *dev, const uint8_t *bytes, unsigned n, unsigned keep);
/** ps2_forget: drop what the user did and was not read yet. */
void ps2_forget(PS2Device *dev);

/* -- keyboard and mouse --------------------------------------------------------- */

/** ps2_keyboard_new: @input (nullable); @filled is called when there are bytes
 *  for the controller. */
PS2Keyboard *ps2_keyboard_new(InputRouter *input, void (*filled)(void *opaque),
                              void *opaque);
void ps2_keyboard_free(PS2Keyboard *k);
PS2Device *ps2_keyboard_device(PS2Keyboard *k);
/** ps2_keyboard_power_on: as after power-on, without the answer. */
void ps2_keyboard_power_on(PS2Keyboard *k);
/** ps2_keyboard_key: the user pressed or released a key. */
void ps2_keyboard_key(PS2Keyboard *k, QKeyCode key, bool down);

PS2Mouse *ps2_mouse_new(InputRouter *input, void (*filled)(void *opaque),
                        void *opaque);
void ps2_mouse_free(PS2Mouse *m);
PS2Device *ps2_mouse_device(PS2Mouse *m);
void ps2_mouse_power_on(PS2Mouse *m);
/** ps2_mouse_move, ps2_mouse_button: what the user did; seen by the guest
 *  after ps2_mouse_sync(). */
void ps2_mouse_move(PS2Mouse *m, InputAxis axis, int delta);
void ps2_mouse_button(PS2Mouse *m, InputButton button, bool down);
void ps2_mouse_sync(PS2Mouse *m);

/* -- migration ------------------------------------------------------------------- */

extern const VMStateDescription vmstate_ps2_device;   /* of PS2Device */
extern const VMStateDescription vmstate_ps2_keyboard; /* of PS2Keyboard */
extern const VMStateDescription vmstate_ps2_mouse;    /* of PS2Mouse */

/* -- scan codes ------------------------------------------------------------------ */

#define PS2_CODE_BYTES_MAX 8

/* Keys that change what Print and Pause send. */
#define PS2_MOD_SHIFT 0x01u
#define PS2_MOD_CTRL  0x02u
#define PS2_MOD_ALT   0x04u

/**
 * ps2_scan_code:
 * @set: 1, 2 or 3
 * @mods: PS2_MOD_*
 * @ret: (out) PS2_CODE_BYTES_MAX bytes
 *
 * Returns: bytes that the keyboard sends for @key; 0 if none.
 */
unsigned ps2_scan_code(unsigned set, QKeyCode key, bool down, unsigned mods,
                       uint8_t *ret);

/** ps2_translate: what the controller makes of a byte of set 2 (break codes:
 *  F0h is swallowed and sets bit 7 of the next). */
uint8_t ps2_translate(uint8_t byte);

#endif
