/*
 * Keyboard controller, keyboard and mouse: any accesses, with a user who
 * types and moves. Each step is two bytes: what, value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "../unit/hw/fake-isa.h"
#include "hw/types.h"
#include "ui/console.h"
#include "ui/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void user_does(InputRouter *r, uint8_t what, uint8_t value)
{
    switch (what & 3) {
    case 0:
        input_key(r, (QKeyCode)(value % Q_KEY_CODE__MAX), what & 0x80);
        break;
    case 1:
        input_rel(r, (InputAxis)(what >> 7), (int8_t)value * 100);
        break;
    case 2:
        input_button(r, (InputButton)(value % INPUT_BUTTON__MAX), what & 0x80);
        break;
    default:
        input_abs(r, INPUT_AXIS_X, value);
        break;
    }
    input_sync(r);
    input_flush(r);
}

static void step(FakeISA *isa, InputRouter *r, uint8_t what, uint8_t value)
{
    switch (what & 0x0c) {
    case 0x00:
        fake_isa_out(isa, 0x64, value);
        break;
    case 0x04:
        fake_isa_out(isa, 0x60, value);
        break;
    case 0x08:
        fake_isa_in(isa, what & 1 ? 0x60 : 0x64);
        break;
    default:
        user_does(r, what, value);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Object *machine, *ui;
    DeviceState *dev;
    FakeISA isa = { 0 };

    hw_register_types();
    machine = object_new(TYPE_CONTAINER);
    ui = object_new(TYPE_UI);
    object_property_add_child(object_get_root(), "machine", machine);
    object_property_add_child(machine, "ui", ui);
    fake_isa_init(&isa);
    dev = qdev_new("i8042");
    qdev_realize(dev, BUS(isa.bus), &error_abort);
    for (size_t i = 0; i + 1 < size; i += 2) {
        step(&isa, ui_input(UI(ui)), data[i], data[i + 1]);
    }
    qdev_unrealize(dev);
    object_unref(OBJECT(dev));
    fake_isa_deinit(&isa);
    object_unparent(machine);
    object_unref(ui);
    object_unref(machine);
    return 0;
}
