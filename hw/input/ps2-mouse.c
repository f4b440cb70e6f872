/*
 * PS/2 mouse, with the wheel and the five buttons of an IntelliMouse once the
 * guest has knocked for them (sample rates 200, 100, 80 and 200, 200, 80).
 *
 * Movements add up until a packet can be sent: a guest that does not read
 * costs nothing, and gets one packet with the sum.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, mouse; Microsoft,
 * Windows and the 5-Button Wheel Mouse.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/vmstate-check.h"
#include "hw/input/ps2.h"
#include "hw/machine-lock.h"

#define MOUSE_SCALE_1_1    0xe6
#define MOUSE_SCALE_2_1    0xe7
#define MOUSE_RESOLUTION   0xe8
#define MOUSE_STATUS       0xe9
#define MOUSE_STREAM       0xea
#define MOUSE_POLL         0xeb
#define MOUSE_RESET_WRAP   0xec
#define MOUSE_WRAP         0xee
#define MOUSE_REMOTE       0xf0
#define MOUSE_IDENTIFY     0xf2
#define MOUSE_RATE         0xf3
#define MOUSE_ENABLE       0xf4
#define MOUSE_DISABLE      0xf5
#define MOUSE_DEFAULTS     0xf6
#define MOUSE_RESEND       0xfe
#define MOUSE_RESET        0xff
#define MOUSE_ID_PLAIN     0
#define MOUSE_ID_WHEEL     3
#define MOUSE_ID_FIVE      4
#define MOUSE_DEFAULT_RATE 100
#define MOUSE_DEFAULT_RES  2

#define BUTTON_LEFT   0x01
#define BUTTON_RIGHT  0x02
#define BUTTON_MIDDLE 0x04
#define BUTTON_SIDE   0x08
#define BUTTON_EXTRA  0x10

#define STATUS_REMOTE    0x40
#define STATUS_REPORTING 0x20
#define STATUS_SCALE_2_1 0x10

#define PACKET_ALWAYS    0x08
#define PACKET_X_SIGN    0x10
#define PACKET_Y_SIGN    0x20
#define PACKET_BYTES_MAX 4
/* A packet waits while more than this many bytes wait. */
#define PACKETS_AHEAD_BYTES 16
/* Movement that piles up, at most. */
#define MOVE_MAX 100000

struct PS2Mouse {
    PS2Device dev;

    InputHandler *handler;
    uint8_t id;
    uint8_t rate;
    uint8_t resolution;
    bool scale_2_1;
    bool remote;
    bool wrap;
    bool reporting;
    uint8_t knock[2]; /* last two sample rates */

    int32_t dx; /* to the right */
    int32_t dy; /* up */
    int32_t dz; /* towards the user */
    uint8_t buttons;
    uint8_t sent_buttons;
};

static PS2Mouse *mouse_of(PS2Device *dev)
{
    return container_of(dev, PS2Mouse, dev);
}

/* -- packets ------------------------------------------------------------------ */

/* Scaling 2:1 makes fast movements faster; only in stream mode. */
static int scaled(const PS2Mouse *m, int delta)
{
    static const int table[] = { 0, 1, 1, 3, 6, 9 };
    int n = ABS(delta);

    if (!m->scale_2_1 || m->remote) {
        return delta;
    }
    n = n < (int)G_N_ELEMENTS(table) ? table[n] : 2 * n;
    return delta < 0 ? -n : n;
}

static int take_delta(const PS2Mouse *m, int32_t *sum)
{
    int limit = m->scale_2_1 && !m->remote ? 127 : 255;
    int delta = CLAMP(*sum, -limit, limit);

    *sum -= delta;
    return CLAMP(scaled(m, delta), -256, 255);
}

static unsigned build_packet(PS2Mouse *m, uint8_t *p)
{
    int dx = take_delta(m, &m->dx);
    int dy = take_delta(m, &m->dy);
    int dz = CLAMP(m->dz, -8, 7);

    m->sent_buttons = m->buttons;
    p[0] = PACKET_ALWAYS | (m->buttons & 0x07) | (dx < 0 ? PACKET_X_SIGN : 0) |
           (dy < 0 ? PACKET_Y_SIGN : 0);
    p[1] = (uint8_t)dx;
    p[2] = (uint8_t)dy;
    if (m->id == MOUSE_ID_PLAIN) {
        m->dz = 0;
        return 3;
    }
    m->dz -= dz;
    p[3] = (uint8_t)dz;
    if (m->id == MOUSE_ID_FIVE) {
        p[3] = (uint8_t)((dz & 0x0f) | (m->buttons & BUTTON_SIDE ? 0x10 : 0) |
                         (m->buttons & BUTTON_EXTRA ? 0x20 : 0));
    }
    return 4;
}

static bool has_news(const PS2Mouse *m)
{
    uint8_t mask = m->id == MOUSE_ID_FIVE ? 0x1f : 0x07;

    return m->dx || m->dy || (m->dz && m->id != MOUSE_ID_PLAIN) ||
           ((m->buttons ^ m->sent_buttons) & mask);
}

static void send_packets(PS2Mouse *m)
{
    uint8_t packet[PACKET_BYTES_MAX];

    while (m->reporting && !m->remote && !m->wrap && has_news(m) &&
           m->dev.data.count <= PACKETS_AHEAD_BYTES) {
        unsigned n = build_packet(m, packet);

        ps2_send(&m->dev, packet, n, 0);
    }
}

static void mouse_drained(PS2Device *dev)
{
    send_packets(mouse_of(dev));
}

static void forget_moves(PS2Mouse *m)
{
    ps2_forget(&m->dev);
    m->dx = m->dy = m->dz = 0;
}

/* -- commands ------------------------------------------------------------------- */

static void set_defaults(PS2Mouse *m)
{
    forget_moves(m);
    m->rate = MOUSE_DEFAULT_RATE;
    m->resolution = MOUSE_DEFAULT_RES;
    m->scale_2_1 = false;
    m->remote = false;
    m->reporting = false;
}

void ps2_mouse_power_on(PS2Mouse *m)
{
    set_defaults(m);
    m->id = MOUSE_ID_PLAIN;
    m->wrap = false;
    m->sent_buttons = m->buttons;
    memset(m->knock, 0, sizeof(m->knock));
    m->dev.pending = 0;
    m->dev.reply.head = m->dev.data.head = 0;
    m->dev.reply.count = 0;
    m->dev.last = 0;
}

static void reply_status(PS2Mouse *m)
{
    uint8_t buttons = (m->buttons & BUTTON_LEFT ? 4 : 0) |
                      (m->buttons & BUTTON_MIDDLE ? 2 : 0) |
                      (m->buttons & BUTTON_RIGHT ? 1 : 0);

    ps2_reply(&m->dev, (m->remote ? STATUS_REMOTE : 0) |
                           (m->reporting ? STATUS_REPORTING : 0) |
                           (m->scale_2_1 ? STATUS_SCALE_2_1 : 0) | buttons);
    ps2_reply(&m->dev, m->resolution);
    ps2_reply(&m->dev, m->rate);
}

static void reply_poll(PS2Mouse *m)
{
    uint8_t packet[PACKET_BYTES_MAX];
    unsigned n = build_packet(m, packet);

    for (unsigned i = 0; i < n; i++) {
        ps2_reply(&m->dev, packet[i]);
    }
}

static void run_command(PS2Mouse *m, uint8_t byte)
{
    PS2Device *dev = &m->dev;

    ps2_reply(dev, PS2_ACK);
    switch (byte) {
    case MOUSE_SCALE_1_1:
    case MOUSE_SCALE_2_1:
        m->scale_2_1 = byte == MOUSE_SCALE_2_1;
        break;
    case MOUSE_RESOLUTION:
    case MOUSE_RATE:
        dev->pending = byte;
        break;
    case MOUSE_STATUS:
        reply_status(m);
        break;
    case MOUSE_STREAM:
    case MOUSE_REMOTE:
        forget_moves(m);
        m->remote = byte == MOUSE_REMOTE;
        break;
    case MOUSE_POLL:
        reply_poll(m);
        break;
    case MOUSE_RESET_WRAP:
        m->wrap = false;
        break;
    case MOUSE_WRAP:
        m->wrap = true;
        break;
    case MOUSE_IDENTIFY:
        ps2_reply(dev, m->id);
        break;
    case MOUSE_ENABLE:
        forget_moves(m);
        m->reporting = true;
        break;
    case MOUSE_DISABLE:
        ps2_forget(dev);
        m->reporting = false;
        break;
    case MOUSE_DEFAULTS:
        set_defaults(m);
        break;
    case MOUSE_RESET:
        ps2_mouse_power_on(m);
        ps2_reply(dev, PS2_ACK);
        ps2_reply(dev, PS2_BAT_OK);
        ps2_reply(dev, m->id);
        break;
    default:
        dev->reply.count = 0;
        ps2_reply(dev, PS2_RESEND);
        break;
    }
}

static void mouse_command(PS2Device *dev, uint8_t byte)
{
    PS2Mouse *m = mouse_of(dev);

    if (m->wrap && byte != MOUSE_RESET_WRAP && byte != MOUSE_RESET) {
        ps2_reply(dev, byte);
    } else if (byte == MOUSE_RESEND) {
        ps2_reply(dev, dev->last);
    } else {
        run_command(m, byte);
    }
}

static void note_knock(PS2Mouse *m, uint8_t rate)
{
    if (m->knock[0] == 200 && m->knock[1] == 100 && rate == 80 &&
        m->id == MOUSE_ID_PLAIN) {
        m->id = MOUSE_ID_WHEEL;
    } else if (m->knock[0] == 200 && m->knock[1] == 200 && rate == 80) {
        m->id = MOUSE_ID_FIVE;
    }
    m->knock[0] = m->knock[1];
    m->knock[1] = rate;
}

static void mouse_parameter(PS2Device *dev, uint8_t command, uint8_t byte)
{
    PS2Mouse *m = mouse_of(dev);

    if (command == MOUSE_RESOLUTION) {
        if (byte > 3) {
            ps2_reply(dev, PS2_RESEND);
            return;
        }
        m->resolution = byte;
    } else {
        m->rate = byte;
        note_knock(m, byte);
    }
    ps2_reply(dev, PS2_ACK);
}

/* -- the user --------------------------------------------------------------------- */

static int add_move(int sum, int64_t delta)
{
    return (int)CLAMP(sum + delta, -MOVE_MAX, MOVE_MAX);
}

void ps2_mouse_move(PS2Mouse *m, InputAxis axis, int delta)
{
    if (!m->reporting && !m->remote) {
        return;
    }
    if (axis == INPUT_AXIS_X) {
        m->dx = add_move(m->dx, delta);
    } else {
        m->dy = add_move(m->dy, -(int64_t)delta);
    }
}

void ps2_mouse_button(PS2Mouse *m, InputButton button, bool down)
{
    static const uint8_t bits[INPUT_BUTTON__MAX] = {
        [INPUT_BUTTON_LEFT] = BUTTON_LEFT,
        [INPUT_BUTTON_RIGHT] = BUTTON_RIGHT,
        [INPUT_BUTTON_MIDDLE] = BUTTON_MIDDLE,
        [INPUT_BUTTON_SIDE] = BUTTON_SIDE,
        [INPUT_BUTTON_EXTRA] = BUTTON_EXTRA,
    };

    if (button == INPUT_BUTTON_WHEEL_UP || button == INPUT_BUTTON_WHEEL_DOWN) {
        if (down && (m->reporting || m->remote)) {
            m->dz = add_move(m->dz, button == INPUT_BUTTON_WHEEL_DOWN ? 1 : -1);
        }
        return;
    }
    if ((unsigned)button < G_N_ELEMENTS(bits)) {
        m->buttons = down ? m->buttons | bits[button]
                          : m->buttons & (uint8_t)~bits[button];
    }
}

void ps2_mouse_sync(PS2Mouse *m)
{
    send_packets(m);
}

static void mouse_input_rel(void *opaque, InputAxis axis, int delta)
{
    MACHINE_LOCK_GUARD();
    ps2_mouse_move(opaque, axis, delta);
}

static void mouse_input_button(void *opaque, InputButton button, bool down)
{
    MACHINE_LOCK_GUARD();
    ps2_mouse_button(opaque, button, down);
}

static void mouse_input_sync(void *opaque)
{
    MACHINE_LOCK_GUARD();
    ps2_mouse_sync(opaque);
}

static const InputHandlerOps mouse_input_ops = {
    .name = "QEMU PS/2 Mouse",
    .mask = INPUT_MASK_BTN | INPUT_MASK_REL,
    .rel = mouse_input_rel,
    .button = mouse_input_button,
    .sync = mouse_input_sync,
};

PS2Mouse *ps2_mouse_new(InputRouter *input, void (*filled)(void *opaque),
                        void *opaque)
{
    PS2Mouse *m = g_new0(PS2Mouse, 1);

    ps2_device_init(&m->dev, filled, opaque);
    m->dev.command = mouse_command;
    m->dev.parameter = mouse_parameter;
    m->dev.drained = mouse_drained;
    if (input) {
        m->handler = input_handler_new(input, &mouse_input_ops, m);
    }
    ps2_mouse_power_on(m);
    return m;
}

void ps2_mouse_free(PS2Mouse *m)
{
    if (m) {
        input_handler_free(m->handler);
        g_free(m);
    }
}

PS2Device *ps2_mouse_device(PS2Mouse *m)
{
    return &m->dev;
}

/* -- migration ------------------------------------------------------------------ */

static bool check_move(const char *axis, int32_t sum, Error **errp)
{
    if (sum < -MOVE_MAX || sum > MOVE_MAX) {
        error_setg(errp, "movement %s of the mouse is %d", axis, sum);
        return false;
    }
    return true;
}

static bool mouse_post_load(void *opaque, int version_id, Error **errp)
{
    PS2Mouse *m = opaque;

    if (m->id != MOUSE_ID_PLAIN && m->id != MOUSE_ID_WHEEL &&
        m->id != MOUSE_ID_FIVE) {
        error_setg(errp, "no mouse has the identity %u", m->id);
        return false;
    }
    return vmstate_check("resolution of the mouse", m->resolution, 0, 3,
                         errp) &&
           check_move("x", m->dx, errp) && check_move("y", m->dy, errp) &&
           check_move("z", m->dz, errp);
}

const VMStateDescription vmstate_ps2_mouse = {
    .name = "ps2mouse",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = mouse_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT(dev, PS2Mouse, 0, vmstate_ps2_device, PS2Device),
            VMSTATE_UINT8(id, PS2Mouse), VMSTATE_UINT8(rate, PS2Mouse),
            VMSTATE_UINT8(resolution, PS2Mouse),
            VMSTATE_BOOL(scale_2_1, PS2Mouse), VMSTATE_BOOL(remote, PS2Mouse),
            VMSTATE_BOOL(wrap, PS2Mouse), VMSTATE_BOOL(reporting, PS2Mouse),
            VMSTATE_UINT8_ARRAY(knock, PS2Mouse, 2),
            VMSTATE_INT32(dx, PS2Mouse), VMSTATE_INT32(dy, PS2Mouse),
            VMSTATE_INT32(dz, PS2Mouse), VMSTATE_UINT8(buttons, PS2Mouse),
            VMSTATE_UINT8(sent_buttons, PS2Mouse), VMSTATE_END_OF_LIST() },
};
