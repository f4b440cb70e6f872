/*
 * Scan codes: what a key sends in each of the three sets.
 *
 * Set 1 is the key's number (ui/input.h); set 2 comes from it by the
 * controller's translation, backwards; set 3 has a table of its own, one byte
 * a key. Print, SysRq and Pause send what no rule gives. The shifts that the
 * hardware wraps around the grey cursor keys while Num Lock is on are left
 * out: only software of the XT needs them.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, 101-key keyboard;
 * 8042 translation from the same; USB HID to PS/2 translation table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/input/ps2.h"

#define CODE_E0      0xe0
#define CODE_E1      0xe1
#define CODE_BREAK   0xf0 /* sets 2 and 3 */
#define SET1_RELEASE 0x80
#define SET1_SYSRQ   0x54
#define SET2_SYSRQ   0x84
#define SET1_HANGUL  0xf2 /* sent on press only, the same in set 2 */
#define SET1_HANJA   0xf1

/* clang-format off */

/* From 88h on a byte stays what it is. */
static const uint8_t translation[0x88] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58,
    0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a,
    0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c,
    0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e,
    0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60,
    0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e,
    0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b,
    0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
    0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
    0x80, 0x81, 0x82, 0x41, 0x54, 0x85, 0x86, 0x87,
};

/* Set 1 without bit 7 to set 2. */
static const uint8_t set2_codes[0x80] = {
    0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36,
    0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43,
    0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b,
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c,
    0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a,
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c,
    0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03,
    0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c,
    0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74, 0x79, 0x69,
    0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78,
    0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
    0x47, 0x4f, 0x56, 0x5e, 0x08, 0x10, 0x18, 0x20,
    0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x57, 0x6f,
    0x13, 0x19, 0x39, 0x51, 0x53, 0x5c, 0x5f, 0x62,
    0x63, 0x64, 0x65, 0x67, 0x68, 0x6a, 0x6d, 0x6e,
};

static const uint8_t set3_codes[Q_KEY_CODE__MAX] = {
    [Q_KEY_CODE_ESC] = 0x08,
    [Q_KEY_CODE_F1] = 0x07,
    [Q_KEY_CODE_F2] = 0x0f,
    [Q_KEY_CODE_F3] = 0x17,
    [Q_KEY_CODE_F4] = 0x1f,
    [Q_KEY_CODE_F5] = 0x27,
    [Q_KEY_CODE_F6] = 0x2f,
    [Q_KEY_CODE_F7] = 0x37,
    [Q_KEY_CODE_F8] = 0x3f,
    [Q_KEY_CODE_F9] = 0x47,
    [Q_KEY_CODE_F10] = 0x4f,
    [Q_KEY_CODE_F11] = 0x56,
    [Q_KEY_CODE_F12] = 0x5e,
    [Q_KEY_CODE_PRINT] = 0x57,
    [Q_KEY_CODE_SYSRQ] = 0x57,
    [Q_KEY_CODE_SCROLL_LOCK] = 0x5f,
    [Q_KEY_CODE_PAUSE] = 0x62,
    [Q_KEY_CODE_GRAVE_ACCENT] = 0x0e,
    [Q_KEY_CODE_1] = 0x16,
    [Q_KEY_CODE_2] = 0x1e,
    [Q_KEY_CODE_3] = 0x26,
    [Q_KEY_CODE_4] = 0x25,
    [Q_KEY_CODE_5] = 0x2e,
    [Q_KEY_CODE_6] = 0x36,
    [Q_KEY_CODE_7] = 0x3d,
    [Q_KEY_CODE_8] = 0x3e,
    [Q_KEY_CODE_9] = 0x46,
    [Q_KEY_CODE_0] = 0x45,
    [Q_KEY_CODE_MINUS] = 0x4e,
    [Q_KEY_CODE_EQUAL] = 0x55,
    [Q_KEY_CODE_BACKSPACE] = 0x66,
    [Q_KEY_CODE_TAB] = 0x0d,
    [Q_KEY_CODE_Q] = 0x15,
    [Q_KEY_CODE_W] = 0x1d,
    [Q_KEY_CODE_E] = 0x24,
    [Q_KEY_CODE_R] = 0x2d,
    [Q_KEY_CODE_T] = 0x2c,
    [Q_KEY_CODE_Y] = 0x35,
    [Q_KEY_CODE_U] = 0x3c,
    [Q_KEY_CODE_I] = 0x43,
    [Q_KEY_CODE_O] = 0x44,
    [Q_KEY_CODE_P] = 0x4d,
    [Q_KEY_CODE_BRACKET_LEFT] = 0x54,
    [Q_KEY_CODE_BRACKET_RIGHT] = 0x5b,
    [Q_KEY_CODE_BACKSLASH] = 0x5c,
    [Q_KEY_CODE_CAPS_LOCK] = 0x14,
    [Q_KEY_CODE_A] = 0x1c,
    [Q_KEY_CODE_S] = 0x1b,
    [Q_KEY_CODE_D] = 0x23,
    [Q_KEY_CODE_F] = 0x2b,
    [Q_KEY_CODE_G] = 0x34,
    [Q_KEY_CODE_H] = 0x33,
    [Q_KEY_CODE_J] = 0x3b,
    [Q_KEY_CODE_K] = 0x42,
    [Q_KEY_CODE_L] = 0x4b,
    [Q_KEY_CODE_SEMICOLON] = 0x4c,
    [Q_KEY_CODE_APOSTROPHE] = 0x52,
    [Q_KEY_CODE_RET] = 0x5a,
    [Q_KEY_CODE_SHIFT] = 0x12,
    [Q_KEY_CODE_Z] = 0x1a,
    [Q_KEY_CODE_X] = 0x22,
    [Q_KEY_CODE_C] = 0x21,
    [Q_KEY_CODE_V] = 0x2a,
    [Q_KEY_CODE_B] = 0x32,
    [Q_KEY_CODE_N] = 0x31,
    [Q_KEY_CODE_M] = 0x3a,
    [Q_KEY_CODE_COMMA] = 0x41,
    [Q_KEY_CODE_DOT] = 0x49,
    [Q_KEY_CODE_SLASH] = 0x4a,
    [Q_KEY_CODE_SHIFT_R] = 0x59,
    [Q_KEY_CODE_CTRL] = 0x11,
    [Q_KEY_CODE_META_L] = 0x8b,
    [Q_KEY_CODE_ALT] = 0x19,
    [Q_KEY_CODE_SPC] = 0x29,
    [Q_KEY_CODE_ALT_R] = 0x39,
    [Q_KEY_CODE_META_R] = 0x8c,
    [Q_KEY_CODE_MENU] = 0x8d,
    [Q_KEY_CODE_COMPOSE] = 0x8d,
    [Q_KEY_CODE_CTRL_R] = 0x58,
    [Q_KEY_CODE_INSERT] = 0x67,
    [Q_KEY_CODE_HOME] = 0x6e,
    [Q_KEY_CODE_PGUP] = 0x6f,
    [Q_KEY_CODE_DELETE] = 0x64,
    [Q_KEY_CODE_END] = 0x65,
    [Q_KEY_CODE_PGDN] = 0x6d,
    [Q_KEY_CODE_UP] = 0x63,
    [Q_KEY_CODE_LEFT] = 0x61,
    [Q_KEY_CODE_DOWN] = 0x60,
    [Q_KEY_CODE_RIGHT] = 0x6a,
    [Q_KEY_CODE_NUM_LOCK] = 0x76,
    [Q_KEY_CODE_KP_DIVIDE] = 0x77,
    [Q_KEY_CODE_KP_MULTIPLY] = 0x7e,
    [Q_KEY_CODE_ASTERISK] = 0x7e,
    [Q_KEY_CODE_KP_SUBTRACT] = 0x84,
    [Q_KEY_CODE_KP_ADD] = 0x7c,
    [Q_KEY_CODE_KP_ENTER] = 0x79,
    [Q_KEY_CODE_KP_DECIMAL] = 0x71,
    [Q_KEY_CODE_KP_0] = 0x70,
    [Q_KEY_CODE_KP_1] = 0x69,
    [Q_KEY_CODE_KP_2] = 0x72,
    [Q_KEY_CODE_KP_3] = 0x7a,
    [Q_KEY_CODE_KP_4] = 0x6b,
    [Q_KEY_CODE_KP_5] = 0x73,
    [Q_KEY_CODE_KP_6] = 0x74,
    [Q_KEY_CODE_KP_7] = 0x6c,
    [Q_KEY_CODE_KP_8] = 0x75,
    [Q_KEY_CODE_KP_9] = 0x7d,
    [Q_KEY_CODE_LESS] = 0x13,
};
/* clang-format on */

uint8_t ps2_translate(uint8_t byte)
{
    return byte < G_N_ELEMENTS(translation) ? translation[byte] : byte;
}

/* Bytes being put together. */
typedef struct Code {
    uint8_t *bytes;
    unsigned n;
    unsigned set;
} Code;

/* @code is of set 1. */
static void add_key(Code *c, bool extended, uint8_t code, bool down)
{
    if (extended) {
        c->bytes[c->n++] = CODE_E0;
    }
    if (c->set == 1) {
        c->bytes[c->n++] = code | (down ? 0 : SET1_RELEASE);
        return;
    }
    if (!down) {
        c->bytes[c->n++] = CODE_BREAK;
    }
    c->bytes[c->n++] = code == SET1_SYSRQ ? SET2_SYSRQ : set2_codes[code];
}

static void add_print(Code *c, bool down, unsigned mods)
{
    if (mods & PS2_MOD_ALT) {
        add_key(c, false, SET1_SYSRQ, down);
    } else if (mods & (PS2_MOD_SHIFT | PS2_MOD_CTRL)) {
        add_key(c, true, 0x37, down);
    } else if (down) {
        add_key(c, true, 0x2a, true);
        add_key(c, true, 0x37, true);
    } else {
        add_key(c, true, 0x37, false);
        add_key(c, true, 0x2a, false);
    }
}

/* Sent whole when it goes down. With Ctrl it is Break. */
static void add_pause(Code *c, unsigned mods)
{
    static const uint8_t set1[] = { CODE_E1, 0x1d, 0x45, CODE_E1, 0x9d, 0xc5 };
    static const uint8_t set2[] = { CODE_E1, 0x14, 0x77, CODE_E1,
                                    0xf0,    0x14, 0xf0, 0x77 };

    if (mods & PS2_MOD_CTRL) {
        add_key(c, true, 0x46, true);
        add_key(c, true, 0x46, false);
    } else if (c->set == 1) {
        memcpy(c->bytes, set1, sizeof(set1));
        c->n = sizeof(set1);
    } else {
        memcpy(c->bytes, set2, sizeof(set2));
        c->n = sizeof(set2);
    }
}

static unsigned set3_scan_code(QKeyCode key, bool down, uint8_t *ret)
{
    unsigned n = 0;

    if ((unsigned)key >= G_N_ELEMENTS(set3_codes) || !set3_codes[key]) {
        return 0;
    }
    if (!down) {
        ret[n++] = CODE_BREAK;
    }
    ret[n++] = set3_codes[key];
    return n;
}

unsigned ps2_scan_code(unsigned set, QKeyCode key, bool down, unsigned mods,
                       uint8_t *ret)
{
    Code c = { .bytes = ret, .set = set };
    int number = qkeycode_to_number(key);

    if (set == 3) {
        return set3_scan_code(key, down, ret);
    }
    switch (key) {
    case Q_KEY_CODE_PRINT:
    case Q_KEY_CODE_SYSRQ:
        add_print(&c, down,
                  key == Q_KEY_CODE_SYSRQ ? mods | PS2_MOD_ALT : mods);
        break;
    case Q_KEY_CODE_PAUSE:
        if (down) {
            add_pause(&c, mods);
        }
        break;
    case Q_KEY_CODE_LANG1:
    case Q_KEY_CODE_LANG2:
        if (down) {
            ret[c.n++] = key == Q_KEY_CODE_LANG1 ? SET1_HANGUL : SET1_HANJA;
        }
        break;
    default:
        if (number) {
            add_key(&c, number & SET1_RELEASE, number & ~SET1_RELEASE, down);
        }
        break;
    }
    return c.n;
}
