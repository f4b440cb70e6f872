/*
 * PS/2 keyboard, 101/102 keys.
 *
 * A key that stays down is not repeated here: whoever sends the key presses
 * repeats them (a VNC viewer does). The typematic rate is kept for the guest
 * to set.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, 101-key keyboard.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/vmstate-check.h"
#include "hw/input/ps2.h"
#include "hw/machine-lock.h"
#include "util/bitmap.h"

#define KBD_SET_LEDS      0xed
#define KBD_ECHO          0xee
#define KBD_SCAN_SET      0xf0
#define KBD_IDENTIFY      0xf2
#define KBD_RATE          0xf3
#define KBD_ENABLE        0xf4
#define KBD_DISABLE       0xf5
#define KBD_DEFAULTS      0xf6
#define KBD_ALL_TYPEMATIC 0xf7
#define KBD_ALL_BREAK     0xf8
#define KBD_ALL_MAKE      0xf9
#define KBD_ALL_BOTH      0xfa
#define KBD_KEY_TYPEMATIC 0xfb
#define KBD_KEY_BREAK     0xfc
#define KBD_KEY_MAKE      0xfd
#define KBD_RESEND        0xfe
#define KBD_RESET         0xff
#define KBD_FIRST_COMMAND 0xed

#define KBD_ID_1         0xab
#define KBD_ID_2         0x83
#define KBD_DEFAULT_RATE 0x2b /* 10.9 a second after half a second */
#define KBD_DEFAULT_SET  2

/* What presses leave free of the queue, so that releases always fit. */
#define ROOM_FOR_RELEASES 64

struct PS2Keyboard {
    PS2Device dev;

    InputHandler *handler;
    uint32_t set;
    bool scanning;
    uint8_t rate;
    uint8_t leds;
    uint32_t mods;               /* PS2_MOD_* held now */
    DECLARE_BITMAP(breaks, 256); /* set 3: keys that say when they go up */
};

static PS2Keyboard *keyboard_of(PS2Device *dev)
{
    return container_of(dev, PS2Keyboard, dev);
}

/* The keys of set 3 that send a break code when nobody said otherwise: Shift
 * left and right, Ctrl, Alt, Caps Lock. */
static void default_breaks(PS2Keyboard *k)
{
    static const uint8_t keys[] = { 0x12, 0x59, 0x11, 0x19, 0x14 };

    bitmap_zero(k->breaks, 256);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        set_bit(keys[i], k->breaks);
    }
}

static void set_leds(PS2Keyboard *k, unsigned leds)
{
    k->leds = (uint8_t)leds;
    if (k->handler) {
        input_handler_set_leds(k->handler, leds);
    }
}

static void set_defaults(PS2Keyboard *k)
{
    ps2_forget(&k->dev);
    k->rate = KBD_DEFAULT_RATE;
    k->set = KBD_DEFAULT_SET;
    default_breaks(k);
}

void ps2_keyboard_power_on(PS2Keyboard *k)
{
    set_defaults(k);
    k->scanning = true;
    k->mods = 0;
    k->dev.pending = 0;
    k->dev.reply.head = k->dev.data.head = 0;
    k->dev.reply.count = 0;
    k->dev.last = 0;
    set_leds(k, 0);
}

/* -- commands ---------------------------------------------------------------- */

static void set_all_breaks(PS2Keyboard *k, bool breaks)
{
    if (breaks) {
        bitmap_fill(k->breaks, 256);
    } else {
        bitmap_zero(k->breaks, 256);
    }
}

static void keyboard_command(PS2Device *dev, uint8_t byte)
{
    PS2Keyboard *k = keyboard_of(dev);

    switch (byte) {
    case KBD_ECHO:
        ps2_reply(dev, KBD_ECHO);
        return;
    case KBD_RESEND:
        ps2_reply(dev, dev->last);
        return;
    case KBD_SET_LEDS:
    case KBD_SCAN_SET:
    case KBD_RATE:
    case KBD_KEY_TYPEMATIC:
    case KBD_KEY_BREAK:
    case KBD_KEY_MAKE:
        dev->pending = byte;
        break;
    case KBD_IDENTIFY:
        ps2_reply(dev, PS2_ACK);
        ps2_reply(dev, KBD_ID_1);
        ps2_reply(dev, KBD_ID_2);
        return;
    case KBD_ENABLE:
        ps2_forget(dev);
        k->scanning = true;
        break;
    case KBD_DISABLE:
    case KBD_DEFAULTS:
        set_defaults(k);
        k->scanning = byte == KBD_DEFAULTS;
        break;
    case KBD_ALL_TYPEMATIC:
    case KBD_ALL_MAKE:
    case KBD_ALL_BREAK:
    case KBD_ALL_BOTH:
        set_all_breaks(k, byte == KBD_ALL_BREAK || byte == KBD_ALL_BOTH);
        break;
    case KBD_RESET:
        ps2_keyboard_power_on(k);
        ps2_reply(dev, PS2_ACK);
        ps2_reply(dev, PS2_BAT_OK);
        return;
    default:
        ps2_reply(dev, PS2_RESEND);
        return;
    }
    ps2_reply(dev, PS2_ACK);
}

static void set_scan_set(PS2Keyboard *k, uint8_t set)
{
    if (set > 3) {
        ps2_reply(&k->dev, PS2_RESEND);
        return;
    }
    ps2_reply(&k->dev, PS2_ACK);
    if (set == 0) {
        ps2_reply(&k->dev, (uint8_t)k->set);
    } else {
        ps2_forget(&k->dev);
        k->set = set;
    }
}

static void keyboard_parameter(PS2Device *dev, uint8_t command, uint8_t byte)
{
    PS2Keyboard *k = keyboard_of(dev);

    if (byte >= KBD_FIRST_COMMAND) { /* a command instead of its parameter */
        keyboard_command(dev, byte);
        return;
    }
    switch (command) {
    case KBD_SET_LEDS:
        set_leds(k, byte & (INPUT_LED_SCROLL | INPUT_LED_NUM | INPUT_LED_CAPS));
        break;
    case KBD_SCAN_SET:
        set_scan_set(k, byte);
        return;
    case KBD_RATE:
        k->rate = byte & 0x7f;
        break;
    case KBD_KEY_BREAK:
        set_bit(byte, k->breaks);
        dev->pending = command; /* more keys may follow */
        break;
    default:
        clear_bit(byte, k->breaks);
        dev->pending = command;
        break;
    }
    ps2_reply(dev, PS2_ACK);
}

/* -- keys --------------------------------------------------------------------- */

static unsigned modifier_of(QKeyCode key)
{
    switch (key) {
    case Q_KEY_CODE_SHIFT:
    case Q_KEY_CODE_SHIFT_R:
        return PS2_MOD_SHIFT;
    case Q_KEY_CODE_CTRL:
    case Q_KEY_CODE_CTRL_R:
        return PS2_MOD_CTRL;
    case Q_KEY_CODE_ALT:
    case Q_KEY_CODE_ALT_R:
        return PS2_MOD_ALT;
    default:
        return 0;
    }
}

void ps2_keyboard_key(PS2Keyboard *k, QKeyCode key, bool down)
{
    uint8_t code[PS2_CODE_BYTES_MAX];
    unsigned mod = modifier_of(key);
    unsigned n;

    if (mod) {
        k->mods = down ? k->mods | mod : k->mods & ~mod;
    }
    if (!k->scanning) {
        return;
    }
    n = ps2_scan_code(k->set, key, down, k->mods, code);
    if (k->set == 3 && !down && n && !test_bit(code[n - 1], k->breaks)) {
        return;
    }
    if (n) {
        ps2_send(&k->dev, code, n, down ? ROOM_FOR_RELEASES : 0);
    }
}

static void keyboard_input(void *opaque, QKeyCode key, bool down)
{
    MACHINE_LOCK_GUARD();
    ps2_keyboard_key(opaque, key, down);
}

static const InputHandlerOps keyboard_input_ops = {
    .name = "QEMU PS/2 Keyboard",
    .mask = INPUT_MASK_KEY,
    .key = keyboard_input,
};

PS2Keyboard *ps2_keyboard_new(InputRouter *input, void (*filled)(void *opaque),
                              void *opaque)
{
    PS2Keyboard *k = g_new0(PS2Keyboard, 1);

    ps2_device_init(&k->dev, filled, opaque);
    k->dev.command = keyboard_command;
    k->dev.parameter = keyboard_parameter;
    if (input) {
        k->handler = input_handler_new(input, &keyboard_input_ops, k);
    }
    ps2_keyboard_power_on(k);
    return k;
}

void ps2_keyboard_free(PS2Keyboard *k)
{
    if (k) {
        input_handler_free(k->handler);
        g_free(k);
    }
}

PS2Device *ps2_keyboard_device(PS2Keyboard *k)
{
    return &k->dev;
}

/* -- migration ---------------------------------------------------------------- */

static bool keyboard_post_load(void *opaque, int version_id, Error **errp)
{
    PS2Keyboard *k = opaque;

    if (!vmstate_check("scan code set", k->set, 1, 3, errp) ||
        !vmstate_check("keys held", k->mods, 0,
                       PS2_MOD_SHIFT | PS2_MOD_CTRL | PS2_MOD_ALT, errp)) {
        return false;
    }
    set_leds(k, k->leds & (INPUT_LED_SCROLL | INPUT_LED_NUM | INPUT_LED_CAPS));
    return true;
}

const VMStateDescription vmstate_ps2_keyboard = {
    .name = "ps2kbd",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = keyboard_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT(dev, PS2Keyboard, 0, vmstate_ps2_device, PS2Device),
            VMSTATE_UINT32(set, PS2Keyboard),
            VMSTATE_BOOL(scanning, PS2Keyboard),
            VMSTATE_UINT8(rate, PS2Keyboard), VMSTATE_UINT8(leds, PS2Keyboard),
            VMSTATE_UINT32(mods, PS2Keyboard),
            VMSTATE_UINT64_ARRAY(breaks, PS2Keyboard, BITS_TO_LONGS(256)),
            VMSTATE_END_OF_LIST() },
};
