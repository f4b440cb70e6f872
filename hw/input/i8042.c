/*
 * i8042: the keyboard controller of a PC, with a PS/2 keyboard and a PS/2
 * mouse at its ports.
 *
 *   keyboard --\                         /-- data port 60h
 *               >-- output buffer (one byte) -- IRQ 1 or IRQ 12
 *   mouse ----/                          \-- status port 64h
 *
 * The output buffer takes its next byte as soon as the guest has read the
 * last one: answers of the controller itself first, then the keyboard, then
 * the mouse. A line goes down and up again between two bytes, so that an
 * edge-triggered interrupt controller sees each.
 *
 * The A20 gate is kept as a bit for the guest to read; address line 20 is
 * always on, as in every machine that has no real mode DOS to please.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, keyboard and
 * auxiliary device controller; Intel 8042 command set.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/core/vmstate-check.h"
#include "hw/input/ps2.h"
#include "hw/isa/isa.h"
#include "trace/trace-hw.h"
#include "ui/console.h"
#include "util/error.h"

#define PORT_DATA    0x60
#define PORT_COMMAND 0x64
#define IRQ_KEYBOARD 1
#define IRQ_MOUSE    12

#define STATUS_OUT      0x01
#define STATUS_SYS      0x04
#define STATUS_COMMAND  0x08 /* last write went to the command port */
#define STATUS_UNLOCKED 0x10
#define STATUS_AUX_OUT  0x20 /* the byte is the mouse's */

#define CONFIG_KEYBOARD_IRQ 0x01
#define CONFIG_MOUSE_IRQ    0x02
#define CONFIG_SYS          0x04
#define CONFIG_NO_KEYBOARD  0x10
#define CONFIG_NO_MOUSE     0x20
#define CONFIG_TRANSLATE    0x40
/* As firmware leaves it, for a kernel that is started without one. */
#define CONFIG_POWER_ON                                                        \
    (CONFIG_KEYBOARD_IRQ | CONFIG_MOUSE_IRQ | CONFIG_SYS | CONFIG_TRANSLATE)

#define OUTPUT_NO_RESET     0x01
#define OUTPUT_A20          0x02
#define OUTPUT_KEYBOARD_IRQ 0x10
#define OUTPUT_MOUSE_IRQ    0x20
#define OUTPUT_ONES         0xcc
#define INPUT_UNLOCKED      0x80

#define CMD_READ_RAM       0x20 /* to 3fh */
#define CMD_WRITE_RAM      0x60 /* to 7fh */
#define CMD_NO_PASSWORD    0xa4
#define CMD_MOUSE_OFF      0xa7
#define CMD_MOUSE_ON       0xa8
#define CMD_MOUSE_TEST     0xa9
#define CMD_SELF_TEST      0xaa
#define CMD_KEYBOARD_TEST  0xab
#define CMD_KEYBOARD_OFF   0xad
#define CMD_KEYBOARD_ON    0xae
#define CMD_READ_INPUT     0xc0
#define CMD_READ_OUTPUT    0xd0
#define CMD_WRITE_OUTPUT   0xd1
#define CMD_FAKE_KEYBOARD  0xd2
#define CMD_FAKE_MOUSE     0xd3
#define CMD_TO_MOUSE       0xd4
#define CMD_A20_OFF        0xdd
#define CMD_A20_ON         0xdf
#define CMD_READ_TESTS     0xe0
#define CMD_PULSE          0xf0 /* to ffh: lines whose bit is 0 */
#define REPLY_SELF_TEST_OK 0x55
#define REPLY_TEST_OK      0x00
#define REPLY_NO_PASSWORD  0xf1

#define RAM_BYTES   32
#define CODE_BREAK  0xf0
#define BREAK_BIT   0x80
#define REPLIES_MAX 4

#define TYPE_I8042 "i8042"
OBJECT_DECLARE_SIMPLE_TYPE(I8042State, I8042)

/* Where the byte in the output buffer came from; numbers of migration streams. */
typedef enum Source {
    SOURCE_NONE, /* the buffer is empty */
    SOURCE_CONTROLLER,
    SOURCE_KEYBOARD,
    SOURCE_MOUSE,
} Source;

struct I8042State {
    ISADevice parent_obj;

    IORegion data;
    IORegion command;
    qemu_irq irq_keyboard;
    qemu_irq irq_mouse;
    PS2Keyboard *keyboard;
    PS2Mouse *mouse;

    uint8_t ram[RAM_BYTES]; /* byte 0 is the configuration */
    bool sys;               /* the self test was run */
    bool command_last;
    uint8_t pending; /* command that waits for its data byte, 0 = none */
    uint8_t output;  /* A20 and the reset line */

    uint8_t replies[REPLIES_MAX]; /* of the controller, with their source */
    uint8_t reply_source[REPLIES_MAX];
    uint8_t n_replies;

    uint8_t source; /* of @out */
    uint8_t out;
    bool got_break; /* translation: the next code is of a key going up */
    bool filling;   /* a device may have more while it is read */
};

static uint8_t config_of(const I8042State *s)
{
    return s->ram[0];
}

/* -- output buffer ---------------------------------------------------------------- */

static void update_irqs(I8042State *s)
{
    bool mouse = s->source == SOURCE_MOUSE;
    bool keyboard = s->source != SOURCE_NONE && !mouse;

    qemu_set_irq(s->irq_keyboard,
                 keyboard && (config_of(s) & CONFIG_KEYBOARD_IRQ));
    qemu_set_irq(s->irq_mouse, mouse && (config_of(s) & CONFIG_MOUSE_IRQ));
}

static void take_reply(I8042State *s)
{
    s->out = s->replies[0];
    s->source = s->reply_source[0];
    s->n_replies--;
    memmove(s->replies, s->replies + 1, s->n_replies);
    memmove(s->reply_source, s->reply_source + 1, s->n_replies);
}

/* Returns: false if the byte made no code of its own. */
static bool take_key(I8042State *s, PS2Device *dev)
{
    uint8_t byte = ps2_read(dev);

    if (!(config_of(s) & CONFIG_TRANSLATE)) {
        s->got_break = false;
    } else if (byte == CODE_BREAK) {
        s->got_break = true;
        return false;
    } else {
        byte = ps2_translate(byte);
        if (s->got_break) {
            byte |= BREAK_BIT;
        }
        s->got_break = false;
    }
    s->out = byte;
    s->source = SOURCE_KEYBOARD;
    return true;
}

/* Put the next byte into an empty output buffer. */
static void fill_output(I8042State *s)
{
    PS2Device *keyboard = ps2_keyboard_device(s->keyboard);
    PS2Device *mouse = ps2_mouse_device(s->mouse);

    if (s->filling) {
        return;
    }
    s->filling = true;
    if (s->source == SOURCE_NONE && s->n_replies) {
        take_reply(s);
    }
    while (s->source == SOURCE_NONE && !(config_of(s) & CONFIG_NO_KEYBOARD) &&
           ps2_has_data(keyboard)) {
        take_key(s, keyboard);
    }
    if (s->source == SOURCE_NONE && !(config_of(s) & CONFIG_NO_MOUSE) &&
        ps2_has_data(mouse)) {
        s->out = ps2_read(mouse);
        s->source = SOURCE_MOUSE;
    }
    s->filling = false;
    update_irqs(s);
}

static void device_filled(void *opaque)
{
    fill_output(opaque);
}

static void i8042_reply(I8042State *s, Source source, uint8_t byte)
{
    if (s->n_replies < REPLIES_MAX) {
        s->replies[s->n_replies] = byte;
        s->reply_source[s->n_replies++] = (uint8_t)source;
    }
    fill_output(s);
}

/* -- commands ---------------------------------------------------------------------- */

static void request_reset(I8042State *s)
{
    MachineState *machine = isa_bus_of(s)->machine;

    if (machine) {
        machine_request_reset(machine);
    }
}

static void set_config(I8042State *s, uint8_t config)
{
    s->ram[0] = config;
    if (config & CONFIG_SYS) {
        s->sys = true;
    }
    fill_output(s);
}

static uint8_t output_port(const I8042State *s)
{
    return s->output | OUTPUT_ONES |
           (s->source == SOURCE_MOUSE ? OUTPUT_MOUSE_IRQ : 0) |
           (s->source == SOURCE_KEYBOARD || s->source == SOURCE_CONTROLLER
                ? OUTPUT_KEYBOARD_IRQ
                : 0);
}

static void set_output_port(I8042State *s, uint8_t value)
{
    s->output = value & (OUTPUT_NO_RESET | OUTPUT_A20);
    if (!(value & OUTPUT_NO_RESET)) {
        s->output |= OUTPUT_NO_RESET;
        request_reset(s);
    }
}

static void run_self_test(I8042State *s)
{
    s->sys = true;
    s->n_replies = 0;
    s->source = SOURCE_NONE;
    i8042_reply(s, SOURCE_CONTROLLER, REPLY_SELF_TEST_OK);
}

/* Commands without a data byte. */
static void run_command(I8042State *s, uint8_t cmd)
{
    switch (cmd) {
    case CMD_NO_PASSWORD:
        i8042_reply(s, SOURCE_CONTROLLER, REPLY_NO_PASSWORD);
        break;
    case CMD_MOUSE_OFF:
    case CMD_MOUSE_ON:
        set_config(s, cmd == CMD_MOUSE_OFF ? config_of(s) | CONFIG_NO_MOUSE
                                           : config_of(s) & ~CONFIG_NO_MOUSE);
        break;
    case CMD_KEYBOARD_OFF:
    case CMD_KEYBOARD_ON:
        set_config(s, cmd == CMD_KEYBOARD_OFF
                          ? config_of(s) | CONFIG_NO_KEYBOARD
                          : config_of(s) & ~CONFIG_NO_KEYBOARD);
        break;
    case CMD_MOUSE_TEST:
    case CMD_KEYBOARD_TEST:
    case CMD_READ_TESTS:
        i8042_reply(s, SOURCE_CONTROLLER, REPLY_TEST_OK);
        break;
    case CMD_SELF_TEST:
        run_self_test(s);
        break;
    case CMD_READ_INPUT:
        i8042_reply(s, SOURCE_CONTROLLER, INPUT_UNLOCKED);
        break;
    case CMD_READ_OUTPUT:
        i8042_reply(s, SOURCE_CONTROLLER, output_port(s));
        break;
    case CMD_A20_OFF:
    case CMD_A20_ON:
        s->output = cmd == CMD_A20_ON ? s->output | OUTPUT_A20
                                      : s->output & (uint8_t)~OUTPUT_A20;
        break;
    default:
        trace_i8042_unknown_command(cmd);
        break;
    }
}

static bool takes_data(uint8_t cmd)
{
    return (cmd >= CMD_WRITE_RAM && cmd < CMD_WRITE_RAM + RAM_BYTES) ||
           (cmd >= CMD_WRITE_OUTPUT && cmd <= CMD_TO_MOUSE);
}

static void i8042_write_command(void *opaque, uint64_t offset, uint64_t value,
                                unsigned size)
{
    I8042State *s = opaque;
    uint8_t cmd = (uint8_t)value;

    s->command_last = true;
    s->pending = 0;
    if (cmd >= CMD_PULSE) {
        if (!(cmd & OUTPUT_NO_RESET)) {
            request_reset(s);
        }
    } else if (cmd >= CMD_READ_RAM && cmd < CMD_READ_RAM + RAM_BYTES) {
        i8042_reply(s, SOURCE_CONTROLLER, s->ram[cmd - CMD_READ_RAM]);
    } else if (takes_data(cmd)) {
        s->pending = cmd;
    } else {
        run_command(s, cmd);
    }
}

static void write_keyboard(I8042State *s, uint8_t byte)
{
    /* Talking to it switches it on, and what waited is not its answer. */
    s->ram[0] &= (uint8_t)~CONFIG_NO_KEYBOARD;
    s->got_break = false;
    ps2_write(ps2_keyboard_device(s->keyboard), byte);
}

static void i8042_write_data(void *opaque, uint64_t offset, uint64_t value,
                             unsigned size)
{
    I8042State *s = opaque;
    uint8_t cmd = s->pending;
    uint8_t byte = (uint8_t)value;

    s->command_last = false;
    s->pending = 0;
    switch (cmd) {
    case 0:
        write_keyboard(s, byte);
        break;
    case CMD_WRITE_RAM:
        set_config(s, byte);
        break;
    case CMD_WRITE_OUTPUT:
        set_output_port(s, byte);
        break;
    case CMD_FAKE_KEYBOARD:
        i8042_reply(s, SOURCE_KEYBOARD, byte);
        break;
    case CMD_FAKE_MOUSE:
        i8042_reply(s, SOURCE_MOUSE, byte);
        break;
    case CMD_TO_MOUSE:
        s->ram[0] &= (uint8_t)~CONFIG_NO_MOUSE;
        ps2_write(ps2_mouse_device(s->mouse), byte);
        break;
    default:
        s->ram[cmd - CMD_WRITE_RAM] = byte;
        break;
    }
}

static uint64_t i8042_read_data(void *opaque, uint64_t offset, unsigned size)
{
    I8042State *s = opaque;
    uint8_t byte = s->out;

    if (s->source != SOURCE_NONE) {
        s->source = SOURCE_NONE;
        update_irqs(s);
        fill_output(s);
    }
    return byte;
}

static uint64_t i8042_read_status(void *opaque, uint64_t offset, unsigned size)
{
    const I8042State *s = opaque;

    return STATUS_UNLOCKED | (s->sys ? STATUS_SYS : 0) |
           (s->command_last ? STATUS_COMMAND : 0) |
           (s->source != SOURCE_NONE ? STATUS_OUT : 0) |
           (s->source == SOURCE_MOUSE ? STATUS_AUX_OUT : 0);
}

static const IORegionOps data_ops = { i8042_read_data, i8042_write_data, 1 };
static const IORegionOps command_ops = { i8042_read_status, i8042_write_command,
                                         1 };

/* -- life ----------------------------------------------------------------------------- */

static void i8042_reset(DeviceState *dev)
{
    I8042State *s = I8042(dev);

    memset(s->ram, 0, sizeof(s->ram));
    s->ram[0] = CONFIG_POWER_ON;
    s->sys = true;
    s->command_last = true;
    s->pending = 0;
    s->output = OUTPUT_NO_RESET | OUTPUT_A20;
    s->n_replies = 0;
    s->source = SOURCE_NONE;
    s->out = 0;
    s->got_break = false;
    ps2_keyboard_power_on(s->keyboard);
    ps2_mouse_power_on(s->mouse);
    update_irqs(s);
}

static bool i8042_realize(DeviceState *dev, Error **errp)
{
    I8042State *s = I8042(dev);
    IOSpace *ports = isa_bus_of(dev)->ports;
    UIState *ui = ui_find();
    InputRouter *input = ui ? ui_input(ui) : NULL;

    io_region_init(&s->data, "i8042 data", 1, &data_ops, s);
    io_region_init(&s->command, "i8042 command", 1, &command_ops, s);
    if (!isa_get_irq(dev, IRQ_KEYBOARD, &s->irq_keyboard, errp) ||
        !isa_get_irq(dev, IRQ_MOUSE, &s->irq_mouse, errp) ||
        !io_space_add(ports, &s->data, PORT_DATA, errp)) {
        return false;
    }
    if (!io_space_add(ports, &s->command, PORT_COMMAND, errp)) {
        io_space_remove(&s->data);
        return false;
    }
    s->keyboard = ps2_keyboard_new(input, device_filled, s);
    s->mouse = ps2_mouse_new(input, device_filled, s);
    i8042_reset(dev);
    return true;
}

static void free_devices(I8042State *s)
{
    g_clear_pointer(&s->keyboard, ps2_keyboard_free);
    g_clear_pointer(&s->mouse, ps2_mouse_free);
}

static void i8042_unrealize(DeviceState *dev)
{
    I8042State *s = I8042(dev);

    io_space_remove(&s->data);
    io_space_remove(&s->command);
    free_devices(s);
}

static void i8042_instance_finalize(Object *obj)
{
    free_devices(I8042(obj));
}

static bool i8042_post_load(void *opaque, int version_id, Error **errp)
{
    I8042State *s = opaque;

    if (!vmstate_check("number of replies", s->n_replies, 0, REPLIES_MAX,
                       errp) ||
        !vmstate_check("source of the output buffer", s->source, SOURCE_NONE,
                       SOURCE_MOUSE, errp)) {
        return false;
    }
    for (unsigned i = 0; i < s->n_replies; i++) {
        if (!vmstate_check("source of a reply", s->reply_source[i],
                           SOURCE_CONTROLLER, SOURCE_MOUSE, errp)) {
            return false;
        }
    }
    if (s->pending && !takes_data(s->pending)) {
        error_setg(errp, "command 0x%02x takes no data byte", s->pending);
        return false;
    }
    s->output &= OUTPUT_NO_RESET | OUTPUT_A20;
    update_irqs(s);
    return true;
}

static const VMStateDescription vmstate_i8042 = {
    .name = "pckbd",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = i8042_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT_POINTER(keyboard, I8042State, vmstate_ps2_keyboard,
                                   PS2Keyboard),
            VMSTATE_STRUCT_POINTER(mouse, I8042State, vmstate_ps2_mouse,
                                   PS2Mouse),
            VMSTATE_UINT8_ARRAY(ram, I8042State, RAM_BYTES),
            VMSTATE_BOOL(sys, I8042State),
            VMSTATE_BOOL(command_last, I8042State),
            VMSTATE_UINT8(pending, I8042State),
            VMSTATE_UINT8(output, I8042State),
            VMSTATE_UINT8_ARRAY(replies, I8042State, REPLIES_MAX),
            VMSTATE_UINT8_ARRAY(reply_source, I8042State, REPLIES_MAX),
            VMSTATE_UINT8(n_replies, I8042State),
            VMSTATE_UINT8(source, I8042State), VMSTATE_UINT8(out, I8042State),
            VMSTATE_BOOL(got_break, I8042State), VMSTATE_END_OF_LIST() },
};

static void i8042_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "keyboard controller with PS/2 keyboard and mouse";
    dc->user_creatable = false;
    dc->realize = i8042_realize;
    dc->unrealize = i8042_unrealize;
    dc->reset = i8042_reset;
    dc->vmsd = &vmstate_i8042;
}

extern const TypeInfo hw_type_i8042;
const TypeInfo hw_type_i8042 = {
    .name = TYPE_I8042,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(I8042State),
    .instance_finalize = i8042_instance_finalize,
    .class_init = i8042_class_init,
};
